"""A server that means harm, over a real socket, against the whole program: it stays within its bounds, and usable.

What the core keeps of each kind of endless thing is tested one by one in `tests/conversation/test_limits.py`.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from PySide6.QtWidgets import QWidget
from websockets.exceptions import ConnectionClosed

from desktop_app.conversation import limits
from desktop_app.conversation.inputs import Disconnected, Received
from desktop_app.endpoints import Endpoint
from desktop_app.protocol import events as wire
from desktop_app.transport import WebSocketTransport
from desktop_app.ui.notices import NoticeCard
from tests.conftest import RunAsync
from tests.harness.inside import program
from tests.harness.scripted_server import Caller, ScriptedServer, created

WITHIN_S = 120.0
AT_LEAST = 500
"""Frames of a flood before the user does anything."""
MOST_WIDGETS = 400
"""More than a window that nobody floods has, by so many at most."""
MOST_MEMORY_BYTES = 500 * 2**20


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key the scripted server wants."""
    monkeypatch.setenv("OPENAI_API_KEY", ScriptedServer.token)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


# --- one frame without end ----------------------------------------------------------------------


async def test_an_item_of_a_gigabyte_ends_the_connection_and_is_not_held() -> None:
    sent = 0
    piece = "x" * 2**20

    async def pieces() -> AsyncIterator[str]:
        nonlocal sent
        yield '{"type":"conversation.item.retrieved","item":{"text":"'
        while sent < 1024:
            sent += 1
            yield piece

    async def endless(caller: Caller) -> None:
        await caller.send(created())
        await caller.connection.send(pieces())

    ended = asyncio.Event()
    posted: list[object] = []

    def post(event: object) -> None:
        posted.append(event)
        if isinstance(event, Disconnected):
            ended.set()

    async with ScriptedServer(endless) as server:

        async def endpoint() -> Endpoint:
            return Endpoint("test", f"{server.url}?model=m", {"Authorization": f"Bearer {server.token}"})

        transport = WebSocketTransport(endpoint, post)
        transport.connect()
        async with asyncio.timeout(WITHIN_S):
            await ended.wait()
        await transport.close()
        server.forgive()

    assert sent * len(piece) < limits.MAX_FRAME_BYTES + 16 * 2**20, "it was not read to its end"
    assert [type(event) for event in posted] == [Received, Disconnected], "what was begun came to nobody"


async def test_what_an_honest_server_sends_is_taken() -> None:
    """A quarter of an hour of sound, at the most."""
    sound = base64.b64encode(bytes(45 * 2**20)).decode()
    frame = json.dumps(
        {
            "type": "conversation.item.retrieved",
            "event_id": "e",
            "item": {
                "id": "item_1",
                "type": "message",
                "role": "user",
                "content": [{"type": "input_audio", "audio": sound, "transcript": "long"}],
            },
        }
    )
    came: asyncio.Queue[object] = asyncio.Queue()

    async def generous(caller: Caller) -> None:
        await caller.send_raw(frame)
        await caller.gone(within_s=WITHIN_S)

    async with ScriptedServer(generous) as server:

        async def endpoint() -> Endpoint:
            return Endpoint("test", f"{server.url}?model=m", {"Authorization": f"Bearer {server.token}"})

        transport = WebSocketTransport(endpoint, came.put_nowait)
        transport.connect()
        async with asyncio.timeout(WITHIN_S):
            event = await came.get()
        await transport.close()

    assert isinstance(event, Received)
    assert isinstance(event.event, wire.ConversationItemRetrieved)


# --- floods -------------------------------------------------------------------------------------

Frames = list[dict[str, Any]]


def endless_words(n: int) -> Frames:
    ids = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    item = {"id": "item_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    begin: Frames = [
        {"type": "response.created", "response": {"id": "resp_1", "object": "realtime.response", "output": []}},
        {"type": "response.output_item.added", "response_id": "resp_1", "output_index": 0, "item": item},
    ]
    return [*(begin if n == 0 else []), {"type": "response.output_text.delta", "delta": "word " * 100, **ids}]


