"""The program, started by its run command, on a virtual screen with a virtual sound card."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import processes
from tests.harness.program import ROOT, TALK_KEY, Running, start_program
from tests.harness.screen import VirtualScreen
from tests.harness.sound import VirtualSound

__all__ = ["ROOT", "TALK_KEY", "Running", "Start", "start"]

Start = Callable[..., Running]


@pytest.fixture
def start(screen: VirtualScreen, sound: VirtualSound, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts the program by the README's command and waits for its window."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, env: dict[str, str | None] | None = None) -> Running:
        log = tmp_path / f"program-{len(started)}.log"
        process = start_program(screen, sound, *arguments, profile=tmp_path / "profile", log=log, env=env)
        started.append(process)
        return Running(process, screen, log)

    yield run
    for process in started:
        processes.stop(process)
