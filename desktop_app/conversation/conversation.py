"""The rules of one conversation: what to do about each thing that happens.

Small machines run side by side; their product is never written down as states of its own. Each has its file, with
its rules above its code: the link (`link.py`), how the session is configured (`setup.py`), the microphone
(`talk.py`), what the user hands over (`messages.py`) and what is written down of what was said (`user_words.py`),
the response in progress (`responses.py`), what comes of it (`answers.py`), what sounds (`playback.py`), the calls
of tools (`tool_calls.py`), the answers beside the conversation (`asides.py`) and the transcript (`transcript.py`).
This file is what joins them: it tells each machine what concerns it, and holds the rules that need several of them.

The server generates faster than real time, so a response is often done long before it is heard; that is why «is a
response in progress?» (cancel it) and «is a part unheard?» (truncate it) are two questions.

Whose move it is, `turn`, is derived from all of them. An interruption has one path, `_interrupt`: silence first,
then `response.cancel`; what was heard comes back as `PlaybackStopped` in the same dispatch, and only then the
truncation is told and the thing the user interrupted for is begun, so the order on the wire is cancel, truncate,
clear, append. What has to wait for a quiet moment is done by `_use_the_moment`, after every input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from desktop_app.conversation import failures, limits, replay, talk
from desktop_app.conversation.answers import FAILED_ID, Answers
from desktop_app.conversation.asides import SPOKEN, Asides
from desktop_app.conversation.effects import (
    ConnectionInfo,
    Disconnect,
    DismissNotice,
    Effect,
    GiveBackText,
    Link,
    SaveRecording,
    ShowNotice,
    ShowTitle,
    Turn,
)
from desktop_app.conversation.inputs import (
    AnswerAsked,
    AsideAsked,
    AsideKind,
    BudgetReached,
    ConnectAsked,
    ConsentGiven,
    ConversationContinued,
    DeviceChanged,
    DeviceChanged,
    Disconnected,
    ForgetAsked,
    Heard,
    Input,
    MicBlock,
    MicClosed,
    MicFailed,
    MicFound,
    MicFound,
    MicStarted,
    Muted,
    NewConversationAsked,
    PlaybackFinished,
    PlaybackStarted,
    PlaybackStopped,
    Received,
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
from desktop_app.conversation.limits import Recent
from desktop_app.conversation.link import LinkMachine
from desktop_app.conversation.messages import Messages
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.playback import Playback
from desktop_app.conversation.responses import Responses
from desktop_app.conversation.setup import Setup
from desktop_app.conversation.shown import Shown
from desktop_app.conversation.talk import Talk
from desktop_app.conversation.tool_calls import ToolCalls
from desktop_app.conversation.transcript import Transcript, as_ended
from desktop_app.conversation.user_words import UserWords
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.protocol import events
from desktop_app.protocol.events import ResponseParams
from desktop_app.protocol.items import ContentPart, Item, PartId
from desktop_app.protocol.session_config import SessionConfig

TITLE_AFTER = 2
"""After so many answers there is enough to name the conversation by."""
MAX_IDLE_QUESTIONS = 2
"""So often the server may ask whether anybody is there (the guide's idle timeout)."""
RENEW_BEFORE_S = 300
"""So long before a session expires a new one is opened, at the next quiet moment…"""
RENEW_AT_ONCE_S = 60
"""…and so long before, at any moment."""
SHORTEST_SESSION_S = 60
"""A session that is to live shorter, by our clock, is not renewed: one of the two clocks is wrong."""

_Cause = TalkPressed | TextEntered


class Conversation:
    """Turns each thing that happens into what shall be done; touches nothing itself.

    `session` is what every connection is configured with, without the voice. `voices` is what can be picked.
    `jitter` returns 0 to 1. `titles`: whether a title is asked for by a response out of band, once it may be. `now`
    returns Unix seconds; without it a session is not renewed before it expires.
    """

    def __init__(
        self,
        session: SessionConfig,
        *,
        voice: str,
        voices: Sequence[str] = (),
        jitter: Callable[[], float],
        titles: Callable[[], bool] = lambda: False,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._outbox = outbox = Outbox()
        self._link = LinkMachine(outbox, jitter)
        self._setup = setup = Setup(outbox, session, voice=voice, voices=voices)
        self._transcript = transcript = Transcript(outbox)
        self._responses = responses = Responses(outbox)
        self._playback = Playback(outbox, transcript)
        self._talk = Talk(outbox)
        self._messages = Messages(outbox, transcript, responses, self._talk, setup)
        self._words = UserWords(outbox, transcript, setup)
        self._tools = ToolCalls(outbox, transcript, responses, lambda: setup.forces_tools)
        self._asides = Asides(outbox)
        self._answers = Answers(outbox, setup, transcript, responses, self._playback, self._tools, self._asides)
        self._shown = Shown(outbox)
        self._titles = titles
        self._now = now
        # what waits
        self._when_silent: list[_Cause] = []
        """What the user interrupted for: begun once what was heard is told."""
        self._queued: list[TextEntered] = []
        """Texts that wait for the present answer to end."""
        self._to_say: list[AsideAsked] = []
        """What is to be said beside the conversation, once nobody speaks."""
        self._renewal = False
        """A new session is wanted, at the next moment that nothing is said."""
        self._copies: Recent[str] = Recent(limits.MAX_QUEUED)
        """Items whose recording is fetched, by the event that asked for it."""
        # hands-free
        self._server_hears = False
        self._mic_refused = False
        self._idle_questions = 0
        self._idle_item = ""
        """The silent turn of the last idle question."""
        # limits
        self._over_budget = False
        self._info = ConnectionInfo()

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
            case MicFound():
                self._mic_refused = False
                self._outbox.do(DismissNotice("microphone"))
            case DeviceChanged(notice):
                self._outbox.do(ShowNotice(notice))
            case MicFound():
                self._mic_refused = False
                self._outbox.do(DismissNotice("microphone"))
            case DeviceChanged(notice):
                self._outbox.do(ShowNotice(notice))
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
        self._shown.tell(
            link=self._link.state,
            turn=self.turn,
            voice=self._setup.voice_state,
            config=self._setup.config,
            muted=self._talk.muted,
            info=self._info,
        )
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
                if self._talk.takes_a_turn:
                    self._talk.call_off()
                self._give_back_what_waits()
                self._interrupt(None)
            case TextEntered():
                self._message_entered(event)
            case VoiceChosen(voice):
                self._setup.choose_voice(voice)
            case SessionChosen(config):
                self._mic_refused = False
                self._setup.choose(config)
            case ToolsOffered(offers, approved):
                self._tools.offer(offers, approved)
                self._setup.offer([offer.tool for offer in offers])
            case RenewalAsked():
                self._renewal = self._link.state is not Link.OFFLINE
            case Muted(muted):
                self._talk.muted = muted
                self._mic_refused = self._mic_refused and muted
            case NewConversationAsked():
                self._new_conversation()
            case ConversationContinued():
                self._continue_conversation(event)
            case ConnectAsked():
                self._mic_refused = False
                if not self._link.online:
                    self._link.ask()
            case ConsentGiven():
                self._tools.consent(event)
            case BudgetReached(reached):
                self._budget_reached(reached)
            case ForgetAsked(item_ids):
                self._forget_all(item_ids)
            case _:
                self._asked_of_the_past(event)

    def _asked_of_the_past(self, event: Input) -> None:
        """What the user asks about what was said already: all of it needs a session."""
        if isinstance(event, AsideAsked) and event.kind in SPOKEN:
            self._to_say_later(event)
            return
        if not (self._is_online() if isinstance(event, ServerCopyAsked) else self._may_begin()):
            if isinstance(event, ResendAsked):
                self._outbox.do(GiveBackText(event.text))
            return
        match event:
            case AnswerAsked():
                self._answer()
            case RestAsked(item_id):
                self._say_the_rest(item_id)
            case ServerCopyAsked(item_id):
                event_id = self._outbox.send(events.ConversationItemRetrieve(item_id=item_id))
                self._copies[event_id] = item_id
            case ResendAsked(item_id, text):
                self._resend(item_id, text)
            case AsideAsked():
                self._ask_aside(event)
            case _:
                raise AssertionError(f"an input without a rule: {type(event).__name__}")

    @property
    def turn(self) -> Turn:
        """Whose move it is."""
        if self._talk.held:
            return Turn.OPENING if self._talk.state is talk.State.OPENING else Turn.LISTENING
        if self._server_hears or self._talk.takes_a_turn:
            return Turn.LISTENING
        if self._playback.sounds:
            return Turn.SPEAKING
        if self._responses.pending or self._asides.will_sound:
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
        answering = self._responses.busy or self._playback.sounds or self._playback.silencing
        self._setup.rest(answering=answering, talking=self._talk.takes_a_turn)
        self._mind_the_microphone()
        if answering or not self._link.online or self.turn is not Turn.IDLE:
            return
        if self._queued and not self._over_budget:
            self._interrupt(self._queued.pop(0))
        elif self._to_say and not self._over_budget:
            self._ask_aside(self._to_say.pop(0))
        elif (self._renewal or self._setup.voice_waits) and not (self._asides.busy or self._tools.busy):
            self._renew()

    def _mind_the_microphone(self) -> None:
        """Hands-free, the microphone is open whenever there is somebody to hear it."""
        wanted = self._link.online and self._setup.hands_free and not self._mic_refused and not self._over_budget
        if wanted and self._talk.closed:
            self._talk.begin(continuous=True)
        elif not wanted and self._talk.continuous and self._talk.state in (talk.State.OPENING, talk.State.OPEN):
            self._talk.call_off()
            self._server_hears = False

    def _notice(self, text: str, hint: str, key: str, severity: Severity = Severity.INFO) -> None:
        self._outbox.do(ShowNotice(Notice(text, hint, severity, key)))

    def _is_online(self) -> bool:
        """Whether there is a session; if not, say so."""
        if not self._link.online:
            self._notice(
                "There is no connection yet, so nobody would hear you.",
                "Wait until it says «connected», or press Reconnect.",
                "not-connected",
            )
        return self._link.online

    def _may_begin(self) -> bool:
        """Whether a turn can begin; if not, say why."""
        if not self._is_online():
            return False
        if self._over_budget:
            self._tell_budget()
        return not self._over_budget

    def _begin_turn(self) -> None:
        self._tools.turn_begins()
        self._answers.turn_begins()

    # --- limits ---------------------------------------------------------------------------------

    def _budget_reached(self, reached: bool) -> None:
        self._over_budget = reached
        if not reached:
            self._outbox.do(DismissNotice("budget"))
        elif self._setup.hands_free:
            self._tell_budget()  # nobody will press anything before the microphone closes

    def _tell_budget(self) -> None:
        notice = Notice(
            "The budget you have set is spent, so nothing more is asked.",
            "Raise it in the settings, or go on all the same.",
            Severity.WARNING,
            "budget",
            NoticeAction.SPEND_ON,
        )
        self._outbox.do(ShowNotice(notice))

    # --- the link -------------------------------------------------------------------------------

    def _session_created(self, session: SessionConfig) -> None:
        if self._link.created():
            self._responses.reset()
            self._transcript.seal()
            self._setup.begin(session)
            self._learn(session)

    def _session_updated(self, session: SessionConfig) -> None:
        self._setup.confirm(session)
        self._learn(session)
        self._go_online()

    def _learn(self, session: SessionConfig) -> None:
        before = self._info
        self._info = ConnectionInfo(
            (session.id or before.session_id)[: limits.MAX_NAME_CHARS],
            (session.model or before.model)[: limits.MAX_NAME_CHARS],
            session.expires_at or before.expires_at,
            before.limits,
        )
        if session.expires_at and session.expires_at != before.expires_at:
            self._wake_before(session.expires_at, RENEW_BEFORE_S)

    def _wake_before(self, expires_at: int, seconds: int) -> None:
        left = expires_at - self._now() if self._now is not None else 0
        if left >= SHORTEST_SESSION_S or self._renewal:
            self._outbox.wake_after(int(max(left - min(seconds, left / 4), 0) * 1000), Timer.EXPIRY)

    def _expires_soon(self) -> None:
        """Wait for a quiet moment; but not for too long."""
        if self._renewal:
            self._interrupt(None)
            self._renew()
        elif self._info.expires_at:
            self._renewal = True
            self._wake_before(self._info.expires_at, RENEW_AT_ONCE_S)

    def _go_online(self) -> None:
        if self._link.state is not Link.CONNECTING or not self._link.has_session:
            return
        items = replay.replayable(self._transcript.from_the_last())
        for item in items:
            self._outbox.send(events.ConversationItemCreate(item=item))
        if items:
            self._responses.first_modalities = self._setup.modalities
        self._link.ready()

    def _renew(self) -> None:
        """Go on in a new session."""
        self._leave_session()
        self._link.ask()

    def _disconnected(self, facts: Disconnected) -> None:
        if self._talk.takes_a_turn:
            text = "The connection was lost while you were speaking."
            self._notice(text, "Say it again once it is back.", "lost-talk", Severity.WARNING)
        self._leave_session()
        self._link.lost(facts)

    def _leave_session(self) -> None:
        """What was being said or answered is lost with the session; what was received is still heard."""
        self._playback.end_all()
        self._forget_session()
        self._answers.lose()
        self._words.lose()

    def _forget_session(self) -> None:
        if not self._talk.closed:
            self._talk.call_off()
        self._server_hears = False
        self._renewal = False
        self._idle_questions = 0
        self._copies.clear()
        self._tools.lose()
        self._asides.lose()
        self._messages.lose()
        self._responses.reset()
        self._setup.end()
        for timer in (Timer.RETRY, Timer.EXPIRY):
            self._outbox.stop_waiting(timer)

    def _new_conversation(self) -> None:
        self._playback.silence()
        self._outbox.do(Disconnect())
        self._playback.forget()
        self._give_back_what_waits()
        self._forget_session()
        self._transcript.clear()
        self._answers.lose()
        self._answers.clear()
        self._words.lose()
        self._outbox.do(ShowTitle(""))
        for key in (failures.LINK_KEY, "not-connected"):
            self._outbox.do(DismissNotice(key))
        self._link.ask()

    def _continue_conversation(self, past: ConversationContinued) -> None:
        """What was said before is shown at once, and replayed as soon as there is a session."""
        self._new_conversation()
        for entry in past.entries:
            self._transcript.show(as_ended(entry))
        self._outbox.do(ShowTitle(past.title, past.topic))

    def _give_back_what_waits(self) -> None:
        """What was typed and not sent yet is not lost."""
        waiting = [cause for cause in (*self._when_silent, *self._queued) if isinstance(cause, TextEntered)]
        for event in reversed(waiting):
            self._outbox.do(GiveBackText(event.text, event.images, event.recordings))
        self._when_silent.clear()
        self._queued.clear()

    def _woke(self, woke: Woke) -> None:
        match woke.timer:
            case Timer.TRANSCRIPT:
                self._words.overdue(woke.serial)
            case Timer.TOOL:
                self._tools.overdue(woke.serial)
            case Timer.ASIDE:
                self._responses.disown(self._asides.overdue(woke.serial))
            case _ if self._outbox.is_due(woke):
                self._time_is_up(woke.timer)

    def _time_is_up(self, timer: Timer) -> None:
        match timer:
            case Timer.RECONNECT:
                self._link.open()
            case Timer.SESSION_CREATED:
                self._outbox.do(Disconnect())
                self._disconnected(Disconnected(close_code=1006, reason="no session.created"))
            case Timer.SESSION_UPDATED:
                self._go_online()
            case Timer.STABLE:
                self._link.stable()
            case Timer.RESPONSE_CREATED:
                if self._responses.never_created():
                    hint = "Ask again; if it keeps happening, start a new conversation."
                    self._notice("The server did not begin to answer.", hint, "no-answer", Severity.WARNING)
            case Timer.RESPONSE_DONE:
                self._responses.never_done()
            case Timer.APPROVED:
                self._tools.nothing_followed()
            case Timer.RETRY:
                if self._link.online and not self._responses.busy and not self._over_budget:
                    self._responses.request(self._responses.failed)
            case Timer.EXPIRY:
                self._expires_soon()

    # --- talking and typing ---------------------------------------------------------------------

    def _talk_pressed(self, event: TalkPressed) -> None:
        if self._talk.held:
            return
        if self._setup.hands_free and not self._talk.takes_a_turn:
            self._mic_refused = False
            self._interrupt(None)  # the microphone is open already; a press is a wish for silence
            if self._over_budget:
                self._tell_budget()
        elif self._may_begin():
            if self._talk.closed:
                self._interrupt(event)
            else:
                self._interrupt(None)  # the microphone may be closing after hands-free, while an answer sounds
                self._talk.begin_again()

    def _microphone(self, event: MicStarted | MicClosed | MicFailed) -> None:
        online = self._link.online
        match event:
            case MicStarted():
                self._talk.started()
                answer = False
            case MicClosed(beside_ms):
                answer = self._talk.ended(online=online, beside_ms=beside_ms)
            case MicFailed(notice):
                if self._talk.continuous and not self._talk.closed:
                    self._mic_refused = True
                    self._server_hears = False
                self._outbox.do(ShowNotice(notice))
                answer = self._talk.failed(online=online)
        if answer:
            self._responses.request()

    def _message_entered(self, event: TextEntered) -> None:
        if not (event.text.strip() or event.images or event.recordings):
            return
        if not self._link.online or self._over_budget:
            self._give_back(event)
        elif event.queued and self.turn is not Turn.IDLE:
            if len(self._queued) < limits.MAX_QUEUED:
                self._queued.append(event)
            else:
                self._give_back(event)
        else:
            self._interrupt(event)

    def _give_back(self, event: TextEntered) -> None:
        self._outbox.do(GiveBackText(event.text, event.images, event.recordings))
        if self._link.online:
            self._may_begin()  # says why not
            return
        text = "There is no connection, so your message was not sent."
        self._notice(text, "It stays in the line; send it once it says «connected».", "not-connected")

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
            self._answers.mark_unspoken()
            self._begin_what_waits()

    def _playback_stopped(self, heard: tuple[Heard, ...]) -> None:
        self._playback.stopped(heard, session_no=self._link.session_no if self._link.online else None)
        self._answers.mark_unspoken()
        self._begin_what_waits()

    def _begin_what_waits(self) -> None:
        waiting, self._when_silent = self._when_silent, []
        number, hears = self._link.session_no, self._server_hears
        for cause in waiting:
            match cause:
                case TalkPressed():
                    if self._talk.closed:
                        self._talk.begin()
                case TextEntered():
                    self._messages.text(cause, session_no=number, server_hears=hears)

    # --- what was said already ------------------------------------------------------------------

    def _answer(self) -> None:
        if not self._responses.pending and not self._talk.takes_a_turn:
            failed = self._responses.failed
            self._begin_turn()
            self._responses.request(failed)

    def _say_the_rest(self, item_id: str) -> None:
        entry = self._transcript.get(item_id)
        rest = entry.text[entry.heard_chars :].strip() if entry and entry.heard_chars is not None else ""
        if entry is not None and rest and entry.action is not None:
            self._transcript.change(item_id, status=entry.status)  # the offer is taken
            self._begin_turn()
            exact = f"Go on where you were interrupted. Say exactly the following, and nothing more: {rest}"
            self._responses.request(ResponseParams(instructions=exact, tool_choice="none"))

    def _forget_all(self, item_ids: Sequence[str]) -> None:
        """Take items out of the context; what is being said of them ends."""
        known = [item_id for item_id in item_ids if self._transcript.get(item_id) is not None]
        sounding = [self._playback.forget_item(item_id) for item_id in known]
        answering = {entry.item_id for entry in self._transcript.open_entries()} & set(known)
        if any(sounding) or (answering and self._responses.pending):
            self._interrupt(None)
        for item_id in known:
            self._forget(item_id)

    def _forget(self, item_id: str) -> None:
        entry = self._transcript.get(item_id)
        if entry is None:
            return
        self._tools.forget(item_id)
        self._transcript.remove(item_id)
        if not self._link.online or item_id.startswith(FAILED_ID):
            return
        if entry.tool is not None and not entry.tool.server and entry.tool.output:
            self._outbox.send(events.ConversationItemDelete(item_id=replay.output_id(item_id)))
        self._outbox.send(events.ConversationItemDelete(item_id=item_id))

    def _resend(self, item_id: str, text: str) -> None:
        entry = self._transcript.get(item_id)
        images = entry.images if entry is not None else ()
        if text.strip() or images:
            self._forget_all((*reversed(self._transcript.after(item_id)), item_id))
            self._message_entered(TextEntered(text, images))

    def _copy_came(self, item: Item) -> None:
        asked = [event_id for event_id, item_id in self._copies.items() if item_id == item.id]
        for event_id in asked:
            del self._copies[event_id]
        pcm = b"".join(part.audio for part in item.parts if part.audio)
        if asked and item.id and pcm:
            self._outbox.do(SaveRecording(item.id, pcm))
        elif asked:
            self._no_copy()

    def _no_copy(self) -> None:
        hint = "Only what was spoken in this session can be saved."
        self._notice("The server has no recording of this.", hint, "copy")

    # --- beside the conversation ----------------------------------------------------------------

    def _to_say_later(self, event: AsideAsked) -> None:
        """What is spoken waits until nobody speaks; what reminds of something must not get lost."""
        kept = self._may_begin() or event.kind is AsideKind.READ_ALOUD
        if kept and len(self._to_say) < limits.MAX_QUEUED:
            self._to_say.append(event)

    def _ask_aside(self, event: AsideAsked) -> None:
        question = None
        if event.kind is AsideKind.ABOUT:
            question = Item(type="message", role="user", content=[ContentPart(type="input_text", text=event.text)])
        possible = self._responses.echoes is not False
        if not self._asides.ask(event, question, possible=possible) and event.kind is not AsideKind.TITLE:
            text = "This cannot be answered beside the conversation now."
            hint = "Try again in a moment." if possible else "This server does not support it."
            self._notice(text, hint, "aside", Severity.WARNING)

    def _name_conversation(self) -> None:
        if not self._titles() or self._named or self._over_budget:
            return
        if self._answers.completed_answers >= TITLE_AFTER:
            self._named = True
            self._ask_aside(AsideAsked(AsideKind.TITLE))

    # --- what the server says -------------------------------------------------------------------

    def _received(self, event: events.ServerEvent) -> None:
        match event:
            case events.ResponseOutputAudioDelta():
                self._answers.audio(event, session_no=self._link.session_no)
            case events.ResponseOutputAudioTranscriptDelta():
                self._answers.words(event, event.delta, spoken=True, append=True)
            case events.ResponseOutputAudioTranscriptDone():
                self._answers.words(event, event.transcript, spoken=True, append=False)
            case events.ResponseOutputTextDelta():
                self._answers.words(event, event.delta, spoken=False, append=True)
            case events.ResponseOutputTextDone():
                self._answers.words(event, event.text, spoken=False, append=False)
            case events.ResponseOutputAudioDone():
                self._playback.end_part(PartId(event.item_id, event.content_index))
            case events.ResponseCreated():
                if not self._asides.created(event.response):
                    self._responses.created(event.response)
                    self._tools.response_begins()
            case events.ResponseOutputItemAdded():
                self._answers.output_item(event.response_id, event.item, final=False)
            case events.ResponseOutputItemDone():
                self._answers.output_item(event.response_id, event.item, final=True)
            case events.ResponseDone():
                before = self._answers.completed_answers
                self._answers.done(event.response, session_no=self._link.session_no)
                if self._answers.completed_answers > before:
                    self._name_conversation()
            case _:
                self._received_of_items(event)

    def _received_of_items(self, event: events.ServerEvent) -> None:
        match event:
            case events.ConversationItemAdded() | events.ConversationItemCreated():
                self._messages.echoed(event.item)
                self._answers.item_added(event.item, event.previous_item_id or None)
            case events.ConversationItemDone():
                self._answers.item_ends(event.item)
            case events.ConversationItemDeleted():
                self._transcript.remove(event.item_id)
            case events.ConversationItemRetrieved():
                self._copy_came(event.item)
            case events.InputAudioTranscriptionDelta():
                self._words.piece(event)
            case events.InputAudioTranscriptionCompleted():
                self._words.told(event, session_no=self._link.session_no)
            case events.InputAudioTranscriptionFailed():
                self._words.failed(event)
            case events.McpListToolsFailed():
                text = "A tool server of this session could not be reached."
                self._notice(text, "The conversation goes on without its tools.", "mcp", Severity.WARNING)
            case _:
                self._received_of_turns(event)

    def _received_of_turns(self, event: events.ServerEvent) -> None:
        match event:
            case events.InputAudioBufferSpeechStarted():
                self._server_hears = (
                    self._setup.server_listens
                )  # with push to talk, whose turn it is we know better
                self._idle_questions = 0
                if self._setup.server_interrupts:
                    self._interrupt(None, server_cancels=True)
            case events.InputAudioBufferSpeechStopped():
                self._server_hears = False
            case events.InputAudioBufferCommitted():
                self._committed(event)
            case events.InputAudioBufferTimeoutTriggered():
                self._nobody_answers(event.item_id)
            case _:
                self._received_of_session(event)

    def _received_of_session(self, event: events.ServerEvent) -> None:
        match event:
            case events.SessionCreated():
                self._session_created(event.session)
            case events.SessionUpdated():
                self._session_updated(event.session)
            case events.RateLimitsUpdated():
                told = tuple(event.rate_limits[: limits.MAX_RATE_LIMITS])
                self._info = ConnectionInfo(self._info.session_id, self._info.model, self._info.expires_at, told)
                self._answers.rate_limits = told
            case events.Error():
                self._error(event.error)
            case _:
                pass  # what has no meaning here: unknown events, WebRTC's, confirmations

    def _committed(self, event: events.InputAudioBufferCommitted) -> None:
        self._server_hears = False
        self._words.committed(event.item_id, event.previous_item_id or None)
        if self._talk.takes_a_turn or not self._setup.hands_free:
            return  # our own commit: the turn began with the press
        if event.item_id != self._idle_item:
            self._begin_turn()
        if self._setup.server_answers:
            self._responses.expect()

    def _nobody_answers(self, item_id: str) -> None:
        """The server asks whether anybody is there (`input_audio_buffer.timeout_triggered`)."""
        self._idle_item = item_id
        self._words.silent_turn(item_id)
        self._idle_questions += 1
        if self._idle_questions >= MAX_IDLE_QUESTIONS and self._setup.stop_asking():
            text = "Nobody answered, so the assistant no longer asks whether you are there."
            self._notice(text, "You can turn that on again in the settings.", "idle")

    # --- errors ---------------------------------------------------------------------------------

    def _error(self, error: events.ErrorBody) -> None:
        event_id = error.event_id or self._outbox.last_of(failures.blamed(error))
        if failures.is_active_response(error):
            if not self._asides.refused(error.event_id or ""):
                self._responses.refused_as_active(error.event_id or "")
            return
        if failures.is_benign(error):
            self._explain(error, event_id)
            return
        aside = self._asides.refused(event_id)
        if aside is None:
            if self._setup.refused(error):
                return
            self._responses.refused(event_id)
        self._link.last_error = error
        if aside is not AsideKind.TITLE:
            self._outbox.do(ShowNotice(failures.notice_of(error, self._what_was_refused(event_id))))

    def _explain(self, error: events.ErrorBody, event_id: str) -> None:
        """Two of the crossings on the wire that nobody needs to hear of are answers to a wish of the user."""
        if error.code_text == failures.NOT_RETRIEVED and self._copies.pop(event_id, None) is not None:
            self._no_copy()
        elif error.code_text == failures.COMMIT_EMPTY and not self._setup.hands_free and self._responses.unborn:
            self._responses.call_off(server_cancels=False)
            hint = "Say it again; if it keeps happening, check the microphone."
            self._notice("Nothing of what you said arrived.", hint, "too-short", Severity.WARNING)

    def _what_was_refused(self, event_id: str) -> str:
        kind = self._outbox.kind_of(event_id)
        return _REQUESTS.get(kind, "") if kind is not None else ""


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
