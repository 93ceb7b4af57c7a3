"""Microphones and loudspeakers that come and go under the whole program, as its user sees and hears it.

The program runs in this process, offscreen, so that its window can be read; all its parts are real.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QMenu

from desktop_app.audio.streams import sound_system
from desktop_app.protocol.events import (
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    ResponseCreate,
)
from desktop_app.ui.device_menu import ChoiceMenu
from tests.audio.listening import located
from tests.bench.sound import noise
from tests.conftest import RunAsync
from tests.harness.inside import User, program
from tests.harness.scripted_server import Caller, ScriptedServer
from tests.harness.sound import SPEAKER, VirtualSound

pytestmark = [pytest.mark.sound, pytest.mark.skipif(sys.platform != "linux", reason="PulseAudio")]

REPLY = noise(9000, seed=21)
SPOKEN = noise(1000, seed=22)
HEARD_WITHIN_MS = 20
WITHIN_S = 30.0


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key the scripted server wants."""
    monkeypatch.setenv("OPENAI_API_KEY", ScriptedServer.token)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def own_sound(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualSound]:
    """A sound server of this test's own: its devices are pulled out."""
    with VirtualSound() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        assert sound_system().refresh()
        yield server


def profile(folder: Path, **audio: str) -> Path:
    """Return a profile in which these devices are chosen."""
    (folder / "settings.json").write_text(json.dumps({"audio": audio}))
    return folder


def offered(user: User, setting: str) -> list[str]:
    """Return what the menu offers for a setting, as it is read; the one in force has a mark."""
    title = "Microphone" if "input" in setting else "Speaker"
    menu = next(m for m in user.window.findChildren(QMenu) if isinstance(m, ChoiceMenu) and m.title() == title)
    menu.aboutToShow.emit()
    return [("✓ " if action.isChecked() else "") + action.text() for action in menu.actions()]


def choose(user: User, setting: str, words: str) -> None:
    """Choose in the menu."""
    offered(user, setting)
    menu = next(
        m for m in user.window.findChildren(ChoiceMenu) if words in [action.text() for action in m.actions()]
    )
    next(action for action in menu.actions() if action.text() == words).trigger()


async def speaking(caller: Caller) -> None:
    await caller.greet()
    await caller.take_text()
    await caller.expect(ResponseCreate)
    await caller.answer("It is a long story.", REPLY)
    await caller.expect(ConversationItemTruncate, within_s=60)
    await caller.gone(within_s=60)


def test_a_loudspeaker_pulled_out_in_mid_answer(
    run_async: RunAsync, own_sound: VirtualSound, tmp_path: Path
) -> None:
    async def story() -> None:
        own_sound.add_sink("headset")
        async with (
            ScriptedServer(speaking) as server,
            program(profile(tmp_path, output_device="headset"), server.url) as user,
        ):
            await user.sees_online()
            await user.until(lambda: "✓ headset" in offered(user, "output"), "the headset is offered")
            with own_sound.record("headset.monitor") as first, own_sound.record() as second:
                user.types("Tell me a story.")
                await asyncio.to_thread(first.wait_for_sound, 0, WITHIN_S)
                await user.until(lambda: len(np.flatnonzero(first.samples)) > 24_000, "a second of it", WITHIN_S)
                await asyncio.to_thread(own_sound.remove, "headset")
                notice = await user.until_told("“headset” went away")
                assert notice.hint == "The answer goes on with “va_speaker”."
                await user.until(lambda: "✓ headset (not connected)" in offered(user, "output"), "it is missed")
                await asyncio.to_thread(second.wait_for_sound, 0, WITHIN_S)
                own_sound.add_sink("headset")
                await user.until(
                    lambda: len(np.flatnonzero(second.samples)) > 24_000, "another second of it", WITHIN_S
                )
                user.window.stop_pressed.emit()
                await user.until(lambda: server.events(ConversationItemTruncate), "the truncation", WITHIN_S)
                await user.until_told("“headset” is back")
                await asyncio.to_thread(second.wait_for_silence, 0.3)
            assert "✓ headset" in offered(user, "output")
            before, after = located(first.samples, REPLY), located(second.samples, REPLY)
            assert before is not None
            assert after is not None
            claimed = server.events(ConversationItemTruncate)[0].audio_end_ms
            between_ms = after.begin_ms - before.end_ms
            print(f"claimed {claimed} ms, heard {after.end_ms:.1f} ms, {between_ms:.1f} ms between the two")
            assert abs(claimed - after.end_ms) <= HEARD_WITHIN_MS
            assert abs(between_ms) <= HEARD_WITHIN_MS

    run_async(story(), deadline_s=90)


