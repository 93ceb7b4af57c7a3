"""Push-to-talk: whatever the keys, the mouse and the focus do, one press and one release per talk."""

from __future__ import annotations

from functools import partial
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.talk_button import TalkButton
from desktop_app.ui.talk_key import DEBOUNCE_MS, Hold, TalkKey
from tests.ui.conftest import SendKey

DOWN, UP = QEvent.Type.KeyPress, QEvent.Type.KeyRelease
F9, SPACE = Qt.Key.Key_F9, Qt.Key.Key_Space


class Log(list[str]):
    """What the window said, in order."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__()
        window.talk_pressed.connect(lambda: self.append("pressed"))
        window.talk_released.connect(lambda: self.append("released"))
        window.closing.connect(lambda: self.append("closing"))


@pytest.fixture
def log(window: MainWindow) -> Log:
    return Log(window)


def is_said(log: Log, expected: list[str]) -> bool:
    return log == expected


def the_talk_button(window: MainWindow) -> TalkButton:
    button = window.findChild(TalkButton, "talk")
    assert isinstance(button, TalkButton)
    return button


def child(window: MainWindow, name: str) -> QWidget:
    found = window.findChild(QWidget, name)
    assert isinstance(found, QWidget)
    return found


def test_a_held_key_that_repeats_as_real_pairs_is_one_talk(
    window: MainWindow, log: Log, qtbot: QtBot, send_key: SendKey
) -> None:
    send_key(window, DOWN, F9)
    for _ in range(40):
        send_key(window, UP, F9)
        send_key(window, DOWN, F9)
        QTest.qWait(1)
    assert log == ["pressed"]
    send_key(window, UP, F9)
    qtbot.waitUntil(lambda: "released" in log)
    QTest.qWait(2 * DEBOUNCE_MS)
    assert log == ["pressed", "released"]


def test_flagged_repeats_are_one_talk_as_well(
    window: MainWindow, log: Log, qtbot: QtBot, send_key: SendKey
) -> None:
    send_key(window, DOWN, F9)
    for _ in range(10):
        send_key(window, UP, F9, repeat=True)
        send_key(window, DOWN, F9, repeat=True)
    QTest.qWait(2 * DEBOUNCE_MS)
    assert log == ["pressed"]
    send_key(window, UP, F9)
    qtbot.waitUntil(lambda: log == ["pressed", "released"])


@pytest.mark.parametrize("hold", ["key", "mouse"])
def test_the_release_is_told_soon_after_the_debounce(
    window: MainWindow, log: Log, qtbot: QtBot, send_key: SendKey, hold: str
) -> None:
    button = the_talk_button(window)
    if hold == "key":
        send_key(window, DOWN, F9)
        let_go = monotonic()
        send_key(window, UP, F9)
    else:
        QTest.mousePress(button, Qt.MouseButton.LeftButton)
        let_go = monotonic()
        QTest.mouseRelease(button, Qt.MouseButton.LeftButton)
    assert log == ["pressed"]
    qtbot.waitUntil(lambda: len(log) == 2)
    assert DEBOUNCE_MS - 2 <= (monotonic() - let_go) * 1000 < DEBOUNCE_MS + 500


def test_two_presses_a_finger_apart_are_two_talks(
    window: MainWindow, log: Log, qtbot: QtBot, send_key: SendKey
) -> None:
    for talks in (1, 2):
        send_key(window, DOWN, F9)
        send_key(window, UP, F9)
        qtbot.waitUntil(partial(is_said, log, ["pressed", "released"] * talks))


def test_a_repeat_of_a_key_pressed_elsewhere_begins_nothing(
    window: MainWindow, log: Log, send_key: SendKey
) -> None:
    send_key(window, DOWN, F9, repeat=True)
    send_key(window, UP, F9)
    assert log == []


def test_the_key_talks_while_the_line_has_the_focus(window: MainWindow, log: Log, send_key: SendKey) -> None:
    child(window, "message").setFocus()
    send_key(window, DOWN, F9)
    assert log == ["pressed"]


def test_a_shortcut_with_the_key_is_not_the_key(window: MainWindow, log: Log, send_key: SendKey) -> None:
    send_key(window, DOWN, F9, modifiers=Qt.KeyboardModifier.ControlModifier)
    assert log == []


@pytest.mark.parametrize("focus", ["transcript", "talk"])
def test_space_talks_in_the_transcript_and_on_the_button(
    window: MainWindow, log: Log, qtbot: QtBot, send_key: SendKey, focus: str
) -> None:
    child(window, focus).setFocus()
    send_key(window, DOWN, SPACE)
    assert log == ["pressed"]
    send_key(window, UP, SPACE)
    qtbot.waitUntil(lambda: log == ["pressed", "released"])


def test_space_types_in_the_line(window: MainWindow, log: Log, send_key: SendKey) -> None:
    line = window.findChild(QWidget, "message")
    assert line is not None
    line.setFocus()
    send_key(window, DOWN, SPACE)
    send_key(window, UP, SPACE)
    assert log == []
    assert line.property("plainText") == " "


def test_space_let_go_after_the_focus_moved_ends_the_talk(
    window: MainWindow, log: Log, qtbot: QtBot, send_key: SendKey
) -> None:
    child(window, "transcript").setFocus()
    send_key(window, DOWN, SPACE)
    child(window, "message").setFocus()
    send_key(window, UP, SPACE)
    qtbot.waitUntil(lambda: log == ["pressed", "released"])


def test_leaving_the_button_with_the_mouse_does_not_let_go(window: MainWindow, log: Log, qtbot: QtBot) -> None:
    button = the_talk_button(window)
    QTest.mousePress(button, Qt.MouseButton.LeftButton, pos=QPoint(40, 30))
    QTest.mouseMove(button, QPoint(-300, -200))
    assert log == ["pressed"]
    QTest.mouseRelease(button, Qt.MouseButton.LeftButton, pos=QPoint(-300, -200))
    qtbot.waitUntil(lambda: log == ["pressed", "released"])


def test_another_mouse_button_does_nothing(window: MainWindow, log: Log) -> None:
    QTest.mouseClick(the_talk_button(window), Qt.MouseButton.RightButton)
    assert log == []


def test_key_and_mouse_together_are_one_talk_until_the_last_is_up(
    window: MainWindow, log: Log, qtbot: QtBot, send_key: SendKey
) -> None:
    button = the_talk_button(window)
    send_key(window, DOWN, F9)
    QTest.mousePress(button, Qt.MouseButton.LeftButton)
    send_key(window, UP, F9)
    QTest.qWait(2 * DEBOUNCE_MS)
    assert log == ["pressed"]
    QTest.mouseRelease(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: log == ["pressed", "released"])


def test_losing_the_focus_ends_the_talk_once(window: MainWindow, log: Log, qtbot: QtBot, send_key: SendKey) -> None:
    button = the_talk_button(window)
    send_key(window, DOWN, F9)
    QTest.mousePress(button, Qt.MouseButton.LeftButton)
    other = QWidget()
    qtbot.addWidget(other)
    other.show()
    other.activateWindow()
    qtbot.waitUntil(lambda: log == ["pressed", "released"])
    send_key(window, UP, F9)
    QTest.mouseRelease(button, Qt.MouseButton.LeftButton)
    QTest.qWait(2 * DEBOUNCE_MS)
    assert log == ["pressed", "released"]


def test_another_program_in_front_ends_the_talk(
    window: MainWindow, log: Log, qapp: QApplication, send_key: SendKey
) -> None:
    send_key(window, DOWN, F9)
    qapp.applicationStateChanged.emit(Qt.ApplicationState.ApplicationInactive)
    assert log == ["pressed", "released"]


def test_focus_lost_within_the_debounce_ends_the_talk_once(
    window: MainWindow, log: Log, qapp: QApplication, send_key: SendKey
) -> None:
    send_key(window, DOWN, F9)
    send_key(window, UP, F9)
    qapp.applicationStateChanged.emit(Qt.ApplicationState.ApplicationInactive)
    QTest.qWait(2 * DEBOUNCE_MS)
    assert log == ["pressed", "released"]


def test_closing_ends_the_talk_before_it_is_told(window: MainWindow, log: Log, send_key: SendKey) -> None:
    send_key(window, DOWN, F9)
    window.close()
    assert log == ["pressed", "released", "closing"]
    assert window.isHidden()
    window.close()
    assert log[3:] == []


def test_hiding_ends_the_talk(window: MainWindow, log: Log, send_key: SendKey) -> None:
    send_key(window, DOWN, F9)
    window.hide()
    assert log == ["pressed", "released"]


def test_the_keys_still_work_after_the_window_was_hidden(window: MainWindow, log: Log, send_key: SendKey) -> None:
    window.hide()
    window.show()
    send_key(window, DOWN, F9)
    assert log == ["pressed"]


def test_assistive_technology_presses_once_to_begin_and_once_to_end(
    window: MainWindow, log: Log, qtbot: QtBot
) -> None:
    the_talk_button(window).click()
    assert log == ["pressed"]
    the_talk_button(window).click()
    qtbot.waitUntil(lambda: log == ["pressed", "released"])


def test_toggling_again_before_the_release_was_told_goes_on(window: MainWindow, log: Log, qtbot: QtBot) -> None:
    for _ in range(3):
        the_talk_button(window).click()
    QTest.qWait(2 * DEBOUNCE_MS)
    assert log == ["pressed"]
    the_talk_button(window).click()
    qtbot.waitUntil(lambda: log == ["pressed", "released"])


HOLDS = st.sampled_from(list(Hold))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["press", "release", "toggle"]), HOLDS),
        st.tuples(st.just("end"), st.none()),
    )
)


@given(steps=STEPS)
def test_presses_and_releases_alternate_whatever_happens(
    qapp: QApplication, steps: list[tuple[str, Hold | None]]
) -> None:
    widget = QWidget()
    key = TalkKey(widget, F9)
    said: list[str] = []
    key.pressed.connect(lambda: said.append("pressed"))
    key.released.connect(lambda: said.append("released"))
    for name, hold in steps:
        getattr(key, name)(*([hold] if hold else []))
        assert key.is_held == (said[-1:] == ["pressed"])
    key.end()
    assert said == ["pressed", "released"] * (len(said) // 2)
    widget.deleteLater()
