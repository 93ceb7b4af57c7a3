"""Microphone: the microphone, as ordered blocks of 20 ms on the loop.

The audio callback copies a block and nudges the loop; everything else happens there. A talk begins with `open()`
and ends some blocks after `close()`: what was said until the key went up is still inside the device then, and
people let go of the key with the last sound (the release tail). The tail is counted in captured blocks, so the end
of a talk is as late as the tail is long and never cuts a block.

*Started* is said at the first real sample. Some devices (Bluetooth above all) deliver zeros while they
wake up; they are held back until something else comes or `SILENCE_MS` have passed, since a muted or virtual
microphone may have nothing but zeros to give. What is held back is not lost: it follows `MicStarted`.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from desktop_app.audio.handover import Handover
from desktop_app.audio.pcm import BLOCK_MS, WIRE, Converter, level
from desktop_app.audio.streams import Sound, Stream, sound_system
from desktop_app.conversation.inputs import Input, MicBlock, MicClosed, MicFailed, MicStarted
from desktop_app.errors import AudioDeviceError, Notice

BLOCK_BYTES = WIRE.rate_hz * BLOCK_MS // 1000 * WIRE.frame_bytes

LATENCY_S = 0.02
"""The depth asked of the device: nothing is lost when a callback is late, so it may be small."""

PRE_ROLL_MS = 300
TAIL_MS = 160
"""25 to 40 ms of it are what the device holds at key-up; the rest is for a finger faster than the voice."""

TAIL_BEYOND_LATENCY_MS = 80
"""A device that holds more than usual (Bluetooth) gets a tail of its latency and this."""

SILENCE_MS = 500
"""How long zeros are taken for a device that wakes up."""

PATIENCE_S = 0.3
"""How much longer than the tail the end of a talk waits for a device that delivers late, or no longer."""

RETRY_S = (0.0, 0.3, 0.7)
"""The pauses before each attempt to find a microphone that went away in mid-talk."""


@dataclass(slots=True)
class _Talk:
    """From `open()` to `MicClosed`."""

    started: bool = False
    held: list[bytes] = field(default_factory=list)
    """Blocks of zeros before the first real sample."""
    blocks_left: float = math.inf
    """Until the end of the release tail."""
    beside_ms: int = 0
    """Captured while the key was up, by the device's clock: the pre-roll, and the tail without its latency."""


class _Lost:
    """The stream ended by itself."""


