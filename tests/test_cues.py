"""State sounds: which is due when, that they are small and quiet, and that nobody takes them for speech."""

from __future__ import annotations

import importlib.util
import wave
from pathlib import Path

import numpy as np
import pytest
import soxr

from desktop_app.conversation.effects import Send, ShowNotice, ShowSession, ShowTurn, Turn
from desktop_app.conversation.inputs import Received
from desktop_app.cues import APART_S, Cue, Cues, read_cues
from desktop_app.errors import Notice, Severity
from desktop_app.local_server.engines.silero import SileroVoiceActivity
from desktop_app.protocol.events import InputAudioBufferCommit, InputAudioBufferCommitted
from desktop_app.protocol.session_config import AudioConfig, AudioInput, ServerVad, SessionConfig
from desktop_app.resources import resource

SCRIPT = Path(__file__).parents[1] / "packaging" / "cues.py"
HANDS_FREE = SessionConfig(audio=AudioConfig(input=AudioInput(turn_detection=ServerVad())))
COMMITTED = Received(InputAudioBufferCommitted(item_id="i"))


class Stage:
    """Cues, and what was played."""

    def __init__(self, off: set[Cue]) -> None:
        self.now = 0.0
        self.off = off
        self.played: list[Cue] = []
        self.names = {pcm: cue for cue, pcm in read_cues().items()}
        self.cues = Cues(self._play, lambda cue: cue not in self.off, clock=lambda: self.now)

    def _play(self, pcm: bytes) -> None:
        self.played.append(self.names[pcm])

    def sees(self, *events: object) -> list[Cue]:
        """Let it see events, each some time after the other; return what was played."""
        self.played.clear()
        for event in events:
            self.now += 2 * APART_S
            self.cues.witness(event)  # type: ignore[arg-type]
        return list(self.played)


@pytest.fixture
async def stage() -> Stage:
    stage = Stage(set())
    await stage.cues.load()
    return stage


async def test_listening_is_told_when_the_first_real_sample_is_there_and_not_when_the_key_goes_down(
    stage: Stage,
) -> None:
    assert stage.sees(ShowTurn(Turn.OPENING)) == []
    assert stage.sees(ShowTurn(Turn.LISTENING)) == [Cue.LISTENING]


async def test_a_turn_that_was_committed_is_sent(stage: Stage) -> None:
    assert stage.sees(Send(InputAudioBufferCommit()), COMMITTED) == [Cue.SENT], "once, by whoever commits"


async def test_hands_free_the_server_commits(stage: Stage) -> None:
    assert stage.sees(ShowSession(HANDS_FREE), COMMITTED) == [Cue.SENT]


async def test_hands_free_it_listens_once_the_microphone_is_open_and_not_at_every_word(stage: Stage) -> None:
    turns = (Turn.OPENING, Turn.IDLE, Turn.LISTENING, Turn.IDLE)
    assert stage.sees(ShowSession(HANDS_FREE), *map(ShowTurn, turns)) == [Cue.LISTENING]


async def test_muting_and_its_end_sound_differently(stage: Stage) -> None:
    stage.sees(ShowSession(HANDS_FREE))
    assert stage.sees(ShowSession(HANDS_FREE, muted=True), ShowSession(HANDS_FREE, muted=True)) == [Cue.MUTED]
    assert stage.sees(ShowSession(HANDS_FREE)) == [Cue.UNMUTED]


async def test_only_errors_sound(stage: Stage) -> None:
    told = [ShowNotice(Notice("no", "", severity)) for severity in Severity]
    assert stage.sees(*told) == [Cue.ERROR]


async def test_what_repeats_at_once_is_heard_once(stage: Stage) -> None:
    assert stage.sees(ShowNotice(Notice("no", "", Severity.ERROR))) == [Cue.ERROR]
    stage.cues.witness(ShowNotice(Notice("no", "", Severity.ERROR, "other")))
    assert stage.played == [Cue.ERROR]


async def test_each_can_be_turned_off(stage: Stage) -> None:
    stage.off = set(Cue)
    told = (ShowTurn(Turn.OPENING), ShowTurn(Turn.LISTENING), Send(InputAudioBufferCommit()))
    assert stage.sees(*told, ShowSession(HANDS_FREE, muted=True)) == []


def test_before_they_are_read_there_is_silence() -> None:
    stage = Stage(set())
    stage.cues.play(Cue.ERROR)
    assert not stage.played


@pytest.mark.parametrize("cue", list(Cue), ids=lambda cue: cue.value)
def test_it_is_short_small_quiet_and_does_not_click(cue: Cue) -> None:
    path = resource("sounds", f"{cue.value}.wav")
    assert path.stat().st_size < 20_000
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
    samples = np.frombuffer(read_cues()[cue], "<i2").astype(int)
    assert samples.size < 24_000 * 0.25
    assert 20 * np.log10(np.abs(samples).max() / 32768) < -20
    assert abs(samples[0]) < 10
    assert abs(samples[-1]) < 10


def test_they_are_what_the_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("making_cues", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for cue, pcm in read_cues().items():
        made = np.frombuffer(script.cue(script.NOTES[cue.value]), "<i2").astype(int)
        assert np.abs(made - np.frombuffer(pcm, "<i2")).max() <= 1


@pytest.mark.parametrize("cue", list(Cue), ids=lambda cue: cue.value)
@pytest.mark.parametrize("gain_db", [24, 0, -20], ids=lambda db: f"{db}dB")
def test_no_detector_of_voices_takes_it_for_speech(cue: Cue, gain_db: int) -> None:
    """Even as loud as speech, and in a room's noise: hands-free, the microphone may well hear it."""
    detector = SileroVoiceActivity()
    noise = np.random.default_rng(1).normal(0, 1e-3, 24_000)
    sound = np.frombuffer(read_cues()[cue], "<i2") / 32768 * 10 ** (gain_db / 20)
    noise[6_000 : 6_000 + sound.size] += sound
    heard = soxr.resample(noise.astype(np.float32), 24_000, 16_000)
    size = detector.frame_samples
    likely = [detector.probability(heard[at : at + size]) for at in range(0, heard.size - size, size)]
    assert max(likely) < 0.35, "a turn begins at 0.5, a suspicion at 0.4"
