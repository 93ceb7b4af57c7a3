"""Everything that can be asked for: what `Conversation.handle` returns, and `Session` performs in order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from desktop_app.conversation.entries import Entry
from desktop_app.conversation.inputs import AsideKind, Recording, Timer
from desktop_app.errors import Notice
from desktop_app.protocol.events import ClientEvent, RateLimit, TranscriptionUsage, Usage
from desktop_app.protocol.items import PartId
from desktop_app.protocol.session_config import SessionConfig


class Link(Enum):
    """The connection, as the user sees it."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    ONLINE = "online"


class Turn(Enum):
    """Whose move it is: derived from the four machines, never stored."""

    IDLE = "idle"
    OPENING = "opening"
    """Talk is held, but no sample has arrived yet: do not speak yet."""
    LISTENING = "listening"
    THINKING = "thinking"
    USING_TOOL = "using a tool"
    """A call is under way."""
    ASKING = "asking"
    """A call waits for the user's yes."""
    SPEAKING = "speaking"


DECLINED = '{"error": "declined by user"}'
"""The output of a call that the user did not allow."""


@dataclass(frozen=True, slots=True)
class VoiceState:
    """What the voice picker shows."""

    voices: tuple[str, ...]
    current: str
    locked: bool = False
    reason: str = ""
    """Why another voice cannot be chosen now, and the way out."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Something that only the user may allow."""

    call_id: str
    """What `ConsentGiven` names."""
    tool: str
    arguments: str
    server: str = ""
    """The MCP server that the service would have run it; empty: this program runs it."""
    question: str = ""
    """What would happen, in words of the tool's own; empty: its name and the arguments say it."""
    source: str = ""
    """Who brings the tool, if not this program."""
    remark: str = ""
    """What that says of it."""


@dataclass(frozen=True, slots=True)
class AsideState:
    """An answer beside the conversation, so far."""

    number: int
    kind: AsideKind
    text: str = ""
    done: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What is known of the session."""

    session_id: str = ""
    model: str = ""
    expires_at: int | None = None
    """Unix seconds."""
    limits: tuple[RateLimit, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt to connect that is planned."""

    in_ms: int
    number: int
    """Which attempt of this outage, from 1."""
    of: int
    """After so many it is left to the user."""


# --- the wire -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the connection; its events come back as `Received`, its end as `Disconnected`."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection; nothing more comes of it."""


@dataclass(frozen=True, slots=True)
class ConnectNext:
    """Open a second connection beside the present one; what comes of it is marked `by_next`."""


@dataclass(frozen=True, slots=True)
class SendNext:
    """Send an event by the second connection."""

    event: ClientEvent


@dataclass(frozen=True, slots=True)
class SwitchOver:
    """The second connection is the present one from now on; the old one is closed."""


@dataclass(frozen=True, slots=True)
class DropNext:
    """Close the second connection; nothing more comes of it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Make sure at once that the connections live; the end of one that does not is `Disconnected`."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event, in order, without waiting."""

    event: ClientEvent


# --- sound --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Play:
    """Queue audio of a part behind what is queued: PCM16 little-endian, mono, 24 kHz, any number of bytes."""

    part: PartId
    pcm: bytes


@dataclass(frozen=True, slots=True)
class EndPart:
    """No more audio of this part will come: even the shortest may start now, and its end is the end."""

    part: PartId


@dataclass(frozen=True, slots=True)
class StopPlayback:
    """Be silent now and empty the queue; comes back as `PlaybackStopped` in the same dispatch."""


@dataclass(frozen=True, slots=True)
class OpenMic:
    """Start capturing; comes back as `MicStarted`, `MicBlock`s or `MicFailed`."""


@dataclass(frozen=True, slots=True)
class CloseMic:
    """Stop capturing after the release tail; the last blocks and `MicClosed` come back."""


# --- tools --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool; comes back as `ToolFinished`."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class CancelTool:
    """Nobody waits for this call any more."""

    call_id: str


@dataclass(frozen=True, slots=True)
class AskConsent:
    """Ask the user; comes back as `ConsentGiven`."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class WithdrawConsent:
    """The question no longer stands."""

    call_id: str


# --- time and the window ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WakeAfter:
    """Ask for `Woke(timer, serial)` after some time."""

    ms: int
    timer: Timer
    serial: int


@dataclass(frozen=True, slots=True)
class ShowEntry:
    """Insert or replace an entry of the transcript."""

    entry: Entry
    after: str | None
    """The item id of the entry shown before it; None: it is the first."""


@dataclass(frozen=True, slots=True)
class RemoveEntry:
    """Take an entry out of the transcript."""

    item_id: str
    for_room: bool = False
    """Only because there is no room for all of them: it was said, and stays in the history."""


@dataclass(frozen=True, slots=True)
class ClearEntries:
    """A new conversation begins."""


@dataclass(frozen=True, slots=True)
class ShowTurn:
    """Whose move it is has changed."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class ShowLink:
    """The state of the connection has changed."""

    link: Link


@dataclass(frozen=True, slots=True)
class ShowRetry:
    """An attempt to connect is planned, or none any more (None)."""

    retry: Retry | None


@dataclass(frozen=True, slots=True)
class ShowVoice:
    """The voice, or whether it can be chosen, has changed."""

    state: VoiceState


@dataclass(frozen=True, slots=True)
class ShowSession:
    """The configuration in force, or asked for, has changed: controls go where it says."""

    config: SessionConfig
    muted: bool = False
    """Hands-free, and only silence is sent."""


@dataclass(frozen=True, slots=True)
class ShowConnection:
    """What is known of the session has changed."""

    info: ConnectionInfo


@dataclass(frozen=True, slots=True)
class ShowAside:
    """Insert or replace an answer beside the conversation."""

    state: AsideState


@dataclass(frozen=True, slots=True)
class ShowTitle:
    """The conversation has a title and a topic."""

    title: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class CountUsage:
    """Something was billed: a response, or writing down what was said."""

    key: str
    """What is billed, once: the session's number and the response's or item's id."""
    usage: Usage | TranscriptionUsage
    item_id: str = ""
    """The entry it belongs to; empty: none that is shown."""
    transcription: bool = False


@dataclass(frozen=True, slots=True)
class SaveRecording:
    """The server's copy of what was said has come: PCM16 little-endian, mono, 24 kHz."""

    item_id: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class ShowNotice:
    """Tell the user something."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class DismissNotice:
    """A notice of this key no longer holds."""

    key: str


@dataclass(frozen=True, slots=True)
class GiveBackText:
    """A message could not be sent: put it back into the line, nothing is lost."""

    text: str
    images: tuple[str, ...] = ()
    """Data URIs of the pictures that were with it."""
    recordings: tuple[Recording, ...] = ()


Effect = (
    Connect
    | Disconnect
    | ConnectNext
    | SendNext
    | SwitchOver
    | DropNext
    | Probe
    | Send
    | Play
    | EndPart
    | StopPlayback
    | OpenMic
    | CloseMic
    | WakeAfter
    | ShowEntry
    | RemoveEntry
    | ClearEntries
    | ShowTurn
    | ShowLink
    | ShowRetry
    | ShowVoice
    | RunTool
    | CancelTool
    | AskConsent
    | WithdrawConsent
    | ShowSession
    | ShowConnection
    | ShowAside
    | ShowTitle
    | CountUsage
    | SaveRecording
    | ShowNotice
    | DismissNotice
    | GiveBackText
)
