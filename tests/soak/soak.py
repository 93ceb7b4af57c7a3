"""A duplex talk that does not end: what grows, and whether what is sent keeps up with time.

The whole program, hands-free: the microphone streams without a pause, the server hears a turn every few seconds
and answers aloud, now and then the user interrupts or types. Sessions last an hour, so a long run rolls over. Two
forms:

    real      the program's own loop at real time; sound devices by timers
    simulated the same on a `FastLoop`: an hour takes minutes, because nobody waits

    python3 packaging/dev.py bench soak [-- --minutes 60] [-- --simulated --minutes 480]

Each minute it notes resident memory, threads, open files, tasks, and by how much what the server has received of
the microphone differs from the time that has passed. Memory is that of everything: program, server and bench.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import msgspec
import psutil
import pytest
from PySide6.QtWidgets import QApplication

from desktop_app import program as program_module
from desktop_app.audio.duplex import DuplexSound
from desktop_app.audio.speaker import Speaker
from desktop_app.options import Options
from desktop_app.program import Program
from desktop_app.protocol import events as wire
from desktop_app.protocol.items import ContentPart, Item
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import Appearance, Theme
from tests.harness.fast_loop import FastLoop, fast_loop
from tests.harness.inside import User
from tests.harness.listener import SimulatedSound, voice
from tests.harness.scripted_server import Caller, ScriptedServer, created, merged

BYTES_PER_S = 48_000
WARM_UP_S = 600.0
"""After so long nothing may grow any more."""
GROWS_MB = 5.0
DRIFTS_S = 0.02
SESSION_S = 3600.0
NOTE_EVERY_S = 60.0
SETTLES_S = 2.0
"""A microphone that has just been opened, and a session that has just begun, are given a moment."""
WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Note:
    """What there was at a moment."""

    at_s: float
    memory_mb: float
    threads: int
    files: int
    tasks: int
    drift_s: float
    """By how much more of the microphone was received than time has passed, in the present session."""
    rows: int
    answers: int
    sessions: int


@dataclass(slots=True)
class Stream:
    """What one session received of the microphone.

    A block may come late, never early; so of each ten seconds the most that was ahead of time counts, and the drift
    is how that differs between the first ten and the last.
    """

    began_s: float = 0.0
    received: int = 0
    first_s: float | None = None
    """How far ahead it was at first."""
    _window_s: float = 0.0
    """When the present ten seconds began."""
    _ahead_s: float = -1e9
    _ahead_before_s: float = -1e9

    def take(self, audio: bytes, now_s: float) -> None:
        """Count audio that came."""
        if not self.began_s:
            self.began_s, self._window_s = now_s, now_s + SETTLES_S
        self.received += len(audio)
        if now_s < self._window_s:
            return
        if now_s - self._window_s >= WINDOW_S:
            if self.first_s is None:
                self.first_s = self._ahead_s
            self._ahead_before_s, self._ahead_s, self._window_s = self._ahead_s, -1e9, now_s
        self._ahead_s = max(self._ahead_s, self.received / BYTES_PER_S - (now_s - self.began_s))

    @property
    def drift_s(self) -> float:
        """By how much what came since the first ten seconds differs from the time since then."""
        return 0.0 if self.first_s is None else max(self._ahead_s, self._ahead_before_s) - self.first_s


@dataclass(slots=True)
class Partner:
    """A server that hears a turn every few seconds, and answers it."""

    dice: random.Random
    streams: list[Stream] = field(default_factory=list)
    answers: int = 0
    turns: int = 0

    async def script(self, caller: Caller) -> None:
        """Serve one session."""
        loop = asyncio.get_running_loop()
        first = created(session_id=f"sess_{len(self.streams)}", expires_at=int(time.time() + SESSION_S))
        config = first.session
        stream = Stream()
        self.streams.append(stream)
        await caller.send(first)
        talking = asyncio.ensure_future(self._talk(caller))
        try:
            while (event := await caller.next_event()) is not None:
                caller.log.clear()  # it is a log for stories that end
                match event:
                    case wire.InputAudioBufferAppend(audio=audio):
                        stream.take(audio, loop.time())
                    case wire.SessionUpdate(session=session):
                        config = merged(config, session)
                        await caller.send(wire.SessionUpdated(session=config))
                    case wire.ConversationItemCreate(item=item):
                        await caller.add(msgspec.structs.replace(item, status="completed"))
                    case wire.ResponseCreate(response=params) if params and params.conversation == "none":
                        await self._answer_beside(caller, params.metadata or None)
                    case wire.ResponseCreate(response=params):
                        await self._answer(caller, (params.metadata if params else None) or None)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    async def _talk(self, caller: Caller) -> None:
        while True:
            await caller.pause(self.dice.uniform(4, 9))
            self.turns += 1
            item, before = f"item_said_{self.turns}", caller.last_item_id
            await caller.send(wire.InputAudioBufferSpeechStarted(audio_start_ms=0, item_id=item))
            await caller.pause(self.dice.uniform(0.3, 1.5))
            await caller.send(
                wire.InputAudioBufferSpeechStopped(audio_end_ms=900, item_id=item),
                wire.InputAudioBufferCommitted(item_id=item, previous_item_id=before),
            )
            part = ContentPart(type="input_audio", transcript=None)
            await caller.add(Item(id=item, type="message", role="user", status="completed", content=[part]))
            await caller.write(item, f"This is what was said in turn {self.turns}.")
            await self._answer(caller, None)

    async def _answer(self, caller: Caller, metadata: dict[str, str] | None) -> None:
        self.answers += 1
        number = self.answers % 29_000 + 1
        text = " ".join(f"word{self.answers}n{n}" for n in range(20))
        pcm = voice(number, self.dice.choice([800, 2500, 6000]))
        begun = await caller.begin(
            response_id=f"resp_{self.answers}", item_id=f"item_answer_{self.answers}", metadata=metadata
        )
        await caller.say(begun, text)
        await caller.speak(begun, pcm)
        await caller.end(begun, text, pcm, metadata=metadata)

    async def _answer_beside(self, caller: Caller, metadata: dict[str, str] | None) -> None:
        response = wire.Response(
            id=f"resp_beside_{caller.number}", status="in_progress", output=[], metadata=metadata
        )
        await caller.send(
            wire.ResponseCreated(response=response),
            wire.ResponseDone(response=msgspec.structs.replace(response, status="completed")),
        )


class ForgetfulServer(ScriptedServer):
    """A scripted server that keeps nothing of what it hears."""

    def _note(self, frame: str | bytes, caller: Caller) -> None:
        super()._note(frame, caller)
        self.frames.clear()


@dataclass(slots=True)
class Outcome:
    """What a soak came to."""

    simulated: bool
    lasted_s: float = 0.0
    took_s: float = 0.0
    notes: list[Note] = field(default_factory=list)
    drifts_s: list[float] = field(default_factory=list)
    """Of each session that lived for a while."""
    bugs: list[str] = field(default_factory=list)

    def after(self, warm_up_s: float) -> list[Note]:
        """Return the notes behind the warm-up."""
        return [note for note in self.notes if note.at_s >= warm_up_s]

    def grown_mb(self, warm_up_s: float) -> float:
        """Return by how much memory grew after the warm-up: its highest then, against what it began with."""
        notes = self.after(warm_up_s)
        return max(note.memory_mb for note in notes) - notes[0].memory_mb if notes else 0.0

    def faults(self, warm_up_s: float, *, grows_mb: float = GROWS_MB) -> list[str]:
        """Return what is not as it must be."""
        wrong = list(self.bugs)
        notes = self.after(warm_up_s)
        if notes and self.grown_mb(warm_up_s) >= grows_mb:
            wrong.append(f"memory grew by {self.grown_mb(warm_up_s):.1f} MB")
        for name in ("threads", "files"):
            counts = [int(getattr(note, name)) for note in notes]
            if counts and min(counts[-3:]) > max(counts[:3]):
                wrong.append(f"{name} grew from {counts[0]} to {counts[-1]}")
        wrong += [f"sent audio drifts by {d * 1000:.1f} ms" for d in self.drifts_s if abs(d) >= DRIFTS_S]
        return wrong


async def soak(
    seconds: float,
    folder: Path,
    outcome: Outcome,
    *,
    note_every_s: float = NOTE_EVERY_S,
    tell: Callable[[Note], None] = lambda _: None,
) -> None:
    """Run the program for so long; write what is noted into `outcome`, and tell it at once."""
    loop = asyncio.get_running_loop()
    dice = random.Random(1)
    partner = Partner(random.Random(2))
    sound = SimulatedSound(loop)
    # What listens for the user's own voice does so in a thread of its own, which knows no jumping clock.
    audio = {"cue_error": False, "echo_cancellation": not isinstance(loop, FastLoop)}
    settings = {"turns": {"mode": "hands_free"}, "audio": audio}
    (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
    loop.set_exception_handler(lambda _, context: outcome.bugs.append(repr(context)))
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    async with ForgetfulServer(partner.script) as server:
        with _simulated_devices(sound, loop):
            theme = Theme(application, Appearance.LIGHT, reduced_motion=True)
            window = MainWindow(theme)
            window.show()
            program = Program(window, Options(profile=folder, endpoint=server.url))
            program.open()
            user = User(window, program)
            began_s, began_wall_s = loop.time(), time.perf_counter()
            try:
                while (at_s := loop.time() - began_s) < seconds:
                    outcome.notes.append(_note(at_s, partner, user, loop))
                    tell(outcome.notes[-1])
                    noted_s = loop.time()
                    while loop.time() - noted_s < min(note_every_s, seconds - at_s):
                        await asyncio.sleep(min(note_every_s, dice.uniform(5, 20)))
                        _do_something(user, dice)
                outcome.notes.append(_note(loop.time() - began_s, partner, user, loop))
                outcome.lasted_s, outcome.took_s = loop.time() - began_s, time.perf_counter() - began_wall_s
                outcome.drifts_s = [s.drift_s for s in partner.streams if s.first_s is not None]
                if sound.listener.trouble:
                    outcome.bugs += sound.listener.trouble[:3]
            finally:
                with loop.in_real_time() if isinstance(loop, FastLoop) else contextlib.nullcontext():
                    await program.close()
                window.close()
                window.deleteLater()
                theme.deleteLater()


def _do_something(user: User, dice: random.Random) -> None:
    """Stop an answer, type, or leave it."""
    match dice.randrange(6):
        case 0:
            user.window.stop_pressed.emit()
        case 1:
            user.types("Something typed in between.")


@contextlib.contextmanager
def _simulated_devices(sound: SimulatedSound, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program_module, "DuplexSound", partial(DuplexSound, sound=sound, clock=loop.time))
        patch.setattr(program_module, "Speaker", partial(Speaker, clock=loop.time))
        patch.setenv("OPENAI_API_KEY", ScriptedServer.token)
        yield


def _note(at_s: float, partner: Partner, user: User, loop: asyncio.AbstractEventLoop) -> Note:
    gc.collect()
    process = psutil.Process()
    return Note(
        round(at_s, 1),
        round(process.memory_info().rss / 2**20, 2),
        threading.active_count(),
        process.num_fds() if hasattr(process, "num_fds") else process.num_handles(),
        len(asyncio.all_tasks(loop)),
        round(partner.streams[-1].drift_s, 5) if partner.streams else 0.0,
        user.window.transcript.rowCount(),
        partner.answers,
        len(partner.streams),
    )


def run(
    seconds: float,
    *,
    simulated: bool,
    note_every_s: float = NOTE_EVERY_S,
    tell: Callable[[Note], None] = lambda _: None,
) -> Outcome:
    """Soak for so long, on a loop of its own."""
    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    application.setQuitOnLastWindowClosed(False)
    outcome = Outcome(simulated)
    gc.disable()  # as the program does; `_note` collects
    try:
        with tempfile.TemporaryDirectory(prefix="parley-soak-") as folder:
            work = soak(seconds, Path(folder), outcome, note_every_s=note_every_s, tell=tell)
            if simulated:
                with fast_loop(application.processEvents) as loop:
                    loop.run_until_complete(work)
            else:
                import qasync

                with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(application)) as runner:
                    runner.run(work)
    finally:
        gc.enable()
    return outcome


def _print(note: Note) -> None:
    print(
        f"{note.at_s / 60:6.1f} {note.memory_mb:8.1f} {note.threads:8} {note.files:6} {note.tasks:6} "
        f"{note.drift_s * 1000:6.1f} ms {note.rows:6} {note.answers:8} {note.sessions:9}",
        flush=True,
    )


def main(arguments: Sequence[str]) -> int:
    """Soak, print a table and a judgement, write the notes to a file."""
    parser = argparse.ArgumentParser(prog="bench soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="of talk (60)")
    parser.add_argument("--simulated", action="store_true", help="by simulated time")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_S / 60, help="minutes until nothing may grow (10)")
    parser.add_argument("--to", type=Path, help="write the notes there, as JSON")
    options = parser.parse_args(arguments)
    print("minute   memory  threads  files  tasks     drift   rows  answers  sessions")
    outcome = run(options.minutes * 60, simulated=options.simulated, tell=_print)
    print(f"{outcome.lasted_s / 60:.1f} minutes of talk in {outcome.took_s / 60:.1f} minutes")
    warm_up_s = options.warm_up * 60
    print(f"memory grew by {outcome.grown_mb(warm_up_s):.1f} MB after the first {options.warm_up:g} minutes")
    print(f"drift by session, ms: {', '.join(f'{drift * 1000:.1f}' for drift in outcome.drifts_s)}")
    wrong = outcome.faults(warm_up_s)
    print("\n".join(wrong) if wrong else "all goals reached")
    if options.to:
        options.to.write_text(json.dumps([asdict(note) for note in outcome.notes], indent=1), "utf-8")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
