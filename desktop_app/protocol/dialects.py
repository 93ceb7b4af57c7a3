"""What other servers say differently: the beta interface, and xAI's, as they stand on the wire.

*Outgoing*, an event is rewritten for the dialect of the endpoint's profile; it is never guessed by trying. Beta has
a flat session (`voice`, `input_audio_format`, …) without a `type`, and older content types for the assistant; xAI
has `voice` and `turn_detection` at the top level of the session. What a dialect has no word for is left out: a
server refuses the whole update for one member it does not know.

*Incoming*, whatever server it is, older and odd shapes are brought into today's (`settle`), so that nobody behind
the codec has to know of dialects.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

Json = dict[str, Any]


class Dialect(Enum):
    """How a server wants to be spoken to."""

    GA = "ga"
    BETA = "beta"
    XAI = "xai"


OLDER_NAMES = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
}
"""Names of the beta interface that compatible servers still send, and today's."""

_OLDER_CONTENT = {"output_text": "text", "output_audio": "audio"}
_TODAYS_CONTENT = {older: today for today, older in _OLDER_CONTENT.items()}
_OLDER_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
_TODAYS_FORMATS: dict[str, Json] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_CUMULATIVE = "conversation.item.input_audio_transcription.updated"
_COMPLETED = "conversation.item.input_audio_transcription.completed"
_NO_PREDECESSOR = ("0", "root")
_NO_DETECTION = (None, "", "none")


# --- what the client says -----------------------------------------------------------------------


def outgoing(event: Json, dialect: Dialect) -> Json:
    """Return a client event, as plain JSON values, in the words of a dialect."""
    match dialect, event["type"]:
        case Dialect.BETA, "session.update":
            return {**event, "session": _beta_session(event["session"])}
        case Dialect.BETA, "response.create" if "response" in event:
            return {**event, "response": _beta_response(event["response"])}
        case Dialect.BETA, "conversation.item.create":
            return {**event, "item": _beta_item(event["item"])}
        case Dialect.XAI, "session.update":
            return {**event, "session": _xai_session(event["session"])}
        case _:
            return event


def _beta_session(session: Json) -> Json:
    audio_in, audio_out = _audio(session)
    flat = _picked(session, "instructions", "tool_choice", "tracing")
    flat |= _beta_answer(session) | _picked(audio_out, "speed")
    if "format" in audio_in:
        flat["input_audio_format"] = _older_format(audio_in["format"])
    if "noise_reduction" in audio_in:
        flat["input_audio_noise_reduction"] = _narrowed(audio_in["noise_reduction"], "type")
    if "transcription" in audio_in:
        flat["input_audio_transcription"] = _narrowed(audio_in["transcription"], "model", "language", "prompt")
    if "turn_detection" in audio_in:
        flat["turn_detection"] = _without(audio_in["turn_detection"], "idle_timeout_ms")
    return flat


def _beta_response(response: Json) -> Json:
    flat = _picked(response, "conversation", "instructions", "metadata", "tool_choice") | _beta_answer(response)
    if "input" in response:
        flat["input"] = [_beta_item(item) for item in response["input"]]
    return flat


def _beta_answer(holder: Json) -> Json:
    """Return what sessions and responses have in common, flat."""
    flat: Json = {}
    _, audio_out = _audio(holder)
    if "output_modalities" in holder:
        flat["modalities"] = ["text", "audio"] if "audio" in holder["output_modalities"] else ["text"]
    if "voice" in audio_out:
        flat["voice"] = _voice_name(audio_out["voice"])
    if "format" in audio_out:
        flat["output_audio_format"] = _older_format(audio_out["format"])
    if "tools" in holder:  # functions are all it knows
        flat["tools"] = [tool for tool in holder["tools"] if tool.get("type") == "function"]
    if "max_output_tokens" in holder:
        flat["max_response_output_tokens"] = holder["max_output_tokens"]
    return flat


def _beta_item(item: Json) -> Json:
    return {**item, "content": _content(item, _OLDER_CONTENT)} if _is_assistants(item) else item


def _xai_session(session: Json) -> Json:
    audio_in, audio_out = _audio(session)
    ours = _picked(session, "instructions", "tools", "tool_choice", "reasoning")
    if session.get("output_modalities") == ["text"]:
        ours["output_modalities"] = ["text"]
    if "voice" in audio_out:
        ours["voice"] = _voice_name(audio_out["voice"])
    if "turn_detection" in audio_in:
        ours["turn_detection"] = audio_in["turn_detection"] or {"type": None}
    kept_in = _picked(audio_in, "format")
    if "transcription" in audio_in:
        kept_in["transcription"] = _xai_transcription(audio_in["transcription"])
    audio = {"input": kept_in, "output": _picked(audio_out, "format", "speed")}
    if any(audio.values()):
        ours["audio"] = {way: members for way, members in audio.items() if members}
    return ours


def _xai_transcription(transcription: Json | None) -> Json | None:
    """Return it in xAI's words; its own model writes as one speaks, anybody else's is not to be had there."""
    if transcription is None:
        return None
    ours: Json = {}
    if transcription.get("language"):
        ours["language_hint"] = transcription["language"]
    if transcription.get("keywords"):
        ours["keyterms"] = transcription["keywords"]
    if str(transcription.get("model", "")).startswith("grok"):
        ours["model"] = transcription["model"]
    return ours


