"""What is heard in a room besides speech, synthesised: coughs, a keyboard, music, clicks.

None of it is recorded: free recordings of them were not at hand. The cough has the three phases of a real one
(burst, breath, a short voiced end), the keyboard the two knocks of a key with the ring of its case, the music
chords with overtones, a tune with vibrato, and drums. At the wire's 24 kHz, at the level asked for.
"""

from __future__ import annotations

import numpy as np

from tests.audio.rooms import RATE_HZ, Sound, convolved, level_to


def coloured(count: int, generator: np.random.Generator, *, low_hz: float, high_hz: float) -> Sound:
    """Return noise of a band, with soft edges."""
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    shape = 1 / (1 + (low_hz / np.maximum(hz, 1)) ** 4) / (1 + (hz / high_hz) ** 4)
    return np.asarray(np.fft.irfft(np.fft.rfft(generator.standard_normal(count)) * shape, count), np.float64)


def cough(seed: int, *, level_db: float = -24.0) -> Sound:
    """Return one cough, 250 to 450 ms long."""
    generator = np.random.default_rng(seed)
    burst, breath = (round(RATE_HZ * generator.uniform(*limits)) for limits in ((0.04, 0.08), (0.12, 0.2)))
    voiced = round(RATE_HZ * generator.uniform(0.06, 0.15))
    first = coloured(burst, generator, low_hz=300, high_hz=6000) * np.linspace(1, 0.4, burst)
    second = coloured(breath, generator, low_hz=500, high_hz=3500) * np.linspace(0.4, 0.15, breath)
    seconds = np.arange(voiced) / RATE_HZ
    pitch = generator.uniform(180, 350) * (1 - 0.4 * seconds / seconds[-1])
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    third = sum(np.sin(phase * k) / k for k in range(1, 12)) * np.linspace(0.2, 0, voiced)
    return level_to(np.concatenate([first, second, np.asarray(third)]), level_db)


def keyboard(seconds: float, seed: int, *, level_db: float = -35.0) -> Sound:
    """Return somebody typing."""
    generator = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RATE_HZ))
    case = coloured(2400, generator, low_hz=900, high_hz=5000) * np.exp(-np.arange(2400) / 250)
    at = 0.1
    while at < seconds - 0.3:
        for offset, strength in ((0.0, 1.0), (generator.uniform(0.05, 0.11), 0.5)):
            start = round((at + offset) * RATE_HZ)
            knock = generator.standard_normal(96) * np.exp(-np.arange(96) / 20)
            sound[start : start + 96] += knock * strength * generator.uniform(0.5, 1.0)
        at += generator.uniform(0.09, 0.3)
    return level_to(convolved(sound, case), level_db)


def clicks(seconds: float, seed: int, *, level_db: float = -25.0) -> Sound:
    """Return a mouse, a pen, a cup put down."""
    generator = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RATE_HZ))
    for at in np.arange(0.2, seconds - 0.3, 0.7):
        start, length = round((at + generator.uniform(0, 0.3)) * RATE_HZ), int(generator.integers(100, 1500))
        hit = generator.standard_normal(length) * np.exp(-np.arange(length) / (length / 5))
        sound[start : start + length] += hit
    return level_to(sound, level_db)


def music(seconds: float, seed: int, *, level_db: float = -30.0) -> Sound:
    """Return a small band: chords, a tune, drums."""
    generator = np.random.default_rng(seed)
    count = round(seconds * RATE_HZ)
    sound = np.zeros(count)
    beat_s = 0.4
    for beat in range(int(seconds / beat_s)):
        start = round(beat * beat_s * RATE_HZ)
        length = min(round(beat_s * RATE_HZ), count - start)
        seconds_in = np.arange(length) / RATE_HZ
        decay = np.exp(-seconds_in * 4)
        root = 110 * 2 ** (generator.choice([0, 5, 7, 9]) / 12)
        for tone in (root, root * 1.26, root * 1.5):
            sound[start : start + length] += 0.3 * decay * _overtones(tone, seconds_in)
        tune = 440 * 2 ** (generator.choice([0, 2, 4, 7, 9, 12]) / 12)
        vibrato = tune * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * seconds_in))
        phase = 2 * np.pi * np.cumsum(vibrato) / RATE_HZ
        sound[start : start + length] += (
            0.5 * (np.sin(phase) + 0.4 * np.sin(2 * phase)) * np.minimum(1, seconds_in * 30)
        )
        drum = generator.standard_normal(length) * np.exp(-seconds_in * 60)
        sound[start : start + length] += drum * (0.8 if beat % 2 else 0.4)
    return level_to(sound, level_db)


def _overtones(tone_hz: float, seconds: Sound) -> Sound:
    return np.asarray(sum(np.sin(2 * np.pi * tone_hz * k * seconds) / k**1.5 for k in range(1, 7)), np.float64)
