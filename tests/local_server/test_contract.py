"""Every event the local server sends, in conversations of all kinds, is in the vendor's schema, and no more."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from desktop_app.local_server.engines import FunctionCall
from desktop_app.local_server.orders import (
    DetectionUnavailable,
    Failed,
    NotUnderstood,
    Recognise,
    VoiceUnavailable,
    WakeAfter,
    Woke,
)
from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import decode_server_event, encode
from desktop_app.protocol.items import ContentPart, Item, Tool, assistant_text, function_call_output, system_text
from desktop_app.protocol.session_config import (
    AudioConfig,
    AudioFormat,
    AudioInput,
    AudioOutput,
    NoiseReduction,
    SemanticVad,
    ServerVad,
    SessionConfig,
)
from tests.harness.vendor import check_server_event
from tests.local_server.talk import Talk
from tests.local_server.test_session import anything

TOOL = Tool(name="get_time", description="The time.", parameters={"type": "object", "properties": {}})


def a_spoken_turn(talk: Talk) -> None:
    talk.update(detection=ServerVad(idle_timeout_ms=5000))
    talk.speech(1600).silence(700)
    talk.understood("What time is it?")
    talk.answer(talk.last(wire.ResponseCreated).response.id or "", "It is noon.", 900)
    talk.do(Woke(talk.ordered(WakeAfter)[-1].number))
    talk.answer(talk.last(wire.ResponseCreated).response.id or "", "Are you still there?", 900)


def drafts_and_a_failure(talk: Talk) -> None:
    talk.update().speech(1600)
    (draft,) = talk.ordered(Recognise)
    talk.do(NotUnderstood(draft.job, "x", "y")).do(wire.InputAudioBufferCommit())
    talk.ask()
    talk.do(NotUnderstood(talk.ordered(Recognise)[-1].job, "speech_recognition_unavailable", "Missing."))


def an_interruption(talk: Talk) -> None:
    talk.update(detection=ServerVad()).write("Hi")
    talk.answer(talk.ask(metadata={"a": "b"}), "Once upon a time", 900, end=False)
    item_id = talk.last(wire.ResponseOutputItemAdded).item.id or ""
    talk.speech(300)
    talk.do(wire.ConversationItemTruncate(item_id=item_id, content_index=0, audio_end_ms=300))
    talk.do(wire.ConversationItemRetrieve(item_id=item_id), wire.ConversationItemDelete(item_id=item_id))


def every_kind_of_item(talk: Talk) -> None:
    sound = ContentPart(type="input_audio", audio=bytes(9600), transcript="label")
    image = ContentPart(type="input_image", image_url="data:image/png;base64,AAAA")
    user = Item(id="u9", type="message", role="user", content=[sound, image])
    call = Item(id="f9", type="function_call", name="get_time", arguments="{}", call_id="c9")
    for item in (user, call, function_call_output("c9", "noon", "o9"), system_text("s9", "x")):
        talk.do(wire.ConversationItemCreate(item=item))
        talk.do(wire.ConversationItemRetrieve(item_id=item.id or ""))
    talk.do(wire.ConversationItemCreate(item=assistant_text("a9", "Yes."), previous_item_id="root"))
    talk.understood("Hm.")
    talk.do(wire.ConversationItemRetrieve(item_id="u9"))


def tools_and_text(talk: Talk) -> None:
    talk.update(tools=[TOOL], tool_choice={"type": "function", "name": "get_time"}, output_modalities=["text"])
    talk.write("Time?")
    talk.answer(talk.ask(max_output_tokens=500), "One moment.", FunctionCall("get_time", "{}"))
    talk.answer(talk.ask(conversation="none", input=[], tool_choice="none"), "A title")


def every_ending(talk: Talk) -> None:
    talk.update().write("Hi")
    talk.answer(talk.ask(max_output_tokens=5), "Hello there, my friend.", 900, end=False)
    talk.do(Failed(talk.ask(), "server_error", "Broken."))
    talk.do(VoiceUnavailable(talk.ask(), "No voice."))
    talk.answer(talk.last(wire.ResponseCreated).response.id or "", "Written.")
    talk.ask()
    talk.do(wire.ResponseCancel(), wire.ResponseCancel(event_id="c-1"), DetectionUnavailable("None."))
    talk.frame("{").frame('{"type":"session.update","session":{"type":"realtime","nobody":1}}')
    talk.do(wire.InputAudioBufferClear(), wire.OutputAudioBufferClear())


def every_setting(talk: Talk) -> None:
    talk.do(
        wire.SessionUpdate(
            session=SessionConfig(
                instructions="",
                tools=[TOOL],
                tool_choice="required",
                max_output_tokens=4096,
                truncation={"type": "retention_ratio", "retention_ratio": 0.8},
                tracing="auto",
                include=["item.input_audio_transcription.logprobs"],
                audio=AudioConfig(
                    input=AudioInput(
                        format=AudioFormat(type="audio/pcma"),
                        noise_reduction=NoiseReduction(type="far_field"),
                        turn_detection=SemanticVad(eagerness="low"),
                    ),
                    output=AudioOutput(format=AudioFormat(type="audio/pcmu"), voice="june", speed=1.5),
                ),
            )
        )
    )
    assert not talk.of(wire.Error)


STORIES: list[Callable[[Talk], None]] = [
    a_spoken_turn,
    drafts_and_a_failure,
    an_interruption,
    every_kind_of_item,
    tools_and_text,
    every_ending,
    every_setting,
]
SILENT_HERE = {
    wire.RateLimitsUpdated,  # nothing here is limited
    wire.ConversationCreated,  # not sent by GA servers either
    wire.ConversationItemCreated,
    wire.InputAudioBufferDtmfEventReceived,  # telephony and WebRTC
    wire.OutputAudioBufferStarted,
    wire.OutputAudioBufferStopped,
    wire.OutputAudioBufferCleared,
    wire.InputAudioTranscriptionSegment,  # only by models that tell speakers apart
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_what_the_server_sends_is_in_the_vendors_schema(story: Callable[[Talk], None]) -> None:
    talk = Talk(connect=False)
    story(talk)
    for event in talk.all_sent:
        frame = encode(event)
        check_server_event(frame)
        assert decode_server_event(frame) == event


def test_the_stories_tell_of_every_event_it_can_send() -> None:
    told: set[Any] = set()
    for story in STORIES:
        talk = Talk(connect=False)
        story(talk)
        told |= {type(event) for event in talk.all_sent}
    mcp = {kind for kind in wire.KnownServerEvent.__args__ if "Mcp" in kind.__name__}
    assert told == set(wire.KnownServerEvent.__args__) - SILENT_HERE - mcp


def test_so_it_is_in_any_order() -> None:
    for seed in range(40):
        dice = random.Random(seed)
        talk = Talk(connect=False).update(detection=dice.choice([None, ServerVad()]))
        for step in range(30):
            anything(talk, dice, step)
        for event in talk.all_sent:
            check_server_event(encode(event))
