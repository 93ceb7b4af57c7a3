"""Does the offline assistant cost the window a frame? How late the program's event loop is while it thinks.

The whole program on a virtual screen with a virtual sound card, its own local server beside it, with all engines,
on the same cores. A heartbeat in the program's loop is due every 10 ms (tests/bench/drivers/probed.py); the figure
is how late it comes, in ms, by what goes on at the time:

    starting     from the window's first word to the last engine loaded
    idle         connected, nobody speaks: the floor, and what the others are compared with
    listening    a question is spoken into the microphone; drafts of it are recognised and shown
    thinking     from the key's release, or from Return, to the first sound of the answer
    speaking     the answer is made, shown and played

    python3 packaging/dev.py bench loop [-- --rounds 5 --strict]

`own p99` is of the lateness without the time in which the loop was ready and had no core to run on. `busy` is what
the whole machine did meanwhile, in percent of all cores, `others` what of that was neither the program nor this
bench: with much of it, all but the own figures are about somebody else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from desktop_app.local_server.engines.hibari import HibariSpeech
from tests.bench.drivers import probed
from tests.harness import processes
from tests.harness.processes import wait_until
from tests.harness.program import ROOT, Running, surroundings
from tests.harness.screen import VirtualScreen
from tests.harness.sound import RATE_HZ, Recorder, VirtualSound

TARGET = ROOT / "build" / "bench" / "loop.json"
GOAL_MS = 20.0
"""For the 99th percentile, in every phase but the start."""
IDLE_S = 10.0
ANSWERED_WITHIN_S = 60.0
LOADED_WITHIN_S = 120.0
SILENCE_S = 1.5
"""After so much of it the answer is over."""
SPOKEN = ("What can you do?", "What is seventeen times four?", "Tell me something about the sea.")
TYPED = ("I had a lovely day at the lake with my dog.", "How is the weather where you live?", "What can you do?")


@dataclass(slots=True)
class Phase:
    """What went on, and when."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    busy_s: float = 0.0
    own_s: float = 0.0

    @property
    def lasted_s(self) -> float:
        """How long, all in all."""
        return sum(end - begin for begin, end in self.spans)

    def percent(self, cpu_s: float) -> float:
        """Return CPU seconds as percent of all cores."""
        return 100 * cpu_s / (self.lasted_s * (psutil.cpu_count() or 1))


