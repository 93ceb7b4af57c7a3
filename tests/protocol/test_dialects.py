"""Other servers: what they are told is what they know, and what they say is understood."""

from __future__ import annotations

import json
from base64 import b64encode
from copy import deepcopy
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.realtime import RealtimeClientEvent
from pydantic import BaseModel, TypeAdapter

from desktop_app.conversation.effects import Play, Send, Turn
from desktop_app.conversation.entries import EntryStatus
from desktop_app.conversation.inputs import ConnectAsked, Heard, StopPressed, TextEntered
from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import decode_server_event, encode
from desktop_app.protocol.dialects import OLDER_NAMES, Dialect, settle
from desktop_app.protocol.items import ContentPart, Item, Tool, assistant_text, function_call_output, user_message
from desktop_app.protocol.session_config import (
    PCM_24K,
    AudioConfig,
    AudioFormat,
    AudioInput,
    AudioOutput,
    CustomVoice,
    NoiseReduction,
    Reasoning,
    SemanticVad,
    ServerVad,
    SessionConfig,
    Transcription,
)
from tests.conversation.story import ITEM, PART, R, Story, error, notices, pcm

BETA, XAI = Dialect.BETA, Dialect.XAI
TOOL = Tool(name="clock", description="The time.", parameters={"type": "object", "properties": {}})

EVERYTHING = SessionConfig(
    output_modalities=["audio"],
    instructions="Be brief.",
    audio=AudioConfig(
        input=AudioInput(
            format=PCM_24K,
            noise_reduction=NoiseReduction(type="near_field", strength=0.5),
            transcription=Transcription(
                model="whisper-1", language="en", prompt="names", keywords=["Parley"], delay="low"
            ),
            turn_detection=ServerVad(
                threshold=0.5,
                prefix_padding_ms=300,
                silence_duration_ms=500,
                idle_timeout_ms=6000,
                create_response=True,
                interrupt_response=True,
            ),
        ),
        output=AudioOutput(format=AudioFormat(type="audio/pcmu"), voice=CustomVoice(id="voice_1"), speed=1.2),
    ),
    tools=[TOOL, Tool(type="mcp", server_label="docs", server_url="https://example.org/mcp")],
    tool_choice="auto",
    parallel_tool_calls=True,
    reasoning=Reasoning(effort="low"),
    max_output_tokens=500,
    truncation="auto",
    tracing="auto",
    prompt=None,
    include=["item.input_audio_transcription.logprobs"],
)

HISTORY = [user_message("u1", "Hello"), assistant_text("a1", "Hi."), function_call_output("call_1", "{}")]

ALL: list[wire.ClientEvent] = [
    wire.SessionUpdate(session=EVERYTHING),
    wire.SessionUpdate(session=SessionConfig(audio=AudioConfig(input=AudioInput(turn_detection=SemanticVad())))),
    wire.InputAudioBufferAppend(event_id="c-1", audio=pcm(20)),
    wire.InputAudioBufferCommit(event_id="c-2"),
    wire.InputAudioBufferClear(event_id="c-3"),
    *(wire.ConversationItemCreate(event_id="c-4", item=item, previous_item_id="root") for item in HISTORY),
    wire.ConversationItemRetrieve(item_id="a1"),
    wire.ConversationItemTruncate(item_id="a1", content_index=0, audio_end_ms=100),
    wire.ConversationItemDelete(item_id="a1"),
    wire.ResponseCreate(),
    wire.ResponseCreate(
        response=wire.ResponseParams(
            conversation="none",
            input=[*HISTORY, Item(type="item_reference", id="u1")],
            instructions="Say it.",
            output_modalities=["text"],
            audio=AudioConfig(output=AudioOutput(voice="alloy", format=PCM_24K)),
            tools=[TOOL],
            tool_choice="none",
            parallel_tool_calls=False,
            reasoning=Reasoning(effort="low"),
            max_output_tokens="inf",
            metadata={"cid": "c-9"},
        )
    ),
    wire.ResponseCancel(response_id=R),
]


def told(event: wire.ClientEvent, dialect: Dialect) -> dict[str, Any]:
    """Return what a server of that dialect is told."""
    frame: dict[str, Any] = json.loads(encode(event, dialect))
    return frame


