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
    release_to_commit_ms   from the key going up to the end of the talk, less the release tail
    open_to_block_ms       from the key going down to the first captured block
    cpu_percent, rss_mb    of one core, and resident, while it captures and plays

Who is measured is a `Driver`. `EngineDriver` is the sound engine alone, on an asyncio loop of this process.

    python3 packaging/dev.py bench sound [-- --runs 20 --scenario burst]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
from numpy.typing import NDArray

from desktop_app.conversation.inputs import Input, MicBlock, MicClosed, MicStarted, PlaybackFinished
from desktop_app.protocol.items import PartId
from tests.harness.sound import RATE_HZ, Recorder, VirtualSound

TARGET = Path(__file__).resolve().parents[2] / "build" / "bench" / "sound.json"
BYTES_PER_MS = RATE_HZ * 2 // 1000
DELTA_MS = 100
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


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of a reply and when it comes."""

    at_s: float
    """After the first."""
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Scenario:
    """A way a reply comes, and when it is interrupted."""

    name: str
    reply_ms: int
    arrivals: Callable[[int, random.Random], float]
    """The number of a delta → when it comes, in seconds after the first."""
    cut_ms: tuple[int, int] | None
    """Between which times after the first delta it is interrupted; None: it is not."""

    def deltas(self, seed: int) -> list[Delta]:
        """Return the reply, cut up."""
        pcm = noise(self.reply_ms, seed)
        chance = random.Random(seed)
        size = DELTA_MS * BYTES_PER_MS
        pieces = [pcm[at : at + size] for at in range(0, len(pcm), size)]
        times = [self.arrivals(number, chance) for number in range(len(pieces))]
        return [Delta(max(times[: number + 1]), piece) for number, piece in enumerate(pieces)]


def _burst(number: int, _: random.Random) -> float:
    return number * 0.002


def _real_time(number: int, _: random.Random) -> float:
    return number * DELTA_MS / 1000


def _stalled(number: int, _: random.Random) -> float:
    return number * 0.002 if number < 8 else 2.8 + number * 0.002


def _jittery(number: int, chance: random.Random) -> float:
    return number * DELTA_MS / 1000 + (chance.uniform(0, 0.25) if number else 0)


SCENARIOS = (
    Scenario("burst", 4000, _burst, (400, 2500)),
    Scenario("real time", 4000, _real_time, (400, 2500)),
    Scenario("stalled", 4000, _stalled, (3200, 5000)),
    Scenario("jitter", 4000, _jittery, (400, 2500)),
    Scenario("early", 4000, _burst, (20, 200)),
    Scenario("100 ms reply", 100, _burst, None),
)


async def sleep_until(monotonic_s: float) -> None:
    """Wait for a moment: the runs are about time."""
    await asyncio.sleep(max(0.0, monotonic_s - time.monotonic()))


# --- who is measured ----------------------------------------------------------------------------


@dataclass(slots=True)
class Cut:
    """An interruption."""

    ordered_s: float
    """When the order was given, by `time.monotonic`."""
    claimed_ms: float
    """What the program says was heard of the reply."""


@dataclass(slots=True)
class Talk:
    """A talk into the microphone."""

    first_block_ms: float
    """From the press to the first block."""
    release_to_commit_ms: float
    """From the release to the end of the talk."""
    tail_ms: float
    """The release tail the program means to keep."""


class Driver(Protocol):
    """A program that plays replies and listens."""

    program: str
    pid: int

    async def deliver(self, deltas: Sequence[Delta]) -> float:
        """Begin to deliver a reply; return when its first delta was handed over. Goes on in the background."""
        ...

    async def interrupt(self) -> Cut:
        """Interrupt the reply; what has not been delivered yet no longer is."""
        ...

    async def finished(self) -> None:
        """Wait until the program thinks that the reply was played."""
        ...

    async def talk(self, seconds: float) -> Talk:
        """Hold the talk key for a while."""
        ...

    async def rest(self) -> None:
        """Make ready for the next run."""
        ...

    async def close(self) -> None:
        """End the program."""
        ...


class EngineDriver:
    """Speaker and Microphone alone, on this process's loop: no socket, no window, no key."""

    def __init__(self) -> None:
        from desktop_app.audio.microphone import TAIL_MS, Microphone
        from desktop_app.audio.speaker import Speaker

        self.program = "parley engine"
        self.pid = os.getpid()
        self._speaker = Speaker(self._post)
        self._speaker.prepare()
        self._microphone = Microphone(self._post)
        self._tail_ms = TAIL_MS
        self._arrived: asyncio.Queue[tuple[float, Input]] = asyncio.Queue()
        self._replies = 0
        self._delivery: asyncio.Task[None] | None = None

    def _post(self, event: Input) -> None:
        self._arrived.put_nowait((time.monotonic(), event))

    async def _until(self, *kinds: type) -> float:
        while True:
            at, event = await asyncio.wait_for(self._arrived.get(), 20)
            if isinstance(event, kinds):
                return at

    async def deliver(self, deltas: Sequence[Delta]) -> float:
        """See Driver."""
        self._replies += 1
        part = PartId(f"item_{self._replies}")
        begun = time.monotonic()
        self._speaker.play(part, deltas[0].pcm)
        self._delivery = asyncio.create_task(self._deliver(part, deltas[1:], begun))
        return begun

    async def _deliver(self, part: PartId, deltas: Sequence[Delta], begun: float) -> None:
        for delta in deltas:
            await sleep_until(begun + delta.at_s)
            self._speaker.play(part, delta.pcm)
        self._speaker.end(part)

    async def interrupt(self) -> Cut:
        """See Driver."""
        ordered = time.monotonic()
        heard = self._speaker.stop()
        await self._end_delivery()
        return Cut(ordered, heard[0].ms if heard else 0)

    async def finished(self) -> None:
        """See Driver."""
        await self._until(PlaybackFinished)

    async def talk(self, seconds: float) -> Talk:
        """See Driver."""
        pressed = time.monotonic()
        self._microphone.open()
        await self._until(MicStarted)
        first = await self._until(MicBlock)
        await sleep_until(pressed + seconds)
        released = time.monotonic()
        self._microphone.close()
        ended = await self._until(MicClosed)
        return Talk((first - pressed) * 1000, (ended - released) * 1000, self._tail_ms)

    async def rest(self) -> None:
        """See Driver."""
        await self._end_delivery()
        self._speaker.stop()
        while not self._arrived.empty():
            self._arrived.get_nowait()

    async def _end_delivery(self) -> None:
        if self._delivery is not None:
            self._delivery.cancel()
            await asyncio.gather(self._delivery, return_exceptions=True)
            self._delivery = None

    async def close(self) -> None:
        """See Driver."""
        await self._end_delivery()
        self._microphone.shutdown()
        self._speaker.close()


