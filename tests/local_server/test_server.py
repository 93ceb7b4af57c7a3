"""The listener over real sockets: who gets in, and that it stands rubbish.

The vendor's own clients are let loose on it in `tests/interop`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from desktop_app.errors import LocalServerError
from desktop_app.local_server.engines import FunctionCall, Message, Tool
from desktop_app.local_server.engines.scripted import VOICES, ScriptedModel, scripted_engines
from desktop_app.local_server.loading import VOICES as REAL_VOICES
from desktop_app.local_server.server import FULL_FRAMES, MODEL, LocalServer
from tests.harness.vendor import check_server_event

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-this-test"
WITHIN_S = 10
OURS = ("answer", "write", "recognise")
"""The names of a connection's tasks."""


def serving(*replies: Sequence[str | FunctionCall]) -> LocalServer:
    """Return a server whose engines do as they are told."""
    engines = scripted_engines(model=ScriptedModel(*replies))
    return LocalServer(engines, token=TOKEN, voices=VOICES)


def come_in(server: LocalServer) -> connect:
    """Return a connection that is let in."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    # close_timeout: a test that leaves without reading would wait for ten seconds
    return connect(f"{server.url}?model={MODEL}", additional_headers=headers, max_size=None, close_timeout=1)


async def ask(socket: ClientConnection, **event: Any) -> None:
    await socket.send(json.dumps(event))


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next event of a type; every event on the way is held against the vendor's schema."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            frame = await socket.recv()
            assert isinstance(frame, str)
            check_server_event(frame)
            event: dict[str, Any] = json.loads(frame)
            if event["type"] == kind:
                return event


# --- who gets in --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"?model={MODEL}", {}, 401),
        (f"?model={MODEL}", {"Authorization": "Bearer wrong"}, 401),
        (f"?model={MODEL}", {"Authorization": TOKEN}, 401),
        (f"?model={MODEL}", {"Authorization": f"Basic {TOKEN}"}, 401),
        (f"?model={MODEL}", {"Authorization": "Bearer ünïcode"}, 401),
        (f"?model={MODEL}", {"Authorization": f"Bearer {TOKEN}", "Origin": "https://example.org"}, 403),
        (f"?model={MODEL}", {"Authorization": f"Bearer {TOKEN}", "Origin": "null"}, 403),
        (f"/../other?model={MODEL}", {"Authorization": f"Bearer {TOKEN}"}, 404),
    ],
)
async def test_who_is_refused_in_the_handshake(path: str, headers: dict[str, str], status: int) -> None:
    async with serving() as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.url + path, additional_headers=headers)
    assert refused.value.response.status_code == status


async def http(server: LocalServer, *lines: str) -> str:
    """Say something over HTTP, return the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(WITHIN_S):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def test_foreign_names_of_this_computer_are_refused() -> None:
    """DNS rebinding: a page of evil.example that resolves to 127.0.0.1 sends its own name as `Host`."""
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    async with serving() as server:
        for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "", "127.0.0.1:1"):
            request = f"GET /v1/realtime?model={MODEL} HTTP/1.1"
            bearer = f"Authorization: Bearer {TOKEN}"
            answer = await http(server, request, f"Host: {host}", bearer, *upgrade, key)
            assert answer.startswith("HTTP/1.1 403"), host
        async with come_in(server) as socket:
            assert (await until(socket, "session.created"))["session"]["model"] == MODEL


async def test_a_browser_is_told_what_this_is() -> None:
    async with serving() as server:
        answer = await http(server, "GET / HTTP/1.1", f"Host: 127.0.0.1:{server.port}")
    assert answer.startswith("HTTP/1.1 200")
    assert "Parley's offline assistant" in answer
    assert TOKEN not in answer


@pytest.mark.parametrize(("query", "code"), [("", "missing_model"), ("?model=gpt-realtime", "invalid_model")])
async def test_another_model_is_refused_in_the_socket(query: str, code: str) -> None:
    async with serving() as server:
        socket = await connect(server.url + query, additional_headers={"Authorization": f"Bearer {TOKEN}"})
        event = await until(socket, "error")
        assert event["error"]["code"] == code
        assert MODEL in event["error"]["message"]
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (4000, f"invalid_request_error.{code}")


async def test_a_port_that_is_taken_is_a_sentence() -> None:
    async with serving() as server:
        second = LocalServer(scripted_engines(), token=TOKEN, voices=VOICES, port=server.port)
        with pytest.raises(LocalServerError, match=f"cannot listen on port {server.port}"):
            await second.start()


# --- a conversation -----------------------------------------------------------------------------


async def test_rubbish_is_answered_and_the_session_lives() -> None:
    async with serving() as server, come_in(server) as socket:
        await until(socket, "session.created")
        codes = []
        for frame in (b"\0\1", "{", "[]", '{"type":"nobody.knows"}', '{"type":"session.update"}'):
            await socket.send(frame)
            codes.append((await until(socket, "error"))["error"]["code"])
        assert codes == [
            "invalid_event",
            "invalid_json",
            "invalid_event",
            "invalid_value",
            "missing_required_parameter",
        ]
        await ask(socket, type="session.update", session={"type": "realtime", "instructions": "Hi."})
        assert (await until(socket, "session.updated"))["session"]["instructions"] == "Hi."


