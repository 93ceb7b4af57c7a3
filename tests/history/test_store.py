"""The store: nothing of an entry is lost, the order is the transcript's, what is deleted is gone from the disk."""

from __future__ import annotations

import random
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_app.conversation import effects
from desktop_app.conversation.effects import RemoveEntry, ShowEntry
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role, ToolUse
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.past import PastConversation, PastEntry
from desktop_app.conversation.transcript import Transcript
from desktop_app.errors import HistoryError
from desktop_app.history import schema
from desktop_app.history.schema import STEPS, Damaged
from desktop_app.history.store import Begin, Change, Continue, Keep, LetGo, Name, Remove, Sound, Store, Whole
from tests.history.entries import FULL, ODD_PICTURE, PICTURE, said


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store that is new."""
    with_one = Store(tmp_path)
    yield with_one
    with_one.close()


def kept(*entries: Entry, at: float = 100.0) -> list[Change]:
    """Return what keeps entries one behind the other."""
    before = [None, *(entry.item_id for entry in entries)]
    return [Keep(entry, after, at + n) for n, (entry, after) in enumerate(zip(entries, before, strict=False))]


def ids(store: Store, number: int) -> list[str]:
    """Return the ids of a conversation's entries, in order."""
    return [past.entry.item_id for past in store.entries(number)]


def bytes_of(folder: Path) -> bytes:
    """Return what lies in a folder, whatever it is."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# --- round trip ---------------------------------------------------------------------------------


def test_no_field_of_an_entry_is_lost(tmp_path: Path) -> None:
    """A new field makes this fail until `FULL` has it; then it is stored as all the others are."""
    for value, plain in ((FULL, Entry("", Role.USER)), (FULL.tool, ToolUse("", "", ""))):
        unset = [f.name for f in fields(plain) if getattr(value, f.name) == getattr(plain, f.name)]
        assert unset == [], "the entry of this test must have every field set"
    store = Store(tmp_path)
    store.apply([Keep(FULL, None, 1234.5)])
    assert store.entries(1) == [PastEntry(FULL, 1234.5)]
    store.close()
    store = Store(tmp_path)
    assert store.entries(1) == [PastEntry(FULL, 1234.5)]
    store.close()


def test_every_role_status_and_action_comes_back(store: Store) -> None:
    entries = [Entry(f"role {role}", role) for role in Role]
    entries += [Entry(f"status {status}", Role.USER, status=status) for status in EntryStatus]
    entries += [Entry(f"action {action}", Role.USER, action=action) for action in EntryAction]
    store.apply(kept(*entries))
    assert [past.entry for past in store.entries(1)] == entries


SHAPE = """
Entry item_id str, role Role, text str, status EntryStatus, spoken bool, heard_chars int | None,
 heard_ms int | None, remark str, commentary bool, images tuple[str, ...], action EntryAction | None,
 tool ToolUse | None
ToolUse call_id str, name str, arguments str, server str, output str, failed bool, waiting bool,
 seconds float | None
