"""The words for an attempt to connect that is planned, second by second."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic

from PySide6.QtCore import QObject, QTimer, Signal

from desktop_app.conversation.effects import Retry

TICK_MS = 250
MINUTES_FROM_S = 100


class Countdown(QObject):
    """Counts down to an attempt."""

    changed = Signal()

    def __init__(self, parent: QObject, now: Callable[[], float] = monotonic) -> None:
        super().__init__(parent)
        self._now = now
        self._retry: Retry | None = None
        self._due_s = 0.0
        self.words = ""
        """When the next attempt is; empty: none is planned."""
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self._count)

    def begin(self, retry: Retry | None) -> None:
        """Count down to another attempt, or no longer."""
        self._retry = retry
        if retry is None:
            self._tick.stop()
        else:
            self._due_s = self._now() + retry.in_ms / 1000
            self._tick.start()
        self._count()

    def _count(self) -> None:
        words = "" if self._retry is None else retry_words(self._retry, self._due_s - self._now())
        if words != self.words:
            self.words = words
            self.changed.emit()


def retry_words(retry: Retry, left_s: float) -> str:
    """Return when the next attempt is: `Next attempt in 4 s (2 of 5).`."""
    count = f"({retry.number} of {retry.of})"
    if left_s <= 0:
        return f"Trying to connect now {count}."
    if left_s < MINUTES_FROM_S:
        return f"Next attempt in {math.ceil(left_s)} s {count}."
    return f"Next attempt in {round(left_s / 60)} min {count}."
