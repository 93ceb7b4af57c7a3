"""The rules of one conversation: what to do about each thing that happens.

Small machines run side by side; their product is never written down as states of its own. Each has its file, with
its rules above its code: the link (`link.py`), how the session is configured (`setup.py`), the microphone
(`talk.py`), what the user hands over (`messages.py`) and what is written down of what was said (`user_words.py`),
the response in progress (`responses.py`), what comes of it (`answers.py`), what sounds (`playback.py`), the calls
of tools of tools (`tool_calls.py`), the answers beside the conversation (`asides.py`), the session that is to come
(`succession.py`) and the transcript (`transcript.py`).
This file is what joins them: it tells each machine what concerns it, and holds the rules that need several of them.

The server generates faster than real time, so a response is often done long before it is heard; that is why «is a
response in progress?» (cancel it) and «is a part unheard?» (truncate it) are two questions.

Whose move it is, `turn`, is derived from all of them. An interruption has one path, `_interrupt`: silence first,
then `response.cancel`; what was heard comes back as `PlaybackStopped` in the same dispatch, and only then the
truncation is told and the thing the user interrupted for is begun, so the order on the wire is cancel, truncate,
clear, append. What has to wait for a quiet moment is done by `_use_the_moment`, after every input.

A conversation outlives its sessions. One that ends unasked for is followed by another after a pause (`link.py`);
one that is about to end, or has to (another voice, another model), by one that is ready before (`_switch_over`).
Either way the new one is told what was said (`replay.py`), a talk goes on in it, and so do the calls of tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from desktop_app.conversation import failures, limits, replay, talk
from desktop_app.conversation.answers import CUT, FAILED_ID, LOST, Answers
from desktop_app.conversation.asides import SPOKEN, Asides
from desktop_app.conversation.effects import (
    ConnectionInfo,
    Disconnect,
    DismissNotice,
    Effect,
    GiveBackText,
    Link,
    Probe,
    SaveRecording,
    ShowNotice,
    ShowTitle,
    SwitchOver,
    Turn,
)
from desktop_app.conversation.entries import EntryStatus, Role
from desktop_app.conversation.inputs import (
    DUPLEX,
    AnswerAsked,
    AsideAsked,
    AsideKind,
    BudgetReached,
    ConnectAsked,
    ConsentGiven,
    ConversationContinued,
    DeviceChanged,
    Disconnected,
    DuplexChanged,
    ForgetAsked,
    Heard,
    Input,
    MicBlock,
    MicClosed,
    MicFailed,
    MicFound,
    MicStarted,
    Muted,
    NetworkChanged,
    NewConversationAsked,
    OnsetHeard,
    PlaybackFinished,
    PlaybackStarted,
    PlaybackStopped,
    Received,
    Recording,
    RenewalAsked,
    ResendAsked,
    RestAsked,
    Resumed,
    RetryStopped,
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
from desktop_app.conversation.replay import Summary
from desktop_app.conversation.responses import Responses
from desktop_app.conversation.setup import Setup
from desktop_app.conversation.shown import Shown
from desktop_app.conversation.succession import State as SuccessionState
from desktop_app.conversation.succession import Succession
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
STAGES = ((300, 4), (60, 8), (20, 20))
"""So many seconds before a session expires, or at such a part of a short life: the next one is opened, to take over
at a quiet moment; it takes over though somebody talks or listens; it does in the middle of an answer, too."""
DIGEST_WITHIN_MS = 15_000
"""So long a planned change of sessions waits for the old one's summary of itself."""
MAX_FAILED_SUCCESSORS = 2
"""After so many a session that is wanted now is opened in the present one's place: some servers allow only one."""
LONG_SLEEP_S = 30.0
"""After so long a sleep no connection lives: servers ping more often."""
SHORTEST_SESSION_S = 60
"""A session that is to live shorter, by our clock, is not renewed: one of the two clocks is wrong."""
LONGEST_LOOK_S = 24 * 3600
"""So often the end of a session is looked at: a clock may be set right, and timers of the system end at 24 days."""
LATEST_S = 253_402_300_799
"""The year 9999: a session that is said to live longer is as good as endless."""

UNSENT_TALK = "What you said"

_Cause = TalkPressed | TextEntered


