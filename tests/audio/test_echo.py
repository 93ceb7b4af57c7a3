"""The canceller in simulated rooms, and its clocks and its judgement by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import soxr

from desktop_app.audio.echo import CaptureClock, Cleaned, EchoCanceller, Gauge, Reference, Trust
from desktop_app.audio.echo_path import FRAME, RATE_HZ, EchoPath, Samples
from tests.audio import rooms
from tests.audio.rooms import ROOMS, Scene, Sound, scene


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a scene."""

    microphone: Samples
    sent: Samples
    frames: list[Cleaned]
    gauge: Gauge

    def erle_db(self, from_s: float, to_s: float) -> float:
        """Return by how much the sound fell in a stretch of time."""
        part = slice(round(from_s * RATE_HZ), round(to_s * RATE_HZ))
        before = rooms.power(self.microphone[part].astype(np.float64))
        return rooms.decibels(before) - rooms.decibels(rooms.power(self.sent[part].astype(np.float64)))


def at_16_khz(sound: Sound) -> Samples:
    return np.asarray(soxr.resample(sound, rooms.RATE_HZ, RATE_HZ), np.float32)


def run(made: Scene, *, noise: bool = False, gain: bool = False) -> Run:
    """Cancel a scene frame by frame."""
    canceller = EchoCanceller(noise=noise, gain=gain)
    near, far = at_16_khz(made.microphone), at_16_khz(made.far)
    frames = [
        canceller.feed(near[at : at + FRAME], far[at : at + FRAME]) for at in range(0, near.size - FRAME + 1, FRAME)
    ]
    return Run(near, np.concatenate([frame.samples for frame in frames]), frames, canceller.gauge)


def reader(seconds: float) -> Sound:
    """Return somebody reading aloud, without an end."""
    lines = [rooms.person(name) for name in rooms.spoken_words() if name.startswith("austen")]
    return rooms.one_after_another(lines, seconds=seconds)


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * rooms.RATE_HZ))


def frames_between(result: Run, from_s: float, to_s: float) -> list[Cleaned]:
    return result.frames[round(from_s * 100) : round(to_s * 100)]


# --- in a room ----------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_the_loudspeaker_is_taken_away_at_once_and_then_more(room: rooms.Room) -> None:
    result = run(scene(room, reader(9)))
    assert result.erle_db(0, 2) >= 20
    assert result.erle_db(5, 9) >= 30
    assert result.gauge.trust is Trust.GOOD


def test_a_person_is_found_while_the_loudspeaker_speaks_and_nobody_is_where_nobody_speaks() -> None:
    said = rooms.level_to(rooms.person("cards-001"), -26.0)
    near = np.concatenate([silence(7), said, silence(1)])
    result = run(scene(ROOMS[1], reader(near.size / rooms.RATE_HZ), near))
    while_speaking = frames_between(result, 7, 7 + said.size / rooms.RATE_HZ)
    alone = frames_between(result, 4, 7)
    assert sum(frame.near for frame in while_speaking) > 0.6 * len(while_speaking)
    assert sum(frame.near for frame in alone) < 0.2 * len(alone)


def test_what_a_person_says_stays_whole_while_the_loudspeaker_speaks() -> None:
    said = rooms.level_to(rooms.person("cards-005"), -26.0)
    near = np.concatenate([silence(7), said, silence(0.5)])
    made = scene(ROOMS[0], reader(near.size / rooms.RATE_HZ), near, drift_ppm=0)
    sent = run(made).sent
    alone = at_16_khz(made.near)
    part = slice(7 * RATE_HZ, 7 * RATE_HZ + round(said.size * RATE_HZ / rooms.RATE_HZ))
    likeness = [float(np.corrcoef(sent[part], np.roll(alone, FRAME + shift)[part])[0, 1]) for shift in range(-2, 3)]
    assert max(likeness) > 0.8


def test_a_person_is_left_alone_while_the_loudspeaker_is_silent() -> None:
    said = rooms.level_to(rooms.person("kennedy")[: 3 * rooms.RATE_HZ], -26.0)
    result = run(scene(ROOMS[0], np.zeros(said.size), said))
    assert np.allclose(result.sent[FRAME:], result.microphone[:-FRAME], atol=1e-4)
    assert result.gauge.trust is Trust.UNKNOWN


