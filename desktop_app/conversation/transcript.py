"""What was said, in spoken order: the entries of the transcript and where each stands.

Order comes from `previous_item_id` of `conversation.item.added` and `input_audio_buffer.committed`, never from the
arrival of text (the guide's item ordering): a user's words are often written after the answer to them. An item
whose predecessor is not known yet stands at the end until the predecessor comes. Deleted items keep their place,
unseen, because later items may still name them.
"""

from __future__ import annotations

from dataclasses import replace

from desktop_app.conversation.effects import (
    ClearEntries,
    Entry,
    EntryAction,
    EntryStatus,
    RemoveEntry,
    Role,
    ShowEntry,
    ToolUse,
)
from desktop_app.conversation.outbox import Outbox
from desktop_app.protocol.items import Item, assistant_text, function_call_output, user_message

MAX_ITEM_ID = 32
"""The longest item id a client may choose."""


def heard_characters(text: str, *, heard_ms: int, received_ms: int) -> int:
    """Return about how many characters were heard: in proportion to the time, cut at a word's end."""
    if received_ms <= 0 or heard_ms >= received_ms:
        return len(text) if heard_ms > 0 else 0
    cut = len(text) * heard_ms // received_ms
    if cut >= len(text) or text[cut].isspace():
        return cut
    return len(text[:cut].rpartition(" ")[0])


class Transcript:
    """The entries, in order; every change is shown."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._entries: dict[str, Entry] = {}
        self._texts: dict[str, dict[int, str]] = {}
        self._order: list[str] = []
        self._orphans: dict[str, str] = {}
        """Items whose predecessor is not known yet, and that predecessor."""

    def get(self, item_id: str) -> Entry | None:
        """Return the entry of an item, if it has one that is shown."""
        return self._entries.get(item_id)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._texts.clear()
        self._order.clear()
        self._orphans.clear()
        self._outbox.do(ClearEntries())

    def place(self, item_id: str, previous: str | None) -> None:
        """Put an item behind another; None, or one that is not known yet: at the end if it has no place."""
        if previous is not None and previous != item_id and previous in self._order:
            self._orphans.pop(item_id, None)
            self._move(item_id, previous)
        else:
            if previous is not None and previous != item_id:
                self._orphans[item_id] = previous
            if item_id not in self._order:
                self._order.append(item_id)
        for orphan in [o for o, wanted in self._orphans.items() if wanted == item_id]:
            del self._orphans[orphan]
            self._move(orphan, item_id)

    def show(self, entry: Entry) -> None:
        """Insert or replace an entry; one without a place stands at the end."""
        if entry.item_id not in self._order:
            self._order.append(entry.item_id)
        if self._entries.get(entry.item_id) != entry:
            self._entries[entry.item_id] = entry
            self._show(entry)

    def change(
        self,
        item_id: str,
        *,
        status: EntryStatus | None = None,
        remark: str | None = None,
        heard_chars: int | None = None,
        heard_ms: int | None = None,
        action: EntryAction | None = None,
    ) -> None:
        """Change what is given of an entry that exists; a status takes the action of the one before it away."""
        entry = self._entries.get(item_id)
        if entry is None:
            return
        self.show(
            replace(
                entry,
                status=status or entry.status,
                remark=entry.remark if remark is None else remark,
                heard_chars=entry.heard_chars if heard_chars is None else heard_chars,
                heard_ms=entry.heard_ms if heard_ms is None else heard_ms,
                action=action or (entry.action if status is None else None),
            )
        )

    def write(self, item_id: str, role: Role, index: int, text: str, *, spoken: bool, append: bool) -> None:
        """Append to, or replace, the text of one part; the entry is made if it does not exist."""
        parts = self._texts.setdefault(item_id, {})
        parts[index] = parts.get(index, "") + text if append else text
        whole = "".join(parts[i] for i in sorted(parts))
        entry = self._entries.get(item_id) or Entry(item_id, role, spoken=spoken)
        if entry.role is not role:
            return  # a server that gives one id to two things: the first keeps it
        self.show(replace(entry, text=whole, spoken=entry.spoken or spoken))

    def remove(self, item_id: str) -> None:
        """Take an entry out; its place stays, unseen."""
        self._texts.pop(item_id, None)
        if self._entries.pop(item_id, None) is not None:
            self._outbox.do(RemoveEntry(item_id))

    def open_entries(self) -> list[Entry]:
        """Return the entries that are still in progress."""
        return [entry for entry in self._entries.values() if entry.status is EntryStatus.IN_PROGRESS]

    def after(self, item_id: str) -> list[str]:
        """Return the ids of the entries behind one, in order."""
        if item_id not in self._order:
            return []
        behind = self._order[self._order.index(item_id) + 1 :]
        return [other for other in behind if other in self._entries]

    def replayable(self, limit: int) -> list[Item]:
        """Return the last entries as items a new session takes: text only, and of an answer what was heard.

        Assistant audio cannot be given back (the guide's replay table), so its words are, as `output_text`; a call
        goes together with its output or not at all.
        """
        items: list[Item] = []
        for item_id in self._order:
            entry = self._entries.get(item_id)
            if entry is not None and len(item_id) <= MAX_ITEM_ID:
                items += _as_items(entry)
        items = items[-limit:]
        if items and items[0].type == "function_call_output":
            del items[0]
        return items

    def _move(self, item_id: str, previous: str) -> None:
        if item_id in self._order:
            at = self._order.index(item_id)
            if at > 0 and self._order[at - 1] == previous:
                return
            self._order.remove(item_id)
        self._order.insert(self._order.index(previous) + 1, item_id)
        entry = self._entries.get(item_id)
        if entry is not None:
            self._show(entry)

    def _show(self, entry: Entry) -> None:
        self._outbox.do(ShowEntry(entry, self._shown_before(entry.item_id)))

    def _shown_before(self, item_id: str) -> str | None:
        for other in reversed(self._order[: self._order.index(item_id)]):
            if other in self._entries:
                return other
        return None


def _as_items(entry: Entry) -> list[Item]:
    if entry.tool is not None:
        return _call_as_items(entry, entry.tool)
    heard = entry.text if entry.heard_chars is None else entry.text[: entry.heard_chars]
    heard = heard.strip()
    if entry.role is Role.USER and (heard or entry.images):
        return [user_message(entry.item_id, heard, entry.images)]
    if entry.role is Role.ASSISTANT and heard:
        return [assistant_text(entry.item_id, heard)]
    return []


def _call_as_items(entry: Entry, use: ToolUse) -> list[Item]:
    if use.server or not use.output or len(use.call_id) > MAX_ITEM_ID:
        return []
    call = Item(
        id=entry.item_id, type="function_call", call_id=use.call_id, name=use.name, arguments=use.arguments or "{}"
    )
    return [call, function_call_output(use.call_id, use.output)]
