"""Tasks with an owner: named, kept alive, and never failing in silence. And threads that nobody has to wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_running: set[asyncio.Task[Any]] = set()
"""The loop itself keeps only weak references: a task nobody holds may vanish in the middle."""


def start_task(work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
    """Start `work`; if it raises, the loop's exception handler hears of it at once."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_finished)
    return task


async def end_tasks() -> None:
    """Cancel what is still running and wait for it: the last step before the loop ends."""
    current = asyncio.current_task()
    loop = asyncio.get_running_loop()
    while waiting := [task for task in _running if task is not current and task.get_loop() is loop]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=1)


def _finished(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if task.cancelled() or task.exception() is None:
        return
    task.get_loop().call_exception_handler(
        {"message": f"task {task.get_name()} failed", "exception": task.exception(), "task": task}
    )


class DaemonThreads(Executor):
    """Runs functions in up to `limit` threads that end with the process, whatever they are doing.

    The standard library waits for its own at the end, so a look-up of a host name that hangs would keep the program
    for as long as the resolver tries: half a minute and more. What must be done before the end is awaited by
    whoever asked for it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._started = 0
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        """What to do, in order; None: end."""
        self._idle = threading.Semaphore(0)
        """As high as there are threads with nothing to do."""
        self._lock = threading.Lock()

    def submit(self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> Future[T]:
        """See Executor."""
        future: Future[T] = Future()
        self._work.put((future, partial(function, *arguments, **named)))
        with self._lock:
            if not self._idle.acquire(blocking=False) and self._started < self._limit:
                self._started += 1
                threading.Thread(target=self._run, name=f"worker {self._started}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Call off what has not begun; what has is left to itself."""
        with suppress(Empty):
            while True:
                if (work := self._work.get_nowait()) is not None:
                    work[0].cancel()
        for _ in range(self._started):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            future, function = work
            if future.set_running_or_notify_cancel():
                try:
                    result = function()
                except BaseException as error:  # handed over to whoever awaits
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del work, future, function  # or what they hold would live until the next call
            self._idle.release()
