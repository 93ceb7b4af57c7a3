"""The rows of the transcript: what can be used in them, by mouse and by keys, and how they look."""

from __future__ import annotations

from base64 import b64encode

import pytest
from PySide6.QtCore import QEvent, QItemSelectionModel, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QToolButton
from pytestqt.qtbot import QtBot

from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role, ToolUse
from desktop_app.ui.pictures import png_of
from desktop_app.ui.row_menu import RowMenu
from desktop_app.ui.row_shapes import RowShapes, Spot
from desktop_app.ui.theme import Theme
from desktop_app.ui.transcript import TranscriptView
from desktop_app.ui.transcript_model import TranscriptModel

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")
DONE = EntryStatus.COMPLETED
CALL = ToolUse("c", "get_time", '{"zone": "UTC"}', output='{"time": "12:00"}', seconds=0.5)


def photo(colour: int = 0x123456) -> str:
    image = QImage(30, 20, QImage.Format.Format_RGB32)
    image.fill(colour)
    return "data:image/png;base64," + b64encode(png_of(image)).decode()


ENTRIES = (
    Entry("u1", Role.USER, "typed question", DONE),
    Entry("u2", Role.USER, "spoken question", DONE, spoken=True),
    Entry("u3", Role.USER, "", DONE, images=(photo(), photo(0x654321))),
    Entry("t1", Role.TOOL, "", DONE, tool=CALL),
    Entry("a1", Role.ASSISTANT, "the answer", EntryStatus.INTERRUPTED, action=EntryAction.SAY_THE_REST),
    Entry("s1", Role.SYSTEM, "The connection was made again.", DONE),
)


@pytest.fixture
def view(qtbot: QtBot, theme: Theme) -> TranscriptView:
    model = TranscriptModel()
    made = TranscriptView(model, theme)
    qtbot.addWidget(made)
    made.resize(600, 900)
    made.show()
    after = None
    for entry in ENTRIES:
        model.upsert(entry, after)
        after = entry.item_id
    QApplication.processEvents()
    return made


def model_of(view: TranscriptView) -> TranscriptModel:
    model = view.model()
    assert isinstance(model, TranscriptModel)
    return model


def row_of(view: TranscriptView, item_id: str) -> int:
    row = model_of(view).row_of(item_id)
    assert row is not None
    return row


def at(view: TranscriptView, item_id: str, in_row: QPointF) -> QPoint:
    index = model_of(view).index(row_of(view, item_id))
    return (QPointF(view.visualRect(index).topLeft()) + in_row).toPoint()


def click(view: TranscriptView, point: QPoint, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, held, point)


def go_to(view: TranscriptView, item_id: str) -> None:
    view.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(view, Qt.Key.Key_Home)
    for _ in range(row_of(view, item_id)):
        QTest.keyClick(view, Qt.Key.Key_Down)


def menu_of(view: TranscriptView, item_id: str) -> dict[str, QMenu]:
    """Open the menu of a row by its key; return what it offers, by words."""
    for old in view.findChildren(RowMenu):
        old.close()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    choose = QItemSelectionModel.SelectionFlag.ClearAndSelect
    view.selectionModel().setCurrentIndex(model_of(view).index(row_of(view, item_id)), choose)
    return opened(view, QContextMenuEvent.Reason.Keyboard, QPoint())


def opened(view: TranscriptView, reason: QContextMenuEvent.Reason, point: QPoint) -> dict[str, QMenu]:
    place = view.viewport().mapToGlobal(point)
    QApplication.sendEvent(view.viewport(), QContextMenuEvent(reason, point, place))
    (menu,) = view.findChildren(RowMenu)
    return {action.text(): action for action in menu.actions() if action.text()}  # type: ignore[misc]


# --- using a row --------------------------------------------------------------------------------


def test_the_button_of_an_entry_is_used_by_mouse_and_by_enter(view: TranscriptView, qtbot: QtBot) -> None:
    shape = view._shape(row_of(view, "a1"))
    assert shape.action is not None
    with qtbot.waitSignal(view.action_asked) as clicked:
        click(view, at(view, "a1", shape.action.center()))
    go_to(view, "a1")
    with qtbot.waitSignal(view.action_asked) as pressed:
        QTest.keyClick(view, Qt.Key.Key_Return)
    assert clicked.args == pressed.args == ["a1", EntryAction.SAY_THE_REST]


def test_a_call_opens_and_closes_and_its_head_stays_where_it_is(view: TranscriptView) -> None:
    row = row_of(view, "t1")
    closed = view._shape(row)
    top = view.visualRect(model_of(view).index(row)).top()
    assert closed.body.text() == "zone: UTC"
    click(view, at(view, "t1", closed.head.center()))
    opened_shape = view._shape(row)
    assert opened_shape.body.text().split("\u2028") == ["Given", "zone: UTC", "", "Result", "time: 12:00"]
    assert view.visualRect(model_of(view).index(row)).top() == top
    assert not view.grab().isNull()
    go_to(view, "t1")
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert view._shape(row).height == closed.height


