"""`kill -9` at any moment: every entry that was said to be stored is there, once and in order."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import apsw
import pytest

from desktop_app.conversation.entries import Entry, EntryStatus
from desktop_app.history.store import Store
from tests.history.writer import Model, step

LIMIT_S = 60.0


def killed_after(folder: Path, first: int, delay_s: float) -> int:
    """Let a writer write, kill it some time after its first step; return the last step it said was stored."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.history.writer", str(folder), str(first)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    watchdog = threading.Timer(LIMIT_S, writer.kill)
    watchdog.start()
    try:
        said = [int(writer.stdout.readline())]
        time.sleep(delay_s)
        writer.kill()
        said += [int(line) for line in writer.stdout if line.endswith("\n")]
    finally:
        watchdog.cancel()
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert said == list(range(first, first + len(said)))
    return said[-1]


def states_after(first: int, last: int) -> list[list[list[Entry]]]:
    """Return what may be in the file: what the last stored step left, and each state the next one goes through."""
    model = Model()
    for number in range(first, last + 1):
        for _ in step(number, model):
            pass
    states = [[list(entries) for entries in model.conversations]]
    for _ in step(last + 1, model):
        states.append([list(entries) for entries in model.conversations])
    return [*states, [list(entries) for entries in model.conversations]]


def check(folder: Path, first: int, last: int, before: int) -> int:
    """Compare the file with what has to be in it; return how many conversations there are."""
    store = Store(folder)
    numbers = sorted(about.number for about in store.conversations())
    new = [number for number in numbers if number > before]
    finals = [
        [past.entry for past in store.entries(number) if past.entry.status is not EntryStatus.IN_PROGRESS]
        for number in new
    ]
    states = [state for state in states_after(first, last) if [e for e in state if e] == [e for e in finals if e]]
    assert states, "what is stored is none of what can be"
    cut = store.cut_off()
    if cut is None:
        assert any(not state[-1] for state in states), "nothing was cut off, as nothing had been said yet"
    else:
        assert cut.number == new[-1]
    found = {(hit.conversation.number, hit.item_id) for hit in store.search(f"final {last}", 50)}
    said = {(number, entry.item_id) for number, entries in zip(new, finals, strict=True) for entry in entries}
    assert {(number, item_id) for number, item_id in said if item_id == f"item_{last}"} <= found
    store.close()
    file = apsw.Connection(str(store.path))
    assert list(file.execute("PRAGMA integrity_check")) == [("ok",)]
    file.close()
    return numbers[-1]


def crash(folder: Path, times: int, seed: int) -> None:
    """Kill a writer again and again, in one and the same profile."""
    chance = random.Random(seed)
    first, before = 0, 0
    for _ in range(times):
        last = killed_after(folder, first, chance.uniform(0, 0.4))
        before = check(folder, first, last, before)
        first = last + 100


def test_a_killed_program_has_lost_nothing_it_said_was_stored(tmp_path: Path) -> None:
    crash(tmp_path, times=4, seed=1)


@pytest.mark.slow
def test_a_program_killed_two_hundred_times_has_lost_nothing(tmp_path: Path) -> None:
    crash(tmp_path, times=200, seed=2)
