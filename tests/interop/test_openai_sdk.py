"""The local server, driven by the vendor's own client: `openai`, `client.realtime.connect`.

Whatever comes back is held against the vendor's schema, strictly, before the client's own parser sees it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import openai
import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from desktop_app.local_server.engines import FunctionCall, MessageRole
from desktop_app.local_server.engines.scripted import (
    VOICES,
    WORD_MS,
    ScriptedEars,
    ScriptedModel,
    ScriptedSpeech,
    scripted_engines,
)
from desktop_app.local_server.memory import UNSEEN_IMAGE
from desktop_app.local_server.server import MODEL, LocalServer
from tests.harness.vendor import check_server_event

TOKEN = "a-token-of-this-test"
WITHIN_S = 10
BYTES_PER_MS = 48
TINY_PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5E"
    "rkJggg=="
)


class Vendor:
    """The vendor's connection, with an eye on what it gets."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.does = connection
        self.seen: list[Any] = []
        """Everything that came, parsed by the vendor."""

    async def next(self) -> Any:
        """Return the next event."""
        frame = await self.does.recv_bytes()
        check_server_event(frame.decode())
        event = self.does.parse_event(frame)
        self.seen.append(event)
        return event

    async def until(self, kind: str, **members: Any) -> Any:
        """Return the next event of a type with these members."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                event = await self.next()
                if event.type == kind and all(getattr(event, name) == value for name, value in members.items()):
                    return event

    async def refusal(self) -> tuple[str, str, str]:
        """Return the next error: its code, its field and the event that it answers."""
        error = (await self.until("error")).error
        return error.code, error.param, error.event_id

    async def says(self, text: str, **more: Any) -> None:
        """Type a text of the user."""
        content: Any = [{"type": "input_text", "text": text}]
        item: Any = {"type": "message", "role": "user", "content": content, **more}
        await self.does.conversation.item.create(item=item)

    def kinds(self) -> list[str]:
        """Return the types of everything that came; repeated ones once."""
        kinds = [event.type for event in self.seen]
        return [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]


@asynccontextmanager
async def talking_to(
    *replies: Sequence[str | FunctionCall],
    ears: ScriptedEars | None = None,
    model: ScriptedModel | None = None,
    speech: ScriptedSpeech | None = None,
) -> AsyncIterator[Vendor]:
    """Connect the vendor's client to a server whose engines do as they are told."""
    engines = scripted_engines(ears=ears, model=model or ScriptedModel(*replies), speech=speech)
    async with LocalServer(engines, token=TOKEN, voices=VOICES) as server, client_of(server.url) as vendor:
        yield vendor


@asynccontextmanager
async def client_of(url: str, token: str = TOKEN) -> AsyncIterator[Vendor]:
    """Connect the vendor's client as its users do, with another base address."""
    base = url.removesuffix("/realtime")
    client = openai.AsyncOpenAI(api_key=token, base_url=base.replace("ws:", "http:"), websocket_base_url=base)
    async with client, client.realtime.connect(model=MODEL) as connection:
        vendor = Vendor(connection)
        created = await vendor.until("session.created")
        assert (created.session.type, created.session.model) == ("realtime", MODEL)
        yield vendor


def loud(ms: int) -> bytes:
    """Return what the scripted voice detection takes for speech."""
    samples = 0.4 * np.sin(2 * np.pi * 300 * np.arange(24 * ms) / 24_000)
    return (samples * 32767).astype("<i2").tobytes()


async def append(vendor: Vendor, pcm: bytes) -> None:
    """Append audio in blocks of 100 ms."""
    for start in range(0, len(pcm), 4800):
        await vendor.does.input_audio_buffer.append(audio=base64.b64encode(pcm[start : start + 4800]).decode())


def push_to_talk(**output: Any) -> Any:
    """Return a session without turn detection."""
    audio = {"input": {"transcription": {"model": "any"}, "turn_detection": None}, "output": output}
    return {"type": "realtime", "audio": audio}


