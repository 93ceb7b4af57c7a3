"""PlaybackBuffer against a hand-computed DAC timeline: no device, no clock."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_app.audio.pcm import WIRE, Format
from desktop_app.audio.playback import Patience, PlaybackBuffer, Progress
from desktop_app.conversation.inputs import Heard, PlaybackFinished, PlaybackStarted
from desktop_app.protocol.items import PartId

A = PartId("item_a")
B = PartId("item_b")
BLOCK_MS = 20


def pcm(ms: float, value: int = 1) -> bytes:
    return np.full(round(ms * 24), value, "<i2").tobytes()


def block(buffer: PlaybackBuffer, now_ms: float, ahead_ms: float = 40) -> tuple[Progress, ...]:
    """Let the device take 20 ms at a time; what it got is forgotten."""
    return take(buffer, now_ms, ahead_ms)[0]


def take(buffer: PlaybackBuffer, now_ms: float, ahead_ms: float = 40) -> tuple[tuple[Progress, ...], bytes]:
    out = bytearray(b"\xff" * BLOCK_MS * 48)
    progress = buffer.fill(memoryview(out), now_ms / 1000, (now_ms + ahead_ms) / 1000)
    return progress, bytes(out)


def play(buffer: PlaybackBuffer, begin_ms: float, blocks: int, ahead_ms: float = 40) -> list[Progress]:
    """Let the device take a block every 20 ms from `begin_ms`."""
    return [event for number in range(blocks) for event in block(buffer, begin_ms + 20 * number, ahead_ms)]


def heard_ms(buffer: PlaybackBuffer, now_ms: float) -> list[int]:
    return [heard.ms for heard in buffer.heard(now_ms / 1000)]


def loaded(ms: float = 1000) -> PlaybackBuffer:
    buffer = PlaybackBuffer()
    buffer.add(A, pcm(ms), 0)
    return buffer


# --- what was heard -----------------------------------------------------------------------------


def test_heard_is_what_has_left_the_dac_not_what_was_handed_over() -> None:
    buffer = loaded()
    play(buffer, 0, 5)  # blocks at 0, 20 … 80, each sounding 40 ms later
    assert heard_ms(buffer, 80) == [40]
    assert heard_ms(buffer, 97) == [57]


def test_heard_never_exceeds_what_the_device_took() -> None:
    buffer = loaded()
    play(buffer, 0, 2)
    assert heard_ms(buffer, 5000) == [40]


def test_heard_is_rounded_down_to_whole_milliseconds() -> None:
    buffer = loaded()
    play(buffer, 0, 5)
    assert heard_ms(buffer, 97.9) == [57]


def test_nothing_is_heard_before_the_first_sample_leaves_the_dac() -> None:
    buffer = loaded()
    block(buffer, 0)
    assert heard_ms(buffer, 39) == [0]


def test_heard_does_not_go_back_when_the_device_corrects_its_latency() -> None:
    buffer = loaded()
    play(buffer, 0, 4)
    assert heard_ms(buffer, 79) == [39]
    block(buffer, 80, ahead_ms=90)  # suddenly 50 ms deeper
    assert heard_ms(buffer, 81) == [40]
    assert heard_ms(buffer, 131) == [41]


def test_a_late_callback_moves_nothing() -> None:
    buffer = loaded()
    play(buffer, 0, 2)
    block(buffer, 300, ahead_ms=0)  # the device ran dry at 80 and plays on at 300
    assert heard_ms(buffer, 310) == [50]


def test_silence_before_between_and_after_is_not_counted() -> None:
    buffer = PlaybackBuffer()
    play(buffer, 0, 10)  # 200 ms of nothing
    buffer.add(A, pcm(100), 0.2)
    buffer.end(A, 0.2)
    play(buffer, 200, 3)
    assert heard_ms(buffer, 260) == [20]


def test_a_stall_pauses_and_resumes_and_loses_nothing() -> None:
    buffer = loaded(100)
    sounded = b"".join(take(buffer, 20 * number)[1] for number in range(20))  # 300 ms of it are silence
    assert heard_ms(buffer, 400) == [100]
    buffer.add(A, pcm(400, 2), 0.4)
    sounded += b"".join(take(buffer, 400 + 20 * number)[1] for number in range(5))
    assert heard_ms(buffer, 400 + 40 + 53) == [153]
    sounded += b"".join(take(buffer, 500 + 20 * number)[1] for number in range(20))
    assert sounded.replace(bytes(2), b"") == pcm(100) + pcm(400, 2)


def test_two_parts_are_counted_each_for_itself_and_join_without_a_gap() -> None:
    buffer = PlaybackBuffer()
    buffer.add(A, pcm(50, 1), 0)
    buffer.add(B, pcm(200, 2), 0)
    buffer.end(A, 0)
    sounded = b"".join(take(buffer, 20 * number)[1] for number in range(6))
    assert sounded == pcm(50, 1) + pcm(70, 2)
    assert buffer.heard(0.130) == (Heard(B, 40),)  # 50 ms of A are over, and told as finished


def test_deltas_of_two_parts_that_come_interleaved_are_not_spoken_interleaved() -> None:
    buffer = PlaybackBuffer()
    for value in (1, 3):
        buffer.add(A, pcm(100, value), 0)
        buffer.add(B, pcm(100, value + 1), 0)
    buffer.end(A, 0)
    sounded = b"".join(take(buffer, 20 * number)[1] for number in range(20))
    assert sounded == pcm(100, 1) + pcm(100, 3) + pcm(100, 2) + pcm(100, 4)


def test_a_half_sample_waits_for_its_other_half() -> None:
    buffer = PlaybackBuffer()
    whole = np.arange(1, 4801, dtype="<i2").tobytes()
    for piece in (whole[:999], whole[999:3000], whole[3000:3001], whole[3001:]):
        buffer.add(A, piece, 0)
    buffer.end(A, 0)
    assert b"".join(take(buffer, 20 * number)[1] for number in range(10)) == whole


def test_heard_is_bounded_by_what_was_received_on_a_device_of_another_rate() -> None:
    buffer = PlaybackBuffer(Format(44_100, 2))
    buffer.add(A, pcm(101, 1000), 0)
    buffer.end(A, 0)
    out = bytearray(44_100 * 4)
    buffer.fill(memoryview(out), 0, 0)
    assert all(heard.ms <= 101 for heard in buffer.heard(0.5))


# --- falling silent -----------------------------------------------------------------------------


def test_clear_tells_what_was_heard_the_sounding_part_first() -> None:
    buffer = PlaybackBuffer()
    buffer.add(A, pcm(100), 0)
    buffer.add(B, pcm(100), 0)
    play(buffer, 0, 3)
    assert buffer.clear(0.075) == (Heard(A, 35), Heard(B, 0))
    assert buffer.idle
    assert take(buffer, 80)[1] == bytes(960)


def test_after_clear_a_new_part_counts_from_its_own_beginning() -> None:
    buffer = loaded()
    play(buffer, 0, 10)
    buffer.clear(0.2)
    buffer.add(B, pcm(300), 0.2)
    play(buffer, 200, 5, ahead_ms=0)
    assert buffer.heard(0.290) == (Heard(B, 90),)


def test_rewind_queues_what_was_handed_over_but_not_heard() -> None:
    buffer = PlaybackBuffer()
    whole = np.arange(1, 24 * 300 + 1, dtype="<i2").tobytes()
    buffer.add(A, whole, 0)
    buffer.end(A, 0)
    play(buffer, 0, 5)  # 100 ms handed over; at 90 ms 50 of them are heard
    buffer.rewind(0.090)
    again = b"".join(take(buffer, 1000 + 20 * number)[1] for number in range(13))
    assert again[: 250 * 48] == whole[50 * 48 :]


def test_going_on_with_a_device_of_another_format_keeps_the_count() -> None:
    buffer = loaded(1000)
    play(buffer, 0, 10)
    buffer.rewind(0.190)  # 150 ms heard
    buffer.move_to(Format(48_000, 2))
    out = bytearray(48_000 * 4 // 10)
    buffer.fill(memoryview(out), 1.0, 1.0)
    left = np.frombuffer(bytes(out), "<i2").reshape(-1, 2)
    assert (left[:, 0] == left[:, 1]).all()
    assert buffer.heard(1.050) == (Heard(A, 200),)


@pytest.mark.parametrize("formats", [[(48_000, 2)], [(44_100, 1)], [(16_000, 4), (24_000, 1), (44_100, 6)]])
def test_a_tone_goes_on_with_other_devices_without_a_click(formats: list[tuple[int, int]]) -> None:
    at = np.arange(24_000) / 24_000
    tone = np.rint(10_000 * np.sin(2 * np.pi * 440 * at)).astype("<i2").tobytes()
    buffer = PlaybackBuffer()
    for begin in range(0, 12_000, 4_800):
        buffer.add(A, tone[begin : begin + 4_800], 0)  # the rest comes later, on another device
    now, heard, rest = 0.0, 0, tone[14_400:]
    for rate_hz, channels in [(24_000, 1), *formats]:
        device = Format(rate_hz, channels)
        buffer.move_to(device)
        out = bytearray(rate_hz // 20 * device.frame_bytes)
        buffer.fill(memoryview(out), now, now)
        if rest:
            buffer.add(A, rest, now)
            buffer.end(A, now)
            rest = b""
        wanted = 10_000 * np.sin(2 * np.pi * 440 * (heard / 1000 + np.arange(rate_hz // 20) / rate_hz))
        got = np.frombuffer(bytes(out), "<i2").reshape(-1, channels)
        assert (got == got[:, :1]).all()
        assert np.abs(got[:, 0] - wanted).max() < 120  # a click would be thousands
        now, heard = now + 0.03, heard + 30
        buffer.rewind(now)
        assert heard_ms(buffer, now) == [heard]
        now += 1


def test_what_the_filter_holds_back_is_heard_at_the_end_of_a_part() -> None:
    device = Format(44_100, 2)
    buffer = PlaybackBuffer(device)
    buffer.add(A, b"".join(np.full(24 * 50, 5_000, "<i2").tobytes() for _ in range(2)), 0)
    buffer.end(A, 0)
    out = bytearray(44_100 * 4 // 5)
    buffer.fill(memoryview(out), 0, 0)
    left = np.frombuffer(bytes(out), "<i2").reshape(-1, 2)[:, 0]
    assert np.flatnonzero(np.abs(left) > 2_000)[-1] == pytest.approx(4410, abs=3)
    assert buffer.fill(memoryview(bytearray(4)), 0.11, 0.2) == (PlaybackFinished(A),)


# --- when it may sound --------------------------------------------------------------------------


def test_a_little_of_a_long_reply_waits_for_more() -> None:
    buffer = PlaybackBuffer(patience=Patience(enough_ms=200, start_ms=50))
    buffer.add(A, pcm(40), 0)
    assert take(buffer, 0)[1] == bytes(960)
    assert buffer.wait_s(0.010) == pytest.approx(0.040)


def test_enough_starts_at_once() -> None:
    buffer = PlaybackBuffer(patience=Patience(enough_ms=200, start_ms=50))
    buffer.add(A, pcm(200), 0)
    assert buffer.wait_s(0) == 0.0
    assert take(buffer, 0)[1] == pcm(20)


def test_the_wait_has_an_end() -> None:
    buffer = PlaybackBuffer(patience=Patience(enough_ms=200, start_ms=50))
    buffer.add(A, pcm(40), 0)
    assert buffer.wait_s(0.050) == 0.0
    assert take(buffer, 50)[1] == pcm(20)


def test_a_reply_of_20_ms_starts_at_once_when_it_is_complete() -> None:
    buffer = PlaybackBuffer()
    buffer.add(A, pcm(20), 0)
    buffer.end(A, 0)
    assert take(buffer, 0)[1] == pcm(20)


def test_after_a_stall_the_cushion_is_larger() -> None:
    buffer = PlaybackBuffer(patience=Patience(enough_ms=200, start_ms=50, stall_ms=120))
    buffer.add(A, pcm(200), 0)
    play(buffer, 0, 11)
    buffer.add(A, pcm(100), 0.220)
    assert buffer.wait_s(0.220) == pytest.approx(0.120)
    assert take(buffer, 320)[1] == bytes(960)
    assert take(buffer, 340)[1] == pcm(20)


def test_nothing_queued_is_nothing_to_wait_for() -> None:
    assert PlaybackBuffer().wait_s(0) is None


# --- beginning and end --------------------------------------------------------------------------


def test_a_part_begins_once_and_ends_once_when_it_was_heard() -> None:
    buffer = loaded(100)
    buffer.end(A, 0)
    events = [(20 * number, block(buffer, 20 * number)) for number in range(20)]
    # Handed over from 0 to 80; its last sample leaves the DAC at 140.
    assert [(at, event) for at, found in events for event in found] == [
        (0, PlaybackStarted(A)),
        (140, PlaybackFinished(A)),
    ]
    assert buffer.idle


def test_an_end_that_is_told_late_is_noticed() -> None:
    buffer = loaded(100)
    assert PlaybackFinished(A) not in play(buffer, 0, 20)
    assert buffer.end(A, 0.4) == (PlaybackFinished(A),)


def test_a_part_without_audio_ends_at_once_and_one_unknown_is_ignored() -> None:
    buffer = PlaybackBuffer()
    buffer.add(A, b"\x01", 0)
    assert buffer.end(A, 0) == (PlaybackFinished(A),)
    assert buffer.end(B, 0) == ()


def test_a_begun_part_does_not_begin_again_after_a_rewind() -> None:
    buffer = loaded()
    assert play(buffer, 0, 1) == [PlaybackStarted(A)]
    buffer.rewind(0.001)
    assert play(buffer, 1000, 5) == []


def test_memory_of_a_long_part_is_given_back() -> None:
    buffer = loaded(10_000)
    play(buffer, 0, 480)
    part = buffer._parts[A]
    assert len(part.pcm) < 3000 * 48
    assert heard_ms(buffer, 9600) == [9560]


# --- any order of things ------------------------------------------------------------------------


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Return steps: audio for one of three parts, its end, time passing with blocks taken."""
    step = st.one_of(
        st.tuples(st.sampled_from(["add 0", "add 1", "add 2"]), st.integers(1, 9000)),
        st.tuples(st.sampled_from(["end 0", "end 1", "end 2"]), st.just(0)),
        st.tuples(st.just("take"), st.integers(1, 12)),
        st.tuples(st.just("hiccup"), st.integers(1, 300)),
    )
    return draw(st.lists(step, max_size=40))


