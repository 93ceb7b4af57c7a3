"""Cards above the line to type in: a stack that scrolls when it gets high, and what its cards share.

Answers beside the conversation stand highest, notices below them, questions that wait for a yes lowest, nearest
to the hands. The newest card is brought into sight.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.ui.labels import PlainLabel
from desktop_app.ui.theme import GRID, Theme, plain_action, plain_tip

_CHANGES_SIZE = {
    QEvent.Type.LayoutRequest,
    QEvent.Type.StyleChange,
    QEvent.Type.FontChange,
    QEvent.Type.Polish,
    QEvent.Type.Show,
}

ASIDE_RANK, NOTICE_RANK, CONSENT_RANK = range(3)
"""The higher, the lower it stands."""

CHIP_FRAME_PX = 2 * (12 + 2)
"""What the sheet puts around the text of a chip."""


class Card(QFrame):
    """A ground of its own colour with an icon, lines of text, and a button that closes it."""

    closed = Signal()
    changed_size = Signal()
    """Something in it was written, shown or hidden."""

    def __init__(self, theme: Theme, icon: str, *, rank: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rank = rank
        self._theme = theme
        self._icon = icon
        self._first: QLabel | None = None
        """The label the icon stands beside."""
        self._heights: dict[int, int] = {}
        """What was asked for already, by width: breaking the lines of a dozen cards takes longer than a frame."""
        self.words = QVBoxLayout()
        self.words.setSpacing(theme.px(GRID / 2))
        self.close_button = QToolButton()
        self.close_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.close_button.setAccessibleName("Close")
        self.close_button.setToolTip("Close")
        self.close_button.clicked.connect(self.closed)
        row = QHBoxLayout(self)
        px = theme.px
        row.setContentsMargins(px(11 * GRID), px(2.5 * GRID), px(GRID), px(2.5 * GRID))
        row.setSpacing(px(2 * GRID))
        row.addLayout(self.words, 1)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        theme.changed.connect(self._restyle)
        self._restyle()

    def add_label(self, text: str, *, strong: bool = False, muted: bool = False) -> QLabel:
        """Add a line of plain text that breaks where it must."""
        label = PlainLabel(text)
        label.setWordWrap(True)
        label.setProperty("scale", "label")
        label.setProperty("strong", "true" if strong else "false")
        if muted:
            label.setProperty("tone", "muted")
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.words.addWidget(label)
        self._first = self._first or label
        return label

    def event(self, event: QEvent) -> bool:
        """Tell when what is in it needs another height."""
        done = super().event(event)
        if event.type() in _CHANGES_SIZE:
            self.forget_heights()
        if event.type() == QEvent.Type.LayoutRequest:
            self.changed_size.emit()
        return done

    def height_at(self, width: int) -> int:
        """Return how high it is at a width."""
        if width not in self._heights:
            high = self.heightForWidth(width) if self.hasHeightForWidth() else self.sizeHint().height()
            self._heights[width] = high
        return self._heights[width]

    def forget_heights(self) -> None:
        """Something in it has changed."""
        self._heights.clear()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the ground and the icon."""
        theme = self._theme
        ground, edge, ink = self.colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(edge), theme.px(1)) if edge else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ground))
        radius, inset = theme.px(3 * GRID), theme.px(1) / 2 if edge else 0.0
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(inset, inset, -inset, -inset), radius, radius)
        side = theme.px(20)
        top = self._first.geometry().top() if self._first is not None else theme.px(2 * GRID)
        theme.draw_icon(painter, self._icon, QRectF(QPointF(theme.px(3 * GRID), top), QSize(side, side)), ink)
        painter.end()

    def colours(self) -> tuple[str, str, str]:
        """Return the colours of the ground, its border (empty: none) and the icon."""
        palette = self._theme.palette
        return palette.surface, palette.line, palette.accent

    def has_focus(self) -> bool:
        """Return whether the keys act on something in it."""
        focused = QApplication.focusWidget()
        return focused is not None and self.isAncestorOf(focused)

    def _restyle(self) -> None:
        theme = self._theme
        self.close_button.setIcon(theme.icon("x", size=16))
        self.close_button.setIconSize(QSize(theme.px(16), theme.px(16)))
        self.close_button.setFixedSize(theme.px(28), theme.px(28))
        self.update()


