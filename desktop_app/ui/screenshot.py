"""Screenshots: of a whole screen, or of a region that the user draws over a frozen picture of it.

`Screenshot` hides the window first, waits until it is gone, takes the picture and shows the window again. Where
the system does not let programs look at the screen (Wayland) it says so instead.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QGuiApplication, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtGui import QScreen as Screen
from PySide6.QtWidgets import QApplication, QWidget

from desktop_app.ui.theme import GRID, Text, Theme

GONE_AFTER_MS = 250
"""How long a desktop with effects takes to take a window off the screen."""
LEAST_PX = 4
"""A smaller region was a click, not a choice."""
STEP_PX = 8
HINT = "Drag over what the assistant shall see. Enter takes the whole screen, Esc nothing."


def can_grab() -> bool:
    """Return whether programs may look at the screen here."""
    return not QGuiApplication.platformName().startswith("wayland")


def grab(screen: Screen) -> QImage:
    """Return what a screen shows, in device pixels; a null image where that is not allowed."""
    return screen.grabWindow(0).toImage() if can_grab() else QImage()


class Screenshot(QObject):
    """Takes one screenshot at a time."""

    taken = Signal(QImage)
    refused = Signal()
    """The system does not let programs look at the screen."""

    def __init__(self, window: QWidget, theme: Theme) -> None:
        """Take screenshots without `window` in them."""
        super().__init__(window)
        self._window = window
        self._theme = theme
        self._region: RegionOverlay | None = None
        self._busy = False

    def take_screen(self, screen: Screen) -> None:
        """Take the whole screen; ends with `taken` or `refused`."""
        self._grab_soon(screen, region=False)

    def take_region(self, screen: Screen) -> None:
        """Let the user draw a region; ends with `taken`, `refused`, or nothing if they changed their mind."""
        self._grab_soon(screen, region=True)

    def _grab_soon(self, screen: Screen, *, region: bool) -> None:
        if self._busy:
            return
        if not can_grab():
            self.refused.emit()
            return
        self._busy = True
        self._window.hide()
        QTimer.singleShot(GONE_AFTER_MS, self, lambda: self._grab_now(screen, region=region))

    def _grab_now(self, screen: Screen, *, region: bool) -> None:
        image = grab(screen)
        if image.isNull():
            self._end()
            self.refused.emit()
        elif region:
            self._region = RegionOverlay(image, screen, self._theme)
            self._region.chosen.connect(self._chosen)
            self._region.cancelled.connect(self._end)
            self._region.open()
        else:
            self._chosen(image)

    def _chosen(self, image: QImage) -> None:
        self._end()
        self.taken.emit(image)

    def _end(self) -> None:
        self._busy = False
        if self._region is not None:
            self._region.hide()
            self._region.deleteLater()
            self._region = None
        self._window.show()
        self._window.activateWindow()


class RegionOverlay(QWidget):
    """A frozen picture of a screen, over that screen, on which a region is drawn by mouse or keys."""

    chosen = Signal(QImage)
    cancelled = Signal()

    def __init__(self, image: QImage, screen: Screen, theme: Theme) -> None:
        super().__init__(
            None,
            Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint | Qt.WindowType.Tool,
        )
        self._image = image
        self._theme = theme
        self._place = screen.geometry()
        self._region = QRect()
        self._from = QPoint()
        self.setGeometry(self._place)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Choose a region of the screen")
        self.setAccessibleDescription(
            f"{HINT} By keyboard: the arrow keys move a frame, with Shift they change its size, Space takes it."
        )

    def open(self) -> None:
        """Cover the screen."""
        if QGuiApplication.platformName() == "offscreen":
            self.show()
        else:
            self.showFullScreen()
        self.activateWindow()
        self.raise_()
        self.setFocus(Qt.FocusReason.ActiveWindowFocusReason)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a region; another button than the left one changes the mind."""
        if event.button() != Qt.MouseButton.LeftButton:
            self.cancelled.emit()
            return
        self._from = event.position().toPoint()
        self._region = QRect(self._from, QSize(0, 0))
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Draw the region."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._region = QRect(self._from, event.position().toPoint()).normalized() & self.rect()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Take the region."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._take()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take all of it, a frame moved by keys, or nothing."""
        steps = {
            Qt.Key.Key_Left: QPoint(-STEP_PX, 0),
            Qt.Key.Key_Right: QPoint(STEP_PX, 0),
            Qt.Key.Key_Up: QPoint(0, -STEP_PX),
            Qt.Key.Key_Down: QPoint(0, STEP_PX),
        }
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape:
            self.cancelled.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(self._image)
        elif key == Qt.Key.Key_Space:
            self._take()
        elif key in steps:
            self._step(steps[key], resize=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture, dimmed where it is not chosen."""
        painter = QPainter(self)
        painter.drawImage(self.rect(), self._image)
        shade = QColor("#000000")
        shade.setAlphaF(0.45)
        painter.fillRect(self.rect(), shade)
        if self._region.isEmpty():
            self._paint_hint(painter)
        else:
            painter.drawImage(self._region, self._image, self._source())
            painter.setPen(QPen(QColor("#ffffff"), self._theme.px(2)))
            painter.drawRect(self._region)
        painter.end()

    def _paint_hint(self, painter: QPainter) -> None:
        px = self._theme.px
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._theme.font(Text.BODY, strong=True))
        words = painter.fontMetrics().boundingRect(
            self.rect().adjusted(px(64), 0, -px(64), 0), int(Qt.TextFlag.TextWordWrap), HINT
        )
        words.moveCenter(self.rect().center())
        card = words.adjusted(-px(5 * GRID), -px(3 * GRID), px(5 * GRID), px(3 * GRID))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.palette.surface))
        painter.drawRoundedRect(card, px(3 * GRID), px(3 * GRID))
        painter.setPen(QColor(self._theme.palette.text))
        flags = int(Qt.TextFlag.TextWordWrap) | int(Qt.AlignmentFlag.AlignCenter)
        painter.drawText(words, flags, HINT)

    def _step(self, by: QPoint, *, resize: bool) -> None:
        """Move or resize the frame that the keys steer; the first step makes it."""
        if self._region.isEmpty():
            quarter = self.rect().size() / 4
            self._region = QRect(quarter.width(), quarter.height(), 2 * quarter.width(), 2 * quarter.height())
        elif resize:
            corner = self._region.bottomRight() + by
            self._region.setBottomRight(
                QPoint(
                    max(self._region.left() + STEP_PX, corner.x()), max(self._region.top() + STEP_PX, corner.y())
                )
            )
        else:
            self._region.translate(by)
        self._region &= self.rect()
        self.update()

    def _take(self) -> None:
        if self._region.width() < LEAST_PX or self._region.height() < LEAST_PX:
            self._region = QRect()
            self.update()
            return
        self.chosen.emit(self._image.copy(self._source()))

    def _source(self) -> QRect:
        """Return the region in the picture's own pixels."""
        x, y = self._image.width() / self.width(), self._image.height() / self.height()
        region = self._region
        return QRect(
            round(region.left() * x), round(region.top() * y), round(region.width() * x), round(region.height() * y)
        )


def screens() -> list[Screen]:
    """Return the screens, the main one first."""
    main = QApplication.primaryScreen()
    return sorted(QApplication.screens(), key=lambda screen: screen is not main)