Role user, assistant, tool, system
EntryStatus in progress, completed, interrupted, incomplete, failed
EntryAction say the rest, continue, retry
"""


def test_what_an_entry_is_made_of_has_not_changed_without_a_new_version() -> None:
    """What one version wrote must be read by the next.

    A new field with a default is read as that: note the new shape here. Whatever else changes needs a step in
    `schema.STEPS`.
    """
    shape = [
        f"{kind.__name__} {', '.join(f'{f.name} {f.type}' for f in fields(kind))}" for kind in (Entry, ToolUse)
    ]
    for names in (Role, EntryStatus, EntryAction):
        shape.append(f"{names.__name__} {', '.join(member.value for member in names)}")
    assert (len(STEPS), "\n".join(shape)) == (1, SHAPE.strip().replace(",\n", ","))


@settings(max_examples=50, deadline=None)
@given(st.builds(Entry, item_id=st.text(min_size=1), role=st.sampled_from(Role), images=st.just(())))
def test_any_entry_comes_back(tmp_path_factory: pytest.TempPathFactory, entry: Entry) -> None:
    try:
        msgspec.json.encode(entry)
    except UnicodeEncodeError:
        return  # half of a pair of surrogates: no server's frame can have it
    store = Store(tmp_path_factory.mktemp("any"))
    store.apply([Keep(entry, None, 1.0)])
    assert store.entries(1) == [PastEntry(entry, 1.0)]
    store.close()


def test_a_picture_is_stored_once(store: Store, tmp_path: Path) -> None:
    store.apply(kept(replace(said("a"), images=(PICTURE,)), replace(said("b"), images=(PICTURE, ODD_PICTURE))))
    for n in range(3):
        store.apply([Keep(replace(said("b", f"{n}"), images=(PICTURE, ODD_PICTURE)), "a", 1.0)])
    file = apsw.Connection(str(store.path))
    assert file.execute("SELECT count(*) FROM picture").get == 2
    assert file.execute("SELECT data FROM picture WHERE kind = 'image/png'").get == b"\x89PNG\r\n\x1a\n"
    file.close()
    assert [past.entry.images for past in store.entries(1)] == [(PICTURE,), (PICTURE, ODD_PICTURE)]


# --- conversations ------------------------------------------------------------------------------


def test_a_conversation_is_listed_once_something_was_said(store: Store) -> None:
    store.apply([Begin(), Begin(), Name("Greetings", "talk")])
    assert store.conversations() == []
    store.apply([*kept(said("a", "", Role.ASSISTANT), said("b", " Good  morning,\nall")), Begin()])
    (about,) = store.conversations()
    assert about == PastConversation(
        1, began_at=100, changed_at=101, title="Greetings", topic="talk", opening="Good morning, all", entries=2
    )


def test_the_list_has_pinned_ones_first_then_the_newest(store: Store) -> None:
    for n in range(4):
        store.apply([Begin(), *kept(said("a"), at=n * 10.0)])
    store.pin(2, True)
    assert [about.number for about in store.conversations()] == [2, 4, 3, 1]
    store.pin(2, False)
    assert [about.number for about in store.conversations()] == [4, 3, 2, 1]


def test_a_name_by_the_user_stays(store: Store) -> None:
    store.apply([*kept(said("a")), Name("By the model", "topic")])
    store.rename(1, "  By\nme ")
    store.apply([Name("Another", "another")])
    assert [(about.title, about.topic) for about in store.conversations()] == [("By me", "another")]
    store.rename(1, "")
    store.apply([Name("By the model again", "topic")])
    assert store.conversations()[0].title == "By the model again"


def test_numbers_are_not_used_again(store: Store) -> None:
    store.apply([*kept(said("a")), Begin()])
    store.delete(1)
    store.apply(kept(said("a")))
    assert [about.number for about in store.conversations()] == [2]


def test_one_id_in_two_conversations_is_two_entries(store: Store) -> None:
    store.apply([*kept(said("a", "first")), Begin(), *kept(said("a", "second"))])
    assert [store.entries(n)[0].entry.text for n in (1, 2)] == ["first", "second"]


def test_a_conversation_is_gone_on_with(store: Store, tmp_path: Path) -> None:
    running = replace(said("b", "It was Ver", Role.ASSISTANT, running=True), images=(PICTURE,))
    store.apply([*kept(said("a"), running), Begin(), *kept(said("x")), Continue(1)])
    shown = [said("a"), replace(running, status=EntryStatus.INTERRUPTED), said("c")]
    store.apply(kept(*shown, at=500.0))
    assert store.entries(1) == [PastEntry(e, at) for e, at in zip(shown, (100.0, 101.0, 502.0), strict=True)]
    about = store.conversations()[0]
    assert (about.number, about.entries, about.changed_at) == (1, 3, 502.0)
    assert [hit.item_id for hit in store.search("it was", 9)] == ["b"]
    assert store.current == 1


def test_going_on_with_one_that_is_deleted_begins_a_new_one(store: Store) -> None:
    store.apply([*kept(said("a")), Begin()])
    store.delete(1)
    store.apply([Continue(1), *kept(said("b"))])
    assert store.current == 2
    assert ids(store, 2) == ["b"]


def test_what_is_deleted_while_it_goes_on_does_not_come_back(store: Store) -> None:
    store.apply(kept(said("a"), said("b", running=True)))
    store.delete(1)
    store.apply(kept(said("a"), said("b"), said("c")))
    assert [(about.number, about.opening) for about in store.conversations()] == [(2, "words of c")]


def test_a_conversation_whose_last_entry_is_forgotten_is_none(store: Store) -> None:
    store.apply([*kept(said("a")), Name("Title", ""), Remove("a")])
    assert store.conversations() == []
    assert store.search("title", 9) == []
    store.apply(kept(said("b")))
    assert [about.title for about in store.conversations()] == ["Title"]


def test_what_failed_leaves_nothing_behind(store: Store) -> None:
    store.apply([*kept(said("a"), said("b")), Name("Title", "topic")])
    with pytest.raises(AttributeError):
        store.apply([Keep(said("c"), "b", 1.0), Remove("a"), Begin(), Keep(None, None, 1.0)])  # type: ignore[arg-type]
    store.apply([Keep(said("d"), "b", 1.0)])
    assert ids(store, 1) == ["a", "b", "d"]
    assert [about.title for about in store.conversations()] == ["Title"]


# --- order --------------------------------------------------------------------------------------


def test_an_entry_stands_where_the_transcript_has_it_and_moves_with_it(store: Store) -> None:
    store.apply(kept(said("a"), said("b"), said("c")))
    store.apply([Keep(said("x"), "a", 9.0), Keep(said("y"), None, 9.0)])
    assert ids(store, 1) == ["y", "a", "x", "b", "c"]
    store.apply([Keep(said("c"), None, 9.0), Keep(said("y"), "b", 9.0)])
    assert ids(store, 1) == ["c", "a", "x", "b", "y"]


def test_there_is_always_room_between_two_entries(store: Store) -> None:
    store.apply(kept(said("a"), said("z")))
    for n in range(60):
        store.apply([Keep(said(f"{n}"), "a", 9.0)])
    assert ids(store, 1) == ["a", *(f"{n}" for n in reversed(range(60))), "z"]


def test_what_left_the_transcript_for_want_of_room_stays_before_the_rest(store: Store) -> None:
    store.apply([*kept(said("a"), said("b"), said("c"), said("d")), LetGo("a"), LetGo("b")])
    store.apply([Keep(said("c", "new"), None, 9.0), Keep(said("x"), None, 9.0)])
    assert ids(store, 1) == ["a", "b", "x", "c", "d"]


def test_the_order_is_that_of_the_transcript_whatever_happens(store: Store) -> None:
    chance = random.Random(3)
    outbox = Outbox()
    transcript = Transcript(outbox)
    known = ["start"]
    for n in range(300):
        match chance.randrange(4):
            case 0 | 1:
                known.append(f"i{n}")
                transcript.place(known[-1], chance.choice(known[:-1]))
                transcript.show(said(known[-1]))
            case 2:
                transcript.place(chance.choice(known), chance.choice(known))
            case _ if chance.random() < 0.3:
                transcript.remove(chance.choice(known))
    store.apply(list(as_changes(outbox.take())))
    shown = [entry.item_id for entry in transcript.from_the_last()][::-1]
    assert len(shown) > 50
    assert ids(store, 1) == shown


def as_changes(asked: Sequence[effects.Effect]) -> Iterator[Change]:
    """Yield what the session makes of what the core asks for."""
    for effect in asked:
        match effect:
            case ShowEntry(entry, after):
                yield Keep(entry, after, 1.0)
            case RemoveEntry(item_id):
                yield Remove(item_id)


# --- the search ---------------------------------------------------------------------------------


@pytest.fixture
def talked(store: Store) -> Store:
    """A store with two conversations."""
    tool = Entry("t", Role.TOOL, "", EntryStatus.COMPLETED, tool=ToolUse("c", "read_mail", "{}", output="Zürich"))
    store.apply(
        [
            *kept(said("a", "Crème brûlée, please"), said("b", "今天天气很好")),
            Name("Desserts", "cooking"),
            Begin(),
            *kept(said("a", "Cremona is a town"), tool, said("r", "Creamy", running=True), at=500.0),
        ]
    )
    return store


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("c", [(1, ""), (2, "a"), (1, "a")]),
        ("CREM", [(2, "a"), (1, "a")]),
        ("please brul", [(1, "a")]),
        ("cre pl", [(1, "a")]),
        ("a t", [(2, "a")]),
        ("town please", []),
        ("天气", [(1, "b")]),
        ("天", [(1, "b")]),
        ("气天", []),
        ("zurich", [(2, "t")]),
        ("read mail", [(2, "t")]),
        ("dess cook", [(1, "")]),
        ("", []),
        ("  ", []),
        ("creamy", []),
    ],
)
def test_search(talked: Store, typed: str, found: list[tuple[int, str]]) -> None:
    assert [(hit.conversation.number, hit.item_id) for hit in talked.search(typed, 50)] == found


@pytest.mark.parametrize(
    "typed",
    [
        '"',
        '""',
        "*",
        "a*",
        "NEAR(a b)",
        "words: a",
        "-a",
        "^a",
        "a AND",
        "OR",
        "NOT a",
        "(",
        "{x}",
        "a+b",
        "\x00",
        "'--",
    ],
)
def test_nothing_that_is_typed_is_an_error(talked: Store, typed: str) -> None:
    talked.search(typed, 50)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_no_text_at_all_is_an_error(shared: Store, typed: str) -> None:
    shared.search(typed, 50)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for many searches."""
    store = Store(tmp_path_factory.mktemp("shared"))
    store.apply(kept(said("a", "some words")))
    yield store
    store.close()


