"""Formats, rates and frames, against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.local_server.orders import WireFormat
from desktop_app.local_server.sound import FrameCutter, SpeechEncoder, for_recognition

FORMATS = list(WireFormat)


def tone(rate_hz: int, seconds: float, *, hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)


def pcm(seconds: float, *, hz: float = 440.0) -> bytes:
    return (tone(24_000, seconds, hz=hz) * 32767).astype("<i2").tobytes()


def on_wire(wire_format: WireFormat, seconds: float) -> bytes:
    encoder = SpeechEncoder(wire_format)
    return encoder.feed(pcm(seconds)) + encoder.end()


@pytest.mark.parametrize(
    ("wire_format", "code", "level"),
    [
        (WireFormat.PCMU, 0x00, -32124),
        (WireFormat.PCMU, 0x80, 32124),
        (WireFormat.PCMU, 0xFF, 0),
        (WireFormat.PCMU, 0xAA, 5372),
        (WireFormat.PCMA, 0x55, -8),
        (WireFormat.PCMA, 0xD5, 8),
        (WireFormat.PCMA, 0x2A, -32256),
        (WireFormat.PCMA, 0xAA, 32256),
    ],
)  # fmt: skip
def test_g711_has_the_levels_of_the_standard(wire_format: WireFormat, code: int, level: int) -> None:
    steady = for_recognition(bytes([code]) * 800, wire_format)
    assert float(np.median(steady)) * 32768 == pytest.approx(level, abs=abs(level) * 0.001 + 1)


@pytest.mark.parametrize("wire_format", FORMATS)
def test_what_is_encoded_is_heard_again(wire_format: WireFormat) -> None:
    heard = for_recognition(on_wire(wire_format, 1.0), wire_format)
    assert heard.size == pytest.approx(16_000, abs=2)
    expected = tone(16_000, 1.0)[: heard.size]
    middle = slice(1600, 14_000)
    noise = heard[middle] - expected[middle]
    quality_db = 10 * np.log10(np.mean(expected[middle] ** 2) / np.mean(noise**2))
    assert quality_db > 30


@pytest.mark.parametrize("wire_format", FORMATS)
@pytest.mark.parametrize("step", [1, 7, 480, 4800])
def test_a_stream_is_cut_into_the_same_frames_however_it_comes(wire_format: WireFormat, step: int) -> None:
    audio = on_wire(wire_format, 0.5)
    whole = list(FrameCutter(512).frames(audio, wire_format))
    cutter = FrameCutter(512)
    pieces = [
        frame
        for start in range(0, len(audio), step)
        for frame in cutter.frames(audio[start : start + step], wire_format)
    ]
    assert len(pieces) == len(whole) >= 14
    assert all(frame.size == 512 for frame in pieces)
    assert np.allclose(np.concatenate(pieces), np.concatenate(whole), atol=1e-4)


def test_a_cutter_forgets() -> None:
    cutter = FrameCutter(512)
    list(cutter.frames(pcm(0.2) + b"\1", WireFormat.PCM))
    cutter.forget()
    silent = list(cutter.frames(bytes(48 * 200), WireFormat.PCM))
    assert max(float(np.abs(frame).max()) for frame in silent) == 0.0


@pytest.mark.parametrize("wire_format", FORMATS)
def test_speech_in_odd_pieces_is_encoded_alike(wire_format: WireFormat) -> None:
    whole = on_wire(wire_format, 0.3)
    encoder = SpeechEncoder(wire_format)
    speech = pcm(0.3)
    pieces = b"".join(encoder.feed(speech[n : n + 333]) for n in range(0, len(speech), 333)) + encoder.end()
    assert len(pieces) == len(whole)
    same = np.frombuffer(pieces, np.uint8) == np.frombuffer(whole, np.uint8)
    assert same.mean() > 0.98


def test_half_a_sample_is_dropped_and_nothing_is_nothing() -> None:
    assert for_recognition(b"\0", WireFormat.PCM).size == 0
    assert for_recognition(b"", WireFormat.PCMU).size == 0
