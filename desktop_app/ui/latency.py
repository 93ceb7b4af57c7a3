"""How long answers took, for people: in words, and as a small chart over the conversation.

One column a turn, its parts stacked in the order they happen; they differ by how they are filled as well as by
colour. What the chart shows is told to a screen reader in words.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from desktop_app.conversation.latency import Begun, Latency
from desktop_app.ui.theme import GRID, Text, Theme, plain_tip

KEPT = 24
"""Turns in the chart, the latest ones."""
HEIGHT_PX = 64
COLUMN_PX = 14
PARTS = ("until it was sent", "until it was answered", "until it sounded")
TOLD_LATEST = 3


def seconds(ms: float) -> str:
    """Return a time as people read it: `0.42 s`, `3.1 s`."""
    return f"{ms / 1000:.2f} s" if ms < 1_000 else f"{ms / 1000:.1f} s"


def latency_lines(latency: Latency) -> list[str]:
    """Return what an answer took, in words: all of it, then its parts."""
    spoken = latency.begun is not Begun.IN_WRITING
    since = "after you spoke" if spoken else "after you asked"
    what = "First words" if latency.sound_ms is None else "First sound"
    with_tools = ", its tools included" if latency.with_tools else ""
    parts = [f"{seconds(ms)} {words}" for ms, words in zip(_parts(latency), PARTS, strict=True) if ms is not None]
    if not spoken:
        parts = parts[1:]
    return [f"{what} {seconds(latency.whole_ms)} {since}", f"{', '.join(parts)}{with_tools}"]


def summary(latencies: list[Latency]) -> str:
    """Return what is worth knowing of all of them in a line."""
    if not latencies:
        return ""
    middle = seconds(median(each.whole_ms for each in latencies))
    if len(latencies) == 1:
        return f"The answer began after {middle}."
    return f"Half of the last {len(latencies)} answers began within {middle}."


def _parts(latency: Latency) -> tuple[int, int, int | None]:
    return latency.commit_ms, latency.answer_ms, latency.sound_ms


class LatencyChart(QWidget):
    """The turns of the conversation as columns; the latest at the right."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._latencies: deque[Latency] = deque(maxlen=KEPT)
        self.setFixedHeight(theme.px(HEIGHT_PX))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    @property
    def latencies(self) -> list[Latency]:
        """What it shows."""
        return list(self._latencies)

    def add(self, latency: Latency) -> None:
        """Show one more turn."""
        self._latencies.append(latency)
        latest = [latency_lines(each)[0] for each in list(self._latencies)[: -TOLD_LATEST - 1 : -1]]
        self.setAccessibleName(summary(self.latencies))
        self.setAccessibleDescription(f"The latest first. {'. '.join(latest)}.")
        self.update()

    def clear(self) -> None:
        """Another conversation begins."""
        self._latencies.clear()
        self.setAccessibleName("")
        self.setAccessibleDescription("")
        self.update()

    def sizeHint(self) -> QSize:
        """Return a size that leaves the width to whoever lays it out."""
        return QSize(self._theme.px(KEPT * COLUMN_PX), self._theme.px(HEIGHT_PX))

    def minimumSizeHint(self) -> QSize:
        """Return the least size."""
        return QSize(self._theme.px(160), self._theme.px(HEIGHT_PX))

    def event(self, event: QEvent) -> bool:
        """Tell the turn under the mouse."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            number = self._number_at(event.pos().x())
            if number is None:
                QToolTip.hideText()
            else:
                tip = "<br>".join(plain_tip(line) for line in latency_lines(self.latencies[number]))
                QToolTip.showText(event.globalPos(), tip, self)
            return True
        return super().event(event)

    def _step(self) -> float:
        return min(float(self._theme.px(COLUMN_PX)), self._room().width() / KEPT)

    def _room(self) -> QRectF:
        """Return where the columns stand: at the left is the scale."""
        scale = QFontMetricsF(self._theme.font(Text.CAPTION)).horizontalAdvance("00.0 s") + self._theme.px(GRID)
        return QRectF(scale, self._theme.px(GRID), self.width() - scale, self.height() - self._theme.px(2 * GRID))

    def _number_at(self, x: float) -> int | None:
        number = int((x - self._room().left()) / self._step())
        return number if x >= self._room().left() and number < len(self._latencies) else None

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the scale and the columns."""
        if not self._latencies:
            return
        painter = QPainter(self)
        room, most = self._room(), self._most_ms()
        self._paint_scale(painter, room, most)
        for number, latency in enumerate(self._latencies):
            self._paint_column(painter, room, number, [part or 0 for part in _parts(latency)], most)
        painter.end()

    def _most_ms(self) -> float:
        """Return what the scale ends with: a round number above the slowest."""
        slowest = max(each.whole_ms for each in self._latencies)
        steps = (500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000)
        return next((float(step) for step in steps if slowest <= step), float(slowest))

    def _paint_scale(self, painter: QPainter, room: QRectF, most: float) -> None:
        palette, font = self._theme.palette, self._theme.font(Text.CAPTION)
        painter.setFont(font)
        height = QFontMetricsF(font).height()
        for share, words in ((1.0, f"{most / 1000:g} s"), (0.5, ""), (0.0, "0 s")):
            y = room.bottom() - share * room.height()
            painter.setPen(QPen(QColor(palette.line), 1))
            painter.drawLine(room.topLeft().toPoint().x(), round(y), round(room.right()), round(y))
            painter.setPen(QColor(palette.muted))
            top = min(max(0.0, y - height / 2), self.height() - height)
            place = QRectF(0, top, room.left() - self._theme.px(GRID), height)
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)

    def _paint_column(self, painter: QPainter, room: QRectF, number: int, parts: list[int], most: float) -> None:
        step = self._step()
        left, width = room.left() + number * step + step * 0.15, step * 0.7
        bottom = room.bottom()
        for part, brush in zip(parts, part_brushes(self._theme), strict=True):
            height = part / most * room.height()
            if height < 0.5:
                continue
            painter.setPen(QPen(QColor(self._theme.palette.accent), 1))
            painter.setBrush(brush)
            painter.drawRect(QRectF(left, bottom - height, width, height))
            bottom -= height


