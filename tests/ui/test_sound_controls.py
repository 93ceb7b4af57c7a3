"""The test of the microphone in the settings, the volume in the menu, and speaking while one is muted."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton, QSlider
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import Link, Turn
from desktop_app.protocol.session_config import AudioConfig, AudioInput, ServerVad, SessionConfig
from desktop_app.settings import SOUND
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.microphone_test import FALL, LevelBar, MicrophoneTestPane
from desktop_app.ui.settings_lists import CheckPhase, CheckState
from desktop_app.ui.talk_button import LOUD_FOR

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")
HANDS_FREE = SessionConfig(audio=AudioConfig(input=AudioInput(turn_detection=ServerVad())))


@pytest.fixture
def pane(window: MainWindow, qtbot: QtBot) -> MicrophoneTestPane:
    window.settings.open(SOUND)
    dialog = window.settings._dialog
    assert dialog is not None
    (found,) = dialog.findChildren(MicrophoneTestPane)
    return found


def button(pane: MicrophoneTestPane) -> QPushButton:
    (found,) = pane.findChildren(QPushButton)
    return found


def words(pane: MicrophoneTestPane) -> str:
    return "".join(label.text() for label in pane.findChildren(QLabel) if label.isVisible()).replace("\u200b", "")


def test_the_button_begins_and_stops_it(window: MainWindow, pane: MicrophoneTestPane) -> None:
    asked: list[bool] = []
    window.settings.microphone_test_asked.connect(asked.append)
    assert button(pane).text() == "Record 3 seconds"
    button(pane).click()
    window.settings.show_microphone_test(CheckState(CheckPhase.RECORDING, 0.4, 0.6, "Say something. −24 dB"))
    assert button(pane).text() == "Stop"
    assert words(pane) == "Say something. −24 dB"
    button(pane).click()
    assert asked == [True, False]


def test_what_came_of_it_stays_to_be_read(window: MainWindow, pane: MicrophoneTestPane) -> None:
    window.settings.show_microphone_test(CheckState(text="Nothing but silence.", failed=True))
    assert words(pane) == "Nothing but silence."
    assert button(pane).text() == "Record 3 seconds"


def test_it_ends_with_the_dialog(window: MainWindow, pane: MicrophoneTestPane) -> None:
    asked: list[bool] = []
    window.settings.microphone_test_asked.connect(asked.append)
    window.settings.show_microphone_test(CheckState(CheckPhase.PLAYING))
    assert window.settings._dialog is not None
    window.settings._dialog.close()
    assert asked == [False]


def test_the_bar_rises_at_once_and_falls_gradually(pane: MicrophoneTestPane) -> None:
    (bar,) = pane.findChildren(LevelBar)
    bar.show_level(0.9)
    assert bar.level == 0.9
    bar.show_level(0.1)
    assert bar.level == pytest.approx(0.9 - FALL)


# --- volume -----------------------------------------------------------------------------------------


def test_the_menu_shows_the_volume_in_force_and_changes_it(window: MainWindow) -> None:
    moved: list[int] = []
    changed: list[tuple[str, object]] = []
    window.volume_moved.connect(moved.append)
    window.settings.setting_changed.connect(lambda name, value: changed.append((name, value)))
    window.settings.show_values({"audio.volume": 60})
    window._menu.aboutToShow.emit()
    (slider,) = window._volume.defaultWidget().findChildren(QSlider)
    assert window._volume.percent == 60
    QTest.keyClick(slider, Qt.Key.Key_Right)
    assert moved == [65]
    assert changed == [("audio.volume", 65)]


def test_while_it_is_moved_it_is_heard_and_kept_when_let_go(window: MainWindow) -> None:
    moved: list[int] = []
    changed: list[object] = []
    window.volume_moved.connect(moved.append)
    window.settings.setting_changed.connect(lambda _name, value: changed.append(value))
    window.settings.show_values({"audio.volume": 100})
    (slider,) = window._volume.defaultWidget().findChildren(QSlider)
    slider.setSliderDown(True)
    slider.setValue(10)
    assert moved == [50]
    assert changed == []
    slider.setSliderDown(False)
    assert changed == [50]


def test_two_keys_make_it_louder_and_quieter(window: MainWindow) -> None:
    changed: list[object] = []
    window.settings.setting_changed.connect(lambda _name, value: changed.append(value))
    window.settings.setting_changed.connect(lambda name, value: window.settings.show_values({name: value}))
    window.settings.show_values({"audio.volume": 95})
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Down):
        QTest.keyClick(window, key, Qt.KeyboardModifier.AltModifier)
    assert changed == [100, 90, 80]


# --- muted ------------------------------------------------------------------------------------------


def test_who_speaks_while_muted_is_told_once(window: MainWindow) -> None:
    told: list[None] = []
    window.talked_while_muted.connect(lambda: told.append(None))
    window.show_link(Link.ONLINE)
    window.show_session(HANDS_FREE, muted=True)
    for _ in range(3 * LOUD_FOR):
        window.set_level(0.8)
    assert len(told) == 1
    assert window._talk.words.startswith("You are muted")


def test_muting_leaves_an_answer_alone_and_says_so(window: MainWindow) -> None:
    window.show_link(Link.ONLINE)
    window.show_session(HANDS_FREE, muted=True)
    window.show_turn(Turn.SPEAKING)
    assert window._talk.words == "Speaking — you are muted; click to speak"
    assert window._stop.isEnabled()


@pytest.mark.parametrize(("muted", "heard"), [(False, True), (True, False)])
def test_it_knows_whether_a_test_would_be_heard(window: MainWindow, muted: bool, heard: bool) -> None:
    window.show_link(Link.ONLINE)
    assert not window.would_be_heard
    window.show_session(HANDS_FREE, muted=muted)
    assert window.would_be_heard is heard
