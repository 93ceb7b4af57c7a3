"""Scripted servers that speak other dialects on the wire: the beta interface, and xAI's.

    async with OtherServer(Dialect.BETA, Mind("It is noon.")) as server:
        ...

Scripts say and hear today's events, as for any `ScriptedServer`; what goes over the wire is the dialect's. A client
event of the beta interface is held against the vendor's own types of that time, strictly; one in today's words is
unreadable here, as it was there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, cast

from openai.types.beta.realtime import RealtimeClientEvent
from pydantic import TypeAdapter
from websockets.asyncio.server import ServerConnection

from desktop_app.protocol.dialects import Dialect
from tests.harness.scripted_server import Caller, Script, ScriptedServer
from tests.harness.vendor import strictly

Json = dict[str, Any]

_BETA_CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
_XAI_SESSION = {
    "instructions", "tools", "tool_choice", "reasoning", "voice", "turn_detection", "audio", "output_modalities",
}  # fmt: skip
_BETA_CONTENT = {"output_text": "text", "output_audio": "audio"}


class OtherServer(ScriptedServer):
    """A scripted server of another dialect."""

    def __init__(self, dialect: Dialect, *scripts: Script) -> None:
        super().__init__(*scripts)
        self._dialect = dialect
        self.wire: list[Json] = []
        """What the client sent, as it came."""

    async def _play(self, connection: ServerConnection) -> None:
        await super()._play(cast(ServerConnection, _Speaking(connection, self._dialect)))

    def _note(self, frame: str | bytes, caller: Caller) -> None:
        raw = json.loads(frame)
        self.wire.append(raw)
        try:
            if self._dialect is Dialect.BETA:
                strictly(_BETA_CLIENT, raw)
                heard = _heard_beta(raw)
            else:
                heard = _heard_xai(raw)
        except Exception as problem:
            self.unreadable.append(f"{raw.get('type')}: {problem}")
            return
        super()._note(json.dumps(heard), caller)


class _Speaking:
    """A connection that says everything in the words of a dialect."""

    def __init__(self, connection: ServerConnection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return self._connection.__aiter__()

    async def send(self, frame: str | bytes) -> None:
        """Send an event of today as the dialect has it, or not at all."""
        raw = json.loads(frame)
        said = _said_beta(raw) if self._dialect is Dialect.BETA else _said_xai(raw)
        if raw["type"] == "session.created" and self._dialect is Dialect.XAI:
            await self._connection.send('{"type": "ping", "timestamp": 1}')
        if said is not None:
            await self._connection.send(json.dumps(said))


# --- the beta interface -------------------------------------------------------------------------


def _heard_beta(raw: Json) -> Json:
    match raw["type"]:
        case "session.update":
            return {**raw, "session": {"type": "realtime", **_nested(raw["session"])}}
        case "response.create" if "response" in raw:
            response = {**raw["response"]}
            modalities = response.pop("modalities", None)
            if modalities:
                response["output_modalities"] = ["audio"] if "audio" in modalities else ["text"]
            return {**raw, "response": response}
        case "conversation.item.create":
            return {**raw, "item": _renamed(raw["item"], {old: new for new, old in _BETA_CONTENT.items()})}
        case _:
            return raw


def _nested(flat: Json) -> Json:
    """Return a flat session as today's."""
    names = {"instructions", "tools", "tool_choice", "tracing"}
    session = {name: value for name, value in flat.items() if name in names}
    audio_in = {
        new: flat[old]
        for old, new in (
            ("input_audio_transcription", "transcription"),
            ("input_audio_noise_reduction", "noise_reduction"),
            ("turn_detection", "turn_detection"),
        )
        if old in flat
    }
    audio_out: Json = {name: flat[name] for name in ("voice", "speed") if name in flat}
    for old, way in (("input_audio_format", audio_in), ("output_audio_format", audio_out)):
        if old in flat:
            assert flat[old] == "pcm16"
            way["format"] = {"type": "audio/pcm", "rate": 24_000}
    if "modalities" in flat:
        session["output_modalities"] = ["audio"] if "audio" in flat["modalities"] else ["text"]
    if "max_response_output_tokens" in flat:
        session["max_output_tokens"] = flat["max_response_output_tokens"]
    return {**session, "audio": {"input": audio_in, "output": audio_out}}


_BETA_NAMES = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "conversation.item.added": "conversation.item.created",
}


def _said_beta(raw: Json) -> Json | None:
    if raw["type"] == "conversation.item.done":  # there was no such event
        return None
    said = {**raw, "type": _BETA_NAMES.get(raw["type"], raw["type"])}
    if "session" in said:
        said["session"] = _flat(said["session"])
    if "item" in said:
        said["item"] = _renamed(said["item"], _BETA_CONTENT)
    if "response" in said:
        response = {**said["response"]}
        response["modalities"] = (
            ["text", "audio"] if response.pop("output_modalities", []) == ["audio"] else ["text"]
        )
        response["output"] = [_renamed(item, _BETA_CONTENT) for item in response.get("output", [])]
        said["response"] = response
    return said


def _flat(session: Json) -> Json:
    """Return a session as the beta interface told it."""
    flat = {name: value for name, value in session.items() if name not in ("audio", "type")}
    audio = session.get("audio") or {}
    audio_in, audio_out = audio.get("input") or {}, audio.get("output") or {}
    flat["modalities"] = ["text", "audio"] if flat.pop("output_modalities", []) == ["audio"] else ["text"]
    flat["max_response_output_tokens"] = flat.pop("max_output_tokens", "inf")
    flat |= {"input_audio_format": "pcm16", "output_audio_format": "pcm16", "temperature": 0.8}
    flat["turn_detection"] = audio_in.get("turn_detection")
    flat["input_audio_transcription"] = audio_in.get("transcription")
    return flat | {name: audio_out[name] for name in ("voice", "speed") if name in audio_out}


def _renamed(item: Json, names: dict[str, str]) -> Json:
    if item.get("role") != "assistant" or not isinstance(item.get("content"), list):
        return item
    return {
        **item,
        "content": [{**part, "type": names.get(part["type"], part["type"])} for part in item["content"]],
    }


# --- xAI ----------------------------------------------------------------------------------------


def _heard_xai(raw: Json) -> Json:
    if raw["type"] != "session.update":
        return raw
    session = {**raw["session"]}
    unknown = set(session) - _XAI_SESSION
    if unknown:
        raise ValueError(f"no members of its session: {sorted(unknown)}")
    audio = session.get("audio") or {}
    audio_in, audio_out = {**(audio.get("input") or {})}, {**(audio.get("output") or {})}
    if set(audio_in) - {"format", "transcription"} or set(audio_out) - {"format", "speed"}:
        raise ValueError(f"no members of its audio: {audio}")
    audio_in.pop("transcription", None)
    if "voice" in session:
        audio_out["voice"] = session.pop("voice")
    if "turn_detection" in session:
        detection = session.pop("turn_detection")
        audio_in["turn_detection"] = None if detection["type"] is None else detection
    session["audio"] = {"input": audio_in, "output": audio_out}
    return {**raw, "session": {"type": "realtime", **session}}


def _said_xai(raw: Json) -> Json | None:
    if raw["type"] == "conversation.item.done":
        return None
    said = {**raw}
    if "previous_item_id" in said and said["previous_item_id"] is None:
        said["previous_item_id"] = "0"
    if raw["type"] == "response.done":
        response = {**raw["response"]}
        said["usage"], response["usage"] = response.get("usage"), {}
        response["status_details"] = response.get("status", "")
        said["response"] = response
    return said
