"""The sound engine alone: Speaker and Microphone on this process's loop, no socket, no window, no key."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from desktop_app.conversation.inputs import Input, MicBlock, MicClosed, MicStarted, PlaybackFinished
from desktop_app.protocol.items import PartId
from tests.bench.drivers import Cut, Delta, Talk, sleep_until
from tests.harness.sound import VirtualSound

PROGRAM = "parley engine"


@asynccontextmanager
async def open_engine(sound: VirtualSound) -> AsyncIterator[EngineDriver]:
    """Run the engine on the virtual sound card."""
    os.environ.update(sound.env)
    driver = EngineDriver()
    try:
        yield driver
    finally:
        await driver.close()


class EngineDriver:
    """See the module."""

    def __init__(self) -> None:
        # PortAudio looks for the sound server when it is imported.
        from desktop_app.audio.microphone import TAIL_MS, Microphone
        from desktop_app.audio.speaker import Speaker

        self.program = PROGRAM
        self.pid = os.getpid()
        self._speaker = Speaker(self._post)
        self._speaker.prepare()
        self._microphone = Microphone(self._post)
        self._tail_ms = TAIL_MS
        self._arrived: asyncio.Queue[tuple[float, Input]] = asyncio.Queue()
        self._captured = bytearray()
        self._replies = 0
        self._delivery: asyncio.Task[None] | None = None

    def _post(self, event: Input) -> None:
        self._arrived.put_nowait((time.monotonic(), event))

    async def _until(self, *kinds: type) -> float:
        while True:
            at, event = await asyncio.wait_for(self._arrived.get(), 20)
            if isinstance(event, MicBlock):
                self._captured += event.pcm
            if isinstance(event, kinds):
                return at

    async def ready(self) -> None:
        """See Driver."""
        await self._end_delivery()
        self._speaker.stop()
        while not self._arrived.empty():
            self._arrived.get_nowait()

    async def deliver(self, deltas: Sequence[Delta]) -> float:
        """See Driver."""
        self._replies += 1
        parts = [PartId(f"item_{self._replies}_{number}") for number in range(deltas[-1].item + 1)]
        begun = time.monotonic()
        self._speaker.play(parts[0], deltas[0].pcm)
        self._delivery = asyncio.create_task(self._deliver(parts, deltas, begun))
        return begun

    async def _deliver(self, parts: Sequence[PartId], deltas: Sequence[Delta], begun: float) -> None:
        before = 0
        for delta in deltas[1:]:
            await sleep_until(begun + delta.at_s)
            if delta.item != before:
                self._speaker.end(parts[before])
                before = delta.item
            self._speaker.play(parts[delta.item], delta.pcm)
        self._speaker.end(parts[-1])

    async def interrupt(self) -> Cut:
        """See Driver."""
        ordered = time.monotonic()
        heard = self._speaker.stop()
        await self._end_delivery()
        if not heard:
            return Cut(ordered, 0)
        return Cut(ordered, heard[0].ms, int(heard[0].part.item_id.rpartition("_")[2]))

    async def finished(self) -> None:
        """See Driver."""
        await self._until(PlaybackFinished)

    async def talk(self, seconds: float) -> Talk:
        """See Driver."""
        self._captured.clear()
        pressed = time.monotonic()
        self._microphone.open()
        await self._until(MicStarted)
        first = await self._until(MicBlock)
        await sleep_until(pressed + seconds)
        released = time.monotonic()
        self._microphone.close()
        ended = await self._until(MicClosed)
        return Talk((first - pressed) * 1000, (ended - released) * 1000, self._tail_ms, bytes(self._captured))

    async def _end_delivery(self) -> None:
        if self._delivery is not None:
            self._delivery.cancel()
            await asyncio.gather(self._delivery, return_exceptions=True)
            self._delivery = None

    async def close(self) -> None:
        """Give the devices back."""
        await self._end_delivery()
        self._microphone.shutdown()
        self._speaker.close()
