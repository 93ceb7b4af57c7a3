"""A key is used in a long run of the real program, against a server and tools that repeat it at every turn.

Afterwards it is found nowhere: no file, no log, no report of a crash, no command line, no environment of a child
that does not need it, nothing the window shows or copies.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

from desktop_app.options import Options
from desktop_app.program import converse
from desktop_app.protocol import events as wire
from desktop_app.secrecy import MARK, Environment, Redaction
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.notices import NoticeCard
from desktop_app.ui.theme import Appearance, Theme
from tests.conftest import RunAsync
from tests.end_to_end.conftest import Running, Start, start
from tests.harness import processes
from tests.harness.mind import Call, Mind
from tests.harness.processes import wait_until
from tests.harness.scripted_server import Caller, ScriptedServer, error
from tests.harness.sound import VirtualSound
from tests.security.canary import (
    canary,
    environments,
    found_in,
    found_in_command_lines,
    found_in_files,
)

__all__ = ["start"]

LEAKY_MCP = Path(__file__).parent / "leaky_mcp.py"
LEAKY_TOOL = textwrap.dedent(
    '''
    import json
    import os


    def tell_all() -> str:
        """Tell everything this process knows."""
        return json.dumps(dict(os.environ))


    def break_down() -> str:
        """Fail with everything this process knows."""
        raise RuntimeError(json.dumps(dict(os.environ)))
    '''
)
TOOLS = ["tell_all", "break_down", "near__leak", "near__fail", "far__leak", "far__fail"]


class Echoing(Mind):
    """A server that repeats every secret it is given, and some more."""

    def __init__(self, *replies: Any, said: str) -> None:
        super().__init__(*replies, beside={"title": "A test | testing"})
        self.said = said

    async def __call__(self, caller: Caller) -> None:
        """Serve one connection."""
        self._told = False
        await super().__call__(caller)

    async def _take(self, caller: Caller, event: wire.ClientEvent) -> None:
        if isinstance(event, wire.ConversationItemCreate) and "hang up" in str(event.item.parts):
            await caller.close(1011, f"invalid key {self.said}")
            return
        await super()._take(caller, event)
        if isinstance(event, wire.SessionUpdate) and not self._told:
            self._told = True
            coded = base64.b64encode(f"Bearer {self.said}".encode()).decode()
            text = f"Incorrect API key provided: {self.said}, {coded}."
            await caller.send(error("invalid_api_key", text))
            body = {"type": "x", "message": text, "code": self.said}
            await caller.send_raw(json.dumps({"type": "error", "event_id": "e", "error": body}))
            await caller.send_raw(json.dumps({"type": f"unknown.{self.said}"}))
            await caller.send_raw(f"no JSON, but {self.said}")


def put_tools(profile: Path, tools: dict[str, Any], connection: dict[str, Any] | None = None) -> None:
    """Have a tool file of the user's own that is enabled, and these settings."""
    (profile / "tools").mkdir(parents=True)
    (profile / "tools" / "leaky.py").write_text(LEAKY_TOOL, "utf-8")
    digest = hashlib.sha256(LEAKY_TOOL.encode()).hexdigest()
    (profile / "enabled.json").write_text(json.dumps({"leaky.py": digest}), "utf-8")
    settings = {"tools": {"trusted": TOOLS, **tools}, "connection": connection or {}}
    (profile / "settings.json").write_text(json.dumps(settings), "utf-8")


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Run an MCP server elsewhere; return its address and the token it wants."""
    token = canary("far-")
    process = processes.start(
        [sys.executable, str(LEAKY_MCP), "http"], env={"LEAKY_TOKEN": token}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    yield f"http://127.0.0.1:{port}/mcp", token
    processes.stop(process)
    process.stdout.close()


@pytest.fixture(autouse=True)
def no_core_files() -> Iterator[None]:
    """Let a process that is killed leave its memory nowhere: that a system may keep it is no doing of ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def mcp_of(url: str) -> str:
    """Return the settings of both servers; their tokens are named, not written down."""
    near = {"command": sys.executable, "args": [str(LEAKY_MCP), "stdio"], "env": {"LEAKY_TOKEN": "${NEAR_TOKEN}"}}
    far = {"url": url, "headers": {"Authorization": "Bearer ${FAR_TOKEN}"}}
    return json.dumps({"mcpServers": {"near": near, "far": far}})


REPLIES = [
    tuple(Call(name) for name in TOOLS),
    "All of them have told everything they know.",
    "And once more after a lost connection.",
]


async def offered(server: ScriptedServer, names: list[str]) -> None:
    """Wait until the server was told of these tools."""

    def known() -> bool:
        updates = server.events(wire.SessionUpdate)
        tools = {tool.name for update in updates for tool in update.session.tools or ()}
        return set(names) <= tools

    await asyncio.to_thread(wait_until, known, "the tools", 90)


