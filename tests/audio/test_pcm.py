from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.audio.pcm import (
    QUALITY,
    WIRE,
    Converter,
    Format,
    Samples,
    average_channels,
    level,
    repeat_channels,
)


def tone(rate_hz: int, seconds: float, hertz: float = 440, peak: int = 10_000) -> Samples:
    at = np.arange(round(rate_hz * seconds)) / rate_hz
    samples: Samples = np.rint(peak * np.sin(2 * np.pi * hertz * at)).astype("<i2")
    return samples


def converted(converter: Converter, pcm: bytes, size: int) -> bytes:
    pieces = [converter.feed(pcm[at : at + size]) for at in range(0, len(pcm), size)]
    return b"".join(pieces) + converter.finish()


def test_the_same_format_passes_untouched() -> None:
    pcm = tone(24_000, 0.1).tobytes()
    assert converted(Converter(WIRE, WIRE), pcm, 960) == pcm


@given(st.lists(st.integers(1, 50), min_size=1))
def test_a_sample_split_anywhere_is_put_together(sizes: list[int]) -> None:
    whole = np.arange(sum(sizes) // 2, dtype="<i2").tobytes()
    converter, out, at = Converter(WIRE, WIRE), b"", 0
    for size in sizes:
        out += converter.feed(whole[at : at + size])
        at += size
    assert out + converter.finish() == whole


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("size", [960, 1764, 4410])
def test_resampling_in_pieces_has_no_seams(rate_hz: int, size: int) -> None:
    device = Format(rate_hz, 1)
    pcm = converted(Converter(device, WIRE), tone(rate_hz, 1.0).tobytes(), size)
    got = np.frombuffer(pcm, "<i2").astype(np.float64)
    wanted = tone(24_000, 1.0).astype(np.float64)
    assert abs(len(got) - len(wanted)) <= 2
    # The ends ring; within, a seam would stand out by hundreds.
    middle = slice(500, 23_500)
    assert np.abs(got[middle] - wanted[middle]).max() < 60


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 4, 6, 8])
def test_pieces_of_any_size_are_what_one_go_makes(rate_hz: int, channels: int) -> None:
    device = Format(rate_hz, channels)
    whole = repeat_channels(tone(rate_hz, 0.4), channels).tobytes()
    sizes = np.random.default_rng(rate_hz).integers(1, 4000, 10_000)
    converter, out, at = Converter(device, WIRE), b"", 0
    for size in sizes:
        out += converter.feed(whole[at : at + size])
        at += size
        if at >= len(whole):
            break
    got = np.frombuffer(out + converter.finish(), "<i2").astype(int)
    wanted = soxr.resample(tone(rate_hz, 0.4), rate_hz, 24_000, quality=QUALITY).astype(int)
    assert len(got) == pytest.approx(len(wanted), abs=2), "nothing is left in the filter"
    length = min(len(got), len(wanted))
    assert np.abs(got[:length] - wanted[:length]).max() <= 2


def test_there_and_back_keeps_time() -> None:
    device = Format(44_100, 2)
    there = converted(Converter(WIRE, device), tone(24_000, 1.0).tobytes(), 4800)
    assert len(there) == pytest.approx(44_100 * 4, abs=16)
    back = np.frombuffer(converted(Converter(device, WIRE), there, 3528), "<i2").astype(np.float64)
    wanted = tone(24_000, 1.0).astype(np.float64)[: len(back)]
    middle = slice(1000, 22_000)
    assert np.corrcoef(back[middle], wanted[middle])[0, 1] > 0.9999


def test_channels_are_averaged_and_repeated() -> None:
    assert average_channels(np.array([100, 200, -32768, -32768], "<i2"), 2).tolist() == [150, -32768]
    assert repeat_channels(np.array([1, 2], "<i2"), 2).tolist() == [1, 1, 2, 2]


def test_two_channels_that_cancel_are_silence() -> None:
    assert average_channels(np.array([500, -500], "<i2"), 2).tolist() == [0]


def test_level_goes_from_silence_to_full_scale() -> None:
    assert level(b"") == 0.0
    assert level(bytes(960)) == 0.0
    assert level(np.full(480, 32767, "<i2").tobytes()) == pytest.approx(1.0, abs=0.001)
    assert level(np.full(480, 327, "<i2").tobytes()) == pytest.approx(1 / 3, abs=0.01)  # −40 dB
    quiet, loud = (level(tone(24_000, 0.02, peak=peak).tobytes()) for peak in (300, 3000))
    assert quiet < loud
