"""EchoCanceller: the microphone without the loudspeaker's voice, fed with what really reached the device.

Three parts, all at 16 kHz in frames of 10 ms:

**When.** `Reference` is a timeline of what the loudspeaker played, by the times its samples left the DAC;
`CaptureClock` tells when the microphone's samples were captured. Both count samples, and look at stamps only to
begin and when they are far off: a stamp jitters, a count does not.

**What is sent.** WebRTC's canceller (AEC3) turns an echo of any strength into silence, and with it much of a person
who speaks at the same time; `EchoPath` leaves such a person whole and some traces of the echo. So frames in which
somebody near is heard come from the second, all others from the first (`dev.py bench echo` compares them).

**Whether it works.** `Gauge` compares what goes in with what comes out while the loudspeaker speaks. Where the echo
hardly falls, whatever the reason, the conversation is better half duplex than answering itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from desktop_app.audio.echo_path import FRAME, NEAR_DB, RATE_HZ, EchoPath, Samples, mean_square

FRAME_S = FRAME / RATE_HZ

LEAD_S = 0.04
"""The reference is read so much ahead, as an echo must not come before it: stamps were seen to err by 20 ms. What a
device takes is known 60 ms and more before its sound can come back."""

HOLD_FRAMES = 30
"""How long after a near voice frames are taken from the gentle path: its words' soft ends."""
SHORT_HOLD_FRAMES = 5
"""The same after what is not known to be a voice."""

CLEAR_FRAMES = 3
CLEAR_DB = 6.0
"""Evidence that opens the gentle path before a detector knows whether it is a voice."""

ASTRAY_FRAMES = 80
"""How long nothing is heard while something plays after the echo has leapt: AEC3 needs as long to find it again."""
CHECKED_EVERY = 2

LOUD_DB = 6.0
LOUD_FRAMES, OF_FRAMES = 6, 8
"""How much evidence, for how long, is too much for the loudspeaker alone."""

LEARNED_FRAMES = 250
"""Of an audible echo, until the path is trusted to tell a person from the loudspeaker."""

AUDIBLE_DB = -60.0


class Processor(Protocol):
    """A canceller for frames of 10 ms at 16 kHz."""

    def process(self, near: Samples, far: Samples) -> Samples:
        """Return what the microphone heard (`near`) without what was played at that time (`far`)."""
        ...


class WebRtc:
    """WebRTC's AEC3, by `pywebrtc-audio`."""

    def __init__(self) -> None:
        # Imported late: only hands-free needs it.
        from pywebrtc_audio import EchoCanceller as Aec3

        self._aec3 = Aec3(sample_rate=RATE_HZ)

    def process(self, near: Samples, far: Samples) -> Samples:
        """Return a frame without the loudspeaker."""
        return self._aec3.process(near, far)


class Polish:
    """WebRTC's noise suppression and gain control, each if it is wanted."""

    NOISE_LEVEL = 1
    """12 dB: more makes voices hollow."""
    MAX_GAIN_DB = 24.0

    def __init__(self, *, noise: bool, gain: bool) -> None:
        from pywebrtc_audio import AudioProcessor

        self._processor = (
            AudioProcessor(
                sample_rate=RATE_HZ,
                noise_suppression=noise,
                auto_gain_control=gain,
                ns_level=self.NOISE_LEVEL,
                agc_max_gain_db=self.MAX_GAIN_DB,
            )
            if noise or gain
            else None
        )

    def process(self, frame: Samples) -> Samples:
        """Return a frame, better to listen to."""
        return frame if self._processor is None else self._processor.process(frame)


# --- when ---------------------------------------------------------------------------------------


