"""The dispatcher: everything in order, everything performed, nothing after the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast, get_args

import pytest

from desktop_app.conversation import effects, inputs
from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import Effect, Link, Turn, VoiceState
from desktop_app.conversation.entries import Entry, Role
from desktop_app.conversation.inputs import AsideKind, Heard, Input, PlaybackFinished, PlaybackStopped, Timer, Woke
from desktop_app.errors import Notice
from desktop_app.protocol import events as wire
from desktop_app.protocol.items import PartId
from desktop_app.protocol.session_config import SessionConfig
from desktop_app.session import Session
from tests.fakes import (
    Call,
    FakeMicrophone,
    FakeRecords,
    FakeSpeaker,
    FakeTimers,
    FakeTools,
    FakeTransport,
    FakeView,
)

PART = PartId("item_1")
NOTICE = Notice("Something.", key="k")
ENTRY = Entry("item_1", Role.USER, "hello")
VOICE = VoiceState(("marin",), "marin")
CONSENT = effects.Consent("call_1", "open_file", "{}")
INFO = effects.ConnectionInfo("sess_1", "m")
RETRY = effects.Retry(2_000, 1, 5)
ASIDE = effects.AsideState(1, AsideKind.TITLE)
CONFIG = SessionConfig(instructions="Be brief.")
USAGE = effects.CountUsage(key="1/resp_1", usage=wire.Usage(total_tokens=3), item_id="item_1")
CLEAR = wire.InputAudioBufferClear()


class ScriptedCore:
    """Answers each input with the effects it was given for that class of input, and remembers the inputs."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self.answers: dict[type, Sequence[Effect]] = {}
        self.meanwhile: Callable[[Input], None] = lambda _: None

    def handle(self, event: Input) -> list[Effect]:
        self.inputs.append(event)
        self.meanwhile(event)
        return list(self.answers.get(type(event), ()))


class House:
    """A session and everything around it."""

    def __init__(self) -> None:
        self.core = ScriptedCore()
        self.calls: list[Call] = []
        self.speaker = FakeSpeaker(self.calls)
        self.timers = FakeTimers()
        self.session = Session(
            cast(Conversation, self.core),
            transport=FakeTransport(self.calls),
            speaker=self.speaker,
            microphone=FakeMicrophone(self.calls),
            view=FakeView(self.calls),
            tools=FakeTools(self.calls),
            records=FakeRecords(self.calls),
            call_later=self.timers.call_later,
        )

    def perform(self, *wanted: Effect) -> list[Call]:
        """Have the core ask for effects; return what was done."""
        self.core.answers[inputs.TalkPressed] = wanted
        self.session.handle(inputs.TalkPressed())
        return self.calls


PERFORMED: list[tuple[Effect, Call]] = [
    (effects.Connect(), ("connect",)),
    (effects.Disconnect(), ("disconnect",)),
    (effects.ConnectNext(), ("connect_next",)),
    (effects.SendNext(CLEAR), ("send_next", CLEAR)),
    (effects.SwitchOver(), ("switch_over",)),
    (effects.DropNext(), ("drop_next",)),
    (effects.Probe(), ("probe",)),
    (effects.Send(CLEAR), ("send", CLEAR)),
    (effects.Play(PART, b"\1\2"), ("play", PART, b"\1\2")),
    (effects.EndPart(PART), ("end", PART)),
    (effects.StopPlayback(), ("stop",)),
    (effects.OpenMic(), ("open",)),
    (effects.CloseMic(), ("close",)),
    (effects.ShowEntry(ENTRY, "item_0"), ("show_entry", ENTRY, "item_0")),
    (effects.RemoveEntry("item_1"), ("remove_entry", "item_1")),
    (effects.ClearEntries(), ("clear_entries",)),
    (effects.ShowTurn(Turn.SPEAKING), ("show_turn", Turn.SPEAKING)),
    (effects.ShowLink(Link.ONLINE), ("show_link", Link.ONLINE)),
    (effects.ShowRetry(RETRY), ("show_retry", RETRY)),
    (effects.ShowVoice(VOICE), ("show_voice", VOICE)),
    (effects.ShowNotice(NOTICE), ("show_notice", NOTICE)),
    (effects.DismissNotice("k"), ("dismiss_notice", "k")),
    (effects.GiveBackText("hello", ("data:",)), ("give_back_text", "hello", ("data:",), ())),
    (effects.RunTool("call_1", "time", "{}"), ("run", "call_1", "time", "{}")),
    (effects.CancelTool("call_1"), ("cancel", "call_1")),
    (effects.AskConsent(CONSENT), ("ask_consent", CONSENT)),
    (effects.WithdrawConsent("call_1"), ("withdraw_consent", "call_1")),
    (effects.ShowSession(CONFIG, muted=True), ("show_session", CONFIG, True)),
    (effects.ShowConnection(INFO), ("show_connection", INFO)),
    (effects.ShowAside(ASIDE), ("show_aside", ASIDE)),
    (effects.ShowTitle("Weather", "rain"), ("show_title", "Weather", "rain")),
    (USAGE, ("count_usage", USAGE)),
    (effects.SaveRecording("item_1", b"\1\2"), ("save_recording", "item_1", b"\1\2")),
]


