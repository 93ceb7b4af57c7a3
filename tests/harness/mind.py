"""A mind for the scripted server: it keeps a conversation as a Realtime server does, and says what it is told to.

    mind = Mind("It is noon.", (Call("get_local_time"),), Say("Late.", pcm), beside={"title": "Noon | time"})
    async with ScriptedServer(mind) as server:
        ...
    mind.check()      # everything was asked for

A reply is given to each `response.create` of the conversation, in turn; one too many fails. What is asked out of
band is answered by its purpose (`beside`). Several connections are one mind: it goes on where it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from desktop_app.protocol import events as wire
from desktop_app.protocol.items import ContentPart, Item
from desktop_app.protocol.session_config import PCM_BYTES_PER_MS, SessionConfig
from tests.harness.scripted_server import DELTA_MS, Caller, ScriptFailed, created, error, merged


@dataclass(frozen=True, slots=True)
class Say:
    """An answer; spoken if the response is to be spoken, with this sound."""

    text: str
    pcm: bytes = b""
    usage: wire.Usage | None = None
    goes_on: bool = False
    """Say it, and generate on until it is cancelled."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function."""

    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class AskApproval:
    """A call of a remote MCP server that wants the user's yes first."""

    server: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class Refuse:
    """A response that fails."""

    code: str
    message: str


Reply = str | Say | tuple[Call, ...] | AskApproval | Refuse

SILENCE = bytes(200 * PCM_BYTES_PER_MS)