def text_with(**members: Any) -> Any:
    """Return a session that answers in writing."""
    return {"type": "realtime", "output_modalities": ["text"], **members}


TEXT: Any = {"type": "realtime", "output_modalities": ["text"]}
HOROSCOPE: Any = {
    "type": "function",
    "name": "generate_horoscope",
    "description": "Give today's horoscope for an astrological sign.",
    "parameters": {
        "type": "object",
        "properties": {"sign": {"type": "string", "enum": ["Aries", "Aquarius"]}},
        "required": ["sign"],
    },
}
"""The guide's own example of a function."""


# --- text ---------------------------------------------------------------------------------------


async def test_a_text_turn_in_the_order_of_the_guide() -> None:
    async with talking_to() as vendor:
        await vendor.does.session.update(session=TEXT)
        await vendor.until("session.updated")
        vendor.seen.clear()
        await vendor.says("Hello?", id="msg_1")
        await vendor.does.response.create(response={"metadata": {"turn": "1"}})
        done = await vendor.until("response.done")
        assert (done.response.status, done.response.metadata) == ("completed", {"turn": "1"})
        assert done.response.output[0].content[0].text == "You said: Hello?"
        assert vendor.kinds() == [
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
        deltas = [event.delta for event in vendor.seen if event.type == "response.output_text.delta"]
        assert "".join(deltas) == "You said: Hello?"
        (answered,) = [event for event in vendor.seen if event.type == "response.output_item.added"]
        places = [event for event in vendor.seen if event.type == "conversation.item.added"]
        assert [(place.item.id, place.previous_item_id) for place in places] == [
            ("msg_1", None),
            (answered.item.id, "msg_1"),
        ]


async def test_items_go_where_the_client_puts_them_and_away_again() -> None:
    model = ScriptedModel()
    async with talking_to(model=model) as vendor:
        await vendor.does.session.update(session=text_with(instructions="Be brief."))
        await vendor.says("second", id="b")
        part: Any = [{"type": "output_text", "text": "a note of mine"}]
        before: Any = {"type": "message", "role": "assistant", "id": "a", "content": part}
        await vendor.does.conversation.item.create(item=before, previous_item_id="root")
        note: Any = [{"type": "input_text", "text": "It is Monday."}]
        await vendor.does.conversation.item.create(
            item={"type": "message", "role": "system", "id": "s", "content": note}, previous_item_id="a"
        )
        await vendor.says("never mind", id="c")
        await vendor.does.conversation.item.delete(item_id="c")
        assert (await vendor.until("conversation.item.deleted")).item_id == "c"
        await vendor.does.conversation.item.retrieve(item_id="a")
        kept = (await vendor.until("conversation.item.retrieved")).item
        assert (kept.role, kept.content[0].text) == ("assistant", "a note of mine")
        await vendor.does.response.create()
        await vendor.until("response.done")
        assert [(each.role, each.text) for each in model.asked[-1]] == [
            (MessageRole.SYSTEM, "Be brief."),
            (MessageRole.ASSISTANT, "a note of mine"),
            (MessageRole.SYSTEM, "It is Monday."),
            (MessageRole.USER, "second"),
        ]


async def test_a_picture_is_taken_and_the_model_told_that_it_cannot_see_it() -> None:
    model = ScriptedModel()
    async with talking_to(model=model) as vendor:
        await vendor.does.session.update(session=TEXT)
        content: Any = [
            {"type": "input_text", "text": "What is in this picture?"},
            {"type": "input_image", "image_url": TINY_PNG, "detail": "low"},
        ]
        await vendor.does.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        added = await vendor.until("conversation.item.added")
        assert (added.item.content[1].image_url, added.item.content[1].detail) == (TINY_PNG, "low")
        await vendor.does.response.create()
        await vendor.until("response.done")
        assert model.asked[-1][-1].text == f"What is in this picture?\n{UNSEEN_IMAGE}"
        content[1]["image_url"] = "https://example.org/picture.png"
        await vendor.does.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}, event_id="c-9"
        )
        assert await vendor.refusal() == ("invalid_value", "item.content[1].image_url", "c-9")


