"""Where each item stands: the shown ones in a chain, the others by what they stand behind.

Order comes from `previous_item_id`, never from the arrival of text (the guide's item ordering). An item whose
predecessor is not known yet stands at the end until that comes. An item that is not shown, because it was deleted
or is no message, keeps its place, since a later one may name it. Every step takes the same time however long the
conversation is.

A new session knows only what it was told again of the one before, so what it calls the predecessor of its first
item may stand in the middle: what came before a session (`seal`) is never moved by it, and stands before all that
it adds.
"""

from __future__ import annotations

from collections.abc import Iterator

from desktop_app.conversation import limits
from desktop_app.conversation.limits import Recent

_LONG_WAY = 16
"""So many items in a row that are not shown are walked past only once."""
_START = ""
"""What the first item stands behind; no item has an empty id."""


class Order:
    """The places of all items."""

    def __init__(self) -> None:
        self._next: dict[str, str] = {}
        self._before: dict[str, str] = {}
        self._last = _START
        self._hidden: Recent[str] = Recent(limits.MAX_HIDDEN)
        """What an item that is not shown stands behind."""
        self._awaited: Recent[list[str]] = Recent(limits.MAX_AWAITED)
        """Items that wait for their predecessor, by that predecessor."""
        self._sealed_at = _START
        """The last item that was shown when the present session began."""
        self._old: set[str] = set()
        """What had a place then."""

    def __contains__(self, item_id: object) -> bool:
        """Whether an item has a place, shown or not."""
        return item_id in self._before or item_id in self._hidden

    def __iter__(self) -> Iterator[str]:
        """Walk the shown items, from the first."""
        return self.after(_START)

    @property
    def first(self) -> str | None:
        """The first item that is shown."""
        return self._next.get(_START)

    def after(self, item_id: str) -> Iterator[str]:
        """Walk the shown items behind one."""
        while (following := self._next.get(item_id)) is not None:
            yield following
            item_id = following

    def backwards(self) -> Iterator[str]:
        """Walk the shown items, from the last."""
        item_id = self._last
        while item_id != _START:
            yield item_id
            item_id = self._before[item_id]

    def before(self, item_id: str) -> str | None:
        """Return the shown item before a shown one; None: it is the first."""
        return self._before[item_id] or None

    def place(self, item_id: str, previous: str | None) -> list[str]:
        """Put an item behind another; return the shown items that moved.

        None, or one that is not known yet: at the end if it has no place.
        """
        moved = []
        if previous and previous != item_id and item_id not in self._old:
            if previous not in self:
                self._await(item_id, previous)
            elif self._put(item_id, self._in_this_session(previous)):
                moved.append(item_id)
        if item_id not in self:
            self._hidden[item_id] = self._last
        for waiting in self._awaited.pop(item_id, ()):
            if waiting in self and self._put(waiting, self._in_this_session(item_id)):
                moved.append(waiting)
        return moved

    def seal(self) -> None:
        """A new session begins: what it adds stands behind everything there is, which keeps its order."""
        self._sealed_at = self._last
        self._old = {*self._before, *self._hidden}
        self._awaited.clear()

    def _in_this_session(self, previous: str) -> str:
        return self._sealed_at if previous in self._old else previous

    def show(self, item_id: str) -> None:
        """An item is shown from now on, where it stands; one without a place stands at the end."""
        if item_id not in self._before:
            behind = self._hidden.pop(item_id, self._last)
            self._insert(item_id, self._shown_at(behind, item_id))

    def hide(self, item_id: str) -> None:
        """An item is no longer shown; it keeps its place."""
        if item_id in self._before:
            before = self._before[item_id]
            if item_id == self._sealed_at:
                self._sealed_at = before
            self._hidden[item_id] = before
            self._unlink(item_id)

    def clear(self) -> None:
        """Forget everything."""
        for known in (self._next, self._before, self._hidden, self._awaited, self._old):
            known.clear()
        self._last = self._sealed_at = _START

    def _await(self, item_id: str, previous: str) -> None:
        waiting = self._awaited.setdefault(previous, [])
        if item_id not in waiting and len(waiting) < limits.MAX_AWAITED:
            waiting.append(item_id)

    def _put(self, item_id: str, previous: str) -> bool:
        """Give an item another place; return whether that moved a shown one."""
        at = self._shown_at(previous, item_id)
        if item_id not in self._before:
            self._hidden[item_id] = self._last if at == item_id else previous
            return False
        if at in (item_id, self._before[item_id]):
            return False
        self._unlink(item_id)
        self._insert(item_id, at)
        return True

    def _shown_at(self, place: str, item_id: str) -> str:
        """Return the shown item at or before a place; `item_id` itself if the place depends on it."""
        asked = place
        for steps in range(limits.MAX_HIDDEN):
            if place in (item_id, _START) or place in self._before:
                if steps > _LONG_WAY and place != item_id:
                    self._hidden[asked] = place
                return place
            if place not in self._hidden:
                break
            place = self._hidden[place]
        return self._last

    def _insert(self, item_id: str, before: str) -> None:
        if before == item_id:
            before = self._last
        following = self._next.get(before)
        self._next[before], self._before[item_id] = item_id, before
        if following is None:
            self._last = item_id
        else:
            self._next[item_id], self._before[following] = following, item_id

    def _unlink(self, item_id: str) -> None:
        before = self._before.pop(item_id)
        following = self._next.pop(item_id, None)
        if following is None:
            self._next.pop(before, None)
            self._last = before
        else:
            self._next[before], self._before[following] = following, before
