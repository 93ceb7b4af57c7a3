"""The history on the loop: it never waits, stores what is final at once, and says what cannot be stored."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from desktop_app.conversation.entries import Role
from desktop_app.conversation.past import ExportForm, PastConversation, PastEntry
from desktop_app.errors import HistoryError, Notice
from desktop_app.history import exchange, schema
from desktop_app.history import history as module
from desktop_app.history.history import History
from desktop_app.history.store import Store, Whole
from tests.history.entries import FULL, said


@dataclass
class Told:
    """What the history said."""

    notices: list[Notice] = field(default_factory=list)
    changes: int = 0

    def changed(self) -> None:
        """The list is out of date."""
        self.changes += 1


@asynccontextmanager
async def opened(folder: Path, told: Told | None = None, retry_s: float = 0.05) -> AsyncIterator[History]:
    """A history that is open."""
    told = told or Told()
    history = History(folder, show_notice=told.notices.append, changed=told.changed, retry_s=retry_s)
    history.open()
    try:
        yield history
    finally:
        await history.close()
        assert "history" not in [thread.name for thread in threading.enumerate()]


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another thread makes it so
            await asyncio.sleep(0.01)


def stored(folder: Path) -> list[str]:
    """Return the texts in the file, as another program sees them."""
    file = apsw.Connection(str(folder / schema.FILE_NAME), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [json.loads(content)["text"] for (content,) in file.execute("SELECT content FROM entry ORDER BY id")]
    except (apsw.SQLError, apsw.BusyError):  # it is being made
        return []
    finally:
        file.close()


async def test_what_was_said_is_there_the_next_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        history.keep(said("a"), None)
        history.keep(FULL, "a")
        history.set_title("Title", "topic")
    async with opened(tmp_path) as history:
        (about,) = await history.conversations()
        assert (about.title, about.topic, about.entries, about.cut_off) == ("Title", "topic", 2, False)
        assert [past.entry for past in await history.entries(about.number)] == [said("a"), FULL]
        assert await history.cut_off() is None
        assert history.current is None


async def test_what_is_final_is_on_the_disk_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        await history.stored()
        history.keep(said("a", "final"), None)
        await until(lambda: stored(tmp_path) == ["final"])


async def test_what_is_in_progress_is_stored_by_and_by_and_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[int] = []
    apply = Store.apply

    def counted(store: Store, changes: list[object]) -> bool:
        applied.append(len(changes))
        return apply(store, changes)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "apply", counted)
    async with opened(tmp_path) as history:
        await history.stored()
        for n in range(1, 500):
            history.keep(said("a", "word " * n, Role.ASSISTANT, running=True), None)
        await until(lambda: stored(tmp_path))
        assert len(applied) <= 3
        assert sum(applied) <= 3, "only the last state counts"
        await history.stored()
        assert stored(tmp_path) == ["word " * 499]


async def test_what_moves_while_it_is_in_progress_ends_where_it_belongs(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        history.keep(said("x"), None)
        history.keep(said("a", running=True), "x")
        history.keep(said("b", running=True), "a")
        history.keep(said("a", "moved", running=True), "b")
        history.keep(said("b"), "x")
        await history.stored()
        entries = [past.entry for past in await history.entries(1)]
        assert [entry.item_id for entry in entries] == ["x", "b", "a"]
        assert entries[2].text == "moved"


async def test_conversations_follow_each_other(tmp_path: Path) -> None:
    told = Told()
    async with opened(tmp_path, told) as history:
        history.keep(said("a", "first"), None)
        history.begin()
        history.keep(said("a", "second"), None)
        await history.stored()
        assert history.current == 2
        history.continue_(1)
        history.keep(said("b", "third"), "a")
        history.remove("a")
        await history.stored()
        assert history.current == 1
        assert [past.entry.text for past in await history.entries(1)] == ["third"]
        assert [hit.item_id for hit in await history.search("thi")] == ["b"]
        before = told.changes
        await history.rename(1, "Mine")
        await history.pin(2, True)
        await history.delete(1)
        assert told.changes >= before + 3
        assert [about.number for about in await history.conversations()] == [2]


async def test_nothing_is_kept_while_nothing_is_to_be_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        history.keep(said("a"), None)
        history.set_keeping(False)
        history.keep(said("b"), "a")
        history.set_title("Secret", "")
        history.set_keeping(True)
        history.keep(said("c"), "b")
        await history.stored()
        assert stored(tmp_path) == ["words of a", "words of c"]
        assert [about.title for about in await history.conversations()] == ["", ""]


class Counted:
    """A queue that can do nothing but take."""

    taken = 0

    def put(self, item: object) -> None:
        """Take something."""
        self.taken += 1


def test_what_is_kept_costs_the_loop_an_append(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history, queue = History(tmp_path), Counted()
    monkeypatch.setattr(history, "_queue", queue)
    for n in range(50):
        history.keep(said("a", "word " * n, running=True), None)
    assert queue.taken == 50
    assert not (tmp_path / schema.FILE_NAME).exists()


# --- what cannot be done ------------------------------------------------------------------------


async def test_a_newer_file_is_a_sentence_and_the_talk_goes_on(tmp_path: Path) -> None:
    file = apsw.Connection(str(tmp_path / schema.FILE_NAME))
    file.execute("PRAGMA user_version = 99")
    file.close()
    told = Told()
    async with opened(tmp_path, told) as history:
        history.keep(said("a"), None)
        await history.stored()
        assert await history.conversations() == []
        assert await history.search("a") == []
        assert await history.entries(1) == []
        assert await history.cut_off() is None
        await history.delete(1)
        with pytest.raises(HistoryError):
            await history.export(1, ExportForm.JSON, tmp_path / "x.json")
    assert ["newer" in notice.text for notice in told.notices] == [True]


async def test_a_damaged_file_is_set_aside_and_said_once(tmp_path: Path) -> None:
    (tmp_path / schema.FILE_NAME).write_bytes(b"no database" * 1000)
    told = Told()
    async with opened(tmp_path, told) as history:
        history.keep(said("a"), None)
        await history.stored()
        assert len(await history.conversations()) == 1
    assert [notice.key for notice in told.notices] == ["history"]
    assert f"{schema.FILE_NAME}.damaged" in told.notices[0].hint
    assert (tmp_path / f"{schema.FILE_NAME}.damaged").read_bytes() == b"no database" * 1000


async def test_a_file_that_is_damaged_while_it_is_used_is_set_aside(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        for n in range(300):
            history.keep(said(f"{n}", f"words {n} " * 30), f"{n - 1}" if n else None)
    path = tmp_path / schema.FILE_NAME
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    told = Told()
    async with opened(tmp_path, told) as history:
        await history.entries(1)
        await history.search("words")
        history.keep(said("after"), None)
        await history.stored()
        assert [hit.item_id for hit in await history.search("after")] == ["after"]
    assert len(told.notices) == 1
    assert (tmp_path / f"{schema.FILE_NAME}.damaged").read_bytes()[8192:] == content[8192:]


async def test_a_damaged_file_that_cannot_be_set_aside_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(store: Store) -> list[object]:
        raise apsw.CorruptError("damaged")

    def not_possible(path: Path) -> str:
        raise PermissionError

    told = Told()
    async with opened(tmp_path, told) as history:
        history.keep(said("a"), None)
        await history.stored()
        monkeypatch.setattr(schema, "set_aside", not_possible)
        monkeypatch.setattr(Store, "conversations", damaged)
        assert await history.conversations() == []
        with pytest.raises(HistoryError):
            await history.import_(exported(tmp_path))
        assert await history.search("a") == []
    assert ["cannot be opened" in notice.text for notice in told.notices] == [True]


async def test_what_is_deleted_is_wiped_later_if_the_disk_does_not_let_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: Store) -> None:
        raise apsw.FullError("no room")

    told = Told()
    async with opened(tmp_path, told) as history:
        history.keep(said("a", "kakapo"), None)
        history.keep(said("b"), "a")
        with monkeypatch.context() as patch:
            patch.setattr(Store, "_wiped", full)
            history.begin()
            history.keep(said("c"), None)
            history.keep(said("d", "kakapo"), "c")
            history.remove("d")
            await history.stored()
        history.keep(said("e"), "c")
        await history.stored()
        assert [about.entries for about in await history.conversations()] == [2, 2], "nothing was done twice"
    assert told.notices == []


def exported(folder: Path) -> Path:
    """Return a file that can be imported."""
    about = PastConversation(1, 1.0, 1.0, "Title")
    exchange.write(Whole(about, [PastEntry(said("a", "imported"), 1.0)]), ExportForm.JSON, folder / "in.json")
    return folder / "in.json"


async def test_what_is_exported_comes_in_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "profile") as history:
        history.keep(said("a"), None)
        await history.stored()
        number = await history.import_(exported(tmp_path))
        assert number == 2
        assert history.current == 1, "the conversation that goes on is another one"
        await history.export(number, ExportForm.MARKDOWN, tmp_path / "out.md")
        assert "imported" in (tmp_path / "out.md").read_text("utf-8")
        with pytest.raises(HistoryError, match="not kept any more"):
            await history.export(99, ExportForm.MARKDOWN, tmp_path / "no.md")


async def test_a_damaged_index_is_mended_and_nobody_hears_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        history.keep(said("a", "albatross"), None)
    file = apsw.Connection(str(tmp_path / schema.FILE_NAME))
    file.execute("UPDATE found_data SET block = x'ffffffffff'")
    file.close()
    told = Told()
    async with opened(tmp_path, told) as history:
        await history.search("alba")
        assert [hit.item_id for hit in await history.search("alba")] == ["a"]
    assert told.notices == []


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from desktop_app.history.history import History
from desktop_app.errors import HistoryError
from tests.history.entries import said

async def main() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    notices = []
    history = History(Path(sys.argv[1]), show_notice=notices.append, retry_s=0.05)
    history.open()
    history.keep(said("a"), None)
    await history.stored()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    for n in range(50):
        history.keep(said(f"b{n}", "x" * 2000), f"b{n - 1}" if n else "a")
        try:
            await history.stored()
            print("stored on a full disk")
        except HistoryError as error:
            pass
    assert [about.entries for about in await history.conversations()] == [1], "what there is can be read"
    print(len(notices), notices[0].text)
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    async with asyncio.timeout(30):
        while True:
            try:
                await history.stored()
                break
            except HistoryError:
                await asyncio.sleep(0.02)
    print([past.entry.item_id for past in await history.entries(1)] == ["a", *(f"b{n}" for n in range(50))])
    await history.close()
    print(len(notices))

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of a file's size")
def test_on_a_full_disk_one_sentence_is_said_and_everything_is_stored_later(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.stderr == ""
    first, *rest = run.stdout.splitlines()
    assert first.startswith("1 The history is not stored at present")
    assert rest == ["True", "1"]


async def test_a_disk_that_stays_full_does_not_fill_the_memory_nor_hold_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: Store, changes: object) -> bool:
        raise apsw.FullError("no room")

    monkeypatch.setattr(module, "MAX_WAITING", 100)
    monkeypatch.setattr(Store, "apply", full)
    told = Told()
    async with opened(tmp_path, told, retry_s=3600) as history:
        for n in range(1000):
            history.keep(said(f"{n}"), None)
        with pytest.raises(HistoryError):
            await history.stored()
        assert len(history._waiting) <= 100
    assert [notice.text for notice in told.notices] == ["The history is not stored at present: the disk is full."]


async def test_a_bug_is_shown_and_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(store: Store, changes: object) -> bool:
        raise ZeroDivisionError

    seen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context["exception"]))
    async with opened(tmp_path) as history:
        monkeypatch.setattr(Store, "apply", broken)
        history.keep(said("a"), None)
        assert await history.conversations() == []
        assert await history.conversations() == []
    assert [type(error) for error in seen] == [ZeroDivisionError]


async def test_before_it_is_opened_and_after_it_was_closed_there_is_nothing(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.keep(said("a"), None)
    assert await history.conversations() == []
    await history.close()
    async with opened(tmp_path) as history:
        assert await history.conversations() == []
    history.keep(said("a"), None)
    assert await history.conversations() == []


async def test_a_question_that_nobody_asks_any_more_is_not_answered(tmp_path: Path) -> None:
    async with opened(tmp_path) as history:
        await history.stored()
        asked = [asyncio.ensure_future(history.search("a")) for _ in range(100)]
        await asyncio.sleep(0)
        for question in asked:
            question.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert await history.search("a") == []
