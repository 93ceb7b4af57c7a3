"""Notices: sentences for the user with what to do next, stacked above the line to type in.

The newest stands lowest, nearest to the hands. A notice of the same key takes the old one's place. Errors and
warnings stay until they are closed or no longer hold; information leaves by itself, unless someone is at it.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.ui.theme import GRID, Theme

INFO_STAYS_MS = 12_000

ACTION_WORDS = {
    NoticeAction.RECONNECT: "Reconnect",
    NoticeAction.NEW_CONVERSATION: "New conversation",
    NoticeAction.COPY_DETAILS: "Copy details",
    NoticeAction.SPEND_ON: "Go on all the same",
    NoticeAction.USE_MODEL: "Use it",
}
ICONS = {Severity.INFO: "info", Severity.WARNING: "triangle-alert", Severity.ERROR: "circle-alert"}
SEVERITY_WORDS = {Severity.INFO: "Information", Severity.WARNING: "Warning", Severity.ERROR: "Error"}


class NoticeCard(QFrame):
    """One notice."""

    closed = Signal()
    acted = Signal()

    def __init__(self, notice: Notice, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notice = notice
        self._theme = theme
        self.setAccessibleName(SEVERITY_WORDS[notice.severity])
        self._text = self._label(notice.text, strong=bool(notice.hint))
        self._hint = self._label(notice.hint)
        self._hint.setVisible(bool(notice.hint))
        self.action = QPushButton(ACTION_WORDS.get(notice.action, ""))
        self.action.setProperty("kind", "notice")
        self.action.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.action.setVisible(notice.action is not NoticeAction.NONE)
        self.action.clicked.connect(self.acted)
        self.close_button = QToolButton()
        self.close_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.close_button.setAccessibleName("Close notice")
        self.close_button.setToolTip("Close")
        self.close_button.clicked.connect(self.closed)
        self._lay_out()
        self._leave = QTimer(self)
        self._leave.setSingleShot(True)
        self._leave.setInterval(INFO_STAYS_MS)
        self._leave.timeout.connect(self.closed)
        theme.changed.connect(self._restyle)
        self._restyle()
        self._stay_or_leave()

    def enterEvent(self, event: QEvent) -> None:
        """Stay while the mouse is here."""
        self._leave.stop()

    def leaveEvent(self, event: QEvent) -> None:
        """Leave some time after the mouse."""
        self._stay_or_leave()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the card's ground and the icon of its severity."""
        theme = self._theme
        ground, ink = self._colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ground))
        radius = theme.px(3 * GRID)
        painter.drawRoundedRect(QRectF(self.rect()), radius, radius)
        side = theme.px(20)
        top = self._text.geometry().top()
        theme.draw_icon(
            painter,
            ICONS[self.notice.severity],
            QRectF(QPointF(theme.px(3 * GRID), top), QSize(side, side)),
            ink,
        )
        painter.end()

    def _label(self, text: str, *, strong: bool = False) -> QLabel:
        label = QLabel(text)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.setProperty("scale", "label")
        label.setProperty("strong", "true" if strong else "false")
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        return label

    def _lay_out(self) -> None:
        px = self._theme.px
        words = QVBoxLayout()
        words.setSpacing(px(GRID / 2))
        words.addWidget(self._text)
        words.addWidget(self._hint)
        if self.notice.action is not NoticeAction.NONE:
            words.addSpacing(px(GRID))
            words.addWidget(self.action, 0, Qt.AlignmentFlag.AlignLeft)
        row = QHBoxLayout(self)
        row.setContentsMargins(px(11 * GRID), px(2.5 * GRID), px(GRID), px(2.5 * GRID))
        row.setSpacing(px(2 * GRID))
        row.addLayout(words, 1)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)

    def _stay_or_leave(self) -> None:
        if self.notice.severity is Severity.INFO and self.notice.action is NoticeAction.NONE:
            self._leave.start()

    def _colours(self) -> tuple[str, str]:
        p = self._theme.palette
        return {
            Severity.INFO: (p.accent_tint, p.accent),
            Severity.WARNING: (p.warning_tint, p.warning),
            Severity.ERROR: (p.error_tint, p.error),
        }[self.notice.severity]

    def _restyle(self) -> None:
        theme = self._theme
        self.close_button.setIcon(theme.icon("x", size=16))
        self.close_button.setIconSize(QSize(theme.px(16), theme.px(16)))
        self.close_button.setFixedSize(theme.px(28), theme.px(28))
        self.update()


