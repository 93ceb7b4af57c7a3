"""A whole talk of the whole program with a server, through a proxy that does to it what networks do.

Everything of the program is real but the sound card and the clock: its window, its session and core, its socket,
its store. The talk is thrown by dice: what the user does (types, speaks, interrupts, stops, listens to the end),
how fast the server is, and when which fault strikes. After each fault the talk has to recover; at the end what the
window shows is held against what the server was told and what the listener heard:

- every finished entry is there once, in the order in which it was said;
- how much of an interrupted answer was heard is right within 20 ms, in the window and at the server;
- nothing was said twice, nothing was typed in vain;
- each new session was told what was said before, once, and no more than was heard;
- the window shows the state of the core; no task, no thread and no connection is left.

A run is its seed: `python -m tests.faults.talks SEED [FAULTS]` plays one and tells what happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
import trustme
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from desktop_app import program as program_module
from desktop_app.audio.duplex import DuplexSound
from desktop_app.audio.speaker import Speaker
from desktop_app.conversation import inputs
from desktop_app.conversation.effects import Link, Turn
from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.endpoints import Endpoint
from desktop_app.history.history import History
from desktop_app.options import Options
from desktop_app.program import Program
from desktop_app.protocol import events as wire
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import Appearance, Theme
from tests.faults.assistant import Assistant, Spoken
from tests.harness.fast_loop import FastLoop, fast_loop
from tests.harness.inside import User
from tests.harness.listener import SimulatedSound, gaps
from tests.harness.proxy import FaultyProxy, Refusal
from tests.harness.proxy import Link as Line
from tests.harness.scripted_server import ScriptedServer

RIGHT_WITHIN_MS = 20
NEAR_END_MS = 100
"""So near to its end an answer counts as heard (the guide)."""
RECOVERS_WITHIN_S = 240.0
"""Of the loop's time: five attempts with their pauses, each with the longest time-out there is."""
WALL_S = 60.0
LEAST_PAUSE_S = 0.2


class Wrong(AssertionError):
    """Something that must be true is not."""


# --- faults -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """Something a network, or a server, does."""

    name: str
    strike: Callable[[Talk], None]
    hopeless: bool = False
    """The program has to stop trying, and say so."""


def _cut(rst: bool, inside: bool) -> Callable[[Talk], None]:
    return lambda talk: talk.line.cut(rst=rst, inside=inside, after_frames=talk.dice.choice([0, 1, 2, 5, 11]))


def _close(code: int | None, reason: str = "", *, at_once: bool = False) -> Callable[[Talk], None]:
    return lambda talk: talk.line.close_with(
        code, reason, after_frames=0 if at_once else talk.dice.choice([0, 1, 3, 8])
    )


def _refuse(*refusals: Refusal) -> Callable[[Talk], None]:
    def strike(talk: Talk) -> None:
        talk.proxy.refuse(*refusals)
        talk.line.cut(rst=True)

    return strike


def _delay(talk: Talk) -> None:
    line, seconds = talk.line, talk.dice.choice([0.05, 0.3, 1.5])
    line.delay(seconds)
    talk.later(talk.dice.uniform(1, 8), lambda: line.delay(0.0))


def _stall(talk: Talk) -> None:
    line, which = talk.line, talk.dice.choice([(True, True), (True, False), (False, True)])
    line.stall(program=which[0], server=which[1])
    talk.later(talk.dice.uniform(0.3, 9), line.go_on)


def _black_hole(talk: Talk) -> None:
    talk.line.stall()


def _half_a_hole(talk: Talk) -> None:
    talk.line.stall(program=False)


def _drop_newborn(talk: Talk) -> None:
    """The server accepts, and drops at once, some times."""
    times = [talk.dice.randint(1, 4)]

    def drop(line: Line) -> None:
        times[0] -= 1
        line.cut(rst=True, after_frames=1 + times[0] % 2)
        if not times[0]:
            talk.proxy.prepare(None)

    talk.proxy.prepare(drop)
    talk.line.cut()


