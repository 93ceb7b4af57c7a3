"""Detecting speech: people yes, noise no; state per stream."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.local_server.engines import Samples
from desktop_app.local_server.engines.silero import SileroVoiceActivity
from desktop_app.resources import resource
from tests.bench.speech import load_clips, noises


def probabilities(detector: SileroVoiceActivity, audio: Samples) -> list[float]:
    """Return one figure for each whole frame."""
    size = detector.frame_samples
    return [detector.probability(audio[start : start + size]) for start in range(0, audio.size - size + 1, size)]


def test_the_model_comes_with_its_licence() -> None:
    assert "MIT" in resource("models", "silero_vad.LICENSE.txt").read_text("utf-8")


@pytest.mark.parametrize("clip", load_clips(), ids=lambda clip: clip.name)
def test_people_are_noticed(clip: object) -> None:
    found = probabilities(SileroVoiceActivity(), clip.audio)  # type: ignore[attr-defined]
    assert max(found) > 0.9
    assert np.mean(np.array(found) > 0.5) > 0.4


def test_silence_and_noise_are_not() -> None:
    for name, noise in noises():
        found = probabilities(SileroVoiceActivity(), noise)
        assert np.mean(np.array(found) > 0.5) < 0.1, name
    assert max(probabilities(SileroVoiceActivity(), np.zeros(16_000, np.float32))) < 0.1


def test_a_stream_can_start_afresh() -> None:
    audio = load_clips()[0].audio[:16_000]
    detector = SileroVoiceActivity()
    first = probabilities(detector, audio)
    assert probabilities(detector, audio) != first, "it remembers"
    detector.reset()
    assert probabilities(detector, audio) == first


def test_a_frame_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="512 samples"):
        SileroVoiceActivity().probability(np.zeros(480, np.float32))
