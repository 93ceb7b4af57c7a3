"""How Parley looks: colours, type, the spacing grid, icons and the one style sheet made of them.

One neutral ground, one accent, and red and amber for what went wrong. Every distance is a multiple of `GRID`;
every text has one of five sizes. `Theme` follows the system's colour scheme unless told otherwise and emits
`changed`; widgets that paint themselves ask it for colours while painting, the others are styled by the sheet.
Text and its ground reach a contrast of 4.5 : 1 in both palettes (a test computes it).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from html import escape

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from desktop_app.resources import resource
from desktop_app.ui.plain import unmistakable

GRID = 4
"""Every distance in the window is a multiple of this many logical pixels."""

COLUMN_PX = 720
"""The widest a line of the conversation gets: longer lines are hard to read."""

KEY_REASONS = frozenset(
    (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
)
"""How the focus comes when someone works by keyboard, and must see where it is."""


class Appearance(Enum):
    """Which palette is used."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Text(Enum):
    """The type scale; values are logical pixels at scale 1."""

    CAPTION = 12
    LABEL = 13
    BODY = 15
    TITLE = 17
    HEADLINE = 24


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours, as `#rrggbb`."""

    window: str
    surface: str
    """Cards, the line to type in, menus."""
    hover: str
    line: str
    """Hairlines that only decorate."""
    edge: str
    """The border of something to be used: 3 : 1 against its ground."""
    text: str
    muted: str
    """Captions, hints and what was not heard."""
    disabled: str
    accent: str
    """Words, icons and borders that stand out from the ground."""
    fill: str
    """Grounds that stand out; `on_fill` is what stands on them."""
    fill_down: str
    on_fill: str
    accent_tint: str
    """The ground of what the user said."""
    selection: str
    error: str
    error_tint: str
    warning: str
    warning_tint: str


LIGHT = Palette(
    window="#faf9f6",
    surface="#ffffff",
    hover="#efede8",
    line="#e6e3dc",
    edge="#8b867c",
    text="#1e1d1a",
    muted="#67635b",
    disabled="#a8a49b",
    accent="#0b6b58",
    fill="#0b6b58",
    fill_down="#085446",
    on_fill="#ffffff",
    accent_tint="#e2efea",
    selection="#b5dccf",
    error="#ab2318",
    error_tint="#fcecea",
    warning="#7d4c00",
    warning_tint="#fcf2df",
)

DARK = Palette(
    window="#171715",
    surface="#21211e",
    hover="#2d2d29",
    line="#34332f",
    edge="#7f7b72",
    text="#eceae4",
    muted="#a9a59b",
    disabled="#6b675f",
    accent="#56d0b1",
    fill="#14735f",
    fill_down="#17816b",
    on_fill="#ffffff",
    accent_tint="#203830",
    selection="#264f45",
    error="#ffa297",
    error_tint="#3a2320",
    warning="#f1bd5c",
    warning_tint="#352b18",
)


class Theme(QObject):
    """The look of the whole program."""

    changed = Signal()
    """The palette is another one: paint anew, make icons anew."""

    def __init__(
        self,
        app: QApplication,
        appearance: Appearance = Appearance.SYSTEM,
        *,
        scale: float = 1.0,
        reduced_motion: bool | None = None,
    ) -> None:
        """Style `app`; `scale` multiplies every size, `reduced_motion` None asks the system."""
        super().__init__(app)
        self._app = app
        self._appearance = appearance
        self._scale = scale
        self._svg: dict[str, str] = {}
        self._renderers: dict[tuple[str, str], QSvgRenderer] = {}
        self.reduced_motion = _wants_no_motion(app) if reduced_motion is None else reduced_motion
        self._families = _load_fonts()
        self.palette = LIGHT
        app.setStyle("Fusion")
        hints = app.styleHints()
        hints.setColorScheme(
            {
                Appearance.LIGHT: Qt.ColorScheme.Light,
                Appearance.DARK: Qt.ColorScheme.Dark,
                Appearance.SYSTEM: Qt.ColorScheme.Unknown,
            }[appearance]
        )
        hints.colorSchemeChanged.connect(self._apply)
        self._apply()

    @property
    def dark(self) -> bool:
        """Whether the dark palette is in use."""
        return self.palette is DARK

    def px(self, size: float) -> int:
        """Return a size of the design in logical pixels of this scale."""
        return round(size * self._scale)

    def font(self, size: Text, *, strong: bool = False) -> QFont:
        """Return the font of a size of the scale."""
        font = QFont(self._families)
        font.setPixelSize(self.px(size.value))
        font.setWeight(QFont.Weight.DemiBold if strong else QFont.Weight.Normal)
        font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
        return font

    def draw_icon(self, painter: QPainter, name: str, rect: QRectF, colour: str) -> None:
        """Draw an icon of the family into `rect`."""
        self._renderer(name, colour).render(painter, rect)

    def icon(self, name: str, colour: str | None = None, *, size: int = 20) -> QIcon:
        """Return an icon of the family, in `colour` (None: text) and dimmed where disabled; `size` unscaled."""
        icon = QIcon()
        for mode, tint in (
            (QIcon.Mode.Normal, colour or self.palette.text),
            (QIcon.Mode.Disabled, self.palette.disabled),
        ):
            for ratio in (1, 2, 3):
                icon.addPixmap(self._pixmap(name, tint, self.px(size), ratio), mode)
        return icon

    def mark(self, size: int) -> QPixmap:
        """Return the program's own icon, sharp on a screen of any density; `size` unscaled."""
        return self._render(QSvgRenderer(str(resource("icons", "org.parley.Parley.svg"))), self.px(size), 3)

    def _pixmap(self, name: str, colour: str, side: int, ratio: int) -> QPixmap:
        return self._render(self._renderer(name, colour), side, ratio)

    @staticmethod
    def _render(renderer: QSvgRenderer, side: int, ratio: int) -> QPixmap:
        pixmap = QPixmap(QSize(side, side) * ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter)
        painter.end()
        pixmap.setDevicePixelRatio(ratio)
        return pixmap

    def _renderer(self, name: str, colour: str) -> QSvgRenderer:
        if (name, colour) not in self._renderers:
            if name not in self._svg:
                path = resource("icons", "lucide", f"{name}.svg")
                self._svg[name] = path.read_text(encoding="utf-8")
            source = self._svg[name].replace("currentColor", colour)
            self._renderers[name, colour] = QSvgRenderer(QByteArray(source.encode()), self)
        return self._renderers[name, colour]

    def _apply(self) -> None:
        follows = self._appearance is Appearance.SYSTEM
        dark = _system_is_dark(self._app) if follows else self._appearance is Appearance.DARK
        self.palette = DARK if dark else LIGHT
        self._app.setFont(self.font(Text.BODY))
        self._app.setPalette(_qt_palette(self.palette))
        self._app.setStyleSheet(_style_sheet(self))
        self.changed.emit()


