"""A part at the side of the window: it opens, can be widened, lies over the rest where there is little room."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop_app.ui.theme import GRID, Theme

USUAL_PX, LEAST_PX, MOST_PX = 288, 232, 480
MAIN_PX = 440
"""Less than this is too little for the rest: the side lies over it then."""
GAP_PX = 12 * GRID
"""What stays to be seen, and clicked, of the rest below it."""
HANDLE_PX = 2 * GRID


class SidePane(QWidget):
    """Lays out a side and the rest of the window."""

    opened = Signal(bool)
    """The side was opened or closed."""
    width_chosen = Signal(int)
    """The user has widened it: unscaled pixels."""
    main_resized = Signal(int)
    """How wide the rest is now, in pixels."""

    def __init__(self, theme: Theme, side: QWidget, main: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._width = USUAL_PX
        self._open = False
        self._main = main
        self._side = side
        self._veil = _Veil(theme, self)
        self._handle = _Handle(theme, self)
        for part in (main, self._veil, side, self._handle):
            part.setParent(self)
        self._veil.pressed.connect(lambda: self.set_open(False))
        self._handle.dragged.connect(self._drag)
        self._handle.released.connect(lambda: self.width_chosen.emit(self._width))
        self._place()

    @property
    def is_open(self) -> bool:
        """Whether the side is to be seen."""
        return self._open

    @property
    def is_over(self) -> bool:
        """Whether there is too little room for both, and an open side lies over the rest."""
        return self.width() - self._theme.px(self._width) < self._theme.px(MAIN_PX)

    @property
    def side_px(self) -> int:
        """How wide the side is where there is room for it: unscaled pixels."""
        return self._width

    @property
    def main_px(self) -> int:
        """How wide the rest is now, in pixels."""
        return self._main.width()

    def set_open(self, is_open: bool) -> None:
        """Open or close the side."""
        if is_open == self._open:
            return
        self._open = is_open
        self._place()
        self.opened.emit(is_open)

    def set_width(self, width: int) -> None:
        """Make the side this wide: unscaled pixels."""
        self._width = min(MOST_PX, max(LEAST_PX, width))
        self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out anew."""
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        over, width, height = self.is_over, self._theme.px(self._width), self.height()
        if over:
            width = max(0, min(width, self.width() - self._theme.px(GAP_PX)))
        beside = width if self._open and not over else 0
        handle = self._theme.px(HANDLE_PX)
        self._side.setGeometry(0, 0, width, height)
        self._main.setGeometry(beside, 0, self.width() - beside, height)
        self._veil.setGeometry(0, 0, self.width(), height)
        self._handle.setGeometry(width - handle // 2, 0, handle, height)
        self._side.setVisible(self._open)
        self._veil.setVisible(self._open and over)
        self._handle.setVisible(self._open and not over)
        for part in (self._veil, self._side, self._handle):
            part.raise_()
        self.main_resized.emit(self._main.width())

    def _drag(self, x: float) -> None:
        most = self.width() / self._theme.px(1000) * 1000 - MAIN_PX
        self._width = round(min(MOST_PX, most, max(LEAST_PX, x / self._theme.px(1000) * 1000)))
        self._place()


class _Veil(QWidget):
    """Darkens what the side lies over; a press on it closes the side."""

    pressed = Signal()

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 120 if self._theme.dark else 70))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Tell."""
        self.pressed.emit()


class _Handle(QWidget):
    """The line between the two, to be dragged."""

    dragged = Signal(float)
    """Where it is wanted, in the pane."""
    released = Signal()

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._moved = False
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        theme.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a hairline, a stronger one under the mouse."""
        palette, px = self._theme.palette, self._theme.px
        hot = self.underMouse()
        width = px(2) if hot else px(1)
        painter = QPainter(self)
        colour = QColor(palette.edge if hot else palette.line)
        painter.fillRect(self.width() // 2, 0, width, self.height(), colour)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin."""
        self._moved = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the mouse."""
        self._moved = True
        self.dragged.emit(self.mapToParent(event.position().toPoint()).x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Keep it."""
        if self._moved:
            self.released.emit()
