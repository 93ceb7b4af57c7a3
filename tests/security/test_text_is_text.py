"""Text of strangers is shown as text, everywhere: no markup, no picture from elsewhere, nothing that disguises."""

from __future__ import annotations

import ast
import re
import socket
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from PySide6.QtCore import QBuffer, QByteArray, QIODevice, Qt
from PySide6.QtGui import QAction, QImage
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop_app.conversation.effects import AsideState, ConnectionInfo, Consent, VoiceState
from desktop_app.conversation.entries import Entry, EntryStatus, Role, ToolUse
from desktop_app.conversation.inputs import AsideKind
from desktop_app.conversation.past import PastConversation, PastEntry
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.settings import Settings, values_of
from desktop_app.ui.labels import PlainLabel
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.plain import ODD, unmistakable, visible
from desktop_app.ui.row_shapes import RowShapes
from desktop_app.ui.settings_lists import ServerLine, ToolFileLine, ToolLine
from desktop_app.ui.theme import Appearance, Theme, plain_action, plain_tip
from desktop_app.ui.transcript import TranscriptView

UI = Path(__file__).parents[2] / "desktop_app" / "ui"
OVERRIDE = "\u202e"
DISGUISES = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


# --- the words themselves -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode, 日本語, 👩\u200d👩\u200d👧, tab\tline\n", None),
        ("שלום \u200fעולם\u200e, \u2067עברית\u2069", None),
        (f"harmless{OVERRIDE}gpj.exe", f"harmless{ODD}gpj.exe"),
        ("\u202aa\u202c\u202db\u202c", f"{ODD}a{ODD}{ODD}b{ODD}"),
        ("a\x1b[2Jb\x00c\x7fd\x9be", f"a\u241b[2Jb\u2400c\u2421d{ODD}e"),
        ("one\r\ntwo\rthree\u2028four", "one\u200b\ntwo\nthree\nfour"),
        ("half \ud83d of one", f"half {ODD} of one"),
    ],
)
def test_what_disguises_is_made_visible_character_for_character(text: str, shown: str | None) -> None:
    assert visible(text) == (text if shown is None else shown)
    assert len(visible(text)) == len(text), "positions in a text stay right"


def test_in_names_and_addresses_what_nobody_sees_is_named() -> None:
    assert unmistakable("pay\u200bpal\ufeff\u2067x\u2069\U000e0041") == (
        "pay‹U+200B›pal‹U+FEFF›‹U+2067›x‹U+2069›‹U+E0041›"
    )
    assert unmistakable("Ümläut & 日本 👩\u200d🚀") == "Ümläut & 日本 👩\u200d🚀"
    assert plain_action(f"A & B{OVERRIDE}") == f"A && B{ODD}"
    assert plain_tip(f"<b>{OVERRIDE}") == f"<span>&lt;b&gt;{ODD}</span>"


# --- no way around it ---------------------------------------------------------------------------

BANNED = {
    "QMessageBox": "it takes what looks like HTML for HTML",
    "QErrorMessage": "it shows HTML",
    "QTextBrowser": "it shows HTML and follows links",
    "QTextEdit": "what is pasted into it may be HTML; use QPlainTextEdit",
    "QWhatsThis": "it shows HTML",
    "setHtml": "nothing here is HTML",
    "setMarkdown": "nothing here is Markdown",
    "toHtml": "nothing here is HTML",
    "setOpenExternalLinks": "a link is opened only after a question that shows where it goes",
    "RichText": "nothing here is HTML",
    "AutoText": "nothing here is HTML",
    "MarkdownText": "nothing here is Markdown",
}


def sources() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text("utf-8"))) for path in sorted(UI.glob("**/*.py"))]


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_nothing_that_reads_markup_is_used() -> None:
    for path, tree in sources():
        names = {name_of(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)}
        for name in names & BANNED.keys():
            pytest.fail(f"{path.name} uses {name}: {BANNED[name]}")


def test_labels_are_made_of_plain_text() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node.func) == "QLabel":
                pytest.fail(f"{path.name}, line {node.lineno}: use PlainLabel, QLabel takes text for HTML")
            if isinstance(node, ast.ClassDef) and path.name != "labels.py":
                assert "QLabel" not in map(name_of, node.bases), f"{path.name}: derive from PlainLabel"


