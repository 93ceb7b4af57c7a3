"""What sounds: the parts handed to the speaker and not heard to their end, with what was received of each.

The server generates faster than real time and does not know what was heard; on a WebSocket only the client can tell
(the guide's interruption and truncation). After an interruption every unfinished part is told truly: one that was
partly heard is truncated there, one that nobody heard is deleted, since the server would keep its words. Never more
is claimed than was received. So near to the end of a finished part that the server would refuse a truncation, the
part counts as heard.
"""

from __future__ import annotations

from dataclasses import dataclass

from desktop_app.conversation import limits
from desktop_app.conversation.effects import EndPart, Play, StopPlayback
from desktop_app.conversation.entries import EntryAction, EntryStatus
from desktop_app.conversation.inputs import Heard
from desktop_app.conversation.limits import Recent
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.transcript import Transcript, heard_characters
from desktop_app.protocol.events import ConversationItemDelete, ConversationItemTruncate
from desktop_app.protocol.items import PartId
from desktop_app.protocol.session_config import PCM_BYTES_PER_MS

NEAR_END_MS = 100
"""The server's own length of an answer was seen up to 85 ms shorter than what it sent."""


@dataclass(slots=True)
class _Sounding:
    """A part that was handed to the speaker and is not heard to its end."""

    response_id: str
    session_no: int | None
    """The session it came by; None: it is beside the conversation, and no server wants to hear of it."""
    received_bytes: int = 0
    ended: bool = False

    @property
    def received_ms(self) -> int:
        return self.received_bytes // PCM_BYTES_PER_MS


