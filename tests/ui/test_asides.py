"""Answers beside the conversation: they come word by word, are chosen, copied and closed, and stay closed."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QToolButton
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import AsideState
from desktop_app.conversation.inputs import AsideKind
from desktop_app.errors import Notice, Severity
from desktop_app.ui.asides import AsideCard, Asides, replies_in
from desktop_app.ui.cards import Chip
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.notices import NoticesBar
from desktop_app.ui.theme import Theme

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")
SUMMARY, REPLIES, ABOUT = AsideKind.SUMMARY, AsideKind.REPLIES, AsideKind.ABOUT


@pytest.fixture
def bar(qtbot: QtBot, theme: Theme) -> NoticesBar:
    made = NoticesBar(theme)
    qtbot.addWidget(made)
    made.resize(500, 10)
    made.show()
    return made


@pytest.fixture
def asides(bar: NoticesBar, theme: Theme) -> Asides:
    return Asides(bar, theme)


def cards(bar: NoticesBar) -> list[AsideCard]:
    return [card for card in bar.cards if isinstance(card, AsideCard)]


def button(card: AsideCard, name: str) -> QToolButton:
    return next(b for b in card.findChildren(QToolButton) if b.accessibleName() == name)


def test_an_answer_grows_in_its_card(asides: Asides, bar: NoticesBar) -> None:
    asides.show_aside(AsideState(1, SUMMARY))
    (card,) = cards(bar)
    assert card.text_label.text() == "One moment…"
    low = bar.height()
    asides.show_aside(AsideState(1, SUMMARY, "Words. " * 60))
    QApplication.processEvents()
    assert cards(bar) == [card]
    assert bar.height() > low
    asides.show_aside(AsideState(1, SUMMARY, "All of it.", done=True))
    assert card.text_label.text() == "All of it."


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (AsideState(1, SUMMARY, done=True, failed=True), "There is no answer this time. You can ask again."),
        (AsideState(1, ABOUT, "Half an", done=True, failed=True), "Half an… (cut short)"),
        (AsideState(1, REPLIES, " \n ", done=True), "Nothing came to mind."),
        (AsideState(1, REPLIES, "one\ntwo"), "One moment…"),
    ],
)
def test_how_it_ended_is_said(asides: Asides, bar: NoticesBar, state: AsideState, said: str) -> None:
    asides.show_aside(state)
    label = cards(bar)[0].text_label
    assert (label.text(), label.isHidden()) == (said, False)


def test_text_is_plain(asides: Asides, bar: NoticesBar) -> None:
    asides.show_aside(AsideState(1, ABOUT, "<b>bold</b>", done=True))
    assert {label.textFormat() for label in bar.findChildren(QLabel)} == {Qt.TextFormat.PlainText}


def test_a_suggestion_is_chosen_and_its_card_goes(asides: Asides, bar: NoticesBar, qtbot: QtBot) -> None:
    asides.show_aside(AsideState(1, REPLIES, "1. Yes & no\n- Maybe later\n\n«Never»", done=True))
    chips = bar.findChildren(Chip)
    assert [chip.whole for chip in chips] == ["Yes & no", "Maybe later", "Never"]
    with qtbot.waitSignal(asides.reply_chosen) as chosen:
        chips[0].click()
    assert chosen.args == ["Yes & no"]
    assert cards(bar) == []


def test_a_long_suggestion_is_cut_and_told_whole(asides: Asides, bar: NoticesBar) -> None:
    asides.show_aside(AsideState(1, REPLIES, "word " * 60, done=True))
    QApplication.processEvents()
    (chip,) = bar.findChildren(Chip)
    assert chip.width() <= bar.width()
    assert chip.text().endswith("…")
    assert chip.accessibleName() == chip.whole
    assert chip.whole in chip.toolTip()


def test_marks_before_suggestions_are_left_out() -> None:
    assert replies_in("1) one\n2. two\n• three\n* four\n- five\n“six”\n7. seven") == [
        "one", "two", "three", "four", "five", "six",
    ]  # fmt: skip
    assert replies_in("2.5 kilos, please\n-5 degrees") == ["2.5 kilos, please", "-5 degrees"]


def test_what_was_closed_stays_closed(asides: Asides, bar: NoticesBar) -> None:
    asides.show_aside(AsideState(1, SUMMARY, "Some"))
    cards(bar)[0].close_button.click()
    asides.show_aside(AsideState(1, SUMMARY, "Some more", done=True))
    assert cards(bar) == []
    assert bar.isHidden()


def test_a_new_summary_takes_the_old_ones_place_and_late_words_of_that_one_do_not_matter(
    asides: Asides, bar: NoticesBar
) -> None:
    asides.show_aside(AsideState(1, SUMMARY, "Old"))
    asides.show_aside(AsideState(2, ABOUT, "Other"))
    asides.show_aside(AsideState(3, SUMMARY, "New"))
    asides.show_aside(AsideState(1, SUMMARY, "Old again", done=True))
    assert [card.text_label.text() for card in cards(bar)] == ["New", "Other"]


def test_it_is_copied(asides: Asides, bar: NoticesBar) -> None:
    asides.show_aside(AsideState(1, SUMMARY, " All of it. ", done=True))
    button(cards(bar)[0], "Copy").click()
    assert QGuiApplication.clipboard().text() == "All of it."
    asides.show_aside(AsideState(2, REPLIES, "1. a\n2. b", done=True))
    button(cards(bar)[1], "Copy").click()
    assert QGuiApplication.clipboard().text() == "a\nb"


def test_notices_stand_below_and_keep_their_order(asides: Asides, bar: NoticesBar) -> None:
    bar.show_notice(Notice("One.", severity=Severity.WARNING))
    asides.show_aside(AsideState(1, SUMMARY, "Words"))
    bar.show_notice(Notice("Two.", severity=Severity.WARNING))
    assert isinstance(bar.cards[0], AsideCard)
    assert [notice.text for notice in bar.notices] == ["One.", "Two."]


def test_the_window_shows_and_asks_for_them(window: MainWindow, qtbot: QtBot) -> None:
    for words, signal in (("Summarise", window.summary_asked), ("Suggest replies", window.replies_asked)):
        action = next(action for action in window._menu.actions() if action.text() == words)
        with qtbot.waitSignal(signal):
            action.trigger()
    window.show_aside(AsideState(1, REPLIES, "Tell me more", done=True))
    QTest.keyClicks(window._composer.line, "mine")
    window.findChildren(Chip)[0].click()
    assert window._composer.text == "Tell me more"
    window.show_aside(AsideState(2, SUMMARY, "Words"))
    window.show_title("A title", "Topic")
    window.clear_entries()
    assert window.findChild(NoticesBar).cards == ()  # type: ignore[union-attr]
    assert "A title" not in window.windowTitle()


def test_title_and_topic_stand_in_the_header(window: MainWindow) -> None:
    window.set_endpoint_name("Offline assistant", "small models")
    window.show_title("<i>Trains</i> to Lisbon", "Travel")
    shown = [label.text() for label in window.findChildren(QLabel) if label.isVisible()]
    assert "<i>Trains</i> to Lisbon" in shown
    assert "Travel" in shown
    assert any("Offline assistant" in text for text in shown)
    assert window.windowTitle() == "Parley – <i>Trains</i> to Lisbon"
