"""The transcript: order by item id, plain text, what was heard, following the end, ten thousand rows."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QAccessible, QGuiApplication, QKeyEvent, QMouseEvent
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.ui.entry_words import note_of, shown_text, utf16_units
from desktop_app.ui.row_shapes import RowShape, RowShapes
from desktop_app.ui.theme import Theme
from desktop_app.ui.transcript import TranscriptView
from desktop_app.ui.transcript_model import TranscriptModel

DONE = EntryStatus.COMPLETED


def said(item_id: str, text: str = "Something.", role: Role = Role.ASSISTANT) -> Entry:
    return Entry(item_id, role, text, DONE)


def ids(model: TranscriptModel) -> str:
    return "".join(model.entry(row).item_id for row in range(model.rowCount()))


def filled(item_ids: str) -> TranscriptModel:
    model = TranscriptModel()
    after = None
    for item_id in item_ids:
        model.upsert(said(item_id), after)
        after = item_id
    return model


@pytest.fixture
def view(qtbot: QtBot, theme: Theme) -> TranscriptView:
    made = TranscriptView(TranscriptModel(), theme)
    qtbot.addWidget(made)
    made.resize(600, 400)
    made.show()
    return made


def model_of(view: TranscriptView) -> TranscriptModel:
    model = view.model()
    assert isinstance(model, TranscriptModel)
    return model


def fill(view: TranscriptView, count: int, text: str = "A sentence that is not long.") -> None:
    after = None
    for number in range(count):
        model_of(view).upsert(said(str(number), f"{number} {text}"), after)
        after = str(number)
    settle()


def settle() -> None:
    for _ in range(3):
        QApplication.processEvents()


# --- the model ----------------------------------------------------------------------------------


def test_entries_stand_behind_the_one_named() -> None:
    model = filled("abc")
    model.upsert(said("x"), "a")
    model.upsert(said("y"), None)
    assert ids(model) == "yaxbc"


def test_an_entry_behind_an_unknown_one_is_the_last() -> None:
    model = filled("ab")
    model.upsert(said("x"), "nobody")
    assert ids(model) == "abx"


def test_an_entry_is_replaced_where_it_is() -> None:
    model = filled("abc")
    changes: list[int] = []
    model.dataChanged.connect(lambda top, bottom: changes.append(top.row()))
    model.upsert(said("b", "Other words."), "a")
    assert ids(model) == "abc"
    assert model.entry(1).text == "Other words."
    assert changes == [1]


def test_showing_the_same_entry_again_changes_nothing() -> None:
    model = filled("ab")
    changes: list[int] = []
    model.dataChanged.connect(lambda top, bottom: changes.append(top.row()))
    model.upsert(said("b"), "a")
    assert changes == []


def test_an_entry_moves_when_its_predecessor_turns_out_to_be_another() -> None:
    model = filled("abcd")
    model.upsert(said("d"), "a")
    assert ids(model) == "adbc"
    model.upsert(said("a"), "c")
    assert ids(model) == "dbca"


def test_an_entry_is_taken_out_and_the_unknown_ignored() -> None:
    model = filled("abc")
    model.remove("b")
    model.remove("b")
    assert ids(model) == "ac"
    assert model.row_of("c") == 1
    model.clear()
    assert model.rowCount() == 0


def test_the_oldest_leave_without_a_look_at_all_the_others() -> None:
    """A conversation of 12,000 rows that was gone on with took 13 s to be shown: each that left renumbered all."""
    model = filled("abcdef")
    model.set_cost("a", "$ 1")
    before = dict(model._numbers)
    model.remove("a")
    assert model._numbers.items() <= before.items()
    assert [model.row_of(name) for name in "abf"] == [None, 0, 4]
    model.upsert(said("g"), "f")
    assert ids(model) == "bcdefg"
    assert model.cost("a") == ""


NAMES = st.sampled_from("abcdef")
STEPS = st.lists(st.tuples(st.booleans(), NAMES, st.one_of(st.none(), NAMES)), max_size=25)


@given(steps=STEPS)
def test_the_model_keeps_qts_rules_and_the_order_of_a_plain_list(
    qapp: QApplication, steps: list[tuple[bool, str, str | None]]
) -> None:
    model = TranscriptModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Warning)
    plain: list[str] = []
    for keep, name, after in steps:
        if not keep:
            model.remove(name)
            plain = [other for other in plain if other != name]
        elif after != name:
            model.upsert(said(name), after)
            known = name in plain
            if after is None or after in plain or not known:
                plain = [other for other in plain if other != name]
                place = 0 if after is None else plain.index(after) + 1 if after in plain else len(plain)
                plain.insert(place, name)
        assert ids(model) == "".join(plain)
        assert [model.row_of(item_id) for item_id in plain] == list(range(len(plain)))
    tester.deleteLater()


# --- words --------------------------------------------------------------------------------------


def test_an_empty_entry_shows_what_it_waits_for() -> None:
    waiting = Entry("u", Role.USER, spoken=True)
    assert shown_text(waiting) == "…"
    assert shown_text(replace(waiting, status=DONE)) == "(no transcript)"
    assert shown_text(Entry("a", Role.ASSISTANT, status=EntryStatus.FAILED)) == "(no answer)"


@pytest.mark.parametrize(
    ("entry", "note"),
    [
        (Entry("a", Role.ASSISTANT, "Yes", EntryStatus.INTERRUPTED, heard_ms=1234), "Interrupted after 1.2 s"),
        (Entry("a", Role.ASSISTANT, "Yes", EntryStatus.INTERRUPTED), "Interrupted"),
        (
            Entry("a", Role.ASSISTANT, "Yes", EntryStatus.INTERRUPTED, heard_chars=0, heard_ms=0),
            "Interrupted before it was heard",
        ),
        (Entry("a", Role.ASSISTANT, "Yes", EntryStatus.INCOMPLETE, remark="Token limit."), "Token limit."),
        (Entry("a", Role.ASSISTANT, "", EntryStatus.FAILED), "The answer failed."),
        (Entry("a", Role.ASSISTANT, "Yes", DONE), ""),
    ],
)
def test_the_note_says_how_an_entry_ended(entry: Entry, note: str) -> None:
    assert note_of(entry) == note


def test_a_screen_reader_hears_speaker_text_and_state(qapp: QApplication) -> None:
    model = TranscriptModel()
    cut = Entry("a", Role.ASSISTANT, "Red, green, blue", EntryStatus.INTERRUPTED, heard_chars=4, heard_ms=800)
    model.upsert(cut, None)
    spoken = model.data(model.index(0), Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "Assistant: Red, – not heard: green, blue · Interrupted after 0.8 s"


def test_what_looks_like_markup_is_shown_as_it_is(theme: Theme) -> None:
    text = "<b>bold</b> &amp; <img src='http://example.org/x.png'>"
    shape = RowShapes(theme).shape(said("a", text), 600)
    assert shape.body.text() == text


def test_what_was_not_heard_is_dimmed_and_an_emoji_counts_as_one_character(theme: Theme) -> None:
    cut = Entry("a", Role.ASSISTANT, "👋 Hello you", EntryStatus.INTERRUPTED, heard_chars=7, heard_ms=300)
    (dimmed,) = RowShapes(theme).shape(cut, 600).body.formats()
    assert (dimmed.start, dimmed.length) == (8, 4)
    assert dimmed.format.foreground().color().name() == theme.palette.muted


@pytest.mark.parametrize("text", ["", "\x00", "a\x00b\r\nc\td", "\ud800 lone", "\u202eabc", "ش" * 50, "x" * 20_000])
def test_odd_text_is_painted(view: TranscriptView, text: str) -> None:
    model_of(view).upsert(said("a", text), None)
    settle()
    assert not view.grab().isNull()
    assert view.visualRect(model_of(view).index(0)).height() > 0


# --- following ----------------------------------------------------------------------------------


def test_the_end_stays_in_sight_while_it_was_in_sight(view: TranscriptView) -> None:
    fill(view, 40)
    bar = view.verticalScrollBar()
    assert bar.maximum() > 0
    assert bar.value() == bar.maximum()
    model_of(view).upsert(said("39", "Much longer. " * 60), "38")
    settle()
    assert bar.value() == bar.maximum()


def test_what_is_read_further_up_stays_where_it_is(view: TranscriptView) -> None:
    fill(view, 60)
    model = model_of(view)
    bar = view.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    settle()
    assert not view.follows
    index = view.indexAt(QPoint(50, 200))
    row, top = index.row(), view.visualRect(index).top()
    model.upsert(said("59", "More. " * 200), "58")
    model.upsert(said("60", "New."), "59")
    model.upsert(said("first", "A row above. " * 30), None)
    settle()
    assert view.visualRect(model.index(row + 1)).top() == top
    assert not view.follows


def test_scrolling_through_estimated_rows_never_jumps(view: TranscriptView) -> None:
    model = model_of(view)
    after = None
    for number in range(200):
        model.upsert(said(str(number), "word\n" * (number % 7) + "end"), after)
        after = str(number)
    settle()
    bar = view.verticalScrollBar()
    while bar.value() > 0:
        index = view.indexAt(QPoint(50, 380))
        before = view.visualRect(index).top()
        bar.setValue(bar.value() - 30)
        settle()
        moved = view.visualRect(index).top() - before
        assert 0 <= moved <= 30 or bar.value() == 0


def test_the_button_goes_back_to_the_end(view: TranscriptView) -> None:
    fill(view, 60)
    view.verticalScrollBar().setValue(0)
    assert not view.follows
    view.follow()
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum()


def test_a_narrower_view_lays_out_anew_and_keeps_the_end(view: TranscriptView) -> None:
    fill(view, 30, "A sentence which is rather long and must be broken when the view gets narrow. " * 2)
    before = view.visualRect(model_of(view).index(29)).height()
    view.resize(320, 400)
    settle()
    assert view.visualRect(model_of(view).index(29)).height() > before
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum()


# --- many rows ----------------------------------------------------------------------------------


def test_ten_thousand_rows_stream_without_laying_all_of_them_out(
    view: TranscriptView, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(view, 10_000)
    built: list[str] = []
    build = RowShapes.build

    def counting(self: RowShapes, entry: Entry, width: int) -> RowShape:
        built.append(entry.item_id)
        return build(self, entry, width)

    monkeypatch.setattr(RowShapes, "build", counting)
    words, frames_ms = "", []
    for _ in range(100):
        words += "word "
        began = perf_counter()
        model_of(view).upsert(Entry("9999", Role.ASSISTANT, words), "9998")
        settle()
        frames_ms.append(1000 * (perf_counter() - began))
    assert set(built) <= {str(number) for number in range(9_980, 10_000)}
    assert len(built) < 150
    assert median(frames_ms) < 16


def test_ten_thousand_rows_answer_to_home_and_end(view: TranscriptView) -> None:
    fill(view, 10_000)
    QTest.keyClick(view, Qt.Key.Key_Home)
    settle()
    assert view.indexAt(QPoint(50, 40)).row() == 0
    QTest.keyClick(view, Qt.Key.Key_End)
    settle()
    assert view.follows
    assert view.currentIndex().row() == 9_999


# --- selecting ----------------------------------------------------------------------------------


def point_of(view: TranscriptView, row: int, position: int) -> QPoint:
    """Return where a character of a row begins, in the viewport."""
    shape = view._shape(row)
    x, _ = cast("tuple[float, int]", shape.body.lineAt(0).cursorToX(position))
    at = shape.body_at + QPointF(x, 8)
    return (at + QPointF(view.visualRect(model_of(view).index(row)).topLeft())).toPoint()


def drag(view: TranscriptView, start: QPoint, end: QPoint) -> None:
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=start)
    move = QEvent.Type.MouseMove
    where = QPointF(end)
    event = QMouseEvent(
        move,
        where,
        QPointF(view.viewport().mapToGlobal(end)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(view.viewport(), event)
    QTest.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, pos=end)


def copy(view: TranscriptView) -> str:
    QGuiApplication.clipboard().clear()
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    return QGuiApplication.clipboard().text()


def test_a_part_of_the_text_is_selected_by_mouse_and_copied(view: TranscriptView) -> None:
    model_of(view).upsert(said("a", "one 👋 two three"), None)
    settle()
    drag(view, point_of(view, 0, 4), point_of(view, 0, utf16_units("one 👋 two")))
    assert copy(view) == "👋 two"


def test_text_is_selected_over_several_rows(view: TranscriptView) -> None:
    fill(view, 3, "sentence")
    drag(view, point_of(view, 2, 3), point_of(view, 0, 2))
    assert copy(view) == "sentence\n\n1 sentence\n\n2 s"


def test_a_double_click_selects_a_word(view: TranscriptView) -> None:
    model_of(view).upsert(said("a", "one two three"), None)
    settle()
    at = point_of(view, 0, 5)
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert copy(view) == "two"


def test_rows_are_selected_by_keyboard_and_copied(view: TranscriptView) -> None:
    fill(view, 3, "sentence")
    QTest.keyClick(view, Qt.Key.Key_End)
    assert copy(view) == "2 sentence"
    QTest.keyClick(view, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert copy(view) == "Assistant: 1 sentence\n\nAssistant: 2 sentence"
    QTest.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert copy(view).count("sentence") == 3


def test_taking_rows_out_forgets_a_selection_in_them(view: TranscriptView) -> None:
    fill(view, 3, "sentence")
    drag(view, point_of(view, 0, 0), point_of(view, 2, 3))
    model_of(view).clear()
    settle()
    assert view.selected_text() == ""
    assert not view.grab().isNull()


def test_what_is_typed_here_is_handed_on(view: TranscriptView, qtbot: QtBot) -> None:
    with qtbot.waitSignal(view.typed) as typed:
        press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier, "H")
        QApplication.sendEvent(view, press)
    assert typed.args == ["H"]


def test_assistive_technology_sees_a_list_of_rows(view: TranscriptView) -> None:
    fill(view, 3)
    seen = QAccessible.queryAccessibleInterface(view)
    assert seen.role() == QAccessible.Role.List
    assert seen.childCount() == 3
    assert seen.child(1).text(QAccessible.Text.Name).startswith("Assistant: 1 ")
    assert not seen.child(2).rect().isEmpty()
