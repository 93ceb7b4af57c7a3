"""The way to the settings: keeps what they show, and makes the dialog when it is first opened.

Importing and making it takes longer than a frame, so it has no place in the start of the program. What is told
before the dialog exists is kept and shown when it opens; its signals are passed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from desktop_app.conversation.effects import VoiceState
from desktop_app.ui.settings_lists import CheckState, ServerLine, ToolFileLine, ToolLine
from desktop_app.ui.theme import Theme

if TYPE_CHECKING:
    from desktop_app.ui.settings_dialog import SettingsDialog


class SettingsDesk(QObject):
    """Everything about settings that goes up and comes down."""

    setting_changed = Signal(str, object)
    """The name of a setting such as `turns.mode`, and its new value; `presets` with all of them."""
    voice_chosen = Signal(str)
    voice_sample_asked = Signal(str)
    """How does this voice sound?"""
    renewal_asked = Signal()
    """What waits for a new session shall have one now."""
    tool_switched = Signal(str, bool)
    tool_trusted = Signal(str, bool)
    """A tool need not ask any more, or shall again."""
    tool_file_switched = Signal(str, str, bool)
    """File name, the digest it was shown with, on."""
    tools_folder_asked = Signal()
    """Open the folder of the user's own tools."""
    lists_asked = Signal()
    """The dialog opens, or the user looks again: show tools, files and servers as they are now."""
    mcp_restart_asked = Signal(str)
    microphone_test_asked = Signal(bool)
    """Record and play back; or stop doing so."""
    key_entered = Signal(str, str)
    """The name of an endpoint, and its key: for where secrets are kept, and nowhere else."""

    def __init__(self, window: QWidget, theme: Theme) -> None:
        super().__init__(window)
        self._window = window
        self._theme = theme
        self._dialog: SettingsDialog | None = None
        self._values: dict[str, Any] = {}
        self._choices: dict[str, tuple[tuple[str, str], ...]] = {}
        self._endpoint = (True, False)
        self._voice = VoiceState((), "")
        self._tools: tuple[ToolLine, ...] = ()
        self._files: tuple[str, tuple[ToolFileLine, ...]] = ("", ())
        self._servers: tuple[ServerLine, ...] = ()
        self._costs = ("", "")

    def open(self, section: str = "") -> None:
        """Open the dialog, at a section if one is named."""
        if self._dialog is None:
            self._dialog = self._new_dialog()
        self.lists_asked.emit()
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()
        if section:
            self._dialog.go_to(section)

    def open_voice(self) -> None:
        """Open the dialog where the voice is."""
        from desktop_app.settings import TALKING

        self.open(TALKING)

    def open_costs(self) -> None:
        """Open the dialog where the costs are."""
        from desktop_app.settings import COSTS

        self.open(COSTS)

    def show_values(self, values: Mapping[str, Any]) -> None:
        """Show what is in force, by the names of the settings; what is not named stays as it is."""
        self._values.update(values)
        if self._dialog is not None:
            self._dialog.show_values(values)

    def show_setting_refused(self, name: str, sentence: str) -> None:
        """Put a setting back to what is in force, and say why."""
        if self._dialog is not None:
            self._dialog.refuse(name, sentence)

    def show_choices(self, name: str, choices: Sequence[tuple[str, str]]) -> None:
        """Offer these values, each with its words, for a setting: models, devices, endpoints."""
        self._choices[name] = tuple(choices)
        if self._dialog is not None:
            self._dialog.show_choices(name, choices)

    def choices(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return what is offered for a setting: values and their words."""
        return self._choices.get(name, ())

    def value(self, name: str) -> Any:
        """Return the value of a setting that is in force; None: it was not shown yet."""
        return self._values.get(name)

    def show_endpoint(self, *, local: bool, reasons: bool) -> None:
        """Say what is talked to, and whether its model reasons: what means nothing there is hidden."""
        self._endpoint = (local, reasons)
        if self._dialog is not None:
            self._dialog.show_endpoint(local=local, reasons=reasons)

    def show_voice(self, state: VoiceState) -> None:
        """Show the voice."""
        self._voice = state
        if self._dialog is not None:
            self._dialog.show_voice(state)

    def show_tools(self, lines: Sequence[ToolLine]) -> None:
        """Show the tools there are."""
        self._tools = tuple(lines)
        if self._dialog is not None:
            self._dialog.show_tools(lines)

    def show_tool_files(self, folder: str, lines: Sequence[ToolFileLine]) -> None:
        """Show the folder of the user's own tools, and the files in it."""
        self._files = (folder, tuple(lines))
        if self._dialog is not None:
            self._dialog.show_tool_files(folder, lines)

    def show_servers(self, lines: Sequence[ServerLine]) -> None:
        """Show how the MCP servers are."""
        self._servers = tuple(lines)
        if self._dialog is not None:
            self._dialog.show_servers(lines)

    def show_costs(self, spent: str = "", price_date: str = "") -> None:
        """Show what was spent, and the date of the price table; what is empty stays as it is."""
        self._costs = (spent or self._costs[0], price_date or self._costs[1])
        if self._dialog is not None:
            self._dialog.show_costs(*self._costs)

    def show_microphone_test(self, state: CheckState) -> None:
        """Show how far the test of the microphone is."""
        if self._dialog is not None:
            self._dialog.show_microphone_test(state)

    def session_began(self) -> None:
        """What waited for the next session has one."""
        if self._dialog is not None:
            self._dialog.session_began()

    def _new_dialog(self) -> SettingsDialog:
        from desktop_app.ui.settings_dialog import SettingsDialog

        dialog = SettingsDialog(self._theme, self._window)
        for name, choices in self._choices.items():
            dialog.show_choices(name, choices)
        local, reasons = self._endpoint
        dialog.show_endpoint(local=local, reasons=reasons)
        dialog.show_values(self._values)
        dialog.show_voice(self._voice)
        dialog.show_tools(self._tools)
        dialog.show_tool_files(*self._files)
        dialog.show_servers(self._servers)
        dialog.show_costs(*self._costs)
        for name in (
            "setting_changed", "voice_chosen", "voice_sample_asked", "renewal_asked", "tool_switched",
            "tool_trusted", "tool_file_switched", "tools_folder_asked", "lists_asked", "mcp_restart_asked",
            "key_entered", "microphone_test_asked",
        ):  # fmt: skip
            getattr(dialog, name).connect(getattr(self, name))
        return dialog
