"""PlaybackBuffer: a queue of parts, and what was heard of each.

The loop adds audio at one end, the audio callback takes blocks at the other. Three things are decided here:

**What comes next.** Parts play in the order of their first byte, each to its end: while one is unfinished and
has no data, later ones wait, so that deltas of two parts that arrive interleaved are not spoken interleaved.

**When it may sound.** At the beginning and after each stall the buffer waits until enough is there, or the
part is complete (a reply of 100 ms starts at once), or the first of it has waited long enough. The device
gets silence meanwhile; nothing is lost and silence is never counted.

**What was heard.** Every frame handed to the device has a position, and each callback tells when the first
frame of its block will leave the DAC. A frame is heard when that time has passed: positions follow the
device's own clock, so late starts and stalls move nothing. The ledger says which positions are whose.

A **cue**, a short sound that tells a state, is laid over what plays and is nobody's audio: it is not counted,
begins no part and holds none up. The **volume** is applied last, to both, and gradually, so that it never clicks.

A device that is lost is replaced by another, maybe of another format: the audio is kept as it came, too, and is
converted anew from a little before what was heard, so that the filter is warm and there is no click.

Pure: no device, no clock; every method is told the time, in seconds of any monotonic clock.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

from desktop_app.audio.pcm import WIRE, Converter, Format
from desktop_app.conversation.inputs import Heard, PlaybackFinished, PlaybackStarted
from desktop_app.protocol.items import PartId

Progress = PlaybackStarted | PlaybackFinished

LEAD_MS = 20
"""What a filter is fed before the first sample that counts: longer than it remembers."""

KEPT_MS = 250
"""What is kept of audio that was heard, for `LEAD_MS` and the rounding to whole frames of both rates."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the buffer waits for audio before it lets it sound."""

    enough_ms: float = 200
    """With this much waiting, delivery is faster than playing: start at once."""
    start_ms: float = 40
    """The longest wait of a reply's first audio."""
    stall_ms: float = 120
    """The longest wait after a stall: the delivery has shown to be uneven, so a larger cushion is taken."""


@dataclass(slots=True)
class _Part:
    """One part: its audio, and how far it is. Counts are frames of the device from the part's beginning."""

    part: PartId
    converter: Converter
    pcm: bytearray
    """The audio in the device's format, without the first `forgotten` frames; for the wire's own, `wire` itself."""
    wire: bytearray
    """The audio as it came, without the first `wire_forgotten` samples."""
    wire_forgotten: int = 0
    half: bytes = b""
    """Half a sample, waiting for the other."""
    forgotten: int = 0
    received: int = 0
    taken: int = 0
    """Handed to the device."""
    heard: int = 0
    """Out of the DAC."""
    wire_bytes: int = 0
    begun: bool = False
    complete: bool = False

    @property
    def waiting(self) -> int:
        """Frames not yet handed to the device."""
        return max(0, self.received - self.taken)


@dataclass(slots=True)
class _Span:
    """A run of positions that belongs to one part."""

    start: int
    part: _Part
    frames: int


