"""Makes the state sounds in `resources/sounds`: run it after a change here.

Each is one or two soft notes, a pure tone with one overtone and slow edges: short, quiet, without a click, and
nothing that a detector of voices takes for speech (`tests/test_cues.py` asks one).
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 24_000
PEAK_DB = -24.0
"""Of full scale: speech peaks at −6 to −12."""
FOLDER = Path(__file__).resolve().parent.parent / "resources" / "sounds"

Samples = NDArray[np.float64]
NOTES: dict[str, tuple[tuple[float, int], ...]] = {
    "listening": ((659.3, 60), (880.0, 80)),
    "sent": ((880.0, 70),),
    "error": ((740.0, 70), (523.3, 70), (740.0, 70)),
    "muted": ((880.0, 60), (587.3, 90)),
    "unmuted": ((587.3, 60), (880.0, 90)),
}
"""Hertz and milliseconds: up means that one is heard, down that one is not."""


def note(hertz: float, ms: int) -> Samples:
    """Return one note, 0 at both ends."""
    count = RATE_HZ * ms // 1000
    time = np.arange(count) / RATE_HZ
    tone = np.sin(2 * np.pi * hertz * time) + 0.15 * np.sin(4 * np.pi * hertz * time)
    rise = np.minimum(1.0, np.arange(count) / (RATE_HZ * 0.008))
    fall = np.linspace(1.0, 0.0, count) ** 1.5
    return np.asarray(tone * np.sin(rise * np.pi / 2) * fall)


def cue(notes: tuple[tuple[float, int], ...]) -> bytes:
    """Return a cue as PCM16."""
    whole = np.concatenate([note(hertz, ms) for hertz, ms in notes])
    scaled = whole / np.abs(whole).max() * 10 ** (PEAK_DB / 20)
    return bytes(np.rint(scaled * 32767).astype("<i2").tobytes())


def main() -> int:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, notes in NOTES.items():
        with wave.open(str(FOLDER / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(cue(notes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
