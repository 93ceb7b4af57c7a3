"""A network that dies without a word is noticed in time, by a talker and by a listener.

The kernel is asked, not a fake: a private network namespace has one address, and then it has none. What no kernel
can tell is something on the way that acknowledges everything and passes nothing on: a proxy plays it.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from desktop_app import transport as transport_module
from desktop_app.conversation.inputs import Disconnected, Input, Received
from desktop_app.endpoints import Endpoint
from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import encode
from desktop_app.transport import WebSocketTransport
from tests.harness.scripted_server import created

ADDRESS = "192.0.2.1"
"""Reserved for documentation: nobody's."""
LOST_WITHIN_S = 3.0
NEW_NETWORK = ["unshare", "--user", "--map-root-user", "--net"]


def can_make_networks() -> bool:
    """Whether this system lets us have a network of our own."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run([*NEW_NETWORK, "ip", "link"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_make_networks(), reason="networks of our own are not allowed here, or not Linux's")
@pytest.mark.parametrize("who", ["talker", "listener"])
def test_a_network_that_dies_in_silence_is_noticed(who: str) -> None:
    command = [*NEW_NETWORK, sys.executable, "-m", "tests.test_transport_loss", who]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert LOST_WITHIN_S / 2 < float(done.stdout) < LOST_WITHIN_S + 7  # probes keep to whole seconds, and back off


async def story(talks: bool) -> float:
    """Connect, lose the network, return how long the transport took to notice."""
    network = partial(subprocess.run, check=True)
    network(["ip", "link", "set", "lo", "up"])
    network(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"])

    over = asyncio.Event()

    async def greet(connection: ServerConnection) -> None:
        await connection.send(encode(created()))
        await over.wait()
        connection.transport.abort()

    posted: asyncio.Queue[Input] = asyncio.Queue()
    async with serve(greet, ADDRESS, 0, compression=None, close_timeout=0.1) as server:
        url = f"ws://{ADDRESS}:{next(iter(server.sockets)).getsockname()[1]}/"

        async def endpoint() -> Endpoint:
            return Endpoint("test", url, {})

        transport = WebSocketTransport(endpoint, posted.put_nowait, lost_within_s=LOST_WITHIN_S)
        transport.connect()
        assert isinstance(await posted.get(), Received)
        network(["ip", "link", "set", "lo", "down"])
        began_s = time.monotonic()
        talking = asyncio.create_task(talk(transport.send if talks else lambda _: None))
        assert isinstance(await posted.get(), Disconnected)
        took_s = time.monotonic() - began_s
        talking.cancel()
        await transport.close()
        over.set()
    return took_s


async def talk(send: Callable[[wire.ClientEvent], None]) -> None:
    """Speak, in blocks of 20 ms."""
    while True:
        send(wire.InputAudioBufferAppend(audio=bytes(960)))
        await asyncio.sleep(0.02)


class Swallower:
    """A proxy that passes everything on until it is told to swallow it: every byte is acknowledged all the same."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.swallows = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Swallower:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server.close()
        await self._server.wait_closed()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ways = ((reader, far_writer), (far_reader, writer))
        self._tasks += [asyncio.create_task(self._pass_on(*way)) for way in ways]

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self.swallows:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


class Swallowed:
    """A transport whose every byte is swallowed from some moment on, with nobody's kernel to tell."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transport_module, "_LOOPBACK", set())  # as if it were far away
        monkeypatch.setattr(transport_module, "_notice_loss", lambda *_: None)
        monkeypatch.setattr(transport_module, "PROBE_WITHIN_S", 0.3)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)

    async def story(self, lost_within_s: float, do: Callable[[WebSocketTransport], None]) -> None:
        async def greet(connection: ServerConnection) -> None:
            await connection.send(encode(created()))
            await connection.wait_closed()

        posted: asyncio.Queue[Input] = asyncio.Queue()
        async with (
            asyncio.timeout(30),
            serve(greet, "127.0.0.1", 0, compression=None, close_timeout=0.1, ping_interval=None) as server,
            Swallower(next(iter(server.sockets)).getsockname()[1]) as proxy,
        ):

            async def endpoint() -> Endpoint:
                return Endpoint("test", proxy.url, {})

            transport = WebSocketTransport(endpoint, posted.put_nowait, lost_within_s=lost_within_s)
            transport.connect()
            try:
                assert isinstance(await posted.get(), Received)
                proxy.swallows = True
                do(transport)
                assert await posted.get() == Disconnected(close_code=1006)
            finally:
                await transport.close()


async def test_what_is_acknowledged_and_swallowed_is_noticed_without_any_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await Swallowed(monkeypatch).story(0.6, lambda _: None)


async def test_a_talker_notices_it_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def speak(transport: WebSocketTransport) -> None:
        for _ in range(50):
            transport.send(wire.InputAudioBufferAppend(audio=bytes(960)))

    await Swallowed(monkeypatch).story(0.6, speak)


async def test_after_a_sleep_nobody_waits_for_the_next_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    await Swallowed(monkeypatch).story(3_600, lambda transport: transport.probe())


def test_a_loss_is_noticed_within_half_a_minute() -> None:
    quiet_s = transport_module.LOST_WITHIN_S * 2 / 3
    assert quiet_s + transport_module.LOST_WITHIN_S + transport_module.GRACE_S <= 30


async def test_a_quiet_peer_that_lives_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_LOOPBACK", set())

    async def greet(connection: ServerConnection) -> None:
        await connection.send(encode(created()))
        await connection.wait_closed()

    posted: asyncio.Queue[Input] = asyncio.Queue()
    async with asyncio.timeout(30), serve(greet, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"

        async def endpoint() -> Endpoint:
            return Endpoint("test", url, {})

        transport = WebSocketTransport(endpoint, posted.put_nowait, lost_within_s=2.0)
        transport.connect()
        try:
            assert isinstance(await posted.get(), Received)
            line = transport._present
            assert line is not None
            first = line.heard_s
            while line.heard_s == first:  # noqa: ASYNC110 - a pong, and nothing else, has come
                await asyncio.sleep(0.01)
            assert posted.empty()
        finally:
            await transport.close()


if __name__ == "__main__":
    print(asyncio.run(asyncio.wait_for(story(sys.argv[1] == "talker"), 40)))
