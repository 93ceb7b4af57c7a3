"""DuplexSound: a sound system that listens while it speaks, without hearing itself.

It stands between the devices and those who use them: to `Speaker` and `Microphone` it is a `Sound` like the one it
wraps. What the loudspeaker takes is noted on its way, with its times; what the microphone gives passes an `Ear`, a
thread of its own, since cancelling and detecting take about a millisecond per block, and must not wait for a busy
loop. There the echo goes (`echo.py`), and somebody who begins to speak is noticed (`onset.py`): playback is ducked
at once, here, on its way to the device, and `OnsetHeard` tells the core when it is to give way.

Where the echo cannot be cancelled the conversation is half duplex: nothing is heard while something sounds, and
`DuplexChanged` says why. With push-to-talk everything passes untouched.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import soxr

from desktop_app.audio.echo import (
    LEAD_S,
    CaptureClock,
    Cleaned,
    EchoCanceller,
    HalfDuplex,
    Polish,
    Reference,
    Trust,
)
from desktop_app.audio.echo_path import FRAME, RATE_HZ, Samples
from desktop_app.audio.handover import Handover
from desktop_app.audio.onset import SUSPECT, Onset, Order, VoiceActivity, VoiceFinder
from desktop_app.audio.pcm import QUALITY, WIRE, Converter, Format, average_channels
from desktop_app.audio.streams import Fill, Sound, Stream, Take, sound_system
from desktop_app.conversation.inputs import DUPLEX, DuplexChanged, Input, OnsetHeard
from desktop_app.errors import Notice, Severity

DUCKED = 0.12
"""How loud a suspicion leaves playback: −18 dB."""
GIVES_WAY_FRAMES = 50
"""How long playback stays ducked after a commitment, for the core to stop it; it may have reasons not to."""
ENDS_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What is to be done with the microphone's sound."""

    listens: bool = False
    """The microphone is open while something sounds: hands-free."""
    gives_way: bool = False
    """A voice may interrupt."""
    echo: bool = True
    noise: bool = False
    gain: bool = False

    @property
    def works(self) -> bool:
        """Whether there is anything to do."""
        return self.listens and (self.echo or self.noise or self.gain)

    def same_sound(self, other: Cleaning) -> bool:
        """Whether both make the same of a sound, so that what was learned of it still holds."""
        return replace(self, gives_way=False) == replace(other, gives_way=False)


@dataclass(frozen=True, slots=True)
class _Played:
    """A block the loudspeaker took."""

    pcm: bytes
    format: Format
    dac_at: float


@dataclass(frozen=True, slots=True)
class _Cut:
    """The loudspeaker dropped what it held."""

    at: float


