"""A `ServerSession` with a pen: tests say what happens and look at what it sends and orders."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Self, TypeVar

from desktop_app.local_server.engines import FunctionCall
from desktop_app.local_server.orders import (
    Called,
    Detect,
    Detected,
    Ended,
    Generate,
    Order,
    Recognise,
    Report,
    Send,
    Sound,
    Understood,
    Words,
)
from desktop_app.local_server.session import ServerSession
from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import BadFrame, decode_client_event
from desktop_app.protocol.items import Item, user_message
from desktop_app.protocol.session_config import (
    AudioConfig,
    AudioInput,
    AudioOutput,
    ServerVad,
    SessionConfig,
    Transcription,
)

E = TypeVar("E", bound=wire.KnownServerEvent)
Kind = TypeVar("Kind", bound=Order)
FRAME_MS = 32.0
BYTES_PER_MS = 48
VOICES = ("heart", "june")
TRANSCRIPTION = Transcription(model="whisper-base")


class Talk:
    """One session; `sent` and `orders` hold everything since the last `forget`."""

    def __init__(self, *, connect: bool = True) -> None:
        counters: defaultdict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        self.session = ServerSession(
            model="parley-offline", voices=VOICES, new_id=lambda prefix: f"{prefix}_{next(counters[prefix])}"
        )
        self.now_s = 1_800_000_000.0
        self.sent: list[wire.KnownServerEvent] = []
        self.orders: list[Order] = []
        self.all_sent: list[wire.KnownServerEvent] = []
        """Everything ever sent: for checks that look at whole conversations."""
        self._take(self.session.open(self.now_s))
        if connect:
            self.forget()

    def _take(self, orders: Sequence[Order]) -> None:
        for order in orders:
            if isinstance(order, Send):
                self.sent.append(order.event)
                self.all_sent.append(order.event)
            else:
                self.orders.append(order)

    def forget(self) -> None:
        """Look only at what comes from now on."""
        self.sent, self.orders = [], []

    # --- what happens -----------------------------------------------------------------------

    def do(self, *happenings: wire.ClientEvent | BadFrame | Report) -> Self:
        """Let things happen, one after the other."""
        for happening in happenings:
            self._take(self.session.handle(happening, self.now_s))
        return self

    def frame(self, text: str) -> Self:
        """Let a text frame of the client arrive."""
        try:
            return self.do(decode_client_event(text))
        except BadFrame as refusal:
            return self.do(refusal)

    def update(
        self,
        *,
        detection: ServerVad | None = None,
        transcription: Transcription | None = TRANSCRIPTION,
        output: AudioOutput | None = None,
        **fields: object,
    ) -> Self:
        """Update the session; push to talk with transcripts unless told otherwise."""
        audio = AudioConfig(input=AudioInput(turn_detection=detection, transcription=transcription))
        if output is not None:
            audio = AudioConfig(
                input=AudioInput(turn_detection=detection, transcription=transcription), output=output
            )
        return self.do(wire.SessionUpdate(session=SessionConfig(audio=audio, **fields)))  # type: ignore[arg-type]

    def hear(self, ms: float, probability: float) -> Self:
        """Append audio in which speech is so likely, and let it be detected, block by block."""
        blocks = round(ms / FRAME_MS)
        for _ in range(blocks):
            self.do(wire.InputAudioBufferAppend(audio=bytes(round(FRAME_MS * BYTES_PER_MS))))
            if any(isinstance(order, Detect) for order in self.orders):
                self.orders = [order for order in self.orders if not isinstance(order, Detect)]
                self.do(Detected((probability,), FRAME_MS))
        return self

    def speech(self, ms: float) -> Self:
        """Let the user speak."""
        return self.hear(ms, 0.9)

    def silence(self, ms: float) -> Self:
        """Let the user be silent."""
        return self.hear(ms, 0.0)

    def say(self, text: str, *, ms: float = 960) -> Self:
        """Push to talk: speak, commit, be understood."""
        self.speech(ms).do(wire.InputAudioBufferCommit())
        return self.understood(text)

    def write(self, text: str, item_id: str = "u1") -> Self:
        """Type a text."""
        return self.do(wire.ConversationItemCreate(item=user_message(item_id, text)))

    def ask(self, **params: object) -> str:
        """Ask for a response; return its id."""
        self.do(wire.ResponseCreate(response=wire.ResponseParams(**params)))  # type: ignore[arg-type]
        return self.last(wire.ResponseCreated).response.id or ""

    def understood(self, text: str) -> Self:
        """Let the last recognition that counts succeed."""
        job = next(each.job for each in reversed(self.orders) if isinstance(each, Recognise) and not each.draft)
        return self.do(Understood(job, text))

    def answer(self, response_id: str, *pieces: str | int | FunctionCall, end: bool = True) -> Self:
        """Let the engines answer: words, milliseconds of audio, function calls."""
        for piece in pieces:
            match piece:
                case str():
                    self.do(Words(response_id, piece))
                case int():
                    self.do(Sound(response_id, bytes(piece * BYTES_PER_MS)))
                case _:
                    self.do(Called(response_id, piece))
        return self.do(Ended(response_id)) if end else self

    # --- what comes of it -------------------------------------------------------------------

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of a kind, in order."""
        return [event for event in self.sent if isinstance(event, kind)]

    def last(self, kind: type[E]) -> E:
        """Return the last event of a kind."""
        return self.of(kind)[-1]

    def ordered(self, kind: type[Kind]) -> list[Kind]:
        """Return the orders of a kind."""
        return [order for order in self.orders if isinstance(order, kind)]

    def names(self) -> list[str]:
        """Return the kinds of what was sent; repeated ones once."""
        kinds = [type(event).__name__ for event in self.sent]
        return [kind for kind, _ in itertools.groupby(kinds)]

    def error(self) -> wire.ErrorBody:
        """Return the one error that was sent."""
        (error,) = self.of(wire.Error)
        return error.error

    def context(self) -> list[tuple[str, str]]:
        """Return what the model saw last, as (role, text), without the instructions."""
        messages = self.ordered(Generate)[-1].messages
        return [(each.role.value, each.text) for each in messages[1:]]


def items_of(events: Sequence[wire.ConversationItemAdded]) -> list[Item]:
    """Return the items that were added."""
    return [event.item for event in events]