class Microphone:
    """The microphone. Loop thread only; posts `MicStarted`, `MicBlock`, `MicClosed` and `MicFailed` there."""

    def __init__(
        self,
        post: Callable[[Input], None],
        *,
        sound: Sound | None = None,
        device: str | None = None,
        warm: bool = False,
        pre_roll_ms: int = PRE_ROLL_MS,
        tail_ms: int = TAIL_MS,
        told_after_ms: int = 0,
        latency_s: float = LATENCY_S,
    ) -> None:
        """`warm`: keep the device open between talks, once `prepare` or `open` was called, for a pre-roll.

        `told_after_ms`: how long after the key went up `close` is called; the release tail counts from the key.
        """
        self._post = post
        self._sound = sound if sound is not None else sound_system()
        self._device = device
        self._warm = warm
        self._tail_ms = tail_ms
        self._told_after_ms = told_after_ms
        self._latency_s = latency_s
        self._loop = asyncio.get_running_loop()
        self._blocks: Handover[bytes | tuple[_Lost, int]] = Handover(self._loop, self._receive)
        self._stream: Stream | None = None
        self._serial = 0
        """Counts streams: what a former one still delivers is not taken for the present one's."""
        self._converter = Converter(WIRE, WIRE)
        self._wire = bytearray()
        """Less than a block, waiting for the rest of it."""
        self._awake = False
        """The present stream has delivered something other than zeros, or had long enough to."""
        self._zeros_ms = 0
        self._talk: _Talk | None = None
        self._ring: deque[bytes] = deque(maxlen=max(1, pre_roll_ms // BLOCK_MS))
        """The last blocks outside a talk."""
        self._latest = b""
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        """The one thing to do later: end a talk whose blocks do not come, or look for a device."""

    def prepare(self) -> None:
        """Open the device ahead of the first talk if it is to be kept warm; a failure is reported at `open`."""
        if self._warm and self._stream is None:
            try:
                self._open_device()
            except AudioDeviceError:
                return

    def open(self) -> None:
        """Start a talk. During the release tail of the last one: end that at once, and lose no sample."""
        if self._talk is not None and self._talk.blocks_left == math.inf:
            return
        if self._talk is not None:
            self._cancel_timer()
            self._talk.beside_ms -= round(self._talk.blocks_left) * BLOCK_MS
            self._talk.blocks_left = math.inf  # what waits in the handover must not close the device
            self._blocks.drain()
            self._release_held(self._talk)
            beside_ms = max(0, self._talk.beside_ms)
            self._talk = None
            self._post(MicClosed(beside_ms))
        # Of an open stream these belong before the talk; of a closed one they are dropped.
        self._blocks.drain()
        if self._stream is None:
            try:
                self._open_device()
            except AudioDeviceError as error:
                self._post(MicFailed(Notice.of(error, key="microphone")))
                return
        before = list(self._ring)
        self._talk = _Talk(beside_ms=len(before) * BLOCK_MS)
        self._ring.clear()
        for block in before:
            self._take(block)

    def close(self) -> None:
        """End the talk after the release tail."""
        talk = self._talk
        if talk is None or talk.blocks_left != math.inf:
            return
        if self._stream is None:  # lost, and being looked for: nothing more will come of this talk
            self._finish()
            return
        self._blocks.drain()
        latency_ms = self._stream.latency_s * 1000
        whole_tail_ms = max(self._tail_ms, latency_ms + TAIL_BEYOND_LATENCY_MS)
        talk.beside_ms += round(whole_tail_ms - latency_ms)
        tail_ms = whole_tail_ms - self._told_after_ms
        talk.blocks_left = math.ceil(tail_ms / BLOCK_MS)
        self._later(tail_ms / 1000 + PATIENCE_S, self._finish)

    def shutdown(self) -> None:
        """Give the device back; nothing more is posted."""
        self._blocks.close()
        self._cancel_timer()
        self._talk = None
        self._close_device()

    @property
    def level(self) -> float:
        """How loud the talk is now, 0 to 1; 0 outside a talk."""
        return level(self._latest) if self._talk is not None else 0.0

    # --- the device -----------------------------------------------------------------------------

    def _open_device(self) -> None:
        self._serial += 1
        try:
            self._stream = self._start_stream(self._serial)
        except AudioDeviceError:
            if not self._sound.refresh():
                raise
            self._serial += 1
            self._stream = self._start_stream(self._serial)
        self._converter = Converter(self._stream.format, WIRE)
        self._wire.clear()
        self._awake = False
        self._zeros_ms = 0

    def _start_stream(self, serial: int) -> Stream:
        stream = self._sound.open_input(
            self._device, self._latency_s, self._blocks.put, lambda: self._blocks.put((_Lost(), serial))
        )
        try:
            stream.start()
        except AudioDeviceError:
            stream.close()
            raise
        return stream

    def _close_device(self) -> None:
        if self._stream is not None:
            self._stream.abort()
            self._stream.close()
            self._stream = None
        self._ring.clear()
        self._latest = b""

    # --- what comes from it ---------------------------------------------------------------------

    def _receive(self, block: bytes | tuple[_Lost, int]) -> None:
        if isinstance(block, tuple):
            if self._stream is not None and block[1] == self._serial:
                self._lose()
            return
        if self._stream is None:
            return  # the last of a stream that was closed meanwhile
        self._wire += self._converter.feed(block)
        while len(self._wire) >= BLOCK_BYTES:
            whole = bytes(self._wire[:BLOCK_BYTES])
            del self._wire[:BLOCK_BYTES]
            self._latest = whole
            self._note_signs_of_life(whole)
            if self._talk is not None:
                self._take(whole)
            elif self._warm:
                self._ring.append(whole)

    def _note_signs_of_life(self, block: bytes) -> None:
        self._zeros_ms += BLOCK_MS
        if not self._awake and (any(block) or self._zeros_ms >= SILENCE_MS):
            self._awake = True

    def _take(self, block: bytes) -> None:
        """Let a block be part of the talk."""
        talk = self._talk
        if talk is None:
            return
        if self._awake:
            self._release_held(talk)
            self._post(MicBlock(block))
        else:
            talk.held.append(block)
        talk.blocks_left -= 1
        if talk.blocks_left <= 0:
            self._finish()

    def _release_held(self, talk: _Talk) -> None:
        if not talk.started and (self._awake or talk.held):
            talk.started = True
            self._post(MicStarted())
        for block in talk.held:
            self._post(MicBlock(block))
        talk.held.clear()

    def _finish(self) -> None:
        """End the talk, and give the device back unless it is to stay warm."""
        self._cancel_timer()
        talk, self._talk = self._talk, None
        if talk is None:
            return
        self._release_held(talk)
        self._post(MicClosed(talk.beside_ms))
        if self._talk is None and not self._warm:
            self._close_device()

    # --- losing it ------------------------------------------------------------------------------

    def _lose(self) -> None:
        self._close_device()
        if self._talk is None:
            return  # warm only: the next talk opens what there is then
        if self._talk.blocks_left != math.inf:
            self._finish()
            return
        self._search(0)

    def _search(self, attempt: int) -> None:
        self._later(RETRY_S[attempt], lambda: self._attempt(attempt))

    def _attempt(self, attempt: int) -> None:
        if self._talk is None:
            return
        self._sound.refresh()
        try:
            self._open_device()
        except AudioDeviceError as error:
            if attempt + 1 < len(RETRY_S):
                self._search(attempt + 1)
            else:
                self._talk = None
                self._post(MicFailed(Notice.of(error, key="microphone")))

    def _later(self, delay_s: float, do: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(delay_s, do)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
