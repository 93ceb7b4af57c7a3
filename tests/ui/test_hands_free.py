"""Hands-free: the mode is chosen and shown, muting is unmistakable, and nothing is held."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QToolButton
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import Link, Turn
from desktop_app.protocol.session_config import (
    AudioConfig,
    AudioInput,
    SemanticVad,
    ServerVad,
    SessionConfig,
)
from desktop_app.ui.main_window import MainWindow, mode_of
from desktop_app.ui.talk_button import LOUD_FOR, TalkButton, TalkMode, face_of
from tests.ui.conftest import SendKey


def config(detection: ServerVad | SemanticVad | None) -> SessionConfig:
    return SessionConfig(audio=AudioConfig(input=AudioInput(turn_detection=detection)))


FREE = config(ServerVad(create_response=True))
MANUAL = config(SemanticVad(create_response=False, interrupt_response=False))


@pytest.fixture
def free(window: MainWindow) -> MainWindow:
    window.show_link(Link.ONLINE)
    window.show_session(FREE, muted=False)
    return window


def talk_of(window: MainWindow) -> TalkButton:
    talk = window.findChild(TalkButton)
    assert isinstance(talk, TalkButton)
    return talk


def button(window: MainWindow, name: str) -> QToolButton:
    found = window.findChild(QToolButton, name)
    assert isinstance(found, QToolButton)
    return found


@pytest.mark.parametrize(
    ("session", "mode"),
    [
        (SessionConfig(), TalkMode.TALK),
        (config(None), TalkMode.TALK),
        (FREE, TalkMode.HANDS_FREE),
        (config(SemanticVad()), TalkMode.HANDS_FREE),
        (MANUAL, TalkMode.MANUAL),
    ],
)
def test_the_mode_follows_the_session(window: MainWindow, session: SessionConfig, mode: TalkMode) -> None:
    window.show_session(session, muted=False)
    assert mode_of(session) is mode
    checked = [action.text() for action in button(window, "mode").menu().actions() if action.isChecked()]
    assert (
        checked
        == {
            TalkMode.TALK: ["Push to talk"],
            TalkMode.HANDS_FREE: ["Hands-free"],
            TalkMode.MANUAL: ["Hands-free, I start answers"],
        }[mode]
    )
    assert button(window, "answer").isVisible() is (mode is TalkMode.MANUAL)


def test_a_mode_is_chosen_and_shown_only_when_it_is_in_force(window: MainWindow, qtbot: QtBot) -> None:
    actions = button(window, "mode").menu().actions()
    with qtbot.waitSignal(window.mode_chosen) as chosen:
        actions[2].trigger()
    assert chosen.args == ["manual"]
    assert [action.isChecked() for action in actions] == [True, False, False]
    with qtbot.assertNotEmitted(window.mode_chosen):
        actions[0].trigger()


def test_a_click_on_the_big_button_mutes_and_never_holds(free: MainWindow, qtbot: QtBot) -> None:
    talk = talk_of(free)
    with qtbot.assertNotEmitted(free.talk_pressed), qtbot.waitSignal(free.muted_chosen) as muted:
        QTest.mouseClick(talk, Qt.MouseButton.LeftButton)
    assert muted.args == [True]
    free.show_session(FREE, muted=True)
    with qtbot.waitSignal(free.muted_chosen) as muted:
        QTest.mouseClick(talk, Qt.MouseButton.LeftButton)
    assert muted.args == [False]


def test_a_press_that_leaves_the_button_changes_nothing(free: MainWindow, qtbot: QtBot) -> None:
    talk = talk_of(free)
    with qtbot.assertNotEmitted(free.muted_chosen):
        QTest.mousePress(talk, Qt.MouseButton.LeftButton)
        QTest.mouseRelease(talk, Qt.MouseButton.LeftButton, pos=talk.rect().bottomRight() * 3)


def test_keys_mute(free: MainWindow, qtbot: QtBot, send_key: SendKey) -> None:
    talk_of(free).setFocus(Qt.FocusReason.TabFocusReason)
    with qtbot.assertNotEmitted(free.talk_pressed), qtbot.waitSignal(free.muted_chosen) as by_space:
        send_key(free, QEvent.Type.KeyPress, Qt.Key.Key_Space)
        send_key(free, QEvent.Type.KeyRelease, Qt.Key.Key_Space)
    with qtbot.waitSignal(free.muted_chosen) as by_key:
        QTest.keyClick(free, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
    assert by_space.args == by_key.args == [True]


def test_the_talk_key_still_interrupts(free: MainWindow, qtbot: QtBot, send_key: SendKey) -> None:
    with qtbot.waitSignal(free.talk_pressed):
        send_key(free, QEvent.Type.KeyPress, Qt.Key.Key_F9)
    with qtbot.waitSignal(free.talk_released):
        send_key(free, QEvent.Type.KeyRelease, Qt.Key.Key_F9)


def test_holding_comes_back_with_push_to_talk(free: MainWindow, qtbot: QtBot, send_key: SendKey) -> None:
    free.show_session(config(None), muted=True)
    talk = talk_of(free)
    assert talk.words == "Hold to talk — F9"
    assert not talk.isChecked()
    talk.setFocus(Qt.FocusReason.TabFocusReason)
    with qtbot.waitSignal(free.talk_pressed):
        send_key(free, QEvent.Type.KeyPress, Qt.Key.Key_Space)
    with qtbot.assertNotEmitted(free.muted_chosen):
        QTest.keyClick(free, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)


@pytest.mark.parametrize(
    ("turn", "muted", "words"),
    [
        (Turn.IDLE, False, "Just speak — click to mute"),
        (Turn.LISTENING, False, "I hear you — pause when you are done"),
        (Turn.SPEAKING, False, "Speaking — speak to interrupt"),
        (Turn.IDLE, True, "Muted — nothing is sent; click to speak"),
        (Turn.SPEAKING, True, "Speaking — you are muted; click to speak"),
    ],
)
def test_what_goes_on_is_said_in_words(free: MainWindow, turn: Turn, muted: bool, words: str) -> None:
    free.show_session(FREE, muted=muted)
    free.show_turn(turn)
    talk = talk_of(free)
    assert talk.words == talk.accessibleName() == words
    assert talk.isChecked() is muted
    assert not talk.grab().isNull()


def test_muted_differs_by_icon_and_shape_in_every_turn() -> None:
    for mode in (TalkMode.HANDS_FREE, TalkMode.MANUAL):
        for turn in Turn:
            heard, muted = (face_of(turn, mode, muted=muted) for muted in (False, True))
            assert muted.icon == "mic-off"
            assert heard.icon != "mic-off"
            assert not muted.filled
            assert "mute" in f"{muted.title} {muted.hint}".lower()


def test_who_speaks_while_muted_is_told(free: MainWindow) -> None:
    free.show_session(FREE, muted=True)
    for _ in range(LOUD_FOR):
        free.set_level(0.9)
    assert talk_of(free).words.startswith("You are muted")
    for _ in range(3 * LOUD_FOR):
        free.set_level(0.1)
    assert talk_of(free).words.startswith("Muted")


def test_without_a_connection_nobody_listens_and_it_says_so(free: MainWindow) -> None:
    free.show_link(Link.CONNECTING)
    assert talk_of(free).words == "Not listening — waiting for the connection"
    free.show_link(Link.ONLINE)
    assert talk_of(free).words.startswith("Just speak")


def test_who_starts_answers_has_a_button_and_a_key(free: MainWindow, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(free.answer_asked):
        QTest.keyClick(free, Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    free.show_session(MANUAL, muted=False)
    assert "press Answer" in talk_of(free).words
    with qtbot.waitSignal(free.answer_asked):
        button(free, "answer").click()
    with qtbot.waitSignal(free.answer_asked):
        QTest.keyClick(free, Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)


def test_answers_in_writing_are_said_at_the_line(window: MainWindow) -> None:
    window.show_session(SessionConfig(output_modalities=["text"]), muted=False)
    assert not button(window, "written").isEnabled()
    window.show_session(SessionConfig(output_modalities=["audio"]), muted=False)
    assert button(window, "written").isEnabled()


def test_what_was_spent_stands_below_and_in_the_menu(window: MainWindow) -> None:
    window.resize(900, 700)
    assert not button(window, "spent").isVisible()
    window.show_spending("$0.04", "$0.31")
    QApplication.processEvents()
    assert button(window, "spent").isVisible()
    assert button(window, "spent").text() == "$0.04"
    assert any("$0.31 today" in action.text() for action in window._menu.actions())
    window.resize(360, 600)
    QApplication.processEvents()
    assert not button(window, "spent").isVisible()
    assert any(
        isinstance(label, QLabel) and label.objectName() == "status" for label in window.findChildren(QLabel)
    )
