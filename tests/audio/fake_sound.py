"""A sound system without sound: streams whose callbacks the test calls, and a clock it sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from desktop_app.audio.pcm import BLOCK_MS, WIRE, Format
from desktop_app.audio.streams import Fill, Take
from desktop_app.errors import AudioDeviceError

BLOCK_BYTES = 960


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class FakeStream:
    """One opened device; what was done with it."""

    format: Format
    lost: Callable[[], None]
    clock: Clock
    fill: Fill | None = None
    take: Take | None = None
    latency_s: float = 0.04
    underflows: int = 0
    running: bool = False
    closed: bool = False
    position: int = 0
    played: bytearray = field(default_factory=bytearray)

    def start(self) -> None:
        """Let callbacks come."""
        assert not self.closed
        self.running = True

    def abort(self) -> None:
        """Stop."""
        self.running = False

    def close(self) -> None:
        """Give the device back."""
        assert not self.running, "aborted before it is closed"
        self.closed = True

    def ask(self, blocks: int = 1, *, ahead_s: float = 0.04) -> bytes:
        """Ask for blocks at once, as the device does at a start; return what it got."""
        assert self.fill is not None
        got = bytearray()
        for number in range(blocks):
            frames = self.format.rate_hz * BLOCK_MS // 1000
            out = bytearray(frames * self.format.frame_bytes)
            dac_at = self.clock.now + ahead_s + number * frames / self.format.rate_hz
            self.fill(memoryview(out), self.clock.now, dac_at)
            got += out
        self.played += got
        return bytes(got)

    def run(self, blocks: int, *, ahead_s: float = 0.04) -> None:
        """Let time pass: one block each 20 ms."""
        for _ in range(blocks):
            self.ask(ahead_s=ahead_s)
            self.clock.now += 0.02

    def hear(self, *blocks: bytes) -> None:
        """Deliver captured blocks."""
        assert self.take is not None
        for block in blocks:
            self.take(block)

    def vanish(self) -> None:
        """The device is pulled out."""
        self.running = False
        self.lost()


class FakeSound:
    """Where `FakeStream`s come from."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.format = WIRE
        self.missing = False
        self.refused: set[str] = set()
        """Names of devices that cannot be opened."""
        self.asked: list[str | None] = []
        """What was opened, in order, by name."""
        self.streams: list[FakeStream] = []
        self.latencies: list[float] = []
        self.refreshed = 0

    @property
    def stream(self) -> FakeStream:
        """The one opened last."""
        return self.streams[-1]

    def open_output(self, device: str | None, latency_s: float, fill: Fill, lost: Callable[[], None]) -> FakeStream:
        """See Sound."""
        return self._open(device, latency_s, FakeStream(self.format, lost, self.clock, fill=fill))

    def open_input(self, device: str | None, latency_s: float, take: Take, lost: Callable[[], None]) -> FakeStream:
        """See Sound."""
        return self._open(device, latency_s, FakeStream(self.format, lost, self.clock, take=take))

    def _open(self, device: str | None, latency_s: float, stream: FakeStream) -> FakeStream:
        if self.missing:
            raise AudioDeviceError("Nothing was found.", "Connect one.")
        if device in self.refused:
            raise AudioDeviceError(f"“{device}” cannot be opened.", "Close the other program.")
        self.asked.append(device)
        self.latencies.append(latency_s)
        self.streams.append(stream)
        return stream

    def refresh(self) -> bool:
        """See Sound."""
        self.refreshed += 1
        return True


async def until(condition: Callable[[], object], deadline_s: float = 5.0) -> None:
    """Let the loop run until something is true; raise TimeoutError after the deadline."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 any condition, not only those that set an event
            await asyncio.sleep(0.001)