def plain_tip(text: str) -> str:
    """Return `text` for a tooltip, which would otherwise take what looks like HTML for HTML."""
    return f"<span>{escape(unmistakable(text))}</span>" if text else ""


def plain_action(text: str) -> str:
    """Return `text` for a menu or button, where an ampersand would underline the next letter."""
    return unmistakable(text).replace("&", "&&")


def _system_is_dark(app: QApplication) -> bool:
    return app.styleHints().colorScheme() == Qt.ColorScheme.Dark


def _load_fonts() -> list[str]:
    """Register the bundled typeface; return the families to ask for, best first."""
    for path in sorted(resource("fonts", "inter").glob("*.ttf")):
        QFontDatabase.addApplicationFont(str(path))
    system = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).families()
    return ["Inter", *(family for family in system if family != "Inter")]


def _qt_palette(palette: Palette) -> QPalette:
    roles = {
        QPalette.ColorRole.Window: palette.window,
        QPalette.ColorRole.WindowText: palette.text,
        QPalette.ColorRole.Base: palette.surface,
        QPalette.ColorRole.AlternateBase: palette.hover,
        QPalette.ColorRole.Text: palette.text,
        QPalette.ColorRole.Button: palette.surface,
        QPalette.ColorRole.ButtonText: palette.text,
        QPalette.ColorRole.BrightText: palette.on_fill,
        QPalette.ColorRole.Highlight: palette.selection,
        QPalette.ColorRole.HighlightedText: palette.text,
        QPalette.ColorRole.PlaceholderText: palette.muted,
        QPalette.ColorRole.ToolTipBase: palette.surface,
        QPalette.ColorRole.ToolTipText: palette.text,
        QPalette.ColorRole.Link: palette.accent,
    }
    qt_palette = QPalette()
    for role, colour in roles.items():
        qt_palette.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText, QPalette.ColorRole.WindowText):
        qt_palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(palette.disabled))
    return qt_palette


