"""From what the user has set to what a session is configured with, and back when a server refuses something.

Pure. Only what an endpoint may have is asked for: reasoning of reasoning models, a trace of remote services.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET

from desktop_app.endpoints import Choice
from desktop_app.errors import ParleyError
from desktop_app.protocol import session_config as sc
from desktop_app.protocol.dialects import Dialect
from desktop_app.protocol.items import Tool
from desktop_app.settings import Settings, TurnSettings
from desktop_app.tools.mcp_config import HttpServer
from desktop_app.tools.mcp_secrets import usable

OFFLINE_LANGUAGE = "en"
"""The one the offline assistant answers in; to guess it anew in every short question would err now and then."""
TALK, HANDS_FREE, MANUAL = "talk", "hands_free", "manual"
OFF = "off"
_LABEL = re.compile(r"[^A-Za-z0-9_-]")


def session_config(
    settings: Settings, choice: Choice, variables: Mapping[str, str] | None = None
) -> sc.SessionConfig:
    """Return what every session of this endpoint is configured with; the voice apart."""
    answers = settings.answers
    reasoning = choice.reasons and not choice.local
    return sc.SessionConfig(
        output_modalities=["text" if answers.modality == "text" else "audio"],
        instructions=settings.connection.instructions,
        audio=sc.AudioConfig(
            input=sc.AudioInput(
                format=sc.PCM_24K,
                transcription=_transcription(settings, choice),
                turn_detection=turn_detection(settings.turns),
                noise_reduction=_noise_reduction(settings.audio.noise_reduction),
            ),
            output=sc.AudioOutput(format=sc.PCM_24K, speed=answers.speed),
        ),
        tools=remote_servers(settings, choice, variables) or UNSET,
        max_output_tokens=answers.max_tokens or "inf",
        truncation=_truncation(settings),
        tracing="auto" if answers.tracing and not choice.local else UNSET,
        reasoning=sc.Reasoning(effort=answers.reasoning_effort)
        if reasoning and answers.reasoning_effort
        else UNSET,
        parallel_tool_calls=answers.parallel_tools == "on" if reasoning and answers.parallel_tools else UNSET,
    )


def remote_servers(settings: Settings, choice: Choice, variables: Mapping[str, str] | None = None) -> list[Tool]:
    """Return the MCP servers that the service is to call by itself, asking the user each time.

    What is wrong with the settings is told by whoever starts the other servers.
    """
    if choice.local or choice.dialect is not Dialect.GA:
        return []
    try:
        configs = usable(settings.tools.mcp, variables or {}).configs
    except ParleyError:
        return []
    return [
        Tool(
            type="mcp",
            server_label=_LABEL.sub("_", config.name),
            server_url=config.url,
            headers=dict(config.headers) or UNSET,
            require_approval="always",
        )
        for config in configs
        if isinstance(config, HttpServer) and config.remote
    ]


def remote_mark(settings: Settings, choice: Choice, tool: str, variables: Mapping[str, str] | None = None) -> str:
    """Return what an «always» for a tool (`server/tool`) that the service calls is kept by; empty: there is none.

    It is meant for the server at that address, and for no other one of its name.
    """
    label = tool.partition("/")[0]
    servers = remote_servers(settings, choice, variables)
    server = next((each for each in servers if each.server_label == label), None)
    if server is None:
        return ""
    address = hashlib.sha256(str(server.server_url).encode()).hexdigest()[:16]
    return f"{tool}@{address}"


def approved_tools(
    settings: Settings, choice: Choice, variables: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return the tools that the service calls and that need not ask, as `server/tool`."""
    kept = [(mark, mark.rpartition("@")[0]) for mark in settings.tools.trusted]
    return tuple(
        tool for mark, tool in kept if "/" in tool and mark == remote_mark(settings, choice, tool, variables)
    )


def turn_detection(turns: TurnSettings) -> sc.ServerVad | sc.SemanticVad | None:
    """Return how the server is to find turns, every field of it: silent defaults differ per model."""
    if turns.mode == TALK:
        return None
    answers = turns.mode == HANDS_FREE
    interrupts = answers and turns.interrupt
    if turns.detection == "semantic_vad":
        return sc.SemanticVad(eagerness=turns.eagerness, create_response=answers, interrupt_response=interrupts)
    idle_ms = turns.idle_timeout_s * 1000 if answers and turns.idle_timeout_s else None
    return sc.ServerVad(
        threshold=turns.threshold,
        prefix_padding_ms=turns.prefix_padding_ms,
        silence_duration_ms=turns.silence_ms,
        idle_timeout_ms=idle_ms,
        create_response=answers,
        interrupt_response=interrupts,
    )


