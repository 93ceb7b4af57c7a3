"""How loud a microphone is, in decibels, and what is wrong with what it gives."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.audio.meter import Check, Fault, Meter, rms_db

ZEROS = bytes(960)


def tone(db: float, hertz: float = 400) -> bytes:
    """20 ms of a sine whose loudness (RMS) is `db` of full scale."""
    samples = np.sin(2 * np.pi * hertz * np.arange(480) / 24_000) * 10 ** (db / 20) * np.sqrt(2) * 32767
    return bytes(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes())


@pytest.mark.parametrize("db", [-60, -40, -20, -6])
def test_it_is_in_decibels_of_full_scale(db: int) -> None:
    meter = Meter()
    meter.feed(tone(db))
    assert rms_db(tone(db)) == pytest.approx(db, abs=0.3)
    assert meter.read() == pytest.approx(1 + db / 60, abs=0.01)


def test_between_two_looks_no_block_is_missed() -> None:
    meter = Meter()
    for db in (-50, -10, -50):
        meter.feed(tone(db))
    assert meter.read() == pytest.approx(1 - 10 / 60, abs=0.01)
    assert meter.read() == 0.0, "what was told is over"


def test_silence_is_no_level() -> None:
    meter = Meter()
    meter.feed(ZEROS)
    meter.feed(b"")
    assert meter.read() == 0.0
    assert rms_db(b"") == -96.0


def checked(*blocks: bytes) -> Check:
    check = Check()
    for block in blocks:
        check.feed(block)
    return check


def test_nothing_but_zeros_is_no_microphone() -> None:
    assert checked(*[ZEROS] * 60).fault is Fault.ZEROS
    assert checked(*[ZEROS] * 30).fault is None, "a short press tells nothing"
    assert checked(*[ZEROS] * 60, tone(-30)).fault is None, "it only woke up late"


def test_nothing_but_noise_is_told_of_a_talk_that_was_long_enough() -> None:
    assert checked(*[tone(-70)] * 80).fault is Fault.NOISE
    assert checked(*[tone(-70)] * 40).fault is None
    assert checked(*[tone(-70)] * 80, tone(-45)).fault is None, "quiet speech is speech"


def test_peaks_that_are_cut_are_too_loud() -> None:
    assert checked(*[tone(0)] * 8, *[tone(-20)] * 50).fault is Fault.TOO_LOUD
    assert checked(*[tone(0)] * 3, *[tone(-20)] * 50).fault is None, "one loud word is no distortion"
    assert checked(*[tone(-6)] * 60).fault is None
