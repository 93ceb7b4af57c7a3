"""The proxy does to a connection what it is told, and nothing else; the fast loop's time stands or jumps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.harness.fast_loop import fast_loop
from tests.harness.proxy import FaultyProxy, Link, Refusal
from tests.harness.scripted_server import Caller, ScriptedServer


async def counting(caller: Caller) -> None:
    """Say numbers, one each 10 ms."""
    for number in range(1000):
        await caller.send_raw(f"{number} " + "x" * 200)
        await caller.pause(0.01)


async def heard(client: ClientConnection) -> tuple[int, int | None]:
    """Return how many frames come before the end, and the close code."""
    frames = 0
    try:
        while True:
            await client.recv()
            frames += 1
    except ConnectionClosed:
        return frames, client.close_code


@pytest.mark.parametrize(
    ("fault", "frames", "code"),
    [
        (lambda link: link.cut(after_frames=3), 2, 1006),
        (lambda link: link.cut(rst=True, after_frames=3, inside=True), 2, 1006),
        (lambda link: link.close_with(1012, "restart", after_frames=4), 3, 1012),
        (lambda link: link.close_with(None, after_frames=4), 3, 1005),
        (lambda link: link.close_with(4004, after_frames=1), 0, 4004),
        (lambda link: link.close_with(1015, after_frames=2), 1, 1006),
    ],
)
async def test_a_connection_ends_as_it_is_told(fault: Callable[[Link], None], frames: int, code: int) -> None:
    async with ScriptedServer(counting) as server, FaultyProxy(server.port) as proxy:
        proxy.prepare(fault)
        async with connect(f"ws://127.0.0.1:{proxy.port}/") as client:
            assert await heard(client) == (frames, code)


async def test_a_handshake_is_refused() -> None:
    async with ScriptedServer(counting) as server, FaultyProxy(server.port) as proxy:
        proxy.refuse(Refusal(429, retry_after_s=7))
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{proxy.port}/")
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "7"
        assert not proxy.links


def test_what_stalls_comes_later_and_whole() -> None:
    async def story() -> float:
        loop = asyncio.get_running_loop()
        async with (
            ScriptedServer(counting) as server,
            FaultyProxy(server.port) as proxy,
            connect(f"ws://127.0.0.1:{proxy.port}/", ping_interval=None) as client,
        ):
            await client.recv()
            proxy.latest.stall()
            began_s = loop.time()
            loop.call_later(500, proxy.latest.go_on)
            numbers = [int(str(await client.recv()).split()[0]) for _ in range(200)]
            assert numbers == list(range(1, 201))
            return loop.time() - began_s

    began_s = time.perf_counter()
    with fast_loop() as loop:
        took_s = loop.run_until_complete(story())

    assert 500 <= took_s < 510
    assert time.perf_counter() - began_s < 250, "and nobody waited"


def test_time_stands_while_a_thread_works() -> None:
    async def story() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(3600, lambda: None)
        began_s = loop.time()
        await asyncio.to_thread(sum, range(3_000_000))
        return loop.time() - began_s

    with fast_loop() as loop:
        assert loop.run_until_complete(story()) < 1