# --- what came out ------------------------------------------------------------------------------


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

    Raises RuntimeError if what sounded last is nothing of this reply.
    """
    start = max(0, recorder.index_at(since_s))
    samples = recorder.samples[start:]
    sounding = np.flatnonzero(samples)
    if not sounding.size:
        return None
    first, last = int(sounding[0]), int(sounding[-1])
    heard = position_of(samples[max(first, last + 1 - RATE_HZ * 30 // 1000) : last + 1], reply)
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


def position_of(end: Samples, reply: bytes) -> int:
    """Return how many samples of the reply there are up to and with this piece of it."""
    whole = np.frombuffer(reply, "<i2").astype(np.float64)
    piece = end.astype(np.float64)
    size = 1 << (len(whole) + len(piece)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(piece, size)), size)
    at = int(np.argmax(correlation[: len(whole)]))
    there = whole[at : at + len(piece)]
    likeness = float(there @ piece[: len(there)] / (np.linalg.norm(there) * np.linalg.norm(piece) + 1))
    if likeness < 0.9:
        raise RuntimeError(f"What sounded last is nothing of the reply (correlation {likeness:.2f}).")
    return at + len(piece)


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


async def run_reply(driver: Driver, sound: VirtualSound, scenario: Scenario, seed: int, figures: Figures) -> None:
    """Play one reply, interrupt it if the scenario says so, note the figures."""
    deltas = scenario.deltas(seed)
    reply = b"".join(delta.pcm for delta in deltas)
    chance = random.Random(seed)
    with sound.record() as recorder:
        first_delta_s = await driver.deliver(deltas)
        cut = None
        if scenario.cut_ms is None:
            await driver.finished()
        else:
            await sleep_until(first_delta_s + chance.uniform(*scenario.cut_ms) / 1000)
            cut = await driver.interrupt()
        await asyncio.sleep(SETTLE_S)
        found = trace(recorder, reply, first_delta_s - 0.05)
        lost = lost_ms(recorder, reply, first_delta_s - 0.05) if cut is None else 0.0
    await driver.rest()
    if found is None:
        figures.note(scenario.name, "heard_error_ms", cut.claimed_ms if cut else float("nan"))
        return
    figures.note(scenario.name, "first_sound_ms", (found.first_s - first_delta_s) * 1000)
    figures.note(scenario.name, "gap_ms", found.gap_ms)
    if cut is None:
        figures.note(scenario.name, "lost_ms", lost)
        return
    figures.note(scenario.name, "silence_ms", max(0.0, (found.last_s - cut.ordered_s) * 1000))
    figures.note(scenario.name, "heard_error_ms", cut.claimed_ms - found.heard_ms)
    figures.note(scenario.name, "cut_step_percent", abs(found.last_value) / 327.68)


async def run_talk(driver: Driver, sound: VirtualSound, seed: int, figures: Figures) -> None:
    """Hold the key while somebody speaks."""
    speaking = sound.start_playing(noise(3000, seed))
    await asyncio.sleep(0.4 + random.Random(seed).uniform(0, 0.05))
    talk = await driver.talk(0.6 + random.Random(seed).uniform(0, 0.05))
    speaking.terminate()
    figures.note("talk", "open_to_block_ms", talk.first_block_ms)
    figures.note("talk", "release_to_commit_ms", talk.release_to_commit_ms - talk.tail_ms)
    await driver.rest()


async def run_duplex(driver: Driver, sound: VirtualSound, figures: Figures, seconds: float = 6) -> None:
    """Play and capture at once, nothing recorded beside it; note what it costs, and what idling does."""
    process = psutil.Process(driver.pid)
    size = DELTA_MS * BYTES_PER_MS
    pcm = noise(int(seconds * 1000) + 1000, 1)
    pieces = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    await driver.deliver([Delta(number * 0.002, piece) for number, piece in enumerate(pieces)])
    await asyncio.sleep(0.3)
    before, begun = sum(process.cpu_times()[:2]), time.monotonic()
    await driver.talk(seconds)
    spent, lasted = sum(process.cpu_times()[:2]) - before, time.monotonic() - begun
    figures.note("duplex", "cpu_percent", spent / lasted * 100)
    figures.note("duplex", "rss_mb", process.memory_info().rss / 2**20)
    await driver.rest()
    before, begun = sum(process.cpu_times()[:2]), time.monotonic()
    await asyncio.sleep(3)
    figures.note("idle", "cpu_percent", (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - begun) * 100)


async def measure(sound: VirtualSound, scenarios: Iterable[Scenario], runs: int, *, rest: bool) -> Figures:
    """Run everything; return the figures."""
    driver = EngineDriver()
    figures = Figures(driver.program)
    try:
        for scenario in scenarios:
            for seed in range(runs):
                await run_reply(driver, sound, scenario, seed + 1, figures)
        if rest:
            for seed in range(runs):
                await run_talk(driver, sound, seed + 1, figures)
            for _ in range(3):
                await run_duplex(driver, sound, figures)
    finally:
        await driver.close()
    return figures


def show(rows: Sequence[dict[str, str | int | float]]) -> None:
    """Print the table."""
    print(f"{'program':14} {'scenario':14} {'figure':22} {'n':>4} {'median':>9} {'min':>9} {'max':>9}")
    for row in rows:
        print(
            f"{row['program']:14} {row['scenario']:14} {row['figure']:22} {row['n']:>4}"
            f" {row['median']:>9.2f} {row['min']:>9.2f} {row['max']:>9.2f}"
        )


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(prog="bench sound", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="runs per scenario (20)")
    parser.add_argument("--scenario", action="append", help="only this one; may be given again")
    options = parser.parse_args(arguments)
    known = {scenario.name: scenario for scenario in SCENARIOS}
    unknown = sorted(set(options.scenario or ()) - set(known) - {"talk"})
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are: {', '.join((*known, 'talk'))}")
    chosen = [scenario for scenario in SCENARIOS if not options.scenario or scenario.name in options.scenario]
    rest = not options.scenario or "talk" in options.scenario
    with VirtualSound() as sound:
        os.environ.update(sound.env)
        figures = asyncio.run(measure(sound, chosen, options.runs, rest=rest))
    rows = figures.rows()
    show(rows)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"written to {TARGET.relative_to(TARGET.parents[2])}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
