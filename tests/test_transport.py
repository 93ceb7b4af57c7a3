"""The transport against real sockets: what is sent, how every attempt ends, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import logging
import os
import socket as sockets
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from desktop_app import transport as transport_module
from desktop_app.conversation.inputs import Disconnected, Input, Received
from desktop_app.endpoints import Endpoint
from desktop_app.errors import LocalServerError, ParleyError
from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import encode
from desktop_app.protocol.dialects import Dialect
from desktop_app.protocol.session_config import SessionConfig
from desktop_app.secrecy import Redaction
from desktop_app.transport import WebSocketTransport
from tests.conftest import RunAsync
from tests.harness.scripted_server import Caller, ScriptedServer, created

KEY = "sk-this-is-a-secret"
HEADERS = {"Authorization": f"Bearer {KEY}", "OpenAI-Project": "proj_1"}
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "qasync"])
def run(request: pytest.FixtureRequest, run_async: RunAsync) -> Run:
    """Return what runs a coroutine on the plain loop, and on the program's; no task may be left on either."""

    async def bounded(coroutine: Coroutine[Any, Any, None]) -> None:
        async with asyncio.timeout(10):
            await coroutine
        await end_of_tasks()

    if request.param == "qasync":
        return run_async
    return lambda coroutine: asyncio.run(bounded(coroutine))


async def end_of_tasks() -> None:
    """Fail if a task other than this one goes on."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=1)
    assert not left


class Client:
    """A transport, and what it posted."""

    def __init__(self, url: str, headers: dict[str, str] = HEADERS, **bounds: float) -> None:
        self.endpoint = Endpoint("test", url, headers)
        self.posted: list[Input] = []
        self.on_post: Callable[[Input], None] = lambda _: None
        self._came = asyncio.Event()
        self.redaction = Redaction()
        self.redaction.add_headers(headers)
        self.transport = WebSocketTransport(self._ask, self._post, redaction=self.redaction, **bounds)
        self.ask: Callable[[], Awaitable[Endpoint]] | None = None

    async def _ask(self) -> Endpoint:
        return await self.ask() if self.ask is not None else self.endpoint

    def _post(self, event: Input) -> None:
        self.posted.append(event)
        self.on_post(event)
        self._came.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until what was posted makes the condition true."""
        async with asyncio.timeout(10):
            while not condition():
                self._came.clear()
                await self._came.wait()

    async def ends(self) -> Disconnected:
        """Wait until the attempt has ended; return how, having made sure it did so once."""
        await self.until(lambda: self.endings)
        await asyncio.sleep(0)
        await end_of_transports()
        assert len(self.endings) == 1
        return self.endings[0]

    @property
    def endings(self) -> list[Disconnected]:
        return [event for event in self.posted if isinstance(event, Disconnected)]

    @property
    def received(self) -> list[wire.ServerEvent]:
        return [event.event for event in self.posted if isinstance(event, Received)]

    async def __aenter__(self) -> Client:
        self.transport.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.transport.close()


async def end_of_transports() -> None:
    """Wait until no attempt goes on."""
    while going := [task for task in asyncio.all_tasks() if task.get_name().startswith("transport")]:
        await asyncio.wait(going)


async def quiet(caller: Caller) -> None:
    await caller.gone()


async def greeting(caller: Caller) -> None:
    await caller.send(created())
    await caller.gone()


# --- order --------------------------------------------------------------------------------------


def test_five_thousand_events_arrive_in_their_order(run: Run) -> None:
    async def script(caller: Caller) -> None:
        await caller.send(created())
        await caller.expect(wire.InputAudioBufferCommit)

    async def story() -> None:
        async with ScriptedServer(script) as server, Client(server.url) as client:
            await client.until(lambda: client.received)
            for number in range(5_000):
                client.transport.send(wire.InputAudioBufferAppend(audio=number.to_bytes(2, "little") + bytes(958)))
            client.transport.send(wire.InputAudioBufferCommit())
            await server.finished()
            order = [int.from_bytes(e.audio[:2], "little") for e in server.events(wire.InputAudioBufferAppend)]
            assert order == list(range(5_000))
            assert isinstance(server.received[-1].event, wire.InputAudioBufferCommit)

    run(story())