# --- audio --------------------------------------------------------------------------------------


async def test_push_to_talk_by_buffer_and_by_whole_message() -> None:
    ears = ScriptedEars("What is two plus two?", "And three plus three?")
    async with talking_to(["It is four."], ["It is six."], ears=ears) as vendor:
        await vendor.does.session.update(session=push_to_talk(voice="hum"))
        await append(vendor, loud(900))
        await vendor.does.input_audio_buffer.commit()
        committed = await vendor.until("input_audio_buffer.committed")
        await vendor.does.response.create()
        transcript = await vendor.until("conversation.item.input_audio_transcription.completed")
        assert (transcript.item_id, transcript.transcript) == (committed.item_id, "What is two plus two?")
        assert transcript.usage.seconds == pytest.approx(0.9)
        done = await vendor.until("response.done")
        deltas = [event.delta for event in vendor.seen if event.type == "response.output_audio.delta"]
        heard = b"".join(map(base64.b64decode, deltas))
        assert len(heard) == 3 * WORD_MS * BYTES_PER_MS
        assert done.response.output[0].content[0].transcript == "It is four."
        assert done.response.audio.output.voice == "hum"
        assert done.response.usage.output_token_details.audio_tokens == math.ceil(3 * WORD_MS / 50)

        content: Any = [{"type": "input_audio", "audio": base64.b64encode(loud(1200)).decode()}]
        await vendor.does.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await vendor.does.response.create()
        done = await vendor.until("response.done")
        assert done.response.output[0].content[0].transcript == "It is six."
    assert [round(seconds, 1) for seconds, draft, _ in ears.heard if not draft] == [0.9, 1.2]


async def test_a_commit_of_nothing_and_a_clear() -> None:
    async with talking_to() as vendor:
        await vendor.does.session.update(session=push_to_talk())
        await append(vendor, loud(60))
        await vendor.does.input_audio_buffer.commit(event_id="c-4")
        code, _, event_id = await vendor.refusal()
        assert (code, event_id) == ("input_audio_buffer_commit_empty", "c-4")
        await vendor.does.input_audio_buffer.clear()
        await vendor.until("input_audio_buffer.cleared")


async def test_hands_free_it_hears_the_end_answers_and_is_cut_off_and_truncated() -> None:
    ears = ScriptedEars("What is two plus two?", "Stop.")
    many = ScriptedModel(["It is four. ", *["And many more words. "] * 200], delay_s=0.005)
    async with talking_to(ears=ears, model=many, speech=ScriptedSpeech(delay_s=0.005)) as vendor:
        detection = {"type": "server_vad", "silence_duration_ms": 400}
        session: Any = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        await vendor.does.session.update(session=session)
        await append(vendor, bytes(48 * 400) + loud(900) + bytes(48 * 700))
        started = await vendor.until("input_audio_buffer.speech_started")
        assert started.audio_start_ms == pytest.approx(100, abs=70)
        assert (await vendor.until("input_audio_buffer.speech_stopped")).item_id == started.item_id
        delta = await vendor.until("response.output_audio.delta")
        assert len(base64.b64decode(delta.delta)) == 4800
        while sum(event.type == "response.output_audio.delta" for event in vendor.seen) < 12:
            await vendor.next()

        await append(vendor, loud(300))  # the user talks over it
        await vendor.until("input_audio_buffer.speech_started")
        done = await vendor.until("response.done")
        assert (done.response.status, done.response.status_details.reason) == ("cancelled", "turn_detected")
        (item,) = done.response.output
        assert item.status == "incomplete"
        await vendor.does.conversation.item.truncate(
            item_id=item.id, content_index=0, audio_end_ms=3 * WORD_MS, event_id="c-1"
        )
        assert (await vendor.until("conversation.item.truncated")).audio_end_ms == 3 * WORD_MS
        await vendor.does.conversation.item.retrieve(item_id=item.id)
        kept = (await vendor.until("conversation.item.retrieved")).item.content[0]
        assert kept.transcript is None
        assert len(base64.b64decode(kept.audio)) == 3 * WORD_MS * BYTES_PER_MS

        await append(vendor, loud(300) + bytes(48 * 700))
        assert (await vendor.until("response.done")).response.status == "completed"
        assert many.asked[-1][-2].text == "It is four.", "the model knows what was heard, to the word"


