"""Speaker: the loudspeaker, around a `PlaybackBuffer`.

The stream is open but stopped between replies, which costs nothing; started, it asks for its whole buffer at once
and sounds within a few milliseconds, so a reply starts without paying for the depth of the buffer. Falling silent
is `abort()`: the device drops what it holds, at once, and the same stream starts again with the next reply.

A stream that ends by itself has lost its device: what was handed over but not heard is queued again, and playing
goes on with another device; if there is none it waits for one, and after `WAITS_S` `SpeakerFailed` says what was
heard. Which device is wanted, and what is told when another stands in for it, is `DeviceChoice`'s business; back to
the wanted device goes the next reply, or this one if it is between its sounds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from desktop_app.audio.choosing import Course, DeviceChoice
from desktop_app.audio.devices import Devices, Direction
from desktop_app.audio.handover import Handover
from desktop_app.audio.pcm import WIRE, level
from desktop_app.audio.playback import Patience, PlaybackBuffer, Progress
from desktop_app.audio.streams import Sound, Stream, sound_system
from desktop_app.conversation.inputs import Heard, Input, PlaybackFinished, SpeakerFailed
from desktop_app.errors import AudioDeviceError, Notice
from desktop_app.protocol.items import PartId

LATENCY_S = 0.03
"""The depth asked of the device at first: 30 to 50 ms are handed over ahead of time, against our own hiccups."""

DEEPEST_S = 0.12
"""How far the depth is doubled, stream by stream, when the device had to wait for us."""

CALM_REPLIES = 10
"""After so many replies in a row without a wait the depth is halved again: what made it necessary may have been the
start of another program, and a reply that comes in real time begins later by what is deeper."""

FETCHED_S = 0.005
"""What still sounds after an abort: a device (or the mixer before it) fetches periods of about 10 ms and plays the
one it has to its end. When in the period the abort comes is chance; half of it is what to expect."""

LINGER_S = 0.1
"""The stream runs on in silence after a reply: a device may hold a little more than it says."""

IDLE_S = 30.0
"""An unused device is given back after this."""

RETRY_S = (0.0, 0.5, 1.0, 2.0)
"""The pauses before each attempt to find a loudspeaker that went away in mid-reply; the last one is repeated."""

WAITS_S = 60.0
"""How long a reply waits for a loudspeaker before it is given up; a device that is connected is tried at once."""

JITTER_MS = 20
"""What a delivery in real time may be late by without a gap."""


def _patience(latency_s: float) -> Patience:
    """Return how long a reply's first audio waits: what the device takes ahead of time must be there."""
    return Patience(start_ms=latency_s * 1000 + JITTER_MS)


@dataclass(frozen=True, slots=True)
class _Lost:
    """A stream ended by itself."""

    serial: int
    at_s: float


