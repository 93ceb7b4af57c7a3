"""Silero voice activity detection (version 6, MIT) on onnxruntime: a recurrent network of 2.3 MB.

It sees 32 ms at a time and remembers, so every stream has a detector of its own. A frame takes about 0.15 ms
on one thread: handing it to another would cost more, so it runs where it is called.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from desktop_app.local_server.engines import RECOGNITION_RATE_HZ, Samples
from desktop_app.resources import resource

FRAME_SAMPLES = 512
_CONTEXT_SAMPLES = 64
"""The end of the frame before is put in front of every frame: the network was trained with it."""


class SileroVoiceActivity:
    """A `VoiceActivity` that keeps its stream's state."""

    frame_samples = FRAME_SAMPLES

    def __init__(self, path: Path | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = path or resource("models", "silero_vad.onnx")
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._rate_hz = np.array(RECOGNITION_RATE_HZ, np.int64)
        self._state = np.zeros((2, 1, 128), np.float32)
        self._window = np.zeros((1, _CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)

    def probability(self, frame: Samples) -> float:
        """Return how likely the frame is speech, 0 to 1; `ValueError` for a frame of another length."""
        if frame.shape != (FRAME_SAMPLES,):
            raise ValueError(f"a frame of {FRAME_SAMPLES} samples is needed, not {frame.shape}")
        self._window[0, :_CONTEXT_SAMPLES] = self._window[0, -_CONTEXT_SAMPLES:]
        self._window[0, _CONTEXT_SAMPLES:] = frame
        inputs = {"input": self._window, "state": self._state, "sr": self._rate_hz}
        probability, self._state = self._session.run(None, inputs)
        return float(probability[0, 0])

    def reset(self) -> None:
        """Forget the stream so far."""
        self._state = np.zeros_like(self._state)
        self._window[:] = 0.0