class Conversation:
    """Turns each thing that happens into what shall be done; touches nothing itself.

    `session` is what every connection is configured with, without the voice. `voices` is what can be picked.
    `jitter` returns 0 to 1. `titles`: whether a title is asked for by a response out of band, once it may be. `now`
    returns Unix seconds; without it a session is not renewed before it expires. `most_entries`: how many the
    transcript holds.
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
        most_entries: int | None = None,
    ) -> None:
        self._outbox = outbox = Outbox()
        self._link = LinkMachine(outbox, jitter)
        self._setup = setup = Setup(outbox, session, voice=voice, voices=voices)
        self._transcript = transcript = Transcript(outbox, most_entries or limits.MAX_ENTRIES)
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
        self._named = False
        """The conversation has a title, or was asked for one."""
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
        self._succession = Succession(outbox, setup, jitter)
        self._stage = 0
        """How many of `STAGES` are behind: 0, the session has time."""
        self._life_s = 0.0
        """How long this session was to live when it began; 0: it is not said, or cannot be right."""
        self._summary: Summary | None = None
        """What a session said of itself before it ended."""
        self._summary_until = ""
        self._digest_asked = False
        self._told: set[str] = set()
        """The items this session was given of the one before."""
        self._taken_back: set[str] = set()
        """Those of them that it was to forget, and of which nothing was heard that could be told instead."""
        self._retold: Recent[None] = Recent(limits.MAX_REMEMBERED)
        """Items that are deleted only to be told again: their rows stay."""
        self._owed: ResponseParams | None = None
        """An answer of which nothing had come when its session ended: it is asked for again."""
        self._untold: TextEntered | None = None
        """The last question, if it was asked by sound: another session cannot be told it."""
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
            case Received(server_event, True):
                self._received_by_next(server_event)
            case Received(server_event):
                self._received(server_event)
            case MicBlock(pcm):
                self._talk.captured(pcm)
            case MicStarted() | MicClosed() | MicFailed():
                self._microphone(event)
            case MicFound():
                self._mic_refused = False
                self._outbox.do(DismissNotice("microphone"))
            case DeviceChanged(notice):
                self._outbox.do(ShowNotice(notice))
            case OnsetHeard():
                self._onset_heard()
            case DuplexChanged(notice):
                self._outbox.do(ShowNotice(notice) if notice is not None else DismissNotice(DUPLEX))
            case PlaybackStarted():
                pass
            case PlaybackFinished(part):
                self._playback.finished(part)
            case PlaybackStopped(heard):
                self._playback_stopped(heard)
            case SpeakerFailed(notice, heard):
                self._outbox.do(ShowNotice(notice))
                self._playback.failed(heard)
            case Disconnected(by_next=True):
                self._succession.lost(event)
            case Disconnected():
                self._disconnected(event)
            case Resumed(gap_s):
                self._resumed(gap_s)
            case NetworkChanged(reachable):
                self._network_changed(reachable)
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
                self._succession.drop()  # what is prepared may be of the model before
            case Muted(muted):
                self._talk.muted = muted
                self._mic_refused = self._mic_refused and muted
            case NewConversationAsked():
                self._new_conversation()
            case ConversationContinued():
                self._continue_conversation(event)
            case RetryStopped():
                self._stop_trying()
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
            if isinstance(event, ResendAsked) or (isinstance(event, AsideAsked) and event.text):
                self._outbox.do(GiveBackText(event.text))  # a question about some entries is typed as well
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
            return Turn.ASKING if self._tools.asking else Turn.USING_TOOL
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
        if not self._link.online:
            return
        idle = not answering and self.turn is Turn.IDLE
        if idle and self._queued and not self._over_budget:
            self._interrupt(self._queued.pop(0))
        elif idle and self._to_say and not self._over_budget:
            self._ask_aside(self._to_say.pop(0))
        else:
            self._mind_the_succession(idle=idle)

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
            hint = "Click «Not connected» at the top, and there «Reconnect»."
            if self._link.state is Link.CONNECTING:
                hint = "Wait until it says «connected»."
            self._notice("There is no connection yet, so nobody would hear you.", hint, "not-connected")
        return self._link.online

    def _may_begin(self) -> bool:
        """Whether a turn can begin; if not, say why."""
        if not self._is_online():
            return False
        if self._over_budget:
            self._tell_budget()
        return not self._over_budget

    def _begin_turn(self) -> None:
        self._untold = None
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
            self._life_s = 0.0
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
            min(session.expires_at or 0, LATEST_S) or before.expires_at,
            before.limits,
        )
        told = min(session.expires_at or 0, LATEST_S)
        if told and (told != before.expires_at or not self._life_s):
            left_s = told - self._now() if self._now is not None else 0
            self._life_s = left_s if left_s >= SHORTEST_SESSION_S else 0
            self._watch_expiry()

    def _watch_expiry(self) -> None:
        """See how near the end of the session is, and look again when it is nearer."""
        if self._now is None or not self._life_s or self._info.expires_at is None:
            self._outbox.stop_waiting(Timer.EXPIRY)
            return
        left_s = self._info.expires_at - self._now()
        marks = [min(seconds, self._life_s / part) for seconds, part in STAGES]
        self._stage = sum(left_s <= mark for mark in marks)
        ahead = [mark for mark in marks if mark < left_s]
        if ahead:
            ms = int(min(left_s - ahead[0], LONGEST_LOOK_S) * 1000)
            self._outbox.wake_after(max(ms, 1), Timer.EXPIRY)

    def _go_online(self) -> None:
        if self._link.state is not Link.CONNECTING or not self._link.has_session:
            return
        self._link.ready()
        self._tell_what_was_said()

    def _tell_what_was_said(self) -> None:
        """Give a new session what it needs to go on: what was said, what is being said, what was asked."""
        items = replay.replayable(self._transcript.from_the_last(), self._summary)
        for item in items:
            self._outbox.send(events.ConversationItemCreate(item=item))
        self._told = {item.id for item in items if item.id}
        self._taken_back.clear()
        if items:
            self._responses.first_modalities = self._setup.modalities
        self._talk.move()
        followed, owed = self._tools.begin_session(), self._owed
        self._owed = None
        if not self._over_budget and (followed or owed):
            self._responses.request(followed or owed)

    def _disconnected(self, facts: Disconnected) -> None:
        online = self._link.online
        if online:
            self._owed = self._unanswered()
            self._give_back_unanswered()
        self._leave_session()
        self._link.lost(facts)
        if self._link.state is Link.OFFLINE:
            self._give_up()
        elif online and self._talk.takes_a_turn:
            text = "The connection was lost while you were speaking."
            self._notice(text, "Go on: it is kept until the connection is back.", "lost-talk", Severity.WARNING)

    def _unanswered(self) -> ResponseParams | None:
        """Return what the last turn asked for, if nothing of the answer came and the turn can be told again."""
        params = self._responses.outstanding
        last = self._transcript.get(self._transcript.last)
        if params is None or last is None:
            return None
        if last.role is Role.USER:
            known = bool(last.text or last.images) and not last.remark  # that of a sound file, or of words not got
        else:
            known = bool(last.images) or (last.tool is not None and bool(last.tool.output))
        return params if known else None

    def _give_back_unanswered(self) -> None:
        """A question that was asked by sound comes back if its session ends before anything of an answer came."""
        untold, self._untold = self._untold, None
        last = self._transcript.get(self._transcript.last)
        begun = last is not None and last.role is not Role.USER and last.status is EntryStatus.IN_PROGRESS
        if untold is None or self._owed is not None or begun or self._responses.outstanding is None:
            return
        self._outbox.do(GiveBackText(untold.text, untold.images, untold.recordings))
        text = "The connection was lost before you were answered."
        hint = "What you said is kept as a recording; send it again once it says «connected»."
        self._notice(text, hint, "lost-talk", Severity.WARNING)

    def _give_up(self) -> None:
        """There will be no session before the user asks for one: nothing is asked for by itself after that."""
        self._owed = None
        self._tools.give_up()
        if self._talk.takes_a_turn:
            self._give_back_talk()
            self._talk.call_off()

    def _give_back_talk(self) -> None:
        """What was said without a session is kept as a sound file, which the user may send."""
        pcm = self._talk.unsent()
        if pcm:
            self._outbox.do(GiveBackText("", (), (Recording(pcm, UNSENT_TALK),)))
            text = "There is no connection, so what you said was not sent."
            self._notice(text, "It is kept as a recording; send it once it says «connected».", "lost-talk")

    def _stop_trying(self) -> None:
        """The user wants no more attempts."""
        if self._link.state is Link.CONNECTING:
            self._leave_session()
            self._link.stop()
            self._give_up()

    def _resumed(self, gap_s: float) -> None:
        """The computer slept: timers are late, and the connection may be gone without a word."""
        self._watch_expiry()
        if self._link.online:
            self._outbox.do(Probe())
        else:
            self._link.hurry(anew=True)
        self._succession.hurry()

    def _network_changed(self, reachable: bool) -> None:
        """The network is another one: what goes over the old one is asked whether it lives."""
        if self._link.online:
            self._outbox.do(Probe())
        elif reachable:
            self._link.hurry(anew=False)
        if reachable:
            self._succession.hurry()

    def _leave_session(self) -> None:
        """What was being said or answered is lost with the session; what was received is still heard."""
        self._succession.drop()
        self._forget_session()
        self._tools.lose_session()
        self._talk.lose_session()
        self._setup.end()

    def _forget_session(self, remark: str = LOST) -> None:
        """Nothing more comes of the present session."""
        self._playback.end_all()
        self._server_hears = self._talk.hears = False
        self._renewal = False
        self._stage = 0
        self._digest_asked = False
        self._idle_questions = 0
        self._copies.clear()
        self._asides.lose()
        self._messages.lose()
        self._answers.lose(remark)
        self._words.lose()
        self._responses.reset()
        for timer in (Timer.RETRY, Timer.EXPIRY, Timer.DIGEST):
            self._outbox.stop_waiting(timer)

    # --- the session after this one -------------------------------------------------------------

    def _mind_the_succession(self, *, idle: bool) -> None:
        """Prepare another session if one is wanted, and go over to it at the right moment."""
        wanted = self._renewal or self._setup.voice_waits
        if not wanted and not self._stage:
            self._succession.drop()
            return
        if idle or self._stage:
            self._succession.want()
        if self._succession.state is SuccessionState.REFUSED:
            self._no_successor(wanted)
        elif self._succession.ready:
            quiet = idle and not (self._tools.busy or self._words.awaited)
            if quiet and self._stage < 2:
                self._ask_for_digest()
            if (quiet and not self._asides.busy) or self._must_switch():
                self._switch_over()
        elif wanted and idle and self._succession.failures >= MAX_FAILED_SUCCESSORS and not self._tools.busy:
            self._leave_session()
            self._link.ask()

    def _must_switch(self) -> bool:
        """Whether the end is so near that the new session takes over though somebody talks."""
        if self._playback.silencing or self._when_silent:
            return False
        return self._stage >= len(STAGES) or (self._stage == len(STAGES) - 1 and not self._responses.busy)

    def _no_successor(self, wanted: bool) -> None:
        refusal = self._succession.refusal
        if wanted and refusal is not None:
            self._succession.drop()
            self._renewal = False
            self._setup.keep_voice()
            hint = f"{refusal.hint} The conversation goes on as it was.".strip()
            self._notice(refusal.text, hint, "next session", Severity.WARNING)

    def _ask_for_digest(self) -> None:
        """Let the old session sum itself up, if the next one cannot be told everything."""
        if self._digest_asked:
            return
        self._digest_asked = True
        can = self._responses.echoes and not self._over_budget
        if can and replay.leaves_out(self._transcript.from_the_last()):
            self._asides.digest, self._summary_until = "", self._transcript.last
            if self._asides.ask(AsideAsked(AsideKind.DIGEST)):
                self._outbox.wake_after(DIGEST_WITHIN_MS, Timer.DIGEST)

    def _switch_over(self) -> None:
        """Go on in the session that was prepared; nobody notices."""
        if self._asides.digest:
            self._summary = Summary(self._asides.digest, self._summary_until)
            self._asides.digest = ""
        self._owed = owed = self._unanswered()
        self._give_back_unanswered()
        self._forget_session(CUT)
        self._tools.lose_session()
        self._outbox.do(SwitchOver())
        self._outbox.adopt(self._succession.outbox)
        self._link.switched()
        self._transcript.seal()
        self._setup.take_over(self._succession.take())
        self._setup.rest(answering=self._playback.sounds, talking=self._talk.takes_a_turn)
        self._life_s, self._owed = 0.0, owed
        self._learn(self._succession.session)
        self._tell_what_was_said()

    def _received_by_next(self, event: events.ServerEvent) -> None:
        match event:
            case events.SessionCreated():
                self._succession.created(event.session)
            case events.SessionUpdated():
                self._succession.updated(event.session)
            case events.Error():
                self._succession.refused(event.error)
            case _:
                pass  # nothing else concerns it before it is the present one

    # --- other conversations --------------------------------------------------------------------

    def _new_conversation(self) -> None:
        self._playback.silence()
        self._outbox.do(Disconnect())
        self._playback.forget()
        self._give_back_what_waits()
        self._talk.call_off()
        self._tools.lose()
        self._leave_session()
        self._transcript.clear()
        self._answers.clear()
        self._owed = self._summary = self._untold = None
        self._named = False
        self._outbox.do(ShowTitle(""))
        for key in (failures.LINK_KEY, "not-connected"):
            self._outbox.do(DismissNotice(key))
        self._link.ask()

    def _continue_conversation(self, past: ConversationContinued) -> None:
        """What was said before is shown at once, and replayed as soon as there is a session."""
        self._new_conversation()
        self._named = bool(past.title)
        for entry in past.entries:
            self._transcript.show(as_ended(entry))
        self._answers.completed_answers = sum(
            entry.role is Role.ASSISTANT and entry.status is EntryStatus.COMPLETED for entry in past.entries
        )
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
                self._watch_expiry()
            case Timer.NEXT_CREATED:
                self._succession.overdue()
            case Timer.NEXT_UPDATED:
                self._succession.configured()
            case Timer.NEXT_RETRY:
                self._succession.again()
            case Timer.DIGEST:
                for response_id in self._asides.give_up(AsideKind.DIGEST):
                    self._responses.disown(response_id)

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
        said = self._talk.said
        match event:
            case MicStarted():
                self._talk.started()
                answer = False
            case MicClosed(beside_ms):
                answer = self._talk.ended(online=online, beside_ms=beside_ms)
                self._give_back_talk()
            case MicFailed(notice):
                if self._talk.continuous and not self._talk.closed:
                    self._mic_refused = True
                    self._server_hears = False
                self._outbox.do(ShowNotice(notice))
                answer = self._talk.failed(online=online)
                self._give_back_talk()
        if answer:
            self._untold = TextEntered("", recordings=(Recording(said, UNSENT_TALK),))
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
        self._owed = None
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
        older = self._playback.stopped(heard, session_no=self._link.session_no if self._link.online else None)
        for item_id in older:
            self._tell_again(item_id)
        self._answers.mark_unspoken()
        self._begin_what_waits()

    def _tell_again(self, item_id: str) -> None:
        """An answer of an older session was told to this one whole, and then not heard to its end."""
        if item_id not in self._told or not self._link.online:
            return
        self._told.discard(item_id)
        self._retold[item_id] = None
        self._outbox.send(events.ConversationItemDelete(item_id=item_id))
        entry = self._transcript.get(item_id)
        heard = replay.replayable([entry] if entry is not None else [])
        for item in heard:
            self._outbox.send(events.ConversationItemCreate(item=item))
        if not heard:
            self._taken_back.add(item_id)

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
                    self._untold = cause if cause.recordings else None

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
        if not self._link.online or item_id.startswith(FAILED_ID) or item_id in self._taken_back:
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
                if self._responses.outstanding is None:
                    self._untold = None
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
                if event.item_id in self._retold:
                    del self._retold[event.item_id]
                else:
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
                # With push to talk, whose turn it is we know better.
                self._server_hears = self._talk.hears = self._setup.server_listens
                self._idle_questions = 0
                if self._setup.server_interrupts:
                    self._interrupt(None, server_cancels=True)
            case events.InputAudioBufferSpeechStopped():
                self._server_hears = self._talk.hears = False
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

    def _onset_heard(self) -> None:
        """Somebody speaks over the answer: be silent before the server says `speech_started`, and tell it so.

        Only where it would interrupt by itself. If it then hears no speech, the answer is cut where it was heard
        to, for both of us; if it does, there is nothing left to interrupt.
        """
        interrupts = self._setup.hands_free and self._setup.server_interrupts
        if interrupts and self._talk.continuous and not self._talk.muted and self._playback.sounds:
            self._interrupt(None)

    def _committed(self, event: events.InputAudioBufferCommitted) -> None:
        self._server_hears = self._talk.hears = False
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
