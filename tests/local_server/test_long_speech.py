"""A speech of any length: recognised in pieces, none twice for good, and each request short.

The pure tests number the frames of what is said, so that an ear can tell which it was given.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pytest
import soxr
from websockets.asyncio.client import connect

from desktop_app.local_server.engines import RECOGNITION_RATE_HZ, SPEECH_RATE_HZ, Samples, SpeechToText
from desktop_app.local_server.engines.scripted import VOICES, ScriptedEars, scripted_engines
from desktop_app.local_server.engines.silero import SileroVoiceActivity
from desktop_app.local_server.engines.whisper import Whisper
from desktop_app.local_server.models import Weights
from desktop_app.local_server.orders import (
    Detected,
    DetectionUnavailable,
    DropRecognition,
    NotUnderstood,
    Order,
    Recognise,
    Understood,
)
from desktop_app.local_server.pipeline import Engines, Slot
from desktop_app.local_server.server import MODEL, LocalServer
from desktop_app.protocol import events as wire
from desktop_app.protocol.session_config import ServerVad
from tests.bench.speech import WEIGHTS, load_clips, word_errors
from tests.local_server.talk import BYTES_PER_MS, FRAME_MS, TRANSCRIPTION, Talk

VAD = ServerVad(silence_duration_ms=700)
FRAME_SAMPLES = round(FRAME_MS * BYTES_PER_MS / 2)
LONGEST_S = 21.0
"""The longest piece, and half a second before it."""


@dataclass
class Hall(Talk):
    """A conversation whose frames are numbered; the ear hears a word for each frame of voice."""

    detection: ServerVad | None = None
    prompt: bool = True
    """Whether the ear answers at once."""

    def __post_init__(self) -> None:
        super().__init__()
        self.update(detection=self.detection)
        self.forget()
        self.voiced: dict[int, None] = {}
        """The numbers of the frames of voice, in order."""
        self.answered: set[int] = set()
        """The jobs that were answered."""
        self.frames = 0
        self.looked_at: Order | None = None
        self.detects = True

    def hear(self, ms: float, probability: float) -> Self:
        """Append numbered frames."""
        for _ in range(round(ms / FRAME_MS)):
            self.frames += 1
            if probability > 0.5:
                self.voiced[self.frames] = None
            self.do(wire.InputAudioBufferAppend(audio=np.full(FRAME_SAMPLES, self.frames, "<i2").tobytes()))
            if self.detects:
                self.do(Detected((probability,), FRAME_MS))
            if self.prompt and self.orders and self.orders[-1] is not self.looked_at:
                self.looked_at = self.orders[-1]
                self.answer_all()
        return self

    def answer_all(self) -> Self:
        """Let all that is asked for be understood; what was dropped is not."""
        for order in self.open():
            self.answered.add(order.job)
            self.do(Understood(order.job, self.words_in(order)))
        return self

    def open(self) -> list[Recognise]:
        """Return what was asked for and not dropped."""
        done = self.answered | {order.job for order in self.ordered(DropRecognition)}
        return [order for order in self.ordered(Recognise) if order.job not in done]

    def words_in(self, order: Recognise) -> str:
        """Return a word for each frame of voice of which at least half is there."""
        numbers, counts = np.unique(np.frombuffer(order.audio, "<i2"), return_counts=True)
        heard = [int(n) for n, count in zip(numbers, counts, strict=True) if count * 2 >= FRAME_SAMPLES]
        return " ".join(f"w{n}" for n in heard if n in self.voiced)

    def phrases(self, seconds: float, *, pause_ms: float = 352) -> Self:
        """Speak so long, with a pause every three seconds."""
        for _ in range(round(seconds / 3)):
            self.speech(3000 - pause_ms).silence(pause_ms)
        return self

    def commit(self) -> Self:
        self.do(wire.InputAudioBufferCommit())
        return self

    def finals(self) -> list[Recognise]:
        return [order for order in self.ordered(Recognise) if not order.draft]

    def transcript(self) -> str:
        return self.last(wire.InputAudioTranscriptionCompleted).transcript

    def deltas(self) -> str:
        return "".join(event.delta or "" for event in self.of(wire.InputAudioTranscriptionDelta))

    def spoken(self) -> str:
        return " ".join(f"w{n}" for n in self.voiced)


def seconds_of(order: Recognise) -> float:
    return len(order.audio) / BYTES_PER_MS / 1000


def work(seconds: float) -> float:
    """Return how many seconds of audio are recognised in a speech of so many."""
    hall = Hall().phrases(seconds).commit()
    return sum(map(seconds_of, hall.ordered(Recognise)))


# --- pieces -------------------------------------------------------------------------------------


@pytest.mark.parametrize("detection", [None, VAD])
def test_each_request_is_short_and_every_word_is_heard_once(detection: ServerVad | None) -> None:
    hall = Hall(detection).phrases(66)
    if detection is None:
        hall.commit()
    else:
        hall.silence(800)
    hall.answer_all()
    assert max(map(seconds_of, hall.ordered(Recognise))) <= LONGEST_S
    assert hall.transcript() == hall.spoken()
    assert hall.deltas() == hall.spoken()
    assert len(hall.of(wire.InputAudioBufferCommitted)) == 1
    usage = hall.last(wire.InputAudioTranscriptionCompleted).usage
    assert isinstance(usage, wire.TranscriptionUsage)
    assert float(usage.seconds or 0) >= 65  # the item has its whole audio


def test_the_work_grows_with_the_length_and_not_with_its_square() -> None:
    assert work(144) < 4.5 * work(36)


@pytest.mark.parametrize("detects", [True, False])
def test_who_never_pauses_is_cut_all_the_same(detects: bool) -> None:
    hall = Hall()
    if not detects:
        hall.detects = False
        hall.do(DetectionUnavailable("There is no detector."))
    hall.speech(64_000).commit().answer_all()
    assert max(map(seconds_of, hall.ordered(Recognise))) <= LONGEST_S
    assert hall.transcript() == hall.spoken()


def test_a_buffer_that_comes_at_once_is_cut_too() -> None:
    hall = Hall()
    hall.do(DetectionUnavailable("There is no detector."))
    hall.do(wire.InputAudioBufferAppend(audio=bytes(90_000 * BYTES_PER_MS))).do(wire.InputAudioBufferCommit())
    assert max(map(seconds_of, hall.ordered(Recognise))) <= LONGEST_S
    kept = [order for order in hall.open() if not order.draft]
    assert sum(map(seconds_of, kept)) == pytest.approx(90)


def test_it_is_cut_where_it_is_quietest() -> None:
    hall = Hall()
    hall.do(DetectionUnavailable("There is no detector."))
    noise = np.random.default_rng(0).normal(0, 3000, 22 * SPEECH_RATE_HZ).astype("<i2")
    noise[15 * SPEECH_RATE_HZ : 15 * SPEECH_RATE_HZ + SPEECH_RATE_HZ // 2] = 0
    hall.do(wire.InputAudioBufferAppend(audio=noise.tobytes()))
    assert 15.1 < seconds_of(hall.finals()[0]) < 15.4


@pytest.mark.parametrize(
    ("spoken_ms", "pause_ms", "kept"),
    [(6_400, 640, False), (13_000, 192, False), (13_000, 384, True), (17_000, 192, True)],
)
def test_a_good_pause_ends_a_piece(spoken_ms: int, pause_ms: int, kept: bool) -> None:
    hall = Hall(prompt=False).speech(spoken_ms).silence(pause_ms)
    (guess,) = hall.finals()
    hall.speech(640)
    assert (DropRecognition(guess.job) not in hall.orders) is kept
    hall.commit()
    assert (seconds_of(hall.finals()[-1]) < 2) is kept


def test_a_long_silence_after_a_piece_is_not_recognised_again() -> None:
    hall = Hall().speech(3_200).silence(60_000).speech(3_200).commit().answer_all()
    assert hall.transcript() == hall.spoken()
    assert max(map(seconds_of, hall.ordered(Recognise))) < 5


def test_a_murmur_after_a_long_speech_costs_only_what_came_after_it() -> None:
    hall = Hall().speech(15_000).silence(320).hear(96, 0.35).silence(64)
    hall.forget()
    hall.commit()
    (rest,) = hall.finals()
    assert seconds_of(rest) < 1
    assert hall.answer_all().transcript() == hall.spoken()


# --- late, lost and unwanted ones ---------------------------------------------------------------


def test_the_transcript_waits_for_pieces_that_are_late() -> None:
    hall = Hall(prompt=False).phrases(30).speech(640).commit()
    first, second, rest = [order for order in hall.open() if not order.draft]
    for order in (rest, second):
        hall.do(Understood(order.job, hall.words_in(order)))
        assert not hall.of(wire.InputAudioTranscriptionCompleted)
    hall.do(Understood(first.job, hall.words_in(first), -0.9))
    assert hall.transcript() == hall.deltas() == hall.spoken()
    hall.do(Understood(first.job, "again"))
    assert len(hall.of(wire.InputAudioTranscriptionCompleted)) == 1


def test_no_draft_waits_behind_a_piece() -> None:
    hall = Hall(prompt=False).speech(13_000).silence(384)
    hall.forget()
    hall.speech(3_200)
    assert not hall.ordered(Recognise)


def test_cleared_speech_forgets_its_pieces() -> None:
    hall = Hall(prompt=False).speech(13_000).silence(384).speech(640)
    piece = hall.finals()[0]
    hall.do(wire.InputAudioBufferClear())
    assert DropRecognition(piece.job) in hall.orders
    hall.do(Understood(piece.job, "stale"))
    hall.forget()
    hall.speech(960).commit()
    hall.understood("Only this.")
    assert hall.transcript() == hall.deltas() == "Only this."


def test_the_next_turn_has_no_pieces_of_the_one_before() -> None:
    hall = Hall(VAD).phrases(30).silence(800).answer_all()
    hall.forget()
    hall.voiced.clear()
    hall.speech(960).silence(800).answer_all()
    assert hall.transcript() == hall.spoken()


def test_a_piece_that_fails_is_recognised_again_with_the_rest() -> None:
    hall = Hall(prompt=False).speech(13_000).silence(384).speech(640)
    hall.do(NotUnderstood(hall.finals()[0].job, "speech_recognition_unavailable", "It is being loaded."))
    hall.speech(30_000).commit().answer_all()
    assert seconds_of(hall.finals()[-1]) == pytest.approx(44, abs=0.5)
    assert hall.transcript() == hall.spoken()


def test_a_piece_that_fails_after_the_commit_fails_the_transcript_once() -> None:
    hall = Hall(prompt=False).speech(13_000).silence(384).speech(640).commit()
    piece, rest = [order for order in hall.open() if not order.draft]
    hall.do(NotUnderstood(piece.job, "server_error", "It broke."), Understood(rest.job, "rest"))
    assert len(hall.of(wire.InputAudioTranscriptionFailed)) == 1
    assert not hall.of(wire.InputAudioTranscriptionCompleted)


def test_a_deleted_item_drops_its_pieces_and_nobody_waits_for_them() -> None:
    hall = Hall(prompt=False).speech(13_000).silence(384).speech(640).commit()
    item_id = hall.last(wire.InputAudioBufferCommitted).item_id
    hall.ask()
    hall.do(wire.ConversationItemDelete(item_id=item_id))
    assert not hall.open()
    assert not hall.of(wire.InputAudioTranscriptionCompleted)


def test_a_piece_that_contradicts_its_drafts_does_not_end_the_deltas() -> None:
    hall = Hall(prompt=False).speech(640)
    for _ in range(2):
        (draft,) = [order for order in hall.open() if order.draft]
        hall.answered.add(draft.job)
        hall.do(Understood(draft.job, "watt")).speech(640)
    hall.speech(11_200).silence(384).speech(64).answer_all()
    hall.prompt = True
    hall.speech(3_200).commit().answer_all()
    assert hall.deltas().startswith("watt w423 w424 ")
    assert hall.transcript() == hall.spoken()


def test_whatever_happens_every_long_speech_has_one_transcript() -> None:
    for seed in range(30):
        dice = random.Random(seed)
        hall = Hall(dice.choice([None, VAD]), prompt=False)
        for _ in range(25):
            match dice.randrange(8):
                case 0 | 1 | 2:
                    hall.speech(dice.choice([640, 6_400, 13_000]))
                case 3 | 4:
                    hall.silence(dice.choice([192, 384, 960]))
                case 5:
                    hall.answer_all()
                case 6:
                    hall.do(wire.InputAudioBufferCommit())
                case _ if dice.random() < 0.2:
                    hall.do(wire.InputAudioBufferClear())
        hall.answer_all()
        committed = [event.item_id for event in hall.of(wire.InputAudioBufferCommitted)]
        told = [event.item_id for event in hall.of(wire.InputAudioTranscriptionCompleted)]
        assert sorted(told) == sorted(committed), seed


# --- over the socket ----------------------------------------------------------------------------


async def heard(engines: Engines, audio: Samples, *, faster: float) -> str:
    """Push to talk with a recording, so many times faster than it was spoken; return the transcript."""
    pcm = (
        (soxr.resample(audio, RECOGNITION_RATE_HZ, SPEECH_RATE_HZ) * 32767)
        .clip(-32768, 32767)
        .astype("<i2")
        .tobytes()
    )
    step = 100 * BYTES_PER_MS
    async with LocalServer(engines, token="t", voices=VOICES) as server:
        url, headers = f"{server.url}?model={MODEL}", {"Authorization": "Bearer t"}
        async with connect(url, additional_headers=headers, max_size=None, close_timeout=1) as socket:
            hears = {"turn_detection": None, "transcription": {"model": TRANSCRIPTION.model, "language": "en"}}
            session = {"type": "realtime", "audio": {"input": hears}}
            await socket.send(json.dumps({"type": "session.update", "session": session}))
            for start in range(0, len(pcm), step):
                chunk = base64.b64encode(pcm[start : start + step]).decode()
                await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": chunk}))
                await asyncio.sleep(0.1 / faster)
            await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
            async with asyncio.timeout(180):
                async for frame in socket:
                    event = json.loads(frame)
                    if event["type"] == "conversation.item.input_audio_transcription.completed":
                        return str(event["transcript"])
    raise AssertionError("the connection ended without a transcript")


async def test_the_engine_is_never_given_more_than_a_piece() -> None:
    ears = ScriptedEars("words")
    phrase = np.concatenate([np.full(42_000, 0.3), np.zeros(6_000)]).astype(np.float32)
    text = await heard(scripted_engines(ears=ears), np.tile(phrase, 22), faster=100)
    assert set(text.split()) == {"words"}
    assert len(text.split()) >= 4
    assert max(seconds for seconds, _, _ in ears.heard) <= LONGEST_S


@pytest.mark.weights
async def test_a_streamed_minute_is_understood_as_well_as_in_one_go() -> None:
    clips = {clip.name: clip for clip in load_clips()}
    names = ("two-cities", "austen-0870", "austen-0920", "kennedy", "austen-0890", "austen-0930")
    gap = np.zeros(6_400, np.float32)
    audio = np.concatenate([sound for name in names for sound in (clips[name].audio, gap)])
    spoken = " ".join(clips[name].text for name in names)
    weights = Weights(WEIGHTS)
    weights.fetch_now("whisper-base")
    whisper = await Whisper.load(weights.path("whisper-base"))
    try:
        whole = (await whisper.transcribe(audio, language="en")).text
        make: Callable[[], SileroVoiceActivity] = SileroVoiceActivity
        ears: Slot[SpeechToText] = Slot.of(whisper)
        engines = replace(scripted_engines(), voice_activity=Slot.of(make), speech_to_text=ears)
        streamed = await heard(engines, audio, faster=4)
    finally:
        whisper.close()
    assert word_errors([spoken], [streamed]) <= word_errors([spoken], [whole]) + 1.5
