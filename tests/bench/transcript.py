"""How smooth the transcript is: the time of a frame while an answer streams into the last of 10,000 rows.

A frame is what the program does for one delta: the entry is upserted, the list is laid out, what is in sight is
painted. The rows are of every kind: spoken and typed texts, pictures, calls of tools, cut answers. Figures, in ms:

    stream       a delta of five words into the last row, at the end of the conversation
    stream far   the same while the user reads in the middle
    scroll       a turn of the wheel through rows that were never measured
    hover        the mouse goes over the rows in sight

`cpu` is the time the thread itself ran: on a machine that does other things, the rest is waiting for a core.

    python3 packaging/dev.py bench transcript [-- --rows 10000 --frames 600]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from time import perf_counter, thread_time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role, ToolUse
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.pictures import png_of
from desktop_app.ui.theme import Appearance, Theme

SENTENCE = "A sentence as people say them, neither short nor long, about nothing in particular. "
FRAME_MS = 16.0
MOST_WORDS = 400
"""An answer longer than this is followed by the next: people interrupt before."""


def rows(count: int) -> list[Entry]:
    """Return entries of every kind."""
    image = QImage(1024, 768, QImage.Format.Format_RGB32)
    image.fill(0x0B6B58)
    photo = "data:image/png;base64," + b64encode(png_of(image)).decode()
    use = ToolUse("c", "search_files", '{"q": "tickets", "in": "mail"}', server="files", output='{"found": 3}')
    done = EntryStatus.COMPLETED
    entries = []
    for number in range(count):
        match number % 10:
            case 3:
                entry = Entry(f"{number}", Role.TOOL, "", done, tool=use)
            case 5:
                entry = Entry(f"{number}", Role.USER, "And this?", done, images=(photo,) * (1 + number % 3))
            case 7:
                entry = Entry(
                    f"{number}",
                    Role.ASSISTANT,
                    SENTENCE * 3,
                    EntryStatus.INTERRUPTED,
                    heard_chars=90,
                    heard_ms=4000,
                    action=EntryAction.SAY_THE_REST,
                )
            case 0 | 2 | 4 | 6 | 8:
                entry = Entry(f"{number}", Role.USER, SENTENCE, done, spoken=True)
            case _:
                entry = Entry(f"{number}", Role.ASSISTANT, SENTENCE * (1 + number % 6), done, spoken=True)
        entries.append(entry)
    return entries


class Bench:
    """The window with many rows in it."""

    def __init__(self, app: QApplication, count: int) -> None:
        self._app = app
        self._window = MainWindow(Theme(app, Appearance.LIGHT, reduced_motion=True))
        self._window.resize(760, 760)
        self._window.show()
        self._view = self._window._view
        self._last = "0"
        self._answers = 0
        after: str | None = None
        for entry in rows(count):
            self._window.show_entry(entry, after)
            after = self._last = entry.item_id
        self.settle()

    def settle(self) -> None:
        """Do everything that waits, painting included."""
        for _ in range(3):
            self._app.processEvents()

    def frames(self, count: int, step: Callable[[int], None]) -> tuple[list[float], list[float]]:
        """Return how long each step and its painting took, and how long of that the thread ran, in ms."""
        times, busy = [], []
        for number in range(count):
            began, ran = perf_counter(), thread_time()
            step(number)
            self.settle()
            times.append(1000 * (perf_counter() - began))
            busy.append(1000 * (thread_time() - ran))
        return times, busy

    def stream(self, number: int) -> None:
        """Let five more words come."""
        words = "word and so on, " * (1 + number % (MOST_WORDS // 5))
        after = self._last
        if number % (MOST_WORDS // 5) == 0:
            self._answers += 1
            self._last = f"answer {self._answers}"
        self._window.show_entry(Entry(self._last, Role.ASSISTANT, words, spoken=True), after)

    def go_to_middle(self) -> None:
        """Read in the middle."""
        bar = self._view.verticalScrollBar()
        bar.setValue(bar.maximum() // 2)
        self.settle()

    def scroll(self, number: int) -> None:
        """Turn the wheel upwards by three lines."""
        bar = self._view.verticalScrollBar()
        bar.setValue(bar.value() - 3 * bar.singleStep())

    def hover(self, number: int) -> None:
        """Move the mouse over the rows."""
        height = self._view.viewport().height()
        self._view._enter_spot(QPointF(300, (number * 37) % height))


def main(arguments: Sequence[str]) -> int:
    """Measure and print; fail if streaming is not smooth."""
    parser = argparse.ArgumentParser(prog="bench transcript", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=600)
    options = parser.parse_args(arguments)
    bench = Bench(QApplication.instance() or QApplication([]), options.rows)  # type: ignore[arg-type]
    figures = {"stream": bench.frames(options.frames, bench.stream)}
    bench.go_to_middle()
    figures["stream far"] = bench.frames(options.frames, bench.stream)
    figures["scroll"] = bench.frames(options.frames, bench.scroll)
    figures["hover"] = bench.frames(options.frames, bench.hover)
    print(f"{options.rows} rows, {options.frames} frames, ms")
    print(f"{'':12}{'median':>8}{'p99':>8}{'max':>8}{'cpu p99':>9}")
    for name, (times, busy) in figures.items():
        print(f"{name:12}{statistics.median(times):8.2f}{p99(times):8.2f}{max(times):8.2f}{p99(busy):9.2f}")
    return 0 if p99(figures["stream"][0]) < FRAME_MS else 1


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(times, n=100)[98]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