def _style_sheet(theme: Theme) -> str:
    p, px = theme.palette, theme.px
    return f"""
    QWidget {{ color: {p.text}; }}
    QMainWindow, QDialog {{ background: {p.window}; }}
    QLabel {{ background: transparent; }}
    QLabel[tone="muted"] {{ color: {p.muted}; }}
    QLabel[scale="caption"] {{ font-size: {px(12)}px; }}
    QLabel[scale="label"] {{ font-size: {px(13)}px; }}
    QLabel[tone="error"] {{ color: {p.error}; }}
    QLabel[tone="accent"] {{ color: {p.accent}; }}
    QLabel[scale="title"] {{ font-size: {px(17)}px; }}
    QLabel[scale="headline"] {{ font-size: {px(24)}px; font-weight: 600; }}
    QLabel[strong="true"] {{ font-weight: 600; }}

    QToolButton, QPushButton {{
        background: transparent; border: {px(2)}px solid transparent; border-radius: {px(10)}px;
        padding: {px(4)}px; font-size: {px(13)}px;
    }}
    QToolButton:hover, QPushButton:hover {{ background: {p.hover}; }}
    QToolButton:pressed, QToolButton:open, QPushButton:pressed {{ background: {p.line}; }}
    QToolButton:focus, QPushButton:focus {{ border-color: {p.accent}; }}
    QToolButton:disabled, QPushButton:disabled {{ color: {p.disabled}; }}
    QToolButton::menu-indicator {{ image: none; width: 0; }}
    QPushButton[kind="plain"] {{ border: {px(1)}px solid {p.edge}; padding: {px(5)}px {px(13)}px; }}
    QPushButton[kind="plain"]:focus {{
        border: {px(2)}px solid {p.accent}; padding: {px(4)}px {px(12)}px; }}
    QPushButton[kind="notice"] {{
        color: {p.text}; font-weight: 600; border: {px(1)}px solid {p.edge};
        border-radius: {px(8)}px; padding: {px(3)}px {px(11)}px; }}
    QPushButton[kind="notice"]:focus {{
        border: {px(2)}px solid {p.accent}; padding: {px(2)}px {px(10)}px; }}
    QPushButton[kind="primary"] {{
        background: {p.fill}; color: {p.on_fill}; font-weight: 600; padding: {px(4)}px {px(14)}px; }}
    QPushButton[kind="primary"]:hover, QPushButton[kind="primary"]:pressed {{ background: {p.fill_down}; }}
    QPushButton[kind="primary"]:disabled {{ background: {p.hover}; color: {p.disabled}; }}
    QPushButton[kind="primary"]:focus {{ border-color: {p.text}; }}
    QPushButton[kind="chip"] {{
        background: {p.accent_tint}; color: {p.text}; border-radius: {px(12)}px;
        padding: {px(3)}px {px(12)}px; text-align: left; }}
    QPushButton[kind="chip"]:hover, QPushButton[kind="chip"]:pressed {{ background: {p.selection}; }}
    QPushButton[kind="chip"]:focus {{ border-color: {p.accent}; }}
    QLabel[kind="chip"] {{
        background: {p.accent_tint}; color: {p.accent}; border-radius: {px(8)}px; font-size: {px(12)}px;
        font-weight: 600; padding: 0 {px(8)}px; }}
    QToolButton[kind="send"] {{ background: {p.fill}; border-radius: {px(12)}px; }}
    QToolButton[kind="send"]:hover, QToolButton[kind="send"]:pressed {{ background: {p.fill_down}; }}
    QToolButton[kind="send"]:disabled {{ background: {p.hover}; }}
    QToolButton[kind="send"]:focus {{ border-color: {p.text}; }}
    QToolButton[kind="stop"] {{
        background: {p.surface}; border: {px(1)}px solid {p.edge}; border-radius: {px(20)}px; }}
    QToolButton[kind="stop"]:hover {{ background: {p.hover}; }}
    QToolButton[kind="stop"]:pressed {{ background: {p.line}; }}
    QToolButton[kind="stop"]:disabled {{ background: transparent; border-color: {p.line}; }}
    QToolButton[kind="stop"]:focus {{ border: {px(2)}px solid {p.accent}; }}
    QToolButton[kind="switch"]:checked {{ background: {p.accent_tint}; color: {p.accent}; font-weight: 600; }}
    QToolButton[kind="switch"]:checked:hover {{ background: {p.selection}; }}
    QToolButton[kind="switch"]:focus {{ border-color: {p.accent}; }}
    QToolButton[kind="footer"] {{ color: {p.muted}; font-size: {px(12)}px; padding: {px(2)}px {px(4)}px; }}
    QToolButton[kind="footer"]:hover {{ color: {p.text}; }}
    QToolButton[kind="float"] {{
        background: {p.surface}; border: {px(1)}px solid {p.edge}; border-radius: {px(18)}px; }}
    QToolButton[kind="float"]:hover {{ background: {p.hover}; }}
    QToolButton[kind="more"] {{
        background: {p.surface}; border: {px(1)}px solid {p.line}; border-radius: {px(14)}px; padding: 0; }}
    QToolButton[kind="more"]:hover {{ background: {p.hover}; border-color: {p.edge}; }}

    QPlainTextEdit {{
        background: transparent; border: none; font-size: {px(15)}px;
        selection-background-color: {p.selection}; selection-color: {p.text};
        placeholder-text-color: {p.muted};
    }}
    QPlainTextEdit[kind="quote"] {{
        background: {p.hover}; border-radius: {px(8)}px; font-size: {px(13)}px; border: {px(1)}px solid transparent;
    }}
    QPlainTextEdit[kind="quote"]:focus {{ border-color: {p.accent}; }}
    QPlainTextEdit[kind="field"], QLineEdit, QDoubleSpinBox, QComboBox {{
        background: {p.surface}; border: {px(1)}px solid {p.edge}; border-radius: {px(8)}px; font-size: {px(13)}px;
        padding: {px(5)}px {px(8)}px; selection-background-color: {p.selection}; selection-color: {p.text};
        min-height: {px(20)}px; placeholder-text-color: {p.muted};
    }}
    QPlainTextEdit[kind="field"]:focus, QLineEdit:focus, QDoubleSpinBox:focus, QComboBox:focus {{
        border: {px(2)}px solid {p.accent}; padding: {px(4)}px {px(7)}px; }}
    QComboBox {{ padding-right: {px(30)}px; }}
    QComboBox:focus {{ padding-right: {px(29)}px; }}
    QComboBox QLineEdit, QComboBox QLineEdit:focus, QDoubleSpinBox QLineEdit, QDoubleSpinBox QLineEdit:focus {{
        border: none; padding: 0; background: transparent; min-height: 0; }}
    QDoubleSpinBox::up-button, QDoubleSpinBox::down-button {{ width: 0; border: none; }}
    QComboBox::drop-down {{ border: none; width: {px(28)}px; }}
    QComboBox::down-arrow {{ image: none; }}
    QComboBox QAbstractItemView {{
        background: {p.surface}; border: {px(1)}px solid {p.edge}; padding: {px(4)}px; outline: none;
        selection-background-color: {p.hover}; selection-color: {p.text}; font-size: {px(13)}px; }}
    QComboBox QAbstractItemView::item {{ min-height: {px(28)}px; padding: 0 {px(6)}px; }}
    QSlider {{ min-height: {px(24)}px; }}
    QSlider::groove:horizontal {{ height: {px(4)}px; background: {p.line}; border-radius: {px(2)}px; }}
    QSlider::sub-page:horizontal {{ background: {p.accent}; border-radius: {px(2)}px; }}
    QSlider::handle:horizontal {{
        width: {px(16)}px; height: {px(16)}px; margin: -{px(6)}px 0; border-radius: {px(8)}px;
        background: {p.fill}; border: {px(1)}px solid {p.fill}; }}
    QSlider::handle:horizontal:focus {{ border: {px(2)}px solid {p.text}; }}
    QCheckBox {{ font-size: {px(13)}px; spacing: {px(8)}px; }}
    QListWidget[kind="nav"] {{ background: transparent; font-size: {px(13)}px; }}
    QListWidget[kind="nav"]::item {{
        padding: {px(7)}px {px(10)}px; border-radius: {px(8)}px; color: {p.text};
        border: {px(2)}px solid transparent; }}
    QListWidget[kind="nav"]::item:hover {{ background: {p.hover}; }}
    QListWidget[kind="nav"]::item:selected {{ background: {p.accent_tint}; color: {p.accent}; }}
    QListWidget[kind="nav"]:focus::item:selected {{ border-color: {p.accent}; }}
    QFrame[kind="line"] {{ background: {p.line}; border: none; }}
    QFrame[kind="box"] {{ background: {p.surface}; border: {px(1)}px solid {p.line}; border-radius: {px(10)}px; }}
    QFrame[kind="wrong"] {{
        background: {p.surface}; border: {px(1)}px solid {p.error}; border-radius: {px(10)}px; }}
    QFrame[kind="popover"] {{ background: {p.surface}; border: {px(1)}px solid {p.edge}; }}
    QFrame[kind="strip"] {{ background: {p.accent_tint}; border: none; }}
    QWidget[kind="side"] {{ background: {p.window}; }}
    QListView {{ background: {p.window}; border: none; outline: none; }}
    QScrollArea {{ background: transparent; border: none; }}

    QMenu {{
        background: {p.surface}; border: {px(1)}px solid {p.edge};
        padding: {px(6)}px; font-size: {px(13)}px;
    }}
    QMenu::item {{ padding: {px(8)}px {px(16)}px {px(8)}px {px(12)}px; border-radius: {px(8)}px; }}
    QMenu::item:selected {{ background: {p.hover}; }}
    QMenu::item:disabled {{ color: {p.disabled}; }}
    QMenu::icon {{ padding-left: {px(8)}px; }}
    QMenu::separator {{ height: 1px; background: {p.line}; margin: {px(6)}px {px(8)}px; }}
    QToolTip {{
        background: {p.surface}; color: {p.text}; border: {px(1)}px solid {p.edge};
        padding: {px(6)}px {px(8)}px; font-size: {px(12)}px;
    }}

    QScrollBar:vertical {{ background: transparent; width: {px(12)}px; margin: 0; }}
    QScrollBar::handle:vertical {{
        background: {p.disabled}; border-radius: {px(3)}px; min-height: {px(32)}px; margin: {px(3)}px; }}
    QScrollBar::handle:vertical:hover {{ background: {p.muted}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

    QProgressBar {{ background: {p.line}; border: none; border-radius: {px(2)}px; max-height: {px(4)}px; }}
    QProgressBar::chunk {{ background: {p.accent}; border-radius: {px(2)}px; }}
    """


def _wants_no_motion(app: QApplication) -> bool:
    """Whether the system asks for less motion, where Qt knows: elsewhere it says so of everybody."""
    return sys.platform in ("win32", "darwin") and not app.isEffectEnabled(Qt.UIEffect.UI_General)
