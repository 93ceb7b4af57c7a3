"""The file of the history: how it is laid out, opened, brought up to date, and set aside when it is damaged.

The version of the layout is SQLite's `user_version`. An older file is brought up to date, step by step in one
transaction, after a copy of it was put beside it; a newer one is refused and not touched. The order of the entries
of a conversation is that of `place`, with gaps between, so that one can be put between two others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import apsw

from desktop_app.errors import HistoryError

FILE_NAME = "history.sqlite3"
APPLICATION_ID = 0x5061726C
"""«Parl», by which `file` and other programs can tell whose it is."""
BUSY_MS = 2_000
"""How long another program that looks into the file is waited for."""
CACHE_KB = 16_384
_COMPANIONS = ("-wal", "-shm", "-journal")

_FIRST = """
CREATE TABLE conversation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    began_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    topic TEXT NOT NULL DEFAULT '',
    opening TEXT NOT NULL DEFAULT '',
    entries INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    named INTEGER NOT NULL DEFAULT 0,  -- by the user: the model's title does not replace it
    state TEXT NOT NULL DEFAULT 'open' -- open, closed, cut
);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversation (number),
    item_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    at REAL NOT NULL,
    content BLOB NOT NULL,             -- the Entry as JSON, without its pictures
    UNIQUE (conversation, item_id)
);
CREATE INDEX entry_in_order ON entry (conversation, place);
CREATE TABLE picture (
    hash BLOB PRIMARY KEY,             -- SHA-256 of the data URI
    kind TEXT NOT NULL,                -- media type of the data; empty: the data is the URI itself
    data BLOB NOT NULL
);
CREATE TABLE shown (
    entry INTEGER NOT NULL REFERENCES entry (id),
    nth INTEGER NOT NULL,
    picture BLOB NOT NULL REFERENCES picture (hash),
    PRIMARY KEY (entry, nth)
) WITHOUT ROWID;
CREATE INDEX shown_where ON shown (picture);
CREATE TABLE sound (
    entry INTEGER PRIMARY KEY REFERENCES entry (id),
    kind TEXT NOT NULL,                -- the ending of a file of it
    ms INTEGER NOT NULL,
    data BLOB NOT NULL
);
"""
INDEX = """
CREATE VIRTUAL TABLE found USING fts5 (words, tokenize = 'ascii', prefix = '1 2 3', columnsize = 0);
INSERT INTO found (found, rank) VALUES ('secure-delete', 1);
CREATE VIRTUAL TABLE titled USING fts5 (words, tokenize = 'ascii', prefix = '1 2 3', columnsize = 0);
INSERT INTO titled (titled, rank) VALUES ('secure-delete', 1);
"""
"""What is searched: by `entry.id` what was said, by `conversation.number` titles and topics.

It is text that is folded already (words.py), and a copy of it, so that what is taken out is what was put in,
whatever has become of the rules of folding since.
"""

Step = Callable[[apsw.Connection], object]
STEPS: tuple[Step, ...] = (lambda file: _all(file, _FIRST + INDEX),)
"""What makes each version of the one before it."""


class Damaged(Exception):
    """The file is no SQLite file, or not what it was."""


def open_file(path: Path, steps: Sequence[Step] = STEPS) -> apsw.Connection:
    """Return the file at `path`, made if need be, and up to date.

    Raises `HistoryError` for a newer file or one that cannot be opened, `Damaged` for one that cannot be read.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its other files the same permissions
        with suppress(OSError):
            path.chmod(0o600)
        file = apsw.Connection(str(path))
    except (OSError, apsw.Error) as error:
        raise _cannot_open(path) from error
    try:
        _prepare(file, path, steps)
    except (apsw.NotADBError, apsw.CorruptError) as error:
        file.close()
        raise Damaged(type(error).__name__) from error
    except apsw.Error as error:
        file.close()
        raise _cannot_open(path) from error
    except BaseException:
        file.close()
        raise
    return file


def set_aside(path: Path) -> str:
    """Give a damaged file, with what belongs to it, another name; return that. Raises OSError."""
    names = (f"{path.name}.damaged{f'-{number}' if number > 1 else ''}" for number in count(1))
    aside = next(beside for beside in map(path.with_name, names) if not os.path.lexists(beside))
    os.rename(path, aside)
    for ending in _COMPANIONS:
        with suppress(FileNotFoundError):
            os.rename(f"{path}{ending}", f"{aside}{ending}")
    return aside.name


def backups(path: Path) -> Iterator[Path]:
    """Yield the copies that were made of earlier versions."""
    return path.parent.glob(f"{path.name}.version-*")


def _prepare(file: apsw.Connection, path: Path, steps: Sequence[Step]) -> None:
    file.set_busy_timeout(BUSY_MS)
    version = int(_value(file, "PRAGMA user_version"))
    if version > len(steps):
        raise HistoryError(
            "The history was written by a newer Parley, and is left as it is.",
            "What is said now is not kept. Update Parley, or start it with another profile.",
        )
    if not version and int(_value(file, "SELECT count(*) FROM sqlite_schema")):
        raise Damaged("not ours")
    if not version:
        _all(file, "PRAGMA auto_vacuum = INCREMENTAL")  # before there is a table
    _all(file, "PRAGMA journal_mode = WAL")
    # FULL: what was stored outlives a power cut. secure_delete: what was deleted is overwritten.
    _all(file, "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON")
    _all(file, f"PRAGMA cache_size = -{CACHE_KB}; PRAGMA temp_store = MEMORY")
    if 0 < version < len(steps):
        _back_up(file, path.with_name(f"{path.name}.version-{version}"))
    if version < len(steps):
        with file:
            for step in steps[version:]:
                step(file)
            _all(file, f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {len(steps)}")


def _back_up(file: apsw.Connection, beside: Path) -> None:
    beside.unlink(missing_ok=True)
    os.close(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    copy = apsw.Connection(str(beside))
    try:
        with copy.backup("main", file, "main") as backup:
            while not backup.done:
                backup.step(1_000)
    finally:
        copy.close()


def _all(file: apsw.Connection, sql: str) -> None:
    for _ in file.execute(sql):
        pass


def _value(file: apsw.Connection, sql: str) -> int:
    value = file.execute(sql).get
    assert isinstance(value, int)
    return value


def _cannot_open(path: Path) -> HistoryError:
    hint = f"You can talk and type all the same. Check that {path} can be written and that the disk is not full."
    return HistoryError("The history cannot be opened, so nothing is kept.", hint)