class Listener:
    """A device that plays what it is given, and a person who hears it: 40 ms deep, dry when asked too late."""

    def __init__(self, buffer: PlaybackBuffer) -> None:
        self.buffer = buffer
        self.now = 0.0
        self.free_at = 0.0
        """When what was handed over will have been played."""
        self.sounded: list[tuple[float, int]] = []
        """When each sample leaves the DAC, and its value."""
        self.events: list[Progress] = []

    def take(self) -> None:
        self.now = max(self.now, self.free_at - 0.04)
        dac_at = max(self.now, self.free_at)
        out = bytearray(960)
        self.events += self.buffer.fill(memoryview(out), self.now, dac_at)
        self.sounded += [(dac_at + n / 24_000, int(v)) for n, v in enumerate(np.frombuffer(out, "<i2"))]
        self.free_at = dac_at + 0.02

    def heard(self, value: int) -> int:
        """Return how many samples of this value have been heard by now."""
        return sum(1 for at, sounding in self.sounded if sounding == value and at < self.now)


@settings(max_examples=150, deadline=None)
@given(stories())
def test_the_ledger_agrees_with_a_listener(story: list[tuple[str, int]]) -> None:
    buffer = PlaybackBuffer()
    listener = Listener(buffer)
    parts = [PartId(f"item_{number}") for number in range(3)]
    received = [0, 0, 0]
    claimed: dict[PartId, int] = {}
    over: set[PartId] = set()
    for verb, amount in story:
        match verb.split():
            case ["take"]:
                for _ in range(amount):
                    listener.take()
            case ["hiccup"]:
                listener.now += amount / 1000
            case ["add", digit] if parts[int(digit)] not in over:
                buffer.add(parts[int(digit)], np.full(amount, int(digit) + 1, "<i2").tobytes(), listener.now)
                received[int(digit)] += amount
            case ["end", digit]:
                listener.events += buffer.end(parts[int(digit)], listener.now)
                over.add(parts[int(digit)])
        for heard in buffer.heard(listener.now):
            number = parts.index(heard.part)
            truth = listener.heard(number + 1)
            assert abs(heard.ms - truth / 24) <= 1.1, "claimed is what was heard"
            assert heard.ms <= received[number] / 24
            assert heard.ms >= claimed.get(heard.part, 0), "never goes back"
            claimed[heard.part] = heard.ms
    finished = [event.part for event in listener.events if isinstance(event, PlaybackFinished)]
    assert len(finished) == len(set(finished))
    for part in finished:
        number = parts.index(part)
        assert listener.heard(number + 1) in (received[number], received[number] - 1)
    values = [value for _, value in listener.sounded if value]
    runs = [values[0], *(b for a, b in pairwise(values) if a != b)] if values else []
    assert len(runs) == len(set(runs)), "each part is spoken in one piece, in its order"


