"""The attempt to connect that is planned: counted down, made now, or called off, on the notice and in the panel."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import Link, Retry
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.ui.connection_panel import ConnectionPanel
from desktop_app.ui.countdown import Countdown, retry_words
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.notices import NoticeCard, NoticesBar
from desktop_app.ui.theme import Theme

LOST = Notice("The connection was lost.", "It is opened again.", Severity.WARNING, "link", NoticeAction.RECONNECT)
OTHER = Notice("No microphone.", "", Severity.WARNING, "mic", NoticeAction.RECONNECT)
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


@pytest.mark.parametrize(
    ("left_s", "words"),
    [
        (3.2, "Next attempt in 4 s (2 of 5)."),
        (0.0, "Trying to connect now (2 of 5)."),
        (-5.0, "Trying to connect now (2 of 5)."),
        (600.0, "Next attempt in 10 min (2 of 5)."),
    ],
)
def test_when_the_next_attempt_is_in_words(left_s: float, words: str) -> None:
    assert retry_words(Retry(9_999, 2, 5), left_s) == words


def test_it_counts_by_itself_and_tells_of_changes_only(qtbot: QtBot, theme: Theme) -> None:
    bar = NoticesBar(theme)
    qtbot.addWidget(bar)
    now = [100.0]
    countdown = Countdown(bar, now=lambda: now[0])
    countdown._tick.setInterval(1)
    told: list[str] = []
    countdown.changed.connect(lambda: told.append(countdown.words))
    countdown.begin(Retry(2_000, 1, 5))
    now[0] = 101.5
    qtbot.waitUntil(lambda: "in 1 s" in countdown.words, timeout=20_000)
    now[0] = 102.0
    qtbot.waitUntil(lambda: "now" in countdown.words, timeout=20_000)
    countdown.begin(None)
    assert told == [
        "Next attempt in 2 s (1 of 5).",
        "Next attempt in 1 s (1 of 5).",
        "Trying to connect now (1 of 5).",
        "",
    ]
    assert not countdown._tick.isActive()


@pytest.fixture
def bar(qtbot: QtBot, theme: Theme) -> NoticesBar:
    made = NoticesBar(theme)
    qtbot.addWidget(made)
    made.resize(500, 10)
    return made


def card(bar: NoticesBar, notice: Notice = LOST) -> NoticeCard:
    (found,) = [c for c in bar.findChildren(NoticeCard) if c.notice == notice and not c.isHidden()]
    return found


@pytest.mark.parametrize("notice_first", [True, False])
def test_the_notice_of_the_outage_offers_now_and_stop_instead_of_reconnect(
    bar: NoticesBar, qtbot: QtBot, notice_first: bool
) -> None:
    bar.show_notice(OTHER)
    if notice_first:
        bar.show_notice(LOST)
    bar.show_retry(Retry(4_000, 1, 5))
    if not notice_first:
        bar.show_notice(LOST)
    bar.show()
    shown = card(bar)
    assert shown.now.isVisible()
    assert shown.stop.isVisible()
    assert not shown.action.isVisible()
    assert not card(bar, OTHER).now.isVisible()
    assert card(bar, OTHER).action.isVisible()
    with qtbot.waitSignal(bar.reconnect_asked):
        shown.now.click()
    with qtbot.waitSignal(bar.retry_stopped):
        shown.stop.click()
    bar.show_retry(None)
    assert not shown.now.isVisible()
    assert shown.action.isVisible()


def test_the_panel_says_the_same(qtbot: QtBot, theme: Theme) -> None:
    window = MainWindow(theme)
    qtbot.addWidget(window)
    window.show()
    panel = window.findChildren(ConnectionPanel)[0]
    window.show_link(Link.CONNECTING)
    window.show_retry(Retry(60_000, 2, 5))
    window._link_button.click()
    assert "(2 of 5)" in panel._retry.text()
    assert panel._reconnect.text() == "Try now"
    with qtbot.waitSignal(window.retry_stopped):
        panel._stop.click()
    window.show_retry(None)
    window.show_link(Link.OFFLINE)
    window._link_button.click()
    assert panel._reconnect.text() == "Reconnect"
    assert not panel._stop.isVisible()
    assert not panel._retry.isVisible()
    with qtbot.waitSignal(window.reconnect_asked):
        panel._reconnect.click()