async def test_a_frame_that_is_too_large_closes_the_connection() -> None:
    async with serving() as server:
        socket = await come_in(server)
        await until(socket, "session.created")
        await socket.send("x" * (23 * 1024 * 1024))
        with pytest.raises(ConnectionClosedError):
            await socket.recv()
        assert socket.close_code in (1009, 1006)  # 1006: it was cut while the client was still sending


async def test_fifteen_mebibytes_of_audio_at_once_are_taken() -> None:
    async with serving() as server, come_in(server) as socket:
        await ask(socket, type="input_audio_buffer.append", audio=base64.b64encode(bytes(15 * 2**20)).decode())
        await ask(socket, type="input_audio_buffer.clear")
        await until(socket, "input_audio_buffer.cleared")


async def test_several_clients_do_not_hear_each_other() -> None:
    async def converse(server: LocalServer, text: str) -> str:
        async with come_in(server) as socket:
            part = {"type": "input_text", "text": text}
            item = {"type": "message", "role": "user", "content": [part]}
            await ask(socket, type="conversation.item.create", item=item)
            await ask(socket, type="response.create", response={"output_modalities": ["text"]})
            done = await until(socket, "response.done")
            return str(done["response"]["output"][0]["content"][0]["text"])

    async with serving() as server:
        texts = [f"I am number {number}." for number in range(5)]
        answers = await asyncio.gather(*(converse(server, text) for text in texts))
    assert answers == [f"You said: {text}" for text in texts]


async def test_a_client_that_does_not_read_does_not_fill_the_memory() -> None:
    made = 0

    class Endless(ScriptedModel):
        async def reply(
            self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
        ) -> AsyncIterator[str | FunctionCall]:
            nonlocal made
            while True:
                made += 1
                await asyncio.sleep(0)
                yield "word " * 2000

    server = LocalServer(scripted_engines(model=Endless()), token=TOKEN, voices=VOICES)
    async with server, come_in(server) as socket:
        await ask(socket, type="response.create", response={"output_modalities": ["text"]})
        last = -1
        async with asyncio.timeout(60):
            while made != last:
                last = made
                await asyncio.sleep(1)
        assert made < 10 * FULL_FRAMES
        await ask(socket, type="response.cancel")
        assert (await until(socket, "response.done"))["response"]["status"] == "cancelled"


async def test_leaving_in_the_middle_leaves_nothing_behind() -> None:
    async with serving(["word " * 1000]) as server:
        async with come_in(server) as socket:
            await ask(socket, type="response.create")
            await until(socket, "response.output_audio.delta")
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(
                *(task for task in asyncio.all_tasks() if task.get_name() in OURS), return_exceptions=True
            )


async def test_closing_the_server_tells_the_clients() -> None:
    server = serving()
    await server.start()
    socket = await come_in(server)
    await until(socket, "session.created")
    await server.close()
    with pytest.raises(ConnectionClosed):
        await socket.recv()
    assert socket.close_code == 1001


# --- as a process -------------------------------------------------------------------------------


class Child:
    """The local server as its parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, profile: Path, *, token: str | None = TOKEN) -> Child:
        """Start it with an empty profile and no way to fetch anything."""
        nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PARLEY_WEIGHTS_DIR": str(profile / "none")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PIP_"))}
        env = {**kept, **nowhere, **({"PARLEY_LOCAL_TOKEN": token} if token else {})}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "main.py"), "--serve-local", "--profile", str(profile)),
            *("--log-level", "debug"),
            stdin=-1,
            stdout=-1,
            stderr=-1,
            env=env,
        )
        return cls(process)

    async def line(self) -> dict[str, Any]:
        """Return the next line it prints."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            line: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return line

    async def end(self) -> tuple[int, str]:
        """Wait for its end; return the exit code and what it logged."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            logged = await self.process.stderr.read()
            return await self.process.wait(), logged.decode()


async def test_as_a_child_it_says_where_it_is_and_ends_with_its_parent(tmp_path: Path) -> None:
    child = await Child.start(tmp_path)
    ready = await child.line()
    assert ready["event"] == "ready"
    assert (ready["voices"], ready["model"]) == (list(REAL_VOICES), MODEL)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with connect(f"{ready['url']}?model={MODEL}", additional_headers=headers) as socket:
        part = {"type": "input_text", "text": "The secret word is xylophone."}
        item = {"type": "message", "role": "user", "content": [part]}
        await ask(socket, type="conversation.item.create", item=item)
        await until(socket, "conversation.item.done")
    assert child.process.stdin is not None
    child.process.stdin.close()
    code, logged = await child.end()
    assert code == 0
    assert TOKEN not in logged
    assert "xylophone" not in logged
    assert "Traceback" not in logged


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
async def test_as_a_child_it_ends_on_sigterm(tmp_path: Path) -> None:
    child = await Child.start(tmp_path)
    await child.line()
    child.process.send_signal(signal.SIGTERM)
    assert (await child.end())[0] == 0


async def test_alone_it_makes_a_token_and_shows_it(tmp_path: Path) -> None:
    child = await Child.start(tmp_path, token=None)
    ready = await child.line()
    assert child.process.stderr is not None
    shown = (await child.process.stderr.readline()).decode()
    token = shown.split()[-1]
    assert len(token) > 30
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(f"{ready['url']}?model={MODEL}", additional_headers=headers) as socket:
        await until(socket, "session.created")
    child.process.stdin.close()  # type: ignore[union-attr]
    assert (await child.end())[0] == 0


async def test_the_librarys_log_would_tell_everything_so_it_is_kept_quiet() -> None:
    assert logging.getLogger("websockets.local_server").level == logging.WARNING
