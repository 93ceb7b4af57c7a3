"""Duck, then give way or go on: the rules by themselves, and with the real detector in a simulated room."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import soxr

from desktop_app.audio.echo import Cleaned, EchoCanceller, Trust
from desktop_app.audio.echo_path import FRAME, RATE_HZ, Samples
from desktop_app.audio.onset import COMMIT_MS, FRAME_MS, GIVE_UP_MS, LONGEST_MS, Onset, Order, VoiceFinder
from desktop_app.local_server.engines.silero import SileroVoiceActivity
from tests.audio import noises, rooms
from tests.audio.rooms import ROOMS, Sound, scene


def feed(
    onset: Onset, probability: float, ms: int, *, playing: bool = True, loud: bool = False
) -> list[tuple[int, Order]]:
    """Feed the same for a while; return what was ordered, and after how many milliseconds."""
    orders = []
    for at_ms in range(FRAME_MS, ms + 1, FRAME_MS):
        order = onset.feed(probability, playing=playing, loud=loud)
        if order is not None:
            orders.append((at_ms, order))
    return orders


def kinds(orders: Sequence[tuple[int, Order]]) -> list[Order]:
    return [order for _, order in orders]


def test_the_first_suspicion_ducks_and_lasting_speech_commits() -> None:
    assert feed(Onset(), 0.9, 2000) == [(10, Order.DUCK), (10 + COMMIT_MS, Order.COMMIT)]


def test_a_short_sound_resumes() -> None:
    onset = Onset()
    assert feed(onset, 0.9, 100) == [(10, Order.DUCK)]
    assert onset.ducked
    assert feed(onset, 0.0, 1000) == [(GIVE_UP_MS, Order.RESUME)]
    assert not onset.ducked


def test_speech_with_a_short_gap_still_commits() -> None:
    onset = Onset()
    feed(onset, 0.9, 120)
    feed(onset, 0.0, 100)
    assert kinds(feed(onset, 0.9, 200)) == [Order.COMMIT]


def test_a_doubtful_sound_does_not_duck_for_ever() -> None:
    onset = Onset()
    feed(onset, 0.9, 10)
    assert feed(onset, 0.3, 3000) == [(LONGEST_MS, Order.RESUME)]


def test_nobody_needs_to_duck_who_is_silent() -> None:
    assert feed(Onset(), 0.99, 2000, playing=False) == []


def test_a_voice_that_began_in_silence_ducks_when_the_assistant_begins() -> None:
    onset = Onset()
    feed(onset, 0.9, 500, playing=False)
    assert kinds(feed(onset, 0.9, 500)) == [Order.DUCK, Order.COMMIT]


def test_a_voice_that_goes_on_is_committed_once() -> None:
    onset = Onset()
    feed(onset, 0.9, 1000)
    feed(onset, 0.1, 200)
    assert feed(onset, 0.9, 1000) == []


def test_a_voice_that_begins_again_after_a_rest_is_another() -> None:
    onset = Onset()
    feed(onset, 0.9, 1000)
    feed(onset, 0.1, 400)
    assert kinds(feed(onset, 0.9, 1000)) == [Order.DUCK, Order.COMMIT]


def test_a_hiss_ducks_before_it_is_a_voice() -> None:
    onset = Onset()
    assert kinds(feed(onset, 0.0, 150, loud=True)) == [Order.DUCK]
    assert kinds(feed(onset, 0.9, 300)) == [Order.COMMIT]


def test_music_ducks_less_and_less_often() -> None:
    onset = Onset()
    ducks = [at_ms for at_ms, order in feed(onset, 0.0, 120_000, loud=True) if order is Order.DUCK]
    pauses = [later - earlier for earlier, later in pairwise(ducks)]
    assert len(ducks) == 6
    assert all(later > earlier for earlier, later in pairwise(pauses))


def test_a_voice_over_music_is_suspected_at_once() -> None:
    onset = Onset()
    feed(onset, 0.0, 2000, loud=True)
    assert kinds(feed(onset, 0.9, 300, loud=True)) == [Order.DUCK, Order.COMMIT]


def test_an_interruption_decided_elsewhere_is_neither_repeated_nor_taken_back() -> None:
    onset = Onset()
    feed(onset, 0.9, 100)
    onset.interrupted()
    assert feed(onset, 0.9, 1000) == []
    assert feed(onset, 0.0, 1000) == []


def test_an_interruption_elsewhere_without_a_suspicion_changes_nothing() -> None:
    onset = Onset()
    onset.interrupted()
    assert kinds(feed(onset, 0.9, 500)) == [Order.DUCK, Order.COMMIT]


# --- the detectors ------------------------------------------------------------------------------


class Counting:
    """A detector that answers with how many samples it has seen, and keeps them."""

    frame_samples = 512

    def __init__(self) -> None:
        self.seen: list[Samples] = []

    def probability(self, frame: Samples) -> float:
        self.seen.append(frame)
        return len(self.seen) / 1000

    def reset(self) -> None:
        self.seen.clear()


def cleaned(samples: Samples, *, near: bool = True) -> Cleaned:
    return Cleaned(samples, samples, near=near, playing=True, trust=Trust.UNKNOWN)


def test_two_detectors_see_every_sample_half_a_frame_apart() -> None:
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    finder = VoiceFinder(make)
    sound = np.arange(1, 10 * FRAME + 1, dtype=np.float32)
    for at in range(0, sound.size, FRAME):
        finder.feed(cleaned(sound[at : at + FRAME]))
    first, second = (np.concatenate(detector.seen) for detector in made)
    assert np.array_equal(first, sound[: first.size])
    assert np.array_equal(second[256:], sound[: second.size - 256])
    assert {first.size, second.size} == {1536}


def test_speech_that_is_the_loudspeakers_is_nobodys() -> None:
    finder = VoiceFinder(Counting)
    silence = np.zeros(FRAME, np.float32)
    assert [finder.feed(cleaned(silence, near=False)) for _ in range(20)] == [0.0] * 20
    assert finder.feed(cleaned(silence)) > 0


# --- in a room ----------------------------------------------------------------------------------


def orders_in(made: rooms.Scene) -> list[tuple[float, Order]]:
    """Listen to a scene as the program does; return what was ordered, and when in seconds."""
    canceller, finder, onset = EchoCanceller(), VoiceFinder(SileroVoiceActivity), Onset()
    near, far = (
        np.asarray(soxr.resample(sound, rooms.RATE_HZ, RATE_HZ), np.float32)
        for sound in (made.microphone, made.far)
    )
    orders, probability = [], 0.0
    for at in range(0, near.size - FRAME + 1, FRAME):
        frame = canceller.feed(near[at : at + FRAME], far[at : at + FRAME], voice=probability >= 0.4)
        probability = finder.feed(frame)
        order = onset.feed(probability, playing=frame.playing, loud=frame.loud)
        if order is not None:
            orders.append(((at + FRAME) / RATE_HZ, order))
    return orders


def talking(seconds: float) -> Sound:
    lines = [rooms.person(name) for name in rooms.spoken_words() if name.startswith("austen")]
    return rooms.one_after_another(lines, seconds=seconds)


@pytest.fixture(scope="module")
def interrupted() -> list[tuple[float, Order]]:
    """Somebody speaks over the assistant, 7 s into its first words."""
    said = rooms.level_to(rooms.person("cards-003"), -26.0)
    near = np.concatenate([np.zeros(7 * rooms.RATE_HZ), said, np.zeros(rooms.RATE_HZ // 2)])
    return orders_in(scene(ROOMS[1], talking(near.size / rooms.RATE_HZ), near))


def test_somebody_who_speaks_over_the_assistant_is_noticed_and_given_way(
    interrupted: list[tuple[float, Order]],
) -> None:
    assert kinds([(0, order) for _, order in interrupted]) == [Order.DUCK, Order.COMMIT]
    assert 7.0 <= interrupted[0][0] <= 7.5


def test_the_assistant_does_not_interrupt_itself() -> None:
    assert orders_in(scene(ROOMS[2], talking(12))) == []


def test_a_cough_stops_nobody() -> None:
    cough = np.concatenate([np.zeros(7 * rooms.RATE_HZ), noises.cough(3, level_db=-26.0), np.zeros(rooms.RATE_HZ)])
    orders = orders_in(scene(ROOMS[0], talking(cough.size / rooms.RATE_HZ), cough))
    assert Order.COMMIT not in [order for _, order in orders]
