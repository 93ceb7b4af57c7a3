"""Every event there and back, and nothing that arrives can raise."""

from __future__ import annotations

import inspect
import json
import random
import time
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec import inspect as types

from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import (
    LARGE_BYTES,
    MAX_PATIENT_BYTES,
    MAX_REPAIRS,
    BadFrame,
    decode_client_event,
    decode_server_event,
    encode,
)
from desktop_app.protocol.dialects import OLDER_NAMES
from desktop_app.protocol.items import ContentPart, Item, user_message
from desktop_app.protocol.session_config import SemanticVad, ServerVad, SessionConfig

CLIENT: list[type[Any]] = list(get_args(wire.ClientEvent))
SERVER: list[type[Any]] = list(get_args(wire.KnownServerEvent))
IDS = {"ids": lambda kind: kind.__name__}


# --- a value for every field --------------------------------------------------------------------


def filled(kind: type[Any], *, everything: bool) -> Any:
    """Return an event with every member set, or only with those it must have."""
    return msgspec.convert(_struct(types.type_info(kind), everything), kind)


def _struct(info: types.Type, everything: bool) -> dict[str, Any]:
    assert isinstance(info, types.StructType)
    values = {
        field.encode_name: _value(field.type, everything) for field in info.fields if everything or field.required
    }
    return {info.tag_field: info.tag, **values} if info.tag_field else values


def _value(info: types.Type, everything: bool) -> Any:
    match info:
        case types.StrType():
            return "wörter «\u2028» 🎙 \x00"
        case types.IntType():
            return 2**53 + 1
        case types.FloatType():
            return 0.1
        case types.BoolType():
            return True
        case types.BytesType():
            return "AAECAwT/"
        case types.LiteralType():
            return info.values[0]
        case types.AnyType():
            return {"any": [1, None, "x"]}
        case types.ListType():
            return [_value(info.item_type, everything)]
        case types.DictType():
            return {"key": _value(info.value_type, everything)}
        case types.UnionType():
            return _value(next(each for each in info.types if not isinstance(each, types.NoneType)), everything)
        case types.StructType():
            return _struct(info, everything)
    raise AssertionError(f"nobody thought of {info}")


def test_the_unions_hold_every_event_of_the_module() -> None:
    with_tag = {
        kind
        for _, kind in inspect.getmembers(wire, inspect.isclass)
        if issubclass(kind, msgspec.Struct)
        and kind.__struct_config__.tag_field
        and not kind.__name__.startswith("_")
    }

    assert with_tag == set(CLIENT) | set(SERVER)
    assert (len(CLIENT), len(SERVER)) == (11, 46)
    assert len({kind.__struct_config__.tag for kind in CLIENT}) == 11
    assert len({kind.__struct_config__.tag for kind in SERVER}) == 46


@pytest.mark.parametrize("everything", [True, False], ids=["everything", "only what it must have"])
@pytest.mark.parametrize("kind", CLIENT, **IDS)  # type: ignore[arg-type]
def test_a_client_event_there_and_back(kind: type[Any], everything: bool) -> None:
    event = filled(kind, everything=everything)
    text = encode(event)

    assert decode_client_event(text) == event
    assert decode_client_event(text.encode()) == event
    assert json.loads(text)["type"] == kind.__struct_config__.tag


@pytest.mark.parametrize("everything", [True, False], ids=["everything", "only what it must have"])
@pytest.mark.parametrize("kind", SERVER, **IDS)  # type: ignore[arg-type]
def test_a_server_event_there_and_back(kind: type[Any], everything: bool) -> None:
    event = filled(kind, everything=everything)
    text = encode(event)

    assert decode_server_event(text) == event
    assert decode_server_event(text.encode()) == event


@pytest.mark.parametrize("kind", SERVER, **IDS)  # type: ignore[arg-type]
def test_what_nobody_knows_is_ignored(kind: type[Any]) -> None:
    event = filled(kind, everything=True)
    raw = json.loads(encode(event))
    _add_to_every_object(raw)

    got = decode_server_event(json.dumps(raw))

    assert _without_any(got) == _without_any(event)


