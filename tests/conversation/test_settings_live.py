"""What a session is configured with, changed while it lives: the guide's session fields, as stories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from desktop_app.conversation import setup
from desktop_app.conversation.effects import (
    Connect,
    ConnectNext,
    Effect,
    Link,
    SendNext,
    ShowSession,
    SwitchOver,
    Turn,
)
from desktop_app.conversation.inputs import (
    ConnectAsked,
    Disconnected,
    MicBlock,
    MicClosed,
    MicStarted,
    PlaybackFinished,
    RenewalAsked,
    SessionChosen,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    ToolOffer,
    ToolsOffered,
    VoiceChosen,
)
from desktop_app.conversation.setup import Path, read, with_value
from desktop_app.protocol.events import InputAudioBufferAppend, ResponseCreate, SessionUpdate
from desktop_app.protocol.items import Tool
from desktop_app.protocol.session_config import NoiseReduction, Reasoning, SemanticVad, SessionConfig
from tests.conversation.story import (
    CONFIG,
    HANDS_FREE,
    PART,
    SESSION_CREATED,
    SESSION_UPDATED,
    VAD,
    Story,
    View,
    audio_done,
    created,
    done,
    error,
    events_of,
    names,
    notices,
    of,
    pcm,
    transcribed,
    updated,
    with_detection,
)

SPEED = setup.SPEED
INSTRUCTIONS: Path = ("instructions",)


def chosen(path: Path, value: Any, config: SessionConfig = CONFIG) -> SessionChosen:
    """Return the wish for one other value."""
    return SessionChosen(with_value(config, path, value))


def updates(effects: Sequence[Effect]) -> list[SessionConfig]:
    """Return what is sent to the session, without the type every update carries."""
    sessions = [event.session for event in events_of(SessionUpdate, effects)]
    assert all(session.type == "realtime" for session in sessions)
    return sessions


def shown(effects: Sequence[Effect]) -> SessionConfig:
    """Return what the controls show."""
    return of(ShowSession, effects)[-1].config


# --- one change, one update ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (INSTRUCTIONS, "Be long."),
        (("output_modalities",), ["text"]),
        (("audio", "input", "noise_reduction"), NoiseReduction(type="far_field")),
        (("audio", "input", "transcription"), None),
        (("tool_choice",), "none"),
        (("reasoning",), Reasoning(effort="high")),
        (("parallel_tool_calls",), False),
        (("max_output_tokens",), 512),
        (("truncation",), "disabled"),
        (("tracing",), "auto"),
        (setup.TURN_DETECTION, SemanticVad(eagerness="low", create_response=True, interrupt_response=True)),
    ],
)
def test_a_change_is_one_update_with_nothing_else_in_it(path: Path, value: Any) -> None:
    story = Story().online()
    effects = story.happens(chosen(path, value))
    assert updates(effects) == [setup.single(path, value)]
    assert read(shown(effects), path) == value
    assert updates(story.happens(chosen(path, value))) == [], "wished twice, sent once"


def test_turn_detection_is_sent_whole() -> None:
    story = Story(HANDS_FREE).online()
    other = msgspec.structs.replace(VAD, threshold=0.8)
    sent = updates(story.happens(SessionChosen(with_detection(other))))
    assert [read(session, setup.TURN_DETECTION) for session in sent] == [other]


def test_several_changes_are_several_updates() -> None:
    story = Story().online()
    config = with_value(with_value(CONFIG, INSTRUCTIONS, "Be long."), SPEED, 1.2)
    assert len(updates(story.happens(SessionChosen(config)))) == 2


@pytest.mark.parametrize(
    ("path", "before", "sent"),
    [
        (INSTRUCTIONS, "Be brief.", ""),
        (("audio", "input", "noise_reduction"), NoiseReduction(type="near_field"), None),
        (("tool_choice",), "none", "auto"),
        (("max_output_tokens",), 10, "inf"),
    ],
)
def test_what_is_no_longer_set_is_taken_back(path: Path, before: Any, sent: Any) -> None:
    story = Story(with_value(CONFIG, path, before)).online()
    effects = story.happens(SessionChosen(with_value(CONFIG, path, UNSET)))
    assert updates(effects) == [setup.single(path, sent)]


def test_what_cannot_be_taken_back_says_so() -> None:
    config = with_value(CONFIG, ("reasoning",), Reasoning(effort="high"))
    story = Story(config).online()
    effects = story.happens(SessionChosen(CONFIG))
    assert updates(effects) == []
    assert "reasoning" in notices(effects)[0].text
    assert notices(effects)[0].hint


def test_a_change_without_a_connection_goes_with_the_next_session() -> None:
    story = Story()
    assert updates(story.happens(chosen(INSTRUCTIONS, "Be long."))) == []
    story.happens(ConnectAsked())
    assert updates(story.says(SESSION_CREATED))[0].instructions == "Be long."


def test_a_change_while_connecting_is_not_lost() -> None:
    story = Story()
    story.happens(ConnectAsked())
    story.says(SESSION_CREATED)
    assert updates(story.happens(chosen(INSTRUCTIONS, "Be long.")))[0].instructions == "Be long."
    assert updates(story.happens(VoiceChosen("max")))[0].voice == "max"


def test_no_turn_changes_the_session_by_itself() -> None:
    """Each change of the instructions or the tools makes all that follows uncached, and dear."""
    story = Story().offers("clock").online()
    for n in range(3):
        story.talks(item=f"item_U{n}")
        story.calls(f"clock:call_{n}", response=f"resp_{n}")
        effects = story.ran(f"call_{n}")
        assert updates(effects) == []
    assert len(updates(story.effects)) == 2, "the setup and the voice"


# --- what must wait -----------------------------------------------------------------------------


def test_the_speed_changes_between_answers_only() -> None:
    story = Story().speaking()
    assert updates(story.happens(chosen(SPEED, 1.3))) == []
    assert updates(story.says(audio_done(), done())) == []
    sent = updates(story.happens(PlaybackFinished(PART)))
    assert [read(session, SPEED) for session in sent] == [1.3]
    assert updates(story.happens(chosen(SPEED, 0.9))) != [], "with nothing under way it is sent at once"


def test_the_last_of_several_speeds_is_the_one_that_is_sent() -> None:
    story = Story().speaking()
    story.happens(chosen(SPEED, 1.3), chosen(SPEED, 0.7))
    sent = updates(story.happens(StopPressed())) + updates(story.says(done(status="cancelled")))
    assert [read(session, SPEED) for session in sent] == [0.7]


def test_who_finds_the_turns_does_not_change_while_one_is_spoken() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(500)))
    assert updates(story.happens(SessionChosen(HANDS_FREE))) == []
    effects = story.happens(TalkReleased())
    assert updates(effects) == []
    effects = story.happens(MicClosed())
    assert names(effects) == [
        "input_audio_buffer.commit",
        "response.create",
        "session.update",
        "input_audio_buffer.clear",
    ]
    assert story.turn() is Turn.THINKING


def test_tracing_once_on_is_frozen_until_the_next_session() -> None:
    config = with_value(CONFIG, setup.TRACING, "auto")
    story = Story(config).online()
    story.says(updated(config))
    effects = story.happens(chosen(setup.TRACING, {"workflow_name": "x"}))
    assert updates(effects) == []
    assert "tracing" in notices(effects)[0].text
    story.happens(Disconnected(close_code=1000), ConnectAsked())
    assert updates(story.says(SESSION_CREATED))[0].tracing == {"workflow_name": "x"}


@pytest.mark.parametrize(
    ("model", "kept"),
    [("gpt-realtime-2.1", True), ("gpt-realtime", False), ("gpt-realtime-1.5", False), ("my-deployment", True)],
)
def test_only_reasoning_models_are_told_of_reasoning(model: str, kept: bool) -> None:
    config = msgspec.structs.replace(CONFIG, reasoning=Reasoning(effort="low"), parallel_tool_calls=True)
    story = Story(config)
    story.happens(ConnectAsked())
    sent = updates(story.says({"type": "session.created", "session": {"type": "realtime", "model": model}}))
    assert (sent[0].reasoning is not UNSET) is kept
    assert (sent[0].parallel_tool_calls is not UNSET) is kept
    assert sent[0].instructions == "Be brief."


# --- refused ------------------------------------------------------------------------------------


def test_a_refused_change_goes_back_and_names_the_field() -> None:
    story = Story().online()
    story.says(updated(with_value(CONFIG, SPEED, 1.0)))
    event = events_of(SessionUpdate, story.happens(chosen(SPEED, 9.0)))[0]
    effects = story.says(error("invalid_value", "must be at most 1.5", event_id=str(event.event_id)))
    assert "speed" in notices(effects)[0].text
    assert "1.5" in notices(effects)[0].text
    assert read(shown(effects), SPEED) == 1.0


def test_a_refusal_that_names_no_event_is_known_by_its_field() -> None:
    story = Story().online()
    story.says(updated(with_value(CONFIG, SPEED, 1.0)))
    story.happens(chosen(SPEED, 9.0))
    refusal = {"code": "invalid_value", "message": "too fast", "param": "session.audio.output.speed"}
    effects = story.says({"type": "error", "error": refusal})
    assert "speed" in notices(effects)[0].text
    assert read(shown(effects), SPEED) == 1.0


def test_a_refused_setup_that_names_no_event_is_sent_again_field_by_field() -> None:
    story = Story(HANDS_FREE)
    story.happens(ConnectAsked())
    story.says(SESSION_CREATED)
    refusal = {"code": "unknown_parameter", "message": "no", "param": "session.audio.input.transcription.model"}
    effects = story.says({"type": "error", "error": refusal})
    assert len(updates(effects)) == 3
    effects = story.says({"type": "error", "error": refusal})
    assert updates(effects) == []
    assert "transcription" in notices(effects)[0].text


def test_a_refused_voice_leaves_the_other_settings_applied() -> None:
    """`cannot_update_voice` refuses all of its update: that is why nothing else is in it."""
    story = Story()
    story.happens(ConnectAsked())
    sent = events_of(SessionUpdate, story.says(SESSION_CREATED))
    assert [update.session.voice for update in sent] == [None, "heart"]
    story.says(updated(CONFIG, voice="alloy"))
    effects = story.says(error("cannot_update_voice", event_id=str(sent[1].event_id)))
    assert notices(effects)
    assert updates(effects) == []
    voice = View(story.effects).voice
    assert voice is not None
    assert (voice.current, voice.locked) == ("alloy", True)
    assert story.link() is Link.ONLINE


# --- tools --------------------------------------------------------------------------------------

CLOCK = Tool(name="clock", parameters={})
DOCS = Tool(type="mcp", server_label="docs", server_url="https://docs.example/mcp")


def test_tools_offered_before_there_is_a_session_go_with_its_setup() -> None:
    story = Story()
    story.happens(ToolsOffered((ToolOffer(CLOCK),)))
    story.happens(ConnectAsked())
    sent = updates(story.says(SESSION_CREATED))
    assert sent[0].tools == [CLOCK]
    assert len(sent) == 2, "the setup and the voice"


def test_tools_offered_later_are_an_update_of_their_own() -> None:
    story = Story().online()
    assert updates(story.happens(ToolsOffered((ToolOffer(CLOCK),)))) == [SessionConfig(tools=[CLOCK])]
    assert updates(story.happens(ToolsOffered((ToolOffer(CLOCK),)))) == []
    assert updates(story.happens(ToolsOffered(()))) == [SessionConfig(tools=[])]


def test_settings_that_say_nothing_of_tools_leave_them() -> None:
    story = Story().online()
    story.happens(ToolsOffered((ToolOffer(CLOCK),)))
    effects = story.happens(chosen(INSTRUCTIONS, "Be long."))
    assert len(updates(effects)) == 1
    assert shown(effects).tools == [CLOCK]
    story.happens(Disconnected(close_code=1006), ConnectAsked())
    assert updates(story.says(SESSION_CREATED))[0].tools == [CLOCK]


def test_servers_of_tools_and_tools_of_the_program_stand_side_by_side() -> None:
    story = Story(msgspec.structs.replace(CONFIG, tools=[DOCS])).online()
    assert updates(story.happens(ToolsOffered((ToolOffer(CLOCK),))))[0].tools == [DOCS, CLOCK]
    assert updates(story.happens(SessionChosen(msgspec.structs.replace(CONFIG, tools=[]))))[0].tools == [CLOCK]


# --- the voice, and what else takes a new session -----------------------------------------------


def test_a_voice_chosen_and_unchosen_takes_no_new_session() -> None:
    story = Story().speaking()
    story.happens(VoiceChosen("max"), VoiceChosen("heart"))
    story.says(audio_done(), done())
    effects = story.happens(PlaybackFinished(PART))
    assert Connect() not in effects
    assert story.link() is Link.ONLINE


def test_a_voice_chosen_twice_takes_one_new_session() -> None:
    story = Story().speaking()
    story.says(transcribed("item_U1", "Who are you?"), audio_done(), done())
    story.happens(VoiceChosen("max"), PlaybackFinished(PART), VoiceChosen("max"))
    effects = story.succeeds()
    voices = [e.event.session.voice for e in of(SendNext, effects) if isinstance(e.event, SessionUpdate)]
    assert voices[-1] == "max"
    assert story.effects.count(ConnectNext()) == story.effects.count(SwitchOver()) == 1


def test_a_voice_chosen_while_offline_is_the_next_sessions() -> None:
    story = Story().speaking()
    story.happens(Disconnected(http_status=401), VoiceChosen("max"))
    story.happens(ConnectAsked())
    assert updates(story.says(SESSION_CREATED))[-1].voice == "max"


@pytest.mark.parametrize("talking", [True, False])
def test_a_renewal_waits_for_a_moment_at_which_nothing_is_said(talking: bool) -> None:
    story = Story().online()
    if talking:
        story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(500)))
    else:
        story.talks()
        story.answers()
    assert ConnectNext() not in story.happens(RenewalAsked())
    if talking:
        effects = story.happens(TalkReleased(), MicClosed())
        assert "response.create" in names(effects)
        story.answers()
    story.says(audio_done(), done())
    assert ConnectNext() in story.happens(PlaybackFinished(PART))
    assert story.link() is Link.ONLINE


def test_a_renewal_goes_on_with_the_same_conversation_and_says_nothing_twice() -> None:
    story = Story().speaking()
    story.says(transcribed("item_U1", "Who are you?"), audio_done(), done())
    story.happens(PlaybackFinished(PART), RenewalAsked())
    before = story.entries
    effects = story.succeeds()
    assert names(effects)[-2:] == ["conversation.item.create"] * 2
    assert "response.create" not in names(effects), "replaying starts no answer"
    assert story.entries == before
    assert not notices(effects)


def test_after_a_replay_the_first_answer_is_wanted_expressly_as_the_session_gives_it() -> None:
    """Much assistant text in the context makes older models go on in writing."""
    story = Story(msgspec.structs.replace(CONFIG, output_modalities=["audio"])).speaking()
    story.says(transcribed("item_U1", "Who are you?"), audio_done(), done())
    story.happens(PlaybackFinished(PART), RenewalAsked())
    story.succeeds(story.config)
    creates = [create.response for create in events_of(ResponseCreate, story.talks(item="item_U2"))]
    assert [create.output_modalities for create in creates if create] == [["audio"]]
    story.says(story.born("resp_2"), done("resp_2", items=()))
    creates = [create.response for create in events_of(ResponseCreate, story.talks(item="item_U3"))]
    assert [create.output_modalities for create in creates if create] == [UNSET]


# --- transcription ------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "turns"), [("DeploymentNotFound", 1), ("server_error", 3)])
def test_transcription_that_fails_on_every_turn_goes_off(code: str, turns: int) -> None:
    story = Story().online()
    for turn in range(1, turns + 1):
        story.talks(item=f"item_U{turn}")
        failed = {
            "type": "conversation.item.input_audio_transcription.failed",
            "item_id": f"item_U{turn}",
            "content_index": 0,
            "error": {"code": code, "message": "no such model"},
        }
        effects = story.says(failed)
        off = [session for session in updates(effects) if read(session, setup.TRANSCRIPTION) is None]
        assert bool(off) is (turn == turns)
        assert story.shown()[-1].remark == "(no transcript)"
    assert "no longer written down" in notices(effects)[-1].hint


# --- what no session wants ----------------------------------------------------------------------


def test_a_second_beginning_of_the_same_session_is_no_beginning() -> None:
    story = Story().speaking()
    assert updates(story.says(SESSION_CREATED)) == []
    story.says(SESSION_UPDATED)
    assert story.turn() is Turn.SPEAKING


def test_a_session_that_was_never_created_is_not_in_force() -> None:
    story = Story()
    story.happens(ConnectAsked())
    story.says(SESSION_UPDATED)
    assert story.link() is Link.CONNECTING


def test_nothing_is_sent_between_two_sessions() -> None:
    story = Story().speaking()
    story.happens(Disconnected(close_code=1006))
    effects = story.happens(
        chosen(INSTRUCTIONS, "Be long."), VoiceChosen("max"), StopPressed(), TextEntered("hello"), RenewalAsked()
    )
    assert names(effects) == []
    assert not events_of(InputAudioBufferAppend, effects)


def test_a_server_that_begins_by_itself_in_push_to_talk_is_heard_too() -> None:
    story = Story().online()
    story.says(created("resp_9"))
    assert story.turn() is Turn.THINKING
