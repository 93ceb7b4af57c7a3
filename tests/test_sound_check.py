"""Whether a microphone can be trusted: hints in a talk, and the test that records and plays back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from desktop_app.audio.meter import Fault
from desktop_app.audio.streams import SoundSystem
from desktop_app.conversation.effects import ShowSession
from desktop_app.conversation.inputs import MicBlock, MicClosed, MicStarted
from desktop_app.errors import Notice, Severity
from desktop_app.protocol.session_config import AudioConfig, AudioInput, ServerVad, SessionConfig
from desktop_app.sound_check import AGAIN_AFTER_S, KEY, WORDS, MicrophoneTest, MicrophoneWatch
from desktop_app.ui.settings_lists import CheckPhase, CheckState
from tests.audio.fake_sound import FakeSound, until
from tests.harness.sound import VirtualSound

ZEROS, NOISE = bytes(960), np.full(480, 5, "<i2").tobytes()
VOICE, CUT = np.full(480, 3_000, "<i2").tobytes(), np.full(480, 32_767, "<i2").tobytes()
HANDS_FREE = SessionConfig(audio=AudioConfig(input=AudioInput(turn_detection=ServerVad())))


class Talks:
    """A watch, and what it told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.shown: list[Notice] = []
        self.dismissed: list[str] = []
        self.watch = MicrophoneWatch(self.shown.append, self.dismissed.append, clock=lambda: self.now)

    def hears(self, block: bytes, ms: int) -> None:
        for _ in range(ms // 20):
            self.watch.witness(MicBlock(block))

    def talk(self, block: bytes, ms: int = 2_000) -> list[Fault]:
        """Hold the key, and let go; return what was told."""
        self.shown.clear()
        self.watch.witness(MicStarted())
        self.hears(block, ms)
        self.watch.witness(MicClosed())
        return self.told

    @property
    def told(self) -> list[Fault]:
        faults = {text: fault for fault, (text, _) in WORDS.items()}
        return [faults[notice.text] for notice in self.shown]


@pytest.mark.parametrize(
    ("block", "faults"),
    [(ZEROS, [Fault.ZEROS]), (NOISE, [Fault.NOISE]), (CUT, [Fault.TOO_LOUD]), (VOICE, [])],
    ids=["zeros", "noise", "cut", "voice"],
)
def test_a_talk_that_cannot_be_understood_is_told_with_the_next_step(block: bytes, faults: list[Fault]) -> None:
    talks = Talks()
    assert talks.talk(block) == faults
    assert all(notice.hint and notice.severity is Severity.WARNING for notice in talks.shown)


def test_a_tap_tells_nothing() -> None:
    assert Talks().talk(ZEROS, 300) == []


@pytest.mark.parametrize(("block", "fault"), [(ZEROS, Fault.ZEROS), (CUT, Fault.TOO_LOUD)], ids=["zeros", "cut"])
def test_it_is_not_said_over_and_over(block: bytes, fault: Fault) -> None:
    talks = Talks()
    assert talks.talk(block) == [fault]
    assert talks.talk(block) == []
    talks.now += AGAIN_AFTER_S[fault]
    assert talks.talk(block) == [fault]


def test_a_good_talk_takes_the_hint_away() -> None:
    talks = Talks()
    talks.talk(ZEROS)
    talks.talk(VOICE)
    assert talks.dismissed == [KEY]


def test_hands_free_a_silent_room_is_no_fault_and_a_dead_microphone_is() -> None:
    talks = Talks()
    talks.watch.witness(ShowSession(HANDS_FREE))
    talks.watch.witness(MicStarted())
    talks.hears(NOISE, 60_000)
    assert talks.told == []
    talks.watch.witness(MicStarted())
    talks.hears(ZEROS, 4_000)
    assert talks.told == []
    talks.hears(ZEROS, 2_000)
    assert talks.told == [Fault.ZEROS]
    talks.hears(VOICE, 20)
    assert talks.dismissed == [KEY]


def test_too_loud_is_told_while_one_speaks() -> None:
    talks = Talks()
    talks.watch.witness(MicStarted())
    talks.hears(CUT, 400)
    assert talks.told == [Fault.TOO_LOUD]


def test_the_meter_moves_in_a_talk_muted_or_not_and_rests_after_it() -> None:
    talks = Talks()
    talks.watch.witness(ShowSession(HANDS_FREE, muted=True))
    talks.hears(VOICE, 20)
    assert talks.watch.meter.read() > 0.5
    talks.hears(VOICE, 20)
    talks.watch.witness(MicClosed())
    assert talks.watch.meter.read() == 0.0


# --- the test ---------------------------------------------------------------------------------------


class Stage:
    """A test of the microphone on fake devices, and what it showed."""

    def __init__(self) -> None:
        self.sound = FakeSound()
        self.shown: list[CheckState] = []
        self.objection = ""
        self.test = MicrophoneTest(
            self.shown.append,
            lambda: ("Desk", "Headset"),
            volume=lambda: 1.0,
            objection=lambda: self.objection,
            sound=self.sound,
        )

    def phase(self) -> CheckPhase:
        return self.shown[-1].phase

    async def record(self, block: bytes) -> None:
        """Let three seconds of the same block be recorded."""
        self.test.start()
        self.sound.stream.hear(*[block] * 150)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    stage.test.stop()
    assert all(stream.closed for stream in stage.sound.streams)


async def test_what_was_recorded_is_played_back_by_the_chosen_devices(stage: Stage) -> None:
    await stage.record(VOICE)
    await until(lambda: stage.sound.asked == ["Desk", "Headset"])
    assert stage.sound.streams[0].closed, "the microphone is not open longer than it must be"
    await until(lambda: stage.phase() is CheckPhase.PLAYING)
    stage.sound.stream.run(160)
    assert bytes(stage.sound.stream.played[: 3 * 48_000]) == VOICE * 150
    await until(lambda: stage.phase() is CheckPhase.IDLE)
    assert "works" in stage.shown[-1].text
    assert "\N{MINUS SIGN}21 dB" in stage.shown[-1].text
    assert not stage.test.runs


async def test_the_level_and_how_far_it_is_are_shown_meanwhile(stage: Stage) -> None:
    stage.test.start()
    stage.sound.stream.hear(*[VOICE] * 75)
    await until(lambda: stage.phase() is CheckPhase.RECORDING)
    assert stage.shown[-1].share == 0.5
    assert max(state.level for state in stage.shown) > 0.6


async def test_nothing_but_zeros_is_not_played_but_told(stage: Stage) -> None:
    await stage.record(ZEROS)
    await until(lambda: not stage.test.runs)
    assert stage.shown[-1].failed
    assert stage.shown[-1].text == " ".join(WORDS[Fault.ZEROS])
    assert len(stage.sound.streams) == 1


async def test_it_can_be_stopped_while_it_records_and_while_it_plays(stage: Stage) -> None:
    stage.test.start()
    stage.sound.stream.hear(VOICE)
    stage.test.stop()
    assert stage.sound.stream.closed
    await stage.record(VOICE)
    await until(lambda: len(stage.sound.streams) == 3)
    stage.test.stop()
    assert stage.sound.stream.closed
    assert stage.shown[-1] == CheckState(text="Stopped.")


async def test_a_microphone_that_cannot_be_opened_is_told(stage: Stage) -> None:
    stage.sound.missing = True
    stage.test.start()
    await until(lambda: stage.shown[-1].failed)
    assert "Nothing was found. Connect one." in stage.shown[-1].text
    assert not stage.test.runs


async def test_without_a_loudspeaker_it_is_told(stage: Stage) -> None:
    stage.test.start()
    stream = stage.sound.stream
    stage.sound.missing = True
    stream.hear(*[VOICE] * 150)
    await until(lambda: stage.shown[-1].failed)
    assert not stage.test.runs


async def test_a_microphone_that_delivers_nothing_is_not_waited_for_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop_app.sound_check.OPENS_WITHIN_S", 0.1)
    stage.test.start()
    await until(lambda: stage.shown[-1].failed)
    assert "delivers nothing" in stage.shown[-1].text


async def test_it_does_not_begin_while_the_assistant_would_hear_it(stage: Stage) -> None:
    stage.objection = "Mute first."
    stage.test.start()
    assert stage.shown == [CheckState(text="Mute first.")]
    assert not stage.sound.streams


@pytest.mark.sound
async def test_on_a_real_sound_server_what_is_said_comes_back_by_the_loudspeaker(sound: VirtualSound) -> None:
    chance = np.random.default_rng(3)
    spoken = np.rint(chance.uniform(-6_000, 6_000, 24_000)).astype("<i2")
    shown: list[CheckState] = []
    test = MicrophoneTest(shown.append, lambda: (None, None), sound=SoundSystem())
    with sound.record() as recorder:
        test.start()
        await until(lambda: shown[-1].phase is CheckPhase.RECORDING, 20)
        await asyncio.to_thread(sound.play, spoken.tobytes())
        await until(lambda: not test.runs, 30)
        await until(lambda: np.count_nonzero(recorder.samples) > 20_000, 20)
        heard = recorder.samples.astype(float)
    assert "works" in shown[-1].text
    likeness = np.abs(np.correlate(heard, spoken[:4_800].astype(float), "valid"))
    at = int(np.argmax(likeness))
    assert np.corrcoef(heard[at : at + 4_800], spoken[:4_800])[0, 1] > 0.9


@pytest.mark.sound
async def test_on_a_real_sound_server_a_microphone_nobody_speaks_into_gives_only_silence(
    sound: VirtualSound,
) -> None:
    shown: list[CheckState] = []
    test = MicrophoneTest(shown.append, lambda: (None, None), sound=SoundSystem())
    test.start()
    await until(lambda: not test.runs, 30)
    assert shown[-1].text == " ".join(WORDS[Fault.ZEROS])
