"""The parts of the settings that are lists: the voice, presets, tools, files of tools, MCP servers, endpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.conversation.effects import VoiceState
from desktop_app.settings import INSTRUCTIONS
from desktop_app.ui.cards import flow_of
from desktop_app.ui.controls import ChoiceBox, Switch
from desktop_app.ui.labels import breakable
from desktop_app.ui.plain import unmistakable
from desktop_app.ui.settings_lists import ServerLine, ToolFileLine, ToolLine
from desktop_app.ui.settings_rows import label_of
from desktop_app.ui.theme import GRID, Theme, plain_action

NARROW_PX = 420
KINDS = (("openai", "OpenAI"), ("azure", "Azure"), ("compatible", "Any other"))
DIALECTS = (("ga", "The present protocol"), ("beta", "The beta protocol"), ("xai", "xAI"))


def plain_button(words: str, kind: str = "plain") -> QPushButton:
    """Return a button that Enter elsewhere never presses."""
    button = QPushButton(words)
    button.setProperty("kind", kind)
    button.setAutoDefault(False)
    return button


class VoiceControl(QWidget):
    """The voice, and how it sounds."""

    voice_chosen = Signal(str)
    sample_asked = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._state = VoiceState((), "")
        self.message: QLabel | None = None
        """Where it says why another voice takes a new session."""
        self._box = ChoiceBox(theme)
        self._box.setEditable(True)
        self._box.setInsertPolicy(ChoiceBox.InsertPolicy.NoInsert)
        self._box.setAccessibleName("Voice")
        self._box.setAccessibleDescription("One of these, or the id of a voice of your own")
        line = self._box.lineEdit()
        assert line is not None
        line.setAccessibleName("Voice")
        line.editingFinished.connect(self._take)
        self._box.activated.connect(lambda _index: self._take())
        self._hear = plain_button(" Hear it")
        self._hear.setIcon(theme.icon("volume-2", size=16))
        self._hear.clicked.connect(lambda: self.sample_asked.emit(self._box.currentText().strip()))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.px(2 * GRID))
        row.addWidget(self._box, 1)
        row.addWidget(self._hear)

    def show_voice(self, state: VoiceState) -> None:
        """Show the voices and the one in force."""
        if state.voices != self._state.voices:
            self._box.clear()
            self._box.addItems([unmistakable(voice) for voice in state.voices])
        self._state = state
        self._box.setEditText(state.current)
        self._hear.setEnabled(bool(state.voices))
        if self.message is not None:
            self.message.setText(state.reason if state.locked else "")
            self.message.setVisible(state.locked and bool(state.reason))

    def _take(self) -> None:
        voice = self._box.currentText().strip()
        if voice and voice != self._state.current:
            self.voice_chosen.emit(voice)


class PresetsButton(QToolButton):
    """Instructions the user keeps by name."""

    instructions_chosen = Signal(str)
    kept = Signal(dict)
    """All presets, after one came or went."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.current: Callable[[], str] = str
        """Returns the instructions as they stand in the field."""
        self._presets: dict[str, str] = {}
        self._theme = theme
        self._menu = QMenu(self)
        self.setText(" Presets")
        self.setIcon(theme.icon("chevron-down", size=16))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("Presets of instructions")
        self.setObjectName("presets")
        self.setMenu(self._menu)
        self.show_presets({})

    def show_presets(self, presets: Mapping[str, str]) -> None:
        """Show what is kept."""
        self._presets = dict(presets)
        self._menu.clear()
        for name, text in sorted(self._presets.items(), key=lambda item: item[0].casefold()):
            action = self._menu.addAction(plain_action(name))
            action.triggered.connect(lambda _checked, text=text: self.instructions_chosen.emit(text))
        if self._presets:
            self._menu.addSeparator()
        default = self._menu.addAction("Parley's own")
        default.triggered.connect(lambda _checked: self.instructions_chosen.emit(INSTRUCTIONS))
        keep = self._menu.addAction("Keep these as…")
        keep.triggered.connect(self._ask_name)
        if self._presets:
            remove = self._menu.addMenu("Remove")
            for name in sorted(self._presets, key=str.casefold):
                action = remove.addAction(plain_action(name))
                action.triggered.connect(lambda _checked, name=name: self._remove(name))

    def keep(self, name: str) -> None:
        """Keep the instructions in the field by this name."""
        if name.strip():
            self.kept.emit({**self._presets, name.strip(): self.current()})

    def _ask_name(self) -> None:
        dialog = QInputDialog(self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Keep these instructions")
        dialog.setLabelText("Name")
        dialog.textValueSelected.connect(self.keep)
        dialog.open()

    def _remove(self, name: str) -> None:
        self.kept.emit({kept: text for kept, text in self._presets.items() if kept != name})


class _ListPane(QWidget):
    """Lines below each other, made anew when they change."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.px(2 * GRID))
        self._lines: list[QWidget] = []
        self._at = 0

    def _fill(self, lines: Sequence[QWidget], nothing: str) -> None:
        for line in self._lines:
            self._column.removeWidget(line)
            line.hide()
            line.deleteLater()
        self._lines = list(lines) or [label_of(nothing, muted=True)]
        for place, line in enumerate(self._lines, start=self._at):
            self._column.insertWidget(place, line)
            line.show()

    def _box(self, *, wrong: bool = False) -> tuple[QFrame, QVBoxLayout]:
        """Return the frame of a line and its column."""
        frame = QFrame()
        frame.setProperty("kind", "wrong" if wrong else "box")
        column = QVBoxLayout(frame)
        px = self._theme.px
        column.setContentsMargins(px(3 * GRID), px(2 * GRID), px(3 * GRID), px(2 * GRID))
        column.setSpacing(px(GRID / 2))
        return frame, column


class ToolsPane(_ListPane):
    """The tools: which the assistant may use, and which of them ask each time."""

    heading = ("What the assistant may do", "A tool that acts on your computer or reads what is yours asks first.")
    switched = Signal(str, bool)
    trusted = Signal(str, bool)

    def show_tools(self, lines: Sequence[ToolLine]) -> None:
        """Show these."""
        self._fill([self._line(line) for line in lines], "There are no tools.")

    def _line(self, line: ToolLine) -> QWidget:
        frame, column = self._box()
        called = line.title or line.name
        name = label_of(called, strong=True)
        switch = Switch(self._theme)
        switch.setChecked(line.on)
        switch.setAccessibleName(f"Allow {called}")
        switch.clicked.connect(lambda on, name=line.name: self.switched.emit(name, bool(on)))
        head = QHBoxLayout()
        head.addWidget(name, 1)
        head.addWidget(switch)
        if not line.switchable:
            switch.hide()
        column.addLayout(head)
        if line.source:
            column.addWidget(label_of(line.source, scale="caption", muted=True))
        column.addWidget(label_of(_first_sentence(line.description), scale="caption", muted=True))
        if line.asks:
            trust = QCheckBox("Need not ask")
            trust.setChecked(line.trusted)
            trust.setEnabled(line.on)
            trust.setAccessibleName(f"{called} need not ask")
            trust.clicked.connect(lambda on, name=line.name: self.trusted.emit(name, bool(on)))
            column.addWidget(trust)
        return frame


class FilesPane(_ListPane):
    """The user's own tools: Python files in a folder, each run only after a yes."""

    heading = (
        "Your own tools",
        "Every typed function of a Python file in this folder becomes a tool. A file is run only after you switch "
        "it on, with all that a program may do; after a change it asks again.",
    )
    switched = Signal(str, str, bool)
    folder_asked = Signal()
    refresh_asked = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._where = label_of("", scale="caption", muted=True)
        folder, again = plain_button("Open the folder"), plain_button("Look again")
        folder.clicked.connect(self.folder_asked)
        again.clicked.connect(self.refresh_asked)
        self._column.addWidget(self._where)
        self._column.addWidget(flow_of((folder, again), theme.px(2 * GRID)))
        self._fill((), "There are no files yet.")

    def show_files(self, folder: str, lines: Sequence[ToolFileLine]) -> None:
        """Show these, and where they lie."""
        self._where.setText(breakable(folder))
        self._fill([self._line(line) for line in lines], "There are no files yet.")

    def _line(self, line: ToolFileLine) -> QWidget:
        frame, column = self._box(wrong=bool(line.problem))
        switch = Switch(self._theme)
        switch.setChecked(line.on)
        switch.setAccessibleName(f"Run {line.name}")
        switch.clicked.connect(
            lambda on, name=line.name, digest=line.digest: self.switched.emit(name, digest, bool(on))
        )
        head = QHBoxLayout()
        head.addWidget(label_of(line.name, strong=True), 1)
        head.addWidget(label_of(line.state, scale="caption", muted=True))
        head.addWidget(switch)
        column.addLayout(head)
        if line.offers:
            column.addWidget(label_of("\n".join(line.offers), scale="caption"))
        if line.imports:
            column.addWidget(label_of(f"It uses {', '.join(line.imports)}.", scale="caption", muted=True))
        if line.problem:
            column.addWidget(label_of(line.problem, scale="caption"))
        return frame


class McpPane(_ListPane):
    """MCP servers: the JSON of other programs, and how each server is."""

    heading = (
        "MCP servers",
        'Paste the JSON that other programs use: {"mcpServers": {"files": {"command": "…", "args": ["…"]}}}, '
        'or with a "url". Each server runs with what your account may do. With "remote": true beside an https '
        "url, the service you talk to calls that server, and you are asked each time. Keys in it are not "
        "written down, but kept until Parley ends; ${NAME} in their place is read from the environment each time.",
    )
    entered = Signal(str)
    restart_asked = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._text = QPlainTextEdit()
        self._text.setProperty("kind", "field")
        self._text.setTabChangesFocus(True)
        self._text.setAccessibleName("MCP servers as JSON")
        self._text.setPlaceholderText('{"mcpServers": {}}')
        self._text.setFixedHeight(self._text.fontMetrics().lineSpacing() * 6 + theme.px(4 * GRID))
        self._in_force = ""
        self._use = plain_button("Use these servers")
        self._use.clicked.connect(lambda: self.entered.emit(self._text.toPlainText()))
        self._text.textChanged.connect(self._show_whether_changed)
        self._problem = label_of("", scale="caption")
        self._problem.setProperty("tone", "error")
        self._column.addWidget(self._text)
        self._column.addWidget(flow_of((self._use,), theme.px(2 * GRID)))
        self._column.addWidget(self._problem)
        self._problem.hide()
        self._at = 3
        self._fill((), "There are no servers.")
        self._show_whether_changed()

    def show_text(self, text: str) -> None:
        """Show the JSON in force, unless another one is being written."""
        writing = self._text.toPlainText() != self._in_force
        self._in_force = text
        if not writing or self._text.toPlainText().strip() == text.strip():
            self._text.setPlainText(text)
        self._problem.hide()
        self._show_whether_changed()

    def show_servers(self, lines: Sequence[ServerLine]) -> None:
        """Show how the servers are."""
        self._fill([self._line(line) for line in lines], "There are no servers.")

    def refuse(self, sentence: str) -> None:
        """Say what is wrong with the JSON; it stays to be mended."""
        self._problem.setText(breakable(sentence))
        self._problem.show()

    def _show_whether_changed(self) -> None:
        text = self._text.toPlainText()
        self._use.setEnabled(text != self._in_force or bool(text.strip()))

    def _line(self, line: ServerLine) -> QWidget:
        frame, column = self._box(wrong=not line.works)
        again = plain_button("Start again")
        again.setAccessibleName(f"Start {line.name} again")
        again.clicked.connect(lambda _checked, name=line.name: self.restart_asked.emit(name))
        head = QHBoxLayout()
        head.addWidget(label_of(line.name, strong=True), 1)
        head.addWidget(label_of(line.state, scale="caption", muted=True))
        head.addWidget(again)
        column.addLayout(head)
        if line.tools:
            number = "1 tool" if len(line.tools) == 1 else f"{len(line.tools)} tools"
            column.addWidget(label_of(f"{number}: {', '.join(line.tools)}", scale="caption", muted=True))
        if line.problem:
            column.addWidget(label_of(line.problem, scale="caption"))
        return frame


class EndpointsPane(_ListPane):
    """Endpoints with names of their own: a list, and a form for one of them."""

    heading = (
        "Endpoints with names of your own",
        "Azure and other services that speak the protocol. A key, or an ephemeral secret (ek_…), that you type "
        "here is kept until Parley ends, and in no file; one in an environment variable is found at every start.",
    )
    changed = Signal(list)
    """All entries, as they stand in the settings."""
    key_entered = Signal(str, str)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._entries: list[dict[str, Any]] = []
        self._edited: int | None = None
        self._add = plain_button("Add an endpoint")
        self._add.clicked.connect(lambda: self._edit(None))
        self._form = _EndpointForm(theme)
        self._form.saved.connect(self._save)
        self._form.given_up.connect(self._close_form)
        self._problem = label_of("", scale="caption")
        self._problem.setProperty("tone", "error")
        self._column.addWidget(flow_of((self._add,), theme.px(2 * GRID)))
        self._column.addWidget(self._form)
        self._column.addWidget(self._problem)
        self._form.hide()
        self._problem.hide()
        self._fill((), "There are none yet.")

    def show_profiles(self, entries: Sequence[Any]) -> None:
        """Show these entries of the settings."""
        self._entries = [dict(entry) for entry in entries if isinstance(entry, Mapping)]
        self._problem.hide()
        self._fill([self._line(n, entry) for n, entry in enumerate(self._entries)], "There are none yet.")

    def refuse(self, sentence: str) -> None:
        """Say what is wrong with what was saved."""
        self._problem.setText(breakable(sentence))
        self._problem.show()

    def _line(self, number: int, entry: Mapping[str, Any]) -> QWidget:
        frame, column = self._box()
        name = str(entry.get("name", ""))
        edit, remove = plain_button("Edit"), plain_button("Remove")
        edit.setAccessibleName(f"Edit {name}")
        remove.setAccessibleName(f"Remove {name}")
        edit.clicked.connect(lambda: self._edit(number))
        remove.clicked.connect(lambda: self._remove(number))
        column.addWidget(label_of(name, strong=True))
        where = " · ".join(str(entry[key]) for key in ("base_url", "model") if entry.get(key))
        column.addWidget(label_of(where, scale="caption", muted=True))
        column.addWidget(flow_of((edit, remove), self._theme.px(2 * GRID)))
        return frame

    def _edit(self, number: int | None) -> None:
        self._edited = number
        self._form.show_entry(self._entries[number] if number is not None else {})
        self._form.show()
        self._problem.hide()

    def _remove(self, number: int) -> None:
        self.changed.emit([entry for n, entry in enumerate(self._entries) if n != number])

    def _save(self, entry: dict[str, Any], key: str) -> None:
        entries = list(self._entries)
        if self._edited is None:
            entries.append(entry)
        else:
            entries[self._edited] = entry
        self._problem.hide()
        self.changed.emit(entries)
        if not self._problem.isHidden():
            return  # it was refused, and stays to be mended
        self._close_form()
        if key:
            self.key_entered.emit(str(entry["name"]), key)

    def _close_form(self) -> None:
        self._form.hide()
        self._edited = None


class _EndpointForm(QFrame):
    """One endpoint."""

    saved = Signal(dict, str)
    given_up = Signal()

    _LINES = (
        ("name", "Name", ""),
        ("base_url", "Address", "https://host/v1"),
        ("model", "Model or deployment", ""),
        ("key_variable", "Variable that holds the key", "instead of a key below"),
        ("organization", "Organisation", ""),
        ("project", "Project", ""),
    )

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setProperty("kind", "box")
        self._entry: dict[str, Any] = {}
        self._lines: dict[str, QLineEdit] = {}
        self._form = form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        px = theme.px
        form.setContentsMargins(px(3 * GRID), px(3 * GRID), px(3 * GRID), px(3 * GRID))
        form.setSpacing(px(2 * GRID))
        self._kind, self._dialect = ChoiceBox(theme), ChoiceBox(theme)
        for box, choices in ((self._kind, KINDS), (self._dialect, DIALECTS)):
            for value, words in choices:
                box.addItem(words, value)
        for name, words, hint in self._LINES:
            line = self._lines[name] = QLineEdit()
            line.setPlaceholderText(hint)
            line.setAccessibleName(words)
            line.textChanged.connect(self._show_whether_it_can_be_saved)
            form.addRow(label_of(words), line)
            if name == "name":
                self._kind.setAccessibleName("Kind")
                form.addRow(label_of("Kind"), self._kind)
            elif name == "model":
                self._dialect.setAccessibleName("Protocol")
                form.addRow(label_of("Protocol"), self._dialect)
        self._key = QLineEdit()
        self._key.setEchoMode(QLineEdit.EchoMode.Password)
        self._key.setPlaceholderText("stays as it is")
        self._key.setAccessibleName("Key")
        form.addRow(label_of("Key"), self._key)
        self._save = plain_button("Save", "primary")
        give_up = plain_button("Cancel")
        self._save.clicked.connect(self._take)
        give_up.clicked.connect(self.given_up)
        form.addRow(flow_of((self._save, give_up), px(2 * GRID)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the names above the lines where it is narrow."""
        super().resizeEvent(event)
        wraps = QFormLayout.RowWrapPolicy
        narrow = self.width() < NARROW_PX
        self._form.setRowWrapPolicy(wraps.WrapAllRows if narrow else wraps.DontWrapRows)

    def show_entry(self, entry: Mapping[str, Any]) -> None:
        """Show an entry; an empty one is a new one."""
        self._entry = dict(entry)
        for name, line in self._lines.items():
            line.setText(str(entry.get(name) or ""))
        self._kind.setCurrentIndex(max(0, self._kind.findData(entry.get("kind", "compatible"))))
        self._dialect.setCurrentIndex(max(0, self._dialect.findData(entry.get("dialect", "ga"))))
        self._key.clear()
        self._lines["name"].setFocus(Qt.FocusReason.OtherFocusReason)
        self._show_whether_it_can_be_saved()

    def _show_whether_it_can_be_saved(self) -> None:
        self._save.setEnabled(bool(self._lines["name"].text().strip()))

    def _take(self) -> None:
        entry = {**self._entry, "kind": self._kind.currentData(), "dialect": self._dialect.currentData()}
        for name, line in self._lines.items():
            text = line.text().strip()
            if text:
                entry[name] = text
            else:
                entry.pop(name, None)
        key = self._key.text().strip()
        self._key.clear()
        self.saved.emit(entry, key)


def _first_sentence(text: str) -> str:
    """Return the first sentence of what a tool says of itself to the model."""
    line = text.strip().splitlines()[0] if text.strip() else ""
    line = re.split(r"(?<=[.!?])\s+(?=[A-Z])", line, maxsplit=1)[0]
    return f"{line[:157]}…" if len(line) > 160 else line
