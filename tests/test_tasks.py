"""Tasks: named, kept alive, told when they fail, ended at the end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from desktop_app.tasks import end_tasks, start_task
from tests.conftest import RunAsync


@pytest.fixture
async def told() -> list[dict[str, Any]]:
    """Return what the loop's exception handler is told."""
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    return heard


async def fail() -> None:
    raise ZeroDivisionError("on purpose")


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_task_has_its_name_and_returns_its_result() -> None:
    async def answer() -> int:
        return 42

    task = start_task(answer(), name="the question")

    assert task.get_name() == "the question"
    assert await task == 42


async def test_a_failure_is_told_at_once_with_the_name(told: list[dict[str, Any]]) -> None:
    task = start_task(fail(), name="division")
    await asyncio.wait([task])
    await asyncio.sleep(0)

    (context,) = told
    assert context["message"] == "task division failed"
    assert isinstance(context["exception"], ZeroDivisionError)
    del task
    gc.collect()
    assert len(told) == 1, "told once, and not again when the task is forgotten"


async def test_what_is_cancelled_is_no_failure(told: list[dict[str, Any]]) -> None:
    task = start_task(forever(), name="x")
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)

    assert told == []


async def test_a_task_nobody_holds_lives_on() -> None:
    """The loop itself holds tasks weakly: one that waits for something of its own could be collected."""
    waiting: list[weakref.ref[asyncio.Future[str]]] = []
    got: list[str] = []

    async def wait_for_something_of_its_own() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waiting.append(weakref.ref(future))
        got.append(await future)

    start_task(wait_for_something_of_its_own(), name="forgotten")
    await asyncio.sleep(0)
    gc.collect()
    future = waiting[0]()
    assert future is not None, "the task was collected"
    future.set_result("it")
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert got == ["it"]


async def test_at_the_end_everything_is_cancelled_and_waited_for(told: list[dict[str, Any]]) -> None:
    done: list[str] = []

    async def tidy(name: str) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0.02)
            done.append(name)

    async def starts_another_at_its_end() -> None:
        try:
            await forever()
        finally:
            start_task(tidy("late"), name="late")

    start_task(tidy("a"), name="a")
    start_task(tidy("b"), name="b")
    start_task(starts_another_at_its_end(), name="c")
    await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.shield(start_task(end_tasks(), name="the end")), 5)

    assert {"a", "b"} <= set(done)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert told == []


async def test_who_ignores_the_first_order_gets_a_second() -> None:
    orders = 0

    async def stubborn() -> None:
        nonlocal orders
        while orders < 2:
            try:
                await forever()
            except asyncio.CancelledError:
                orders += 1

    start_task(stubborn(), name="stubborn")
    await asyncio.sleep(0)
    await asyncio.wait_for(end_tasks(), 5)

    assert orders == 2


def test_on_the_programs_loop_too(run_async: RunAsync) -> None:
    async def story() -> None:
        task = start_task(forever(), name="x")
        await asyncio.sleep(0)
        await end_tasks()
        assert task.cancelled()

    run_async(story())