def session(config: SessionConfig, dialect: Dialect) -> dict[str, Any]:
    """Return the session it is told."""
    held: dict[str, Any] = told(wire.SessionUpdate(session=config), dialect)["session"]
    return held


# --- what the client says -----------------------------------------------------------------------


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_ga_is_what_it_always_was(event: wire.ClientEvent) -> None:
    assert encode(event, Dialect.GA) == encode(event)
    assert json.loads(encode(event)) == json.loads(msgspec.json.encode(event))


def test_a_beta_session_is_flat() -> None:
    assert session(EVERYTHING, BETA) == {
        "modalities": ["text", "audio"],
        "instructions": "Be brief.",
        "voice": "voice_1",
        "speed": 1.2,
        "input_audio_format": "pcm16",
        "output_audio_format": "g711_ulaw",
        "input_audio_noise_reduction": {"type": "near_field"},
        "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": "names"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "create_response": True,
            "interrupt_response": True,
        },
        "tools": [msgspec.to_builtins(TOOL)],
        "tool_choice": "auto",
        "max_response_output_tokens": 500,
        "tracing": "auto",
    }


@pytest.mark.parametrize("dialect", [BETA, XAI])
def test_what_is_not_said_is_not_said_in_another_dialect(dialect: Dialect) -> None:
    assert session(SessionConfig(), dialect) == {}
    assert session(SessionConfig(instructions=""), dialect) == {"instructions": ""}
    assert told(wire.ResponseCreate(event_id="c-1"), dialect) == {"type": "response.create", "event_id": "c-1"}


def test_what_is_cleared_is_cleared_in_beta() -> None:
    cleared = AudioInput(noise_reduction=None, transcription=None, turn_detection=None)
    assert session(SessionConfig(audio=AudioConfig(input=cleared)), BETA) == {
        "input_audio_noise_reduction": None,
        "input_audio_transcription": None,
        "turn_detection": None,
    }


def test_written_answers_are_a_modality_of_their_own_in_beta() -> None:
    assert session(SessionConfig(output_modalities=["text"]), BETA) == {"modalities": ["text"]}


def test_a_beta_response_is_flat_and_its_input_older() -> None:
    frame = told(ALL[-2], BETA)
    assert frame["response"] == {
        "conversation": "none",
        "input": [
            {"type": "message", "id": "u1", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
            {"type": "message", "id": "a1", "role": "assistant", "content": [{"type": "text", "text": "Hi."}]},
            {"type": "function_call_output", "call_id": "call_1", "output": "{}"},
            {"type": "item_reference", "id": "u1"},
        ],
        "instructions": "Say it.",
        "modalities": ["text"],
        "voice": "alloy",
        "output_audio_format": "pcm16",
        "tools": [msgspec.to_builtins(TOOL)],
        "tool_choice": "none",
        "max_response_output_tokens": "inf",
        "metadata": {"cid": "c-9"},
    }


BETA_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_a_beta_server_knows_every_member(event: wire.ClientEvent) -> None:
    """The vendor's own types of the beta interface say so; they have no word for images."""
    assert extras(BETA_EVENTS.validate_python(told(event, BETA)), "") == []


def extras(value: Any, path: str) -> list[str]:
    """Return the paths of members that the model does not know."""
    if isinstance(value, BaseModel):
        unknown = [f"{path}.{name}" for name in value.model_extra or {}]
        known = [
            found for name in type(value).model_fields for found in extras(getattr(value, name), f"{path}.{name}")
        ]
        return unknown + known
    if isinstance(value, list):
        return [found for index, element in enumerate(value) for found in extras(element, f"{path}[{index}]")]
    return []


def test_that_check_can_fail() -> None:
    audio = SessionConfig(audio=EVERYTHING.audio)
    plain = told(wire.SessionUpdate(session=audio), Dialect.GA)
    assert ".session.audio" in extras(BETA_EVENTS.validate_python(plain), "")


def test_xai_has_voice_and_turn_detection_at_the_top() -> None:
    assert session(EVERYTHING, XAI) == {
        "instructions": "Be brief.",
        "voice": "voice_1",
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "idle_timeout_ms": 6000,
            "create_response": True,
            "interrupt_response": True,
        },
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"language_hint": "en", "keyterms": ["Parley"]},
            },
            "output": {"format": {"type": "audio/pcmu"}, "speed": 1.2},
        },
        "tools": [msgspec.to_builtins(tool) for tool in EVERYTHING.tools or []],
        "tool_choice": "auto",
        "reasoning": {"effort": "low"},
    }


