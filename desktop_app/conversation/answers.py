"""What the server answers, as entries and sound: every event by its response and its item, never «the current one».

Several items of a response may be open at once. Words run ahead of the audio, so an answer that was called off may
have words in the server's context that nobody heard: they are deleted there once the response has ended. How a
response ended is told by `response.done` alone, whatever its status; some servers leave its output out, so what it
brought is remembered until then. What comes of a response after its end, or after it was silenced, is dropped.
"""

from __future__ import annotations

import re
from dataclasses import replace

from desktop_app.conversation import limits
from desktop_app.conversation.asides import Asides
from desktop_app.conversation.effects import CountUsage, ShowNotice
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role
from desktop_app.conversation.failures import clipped
from desktop_app.conversation.inputs import Timer
from desktop_app.conversation.limits import Recent
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.playback import Playback
from desktop_app.conversation.responses import Responses
from desktop_app.conversation.setup import Setup
from desktop_app.conversation.tool_calls import ToolCalls
from desktop_app.conversation.transcript import Transcript
from desktop_app.errors import Notice, Severity
from desktop_app.protocol import events
from desktop_app.protocol.items import Item, PartId

LONGEST_WAIT_S = 60
LOST = "The connection was lost here."
CUT = "The session ended here."
FAILED_ID = "failed:"
"""How the ids of entries begin that stand for a response without an item."""

WordsEvent = (
    events.ResponseOutputAudioTranscriptDelta
    | events.ResponseOutputAudioTranscriptDone
    | events.ResponseOutputTextDelta
    | events.ResponseOutputTextDone
)


