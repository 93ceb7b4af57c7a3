"""The words for an entry of the transcript: what is shown, copied and read aloud of it. Text only, no Qt.

Positions inside a row count UTF-16 units, as `QTextLayout` does.
"""

from __future__ import annotations

import json

from desktop_app.conversation.effects import DECLINED
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role, ToolUse

SPEAKERS = {Role.USER: "You", Role.ASSISTANT: "Assistant", Role.TOOL: "Tool", Role.SYSTEM: "Note"}
ACTION_WORDS = {
    EntryAction.SAY_THE_REST: "Say the rest",
    EntryAction.CONTINUE: "Continue",
    EntryAction.RETRY: "Try again",
}
MOST_OUTPUT_CHARS = 6_000
"""What is shown of a tool's result; it is copied whole."""
QUICK_S = 0.1
"""What takes less is not told exactly."""
MOST_LINE_CHARS = 300
"""What is looked at for a line that will be cut to the window's width anyhow."""


def shown_text(entry: Entry) -> str:
    """Return the words of an entry, or what stands for them while there are none."""
    if entry.text:
        return entry.text
    if entry.tool is not None:
        return tool_text(entry.tool)
    if entry.images:
        return ""
    if entry.status is EntryStatus.IN_PROGRESS:
        return "…"
    if entry.role is Role.USER and entry.spoken:
        return entry.remark or "(no transcript)"
    return "(no answer)" if entry.role is Role.ASSISTANT else ""


def note_of(entry: Entry) -> str:
    """Return the line under an entry: how it ended, if not by itself."""
    if entry.status is EntryStatus.INTERRUPTED:
        return _join(_interruption(entry), entry.remark)
    if entry.remark:
        return "" if entry.remark == shown_text(entry) else entry.remark
    if entry.status is EntryStatus.INCOMPLETE:
        return "The answer was cut short."
    return "The answer failed." if entry.status is EntryStatus.FAILED and entry.tool is None else ""


def spoken_row(entry: Entry) -> str:
    """Return one element's worth of words for a screen reader: speaker, text, state, what Enter does."""
    if entry.tool is not None:
        name = f"{SPEAKERS[entry.role]} {tool_name(entry.tool)}"
        arguments = tool_arguments(entry.tool).replace("\n", ", ")
        result = f"Result: {entry.tool.output[:MOST_LINE_CHARS]}" if entry.tool.output else ""
        words = _join(f"{name}: {arguments}" if arguments else name, tool_state(entry.tool), result)
    else:
        words = f"{SPEAKERS[entry.role]}: {shown_text(entry)}"
    if entry.images:
        words = _join(words, "1 picture" if len(entry.images) == 1 else f"{len(entry.images)} pictures")
    if entry.status is EntryStatus.INTERRUPTED and entry.heard_chars is not None and entry.text:
        heard, unheard = entry.text[: entry.heard_chars].strip(), entry.text[entry.heard_chars :].strip()
        words = f"{SPEAKERS[entry.role]}: {heard}" + (f" – not heard: {unheard}" if unheard else "")
    action = f"Enter: {ACTION_WORDS[entry.action]}" if entry.action is not None else ""
    return _join(words, note_of(entry), action)


def copied_row(entry: Entry) -> str:
    """Return a row as it is copied together with others."""
    text = shown_text(entry)
    return f"{SPEAKERS[entry.role]}: {text}" if text else f"{SPEAKERS[entry.role]}: (picture)"


# --- tools --------------------------------------------------------------------------------------


def tool_name(tool: ToolUse) -> str:
    """Return its name to be read: «Set timer» for `set_timer`."""
    words = tool.name.replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else tool.name


def tool_state(tool: ToolUse) -> str:
    """Return how far a call is."""
    took = ""
    if tool.seconds is not None:
        took = f"{tool.seconds:.1f} s" if tool.seconds >= QUICK_S else f"< {QUICK_S} s"
    if tool.waiting:
        return "waiting for your yes"
    if tool.output == DECLINED:
        return "not allowed"
    if tool.failed:
        return _join("failed", took)
    return took or ("done" if tool.output else "running…")


def has_gone_wrong(tool: ToolUse) -> bool:
    """Whether a call failed by itself; a no of the user's is nothing to warn of."""
    return tool.failed and tool.output != DECLINED


def tool_arguments(tool: ToolUse) -> str:
    """Return the arguments, one per line; as the model wrote them if they are no JSON object."""
    try:
        arguments = json.loads(tool.arguments)
    except (ValueError, RecursionError):
        return tool.arguments.strip()
    if not isinstance(arguments, dict):
        return tool.arguments.strip()
    return "\n".join(f"{name}: {_plainly(value)}" for name, value in arguments.items())


def tool_line(tool: ToolUse) -> str:
    """Return the call in one line."""
    line = tool_arguments(tool)[:MOST_LINE_CHARS]
    return " · ".join(part.strip() for part in line.splitlines() if part.strip())


def tool_output(tool: ToolUse) -> str:
    """Return the result to look at: JSON with its structure shown, and not without end."""
    shown = tool.output
    if len(shown) <= MOST_OUTPUT_CHARS:
        try:
            shown = _plain_structure(json.loads(shown))
        except (ValueError, RecursionError):
            pass
    if len(shown) > MOST_OUTPUT_CHARS:
        return f"{shown[:MOST_OUTPUT_CHARS]}… ({len(tool.output):,} characters in all)"
    return shown.strip()


def tool_text(tool: ToolUse) -> str:
    """Return everything of a call, as it is copied."""
    parts = (tool.name, tool_arguments(tool), tool.output.strip())
    return "\n".join(part for part in parts if part)


def _plain_structure(value: object) -> str:
    if isinstance(value, dict) and value and not any(isinstance(v, dict | list) for v in value.values()):
        return "\n".join(f"{name}: {_plainly(v)}" for name, v in value.items())
    if isinstance(value, dict | list):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return _plainly(value)


def _plainly(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- text ---------------------------------------------------------------------------------------


def utf16_units(text: str) -> int:
    """Return how many UTF-16 units `text` takes."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_slice(text: str, start: int, end: int) -> str:
    """Return a part of `text` by its UTF-16 units."""
    raw = text.encode("utf-16-le", "surrogatepass")[2 * start : 2 * end]
    return raw.decode("utf-16-le", "replace")


def _interruption(entry: Entry) -> str:
    if entry.heard_chars == 0 or entry.heard_ms == 0:
        return "Interrupted before it was heard"
    if entry.heard_ms is None:
        return "Interrupted"
    return f"Interrupted after {entry.heard_ms / 1000:.1f} s"


def _join(*sentences: str) -> str:
    return " · ".join(sentence for sentence in sentences if sentence)
