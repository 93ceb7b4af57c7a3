"""Notices: replaced by key, closed, acted upon, plain text, and gone by themselves only if they only inform."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.ui import notices as notices_module
from desktop_app.ui.notices import BURST, MOST_NOTICES, NoticeCard, NoticesBar
from desktop_app.ui.theme import Theme

LOST = Notice("The link is lost.", "Wait.", Severity.ERROR, "link", NoticeAction.RECONNECT)
NO_MIC = Notice("No microphone.", "", Severity.WARNING, "mic")
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")


@pytest.fixture
def bar(qtbot: QtBot, theme: Theme) -> NoticesBar:
    made = NoticesBar(theme)
    qtbot.addWidget(made)
    made.resize(500, 10)
    return made


def cards(bar: NoticesBar) -> list[NoticeCard]:
    return [card for card in bar.findChildren(NoticeCard) if not card.isHidden()]


def test_the_bar_is_there_only_while_it_has_something_to_say(bar: NoticesBar) -> None:
    assert bar.isHidden()
    bar.show_notice(LOST)
    assert not bar.isHidden()
    bar.dismiss("link")
    assert bar.isHidden()
    assert bar.notices == ()


def test_notices_of_the_same_key_replace_each_other_in_place(bar: NoticesBar) -> None:
    again = Notice("Still lost.", "Wait.", Severity.ERROR, "link")
    for notice in (LOST, NO_MIC, again):
        bar.show_notice(notice)
    assert bar.notices == (again, NO_MIC)


def test_notices_without_key_stand_side_by_side(bar: NoticesBar) -> None:
    bar.show_notice(Notice("One.", severity=Severity.WARNING))
    bar.show_notice(Notice("Two.", severity=Severity.WARNING))
    bar.dismiss("")
    assert [notice.text for notice in bar.notices] == ["One.", "Two."]


def test_of_too_many_notices_the_oldest_leave(bar: NoticesBar, qtbot: QtBot) -> None:
    bar.show_notice(LOST)
    for number in range(MOST_NOTICES + 2):
        bar.show_notice(Notice(f"Error {number}.", severity=Severity.ERROR))
    qtbot.waitUntil(lambda: bar.notices[-1].text == f"Error {MOST_NOTICES + 1}.")
    assert len(bar.notices) == MOST_NOTICES
    assert bar.notices[0].text == "Error 2."
    again = Notice("Error again.", severity=Severity.ERROR, key="again")
    bar.show_notice(again)
    bar.show_notice(again)
    qtbot.waitUntil(lambda: bar.notices[-1] == again)
    assert [notice.text for notice in bar.notices][-2:] == [f"Error {MOST_NOTICES + 1}.", "Error again."]


def test_what_stands_there_is_not_shown_again(bar: NoticesBar) -> None:
    bar.show_notice(LOST)
    card = cards(bar)[0]
    bar.show_notice(LOST)
    assert cards(bar) == [card]


def test_of_a_flood_a_few_are_shown_at_once_and_what_no_longer_holds_never(bar: NoticesBar, qtbot: QtBot) -> None:
    for number in range(BURST + 2):
        bar.show_notice(Notice(f"Error {number}.", severity=Severity.ERROR, key=str(number)))
    assert len(bar.notices) == BURST
    bar.dismiss(str(BURST))
    qtbot.waitUntil(lambda: len(bar.notices) > BURST)
    assert [notice.text for notice in bar.notices[BURST:]] == [f"Error {BURST + 1}."]


def test_a_notice_can_be_closed(bar: NoticesBar) -> None:
    bar.show_notice(LOST)
    bar.show_notice(NO_MIC)
    cards(bar)[0].close_button.click()
    assert bar.notices == (NO_MIC,)


@pytest.mark.parametrize(
    ("action", "signal"),
    [
        (NoticeAction.RECONNECT, "reconnect_asked"),
        (NoticeAction.NEW_CONVERSATION, "new_conversation_asked"),
    ],
)
def test_the_button_does_what_it_says(bar: NoticesBar, qtbot: QtBot, action: NoticeAction, signal: str) -> None:
    bar.show_notice(Notice("Something.", action=action))
    with qtbot.waitSignal(getattr(bar, signal)):
        cards(bar)[0].action.click()


def test_details_are_copied_and_never_shown(bar: NoticesBar) -> None:
    bar.show_notice(Notice("A bug.", action=NoticeAction.COPY_DETAILS, details="Traceback: <secret>"))
    cards(bar)[0].action.click()
    assert QGuiApplication.clipboard().text() == "Traceback: <secret>"
    assert cards(bar)[0].action.text() == "Copied"
    assert not any("Traceback" in label.text() for label in bar.findChildren(QLabel))


def test_text_is_plain(bar: NoticesBar) -> None:
    bar.show_notice(Notice("<b>The server said</b>", "<a href='x'>so</a>"))
    labels = bar.findChildren(QLabel)
    assert {label.textFormat() for label in labels} == {Qt.TextFormat.PlainText}
    assert "<b>The server said</b>" in {label.text() for label in labels}


def test_information_leaves_by_itself_and_errors_stay(
    bar: NoticesBar, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices_module, "INFO_STAYS_MS", 30)
    bar.show_notice(LOST)
    bar.show_notice(NO_MIC)
    bar.show_notice(Notice("Too short."))
    qtbot.waitUntil(lambda: bar.notices == (LOST, NO_MIC))
    QTest.qWait(60)
    assert bar.notices == (LOST, NO_MIC)


def test_many_notices_scroll_and_the_newest_is_in_sight(bar: NoticesBar, qtbot: QtBot) -> None:
    bar.limit_height(150)
    bar.show()
    for number in range(12):
        bar.show_notice(Notice(f"Notice {number}. " * 8, severity=Severity.WARNING))
    assert bar.height() == 150
    scroll = bar.verticalScrollBar()
    qtbot.waitUntil(lambda: 0 < scroll.maximum() == scroll.value())


def test_the_bar_is_as_high_as_its_notices(bar: NoticesBar) -> None:
    bar.show_notice(NO_MIC)
    one = bar.height()
    bar.show_notice(LOST)
    assert 30 <= one <= 60
    assert one + 60 <= bar.height() <= one + 110


def test_the_focus_stays_when_a_notice_is_replaced(bar: NoticesBar, qtbot: QtBot) -> None:
    bar.show_notice(LOST)
    bar.show()
    bar.activateWindow()
    qtbot.waitUntil(bar.isActiveWindow)
    cards(bar)[0].action.setFocus()
    bar.show_notice(Notice("Still lost.", key="link", severity=Severity.ERROR))
    focused = QApplication.focusWidget()
    assert focused is not None
    assert cards(bar)[-1].isAncestorOf(focused)
