"""The line to type in: nothing that was typed is lost."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_app.ui.composer import Composer
from desktop_app.ui.theme import Theme

ENTER, SHIFT = Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")


@pytest.fixture
def composer(qtbot: QtBot, theme: Theme) -> Composer:
    made = Composer(theme)
    qtbot.addWidget(made)
    made.resize(400, 44)
    made.show()
    return made


@pytest.fixture
def sent(composer: Composer) -> list[str]:
    texts: list[str] = []
    composer.text_entered.connect(texts.append)
    return texts


def test_enter_sends_without_white_space_at_the_ends(composer: Composer, sent: list[str]) -> None:
    QTest.keyClicks(composer.line, "  hello you ")
    QTest.keyClick(composer.line, ENTER)
    assert sent == ["hello you"]
    assert composer.text == ""


def test_shift_and_enter_break_the_line(composer: Composer, sent: list[str]) -> None:
    QTest.keyClicks(composer.line, "one")
    QTest.keyClick(composer.line, ENTER, SHIFT)
    QTest.keyClicks(composer.line, "two")
    QTest.keyClick(composer.line, Qt.Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier)
    assert sent == ["one\ntwo"]


def test_a_blank_line_is_not_sent(composer: Composer, sent: list[str]) -> None:
    QTest.keyClicks(composer.line, "  ")
    QTest.keyClick(composer.line, ENTER)
    assert sent == []
    assert not composer.send_button.isEnabled()


def test_the_button_sends_as_well(composer: Composer, sent: list[str]) -> None:
    QTest.keyClicks(composer.line, "hello")
    composer.send_button.click()
    assert sent == ["hello"]


def test_a_text_given_back_while_it_is_sent_stands_in_the_line(composer: Composer) -> None:
    composer.text_entered.connect(composer.give_back)
    QTest.keyClicks(composer.line, "hello")
    QTest.keyClick(composer.line, ENTER)
    assert composer.text == "hello"
    assert composer.send_button.isEnabled()


def test_a_text_given_back_later_comes_before_what_was_typed_since(composer: Composer) -> None:
    QTest.keyClicks(composer.line, "later")
    composer.give_back("first")
    assert composer.text == "first\nlater"
    QTest.keyClicks(composer.line, "!")
    assert composer.text == "first\nlater!"


def test_what_was_sent_can_be_had_back_by_undo(composer: Composer) -> None:
    QTest.keyClicks(composer.line, "hello")
    composer.send()
    composer.line.undo()
    assert composer.text == "hello"


def test_the_line_grows_up_to_a_limit(composer: Composer, qtbot: QtBot) -> None:
    heights = [composer.line.height()]
    for lines in (2, 6, 30):
        composer.line.setPlainText("\n".join("x" * lines))
        heights.append(composer.line.height())
    assert heights[0] < heights[1] < heights[2] == heights[3]


def test_pasted_markup_is_plain_text(composer: Composer) -> None:
    data = QMimeData()
    data.setHtml("<b>bold</b>")
    data.setText("<b>bold</b>")
    QGuiApplication.clipboard().setMimeData(data)
    composer.line.paste()
    assert composer.text == "<b>bold</b>"


def test_what_was_typed_elsewhere_goes_on_here(composer: Composer) -> None:
    QTest.keyClicks(composer.line, "a")
    composer.type_on("b")
    assert composer.text == "ab"
