"""A program that keeps entries until it is killed, and says which are on the disk: for `test_crash.py`.

It runs a script that the test knows too: for each step a running answer grows and becomes final, and now and then
an entry is put before others, is removed, or a new conversation begins. After each step everything is stored, and
the number of the step is printed.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.history.history import History

GROWTH = 5


@dataclass
class Model:
    """What has to be in the history."""

    conversations: list[list[Entry]] = field(default_factory=lambda: [[]])

    @property
    def last(self) -> list[Entry]:
        """The entries of the conversation that goes on, in order."""
        return self.conversations[-1]


def step(number: int, model: Model) -> Iterator[tuple[str, Entry, str | None]]:
    """Yield what is done in a step (keep, remove or begin, with an entry), doing the same to the model."""
    chance = random.Random(number)
    if number % 17 == 16:
        model.conversations.append([])
        yield "begin", Entry("", Role.USER), None
    at = chance.randint(0, len(model.last)) if number % 5 == 4 else len(model.last)
    after = model.last[at - 1].item_id if at else None
    answer = Entry(f"item_{number}", Role.ASSISTANT, spoken=True)
    for words in range(GROWTH):
        yield "keep", Entry(answer.item_id, Role.ASSISTANT, "word " * words, spoken=True), after
    final = Entry(answer.item_id, Role.ASSISTANT, f"final {number} " * 20, EntryStatus.COMPLETED, spoken=True)
    model.last.insert(at, final)
    yield "keep", final, after
    if number % 7 == 6:
        gone = model.last.pop(chance.randrange(len(model.last)))
        yield "remove", gone, None


async def main(folder: Path, first: int) -> None:
    """Keep and say so, for ever."""
    history, model = History(folder), Model()
    history.open()
    number = first
    while True:
        for what, entry, after in step(number, model):
            if what == "begin":
                history.begin()
            elif what == "remove":
                history.remove(entry.item_id)
            else:
                history.keep(entry, after)
            await asyncio.sleep(0)
        await history.stored()
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