def test_an_echo_that_comes_much_later_than_the_stream_says_is_found() -> None:
    path = EchoPath()
    made = scene(ROOMS[0], reader(12), delay_ms=420, drift_ppm=0)
    near, far = at_16_khz(made.microphone), at_16_khz(made.far)
    rests = [
        path.feed(near[at : at + FRAME], far[at : at + FRAME]) for at in range(0, near.size - FRAME + 1, FRAME)
    ]
    assert 30 <= path.lag_frames <= 42
    rest = np.concatenate([rest.samples for rest in rests])[8 * RATE_HZ :].astype(np.float64)
    before = near[8 * RATE_HZ :].astype(np.float64)
    assert rooms.decibels(rooms.power(before)) - rooms.decibels(rooms.power(rest)) > 15


@pytest.mark.parametrize("leap_ms", [20, -20])
def test_an_echo_that_leaps_is_nobody_near(leap_ms: int) -> None:
    far = reader(12)
    before = scene(ROOMS[1], far, delay_ms=60)
    after = scene(ROOMS[1], far, delay_ms=60 + leap_ms)
    half = far.size // 2
    leapt = Scene(far, np.concatenate([before.echo[:half], after.echo[half:]]), before.near, before.noise)
    result = run(leapt)
    assert result.erle_db(7, 12) >= 20
    assert sum(frame.near for frame in frames_between(result, 7, 12)) < 0.2 * 500


def test_noise_is_suppressed_if_that_is_wanted() -> None:
    made = scene(ROOMS[0], silence(4), noise_db=-40)
    plain, calm = run(made), run(made, noise=True)
    assert plain.erle_db(2, 4) < 1
    assert calm.erle_db(2, 4) > 6


def test_a_quiet_voice_is_raised_if_that_is_wanted() -> None:
    said = rooms.level_to(np.tile(rooms.person("kennedy"), 1)[: 10 * rooms.RATE_HZ], -46.0)
    made = scene(ROOMS[0], np.zeros(said.size), said)
    assert run(made, gain=True).erle_db(7, 10) < -6


# --- whether it works ---------------------------------------------------------------------------


def test_an_echo_that_cannot_be_followed_is_not_trusted() -> None:
    assert run(scene(ROOMS[1], reader(9), drift_ppm=4000)).gauge.trust is Trust.POOR


def test_who_talks_with_headphones_on_is_no_echo() -> None:
    lines = [rooms.person(name) for name in rooms.spoken_words() if name.startswith("cards")]
    talking = rooms.level_to(rooms.one_after_another(lines, seconds=15, pause_s=0.8), -26.0)
    assert run(scene(ROOMS[1], reader(15), talking, echo_db=-100)).gauge.trust is not Trust.POOR


def test_a_loudspeaker_nobody_hears_says_nothing_about_cancelling() -> None:
    made = scene(ROOMS[1], reader(9), echo_db=-100)
    assert run(made).gauge.trust is Trust.UNKNOWN


def feed_gauge(gauge: Gauge, left_db: Callable[[int], float], frames: int = 500) -> None:
    for index in range(frames):
        gauge.feed(-20.0, left_db(index), playing=True, likeness=0.9)


def quiet_gauge() -> Gauge:
    """Return a gauge that knows how quiet the room is."""
    gauge = Gauge()
    for _ in range(10):
        gauge.feed(-70.0, -70.0, playing=False, likeness=0.0)
    return gauge


def test_a_gauge_wants_to_hear_enough_before_it_judges() -> None:
    gauge = quiet_gauge()
    feed_gauge(gauge, lambda _: -20.0, Gauge.LEAST_FRAMES - 1)
    early = gauge.trust
    feed_gauge(gauge, lambda _: -20.0, Gauge.EVERY_FRAMES)
    assert (early, gauge.trust) == (Trust.UNKNOWN, Trust.POOR)


