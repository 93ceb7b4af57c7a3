"""Everything that can happen: what `Conversation.handle` takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from desktop_app.conversation.entries import Entry
from desktop_app.errors import Notice, ParleyError
from desktop_app.protocol.events import ServerEvent
from desktop_app.protocol.items import PartId, Tool
from desktop_app.protocol.session_config import SessionConfig


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of a part has left the DAC."""

    part: PartId
    ms: int
    """Whole milliseconds from the beginning of the part; inserted silence is not counted."""


# --- the user -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TalkPressed:
    """Push-to-talk went down."""


@dataclass(frozen=True, slots=True)
class TalkReleased:
    """Push-to-talk went up, or the press was ended by something else (lost focus, a closing window)."""


@dataclass(frozen=True, slots=True)
class StopPressed:
    """The stop button: be silent, and stop generating."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound file."""

    pcm: bytes = field(repr=False)
    """PCM16 little-endian, mono, 24 kHz."""
    name: str


@dataclass(frozen=True, slots=True)
class TextEntered:
    """The user sent a message: a typed text, pictures, sound files, or all of them."""

    text: str
    images: tuple[str, ...] = ()
    """Data URIs, PNG or JPEG, already scaled."""
    written: bool = False
    """This answer is wanted in writing, whatever the session's modality is."""
    queued: bool = False
    """Do not interrupt: ask once the present answer was heard to its end."""
    recordings: tuple[Recording, ...] = ()


@dataclass(frozen=True, slots=True)
class Muted:
    """Hands-free: the microphone goes on, but only silence is sent; or no longer."""

    muted: bool


@dataclass(frozen=True, slots=True)
class SessionChosen:
    """The user changed what every session is configured with; the voice has an input of its own."""

    config: SessionConfig


@dataclass(frozen=True, slots=True)
class RenewalAsked:
    """Something can only change with a new session (the model): the conversation goes on in one."""


@dataclass(frozen=True, slots=True)
class AnswerAsked:
    """Answer now: after a turn in manual mode, to go on with a cut answer, or once more after a failure."""


@dataclass(frozen=True, slots=True)
class RestAsked:
    """Say the rest of an answer that was interrupted."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ForgetAsked:
    """Take items out of the model's context, and out of the transcript."""

    item_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerCopyAsked:
    """Fetch what the server heard of a spoken item; comes back as `SaveRecording`."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ResendAsked:
    """The user rewrote an own text: what came after it is forgotten, and the new text is asked."""

    item_id: str
    text: str


class AsideKind(Enum):
    """What a response out of band is for."""

    TITLE = "title"
    SUMMARY = "summary"
    REPLIES = "replies"
    ABOUT = "about"
    """A question about some entries only."""
    READ_ALOUD = "read aloud"
    SAMPLE = "sample"
    """How a voice sounds."""
    DIGEST = "digest"
    """What the next session has to know of this one; nobody sees it."""


@dataclass(frozen=True, slots=True)
class AsideAsked:
    """The user, or a reminder, wants an answer beside the conversation."""

    kind: AsideKind
    text: str = ""
    """The question (ABOUT), or the exact words (READ_ALOUD, SAMPLE)."""
    item_ids: tuple[str, ...] = ()
    """The entries it is about (ABOUT)."""
    voice: str = ""
    """Whose voice (SAMPLE)."""


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """A function the model may call."""

    tool: Tool
    """As it stands in the session: flat, of type `function`."""
    asks: bool = True
    """Each call needs the user's yes."""


@dataclass(frozen=True, slots=True)
class ToolsOffered:
    """These are the tools from now on."""

    offers: tuple[ToolOffer, ...]
    approved: tuple[str, ...] = ()
    """Tools that the service calls by itself and that need not ask: `server/tool`."""


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool has run, or could not; the output says which, to the model."""

    call_id: str
    output: str
    failed: bool = False
    seconds: float = 0.0
    images: tuple[str, ...] = ()
    """Data URIs of what there is to see: an output is text only, so they become a message of their own."""


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """The user's answer to `AskConsent`."""

    call_id: str
    allowed: bool
    always: bool = False
    """Do not ask again for this tool."""


@dataclass(frozen=True, slots=True)
class BudgetReached:
    """What was spent has reached the user's limit, or no longer has."""

    reached: bool


@dataclass(frozen=True, slots=True)
class VoiceChosen:
    """The user picked a voice."""

    voice: str


@dataclass(frozen=True, slots=True)
class NewConversationAsked:
    """The user wants to begin afresh, in a new session."""


@dataclass(frozen=True, slots=True)
class ConversationContinued:
    """The user wants to go on with a conversation that was kept: it is replayed into a new session."""

    entries: tuple[Entry, ...]
    """What it consisted of, in order; what was still in progress when it ended counts as interrupted."""
    title: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True)
class ConnectAsked:
    """The program has started, or the user wants another attempt now."""


@dataclass(frozen=True, slots=True)
class RetryStopped:
    """The user wants no further attempts."""


# --- the microphone -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MicStarted:
    """The first real sample of this talk arrived: from now on nothing that is said is lost."""