def _audio(holder: Json) -> tuple[Json, Json]:
    audio = holder.get("audio") or {}
    return audio.get("input") or {}, audio.get("output") or {}


def _voice_name(voice: Any) -> Any:
    return voice.get("id") if isinstance(voice, dict) else voice


def _older_format(audio_format: Json) -> str:
    return _OLDER_FORMATS.get(audio_format["type"], "pcm16")


def _picked(members: Json, *names: str) -> Json:
    return {name: members[name] for name in names if name in members}


def _narrowed(members: Json | None, *names: str) -> Json | None:
    return None if members is None else _picked(members, *names)


def _without(members: Json | None, name: str) -> Json | None:
    return None if members is None else {key: value for key, value in members.items() if key != name}


# --- what servers say ---------------------------------------------------------------------------


def settle(raw: Json) -> bool:
    """Bring a server event into today's shape, in place; return whether anything was changed."""
    before = raw.get("type")
    raw["type"] = OLDER_NAMES.get(str(before), before)
    changes = [
        raw["type"] != before,
        _settle_cumulative(raw),
        _settle_place(raw),
        _settle_error(raw),
        _settle_session(raw.get("session")),
        _settle_usage(raw),
        *(_settle_item(item) for item in _items(raw)),
    ]
    return any(changes)


def _settle_cumulative(raw: Json) -> bool:
    """A transcript that is told anew with every word is a completed one that is not final."""
    if raw["type"] != _CUMULATIVE:
        return False
    raw["type"] = _COMPLETED
    raw["status"] = "in_progress"
    raw.setdefault("transcript", raw.get("delta") or raw.get("text") or "")
    return True


def _settle_place(raw: Json) -> bool:
    if raw.get("previous_item_id") not in _NO_PREDECESSOR:
        return False
    raw["previous_item_id"] = None
    return True


def _settle_error(raw: Json) -> bool:
    """Some write the error beside its type, or as a sentence."""
    if raw["type"] != "error" or isinstance(raw.get("error"), dict):
        return False
    told = _picked(raw, "message", "code", "param")
    if isinstance(raw.get("error"), str):
        told["message"] = raw["error"]
    if told:
        raw["error"] = told
    return bool(told)


def _settle_usage(raw: Json) -> bool:
    """Some tell the usage beside the response, and nothing in it."""
    response, usage = raw.get("response"), raw.get("usage")
    if not isinstance(response, dict) or not isinstance(usage, dict) or response.get("usage"):
        return False
    response["usage"] = usage
    return True


def _items(raw: Json) -> list[Json]:
    response = raw.get("response")
    output = response.get("output") if isinstance(response, dict) else None
    found = [raw.get("item"), *(output if isinstance(output, list) else [])]
    return [item for item in found if isinstance(item, dict)]


def _settle_item(item: Json) -> bool:
    if not _is_assistants(item):
        return False
    content = _content(item, _TODAYS_CONTENT)
    changed: bool = content != item["content"]
    item["content"] = content
    return changed


def _is_assistants(item: Json) -> bool:
    return item.get("role") == "assistant" and isinstance(item.get("content"), list)


def _content(item: Json, names: Mapping[str, str]) -> list[Any]:
    return [
        {**part, "type": names.get(str(part.get("type")), part.get("type"))} if isinstance(part, dict) else part
        for part in item["content"]
    ]


def _settle_session(session: Any) -> bool:
    """Put the flat members of a session where today's has them; what stands there already stays."""
    if not isinstance(session, dict):
        return False
    nested_in, nested_out = _nested(session)
    found = _todays_session(session)
    into_in, into_out = _todays_audio(session)
    for holder, members in ((session, found), (nested_in, into_in), (nested_out, into_out)):
        for name, value in members.items():
            holder.setdefault(name, value)
    detection = nested_in.get("turn_detection")
    undetected = isinstance(detection, dict) and detection.get("type") in _NO_DETECTION
    if undetected:
        nested_in["turn_detection"] = None
    if nested_in or nested_out:
        session["audio"] = {"input": nested_in, "output": nested_out}
    return bool(found or into_in or into_out or undetected)


def _nested(session: Json) -> tuple[Json, Json]:
    audio = session.get("audio")
    ways = [audio.get(way) if isinstance(audio, dict) else None for way in ("input", "output")]
    audio_in, audio_out = ({**way} if isinstance(way, dict) else {} for way in ways)
    return audio_in, audio_out


def _todays_session(session: Json) -> Json:
    found: Json = {}
    if isinstance(session.get("modalities"), list):
        found["output_modalities"] = ["audio"] if "audio" in session["modalities"] else ["text"]
    if "max_response_output_tokens" in session:
        found["max_output_tokens"] = session["max_response_output_tokens"]
    return found


def _todays_audio(session: Json) -> tuple[Json, Json]:
    audio_in: Json = {}
    for older, today in (
        ("input_audio_transcription", "transcription"),
        ("input_audio_noise_reduction", "noise_reduction"),
        ("turn_detection", "turn_detection"),
    ):
        if older in session:
            audio_in[today] = session[older]
    audio_out = _picked(session, "voice", "speed")
    for older, way in (("input_audio_format", audio_in), ("output_audio_format", audio_out)):
        if (audio_format := _TODAYS_FORMATS.get(str(session.get(older)))) is not None:
            way["format"] = audio_format
    return audio_in, audio_out