def test_somebody_who_talks_over_it_for_most_of_the_time_spoils_no_trust() -> None:
    gauge = quiet_gauge()
    feed_gauge(gauge, lambda index: -40.0 if index % 3 == 0 else -20.0)
    assert gauge.trust is Trust.GOOD


def test_a_device_that_begins_with_zeros_does_not_make_noise_an_echo() -> None:
    gauge = Gauge()
    gauge.feed(-120.0, -120.0, playing=False, likeness=0.0)
    for _ in range(1000):
        gauge.feed(-70.0, -70.0, playing=True, likeness=0.9)
    assert gauge.trust is Trust.UNKNOWN


# --- when ---------------------------------------------------------------------------------------


def ramp(count: int, start: int = 1) -> Samples:
    return np.arange(start, start + count, dtype=np.float32)


def test_what_was_played_is_found_by_its_time() -> None:
    reference = Reference()
    reference.place(ramp(320), 10.0)
    reference.place(ramp(320, 321), 10.02)
    assert np.array_equal(reference.read(10.01, 320), ramp(320, 161))


def test_nothing_was_played_before_and_after() -> None:
    reference = Reference()
    assert not reference.read(5.0, 160).any()
    reference.place(ramp(160), 10.0)
    assert not reference.read(9.99, 160).any()
    assert not reference.read(10.01, 160).any()
    assert np.array_equal(reference.read(9.995, 160), np.concatenate([np.zeros(80, np.float32), ramp(80)]))


def test_a_stamp_that_jitters_does_not_tear_what_was_played() -> None:
    reference = Reference()
    reference.place(ramp(320), 10.0)
    reference.place(ramp(320, 321), 10.023)
    reference.place(ramp(320, 641), 10.036)
    assert np.array_equal(reference.read(10.0, 960), ramp(960))


def test_a_pause_is_silent() -> None:
    reference = Reference()
    reference.place(ramp(320), 10.0)
    reference.place(ramp(320), 10.1)
    assert not reference.read(10.02, 1280).any()
    assert np.array_equal(reference.read(10.1, 320), ramp(320))


def test_a_long_pause_leaves_nothing_of_before() -> None:
    reference = Reference()
    reference.place(ramp(320), 10.0)
    reference.place(ramp(320), 100.0)
    assert np.array_equal(reference.read(100.0, 320), ramp(320))
    assert not reference.read(99.0, 16_000).any()


def test_a_block_that_does_not_follow_is_told_once_when_it_is_reached() -> None:
    reference = Reference()
    reference.place(ramp(320), 10.0)
    reference.place(ramp(320), 10.05)
    assert [reference.has_leapt(at_s) for at_s in (10.02, 10.05, 10.06)] == [False, True, False]
    reference.place(ramp(320), 20.0)
    assert not reference.has_leapt(30.0), "after a pause nothing is expected"


def test_what_the_device_dropped_was_not_played() -> None:
    reference = Reference()
    reference.place(ramp(640), 10.0)
    reference.cut(10.01)
    assert np.array_equal(reference.read(10.0, 160), ramp(160))
    assert not reference.read(10.01, 480).any()
    reference.place(ramp(320, 1000), 10.02)
    assert np.array_equal(reference.read(10.02, 320), ramp(320, 1000))
    assert not reference.read(10.01, 160).any()


def test_a_device_that_begins_again_earlier_overwrites() -> None:
    reference = Reference()
    reference.place(ramp(640), 10.0)
    reference.place(ramp(160, 1000), 10.01)
    assert np.array_equal(reference.read(10.01, 160), ramp(160, 1000))
    assert reference.end_s == pytest.approx(10.02)


def test_blocks_that_come_late_were_captured_in_time() -> None:
    clock = CaptureClock(latency_s=0.02)
    assert clock.block(0.02, 5.02) == pytest.approx(4.98)
    times = [clock.block(0.02, arrived) for arrived in (5.04, 5.12, 5.12, 5.121)]
    assert times == pytest.approx([5.0, 5.02, 5.04, 5.06])


def test_a_count_that_is_far_off_is_put_right() -> None:
    clock = CaptureClock()
    clock.block(0.02, 5.0)
    assert clock.block(0.02, 4.95) == pytest.approx(4.93)
