"""Any interleaving of inputs keeps what must always be true: stories nobody thought of.

The machine is everybody the core deals with: a user, a server that keeps the protocol, a microphone, a speaker and
tools, each doing what it may do at any time. What must always be true is asserted where it would show: when an
event is sent, when a part is played, when a tool is run, and after every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import UNSET

from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import (
    AskConsent,
    CancelTool,
    ClearEntries,
    CloseMic,
    Connect,
    ConnectNext,
    Disconnect,
    DropNext,
    Effect,
    Link,
    OpenMic,
    Play,
    RemoveEntry,
    RunTool,
    Send,
    SendNext,
    ShowEntry,
    StopPlayback,
    SwitchOver,
    WakeAfter,
    WithdrawConsent,
)
from desktop_app.conversation.entries import Entry, EntryStatus, Role, ToolUse
from desktop_app.conversation.inputs import (
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
    PlaybackStopped,
    Received,
    RenewalAsked,
    ResendAsked,
    RestAsked,
    Resumed,
    RetryStopped,
    SessionChosen,
    SpeakerFailed,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
    ToolFinished,
    ToolOffer,
    ToolsOffered,
    VoiceChosen,
    Woke,
)
from desktop_app.conversation.setup import SPEED, TURN_DETECTION, read, with_value
from desktop_app.errors import Notice
from desktop_app.protocol import codec, events
from desktop_app.protocol.items import Item, PartId, Tool
from desktop_app.protocol.session_config import ServerVad
from tests.conversation.story import (
    CONFIG,
    HANDS_FREE,
    SESSION_UPDATED,
    added,
    added_item,
    audio,
    audio_done,
    created,
    done,
    ended,
    error,
    function_call,
    pcm,
    speech_started,
    transcribed,
    words_of,
)

NOTICE = Notice("It went away.", "Choose another.")
CONFIGS = [CONFIG, HANDS_FREE, with_value(CONFIG, SPEED, 1.2), with_value(HANDS_FREE, SPEED, 0.8)]
FREE, ASKS = "clock", "open_page"
OFFERS = ToolsOffered(tuple(ToolOffer(Tool(name=name, parameters={}), asks=name == ASKS) for name in (FREE, ASKS)))
LIFE_S = 3_600
PAST = (
    Entry("user_1_1", Role.USER, "Who painted it?", EntryStatus.COMPLETED),
    Entry("old_2", Role.ASSISTANT, "It was Ver", EntryStatus.IN_PROGRESS),
    Entry("old_3", Role.TOOL, tool=ToolUse("old_call", FREE, "{}")),
)
ALWAYS_ANSWERED = {Timer.RESPONSE_CREATED, Timer.RESPONSE_DONE}
"""A server that never answers is told in its own story; here it always does."""


@dataclass
class Round:
    """The calls of one response that was not called off."""

    open: set[str]
    undisturbed: bool = True
    """The user has done nothing since."""
    superseded: bool = False
    """The user interrupted since: what comes of the calls is told, and not answered."""


@dataclass
class Server:
    """One session, as the server must see it."""

    vad: bool = False
    active: str | None = None
    asked: list[events.ResponseCreate] = field(default_factory=list)
    called_off: set[str] = field(default_factory=set)
    """Requests after which the user interrupted: what comes of them is not heard."""
    owes: bool = False
    """It found a turn, and begins a response by itself."""
    asides_asked: list[events.ResponseCreate] = field(default_factory=list)
    asides: dict[str, str] = field(default_factory=dict)
    """Responses out of band, and what each is for."""
    cancelled: set[str] = field(default_factory=set)
    spoke: bool = False
    items: list[tuple[str, str]] = field(default_factory=list)
    """Assistant items, and the response of each."""
    received_ms: dict[PartId, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    truncated: set[PartId] = field(default_factory=set)
    owed: set[str] = field(default_factory=set)
    """Calls and approvals without an answer."""
    answered: set[str] = field(default_factory=set)
    rounds: list[Round] = field(default_factory=list)
    late: list[dict[str, object]] = field(default_factory=list)
    """Ends that are still on their way when the next response is born."""
    buffer: bytes = b""
    """What was appended since the last commit or clear."""


class World(RuleBasedStateMachine):
    """A user, a server, a microphone, a speaker and tools."""

    def __init__(self) -> None:
        super().__init__()
        self.core = Conversation(
            CONFIG,
            voice="heart",
            voices=("heart", "max"),
            jitter=lambda: 0.5,
            titles=lambda: True,
            now=lambda: self.now_s,
        )
        self.rows: list[str] = []
        """The transcript, as a window has it."""
        self.timers: list[WakeAfter] = []
        self.numbers = 0
        self.connecting = False
        self.server: Server | None = None
        self.next_connecting = False
        self.next: Server | None = None
        """The session that is prepared beside the present one."""
        self.now_s = 1_000_000.0
        self.expires_s = self.next_expires_s = 0.0
        # the speaker
        self.queue: dict[PartId, int] = {}
        self.response_of: dict[str, str] = {}
        self.silent: set[str] = set()
        """Responses of which nothing may sound any more."""
        # the microphone
        self.mic_open = False
        self.mic_closing = False
        self.spoken = b""
        """What the microphone delivered since it was opened."""
        # tools
        self.consents: set[str] = set()
        self.agreed: set[str] = set()
        self.running: set[str] = set()
        self.ran: set[str] = set()
        self.tool_of: dict[str, str] = {}
        self.trusted: set[str] = set()
        self.over_budget = False
        self.sent: list[events.ClientEvent] = []
        """What the last step sent."""
        self.asked_before: set[str] = set()
        """The requests that were on their way before the last step."""

    # --- performing, as the session does --------------------------------------------------------

    def take(self, event: Input) -> None:
        inbox: list[Input] = [event]
        self.sent = []
        self.asked_before = {str(asked.event_id) for asked in self.server.asked} if self.server else set()
        while inbox:
            event = inbox.pop(0)
            if isinstance(event, MicBlock):
                self.spoken += event.pcm
            for effect in self.core.handle(event):
                self.perform(effect, inbox)
            if isinstance(event, MicClosed | MicFailed):
                self.spoken = b""

    def user(self, event: Input) -> None:
        """Take what the user does: what was wanted before is no longer followed up for its own sake."""
        for round_ in self.server.rounds if self.server else ():
            round_.undisturbed = False
        self.take(event)

    def perform(self, effect: Effect, inbox: list[Input]) -> None:
        match effect:
            case Send(event):
                self.sent.append(event)
                self.check_sent(event)
            case Play(part, data):
                assert self.response_of[part.item_id] not in self.silent, "nothing plays after an interruption"
                self.queue[part] = self.queue.get(part, 0) + len(data) // 48
            case StopPlayback():
                self.silent |= {self.response_of[part.item_id] for part in self.queue}
                inbox.append(PlaybackStopped(self.heard()))
                self.queue.clear()
            case OpenMic():
                assert not self.mic_open, "a microphone that is open is not opened"
                if self.mic_closing:
                    self.mic_closing = False
                    inbox.append(MicClosed())
                self.mic_open = True
            case CloseMic():
                assert self.mic_open, "a microphone that is not open is not closed"
                self.mic_open, self.mic_closing = False, True
            case Connect():
                self.server, self.connecting = None, True
            case Disconnect():
                self.server, self.connecting = None, False
            case ConnectNext():
                assert not self.next_connecting, "one at a time is prepared"
                assert self.next is None
                self.next_connecting = True
            case SendNext(event):
                assert self.next is not None, "nothing is sent without a session"
                assert isinstance(event, events.SessionUpdate), "it is configured before it is used"
                self.check_update(self.next, event.session)
            case DropNext():
                self.next, self.next_connecting = None, False
            case SwitchOver():
                assert self.next is not None, "only to what is there"
                self.server, self.next = self.next, None
                self.expires_s = self.next_expires_s
            case WakeAfter():
                self.timers.append(effect)
            case RunTool() | CancelTool() | AskConsent() | WithdrawConsent():
                self.check_tools(effect)
            case ShowEntry() | RemoveEntry() | ClearEntries():
                self.show(effect)

    def heard(self) -> tuple[Heard, ...]:
        """Half of the first part; now and then nothing, and now and then a speaker claims too much."""
        share = (0.5, 0.5, 0.0, 1.5)[self.numbers % 4]
        parts = list(self.queue.items())
        return tuple(Heard(part, int(ms * share) if n == 0 else 0) for n, (part, ms) in enumerate(parts))

    def show(self, effect: ShowEntry | RemoveEntry | ClearEntries) -> None:
        match effect:
            case ShowEntry(entry, after):
                if entry.item_id in self.rows:
                    self.rows.remove(entry.item_id)
                assert after is None or after in self.rows, "what it stands behind is there"
                self.rows.insert(self.rows.index(after) + 1 if after is not None else 0, entry.item_id)
            case RemoveEntry(item_id):
                self.rows.remove(item_id)
            case ClearEntries():
                self.rows.clear()

    def check_tools(self, effect: RunTool | CancelTool | AskConsent | WithdrawConsent) -> None:
        match effect:
            case RunTool(call_id):
                assert call_id not in self.ran, "a call is run once"
                name = self.tool_of[call_id]
                assert name == FREE or call_id in self.agreed or name in self.trusted, "not without a yes"
                self.ran.add(call_id)
                self.running.add(call_id)
            case CancelTool(call_id):
                assert call_id in self.running, "what does not run is not called off"
                self.running.discard(call_id)
            case AskConsent(consent):
                assert consent.call_id not in self.consents, "asked once"
                self.consents.add(consent.call_id)
            case WithdrawConsent(call_id):
                assert call_id in self.consents, "what was not asked is not withdrawn"
                self.consents.discard(call_id)

    def check_sent(self, event: events.ClientEvent) -> None:
        server = self.server
        assert server is not None, "nothing is sent without a session"
        match event:
            case events.ResponseCreate(response=params) if params and params.conversation == "none":
                assert params.tools == [], "an answer beside the conversation does nothing"
                server.asides_asked.append(event)
            case events.ResponseCreate():
                assert server.active is None, "no response is asked for before the one before is done"
                assert not server.asked, "nor twice"
                assert not server.owes, "nor where the server begins by itself"
                server.asked.append(event)
            case events.ResponseCancel(response_id=response_id):
                assert isinstance(response_id, str), "by its id"
                assert response_id not in server.cancelled, "once"
                assert response_id == server.active or response_id in server.asides, "while it lives"
                server.cancelled.add(response_id)
                if response_id == server.active:
                    self.silent.add(response_id)
            case events.ConversationItemTruncate(item_id=item_id, content_index=index, audio_end_ms=ms):
                part = PartId(item_id, index)
                assert part in server.received_ms, "only what this session sent is truncated"
                assert 0 < ms <= server.received_ms[part], "never beyond what was received"
                assert item_id not in server.deleted, "nor what is not there any more"
                assert part not in server.truncated, "nor twice"
                assert self.response_of[item_id] not in server.asides, "nor what is beside the conversation"
                server.truncated.add(part)
            case events.ConversationItemDelete(item_id=item_id):
                assert item_id not in server.deleted, "once"
                server.deleted.add(item_id)
            case events.ConversationItemCreate(item=item):
                self.check_item(server, item)
            case events.SessionUpdate(session=session):
                self.check_update(server, session)
            case events.InputAudioBufferAppend(audio=pcm_):
                server.buffer += pcm_
            case events.InputAudioBufferClear():
                server.buffer = b""
            case events.InputAudioBufferCommit():
                assert server.buffer == self.spoken, "what was said is what the session got, all of it, in order"
                server.buffer = b""

    def check_item(self, server: Server, item: Item) -> None:
        server.deleted.discard(str(item.id))
        answers = item.call_id or item.approval_request_id
        if not isinstance(answers, str) or answers not in self.tool_of:
            return
        if item.type == "function_call":
            server.owed.add(answers)  # given back to a new session, and its output behind it
            return
        assert answers in server.owed, "a call is answered once, in the session that made it"
        server.owed.discard(answers)
        server.answered.add(answers)
        self.running.discard(answers)

    def check_update(self, server: Server, session: Any) -> None:
        if read(session, SPEED) is not UNSET and session.instructions is UNSET:
            assert server.active is None, "no speed while an answer is generated"
            assert not self.queue, "or heard"
        if session.voice:
            assert not server.spoke, "no voice after the first audio"
        if read(session, TURN_DETECTION) is not UNSET:
            server.vad = isinstance(read(session, TURN_DETECTION), ServerVad)

    def says(self, *frames: object) -> None:
        for frame in frames:
            event = codec.decode_server_event(msgspec.json.encode(frame)) if isinstance(frame, dict) else frame
            self.take(Received(event))  # type: ignore[arg-type]

    def here(self) -> Server:
        assert self.server is not None
        return self.server

    def sound(self, ms: int) -> bytes:
        """Return a block that is like no other."""
        return self.number().to_bytes(2, "little") * (len(pcm(ms)) // 2)

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    @property
    def online(self) -> bool:
        return self.core.link is Link.ONLINE

    def interrupted(self) -> None:
        """Every interruption silences: nothing is queued, and what is being generated will not sound."""
        assert not self.queue, "every interruption silences"
        if self.server is not None:
            for round_ in self.server.rounds:
                round_.superseded = True
            self.silent |= {self.server.active} if self.server.active else set()
            self.silent |= set(self.server.asides)
            self.server.called_off |= self.asked_before

    # --- the user -------------------------------------------------------------------------------

    @initialize(config=st.sampled_from([CONFIG, HANDS_FREE]))
    def start(self, config: Any) -> None:
        self.take(OFFERS)
        self.take(SessionChosen(config))
        self.take(ConnectAsked())
        self.session_begins()

    @rule(ms=st.sampled_from([40, 500]))
    def talk(self, ms: int) -> None:
        """A whole talk at once: single steps alone would seldom come that far."""
        self.press()
        if self.mic_open:
            self.take(MicStarted())
            self.take(MicBlock(self.sound(ms)))
            self.take(TalkReleased())
            if self.mic_closing:
                self.mic_closes()

    @rule()
    def press(self) -> None:
        held = self.core.turn.value in {"opening", "listening"}
        was_online = self.online
        self.user(TalkPressed())
        if was_online and not held and not self.over_budget:
            self.interrupted()

    @rule()
    def release(self) -> None:
        self.take(TalkReleased())

    @rule()
    def stop(self) -> None:
        self.user(StopPressed())
        self.interrupted()

    @rule(text=st.sampled_from(["hello", "  ", "what is that?"]), queued=st.booleans())
    def type_text(self, text: str, queued: bool) -> None:
        accepted = self.online and not self.over_budget and bool(text.strip())
        self.user(TextEntered(text, queued=queued))
        if accepted and not queued:
            self.interrupted()

    @rule(voice=st.sampled_from(["heart", "max"]))
    def choose_voice(self, voice: str) -> None:
        self.take(VoiceChosen(voice))

    @rule(config=st.sampled_from(CONFIGS))
    def choose(self, config: Any) -> None:
        self.take(SessionChosen(config))

    @rule(muted=st.booleans())
    def mute(self, muted: bool) -> None:
        self.take(Muted(muted))

    @rule(reached=st.booleans())
    def spend(self, reached: bool) -> None:
        self.over_budget = reached
        self.user(BudgetReached(reached))

    @rule()
    def renew(self) -> None:
        self.take(RenewalAsked())

    @rule()
    def begin_anew(self) -> None:
        self.user(NewConversationAsked())
        assert not self.queue
        assert not self.rows

    @rule()
    def reconnect(self) -> None:
        self.take(ConnectAsked())

    @rule()
    def ask_again(self) -> None:
        self.user(AnswerAsked())

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), what=st.sampled_from([RestAsked, ForgetAsked, ResendAsked]))
    def return_to(self, data: st.DataObject, what: type) -> None:
        row = data.draw(st.sampled_from(self.rows))
        if what is ForgetAsked:
            self.user(ForgetAsked((row,)))
            assert row not in self.rows
            assert not any(part.item_id == row for part in self.queue), "what is forgotten is not heard"
            self.excuse_forgotten()
        elif what is ResendAsked:
            self.user(ResendAsked(row, "in other words"))
            self.excuse_forgotten()
        else:
            self.user(RestAsked(row))

    def excuse_forgotten(self) -> None:
        """A call that was forgotten is not owed an answer."""
        for call_id in list(self.tool_of):
            if self.server and call_id.startswith("call_") and f"item_{call_id}" not in self.rows:
                self.server.owed.discard(call_id)

    @rule(kind=st.sampled_from([kind for kind in AsideKind if kind is not AsideKind.DIGEST]))
    def ask_aside(self, kind: AsideKind) -> None:
        self.take(AsideAsked(kind, "some words"))

    @precondition(lambda self: self.mic_open and self.queue)
    @rule()
    def leave_hands_free_and_press(self) -> None:
        """The microphone is still closing when the key goes down."""
        self.choose(CONFIG)
        self.press()

    # --- the microphone and the speaker ---------------------------------------------------------

    @precondition(lambda self: self.mic_open)
    @rule()
    def mic_starts(self) -> None:
        self.take(MicStarted())

    @precondition(lambda self: self.mic_open or self.mic_closing)
    @rule(ms=st.sampled_from([20, 60, 200]))
    def mic_delivers(self, ms: int) -> None:
        self.take(MicBlock(self.sound(ms)))

    @precondition(lambda self: self.mic_closing)
    @rule()
    def mic_closes(self) -> None:
        self.mic_closing = False
        self.take(MicClosed())

    @precondition(lambda self: self.mic_open or self.mic_closing)
    @rule()
    def mic_fails(self) -> None:
        self.mic_open = self.mic_closing = False
        self.take(MicFailed(NOTICE))

    @precondition(lambda self: self.queue)
    @rule()
    def heard_to_the_end(self) -> None:
        part = next(iter(self.queue))
        del self.queue[part]
        self.take(PlaybackFinished(part))

    @precondition(lambda self: self.queue)
    @rule()
    def speaker_fails(self) -> None:
        heard = tuple(Heard(part, ms // 3) for part, ms in self.queue.items())
        self.queue.clear()
        self.take(SpeakerFailed(NOTICE, heard))

    # --- the tools ------------------------------------------------------------------------------

    @precondition(lambda self: self.ran)
    @rule(data=st.data())
    def tool_finishes(self, data: st.DataObject) -> None:
        """A tool answers; one that was called off, or has answered, may do so too."""
        self.tool_ends(data.draw(st.sampled_from(sorted(self.ran))))

    def tool_ends(self, call_id: str) -> None:
        server = self.server
        owed = server is not None and call_id in server.owed
        self.running.discard(call_id)
        self.take(ToolFinished(call_id, '{"time": "12:00"}'))
        if owed and server is not None:
            assert call_id in server.answered, "each call is answered"
        self.followed_up(call_id)

    def followed_up(self, call_id: str) -> None:
        """After the last output of an undisturbed response exactly one request follows at once."""
        for round_ in self.server.rounds if self.server else ():
            if call_id in round_.open:
                round_.open.discard(call_id)
                creates = [event for event in self.sent if _is_default_create(event)]
                assert len(creates) <= 1
                asked_anew = any(isinstance(e, events.ConversationItemCreate) and e.item.role for e in self.sent)
                if not round_.open and round_.undisturbed and self.online:
                    assert creates, "the last output is followed up"
                assert not creates or not round_.open, "but not before the last one"
                assert not creates or not round_.superseded or asked_anew, "nor over a newer turn"

    @precondition(lambda self: self.consents)
    @rule(data=st.data(), allowed=st.booleans(), always=st.booleans())
    def consent(self, data: st.DataObject, allowed: bool, always: bool) -> None:
        self.agree(data.draw(st.sampled_from(sorted(self.consents))), allowed=allowed, always=always)

    def agree(self, call_id: str, *, allowed: bool, always: bool) -> None:
        self.consents.discard(call_id)
        if allowed:
            self.agreed.add(call_id)
            self.trusted |= {self.tool_of[call_id]} if always else set()
        self.take(ConsentGiven(call_id, allowed=allowed, always=always))
        if not allowed and not call_id.startswith("mcpr"):
            self.followed_up(call_id)
        self.take(ConsentGiven(call_id, allowed=allowed))

    # --- the server: the session ----------------------------------------------------------------

    @precondition(lambda self: self.connecting)
    @rule()
    def session_begins(self) -> None:
        self.server, self.connecting = Server(), False
        self.expires_s = self.now_s + LIFE_S
        self.says(self.created_now())
        if self.server is not None:
            self.says(SESSION_UPDATED)

    @precondition(lambda self: self.connecting or self.server)
    @rule(code=st.sampled_from([1001, 1006, 1011, 3000]))
    def connection_ends(self, code: int) -> None:
        self.server, self.connecting = None, False
        self.take(Disconnected(close_code=code))

    def created_now(self) -> dict[str, object]:
        """Return `session.created` of a session that begins now."""
        session = {"type": "realtime", "expires_at": int(self.now_s + LIFE_S)}
        return {"type": "session.created", "session": session}

    @precondition(lambda self: self.server)
    @rule(left_s=st.sampled_from([299, 299, 59, 19]))
    def end_comes_near(self, left_s: int) -> None:
        self.now_s = max(self.now_s, self.expires_s - left_s)
        for timer in [timer for timer in self.timers if timer.timer is Timer.EXPIRY]:
            self.timers.remove(timer)
            self.take(Woke(timer.timer, timer.serial))

    @precondition(lambda self: self.next_connecting)
    @rule(confirmed=st.booleans())
    def next_session_begins(self, confirmed: bool) -> None:
        self.next, self.next_connecting = Server(), False
        self.next_expires_s = self.now_s + LIFE_S
        self.take(Received(codec.decode_server_event(msgspec.json.encode(self.created_now())), by_next=True))
        if confirmed and self.next is not None:
            self.take(Received(codec.decode_server_event(msgspec.json.encode(SESSION_UPDATED)), by_next=True))

    @precondition(lambda self: self.next_connecting or self.next)
    @rule(facts=st.sampled_from([{"close_code": 1006}, {"http_status": 503}, {"http_status": 401}]))
    def next_session_fails(self, facts: dict[str, int]) -> None:
        self.next, self.next_connecting = None, False
        self.take(Disconnected(by_next=True, **facts))  # type: ignore[arg-type]
        assert self.core.link is not Link.OFFLINE or self.server is None, "the present session goes on"

    @precondition(lambda self: self.server)
    @rule(
        held=st.booleans(), left_s=st.sampled_from([59, 19]), first=st.sampled_from(["nothing", "answer", "call"])
    )
    def takes_over(self, held: bool, left_s: int, first: str) -> None:
        """The next session comes in the last minute, whatever happens; maybe with the key down."""
        if first != "nothing":
            self.type_text("hello", False)
        if first != "nothing" and self.server and self.server.asked and self.server.active is None:
            self.answer()
        if first == "call" and self.server and self.server.active:
            self.response_calls([FREE, ASKS], True, False, False, "nothing")
        if held:
            self.press()
            if self.mic_open:
                self.take(MicStarted())
                self.mic_delivers(60)
        self.end_comes_near(299)
        if self.next_connecting:
            self.next_session_begins(True)
        self.end_comes_near(left_s)
        self.talk_ends(held)

    def talk_ends(self, released: bool) -> None:
        """The microphone goes on for a while; maybe the key goes up."""
        if self.mic_open:
            self.mic_delivers(60)
        if released:
            self.take(TalkReleased())
        if self.mic_closing:
            self.mic_delivers(20)
            self.mic_closes()

    @rule(event=st.sampled_from([Resumed(5_000.0), NetworkChanged(True), NetworkChanged(False), RetryStopped()]))
    def things_change(self, event: Input) -> None:
        self.take(event)

    @rule(event=st.sampled_from([MicFound(), DeviceChanged(NOTICE), OnsetHeard(), DuplexChanged(NOTICE)]))
    def devices_come_and_go(self, event: Input) -> None:
        self.take(event)

    @rule(title=st.sampled_from(["Paintings", ""]))
    def go_on_with_an_old_conversation(self, title: str) -> None:
        self.user(ConversationContinued(PAST, title))
        assert self.rows == [entry.item_id for entry in PAST]
        assert not self.queue

    @precondition(lambda self: self.server and self.mic_open)
    @rule(released=st.booleans())
    def connection_is_cut_in_mid_talk(self, released: bool) -> None:
        self.mic_delivers(60)
        self.connection_ends(1006)
        if self.mic_open:
            self.mic_delivers(20)
        self.take(ConnectAsked())
        self.session_begins()
        self.talk_ends(released)

    @precondition(lambda self: self.server and self.queue)
    @rule(stopped=st.booleans())
    def session_is_lost_in_mid_answer(self, stopped: bool) -> None:
        """What was received is still heard when the next session is there already."""
        self.connection_ends(1006)
        self.take(ConnectAsked())
        self.session_begins()
        if stopped:
            self.stop()

    # --- the server: responses ------------------------------------------------------------------

    @precondition(lambda self: self.server and self.server.asked)
    @rule(names_event=st.booleans())
    def response_begins(self, names_event: bool) -> None:
        server = self.here()
        asked = server.asked.pop()
        assert asked.response is not UNSET
        if server.active is not None:  # the server began one by itself in the meantime
            event_id = str(asked.event_id) if names_event else None
            self.says(error("conversation_already_has_active_response", event_id=event_id))
            return
        response = self.new_response()
        if asked.event_id in server.called_off:
            self.silent.add(response)
        self.says(created(response, metadata=asked.response.metadata))

    @precondition(lambda self: self.server and self.server.owes)
    @rule()
    def response_begins_by_itself(self) -> None:
        server = self.here()
        server.owes = False
        if server.active is None:
            self.says(created(self.new_response()))

    def new_response(self) -> str:
        response = f"resp_{self.number()}"
        self.here().active = response
        return response

    @precondition(lambda self: self.server and self.server.asked and self.server.active is None)
    @rule()
    def answer(self) -> None:
        """The beginning of an answer at once."""
        self.response_begins(True)
        if self.here().active is not None:
            self.item_begins()
            self.item_goes_on(1000, "one ")

    @precondition(lambda self: self.server and self.server.active)
    @rule()
    def item_begins(self) -> None:
        server = self.here()
        item = f"item_{self.number()}"
        previous = server.items[-1][0] if server.items else None
        server.items.append((item, str(server.active)))
        self.response_of[item] = str(server.active)
        self.says(added(item, "assistant", previous))

    def items_of_active(self) -> list[str]:
        server = self.server
        return [item for item, of in server.items if of == server.active] if server and server.active else []

    @precondition(lambda self: self.items_of_active())
    @rule(ms=st.sampled_from([40, 300, 1000]), word=st.sampled_from(["one ", "two "]))
    def item_goes_on(self, ms: int, word: str) -> None:
        server = self.here()
        item = self.items_of_active()[-1]
        part = PartId(item, 0)
        server.received_ms[part] = server.received_ms.get(part, 0) + ms
        server.spoke = True
        self.says(words_of(item, word, str(server.active)), audio(item, ms, str(server.active)))

    @precondition(lambda self: self.items_of_active())
    @rule()
    def item_ends(self) -> None:
        self.says(audio_done(self.items_of_active()[-1], str(self.here().active)))

    @precondition(lambda self: self.server and self.server.active)
    @rule(status=st.sampled_from(["completed", "incomplete", "failed"]))
    def response_ends(self, status: str) -> None:
        items = self.items_of_active()
        response, status = self.end(status)
        self.says(done(response, status, items=items))

    def end(self, status: str) -> tuple[str, str]:
        server = self.here()
        response, server.active = str(server.active), None
        return response, "cancelled" if response in server.cancelled | self.silent else status

    @precondition(lambda self: self.server and self.server.active)
    @rule(
        tools=st.lists(st.sampled_from([FREE, ASKS]), min_size=1, max_size=3),
        whole=st.booleans(),
        repeat=st.booleans(),
        approves=st.booleans(),
        then=st.sampled_from(["nothing", "finish", "stop and finish"]),
    )
    def response_calls(self, tools: list[str], whole: bool, repeat: bool, approves: bool, then: str) -> None:
        server = self.here()
        calls: list[dict[str, object]] = []
        for n, tool in enumerate(tools):
            call_id = f"call_{self.number()}"
            self.tool_of[call_id] = tool
            calls.append(function_call(tool, call_id, status="completed" if n == 0 or whole else "incomplete"))
        owed = {str(call["call_id"]) for call in calls if call["status"] == "completed"}
        if approves:
            request = f"mcpr_{self.number()}"
            self.tool_of[request] = "mcp"
            asks = {"id": request, "type": "mcp_approval_request", "server_label": "docs", "name": "find"}
            calls.append({**asks, "arguments": "{}"})
        before = set(self.ran)
        for call in calls:
            of_response = {"type": "response.output_item.done", "response_id": str(server.active), "item": call}
            self.says(added_item(call), {"type": "conversation.item.done", "item": call}, of_response)
        assert self.ran == before, "nothing is run before the response is done"
        response, status = self.end("completed")
        server.owed |= owed | ({request} if approves else set())
        if not approves:
            completed = status == "completed"
            server.rounds.append(Round(set(owed), undisturbed=completed, superseded=not completed))
        frame = ended([*calls, calls[0]] if repeat else calls, response=response, status=status)
        self.says(*[frame] * (2 if repeat else 1))
        started = (self.ran - before) | (self.consents & owed) | server.answered
        assert owed <= started, "every complete call is begun"
        if then == "stop and finish":
            self.stop()
        if then != "nothing":
            self.finish_tools(owed)

    def finish_tools(self, calls: set[str]) -> None:
        for call_id in sorted(calls & self.consents):
            self.agree(call_id, allowed=True, always=False)
        for call_id in sorted(calls & self.running):
            self.tool_ends(call_id)

    @precondition(lambda self: self.server and self.server.active)
    @rule()
    def harmless_error(self) -> None:
        self.says(error("response_cancel_not_active"))

    # --- the server: beside the conversation ----------------------------------------------------

    @precondition(lambda self: self.server and self.server.asides_asked)
    @rule()
    def aside_begins(self) -> None:
        server = self.here()
        asked = server.asides_asked.pop(0)
        assert asked.response is not UNSET
        response = f"resp_{self.number()}"
        metadata = asked.response.metadata or {}
        server.asides[response] = metadata["purpose"]
        self.says(created(response, metadata=metadata, conversation=None))

    @precondition(lambda self: self.server and self.server.asides)
    @rule(data=st.data())
    def aside_goes_on(self, data: st.DataObject) -> None:
        response = data.draw(st.sampled_from(sorted(self.here().asides)))
        item = f"beside_{response}"
        self.response_of[item] = response
        before, rows = dict(self.queue), list(self.rows)
        self.says(words_of(item, "beside ", response), audio(item, 300, response))
        if self.here().asides[response] not in {"read aloud", "sample"}:
            assert self.queue == before, "what is written does not sound"
        else:
            self.here().spoke = True
        assert self.rows == rows, "nothing beside the conversation is shown in it"

    @precondition(lambda self: self.server and self.core.turn.value == "idle")
    @rule()
    def reads_aloud(self) -> None:
        """Something is said beside the conversation, at once."""
        self.ask_aside(AsideKind.READ_ALOUD)
        server = self.server
        if server is not None and server.asides_asked and not server.asides:
            self.aside_begins()
            response = next(iter(server.asides))
            self.response_of[f"beside_{response}"] = response
            server.spoke = True
            self.says(audio(f"beside_{response}", 300, response))

    @precondition(lambda self: self.server and self.server.asides)
    @rule(data=st.data())
    def aside_ends(self, data: st.DataObject) -> None:
        server = self.here()
        response = data.draw(st.sampled_from(sorted(server.asides)))
        del server.asides[response]
        status = "cancelled" if response in server.cancelled else "completed"
        self.says(ended([], response=response, status=status))

    # --- the server: turns ----------------------------------------------------------------------

    @precondition(lambda self: self.server and self.server.vad)
    @rule()
    def hears_speech(self) -> None:
        """The server's own turn detection: it interrupts by itself."""
        for round_ in self.here().rounds:
            round_.undisturbed = False
        self.says(speech_started(f"user_{self.number()}"))
        if self.server is not None and self.server.vad:
            self.interrupted()

    @precondition(lambda self: self.server and self.server.vad and self.items_of_active())
    @rule()
    def barge_in(self) -> None:
        """A turn spoken into an answer, whose end comes after the birth of the next."""
        self.hears_speech()
        if self.server is not None and self.core.turn.value == "listening":
            self.hears_the_end(True)
            if self.server is not None and self.server.owes:
                self.response_begins_by_itself()
                self.late_end_comes()

    @precondition(lambda self: self.server and self.server.vad and self.core.turn.value == "listening")
    @rule(late=st.booleans())
    def hears_the_end(self, late: bool) -> None:
        server = self.here()
        if server.active is not None and late:
            items = self.items_of_active()
            response, _ = self.end("cancelled")
            server.late.append(done(response, "cancelled", items=items))
        elif server.active is not None:
            self.response_ends("cancelled")
        if self.server is not server or not server.vad:
            return
        item = f"user_{self.numbers}"
        server.owes = True
        self.says({"type": "input_audio_buffer.committed", "item_id": item}, added(item, "user", None))

    @precondition(lambda self: self.server and self.server.late)
    @rule()
    def late_end_comes(self) -> None:
        if self.server is not None and self.server.late:
            self.says(self.server.late.pop())

    @precondition(lambda self: self.server and not self.server.vad)
    @rule()
    def committed(self) -> None:
        item = f"user_{self.number()}"
        self.says({"type": "input_audio_buffer.committed", "item_id": item}, added(item, "user", None))

    @precondition(lambda self: self.server)
    @rule(number=st.integers(0, 30))
    def written(self, number: int) -> None:
        self.says(transcribed(f"user_{number}", "words"))

    @precondition(lambda self: self.timers)
    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        timer = data.draw(st.sampled_from(self.timers))
        self.timers.remove(timer)
        if timer.timer not in ALWAYS_ANSWERED:
            self.take(Woke(timer.timer, timer.serial))

    # --- what is always true --------------------------------------------------------------------

    @invariant()
    def the_order_is_total(self) -> None:
        assert len(self.rows) == len(set(self.rows))

    @invariant()
    def silence_is_silence(self) -> None:
        assert not any(self.response_of[part.item_id] in self.silent for part in self.queue)

    def teardown(self) -> None:
        """In a session that lives every call gets its answer, exactly once."""
        if self.server is None:
            return
        for call_id in sorted(self.consents):
            self.take(ConsentGiven(call_id, allowed=False))
        for call_id in sorted(self.running):
            self.take(ToolFinished(call_id, "{}"))
        assert self.server is None or not self.server.owed, "each call is answered"


def _is_default_create(event: events.ClientEvent) -> bool:
    return isinstance(event, events.ResponseCreate) and not (event.response and event.response.conversation)


World.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWorld = World.TestCase
