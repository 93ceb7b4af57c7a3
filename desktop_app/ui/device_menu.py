"""A menu that offers the values of one setting, such as the microphones there are, and marks the one in force."""

from __future__ import annotations

from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.ui.settings_desk import SettingsDesk
from desktop_app.ui.theme import plain_action


class ChoiceMenu(QMenu):
    """Filled anew each time it opens: what is offered comes and goes."""

    def __init__(self, title: str, setting: str, desk: SettingsDesk, parent: QWidget) -> None:
        super().__init__(title, parent)
        self._setting = setting
        self._desk = desk
        self._group: QActionGroup | None = None
        self.aboutToShow.connect(self._fill)

    def _fill(self) -> None:
        self.clear()
        if self._group is not None:
            self._group.deleteLater()
        self._group = QActionGroup(self)
        current = self._desk.value(self._setting)
        for value, words in self._desk.choices(self._setting):
            action = self.addAction(plain_action(words))
            action.setCheckable(True)
            action.setChecked(value == current)
            action.triggered.connect(lambda _checked, value=value: self._choose(value))
            self._group.addAction(action)

    def _choose(self, value: str) -> None:
        if value != self._desk.value(self._setting):
            self._desk.setting_changed.emit(self._setting, value)
