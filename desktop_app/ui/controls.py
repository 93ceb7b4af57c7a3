"""The controls of the settings: one for every kind of value, all with the same two words.

A control shows a value (`show_value`) and says when the user has set another (`changed`); what is being typed is
told when the typing ends. None of them changes when the page is scrolled over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionFrame,
    QVBoxLayout,
    QWidget,
)

from desktop_app.settings import Declared, Shown
from desktop_app.ui.plain import unmistakable
from desktop_app.ui.theme import GRID, KEY_REASONS, Theme, plain_tip

SLIDER_MOST = 5_000
"""Wider ranges than this have no slider: nobody could hit a value."""
TYPED_MS = 2_000
"""After this long without a key a long text is taken as it is."""
_LINE_MARGIN = 2
"""What a line of Qt's leaves free beside its text, in its own pixels."""


class Switch(QCheckBox):
    """A switch: on or off, at once. Its state is told by the place of the knob and by a check mark."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._ring = False
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Return its size."""
        return QSize(self._theme.px(44), self._theme.px(28))

    def hitButton(self, pos: Any) -> bool:
        """Take clicks anywhere on it."""
        return bool(self.rect().contains(pos))

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus if it came by key."""
        self._ring = event.reason() in KEY_REASONS
        super().focusInEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the track and the knob."""
        palette, px, on = self._theme.palette, self._theme.px, self.isChecked()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(px(3), px(4), px(38), px(20))
        radius = track.height() / 2
        if not self.isEnabled():
            painter.setOpacity(0.5)
        painter.setPen(QPen(QColor(palette.fill if on else palette.edge), px(1)))
        painter.setBrush(QColor(palette.fill if on else palette.surface))
        painter.drawRoundedRect(track, radius, radius)
        side = px(14)
        left = track.right() - side - px(3) if on else track.left() + px(3)
        knob = QRectF(left, track.center().y() - side / 2, side, side)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.on_fill if on else palette.edge))
        painter.drawEllipse(knob)
        if on:
            self._theme.draw_icon(painter, "check", knob.adjusted(px(2), px(2), -px(2), -px(2)), palette.fill)
        if self._ring and self.hasFocus():
            painter.setPen(QPen(QColor(palette.accent), px(2)))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            ring = track.adjusted(-px(2), -px(2), px(2), px(2))
            painter.drawRoundedRect(ring, ring.height() / 2, ring.height() / 2)
        painter.end()


class ChoiceBox(QComboBox):
    """A choice, with an arrow of the window's own icons; the wheel scrolls the page instead of choosing."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Let the page scroll."""
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint as the sheet says, and the arrow."""
        super().paintEvent(event)
        painter = QPainter(self)
        side, px = self._theme.px(16), self._theme.px
        place = QRectF(self.width() - side - px(2.5 * GRID), (self.height() - side) / 2, side, side)
        palette = self._theme.palette
        self._theme.draw_icon(
            painter, "chevron-down", place, palette.muted if self.isEnabled() else palette.disabled
        )
        painter.end()


class ElidedLine(QLineEdit):
    """A line that ends in «…» where its text does not fit, unless it is being edited."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the line, or only how its text begins."""
        room = self._room()
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, int(room.width()))
        if self.hasFocus() or shown == self.text():
            super().paintEvent(event)
            return
        painter = QPainter(self)
        painter.setPen(self.palette().text().color())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        painter.end()

    def _room(self) -> QRectF:
        option = QStyleOptionFrame()
        self.initStyleOption(option)
        inside = self.style().subElementRect(QStyle.SubElement.SE_LineEditContents, option, self)
        return QRectF(inside.marginsRemoved(self.textMargins())).adjusted(_LINE_MARGIN, 0, -_LINE_MARGIN, 0)


class Control(QWidget):
    """Shows one value and lets the user set another."""

    changed = Signal(object)
    """The value the user set."""

    wide = False
    """Whether it wants a line of its own."""

    def show_value(self, value: Any) -> None:
        """Show a value."""
        raise NotImplementedError

    def name(self, label: str, description: str) -> None:
        """Say to assistive technology what it is for."""
        raise NotImplementedError


