"""Hibari: text to speech that computes a sentence in 20 ms on one core, with five voices from one network.

The network returns pitch and spectral envelope apart. Scaling the pitch and stretching the envelope (a longer or
shorter throat) before the sound is put together gives speakers that are clearly different: heart is the voice it
was trained for, june, max, otto and pip are derived.

Every clause comes with 0.3 s of silence before and 0.5 s after it; the first is cut off, so that the answer is
heard sooner, the second is cut to the pause that belongs there. The noise in the sound comes from a generator
with a fixed seed: the same text gives the same samples.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from hibari import Hibari, dsp
from numpy.typing import NDArray

from desktop_app.local_server.engines import SPEECH_RATE_HZ, Voice
from desktop_app.local_server.engines.speakable import Clause, Clauses

CHUNK_BYTES = SPEECH_RATE_HZ * 2
"""A second of PCM16."""
GAIN = 1.8
"""Brings the network's -28 dBFS to the level of other assistants; louder moments are turned down."""
PEAK = 0.97
SLOWEST, FASTEST = 0.5, 2.0
LEAD_S = 0.04
SENTENCE_PAUSE_S = 0.3
CLAUSE_PAUSE_S = 0.12
UNREADABLE = Clause("I can only read English aloud.")

_BINS = dsp.N_FFT // 2 + 1
_BEYOND = -6.0
"""What the envelope falls by, in nepers, where a shortened one has nothing."""

_Spectrum = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Timbre:
    """How a voice differs from the one of the network."""

    voice: Voice
    pitch: float = 1.0
    """Factor on the pitch."""
    envelope: float = 1.0
    """Factor on the frequencies of the formants."""
    speed: float = 1.0


_TIMBRES = (
    _Timbre(Voice("heart", "warm and bright, the original voice")),
    _Timbre(Voice("june", "calm and a little lower"), pitch=0.86, envelope=0.96, speed=0.95),
    _Timbre(Voice("max", "a man's voice, even"), pitch=0.60, envelope=0.87),
    _Timbre(Voice("otto", "a deep man's voice, slow"), pitch=0.50, envelope=0.82, speed=0.95),
    _Timbre(Voice("pip", "high and lively"), pitch=1.22, envelope=1.10, speed=1.05),
)


class HibariSpeech:
    """A `TextToSpeech` for English."""

    def __init__(self) -> None:
        """Load the network and its dictionaries (0.6 s)."""
        self._hibari = Hibari(threads=1)
        self._timbres = {timbre.voice.name: timbre for timbre in _TIMBRES}
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="hibari")

    @classmethod
    async def load(cls) -> Self:
        """Load everything a first sentence needs, in another thread."""
        return await asyncio.to_thread(cls._loaded)

    @classmethod
    def _loaded(cls) -> Self:
        speech = cls()
        # an unknown word loads the network that guesses pronunciations
        speech.synthesise(Clause("Warm up, zyxquil."), _TIMBRES[1], 1.0, np.random.default_rng(0))
        return speech

    def close(self) -> None:
        """Give the thread back."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    @property
    def voices(self) -> Sequence[Voice]:
        """The voices, the default one first."""
        return [timbre.voice for timbre in _TIMBRES]

    async def speak(
        self, text: AsyncIterator[str], *, voice: str = "heart", speed: float = 1.0
    ) -> AsyncIterator[bytes]:
        """Speak text that is still being written; an unknown voice is the default one.

        Yields PCM16 at 24 kHz, at most a second at a time: first the first clause, then sentence by sentence.
        """
        timbre = self._timbres.get(voice, _TIMBRES[0])
        noise = np.random.default_rng(0)
        loop = asyncio.get_running_loop()
        async with aclosing(_clauses(text)) as clauses:
            async for clause in clauses:
                pcm = await loop.run_in_executor(self._executor, self.synthesise, clause, timbre, speed, noise)
                for start in range(0, len(pcm), CHUNK_BYTES):
                    yield pcm[start : start + CHUNK_BYTES]

    def synthesise(self, clause: Clause, timbre: _Timbre, speed: float, noise: np.random.Generator) -> bytes:
        """Return one clause as PCM16 (blocks for about 10 ms per second of sound)."""
        pace = np.clip(speed * timbre.speed, SLOWEST, FASTEST)
        phonemes = self._hibari.phonemize(clause.text)
        parts = [self._sound(self._hibari.ids(part), timbre, pace, noise) for part in phonemes]
        if not parts:
            return b""
        pause_s = SENTENCE_PAUSE_S if clause.ends_sentence else CLAUSE_PAUSE_S
        sound = np.concatenate([_trimmed(part, pause_s / pace) for part in parts]) * GAIN
        sound *= PEAK / max(PEAK, float(np.abs(sound).max(initial=0.0)))
        return (sound * 32767).astype("<i2").tobytes()

    def _sound(
        self, ids: list[int], timbre: _Timbre, pace: float, noise: np.random.Generator
    ) -> NDArray[np.float32]:
        inputs = {"ids": np.array([ids], np.int64), "speed": np.array([pace], np.float32)}
        harmonic, theta, noisy, free, phase, pitch_hz = (out[0] for out in self._hibari.sess.run(None, inputs))
        if timbre.envelope != 1.0:
            harmonic, noisy, free = (_stretched(level, timbre.envelope) for level in (harmonic, noisy, free))
            nearest = np.minimum((np.arange(_BINS) / timbre.envelope).astype(int), _BINS - 1)
            theta, phase = theta[nearest], phase[nearest]
        pitch_hz = (pitch_hz * timbre.pitch).astype(np.float32)
        sound: NDArray[np.float32] = dsp.synth(harmonic, theta, noisy, free, phase, pitch_hz, noise)
        return sound


async def _clauses(text: AsyncIterator[str]) -> AsyncGenerator[Clause, None]:
    clauses = Clauses()
    async for piece in text:
        for clause in clauses.feed(piece):
            yield clause
    for clause in clauses.end():
        yield clause
    if clauses.unreadable:
        yield UNREADABLE


def _stretched(level: _Spectrum, factor: float) -> _Spectrum:
    """Move a log envelope [bins, frames] along the frequency axis by `factor`."""
    source = np.arange(_BINS) / factor
    low = np.minimum(source.astype(int), _BINS - 1)
    high = np.minimum(low + 1, _BINS - 1)
    share = (source - np.floor(source)).astype(np.float32)[:, None]
    beyond = np.where(source > _BINS - 1, np.float32(_BEYOND), np.float32(0.0))[:, None]
    moved: Any = level[low] * (1 - share) + level[high] * share + beyond
    return np.ascontiguousarray(moved, np.float32)


def _trimmed(sound: NDArray[np.float32], pause_s: float) -> NDArray[np.float32]:
    """Cut the silence around a clause: a breath is left before it, `pause_s` after it."""
    level = np.abs(sound)
    audible = np.flatnonzero(level > max(0.002, 0.01 * float(level.max(initial=0.0))))
    if not audible.size:
        return sound[:0]
    start = max(0, int(audible[0]) - int(LEAD_S * SPEECH_RATE_HZ))
    return sound[start : int(audible[-1]) + int(pause_s * SPEECH_RATE_HZ)]