def _add_to_every_object(value: Any) -> None:
    if isinstance(value, dict):
        for member in list(value.values()):
            _add_to_every_object(member)
        if "key" not in value:  # a mapping of the user's own, whose members all mean something
            value["of_next_year"] = {"type": 7}
    elif isinstance(value, list):
        for element in value:
            _add_to_every_object(element)


def _without_any(event: Any) -> Any:
    """Return the event without what is taken as it comes."""
    text = encode(event).replace(',"of_next_year":{"type":7}', "").replace('"of_next_year":{"type":7}', "")
    return json.loads(text)


# --- what servers do to us ----------------------------------------------------------------------


@pytest.mark.parametrize(("older", "today"), OLDER_NAMES.items())
def test_older_names_mean_todays_events(older: str, today: str) -> None:
    kind = next(kind for kind in SERVER if kind.__struct_config__.tag == today)
    event = filled(kind, everything=False)
    raw = {**json.loads(encode(event)), "type": older}

    assert decode_server_event(json.dumps(raw)) == event


def done(**response: Any) -> str:
    return json.dumps({"type": "response.done", "response": {"id": "r1", "status": "completed", **response}})


ODD: list[tuple[dict[str, Any], wire.Response]] = [
    ({"usage": "much"}, wire.Response()),
    ({"usage": {"total_tokens": "many", "input_tokens": 3}}, wire.Response(usage=wire.Usage(input_tokens=3))),
    ({"usage": [], "object": 7, "conversation_id": {}}, wire.Response()),
    ({"status_details": "because"}, wire.Response(status_details="because")),
    ({"status_details": 5}, wire.Response()),
    ({"metadata": {"purpose": "title", "n": 7, "m": None}}, wire.Response(metadata={"purpose": "title"})),
    ({"output": "none"}, wire.Response()),
    (
        {"output": [None, {"id": "no type"}, {"type": "message", "id": "i", "content": 3}, 7]},
        wire.Response(output=[Item(type="message", id="i")]),
    ),
    (
        {"output": [{"type": "message", "content": [{"type": "audio", "audio": "%%%", "transcript": "hi"}]}]},
        wire.Response(output=[Item(type="message", content=[ContentPart(type="audio", transcript="hi")])]),
    ),
]


@pytest.mark.parametrize(("members", "left"), ODD, ids=[", ".join(members) for members, _ in ODD])
def test_odd_members_are_left_out_and_not_the_frame(members: dict[str, Any], left: wire.Response) -> None:
    expected = msgspec.structs.replace(left, id="r1", status="completed")

    assert decode_server_event(done(**members)) == wire.ResponseDone(response=expected)


def test_a_frame_of_nothing_but_oddities_is_given_up_in_time() -> None:
    few, many = ([None] * n for n in (MAX_REPAIRS - 1, 10_000))

    assert isinstance(decode_server_event(done(output=few)), wire.ResponseDone)
    assert decode_server_event(done(output=many)) == wire.UnknownEvent(
        type="response.done", why="too many odd members"
    )


@pytest.mark.parametrize("turn_detection", [{"type": "psychic_vad"}, {}, {"threshold": 1}, 3])
def test_an_unknown_turn_detection_does_not_cost_the_session(turn_detection: Any) -> None:
    session = {"id": "s", "audio": {"input": {"turn_detection": turn_detection}, "output": {"voice": "marin"}}}
    event = decode_server_event(json.dumps({"type": "session.created", "session": session}))

    assert isinstance(event, wire.SessionCreated)
    assert event.session.voice == "marin"


