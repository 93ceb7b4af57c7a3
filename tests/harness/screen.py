"""A screen without hardware: an X server that paints into memory, a window manager, and fingers.

    with VirtualScreen() as screen:
        program = start(["parley"], env=screen.env)
        window = screen.find_window("Parley")
        screen.key_down("F9")
        screen.screenshot(Path("listening.png"))

A window manager runs because without one nothing is ever active: focus, its loss, and requests to close would
not exist. Keys and clicks are made by XTEST, so to the program they are real, auto-repeat included.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.processes import require, run, start, stop, wait_until


class VirtualScreen:
    """A private X display with a window manager."""

    def __init__(self, width: int = 1280, height: int = 800) -> None:
        self._size = (width, height)
        self._folder = Path()
        self._children: list[subprocess.Popen[bytes]] = []
        self.display = ""
        """The display's name, such as `:3`."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the display and the window manager; raise MissingProgram, or RuntimeError with their words."""
        require(["Xvfb", "openbox", "xdotool", "wmctrl", "xprop", "import"])
        self._folder = Path(tempfile.mkdtemp(prefix="parley-screen-"))
        try:
            self.display = self._start_server()
            self._start_window_manager()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything that was started; programs still on the display lose it."""
        for child in reversed(self._children):
            stop(child)
        self._children.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def env(self) -> dict[str, str]:
        """What a child needs in its environment to appear on this screen and no other."""
        return {
            "DISPLAY": self.display,
            "QT_QPA_PLATFORM": "xcb",
            "XDG_SESSION_TYPE": "x11",
            "WAYLAND_DISPLAY": "",
            "QT_SCALE_FACTOR": "1",
        }

    def _start_server(self) -> str:
        log = self._folder / "xvfb.log"
        command = ["Xvfb", "-screen", "0", f"{self._size[0]}x{self._size[1]}x24", "-dpi", "96"]
        command += ["-nolisten", "tcp", "-noreset"]
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as answer:
            with os.fdopen(writing, "wb"), log.open("wb") as words:
                # -displayfd: it picks a free number itself and says which.
                command += ["-displayfd", str(writing)]
                self._children.append(start(command, stdout=words, stderr=words, pass_fds=[writing]))
            ready, _, _ = select.select([answer], [], [], 20)
            # To the end: the line feed comes by itself, and finding the pipe closed would kill the server.
            number = answer.read().decode().strip() if ready else ""
        if not number:
            raise RuntimeError(f"Xvfb did not start:\n{log.read_text(errors='replace')}")
        return f":{number}"

    def _start_window_manager(self) -> None:
        home = {"HOME": str(self._folder), "XDG_CONFIG_HOME": str(self._folder)}
        self._children.append(start(["openbox", "--sm-disable"], {**self.env, **home}))

        def manages() -> bool:
            return "window id" in run(["xprop", "-root", "_NET_SUPPORTING_WM_CHECK"], self.env)

        wait_until(manages, "the window manager manages")

    # --- windows --------------------------------------------------------------------------------

    def find_window(self, name: str, deadline_s: float = 15.0) -> str:
        """Wait for a visible window whose title is exactly this; return its id."""
        pattern = "^" + "".join("\\" + c if c in r"\.[]*^$+?(){}|" else c for c in name) + "$"

        def found() -> list[str]:
            return self._xdotool_or_nothing("search", "--onlyvisible", "--name", pattern).split()

        return wait_until(found, f"a window «{name}»", deadline_s)[0]

    def wait_until_closed(self, window: str, deadline_s: float = 10.0) -> None:
        """Wait until the window is gone or hidden."""

        def gone() -> bool:
            return f"{int(window):#010x}" not in run(["wmctrl", "-l"], self.env)

        wait_until(gone, f"window {window} closes", deadline_s)

    def focus(self, window: str, deadline_s: float = 5.0) -> None:
        """Make it the active window, and wait until it has the keyboard."""
        self._xdotool("windowactivate", window)

        def focused() -> bool:
            return self._xdotool_or_nothing("getwindowfocus").strip() == window

        wait_until(focused, f"window {window} has the focus", deadline_s)

    def close_window(self, window: str) -> None:
        """Ask it to close, as its close button does; xdotool's own way would tear it down unasked."""
        run(["wmctrl", "-i", "-c", window], self.env)

    def move_window(self, window: str, x: int, y: int) -> None:
        """Move it; the frame is at the given place afterwards."""
        self._xdotool("windowmove", window, str(x), str(y))

    def resize_window(self, window: str, width: int, height: int) -> None:
        """Make its inside as large."""
        self._xdotool("windowsize", window, str(width), str(height))

    def size_of(self, window: str) -> tuple[int, int]:
        """Return width and height of its inside."""
        lines = dict(
            line.split("=", 1) for line in self._xdotool("getwindowgeometry", "--shell", window).splitlines()
        )
        return int(lines["WIDTH"]), int(lines["HEIGHT"])

    def screenshot(self, path: Path, window: str = "root") -> None:
        """Write a picture of the screen, or of one window without its frame."""
        run(["import", "-silent", "-window", window, str(path)], self.env, deadline_s=20)

    # --- fingers --------------------------------------------------------------------------------

    def key_down(self, key: str) -> None:
        """Press a key, by its X name (`F9`, `space`, `Escape`, `ctrl+n`), and hold it."""
        self._xdotool("keydown", key)

    def key_up(self, key: str) -> None:
        """Let a key go."""
        self._xdotool("keyup", key)

    def tap(self, key: str) -> None:
        """Press a key and let it go."""
        self._xdotool("key", key)

    def type(self, text: str) -> None:
        """Type a text on the keyboard."""
        self._xdotool("type", "--delay", "5", text)

    def click(self, window: str, x: int, y: int) -> None:
        """Click into a window, at pixels from its upper left corner."""
        self.point(window, x, y)
        self._xdotool("click", "1")

    def point(self, window: str, x: int, y: int) -> None:
        """Move the pointer there."""
        self._xdotool("mousemove", "--window", window, str(x), str(y))

    def button_down(self) -> None:
        """Press the left mouse button where the pointer is, and hold it."""
        self._xdotool("mousedown", "1")

    def button_up(self) -> None:
        """Let the left mouse button go."""
        self._xdotool("mouseup", "1")

    def _xdotool(self, *arguments: str) -> str:
        return run(["xdotool", *arguments], self.env)

    def _xdotool_or_nothing(self, *arguments: str) -> str:
        """Return the answer, empty when xdotool says that there is nothing, by exit code 1."""
        return _answer(["xdotool", *arguments], self.env)


def _answer(command: Sequence[str], env: dict[str, str]) -> str:
    try:
        return run(command, env)
    except RuntimeError:
        return ""
