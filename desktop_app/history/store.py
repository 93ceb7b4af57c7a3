"""The store of the history: conversations and their entries in one SQLite file; used by one thread.

By `apsw`, which brings a fresh SQLite of its own: FTS5's `secure-delete` needs SQLite 3.42, and the standard
module's is whatever the system has. An entry is stored as JSON with all its fields, so that none can be forgotten;
its pictures lie beside it, once each. One conversation is open at a time: what is kept belongs to it, and the order
of its entries follows the transcript's. `apply` does all its changes or none.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, assert_never

import apsw
import msgspec

from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.conversation.past import Hit, PastConversation, PastEntry
from desktop_app.history import schema, words
from desktop_app.history.schema import STEPS, Step

OPENING_CHARS = 120
MAX_TITLE_CHARS = 200
ENTRIES_FOR_ONE = 400
"""So many entries of the index are written anew in the time that it takes to overwrite one in it."""
_GAP = 2**20
"""Between the places of two entries, so that others can come between them."""
_MOST_TITLES = 5
"""Of the hits of a search."""
DAMAGED = (apsw.CorruptError, apsw.NotADBError)
CANNOT_WRITE = (apsw.FullError, apsw.ReadOnlyError, apsw.IOError, apsw.BusyError, apsw.LockedError)

_OF_THE_LIST = ("INSERT INTO conversation", "UPDATE conversation", "DELETE FROM conversation")

_log = logging.getLogger(__name__)


# --- what can be changed of the open conversation -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Keep:
    """Insert or replace an entry; `after` as in `ShowEntry`."""

    entry: Entry
    after: str | None
    at: float
    """Unix seconds; what counts is when the entry was seen first."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete an entry: it was forgotten."""

    item_id: str


@dataclass(frozen=True, slots=True)
class LetGo:
    """An entry left the transcript for want of room; it stays here."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Begin:
    """What is kept from now on is a new conversation."""


@dataclass(frozen=True, slots=True)
class Continue:
    """What is kept from now on belongs to this conversation."""

    number: int


@dataclass(frozen=True, slots=True)
class Name:
    """The conversation's title and topic, as the model named it."""

    title: str
    topic: str


@dataclass(frozen=True, slots=True)
class Sound:
    """How an entry sounded."""

    item_id: str
    kind: str
    """The ending of a file of it: opus."""
    ms: int
    data: bytes


Change = Keep | Remove | LetGo | Begin | Continue | Name | Sound


@dataclass(frozen=True, slots=True)
class Whole:
    """A conversation with everything that is kept of it."""

    about: PastConversation
    entries: list[PastEntry]
    sounds: dict[str, Sound] = field(default_factory=dict)
    """By item id."""


@dataclass(slots=True)
class _Row:
    """What is known of a stored entry without reading it."""

    id: int
    place: int
    digest: int
    """Of its content: one that has not changed is not written."""
    said: str
    """The beginning of what the user said; empty: not the user, or nothing yet."""
    found: int
    """A hash of what the index holds of it."""


@dataclass(slots=True)
class _Open:
    """The conversation that is going on."""

    number: int | None = None
    """None: nothing of it is stored yet."""
    title: str = ""
    topic: str = ""
    order: list[str] = field(default_factory=list)
    rows: dict[str, _Row] = field(default_factory=dict)
    told: tuple[str, int] = ("", 0)
    """What its row says: opening, and how many entries."""
    let_go: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    """Entries of a conversation the user deleted while it went on: they do not come back."""


