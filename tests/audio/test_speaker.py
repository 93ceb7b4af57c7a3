"""Speaker: first with a device the test moves by hand, then on a real sound server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np
import pytest

from desktop_app.audio import speaker as speaker_module
from desktop_app.audio.devices import Device, Devices, Direction
from desktop_app.audio.pcm import Format
from desktop_app.audio.speaker import CALM_REPLIES, WAITS_S, Speaker
from desktop_app.audio.streams import Sound, SoundSystem
from desktop_app.conversation.inputs import (
    DeviceChanged,
    Heard,
    Input,
    PlaybackFinished,
    PlaybackStarted,
    SpeakerFailed,
)
from desktop_app.protocol.items import PartId
from tests.audio.fake_sound import FakeSound, until
from tests.harness.processes import wait_until
from tests.harness.sound import RATE_HZ, Recorder, VirtualSound

A = PartId("item_a")
B = PartId("item_b")


def pcm(ms: int, value: int = 1) -> bytes:
    return np.full(ms * 24, value, "<i2").tobytes()


class Stage:
    """A speaker on a fake device, and what it posted."""

    def __init__(self, device: str | None = None) -> None:
        self.sound = FakeSound()
        self.posted: list[Input] = []
        self.speaker = Speaker(self.posted.append, sound=self.sound, device=device, clock=self.sound.clock)

    @property
    def told(self) -> list[str]:
        """Return what was said of devices."""
        notices = [event.notice for event in self.posted if isinstance(event, DeviceChanged)]
        return [f"{notice.text} {notice.hint}" for notice in notices]


SPEAKERS = Devices(outputs=(Device("Speakers", Direction.OUTPUT, is_default=True),))
BOTH = Devices(outputs=(*SPEAKERS.outputs, Device("Headset", Direction.OUTPUT)))


@pytest.fixture
async def stage_of_headset() -> AsyncIterator[Stage]:
    stage = Stage("Headset")
    yield stage
    stage.speaker.close()
    assert all(stream.closed for stream in stage.sound.streams)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    stage.speaker.close()
    assert all(stream.closed for stream in stage.sound.streams)


async def test_enough_audio_starts_the_device_at_once(stage: Stage) -> None:
    stage.speaker.play(A, pcm(300))
    assert stage.sound.stream.running
    assert stage.sound.stream.ask(2) == pcm(40)
    await until(lambda: stage.posted == [PlaybackStarted(A)])


async def test_a_little_audio_starts_the_device_when_it_has_waited_long_enough(stage: Stage) -> None:
    stage.speaker.play(A, pcm(40))
    assert not stage.sound.streams
    stage.sound.clock.now += 1
    await until(lambda: stage.sound.streams and stage.sound.stream.running)
    assert stage.sound.stream.ask(2) == pcm(40)


async def test_a_short_complete_reply_starts_at_once(stage: Stage) -> None:
    stage.speaker.play(A, pcm(20))
    stage.speaker.end(A)
    assert stage.sound.stream.ask() == pcm(20)


async def test_a_reply_is_finished_when_it_was_heard_and_the_device_then_rests(stage: Stage) -> None:
    stage.speaker.play(A, pcm(100))
    stage.speaker.end(A)
    stage.sound.stream.run(7)  # at 120 ms the callback knows of 80 ms heard
    await asyncio.sleep(0)
    assert PlaybackFinished(A) not in stage.posted
    stage.sound.stream.run(2)
    await until(lambda: stage.posted == [PlaybackStarted(A), PlaybackFinished(A)])
    await until(lambda: not stage.sound.stream.running)
    assert not stage.sound.stream.closed, "it is ready for the next reply"
    stage.speaker.play(B, pcm(300))
    assert stage.sound.stream.running
    assert len(stage.sound.streams) == 1


async def test_an_unused_device_is_given_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker_module, "IDLE_S", 0.0)
    stage.speaker.prepare()
    await until(lambda: stage.sound.stream.closed)


async def test_stop_silences_the_device_and_tells_what_was_heard(stage: Stage) -> None:
    stage.speaker.play(A, pcm(100))
    stage.speaker.end(A)
    stage.speaker.play(B, pcm(500))
    stage.sound.stream.run(5)
    heard = stage.speaker.stop()
    assert not stage.sound.stream.running
    # 100 ms of device time less the 40 it holds, and half a period that still sounds.
    assert heard == (Heard(A, 65), Heard(B, 0))
    assert stage.speaker.stop() == ()


async def test_what_ended_before_a_stop_is_told_before_it(stage: Stage) -> None:
    stage.speaker.play(A, pcm(20))
    stage.speaker.end(A)
    stage.speaker.play(B, pcm(500))
    stage.sound.stream.run(5)
    assert stage.posted == []
    stage.speaker.stop()
    assert stage.posted == [PlaybackStarted(A), PlaybackStarted(B), PlaybackFinished(A)]


async def test_nothing_of_a_stopped_reply_sounds_with_the_next(stage: Stage) -> None:
    stage.speaker.play(A, pcm(500, 1))
    stage.sound.stream.run(5)
    stage.speaker.stop()
    stage.speaker.play(B, pcm(300, 2))
    assert stage.sound.stream.ask(5) == pcm(100, 2)


async def test_a_device_of_another_format_gets_converted_audio(stage: Stage) -> None:
    stage.sound.format = Format(48_000, 2)
    stage.speaker.prepare()
    stage.speaker.play(A, pcm(300, 1000))
    got = np.frombuffer(stage.sound.stream.ask(20), "<i2").reshape(-1, 2)
    assert (got[:, 0] == got[:, 1]).all()
    assert np.abs(got[2000:8000] - 1000).max() <= 2


async def test_level_follows_what_is_played(stage: Stage) -> None:
    stage.speaker.play(A, pcm(300, 20_000))
    stage.sound.stream.ask()
    assert stage.speaker.level > 0.8
    stage.speaker.stop()
    assert stage.speaker.level == 0.0


async def test_a_device_that_ran_dry_is_opened_deeper_for_the_next_reply(stage: Stage) -> None:
    stage.speaker.play(A, pcm(500))
    stage.sound.stream.run(5)
    stage.sound.stream.underflows = 1
    stage.speaker.stop()
    stage.speaker.play(B, pcm(500))
    assert stage.sound.latencies == [0.03, 0.06]


async def test_after_calm_replies_the_depth_is_taken_back(stage: Stage) -> None:
    def reply(number: int, underflows: int = 0) -> None:
        stage.speaker.play(PartId(f"item_{number}"), pcm(500))
        stage.sound.stream.underflows = underflows
        stage.speaker.stop()

    for number in range(3):
        reply(number, underflows=1)
    assert stage.sound.latencies == [0.03, 0.06, 0.12]  # and no deeper
    for number in range(CALM_REPLIES - 1):
        reply(number)
    stage.speaker.stop()  # nothing was played: that tells nothing
    reply(1, underflows=1)
    assert stage.sound.latencies == [0.03, 0.06, 0.12]
    for number in range(3 * CALM_REPLIES):
        reply(number)
    assert stage.sound.latencies == [0.03, 0.06, 0.12, 0.06, 0.03]


# --- without a device ---------------------------------------------------------------------------


async def test_no_device_is_told_with_what_was_heard_and_the_rest_of_the_reply_is_dropped(stage: Stage) -> None:
    stage.sound.missing = True
    stage.speaker.play(A, pcm(300))
    stage.speaker.play(A, pcm(300))
    stage.speaker.end(A)
    failed = stage.posted[0]
    assert isinstance(failed, SpeakerFailed)
    assert failed.heard == (Heard(A, 0),)
    assert failed.notice.text == "Nothing was found."
    assert failed.notice.hint
    assert len(stage.posted) == 1


async def test_the_next_reply_tries_the_device_again(stage: Stage) -> None:
    stage.sound.missing = True
    stage.speaker.play(A, pcm(300))
    stage.sound.missing = False
    stage.speaker.play(B, pcm(300))
    assert stage.sound.stream.ask() == pcm(20)


async def test_prepare_without_a_device_says_nothing_yet(stage: Stage) -> None:
    stage.sound.missing = True
    stage.speaker.prepare()
    assert stage.posted == []


async def test_a_lost_device_is_replaced_and_the_reply_goes_on_from_what_was_heard(stage: Stage) -> None:
    whole = np.arange(1, 24 * 500 + 1, dtype="<i2").tobytes()
    stage.speaker.play(A, whole)
    stage.sound.stream.run(5)  # at 100 ms 60 are heard, 40 are in the device
    stage.sound.stream.vanish()
    await until(lambda: len(stage.sound.streams) == 2 and stage.sound.stream.running)
    assert stage.sound.streams[0].closed
    assert stage.sound.stream.ask(2) == whole[60 * 48 : 100 * 48]
    assert not any(isinstance(event, SpeakerFailed) for event in stage.posted)


async def test_a_lost_device_that_is_not_replaced_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker_module, "RETRY_S", (0.0, 0.01))
    stage.speaker.play(A, pcm(500))
    stage.sound.stream.run(5)
    stage.sound.missing = True
    stage.sound.stream.vanish()
    await until(lambda: stage.sound.refreshed >= 4)
    assert stage.told == [
        "The loudspeaker went away. Connect one, and the answer goes on where you heard it last.",
    ], "once"
    assert stage.speaker.heard() == (Heard(A, 60),)
    stage.sound.clock.now += WAITS_S
    await until(lambda: isinstance(stage.posted[-1], SpeakerFailed))
    failed = stage.posted[-1]
    assert isinstance(failed, SpeakerFailed)
    assert failed.heard == (Heard(A, 60),)


async def test_an_answer_waits_and_goes_on_as_soon_as_there_is_a_device(stage: Stage) -> None:
    whole = np.arange(1, 24 * 500 + 1, dtype="<i2").tobytes()
    stage.speaker.devices_changed(SPEAKERS)
    stage.speaker.play(A, whole)
    stage.sound.stream.run(5)
    stage.sound.missing = True
    stage.speaker.devices_changed(Devices())
    stage.sound.stream.vanish()  # the device itself tells it, too
    await until(lambda: stage.told)
    stage.sound.missing = False
    stage.speaker.devices_changed(SPEAKERS)
    await until(lambda: stage.sound.stream.running)
    assert stage.sound.stream.ask(2) == whole[60 * 48 : 100 * 48]
    assert stage.told[-1] == "The loudspeaker “Speakers” is back. It is used again."
    assert len(stage.told) == 2


@pytest.mark.parametrize("formats", [(24_000, 1), (48_000, 2), (44_100, 1), (8_000, 8)])
async def test_the_answer_goes_on_with_the_device_that_stands_in(formats: tuple[int, int]) -> None:
    stage = Stage("Headset")
    stage.speaker.devices_changed(BOTH)
    stage.speaker.play(A, pcm(1000, 5000))
    stage.speaker.end(A)
    stage.sound.stream.run(5)
    stage.sound.refused = {"Headset"}
    stage.sound.format = Format(*formats)
    stage.sound.stream.vanish()
    await until(lambda: len(stage.sound.streams) == 2)
    assert stage.sound.asked == ["Headset", None]
    assert stage.told == ["The loudspeaker “Headset” went away. The answer goes on with “Speakers”."]
    stage.sound.stream.run(10)
    (heard,) = stage.speaker.stop()
    assert heard.ms == pytest.approx(60 + 160 + 5, abs=1), "both devices count"
    stage.speaker.close()


async def test_the_wanted_device_is_taken_again_after_the_answer(stage_of_headset: Stage) -> None:
    stage = stage_of_headset
    stage.speaker.devices_changed(SPEAKERS)
    stage.speaker.play(A, pcm(500))
    stage.speaker.devices_changed(BOTH)
    stage.sound.stream.run(3)
    assert stage.sound.asked == [None], "not while it sounds"
    stage.speaker.stop()
    assert stage.sound.asked == [None, "Headset"]
    assert stage.told[-1] == "The loudspeaker “Headset” is back. It is used again."
    stage.speaker.play(B, pcm(500))
    assert stage.sound.stream.ask() == pcm(20)
    assert len(stage.told) == 2


async def test_the_wanted_device_is_taken_at_once_if_nothing_sounds(stage_of_headset: Stage) -> None:
    stage = stage_of_headset
    stage.speaker.devices_changed(SPEAKERS)
    stage.speaker.prepare()
    stage.speaker.devices_changed(BOTH)
    assert stage.sound.asked == [None, "Headset"]


async def test_a_stream_the_server_moved_is_not_touched_while_it_sounds(stage_of_headset: Stage) -> None:
    stage = stage_of_headset
    stage.speaker.devices_changed(replace(BOTH, moves_streams=True))
    stage.speaker.play(A, pcm(500))
    stage.sound.stream.run(5)
    stage.speaker.devices_changed(replace(SPEAKERS, moves_streams=True))
    assert stage.told == ["The loudspeaker “Headset” went away. The answer goes on with “Speakers”."]
    assert stage.sound.stream.running
    assert len(stage.sound.streams) == 1
    stage.speaker.stop()
    assert stage.sound.asked == ["Headset", None], "but not started again: it would look for the headset"


async def test_a_device_chosen_in_mid_answer_takes_over_from_what_was_heard(stage: Stage) -> None:
    whole = np.arange(1, 24 * 500 + 1, dtype="<i2").tobytes()
    stage.speaker.play(A, whole)
    stage.sound.stream.run(5)
    stage.speaker.use("Headset")
    await until(lambda: len(stage.sound.streams) == 2 and stage.sound.stream.running)
    assert stage.sound.asked == [None, "Headset"]
    assert stage.sound.stream.ask(2) == whole[65 * 48 : 105 * 48], "the device plays its last 5 ms to their end"
    assert stage.told == []


async def test_a_prepared_stream_that_gave_way_is_replaced(stage: Stage) -> None:
    stage.speaker.prepare()
    stage.sound.stream.close()
    stage.sound.stream.lost()
    stage.sound.stream.closed = False  # closed once more by its owner, which is harmless
    await until(lambda: stage.sound.streams[0].closed)
    stage.speaker.play(A, pcm(500))
    assert stage.sound.stream.ask() == pcm(20)


async def test_stop_while_a_lost_device_is_sought_ends_the_search(stage: Stage) -> None:
    stage.speaker.play(A, pcm(500))
    stage.sound.stream.run(5)
    stage.sound.stream.vanish()
    await asyncio.sleep(0)
    assert stage.speaker.stop() == (Heard(A, 60),)
    await asyncio.sleep(0.05)
    assert len(stage.sound.streams) == 1


async def test_a_stream_that_was_stopped_is_not_lost(stage: Stage) -> None:
    stage.speaker.play(A, pcm(500))
    first = stage.sound.stream
    stage.speaker.stop()
    stage.speaker.close()
    first.lost()
    await asyncio.sleep(0.02)
    assert stage.posted == []


# --- a real sound server ------------------------------------------------------------------------


@pytest.fixture
def recorder(sound: VirtualSound) -> Iterator[Recorder]:
    with sound.record() as recorder:
        yield recorder


def speech(ms: int) -> bytes:
    """Return noise that is nowhere exactly silent."""
    noise = np.random.default_rng(ms).integers(500, 9000, ms * 24) * np.random.default_rng(1).choice(
        (-1, 1), ms * 24
    )
    pcm: bytes = noise.astype("<i2").tobytes()
    return pcm


async def quiet(recorder: Recorder) -> None:
    await asyncio.to_thread(recorder.wait_for_silence, 0.3)


def sounding(recorder: Recorder, after_s: float = 0) -> bytes:
    samples = recorder.samples[max(0, recorder.index_at(after_s)) if after_s else 0 :]
    pcm: bytes = samples[np.flatnonzero(samples)].tobytes()
    return pcm


@pytest.mark.sound
@pytest.mark.parametrize("ms", [20, 100, 400])
async def test_a_short_reply_is_heard_whole(recorder: Recorder, ms: int) -> None:
    posted: list[Input] = []
    speaker = Speaker(posted.append, sound=SoundSystem())
    reply = speech(ms)
    speaker.play(A, reply)
    speaker.end(A)
    await until(lambda: PlaybackFinished(A) in posted)
    await quiet(recorder)
    speaker.close()
    assert sounding(recorder) == reply


@pytest.mark.sound
async def test_a_stall_loses_nothing_and_is_not_counted(recorder: Recorder) -> None:
    posted: list[Input] = []
    speaker = Speaker(posted.append, sound=SoundSystem())
    reply = speech(600)
    speaker.play(A, reply[: 300 * 48])
    await until(lambda: speaker.heard() == (Heard(A, 300),))
    await asyncio.sleep(0.3)
    assert speaker.heard() == (Heard(A, 300),)
    speaker.play(A, reply[300 * 48 :])
    speaker.end(A)
    await until(lambda: PlaybackFinished(A) in posted)
    await quiet(recorder)
    speaker.close()
    assert sounding(recorder) == reply


@pytest.mark.sound
@pytest.mark.parametrize("after_s", [0.15, 0.63])
async def test_stop_is_silent_at_once_and_tells_the_truth(recorder: Recorder, after_s: float) -> None:
    speaker = Speaker(lambda _: None, sound=SoundSystem())
    speaker.play(A, speech(5000))
    await asyncio.to_thread(recorder.wait_for_sound)
    await asyncio.sleep(after_s)
    ordered = time.monotonic()
    heard = speaker.stop()
    await quiet(recorder)
    speaker.close()
    last = recorder.last_sound(threshold=0)
    assert last is not None
    assert last - ordered < 0.030
    assert heard[0].ms == pytest.approx(len(sounding(recorder)) / 48, abs=20)


@pytest.mark.sound
async def test_reply_after_reply_each_is_heard_from_its_first_sample(recorder: Recorder) -> None:
    speaker = Speaker(lambda _: None, sound=SoundSystem())
    speaker.play(A, speech(2000))
    await asyncio.to_thread(recorder.wait_for_sound)
    speaker.stop()
    await quiet(recorder)
    asked = time.monotonic() - 0.05
    speaker.play(B, speech(1000))
    began = await asyncio.to_thread(recorder.wait_for_sound, asked)
    await until(lambda: len(sounding(recorder, asked)) > 9600)
    speaker.close()
    assert began - asked < 0.050 + 0.080
    assert sounding(recorder, asked)[:9600] == speech(1000)[:9600]


@pytest.mark.sound
async def test_a_server_that_dies_and_returns_goes_on_with_the_reply(sound: VirtualSound) -> None:
    posted: list[Input] = []
    speaker = Speaker(posted.append, sound=SoundSystem())
    speaker.play(A, speech(3000))
    speaker.end(A)
    await until(lambda: speaker.heard()[0].ms > 300)
    sound.kill_server()
    sound.start_server()
    with sound.record() as recorder:
        await until(lambda: PlaybackFinished(A) in posted, 10)
        await quiet(recorder)
    speaker.close()
    rest = np.frombuffer(speech(3000), "<i2")[-RATE_HZ // 10 :].tobytes()
    assert sounding(recorder).endswith(rest)
    assert not any(isinstance(event, SpeakerFailed) for event in posted)


@pytest.mark.sound
async def test_a_device_chosen_by_name_is_the_one_that_sounds(sound: VirtualSound) -> None:
    sound.add_sink("second_speaker", rate_hz=RATE_HZ, channels=1)
    try:
        with sound.record("second_speaker.monitor") as second, sound.record() as first:
            system: Sound = SoundSystem()
            speaker = Speaker(lambda _: None, sound=system, device="second")
            speaker.play(A, speech(300))
            speaker.end(A)
            await asyncio.to_thread(second.wait_for_sound)
            await quiet(second)
            speaker.close()
            assert sounding(second) == speech(300)
            assert sounding(first) == b""
    finally:
        sound.remove("second_speaker")
        wait_until(lambda: "second_speaker" not in sound.pactl("list", "short", "sinks"), "the sink is gone")


# --- cues -----------------------------------------------------------------------------------------


async def test_a_cue_sounds_by_itself_and_lets_the_device_rest(stage: Stage) -> None:
    stage.speaker.cue(pcm(40, 300))
    assert stage.sound.stream.running
    stage.sound.stream.run(3)
    assert bytes(stage.sound.stream.played).startswith(pcm(40, 300))
    await until(lambda: not stage.sound.stream.running)
    assert not stage.posted, "it is nobody's audio"


async def test_the_device_does_not_rest_before_a_cue_was_taken(stage: Stage) -> None:
    stage.speaker.cue(pcm(20, 300))
    stage.speaker._rest()
    assert stage.sound.stream.running
    stage.sound.stream.run(2)
    await until(lambda: not stage.sound.stream.running)


async def test_a_cue_over_an_answer_changes_nothing_about_what_was_heard(stage: Stage) -> None:
    stage.speaker.play(A, pcm(300, 1000))
    stage.speaker.end(A)
    stage.sound.stream.run(2)
    stage.speaker.cue(pcm(20, 300))
    stage.sound.stream.run(2)
    assert max(np.frombuffer(bytes(stage.sound.stream.played), "<i2")) == 1300
    stage.sound.clock.now += 1.0
    assert stage.speaker.stop() == (Heard(A, 80),)


async def test_an_answer_that_comes_while_a_cue_sounds_is_played_by_the_same_stream(stage: Stage) -> None:
    stage.speaker.cue(pcm(40, 300))
    stage.speaker.play(A, pcm(300, 1000))
    stage.speaker.end(A)
    stage.sound.stream.run(20)
    await until(lambda: PlaybackFinished(A) in stage.posted)
    assert len(stage.sound.streams) == 1


async def test_without_a_loudspeaker_a_cue_is_left_out(stage: Stage) -> None:
    stage.sound.missing = True
    stage.speaker.cue(pcm(40, 300))
    assert not stage.posted
    assert not stage.sound.streams


async def test_half_the_volume_is_a_quarter_of_the_samples(stage: Stage) -> None:
    stage.speaker.set_volume(0.5)
    stage.speaker.play(A, pcm(300, 8000))
    stage.sound.stream.run(3)
    assert set(np.frombuffer(bytes(stage.sound.stream.played), "<i2")) == {2000}