class SwitchControl(Control):
    """On or off."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._switch = Switch(theme)
        self._switch.clicked.connect(lambda on: self.changed.emit(bool(on)))
        row = _row(self, theme)
        row.addStretch(1)
        row.addWidget(self._switch)

    def show_value(self, value: Any) -> None:
        """Show on or off."""
        self._switch.setChecked(bool(value))

    def name(self, label: str, description: str) -> None:
        """Name the switch."""
        _name(self._switch, label, description)


class ChoiceControl(Control):
    """One of some values; other values too, if they may be typed."""

    def __init__(self, theme: Theme, choices: Sequence[tuple[str, str]], *, typed: bool) -> None:
        super().__init__()
        self._typed = typed
        self._value = ""
        self._choices: tuple[tuple[str, str], ...] = ()
        self._box = ChoiceBox(theme)
        self._box.setEditable(typed)
        self._box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        if typed:
            self._box.setLineEdit(ElidedLine())
            completer = self._box.completer()
            if completer is not None:
                completer.setCompletionMode(completer.CompletionMode.PopupCompletion)
                completer.setFilterMode(Qt.MatchFlag.MatchContains)
            line = self._box.lineEdit()
            assert line is not None
            line.editingFinished.connect(self._take_text)
        self._box.activated.connect(self._take_index)
        _row(self, theme).addWidget(self._box)
        self.show_choices(choices)

    def show_choices(self, choices: Sequence[tuple[str, str]]) -> None:
        """Offer these; what is just being typed stays."""
        if tuple(choices) == self._choices:
            return
        self._choices = tuple(choices)
        line = self._box.lineEdit()
        typed = line.text() if line is not None and line.hasFocus() and line.isModified() else None
        self._box.clear()
        for value, words in choices:
            self._box.addItem(unmistakable(words), value)
        self.show_value(self._value)
        if line is not None and typed is not None:
            line.setText(typed)
            line.setModified(True)

    def show_value(self, value: Any) -> None:
        """Show a value by its words, or itself."""
        self._value = str(value)
        index = self._box.findData(self._value)
        self._box.setCurrentIndex(index)
        if self._typed and index < 0:
            self._box.setEditText(self._value)
        self._box.setToolTip(plain_tip(self._box.currentText()))
        line = self._box.lineEdit()
        if line is not None and not line.hasFocus():
            line.setCursorPosition(0)  # of a long text, show how it begins

    def name(self, label: str, description: str) -> None:
        """Name the box."""
        _name(self._box, label, description)

    def _take_index(self, index: int) -> None:
        self._take(str(self._box.itemData(index)))

    def _take_text(self) -> None:
        text = self._box.currentText().strip()
        index = self._box.findText(text, Qt.MatchFlag.MatchFixedString)
        self._take(str(self._box.itemData(index)) if index >= 0 else text)

    def _take(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self.changed.emit(value)


class NumberControl(Control):
    """A number in a range: by a slider, and to be typed."""

    def __init__(self, theme: Theme, declared: Declared) -> None:
        super().__init__()
        setting = declared.setting
        self._whole = declared.kind is int
        self._off = bool(setting.off)
        self._least = setting.least if setting.least is not None else 0.0
        most = setting.most if setting.most is not None else 1e6
        self._step = setting.step
        self._spin = _NumberBox()
        low = self._least - self._step if self._off else self._least
        self._spin.setDecimals(0 if self._whole else 2)
        self._spin.setRange(low, most)
        self._spin.setSingleStep(self._step)
        self._spin.setKeyboardTracking(False)
        self._spin.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._spin.setSpecialValueText(setting.off)
        self._spin.setSuffix(f" {setting.unit}" if setting.unit else "")
        self._spin.setFixedWidth(theme.px(112))
        # The sheet's padding does not reach the line inside.
        self._spin.lineEdit().setTextMargins(theme.px(2 * GRID), 0, theme.px(2 * GRID), 0)
        self._spin.valueChanged.connect(self._typed)
        self._slider: QSlider | None = None
        row = _row(self, theme)
        if most <= SLIDER_MOST:
            self._slider = self._new_slider(low, most)
            row.addWidget(self._slider, 1)
        else:
            row.addStretch(1)
        row.addWidget(self._spin)

    def show_value(self, value: Any) -> None:
        """Show a number; 0 as what it is called where it means that there is no limit."""
        shown = self._spin.minimum() if self._off and value == 0 else value
        self._spin.blockSignals(True)
        self._spin.setValue(float(shown))
        self._spin.blockSignals(False)
        self._show_on_slider(float(shown))

    def name(self, label: str, description: str) -> None:
        """Name both."""
        _name(self._spin, label, description)
        if self._slider is not None:
            _name(self._slider, label, description)

    def _new_slider(self, low: float, most: float) -> QSlider:
        slider = _Slider(Qt.Orientation.Horizontal)
        slider.setRange(0, round((most - low) / self._step))
        slider.setPageStep(max(1, slider.maximum() // 10))
        slider.valueChanged.connect(self._slid)
        slider.sliderReleased.connect(self._tell)
        return slider

    def _show_on_slider(self, shown: float) -> None:
        if self._slider is not None:
            self._slider.blockSignals(True)
            self._slider.setValue(round((shown - self._spin.minimum()) / self._step))
            self._slider.blockSignals(False)

    def _slid(self, steps: int) -> None:
        """Show the number while the knob moves; tell it when it is let go, or at once if the keys move it."""
        shown = self._spin.minimum() + steps * self._step
        self._spin.blockSignals(True)
        self._spin.setValue(shown)
        self._spin.blockSignals(False)
        if self._slider is not None and not self._slider.isSliderDown():
            self._tell()

    def _typed(self) -> None:
        self._show_on_slider(self._spin.value())
        self._tell()

    def _tell(self) -> None:
        value = round(self._spin.value(), 4)
        if self._off and value < self._least:
            value = 0.0
        self.changed.emit(round(value) if self._whole else value)


class LineControl(Control):
    """A line of text."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.line = QLineEdit()
        self._value = ""
        self.line.editingFinished.connect(self._take)
        self._layout = _row(self, theme)
        self._layout.addWidget(self.line, 1)

    def show_value(self, value: Any) -> None:
        """Show a text, unless another one is being typed."""
        self._value = str(value)
        if not (self.line.hasFocus() and self.line.isModified()):
            self.line.setText(self._value)

    def name(self, label: str, description: str) -> None:
        """Name the line."""
        _name(self.line, label, description)

    def _take(self) -> None:
        text = self.line.text().strip()
        self.line.setModified(False)
        if text != self._value:
            self._value = text
            self.changed.emit(text)