class Store:
    """The file of a profile; whoever opens it closes it."""

    def __init__(self, folder: Path, steps: Sequence[Step] = STEPS) -> None:
        """Open the file in `folder`; raises what `schema.open_file` does, and apsw's errors."""
        self.path = folder / schema.FILE_NAME
        self._file = schema.open_file(self.path, steps)
        self._now = self._before = _Open()
        self._wipe = False
        """Something was deleted: it must leave the disk too."""
        self._listed_anew = False
        self._cut: int | None = None
        try:
            self._find_the_cut_one()
        except BaseException:
            self._file.close()
            raise

    @property
    def current(self) -> int | None:
        """The number of the conversation that is going on, once something of it is stored."""
        return self._now.number

    def close(self) -> None:
        """End the conversation and close the file."""
        try:
            with suppress(*CANNOT_WRITE, *DAMAGED):
                self.apply([Begin()])
                self._file.execute("PRAGMA optimize")
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Let go of a file that is damaged."""
        with suppress(apsw.Error):
            self._file.close(True)

    # --- writing --------------------------------------------------------------------------------

    def apply(self, changes: Sequence[Change]) -> bool:
        """Do all of these changes, or none: raises apsw's errors, and is then where it was.

        Return whether what `conversations` returns is another now.
        """
        self._listed_anew = False
        number, before = self._now.number, (self._now.title, self._now.topic, set(self._now.gone))
        left = set(self._now.let_go)
        try:
            with self._file:
                for change in changes:
                    self._change(change)
                self._tell_about_it()
        except BaseException:
            self._load(number)
            self._now.title, self._now.topic, self._now.gone = before
            self._now.let_go = left
            raise
        with suppress(*CANNOT_WRITE):  # what was asked for is done; the next change wipes, too
            self._wiped()
        return self._listed_anew

    def rename(self, number: int, title: str) -> None:
        """Give a conversation the title the user wants; empty: the model's next one will do."""
        title = _line(title)
        with self._file:
            self._run("UPDATE conversation SET title = ?, named = ? WHERE number = ?", title, bool(title), number)
            self._index_title(number)
        self._wiped()

    def pin(self, number: int, pinned: bool) -> None:
        """Keep a conversation at the top of the list, or no longer."""
        self._run("UPDATE conversation SET pinned = ? WHERE number = ?", pinned, number)

    def delete(self, number: int) -> None:
        """Take a conversation off the disk: rows, index, free pages, log, and copies of earlier versions."""
        with self._file:
            keys = [key for (key,) in self._rows("SELECT id FROM entry WHERE conversation = ?", number)]
            with self._index_made_anew(len(keys)):
                for key in keys:
                    self._run("DELETE FROM found WHERE rowid = ?", key)
            for key in keys:
                self._forget(key)
            self._drop(number)
            self._drop_pictures()
        if number == self._now.number:
            self._now = _Open(gone=self._now.gone | set(self._now.order))
        self._wipe = True
        self._wiped()

    def add(self, whole: Whole) -> int:
        """Store a conversation that comes from elsewhere; return its number."""
        about = whole.about
        with self._file:
            number = self._insert_conversation(whole.entries[0].at if whole.entries else about.began_at)
            self._run(
                "UPDATE conversation SET title = ?, topic = ?, named = ?, pinned = ?, state = 'closed',"
                " began_at = ?, changed_at = ?, opening = ?, entries = ? WHERE number = ?",
                about.title, about.topic, bool(about.title), about.pinned, about.began_at, about.changed_at,
                next(filter(None, (_said(past.entry) for past in whole.entries)), ""), len(whole.entries), number,
            )  # fmt: skip
            for nth, past in enumerate(whole.entries, 1):
                row = self._insert(number, past.entry, past.at, nth * _GAP)
                self._index(row, past.entry)
                if sound := whole.sounds.get(past.entry.item_id):
                    self._insert_sound(row.id, sound)
            self._index_title(number)
        return number

    def _change(self, change: Change) -> None:
        match change:
            case Keep():
                self._keep(change)
            case Remove(item_id):
                self._remove(item_id)
            case LetGo(item_id):
                self._now.let_go.add(item_id)
            case Begin():
                self._end()
                self._before, self._now = self._now, _Open()
            case Continue(number):
                if number != self._now.number:
                    self._tell_about_it()
                    self._end()
                    self._before = self._now
                    self._load(number)
                    self._run("UPDATE conversation SET state = 'open' WHERE number = ?", number)
            case Name(title, topic):
                self._now.title, self._now.topic = _line(title), _line(topic)
                self._write_title()
            case Sound(item_id):  # of the conversation before, if its end was what ended the turn
                if row := self._now.rows.get(item_id) or self._before.rows.get(item_id):
                    self._insert_sound(row.id, change)
            case _:
                assert_never(change)

    def _keep(self, change: Keep) -> None:
        now, entry = self._now, change.entry
        if entry.item_id in now.gone:
            return
        if now.number is None:
            now.number = self._insert_conversation(change.at)
            self._write_title()
        row, is_new = now.rows.get(entry.item_id), True
        if row is None:
            place = self._make_room(entry.item_id, change.after)
            row = now.rows[entry.item_id] = self._insert(now.number, entry, change.at, place)
            self._run(
                "UPDATE conversation SET changed_at = max(changed_at, ?) WHERE number = ?", change.at, now.number
            )
        else:
            if change.after != self._shown_before(entry.item_id):
                now.order.remove(entry.item_id)
                row.place = self._make_room(entry.item_id, change.after)
                self._run("UPDATE entry SET place = ? WHERE id = ?", row.place, row.id)
            is_new = self._replace(row, entry)
        now.let_go.discard(entry.item_id)
        if is_new and entry.status is not EntryStatus.IN_PROGRESS:
            self._index(row, entry)

    def _remove(self, item_id: str) -> None:
        row = self._now.rows.pop(item_id, None)
        if row is None:
            return
        self._now.order.remove(item_id)
        self._forget(row.id)
        self._drop_pictures()
        if not self._now.rows:  # a conversation without an entry is none
            assert self._now.number is not None
            self._drop(self._now.number)
            self._now = _Open(title=self._now.title, topic=self._now.topic)

    def _end(self) -> None:
        self._tell_about_it()
        self._run("UPDATE conversation SET state = 'closed' WHERE number = ?", self._now.number)

    def _load(self, number: int | None) -> None:
        """Make a stored conversation the one that is going on; one that is not there begins anew."""
        self._now = _Open()
        about = self._run("SELECT title, topic FROM conversation WHERE number = ?", number).get if number else None
        if about is None:
            return
        self._now.number = number
        self._now.title, self._now.topic = about
        pictures: dict[int, tuple[bytes, ...]] = {}
        for key, picture in self._run(
            "SELECT entry, picture FROM entry JOIN shown ON id = entry WHERE conversation = ? ORDER BY entry, nth",
            number,
        ):
            pictures[key] = (*pictures.get(key, ()), picture)
        for key, item_id, place, content in self._run(
            "SELECT id, item_id, place, content FROM entry WHERE conversation = ? ORDER BY place", number
        ):
            entry = _decoded(content)
            said = _said(entry) if entry else ""
            digest = hash((content, pictures.get(key, ())))
            self._now.order.append(item_id)
            self._now.rows[item_id] = _Row(key, place, digest, said, 0)

    def _tell_about_it(self) -> None:
        """Bring what the list shows of the conversation up to date."""
        now = self._now
        if now.number is not None:
            opening = next((now.rows[item_id].said for item_id in now.order if now.rows[item_id].said), "")
            told = (opening, len(now.order))
            if told != now.told:
                self._run("UPDATE conversation SET opening = ?, entries = ? WHERE number = ?", *told, now.number)
                now.told = told

    def _insert_conversation(self, at: float) -> int:
        self._run("INSERT INTO conversation (began_at, changed_at) VALUES (?1, ?1)", at)
        return self._file.last_insert_rowid()

    def _write_title(self) -> None:
        now = self._now
        if now.number is None or not (now.title or now.topic):
            return
        self._run(
            "UPDATE conversation SET title = CASE WHEN named THEN title ELSE ? END, topic = ? WHERE number = ?",
            now.title, now.topic, now.number,
        )  # fmt: skip
        self._index_title(now.number)

    # --- entries --------------------------------------------------------------------------------

    def _insert(self, number: int, entry: Entry, at: float, place: int) -> _Row:
        content, pictures = _encoded(entry), _hashes(entry.images)
        self._run(
            "INSERT INTO entry (conversation, item_id, place, at, content) VALUES (?, ?, ?, ?, ?)",
            number, entry.item_id, place, at, content,
        )  # fmt: skip
        row = _Row(self._file.last_insert_rowid(), place, hash((content, pictures)), _said(entry), 0)
        self._show_pictures(row.id, entry.images, pictures)
        return row

    def _replace(self, row: _Row, entry: Entry) -> bool:
        """Store what has become of an entry; return whether anything has."""
        content, pictures = _encoded(entry), _hashes(entry.images)
        digest = hash((content, pictures))
        if digest == row.digest:
            return False
        self._run("UPDATE entry SET content = ? WHERE id = ?", content, row.id)
        self._show_pictures(row.id, entry.images, pictures)
        row.digest, row.said = digest, _said(entry)
        return True

    def _forget(self, key: int) -> None:
        for table, column in (("found", "rowid"), ("shown", "entry"), ("sound", "entry"), ("entry", "id")):
            self._run(f"DELETE FROM {table} WHERE {column} = ?", key)
        self._wipe = True

    def _drop(self, number: int) -> None:
        """Delete what is left of a conversation without entries."""
        self._run("DELETE FROM titled WHERE rowid = ?", number)
        self._run("DELETE FROM conversation WHERE number = ?", number)

    def _show_pictures(self, key: int, images: tuple[str, ...], hashes: tuple[bytes, ...]) -> None:
        stored = self._rows("SELECT picture FROM shown WHERE entry = ? ORDER BY nth", key)
        if hashes == tuple(old for (old,) in stored):
            return
        self._run("DELETE FROM shown WHERE entry = ?", key)
        for nth, (digest, image) in enumerate(zip(hashes, images, strict=True)):
            self._run(
                "INSERT OR IGNORE INTO picture (hash, kind, data) VALUES (?, ?, ?)", digest, *picture_bytes(image)
            )
            self._run("INSERT INTO shown (entry, nth, picture) VALUES (?, ?, ?)", key, nth, digest)
        if stored:
            self._drop_pictures()
            self._wipe = True

    def _drop_pictures(self) -> None:
        """Delete the pictures that no entry shows any more."""
        self._run("DELETE FROM picture WHERE NOT EXISTS (SELECT 1 FROM shown WHERE shown.picture = picture.hash)")

    def _insert_sound(self, key: int, sound: Sound) -> None:
        self._run(
            "INSERT OR REPLACE INTO sound (entry, kind, ms, data) SELECT id, ?, ?, ? FROM entry WHERE id = ?",
            sound.kind, sound.ms, sound.data, key,
        )  # fmt: skip

    # --- order ----------------------------------------------------------------------------------

    def _shown_before(self, item_id: str) -> str | None:
        """Return the entry before one, among those that the transcript shows."""
        order, let_go = self._now.order, self._now.let_go
        at = len(order) - 1 if order[-1] == item_id else order.index(item_id)
        return next((other for other in reversed(order[:at]) if other not in let_go), None) if at else None

    def _make_room(self, item_id: str, after: str | None) -> int:
        """Put an entry into the order; return its place."""
        order, rows = self._now.order, self._now.rows
        if after is None:  # the first that is shown: what left the transcript stands before it
            at = next((i for i, other in enumerate(order) if other not in self._now.let_go), len(order))
        elif not order or order[-1] == after or after not in rows:
            at = len(order)
        else:
            at = order.index(after) + 1
        before = rows[order[at - 1]].place if at else 0
        behind = rows[order[at]].place if at < len(order) else before + 2 * _GAP
        order.insert(at, item_id)
        if behind - before < 2:
            self._spread()
            before = rows[order[at - 1]].place if at else 0
            behind = before + 2 * _GAP
        return (before + behind) // 2

    def _spread(self) -> None:
        """Make gaps between the places again."""
        for nth, item_id in enumerate(self._now.order, 1):
            if row := self._now.rows.get(item_id):
                row.place = 2 * nth * _GAP
                self._run("UPDATE entry SET place = ? WHERE id = ?", row.place, row.id)

    # --- reading --------------------------------------------------------------------------------

    def cut_off(self) -> PastConversation | None:
        """Return the conversation that the end of the last run cut off, unless it was gone on with since."""
        if self._cut is None:
            return None
        return self._one("WHERE number = ? AND state = 'cut'", self._cut)

    def conversations(self) -> list[PastConversation]:
        """Return all of them: pinned first, then by their last entry."""
        return list(self._listed("ORDER BY pinned DESC, changed_at DESC, number DESC"))

    def entries(self, number: int) -> list[PastEntry]:
        """Return the entries of a conversation, in order."""
        pictures: dict[int, list[str]] = {}
        for key, kind, data in self._run(
            "SELECT shown.entry, kind, data FROM entry JOIN shown ON shown.entry = entry.id"
            " JOIN picture ON picture.hash = shown.picture WHERE conversation = ? ORDER BY shown.entry, nth",
            number,
        ):
            pictures.setdefault(key, []).append(_joined(kind, data))
        past = []
        for key, at, content in self._run(
            "SELECT id, at, content FROM entry WHERE conversation = ? ORDER BY place", number
        ):
            if entry := _decoded(content):
                past.append(PastEntry(replace(entry, images=tuple(pictures.get(key, ()))), at))
        return past

    def whole(self, number: int) -> Whole | None:
        """Return everything that is kept of a conversation."""
        about = self._one("WHERE number = ?", number)
        if about is None:
            return None
        sounds = {
            item_id: Sound(item_id, kind, ms, data)
            for item_id, kind, ms, data in self._run(
                "SELECT item_id, kind, ms, data FROM sound JOIN entry ON id = entry WHERE conversation = ?", number
            )
        }
        return Whole(about, self.entries(number), sounds)

    def search(self, typed: str, limit: int) -> list[Hit]:
        """Return where every word of a text occurs: titles first, then entries, the newest first."""
        looked_for = words.terms(typed)
        if not looked_for:
            return []
        hits: list[Hit] = []
        for asked in words.queries(looked_for):
            hits += self._titles_with(asked, looked_for, min(limit, _MOST_TITLES), hits)
        found: dict[int, tuple[int, str, float, bytes]] = {}
        for asked in words.queries(looked_for):
            if len(hits) + len(found) < limit:
                found |= self._entries_with(asked, limit, found)
        known: dict[int, PastConversation | None] = {}
        for number, item_id, at, content in list(found.values())[: limit - len(hits)]:
            if number not in known:
                known[number] = self._one("WHERE number = ?", number)
            about, entry = known[number], _decoded(content)
            if about and entry:
                hits.append(Hit(about, item_id, at, *words.snippet(_searched(entry), looked_for)))
        return hits

    def _titles_with(self, asked: str, looked_for: tuple[words.Term, ...], most: int, hits: list[Hit]) -> list[Hit]:
        known = {hit.conversation.number for hit in hits}
        keys = self._rows("SELECT rowid FROM titled WHERE titled MATCH ? ORDER BY rowid DESC LIMIT ?", asked, most)
        abouts = [self._one("WHERE number = ?", key) for (key,) in keys if key not in known]
        more = [
            Hit(about, "", about.began_at, *words.snippet(_title(about), looked_for)) for about in abouts if about
        ]
        return more[: most - len(hits)]

    def _entries_with(
        self, asked: str, most: int, known: Container[int]
    ) -> dict[int, tuple[int, str, float, bytes]]:
        """Return entries by their ids, the newest first: conversation, item id, time and content."""
        return {
            key: (number, item_id, at, content)
            for key, number, item_id, at, content in self._rows(
                "SELECT id, conversation, item_id, at, content FROM ("
                " SELECT rowid AS key FROM found WHERE found MATCH ? ORDER BY rowid DESC LIMIT ?"
                ") JOIN entry ON id = key ORDER BY key DESC",
                asked, most,
            )
            if key not in known
        }  # fmt: skip

    def _one(self, which: str, *bindings: Any) -> PastConversation | None:
        return next(iter(list(self._listed(which, *bindings))), None)

    def _listed(self, which: str, *bindings: Any) -> Iterator[PastConversation]:
        for number, began, changed, title, topic, opening, entries, pinned, state in self._run(
            "SELECT number, began_at, changed_at, title, topic, opening, entries, pinned, state FROM conversation "
            + which,
            *bindings,
        ):
            yield PastConversation(
                number, began, changed, title, topic, opening, entries, bool(pinned), state == "cut"
            )

    # --- the index ------------------------------------------------------------------------------

    def reindex(self) -> None:
        """Make the index anew from the entries: it was damaged."""
        with self._file:
            self._run("DROP TABLE IF EXISTS found")
            self._run("DROP TABLE IF EXISTS titled")
            for _ in self._file.execute(schema.INDEX):
                pass
            for number, key, content in self._rows("SELECT conversation, id, content FROM entry"):
                if number and (entry := _decoded(content)):
                    self._index(_Row(key, 0, 0, "", 0), entry)
            for (number,) in self._rows("SELECT number FROM conversation"):
                self._index_title(number)

    @contextmanager
    def _index_made_anew(self, deleted: int) -> Iterator[None]:
        """Take many entries out of the index as a whole, if that is quicker than one by one."""
        (total,) = self._rows("SELECT max(id) FROM entry")[0]
        if deleted * ENTRIES_FOR_ONE <= (total or 0):
            yield
            return
        self._run("INSERT INTO found (found, rank) VALUES ('secure-delete', 0)")
        yield
        self._run("INSERT INTO found (found) VALUES ('optimize')")
        self._run("INSERT INTO found (found, rank) VALUES ('secure-delete', 1)")

    def _index(self, row: _Row, entry: Entry) -> None:
        """Let a search find an entry, once it is as it will be."""
        text = words.indexed(_searched(entry))
        if (digest := hash(text)) != row.found:
            self._run("INSERT OR REPLACE INTO found (rowid, words) VALUES (?, ?)", row.id, text)
            row.found = digest

    def _index_title(self, number: int) -> None:
        if about := self._one("WHERE number = ?", number):
            text = words.indexed(_title(about))
            self._run("INSERT OR REPLACE INTO titled (rowid, words) VALUES (?, ?)", number, text)

    # --- the file -------------------------------------------------------------------------------

    def _find_the_cut_one(self) -> None:
        """A conversation that is open now was not ended: the program was."""
        cut = [n for (n,) in self._run("SELECT number FROM conversation WHERE state = 'open' ORDER BY changed_at")]
        if not cut:
            return
        self._cut = cut[-1]
        with suppress(*CANNOT_WRITE), self._file:
            self._run("UPDATE conversation SET state = 'cut' WHERE state = 'open'")
            for key, content in self._rows(  # what was in progress is as it will be
                "SELECT id, content FROM entry WHERE conversation = ?"
                " AND NOT EXISTS (SELECT 1 FROM found WHERE rowid = id)",
                self._cut,
            ):
                if entry := _decoded(content):
                    self._index(_Row(key, 0, 0, "", 0), entry)

    def _wiped(self) -> None:
        """If something was deleted, let nothing of it stay on the disk."""
        if not self._wipe:
            return
        for _ in self._file.execute("PRAGMA incremental_vacuum"):
            pass
        self._file.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        for copy in schema.backups(self.path):
            copy.unlink()
        self._wipe = False

    def _rows(self, sql: str, *bindings: Any) -> list[Any]:
        """Return all rows at once: what is done with them may change the table."""
        return list(self._run(sql, *bindings))

    def _run(self, sql: str, *bindings: Any) -> apsw.Cursor:
        self._listed_anew = self._listed_anew or sql.startswith(_OF_THE_LIST)
        return self._file.execute(sql, bindings)


