"""How soon the offline assistant answers: the whole local server, as its own process, over its own socket.

Questions are spoken in real time into the socket, by five voices of ours (whose questions it can answer) and by
people (who read aloud, so it says what it says to a statement). The end of speech is the end of the last 32 ms
that the voice detector takes for speech. Figures, by mode:

    vad_first_audio_ms     hands free, silence window as given: end of speech → first audio delta
    ptt_first_audio_ms     push to talk, released 200 ms after the last word: commit → first audio delta
    …_transcript_ms        the same → the final transcript
    first_words_ms         beginning of speech → first words of the draft
    ready_ms, loaded_ms    start of the process → it listens, → every engine is there
    understood_percent     of the words of our own voices
    rss_mb                 resident, at the end

    python3 packaging/dev.py bench turn [-- --rounds 2 --silence 500]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
import wave
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import soxr
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from desktop_app.local_server.engines import RECOGNITION_RATE_HZ
from desktop_app.local_server.engines.hibari import HibariSpeech
from desktop_app.local_server.engines.silero import SileroVoiceActivity
from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import decode_server_event, encode
from desktop_app.protocol.session_config import (
    AudioConfig,
    AudioInput,
    ServerVad,
    SessionConfig,
    Transcription,
)

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / "tests" / "data" / "speech"
TARGET = ROOT / "build" / "bench" / "turn.json"
RATE_HZ = 24_000
BLOCK_MS = 20
PEOPLE = ("cards-002", "go-forward", "go-somewhere", "austen-0880")
QUESTIONS = (
    "What time is it?",
    "What is seventeen times four?",
    "How many miles are ten kilometres?",
    "What day is it today?",
    "Good morning, how are you?",
    "What can you do?",
    "Set a timer for five minutes.",
    "I had a long day at work.",
)
RELEASE_MS = 200


@dataclass(slots=True)
class Clip:
    """Something said."""

    name: str
    pcm: NDArray[np.int16]
    text: str = ""
    """What is said, where we know."""
    begin_ms: float = field(init=False)
    end_ms: float = field(init=False)

    def __post_init__(self) -> None:
        detector = SileroVoiceActivity()
        size = detector.frame_samples
        sound = soxr.resample(self.pcm.astype(np.float32) / 32768, RATE_HZ, RECOGNITION_RATE_HZ)
        frames = (sound[start : start + size] for start in range(0, sound.size - size + 1, size))
        speech = [index for index, frame in enumerate(frames) if detector.probability(frame) >= 0.5]
        frame_ms = size * 1000 / RECOGNITION_RATE_HZ
        self.begin_ms, self.end_ms = speech[0] * frame_ms, (speech[-1] + 1) * frame_ms


@asynccontextmanager
async def server(figures: dict[str, list[float]]) -> AsyncIterator[tuple[str, str, int]]:
    """Start the local server, wait until it has loaded; yield address, token, process id."""
    with tempfile.TemporaryDirectory() as profile:
        command = [sys.executable, str(ROOT / "main.py"), "--serve-local", "--profile", profile]
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command, stdin=-1, stdout=-1, env={**os.environ, "PARLEY_LOCAL_TOKEN": "bench"}
        )
        assert process.stdout is not None
        assert process.stdin is not None
        url, loaded = "", 0
        try:
            while loaded < 2:
                line = json.loads(await process.stdout.readline())
                if line["event"] == "ready":
                    url = line["url"]
                    figures["ready_ms"].append((time.monotonic() - began) * 1000)
                elif line["event"] == "loaded":
                    loaded += 1
                    figures["loaded_ms"] = [(time.monotonic() - began) * 1000]
                elif line["event"] == "notice":
                    raise SystemExit(f"{line['text']} {line.get('hint', '')}")
            yield url, "bench", process.pid
        finally:
            process.stdin.close()
            await process.wait()


async def turn(url: str, token: str, clip: Clip, silence_ms: int | None, figures: dict[str, list[float]]) -> str:
    """Speak a clip, note the figures, return what was understood; `silence_ms` None: push to talk."""
    mode = "ptt" if silence_ms is None else "vad"
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(
        f"{url}?model=parley-offline", additional_headers=headers, max_size=None, compression=None
    ) as socket:
        detection = None if silence_ms is None else ServerVad(silence_duration_ms=silence_ms)
        transcription = Transcription(model="whisper-base", language="en")
        audio = AudioConfig(input=AudioInput(turn_detection=detection, transcription=transcription))
        await socket.send(encode(wire.SessionUpdate(session=SessionConfig(audio=audio))))
        times: dict[str, float] = {}
        heard: list[str] = []
        listening = asyncio.ensure_future(_listen(socket, times, heard))
        spoken = asyncio.ensure_future(_speak(socket, clip, times, push_to_talk=silence_ms is None))
        await asyncio.wait_for(listening, 60)
        spoken.cancel()
        start = times["commit"] if silence_ms is None else times["begin"] + clip.end_ms / 1000
        figures[f"{mode}_first_audio_ms"].append((times["audio"] - start) * 1000)
        figures[f"{mode}_transcript_ms"].append((times["transcript"] - start) * 1000)
        if "words" in times:
            figures["first_words_ms"].append((times["words"] - times["begin"]) * 1000 - clip.begin_ms)
        return " ".join(heard)


async def _speak(socket: ClientConnection, clip: Clip, times: dict[str, float], *, push_to_talk: bool) -> None:
    noise = np.random.default_rng(1).normal(0, 8, RATE_HZ * 6)
    stop_ms = clip.end_ms + RELEASE_MS if push_to_talk else clip.end_ms + 5000
    sound = np.zeros(int(stop_ms * RATE_HZ / 1000))
    sound[: min(sound.size, clip.pcm.size)] = clip.pcm[: sound.size]
    sound += np.resize(noise, sound.size)
    pcm = sound.clip(-32768, 32767).astype("<i2").tobytes()
    step = BLOCK_MS * 48
    times["begin"] = time.monotonic()
    for index, start in enumerate(range(0, len(pcm), step)):
        await asyncio.sleep(max(0.0, times["begin"] + (index + 1) * BLOCK_MS / 1000 - time.monotonic()))
        await socket.send(encode(wire.InputAudioBufferAppend(audio=pcm[start : start + step])))
    if push_to_talk:
        times["commit"] = time.monotonic()
        await socket.send(encode(wire.InputAudioBufferCommit()))
        await socket.send(encode(wire.ResponseCreate()))


async def _listen(socket: ClientConnection, times: dict[str, float], heard: list[str]) -> None:
    async for frame in socket:
        event = decode_server_event(frame)
        now = time.monotonic()
        match event:
            case wire.InputAudioTranscriptionDelta() if "commit" not in times and "stopped" not in times:
                times.setdefault("words", now)
            case wire.InputAudioBufferSpeechStopped():
                times["stopped"] = now
            case wire.InputAudioTranscriptionCompleted():
                times["transcript"] = now
                heard.append(event.transcript)
            case wire.ResponseOutputAudioDelta():
                times.setdefault("audio", now)
            case wire.ResponseDone():
                assert event.response.status == "completed", event.response
                return
            case wire.Error():
                raise SystemExit(event.error.message_text)


async def clips() -> list[Clip]:
    """Return the questions of our voices, and what people say."""
    speech = await HibariSpeech.load()
    made = []

    async def words(text: str) -> AsyncIterator[str]:
        yield text

    for index, text in enumerate(QUESTIONS):
        voice = speech.voices[index % len(speech.voices)].name
        pcm = b"".join([chunk async for chunk in speech.speak(words(text), voice=voice)])
        made.append(Clip(text, np.frombuffer(pcm, "<i2").copy(), text))
    speech.close()
    return made + [Clip(name, _read(CLIPS / f"{name}.wav")) for name in PEOPLE]


def _read(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as opened:
        rate_hz = opened.getframerate()
        samples = np.frombuffer(opened.readframes(opened.getnframes()), "<i2").astype(np.float32)
    resampled: NDArray[np.float32] = soxr.resample(samples, rate_hz, RATE_HZ)
    return resampled.clip(-32768, 32767).astype(np.int16)


def _known(said: str, understood: str) -> tuple[int, int]:
    """Return how many words of what was said were understood, and how many there were."""
    words = re.findall(r"[a-z']+", said.lower())
    got = re.findall(r"[a-z0-9']+", understood.lower())
    figures = {"seventeen": "17", "four": "4", "ten": "10", "five": "5", "kilometres": "kilometers"}
    return sum(word in got or figures.get(word, "-") in got for word in words), len(words)


async def _main(options: argparse.Namespace) -> int:
    figures: dict[str, list[float]] = defaultdict(list)
    known = total = 0
    said = await clips()
    async with server(figures) as (url, token, pid):
        for _ in range(options.rounds):
            for clip in said:
                for silence_ms in (options.silence, None):
                    understood = await turn(url, token, clip, silence_ms, figures)
                    if clip.text:
                        good, words = _known(clip.text, understood)
                        known, total = known + good, total + words
                    if options.verbose:
                        mode = "ptt" if silence_ms is None else "vad"
                        took_ms = figures[f"{mode}_first_audio_ms"][-1]
                        print(f"{mode} {took_ms:5.0f} ms  {clip.name:36} {understood}", file=sys.stderr)
        figures["rss_mb"] = [psutil.Process(pid).memory_info().rss / 1e6]
    figures["understood_percent"] = [100 * known / total]
    rows = [
        {
            "program": "parley",
            "scenario": f"silence {options.silence} ms",
            "figure": name,
            "n": len(values),
            "median": round(statistics.median(values), 1),
            "min": round(min(values), 1),
            "max": round(max(values), 1),
        }
        for name, values in sorted(figures.items())
    ]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    for row in rows:
        print(f"{row['figure']:24} n={row['n']:<3} {row['median']:8} ({row['min']} to {row['max']})")
    return 0


def main() -> int:
    """Measure, print, and write `build/bench/turn.json`."""
    parser = argparse.ArgumentParser(prog="bench turn", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--silence", type=int, default=500, metavar="MS", help="silence_duration_ms (500)")
    parser.add_argument("--verbose", action="store_true", help="print what was understood")
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
