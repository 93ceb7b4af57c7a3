"""The line to type in: Enter sends, Shift+Enter breaks the line; it grows with what is written.

What was sent leaves the line at once; what could not be sent comes back by `give_back`, in front of what was
typed meanwhile. Undo brings back what was sent, too.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QMimeData, QObject, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QPainter, QPaintEvent, QPen, QTextCursor
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QToolButton, QWidget

from desktop_app.ui.theme import GRID, Text, Theme

MOST_LINES = 6


class _Line(QPlainTextEdit):
    """A text field that sends on Enter and takes plain text only."""

    sent = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            if not event.isAutoRepeat():
                self.sent.emit()
            return
        super().keyPressEvent(event)

    def insertFromMimeData(self, source: QMimeData) -> None:
        if source.hasText():
            self.textCursor().insertText(source.text())


class Composer(QWidget):
    """Where the user types."""

    text_entered = Signal(str)
    """A text that is not blank, without white space at its ends."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._line = _Line(self)
        self._line.setPlaceholderText("Or type a message")
        self._line.setAccessibleName("Message")
        self._line.setAccessibleDescription("Enter sends, Shift and Enter begin a new line")
        self._line.setTabChangesFocus(True)
        self._line.setObjectName("message")
        self._line.installEventFilter(self)
        self._line.sent.connect(self.send)
        self._line.textChanged.connect(self._text_changed)
        layout = self._line.document().documentLayout()
        layout.documentSizeChanged.connect(self._fit_height)
        self._send = QToolButton(self)
        self._send.setProperty("kind", "send")
        self._send.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._send.setAccessibleName("Send message")
        self._send.setToolTip("Send (Enter)")
        self._send.setObjectName("send")
        self._send.clicked.connect(self.send)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.px(3 * GRID), theme.px(GRID), theme.px(GRID), theme.px(GRID))
        row.setSpacing(theme.px(GRID))
        row.addWidget(self._line, 1)
        row.addWidget(self._send, 0, Qt.AlignmentFlag.AlignBottom)
        self.setFocusProxy(self._line)
        theme.changed.connect(self._restyle)
        self._restyle()
        self._text_changed()

    @property
    def line(self) -> QPlainTextEdit:
        """The field itself, for the keyboard order."""
        return self._line

    @property
    def send_button(self) -> QToolButton:
        """The button beside it, for the keyboard order."""
        return self._send

    @property
    def text(self) -> str:
        """What stands in the line."""
        return self._line.toPlainText()

    def send(self) -> None:
        """Send what stands in the line, unless it is blank."""
        text = self.text.strip()
        if not text:
            return
        self._replace_all("")
        self.text_entered.emit(text)

    def give_back(self, text: str) -> None:
        """Put a text that was not sent before what stands in the line."""
        rest = self.text
        self._replace_all(f"{text}\n{rest}" if rest.strip() else text)

    def type_on(self, text: str) -> None:
        """Go on with a text that was typed elsewhere in the window."""
        self._line.setFocus(Qt.FocusReason.OtherFocusReason)
        self._line.insertPlainText(text)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Paint the frame anew when the line gets or loses the focus."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.update()
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the frame around line and button."""
        palette = self._theme.palette
        focused = self._line.hasFocus()
        width = self._theme.px(2 if focused else 1)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(palette.accent if focused else palette.edge), width))
        painter.setBrush(QColor(palette.surface))
        inset, radius = width / 2, self._theme.px(16)
        frame = QRectF(self.rect()).adjusted(inset, inset, -inset, -inset)
        painter.drawRoundedRect(frame, radius, radius)
        painter.end()

    def _replace_all(self, text: str) -> None:
        """Replace the text in one step that can be undone."""
        cursor = self._line.textCursor()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self._line.moveCursor(QTextCursor.MoveOperation.End)

    def _text_changed(self) -> None:
        self._send.setEnabled(bool(self.text.strip()))

    def _fit_height(self, size: QSizeF) -> None:
        """Grow with the lines; `size` counts the height in lines."""
        lines = max(1, min(MOST_LINES, round(size.height())))
        margin = 2 * int(self._line.document().documentMargin())
        height = lines * QFontMetrics(self._line.font()).lineSpacing() + margin
        self._line.setFixedHeight(max(height, self._theme.px(36)))
        bar = (
            Qt.ScrollBarPolicy.ScrollBarAsNeeded
            if size.height() > MOST_LINES
            else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
        self._line.setVerticalScrollBarPolicy(bar)

    def _restyle(self) -> None:
        theme = self._theme
        self._line.setFont(theme.font(Text.BODY))
        self._line.document().setDocumentMargin(theme.px(2 * GRID))
        self._send.setIcon(theme.icon("arrow-up", theme.palette.on_fill))
        self._send.setIconSize(QSize(theme.px(20), theme.px(20)))
        self._send.setFixedSize(theme.px(36), theme.px(36))
        self._fit_height(self._line.document().documentLayout().documentSize())
        self.update()
