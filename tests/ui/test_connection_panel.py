"""What is known of the connection: told in words, counted down, copied, and made anew when it is gone."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QProgressBar, QPushButton
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import ConnectionInfo, Link
from desktop_app.protocol.events import RateLimit
from desktop_app.ui.connection_panel import ConnectionPanel, limit_words, span_words
from desktop_app.ui.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")
LIMITS = (RateLimit(name="tokens", limit=40_000, remaining=10_000, reset_seconds=41.2), RateLimit())
INFO = ConnectionInfo("sess_1", "gpt-realtime-2.1", 10_000, LIMITS)


@pytest.fixture
def panel(window: MainWindow, theme: object, qtbot: QtBot) -> ConnectionPanel:
    window.set_endpoint_name("api.openai.com")
    window.show_link(Link.ONLINE)
    window.show_connection(INFO)
    made = window.findChild(ConnectionPanel)
    assert isinstance(made, ConnectionPanel)
    made._now = lambda: 10_000 - 3_480
    return made


def shown(panel: ConnectionPanel) -> str:
    labels = [label.text() for label in panel.findChildren(QLabel) if label.isVisible()]
    return "\n".join(labels).replace("\u200b", "")


def button(panel: ConnectionPanel, words: str) -> QPushButton:
    return next(b for b in panel.findChildren(QPushButton) if b.text() == words)


def test_it_opens_by_key_from_the_line_that_says_whether_there_is_one(
    window: MainWindow, panel: ConnectionPanel, qtbot: QtBot
) -> None:
    window._link_button.setFocus(Qt.FocusReason.TabFocusReason)
    assert window._link_button.accessibleName() == "Connected"
    QTest.keyClick(window._link_button, Qt.Key.Key_Space)
    qtbot.waitUntil(panel.isVisible)
    for words in (
        "Connected",
        "api.openai.com",
        "gpt-realtime-2.1",
        "sess_1",
        "in 58 min",
        "10,000 of 40,000 left",
    ):
        assert words in shown(panel)
    (bar, _) = panel.findChildren(QProgressBar)
    assert bar.value() == 250
    QTest.keyClick(panel, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not panel.isVisible())


def test_the_end_of_the_session_is_counted_down_while_it_is_seen(
    window: MainWindow, panel: ConnectionPanel, qtbot: QtBot
) -> None:
    window._link_button.click()
    panel._now = lambda: 10_000 - 40
    panel._tick.setInterval(10)
    qtbot.waitUntil(lambda: "in 40 s" in shown(panel))
    panel.hide()
    assert not panel._tick.isActive()


def test_the_session_is_copied(window: MainWindow, panel: ConnectionPanel) -> None:
    window._link_button.click()
    button(panel, "Copy the session's id").click()
    assert QGuiApplication.clipboard().text() == "sess_1"


def test_without_a_connection_it_offers_another_attempt_and_tells_no_end(
    window: MainWindow, panel: ConnectionPanel, qtbot: QtBot
) -> None:
    window.show_link(Link.OFFLINE)
    window._link_button.click()
    assert "Not connected" in shown(panel)
    assert "Ends" not in shown(panel)
    with qtbot.waitSignal(window.reconnect_asked):
        button(panel, "Reconnect").click()
    assert not panel.isVisible()


def test_with_nothing_known_it_is_still_as_high_as_what_is_in_it(window: MainWindow) -> None:
    window._link_button.click()
    panel = window.findChild(ConnectionPanel)
    assert isinstance(panel, ConnectionPanel)
    assert panel.height() > 60
    panel.hide()


def test_new_facts_are_shown_while_it_is_open(window: MainWindow, panel: ConnectionPanel) -> None:
    window._link_button.click()
    window.show_connection(ConnectionInfo("sess_2"))
    assert "sess_2" in shown(panel)
    assert "sess_1" not in shown(panel)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (LIMITS[0], "10,000 of 40,000 left, full in 41 s"),
        (RateLimit(remaining=3), "3 left"),
        (RateLimit(reset_seconds=0.2), "full now"),
        (RateLimit(), "not told"),
    ],
)
def test_limits_are_told_as_far_as_they_are_known(limit: RateLimit, words: str) -> None:
    assert limit_words(limit) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "now"), (0.4, "now"), (40, "in 40 s"), (3_480, "in 58 min"), (8_000, "in 2 h")],
)
def test_spans_are_told_as_people_tell_them(seconds: float, words: str) -> None:
    assert span_words(seconds) == words
