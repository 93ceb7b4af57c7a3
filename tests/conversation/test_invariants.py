"""Any interleaving of inputs keeps what must always be true: stories nobody thought of."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import (
    CloseMic,
    Connect,
    Disconnect,
    Effect,
    EndPart,
    OpenMic,
    Play,
    Send,
    StopPlayback,
    WakeAfter,
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
    PlaybackStopped,
    Received,
    SpeakerFailed,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    VoiceChosen,
    Woke,
)
from desktop_app.errors import Notice
from desktop_app.protocol import codec, events
from desktop_app.protocol.items import PartId
from tests.conversation.story import (
    CONFIG,
    SESSION_CREATED,
    SESSION_UPDATED,
    View,
    added,
    audio,
    audio_done,
    created,
    done,
    error,
    pcm,
    transcribed,
    words_of,
)

NOTICE = Notice("It went away.", "Choose another.")


class World(RuleBasedStateMachine):
    """A user, a server, a microphone and a speaker, each doing what it may do at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.core = Conversation(CONFIG, voice="heart", voices=("heart", "max"), jitter=lambda: 0.5)
        self.history: list[Effect] = []
        self.timers: list[WakeAfter] = []
        # the server, as it must see things
        self.connected = False
        self.active: str | None = None
        self.asked: list[events.ResponseCreate] = []
        self.cancelled: set[str] = set()
        self.numbers = 0
        self.items: list[tuple[str, str]] = []
        """Assistant items of this session, and the response of each."""
        self.received_ms: dict[PartId, int] = {}
        # the speaker
        self.queue: dict[PartId, int] = {}
        self.mic_open = False
        self.mic_closing = False

    # --- performing, as the session does --------------------------------------------------------

    def take(self, event: Input) -> None:
        inbox: list[Input] = [event]
        while inbox:
            for effect in self.core.handle(inbox.pop(0)):
                self.history.append(effect)
                self.perform(effect, inbox)

    def perform(self, effect: Effect, inbox: list[Input]) -> None:
        match effect:
            case Send(event):
                self.check_sent(event)
            case Play(part, data):
                self.queue[part] = self.queue.get(part, 0) + len(data) // 48
            case EndPart():
                pass
            case StopPlayback():
                heard = tuple(Heard(part, ms // 2) for part, ms in self.queue.items())
                self.queue.clear()
                inbox.append(PlaybackStopped(heard))
            case OpenMic():
                if self.mic_closing:
                    self.mic_closing = False
                    inbox.append(MicClosed())
                self.mic_open = True
            case CloseMic():
                assert self.mic_open, "a microphone that is not open is not closed"
                self.mic_open, self.mic_closing = False, True
            case Connect() | Disconnect():
                self.lose_session()
            case WakeAfter():
                self.timers.append(effect)

    def check_sent(self, event: events.ClientEvent) -> None:
        assert self.connected, "nothing is sent without a session"
        match event:
            case events.ResponseCreate():
                assert self.active is None, "no response is asked for while one is active"
                assert not self.asked, "nor twice"
                self.asked.append(event)
            case events.ResponseCancel(response_id=response_id):
                assert response_id is msgspec.UNSET or response_id not in self.cancelled, "cancelled once"
                if isinstance(response_id, str):
                    self.cancelled.add(response_id)
            case events.ConversationItemTruncate(item_id=item_id, content_index=index, audio_end_ms=ms):
                part = PartId(item_id, index)
                assert part in self.received_ms, "only what this session sent is truncated"
                assert 0 < ms <= self.received_ms[part], "never beyond what was received"
            case events.ConversationItemDelete(item_id=item_id):
                assert item_id in dict(self.items)

    def lose_session(self) -> None:
        self.connected = False
        self.active = None
        self.asked.clear()
        self.items.clear()
        self.received_ms.clear()

    def says(self, frame: object) -> None:
        event = frame if not isinstance(frame, dict) else codec.decode_server_event(msgspec.json.encode(frame))
        self.take(Received(event))  # type: ignore[arg-type]

    # --- the user -------------------------------------------------------------------------------

    @initialize()
    def start(self) -> None:
        self.take(ConnectAsked())
        self.session_begins()

    @rule(ms=st.sampled_from([40, 500]))
    def talk(self, ms: int) -> None:
        """A whole talk at once: single steps alone would seldom come that far."""
        self.take(TalkPressed())
        if self.mic_open:
            self.take(MicStarted())
            self.take(MicBlock(pcm(ms)))
            self.take(TalkReleased())
            self.mic_closes()

    @precondition(lambda self: self.asked and self.active is None)
    @rule()
    def answer(self) -> None:
        """The beginning of an answer at once."""
        self.response_begins()
        self.item_begins()
        self.item_goes_on(1000, "one ")

    @rule()
    def press(self) -> None:
        self.take(TalkPressed())

    @rule()
    def release(self) -> None:
        self.take(TalkReleased())

    @rule()
    def stop(self) -> None:
        self.take(StopPressed())
        assert not self.queue, "every interruption silences"

    @rule(text=st.sampled_from(["hello", "  ", "what is that?"]))
    def type_text(self, text: str) -> None:
        self.take(TextEntered(text))

    @rule(voice=st.sampled_from(["heart", "max"]))
    def choose(self, voice: str) -> None:
        self.take(VoiceChosen(voice))

    @rule()
    def begin_anew(self) -> None:
        self.take(NewConversationAsked())
        assert not self.queue

    @rule()
    def reconnect(self) -> None:
        self.take(ConnectAsked())

    # --- the microphone and the speaker ---------------------------------------------------------

    @precondition(lambda self: self.mic_open)
    @rule()
    def mic_starts(self) -> None:
        self.take(MicStarted())

    @precondition(lambda self: self.mic_open or self.mic_closing)
    @rule(ms=st.sampled_from([20, 60, 200]))
    def mic_delivers(self, ms: int) -> None:
        self.take(MicBlock(pcm(ms)))

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

    # --- the server -----------------------------------------------------------------------------

    @precondition(lambda self: not self.connected)
    @rule()
    def session_begins(self) -> None:
        self.connected = True
        self.says(SESSION_CREATED)
        self.says(SESSION_UPDATED)

    @rule(code=st.sampled_from([1001, 1006, 1011, 3000]))
    def connection_ends(self, code: int) -> None:
        self.lose_session()
        self.take(Disconnected(close_code=code))

    @precondition(lambda self: self.asked and self.active is None)
    @rule()
    def response_begins(self) -> None:
        self.numbers += 1
        asked = self.asked.pop()
        assert asked.response is not msgspec.UNSET
        self.active = f"resp_{self.numbers}"
        self.says(created(self.active, metadata=asked.response.metadata))

    @precondition(lambda self: self.active)
    @rule()
    def item_begins(self) -> None:
        self.numbers += 1
        item = f"item_{self.numbers}"
        previous = self.items[-1][0] if self.items else None
        self.items.append((item, str(self.active)))
        self.says(added(item, "assistant", previous))

    @precondition(lambda self: any(response == self.active for _, response in self.items))
    @rule(ms=st.sampled_from([40, 300, 1000]), word=st.sampled_from(["one ", "two "]))
    def item_goes_on(self, ms: int, word: str) -> None:
        item = [item for item, response in self.items if response == self.active][-1]
        part = PartId(item, 0)
        self.received_ms[part] = self.received_ms.get(part, 0) + ms
        before = dict(self.queue)
        self.says(words_of(item, word, str(self.active)))
        self.says(audio(item, ms, str(self.active)))
        if self.active in self.cancelled:
            assert self.queue == before, "nothing of a cancelled response plays"

    @precondition(lambda self: any(response == self.active for _, response in self.items))
    @rule()
    def item_ends(self) -> None:
        item = [item for item, response in self.items if response == self.active][-1]
        self.says(audio_done(item, str(self.active)))

    @precondition(lambda self: self.active)
    @rule(status=st.sampled_from(["completed", "incomplete", "failed"]))
    def response_ends(self, status: str) -> None:
        response = str(self.active)
        self.active = None
        items = [item for item, of in self.items if of == response]
        ended = "cancelled" if response in self.cancelled else status
        self.says(done(response, ended, items=items))

    @precondition(lambda self: self.connected)
    @rule()
    def committed(self) -> None:
        self.numbers += 1
        item = f"user_{self.numbers}"
        self.says({"type": "input_audio_buffer.committed", "item_id": item})
        self.says(added(item, "user", None))

    @precondition(lambda self: self.connected)
    @rule(number=st.integers(0, 30))
    def written(self, number: int) -> None:
        self.says(transcribed(f"user_{number}", "words"))

    @precondition(lambda self: self.connected and self.active)
    @rule()
    def harmless_error(self) -> None:
        self.says(error("response_cancel_not_active"))

    @precondition(lambda self: self.timers)
    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        timer = data.draw(st.sampled_from(self.timers))
        self.timers.remove(timer)
        if timer.timer.value in {"response.created", "response.done"}:
            return  # a server that never answers is told in its own story; here it always does
        self.take(Woke(timer.timer, timer.serial))

    # --- what is always true --------------------------------------------------------------------

    @invariant()
    def the_order_is_total(self) -> None:
        ids = [entry.item_id for entry in View(self.history).entries]
        assert len(ids) == len(set(ids))


World.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWorld = World.TestCase
