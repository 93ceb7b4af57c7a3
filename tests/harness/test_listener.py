"""The listener notices what cannot be right, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from tests.harness.listener import Listener, gaps, voice


def samples(pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Return the samples."""
    return np.frombuffer(pcm, "<i2").astype(np.int16)


def hear(*pieces: bytes) -> Listener:
    """Return a listener that heard these in blocks of 20 ms."""
    listener = Listener()
    everything = b"".join(pieces)
    for at in range(0, len(everything), 960):
        listener.hear(samples(everything[at : at + 960]))
    return listener


def test_voices_with_pauses_are_heard_to_the_sample() -> None:
    listener = hear(
        bytes(960), voice(7, 500)[:20_002], bytes(3_002), voice(7, 500)[20_002:], voice(8, 90), bytes(960)
    )

    assert (listener.heard_ms(7), listener.heard_ms(8)) == (500, 90)
    assert listener.order == [7, 8]
    assert not listener.trouble


@pytest.mark.parametrize(
    ("pieces", "trouble"),
    [
        ([voice(7, 100), voice(8, 50), voice(7, 100)], "heard twice"),
        ([voice(7, 100), voice(7, 400)[4_800 * 2 :]], "goes on wrongly"),
        ([voice(7, 400)[:9_600], voice(7, 400)[7_200:]], "goes on wrongly"),
    ],
    ids=["twice", "a hole", "a repetition"],
)
def test_what_is_wrong_is_told(pieces: list[bytes], trouble: str) -> None:
    assert trouble in hear(*pieces).trouble[0]


def test_a_talk_with_a_hole_shows() -> None:
    counted = (1 + np.arange(4_800)).astype("<i2").tobytes()

    assert gaps(counted) == []
    assert gaps(counted[:2_400] + counted[4_800:]) == [49]
