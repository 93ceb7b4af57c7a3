"""A server that keeps the protocol's rules and remembers everything: what the client's store is held against.

It lives on over connections, as a service does, and knows no conversation but the one it is told in each session:
what was said before comes as items that are created anew. Its answers are long enough to be interrupted, their
words unique, and their audio tells whose it is (`listener.voice`). It is as fast, and as slow, as its dice say.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec

from desktop_app.protocol import events as wire
from desktop_app.protocol.items import ContentPart, Item, PartId
from desktop_app.protocol.session_config import PCM_BYTES_PER_MS, SessionConfig
from tests.harness.listener import voice
from tests.harness.scripted_server import DELTA_MS, Caller, created, error, merged

MIN_COMMIT_MS = 100
SESSION_S = 3600.0


@dataclass(slots=True)
class Spoken:
    """An answer this server gave."""

    number: int
    """Whose voice it is."""
    item_id: str
    response_id: str
    text: str
    ms: int
    session: int
    made: int
    """Its place in the order in which items were made."""
    question: str
    """The words it answers."""
    status: str = "in_progress"


@dataclass(slots=True)
class Heard:
    """A turn of the user that this server took."""

    item_id: str
    text: str
    session: int
    made: int
    pcm: bytes = b""


@dataclass(slots=True)
class Told:
    """What the client told one session."""

    number: int
    began_s: float
    items: dict[str, Item] = field(default_factory=dict)
    """What the conversation consists of, in order, as far as this session knows."""
    replayed: list[Item] = field(default_factory=list)
    """What came before anything was asked."""
    truncated: dict[PartId, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)


class Assistant:
    """See the module. `script` is what a `ScriptedServer` plays on each connection."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._numbers = 0
        self._made = 0
        self.session_s = SESSION_S
        """How long the next sessions live."""
        self.mute = False
        """The next sessions say nothing at all, not even that they exist."""
        self.answers: dict[str, Spoken] = {}
        """By item."""
        self.turns: dict[str, Heard] = {}
        """By item."""
        self.sessions: list[Told] = []
        self.complaints: list[str] = []
        """What the client did that no client may do."""
        self.too_early = 0
        """How often a response was asked for while another was active: only a slow network excuses that."""

    async def script(self, caller: Caller) -> None:
        """Serve one connection."""
        if not self.mute:
            await _Serving(self, caller, self._dice).run()
        else:
            await caller.gone(within_s=1e9)

    def next_number(self) -> int:
        """Return a number nobody has yet."""
        self._numbers += 1
        return self._numbers

    def next_place(self) -> int:
        """Return the place of the next item, of all there are."""
        self._made += 1
        return self._made


