"""Threads that nobody has to wait for.

The loop's own executor is joined when the program ends, so one function that hangs would keep the program alive.
A daemon thread just stops with the process; whoever awaited it gave up before.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], /, *arguments: object) -> T:
    """Return what the function returns, from a daemon thread of its own; raise what it raises."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def succeed(result: T) -> None:
        if not future.done():
            future.set_result(result)

    def fail(error: BaseException) -> None:
        if not future.done():
            # A future refuses StopIteration; SystemExit would end the loop instead of the function.
            odd = isinstance(error, StopIteration) or not isinstance(error, Exception)
            future.set_exception(RuntimeError(f"{type(error).__name__}: {error}") if odd else error)

    def work() -> None:
        try:
            result = function(*arguments)
        except BaseException as error:  # handed over to whoever awaits
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(fail, error)
        else:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(succeed, result)

    threading.Thread(target=work, name=f"tool {getattr(function, '__name__', '')}", daemon=True).start()
    return await future
