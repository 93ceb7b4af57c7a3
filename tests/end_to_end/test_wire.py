"""The whole program against a scripted server: what exactly goes over the wire when a person uses it.

Everything is real but the server's mind: the window on a screen, the key that is pressed, the sound card, the
socket. What is claimed to be heard is compared with what the loudspeaker played.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np
import pytest

from desktop_app.protocol.events import (
    ConversationItemCreate,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from tests.bench.sound import Samples, noise, trace
from tests.end_to_end.conftest import Running, Start
from tests.harness.processes import wait_until
from tests.harness.scripted_server import Caller, Pace, ScriptedServer, error
from tests.harness.sound import Recorder, VirtualSound

pytestmark = [pytest.mark.sound, pytest.mark.screen]

REPLY = noise(4000, seed=7)
SPOKEN = noise(1500, seed=11)
HEARD_WITHIN_MS = 20


def serving(server: ScriptedServer, start: Start) -> Running:
    """Start the program with this server as its endpoint."""
    base = server.url.partition("/realtime")[0].replace("ws://", "http://")
    return start(env={"OPENAI_BASE_URL": base, "OPENAI_API_KEY": server.token})


async def speak(program: Running, sound: VirtualSound, spoken: bytes = SPOKEN) -> float:
    """Hold the key, say something, let go; return when the key went up."""
    await asyncio.to_thread(program.press)
    await asyncio.to_thread(wait_until, sound.microphone_is_open, "it listens")
    await asyncio.to_thread(sound.play, spoken)
    await asyncio.to_thread(program.release)
    return time.monotonic()


def appended(server: ScriptedServer) -> Samples:
    """Return what was appended to the input buffer."""
    return np.frombuffer(b"".join(event.audio for event in server.events(InputAudioBufferAppend)), np.int16)


def likeness(heard: Samples, spoken: Samples) -> float:
    """Return how well `spoken` is found in `heard`: 1 is sample by sample."""
    if len(heard) < len(spoken):
        return 0.0
    size = 1 << (len(heard) + len(spoken)).bit_length()
    spectrum = np.fft.rfft(heard.astype(float), size) * np.conj(np.fft.rfft(spoken.astype(float), size))
    at = int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard) - len(spoken) + 1]))
    return float(np.corrcoef(heard[at : at + len(spoken)], spoken)[0, 1])


def without_repeats(kinds: Sequence[type]) -> list[type]:
    """Return the kinds with runs of the same kind as one."""
    return [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] is not kind]


async def until_heard(recorder: Recorder, since_s: float, seconds: float) -> None:
    """Wait until this much was recorded from the first sound on."""

    def recorded() -> bool:
        began = recorder.first_sound(since_s)
        return began is not None and recorder.time_of(len(recorder.samples)) >= began + seconds

    await asyncio.to_thread(wait_until, recorded, f"{seconds} s of sound")


async def test_a_conversation_as_it_stands_on_the_wire(start: Start, sound: VirtualSound) -> None:
    answered = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.greet()
        await caller.take_speech("item_first", transcript="What can you tell me about the sea?")
        await caller.expect_next(ResponseCreate)
        await caller.answer("The sea is deep, and most of it was never seen by anybody.", REPLY)
        answered.set()
        await caller.expect(ConversationItemTruncate)
        await caller.take_speech("item_second", transcript="And the sky?")
        await caller.expect_next(ResponseCreate)
        await caller.answer("Higher still.", REPLY[:48_000])
        await caller.take_text()
        await caller.expect_next(ResponseCreate)
        await caller.answer("Written down.", REPLY[:24_000])

    async with ScriptedServer(script) as server:
        program = await asyncio.to_thread(serving, server, start)
        await asyncio.to_thread(wait_until, lambda: len(server.events(SessionUpdate)) >= 2, "the session is set up")
        program.picture("ready")
        with sound.record() as recorder:
            asked_at = time.monotonic()
            released_at = await speak(program, sound)
            await asyncio.wait_for(answered.wait(), 10)
            await until_heard(recorder, asked_at, 1.2)
            program.picture("speaking")
            pressed_at = time.monotonic()
            await asyncio.to_thread(program.press)
            await asyncio.to_thread(wait_until, lambda: server.events(ConversationItemTruncate), "the truncation")
            await asyncio.to_thread(recorder.wait_for_silence, 0.3)
            heard = trace(recorder, REPLY, asked_at)
            program.picture("interrupted")
            await asyncio.to_thread(sound.play, SPOKEN)
            await asyncio.to_thread(program.release)
            await until_heard(recorder, time.monotonic(), 0.5)
            await asyncio.to_thread(recorder.wait_for_silence, 1.0)
        await asyncio.to_thread(program.screen.tap, "ctrl+l")
        await asyncio.to_thread(program.screen.type, "and now in writing")
        await asyncio.to_thread(program.screen.tap, "Return")
        await server.finished(within_s=20)
        assert await asyncio.to_thread(program.close) == 0

    kinds = without_repeats(server.kinds(audio=True))
    talk = [InputAudioBufferClear, InputAudioBufferAppend, InputAudioBufferCommit, ResponseCreate]
    assert kinds == [SessionUpdate, *talk, ConversationItemTruncate, *talk, ConversationItemCreate, ResponseCreate]

    assert heard is not None
    truncate = server.events(ConversationItemTruncate)[0]
    assert abs(truncate.audio_end_ms - heard.heard_ms) <= HEARD_WITHIN_MS
    silent_after_ms = (heard.last_s - pressed_at) * 1000
    print(
        f"claimed {truncate.audio_end_ms} ms, heard {heard.heard_ms:.1f} ms, silent after {silent_after_ms:.0f} ms"
    )

    first_talk = appended(server)
    assert likeness(first_talk, np.frombuffer(SPOKEN, np.int16)) >= 0.99, "not a sample of what was said is missing"
    commit = next(r.at_s for r in server.received if isinstance(r.event, InputAudioBufferCommit))
    print(f"commit {1000 * (commit - released_at):.0f} ms after the key went up")
    assert "Traceback" not in program.said()


async def test_a_press_before_the_response_is_done_cancels_it_first(start: Start, sound: VirtualSound) -> None:
    speaking = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.greet()
        await caller.take_speech("item_first")
        await caller.expect_next(ResponseCreate)
        begun = await caller.begin()
        await caller.say(begun, "I was about to say ")
        await caller.speak(begun, REPLY[: 48 * 2000])
        speaking.set()
        cancel = await caller.expect(ResponseCancel)
        assert cancel.response_id == begun.response_id
        await caller.speak(begun, REPLY[48 * 2000 :])  # what was already under way
        await caller.take_speech("item_second")
        await caller.pause(0.3)
        await caller.expect_nothing(ResponseCreate, for_s=0.2)
        await caller.end(begun, "I was about to say ", REPLY, status="cancelled", reason="client_cancelled")
        await caller.expect_next(ResponseCreate, within_s=2)
        await caller.answer("Yes?", REPLY[:24_000])

    async with ScriptedServer(script) as server:
        program = await asyncio.to_thread(serving, server, start)
        await asyncio.to_thread(wait_until, lambda: len(server.events(SessionUpdate)) >= 2, "the session is set up")
        with sound.record() as recorder:
            asked_at = time.monotonic()
            await speak(program, sound)
            await asyncio.wait_for(speaking.wait(), 10)
            await until_heard(recorder, asked_at, 0.8)
        await speak(program, sound, SPOKEN[:24_000])
        await server.finished(within_s=20)
        assert await asyncio.to_thread(program.close) == 0
    after = server.kinds()[server.kinds().index(ResponseCancel) :]
    assert after[:2] == [ResponseCancel, ConversationItemTruncate]


async def test_a_stall_of_the_network_does_not_make_anything_heard(start: Start, sound: VirtualSound) -> None:
    async def script(caller: Caller) -> None:
        await caller.greet()
        await caller.take_speech("item_first")
        await caller.expect_next(ResponseCreate)
        begun = await caller.begin()
        await caller.say(begun, "Slowly, slowly.")
        await caller.speak(begun, REPLY[: 48 * 700])
        await caller.pause(2.7)
        await caller.speak(begun, REPLY[48 * 700 :], pace=Pace.BURST)
        await caller.end(begun, "Slowly, slowly.", REPLY)
        await caller.expect(ConversationItemTruncate, within_s=10)

    async with ScriptedServer(script) as server:
        program = await asyncio.to_thread(serving, server, start)
        await asyncio.to_thread(wait_until, lambda: len(server.events(SessionUpdate)) >= 2, "the session is set up")
        with sound.record() as recorder:
            asked_at = time.monotonic()
            await speak(program, sound, SPOKEN[:24_000])
            await until_heard(recorder, asked_at, 4.0)  # in the middle of what came after the stall
            await asyncio.to_thread(program.screen.tap, "Escape")
            await server.finished(within_s=20)
            await asyncio.to_thread(recorder.wait_for_silence, 0.3)
            heard = trace(recorder, REPLY, asked_at)
        assert await asyncio.to_thread(program.close) == 0
    assert heard is not None
    claimed = server.events(ConversationItemTruncate)[0].audio_end_ms
    print(f"claimed {claimed} ms, heard {heard.heard_ms:.1f} ms")
    assert abs(claimed - heard.heard_ms) <= HEARD_WITHIN_MS


async def test_a_key_that_is_refused_is_said_and_not_tried_again(start: Start) -> None:
    async def script(caller: Caller) -> None:
        await caller.send(error("invalid_api_key", "Incorrect API key provided"))
        await caller.close(3000, "invalid_request_error.invalid_api_key")

    async with ScriptedServer(script) as server:
        program = await asyncio.to_thread(serving, server, start)
        await server.finished(within_s=20)
        await asyncio.sleep(1.5)  # long enough for a second attempt, had there been one
        program.picture("error")
        assert server.connections == 1
        assert await asyncio.to_thread(program.close) == 0
    assert server.token not in program.said()
