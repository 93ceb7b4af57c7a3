"""Questions that wait for the user's yes: what a tool would do, one at a time, the next when it is answered.

A question never takes the keyboard: whoever is typing would answer it by accident. Its buttons have keys of their
own (Alt and a letter), and take no click in the first moment, so that one meant for what stood there before does
not allow anything.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QPlainTextEdit, QPushButton

from desktop_app.conversation.effects import Consent
from desktop_app.conversation.entries import ToolUse
from desktop_app.ui.cards import CONSENT_RANK, Card, CardStack, flow_of
from desktop_app.ui.entry_words import tool_arguments
from desktop_app.ui.labels import breakable
from desktop_app.ui.plain import unmistakable
from desktop_app.ui.theme import GRID, Text, Theme

DEAF_MS = 400
"""How long the buttons take no click."""
MOST_LINES = 5
"""More of them scroll."""
MOST_NAME_CHARS = 40
MOST_CHARS = 20_000


class _Quote(QPlainTextEdit):
    """A text to be read before one says yes: as high as its lines are at this width, up to a limit."""

    def __init__(self, text: str, theme: Theme) -> None:
        super().__init__(text)
        self._theme = theme

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the lines, and be as high as they are."""
        super().resizeEvent(event)
        lines = min(MOST_LINES, max(1, int(self.document().size().height())))  # this layout counts in lines
        margins = 2 * self._theme.px(1.5 * GRID) + self._theme.px(GRID)
        self.setFixedHeight(lines * QFontMetrics(self.font()).lineSpacing() + margins)


class ConsentCard(Card):
    """One question."""

    answered = Signal(bool, bool)
    """Whether it may run, and whether this tool need not ask again."""

    def __init__(self, consent: Consent, waiting: int, theme: Theme) -> None:
        """Ask about `consent`; `waiting` more are queued behind it."""
        super().__init__(theme, "shield-question-mark", rank=CONSENT_RANK)
        self.consent = consent
        self.setAccessibleName("Question")
        headline, _, details = unmistakable(consent.question).strip().partition("\n")
        tool = _clipped(unmistakable(consent.tool))
        asked = breakable(headline) if headline else f"May the assistant use «{tool}»?"
        self.add_label(asked, strong=True)
        self._whose = self.add_label("", muted=True)
        self._whose_words = _whose(consent)
        self._details = details.strip()
        self._arguments = self._new_arguments(consent)
        self.buttons = (
            self._button("&Allow", "primary", allowed=True, always=False),
            self._button("Al&ways for this tool", "plain", allowed=True, always=True),
            self._button("&Don't allow", "plain", allowed=False, always=False),
        )
        self.words.addSpacing(theme.px(1.5 * GRID))
        self.words.addWidget(flow_of(self.buttons, theme.px(2 * GRID)))
        row = self.layout()
        assert row is not None
        margins = row.contentsMargins()
        margins.setRight(theme.px(3 * GRID))
        row.setContentsMargins(margins)
        self.close_button.hide()  # closing it would be an answer, and there is a button for that
        self.show_waiting(waiting)
        for button in self.buttons:
            button.setEnabled(False)
        QTimer.singleShot(DEAF_MS, self, self._listen)

    def show_waiting(self, waiting: int) -> None:
        """Say how many more questions there are."""
        more = f" {waiting} more to come." if waiting else ""
        self._whose.setText(f"{self._whose_words}{more}")

    def colours(self) -> tuple[str, str, str]:
        """Return the colours of something that waits for the user."""
        palette = self._theme.palette
        return palette.surface, palette.accent, palette.accent

    def _new_arguments(self, consent: Consent) -> QPlainTextEdit:
        use = ToolUse(consent.call_id, consent.tool, consent.arguments)
        text = self._details if consent.question else tool_arguments(use)
        if len(text) > MOST_CHARS:
            text = f"{text[:MOST_CHARS]}… ({len(text):,} characters in all)"
        shown = _Quote(unmistakable(text), self._theme)
        shown.setReadOnly(True)
        shown.setTabChangesFocus(True)
        shown.setProperty("kind", "quote")
        shown.setFont(self._theme.font(Text.LABEL))
        shown.setAccessibleName("What it is given")
        shown.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        shown.document().setDocumentMargin(self._theme.px(1.5 * GRID))
        shown.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.words.addSpacing(self._theme.px(GRID))
        self.words.addWidget(shown)
        shown.setVisible(bool(text))  # only now: without a parent it would be a window of its own
        return shown

    def _button(self, words: str, kind: str, *, allowed: bool, always: bool) -> QPushButton:
        button = QPushButton(words)
        button.setProperty("kind", kind)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAutoDefault(False)
        button.clicked.connect(lambda: self.answered.emit(allowed, always))
        return button

    def _listen(self) -> None:
        for button in self.buttons:
            button.setEnabled(True)
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))


class Consents(QObject):
    """The questions, in the order they came."""

    answered = Signal(str, bool, bool)
    """The call id, whether it may run, and whether this tool need not ask again."""

    def __init__(self, stack: CardStack, theme: Theme) -> None:
        super().__init__(stack)
        self._stack = stack
        self._theme = theme
        self._queue: list[Consent] = []
        self._card: ConsentCard | None = None

    def ask(self, consent: Consent) -> None:
        """Ask, once those before it are answered."""
        self._queue = [other for other in self._queue if other.call_id != consent.call_id] + [consent]
        self._show()

    def withdraw(self, call_id: str) -> None:
        """The question no longer stands."""
        self._queue = [consent for consent in self._queue if consent.call_id != call_id]
        self._show()

    def _answer(self, consent: Consent, allowed: bool, always: bool) -> None:
        self._queue = [other for other in self._queue if other is not consent]
        self._show()
        self.answered.emit(consent.call_id, allowed, always)

    def _show(self) -> None:
        """Show the first question of the queue."""
        first = self._queue[0] if self._queue else None
        if self._card is not None and self._card.consent is first:
            self._card.show_waiting(len(self._queue) - 1)
            self._stack.fit()
            return
        if self._card is not None:
            self._stack.take_out(self._card)
            self._card = None
        if first is not None:
            card = self._card = ConsentCard(first, len(self._queue) - 1, self._theme)
            card.answered.connect(lambda allowed, always: self._answer(first, allowed, always))
            self._stack.add(card)


def _whose(consent: Consent) -> str:
    """Return who would run it, and what that says of it."""
    if consent.server:
        return f"«{_clipped(consent.server)}» runs it, called by the service you talk to."
    words = f"It is a tool of {_clipped(consent.source)}." if consent.source else "It runs on this computer."
    return f"{words} {breakable(consent.remark)}".rstrip()


def _clipped(name: str) -> str:
    """Return a name that cannot push the rest of the question aside."""
    return breakable(name if len(name) <= MOST_NAME_CHARS else f"{name[: MOST_NAME_CHARS - 1]}…")
