"""Writes what a tool returned as the text the model reads: bounded in size and time, whatever it is.

`function_call_output.output` is a string ("Function calling"); structured results are JSON in it. A result may be
ten megabytes, refer to itself, or be no data at all. So it is copied into plain JSON values under a budget, and
nothing beyond the budget is looked at.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from uuid import UUID

from desktop_app.errors import ToolError

MAX_DEPTH = 40

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def render(value: object, max_bytes: int) -> str:
    """Return the value as text of at most `max_bytes` bytes of UTF-8; what is left out is said at its end.

    Raises `ToolError` if it refers to itself, nests too deeply, or holds something that is not data.
    """
    if isinstance(value, str):
        return clip(value, max_bytes)
    copy = _Copy(max_bytes)
    plain = copy.of(value, "the result", 0)
    try:
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    except ValueError as error:  # an int of thousands of digits
        raise ToolError("The tool returned a number that is too long to write down.") from error
    return clip(text, max_bytes, cut=copy.exhausted)


def clip(text: str, max_bytes: int, *, cut: bool = False) -> str:
    """Return the text, or the beginning that fits with a word about the rest; `cut`: some is missing already."""
    head = text[: max_bytes + 1].encode("utf-8", "replace")  # no character has less than a byte
    if len(head) <= max_bytes and not cut:
        return head.decode()
    size = "" if cut else f" of {len(text):,} characters"
    notice = f"\n[cut: only the beginning{size} is shown]".encode()
    return (head[: max(0, max_bytes - len(notice))] + notice).decode("utf-8", "ignore")


class _Copy:
    """One copying, with what is left of its budget."""

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._above: set[int] = set()
        """The containers around the value at hand: one that occurs in itself has no end."""

    @property
    def exhausted(self) -> bool:
        """Whether something was left out."""
        return self._left < 0

    def of(self, value: object, place: str, depth: int) -> Json:
        self._left -= 1
        match value:
            case None | bool():
                return value
            case Enum():
                return self.of(value.value, place, depth)
            case str():
                self._left -= len(value)
                return value[: max(0, self._left + len(value))]
            case int():
                self._left -= value.bit_length() // 4
                return int(value)
            case float():
                return float(value) if math.isfinite(value) else str(value)
            case Decimal() | UUID() | PurePath() | dt.timedelta():
                return str(value)
            case dt.date() | dt.time():
                return value.isoformat()
            case bytes() | bytearray() | memoryview():
                raise ToolError(
                    f"The tool returned binary data ({len(value):,} bytes) as {place}; it must be text."
                )
            case Mapping() | AbstractSet() | Sequence():
                return self._container(value, place, depth)
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                members: dict[object, object] = {
                    field.name: getattr(value, field.name) for field in dataclasses.fields(value)
                }
                return self._container(members, place, depth, of=value)
            case _:
                kind = type(value).__name__
                raise ToolError(f"The tool returned a {kind} as {place}, which cannot be written as text or JSON.")

    def _container(
        self,
        value: Mapping[object, object] | AbstractSet[object] | Sequence[object],
        place: str,
        depth: int,
        of: object = None,
    ) -> Json:
        mark = id(value if of is None else of)
        if mark in self._above:
            raise ToolError(f"The tool returned data that contains itself, at {place}.")
        if depth >= MAX_DEPTH:
            raise ToolError(f"The tool returned data nested more than {MAX_DEPTH} levels deep.")
        self._above.add(mark)
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, place, depth)
            items: list[Json] = []
            for index, item in enumerate(value):
                if self._left < 0:
                    break
                items.append(self.of(item, f"{place}[{index}]", depth + 1))
            return items
        finally:
            self._above.discard(mark)

    def _mapping(self, value: Mapping[object, object], place: str, depth: int) -> Json:
        members: dict[str, Json] = {}
        for key, item in value.items():
            if self._left < 0:
                break
            name = str(self.of(key, f"a key of {place}", depth + 1))
            members[name] = self.of(item, f"{place}.{name[:40]}", depth + 1)
        return members
