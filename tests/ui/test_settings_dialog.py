"""The settings: made of their declarations, applied at once, put back when refused, found by searching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSlider,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import VoiceState
from desktop_app.settings import MCP, SECTIONS, Settings, Shown, declared_settings, values_of
from desktop_app.ui import controls as controls_module
from desktop_app.ui.controls import ElidedLine, Switch
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.settings_dialog import SettingsDialog
from desktop_app.ui.settings_lists import ServerLine, ToolFileLine, ToolLine
from desktop_app.ui.settings_rows import SettingRow
from desktop_app.ui.theme import Theme

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


@pytest.fixture
def dialog(qtbot: QtBot, theme: Theme) -> SettingsDialog:
    made = SettingsDialog(theme)
    qtbot.addWidget(made)
    made.show_endpoint(local=False, reasons=True)
    made.show_values(values_of(Settings()))
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    return made


@pytest.fixture
def changes(dialog: SettingsDialog) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []
    dialog.setting_changed.connect(lambda name, value: seen.append((name, value)))
    return seen


def row(dialog: SettingsDialog, name: str) -> SettingRow:
    return dialog._rows[name]


def inside(dialog: SettingsDialog, name: str, kind: type[QWidget]) -> Any:
    found = row(dialog, name).control.findChild(kind)
    assert found is not None
    return found


def button(parent: QWidget, words: str) -> QAbstractButton:
    return next(
        b
        for b in parent.findChildren(QAbstractButton)
        if words in (b.text().strip(), b.accessibleName()) and not b.isHidden()
    )


def words(widget: QWidget) -> str:
    texts = [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]
    return "\n".join(texts).replace("\u200b", "")


# --- made of declarations -----------------------------------------------------------------------


def test_every_declared_setting_is_there_or_has_a_pane(dialog: SettingsDialog) -> None:
    declared = declared_settings()
    assert set(dialog._rows) == {one.name for one in declared if one.setting.shown is not Shown.LIST}
    assert [dialog._nav.item(n).text() for n in range(dialog._nav.count())] == list(SECTIONS)


def test_everything_that_can_be_used_has_a_name(dialog: SettingsDialog) -> None:
    dialog.show_values({"turns.mode": "hands_free", "answers.truncation": "retention"})
    dialog.show_tools([ToolLine("volume", "Sets the volume.", asks=True)])
    dialog.show_tool_files("/tools", [ToolFileLine("a.py", "d", "off")])
    dialog.show_servers([ServerLine("files", "ready")])
    usable = [
        child
        for child in dialog.findChildren(QWidget)
        if child.isVisible() and child.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    assert len(usable) > 40
    for child in usable:
        assert QAccessible.queryAccessibleInterface(child).text(QAccessible.Text.Name), child


def test_a_tool_is_called_by_its_title_and_its_first_sentence_told(dialog: SettingsDialog) -> None:
    told = "Work it out. Operators: + - * / e.g. 1.5 * 2."
    dialog.show_tools([ToolLine("calculate", told, title="Calculator"), ToolLine("files_read", "Reads 3.5 lines")])
    shown = words(dialog._tools).splitlines()
    assert {"Calculator", "Work it out.", "files_read", "Reads 3.5 lines"} <= set(shown)
    assert "calculate" not in shown
    assert button(dialog._tools, "Allow Calculator")


def test_what_does_not_fit_a_choice_ends_in_dots(qtbot: QtBot) -> None:
    pictures = []
    for kind in (ElidedLine, QLineEdit):
        line = kind("The system's default (Built-in Audio Analog Stereo)")
        qtbot.addWidget(line)
        line.setFrame(False)
        line.setCursorPosition(0)
        for width in (150, 900):
            line.resize(width, 30)
            pictures.append(line.grab().toImage())
    narrow, wide, cut, whole = pictures
    assert narrow != cut
    assert wide == whole


def test_text_is_plain(dialog: SettingsDialog) -> None:
    dialog.show_tools([ToolLine("<b>x</b>", "<img src=x>", source="<i>y</i>")])
    dialog.show_servers([ServerLine("<b>x</b>", "ready", problem="<a href=x>y</a>")])
    shown = {label.textFormat() for label in dialog.findChildren(QLabel) if "<" in label.text()}
    assert shown == {Qt.TextFormat.PlainText}


# --- set and told at once -----------------------------------------------------------------------


def use_switch(d: SettingsDialog) -> None:
    d.show_values({"turns.mode": "hands_free"})
    inside(d, "turns.interrupt", Switch).click()


def use_choice(d: SettingsDialog) -> None:
    box = inside(d, "audio.noise_reduction", QComboBox)
    box.setCurrentIndex(1)
    box.activated.emit(1)


def type_choice(d: SettingsDialog) -> None:
    line = inside(d, "connection.model", QComboBox).lineEdit()
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "gpt-of-next-year")
    QTest.keyClick(line, Qt.Key.Key_Return)


def choose_by_words(d: SettingsDialog) -> None:
    line = inside(d, "connection.language", QComboBox).lineEdit()
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "german")
    QTest.keyClick(line, Qt.Key.Key_Return)


def type_number(d: SettingsDialog) -> None:
    spin = inside(d, "answers.speed", QDoubleSpinBox)
    spin.setFocus()
    spin.selectAll()
    QTest.keyClicks(spin, "1.2")
    QTest.keyClick(spin, Qt.Key.Key_Return)


def slide_by_key(d: SettingsDialog) -> None:
    slider = inside(d, "answers.speed", QSlider)
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_Right)


def set_limit(d: SettingsDialog) -> None:
    slider = inside(d, "answers.max_tokens", QSlider)
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_End)


def type_line(d: SettingsDialog) -> None:
    line = inside(d, "local.chat_url", QLineEdit)
    line.setFocus()
    QTest.keyClicks(line, " http://localhost:1/v1 ")
    QTest.keyClick(line, Qt.Key.Key_Return)


def type_instructions(d: SettingsDialog) -> None:
    field = inside(d, "connection.instructions", QPlainTextEdit)
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "Be brief.")
    d._search.setFocus()


@pytest.mark.parametrize(
    ("use", "name", "value"),
    [
        (use_switch, "turns.interrupt", False),
        (use_choice, "audio.noise_reduction", "far_field"),
        (type_choice, "connection.model", "gpt-of-next-year"),
        (choose_by_words, "connection.language", "de"),
        (type_number, "answers.speed", 1.2),
        (slide_by_key, "answers.speed", 1.05),
        (set_limit, "answers.max_tokens", 4_096),
        (type_line, "local.chat_url", "http://localhost:1/v1"),
        (type_instructions, "connection.instructions", "Be brief."),
    ],
)
def test_a_change_is_told_at_once_and_once(
    dialog: SettingsDialog,
    changes: list[tuple[str, Any]],
    use: Callable[[SettingsDialog], None],
    name: str,
    value: Any,
) -> None:
    use(dialog)
    assert changes == [(name, value)]
    assert type(changes[0][1]) is type(next(one.default for one in declared_settings() if one.name == name))


def test_a_long_text_is_taken_while_it_is_still_open(
    qtbot: QtBot, theme: Theme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls_module, "TYPED_MS", 10)
    made = SettingsDialog(theme)
    qtbot.addWidget(made)
    made.show()
    with qtbot.waitSignal(made.setting_changed) as changed:
        inside(made, "connection.instructions", QPlainTextEdit).setPlainText("Sing.")
    assert changed.args == ["connection.instructions", "Sing."]


def test_leaving_by_escape_takes_what_is_being_typed(
    dialog: SettingsDialog, changes: list[tuple[str, Any]]
) -> None:
    field = inside(dialog, "connection.instructions", QPlainTextEdit)
    field.setFocus()
    field.setPlainText("Sing.")
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert changes == [("connection.instructions", "Sing.")]
    assert not dialog.isVisible()


def test_showing_values_tells_nothing(dialog: SettingsDialog, changes: list[tuple[str, Any]]) -> None:
    for declared in declared_settings():
        dialog.show_values({declared.name: declared.default})
    dialog.show_values(
        {"answers.speed": 1.5, "turns.mode": "manual", "connection.model": "x", "presets": {"a": "b"}}
    )
    assert changes == []
    assert inside(dialog, "answers.speed", QDoubleSpinBox).value() == 1.5
    assert inside(dialog, "connection.model", QComboBox).currentText() == "x"


def test_what_is_being_typed_is_not_overwritten(dialog: SettingsDialog) -> None:
    line = inside(dialog, "local.chat_url", QLineEdit)
    line.setFocus()
    QTest.keyClicks(line, "http://")
    dialog.show_values({"local.chat_url": "http://other"})
    assert line.text() == "http://"


def test_a_limit_that_is_off_is_called_so(dialog: SettingsDialog, changes: list[tuple[str, Any]]) -> None:
    spin = inside(dialog, "answers.max_tokens", QDoubleSpinBox)
    assert spin.text() == "No limit"
    dialog.show_values({"answers.max_tokens": 300})
    assert spin.text() == "300 tokens"
    slider = inside(dialog, "answers.max_tokens", QSlider)
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_Home)
    assert changes == [("answers.max_tokens", 0)]


def test_the_wheel_scrolls_the_page_and_sets_nothing(
    dialog: SettingsDialog, changes: list[tuple[str, Any]]
) -> None:
    for kind in (QComboBox, QDoubleSpinBox, QSlider):
        for widget in dialog.findChildren(kind):
            QTest.qWait(0)
            assert not _wheel(widget)
    assert changes == []


def _wheel(widget: QWidget) -> bool:
    """Turn the wheel over a widget; return whether the widget took it."""
    from PySide6.QtCore import QPoint, QPointF
    from PySide6.QtGui import QWheelEvent

    event = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    type(widget).wheelEvent(widget, event)
    return event.isAccepted()


# --- refused, waiting ---------------------------------------------------------------------------


def test_a_refused_setting_goes_back_and_says_why(dialog: SettingsDialog) -> None:
    type_number(dialog)
    dialog.refuse("answers.speed", "The server does not take 1.2.")
    assert inside(dialog, "answers.speed", QDoubleSpinBox).value() == 1.0
    assert "The server does not take 1.2." in words(row(dialog, "answers.speed"))


def test_what_waits_for_the_next_session_says_so_and_can_have_one(dialog: SettingsDialog, qtbot: QtBot) -> None:
    type_choice(dialog)
    assert "next session" in words(row(dialog, "connection.model"))
    with qtbot.waitSignal(dialog.renewal_asked):
        button(dialog, "Begin it now").click()
    dialog.session_began()
    assert "next session" not in words(row(dialog, "connection.model"))
    assert "Begin it now" not in [b.text() for b in dialog.findChildren(QPushButton) if b.isVisible()]


def test_what_waits_and_is_refused_waits_no_more(dialog: SettingsDialog) -> None:
    type_choice(dialog)
    dialog.refuse("connection.model", "There is no such model.")
    assert not dialog._waiting.isVisible()


# --- what is shown ------------------------------------------------------------------------------


def test_settings_that_mean_nothing_here_are_hidden(dialog: SettingsDialog) -> None:
    def shown(name: str) -> bool:
        return row(dialog, name).isVisibleTo(dialog)

    assert not shown("turns.threshold")
    dialog.show_values({"turns.mode": "hands_free"})
    assert shown("turns.threshold")
    assert not shown("turns.eagerness")
    dialog.show_values({"turns.detection": "semantic_vad"})
    assert shown("turns.eagerness")
    assert not shown("turns.threshold")
    assert shown("answers.reasoning_effort")
    dialog.show_endpoint(local=True, reasons=False)
    assert not shown("answers.reasoning_effort")
    assert not shown("connection.model")


def test_a_choice_shows_its_consequences_at_once(dialog: SettingsDialog) -> None:
    box = inside(dialog, "answers.truncation", QComboBox)
    assert not row(dialog, "answers.retention_ratio").isVisibleTo(dialog)
    box.setCurrentIndex(1)
    box.activated.emit(1)
    assert row(dialog, "answers.retention_ratio").isVisibleTo(dialog)


def test_searching_finds_by_name_help_section_and_choice(dialog: SettingsDialog) -> None:
    for text, found in (
        ("headset", "audio.noise_reduction"),
        ("JAPANESE", "connection.language"),
        ("costs budget", "costs.budget_usd"),
        ("turns.mode", "turns.mode"),
    ):
        dialog._search.setText(text)
        assert [name for name, one in dialog._rows.items() if one.isVisibleTo(dialog)] == [found]
    dialog._search.setText("nothing of the kind")
    assert "Nothing is called that." in words(dialog)
    dialog._search.clear()
    assert row(dialog, "turns.mode").isVisibleTo(dialog)


def test_a_section_is_gone_to(dialog: SettingsDialog) -> None:
    dialog._search.setText("voice")
    dialog.go_to(MCP)
    QApplication.processEvents()
    assert dialog._search.text() == ""
    assert dialog._nav.currentItem().text() == MCP


@pytest.mark.parametrize("size", [(340, 480), (1400, 900)])
def test_nothing_is_wider_than_the_dialog(dialog: SettingsDialog, qtbot: QtBot, size: tuple[int, int]) -> None:
    dialog.show_tools([ToolLine("a_very_long_name_" * 4, "Words. " * 80, source="x" * 30, asks=True)])
    dialog.show_values(
        {"connection.profiles": [{"name": "n" * 50, "base_url": "https://host.example/" + "a" * 40}]}
    )
    QApplication.processEvents()
    dialog.resize(*size)
    qtbot.waitUntil(lambda: dialog._page.horizontalScrollBar().maximum() == 0)
    assert dialog.width() == size[0]


# --- panes --------------------------------------------------------------------------------------


def test_the_voice_is_chosen_typed_and_heard(dialog: SettingsDialog, qtbot: QtBot) -> None:
    dialog.show_voice(VoiceState(("anna", "ben"), "anna", locked=True, reason="Another voice takes a new session."))
    assert "takes a new session" in words(dialog)
    box = dialog._voice.findChild(QComboBox)
    assert isinstance(box, QComboBox)
    with qtbot.waitSignal(dialog.voice_chosen) as chosen:
        box.setCurrentIndex(1)
        box.activated.emit(1)
    assert chosen.args == ["ben"]
    box.setEditText("voice_123")
    with qtbot.waitSignal(dialog.voice_sample_asked) as asked:
        button(dialog, "Hear it").click()
    assert asked.args == ["voice_123"]


def test_presets_are_kept_used_and_removed(dialog: SettingsDialog, changes: list[tuple[str, Any]]) -> None:
    dialog.show_values({"presets": {"Pirate": "Talk like one.", "A & B": "x"}})
    actions = {action.text(): action for action in dialog._presets.menu().actions()}
    actions["Pirate"].trigger()
    assert changes == [("connection.instructions", "Talk like one.")]
    dialog._presets.keep("  Mine ")
    assert changes[-1] == ("presets", {"Pirate": "Talk like one.", "A & B": "x", "Mine": "Talk like one."})
    remove = {action.text(): action for action in actions["Remove"].menu().actions()}  # type: ignore[attr-defined]
    remove["A && B"].trigger()
    assert changes[-1] == ("presets", {"Pirate": "Talk like one."})


def test_tools_are_switched_and_trusted(dialog: SettingsDialog, qtbot: QtBot) -> None:
    dialog.show_tools([ToolLine("volume", "Sets the volume.", asks=True), ToolLine("time", "Tells it.")])
    with qtbot.waitSignal(dialog.tool_switched) as switched:
        button(dialog, "Allow time").click()
    assert switched.args == ["time", False]
    with qtbot.waitSignal(dialog.tool_trusted) as trusted:
        button(dialog, "volume need not ask").click()
    assert trusted.args == ["volume", True]
    assert "time need not ask" not in [box.accessibleName() for box in dialog.findChildren(QCheckBox)]


def test_a_file_of_tools_is_switched_on_as_it_was_shown(dialog: SettingsDialog, qtbot: QtBot) -> None:
    lines = [ToolFileLine("a.py", "digest", "off", offers=("f(x: int)",), imports=("os",), problem="Broken.")]
    dialog.show_tool_files("/home/me/tools", lines)
    for text in ("/home/me/tools", "f(x: int)", "It uses os.", "Broken."):
        assert text in "\n".join(label.text() for label in dialog.findChildren(QLabel))
    with qtbot.waitSignal(dialog.tool_file_switched) as switched:
        button(dialog, "Run a.py").click()
    assert switched.args == ["a.py", "digest", True]
    with qtbot.waitSignal(dialog.tools_folder_asked):
        button(dialog, "Open the folder").click()
    with qtbot.waitSignal(dialog.lists_asked):
        button(dialog, "Look again").click()


def test_mcp_servers_are_pasted_and_what_is_wrong_stays_to_be_mended(
    dialog: SettingsDialog, changes: list[tuple[str, Any]], qtbot: QtBot
) -> None:
    field = dialog._mcp.findChild(QPlainTextEdit)
    assert isinstance(field, QPlainTextEdit)
    use = button(dialog, "Use these servers")
    assert not use.isEnabled()
    field.setPlainText('{"mcpServers": ')
    use.click()
    assert changes == [("tools.mcp", '{"mcpServers": ')]
    dialog.refuse("tools.mcp", "This is no JSON.")
    assert "This is no JSON." in "\n".join(label.text() for label in dialog._mcp.findChildren(QLabel))
    assert field.toPlainText() == '{"mcpServers": '
    dialog.show_servers([ServerLine("wiki", "does not work", works=False, problem="No answer.")])
    with qtbot.waitSignal(dialog.mcp_restart_asked) as asked:
        button(dialog, "Start wiki again").click()
    assert asked.args == ["wiki"]


def test_an_endpoint_is_added_changed_and_removed_and_its_key_goes_elsewhere(
    dialog: SettingsDialog, changes: list[tuple[str, Any]], qtbot: QtBot
) -> None:
    pane = dialog._endpoints
    button(pane, "Add an endpoint").click()
    lines = {line.accessibleName(): line for line in pane.findChildren(QLineEdit)}
    save = button(pane, "Save")
    assert not save.isEnabled()
    lines["Name"].setText(" work ")
    lines["Address"].setText("https://host/v1")
    lines["Key"].setText("sk-secret")
    with qtbot.waitSignal(dialog.key_entered) as key:
        save.click()
    assert key.args == ["work", "sk-secret"]
    entry = {"name": "work", "base_url": "https://host/v1", "kind": "compatible", "dialect": "ga"}
    assert changes == [("connection.profiles", [entry])]
    assert "sk-secret" not in repr(changes)
    assert lines["Key"].text() == ""
    assert lines["Key"].echoMode() is QLineEdit.EchoMode.Password

    kept = {**entry, "voices": ["a"]}
    dialog.show_values({"connection.profiles": [kept, "not an entry"]})
    button(pane, "Edit work").click()
    lines["Model or deployment"].setText("voice-1")
    with qtbot.assertNotEmitted(dialog.key_entered):
        save.click()
    assert changes[-1] == ("connection.profiles", [{**kept, "model": "voice-1"}])
    button(pane, "Remove work").click()
    assert changes[-1] == ("connection.profiles", [])
    dialog.refuse("connection.profiles", "Its address is none.")
    assert "Its address is none." in "\n".join(label.text() for label in pane.findChildren(QLabel))


def test_costs_tell_what_was_spent_and_how_old_the_prices_are(dialog: SettingsDialog) -> None:
    dialog.show_costs("$0.04 here", "2026-11-20")
    dialog.show_costs("$0.05 here", "")
    shown = "\n".join(label.text() for label in dialog.findChildren(QLabel))
    assert "$0.05 here" in shown
    assert "2026-11-20" in shown


# --- the window ---------------------------------------------------------------------------------


def test_the_window_opens_it_and_what_was_told_before_is_shown(window: MainWindow, qtbot: QtBot) -> None:
    desk = window.settings
    desk.show_values({**values_of(Settings()), "turns.mode": "hands_free"})
    desk.show_choices("connection.model", [("", "The default"), ("m1", "Model 1")])
    desk.show_endpoint(local=False, reasons=False)
    desk.show_tools([ToolLine("volume", "Sets it.")])
    window.show_voice(VoiceState(("anna",), "anna"))
    window.show_spending("$0.01", "$0.02")
    assert window.findChild(SettingsDialog) is None
    with qtbot.waitSignal(desk.lists_asked):
        QTest.keyClick(window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    dialog = window.findChild(SettingsDialog)
    assert isinstance(dialog, SettingsDialog)
    assert not dialog.isModal()
    assert inside(dialog, "turns.mode", QComboBox).currentText() == "Hands-free"
    assert inside(dialog, "connection.model", QComboBox).findText("Model 1") == 1
    shown = "\n".join(label.text() for label in dialog.findChildren(QLabel))
    assert "volume" in shown
    assert "$0.02 today" in shown
    with qtbot.waitSignal(desk.setting_changed) as changed:
        use_choice(dialog)
    assert changed.args == ["audio.noise_reduction", "far_field"]
    desk.show_setting_refused("audio.noise_reduction", "Not here.")
    assert "Not here." in words(dialog._rows["audio.noise_reduction"])
    with qtbot.waitSignal(window.voice_chosen):
        dialog.voice_chosen.emit("ben")
    dialog.close()
    desk.open(MCP)
    assert window.findChildren(SettingsDialog) == [dialog]
    assert dialog.isVisible()
