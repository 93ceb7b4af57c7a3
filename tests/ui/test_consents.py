"""Questions that wait for a yes: one at a time, never answered by accident."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import Consent
from desktop_app.errors import Notice
from desktop_app.ui import consents as consents_module
from desktop_app.ui.consents import ConsentCard
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.notices import NoticesBar

NOTE = Consent("c1", "write_note", '{"path": "a.md", "text": "<b>hello</b>"}')
FILES = Consent("c2", "search_files", '{"q": "tickets"}', server="files")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consents_module, "DEAF_MS", 0)


def card_of(window: MainWindow) -> ConsentCard | None:
    bar = window.findChild(NoticesBar)
    assert isinstance(bar, NoticesBar)
    found = [card for card in bar.cards if isinstance(card, ConsentCard)]
    assert len(found) <= 1
    return found[0] if found else None


def ready(window: MainWindow, qtbot: QtBot) -> ConsentCard:
    """Return the card once it takes clicks."""
    qtbot.waitUntil(lambda: (card := card_of(window)) is not None and card.buttons[0].isEnabled())
    card = card_of(window)
    assert card is not None
    return card


def words_of(card: ConsentCard) -> str:
    return "\n".join(label.text().replace("\u200b", "") for label in card.findChildren(QLabel))


@pytest.mark.parametrize(("number", "allowed", "always"), [(0, True, False), (1, True, True), (2, False, False)])
def test_the_answer_goes_up(window: MainWindow, qtbot: QtBot, number: int, allowed: bool, always: bool) -> None:
    window.ask_consent(NOTE)
    with qtbot.waitSignal(window.consent_given) as given:
        ready(window, qtbot).buttons[number].click()
    assert given.args == ["c1", allowed, always]
    assert card_of(window) is None


def test_it_says_who_would_do_what_and_shows_no_markup(window: MainWindow, qtbot: QtBot) -> None:
    window.ask_consent(NOTE)
    card = ready(window, qtbot)
    assert "write_note" in words_of(card)
    assert "on this computer" in words_of(card)
    quote = card.findChild(QPlainTextEdit)
    assert isinstance(quote, QPlainTextEdit)
    assert quote.toPlainText() == "path: a.md\ntext: <b>hello</b>"
    assert quote.isReadOnly()
    assert {label.textFormat() for label in card.findChildren(QLabel)} == {Qt.TextFormat.PlainText}


def test_no_line_of_what_is_asked_is_cut_in_a_narrow_window(window: MainWindow, qtbot: QtBot) -> None:
    text = "Buy milk and bread and three more things, and do not forget the flowers."
    window.ask_consent(Consent("c1", "create_note", "{}", question=f"Write this note?\n{text}"))
    card = ready(window, qtbot)
    quote = card.findChild(QPlainTextEdit)
    assert isinstance(quote, QPlainTextEdit)
    window.resize(360, 700)
    qtbot.waitUntil(lambda: quote.document().size().height() > 1 and quote.verticalScrollBar().maximum() == 0)
    narrow = quote.height()
    window.resize(1100, 700)
    qtbot.waitUntil(lambda: quote.height() < narrow)


def test_a_notice_that_comes_later_does_not_push_the_answers_out_of_sight(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(360, 480)
    window.ask_consent(NOTE)
    card = ready(window, qtbot)
    for number in range(4):
        window.show_notice(
            Notice(f"Something else happened, for the {number}. time.", "Look at it.", key=str(number))
        )
    bar = window.findChild(NoticesBar)
    assert isinstance(bar, NoticesBar)
    scroll = bar.verticalScrollBar()
    qtbot.waitUntil(lambda: len(bar.cards) > 1 and 0 < scroll.maximum() == scroll.value())
    assert bar.cards[-1] is card


def test_a_tool_may_word_the_question_itself(window: MainWindow, qtbot: QtBot) -> None:
    question = "Open this page in your browser?\n\nhttps://example.com/<b>x</b>"
    window.ask_consent(Consent("c1", "open", '{"target": "…"}', question=question, source="your file a.py"))
    card = ready(window, qtbot)
    assert "Open this page in your browser?" in words_of(card)
    assert "It is a tool of your file a.py." in words_of(card)
    quote = card.findChild(QPlainTextEdit)
    assert isinstance(quote, QPlainTextEdit)
    assert quote.toPlainText() == "https://example.com/<b>x</b>"


def test_several_questions_are_asked_one_after_the_other(window: MainWindow, qtbot: QtBot) -> None:
    window.ask_consent(NOTE)
    window.ask_consent(FILES)
    first = ready(window, qtbot)
    assert "1 more" in words_of(first)
    with qtbot.waitSignal(window.consent_given) as given:
        first.buttons[0].click()
    assert given.args[0] == "c1"
    second = ready(window, qtbot)
    assert "«files»" in words_of(second)
    assert "more to come" not in words_of(second)
    with qtbot.waitSignal(window.consent_given) as given:
        second.buttons[2].click()
    assert given.args == ["c2", False, False]


def test_a_question_that_no_longer_stands_is_gone(window: MainWindow, qtbot: QtBot) -> None:
    window.ask_consent(NOTE)
    window.ask_consent(FILES)
    window.withdraw_consent("c2")
    assert "more to come" not in words_of(ready(window, qtbot))
    window.withdraw_consent("nobody")
    window.withdraw_consent("c1")
    assert card_of(window) is None


def test_the_answer_may_withdraw_what_is_queued(window: MainWindow, qtbot: QtBot) -> None:
    window.consent_given.connect(lambda *_: window.withdraw_consent("c2"))
    window.ask_consent(NOTE)
    window.ask_consent(FILES)
    ready(window, qtbot).buttons[1].click()
    assert card_of(window) is None


def test_it_never_takes_the_keyboard(window: MainWindow, qtbot: QtBot) -> None:
    window._composer.line.setFocus()
    window.ask_consent(NOTE)
    ready(window, qtbot)
    with qtbot.assertNotEmitted(window.consent_given):
        QTest.keyClicks(window._composer.line, "yes ")
        QTest.keyClick(window._composer.line, Qt.Key.Key_Return)
    assert window._composer.line.hasFocus()


def test_a_click_meant_for_what_stood_there_before_answers_nothing(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consents_module, "DEAF_MS", 60_000)
    window.ask_consent(NOTE)
    card = card_of(window)
    assert card is not None
    with qtbot.assertNotEmitted(window.consent_given):
        QTest.mouseClick(card.buttons[0], Qt.MouseButton.LeftButton)


def test_it_has_keys_of_its_own_and_the_tab_key_reaches_it(window: MainWindow, qtbot: QtBot) -> None:
    window.ask_consent(NOTE)
    card = ready(window, qtbot)
    assert [button.shortcut().toString() for button in card.buttons] == ["Alt+A", "Alt+W", "Alt+D"]
    window._view.setFocus()
    seen = []
    for _ in range(4):
        focused = QApplication.focusWidget()
        assert focused is not None
        QTest.keyClick(focused, Qt.Key.Key_Tab)
        focused = QApplication.focusWidget()
        seen.append(focused.text() if isinstance(focused, QPushButton) else type(focused).__name__)
    assert seen == ["_Quote", "&Allow", "Al&ways for this tool", "&Don't allow"]


@pytest.mark.parametrize("arguments", ["", "not json", '{"a": ' + "[" * 10_000, "x" * 3_000_000])
def test_odd_arguments_are_shown_and_leave_room(window: MainWindow, qtbot: QtBot, arguments: str) -> None:
    window.resize(360, 480)
    window.ask_consent(Consent("c", "t_" * 200, arguments, server="s." * 200))
    card = ready(window, qtbot)
    QApplication.processEvents()
    bar = window.findChild(NoticesBar)
    assert isinstance(bar, NoticesBar)
    assert bar.horizontalScrollBar().maximum() == 0
    assert card.width() <= bar.width()
    assert window.height() == 480
    with qtbot.waitSignal(window.consent_given):
        card.buttons[2].click()
