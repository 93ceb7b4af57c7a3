"""Where in a known sound a recording of it is: what began, what ended, what is missing or repeated in between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.harness.sound import RATE_HZ

WINDOW = RATE_HZ // 25
"""40 ms of noise are unlike any other of it."""
ALIKE = 0.5
LOUD = 500


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the sound."""

    begin_ms: float
    end_ms: float
    lost_ms: float
    """How much longer the part of the sound is than the part of the recording; repeated: less than 0."""


def located(recorded: NDArray[np.int16], sound: bytes) -> Place | None:
    """Return from where to where a recording holds the sound; None: nothing of it is heard."""
    loud = np.flatnonzero(np.abs(recorded.astype(np.int32)) > LOUD)
    if not loud.size:
        return None
    first, last = int(loud[0]), int(loud[-1]) + 1
    begin = position(recorded[first : first + WINDOW], sound)
    end = position(recorded[max(first, last - WINDOW) : last], sound)
    if begin is None or end is None:
        return None
    end += min(WINDOW, last - first)
    lost = (end - begin) - (last - first)
    return Place(begin * 1000 / RATE_HZ, end * 1000 / RATE_HZ, lost * 1000 / RATE_HZ)


def position(piece: NDArray[np.int16], sound: bytes) -> int | None:
    """Return at which sample of the sound a piece of it begins; None: it is nothing of it."""
    whole, wanted = np.frombuffer(sound, np.int16).astype(float), piece.astype(float)
    size = 1 << (len(whole) + len(wanted)).bit_length()
    product = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(wanted, size))
    at = int(np.argmax(np.fft.irfft(product, size)[: len(whole) - len(wanted) + 1]))
    likeness = float(np.corrcoef(whole[at : at + len(wanted)], wanted)[0, 1])
    return at if likeness >= ALIKE else None
