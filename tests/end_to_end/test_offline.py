"""The whole program with the offline assistant's own server and engines, asked in writing; the answers sound.

What comes out of the loudspeaker is recognised again, so that a reminder that is said is known to be said.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import numpy as np
import pytest
import soxr

from desktop_app.conversation.effects import Turn
from desktop_app.conversation.entries import EntryAction, EntryStatus, Role
from desktop_app.conversation.inputs import AsideKind
from desktop_app.errors import Severity
from desktop_app.local_server.engines import RECOGNITION_RATE_HZ
from desktop_app.local_server.engines.whisper import Whisper
from tests.conftest import RunAsync
from tests.end_to_end.conftest import ROOT
from tests.harness.inside import User, program
from tests.harness.sound import RATE_HZ, Recorder, VirtualSound

pytestmark = [pytest.mark.sound, pytest.mark.weights]

WEIGHTS = ROOT / "build" / "weights"
READY_WITHIN_S = 90


@pytest.fixture(autouse=True)
def weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the weights, and no key."""
    monkeypatch.setenv("PARLEY_WEIGHTS_DIR", str(WEIGHTS))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


async def answered(user: User, question: str) -> str:
    """Ask in writing; return the answer once it was heard to its end."""
    rows = len(user.entries(Role.ASSISTANT))

    def done() -> bool:
        entries = user.entries(Role.ASSISTANT)
        return len(entries) > rows and entries[-1].status is EntryStatus.COMPLETED and is_idle(user)

    user.types(question)
    await user.until(done, f"an answer to «{question}»", 60)
    return user.entries(Role.ASSISTANT)[-1].text


def is_idle(user: User) -> bool:
    """Whether the window says that nothing is going on."""
    return user.window._turn is Turn.IDLE


async def heard(user: User, recorder: Recorder, since_s: float, whisper: Whisper) -> str:
    """Return what was said since then, once it is over."""
    await asyncio.to_thread(recorder.wait_for_sound, since_s, 20)
    await user.until(lambda: is_idle(user), "it has been said", 30)
    await asyncio.to_thread(recorder.wait_for_silence, 0.7, 20)
    samples = recorder.between(since_s, time.monotonic()).astype(np.float32) / 32768
    audio = soxr.resample(samples, RATE_HZ, RECOGNITION_RATE_HZ)
    return (await whisper.transcribe(audio, language="en")).text


def test_timers_times_sums_and_what_was_said(run_async: RunAsync, tmp_path: Path, sound: VirtualSound) -> None:
    async def story() -> None:
        whisper = await Whisper.load(WEIGHTS / "whisper-base")
        try:
            async with program(tmp_path, "local") as user:
                await user.until(user.is_online, "the offline assistant", READY_WITHIN_S)
                with sound.record() as recorder:
                    await everything(user, recorder, whisper)
        finally:
            whisper.close()

    run_async(story(), deadline_s=240)


async def everything(user: User, recorder: Recorder, whisper: Whisper) -> None:
    """Ask for what the offline assistant can do, one after the other."""
    await answered(user, "Hello!")  # the voice is loaded by then
    answer = await answered(user, "Set a timer for six seconds.")
    silent_s = time.monotonic()
    assert "six" in answer.lower() or "6" in answer
    (row,) = user.entries(Role.TOOL)
    assert row.tool is not None
    assert (row.tool.name, json.loads(row.tool.arguments)["seconds"]) == ("set_timer", 6)
    rows = len(user.entries())
    await user.until_told("6 second timer is over")
    reminder = await heard(user, recorder, silent_s, whisper)
    print(f"the timer said: {reminder}")
    assert "timer" in reminder.lower()
    assert "over" in reminder.lower()
    assert len(user.entries()) == rows, "the reminder is beside the conversation"

    answer = await answered(user, "What time is it in Tokyo?")
    print(f"the time: {answer}")
    assert "Tokyo" in answer
    assert "68" in await answered(user, "What is seventeen times four?")

    began_s = time.monotonic()
    user.window.read_aloud_asked.emit("These are the very words.")
    aloud = await heard(user, recorder, began_s, whisper)
    assert "very words" in aloud.lower(), aloud

    await interrupted_and_resumed(user, recorder, whisper)

    user.window.summary_asked.emit()
    user.window.replies_asked.emit()
    await user.until_told("larger model")
    assert not [card for kind in (AsideKind.SUMMARY, AsideKind.REPLIES) for card in user.cards(kind)]
    assert not [notice for notice in user.notices() if notice.severity is Severity.ERROR]


async def interrupted_and_resumed(user: User, recorder: Recorder, whisper: Whisper) -> None:
    """Stop a long answer, and have the rest of it said, and not the beginning."""
    asked_s = time.monotonic()
    user.types("What can you do?")
    await asyncio.to_thread(recorder.wait_for_sound, asked_s, 20)
    await asyncio.sleep(2.0)
    user.window.stop_pressed.emit()
    await user.until(lambda: user.entries()[-1].status is EntryStatus.INTERRUPTED, "it is cut")
    cut = user.entries()[-1]
    assert cut.action is EntryAction.SAY_THE_REST
    assert cut.heard_chars is not None
    rest = cut.text[cut.heard_chars :].strip()
    rows = len(user.entries())
    user.window.action_asked.emit(cut.item_id, EntryAction.SAY_THE_REST)
    await user.until(lambda: len(user.entries()) > rows and is_idle(user), "the rest is said", 60)
    assert user.entries()[-1].text.strip() == rest
