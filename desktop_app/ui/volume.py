"""The volume of the answers in the menu: a slider, and two keys for it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QIcon, QKeySequence, QWheelEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSlider, QWidget, QWidgetAction

from desktop_app.ui.labels import PlainLabel
from desktop_app.ui.settings_desk import SettingsDesk
from desktop_app.ui.theme import GRID, Theme

SETTING = "audio.volume"
STEP = 5
KEY_STEP = 10


class VolumeAction(QWidgetAction):
    """A slider in a menu: what it shows is the setting, and what it is moved to becomes the setting."""

    moved = Signal(int)
    """In percent, while it is being moved."""

    def __init__(self, theme: Theme, desk: SettingsDesk, menu: QMenu) -> None:
        super().__init__(menu)
        self._desk = desk
        self._slider = _Slider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, 100 // STEP)
        self._slider.setPageStep(KEY_STEP // STEP)
        self._slider.setAccessibleName("Volume of the answers")
        self._slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderReleased.connect(self._keep)
        self._percent = PlainLabel()
        self._percent.setFixedWidth(theme.px(44))
        self._percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        name = PlainLabel("Volume")
        for label in (name, self._percent):
            label.setProperty("scale", "label")
        holder = QWidget()
        row = QHBoxLayout(holder)
        # In line with the words of the menu, which leave room for an icon.
        row.setContentsMargins(theme.px(8.25 * GRID), theme.px(GRID), theme.px(3 * GRID), theme.px(GRID))
        row.setSpacing(theme.px(3 * GRID))
        row.addWidget(name)
        row.addWidget(self._slider, 1)
        row.addWidget(self._percent)
        self.setDefaultWidget(holder)
        menu.aboutToShow.connect(self._show)
        self._show()

    def by_key(self, parent: QWidget) -> list[QAction]:
        """Return actions that make the answers louder and quieter."""
        actions = []
        for words, keys, step in (("Louder", "Alt+Up", KEY_STEP), ("Quieter", "Alt+Down", -KEY_STEP)):
            action = QAction(QIcon(), words, parent)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _checked, step=step: self._change_by(step))
            actions.append(action)
        return actions

    @property
    def percent(self) -> int:
        """What it shows."""
        return self._slider.value() * STEP

    def _change_by(self, step: int) -> None:
        self._show()
        self._slider.setValue((self.percent + step) // STEP)

    def _show(self) -> None:
        """Show what is in force."""
        value = self._desk.value(SETTING)
        self._slider.blockSignals(True)
        self._slider.setValue(round((100 if value is None else value) / STEP))
        self._slider.blockSignals(False)
        self._write()

    def _slid(self) -> None:
        self._write()
        self.moved.emit(self.percent)
        if not self._slider.isSliderDown():
            self._keep()

    def _write(self) -> None:
        self._percent.setText(f"{self.percent} %")

    def _keep(self) -> None:
        if self.percent != self._desk.value(SETTING):
            self._desk.setting_changed.emit(SETTING, self.percent)


class _Slider(QSlider):
    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave it as it is: who scrolls past it wants no other volume."""
        event.ignore()
