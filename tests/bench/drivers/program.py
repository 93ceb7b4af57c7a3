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
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from desktop_app.audio.microphone import TAIL_MS
from desktop_app.protocol import events as wire
from tests.bench.drivers import BYTES_PER_MS, Cut, Delta, Talk, sleep_until
from tests.harness import processes
from tests.harness.program import TALK_KEY, Running, start_program
from tests.harness.screen import VirtualScreen
from tests.harness.scripted_server import Answer, Caller, ScriptedServer
from tests.harness.sound import VirtualSound

PROGRAM = "parley"
PROGRAM_S = 3600.0
"""No bench is longer."""
QUESTION_S = 0.3
"""How long the key is held to be answered, or to be done with an interruption."""
ANSWERED_S = 0.1
"""How long the program may take to show a written answer."""
PLAYED_S = 0.7
"""The program does not tell a server that a reply was heard to its end; so long after its length it was, in a
delivery that does not stall."""
SETTLED_S = 1.0
"""How long a freshly started program is left alone."""
WORDS = ("the ", "sea ", "is ", "deep, ", "and ", "most ", "of ", "it ", "was ", "never ", "seen ", "by ", "us, ")


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


@dataclass(slots=True)
class _Reply:
    """The reply being delivered."""

    answer: Answer
    deltas: Sequence[Delta]
    begun_s: float
    ended: bool = False

    @property
    def pcm(self) -> bytes:
        return b"".join(delta.pcm for delta in self.deltas)

    @property
    def text(self) -> str:
        return "".join(WORDS[number % len(WORDS)] for number in range(len(self.deltas)))


class ProgramDriver:
    """See the module."""

    def __init__(self, running: Running, server: ScriptedServer, caller: Caller) -> None:
        self.program = PROGRAM
        self.pid = running.process.pid
        self._server = server
        self._caller = caller
        self._finger = Finger(running.screen, TALK_KEY)
        self._answer_is_due = False
        self._reply: _Reply | None = None
        self._delivery: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """See Driver."""
        await self._end_reply()
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
        answer = await self._caller.begin()
        await self._caller.say(answer, WORDS[0])
        self._reply = reply = _Reply(answer, deltas, time.monotonic())
        await self._caller.send(_audio(answer, deltas[0].pcm))
        self._delivery = asyncio.create_task(self._deliver(reply))
        return reply.begun_s

    async def _deliver(self, reply: _Reply) -> None:
        for number, delta in enumerate(reply.deltas[1:], 1):
            await sleep_until(reply.begun_s + delta.at_s)
            await self._caller.say(reply.answer, WORDS[number % len(WORDS)])
            await self._caller.send(_audio(reply.answer, delta.pcm))
        await self._caller.end(reply.answer, reply.text, reply.pcm)
        reply.ended = True

    async def interrupt(self) -> Cut:
        """See Driver."""
        pressed = self._finger.down()
        told = await self._caller.expect(
            wire.ConversationItemTruncate | wire.ConversationItemDelete  # type: ignore[arg-type]
        )
        await self._end_reply()
        heard_ms = told.audio_end_ms if isinstance(told, wire.ConversationItemTruncate) else 0
        return Cut(pressed, heard_ms)

    async def finished(self) -> None:
        """See Driver."""
        assert self._delivery is not None
        assert self._reply is not None
        await self._delivery
        await sleep_until(self._reply.begun_s + len(self._reply.pcm) / BYTES_PER_MS / 1000 + PLAYED_S)

    async def talk(self, seconds: float) -> Talk:
        """See Driver."""
        if self._answer_is_due:
            await self._caller.answer("Yes.")  # in writing: whoever talks on interrupts nothing
            await asyncio.sleep(ANSWERED_S)
        pressed = self._finger.down()
        first = self._when(await self._caller.expect(wire.InputAudioBufferAppend))
        await sleep_until(pressed + seconds)
        released = self._finger.up()
        ended = await self._take_question()
        return Talk((first - pressed) * 1000, (ended - released) * 1000, TAIL_MS)

    async def _take_question(self) -> float:
        """Take what was said and the wish for an answer; return when the commit came."""
        before = len(self._server.events(wire.InputAudioBufferCommit))
        await self._caller.take_speech(f"item_question_{before}", transcript="And what then?")
        await self._caller.expect(wire.ResponseCreate)
        self._answer_is_due = True
        return self._when(self._server.events(wire.InputAudioBufferCommit)[before])

    def _when(self, event: wire.ClientEvent) -> float:
        return next(received.at_s for received in reversed(self._server.received) if received.event is event)

    async def _end_reply(self) -> None:
        """Stop delivering; a response that was not done yet is done as one that was cancelled."""
        if self._delivery is not None:
            self._delivery.cancel()
            with suppress(asyncio.CancelledError):
                await self._delivery
        reply, self._reply, self._delivery = self._reply, None, None
        if reply is not None and not reply.ended:
            await self._caller.end(
                reply.answer, reply.text, reply.pcm, status="cancelled", reason="client_cancelled"
            )

    async def close(self) -> None:
        """Let go of everything; the program goes on."""
        await self._end_reply()
        self._finger.close()


def _audio(answer: Answer, pcm: bytes) -> wire.ResponseOutputAudioDelta:
    return wire.ResponseOutputAudioDelta(response_id=answer.response_id, item_id=answer.item_id, delta=pcm)