class Reference:
    """What the loudspeaker played, by time: mono samples at 16 kHz, silence wherever nothing was handed over."""

    LENGTH_S = 4
    FAR_OFF_S = 0.008
    """A block whose time differs by more from the end of the one before does not follow it."""
    PAUSE_S = 0.5
    """After so long without a block a new one begins something else."""

    def __init__(self) -> None:
        self._leaps = deque[float](maxlen=20)
        self._begins = True
        self._ring = np.zeros(self.LENGTH_S * RATE_HZ, np.float32)
        self._end: int | None = None
        """The position after the latest sample: time in samples."""

    @property
    def end_s(self) -> float:
        """Until when it is known what was played; minus infinity if nothing was."""
        return -np.inf if self._end is None else self._end / RATE_HZ

    def place(self, samples: Samples, at_s: float) -> None:
        """Note samples whose first one leaves the DAC at `at_s`."""
        start = round(at_s * RATE_HZ)
        if self._end is None or start - self._end > self._ring.size:
            self._ring[:] = 0.0
            self._end = start
        elif abs(start - self._end) <= self.FAR_OFF_S * RATE_HZ:
            start = self._end
        elif start - self._end < self.PAUSE_S * RATE_HZ and not self._begins:
            self._leaps.append(start / RATE_HZ)
        if self._end is not None and start > self._end:
            self._write(self._end, np.zeros(start - self._end, np.float32))
        self._begins = False
        self._write(start, samples[-self._ring.size :])

    def has_leapt(self, until_s: float) -> bool:
        """Tell, once, of a block that did not follow the one before: from here on an echo may come otherwise."""
        leapt = False
        while self._leaps and self._leaps[0] <= until_s:
            self._leaps.popleft()
            leapt = True
        return leapt

    def cut(self, at_s: float) -> None:
        """Forget what would have left the DAC from `at_s` on: the device dropped it."""
        at = round(at_s * RATE_HZ)
        self._begins = True
        if self._end is not None and at < self._end:
            at = max(at, self._end - self._ring.size)
            self._write(at, np.zeros(self._end - at, np.float32))
            self._end = at

    def read(self, at_s: float, count: int) -> Samples:
        """Return what was played from `at_s` on, silence where it is not known."""
        start = round(at_s * RATE_HZ)
        out = np.zeros(count, np.float32)
        if self._end is None:
            return out
        first, last = max(start, self._end - self._ring.size), min(start + count, self._end)
        if first < last:
            out[first - start : last - start] = self._ring[np.arange(first, last) % self._ring.size]
        return out

    def _write(self, start: int, samples: Samples) -> None:
        self._ring[np.arange(start, start + samples.size) % self._ring.size] = samples
        self._end = start + samples.size


class CaptureClock:
    """Tells when samples were captured, by when blocks of them arrived.

    A block arrives when its last sample is there, or later: of all differences the least counts, and creeps up to
    follow clocks that drift apart.
    """

    CREEP_S = 0.0002
    """Per block."""
    FAR_OFF_S = 0.012
    """The count is put right when it is so far off: a jump costs the canceller what it knows of the delay."""

    def __init__(self, latency_s: float = 0.0) -> None:
        """`latency_s`: what the device says lies between it and the callback."""
        self._latency_s = latency_s
        self._captured_s = 0.0
        self._least_s: float | None = None
        self._offset_s = 0.0
        self.leaps = 0
        """How often the count was put right."""

    def block(self, length_s: float, arrived_s: float) -> float:
        """Return when the first sample of the next block was captured."""
        began_s = self._captured_s
        self._captured_s += length_s
        seen_s = arrived_s - self._captured_s - self._latency_s
        if self._least_s is None:
            self._least_s = self._offset_s = seen_s
        self._least_s = min(seen_s, self._least_s + self.CREEP_S)
        if abs(self._least_s - self._offset_s) > self.FAR_OFF_S:
            self._offset_s = self._least_s
            self.leaps += 1
        return began_s + self._offset_s


# --- whether it works ---------------------------------------------------------------------------


class Trust(Enum):
    """Whether the echo is cancelled well enough to listen while speaking."""

    UNKNOWN = "unknown"
    """The loudspeaker has not been heard for long enough, or cannot be heard at all (headphones)."""
    GOOD = "good"
    POOR = "poor"


