"""EchoPath: what of the microphone's sound is the loudspeaker's, learned as it plays; and what is left.

WebRTC's canceller (see `echo.py`) leaves silence where only the loudspeaker speaks, but mutes much of a person who
speaks at the same time. Here is the gentle half that finds the person, and keeps the words whole:

**The path.** The way from loudspeaker to microphone is taken as a filter of `PARTITIONS` blocks of 10 ms in the
frequency domain, tracked by a Kalman filter whose step follows from its own uncertainty and from the power of
everything else in the room: a person who speaks at the same time does not spoil what was learned (G. Enzner and
P. Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free telephones", 2006; in
blocks as of F. Kuech, E. Mabande, G. Enzner, "State-space architecture of the partitioned-block-based acoustic echo
controller", 2014).

**The rest.** A loudspeaker that bends loud sounds, and clocks that drift, leave a rest of the echo. How large it is
beside the echo is learned in each band as a high quantile of what is seen; what rises above it is not the
loudspeaker's. How far it rises, averaged over the bands, is the `evidence` of somebody near; and each band is
turned down as far as it can be explained by the rest.

**The delay.** The stream's times tell it within some tens of milliseconds; a wireless loudspeaker may add hundreds
nobody tells of. So the loudness of the bands is compared over `LAGS` blocks, and the filter is moved by whole
blocks when the echo lies outside it.

**The leap.** A device that drops a block moves the echo by 20 ms, and all that was learned is wrong at once: to the
filter it looks like a person. But it is the loudspeaker, found at another delay than before (`astray`).

Pure numpy, 16 kHz, frames of 10 ms; about 0.2 ms per frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono, full scale 1."""
Spectrum = NDArray[np.complex64]

RATE_HZ = 16_000
FRAME = 160
"""Samples of a frame: 10 ms."""

PARTITIONS = 20
"""How long an echo the filter can hold, in frames: 50 ms of uncertain delay, and 150 ms of room."""
EARLY = 3
"""Frames of the filter left before an echo whose delay was measured."""
LAGS = 64
"""How late an echo may come, in frames."""

COMPARED = 2048
"""Samples of the microphone, 128 ms, that are looked for in what was played."""
LEAP = 16
"""Samples by which an echo that is as expected does not move."""
ALIKE, MORE_ALIKE = 0.45, 1.5
"""The least correlation of an echo that leapt, and how much more of it there is than at the delay expected: over an
echo that stays a person's pitch now and then makes another delay look better, but not by so much, nor twice."""

MEMORY = 0.995
"""How much of the path stays from frame to frame: drifting clocks want it lower, the depth of cancelling higher."""
UNCERTAINTY = 0.01
"""Of the path at first."""
SMOOTHING = 0.8
CONSTRAINED_EVERY = 4

BAND_EDGES = np.unique(np.round(np.geomspace(4, 140, 19)).astype(int))
"""Of bands from 200 Hz to 7 kHz, in steps of 50 Hz."""
_WIDTHS = np.diff(BAND_EDGES).astype(np.float32)
_BAND_OF_BIN = np.clip(np.searchsorted(BAND_EDGES, np.arange(FRAME + 1), side="right") - 1, 0, _WIDTHS.size - 1)
_WINDOW = np.sqrt(0.5 - 0.5 * np.cos(np.pi * np.arange(2 * FRAME) / FRAME)).astype(np.float32)

FLOOR = np.float32(FRAME * 10**-7.5)
"""The power of a band at −75 dB: below it nothing is told from nothing."""
QUANTILE = 0.9
STEP_DB = 1.0
"""How fast the learned rest follows; a tenth of it while somebody near is heard."""
NEAR_DB = 4.0
"""Evidence that is hardly ever reached by the loudspeaker alone."""
MARGIN_DB = 3.0
"""How much louder than usual the rest is taken for, where it is turned down."""
LEAST_GAIN = 0.003
"""Low: a detector of voices hears speech in what is left of it, however quiet."""
ROOM_DECAY = np.float32(0.7)
"""Of an echo beyond the filter, per frame."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a frame without the echo."""

    samples: Samples
    """The frame before this one, without the loudspeaker: the overlap costs 10 ms."""
    evidence_db: float
    """How far this frame rises above what the loudspeaker explains, 0 to 20."""
    echo_power: float
    """The mean square of what the filter took away of this frame."""
    left_power: float
    """The mean square of what it left."""


