"""Frames no server should send, through codec, core and window; what it costs, and what it breaks.

The window is the real one, offscreen; the edges are quiet: what is sent goes nowhere, what is played is over at
once. Between the frames the user talks, types and stops, timers ring, the connection is lost and found again, so
that every state of the core meets every frame.

    python -m tests.fuzz.run SEED [FRAMES]      # one seed; says how to play a frame that broke something
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from desktop_app.conversation import inputs
from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import Link
from desktop_app.conversation.inputs import Heard
from desktop_app.errors import Notice
from desktop_app.protocol import codec
from desktop_app.protocol.events import UnknownEvent
from desktop_app.protocol.items import PartId
from desktop_app.protocol.session_config import SessionConfig
from desktop_app.session import Session
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import Appearance, Theme
from tests.fuzz.frames import Mutant, corpus, huge

PAINT_EVERY = 250
"""Frames between two turns of the window."""
USER_EVERY = 40
WARM_UP_FRAMES = 100
"""Fonts, icons and what else is loaded once come with the first card that is shown; that is no frame's fault."""
HUGE_EVERY = 5_000
NEVER_HELD_S = 0.05
"""So long at most one frame may hold the loop: CPU time, on a machine as fast as the yardstick was cut on."""
YARDSTICK_S = 0.002
"""What `yardstick` takes there."""


