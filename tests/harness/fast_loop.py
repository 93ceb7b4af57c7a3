"""FastLoop: an event loop whose time stands still while anything is to be done, and jumps when nothing is.

Sockets, TLS and threads are real; only waiting is not. Where nothing is ready, no worker thread is busy and a
timer is set, the clock is set to that timer instead of waiting for it: an hour of talk takes as long as the work in
it. A run depends on nothing but its seed, as far as the kernel hands over at once what was written to a loopback
socket, which it does; a machine so busy that it does not makes events a little later, not wrong.

While it runs, `time.monotonic` and `time.time` are its clock, for everything that asks the module for them.

    with fast_loop(pump=QApplication.processEvents) as loop:
        loop.run_until_complete(story())
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

BEGINS_S = 1_000.0
EPOCH_S = 1_790_000_000.0
"""What `time.time` says when the clock says 0: late in 2026."""
LONG_JUMP_S = 0.1
"""Before a jump as long as this the kernel is given a moment to hand over what is on its way."""
MOMENT_S = 0.0005
PUMP_EVERY_S = 0.02
"""So often, in real time, the window gets its turn."""
STUCK_S = 60.0
"""So long, in real time, nothing may be set and nothing come."""

_real_monotonic = time.monotonic


class _Leaping(selectors.BaseSelector):
    """Asks the real selector, and never waits for a timer."""

    def __init__(self, leap: Callable[[float], bool], busy: Callable[[], bool], pump: Callable[[], object]) -> None:
        self.patient = False
        """Wait as others do."""
        self._real = selectors.DefaultSelector()
        self._leap = leap
        self._busy = busy
        self._pump = pump
        self._pumped_s = _real_monotonic()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if _real_monotonic() - self._pumped_s >= PUMP_EVERY_S:
            self._pump()
            self._pumped_s = _real_monotonic()
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if self.patient:
            began_s = _real_monotonic()
            ready = self._real.select(min(timeout or PUMP_EVERY_S, PUMP_EVERY_S))
            self._leap(_real_monotonic() - began_s)
            return ready
        if self._busy():  # a thread works, and time must not run away from it
            return self._real.select(0.005)
        if timeout is None:
            return self._wait()
        if timeout >= LONG_JUMP_S:
            ready = self._real.select(MOMENT_S)
        if not ready:
            self._leap(timeout)
        return ready

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing is set: only another thread, or the window, can make something happen."""
        ends_s = _real_monotonic() + STUCK_S
        while _real_monotonic() < ends_s:
            if ready := self._real.select(PUMP_EVERY_S):
                return ready
            self._pump()
            if self._leap(0):
                return []
        raise RuntimeError("nothing is set and nothing comes: the story waits for ever")


class FastLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self, pump: Callable[[], object] = lambda: None) -> None:
        self._now_s = BEGINS_S
        self._at_work = 0
        self._leaping = _Leaping(self._leap, lambda: self._at_work > 0, pump)
        super().__init__(self._leaping)
        self.set_default_executor(ThreadPoolExecutor(2, thread_name_prefix="fast"))

    def time(self) -> float:
        """Return the time of this loop, in seconds."""
        return self._now_s

    @contextmanager
    def in_real_time(self) -> Iterator[None]:
        """Let time be the real one meanwhile: a thread that nobody counts has to be waited for."""
        self._leaping.patient = True
        try:
            yield
        finally:
            self._leaping.patient = False

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """See AbstractEventLoop; time stands still until it is done."""
        self._at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _: object) -> None:
        self._at_work -= 1

    def _leap(self, seconds: float) -> bool:
        """Let time pass, unless something became ready meanwhile; return whether something did."""
        if self._ready:  # type: ignore[attr-defined]
            return True
        # A little beyond: of two floats that should be equal one is smaller, and the loop would ask again.
        self._now_s += seconds + 1e-9 if seconds else 0.0
        return False


@contextmanager
def fast_loop(pump: Callable[[], object] = lambda: None) -> Iterator[FastLoop]:
    """Make one, with the clocks of `time` set to it; `pump` lets the window have its turn now and then."""
    loop = FastLoop(pump)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", loop.time)
        patch.setattr(time, "time", lambda: EPOCH_S + loop.time())
        asyncio.set_event_loop(loop)
        try:
            yield loop
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            asyncio.set_event_loop(None)
            loop.close()
