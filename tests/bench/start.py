"""How soon the window is there, how soon it can be talked to, and how much memory it holds.

Looked at from outside: a picture is there when the screen's pixels are another colour, whatever the program thinks
of it; the connection when the program says so. Beside it, in the same run, a bare window of the same toolkit: what
nobody could do without. Figures:

    painted_ms      from the start of the process to the first pixels of the window
    painted_cpu_ms  the processor's time for it, which a busy machine changes less
    connected_ms    the same to the connection with the offline assistant, whose process is started on the way
    loaded_ms       the same to its last engine: from then on it understands speech
    rss_mb          resident memory of the window's process, connected, loaded, and left alone for a while
    assistant_mb    the same of the assistant's process

«warm» is a start like the one before; «cold» one whose files were dropped from the page cache first, as far as no
other process has them open; «dev.py run» is the README's command, the second time.

    python3 packaging/dev.py bench start [-- --warm 10 --cold 4]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.harness import processes
from tests.harness.processes import wait_until
from tests.harness.program import ROOT, surroundings
from tests.harness.screen import VirtualScreen
from tests.harness.sound import VirtualSound

TARGET = ROOT / "build" / "bench" / "start.json"
GOALS = {("warm", "painted_ms"): 400.0, ("cold", "painted_ms"): 700.0, ("warm", "rss_mb"): 120.0}
PAINTED_WITHIN_S = 30.0
LOADED_WITHIN_S = 120.0
SETTLED_S = 3.0
"""How long it is left alone before its memory is looked at."""
BARE = """
import sys
from PySide6.QtWidgets import QApplication, QLabel
application = QApplication(sys.argv)
window = QLabel("A window")
window.resize(760, 760)
window.show()
application.exec()
"""


class Pixels:
    """The middle row of a screen: what anybody looking at it would see there."""

    def __init__(self, display: str, width: int = 1280, row: int = 400) -> None:
        self._width = width
        self._row = row
        self._x11 = x11 = ctypes.CDLL("libX11.so.6")
        x11.XOpenDisplay.restype = x11.XGetImage.restype = ctypes.c_void_p
        x11.XDefaultRootWindow.restype = ctypes.c_ulong
        self._display = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
        self._root = ctypes.c_ulong(x11.XDefaultRootWindow(self._display))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._x11.XCloseDisplay(self._display)

    def colours(self) -> bytes:
        """Return the row, four bytes a pixel."""
        all_planes, z_pixmap = ctypes.c_ulong(-1), 2
        image = ctypes.c_void_p(
            self._x11.XGetImage(self._display, self._root, 0, self._row, self._width, 1, all_planes, z_pixmap)
        )
        # struct XImage: four ints, then the data.
        data = ctypes.cast(image.value + 16 if image.value else 0, ctypes.POINTER(ctypes.c_void_p))[0]
        row = ctypes.string_at(data or 0, 4 * self._width)
        self._x11.XDestroyImage(image)
        return row

    def wait_for_change(self, before: bytes) -> float:
        """Wait until a tenth of the row has another colour: more than a frame around it; return when."""
        enough = self._width // 10

        def changed() -> float:
            now = self.colours()
            pixels = range(0, len(now), 4)
            return time.monotonic() * (sum(now[i : i + 4] != before[i : i + 4] for i in pixels) > enough)

        return wait_until(changed, "a picture on the screen", PAINTED_WITHIN_S)


class Bench:
    """A screen, a sound card, and figures by way of starting."""

    def __init__(self, folder: Path, screen: VirtualScreen, sound: VirtualSound) -> None:
        self._folder = folder
        self._screen = screen
        self._env = surroundings(sound, screen, {"PYTHONDONTWRITEBYTECODE": None})
        self.figures: dict[tuple[str, str], list[float]] = defaultdict(list)

    def start(self, way: str, command: Sequence[str], *, whole: bool) -> None:
        """Start a program, look at it, end it; `whole` waits for the connection and the engines too."""
        log = self._folder / "log"
        with Pixels(self._screen.display) as pixels, log.open("wb") as written:
            before = pixels.colours()
            begun_s = time.monotonic()
            process = processes.start(command, self._env, stdout=written, stderr=written)
            try:
                painted_s = pixels.wait_for_change(before)
                spent = psutil.Process(process.pid).cpu_times()
                self._note(way, "painted_ms", (painted_s - begun_s) * 1000)
                self._note(way, "painted_cpu_ms", (spent.user + spent.system) * 1000)
                if whole:
                    self._follow(way, process, log, begun_s)
            finally:
                processes.stop(process)
            wait_until(lambda: pixels.colours() == before, "the screen is empty again")

    def _follow(self, way: str, process: subprocess.Popen[bytes], log: Path, begun_s: float) -> None:
        for line, figure in (("session: online", "connected_ms"), ("small-talk model", "loaded_ms")):

            def said(line: str = line) -> bool:
                return line in log.read_text("utf-8", "replace")

            wait_until(said, line, LOADED_WITHIN_S)
            self._note(way, figure, (time.monotonic() - begun_s) * 1000)
        time.sleep(SETTLED_S)  # the story is that nothing happens for so long
        of_window = psutil.Process(process.pid)
        self._note(way, "rss_mb", of_window.memory_info().rss / 2**20)
        for child in of_window.children():
            self._note(way, "assistant_mb", child.memory_info().rss / 2**20)
        if (code := processes.stop(process)) != 0:
            raise RuntimeError(f"The program ended with {code}:\n{log.read_text('utf-8', 'replace')}")

    def rest(self, way: str, command: Sequence[str]) -> None:
        """Note the memory of a program that only shows a window."""
        with Pixels(self._screen.display) as pixels:
            before = pixels.colours()
            with processes.running(command, self._env) as process:
                pixels.wait_for_change(before)
                time.sleep(SETTLED_S)
                self._note(way, "rss_mb", psutil.Process(process.pid).memory_info().rss / 2**20)
            wait_until(lambda: pixels.colours() == before, "the screen is empty again")

    def _note(self, way: str, figure: str, value: float) -> None:
        self.figures[way, figure].append(value)


def forget(folders: Sequence[Path]) -> None:
    """Drop the files of folders from the page cache: these only, so that nobody else is slowed."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(warm: int, cold: int) -> dict[tuple[str, str], list[float]]:
    """Start everything as often as asked for; return the figures."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        VirtualSound() as sound,
        VirtualScreen() as screen,
    ):
        bench = Bench(Path(folder), screen, sound)
        options = ["--profile", f"{folder}/profile", "--log-level", "info"]
        bare = [sys.executable, "-c", BARE]
        parley = [sys.executable, f"{ROOT}/main.py", *options]
        by_command = [sys.executable, f"{ROOT}/packaging/dev.py", "run", "--", *options]
        for program in (bare, parley, by_command):  # byte code is written, settings are made, caches are warm
            bench.start("first", program, whole=False)
        for _ in range(warm):
            bench.start("bare, warm", bare, whole=False)
            bench.start("warm", parley, whole=False)
            bench.start("dev.py run", by_command, whole=False)
        for _ in range(max(1, warm // 3)):
            bench.rest("bare, warm", bare)
            bench.start("warm", parley, whole=True)
        files = [ROOT / "desktop_app", ROOT / "resources", Path(sys.prefix), Path(sys.base_prefix)]
        for _ in range(cold):
            for way, program in (("bare, cold", bare), ("cold", parley)):
                forget(files)
                bench.start(way, program, whole=False)
        return {key: values for key, values in bench.figures.items() if key[0] != "first"}


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(prog="bench start", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--warm", type=int, default=10, help="warm starts (10)")
    parser.add_argument("--cold", type=int, default=4, help="cold starts (4)")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a goal is missed")
    options = parser.parse_args(arguments)
    figures = measure(options.warm, options.cold)
    rows = [
        {
            "way": way,
            "figure": figure,
            "n": len(values),
            "median": round(statistics.median(values), 1),
            "min": round(min(values), 1),
            "max": round(max(values), 1),
        }
        for (way, figure), values in figures.items()
    ]
    missed = [key for key, goal in GOALS.items() if key in figures and statistics.median(figures[key]) > goal]
    print(f"{'':12}{'':15}{'n':>4}{'median':>9}{'min':>9}{'max':>9}")
    for row in rows:
        way, figure, *values = row.values()
        print(f"{way:12}{figure:15}{values[0]:>4}{values[1]:>9}{values[2]:>9}{values[3]:>9}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for way, figure in missed:
        print(f"goal missed: {way} {figure}")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"written to {TARGET.relative_to(ROOT)}")
    return int(bool(missed) and options.strict)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
