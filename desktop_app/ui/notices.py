"""Notices: sentences for the user with what to do next, stacked above the line to type in.

The newest stands lowest, nearest to the hands. A notice of the same key takes the old one's place. Errors and
warnings stay until they are closed or no longer hold; information leaves by itself, unless someone is at it. The
notice of a lost connection counts down to the next attempt, which can be made now, or called off.

Laying out a card takes 10 ms among others, so a server that fails a hundred times a second could hold the window:
what stands there already is not shown again, and of a flood a few are shown at a time.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton, QWidget

from desktop_app.conversation.effects import Retry
from desktop_app.conversation.failures import LINK_KEY
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.ui.cards import NOTICE_RANK, Card, CardStack, flow_of
from desktop_app.ui.countdown import Countdown
from desktop_app.ui.theme import GRID, Theme

INFO_STAYS_MS = 12_000
MOST_NOTICES = 12
"""More nobody reads; and a server that fails a thousand times must not be able to bury the window in cards."""
BURST = 3
"""So many are shown at once…"""
PAUSE_MS = 250
"""…and the next ones after this."""

ACTION_WORDS = {
    NoticeAction.RECONNECT: "Reconnect",
    NoticeAction.NEW_CONVERSATION: "New conversation",
    NoticeAction.COPY_DETAILS: "Copy details",
    NoticeAction.SPEND_ON: "Go on all the same",
    NoticeAction.USE_MODEL: "Use it",
    NoticeAction.CONTINUE: "Continue",
    NoticeAction.SHOW_EARLIER: "Show them",
}
ICONS = {Severity.INFO: "info", Severity.WARNING: "triangle-alert", Severity.ERROR: "circle-alert"}
SEVERITY_WORDS = {Severity.INFO: "Information", Severity.WARNING: "Warning", Severity.ERROR: "Error"}


class NoticeCard(Card):
    """One notice."""

    acted = Signal()
    retry_now = Signal()
    retry_stopped = Signal()

    def __init__(self, notice: Notice, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, ICONS[notice.severity], rank=NOTICE_RANK, parent=parent)
        self.notice = notice
        self.setAccessibleName(SEVERITY_WORDS[notice.severity])
        self.add_label(notice.text, strong=bool(notice.hint))
        if notice.hint:
            self.add_label(notice.hint)
        self._retry = self.add_label("")
        self.now = self._button("Try now")
        self.now.clicked.connect(self.retry_now)
        self.stop = self._button("Stop trying")
        self.stop.clicked.connect(self.retry_stopped)
        self._choices = flow_of((self.now, self.stop), theme.px(2 * GRID))
        self.action = self._button(ACTION_WORDS.get(notice.action, ""))
        self.action.clicked.connect(self.acted)
        if notice.action is not NoticeAction.NONE:
            self.words.addSpacing(theme.px(GRID))
            self.words.addWidget(self.action, 0, Qt.AlignmentFlag.AlignLeft)
        self.close_button.setAccessibleName("Close notice")
        self.words.addWidget(self._choices)
        self.show_retry("")
        self._leave = QTimer(self)
        self._leave.setSingleShot(True)
        self._leave.setInterval(INFO_STAYS_MS)
        self._leave.timeout.connect(self.closed)
        self._stay_or_leave()

    def show_retry(self, words: str) -> None:
        """Say when the next attempt is, with what can be done about it; empty: none is planned."""
        self._retry.setText(words)
        self._retry.setVisible(bool(words))
        self._choices.setVisible(bool(words))
        self.action.setVisible(self.notice.action is not NoticeAction.NONE and not words)

    def _button(self, words: str) -> QPushButton:
        button = QPushButton(words, self)
        button.setProperty("kind", "notice")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def enterEvent(self, event: QEvent) -> None:
        """Stay while the mouse is here."""
        self._leave.stop()

    def leaveEvent(self, event: QEvent) -> None:
        """Leave some time after the mouse."""
        self._stay_or_leave()

    def stay_on(self) -> None:
        """Stay for as long as a new one would."""
        if not self.underMouse():
            self._stay_or_leave()

    def colours(self) -> tuple[str, str, str]:
        """Return the colours of the severity."""
        p = self._theme.palette
        ground, ink = {
            Severity.INFO: (p.accent_tint, p.accent),
            Severity.WARNING: (p.warning_tint, p.warning),
            Severity.ERROR: (p.error_tint, p.error),
        }[self.notice.severity]
        return ground, "", ink

    def _stay_or_leave(self) -> None:
        if self.notice.severity is Severity.INFO and self.notice.action is NoticeAction.NONE:
            self._leave.start()


class NoticesBar(CardStack):
    """All notices that hold, and the cards of others."""

    reconnect_asked = Signal()
    retry_stopped = Signal()
    """No further attempts to connect are wanted."""
    new_conversation_asked = Signal()
    acted = Signal(object)
    """A notice whose action concerns none of the above."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.setAccessibleName("Notices")
        self.setObjectName("notices")
        self._left = BURST
        self._waiting: dict[str, Notice] = {}
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._pause.timeout.connect(self._go_on)
        self._countdown = Countdown(self)
        self._countdown.changed.connect(self._show_countdown)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is shown, the oldest first."""
        return tuple(card.notice for card in self._notice_cards)

    def show_notice(self, notice: Notice) -> None:
        """Show a notice; one of the same key, or else the oldest of too many, leaves for it."""
        same = next((card for card in self._notice_cards if card.notice == notice), None)
        if same is not None:
            same.stay_on()
            return
        if not self._left:
            self._wait(notice)
            return
        self._left -= 1
        if not self._pause.isActive():
            self._pause.start()
        self._show(notice)

    def _wait(self, notice: Notice) -> None:
        key = notice.key or notice.text
        self._waiting.pop(key, None)
        self._waiting[key] = notice
        if len(self._waiting) > MOST_NOTICES:
            del self._waiting[next(iter(self._waiting))]

    def _go_on(self) -> None:
        self._left = BURST
        for key in list(self._waiting)[:BURST]:
            self.show_notice(self._waiting.pop(key))

    def _show(self, notice: Notice) -> None:
        card = NoticeCard(notice, self._theme)
        card.closed.connect(lambda: self.take_out(card))
        card.acted.connect(lambda: self._act(card))
        old = [old for old in self._notice_cards if notice.key and old.notice.key == notice.key]
        if not old:
            for oldest in self._notice_cards[: 1 - MOST_NOTICES]:
                self.take_out(oldest)
        card.retry_now.connect(self.reconnect_asked)
        card.retry_stopped.connect(self.retry_stopped)
        if notice.key == LINK_KEY:
            card.show_retry(self._countdown.words)
        self.add(card, instead_of=old[0] if old else None)

    def dismiss(self, key: str) -> None:
        """Take the notice of this key away."""
        self._waiting.pop(key, None)
        for card in [card for card in self._notice_cards if key and card.notice.key == key]:
            self.take_out(card)

    def show_retry(self, retry: Retry | None) -> None:
        """Count down to the next attempt to connect, on the notice that says why."""
        self._countdown.begin(retry)

    def _show_countdown(self) -> None:
        for card in self._notice_cards:
            if card.notice.key == LINK_KEY:
                card.show_retry(self._countdown.words)

    @property
    def _notice_cards(self) -> list[NoticeCard]:
        return [card for card in self.cards if isinstance(card, NoticeCard)]

    def _act(self, card: NoticeCard) -> None:
        match card.notice.action:
            case NoticeAction.RECONNECT:
                self.reconnect_asked.emit()
            case NoticeAction.NEW_CONVERSATION:
                self.new_conversation_asked.emit()
            case NoticeAction.COPY_DETAILS:
                QGuiApplication.clipboard().setText(card.notice.details or card.notice.text)
                card.action.setText("Copied")
            case NoticeAction.SPEND_ON | NoticeAction.USE_MODEL | NoticeAction.CONTINUE | NoticeAction.SHOW_EARLIER:
                self.take_out(card)
                self.acted.emit(card.notice)
            case NoticeAction.NONE:
                pass
