"""What the local server needs of a model: four small Protocols, one implementation per file.

Audio for recognition is float32, mono, 16 kHz, in [-1, 1]; audio that is spoken is PCM16 little-endian, mono,
24 kHz, as it goes over the wire. An engine that blocks runs in threads of its own: no method here holds the
loop for more than a millisecond, and every coroutine and generator can be cancelled at any await.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono audio at `RECOGNITION_RATE_HZ`, in [-1, 1]."""

RECOGNITION_RATE_HZ = 16_000
SPEECH_RATE_HZ = 24_000


class VoiceActivity(Protocol):
    """Tells speech from everything else, frame by frame; keeps state, so one per stream."""

    frame_samples: int
    """The length of the one frame size it takes, in samples."""

    def probability(self, frame: Samples) -> float:
        """Return how likely the frame is speech, 0 to 1. Fast (about 0.1 ms), so it is called on the loop."""
        ...

    def reset(self) -> None:
        """Forget the stream so far."""
        ...


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was understood."""

    text: str
    language: str = ""
    """ISO 639-1, or empty if not known."""
    log_probability: float = 0.0
    """Average per token; near 0 is sure, below -1 is a guess."""
    no_speech: float = 0.0
    """How likely it is that nobody spoke, 0 to 1."""


class SpeechToText(Protocol):
    """Turns speech into text."""

    async def transcribe(self, audio: Samples, *, language: str | None = None, draft: bool = False) -> Recognised:
        """Recognise a whole utterance; `draft` asks for speed over care. `language` is ISO 639-1."""
        ...


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that can be chosen by name."""

    name: str
    description: str
    language: str = "en"


class TextToSpeech(Protocol):
    """Turns text into speech."""

    @property
    def voices(self) -> Sequence[Voice]:
        """The voices, the default one first."""
        ...

    def speak(self, text: AsyncIterator[str], *, voice: str, speed: float = 1.0) -> AsyncIterator[bytes]:
        """Speak text that is still being written, clause by clause; an unknown voice is the default one.

        Text may be split anywhere. Yields PCM16 chunks of at most a second as soon as they exist.
        """
        ...


class MessageRole(Enum):
    """Who a message is by."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function the model wants called."""

    name: str
    arguments: str
    """A JSON object, as text."""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of what the model sees."""

    role: MessageRole
    text: str = ""
    calls: tuple[FunctionCall, ...] = ()
    call_id: str = ""
    """For role TOOL: which call this is the output of."""
    sureness: float = 0.0
    """For role USER: log probability per token of what was recognised; 0 for what was typed."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the client offers."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """A JSON schema of an object."""


class LanguageModel(Protocol):
    """Finds the answer."""

    def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> AsyncIterator[str | FunctionCall]:
        """Yield the answer as it is written: pieces of text, or calls of the offered tools."""
        ...
