"""What the transcript is made of: one entry for one item."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """Who an entry is by."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    """A call of a tool: what was asked of it and what came of it."""
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


class EntryAction(Enum):
    """What the user can do about how an entry ended."""

    SAY_THE_REST = "say the rest"
    CONTINUE = "continue"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool, as the transcript shows it."""

    call_id: str
    name: str
    arguments: str
    """As the model wrote them: a JSON object, usually."""
    server: str = ""
    """The MCP server that runs it; empty: this program."""
    output: str = ""
    failed: bool = False
    waiting: bool = False
    """For the user's yes."""
    seconds: float | None = None
    """How long it took; None: it is not done."""


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
    commentary: bool = False
    """Said on the way to the answer (`phase`): shown lighter."""
    images: tuple[str, ...] = ()
    """Data URIs of the pictures in it."""
    action: EntryAction | None = None
    tool: ToolUse | None = None
    """Only for role TOOL."""
