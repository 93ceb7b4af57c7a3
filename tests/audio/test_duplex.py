"""The sound system that listens while it speaks: what passes, what is noted, what is told, and how it ends."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from desktop_app.audio.duplex import DUCKED, Cleaning, DuplexSound
from desktop_app.audio.echo_path import Samples
from desktop_app.audio.microphone import Microphone
from desktop_app.audio.pcm import WIRE, Format
from desktop_app.audio.speaker import Speaker
from desktop_app.audio.streams import Stream
from desktop_app.conversation.inputs import DuplexChanged, Input, MicBlock, MicClosed, OnsetHeard
from desktop_app.protocol.items import PartId
from tests.audio import rooms
from tests.audio.fake_sound import BLOCK_BYTES, FakeSound, FakeStream, until
from tests.audio.rooms import ROOMS, Sound, pcm16, scene, sound_of

HANDS_FREE = Cleaning(listens=True, gives_way=True)
PART = PartId("item", 0)


class Told:
    """A detector that finds a voice where it is told."""

    frame_samples = 512

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def probability(self, frame: Samples) -> float:
        assert frame.shape == (512,)
        return self._stage.probability

    def reset(self) -> None:
        pass


@dataclass
class Stage:
    """A duplex sound around one without sound."""

    under: FakeSound = field(default_factory=FakeSound)
    posted: list[Input] = field(default_factory=list)
    taken: bytearray = field(default_factory=bytearray)
    probability: float = 0.0
    wanted: Cleaning = field(default_factory=Cleaning)
    streams: list[Stream] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.duplex = DuplexSound(
            self.posted.append,
            sound=self.under,
            make_detector=lambda: Told(self),
            wanted=lambda: self.wanted,
            clock=self.under.clock,
        )

    def microphone(self, cleaning: Cleaning = HANDS_FREE) -> tuple[Stream, FakeStream]:
        """Open a microphone; return what its owner gets, and the device."""
        self.clean(cleaning)
        stream = self.duplex.open_input(None, 0.02, self.taken.extend, self.lost)
        self.streams.append(stream)
        stream.start()
        return stream, self.under.stream

    def clean(self, cleaning: Cleaning) -> None:
        """Want another cleaning."""
        self.wanted = cleaning
        self.duplex.look_again()

    def speaker(self, sound: bytes) -> tuple[Stream, FakeStream]:
        """Open a loudspeaker that plays this and then silence."""
        rest = bytearray(sound)

        def fill(out: memoryview, _now: float, _dac_at: float) -> None:
            block = bytes(rest[: len(out)])
            del rest[: len(out)]
            out[:] = block + bytes(len(out) - len(block))

        stream = self.duplex.open_output(None, 0.04, fill, lambda: None)
        stream.start()
        return stream, self.under.stream

    def lost(self) -> None:
        self.taken += b"lost"

    async def both(self, sound: Sound, *, speaker: FakeStream, microphone: FakeStream) -> None:
        """Let the loudspeaker play and the microphone record this, at the same time."""
        recorded, before = pcm16(sound), len(self.taken)
        for at in range(0, len(recorded) - BLOCK_BYTES + 1, BLOCK_BYTES):
            speaker.ask(ahead_s=0.04)
            self.under.clock.now += 0.02
            microphone.hear(recorded[at : at + BLOCK_BYTES])
            wanted = before + at - 4 * BLOCK_BYTES
            await until(lambda wanted=wanted: len(self.taken) >= wanted, 20)  # type: ignore[misc]


@pytest.fixture
async def stage() -> Iterator[Stage]:  # type: ignore[misc]
    made = Stage()
    yield made
    for stream in made.streams:
        stream.abort()
        stream.close()
    made.duplex.close()


def ears() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ear"]


def tone(seconds: float) -> Sound:
    return 0.1 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rooms.RATE_HZ)) / rooms.RATE_HZ)


def talking(seconds: float) -> Sound:
    lines = [rooms.person(name) for name in rooms.spoken_words() if name.startswith("austen")]
    return rooms.one_after_another(lines, seconds=seconds)


# --- what passes --------------------------------------------------------------------------------


async def test_with_push_to_talk_the_microphone_is_the_device_itself(stage: Stage) -> None:
    stream, device = stage.microphone(Cleaning())
    assert stream is device
    device.hear(b"abcd")
    assert bytes(stage.taken) == b"abcd"
    assert ears() == []


async def test_whoever_wants_no_cleaning_gets_what_was_captured(stage: Stage) -> None:
    stream, device = stage.microphone(Cleaning(listens=True, echo=False))
    device.hear(b"abcd", b"efgh")
    stream.abort()
    assert bytes(stage.taken) == b"abcdefgh"


async def test_without_a_canceller_nobody_is_heard_while_it_speaks(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    stream, microphone = stage.microphone()
    _, speaker = stage.speaker(pcm16(tone(1.0)))
    await stage.both(tone(4.0), speaker=speaker, microphone=microphone)
    stream.abort()
    await until(lambda: len(stage.posted) >= 2)
    assert [event.notice is None for event in stage.posted if isinstance(event, DuplexChanged)] == [False, True]
    heard = sound_of(bytes(stage.taken))
    assert not heard[rooms.RATE_HZ // 2 : rooms.RATE_HZ].any()
    assert rooms.power(heard[2 * rooms.RATE_HZ : 3 * rooms.RATE_HZ]) > 0.004


async def test_nobody_plays_so_everything_passes_a_little_later(stage: Stage) -> None:
    sound = tone(1.0)
    stream, device = stage.microphone()
    for at in range(0, sound.size, 480):
        device.hear(pcm16(sound[at : at + 480]))
        stage.under.clock.now += 0.02
    stream.abort()
    heard = sound_of(bytes(stage.taken))
    assert 0.9 * sound.size < heard.size <= sound.size + 1000
    assert np.sqrt(rooms.power(heard[4800:19200])) == pytest.approx(0.1 / np.sqrt(2), rel=0.1)


async def test_what_was_captured_is_delivered_before_the_device_stops(stage: Stage) -> None:
    stream, device = stage.microphone()
    for _ in range(50):
        device.hear(pcm16(tone(0.02)))
    stream.abort()
    assert len(stage.taken) >= 49 * BLOCK_BYTES


async def test_a_device_of_another_format_speaks_the_wires(stage: Stage) -> None:
    stage.under.format = Format(48_000, 2)
    stream, device = stage.microphone()
    assert (stream.format, device.format) == (WIRE, Format(48_000, 2))
    for _ in range(50):
        device.hear(bytes(960 * 4))
    stream.abort()
    assert abs(len(stage.taken) - 48_000) <= 2 * BLOCK_BYTES


async def test_the_way_it_is_cleaned_changes_while_it_is_open(stage: Stage) -> None:
    stream, device = stage.microphone()
    for cleaning in (HANDS_FREE, Cleaning(), HANDS_FREE, Cleaning(listens=True, echo=False, noise=True)):
        stage.clean(cleaning)
        for _ in range(20):
            device.hear(pcm16(tone(0.02)))
        await until(lambda: len(stage.taken) > 15 * BLOCK_BYTES)
        stage.taken.clear()
    stream.abort()


async def test_a_lost_device_is_told_after_what_it_delivered(stage: Stage) -> None:
    _, device = stage.microphone()
    device.hear(*[pcm16(tone(0.02))] * 5)
    device.vanish()
    await until(lambda: stage.taken.endswith(b"lost"))
    assert len(stage.taken) > 3 * BLOCK_BYTES


async def test_a_closed_microphone_leaves_no_thread(stage: Stage) -> None:
    stream, _ = stage.microphone()
    assert len(ears()) == 1
    stream.abort()
    stream.close()
    assert ears() == []


async def test_a_device_that_does_not_open_leaves_no_thread(stage: Stage) -> None:
    stage.under.missing = True
    stage.clean(HANDS_FREE)
    with pytest.raises(Exception, match="Nothing was found"):
        stage.duplex.open_input(None, 0.02, stage.taken.extend, stage.lost)
    assert ears() == []


# --- the echo -----------------------------------------------------------------------------------


async def test_what_the_loudspeaker_plays_is_not_sent(stage: Stage) -> None:
    made = scene(ROOMS[0], talking(6), delay_ms=120)
    stream, microphone = stage.microphone()
    _, speaker = stage.speaker(pcm16(made.far))
    await stage.both(made.microphone, speaker=speaker, microphone=microphone)
    stream.abort()
    sent = sound_of(bytes(stage.taken))
    last = slice(4 * rooms.RATE_HZ, round(5.5 * rooms.RATE_HZ))
    assert rooms.decibels(rooms.power(made.microphone[last])) - rooms.decibels(rooms.power(sent[last])) > 25


async def test_an_echo_that_stays_makes_it_half_duplex_and_says_why(stage: Stage) -> None:
    made = scene(ROOMS[0], talking(8), delay_ms=120, drift_ppm=4000)
    stream, microphone = stage.microphone()
    _, speaker = stage.speaker(pcm16(made.far))
    await stage.both(made.microphone, speaker=speaker, microphone=microphone)
    stream.abort()
    await until(lambda: len(stage.posted) >= 2)
    changes = [event for event in stage.posted if isinstance(event, DuplexChanged)]
    assert changes[0].notice is not None
    assert changes[0].notice.key == "duplex"
    assert changes[-1].notice is None, "and it is over with the microphone"
    assert not any(stage.taken[-2 * rooms.RATE_HZ : -rooms.RATE_HZ])


# --- somebody speaks ----------------------------------------------------------------------------


async def sounding(stage: Stage) -> tuple[Stream, FakeStream, Stream, FakeStream]:
    """Let the assistant speak to somebody who is silent, for long enough to be known."""
    far = talking(20)
    made = scene(ROOMS[0], far[: 5 * rooms.RATE_HZ], delay_ms=120)
    stream, microphone = stage.microphone()
    output, speaker = stage.speaker(pcm16(far))
    await stage.both(made.microphone, speaker=speaker, microphone=microphone)
    return stream, microphone, output, speaker


async def speak(stage: Stage, microphone: FakeStream, speaker: FakeStream, ms: int) -> None:
    """Let somebody be loud while the assistant speaks on."""
    sound = rooms.level_to(rooms.person("cards-003")[9600:], -20.0)
    await stage.both(sound[: ms * 24], speaker=speaker, microphone=microphone)


def loudness(pcm: bytes) -> float:
    return float(np.sqrt(rooms.power(sound_of(pcm))))


async def test_a_voice_ducks_the_loudspeaker_and_is_told(stage: Stage) -> None:
    stream, microphone, output, speaker = await sounding(stage)
    stage.probability = 0.9
    await speak(stage, microphone, speaker, 600)
    await until(lambda: OnsetHeard() in stage.posted)
    assert stage.posted.count(OnsetHeard()) == 1
    loud = [loudness(speaker.ask()) for _ in range(10)]
    before = sound_of(bytes(speaker.played[: 4 * 48_000]))
    assert max(loud[1:]) < DUCKED * np.max(np.abs(before)) + 0.01
    output.abort()
    output.start()
    assert max(loudness(speaker.ask()) for _ in range(100)) > max(loud[1:]), "the next reply is at full level"
    stream.abort()


async def test_a_cough_ducks_and_it_goes_on_at_full_level(stage: Stage) -> None:
    stream, microphone, _, speaker = await sounding(stage)
    stage.probability = 0.9
    await speak(stage, microphone, speaker, 100)
    stage.probability = 0.0
    await speak(stage, microphone, speaker, 600)
    stream.abort()
    assert OnsetHeard() not in stage.posted
    speaker.ask()
    assert max(loudness(speaker.ask()) for _ in range(200)) > 0.03


async def test_who_is_muted_ducks_nothing(stage: Stage) -> None:
    stream, microphone, _, speaker = await sounding(stage)
    stage.clean(Cleaning(listens=True, gives_way=False))
    stage.probability = 0.9
    played = len(speaker.played)
    await speak(stage, microphone, speaker, 600)
    stream.abort()
    assert OnsetHeard() not in stage.posted
    assert loudness(bytes(speaker.played[played:])) > 0.03


async def test_without_a_detector_the_echo_goes_all_the_same() -> None:
    def missing() -> Told:
        raise ImportError("no onnxruntime")

    stage = Stage()
    stage.duplex.make_detector = missing
    stream, device = stage.microphone()
    device.hear(*[pcm16(tone(0.02))] * 20)
    stream.abort()
    stream.close()
    assert len(stage.taken) > 15 * BLOCK_BYTES


# --- with those who use it ----------------------------------------------------------------------


async def test_speaker_and_microphone_work_with_it_as_with_any_other(stage: Stage) -> None:
    posted: list[Input] = []
    speaker = Speaker(posted.append, sound=stage.duplex, clock=stage.under.clock)
    microphone = Microphone(posted.append, sound=stage.duplex)
    stage.clean(HANDS_FREE)
    microphone.open()
    device = stage.under.stream
    device.hear(*[pcm16(tone(0.02))] * 30)
    await until(lambda: any(isinstance(event, MicBlock) for event in posted))
    speaker.play(PART, pcm16(tone(1)))
    output = stage.under.stream
    assert output.running
    assert any(output.ask(5))
    stage.under.clock.now += 0.06
    assert speaker.stop()[0].ms > 0
    assert not output.running
    microphone.close()
    device.hear(*[pcm16(tone(0.02))] * 30)
    await until(lambda: MicClosed() in posted)
    assert device.closed
    speaker.close()
    microphone.shutdown()
    await asyncio.sleep(0)
    assert ears() == []