def test_the_default_format_is_the_wires() -> None:
    buffer = PlaybackBuffer()
    buffer.move_to(WIRE)
    buffer.add(A, pcm(200), 0)
    assert take(buffer, 0)[1] == pcm(20)


# --- cues and volume --------------------------------------------------------------------------------


def test_a_cue_is_laid_over_what_plays_and_counts_as_nobodys() -> None:
    buffer = PlaybackBuffer()
    buffer.add(PartId("item_a"), _steady(40, 1000), 0.0)
    buffer.end(PartId("item_a"), 0.0)
    buffer.cue(_steady(20, 200))
    first, second = _block(buffer, 0.0), _block(buffer, 0.02)
    assert (first == 1200).all()
    assert (second == 1000).all()
    assert not buffer.cueing
    assert buffer.heard(0.02) == (Heard(PartId("item_a"), 20),)


def test_a_cue_alone_begins_no_part_and_is_heard_whole() -> None:
    buffer = PlaybackBuffer(Format(48_000, 2))
    buffer.cue(_steady(30, 500))
    out = bytearray(48 * 20 * 4)
    assert buffer.fill(memoryview(out), 0.0, 0.04) == ()
    assert buffer.idle
    assert np.frombuffer(bytes(out), "<i2")[200:].max() >= 490
    assert buffer.cueing
    buffer.fill(memoryview(out), 0.02, 0.06)
    assert not buffer.cueing


