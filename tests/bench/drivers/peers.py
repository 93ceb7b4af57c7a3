"""Programs that talk hands-free, ours among them, side by side: the server says when the user speaks.

Each gets the same scripted server, the same sound card and the same events: `speech_started` in mid-reply, and, as
a real server does it with `interrupt_response`, the end of the response as cancelled. What they do about it is
recorded, and what they claim is what their `conversation.item.truncate` says. Other people's programs live in
environments of their own below `build/peers`, made on first use from the package index; one that cannot be made,
or does not connect, is named and left out.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from desktop_app.protocol import events as wire
from desktop_app.protocol.items import ContentPart, Item
from tests.bench.drivers import Cut, Delta, Driver, Talk
from tests.bench.drivers.replies import Replies
from tests.harness import processes
from tests.harness.program import start_program
from tests.harness.screen import VirtualScreen
from tests.harness.scripted_server import Caller, ScriptedServer, created
from tests.harness.sound import VirtualSound

PEERS = Path(__file__).resolve().parents[3] / "build" / "peers"
CLIENTS = Path(__file__).resolve().parents[1] / "peers"
HANDS_FREE = "parley hands-free"
CONNECTED_WITHIN_S = 60.0
SETTLED_S = 3.0
"""How long a freshly connected program is left alone."""
TOLD_WITHIN_S = 1.0
"""How long after `speech_started` a claim may still come."""
SPOKEN_S = 0.3
"""How long the user speaks before an answer comes."""


class NotToBeHad(Exception):
    """A peer that cannot be measured here: a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's program."""

    packages: tuple[str, ...]
    """As pip takes them."""
    bare: tuple[str, ...] = ()
    """Packages whose dependencies are not wanted: models and frameworks that a client never imports."""
    arguments: Callable[[Path, str, str], list[str]] = lambda python, url, key: []
    """Its Python, the server and the key → its command."""


def _client(name: str, *words: str) -> Callable[[Path, str, str], list[str]]:
    return lambda python, url, key: [str(python), str(CLIENTS / f"{name}.py"), *words]


def _speech_to_speech(python: Path, url: str, key: str) -> list[str]:
    rates = ["--send-rate", "24000", "--recv-rate", "24000"]
    return [str(python.with_name("speech-to-speech")), "talk", "--url", url, "--api-key", key, *rates]


PROGRAMS = {
    "pipecat": Peer(("pipecat-ai[openai,local]",), arguments=_client("pipecat_client")),
    "livekit": Peer(
        ("livekit-agents", "livekit-plugins-openai", "sounddevice", "numpy"),
        arguments=_client("livekit_client", "console"),
    ),
    "pydantic-ai": Peer(("pydantic-ai-slim[openai-realtime]", "sounddevice"), arguments=_client("pydantic_client")),
    "speech-to-speech": Peer(
        ("numpy", "openai", "websockets", "jsonschema", "rich", "sounddevice", "PyYAML"),
        bare=("speech-to-speech",),
        arguments=_speech_to_speech,
    ),
}


