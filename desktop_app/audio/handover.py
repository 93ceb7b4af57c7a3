"""Handover: things go from an audio callback to the loop, in order, one nudge for many.

The deque carries the data and the nudge carries nothing: a loop that makes a timer of every call, as Qt's
does, falls behind when each block brings its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """A queue from one other thread to the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[T], None]) -> None:
        self._loop = loop
        self._receive = receive
        self._things: deque[T] = deque()
        self._nudged = False
        self._closed = False

    def put(self, thing: T) -> None:
        """Hand `thing` over; called by the other thread."""
        self._things.append(thing)
        if self._nudged or self._closed:
            return
        self._nudged = True
        try:
            self._loop.call_soon_threadsafe(self.drain)
        except RuntimeError:
            # The loop was closed under a callback that is just running: nobody is left to tell.
            self._closed = True

    def drain(self) -> None:
        """Receive all there is, now; loop thread."""
        # Cleared first: whatever is put from here on either is popped below or brings its own nudge.
        self._nudged = False
        while self._things and not self._closed:
            self._receive(self._things.popleft())

    def close(self) -> None:
        """Receive nothing more."""
        self._closed = True
        self._things.clear()
