"""The switch between holding the button, hands-free, and hands-free with answers on demand."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from desktop_app.ui.talk_button import TalkMode
from desktop_app.ui.theme import Theme

MODE_WORDS = {
    TalkMode.TALK: "Push to talk",
    TalkMode.HANDS_FREE: "Hands-free",
    TalkMode.MANUAL: "Hands-free, I start answers",
}
SHORT_WORDS = {**MODE_WORDS, TalkMode.MANUAL: "I start answers"}
TIPS = {
    TalkMode.TALK: "You are heard while you hold the button",
    TalkMode.HANDS_FREE: "You are heard all the time, and answered when you pause",
    TalkMode.MANUAL: "You are heard all the time, and answered when you say so",
}


class ModeSwitch(QToolButton):
    """Chooses how turns begin and end."""

    mode_chosen = Signal(str)
    """The value of a `TalkMode`."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._mode = TalkMode.TALK
        self._compact = False
        self._menu = QMenu(self)
        self._menu.setAccessibleName("How to talk")
        self._menu.setToolTipsVisible(True)
        self._actions: dict[TalkMode, QAction] = {}
        group = QActionGroup(self._menu)
        for mode, words in MODE_WORDS.items():
            action = QAction(words, group)
            action.setCheckable(True)
            action.setToolTip(TIPS[mode])
            action.triggered.connect(lambda _checked, mode=mode: self._choose(mode))
            self._menu.addAction(action)
            self._actions[mode] = action
        self.setMenu(self._menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setProperty("kind", "footer")
        self.setObjectName("mode")
        theme.changed.connect(self._restyle)
        self.show_mode(TalkMode.TALK)

    def show_mode(self, mode: TalkMode) -> None:
        """Show the mode in force."""
        self._mode = mode
        self._actions[mode].setChecked(True)
        self.setAccessibleName(f"How to talk: {MODE_WORDS[mode]}")
        self.setToolTip(TIPS[mode])
        self._restyle()

    def set_compact(self, compact: bool) -> None:
        """Show the icon alone, where there is no room for words."""
        self._compact = compact
        self._restyle()

    def _choose(self, mode: TalkMode) -> None:
        if mode is not self._mode:
            self._actions[self._mode].setChecked(True)  # until it is in force
            self.mode_chosen.emit(mode.value)

    def _restyle(self) -> None:
        theme = self._theme
        icon = "hand" if self._mode is TalkMode.TALK else "audio-lines"
        self.setIcon(theme.icon(icon, theme.palette.muted, size=16))
        self.setIconSize(QSize(theme.px(16), theme.px(16)))
        self.setText(f" {SHORT_WORDS[self._mode]}")
        style = Qt.ToolButtonStyle
        self.setToolButtonStyle(style.ToolButtonIconOnly if self._compact else style.ToolButtonTextBesideIcon)