async def listening(caller: Caller) -> None:
    await caller.greet()
    await caller.take_speech()
    await caller.expect(ResponseCreate)
    await caller.answer("I heard you.", bytes(48 * 200))
    await caller.gone(within_s=60)


def test_a_microphone_pulled_out_in_mid_talk(run_async: RunAsync, own_sound: VirtualSound, tmp_path: Path) -> None:
    async def story() -> None:
        own_sound.add_source("headset_mic")
        async with (
            ScriptedServer(listening) as server,
            program(profile(tmp_path, input_device="headset_mic"), server.url) as user,
        ):

            def appended() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
                return np.frombuffer(b"".join(e.audio for e in server.events(InputAudioBufferAppend)), np.int16)

            await user.sees_online()
            user.window.talk_pressed.emit()
            await user.until(lambda: len(appended()) > 6000, "something is heard")
            await asyncio.to_thread(own_sound.remove, "headset_mic")
            notice = await user.until_told("“headset_mic” went away")
            assert notice.hint == "“va_mic” hears you now."
            count = len(appended())
            await asyncio.to_thread(own_sound.play, SPOKEN)
            await user.until(lambda: len(appended()) > count + 24_000, "it still listens")
            user.window.talk_released.emit()
            await user.sees("I heard you.", WITHIN_S)
            assert len(server.events(InputAudioBufferCommit)) == 1, "one talk"
            place = located(appended(), SPOKEN)
            assert place is not None
            assert place.end_ms - place.begin_ms >= 990

    run_async(story(), deadline_s=90)


def test_devices_are_chosen_while_it_runs(run_async: RunAsync, own_sound: VirtualSound, tmp_path: Path) -> None:
    async def story() -> None:
        async with ScriptedServer(speaking) as server, program(tmp_path, server.url) as user:
            await user.sees_online()
            await user.until(
                lambda: offered(user, "output")[0] == f"✓ The system's default ({SPEAKER})",
                "the default has a name",
            )
            own_sound.add_sink("headset")
            await user.until(lambda: "headset" in offered(user, "output"), "the new one is offered")
            with own_sound.record("headset.monitor") as other, own_sound.record() as default:
                user.types("Tell me a story.")
                await user.until(
                    lambda: len(np.flatnonzero(default.samples)) > 12_000, "half a second of it", WITHIN_S
                )
                choose(user, "output", "headset")
                await user.until(
                    lambda: len(np.flatnonzero(other.samples)) > 12_000, "half a second there", WITHIN_S
                )
                user.window.stop_pressed.emit()
                await user.until(lambda: server.events(ConversationItemTruncate), "the truncation", WITHIN_S)
                await asyncio.to_thread(other.wait_for_silence, 0.3)
            before, after = located(default.samples, REPLY), located(other.samples, REPLY)
            assert before is not None
            assert after is not None
            claimed = server.events(ConversationItemTruncate)[0].audio_end_ms
            between_ms = after.begin_ms - before.end_ms
            print(f"claimed {claimed} ms, heard {after.end_ms:.1f} ms, {between_ms:.1f} ms between the two")
            assert abs(claimed - after.end_ms) <= HEARD_WITHIN_MS
            assert abs(between_ms) <= HEARD_WITHIN_MS
        assert json.loads((tmp_path / "settings.json").read_text())["audio"]["output_device"] == "headset"

    run_async(story(), deadline_s=90)


def test_without_any_sound_server_one_types_and_a_server_that_dies_is_survived(
    run_async: RunAsync, own_sound: VirtualSound, tmp_path: Path
) -> None:
    async def answering(caller: Caller) -> None:
        await caller.greet()
        for words in ("First.", "Second."):
            await caller.take_text()
            await caller.expect(ResponseCreate)
            await caller.answer(words, REPLY[: 48 * 400])
        await caller.gone(within_s=60)

    async def story() -> None:
        async with ScriptedServer(answering) as server, program(tmp_path, server.url) as user:
            await user.sees_online()
            await user.until(lambda: len(offered(user, "output")) > 1, "the loudspeakers are known")
            own_sound.kill_server()
            await user.until(lambda: len(offered(user, "output")) == 1, "there are none")
            user.types("Are you there?")
            await user.sees("First.", WITHIN_S)
            await user.until_told("No loudspeaker was found")
            user.window.talk_pressed.emit()
            await user.until_told("No microphone was found")
            user.window.talk_released.emit()
            await asyncio.to_thread(own_sound.start_server)
            await user.until(lambda: len(offered(user, "output")) > 1, "the loudspeakers are back")
            with own_sound.record() as recorder:
                user.types("And now?")
                await asyncio.to_thread(recorder.wait_for_sound, 0, WITHIN_S)

    run_async(story(), deadline_s=120)
