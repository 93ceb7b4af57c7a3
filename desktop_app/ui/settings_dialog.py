"""The settings: one page of all sections, made of their declarations; every change applies at once.

The dialog decides nothing: it says what the user set (`setting_changed`) and shows what is in force
(`show_values`). A value that was refused goes back (`refuse`), with the reason beside it. What waits for the next
session says so, and can be had at once by a new session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QResizeEvent
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop_app.conversation.effects import VoiceState
from desktop_app.settings import COSTS, ENDPOINTS, MCP, SECTIONS, SOUND, TALKING, TOOLS, declared_settings
from desktop_app.ui.controls import ChoiceControl, LongTextControl, control_for
from desktop_app.ui.labels import PlainLabel
from desktop_app.ui.microphone_test import MicrophoneTestPane
from desktop_app.ui.settings_lists import CheckState, ServerLine, ToolFileLine, ToolLine
from desktop_app.ui.settings_panes import (
    EndpointsPane,
    FilesPane,
    McpPane,
    PresetsButton,
    ToolsPane,
    VoiceControl,
)
from desktop_app.ui.settings_rows import Row, SettingRow, label_of
from desktop_app.ui.theme import GRID, Theme

NAV_PX = 184
WIDE_PX = 640
"""Narrower than this, there is no list of sections."""


class SettingsDialog(QDialog):
    """Everything that can be set."""

    setting_changed = Signal(str, object)
    """The name of a setting such as `turns.mode`, and its new value."""
    voice_chosen = Signal(str)
    voice_sample_asked = Signal(str)
    renewal_asked = Signal()
    """What waits for a new session shall have one now."""
    tool_switched = Signal(str, bool)
    tool_trusted = Signal(str, bool)
    tool_file_switched = Signal(str, str, bool)
    """File name, digest, on."""
    tools_folder_asked = Signal()
    """Open the folder of the user's own tools."""
    lists_asked = Signal()
    """Tools, files and servers shall be shown as they are now."""
    mcp_restart_asked = Signal(str)
    microphone_test_asked = Signal(bool)
    """Record and play back; or stop doing so."""
    key_entered = Signal(str, str)
    """The name of an endpoint, and its key: for where secrets are kept."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._values: dict[str, Any] = {}
        self._local, self._reasons = True, False
        self._rows: dict[str, SettingRow] = {}
        self._sections: dict[str, _Section] = {}
        self.setWindowTitle("Settings")
        self.setModal(False)
        self.setMinimumSize(theme.px(340), theme.px(420))
        self.resize(theme.px(860), theme.px(640))
        self._search = QLineEdit()
        self._nav = QListWidget()
        self._page = QScrollArea()
        self._nothing = label_of("Nothing is called that.", muted=True)
        self._waiting = _WaitingStrip(theme)
        self._voice = VoiceControl(theme)
        self._presets = PresetsButton(theme)
        self._tools, self._files = ToolsPane(theme), FilesPane(theme)
        self._mcp, self._endpoints = McpPane(theme), EndpointsPane(theme)
        self._microphone_test = MicrophoneTestPane(theme)
        self._spent = label_of("Nothing in this conversation yet.", muted=True)
        self._price_date = label_of("", scale="caption", muted=True)
        self._build()
        self._lay_out()
        self._connect()
        self._filter()

    # --- what the window asks ---------------------------------------------------------------------

    def show_values(self, values: Mapping[str, Any]) -> None:
        """Show what is in force, by the names of the settings; what is not named stays."""
        self._values.update(values)
        for name, row in self._rows.items():
            if name in values:
                row.show_value(values[name])
        if "presets" in values:
            self._presets.show_presets(values["presets"])
        if "tools.mcp" in values:
            self._mcp.show_text(str(values["tools.mcp"]))
        if "connection.profiles" in values:
            self._endpoints.show_profiles(values["connection.profiles"])
        self._filter()

    def refuse(self, name: str, sentence: str) -> None:
        """Put a setting back and say why."""
        if name in self._rows:
            self._rows[name].refuse(sentence)
            self._page.ensureWidgetVisible(self._rows[name])
        elif name == "tools.mcp":
            self._mcp.refuse(sentence)
        elif name == "connection.profiles":
            self._endpoints.refuse(sentence)
        self._show_waiting()

    def show_choices(self, name: str, choices: Sequence[tuple[str, str]]) -> None:
        """Offer other values and their words for a setting."""
        row = self._rows.get(name)
        if row is not None and isinstance(row.control, ChoiceControl):
            row.control.show_choices(choices)

    def show_endpoint(self, *, local: bool, reasons: bool) -> None:
        """Say what is talked to: settings that mean nothing there are hidden."""
        self._local, self._reasons = local, reasons
        self._filter()

    def show_voice(self, state: VoiceState) -> None:
        """Show the voice and whether another takes a new session."""
        self._voice.show_voice(state)

    def show_tools(self, lines: Sequence[ToolLine]) -> None:
        """Show the tools there are."""
        self._tools.show_tools(lines)

    def show_tool_files(self, folder: str, lines: Sequence[ToolFileLine]) -> None:
        """Show the files of the user's own tools."""
        self._files.show_files(folder, lines)

    def show_servers(self, lines: Sequence[ServerLine]) -> None:
        """Show the MCP servers there are."""
        self._mcp.show_servers(lines)

    def show_costs(self, spent: str, price_date: str) -> None:
        """Show what was spent and how old the price table is; what is empty stays as it is."""
        if spent:
            self._spent.setText(spent)
        if price_date:
            self._price_date.setText(f"Computed with the price list of {price_date}; the service's bill counts.")

    def show_microphone_test(self, state: CheckState) -> None:
        """Show how far the test of the microphone is."""
        self._microphone_test.show_state(state)

    def session_began(self) -> None:
        """What waited for the next session has one."""
        for row in self._rows.values():
            row.session_began()
        self._show_waiting()

    def go_to(self, section: str) -> None:
        """Bring a section into sight."""
        self._search.clear()
        found = self._sections.get(section)
        if found is not None:
            self._page.verticalScrollBar().setValue(found.y())
            self._nav.setCurrentRow(SECTIONS.index(section))

    # --- building ---------------------------------------------------------------------------------

    def _build(self) -> None:
        for section in SECTIONS:
            self._sections[section] = _Section(section, self._theme)
            self._nav.addItem(QListWidgetItem(section))
        talking = self._sections[TALKING]
        for declared in declared_settings():
            if declared.name == "audio.keep_microphone_warm":
                self._add_microphone_test()
            control = control_for(declared, self._theme)
            if control is None:
                continue
            row = SettingRow(declared, control, self._theme)
            row.changed.connect(self._changed)
            self._rows[declared.name] = row
            self._sections[declared.setting.section].add(row)
            if declared.name == "connection.instructions":
                talking.add_plain(self._presets)
                voice = Row("Voice", "One of these, or the id of a voice of your own.", self._voice, self._theme)
                self._voice.message = voice.message
                voice.add_to_haystack(f"{TALKING} hear sample")
                talking.add(voice)
        self._add_panes()

    def _add_microphone_test(self) -> None:
        text = "Records three seconds and plays them back, with the devices chosen above; nothing is kept or sent."
        row = Row("Test the microphone", text, self._microphone_test, self._theme, wide=True)
        row.add_to_haystack(f"{SOUND} check record level loud")
        self._sections[SOUND].add(row)

    def _add_panes(self) -> None:
        for section, pane, words in (
            (TOOLS, self._tools, "what the assistant may do allowed ask trusted on off"),
            (TOOLS, self._files, "your own tools python files folder"),
            (MCP, self._mcp, "mcp servers json paste"),
            (ENDPOINTS, self._endpoints, "endpoints profiles azure compatible key address dialect beta xai"),
        ):
            row = Row(*pane.heading, pane, self._theme, wide=True)
            row.add_to_haystack(f"{section} {words}")
            self._sections[section].add(row)
        costs = QWidget()
        column = QVBoxLayout(costs)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._spent)
        column.addWidget(self._price_date)
        row = Row("Spent", "", costs, self._theme, wide=True)
        row.add_to_haystack(f"{COSTS} price budget money")
        self._sections[COSTS].add(row)

    def _lay_out(self) -> None:
        px = self._theme.px
        self._search.setPlaceholderText("Search")
        self._search.setAccessibleName("Search the settings")
        self._search.setClearButtonEnabled(True)
        self._search.addAction(
            self._theme.icon("search", self._theme.palette.muted, size=16), QLineEdit.ActionPosition.LeadingPosition
        )
        self._search.setObjectName("search")
        self._nav.setAccessibleName("Sections")
        self._nav.setProperty("kind", "nav")
        self._nav.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._nav.setFixedWidth(px(NAV_PX))
        self._nav.setCurrentRow(0)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(px(6 * GRID), px(2 * GRID), px(6 * GRID), px(8 * GRID))
        column.setSpacing(0)
        column.addWidget(self._nothing)
        for section in self._sections.values():
            column.addWidget(section)
        column.addStretch(1)
        self._page.setWidget(inner)
        self._page.setWidgetResizable(True)
        self._page.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._page.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inner.setAutoFillBackground(False)
        self._page.viewport().setAutoFillBackground(False)
        self._side = QWidget()
        side = QVBoxLayout(self._side)
        side.setContentsMargins(px(3 * GRID), px(2 * GRID), 0, px(3 * GRID))
        side.addWidget(self._nav, 1)
        body = QHBoxLayout()
        body.setSpacing(0)
        body.addWidget(self._side)
        body.addWidget(self._page, 1)
        top = QHBoxLayout()
        top.setContentsMargins(px(4 * GRID), px(4 * GRID), px(4 * GRID), px(GRID))
        top.addWidget(self._search, 1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addLayout(top)
        rows.addLayout(body, 1)
        rows.addWidget(self._waiting)

    def _connect(self) -> None:
        self._search.textChanged.connect(self._filter)
        self._nav.itemClicked.connect(lambda item: self.go_to(item.text()))
        self._nav.itemActivated.connect(lambda item: self.go_to(item.text()))
        self._nav.currentTextChanged.connect(self._nav_moved)
        self._page.verticalScrollBar().valueChanged.connect(self._scrolled)
        self._waiting.renewal_asked.connect(self.renewal_asked)
        self._voice.voice_chosen.connect(self.voice_chosen)
        self._voice.sample_asked.connect(self.voice_sample_asked)
        self._presets.instructions_chosen.connect(self._use_instructions)
        self._presets.kept.connect(lambda presets: self.setting_changed.emit("presets", presets))
        self._presets.current = self._instructions.field.toPlainText
        self._tools.switched.connect(self.tool_switched)
        self._tools.trusted.connect(self.tool_trusted)
        self._files.switched.connect(self.tool_file_switched)
        self._files.folder_asked.connect(self.tools_folder_asked)
        self._files.refresh_asked.connect(self.lists_asked)
        self._mcp.entered.connect(lambda text: self.setting_changed.emit("tools.mcp", text))
        self._mcp.restart_asked.connect(self.mcp_restart_asked)
        self._endpoints.changed.connect(lambda entries: self.setting_changed.emit("connection.profiles", entries))
        self._endpoints.key_entered.connect(self.key_entered)
        self._microphone_test.asked.connect(self.microphone_test_asked)

    # --- events -----------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the list of sections out where it is narrow."""
        super().resizeEvent(event)
        self._side.setVisible(self.width() >= self._theme.px(WIDE_PX))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Take what is still being typed."""
        self._instructions.take()
        super().closeEvent(event)

    def reject(self) -> None:
        """Take what is still being typed, end the test, and leave: Esc undoes nothing."""
        self._instructions.take()
        self._microphone_test.stop()
        super().reject()

    # --- inside -----------------------------------------------------------------------------------

    @property
    def _instructions(self) -> LongTextControl:
        control = self._rows["connection.instructions"].control
        assert isinstance(control, LongTextControl)
        return control

    def _use_instructions(self, text: str) -> None:
        self._instructions.field.setPlainText(text)
        self._instructions.take()

    def _changed(self, name: str, value: object) -> None:
        self._values[name] = value
        self._filter()
        self._show_waiting()
        self.setting_changed.emit(name, value)

    def _show_waiting(self) -> None:
        self._waiting.setVisible(any(row.waits for row in self._rows.values()))

    def _filter(self) -> None:
        """Show the settings that mean something now, and of these what is searched."""
        words = self._search.text()
        for row in self._rows.values():
            if row.value is not None and row.declared.name not in self._values:
                self._values[row.declared.name] = row.value
        shown = [section.filter(words, self._means_something) for section in self._sections.values()]
        self._nothing.setVisible(not any(shown))
        for number, visible in enumerate(shown):
            self._nav.item(number).setHidden(not visible)

    def _means_something(self, row: Row) -> bool:
        if not isinstance(row, SettingRow):
            return True
        return row.applies_here(self._values, local=self._local, reasons=self._reasons)

    def _nav_moved(self, section: str) -> None:
        if self._nav.hasFocus() and section:
            self.go_to(section)

    def _scrolled(self, value: int) -> None:
        """Mark the section in sight."""
        if self._nav.hasFocus():
            return
        passed = [
            number
            for number, section in enumerate(self._sections.values())
            if section.isVisible() and section.y() <= value + self._theme.px(12 * GRID)
        ]
        self._nav.setCurrentRow(passed[-1] if passed else 0)


class _Section(QWidget):
    """A heading and the settings under it, with hairlines between them."""

    def __init__(self, title: str, theme: Theme) -> None:
        super().__init__()
        self._rows: list[tuple[Row, QFrame, list[QWidget]]] = []
        """Rows, the line above each, and what belongs to it."""
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, theme.px(3 * GRID), 0, theme.px(3 * GRID))
        self._column.setSpacing(0)
        heading = PlainLabel(title)
        heading.setProperty("scale", "title")
        heading.setProperty("strong", "true")
        self._column.addWidget(heading)

    def add(self, row: Row) -> None:
        """Put a row at the end."""
        line = QFrame()
        line.setProperty("kind", "line")
        line.setFixedHeight(1)
        self._column.addWidget(line)
        self._column.addWidget(row)
        self._rows.append((row, line, []))

    def add_plain(self, widget: QWidget) -> None:
        """Put something behind the last row that is shown together with it."""
        self._column.addWidget(widget)
        self._rows[-1][2].append(widget)

    def filter(self, words: str, means_something: Callable[[Row], bool]) -> bool:
        """Show the rows that mean something and match; return whether there are any."""
        first = True
        for row, line, others in self._rows:
            shown = means_something(row) and row.matches(words)
            for widget in (row, *others):
                widget.setVisible(shown)
            line.setVisible(shown and not first)
            first = first and not shown
        self.setVisible(not first)
        return not first


class _WaitingStrip(QFrame):
    """Says that something waits for the next session, and offers one."""

    renewal_asked = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setProperty("kind", "strip")
        button = QPushButton("Begin it now")
        button.setProperty("kind", "plain")
        button.setAutoDefault(False)
        button.setAccessibleDescription("A new session goes on with the same conversation")
        button.clicked.connect(self.renewal_asked)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.px(4 * GRID), theme.px(2 * GRID), theme.px(4 * GRID), theme.px(2 * GRID))
        row.addWidget(label_of("Something waits for the next session. The conversation goes on in it."), 1)
        row.addWidget(button)
        self.hide()

    def sizeHint(self) -> QSize:
        """Return a size that leaves the width to the dialog."""
        return QSize(0, super().sizeHint().height())