def test_push_to_talk_is_a_detection_of_no_type_at_xai() -> None:
    push_to_talk = SessionConfig(
        output_modalities=["text"],
        audio=AudioConfig(
            input=AudioInput(turn_detection=None, transcription=Transcription(model="grok-transcribe"))
        ),
    )
    assert session(push_to_talk, XAI) == {
        "output_modalities": ["text"],
        "turn_detection": {"type": None},
        "audio": {"input": {"transcription": {"model": "grok-transcribe"}}},
    }


@pytest.mark.parametrize("dialect", Dialect)
def test_half_an_emoji_does_not_stop_any_dialect(dialect: Dialect) -> None:
    event = wire.ConversationItemCreate(item=assistant_text("a1", "\ud83d"))
    assert told(event, dialect)["item"]["content"][0]["text"] == "\ufffd"


# --- what servers say ---------------------------------------------------------------------------


def said(frame: dict[str, Any]) -> wire.ServerEvent:
    """Return the event that a frame is taken for."""
    return decode_server_event(json.dumps(frame))


def test_a_flat_session_is_todays() -> None:
    flat = {
        "id": "sess_1",
        "object": "realtime.session",
        "modalities": ["audio", "text"],
        "instructions": "Be brief.",
        "voice": "alloy",
        "speed": 1.1,
        "input_audio_format": "pcm16",
        "output_audio_format": "g711_alaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "input_audio_noise_reduction": None,
        "turn_detection": {"type": "server_vad", "threshold": 0.5, "interrupt_response": False},
        "tools": [],
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
    }
    event = said({"type": "session.updated", "session": flat})
    assert event == wire.SessionUpdated(
        session=SessionConfig(
            id="sess_1",
            object="realtime.session",
            output_modalities=["audio"],
            instructions="Be brief.",
            audio=AudioConfig(
                input=AudioInput(
                    format=PCM_24K,
                    transcription=Transcription(model="whisper-1"),
                    noise_reduction=None,
                    turn_detection=ServerVad(threshold=0.5, interrupt_response=False),
                ),
                output=AudioOutput(format=AudioFormat(type="audio/pcma"), voice="alloy", speed=1.1),
            ),
            tools=[],
            max_output_tokens="inf",
        )
    )


@pytest.mark.parametrize("config", [EVERYTHING, SessionConfig(output_modalities=["text"]), SessionConfig()])
def test_what_a_beta_server_echoes_is_what_it_was_told(config: SessionConfig) -> None:
    """There and back, all that the beta interface has a word for."""
    event = said({"type": "session.updated", "session": session(config, BETA)})
    assert isinstance(event, wire.SessionUpdated)
    assert session(event.session, BETA) == session(config, BETA)


HOLDS_ITEM = (
    wire.ConversationItemAdded,
    wire.ConversationItemCreated,
    wire.ConversationItemDone,
    wire.ConversationItemRetrieved,
)


def test_an_xai_echo_is_todays() -> None:
    event = said({"type": "session.updated", "session": session(EVERYTHING, XAI)})
    assert isinstance(event, wire.SessionUpdated)
    assert event.session.voice == "voice_1"
    assert event.session.audio
    assert event.session.audio.input
    assert event.session.audio.output
    assert isinstance(event.session.audio.input.turn_detection, ServerVad)
    assert event.session.audio.input.format == PCM_24K
    assert event.session.audio.output.speed == 1.2


