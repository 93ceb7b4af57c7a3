"""Microphone: first with a device the test moves by hand, then on a real sound server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from desktop_app.audio import microphone as microphone_module
from desktop_app.audio.devices import Device, Devices, Direction
from desktop_app.audio.microphone import PAUSE_MS, SILENCE_MS, TAIL_MS, Microphone
from desktop_app.audio.pcm import WIRE, Format
from desktop_app.audio.streams import SoundSystem
from desktop_app.conversation.inputs import (
    DeviceChanged,
    Input,
    MicBlock,
    MicClosed,
    MicFailed,
    MicFound,
    MicStarted,
)
from tests.audio.fake_sound import BLOCK_BYTES, FakeSound, until
from tests.harness.sound import VirtualSound

ZEROS = bytes(BLOCK_BYTES)
TAIL_BLOCKS = TAIL_MS // 20


def block(value: int) -> bytes:
    return np.full(480, value, "<i2").tobytes()


def blocks(*values: int) -> list[Input]:
    return [MicBlock(block(value)) for value in values]


class Stage:
    """A microphone on a fake device, and what it posted."""

    def __init__(self, *, warm: bool = False, told_after_ms: int = 0, device: str | None = None) -> None:
        self.sound = FakeSound()
        self.posted: list[Input] = []
        self.microphone = Microphone(
            self.posted.append, sound=self.sound, device=device, warm=warm, told_after_ms=told_after_ms
        )

    def hear(self, *values: int) -> None:
        """Deliver blocks of these values."""
        self.sound.stream.hear(*(block(value) for value in values))

    async def told(self, *wanted: Input) -> None:
        """Wait until this was posted, and nothing else."""
        await until(lambda: len(self.posted) >= len(wanted))
        assert self.posted == list(wanted)
        self.posted.clear()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    stage.microphone.shutdown()
    assert all(stream.closed for stream in stage.sound.streams)


@pytest.fixture
async def warm() -> AsyncIterator[Stage]:
    stage = Stage(warm=True)
    stage.microphone.prepare()
    yield stage
    stage.microphone.shutdown()
    assert all(stream.closed for stream in stage.sound.streams)


# --- a talk -------------------------------------------------------------------------------------


async def test_a_talk_is_started_blocks_in_order_tail_closed(stage: Stage) -> None:
    stage.microphone.open()
    stage.hear(1, 2, 3)
    await stage.told(MicStarted(), *blocks(1, 2, 3))
    stage.microphone.close()
    tail = range(4, 4 + TAIL_BLOCKS)
    stage.hear(*tail, 99)
    await stage.told(*blocks(*tail), MicClosed())
    assert stage.sound.stream.closed


async def test_what_was_captured_before_the_release_is_not_part_of_the_tail(stage: Stage) -> None:
    stage.microphone.open()
    stage.hear(1, 2, 3)
    stage.microphone.close()  # the loop had no time yet to take the three
    stage.hear(*range(4, 4 + TAIL_BLOCKS))
    await stage.told(MicStarted(), *blocks(*range(1, 4 + TAIL_BLOCKS)), MicClosed())


async def test_the_tail_of_a_slow_device_is_longer(stage: Stage) -> None:
    stage.microphone.open()
    stage.sound.stream.latency_s = 0.2
    stage.microphone.close()
    stage.hear(*range(1, 30))
    await stage.told(MicStarted(), *blocks(*range(1, 15)), MicClosed())  # 280 ms


async def test_the_tail_counts_from_the_key_when_close_comes_later() -> None:
    stage = Stage(told_after_ms=40)
    stage.microphone.open()
    stage.microphone.close()
    tail = range(1, 1 + TAIL_BLOCKS - 2)
    stage.hear(*tail, 99)
    await stage.told(MicStarted(), *blocks(*tail), MicClosed())
    stage.microphone.shutdown()


@pytest.mark.parametrize(("latency_s", "beside_ms"), [(0.02, 140), (0.2, 80)])
async def test_the_end_tells_how_much_was_captured_with_the_key_up(
    stage: Stage, latency_s: float, beside_ms: int
) -> None:
    stage.microphone.open()
    stage.sound.stream.latency_s = latency_s
    stage.microphone.close()
    stage.hear(*range(1, 30))
    await until(lambda: MicClosed() in stage.posted)
    assert [event.beside_ms for event in stage.posted if isinstance(event, MicClosed)] == [beside_ms]


async def test_a_talk_ends_though_the_device_delivers_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone_module, "PATIENCE_S", 0.0)
    stage.microphone.open()
    stage.microphone.close()
    await stage.told(MicClosed())
    assert stage.sound.stream.closed


async def test_closing_twice_or_without_a_talk_does_nothing(stage: Stage) -> None:
    stage.microphone.close()
    stage.microphone.open()
    stage.microphone.open()
    stage.microphone.close()
    stage.microphone.close()
    stage.hear(*range(1, 1 + TAIL_BLOCKS))
    await stage.told(MicStarted(), *blocks(*range(1, 1 + TAIL_BLOCKS)), MicClosed())
    assert len(stage.sound.streams) == 1


async def test_nothing_of_one_talk_comes_in_the_next(stage: Stage) -> None:
    stage.microphone.open()
    stage.microphone.close()
    first = stage.sound.stream
    stage.hear(*range(1, 1 + TAIL_BLOCKS))
    await until(lambda: stage.posted and stage.posted[-1] == MicClosed())
    stage.posted.clear()
    first.hear(block(99))  # a callback that was running when the stream was closed
    stage.microphone.open()
    stage.hear(1)
    await stage.told(MicStarted(), *blocks(1))


async def test_pressing_again_in_the_tail_ends_the_talk_and_loses_no_sample(stage: Stage) -> None:
    stage.microphone.open()
    stage.hear(1)
    stage.microphone.close()
    stage.hear(2, 3)
    stage.microphone.open()
    assert stage.posted == [MicStarted(), *blocks(1, 2, 3), MicClosed()]
    stage.hear(4, 5)
    stage.posted.clear()
    await stage.told(MicStarted(), *blocks(4, 5))
    assert len(stage.sound.streams) == 1


async def test_pressing_again_when_the_whole_tail_waits_to_be_taken_loses_no_sample(stage: Stage) -> None:
    stage.microphone.open()
    stage.microphone.close()
    stage.hear(*range(1, 3 + TAIL_BLOCKS))
    stage.microphone.open()
    stage.hear(50)
    await until(lambda: stage.posted and stage.posted[-1] == MicBlock(block(50)))
    got = [event for event in stage.posted if isinstance(event, MicBlock)]
    assert got == blocks(*range(1, 3 + TAIL_BLOCKS), 50)
    assert stage.posted.count(MicClosed()) == 1


async def test_level_is_that_of_the_talk(stage: Stage) -> None:
    assert stage.microphone.level == 0.0
    stage.microphone.open()
    stage.hear(20_000)
    await until(lambda: stage.microphone.level > 0.8)


# --- the first real sample ----------------------------------------------------------------------


async def test_zeros_of_a_device_that_wakes_up_are_not_the_start_but_not_lost(stage: Stage) -> None:
    stage.microphone.open()
    stage.sound.stream.hear(ZEROS, ZEROS)
    await asyncio.sleep(0)
    assert stage.posted == []
    stage.hear(7)
    await stage.told(MicStarted(), MicBlock(ZEROS), MicBlock(ZEROS), *blocks(7))


async def test_a_microphone_with_nothing_but_zeros_starts_after_a_while(stage: Stage) -> None:
    stage.microphone.open()
    stage.sound.stream.hear(*[ZEROS] * (SILENCE_MS // 20 - 1))
    await asyncio.sleep(0)
    assert stage.posted == []
    stage.sound.stream.hear(ZEROS)
    await stage.told(MicStarted(), *[MicBlock(ZEROS)] * (SILENCE_MS // 20))


async def test_a_short_talk_of_zeros_is_delivered_at_its_end(stage: Stage) -> None:
    stage.microphone.open()
    stage.microphone.close()
    stage.sound.stream.hear(*[ZEROS] * TAIL_BLOCKS)
    await stage.told(MicStarted(), *[MicBlock(ZEROS)] * TAIL_BLOCKS, MicClosed())


# --- warm ---------------------------------------------------------------------------------------


async def test_warm_a_talk_begins_with_what_was_said_just_before(warm: Stage) -> None:
    warm.hear(*range(1, 101))
    warm.microphone.open()
    assert warm.posted == [MicStarted(), *blocks(*range(86, 101))]  # 300 ms
    warm.hear(101)
    await until(lambda: warm.posted[-1] == MicBlock(block(101)))


async def test_warm_what_was_said_before_was_captured_with_the_key_up(warm: Stage) -> None:
    warm.hear(*range(1, 6))
    warm.microphone.open()
    warm.sound.stream.latency_s = 0.02
    warm.microphone.close()
    warm.hear(*range(6, 6 + TAIL_BLOCKS))
    await until(lambda: MicClosed() in warm.posted)
    assert [event.beside_ms for event in warm.posted if isinstance(event, MicClosed)] == [100 + 140]


async def test_warm_the_next_talk_repeats_nothing(warm: Stage) -> None:
    warm.microphone.open()
    warm.microphone.close()
    warm.hear(*range(1, 3 + TAIL_BLOCKS))
    await until(lambda: MicClosed() in warm.posted)
    warm.microphone.open()
    got = [event for event in warm.posted if isinstance(event, MicBlock)]
    assert got == blocks(*range(1, 3 + TAIL_BLOCKS))
    assert len(warm.sound.streams) == 1


async def test_warm_zeros_before_the_press_count_as_waking_up(warm: Stage) -> None:
    warm.sound.stream.hear(*[ZEROS] * (SILENCE_MS // 20))
    warm.microphone.open()
    assert warm.posted[0] == MicStarted()


# --- other devices, and none --------------------------------------------------------------------


async def test_a_device_of_another_format_is_converted_into_whole_blocks(stage: Stage) -> None:
    stage.sound.format = Format(48_000, 2)
    stage.microphone.open()
    loud = np.tile(np.array([900, 1100], "<i2"), 960).tobytes()
    stage.sound.stream.hear(*[loud] * 20)
    await until(lambda: len(stage.posted) > 15)
    got = [event.pcm for event in stage.posted if isinstance(event, MicBlock)]
    assert {len(pcm) for pcm in got} == {BLOCK_BYTES}
    assert np.abs(np.frombuffer(b"".join(got[5:]), "<i2") - 1000).max() <= 2


async def test_no_microphone_is_told_and_the_next_press_tries_again(stage: Stage) -> None:
    stage.sound.missing = True
    stage.microphone.open()
    failed = stage.posted.pop()
    assert isinstance(failed, MicFailed)
    assert failed.notice.text
    assert failed.notice.hint
    stage.microphone.close()
    assert stage.posted == []
    stage.sound.missing = False
    stage.microphone.open()
    stage.hear(1)
    await stage.told(MicStarted(), *blocks(1))


async def test_a_lost_device_is_replaced_in_mid_talk(stage: Stage) -> None:
    stage.microphone.open()
    stage.hear(1)
    stage.sound.stream.vanish()
    await until(lambda: len(stage.sound.streams) == 2)
    stage.hear(2)
    await stage.told(MicStarted(), *blocks(1, 2))


async def test_a_lost_device_that_is_not_replaced_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone_module, "RETRY_S", (0.0, 0.01))
    stage.microphone.open()
    stage.hear(1)
    stage.sound.missing = True
    stage.sound.stream.vanish()
    await until(lambda: len(stage.posted) == 3)
    assert isinstance(stage.posted[2], MicFailed)


WEBCAM = Devices(inputs=(Device("Webcam", Direction.INPUT, is_default=True),))
BOTH = Devices(inputs=(*WEBCAM.inputs, Device("Headset", Direction.INPUT)))


def sentences(stage: Stage) -> list[str]:
    notices = [event.notice for event in stage.posted if isinstance(event, DeviceChanged)]
    return [f"{notice.text} {notice.hint}" for notice in notices]


def captured(stage: Stage) -> bytes:
    return b"".join(event.pcm for event in stage.posted if isinstance(event, MicBlock))


async def test_a_talk_goes_on_with_the_device_that_stands_in_and_nothing_captured_is_lost() -> None:
    stage = Stage(device="Headset")
    stage.microphone.devices_changed(BOTH)
    stage.sound.format = Format(48_000, 2)
    stage.microphone.open()
    loud = np.full(2 * 1000, 1000, "<i2").tobytes()  # not quite 21 ms: there is always a rest
    stage.sound.stream.hear(*[loud] * 10)
    stage.sound.format = WIRE
    stage.sound.refused = {"Headset"}
    stage.sound.stream.vanish()
    await until(lambda: len(stage.sound.streams) == 2)
    assert stage.sound.asked == ["Headset", None]
    stage.hear(*[1000] * 10)
    stage.microphone.close()
    stage.hear(*[1000] * 8)
    await until(lambda: MicClosed() in stage.posted)
    assert sentences(stage) == ["The microphone “Headset” went away. “Webcam” hears you now."]
    assert not any(isinstance(event, MicFailed) for event in stage.posted)
    whole_ms = 10 * 1000 / 48 + 18 * 20
    assert len(captured(stage)) / 48 == pytest.approx(whole_ms, abs=20)
    stage.microphone.shutdown()


async def test_the_wanted_microphone_is_taken_in_the_first_pause_of_a_long_talk() -> None:
    stage = Stage(device="Headset")
    stage.microphone.devices_changed(WEBCAM)
    stage.microphone.open()
    stage.microphone.devices_changed(BOTH)
    stage.hear(*[9000] * 40)
    await until(lambda: len(captured(stage)) == 40 * BLOCK_BYTES)
    assert stage.sound.asked == [None], "not while somebody speaks"
    stage.hear(*[3] * (PAUSE_MS // 20))
    await until(lambda: len(stage.sound.streams) == 2)
    assert stage.sound.asked == [None, "Headset"]
    stage.hear(7)
    await until(lambda: stage.posted[-1] == MicBlock(block(7)))
    assert sentences(stage)[1:] == ["The microphone “Headset” is back. It is used again."]
    assert len(captured(stage)) == (40 + PAUSE_MS // 20 + 1) * BLOCK_BYTES
    stage.microphone.shutdown()


async def test_a_warm_microphone_is_changed_at_once_between_talks() -> None:
    stage = Stage(device="Headset", warm=True)
    stage.microphone.devices_changed(WEBCAM)
    assert stage.sound.asked == [None]
    stage.microphone.devices_changed(BOTH)
    assert stage.sound.asked == [None, "Headset"]
    stage.microphone.use(None)
    assert stage.sound.asked == [None, "Headset", None]
    stage.microphone.shutdown()


async def test_another_microphone_may_be_chosen_in_mid_talk(stage: Stage) -> None:
    stage.microphone.open()
    stage.hear(1)
    stage.microphone.use("Headset")
    stage.hear(2)
    await stage.told(MicStarted(), *blocks(1, 2))
    assert stage.sound.asked == [None, "Headset"]


async def test_no_microphone_left_ends_the_talk_and_one_that_is_found_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone_module, "RETRY_S", (0.0, 0.01))
    stage.microphone.devices_changed(WEBCAM)
    stage.microphone.open()
    stage.hear(1)
    stage.sound.missing = True
    stage.microphone.devices_changed(Devices(moves_streams=True))  # what is left is the monitor of a loudspeaker
    await until(lambda: isinstance(stage.posted[-1], MicFailed))
    assert captured(stage) == block(1)
    stage.sound.missing = False
    stage.microphone.devices_changed(WEBCAM)
    assert stage.posted[-1] == MicFound()


async def test_a_device_lost_in_the_tail_ends_the_talk(stage: Stage) -> None:
    stage.microphone.open()
    stage.hear(1)
    stage.microphone.close()
    stage.sound.stream.vanish()
    await stage.told(MicStarted(), *blocks(1), MicClosed())


async def test_a_talk_closed_while_its_device_is_sought_ends(stage: Stage) -> None:
    stage.microphone.open()
    stage.hear(1)
    stage.sound.missing = True
    stage.sound.stream.vanish()
    await until(lambda: stage.sound.stream.closed)
    stage.microphone.close()
    await stage.told(MicStarted(), *blocks(1), MicClosed())


async def test_after_shutdown_nothing_is_posted() -> None:
    stage = Stage()
    stage.microphone.open()
    stage.hear(1)
    stage.microphone.shutdown()
    await asyncio.sleep(0)
    assert stage.posted == []
    assert stage.sound.stream.closed


# --- a real sound server ------------------------------------------------------------------------


@pytest.mark.sound
async def test_what_is_spoken_arrives_whole_and_in_order(sound: VirtualSound) -> None:
    chance = np.random.default_rng(5)
    spectrum = np.fft.rfft(chance.standard_normal(24_000))
    spectrum[3400:] = 0
    wave = np.fft.irfft(spectrum)
    spoken = np.rint(wave / np.abs(wave).max() * 20_000).astype("<i2")
    posted: list[Input] = []
    microphone = Microphone(posted.append, sound=SoundSystem())
    microphone.open()
    await asyncio.to_thread(sound.play, spoken.tobytes())
    released = time.monotonic()
    microphone.close()
    await until(lambda: MicClosed() in posted)
    assert time.monotonic() - released < (TAIL_MS + 60) / 1000
    microphone.shutdown()
    assert posted[0] == MicStarted()
    got = np.frombuffer(b"".join(e.pcm for e in posted if isinstance(e, MicBlock)), "<i2").astype(float)
    likeness = np.correlate(got, spoken.astype(float), "valid")
    at = int(np.argmax(likeness))
    heard = got[at : at + len(spoken)]
    for piece in (slice(0, 2400), slice(None), slice(-2400, None)):  # first and last 100 ms included
        assert np.corrcoef(heard[piece], spoken[piece])[0, 1] > 0.98


@pytest.mark.sound
async def test_the_first_block_comes_soon_after_the_press(sound: VirtualSound) -> None:
    posted: list[Input] = []
    microphone = Microphone(posted.append, sound=SoundSystem())
    noise = np.random.default_rng(1).integers(-9000, 9000, 48_000).astype("<i2").tobytes()
    with sound.record("va_mic_feed.monitor") as feed:
        speaking = sound.start_playing(noise)
        await asyncio.to_thread(feed.wait_for_sound)
    pressed = time.monotonic()
    microphone.open()
    await until(lambda: any(isinstance(event, MicBlock) for event in posted))
    waited = time.monotonic() - pressed
    microphone.shutdown()
    speaking.terminate()
    assert posted[0] == MicStarted()
    assert waited < 0.2


# --- warm by choice -------------------------------------------------------------------------------


async def test_to_keep_it_warm_opens_it_at_once_and_the_next_talk_has_a_pre_roll(stage: Stage) -> None:
    stage.microphone.keep_warm(True)
    stage.hear(1, 2)
    await until(lambda: len(stage.microphone._ring) == 2)
    stage.microphone.open()
    await stage.told(MicStarted(), *blocks(1, 2))


async def test_to_keep_it_warm_no_longer_closes_it_at_once(warm: Stage) -> None:
    assert not warm.sound.stream.closed
    warm.microphone.keep_warm(False)
    assert warm.sound.stream.closed


async def test_a_talk_goes_on_whatever_is_chosen_and_ends_as_was_chosen_last(warm: Stage) -> None:
    warm.microphone.open()
    warm.microphone.keep_warm(False)
    warm.hear(1)
    await warm.told(MicStarted(), *blocks(1))
    warm.microphone.close()
    warm.hear(*range(2, 2 + TAIL_BLOCKS))
    await until(lambda: warm.sound.stream.closed)
    assert isinstance(warm.posted[-1], MicClosed)


async def test_a_microphone_that_cannot_be_kept_warm_is_no_failure_before_a_talk(stage: Stage) -> None:
    stage.sound.missing = True
    stage.microphone.keep_warm(True)
    assert not stage.posted


async def test_a_headset_that_wakes_up_slowly_listens_when_it_does(stage: Stage) -> None:
    """Bluetooth: zeros for 400 ms, then the voice; what is held back comes behind «started», in order."""
    stage.microphone.open()
    stage.hear(*[0] * 20)
    await until(lambda: stage.microphone._zeros_ms == 400)
    assert not stage.posted, "nobody may believe to be heard"
    stage.hear(7)
    await stage.told(MicStarted(), *blocks(*[0] * 20, 7))
