"""One response, from `response.created` to `response.done`: the events in the order of the GA server.

A message and function calls may be open side by side; a message ends with the response, a call at once, because
its arguments arrive whole. Out of band the same events are sent without those of the conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from desktop_app.local_server.configuration import TokenLimit, format_on_wire
from desktop_app.local_server.engines import FunctionCall
from desktop_app.local_server.memory import (
    ASSISTANT_MS_PER_TOKEN,
    Memory,
    Remembered,
    Speech,
    audio_tokens,
    text_tokens,
    usage,
)
from desktop_app.local_server.orders import WireFormat
from desktop_app.protocol import events as wire
from desktop_app.protocol.items import ContentPart, Item
from desktop_app.protocol.session_config import AudioConfig, AudioOutput

Status = Literal["completed", "cancelled", "incomplete", "failed"]
Events = list[wire.KnownServerEvent]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a response is given."""

    spoken: bool
    voice: str
    speed: float
    format: WireFormat
    max_output_tokens: TokenLimit
    metadata: dict[str, str] | None = None
    conversation_id: str | None = None
    """None: out of band."""


class Answering:
    """A response in progress."""

    def __init__(self, response_id: str, manner: Manner, memory: Memory, new_id: Callable[[str], str]) -> None:
        """`memory` takes the items of a response of the default conversation."""
        self.id = response_id
        self.manner = manner
        self.taken = wire.TokensByModality(text_tokens=0, audio_tokens=0, image_tokens=0)
        """What the context counts."""
        self.first_sound_s: float | None = None
        """When its first audio was sent."""
        self._memory = memory
        self._new_id = new_id
        self._spoken = manner.spoken
        self._output: list[Remembered] = []
        self._message: Remembered | None = None
        self._message_index = 0
        self._speech = Speech(manner.format)
        self._text = ""
        self._call_tokens = 0
        self._audio_ms = 0.0

    @property
    def in_conversation(self) -> bool:
        """Whether it belongs to the default conversation."""
        return self.manner.conversation_id is not None

    @property
    def audio_ms(self) -> float:
        """How much audio was sent."""
        return self._audio_ms

    @property
    def tokens_left(self) -> int | None:
        """How many output tokens it may still use; None for any number."""
        limit = self.manner.max_output_tokens
        return None if limit == "inf" else max(0, limit - sum(self._tokens()))

    def created(self) -> Events:
        """Begin."""
        return [wire.ResponseCreated(response=self._response("in_progress"))]

    def write_only(self) -> None:
        """Answer in writing, although speech was wanted: before the first words."""
        self._spoken = False

    def words(self, text: str) -> Events:
        """Add words; the audio that follows speaks them."""
        events = self._open_message()
        self._text += text
        if self._spoken:
            self._speech.begin(text)
            events.append(wire.ResponseOutputAudioTranscriptDelta(**self._part_ids(), delta=text))
        else:
            events.append(wire.ResponseOutputTextDelta(**self._part_ids(), delta=text))
        return events

    def sound(self, audio: bytes) -> Events:
        """Add audio."""
        events = self._open_message()
        self._audio_ms += len(audio) / self.manner.format.bytes_per_ms
        self._speech.add(audio)
        return [*events, wire.ResponseOutputAudioDelta(**self._part_ids(), delta=audio)]

    def call(self, call: FunctionCall) -> Events:
        """Add a function call, whole."""
        item = Item(
            id=self._new_id("item"),
            object="realtime.item",
            type="function_call",
            status="in_progress",
            name=call.name,
            call_id=call.call_id or self._new_id("call"),
            arguments="",
        )
        entry = Remembered(item)
        index = len(self._output)
        self._call_tokens += text_tokens(call.name + call.arguments)
        events = self._add(entry)
        ids: dict[str, Any] = {
            "response_id": self.id,
            "item_id": entry.id,
            "output_index": index,
            "call_id": item.call_id,
        }
        entry.item = msgspec.structs.replace(item, arguments=call.arguments, status="completed")
        events.append(wire.ResponseFunctionCallArgumentsDelta(**ids, delta=call.arguments))
        events.append(wire.ResponseFunctionCallArgumentsDone(**ids, name=call.name, arguments=call.arguments))
        return [*events, *self._item_done(entry, index)]

    def finish(self, status: Status, *, reason: str = "", error: wire.ErrorBody | None = None) -> Events:
        """End, whatever the status; an open message is closed first."""
        events = self._close_message(status)
        details = None
        if reason or error is not None:
            details = wire.StatusDetails(type=status, reason=reason or msgspec.UNSET, error=error or msgspec.UNSET)
        text, audio = self._tokens()
        response = self._response(status)
        response = msgspec.structs.replace(
            response, status_details=details, usage=usage(self.taken, text=text, audio=audio)
        )
        return [*events, wire.ResponseDone(response=response)]

    # --- inside -----------------------------------------------------------------------------

    def _tokens(self) -> tuple[int, int]:
        """Return the output so far, text and audio."""
        text = text_tokens(self._text) + self._call_tokens
        return text, audio_tokens(self._audio_ms, ASSISTANT_MS_PER_TOKEN)

    def _open_message(self) -> Events:
        if self._message is not None:
            return []
        item = Item(
            id=self._new_id("item"),
            object="realtime.item",
            type="message",
            status="in_progress",
            role="assistant",
            content=[],
        )
        self._message = Remembered(item)
        self._message_index = len(self._output)
        events = self._add(self._message)
        self._message.item = self._message_item("in_progress")
        if self._spoken:
            self._message.speech[0] = self._speech
        return [*events, wire.ResponseContentPartAdded(**self._part_ids(), part=self._part(""))]

    def _close_message(self, status: Status) -> Events:
        entry = self._message
        if entry is None:
            return []
        if status == "completed":
            self._speech.complete()
        entry.item = self._message_item("completed" if status == "completed" else "incomplete")
        ids = self._part_ids()
        if self._spoken:
            events: Events = [
                wire.ResponseOutputAudioDone(**ids),
                wire.ResponseOutputAudioTranscriptDone(**ids, transcript=self._text),
            ]
        else:
            events = [wire.ResponseOutputTextDone(**ids, text=self._text)]
        events.append(wire.ResponseContentPartDone(**ids, part=self._part(self._text)))
        return [*events, *self._item_done(entry, self._message_index)]

    def _add(self, entry: Remembered) -> Events:
        index = len(self._output)
        self._output.append(entry)
        events: Events = [wire.ResponseOutputItemAdded(response_id=self.id, output_index=index, item=entry.item)]
        if self.in_conversation:
            before = self._memory.add(entry)
            events.append(wire.ConversationItemAdded(item=entry.item, previous_item_id=before))
        return events

    def _item_done(self, entry: Remembered, index: int) -> Events:
        done = wire.ResponseOutputItemDone(response_id=self.id, output_index=index, item=entry.item)
        if not self.in_conversation or entry.id not in self._memory:
            return [done]
        before = self._memory.before(entry.id)
        return [wire.ConversationItemDone(item=entry.item, previous_item_id=before), done]

    def _message_item(self, status: str) -> Item:
        assert self._message is not None
        words: str | None = self._text
        if self._speech.truncated:
            words = None
        part = (
            ContentPart(type="output_audio", transcript=words)
            if self._spoken
            else ContentPart(type="output_text", text=self._text)
        )
        return msgspec.structs.replace(self._message.item, status=status, content=[part])

    def _part(self, words: str) -> ContentPart:
        if self._spoken:
            return ContentPart(type="audio", transcript=words)
        return ContentPart(type="text", text=words)

    def _part_ids(self) -> dict[str, Any]:
        assert self._message is not None
        return {
            "response_id": self.id,
            "item_id": self._message.id,
            "output_index": self._message_index,
            "content_index": 0,
        }

    def _response(self, status: str) -> wire.Response:
        manner = self.manner
        output = AudioOutput(format=format_on_wire(manner.format), voice=manner.voice)
        return wire.Response(
            object="realtime.response",
            id=self.id,
            status=status,
            status_details=None,
            output=[entry.item for entry in self._output],
            conversation_id=manner.conversation_id,
            output_modalities=["audio" if manner.spoken else "text"],
            max_output_tokens=manner.max_output_tokens,
            audio=AudioConfig(output=output),
            usage=None,
            metadata=manner.metadata,
        )
