"""A Realtime server that plays a script, over a real WebSocket: for the client's tests and the sound bench.

A script is a coroutine that gets a `Caller`, one connected client, and says what happens in order:

    async def script(caller: Caller) -> None:
        await caller.greet()                                       # session.created, the update, its answer
        await caller.expect(InputAudioBufferCommit)
        await caller.expect(ResponseCreate, within_s=2)
        await caller.answer("Four.", pcm, pace=Pace.REAL_TIME)     # a whole response in the real order
        await caller.close(1011)

    async with ScriptedServer(script) as server:
        ...  # point the client at server.url with server.token
        await server.finished()

The n-th connection plays the n-th script given, every later one the last. A script that fails (an `expect`
that ran out of time, say) fails the test: at `finished()`, or at the end of the block. What the client sent
is in `server.received`, with the monotonic time of each event.
"""

from __future__ import annotations

import asyncio
import http
import itertools
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import decode_client_event, encode
from desktop_app.protocol.items import ContentPart, Item
from desktop_app.protocol.session_config import (
    PCM_24K,
    PCM_BYTES_PER_MS,
    AudioConfig,
    AudioInput,
    AudioOutput,
    SessionConfig,
)

E = TypeVar("E", bound=wire.ClientEvent)
Script = Callable[["Caller"], Coroutine[Any, Any, None]]

DELTA_MS = 100
"""How much audio one delta of `speak` carries."""


class Pace(Enum):
    """How fast audio is delivered."""

    BURST = "burst"
    """As fast as the socket takes it, as real servers nearly do."""
    REAL_TIME = "real time"
    """Each delta when the one before it would have been played."""


@dataclass(frozen=True, slots=True)
class Received:
    """An event the client sent."""

    at_s: float
    """`time.monotonic()` when it was read."""
    event: wire.ClientEvent
    connection: int
    """Which connection it came by, from 0."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The ids of a response that `Caller.answer` and its kin played."""

    response_id: str
    item_id: str
    audio_ms: int = 0


class ScriptFailed(AssertionError):
    """The client did not do what the script expected."""


def created(
    voice: str = "marin", *, session_id: str = "sess_1", expires_at: int | None = None
) -> wire.SessionCreated:
    """Return a `session.created` as a real server sends it; `expires_at` is in Unix seconds."""
    session = SessionConfig(
        id=session_id,
        object="realtime.session",
        expires_at=expires_at if expires_at is not None else int(time.time()) + 3600,
        model="gpt-realtime-2.1",
        output_modalities=["audio"],
        instructions="You are a test.",
        audio=AudioConfig(
            input=AudioInput(format=PCM_24K, turn_detection=None),
            output=AudioOutput(format=PCM_24K, voice=voice, speed=1.0),
        ),
        tools=[],
        tool_choice="auto",
        max_output_tokens="inf",
    )
    return wire.SessionCreated(session=session)


def error(code: str, message: str, *, param: str | None = None, event_id: str | None = None) -> wire.Error:
    """Return an `error` event; `event_id` is the client's."""
    body = wire.ErrorBody(type="invalid_request_error", code=code, message=message, param=param, event_id=event_id)
    return wire.Error(error=body)