class _Serving:
    """One session."""

    def __init__(self, world: Assistant, caller: Caller, dice: random.Random) -> None:
        self._world = world
        self._caller = caller
        self._dice = dice
        self._told = Told(len(world.sessions), asyncio.get_running_loop().time())
        world.sessions.append(self._told)
        self._config = SessionConfig()
        self._buffer = bytearray()
        self._answering: asyncio.Task[None] | None = None
        self._active: Spoken | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._asked_anything = False
        self._last_words = ""

    async def run(self) -> None:
        """Serve until it ends."""
        expiring = asyncio.ensure_future(self._expire())
        try:
            first = created(
                session_id=f"sess_{self._told.number}", expires_at=int(time.time() + self._world.session_s)
            )
            self._config = first.session
            await self._caller.send(first)
            while (event := await self._caller.next_event()) is not None:
                await self._take(event)
        finally:
            tasks = [expiring, *self._beside, *([self._answering] if self._answering else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _expire(self) -> None:
        await asyncio.sleep(self._world.session_s)
        text = "Your session hit the maximum duration of 60 minutes."
        await self._caller.send(error("session_expired", text))
        await self._caller.close(1001, text)

    # --- what the client says -------------------------------------------------------------------

    async def _take(self, event: wire.ClientEvent) -> None:
        send = self._caller.send
        match event:
            case wire.SessionUpdate(session=session):
                self._config = merged(self._config, session)
                await send(wire.SessionUpdated(session=self._config))
            case wire.ConversationItemCreate(item=item):
                await self._create(item)
            case wire.InputAudioBufferAppend(audio=audio):
                self._asked_anything = True
                self._buffer += audio
            case wire.InputAudioBufferClear():
                self._buffer.clear()
                await send(wire.InputAudioBufferCleared())
            case wire.InputAudioBufferCommit():
                await self._commit()
            case wire.ResponseCreate():
                await self._respond(event)
            case wire.ResponseCancel(response_id=response_id):
                await self._cancel(response_id or None)
            case wire.ConversationItemTruncate():
                await self._truncate(event)
            case wire.ConversationItemDelete(item_id=item_id):
                if self._told.items.pop(item_id, None) is None:
                    await send(error("item_delete_invalid_item_id", f"Item '{item_id}' does not exist."))
                else:
                    self._told.deleted.add(item_id)
                    await send(wire.ConversationItemDeleted(item_id=item_id))
            case wire.ConversationItemRetrieve(item_id=item_id):
                if item_id in self._told.items:
                    await send(wire.ConversationItemRetrieved(item=self._told.items[item_id]))

    async def _create(self, item: Item) -> None:
        item_id = item.id or f"item_made_{self._world.next_number()}"
        if item_id in self._told.items:
            self._world.complaints.append(f"item {item_id} is created twice in session {self._told.number}")
        if item_id in self._told.deleted:  # told again, as it was heard
            self._told.replayed[:] = [item if old.id == item_id else old for old in self._told.replayed]
        elif item_id in self._world.turns or item_id in self._world.answers or item.role != "user":
            self._told.replayed.append(item)
            if self._asked_anything:
                self._world.complaints.append(f"item {item_id} is replayed after the talk went on")
        elif self._asked_anything:
            self._take_turn(item_id, item.words)
        else:  # told again although no session ever got it, or asked now: that only the next event tells
            self._told.replayed.append(item)
        await self._add(msgspec.structs.replace(item, id=item_id, status="completed"))

    def _take_turn(self, item_id: str, words: str) -> None:
        self._last_words = words
        self._world.turns[item_id] = Heard(item_id, words, self._told.number, self._world.next_place())

    def _begin_to_ask(self) -> None:
        """What was told so far was said before; but the last of it may be what is asked now."""
        if not self._asked_anything and self._told.replayed:
            last = self._told.replayed[-1]
            if last.role == "user" and str(last.id) not in self._world.turns:
                self._told.replayed.pop()
                self._take_turn(str(last.id), last.words)
        self._asked_anything = True

    async def _add(self, item: Item) -> None:
        self._told.items[str(item.id)] = item
        await self._caller.add(item)

    async def _commit(self) -> None:
        if len(self._buffer) < MIN_COMMIT_MS * PCM_BYTES_PER_MS:
            await self._caller.send(error("input_audio_buffer_commit_empty", "Error committing input audio buffer"))
            return
        self._asked_anything = True
        number = self._world.next_number()
        item_id, words = f"item_said_{number}", f"spoken question {number}"
        before = self._caller.last_item_id
        turn = Heard(item_id, words, self._told.number, self._world.next_place(), bytes(self._buffer))
        self._world.turns[item_id] = turn
        self._buffer.clear()
        self._last_words = words
        await self._caller.send(wire.InputAudioBufferCommitted(item_id=item_id, previous_item_id=before))
        part = ContentPart(type="input_audio", transcript=None)
        await self._add(Item(id=item_id, type="message", role="user", status="completed", content=[part]))
        self._start(self._write_later(item_id, words))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _write_later(self, item_id: str, words: str) -> None:
        await asyncio.sleep(self._dice.choice([0.05, 0.4, 2.0]))
        await self._caller.write(item_id, words)

    async def _truncate(self, event: wire.ConversationItemTruncate) -> None:
        answer = self._world.answers.get(event.item_id)
        if event.item_id not in self._told.items or answer is None:
            await self._caller.send(error("item_truncate_invalid_item_id", "There is no such item."))
            return
        ms = event.audio_end_ms
        if ms > answer.ms:
            self._world.complaints.append(f"{event.item_id} is truncated beyond its end: {ms} of {answer.ms} ms")
        self._told.truncated[PartId(event.item_id, event.content_index)] = ms
        await self._caller.send(
            wire.ConversationItemTruncated(
                item_id=event.item_id, content_index=event.content_index, audio_end_ms=ms
            )
        )

    # --- answers --------------------------------------------------------------------------------

    async def _respond(self, event: wire.ResponseCreate) -> None:
        params = event.response
        metadata = (params.metadata if params else None) or None
        if params and params.conversation == "none":
            self._start(self._answer_beside(self._world.next_number(), metadata))
            return
        if self._active is not None:
            self._world.too_early += 1
            text = "Conversation already has an active response in progress."
            await self._caller.send(
                error("conversation_already_has_active_response", text, event_id=event.event_id or None)
            )
            return
        self._begin_to_ask()
        number = self._world.next_number()
        words = " ".join(f"word{number}n{n}" for n in range(self._dice.randint(5, 40)))
        self._active = answer = Spoken(
            number,
            f"item_answer_{number}",
            f"resp_{number}",
            words,
            self._dice.choice([60, 300, 900, 2500, 6000, 12_000]),
            self._told.number,
            0,
            self._last_words,
        )
        self._answering = asyncio.ensure_future(self._answer(answer, metadata))

    async def _answer_beside(self, number: int, metadata: dict[str, str] | None) -> None:
        """Answer out of band: in writing, and it belongs to no conversation."""
        response = wire.Response(
            id=f"resp_beside_{number}", status="in_progress", output=[], conversation_id=None, metadata=metadata
        )
        ids: dict[str, Any] = {"response_id": f"resp_beside_{number}", "item_id": f"item_beside_{number}"}
        text = f"beside {number} | topic"
        await self._caller.send(wire.ResponseCreated(response=response))
        await asyncio.sleep(self._dice.choice([0.0, 0.3, 2.0]))
        part = ContentPart(type="output_text", text=text)
        item = Item(id=ids["item_id"], type="message", role="assistant", status="completed", content=[part])
        await self._caller.send(
            wire.ResponseOutputTextDelta(**ids, delta=text),
            wire.ResponseDone(response=msgspec.structs.replace(response, status="completed", output=[item])),
        )

    async def _answer(self, answer: Spoken, metadata: dict[str, str] | None) -> None:
        dice = self._dice
        await asyncio.sleep(dice.choice([0.02, 0.1, 0.6]))
        self._make(answer)
        begun = await self._caller.begin(response_id=answer.response_id, item_id=answer.item_id, metadata=metadata)
        self._told.items[answer.item_id] = Item(id=answer.item_id, type="message", role="assistant")
        pause_s = dice.choice([0.0, 0.01, DELTA_MS / 1000, DELTA_MS / 700])
        pcm = voice(answer.number, answer.ms)
        step = DELTA_MS * PCM_BYTES_PER_MS
        said = answer.text.split(" ")
        pieces = [pcm[at : at + step] for at in range(0, len(pcm), step)]
        for n, piece in enumerate(pieces):
            first, last = n * len(said) // len(pieces), (n + 1) * len(said) // len(pieces)
            if first < last:
                await self._caller.say(begun, (" " if first else "") + " ".join(said[first:last]))
            await self._caller.speak(begun, piece)
            await asyncio.sleep(pause_s)
        answer.status = "completed"
        self._active = None
        await self._caller.end(begun, answer.text, pcm, metadata=metadata)

    def _make(self, answer: Spoken) -> None:
        """The item of an answer comes into being: now, and not when it was asked for."""
        answer.made = self._world.next_place()
        self._world.answers[answer.item_id] = answer

    async def _cancel(self, response_id: str | None) -> None:
        answer, task = self._active, self._answering
        if answer is None or task is None or (response_id and response_id != answer.response_id):
            await self._caller.send(
                error("response_cancel_not_active", "Cancellation failed: no active response found")
            )
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if answer.item_id not in self._told.items:  # not born yet: it ends without having begun
            self._make(answer)
            await self._caller.begin(response_id=answer.response_id, item_id=answer.item_id)
        answer.status = "cancelled"
        item = Item(id=answer.item_id, type="message", role="assistant", status="incomplete", content=[])
        self._active = None
        await self._caller.done(answer.response_id, [item], status="cancelled", reason="client_cancelled")