def test_a_call_stays_open_while_its_result_comes(view: TranscriptView) -> None:
    view._toggle(model_of(view).entry(row_of(view, "t1")))
    more = ToolUse("c", "get_time", '{"zone": "UTC"}', output="other", seconds=0.5)
    model_of(view).upsert(Entry("t1", Role.TOOL, "", DONE, tool=more), "u3")
    assert "other" in view._shape(row_of(view, "t1")).body.text()


def test_a_picture_opens_by_mouse_and_by_enter(view: TranscriptView, qtbot: QtBot) -> None:
    second = view._shape(row_of(view, "u3")).pictures[1]
    with qtbot.waitSignal(view.picture_opened) as clicked:
        click(view, at(view, "u3", second.center()))
    go_to(view, "u3")
    with qtbot.waitSignal(view.picture_opened) as pressed:
        QTest.keyClick(view, Qt.Key.Key_Return)
    first_uri, second_uri = ENTRIES[2].images
    assert clicked.args == [second_uri]
    assert pressed.args == [first_uri]


def test_a_picture_alone_has_no_bubble(theme: Theme) -> None:
    shape = RowShapes(theme).shape(ENTRIES[2], 600)
    assert shape.bubble is None
    assert len(shape.pictures) == 2
    assert shape.pictures[-1].bottom() < shape.height


@pytest.mark.parametrize("width", [200, 360, 2000])
def test_many_pictures_stay_in_the_column(theme: Theme, width: int) -> None:
    many = Entry("u", Role.USER, "see", DONE, images=(photo(),) * 9)
    shape = RowShapes(theme).shape(many, width)
    for place in shape.pictures:
        assert place.left() >= 0
        assert place.right() <= width
    assert shape.bubble is not None
    assert shape.bubble.top() > shape.pictures[-1].bottom()


def test_what_was_said_on_the_way_is_lighter(theme: Theme, qtbot: QtBot) -> None:
    view = TranscriptView(TranscriptModel(), theme)
    qtbot.addWidget(view)
    delegate = view._delegate
    plain = Entry("a", Role.ASSISTANT, "Let me see.", DONE)
    lighter = Entry("b", Role.ASSISTANT, "Let me see.", DONE, commentary=True)
    inks = [delegate._ink(delegate.shape(entry, 600)) for entry in (plain, lighter)]
    assert inks == [theme.palette.text, theme.palette.muted]


def test_a_selected_call_is_copied_by_what_is_shown_of_it(view: TranscriptView) -> None:
    view._mark = None
    go_to(view, "t1")
    QGuiApplication.clipboard().clear()
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == 'get_time\nzone: UTC\n{"time": "12:00"}'


def test_the_cost_comes_with_the_mouse(view: TranscriptView) -> None:
    model_of(view).set_cost("a1", "1.3 ct")
    row = row_of(view, "a1")
    assert view._look_of(row).aside == ""
    view._enter_spot(QPointF(at(view, "a1", QPointF(40, 30))))
    assert view._look_of(row).aside == "1.3 ct"
    QApplication.sendEvent(view.viewport(), QEvent(QEvent.Type.Leave))
    assert view._look_of(row).aside == ""


def test_what_the_mouse_is_over_is_known(view: TranscriptView) -> None:
    shape = view._shape(row_of(view, "t1"))
    assert view._spot_at(QPointF(at(view, "t1", shape.head.center())))[1] is Spot.TOOL
    bubble = view._shape(row_of(view, "u1")).bubble
    assert bubble is not None
    assert view._spot_at(QPointF(at(view, "u1", bubble.center())))[1] is Spot.TEXT
    assert view._spot_at(QPointF(at(view, "u1", QPointF(20, 40))))[1] is Spot.NOTHING


# --- the menu -----------------------------------------------------------------------------------


def test_the_menu_offers_what_fits_the_row(view: TranscriptView) -> None:
    typed = menu_of(view, "u1")
    assert "Edit and send again…" in typed
    assert "Save what the server heard…" not in typed
    spoken = menu_of(view, "u2")
    assert "Save what the server heard…" in spoken
    assert "Edit and send again…" in spoken, "what was said can be put right"
    assert "Forget this picture" in menu_of(view, "u3")
    assert "Say the rest" in menu_of(view, "a1")
    note = menu_of(view, "s1")
    assert not note["Ask about this only…"].isEnabled()
    assert not note["Forget this"].isEnabled()


