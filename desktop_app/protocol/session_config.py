"""The session object: what a `session.update` carries and the server echoes (the guide's session fields).

`UNSET` leaves a field alone, `None` clears it: a `session.update` merges, and only what is present changes.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from desktop_app.protocol.items import Tool

PCM_RATE_HZ = 24_000
"""The one PCM rate of the protocol: 16 bit little-endian, mono."""
PCM_BYTES_PER_MS = 48
MIN_COMMIT_MS = 100
"""A commit of less is refused with `input_audio_buffer_commit_empty`."""
MAX_SPEED = 1.5
MIN_SPEED = 0.25


class AudioFormat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`audio/pcm` with a rate, or `audio/pcmu`, `audio/pcma`."""

    type: str
    rate: int | UnsetType = UNSET


PCM_24K = AudioFormat(type="audio/pcm", rate=PCM_RATE_HZ)


class NoiseReduction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`near_field` for headsets, `far_field` for laptops and rooms."""

    type: str | UnsetType = UNSET
    strength: float | UnsetType = UNSET


class Transcription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The separate speech-to-text model that writes what the user said; the answering model never sees it."""

    model: str | UnsetType = UNSET
    language: str | None | UnsetType = UNSET
    languages: list[str] | None | UnsetType = UNSET
    prompt: str | None | UnsetType = UNSET
    keywords: list[str] | None | UnsetType = UNSET
    delay: str | None | UnsetType = UNSET


class ServerVad(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="server_vad"):
    """Turns by loudness and silence. Send every field: silent defaults differ per model."""

    threshold: float | UnsetType = UNSET
    prefix_padding_ms: int | UnsetType = UNSET
    silence_duration_ms: int | UnsetType = UNSET
    idle_timeout_ms: int | None | UnsetType = UNSET
    create_response: bool | None | UnsetType = UNSET
    interrupt_response: bool | None | UnsetType = UNSET


class SemanticVad(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="semantic_vad"
):
    """Turns by a model that judges whether the thought is finished."""

    eagerness: str | UnsetType = UNSET
    create_response: bool | None | UnsetType = UNSET
    interrupt_response: bool | None | UnsetType = UNSET


class AudioInput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the user's audio is taken."""

    format: AudioFormat | UnsetType = UNSET
    noise_reduction: NoiseReduction | None | UnsetType = UNSET
    transcription: Transcription | None | UnsetType = UNSET
    turn_detection: ServerVad | SemanticVad | None | UnsetType = UNSET
    """None: the client commits (push to talk)."""


class CustomVoice(msgspec.Struct, frozen=True):
    """A voice of the user's own."""

    id: str


def voice_of(name: str) -> str | CustomVoice:
    """Return a voice as the wire wants it: a built-in one by its name, one of the user's own as an object."""
    return CustomVoice(name) if name.startswith("voice_") else name


class AudioOutput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the assistant's audio is given. The voice is locked after the first audio of a session."""

    format: AudioFormat | UnsetType = UNSET
    voice: str | CustomVoice | None | UnsetType = UNSET
    speed: float | UnsetType = UNSET


class AudioConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Both directions."""

    input: AudioInput | UnsetType = UNSET
    output: AudioOutput | UnsetType = UNSET


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reasoning models only; any other refuses the whole update."""

    effort: str | None | UnsetType = UNSET


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The session, wholly or in part."""

    type: str = msgspec.field(default_factory=lambda: "realtime")
    """Required in every update; a default made by a factory is never omitted."""
    # read-only, in the server's echo
    id: str | UnsetType = UNSET
    object: str | UnsetType = UNSET
    expires_at: int | None | UnsetType = UNSET
    """Unix seconds: when the server ends the session."""
    model: str | UnsetType = UNSET
    """Given in the address, never changed."""
    # writable
    output_modalities: list[Literal["text", "audio"]] | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    audio: AudioConfig | UnsetType = UNSET
    tools: list[Tool] | UnsetType = UNSET
    tool_choice: Any = UNSET
    parallel_tool_calls: bool | None | UnsetType = UNSET
    reasoning: Reasoning | None | UnsetType = UNSET
    max_output_tokens: int | Literal["inf"] | None | UnsetType = UNSET
    truncation: Any = UNSET
    tracing: Any = UNSET
    prompt: Any = UNSET
    include: list[str] | None | UnsetType = UNSET

    @property
    def voice(self) -> str | None:
        """The name or id of the voice, if it is told."""
        if self.audio is UNSET or self.audio.output is UNSET:
            return None
        voice = self.audio.output.voice
        return voice.id if isinstance(voice, CustomVoice) else voice or None
