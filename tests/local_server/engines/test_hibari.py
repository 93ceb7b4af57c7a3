"""Speaking: five voices, soon, cancellable, never at a loss. The network comes with its package."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from desktop_app.local_server.engines import SPEECH_RATE_HZ
from desktop_app.local_server.engines.hibari import CHUNK_BYTES, HibariSpeech

TEXT = "Good morning, dear friends. It is a quarter past nine, and the sun is shining."


@pytest.fixture(scope="module")
def speech() -> Iterator[HibariSpeech]:
    """Load the network once."""
    loaded = asyncio.run(HibariSpeech.load())
    yield loaded
    loaded.close()


async def written(*pieces: str) -> AsyncIterator[str]:
    """Yield a text as a model would."""
    for piece in pieces:
        yield piece


async def spoken(speech: HibariSpeech, *pieces: str, voice: str = "heart", speed: float = 1.0) -> bytes:
    """Return all that is said."""
    chunks = [chunk async for chunk in speech.speak(written(*pieces), voice=voice, speed=speed)]
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
    assert all(len(chunk) % 2 == 0 for chunk in chunks)
    return b"".join(chunks)


def pitch_hz(pcm: bytes) -> float:
    """Return the median pitch of the voiced parts, by autocorrelation."""
    sound = np.frombuffer(pcm, "<i2").astype(np.float64)
    found = []
    for start in range(0, sound.size - 1200, 1200):
        frame = sound[start : start + 1200] - sound[start : start + 1200].mean()
        if np.abs(frame).max() < 1500:
            continue
        spectrum = np.fft.rfft(frame, 4096)
        likeness = np.fft.irfft(np.abs(spectrum) ** 2)[:400]
        lag = 60 + int(likeness[60:400].argmax())  # 60 to 400 Hz
        if likeness[lag] > 0.5 * likeness[0]:
            found.append(SPEECH_RATE_HZ / lag)
    return float(np.median(found))


def test_there_are_five_voices_the_original_first(speech: HibariSpeech) -> None:
    assert [voice.name for voice in speech.voices] == ["heart", "june", "max", "otto", "pip"]
    assert all(voice.description and voice.language == "en" for voice in speech.voices)


async def test_the_voices_differ_in_pitch_as_they_should(speech: HibariSpeech) -> None:
    pitches = {voice.name: pitch_hz(await spoken(speech, TEXT, voice=voice.name)) for voice in speech.voices}
    assert pitches["otto"] < pitches["max"] < pitches["june"] < pitches["heart"] < pitches["pip"]
    assert pitches["max"] < 165 < pitches["june"]


async def test_it_sounds_at_once_loud_and_unclipped(speech: HibariSpeech) -> None:
    sound = np.abs(np.frombuffer(await spoken(speech, TEXT), "<i2").astype(np.int32))
    assert np.flatnonzero(sound > 300)[0] < 0.06 * SPEECH_RATE_HZ
    assert 8000 < sound.max() < 32767
    assert 3.0 < sound.size / SPEECH_RATE_HZ < 7.0


async def test_the_same_text_gives_the_same_samples(speech: HibariSpeech) -> None:
    assert await spoken(speech, TEXT) == await spoken(speech, TEXT[:10], TEXT[10:])


async def test_the_first_clause_is_spoken_before_the_rest_is_written(speech: HibariSpeech) -> None:
    written_on = asyncio.Event()

    async def waits() -> AsyncIterator[str]:
        yield "Good morning to you, dear"
        await written_on.wait()
        yield " friend."

    sound = speech.speak(waits(), voice="heart")
    async with asyncio.timeout(10):
        first = await anext(sound)
    assert not written_on.is_set()
    written_on.set()
    rest = [chunk async for chunk in sound]
    assert first
    assert rest


async def test_speed_is_honoured(speech: HibariSpeech) -> None:
    normal, fast, slow = [len(await spoken(speech, TEXT, speed=speed)) for speed in (1.0, 1.5, 0.6)]
    assert fast < 0.8 * normal
    assert slow > 1.4 * normal
    assert await spoken(speech, TEXT, speed=100.0)
    assert await spoken(speech, "Yes.", speed=0.0)


async def test_an_unknown_voice_is_the_default_one(speech: HibariSpeech) -> None:
    assert await spoken(speech, "Yes.", voice="nobody") == await spoken(speech, "Yes.")


@pytest.mark.parametrize("text", ["", "   \n", "...", "😀😀", "***", "```\ncode\n```"])
async def test_what_has_no_words_is_silent(speech: HibariSpeech, text: str) -> None:
    assert await spoken(speech, text) == b""


@pytest.mark.parametrize(
    "text",
    [
        "Zxqvbn frobnicates qwrtz.",
        "12345678901234567890 is 1e9 or 0x1F.",
        "Ünïcödé Łódź Ærøskøbing ﬁne.",
        "[click](/ˈ/) /b/ {x} <y>",
        "\x00\x07\u200d\ufeff x",
        "€3 £4 ¥5 ½ ² Ⅷ",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" * 10,
    ],
)
async def test_strange_text_is_spoken_somehow(speech: HibariSpeech, text: str) -> None:
    assert await spoken(speech, text)


async def test_another_script_is_admitted(speech: HibariSpeech) -> None:
    assert await spoken(speech, "こんにちは") == await spoken(speech, "I can only read English aloud.")


async def test_a_long_text_without_punctuation_starts_soon(speech: HibariSpeech) -> None:
    sound = speech.speak(written("never ending words " * 200), voice="heart")
    begun = time.monotonic()
    await anext(sound)
    assert time.monotonic() - begun < 5.0, "the first piece, not the whole of three minutes"
    await sound.aclose()  # type: ignore[attr-defined]


async def test_it_can_be_cancelled_and_speaks_again(speech: HibariSpeech) -> None:
    heard: list[bytes] = []
    begun = asyncio.Event()

    async def listen() -> None:
        async for chunk in speech.speak(written("One sentence. " * 100), voice="heart"):
            heard.append(chunk)
            begun.set()

    task = asyncio.create_task(listen())
    async with asyncio.timeout(10):
        await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(heard) < 100
    assert await spoken(speech, "Yes.")


async def test_the_loop_goes_on_meanwhile(speech: HibariSpeech) -> None:
    longest_s, last = 0.0, time.perf_counter()

    async def tick() -> None:
        nonlocal longest_s, last
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest_s, last = max(longest_s, now - last), now

    ticking = asyncio.create_task(tick())
    begun = time.perf_counter()
    await spoken(speech, "A rather long sentence, which takes a while to be computed. " * 20)
    spent_s = time.perf_counter() - begun
    ticking.cancel()
    assert longest_s < spent_s / 4, "no clause was computed on the loop"
