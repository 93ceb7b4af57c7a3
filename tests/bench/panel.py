"""How smooth the history panel is with 10,000 conversations. Figures, in ms, painting included:

    first        the list is shown for the first time
    again        the list comes again, and nothing in it is new: what an answer under way brings about
    to the top   a conversation that somebody goes on with moves to the top
    scroll       three lines of the wheel, down to what is long ago
    jump         from anywhere to anywhere
    search       50 hits of 25 conversations take the place of the list

`cpu` is the time the thread itself ran: on a machine that does other things, the rest is waiting for a core.

    python3 packaging/dev.py bench panel [-- --conversations 10000 --frames 300]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter, thread_time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from desktop_app.conversation.past import Hit, PastConversation
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import Appearance, Theme

FRAME_MS = 16.0
NOW = 1_800_000_000.0
HOUR_S = 3_600


def conversations(count: int) -> list[PastConversation]:
    """Return conversations, one every three hours, some of them pinned, some cut off."""
    return [
        PastConversation(
            number,
            NOW - 3 * HOUR_S * number - 600,
            NOW - 3 * HOUR_S * number,
            f"What was said about the matter {number}" if number % 5 else "",
            "Matters" if number % 3 else "",
            opening="Tell me what is known about this matter",
            entries=12,
            pinned=number % 2_000 == 7,
            cut_off=number % 50 == 3,
        )
        for number in range(count)
    ]


class Bench:
    """The window with the panel open."""

    def __init__(self, app: QApplication, count: int) -> None:
        self._app = app
        self._window = MainWindow(Theme(app, Appearance.LIGHT, reduced_motion=True))
        self._window.resize(1000, 800)
        self._window.show()
        self._panel = self._window.history
        self._panel._now = self._panel.model.now = lambda: NOW
        self._bar = self._panel.list.verticalScrollBar()
        self._all = conversations(count)
        self._window.show_history(is_open=True)
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

    def show(self, number: int) -> None:
        """Show the list."""
        self._panel.show_conversations(list(self._all))

    def to_the_top(self, number: int) -> None:
        """Let a conversation be the newest."""
        at = (number * 37) % 250
        self._all.insert(0, replace(self._all.pop(at), changed_at=NOW + number))
        self._panel.show_conversations(self._all)

    def scroll(self, number: int) -> None:
        """Turn the wheel."""
        self._bar.setValue(self._bar.value() + 3 * self._bar.singleStep())

    def jump(self, number: int) -> None:
        """Take the scroll bar somewhere else."""
        self._bar.setValue((number * 7_919 * 97) % max(1, self._bar.maximum()))

    def search(self, number: int) -> None:
        """Show other hits."""
        text = f"matter {number}"
        self._panel.field.setText(text)
        self._panel._search()
        words = "and so it was said that the matter is as it is, whatever else"
        found = (self._all[(number + hit // 2) % len(self._all)] for hit in range(50))
        hits = [Hit(past, f"{number}-{hit}", NOW, words, ((24, 30),)) for hit, past in enumerate(found)]
        self._panel.show_hits(text, hits)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; fail if scrolling is not smooth."""
    parser = argparse.ArgumentParser(prog="bench panel", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=300)
    options = parser.parse_args(arguments)
    bench = Bench(QApplication.instance() or QApplication([]), options.conversations)  # type: ignore[arg-type]
    figures = {"first": bench.frames(1, bench.show)}
    for name, step in (
        ("again", bench.show),
        ("to the top", bench.to_the_top),
        ("scroll", bench.scroll),
        ("jump", bench.jump),
        ("search", bench.search),
    ):
        figures[name] = bench.frames(options.frames, step)
    print(f"{options.conversations} conversations, {options.frames} frames, ms")
    print(f"{'':12}{'median':>8}{'p99':>8}{'max':>8}{'cpu p99':>9}")
    for name, (times, busy) in figures.items():
        print(f"{name:12}{statistics.median(times):8.2f}{p99(times):8.2f}{max(times):8.2f}{p99(busy):9.2f}")
    return 0 if p99(figures["scroll"][1]) < FRAME_MS else 1


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile; of a single time, that one."""
    return statistics.quantiles(times, n=100)[98] if len(times) > 1 else times[0]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