class EchoPath:
    """One microphone and one loudspeaker."""

    def __init__(self) -> None:
        shape = (PARTITIONS, FRAME + 1)
        self._weights = np.zeros(shape, np.complex64)
        self._variance = np.full(shape, UNCERTAINTY, np.float32)
        self._blocks = np.zeros((LAGS + PARTITIONS, FRAME + 1), np.complex64)
        """The spectra of what was played, the latest first."""
        self._last_far = np.zeros(FRAME, np.float32)
        self._other = np.full(FRAME + 1, 1e-6 * FRAME, np.float32)
        """The power of everything else in the room."""
        self._delay = _Delay()
        self._lag = 0
        self._silent_frames = LAGS + PARTITIONS
        """How long nothing has been played."""
        self._turn = self._surprises = 0
        self._recent_near = np.zeros(COMPARED, np.float32)
        self._recent_far = np.zeros(COMPARED + (LAGS + PARTITIONS) * FRAME, np.float32)
        self._gentle = _Suppressor()

    @property
    def lag_frames(self) -> int:
        """Where the filter begins: how many frames after it was played an echo is looked for."""
        return self._lag

    @property
    def likeness(self) -> float:
        """How alike the ups and downs of microphone and loudspeaker are, at the best delay; 1: the same."""
        return self._delay.likeness

    def feed(self, near: Samples, far: Samples) -> Rest:
        """Take a frame of the microphone and the frame that was played at that time."""
        self._blocks[1:] = self._blocks[:-1]
        self._blocks[0] = _spectrum(np.concatenate([self._last_far, far]))
        self._last_far = far
        self._recent_near = np.concatenate([self._recent_near[FRAME:], near])
        self._recent_far = np.concatenate([self._recent_far[FRAME:], far])
        self._silent_frames = 0 if far.any() else self._silent_frames + 1
        if self._silent_frames >= LAGS + PARTITIONS:
            return Rest(self._gentle.pass_on(near), 0.0, 0.0, mean_square(near))
        self._move(self._delay.feed(near, self._blocks[0]))
        heard = self._blocks[self._lag : self._lag + PARTITIONS]
        echo = _frames(np.einsum("ij,ij->j", heard, self._weights))[FRAME:]
        rest = near - echo
        self._learn(heard, rest)
        samples, evidence_db = self._gentle.feed(rest, echo)
        return Rest(samples, evidence_db, mean_square(echo), mean_square(rest))

    def astray(self) -> bool:
        """Tell whether what the microphone hears is the loudspeaker after all, at another delay; seen twice."""
        near, far = _sharpened(self._recent_near), _sharpened(self._recent_far)
        size = 1 << (far.size + near.size - 1).bit_length()
        products = np.fft.irfft(np.fft.rfft(far, size) * np.conj(np.fft.rfft(near, size)), size)
        sums = np.concatenate([[0.0], np.cumsum(np.square(far, dtype=np.float64))])
        places = far.size - near.size + 1
        powers = sums[near.size :] - sums[: -near.size]
        likeness = np.abs(products[:places]) / np.sqrt(float(near @ near) * powers + 1e-9)
        found = int(likeness.argmax())
        expected = places - 1 - self._expected()
        there = float(likeness[max(0, expected - LEAP) : expected + LEAP + 1].max(initial=0.0))
        self._surprises += 1
        if likeness[found] < max(ALIKE, MORE_ALIKE * there):
            self._surprises = 0
        return self._surprises >= 2

    def forget_place(self) -> None:
        """Keep nothing for sure: the echo comes at another time."""
        self._surprises = 0
        self._variance[:] = UNCERTAINTY
        self._weights[:] = 0.0
        self._gentle.forget()

    def _expected(self) -> int:
        """Return the delay of the strongest sound of the path, in samples."""
        filters = _frames(self._weights)[:, :FRAME]
        return self._lag * FRAME + int(np.abs(filters).argmax())

    def _learn(self, heard: Spectrum, rest: Samples) -> None:
        error = _spectrum(np.concatenate([np.zeros(FRAME, np.float32), rest]))
        self._other = np.float32(SMOOTHING) * self._other + np.float32(1 - SMOOTHING) * _power(error)
        power = _power(heard)
        step = self._variance / (0.5 * np.einsum("ij,ij->j", power, self._variance) + self._other + 1e-8)
        self._weights += step * np.conj(heard) * error
        self._constrain()
        kept = MEMORY**2 * (1 - 0.5 * step * power) * self._variance
        self._variance = np.maximum(kept + (1 - MEMORY**2) * _power(self._weights), 1e-12)

    def _constrain(self) -> None:
        """Keep the filters to one block each: the other half is what wraps around. Some at a time are enough."""
        self._turn = (self._turn + 1) % CONSTRAINED_EVERY
        some = self._weights[self._turn :: CONSTRAINED_EVERY]
        filters = _frames(some)
        filters[:, FRAME:] = 0.0
        self._weights[self._turn :: CONSTRAINED_EVERY] = _spectrum(filters)

    def _move(self, delay: int | None) -> None:
        """Let the filter begin elsewhere if the echo lies outside it, or at its very end."""
        if delay is None or self._lag <= delay <= self._lag + PARTITIONS // 2:
            return
        lag = max(0, delay - EARLY)
        by, self._lag = lag - self._lag, lag
        self._weights = _shifted(self._weights, by, np.complex64(0))
        self._variance = _shifted(self._variance, by, np.float32(UNCERTAINTY))


