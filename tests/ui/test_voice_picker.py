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
        ("", False),
        ("Hear them, or another voice…", False),
    ]
    assert picker.text().strip() == "anna"
    assert picker.accessibleName() == "Voice: anna"


def test_another_voice_is_told_and_the_same_one_is_not(picker: VoicePicker, chosen: list[str]) -> None:
    picker.show_voice(FREE)
    action(picker, "ben && co").trigger()
    action(picker, "anna").trigger()
    assert chosen == ["ben & co"]


def test_a_locked_voice_says_why_and_another_one_can_be_chosen_all_the_same(
    picker: VoicePicker, chosen: list[str]
) -> None:
    picker.show_voice(LOCKED)
    reason = next(item for item in picker.menu().actions() if isinstance(item, QWidgetAction))
    label = reason.defaultWidget()
    assert isinstance(label, QLabel)
    assert label.text() == LOCKED.reason
    assert label.textFormat().name == "PlainText"
    assert picker.accessibleDescription() == LOCKED.reason
    action(picker, "ben && co").trigger()
    assert chosen == ["ben & co"]
    assert action(picker, "anna").isChecked()  # until the other one is in force
    assert not action(picker, "ben && co").isChecked()


def test_more_is_in_the_settings(picker: VoicePicker, qtbot: QtBot) -> None:
    picker.show_voice(FREE)
    with qtbot.waitSignal(picker.more_asked):
        action(picker, "Hear them, or another voice…").trigger()


def test_unlocking_takes_the_reason_away(picker: VoicePicker, chosen: list[str]) -> None:
    picker.show_voice(LOCKED)
    picker.show_voice(FREE)
    assert len(picker.menu().actions()) == 4
    action(picker, "ben && co").trigger()
    assert chosen == ["ben & co"]


def test_without_voices_there_is_nothing_to_open(picker: VoicePicker) -> None:
    picker.show_voice(VoiceState((), ""))
    assert not picker.isEnabled()