def put_back(settings: Settings, config: sc.SessionConfig, choice: Choice) -> Settings:
    """Return the settings with everything where `config` has it: a server has refused what was asked for."""
    wanted = session_config(settings, choice)
    audio, had = _sides(config), _sides(wanted)
    answers, turns, connection = settings.answers, settings.turns, settings.connection
    if config.instructions != wanted.instructions and isinstance(config.instructions, str):
        connection = replace(connection, instructions=config.instructions)
    if config.output_modalities != wanted.output_modalities:
        modality = "text" if config.output_modalities == ["text"] else "audio"
        answers = replace(answers, modality=modality)
    if config.max_output_tokens != wanted.max_output_tokens:
        limit = config.max_output_tokens
        answers = replace(answers, max_tokens=limit if isinstance(limit, int) else 0)
    if config.truncation != wanted.truncation:
        known = config.truncation in ("auto", "disabled")
        answers = replace(answers, truncation=config.truncation if known else "auto")
    if config.reasoning != wanted.reasoning:
        effort = config.reasoning.effort if isinstance(config.reasoning, sc.Reasoning) else ""
        answers = replace(answers, reasoning_effort=effort or "")
    if config.parallel_tool_calls != wanted.parallel_tool_calls:
        answers = replace(answers, parallel_tools="")
    if config.tracing != wanted.tracing:
        answers = replace(answers, tracing=bool(config.tracing))
    if audio["speed"] != had["speed"]:
        answers = replace(answers, speed=audio["speed"] or 1.0)
    if not _only_stopped_asking(had["turn_detection"], audio["turn_detection"]):
        turns = _turns_of(turns, audio["turn_detection"])
    result = replace(settings, answers=answers, turns=turns, connection=connection)
    if audio["noise_reduction"] != had["noise_reduction"]:
        kind = audio["noise_reduction"].type if audio["noise_reduction"] else OFF
        result = replace(result, audio=replace(settings.audio, noise_reduction=kind))
    if audio["transcription"] != had["transcription"]:
        model = audio["transcription"].model or "" if audio["transcription"] else OFF
        result = replace(result, transcription=replace(settings.transcription, model=model))
    return result


def _sides(config: sc.SessionConfig) -> dict[str, Any]:
    audio = sc.AudioConfig() if config.audio is UNSET else config.audio
    values: dict[str, Any] = dict.fromkeys(("transcription", "turn_detection", "noise_reduction", "speed"), UNSET)
    for side in (audio.input, audio.output):
        if side is not UNSET:
            values |= {name: getattr(side, name) for name in values if name in side.__struct_fields__}
    return values


def _only_stopped_asking(wanted: Any, in_force: Any) -> bool:
    """Whether nothing differs but that nobody is asked any more whether they are there: that is for one session."""
    if isinstance(wanted, sc.ServerVad) and isinstance(in_force, sc.ServerVad) and not in_force.idle_timeout_ms:
        wanted = msgspec.structs.replace(wanted, idle_timeout_ms=in_force.idle_timeout_ms)
    return bool(wanted == in_force)


def _turns_of(turns: TurnSettings, detection: Any) -> TurnSettings:
    if not isinstance(detection, sc.ServerVad | sc.SemanticVad):
        return replace(turns, mode=TALK)
    mode = MANUAL if detection.create_response is False else HANDS_FREE
    turns = replace(turns, mode=mode, interrupt=detection.interrupt_response is not False or mode == MANUAL)
    if isinstance(detection, sc.SemanticVad):
        return replace(turns, detection="semantic_vad", eagerness=detection.eagerness or "auto")
    idle_ms = detection.idle_timeout_ms or 0
    return replace(
        turns,
        threshold=turns.threshold if detection.threshold is UNSET else detection.threshold,
        prefix_padding_ms=(
            turns.prefix_padding_ms if detection.prefix_padding_ms is UNSET else detection.prefix_padding_ms
        ),
        silence_ms=turns.silence_ms if detection.silence_duration_ms is UNSET else detection.silence_duration_ms,
        idle_timeout_s=idle_ms // 1000,
    )


def _transcription(settings: Settings, choice: Choice) -> sc.Transcription | None:
    model = settings.transcription.model or choice.transcription_model
    if model in ("", OFF):
        return None
    language = settings.connection.language or (OFFLINE_LANGUAGE if choice.local else "")
    return sc.Transcription(model=model, language=language or UNSET)


def _noise_reduction(kind: str) -> sc.NoiseReduction | None:
    return None if kind == OFF else sc.NoiseReduction(type=kind)


def _truncation(settings: Settings) -> Any:
    answers = settings.answers
    if answers.truncation != "retention":
        return answers.truncation
    limits = {"token_limits": {"post_instructions": answers.retention_tokens}} if answers.retention_tokens else {}
    return {"type": "retention_ratio", "retention_ratio": answers.retention_ratio, **limits}