@pytest.mark.parametrize("none", [None, {"type": None}, {"type": "none"}, {"type": ""}])
@pytest.mark.parametrize("nested", [True, False])
def test_no_detection_is_no_detection_however_it_is_said(none: object, nested: bool) -> None:
    told_as = {"audio": {"input": {"turn_detection": none}}} if nested else {"turn_detection": none}
    event = said({"type": "session.updated", "session": told_as})
    assert isinstance(event, wire.SessionUpdated)
    assert event.session.audio
    assert event.session.audio.input
    assert event.session.audio.input.turn_detection is None


def test_what_today_says_wins_over_what_stands_beside_it() -> None:
    both = {"voice": "alloy", "audio": {"output": {"voice": "marin"}}}
    event = said({"type": "session.updated", "session": both})
    assert isinstance(event, wire.SessionUpdated)
    assert event.session.voice == "marin"


@pytest.mark.parametrize(
    "odd",
    [
        {"modalities": "audio"},
        {"turn_detection": {"type": "azure_semantic_vad"}},
        {"turn_detection": 5},
        {"input_audio_format": ["pcm16"]},
        {"input_audio_format": "pcm24"},
        {"voice": 7},
        {"audio": "yes", "voice": "alloy"},
        {"audio": {"input": 3}, "turn_detection": None},
        {"max_response_output_tokens": {}},
    ],
)
def test_an_odd_session_is_a_session_all_the_same(odd: dict[str, Any]) -> None:
    event = said({"type": "session.created", "session": {"id": "sess_1", **odd}})
    assert isinstance(event, wire.SessionCreated)
    assert event.session.id == "sess_1"


@pytest.mark.parametrize(("older", "today"), [("text", "output_text"), ("audio", "output_audio")])
@pytest.mark.parametrize(
    "name",
    [
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.done",
        "conversation.item.retrieved",
    ],
)
def test_an_assistants_content_has_todays_types(name: str, older: str, today: str) -> None:
    part = {"type": older, "text": "Hi.", "transcript": "Hi."}
    item = {"id": "a1", "type": "message", "role": "assistant", "content": [part]}
    event = said({"type": name, "item": item})
    assert isinstance(event, HOLDS_ITEM)
    assert [part.type for part in event.item.parts] == [today]
    item["role"] = "user"
    event = said({"type": name, "item": item})
    assert isinstance(event, HOLDS_ITEM)
    assert [part.type for part in event.item.parts] == [older], "only the assistant's"


def test_the_items_of_a_response_have_todays_types() -> None:
    item = {"id": "a1", "type": "message", "role": "assistant", "content": [{"type": "audio", "transcript": "Hi."}]}
    event = said({"type": "response.done", "response": {"id": R, "status": "completed", "output": [item]}})
    assert isinstance(event, wire.ResponseDone)
    assert event.response.output == [
        Item(
            id="a1", type="message", role="assistant", content=[ContentPart(type="output_audio", transcript="Hi.")]
        )
    ]


@pytest.mark.parametrize("inside", [{}, {"usage": None}, {"usage": {}}])
def test_usage_beside_the_response_is_its_usage(inside: dict[str, Any]) -> None:
    frame = {"type": "response.done", "response": {"id": R, **inside}, "usage": {"input_tokens": 7}}
    event = said(frame)
    assert isinstance(event, wire.ResponseDone)
    assert event.response.usage == wire.Usage(input_tokens=7)


def test_usage_inside_the_response_wins() -> None:
    frame = {
        "type": "response.done",
        "response": {"id": R, "usage": {"input_tokens": 3}},
        "usage": {"input_tokens": 7},
    }
    event = said(frame)
    assert isinstance(event, wire.ResponseDone)
    assert event.response.usage == wire.Usage(input_tokens=3)


@pytest.mark.parametrize("name", ["conversation.item.added", "input_audio_buffer.committed"])
def test_zero_is_no_predecessor(name: str) -> None:
    event = said({"type": name, "item_id": "u", "item": {"type": "message"}, "previous_item_id": "0"})
    assert isinstance(event, wire.ConversationItemAdded | wire.InputAudioBufferCommitted)
    assert event.previous_item_id is None


@pytest.mark.parametrize("member", ["transcript", "delta", "text"])
def test_a_transcript_told_anew_is_not_final(member: str) -> None:
    event = said({"type": "conversation.item.input_audio_transcription.updated", "item_id": "u", member: "What is"})
    assert event == wire.InputAudioTranscriptionCompleted(item_id="u", transcript="What is", status="in_progress")


