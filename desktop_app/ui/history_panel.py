"""The history panel: what was said before, by day; searched as one types, opened, renamed, deleted, exported.

It knows values only (`conversation/past.py`): what the user does goes up, what there is comes down. Deleting asks
once, here in the panel, because nothing brings it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.conversation.past import ExportForm, Hit, PastConversation
from desktop_app.ui.history_list import HistoryList, HistoryModel
from desktop_app.ui.history_rows import (
    Found,
    Heading,
    Key,
    Line,
    Row,
    key_of,
    rows_by_day,
    rows_of_hits,
    title_words,
)
from desktop_app.ui.labels import PlainLabel, breakable
from desktop_app.ui.theme import GRID, Theme

PAGE = 300
TYPED_MS = 60
"""A search begins when no key followed for this long."""
EXPORT_WORDS = {
    ExportForm.MARKDOWN: "As Markdown…",
    ExportForm.JSON: "As JSON, to be imported again…",
    ExportForm.FOLDER: "As a folder with pictures and sound…",
}
NOTHING_YET = ("Nothing here yet", "What you say and hear is kept here, on this computer only.")
NOT_KEPT = ("Nothing is kept", "Keeping what was said is switched off in the settings.")
NOT_FOUND = ("Nothing found", "Fewer or shorter words find more.")


class HistoryPanel(QWidget):
    """The panel at the side."""

    search_asked = Signal(str)
    """The words to search for; empty: no search any more."""
    open_asked = Signal(int, str)
    """The number of a conversation, and the item to show of it; empty: from its beginning."""
    continue_asked = Signal(int)
    rename_asked = Signal(int, str)
    """Number, new title."""
    pin_asked = Signal(int, bool)
    delete_asked = Signal(int)
    """The user was asked, and said yes."""
    export_asked = Signal(int, object)
    """Number, `ExportForm`."""
    import_asked = Signal()
    new_conversation_asked = Signal()
    close_asked = Signal()
    shown = Signal(bool)
    """The panel has come into sight, or gone."""

    def __init__(self, theme: Theme, parent: QWidget | None = None, now: Callable[[], float] = time) -> None:
        super().__init__(parent)
        self._theme = theme
        self._now = now
        self._conversations: tuple[PastConversation, ...] = ()
        self._hits: tuple[str, tuple[Hit, ...]] = ("", ())
        """What was searched for, and what was found."""
        self._searched = ""
        self._most = PAGE
        """How many conversations are listed: more when someone scrolls down to the end."""
        self._kept = True
        self._doomed: PastConversation | None = None
        """What the question is about."""
        self.model = HistoryModel(now)
        self.list = HistoryList(self.model, theme)
        self.field = QLineEdit()
        self._find_icon = QAction(self)
        self._new = QToolButton()
        self._more = QToolButton()
        self._close = QToolButton()
        self._empty = QWidget()
        self._empty_words = (PlainLabel(), PlainLabel())
        self._question = QFrame()
        self._question_words = PlainLabel()
        self._delete, self._keep = QPushButton("&Delete"), QPushButton("&Keep")
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(TYPED_MS)
        self.setAccessibleName("History")
        self.setObjectName("history panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setProperty("kind", "side")
        self._lay_out()
        self._connect()
        theme.changed.connect(self._restyle)
        self._restyle()
        self._show_rows()

    # --- what comes down --------------------------------------------------------------------------

    def show_conversations(self, conversations: Sequence[PastConversation]) -> None:
        """Show all there are, in any order."""
        self._conversations = tuple(conversations)
        self._show_rows()

    def show_hits(self, text: str, hits: Sequence[Hit]) -> None:
        """Show what a search for `text` found; too late, if the user has typed on."""
        self._hits = (text, tuple(hits))
        self._show_rows()

    def show_present(self, number: int | None) -> None:
        """Mark the conversation that is going on; None: none of those that are kept."""
        self.model.mark(present=number, opened=self.model.opened)

    def show_opened(self, number: int | None) -> None:
        """Mark the old conversation that is shown; None: none."""
        self.model.mark(present=self.model.present, opened=number)

    def set_kept(self, kept: bool) -> None:
        """Say whether what is said now is kept."""
        self._kept = kept
        self._show_rows()

    # --- what the window asks ---------------------------------------------------------------------

    @property
    def search_text(self) -> str:
        """What is searched for; empty: nothing."""
        return self._searched

    def has_focus(self) -> bool:
        """Return whether the keys act on something in it."""
        focused = QApplication.focusWidget()
        return focused is not None and self.isAncestorOf(focused)

    def take_focus(self) -> None:
        """Let the keys act on the list, or on the search where there is nothing in the list."""
        usable = self.list if self.list.isVisibleTo(self) else self.field
        usable.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def begin_search(self) -> None:
        """Let the user type what to search for."""
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def step_back(self) -> None:
        """Do what Esc does: end the question, clear the search, or close."""
        if self._doomed is not None:
            self._end_question()
        elif self.field.text():
            self.field.clear()
            self._search()
        else:
            self.close_asked.emit()

    @property
    def stops(self) -> tuple[QWidget, ...]:
        """What the Tab key visits, in order."""
        return (self.field, self._new, self._more, self._close, self.list, self._delete, self._keep)

    # --- inside -----------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        px = self._theme.px
        column = QVBoxLayout(self)
        column.setContentsMargins(0, px(2 * GRID), 0, 0)
        column.setSpacing(px(2 * GRID))
        title = PlainLabel("History")
        title.setProperty("strong", "true")
        top = QHBoxLayout()
        top.setContentsMargins(px(5 * GRID), 0, px(2 * GRID), 0)
        top.setSpacing(px(GRID / 2))
        top.addWidget(title, 1)
        for button, name, tip, called in (
            (self._new, "New conversation", "New conversation", "new conversation"),
            (self._more, "More about the history", "More", "history menu"),
            (self._close, "Close the history", "Close (Esc)", "close history"),
        ):
            button.setAccessibleName(name)
            button.setToolTip(tip)
            button.setObjectName(called)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            top.addWidget(button)
        self.field.setPlaceholderText("Search what was said")
        self.field.setAccessibleName("Search what was said")
        self.field.setObjectName("history search")
        self.field.setClearButtonEnabled(False)
        self.field.setMaxLength(200)
        self.field.addAction(self._find_icon, QLineEdit.ActionPosition.LeadingPosition)
        search = QHBoxLayout()
        search.setContentsMargins(px(4 * GRID), 0, px(4 * GRID), 0)
        search.addWidget(self.field)
        column.addLayout(top)
        column.addLayout(search)
        column.addWidget(self.list, 1)
        column.addWidget(self._empty, 1)
        question = QHBoxLayout()
        question.setContentsMargins(px(2 * GRID), 0, px(2 * GRID), px(2 * GRID))
        question.addWidget(self._question)
        column.addLayout(question)
        self._lay_out_empty()
        self._lay_out_question()
        menu = QMenu(self._more)
        menu.setAccessibleName("More about the history")
        self._import = menu.addAction("Import a conversation…")
        self._more.setMenu(menu)
        self._more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    def _lay_out_empty(self) -> None:
        px = self._theme.px
        column = QVBoxLayout(self._empty)
        column.setContentsMargins(px(5 * GRID), px(6 * GRID), px(5 * GRID), px(5 * GRID))
        column.setSpacing(px(GRID))
        for label, tone in zip(self._empty_words, ("", "muted"), strict=True):
            label.setWordWrap(True)
            label.setProperty("scale", "label")
            label.setProperty("strong", "" if tone else "true")
            label.setProperty("tone", tone)
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(label)
        column.addStretch(1)

    def _lay_out_question(self) -> None:
        px = self._theme.px
        self._question.setProperty("kind", "wrong")
        self._question.setAccessibleName("Delete?")
        self._question_words.setWordWrap(True)
        self._question_words.setProperty("scale", "label")
        self._delete.setProperty("kind", "plain")
        self._delete.setObjectName("delete")
        self._keep.setProperty("kind", "plain")
        self._keep.setObjectName("keep")
        column = QVBoxLayout(self._question)
        column.setContentsMargins(px(3 * GRID), px(3 * GRID), px(3 * GRID), px(3 * GRID))
        column.setSpacing(px(2 * GRID))
        column.addWidget(self._question_words)
        row = QHBoxLayout()
        row.setSpacing(px(2 * GRID))
        row.addWidget(self._delete)
        row.addWidget(self._keep)
        row.addStretch(1)
        column.addLayout(row)
        self._question.hide()

    def _connect(self) -> None:
        self.field.textChanged.connect(lambda _text: self._pause.start())
        self._pause.timeout.connect(self._search)
        self.list.opened.connect(self._open)
        self.list.menu_asked.connect(self._open_menu)
        self.list.delete_pressed.connect(lambda row: self._ask(row.past))
        self.list.typed.connect(self._type_on)
        self.list.left_upwards.connect(self.begin_search)
        self.model.renamed.connect(self.rename_asked)
        self.model.more_asked.connect(self._show_more)
        self._new.clicked.connect(self.new_conversation_asked)
        self._close.clicked.connect(self.close_asked)
        self._import.triggered.connect(lambda _checked: self.import_asked.emit())
        self._delete.clicked.connect(self._delete_it)
        self._keep.clicked.connect(self._end_question)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go from the search into the list; keep what is typed here from the line below."""
        if self.field.hasFocus() and event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if event.key() != Qt.Key.Key_Down:
                self._search()
            if self.list.isVisibleTo(self):
                self.list.go_to_first()
                self.list.setFocus(Qt.FocusReason.TabFocusReason)
        event.accept()

    # --- searching --------------------------------------------------------------------------------

    def _search(self) -> None:
        self._pause.stop()
        text = " ".join(self.field.text().split())
        if text != self._searched:
            self._searched = text
            self.search_asked.emit(text)
            if not text:
                self._show_rows()

    def _type_on(self, text: str) -> None:
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)
        self.field.insert(text)

    def _show_more(self) -> None:
        self._most += PAGE
        self._show_rows()

    def _show_rows(self) -> None:
        text, hits = self._hits
        if not self._searched:
            rows = rows_by_day(self._conversations, self._now(), self._most)
        elif text == self._searched:
            rows = rows_of_hits(hits)
        else:
            return  # the answer is under way: until then, what is shown stays
        more = not self._searched and self._most < len(self._conversations)
        self.list.show_rows(rows, more=more)
        headline, body = NOT_FOUND if self._searched else NOTHING_YET if self._kept else NOT_KEPT
        for label, words in zip(self._empty_words, (headline, body), strict=True):
            label.setText(words)
        had_focus = self.list.hasFocus() and not rows
        self.list.setVisible(bool(rows))
        self._empty.setVisible(not rows)
        if had_focus:
            self.field.setFocus(Qt.FocusReason.OtherFocusReason)

    # --- one conversation -------------------------------------------------------------------------

    def _open(self, row: Row) -> None:
        match row:
            case Line(past):
                self.open_asked.emit(past.number, row.first_item)
            case Found(hit):
                self.open_asked.emit(hit.conversation.number, hit.item_id)
            case Heading():
                pass

    def _open_menu(self, row: Row, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setAccessibleName("What to do with it")
        match row:
            case Line(past):
                self._fill_menu(menu, past, row)
            case Found(hit):
                self._add(menu, "Open here", "message-square-text", lambda: self._open(row))
                menu.addSeparator()
                self._fill_menu(menu, hit.conversation, None)
            case Heading():
                return
        menu.popup(at)

    def _fill_menu(self, menu: QMenu, past: PastConversation, row: Line | None) -> None:
        """Offer what can be done with a conversation; `row`: where it can be renamed in place."""
        number = past.number
        present = number == self.model.present
        if row is not None:
            self._add(menu, "Open", "message-square-text", lambda: self._open(row))
        if not present:
            self._add(
                menu, "Continue this conversation", "message-square-more", lambda: self.continue_asked.emit(number)
            )
        menu.addSeparator()
        if row is not None:
            key: Key = key_of(row)
            rename = self._add(menu, "Rename", "pencil", lambda: self.list.rename(key))
            rename.setShortcut(QKeySequence(Qt.Key.Key_F2))
        pin = ("Unpin", "pin-off") if past.pinned else ("Pin", "pin")
        self._add(menu, *pin, lambda: self.pin_asked.emit(number, not past.pinned))
        export = menu.addMenu(self._theme.icon("download"), "Export")
        for form, words in EXPORT_WORDS.items():
            self._add(export, words, "", lambda form=form: self.export_asked.emit(number, form))  # type: ignore[misc]
        menu.addSeparator()
        delete = self._add(menu, "Delete…", "trash-2", lambda: self._ask(past))
        delete.setShortcut(QKeySequence(Qt.Key.Key_Delete))

    def _add(self, menu: QMenu, words: str, icon: str, do: Callable[[], object]) -> QAction:
        action = menu.addAction(words)
        if icon:
            action.setIcon(self._theme.icon(icon))
        action.triggered.connect(lambda _checked: do())
        return action

    # --- deleting ---------------------------------------------------------------------------------

    def _ask(self, past: PastConversation) -> None:
        self._doomed = past
        title = breakable(title_words(past))
        if len(title) > 80:
            title = f"{title[:80]}…"
        what = "It is deleted for good, with its pictures and sound: nothing brings it back."
        if past.number == self.model.present:
            what = f"It is the present one: a new one begins. {what}"
        self._question_words.setText(f"Delete «{title}»? {what}")
        self._question.show()
        self._keep.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _delete_it(self) -> None:
        doomed = self._doomed
        self._end_question()
        if doomed is not None:
            self.delete_asked.emit(doomed.number)

    def _end_question(self) -> None:
        self._doomed = None
        self.take_focus()
        self._question.hide()

    # --- look -------------------------------------------------------------------------------------

    def _restyle(self) -> None:
        theme, px = self._theme, self._theme.px
        self._find_icon.setIcon(theme.icon("search", theme.palette.muted, size=16))
        self._import.setIcon(theme.icon("file-input"))
        for button, icon in ((self._new, "message-square-plus"), (self._more, "ellipsis"), (self._close, "x")):
            button.setIcon(theme.icon(icon, size=18))
            button.setIconSize(QSize(px(18), px(18)))
            button.setFixedSize(px(32), px(32))