def test_a_cue_holds_up_no_answer() -> None:
    with_cue, without = PlaybackBuffer(), PlaybackBuffer()
    with_cue.cue(_steady(100, 1))
    for buffer in (with_cue, without):
        buffer.add(PartId("item_a"), _steady(20, 1000), 0.0)
        assert buffer.wait_s(0.0) == pytest.approx(0.04)
    assert with_cue.fill(memoryview(bytearray(960)), 0.04, 0.08) == without.fill(
        memoryview(bytearray(960)), 0.04, 0.08
    )


def test_silence_is_the_end_of_a_cue_too() -> None:
    buffer = PlaybackBuffer()
    buffer.cue(_steady(100, 500))
    buffer.clear(0.0)
    assert (_block(buffer, 0.0) == 0).all()


def test_the_volume_changes_gradually_and_what_was_heard_stays_true() -> None:
    buffer = PlaybackBuffer()
    buffer.add(PartId("item_a"), _steady(60, 10_000), 0.0)
    buffer.end(PartId("item_a"), 0.0)
    assert (_block(buffer, 0.0) == 10_000).all()
    buffer.volume = 0.25
    change = _block(buffer, 0.02)
    assert abs(np.diff(change.astype(int))).max() < 40, "no step that could be heard"
    assert (_block(buffer, 0.04) == 2_500).all()
    assert buffer.heard(0.06) == (Heard(PartId("item_a"), 60),)


def test_what_is_too_loud_together_is_cut_and_does_not_wrap() -> None:
    buffer = PlaybackBuffer()
    buffer.add(PartId("item_a"), _steady(20, 32_000), 0.0)
    buffer.end(PartId("item_a"), 0.0)
    buffer.cue(_steady(20, 5_000))
    assert (_block(buffer, 0.0) == 32_767).all()


def _steady(ms: int, value: int) -> bytes:
    return np.full(ms * 24, value, "<i2").tobytes()


def _block(buffer: PlaybackBuffer, now: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    out = bytearray(960)
    buffer.fill(memoryview(out), now, now)
    return np.frombuffer(bytes(out), "<i2")
