"""A sound card that exists in arithmetic only: its listener knows to the sample what was heard, and when.

Devices are driven by the timers of the running loop (usually a `FastLoop`), in blocks of 20 ms. What leaves the
DAC is what the listener hears. An abort drops what the device holds, but a period of 10 ms that was begun is played
to its end, as real ones do.

Voices carry their identity: `voice(number, ms)` makes audio of which every sample tells whose and which it is, so
`Listener.heard_ms` says of each voice how much was heard, and `trouble` what was said twice, out of order or with a
hole. A voice that goes on by another device may be faded in: that is no hole. A microphone counts: a talk with a
sample missing shows (`gaps`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from desktop_app.audio.pcm import WIRE, Format
from desktop_app.audio.streams import Fill, Take
from desktop_app.errors import AudioDeviceError

RATE_HZ = WIRE.rate_hz
BLOCK_FRAMES = RATE_HZ // 50
BLOCK_S = 0.02
PERIOD_S = 0.01
HEAD_EVERY = 240
"""One sample of so many says whose it is."""
COUNTS_TO = 32_000
FADES_FRAMES = RATE_HZ * 40 // 1000
"""So long a fade may last."""
SWALLOWED_FRAMES = 64
"""What is faded to nothing cannot be told from silence."""
SLACK_FRAMES = RATE_HZ * 20 // 1000
"""What a device that went away may have played more, or less, than is known."""
SURE_FRAMES = 16
"""As many samples in a row are no accident."""
MOST_VOICES = 30_000
Samples = NDArray[np.int16]


def voice(number: int, ms: int) -> bytes:
    """Return audio that tells, sample by sample, that it is number `number` (1 to 30,000), and where in it."""
    return _voice(number, ms * RATE_HZ // 1000).astype("<i2").tobytes()


def _voice(number: int, frames: int, start: int = 0) -> Samples:
    assert 0 < number <= MOST_VOICES
    at = np.arange(start, start + frames)
    samples = (1 + (at * 31 + number * 17) % 30_000).astype(np.int16)
    samples[at % HEAD_EVERY == 0] = -number
    return samples


class Misheard(AssertionError):
    """The listener heard what cannot be right."""


class Listener:
    """Hears what leaves the DAC."""

    def __init__(self) -> None:
        self._frames: dict[int, int] = {}
        """How many frames of each voice were heard."""
        self._speaking = 0
        self.trouble: list[str] = []
        """What cannot be right, in words."""
        self.order: list[int] = []
        """The voices in the order in which they began."""
        self.moved = False
        """Another device has begun, and nothing was heard of it yet."""
        self._faded = 0
        """How many samples in a row were not as they were sent."""

    def heard_ms(self, number: int) -> float:
        """Return how much of a voice was heard, from its beginning."""
        return self._frames.get(number, 0) * 1000 / RATE_HZ

    def hear(self, samples: Samples) -> None:
        """Listen to what comes next."""
        sounding = np.flatnonzero(samples)
        if not len(sounding):
            return
        for run in np.split(sounding, np.flatnonzero(np.diff(sounding) > 1) + 1):
            self._hear_run(samples[run[0] : run[-1] + 1])

    def _hear_run(self, run: Samples) -> None:
        at = 0
        while at < len(run):
            frames = self._frames.get(self._speaking, 0)
            end = len(run)
            expected = _voice(self._speaking, end - at, frames) if self._speaking else run[:0]
            same = _agreement(expected, run[at:end])
            if same >= SURE_FRAMES or (same and not self._faded):
                self._frames[self._speaking] = frames + same
                self._faded = 0
                at += same
            elif run[at] < 0 and self._speaking != -run[at] and self._begin(-int(run[at])):
                continue
            else:
                self._hear_faded(run[at:], frames)
                return

    def _hear_faded(self, run: Samples, frames: int) -> None:
        """Take samples that are not as they were sent.

        They are a fade if the voice is the same again behind them; and nobody knows to the sample what a device
        that went away had played, so another one may repeat, or leave out, a moment.
        """
        slack = SLACK_FRAMES if self.moved else SWALLOWED_FRAMES
        if self._speaking and len(run) >= SURE_FRAMES:
            first = max(0, frames - slack if self.moved else frames)
            expected = _voice(self._speaking, frames + slack + len(run) - first, first)
            tails = np.lib.stride_tricks.sliding_window_view(expected, SURE_FRAMES)
            found = np.flatnonzero((tails == run[-SURE_FRAMES:]).all(axis=1))
            if len(found):
                self._frames[self._speaking] = first + int(found[0]) + SURE_FRAMES
                self._faded, self.moved = 0, False
                return
        self._faded += len(run)
        if not self._speaking or self._faded > FADES_FRAMES:
            self._wrong(f"voice {self._speaking} goes on wrongly at {frames / 24:.0f} ms")
        else:
            self._frames[self._speaking] = frames + len(run)

    def _begin(self, number: int) -> bool:
        if number in self._frames:
            self._wrong(f"voice {number} is heard twice")
            return False
        self._speaking = number
        self._frames[number] = 0
        self.order.append(number)
        return True

    def _wrong(self, what: str) -> None:
        if len(self.trouble) < 20:
            self.trouble.append(what)


def _agreement(expected: Samples, got: Samples) -> int:
    """Return in how many samples they agree, from the beginning."""
    length = min(len(expected), len(got))
    differ = np.flatnonzero(expected[:length] != got[:length])
    return int(differ[0]) if len(differ) else length


@dataclass(eq=False)
class SimulatedOutput:
    """A loudspeaker."""

    loop: asyncio.AbstractEventLoop
    listener: Listener
    fill: Fill
    lost: Callable[[], None]
    latency_s: float
    format: Format = WIRE
    underflows: int = 0
    _held: list[tuple[float, bytes]] = field(default_factory=list)
    """What the device holds: when each block leaves the DAC, and the block."""
    _timer: asyncio.TimerHandle | None = None
    _next_dac_s: float = 0.0

    def start(self) -> None:
        """Ask for the whole buffer, then for a block each time one has sounded."""
        self._next_dac_s = self.loop.time() + 0.005
        for _ in range(max(1, round(self.latency_s / BLOCK_S))):
            self._ask()
        self._timer = self.loop.call_at(self._next_dac_s - self.latency_s, self._tick)

    def _tick(self) -> None:
        self._emit(self.loop.time())
        self._ask()
        self._timer = self.loop.call_at(self._next_dac_s - self.latency_s, self._tick)

    def _ask(self) -> None:
        block = bytearray(BLOCK_FRAMES * self.format.frame_bytes)
        self.fill(memoryview(block), self.loop.time(), self._next_dac_s)
        self._held.append((self._next_dac_s, bytes(block)))
        self._next_dac_s += BLOCK_S

    def _emit(self, until_s: float) -> None:
        """Let everything out that leaves the DAC before a time."""
        while self._held and self._held[0][0] < until_s:
            at_s, block = self._held.pop(0)
            samples = np.frombuffer(block, "<i2")
            frames = round(min(until_s - at_s, BLOCK_S) * RATE_HZ)
            self.listener.hear(samples[:frames])
            if frames < len(samples):
                self._held.insert(0, (at_s + frames / RATE_HZ, samples[frames:].tobytes()))
                return

    def abort(self) -> None:
        """Drop what is held; the period that was begun plays to its end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_s = self.loop.time()
        if self._held:
            first_s = self._held[0][0]
            self._emit(first_s + math.ceil(max(0.0, now_s - first_s) / PERIOD_S - 1e-6) * PERIOD_S)
        self._held.clear()

    def close(self) -> None:
        """Give it back."""
        assert self._timer is None, "aborted before it is closed"

    def vanish(self) -> None:
        """Be pulled out, now."""
        if self._timer is not None:
            self._emit(self.loop.time())
            self._timer.cancel()
            self._timer = None
            self._held.clear()
            self.listener.moved = True
            self.lost()


