"""Volume, how long an answer took, and a microphone that is muted: in the running program, as its user has it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from desktop_app.audio.streams import sound_system
from desktop_app.cues import Cue, read_cues
from desktop_app.protocol.events import InputAudioBufferAppend, ResponseCreate
from desktop_app.ui.latency import LatencyChart
from tests.bench.sound import noise
from tests.conftest import RunAsync
from tests.harness.inside import program
from tests.harness.scripted_server import Caller, ScriptedServer
from tests.harness.sound import VirtualSound

pytestmark = [pytest.mark.sound, pytest.mark.skipif(sys.platform != "linux", reason="PulseAudio")]

REPLY, SPOKEN = noise(1_500, seed=31), noise(2_000, seed=32)
WITHIN_S = 30.0


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key the scripted server wants."""
    monkeypatch.setenv("OPENAI_API_KEY", ScriptedServer.token)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def own_sound(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualSound]:
    """A sound server of this test's own."""
    with VirtualSound() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        assert sound_system().refresh()
        yield server


def profile(folder: Path, **settings: object) -> Path:
    """Return a profile with these settings."""
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder


def test_the_answer_is_as_loud_as_was_chosen_and_its_latency_is_shown(
    run_async: RunAsync, own_sound: VirtualSound, tmp_path: Path
) -> None:
    async def speaking(caller: Caller) -> None:
        await caller.greet()
        await caller.take_text()
        await caller.expect(ResponseCreate)
        await caller.answer("It is short.", REPLY)
        await caller.gone(within_s=60)

    async def story() -> None:
        async with (
            ScriptedServer(speaking) as server,
            program(profile(tmp_path, audio={"volume": 50}), server.url) as user,
        ):
            await user.sees_online()
            with own_sound.record() as recorder:
                user.types("Tell me something.")
                entry = await user.sees("It is short.")
                await asyncio.to_thread(recorder.wait_for_sound, 0, WITHIN_S)
                await user.until(lambda: user.window.transcript.details(entry.item_id), "its latency")
                await user.until(lambda: len(np.flatnonzero(recorder.samples)) > 24_000, "a second of it", WITHIN_S)
                loudest = int(np.abs(recorder.samples.astype(int)).max())
            whole = int(np.abs(np.frombuffer(REPLY, "<i2").astype(int)).max())
            assert loudest == pytest.approx(whole / 4, rel=0.1)
            assert "First sound" in user.window.transcript.details(entry.item_id)
            (chart,) = user.window.findChildren(LatencyChart)
            (latency,) = chart.latencies
            assert latency.item_id == entry.item_id
            assert latency.sound_ms is not None

    run_async(story(), deadline_s=90)


def test_muted_nothing_leaves_and_it_is_heard_and_read(
    run_async: RunAsync, own_sound: VirtualSound, tmp_path: Path
) -> None:
    async def listening(caller: Caller) -> None:
        await caller.greet()
        await caller.gone(within_s=80)

    async def story() -> None:
        async with (
            ScriptedServer(listening) as server,
            program(profile(tmp_path, turns={"mode": "hands_free"}), server.url) as user,
        ):
            await user.sees_online()
            await user.until(lambda: server.events(InputAudioBufferAppend), "the microphone", WITHIN_S)
            with own_sound.record() as recorder:
                user.window.muted_chosen.emit(True)
                cue = np.frombuffer(read_cues()[Cue.MUTED], "<i2")
                await user.until(
                    lambda: len(np.flatnonzero(recorder.samples)) > cue.size // 2, "its sound", WITHIN_S
                )
            before = len(server.events(InputAudioBufferAppend))
            speaking = own_sound.start_playing(SPOKEN)
            await user.until(lambda: user.window._talk.words.startswith("You are muted"), "a warning", WITHIN_S)
            await asyncio.to_thread(speaking.wait, 30)
            sent = server.events(InputAudioBufferAppend)[before:]
            assert len(sent) > 25, "the stream goes on"
            assert not any(any(event.audio) for event in sent), "and nothing is in it"

    run_async(story(), deadline_s=120)
