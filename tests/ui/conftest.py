"""What the tests of the window share: one look, and real key events as the screen's server sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import Appearance, Theme

SendKey = Callable[..., None]


@pytest.fixture
def theme(qapp: QApplication) -> Iterator[Theme]:
    """Return the light theme, without motion."""
    made = Theme(qapp, Appearance.LIGHT, reduced_motion=True)
    yield made
    made.deleteLater()


@pytest.fixture
def window(qtbot: QtBot, theme: Theme) -> Iterator[MainWindow]:
    """Return the window, on the screen and active."""
    made = MainWindow(theme)
    qtbot.addWidget(made)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    yield made
    made.hide()


@pytest.fixture
def send_key() -> SendKey:
    """Return what sends a key event to a window from outside, before any widget sees it."""

    def send(
        window: QWidget,
        kind: QEvent.Type,
        key: Qt.Key,
        *,
        repeat: bool = False,
        modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        text = " " if key == Qt.Key.Key_Space else ""
        QApplication.sendEvent(window.windowHandle(), QKeyEvent(kind, key, modifiers, text, repeat))

    return send