class Mind:
    """Plays one conversation, over any number of connections."""

    def __init__(self, *replies: Reply, beside: Mapping[str, str | Say] | None = None) -> None:
        self._replies = list(replies)
        self._beside = dict(beside or {})
        self._ids = itertools.count(1)
        self._session = SessionConfig()
        self._items: dict[str, Item] = {}
        self._appended = b""
        self._heard: dict[str, bytes] = {}
        self._voiced = False
        self._going_on: dict[str, tuple[Caller, list[Item], wire.ResponseParams]] = {}
        self.refuses: dict[str, str] = {}
        """Fields of a session that it does not take, by their paths, and why not."""
        self.hears = ""
        """What it writes down of everything that is said; empty: nothing."""

    async def __call__(self, caller: Caller) -> None:
        """Serve one connection until the client leaves."""
        first = created(session_id=f"sess_{caller.number + 1}")
        self._session = first.session
        self._items.clear()
        self._voiced = False
        await caller.send(first)
        while True:
            event = await caller.arrived.get()
            if event is None:
                return
            await self._take(caller, event)

    def will_say(self, *replies: Reply) -> None:
        """Give these replies, too."""
        self._replies += replies

    def check(self) -> None:
        """Fail if a reply was never asked for."""
        assert not self._replies, f"never asked for: {self._replies}"

    # --- what comes -----------------------------------------------------------------------------

    async def _take(self, caller: Caller, event: wire.ClientEvent) -> None:
        match event:
            case wire.SessionUpdate():
                await self._update(caller, event)
            case wire.ConversationItemCreate():
                item = event.item
                parts = [msgspec.structs.replace(part, audio=UNSET) for part in item.parts]
                item = msgspec.structs.replace(
                    item, id=item.id or self._new("item"), status="completed", content=parts or UNSET
                )
                self._heard[item.id or ""] = b"".join(part.audio for part in event.item.parts if part.audio)
                await self._add(caller, item)
            case wire.ConversationItemRetrieve(item_id=item_id):
                item = self._items[item_id]
                part = msgspec.structs.replace(item.parts[0], audio=self._heard.get(item_id, b""))
                await caller.send(
                    wire.ConversationItemRetrieved(item=msgspec.structs.replace(item, content=[part]))
                )
            case wire.ConversationItemDelete(item_id=item_id):
                if self._items.pop(item_id, None) is None:
                    raise ScriptFailed(f"the client deletes {item_id}, which is not there")
                await caller.send(wire.ConversationItemDeleted(item_id=item_id))
            case wire.ConversationItemTruncate(item_id=item_id, content_index=index, audio_end_ms=ms):
                if item_id not in self._items:
                    raise ScriptFailed(f"the client truncates {item_id}, which is not there")
                await caller.send(
                    wire.ConversationItemTruncated(item_id=item_id, content_index=index, audio_end_ms=ms)
                )
            case wire.InputAudioBufferAppend(audio=audio):
                self._appended += audio
            case wire.InputAudioBufferClear():
                self._appended = b""
                await caller.send(wire.InputAudioBufferCleared())
            case wire.InputAudioBufferCommit():
                await self._commit(caller)
            case wire.ResponseCreate():
                await self._respond(caller, event)
            case wire.ResponseCancel():
                await self._cancel(caller, event)
            case _:
                raise ScriptFailed(f"the client sends {event}")

    async def _update(self, caller: Caller, event: wire.SessionUpdate) -> None:
        for path, why in self.refuses.items():
            value: object = event.session
            for name in path.split("."):
                value = getattr(value, name, UNSET)
            if value is not UNSET:
                await caller.send(
                    error("invalid_value", why, param=f"session.{path}", event_id=event.event_id or "")
                )
                return
        if self._voiced and event.session.voice not in (None, self._session.voice):
            text = "Cannot update a conversation's voice if assistant audio is present."
            await caller.send(error("cannot_update_voice", text, event_id=event.event_id or ""))
            return
        self._session = merged(self._session, event.session)
        await caller.send(wire.SessionUpdated(session=self._session))

    async def _add(self, caller: Caller, item: Item) -> None:
        self._items[item.id or ""] = item
        await caller.add(item)

    async def _commit(self, caller: Caller) -> None:
        item_id = self._new("heard")
        self._heard[item_id], self._appended = self._appended, b""
        before = caller.last_item_id
        await caller.send(wire.InputAudioBufferCommitted(item_id=item_id, previous_item_id=before))
        part = ContentPart(type="input_audio", transcript=None)
        await self._add(caller, Item(id=item_id, type="message", role="user", status="completed", content=[part]))
        if self.hears:
            await caller.write(item_id, self.hears)

    async def _cancel(self, caller: Caller, event: wire.ResponseCancel) -> None:
        response_id = event.response_id or next(iter(self._going_on), "")
        held = self._going_on.pop(response_id, None)
        if held is None:
            text = "Cancellation failed: no active response found"
            await caller.send(error("response_cancel_not_active", text, event_id=event.event_id or ""))
            return
        _, output, params = held
        await self._done(caller, response_id, output, params, status="cancelled")

    # --- what is said ---------------------------------------------------------------------------

    async def _respond(self, caller: Caller, event: wire.ResponseCreate) -> None:
        params = event.response or wire.ResponseParams()
        beside = params.conversation == "none"
        if not beside and self._going_on:
            text = "Conversation already has an active response in progress"
            await caller.send(
                error("conversation_already_has_active_response", text, event_id=event.event_id or "")
            )
            return
        reply: Reply
        if beside:
            purpose = (params.metadata or {}).get("purpose", "")
            if purpose not in self._beside:
                raise ScriptFailed(f"nobody said what to answer out of band for {purpose!r}")
            reply = self._beside[purpose]
        elif self._replies:
            reply = self._replies.pop(0)
        else:
            raise ScriptFailed("a response that nobody expected is asked for")
        response_id = self._new("resp")
        await caller.send(wire.ResponseCreated(response=self._response(response_id, params, "in_progress")))
        match reply:
            case Refuse(code, message):
                body = wire.ErrorBody(type="server_error", code=code, message=message)
                details = wire.StatusDetails(type="failed", error=body)
                await self._done(caller, response_id, [], params, status="failed", details=details)
            case AskApproval(server, name, arguments):
                request = Item(
                    id=self._new("mcpr"),
                    type="mcp_approval_request",
                    server_label=server,
                    name=name,
                    arguments=arguments,
                )
                await caller.add(request)
                await caller.send(
                    wire.ResponseOutputItemDone(response_id=response_id, output_index=0, item=request)
                )
                await self._done(caller, response_id, [request], params)
            case tuple():
                calls = [await self._call(caller, response_id, at, call) for at, call in enumerate(reply)]
                await self._done(caller, response_id, calls, params)
            case _:
                say = Say(reply) if isinstance(reply, str) else reply
                await self._say(caller, response_id, say, params, beside=beside)

    async def _say(
        self, caller: Caller, response_id: str, say: Say, params: wire.ResponseParams, *, beside: bool
    ) -> None:
        spoken = (params.output_modalities or self._session.output_modalities) == ["audio"] and bool(say.pcm)
        item_id = self._new("item")
        item = Item(id=item_id, type="message", role="assistant", status="in_progress", content=[])
        part = ContentPart(type="audio", transcript="") if spoken else ContentPart(type="text", text="")
        await caller.send(wire.ResponseOutputItemAdded(response_id=response_id, output_index=0, item=item))
        if not beside:
            self._items[item_id] = item
            before, caller.last_item_id = caller.last_item_id, item_id
            await caller.send(wire.ConversationItemAdded(item=item, previous_item_id=before))
        await caller.send(wire.ResponseContentPartAdded(response_id=response_id, item_id=item_id, part=part))
        if spoken:
            self._voiced = True
            await caller.send(
                wire.ResponseOutputAudioTranscriptDelta(response_id=response_id, item_id=item_id, delta=say.text)
            )
            step = DELTA_MS * PCM_BYTES_PER_MS
            for start in range(0, len(say.pcm), step):
                delta = say.pcm[start : start + step]
                await caller.send(
                    wire.ResponseOutputAudioDelta(response_id=response_id, item_id=item_id, delta=delta)
                )
            final = ContentPart(type="output_audio", transcript=say.text)
        else:
            await caller.send(
                wire.ResponseOutputTextDelta(response_id=response_id, item_id=item_id, delta=say.text)
            )
            final = ContentPart(type="output_text", text=say.text)
        whole = msgspec.structs.replace(item, status="completed", content=[final])
        if say.goes_on:
            cut = msgspec.structs.replace(whole, status="incomplete")
            self._going_on[response_id] = (caller, [cut], params)
            return
        if spoken:
            await caller.send(
                wire.ResponseOutputAudioDone(response_id=response_id, item_id=item_id),
                wire.ResponseOutputAudioTranscriptDone(
                    response_id=response_id, item_id=item_id, transcript=say.text
                ),
            )
        else:
            await caller.send(wire.ResponseOutputTextDone(response_id=response_id, item_id=item_id, text=say.text))
        if not beside:
            await caller.send(wire.ConversationItemDone(item=whole))
        await caller.send(wire.ResponseOutputItemDone(response_id=response_id, output_index=0, item=whole))
        await self._done(caller, response_id, [whole], params, usage=say.usage)

    async def _call(self, caller: Caller, response_id: str, at: int, call: Call) -> Item:
        item = Item(
            id=self._new("item"),
            type="function_call",
            status="in_progress",
            name=call.name,
            call_id=self._new("call"),
            arguments="",
        )
        before, caller.last_item_id = caller.last_item_id, item.id or None
        whole = msgspec.structs.replace(item, status="completed", arguments=call.arguments)
        self._items[item.id or ""] = whole
        await caller.send(
            wire.ResponseOutputItemAdded(response_id=response_id, output_index=at, item=item),
            wire.ConversationItemAdded(item=item, previous_item_id=before),
            wire.ResponseFunctionCallArgumentsDone(
                response_id=response_id,
                item_id=item.id or "",
                output_index=at,
                call_id=item.call_id or "",
                name=call.name,
                arguments=call.arguments,
            ),
            wire.ConversationItemDone(item=whole),
            wire.ResponseOutputItemDone(response_id=response_id, output_index=at, item=whole),
        )
        return whole

    async def _done(
        self,
        caller: Caller,
        response_id: str,
        output: list[Item],
        params: wire.ResponseParams,
        *,
        status: str = "completed",
        details: wire.StatusDetails | None = None,
        usage: wire.Usage | None = None,
    ) -> None:
        usage = usage or wire.Usage(total_tokens=30, input_tokens=10, output_tokens=20)
        response = self._response(response_id, params, status)
        response = msgspec.structs.replace(response, output=output, usage=usage, status_details=details)
        requests = wire.RateLimit(name="requests", limit=1000, remaining=997, reset_seconds=60.0)
        await caller.send(wire.ResponseDone(response=response), wire.RateLimitsUpdated(rate_limits=[requests]))

    def _response(self, response_id: str, params: wire.ResponseParams, status: str) -> wire.Response:
        return wire.Response(
            id=response_id,
            object="realtime.response",
            status=status,
            output=[],
            output_modalities=list(params.output_modalities or self._session.output_modalities or ["audio"]),
            conversation_id=None if params.conversation == "none" else "conv_1",
            metadata=params.metadata or None,
        )

    def _new(self, prefix: str) -> str:
        return f"{prefix}_{next(self._ids)}"
