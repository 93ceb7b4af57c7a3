"""How turns sounded is kept if the user wants it: what the microphone took, and what the loudspeaker gave."""

from __future__ import annotations

import asyncio
import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from desktop_app.history.store import Store
from desktop_app.protocol.events import ConversationItemTruncate, ResponseCreate
from tests.bench.sound import Samples, noise
from tests.end_to_end.conftest import Start
from tests.end_to_end.test_wire import appended, serving, speak, until_heard
from tests.harness.processes import wait_until
from tests.harness.scripted_server import Caller, ScriptedServer
from tests.harness.sound import VirtualSound

pytestmark = [pytest.mark.sound, pytest.mark.screen]

REPLY = noise(8_000, seed=5)


def samples_of(data: bytes) -> Samples:
    """Return what a kept sound holds."""
    samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16")
    assert rate_hz == 24_000
    return np.asarray(samples, np.int16)


def loudness(samples: Samples) -> float:
    """Return the mean square root of the samples."""
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


async def test_the_sound_of_each_turn_is_kept_as_it_was_sent_and_heard(
    start: Start, sound: VirtualSound, tmp_path: Path
) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    (profile / "settings.json").write_text(json.dumps({"history": {"audio": True}}))
    begun = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.greet()
        await caller.take_speech("item_said", transcript="What can you tell me about the sea?")
        await caller.expect_next(ResponseCreate)
        await caller.answer(
            "The sea is deep, and most of it was never seen by anybody.", REPLY, item_id="item_heard"
        )
        begun.set()
        await caller.expect(ConversationItemTruncate, within_s=30)

    async with ScriptedServer(script) as server:
        program = await asyncio.to_thread(serving, server, start)
        await asyncio.to_thread(program.screen.find_window, "Parley")
        await asyncio.to_thread(wait_until, lambda: server.frames, "the session is set up")
        with sound.record() as recorder:
            asked_at = time.monotonic()
            await speak(program, sound)
            await asyncio.wait_for(begun.wait(), 30)
            spoken_ms = len(appended(server)) // 24
            await until_heard(recorder, asked_at, 1.0)
            await asyncio.to_thread(program.screen.tap, "Escape")
        await asyncio.to_thread(wait_until, lambda: server.events(ConversationItemTruncate), "it is interrupted")
        heard_ms = server.events(ConversationItemTruncate)[0].audio_end_ms
        assert await asyncio.to_thread(program.close) == 0
    store = Store(profile)
    (about,) = store.conversations()
    whole = store.whole(about.number)
    store.close()
    assert whole is not None
    assert (whole.sounds["item_said"].ms, whole.sounds["item_heard"].ms) == (spoken_ms, heard_ms)
    for item_id, ms in (("item_said", spoken_ms), ("item_heard", heard_ms)):
        samples = samples_of(whole.sounds[item_id].data)
        assert abs(len(samples) // 24 - ms) <= 1
        assert loudness(samples) > 300
