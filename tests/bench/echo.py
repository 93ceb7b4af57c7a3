"""Does the program hear a person and not itself? The canceller and the onset in simulated rooms.

Three rooms (tests/audio/rooms.py), a loudspeaker bent softly, clocks 100 ppm apart; the assistant speaks with its
own voices, people are the recordings of tests/data/speech; coughs, keyboard, clicks and music are synthesised
(tests/audio/noises.py). The echo is as loud as the person at the microphone, or 6 dB louder.

erle            by how much the assistant's voice falls, first 2 s and after 5 s, with and without noise suppression
barge in        how late after a person's first sound playback is ducked, and given way to, in sound's time: what
                the devices add (20 to 60 ms) is not in it; the share that is noticed within 150 ms; the share of
                those who were not noticed at all
itself          ducks and interruptions in ten minutes of loud assistant speech without anybody else
disturbances    ducks and interruptions by coughs, keyboard, clicks, music while the assistant speaks, per minute
words           word errors of Whisper on people who interrupt, playback ending 250 ms after they begin: without any
                echo, the raw microphone, AEC3 alone, what we send
cpu             milliseconds of a core per second of sound: canceller, detectors

    python3 packaging/dev.py bench echo [-- --minutes 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from desktop_app.audio.echo import EchoCanceller, WebRtc
from desktop_app.audio.echo_path import FRAME, Samples
from desktop_app.audio.onset import Onset, Order, VoiceFinder
from desktop_app.local_server.engines import RECOGNITION_RATE_HZ
from desktop_app.local_server.engines.hibari import HibariSpeech
from desktop_app.local_server.engines.silero import SileroVoiceActivity
from desktop_app.local_server.engines.whisper import Whisper
from desktop_app.local_server.models import Weights
from tests.audio import noises, rooms
from tests.audio.rooms import RATE_HZ, ROOMS, Room, Scene, Sound, scene
from tests.bench.speech import SENTENCES, WEIGHTS, Clip, say, word_errors

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "build" / "bench" / "echo.json"

PERSON_DB = -26.0
ECHOES_DB = (-26.0, -20.0)
WARM_S = 7.0
"""How long the assistant has spoken before anybody interrupts it."""
NOTICED_S = 0.15
GIVEN_UP_S = 1.5
TOO_LONG = ("two-cities", "kennedy")


# --- what was measured --------------------------------------------------------------------------


@dataclass(slots=True)
class Figures:
    """Rows in the form of the other benches."""

    rows: list[dict[str, str | int | float | None]] = field(default_factory=list)

    def add(self, scenario: str, figure: str, values: Sequence[float], goal: float | None = None) -> None:
        """Note the values of one figure and print them."""
        ordered = sorted(values)
        row: dict[str, str | int | float | None] = {
            "program": "parley",
            "scenario": scenario,
            "figure": figure,
            "n": len(ordered),
            "median": statistics.median(ordered),
            "min": ordered[0],
            "max": ordered[-1],
            "goal": goal,
        }
        self.rows.append(row)
        print(
            f"{scenario:26} {figure:26} n {len(ordered):>3}  median {row['median']:>8.2f}  min {ordered[0]:>8.2f}"
            f"  max {ordered[-1]:>8.2f}" + (f"  goal {goal:g}" if goal is not None else ""),
            flush=True,
        )


@dataclass(slots=True)
class Heard:
    """What came of a scene."""

    microphone: Samples
    sent: Samples
    orders: list[tuple[float, Order]]
    cancelling_s: float
    detecting_s: float

    def times(self, order: Order) -> list[float]:
        """Return when this was ordered, in seconds."""
        return [at for at, given in self.orders if given is order]

    def erle_db(self, from_s: float, to_s: float) -> float:
        """Return by how much the sound fell in a stretch of time."""
        return level_db(self.microphone, from_s, to_s) - level_db(self.sent, from_s, to_s)


def level_db(samples: Samples, from_s: float, to_s: float) -> float:
    """Return the level of a stretch."""
    part = samples[round(from_s * RECOGNITION_RATE_HZ) : round(to_s * RECOGNITION_RATE_HZ)]
    return rooms.decibels(rooms.power(part.astype(np.float64)))


def hear(made: Scene, *, noise: bool = True) -> Heard:
    """Listen to a scene as the program does."""
    canceller, finder, onset = EchoCanceller(noise=noise), VoiceFinder(SileroVoiceActivity), Onset()
    near, far = at_16_khz(made.microphone), at_16_khz(made.far)
    sent, orders, probability, cancelling_s, detecting_s = list[Samples](), [], 0.0, 0.0, 0.0
    for at in range(0, near.size - FRAME + 1, FRAME):
        begun = time.thread_time()
        frame = canceller.feed(near[at : at + FRAME], far[at : at + FRAME], voice=probability >= 0.4)
        cancelled = time.thread_time()
        probability = finder.feed(frame)
        order = onset.feed(probability, playing=frame.playing, loud=frame.loud)
        detecting_s += time.thread_time() - cancelled
        cancelling_s += cancelled - begun
        sent.append(frame.samples)
        if order is not None:
            orders.append(((at + FRAME) / RECOGNITION_RATE_HZ, order))
    seconds = near.size / RECOGNITION_RATE_HZ
    return Heard(near, np.concatenate(sent), orders, cancelling_s / seconds, detecting_s / seconds)


def at_16_khz(sound: Sound) -> Samples:
    """Return a sound at the canceller's rate."""
    return np.asarray(soxr.resample(sound, RATE_HZ, RECOGNITION_RATE_HZ), np.float32)