async def received(server: ScriptedServer, kind: type[Any], count: int) -> None:
    """Wait until so many events of a kind have come."""
    await asyncio.to_thread(wait_until, lambda: len(server.events(kind)) >= count, kind.__name__, 60)


@pytest.mark.sound
@pytest.mark.screen
@pytest.mark.parametrize(
    "end",
    ["crashed", pytest.param("closed", marks=pytest.mark.slow), pytest.param("killed", marks=pytest.mark.slow)],
)
async def test_a_key_is_found_nowhere_after_a_long_run(
    start: Start, tmp_path: Path, far: tuple[str, str], end: str
) -> None:
    url, far_token = far
    temporary = tmp_path / "temporary"
    await asyncio.to_thread(temporary.mkdir)
    key, work, near_token = canary("sk-"), canary("work-"), canary("near-")
    ours = {
        "OPENAI_API_KEY": key,
        "OPENAI_ORG_ID": canary("org-"),
        "OPENAI_PROJECT_ID": canary("proj_"),
        "AZURE_OPENAI_API_KEY": canary("azure-"),
        "XAI_API_KEY": canary("xai-"),
        "PARLEY_CHAT_KEY": canary("chat-"),
        "WORK_REALTIME": work,
        "NEAR_TOKEN": near_token,
        "FAR_TOKEN": far_token,
    }
    profiles = [{"name": "Work", "kind": "compatible", "base_url": "http://h/v1", "key_variable": "WORK_REALTIME"}]
    put_tools(tmp_path / "profile", {"mcp": mcp_of(url)}, {"profiles": profiles})
    mind = Echoing(*REPLIES, said=key)
    async with ScriptedServer(mind) as server:
        env: dict[str, str | None] = {**ours, "TMPDIR": str(temporary), "PYTHONFAULTHANDLER": "1"}
        running: Running = await asyncio.to_thread(start, "--endpoint", server.url, "--log-level", "debug", env=env)
        await offered(server, TOOLS)
        await type_in(running, "tell me all")
        await received(server, wire.ResponseCreate, 2)
        await type_in(running, "hang up")
        await asyncio.to_thread(wait_until, lambda: server.connections >= 2, "another connection", 60)
        whole = psutil.Process(running.process.pid)

        assert not found_in_command_lines(ours.values())
        started = list(environments(whole))
        assert any("leaky_mcp" in line for line, _ in started)
        assert any("--run-tool-file" in line for line, _ in started)
        for line, variables in started:
            needed = [near_token] if "leaky_mcp" in line else []
            others = [value for value in ours.values() if value not in needed]
            assert not found_in(json.dumps(variables), others), line

        if end == "closed":
            assert await asyncio.to_thread(running.close) == 0
        else:
            running.process.send_signal(signal.SIGABRT if end == "crashed" else signal.SIGKILL)
            await asyncio.to_thread(running.process.wait, 30)
        server.forgive()
        # What the program itself said to the server holds no other secret than the one for the handshake.
        assert server.requests[0].headers["Authorization"] == f"Bearer {key}"
        assert not found_in("\n".join(server.frames), ours.values())

    log = running.said()
    assert "connecting to" in log, "the log says much"
    assert MARK in log, "and names no key"
    if end == "crashed":
        assert "Fatal Python error: Aborted" in log
    assert not found_in(log, ours.values())
    assert not await asyncio.to_thread(found_in_files, tmp_path / "profile", ours.values())
    assert not await asyncio.to_thread(found_in_files, temporary, ours.values())


async def type_in(running: Running, text: str) -> None:
    """Type a line and send it."""
    await asyncio.to_thread(running.screen.focus, running.window)
    await asyncio.to_thread(running.screen.type, text)
    await asyncio.to_thread(running.screen.tap, "Return")


