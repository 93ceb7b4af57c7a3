"""ServerSession: what a Realtime server does with each thing that happens on one connection.

A pure mirror of the client's core: client events and reports of the engines go in, orders come out (`orders.py`);
no socket, no engine, no clock, no `await`. The parts with a state of their own are the input buffer
(`hearing.py`), the items (`memory.py`), each response in progress (`answering.py`) and the settings
(`configuration.py`); here are the rules that join them:

- A client event is done whole or refused whole, by an `error` event that names it; the session goes on.
- One response at a time writes into the default conversation; any number run out of band beside it.
- A response is created at once, but the model is asked only when all speech in its context is understood.
- Whoever ends a response ends it here and now; what the engines still report of it is dropped.
"""

from __future__ import annotations

import itertools
import re
import secrets
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from desktop_app.local_server import engines
from desktop_app.local_server.answering import Answering, Manner, Status
from desktop_app.local_server.configuration import (
    Bounds,
    Refused,
    Settings,
    audio_format,
    checked_choice,
    checked_metadata,
    checked_tools,
    checked_voice,
    invalid,
    missing,
    modality,
    token_limit,
    updated,
    within,
)
from desktop_app.local_server.hearing import Began, Hearing, Stopped, Taken
from desktop_app.local_server.memory import (
    ASSISTANT_MS_PER_TOKEN,
    Memory,
    Recognition,
    Remembered,
    Speech,
    context,
    input_tokens,
)
from desktop_app.local_server.orders import (
    Called,
    Close,
    Detected,
    DetectionUnavailable,
    DropRecognition,
    Ended,
    Failed,
    Generate,
    NotUnderstood,
    Order,
    Recognise,
    Report,
    Send,
    Sound,
    StopGenerating,
    Understood,
    VoiceUnavailable,
    WakeAfter,
    Woke,
    Words,
)
from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import BadFrame
from desktop_app.protocol.items import ContentPart, Item, Tool
from desktop_app.protocol.session_config import AudioConfig, ServerVad

LIFETIME_S = 24 * 3600
"""Nothing here costs anybody anything, so a session may last much longer than the vendor's hour."""
MAX_APPEND_BYTES = 15 * 1024 * 1024
MAX_ITEM_ID = 32
MAX_EVENT_ID = 512
NOT_CAUGHT = "Sorry, I did not catch that."
STILL_THERE = "Are you still there?"

_EXACTLY = re.compile(
    r"^(?:[^:.!?]*[.!?])?\W*(?:say|speak|repeat|read)\b[^:]*\bexactly\b[^:]*:\s*(\S.*)$", re.I | re.S
)
"""How one asks a model for exact words (the guide's "teapot" example); here that is no request but an order."""
_QUOTED = re.compile(r"[\"“]([^\"“”]+)[\"”]\W*")
_LETTERS = string.ascii_letters + string.digits


def random_id(prefix: str) -> str:
    """Return an id as the GA server makes them, within the 32 characters a client's ids may have."""
    return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(21))}"


@dataclass(frozen=True, slots=True)
class _Request:
    """What a `response.create` asks for, checked."""

    manner: Manner
    instructions: str
    tools: tuple[Tool, ...]
    choice: Any
    entries: list[Remembered] | None
    """A context of its own, or None for the conversation."""
    exact: str | None
    """These words, and no others."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A request that waits until its context is understood."""

    request: _Request
    entries: list[Remembered]