class PlaybackBuffer:
    """Queue of parts and ledger of what was heard. Locked: loop thread and audio callback may call."""

    def __init__(self, device: Format = WIRE, patience: Patience = Patience()) -> None:
        self._lock = threading.Lock()
        self._device = device
        self._patience = patience
        self._parts: dict[PartId, _Part] = {}
        self._ledger: deque[_Span] = deque()
        self._written = 0
        """Frames handed to the device, silence included: the position of the next one."""
        self._passed = 0
        """Positions known to have left the DAC; never goes back."""
        self._anchor: tuple[int, float] | None = None
        """The position of a frame and when it leaves the DAC."""
        self._holding = True
        """Waiting for enough audio; the device gets silence."""
        self._stalled = False
        self._first_at: float | None = None
        """When the first of the audio that is held came."""
        self._cue = b""
        """What is left of the cue, in the device's format."""
        self.volume = 1.0
        """What samples are multiplied with."""
        self._volume: float | None = None
        """What it was at the end of the last block; None: nothing plays yet."""
        self.latest = b""
        """The block handed to the device last, for a level meter."""

    # --- the loop's side ------------------------------------------------------------------------

    def add(self, part: PartId, pcm: bytes, now: float) -> None:
        """Append audio of the wire's format; half a sample at the end is kept for the next call."""
        entry = self._parts.get(part)
        if entry is None:
            entry = self._new_part(part)
        entry.wire_bytes += len(pcm)
        whole = entry.half + pcm
        entry.half = whole[len(whole) & ~1 :]
        whole = whole[: len(whole) & ~1]
        converted = entry.converter.feed(whole)  # outside the lock: the callback must not wait for a filter
        with self._lock:
            self._parts[part] = entry
            entry.wire += whole
            self._append(entry, converted, now)

    def end(self, part: PartId, now: float) -> tuple[Progress, ...]:
        """Mark a part as complete; one that is not queued is none of our business."""
        entry = self._parts.get(part)
        if entry is None or entry.complete:
            return ()
        rest = entry.converter.finish()
        with self._lock:
            self._append(entry, rest, now)
            entry.complete = True
            return self._settle(now)

    def cue(self, pcm: bytes) -> None:
        """Lay a short sound of the wire's format over what plays; the one before it ends. Empty: just end that."""
        converter = Converter(WIRE, self._device)
        converted = converter.feed(pcm) + converter.finish()
        with self._lock:
            self._cue = converted

    @property
    def cueing(self) -> bool:
        """Whether a cue was not handed to the device to its end."""
        return bool(self._cue)

    def wait_s(self, now: float) -> float | None:
        """Return in how many seconds the audio at the head may sound; None: there is none to wait for."""
        with self._lock:
            return self._wait_s(now)

    @property
    def idle(self) -> bool:
        """Whether no part is unfinished."""
        return not self._parts

    def heard(self, now: float) -> tuple[Heard, ...]:
        """Return what has left the DAC of each unfinished part, in order of playing."""
        with self._lock:
            self._advance(now)
            return tuple(self._heard_of(entry) for entry in self._parts.values())

    def clear(self, now: float) -> tuple[Heard, ...]:
        """Forget all parts; return what was heard of each. The device must be silenced by its own means."""
        with self._lock:
            self._advance(now)
            heard = tuple(self._heard_of(entry) for entry in self._parts.values())
            self._parts.clear()
            self._cue = b""
            self._restart()
            return heard

    def rewind(self, now: float) -> None:
        """The device is gone with what it held: queue again what was handed over but not heard."""
        with self._lock:
            self._advance(now)
            for entry in self._parts.values():
                entry.taken = entry.heard
            self._restart()
            if any(entry.waiting for entry in self._parts.values()):
                self._first_at = now

    def move_to(self, device: Format) -> None:
        """Convert what is queued for a device of another format; to be called after `rewind`."""
        if device == self._device:
            return
        with self._lock:
            for entry in self._parts.values():
                _reformat(entry, self._device, device)
            self._device = device
            self._cue = b""

    def be_patient(self, patience: Patience) -> None:
        """Wait for audio in another way from now on."""
        with self._lock:
            self._patience = patience

    # --- the device's side ----------------------------------------------------------------------

    def fill(self, out: memoryview, now: float, dac_at: float) -> tuple[Progress, ...]:
        """Fill a block (bytes of the device's format); return what has begun or ended.

        `dac_at`: when its first frame leaves the DAC, by the clock of `now`.
        """
        frame_bytes = self._device.frame_bytes
        with self._lock:
            self._advance(now)
            self._anchor = (self._written, dac_at)
            begun: list[Progress] = []
            filled = self._copy(out, now, begun)
            out[filled * frame_bytes :] = bytes(len(out) - filled * frame_bytes)
            self._written += len(out) // frame_bytes
            self._finish_block(out)
            self.latest = bytes(out)
            return (*begun, *self._settle(now))

    # --- inside, with the lock held -------------------------------------------------------------

    def _new_part(self, part: PartId) -> _Part:
        wire = bytearray()
        return _Part(part, Converter(WIRE, self._device), wire if self._device == WIRE else bytearray(), wire)

    def _append(self, entry: _Part, pcm: bytes, now: float) -> None:
        if pcm and self._holding and self._first_at is None:
            self._first_at = now
        if entry.pcm is not entry.wire:
            entry.pcm += pcm
        entry.received += len(pcm) // self._device.frame_bytes

    def _head(self) -> _Part | None:
        """Return the part to hand to the device next, with or without data."""
        for entry in self._parts.values():
            if entry.waiting or not entry.complete:
                return entry
        return None

    def _wait_s(self, now: float) -> float | None:
        head = self._head()
        if head is None or not head.waiting:
            return None
        if not self._holding or head.complete or self._first_at is None:
            return 0.0
        waiting = sum(entry.waiting for entry in self._parts.values())
        if self._device.ms(waiting) >= self._patience.enough_ms:
            return 0.0
        longest_ms = self._patience.stall_ms if self._stalled else self._patience.start_ms
        return max(0.0, self._first_at + longest_ms / 1000 - now)

    def _copy(self, out: memoryview, now: float, begun: list[Progress]) -> int:
        """Copy what may sound; return the frames copied."""
        frame_bytes = self._device.frame_bytes
        wanted = len(out) // frame_bytes
        at = 0
        while at < wanted:
            head = self._head()
            if head is None:
                self._hold(stalled=False)
                break
            if not head.waiting:
                if not self._holding:
                    self._hold(stalled=True)
                break
            if self._holding and self._wait_s(now) != 0.0:
                break
            self._holding = False
            if not head.begun:
                head.begun = True
                begun.append(PlaybackStarted(head.part))
            frames = min(wanted - at, head.waiting)
            source = (head.taken - head.forgotten) * frame_bytes
            out[at * frame_bytes : (at + frames) * frame_bytes] = head.pcm[source : source + frames * frame_bytes]
            self._note(self._written + at, head, frames)
            head.taken += frames
            at += frames
        return at

    def _finish_block(self, out: memoryview) -> None:
        """Lay the cue over a block, and let it be as loud as is wanted."""
        before, self._volume = self._volume, self.volume
        before = self.volume if before is None else before
        if not self._cue and self.volume == before == 1.0:
            return
        samples = np.frombuffer(out, "<i2").astype(np.float32)
        cue = np.frombuffer(self._cue[: len(out)], "<i2")
        self._cue = self._cue[len(out) :]
        samples[: cue.size] += cue
        gain = np.linspace(before, self.volume, samples.size, dtype=np.float32)
        out[:] = memoryview(np.clip(np.rint(samples * gain), -32768, 32767).astype("<i2").tobytes())

    def _hold(self, *, stalled: bool) -> None:
        self._holding = True
        self._stalled = stalled
        self._first_at = None

    def _note(self, position: int, entry: _Part, frames: int) -> None:
        last = self._ledger[-1] if self._ledger else None
        if last is not None and last.part is entry and last.start + last.frames == position:
            last.frames += frames
        else:
            self._ledger.append(_Span(position, entry, frames))

    def _advance(self, now: float) -> None:
        """Credit every part with what has left the DAC by now."""
        if self._anchor is None:
            return
        position, dac_at = self._anchor
        passed = position + round((now - dac_at) * self._device.rate_hz)
        self._passed = max(self._passed, min(passed, self._written))
        while self._ledger and self._ledger[0].start < self._passed:
            span = self._ledger[0]
            frames = min(span.frames, self._passed - span.start)
            span.part.heard += frames
            span.start += frames
            span.frames -= frames
            if span.frames:
                break
            self._ledger.popleft()

    def _settle(self, now: float) -> tuple[Progress, ...]:
        """Take out the parts that were heard to their end; forget audio that was heard."""
        self._advance(now)
        finished = [e.part for e in self._parts.values() if e.complete and e.heard >= e.received]
        for part in finished:
            del self._parts[part]
        for entry in self._parts.values():
            if entry.heard - entry.forgotten > self._device.rate_hz:
                _forget(entry, self._device)
        return tuple(PlaybackFinished(part) for part in finished)

    def _heard_of(self, entry: _Part) -> Heard:
        # The guide, «Handling interruptions»: audio_end_ms beyond the item's own audio is an error.
        device_ms = entry.heard * 1000 // self._device.rate_hz
        received_ms = entry.wire_bytes // WIRE.frame_bytes * 1000 // WIRE.rate_hz
        return Heard(entry.part, min(device_ms, received_ms))

    def _restart(self) -> None:
        """Begin with a device that holds nothing of ours."""
        self._ledger.clear()
        self._anchor = None
        self._passed = self._written
        self.latest = b""
        self._volume = None
        self._hold(stalled=False)


