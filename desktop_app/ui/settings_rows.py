"""One setting in the dialog: its name, what it is for, its control, and what became of the last change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from desktop_app.settings import Applies, Declared
from desktop_app.ui.controls import Control
from desktop_app.ui.labels import PlainLabel, breakable
from desktop_app.ui.theme import GRID, Theme

CONTROL_PX = 264
SIDE_BY_SIDE_PX = 560
"""Narrower than this, the control stands under the words."""


def label_of(text: str, *, scale: str = "label", muted: bool = False, strong: bool = False) -> QLabel:
    """Return a label of plain text that breaks its lines."""
    label = PlainLabel(breakable(text))
    label.setWordWrap(True)
    label.setProperty("scale", scale)
    label.setProperty("strong", "true" if strong else "false")
    if muted:
        label.setProperty("tone", "muted")
    policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    label.setSizePolicy(policy)
    return label


class Row(QWidget):
    """Words at the left and something to use at the right, or below where it is narrow."""

    def __init__(self, title: str, text: str, control: QWidget, theme: Theme, *, wide: bool = False) -> None:
        super().__init__()
        self._theme = theme
        self._wide = wide
        self._control = control
        self._words = QVBoxLayout()
        self._words.setSpacing(theme.px(GRID / 2))
        self._words.addWidget(label_of(title, strong=True))
        if text:
            self._words.addWidget(label_of(text, scale="caption", muted=True))
        self.message = label_of("", scale="caption")
        """What became of the last change."""
        self.message.hide()
        self._words.addWidget(self.message)
        self._box = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._box.setContentsMargins(0, theme.px(2.5 * GRID), 0, theme.px(2.5 * GRID))
        self._box.setSpacing(theme.px(2 * GRID))
        self._box.addLayout(self._words, 1)
        self._box.addWidget(control)
        self._haystack = f"{title} {text}".casefold()

    def matches(self, words: str) -> bool:
        """Return whether every one of these words occurs in it."""
        return all(word in self._haystack for word in words.casefold().split())

    def add_to_haystack(self, text: str) -> None:
        """Let it be found by this, too."""
        self._haystack += f" {text}".casefold()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the control beside the words, or below."""
        super().resizeEvent(event)
        beside = not self._wide and self.width() >= self._theme.px(SIDE_BY_SIDE_PX)
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if self._box.direction() != direction:
            self._box.setDirection(direction)
        self._control.setMaximumWidth(self._theme.px(CONTROL_PX) if beside else 16_777_215)
        self._control.setMinimumWidth(self._theme.px(CONTROL_PX) if beside else 0)


class SettingRow(Row):
    """One declared setting."""

    changed = Signal(str, object)
    """Its name, and the value the user set."""

    def __init__(self, declared: Declared, control: Control, theme: Theme) -> None:
        setting = declared.setting
        super().__init__(setting.label, setting.help, control, theme, wide=control.wide)
        self.declared = declared
        self.control = control
        self.value: Any = declared.default
        self.changed_here = False
        """Whether the user changed it since the dialog was opened."""
        control.name(setting.label, setting.help)
        control.show_value(declared.default)
        control.changed.connect(self._take)
        self.add_to_haystack(" ".join((setting.section, declared.name, *(words for _, words in setting.choices))))

    def show_value(self, value: Any) -> None:
        """Show the value in force."""
        self.value = value
        self.control.show_value(value)

    def refuse(self, sentence: str) -> None:
        """Put the control back and say why."""
        self.control.show_value(self.value)
        self.changed_here = False
        self._say(sentence, error=True)

    def applies_here(self, values: Mapping[str, Any], *, local: bool, reasons: bool) -> bool:
        """Return whether it means anything beside these values."""
        setting = self.declared.setting
        if (setting.remote_only and local) or (setting.reasoning_only and not reasons):
            return False
        return all(values.get(name) in allowed for name, allowed in setting.only)

    @property
    def waits(self) -> bool:
        """Whether a change of the user's waits for the next session."""
        return self.changed_here and self.declared.setting.applies is Applies.NEXT_SESSION

    def session_began(self) -> None:
        """What waited for this waits no more."""
        if self.waits:
            self.changed_here = False
            self.message.hide()

    def _take(self, value: object) -> None:
        if not self.declared.setting.fits(value):
            self.refuse("This does not fit here.")
            return
        self.changed_here = True
        self._say(self.declared.setting.applies.value)
        self.changed.emit(self.declared.name, value)

    def _say(self, sentence: str, *, error: bool = False) -> None:
        self.message.setText(breakable(sentence))
        self.message.setVisible(bool(sentence))
        self.message.setProperty("tone", "error" if error else "accent")
        self.message.style().unpolish(self.message)
        self.message.style().polish(self.message)
