"""The program as a child process, by its command: it comes up, is told to end, and leaves nothing behind.

Offscreen and without a sound card; what the window says is tested in `end_to_end/test_bad_input.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from desktop_app.protocol.events import SessionUpdate
from tests.harness import processes
from tests.harness.scripted_server import Caller, ScriptedServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a polite kill is a POSIX signal")

MAIN = Path(__file__).parents[1] / "main.py"
KEY = "sk-this-is-a-secret"
BARE = {
    "QT_QPA_PLATFORM": "offscreen", "OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, "OPENAI_ORG_ID": None,
    "OPENAI_PROJECT_ID": None, "PULSE_SERVER": "unix:/nowhere", "PULSE_RUNTIME_PATH": "/nowhere",
}  # fmt: skip


@dataclass
class Running:
    """The program, and what it said."""

    process: subprocess.Popen[bytes]
    log: Path
    descendants: list[psutil.Process]

    def look(self) -> None:
        """Note the children: once the program has ended, nobody knows any more whose they were."""
        self.descendants = psutil.Process(self.process.pid).children(recursive=True) or self.descendants

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    async def until(self, condition: object, what: str) -> None:
        """Wait until `condition()` is true, as long as the program runs."""
        assert callable(condition)
        async with asyncio.timeout(30):
            while not condition():
                assert self.process.poll() is None, f"{what}: the program ended\n{self.said()}"
                self.look()
                await asyncio.sleep(0.02)

    async def ends_with(self, number: int) -> int:
        """Send a signal; return the exit code."""
        self.look()
        self.process.send_signal(number)
        return int(await asyncio.to_thread(self.process.wait, 20))


@contextlib.asynccontextmanager
async def program(
    tmp_path: Path, *options: str, main: Sequence[str] = (str(MAIN),), **environment: str
) -> AsyncIterator[Running]:
    """Run the program with a profile in `tmp_path`; afterwards nothing of it may be left."""
    log = tmp_path / "log.txt"
    profile = tmp_path / "profile"
    command = [sys.executable, *main, "--profile", str(profile), "--log-level", "info", *options]
    with log.open("wb") as file:
        process = processes.start(command, BARE | environment, stdout=file, stderr=file)
    running = Running(process, log, [])
    try:
        yield running
    finally:
        processes.stop(process)
        for child in running.descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def assert_clean(running: Running) -> None:
    """Nothing unexpected was said, and no child is left."""
    assert "Traceback" not in running.said()
    assert "never awaited" not in running.said()
    assert "was destroyed" not in running.said()
    assert [child for child in running.descendants if child.is_running()] == []


def everything_written(folder: Path) -> bytes:
    """Return the content of all files, the log among them."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def greeting(caller: Caller) -> None:
    await caller.greet(within_s=30)
    await caller.gone(within_s=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
async def test_it_connects_and_ends_when_it_is_told_to(number: int, tmp_path: Path) -> None:
    async with (
        ScriptedServer(greeting) as server,
        program(tmp_path, "--endpoint", server.url, "--log-level", "debug", OPENAI_API_KEY=KEY) as running,
    ):
        await running.until(lambda: server.events(SessionUpdate), "session.update")
        assert await running.ends_with(number) == 0
        await server.finished()
        assert server.connections == 1
    assert_clean(running)
    request = server.requests[0]
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert len(request.headers["OpenAI-Safety-Identifier"]) == 64
    assert "OpenAI-Beta" not in request.headers
    assert "DEBUG" in running.said()
    assert KEY.encode() not in everything_written(tmp_path)


async def test_it_ends_while_it_tries_to_connect(tmp_path: Path) -> None:
    async with program(tmp_path, "--endpoint", "ws://127.0.0.1:1/v1") as running:
        await running.until(lambda: "connecting to 127.0.0.1" in running.said(), "an attempt")
        assert await running.ends_with(signal.SIGTERM) == 0
    assert_clean(running)


async def test_it_ends_while_a_name_is_looked_up(tmp_path: Path) -> None:
    """The resolver may try for half a minute, and cannot be called off."""
    start = (
        "import socket, sys, time\n"
        "socket.getaddrinfo = lambda *_, **__: print('asked', flush=True) or time.sleep(60)\n"
        f"sys.path.insert(0, {str(MAIN.parent)!r})\n"
        "from desktop_app.app import main\n"
        "sys.exit(main())"
    )
    async with program(tmp_path, "--endpoint", "wss://nowhere.example/v1", main=("-c", start)) as running:
        await running.until(lambda: "asked" in running.said(), "the look-up")
        began_s = time.monotonic()
        assert await running.ends_with(signal.SIGTERM) == 0
        assert time.monotonic() - began_s < 15
    assert_clean(running)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a program always has a screen")
@pytest.mark.parametrize("display", ["", ":98765"])
def test_without_a_screen_it_says_so(tmp_path: Path, display: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("QT_", "WAYLAND"))}
    ended = subprocess.run(
        [sys.executable, str(MAIN), "--profile", str(tmp_path)],
        env={**kept, "DISPLAY": display},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "Parley cannot open a window: there is no screen it can use.",
        "Start it from a desktop session, or set DISPLAY to one.",
    ]


async def test_a_settings_file_that_is_not_ours_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "settings.json").write_bytes(b"\x00not ours\xff")
    async with (
        ScriptedServer(greeting) as server,
        program(tmp_path, "--endpoint", server.url) as running,
    ):
        await running.until(lambda: server.events(SessionUpdate), "session.update")
        assert await running.ends_with(signal.SIGTERM) == 0
    assert_clean(running)
    assert (tmp_path / "profile" / "settings.json.not-read").read_bytes() == b"\x00not ours\xff"


async def test_an_endpoint_that_is_none_leaves_the_offline_assistant(tmp_path: Path) -> None:
    async with program(tmp_path, "--endpoint", "rubbish", OPENAI_API_KEY=KEY) as running:

        def served() -> list[psutil.Process]:
            return [child for child in running.descendants if "--serve-local" in processes.command_line_of(child)]

        await running.until(served, "the local server")
        (child,) = served()
        assert KEY not in str(child.environ())
        assert await running.ends_with(signal.SIGTERM) == 0
    assert_clean(running)


async def test_a_local_server_does_not_outlive_a_program_that_was_killed(tmp_path: Path) -> None:
    async with program(tmp_path, "--endpoint", "local") as running:
        await running.until(lambda: running.descendants, "the local server")
        children = running.descendants
        await running.ends_with(signal.SIGKILL)
        _, left = await asyncio.to_thread(psutil.wait_procs, children, 15)
        assert left == []


async def test_a_profile_that_cannot_be_gets_a_sentence(tmp_path: Path) -> None:
    async with program(tmp_path, "--profile", str(MAIN)) as running:
        assert await asyncio.to_thread(running.process.wait, 20) == 2
    assert "is not a folder" in running.said()
    assert "Traceback" not in running.said()