@pytest.mark.parametrize(
    ("row", "words", "signal", "args"),
    [
        ("a1", "Say the rest", "action_asked", ["a1", EntryAction.SAY_THE_REST]),
        ("a1", "Read aloud", "read_aloud_asked", ["the answer"]),
        ("a1", "Ask about this only…", "about_asked", [("a1",)]),
        ("a1", "Forget this", "forget_asked", [("a1",)]),
        ("u1", "Edit and send again…", "edit_asked", ["u1", "typed question"]),
        ("u2", "Edit and send again…", "edit_asked", ["u2", "spoken question"]),
        ("u2", "Save what the server heard…", "server_copy_asked", ["u2"]),
        ("u3", "Forget this picture", "forget_asked", [("u3",)]),
        ("t1", "Forget this", "forget_asked", [("t1",)]),
    ],
)
def test_what_is_chosen_goes_up(
    view: TranscriptView, qtbot: QtBot, row: str, words: str, signal: str, args: list[object]
) -> None:
    with qtbot.waitSignal(getattr(view, signal)) as chosen:
        menu_of(view, row)[words].trigger()  # type: ignore[attr-defined]
    assert chosen.args == args


def test_several_rows_are_chosen_by_keys(view: TranscriptView, qtbot: QtBot) -> None:
    go_to(view, "u2")
    QTest.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    offered = opened(view, QContextMenuEvent.Reason.Keyboard, QPoint())
    with qtbot.waitSignal(view.about_asked) as chosen:
        offered["Ask about these 3 only…"].trigger()  # type: ignore[attr-defined]
    assert chosen.args == [("u2", "u3", "t1")]


def test_several_rows_are_chosen_with_control_and_a_click(view: TranscriptView, qtbot: QtBot) -> None:
    bubbles = {}
    for item_id in ("u1", "u2"):
        bubble = view._shape(row_of(view, item_id)).bubble
        assert bubble is not None
        bubbles[item_id] = at(view, item_id, bubble.center())
    click(view, bubbles["u1"])
    click(view, bubbles["u1"], Qt.KeyboardModifier.ControlModifier)
    click(view, bubbles["u2"], Qt.KeyboardModifier.ControlModifier)
    offered = opened(view, QContextMenuEvent.Reason.Mouse, bubbles["u1"])
    with qtbot.waitSignal(view.forget_asked) as chosen:
        offered["Forget these 2"].trigger()  # type: ignore[attr-defined]
    assert chosen.args == [("u1", "u2")]


def test_a_menu_beside_the_selection_is_for_its_own_row(view: TranscriptView, qtbot: QtBot) -> None:
    go_to(view, "u1")
    QTest.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    offered = opened(view, QContextMenuEvent.Reason.Mouse, at(view, "a1", QPointF(40, 40)))
    with qtbot.waitSignal(view.forget_asked) as chosen:
        offered["Forget this"].trigger()  # type: ignore[attr-defined]
    assert chosen.args == [("a1",)]


def test_the_button_that_comes_with_the_mouse_opens_the_menu(view: TranscriptView, qtbot: QtBot) -> None:
    view._enter_spot(QPointF(at(view, "a1", QPointF(40, 40))))
    more = next(b for b in view.findChildren(QToolButton) if b.property("kind") == "more")
    assert more.isVisible()
    more.click()
    (menu,) = view.findChildren(RowMenu)
    with qtbot.waitSignal(view.read_aloud_asked) as chosen:
        next(action for action in menu.actions() if action.text() == "Read aloud").trigger()
    assert chosen.args == ["the answer"]


@pytest.mark.parametrize("item_id", ["u1", "u3", "t1", "a1"])
def test_the_button_covers_no_text(view: TranscriptView, item_id: str) -> None:
    shape = view._shape(row_of(view, item_id))
    view._enter_spot(QPointF(at(view, item_id, QPointF(300, 30))))
    more = next(b for b in view.findChildren(QToolButton) if b.property("kind") == "more")
    text = shape.bubble or (shape.pictures[0] if shape.pictures else shape.body.boundingRect())
    covered = text.translated(at(view, item_id, QPointF(0, 0)).toPointF())
    if shape.bubble is None and not shape.pictures:
        covered = covered.translated(shape.body_at)
    assert not covered.intersects(more.geometry().toRectF())


def test_moving_a_row_keeps_heights_and_rows_together(view: TranscriptView) -> None:
    model = model_of(view)
    heights = {e.item_id: view.visualRect(model.index(row_of(view, e.item_id))).height() for e in ENTRIES}
    model.upsert(ENTRIES[4], "u1")
    model.upsert(ENTRIES[0], "s1")
    for entry in ENTRIES:
        assert view.visualRect(model.index(row_of(view, entry.item_id))).height() == heights[entry.item_id]