class ServerSession:
    """One connection's session."""

    def __init__(
        self,
        *,
        model: str,
        voices: Sequence[str],
        new_id: Callable[[str], str] = random_id,
        lifetime_s: int = LIFETIME_S,
    ) -> None:
        """`voices`: by name, the default one first. `new_id` makes an id from a prefix."""
        self._new_id = new_id
        self._voices = tuple(voices)
        self._lifetime_s = lifetime_s
        self._settings = Settings(model=model, voice=voices[0])
        self._session_id = new_id("sess")
        self._conversation_id = new_id("conv")
        self._expires_at = 0
        self._memory = Memory()
        self._hearing = Hearing(lambda: new_id("item"), self._number_job)
        self._jobs: dict[int, Recognition] = {}
        self._numbers = itertools.count(1)
        self._responses: dict[str, Answering] = {}
        """Those in progress."""
        self._questions: dict[str, _Question] = {}
        """Those of them the model was not asked for yet."""
        self._voice_locked = False
        self._warned: set[str] = set()
        self._expiry = 0
        self._idle = 0
        """The number of the `WakeAfter` that ends the idle time; 0 while nobody waits for it."""
        self._idle_from_ms = 0.0
        self._orders: list[Order] = []
        self._now_s = 0.0

    # --- the two ways in --------------------------------------------------------------------

    def open(self, now_s: float) -> list[Order]:
        """Begin; `now_s` is Unix time."""
        self._now_s = now_s
        self._expires_at = int(now_s) + self._lifetime_s
        self._expiry = next(self._numbers)
        self._send(wire.SessionCreated(session=self._on_wire()))
        self._orders.append(WakeAfter(self._lifetime_s * 1000, self._expiry))
        return self._taken()

    def handle(self, happening: wire.ClientEvent | BadFrame | Report, now_s: float) -> list[Order]:
        """Return what to do about something that happened; `now_s` is Unix time."""
        self._now_s = now_s
        match happening:
            case BadFrame():
                self._refuse(Refused(happening.code, str(happening), happening.param), happening.event_id or UNSET)
            case (
                Detected() | DetectionUnavailable() | Understood() | NotUnderstood() | Words() | Sound()
                | Called() | VoiceUnavailable() | Ended() | Failed() | Woke()
            ):  # fmt: skip
                self._report(happening)
            case _:
                self._client_event(happening)
        return self._taken()

    def _taken(self) -> list[Order]:
        orders, self._orders = self._orders, []
        return orders

    def _client_event(self, event: wire.ClientEvent) -> None:
        try:
            if not isinstance(event.event_id, UnsetType):
                within(event.event_id, MAX_EVENT_ID, "event_id")
            self._obey(event)
        except Refused as refusal:
            self._refuse(refusal, event.event_id)

    def _obey(self, event: wire.ClientEvent) -> None:
        match event:
            case wire.SessionUpdate():
                self._update(event)
            case wire.InputAudioBufferAppend():
                self._append(event.audio)
            case wire.InputAudioBufferCommit():
                taken, orders = self._hearing.commit(self._settings)
                self._orders += orders
                self._commit(taken)
            case wire.InputAudioBufferClear():
                self._orders += self._hearing.clear()
                self._send(wire.InputAudioBufferCleared())
            case wire.ConversationItemCreate():
                self._create_item(event)
            case wire.ConversationItemRetrieve():
                entry = self._existing(event.item_id, "retriev")
                self._send(wire.ConversationItemRetrieved(item=entry.with_audio()))
            case wire.ConversationItemTruncate():
                self._truncate(event)
            case wire.ConversationItemDelete():
                self._delete(event.item_id)
            case wire.ResponseCreate():
                params = event.response
                self._create_response(wire.ResponseParams() if isinstance(params, UnsetType) else params)
            case wire.ResponseCancel():
                self._cancel(event.response_id)
            case wire.OutputAudioBufferClear():
                raise invalid("type", "'output_audio_buffer.clear' is for WebRTC and SIP sessions only")
            case _:
                assert_never(event)

    def _report(self, report: Report) -> None:
        match report:
            case Detected():
                self._detected(report)
            case DetectionUnavailable(sentence):
                self._hearing.detecting = False
                if self._settings.turn_detection is not None:
                    self._warn("voice_detection_unavailable", f"{sentence} Use push to talk.")
            case Understood():
                self._understood(report)
            case NotUnderstood():
                self._not_understood(report)
            case Woke(number):
                self._woke(number)
            case _:
                self._answer(report)

    # --- settings ---------------------------------------------------------------------------

    def _update(self, event: wire.SessionUpdate) -> None:
        before = self._settings
        bounds = Bounds(
            voices=self._voices,
            voice_locked=self._voice_locked,
            responding=self._active is not None,
            audio_waiting=not self._hearing.is_empty,
        )
        self._settings = updated(before, event.session, bounds)
        self._send(wire.SessionUpdated(session=self._on_wire()))
        if self._settings.turn_detection is not None and not self._hearing.detecting:
            self._warn("voice_detection_unavailable", "Nothing detects speech here. Use push to talk.")

    def _on_wire(self) -> Any:
        return self._settings.on_wire(session_id=self._session_id, expires_at=self._expires_at)

    # --- the input buffer -------------------------------------------------------------------

    def _append(self, audio: bytes) -> None:
        if len(audio) > MAX_APPEND_BYTES:
            raise invalid("audio", f"{len(audio)} bytes are more than the {MAX_APPEND_BYTES} of one append")
        if audio:
            self._orders += self._hearing.append(audio, self._settings)

    def _detected(self, report: Detected) -> None:
        for happening in self._hearing.detected(report, self._settings):
            match happening:
                case Began(item_id, start_ms):
                    self._idle = 0
                    self._send(wire.InputAudioBufferSpeechStarted(audio_start_ms=start_ms, item_id=item_id))
                    active = self._active
                    if active is not None and self._settings.interrupts_response:
                        self._end(active, "cancelled", reason="turn_detected")
                case Stopped(item_id, end_ms):
                    self._send(wire.InputAudioBufferSpeechStopped(audio_end_ms=end_ms, item_id=item_id))
                    taken, orders = self._hearing.take_turn(self._settings)
                    self._orders += orders
                    self._commit(taken)
                    if self._settings.creates_response:
                        self._respond_unasked()
                case _:
                    self._orders.append(happening)

    def _commit(self, taken: Taken) -> None:
        """Make a user item of what was taken out of the buffer."""
        self._idle = 0
        part = ContentPart(type="input_audio", transcript=None)
        item = Item(
            id=taken.item_id,
            object="realtime.item",
            type="message",
            status="completed",
            role="user",
            content=[part],
        )
        entry = Remembered(item, {0: taken.speech})
        before = self._memory.last_id
        self._send(wire.InputAudioBufferCommitted(item_id=taken.item_id, previous_item_id=before))
        self._add(entry)
        if taken.recognition.settled:
            self._settle(taken.recognition)

    def _respond_unasked(self) -> None:
        try:
            self._create_response(wire.ResponseParams())
        except Refused as refusal:
            self._refuse(refusal, UNSET)

    def _woke(self, number: int) -> None:
        if number == self._expiry:
            message = "Your session hit the maximum duration."
            self._refuse(Refused("session_expired", message), UNSET)
            self._orders.append(Close(1001, message))
        elif number == self._idle and self._active is None and not self._hearing.speaking:
            self._nobody_spoke()

    def _nobody_spoke(self) -> None:
        """End the idle time (`idle_timeout_ms`): the silence becomes an item, and is answered."""
        hearing = self._hearing
        end_ms, start_ms = hearing.written_ms, min(self._idle_from_ms, hearing.written_ms)
        self._send(
            wire.InputAudioBufferTimeoutTriggered(
                audio_start_ms=round(start_ms), audio_end_ms=round(end_ms), item_id=hearing.reserved_id()
            )
        )
        self._commit(hearing.take_silence(self._settings))
        if self._settings.creates_response:
            self._respond_unasked()

    def _wait_for_speech(self, answered: Answering) -> None:
        """Start the idle time, which begins when the answer will have been played."""
        detection = self._settings.turn_detection
        if not isinstance(detection, ServerVad) or not detection.idle_timeout_ms:
            return
        begun_s = answered.first_sound_s or self._now_s
        playing_ms = max(0.0, answered.audio_ms - (self._now_s - begun_s) * 1000)
        self._idle = next(self._numbers)
        self._idle_from_ms = self._hearing.written_ms + playing_ms
        self._orders.append(WakeAfter(round(playing_ms) + detection.idle_timeout_ms, self._idle))

    # --- recognition ------------------------------------------------------------------------

    def _number_job(self, recognition: Recognition) -> int:
        job = next(self._numbers)
        self._jobs[job] = recognition
        return job

    def _understood(self, report: Understood) -> None:
        recognition = self._jobs.pop(report.job, None)
        if recognition is None or recognition.settled:
            return
        if report.job == recognition.draft_job:
            recognition.draft_job = None
            self._hearing.draft_came()
            if not recognition.committed:
                self._send_delta(recognition, recognition.take_draft(report.text))
        elif report.job == recognition.final_job:
            recognition.candidate, recognition.rest_sureness = report.text.strip(), report.sureness
            if recognition.settled:
                self._settle(recognition)
        elif (piece := recognition.piece_of(report.job)) is not None:
            piece.text, piece.sureness = report.text.strip(), report.sureness
            self._send_delta(recognition, recognition.take_pieces())
            if recognition.settled:
                self._settle(recognition)

    def _not_understood(self, report: NotUnderstood) -> None:
        recognition = self._jobs.pop(report.job, None)
        if recognition is None or recognition.settled:
            return
        if report.job == recognition.draft_job:
            recognition.draft_job = None
        elif report.job == recognition.final_job:
            recognition.failure = Refused(report.code, report.sentence)
            if recognition.committed:
                self._settle(recognition)
        elif recognition.piece_of(report.job) is not None:
            if not recognition.committed:
                self._orders += self._hearing.piece_failed(report.job)
                return
            recognition.failure = Refused(report.code, report.sentence)
            self._settle(recognition)

    def _settle(self, recognition: Recognition) -> None:
        """What the user said is known, or never will be."""
        entry = self._memory.get(recognition.item_id)
        known = entry is not None and any(each is recognition for each in entry.recognitions)
        if entry is not None and known and self._settings.transcription is not None:
            self._send_transcript(recognition, entry)
        for response_id in list(self._questions):
            self._ask_model(response_id)

    def _send_transcript(self, recognition: Recognition, entry: Remembered) -> None:
        ids: dict[str, Any] = {"item_id": recognition.item_id, "content_index": recognition.content_index}
        if recognition.failure is not None:
            body = wire.ErrorBody(
                type="transcription_error",
                code=recognition.failure.code,
                message=recognition.failure.message,
                param=None,
            )
            self._send(wire.InputAudioTranscriptionFailed(**ids, error=body))
            return
        self._send_delta(recognition, recognition.take_rest())
        parts = list(entry.item.parts)
        index = recognition.content_index
        parts[index] = msgspec.structs.replace(parts[index], transcript=recognition.text)
        entry.item = msgspec.structs.replace(entry.item, content=parts)
        seconds = round(entry.speech[index].length_ms / 1000, 3)
        usage = wire.TranscriptionUsage(type="duration", seconds=seconds)
        self._send(wire.InputAudioTranscriptionCompleted(**ids, transcript=recognition.text, usage=usage))

    def _send_delta(self, recognition: Recognition, delta: str) -> None:
        if delta and self._settings.transcription is not None:
            self._send(
                wire.InputAudioTranscriptionDelta(
                    item_id=recognition.item_id, content_index=recognition.content_index, delta=delta
                )
            )

    # --- items ------------------------------------------------------------------------------

    def _create_item(self, event: wire.ConversationItemCreate) -> None:
        entry = self._entry_of(event.item, "item")
        self._add(entry, event.previous_item_id)
        self._recognise_all(entry)

    def _add(self, entry: Remembered, after: str | None | UnsetType = UNSET) -> None:
        before = self._memory.add(entry, after)
        self._send(wire.ConversationItemAdded(item=entry.item, previous_item_id=before))
        self._send(wire.ConversationItemDone(item=entry.item, previous_item_id=before))

    def _recognise_all(self, entry: Remembered) -> None:
        """Have all speech of an item recognised that is not yet."""
        for recognition in entry.recognitions:
            if recognition.settled or recognition.final_job is not None:
                continue
            speech = entry.speech[recognition.content_index]
            recognition.final_job = job = self._number_job(recognition)
            language = self._settings.language
            self._orders.append(Recognise(job, bytes(speech.audio), speech.format, language, draft=False))

    def _existing(self, item_id: str, verb: str) -> Remembered:
        entry = self._memory.get(item_id)
        if entry is None:
            name = {"retriev": "retrieve", "truncat": "truncate", "delet": "delete"}[verb]
            raise Refused(
                f"item_{name}_invalid_item_id",
                f"Error {verb}ing item: the item with id '{item_id}' does not exist.",
                "item_id",
            )
        return entry

    def _truncate(self, event: wire.ConversationItemTruncate) -> None:
        entry = self._existing(event.item_id, "truncat")
        speech = entry.speech.get(event.content_index)
        if speech is None or entry.item.role != "assistant":
            raise Refused("unsupported_content_type", "Only model output audio messages can be truncated.")
        if event.audio_end_ms < 0:
            raise Refused(
                "integer_below_min_value",
                "Invalid 'audio_end_ms': integer below minimum value. "
                f"Expected a value >= 0, but got {event.audio_end_ms} instead.",
                "audio_end_ms",
            )
        length_ms = int(speech.length_ms)
        if event.audio_end_ms > length_ms:
            raise Refused(
                "invalid_value",
                f"Audio content of {length_ms}ms is already shorter than {event.audio_end_ms}ms",
            )
        speech.truncate(event.audio_end_ms)
        parts = list(entry.item.parts)
        parts[event.content_index] = msgspec.structs.replace(parts[event.content_index], transcript=None)
        entry.item = msgspec.structs.replace(entry.item, content=parts)
        self._send(
            wire.ConversationItemTruncated(
                item_id=event.item_id, content_index=event.content_index, audio_end_ms=event.audio_end_ms
            )
        )

    def _delete(self, item_id: str) -> None:
        entry = self._existing(item_id, "delet")
        self._memory.remove(item_id)
        self._send(wire.ConversationItemDeleted(item_id=item_id))
        for recognition in entry.recognitions:
            if not recognition.settled:
                # nobody needs to know any more, and no response may wait for it
                self._drop_jobs_of(recognition)
                recognition.abandon()
                self._settle(recognition)

    def _drop_jobs_of(self, recognition: Recognition) -> None:
        for job in [job for job, whose in self._jobs.items() if whose is recognition]:
            del self._jobs[job]
            self._orders.append(DropRecognition(job))

    def _entry_of(self, item: Item, path: str, *, beside: Sequence[Remembered] = ()) -> Remembered:
        """Return a client's item as it will be remembered; raises `Refused` for what may not be created."""
        item_id = item.id or self._new_id("item")
        within(item_id, MAX_ITEM_ID, f"{path}.id")
        if item.type == "message":
            return self._message_entry(item, item_id, path)
        common: dict[str, Any] = {"id": item_id, "object": "realtime.item", "type": item.type}
        if item.type in ("function_call", "function_call_output"):
            call_id = item.call_id or self._new_id("call")
            within(call_id, MAX_ITEM_ID, f"{path}.call_id")
            common["call_id"] = call_id
        if item.type == "function_call":
            if not item.name:
                raise missing(f"{path}.name")
            if not isinstance(item.arguments, str):
                raise missing(f"{path}.arguments")
            return Remembered(Item(**common, status="completed", name=item.name, arguments=item.arguments))
        if item.type == "function_call_output":
            if not item.call_id:
                raise missing(f"{path}.call_id")
            if not isinstance(item.output, str):
                raise missing(f"{path}.output")
            here = any(each.item.call_id == item.call_id for each in beside)
            if not here and not self._memory.has_call(item.call_id):
                raise Refused(
                    "invalid_tool_call_id",
                    f"Tool call ID '{item.call_id}' not found in conversation.",
                    f"{path}.call_id",
                )
            return Remembered(Item(**common, output=item.output))
        known = "'message', 'function_call', and 'function_call_output'"
        raise invalid(f"{path}.type", f"'{item.type}'. Supported values are: {known}")

    def _message_entry(self, item: Item, item_id: str, path: str) -> Remembered:
        if item.role not in ("user", "assistant", "system"):
            known = "'user', 'assistant', and 'system'"
            raise invalid(f"{path}.role", f"'{item.role or ''}'. Supported values are: {known}")
        if not isinstance(item.content, list):
            raise missing(f"{path}.content")
        speech: dict[int, Speech] = {}
        parts = []
        for index, part in enumerate(item.content):
            parts.append(_checked_part(part, item.role, f"{path}.content[{index}]"))
            if part.type == "input_audio":
                audio = part.audio or b""
                recognition = Recognition(item_id, index, committed=True)
                speech[index] = Speech(self._settings.input_format, bytearray(audio), recognition=recognition)
                speech[index].length_ms = len(audio) / self._settings.input_format.bytes_per_ms
        made = Item(
            id=item_id,
            object="realtime.item",
            type="message",
            status="completed",
            role=item.role,
            content=parts,
        )
        return Remembered(made, speech)

    # --- responses --------------------------------------------------------------------------

    @property
    def _active(self) -> Answering | None:
        """The response of the default conversation that is in progress."""
        return next((each for each in self._responses.values() if each.in_conversation), None)

    def _create_response(self, params: wire.ResponseParams) -> None:
        request = self._request(params)
        active = self._active
        if request.manner.conversation_id is not None and active is not None:
            raise Refused(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        self._idle = 0
        answering = Answering(self._new_id("resp"), request.manner, self._memory, self._new_id)
        entries = list(self._memory) if request.entries is None else request.entries
        self._responses[answering.id] = answering
        self._questions[answering.id] = _Question(request, entries)
        self._send(*answering.created())
        for entry in entries:
            self._recognise_all(entry)
        self._ask_model(answering.id)

    def _request(self, params: wire.ResponseParams) -> _Request:
        """Check a `response.create`; what it does not name comes from the session."""
        path, settings = "response", self._settings
        if params.conversation not in (UNSET, "auto", "none"):
            raise invalid(f"{path}.conversation", "Supported values are: 'auto', 'none'")
        for name in ("prompt", "reasoning", "parallel_tool_calls"):
            if getattr(params, name) not in (UNSET, None):
                raise invalid(f"{path}.{name}", f"this model does not support '{name}'")
        voice, wire_format = self._output_of(params.audio)
        tools = checked_tools(params.tools, settings.tools, f"{path}.tools")
        choice = settings.tool_choice if params.tool_choice is UNSET else params.tool_choice
        if params.tool_choice is UNSET and params.tools is not UNSET and isinstance(choice, dict):
            choice = "auto"  # the session's choice names a tool of the session's list
        manner = Manner(
            spoken=modality(params.output_modalities, settings.spoken, f"{path}.output_modalities"),
            voice=voice,
            speed=settings.speed,
            format=wire_format,
            max_output_tokens=token_limit(
                params.max_output_tokens, settings.max_output_tokens, f"{path}.max_output_tokens"
            ),
            metadata=checked_metadata(params.metadata, f"{path}.metadata"),
            conversation_id=None if params.conversation == "none" else self._conversation_id,
        )
        return _Request(
            manner=manner,
            instructions=settings.instructions if params.instructions is UNSET else params.instructions,
            tools=tools,
            choice=checked_choice(choice, tools, f"{path}.tool_choice"),
            entries=None if isinstance(params.input, UnsetType) else self._input_entries(params.input),
            exact=_exact_words(params.instructions or "") if not params.input else None,
        )

    def _output_of(self, audio: AudioConfig | UnsetType) -> tuple[str, Any]:
        settings, path = self._settings, "response.audio.output"
        if isinstance(audio, UnsetType) or isinstance(audio.output, UnsetType):
            return settings.voice, settings.output_format
        bounds = Bounds(voices=self._voices, voice_locked=self._voice_locked)
        voice = checked_voice(audio.output.voice, settings.voice, bounds, f"{path}.voice")
        return voice, audio_format(audio.output.format, settings.output_format, f"{path}.format")

    def _input_entries(self, items: list[Item]) -> list[Remembered]:
        """Return a response's own context: new items, and references to items of the conversation."""
        entries: list[Remembered] = []
        for index, item in enumerate(items):
            path = f"response.input[{index}]"
            if item.type != "item_reference":
                entries.append(self._entry_of(item, path, beside=entries))
                continue
            entry = self._memory.get(item.id or "")
            if entry is None:
                raise invalid(f"{path}.id", f"the item with id '{item.id or ''}' does not exist")
            entries.append(entry)
        return entries

    def _ask_model(self, response_id: str) -> None:
        """Ask the model, if all that was said is understood by now."""
        answering, question = self._responses[response_id], self._questions[response_id]
        entries = [each for each in question.entries if question.request.entries or each.id in self._memory]
        recognitions = [each for entry in entries for each in entry.recognitions]
        if any(not each.settled for each in recognitions):
            return
        del self._questions[response_id]
        last = entries[-1].recognitions if entries else []
        failure = next((each.failure for each in last if each.failure is not None), None)
        try:
            if failure is not None:
                raise failure
            self._orders.append(self._generate(answering, question.request, entries))
        except Refused as refusal:
            self._fail(answering, refusal.code or "server_error", refusal.message)

    def _generate(self, answering: Answering, request: _Request, entries: list[Remembered]) -> Generate:
        manner = request.manner
        answering.taken = input_tokens(entries, instructions=request.instructions, tools=request.tools)
        return Generate(
            response_id=answering.id,
            messages=context(entries, instructions=request.instructions, truncation=self._settings.truncation),
            tools=_offered(request.tools, request.choice),
            max_tokens=None if manner.max_output_tokens == "inf" else manner.max_output_tokens,
            spoken=manner.spoken,
            voice=manner.voice,
            speed=manner.speed,
            format=manner.format,
            verbatim=_verbatim(request, entries),
        )

    def _answer(self, report: Words | Sound | Called | VoiceUnavailable | Ended | Failed) -> None:
        answering = self._responses.get(report.response_id)
        if answering is None:
            return  # it was cancelled; this was still under way
        match report:
            case Words(text=text):
                self._send(*answering.words(text))
            case Sound(audio=audio):
                self._sound(answering, audio)
            case Called(call=call):
                self._send(*answering.call(call))
            case VoiceUnavailable(sentence=sentence):
                answering.write_only()
                self._warn("speech_unavailable", f"{sentence} Answers come in writing.")
            case Ended():
                self._end(answering, "completed")
                return
            case Failed(code=code, sentence=sentence):
                self._fail(answering, code, sentence)
                return
            case _:
                assert_never(report)
        if answering.tokens_left == 0:
            self._end(answering, "incomplete", reason="max_output_tokens")

    def _sound(self, answering: Answering, audio: bytes) -> None:
        self._voice_locked = True
        if answering.first_sound_s is None:
            answering.first_sound_s = self._now_s
        if (left := answering.tokens_left) is not None:
            audio = audio[: left * ASSISTANT_MS_PER_TOKEN * answering.manner.format.bytes_per_ms]
        self._send(*answering.sound(audio))

    def _cancel(self, response_id: str | UnsetType) -> None:
        chosen = self._active if isinstance(response_id, UnsetType) else self._responses.get(response_id)
        if chosen is None:
            raise Refused("response_cancel_not_active", "Cancellation failed: no active response found")
        self._end(chosen, "cancelled", reason="client_cancelled")

    def _fail(self, answering: Answering, code: str, sentence: str) -> None:
        self._end(answering, "failed", error=wire.ErrorBody(type="server_error", code=code, message=sentence))

    def _end(
        self, answering: Answering, status: Status, *, reason: str = "", error: wire.ErrorBody | None = None
    ) -> None:
        """End a response now, whoever wants it so."""
        del self._responses[answering.id]
        asked = self._questions.pop(answering.id, None) is None
        if asked and status != "completed":
            self._orders.append(StopGenerating(answering.id))
        self._send(*answering.finish(status, reason=reason, error=error))
        if answering.in_conversation:
            self._wait_for_speech(answering)

    # --- saying it --------------------------------------------------------------------------

    def _send(self, *events: wire.KnownServerEvent) -> None:
        for event in events:
            named = msgspec.structs.replace(event, event_id=self._new_id("event"))
            self._orders.append(Send(named))

    def _refuse(self, refusal: Refused, event_id: str | UnsetType) -> None:
        body = wire.ErrorBody(
            type="invalid_request_error",
            code=refusal.code,
            message=refusal.message,
            param=refusal.param,
            event_id=None if isinstance(event_id, UnsetType) else event_id,
        )
        self._send(wire.Error(error=body))

    def _warn(self, code: str, message: str) -> None:
        """Tell once what is missing here; nobody asked, so it names no event."""
        if code not in self._warned:
            self._warned.add(code)
            body = wire.ErrorBody(type="server_error", code=code, message=message, param=None, event_id=None)
            self._send(wire.Error(error=body))


def _offered(tools: tuple[Tool, ...], choice: Any) -> tuple[engines.Tool, ...]:
    """Return the tools the model may call; `required` can't be enforced, so it offers them like `auto`."""
    if choice == "none":
        return ()
    chosen = choice.get("name") if isinstance(choice, dict) else None
    return tuple(
        engines.Tool(str(tool.name), tool.description or "", tool.parameters or {})
        for tool in tools
        if chosen in (None, tool.name)
    )


def _verbatim(request: _Request, entries: list[Remembered]) -> str | None:
    """Return words to say without asking the model; None to ask it."""
    if request.exact is not None:
        return request.exact
    last = entries[-1] if entries else None
    if last is None or not last.recognitions or (message := last.message()) is None or message.text:
        return None
    return STILL_THERE if any(each.silent for each in last.recognitions) else NOT_CAUGHT


def _exact_words(instructions: str) -> str | None:
    """Return the words that a response's own instructions want said, if that is all they want."""
    asked = _EXACTLY.match(instructions)
    if asked is None:
        return None
    words = asked.group(1).rstrip()
    quoted = _QUOTED.fullmatch(words)
    return quoted.group(1) if quoted else words


def _checked_part(part: ContentPart, role: str, path: str) -> ContentPart:
    """Return a client's content part as the server echoes it: complete, but without audio."""
    allowed = {
        "user": ("input_text", "input_audio", "input_image"),
        "system": ("input_text",),
        "assistant": ("output_text",),
    }[role]
    if part.type == "output_audio" and role == "assistant":
        raise missing(f"{path}.text")  # the GA server's own words for: replay it as text
    if part.type not in allowed:
        known = ", ".join(f"'{each}'" for each in allowed)
        raise invalid(f"{path}.type", f"'{part.type}'. Supported values are: {known}")
    match part.type:
        case "input_audio":
            if not part.audio:
                raise missing(f"{path}.audio")
            return ContentPart(type="input_audio", transcript=part.transcript or None)
        case "input_image":
            if not part.image_url:
                raise missing(f"{path}.image_url")
            if not part.image_url.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")):
                raise invalid(f"{path}.image_url", "a base64 data URI of a PNG or JPEG image is expected")
            return ContentPart(type="input_image", image_url=part.image_url, detail=part.detail or "auto")
        case _:
            if not isinstance(part.text, str):
                raise missing(f"{path}.text")
            return ContentPart(type=part.type, text=part.text)