class Gauge:
    """How much of the echo the filter of the path takes away.

    Not AEC3: that makes anything silent that is as loud as what was played, a person too. The filter takes away
    what it can explain, so it tells whether what was played is what the microphone hears. A person speaking over
    the loudspeaker looks like an echo that stays, so not the mean counts but a high quantile of the frames: of some
    seconds with an audible loudspeaker, a quarter at least has nobody else in it. And only while the microphone's
    ups and downs are those of what was played: with headphones, what it hears then is no echo.
    """

    ALIKE = 0.5
    """The least likeness of microphone and loudspeaker; an echo has 0.9, and 0.6 while somebody talks over it."""
    WINDOW_FRAMES = 400
    LEAST_FRAMES = 250
    QUANTILE = 0.75
    POOR_DB = 3.0
    GOOD_DB = 6.0
    EVERY_FRAMES = 20
    ABOVE_NOISE_DB = 10.0
    """What the microphone must hear above its noise to count as an audible loudspeaker."""
    NOISE_LEAST_DB = -75.0
    NOISE_RISE_DB = 0.05

    def __init__(self) -> None:
        self._reductions = deque[float](maxlen=self.WINDOW_FRAMES)
        self._noise_db = -50.0
        self._since_judged = 0
        self.trust = Trust.UNKNOWN

    @property
    def reduction_db(self) -> float | None:
        """The echo's fall where only the loudspeaker speaks; None while too little was heard of it."""
        if len(self._reductions) < self.LEAST_FRAMES:
            return None
        return float(np.quantile(np.array(self._reductions), self.QUANTILE))

    def feed(self, heard_db: float, left_db: float, *, playing: bool, likeness: float) -> Trust:
        """Take the level of a frame and of what is left of it, and whether something played may be heard in it."""
        self._noise_db = max(self.NOISE_LEAST_DB, min(heard_db, self._noise_db + self.NOISE_RISE_DB))
        if playing and likeness < self.ALIKE:
            self._reductions.clear()
            self.trust = Trust.UNKNOWN
            return self.trust
        if playing and heard_db > self._noise_db + self.ABOVE_NOISE_DB:
            self._reductions.append(heard_db - left_db)
            self._since_judged += 1
            if self._since_judged >= self.EVERY_FRAMES:
                self._since_judged = 0
                self.trust = self._judge()
        return self.trust

    def _judge(self) -> Trust:
        reduction_db = self.reduction_db
        if reduction_db is None:
            return self.trust
        if reduction_db >= self.GOOD_DB:
            return Trust.GOOD
        return Trust.POOR if reduction_db < self.POOR_DB else self.trust


# --- what is sent -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A frame without the loudspeaker. It is the frame before the one that was fed."""

    samples: Samples
    """What to send."""
    gentle: Samples
    """What to look for a voice in."""
    near: bool
    """Whether more is heard than the loudspeaker explains, in the frame that was fed."""
    playing: bool
    """Whether the loudspeaker can be heard in it."""
    trust: Trust
    loud: bool = False
    """Whether it has been much more than the loudspeaker explains for some frames: enough to suspect somebody."""


