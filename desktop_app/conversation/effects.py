"""Everything that can be asked for: what `Conversation.handle` returns, and `Session` performs in order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from desktop_app.conversation.inputs import Timer
from desktop_app.errors import Notice
from desktop_app.protocol.events import ClientEvent
from desktop_app.protocol.items import PartId


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
    SPEAKING = "speaking"


class Role(Enum):
    """Who an entry is by."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class EntryStatus(Enum):
    """How far an entry is."""

    IN_PROGRESS = "in progress"
    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    """The user began while it was spoken; `heard_chars` tells how much was heard."""
    INCOMPLETE = "incomplete"
    """The server cut it: token limit or content filter; `remark` says which."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the transcript shows for one item."""

    item_id: str
    role: Role
    text: str = ""
    status: EntryStatus = EntryStatus.IN_PROGRESS
    spoken: bool = False
    """Said aloud rather than typed; a spoken entry may be empty until its transcript comes."""
    heard_chars: int | None = None
    """How many characters of `text` were heard, about; None: all of them, or not known yet."""
    heard_ms: int | None = None
    """What the server was told was heard (`conversation.item.truncate`); None if nothing was cut."""
    remark: str = ""
    """One sentence about the entry: why it ended early, that there is no transcript."""


@dataclass(frozen=True, slots=True)
class VoiceState:
    """What the voice picker shows."""

    voices: tuple[str, ...]
    current: str
    locked: bool = False
    reason: str = ""
    """Why another voice cannot be chosen now, and the way out."""


# --- the wire -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the connection; its events come back as `Received`, its end as `Disconnected`."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection; nothing more comes of it."""


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
class ShowVoice:
    """The voice, or whether it can be chosen, has changed."""

    state: VoiceState


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
    """A typed text could not be sent: put it back into the line, nothing is lost."""

    text: str


Effect = (
    Connect
    | Disconnect
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
    | ShowVoice
    | ShowNotice
    | DismissNotice
    | GiveBackText
)
