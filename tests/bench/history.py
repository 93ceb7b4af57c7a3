"""How quickly the history answers: a search at each letter that is typed, over 1,000,000 entries.

The entries are made of words that are as frequent as words are (Zipf's law, over English function words and the
dictionary the program ships), in conversations of forty; every twentieth entry is Chinese. The file is made once
(some minutes) and kept in `build/`. Figures, in ms, as the window sees them, queue and threads included:

    letter       one letter: "t"; each has a hundred thousand entries
    common       the commonest words: "the", "the of", "it is to the"
    typing       sentences of some entry, letter by letter, as somebody types
    rare         words that few entries have
    nothing      words that no entry has together
    chinese      one, two and three characters

and, of a history of that size: `keep`, what an entry costs the loop; `store`, until it is on the disk; `list`, all
conversations; `open`, one of them; `delete`, one of them, gone from the disk.

`cpu` is the time the program itself ran: on a machine that does other things, the rest is waiting for a core.

    python3 packaging/dev.py bench history [-- --entries 1000000]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import re
import shutil
import statistics
import sys
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.history import schema
from desktop_app.history.history import History
from desktop_app.history.store import Begin, Change, Keep, Store
from desktop_app.resources import resource

BUILD = Path(__file__).resolve().parents[2] / "build"
GOAL_MS = 50.0
CONVERSATION = 40
BATCH = 4_000
FIRST_DAY = 1_600_000_000.0
COMMON: tuple[str, ...] = tuple(
    re.findall(
        "[a-z]+",
        """the of and to a in is it you that he was for on are with as his they be at one have this from or had by
        hot but some what there we can out other were all your when up use how said an each she which do their time
        if will way about many then them would write like so these her long make thing see him two has look more""",
    )
)
HAN = range(0x4E00, 0x4E00 + 3_000)


class Talk:
    """Makes up what people say."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        with zipfile.ZipFile(resource("words/words.zip")) as archive:
            pages = [name for name in archive.namelist() if name.endswith(".tsv")]
            lines = [line.split("\t")[0] for name in pages for line in archive.read(name).decode().splitlines()]
        words = sorted({line for line in lines if re.fullmatch("[a-z]{3,14}", line)})
        self._random.shuffle(words)
        self.words = [*COMMON, *words]
        self._weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(self.words))))
        self._han = [chr(code) for code in HAN]
        self._random.shuffle(self._han)
        self._han_weights = list(itertools.accumulate(1 / (rank + 20) for rank in range(len(self._han))))

    def sentence(self, number: int) -> str:
        """Return what is said in one entry: the same for the same number."""
        self._random.seed(number)
        length = min(int(self._random.lognormvariate(2.6, 0.8)) + 1, 400)
        if number % 20 == 0:
            return "".join(self._random.choices(self._han, cum_weights=self._han_weights, k=length))
        return " ".join(self._random.choices(self.words, cum_weights=self._weights, k=length))

    def rare(self) -> str:
        """Return a word that few have said."""
        return self._random.choice(self.words[len(self.words) // 2 :])


def changes(talk: Talk, count: int) -> Iterator[Change]:
    """Yield what is kept: conversations of forty entries."""
    before: str | None = None
    for number in range(count):
        if number % CONVERSATION == 0:
            before = None
            yield Begin()
        role = Role.ASSISTANT if number % 2 else Role.USER
        entry = Entry(f"item_{number}", role, talk.sentence(number), EntryStatus.COMPLETED, spoken=True)
        yield Keep(entry, before, FIRST_DAY + 60 * number)
        before = entry.item_id


def make(folder: Path, count: int) -> None:
    """Make a history of so many entries."""
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    store, talk, began = Store(draft), Talk(), time.perf_counter()
    pieces = changes(talk, count)
    done = 0
    while batch := list(itertools.islice(pieces, BATCH)):
        store.apply(batch)
        done += sum(isinstance(change, Keep) for change in batch)
        print(f"\r{done} entries, {time.perf_counter() - began:.0f} s", end="", file=sys.stderr)
    store.close()
    print(file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def queries(talk: Talk, count: int) -> dict[str, list[str]]:
    """Return what is typed, by kind."""
    chance = random.Random(7)
    spoken = [talk.sentence(chance.randrange(count) | 1) for _ in range(20)]
    typed = [" ".join(text.split()[:5])[:end] for text in spoken for end in range(1, 1 + len(text[:30]))]
    chinese = [talk.sentence(20 * chance.randrange(count // 20)) for _ in range(30)]
    return {
        "letter": [letter for letter in "abcdefghijklmnopqrstuvwxyz"] * 4,
        "common": ["the", "the of", "it is to the", "a", "you that he was", "th", "to be or", "i", "an", "the a i"]
        * 10,
        "typing": typed,
        "rare": [talk.rare() for _ in range(200)],
        "nothing": [f"{talk.rare()} the {talk.rare()}" for _ in range(100)]
        + [f"{a} {b} zzz" for a, b in itertools.permutations(COMMON[:10], 2)],
        "chinese": [text[at : at + size] for text in chinese for at in (0, 2) for size in (1, 2, 3) if text[at:]],
    }


Times = list[tuple[float, float]]
"""How long something took, and how long of that the program ran, in ms."""


async def timed(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return how long something took, and how long of that the program ran, in ms."""
    began, ran = time.perf_counter(), time.process_time()
    await work()
    return 1_000 * (time.perf_counter() - began), 1_000 * (time.process_time() - ran)


async def measure(folder: Path, count: int) -> bool:
    """Print the figures; return whether every search was answered in time."""
    history, talk = History(folder), Talk()
    history.open()
    await history.stored()
    searches: Times = []
    print(f"{'':10}{'n':>6}{'p50':>9}{'p99':>9}{'max':>9}{'cpu p50':>9}{'cpu p99':>9}   slowest")
    for kind, typed in queries(talk, count).items():
        times = [await timed(lambda text=text: history.search(text)) for text in typed]  # type: ignore[misc]
        searches += times
        slowest = typed[times.index(max(times))]
        show(kind, times, slowest)
    show("all", searches)
    await measure_the_rest(history, talk, count)
    await history.close()
    return percentile([took for took, _ in searches], 99) < GOAL_MS


async def measure_the_rest(history: History, talk: Talk, count: int) -> None:
    """Print what it takes to keep, list, open and delete."""
    costs: Times = []
    stored: Times = []
    history.begin()
    for number in range(200):
        entry = Entry(f"new_{number}", Role.USER, talk.sentence(number), EntryStatus.COMPLETED)
        began, ran = time.perf_counter(), time.thread_time()
        history.keep(entry, f"new_{number - 1}" if number else None)
        costs.append((1_000 * (time.perf_counter() - began), 1_000 * (time.thread_time() - ran)))
        stored.append(await timed(history.stored))
    show("keep", costs)
    show("store", stored)
    show("list", [await timed(history.conversations) for _ in range(10)])
    some = [random.randrange(1, count // CONVERSATION) for _ in range(20)]
    show("open", [await timed(lambda number=number: history.entries(number)) for number in some])  # type: ignore[misc]
    current = history.current
    assert current is not None
    show("delete", [await timed(lambda: history.delete(current))])


def show(name: str, times: Times, slowest: str = "") -> None:
    """Print a line of figures."""
    took, ran = [one for one, _ in times], [one for _, one in times]
    figures = [
        statistics.median(took),
        percentile(took, 99),
        max(took),
        statistics.median(ran),
        percentile(ran, 99),
    ]
    print(f"{name:10}{len(times):6}" + "".join(f"{figure:9.3f}" for figure in figures) + f"   {slowest}")


def percentile(times: Sequence[float], percent: int) -> float:
    """Return a percentile."""
    return sorted(times)[min(len(times) * percent // 100, len(times) - 1)]


def main(arguments: Sequence[str]) -> int:
    """Measure and print; fail if a search is not answered in time."""
    parser = argparse.ArgumentParser(prog="bench history", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    folder = BUILD / f"bench-history-{options.entries}"
    if not (folder / schema.FILE_NAME).exists():
        make(folder, options.entries)
    size = (folder / schema.FILE_NAME).stat().st_size
    print(f"{options.entries} entries, {size / 2**20:.0f} MB, ms")
    return 0 if asyncio.run(measure(folder, options.entries)) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
