"""The desk between panel and history: only what was wanted last is shown, and what fails is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtCore import SignalInstance
from PySide6.QtWidgets import QApplication

from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.conversation.inputs import ConversationContinued, Input
from desktop_app.conversation.past import ExportForm, Hit, PastConversation, PastEntry
from desktop_app.errors import HistoryError, NoticeAction
from desktop_app.history.history import History
from desktop_app.reading import Reading, file_name, free_name
from desktop_app.ui.history_rows import Found, Line, title_words
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.notices import NoticesBar
from desktop_app.ui.theme import Appearance, Theme
from tests.conftest import RunAsync

WITHIN_S = 8.0
REFUSED = HistoryError("The history cannot be written.", "Check that the disk is not full.")


class FakeHistory:
    """Conversations in memory; an answer can be held back, or refused."""

    def __init__(self) -> None:
        self.current: int | None = 1
        self.kept = {n: PastConversation(n, 0.0, float(n), f"Title {n}") for n in (1, 2, 3)}
        self.cut: PastConversation | None = None
        self.did: list[tuple[object, ...]] = []
        self.hold: dict[object, asyncio.Event] = {}
        """By what is asked: wait for this before answering."""
        self.refuses = False

    async def _answer(self, asked: object) -> None:
        if asked in self.hold:
            await self.hold[asked].wait()
        if self.refuses:
            raise REFUSED

    async def conversations(self) -> list[PastConversation]:
        return list(self.kept.values())

    async def entries(self, number: int) -> list[PastEntry]:
        await self._answer(number)
        if number not in self.kept:
            return []
        return [PastEntry(Entry(f"i{number}", Role.USER, f"Words {number}", EntryStatus.COMPLETED), 0.0)]

    async def search(self, text: str, limit: int) -> list[Hit]:
        await self._answer(text)
        return [Hit(self.kept[2], "i2", 0.0, f"about {text}")]

    async def cut_off(self) -> PastConversation | None:
        return self.cut

    async def rename(self, number: int, title: str) -> None:
        await self._answer("rename")
        self.kept[number] = replace(self.kept[number], title=title)

    async def pin(self, number: int, pinned: bool) -> None:
        await self._answer("pin")
        self.did.append(("pin", number, pinned))

    async def delete(self, number: int) -> None:
        await self._answer("delete")
        self.did.append(("delete", number))
        del self.kept[number]

    async def export(self, number: int, form: ExportForm, path: Path) -> None:
        await self._answer("export")
        self.did.append(("export", number, form, path.name))

    def begin(self) -> None:
        self.did.append(("begin",))

    def continue_(self, number: int) -> None:
        self.did.append(("continue", number))

    def set_title(self, title: str, topic: str) -> None:
        self.did.append(("title", title, topic))


class Desk:
    """A window, a history and the desk between."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.history = FakeHistory()
        self.posted: list[Input] = []
        self.begun: list[str] = []
        self.reading = Reading(
            cast(History, self.history),
            window,
            self.posted.append,
            begin_anew=lambda: self.begun.append("anew"),
            continued=lambda: self.begun.append("continued"),
        )
        self.reading.open(lambda signal, slot: signal.connect(slot))
        window.show_history(is_open=True)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + WITHIN_S
        while not condition():
            assert loop.time() < ends_s, f"{what}: never"
            await asyncio.sleep(0.005)

    def titles(self) -> list[str]:
        model = self.window.history.model
        rows = [model.row(model.index(row)) for row in range(model.rowCount())]
        return [title_words(row.past) for row in rows if isinstance(row, Line)]

    def found(self) -> list[str]:
        model = self.window.history.model
        rows = [model.row(model.index(row)) for row in range(model.rowCount())]
        return [row.hit.snippet for row in rows if isinstance(row, Found)]

    def told(self) -> list[str]:
        bar = self.window.findChild(NoticesBar)
        assert bar is not None
        return [notice.text for notice in bar.notices]

    async def close(self) -> None:
        self.window.show_history(is_open=False)
        for event in self.history.hold.values():
            event.set()
        await self.until(lambda: not self.reading._refreshing, "the end of the last look")


@pytest.fixture
def window(qapp: QApplication) -> Iterator[MainWindow]:
    theme = Theme(qapp, Appearance.LIGHT, reduced_motion=True)
    made = MainWindow(theme)
    made.resize(1000, 700)
    made.show()
    yield made
    made.hide()
    made.deleteLater()
    theme.deleteLater()


def test_only_what_was_opened_last_is_shown(run_async: RunAsync, window: MainWindow) -> None:
    async def story() -> None:
        desk = Desk(window)
        await desk.until(lambda: len(desk.titles()) == 3, "the list")
        desk.history.hold = {2: asyncio.Event()}
        window.history.open_asked.emit(2, "")
        window.history.open_asked.emit(3, "")
        await desk.until(lambda: window.past_number == 3, "the second one")
        desk.history.hold[2].set()
        await asyncio.sleep(0.05)
        assert window.past_number == 3
        await desk.close()

    run_async(story())


def test_what_is_no_longer_listed_can_be_shown(run_async: RunAsync, window: MainWindow) -> None:
    async def story() -> None:
        desk = Desk(window)
        await desk.until(lambda: len(desk.titles()) == 3, "the list")
        desk.history.current = 2
        desk.reading.tell_of_earlier()
        desk.reading.tell_of_earlier()
        assert [text for text in desk.told() if "no longer listed" in text] == [desk.told()[-1]], "said once"
        desk.reading.open_present_whole()
        await desk.until(lambda: window.past_number == 2, "all that is kept of it")
        await desk.close()

    run_async(story())