class Playback:
    """The parts that sound, and the truth about them."""

    def __init__(self, outbox: Outbox, transcript: Transcript) -> None:
        self._outbox = outbox
        self._transcript = transcript
        self._parts: dict[PartId, _Sounding] = {}
        self.silencing = False
        """Silence was ordered, and what was heard is not told yet."""
        self._deaf: Recent[None] = Recent(limits.MAX_REMEMBERED)
        """Responses whose audio is not played any more: there is no speaker, or there is no end to it."""
        self._heard_out: Recent[None] = Recent(limits.MAX_REMEMBERED)
        """Items of which a part was heard to its end."""
        self._unheard_bytes = 0

    @property
    def sounds(self) -> bool:
        """Whether anything handed over is still unheard."""
        return bool(self._parts)

    @property
    def response_ids(self) -> set[str]:
        """The responses whose audio is not heard to its end."""
        return {part.response_id for part in self._parts.values()}

    def play(self, part: PartId, pcm: bytes, *, response_id: str, session_no: int | None) -> None:
        """Hand audio to the speaker."""
        if not pcm or response_id in self._deaf:
            return
        self._unheard_bytes += len(pcm)
        sounding = self._parts.get(part)
        if self._unheard_bytes > limits.MAX_UNHEARD_MS * PCM_BYTES_PER_MS or (
            sounding is None and len(self._parts) >= limits.MAX_UNHEARD_PARTS
        ):
            self._unheard_bytes -= len(pcm)
            self._deaf[response_id] = None
            return
        if sounding is None:
            sounding = self._parts[part] = _Sounding(response_id, session_no)
        sounding.received_bytes += len(pcm)
        self._outbox.do(Play(part, pcm))

    def end_part(self, part: PartId) -> None:
        """All audio of a part was received."""
        sounding = self._parts.get(part)
        if sounding is not None and not sounding.ended:
            sounding.ended = True
            self._outbox.do(EndPart(part))

    def end_item(self, item_id: str) -> None:
        """All audio of an item was received."""
        for part in self._parts:
            if part.item_id == item_id:
                self.end_part(part)

    def end_response(self, response_id: str) -> None:
        """All audio of a response was received."""
        self._deaf.pop(response_id, None)
        for part, sounding in self._parts.items():
            if sounding.response_id == response_id:
                self.end_part(part)

    def end_all(self) -> None:
        """Nothing more will be received of anything: the connection is gone."""
        for part in self._parts:
            self.end_part(part)

    def finished(self, part: PartId) -> None:
        """A part was heard to its end."""
        sounding = self._parts.pop(part, None)
        if sounding is None:
            return
        self._unheard_bytes -= sounding.received_bytes
        self._heard_out[part.item_id] = None
        entry = self._transcript.get(part.item_id)
        if entry is not None and entry.status is EntryStatus.IN_PROGRESS:
            self._transcript.change(part.item_id, status=EntryStatus.COMPLETED)

    def silence(self) -> bool:
        """Order silence if anything sounds; return whether what was heard will be told."""
        if not self._parts or self.silencing:
            return False
        self.silencing = True
        self._outbox.do(StopPlayback())
        return True

    def forget(self) -> None:
        """A new conversation: nobody is told what was heard of the old one."""
        self._take_parts()

    def forget_item(self, item_id: str) -> bool:
        """An item is taken out of the context: its truth is nobody's business. Return whether it sounds."""
        mine = [sounding for part, sounding in self._parts.items() if part.item_id == item_id]
        for sounding in mine:
            sounding.session_no = None
        return bool(mine)

    def _take_parts(self) -> dict[PartId, _Sounding]:
        parts, self._parts = self._parts, {}
        self._unheard_bytes = 0
        return parts

    def stopped(self, heard: tuple[Heard, ...], *, session_no: int | None) -> list[str]:
        """Tell what was heard of each part; `session_no`: the session that can be told, None if there is none.

        Return the items that came by an older session and were not heard whole: this one may know them otherwise.
        """
        self.silencing = False
        heard_ms = {h.part: h.ms for h in heard}
        parts = self._take_parts()
        heard_items = {part.item_id for part in parts if heard_ms.get(part, 0) > 0} | set(self._heard_out)
        gone: set[str] = set()
        older: dict[str, None] = {}
        for part, sounding in parts.items():
            if sounding.session_no is None:
                continue
            known = sounding.session_no == session_no
            if not known:
                older[part.item_id] = None
            ms = min(heard_ms.get(part, 0), sounding.received_ms)
            if ms > 0:
                self._cut(part, sounding, ms, known=known)
            elif part.item_id not in heard_items | gone:
                gone.add(part.item_id)
                if known:
                    self._outbox.send(ConversationItemDelete(item_id=part.item_id))
                self._transcript.remove(part.item_id)
        return list(older)

    def failed(self, heard: tuple[Heard, ...]) -> None:
        """There is no speaker: nothing more can be heard, but the answers can be read, and stay whole."""
        heard_ms = {h.part: h.ms for h in heard}
        for part, sounding in self._take_parts().items():
            self._deaf[sounding.response_id] = None
            seconds = heard_ms.get(part, 0) / 1000
            remark = f"Heard for {seconds:.1f} s; the rest could not be played."
            self._transcript.change(part.item_id, remark=remark)

    def _cut(self, part: PartId, sounding: _Sounding, ms: int, *, known: bool) -> None:
        if sounding.ended and sounding.received_ms - ms <= NEAR_END_MS:
            entry = self._transcript.get(part.item_id)
            lost = entry is not None and entry.status is EntryStatus.INTERRUPTED  # on the way
            if not lost:
                self._transcript.change(part.item_id, status=EntryStatus.COMPLETED)
            return
        if known:
            self._outbox.send(
                ConversationItemTruncate(item_id=part.item_id, content_index=part.content_index, audio_end_ms=ms)
            )
        entry = self._transcript.get(part.item_id)
        if entry is not None:
            chars = heard_characters(entry.text, heard_ms=ms, received_ms=sounding.received_ms)
            self._transcript.change(
                part.item_id,
                status=EntryStatus.INTERRUPTED,
                heard_chars=chars,
                heard_ms=ms,
                action=EntryAction.SAY_THE_REST,
            )