@pytest.mark.sound
@pytest.mark.screen
@pytest.mark.parametrize("talks", [False, pytest.param(True, marks=pytest.mark.slow)])
async def test_the_offline_assistant_gets_the_chat_key_and_no_other(
    start: Start, tmp_path: Path, talks: bool
) -> None:
    chat = canary("chat-")
    others = {"OPENAI_API_KEY": canary("sk-"), "XAI_API_KEY": canary("xai-"), "SOME_TOKEN": canary("some-")}
    asked: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Repeat the key, as some servers do."""
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = json.dumps({"error": {"message": f"Incorrect API key provided: {chat}", "code": chat}})
        head = f"HTTP/1.1 401 No {chat}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        env: dict[str, str | None] = {
            **others,
            "PARLEY_CHAT_KEY": chat,
            "PARLEY_CHAT_URL": f"http://127.0.0.1:{port}/v1",
            "PARLEY_CHAT_MODEL": "m",
            "PARLEY_WEIGHTS_DIR": str(tmp_path / "none"),
            "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        }
        running: Running = await asyncio.to_thread(start, "--endpoint", "local", "--log-level", "debug", env=env)

        def child() -> list[tuple[str, dict[str, str]]]:
            started = environments(psutil.Process(running.process.pid))
            return [(line, variables) for line, variables in started if "--serve-local" in line]

        ((_, variables),) = await asyncio.to_thread(wait_until, child, "the local server", 60)
        assert variables["PARLEY_CHAT_KEY"] == chat
        assert not found_in(json.dumps(variables), others.values())
        if talks:
            await asyncio.to_thread(wait_until, lambda: "engines loaded" in running.said(), "the engines", 60)
            await type_in(running, "Who wrote the Iliad, and what is it about in one sentence?")
            await asyncio.to_thread(wait_until, lambda: asked, "the chat server", 60)
            assert f"Bearer {chat}" in asked[0]
        assert not found_in_command_lines([chat, *others.values()])
        assert await asyncio.to_thread(running.close) == 0

    secrets = [chat, *others.values()]
    assert not found_in(running.said(), secrets)
    assert not await asyncio.to_thread(found_in_files, tmp_path / "profile", secrets)


# --- what the window shows ----------------------------------------------------------------------


def shown_by(window: QWidget) -> Iterator[str]:
    """Yield everything that can be read in the window, its tooltips and what a screen reader says of it."""
    for widget in [window, *window.findChildren(QWidget)]:
        yield from (widget.windowTitle(), widget.toolTip(), widget.accessibleName(), widget.accessibleDescription())
        if isinstance(widget, QLabel | QAbstractButton | QLineEdit):
            yield widget.text()
        elif isinstance(widget, QPlainTextEdit):
            yield widget.toPlainText()
        elif isinstance(widget, QAbstractItemView) and (model := widget.model()) is not None:
            roles = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole)
            for row in range(model.rowCount()):
                yield from (str(model.data(model.index(row, 0), role)) for role in roles)


@pytest.mark.sound
@pytest.mark.qt_log_ignore("This plugin does not support")
def test_neither_the_window_nor_the_clipboard_holds_a_key(
    run_async: RunAsync, qapp: QApplication, sound: VirtualSound, tmp_path: Path
) -> None:
    """Two endpoints, one with a key of the environment, one with a key that is typed; both repeat it."""
    key, typed = canary("ek_"), canary("sk-")
    seen: list[str] = []

    async def until(condition: Callable[[], object], what: str) -> None:
        for _ in range(6000):
            if condition():
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"{what}: never")

    def notices(window: MainWindow) -> list[NoticeCard]:
        return window.findChildren(NoticeCard)

    def look(window: MainWindow) -> None:
        seen.extend(shown_by(window))
        rows = [window.transcript.entry(row) for row in range(window.transcript.rowCount())]
        seen.extend(repr(row) for row in rows)
        seen.extend(repr(card.notice) for card in notices(window))

    async def story() -> None:
        first, second = Echoing(f"Your key is {key}.", said=key), Echoing("Yes.", said=typed)
        async with ScriptedServer(first) as server, ScriptedServer(second) as other:
            window = MainWindow(Theme(qapp, Appearance.LIGHT))
            window.show()
            environment = Environment({"OPENAI_API_KEY": key, "PATH": os.environ["PATH"]}, Redaction())
            options = Options(profile=tmp_path / "profile", endpoint=server.url)
            running = asyncio.ensure_future(converse(window, options, environment))
            await until(lambda: any("key" in card.notice.text for card in notices(window)), "the echoed key")
            window.message_entered.emit("What is my key?", (), False, False, ())
            await until(lambda: "Your key is" in repr(list(shown_by(window))), "the answer")

            def fail() -> None:
                raise RuntimeError(f"a header of {key}")

            asyncio.get_running_loop().call_soon(fail)
            bug = "Something went wrong inside Parley."
            await until(lambda: any(card.notice.text == bug for card in notices(window)), "the bug")
            card = next(card for card in notices(window) if card.notice.text == bug)
            assert card.action is not None
            card.action.click()
            assert "RuntimeError" in qapp.clipboard().text()
            seen.append(qapp.clipboard().text())
            look(window)

            base = other.url.partition("/realtime")[0].replace("ws://", "http://")
            profile = {"name": "Mine", "kind": "compatible", "base_url": base, "model": "m"}
            window.settings.setting_changed.emit("connection.profiles", [profile])
            window.settings.key_entered.emit("Mine", typed)
            window.settings.setting_changed.emit("connection.endpoint", "Mine")
            await until(lambda: other.connections == 1, "the other endpoint")
            assert other.requests[0].headers["Authorization"] == f"Bearer {typed}"
            await until(lambda: len(other.events(wire.SessionUpdate)) >= 1, "its session")
            await until(lambda: any("key" in card.notice.text for card in notices(window)), "the typed key, echoed")
            look(window)
            window.settings.open()
            look(window)
            window.close()
            await asyncio.wait_for(running, 30)
            window.deleteLater()

    run_async(story(), 120)
    assert any(MARK in text for text in seen), "it was repeated, and taken out"
    assert not [text for text in seen if found_in(text, [key, typed])]
    assert not found_in_files(tmp_path, [key, typed])
