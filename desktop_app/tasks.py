"""Tasks with an owner: named, kept alive, and never failing in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

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
