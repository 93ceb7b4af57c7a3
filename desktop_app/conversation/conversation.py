"""The rules of one conversation: what to do about each thing that happens.

Small machines run side by side; their product is never written down as states of its own. Each has its file, with
its rules above its code: the link (`link.py`), how the session is configured (`setup.py`), the microphone
(`talk.py`), the response in progress (`responses.py`), what sounds (`playback.py`), the calls of tools
(`tool_calls.py`), the answers beside the conversation (`asides.py`) and the transcript (`transcript.py`). This file
is what joins them: it tells each machine what concerns it, and holds the rules that need several of them.

The server generates faster than real time, so a response is often done long before it is heard; that is why «is a
response in progress?» (cancel it) and «is a part unheard?» (truncate it) are two questions.

Whose move it is, `turn`, is derived from all of them. An interruption has one path, `_interrupt`: silence first,
then `response.cancel`; what was heard comes back as `PlaybackStopped` in the same dispatch, and only then the
truncation is told and the thing the user interrupted for is begun, so the order on the wire is cancel, truncate,
clear, append.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import UNSET

from desktop_app.conversation import failures, talk
from desktop_app.conversation.asides import Asides
from desktop_app.conversation.effects import (
    ConnectionInfo,
    CountUsage,
    Disconnect,
    DismissNotice,
    Effect,
    Entry,
    EntryAction,
    EntryStatus,
    GiveBackText,
    Link,
    Role,
    SaveRecording,
    ShowConnection,
    ShowLink,
    ShowNotice,
    ShowSession,
    ShowTurn,
    ShowVoice,
    Turn,
    VoiceState,
)
from desktop_app.conversation.inputs import (
    AnswerAsked,
    AsideAsked,
    AsideKind,
    BudgetReached,
    ConnectAsked,
    ConsentGiven,
    Disconnected,
    ForgetAsked,
    Heard,
    Input,
    MicBlock,
    MicClosed,
    MicFailed,
    MicStarted,
    Muted,
    NewConversationAsked,
    PlaybackFinished,
    PlaybackStarted,
    PlaybackStopped,
    Received,
    RecordingEntered,
    RenewalAsked,
    ResendAsked,
    RestAsked,
    ServerCopyAsked,
    SessionChosen,
    SpeakerFailed,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
    ToolFinished,
    ToolsOffered,
    VoiceChosen,
    Woke,
)
from desktop_app.conversation.link import LinkMachine
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.playback import Playback
from desktop_app.conversation.responses import Responses
from desktop_app.conversation.setup import Setup
from desktop_app.conversation.talk import Talk
from desktop_app.conversation.tool_calls import ToolCalls
from desktop_app.conversation.transcript import Transcript
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.protocol import events
from desktop_app.protocol.events import ResponseParams
from desktop_app.protocol.items import Item, PartId, user_audio, user_message
from desktop_app.protocol.session_config import PCM_BYTES_PER_MS, SessionConfig

TRANSCRIBED_WITHIN_MS = 15_000
MAX_REPLAYED = 30
"""How many entries a new session is given of the old one."""
LONG_RECORDING_MS = 60_000
"""A longer recording goes by the input buffer, in pieces, where nobody listens for turns in it."""
LONGEST_RECORDING_MS = 10 * 60_000
PIECE_MS = 2_000
TITLE_AFTER = 2
"""After so many answers there is enough to name the conversation by."""
MAX_IDLE_QUESTIONS = 2
"""So often the server may ask whether anybody is there (the guide's idle timeout)."""
LONGEST_WAIT_S = 60

_Cause = TalkPressed | TextEntered | RecordingEntered


class Conversation:
    """Turns each thing that happens into what shall be done; touches nothing itself.

    `session` is what every connection is configured with, without the voice. `voices` is what can be picked.
    `jitter` returns 0 to 1. `titles`: whether the conversation is given a title by a response out of band.
    """

    def __init__(
        self,
        session: SessionConfig,
        *,
        voice: str,
        voices: Sequence[str] = (),
        jitter: Callable[[], float],
        titles: bool = False,
    ) -> None:
        self._outbox = outbox = Outbox()
        self._link = LinkMachine(outbox, jitter)
        self._setup = Setup(outbox, session, voice=voice, voices=voices)
        self._transcript = Transcript(outbox)
        self._responses = Responses(outbox)
        self._playback = Playback(outbox, self._transcript)
        self._talk = Talk(outbox)
        self._tools = ToolCalls(outbox, self._transcript, self._responses)
        self._asides = Asides(outbox)
        self._titles = titles
        self._answers = 0
        self._own_items = 0
        # what waits
        self._when_silent: list[_Cause] = []
        """What the user interrupted for: begun once what was heard is told."""
        self._queued: list[TextEntered] = []
        """Texts that wait for the present answer to end."""
        self._renewal = False
        """A new session is wanted, at the next moment that nothing is said."""
        self._copies: set[str] = set()
        self._untranscribed: dict[int, str] = {}
        self._retried = False
        # hands-free
        self._server_hears = False
        self._mic_refused = False
        self._idle_questions = 0
        # limits
        self._over_budget = False
        self._info = ConnectionInfo()
        # what the window was told last
        self._shown_turn: Turn | None = None
        self._shown_link: Link | None = None
        self._shown_voice: VoiceState | None = None
        self._shown_session: tuple[SessionConfig, bool] | None = None
        self._shown_info = ConnectionInfo()

    # --- in and out -----------------------------------------------------------------------------

    def handle(self, event: Input) -> list[Effect]:
        """Return what to do about `event`, in order."""
        match event:
            case Received(server_event):
                self._received(server_event)
            case MicBlock(pcm):
                if self._link.online:
                    self._talk.captured(pcm)
            case MicStarted() | MicClosed() | MicFailed():
                self._microphone(event)
            case PlaybackStarted():
                pass
            case PlaybackFinished(part):
                self._playback.finished(part)
            case PlaybackStopped(heard):
                self._playback_stopped(heard)
            case SpeakerFailed(notice, heard):
                self._outbox.do(ShowNotice(notice))
                self._playback.failed(heard)
            case Disconnected():
                self._disconnected(event)
            case ToolFinished():
                self._tools.finished(event)
            case Woke():
                self._woke(event)
            case _:
                self._user(event)
        self._use_the_moment()
        self._show_changes()
        return self._outbox.take()

    def _user(self, event: Input) -> None:
        """What the user does, or asks for."""
        match event:
            case TalkPressed():
                self._talk_pressed(event)
            case TalkReleased():
                self._when_silent = [cause for cause in self._when_silent if not isinstance(cause, TalkPressed)]
                self._talk.release()
            case StopPressed():
                if not self._talk.closed and not self._talk.continuous:
                    self._talk.call_off()
                self._queued.clear()
                self._interrupt(None)
            case TextEntered() | RecordingEntered():
                self._message_entered(event)
            case VoiceChosen(voice):
                if self._setup.choose_voice(voice, online=self._link.online):
                    self._renewal = True
            case SessionChosen(config):
                busy = self._responses.busy or self._playback.sounds
                self._setup.choose(config, online=self._link.online, busy=busy)
                self._mic_refused = False
            case ToolsOffered(offers):
                self._tools.offer(offers)
                tools = [offer.tool for offer in offers]
                self._setup.change(("tools",), tools, online=self._link.online)
            case RenewalAsked():
                self._renewal = self._link.online
            case Muted(muted):
                self._talk.muted = muted
            case NewConversationAsked():
                self._new_conversation()
            case ConnectAsked():
                self._mic_refused = False
                if not self._link.online:
                    self._link.ask()
            case ConsentGiven():
                self._tools.consent(event)
            case BudgetReached(reached):
                self._over_budget = reached
                if not reached:
                    self._outbox.do(DismissNotice("budget"))
            case _:
                self._asked_of_the_past(event)

    def _asked_of_the_past(self, event: Input) -> None:
        """What the user asks about what was said already: all of it needs a session."""
        if not self._may_begin():
            return
        match event:
            case AnswerAsked():
                self._begin_turn()
                self._responses.request()
            case RestAsked(item_id):
                self._say_the_rest(item_id)
            case ForgetAsked(item_ids):
                for item_id in item_ids:
                    self._forget(item_id)
            case ServerCopyAsked(item_id):
                self._copies.add(item_id)
                self._outbox.send(events.ConversationItemRetrieve(item_id=item_id))
            case ResendAsked(item_id, text):
                behind = self._transcript.after(item_id)
                self._interrupt(None)
                for other in (*reversed(behind), item_id):
                    self._forget(other)
                self._message_entered(TextEntered(text))
            case AsideAsked():
                self._ask_aside(event)
            case _:
                raise AssertionError(f"an input without a rule: {type(event).__name__}")

    @property
    def turn(self) -> Turn:
        """Whose move it is."""
        if self._talk.held:
            return Turn.OPENING if self._talk.state is talk.State.OPENING else Turn.LISTENING
        if self._server_hears or (not self._talk.closed and not self._talk.continuous):
            return Turn.LISTENING
        if self._playback.sounds:
            return Turn.SPEAKING
        if self._responses.pending:
            return Turn.THINKING
        if self._tools.pending:
            return Turn.USING_TOOL
        if self._talk.continuous and self._talk.state is talk.State.OPENING:
            return Turn.OPENING
        return Turn.IDLE

    @property
    def link(self) -> Link:
        """The state of the connection."""
        return self._link.state

    def _use_the_moment(self) -> None:
        """Do what waits for a moment at which nothing is said or answered."""
        if self._link.online and self._setup.hands_free and not self._mic_refused and self._talk.closed:
            self._talk.begin(continuous=True)
        elif self._talk.continuous and self._talk.state is not talk.State.CLOSING and not self._listens_on:
            self._talk.call_off()
        if self._responses.busy or self._playback.sounds or self._playback.silencing:
            return
        self._setup.rest()
        if self.turn is not Turn.IDLE or not self._link.online:
            return
        if self._queued:
            self._interrupt(self._queued.pop(0))
        elif self._renewal:
            self._renewal = False
            self._leave_session()
            self._link.ask()

    @property
    def _listens_on(self) -> bool:
        return self._link.online and self._setup.hands_free

    def _show_changes(self) -> None:
        if self._link.state is not self._shown_link:
            self._shown_link = self._link.state
            self._outbox.do(ShowLink(self._link.state))
        if self.turn is not self._shown_turn:
            self._shown_turn = self.turn
            self._outbox.do(ShowTurn(self.turn))
        voice = self._setup.voice_state
        if voice != self._shown_voice:
            self._shown_voice = voice
            self._outbox.do(ShowVoice(voice))
        session = (self._setup.config, self._talk.muted)
        if session != self._shown_session:
            self._shown_session = session
            self._outbox.do(ShowSession(*session))
        if self._info != self._shown_info:
            self._shown_info = self._info
            self._outbox.do(ShowConnection(self._info))

    def _notice(self, text: str, hint: str, key: str, severity: Severity = Severity.INFO) -> None:
        self._outbox.do(ShowNotice(Notice(text, hint, severity, key)))

    def _may_begin(self) -> bool:
        """Whether a turn can begin; if not, say why."""
        if not self._link.online:
            self._notice(
                "There is no connection yet, so nobody would hear you.",
                "Wait until it says «connected», or press Reconnect.",
                "not-connected",
            )
            return False
        if self._over_budget:
            notice = Notice(
                "The budget you have set is spent, so nothing more is asked.",
                "Raise it in the settings, or go on all the same.",
                Severity.WARNING,
                "budget",
                NoticeAction.SPEND_ON,
            )
            self._outbox.do(ShowNotice(notice))
            return False
        return True

    def _begin_turn(self) -> None:
        self._tools.turn_begins()
        self._retried = False
        self._outbox.stop_waiting(Timer.RETRY)

    # --- the link -------------------------------------------------------------------------------

    def _session_created(self, session: SessionConfig) -> None:
        self._link.created()
        self._responses.reset()
        self._setup.begin(session)
        self._learn(session)

    def _session_updated(self, session: SessionConfig) -> None:
        self._setup.confirm(session)
        self._learn(session)
        self._go_online()

    def _learn(self, session: SessionConfig) -> None:
        self._info = ConnectionInfo(
            session.id or self._info.session_id,
            session.model or self._info.model,
            session.expires_at or self._info.expires_at,
            self._info.limits,
        )

    def _go_online(self) -> None:
        if self._link.state is not Link.CONNECTING:
            return
        for item in self._transcript.replayable(MAX_REPLAYED):
            self._outbox.send(events.ConversationItemCreate(item=item))
        self._link.ready()

    def _disconnected(self, facts: Disconnected) -> None:
        if not self._talk.closed and not self._talk.continuous:
            text = "The connection was lost while you were speaking."
            self._notice(text, "Say it again once it is back.", "lost-talk", Severity.WARNING)
        self._leave_session()
        self._link.lost(facts)

    def _leave_session(self) -> None:
        """What was being said or answered is lost with the session; what was received is still heard."""
        if not self._talk.closed:
            self._talk.call_off()
        self._server_hears = False
        self._playback.end_all()
        for entry in self._transcript.open_entries():
            if entry.role is Role.ASSISTANT:
                remark = "The connection was lost here."
                self._transcript.change(entry.item_id, status=EntryStatus.INTERRUPTED, remark=remark)
            elif entry.role is Role.USER:
                self._transcript.change(entry.item_id, status=EntryStatus.COMPLETED, remark="(no transcript)")
        self._tools.lose()
        self._asides.lose()
        self._responses.reset()

    def _new_conversation(self) -> None:
        self._playback.silence()
        if not self._talk.closed:
            self._talk.call_off()
        self._outbox.do(Disconnect())
        self._playback.forget()
        self._tools.lose()
        self._asides.lose()
        self._responses.reset()
        self._server_hears = False
        self._when_silent.clear()
        self._queued.clear()
        self._answers = 0
        self._transcript.clear()
        for key in (failures.LINK_KEY, "not-connected"):
            self._outbox.do(DismissNotice(key))
        self._link.ask()

    def _woke(self, woke: Woke) -> None:
        if woke.timer is Timer.TRANSCRIPT:
            self._transcript_overdue(woke.serial)
            return
        if not self._outbox.is_due(woke):
            return
        match woke.timer:
            case Timer.RECONNECT:
                self._link.open()
            case Timer.SESSION_CREATED:
                self._outbox.do(Disconnect())
                self._disconnected(Disconnected(close_code=1006, reason="no session.created"))
            case Timer.SESSION_UPDATED:
                self._go_online()
            case Timer.STABLE:
                self._link.stable()
            case Timer.RESPONSE_CREATED | Timer.RESPONSE_DONE:
                self._responses.waited_long_enough()
            case Timer.APPROVED | Timer.RETRY:
                if self._link.online and not self._responses.busy:
                    self._responses.request()

    # --- talking and typing ---------------------------------------------------------------------

    def _talk_pressed(self, event: TalkPressed) -> None:
        if self._talk.held:
            return
        if self._setup.hands_free:
            self._interrupt(None)  # the microphone is open already; a press is a wish for silence
        elif self._may_begin():
            if self._talk.closed:
                self._interrupt(event)
            else:
                self._talk.begin_again()

    def _microphone(self, event: MicStarted | MicClosed | MicFailed) -> None:
        online = self._link.online
        match event:
            case MicStarted():
                self._talk.started()
                answer = False
            case MicClosed():
                answer = self._talk.ended(online=online)
            case MicFailed(notice):
                self._mic_refused = self._talk.continuous
                self._outbox.do(ShowNotice(notice))
                answer = self._talk.failed(online=online)
        if answer:
            self._responses.request()

    def _message_entered(self, event: TextEntered | RecordingEntered) -> None:
        text = event.text if isinstance(event, TextEntered) else ""
        if isinstance(event, TextEntered) and not text.strip() and not event.images:
            return
        if not self._link.online or self._over_budget:
            self._give_back(event)
        elif isinstance(event, TextEntered) and event.queued and self.turn is not Turn.IDLE:
            self._queued.append(event)
        else:
            self._interrupt(event)

    def _give_back(self, event: TextEntered | RecordingEntered) -> None:
        if isinstance(event, TextEntered):
            self._outbox.do(GiveBackText(event.text))
        if self._link.online:
            self._may_begin()  # says why not
            return
        typed = isinstance(event, TextEntered)
        what = "your text was not sent" if typed else "the recording was not sent"
        hint = "It stays in the line; send it" if typed else "Give it again"
        self._notice(f"There is no connection, so {what}.", f"{hint} once it says «connected».", "not-connected")

    def _begin_text(self, event: TextEntered) -> None:
        item_id = self._new_item_id()
        entry = Entry(item_id, Role.USER, event.text, EntryStatus.COMPLETED, images=event.images)
        self._transcript.show(entry)
        self._outbox.send(events.ConversationItemCreate(item=user_message(item_id, event.text, event.images)))
        if self._talk.closed or self._talk.continuous:
            self._responses.request(ResponseParams(output_modalities=["text"]) if event.written else None)

    def _begin_recording(self, event: RecordingEntered) -> None:
        ms = len(event.pcm) // PCM_BYTES_PER_MS
        if ms > LONGEST_RECORDING_MS or (ms > LONG_RECORDING_MS and not self._talk.closed):
            text = f"«{failures.clipped(event.name, 60)}» is too long to be sent as one message."
            self._notice(text, "Cut it, or switch to push to talk for up to ten minutes.", "recording")
        elif ms > LONG_RECORDING_MS:
            self._outbox.send(events.InputAudioBufferClear())
            size = PIECE_MS * PCM_BYTES_PER_MS
            for at in range(0, len(event.pcm), size):
                self._outbox.send(events.InputAudioBufferAppend(audio=event.pcm[at : at + size]))
            self._outbox.send(events.InputAudioBufferCommit())
            self._responses.request()
        else:
            item_id = self._new_item_id()
            remark = f"Sound file: {failures.clipped(event.name, 60)}"
            entry = Entry(item_id, Role.USER, "", EntryStatus.COMPLETED, spoken=True, remark=remark)
            self._transcript.show(entry)
            self._outbox.send(events.ConversationItemCreate(item=user_audio(item_id, event.pcm)))
            self._responses.request()

    def _new_item_id(self) -> str:
        self._own_items += 1
        return f"user_{self._link.session_no}_{self._own_items}"

    # --- the one interruption -------------------------------------------------------------------

    def _interrupt(self, cause: _Cause | None, *, server_cancels: bool = False) -> None:
        """Fall silent, cancel what is being generated, tell what was heard; then begin `cause`."""
        if cause is not None:
            self._when_silent.append(cause)
        silencing = self._playback.silence()
        for response_id in self._playback.response_ids:
            self._responses.silence(response_id)
        self._responses.call_off(server_cancels=server_cancels)
        self._asides.silence()
        self._begin_turn()
        if not silencing and not self._playback.silencing:
            self._mark_unspoken()
            self._begin_what_waits()

    def _playback_stopped(self, heard: tuple[Heard, ...]) -> None:
        self._playback.stopped(heard, session_no=self._link.session_no if self._link.online else None)
        self._mark_unspoken()
        self._begin_what_waits()

    def _begin_what_waits(self) -> None:
        waiting, self._when_silent = self._when_silent, []
        for cause in waiting:
            match cause:
                case TalkPressed():
                    if self._talk.closed:
                        self._talk.begin()
                case TextEntered():
                    self._begin_text(cause)
                case RecordingEntered():
                    self._begin_recording(cause)

    def _mark_unspoken(self) -> None:
        """An answer that was called off before any of its audio came: nothing was heard of it."""
        if self._responses.pending:
            return
        for entry in self._transcript.open_entries():
            if entry.role is Role.ASSISTANT:
                heard = 0 if entry.spoken else None
                self._close_entry(entry.item_id, EntryStatus.INTERRUPTED, "", heard_chars=heard)

    # --- what was said already ------------------------------------------------------------------

    def _say_the_rest(self, item_id: str) -> None:
        entry = self._transcript.get(item_id)
        if entry is None or entry.heard_chars is None:
            return
        rest = entry.text[entry.heard_chars :].strip()
        if rest:
            self._transcript.change(item_id, status=EntryStatus.INTERRUPTED)  # the offer is taken
            self._begin_turn()
            exact = f"Go on where you were interrupted. Say exactly the following, and nothing more: {rest}"
            self._responses.request(ResponseParams(instructions=exact))

    def _forget(self, item_id: str) -> None:
        entry = self._transcript.get(item_id)
        if entry is None:
            return
        if not item_id.startswith(_FAILED):
            self._outbox.send(events.ConversationItemDelete(item_id=item_id))
        self._transcript.remove(item_id)

    def _ask_aside(self, event: AsideAsked) -> None:
        question = user_message("", event.text) if event.kind is AsideKind.ABOUT else None
        if question is not None:
            question = Item(type="message", role="user", content=question.content)
        self._asides.ask(event, question)

    def _count_answer(self) -> None:
        self._answers += 1
        if self._titles and self._answers == TITLE_AFTER:
            self._asides.ask(AsideAsked(AsideKind.TITLE))

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
                self._playback.end_part(PartId(event.item_id, event.content_index))
            case events.ResponseCreated():
                if not self._asides.created(event.response):
                    self._responses.created(event.response)
            case events.ResponseOutputItemAdded():
                if not self._is_dropped(event.response_id):
                    self._item_added(event.item, None)
            case events.ResponseOutputItemDone():
                self._playback.end_item(event.item.id or "")
                if not self._is_dropped(event.response_id):
                    self._item_done(event.item)
            case events.ResponseDone():
                self._response_done(event.response)
            case _:
                self._received_of_items(event)

    def _received_of_items(self, event: events.ServerEvent) -> None:
        match event:
            case events.ConversationItemAdded() | events.ConversationItemCreated():
                self._item_added(event.item, event.previous_item_id or None)
            case events.ConversationItemDone():
                self._item_done(event.item)
            case events.ConversationItemDeleted():
                self._transcript.remove(event.item_id)
            case events.ConversationItemRetrieved():
                self._copy_came(event.item)
            case events.InputAudioTranscriptionDelta():
                self._user_words(event.item_id, event.content_index or 0, event.delta or "")
            case events.InputAudioTranscriptionCompleted():
                final = event.status in (UNSET, None, "completed")
                self._user_words(event.item_id, event.content_index, event.transcript, whole=True, final=final)
                if event.usage and final:
                    key = f"{self._link.session_no}:{event.item_id}:words"
                    self._outbox.do(CountUsage(key, event.usage, event.item_id, transcription=True))
            case events.InputAudioTranscriptionFailed():
                self._user_words_failed(event)
            case events.McpListToolsFailed():
                text = "A tool server of this session could not be reached."
                self._notice(text, "The conversation goes on without its tools.", "mcp", Severity.WARNING)
            case _:
                self._received_of_session(event)

    def _received_of_session(self, event: events.ServerEvent) -> None:
        match event:
            case events.InputAudioBufferSpeechStarted():
                self._server_hears = True
                self._idle_questions = 0
                if self._setup.server_interrupts:
                    self._interrupt(None, server_cancels=True)
            case events.InputAudioBufferSpeechStopped():
                self._server_hears = False
            case events.InputAudioBufferCommitted():
                self._server_hears = False
                self._committed(event.item_id, event.previous_item_id or None)
            case events.InputAudioBufferTimeoutTriggered():
                self._nobody_answers(event.item_id)
            case events.SessionCreated():
                self._session_created(event.session)
            case events.SessionUpdated():
                self._session_updated(event.session)
            case events.RateLimitsUpdated():
                info = self._info
                limits = tuple(event.rate_limits)
                self._info = ConnectionInfo(info.session_id, info.model, info.expires_at, limits)
            case events.Error():
                self._error(event.error)
            case _:
                pass  # what has no meaning here: unknown events, WebRTC's, confirmations

    def _is_dropped(self, response_id: str) -> bool:
        return (
            self._responses.is_silenced(response_id)
            or self._responses.is_foreign(response_id)
            or self._asides.owns(response_id)
        )

    # --- answers --------------------------------------------------------------------------------

    def _audio_delta(self, event: events.ResponseOutputAudioDelta) -> None:
        aside = self._asides.owns(event.response_id)
        if self._responses.is_foreign(event.response_id) or (
            aside and not self._asides.is_audible(event.response_id)
        ):
            return
        self._setup.spoke = True  # the server spoke, heard or not: that is what locks the voice
        if self._responses.is_silenced(event.response_id):
            return
        part = PartId(event.item_id, event.content_index)
        session_no = None if aside else self._link.session_no
        self._playback.play(part, event.delta, response_id=event.response_id, session_no=session_no)

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
        if self._asides.owns(event.response_id):
            self._asides.write(event.response_id, text, append=append)
        elif not self._is_dropped(event.response_id):
            self._transcript.write(
                event.item_id, Role.ASSISTANT, event.content_index, text, spoken=spoken, append=append
            )

    def _response_done(self, response: events.Response) -> None:
        response_id = response.id or ""
        foreign = self._asides.done(response) or self._responses.is_foreign(response_id)
        silenced = self._responses.is_silenced(response_id)
        self._responses.done(response)
        self._playback.end_response(response_id)
        output = [] if foreign else response.output or []
        self._bill(response, output)
        if foreign:
            return
        status, remark = _verdict(response)
        for item in output:
            if status is EntryStatus.COMPLETED and not silenced:
                self._item_added(item, None)
                self._item_done(item)
            if item.is_message:
                self._close_entry(item.id or "", status, remark)
        if status in (EntryStatus.FAILED, EntryStatus.INCOMPLETE):
            self._show_failure(response, status, remark)
        self._tools.begin(output)
        for item in output:
            if item.type == "mcp_approval_request":
                self._tools.approval_asked(item)
        if status is EntryStatus.COMPLETED and any(item.is_message for item in output):
            self._count_answer()

    def _bill(self, response: events.Response, output: list[Item]) -> None:
        if response.usage:
            said = [item.id for item in output if item.is_message and item.id and self._transcript.get(item.id)]
            key = f"{self._link.session_no}:{response.id or len(output)}"
            self._outbox.do(CountUsage(key, response.usage, said[-1] if said else ""))

    def _close_entry(
        self, item_id: str, status: EntryStatus, remark: str, *, heard_chars: int | None = None
    ) -> None:
        entry = self._transcript.get(item_id)
        if entry is None or entry.status is not EntryStatus.IN_PROGRESS:
            return
        if status is EntryStatus.INTERRUPTED and not entry.text:
            self._transcript.remove(item_id)  # called off before a word came: there is nothing to show
            return
        unheard = status is EntryStatus.INTERRUPTED and heard_chars is not None
        action = EntryAction.SAY_THE_REST if unheard else None
        self._transcript.change(item_id, status=status, remark=remark, heard_chars=heard_chars, action=action)

    def _show_failure(self, response: events.Response, status: EntryStatus, remark: str) -> None:
        action: EntryAction | None = EntryAction.RETRY if status is EntryStatus.FAILED else EntryAction.CONTINUE
        if response.reason == "content_filter":
            action = None  # the next attempt would end there, too
        shown = [item.id for item in response.output or [] if item.id and self._transcript.get(item.id)]
        if shown:
            self._transcript.change(shown[-1], status=status, remark=remark, action=action)
        elif status is EntryStatus.FAILED or not response.output:
            item_id = f"{_FAILED}{response.id or self._own_items}"
            self._transcript.show(Entry(item_id, Role.ASSISTANT, "", status, remark=remark, action=action))
        if response.error is not None and response.error.code_text == "rate_limit_exceeded":
            self._retry_later(response.error)

    def _retry_later(self, error: events.ErrorBody) -> None:
        """Try once more by itself after the time the server states; after that the user decides."""
        stated = re.search(r"in (\d+(?:\.\d+)?) ?(ms|s)", error.message_text)
        if stated is None or self._retried:
            return
        seconds = float(stated[1]) / (1000 if stated[2] == "ms" else 1)
        if seconds <= LONGEST_WAIT_S:
            self._retried = True
            self._outbox.wake_after(int(seconds * 1000) + 100, Timer.RETRY)
            text = f"The limit of requests is reached; trying again in {max(1, round(seconds))} s."
            self._notice(text, "You can go on talking meanwhile.", "rate-limit", Severity.WARNING)

    # --- items ----------------------------------------------------------------------------------

    def _item_added(self, item: Item, previous: str | None) -> None:
        if not item.id:
            return
        self._transcript.place(item.id, previous)
        if item.type in ("function_call", "mcp_call"):
            self._tools.show_item(item)
        if not item.is_message or item.role not in ("user", "assistant") or self._transcript.get(item.id):
            return
        role = Role.USER if item.role == "user" else Role.ASSISTANT
        spoken = any(part.is_audio for part in item.parts)
        typed = role is Role.USER and not spoken
        status = EntryStatus.COMPLETED if typed else EntryStatus.IN_PROGRESS
        commentary = item.phase == "commentary"
        images = tuple(part.image_url for part in item.parts if part.image_url)
        self._transcript.show(
            Entry(item.id, role, item.words, status, spoken=spoken, commentary=commentary, images=images)
        )

    def _item_done(self, item: Item) -> None:
        if item.type == "mcp_call":
            self._tools.show_item(item)
        elif item.type == "mcp_approval_request":
            self._tools.approval_asked(item)
        entry = self._transcript.get(item.id or "")
        if entry is None or entry.role is not Role.ASSISTANT or entry.status is not EntryStatus.IN_PROGRESS:
            return
        if item.words and not entry.text:
            spoken = any(part.is_audio for part in item.parts)
            self._transcript.write(entry.item_id, Role.ASSISTANT, 0, item.words, spoken=spoken, append=False)
        if item.status == "completed":
            self._transcript.change(entry.item_id, status=EntryStatus.COMPLETED)

    def _copy_came(self, item: Item) -> None:
        if item.id not in self._copies:
            return
        self._copies.discard(item.id)
        pcm = b"".join(part.audio for part in item.parts if part.audio)
        if pcm:
            self._outbox.do(SaveRecording(item.id, pcm))
        else:
            self._notice("The server has no recording of this.", "Only what was spoken can be saved.", "copy")

    # --- the user's words -----------------------------------------------------------------------

    def _user_words(self, item_id: str, index: int, text: str, *, whole: bool = False, final: bool = False) -> None:
        """Take a piece of what was said, or all of it so far; what comes after the final text changes nothing."""
        entry = self._transcript.get(item_id)
        done = entry is not None and entry.status is EntryStatus.COMPLETED and entry.text and not entry.remark
        if done and not final:
            return
        self._transcript.write(item_id, Role.USER, index, text, spoken=True, append=not whole)
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

    def _nobody_answers(self, item_id: str) -> None:
        """The server asks whether anybody is there (`input_audio_buffer.timeout_triggered`)."""
        self._transcript.show(
            Entry(item_id, Role.USER, "", EntryStatus.COMPLETED, spoken=True, remark="(no input)")
        )
        self._idle_questions += 1
        if self._idle_questions >= MAX_IDLE_QUESTIONS:
            self._setup.stop_asking(online=self._link.online)

    # --- errors ---------------------------------------------------------------------------------

    def _error(self, error: events.ErrorBody) -> None:
        self._link.last_error = error
        refused = error.event_id or ""
        if failures.is_active_response(error):
            self._responses.refused_as_active()
        elif failures.is_benign(error) or self._setup.refused(error):
            return
        else:
            if not self._asides.refused(refused):
                self._responses.refused(refused)
            self._outbox.do(ShowNotice(failures.notice_of(error, self._what_was_refused(refused))))

    def _what_was_refused(self, event_id: str) -> str:
        kind = self._outbox.kind_of(event_id)
        return _REQUESTS.get(kind, "") if kind is not None else ""


_FAILED = "failed:"
"""How the ids of entries begin that stand for a response without an item."""

_REQUESTS: dict[type[events.ClientEvent], str] = {
    events.SessionUpdate: "a setting",
    events.InputAudioBufferCommit: "what you said",
    events.ConversationItemCreate: "a message",
    events.ConversationItemRetrieve: "a copy of what it heard",
    events.ConversationItemTruncate: "to note where you interrupted",
    events.ConversationItemDelete: "to forget a message",
    events.ResponseCreate: "to answer",
    events.ResponseCancel: "to stop",
}


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
