"""The test of the microphone, in the settings: a button, a level in decibels, and what came of it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from desktop_app.ui.labels import breakable
from desktop_app.ui.settings_lists import CheckPhase, CheckState
from desktop_app.ui.settings_rows import label_of
from desktop_app.ui.theme import GRID, Text, Theme

RANGE_DB = 60
FALL = 0.035
"""How far the bar falls at most between two looks, 50 ms apart: 40 dB a second, so that it can be read."""
LOUD = 1 - 6 / RANGE_DB
"""From here on peaks are likely to be cut."""
WIDE_PX = 240
"""Narrower than this the scale has no room for its unit."""
MARKS_DB = (-60, -40, -20, -6)


class LevelBar(QWidget):
    """A level as a bar over a scale in decibels: up at once, down gradually."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.level = 0.0
        """What it shows, 0 to 1."""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Level")
        theme.changed.connect(self.update)

    def show_level(self, level: float) -> None:
        """Show a level, 0 to 1, evenly in decibels."""
        self.level = max(level, self.level - FALL)
        self.update()

    def reset(self) -> None:
        """Show nothing."""
        self.level = 0.0
        self.update()

    def sizeHint(self) -> QSize:
        """Return its size."""
        scale = QFontMetricsF(self._theme.font(Text.CAPTION)).height()
        return QSize(self._theme.px(160), round(scale) + self._theme.px(4 * GRID))

    def minimumSizeHint(self) -> QSize:
        """Return its least size."""
        return QSize(self._theme.px(120), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the track, the bar, where it becomes too loud, and the scale."""
        palette, px = self._theme.palette, self._theme.px
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = self._theme.font(Text.CAPTION)
        painter.setFont(font)
        track = QRectF(0.5, 0.5, self.width() - 1, px(2.5 * GRID))
        painter.setPen(QPen(QColor(palette.edge), 1))
        painter.setBrush(QColor(palette.surface))
        painter.drawRoundedRect(track, px(3), px(3))
        inside = track.adjusted(px(2), px(2), -px(2), -px(2))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.error if self.level >= LOUD else palette.accent))
        painter.drawRect(QRectF(inside.left(), inside.top(), inside.width() * self.level, inside.height()))
        for db in MARKS_DB:
            self._paint_mark(painter, inside, db)
        painter.end()

    def _paint_mark(self, painter: QPainter, inside: QRectF, db: int) -> None:
        palette, metrics = self._theme.palette, QFontMetricsF(painter.font())
        x = inside.left() + inside.width() * (1 + db / RANGE_DB)
        painter.setPen(QPen(QColor(palette.error if db == MARKS_DB[-1] else palette.edge), 1))
        painter.drawLine(round(x), round(inside.top()), round(x), round(inside.bottom() + self._theme.px(GRID)))
        has_room = self.width() >= self._theme.px(WIDE_PX)
        unit = " dB" if db == MARKS_DB[0] and has_room else ""
        words = f"{db}{unit}".replace("-", "\N{MINUS SIGN}")
        width = metrics.horizontalAdvance(words)
        left = min(max(0.0, x - width / 2), self.width() - width)
        painter.setPen(QColor(palette.muted))
        place = QRectF(left, inside.bottom() + self._theme.px(GRID), width + 1, metrics.height())
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, words)


class MicrophoneTestPane(QWidget):
    """A button that begins and ends it, and what is seen of it."""

    asked = Signal(bool)
    """Begin, or stop."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._state = CheckState()
        self._button = QPushButton()
        self._button.setProperty("kind", "plain")
        self._button.setAutoDefault(False)
        self._button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._button.clicked.connect(lambda _checked: self.asked.emit(self._state.phase is CheckPhase.IDLE))
        self._bar = LevelBar(theme)
        self._share = QProgressBar()
        self._share.setTextVisible(False)
        self._share.setRange(0, 1000)
        self._share.setFixedHeight(theme.px(GRID))
        self._share.setAccessibleName("How much is done")
        self._words = label_of("", scale="caption", muted=True)
        row = QHBoxLayout()
        row.setSpacing(theme.px(4 * GRID))
        row.addWidget(self._button, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._bar, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(2 * GRID))
        column.addLayout(row)
        column.addWidget(self._share)
        column.addWidget(self._words)
        self.show_state(CheckState())

    def show_state(self, state: CheckState) -> None:
        """Show how far it is."""
        self._state = state
        idle = state.phase is CheckPhase.IDLE
        self._button.setText("Record 3 seconds" if idle else "Stop")
        self._button.setAccessibleDescription("Records with the chosen microphone, and plays it back")
        if idle:
            self._bar.reset()
        else:
            self._bar.show_level(state.level)
        self._share.setVisible(state.phase in (CheckPhase.RECORDING, CheckPhase.PLAYING))
        self._share.setValue(round(1000 * min(1.0, max(0.0, state.share))))
        self._say(state)

    def stop(self) -> None:
        """End it if it runs: nobody looks any more."""
        if self._state.phase is not CheckPhase.IDLE:
            self.asked.emit(False)

    def _say(self, state: CheckState) -> None:
        words = breakable(state.text)
        self._words.setVisible(bool(words))
        if self._words.text() == words:
            return
        self._words.setText(words)
        self._words.setProperty("tone", "error" if state.failed else "muted")
        self._words.style().unpolish(self._words)
        self._words.style().polish(self._words)