@pytest.mark.parametrize(
    ("frame", "message", "code"),
    [
        ({"message": "No.", "code": "invalid_value"}, "No.", "invalid_value"),
        ({"error": "No."}, "No.", ""),
        ({"error": "No.", "code": "x"}, "No.", "x"),
    ],
)
def test_an_error_told_plainly_is_an_error(frame: dict[str, Any], message: str, code: str) -> None:
    event = said({"type": "error", **frame})
    assert isinstance(event, wire.Error)
    assert (event.error.message_text, event.error.code_text) == (message, code)


@pytest.mark.parametrize("name", ["ping", "conversation.created", "input_audio_buffer.dtmf_event_received"])
def test_what_needs_no_answer_gets_none(name: str) -> None:
    story = Story().online()
    assert not [e for e in story.says({"type": name, "timestamp": 1, "event": "5"}) if isinstance(e, Send)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
FLAT = st.sampled_from(
    (
        *("modalities", "voice", "speed", "input_audio_format", "output_audio_format", "input_audio_transcription"),
        *("turn_detection", "audio", "max_response_output_tokens", "content", "role", "output", "usage", "type"),
    )
)
SERVER_NAMES = [str(kind.__struct_config__.tag) for kind in get_args(wire.KnownServerEvent)]


@given(
    st.sampled_from([*SERVER_NAMES, *OLDER_NAMES, "conversation.item.input_audio_transcription.updated"]),
    st.dictionaries(
        st.sampled_from(["session", "item", "response", "usage", "error", "previous_item_id", "transcript"]),
        JSON | st.dictionaries(FLAT, JSON | st.just("assistant"), max_size=5),
        max_size=4,
    ),
)
def test_nothing_a_server_says_can_raise(name: str, members: dict[str, Any]) -> None:
    decode_server_event(json.dumps({"type": name, **members}))
    raw: dict[str, Any] = {"type": name, **members}
    settle(raw)
    once = deepcopy(raw)
    settle(raw)
    assert raw == once, "what is settled stays as it is"


# --- whole stories ------------------------------------------------------------------------------


def spoken(ms: float) -> str:
    """Return that much audio as it stands on the wire."""
    return b64encode(pcm(ms)).decode()


def outgoing(story: Story, dialect: Dialect) -> list[dict[str, Any]]:
    """Return all that was sent so far, as a server of that dialect gets it."""
    return [told(effect.event, dialect) for effect in story.effects if isinstance(effect, Send)]


def test_a_conversation_with_a_beta_server() -> None:
    story = Story(voice="alloy", voices=("alloy",))
    story.happens(ConnectAsked())
    flat = {"id": "sess_1", "voice": "alloy", "modalities": ["text", "audio"], "turn_detection": None}
    story.says({"type": "session.created", "session": flat}, {"type": "session.updated", "session": flat})
    story.talks(item="item_U1")
    item: dict[str, Any] = {"id": ITEM, "type": "message", "role": "assistant", "content": []}
    ids = {"response_id": R, "item_id": ITEM, "output_index": 0, "content_index": 0}
    body = {"id": R, "object": "realtime.response", "status": "in_progress", "conversation_id": None}
    effects = story.says(
        {"type": "response.created", "response": body},
        {"type": "response.output_item.added", "response_id": R, "output_index": 0, "item": item},
        {"type": "conversation.item.created", "previous_item_id": "item_U1", "item": item},
        {"type": "response.content_part.added", **ids, "part": {"type": "audio", "transcript": ""}},
        {"type": "response.audio_transcript.delta", **ids, "delta": "Good "},
        {"type": "response.audio.delta", **ids, "delta": spoken(1000)},
        {"type": "response.audio_transcript.delta", **ids, "delta": "morning."},
    )
    assert [(e.part, len(e.pcm)) for e in effects if isinstance(e, Play)] == [(PART, 48_000)]
    assert story.turn() is Turn.SPEAKING

    story.stopped_with = (Heard(PART, 500),)
    story.happens(StopPressed())
    item |= {"status": "incomplete", "content": [{"type": "audio", "transcript": "Good morning."}]}
    story.says({"type": "response.done", "response": {**body, "status": "cancelled", "output": [item]}})

    assert story.entries == [("item_U1", ""), (ITEM, "Good morning.")]
    assert story.shown()[-1].status is EntryStatus.INTERRUPTED
    sent = outgoing(story, BETA)
    assert {"type": "conversation.item.truncate", "item_id": ITEM, "content_index": 0, "audio_end_ms": 500} in [
        {name: value for name, value in frame.items() if name != "event_id"} for frame in sent
    ]
    updates = [frame["session"] for frame in sent if frame["type"] == "session.update"]
    assert {"voice": "alloy"} in updates
    assert all("type" not in update and "audio" not in update for update in updates)
    for frame in sent:
        assert extras(BETA_EVENTS.validate_python(frame), "") == []


def test_a_conversation_with_an_xai_like_server() -> None:
    story = Story(voice="eve", voices=("eve", "ara"))
    story.happens(ConnectAsked())
    theirs = {"id": "6f9c", "voice": "eve", "turn_detection": {"type": None}, "audio": {}}
    story.says(
        {"type": "conversation.created", "conversation": {"id": "c0", "object": "realtime.conversation"}},
        {"type": "session.created", "session": theirs},
        {"type": "ping", "timestamp": 1},
        {"type": "session.updated", "session": theirs},
    )
    user, answer, response = "b0a1-u", "b0a1-a", "b0a1-r"
    story.talks(item=user, previous="0")
    heard = {"type": "conversation.item.input_audio_transcription.completed", "item_id": user}
    story.says(
        {"type": "conversation.item.input_audio_transcription.updated", "item_id": user, "transcript": "What"},
        {"type": "conversation.item.input_audio_transcription.updated", "item_id": user, "transcript": "What is"},
    )
    assert story.entries == [(user, "What is")], "a text told anew replaces the one before"
    story.says(
        {**heard, "transcript": "What is the", "status": "in_progress"},
        {**heard, "transcript": "What is the time?", "status": "completed"},
        {**heard, "transcript": "What is", "status": "in_progress"},
    )
    assert story.entries == [(user, "What is the time?")]

    item = {"id": answer, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    ids = {"response_id": response, "item_id": answer}
    story.says(
        {
            "type": "response.created",
            "response": {"id": response, "status": "in_progress", "output": [], "usage": {}},
        },
        {"type": "response.output_item.added", "response_id": response, "output_index": 0, "item": item},
        {"type": "conversation.item.added", "previous_item_id": "0", "item": item},
        {"type": "response.output_audio_transcript.delta", **ids, "delta": "Noon."},
        {"type": "response.output_audio.delta", **ids, "delta": spoken(400)},
        {"type": "conversation.item.added", "item": {"id": "t", "type": "message", "role": "tool", "content": []}},
        {
            "type": "response.done",
            "response": {
                "id": response,
                "status": "completed",
                "status_details": "done",
                "output": [],
                "usage": {},
            },
            "usage": {"input_tokens": 11, "output_tokens": 4, "total_tokens": 15},
        },
    )
    assert story.entries == [(user, "What is the time?"), (answer, "Noon.")]
    assert not notices(story.effects)
    assert story.turn() is Turn.SPEAKING

    story.says(error(None, "Cannot cancel: no active response"))
    assert not notices(story.effects), "known by its words: the codes are others"
    updates = [frame["session"] for frame in outgoing(story, XAI) if frame["type"] == "session.update"]
    assert {"voice": "eve"} in updates
    assert {"type": None} in [update.get("turn_detection") for update in updates]


def test_a_server_that_echoes_no_metadata_is_heard() -> None:
    """Many write `conversation_id: null` in every response; a null alone is no response out of band."""
    story = Story().online()
    story.happens(TextEntered("Hello"))
    story.says({"type": "response.created", "response": {"id": R, "conversation_id": None, "metadata": None}})
    effects = story.says({"type": "response.audio.delta", "response_id": R, "item_id": ITEM, "delta": "AAAA"})
    assert [e for e in effects if isinstance(e, Play)]
