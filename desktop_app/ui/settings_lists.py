"""What the panes of the settings show besides settings: tools, MCP servers, the test of the microphone. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ToolLine:
    """A tool the assistant may be given."""

    name: str
    description: str
    source: str = ""
    """Whose it is, in words; empty: built in."""
    on: bool = True
    asks: bool = False
    """Whether a call of it needs a yes, unless it is trusted."""
    trusted: bool = False
    switchable: bool = True
    """Whether it can be switched off by itself."""
    title: str = ""
    """What the user calls it; empty: its name."""


@dataclass(frozen=True, slots=True)
class ToolFileLine:
    """A file of the user's own tools."""

    name: str
    digest: str
    """Given back when it is switched on: a yes to what was shown."""
    state: str
    """In words."""
    on: bool = False
    offers: tuple[str, ...] = ()
    """The signatures of what it offers."""
    imports: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ServerLine:
    """An MCP server."""

    name: str
    state: str
    """In words."""
    works: bool = True
    tools: tuple[str, ...] = ()
    problem: str = ""


class CheckPhase(Enum):
    """What the test of the microphone does."""

    IDLE = "idle"
    OPENING = "opening"
    RECORDING = "recording"
    PLAYING = "playing"


@dataclass(frozen=True, slots=True)
class CheckState:
    """How far the test of the microphone is."""

    phase: CheckPhase = CheckPhase.IDLE
    share: float = 0.0
    """How much of the recording, or of playing it, is done: 0 to 1."""
    level: float = 0.0
    """0 to 1, evenly in decibels from −60 to 0."""
    text: str = ""
    failed: bool = False