class EchoCanceller:
    """One microphone beside one loudspeaker."""

    SURE_DB = 8.0
    """Evidence that needs no other witness."""
    WITNESS_DB = -60.0
    """The least AEC3 leaves of a person."""
    WITNESS_FRAMES = 10
    LINGER_FRAMES = 60
    """How long after a sample was played something of it may still be heard."""

    def __init__(self, processor: Processor | None = None, *, noise: bool = False, gain: bool = False) -> None:
        """`noise`: suppress steady noise; `gain`: bring quiet voices to a common level."""
        self._processor = processor if processor is not None else WebRtc()
        self._polish = Polish(noise=noise, gain=gain)
        self._path = EchoPath()
        self.gauge = Gauge()
        self._hard = np.zeros(FRAME, np.float32)
        """The latest frame as AEC3 left it: the gentle path is one frame late."""
        self._audible_frames = 0
        self._since_played = self.LINGER_FRAMES
        self._since_near = 0
        self._astray_frames = self._unchecked_frames = 0
        self._is_gentle = True
        self._levels_db = deque[float](maxlen=self.WITNESS_FRAMES)
        self._evidence_db = deque[float](maxlen=self.WITNESS_FRAMES)

    @property
    def learned(self) -> bool:
        """Whether the path is known well enough to tell a person from the loudspeaker."""
        return self._audible_frames >= LEARNED_FRAMES

    def startle(self) -> None:
        """The streams' times leapt: what was learned of the echo no longer holds."""
        if self.learned:
            self._path.forget_place()
            self._astray_frames = ASTRAY_FRAMES

    def feed(self, near: Samples, far: Samples, *, voice: bool = False) -> Cleaned:
        """Take a frame of the microphone and what was played at that time.

        `voice`: a detector hears somebody speak in the `gentle` frames so far.
        """
        rest = self._path.feed(near, far)
        hard = self._processor.process(near, far)
        played = _level_db(far) > AUDIBLE_DB
        self._since_played = 0 if played else self._since_played + 1
        playing = self._since_played < self.LINGER_FRAMES
        if _decibels(rest.echo_power) > AUDIBLE_DB:
            self._audible_frames += 1
        near_by = playing and self.learned and self._somebody(hard, rest.evidence_db)
        hard_before, self._hard = self._hard, hard
        clear = voice or max(list(self._evidence_db)[-CLEAR_FRAMES:], default=0.0) > CLEAR_DB
        sent_gently = (near_by and clear) or not playing
        sent = self._choose(hard_before, rest.samples, near=sent_gently, voice=voice)
        trust = self.gauge.feed(
            _level_db(near), _decibels(rest.left_power), playing=playing, likeness=self._path.likeness
        )
        gentle = rest.samples if self.learned or not playing else hard_before
        if self._has_leapt(playing=playing):
            silence = np.zeros(FRAME, np.float32)
            return Cleaned(self._polish.process(silence), silence, near=False, playing=True, trust=trust)
        recent = list(self._evidence_db)[-OF_FRAMES:] if playing and self.learned else []
        loud = sum(evidence_db >= LOUD_DB for evidence_db in recent) >= LOUD_FRAMES
        return Cleaned(self._polish.process(sent), gentle, near_by or not playing, playing, trust, loud)

    def _has_leapt(self, *, playing: bool) -> bool:
        """Tell whether the echo has lately begun to come at another time: then it is taken for nobody's voice."""
        self._astray_frames = max(0, self._astray_frames - 1)
        self._unchecked_frames += 1
        surprising = sum(evidence_db >= LOUD_DB for evidence_db in list(self._evidence_db)[-OF_FRAMES:]) >= 2
        if playing and self.learned and surprising and self._unchecked_frames >= CHECKED_EVERY:
            self._unchecked_frames = 0
            if self._path.astray():
                self.startle()
        return self._astray_frames > 0 and playing

    def _somebody(self, hard: Samples, evidence_db: float) -> bool:
        """Tell whether somebody is heard: AEC3 leaves something of them, or the rest is far above the usual."""
        self._levels_db.append(_level_db(hard))
        self._evidence_db.append(evidence_db)
        strongest_db = max(self._evidence_db)
        witnessed = strongest_db > NEAR_DB - 1 and max(self._levels_db) > self.WITNESS_DB
        return witnessed or strongest_db > self.SURE_DB

    def _choose(self, hard: Samples, gentle: Samples, *, near: bool, voice: bool) -> Samples:
        """Return the frame to send, going over from one to the other within it."""
        was_gentle = self._is_gentle
        self._since_near = 0 if near else self._since_near + 1
        hold = HOLD_FRAMES if voice else SHORT_HOLD_FRAMES
        self._is_gentle = is_gentle = self._since_near < hold
        if was_gentle == is_gentle:
            return gentle if is_gentle else hard
        rise = np.linspace(0.0, 1.0, FRAME, dtype=np.float32)
        share = rise if is_gentle else 1 - rise
        return share * gentle + (1 - share) * hard


class HalfDuplex:
    """Stands in for a canceller where there is none: it hears nobody while something plays."""

    def __init__(self) -> None:
        self._since_played = EchoCanceller.LINGER_FRAMES

    def startle(self) -> None:
        """Nothing was learned."""

    def feed(self, near: Samples, far: Samples, *, voice: bool = False) -> Cleaned:
        """Take a frame of the microphone and what was played at that time."""
        self._since_played = 0 if _level_db(far) > AUDIBLE_DB else self._since_played + 1
        playing = self._since_played < EchoCanceller.LINGER_FRAMES
        return Cleaned(near, near, near=not playing, playing=playing, trust=Trust.POOR)


def _level_db(frame: Samples) -> float:
    return _decibels(mean_square(frame))


def _decibels(power: float) -> float:
    return float(10 * np.log10(power + 1e-12))
