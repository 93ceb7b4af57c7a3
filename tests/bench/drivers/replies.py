"""A scripted server's side of the bench: replies that come as a scenario has them, and end as real ones do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from desktop_app.protocol import events as wire
from desktop_app.protocol.items import ContentPart, Item
from tests.bench.drivers import BYTES_PER_MS, Cut, Delta, sleep_until
from tests.harness.scripted_server import Answer, Caller

PLAYED_S = 0.7
"""A program does not tell a server that a reply was heard to its end; so long after its length it was, in a
delivery that does not stall."""
WORDS = ("the ", "sea ", "is ", "deep, ", "and ", "most ", "of ", "it ", "was ", "never ", "seen ", "by ", "us, ")


@dataclass(slots=True)
class _Reply:
    """The reply being delivered: a response of one item or more."""

    answer: Answer
    """Its ids, and those of its first item."""
    deltas: Sequence[Delta]
    begun_s: float
    item: int = 0
    """The item being spoken."""
    items: list[Item] = field(default_factory=list)
    """The items that are complete."""
    ended: bool = False

    def item_id(self, number: int) -> str:
        return self.answer.item_id if number == 0 else f"{self.answer.item_id}_{number}"

    def ids(self, number: int) -> dict[str, Any]:
        return {"response_id": self.answer.response_id, "item_id": self.item_id(number)}

    def number_of(self, item_id: str) -> int:
        return next(number for number in range(len(self.deltas)) if self.item_id(number) == item_id)

    def said(self, number: int) -> str:
        count = sum(delta.item == number for delta in self.deltas)
        return "".join(WORDS[word % len(WORDS)] for word in range(count))

    @property
    def duration_ms(self) -> float:
        return sum(len(delta.pcm) for delta in self.deltas) / BYTES_PER_MS


class Replies:
    """One reply at a time, to one client."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._reply: _Reply | None = None
        self._latest: _Reply | None = None
        """The reply that was begun last, ended or not: what is told of it may come late."""
        self._delivery: asyncio.Task[None] | None = None

    async def begin(self, deltas: Sequence[Delta]) -> float:
        """Send the first delta and go on in the background; return when the first was sent."""
        answer = await self.caller.begin()
        await self.caller.say(answer, WORDS[0])
        self._reply = self._latest = reply = _Reply(answer, deltas, time.monotonic())
        await self._send(reply, deltas[0])
        self._delivery = asyncio.create_task(self._deliver(reply))
        return reply.begun_s

    async def _deliver(self, reply: _Reply) -> None:
        for delta in reply.deltas[1:]:
            await sleep_until(reply.begun_s + delta.at_s)
            if delta.item != reply.item:
                await self._end_item(reply, reply.item, "completed")
                reply.item = delta.item
                await self._begin_item(reply, delta.item)
            await self.caller.say(Answer(reply.answer.response_id, reply.item_id(delta.item)), WORDS[0])
            await self._send(reply, delta)
        await self._end_item(reply, reply.item, "completed")
        await self.caller.done(reply.answer.response_id, reply.items)
        reply.ended = True

    async def _send(self, reply: _Reply, delta: Delta) -> None:
        audio = wire.ResponseOutputAudioDelta(**reply.ids(delta.item), output_index=delta.item, delta=delta.pcm)
        await self.caller.send(audio)

    async def _begin_item(self, reply: _Reply, number: int) -> None:
        item = _item(reply.item_id(number), "in_progress")
        await self.caller.send(
            wire.ResponseOutputItemAdded(response_id=reply.answer.response_id, output_index=number, item=item),
            wire.ConversationItemAdded(item=item, previous_item_id=reply.item_id(number - 1)),
            wire.ResponseContentPartAdded(
                **reply.ids(number), output_index=number, part=ContentPart(type="audio", transcript="")
            ),
        )
        self.caller.last_item_id = item.id or None

    async def _end_item(self, reply: _Reply, number: int, status: str) -> None:
        ids, text = reply.ids(number), reply.said(number)
        item = _item(reply.item_id(number), status, text)
        reply.items.append(item)
        await self.caller.send(
            wire.ResponseOutputAudioDone(**ids, output_index=number),
            wire.ResponseOutputAudioTranscriptDone(**ids, output_index=number, transcript=text),
            wire.ResponseContentPartDone(
                **ids, output_index=number, part=ContentPart(type="audio", transcript=text)
            ),
            wire.ConversationItemDone(item=item),
            wire.ResponseOutputItemDone(response_id=reply.answer.response_id, output_index=number, item=item),
        )

    def cut(self, ordered_s: float, told: wire.ConversationItemTruncate | None) -> Cut:
        """Return what a program claims by this; None: that nothing was heard."""
        assert self._latest is not None
        if told is None:
            return Cut(ordered_s, 0)
        return Cut(ordered_s, told.audio_end_ms, self._latest.number_of(told.item_id))

    async def played(self) -> None:
        """Wait until the reply must have been heard to its end."""
        assert self._delivery is not None
        assert self._reply is not None
        await self._delivery
        await sleep_until(self._reply.begun_s + self._reply.duration_ms / 1000 + PLAYED_S)

    async def end(self, reason: str = "client_cancelled") -> None:
        """Stop delivering; a response that was not done yet is done as one that was cancelled."""
        if self._delivery is not None:
            self._delivery.cancel()
            with suppress(asyncio.CancelledError):
                await self._delivery
        reply, self._reply, self._delivery = self._reply, None, None
        if reply is not None and not reply.ended:
            await self._end_item(reply, reply.item, "incomplete")
            await self.caller.done(reply.answer.response_id, reply.items, status="cancelled", reason=reason)


def _item(item_id: str, status: str, text: str | None = None) -> Item:
    """Return an item of the assistant; one that is spoken to its end has its words."""
    content = [] if text is None else [ContentPart(type="output_audio", transcript=text)]
    return Item(
        id=item_id, object="realtime.item", type="message", role="assistant", status=status, content=content
    )
