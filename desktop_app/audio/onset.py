"""Onset: somebody begins to speak while the assistant does; or coughs.

A voice detector looks at the microphone without the loudspeaker (`echo.py`). `Onset` turns what it hears into three
orders to the player: **duck**, be quiet at once, on the first suspicion; then **commit**, it is speech, give way
to it, or **resume** at full level, it was a cough or a click. Ducking is cheap and may be wrong now and then,
giving way is not: so a suspicion needs one frame, and a commitment 200 ms of speech.

Words that begin with a hiss ("seven", "four") are no voice for up to 200 ms, so a sound that is much louder than
the loudspeaker explains is suspected too; each time in vain it takes longer to be suspected again, for the sake of
music.

Two detectors look at the same sound, half a frame apart, since each only answers every 32 ms.

Pure; a frame is 10 ms. The detector is the local server's, handed in behind `VoiceActivity`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol

import numpy as np

from desktop_app.audio.echo import Cleaned
from desktop_app.audio.echo_path import FRAME, Samples

FRAME_MS = 10

SUSPECT = 0.4
"""How likely speech must be for a suspicion."""
STILL = 0.25
"""Below this it has stopped."""
COMMIT_MS = 200
"""How much speech makes an interruption."""
GIVE_UP_MS = 200
"""After so long without speech it was something else."""
LONGEST_MS = 800
"""Of a suspicion that never becomes speech."""
REST_MS = 300
"""The pause after which a voice that began to speak is over."""
DOUBT_MS, LONGEST_DOUBT_MS = 3_000, 60_000
"""For how long loudness alone is no suspicion after one in vain; doubled each time."""
NEAR_FRAMES = 10
"""How long before the detector answers a frame must have been heard that is not the loudspeaker's."""


class VoiceActivity(Protocol):
    """A detector of voices with a memory of its stream."""

    frame_samples: int

    def probability(self, frame: Samples) -> float:
        """Return how likely the next `frame_samples` at 16 kHz are speech, 0 to 1."""
        ...

    def reset(self) -> None:
        """Forget the stream so far."""
        ...


class Order(Enum):
    """What the player is to do."""

    DUCK = "duck"
    COMMIT = "commit"
    RESUME = "resume"


class VoiceFinder:
    """Says after each frame how likely somebody near speaks, by two detectors that take turns."""

    def __init__(self, make: Callable[[], VoiceActivity]) -> None:
        self._detectors = (make(), make())
        size = self._detectors[0].frame_samples
        self._waiting = [np.zeros(0, np.float32), np.zeros(size // 2, np.float32)]
        self._probability = 0.0
        self._near = deque[bool](maxlen=NEAR_FRAMES)

    def feed(self, frame: Cleaned) -> float:
        """Take a frame; return the latest probability, 0 if nobody but the loudspeaker was heard."""
        self._near.append(frame.near)
        for index, detector in enumerate(self._detectors):
            waiting = np.concatenate([self._waiting[index], frame.gentle])
            while waiting.size >= detector.frame_samples:
                whole, waiting = waiting[: detector.frame_samples], waiting[detector.frame_samples :]
                self._probability = detector.probability(whole)
            self._waiting[index] = waiting
        return self._probability if any(self._near) else 0.0


class _State(Enum):
    QUIET = "quiet"
    SUSPECTED = "suspected"
    SPEAKING = "speaking"


class Onset:
    """When to duck, to give way, to go on."""

    def __init__(self) -> None:
        self._state = _State.QUIET
        self._suspected_ms = self._speech_ms = self._silence_ms = 0
        self._doubt_ms = DOUBT_MS
        self._doubting_ms = 0

    @property
    def ducked(self) -> bool:
        """Whether the player is quiet on suspicion."""
        return self._state is _State.SUSPECTED

    def feed(self, probability: float, *, playing: bool, loud: bool = False) -> Order | None:
        """Take the next 10 ms: how likely somebody speaks, and whether the assistant does.

        `loud`: more is heard than the loudspeaker explains, whatever it is.
        """
        self._doubting_ms = max(0, self._doubting_ms - FRAME_MS)
        match self._state:
            case _State.QUIET:
                suspicious = probability >= SUSPECT or (loud and not self._doubting_ms)
                return self._suspect() if playing and suspicious else None
            case _State.SUSPECTED:
                return self._decide(probability, loud=loud)
            case _State.SPEAKING:
                self._silence_ms = 0 if probability >= STILL else self._silence_ms + FRAME_MS
                if self._silence_ms >= REST_MS:
                    self._state = _State.QUIET
                return None

    def interrupted(self) -> None:
        """The assistant was interrupted by somebody else's decision (the server's, a key's): nothing to resume."""
        if self._state is _State.SUSPECTED:
            self._state, self._silence_ms = _State.SPEAKING, 0

    def _suspect(self) -> Order:
        self._state = _State.SUSPECTED
        self._suspected_ms = self._silence_ms = 0
        self._speech_ms = 0
        return Order.DUCK

    def _decide(self, probability: float, *, loud: bool) -> Order | None:
        self._suspected_ms += FRAME_MS
        if probability >= SUSPECT:
            self._speech_ms += FRAME_MS
        self._silence_ms = 0 if probability >= STILL or loud else self._silence_ms + FRAME_MS
        if self._speech_ms >= COMMIT_MS:
            self._state, self._silence_ms = _State.SPEAKING, 0
            self._doubt_ms = DOUBT_MS
            return Order.COMMIT
        if self._silence_ms >= GIVE_UP_MS or self._suspected_ms >= LONGEST_MS:
            self._state = _State.QUIET
            self._doubting_ms = self._doubt_ms
            self._doubt_ms = min(2 * self._doubt_ms, LONGEST_DOUBT_MS)
            return Order.RESUME
        return None


assert FRAME == FRAME_MS * 16
