"""A network that dies without a word, in a network of its own: noticed in time, by a talker and by a listener.

The kernel is asked, not a fake: a private network namespace has one address, and then it has none.
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


if __name__ == "__main__":
    print(asyncio.run(asyncio.wait_for(story(sys.argv[1] == "talker"), 40)))
