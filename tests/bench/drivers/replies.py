"""A scripted server's side of the bench: replies that come as a scenario has them, and end as real ones do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from desktop_app.protocol import events as wire
from tests.bench.drivers import BYTES_PER_MS, Delta, sleep_until
from tests.harness.scripted_server import Answer, Caller

PLAYED_S = 0.7
"""A program does not tell a server that a reply was heard to its end; so long after its length it was, in a
delivery that does not stall."""
WORDS = ("the ", "sea ", "is ", "deep, ", "and ", "most ", "of ", "it ", "was ", "never ", "seen ", "by ", "us, ")


@dataclass(slots=True)
class _Reply:
    """The reply being delivered."""

    answer: Answer
    deltas: Sequence[Delta]
    begun_s: float
    ended: bool = False

    @property
    def pcm(self) -> bytes:
        return b"".join(delta.pcm for delta in self.deltas)

    @property
    def text(self) -> str:
        return "".join(WORDS[number % len(WORDS)] for number in range(len(self.deltas)))


class Replies:
    """One reply at a time, to one client."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._reply: _Reply | None = None
        self._delivery: asyncio.Task[None] | None = None

    async def begin(self, deltas: Sequence[Delta]) -> float:
        """Send the first delta and go on in the background; return when the first was sent."""
        answer = await self.caller.begin()
        await self.caller.say(answer, WORDS[0])
        self._reply = reply = _Reply(answer, deltas, time.monotonic())
        await self.caller.send(_audio(answer, deltas[0].pcm))
        self._delivery = asyncio.create_task(self._deliver(reply))
        return reply.begun_s

    async def _deliver(self, reply: _Reply) -> None:
        for number, delta in enumerate(reply.deltas[1:], 1):
            await sleep_until(reply.begun_s + delta.at_s)
            await self.caller.say(reply.answer, WORDS[number % len(WORDS)])
            await self.caller.send(_audio(reply.answer, delta.pcm))
        await self.caller.end(reply.answer, reply.text, reply.pcm)
        reply.ended = True

    async def played(self) -> None:
        """Wait until the reply must have been heard to its end."""
        assert self._delivery is not None
        assert self._reply is not None
        await self._delivery
        await sleep_until(self._reply.begun_s + len(self._reply.pcm) / BYTES_PER_MS / 1000 + PLAYED_S)

    async def end(self, reason: str = "client_cancelled") -> None:
        """Stop delivering; a response that was not done yet is done as one that was cancelled."""
        if self._delivery is not None:
            self._delivery.cancel()
            with suppress(asyncio.CancelledError):
                await self._delivery
        reply, self._reply, self._delivery = self._reply, None, None
        if reply is not None and not reply.ended:
            await self.caller.end(reply.answer, reply.text, reply.pcm, status="cancelled", reason=reason)


def _audio(answer: Answer, pcm: bytes) -> wire.ResponseOutputAudioDelta:
    return wire.ResponseOutputAudioDelta(response_id=answer.response_id, item_id=answer.item_id, delta=pcm)