async def test_a_truncation_that_cannot_be_is_refused_and_changes_nothing() -> None:
    async with talking_to(["It is four."]) as vendor:
        await vendor.does.session.update(session=push_to_talk())
        await vendor.says("What is two plus two?", id="u")
        await vendor.does.response.create()
        (item,) = (await vendor.until("response.done")).response.output
        truncate = vendor.does.conversation.item.truncate
        await truncate(item_id=item.id, content_index=0, audio_end_ms=60_000, event_id="t-1")
        assert (await vendor.refusal())[::2] == ("invalid_value", "t-1")
        await truncate(item_id=item.id, content_index=0, audio_end_ms=-1, event_id="t-2")
        assert await vendor.refusal() == ("integer_below_min_value", "audio_end_ms", "t-2")
        await truncate(item_id="nobody", content_index=0, audio_end_ms=10, event_id="t-3")
        assert await vendor.refusal() == ("item_truncate_invalid_item_id", "item_id", "t-3")
        await truncate(item_id="u", content_index=0, audio_end_ms=10, event_id="t-4")
        assert (await vendor.refusal())[::2] == ("unsupported_content_type", "t-4")
        await vendor.does.conversation.item.retrieve(item_id=item.id)
        kept = (await vendor.until("conversation.item.retrieved")).item.content[0]
        assert kept.transcript == "It is four."
        assert len(base64.b64decode(kept.audio)) == 3 * WORD_MS * BYTES_PER_MS


# --- functions ----------------------------------------------------------------------------------


async def test_the_guides_function_is_called_and_its_output_used() -> None:
    call = FunctionCall("generate_horoscope", '{"sign": "Aquarius"}')
    model = ScriptedModel([call], ["You will meet a friend."])
    async with talking_to(model=model) as vendor:
        await vendor.does.session.update(session=text_with(tools=[HOROSCOPE], tool_choice="auto"))
        updated = await vendor.until("session.updated")
        assert updated.session.tools[0].name == "generate_horoscope"
        await vendor.says("What is my horoscope? I am an aquarius.")
        await vendor.does.response.create()
        asked = await vendor.until("response.function_call_arguments.done")
        assert (asked.name, json.loads(asked.arguments)) == ("generate_horoscope", {"sign": "Aquarius"})
        done = await vendor.until("response.done")
        (item,) = done.response.output
        assert (item.type, item.status, item.call_id) == ("function_call", "completed", asked.call_id)
        output: Any = {
            "type": "function_call_output",
            "call_id": asked.call_id,
            "output": '{"horoscope": "You will meet a friend."}',
        }
        await vendor.does.conversation.item.create(item=output)
        await vendor.does.response.create()
        assert (await vendor.until("response.output_text.done")).text == "You will meet a friend."
        assert model.offered[0][0].name == "generate_horoscope"
        assert model.asked[-1][-1].text == output["output"]
        wrong: Any = {**output, "call_id": "call_nobody"}
        await vendor.does.conversation.item.create(item=wrong, event_id="c-3")
        assert await vendor.refusal() == ("invalid_tool_call_id", "item.call_id", "c-3")