def environment_of(name: str) -> Path:
    """Return the Python of a peer; its environment is made if it is not there. Raises `NotToBeHad`."""
    peer, folder = PROGRAMS[name], PEERS / name
    python, done = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join((*peer.packages, *peer.bare))
    if done.exists() and done.read_text("utf-8") == wanted:
        return python
    print(f"{name}: making its environment, once", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, capture_output=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *peer.packages], check=True, capture_output=True)
        if peer.bare:
            subprocess.run([*pip, "--no-deps", *peer.bare], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise NotToBeHad(f"{name} could not be installed: {''.join(last)}") from error
    done.write_text(wanted, "utf-8")
    return python


def version_of(name: str) -> str:
    """Return the version that is installed."""
    package = (PROGRAMS[name].bare or PROGRAMS[name].packages)[0].partition("[")[0]
    script = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run(
        [str(environment_of(name)), "-c", script], check=True, capture_output=True, text=True
    ).stdout.strip()


def opener(name: str) -> Callable[[VirtualSound], AbstractAsyncContextManager[Driver]]:
    """Return what opens a peer of this name."""
    return lambda sound: _open(sound, name, lambda server, log: _start_peer(name, server, sound, log))


@asynccontextmanager
async def open_hands_free(sound: VirtualSound) -> AsyncIterator[Driver]:
    """Run our own program, its window on a screen, in hands-free mode."""
    with TemporaryDirectory(prefix="parley-bench-") as folder, VirtualScreen() as screen:
        profile = Path(folder) / "profile"
        profile.mkdir()
        (profile / "settings.json").write_text(json.dumps({"turns": {"mode": "hands_free"}}), "utf-8")

        def start(server: ScriptedServer, log: Path) -> subprocess.Popen[bytes]:
            base = server.url.partition("/realtime")[0].replace("ws://", "http://")
            keys: dict[str, str | None] = {"OPENAI_BASE_URL": base, "OPENAI_API_KEY": server.token}
            return start_program(screen, sound, profile=profile, log=log, env=keys)

        async with _open(sound, HANDS_FREE, start) as driver:
            yield driver


def _start_peer(name: str, server: ScriptedServer, sound: VirtualSound, log: Path) -> subprocess.Popen[bytes]:
    command = PROGRAMS[name].arguments(environment_of(name), server.url, server.token)
    keys = {
        "PARLEY_PEER_URL": server.url,
        "PARLEY_PEER_KEY": server.token,
        "LIVEKIT_URL": "ws://127.0.0.1:9",
        "LIVEKIT_API_KEY": "none",
        "LIVEKIT_API_SECRET": "none",
        "OPENAI_API_KEY": server.token,
    }
    with log.open("wb") as written:
        surroundings: Mapping[str, str | None] = {**sound.env, **keys, "PYTHONPATH": None}
        return processes.start(command, env=dict(surroundings), stdout=written, stderr=written)


@asynccontextmanager
async def _open(
    sound: VirtualSound, name: str, start: Callable[[ScriptedServer, Path], subprocess.Popen[bytes]]
) -> AsyncIterator[Driver]:
    connected: asyncio.Queue[Caller] = asyncio.Queue()

    async def script(caller: Caller) -> None:
        await caller.send(created())
        connected.put_nowait(caller)
        async for update in _updates(caller):
            await caller.send(wire.SessionUpdated(session=update.session))

    with TemporaryDirectory(prefix="parley-bench-") as folder:
        log = Path(folder) / "log"
        async with ScriptedServer(script) as server:
            process = start(server, log)
            try:
                try:
                    caller = await asyncio.wait_for(connected.get(), CONNECTED_WITHIN_S)
                except TimeoutError:
                    said = log.read_text("utf-8", "replace")[-2000:]
                    raise NotToBeHad(f"{name} did not connect:\n{said}") from None
                await asyncio.sleep(SETTLED_S)
                driver = PeerDriver(name, process.pid, server, caller)
                try:
                    yield driver
                finally:
                    await driver.close()
                if process.poll() is not None:
                    raise NotToBeHad(f"{name} ended by itself:\n{log.read_text('utf-8', 'replace')[-2000:]}")
            finally:
                processes.stop(process)
            server.forgive()


async def _updates(caller: Caller) -> AsyncIterator[wire.SessionUpdate]:
    """Yield every `session.update` for as long as the program is connected; the rest of it waits for nobody."""
    while not caller.connection.close_code:
        yield await caller.expect(wire.SessionUpdate, within_s=math.inf)


class PeerDriver:
    """See the module. What the client sends is looked for in the server's log: the script takes the events."""

    def __init__(self, program: str, pid: int, server: ScriptedServer, caller: Caller) -> None:
        self.program = program
        self.pid = pid
        self._server = server
        self._replies = Replies(caller)
        self._speaking = False
        self._turns = itertools.count(1)

    async def ready(self) -> None:
        """See Driver."""
        await self._replies.end("turn_detected")
        if not self._speaking:
            await self._speech_starts()
        await asyncio.sleep(SPOKEN_S)
        await self._speech_stops()

    async def deliver(self, deltas: Sequence[Delta]) -> float:
        """See Driver."""
        return await self._replies.begin(deltas)

    async def interrupt(self) -> Cut:
        """See Driver; `claimed_ms` is not a number if it never tells."""
        before = len(self._server.received)
        ordered = time.monotonic()
        await self._speech_starts()
        await self._replies.end("turn_detected")
        while time.monotonic() < ordered + TOLD_WITHIN_S:
            for received in self._server.received[before:]:
                if isinstance(received.event, wire.ConversationItemTruncate):
                    return self._replies.cut(ordered, received.event)
                if isinstance(received.event, wire.ConversationItemDelete):
                    return self._replies.cut(ordered, None)
            await asyncio.sleep(0.01)
        return Cut(ordered, math.nan)

    async def finished(self) -> None:
        """See Driver."""
        await self._replies.played()

    async def talk(self, seconds: float) -> Talk:
        """Nobody holds a key here."""
        raise NotImplementedError

    async def _speech_starts(self) -> None:
        self._speaking = True
        self._item_id = f"item_spoken_{next(self._turns)}"
        await self._replies.caller.send(wire.InputAudioBufferSpeechStarted(item_id=self._item_id, audio_start_ms=0))

    async def _speech_stops(self) -> None:
        self._speaking = False
        caller, before = self._replies.caller, self._replies.caller.last_item_id
        part = ContentPart(type="input_audio", transcript=None)
        await caller.send(
            wire.InputAudioBufferSpeechStopped(item_id=self._item_id, audio_end_ms=300),
            wire.InputAudioBufferCommitted(item_id=self._item_id, previous_item_id=before),
        )
        await caller.add(Item(id=self._item_id, type="message", role="user", status="completed", content=[part]))
        await caller.write(self._item_id, "And what then?")

    async def close(self) -> None:
        """End the reply."""
        await self._replies.end("turn_detected")


def machine() -> str:
    """Return what this ran on, for the table's heading."""
    return f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {sys.platform}"