SPEECH = '{"type":"input_audio_buffer.speech_started","item_id":"i"'
TOLD: list[tuple[str | bytes, wire.ServerEvent]] = [
    (SPEECH + "}", wire.InputAudioBufferSpeechStarted(item_id="i")),
    (SPEECH + ',"audio_start_ms":12.0}', wire.InputAudioBufferSpeechStarted(item_id="i", audio_start_ms=12)),
    (SPEECH + ',"audio_start_ms":"12"}', wire.InputAudioBufferSpeechStarted(item_id="i", audio_start_ms=12)),
    (SPEECH + ',"audio_start_ms":12.5}', wire.InputAudioBufferSpeechStarted(item_id="i")),
    (SPEECH + ',"audio_start_ms":NaN}', wire.InputAudioBufferSpeechStarted(item_id="i")),
    (SPEECH + ',"audio_start_ms":-Infinity}', wire.InputAudioBufferSpeechStarted(item_id="i")),
    (SPEECH + ',"audio_start_ms":1e999}', wire.InputAudioBufferSpeechStarted(item_id="i")),
    (
        SPEECH + ',"item_id":"the last one counts"}',
        wire.InputAudioBufferSpeechStarted(item_id="the last one counts"),
    ),
    (
        '{"type":"error","error":{"message":"half \\ud83d of it"}}',
        wire.Error(error=wire.ErrorBody(message="half \ufffd of it")),
    ),
    (
        '{"type":"error","error":{"message":"whole \\ud83d\\ude00"}}',
        wire.Error(error=wire.ErrorBody(message="whole 😀")),
    ),
    (
        b'{"type":"error","error":{"message":"latin \xff"}}',
        wire.Error(error=wire.ErrorBody(message="latin \ufffd")),
    ),
]


@pytest.mark.parametrize(("frame", "event"), TOLD)
def test_what_other_languages_write_is_understood(frame: str | bytes, event: wire.ServerEvent) -> None:
    assert decode_server_event(frame) == event


UNTOLD: list[str | bytes] = [
    "", " ", "{", "null", "7", "[]", '"text"', "{}", '{"type":null}', '{"type":["x"]}', '{"type":"nobody.knows"}',
    '{"type":"ping"}', '{"type":"error"}', '{"type":"error","error":null}', '{"type":"session.created"}',
    '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"%%%"}',
    '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAE"}',
    '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":null}',
    '{"type":"foo","bar":}', "NaN", "\ud800", '{"":1,"type":"error"}', "9" * 5000,
    '{"type":"error","n":' + "9" * 5000 + "}",
    "[" * 100_000, '{"type":"error","error":' + "[" * 100_000,
    '{"a":' * 100_000, '{"type":"' + "x" * 1_000_000 + '"}',
    '{"type":"response.done","response":{"output":' + '[{"tools":' * 400 + "1" + "}]" * 400 + "}}",
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf{}", bytes(range(256)) * 100,
]  # fmt: skip


@pytest.mark.parametrize("frame", UNTOLD, ids=lambda frame: repr(frame[:30]))
def test_rubbish_is_an_unknown_event(frame: str | bytes) -> None:
    event = decode_server_event(frame)

    assert isinstance(event, wire.UnknownEvent)
    assert event.why
    assert len(event.type) <= 80
    assert len(event.why) <= 200


def test_a_megabyte_of_words_and_of_sound() -> None:
    words = wire.ResponseOutputTextDone(response_id="r", item_id="i", text="ü" * 1_000_000)
    sound = wire.ResponseOutputAudioDelta(response_id="r", item_id="i", delta=bytes(range(256)) * 4096)

    assert decode_server_event(encode(words)) == words
    assert decode_server_event(encode(sound)) == sound


def mutated(dice: random.Random, frame: bytes) -> bytes:
    """Return the frame with a few bytes changed, doubled, lost or swapped for something JSON means."""
    changed = bytearray(frame)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                changed[at : at + dice.randint(1, 20)] = b""
            case 2:
                changed[at:at] = changed[dice.randrange(len(changed) + 1) :][: dice.randint(1, 40)]
            case 3:
                words = [
                    b"null",
                    b"{}",
                    b"[]",
                    b"1e999",
                    b"-1",
                    b'"\\ud800"',
                    b"true",
                    b'"',
                    b"}",
                    b",",
                    b":",
                    b"NaN",
                ]
                changed[at : at + dice.randint(0, 4)] = dice.choice(words)
    return bytes(changed)


