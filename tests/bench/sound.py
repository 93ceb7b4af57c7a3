"""How fast it falls silent, how true it is about what was heard, how soon it sounds.

A reply is noise within the band of speech, every 30 ms of it unlike any other, so the recording of the virtual
speaker tells exactly which sample sounded last. Each run delivers a reply in its scenario's way, interrupts at
a random moment and compares what the program claims with what was recorded. Figures:

    silence_ms             from the order to be silent to the last sample at the speaker
    heard_error_ms         what is claimed as heard, less what was recorded of the reply
    first_sound_ms         from the first delta to the first sample at the speaker
    gap_ms                 silence between the first and the last sample
    lost_ms                of a reply that is not interrupted: what did not sound
    cut_step_percent       how far the last sample is from silence, of full scale: the click
    likeness               of what was captured to what was spoken, 1 is the same; the first and last 100 ms too
    release_to_commit_ms   from the key going up to the end of the talk, less the release tail
    open_to_block_ms       from the key going down to the first captured block
    cpu_percent, rss_mb    of one core, and resident: playing, capturing, doing nothing

Who is measured is a `Driver` (tests/bench/drivers): the whole program, `parley`, from the press of a real key to
what comes over the wire; on request its sound engine alone, `parley engine`; or, interrupted by the server's
`speech_started`, the program talking hands-free and other people's programs (`drivers/peers.py`).

    unclear                1: the recording does not tell which sample was heard last
    untold                 1: the server was never told what was heard

    python3 packaging/dev.py bench sound                                     five minutes
    python3 packaging/dev.py bench sound -- --peers                          everybody side by side
    python3 packaging/dev.py bench sound -- --runs 3 --strict                one, for a look whether all is well
    python3 packaging/dev.py bench sound -- --scenario burst --program "parley engine"
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from tests.bench.drivers import BYTES_PER_MS, DELTA_MS, Delta, Driver, engine, peers, program, sleep_until
from tests.harness import processes
from tests.harness.sound import RATE_HZ, SPEAKER, Recorder, VirtualSound

TARGET = Path(__file__).resolve().parents[2] / "build" / "bench" / "sound.json"
PEER_SHARE = 4
"""Other people's programs are run this much less often than ours."""
OTHER_SPEAKER = "va_other_speaker"
MOVED_AFTER_S = 0.5
SETTLE_S = 0.25
"""How long the recording goes on after the last sound."""

Samples = NDArray[np.int16]


# --- what is played -----------------------------------------------------------------------------


def noise(ms: int, seed: int) -> bytes:
    """Return noise of 300 to 3,400 Hz at −14 dB, never exactly zero for long; another for each seed."""
    count = RATE_HZ * ms // 1000
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    wave = np.fft.irfft(spectrum, count)
    pcm: bytes = np.rint(wave / wave.std() * 6500).clip(-32767, 32767).astype("<i2").tobytes()
    return pcm