async def test_a_flood_leaves_the_loop_its_turns() -> None:
    """Five hundred frames in one read, each work of 1 ms: others are not kept waiting until the last one."""

    async def script(caller: Caller) -> None:
        for number in range(500):
            await caller.send(wire.ResponseOutputTextDelta(response_id="r", item_id="i", delta=str(number)))

    in_one_go: list[int] = []
    since_the_last_turn = 0

    def work(_: Input) -> None:
        nonlocal since_the_last_turn
        since_the_last_turn += 1
        time.sleep(0.001)

    async def turns() -> None:
        nonlocal since_the_last_turn
        while True:
            in_one_go.append(since_the_last_turn)
            since_the_last_turn = 0
            await asyncio.sleep(0)

    async with ScriptedServer(script) as server:
        client = Client(server.url)
        client.on_post = work
        async with client:
            others = asyncio.create_task(turns())
            await client.until(lambda: len(client.received) == 500)
            others.cancel()
    assert sum(in_one_go) >= 400
    assert max(in_one_go) < 50


def test_what_arrives_is_posted_in_its_order(run: Run) -> None:
    async def script(caller: Caller) -> None:
        for number in range(500):
            await caller.send(wire.ResponseOutputTextDelta(response_id="r", item_id="i", delta=str(number)))
        await caller.close()

    async def story() -> None:
        async with ScriptedServer(script) as server, Client(server.url) as client:
            await client.ends()
            deltas = [e.delta for e in client.received if isinstance(e, wire.ResponseOutputTextDelta)]
            assert deltas == [str(number) for number in range(500)]
            assert isinstance(client.posted[-1], Disconnected)

    run(story())


def test_a_frame_of_three_megabytes_is_read(run: Run) -> None:
    """The library's own limit is one: a retrieved item is as long as what was said."""

    async def script(caller: Caller) -> None:
        await caller.send(wire.ResponseOutputTextDelta(response_id="r", item_id="i", delta="x" * 3_000_000))
        await caller.close()

    async def story() -> None:
        async with ScriptedServer(script) as server, Client(server.url) as client:
            await client.ends()
            deltas = [e.delta for e in client.received if isinstance(e, wire.ResponseOutputTextDelta)]
            assert [len(delta) for delta in deltas] == [3_000_000]

    run(story())


async def test_an_endpoint_is_spoken_to_in_its_dialect() -> None:
    told: list[dict[str, Any]] = []

    async def listen(socket: ServerConnection) -> None:
        await socket.send(encode(created()))
        told.append(json.loads(await socket.recv()))

    async with serve(listen, "127.0.0.1", 0) as server:
        client = Client(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        client.endpoint = replace(client.endpoint, dialect=Dialect.BETA)
        async with client:
            await client.until(lambda: client.received)
            client.transport.send(wire.SessionUpdate(session=SessionConfig(output_modalities=["audio"])))
            await client.ends()
    assert told == [{"type": "session.update", "session": {"modalities": ["text", "audio"]}}]


async def test_without_a_connection_events_are_dropped() -> None:
    client = Client("ws://127.0.0.1:1")
    client.transport.send(wire.InputAudioBufferClear())

    async def script(caller: Caller) -> None:
        await caller.send(created())
        await caller.expect(wire.InputAudioBufferCommit)
        await caller.gone()

    async with ScriptedServer(script) as server:
        client.endpoint = Endpoint("test", server.url)
        client.transport.connect()
        client.transport.send(wire.InputAudioBufferClear())
        await client.until(lambda: client.received)
        client.transport.send(wire.InputAudioBufferCommit())
        while not server.received:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        client.transport.disconnect()
        client.transport.send(wire.InputAudioBufferClear())
        await server.finished()
        await client.transport.close()
        assert server.kinds() == [wire.InputAudioBufferCommit]


# --- how an attempt ends ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1000, ""),
        (1001, "Your session hit the maximum duration of 60 minutes."),
        (1006, ""),
        (1011, "keepalive"),
        (3000, "invalid_request_error.invalid_api_key"),
        (4000, "invalid_request_error.invalid_model"),
    ],
)
def test_a_close_code_is_told_once_as_it_came(run: Run, code: int, reason: str) -> None:
    async def script(caller: Caller) -> None:
        await caller.send(created())
        await caller.close(code, reason)

    async def story() -> None:
        async with ScriptedServer(script) as server, Client(server.url) as client:
            assert await client.ends() == Disconnected(close_code=code, reason=reason)
            assert len(client.received) == 1

    run(story())


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 500, 503])
def test_a_refused_handshake_tells_its_status(run: Run, status: int) -> None:
    async def story() -> None:
        async with ScriptedServer(quiet, refuse=http.HTTPStatus(status)) as server, Client(server.url) as client:
            assert await client.ends() == Disconnected(http_status=status)

    run(story())


