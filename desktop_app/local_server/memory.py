"""What the server remembers of a conversation, and what of it the language model sees.

The client sees items; the model sees messages of plain text. They differ in one place: after a truncation the
item has lost its transcript, as the protocol wants it, but the model is told exactly the words that were heard,
because here it is known which words each stretch of audio speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from desktop_app.local_server.configuration import Refused
from desktop_app.local_server.engines import FunctionCall, Message, MessageRole
from desktop_app.local_server.orders import WireFormat
from desktop_app.protocol.events import (
    InputTokenDetails,
    OutputTokenDetails,
    TokensByModality,
    Usage,
)
from desktop_app.protocol.items import ContentPart, Item, Tool

CONTEXT_TOKENS = 8_192
"""What the model is given at most; the oldest messages give way (see the session's `truncation`)."""
CHARACTERS_PER_TOKEN = 4
USER_MS_PER_TOKEN = 100
ASSISTANT_MS_PER_TOKEN = 50
KEPT_AUDIO_BYTES = 64 * 1024 * 1024
"""Audio kept for `conversation.item.retrieve`; beyond that the oldest is forgotten, the words stay."""
UNSEEN_IMAGE = "(The user shows an image. You cannot see images.)"
MS_PER_CHARACTER = 65
"""How long a character of English takes to say: the estimate for words whose audio has not come whole."""


@dataclass(slots=True)
class Piece:
    """A finished part of speech that still goes on: recognised once, for good."""

    job: int
    start_ms: float
    """Where in the session its audio begins."""
    text: str | None = None
    """None until it is known."""
    sureness: float = 0.0


@dataclass(slots=True)
class Recognition:
    """What was understood of one stretch of the user's speech: of its pieces, and of the rest after them."""

    item_id: str
    content_index: int = 0
    pieces: list[Piece] = field(default_factory=list)
    """What was cut off at the front of a long speech. The jobs below are about the rest."""
    whole: bool = False
    """Whether nothing is cut off any more, because a piece could not be recognised."""
    draft_job: int | None = None
    final_job: int | None = None
    candidate: str | None = None
    """The result of the final job, which counts once the audio is committed."""
    rest_sureness: float = 0.0
    """Of that result: its log probability per token."""
    committed: bool = False
    failure: Refused | None = None
    silent: bool = False
    """Whether it is the silence that ended the idle time."""
    given: int = 0
    """How many pieces have been sent as deltas; the two lists are about the piece after them, or the rest."""
    drafted: list[str] = field(default_factory=list)
    """The words of the last draft."""
    confirmed: list[str] = field(default_factory=list)
    """The words two drafts agreed on: sent as deltas, so they can't be taken back."""
    begun: bool = False
    """Whether there was a delta: the next one begins with a space."""

    @property
    def settled(self) -> bool:
        """Whether nothing more will come."""
        if self.failure is not None:
            return self.committed
        return self.committed and self.candidate is not None and not self.pending

    @property
    def pending(self) -> bool:
        """Whether a piece is still being recognised."""
        return any(piece.text is None for piece in self.pieces)

    @property
    def text(self) -> str:
        """What was understood; empty while unknown."""
        return " ".join(filter(None, (*(piece.text for piece in self.pieces), self.candidate)))

    @property
    def sureness(self) -> float:
        """Of the result: the log probability per token of its most doubtful part."""
        return min(self.rest_sureness, *(piece.sureness for piece in self.pieces), 0.0)

    def piece_of(self, job: int) -> Piece | None:
        """Return the piece that a job recognises."""
        return next((piece for piece in self.pieces if piece.job == job), None)

    def abandon(self) -> None:
        """Nobody needs to know any more."""
        self.pieces.clear()
        self.committed, self.candidate = True, ""

    def take_draft(self, text: str) -> str:
        """Take the words of a draft; return what is certain now and was not before, to be appended.

        A draft changes its mind about the last words, and a delta can't be taken back: so only words that two
        two drafts in a row agree on are given out.
        """
        before = self.take_pieces()
        words = text.split()
        agreed = _common(self.drafted, words)
        self.drafted = words
        return before + self._confirm(words[:agreed])

    def take_pieces(self) -> str:
        """Return what finished pieces have beyond the deltas, in their order.

        The drafts of the rest begin anew with each, so one that contradicts its drafts does not end the deltas.
        """
        delta = ""
        while self.given < len(self.pieces) and (text := self.pieces[self.given].text) is not None:
            delta += self._confirm(text.split())
            self.given += 1
            self.drafted, self.confirmed = [], []
        return delta

    def take_rest(self) -> str:
        """Return what the final text has beyond the deltas; nothing of a piece or a rest that contradicts them."""
        return self.take_pieces() + self._confirm((self.candidate or "").split())

    def _confirm(self, words: list[str]) -> str:
        known = len(self.confirmed)
        if len(words) <= known or _common(self.confirmed, words) < known:
            return ""
        self.confirmed += words[known:]
        space, self.begun = " " if self.begun else "", True
        return space + " ".join(words[known:])


@dataclass(slots=True)
class Span:
    """Words of the assistant, and which part of the audio speaks them."""

    text: str
    start_ms: float
    end_ms: float
    complete: bool = False
    """Whether the audio of these words has come whole."""


@dataclass(slots=True)
class Speech:
    """The audio of one content part, with what is known of its words."""

    format: WireFormat
    audio: bytearray = field(default_factory=bytearray)
    length_ms: float = 0.0
    """Stays right when the audio itself was forgotten."""
    recognition: Recognition | None = None
    """Of the user's speech."""
    spans: list[Span] = field(default_factory=list)
    """Of the assistant's speech."""
    truncated: bool = False

    def begin(self, text: str) -> None:
        """The audio that follows speaks these words; after a truncation nobody hears them any more."""
        if self.truncated:
            return
        self.complete()
        self.spans.append(Span(text, self.length_ms, self.length_ms))

    def complete(self) -> None:
        """The audio of the last words has come whole."""
        if self.spans:
            self.spans[-1].complete = True

    def add(self, audio: bytes) -> None:
        """Append audio; after a truncation nothing more is kept."""
        if self.truncated:
            return
        self.audio += audio
        self.length_ms += len(audio) / self.format.bytes_per_ms
        if self.spans:
            self.spans[-1].end_ms = self.length_ms

    def truncate(self, end_ms: int) -> None:
        """Keep the audio up to `end_ms`, and of the words those that were heard until then."""
        self.spans = [Span(self.heard(end_ms), 0.0, float(end_ms), complete=True)]
        del self.audio[end_ms * self.format.bytes_per_ms :]
        self.length_ms = float(end_ms)
        self.truncated = True

    def heard(self, end_ms: float) -> str:
        """Return the words spoken until `end_ms`: every word whose middle lies before it."""
        return "".join(_heard_of(span, end_ms) for span in self.spans).strip()

    @property
    def words(self) -> str:
        """All its words."""
        return "".join(span.text for span in self.spans)


@dataclass(slots=True)
class Remembered:
    """An item, as the client sees it, and what belongs to it; `item` never holds audio."""

    item: Item
    speech: dict[int, Speech] = field(default_factory=dict)
    """By content index."""

    @property
    def id(self) -> str:
        """Its id."""
        return self.item.id or ""

    @property
    def recognitions(self) -> list[Recognition]:
        """What must be understood before the model can answer."""
        return [speech.recognition for speech in self.speech.values() if speech.recognition is not None]

    def with_audio(self) -> Item:
        """Return the item with its audio, as `conversation.item.retrieve` wants it."""
        parts = list(self.item.parts)
        for index, speech in self.speech.items():
            if speech.audio:
                parts[index] = msgspec.structs.replace(parts[index], audio=bytes(speech.audio))
        return msgspec.structs.replace(self.item, content=parts) if parts else self.item

    def message(self) -> Message | None:
        """Return what the model sees of it; None for nothing."""
        item = self.item
        match item.type, item.role:
            case "function_call", _:
                call = FunctionCall(item.name or "", item.arguments or "{}", item.call_id or "")
                return Message(MessageRole.ASSISTANT, calls=(call,))
            case "function_call_output", _:
                return Message(MessageRole.TOOL, item.output or "", call_id=item.call_id or "")
            case "message", "system":
                return Message(MessageRole.SYSTEM, item.words)
            case "message", "assistant":
                return Message(MessageRole.ASSISTANT, self._said())
            case "message", _:
                sureness = min((each.sureness for each in self.recognitions), default=0.0)
                return Message(MessageRole.USER, self._asked(), sureness=sureness)
        return None

    def _said(self) -> str:
        parts = enumerate(self.item.parts)
        return "".join(self.speech[n].words if n in self.speech else part.words for n, part in parts).strip()

    def _asked(self) -> str:
        return "\n".join(filter(None, map(self._asked_by, range(len(self.item.parts)))))

    def _asked_by(self, index: int) -> str:
        part = self.item.parts[index]
        if part.type == "input_image":
            return UNSEEN_IMAGE
        recognition = self.speech[index].recognition if index in self.speech else None
        return recognition.text if recognition else part.text or ""


class Memory:
    """The items of one conversation, in order."""

    def __init__(self) -> None:
        self._order: list[Remembered] = []
        self._by_id: dict[str, Remembered] = {}

    def __iter__(self) -> Iterator[Remembered]:
        return iter(self._order)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._by_id

    def get(self, item_id: str) -> Remembered | None:
        """Return an item, or None."""
        return self._by_id.get(item_id)

    @property
    def last_id(self) -> str | None:
        """The id of the last item."""
        return self._order[-1].id if self._order else None

    def add(self, entry: Remembered, after: str | None | UnsetType = UNSET) -> str | None:
        """Insert an item after another, at the beginning (`root`), or at the end; return what it follows.

        Raises `Refused` for an id that is taken, and for a predecessor that is not there.
        """
        if entry.id in self._by_id:
            raise Refused(
                "item_create_duplicate_item_id",
                f"Error adding item: an item with id '{entry.id}' already exists.",
                "item.id",
            )
        index = self._index_after(after)
        self._order.insert(index, entry)
        self._by_id[entry.id] = entry
        self.forget_old_audio()
        return self._order[index - 1].id if index else None

    def remove(self, item_id: str) -> None:
        """Take an item out."""
        self._order.remove(self._by_id.pop(item_id))

    def before(self, item_id: str) -> str | None:
        """Return the id of the item before this one."""
        previous: str | None = None
        for entry in self._order:
            if entry.id == item_id:
                return previous
            previous = entry.id
        return None

    def has_call(self, call_id: str) -> bool:
        """Tell whether there is a function call of that id."""
        return any(each.item.type == "function_call" and each.item.call_id == call_id for each in self._order)

    def forget_old_audio(self) -> None:
        """Drop the oldest audio beyond what is kept; lengths and words stay."""
        left = KEPT_AUDIO_BYTES
        for entry in reversed(self._order):
            for speech in entry.speech.values():
                left -= len(speech.audio)
                if left < 0:
                    speech.audio = bytearray()

    def _index_after(self, after: str | None | UnsetType) -> int:
        if after in (UNSET, None):
            return len(self._order)
        if after == "root":
            return 0
        for index, entry in enumerate(self._order):
            if entry.id == after:
                return index + 1
        raise Refused(
            "item_create_invalid_previous_item_id",
            f"Error adding item: the previous item with id '{after}' does not exist.",
            "previous_item_id",
        )


# --- what the model sees ------------------------------------------------------------------------


def context(entries: Iterable[Remembered], *, instructions: str, truncation: Any) -> tuple[Message, ...]:
    """Return the messages for the model, instructions first, cut by the session's truncation rule.

    Raises `Refused` if they are too many and must not be cut.
    """
    messages = [message for entry in entries if (message := entry.message()) is not None]
    room = CONTEXT_TOKENS - text_tokens(instructions)
    keep = room
    if isinstance(truncation, dict):
        limit = (truncation.get("token_limits") or {}).get("post_instructions")
        room = room if limit is None else min(room, limit)
        keep = int(room * truncation["retention_ratio"])
    needed = sum(map(_tokens_of, messages))
    if needed > room:
        if truncation == "disabled":
            raise Refused(
                "context_length_exceeded",
                f"The conversation needs {needed} tokens and {room} fit. Delete items or allow truncation.",
            )
        messages = _newest(messages, keep)
    system = [Message(MessageRole.SYSTEM, instructions)] if instructions else []
    return (*system, *messages)


def _newest(messages: list[Message], room: int) -> list[Message]:
    """Return the newest messages that fit, at least the last one; no output without its call."""
    start = len(messages) - 1
    left = room - _tokens_of(messages[start])
    while start > 0 and (left := left - _tokens_of(messages[start - 1])) >= 0:
        start -= 1
    while start < len(messages) - 1 and messages[start].role is MessageRole.TOOL:
        start += 1
    return messages[start:]


def _tokens_of(message: Message) -> int:
    calls = sum(text_tokens(call.name + call.arguments) for call in message.calls)
    return text_tokens(message.text) + calls + 1


# --- what it would cost -------------------------------------------------------------------------


def text_tokens(text: str) -> int:
    """Return the estimate: a token for every four characters begun."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def audio_tokens(ms: float, ms_per_token: int) -> int:
    """Return a token for every 100 ms begun of the user's, every 50 ms of the assistant's audio."""
    return -(-int(ms) // ms_per_token)


def input_tokens(entries: Iterable[Remembered], *, instructions: str, tools: Iterable[Tool]) -> TokensByModality:
    """Return what a context counts: spoken parts by their length, all else by its characters; images nothing."""
    text = text_tokens(instructions) + sum(text_tokens(msgspec.json.encode(tool).decode()) for tool in tools)
    audio = 0
    for entry in entries:
        rate = ASSISTANT_MS_PER_TOKEN if entry.item.role == "assistant" else USER_MS_PER_TOKEN
        audio += sum(audio_tokens(speech.length_ms, rate) for speech in entry.speech.values())
        text += sum(text_tokens(_written(part)) for part in entry.item.parts)
        text += text_tokens((entry.item.arguments or "") + (entry.item.output or ""))
    return TokensByModality(text_tokens=text, audio_tokens=audio, image_tokens=0)


def _written(part: ContentPart) -> str:
    return "" if part.is_audio else part.text or ""


def usage(taken: TokensByModality, *, text: int, audio: int) -> Usage:
    """Return the usage of a response; nothing is ever cached here."""
    read = (taken.text_tokens or 0) + (taken.audio_tokens or 0)
    return Usage(
        total_tokens=read + text + audio,
        input_tokens=read,
        output_tokens=text + audio,
        input_token_details=InputTokenDetails(
            text_tokens=taken.text_tokens,
            audio_tokens=taken.audio_tokens,
            image_tokens=0,
            cached_tokens=0,
            cached_tokens_details=TokensByModality(text_tokens=0, audio_tokens=0, image_tokens=0),
        ),
        output_token_details=OutputTokenDetails(text_tokens=text, audio_tokens=audio),
    )


# --- words --------------------------------------------------------------------------------------


def _common(first: list[str], second: list[str]) -> int:
    """Return how many words two texts begin with in common, whatever their case and punctuation."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if _bare(one) != _bare(other):
            break
        count += 1
    return count


def _bare(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum()) or word


def _heard_of(span: Span, end_ms: float) -> str:
    """Return the words of a span whose middle was spoken by `end_ms`; within it by their letters."""
    if span.complete and span.end_ms <= end_ms:
        return span.text
    length_ms = span.end_ms - span.start_ms
    if not span.complete:
        length_ms = max(length_ms, len(span.text) * MS_PER_CHARACTER)
    reached = (end_ms - span.start_ms) / length_ms * len(span.text) if length_ms > 0 else 0.0
    end = 0
    for start, stop in _words_in(span.text):
        if (start + stop) / 2 > reached:
            break
        end = stop
    return span.text[:end]


def _words_in(text: str) -> Iterator[tuple[int, int]]:
    start: int | None = None
    for index, character in enumerate(text):
        if character.isspace():
            if start is not None:
                yield start, index
            start = None
        elif start is None:
            start = index
    if start is not None:
        yield start, len(text)