def test_twenty_thousand_mutations_never_raise() -> None:
    dice = random.Random(2)
    frames = [
        encode(filled(kind, everything=everything)).encode() for kind in SERVER for everything in (True, False)
    ]
    began_s = time.monotonic()

    known = sum(
        not isinstance(decode_server_event(mutated(dice, dice.choice(frames))), wire.UnknownEvent)
        for _ in range(20_000)
    )

    assert known > 1_500, "most mutations must not even reach the fields"
    assert time.monotonic() - began_s < 10


def members_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member of a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in pairs:
        yield (*path, name)
        yield from members_of(member, (*path, name))


def test_no_single_odd_member_loses_an_event_that_can_do_without_it() -> None:
    """Put something odd in the place of every optional member of every event: the event must survive."""
    lost = []
    for kind in SERVER:
        event = filled(kind, everything=True)
        must = set(json.loads(encode(filled(kind, everything=False))))
        raw_text = encode(event)
        for path in members_of(json.loads(raw_text)):
            if path[0] in must and (len(path) == 1 or kind is not wire.ResponseDone):
                continue
            for odd in (None, 7.5, "odd", [], {}, [None], {"type": 3}):
                raw = json.loads(raw_text)
                holder = raw
                for step in path[:-1]:
                    holder = holder[step]
                holder[path[-1]] = odd
                if not isinstance(decode_server_event(json.dumps(raw)), kind):
                    lost.append((kind.__name__, path, odd))
    assert not lost


# --- what clients do to the local server --------------------------------------------------------

REFUSED: list[tuple[str | bytes, str, str | None]] = [
    ("{", "invalid_json", None),
    (b"\xff", "invalid_json", None),
    ('{"type":"foo","bar":}', "invalid_json", None),
    ('{"type":"session.update","session":3, bad', "invalid_json", None),
    ('{"type":"input_audio_buffer.append","audio":"\\ud800"}', "invalid_json", None),
    ("[" * 100_000, "invalid_json", None),
    ("[]", "invalid_event", None),
    ("null", "invalid_event", None),
    ('{"type":"nobody.knows"}', "invalid_value", "type"),
    ('{"type":7}', "invalid_value", "type"),
    ("{}", "missing_required_parameter", "type"),
    ('{"type":"session.update"}', "missing_required_parameter", "session"),
    ('{"type":"conversation.item.create","item":{"id":"x"}}', "missing_required_parameter", "item.type"),
    (
        '{"type":"conversation.item.create","item":{"type":"message","content":[{"text":"x"}]}}',
        "missing_required_parameter",
        "item.content[0].type",
    ),
    (
        '{"type":"session.update","session":{"audio":{"output":{"speed":"x"}}}}',
        "invalid_value",
        "session.audio.output.speed",
    ),
    ('{"type":"input_audio_buffer.append","audio":"%%%"}', "invalid_value", "audio"),
    (
        '{"type":"response.create","response":{"output_modalities":["text","smell"]}}',
        "invalid_value",
        "response.output_modalities[1]",
    ),
    ('{"type":"session.update","session":{"tools":[]}}', "missing_required_parameter", "session.type"),
    ('{"type":"response.create","response":{"temperature":0.8}}', "unknown_parameter", "response.temperature"),
    ('{"type":"response.cancel","now":true}', "unknown_parameter", "now"),
    ('{"type":"input_audio_buffer.append","audio":"AAAA","rate":1}', "unknown_parameter", "rate"),
    (
        '{"type":"conversation.item.create","item":{"type":"message","content":[{"type":"x","y":1}]}}',
        "unknown_parameter",
        "item.content[0].y",
    ),
    (
        '{"type":"session.update","session":{"type":"realtime","audio":{"input":{"vad":null}}}}',
        "unknown_parameter",
        "session.audio.input.vad",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "code", "param"), REFUSED, ids=[repr(frame[:40]) for frame, _, _ in REFUSED])
def test_a_bad_client_frame_is_refused_with_the_protocols_code(
    frame: str | bytes, code: str, param: str | None
) -> None:
    with pytest.raises(BadFrame) as refused:
        decode_client_event(frame)

    assert (refused.value.code, refused.value.param) == (code, param)