# --- who speaks ---------------------------------------------------------------------------------


async def assistant(seconds: float) -> Sound:
    """Return the assistant speaking, with all its voices."""
    speech = HibariSpeech()
    voices = [voice.name for voice in speech.voices]
    said = []
    for index, text in enumerate(SENTENCES):
        sound, _ = await say(speech, text, voices[index % len(voices)])
        said.append(np.asarray(sound, np.float64))
    return rooms.one_after_another(said, seconds=seconds)


def begins_s(sound: Sound) -> float:
    """Return when somebody begins to speak: the first 50 ms within 15 dB of their level."""
    blocks = np.square(sound[: sound.size // 240 * 240]).reshape(-1, 240).mean(axis=1)
    loud = 10 * np.log10(blocks + 1e-12) > rooms.loudness_db(sound) - 15
    return next(index for index in range(loud.size) if loud[index] and loud[index : index + 6].sum() >= 5) / 100


def turned(far: Sound, index: int, size: int) -> Sound:
    """Return so much of the assistant, from elsewhere each time."""
    return np.resize(np.roll(far, -index * 2 * RATE_HZ), size)


def cases() -> list[tuple[Room, float]]:
    """Return every room with every loudness of the echo."""
    return [(room, echo_db) for room in ROOMS for echo_db in ECHOES_DB]


def interruption(index: int, name: str, far: Sound, room: Room, echo_db: float, *, stops: bool) -> Scene:
    """Return a scene in which a person interrupts; `stops`: the assistant falls silent 250 ms later."""
    said = rooms.level_to(rooms.person(name), PERSON_DB)
    near = np.concatenate([np.zeros(round(WARM_S * RATE_HZ)), said, np.zeros(RATE_HZ // 2)])
    played = turned(far, index, near.size)
    if stops:
        played[round((WARM_S + begins_s(said) + 0.25) * RATE_HZ) :] = 0.0
    return scene(room, played, near, echo_db=echo_db)


# --- measuring ----------------------------------------------------------------------------------


def measure_erle(far: Sound, figures: Figures) -> None:
    """Measure how silent the assistant becomes."""
    for noise in (False, True):
        first, later = [], []
        for room, echo_db in cases():
            heard = hear(scene(room, turned(far, 0, 20 * RATE_HZ), echo_db=echo_db), noise=noise)
            first.append(heard.erle_db(0, 2))
            later.append(heard.erle_db(5, 20))
        scenario = "erle, noise suppressed" if noise else "erle"
        figures.add(scenario, "first_2_s_db", first, goal=20)
        figures.add(scenario, "after_5_s_db", later, goal=30)


def measure_interruptions(far: Sound, figures: Figures) -> None:
    """Measure how soon people are noticed."""
    ducked, given_way, noticed, missed = [], [], [], []
    for index, name in enumerate(rooms.spoken_words()):
        if name in TOO_LONG:
            continue
        begun_s = WARM_S + begins_s(rooms.person(name))
        for room, echo_db in cases():
            heard = hear(interruption(index, name, far, room, echo_db, stops=False))
            duck = [at for at in heard.times(Order.DUCK) if WARM_S <= at < begun_s + GIVEN_UP_S]
            commit = [at for at in heard.times(Order.COMMIT) if WARM_S <= at < begun_s + GIVEN_UP_S]
            noticed.append(100.0 * bool(duck and duck[0] - begun_s <= NOTICED_S))
            missed.append(100.0 * (not commit))
            ducked += [1000 * (at - begun_s) for at in duck[:1]]
            given_way += [1000 * (at - begun_s) for at in commit[:1]]
    figures.add("barge in", "onset_to_duck_ms", ducked, goal=40)
    figures.add("barge in", "onset_to_commit_ms", given_way)
    figures.add("barge in", "within_150_ms_percent", [statistics.fmean(noticed)], goal=95)
    figures.add("barge in", "missed_percent", [statistics.fmean(missed)], goal=0)


def measure_itself(far: Sound, minutes: float, figures: Figures) -> None:
    """Measure how often the assistant takes itself for a person; half of it very loud."""
    ducks, commits, cancelling, detecting = 0, 0, [], []
    each_s = minutes * 60 / len(cases())
    for index, (room, echo_db) in enumerate(cases()):
        heard = hear(scene(room, turned(far, index, round(each_s * RATE_HZ)), echo_db=echo_db + 4))
        ducks += len(heard.times(Order.DUCK))
        commits += len(heard.times(Order.COMMIT))
        cancelling.append(1000 * heard.cancelling_s)
        detecting.append(1000 * heard.detecting_s)
    scenario = f"itself, {minutes:g} min"
    figures.add(scenario, "ducks", [ducks])
    figures.add(scenario, "interruptions", [commits], goal=0)
    figures.add("cpu", "canceller_ms_per_s", cancelling)
    figures.add("cpu", "detectors_ms_per_s", detecting)


def measure_disturbances(far: Sound, figures: Figures) -> None:
    """Measure what noises do."""

    def coughs(seed: int) -> Sound:
        pause = np.zeros(2 * RATE_HZ)
        return np.concatenate([part for n in range(10) for part in (noises.cough(10 * seed + n), pause)])

    kinds: dict[str, Callable[[int], Sound]] = {
        "coughs": coughs,
        "keyboard": lambda seed: noises.keyboard(20, seed),
        "clicks": lambda seed: noises.clicks(20, seed),
        "music": lambda seed: noises.music(20, seed),
    }
    for name, kind in kinds.items():
        ducks, commits = [], []
        for seed, room in enumerate(ROOMS):
            noise = kind(seed)
            near = np.concatenate([np.zeros(round(WARM_S * RATE_HZ)), noise])
            heard = hear(scene(room, turned(far, seed, near.size), near))
            minutes = noise.size / RATE_HZ / 60
            ducks.append(sum(at > WARM_S for at in heard.times(Order.DUCK)) / minutes)
            commits.append(sum(at > WARM_S for at in heard.times(Order.COMMIT)) / minutes)
        scenario = name + (", 27 per min" if name == "coughs" else "")
        figures.add(scenario, "ducks_per_minute", ducks)
        figures.add(scenario, "interruptions_per_minute", commits)


async def measure_words(far: Sound, whisper: Whisper, figures: Figures) -> None:
    """Measure how well people are understood who interrupt."""
    references, ways = list[str](), ("without echo", "raw microphone", "AEC3 alone", "what we send")
    heard: dict[str, list[str]] = {way: [] for way in ways}
    texts = rooms.spoken_words()
    for turn, (room, echo_db) in enumerate(cases()):
        for index, name in enumerate(texts):
            if name in TOO_LONG or index % 2 != turn % 2:
                continue
            made = interruption(index, name, far, room, echo_db, stops=True)
            sounds = (made.near, made.microphone)
            forms = [*(at_16_khz(sound) for sound in sounds), aec3_alone(made), hear(made, noise=False).sent]
            references.append(texts[name])
            for way, form in zip(ways, forms, strict=True):
                clip = Clip(name, texts[name], form[round((WARM_S - 0.3) * RECOGNITION_RATE_HZ) :])
                heard[way].append((await whisper.transcribe(clip.audio, language="en")).text)
    for way in ways:
        figures.add(f"words, {way}", "word_error_percent", [word_errors(references, heard[way])])


def aec3_alone(made: Scene) -> Samples:
    """Return what WebRTC's canceller makes of a scene by itself."""
    canceller, near, far = WebRtc(), at_16_khz(made.microphone), at_16_khz(made.far)
    frames = [
        canceller.process(near[at : at + FRAME], far[at : at + FRAME])
        for at in range(0, near.size - FRAME + 1, FRAME)
    ]
    return np.concatenate(frames)


async def measure(minutes: float) -> Figures:
    """Measure everything."""
    figures = Figures()
    far = await assistant(60)
    measure_erle(far, figures)
    measure_interruptions(far, figures)
    measure_itself(far, minutes, figures)
    measure_disturbances(far, figures)
    weights = Weights(WEIGHTS)
    whisper = await Whisper.load(await weights.fetch("whisper-base"), threads=1)
    try:
        await measure_words(far, whisper, figures)
    finally:
        whisper.close()
    return figures


def main(arguments: Sequence[str]) -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="echo", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=10, help="of the assistant speaking alone")
    options = parser.parse_args(arguments)
    figures = asyncio.run(measure(options.minutes))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(figures.rows, indent=1) + "\n", encoding="utf-8")
    print(f"written to {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