T = TypeVar("T", np.float32, np.complex64)


def _shifted(partitions: NDArray[T], by: int, fill: T) -> NDArray[T]:
    shifted = np.roll(partitions, -by, axis=0)
    shifted[slice(-by, None) if by > 0 else slice(None, -by)] = fill
    return shifted


class _Delay:
    """Finds by how many frames the microphone follows the loudspeaker, by the ups and downs of their bands."""

    MEMORY = np.float32(0.995)
    SURE = 0.25
    """The least correlation that counts."""
    STEADY_FRAMES = 25
    """How long one delay must have been the best."""

    def __init__(self) -> None:
        bands = _WIDTHS.size
        self._far = np.zeros((LAGS, bands), np.float32)
        self._means = np.full((2, bands), -75.0, np.float32)
        self._products = np.zeros(LAGS, np.float32)
        self._near_power = np.float32(1e-6)
        self._far_power = np.full(LAGS, 1e-6, np.float32)
        self._last_near = np.zeros(FRAME, np.float32)
        self._best = (-1, 0)
        self.likeness = 0.0

    def feed(self, near: Samples, far_spectrum: Spectrum) -> int | None:
        """Return the delay in frames once it is clear."""
        near_spectrum = _spectrum(np.concatenate([self._last_near, near]))
        self._last_near = near
        levels = np.stack([_levels_db(near_spectrum), _levels_db(far_spectrum)])
        self._means += np.float32(0.01) * (levels - self._means)
        near_up, far_up = levels - self._means
        self._far[1:] = self._far[:-1]
        self._far[0] = far_up
        self._products = self.MEMORY * self._products + self._far @ near_up
        self._near_power = self.MEMORY * self._near_power + near_up @ near_up
        self._far_power = self.MEMORY * self._far_power + np.einsum("ij,ij->i", self._far, self._far)
        return self._judge()

    def _judge(self) -> int | None:
        likeness = self._products / np.sqrt(self._near_power * self._far_power)
        best = int(likeness.argmax())
        self.likeness = float(likeness[best])
        lasting = self._best[1] + 1 if best == self._best[0] else 0
        self._best = (best, lasting)
        return best if lasting >= self.STEADY_FRAMES and likeness[best] >= self.SURE else None


