"""Recognising speech: real people and our own voices, no words out of noise, the newest draft first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from desktop_app.errors import WeightsError
from desktop_app.local_server.engines import RECOGNITION_RATE_HZ, SPEECH_RATE_HZ
from desktop_app.local_server.engines.hibari import HibariSpeech
from desktop_app.local_server.engines.whisper import LogMel, Whisper, _pieces
from desktop_app.local_server.models import Weights
from tests.bench.speech import (
    SENTENCES,
    WEIGHTS,
    Clip,
    load_clips,
    noises,
    resampled,
    say,
    understand,
    word_errors,
)

FEW_NOISES = [sound for sound in noises() if sound[0].endswith(("1.5 s", "0.5 s"))][::2]


@pytest.fixture(scope="module")
def whisper() -> Iterator[Whisper]:
    """Load the weights once; they are fetched if they are not there."""
    weights = Weights(WEIGHTS)
    weights.fetch_now("whisper-base")
    loaded = asyncio.run(Whisper.load(weights.path("whisper-base")))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def speech() -> Iterator[HibariSpeech]:
    """Load our own voices once."""
    loaded = asyncio.run(HibariSpeech.load())
    yield loaded
    loaded.close()


# --- pure parts ---------------------------------------------------------------------------------


def test_the_spectrum_has_the_form_the_network_wants() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / RECOGNITION_RATE_HZ).astype(np.float32)
    spectrum = LogMel(80)(tone, 150)
    assert spectrum.shape == (80, 150)
    assert spectrum.dtype == np.float32
    assert spectrum.max() - spectrum.min() == pytest.approx(2.0)  # 80 dB
    assert (
        abs(int(spectrum[:, 50].argmax()) - 27) <= 1
    )  # Slaney's scale is linear up to 1 kHz, a third of the bands
    assert spectrum[:, 120].max() == spectrum.min()


def test_a_long_recording_is_cut_where_it_is_quiet() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 60 * RECOGNITION_RATE_HZ).astype(np.float32)
    quiet_at = 22 * RECOGNITION_RATE_HZ
    noise[quiet_at : quiet_at + RECOGNITION_RATE_HZ // 2] = 0
    pieces = list(_pieces(noise))
    assert sum(piece.size for piece in pieces) == noise.size
    assert all(piece.size <= 28 * RECOGNITION_RATE_HZ for piece in pieces)
    assert quiet_at < pieces[0].size < quiet_at + RECOGNITION_RATE_HZ // 2


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="speech recognition cannot be loaded"):
        Whisper(tmp_path)


# --- with the weights ---------------------------------------------------------------------------


@pytest.mark.weights
async def test_people_are_understood(whisper: Whisper) -> None:
    clips = load_clips()
    results, _ = await understand(whisper, clips)
    assert word_errors([clip.text for clip in clips], [result.text for result in results]) <= 8.0
    assert {result.language for result in results} == {"en"}
    assert all(result.no_speech < 0.5 and result.log_probability > -1.0 for result in results)


@pytest.mark.weights
async def test_people_are_understood_in_drafts(whisper: Whisper) -> None:
    clips = load_clips()
    results, _ = await understand(whisper, clips, draft=True)
    assert word_errors([clip.text for clip in clips], [result.text for result in results]) <= 8.0


@pytest.mark.weights
async def test_our_own_voices_are_understood(whisper: Whisper, speech: HibariSpeech) -> None:
    for voice in speech.voices:
        texts = SENTENCES[::2]
        sounds = [resampled((await say(speech, text, voice.name))[0], SPEECH_RATE_HZ) for text in texts]
        clips = [Clip(text, text, sound) for text, sound in zip(texts, sounds, strict=True)]
        results, _ = await understand(whisper, clips, draft=True)
        assert word_errors(texts, [result.text for result in results]) <= 5.0, voice.name


@pytest.mark.weights
async def test_noise_is_not_taken_for_words(whisper: Whisper) -> None:
    found = {name: (await whisper.transcribe(noise, language="en")).text for name, noise in FEW_NOISES}
    assert {name: text for name, text in found.items() if text} == {}


@pytest.mark.weights
@pytest.mark.parametrize("text", ["Thank you.", "Yes.", "No.", "Stop.", "Okay.", "Hello.", "Bye."])
async def test_a_single_word_is_not_taken_for_noise(whisper: Whisper, speech: HibariSpeech, text: str) -> None:
    sound, _ = await say(speech, text, "heart")
    result = await whisper.transcribe(resampled(sound, SPEECH_RATE_HZ), language="en")
    assert word_errors([text], [result.text]) == 0.0


@pytest.mark.weights
@pytest.mark.parametrize("seconds", [0.0, 0.05, 1.0, 40.0])
async def test_silence_of_any_length_has_no_text(whisper: Whisper, seconds: float) -> None:
    result = await whisper.transcribe(np.zeros(int(seconds * RECOGNITION_RATE_HZ), np.float32))
    assert result.text == ""
    assert result.no_speech == 1.0


@pytest.mark.weights
async def test_an_utterance_of_a_minute_is_understood_whole(whisper: Whisper) -> None:
    clips = load_clips()
    long = next(clip for clip in clips if clip.name == "two-cities")
    twice = np.concatenate([long.audio, np.zeros(8000, np.float32), long.audio])
    result = await whisper.transcribe(twice, language="en")
    assert word_errors([f"{long.text} {long.text}"], [result.text]) <= 8.0


@pytest.mark.weights
async def test_the_language_is_found_within_the_shortlist(whisper: Whisper) -> None:
    clip = next(clip for clip in load_clips() if clip.name == "kennedy")
    assert (await whisper.transcribe(clip.audio)).language == "en"
    german = Whisper(Weights(WEIGHTS).path("whisper-base"), languages=["de"])
    try:
        assert (await german.transcribe(clip.audio)).language == "de"
    finally:
        german.close()


@pytest.mark.weights
@pytest.mark.parametrize(("asked", "used"), [("xx", "en"), ("", "en"), ("en-GB", "en"), ("DE", "de")])
async def test_a_language_it_does_not_know_is_detected(whisper: Whisper, asked: str, used: str) -> None:
    clip = next(clip for clip in load_clips() if clip.name == "forever")
    assert (await whisper.transcribe(clip.audio, language=asked, draft=True)).language == used


@pytest.mark.weights
async def test_a_draft_that_waits_is_dropped_for_something_newer(whisper: Whisper) -> None:
    clip = next(clip for clip in load_clips() if clip.name == "forever")
    calls = [whisper.transcribe(clip.audio, language="en", draft=True) for _ in range(4)]
    calls.append(whisper.transcribe(clip.audio, language="en"))
    async with asyncio.timeout(30):
        results = await asyncio.gather(*calls)
    assert [bool(result.text) for result in results[1:]] == [False, False, False, True]


@pytest.mark.weights
async def test_who_cancels_gives_the_place_up(whisper: Whisper) -> None:
    clip = next(clip for clip in load_clips() if clip.name == "two-cities")
    tasks = [asyncio.create_task(whisper.transcribe(clip.audio, language="en")) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True)
    )
    async with asyncio.timeout(20):  # twenty would take a minute
        assert (await whisper.transcribe(clip.audio[: 4 * RECOGNITION_RATE_HZ], language="en", draft=True)).text