def _encoded(entry: Entry) -> bytes:
    return msgspec.json.encode(replace(entry, images=()))


def _decoded(content: bytes) -> Entry | None:
    try:
        return msgspec.json.decode(content, type=Entry)
    except msgspec.DecodeError:  # the file is whole, so it was somebody else who wrote this
        _log.warning("an entry of the history cannot be read")
        return None


def _searched(entry: Entry) -> str:
    """Return the words by which an entry is found."""
    use = entry.tool
    return entry.text if use is None else "\n".join(filter(None, (entry.text, use.name, use.arguments, use.output)))


def _said(entry: Entry) -> str:
    return _line(entry.text, OPENING_CHARS) if entry.role is Role.USER else ""


def _title(about: PastConversation) -> str:
    return " · ".join(filter(None, (about.title, about.topic)))


def _line(text: str, most: int = MAX_TITLE_CHARS) -> str:
    return " ".join(text[: 2 * most].split())[:most]


def _hashes(images: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(image.encode()).digest() for image in images)


def picture_bytes(image: str) -> tuple[str, bytes]:
    """Return the media type and the bytes of a picture; an empty type and the URI, if those do not say it all."""
    kind, comma, data = image.partition(";base64,")
    if comma and kind.startswith("data:"):
        with suppress(ValueError):
            raw = base64.b64decode(data, validate=True)
            if _joined(kind[5:], raw) == image:
                return kind[5:], raw
    return "", image.encode()


def _joined(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}" if kind else data.decode()
