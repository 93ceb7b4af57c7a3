"""An old conversation, to be read: its transcript under a bar that says which it is, and leads on or back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop_app.conversation.past import PastConversation, PastEntry
from desktop_app.conversation.transcript import as_ended
from desktop_app.ui.history_rows import span_words, time_words, title_words
from desktop_app.ui.labels import ElidedLabel
from desktop_app.ui.theme import GRID, Theme
from desktop_app.ui.transcript import TranscriptView
from desktop_app.ui.transcript_model import TranscriptModel

WORDS_PX = 640
"""Below this width the buttons have short words."""
CONTINUE, BACK = "Continue this conversation", "Back to the present one"


class PastView(QWidget):
    """Shows an old conversation."""

    continue_asked = Signal(int)
    back_asked = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None, now: Callable[[], float] = time) -> None:
        super().__init__(parent)
        self._theme = theme
        self._now = now
        self._number: int | None = None
        self.model = TranscriptModel()
        self.view = TranscriptView(self.model, theme, read_only=True)
        self._title = ElidedLabel()
        self._when = ElidedLabel()
        self._continue, self._back = QPushButton(CONTINUE), QPushButton(BACK)
        self._bar = QFrame()
        self._lay_out()
        self._continue.clicked.connect(self._ask_to_continue)
        self._back.clicked.connect(self.back_asked)
        theme.changed.connect(self._restyle)
        self._restyle()

    @property
    def number(self) -> int | None:
        """Which conversation is shown; None: none."""
        return self._number

    @property
    def stops(self) -> tuple[QWidget, ...]:
        """What the Tab key visits, in order."""
        return (self._back, self._continue, self.view)

    def show_past(self, past: PastConversation, entries: Sequence[PastEntry], item_id: str = "") -> None:
        """Show a conversation, at the row of an item, or from its beginning."""
        again = past.number == self._number
        self._number = past.number
        self.show_name(past)
        self.view.set_empty_text("Nothing was said", "This conversation is empty.")
        if not again or self.model.rowCount() != len(entries):
            self.model.fill([as_ended(past_entry.entry) for past_entry in entries])
            for one in entries:
                self.model.set_cost(one.entry.item_id, time_words(one.at))
        row = self.model.row_of(item_id) if item_id else None
        self.view.go_to(row or 0, marked=row is not None)

    def show_name(self, past: PastConversation) -> None:
        """Show title and date, which may have been changed."""
        self._title.setText(title_words(past))
        self._when.setText(span_words(past, self._now()))
        self.view.setAccessibleName(f"Past conversation: {title_words(past)}")

    def forget(self) -> None:
        """Show none any more."""
        self._number = None
        self.model.clear()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use as many words as there is room for."""
        super().resizeEvent(event)
        wide = self.width() >= self._theme.px(WORDS_PX)
        self._continue.setText(CONTINUE if wide else "Continue")
        self._back.setText(BACK if wide else "Back")

    def _lay_out(self) -> None:
        px = self._theme.px
        self._bar.setProperty("kind", "strip")
        self._bar.setAccessibleName("An old conversation is shown")
        self._title.setProperty("strong", "true")
        self._title.setObjectName("past title")
        self._when.setProperty("tone", "muted")
        self._when.setProperty("scale", "caption")
        self._continue.setProperty("kind", "primary")
        self._continue.setObjectName("continue")
        for button, name in ((self._continue, CONTINUE), (self._back, BACK)):
            button.setAccessibleName(name)
            button.setToolTip(name)
        self._back.setProperty("kind", "plain")
        self._back.setObjectName("back")
        words, line = QVBoxLayout(), QHBoxLayout(self._bar)
        words.setSpacing(0)
        words.addWidget(self._title)
        words.addWidget(self._when)
        line.setContentsMargins(px(4 * GRID), px(2 * GRID), px(4 * GRID), px(2 * GRID))
        line.setSpacing(px(2 * GRID))
        line.addLayout(words, 1)
        line.addWidget(self._back)
        line.addWidget(self._continue)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._bar)
        column.addWidget(self.view, 1)

    def _ask_to_continue(self) -> None:
        if self._number is not None:
            self.continue_asked.emit(self._number)

    def _restyle(self) -> None:
        theme, px = self._theme, self._theme.px
        self._back.setIcon(theme.icon("arrow-left", size=16))
        self._back.setIconSize(QSize(px(16), px(16)))