@dataclass(slots=True)
class Caller:
    """One connected client, as its script sees it."""

    connection: ServerConnection
    number: int
    """Which connection this is, from 0."""
    ids: itertools.count[int]
    log: list[Received]
    arrived: asyncio.Queue[wire.ClientEvent | None] = field(default_factory=asyncio.Queue)
    last_item_id: str | None = None
    """The end of the conversation: what the next item follows."""

    # --- sending ----------------------------------------------------------------------------

    async def send(self, *events: wire.KnownServerEvent) -> None:
        """Send events; each gets an `event_id` if it has none."""
        for event in events:
            if event.event_id is msgspec.UNSET:
                event = msgspec.structs.replace(event, event_id=f"event_{next(self.ids)}")  # noqa: PLW2901
            await self.connection.send(encode(event))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a frame as it is: text, or a binary frame for bytes."""
        await self.connection.send(frame)

    async def pause(self, seconds: float) -> None:
        """Let time pass: the only sleep a test's story needs, because the story is about time."""
        await asyncio.sleep(seconds)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code; 1006 cuts the connection without a word."""
        if code == 1006:
            self.connection.transport.abort()
        else:
            await self.connection.close(code, reason)

    # --- receiving --------------------------------------------------------------------------

    async def expect(
        self, kind: type[E], where: Callable[[E], bool] = lambda _: True, *, within_s: float = 10.0
    ) -> E:
        """Return the next event of `kind` for which `where` holds; others before it are passed over."""
        seen: list[str] = []
        try:
            async with asyncio.timeout(within_s):
                while True:
                    event = await self._next()
                    if isinstance(event, kind) and where(event):
                        return event
                    seen.append(type(event).__name__)
        except TimeoutError:
            came = ", ".join(seen) or "nothing"
            raise ScriptFailed(f"no {kind.__name__} within {within_s} s; came: {came}") from None

    async def expect_next(self, kind: type[E], *, within_s: float = 10.0) -> E:
        """Return the very next event, which must be of `kind`; appended audio is passed over."""
        skip = wire.InputAudioBufferAppend
        try:
            async with asyncio.timeout(within_s):
                event = await self._next()
                while isinstance(event, skip) and kind is not skip:
                    event = await self._next()
        except TimeoutError:
            raise ScriptFailed(f"no {kind.__name__} within {within_s} s; nothing came") from None
        if not isinstance(event, kind):
            raise ScriptFailed(f"{kind.__name__} was due, {type(event).__name__} came")
        return event

    async def expect_nothing(self, kind: type[wire.ClientEvent], *, for_s: float) -> None:
        """Fail if an event of `kind` comes within `for_s`; what comes meanwhile is passed over."""
        try:
            async with asyncio.timeout(for_s):
                while not isinstance(event := await self._next(), kind):
                    pass
        except TimeoutError:
            return
        raise ScriptFailed(f"unwanted: {event}")

    async def gone(self, *, within_s: float = 10.0) -> None:
        """Wait until the client has closed the connection."""
        try:
            async with asyncio.timeout(within_s):
                await self.connection.wait_closed()
        except TimeoutError:
            raise ScriptFailed(f"the client did not close within {within_s} s") from None

    async def next_event(self) -> wire.ClientEvent | None:
        """Wait for the next event, whatever it is; None: the client has closed the connection."""
        event = await self.arrived.get()
        if event is None:
            self.arrived.put_nowait(None)
        return event

    async def _next(self) -> wire.ClientEvent:
        event = await self.next_event()
        if event is None:
            raise ScriptFailed("the client closed the connection")
        return event

    # --- what servers do often --------------------------------------------------------------

    async def greet(
        self, first: wire.SessionCreated | None = None, *, within_s: float = 10.0
    ) -> wire.SessionUpdate:
        """Send `session.created`, wait for the client's `session.update` and take it; return that update."""
        first = first or created()
        await self.send(first)
        update = await self.expect(wire.SessionUpdate, within_s=within_s)
        await self.send(wire.SessionUpdated(session=merged(first.session, update.session)))
        return update

    async def take_text(self, *, within_s: float = 10.0) -> Item:
        """Wait for `conversation.item.create`, acknowledge it and return the item."""
        item = (await self.expect(wire.ConversationItemCreate, within_s=within_s)).item
        item = msgspec.structs.replace(item, status="completed", object="realtime.item")
        await self.add(item)
        return item

    async def take_speech(self, item_id: str = "item_user", *, transcript: str | None = None) -> str:
        """Wait for `input_audio_buffer.commit`, make the user item of it, maybe write it; return its id."""
        await self.expect(wire.InputAudioBufferCommit)
        await self.send(wire.InputAudioBufferCommitted(item_id=item_id, previous_item_id=self.last_item_id))
        part = ContentPart(type="input_audio", transcript=None)
        await self.add(Item(id=item_id, type="message", role="user", status="completed", content=[part]))
        if transcript is not None:
            await self.write(item_id, transcript)
        return item_id

    async def write(self, item_id: str, transcript: str) -> None:
        """Send the final transcript of a user item."""
        usage = wire.TranscriptionUsage(type="duration", seconds=1.0)
        await self.send(wire.InputAudioTranscriptionCompleted(item_id=item_id, transcript=transcript, usage=usage))

    async def add(self, item: Item) -> None:
        """Send `conversation.item.added` and `done` for an item at the end of the conversation."""
        before = self.last_item_id
        self.last_item_id = item.id or None
        await self.send(
            wire.ConversationItemAdded(item=item, previous_item_id=before),
            wire.ConversationItemDone(item=item, previous_item_id=before),
        )

    async def answer(
        self,
        text: str,
        pcm: bytes = b"",
        *,
        pace: Pace = Pace.BURST,
        response_id: str = "",
        item_id: str = "",
        delta_ms: int = DELTA_MS,
    ) -> Answer:
        """Play a whole response in the order of a real server: spoken if `pcm` is given, else written."""
        begun = await self.begin(spoken=bool(pcm), response_id=response_id, item_id=item_id)
        if pcm:
            await self.say(begun, text)
            await self.speak(begun, pcm, pace=pace, delta_ms=delta_ms)
        else:
            ids = _ids(begun)
            await self.send(wire.ResponseOutputTextDelta(**ids, delta=text))
        return await self.end(begun, text, pcm)

    async def begin(
        self,
        *,
        spoken: bool = True,
        response_id: str = "",
        item_id: str = "",
        metadata: dict[str, str] | None = None,
    ) -> Answer:
        """Send the events from `response.created` to `content_part.added`."""
        number = next(self.ids)
        begun = Answer(response_id or f"resp_{number}", item_id or f"item_{number}")
        before, self.last_item_id = self.last_item_id, begun.item_id
        modality = "audio" if spoken else "text"
        response = wire.Response(
            id=begun.response_id,
            object="realtime.response",
            status="in_progress",
            output=[],
            output_modalities=[modality],
            conversation_id="conv_1",
            metadata=metadata,
        )
        item = Item(
            id=begun.item_id, object="realtime.item", type="message", role="assistant",
            status="in_progress", content=[],
        )  # fmt: skip
        part = ContentPart(type="audio", transcript="") if spoken else ContentPart(type="text", text="")
        await self.send(
            wire.ResponseCreated(response=response),
            wire.ResponseOutputItemAdded(response_id=begun.response_id, output_index=0, item=item),
            wire.ConversationItemAdded(item=item, previous_item_id=before),
            wire.ResponseContentPartAdded(**_ids(begun), part=part),
        )
        return begun

    async def say(self, begun: Answer, words: str) -> None:
        """Send words of the transcript."""
        await self.send(wire.ResponseOutputAudioTranscriptDelta(**_ids(begun), delta=words))

    async def speak(self, begun: Answer, pcm: bytes, *, pace: Pace = Pace.BURST, delta_ms: int = DELTA_MS) -> None:
        """Send audio in deltas of `delta_ms`."""
        step = delta_ms * PCM_BYTES_PER_MS
        began_s = time.monotonic()
        for start in range(0, len(pcm), step):
            if pace is Pace.REAL_TIME:
                due_s = began_s + start / PCM_BYTES_PER_MS / 1000
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            delta = pcm[start : start + step]
            await self.send(wire.ResponseOutputAudioDelta(**_ids(begun), delta=delta))

    async def end(
        self,
        begun: Answer,
        text: str,
        pcm: bytes = b"",
        *,
        status: str = "completed",
        reason: str = "",
        metadata: dict[str, str] | None = None,
    ) -> Answer:
        """Send the events from `output_audio.done` to `response.done`."""
        ids = _ids(begun)
        if pcm:
            final = ContentPart(type="output_audio", transcript=text)
            part = ContentPart(type="audio", transcript=text)
            await self.send(
                wire.ResponseOutputAudioDone(**ids),
                wire.ResponseOutputAudioTranscriptDone(**ids, transcript=text),
            )
        else:
            final = ContentPart(type="output_text", text=text)
            part = ContentPart(type="text", text=text)
            await self.send(wire.ResponseOutputTextDone(**ids, text=text))
        item = Item(
            id=begun.item_id, object="realtime.item", type="message", role="assistant",
            status="completed" if status == "completed" else "incomplete", content=[final],
        )  # fmt: skip
        await self.send(
            wire.ResponseContentPartDone(**ids, part=part),
            wire.ConversationItemDone(item=item),
            wire.ResponseOutputItemDone(response_id=begun.response_id, output_index=0, item=item),
        )
        await self.done(
            begun.response_id, [item], status=status, reason=reason, spoken=bool(pcm), metadata=metadata
        )
        return Answer(begun.response_id, begun.item_id, len(pcm) // PCM_BYTES_PER_MS)

    async def done(
        self,
        response_id: str,
        output: list[Item],
        *,
        status: str = "completed",
        reason: str = "",
        spoken: bool = True,
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Send `response.done`; `reason` as in its status details."""
        details = wire.StatusDetails(type=status, reason=reason) if reason else None
        response = wire.Response(
            id=response_id,
            object="realtime.response",
            status=status,
            status_details=details,
            output=output,
            output_modalities=["audio" if spoken else "text"],
            conversation_id="conv_1",
            metadata=metadata,
            usage=wire.Usage(total_tokens=30, input_tokens=10, output_tokens=20),
        )
        await self.send(wire.ResponseDone(response=response))


class ScriptedServer:
    """Listens on a loopback port and plays the scripts."""

    token = "scripted"

    def __init__(
        self, *scripts: Script, refuse: http.HTTPStatus | None = None, retry_after_s: int | None = None
    ) -> None:
        """Play `scripts`; or `refuse` every handshake with an HTTP status, maybe with `Retry-After`."""
        self._scripts = scripts
        self._refuse = refuse
        self._retry_after_s = retry_after_s
        self._server: Server | None = None
        self._ids = itertools.count(1)
        self._playing: list[asyncio.Future[None]] = []
        self._connected = asyncio.Event()
        self._failures: list[Exception] = []
        self.requests: list[Request] = []
        """The handshakes, refused ones too: path and headers."""
        self.received: list[Received] = []
        """All client events in order of arrival."""
        self.frames: list[str] = []
        """The same as they came, text for text."""
        self.unreadable: list[str] = []
        """Frames that are no client events, and why."""

    async def __aenter__(self) -> ScriptedServer:
        self._server = await serve(
            self._play, "127.0.0.1", 0, process_request=self._handshake, compression=None, max_size=None
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        for task in self._playing:
            task.cancel()
        self._server.close()
        await self._server.wait_closed()
        await asyncio.gather(*self._playing, return_exceptions=True)
        if self._failures and error is None:
            raise self._failures[0]

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its address, without a model."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    @property
    def connections(self) -> int:
        """How many clients connected so far."""
        return len(self._playing)

    def events(self, kind: type[E]) -> list[E]:
        """Return the events of one kind the client sent, in order."""
        return [entry.event for entry in self.received if isinstance(entry.event, kind)]

    def kinds(self, *, audio: bool = False) -> list[type[wire.ClientEvent]]:
        """Return the kinds of the events in order; appended audio only if asked for."""
        kinds = [type(entry.event) for entry in self.received]
        return [kind for kind in kinds if audio or kind is not wire.InputAudioBufferAppend]

    async def finished(self, connections: int = 1, *, within_s: float = 30.0) -> None:
        """Wait until the first `connections` scripts have ended; raise what one of them raised."""
        async with asyncio.timeout(within_s):
            while len(self._playing) < connections:
                self._connected.clear()
                await self._connected.wait()
            await asyncio.gather(*self._playing[:connections])

    def forgive(self) -> None:
        """Forget the failures so far: the test has seen them."""
        self._failures.clear()

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if self._refuse is None:
            return None
        response = connection.respond(self._refuse, "refused by the script\n")
        if self._retry_after_s is not None:
            response.headers["Retry-After"] = str(self._retry_after_s)
        return response

    async def _play(self, connection: ServerConnection) -> None:
        number = len(self._playing)
        caller = Caller(connection, number, self._ids, self.received)
        script = self._scripts[min(number, len(self._scripts) - 1)]
        playing = asyncio.ensure_future(self._perform(script, caller))
        self._playing.append(playing)
        self._connected.set()
        try:
            async for frame in connection:
                self._note(frame, caller)
        except ConnectionClosed:
            pass
        finally:
            caller.arrived.put_nowait(None)
        # The script may well go on after the client left, to say what must be true then.
        await asyncio.wait([playing])

    async def _perform(self, script: Script, caller: Caller) -> None:
        try:
            await script(caller)
        except ConnectionClosed:
            return  # the client left, and the script did not care when
        except Exception as failure:
            self._failures.append(failure)
            await caller.connection.close(1011, "the script failed")
            raise

    def _note(self, frame: str | bytes, caller: Caller) -> None:
        at_s = time.monotonic()
        try:
            event = decode_client_event(frame)
        except ValueError as problem:
            self.unreadable.append(str(problem))
            return
        self.received.append(Received(at_s, event, caller.number))
        self.frames.append(str(frame))
        caller.arrived.put_nowait(event)


def merged(session: SessionConfig, update: SessionConfig) -> SessionConfig:
    """Return the session after an update, as far as a script needs it: member by member, `audio` too."""
    into = msgspec.to_builtins(session)
    _merge(into, msgspec.to_builtins(update))
    return msgspec.convert(into, SessionConfig)


def _merge(into: dict[str, object], update: dict[str, object]) -> None:
    for name, value in update.items():
        held = into.get(name)
        if name in {"audio", "input", "output"} and isinstance(held, dict) and isinstance(value, dict):
            _merge(held, value)
        else:
            into[name] = value


def _ids(begun: Answer) -> dict[str, Any]:
    return {"response_id": begun.response_id, "item_id": begun.item_id}
