"""The words of this room: what a tool is, what calls it, what comes of it."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from desktop_app.tools.threads import in_thread

Arguments = Mapping[str, Any]
"""A JSON object that was checked against the tool's schema."""


class Consent(Enum):
    """Whether the user is asked before a call."""

    NEVER = "never"
    """It neither changes anything outside the program nor reads anything private."""
    ALWAYS_ASK = "always ask"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What the model and the user are told of a tool."""

    name: str
    """1 to 64 of the characters A-Z a-z 0-9 _ -"""
    description: str
    parameters: Mapping[str, Any]
    """A JSON schema of type `object`."""
    consent: Consent = Consent.ALWAYS_ASK
    source: str = ""
    """Who brings it, in words for the user; empty: the program itself."""
    title: str = ""
    """Its name for the user; empty: the name."""
    remark: str = ""
    """What its source says of it and nobody has checked, for the user to read before agreeing."""

    @property
    def fingerprint(self) -> str:
        """A digest of all the model is told: an "always" is meant for this definition and for no later one."""
        told = [self.source, self.name, self.description, self.parameters]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model makes (an item of type `function_call`)."""

    call_id: str
    name: str
    arguments: str
    """JSON, as the model wrote it; it may be anything."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image a tool returns; an output is text only, so it becomes a message of its own."""

    data: bytes
    media_type: str
    """`image/png` or `image/jpeg`"""


@dataclass(frozen=True, slots=True)
class WithPictures:
    """What `Tool.run` returns if there is something to see."""

    output: object
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call, whatever happened."""

    output: str
    """What the model is told; `{"error": …}` if it failed."""
    failed: bool
    seconds: float
    pictures: tuple[Picture, ...] = ()


class Tool(Protocol):
    """Something the model may call."""

    @property
    def spec(self) -> ToolSpec:
        """What it is; does not change."""
        ...

    async def run(self, arguments: Arguments) -> object:
        """Return text, anything JSON can hold, or `WithPictures`.

        Raises `ToolError` with a sentence for the model. Cancelled when the time is up.
        """
        ...


@runtime_checkable
class Asking(Protocol):
    """A tool that words the question for the user's consent itself."""

    def question(self, arguments: Arguments) -> str:
        """Return what would happen, exactly; raises `ToolError` if it would be refused anyway."""
        ...


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A function of the program, as a tool."""

    spec: ToolSpec
    function: Callable[[Arguments], object]
    """May be a coroutine function."""
    blocking: bool = False
    """It waits for something outside: it gets a thread of its own."""
    ask: Callable[[Arguments], str] | None = None
    """Words the question for the user."""

    async def run(self, arguments: Arguments) -> object:
        """Call the function."""
        if self.blocking:
            return await in_thread(self.function, arguments)
        result = self.function(arguments)
        return await result if inspect.isawaitable(result) else result

    def question(self, arguments: Arguments) -> str:
        """Return what would happen; empty if the name and the arguments say it all."""
        return self.ask(arguments) if self.ask else ""


def parameters(required: Mapping[str, Any] | None = None, **optional: Any) -> dict[str, Any]:
    """Return the schema of an object with these members and no others."""
    must = dict(required or {})
    return {
        "type": "object",
        "properties": {**must, **optional},
        "required": list(must),
        "additionalProperties": False,
    }
