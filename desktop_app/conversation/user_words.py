"""What the user said, as it is written down: by another model, later than everything else, in any order.

One slot per part of an item: empty, a draft that grows, then final or failed (the guide's input transcription). The
final text replaces the draft, and what comes after it changes nothing. A turn without its words for too long says
so, yet late words still fill it. A model that cannot be reached fails on every turn: it is said once, and
transcription goes off.
"""

from __future__ import annotations

from desktop_app.conversation import failures, limits
from desktop_app.conversation.effects import CountUsage, ShowNotice
from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.conversation.inputs import Timer
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.setup import Setup
from desktop_app.conversation.transcript import Transcript
from desktop_app.errors import Notice, Severity
from desktop_app.protocol.events import (
    InputAudioTranscriptionCompleted,
    InputAudioTranscriptionDelta,
    InputAudioTranscriptionFailed,
)

TRANSCRIBED_WITHIN_MS = 15_000
MAX_FAILURES = 3
"""So many turns in a row without a transcript, and none is asked for any more."""
NO_INPUT = "(no input)"
NO_TRANSCRIPT = "(no transcript)"
NOTHING_UNDERSTOOD = "(nothing was understood)"

_NEVER_WORKS = frozenset({"deploymentnotfound", "model_not_found", "invalid_model"})


class UserWords:
    """The words of the user's turns."""

    def __init__(self, outbox: Outbox, transcript: Transcript, setup: Setup) -> None:
        self._outbox = outbox
        self._transcript = transcript
        self._setup = setup
        self._awaited: dict[int, str] = {}
        """Turns whose transcript is not there, by the serial of the timer that ends the waiting."""
        self._growing: set[str] = set()
        """Those of them of which words came since their timer began."""
        self._failures = 0

    @property
    def awaited(self) -> bool:
        """Whether the words of a turn are still to come."""
        return any(
            entry is not None and entry.status is EntryStatus.IN_PROGRESS
            for entry in map(self._transcript.get, self._awaited.values())
        )

    def committed(self, item_id: str, previous: str | None) -> None:
        """Take `input_audio_buffer.committed`: a turn whose words are still to come."""
        self._transcript.place(item_id, previous)
        if self._transcript.get(item_id) is None:
            self._transcript.show(Entry(item_id, Role.USER, spoken=True))
        if len(self._awaited) < limits.MAX_UNTRANSCRIBED:
            serial = self._outbox.wake_after(TRANSCRIBED_WITHIN_MS, Timer.TRANSCRIPT)
            self._awaited[serial] = item_id

    def silent_turn(self, item_id: str) -> None:
        """Take `input_audio_buffer.timeout_triggered`: a turn in which nobody said anything."""
        self._transcript.show(Entry(item_id, Role.USER, "", EntryStatus.COMPLETED, spoken=True, remark=NO_INPUT))

    def piece(self, event: InputAudioTranscriptionDelta) -> None:
        """Take some of the words."""
        if event.item_id in self._awaited.values():
            self._growing.add(event.item_id)
        self._write(event.item_id, event.content_index or 0, event.delta or "", whole=False)

    def told(self, event: InputAudioTranscriptionCompleted, *, session_no: int) -> None:
        """Take all the words; some servers say so over and over, with a status that tells the last one."""
        final = (event.status or "completed") == "completed"
        self._write(event.item_id, event.content_index, event.transcript, whole=True, final=final)
        if not final:
            return
        self._failures = 0
        entry = self._transcript.get(event.item_id)
        if entry is not None:
            empty = entry.remark if entry.remark == NO_INPUT else NOTHING_UNDERSTOOD
            remark = "" if entry.text.strip() else empty
            self._transcript.change(event.item_id, status=EntryStatus.COMPLETED, remark=remark)
        if event.usage:
            key = f"{session_no}:{event.item_id}:words"
            self._outbox.do(CountUsage(key, event.usage, event.item_id, transcription=True))

    def failed(self, event: InputAudioTranscriptionFailed) -> None:
        """Take a failure: no `error`, the conversation goes on."""
        self._transcript.change(event.item_id, status=EntryStatus.COMPLETED, remark=NO_TRANSCRIPT)
        self._failures += 1
        hint = "The assistant heard you all the same."
        if self._failures >= MAX_FAILURES or event.error.code_text.lower() in _NEVER_WORKS:
            self._failures = 0
            self._setup.stop_transcribing()
            hint = "What you say is no longer written down; choose another transcription model in the settings."
        said = failures.clipped(event.error.message_text) or event.error.code_text
        text = f"What you said could not be written down: {said}"
        self._outbox.do(ShowNotice(Notice(text, hint, Severity.WARNING, "transcription")))

    def overdue(self, serial: int) -> None:
        """The words should have come by now; those of a long speech, on a slow server, may still be coming."""
        item_id = self._awaited.pop(serial, "")
        if item_id in self._growing:
            self._growing.discard(item_id)
            self._awaited[self._outbox.wake_after(TRANSCRIBED_WITHIN_MS, Timer.TRANSCRIPT)] = item_id
            return
        entry = self._transcript.get(item_id)
        if entry is not None and entry.status is EntryStatus.IN_PROGRESS:
            self._transcript.change(item_id, status=EntryStatus.COMPLETED, remark=NO_TRANSCRIPT)

    def lose(self) -> None:
        """The connection is gone: no more words will come."""
        self._awaited.clear()
        self._growing.clear()
        self._failures = 0
        for entry in self._transcript.open_entries():
            if entry.role is Role.USER:
                self._transcript.change(entry.item_id, status=EntryStatus.COMPLETED, remark=NO_TRANSCRIPT)

    def _write(self, item_id: str, index: int, text: str, *, whole: bool, final: bool = False) -> None:
        entry = self._transcript.get(item_id)
        done = entry is not None and entry.status is EntryStatus.COMPLETED and entry.text and not entry.remark
        if not done or final:
            self._transcript.write(item_id, Role.USER, index, text, spoken=True, append=not whole)
