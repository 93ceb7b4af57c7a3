"""Read and write the clipboard.

Both ask: a copied password is as private as anything, and what is overwritten is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from desktop_app.errors import ToolError
from desktop_app.tools.tool import Arguments, Consent, FunctionTool, Tool, ToolSpec, parameters

MAX_CHARS = 100_000

READ = ToolSpec(
    "read_clipboard",
    "Return the text the user has copied.",
    parameters(),
    Consent.ALWAYS_ASK,
    title="Read the clipboard",
)
WRITE = ToolSpec(
    "write_clipboard",
    "Put a text on the clipboard, so that the user can paste it.",
    parameters(required={"text": {"type": "string", "minLength": 1, "maxLength": MAX_CHARS}}),
    Consent.ALWAYS_ASK,
    title="Write to the clipboard",
)


class Clipboard(Protocol):
    """The system's clipboard; called on the loop."""

    def read(self) -> str:
        """Return its text; empty if it holds none."""
        ...

    def write(self, text: str) -> None:
        """Replace what it holds."""
        ...


def clipboard_tools(clipboard: Clipboard) -> Sequence[Tool]:
    """Return the two tools."""

    def read(_: Arguments) -> object:
        text = clipboard.read()
        if not text:
            raise ToolError("There is no text on the clipboard.")
        return {"text": text[:MAX_CHARS]}

    def write(arguments: Arguments) -> object:
        clipboard.write(arguments["text"])
        return {"written": len(arguments["text"])}

    return (
        FunctionTool(READ, read, ask=lambda _: "Let the assistant read what you have copied?"),
        FunctionTool(
            WRITE,
            write,
            ask=lambda arguments: f"Replace what is on your clipboard by this text?\n\n{arguments['text']}",
        ),
    )
