"""Who is measured by the sound bench: a program that plays replies, falls silent and listens.

`engine.py` is the sound engine alone, `program.py` the whole program. Another one is measured by writing its
`Driver`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.harness.sound import RATE_HZ

BYTES_PER_MS = RATE_HZ * 2 // 1000
DELTA_MS = 100


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of a reply and when it comes."""

    at_s: float
    """After the first."""
    pcm: bytes
    item: int = 0
    """Which item of the response it belongs to: 0, 1…"""


@dataclass(frozen=True, slots=True)
class Cut:
    """An interruption."""

    ordered_s: float
    """When the order was given, by `time.monotonic`."""
    claimed_ms: float
    """What the program says was heard of the item that sounded; not a number: it never said."""
    item: int = 0
    """Which item that was."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A talk into the microphone."""

    first_block_ms: float
    """From the press to the first block."""
    release_to_commit_ms: float
    """From the release to the end of the talk."""
    tail_ms: float
    """The release tail the program means to keep."""
    captured: bytes = b""
    """What arrived of it: PCM16, mono, 24 kHz."""


class Driver(Protocol):
    """A program that plays replies and listens."""

    program: str
    pid: int

    async def ready(self) -> None:
        """Bring the program to where a reply is due: everything of the last run is over."""
        ...

    async def deliver(self, deltas: Sequence[Delta]) -> float:
        """Begin to deliver a reply; return when its first delta was handed over. Goes on in the background."""
        ...

    async def interrupt(self) -> Cut:
        """Interrupt the reply; what has not been delivered yet no longer is."""
        ...

    async def finished(self) -> None:
        """Wait until the program thinks that the reply was played."""
        ...

    async def talk(self, seconds: float) -> Talk:
        """Hold the talk key for a while."""
        ...


async def sleep_until(monotonic_s: float) -> None:
    """Wait for a moment: the runs are about time."""
    await asyncio.sleep(max(0.0, monotonic_s - time.monotonic()))
