"""Microphone: the microphone, as ordered blocks of 20 ms on the loop.

The audio callback copies a block and nudges the loop; everything else happens there. A talk begins with `open()`
and ends some blocks after `close()`: what was said until the key went up is still inside the device then, and
people let go of the key with the last sound (the release tail). The tail is counted in captured blocks, so the end
of a talk is as late as the tail is long and never cuts a block.

*Started* is said at the first real sample. Some devices (Bluetooth above all) deliver zeros while they
wake up; they are held back until something else comes or `SILENCE_MS` have passed, since a muted or virtual
microphone may have nothing but zeros to give. What is held back is not lost: it follows `MicStarted`.

A microphone that goes away in mid-talk is replaced by another, and what it had captured stays: the talk goes on.
The one that is wanted is taken again after the talk, or in its first pause.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from desktop_app.audio.choosing import Course, DeviceChoice
from desktop_app.audio.devices import Devices, Direction
from desktop_app.audio.handover import Handover
from desktop_app.audio.pcm import BLOCK_MS, WIRE, Converter, level
from desktop_app.audio.streams import Sound, Stream, sound_system
from desktop_app.conversation.inputs import Input, MicBlock, MicClosed, MicFailed, MicFound, MicStarted
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

PAUSE_MS = 500
QUIET = 1 / 3
"""A pause in a talk: for so long nothing was louder than this level (−40 dB)."""


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


@dataclass(frozen=True, slots=True)
class _Lost:
    """A stream ended by itself."""

    serial: int


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
        self._choice = DeviceChoice(Direction.INPUT, device, post)
        self._warm = warm
        self._tail_ms = tail_ms
        self._told_after_ms = told_after_ms
        self._latency_s = latency_s
        self._loop = asyncio.get_running_loop()
        self._blocks: Handover[bytes | _Lost] = Handover(self._loop, self._receive)
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
        self._stale = False
        """Another device is to be taken in the next pause."""
        self._quiet_ms = 0
        self._missing = False
        """The last attempt to open a microphone found none."""
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
                self._fail(error)
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

    def keep_warm(self, warm: bool) -> None:
        """Keep the device open between talks from now on, or no longer; a talk that goes on is not disturbed."""
        self._warm = warm
        if warm:
            self.prepare()
        elif self._talk is None:
            self._close_device()

    def use(self, device: str | None) -> None:
        """Take another device, by its name; None: the system's default. A talk goes on with it."""
        if self._choice.want(device):
            self._stale = self._stream is not None
            self._leave_stale()

    def devices_changed(self, devices: Devices) -> None:
        """Take note of what there is now: leave what is gone, and return to what is back."""
        is_open = self._stream is not None
        course = self._choice.changed(devices, is_open=is_open, in_use=self._talk is not None)
        if course is Course.LOST:
            self._blocks.drain()
            if self._stream is not None:
                self._lose()
        elif is_open:
            self._stale = course is Course.LEAVE
            self._quiet_ms = 0
            if self._talk is None:
                self._leave_stale()
        elif devices.inputs and self._talk is not None:
            self._later(0, lambda: self._attempt(0))
        elif devices.inputs:
            self.prepare()
        if self._missing and devices.inputs:
            self._missing = False
            self._post(MicFound())

    @property
    def level(self) -> float:
        """How loud the talk is now, 0 to 1; 0 outside a talk."""
        return level(self._latest) if self._talk is not None else 0.0

    # --- the device -----------------------------------------------------------------------------

    def _open_device(self) -> None:
        self._stale = False
        try:
            self._stream = self._choice.open(self._start_stream)
        except AudioDeviceError:
            if not self._sound.refresh():
                raise
            self._stream = self._choice.open(self._start_stream)
        self._missing = False
        self._converter = Converter(self._stream.format, WIRE)
        self._awake = False
        self._zeros_ms = 0
        self._quiet_ms = 0

    def _start_stream(self, device: str | None) -> Stream:
        self._serial += 1
        lost = _Lost(self._serial)
        stream = self._sound.open_input(device, self._latency_s, self._blocks.put, lambda: self._blocks.put(lost))
        try:
            stream.start()
        except AudioDeviceError:
            stream.close()
            raise
        return stream

    def _leave_stale(self) -> None:
        """Take the device that is wanted now; a talk goes on with it, its tail does not change any more."""
        if (
            not self._stale
            or self._stream is None
            or (self._talk is not None and self._talk.blocks_left != math.inf)
        ):
            return
        self._stream.abort()
        self._blocks.drain()
        if self._talk is not None:
            self._change_device()
        else:
            self._close_device()
            self.prepare()

    def _change_device(self) -> None:
        """Close the device in mid-talk and go on with another one; what was captured stays."""
        self._close_device()
        self._attempt(0)

    def _fail(self, error: AudioDeviceError) -> None:
        self._missing = True
        self._post(MicFailed(Notice.of(error, key="microphone")))

    def _close_device(self) -> None:
        if self._stream is not None:
            self._stream.abort()
            self._stream.close()
            self._stream = None
        if self._talk is not None:
            self._cut(self._converter.finish())
        else:
            self._wire.clear()
        self._converter = Converter(WIRE, WIRE)
        self._ring.clear()
        self._latest = b""

    # --- what comes from it ---------------------------------------------------------------------

    def _receive(self, block: bytes | _Lost) -> None:
        if isinstance(block, _Lost):
            if self._stream is not None and block.serial == self._serial:
                self._lose()
            return
        if self._stream is None:
            return  # the last of a stream that was closed meanwhile
        self._cut(self._converter.feed(block))
        if self._stale and self._quiet_ms >= PAUSE_MS:
            self._leave_stale()

    def _cut(self, pcm: bytes) -> None:
        """Take captured audio of the wire's format, in blocks."""
        self._wire += pcm
        while len(self._wire) >= BLOCK_BYTES:
            whole = bytes(self._wire[:BLOCK_BYTES])
            del self._wire[:BLOCK_BYTES]
            self._latest = whole
            if self._stale:
                self._quiet_ms = self._quiet_ms + BLOCK_MS if level(whole) <= QUIET else 0
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
        elif self._talk is None:
            self._leave_stale()

    # --- losing it ------------------------------------------------------------------------------

    def _lose(self) -> None:
        if self._talk is not None and self._talk.blocks_left == math.inf:
            self._choice.lost()
            self._change_device()
            return
        self._close_device()
        self._finish()  # of a talk nothing but its tail is missing; the next one opens what there is then

    def _search(self, attempt: int) -> None:
        self._later(RETRY_S[attempt], lambda: self._attempt(attempt))

    def _attempt(self, attempt: int) -> None:
        if self._talk is None or self._stream is not None:
            return
        try:
            self._open_device()
        except AudioDeviceError as error:
            if attempt + 1 < len(RETRY_S):
                self._search(attempt + 1)
            else:
                self._talk = None
                self._fail(error)

    def _later(self, delay_s: float, do: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(delay_s, do)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
