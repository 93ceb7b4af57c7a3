"""The rules of one conversation: what to do about each thing that happens.

Four small machines run side by side; their product is never written down as states of its own.

*The link.* OFFLINE until told to connect; CONNECTING from then until the server has sent `session.created`, has
taken our `session.update` and has been given the history; ONLINE from then on. A failed attempt is repeated after
growing pauses where that makes sense (`failures.judge`), MAX_ATTEMPTS times; after that the user decides.

*The microphone.* CLOSED, OPENING (pressed, no sample yet), OPEN, CLOSING (released, the tail is still to come).
What it delivers is appended to the server's buffer and counted. When it has closed, the turn is committed, or
cleared if the server would refuse it as too short, or thrown away if it was called off.

*The response* in progress: see `responses.py`.

*The playback*: the parts handed to the speaker and not heard to their end, with what was received of each. The
server generates faster than real time, so a response is often done long before it is heard; that is why «is a
response in progress?» (cancel it) and «is a part unheard?» (truncate it) are two questions.

Whose move it is, `turn`, is derived from all four. An interruption has one path, `_interrupt`: silence first, then
`response.cancel`; what was heard comes back as `PlaybackStopped` in the same dispatch, and only then the
truncation is told and the thing the user interrupted for is begun, so the order on the wire is cancel, truncate,
clear, append.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import msgspec
from msgspec import UNSET

from desktop_app.conversation import failures
from desktop_app.conversation.effects import (
    CloseMic,
    Connect,
    Disconnect,
    DismissNotice,
    Effect,
    EndPart,
    Entry,
    EntryStatus,
    GiveBackText,
    Link,
    OpenMic,
    Play,
    Role,
    ShowLink,
    ShowNotice,
    ShowTurn,
    ShowVoice,
    StopPlayback,
    Turn,
    VoiceState,
)
from desktop_app.conversation.inputs import (
    ConnectAsked,
    Disconnected,
    Heard,
    Input,
    MicBlock,
    MicClosed,
    MicFailed,
    MicStarted,
    NewConversationAsked,
    PlaybackFinished,
    PlaybackStarted,
    PlaybackStopped,
    Received,
    SpeakerFailed,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
    VoiceChosen,
    Woke,
)
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.responses import Responses
from desktop_app.conversation.transcript import Transcript, heard_characters
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.protocol import events
from desktop_app.protocol.items import Item, PartId, user_text
from desktop_app.protocol.session_config import (
    MIN_COMMIT_MS,
    PCM_BYTES_PER_MS,
    AudioConfig,
    AudioOutput,
    SemanticVad,
    ServerVad,
    SessionConfig,
)

CREATED_WITHIN_MS = 15_000
"""A socket without `session.created` for so long is a failed connect (the guide's connection settings)."""
UPDATED_WITHIN_MS = 5_000
STABLE_AFTER_MS = 10_000
TRANSCRIBED_WITHIN_MS = 15_000
MAX_ATTEMPTS = 5
FIRST_PAUSE_MS = 500
LONGEST_PAUSE_MS = 8_000
NEAR_END_MS = 100
"""The server's own length of an answer was seen up to 85 ms shorter than what it sent: so near to the end of a
finished part a truncation would be refused, and the part counts as heard."""
MAX_REPLAYED = 30
"""How many entries a new session is given of the old one."""


class _Mic(Enum):
    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"


@dataclass(slots=True)
class _Sounding:
    """A part handed to the speaker and not heard to its end."""

    response_id: str
    session: int
    """Which connection it came by: the server of another one does not know the item."""
    received_bytes: int = 0
    ended: bool = False

    @property
    def received_ms(self) -> int:
        return self.received_bytes // PCM_BYTES_PER_MS


class Conversation:
    """Turns each thing that happens into what shall be done; touches nothing itself.

    `session` is what every connection is configured with, without the voice: the voice is locked after the first
    audio of a session and would refuse the whole update. `voices` is what can be picked. `jitter` returns 0 to 1.
    """

    def __init__(
        self,
        session: SessionConfig,
        *,
        voice: str,
        voices: Sequence[str] = (),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._config = session
        self._voices = tuple(voices)
        self._voice = voice
        """The voice in force."""
        self._wish = voice
        """The voice the next session asks for."""
        self._voice_event = ""
        self._jitter = jitter
        self._outbox = Outbox()
        self._transcript = Transcript(self._outbox)
        self._responses = Responses(self._outbox)
        # the link
        self._link = Link.OFFLINE
        self._session_no = 0
        self._attempts = 0
        self._effective = SessionConfig()
        self._last_error: events.ErrorBody | None = None
        self._spoke = False
        """Whether this session has produced audio: its voice is locked."""
        self._setup_event = ""
        self._setup_fallback: SessionConfig | None = None
        # the microphone
        self._mic = _Mic.CLOSED
        self._appended_bytes = 0
        self._called_off = False
        self._pressed_again = False
        self._server_hears = False
        # the playback
        self._sounding: dict[PartId, _Sounding] = {}
        self._when_silent: list[TalkPressed | TextEntered] = []
        self._silencing = False
        self._deaf: set[str] = set()
        """Responses whose audio is not played because there is no speaker."""
        # what the window was told last
        self._shown_turn: Turn | None = None
        self._shown_link: Link | None = None
        self._shown_voice: VoiceState | None = None
        self._own_items = 0
        self._untranscribed: dict[int, str] = {}

    # --- in and out -----------------------------------------------------------------------------

    def handle(self, event: Input) -> list[Effect]:
        """Return what to do about `event`, in order."""
        match event:
            case Received(server_event):
                self._received(server_event)
            case MicBlock(pcm):
                self._captured(pcm)
            case TalkPressed():
                self._talk_pressed(event)
            case TalkReleased():
                self._talk_released()
            case StopPressed():
                self._stop_pressed()
            case TextEntered(text):
                self._text_entered(event, text)
            case VoiceChosen(voice):
                self._voice_chosen(voice)
            case NewConversationAsked():
                self._new_conversation()
            case ConnectAsked():
                self._connect_asked()
            case MicStarted():
                if self._mic is _Mic.OPENING:
                    self._mic = _Mic.OPEN
            case MicClosed():
                self._mic_closed()
            case MicFailed(notice):
                self._mic_failed(notice)
            case PlaybackStarted():
                pass
            case PlaybackFinished(part):
                self._sounding.pop(part, None)
            case PlaybackStopped(heard):
                self._playback_stopped(heard)
            case SpeakerFailed(notice, heard):
                self._speaker_failed(notice, heard)
            case Disconnected():
                self._disconnected(event)
            case Woke():
                self._woke(event)
        self._show_changes()
        return self._outbox.take()

    @property
    def turn(self) -> Turn:
        """Whose move it is."""
        if self._mic is _Mic.OPENING:
            return Turn.OPENING
        if self._mic is not _Mic.CLOSED or self._server_hears:
            return Turn.LISTENING
        if self._sounding:
            return Turn.SPEAKING
        if self._responses.pending:
            return Turn.THINKING
        return Turn.IDLE

    @property
    def link(self) -> Link:
        """The state of the connection."""
        return self._link

    def _show_changes(self) -> None:
        if self._link is not self._shown_link:
            self._shown_link = self._link
            self._outbox.do(ShowLink(self._link))
        if self.turn is not self._shown_turn:
            self._shown_turn = self.turn
            self._outbox.do(ShowTurn(self.turn))
        voice = self._voice_state()
        if voice != self._shown_voice:
            self._shown_voice = voice
            self._outbox.do(ShowVoice(voice))

    def _notice(self, text: str, hint: str, key: str, severity: Severity = Severity.INFO) -> None:
        self._outbox.do(ShowNotice(Notice(text, hint, severity, key)))

    # --- the link -------------------------------------------------------------------------------

    def _connect_asked(self) -> None:
        if self._link is not Link.ONLINE:
            self._attempts = 0
            self._connect()

    def _connect(self) -> None:
        self._link = Link.CONNECTING
        self._last_error = None
        self._outbox.stop_waiting(Timer.RECONNECT)
        self._outbox.do(Connect())
        # The clock for session.created starts with the attempt: the transport bounds the handshake itself.
        self._outbox.wake_after(2 * CREATED_WITHIN_MS, Timer.SESSION_CREATED)

    def _session_created(self, session: SessionConfig) -> None:
        self._outbox.stop_waiting(Timer.SESSION_CREATED)
        self._session_no += 1
        self._effective = session
        self._spoke = False
        self._responses.reset()
        optional = _without_optional(self._config)
        self._setup_fallback = optional if optional != self._config else None
        self._setup_event = self._outbox.send(events.SessionUpdate(session=self._config))
        self._voice = self._wish
        if self._voice:
            self._send_voice()
        self._outbox.wake_after(UPDATED_WITHIN_MS, Timer.SESSION_UPDATED)

    def _session_updated(self, session: SessionConfig) -> None:
        self._effective = session
        self._go_online()

    def _go_online(self) -> None:
        if self._link is not Link.CONNECTING:
            return
        self._outbox.stop_waiting(Timer.SESSION_UPDATED)
        for item in self._transcript.replayable(MAX_REPLAYED):
            self._outbox.send(events.ConversationItemCreate(item=item))
        self._link = Link.ONLINE
        for key in (failures.LINK_KEY, "not-connected"):
            self._outbox.do(DismissNotice(key))
        self._outbox.wake_after(STABLE_AFTER_MS, Timer.STABLE)

    def _disconnected(self, facts: Disconnected) -> None:
        ending = failures.judge(facts, self._last_error)
        for timer in (Timer.SESSION_CREATED, Timer.SESSION_UPDATED, Timer.STABLE):
            self._outbox.stop_waiting(timer)
        self._drop_turn()
        self._link = Link.OFFLINE
        self._last_error = None
        notice = ending.notice
        if ending.retry and self._attempts < MAX_ATTEMPTS:
            pause_ms = self._pause_ms(facts.retry_after_ms)
            self._attempts += 1
            self._link = Link.CONNECTING
            self._outbox.wake_after(pause_ms, Timer.RECONNECT)
        elif ending.retry:
            notice = replace(notice, hint="Press Reconnect to try again.")
        self._outbox.do(ShowNotice(notice))

    def _pause_ms(self, asked_ms: int) -> int:
        longest = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2**self._attempts)
        return max(asked_ms, int(longest * (0.5 + 0.5 * self._jitter())))

    def _drop_turn(self) -> None:
        """The connection is gone: what was being said or answered is lost, what was received is still heard."""
        if self._mic is not _Mic.CLOSED:
            self._notice(
                "The connection was lost while you were speaking.",
                "Say it again once it is back.",
                "lost-talk",
                Severity.WARNING,
            )
            self._abandon_talk()
        self._server_hears = False
        for part, sounding in self._sounding.items():
            self._end(part, sounding)
        for entry in self._transcript.open_entries():
            if entry.role is Role.ASSISTANT:
                self._transcript.change(
                    entry.item_id, status=EntryStatus.INTERRUPTED, remark="The connection was lost here."
                )
            else:
                self._transcript.change(entry.item_id, status=EntryStatus.COMPLETED, remark="(no transcript)")
        self._responses.reset()

    def _new_conversation(self) -> None:
        self._silence()
        if self._mic is not _Mic.CLOSED:
            self._abandon_talk()
        self._outbox.do(Disconnect())
        self._sounding.clear()
        self._responses.reset()
        self._server_hears = False
        self._transcript.clear()
        for key in (failures.LINK_KEY, "voice"):
            self._outbox.do(DismissNotice(key))
        self._attempts = 0
        self._connect()

    def _woke(self, woke: Woke) -> None:
        if woke.timer is Timer.TRANSCRIPT:
            self._transcript_overdue(woke.serial)
        elif not self._outbox.is_due(woke):
            return
        elif woke.timer is Timer.RECONNECT:
            self._connect()
        elif woke.timer is Timer.SESSION_CREATED:
            self._outbox.do(Disconnect())
            self._disconnected(Disconnected(close_code=1006, reason="no session.created"))
        elif woke.timer is Timer.SESSION_UPDATED:
            self._go_online()
        elif woke.timer is Timer.STABLE:
            self._attempts = 0
        else:
            self._responses.waited_long_enough()

    # --- the voice ------------------------------------------------------------------------------

    def _voice_state(self) -> VoiceState:
        reason = ""
        if self._spoke:
            reason = "The voice is fixed once the assistant has spoken. A new conversation can have another one."
        named = (self._voice, self._wish)
        voices = (*dict.fromkeys(v for v in named if v and v not in self._voices), *self._voices)
        return VoiceState(voices, self._voice, locked=self._spoke, reason=reason)

    def _voice_chosen(self, voice: str) -> None:
        self._wish = voice
        if self._spoke and voice != self._voice:
            text = f"«{voice}» will speak in the next conversation."
            hint = "The voice is fixed once the assistant has spoken."
            action = NoticeAction.NEW_CONVERSATION
            self._outbox.do(ShowNotice(Notice(text, hint, key="voice", action=action)))
        elif self._spoke:
            self._outbox.do(DismissNotice("voice"))
        elif voice != self._voice:
            self._voice = voice
            if self._link is Link.ONLINE:
                self._send_voice()

    def _send_voice(self) -> None:
        audio = AudioConfig(output=AudioOutput(voice=self._voice))
        self._voice_event = self._outbox.send(events.SessionUpdate(session=SessionConfig(audio=audio)))

    def _voice_refused(self, error: events.ErrorBody) -> None:
        """Put the picker back to the voice in force (`cannot_update_voice`, or one the server does not have)."""
        self._spoke = self._spoke or error.code_text == failures.VOICE_LOCKED
        self._voice = self._wish = self._effective.voice or self._voice
        self._outbox.do(ShowNotice(failures.notice_of(error, "this voice")))

    # --- push to talk ---------------------------------------------------------------------------

    def _talk_pressed(self, event: TalkPressed) -> None:
        if self._mic in (_Mic.OPENING, _Mic.OPEN):
            return
        if self._link is not Link.ONLINE:
            self._notice(
                "There is no connection yet, so nobody would hear you.",
                "Wait until it says «connected», or press Reconnect.",
                "not-connected",
            )
            return
        if self._mic is _Mic.CLOSING:
            # The tail of the last talk is still under way: the microphone ends it at once and goes on recording.
            self._pressed_again = True
            self._outbox.do(OpenMic())
            return
        self._interrupt(event)

    def _begin_talk(self) -> None:
        self._outbox.send(events.InputAudioBufferClear())
        self._start_capture()
        self._outbox.do(OpenMic())

    def _start_capture(self) -> None:
        self._mic = _Mic.OPENING
        self._appended_bytes = 0
        self._called_off = False

    def _captured(self, pcm: bytes) -> None:
        if self._mic is _Mic.CLOSED or self._called_off or self._link is not Link.ONLINE:
            return
        self._appended_bytes += len(pcm)
        self._outbox.send(events.InputAudioBufferAppend(audio=pcm))

    def _talk_released(self) -> None:
        self._when_silent = [e for e in self._when_silent if not isinstance(e, TalkPressed)]
        if self._pressed_again:
            self._pressed_again = False
        elif self._mic in (_Mic.OPENING, _Mic.OPEN):
            self._mic = _Mic.CLOSING
            self._outbox.do(CloseMic())

    def _mic_closed(self) -> None:
        if self._mic is _Mic.CLOSED:
            return
        again, self._pressed_again = self._pressed_again, False
        self._mic = _Mic.CLOSED
        self._finish_talk(answer=not again)
        if again:
            self._start_capture()

    def _finish_talk(self, *, answer: bool) -> None:
        if self._link is not Link.ONLINE:
            return
        if self._called_off:
            self._outbox.send(events.InputAudioBufferClear())
        elif self._appended_bytes < MIN_COMMIT_MS * PCM_BYTES_PER_MS:
            self._outbox.send(events.InputAudioBufferClear())
            if answer:
                self._notice("That was too short to hear.", "Hold the key for as long as you speak.", "too-short")
        else:
            self._outbox.do(DismissNotice("too-short"))
            self._outbox.send(events.InputAudioBufferCommit())
            if answer:
                self._responses.request()

    def _mic_failed(self, notice: Notice) -> None:
        was_open = self._mic is not _Mic.CLOSED
        self._mic = _Mic.CLOSED
        self._pressed_again = False
        self._outbox.do(ShowNotice(notice))
        if was_open and self._appended_bytes >= MIN_COMMIT_MS * PCM_BYTES_PER_MS:
            self._finish_talk(answer=True)
        elif was_open and self._link is Link.ONLINE:
            self._outbox.send(events.InputAudioBufferClear())

    def _abandon_talk(self) -> None:
        self._called_off = True
        self._pressed_again = False
        if self._mic in (_Mic.OPENING, _Mic.OPEN):
            self._outbox.do(CloseMic())
        self._mic = _Mic.CLOSING

    # --- typing and stopping --------------------------------------------------------------------

    def _text_entered(self, event: TextEntered, text: str) -> None:
        if not text.strip():
            return
        if self._link is not Link.ONLINE:
            self._outbox.do(GiveBackText(text))
            self._notice(
                "There is no connection, so your text was not sent.",
                "It stays in the line; send it once it says «connected».",
                "not-connected",
            )
            return
        self._interrupt(event)

    def _begin_text(self, text: str) -> None:
        self._own_items += 1
        item_id = f"user_{self._session_no}_{self._own_items}"
        self._transcript.show(Entry(item_id, Role.USER, text, EntryStatus.COMPLETED))
        self._outbox.send(events.ConversationItemCreate(item=user_text(item_id, text)))
        if self._mic is _Mic.CLOSED:
            self._responses.request()

    def _stop_pressed(self) -> None:
        if self._mic is not _Mic.CLOSED:
            self._abandon_talk()
        self._interrupt(None)

    # --- the one interruption -------------------------------------------------------------------

    def _interrupt(self, cause: TalkPressed | TextEntered | None, *, server_cancels: bool = False) -> None:
        """Fall silent, cancel what is being generated, tell what was heard; then begin `cause`."""
        if cause is not None:
            self._when_silent.append(cause)
        silencing = self._silence()
        for sounding in self._sounding.values():
            self._responses.silence(sounding.response_id)
        self._responses.call_off(server_cancels=server_cancels)
        if not silencing and not self._silencing:
            self._mark_unspoken()
            self._begin_what_waits()

    def _silence(self) -> bool:
        """Order silence if anything sounds; return whether `PlaybackStopped` will come of it."""
        if not self._sounding or self._silencing:
            return False
        self._silencing = True
        self._outbox.do(StopPlayback())
        return True

    def _playback_stopped(self, heard: tuple[Heard, ...]) -> None:
        self._silencing = False
        self._tell_what_was_heard(heard)
        self._mark_unspoken()
        self._begin_what_waits()

    def _begin_what_waits(self) -> None:
        waiting, self._when_silent = self._when_silent, []
        for cause in waiting:
            match cause:
                case TalkPressed():
                    if self._mic is _Mic.CLOSED:
                        self._begin_talk()
                case TextEntered(text):
                    self._begin_text(text)

    def _tell_what_was_heard(self, heard: tuple[Heard, ...]) -> None:
        heard_ms = {h.part: h.ms for h in heard}
        sounding, self._sounding = self._sounding, {}
        touched = {part.item_id for part in sounding if heard_ms.get(part, 0) > 0}
        for part, state in sounding.items():
            ms = min(heard_ms.get(part, 0), state.received_ms)
            known = state.session == self._session_no and self._link is Link.ONLINE
            if ms > 0:
                self._cut(part, state, ms, known=known)
            elif part.item_id not in touched:
                # The server would keep words that nobody heard: the item has to go.
                touched.add(part.item_id)
                if known:
                    self._outbox.send(events.ConversationItemDelete(item_id=part.item_id))
                self._transcript.remove(part.item_id)

    def _cut(self, part: PartId, state: _Sounding, ms: int, *, known: bool) -> None:
        if state.ended and state.received_ms - ms <= NEAR_END_MS:
            self._transcript.change(part.item_id, status=EntryStatus.COMPLETED)
            return
        if known:
            self._outbox.send(
                events.ConversationItemTruncate(
                    item_id=part.item_id, content_index=part.content_index, audio_end_ms=ms
                )
            )
        entry = self._transcript.get(part.item_id)
        if entry is not None:
            chars = heard_characters(entry.text, heard_ms=ms, received_ms=state.received_ms)
            self._transcript.change(part.item_id, status=EntryStatus.INTERRUPTED, heard_chars=chars, heard_ms=ms)

    def _mark_unspoken(self) -> None:
        """An answer that was called off before any of its audio came: nothing was heard of it."""
        if self._responses.pending:
            return
        for entry in self._transcript.open_entries():
            if entry.role is Role.ASSISTANT:
                self._close_entry(
                    entry.item_id, EntryStatus.INTERRUPTED, "", heard_chars=0 if entry.spoken else None
                )

    def _speaker_failed(self, notice: Notice, heard: tuple[Heard, ...]) -> None:
        """Nothing more can be heard, but the answer can be read: it stays whole, and says so."""
        self._outbox.do(ShowNotice(notice))
        heard_ms = {h.part: h.ms for h in heard}
        for part, state in self._sounding.items():
            self._deaf.add(state.response_id)
            ms = heard_ms.get(part, 0)
            self._transcript.change(
                part.item_id, remark=f"Heard for {ms / 1000:.1f} s; the rest could not be played."
            )
        self._sounding.clear()

    # --- what the server says -------------------------------------------------------------------

    def _received(self, event: events.ServerEvent) -> None:
        match event:
            case events.ResponseOutputAudioDelta():
                self._audio_delta(event)
            case events.ResponseOutputAudioTranscriptDelta():
                self._words(event, event.delta, spoken=True, append=True)
            case events.ResponseOutputAudioTranscriptDone():
                self._words(event, event.transcript, spoken=True, append=False)
            case events.ResponseOutputTextDelta():
                self._words(event, event.delta, spoken=False, append=True)
            case events.ResponseOutputTextDone():
                self._words(event, event.text, spoken=False, append=False)
            case events.ResponseOutputAudioDone():
                self._audio_done(PartId(event.item_id, event.content_index))
            case events.InputAudioTranscriptionDelta():
                self._user_words(event.item_id, event.content_index or 0, event.delta or "", final=False)
            case events.InputAudioTranscriptionCompleted():
                final = event.status in (UNSET, None, "completed")
                self._user_words(event.item_id, event.content_index, event.transcript, final=final)
            case events.InputAudioTranscriptionFailed():
                self._user_words_failed(event)
            case events.InputAudioBufferSpeechStarted():
                self._server_hears = True
                self._interrupt(None, server_cancels=self._server_interrupts)
            case events.InputAudioBufferSpeechStopped():
                self._server_hears = False
            case events.InputAudioBufferCommitted():
                self._server_hears = False
                self._committed(event.item_id, event.previous_item_id or None)
            case events.ConversationItemAdded() | events.ConversationItemCreated():
                self._item_added(event.item, event.previous_item_id or None)
            case events.ConversationItemDone():
                self._item_done(event.item)
            case events.ConversationItemDeleted():
                self._transcript.remove(event.item_id)
            case events.ResponseCreated():
                self._responses.created(event.response)
            case events.ResponseOutputItemAdded():
                if not self._is_dropped(event.response_id):
                    self._item_added(event.item, None)
            case events.ResponseOutputItemDone():
                self._end_parts_of(event.item.id or "")
                if not self._is_dropped(event.response_id):
                    self._item_done(event.item)
            case events.ResponseDone():
                self._response_done(event.response)
            case events.SessionCreated():
                self._session_created(event.session)
            case events.SessionUpdated():
                self._session_updated(event.session)
            case events.Error():
                self._error(event.error)
            case _:
                pass  # what has no meaning here: unknown events, WebRTC's, confirmations

    def _is_dropped(self, response_id: str) -> bool:
        return self._responses.is_silenced(response_id) or self._responses.is_foreign(response_id)

    def _audio_delta(self, event: events.ResponseOutputAudioDelta) -> None:
        if self._responses.is_foreign(event.response_id):
            return
        self._spoke = True  # the server spoke, heard or not: that is what locks the voice
        if self._responses.is_silenced(event.response_id) or event.response_id in self._deaf:
            return
        part = PartId(event.item_id, event.content_index)
        sounding = self._sounding.get(part)
        if sounding is None:
            sounding = self._sounding[part] = _Sounding(event.response_id, self._session_no)
        sounding.received_bytes += len(event.delta)
        self._outbox.do(Play(part, event.delta))

    def _audio_done(self, part: PartId) -> None:
        sounding = self._sounding.get(part)
        if sounding is not None:
            self._end(part, sounding)

    def _end(self, part: PartId, sounding: _Sounding) -> None:
        if not sounding.ended:
            sounding.ended = True
            self._outbox.do(EndPart(part))

    def _end_parts_of(self, item_id: str) -> None:
        for part, sounding in self._sounding.items():
            if part.item_id == item_id:
                self._end(part, sounding)

    def _words(
        self,
        event: events.ResponseOutputAudioTranscriptDelta
        | events.ResponseOutputAudioTranscriptDone
        | events.ResponseOutputTextDelta
        | events.ResponseOutputTextDone,
        text: str,
        *,
        spoken: bool,
        append: bool,
    ) -> None:
        if not self._is_dropped(event.response_id):
            self._transcript.write(
                event.item_id, Role.ASSISTANT, event.content_index, text, spoken=spoken, append=append
            )

    def _user_words(self, item_id: str, index: int, text: str, *, final: bool) -> None:
        entry = self._transcript.get(item_id)
        done = entry is not None and entry.status is EntryStatus.COMPLETED and entry.text and not entry.remark
        if done and not final:
            return
        self._transcript.write(item_id, Role.USER, index, text, spoken=True, append=not final)
        if final:
            remark = "" if text.strip() else "(nothing was understood)"
            self._transcript.change(item_id, status=EntryStatus.COMPLETED, remark=remark)

    def _user_words_failed(self, event: events.InputAudioTranscriptionFailed) -> None:
        self._transcript.change(event.item_id, status=EntryStatus.COMPLETED, remark="(no transcript)")
        said = failures.clipped(event.error.message_text) or event.error.code_text
        self._notice(
            f"What you said could not be written down: {said}",
            "The assistant heard you all the same.",
            "transcription",
            Severity.WARNING,
        )

    def _committed(self, item_id: str, previous: str | None) -> None:
        self._transcript.place(item_id, previous)
        if self._transcript.get(item_id) is None:
            self._transcript.show(Entry(item_id, Role.USER, spoken=True))
        serial = self._outbox.wake_after(TRANSCRIBED_WITHIN_MS, Timer.TRANSCRIPT)
        self._untranscribed[serial] = item_id

    def _transcript_overdue(self, serial: int) -> None:
        item_id = self._untranscribed.pop(serial, "")
        entry = self._transcript.get(item_id)
        if entry is not None and entry.status is EntryStatus.IN_PROGRESS:
            self._transcript.change(item_id, status=EntryStatus.COMPLETED, remark="(no transcript)")

    def _item_added(self, item: Item, previous: str | None) -> None:
        if not item.id:
            return
        self._transcript.place(item.id, previous)
        if not item.is_message or item.role not in ("user", "assistant") or self._transcript.get(item.id):
            return
        role = Role.USER if item.role == "user" else Role.ASSISTANT
        spoken = any(part.is_audio for part in item.parts)
        typed = role is Role.USER and not spoken
        status = EntryStatus.COMPLETED if typed else EntryStatus.IN_PROGRESS
        self._transcript.show(Entry(item.id, role, item.words, status, spoken=spoken))

    def _item_done(self, item: Item) -> None:
        entry = self._transcript.get(item.id or "")
        if entry is None or entry.role is not Role.ASSISTANT or entry.status is not EntryStatus.IN_PROGRESS:
            return
        if item.words and not entry.text:
            spoken = any(part.is_audio for part in item.parts)
            self._transcript.write(entry.item_id, Role.ASSISTANT, 0, item.words, spoken=spoken, append=False)
        if item.status == "completed":
            self._transcript.change(entry.item_id, status=EntryStatus.COMPLETED)

    def _response_done(self, response: events.Response) -> None:
        response_id = response.id or ""
        foreign = self._responses.is_foreign(response_id)
        silenced = self._responses.is_silenced(response_id)
        self._responses.done(response)
        self._deaf.discard(response_id)
        if foreign:
            return
        for part, sounding in self._sounding.items():
            if sounding.response_id == response_id:
                self._end(part, sounding)
        status, remark = _verdict(response)
        for item in response.output or []:
            if status is EntryStatus.COMPLETED and not silenced:
                self._item_added(item, None)
                self._item_done(item)
            self._close_entry(item.id or "", status, remark)
        if status is EntryStatus.FAILED or (status is EntryStatus.INCOMPLETE and not response.output):
            self._show_failure(response, status, remark)

    def _close_entry(
        self, item_id: str, status: EntryStatus, remark: str, *, heard_chars: int | None = None
    ) -> None:
        entry = self._transcript.get(item_id)
        if entry is None or entry.status is not EntryStatus.IN_PROGRESS:
            return
        if status is EntryStatus.INTERRUPTED and not entry.text:
            self._transcript.remove(item_id)  # called off before a word came: there is nothing to show
        else:
            self._transcript.change(item_id, status=status, remark=remark, heard_chars=heard_chars)

    def _show_failure(self, response: events.Response, status: EntryStatus, remark: str) -> None:
        shown = [item.id for item in response.output or [] if item.id and self._transcript.get(item.id)]
        if shown:
            self._transcript.change(shown[-1], status=status, remark=remark)
        else:
            entry = Entry(f"failed:{response.id or self._own_items}", Role.ASSISTANT, "", status, remark=remark)
            self._transcript.show(entry)

    def _error(self, error: events.ErrorBody) -> None:
        self._last_error = error
        refused = error.event_id or ""
        if failures.is_active_response(error):
            self._responses.refused_as_active()
        elif failures.is_benign(error):
            return
        elif refused and refused == self._setup_event and self._setup_fallback is not None:
            self._retry_setup(error)
        elif error.code_text == failures.VOICE_LOCKED or (refused and refused == self._voice_event):
            self._voice_refused(error)
        else:
            self._responses.refused(refused)
            self._outbox.do(ShowNotice(failures.notice_of(error, self._what_was_refused(refused))))

    def _retry_setup(self, error: events.ErrorBody) -> None:
        """The whole update was refused for one field: once more, without what a server may not offer."""
        config, self._setup_fallback = self._setup_fallback, None
        if config is not None:
            self._setup_event = self._outbox.send(events.SessionUpdate(session=config))
            self._outbox.do(ShowNotice(failures.notice_of(error, "a setting")))

    def _what_was_refused(self, event_id: str) -> str:
        kind = self._outbox.kind_of(event_id)
        return _REQUESTS.get(kind, "") if kind is not None else ""

    @property
    def _server_interrupts(self) -> bool:
        """Whether the server cancels a running response by itself when it hears speech."""
        audio = self._effective.audio
        if audio is UNSET or audio.input is UNSET:
            return False
        detection = audio.input.turn_detection
        return isinstance(detection, ServerVad | SemanticVad) and detection.interrupt_response is not False


_REQUESTS: dict[type[events.ClientEvent], str] = {
    events.SessionUpdate: "a setting",
    events.InputAudioBufferCommit: "what you said",
    events.ConversationItemCreate: "a message",
    events.ConversationItemTruncate: "to note where you interrupted",
    events.ConversationItemDelete: "to forget a message",
    events.ResponseCreate: "to answer",
    events.ResponseCancel: "to stop",
}


def _without_optional(config: SessionConfig) -> SessionConfig:
    """Return the configuration without what compatible servers refuse most: transcription and noise reduction."""
    if config.audio is UNSET or config.audio.input is UNSET:
        return config
    audio_input = msgspec.structs.replace(config.audio.input, transcription=UNSET, noise_reduction=UNSET)
    audio = msgspec.structs.replace(config.audio, input=audio_input)
    return msgspec.structs.replace(config, audio=audio, reasoning=UNSET, parallel_tool_calls=UNSET)


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
            said = failures.clipped(error.message_text) or error.code_text if error else ""
            return EntryStatus.FAILED, f"No answer: {said}" if said else "The server could not answer."
        case _:
            return EntryStatus.INCOMPLETE, "The answer ended early."
