from __future__ import annotations

import asyncio
import threading

import pytest

from desktop_app.audio.handover import Handover
from tests.audio.fake_sound import until


async def test_what_another_thread_puts_arrives_on_the_loop_in_order() -> None:
    got: list[int] = []
    threads: set[int] = set()

    def receive(number: int) -> None:
        got.append(number)
        threads.add(threading.get_ident())

    handover: Handover[int] = Handover(asyncio.get_running_loop(), receive)

    def put_all() -> None:
        for number in range(5000):
            handover.put(number)

    thread = threading.Thread(target=put_all)
    thread.start()
    await until(lambda: len(got) == 5000)
    thread.join()
    assert got == list(range(5000))
    assert threads == {threading.get_ident()}


async def test_a_burst_needs_one_nudge(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    nudges: list[object] = []
    monkeypatch.setattr(loop, "call_soon_threadsafe", nudges.append)
    handover: Handover[int] = Handover(loop, lambda _: None)
    for number in range(100):
        handover.put(number)
    assert len(nudges) == 1
    handover.drain()
    handover.put(100)
    assert len(nudges) == 2


async def test_draining_now_delivers_what_is_there() -> None:
    got: list[int] = []
    handover: Handover[int] = Handover(asyncio.get_running_loop(), got.append)
    handover.put(1)
    handover.drain()
    assert got == [1]


async def test_what_is_put_while_receiving_is_received_too() -> None:
    got: list[int] = []

    def receive(number: int) -> None:
        got.append(number)
        if number < 3:
            handover.put(number + 1)

    handover: Handover[int] = Handover(asyncio.get_running_loop(), receive)
    handover.put(0)
    handover.drain()
    assert got == [0, 1, 2, 3]


async def test_closed_it_receives_nothing_more() -> None:
    got: list[int] = []
    handover: Handover[int] = Handover(asyncio.get_running_loop(), got.append)
    handover.put(1)
    handover.close()
    handover.put(2)
    handover.drain()
    assert got == []


def test_a_callback_that_outlives_the_loop_is_not_disturbed() -> None:
    loop = asyncio.new_event_loop()
    handover: Handover[int] = Handover(loop, lambda _: None)
    loop.close()
    handover.put(1)
    handover.put(2)
