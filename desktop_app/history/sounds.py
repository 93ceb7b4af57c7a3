"""How turns sounded, for whoever wants it kept: taken from what is sent and played, encoded in a thread.

It sees what happens and what is asked for, and takes no part. What the user said is what was sent since the last
commit or, where the server finds the turns itself, what lies between the times it names (the guide's voice activity
detection: `audio_start_ms` counts all audio sent in the session). What the assistant said is what was played of an
item, up to what was heard of it. On the loop bytes are put into lists, nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from io import BytesIO

from desktop_app.conversation.effects import (
    Connect,
    ConnectNext,
    Effect,
    Play,
    Send,
    SendNext,
    SwitchOver,
)
from desktop_app.conversation.inputs import Heard, Input, PlaybackFinished, PlaybackStopped, Received, SpeakerFailed
from desktop_app.history.store import Sound
from desktop_app.protocol.events import (
    ClientEvent,
    ConversationItemCreate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ServerEvent,
)
from desktop_app.protocol.items import PartId
from desktop_app.protocol.session_config import PCM_RATE_HZ
from desktop_app.tasks import start_task

KIND = "opus"
"""The ending of a file; Opus in OGG: a minute is about 0.3 MB."""
BYTES_PER_MS = PCM_RATE_HZ * 2 // 1000
MAX_SENT_MS = 10 * 60_000
"""Of what was sent and belongs to no turn yet; what is older is forgotten."""
MAX_PLAYED_BYTES = 30 * 60_000 * BYTES_PER_MS
CLOSE_S = 5.0
"""How long the end of the program waits for the last turns."""
MAX_TURNS = 64
"""Turns that were begun or committed and not told of since."""


Pieces = list[bytes]
"""PCM16, mono, 24 kHz; put together where nobody waits for it."""


class Sent:
    """What was sent over one connection, as far back as it may be needed."""

    def __init__(self) -> None:
        self._blocks: deque[bytes] = deque()
        self._begins_at = 0
        """How many bytes were sent before the first block."""
        self.size = 0
        """How many bytes were sent."""
        self.turn_at = 0
        """Where what was not committed yet begins."""

    def append(self, pcm: bytes) -> None:
        """Add what was sent."""
        self._blocks.append(pcm)
        self.size += len(pcm)
        self.forget(self.size - MAX_SENT_MS * BYTES_PER_MS)

    def between(self, begin: int, end: int) -> Pieces:
        """Return what was sent between two counts of bytes, as far as it is remembered."""
        pieces: Pieces = []
        at = self.size
        for block in reversed(self._blocks):  # what is asked for was sent last
            at, block_end = at - len(block), at
            if block_end <= begin:
                break
            if at < end:
                pieces.append(block[max(begin - at, 0) : min(end, block_end) - at])
        return pieces[::-1]

    def forget(self, until: int) -> None:
        """Forget what was sent before a count of bytes."""
        while self._blocks and self._begins_at + len(self._blocks[0]) <= until:
            self._begins_at += len(self._blocks.popleft())


class Sounds:
    """Listens to a session while `witness` is called; loop thread only."""

    def __init__(self, keep: Callable[[Sound], None]) -> None:
        self._keep = keep
        self._from_the_start = False
        """Whether all that was sent in this session was seen: only then the server's times can be told."""
        self._encoding: set[asyncio.Task[None]] = set()
        self._sent = Sent()
        self._next = Sent()
        self._committed: deque[Pieces] = deque(maxlen=MAX_TURNS)
        """Turns that the user ended and the server has not named yet."""
        self._turns: dict[str, int] = {}
        """Where a turn begins that the server found, by item id."""
        self._ends: dict[str, int] = {}
        self._playing: dict[PartId, Pieces] = {}
        self._played: dict[str, Pieces] = {}
        """What was heard of the last items: there may be a next part of one."""

    def witness(self, seen: Input | Effect) -> None:
        """Something happened, or was asked for."""
        match seen:
            case Send(event):
                self._was_sent(event, self._sent)
            case SendNext(event):
                self._was_sent(event, self._next)
            case Connect():
                self._begin_session(Sent())
            case ConnectNext():
                self._next = Sent()
            case SwitchOver():
                self._begin_session(self._next)
                self._next = Sent()
            case Received(event):
                self._received(event)
            case Play(part, pcm):
                self._play(part, pcm)
            case PlaybackFinished(part):
                self._heard(part, None)
            case PlaybackStopped(heard) | SpeakerFailed(_, heard):
                self._stopped(heard)
            case _:
                pass

    def _begin_session(self, sent: Sent) -> None:
        self._sent = sent
        self._from_the_start = True
        self._turns.clear()
        self._ends.clear()
        self._committed.clear()

    # --- the user -------------------------------------------------------------------------------

    def _was_sent(self, event: ClientEvent, sent: Sent) -> None:
        match event:
            case InputAudioBufferAppend(audio=audio):
                sent.append(audio)
            case InputAudioBufferCommit():
                self._committed.append(sent.between(sent.turn_at, sent.size))
                sent.turn_at = sent.size
                sent.forget(sent.size)
            case InputAudioBufferClear():
                sent.turn_at = sent.size
            case ConversationItemCreate(item=item) if isinstance(item.id, str):
                self._encode(item.id, [part.audio for part in item.parts if isinstance(part.audio, bytes)])
            case _:
                pass

    def _received(self, event: ServerEvent) -> None:
        match event:
            case InputAudioBufferSpeechStarted(item_id=item_id, audio_start_ms=ms) if len(self._turns) < MAX_TURNS:
                self._turns[item_id] = max(ms, 0) * BYTES_PER_MS
            case InputAudioBufferSpeechStopped(item_id=item_id, audio_end_ms=ms) if item_id in self._turns:
                self._ends[item_id] = max(ms, 0) * BYTES_PER_MS
            case InputAudioBufferCommitted(item_id=item_id):
                begin = self._turns.pop(item_id, None)
                end = min(self._ends.pop(item_id, self._sent.size), self._sent.size)
                if begin is not None and not self._from_the_start:
                    return
                if begin is not None:
                    self._encode(item_id, self._sent.between(begin, end))
                    self._sent.turn_at = end
                elif self._committed:
                    self._encode(item_id, self._committed.popleft())
            case _:
                pass

    # --- the assistant --------------------------------------------------------------------------

    def _play(self, part: PartId, pcm: bytes) -> None:
        pieces = self._playing.setdefault(part, [])
        pieces.append(pcm)
        if len(self._playing) > MAX_TURNS:
            del self._playing[next(iter(self._playing))]

    def _stopped(self, heard: tuple[Heard, ...]) -> None:
        for one in heard:
            self._heard(one.part, one.ms)
        self._playing.clear()

    def _heard(self, part: PartId, ms: int | None) -> None:
        """A part was heard to its end, or so far."""
        pieces = self._playing.pop(part, None)
        if not pieces:
            return
        most = MAX_PLAYED_BYTES if ms is None else min(ms * BYTES_PER_MS, MAX_PLAYED_BYTES)
        pieces = self._played.pop(part.item_id, []) + _first(pieces, most)
        self._played[part.item_id] = pieces
        while len(self._played) > 2:
            del self._played[next(iter(self._played))]
        self._encode(part.item_id, pieces)

    def _encode(self, item_id: str, pieces: Pieces) -> None:
        if any(pieces):
            task = start_task(self._encode_and_keep(item_id, tuple(pieces)), name="sound of a turn")
            self._encoding.add(task)
            task.add_done_callback(self._encoding.discard)

    async def close(self) -> None:
        """Wait until what was said is encoded, but not for ever."""
        if self._encoding:
            await asyncio.wait(self._encoding, timeout=CLOSE_S)

    async def _encode_and_keep(self, item_id: str, pieces: tuple[bytes, ...]) -> None:
        ms = sum(map(len, pieces)) // BYTES_PER_MS
        self._keep(Sound(item_id, KIND, ms, await asyncio.to_thread(encoded, pieces)))


def _first(pieces: Pieces, most: int) -> Pieces:
    """Return the first so many bytes."""
    first: Pieces = []
    for piece in pieces:
        if most <= 0:
            break
        first.append(piece[:most])
        most -= len(piece)
    return first


def encoded(pieces: Iterable[bytes]) -> bytes:
    """Return PCM16, mono, 24 kHz as Opus in OGG."""
    import soundfile  # half a second that the start of the program does not need

    pcm = b"".join(pieces)
    file = BytesIO()
    with soundfile.SoundFile(file, "w", PCM_RATE_HZ, 1, "OPUS", format="OGG") as sound:
        sound.buffer_write(pcm[: len(pcm) & ~1], "int16")
    return file.getvalue()
