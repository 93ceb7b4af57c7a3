"""Whole talks with a network that misbehaves: after each fault everything is as it must be."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication

from tests.faults.talks import FAULTS, Certificates, run_talk

FAULTS_PER_TALK = 5
QUICK_TALKS = 10
"""50 faults."""
ALL_TALKS = 200
"""1,000 faults."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make good and bad certificates, once."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


SEEDS = [
    pytest.param(seed, marks=() if seed <= QUICK_TALKS else (pytest.mark.slow,)) for seed in range(1, ALL_TALKS + 1)
]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_talk_survives_what_networks_do(qapp: QApplication, certificates: Certificates, seed: int) -> None:
    outcome = run_talk(seed, FAULTS_PER_TALK, certificates)

    assert len(outcome.faults) == FAULTS_PER_TALK


def test_the_faults_have_names_of_their_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
