"""The desk between the history and its panel in the window: what was said is listed, found, read and continued.

The panel says what the user wants, the history is asked, and what comes of it is shown; what cannot be done becomes
a notice. Nothing here touches the conversation that goes on, except when an old one takes its place: that is
replayed by the core (`ConversationContinued`), and what is said from then on is kept with it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec

from desktop_app.conversation.entries import Entry
from desktop_app.conversation.inputs import ConversationContinued, Input
from desktop_app.conversation.past import ExportForm, Hit, PastConversation
from desktop_app.errors import Notice, NoticeAction, ParleyError
from desktop_app.history.history import History
from desktop_app.tasks import start_task
from desktop_app.ui.desktop import ask_where_to_save, ask_which_file, ask_which_folder
from desktop_app.ui.history_rows import title_words
from desktop_app.ui.main_window import MainWindow

P = ParamSpec("P")

MOST_HITS = 200
REFRESHED_EVERY_S = 0.4
"""At most: while an answer comes, the list is out of date with every piece of it."""
ENDINGS = {ExportForm.MARKDOWN: ".md", ExportForm.JSON: ".json", ExportForm.FOLDER: ""}
DEVICE = re.compile(r"(?i)con|prn|aux|nul|com\d|lpt\d")
"""Names that are devices on Windows, whatever their ending."""
NOTICE = "reading"
"""The key of the notices: one about the history at a time."""


class Reading:
    """Shows what was kept, and does what the user wants with it; loop thread only."""

    def __init__(
        self,
        history: History,
        window: MainWindow,
        post: Callable[[Input], None],
        *,
        begin_anew: Callable[[], None],
        continued: Callable[[], None],
    ) -> None:
        """`begin_anew`: the user begins a new conversation; `continued`: goes on with an old one."""
        self._history = history
        self._window = window
        self._panel = window.history
        self._post = post
        self._begin_anew = begin_anew
        self._continued = continued
        self._known: dict[int, PastConversation] = {}
        """The conversations as they were listed or found last."""
        self._renamed: dict[int, str] = {}
        """The titles the user gave in this run, by number: the model's does not replace them in the window."""
        self._continuing: int | None = None
        """What the next conversation continues."""
        self._shown = False
        self._stale = True
        self._refreshing = False
        self._wanted = ""
        """What to search for."""
        self._searching = False
        self._opened = 0
        self._told_of: int | None = None
        """The conversation whose oldest entries are no longer listed, and the user was told."""
        """Counts what was asked to be opened: only the last is shown."""

    def open(self, join: Callable[[Any, Callable[..., object]], None]) -> None:
        """Join the panel, and offer what the end of the last run cut off."""
        panel = self._panel
        join(panel.shown, self._panel_shown)
        join(panel.search_asked, self._search)
        join(panel.open_asked, lambda number, item: self._start(self._open, number, item))
        join(panel.continue_asked, self.go_on_with)
        join(panel.rename_asked, lambda number, title: self._start(self._rename, number, title))
        join(panel.pin_asked, lambda number, pinned: self._start(self._history.pin, number, pinned))
        join(panel.delete_asked, lambda number: self._start(self._delete, number))
        join(panel.export_asked, self._ask_where)
        join(panel.import_asked, self._ask_which)
        self._panel_shown(panel.isVisible())
        self._start(self._offer_what_was_cut)

    def changed(self) -> None:
        """The list of conversations is out of date."""
        self._stale = True
        if self._shown and not self._refreshing:
            self._refreshing = True
            self._start(self._refresh)

    def begin_conversation(self) -> None:
        """What is said from now on is kept as another conversation: a new one, or the old one that is continued."""
        number, self._continuing = self._continuing, None
        if number is None:
            self._history.begin()
        else:
            self._history.continue_(number)

    def name_conversation(self, title: str, topic: str) -> None:
        """The model named the conversation; a name that the user gave stays."""
        self._history.set_title(title, topic)
        current = self._history.current
        if title and current in self._renamed:
            self._window.show_title(self._renamed[current], topic)

    def go_on_with(self, number: int) -> None:
        """Go on with an old conversation; the present one is kept as every other."""
        self._start(self._go_on_with, number)

    # --- listing and finding ----------------------------------------------------------------------

    def _panel_shown(self, shown: bool) -> None:
        self._shown = shown
        if shown:
            self.changed()

    async def _refresh(self) -> None:
        """List the conversations as they are now, again and again while they change."""
        try:
            while self._stale and self._shown:
                self._stale = False
                await self._list()
                await asyncio.sleep(REFRESHED_EVERY_S)
        finally:
            self._refreshing = False

    async def _list(self) -> None:
        conversations = await self._history.conversations()
        self._known = {past.number: past for past in conversations}
        self._panel.show_present(self._history.current)
        self._panel.show_conversations(conversations)
        shown = self._window.past_number
        if shown in self._known:
            self._window.show_past_name(self._known[shown])
        if self._wanted:
            await self._find(self._wanted)

    def _search(self, text: str) -> None:
        self._wanted = text
        if text and not self._searching:
            self._searching = True
            self._start(self._search_on)

    async def _search_on(self) -> None:
        """Search for what is wanted; if that is another text by now, once more."""
        try:
            done = ""
            while self._wanted and self._wanted != done:
                done = self._wanted
                await self._find(done)
        finally:
            self._searching = False

    async def _find(self, text: str) -> None:
        hits: list[Hit] = await self._history.search(text, MOST_HITS)
        self._known.update({hit.conversation.number: hit.conversation for hit in hits})
        self._panel.show_hits(text, hits)

    # --- one conversation -------------------------------------------------------------------------

    async def _go_on_with(self, number: int) -> None:
        if number == self._history.current:
            self._window.show_present()
            return
        past = await self._about(number)
        entries = await self._history.entries(number)
        if past is None or not entries:
            raise _Gone()
        self._continued()
        self._continuing = number
        said: tuple[Entry, ...] = tuple(one.entry for one in entries)
        self._post(ConversationContinued(said, past.title, past.topic))
        self._window.show_present()
        self.changed()

    async def _open(self, number: int, item_id: str) -> None:
        """Show an old conversation, or the present one; only what was asked for last."""
        self._opened += 1
        opened = self._opened
        if number == self._history.current and (self._window.show_present(item_id) or not item_id):
            return
        await self._show_stored(number, item_id, opened)

    async def _open_stored(self, number: int, item_id: str) -> None:
        self._opened += 1
        await self._show_stored(number, item_id, self._opened)

    async def _show_stored(self, number: int, item_id: str, opened: int) -> None:
        past = await self._about(number)
        entries = await self._history.entries(number)
        if opened != self._opened:
            return
        if past is None or not entries:
            raise _Gone()
        self._window.show_past(past, entries, item_id)

    def tell_of_earlier(self) -> None:
        """An entry left the transcript for want of room: say where it is, once in a conversation."""
        number = self._history.current
        if number is not None and number != self._told_of:
            self._told_of = number
            text = "The oldest rows of this conversation are no longer listed here."
            hint = "They are kept in the history."
            self._window.show_notice(Notice(text, hint, key="earlier", action=NoticeAction.SHOW_EARLIER))

    def open_present_whole(self) -> None:
        """Show all that is kept of the conversation that is going on, to be read; it goes on meanwhile."""
        if self._history.current is not None:
            self._start(self._open_stored, self._history.current, "")

    async def _about(self, number: int) -> PastConversation | None:
        if number not in self._known:
            await self._list()
        return self._known.get(number)

    async def _rename(self, number: int, title: str) -> None:
        try:
            await self._history.rename(number, title)
        except ParleyError:
            self.changed()  # the list shows the new title already
            raise
        if number == self._history.current:
            self._renamed[number] = title
            if not title.strip():  # the model's will do
                del self._renamed[number]
            past = self._known.get(number)
            self._window.show_title(title, past.topic if past is not None else "")

    async def _delete(self, number: int) -> None:
        if number == self._history.current:
            self._begin_anew()
        elif number == self._window.past_number:
            self._window.show_present()
        await self._history.delete(number)

    # --- files ------------------------------------------------------------------------------------

    def _ask_where(self, number: int, form: ExportForm) -> None:
        past = self._known.get(number)
        name = file_name(title_words(past) if past is not None else "Conversation")
        if form is ExportForm.FOLDER:
            ask_which_folder(
                self._window,
                "Export into a new folder in",
                lambda path: self._start(self._export, number, form, free_name(path / name)),
            )
            return
        ask_where_to_save(
            self._window,
            "Export the conversation",
            f"{name}{ENDINGS[form]}",
            lambda path: self._start(self._export, number, form, path),
        )

    async def _export(self, number: int, form: ExportForm, path: Path) -> None:
        await self._history.export(number, form, path)
        self._window.show_notice(Notice("The conversation was exported.", f"It is in {path}.", key=NOTICE))

    def _ask_which(self) -> None:
        ask_which_file(
            self._window,
            "Import a conversation",
            "Conversations as JSON (*.json)",
            lambda path: self._start(self._import, path),
        )

    async def _import(self, path: Path) -> None:
        number = await self._history.import_(path)
        await self._list()
        await self._open(number, "")

    # --- inside -----------------------------------------------------------------------------------

    async def _offer_what_was_cut(self) -> None:
        past = await self._history.cut_off()
        if past is None:
            return
        text = f"The last conversation was cut off: «{title_words(past)}»."
        hint = "Everything said until then was kept. Continue it, or begin a new one."
        action = NoticeAction.CONTINUE
        self._window.show_notice(Notice(text, hint, key="cut off", action=action, details=str(past.number)))

    def _start(self, do: Callable[P, Coroutine[Any, Any, None]], *arguments: P.args, **named: P.kwargs) -> None:
        start_task(self._told(lambda: do(*arguments, **named)), name="reading the history")

    async def _told(self, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something; what cannot be done is said, and what is shown is brought up to date."""
        try:
            await do()
        except ParleyError as error:
            self._window.show_notice(Notice.of(error, key=NOTICE))


class _Gone(ParleyError):
    """The conversation is not there any more."""

    def __init__(self) -> None:
        super().__init__("This conversation is not there any more.", "Choose another one.")


def file_name(title: str) -> str:
    """Return a title as the name of a file, on any system."""
    kept = "".join(char if char.isprintable() and char not in '<>:"/\\|?*' else " " for char in title)
    name = " ".join(kept.split()).strip(" .")[:60].strip(" .") or "Conversation"
    return f"Conversation {name}" if DEVICE.fullmatch(name.partition(".")[0].strip()) else name


def free_name(path: Path) -> Path:
    """Return `path`, or with a number behind it if there is such a thing already."""
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name} {number}")
    return free