def open_items(n: int) -> Frames:
    item = {"id": f"item_{n}", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    return [{"type": "conversation.item.added", "previous_item_id": f"item_{n - 1}" if n else None, "item": item}]


def words_for_nobody(n: int) -> Frames:
    ids = {"response_id": f"r{n}" * 50, "item_id": f"never_{n}" * 50, "output_index": 0, "content_index": n % 7}
    return [{"type": "response.output_audio_transcript.delta", "delta": "x" * 1000, **ids}]


def endless_sound(n: int) -> Frames:
    ids = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    delta = base64.b64encode(bytes(48 * 1000)).decode()
    return [*(endless_words(0) if n == 0 else []), {"type": "response.output_audio.delta", "delta": delta, **ids}]


def endless_calls(n: int) -> Frames:
    item = {
        "id": f"item_{n}",
        "type": "function_call",
        "status": "completed",
        "name": "get_local_time",
        "call_id": f"call_{n}",
        "arguments": "{}",
    }
    response = {"id": f"resp_{n}", "object": "realtime.response", "status": "completed", "output": [item]}
    return [
        {"type": "response.created", "response": {"id": f"resp_{n}", "object": "realtime.response", "output": []}},
        {"type": "response.output_item.done", "response_id": f"resp_{n}", "output_index": 0, "item": item},
        {"type": "response.done", "response": response},
    ]


def endless_failures(n: int) -> Frames:
    body = {"type": "server_error", "code": f"code_{n}", "message": f"Number {n}. " + "<b>x</b>" * 200}
    return [{"type": "error", "error": body}]


def endless_limits(n: int) -> Frames:
    told = [{"name": f"limit_{n}_{k}", "limit": 10, "remaining": 0, "reset_seconds": 1e9} for k in range(20)]
    return [{"type": "rate_limits.updated", "rate_limits": told}]


def endless_sessions(n: int) -> Frames:
    session = {"type": "realtime", "id": f"sess_{n}", "instructions": "x" * 5_000}
    return [{"type": "session.updated", "session": session}]


FLOODS = [
    endless_words,
    open_items,
    words_for_nobody,
    endless_sound,
    endless_calls,
    endless_failures,
    endless_limits,
    endless_sessions,
]


@pytest.mark.sound
@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_in_a_flood_the_user_can_still_speak_up(
    run_async: RunAsync, sound: object, tmp_path: Path, flood: Callable[[int], Frames]
) -> None:
    """The server sends without a pause until it is told to stop: by the user, through the window."""
    told_to_stop = asyncio.Event()
    flooded = asyncio.Event()

    async def listen(caller: Caller) -> None:
        while (event := await caller.next_event()) is not None:
            if isinstance(event, wire.ConversationItemCreate) and "stop it" in str(event.item.parts):
                told_to_stop.set()

    async def harm(caller: Caller) -> None:
        await caller.send(created())
        listening = asyncio.ensure_future(listen(caller))
        try:
            for number in itertools.count():
                if told_to_stop.is_set():
                    break
                for frame in flood(number):
                    await caller.send_raw(json.dumps({"event_id": f"e{number}", **frame}))
                if number == AT_LEAST:
                    flooded.set()
                if number % 20 == 0:
                    await asyncio.sleep(0.001)  # it shares the loop with the window, which no real one does
            await caller.gone(within_s=WITHIN_S)
        except ConnectionClosed:
            pass
        finally:
            listening.cancel()

    async def story() -> None:
        process = psutil.Process()
        async with ScriptedServer(harm) as server:
            async with program(tmp_path, server.url) as user:
                await user.sees_online()
                widgets = len(user.window.findChildren(QWidget))
                memory = process.memory_info().rss
                await user.until(flooded.is_set, "the flood", WITHIN_S)
                user.types("stop it")
                user.window.stop_pressed.emit()  # what is generated endlessly is stopped as a person would
                await user.until(told_to_stop.is_set, "what was typed reaches the server", WITHIN_S)

                assert user.window.transcript.rowCount() <= limits.MAX_ENTRIES
                assert all(len(entry.text) <= limits.MAX_ENTRY_CHARS for entry in user.entries())
                assert len(user.window.findChildren(NoticeCard)) < 20
                assert len(user.window.findChildren(QWidget)) - widgets < MOST_WIDGETS
                assert process.memory_info().rss - memory < MOST_MEMORY_BYTES
            server.forgive()

    run_async(story(), 2 * WITHIN_S)
