"""Entries for the tests of the history: one with every field set, short ones, and a story of them."""

from __future__ import annotations

from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role, ToolUse

PICTURE = "data:image/png;base64,iVBORw0KGgo="
ODD_PICTURE = "data:image/png;base64,iVBORw0KGgo"
"""Without its padding: the bytes alone would not give it back."""

FULL = Entry(
    item_id="item_1",
    role=Role.TOOL,
    text="Say «grüezi»\n\tto \x00 the 世界 \U0001f600",
    status=EntryStatus.INTERRUPTED,
    spoken=True,
    heard_chars=4,
    heard_ms=1234,
    remark="You began to speak.",
    commentary=True,
    images=(PICTURE, "https://example.org/a.png", ODD_PICTURE, PICTURE),
    action=EntryAction.SAY_THE_REST,
    tool=ToolUse(
        call_id="call_1",
        name="search",
        arguments='{"q": "x"}',
        server="docs",
        output="found",
        failed=True,
        waiting=True,
        seconds=1.25,
    ),
)
"""No field has its default."""


def said(item_id: str, text: str = "", role: Role = Role.USER, *, running: bool = False) -> Entry:
    """Return an entry."""
    status = EntryStatus.IN_PROGRESS if running else EntryStatus.COMPLETED
    return Entry(item_id, role, text or f"words of {item_id}", status)