class CardStack(QScrollArea):
    """Cards on top of each other, as high as they are up to a limit; more of them scroll."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._cards: list[Card] = []
        self.tab_after: QWidget | None = None
        """What the Tab key visits before the cards."""
        self._newest: Card | None = None
        self._most_height = theme.px(208)
        self._inner = QWidget()
        self._stack = QVBoxLayout(self._inner)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.setSpacing(theme.px(2 * GRID))
        self.setWidget(self._inner)
        self.setWidgetResizable(True)
        self.verticalScrollBar().rangeChanged.connect(self._show_newest)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._inner.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)
        self.hide()

    @property
    def cards(self) -> tuple[Card, ...]:
        """What is shown, from top to bottom."""
        return tuple(self._cards)

    def add(self, card: Card, *, instead_of: Card | None = None) -> None:
        """Show a card behind the others of its rank, or in the place of another."""
        had_focus = instead_of is not None and instead_of.has_focus()
        if instead_of in self._cards:
            place = self._cards.index(instead_of)
            self._drop(instead_of)
        else:
            place = sum(1 for other in self._cards if other.rank <= card.rank)
        card.setParent(self._inner)
        card.changed_size.connect(self._fit)
        # Sizes are asked for before the first show: the sheet's fonts must be there by then.
        for widget in (card, *card.findChildren(QWidget)):
            widget.ensurePolished()
        self._cards.insert(place, card)
        self._stack.insertWidget(place, card)
        self._order_tabs()
        card.show()
        self._fit()
        if had_focus:
            card.close_button.setFocus(Qt.FocusReason.TabFocusReason)
        self._newest = card
        QTimer.singleShot(0, card, self._show_newest)

    def take_out(self, card: Card) -> None:
        """Take a card away, if it is there."""
        if card in self._cards:
            self._drop(card)
            self._fit()

    def limit_height(self, height: int) -> None:
        """Take no more than this much room; what does not fit scrolls."""
        self._most_height = height
        self._fit()

    def fit(self) -> None:
        """Fit the height to the cards: something was written into one of them."""
        for card in self._cards:
            card.forget_heights()
        self._fit()

    def _fit(self) -> None:
        self.setVisible(bool(self._cards))
        most = self._most_height
        height = self._height_for(self.width())
        if height > most:
            height = self._height_for(self.width() - self.verticalScrollBar().sizeHint().width())
        # Given, not asked for: a label that breaks its lines asks for the height of some other width.
        self._inner.setFixedHeight(height)
        self.setFixedHeight(min(height, most))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the height: another width breaks the sentences elsewhere."""
        super().resizeEvent(event)
        self._fit()

    def _show_newest(self) -> None:
        """Bring a question, or else the newest card into sight.

        Of one that is higher than the room, its end: the buttons are there.
        """
        waits = bool(self._cards) and self._cards[-1].rank == CONSENT_RANK
        wanted = self._cards[-1] if waits else self._newest
        if wanted is not None:
            bottom = wanted.geometry().bottom()
            bar = self.verticalScrollBar()
            if wanted.geometry().top() < bar.value() or bottom > bar.value() + self.viewport().height():
                bar.setValue(max(0, bottom + 1 - self.viewport().height()))

    def _drop(self, card: Card) -> None:
        if card is self._newest:
            self._newest = None
        self._cards.remove(card)
        self._stack.removeWidget(card)
        card.hide()
        card.deleteLater()

    def _order_tabs(self) -> None:
        """Let the Tab key visit the cards where they stand: Qt puts what comes late behind everything."""
        before = self.tab_after
        if before is None:
            return
        for card in self._cards:
            inside = [widget for widget in card.findChildren(QWidget) if widget is not card.close_button]
            for stop in (*inside, card.close_button):
                if stop.focusPolicy() & Qt.FocusPolicy.TabFocus:
                    QWidget.setTabOrder(before, stop)
                    before = stop

    def _height_for(self, width: int) -> int:
        gaps = self._stack.spacing() * max(0, len(self._cards) - 1)
        return gaps + sum(card.height_at(width) for card in self._cards)


class Chip(QPushButton):
    """A short text to choose; cut where it is too long, the tooltip has it all."""

    def __init__(self, text: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.whole = text
        """The whole text."""
        self._frame = theme.px(CHIP_FRAME_PX)
        self.setProperty("kind", "chip")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(text)
        self.setText(plain_action(text))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cut the text to what there is room for."""
        super().resizeEvent(event)
        metrics, room = self.fontMetrics(), self.width() - self._frame
        shown = metrics.elidedText(self.whole, Qt.TextElideMode.ElideRight, room)
        self.setText(plain_action(shown))
        self.setToolTip(plain_tip(self.whole) if shown != self.whole else "")

    def sizeHint(self) -> QSize:
        """Return the size for the whole text."""
        width = self.fontMetrics().horizontalAdvance(self.whole) + self._frame + 1
        return QSize(width, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return that any width will do."""
        return QSize(0, super().minimumSizeHint().height())


class FlowLayout(QLayout):
    """Widgets side by side, in as many lines as it takes; none wider than the room."""

    def __init__(self, gap: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._placed: list[QLayoutItem] = []
        self._gap = gap
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        """Take one more."""
        self._placed.append(item)

    def count(self) -> int:
        """Return how many there are."""
        return len(self._placed)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Return one of them; None behind the last, as Qt asks."""
        return self._placed[index] if 0 <= index < len(self._placed) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Give one of them away."""
        return self._placed.pop(index) if 0 <= index < len(self._placed) else None

    def hasHeightForWidth(self) -> bool:
        """Return that narrower means higher."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height at a width."""
        return self._place(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:
        """Place everything."""
        super().setGeometry(rect)
        self._place(rect, move=True)

    def sizeHint(self) -> QSize:
        """Return the least size."""
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        """Return the size of the highest, of no width: all of them can be cut."""
        return QSize(0, max((item.sizeHint().height() for item in self._placed), default=0))

    def _place(self, rect: QRect, *, move: bool) -> int:
        x, y, line_height = rect.left(), rect.top(), 0
        for item in self._placed:
            widget = item.widget()
            if widget is not None and widget.isHidden():
                continue
            size = item.sizeHint().boundedTo(QSize(max(1, rect.width()), 10_000))
            if x > rect.left() and x + size.width() > rect.right() + 1:
                x, y, line_height = rect.left(), y + line_height + self._gap, 0
            if move:
                item.setGeometry(QRect(QPoint(x, y), size))
            x += size.width() + self._gap
            line_height = max(line_height, size.height())
        return y + line_height - rect.top()


def flow_of(widgets: Sequence[QWidget], gap: int) -> QWidget:
    """Return a widget that holds others in a `FlowLayout`."""
    holder = QWidget()
    layout = FlowLayout(gap, holder)
    for widget in widgets:
        layout.addWidget(widget)
    policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    holder.setSizePolicy(policy)
    return holder