class Answers:
    """Takes what the server says of responses and their items."""

    def __init__(
        self,
        outbox: Outbox,
        setup: Setup,
        transcript: Transcript,
        responses: Responses,
        playback: Playback,
        tools: ToolCalls,
        asides: Asides,
    ) -> None:
        self._outbox = outbox
        self._setup = setup
        self._transcript = transcript
        self._responses = responses
        self._playback = playback
        self._tools = tools
        self._asides = asides
        self.completed_answers = 0
        """How many there were in this conversation."""
        self.rate_limits: tuple[events.RateLimit, ...] = ()
        self._retried = False
        self._bills = 0
        self._brought: Recent[dict[str, Item]] = Recent(limits.MAX_OPEN_RESPONSES)
        """The items of each response that is not done, as far as they are known."""
        self._dropped: Recent[None] = Recent(limits.MAX_REMEMBERED)
        """Items of which something came that is neither heard nor shown."""

    def turn_begins(self) -> None:
        """The user began a turn: what failed before may be retried by itself once more, but not now."""
        self._retried = False
        self._outbox.stop_waiting(Timer.RETRY)

    def clear(self) -> None:
        """A new conversation begins."""
        self.completed_answers = 0

    def lose(self, remark: str = LOST) -> None:
        """The session is gone, and what was being answered with it; calls of tools go on."""
        self._brought.clear()
        self._dropped.clear()
        self._outbox.stop_waiting(Timer.RETRY)
        for entry in self._transcript.open_entries():
            if entry.role is Role.USER or (entry.tool is not None and self._tools.owns(entry.tool.call_id)):
                continue
            action = EntryAction.CONTINUE if entry.role is Role.ASSISTANT and entry.text else None
            self._transcript.change(entry.item_id, status=EntryStatus.INTERRUPTED, remark=remark, action=action)

    def mark_unspoken(self) -> None:
        """What was called off before any of its audio came was not heard at all."""
        if self._responses.pending:
            return
        for entry in self._transcript.open_entries():
            if entry.role is Role.ASSISTANT:
                heard = 0 if entry.spoken else None
                self._close(entry.item_id, EntryStatus.INTERRUPTED, "", heard_chars=heard)

    # --- pieces ---------------------------------------------------------------------------------

    def audio(self, event: events.ResponseOutputAudioDelta, *, session_no: int) -> None:
        """Take a piece of speech."""
        response_id = event.response_id
        self._setup.spoke = True  # the server spoke, heard or not: that is what locks the voice
        aside = self._asides.owns(response_id)
        if aside and not self._asides.sounds(response_id):
            return
        if not aside and (self._responses.is_foreign(response_id) or self._responses.has_ended(response_id)):
            return
        if self._responses.is_silenced(response_id):
            self._dropped[event.item_id] = None
            return
        part = PartId(event.item_id, event.content_index)
        told = None if aside else session_no
        self._playback.play(part, event.delta, response_id=response_id, session_no=told)

    def words(self, event: WordsEvent, text: str, *, spoken: bool, append: bool) -> None:
        """Take some of the words, or all of them."""
        response_id = event.response_id
        if self._asides.owns(response_id):
            self._asides.write(response_id, text, append=append)
        elif self._responses.is_silenced(response_id):
            self._dropped[event.item_id] = None
        elif not self._is_dropped(response_id):
            index = event.content_index
            self._transcript.write(event.item_id, Role.ASSISTANT, index, text, spoken=spoken, append=append)

    def _is_dropped(self, response_id: str) -> bool:
        responses = self._responses
        return (
            responses.is_silenced(response_id)
            or responses.is_foreign(response_id)
            or responses.has_ended(response_id)
            or self._asides.owns(response_id)
        )

    # --- items ----------------------------------------------------------------------------------

    def output_item(self, response_id: str, item: Item, *, final: bool) -> None:
        """Take `response.output_item.added` or `.done`."""
        if final:
            self._playback.end_item(item.id or "")
        if self._asides.owns(response_id) or self._responses.is_foreign(response_id):
            return
        self._remember(response_id, item)
        if self._is_dropped(response_id):
            return
        if final:
            self.item_done(item)
        else:
            self.item_added(item, None)

    def _remember(self, response_id: str, item: Item) -> None:
        brought = self._brought.setdefault(response_id, {})
        known = item.id in brought or len(brought) < limits.MAX_ITEMS_OF_RESPONSE
        if item.id and known and len(item.words) + len(item.arguments or "") <= limits.MAX_ENTRY_CHARS:
            brought[item.id] = item

    def item_added(self, item: Item, previous: str | None) -> None:
        """Take an item that stands in the conversation, behind another."""
        if not item.id:
            return
        self._transcript.place(item.id, previous)
        self._tools.show_item(item)
        if not item.is_message or item.role not in ("user", "assistant"):
            return
        entry = self._transcript.get(item.id)
        commentary = item.phase == "commentary"
        if entry is not None:
            if commentary:
                self._transcript.show(replace(entry, commentary=True))
            return
        role = Role.USER if item.role == "user" else Role.ASSISTANT
        spoken = any(part.is_audio for part in item.parts)
        typed = role is Role.USER and not spoken
        status = EntryStatus.COMPLETED if typed else EntryStatus.IN_PROGRESS
        images = tuple(part.image_url for part in item.parts if part.image_url)
        words = item.words[: limits.MAX_ENTRY_CHARS]
        self._transcript.show(
            Entry(item.id, role, words, status, spoken=spoken, commentary=commentary, images=images)
        )

    def item_ends(self, item: Item) -> None:
        """Take `conversation.item.done`, which does not say whose item it is."""
        for response_id, brought in self._brought.items():
            if item.id in brought and self._responses.is_silenced(response_id):
                return  # a cancel that crossed with the end: `response.done` tells what becomes of it
        self.item_done(item)

    def item_done(self, item: Item) -> None:
        """Take an item that is final; this never moves it."""
        self._tools.show_item(item, final=True)
        entry = self._transcript.get(item.id or "")
        if entry is None or entry.role is not Role.ASSISTANT or entry.status is not EntryStatus.IN_PROGRESS:
            return
        if item.phase == "commentary" and not entry.commentary:
            self._transcript.show(replace(entry, commentary=True))
        if item.words and not entry.text:
            spoken = any(part.is_audio for part in item.parts)
            self._transcript.write(entry.item_id, Role.ASSISTANT, 0, item.words, spoken=spoken, append=False)
        if item.status == "completed":
            self._transcript.change(entry.item_id, status=EntryStatus.COMPLETED)

    # --- the end --------------------------------------------------------------------------------

    def done(self, response: events.Response, *, session_no: int) -> None:
        """Take `response.done`: always the end, and only once."""
        response_id = response.id or ""
        if self._responses.has_ended(response_id):
            return
        foreign = self._asides.done(response) or self._responses.is_foreign(response_id)
        if foreign:
            self._responses.disown(response_id)
        silenced = self._responses.is_silenced(response_id)
        params = self._responses.done(response)
        self._playback.end_response(response_id)
        output = [] if foreign else self._output(response)
        self._bill(response, output, session_no)
        if foreign:
            return
        status, remark = _verdict(response)
        completed = status is EntryStatus.COMPLETED
        if silenced:
            status, remark = EntryStatus.INTERRUPTED, ""  # whatever the server calls it
        for item in output:
            if completed and not silenced:
                self.item_added(item, None)
                self.item_done(item)
            if item.is_message:
                if silenced:
                    self._delete_unheard(item)
                self._close(item.id or "", status, remark)
        if status in (EntryStatus.FAILED, EntryStatus.INCOMPLETE):
            self._show_failure(response, output, status, remark)
        self._tools.begin(output, completed=completed, stale=silenced, params=params)
        self._responses.go_on()
        if completed and any(item.is_message for item in output):
            self.completed_answers += 1

    def _output(self, response: events.Response) -> list[Item]:
        """Return the items of a response, the ones it does not name again included."""
        brought = self._brought.pop(response.id or "", {})
        named = (response.output or [])[: limits.MAX_ITEMS_OF_RESPONSE]
        ids = {item.id for item in named}
        return [*named, *(item for item_id, item in brought.items() if item_id not in ids)]

    def _bill(self, response: events.Response, output: list[Item], session_no: int) -> None:
        if response.usage:
            self._bills += 1
            key = f"{session_no}:{response.id or self._bills}"
            said = [item.id for item in output if item.is_message and item.id and self._transcript.get(item.id)]
            self._outbox.do(CountUsage(key, response.usage, said[-1] if said else ""))

    def _delete_unheard(self, item: Item) -> None:
        """Take what nobody heard of an answer that was called off out of the server's context."""
        item_id = item.id or ""
        entry = self._transcript.get(item_id)
        if self._transcript.is_gone(item_id) or not (item.words or item_id in self._dropped):
            return
        # Words may come behind the audio: what was heard of it counts, whether there is a word of it or not.
        unheard = entry is None or (entry.heard_ms is None and (not entry.text or entry.heard_chars == 0))
        if unheard:
            self._outbox.send(events.ConversationItemDelete(item_id=item_id))

    def _close(self, item_id: str, status: EntryStatus, remark: str, *, heard_chars: int | None = None) -> None:
        entry = self._transcript.get(item_id)
        if entry is None or entry.status is not EntryStatus.IN_PROGRESS:
            return
        if status is EntryStatus.INTERRUPTED and not entry.text:
            self._transcript.remove(item_id)  # called off before a word came: there is nothing to show
            return
        unheard = status is EntryStatus.INTERRUPTED and heard_chars is not None
        action = EntryAction.SAY_THE_REST if unheard else None
        self._transcript.change(item_id, status=status, remark=remark, heard_chars=heard_chars, action=action)

    def _show_failure(
        self, response: events.Response, output: list[Item], status: EntryStatus, remark: str
    ) -> None:
        action: EntryAction | None = EntryAction.RETRY if status is EntryStatus.FAILED else EntryAction.CONTINUE
        if response.reason == "content_filter":
            action = None  # the next attempt would end there, too
        shown = [item.id for item in output if item.id and self._transcript.get(item.id)]
        if shown:
            self._transcript.change(shown[-1], status=status, remark=remark, action=action)
        else:
            item_id = f"{FAILED_ID}{response.id or self.completed_answers}"
            self._transcript.show(Entry(item_id, Role.ASSISTANT, "", status, remark=remark, action=action))
        if response.error is not None and response.error.code_text == "rate_limit_exceeded":
            self._retry_later(response.error)

    def _retry_later(self, error: events.ErrorBody) -> None:
        """Try once more by itself after the time the server states; after that the user decides."""
        seconds = self._stated_wait_s(error)
        if seconds is None or self._retried or seconds > LONGEST_WAIT_S:
            return
        self._retried = True
        self._outbox.wake_after(int(seconds * 1000) + 100, Timer.RETRY)
        text = f"The limit of requests is reached; trying again in {max(1, round(seconds))} s."
        self._outbox.do(
            ShowNotice(Notice(text, "You can go on talking meanwhile.", Severity.WARNING, "rate-limit"))
        )

    def _stated_wait_s(self, error: events.ErrorBody) -> float | None:
        stated = re.search(r"\bin (\d{1,6}(?:\.\d{1,6})?) ?(ms|s)\b", error.message_text)
        if stated is not None:
            return float(stated[1]) / (1000 if stated[2] == "ms" else 1)
        waits = [limit.reset_seconds for limit in self.rate_limits if limit.remaining == 0 and limit.reset_seconds]
        return max(waits) if waits else None


def _verdict(response: events.Response) -> tuple[EntryStatus, str]:
    """Return how a response ended, for its entries (the guide's response object)."""
    match response.status or "completed":
        case "completed" | "in_progress":
            return EntryStatus.COMPLETED, ""
        case "cancelled":
            return EntryStatus.INTERRUPTED, ""
        case "incomplete" if response.reason == "max_output_tokens":
            return EntryStatus.INCOMPLETE, "The answer was cut at its length limit."
        case "incomplete" if response.reason == "content_filter":
            return EntryStatus.INCOMPLETE, "The provider's content filter stopped the answer."
        case "failed":
            error = response.error
            said = clipped(error.message_text) or error.code_text if error else ""
            return EntryStatus.FAILED, f"No answer: {said}" if said else "The server could not answer."
        case _:
            return EntryStatus.INCOMPLETE, "The answer ended early."
