"""The program, started by its run command, on a virtual screen with a virtual sound card."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import processes
from tests.harness.screen import VirtualScreen
from tests.harness.sound import VirtualSound

ROOT = Path(__file__).parents[2]
TALK_KEY = "F9"


class Running:
    """The running program, as its user has it: a window, a key, a loudspeaker."""

    def __init__(self, process: subprocess.Popen[bytes], screen: VirtualScreen, log: Path) -> None:
        self.process = process
        self.screen = screen
        self.log = log
        self.window = screen.find_window("Parley", deadline_s=60)
        screen.focus(self.window)

    def press(self) -> None:
        """Hold the talk key."""
        self.screen.key_down(TALK_KEY)

    def release(self) -> None:
        """Let the talk key go."""
        self.screen.key_up(TALK_KEY)

    def picture(self, name: str) -> None:
        """Keep a picture of the window under `build/screens`."""
        folder = ROOT / "build" / "screens"
        folder.mkdir(parents=True, exist_ok=True)
        self.screen.screenshot(folder / f"{name}.png", self.window)

    def said(self) -> str:
        """Return what the program has written to the terminal."""
        return self.log.read_text("utf-8", "replace")

    def close(self) -> int:
        """Close the window as a user does; return the exit code."""
        self.screen.close_window(self.window)
        return self.process.wait(15)


Start = Callable[..., Running]


@pytest.fixture
def start(screen: VirtualScreen, sound: VirtualSound, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts the program by the README's command and waits for its window."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, env: dict[str, str | None] | None = None) -> Running:
        log = tmp_path / f"program-{len(started)}.log"
        command = [sys.executable, str(ROOT / "packaging" / "dev.py"), "run", "--"]
        command += ["--profile", str(tmp_path / "profile"), "--log-level", "info", *arguments]
        surroundings: dict[str, str | None] = {
            **sound.env,
            **screen.env,
            "OPENAI_API_KEY": None,
            "OPENAI_BASE_URL": None,
            "QT_QPA_PLATFORM": None,
            **(env or {}),
        }
        with log.open("wb") as written:
            process = processes.start(command, env=surroundings, stdout=written, stderr=written)
        started.append(process)
        return Running(process, screen, log)

    yield run
    for process in started:
        processes.stop(process)