class Quiet:
    """All the edges but the window: nothing is heard of them, and little is kept."""

    def __init__(self) -> None:
        self.playing: dict[PartId, int] = {}
        self.timers: deque[Callable[[], None]] = deque(maxlen=500)
        self.calls: deque[str] = deque(maxlen=50)
        self.asked_to_connect = False

    # transport
    def connect(self) -> None:
        self.asked_to_connect = True

    def send(self, event: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        """Whatever else an edge may be asked for: nothing."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing

    # speaker
    def play(self, part: PartId, pcm: bytes) -> None:
        self.playing[part] = self.playing.get(part, 0) + len(pcm)

    def stop(self) -> tuple[Heard, ...]:
        heard = tuple(Heard(part, size // 96) for part, size in self.playing.items())
        self.playing.clear()
        return heard

    # tools
    def run(self, call_id: str, name: str, arguments: str) -> None:
        self.calls.append(call_id)

    # time
    def call_later(self, seconds: float, do: Callable[[], None]) -> None:
        self.timers.append(do)


def _nothing(*_: object, **__: object) -> None:
    pass


@dataclass(slots=True)
class Report:
    """What came of it."""

    seed: int
    frames: int = 0
    unknown: int = 0
    entries: int = 0
    took_s: float = 0.0
    slowest_s: float = 0.0
    slowest: bytes = b""
    grown_mb: float = 0.0
    """Resident memory, from the first quarter to the end."""
    slow: list[tuple[float, int, str]] = field(default_factory=list)
    """The slowest frames: seconds, number, how they begin."""


class Broken(AssertionError):
    """A frame raised something, or held the loop."""


class Fuzz:
    """One window, one core, one stream of frames."""

    def __init__(self, application: QApplication, seed: int, frames: Sequence[bytes] | None = None) -> None:
        self._application = application
        self._dice = random.Random(seed + 7)
        self._mutant = Mutant(seed, list(frames) if frames else None)
        self._report = Report(seed)
        self._theme = Theme(application, Appearance.LIGHT, reduced_motion=True)
        self.window = MainWindow(self._theme)
        self.window.show()
        self._edges = quiet = Quiet()
        self.core = Conversation(
            SessionConfig(), voice="heart", voices=("heart",), jitter=lambda: 0.5, now=time.time
        )
        edges: dict[str, Any] = dict.fromkeys(("transport", "speaker", "microphone", "tools", "records"), quiet)
        self.session = Session(self.core, view=self.window, call_later=quiet.call_later, **edges)

    def run(self, frames: int, *, with_huge: bool = True, never_held_s: float = 1e9) -> Report:
        """Take so many frames; raise `Broken` at the first that breaks something."""
        report, mutants = self._report, iter(self._mutant)
        large = list(huge().items()) if with_huge else []
        caught: list[BaseException] = []
        before, sys.excepthook = sys.excepthook, lambda kind, error, trace: caught.append(error)
        began_s, memory = time.perf_counter(), psutil.Process()
        early_mb = 0.0
        self.session.handle(inputs.ConnectAsked())
        try:
            for number in range(frames):
                frame = next(mutants)
                if large and number % HUGE_EVERY == HUGE_EVERY // 2:
                    frame = large[number // HUGE_EVERY % len(large)][1]
                self._take(number, frame, caught, never_held_s)
                if number % USER_EVERY == 0:
                    self._live()
                if number % PAINT_EVERY == 0:
                    self._application.processEvents()
                    gc.collect(1)
                if number == frames // 4:
                    gc.collect()
                    early_mb = memory.memory_info().rss / 2**20
            self._application.processEvents()
            if caught:
                raise Broken(f"seed {report.seed}: the hook got {caught[0]!r}") from caught[0]
        finally:
            sys.excepthook = before
        gc.collect()
        report.grown_mb = memory.memory_info().rss / 2**20 - early_mb
        report.took_s = time.perf_counter() - began_s
        report.entries = self.window.transcript.rowCount()
        return report

    def close(self) -> None:
        """Take the window away."""
        self.session.close()
        self.window.close()
        self.window.deleteLater()
        self._theme.deleteLater()
        self._application.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # no loop of Qt's runs that would

    def _take(self, number: int, frame: bytes, caught: list[BaseException], never_held_s: float) -> None:
        report = self._report
        began_s = time.thread_time()
        try:
            event = codec.decode_server_event(frame)
            self.session.handle(inputs.Received(event))
        except Exception as error:
            raise Broken(f"seed {report.seed}, frame {number}: {error!r} by {frame[:2000]!r}") from error
        spent_s = time.thread_time() - began_s
        report.frames += 1
        report.unknown += isinstance(event, UnknownEvent)
        if number < WARM_UP_FRAMES:
            spent_s = 0.0
        if spent_s > report.slowest_s:
            report.slowest_s, report.slowest = spent_s, frame[:200]
        if spent_s > NEVER_HELD_S / 5:
            report.slow = sorted([*report.slow, (spent_s, number, repr(frame[:120]))], reverse=True)[:10]
        if spent_s > never_held_s:
            held = f"{spent_s * 1000:.0f} ms by {len(frame)} bytes"
            raise Broken(f"seed {report.seed}, frame {number}: held for {held}: {frame[:500]!r}")
        if caught:
            raise Broken(f"seed {report.seed}, frame {number}: the hook got {caught[0]!r}") from caught[0]

    def _live(self) -> None:
        """Let the user, the devices and the clock do something."""
        dice, handle, quiet = self._dice, self.session.handle, self._edges
        part = next(iter(quiet.playing), None)
        if part is not None and dice.random() < 0.8:
            del quiet.playing[part]
            handle(inputs.PlaybackFinished(part))
        if quiet.timers and dice.random() < 0.3:
            quiet.timers.popleft()()
        if self.core.link is Link.OFFLINE or dice.random() < 0.02:
            handle(inputs.ConnectAsked())
        if quiet.calls and dice.random() < 0.5:
            handle(inputs.ToolFinished(quiet.calls.popleft(), "{}"))
        something = dice.randrange(60)
        match something:
            case 0:
                handle(inputs.TalkPressed())
                handle(inputs.MicStarted())
                handle(inputs.MicBlock(bytes(960)))
            case 1:
                handle(inputs.TalkReleased())
                handle(inputs.MicClosed())
            case 2:
                handle(inputs.StopPressed())
            case 3:
                handle(inputs.TextEntered("What is that?"))
            case 4:
                handle(inputs.Disconnected(close_code=1006))
            case 5 if dice.random() < 0.05:
                handle(inputs.NewConversationAsked())
            case 6:
                handle(inputs.SpeakerFailed(Notice("It is gone.", "Choose another.")))
                quiet.playing.clear()
            case 7:
                self.window.resize(dice.choice([380, 700, 1200]), dice.choice([480, 800]))


def yardstick() -> float:
    """Return how long a fixed piece of work takes here and now, in CPU seconds."""
    frame = b"[" + b'{"a":1,"b":"text"},' * 10_000 + b"0]"
    times = []
    for _ in range(5):
        began_s = time.thread_time()
        codec._decode_any(frame)
        times.append(time.thread_time() - began_s)
    return sorted(times)[2]


def allowed_s() -> float:
    """Return how long a frame may hold the loop here: thrice the goal, and more on a slower machine."""
    return 3 * NEVER_HELD_S * max(1.0, yardstick() / YARDSTICK_S)


def main(arguments: Sequence[str]) -> int:
    """Run one seed, tell what it cost."""
    seed = int(arguments[0]) if arguments else 1
    frames = int(arguments[1]) if len(arguments) > 1 else 20_000
    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    gc.disable()
    fuzz = Fuzz(application, seed, corpus())
    report = fuzz.run(frames)
    fuzz.close()
    print(
        f"seed {seed}: {report.frames} frames in {report.took_s:.1f} s, {report.unknown} unknown, "
        f"{report.entries} rows; the slowest held the loop {report.slowest_s * 1000:.1f} ms CPU; memory "
        f"{report.grown_mb:+.1f} MB; yardstick {yardstick() * 1000:.1f} ms"
    )
    for spent_s, number, head in report.slow:
        print(f"  {spent_s * 1000:6.1f} ms  frame {number}: {head}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
