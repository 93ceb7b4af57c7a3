"""The window: signals up, calls down, everything named and reachable by key, light to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, SignalInstance
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QProgressBar, QScrollArea, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import Link, Turn, VoiceState
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.session import View
from desktop_app.ui import theme as theme_module
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.talk_button import TalkButton
from desktop_app.ui.theme import Appearance, Theme

ROOT = Path(__file__).resolve().parents[2]


def widget(window: MainWindow, name: str) -> QWidget:
    found = window.findChild(QWidget, name)
    assert isinstance(found, QWidget)
    return found


def focused() -> QWidget:
    has_focus = QApplication.focusWidget()
    assert has_focus is not None
    return has_focus


def words(window: MainWindow) -> str:
    return "\n".join(label.text() for label in window.findChildren(QLabel) if label.isVisible())


def status(window: MainWindow) -> str:
    label = widget(window, "status")
    assert isinstance(label, QLabel)
    return label.text()


def test_the_window_is_a_view(window: MainWindow) -> None:
    view: View = window
    view.show_entry(Entry("a", Role.ASSISTANT, "Hello", EntryStatus.COMPLETED), None)
    view.remove_entry("a")
    view.clear_entries()
    view.give_back_text("unsent", (), ())
    assert widget(window, "message").property("plainText") == "unsent"


@pytest.mark.parametrize(
    ("turn", "said", "stops"),
    [
        (Turn.IDLE, "Hold to talk — F9", False),
        (Turn.OPENING, "One moment…", False),
        (Turn.LISTENING, "Listening — release to send", False),
        (Turn.THINKING, "Thinking…", True),
        (Turn.SPEAKING, "Speaking — hold to interrupt", True),
    ],
)
def test_the_turn_is_said_in_words(window: MainWindow, turn: Turn, said: str, stops: bool) -> None:
    window.show_link(Link.ONLINE)
    window.show_turn(turn)
    talk = window.findChild(TalkButton)
    assert isinstance(talk, TalkButton)
    assert talk.words.startswith(said)
    assert talk.accessibleName() == talk.words
    assert widget(window, "stop").isEnabled() is stops
    assert status(window) != ""


def test_without_a_connection_the_button_offers_nothing(window: MainWindow) -> None:
    talk = window.findChild(TalkButton)
    assert isinstance(talk, TalkButton)
    window.show_link(Link.ONLINE)
    connected = talk.grab().toImage()
    for link, said in ((Link.CONNECTING, "Connecting…"), (Link.OFFLINE, "Not connected")):
        window.show_link(link)
        assert talk.words.startswith(said)
        assert talk.accessibleName() == talk.words
        assert talk.grab().toImage() != connected
        window.show_turn(Turn.SPEAKING)
        assert talk.words.startswith("Speaking"), "what was received is still heard"
        window.show_turn(Turn.IDLE)


def test_the_link_is_said_in_words(window: MainWindow) -> None:
    for link, said in (
        (Link.OFFLINE, "Not connected"),
        (Link.CONNECTING, "Connecting…"),
        (Link.ONLINE, "Connected"),
    ):
        window.show_link(link)
        assert said in words(window)


def test_the_offline_assistant_is_called_what_it_is(window: MainWindow) -> None:
    window.set_endpoint_name("Offline assistant", "small models on this computer")
    assert "Offline assistant" in words(window)
    assert "small models on this computer" in words(window)
    assert "offline assistant: small models" in widget(window, "transcript").accessibleDescription()


def test_escape_stops_only_while_there_is_something_to_stop(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(window.stop_pressed):
        QTest.keyClick(window, Qt.Key.Key_Escape)
    window.show_turn(Turn.SPEAKING)
    with qtbot.waitSignal(window.stop_pressed):
        QTest.keyClick(window, Qt.Key.Key_Escape)
    with qtbot.waitSignal(window.stop_pressed):
        stop = widget(window, "stop")
        assert isinstance(stop, QToolButton)
        stop.click()


def test_what_the_user_does_goes_up(window: MainWindow, qtbot: QtBot) -> None:
    window.show_voice(VoiceState(("anna", "ben"), "anna"))
    window.show_notice(Notice("Lost.", severity=Severity.ERROR, action=NoticeAction.RECONNECT))
    steps: list[tuple[SignalInstance, object]] = [
        (window.message_entered, lambda: QTest.keyClick(widget(window, "message"), Qt.Key.Key_Return)),
        (window.voice_chosen, widget(window, "voice").menu().actions()[1].trigger),  # type: ignore[attr-defined]
        (
            window.new_conversation_asked,
            lambda: QTest.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier),
        ),
        (
            window.reconnect_asked,
            lambda: next(b for b in window.findChildren(QWidget) if b.property("text") == "Reconnect").click(),  # type: ignore[attr-defined]
        ),
        (window.closing, window.close),
    ]
    QTest.keyClicks(widget(window, "message"), "hello")
    for signal, do in steps:
        with qtbot.waitSignal(signal):
            do()  # type: ignore[operator]


def test_typing_anywhere_goes_into_the_line(window: MainWindow) -> None:
    widget(window, "talk").setFocus()
    QTest.keyClicks(focused(), "h")
    QTest.keyClicks(focused(), "i")
    assert widget(window, "message").property("plainText") == "hi"


def test_progress_comes_and_goes(window: MainWindow) -> None:
    window.show_progress("Fetching the voice", 0.5)
    bar = window.findChild(QProgressBar)
    assert isinstance(bar, QProgressBar)
    assert bar.isVisible()
    assert bar.value() * 2 == bar.maximum()
    assert "Fetching the voice" in words(window)
    window.show_progress("", None)
    assert not bar.isVisible()


def test_the_first_paint_is_told_once(qtbot: QtBot, theme: Theme) -> None:
    window = MainWindow(theme)
    qtbot.addWidget(window)
    times: list[int] = []
    window.first_painted.connect(lambda: times.append(1))
    window.show()
    qtbot.waitUntil(lambda: times == [1])
    window.update()
    window.repaint()
    QApplication.processEvents()
    assert times == [1]


def test_everything_that_can_be_used_has_a_name(window: MainWindow) -> None:
    window.show_voice(VoiceState(("anna",), "anna"))
    window.show_notice(Notice("Lost.", severity=Severity.ERROR, action=NoticeAction.RECONNECT))
    usable = [
        child
        for child in window.findChildren(QWidget)
        if child.isVisible() and child.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    assert len(usable) >= 9
    for child in usable:
        name = QAccessible.queryAccessibleInterface(child).text(QAccessible.Text.Name)
        assert name, child


def test_the_status_is_read_as_it_is_written(window: MainWindow) -> None:
    window.show_turn(Turn.LISTENING)
    seen = QAccessible.queryAccessibleInterface(widget(window, "status"))
    assert seen.text(QAccessible.Text.Name) == "Listening"


def test_tab_goes_round_through_everything(window: MainWindow) -> None:
    window.show_turn(Turn.SPEAKING)
    window.show_voice(VoiceState(("anna",), "anna"))
    QTest.keyClicks(widget(window, "message"), "x")
    widget(window, "transcript").setFocus()
    order = ["transcript"]
    for _ in range(11):
        QTest.keyClick(focused(), Qt.Key.Key_Tab)
        order.append(focused().objectName())
    assert order == [
        "transcript",
        "attach",
        "message",
        "written",
        "send",
        "talk",
        "stop",
        "mode",
        "history",
        "link",
        "voice",
        "menu",
    ]


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_help_names_the_keys_and_never_blocks(window: MainWindow, qtbot: QtBot) -> None:
    QTest.keyClick(window, Qt.Key.Key_F1)
    dialog = window.findChild(QDialog)
    assert isinstance(dialog, QDialog)
    assert any(label.text() == "F9" for label in dialog.findChildren(QLabel))
    assert {label.textFormat() for label in dialog.findChildren(QLabel)} <= {
        Qt.TextFormat.PlainText,
        Qt.TextFormat.AutoText,
    }
    dialog.reject()


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_help_can_be_closed_on_a_low_screen_and_shows_every_key_by_scrolling(
    window: MainWindow, qtbot: QtBot
) -> None:
    QTest.keyClick(window, Qt.Key.Key_F1)
    dialog = window.findChild(QDialog)
    assert isinstance(dialog, QDialog)
    dialog.resize(dialog.width(), 380)
    assert dialog.height() == 380
    scroll = dialog.findChild(QScrollArea)
    assert isinstance(scroll, QScrollArea)
    qtbot.waitUntil(lambda: scroll.verticalScrollBar().maximum() > 0)
    assert scroll.horizontalScrollBar().maximum() == 0, "no sentence is cut"
    dialog.reject()


def test_another_talk_key_is_named_everywhere(qtbot: QtBot, theme: Theme) -> None:
    window = MainWindow(theme, talk_key=Qt.Key.Key_F7)
    qtbot.addWidget(window)
    talk = window.findChild(TalkButton)
    assert isinstance(talk, TalkButton)
    window.show_link(Link.ONLINE)
    assert talk.words == "Hold to talk — F7"


@pytest.mark.parametrize("appearance", [Appearance.LIGHT, Appearance.DARK])
@pytest.mark.parametrize("size", [(360, 480), (1600, 900)])
def test_the_window_is_painted_in_every_turn(
    qapp: QApplication, qtbot: QtBot, appearance: Appearance, size: tuple[int, int]
) -> None:
    theme = Theme(qapp, appearance, reduced_motion=False)
    window = MainWindow(theme)
    qtbot.addWidget(window)
    window.resize(*size)
    window.show()
    for turn in Turn:
        window.show_turn(turn)
        window.set_level(2.0)
        assert not window.grab().isNull()
    assert (window.width(), window.height()) == size
    theme.deleteLater()


def test_changing_the_colours_at_run_time_reaches_everything(
    qapp: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    theme = Theme(qapp, Appearance.SYSTEM, reduced_motion=True)
    window = MainWindow(theme)
    qtbot.addWidget(window)
    window.show()
    corners = []
    for dark in (False, True):
        monkeypatch.setattr(theme_module, "_system_is_dark", lambda app, dark=dark: dark)
        qapp.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Unknown)
        corners.append(window.grab().toImage().pixelColor(5, window.height() // 2).name())
    assert corners == ["#faf9f6", "#171715"]
    theme.deleteLater()


def test_sound_and_network_are_not_imported_with_the_window() -> None:
    program = (
        "import sys, desktop_app.ui.main_window;"
        "heavy = {'numpy', 'asyncio', 'qasync', 'websockets', 'sounddevice', 'soxr', 'desktop_app.session',"
        " 'desktop_app.settings', 'desktop_app.ui.settings_dialog'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_escape_gives_a_lent_line_back_before_it_stops_anything(window: MainWindow, qtbot: QtBot) -> None:
    window.show_turn(Turn.SPEAKING)
    window.show_entry(Entry("u", Role.USER, "typed", EntryStatus.COMPLETED), None)
    window._view.edit_asked.emit("u", "typed")
    assert widget(window, "message").property("plainText") == "typed"
    with qtbot.assertNotEmitted(window.stop_pressed):
        QTest.keyClick(window, Qt.Key.Key_Escape)
    assert widget(window, "message").property("plainText") == ""
    with qtbot.waitSignal(window.stop_pressed):
        QTest.keyClick(window, Qt.Key.Key_Escape)


def test_what_is_done_with_rows_goes_up(window: MainWindow, qtbot: QtBot) -> None:
    view = window._view
    for inner, outer, args in (
        (view.action_asked, window.action_asked, ("a", EntryAction.RETRY)),
        (view.read_aloud_asked, window.read_aloud_asked, ("words",)),
        (view.forget_asked, window.forget_asked, (("a", "b"),)),
        (view.server_copy_asked, window.server_copy_asked, ("u",)),
    ):
        with qtbot.waitSignal(outer) as asked:
            inner.emit(*args)
        assert asked.args == list(args)
    view.about_asked.emit(("a", "b"))
    QTest.keyClicks(widget(window, "message"), "why?")
    with qtbot.waitSignal(window.about_asked) as about:
        QTest.keyClick(widget(window, "message"), Qt.Key.Key_Return)
    assert about.args == [("a", "b"), "why?"]
    view.edit_asked.emit("u", "old")
    with qtbot.waitSignal(window.resend_asked) as resent:
        QTest.keyClick(widget(window, "message"), Qt.Key.Key_Return)
    assert resent.args == ["u", "old"]


@pytest.mark.qt_log_ignore("This plugin does not support")
@pytest.mark.parametrize("uri", ["data:image/png;base64,AAAA", ""])
def test_a_broken_picture_opens_as_a_sentence(window: MainWindow, uri: str) -> None:
    window._view.picture_opened.emit(uri)
    dialog = window.findChild(QDialog)
    assert isinstance(dialog, QDialog)
    assert any("cannot be shown" in label.text() for label in dialog.findChildren(QLabel))
    dialog.reject()