def test_only_hits_for_what_is_searched_for_now_are_shown(run_async: RunAsync, window: MainWindow) -> None:
    async def story() -> None:
        desk = Desk(window)
        await desk.until(lambda: len(desk.titles()) == 3, "the list")
        desk.history.hold = {"tra": asyncio.Event()}
        for text in ("tra", "train"):
            window.history.field.setText(text)
            window.history._search()
        assert desk.found() == []
        desk.history.hold["tra"].set()
        await desk.until(lambda: desk.found() == ["about train"], "the hits")
        await desk.close()

    run_async(story())


def test_what_fails_is_said_and_the_list_is_true_again(run_async: RunAsync, window: MainWindow) -> None:
    async def story() -> None:
        desk = Desk(window)
        await desk.until(lambda: len(desk.titles()) == 3, "the list")
        desk.history.refuses = True
        model = window.history.model
        model.setData(model.index_of(("conversation", 2, "")), "Other")
        assert "Other" in desk.titles(), "it is shown before it is kept"
        await desk.until(lambda: "Title 2" in desk.titles(), "what is kept")
        assert REFUSED.sentence in desk.told()
        panel = window.history
        asked: list[tuple[SignalInstance, tuple[object, ...]]] = [
            (panel.open_asked, (2, "")),
            (panel.continue_asked, (2,)),
            (panel.pin_asked, (2, True)),
            (panel.delete_asked, (2,)),
        ]
        for signal, what in asked:
            window.dismiss_notice("reading")
            signal.emit(*what)
            await desk.until(lambda: REFUSED.sentence in desk.told(), "the reason")
        assert desk.posted == []
        assert window.past_number is None
        await desk.close()

    run_async(story())


def test_one_that_is_not_there_any_more_is_said(run_async: RunAsync, window: MainWindow) -> None:
    async def story() -> None:
        desk = Desk(window)
        window.history.open_asked.emit(99, "")
        await desk.until(lambda: any("not there any more" in text for text in desk.told()), "a notice")
        await desk.close()

    run_async(story())


def test_continuing_is_the_next_conversation_and_no_later_one(run_async: RunAsync, window: MainWindow) -> None:
    async def story() -> None:
        desk = Desk(window)
        desk.reading.go_on_with(2)
        await desk.until(lambda: desk.posted, "an input for the core")
        (continued,) = desk.posted
        assert isinstance(continued, ConversationContinued)
        assert (continued.title, [entry.text for entry in continued.entries]) == ("Title 2", ["Words 2"])
        assert desk.begun == ["continued"]
        desk.reading.begin_conversation()  # the core clears the window for it
        desk.reading.begin_conversation()  # and some time later the user begins anew
        assert desk.history.did == [("continue", 2), ("begin",)]
        desk.history.current = 2
        desk.reading.go_on_with(2)
        await asyncio.sleep(0.05)
        assert len(desk.posted) == 1, "it goes on already"
        await desk.close()

    run_async(story())


def test_the_users_title_stays_in_the_window(run_async: RunAsync, window: MainWindow) -> None:
    async def story() -> None:
        desk = Desk(window)
        await desk.until(lambda: len(desk.titles()) == 3, "the list")
        window.history.rename_asked.emit(1, "Mine")
        await desk.until(lambda: "Mine" in window.windowTitle(), "the title")
        window.show_title("The model's", "Topic")
        desk.reading.name_conversation("The model's", "Topic")
        assert "Mine" in window.windowTitle()
        assert ("title", "The model's", "Topic") in desk.history.did
        window.history.rename_asked.emit(1, "")
        await desk.until(lambda: "Mine" not in window.windowTitle(), "no title")
        window.show_title("The model's", "Topic")
        desk.reading.name_conversation("The model's", "Topic")
        assert "The model's" in window.windowTitle(), "no title of the user's stands in its way"
        await desk.close()

    run_async(story())


def test_what_was_cut_off_is_offered_with_its_number(run_async: RunAsync, window: MainWindow) -> None:
    async def story() -> None:
        desk = Desk(window)
        desk.history.cut = desk.history.kept[3]
        await desk.reading._offer_what_was_cut()
        bar = window.findChild(NoticesBar)
        assert bar is not None
        notice = bar.notices[-1]
        assert "Title 3" in notice.text
        assert notice.hint
        assert (notice.action, notice.details) == (NoticeAction.CONTINUE, "3")
        await desk.close()

    run_async(story())


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Trains to Berlin", "Trains to Berlin"),
        ("../../etc/passwd", "etc passwd"),
        ('a<b>:"c"|?*', "a b c"),
        (" . ", "Conversation"),
        ("x" * 99, "x" * 60),
        ("a\0b\x1b\n\u202ec\ud800", "a b c"),
        ("nul", "Conversation nul"),
        ("Aux.iliary", "Conversation Aux.iliary"),
        ("الوقت", "الوقت"),
    ],
)
def test_a_title_becomes_the_name_of_a_file(title: str, name: str) -> None:
    assert file_name(title) == name


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    assert free_name(tmp_path / "Trains") == tmp_path / "Trains"
    (tmp_path / "Trains").mkdir()
    (tmp_path / "Trains 2").mkdir()
    assert free_name(tmp_path / "Trains") == tmp_path / "Trains 3"
