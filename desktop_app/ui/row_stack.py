"""How high the rows of a list are, and so where each begins: exact where it was measured, estimated elsewhere.

Qt's list view lays out every row again when one changes, which at 10,000 rows takes longer than a frame. Here a
row is measured when it comes into sight, and adding the heights up is all that happens to the others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate


class RowStack:
    """Rows on top of each other; all numbers are pixels from the top of the first."""

    def __init__(self) -> None:
        self._heights: list[int] = []
        self._exact = bytearray()
        """1 where the height of a row was measured, 0 where it is estimated."""
        self._offsets: list[int] = [0]

    def __len__(self) -> int:
        return len(self._heights)

    @property
    def bottom(self) -> int:
        """Where the last row ends, as of the last `add_up`."""
        return self._offsets[-1]

    @property
    def is_added_up(self) -> bool:
        """Whether rows have come or gone since the last `add_up`."""
        return len(self._offsets) == len(self._heights) + 1

    def start_over(self, estimates: Sequence[int]) -> None:
        """Forget all rows and take these."""
        self._heights = list(estimates)
        self._exact = bytearray(len(self._heights))

    def insert(self, first: int, estimates: Sequence[int]) -> None:
        """Put rows before the row `first`."""
        self._heights[first:first] = estimates
        self._exact[first:first] = bytes(len(estimates))

    def remove(self, first: int, last: int) -> None:
        """Take rows out, both included."""
        del self._heights[first : last + 1]
        del self._exact[first : last + 1]

    def move(self, first: int, last: int, place: int) -> None:
        """Move rows, both included, before the row that is at `place` now."""
        heights, exact = self._heights[first : last + 1], self._exact[first : last + 1]
        self.remove(first, last)
        at = place - len(heights) if place > last else place
        self._heights[at:at] = heights
        self._exact[at:at] = exact

    def doubt(self, first: int, last: int) -> None:
        """Take the heights of rows, both included, for estimates from now on."""
        for row in range(first, last + 1):
            self._exact[row] = 0

    def doubt_all(self) -> None:
        """Take all heights for estimates: what was right for another width is a fair one, and costs nothing."""
        self._exact = bytearray(len(self._heights))

    def is_exact(self, row: int) -> bool:
        """Return whether a row was measured."""
        return bool(self._exact[row])

    def measured(self, row: int, height: int) -> bool:
        """Set the true height of a row; return whether it was another before."""
        changed = height != self._heights[row]
        self._heights[row] = height
        self._exact[row] = 1
        return changed

    def add_up(self, top: int) -> None:
        """Find out where every row begins, the first at `top`."""
        self._offsets = list(accumulate(self._heights, initial=top))

    def top(self, row: int) -> int:
        """Return where a row begins; of the row behind the last, where the last ends."""
        return self._offsets[min(row, len(self._heights))]

    def height(self, row: int) -> int:
        """Return how high a row is, about."""
        return self._heights[row]

    def row_at(self, y: float) -> int:
        """Return the row at a place; -1 above the first, the number of rows below the last."""
        return bisect_right(self._offsets, y) - 1

    def rows_between(self, top: float, bottom: float) -> Iterator[int]:
        """Return the rows that a stretch touches."""
        row = max(0, self.row_at(top))
        while row < len(self._heights) and self._offsets[row] < bottom:
            yield row
            row += 1
