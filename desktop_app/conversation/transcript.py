"""What was said, in spoken order: the entries of the transcript; where each stands is `order.py`'s business.

A user's words are often written after the answer to them, so an entry may be shown long before it has a word. What
was forgotten stays forgotten: late events of a deleted item bring nothing back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from desktop_app.conversation import limits
from desktop_app.conversation.effects import ClearEntries, RemoveEntry, ShowEntry
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role
from desktop_app.conversation.limits import Recent
from desktop_app.conversation.order import Order
from desktop_app.conversation.outbox import Outbox

NO_RESULT = '{"error": "the program ended before there was a result"}'


def heard_characters(text: str, *, heard_ms: int, received_ms: int) -> int:
    """Return about how many characters were heard: in proportion to the time, cut at a word's end."""
    if received_ms <= 0 or heard_ms >= received_ms:
        return len(text) if heard_ms > 0 else 0
    cut = len(text) * heard_ms // received_ms
    if cut >= len(text) or text[cut].isspace():
        return cut
    return len(text[:cut].rpartition(" ")[0])


def as_ended(entry: Entry) -> Entry:
    """Return an entry as it stands once nothing more can come of it: what was being said was cut off.

    A call without an output gets one that says so, for the user and for the model.
    """
    use, status = entry.tool, entry.status
    if status is EntryStatus.IN_PROGRESS:
        status = EntryStatus.INTERRUPTED if entry.role is not Role.USER else EntryStatus.COMPLETED
    if use is not None and not use.output:
        use = replace(use, waiting=False, output=NO_RESULT, failed=True)
        status = EntryStatus.FAILED
    return replace(entry, status=status, tool=use, action=None)


class Transcript:
    """The entries, in order; every change is shown."""

    def __init__(self, outbox: Outbox, most: int = limits.MAX_ENTRIES) -> None:
        """Hold at most so many entries: the oldest leaves for the newest."""
        self._outbox = outbox
        self._most = most
        self._order = Order()
        self._entries: dict[str, Entry] = {}
        self._texts: dict[str, dict[int, str]] = {}
        """The text of each part of an entry that was written in pieces."""
        self._open: dict[str, None] = {}
        self._gone: Recent[None] = Recent(limits.MAX_REMEMBERED)
        self._chars = 0

    def get(self, item_id: str) -> Entry | None:
        """Return the entry of an item, if it has one that is shown."""
        return self._entries.get(item_id)

    def is_gone(self, item_id: str) -> bool:
        """Whether an entry was taken out."""
        return item_id in self._gone

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._texts.clear()
        self._open.clear()
        self._order.clear()
        self._gone.clear()
        self._chars = 0
        self._outbox.do(ClearEntries())

    def seal(self) -> None:
        """A new session begins: nothing it says moves what is there."""
        self._order.seal()

    def place(self, item_id: str, previous: str | None) -> None:
        """Put an item behind another; None, or one that is not known yet: at the end if it has no place."""
        for moved in self._order.place(item_id, previous) if item_id else ():
            self._show(self._entries[moved])

    def show(self, entry: Entry) -> None:
        """Insert or replace an entry; one without a place stands at the end."""
        item_id = entry.item_id
        old = self._entries.get(item_id)
        if old == entry or item_id in self._gone or not item_id:
            return
        self._order.show(item_id)
        self._entries[item_id] = entry
        self._chars += _chars(entry) - (_chars(old) if old else 0)
        if entry.status is EntryStatus.IN_PROGRESS:
            self._open[item_id] = None
        else:
            self._open.pop(item_id, None)
        self._show(entry)
        self._let_go(item_id)

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
        entry = self._entries.get(item_id) or Entry(item_id, role, spoken=spoken)
        if entry.role is not role or item_id in self._gone:
            return  # a server that gives one id to two things: the first keeps it
        parts = self._texts.setdefault(item_id, {})
        if index not in parts and len(parts) >= limits.MAX_PARTS_OF_ENTRY:
            return
        text = text[: limits.MAX_ENTRY_CHARS]
        if append:
            text = parts.get(index, "") + text
        room = limits.MAX_ENTRY_CHARS - sum(len(part) for i, part in parts.items() if i != index)
        parts[index] = text[: max(room, 0)]
        if not parts[index] and len(parts) > 1:
            del parts[index]
        whole = parts[index] if len(parts) == 1 and index in parts else "".join(parts[i] for i in sorted(parts))
        self.show(replace(entry, text=whole, spoken=entry.spoken or spoken))

    def remove(self, item_id: str, *, for_room: bool = False) -> None:
        """Take an entry out, for good; its place stays, unseen."""
        self._gone[item_id] = None
        self._texts.pop(item_id, None)
        self._open.pop(item_id, None)
        entry = self._entries.pop(item_id, None)
        if entry is not None:
            self._chars -= _chars(entry)
            self._order.hide(item_id)
            self._outbox.do(RemoveEntry(item_id, for_room))

    def rename(self, item_id: str, other: str) -> None:
        """The server gave an item of ours an id of its own choice."""
        entry = self._entries.get(item_id)
        if entry is not None:
            self._order.place(other, item_id)
            self.show(replace(entry, item_id=other))
            self.remove(item_id)

    @property
    def last(self) -> str:
        """The item id of the last entry; empty: there is none."""
        return next(self._order.backwards(), "")

    def open_entries(self) -> list[Entry]:
        """Return the entries that are still in progress."""
        return [self._entries[item_id] for item_id in self._open]

    def after(self, item_id: str) -> list[str]:
        """Return the ids of the entries behind one, in order."""
        return list(self._order.after(item_id)) if item_id in self._entries else []

    def from_the_last(self) -> Iterator[Entry]:
        """Walk the entries, from the last to the first."""
        return (self._entries[item_id] for item_id in self._order.backwards())

    def _let_go(self, kept: str) -> None:
        """Drop the oldest entries if there are too many."""
        while len(self._entries) > self._most or self._chars > limits.MAX_TRANSCRIPT_CHARS:
            oldest = self._order.first
            if oldest is None or oldest == kept:
                return
            self.remove(oldest, for_room=True)

    def _show(self, entry: Entry) -> None:
        self._outbox.do(ShowEntry(entry, self._order.before(entry.item_id)))


def _chars(entry: Entry) -> int:
    use = entry.tool
    called = len(use.arguments) + len(use.output) if use else 0
    return len(entry.text) + len(entry.remark) + called + sum(map(len, entry.images))
