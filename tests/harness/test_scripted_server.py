"""The scripted server itself: a script that fails must fail the test, and what it plays must be right."""

from __future__ import annotations

import http

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import decode_server_event, encode
from desktop_app.protocol.session_config import SessionConfig
from tests.harness.scripted_server import Caller, Pace, ScriptedServer, ScriptFailed, created

UPDATE = encode(wire.SessionUpdate(session=SessionConfig(instructions="Be short.")))


async def test_a_whole_answer_in_the_order_of_a_real_server() -> None:
    async def script(caller: Caller) -> None:
        await caller.greet()
        await caller.expect(wire.ResponseCreate)
        await caller.answer("Four.", bytes(4800 * 3), pace=Pace.REAL_TIME)
        await caller.gone()

    async with ScriptedServer(script) as server:
        async with connect(server.url) as client:
            await client.send(UPDATE)
            await client.send(encode(wire.ResponseCreate()))
            got = [decode_server_event(await client.recv()) for _ in range(16)]
        await server.finished()
    assert isinstance(got[1], wire.SessionUpdated)
    assert got[1].session.instructions == "Be short."
    assert [type(event).__name__ for event in got[2:]] == [
        "ResponseCreated",
        "ResponseOutputItemAdded",
        "ConversationItemAdded",
        "ResponseContentPartAdded",
        "ResponseOutputAudioTranscriptDelta",
        "ResponseOutputAudioDelta",
        "ResponseOutputAudioDelta",
        "ResponseOutputAudioDelta",
        "ResponseOutputAudioDone",
        "ResponseOutputAudioTranscriptDone",
        "ResponseContentPartDone",
        "ConversationItemDone",
        "ResponseOutputItemDone",
        "ResponseDone",
    ]
    assert server.kinds() == [wire.SessionUpdate, wire.ResponseCreate]


async def test_what_does_not_come_fails_the_test() -> None:
    async def script(caller: Caller) -> None:
        await caller.expect(wire.ResponseCreate, within_s=0.05)

    async with ScriptedServer(script) as server, connect(server.url) as client:
        await client.send(UPDATE)
        with pytest.raises(ScriptFailed, match="no ResponseCreate within"):
            await server.finished()
        server.forgive()


async def test_a_failure_nobody_waited_for_is_raised_at_the_end() -> None:
    async def script(caller: Caller) -> None:
        await caller.expect_next(wire.ResponseCreate)

    async def story() -> None:
        async with ScriptedServer(script) as server, connect(server.url) as client:
            await client.send(UPDATE)
            await client.wait_closed()

    with pytest.raises(ScriptFailed, match="ResponseCreate was due, SessionUpdate came"):
        await story()


async def test_refusals_and_closings() -> None:
    async with ScriptedServer(refuse=http.HTTPStatus.TOO_MANY_REQUESTS, retry_after_s=2) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.url)
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "2"

    async def script(caller: Caller) -> None:
        await caller.send(created())
        await caller.close(1006)

    async with ScriptedServer(script) as server, connect(server.url) as client:
        await client.recv()
        with pytest.raises(ConnectionClosedError) as lost:
            await client.recv()
        assert lost.value.rcvd is None
