"""The program itself, with a stopwatch in its event loop: started in place of `main.py`, with its arguments.

A heartbeat is due in the program's loop every 10 ms. How late it comes is what anything else in that loop would
have waited: a key, a frame from the server, the next picture. A loop that is held up misses several beats, and
each of them counts with its own lateness. Linux also tells how long the loop's thread was ready to run and had no
core: what of the lateness is not the program's own doing.

When the program ends, the file that `PARLEY_PROBE` names gets the beats (when it was due by `time.monotonic`, which
all processes share; how late it came; how long of that there was no core; all in seconds).
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from desktop_app import app
from desktop_app.ui import main_window

BEAT_S = 0.01
FILE = "PARLEY_PROBE"


class ProbedWindow(main_window.MainWindow):
    """The window, which is told everything there is to note."""

    _heart: asyncio.Task[None] | None = None

    def set_endpoint_name(self, name: str, note: str = "") -> None:
        """Told a name, it is the first thing the window hears once the loop runs."""
        super().set_endpoint_name(name, note)
        if name and self._heart is None:
            self._heart = asyncio.get_running_loop().create_task(self._beat(), name="heartbeat")

    async def _beat(self) -> None:
        """Beat until the program ends, which cancels what still runs."""
        beats: list[tuple[float, float, float]] = []
        due_s = time.monotonic() + BEAT_S
        all_waited_s = waited_s()
        try:
            while True:
                # Qt counts whole milliseconds and rounds down; after a beat that comes too early, wait again.
                await asyncio.sleep(math.ceil((due_s - time.monotonic()) * 1000) / 1000)
                now_s, waited_before_s, all_waited_s = time.monotonic(), all_waited_s, waited_s()
                while due_s <= now_s:
                    late_s = now_s - due_s
                    beats.append((due_s, late_s, min(late_s, all_waited_s - waited_before_s)))
                    due_s += BEAT_S
        finally:
            self._write(beats)

    def _write(self, beats: list[tuple[float, float, float]]) -> None:
        Path(os.environ[FILE]).write_text(json.dumps(beats), encoding="utf-8")


def waited_s() -> float:
    """Return how long this thread has been ready to run without a core, since it began."""
    return int(Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]) / 1e9


if __name__ == "__main__":
    main_window.MainWindow = ProbedWindow  # type: ignore[misc]
    raise SystemExit(app.main())
