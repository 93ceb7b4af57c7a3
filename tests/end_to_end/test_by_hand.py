"""What a user does with the mouse and the keys in the running program, and what the server sees of it.

Menus, dialogs and the overlay of a screenshot are the real ones; they are found by what a user reads on them.
"""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QInputDialog,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QWidget,
)

from desktop_app.conversation.entries import Entry, Role
from desktop_app.conversation.inputs import AsideKind
from desktop_app.protocol import events as wire
from desktop_app.settings import declared_settings
from desktop_app.ui import screenshot
from desktop_app.ui.screenshot import RegionOverlay
from desktop_app.ui.settings_dialog import SettingsDialog
from desktop_app.ui.transcript import TranscriptView
from tests.bench.sound import noise
from tests.conftest import RunAsync
from tests.end_to_end.test_everything import ask, asked_beside, created_items, talking
from tests.harness.inside import User, program
from tests.harness.mind import Mind, Say
from tests.harness.scripted_server import ScriptedServer
from tests.harness.sound import VirtualSound

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

W = TypeVar("W", bound=QWidget)
LABELS = {one.name: one.setting.label for one in declared_settings()}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key the scripted server wants."""
    monkeypatch.setenv("OPENAI_API_KEY", ScriptedServer.token)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def named(inside: QWidget, kind: type[W], words: str) -> W:
    """Return the control that is called so."""
    found = [widget for widget in inside.findChildren(kind) if words in (widget.accessibleName(), _text(widget))]
    assert found, f"no {kind.__name__} called «{words}»"
    return found[0]


def _text(widget: QWidget) -> str:
    return widget.text().strip() if isinstance(widget, QAbstractButton) else ""


def press(widget: QWidget, *keys: Qt.Key) -> None:
    """Press keys, one after the other."""
    for each in keys:
        QTest.keyClick(widget, each)


def click(button: QWidget) -> None:
    """Click in the middle of it."""
    assert button.isEnabled(), button.accessibleName()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


async def choose(user: User, menu: QMenu, words: str) -> None:
    """Choose from a menu that is open, by its arrow keys."""
    action = next(each for each in menu.actions() if each.text().replace("&", "") == words)
    assert action.isEnabled(), words
    for _ in range(2 * len(menu.actions())):
        if menu.activeAction() is action:
            break
        press(menu, Qt.Key.Key_Down)
    assert menu.activeAction() is action, words
    press(menu, Qt.Key.Key_Return)
    await asyncio.sleep(0)


# --- the settings -------------------------------------------------------------------------------


async def opened(user: User) -> SettingsDialog:
    """Open the settings by their key."""
    QTest.keyClick(user.window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    if user.window.findChild(SettingsDialog) is None:  # a platform without a focus passes no shortcuts on
        user.window._open_settings.trigger()
    dialog = user.window.findChild(SettingsDialog)
    assert dialog is not None
    await user.until(dialog.isVisible, "the dialog")
    return dialog


def set_number(dialog: SettingsDialog, name: str, value: str) -> None:
    """Type a number."""
    box = named(dialog, QAbstractSpinBox, LABELS[name])
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, value)
    press(box, Qt.Key.Key_Return)


def set_choice(dialog: SettingsDialog, name: str, words: str) -> None:
    """Choose by the arrow keys."""
    box = named(dialog, QComboBox, LABELS[name])
    box.setFocus()
    press(box, Qt.Key.Key_Home)
    while box.currentText() != words:
        at = box.currentIndex()
        press(box, Qt.Key.Key_Down)
        assert box.currentIndex() != at, f"no choice «{words}»"


def in_force(server: ScriptedServer, *path: str) -> Any:
    """Return what the server was told last at a path of the session, as it stood on the wire; None: never."""
    told = None
    for frame in server.frames:
        raw = json.loads(frame)
        value: Any = raw.get("session") if raw["type"] == "session.update" else None
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        told = value if value is not None else told
    return told


@pytest.mark.sound
def test_every_setting_of_the_model_is_seen_on_the_wire(
    run_async: RunAsync, tmp_path: Path, sound: VirtualSound
) -> None:
    async def story() -> None:
        async with talking(tmp_path, "Aye.") as (user, server):

            async def arrives(value: object, *path: str) -> None:
                await user.until(lambda: in_force(server, *path) == value, f"{'.'.join(path)} = {value}")

            dialog = await opened(user)
            set_number(dialog, "answers.speed", "1.25")
            await arrives(1.25, "audio", "output", "speed")
            set_choice(dialog, "answers.modality", "In writing")
            await arrives(["text"], "output_modalities")
            set_choice(dialog, "audio.noise_reduction", "For a laptop or a room")
            await arrives({"type": "far_field"}, "audio", "input", "noise_reduction")
            set_choice(dialog, "answers.reasoning_effort", "High")
            await arrives({"effort": "high"}, "reasoning")
            set_choice(dialog, "answers.parallel_tools", "One after the other")
            await arrives(False, "parallel_tool_calls")
            set_number(dialog, "answers.max_tokens", "777")
            await arrives(777, "max_output_tokens")
            set_choice(dialog, "answers.truncation", "Forget more at once: cheaper")
            await arrives("retention_ratio", "truncation", "type")
            set_number(dialog, "answers.retention_tokens", "5000")
            await arrives(5000, "truncation", "token_limits", "post_instructions")
            set_choice(dialog, "transcription.model", "gpt-realtime-whisper")
            await arrives("gpt-realtime-whisper", "audio", "input", "transcription", "model")
            set_choice(dialog, "connection.language", "German")
            await arrives("de", "audio", "input", "transcription", "language")
            click(named(dialog, QAbstractButton, LABELS["answers.tracing"]))
            await arrives("auto", "tracing")
            set_choice(dialog, "turns.mode", "Hands-free")
            set_choice(dialog, "turns.detection", "By its meaning")
            set_choice(dialog, "turns.eagerness", "Patient")
            await arrives("low", "audio", "input", "turn_detection", "eagerness")
            assert not user.notices(), "the server took them all"
            dialog.close()
            await ask(user, "Ready?", "Aye.")

    run_async(story(), deadline_s=60)


def test_what_waits_for_a_session_says_so_until_there_is_one(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path) as (user, server):
            dialog = await opened(user)
            click(named(dialog, QAbstractButton, LABELS["answers.tracing"]))
            await user.until(dialog._waiting.isVisible, "it waits")
            click(next(b for b in dialog._waiting.findChildren(QAbstractButton)))
            await user.until(lambda: server.connections == 2, "another session")
            await user.until(lambda: not dialog._waiting.isVisible(), "nothing waits any more")
            dialog.close()

    run_async(story(), deadline_s=30)


def test_instructions_are_kept_and_used_by_name(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path) as (user, server):
            dialog = await opened(user)
            field = named(dialog, QPlainTextEdit, LABELS["connection.instructions"])
            field.setFocus()
            field.selectAll()
            QTest.keyClicks(field, "Speak like a pirate.")
            presets = named(dialog, QAbstractButton, "Presets of instructions")
            await pick(user, presets, "Keep these as…")
            await user.until(lambda: dialog.findChild(QInputDialog), "the question for a name")
            question = dialog.findChild(QInputDialog)
            assert question is not None
            line = question.findChild(QLineEdit)
            assert line is not None
            QTest.keyClicks(line, "Pirate")
            press(line, Qt.Key.Key_Return)
            await user.until(lambda: user.running._preferences.settings.presets, "it is kept")
            await pick(user, presets, "Parley's own")
            await user.until(lambda: "You are Parley" in str(in_force(server, "instructions")), "the usual ones")
            await pick(user, presets, "Pirate")
            await user.until(lambda: in_force(server, "instructions") == "Speak like a pirate.", "the kept ones")
            dialog.close()

    run_async(story(), deadline_s=30)
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert kept["presets"] == {"Pirate": "Speak like a pirate."}


async def pick(user: User, button: QAbstractButton, words: str) -> None:
    """Open the menu of a button and choose from it."""
    menu = button.menu()  # type: ignore[attr-defined]
    menu.popup(button.mapToGlobal(QPoint(0, 0)))
    await user.until(menu.isVisible, "the menu")
    await choose(user, menu, words)


# --- rows ---------------------------------------------------------------------------------------


async def row_menu(user: User, *entries: Entry) -> QMenu:
    """Select rows with the mouse, and open their menu with the right button."""
    view = user.window.findChild(TranscriptView)
    assert view is not None
    model = user.window.transcript
    places = []
    for entry in entries:
        row = model.row_of(entry.item_id)
        assert row is not None
        places.append(view.visualRect(model.index(row)).center())
    control = Qt.KeyboardModifier.ControlModifier
    if len(places) > 1:
        for place in places:
            QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, control, place)
    QTest.mouseClick(view.viewport(), Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier, places[-1])
    if not _menus(view):  # offscreen, a press makes no context menu of its own
        from PySide6.QtGui import QContextMenuEvent

        at = places[-1]
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, view.viewport().mapToGlobal(at))
        QApplication.sendEvent(view.viewport(), event)
    await user.until(lambda: _menus(view), "the menu of the row")
    return _menus(view)[0]


def _menus(view: QWidget) -> list[QMenu]:
    return [menu for menu in view.findChildren(QMenu) if menu.isVisible()]


def test_the_menu_of_a_row(run_async: RunAsync, tmp_path: Path) -> None:
    beside: dict[str, str | Say] = {"about": "Just Ada.", "read aloud": Say("", noise(200, seed=1))}

    async def story() -> None:
        async with talking(tmp_path, "Ada.", "Blue.", "Grey.", beside=beside) as (user, server):
            ada = await ask(user, "Who wrote it?", "Ada.")
            blue = await ask(user, "Which colour?", "Blue.")

            await choose(user, await row_menu(user, ada), "Copy")
            assert QApplication.clipboard().text() == "Ada."

            await choose(user, await row_menu(user, blue), "Read aloud")
            await user.until(lambda: asked_beside(server, "read aloud"), "it is read aloud")
            assert str(asked_beside(server, "read aloud")[0].instructions).endswith("Blue.")

            await choose(user, await row_menu(user, ada, blue), "Ask about these 2 only…")
            user.types("What do they share?")
            await user.until(lambda: (c := user.cards(AsideKind.ABOUT)) and c[0].state.done, "the answer's card")
            (params,) = asked_beside(server, "about")
            assert isinstance(params.input, list)
            assert [item.id for item in params.input[:2]] == [ada.item_id, blue.item_id]

            question = user.entries(Role.USER)[1]
            await choose(user, await row_menu(user, question), "Edit and send again…")
            assert user.composer.text == "Which colour?"
            user.composer.line.selectAll()
            user.types("Which shade?")
            await user.sees("Grey.")
            assert user.texts() == ["Who wrote it?", "Ada.", "Which shade?", "Grey."]

            await choose(user, await row_menu(user, ada), "Forget this")
            await user.until(lambda: "Ada." not in user.texts(), "it is forgotten")
            await user.until(lambda: ada.item_id in deleted(server), "the server is told")

    run_async(story(), deadline_s=60)


@pytest.mark.sound
def test_what_was_said_is_put_right_and_sent_as_text(
    run_async: RunAsync, tmp_path: Path, sound: VirtualSound
) -> None:
    mind = Mind("Whose night?", "A knight.", beside={"title": "x"})
    mind.hears = "A night, please."

    async def story() -> None:
        async with ScriptedServer(mind) as server, program(tmp_path, server.url) as user:
            await user.sees_online()
            user.window.talk_pressed.emit()
            await user.until(lambda: user.window._turn.value == "listening", "it listens")
            await user.until(lambda: len(server.events(wire.InputAudioBufferAppend)) > 10, "something is said")
            user.window.talk_released.emit()
            await user.sees("Whose night?")
            await user.sees("A night, please.")
            (said,) = user.entries(Role.USER)
            assert said.spoken
            await choose(user, await row_menu(user, said), "Edit and send again…")
            assert user.composer.text == "A night, please."
            user.composer.line.selectAll()
            user.types("A knight, please.")
            await user.sees("A knight.")
            assert user.texts() == ["A knight, please.", "A knight."]
            (item,) = created_items(server)
            assert [part.type for part in item.parts] == ["input_text"]

    run_async(story(), deadline_s=40)


def deleted(server: ScriptedServer) -> list[str]:
    """Return the items that the client had deleted."""
    return [event.item_id for event in server.events(wire.ConversationItemDelete)]


# --- a screenshot of a region -------------------------------------------------------------------


def test_a_region_of_the_screen_goes_along(
    run_async: RunAsync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screenshot, "SETTLE_MS", 0, raising=False)

    async def story() -> None:
        async with talking(tmp_path, "A corner of a window.") as (user, server):
            await pick(user, named(user.window, QAbstractButton, "Attach"), "Screenshot of a region")
            await user.until(_overlays, "the screen to draw on")
            (overlay,) = _overlays()
            QTest.mousePress(overlay, Qt.MouseButton.LeftButton, pos=QPoint(50, 60))
            at = QPointF(250, 160)
            none = Qt.KeyboardModifier.NoModifier
            move = QMouseEvent(
                QEvent.Type.MouseMove, at, at, Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton, none
            )
            QApplication.sendEvent(overlay, move)
            QTest.mouseRelease(overlay, Qt.MouseButton.LeftButton, pos=at.toPoint())
            await user.until(lambda: user.composer.images, "the picture in the line")
            await ask(user, "What is this?", "A corner of a window.")
            (item,) = created_items(server)
            _, _, data = str(item.parts[1].image_url).partition(";base64,")
            sent = QImage.fromData(base64.b64decode(data))
            assert (abs(sent.width() - 200), abs(sent.height() - 100)) <= (2, 2)

    run_async(story(), deadline_s=40)


def _overlays() -> list[RegionOverlay]:
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, RegionOverlay) and w.isVisible()]