class DuplexSound:
    """A `Sound` around another. Loop thread, but for the callbacks."""

    def __init__(
        self,
        post: Callable[[Input], None],
        *,
        sound: Sound | None = None,
        make_detector: Callable[[], VoiceActivity] | None = None,
        wanted: Callable[[], Cleaning] = Cleaning,
        always: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wanted`: is asked for whenever a microphone is opened.

        `make_detector`: raises `ImportError` where there is none; then nobody's onset is noticed.

        `always`: let every microphone pass the ear, as it stays open when one begins to listen.
        """
        self._sound = sound if sound is not None else sound_system()
        self.make_detector = make_detector
        self._wanted = wanted
        self.cleaning = Cleaning()
        self.always = always
        self._clock = clock
        self._inputs: Handover[Input] = Handover(asyncio.get_running_loop(), post)
        self.played: deque[_Played | _Cut] = deque(maxlen=500)
        self._ears = 0
        self._gain = self._wanted_gain = 1.0

    @property
    def inner(self) -> Sound:
        """The one it is around."""
        return self._sound

    def look_again(self) -> None:
        """Something else may be wanted now."""
        self.cleaning = self._wanted()

    def close(self) -> None:
        """Post nothing more."""
        self._inputs.close()

    # --- Sound ----------------------------------------------------------------------------------

    def open_output(self, device: str | None, latency_s: float, fill: Fill, lost: Callable[[], None]) -> Stream:
        """Open a loudspeaker whose blocks are noted."""
        opened: list[Stream] = []

        def fill_and_note(out: memoryview, now: float, dac_at: float) -> None:
            fill(out, now, dac_at)
            self._turn_down(out)
            if self._ears and opened:
                self.played.append(_Played(bytes(out), opened[0].format, dac_at))

        opened.append(self._sound.open_output(device, latency_s, fill_and_note, lost))
        return _Output(opened[0], self._dropped)

    def open_input(self, device: str | None, latency_s: float, take: Take, lost: Callable[[], None]) -> Stream:
        """Open a microphone; with hands-free its blocks pass an ear."""
        self.look_again()
        if not (self.cleaning.listens or self.always):
            return self._sound.open_input(device, latency_s, take, lost)
        ear = Ear(self, take)
        stream = self._sound.open_input(
            device, latency_s, lambda block: ear.put(block, self._clock()), lambda: ear.lose(lost)
        )
        ear.begin(stream.format, stream.latency_s)
        self._ears += 1
        return _Input(stream, ear, self._ear_gone)

    def refresh(self) -> bool:
        """Look for devices anew."""
        return self._sound.refresh()

    # --- between the two ------------------------------------------------------------------------

    def tell(self, event: Input) -> None:
        """Post something; any thread."""
        self._inputs.put(event)

    def turn(self, *, down: bool) -> None:
        """Turn playback down, or up again; any thread."""
        self._wanted_gain = DUCKED if down else 1.0

    def _turn_down(self, out: memoryview) -> None:
        """Let a block be as loud as is wanted; the audio thread."""
        wanted = self._wanted_gain
        if wanted == self._gain == 1.0:
            return
        samples = np.frombuffer(out, "<i2")
        gain = np.linspace(self._gain, wanted, samples.size, dtype=np.float32)
        out[:] = memoryview((samples * gain).astype("<i2").tobytes())
        self._gain = wanted

    def _dropped(self) -> None:
        self._gain = self._wanted_gain = 1.0
        if self._ears:
            self.played.append(_Cut(self._clock()))

    def _ear_gone(self) -> None:
        self._ears -= 1
        self.played.clear()
        self._wanted_gain = 1.0


class _Wrapped:
    """A stream around another."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.format = stream.format

    @property
    def latency_s(self) -> float:
        """What the device says lies between it and the callback."""
        return self._stream.latency_s

    @latency_s.setter
    def latency_s(self, value: float) -> None:
        self._stream.latency_s = value

    @property
    def underflows(self) -> int:
        """How often the device ran dry."""
        return self._stream.underflows

    @underflows.setter
    def underflows(self, value: int) -> None:
        self._stream.underflows = value

    def start(self) -> None:
        """Let callbacks come."""
        self._stream.start()


class _Output(_Wrapped):
    """A loudspeaker that tells when it drops what it held."""

    def __init__(self, stream: Stream, dropped: Callable[[], None]) -> None:
        super().__init__(stream)
        self._dropped = dropped

    def abort(self) -> None:
        """Be silent at once."""
        self._stream.abort()
        self._dropped()

    def close(self) -> None:
        """Give the device back."""
        self._stream.close()


class _Input(_Wrapped):
    """A microphone with an ear behind it, which speaks the wire's format."""

    def __init__(self, stream: Stream, ear: Ear, gone: Callable[[], None]) -> None:
        super().__init__(stream)
        self.format = WIRE
        self._ear = ear
        self._gone: Callable[[], None] | None = gone

    def abort(self) -> None:
        """Stop; whatever was captured before is delivered by then."""
        self._stream.abort()
        self._ear.finish()

    def close(self) -> None:
        """Give the device back, and end the thread."""
        self._stream.close()
        self._ear.end()
        if self._gone is not None:
            self._gone()
            self._gone = None


# --- the ear ------------------------------------------------------------------------------------


class Owner(Protocol):
    """What an ear is told and asks for."""

    cleaning: Cleaning
    make_detector: Callable[[], VoiceActivity] | None
    played: deque[_Played | _Cut]

    def tell(self, event: Input) -> None:
        """Post something; any thread."""
        ...

    def turn(self, *, down: bool) -> None:
        """Turn playback down, or up again; any thread."""
        ...


@dataclass(frozen=True, slots=True)
class _Block:
    """What was captured, and when it arrived."""

    pcm: bytes
    arrived: float


@dataclass(frozen=True, slots=True)
class _Call:
    """Something to do after all blocks before."""

    do: Callable[[], None]


class Ear:
    """A thread through which the blocks of one microphone pass, in order."""

    def __init__(self, owner: Owner, take: Take) -> None:
        self._owner = owner
        self._take = take
        self._things: queue.SimpleQueue[_Block | _Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ear", daemon=True)
        self._converter = Converter(WIRE, WIRE)
        self._latency_s = 0.0
        self._attention: _Attention | None = None

    def begin(self, opened_as: Format, latency_s: float) -> None:
        """Start the thread."""
        self._converter = Converter(opened_as, WIRE)
        self._latency_s = latency_s
        self._thread.start()

    def put(self, block: bytes, arrived: float) -> None:
        """Take a captured block; the audio thread."""
        self._things.put(_Block(block, arrived))

    def lose(self, lost: Callable[[], None]) -> None:
        """Say that the device is gone, after what it delivered; any thread."""
        self._things.put(_Call(self._flush))
        self._things.put(_Call(lost))

    def finish(self) -> None:
        """Wait until everything that was captured is delivered."""
        if self._thread.is_alive():
            done = threading.Event()
            self._things.put(_Call(self._flush))
            self._things.put(_Call(done.set))
            done.wait(ENDS_WITHIN_S)

    def end(self) -> None:
        """End the thread."""
        self._things.put(None)
        if self._thread.is_alive():
            self._thread.join(ENDS_WITHIN_S)

    def _run(self) -> None:
        while (thing := self._things.get()) is not None:
            match thing:
                case _Block(pcm, arrived):
                    self._hear(self._converter.feed(pcm), arrived)
                case _Call(do):
                    do()

    def _hear(self, pcm: bytes, arrived: float) -> None:
        cleaning = self._owner.cleaning
        if self._attention is not None and not self._attention.cleaning.same_sound(cleaning):
            self._flush()
        if not cleaning.works:
            self._take(pcm)
            return
        if self._attention is None:
            self._attention = _Attention(self._owner, cleaning, self._latency_s)
        cleaned = self._attention.feed(pcm, arrived)
        if cleaned:
            self._take(cleaned)

    def _flush(self) -> None:
        if self._attention is not None:
            rest = self._attention.finish()
            self._attention = None
            if rest:
                self._take(rest)


class _Attention:
    """One way of cleaning, for as long as it is wanted: samples in, samples out, and what is noticed."""

    def __init__(self, owner: Owner, cleaning: Cleaning, latency_s: float) -> None:
        self.cleaning = cleaning
        self._owner = owner
        self._clock = CaptureClock(latency_s)
        self._down = soxr.ResampleStream(WIRE.rate_hz, RATE_HZ, 1, dtype="float32", quality=QUALITY)
        self._up = soxr.ResampleStream(RATE_HZ, WIRE.rate_hz, 1, dtype="float32", quality=QUALITY)
        self._held_s = 0.0
        """What the first of them holds back."""
        self._waiting = np.zeros(0, np.float32)
        self._line = _Line()
        owner.played.clear()
        self._leaps = 0
        self._onset = Onset()
        self._probability = 0.0
        self._trust = Trust.UNKNOWN
        self._ducked_frames = 0
        self._finder = self._make_finder()
        self._canceller: EchoCanceller | HalfDuplex | None = None
        self._polish: Polish | None = None
        if cleaning.echo:
            self._canceller = _canceller(cleaning)
        else:
            self._polish = Polish(noise=cleaning.noise, gain=cleaning.gain)

    def feed(self, pcm: bytes, arrived: float) -> bytes:
        """Take what was captured, of the wire's format; return what is to be sent."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        began = self._clock.block(samples.size / WIRE.rate_hz, arrived)
        at = began - self._held_s - self._waiting.size / RATE_HZ
        lower = self._down.resample_chunk(samples)
        self._held_s += samples.size / WIRE.rate_hz - lower.size / RATE_HZ
        self._waiting = np.concatenate([self._waiting, lower])
        out = []
        self._note_what_was_played()
        while self._waiting.size >= FRAME:
            frame, self._waiting = self._waiting[:FRAME], self._waiting[FRAME:]
            out.append(self._frame(frame, at))
            at += FRAME / RATE_HZ
        return self._sent(np.concatenate(out)) if out else b""

    def finish(self) -> bytes:
        """Return what is still held; playback is as loud as ever."""
        self._owner.turn(down=False)
        if self._trust is Trust.POOR:
            self._owner.tell(DuplexChanged(None))
        if not self._waiting.size:
            return self._sent(np.zeros(0, np.float32), last=True)
        frame = np.concatenate([self._waiting, np.zeros(FRAME - self._waiting.size, np.float32)])
        return self._sent(self._frame(frame, 0.0), last=True)

    def _sent(self, samples: Samples, *, last: bool = False) -> bytes:
        wire = self._up.resample_chunk(samples, last=last)
        return bytes(np.rint(np.clip(wire, -1.0, 32767 / 32768) * 32768).astype("<i2"))

    def _frame(self, near: Samples, at: float) -> Samples:
        if self._canceller is None:
            return near if self._polish is None else self._polish.process(near)
        if self._line.reference.has_leapt(at + LEAD_S) or self._clock.leaps != self._leaps:
            self._leaps = self._clock.leaps
            self._canceller.startle()
        far = self._line.reference.read(at + LEAD_S, FRAME)
        cleaned = self._canceller.feed(near, far, voice=self._probability >= SUSPECT)
        self._judge(cleaned)
        if self._trust is Trust.POOR:
            return np.zeros(FRAME, np.float32) if cleaned.playing else cleaned.samples
        self._listen(cleaned)
        return cleaned.samples

    def _listen(self, cleaned: Cleaned) -> None:
        if self._finder is None:
            return
        self._probability = self._finder.feed(cleaned)
        if not self._owner.cleaning.gives_way:
            return
        match self._onset.feed(self._probability, playing=cleaned.playing, loud=cleaned.loud):
            case Order.DUCK:
                self._owner.turn(down=True)
            case Order.COMMIT:
                self._ducked_frames = GIVES_WAY_FRAMES
                self._owner.tell(OnsetHeard())
            case Order.RESUME:
                self._owner.turn(down=False)
            case None:
                self._give_up_giving_way()

    def _give_up_giving_way(self) -> None:
        if self._ducked_frames:
            self._ducked_frames -= 1
            if not self._ducked_frames:
                self._owner.turn(down=False)

    def _judge(self, cleaned: Cleaned) -> None:
        before, self._trust = self._trust, cleaned.trust
        if self._trust is before:
            return
        if self._trust is Trust.POOR:
            self._owner.turn(down=False)
            self._owner.tell(DuplexChanged(ECHO_STAYS))
        elif before is Trust.POOR:
            self._owner.tell(DuplexChanged(None))

    def _note_what_was_played(self) -> None:
        played = self._owner.played
        while played:
            match played.popleft():
                case _Played(pcm, form, dac_at):
                    self._line.played(pcm, form, dac_at)
                case _Cut(at):
                    self._line.cut(at)
                    self._onset.interrupted()
                    self._ducked_frames = 0

    def _make_finder(self) -> VoiceFinder | None:
        make = self._owner.make_detector
        if make is None or not self.cleaning.echo:
            return None
        try:
            return VoiceFinder(make)
        except ImportError:
            return None


class _Line:
    """What the loudspeaker took, on the reference's timeline and at its rate."""

    def __init__(self) -> None:
        self.reference = Reference()
        self._format: Format | None = None
        self._resampler = self._new_resampler(WIRE.rate_hz)
        self._held_s = 0.0
        """What the resampler holds back."""

    def played(self, pcm: bytes, form: Format, dac_at: float) -> None:
        """Note a block whose first frame leaves the DAC at `dac_at`."""
        if form != self._format:
            self._begin(form)
        mono = average_channels(np.frombuffer(pcm, "<i2"), form.channels).astype(np.float32) / 32768
        samples = self._resampler.resample_chunk(mono)
        if samples.size:
            self.reference.place(samples, dac_at - self._held_s)
        self._held_s += mono.size / form.rate_hz - samples.size / RATE_HZ

    def cut(self, at: float) -> None:
        """Note that the device dropped what it held."""
        self.reference.cut(at)
        if self._format is not None:
            self._begin(self._format)

    def _begin(self, form: Format) -> None:
        self._format = form
        self._resampler = self._new_resampler(form.rate_hz)
        self._held_s = 0.0

    @staticmethod
    def _new_resampler(rate_hz: int) -> soxr.ResampleStream:
        return soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32", quality=QUALITY)


def _canceller(cleaning: Cleaning) -> EchoCanceller | HalfDuplex:
    try:
        return EchoCanceller(noise=cleaning.noise, gain=cleaning.gain)
    except ImportError:  # a platform without a wheel of WebRTC's canceller
        return HalfDuplex()


ECHO_STAYS = Notice(
    "The microphone does not listen while the assistant speaks: the echo cannot be taken out here.",
    "The stop button or the talk key interrupts; headphones or a lower volume help.",
    Severity.INFO,
    DUPLEX,
)
