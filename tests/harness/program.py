"""The program, started by its run command, on a virtual screen with a virtual sound card.

Keys and the mouse are XTEST's: to the program they are a real keyboard and mouse.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.harness import processes
from tests.harness.processes import DidNotHappen
from tests.harness.screen import VirtualScreen
from tests.harness.sound import VirtualSound

ROOT = Path(__file__).parents[2]
TALK_KEY = "F9"
WINDOW_WITHIN_S = 60
"""Long: its first start may install what it needs."""


class Running:
    """The running program, as its user has it: a window, a key, a loudspeaker."""

    def __init__(self, process: subprocess.Popen[bytes], screen: VirtualScreen, log: Path) -> None:
        self.process = process
        self.screen = screen
        self.log = log
        self.window = self._find_window()
        screen.focus(self.window)

    def _find_window(self) -> str:
        for _ in range(WINDOW_WITHIN_S):
            with suppress(DidNotHappen):
                return self.screen.find_window("Parley", deadline_s=1)
            if (code := self.process.poll()) is not None:
                raise RuntimeError(f"The program ended with {code} and showed no window:\n{self.said()}")
        raise DidNotHappen(f"the program's window: not within {WINDOW_WITHIN_S} s\n{self.said()}")

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


def start_program(
    screen: VirtualScreen,
    sound: VirtualSound,
    *arguments: str,
    profile: Path,
    log: Path,
    env: dict[str, str | None] | None = None,
) -> subprocess.Popen[bytes]:
    """Start the program by the README's command, with nothing of our own surroundings but what `env` says.

    The process becomes the program itself: its id is that of the window's process.
    """
    command = [sys.executable, str(ROOT / "packaging" / "dev.py"), "run", "--"]
    command += ["--profile", str(profile), "--log-level", "info", *arguments]
    with log.open("wb") as written:
        return processes.start(command, env=surroundings(sound, screen, env), stdout=written, stderr=written)


def surroundings(
    sound: VirtualSound, screen: VirtualScreen, env: Mapping[str, str | None] | None = None
) -> dict[str, str | None]:
    """Return what the program finds in its environment: this sound card and screen, no key of ours, and `env`."""
    return {
        **sound.env,
        **screen.env,
        "OPENAI_API_KEY": None,
        "OPENAI_BASE_URL": None,
        "QT_QPA_PLATFORM": None,
        **(env or {}),
    }
