"""What is known of the connection, behind the line that says whether there is one.

Session, expiry, limits, and how long the answers of the conversation took to begin.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time

from msgspec import UNSET
from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFocusEvent, QGuiApplication, QHideEvent, QPainter, QPaintEvent, QPen, QShowEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.conversation.effects import ConnectionInfo, Link, Retry
from desktop_app.conversation.latency import Latency
from desktop_app.protocol.events import RateLimit
from desktop_app.ui.cards import flow_of
from desktop_app.ui.countdown import Countdown
from desktop_app.ui.labels import PlainLabel, breakable
from desktop_app.ui.latency import LatencyChart, LatencyLegend, summary
from desktop_app.ui.theme import GRID, KEY_REASONS, Theme

WIDTH_PX = 320
LINK_WORDS = {Link.OFFLINE: "Not connected", Link.CONNECTING: "Connecting…", Link.ONLINE: "Connected"}


class LinkButton(QAbstractButton):
    """Makes what lies in it one thing to click."""

    def __init__(self, theme: Theme, inside: tuple[QWidget, ...]) -> None:
        super().__init__()
        self._theme = theme
        self._ring = False
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.px(GRID / 2), 0, theme.px(GRID), 0)
        row.setSpacing(theme.px(1.5 * GRID))
        for widget in inside:
            widget.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            row.addWidget(widget, 1 if isinstance(widget, QLabel) else 0)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setObjectName("link")

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus if it came by key."""
        self._ring = event.reason() in KEY_REASONS
        super().focusInEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a ground under the mouse, and the focus."""
        palette, px = self._theme.palette, self._theme.px
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.underMouse() or self.isDown():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.hover))
            painter.drawRoundedRect(self.rect(), px(6), px(6))
        if self._ring and self.hasFocus():
            painter.setPen(QPen(QColor(palette.accent), px(2)))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), px(6), px(6))
        painter.end()


class ConnectionPanel(QFrame):
    """A panel that pops up under the line, and goes with the next click elsewhere or with Esc."""

    reconnect_asked = Signal()
    retry_stopped = Signal()

    def __init__(self, theme: Theme, parent: QWidget, now: Callable[[], float] = time) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._theme = theme
        self._now = now
        self._info = ConnectionInfo()
        self._link = Link.OFFLINE
        self._endpoint = ""
        self.setProperty("kind", "popover")
        self.setAccessibleName("Connection")
        self.setFixedWidth(theme.px(WIDTH_PX))
        self._state = PlainLabel()
        self._state.setProperty("strong", "true")
        self._facts = QGridLayout()
        self._facts.setHorizontalSpacing(theme.px(3 * GRID))
        self._facts.setVerticalSpacing(theme.px(GRID))
        self._facts.setColumnStretch(1, 1)
        self._copy = _button("Copy the session's id")
        self._copy.clicked.connect(self._copy_id)
        self._reconnect = _button("Reconnect")
        self._reconnect.clicked.connect(self._ask_reconnect)
        self._stop = _button("Stop trying")
        self._stop.clicked.connect(self._ask_stop)
        self._retry = _label("")
        self._chart, self._legend = LatencyChart(theme), LatencyLegend(theme)
        self._answers = _label("")
        self._countdown = Countdown(self)
        self._countdown.changed.connect(self._fill_if_visible)
        column = QVBoxLayout(self)
        px = theme.px
        column.setContentsMargins(px(4 * GRID), px(4 * GRID), px(4 * GRID), px(4 * GRID))
        column.setSpacing(px(2 * GRID))
        column.addWidget(self._state)
        column.addWidget(self._retry)
        column.addLayout(self._facts)
        for widget in (self._answers, self._chart, self._legend):
            column.addWidget(widget)
        column.addWidget(self._copy, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(flow_of((self._reconnect, self._stop), px(2 * GRID)))
        self._tick = QTimer(self)
        self._tick.setInterval(1_000)
        self._tick.timeout.connect(self._fill)

    def show_info(self, info: ConnectionInfo) -> None:
        """Show what is known of the session."""
        self._info = info
        self._fill_if_visible()

    def show_link(self, link: Link, endpoint: str) -> None:
        """Show whether there is a connection, and to whom."""
        self._link, self._endpoint = link, endpoint
        self._fill_if_visible()

    def show_latency(self, latency: Latency) -> None:
        """Show how long one more answer took to begin."""
        self._chart.add(latency)
        self._fill_if_visible()

    def forget_latencies(self) -> None:
        """Another conversation begins."""
        self._chart.clear()
        self._fill_if_visible()

    def show_retry(self, retry: Retry | None) -> None:
        """Count down to the next attempt, while one is planned."""
        self._countdown.begin(retry)
        self._fill_if_visible()

    def pop_up(self, below: QWidget) -> None:
        """Open under a widget."""
        self._fill()
        place = below.mapToGlobal(QPoint(0, below.height() + self._theme.px(GRID)))
        screen = below.screen().availableGeometry()
        place.setX(max(screen.left(), min(place.x(), screen.right() - self.width())))
        self.move(place)
        self.show()
        first = self._copy if self._copy.isVisible() else self._reconnect
        first.setFocus(Qt.FocusReason.PopupFocusReason)

    def showEvent(self, event: QShowEvent) -> None:
        """Count down while it is seen."""
        super().showEvent(event)
        self._tick.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Count no longer."""
        self._tick.stop()
        super().hideEvent(event)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is known, by name."""
        info = self._info
        lines = [("To", self._endpoint), ("Model", info.model), ("Session", info.session_id)]
        if info.expires_at is not None and self._link is Link.ONLINE:
            lines.append(("Ends", span_words(info.expires_at - self._now())))
        return [(name, words) for name, words in lines if words]

    def _fill_if_visible(self) -> None:
        if self.isVisible():
            self._fill()

    def _fill(self) -> None:
        self._state.setText(LINK_WORDS[self._link])
        while (item := self._facts.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for row, (name, words) in enumerate(self.facts):
            self._add_fact(row, name, words)
        for limit in self._info.limits:
            self._add_limit(limit)
        measured = self._chart.latencies
        self._answers.setText(summary(measured))
        for each in (self._answers, self._chart, self._legend):
            each.setVisible(bool(measured))
        self._copy.setVisible(bool(self._info.session_id))
        planned = bool(self._countdown.words)
        self._retry.setText(self._countdown.words)
        self._retry.setVisible(planned)
        self._reconnect.setText("Try now" if planned else "Reconnect")
        self._reconnect.setVisible(self._link is not Link.ONLINE)
        self._stop.setVisible(planned)
        self._fit()

    def _fit(self) -> None:
        """Take the height that the facts need at this width."""
        for child in self.findChildren(QWidget):
            child.ensurePolished()
        layout = self.layout()
        assert layout is not None
        layout.activate()
        wraps = layout.hasHeightForWidth()
        self.setFixedHeight(layout.totalHeightForWidth(self.width()) if wraps else layout.totalSizeHint().height())

    def _add_limit(self, limit: RateLimit) -> None:
        row = self._facts.rowCount()
        name = str(limit.name).capitalize() if limit.name is not UNSET else "Limit"
        bar = QProgressBar()
        bar.setTextVisible(False)
        whole = limit.limit if limit.limit is not UNSET else 0
        left = limit.remaining if limit.remaining is not UNSET else whole
        bar.setRange(0, 1000)
        bar.setValue(round(1000 * max(0.0, min(1.0, left / whole))) if whole > 0 else 0)
        words = limit_words(limit)
        bar.setAccessibleName(f"{name}: {words}")
        self._add_fact(row, name, words)
        self._facts.addWidget(bar, row + 1, 1)
        bar.show()

    def _add_fact(self, row: int, name: str, words: str) -> None:
        heading, label = _label(name, muted=True), _label(breakable(words))
        self._facts.addWidget(heading, row, 0, Qt.AlignmentFlag.AlignTop)
        self._facts.addWidget(label, row, 1)
        heading.show()
        label.show()

    def _copy_id(self) -> None:
        QGuiApplication.clipboard().setText(self._info.session_id)
        self._copy.setText("Copied")
        QTimer.singleShot(2_000, self, lambda: self._copy.setText("Copy the session's id"))

    def _ask_stop(self) -> None:
        self.hide()
        self.retry_stopped.emit()

    def _ask_reconnect(self) -> None:
        self.hide()
        self.reconnect_asked.emit()


def limit_words(limit: RateLimit) -> str:
    """Return what is left of a limit, in words."""
    whole = "" if limit.limit is UNSET else f" of {limit.limit:,}"
    left = "" if limit.remaining is UNSET else f"{limit.remaining:,}{whole} left"
    again = "" if limit.reset_seconds is UNSET else f"full {span_words(limit.reset_seconds)}"
    return ", ".join(part for part in (left, again) if part) or "not told"


def span_words(seconds: float) -> str:
    """Return when something is, from now: `in 58 min`, `in 40 s`, `now`."""
    if seconds < 1:
        return "now"
    if seconds < 100:
        return f"in {round(seconds)} s"
    minutes = round(seconds / 60)
    return f"in {minutes} min" if minutes < 100 else f"in {round(minutes / 60)} h"


def _button(words: str) -> QPushButton:
    button = QPushButton(words)
    button.setProperty("kind", "plain")
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button


def _label(text: str, *, muted: bool = False) -> QLabel:
    label = PlainLabel(text)
    label.setWordWrap(not muted)
    label.setProperty("scale", "label")
    if muted:
        label.setProperty("tone", "muted")
    return label