class FolderControl(LineControl):
    """A folder: typed or chosen."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self.line.setPlaceholderText("Parley's own folder")
        self._choose = QPushButton("Choose…")
        self._choose.setProperty("kind", "plain")
        self._choose.setAutoDefault(False)
        self._choose.clicked.connect(self._open_dialog)
        self._layout.addWidget(self._choose)

    def _open_dialog(self) -> None:
        dialog = QFileDialog(self.window(), "Choose a folder", self.line.text())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self._take_path)
        dialog.open()

    def _take_path(self, path: str) -> None:
        self.line.setText(path)
        self._take()


class LongTextControl(Control):
    """A text of several lines; taken when the field is left, or some time after the last key."""

    wide = True

    def __init__(self, theme: Theme, lines: int = 6) -> None:
        super().__init__()
        self.field = _LongText()
        self._value = ""
        self.field.setTabChangesFocus(True)
        self.field.setProperty("kind", "field")
        self.field.setFixedHeight(self.field.fontMetrics().lineSpacing() * lines + theme.px(4 * GRID))
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(TYPED_MS)
        self._pause.timeout.connect(self.take)
        self.field.textChanged.connect(self._pause.start)
        self.field.left.connect(self.take)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.field)

    def show_value(self, value: Any) -> None:
        """Show a text, unless another one is being typed."""
        typing = self.field.hasFocus() and self.field.toPlainText() != self._value
        self._value = str(value)
        if not typing and self.field.toPlainText() != self._value:
            self.field.setPlainText(self._value)
            self._pause.stop()

    def name(self, label: str, description: str) -> None:
        """Name the field."""
        _name(self.field, label, description)

    def take(self) -> None:
        """Take what stands in the field."""
        self._pause.stop()
        text = self.field.toPlainText()
        if text != self._value:
            self._value = text
            self.changed.emit(text)


def control_for(declared: Declared, theme: Theme) -> Control | None:
    """Return the control of a setting; None if it has a pane of its own."""
    setting = declared.setting
    match setting.shown:
        case Shown.LIST:
            return None
        case Shown.LONG_TEXT:
            return LongTextControl(theme)
        case Shown.FOLDER:
            return FolderControl(theme)
        case Shown.BY_TYPE:
            pass
    if declared.kind is bool:
        return SwitchControl(theme)
    if declared.kind in (int, float):
        return NumberControl(theme, declared)
    if setting.choices or setting.typed:
        return ChoiceControl(theme, setting.choices, typed=setting.typed)
    return LineControl(theme)


class _LongText(QPlainTextEdit):
    left = Signal()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.left.emit()


class _NumberBox(QDoubleSpinBox):
    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()


class _Slider(QSlider):
    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


def _row(widget: QWidget, theme: Theme) -> QHBoxLayout:
    row = QHBoxLayout(widget)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(theme.px(2 * GRID))
    return row


def _name(widget: QWidget, label: str, description: str) -> None:
    for named in (widget, *widget.findChildren(QLineEdit)):
        named.setAccessibleName(label)
        named.setAccessibleDescription(description)