async def refusing(retry_after: str) -> int:
    """Return how many ms the client makes of a `Retry-After`."""

    def refuse(connection: ServerConnection, _: Request) -> Response:
        response = connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "slowly\n")
        response.headers["Retry-After"] = retry_after
        return response

    async with listening(refuse) as url, Client(url) as client:
        facts = await client.ends()
    assert facts.http_status == 429
    return facts.retry_after_ms


@contextlib.asynccontextmanager
async def listening(
    process_request: Callable[[ServerConnection, Request], Response | None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Run a server that judges handshakes; yield its address."""

    async def play(connection: ServerConnection) -> None:
        await connection.send(encode(created()))
        await connection.wait_closed()

    async with serve(play, "127.0.0.1", 0, process_request=process_request, ssl=tls) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/v1/realtime"


@pytest.mark.parametrize(
    ("retry_after", "ms"),
    [("2", 2_000), ("0", 0), ("", 0), ("soon", 0), ("-5", 0), ("nan", 0), ("9" * 5_000, 3_600_000)],
    ids=lambda value: str(value)[:10],
)
async def test_retry_after_in_seconds(retry_after: str, ms: int) -> None:
    assert await refusing(retry_after) == ms


async def test_retry_after_as_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=30)

    assert 25_000 < await refusing(format_datetime(later, usegmt=True)) <= 30_000
    assert await refusing(format_datetime(later - timedelta(days=1), usegmt=True)) == 0


async def test_a_port_where_nobody_listens() -> None:
    with sockets.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with Client(f"ws://127.0.0.1:{unused.getsockname()[1]}/") as client:
            assert await client.ends() == Disconnected(reason=os.strerror(111).lower())


async def test_a_name_of_two_addresses_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(*_: object, **__: object) -> object:
        return [
            (family, sockets.SOCK_STREAM, 0, "", (host, 1))
            for family, host in ((sockets.AF_INET, "127.0.0.1"), (sockets.AF_INET, "127.0.0.2"))
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    async with Client("ws://localhost:1/") as client:
        assert await client.ends() == Disconnected(reason="connection refused")


def test_a_host_nobody_knows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise sockets.gaierror(sockets.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(sockets, "getaddrinfo", unknown)

    async def story() -> None:
        async with Client("ws://nobody.invalid/") as client:
            assert await client.ends() == Disconnected(reason="name or service not known")

    run(story())


@pytest.mark.parametrize("url", ["ws://a..b/", f"ws://{'a' * 70}.org/", "http://host/", "rubbish", "ws:///x"])
async def test_an_address_that_cannot_be_one_is_hopeless(url: str) -> None:
    async with Client(url) as client:
        facts = await client.ends()
        assert facts.hopeless is not None
        assert "address" in facts.hopeless.sentence


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://127.0.0.1:1"])
async def test_a_proxy_we_cannot_use_gets_a_sentence(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("ws_proxy", "http_proxy", "https_proxy", "socks_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    async with Client("ws://192.0.2.1/") as client:
        facts = await client.ends()
        assert facts.hopeless is not None
        assert "proxy" in facts.hopeless.sentence


async def test_no_proxy_stands_between_us_and_the_local_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with ScriptedServer(greeting) as server, Client(server.url) as client:
        await client.until(lambda: client.posted)
        assert client.received


def test_a_certificate_that_proves_nothing(run: Run) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def story() -> None:
        async with listening(lambda *_: None, tls=context) as url, Client(url) as client:
            facts = await client.ends()
            assert facts.certificate_failed
            assert "certificate" in facts.reason

    run(story())


def test_a_certificate_of_somebody_we_trust(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def story() -> None:
        async with listening(lambda *_: None, tls=context) as url, Client(url) as client:
            await client.until(lambda: client.posted)
            assert client.received

    run(story())


async def test_a_server_that_speaks_no_tls() -> None:
    async with ScriptedServer(quiet) as server, Client(server.url.replace("ws:", "wss:")) as client:
        assert (await client.ends()).reason in {"connection reset by peer", "no secure connection"}


async def test_a_server_that_speaks_something_else() -> None:
    async with mute(b"220 mail.example.org ESMTP\r\n") as url, Client(url, open_within_s=0.2) as client:
        facts = await client.ends()
        assert (facts.close_code, facts.http_status, facts.hopeless) == (None, None, None)
        assert facts.reason


async def test_a_failure_to_get_the_endpoint_is_hopeless() -> None:
    error = LocalServerError("It did not start.", "Press Reconnect.")

    async def fail() -> Endpoint:
        raise error

    client = Client("")
    client.ask = fail
    async with client:
        assert await client.ends() == Disconnected(hopeless=error)


async def test_a_key_that_cannot_be_a_header_is_not_read_out() -> None:
    async with ScriptedServer(quiet) as server, Client(server.url, {"Authorization": f"Bearer {KEY}\nx"}) as client:
        facts = await client.ends()
        assert facts == Disconnected(reason="invalid Authorization header")


# --- rubbish ------------------------------------------------------------------------------------


def test_rubbish_is_unknown_and_the_connection_lives(run: Run) -> None:
    frames: list[str | bytes] = [b"\0\1\2", b"", "", "{", "null", '{"type":"ping"}', "[" * 100_000, "x" * 2_000_000]

    async def script(caller: Caller) -> None:
        for frame in frames:
            await caller.send_raw(frame)
        await caller.connection.send(b'{"type":"\xff\xfe"}', text=True)
        await caller.send(created())
        await caller.expect(wire.ResponseCreate)
        await caller.close(1000)

    async def story() -> None:
        async with ScriptedServer(script) as server, Client(server.url) as client:
            await client.until(lambda: len(client.posted) == len(frames) + 2)
            *rubbish, last = client.received
            assert all(isinstance(event, wire.UnknownEvent) for event in rubbish)
            assert isinstance(last, wire.SessionCreated)
            client.transport.send(wire.ResponseCreate())
            assert await client.ends() == Disconnected(close_code=1000)
            await server.finished()

    run(story())


# --- servers that do not answer -----------------------------------------------------------------


@contextlib.asynccontextmanager
async def mute(first: bytes = b"") -> AsyncIterator[str]:
    """Run a server that takes the connection and says nothing more."""
    gone = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await gone.wait()
        writer.transport.abort()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        gone.set()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)


def test_a_server_that_never_answers_the_handshake(run: Run) -> None:
    async def story() -> None:
        async with mute() as url, Client(url, open_within_s=0.1) as client:
            assert await client.ends() == Disconnected(reason="it did not answer in time")

    run(story())


@contextlib.asynccontextmanager
async def deaf() -> AsyncIterator[str]:
    """Run a server that opens the socket, greets, and then neither reads nor closes."""
    gone = asyncio.Event()

    async def play(connection: ServerConnection) -> None:
        await connection.send(encode(created()))
        connection.transport.pause_reading()
        await gone.wait()
        connection.transport.abort()

    async with serve(play, "127.0.0.1", 0, compression=None) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        gone.set()


@pytest.mark.parametrize("flood", [False, True], ids=["idle", "with full buffers"])
def test_a_server_that_does_not_answer_our_close_leaves_nothing(run: Run, flood: bool) -> None:
    async def story() -> None:
        async with deaf() as url:
            client = Client(url, close_within_s=0.2)
            client.transport.connect()
            await client.until(lambda: client.received)
            for _ in range(1_000 if flood else 0):
                client.transport.send(wire.InputAudioBufferAppend(audio=bytes(6_000)))
            if flood:
                await asyncio.sleep(0.3)  # the story: the writer is stuck by now, and that cannot be seen from here
            began_s = time.monotonic()
            await client.transport.close()
            assert time.monotonic() - began_s < 2
            await end_of_transports()
            assert len(client.posted) == 1, "a close we asked for is not told"

    run(story())


async def test_a_network_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MAX_WAITING_BYTES", 1_000_000)
    async with deaf() as url, Client(url) as client:
        await client.until(lambda: client.received)
        event = wire.InputAudioBufferAppend(audio=bytes(60_000))
        while not client.endings:
            client.transport.send(event)
            await asyncio.sleep(0)
        assert await client.ends() == Disconnected(close_code=1006)


# --- called off ---------------------------------------------------------------------------------


def test_a_connection_that_was_called_off_is_not_heard_of_again(run: Run) -> None:
    async def chatter(caller: Caller) -> None:
        while True:
            await caller.send(created(session_id=f"sess_{caller.number}"))

    async def story() -> None:
        async with ScriptedServer(chatter) as server, Client(server.url) as client:
            for number in range(3):
                await client.until(lambda: client.received)
                ids = {e.session.id for e in client.received if isinstance(e, wire.SessionCreated)}
                assert ids == {f"sess_{number}"}
                client.transport.connect()
                client.posted.clear()
            client.transport.disconnect()
            client.posted.clear()
            await client.transport.close()
            assert client.posted == []

    run(story())


def test_a_connection_called_off_by_what_it_brought_brings_no_more(run: Run) -> None:
    """Frames that were read from the socket together must not outlive a disconnect made for the first of them."""

    async def script(caller: Caller) -> None:
        async with caller.connection.send_context():
            for _ in range(10):
                caller.connection.protocol.send_text(encode(created()).encode())
        await caller.gone()

    async def story() -> None:
        async with ScriptedServer(script) as server:
            client = Client(server.url)
            client.on_post = lambda _: client.transport.disconnect()
            async with client:
                await client.until(lambda: client.posted)
                await server.finished()
            assert len(client.posted) == 1

    run(story())


def test_calling_off_while_connecting(run: Run) -> None:
    async def story() -> None:
        async with mute() as slow, ScriptedServer(greeting) as server:
            client = Client(slow)
            client.transport.connect()
            client.transport.disconnect()  # before the attempt took its first step
            for steps in range(12):  # and after any number of them
                client.transport.connect()
                for _ in range(steps):
                    await asyncio.sleep(0)
                client.transport.disconnect()
            client.endpoint = Endpoint("test", server.url)
            for steps in range(40):
                client.transport.connect()
                for _ in range(steps):
                    await asyncio.sleep(0)
                client.transport.disconnect()
                client.posted.clear()
                await asyncio.sleep(0)
                assert client.posted == []
            client.transport.connect()
            await client.until(lambda: client.posted)
            await client.transport.close()
            assert [type(event) for event in client.posted] == [Received]

    run(story())


async def test_a_normal_close_is_said_to_be_one() -> None:
    codes: list[int | None] = []

    async def script(caller: Caller) -> None:
        await caller.send(created())
        await caller.gone()
        codes.append(caller.connection.close_code)

    async with ScriptedServer(script) as server, Client(server.url) as client:
        await client.until(lambda: client.received)
        await client.transport.close()
        await server.finished()
    assert codes == [1000]


async def test_closing_in_the_middle_of_a_burst_does_not_wait(caplog: pytest.LogCaptureFixture) -> None:
    """The peer's goodbye stands behind all it sent before, and nobody reads that any more."""

    async def script(caller: Caller) -> None:
        pcm = wire.ResponseOutputAudioDelta(response_id="r", item_id="i", delta=bytes(4_800))
        while True:
            await caller.send(pcm)

    async with ScriptedServer(script) as server, Client(server.url) as client:
        await client.until(lambda: client.received)
        began_s = time.monotonic()
        await client.transport.close()
        assert time.monotonic() - began_s < 1
    assert "goodbye" not in caplog.text


async def test_close_waits_for_what_was_called_off_before() -> None:
    async with deaf() as url:
        client = Client(url, close_within_s=0.1)
        client.transport.connect()
        await client.until(lambda: client.received)
        client.transport.connect()
        client.transport.disconnect()
        await client.transport.close()
        assert [task for task in asyncio.all_tasks() if task.get_name() == "transport"] == []


async def test_closing_twice_and_without_a_connection() -> None:
    client = Client("ws://127.0.0.1:1/")
    await client.transport.close()
    client.transport.disconnect()
    await client.transport.close()
    assert client.posted == []


# --- a bug behind us ----------------------------------------------------------------------------


async def test_a_bug_behind_us_is_told_and_the_link_does_not_look_alive() -> None:
    bugs: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context["exception"]))

    async with ScriptedServer(greeting) as server:
        client = Client(server.url)

        def fail(event: Input) -> None:
            if isinstance(event, Received):
                raise ZeroDivisionError

        client.on_post = fail
        async with client:
            assert await client.ends() == Disconnected(close_code=1006)
    assert [type(bug) for bug in bugs] == [ZeroDivisionError]


