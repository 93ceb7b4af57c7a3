"""JSON text to events and back.

The fast way is one call: a tagged union decodes and checks a frame. Servers differ, though, and a strange
usage figure must not lose us the end of a response. So a frame that does not fit is looked at again, slowly:
older event names get today's, and an optional member of the wrong type is left out. What still does not fit
becomes an `UnknownEvent`, which nobody has to fear.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from desktop_app.protocol.events import ClientEvent, KnownServerEvent, ServerEvent, UnknownEvent

MAX_REPAIRS = 16
"""How many odd members of one frame are left out before the frame is given up."""

OLDER_NAMES = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
}
"""Names of the beta interface that compatible servers still send, and today's."""

_encode = msgspec.json.Encoder().encode
_decode_server: Callable[[bytes | str], KnownServerEvent] = msgspec.json.Decoder(KnownServerEvent).decode
_decode_client: Callable[[bytes | str], ClientEvent] = msgspec.json.Decoder(ClientEvent).decode
_decode_any: Callable[[bytes | str], Any] = msgspec.json.Decoder().decode

_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeError)
Event = TypeVar("Event")


class BadFrame(ValueError):
    """A frame that is no event; `code` is the protocol's error code for it."""

    def __init__(
        self, code: str, message: str, *, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.event_id = event_id
        """The client's own id of the refused event, if it could be read."""


def encode(event: ClientEvent | KnownServerEvent) -> str:
    """Return the event as JSON text."""
    return _encode(event).decode()


def decode_server_event(frame: str | bytes) -> ServerEvent:
    """Return the server event in a text frame; never raises."""
    try:
        return _decode_server(frame)
    except _UNREADABLE:
        return _decode_oddity(frame)


def decode_client_event(frame: str | bytes) -> ClientEvent:
    """Return the client event in a text frame.

    Raises `BadFrame` with the code the GA server answers: `invalid_json` for what is no JSON, `invalid_event`
    for what is no object or of no known type, else `missing_required_parameter` or `invalid_value`.
    """
    try:
        return _decode_client(frame)
    except msgspec.ValidationError as error:
        raise _refusal(frame, error) from error
    except _UNREADABLE as error:
        raise BadFrame("invalid_json", "The frame is not valid JSON.") from error


def _decode_oddity(frame: str | bytes) -> ServerEvent:
    try:
        raw = _decode_any(frame)
    except _UNREADABLE as error:
        return UnknownEvent(type="", why=f"not JSON: {type(error).__name__}")
    name = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(name, str):
        return UnknownEvent(type="", why="no object with a type")
    raw["type"] = OLDER_NAMES.get(name, name)
    try:
        return _without_odd_members(raw)
    except (msgspec.ValidationError, RecursionError) as error:
        return UnknownEvent(type=name[:80], why=str(error)[:200])


def _without_odd_members(raw: dict[str, Any]) -> KnownServerEvent:
    for _ in range(MAX_REPAIRS):
        try:
            event: KnownServerEvent = msgspec.convert(raw, KnownServerEvent)
        except msgspec.ValidationError as error:
            if not _drop(raw, _path(error)):
                raise
        else:
            return event
    raise msgspec.ValidationError("too many odd members")


def _path(error: msgspec.ValidationError) -> list[str]:
    """Return the members that lead to what was wrong: `$.response.usage` as ["response", "usage"].

    A list's or a mapping's element is written `[...]`, without saying which: the path ends before it.
    """
    _, _, path = str(error).partition(" - at `$")
    named = path.rstrip("`").partition("[")[0]
    return [member for member in named.split(".") if member]


def _drop(raw: dict[str, Any], path: list[str]) -> bool:
    """Take the member at `path` out; the `type` of the frame itself is not an odd member."""
    *parents, last = path or [""]
    holder: Any = raw
    for member in parents:
        holder = holder.get(member) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or last not in holder or (holder is raw and last == "type"):
        return False
    del holder[last]
    return True


def _refusal(frame: str | bytes, error: msgspec.ValidationError) -> BadFrame:
    raw = _decode_any(frame)
    if not isinstance(raw, dict):
        return BadFrame("invalid_event", "The frame must be one JSON object.")
    own_id = raw.get("event_id")
    event_id = own_id if isinstance(own_id, str) else None
    text, _, _ = str(error).partition(" - at `$")
    path = _path(error)
    if path in ([], ["type"]) and "missing" not in text:
        return BadFrame(
            "invalid_event", f"Unknown event type {raw.get('type')!r}.", param="type", event_id=event_id
        )
    missing = text.partition("missing required field `")[2].rstrip("`")
    if missing:
        param = ".".join([*path, missing])
        message = f"Missing required parameter: '{param}'."
        return BadFrame("missing_required_parameter", message, param=param, event_id=event_id)
    param = ".".join(path)
    return BadFrame("invalid_value", f"Invalid value for '{param}': {text}.", param=param, event_id=event_id)