class Around(Enum):
    """What goes on around a reply."""

    NOTHING = "nothing"
    MOVED = "moved"
    """The sound server moves the program to another speaker in mid-reply, as a user does in its mixer."""
    BUSY = "busy"
    """Both cores have other work."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A way a reply comes, and when it is interrupted."""

    name: str
    reply_ms: int
    arrivals: Callable[[int, random.Random], float]
    """The number of a delta → when it comes, in seconds after the first."""
    cut_ms: tuple[int, int] | None
    """Between which times after the first delta it is interrupted; None: it is not."""
    items: int = 1
    """Of how many items, of the same length, it consists."""
    around: Around = Around.NOTHING

    def starts_ms(self, item: int) -> float:
        """Return where in the reply an item begins."""
        return self.reply_ms / self.items * item

    def deltas(self, seed: int) -> list[Delta]:
        """Return the reply, cut up."""
        pcm = noise(self.reply_ms, seed)
        chance = random.Random(seed)
        size = DELTA_MS * BYTES_PER_MS
        pieces = [pcm[at : at + size] for at in range(0, len(pcm), size)]
        times = [self.arrivals(number, chance) for number in range(len(pieces))]
        return [
            Delta(max(times[: number + 1]), piece, number * self.items // len(pieces))
            for number, piece in enumerate(pieces)
        ]


def _burst(number: int, _: random.Random) -> float:
    return number * 0.002


def _real_time(number: int, _: random.Random) -> float:
    return number * DELTA_MS / 1000


def _stalled(number: int, _: random.Random) -> float:
    return number * 0.002 if number < 8 else 2.8 + number * 0.002


def _ten_times(number: int, _: random.Random) -> float:
    return number * DELTA_MS / 10_000


def _jittery(number: int, chance: random.Random) -> float:
    return number * DELTA_MS / 1000 + (chance.uniform(0, 0.25) if number else 0)


SCENARIOS = (
    Scenario("burst", 4000, _burst, (400, 2000)),
    Scenario("real time", 4000, _real_time, (400, 2000)),
    Scenario("stalled", 4000, _stalled, (3100, 4500)),
    Scenario("jitter", 4000, _jittery, (400, 2000)),
    Scenario("early", 4000, _burst, (20, 200)),
    Scenario("100 ms reply", 100, _burst, None),
    Scenario("400 ms reply", 400, _burst, None),
    Scenario("two items", 4000, _burst, (400, 3600), items=2),
    Scenario("20 s at 10x", 20_000, _ten_times, (1000, 8000)),
    Scenario("moved", 4000, _burst, (1500, 2500), around=Around.MOVED),
    Scenario("busy", 4000, _real_time, (400, 2000), around=Around.BUSY),
)


# --- what came out ------------------------------------------------------------------------------


class Unclear(Exception):
    """The recording does not tell what was heard: holes in it, or another sound."""


@dataclass(slots=True)
class Trace:
    """What was recorded of one reply."""

    first_s: float
    """When its first sample sounded."""
    last_s: float
    """When its last sample had sounded."""
    heard_ms: float
    """How far into the reply that was."""
    last_value: int
    gap_ms: float
    """Silence between the first and the last sample."""


def trace(recorder: Recorder, reply: bytes, since_s: float) -> Trace | None:
    """Find the reply in the recording; None: nothing of it sounded.

    Raises `Unclear` if what sounded last is nothing of this reply.
    """
    start = max(0, recorder.index_at(since_s))
    samples = recorder.samples[start:]
    sounding = np.flatnonzero(samples)
    if not sounding.size:
        return None
    first, last = int(sounding[0]), int(sounding[-1])
    heard = position_of(samples[first : last + 1], reply)
    return Trace(
        recorder.time_of(start + first),
        recorder.time_of(start + last + 1),
        heard * 1000 / RATE_HZ,
        int(samples[last]),
        gaps_ms(samples[first : last + 1]),
    )


def gaps_ms(samples: Samples) -> float:
    """Return how long it was silent for 2 ms or more, in all."""
    distances = np.diff(np.flatnonzero(samples)) - 1
    return float(distances[distances >= RATE_HZ // 500].sum()) * 1000 / RATE_HZ


def position_of(sounded: Samples, reply: bytes) -> int:
    """Return how many samples of the reply there are up to and with the last of these.

    The last 30 ms tell it; where a busy machine left a hole in them, what came after the hole must do.
    """
    whole = np.frombuffer(reply, "<i2").astype(np.float64)
    likeness = 0.0
    for piece_ms in (30, 10, 3):
        piece = sounded[-RATE_HZ * piece_ms // 1000 :].astype(np.float64)
        at, likeness = _find(piece, whole)
        if likeness > 0.9:
            return at + len(piece)
    raise Unclear(f"What sounded last is nothing of the reply (correlation {likeness:.2f}).")


def _find(piece: NDArray[np.float64], whole: NDArray[np.float64]) -> tuple[int, float]:
    """Return where a piece is most like the whole, and how like: 1 is the same."""
    size = 1 << (len(whole) + len(piece)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(piece, size)), size)
    at = int(np.argmax(correlation[: len(whole)]))
    there = whole[at : at + len(piece)]
    return at, float(there @ piece[: len(there)] / (np.linalg.norm(there) * np.linalg.norm(piece) + 1))


def likenesses(captured: bytes, spoken: bytes) -> dict[str, float]:
    """Return how like what was spoken the recording is, as a whole, and its first and last 100 ms."""
    got = np.frombuffer(captured[: len(captured) & ~1], "<i2").astype(np.float64)
    whole = np.frombuffer(spoken, "<i2").astype(np.float64)
    edge = RATE_HZ // 10
    pieces = {"likeness": got, "likeness_first": got[:edge], "likeness_last": got[-edge:]}
    return {name: _find(piece, whole)[1] if piece.size else 0.0 for name, piece in pieces.items()}


def lost_ms(recorder: Recorder, reply: bytes, since_s: float) -> float:
    """Return how much of the reply is not in the recording, looked for 10 ms by 10 ms."""
    samples = recorder.samples[max(0, recorder.index_at(since_s)) :]
    sounding = samples[np.flatnonzero(samples)] if samples.size else samples
    whole = np.frombuffer(reply, "<i2")
    whole = whole[np.flatnonzero(whole)]
    size = RATE_HZ // 100
    pieces = [whole[at : at + size].tobytes() for at in range(0, len(whole), size)]
    heard = sounding.tobytes()
    return float(sum(len(piece) / BYTES_PER_MS for piece in pieces if piece not in heard))


# --- the runs -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be."""

    figure: str
    least: float
    most: float
    scenarios: tuple[str, ...]
    """Where it is meant to be reached."""

    def is_for(self, scenario: str, figure: str) -> bool:
        """Return whether it is about this."""
        return figure == self.figure and scenario in self.scenarios

    def count(self, values: Iterable[float]) -> int:
        """Return how many values are good enough."""
        return sum(self.least <= value <= self.most for value in values)


_DELIVERIES = ("burst", "real time", "stalled", "jitter", "two items", "20 s at 10x", "moved", "busy")
GOALS = (
    Goal("silence_ms", 0, 30, _DELIVERIES),
    Goal("heard_error_ms", -20, 20, _DELIVERIES),
    Goal("first_sound_ms", 0, 60, (*_DELIVERIES, "100 ms reply", "400 ms reply")),
    Goal("lost_ms", 0, 0, ("100 ms reply", "400 ms reply")),
    Goal("likeness", 0.99, 1, ("talk",)),
    Goal("likeness_first", 0.99, 1, ("talk",)),
    Goal("likeness_last", 0.99, 1, ("talk",)),
    Goal("release_to_commit_ms", -float("inf"), 30, ("talk",)),
    Goal("open_to_block_ms", 0, 40, ("talk",)),
)


@dataclass(slots=True)
class Figures:
    """Values by scenario and figure."""

    program: str
    values: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, scenario: str, figure: str, value: float) -> None:
        """Add a value."""
        self.values[scenario, figure].append(value)

    def rows(self) -> list[dict[str, str | int | float]]:
        """Return the rows of the table, as they are written to the file."""
        return [
            {
                "program": self.program,
                "scenario": scenario,
                "figure": figure,
                "n": len(values),
                "median": round(statistics.median(values), 2),
                "min": round(min(values), 2),
                "max": round(max(values), 2),
            }
            for (scenario, figure), values in self.values.items()
        ]

    def show(self) -> None:
        """Print the table, with how many runs reached the goal."""
        print(f"{self.program:14} {'figure':22} {'n':>4} {'median':>9} {'min':>9} {'max':>9}  goal reached")
        for row, ((scenario, figure), values) in zip(self.rows(), self.values.items(), strict=True):
            reached = [f"{goal.count(values)} of {len(values)}" for goal in GOALS if goal.is_for(scenario, figure)]
            print(
                f"{scenario:14} {figure:22} {row['n']:>4} {row['median']:>9.2f} {row['min']:>9.2f}"
                f" {row['max']:>9.2f}  {''.join(reached)}".rstrip()
            )

    def missed(self) -> list[str]:
        """Return what has a goal and does not reach it, by the median."""
        return [
            f"{figure} ({scenario})"
            for (scenario, figure), values in self.values.items()
            for goal in GOALS
            if goal.is_for(scenario, figure) and not goal.count([statistics.median(values)])
        ]


async def run_reply(driver: Driver, sound: VirtualSound, scenario: Scenario, seed: int, figures: Figures) -> None:
    """Play one reply, interrupt it if the scenario says so, note the figures."""
    deltas = scenario.deltas(seed)
    reply = b"".join(delta.pcm for delta in deltas)
    chance = random.Random(seed)
    await driver.ready()
    with sound.record() as recorder, _around(scenario, sound) as other:
        first_delta_s = await driver.deliver(deltas)
        cut = None
        if other is not None:
            await sleep_until(first_delta_s + MOVED_AFTER_S)
            await asyncio.to_thread(_move, sound, OTHER_SPEAKER)
        if scenario.cut_ms is None:
            await driver.finished()
        else:
            await sleep_until(first_delta_s + chance.uniform(*scenario.cut_ms) / 1000)
            cut = await driver.interrupt()
        await asyncio.sleep(SETTLE_S)
        try:
            found = trace(recorder, reply, first_delta_s - 0.05)
            if found is not None and other is not None:
                later = trace(other, reply, first_delta_s - 0.05)
                found = found if later is None else replace(later, first_s=found.first_s)
        except Unclear:
            figures.note(scenario.name, "unclear", 1.0)
            return
        lost = lost_ms(recorder, reply, first_delta_s - 0.05) if cut is None else 0.0
    if found is None:  # nothing of it sounded
        if cut is None:
            figures.note(scenario.name, "lost_ms", len(reply) / BYTES_PER_MS)
        elif not math.isnan(cut.claimed_ms):
            figures.note(scenario.name, "heard_error_ms", cut.claimed_ms)
        return
    figures.note(scenario.name, "first_sound_ms", (found.first_s - first_delta_s) * 1000)
    figures.note(scenario.name, "gap_ms", found.gap_ms)
    if cut is None:
        figures.note(scenario.name, "lost_ms", lost)
        return
    figures.note(scenario.name, "silence_ms", max(0.0, (found.last_s - cut.ordered_s) * 1000))
    figures.note(scenario.name, "untold", float(math.isnan(cut.claimed_ms)))
    if not math.isnan(cut.claimed_ms):
        claimed_ms = scenario.starts_ms(cut.item) + cut.claimed_ms
        figures.note(scenario.name, "heard_error_ms", claimed_ms - found.heard_ms)
    figures.note(scenario.name, "cut_step_percent", abs(found.last_value) / 327.68)


@contextmanager
def _around(scenario: Scenario, sound: VirtualSound) -> Iterator[Recorder | None]:
    """Let happen what happens around a reply; yield the recorder of the other speaker, if there is one."""
    match scenario.around:
        case Around.NOTHING:
            yield None
        case Around.MOVED:
            sound.add_sink(OTHER_SPEAKER, rate_hz=RATE_HZ, channels=1)
            try:
                with sound.record(f"{OTHER_SPEAKER}.monitor") as other:
                    yield other
            finally:
                _move(sound, SPEAKER)
                sound.remove(OTHER_SPEAKER)
        case Around.BUSY:
            work = [processes.start([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
            try:
                yield None
            finally:
                for process in work:
                    processes.stop(process)


def _move(sound: VirtualSound, speaker: str) -> None:
    """Move everything that sounds to a speaker; what ends just then need not be moved."""
    for line in sound.pactl("list", "short", "sink-inputs").splitlines():
        with suppress(RuntimeError):
            sound.pactl("move-sink-input", line.split("\t")[0], speaker)


async def run_talk(driver: Driver, sound: VirtualSound, seed: int, figures: Figures) -> None:
    """Hold the key while somebody speaks."""
    await driver.ready()
    spoken = noise(3000, seed)
    speaking = sound.start_playing(spoken)
    await asyncio.sleep(0.4 + random.Random(seed).uniform(0, 0.05))
    talk = await driver.talk(0.6 + random.Random(seed).uniform(0, 0.05))
    speaking.terminate()
    for name, likeness in likenesses(talk.captured, spoken).items():
        figures.note("talk", name, likeness)
    figures.note("talk", "open_to_block_ms", talk.first_block_ms)
    figures.note("talk", "release_to_commit_ms", talk.release_to_commit_ms - talk.tail_ms)


async def run_load(driver: Driver, figures: Figures, seconds: float = 4) -> None:
    """Note what playing, capturing and doing nothing cost, nothing recorded beside it.

    Who talks hands-free captures all the time: playing is a talk in both directions, and nothing is ever idle.
    """
    size = DELTA_MS * BYTES_PER_MS
    pcm = noise(int(seconds * 1000) + 500, 1)
    pieces = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    await driver.ready()
    await driver.deliver([Delta(number * 0.002, piece) for number, piece in enumerate(pieces)])
    await asyncio.sleep(0.3)
    both = driver.program not in TALKS
    async with _load(driver, figures, "both directions" if both else "playing"):
        await asyncio.sleep(seconds)
    await driver.finished()
    if both:
        return
    await driver.ready()
    async with _load(driver, figures, "capturing"):
        await driver.talk(seconds)
    await asyncio.sleep(0.5)
    async with _load(driver, figures, "idle"):
        await asyncio.sleep(seconds)


@asynccontextmanager
async def _load(driver: Driver, figures: Figures, scenario: str) -> AsyncIterator[None]:
    before, begun = _spent_s(driver.pid), time.monotonic()
    yield
    spent, lasted = _spent_s(driver.pid) - before, time.monotonic() - begun
    figures.note(scenario, "cpu_percent", spent / lasted * 100)
    figures.note(scenario, "rss_mb", sum(each.memory_info().rss for each in _family(driver.pid)) / 2**20)


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _spent_s(pid: int) -> float:
    return float(sum(sum(each.cpu_times()[:2]) for each in _family(pid)))


Opener = Callable[[VirtualSound], AbstractAsyncContextManager[Driver]]
PROGRAMS: dict[str, Opener] = {
    program.PROGRAM: program.open_program,
    peers.HANDS_FREE: peers.open_hands_free,
    **{name: peers.opener(name) for name in peers.PROGRAMS},
    engine.PROGRAM: engine.open_engine,
}
TALKS = (program.PROGRAM, engine.PROGRAM)
"""Who has a talk key."""


async def measure(name: str, scenarios: Iterable[Scenario], runs: int, *, rest: bool) -> Figures:
    """Run everything; return the figures."""
    figures = Figures(name)
    with VirtualSound() as sound:
        async with PROGRAMS[name](sound) as driver:
            for scenario in scenarios:
                for seed in range(runs):
                    await run_reply(driver, sound, scenario, seed + 1, figures)
            if rest:
                for seed in range(runs if name in TALKS else 0):
                    await run_talk(driver, sound, seed + 1, figures)
                for _ in range(min(runs, 3)):
                    await run_load(driver, figures)
    return figures


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, write the file."""
    parser = argparse.ArgumentParser(prog="bench sound", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="runs per scenario (20)")
    parser.add_argument("--scenario", action="append", help="only this one; may be given again")
    parser.add_argument(
        "--program",
        action="append",
        choices=PROGRAMS,
        help=f"who is measured ({program.PROGRAM}); may be given again",
    )
    parser.add_argument("--peers", action="store_true", help="the program, and other people's, hands-free")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a median misses its goal")
    options = parser.parse_args(arguments)
    known = [*(scenario.name for scenario in SCENARIOS), "talk"]
    if unknown := sorted(set(options.scenario or ()) - set(known)):
        parser.error(f"no scenario {', '.join(unknown)}; there are: {', '.join(known)}")
    chosen = [scenario for scenario in SCENARIOS if not options.scenario or scenario.name in options.scenario]
    rest = not options.scenario or "talk" in options.scenario
    rows, missed = [], []
    side_by_side = [program.PROGRAM, peers.HANDS_FREE, *peers.PROGRAMS] if options.peers else [program.PROGRAM]
    for name in options.program or side_by_side:
        runs = options.runs if name not in peers.PROGRAMS else max(1, options.runs // PEER_SHARE)
        try:
            figures = asyncio.run(measure(name, chosen, runs, rest=rest))
        except peers.NotToBeHad as reason:
            print(f"left out: {reason}")
            continue
        figures.show()
        rows += figures.rows()
        missed += figures.missed()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"written to {TARGET.relative_to(TARGET.parents[2])}")
    if missed:
        print(f"goal missed: {', '.join(missed)}")
    return int(bool(missed) and options.strict)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
