"""The line to type in: nothing that was typed is lost."""

from __future__ import annotations

from base64 import b64encode

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from desktop_app.conversation.inputs import Recording
from desktop_app.ui.composer import Composer
from desktop_app.ui.pictures import png_of
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
    composer.message_entered.connect(lambda text, *_: texts.append(text))
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
    composer.message_entered.connect(lambda text, *_: composer.give_back(text))
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


def test_the_menu_offers_each_screen_once_however_often_it_opens(composer: Composer) -> None:
    for _ in range(2):
        composer._menu.aboutToShow.emit()  # and nothing is deleted before it is closed
        offered = [a.text() for a in composer._menu.actions() if "the screen" in a.text()]
        assert offered == ["Screenshot of the screen"]


def test_what_was_typed_elsewhere_goes_on_here(composer: Composer) -> None:
    QTest.keyClicks(composer.line, "a")
    composer.type_on("b")
    assert composer.text == "ab"


# --- pictures, files, and how it is sent ----------------------------------------------------------


def picture(width: int = 40, height: int = 30, colour: str = "#0b6b58") -> QImage:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor(colour))
    return image


def data_uri(image: QImage) -> str:
    return "data:image/png;base64," + b64encode(png_of(image)).decode()


@pytest.fixture
def messages(composer: Composer) -> list[tuple[object, ...]]:
    sent: list[tuple[object, ...]] = []
    composer.message_entered.connect(lambda *message: sent.append(message))
    return sent


def tiles(composer: Composer) -> list[QToolButton]:
    found = [b for b in composer.findChildren(QToolButton) if b.accessibleName().startswith("Attached: ")]
    return [button for button in found if not button.isHidden()]


def test_control_and_enter_wait_for_the_answer(composer: Composer, messages: list[object]) -> None:
    QTest.keyClicks(composer.line, "later")
    QTest.keyClick(composer.line, ENTER, Qt.KeyboardModifier.ControlModifier)
    assert messages == [("later", (), False, True, ())]


def test_the_switch_asks_for_an_answer_in_writing_and_says_so(composer: Composer, messages: list[object]) -> None:
    switch = composer.findChild(QToolButton, "written")
    assert isinstance(switch, QToolButton)
    assert "Written" not in switch.text()
    switch.click()
    assert "Written" in switch.text()
    QTest.keyClicks(composer.line, "quietly")
    composer.send()
    assert messages == [("quietly", (), True, False, ())]


def test_where_every_answer_is_written_there_is_nothing_to_switch(composer: Composer) -> None:
    composer.set_always_written(True)
    switch = composer.findChild(QToolButton, "written")
    assert isinstance(switch, QToolButton)
    assert not switch.isEnabled()
    assert "Written" in switch.text()
    composer.set_always_written(False)
    assert switch.isEnabled()
    assert not composer.written


def test_pictures_go_with_the_text_and_alone(composer: Composer, messages: list[object]) -> None:
    uri = data_uri(picture())
    composer.add_image(uri, "green.png")
    assert composer.send_button.isEnabled()
    composer.send()
    composer.add_image(uri, "green.png")
    QTest.keyClicks(composer.line, "what is this?")
    composer.send()
    assert messages == [("", (uri,), False, False, ()), ("what is this?", (uri,), False, False, ())]
    assert composer.images == ()
    assert tiles(composer) == []


@pytest.mark.parametrize("how", ["click", "delete"])
def test_a_picture_can_be_taken_away(composer: Composer, how: str) -> None:
    composer.add_image(data_uri(picture()), "one.png")
    composer.add_image("data:image/png;base64,AAAA", "broken.png")
    first = tiles(composer)[0]
    if how == "click":
        first.click()
    else:
        QTest.keyClick(first, Qt.Key.Key_Delete)
    assert composer.images == ("data:image/png;base64,AAAA",)
    assert len(tiles(composer)) == 1
    assert not composer.grab().isNull()


def test_a_text_that_comes_back_brings_its_pictures(composer: Composer) -> None:
    uri = data_uri(picture())
    composer.add_image(uri, "green.png")
    QTest.keyClicks(composer.line, "see")
    composer.send()
    composer.give_back("another")
    assert not composer.images
    composer.give_back("see", (uri,))
    assert composer.images == (uri,)
    assert composer.text == "see\nanother"


def test_a_picture_that_came_back_alone_is_attached_again(composer: Composer) -> None:
    uri = data_uri(picture())
    composer.add_image(uri, "green.png")
    composer.send()
    composer.give_back("", (uri,))
    assert (composer.images, composer.text) == ((uri,), "")


