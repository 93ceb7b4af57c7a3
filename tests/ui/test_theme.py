"""The look: contrast as WCAG 2.1 AA asks for, following the system, icons of one family."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from desktop_app.resources import resource
from desktop_app.ui import theme as theme_module
from desktop_app.ui.theme import DARK, LIGHT, Appearance, Palette, Text, Theme, plain_tip

TEXT_PAIRS = [
    *[(ink, ground) for ink in ("text", "muted") for ground in ("window", "surface", "hover")],
    *[("text", ground) for ground in ("accent_tint", "selection", "error_tint", "warning_tint")],
    ("muted", "accent_tint"),
    ("accent", "window"),
    ("accent", "surface"),
    ("on_fill", "fill"),
    ("on_fill", "fill_down"),
    ("error", "window"),
    ("error", "error_tint"),
    ("warning", "warning_tint"),
]
SHAPE_PAIRS = [
    ("edge", "window"),
    ("edge", "surface"),
    ("accent", "selection"),
    ("accent", "accent_tint"),
    ("fill", "window"),
]


def luminance(colour: str) -> float:
    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)

    mixed = QColor(colour)
    return 0.2126 * linear(mixed.redF()) + 0.7152 * linear(mixed.greenF()) + 0.0722 * linear(mixed.blueF())


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT_PAIRS)
def test_text_can_be_read(palette: Palette, ink: str, ground: str) -> None:
    assert contrast(getattr(palette, ink), getattr(palette, ground)) >= 4.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), SHAPE_PAIRS)
def test_shapes_can_be_seen(palette: Palette, ink: str, ground: str) -> None:
    assert contrast(getattr(palette, ink), getattr(palette, ground)) >= 3


def test_the_contrast_is_computed_rightly() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_theme_follows_the_system(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    theme = Theme(qapp, Appearance.SYSTEM)
    for dark in (True, False):
        # The offscreen screen has no colour scheme of its own, and keeps none that is set.
        monkeypatch.setattr(theme_module, "_system_is_dark", lambda app, dark=dark: dark)
        qapp.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Unknown)
        assert theme.dark is dark
    theme.deleteLater()


def test_the_theme_stays_as_it_was_asked_for(qapp: QApplication) -> None:
    theme = Theme(qapp, Appearance.DARK)
    assert theme.dark
    theme.deleteLater()


def test_sizes_grow_with_the_scale(qapp: QApplication) -> None:
    theme = Theme(qapp, Appearance.LIGHT, scale=2)
    assert theme.px(8) == 16
    assert theme.font(Text.BODY).pixelSize() == 30
    theme.deleteLater()


def test_every_icon_can_be_drawn(theme: Theme) -> None:
    names = [path.stem for path in resource("icons", "lucide").glob("*.svg")]
    assert "mic" in names
    for name in names:
        image = theme.icon(name).pixmap(20, 20).toImage()
        assert any(image.pixelColor(x, y).alpha() for x in range(20) for y in range(20)), name


def test_licences_lie_beside_what_is_bundled() -> None:
    assert "ISC License" in resource("icons", "lucide", "LICENSE").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE" in resource("fonts", "inter", "OFL.txt").read_text(encoding="utf-8")


def test_a_tooltip_shows_markup_as_it_is() -> None:
    assert plain_tip("<b>&") == "<span>&lt;b&gt;&amp;</span>"


@pytest.mark.parametrize(("system", "still"), [("linux", False), ("win32", True), ("darwin", True)])
def test_a_system_that_cannot_be_asked_wants_motion(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, system: str, still: bool
) -> None:
    was_enabled = qapp.isEffectEnabled(Qt.UIEffect.UI_General)
    qapp.setEffectEnabled(Qt.UIEffect.UI_General, False)
    monkeypatch.setattr("sys.platform", system)
    try:
        assert Theme(qapp, Appearance.LIGHT).reduced_motion is still
    finally:
        qapp.setEffectEnabled(Qt.UIEffect.UI_General, was_enabled)
