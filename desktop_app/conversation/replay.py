"""What a new session is given of the old one (the guide's replay): text only, within a budget, in order.

Assistant audio cannot be given back, so its words are, as `output_text`, and of an interrupted answer only what was
heard. A call goes together with its output or not at all. The end of the conversation counts most; of what does not
fit in full the model gets a summary: the one that the old session made of it, where it did so in time, and of what
that one does not know who said what, shortened. Pictures are large: only the last few go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from desktop_app.conversation import limits
from desktop_app.conversation.entries import Entry, Role, ToolUse
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
SUMMARY_HEADING = "Summary of the earlier part of this conversation, which is not repeated in full here:"
DIGEST_HEADING = "Earlier in this conversation, shortened, who said what:"
_FIRST_LINES = 4
"""How a conversation began says what it is about."""
_LINE_CHARS = (240, 120, 70)
"""To what one entry is cut, the more the longer the conversation is."""
_MAX_DIGESTED = 2_000
"""Entries that are looked at; what lies before them is long ago."""
_SPEAKERS = {Role.USER: "User", Role.ASSISTANT: "Assistant", Role.SYSTEM: "System"}


@dataclass(frozen=True, slots=True)
class Summary:
    """What a session said of itself before it ended."""

    text: str
    until: str
    """The item id of the last entry it knew."""


def output_id(item_id: str) -> str:
    """Return the id we give to the output of a call, so that both can be forgotten together."""
    return f"out_{item_id[-28:]}"


def replayable(entries: Iterable[Entry], summary: Summary | None = None) -> list[Item]:
    """Return the entries, given from the last to the first, as items a new session takes, in order."""
    groups: list[list[Item]] = []
    left, images = MAX_CHARS, MAX_IMAGES
    remaining = iter(entries)
    knows_all = False
    for entry in remaining:
        knows_all = knows_all or (summary is not None and entry.item_id == summary.until)
        shown = entry.images[-images:] if images else ()
        group = _as_items(entry, shown)
        if not group:
            continue
        size = sum(_chars(item) for item in group)
        if sum(map(len, groups)) + len(group) > MAX_ITEMS or (size > left and groups):
            text = digest([entry, *_some(remaining)], summary, knows_all=knows_all)
            groups.append([system_text(LEFT_OUT_ID, text)])
            break
        left -= size
        images -= len(shown)
        groups.append(group)
    return [item for group in reversed(groups) for item in group]


def leaves_out(entries: Iterable[Entry]) -> bool:
    """Whether not all of the entries, given from the last to the first, fit in full."""
    return any(item.id == LEFT_OUT_ID for item in replayable(entries))


def digest(entries: Iterable[Entry], summary: Summary | None = None, *, knows_all: bool = False) -> str:
    """Return a summary of entries, given from the last to the first: at most `limits.MAX_DIGEST_CHARS` long.

    `knows_all`: the summary was made after the last of them.
    """
    told: list[Entry] = []
    for entry in () if knows_all else entries:
        if summary is not None and entry.item_id == summary.until:
            break
        told.append(entry)
    parts = [] if summary is None else [f"{SUMMARY_HEADING}\n{clip(summary.text, limits.MAX_DIGEST_CHARS // 2)}"]
    room = limits.MAX_DIGEST_CHARS - sum(map(len, parts)) - len(DIGEST_HEADING) - 3
    if lines := _lines(told[::-1], room):
        parts.append("\n".join([DIGEST_HEADING, *lines]))
    return "\n\n".join(parts)


def clip(text: str, length: int) -> str:
    """Return the beginning of a text, cut at a sentence's end or at a word's."""
    text = " ".join(text[: 4 * length].split())
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    sentence = max(cut.rfind(mark) for mark in (". ", "? ", "! ", "。", "？", "！"))
    if sentence >= length // 2:
        return cut[: sentence + 1] + " …"
    return (cut.rpartition(" ")[0] if " " in cut[length // 2 :] else cut) + "…"


def _some(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry, _ in zip(entries, range(_MAX_DIGESTED), strict=False)]


def _lines(entries: list[Entry], room: int) -> list[str]:
    """Return a line for each entry, or for the first and for as many of the last as there is room for."""
    lines: list[str] = []
    for length in _LINE_CHARS:
        lines = [line for entry in entries if (line := _line(entry, length))]
        if sum(len(line) + 1 for line in lines) <= room:
            return lines
    first = lines[:_FIRST_LINES]
    gap = "[… {} more …]"
    left = room - sum(len(line) + 1 for line in first) - len(gap) - 8
    last: list[str] = []
    for line in reversed(lines[_FIRST_LINES:]):
        left -= len(line) + 1
        if left < 0:
            break
        last.append(line)
    skipped = len(lines) - len(first) - len(last)
    return [*first, gap.format(skipped), *reversed(last)]


def _line(entry: Entry, length: int) -> str:
    use = entry.tool
    if use is not None:
        output = clip(use.output, length) or "no result"
        return f"Tool {use.name}({clip(use.arguments, length // 2)}): {output}"
    words = clip(_heard(entry), length) or (f"[{len(entry.images)} pictures]" if entry.images else "")
    cut = (
        " [interrupted]" if words and entry.heard_chars is not None and entry.heard_chars < len(entry.text) else ""
    )
    return f"{_SPEAKERS.get(entry.role, 'User')}: {words}{cut}" if words else ""


def _heard(entry: Entry) -> str:
    return (entry.text if entry.heard_chars is None else entry.text[: entry.heard_chars]).strip()


def _chars(item: Item) -> int:
    return len(item.words) + len(item.arguments or "") + len(item.output or "")


def _as_items(entry: Entry, images: tuple[str, ...]) -> list[Item]:
    if len(entry.item_id) > MAX_ID_CHARS:
        return []
    if entry.tool is not None:
        return _call_as_items(entry, entry.tool)
    heard = _within_budget(_heard(entry))
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