def _has_focus(card: NoticeCard) -> bool:
    focused = QApplication.focusWidget()
    return focused is not None and card.isAncestorOf(focused)


class NoticesBar(QScrollArea):
    """All notices that hold."""

    reconnect_asked = Signal()
    new_conversation_asked = Signal()
    acted = Signal(object)
    """A notice whose action concerns none of the above."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._cards: list[NoticeCard] = []
        self._most_height = theme.px(208)
        self._inner = QWidget()
        self._stack = QVBoxLayout(self._inner)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.setSpacing(theme.px(2 * GRID))
        self.setWidget(self._inner)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Notices")
        self.setObjectName("notices")
        self._inner.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)
        self.hide()

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is shown, the oldest first."""
        return tuple(card.notice for card in self._cards)

    def show_notice(self, notice: Notice) -> None:
        """Show a notice; one of the same key gives its place."""
        place = len(self._cards)
        had_focus = False
        for index, old in enumerate(self._cards):
            if notice.key and old.notice.key == notice.key:
                place, had_focus = index, _has_focus(old)
                self._take_out(old)
                break
        card = self._new_card(notice)
        self._cards.insert(place, card)
        self._stack.insertWidget(place, card)
        card.show()
        self._fit()
        if had_focus:
            card.close_button.setFocus(Qt.FocusReason.TabFocusReason)
        QTimer.singleShot(0, card, lambda: self.ensureWidgetVisible(card, 0, 0))

    def dismiss(self, key: str) -> None:
        """Take the notice of this key away."""
        for card in [card for card in self._cards if key and card.notice.key == key]:
            self._close(card)

    def limit_height(self, height: int) -> None:
        """Take no more than this much room; what does not fit scrolls."""
        self._most_height = height
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the height: another width breaks the sentences elsewhere."""
        super().resizeEvent(event)
        self._fit()

    def _new_card(self, notice: Notice) -> NoticeCard:
        card = NoticeCard(notice, self._theme, self._inner)
        card.closed.connect(lambda: self._close(card))
        card.acted.connect(lambda: self._act(card))
        # Sizes are asked for before the first show: the sheet's fonts must be there by then.
        for widget in (card, *card.findChildren(QWidget)):
            widget.ensurePolished()
        return card

    def _close(self, card: NoticeCard) -> None:
        if card in self._cards:
            self._take_out(card)
            self._fit()

    def _take_out(self, card: NoticeCard) -> None:
        self._cards.remove(card)
        self._stack.removeWidget(card)
        card.hide()
        card.deleteLater()

    def _fit(self) -> None:
        self.setVisible(bool(self._cards))
        most = self._most_height
        height = self._height_for(self.width())
        if height > most:
            height = self._height_for(self.width() - self.verticalScrollBar().sizeHint().width())
        # Given, not asked for: a label that breaks its lines asks for the height of some other width.
        self._inner.setFixedHeight(height)
        self.setFixedHeight(min(height, most))

    def _height_for(self, width: int) -> int:
        gaps = self._stack.spacing() * max(0, len(self._cards) - 1)
        return gaps + sum(card.heightForWidth(width) for card in self._cards)

    def _act(self, card: NoticeCard) -> None:
        match card.notice.action:
            case NoticeAction.RECONNECT:
                self.reconnect_asked.emit()
            case NoticeAction.NEW_CONVERSATION:
                self.new_conversation_asked.emit()
            case NoticeAction.COPY_DETAILS:
                QGuiApplication.clipboard().setText(card.notice.details or card.notice.text)
                card.action.setText("Copied")
            case NoticeAction.SPEND_ON | NoticeAction.USE_MODEL:
                self._take_out(card)
                self.acted.emit(card.notice)
            case NoticeAction.NONE:
                pass
