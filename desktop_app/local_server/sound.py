"""Audio on its way between the wire and the engines: formats, rates, frames (pure, numpy and soxr).

On the wire stands PCM16 at 24 kHz or G.711 at 8 kHz; recognition wants float32 at 16 kHz; speech comes as
PCM16 at 24 kHz.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import soxr
from numpy.typing import NDArray

from desktop_app.local_server.engines import RECOGNITION_RATE_HZ, SPEECH_RATE_HZ, Samples
from desktop_app.local_server.orders import WireFormat

G711_RATE_HZ = 8_000


def for_recognition(audio: bytes, wire_format: WireFormat) -> Samples:
    """Return whole audio from the wire as recognition wants it; half a sample at the end is dropped."""
    samples = _decoded(audio[: len(audio) // 2 * 2] if wire_format is WireFormat.PCM else audio, wire_format)
    resampled: Samples = soxr.resample(samples, _rate_hz(wire_format), RECOGNITION_RATE_HZ, quality="MQ")
    return resampled


def quietest(samples: Samples, rate_hz: int) -> int:
    """Return the middle of the quietest 0.3 s, as an index: where speech is best cut; at least 0.3 s are needed."""
    block = rate_hz // 100
    energy = np.square(samples[: samples.size // block * block].reshape(-1, block)).sum(axis=1)
    loudness = np.convolve(energy, np.ones(_QUIET_BLOCKS), mode="valid")
    return (int(loudness.argmin()) + _QUIET_BLOCKS // 2) * block


_QUIET_BLOCKS = 30


def quietest_ms(audio: bytes, wire_format: WireFormat) -> float:
    """Return the same of audio from the wire, in milliseconds from its beginning."""
    rate_hz = _rate_hz(wire_format)
    return quietest(_decoded(audio, wire_format), rate_hz) * 1000 / rate_hz


class FrameCutter:
    """Cuts a stream from the wire, in pieces of any length, into frames for voice detection."""

    def __init__(self, frame_samples: int) -> None:
        self._frame_samples = frame_samples
        self.forget()

    def forget(self) -> None:
        """Start anew: what follows does not continue what came before."""
        self._format: WireFormat | None = None
        self._odd = b""
        self._left = np.zeros(0, np.float32)

    def frames(self, audio: bytes, wire_format: WireFormat) -> Iterator[Samples]:
        """Yield the frames that are complete now."""
        if wire_format is not self._format:
            self.forget()
            self._format = wire_format
            self._resampler = soxr.ResampleStream(
                _rate_hz(wire_format), RECOGNITION_RATE_HZ, 1, dtype="float32", quality="LQ"
            )
        audio = self._odd + audio
        whole = len(audio) // 2 * 2 if wire_format is WireFormat.PCM else len(audio)
        audio, self._odd = audio[:whole], audio[whole:]
        fresh = self._resampler.resample_chunk(_decoded(audio, wire_format))
        samples = np.concatenate((self._left, fresh))
        count = samples.size // self._frame_samples
        self._left = samples[count * self._frame_samples :]
        for start in range(0, count * self._frame_samples, self._frame_samples):
            yield samples[start : start + self._frame_samples]


class SpeechEncoder:
    """Turns the speech of one answer, in pieces, into what goes over the wire."""

    def __init__(self, wire_format: WireFormat) -> None:
        self._format = wire_format
        self._odd = b""
        self._resampler = None
        if wire_format is not WireFormat.PCM:
            self._resampler = soxr.ResampleStream(SPEECH_RATE_HZ, G711_RATE_HZ, 1, dtype="float32", quality="MQ")

    def feed(self, pcm: bytes) -> bytes:
        """Return what is ready of the speech so far."""
        pcm = self._odd + pcm
        whole = len(pcm) // 2 * 2
        pcm, self._odd = pcm[:whole], pcm[whole:]
        return pcm if self._resampler is None else self._g711(pcm, last=False)

    def end(self) -> bytes:
        """Return the rest."""
        return b"" if self._resampler is None else self._g711(b"", last=True)

    def _g711(self, pcm: bytes, *, last: bool) -> bytes:
        assert self._resampler is not None
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
        sound = self._resampler.resample_chunk(samples, last=last)
        levels = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int32)
        encoded: bytes = _encoding(self._format)[levels + 32768].tobytes()
        return encoded


def _rate_hz(wire_format: WireFormat) -> int:
    return SPEECH_RATE_HZ if wire_format is WireFormat.PCM else G711_RATE_HZ


def _decoded(audio: bytes, wire_format: WireFormat) -> Samples:
    if wire_format is WireFormat.PCM:
        return np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768)
    return _levels(wire_format)[np.frombuffer(audio, np.uint8)].astype(np.float32) / np.float32(32768)


@cache
def _levels(wire_format: WireFormat) -> NDArray[np.int32]:
    """Return the level of each of the 256 codes of G.711, on the scale of 16 bits."""
    codes = np.arange(256, dtype=np.int32)
    if wire_format is WireFormat.PCMU:
        codes ^= 0xFF
        levels = ((((codes & 0x0F) << 3) + 0x84) << ((codes & 0x70) >> 4)) - 0x84
        return np.where(codes & 0x80, -levels, levels).astype(np.int32)
    codes ^= 0x55
    segment = (codes & 0x70) >> 4
    levels = ((codes & 0x0F) << 4) + np.where(segment, 0x108, 8)
    levels <<= np.maximum(segment - 1, 0)
    return np.where(codes & 0x80, levels, -levels).astype(np.int32)


@cache
def _encoding(wire_format: WireFormat) -> NDArray[np.uint8]:
    """Return the code nearest to each of the 65,536 levels of 16 bits."""
    levels = _levels(wire_format)
    order = np.argsort(levels, kind="stable")
    middles = (levels[order][1:] + levels[order][:-1]) / 2
    return order[np.searchsorted(middles, np.arange(-32768, 32768))].astype(np.uint8)
