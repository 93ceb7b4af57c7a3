"""JSON text to events and back.

The fast way is one call: a tagged union decodes and checks a frame. Servers differ, though, and a strange
usage figure must not lose us the end of a response. So a frame that does not fit is looked at again, slowly and
with more patience than JSON asks for (`NaN`, halves of emoji, bytes that are no UTF-8, `12.0` for 12): older
event names get today's, and an optional member of the wrong type is left out. What still does not fit becomes
an `UnknownEvent`, which nobody has to fear. `dialects` knows what servers say differently.

Reading holds the window's thread, so it is bounded: 16 MiB of speech, words or a picture are read in some 40 ms,
but a million small values or a large oddity would take seconds. No event has the one, and the other is given up.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from desktop_app.protocol import dialects, events
from desktop_app.protocol.dialects import Dialect
from desktop_app.protocol.events import (
    ClientEvent,
    InputAudioBufferAppend,
    KnownServerEvent,
    ServerEvent,
    SessionUpdate,
    UnknownEvent,
)

MAX_REPAIRS = 32
"""How many odd members of one frame are left out before the frame is given up."""

MAX_PATIENT_BYTES = 2**20
"""A frame that does not fit is looked at again only up to this."""

LARGE_BYTES = 2**17
MAX_VALUES = 10_000
"""So many members and elements at most a frame above `LARGE_BYTES` may have."""

MAX_EVENT_ID = 512
"""How long an event's id may be."""

