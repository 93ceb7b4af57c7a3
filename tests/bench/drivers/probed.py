"""The program itself, with a stopwatch in its event loop: started in place of `main.py`, with its arguments.

A heartbeat is due in the program's loop every 10 ms. How late it comes is what anything else in that loop would
have waited: a key, a frame from the server, the next picture. A loop that is held up misses several beats, and
each of them counts with its own lateness. When the program ends, the file that `PARLEY_PROBE` names gets the
beats and the moment of the connection, by the clock of `time.monotonic`, which all processes share.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from desktop_app import app
from desktop_app.conversation.effects import Link
from desktop_app.ui import main_window

BEAT_S = 0.01
FILE = "PARLEY_PROBE"


class ProbedWindow(main_window.MainWindow):
    """The window, which is told everything there is to note."""

    _heart: asyncio.Task[None] | None = None
    _connected_s: float | None = None

    def set_endpoint_name(self, name: str, note: str = "") -> None:
        """Told a name, it is the first thing the window hears once the loop runs."""
        super().set_endpoint_name(name, note)
        if name and self._heart is None:
            self._heart = asyncio.get_running_loop().create_task(self._beat(), name="heartbeat")

    def show_link(self, link: Link) -> None:
        """Note the first connection."""
        super().show_link(link)
        if link is Link.ONLINE and self._connected_s is None:
            self._connected_s = time.monotonic()

    async def _beat(self) -> None:
        """Beat until the program ends, which cancels what still runs."""
        beats: list[tuple[float, float]] = []
        due_s = time.monotonic() + BEAT_S
        try:
            while True:
                # Qt counts whole milliseconds and rounds down; after a beat that comes too early, wait again.
                await asyncio.sleep(math.ceil((due_s - time.monotonic()) * 1000) / 1000)
                now_s = time.monotonic()
                while due_s <= now_s:
                    beats.append((due_s, now_s - due_s))
                    due_s += BEAT_S
        finally:
            self._write(beats)

    def _write(self, beats: list[tuple[float, float]]) -> None:
        noted = {"beats": beats, "connected_s": self._connected_s}
        Path(os.environ[FILE]).write_text(json.dumps(noted), encoding="utf-8")


if __name__ == "__main__":
    main_window.MainWindow = ProbedWindow  # type: ignore[misc]
    raise SystemExit(app.main())
