"""The history of a profile: every conversation, stored as it happens, searched, exported.

What is kept costs the loop an append to a queue: one thread of its own does all work on the file. It stores what
is final at once, and what is still in progress once a second, so that a reply of fifty pieces a second is written
once. What is asked for is answered after everything that was given before it. What cannot be written is said once,
kept, and tried again; a history that cannot be opened is said once, and is empty.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import apsw

from desktop_app.conversation.entries import Entry, EntryStatus
from desktop_app.conversation.past import ExportForm, Hit, PastConversation, PastEntry
from desktop_app.errors import HistoryError, Notice, Severity
from desktop_app.history import exchange, schema
from desktop_app.history.store import (
    CANNOT_WRITE,
    DAMAGED,
    Begin,
    Change,
    Continue,
    Keep,
    LetGo,
    Name,
    Remove,
    Sound,
    Store,
)

RUNNING_EVERY_S = 1.0
"""How often an entry that is in progress is stored."""
RETRY_S = 5.0
"""When what could not be written is tried again."""
MAX_WAITING = 20_000
"""Changes that wait for a disk that takes nothing; of more, the oldest are given up."""
CLOSE_S = 10.0
"""How long the end of the program waits for the disk."""
NOTICE = "history"
"""The key of the notices."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class _NoHistory(Exception):
    """The file was damaged, and there cannot be another one; the user was told."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """Something whose answer is awaited; `without`: the answer of a history that could not be opened."""

    work: Callable[[Store], Any]
    without: Callable[[], Any]
    answer: asyncio.Future[Any]


class History:
    """The conversations of a profile. Everything is called on the loop's thread."""

    def __init__(
        self,
        folder: Path,
        *,
        show_notice: Callable[[Notice], None] = lambda _: None,
        changed: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.time,
        retry_s: float = RETRY_S,
    ) -> None:
        """`changed` is called when the list of conversations is out of date; both callbacks on the loop."""
        self._folder = folder
        self._show_notice = show_notice
        self._changed = changed
        self._now = now
        self._retry_s = retry_s
        self._queue: SimpleQueue[Change | _Ask | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told: set[tuple[str, str]] = set()
        self._keeping = True
        self.current: int | None = None
        """The number of the conversation that is going on, once something of it is stored."""
        self._ended = asyncio.Event()
        # Of the thread:
        self._waiting: list[Change] = []
        self._due = 0.0
        """When what waits is to be written, by the monotonic clock."""
        self._stuck = False
        self._reindexed = False
        self._asked: _Ask | None = None
        """What is being answered."""
        self._running: dict[str, int] = {}
        """Where in `waiting` the last state of an entry stands, by item id."""

    def open(self) -> None:
        """Start the thread; what went wrong with the file is told by and by."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="history", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Wait until everything is stored, but not for ever."""
        if self._thread is None:
            return
        self._queue.put(None)
        thread, self._thread = self._thread, None
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._ended.wait()
        except TimeoutError:
            _log.warning("the history could not be closed in time")
        else:
            thread.join(1)

    # --- what is kept: nothing here waits -------------------------------------------------------

    def set_keeping(self, keeping: bool) -> None:
        """Whether what is said is kept from now on; what was kept before stays."""
        if self._keeping != keeping:
            self._keeping = keeping
            self._queue.put(Begin())

    def begin(self) -> None:
        """A new conversation begins; it is listed once something was said."""
        self._queue.put(Begin())

    def continue_(self, number: int) -> None:
        """What is kept from now on belongs to this conversation."""
        self._queue.put(Continue(number))

    def keep(self, entry: Entry, after: str | None) -> None:
        """Store an entry, or what has become of it; `after` as in `ShowEntry`."""
        if self._keeping:
            self._queue.put(Keep(entry, after, self._now()))

    def remove(self, item_id: str) -> None:
        """Delete an entry of the conversation that is going on."""
        self._queue.put(Remove(item_id))

    def let_go(self, item_id: str) -> None:
        """An entry left the transcript for want of room: it stays in the history."""
        self._queue.put(LetGo(item_id))

    def set_title(self, title: str, topic: str) -> None:
        """The model named the conversation."""
        if title or topic:
            self._queue.put(Name(title, topic))

    def keep_sound(self, sound: Sound) -> None:
        """Store how an entry of the conversation that is going on sounded."""
        if self._keeping:
            self._queue.put(sound)

    # --- what is asked --------------------------------------------------------------------------

    async def stored(self) -> None:
        """Return when everything that was given so far is on the disk; raises HistoryError if it cannot be."""
        await self._ask(self._all_stored, lambda: None)

    async def conversations(self) -> list[PastConversation]:
        """Return all conversations: pinned first, then the newest."""
        return await self._ask(Store.conversations, list)

    async def entries(self, number: int) -> list[PastEntry]:
        """Return the entries of a conversation, in order."""
        return await self._ask(lambda store: store.entries(number), list)

    async def search(self, text: str, limit: int = 50) -> list[Hit]:
        """Return where all words of any text occur: titles first, then entries, the newest first."""
        return await self._ask(lambda store: store.search(text, limit), list)

    async def cut_off(self) -> PastConversation | None:
        """Return the conversation that the end of the last run cut off."""
        return await self._ask(Store.cut_off, lambda: None)

    async def rename(self, number: int, title: str) -> None:
        """Give a conversation another title; the model's does not replace it."""
        await self._ask(lambda store: store.rename(number, title), lambda: None)
        self._changed()

    async def pin(self, number: int, pinned: bool) -> None:
        """Keep a conversation at the top of the list, or no longer."""
        await self._ask(lambda store: store.pin(number, pinned), lambda: None)
        self._changed()

    async def delete(self, number: int) -> None:
        """Delete a conversation so that nothing of it is left on the disk."""
        await self._ask(lambda store: store.delete(number), lambda: None)
        self._changed()

    async def export(self, number: int, form: ExportForm, path: Path) -> None:
        """Write a conversation to a file, or into a new folder (FOLDER); raises HistoryError."""
        whole = await self._ask(lambda store: store.whole(number), lambda: None)
        if whole is None:
            raise HistoryError("This conversation is not kept any more.")
        await asyncio.to_thread(exchange.write, whole, form, path)

    async def import_(self, path: Path) -> int:
        """Take in a conversation that was exported as JSON; return its number. Raises HistoryError."""
        whole = await asyncio.to_thread(exchange.read, path)
        number: int = await self._ask(lambda store: store.add(whole), _nowhere)
        self._changed()
        return number

    def _all_stored(self, _: Store) -> None:
        if self._waiting:
            raise HistoryError("Not everything is stored yet.")

    async def _ask(self, work: Callable[[Store], T], without: Callable[[], T]) -> T:
        if self._thread is None:
            return without()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Ask(work, without, answer))
        return await answer

    # --- the thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            closed = self._serve()
        except Exception as error:  # a bug: it is shown as such, and nobody waits for an answer that does not come
            assert self._loop is not None
            context = {"message": "the history failed", "exception": error}
            self._post(self._loop.call_exception_handler, context)
            closed = False
        if self._asked is not None:
            self._queue.put(self._asked)
        self._answer_without(closed)
        self._post(self._ended.set)

    def _serve(self) -> bool:
        """Work until the end; return whether it was asked for."""
        store = self._open_store()
        if store is None:
            return False
        try:
            while (store := self._step(store)) is not None:
                pass
        except _NoHistory:
            return False
        return True

    def _step(self, store: Store) -> Store | None:
        """Take what was given since, store what is due; return the store to go on with."""
        try:
            given = self._queue.get(timeout=max(self._due - time.monotonic(), 0) if self._waiting else None)
        except Empty:
            return self._write(store)
        while True:
            if given is None:
                self._write(store)
                store.close()
                return None
            if isinstance(given, _Ask):
                self._asked = given
                if not self._is_stuck():
                    store = self._write(store)
                store = self._answer(store, given)
                self._asked = None
            else:
                self._add(given)
            try:
                given = self._queue.get_nowait()
            except Empty:
                break
        return self._write(store) if self._waiting and time.monotonic() >= self._due else store

    def _add(self, change: Change) -> None:
        """Put a change behind those that wait; of an entry that is in progress only the last state counts."""
        stuck = self._is_stuck()
        if not self._waiting:
            self._due = time.monotonic() + RUNNING_EVERY_S
        if isinstance(change, Keep):
            at = self._running.get(change.entry.item_id)
            before = self._waiting[at] if at is not None else None
            if at is not None and isinstance(before, Keep) and before.after == change.after:
                self._waiting[at] = Keep(change.entry, change.after, before.at)
            else:
                self._running[change.entry.item_id] = len(self._waiting)
                self._waiting.append(change)
            if change.entry.status is EntryStatus.IN_PROGRESS:
                return
        else:
            self._running.clear()  # what is kept after a removal, or in another conversation, is another thing
            self._waiting.append(change)
        if not stuck:
            self._due = 0.0
        else:
            self._give_up_the_oldest()

    def _give_up_the_oldest(self) -> None:
        """The disk takes nothing: the memory is not to fill instead."""
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[:-MAX_WAITING]
            self._running.clear()

    def _is_stuck(self) -> bool:
        """Whether the disk took nothing the last time, and is not to be tried yet."""
        return self._stuck and time.monotonic() < self._due

    def _write(self, store: Store) -> Store:
        """Store what waits; return the store to go on with."""
        if not self._waiting:
            return store
        try:
            listed_anew = store.apply(self._waiting)
        except CANNOT_WRITE as error:
            self._stuck = True
            self._due = time.monotonic() + self._retry_s
            self._tell(_cannot_write(error))
            self._give_up_the_oldest()
            return store
        except DAMAGED as error:
            return self._mended(store, error)
        self._stuck = False
        self._waiting.clear()
        self._running.clear()
        self._post(self._list_changed if listed_anew else self._set_current, store.current)
        return store

    def _answer(self, store: Store, ask: _Ask) -> Store:
        if ask.answer.cancelled():
            return store
        try:
            result = ask.work(store)
        except DAMAGED as error:
            store = self._mended(store, error)
            self._reply_without(ask)
        except CANNOT_WRITE as error:
            self._reply(ask, HistoryError(*_cannot_write(error)))
        except Exception as error:  # handed over to whoever awaits
            self._reply(ask, error)
        else:
            self._reply(ask, result)
            self._post(self._set_current, store.current)
        return store

    def _reply(self, ask: _Ask, result: Any) -> None:
        def reply() -> None:
            if ask.answer.done():
                return
            if isinstance(result, Exception):
                ask.answer.set_exception(result)
            else:
                ask.answer.set_result(result)

        self._post(reply)

    def _answer_without(self, closed: bool) -> None:
        """There is no store any more, or never was."""
        while not (closed and self._queue.empty()):
            given = self._queue.get()
            if given is None:
                closed = True
            elif isinstance(given, _Ask):
                self._reply_without(given)

    def _reply_without(self, ask: _Ask) -> None:
        try:
            self._reply(ask, ask.without())
        except HistoryError as error:
            self._reply(ask, error)

    def _open_store(self, *, damaged: bool = False) -> Store | None:
        """Open the file; one that is damaged is set aside. None: there will be no history."""
        try:
            try:
                return self._anew() if damaged else Store(self._folder)
            except (schema.Damaged, *DAMAGED):
                return self._anew()
        except HistoryError as error:
            self._tell((error.sentence, error.hint))
        except (OSError, apsw.Error):
            hint = f"You can talk and type all the same. Check the disk at {self._folder}."
            self._tell(("The history cannot be opened, so nothing is kept.", hint))
        return None

    def _mended(self, store: Store, error: apsw.Error) -> Store:
        """The file is damaged: if it is the index only, make that anew, else set the file aside."""
        if getattr(error, "extendedresult", 0) == apsw.SQLITE_CORRUPT_VTAB and not self._reindexed:
            self._reindexed = True
            with suppress(*DAMAGED):
                store.reindex()
                return store
        store.abandon()
        if (anew := self._open_store(damaged=True)) is None:
            raise _NoHistory
        return anew

    def _anew(self) -> Store:
        name = schema.set_aside(self._folder / schema.FILE_NAME)
        self._tell(("The history was damaged, so a new one was begun.", f"The old one was kept as {name}."))
        return Store(self._folder)

    def _tell(self, words: tuple[str, str]) -> None:
        """Say something to the user, once."""
        if words not in self._told:
            self._told.add(words)
            self._post(self._show_notice, Notice(*words, Severity.WARNING, NOTICE))

    def _post(self, function: Callable[..., None], *arguments: Any) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function, *arguments)

    # --- back on the loop -----------------------------------------------------------------------

    def _list_changed(self, current: int | None) -> None:
        self._set_current(current)
        self._changed()

    def _set_current(self, current: int | None) -> None:
        self.current = current


def _cannot_write(error: apsw.Error) -> tuple[str, str]:
    full = isinstance(error, apsw.FullError)
    why = "the disk is full" if full else "its file cannot be written"
    return (
        f"The history is not stored at present: {why}.",
        "You can talk and type all the same; it is stored as soon as that is possible.",
    )


def _nowhere() -> int:
    raise HistoryError("There is no history to take the conversation into.")
