"""PCM16 between the wire and a device: rate, channels, level. Pure, numpy and soxr.

The wire speaks PCM16 little-endian, mono, 24 kHz (`WIRE`). A device that wants something else gets it by a
converter, one per stream of samples: resampling block by block with a filter that remembers, since blocks
resampled each by itself click at every seam.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Format:
    """How a device takes or gives PCM16."""

    rate_hz: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample on every channel."""
        return 2 * self.channels

    def ms(self, frames: int) -> float:
        """Return how long `frames` last."""
        return frames * 1000 / self.rate_hz


WIRE = Format(rate_hz=24_000, channels=1)
"""What the Realtime protocol calls `audio/pcm`."""

BLOCK_MS = 20
"""What a device asks for and delivers at a time."""

QUALITY = "MQ"
"""soxr's medium quality: beyond 16 bits' need for speech, and it holds back the fewest samples."""


class Converter:
    """One stream of PCM16, from one format to another, in pieces of any length.

    Channels are averaged on the way in and repeated on the way out, as a mono wire wants it.
    """

    def __init__(self, source: Format, target: Format) -> None:
        self._source = source
        self._target = target
        self._carry = b""
        self._resampler = (
            None
            if source.rate_hz == target.rate_hz
            else soxr.ResampleStream(source.rate_hz, target.rate_hz, 1, dtype="int16", quality=QUALITY)
        )

    def feed(self, pcm: bytes) -> bytes:
        """Return what `pcm` makes; an incomplete frame is kept for the next call."""
        if self._source == self._target and not self._carry and len(pcm) % self._source.frame_bytes == 0:
            return pcm
        data = self._carry + pcm
        whole = len(data) - len(data) % self._source.frame_bytes
        self._carry = data[whole:]
        return self._convert(data[:whole], last=False)

    def finish(self) -> bytes:
        """Return what the filter still holds; an incomplete frame is given up."""
        self._carry = b""
        return self._convert(b"", last=True)

    def _convert(self, data: bytes, *, last: bool) -> bytes:
        if self._source == self._target:
            return data
        samples = average_channels(np.frombuffer(data, "<i2"), self._source.channels)
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        return repeat_channels(samples, self._target.channels).tobytes()


def average_channels(samples: Samples, channels: int) -> Samples:
    """Return the mean over interleaved channels."""
    if channels == 1:
        return samples
    mean: NDArray[np.float64] = samples.reshape(-1, channels).mean(axis=1)
    return np.rint(mean).astype(np.int16)


def repeat_channels(samples: Samples, channels: int) -> Samples:
    """Return mono samples on every channel, interleaved."""
    return samples if channels == 1 else np.repeat(samples, channels)


def level(pcm: bytes) -> float:
    """Return how loud PCM16 is, 0 (−60 dB and below) to 1 (full scale), evenly in decibels."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.float32)
    if not samples.size:
        return 0.0
    rms = math.sqrt(float(np.mean(samples * samples))) / 32768
    return min(1.0, max(0.0, 1 + math.log10(max(rms, 1e-9)) / 3))
