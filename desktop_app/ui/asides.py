"""Answers beside the conversation, as cards: a summary, suggested replies, an answer about some entries only."""

from __future__ import annotations

import re

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QToolButton, QWidget

from desktop_app.conversation.effects import AsideState
from desktop_app.conversation.inputs import AsideKind
from desktop_app.ui.cards import ASIDE_RANK, Card, CardStack, Chip, flow_of
from desktop_app.ui.theme import GRID, Theme

TITLES = {
    AsideKind.SUMMARY: "Summary",
    AsideKind.REPLIES: "You could say",
    AsideKind.ABOUT: "About what you chose",
    AsideKind.READ_ALOUD: "Read aloud",
    AsideKind.SAMPLE: "Voice sample",
    AsideKind.TITLE: "Title",
}
ICONS = {
    AsideKind.SUMMARY: "list-collapse",
    AsideKind.REPLIES: "message-circle-reply",
    AsideKind.ABOUT: "message-circle-question-mark",
}
MOST_REPLIES = 6


def replies_in(text: str) -> list[str]:
    """Return the suggestions, one per line; marks that models like to put before them are left out."""
    lines = (re.sub(r"^\s*(?:[-*•·]|\d+[.)])\s+", "", line).strip() for line in text.splitlines())
    return [line.strip('"“”„«»') for line in lines if line.strip('"“”„«» ')][:MOST_REPLIES]


class AsideCard(Card):
    """One answer beside the conversation."""

    reply_chosen = Signal(str)

    def __init__(self, state: AsideState, theme: Theme) -> None:
        super().__init__(theme, ICONS.get(state.kind, "sparkles"), rank=ASIDE_RANK)
        self.state = state
        self.setAccessibleName(TITLES[state.kind])
        self._title = self.add_label(TITLES[state.kind], strong=True)
        self._text = self.add_label("")
        self._chips: QWidget | None = None
        self._copy = QToolButton()
        self._copy.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._copy.setAccessibleName("Copy")
        self._copy.setToolTip("Copy")
        self._copy.clicked.connect(self._copy_text)
        row = self.layout()
        assert row is not None
        row.removeWidget(self.close_button)
        row.addWidget(self._copy)
        row.addWidget(self.close_button)
        for button in (self._copy, self.close_button):
            row.setAlignment(button, Qt.AlignmentFlag.AlignTop)
        theme.changed.connect(self._restyle_copy)
        self._restyle_copy()
        self.show_state(state)

    @property
    def text_label(self) -> QLabel:
        """What is written."""
        return self._text

    def show_state(self, state: AsideState) -> None:
        """Show how far it is."""
        self.state = state
        ready = state.kind is AsideKind.REPLIES and state.done and not state.failed
        replies = replies_in(state.text) if ready else []
        words = state.text.strip() if state.kind is not AsideKind.REPLIES else ""
        if state.failed and not words:
            words = "There is no answer this time. You can ask again."
        elif state.failed:
            words = f"{words}… (cut short)"
        elif not state.done and not words:
            words = "One moment…"
        elif ready and not replies:
            words = "Nothing came to mind."
        self._text.setText(words)
        self._text.setVisible(bool(words))
        self._copy.setVisible(bool(state.text.strip()))
        if replies and self._chips is None:
            self._show_chips(replies)

    def _show_chips(self, replies: list[str]) -> None:
        chips = [Chip(reply, self._theme) for reply in replies]
        for chip in chips:
            chip.clicked.connect(lambda _checked, text=chip.whole: self.reply_chosen.emit(text))
            chip.setAccessibleDescription("Puts it into the line")
        self._chips = flow_of(chips, self._theme.px(1.5 * GRID))
        self.words.addSpacing(self._theme.px(GRID))
        self.words.addWidget(self._chips)

    def _copy_text(self) -> None:
        text = "\n".join(replies_in(self.state.text)) if self._chips is not None else self.state.text.strip()
        QGuiApplication.clipboard().setText(text)
        self._copy.setIcon(self._theme.icon("copy-check", self._theme.palette.accent, size=16))
        self._copy.setToolTip("Copied")

    def _restyle_copy(self) -> None:
        theme = self._theme
        self._copy.setIcon(theme.icon("copy", size=16))
        self._copy.setIconSize(QSize(theme.px(16), theme.px(16)))
        self._copy.setFixedSize(theme.px(28), theme.px(28))


class Asides(QObject):
    """The answers beside the conversation, by their numbers."""

    reply_chosen = Signal(str)
    """A suggestion that shall stand in the line."""

    def __init__(self, stack: CardStack, theme: Theme) -> None:
        super().__init__(stack)
        self._stack = stack
        self._theme = theme
        self._cards: dict[int, AsideCard] = {}
        self._closed: set[int] = set()

    def show_aside(self, state: AsideState) -> None:
        """Insert or replace an answer; one that was closed stays closed."""
        if state.number in self._closed:
            return
        card = self._cards.get(state.number)
        if card is None:
            card = self._new_card(state)
        else:
            card.show_state(state)
            self._stack.fit()

    def close_all(self) -> None:
        """Take all away: another conversation begins."""
        for number in list(self._cards):
            self._close(number)

    def _new_card(self, state: AsideState) -> AsideCard:
        # Suggestions are for this moment, and there is one summary: the new one takes the old one's place.
        old = [
            card
            for card in self._cards.values()
            if card.state.kind is state.kind and state.kind in (AsideKind.SUMMARY, AsideKind.REPLIES)
        ]
        card = AsideCard(state, self._theme)
        card.closed.connect(lambda: self._close(state.number))
        card.reply_chosen.connect(lambda text: self._choose(state.number, text))
        for other in old:
            self._forget(other.state.number)
        self._cards[state.number] = card
        self._stack.add(card, instead_of=old[0] if old else None)
        return card

    def _choose(self, number: int, text: str) -> None:
        self._close(number)
        self.reply_chosen.emit(text)

    def _close(self, number: int) -> None:
        card = self._cards.get(number)
        self._forget(number)
        if card is not None:
            self._stack.take_out(card)

    def _forget(self, number: int) -> None:
        self._cards.pop(number, None)
        self._closed.add(number)
