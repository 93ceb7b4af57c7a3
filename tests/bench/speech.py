"""How well people are understood, how soon, and how intelligible the answer is.

word errors        Whisper against what is really spoken, after its usual normalising; tests/data/speech, in
                   quiet, and with pink noise 10 dB below the speech
latency            from "the recording is complete" to the text, as a final result and as a draft
first audio        from the text of an answer to the first PCM of it, and how long that PCM is silent
round trip         word errors of Whisper on our own five voices
false text         how many of 96 noises are taken for words
detector           time per frame, frames of noise taken for speech, how late speech is noticed

python3 packaging/dev.py bench speech [-- --clips DIR --threads 1]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
import wave
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soxr
from whisper_normalizer.english import EnglishTextNormalizer

from desktop_app.local_server.engines import RECOGNITION_RATE_HZ, SPEECH_RATE_HZ, Recognised, Samples
from desktop_app.local_server.engines.hibari import HibariSpeech
from desktop_app.local_server.engines.silero import FRAME_SAMPLES, SileroVoiceActivity
from desktop_app.local_server.engines.whisper import Whisper
from desktop_app.local_server.models import Weights

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / "tests" / "data" / "speech"
WEIGHTS = ROOT / "build" / "weights"
TARGET = ROOT / "build" / "bench" / "speech.json"

SENTENCES = (
    "What is the capital of France?",
    "Set a timer for twelve minutes, please.",
    "It is a quarter past nine in the morning.",
    "The weather will be sunny with a light breeze from the west.",
    "I have added milk, bread and apples to your list.",
    "Seventeen times four is sixty eight.",
    "Could you turn the volume down a little?",
    "Canberra is the capital of Australia, not Sydney.",
    "Your next meeting starts in half an hour.",
    "I am sorry, I cannot answer that without a network.",
    "A kilometre is about six tenths of a mile.",
    "The train leaves from platform three at ten thirty.",
    "Good morning! How did you sleep?",
    "Remind me tomorrow to call the dentist.",
    "There are three hundred and sixty five days in a year.",
    "Would you like to hear another story?",
)
"""What an assistant says and is asked."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Somebody saying something."""

    name: str
    text: str
    audio: Samples


@dataclass(slots=True)
class Figures:
    """What was measured, in the form of the other benches."""

    rows: list[dict[str, str | int | float]] = field(default_factory=list)

    def add(self, scenario: str, figure: str, values: Sequence[float]) -> float:
        """Note the values of one figure, print them, return their mean."""
        ordered = sorted(values)
        p90 = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
        row: dict[str, str | int | float] = {
            "program": "parley",
            "scenario": scenario,
            "figure": figure,
            "n": len(ordered),
            "median": statistics.median(ordered),
            "min": ordered[0],
            "max": ordered[-1],
            "mean": statistics.fmean(ordered),
            "p90": p90,
        }
        self.rows.append(row)
        print(
            f"{scenario:22} {figure:24} n {len(ordered):>4}  mean {row['mean']:>8.3f}  median {row['median']:>8.3f}"
            f"  p90 {p90:>8.3f}  max {ordered[-1]:>8.3f}"
        )
        return statistics.fmean(ordered)


# --- recordings and noises ----------------------------------------------------------------------


def load_clips(folder: Path = CLIPS) -> list[Clip]:
    """Read the recordings of a folder with a `transcripts.tsv`."""
    rows = [line.split("\t") for line in (folder / "transcripts.tsv").read_text("utf-8").splitlines() if line]
    return [Clip(name, text, read_wave(folder / f"{name}.wav")) for name, text in rows]


def read_wave(path: Path) -> Samples:
    """Read a recording of one channel and 16 bits at the rate of recognition."""
    with wave.open(str(path), "rb") as stream:
        assert (stream.getnchannels(), stream.getsampwidth()) == (1, 2), path
        samples = float32(np.frombuffer(stream.readframes(stream.getnframes()), "<i2") / 32768)
        rate_hz = stream.getframerate()
    return samples if rate_hz == RECOGNITION_RATE_HZ else resampled(samples, rate_hz)


def resampled(samples: Samples, rate_hz: int) -> Samples:
    """Bring samples to the rate of recognition."""
    return np.asarray(soxr.resample(samples, rate_hz, RECOGNITION_RATE_HZ), np.float32)


def float32(samples: Any) -> Samples:
    """Return samples in the form of recognition."""
    return np.asarray(samples, np.float32)


def pink(count: int, generator: np.random.Generator) -> Samples:
    """Return noise as of a room or a street, of level 1."""
    spectrum = np.fft.rfft(generator.standard_normal(count))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1)), count)
    return float32(noise / noise.std())