def _silence(talk: Talk) -> None:
    talk.proxy.greet_with_silence()
    talk.line.cut()


def _no_session(talk: Talk) -> None:
    """The socket opens, and no session comes."""
    talk.server.mute = True
    talk.line.cut()

    def speak() -> None:
        talk.server.mute = False

    talk.later(5, speak)


def _expire(talk: Talk) -> None:
    """The next sessions live for 90 s."""
    talk.server.session_s = 90
    talk.line.close_with(1012, "restart")
    talk.idle_s = 100.0

    def as_before() -> None:
        talk.server.session_s = 3600

    talk.later(100, as_before)


def _bad_certificate(talk: Talk) -> None:
    talk.by_tls = talk.dice.choice(["stranger", "expired", "elsewhere"])
    talk.line.cut()


def _over_tls(talk: Talk) -> None:
    """Go on by TLS, with a good certificate; cut there, in the middle of a record."""
    talk.by_tls = "good"
    talk.line.cut(rst=True)


def _device_lost(talk: Talk) -> None:
    talk.sound.vanish()


EXPIRED = "Your session hit the maximum duration of 60 minutes."
FAULTS = [
    Fault("delay", _delay),
    Fault("stall", _stall),
    Fault("black hole", _black_hole),
    Fault("half a black hole", _half_a_hole),
    Fault("end", _cut(rst=False, inside=False)),
    Fault("end inside a frame", _cut(rst=False, inside=True)),
    Fault("reset", _cut(rst=True, inside=False)),
    Fault("reset inside a frame", _cut(rst=True, inside=True)),
    *(Fault(f"close {code}", _close(code)) for code in (1000, 1001, 1006, 1009, 1011, 1012, 1013, 1015)),
    Fault("close without a code", _close(None)),
    Fault("close 1001, expired", _close(1001, EXPIRED)),
    Fault("close 3000", _close(3000, "invalid_request_error.invalid_api_key", at_once=True), hopeless=True),
    Fault("close 4000", _close(4000, "invalid_request_error.invalid_model", at_once=True), hopeless=True),
    Fault("close 4004", _close(4004, "invalid_request_error.model_not_found", at_once=True), hopeless=True),
    *(Fault(f"HTTP {status}", _refuse(Refusal(status)), hopeless=True) for status in (401, 403, 404)),
    Fault("HTTP 429, wait", _refuse(Refusal(429, retry_after_s=3))),
    Fault("HTTP 500, 502", _refuse(Refusal(500), Refusal(502))),
    Fault("HTTP 503", _refuse(Refusal(503))),
    Fault("accepted and dropped", _drop_newborn),
    Fault("handshake without an answer", _silence),
    Fault("no session", _no_session),
    Fault("expires in 90 s", _expire),
    Fault("invalid certificate", _bad_certificate, hopeless=True),
    Fault("over TLS", _over_tls),
    Fault("sound device gone", _device_lost),
]


# --- certificates -------------------------------------------------------------------------------


@dataclass(slots=True)
class Certificates:
    """What a server may show: one we trust, and three we must not."""

    folder: Path
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make them; `SSL_CERT_FILE` must name `authority`."""
        from datetime import UTC, datetime

        trusted, stranger = trustme.CA(), trustme.CA()
        trusted.cert_pem.write_to_path(str(self.authority))
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        for name, leaf in {
            "good": trusted.issue_cert("127.0.0.1"),
            "stranger": stranger.issue_cert("127.0.0.1"),
            "expired": trusted.issue_cert("127.0.0.1", not_after=long_ago),
            "elsewhere": trusted.issue_cert("example.org"),
        }.items():
            self.contexts[name] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            leaf.configure_cert(context)

    @property
    def authority(self) -> Path:
        """Whom we trust."""
        return self.folder / "authority.pem"


# --- the program --------------------------------------------------------------------------------


class Watched(Program):
    """The program, with somebody who reads along what it is told, and moves the server's address."""

    address: Callable[[], str]
    seen: list[inputs.Input]

    async def _endpoint(self) -> Endpoint:
        return Endpoint("test", self.address(), {})

    def _handle(self, event: inputs.Input) -> None:
        self.seen.append(event)
        super()._handle(event)