def part_brushes(theme: Theme) -> tuple[QBrush, QBrush, QBrush]:
    """Return how the parts of a column are filled: hatched, pale and full, so that colour is not all there is."""
    accent = QColor(theme.palette.accent)
    return (
        QBrush(accent, Qt.BrushStyle.BDiagPattern),
        QBrush(QColor(theme.palette.accent_tint)),
        QBrush(accent),
    )


class LatencyLegend(QWidget):
    """What the three ways of filling mean."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Return its size."""
        height = QFontMetricsF(self._theme.font(Text.CAPTION)).height()
        return QSize(self._theme.px(160), round(height + self._theme.px(GRID / 2)))

    def minimumSizeHint(self) -> QSize:
        """Return its size."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a small square and a word for each part."""
        painter = QPainter(self)
        font = self._theme.font(Text.CAPTION)
        metrics, side = QFontMetricsF(font), float(self._theme.px(9))
        painter.setFont(font)
        left = 0.5
        for brush, words in zip(part_brushes(self._theme), ("sending", "thinking", "sounding"), strict=True):
            painter.setPen(QPen(QColor(self._theme.palette.accent), 1))
            painter.setBrush(brush)
            painter.drawRect(QRectF(left, (self.height() - side) / 2, side, side))
            painter.setPen(QColor(self._theme.palette.muted))
            left += side + self._theme.px(1.5 * GRID)
            width = metrics.horizontalAdvance(words)
            painter.drawText(QRectF(left, 0, width + 1, self.height()), Qt.AlignmentFlag.AlignVCenter, words)
            left += width + self._theme.px(3 * GRID)
        painter.end()
