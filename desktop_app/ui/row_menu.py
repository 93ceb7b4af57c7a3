"""The menu of one or several rows of the transcript: what can be done with what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.ui.entry_words import ACTION_WORDS, shown_text
from desktop_app.ui.theme import Theme

ABOUT_ROLES = (Role.USER, Role.ASSISTANT, Role.TOOL)


class RowMenu(QMenu):
    """Offers what fits the rows it is for; deleted when it closes."""

    copy_asked = Signal()
    copy_all_asked = Signal()
    action_asked = Signal(str, object)
    """Item id, `EntryAction`."""
    read_aloud_asked = Signal(str)
    about_asked = Signal(tuple)
    """Item ids."""
    edit_asked = Signal(str, str)
    """Item id, its text."""
    server_copy_asked = Signal(str)
    forget_asked = Signal(tuple)
    """Item ids."""

    def __init__(
        self, entries: Sequence[Entry], marked: str, theme: Theme, parent: QWidget, *, read_only: bool = False
    ) -> None:
        """Offer what can be done with `entries`; `marked` is the text that is selected, if any.

        `read_only`: they are of a conversation that is over, and no server knows them.
        """
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAccessibleName("What to do with it")
        self._theme = theme
        self._entries = tuple(entries)
        self._marked = marked
        self._read_only = read_only
        self._ids = tuple(entry.item_id for entry in entries if entry.role in ABOUT_ROLES)
        self._add_actions()

    def _add_actions(self) -> None:
        one = self._entries[0] if len(self._entries) == 1 else None
        if one is not None and one.action is not None:
            self._add(
                ACTION_WORDS[one.action], "rotate-cw", lambda: self.action_asked.emit(one.item_id, one.action)
            )
            self.addSeparator()
        text = self._marked or "\n\n".join(filter(None, (shown_text(entry) for entry in self._entries)))
        several = len(self._entries) > 1 and not self._marked
        copy = self._add("Copy", "copy", self.copy_asked.emit)
        copy.setEnabled(bool(text))
        self._add("Copy the whole conversation", "copy-check", self.copy_all_asked.emit)
        self.addSeparator()
        aloud = self._add("Read aloud", "volume-2", lambda: self.read_aloud_asked.emit(text))
        aloud.setEnabled(bool(text))
        if self._read_only:
            return
        number = f"these {len(self._ids)}" if several else "this"
        about = self._add(
            f"Ask about {number} only…", "message-circle-question-mark", lambda: self.about_asked.emit(self._ids)
        )
        about.setEnabled(bool(self._ids))
        if one is not None:
            self._add_for_one(one)
        self.addSeparator()
        pictures = one is not None and bool(one.images)
        words = f"Forget {number}"
        if one is not None and one.images:
            words = "Forget this and its picture" if one.text else "Forget this picture"
        forget = self._add(words, "image-off" if pictures else "trash-2", lambda: self.forget_asked.emit(self._ids))
        forget.setEnabled(bool(self._ids))

    def _add_for_one(self, entry: Entry) -> None:
        if entry.role is not Role.USER:
            return
        if entry.spoken:
            save = self._add(
                "Save what the server heard…", "download", lambda: self.server_copy_asked.emit(entry.item_id)
            )
            save.setEnabled(entry.status is not EntryStatus.IN_PROGRESS)
        if entry.text and entry.status is not EntryStatus.IN_PROGRESS:
            self._add("Edit and send again…", "pencil", lambda: self.edit_asked.emit(entry.item_id, entry.text))

    def _add(self, words: str, icon: str, do: Callable[[], object]) -> QAction:
        action = self.addAction(self._theme.icon(icon), words)
        action.triggered.connect(lambda _checked: do())
        return action