_encode = msgspec.json.Encoder().encode
_decode_server: Callable[[bytes | str], KnownServerEvent] = msgspec.json.Decoder(KnownServerEvent).decode
_decode_client: Callable[[bytes | str], ClientEvent] = msgspec.json.Decoder(ClientEvent).decode
_decode_any: Callable[[bytes | str], Any] = msgspec.json.Decoder().decode
_decode_members: Callable[[bytes | str], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode


_VARIED = (
    events.SessionCreated,
    events.SessionUpdated,
    events.InputAudioBufferCommitted,
    events.ConversationItemAdded,
    events.ConversationItemDone,
    events.ConversationItemCreated,
    events.ConversationItemRetrieved,
    events.ResponseOutputItemAdded,
    events.ResponseOutputItemDone,
    events.ResponseDone,
)
"""Events that fit although a server says something in its own way, in members that are not looked at: they are
looked at again. Of the many deltas none is among them."""

_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeError)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class BadFrame(ValueError):
    """A frame that is no event; `code` is the protocol's error code for it."""

    def __init__(self, code: str, message: str, *, param: str | None = None, event_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.event_id = event_id
        """The client's own id of the refused event, if it could be read."""


def encode(event: ClientEvent | KnownServerEvent, dialect: Dialect = Dialect.GA) -> str:
    """Return the event as JSON text, in a dialect; half an emoji, which has no UTF-8, becomes U+FFFD."""
    try:
        if dialect is Dialect.GA or isinstance(event, InputAudioBufferAppend):
            return _encode(event).decode()
        return _encode(dialects.outgoing(msgspec.to_builtins(event), dialect)).decode()
    except UnicodeEncodeError:
        plain = _without_surrogates(msgspec.to_builtins(event))
        return _encode(dialects.outgoing(plain, dialect)).decode()


def decode_server_event(frame: str | bytes) -> ServerEvent:
    """Return the server event in a text frame, whatever dialect it is in; never raises."""
    if len(frame) > LARGE_BYTES and _has_too_many_values(frame):
        return UnknownEvent(type="", why="too many values for an event")
    try:
        event = _decode_server(frame)
        return _settled(frame, event) if isinstance(event, _VARIED) else event
    except _UNREADABLE:
        return _decode_oddity(frame)


def decode_client_event(frame: str | bytes) -> ClientEvent:
    """Return the client event in a text frame.

    Raises `BadFrame` with the code the GA server answers: `invalid_json` for what is no JSON, `invalid_event`
    for what is no object, else `missing_required_parameter`, `unknown_parameter` or `invalid_value`, which is
    also the answer to a type that is not known.
    """
    try:
        event = _decode_client(frame)
        _check_members(frame, event)
        return event
    except msgspec.ValidationError as error:
        raise _refusal(frame, error) from error
    except _UNREADABLE as error:
        raise BadFrame("invalid_json", "The frame is not valid JSON.") from error


def _settled(frame: str | bytes, event: KnownServerEvent) -> KnownServerEvent:
    raw = _decode_any(frame)
    return _without_odd_members(raw) if dialects.settle(raw) else event


def _has_too_many_values(frame: str | bytes) -> bool:
    """Whether there are more than any event has: by the commas, which nobody speaks so many of, either."""
    commas = frame.count(",") if isinstance(frame, str) else frame.count(b",")
    return commas > MAX_VALUES


def _decode_oddity(frame: str | bytes) -> ServerEvent:
    if len(frame) > MAX_PATIENT_BYTES:
        return UnknownEvent(type="", why="odd, and too large to be looked at again")
    try:
        raw = _read_patiently(frame)
    except (ValueError, RecursionError) as error:
        return UnknownEvent(type="", why=f"not JSON: {type(error).__name__}")
    name = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(name, str):
        return UnknownEvent(type="", why="no object with a type")
    dialects.settle(raw)
    try:
        return _without_odd_members(raw)
    except (msgspec.ValidationError, RecursionError) as error:
        return UnknownEvent(type=name[:80], why=str(error)[:200])


def _read_patiently(frame: str | bytes) -> Any:
    """Return the JSON value in a frame, read as other languages' writers mean it.

    Raises ValueError or RecursionError for what is none.
    """
    text = frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame
    return _without_surrogates(json.loads(text, parse_constant=lambda _: None, parse_float=_finite))


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return _LONE_SURROGATE.sub("\ufffd", value)
        case list():
            return [_without_surrogates(element) for element in value]
        case dict():
            return {_without_surrogates(name): _without_surrogates(member) for name, member in value.items()}
        case _:
            return value


def _without_odd_members(raw: dict[str, Any]) -> KnownServerEvent:
    for _ in range(MAX_REPAIRS):
        try:
            return _convert(raw)
        except msgspec.ValidationError as error:
            if not _drop(raw, error):
                raise
    raise msgspec.ValidationError("too many odd members")


def _convert(raw: dict[str, Any]) -> KnownServerEvent:
    event: KnownServerEvent
    try:
        event = msgspec.convert(raw, KnownServerEvent)
    except msgspec.ValidationError:  # with patience `12.0` is 12, but the word `inf` is no number of tokens either
        event = msgspec.convert(raw, KnownServerEvent, strict=False)
    return event


def _path(error: msgspec.ValidationError) -> list[str | int]:
    """Return what leads to what was wrong: `$.response.output[0].id` as ["response", "output", 0, "id"].

    A mapping's member is written `[...]`, without saying which: the path ends before it.
    """
    steps = _STEP.findall(_place(error).partition("[...]")[0])
    return [name or int(index) for name, index in steps]


def _place(error: msgspec.ValidationError) -> str:
    """Return the end of the message that tells where; what comes before may quote the frame."""
    _, found, place = str(error).rpartition(" - at `$")
    return place.rstrip("`") if found else ""


def _drop(raw: dict[str, Any], error: msgspec.ValidationError) -> bool:
    """Take out what was wrong; the frame itself and its `type` are not an odd member."""
    path = _path(error)
    if not path or path == ["type"]:
        return False
    *parents, last = path
    holder: Any = raw
    try:
        for step in parents:
            holder = holder[step]
        if "[...]" in _place(error):
            return _drop_unlike_words(holder[last])
        del holder[last]
    except (
        LookupError,
        TypeError,
        AttributeError,
    ):  # the frame is given up, not the program
        return False
    return True


def _drop_unlike_words(mapping: Any) -> bool:
    """Take the values out that are no strings: the mappings of this vocabulary hold nothing else."""
    odd = [name for name, value in mapping.items() if not isinstance(value, str)]
    for name in odd:
        del mapping[name]
    return bool(odd)


def _check_members(frame: str | bytes, event: ClientEvent) -> None:
    """Refuse what the decoder passed over: members nobody knows, and a session update without its `type`."""
    members = _decode_members(frame)
    if isinstance(event, InputAudioBufferAppend):
        # by far the most frequent and the largest: its audio is not looked at again
        extra = next((name for name in members if name not in ("type", "event_id", "audio")), None)
    else:
        raw = {name: _decode_any(bytes(value)) for name, value in members.items()}
        if isinstance(event, SessionUpdate) and "type" not in raw["session"]:
            raise _bad(event, "missing_required_parameter", "Missing required parameter", "session.type")
        extra = _first_extra(raw, msgspec.to_builtins(event), "")
    if extra is not None:
        raise _bad(event, "unknown_parameter", "Unknown parameter", extra)


def _bad(event: ClientEvent, code: str, what: str, param: str) -> BadFrame:
    return BadFrame(code, f"{what}: '{param}'.", param=param, event_id=event.event_id or None)


def _first_extra(raw: Any, kept: Any, path: str) -> str | None:
    """Return the path of the first member of `raw` that decoding did not keep, None if there is none.

    Free-form values, a tool's schema for instance, are kept as they are, so nothing in them is extra.
    """
    if isinstance(raw, dict) and isinstance(kept, dict):
        for name, value in raw.items():
            here = f"{path}.{name}" if path else name
            extra = here if name not in kept else _first_extra(value, kept[name], here)
            if extra is not None:
                return extra
    elif isinstance(raw, list) and isinstance(kept, list):
        for index, (value, kept_value) in enumerate(zip(raw, kept, strict=False)):
            if (extra := _first_extra(value, kept_value, f"{path}[{index}]")) is not None:
                return extra
    return None


def _refusal(frame: str | bytes, error: msgspec.ValidationError) -> BadFrame:
    try:
        raw = _decode_any(frame)
    except _UNREADABLE:  # the type was refused before the rest was read
        return BadFrame("invalid_json", "The frame is not valid JSON.")
    if not isinstance(raw, dict):
        return BadFrame("invalid_event", "The frame must be one JSON object.")
    own_id = raw.get("event_id")
    event_id = own_id[:MAX_EVENT_ID] if isinstance(own_id, str) else None
    text = str(error).rpartition(" - at `$")[0] or str(error)
    path = _path(error)
    if path in ([], ["type"]) and "missing" not in text:
        message = f"Invalid value: '{str(raw.get('type'))[:80]}'. A client sends no such event."
        return BadFrame("invalid_value", message, param="type", event_id=event_id)
    missing = text.partition("missing required field `")[2].rstrip("`")
    param = _written([*path, missing] if missing else path)
    if missing:
        message = f"Missing required parameter: '{param}'."
        return BadFrame("missing_required_parameter", message, param=param, event_id=event_id)
    return BadFrame("invalid_value", f"Invalid value for '{param}': {text[:200]}.", param=param, event_id=event_id)


def _written(path: list[str | int]) -> str:
    """Return a path as the protocol's errors write it: `item.content[0].type`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")
