"""The entries of the conversation as Qt's model: in the order of the conversation, upserted by item id."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt

from desktop_app.conversation.entries import Entry
from desktop_app.ui.entry_words import shown_text, spoken_row
from desktop_app.ui.plain import visible_entry
from desktop_app.ui.theme import plain_tip

ENTRY_ROLE = Qt.ItemDataRole.UserRole
COST_ROLE = Qt.ItemDataRole.UserRole + 1

Index = QModelIndex | QPersistentModelIndex


class TranscriptModel(QAbstractListModel):
    """The entries of the conversation, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] = []
        self._numbers: dict[str, int] = {}
        """The row of each item, counted from the first that there ever was: the oldest leave from the front."""
        self._left = 0
        """How many left from the front."""
        self._costs: dict[str, str] = {}
        self._latencies: dict[str, str] = {}

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 – Qt's own signature
        """Return the number of entries."""
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return an entry, its text, or what a screen reader says of it."""
        if not index.isValid() or index.row() >= len(self._entries):
            return None
        entry = self._entries[index.row()]
        if role == ENTRY_ROLE:
            return entry
        if role == Qt.ItemDataRole.DisplayRole:
            return shown_text(entry)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return spoken_row(entry)
        if role == COST_ROLE:
            return self._costs.get(entry.item_id, "")
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            lines = self.details(entry.item_id).split("\n")
            plain = role == Qt.ItemDataRole.AccessibleDescriptionRole
            return ". ".join(lines) if plain else "<br>".join(plain_tip(line) for line in lines)
        return None

    def entry(self, row: int) -> Entry:
        """Return the entry of a row."""
        return self._entries[row]

    def row_of(self, item_id: str) -> int | None:
        """Return the row of an item, if it is shown."""
        number = self._numbers.get(item_id)
        return None if number is None else number - self._left

    def fill(self, entries: Sequence[Entry]) -> None:
        """Show these and no others; of one item, what comes last."""
        self.beginResetModel()
        self._entries = list({entry.item_id: visible_entry(entry) for entry in entries}.values())
        self._numbers.clear()
        self._left = 0
        self._costs.clear()
        self._latencies.clear()
        self._number(0)
        self.endResetModel()

    def upsert(self, entry: Entry, after: str | None) -> None:
        """Insert or replace an entry behind the item `after`; None: first, unknown: where it is, or last."""
        entry = visible_entry(entry)
        row = self.row_of(entry.item_id)
        if row is None:
            self._insert(self._place_behind(after, len(self._entries)), entry)
            return
        self._move(row, self._place_behind(after, row))
        row = self._numbers[entry.item_id] - self._left
        if self._entries[row] != entry:
            self._entries[row] = entry
            self.dataChanged.emit(self.index(row), self.index(row))

    def cost(self, item_id: str) -> str:
        """Return what an entry cost, in words; empty: it is not known."""
        return self._costs.get(item_id, "")

    def set_cost(self, item_id: str, text: str) -> None:
        """Say what an entry cost; it may come before the entry."""
        self._costs[item_id] = text

    def set_latency(self, item_id: str, text: str) -> None:
        """Say how long an answer took to begin; it may come before the entry."""
        self._latencies[item_id] = text

    def details(self, item_id: str) -> str:
        """Return what an entry cost and how long it took to begin, in lines; empty: neither is known."""
        known = (self._costs.get(item_id, ""), self._latencies.get(item_id, ""))
        return "\n".join(text for text in known if text)

    def remove(self, item_id: str) -> None:
        """Take an entry out, if it is shown."""
        row = self.row_of(item_id)
        if row is None:
            return
        self.beginRemoveRows(QModelIndex(), row, row)
        del self._entries[row]
        del self._numbers[item_id]
        self._costs.pop(item_id, None)
        self._latencies.pop(item_id, None)
        if row:
            self._number(row)
        else:
            self._left += 1
        self.endRemoveRows()

    def clear(self) -> None:
        """Forget all entries."""
        self.beginResetModel()
        self._entries.clear()
        self._numbers.clear()
        self._left = 0
        self._costs.clear()
        self._latencies.clear()
        self.endResetModel()

    def _place_behind(self, after: str | None, otherwise: int) -> int:
        if after is None:
            return 0
        row = self.row_of(after)
        return otherwise if row is None else row + 1

    def _insert(self, row: int, entry: Entry) -> None:
        self.beginInsertRows(QModelIndex(), row, row)
        self._entries.insert(row, entry)
        self._number(row)
        self.endInsertRows()

    def _move(self, row: int, place: int) -> None:
        """Move a row before what is at `place` now."""
        if place in (row, row + 1):
            return
        self.beginMoveRows(QModelIndex(), row, row, QModelIndex(), place)
        entry = self._entries.pop(row)
        self._entries.insert(place - 1 if place > row else place, entry)
        self._number(min(row, place))
        self.endMoveRows()

    def _number(self, first: int) -> None:
        for row in range(first, len(self._entries)):
            self._numbers[self._entries[row].item_id] = row + self._left