class Clock:
    """Notes phases, and what the machine did during each."""

    def __init__(self) -> None:
        self.phases: dict[str, Phase] = defaultdict(Phase)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block to this phase."""
        begun_s, busy_s, own_s = time.monotonic(), _busy_s(), _own_s()
        yield
        phase = self.phases[name]
        phase.spans.append((begun_s, time.monotonic()))
        phase.busy_s += _busy_s() - busy_s
        phase.own_s += _own_s() - own_s


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _own_s() -> float:
    this = psutil.Process()
    spent = 0.0
    for process in [this, *this.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:2])
    return float(spent + sum(this.cpu_times()[2:4]))  # those that have ended


async def voices() -> list[bytes]:
    """Return the questions, spoken, with a breath before and after."""
    speech = await HibariSpeech.load()
    breath = bytes(RATE_HZ // 5 * 2)
    said = []
    try:
        for words in SPOKEN:

            async def pieces(words: str = words) -> AsyncIterator[str]:
                yield words

            said.append(breath + b"".join([pcm async for pcm in speech.speak(pieces(), voice="max")]) + breath)
    finally:
        speech.close()
    return said


def converse(clock: Clock, program: Running, sound: VirtualSound, questions: Sequence[bytes], rounds: int) -> None:
    """Be idle, ask aloud, ask in writing."""
    with clock.phase("idle"):
        time.sleep(IDLE_S)  # the story is that nothing happens for so long
    with sound.record() as recorder:
        for number in range(rounds):
            with clock.phase("listening"):
                program.press()
                sound.play(questions[number % len(questions)])
            program.release()
            _await_answer(clock, recorder)
            program.screen.type(TYPED[number % len(TYPED)])
            program.screen.tap("Return")
            _await_answer(clock, recorder)


def _await_answer(clock: Clock, recorder: Recorder) -> None:
    asked_s = time.monotonic()
    with clock.phase("thinking"):
        recorder.wait_for_sound(asked_s, ANSWERED_WITHIN_S)
    with clock.phase("speaking"):
        recorder.wait_for_silence(SILENCE_S, ANSWERED_WITHIN_S)


def measure(rounds: int, questions: Sequence[bytes]) -> tuple[Clock, NDArray[np.float64]]:
    """Run the program; return the phases, and the beats."""
    clock = Clock()
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        VirtualSound() as sound,
        VirtualScreen() as screen,
    ):
        log, beats = Path(folder) / "log", Path(folder) / "beats"
        env = surroundings(sound, screen, {probed.FILE: str(beats), "PYTHONDONTWRITEBYTECODE": None})
        command = [sys.executable, probed.__file__, "--profile", str(Path(folder) / "profile")]
        with log.open("wb") as written:
            process = processes.start([*command, "--log-level", "info"], env, stdout=written, stderr=written)
        try:
            with clock.phase("starting"):
                program = Running(process, screen, log)
                wait_until(lambda: "engines loaded" in program.said(), "the engines", LOADED_WITHIN_S)
            converse(clock, program, sound, questions, rounds)
            if (code := program.close()) != 0 or "Traceback" in program.said():
                raise RuntimeError(f"The program ended with {code}:\n{program.said()}")
        finally:
            processes.stop(process)
        return clock, np.array(json.loads(beats.read_text("utf-8")), np.float64)


def rows(clock: Clock, beats: NDArray[np.float64]) -> list[dict[str, str | int | float]]:
    """Return the rows of the table, as they are written to the file."""
    table: list[dict[str, str | int | float]] = []
    floor_ms = 0.0
    for name, phase in clock.phases.items():
        inside = np.any([(beats[:, 0] >= begin) & (beats[:, 0] < end) for begin, end in phase.spans], axis=0)
        late_ms = beats[inside, 1] * 1000
        own_ms = late_ms - beats[inside, 2] * 1000
        p50, p99 = np.percentile(late_ms, [50, 99])
        if name == "idle":
            floor_ms = p99
        table.append(
            {
                "phase": name,
                "beats": len(late_ms),
                "p50_ms": round(float(p50), 2),
                "p99_ms": round(float(p99), 2),
                "max_ms": round(float(late_ms.max()), 2),
                "own_p99_ms": round(float(np.percentile(own_ms, 99)), 2),
                "p99_to_idle": round(float(p99 / floor_ms), 2) if floor_ms else 0.0,
                "busy_percent": round(phase.percent(phase.busy_s), 1),
                "others_percent": round(max(0.0, phase.percent(phase.busy_s - phase.own_s)), 1),
            }
        )
    return table


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(prog="bench loop", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6, help="questions spoken, and as many typed (6)")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a goal is missed")
    options = parser.parse_args(arguments)
    questions = asyncio.run(voices())
    table = rows(*measure(options.rounds, questions))
    print(f"lateness of the program's loop, ms, on {os.cpu_count()} cores")
    print(f"{'':12}{'beats':>7}{'p50':>8}{'p99':>8}{'max':>8}{'own p99':>9}{'to idle':>9}{'busy':>7}{'others':>8}")
    for row in table:
        print(
            f"{row['phase']:12}{row['beats']:>7}{row['p50_ms']:>8.2f}{row['p99_ms']:>8.2f}{row['max_ms']:>8.2f}"
            f"{row['own_p99_ms']:>9.2f}{row['p99_to_idle']:>9.2f}{row['busy_percent']:>6.0f}%{row['others_percent']:>7.0f}%"
        )
    missed = [row["phase"] for row in table if row["phase"] != "starting" and float(row["p99_ms"]) >= GOAL_MS]
    print(f"goal: p99 below {GOAL_MS:g} ms: {'missed: ' + ', '.join(map(str, missed)) if missed else 'reached'}")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"written to {TARGET.relative_to(ROOT)}")
    return int(bool(missed) and options.strict)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