async def test_two_functions_at_once_and_one_answer_to_both() -> None:
    calls = [FunctionCall("generate_horoscope", f'{{"sign": "{sign}"}}') for sign in ("Aries", "Aquarius")]
    async with talking_to(calls, ["Both of you: stay in bed."]) as vendor:
        await vendor.does.session.update(session=text_with(tools=[HOROSCOPE]))
        await vendor.does.response.create()
        done = await vendor.until("response.done")
        ids = [item.call_id for item in done.response.output]
        assert len(set(ids)) == 2
        for call_id in reversed(ids):
            output: Any = {"type": "function_call_output", "call_id": call_id, "output": "stay in bed"}
            await vendor.does.conversation.item.create(item=output)
        await vendor.does.response.create()
        assert (await vendor.until("response.output_text.done")).text == "Both of you: stay in bed."


# --- cancel, errors, out of band ----------------------------------------------------------------


async def test_cancel_with_and_without_its_id_and_too_late() -> None:
    slow = ScriptedModel(*[["One. ", "Two. ", "Three. "] * 100] * 2, delay_s=0.01)
    async with talking_to(model=slow, speech=ScriptedSpeech(delay_s=0.01)) as vendor:
        await vendor.does.response.create()
        created = await vendor.until("response.created")
        await vendor.until("response.output_audio.delta")
        await vendor.does.response.create(event_id="c-2")
        assert (await vendor.refusal())[::2] == ("conversation_already_has_active_response", "c-2")
        await vendor.does.response.cancel(response_id=created.response.id)
        done = await vendor.until("response.done")
        assert (done.response.status, done.response.status_details.reason) == ("cancelled", "client_cancelled")
        await vendor.does.response.create()
        await vendor.until("response.created")
        await vendor.does.response.cancel()
        assert (await vendor.until("response.done")).response.status == "cancelled"
        await vendor.does.response.cancel(event_id="c-3")
        assert (await vendor.refusal())[::2] == ("response_cancel_not_active", "c-3")


async def test_out_of_band_beside_an_answer_with_metadata_and_references() -> None:
    slow = ScriptedModel(["Once upon a time. "] * 100, delay_s=0.01)
    async with talking_to(model=slow) as vendor:
        await vendor.does.session.update(session=TEXT)
        await vendor.says("My name is Ada.", id="msg_ada")
        await vendor.says("Tell me a story.", id="msg_story")
        await vendor.does.response.create(response={"metadata": {"of": "conversation"}})
        story = await vendor.until("response.created")
        content: Any = [{"type": "input_text", "text": "What is my name?"}]
        asked: Any = {"type": "message", "role": "user", "content": content}
        for number in range(3):
            await vendor.does.response.create(
                response={
                    "conversation": "none",
                    "metadata": {"topic": f"name {number}"},
                    "output_modalities": ["text"],
                    "input": [{"type": "item_reference", "id": "msg_ada"}, asked],
                }
            )
        beside: dict[str, Any] = {}
        while len(beside) < 3:
            response = (await vendor.until("response.done")).response
            beside[response.metadata["topic"]] = response
        assert all(response.conversation_id is None for response in beside.values())
        assert {r.output[0].content[0].text for r in beside.values()} == {"You said: What is my name?"}
        (seen,) = {tuple((each.role, each.text) for each in asked[1:]) for asked in slow.asked[1:]}
        assert seen == ((MessageRole.USER, "My name is Ada."), (MessageRole.USER, "What is my name?"))
        await vendor.does.conversation.item.retrieve(item_id=beside["name 0"].output[0].id, event_id="c-5")
        assert (await vendor.refusal())[::2] == ("item_retrieve_invalid_item_id", "c-5")
        added = {event.item.id for event in vendor.seen if event.type == "conversation.item.added"}
        assert added.isdisjoint(response.output[0].id for response in beside.values())
        await vendor.does.response.cancel(response_id=story.response.id)
        done = await vendor.until("response.done")
        assert done.response.metadata == {"of": "conversation"}


