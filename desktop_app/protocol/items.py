"""Items of the conversation and their content parts (the guide's item types), as they stand on the wire."""

from __future__ import annotations

from typing import NamedTuple


class PartId(NamedTuple):
    """One content part of one item: what audio is counted by."""

    item_id: str
    content_index: int = 0
