"""How loud a microphone is, and what is wrong with what it gives. Pure, numpy.

A meter is read less often than blocks come, so it tells the loudest block since it was read last: nothing is
missed between two looks. A check goes over a whole talk: nothing but zeros (a muted device, or a system that gives
programs silence), nothing but the noise of the room, or samples that do not fit (too loud).
"""

from __future__ import annotations

import math
from enum import Enum

import numpy as np

from desktop_app.audio.pcm import BLOCK_MS, level

ENOUGH_MS = 1_000
"""So long nothing but zeros is no accident."""
WORDS_MS = 1_500
"""In so long a talk something should have been said."""
NOISE_DB = -55.0
"""A talk in which no block is louder than this is the noise of a room: quiet speech is above −45."""
FULL = 32_700
"""A sample as large as this was cut, or will be in a moment."""
CUT_SAMPLES = 3
"""So many of them in a block are cut peaks; a single one is chance."""
CUT_BLOCKS = 8
"""So many such blocks are heard as distortion."""


def rms_db(pcm: bytes) -> float:
    """Return how loud PCM16 is, in decibels of full scale; −96 for silence."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.float32)
    if not samples.size:
        return -96.0
    rms = math.sqrt(float(np.mean(samples * samples))) / 32768
    return max(-96.0, 20 * math.log10(max(rms, 1e-9)))


class Meter:
    """How loud it was since the last look."""

    def __init__(self) -> None:
        self._loudest = 0.0

    def feed(self, pcm: bytes) -> None:
        """Take the next block, PCM16."""
        self._loudest = max(self._loudest, level(pcm))

    def read(self) -> float:
        """Return the loudest block since the last look: 0 (−60 dB and below, or none) to 1, evenly in decibels."""
        loudest, self._loudest = self._loudest, 0.0
        return loudest


class Fault(Enum):
    """What can be wrong with what a microphone gives."""

    ZEROS = "zeros"
    """Nothing but zeros: not even noise."""
    NOISE = "noise"
    """Nothing but noise: whoever spoke was not heard."""
    TOO_LOUD = "too loud"
    """The peaks are cut."""


class Check:
    """What is wrong with a talk, from its beginning to now. Blocks are 20 ms of PCM16."""

    def __init__(self) -> None:
        self.ms = 0
        """How long it is."""
        self.loudest_db = -96.0
        """The loudest block."""
        self._sounds = False
        self._cut_blocks = 0

    def feed(self, pcm: bytes) -> None:
        """Take the next block."""
        self.ms += BLOCK_MS
        if not any(pcm):
            return
        self._sounds = True
        self.loudest_db = max(self.loudest_db, rms_db(pcm))
        samples = np.abs(np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.int32))
        self._cut_blocks += int(np.count_nonzero(samples >= FULL) >= CUT_SAMPLES)

    @property
    def silent(self) -> bool:
        """Whether there was nothing but zeros, for long enough to say so."""
        return not self._sounds and self.ms >= ENOUGH_MS

    @property
    def too_loud(self) -> bool:
        """Whether it is distorted."""
        return self._cut_blocks >= CUT_BLOCKS

    @property
    def fault(self) -> Fault | None:
        """What is wrong with it as a talk in which somebody meant to be heard."""
        if self.silent:
            return Fault.ZEROS
        if self.too_loud:
            return Fault.TOO_LOUD
        if self.ms >= WORDS_MS and self.loudest_db < NOISE_DB:
            return Fault.NOISE
        return None