async def test_exact_words_are_spoken_without_asking_the_model() -> None:
    model = ScriptedModel()
    async with talking_to(model=model) as vendor:
        await vendor.does.response.create(
            response={
                "conversation": "none",
                "input": [],
                "instructions": "Say exactly the following: I'm a little teapot, short and stout!",
            }
        )
        done = await vendor.until("response.done")
        assert done.response.output[0].content[0].transcript == "I'm a little teapot, short and stout!"
        assert not model.asked


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "transcription"}, "invalid_value", "session.type"),
        ({"model": "gpt-realtime"}, "invalid_value", "session.model"),
        ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
        ({"audio": {"output": {"voice": "marin"}}}, "invalid_value", "session.audio.output.voice"),
        ({"audio": {"output": {"speed": 3.0}}}, "invalid_value", "session.audio.output.speed"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}}},
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "very"}}}},
            "invalid_value",
            "session.audio.input.turn_detection.eagerness",
        ),
        ({"max_output_tokens": 5000}, "invalid_value", "session.max_output_tokens"),
        ({"reasoning": {"effort": "low"}}, "invalid_value", "session.reasoning"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "invalid_value", "session.tools[0].type"),
        ({"tool_choice": {"type": "function", "name": "nobody"}}, "invalid_value", "session.tool_choice.name"),
        ({"truncation": "sometimes"}, "invalid_value", "session.truncation"),
    ],
)
async def test_an_update_is_refused_whole_and_names_its_field(
    session: dict[str, Any], code: str, param: str
) -> None:
    async with talking_to() as vendor:
        whole: Any = {"type": "realtime", "instructions": "Be someone else.", **session}
        await vendor.does.session.update(session=whole, event_id="c-7")
        assert await vendor.refusal() == (code, param, "c-7")
        await vendor.does.session.update(session={"type": "realtime"})
        after = (await vendor.until("session.updated")).session
        assert after.instructions != "Be someone else.", "one wrong field refuses them all"


async def test_the_voice_is_locked_once_it_was_heard_and_the_rest_is_not() -> None:
    async with talking_to(["Hello."]) as vendor:
        await vendor.does.session.update(session=push_to_talk(voice="hum"))
        assert (await vendor.until("session.updated")).session.audio.output.voice == "hum"
        await vendor.does.response.create()
        await vendor.until("response.done")
        await vendor.does.session.update(session=push_to_talk(voice="tone"), event_id="c-8")
        assert await vendor.refusal() == ("cannot_update_voice", "session.audio.output.voice", "c-8")
        await vendor.does.session.update(session={"type": "realtime", "max_output_tokens": 12})
        assert (await vendor.until("session.updated")).session.max_output_tokens == 12
        await vendor.says("a b c d e f g h i j k l m n o p q r s t u v w x y z")
        await vendor.does.response.create()
        done = await vendor.until("response.done")
        assert (done.response.status, done.response.status_details.reason) == ("incomplete", "max_output_tokens")


async def test_frames_that_are_no_events_are_answered_and_the_session_lives() -> None:
    async with talking_to() as vendor:
        unknown: Any = {"type": "session.frobnicate", "event_id": "c-0"}
        await vendor.does.send(unknown)
        assert (await vendor.refusal())[::2] == ("invalid_value", "c-0")
        await vendor.does.send({"type": "output_audio_buffer.clear", "event_id": "c-6"})
        assert (await vendor.refusal())[::2] == ("invalid_value", "c-6")
        await vendor.does.session.update(session=TEXT)
        await vendor.until("session.updated")


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
def test_the_vendors_blocking_client_too() -> None:
    """The other half of the package: a client without asyncio."""

    async def story() -> str:
        async with LocalServer(scripted_engines(), token=TOKEN, voices=VOICES) as server:
            return await asyncio.to_thread(blocking, server.url.removesuffix("/realtime"))

    def blocking(base: str) -> str:
        client = openai.OpenAI(api_key=TOKEN, base_url=base.replace("ws:", "http:"), websocket_base_url=base)
        with client, client.realtime.connect(model=MODEL) as connection:
            connection.session.update(session=TEXT)
            content: Any = [{"type": "input_text", "text": "Hello?"}]
            connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            connection.response.create()
            for event in connection:
                if event.type == "response.output_text.done":
                    return event.text
        return ""

    assert asyncio.run(story()) == "You said: Hello?"