@dataclass(frozen=True, slots=True)
class MicBlock:
    """A block of captured audio, in order: PCM16 little-endian, mono, 24 kHz."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class MicClosed:
    """The last block of this talk, release tail included, was delivered before this."""

    beside_ms: int = field(default=0, compare=False)
    """How much of it was captured while the key was up: pre-roll and release tail."""


@dataclass(frozen=True, slots=True)
class MicFailed:
    """The microphone cannot be opened, or went away while it was open. Nothing more comes of it."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class MicFound:
    """A microphone was connected after there was none to open: hands-free may go on."""


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """A microphone or loudspeaker went away or came back; what sounds or is said goes on with what there is."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class OnsetHeard:
    """Hands-free: our own ears are sure that somebody speaks over the answer; the server may still be in doubt."""


DUPLEX = "duplex"
"""The key of the notice of `DuplexChanged`."""


@dataclass(frozen=True, slots=True)
class DuplexChanged:
    """Hands-free: the microphone does not listen while the answer sounds, for this reason; or it does again."""

    notice: Notice | None


# --- the speaker --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first sample of a part reached the device."""

    part: PartId


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """A part that was complete has been heard to its end."""

    part: PartId


@dataclass(frozen=True, slots=True)
class PlaybackStopped:
    """The answer to `StopPlayback`: every part that was not finished, the sounding one first."""

    heard: tuple[Heard, ...]


@dataclass(frozen=True, slots=True)
class SpeakerFailed:
    """There is no speaker, or it went away: what was heard of each unfinished part; the queue is empty."""

    notice: Notice
    heard: tuple[Heard, ...] = ()


# --- the link -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Received:
    """An event from the server."""

    event: ServerEvent
    by_next: bool = False
    """It came by the connection that is prepared beside the present one (`ConnectNext`)."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection could not be made, or is gone: the bare facts, judged by the core."""

    close_code: int | None = None
    """The WebSocket close code; 1006 for a connection that just ended; None: it was never open."""
    reason: str = ""
    """The server's close reason, or what the network said."""
    http_status: int | None = None
    """The status of a handshake the server refused."""
    certificate_failed: bool = False
    """The server could not prove who it is."""
    retry_after_ms: int = 0
    """The least the server asked us to wait (`Retry-After`)."""
    hopeless: ParleyError | None = None
    """Set when there is nothing to connect to and another attempt would not change it."""
    by_next: bool = False
    """The connection that was prepared beside the present one; that one goes on."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The computer was asleep, or the program was held: what was connected may be gone without a word."""

    gap_s: float
    """For about so long."""


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """The system says that the network came, went, or is another one now."""

    reachable: bool


# --- time ---------------------------------------------------------------------------------------


class Timer(Enum):
    """What a `WakeAfter` was asked for."""

    RECONNECT = "reconnect"
    """The pause before the next attempt is over."""
    SESSION_CREATED = "session.created"
    """A socket without a session counts as a failed attempt."""
    SESSION_UPDATED = "session.updated"
    """Some servers never confirm; go on without."""
    STABLE = "stable"
    """The link has lived long enough for its next failure to be the first again."""
    RESPONSE_CREATED = "response.created"
    RESPONSE_DONE = "response.done"
    APPROVED = "approved"
    """After an approval the server may begin by itself; if it does not, it is asked to."""
    RETRY = "retry"
    """The time a rate limit asked for is over."""
    TRANSCRIPT = "transcript"
    """What the user said should have been written by now."""
    TOOL = "tool"
    """A tool should have answered by now, whatever its own limit."""
    ASIDE = "aside"
    """An answer beside the conversation should have come by now."""
    EXPIRY = "expiry"
    """The server ends the session soon: time for a new one."""
    NEXT_CREATED = "next session.created"
    NEXT_UPDATED = "next session.updated"
    NEXT_RETRY = "next retry"
    """The pause before another attempt to open the next session is over."""
    DIGEST = "digest"
    """The summary of the old session has come in time, or not."""


@dataclass(frozen=True, slots=True)
class Woke:
    """The time of a `WakeAfter` has come."""

    timer: Timer
    serial: int
    """The serial of the `WakeAfter`; one that is no longer waited for is stale."""


Input = (
    TalkPressed
    | TalkReleased
    | StopPressed
    | TextEntered
    | Muted
    | SessionChosen
    | RenewalAsked
    | AnswerAsked
    | RestAsked
    | ForgetAsked
    | ServerCopyAsked
    | ResendAsked
    | AsideAsked
    | ToolsOffered
    | ToolFinished
    | ConsentGiven
    | BudgetReached
    | VoiceChosen
    | NewConversationAsked
    | ConversationContinued
    | ConnectAsked
    | RetryStopped
    | MicStarted
    | MicBlock
    | MicClosed
    | MicFailed
    | MicFound
    | DeviceChanged
    | OnsetHeard
    | DuplexChanged
    | PlaybackStarted
    | PlaybackFinished
    | PlaybackStopped
    | SpeakerFailed
    | Received
    | Disconnected
    | Resumed
    | NetworkChanged
    | Woke
)
