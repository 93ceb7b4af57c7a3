"""What a session is set to, and what an update may change (the guide's session fields).

An update merges: what it does not name stays. It is all or nothing: one bad field refuses it whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from desktop_app.local_server.orders import WireFormat
from desktop_app.protocol.items import Tool
from desktop_app.protocol.session_config import (
    MAX_SPEED,
    MIN_SPEED,
    PCM_RATE_HZ,
    AudioConfig,
    AudioFormat,
    AudioInput,
    AudioOutput,
    CustomVoice,
    NoiseReduction,
    SemanticVad,
    ServerVad,
    SessionConfig,
    Transcription,
)

TokenLimit = int | Literal["inf"]

DEFAULT_INSTRUCTIONS = (
    "You are Parley's offline assistant: a small program on the user's own computer, without a network. "
    "Answer in one or two short, plain sentences, as one speaks. If you do not know something, say so."
)
DEFAULT_VAD = ServerVad(
    threshold=0.5,
    prefix_padding_ms=300,
    silence_duration_ms=500,
    idle_timeout_ms=None,
    create_response=True,
    interrupt_response=True,
)
EAGERNESS = ("low", "medium", "high", "auto")
MAX_OUTPUT_TOKENS = 4096
MAX_METADATA_PAIRS = 16
LOGPROBS = "item.input_audio_transcription.logprobs"
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Refused(Exception):
    """A client event that is answered by an `error` event; the session goes on."""

    def __init__(self, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective session."""

    model: str
    voice: str
    spoken: bool = True
    instructions: str = DEFAULT_INSTRUCTIONS
    input_format: WireFormat = WireFormat.PCM
    noise_reduction: NoiseReduction | None = None
    """Kept and echoed; the engines here are robust against noise by themselves, so nothing is filtered."""
    transcription: Transcription | None = None
    turn_detection: ServerVad | SemanticVad | None = DEFAULT_VAD
    """Complete: every field is set."""
    output_format: WireFormat = WireFormat.PCM
    speed: float = 1.0
    tools: tuple[Tool, ...] = ()
    tool_choice: Any = "auto"
    max_output_tokens: TokenLimit = "inf"
    truncation: Any = "auto"
    tracing: Any = None
    include: tuple[str, ...] | None = None

    @property
    def creates_response(self) -> bool:
        """Whether a turn that voice detection ended is answered by itself."""
        return self.turn_detection is not None and bool(self.turn_detection.create_response)

    @property
    def interrupts_response(self) -> bool:
        """Whether a response ends when voice detection hears the user."""
        return self.turn_detection is not None and bool(self.turn_detection.interrupt_response)

    @property
    def language(self) -> str | None:
        """The language the client named for transcription, if it named one."""
        transcription = self.transcription
        return (transcription.language or None) if transcription else None

    def on_wire(self, *, session_id: str, expires_at: int) -> SessionConfig:
        """Return the session as `session.created` and `session.updated` show it."""
        return SessionConfig(
            id=session_id,
            object="realtime.session",
            expires_at=expires_at,
            model=self.model,
            output_modalities=["audio" if self.spoken else "text"],
            instructions=self.instructions,
            audio=AudioConfig(
                input=AudioInput(
                    format=format_on_wire(self.input_format),
                    noise_reduction=self.noise_reduction,
                    transcription=self.transcription,
                    turn_detection=self.turn_detection,
                ),
                output=AudioOutput(format=format_on_wire(self.output_format), voice=self.voice, speed=self.speed),
            ),
            tools=list(self.tools),
            tool_choice=self.tool_choice,
            max_output_tokens=self.max_output_tokens,
            truncation=self.truncation,
            tracing=self.tracing,
            prompt=None,
            include=list(self.include) if self.include is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits an update at this moment."""

    voices: tuple[str, ...]
    voice_locked: bool = False
    """Assistant audio was sent."""
    responding: bool = False
    """A response of the default conversation is in progress."""
    audio_waiting: bool = field(default=False)
    """The input buffer is not empty."""


def updated(settings: Settings, update: SessionConfig, bounds: Bounds) -> Settings:
    """Return the settings after an update; raises `Refused` for the first field that is not allowed."""
    if update.type != "realtime":
        raise invalid("session.type", f"'{update.type}'. Supported values are: 'realtime'")
    if update.model is not UNSET and update.model != settings.model:
        raise invalid("session.model", "the model of a session cannot be changed")
    for name in ("prompt", "reasoning", "parallel_tool_calls"):
        if getattr(update, name) not in (UNSET, None):
            raise invalid(f"session.{name}", f"this model does not support '{name}'")
    settings = replace(
        settings,
        spoken=modality(update.output_modalities, settings.spoken, "session.output_modalities"),
        instructions=_or(update.instructions, settings.instructions),
        tools=checked_tools(update.tools, settings.tools, "session.tools"),
        max_output_tokens=token_limit(
            update.max_output_tokens, settings.max_output_tokens, "session.max_output_tokens"
        ),
        truncation=_truncation(update.truncation, settings.truncation),
        tracing=_or(update.tracing, settings.tracing),
        include=_include(update.include, settings.include),
    )
    choice = _or(update.tool_choice, settings.tool_choice)
    settings = replace(settings, tool_choice=checked_choice(choice, settings.tools, "session.tool_choice"))
    if isinstance(update.audio, UnsetType):
        return settings
    if not isinstance(update.audio.input, UnsetType):
        settings = _with_input(settings, update.audio.input, bounds)
    if not isinstance(update.audio.output, UnsetType):
        settings = _with_output(settings, update.audio.output, bounds)
    return settings


def _with_input(settings: Settings, update: AudioInput, bounds: Bounds) -> Settings:
    path = "session.audio.input"
    wire_format = audio_format(update.format, settings.input_format, f"{path}.format")
    if wire_format is not settings.input_format and bounds.audio_waiting:
        raise invalid(f"{path}.format", "the input audio buffer holds audio of the present format")
    reduction = _or(update.noise_reduction, settings.noise_reduction)
    if reduction is not None and reduction.type not in ("near_field", "far_field"):
        raise invalid(f"{path}.noise_reduction.type", "Supported values are: 'near_field', 'far_field'")
    transcription = _or(update.transcription, settings.transcription)
    if transcription is not None and transcription.language and transcription.languages:
        raise invalid(f"{path}.transcription.languages", "'language' and 'languages' exclude each other")
    detection = settings.turn_detection
    if not isinstance(update.turn_detection, UnsetType):
        detection = _detection(update.turn_detection, f"{path}.turn_detection")
    return replace(
        settings,
        input_format=wire_format,
        noise_reduction=reduction,
        transcription=transcription,
        turn_detection=detection,
    )


def _with_output(settings: Settings, update: AudioOutput, bounds: Bounds) -> Settings:
    path = "session.audio.output"
    wire_format = audio_format(update.format, settings.output_format, f"{path}.format")
    if wire_format is not settings.output_format and bounds.voice_locked:
        raise invalid(f"{path}.format", "the format cannot be changed after assistant audio was sent")
    speed = _or(update.speed, settings.speed)
    _in_range(speed, MIN_SPEED, MAX_SPEED, f"{path}.speed")
    if speed != settings.speed and bounds.responding:
        raise invalid(f"{path}.speed", "the speed can only be changed between responses")
    voice = checked_voice(update.voice, settings.voice, bounds, f"{path}.voice")
    return replace(settings, output_format=wire_format, speed=speed, voice=voice)


# --- single fields, for sessions and responses alike ----------------------------------------------


def invalid(param: str, why: str) -> Refused:
    """Return the refusal of a value."""
    return Refused("invalid_value", f"Invalid value for '{param}': {why}.", param)


def missing(param: str) -> Refused:
    """Return the refusal of something that is not there."""
    return Refused("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def modality(update: list[Literal["text", "audio"]] | UnsetType, spoken: bool, param: str) -> bool:
    """Return whether answers are spoken; one modality, never both."""
    if isinstance(update, UnsetType):
        return spoken
    if len(update) != 1:
        raise invalid(param, "Supported combinations are: ['text'] and ['audio']")
    return update[0] == "audio"


def token_limit(update: TokenLimit | None | UnsetType, present: TokenLimit, param: str) -> TokenLimit:
    """Return the limit on output tokens: 1 to 4096, or `inf`, which null means too."""
    if isinstance(update, UnsetType):
        return present
    if isinstance(update, int):
        _in_range(update, 1, MAX_OUTPUT_TOKENS, param)
        return update
    return "inf"


def audio_format(update: AudioFormat | UnsetType, present: WireFormat, param: str) -> WireFormat:
    """Return the format; PCM is 24 kHz or nothing, G.711 has no rate."""
    if isinstance(update, UnsetType):
        return present
    try:
        wire_format = WireFormat(update.type)
    except ValueError:
        known = ", ".join(f"'{each.value}'" for each in WireFormat)
        raise invalid(f"{param}.type", f"'{update.type}'. Supported values are: {known}") from None
    if wire_format is not WireFormat.PCM or isinstance(update.rate, UnsetType):
        return wire_format
    if update.rate != PCM_RATE_HZ:
        below = update.rate < PCM_RATE_HZ
        code, word, sign = (
            ("integer_below_min_value", "below minimum", ">=")
            if below
            else ("integer_above_max_value", "above maximum", "<=")
        )
        message = (
            f"Invalid '{param}.rate': integer {word} value. "
            f"Expected a value {sign} {PCM_RATE_HZ}, but got {update.rate} instead."
        )
        raise Refused(code, message, f"{param}.rate")
    return wire_format


def format_on_wire(wire_format: WireFormat) -> AudioFormat:
    """Return the format as the protocol writes it."""
    rate = PCM_RATE_HZ if wire_format is WireFormat.PCM else UNSET
    return AudioFormat(type=wire_format.value, rate=rate)


def checked_voice(update: str | CustomVoice | None | UnsetType, present: str, bounds: Bounds, param: str) -> str:
    """Return the voice; locked after the first assistant audio of the session."""
    if isinstance(update, UnsetType) or update is None:
        return present
    name = update.id if isinstance(update, CustomVoice) else update
    if name not in bounds.voices:
        known = ", ".join(f"'{voice}'" for voice in bounds.voices)
        raise invalid(param, f"'{name}'. Supported values are: {known}")
    if name != present and bounds.voice_locked:
        raise Refused(
            "cannot_update_voice",
            "Cannot update a conversation's voice if assistant audio is present.",
            param,
        )
    return name


def checked_tools(update: list[Tool] | UnsetType, present: tuple[Tool, ...], param: str) -> tuple[Tool, ...]:
    """Return the tools; functions only, because nothing here reaches an MCP server."""
    if isinstance(update, UnsetType):
        return present
    names: set[str] = set()
    for index, tool in enumerate(update):
        path = f"{param}[{index}]"
        if tool.type == "mcp":
            raise invalid(f"{path}.type", "'mcp' is not available offline. Supported values are: 'function'")
        if tool.type != "function":
            raise invalid(f"{path}.type", f"'{tool.type}'. Supported values are: 'function'")
        if isinstance(tool.name, UnsetType):
            raise missing(f"{path}.name")
        if not _TOOL_NAME.fullmatch(tool.name):
            raise invalid(f"{path}.name", "1 to 64 letters, digits, underscores and dashes are expected")
        if tool.name in names:
            raise invalid(f"{path}.name", f"'{tool.name}' is there twice")
        names.add(tool.name)
    return tuple(update)


def checked_choice(choice: Any, tools: tuple[Tool, ...], param: str) -> Any:
    """Return the tool choice: `auto`, `none`, `required`, or one function of the tools."""
    if choice is None or choice in ("auto", "none", "required"):
        return choice or "auto"
    if isinstance(choice, dict) and choice.get("type") == "function":
        if choice.get("name") not in {tool.name for tool in tools}:
            raise invalid(f"{param}.name", f"there is no tool named '{choice.get('name')}'")
        return choice
    raise invalid(param, "Supported values are: 'auto', 'none', 'required', and a function of the tools")


def checked_metadata(metadata: dict[str, str] | None | UnsetType, param: str) -> dict[str, str] | None:
    """Return the metadata: at most 16 pairs, keys of 64 and values of 512 characters."""
    if isinstance(metadata, UnsetType) or metadata is None:
        return None
    if len(metadata) > MAX_METADATA_PAIRS:
        raise Refused(
            "object_above_max_properties",
            f"Invalid '{param}': too many properties. Expected an object with at most {MAX_METADATA_PAIRS} "
            f"properties, but got an object with {len(metadata)} properties instead.",
            param,
        )
    for key, value in metadata.items():
        within(key, 64, param)
        within(value, 512, f"{param}.{key}")
    return metadata


def within(text: str, longest: int, param: str) -> None:
    """Refuse a string that is too long."""
    if len(text) > longest:
        raise Refused(
            "string_above_max_length",
            f"Invalid '{param}': string too long. Expected a string with maximum length {longest}, "
            f"but got a string with length {len(text)} instead.",
            param,
        )


def _or(update: Any, present: Any) -> Any:
    return present if isinstance(update, UnsetType) else update


def _in_range(value: float, low: float, high: float, param: str) -> None:
    if not low <= value <= high:
        raise invalid(param, f"{value} is not between {low} and {high}")


def _include(update: list[str] | None | UnsetType, present: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if isinstance(update, UnsetType):
        return present
    if update is None:
        return None
    for index, name in enumerate(update):
        if name != LOGPROBS:
            raise invalid(f"session.include[{index}]", f"'{name}'. Supported values are: '{LOGPROBS}'")
    return tuple(update)


def _truncation(update: Any, present: Any) -> Any:
    param = "session.truncation"
    if isinstance(update, UnsetType):
        return present
    if update is None or update in ("auto", "disabled"):
        return update or "auto"
    if not isinstance(update, dict) or update.get("type") != "retention_ratio":
        raise invalid(param, "Supported values are: 'auto', 'disabled', and a retention ratio")
    ratio = update.get("retention_ratio")
    if isinstance(ratio, bool) or not isinstance(ratio, int | float):
        raise missing(f"{param}.retention_ratio")
    _in_range(ratio, 0.0, 1.0, f"{param}.retention_ratio")
    limit = (update.get("token_limits") or {}).get("post_instructions")
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise invalid(f"{param}.token_limits.post_instructions", "a number of tokens is expected")
    return update


def _detection(update: ServerVad | SemanticVad | None, param: str) -> ServerVad | SemanticVad | None:
    """Return turn detection with every field set: what an update leaves out is the default, not the past."""
    if update is None:
        return None
    create = True if update.create_response in (UNSET, None) else update.create_response
    interrupt = True if update.interrupt_response in (UNSET, None) else update.interrupt_response
    if isinstance(update, SemanticVad):
        eagerness = _or(update.eagerness, "auto")
        if eagerness not in EAGERNESS:
            known = ", ".join(f"'{each}'" for each in EAGERNESS)
            raise invalid(f"{param}.eagerness", f"'{eagerness}'. Supported values are: {known}")
        return SemanticVad(eagerness=eagerness, create_response=create, interrupt_response=interrupt)
    vad = ServerVad(
        threshold=_or(update.threshold, DEFAULT_VAD.threshold),
        prefix_padding_ms=_or(update.prefix_padding_ms, DEFAULT_VAD.prefix_padding_ms),
        silence_duration_ms=_or(update.silence_duration_ms, DEFAULT_VAD.silence_duration_ms),
        idle_timeout_ms=_or(update.idle_timeout_ms, None),
        create_response=create,
        interrupt_response=interrupt,
    )
    for name, low, high in (
        ("threshold", 0, 1),
        ("prefix_padding_ms", 0, 5_000),
        ("silence_duration_ms", 0, 30_000),
        ("idle_timeout_ms", 5_000, 30_000),
    ):
        value = getattr(vad, name)
        if value is not None:
            _in_range(value, low, high, f"{param}.{name}")
    return vad
