"""What a `ServerSession` asks for, and what it is told: its two small vocabularies.

Orders go out and are performed by whoever holds the socket and the engines, reports come back as the next
input. Nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from desktop_app.local_server.engines import FunctionCall, Message, Tool
from desktop_app.protocol.events import KnownServerEvent


class WireFormat(Enum):
    """How audio stands on the wire (the guide's audio formats); mono, always."""

    PCM = "audio/pcm"
    """16 bit little-endian at 24 kHz."""
    PCMU = "audio/pcmu"
    """G.711 µ-law at 8 kHz."""
    PCMA = "audio/pcma"
    """G.711 A-law at 8 kHz."""

    @property
    def bytes_per_ms(self) -> int:
        """How many bytes a millisecond takes."""
        return 48 if self is WireFormat.PCM else 8


# --- orders -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Send this event to the client."""

    event: KnownServerEvent


@dataclass(frozen=True, slots=True)
class Detect:
    """Run voice detection over the next audio of the stream; answer with `Detected`, in order."""

    audio: bytes
    format: WireFormat


@dataclass(frozen=True, slots=True)
class ForgetStream:
    """Voice detection starts anew: the audio that follows does not continue what came before."""


@dataclass(frozen=True, slots=True)
class Recognise:
    """Recognise this audio; answer with `Understood` or `NotUnderstood` of the same job."""

    job: int
    audio: bytes
    format: WireFormat
    language: str | None
    """ISO 639-1, if the client named one."""
    draft: bool
    """Speed over care: the speaker is still speaking."""


@dataclass(frozen=True, slots=True)
class DropRecognition:
    """Nobody wants the result of this job any more."""

    job: int


@dataclass(frozen=True, slots=True)
class Generate:
    """Find an answer and, if wanted, speak it; answer with the reports of this response id."""

    response_id: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    max_tokens: int | None
    spoken: bool
    voice: str
    speed: float
    format: WireFormat
    verbatim: str | None = None
    """Words to say instead of asking the model."""


@dataclass(frozen=True, slots=True)
class StopGenerating:
    """The response is over; whatever still comes of it is dropped."""

    response_id: str


@dataclass(frozen=True, slots=True)
class WakeAfter:
    """Answer with `Woke` of the same number after this time."""

    ms: int
    number: int


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection, after what was sent so far."""

    code: int
    reason: str


Order = Send | Detect | ForgetStream | Recognise | DropRecognition | Generate | StopGenerating | WakeAfter | Close


# --- reports ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Detected:
    """How likely speech is, frame by frame, in the audio that was handed over."""

    probabilities: tuple[float, ...]
    frame_ms: float


@dataclass(frozen=True, slots=True)
class DetectionUnavailable:
    """There is no voice detection; said once."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Understood:
    """What was recognised; empty if nobody spoke."""

    job: int
    text: str
    sureness: float = 0.0
    """Its log probability per token: near 0 is sure, below -0.5 is doubtful."""


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Recognition failed."""

    job: int
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Words:
    """Words of the answer, spaces included; the audio that follows, up to the next words, speaks them."""

    response_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Sound:
    """Audio of the answer, in the format that was ordered."""

    response_id: str
    audio: bytes


@dataclass(frozen=True, slots=True)
class Called:
    """The model wants a function called."""

    response_id: str
    call: FunctionCall


@dataclass(frozen=True, slots=True)
class VoiceUnavailable:
    """The answer comes as text, because nothing can speak; said before its first words."""

    response_id: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is complete."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer failed."""

    response_id: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Woke:
    """The time of a `WakeAfter` is over."""

    number: int


Report = (
    Detected
    | DetectionUnavailable
    | Understood
    | NotUnderstood
    | Words
    | Sound
    | Called
    | VoiceUnavailable
    | Ended
    | Failed
    | Woke
)