def test_what_a_tool_describes_is_its_own_business() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string", "x-hint": [{"a": 1}]}}}
    session = {"type": "realtime", "tools": [{"type": "function", "name": "f", "parameters": schema}]}

    event = decode_client_event(json.dumps({"type": "session.update", "session": session}))

    assert isinstance(event, wire.SessionUpdate)
    tools = event.session.tools
    assert isinstance(tools, list)
    assert tools[0].parameters == schema


def test_a_refusal_names_the_event_and_stays_short() -> None:
    with pytest.raises(BadFrame) as refused:
        decode_client_event('{"event_id":"mine","type":"' + "x" * 1_000_000 + '"}')

    assert refused.value.event_id == "mine"
    assert len(str(refused.value)) < 200


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_whatever_a_client_sends_is_an_event_or_a_refusal(frame: str | bytes) -> None:
    try:
        event = decode_client_event(frame)
    except BadFrame:
        return
    assert type(event) in CLIENT


def test_five_thousand_mutations_of_client_frames_are_refused_at_most() -> None:
    dice = random.Random(3)
    frames = [encode(filled(kind, everything=True)).encode() for kind in CLIENT]
    refused = 0
    for _ in range(5_000):
        try:
            decode_client_event(mutated(dice, dice.choice(frames)))
        except BadFrame:
            refused += 1
    assert 500 < refused < 5_000


# --- what we send -------------------------------------------------------------------------------


def test_half_an_emoji_can_be_sent() -> None:
    event = wire.ConversationItemCreate(item=user_message("i", "half \ud83d"))

    sent = decode_client_event(encode(event))

    assert isinstance(sent, wire.ConversationItemCreate)
    assert sent.item.words == "half \ufffd"


def test_unset_leaves_alone_and_none_clears() -> None:
    config = SessionConfig(instructions="Be brief.", truncation=None)

    assert json.loads(encode(wire.SessionUpdate(session=config)))["session"] == {
        "type": "realtime", "instructions": "Be brief.", "truncation": None,
    }  # fmt: skip
    assert wire.SessionUpdate(session=config).event_id is UNSET


@pytest.mark.parametrize("vad", [ServerVad(threshold=0.5, silence_duration_ms=500), SemanticVad(eagerness="low")])
def test_both_turn_detections_there_and_back(vad: ServerVad | SemanticVad) -> None:
    assert msgspec.json.decode(msgspec.json.encode(vad), type=ServerVad | SemanticVad) == vad


# --- frames that would hold the window --------------------------------------------------------------


@pytest.mark.parametrize("element", ['{"type":"input_text","text":"x"},', '{"type":7},', "[1,2],", '"x",'])
def test_a_large_frame_of_many_small_values_is_not_read(element: str) -> None:
    head = '{"type":"conversation.item.added","item":{"id":"i","type":"message","role":"user","content":['
    frame = head + element * (LARGE_BYTES // len(element) * 8) + '{"type":"x"}]}}'

    event = decode_server_event(frame.encode())

    assert isinstance(event, wire.UnknownEvent)
    assert "too many" in event.why


@pytest.mark.parametrize("text", ["word ", "语", "\\n", "AAAA"])
def test_a_large_frame_of_one_long_value_is_read(text: str) -> None:
    said = text * (2 * MAX_PATIENT_BYTES // len(text))
    frame = f'{{"type":"response.output_text.delta","response_id":"r","item_id":"i","delta":"{said}"}}'

    event = decode_server_event(frame.encode())

    assert isinstance(event, wire.ResponseOutputTextDelta)
    assert len(event.delta) >= MAX_PATIENT_BYTES // 2


def test_what_is_odd_and_large_is_not_looked_at_again() -> None:
    frame = json.dumps({"type": "vendor.event", "x": "y" * MAX_PATIENT_BYTES})

    event = decode_server_event(frame)

    assert isinstance(event, wire.UnknownEvent)
    assert "too large" in event.why