class _Suppressor:
    """Knows how much of an echo usually stays in each band, and turns down what this explains."""

    def __init__(self) -> None:
        bands = _WIDTHS.size
        self._left_db = np.full(bands, -6.0, np.float32)
        """The rest beside the echo, a high quantile: at first as if little was cancelled."""
        self._echo = np.zeros(bands, np.float32)
        self._last = np.zeros((2, FRAME), np.float32)
        self._tail = np.zeros(FRAME, np.float32)

    def forget(self) -> None:
        """Take it that little is cancelled."""
        self._left_db[:] = -6.0

    def feed(self, rest: Samples, echo: Samples) -> tuple[Samples, float]:
        """Return the frame before, cleaned, and the evidence of this one."""
        spectrum = _spectrum(_WINDOW * np.concatenate([self._last[0], rest]))
        played = _spectrum(_WINDOW * np.concatenate([self._last[1], echo]))
        self._last = np.stack([rest, echo])
        seen = _band_power(spectrum)
        self._echo = np.maximum(_band_power(played), ROOM_DECAY * self._echo)
        above_db = 10 * np.log10((seen + 1e-12) / (self._echo * 10 ** (self._left_db / 10) + FLOOR))
        evidence_db = float(np.clip(above_db, 0.0, 20.0).mean())
        self._learn(seen, slowly=evidence_db >= NEAR_DB)
        gain = np.clip(1 - 10 ** ((MARGIN_DB - above_db) / 10), LEAST_GAIN, 1.0).astype(np.float32)
        gain[self._echo < FLOOR] = 1.0  # nothing was played: nothing to take away
        sound = _WINDOW * _frames(spectrum * gain[_BAND_OF_BIN])
        cleaned, self._tail = sound[:FRAME] + self._tail, sound[FRAME:]
        return cleaned.astype(np.float32), evidence_db

    def pass_on(self, frame: Samples) -> Samples:
        """Take a frame without any echo; return the one before."""
        squared = np.square(_WINDOW)
        cleaned: Samples = self._tail + squared[:FRAME] * self._last[0]
        self._tail = squared[FRAME:] * frame
        self._last = np.stack([frame, np.zeros(FRAME, np.float32)])
        self._echo[:] = 0.0
        return cleaned

    def _learn(self, seen: Samples, *, slowly: bool) -> None:
        left_db = 10 * np.log10((seen + 1e-12) / (self._echo + FLOOR))
        step = np.where(left_db > self._left_db, QUANTILE, QUANTILE - 1) * (STEP_DB * (0.1 if slowly else 1.0))
        follows = self._echo > 10 * FLOOR
        self._left_db = np.where(follows, np.clip(self._left_db + step, -30.0, 3.0), self._left_db).astype(
            np.float32
        )


def _band_power(spectrum: Spectrum) -> Samples:
    return np.asarray(np.add.reduceat(_power(spectrum)[: BAND_EDGES[-1]], BAND_EDGES[:-1]) / _WIDTHS, np.float32)


def _levels_db(spectrum: Spectrum) -> Samples:
    return np.asarray(10 * np.log10(_band_power(spectrum) + FLOOR), np.float32)


def _power(spectrum: Spectrum) -> Samples:
    return np.asarray(np.square(spectrum.real) + np.square(spectrum.imag), np.float32)


def _spectrum(frames: Samples) -> Spectrum:
    return np.asarray(np.fft.rfft(frames), np.complex64)


def _frames(spectrum: Spectrum) -> Samples:
    return np.asarray(np.fft.irfft(spectrum), np.float32)


def mean_square(frame: Samples) -> float:
    """Return the power of a frame."""
    return float(frame @ frame) / frame.size


def _sharpened(sound: Samples) -> Samples:
    """Return a sound without what makes it alike to itself a little later."""
    return sound[1:] - np.float32(0.9) * sound[:-1]
