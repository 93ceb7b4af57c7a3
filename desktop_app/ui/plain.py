"""Text of strangers, made safe to look at: what a model, a tool, a server, a file or a device is called or says.

Markup is no danger where nothing reads it: every label is a `PlainLabel` (`labels.py`), tooltips are escaped, and
rows are laid out glyph by glyph. What remains is text that looks like another text: characters that turn the order
of what follows around, that erase, or that nobody sees. They are shown as what they are. Text only, no Qt.
"""

from __future__ import annotations

import re
from dataclasses import replace

from desktop_app.conversation.entries import Entry, ToolUse

ODD = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character that would disguise others."""

_DISGUISES = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ufff9-\ufffb\ud800-\udfff]")
"""Controls but tab and line feed; line ends of other alphabets; what reverses writing; halves of characters."""
_HIDDEN = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2060-\u206f\u3164\ufeff\uffa0"
    "\U000e0000-\U000e0fff]"
)
"""What is right in a text of some language, but not where a name or an address must be told from another."""
_LINE_ENDS = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


def visible(text: str) -> str:
    """Return the text with what disguises it made visible: one character for one, so that positions stay right."""
    return _DISGUISES.sub(_shown, text) if _DISGUISES.search(text) else text


def unmistakable(text: str) -> str:
    """Return a name, an address or what a tool is given with everything invisible named by its number, too."""
    return _HIDDEN.sub(lambda found: f"\u2039U+{ord(found[0]):04X}\u203a", visible(text))


def visible_entry(entry: Entry) -> Entry:
    """Return an entry with all its texts made visible."""
    tool = entry.tool and _visible_tool(entry.tool)
    text, remark = visible(entry.text), visible(entry.remark)
    if text is entry.text and remark is entry.remark and tool is entry.tool:
        return entry
    return replace(entry, text=text, remark=remark, tool=tool)


def _visible_tool(tool: ToolUse) -> ToolUse:
    name, arguments, output = unmistakable(tool.name), visible(tool.arguments), visible(tool.output)
    if name is tool.name and arguments is tool.arguments and output is tool.output:
        return tool
    return replace(tool, name=name, arguments=arguments, output=output)


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if character == "\r" and found.string[found.end() : found.end() + 1] == "\n":
        return "\u200b"  # the line ends only once
    if character in _LINE_ENDS:
        return "\n"
    if character < " ":
        return chr(0x2400 + ord(character))
    return "\u2421" if character == "\x7f" else ODD
