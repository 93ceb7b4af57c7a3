"""The program, started by its run command, on a virtual screen with a virtual sound card.

Whatever it sends to a scripted server in these tests is held against the vendor's schema.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import processes
from tests.harness.program import ROOT, TALK_KEY, Running, start_program
from tests.harness.screen import VirtualScreen
from tests.harness.scripted_server import ScriptedServer
from tests.harness.sound import VirtualSound
from tests.harness.vendor import check_client_event

__all__ = ["ROOT", "TALK_KEY", "Running", "Start", "start"]

Start = Callable[..., Running]


@pytest.fixture(autouse=True)
def only_what_the_schema_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test in which the program sent anything that the vendor's client would not send."""
    leave = ScriptedServer.__aexit__

    async def leave_checked(server: ScriptedServer, *reason: Any) -> None:
        await leave(server, *reason)
        for frame in server.frames:
            check_client_event(frame)
        assert not server.unreadable

    monkeypatch.setattr(ScriptedServer, "__aexit__", leave_checked)


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