class Speaker:
    """The loudspeaker. Loop thread only; posts `PlaybackStarted`, `PlaybackFinished` and `SpeakerFailed` there."""

    def __init__(
        self,
        post: Callable[[Input], None],
        *,
        sound: Sound | None = None,
        device: str | None = None,
        latency_s: float = LATENCY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._post = post
        self._sound = sound if sound is not None else sound_system()
        self._choice = DeviceChoice(Direction.OUTPUT, device, post)
        self._latency_s = self._shallowest_s = latency_s
        self._calm_replies = 0
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._buffer = PlaybackBuffer(patience=_patience(latency_s))
        self._events: Handover[Progress | _Lost] = Handover(self._loop, self._receive)
        self._stream: Stream | None = None
        self._serial = 0
        """Counts streams: a lost one that was replaced meanwhile is no loss."""
        self._running = False
        self._searching = False
        """The device went away in mid-reply, and is being looked for."""
        self._search_ends = 0.0
        self._stale = False
        """Another device is to be taken as soon as nothing sounds."""
        self._refused: set[PartId] = set()
        """Parts that failed for want of a device: the rest of them is dropped, the next part tries again."""
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        """The one thing to do later: begin, rest, give the device back, or look for a device."""

    def prepare(self) -> None:
        """Open the device ahead of the first reply; a failure is reported when there is something to play."""
        if self._stream is None and not self._searching:
            try:
                self._open()
            except AudioDeviceError:
                return
            self._later(IDLE_S, self._give_back)

    def play(self, part: PartId, pcm: bytes) -> None:
        """Queue PCM16 of a part; an odd byte is kept for the next call of the same part."""
        if part in self._refused:
            return
        self._buffer.add(part, pcm, self._clock())
        self._begin_when_ready()

    def end(self, part: PartId) -> None:
        """Nothing more of this part will come."""
        self._refused.discard(part)
        for progress in self._buffer.end(part, self._clock()):
            self._receive(progress)
        self._begin_when_ready()

    def stop(self) -> tuple[Heard, ...]:
        """Be silent now, forget the queue; return what was heard of each unfinished part, in order."""
        was_running, self._running = self._running, False
        if self._stream is not None and was_running:
            self._stream.abort()
        heard = self._buffer.clear(self._clock() + FETCHED_S)
        self._searching = False
        self._refused.clear()
        self._events.drain()  # what ended before this moment is told before it
        if was_running:
            self._adapt_depth()
        self._later(IDLE_S, self._give_back)
        self._leave_stale()
        return heard

    def cue(self, pcm: bytes) -> None:
        """Lay a short sound, PCM16 of the wire's format, over what plays. It is nobody's audio and is not counted.

        It comes by the stream of the answers, so an echo canceller knows it as it knows them. Without a device, or
        while one is looked for, it is left out: whatever it tells can be seen.
        """
        if self._searching:
            return
        self._buffer.cue(pcm)
        if self._running:
            return
        try:
            self._start()
        except AudioDeviceError:
            self._buffer.cue(b"")
            return
        self._later(WIRE.ms(len(pcm) // WIRE.frame_bytes) / 1000 + self._latency_s, self._rest)

    def set_volume(self, share: float) -> None:
        """Let everything be as loud as this share, 0 to 1, of what it is; evenly for the ear."""
        self._buffer.volume = min(1.0, max(0.0, share)) ** 2

    def heard(self) -> tuple[Heard, ...]:
        """Return what has been heard so far of each unfinished part."""
        return self._buffer.heard(self._clock())

    def use(self, device: str | None) -> None:
        """Take another device, by its name; None: the system's default. What sounds goes on there."""
        if not self._choice.want(device):
            return
        if self._running and self._stream is not None:
            self._stream.abort()
            self._go_on_elsewhere(self._clock() + FETCHED_S)
        elif not self._searching:
            self._leave_device()

    def devices_changed(self, devices: Devices) -> None:
        """Take note of what there is now: leave what is gone, and return to what is back."""
        is_open = self._stream is not None
        course = self._choice.changed(devices, is_open=is_open, in_use=self._running)
        if self._searching:
            if devices.outputs:
                self._later(0, self._attempt)
        elif course is Course.LOST:
            self._lose(self._clock())
        elif is_open:
            self._stale = self._stale or course is Course.LEAVE
            self._leave_stale()

    @property
    def sound(self) -> Sound:
        """Where its streams come from."""
        return self._sound

    @property
    def level(self) -> float:
        """How loud it is now, 0 to 1."""
        return level(self._buffer.latest) if self._running else 0.0

    def close(self) -> None:
        """Be silent and give the device back; nothing more is posted."""
        self._events.close()
        self._cancel_timer()
        self._close_stream()
        self._buffer.clear(self._clock())

    # --- starting and resting -------------------------------------------------------------------

    def _begin_when_ready(self) -> None:
        """Start the stream as soon as the buffer lets its head sound; running, it asks the buffer by itself."""
        if self._running or self._searching:
            return
        wait_s = self._buffer.wait_s(self._clock())
        if wait_s is None:
            return
        if wait_s > 0:
            self._later(wait_s, self._begin_when_ready)
            return
        self._cancel_timer()
        try:
            self._start()
        except AudioDeviceError as error:
            self._fail(error)

    def _start(self) -> None:
        if self._stream is not None:
            try:
                self._stream.start()
            except AudioDeviceError:
                # The device this stream was prepared on may be gone: once more, with what there is now.
                self._close_stream()
        if self._stream is None:
            self._open(started=True)
        self._running = True

    def _open(self, *, started: bool = False) -> None:
        """Open the wanted device, or the one that stands in for it."""

        def make(device: str | None) -> Stream:
            return self._open_stream(device, started=started)

        self._stale = False
        try:
            self._stream = self._choice.open(make)
        except AudioDeviceError:
            if not self._sound.refresh():
                raise
            self._stream = self._choice.open(make)

    def _open_stream(self, device: str | None, *, started: bool) -> Stream:
        self._serial += 1
        serial = self._serial

        def lost() -> None:  # by the audio thread: what is heard is heard until now
            self._events.put(_Lost(serial, self._clock()))

        stream = self._sound.open_output(device, self._latency_s, self._fill, lost)
        self._buffer.move_to(stream.format)
        if started:
            try:
                stream.start()
            except AudioDeviceError:
                stream.close()
                raise
        return stream

    def _fill(self, out: memoryview, now: float, dac_at: float) -> None:
        """Fill a block; the audio thread."""
        for progress in self._buffer.fill(out, now, dac_at):
            self._events.put(progress)

    def _rest(self) -> None:
        """Stop the stream that plays nothing; it stays open for the next reply."""
        if self._running and self._buffer.idle and self._buffer.cueing:
            self._later(LINGER_S, self._rest)
            return
        if self._running and self._buffer.idle and self._stream is not None:
            self._stream.abort()
            self._running = False
            self._buffer.clear(self._clock())
            self._adapt_depth()
            self._later(IDLE_S, self._give_back)
            self._leave_stale()

    def _leave_stale(self) -> None:
        if self._stale and not self._running and not self._searching:
            self._leave_device()

    def _leave_device(self) -> None:
        """Take the device that is wanted now, while nothing sounds."""
        was_open = self._stream is not None
        self._close_stream()
        if was_open:
            self.prepare()
            self._begin_when_ready()

    def _adapt_depth(self) -> None:
        """Take a deeper buffer from now on if the device ran dry: this machine is busier than the depth allows."""
        if self._stream is None:
            return
        if self._stream.underflows:
            self._stream.underflows = 0
            self._calm_replies = 0
            self._take_depth(min(2 * self._latency_s, max(DEEPEST_S, self._shallowest_s)))
        elif self._latency_s > self._shallowest_s:
            self._calm_replies += 1
            if self._calm_replies >= CALM_REPLIES:
                self._calm_replies = 0
                self._take_depth(max(self._latency_s / 2, self._shallowest_s))

    def _take_depth(self, latency_s: float) -> None:
        if latency_s != self._latency_s:
            self._latency_s = latency_s
            self._buffer.be_patient(_patience(latency_s))
            self._close_stream()
            self.prepare()

    def _give_back(self) -> None:
        if not self._running:
            self._close_stream()

    def _close_stream(self) -> None:
        if self._stream is not None:
            if self._running:
                self._stream.abort()
            self._stream.close()
        self._stream = None
        self._running = False

    # --- what comes back ------------------------------------------------------------------------

    def _receive(self, event: Progress | _Lost) -> None:
        if isinstance(event, _Lost):
            if event.serial == self._serial and self._stream is not None:
                self._lose(event.at_s)
            return
        self._post(event)
        if isinstance(event, PlaybackFinished) and self._buffer.idle and self._running:
            self._later(LINGER_S, self._rest)

    def _lose(self, at_s: float) -> None:
        """The device of the stream is gone since `at_s`."""
        if self._buffer.idle:
            self._close_stream()
            self._buffer.rewind(at_s)
        else:
            self._choice.lost()
            self._go_on_elsewhere(at_s)

    def _go_on_elsewhere(self, heard_until_s: float) -> None:
        """Go on with another device from what was heard."""
        self._close_stream()
        self._buffer.rewind(heard_until_s)
        self._search_ends = self._clock() + WAITS_S
        self._search(0)

    def _search(self, attempt: int) -> None:
        self._searching = True
        self._later(RETRY_S[min(attempt, len(RETRY_S) - 1)], lambda: self._attempt(attempt))

    def _attempt(self, attempt: int = 0) -> None:
        try:
            self._start()
        except AudioDeviceError as error:
            self._close_stream()
            if self._clock() < self._search_ends:
                self._choice.waits()
                self._search(attempt + 1)
            else:
                self._fail(error)
            return
        self._searching = False

    def _fail(self, error: AudioDeviceError) -> None:
        self._close_stream()
        self._searching = False
        heard = self._buffer.clear(self._clock())
        self._refused.update(entry.part for entry in heard)
        self._post(SpeakerFailed(Notice.of(error, key="speaker"), heard))

    def _later(self, delay_s: float, do: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(delay_s, do)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
