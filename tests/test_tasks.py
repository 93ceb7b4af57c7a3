"""Tasks: named, kept alive, told when they fail, ended at the end."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from desktop_app.tasks import DaemonThreads, end_tasks, start_task
from tests.conftest import RunAsync
from tests.harness.processes import wait_until


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


@pytest.fixture
def threads() -> Iterator[DaemonThreads]:
    """Return two threads, which are gone afterwards."""
    before = threading.active_count()
    threads = DaemonThreads(2)
    yield threads
    threads.shutdown()
    wait_until(lambda: threading.active_count() == before, "the threads end")


def test_daemon_threads_run_what_they_are_given_and_hand_over_what_it_raises(threads: DaemonThreads) -> None:
    futures = [threads.submit(pow, 2, n) for n in range(20)]
    assert [future.result(5) for future in futures] == [2**n for n in range(20)]
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 // 0).result(5)


def test_there_are_no_more_daemon_threads_than_allowed(threads: DaemonThreads) -> None:
    before = threading.active_count()
    gate = threading.Event()
    held = [threads.submit(gate.wait, 10) for _ in range(6)]
    assert threading.active_count() == before + 2
    gate.set()
    assert all(future.result(5) for future in held)


def test_what_has_not_begun_is_called_off_at_the_end(threads: DaemonThreads) -> None:
    gate = threading.Barrier(3)
    begun = [threads.submit(gate.wait, 10) for _ in range(2)]
    wait_until(lambda: gate.n_waiting == 2, "both threads are at work")
    waiting = threads.submit(int)
    threads.shutdown()
    assert waiting.cancelled()
    assert not any(future.done() for future in begun)
    gate.wait(10)
    for future in begun:
        future.result(5)