def is_our_own(node: ast.expr) -> bool:
    """Return whether a tooltip's text is escaped, or written by us: a constant, one of several, of a table."""
    match node:
        case ast.Constant(value=str(text)):
            return "<" not in text
        case ast.IfExp():
            return is_our_own(node.body) and is_our_own(node.orelse)
        case ast.Call():
            return name_of(node.func) == "plain_tip"
        case ast.Name(id=name):
            return name in ("tip", "name")
        case ast.Subscript():
            return name_of(node.value).isupper()
        case _:
            return False


def test_tooltips_are_escaped() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node.func) in ("setToolTip", "setStatusTip", "setWhatsThis"):
                assert is_our_own(node.args[-1]), f"{path.name}, line {node.lineno}: use plain_tip"


# --- the window ---------------------------------------------------------------------------------


class Listener:
    """A web server's port; notes whether anybody came."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.came = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            self.came += 1
            caller.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication) -> Iterator[MainWindow]:
    theme = Theme(qapp, Appearance.LIGHT, reduced_motion=True)
    made = MainWindow(theme)
    qtbot.addWidget(made)
    made.resize(900, 1400)
    made.show()
    yield made
    for widget in QApplication.topLevelWidgets():
        widget.hide()
    theme.deleteLater()


def hostile(port: int, where: str) -> str:
    """Return what a stranger might say, different in every place."""
    return (
        f'<h1>{where}</h1><img src="http://127.0.0.1:{port}/{where}.png"><a href="file:///etc/passwd">x</a>'
        f"{OVERRIDE}gpj.exe\x1b[2J&lt;b&gt; & <b>bold</b>"
    )


def feed(window: MainWindow, port: int) -> None:
    """Say it everywhere: as the model, a tool, a server, a file, a device, an endpoint."""

    def say(where: str) -> str:
        return hostile(port, where)

    for number, role in enumerate(Role):
        entry = Entry(f"item_{number}", role, say(role.value), EntryStatus.COMPLETED, remark=say("remark"))
        window.show_entry(entry, f"item_{number - 1}" if number else None)
    tool = ToolUse("call_1", say("tool"), say("arguments"), server=say("server"), output=say("output"), seconds=1.0)
    window.show_entry(Entry("item_tool", Role.TOOL, tool=tool, status=EntryStatus.COMPLETED), "item_0")
    window.show_cost("item_0", say("cost"))
    window.show_spending("$0.10", "$0.20")
    window.set_endpoint_name(say("endpoint"), say("note"))
    window.show_progress(say("progress"), 0.5)
    window.show_voice(VoiceState((say("voice"), "other"), say("voice"), locked=True, reason=say("reason")))
    window.show_title(say("title"), say("topic"))
    window.show_connection(ConnectionInfo(session_id=say("session"), model=say("model")))
    for severity in Severity:
        notice = Notice(
            say("notice"), say("hint"), severity, severity.value, NoticeAction.COPY_DETAILS, say("details")
        )
        window.show_notice(notice)
    window.show_aside(AsideState(1, AsideKind.SUMMARY, say("summary"), done=True))
    window.show_aside(AsideState(2, AsideKind.REPLIES, f"{say('reply')}\n{say('reply2')}", done=True))
    window.ask_consent(
        Consent("call_2", say("asked"), '{"a": "' + "b" * 30 + '"}', say("mcp"), source=say("source"))
    )
    window.ask_consent(
        Consent("call_3", "t", "{}", question=f"{say('question')}\n{say('details')}", remark=say("r"))
    )
    png = QByteArray()
    buffer = QBuffer(png)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture = QImage(8, 8, QImage.Format.Format_RGB32)
    picture.fill(Qt.GlobalColor.red)
    picture.save(buffer, "PNG")  # type: ignore[call-overload]
    window.add_image(f"data:image/png;base64,{bytes(png.toBase64().data()).decode()}", say("file"))
    desk = window.settings
    desk.show_values(values_of(Settings()))
    desk.show_choices("audio.input_device", [("x", say("microphone"))])
    desk.show_choices("connection.model", [(say("m"), say("m"))])
    desk.show_tools([ToolLine(say("name"), say("description"), say("whose"), asks=True)])
    desk.show_tool_files(
        say("folder"),
        [ToolFileLine(say("py"), "0", "off", offers=(say("sign"),), imports=(say("imp"),), problem=say("problem"))],
    )
    desk.show_servers([ServerLine(say("name"), say("state"), works=False, tools=(say("t"),), problem=say("p"))])
    desk.open()
    past = PastConversation(
        1, 0.0, 1.0, title=say("past"), topic=say("pasttopic"), opening=say("opening"), entries=1
    )
    window.show_past(past, [PastEntry(Entry("old", Role.USER, say("old")), 0.0)])
    window.show_present()


def widgets() -> list[QWidget]:
    return QApplication.allWidgets()


def shown_texts() -> Iterator[tuple[str, str]]:
    """Yield every text that a widget shows as it is, with where."""
    for widget in widgets():
        yield "window title", widget.windowTitle()
        if isinstance(widget, QLabel | QAbstractButton):
            yield type(widget).__name__, widget.text()
        if isinstance(widget, QPlainTextEdit) and widget.isReadOnly():
            yield "what a tool is given", widget.toPlainText()
        if isinstance(widget, QComboBox):
            yield from (("choice", widget.itemText(number)) for number in range(widget.count()))
        for action in widget.findChildren(QAction):
            if isinstance(action.parent(), QMenu):
                yield "menu", action.text()


def test_hostile_text_is_text_wherever_the_window_shows_it(
    window: MainWindow, listener: Listener, qtbot: QtBot
) -> None:
    feed(window, listener.port)
    qtbot.wait(50)
    QApplication.processEvents()

    labels = [widget for widget in widgets() if isinstance(widget, QLabel)]
    fed = [label for label in labels if "<h1>" in label.text().replace("\u200b", "")]
    assert len(fed) >= 15, "the text came to the labels"
    for label in labels:
        if label.text():
            assert label.textFormat() is Qt.TextFormat.PlainText, label.text()
        assert not label.openExternalLinks()
        assert not label.textInteractionFlags() & Qt.TextInteractionFlag.LinksAccessibleByMouse
    assert not [widget for widget in widgets() if isinstance(widget, QTextEdit)]
    for place, text in shown_texts():
        assert not DISGUISES.search(text), f"{place}: {text!r}"
    for widget in widgets():
        tip = widget.toolTip()
        assert not DISGUISES.search(tip)
        inner = re.sub(r"^<span>(.*)</span>$", r"\1", tip, flags=re.S)
        assert "<" not in inner, f"a tooltip with markup: {tip!r}"
        if "h1" in inner:
            assert "<h1>" in unescape(inner), "shown as it was said"
    window.grab()
    assert listener.came == 0, "something was fetched"


def test_rows_are_laid_out_as_the_text_they_are(window: MainWindow, listener: Listener) -> None:
    feed(window, listener.port)
    view = window.findChild(TranscriptView)
    assert view is not None
    shapes = RowShapes(view._theme)
    rows = [window.transcript.entry(row) for row in range(window.transcript.rowCount())]
    assert len(rows) == len(Role) + 1

    for entry in rows:
        shape = shapes.build(entry, 800)
        laid_out = shape.body.text()
        if entry.tool is None:
            assert laid_out == visible(hostile(listener.port, entry.role.value))
        assert not DISGUISES.search(laid_out)
        assert shape.note is None or not DISGUISES.search(shape.note.text())
        assert entry.tool is None or not DISGUISES.search(
            entry.tool.name + entry.tool.arguments + entry.tool.output
        )


def test_a_label_paints_the_letters_of_markup(qtbot: QtBot) -> None:
    text = "<b>bold</b> &amp; <img src='x.png'>"
    ours, plain, rich = PlainLabel(text), QLabel(), QLabel(text)
    plain.setTextFormat(Qt.TextFormat.PlainText)
    plain.setText(text)
    for label in (ours, plain, rich):
        qtbot.addWidget(label)
        label.resize(400, 40)

    assert ours.grab().toImage() == plain.grab().toImage()
    assert ours.grab().toImage() != rich.grab().toImage()
