"""The voice picker: a button with the voice's name, and a menu of the endpoint's voices.

Once the assistant has spoken, another voice takes a new session: the menu says so, and the conversation goes on.
"""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton, QWidget, QWidgetAction

from desktop_app.conversation.effects import VoiceState
from desktop_app.ui.labels import PlainLabel
from desktop_app.ui.theme import GRID, Theme, plain_action, plain_tip

REASON_PX = 240
NAME_CHARS = 14
"""The longest name the button shows whole."""


class VoicePicker(QToolButton):
    """Chooses the voice."""

    voice_chosen = Signal(str)
    more_asked = Signal()
    """A voice of the user's own, or how one sounds: the settings have that."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._state = VoiceState((), "")
        self._compact = False
        self._menu = QMenu(self)
        self._menu.setAccessibleName("Voices")
        self.setMenu(self._menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.setObjectName("voice")
        theme.changed.connect(self._restyle)
        self.show_voice(self._state)

    def show_voice(self, state: VoiceState) -> None:
        """Show the voices, the current one, and whether another can be chosen."""
        self._state = state
        self.setEnabled(bool(state.voices))
        self.setAccessibleName(f"Voice: {state.current}" if state.current else "Voice")
        self.setAccessibleDescription(state.reason if state.locked else "Opens the menu of voices")
        self.setToolTip(plain_tip(state.reason if state.locked else "Choose the assistant's voice"))
        self._fill_menu()
        self._restyle()

    def set_compact(self, compact: bool) -> None:
        """Show the icon alone, where there is no room for the name."""
        self._compact = compact
        self._restyle()

    def _fill_menu(self) -> None:
        self._menu.clear()
        if self._state.locked:
            self._add_reason()
        group = QActionGroup(self._menu)
        for voice in self._state.voices:
            action = QAction(plain_action(voice), group)
            action.setCheckable(True)
            action.setChecked(voice == self._state.current)
            # `triggered`, not the group's: choosing the current voice again is no choice.
            action.triggered.connect(lambda _checked, name=voice: self._choose(name))
            self._menu.addAction(action)
        self._menu.addSeparator()
        self._menu.addAction("Hear them, or another voice…").triggered.connect(self.more_asked)

    def _add_reason(self) -> None:
        reason = PlainLabel(self._state.reason or "The voice cannot be changed now.")
        reason.setWordWrap(True)
        reason.setProperty("tone", "muted")
        reason.setProperty("scale", "label")
        reason.setFixedWidth(self._theme.px(REASON_PX))
        margin = self._theme.px(3 * GRID)
        reason.setContentsMargins(margin, self._theme.px(2 * GRID), margin, self._theme.px(GRID))
        reason.setFixedHeight(reason.heightForWidth(self._theme.px(REASON_PX)))
        shown = QWidgetAction(self._menu)
        shown.setDefaultWidget(reason)
        shown.setEnabled(False)
        shown.setText(plain_action(reason.text()))
        self._menu.addAction(shown)
        self._menu.addSeparator()

    def _choose(self, voice: str) -> None:
        for action in self._menu.actions():
            if action.isCheckable():  # until it is in force
                action.setChecked(action.text() == plain_action(self._state.current))
        if voice != self._state.current:
            self.voice_chosen.emit(voice)

    def _restyle(self) -> None:
        theme, state = self._theme, self._state
        self.setIcon(theme.icon("audio-lines", theme.palette.muted, size=18))
        self.setIconSize(QSize(theme.px(18), theme.px(18)))
        name = state.current or "Voice"
        shown = name if len(name) <= NAME_CHARS else f"{name[: NAME_CHARS - 1]}…"
        self.setText(f" {plain_action(shown)}")
        style = Qt.ToolButtonStyle
        self.setToolButtonStyle(style.ToolButtonIconOnly if self._compact else style.ToolButtonTextBesideIcon)
        self.setMinimumSize(theme.px(36), theme.px(36))
