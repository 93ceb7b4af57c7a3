"""The whole program: its window on a virtual screen, a key that is pressed, a scripted server behind a socket.

It is started by its run command and told nothing but where the server is. What is known of it is what a user and
a server can see: what sounds, and what comes over the wire. The key goes down by XTEST, from an `xdotool` that is
running already: between the moment noted here and the event in a bare Qt window lie 0.5 ms (4 ms with a process
started for each key), which are part of every figure.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from desktop_app.audio.microphone import TAIL_MS
from desktop_app.protocol import events as wire
from tests.bench.drivers import Cut, Delta, Talk, sleep_until
from tests.bench.drivers.replies import Replies
from tests.harness import processes
from tests.harness.program import TALK_KEY, Running, start_program
from tests.harness.screen import VirtualScreen
from tests.harness.scripted_server import Caller, ScriptedServer
from tests.harness.sound import VirtualSound

PROGRAM = "parley"
PROGRAM_S = 3600.0
"""No bench is longer."""
QUESTION_S = 0.3
"""How long the key is held to be answered, or to be done with an interruption."""
ANSWERED_S = 0.1
"""How long the program may take to show a written answer."""
SETTLED_S = 1.0
"""How long a freshly started program is left alone."""


class Finger:
    """On a key."""

    def __init__(self, screen: VirtualScreen, key: str) -> None:
        self._key = key
        self._typist = subprocess.Popen(
            ["xdotool", "-"],  # it does what it reads, line by line, and ends with us
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **screen.env},
            bufsize=0,
        )
        self.is_down_since: float | None = None

    def down(self) -> float:
        """Press; return when, by `time.monotonic`."""
        self.is_down_since = self._do("keydown")
        return self.is_down_since

    def up(self) -> float:
        """Let go; return when."""
        self.is_down_since = None
        return self._do("keyup")

    def _do(self, command: str) -> float:
        assert self._typist.stdin is not None
        at_s = time.monotonic()
        self._typist.stdin.write(f"{command} {self._key}\n".encode())
        return at_s

    def close(self) -> None:
        """Take the finger away."""
        assert self._typist.stdin is not None
        if self.is_down_since is not None:
            self.up()
        self._typist.stdin.close()
        self._typist.wait(5)


@asynccontextmanager
async def open_program(sound: VirtualSound) -> AsyncIterator[ProgramDriver]:
    """Start the program, connected to a scripted server, on a screen of its own; close it as a user does."""
    connected: asyncio.Queue[Caller] = asyncio.Queue()

    async def script(caller: Caller) -> None:
        await caller.greet()
        connected.put_nowait(caller)
        await caller.gone(within_s=PROGRAM_S)

    with TemporaryDirectory(prefix="parley-bench-") as folder, VirtualScreen() as screen:
        log = Path(folder) / "log"
        async with ScriptedServer(script) as server:
            base = server.url.partition("/realtime")[0].replace("ws://", "http://")
            process = start_program(
                screen,
                sound,
                profile=Path(folder) / "profile",
                log=log,
                env={"OPENAI_BASE_URL": base, "OPENAI_API_KEY": server.token},
            )
            try:
                running = await asyncio.to_thread(Running, process, screen, log)
                caller = await asyncio.wait_for(connected.get(), 20)
                await asyncio.sleep(SETTLED_S)
                driver = ProgramDriver(running, server, caller)
                try:
                    yield driver
                finally:
                    await driver.close()
                if (code := await asyncio.to_thread(running.close)) != 0 or "Traceback" in running.said():
                    raise RuntimeError(f"The program ended with {code}:\n{running.said()}")
            finally:
                processes.stop(process)


class ProgramDriver:
    """See the module."""

    def __init__(self, running: Running, server: ScriptedServer, caller: Caller) -> None:
        self.program = PROGRAM
        self.pid = running.process.pid
        self._server = server
        self._caller = caller
        self._finger = Finger(running.screen, TALK_KEY)
        self._answer_is_due = False
        self._replies = Replies(caller)

    async def ready(self) -> None:
        """See Driver."""
        await self._replies.end()
        if self._finger.is_down_since is None:
            if self._answer_is_due:
                return
            self._finger.down()
        await sleep_until((self._finger.is_down_since or 0) + QUESTION_S)
        self._finger.up()
        await self._take_question()

    async def deliver(self, deltas: Sequence[Delta]) -> float:
        """See Driver."""
        self._answer_is_due = False
        return await self._replies.begin(deltas)

    async def interrupt(self) -> Cut:
        """See Driver."""
        pressed = self._finger.down()
        told = await self._caller.expect(
            wire.ConversationItemTruncate | wire.ConversationItemDelete  # type: ignore[arg-type]
        )
        cut = self._replies.cut(pressed, told if isinstance(told, wire.ConversationItemTruncate) else None)
        await self._replies.end()
        return cut

    async def finished(self) -> None:
        """See Driver."""
        await self._replies.played()

    async def talk(self, seconds: float) -> Talk:
        """See Driver."""
        if self._answer_is_due:
            await self._caller.answer("Yes.")  # in writing: whoever talks on interrupts nothing
            await asyncio.sleep(ANSWERED_S)
        before = len(self._server.received)
        pressed = self._finger.down()
        first = self._when(await self._caller.expect(wire.InputAudioBufferAppend))
        await sleep_until(pressed + seconds)
        released = self._finger.up()
        ended = await self._take_question()
        captured = b"".join(
            received.event.audio
            for received in self._server.received[before:]
            if isinstance(received.event, wire.InputAudioBufferAppend)
        )
        return Talk((first - pressed) * 1000, (ended - released) * 1000, TAIL_MS, captured)

    async def _take_question(self) -> float:
        """Take what was said and the wish for an answer; return when the commit came."""
        before = len(self._server.events(wire.InputAudioBufferCommit))
        await self._caller.take_speech(f"item_question_{before}", transcript="And what then?")
        await self._caller.expect(wire.ResponseCreate)
        self._answer_is_due = True
        return self._when(self._server.events(wire.InputAudioBufferCommit)[before])

    def _when(self, event: wire.ClientEvent) -> float:
        return next(received.at_s for received in reversed(self._server.received) if received.event is event)

    async def close(self) -> None:
        """Let go of everything; the program goes on."""
        await self._replies.end()
        self._finger.close()
