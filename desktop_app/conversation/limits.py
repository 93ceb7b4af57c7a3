"""How much is taken from a server, and how much the core keeps of it: every bound in one place.

A server that means well never comes near them. One that sends endless ids, endless text or endless audio meets
them, and what is oldest falls out; nothing grows for as long as a connection lives. How many small values a large
frame may hold is the codec's own (`protocol/codec.py`), which knows nothing of the core.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

MAX_FRAME_BYTES = 64 * 2**20
"""One message of the socket, in however many pieces it comes: an item that is asked for with its sound, a quarter
of an hour of it in base64. A longer one closes the connection before it is held as a whole."""
MAX_ENTRIES_KEPT_ELSEWHERE = 1_000
"""As the next one, where every entry is kept in the history: a talk of many hours does not grow in memory."""
MAX_ENTRIES = 10_000
"""Entries of the transcript; the oldest leaves the window as well."""
MAX_ENTRY_CHARS = 200_000
"""Characters of one entry; more is not shown."""
MAX_PARTS_OF_ENTRY = 64
MAX_TRANSCRIPT_CHARS = 64_000_000
"""Characters of all entries, pictures and outputs of tools included."""
MAX_HIDDEN = 2_000
"""Places of items that are not shown: deleted ones, outputs of calls."""
MAX_AWAITED = 256
"""Predecessors that were named and have not come."""
MAX_REMEMBERED = 512
"""Ids of one kind that still mean something: responses that ended, entries that were forgotten."""
MAX_OPEN_RESPONSES = 8
MAX_ITEMS_OF_RESPONSE = 64
MAX_ARGUMENTS_CHARS = 256_000
"""Arguments of a call; a longer one is not run."""
MAX_OPEN_CALLS = 64
"""Calls without an output, and approvals without an answer; further ones get an error, or a no."""
MAX_UNHEARD_PARTS = 256
MAX_UNHEARD_MS = 30 * 60_000
"""Audio received and not heard to its end; the longest answer of any model is shorter."""
MAX_TALK_KEPT_MS = 10 * 60_000
"""What was captured of a turn that is not over; of a longer one, a new session gets the end."""
MAX_UNTRANSCRIBED = 64
"""Turns whose transcript is waited for."""
MAX_ASIDES = 16
MAX_DIGEST_CHARS = 4_000
"""A summary of what a new session is not given in full: 1,000 tokens."""
MAX_ASIDE_CHARS = 20_000
MAX_QUEUED = 32
"""Texts, and things to be said, that wait for a quiet moment."""
MAX_RATE_LIMITS = 8
MAX_NAME_CHARS = 200
"""Names and ids of a server that are only shown."""
MAX_OUTPUT_CHARS = 64_000
"""Output of a tool; the toolbox cuts it well before."""

V = TypeVar("V")


class Recent(OrderedDict[str, V]):
    """A mapping that forgets what was put in first once it holds too many."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: str, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > self.most:
            self.popitem(last=False)
