"""What a new session is given of the old one (the guide's replay): text only, within a budget, in order.

Assistant audio cannot be given back, so its words are, as `output_text`, and of an interrupted answer only what was
heard. A call goes together with its output or not at all. The end of the conversation counts most; what does not
fit is left out, and the model is told so. Pictures are large: only the last few go.
"""

from __future__ import annotations

from collections.abc import Iterable

from desktop_app.conversation.effects import Entry, Role, ToolUse
from desktop_app.protocol.items import Item, assistant_text, function_call_output, system_text, user_message

MAX_ITEMS = 30
MAX_CHARS = 32_000
"""8,000 tokens, at four characters each."""
MAX_IMAGES = 2
MAX_OWN_ID = 32
"""The longest item id a client may choose."""
MAX_ID_CHARS = 64
"""Ids go back as the server made them, some of them longer than that."""
LEFT_OUT_ID = "left_out"
LEFT_OUT = "The earlier part of this conversation is not repeated here. If it matters, ask the user."


def output_id(item_id: str) -> str:
    """Return the id we give to the output of a call, so that both can be forgotten together."""
    return f"out_{item_id[-28:]}"


def replayable(entries: Iterable[Entry]) -> list[Item]:
    """Return the entries, given from the last to the first, as items a new session takes, in order."""
    groups: list[list[Item]] = []
    left, images = MAX_CHARS, MAX_IMAGES
    for entry in entries:
        shown = entry.images[-images:] if images else ()
        group = _as_items(entry, shown)
        if not group:
            continue
        size = sum(_chars(item) for item in group)
        if sum(map(len, groups)) + len(group) > MAX_ITEMS or (size > left and groups):
            groups.append([system_text(LEFT_OUT_ID, LEFT_OUT)])
            break
        left -= size
        images -= len(shown)
        groups.append(group)
    return [item for group in reversed(groups) for item in group]


def _chars(item: Item) -> int:
    return len(item.words) + len(item.arguments or "") + len(item.output or "")


def _as_items(entry: Entry, images: tuple[str, ...]) -> list[Item]:
    if len(entry.item_id) > MAX_ID_CHARS:
        return []
    if entry.tool is not None:
        return _call_as_items(entry, entry.tool)
    heard = entry.text if entry.heard_chars is None else entry.text[: entry.heard_chars]
    heard = _within_budget(heard.strip())
    if entry.role is Role.USER and (heard or images):
        return [user_message(entry.item_id, heard, images)]
    if entry.role is Role.ASSISTANT and heard:
        return [assistant_text(entry.item_id, heard)]
    return []


def _within_budget(text: str) -> str:
    return text if len(text) <= MAX_CHARS else "… " + text[-MAX_CHARS:]


def _call_as_items(entry: Entry, use: ToolUse) -> list[Item]:
    if use.server or not use.output or len(use.call_id) > MAX_ID_CHARS:
        return []
    call = Item(
        id=entry.item_id, type="function_call", call_id=use.call_id, name=use.name, arguments=use.arguments or "{}"
    )
    return [call, function_call_output(use.call_id, use.output, output_id(entry.item_id))]
