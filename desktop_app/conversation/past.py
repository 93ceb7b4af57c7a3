"""What the window sees of the conversations that were kept: plain values, no store."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from desktop_app.conversation.entries import Entry


@dataclass(frozen=True, slots=True)
class PastConversation:
    """A conversation, as a list shows it."""

    number: int
    """Its key in the store; never used again, even after it was deleted."""
    began_at: float
    """Unix seconds, of its first entry."""
    changed_at: float
    """Unix seconds, of its last entry."""
    title: str = ""
    """As the user or the model named it; empty: not named yet."""
    topic: str = ""
    opening: str = ""
    """The user's first words: what stands in for a title that is not there."""
    entries: int = 0
    pinned: bool = False
    cut_off: bool = False
    """The program ended without closing it: a crash, a power cut."""


@dataclass(frozen=True, slots=True)
class PastEntry:
    """An entry, and when it was said."""

    entry: Entry
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that a search found."""

    conversation: PastConversation
    item_id: str
    """Empty: it is the conversation's title that was found."""
    at: float
    snippet: str
    """The words around the first match, one line."""
    marks: tuple[tuple[int, int], ...] = ()
    """Where the matches are in `snippet`: begin, end, in characters."""


class ExportForm(Enum):
    """What a conversation can be taken along as."""

    MARKDOWN = "Markdown"
    JSON = "JSON"
    FOLDER = "folder"
    """JSON, Markdown, pictures, and the sound of each turn where it was kept."""