def _forget(entry: _Part, device: Format) -> None:
    """Give back the memory of what was heard, but for the last `KEPT_MS`."""
    frames = entry.heard - KEPT_MS * device.rate_hz // 1000 - entry.forgotten
    del entry.pcm[: frames * device.frame_bytes]
    entry.forgotten += frames
    if entry.pcm is entry.wire:
        entry.wire_forgotten = entry.forgotten
        return
    samples = entry.heard * WIRE.rate_hz // device.rate_hz - KEPT_MS * WIRE.rate_hz // 1000 - entry.wire_forgotten
    del entry.wire[: samples * WIRE.frame_bytes]
    entry.wire_forgotten += samples


def _reformat(entry: _Part, old: Format, new: Format) -> None:
    """Convert what came anew, from the last `LEAD_MS` before what was heard."""
    at = entry.heard * WIRE.rate_hz // old.rate_hz
    step = WIRE.rate_hz // math.gcd(WIRE.rate_hz, new.rate_hz)  # so many samples are whole frames of the device
    begin = max(0, at - LEAD_MS * WIRE.rate_hz // 1000) // step * step
    begin = max(begin, -(-entry.wire_forgotten // step) * step)
    entry.converter = Converter(WIRE, new)
    entry.heard = entry.taken = at * new.rate_hz // WIRE.rate_hz
    if new == WIRE:
        entry.pcm, entry.forgotten = entry.wire, entry.wire_forgotten
    else:
        pcm = entry.converter.feed(bytes(entry.wire[(begin - entry.wire_forgotten) * WIRE.frame_bytes :]))
        entry.pcm = bytearray(pcm + entry.converter.finish() if entry.complete else pcm)
        entry.forgotten = begin * new.rate_hz // WIRE.rate_hz
    entry.received = entry.forgotten + len(entry.pcm) // new.frame_bytes