# --- secrets and headers ------------------------------------------------------------------------


async def test_the_headers_of_a_handshake(caplog: pytest.LogCaptureFixture) -> None:
    async with ScriptedServer(greeting) as server, Client(server.url + "?model=m%20x") as client:
        await client.until(lambda: client.received)
        request = server.requests[0]
    assert request.path == "/v1/realtime?model=m%20x"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["OpenAI-Project"] == "proj_1"
    assert request.headers["User-Agent"].startswith("Parley/")
    assert "OpenAI-Beta" not in request.headers
    assert "Sec-WebSocket-Extensions" not in request.headers


def test_the_key_is_in_no_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def story() -> None:
        async with ScriptedServer(greeting) as server, Client(server.url) as client:
            logging.getLogger("websockets.server").setLevel(logging.INFO)  # the test's own server
            await client.until(lambda: client.received)
            client.transport.send(wire.InputAudioBufferClear())
            client.transport.connect()
            await client.transport.close()
        async with (
            ScriptedServer(quiet, refuse=http.HTTPStatus.UNAUTHORIZED) as server,
            Client(server.url) as client,
        ):
            facts = await client.ends()
            assert KEY not in repr(facts)
            assert KEY not in repr(client.transport) + repr(client.endpoint) + repr(vars(client.transport))

    try:
        run(story())
    finally:
        logging.getLogger("websockets.server").setLevel(logging.NOTSET)
    assert caplog.records, "something must be logged, or this proves nothing"
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "location", ["ws://{other}/v1/realtime", "http://{other}/v1/realtime", "//{other}/x", "gopher://{other}/x"]
)
async def test_the_key_is_not_carried_to_another_origin(location: str) -> None:
    async with ScriptedServer(greeting) as other:

        def redirect(connection: ServerConnection, _: Request) -> Response:
            response = connection.respond(http.HTTPStatus.TEMPORARY_REDIRECT, "over there\n")
            response.headers["Location"] = location.format(other=f"127.0.0.1:{other.port}")
            return response

        async with listening(redirect) as url, Client(url) as client:
            facts = await client.ends()
            assert facts.http_status == 307
        assert other.requests == []


async def test_a_redirect_within_the_origin_is_followed() -> None:
    def redirect(connection: ServerConnection, request: Request) -> Response | None:
        if request.path.startswith("/moved"):
            return None
        response = connection.respond(http.HTTPStatus.PERMANENT_REDIRECT, "over there\n")
        response.headers["Location"] = "/moved"
        return response

    async with listening(redirect) as url, Client(url) as client:
        await client.until(lambda: client.posted)
        assert client.received


def test_errors_of_a_person_are_hopeless() -> None:
    """A `ParleyError` is the one thing `hopeless` may carry: it is shown as it stands."""
    assert isinstance(Disconnected(hopeless=ParleyError("x")).hopeless, ParleyError)
