"""The voice picker: the current voice is checked; a locked one says why and offers the way out."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QWidgetAction
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import VoiceState
from desktop_app.ui.theme import Theme
from desktop_app.ui.voice_picker import VoicePicker

FREE = VoiceState(("anna", "ben & co"), "anna")
LOCKED = VoiceState(("anna", "ben & co"), "anna", locked=True, reason="It has spoken <b>already</b>.")


@pytest.fixture
def picker(qtbot: QtBot, theme: Theme) -> VoicePicker:
    made = VoicePicker(theme)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def chosen(picker: VoicePicker) -> list[str]:
    voices: list[str] = []
    picker.voice_chosen.connect(voices.append)
    return voices


def action(picker: VoicePicker, text: str) -> QAction:
    return next(action for action in picker.menu().actions() if action.text() == text)


def test_the_menu_has_the_voices_and_checks_the_current_one(picker: VoicePicker) -> None:
    picker.show_voice(FREE)
    assert [(item.text(), item.isChecked()) for item in picker.menu().actions()] == [
        ("anna", True),
        ("ben && co", False),
    ]
    assert picker.text().strip() == "anna"
    assert picker.accessibleName() == "Voice: anna"


def test_another_voice_is_told_and_the_same_one_is_not(picker: VoicePicker, chosen: list[str]) -> None:
    picker.show_voice(FREE)
    action(picker, "ben && co").trigger()
    action(picker, "anna").trigger()
    assert chosen == ["ben & co"]


def test_a_locked_voice_cannot_be_changed_and_says_why(picker: VoicePicker, chosen: list[str]) -> None:
    picker.show_voice(LOCKED)
    action(picker, "ben && co").trigger()
    assert chosen == []
    reason = next(item for item in picker.menu().actions() if isinstance(item, QWidgetAction))
    label = reason.defaultWidget()
    assert isinstance(label, QLabel)
    assert label.text() == LOCKED.reason
    assert label.textFormat().name == "PlainText"
    assert picker.accessibleDescription() == LOCKED.reason


def test_a_locked_voice_offers_a_new_conversation(picker: VoicePicker, qtbot: QtBot) -> None:
    picker.show_voice(LOCKED)
    with qtbot.waitSignal(picker.new_conversation_asked):
        action(picker, "New conversation").trigger()


def test_unlocking_takes_the_reason_away(picker: VoicePicker, chosen: list[str]) -> None:
    picker.show_voice(LOCKED)
    picker.show_voice(FREE)
    assert len(picker.menu().actions()) == 2
    action(picker, "ben && co").trigger()
    assert chosen == ["ben & co"]


def test_without_voices_there_is_nothing_to_open(picker: VoicePicker) -> None:
    picker.show_voice(VoiceState((), ""))
    assert not picker.isEnabled()