def test_a_search_has_a_limit_and_tells_where(talked: Store) -> None:
    (hit,) = talked.search("cre", 1)
    assert hit.snippet[hit.marks[0][0] : hit.marks[0][1]] == "Cre"
    assert (hit.at, hit.conversation.opening) == (500.0, "Cremona is a town")


def test_what_is_renamed_moved_changed_or_deleted_is_found_as_it_is(talked: Store) -> None:
    talked.rename(1, "Sweets")
    talked.apply([Keep(said("a", "Parma is a town"), None, 1.0), Remove("t")])
    assert [hit.item_id for hit in talked.search("desserts", 9)] == []
    assert [hit.item_id for hit in talked.search("sweets", 9)] == [""]
    assert [hit.item_id for hit in talked.search("cremona", 9)] == []
    assert [hit.item_id for hit in talked.search("parma", 9)] == ["a"]
    assert [hit.item_id for hit in talked.search("zurich", 9)] == []


def test_a_damaged_index_is_made_anew_from_the_entries(talked: Store) -> None:
    talked.apply([Keep(said("r", "Creamy"), "t", 1.0)])
    before = talked.search("c", 50)
    talked.reindex()
    assert [hit.item_id for hit in talked.search("c", 50)] == [hit.item_id for hit in before]


# --- deleted is gone ----------------------------------------------------------------------------

