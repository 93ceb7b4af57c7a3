"""Screenshots: the window leaves and comes back, a region is what was drawn, and a refusal is a sentence."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop_app.ui import screenshot as screenshot_module
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.notices import NoticesBar
from desktop_app.ui.screenshot import RegionOverlay, Screenshot
from desktop_app.ui.theme import Theme

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


def picture() -> QImage:
    """Return a picture whose every pixel tells where it was."""
    image = QImage(800, 800, QImage.Format.Format_RGB32)
    for x in range(0, 800, 2):
        for y in range(0, 800, 2):
            colour = QColor(x // 4, y // 4, 0)
            for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
                image.setPixelColor(x + dx, y + dy, colour)
    return image


@pytest.fixture
def overlay(qtbot: QtBot, theme: Theme) -> RegionOverlay:
    made = RegionOverlay(picture(), QGuiApplication.primaryScreen(), theme)
    qtbot.addWidget(made)
    made.open()
    made.resize(400, 400)
    return made


def move(widget: QWidget, to: QPoint) -> None:
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    at = QPointF(to)
    event = QMouseEvent(QEvent.Type.MouseMove, at, at, none, left, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(widget, event)


def test_the_region_that_was_drawn_is_taken_in_full_sharpness(overlay: RegionOverlay, qtbot: QtBot) -> None:
    with qtbot.waitSignal(overlay.chosen) as chosen:
        QTest.mousePress(overlay, Qt.MouseButton.LeftButton, pos=QPoint(250, 200))
        move(overlay, QPoint(150, 100))
        assert not overlay.grab().isNull()
        QTest.mouseRelease(overlay, Qt.MouseButton.LeftButton, pos=QPoint(150, 100))
    (image,) = chosen.args
    assert abs(image.width() - 200) <= 2
    assert abs(image.height() - 200) <= 2
    corner = image.pixelColor(0, 0)
    assert abs(corner.red() - 75) <= 1
    assert abs(corner.green() - 50) <= 1


def test_a_click_is_no_region_and_the_hint_comes_back(overlay: RegionOverlay, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(overlay.chosen):
        QTest.mouseClick(overlay, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    assert not overlay.grab().isNull()


def test_the_keys_take_everything_a_frame_or_nothing(overlay: RegionOverlay, qtbot: QtBot) -> None:
    with qtbot.waitSignal(overlay.chosen) as whole:
        QTest.keyClick(overlay, Qt.Key.Key_Return)
    assert whole.args[0].width() == 800
    with qtbot.waitSignal(overlay.chosen) as framed:
        for key, held in (
            (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier),
            (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier),
            (Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier),
            (Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier),
        ):
            QTest.keyClick(overlay, key, held)
    assert 350 < framed.args[0].width() < 450
    assert framed.args[0].height() > framed.args[0].width()
    with qtbot.waitSignal(overlay.cancelled):
        QTest.keyClick(overlay, Qt.Key.Key_Escape)


def test_the_other_button_changes_the_mind(overlay: RegionOverlay, qtbot: QtBot) -> None:
    with qtbot.waitSignal(overlay.cancelled):
        QTest.mousePress(overlay, Qt.MouseButton.RightButton, pos=QPoint(100, 100))


def test_the_window_leaves_for_the_picture_and_comes_back(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    visible: list[bool] = []

    def grab(screen: object) -> QImage:
        visible.append(window.isVisible())
        return picture()

    monkeypatch.setattr(screenshot_module, "grab", grab)
    with qtbot.waitSignal(window.image_given) as given:
        window._screenshot.take_screen(window.screen())
    assert visible == [False]
    assert window.isVisible()
    assert QImage.fromData(given.args[0]).width() == 800
    assert given.args[1] == "Screenshot"


def test_a_region_that_was_given_up_brings_the_window_back(
    window: MainWindow, theme: Theme, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screenshot_module, "grab", lambda screen: picture())
    shots = window.findChild(Screenshot)
    assert isinstance(shots, Screenshot)
    for key, comes in ((Qt.Key.Key_Escape, False), (Qt.Key.Key_Return, True)):
        taken: list[QImage] = []
        shots.taken.connect(taken.append)
        shots.take_region(window.screen())
        overlays: list[QWidget] = []

        def opened(found: list[QWidget] = overlays) -> bool:
            found[:] = [w for w in QApplication.topLevelWidgets() if isinstance(w, RegionOverlay) and w.isVisible()]
            return bool(found)

        qtbot.waitUntil(opened)
        QTest.keyClick(overlays[0], key)
        qtbot.waitUntil(window.isVisible)
        assert bool(taken) is comes
        shots.taken.disconnect(taken.append)


@pytest.mark.parametrize("why", ["wayland", "null"])
def test_where_it_is_not_allowed_there_is_a_sentence(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "wayland":
        monkeypatch.setattr(screenshot_module, "can_grab", lambda: False)
    else:
        monkeypatch.setattr(screenshot_module, "grab", lambda screen: QImage())
    bar = window.findChild(NoticesBar)
    assert isinstance(bar, NoticesBar)
    window._screenshot.take_screen(window.screen())
    qtbot.waitUntil(lambda: any("pictures of the screen" in notice.text for notice in bar.notices))
    qtbot.waitUntil(window.isVisible)