KEPT: dict[type[Effect], Call] = {
    effects.ShowEntry: ("keep_entry", ENTRY, "item_0"),
    effects.RemoveEntry: ("drop_entry", "item_1", False),
    effects.ClearEntries: ("begin_conversation",),
    effects.ShowTitle: ("name_conversation", "Weather", "rain"),
}
"""What is written down of what was shown."""


def done_for(effect: Effect, call: Call) -> list[Call]:
    return [call, KEPT[type(effect)]] if type(effect) in KEPT else [call]


@pytest.mark.parametrize(("effect", "call"), PERFORMED, ids=[type(effect).__name__ for effect, _ in PERFORMED])
def test_an_effect_is_performed_by_its_edge(effect: Effect, call: Call) -> None:
    assert House().perform(effect) == done_for(effect, call)


def test_every_effect_has_its_row_above() -> None:
    assert {type(effect) for effect, _ in PERFORMED} | {effects.WakeAfter} == set(get_args(Effect))


def test_effects_are_performed_in_the_order_they_were_asked_for() -> None:
    done = [call for effect, shown in PERFORMED for call in done_for(effect, shown)]
    assert House().perform(*(effect for effect, _ in PERFORMED)) == done


def test_what_was_heard_is_the_next_input_of_the_same_dispatch() -> None:
    house = House()
    house.speaker.heard = (Heard(PART, 1240),)
    house.core.answers[PlaybackStopped] = (effects.ShowTurn(Turn.LISTENING),)

    house.perform(effects.StopPlayback(), effects.Send(CLEAR))

    assert house.core.inputs == [inputs.TalkPressed(), PlaybackStopped((Heard(PART, 1240),))]
    assert house.calls == [("stop",), ("send", CLEAR), ("show_turn", Turn.LISTENING)]


def test_what_a_speaker_posts_while_it_is_stopped_comes_before_what_was_heard() -> None:
    house = House()
    house.speaker.while_stopping = lambda: house.session.handle(PlaybackFinished(PART))

    house.perform(effects.StopPlayback())

    assert house.core.inputs == [inputs.TalkPressed(), PlaybackFinished(PART), PlaybackStopped(())]


def test_an_input_in_the_middle_of_a_dispatch_waits_for_its_turn() -> None:
    house = House()
    house.core.answers[inputs.TalkReleased] = (effects.CloseMic(),)
    house.speaker.while_stopping = lambda: house.session.handle(inputs.TalkReleased())

    house.perform(effects.StopPlayback(), effects.OpenMic())

    assert house.calls == [("stop",), ("open",), ("close",)]


def test_a_thousand_inputs_that_bring_each_other_about_need_no_stack() -> None:
    house = House()

    def next_one(event: Input) -> None:
        if isinstance(event, inputs.MicBlock) and len(house.core.inputs) < 5_000:
            house.session.handle(inputs.MicBlock(len(house.core.inputs).to_bytes(2, "little")))

    house.core.meanwhile = next_one
    house.session.handle(inputs.MicBlock(b"\0\0"))

    blocks = [event.pcm for event in house.core.inputs if isinstance(event, inputs.MicBlock)]
    assert blocks == [n.to_bytes(2, "little") for n in range(5_000)]


def test_a_timer_comes_back_as_what_it_was_asked_for() -> None:
    house = House()
    house.perform(effects.WakeAfter(1500, Timer.RECONNECT, 1), effects.WakeAfter(20, Timer.STABLE, 7))

    assert [seconds for seconds, _ in house.timers.set] == [1.5, 0.02]
    house.timers.ring()
    assert house.core.inputs[1:] == [Woke(Timer.RECONNECT, 1), Woke(Timer.STABLE, 7)]


def test_a_bug_in_the_core_does_not_stop_the_next_input() -> None:
    house = House()

    def fail(event: Input) -> None:
        if isinstance(event, inputs.StopPressed):
            raise ZeroDivisionError

    house.core.meanwhile = fail
    with pytest.raises(ZeroDivisionError):
        house.session.handle(inputs.StopPressed())

    assert house.perform(effects.OpenMic()) == [("open",)]


def test_a_closed_session_ignores_what_the_edges_still_say() -> None:
    house = House()
    house.perform(effects.WakeAfter(5, Timer.STABLE, 1))
    house.session.close()

    house.session.handle(inputs.TalkReleased())
    house.timers.ring()

    assert house.core.inputs == [inputs.TalkPressed()]


def test_a_session_closed_in_the_middle_of_a_dispatch_does_no_more() -> None:
    house = House()
    house.speaker.while_stopping = house.session.close

    house.perform(effects.StopPlayback(), effects.OpenMic())

    assert house.calls == [("stop",)]
    assert house.core.inputs == [inputs.TalkPressed()]