@dataclass(slots=True)
class Outcome:
    """What a talk came to."""

    seed: int
    faults: list[str] = field(default_factory=list)
    entries: int = 0
    answers: int = 0
    interrupted: int = 0
    sessions: int = 0
    talked_s: float = 0.0
    """Of the loop's time."""
    took_s: float = 0.0
    log: list[str] = field(default_factory=list)


class Talk:
    """One talk."""

    def __init__(self, seed: int, faults: int, folder: Path, certificates: Certificates) -> None:
        self.dice = random.Random(seed)
        self.outcome = Outcome(seed)
        self.server = Assistant(random.Random(seed + 1))
        self.sound: SimulatedSound
        self.idle_s = 0.0
        """How long the user is to be silent after the present fault."""
        self.by_tls = ""
        """How the server is reached: by this certificate; empty: without TLS."""
        self._faults = faults
        self._folder = folder
        # The listener knows answers by their samples: nothing may sound over them. What listens for the user's own
        # voice does so in a thread of its own, which knows no jumping clock.
        sound = {"cue_error": False, "echo_cancellation": False}
        (folder / "settings.json").write_text(json.dumps({"audio": sound}), "utf-8")
        self._certificates = certificates
        self._proxies: dict[str, FaultyProxy] = {}
        self._asked: list[str] = []
        self._bugs: list[str] = []
        self._later: list[asyncio.TimerHandle] = []
        self.user: User
        self.program: Watched

    @property
    def proxy(self) -> FaultyProxy:
        """The way to the server that is used now."""
        return self._proxies[self.by_tls]

    @property
    def line(self) -> Line:
        """The connection there is, or was last."""
        lines = [line for proxy in self._proxies.values() for line in proxy.links if not line.over.is_set()]
        return lines[-1] if lines else self._proxies[""].latest

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something, some time from now."""
        self._later.append(asyncio.get_running_loop().call_later(seconds, do))

    def note(self, what: str) -> None:
        """Write down what happens."""
        now_s = asyncio.get_running_loop().time()
        self.outcome.log.append(f"{now_s - self._began_s:8.3f}  {what}")

    # --- the story ------------------------------------------------------------------------------

    async def run(self) -> Outcome:
        """Talk; raise `Wrong` if something is not as it must be."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FastLoop)
        self._loop = loop
        self._began_s = loop.time()
        began_wall_s = time.perf_counter()
        self.sound = SimulatedSound(loop)
        loop.set_exception_handler(lambda _, context: self._bugs.append(repr(context)))
        async with contextlib.AsyncExitStack() as stack:
            scripted = await stack.enter_async_context(ScriptedServer(self.server.script))
            for name in ("", *self._certificates.contexts):
                context = self._certificates.contexts.get(name)
                self._proxies[name] = await stack.enter_async_context(FaultyProxy(scripted.port, context))
            async with self._opened():
                await self._until(self._is_online, "the first connection")
                await self._talk()
                self._check()
                rows = self.user.entries()
            await self._check_store(rows)
            for handle in self._later:
                handle.cancel()
        self._later.clear()
        self.outcome.talked_s = loop.time() - self._began_s
        self.outcome.took_s = time.perf_counter() - began_wall_s
        return self.outcome

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        theme = Theme(application, Appearance.LIGHT, reduced_motion=True)
        window = MainWindow(theme)
        window.show()
        Watched.address = staticmethod(self._address)
        Watched.seen = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(program_module, "DuplexSound", partial(DuplexSound, sound=self.sound, clock=loop.time))
            patch.setattr(program_module, "Speaker", partial(Speaker, clock=loop.time))
            patch.setenv("SSL_CERT_FILE", str(self._certificates.authority))
            patch.setenv("OPENAI_API_KEY", "test")
            options = Options(profile=self._folder, endpoint="ws://127.0.0.1:9/v1")
            self.program = Watched(window, options)
            self.program.open()
            self.user = User(window, self.program)
            try:
                yield
            finally:
                with self._loop.in_real_time():  # the store has a thread of its own
                    await self.program.close()
                window.close()
                window.deleteLater()
                theme.deleteLater()
                self._bugs += [n.details for n in self.user.notices() if "inside Parley" in n.text]

    def _address(self) -> str:
        scheme = "wss" if self.by_tls else "ws"
        return f"{scheme}://127.0.0.1:{self.proxy.port}/v1/realtime"

    async def _talk(self) -> None:
        left = self._faults
        while left or self.dice.random() < 0.5:
            await self._step(self.dice)
            if left and self.dice.random() < 0.75:
                left -= 1
                await self._suffer(self.dice.choice(FAULTS))
        for proxy in self._proxies.values():
            proxy.calm()
        await asyncio.sleep(1)
        await self._until(self._is_online, "a connection at the end")
        await self._until(self._is_quiet, "quiet at the end")
        await self._ask("the last question")
        await self._until(self._is_quiet, "an end to the last answer")
        last = max(self.server.answers.values(), key=lambda answer: answer.made)
        if last.question != "the last question" or self.sound.listener.heard_ms(last.number) < last.ms:
            raise Wrong(f"the last question was not answered: {last}")

    async def _step(self, dice: random.Random) -> None:
        """Let the user do something, and go on after a while, or when all is said."""
        match dice.randint(0, 9):
            case 0 | 1 | 2 | 3:
                await self._ask(f"typed question {len(self._asked)}")
            case 4 | 5 | 6:
                await self._speak(dice.choice([0.04, 0.3, 1.1, 2.0]))
            case 7:
                self.note("stop")
                self.user.window.stop_pressed.emit()
            case 8:
                await self._until(self._is_quiet, "an end to the answer")
            case 9:
                await self._speak(0.5, held=False)
                await self._ask(f"typed while speaking {len(self._asked)}")
        await asyncio.sleep(dice.choice([0.0, 0.05, 0.7, 2.5, 6.0]))

    async def _ask(self, text: str) -> None:
        """Type a text, as often as it is given back."""
        self._asked.append(text)
        self.note(f"types: {text}")
        self.user.types(text)
        while text in self.user.composer.text:
            await self._until(self._is_online, "a connection to type by")
            self.user.types("")
            await asyncio.sleep(0.01)

    async def _speak(self, seconds: float, *, held: bool = True) -> None:
        self.note(f"speaks for {seconds} s")
        self.user.window.talk_pressed.emit()
        await asyncio.sleep(seconds)
        self.user.window.talk_released.emit()

    async def _suffer(self, fault: Fault) -> None:
        """Be struck, and recover."""
        self.outcome.faults.append(fault.name)
        self.note(f"FAULT {fault.name}")
        before = len(self.program.seen)
        if fault.hopeless:  # what it says must arrive
            self.line.calm()
            await self._until(self._is_online, "a connection to refuse")
            self.line.calm()
        fault.strike(self)
        await asyncio.sleep(self.idle_s or self.dice.choice([0.0, 0.3, 2.0]))
        self.idle_s = 0.0
        await asyncio.sleep(0.05)  # it strikes before anybody looks
        if fault.hopeless:
            await self._given_up(before)
        if self.dice.random() < 0.5:
            await self._step(self.dice)
        await self._until(self._is_online, f"a connection after «{fault.name}»")

    async def _given_up(self, before: int) -> None:
        """The program must say what is wrong, and leave the rest to the user."""

        def told() -> bool:
            lost = any(isinstance(event, inputs.Disconnected) for event in self.program.seen[before:])
            return lost and self._core.link is Link.OFFLINE

        await self._until(told, "the end of trying", patient=True)
        with self._loop.in_real_time():  # the window shows notices at its own pace
            await self._until(
                lambda: any(n.hint for n in self.user.notices()), "a word on what to do", patient=True
            )
        attempts = self._attempts()
        await asyncio.sleep(30)
        if self._attempts() != attempts:
            raise Wrong("it goes on trying although that is hopeless")
        self.by_tls = ""
        self.note("reconnects")
        self.user.window.reconnect_asked.emit()

    def _attempts(self) -> int:
        return sum(len(proxy.attempts_s) for proxy in self._proxies.values())

    # --- waiting --------------------------------------------------------------------------------

    @property
    def _core(self) -> Any:
        return self.program._session._conversation

    def _is_online(self) -> bool:
        return bool(self._core.link is Link.ONLINE)

    def _is_quiet(self) -> bool:
        return self._is_online() and self._core.turn is Turn.IDLE and not self._core._responses.busy

    async def _until(self, condition: Callable[[], bool], what: str, *, patient: bool = False) -> None:
        """Wait until it is so; unless `patient`, the user presses Reconnect when the program has given up."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + RECOVERS_WITHIN_S
        wall_ends_s = time.perf_counter() + WALL_S
        while not condition():
            if loop.time() > ends_s or time.perf_counter() > wall_ends_s:
                raise Wrong(f"{what}: never; {self._core.link}, {self._core.turn}, {self.user.notices()}")
            await asyncio.sleep(0.1)
            if self._core.link is Link.OFFLINE and not patient:
                self.note("presses reconnect")
                self.by_tls = ""
                self.user.window.reconnect_asked.emit()

    # --- what must be true ----------------------------------------------------------------------

    def _check(self) -> None:
        QApplication.processEvents()
        rows = self.user.entries()
        self.outcome.entries = len(rows)
        self.outcome.sessions = len(self.server.sessions)
        wrong = [*self._bugs, *self.server.complaints, *self.sound.listener.trouble]
        wrong += self._wrong_window(rows)
        wrong += self._wrong_rows(rows)
        for answer in self.server.answers.values():
            wrong += self._wrong_answer(answer, {row.item_id: row for row in rows}.get(answer.item_id))
        wrong += self._wrong_replays(rows)
        wrong += self._wrong_speech()
        wrong += self._wrong_attempts()
        slow = {"delay", "stall", "black hole", "half a black hole"} & set(self.outcome.faults)
        if self.server.too_early and not slow:
            wrong.append("a response was asked for while another was active")
        if wrong:
            raise Wrong("\n  ".join([f"{len(wrong)} things are wrong:", *wrong]))

    async def _check_store(self, rows: list[Entry]) -> None:
        """What was shown is what is kept: everything once, in order."""
        history = History(self._folder)
        with self._loop.in_real_time():
            history.open()
            try:
                listed = await history.conversations()
                kept = [past.entry for one in listed for past in await history.entries(one.number)]
            finally:
                await history.close()
        shown = [_kept(row) for row in rows if row.text or row.tool or row.role is Role.USER]
        stored = [_kept(row) for row in kept if row.text or row.tool or row.role is Role.USER]
        if len(listed) != 1:
            raise Wrong(f"{len(listed)} conversations are kept: {listed}")
        if stored != shown:
            odd = [pair for pair in zip_longest(shown, stored) if pair[0] != pair[1]]
            raise Wrong(
                f"{len(shown)} entries were shown, {len(stored)} are kept; shown and kept differ: {odd[:3]}"
            )

    def _wrong_window(self, rows: list[Entry]) -> list[str]:
        window, core = self.user.window, self._core
        wrong = []
        if (window._link, window._turn) != (core.link, core.turn):
            wrong.append(f"the window shows {window._link}, {window._turn}; it is {core.link}, {core.turn}")
        if rows != (known := list(reversed(list(core._transcript.from_the_last())))):
            wrong.append(f"the window shows {len(rows)} rows, the core has {len(known)}, or others")
        wrong += [f"«{row.item_id}» never ends" for row in rows if row.status is EntryStatus.IN_PROGRESS]
        return wrong

    def _wrong_rows(self, rows: list[Entry]) -> list[str]:
        wrong = []
        texts = [row.text for row in rows if row.role is Role.USER]
        wrong += [
            f"«{text}» stands there {texts.count(text)} times" for text in self._asked if texts.count(text) != 1
        ]
        ids = [row.item_id for row in rows]
        wrong += [f"{item_id} stands there twice" for item_id in set(ids) if ids.count(item_id) > 1]
        for event in self.program.seen:
            match event:
                case inputs.Received(wire.InputAudioTranscriptionCompleted(transcript=words)):
                    if texts.count(words) != 1:
                        wrong.append(f"«{words}» was written, and stands there {texts.count(words)} times")
        made = {turn.item_id: turn.made for turn in self.server.turns.values()}
        made |= {answer.item_id: answer.made for answer in self.server.answers.values()}
        order = [made[item_id] for item_id in ids if item_id in made]
        if order != sorted(order):
            wrong.append(f"the order is {[i for i in ids if i in made]}")
        return wrong

    def _wrong_answer(self, answer: Spoken, row: Entry | None) -> list[str]:
        heard_ms = self.sound.listener.heard_ms(answer.number)
        got_ms, finished = self._received_of(answer)
        name = f"answer {answer.number} ({heard_ms:.0f} ms heard of {got_ms} received of {answer.ms})"
        self.outcome.answers += 1
        wrong = []
        for session in self.server.sessions:
            for part, ms in session.truncated.items():
                if part.item_id == answer.item_id and abs(ms - heard_ms) > RIGHT_WITHIN_MS:
                    wrong.append(f"{name}: the server was told {ms} ms")
        if row is None:
            if heard_ms > RIGHT_WITHIN_MS:
                wrong.append(f"{name} has no row")
            return wrong
        whole = heard_ms >= got_ms - NEAR_END_MS - RIGHT_WITHIN_MS
        match row.status:
            case EntryStatus.COMPLETED:
                if not whole:
                    wrong.append(f"{name} counts as heard to its end")
                if row.text != answer.text:
                    wrong.append(f"{name} is complete, and its words are not")
            case EntryStatus.INTERRUPTED:
                self.outcome.interrupted += 1
                silent = not row.text and not heard_ms  # it was lost before a word of it was said
                if row.heard_ms is None and row.heard_chars is None and not whole and not silent:
                    wrong.append(f"{name} was interrupted, and nothing says where")
                if row.heard_ms is not None and abs(row.heard_ms - heard_ms) > RIGHT_WITHIN_MS:
                    wrong.append(f"{name}: the row says {row.heard_ms} ms")
                if finished and whole and got_ms == answer.ms and row.heard_ms is None and row.heard_chars is None:
                    wrong.append(f"{name} was finished and heard, and counts as interrupted: {row.remark}")
                if not answer.text.startswith(row.text):
                    wrong.append(f"{name} has other words: {row.text!r}")
            case _:
                wrong.append(f"{name} is {row.status}")
        return wrong

    def _received_of(self, answer: Spoken) -> tuple[int, bool]:
        """Return how many ms of an answer came, and whether its end did."""
        received, finished = 0, False
        for event in self.program.seen:
            match event:
                case inputs.Received(wire.ResponseOutputAudioDelta(item_id=answer.item_id, delta=delta)):
                    received += len(delta)
                case inputs.Received(wire.ResponseDone(response=response)) if response.id == answer.response_id:
                    finished = response.status == "completed"
        return received // 48, finished

    def _wrong_replays(self, rows: list[Entry]) -> list[str]:
        """Each session was told what was said before it, once, in order, and of answers what was heard."""
        wrong = []
        place = {row.item_id: n for n, row in enumerate(rows)}
        entry = {row.item_id: row for row in rows}
        for session in self.server.sessions:
            ids = [str(item.id) for item in session.replayed if str(item.id) in place]
            if ids != sorted(set(ids), key=lambda item_id: place[item_id]):
                wrong.append(f"session {session.number} was told {ids}")
            for item in session.replayed:
                row, answer = entry.get(str(item.id)), self.server.answers.get(str(item.id))
                if row is not None and answer is not None and not answer.text.startswith(item.words):
                    wrong.append(f"session {session.number} was told {item.words!r} of {answer.text!r}")
        return wrong

    def _wrong_speech(self) -> list[str]:
        return [
            f"«{turn.text}» has holes at {holes} ms"
            for turn in self.server.turns.values()
            if (holes := gaps(turn.pcm))
        ]

    def _wrong_attempts(self) -> list[str]:
        """The server is not hammered: of any six attempts in a row at least one waits for a second."""
        attempts = sorted(at_s for proxy in self._proxies.values() for at_s in proxy.attempts_s)
        return [
            f"six attempts within {last - first:.2f} s"
            for first, last in zip(attempts, attempts[5:], strict=False)
            if last - first < 1.0
        ]


def _kept(entry: Entry) -> tuple[object, ...]:
    return entry.item_id, entry.role, entry.text, entry.status, entry.heard_ms, entry.heard_chars


# --- running ------------------------------------------------------------------------------------


def run_talk(seed: int, faults: int, certificates: Certificates) -> Outcome:
    """Play one talk on a loop of its own; raise `Wrong`, with its log, if something is not as it must be."""
    threads = set(threading.enumerate())
    application = QApplication.instance() or QApplication([])
    gc.disable()  # as the program does: in a worker thread it would destroy what is Qt's
    talk: Talk | None = None
    try:
        with (
            tempfile.TemporaryDirectory(prefix="parley-talk-") as folder,
            fast_loop(application.processEvents) as loop,
        ):
            talk = Talk(seed, faults, Path(folder), certificates)
            outcome = loop.run_until_complete(talk.run())
            for _ in range(20):  # what was just cancelled may take a step or two to end
                if left := asyncio.all_tasks(loop):
                    loop.run_until_complete(asyncio.sleep(0.1))
            if left := asyncio.all_tasks(loop):
                raise Wrong(f"tasks are left: {[task.get_name() for task in left]}")
        left_threads = _wait_for_threads(threads)
        if left_threads:
            raise Wrong(f"threads are left: {left_threads}")
    except Exception as wrong:
        log = talk.outcome.log if talk is not None else []
        told = "\n  ".join(["what happened:", *log[-60:]])
        again = f"play it again: python -m tests.faults.talks {seed} {faults}"
        raise Wrong(f"seed {seed}: {type(wrong).__name__}: {wrong}\n{told}\n{again}") from wrong
    finally:
        gc.enable()
        application.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # no loop of Qt's runs that would
    gc.collect()
    return outcome


def _wait_for_threads(before: set[threading.Thread]) -> list[str]:
    ends_s = time.perf_counter() + 5
    while left := [t.name for t in threading.enumerate() if t not in before and t.is_alive()]:
        if time.perf_counter() > ends_s:
            break
        time.sleep(0.01)
    return left


def main(arguments: list[str]) -> int:
    """Play seeds, one or `FROM-TO`, with so many faults each; print what came of them."""
    first, _, last = arguments[0].partition("-")
    faults = int(arguments[1]) if len(arguments) > 1 else 5
    failed = 0
    with tempfile.TemporaryDirectory(prefix="parley-certificates-") as folder:
        certificates = Certificates(Path(folder))
        for seed in range(int(first), int(last or first) + 1):
            try:
                outcome = run_talk(seed, faults, certificates)
            except Wrong as wrong:
                failed += 1
                print(wrong)
                continue
            if not last:
                print("\n".join(outcome.log))
            print(
                f"seed {seed}: {', '.join(outcome.faults)}; {outcome.entries} rows, {outcome.answers} answers, "
                f"{outcome.interrupted} interrupted, {outcome.sessions} sessions, "
                f"{outcome.talked_s:.0f} s of talk in {outcome.took_s:.1f} s",
                flush=True,
            )
    print(f"{failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
