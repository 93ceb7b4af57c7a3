"""A talk that goes on and on: nothing grows, and what is sent keeps up with time."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication

from tests.soak.soak import GROWS_MB, WARM_UP_S, Note, Outcome, run

QUICK_S = 60.0
QUICKLY_GROWS_MB = 30.0
"""In a minute nothing has settled: only what grows without bounds shows."""
LONG_S = 3600.0
LONGEST_S = 8 * 3600.0


def check(outcome: Outcome, *, warm_up_s: float = WARM_UP_S, grows_mb: float = GROWS_MB) -> None:
    """Assert what must be true of any soak."""
    assert outcome.faults(warm_up_s, grows_mb=grows_mb) == []
    assert outcome.notes[-1].answers > outcome.lasted_s / 30, "it was a talk"
    assert outcome.drifts_s, "the microphone was heard all the time"
    assert outcome.notes[-1].rows > outcome.notes[-1].answers, "questions and answers are shown"


def test_a_minute_simulated(qapp: QApplication) -> None:
    outcome = run(QUICK_S, simulated=True, note_every_s=10)

    check(outcome, warm_up_s=20, grows_mb=QUICKLY_GROWS_MB)


@pytest.mark.slow
def test_eight_hours_simulated(qapp: QApplication) -> None:
    check(run(LONGEST_S, simulated=True))


@pytest.mark.slow
def test_an_hour_at_real_time(qapp: QApplication) -> None:
    check(run(LONG_S, simulated=False))


def note(at_s: float, memory_mb: float, threads: int = 3) -> Note:
    """Return a note with nothing odd about it but these."""
    return Note(at_s, memory_mb, threads, 20, 5, 0.0, 10, 5, 1)


def test_the_judgement_can_fail() -> None:
    grows = Outcome(True, notes=[note(60 * n, 100 + n) for n in range(10)], drifts_s=[0.03])

    assert grows.faults(0) == ["memory grew by 9.0 MB", "sent audio drifts by 30.0 ms"]
    assert Outcome(True, notes=[note(60 * n, 100, threads=n) for n in range(10)]).faults(0) == [
        "threads grew from 0 to 9"
    ]
    assert Outcome(True, notes=[note(60 * n, 100) for n in range(10)]).faults(0) == []