CANARY = "kakapo"


def canaries(count: int, of: str) -> list[Entry]:
    """Return entries of unusual words, strewn over the whole index."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [f"{letters[n % 26]}{letters[n // 26 % 26]}{of}{n}" for n in range(count)]
    return [
        Entry(f"{of}_{n}", Role.USER, f"{word} {words[(7 * n) % count]} 今天{of}", EntryStatus.COMPLETED)
        for n, word in enumerate(words)
    ]


@pytest.mark.parametrize(("count", "one_by_one"), [(3, True), (3, False), (800, True), (800, False)])
def test_a_deleted_conversation_is_gone_from_the_disk(
    tmp_path: Path, count: int, one_by_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop_app.history.store.ENTRIES_FOR_ONE", 0 if one_by_one else 10**9)
    store = Store(tmp_path)
    store.apply([*kept(*canaries(count, "others")), Begin()])
    picture = "data:image/png;base64," + CANARY * 4000
    mine = [replace(entry, images=(picture,), remark=CANARY) for entry in canaries(count, CANARY)]
    tool = Entry("t", Role.TOOL, "", EntryStatus.COMPLETED, tool=ToolUse("c", CANARY, CANARY, output=CANARY * 5000))
    for start in range(0, count, 100):
        store.apply(kept(*mine[start : start + 100]))
    store.apply(
        [Keep(tool, None, 1.0), Name(f"{CANARY} title", CANARY), Sound("t", "opus", 1, CANARY.encode() * 99)]
    )
    store.apply([Begin(), *kept(*canaries(count, "more"))])
    raw = mine[0].images[0].encode()
    assert CANARY.encode() in bytes_of(tmp_path)
    store.delete(2)
    left = bytes_of(tmp_path)
    assert CANARY.encode() not in left
    assert not any(piece in left for piece in (b"kaka", b"akap", b"kapo")), "the index writes only how words differ"
    assert raw[30:60] not in left
    assert store.search(CANARY, 9) == store.search("aakak", 9) == []
    assert len(store.search("今天", 50)) == min(50, 2 * count)
    assert list(apsw.Connection(str(store.path)).execute("PRAGMA integrity_check")) == [("ok",)]
    store.close()
    assert CANARY.encode() not in bytes_of(tmp_path)


def test_a_forgotten_entry_and_its_picture_are_gone_from_the_disk(store: Store, tmp_path: Path) -> None:
    other = replace(said("a"), images=(PICTURE,))
    mine = replace(said("b", CANARY), images=("data:text/plain," + CANARY, PICTURE))
    store.apply(kept(other, mine))
    store.apply([Remove("b")])
    assert CANARY.encode() not in bytes_of(tmp_path)
    assert [past.entry for past in store.entries(1)] == [other]


def test_an_old_title_and_an_old_text_are_gone_from_the_disk(store: Store, tmp_path: Path) -> None:
    store.apply([*kept(said("a", CANARY)), Name(CANARY, CANARY)])
    store.apply([Keep(said("a", "nothing"), None, 1.0), Name("Title", "topic")])
    store.rename(1, CANARY)
    store.rename(1, "Title")
    store.apply(kept(said("b")))
    store.apply([Remove("b")])
    assert CANARY.encode() not in bytes_of(tmp_path)


def test_the_file_gives_space_back(store: Store) -> None:
    store.apply([*kept(*(said(f"{n}", "x" * 20_000) for n in range(100))), Begin()])
    store.delete(1)
    assert store.path.stat().st_size < 100 * 20_000 / 4


# --- the file -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_nobody_else_may_read_it(store: Store, tmp_path: Path) -> None:
    store.apply(kept(said("a")))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {f"{schema.FILE_NAME}{ending}": 0o600 for ending in ("", "-wal", "-shm")}


def test_a_conversation_that_was_not_ended_is_told_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.apply([*kept(said("a")), Begin(), *kept(said("b", "Rembrandt", running=True))])
    store.abandon()
    store = Store(tmp_path)
    cut = store.cut_off()
    assert cut is not None
    assert (cut.number, cut.cut_off) == (2, True)
    assert [about.cut_off for about in store.conversations() if about.number == 1] == [False]
    assert [hit.item_id for hit in store.search("rembr", 9)] == ["b"], "nothing more comes of it, so it is found"
    store.close()
    store = Store(tmp_path)
    assert store.cut_off() is None, "it was told"
    assert [about.number for about in store.conversations() if about.cut_off] == [2]
    store.apply([Continue(2)])
    assert not any(about.cut_off for about in store.conversations())
    store.close()


def test_a_newer_file_is_refused_and_not_touched(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.apply(kept(said("a")))
    store.close()
    file = apsw.Connection(str(store.path))
    file.execute("PRAGMA user_version = 99")
    file.close()
    before = store.path.read_bytes()
    with pytest.raises(HistoryError, match="newer Parley"):
        Store(tmp_path)
    assert store.path.read_bytes() == before


def test_an_older_file_is_brought_up_to_date_with_a_copy_beside_it(tmp_path: Path) -> None:
    def step(file: apsw.Connection) -> None:
        file.execute("ALTER TABLE conversation ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")

    store = Store(tmp_path)
    store.apply([*kept(FULL), Begin(), *kept(said("x", CANARY))])
    store.close()
    store = Store(tmp_path, (*STEPS, step))
    assert store.entries(1) == [PastEntry(FULL, 100.0)]
    (copy,) = schema.backups(store.path)
    assert copy.name == f"{schema.FILE_NAME}.version-1"
    assert sys.platform == "win32" or stat.S_IMODE(copy.stat().st_mode) == 0o600
    old = apsw.Connection(str(copy))
    assert (old.execute("PRAGMA user_version").get, old.execute("SELECT count(*) FROM entry").get) == (1, 2)
    old.close()
    store.delete(2)
    assert CANARY.encode() not in bytes_of(tmp_path), "the copy is no hiding place"
    store.close()
    Store(tmp_path, (*STEPS, step)).close()
    assert list(schema.backups(store.path)) == []


def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    def step(file: apsw.Connection) -> None:
        file.execute("DROP TABLE entry")
        raise apsw.FullError("no room")

    store = Store(tmp_path)
    store.apply(kept(FULL))
    store.close()
    with pytest.raises(HistoryError):
        Store(tmp_path, (*STEPS, step))
    store = Store(tmp_path)
    assert store.entries(1) == [PastEntry(FULL, 100.0)]
    store.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(90), b"\xff" * 5000])
def test_what_is_no_history_is_told_apart_and_set_aside_under_a_free_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / schema.FILE_NAME
    for name in (f"{schema.FILE_NAME}.damaged", f"{schema.FILE_NAME}.damaged-2"):
        path.write_bytes(content)
        with pytest.raises(Damaged):
            Store(tmp_path)
        assert schema.set_aside(path) == name
        assert (tmp_path / name).read_bytes() == content
    Store(tmp_path).close()


def test_a_database_of_somebody_else_is_not_ours(tmp_path: Path) -> None:
    file = apsw.Connection(str(tmp_path / schema.FILE_NAME))
    file.execute("CREATE TABLE recipes (name)")
    file.close()
    with pytest.raises(Damaged):
        Store(tmp_path)


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(HistoryError, match="cannot be opened"):
        Store(tmp_path / "file")


def test_what_comes_from_elsewhere_is_stored_as_it_is(store: Store) -> None:
    entries = [PastEntry(FULL, 5.0), PastEntry(said("b", "Ahoy"), 6.0)]
    about = PastConversation(77, 5.0, 6.0, "Title", "topic", pinned=True)
    sound = Sound("b", "opus", 0, b"sound")
    number = store.add(Whole(about, entries, {"b": sound}))
    whole = store.whole(number)
    assert whole is not None
    assert whole.entries == entries
    assert whole.sounds == {"b": sound}
    assert whole.about == replace(about, number=number, opening="Ahoy", entries=2)
    assert [hit.item_id for hit in store.search("aho", 9)] == ["b"]