@dataclass(eq=False)
class SimulatedInput:
    """A microphone that counts."""

    loop: asyncio.AbstractEventLoop
    take: Take
    lost: Callable[[], None]
    latency_s: float
    began_s: float
    format: Format = WIRE
    underflows: int = 0
    _timer: asyncio.TimerHandle | None = None
    _at: int = 0

    def start(self) -> None:
        """Deliver a block each 20 ms; what it holds was captured just before."""
        self._at = round((self.loop.time() - self.began_s) * RATE_HZ)
        self._timer = self.loop.call_later(BLOCK_S, self._tick, self.loop.time() + BLOCK_S)

    def _tick(self, due_s: float) -> None:
        self._timer = self.loop.call_at(due_s + BLOCK_S, self._tick, due_s + BLOCK_S)
        counted = 1 + (self._at + np.arange(BLOCK_FRAMES)) % COUNTS_TO
        self._at += BLOCK_FRAMES
        self.take(counted.astype("<i2").tobytes())

    def abort(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Give it back."""
        assert self._timer is None, "aborted before it is closed"

    def vanish(self) -> None:
        """Be pulled out, now."""
        if self._timer is not None:
            self.abort()
            self.lost()


def gaps(pcm: bytes) -> list[int]:
    """Return where, in ms, a recording of such a microphone has a hole or a repetition."""
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    steps = np.diff(samples) % COUNTS_TO
    return [int(at) * 1000 // RATE_HZ for at in np.flatnonzero(steps != 1)]


class SimulatedSound:
    """Where the devices come from."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self.listener = Listener()
        self.missing = False
        """There is no device just now."""
        self.outputs: list[SimulatedOutput] = []
        self.inputs: list[SimulatedInput] = []

    def open_output(
        self, device: str | None, latency_s: float, fill: Fill, lost: Callable[[], None]
    ) -> SimulatedOutput:
        """See Sound."""
        self._there()
        stream = SimulatedOutput(self._loop, self.listener, fill, lost, latency_s)
        self.outputs[:] = [stream]
        return stream

    def open_input(
        self, device: str | None, latency_s: float, take: Take, lost: Callable[[], None]
    ) -> SimulatedInput:
        """See Sound."""
        self._there()
        stream = SimulatedInput(self._loop, take, lost, latency_s, self._began_s)
        self.inputs[:] = [stream]
        return stream

    def _there(self) -> None:
        if self.missing:
            raise AudioDeviceError("Nothing was found.", "Connect one.")

    def refresh(self) -> bool:
        """See Sound."""
        return True

    def vanish(self) -> None:
        """Pull out what runs."""
        for output in list(self.outputs):
            output.vanish()
        for microphone in list(self.inputs):
            microphone.vanish()
