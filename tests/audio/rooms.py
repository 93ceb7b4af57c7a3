"""Simulated rooms: what a microphone hears of a loudspeaker beside it, and of a person before it.

The loudspeaker of a laptop is small: it passes no bass and bends loud sounds softly. Its sound reaches the
microphone directly and by the walls, `delay_ms` after it was handed to the device, by a clock that may run
otherwise than the microphone's. The person speaks in the same room, from farther away. A little noise is always
there.

Everything is mono, at the wire's 24 kHz, float64 with full scale 1; seeds are fixed, so a scene is always the same.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from desktop_app.audio.pcm import WIRE

Sound = NDArray[np.float64]

RATE_HZ = WIRE.rate_hz
PEOPLE = Path(__file__).resolve().parents[1] / "data" / "speech"
NOISE_DB = -70.0
"""Of the microphone and a quiet room, below full scale."""


@dataclass(frozen=True, slots=True)
class Room:
    """A room by how long it sounds on."""

    name: str
    echo_ms: int
    """Until the sound of a clap has fallen by 60 dB."""
    seed: int

    def response(self, *, distance: float = 0.0) -> Sound:
        """Return an impulse response of unit energy: the direct sound, some reflections, the dense rest.

        `distance`, 0 to 1: how much of it comes by the walls: little from the loudspeaker, more from a person.
        """
        generator = np.random.default_rng(self.seed + round(100 * distance))
        length = self.echo_ms * RATE_HZ // 1000
        decay = 10 ** (-3 * np.arange(length) / length)
        response = generator.standard_normal(length) * decay * (0.1 + 0.15 * distance)
        response[: length // 50] = 0.0
        for at in generator.integers(length // 50, length // 4, 8):
            response[at] += generator.choice((-1, 1)) * 0.4 * decay[at]
        response[0] = 1.0
        return unit(response)


ROOMS = (Room("car", 40, seed=3), Room("study", 110, seed=5), Room("kitchen", 200, seed=7))


@dataclass(frozen=True, slots=True)
class Scene:
    """One recording of the microphone and what it consists of, all of one length."""

    far: Sound
    """What was handed to the loudspeaker."""
    echo: Sound
    """What the microphone hears of it."""
    near: Sound
    """What it hears of the person."""
    noise: Sound

    @property
    def microphone(self) -> Sound:
        """What it records."""
        return np.clip(self.echo + self.near + self.noise, -1.0, 1.0)


def scene(
    room: Room,
    far: Sound,
    near: Sound | None = None,
    *,
    delay_ms: float = 60.0,
    drift_ppm: float = 100.0,
    echo_db: float = -26.0,
    bend: float = 1.5,
    noise_db: float = NOISE_DB,
) -> Scene:
    """Let a microphone record a loudspeaker, and a person who says `near` (at the level it shall have there).

    `echo_db`: the level of the echo at the microphone below full scale, where there is any. `bend`: 0 for a
    loudspeaker without distortion, 1.5 for one driven near its limit.
    """
    loud = loudspeaker(far, bend=bend)
    echo = convolved(loud, room.response())
    if drift_ppm:
        echo = drifted(echo, drift_ppm)
    echo = level_to(delayed(echo, delay_ms), echo_db)
    said = np.zeros(far.size) if near is None else level_like(convolved(near, room.response(distance=1.0)), near)
    noise = np.random.default_rng(room.seed).standard_normal(far.size) * 10 ** (noise_db / 20)
    return Scene(far, echo, said, noise)


def loudspeaker(sound: Sound, *, bend: float = 1.5) -> Sound:
    """Return what a small loudspeaker makes of a sound: no bass, and loud parts bent softly."""
    spectrum = np.fft.rfft(sound, n=2 * sound.size)
    hz = np.fft.rfftfreq(2 * sound.size, 1 / RATE_HZ)
    small = np.fft.irfft(spectrum * (hz**2 / (hz**2 + 180.0**2)), 2 * sound.size)[: sound.size]
    return np.asarray(np.tanh(small * bend) / bend if bend else small, np.float64)


def convolved(sound: Sound, response: Sound) -> Sound:
    """Return a sound in a room, cut to its own length."""
    size = 1 << (sound.size + response.size - 1).bit_length()
    return np.asarray(
        np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: sound.size], np.float64
    )


def delayed(sound: Sound, delay_ms: float) -> Sound:
    """Return a sound that comes later, cut to its own length."""
    return np.concatenate([np.zeros(round(delay_ms * RATE_HZ / 1000)), sound])[: sound.size]


def drifted(sound: Sound, ppm: float) -> Sound:
    """Return a sound as a clock records it that runs slower by so many millionths, at its own length."""
    slow = np.asarray(soxr.resample(sound, RATE_HZ, RATE_HZ * (1 + ppm * 1e-6), quality="HQ"), np.float64)
    return np.concatenate([slow, np.zeros(max(0, sound.size - slow.size))])[: sound.size]


# --- levels -------------------------------------------------------------------------------------


def power(sound: Sound) -> float:
    """Return the mean square."""
    return float(np.mean(np.square(sound))) if sound.size else 0.0


def decibels(value: float) -> float:
    """Return a power in decibels, of full scale if it is one of samples."""
    return float(10 * np.log10(max(value, 1e-12)))


def loudness_db(sound: Sound) -> float:
    """Return the level of the parts that sound, as people mean it who speak of how loud somebody is."""
    blocks = np.square(sound[: sound.size // 240 * 240]).reshape(-1, 240).mean(axis=1)
    sounding = blocks[blocks > blocks.max(initial=0.0) * 1e-3]
    return decibels(float(sounding.mean())) if sounding.size else -120.0


def level_to(sound: Sound, level_db: float) -> Sound:
    """Return a sound brought to a level; silence stays silence."""
    return sound * 10 ** ((level_db - loudness_db(sound)) / 20) if sound.any() else sound


def level_like(sound: Sound, other: Sound) -> Sound:
    """Return a sound as loud as another."""
    return level_to(sound, loudness_db(other)) if other.any() else sound


def unit(response: Sound) -> Sound:
    """Return a response that leaves the power of a sound as it is."""
    return np.asarray(response / np.sqrt(np.square(response).sum()), np.float64)


# --- people -------------------------------------------------------------------------------------


def spoken_words() -> dict[str, str]:
    """Return the names of the recordings of people, with what they say."""
    lines = (PEOPLE / "transcripts.tsv").read_text("utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line)


@cache
def person(name: str) -> Sound:
    """Return a recording of a person."""
    with wave.open(str(PEOPLE / f"{name}.wav"), "rb") as stream:
        samples = np.frombuffer(stream.readframes(stream.getnframes()), "<i2") / 32768
        return np.asarray(soxr.resample(samples, stream.getframerate(), RATE_HZ), np.float64)


def one_after_another(sounds: list[Sound], *, seconds: float, pause_s: float = 0.3) -> Sound:
    """Return speech of the given length: the sounds at one level, over and over, with pauses between."""
    pause, parts, size, index = np.zeros(round(pause_s * RATE_HZ)), list[Sound](), 0, 0
    wanted = round(seconds * RATE_HZ)
    while size < wanted:
        parts += [level_to(sounds[index % len(sounds)], -20.0), pause]
        size += parts[-2].size + pause.size
        index += 1
    return np.clip(np.concatenate(parts)[:wanted], -1.0, 1.0)


def pcm16(sound: Sound) -> bytes:
    """Return PCM16 of the wire."""
    return np.rint(np.clip(sound, -1.0, 32767 / 32768) * 32768).astype("<i2").tobytes()


def sound_of(pcm: bytes) -> Sound:
    """Return what PCM16 of the wire holds."""
    return np.frombuffer(pcm, "<i2") / 32768
