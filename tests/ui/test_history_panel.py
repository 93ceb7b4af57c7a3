"""The history panel, used by its keys and buttons; the pane it lies in; the view of an old conversation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMenu, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import Turn
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role
from desktop_app.conversation.past import ExportForm, Hit, PastConversation, PastEntry
from desktop_app.ui.history_list import HistoryModel
from desktop_app.ui.history_panel import HistoryPanel
from desktop_app.ui.history_rows import Heading, Line, rows_by_day
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.past_view import PastView
from desktop_app.ui.row_menu import RowMenu
from desktop_app.ui.side_pane import LEAST_PX, MOST_PX, SidePane
from desktop_app.ui.talk_button import TalkButton

NOW = 1_800_000_000.0
CONTROL = Qt.KeyboardModifier.ControlModifier


def past(number: int, **how: object) -> PastConversation:
    changed_at = NOW - 3600 * number
    title = how.pop("title", f"Conversation {number}")
    return PastConversation(number, changed_at - 60, changed_at, str(title), **how)  # type: ignore[arg-type]


PASTS = [past(1, topic="Travel"), past(2), past(3, pinned=True)]


@pytest.fixture
def panel(window: MainWindow) -> Iterator[HistoryPanel]:
    """Return the panel in an open window, with three conversations; the first is going on."""
    window.resize(1000, 700)
    window.history._now = window.history.model.now = lambda: NOW
    window.show_history(is_open=True)
    window.history.show_conversations(PASTS)
    window.history.show_present(1)
    yield window.history
    window.history.list.setCurrentIndex(QModelIndex())


def numbers(panel: HistoryPanel) -> list[int | str]:
    rows = [panel.model.row(panel.model.index(row)) for row in range(panel.model.rowCount())]
    return [row.past.number for row in rows if isinstance(row, Line)]


def go_to(panel: HistoryPanel, number: int) -> Line:
    panel.list.setFocus(Qt.FocusReason.TabFocusReason)
    panel.list.go_to(("conversation", number, ""))
    row = panel.list.current_row()
    assert isinstance(row, Line)
    return row


def button(window: MainWindow, name: str) -> QPushButton:
    found = window.findChild(QPushButton, name)
    assert isinstance(found, QPushButton)
    return found


def entries(count: int = 3) -> list[PastEntry]:
    return [
        PastEntry(Entry(f"i{n}", Role.USER if n % 2 else Role.ASSISTANT, f"Words {n}", EntryStatus.COMPLETED), NOW)
        for n in range(count)
    ]


# --- opening and closing ------------------------------------------------------------------------


def test_the_key_opens_and_closes_it_and_gives_the_focus_back(window: MainWindow) -> None:
    window.history.show_conversations(PASTS)
    toggle = window.findChild(QToolButton, "history")
    assert toggle is not None
    QTest.keyClick(window, Qt.Key.Key_H, CONTROL)
    assert window.history.isVisible()
    assert toggle.isChecked()
    assert window.history.has_focus()
    QTest.keyClick(window, Qt.Key.Key_H, CONTROL)
    assert not window.history.isVisible()
    assert not toggle.isChecked()
    assert isinstance(QApplication.focusWidget(), TalkButton)
    toggle.click()
    assert window.history.isVisible()


def test_escape_clears_the_search_then_closes(window: MainWindow, panel: HistoryPanel) -> None:
    window.show_turn(Turn.SPEAKING)
    QTest.keyClick(window, Qt.Key.Key_F, CONTROL)
    assert panel.field.hasFocus()
    QTest.keyClicks(panel.field, "train")
    QTest.keyClick(panel.field, Qt.Key.Key_Escape)
    assert panel.field.text() == ""
    assert panel.isVisible()
    QTest.keyClick(panel.field, Qt.Key.Key_Escape)
    assert not panel.isVisible()


def test_it_lies_beside_the_rest_where_there_is_room_and_over_it_elsewhere(
    window: MainWindow, qtbot: QtBot
) -> None:
    pane = window.findChild(SidePane)
    assert pane is not None
    window.resize(1000, 700)
    window.show_history(is_open=True)
    assert window.history.width() + pane.main_px == pane.width()
    window.resize(400, 600)
    qtbot.waitUntil(lambda: pane.main_px == 400)
    assert pane.is_over
    assert window.history.width() < 400, "something of the rest stays to be clicked"
    QTest.mouseClick(pane._veil, Qt.MouseButton.LeftButton, pos=QPoint(390, 300))
    assert not window.history.isVisible()


def test_its_width_is_the_users_within_reason(window: MainWindow, qtbot: QtBot) -> None:
    pane = window.findChild(SidePane)
    assert pane is not None
    window.resize(1200, 700)
    window.show_history(is_open=True)
    handle = pane._handle
    with qtbot.waitSignal(window.history_resized) as told:
        QTest.mousePress(handle, Qt.MouseButton.LeftButton, pos=QPoint(2, 100))
        QTest.mouseMove(handle, QPoint(62, 100))
        QTest.mouseRelease(handle, Qt.MouseButton.LeftButton, pos=QPoint(2, 100))
    assert told.args == [True, pane.side_px]
    assert 330 < pane.side_px < 360
    for asked, had in ((1, LEAST_PX), (10_000, MOST_PX), (300, 300)):
        window.show_history(is_open=True, width=asked)
        assert pane.side_px == had


# --- the list -----------------------------------------------------------------------------------


def test_conversations_stand_under_their_days(panel: HistoryPanel) -> None:
    assert panel.model.row(panel.model.index(0)) == Heading("Pinned")
    assert numbers(panel) == [3, 1, 2]


def test_the_arrow_keys_pass_over_headings(panel: HistoryPanel) -> None:
    panel.list.setFocus(Qt.FocusReason.TabFocusReason)
    panel.list.go_to_first()
    seen = []
    for _ in range(3):
        row = panel.list.current_row()
        assert isinstance(row, Line)
        seen.append(row.past.number)
        QTest.keyClick(panel.list, Qt.Key.Key_Down)
    assert seen == [3, 1, 2]
    for _ in range(3):
        QTest.keyClick(panel.list, Qt.Key.Key_Up)
    assert panel.field.hasFocus(), "from the first row the way leads into the search"


def test_enter_and_click_open(panel: HistoryPanel, qtbot: QtBot) -> None:
    go_to(panel, 2)
    with qtbot.waitSignal(panel.open_asked) as opened:
        QTest.keyClick(panel.list, Qt.Key.Key_Return)
    assert opened.args == [2, ""]
    place = panel.list.visualRect(panel.model.index_of(("conversation", 3, ""))).center()
    with qtbot.waitSignal(panel.open_asked) as clicked:
        QTest.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert clicked.args == [3, ""]


def test_a_title_is_typed_where_it_stands(panel: HistoryPanel, qtbot: QtBot) -> None:
    go_to(panel, 2)
    QTest.keyClick(panel.list, Qt.Key.Key_F2)
    editor = QApplication.focusWidget()
    assert isinstance(editor, QLineEdit)
    assert editor.text() == "Conversation 2"
    QTest.keyClicks(editor, "Trains")
    panel.show_conversations([*PASTS, past(4)])
    assert editor.isVisible()
    assert editor.text() == "Trains", "the list changed meanwhile, and nothing of what was typed is lost"
    with qtbot.waitSignal(panel.rename_asked) as renamed:
        QTest.keyClick(editor, Qt.Key.Key_Return)
    assert renamed.args == [2, "Trains"]
    qtbot.waitUntil(lambda: numbers(panel) == [3, 1, 2, 4])


@pytest.mark.parametrize(("typed", "key"), [("", Qt.Key.Key_Return), ("x", Qt.Key.Key_Escape)])
def test_a_title_left_as_it_was_is_no_renaming(
    window: MainWindow, panel: HistoryPanel, qtbot: QtBot, typed: str, key: Qt.Key
) -> None:
    go_to(panel, 2)
    QTest.keyClick(panel.list, Qt.Key.Key_F2)
    editor = QApplication.focusWidget()
    assert isinstance(editor, QLineEdit)
    QTest.keyClicks(editor, typed)
    with qtbot.assertNotEmitted(panel.rename_asked):
        QTest.keyClick(editor, key)
    assert panel.isVisible()


def test_deleting_asks_once_and_says_that_it_is_for_good(
    window: MainWindow, panel: HistoryPanel, qtbot: QtBot
) -> None:
    go_to(panel, 2)
    QTest.keyClick(panel.list, Qt.Key.Key_Delete)
    words = " ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())
    assert "Conversation 2" in words
    assert "nothing brings it back" in words
    assert button(window, "keep").hasFocus()
    with qtbot.assertNotEmitted(panel.delete_asked):
        QTest.keyClick(button(window, "keep"), Qt.Key.Key_Escape)
    assert panel.isVisible(), "Esc ended the question, nothing else"
    QTest.keyClick(panel.list, Qt.Key.Key_Delete)
    with qtbot.waitSignal(panel.delete_asked) as deleted:
        button(window, "delete").click()
    assert deleted.args == [2]
    assert panel.list.hasFocus()


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_the_menu_has_it_all(panel: HistoryPanel, qtbot: QtBot) -> None:
    row = go_to(panel, 3)
    panel._open_menu(row, QPoint(0, 0))
    menu = next(m for m in panel.findChildren(QMenu) if m.accessibleName() == "What to do with it")
    texts = [action.text() for action in menu.actions() if not action.isSeparator()]
    assert texts == ["Open", "Continue this conversation", "Rename", "Unpin", "Export", "Delete…"]
    actions = {action.text(): action for action in menu.actions()}
    with qtbot.waitSignal(panel.continue_asked) as continued:
        actions["Continue this conversation"].trigger()
    with qtbot.waitSignal(panel.pin_asked) as unpinned:
        actions["Unpin"].trigger()
    assert (continued.args, unpinned.args) == ([3], [3, False])
    forms = actions["Export"].menu()
    assert isinstance(forms, QMenu)
    asked = []
    panel.export_asked.connect(lambda number, form: asked.append((number, form)))
    for action in forms.actions():
        action.trigger()
    assert asked == [(3, form) for form in ExportForm]
    menu.close()


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_the_present_conversation_cannot_be_continued(panel: HistoryPanel) -> None:
    panel._open_menu(go_to(panel, 1), QPoint(0, 0))
    menu = next(m for m in panel.findChildren(QMenu) if m.accessibleName() == "What to do with it")
    assert not any("Continue" in action.text() for action in menu.actions())
    menu.close()


def test_what_changes_leaves_the_rest_where_it_is(panel: HistoryPanel, qtbot: QtBot) -> None:
    many = [past(number) for number in range(1, 300)]
    panel.show_conversations(many)
    go_to(panel, 150)
    QApplication.processEvents()
    bar = panel.list.verticalScrollBar()
    before = panel.list.visualRect(panel.list.currentIndex()).top()
    kept = [one for one in many if one.number != 200]
    panel.show_conversations(kept)
    QApplication.processEvents()
    row = panel.list.current_row()
    assert isinstance(row, Line)
    assert row.past.number == 150
    assert panel.list.visualRect(panel.list.currentIndex()).top() == before
    assert bar.value() > 0


def test_what_is_long_ago_comes_when_someone_scrolls_to_it(panel: HistoryPanel, qtbot: QtBot) -> None:
    many = [past(number) for number in range(1, 1001)]
    panel.show_conversations(many)
    QApplication.processEvents()
    assert len(numbers(panel)) < 500
    bar = panel.list.verticalScrollBar()
    for _ in range(10):
        bar.setValue(bar.maximum())
        QApplication.processEvents()
    assert numbers(panel) == [one.number for one in many]
    panel.show_conversations(many[:-1])
    assert numbers(panel) == [one.number for one in many[:-1]], "what was scrolled to stays listed"


def test_only_what_differs_comes_and_goes(qapp: QApplication) -> None:
    model = HistoryModel(lambda: NOW)
    model.show_rows(rows_by_day([past(number) for number in range(1, 6)], NOW))
    told: list[tuple[str, int, int]] = []
    model.rowsInserted.connect(lambda _, first, last: told.append(("in", first, last)))
    model.rowsRemoved.connect(lambda _, first, last: told.append(("out", first, last)))
    model.modelReset.connect(lambda: told.append(("reset", 0, 0)))
    model.show_rows(rows_by_day([past(number) for number in (1, 2, 4, 5)], NOW))
    assert told == [("out", 3, 3)]
    told.clear()
    model.show_rows(rows_by_day([past(number) for number in (1, 2, 3, 4, 5)], NOW))
    assert told == [("in", 3, 3)]


def test_nothing_there_is_said_in_words(panel: HistoryPanel) -> None:
    def said() -> str:
        return " ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())

    panel.show_conversations([])
    assert "Nothing here yet" in said()
    panel.set_kept(False)
    assert "switched off" in said()


# --- searching ----------------------------------------------------------------------------------


def test_it_searches_as_one_types(panel: HistoryPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.search_asked) as asked:
        QTest.keyClicks(panel.field, "early  train ")
    assert asked.args == ["early train"]
    assert numbers(panel) == [3, 1, 2], "until the answer is there, what is shown stays"
    panel.show_hits("early", [Hit(PASTS[0], "i0", NOW, "an answer that came too late")])
    assert numbers(panel) == [3, 1, 2]
    panel.show_hits("early train", [Hit(PASTS[1], "i7", NOW, "the early train", ((4, 9), (10, 15)))])
    assert numbers(panel) == [2]
    with qtbot.waitSignal(panel.open_asked) as opened:
        QTest.keyClick(panel.field, Qt.Key.Key_Down)
        QTest.keyClick(panel.list, Qt.Key.Key_Down)
        QTest.keyClick(panel.list, Qt.Key.Key_Return)
    assert opened.args == [2, "i7"]
    panel.show_hits("early train", [])
    assert any("Nothing found" in label.text() for label in panel.findChildren(QLabel) if label.isVisible())
    with qtbot.waitSignal(panel.search_asked) as ended:
        panel.step_back()
    assert ended.args == [""]
    assert numbers(panel) == [3, 1, 2]


def test_what_is_typed_in_the_list_is_searched_for(panel: HistoryPanel) -> None:
    go_to(panel, 2)
    QTest.keyClicks(panel.list, "t")
    assert panel.field.hasFocus()
    QTest.keyClicks(panel.field, "rain")
    assert panel.field.text() == "train"


# --- an old conversation ------------------------------------------------------------------------


@pytest.fixture
def reading(window: MainWindow, panel: HistoryPanel) -> PastView:
    """Return the view of an old conversation of sixty entries, shown at the fortieth."""
    window.show_entry(Entry("now", Role.USER, "Here and now", EntryStatus.COMPLETED), None)
    window.show_past(PASTS[1], entries(60), "i40")
    view = window.findChild(PastView)
    assert view is not None
    assert view.isVisible()
    return view


def test_it_opens_at_the_hit(window: MainWindow, reading: PastView) -> None:
    index = reading.model.index(40)
    assert reading.view.visualRect(index).intersects(reading.view.viewport().rect())
    assert [one.row() for one in reading.view.selectedIndexes()] == [40]
    assert window.past_number == 2
    assert window.history.model.opened == 2
    window.show_past(PASTS[1], entries(60))
    assert reading.view.visualRect(reading.model.index(0)).top() >= 0
    assert not reading.view.selectedIndexes()


def test_the_present_one_goes_on_below_it(window: MainWindow, reading: PastView) -> None:
    window.show_entry(Entry("more", Role.ASSISTANT, "And more", EntryStatus.IN_PROGRESS), "now")
    assert reading.isVisible()
    assert window.transcript.rowCount() == 2
    button(window, "back").click()
    assert not reading.isVisible()
    assert window._view.isVisible()
    assert window.history.model.opened is None


def test_pressing_talk_returns_to_the_present(window: MainWindow, reading: PastView, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.talk_pressed):
        QTest.keyPress(window.windowHandle(), Qt.Key.Key_F9)
    assert not reading.isVisible()
    with qtbot.waitSignal(window.talk_released):
        QTest.keyRelease(window.windowHandle(), Qt.Key.Key_F9)


def test_continue_goes_up(window: MainWindow, reading: PastView, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.history.continue_asked) as asked:
        button(window, "continue").click()
    assert asked.args == [2]


def test_another_conversation_takes_its_place_at_once(window: MainWindow, reading: PastView) -> None:
    window.show_past(PASTS[2], entries(3))
    assert reading.model.rowCount() == 3
    window.clear_entries()
    assert not reading.isVisible(), "a new conversation has begun: that is what is shown"


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_nothing_in_it_can_be_acted_on(window: MainWindow, panel: HistoryPanel) -> None:
    cut = Entry(
        "a",
        Role.ASSISTANT,
        "Half an",
        EntryStatus.IN_PROGRESS,
        spoken=True,
        action=EntryAction.SAY_THE_REST,
    )
    window.show_past(PASTS[1], [PastEntry(cut, NOW)])
    view = window.findChild(PastView)
    assert view is not None
    shown = view.model.entry(0)
    assert (shown.status, shown.action) == (EntryStatus.INTERRUPTED, None)
    view.view._open_menu(view.model.index(0), QPoint(0, 0))
    menu = view.view.findChild(RowMenu)
    assert menu is not None
    assert [action.text() for action in menu.actions() if not action.isSeparator()] == [
        "Copy",
        "Copy the whole conversation",
        "Read aloud",
    ]
    menu.close()


def test_a_narrow_window_shows_the_conversation_and_not_the_panel(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(400, 600)
    QApplication.processEvents()
    window.history.show_conversations(PASTS)
    QTest.keyClick(window, Qt.Key.Key_H, CONTROL)
    assert window.history.isVisible()
    window.show_past(PASTS[1], entries())
    assert not window.history.isVisible()
    view = window.findChild(PastView)
    assert view is not None
    assert view.view.hasFocus()


# --- for everybody ------------------------------------------------------------------------------


def test_tab_goes_through_the_panel_and_the_old_conversation(window: MainWindow, reading: PastView) -> None:
    window.history.field.setFocus()
    order = []
    for _ in range(9):
        focused = QApplication.focusWidget()
        assert focused is not None
        order.append(focused.objectName())
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    assert order == [
        "history search",
        "new conversation",
        "history menu",
        "close history",
        "past conversations",
        "back",
        "continue",
        "transcript",
        "attach",
    ]


def test_everything_has_a_name_and_rows_say_what_they_are(window: MainWindow, reading: PastView) -> None:
    for part in (window.history, reading):
        usable = [
            child
            for child in part.findChildren(QWidget)
            if child.isVisible() and child.focusPolicy() & Qt.FocusPolicy.TabFocus
        ]
        assert usable
        for child in usable:
            assert QAccessible.queryAccessibleInterface(child).text(QAccessible.Text.Name), child
    model = window.history.model
    spoken = model.data(model.index_of(("conversation", 1, "")), Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "Conversation 1, Travel, the present conversation"


@pytest.mark.parametrize("size", [(360, 480), (1600, 900)])
def test_whatever_stands_in_it_is_painted(window: MainWindow, qtbot: QtBot, size: tuple[int, int]) -> None:
    window.resize(*size)
    odd = [
        past(1, title="<b>bold</b>" * 50, topic="<img src=x>" * 9),
        past(2, title="", topic="", opening="", cut_off=True),
        past(3, title="الوقت في القاهرة", topic="وقت", pinned=True),
        past(4, title="👩‍🚀" * 99),
    ]
    window.history.show_conversations(odd)
    QTest.keyClick(window, Qt.Key.Key_H, CONTROL)
    assert not window.grab().isNull()
    window.history.field.setText("x")
    window.history._search()
    long = "x" * 5000
    window.history.show_hits("x", [Hit(odd[0], "i", NOW, long, ((0, 5000),)), Hit(odd[1], "j", NOW, "", ())])
    assert not window.grab().isNull()
