"""The first conversation, with nothing faked but the user.

The program is started by its run command, a key is really pressed, a spoken question is played into the
microphone, the local server's own engines hear, think and speak, and what comes out of the loudspeaker is
recognised again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soxr

from desktop_app.local_server.engines import RECOGNITION_RATE_HZ
from desktop_app.local_server.engines.hibari import HibariSpeech
from desktop_app.local_server.engines.whisper import Whisper
from tests.end_to_end.conftest import ROOT, Running, Start
from tests.harness.processes import wait_until
from tests.harness.sound import RATE_HZ, Recorder, VirtualSound

pytestmark = [pytest.mark.sound, pytest.mark.screen, pytest.mark.weights]

TAIL_S = 0.25
"""Until then what is said is still listened to."""
WEIGHTS = ROOT / "build" / "weights"


async def spoken(words: str, voice: str = "max") -> bytes:
    """Return words as somebody says them, with a breath before and after."""

    async def pieces() -> AsyncIterator[str]:
        yield words

    speech = await HibariSpeech.load()
    try:
        said = b"".join([piece async for piece in speech.speak(pieces(), voice=voice)])
    finally:
        speech.close()
    breath = bytes(RATE_HZ // 5 * 2)
    return breath + said + breath


async def understood(recorder: Recorder, since_s: float) -> str:
    """Return the words that came out of the loudspeaker."""
    samples = recorder.between(since_s, time.monotonic()).astype(np.float32) / 32768
    audio = soxr.resample(samples, RATE_HZ, RECOGNITION_RATE_HZ)
    whisper = await Whisper.load(WEIGHTS / "whisper-base")
    try:
        return (await whisper.transcribe(audio, language="en")).text
    finally:
        whisper.close()


async def ask(program: Running, sound: VirtualSound, question: bytes) -> float:
    """Hold the key, ask, let go; return when the key went up."""
    await asyncio.to_thread(program.press)
    await asyncio.to_thread(sound.play, question)
    await asyncio.to_thread(program.release)
    return time.monotonic()


async def until_ready(program: Running) -> None:
    """Wait until the offline assistant has loaded what it has."""
    await asyncio.to_thread(wait_until, lambda: "speech recognition" in program.said(), "the engines", 90)


async def test_ask_be_answered_interrupt_and_ask_again(start: Start, sound: VirtualSound, tmp_path: Path) -> None:
    program = await asyncio.to_thread(start, env={"PARLEY_WEIGHTS_DIR": str(WEIGHTS)})
    await until_ready(program)
    sum_, help_ = await spoken("What is seventeen times four?"), await spoken("What can you do?", "heart")

    with sound.record() as recorder:
        await asyncio.to_thread(program.press)
        playing = asyncio.ensure_future(asyncio.to_thread(sound.play, sum_))
        began_s = time.monotonic()
        await asyncio.to_thread(wait_until, lambda: time.monotonic() > began_s + 0.9, "some speech")
        program.picture("listening")
        await playing
        await asyncio.to_thread(program.release)
        asked_s = time.monotonic()
        await asyncio.to_thread(wait_until, lambda: time.monotonic() > asked_s + TAIL_S, "the release tail")
        program.picture("thinking")
        began_s = await asyncio.to_thread(recorder.wait_for_sound, asked_s, 20)
        await asyncio.to_thread(recorder.wait_for_silence, 1.0)
        answer = await understood(recorder, asked_s)
        print(f"answered {began_s - asked_s:.2f} s after the key went up: {answer}")
        assert "68" in answer or "sixty-eight" in answer.lower()

        asked_s = await ask(program, sound, help_)
        began_s = await asyncio.to_thread(recorder.wait_for_sound, asked_s, 20)
        await asyncio.to_thread(wait_until, lambda: time.monotonic() > began_s + 1.5, "a while of the answer")
        program.picture("offline")
        pressed_s = time.monotonic()
        await asyncio.to_thread(program.press)
        await asyncio.to_thread(sound.play, sum_)
        await asyncio.to_thread(program.release)
        released_s = time.monotonic()
        last = recorder.last_sound(before_s=pressed_s + 0.5)
        assert last is not None
        print(f"silent {1000 * (last - pressed_s):.0f} ms after the press")
        assert last - pressed_s <= 0.1, "the long answer was cut off"
        await asyncio.to_thread(recorder.wait_for_sound, released_s, 20)
        await asyncio.to_thread(recorder.wait_for_silence, 1.0)
        answer = await understood(recorder, released_s)
        assert "68" in answer or "sixty-eight" in answer.lower()
        program.picture("conversation")
    assert await asyncio.to_thread(program.close) == 0
    assert "Traceback" not in program.said()