def test_a_sound_file_waits_until_it_is_sent_and_can_be_taken_away(
    composer: Composer, messages: list[object]
) -> None:
    note = Recording(bytes(48 * 2500), "note of a very long name that will not fit.wav")
    composer.add_sound(note)
    assert messages == []
    (tile,) = tiles(composer)
    assert "0:02" in tile.accessibleName()
    assert not composer.grab().isNull()
    tile.click()
    assert not composer.recordings
    assert not composer.send_button.isEnabled()
    composer.add_sound(note)
    QTest.keyClicks(composer.line, "Who is it?")
    QTest.keyClick(composer.line, ENTER)
    assert messages == [("Who is it?", (), False, False, (note,))]
    composer.give_back("Who is it?", (), (note,))
    assert (composer.text, composer.recordings) == ("Who is it?", (note,))


def test_what_is_attached_while_the_line_is_lent_waits_for_the_next_message(composer: Composer) -> None:
    composer.ask_about(("a",))
    composer.add_sound(Recording(bytes(48 * 200), "ping.wav"))
    assert tiles(composer)[0].visibleRegion().isEmpty()
    assert not composer.send_button.isEnabled()
    composer.end_errand()
    assert composer.send_button.isEnabled()
    assert len(composer.recordings) == 1


def test_a_pasted_picture_goes_up_as_png(composer: Composer, qtbot: QtBot) -> None:
    data = QMimeData()
    data.setImageData(picture())
    QGuiApplication.clipboard().setMimeData(data)
    with qtbot.waitSignal(composer.image_given) as given:
        composer.line.paste()
    raw, name = given.args
    assert raw.startswith(b"\x89PNG")
    assert QImage.fromData(raw) == picture()
    assert name


def test_pasted_files_go_up_as_paths(composer: Composer, qtbot: QtBot) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/a/b.png"), QUrl("https://example.org/c"), QUrl.fromLocalFile("/a/d.wav")])
    QGuiApplication.clipboard().setMimeData(data)
    with qtbot.waitSignal(composer.files_given) as given:
        composer.line.paste()
    assert given.args == [["/a/b.png", "/a/d.wav"]]
    assert composer.text == ""


def test_text_with_a_picture_of_itself_is_text(composer: Composer, qtbot: QtBot) -> None:
    data = QMimeData()
    data.setImageData(picture())
    data.setText("a cell of a table")
    QGuiApplication.clipboard().setMimeData(data)
    with qtbot.assertNotEmitted(composer.image_given):
        composer.line.paste()
    assert composer.text == "a cell of a table"


def test_a_suggestion_takes_the_place_of_the_text_and_undo_brings_it_back(composer: Composer) -> None:
    QTest.keyClicks(composer.line, "mine")
    composer.fill("suggested")
    assert composer.text == "suggested"
    composer.line.undo()
    assert composer.text == "mine"


# --- lent for something else ----------------------------------------------------------------------


def test_a_question_about_some_entries_leaves_the_draft_alone(composer: Composer, qtbot: QtBot) -> None:
    QTest.keyClicks(composer.line, "draft")
    composer.ask_about(("a", "b"))
    assert composer.text == ""
    QTest.keyClicks(composer.line, "why?")
    with qtbot.assertNotEmitted(composer.message_entered), qtbot.waitSignal(composer.about_asked) as asked:
        QTest.keyClick(composer.line, ENTER)
    assert asked.args == [("a", "b"), "why?"]
    assert composer.text == "draft"
    assert not composer.has_errand


def test_an_earlier_text_is_rewritten(composer: Composer, qtbot: QtBot) -> None:
    composer.edit("u1", "old words")
    assert composer.text == "old words"
    QTest.keyClicks(composer.line, "!")
    with qtbot.waitSignal(composer.resend_asked) as asked:
        composer.send()
    assert asked.args == ["u1", "old words!"]


def test_an_errand_can_be_given_up(composer: Composer, qtbot: QtBot) -> None:
    QTest.keyClicks(composer.line, "draft")
    composer.edit("u1", "old words")
    composer.ask_about(("u1",))
    composer.give_back("came back")
    button = next(b for b in composer.findChildren(QToolButton) if b.accessibleName() == "Back to the conversation")
    with qtbot.assertNotEmitted(composer.resend_asked):
        button.click()
    assert composer.text == "came back\ndraft"


def test_an_empty_question_is_not_asked(composer: Composer, qtbot: QtBot) -> None:
    composer.add_image(data_uri(picture()), "one.png")
    composer.ask_about(("a",))
    with qtbot.assertNotEmitted(composer.about_asked):
        QTest.keyClick(composer.line, ENTER)
    assert composer.has_errand
    assert not composer.send_button.isEnabled()
    composer.end_errand()
    assert composer.send_button.isEnabled()
