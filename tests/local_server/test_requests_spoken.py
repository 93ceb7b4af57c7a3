"""Everyday requests, really spoken and really understood: a sample of what `tests/bench/requests.py` measures."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from desktop_app.local_server.engines.hibari import HibariSpeech
from desktop_app.local_server.engines.whisper import Whisper
from desktop_app.local_server.models import Weights
from tests.bench.requests import Run, measure, plans
from tests.bench.speech import WEIGHTS
from tests.local_server.brain.judging import Verdict


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """Speak and answer twenty requests, half of them in noise."""
    weights = Weights(WEIGHTS)
    weights.fetch_now("whisper-base")

    async def spoken() -> list[Run]:
        whisper = await Whisper.load(weights.path("whisper-base"))
        speech = await HibariSpeech.load()
        try:
            return await measure(plans(short=True), whisper, speech)
        finally:
            whisper.close()
            speech.close()

    return asyncio.run(spoken())


@pytest.mark.weights
def test_most_are_answered_and_none_wrongly(runs: list[Run]) -> None:
    verdicts = Counter(run.verdict for run in runs)
    assert len(runs) == 20
    assert not [run for run in runs if run.verdict == Verdict.WRONG.value]
    assert verdicts[Verdict.RIGHT.value] >= 16