def noisy(audio: Samples, *, below_db: float, generator: np.random.Generator) -> Samples:
    """Return speech with pink noise `below_db` under it."""
    level = float(np.sqrt(np.square(audio).mean())) * 10 ** (-below_db / 20)
    return audio + pink(audio.size, generator) * level


def noises() -> list[tuple[str, Samples]]:
    """Return sounds nobody speaks in: of eight kinds, three levels and four lengths."""
    generator = np.random.default_rng(1)

    def white(count: int) -> Samples:
        return generator.standard_normal(count).astype(np.float32)

    def clicks(count: int) -> Samples:
        sound = np.zeros(count, np.float32)
        for start in generator.integers(0, count - 400, count // 4000):
            sound[start : start + 200] += white(200) * np.exp(-np.arange(200, dtype=np.float32) / 40)
        return sound * 4

    def tones(*parts: tuple[float, float]) -> Callable[[int], Samples]:
        def sound(count: int) -> Samples:
            seconds = np.arange(count) / RECOGNITION_RATE_HZ
            return float32(np.sum([a * np.sin(2 * np.pi * hz * seconds) for hz, a in parts], axis=0))

        return sound

    def breath(count: int) -> Samples:
        swell = np.clip(np.sin(np.pi * np.arange(count) / RECOGNITION_RATE_HZ), 0, 1)
        return float32(pink(count, generator) * swell)

    def cough(count: int) -> Samples:
        return float32(pink(count, generator) * np.exp(-(((np.arange(count) - count / 2) / 3000) ** 2)))

    kinds: dict[str, Callable[[int], Samples]] = {
        "white": white,
        "pink": lambda count: pink(count, generator),
        "clicks": clicks,
        "hum": tones((50, 1.0), (150, 0.5), (250, 0.2)),
        "chord": tones((220, 0.5), (277, 0.5), (330, 0.5), (440, 0.5)),
        "beep": tones((1000, 1.0)),
        "breath": breath,
        "cough": cough,
    }
    return [
        (f"{name} {level} {seconds} s", kind(int(seconds * RECOGNITION_RATE_HZ)) * np.float32(level))
        for name, kind in kinds.items()
        for level in (0.001, 0.01, 0.1)
        for seconds in (0.5, 1.5, 4.0, 9.0)
    ]


# --- measuring ----------------------------------------------------------------------------------


def word_errors(references: Sequence[str], heard: Sequence[str]) -> float:
    """Return the share of words that are wrong, in percent, after Whisper's normalising of English."""
    normal = EnglishTextNormalizer()
    return 100 * float(jiwer.wer([normal(text) for text in references], [normal(text) for text in heard]))


async def understand(
    whisper: Whisper, clips: Sequence[Clip], *, draft: bool = False
) -> tuple[list[Recognised], list[float]]:
    """Recognise every clip; return the results and the seconds each took."""
    results, seconds = [], []
    for clip in clips:
        begun = time.perf_counter()
        results.append(await whisper.transcribe(clip.audio, language="en", draft=draft))
        seconds.append(time.perf_counter() - begun)
    return results, seconds


async def say(speech: HibariSpeech, text: str, voice: str) -> tuple[Samples, float]:
    """Speak a text as it comes from a model; return the sound, and the seconds until its first chunk."""

    async def written() -> AsyncIterator[str]:
        for start in range(0, len(text), 4):
            yield text[start : start + 4]

    begun, first_s, pcm = time.perf_counter(), 0.0, bytearray()
    async for chunk in speech.speak(written(), voice=voice):
        first_s = first_s or time.perf_counter() - begun
        pcm += chunk
    return float32(np.frombuffer(bytes(pcm), "<i2") / 32768), first_s


async def measure_people(whisper: Whisper, clips: Sequence[Clip], figures: Figures) -> None:
    """Measure how well and how soon people are understood."""
    for draft, name in ((False, "people, final"), (True, "people, draft")):
        results, seconds = await understand(whisper, clips, draft=draft)
        short = [
            spent for spent, clip in zip(seconds, clips, strict=True) if clip.audio.size < 12 * RECOGNITION_RATE_HZ
        ]
        figures.add(name, "latency_s", short)
        figures.add(name, "word_error_percent", [word_errors([c.text for c in clips], [r.text for r in results])])
        if not draft:
            _show_errors(clips, results)
    generator = np.random.default_rng(2)
    loud = [Clip(c.name, c.text, noisy(c.audio, below_db=10, generator=generator)) for c in clips]
    results, seconds = await understand(whisper, loud)
    figures.add(
        "people, noise -10 dB",
        "word_error_percent",
        [word_errors([c.text for c in clips], [r.text for r in results])],
    )


def _show_errors(clips: Sequence[Clip], results: Sequence[Recognised]) -> None:
    normal = EnglishTextNormalizer()
    for clip, result in zip(clips, results, strict=True):
        if normal(clip.text) != normal(result.text):
            print(f"    {clip.name}: “{result.text}” for “{clip.text}”")


async def measure_voices(whisper: Whisper, speech: HibariSpeech, figures: Figures) -> None:
    """Measure how soon each voice speaks and how well it is understood."""
    for voice in speech.voices:
        clips, firsts, leads, factors = [], [], [], []
        for text in SENTENCES:
            begun = time.perf_counter()
            sound, first_s = await say(speech, text, voice.name)
            factors.append((time.perf_counter() - begun) / (sound.size / SPEECH_RATE_HZ))
            firsts.append(first_s)
            leads.append(float(np.flatnonzero(np.abs(sound) > 0.01)[0]) / SPEECH_RATE_HZ)
            clips.append(Clip(text, text, resampled(sound, SPEECH_RATE_HZ)))
        results, _ = await understand(whisper, clips)
        figures.add(f"voice {voice.name}", "first_audio_s", firsts)
        figures.add(f"voice {voice.name}", "silence_before_s", leads)
        figures.add(f"voice {voice.name}", "real_time_factor", factors)
        figures.add(
            f"voice {voice.name}", "word_error_percent", [word_errors(SENTENCES, [r.text for r in results])]
        )
        _show_errors(clips, results)


async def measure_noises(whisper: Whisper, figures: Figures) -> None:
    """Count the noises that are taken for words or for speech."""
    false_text, false_frames, frame_us = [], [], []
    for name, noise in noises():
        result = await whisper.transcribe(noise, language="en")
        false_text.append(100.0 * bool(result.text))
        if result.text:
            print(f"    {name}: {result}")
        detector = SileroVoiceActivity()
        for start in range(0, noise.size - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            begun = time.perf_counter()
            likely = detector.probability(noise[start : start + FRAME_SAMPLES])
            frame_us.append((time.perf_counter() - begun) * 1e6)
            false_frames.append(100.0 * (likely > 0.5))
    figures.add("noises", "false_text_percent", false_text)
    figures.add("noises", "false_speech_percent", false_frames)
    figures.add("detector", "frame_us", frame_us)


def measure_onset(clips: Sequence[Clip], figures: Figures) -> None:
    """Measure how late the detector notices that somebody speaks."""
    generator = np.random.default_rng(3)
    delays_ms = []
    for clip in clips:
        loud = np.abs(clip.audio) > 0.1 * np.abs(clip.audio).max()
        begun = RECOGNITION_RATE_HZ + int(np.flatnonzero(loud)[0])
        quiet = pink(RECOGNITION_RATE_HZ, generator) * np.float32(0.0005)
        audio, detector = np.concatenate([quiet, clip.audio]), SileroVoiceActivity()
        for start in range(0, audio.size - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            if detector.probability(audio[start : start + FRAME_SAMPLES]) > 0.5:
                delays_ms.append((start + FRAME_SAMPLES - begun) / RECOGNITION_RATE_HZ * 1000)
                break
    figures.add("detector", "onset_ms", delays_ms)


async def measure(clips: Sequence[Clip], *, threads: int) -> Figures:
    """Run everything; return the figures."""
    figures = Figures()
    begun = time.perf_counter()
    whisper = await Whisper.load(Weights(WEIGHTS).path("whisper-base"), threads=threads)
    figures.add("load", "whisper_s", [time.perf_counter() - begun])
    begun = time.perf_counter()
    speech = await HibariSpeech.load()
    figures.add("load", "hibari_s", [time.perf_counter() - begun])
    try:
        await measure_people(whisper, clips, figures)
        await measure_voices(whisper, speech, figures)
        await measure_noises(whisper, figures)
        measure_onset(clips, figures)
    finally:
        whisper.close()
        speech.close()
    return figures


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(prog="bench speech", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=Path, default=CLIPS, help="a folder of recordings with a transcripts.tsv")
    parser.add_argument("--threads", type=int, default=2, help="of the recognition (2)")
    options = parser.parse_args(arguments)
    figures = asyncio.run(measure(load_clips(options.clips), threads=options.threads))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(figures.rows, indent=1) + "\n", encoding="utf-8")
    print(f"written to {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
