"""What was said is kept: closed and started again, the program finds it, opens it there, and goes on with it.

The whole program runs in this process against a scripted server, twice over the same profile; the history panel is
used by its keys and buttons, and what the program gives back to the model is read off the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QMenu, QPushButton, QWidget

from desktop_app.protocol import events as wire
from desktop_app.ui.history_panel import HistoryPanel
from desktop_app.ui.history_rows import Found, Heading, Line, Row, snippet_words, title_words
from desktop_app.ui.past_view import PastView
from desktop_app.ui.side_pane import SidePane
from tests.conftest import RunAsync
from tests.harness.inside import User, click, press, program
from tests.harness.mind import Mind, Reply
from tests.harness.scripted_server import ScriptedServer

CONTROL = Qt.KeyboardModifier.ControlModifier
SEA = "The sea is deep, and most of it was never seen by anybody."


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key the scripted server wants."""
    monkeypatch.setenv("OPENAI_API_KEY", ScriptedServer.token)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


class Reader(User):
    """Uses the history panel."""

    @property
    def panel(self) -> HistoryPanel:
        """The panel."""
        return self.window.history

    @property
    def past(self) -> PastView:
        """The view of an old conversation."""
        view = self.window.findChild(PastView)
        assert view is not None
        return view

    def rows(self) -> list[Row]:
        """Return the rows of the list."""
        model = self.panel.model
        rows = [model.row(model.index(row)) for row in range(model.rowCount())]
        return [row for row in rows if row is not None]

    def titles(self) -> list[str]:
        """Return what the conversations in the list are called."""
        return [title_words(row.past) for row in self.rows() if isinstance(row, Line)]

    def line(self, title: str) -> Line:
        """Return the row of a conversation."""
        return next(row for row in self.rows() if isinstance(row, Line) and title_words(row.past) == title)

    async def opens_history(self) -> None:
        """Open the panel by its key, and wait for the list."""
        press(self.window, Qt.Key.Key_H, CONTROL)
        await self.until(lambda: self.panel.isVisible() and self.titles(), "the list of conversations")

    async def searches(self, text: str) -> list[Found]:
        """Search by the key, as one types; return the hits."""
        press(self.window, Qt.Key.Key_F, CONTROL)
        assert self.panel.field.hasFocus()
        QTest.keyClicks(self.panel.field, text)
        await self.until(
            lambda: self.panel.search_text == text and any(isinstance(row, Found) for row in self.rows()),
            f"hits for «{text}»",
        )
        return [row for row in self.rows() if isinstance(row, Found)]

    def goes_to(self, row: Row) -> None:
        """Go down the list by the arrow keys, to a row."""
        self.panel.list.setFocus()
        for _ in self.rows():
            if self.panel.list.current_row() == row:
                return
            press(self.panel.list, Qt.Key.Key_Down)
        for _ in self.rows():
            if self.panel.list.current_row() == row:
                return
            press(self.panel.list, Qt.Key.Key_Up)
        pytest.fail(f"the keys do not lead to {row}")

    async def reads(self, words: str) -> None:
        """Wait until an old conversation with these words is shown."""

        def shown() -> bool:
            model = self.past.model
            return self.past.isVisible() and any(
                words in str(model.data(model.index(row, 0))) for row in range(model.rowCount())
            )

        await self.until(shown, f"an old conversation with «{words}»")

    def chooses(self, row: Row, *words: str) -> None:
        """Choose from the menu of a row."""
        self.panel._open_menu(row, self.panel.mapToGlobal(QPoint(10, 10)))
        menus = [menu for menu in self.panel.findChildren(QMenu) if menu.accessibleName() == "What to do with it"]
        actions = menus[-1].actions()
        for word in words[:-1]:
            inner = next(action for action in actions if action.text().startswith(word)).menu()
            assert isinstance(inner, QMenu)
            actions = inner.actions()
        next(action for action in actions if action.text().startswith(words[-1])).trigger()
        menus[-1].close()

    async def saves_as(self, path: Path) -> None:
        """Name the file that the open dialog asks for."""
        await self.until(lambda: self.window.findChildren(QFileDialog), "a file dialog")
        (dialog,) = self.window.findChildren(QFileDialog)
        dialog.setDirectory(str(path.parent))
        dialog.selectFile(path.name)
        dialog.accept()
        self.window.activateWindow()

    def button(self, name: str) -> QPushButton:
        """Return a button of the panel or the bar by its name."""
        found = self.window.findChild(QPushButton, name)
        assert isinstance(found, QPushButton)
        return found


@contextlib.asynccontextmanager
async def running(profile: Path, server: ScriptedServer) -> AsyncIterator[Reader]:
    """Run the program once."""
    async with program(profile, server.url) as user:
        await user.sees_online()
        yield Reader(user.window, user.running)


@contextlib.asynccontextmanager
async def serving(*replies: Reply) -> AsyncIterator[ScriptedServer]:
    """Run a server that outlives the program."""
    mind = Mind(*replies, beside={"title": "The deep sea | Sea"})
    async with ScriptedServer(mind) as server:
        yield server
        mind.check()


async def ask(user: User, question: str, answer: str) -> None:
    """Type a question; wait for the answer, and until it is kept."""
    user.types(question)
    await user.sees(answer)
    await user.running._history.stored()


def created(server: ScriptedServer, since: int) -> list[str]:
    """Return the words of the messages the client created since."""
    events = server.events(wire.ConversationItemCreate)[since:]
    return [event.item.words for event in events if event.item.type == "message"]


def focused() -> QWidget | None:
    return QApplication.focusWidget()


# --- the story ----------------------------------------------------------------------------------


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_what_was_said_is_found_opened_at_the_hit_and_gone_on_with(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(SEA, "Twelve.", "As deep as a mountain is high.") as server:
            async with running(tmp_path, server) as first:
                await ask(first, "What can you tell me about the sea?", SEA)
            async with running(tmp_path, server) as user:
                assert not user.notices(), "it was closed as it should be: nothing was cut off"
                await ask(user, "How many eggs are a dozen?", "Twelve.")
                await user.opens_history()
                assert user.titles() == ["How many eggs are a dozen?", "What can you tell me about the sea?"]
                assert user.rows()[0] == Heading("Today")
                (hit,) = await user.searches("never seen")
                assert "never seen" in snippet_words(hit.hit)[0]
                press(user.panel.field, Qt.Key.Key_Down)
                user.goes_to(hit)
                press(user.panel.list, Qt.Key.Key_Return)
                await user.reads(SEA)
                marked = user.past.view.selectedIndexes()
                assert [user.past.model.entry(index.row()).text for index in marked] == [SEA]
                assert user.texts()[-1] == "Twelve.", "the present one is as it was"

                before = len(server.events(wire.ConversationItemCreate))
                sessions = server.connections
                click(user.button("continue"))
                await user.until(lambda: server.connections > sessions, "another session")
                await user.sees(SEA)
                await user.until(lambda: SEA in created(server, before), "the replay")
                assert created(server, before)[:2] == ["What can you tell me about the sea?", SEA]
                await ask(user, "How deep?", "As deep as a mountain is high.")
                kept = await user.running._history.entries(hit.hit.conversation.number)
                assert [past.entry.text for past in kept] == [
                    "What can you tell me about the sea?",
                    SEA,
                    "How deep?",
                    "As deep as a mountain is high.",
                ]

    run_async(story(), deadline_s=90)


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_a_conversation_is_renamed_pinned_exported_imported_and_deleted(
    run_async: RunAsync, tmp_path: Path
) -> None:
    profile = tmp_path / "profile"

    async def story() -> None:
        async with serving(SEA, "Twelve.") as server:
            async with running(profile, server) as first:
                await ask(first, "What can you tell me about the sea?", SEA)
            async with running(profile, server) as user:
                await ask(user, "How many eggs are a dozen?", "Twelve.")
                await user.opens_history()
                await user.until(lambda: len(user.titles()) == 2, "both conversations")
                number = next(
                    row.past.number
                    for row in user.rows()
                    if isinstance(row, Line) and row.past.number != user.panel.model.present
                )

                def old() -> Line:
                    return next(r for r in user.rows() if isinstance(r, Line) and r.past.number == number)

                user.goes_to(old())
                press(user.panel.list, Qt.Key.Key_F2)
                editor = focused()
                assert editor is not None
                QTest.keyClicks(editor, "Fish & <b>chips</b>")
                press(editor, Qt.Key.Key_Return)
                await user.until(lambda: "Fish & <b>chips</b>" in user.titles(), "the new title")

                user.chooses(old(), "Pin")
                await user.until(lambda: user.rows()[0] == Heading("Pinned"), "the pinned one on top")

                user.chooses(old(), "Export", "As Markdown")
                await user.saves_as(tmp_path / "sea.md")
                await user.until((tmp_path / "sea.md").exists, "the Markdown")
                assert SEA in (tmp_path / "sea.md").read_text("utf-8")
                user.chooses(old(), "Export", "As JSON")
                await user.saves_as(tmp_path / "sea.json")
                await user.until((tmp_path / "sea.json").exists, "the JSON")
                assert json.loads((tmp_path / "sea.json").read_text("utf-8"))["entries"][1]["entry"]["text"] == SEA

                user.chooses(old(), "Export", "As a folder")
                await user.saves_as(tmp_path)
                exported = tmp_path / "Fish & b chips b"
                await user.until(lambda: exported.is_dir() and any(exported.iterdir()), "the folder")
                await user.until_told(str(exported))

                user.goes_to(old())
                press(user.panel.list, Qt.Key.Key_Delete)
                assert focused() is user.button("keep"), "the key that asked does not say yes"
                click(user.button("delete"))
                await user.until(lambda: len(user.titles()) == 1, "it is gone")
                assert not await user.running._history.search("never seen")

                user.panel.import_asked.emit()
                await user.saves_as(tmp_path / "sea.json")
                await user.reads(SEA)
                await user.until(lambda: "Fish & <b>chips</b>" in user.titles(), "it is back")
                assert user.texts()[-1] == "Twelve."

    run_async(story(), deadline_s=90)


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_deleting_the_present_conversation_begins_another(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(SEA, "Twelve.") as server, running(tmp_path, server) as user:
            await ask(user, "What can you tell me about the sea?", SEA)
            await user.opens_history()
            await user.until(lambda: user.panel.model.present is not None, "the mark on the present one")
            row = next(row for row in user.rows() if isinstance(row, Line))
            user.chooses(row, "Delete")
            assert any("present one" in label.text() for label in user.panel.findChildren(QLabel))
            click(user.button("delete"))
            await user.until(lambda: not user.entries(), "a new conversation")
            await user.until(lambda: not user.titles(), "it is gone")
            await user.sees_online()
            await ask(user, "How many eggs are a dozen?", "Twelve.")
            await user.until(lambda: len(user.titles()) == 1, "the new one")

    run_async(story(), deadline_s=60)


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_talking_returns_to_the_present_conversation(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(SEA, "Twelve.", "Thirteen.") as server:
            async with running(tmp_path, server) as first:
                await ask(first, "What can you tell me about the sea?", SEA)
            async with running(tmp_path, server) as user:
                await ask(user, "How many eggs are a dozen?", "Twelve.")
                for back in ("Esc", "writing"):
                    hits = await user.searches("never seen")
                    user.panel.open_asked.emit(hits[0].hit.conversation.number, hits[0].hit.item_id)
                    await user.reads(SEA)
                    press(user.window, Qt.Key.Key_Escape)  # the search
                    press(user.window, Qt.Key.Key_Escape)  # the panel
                    assert not user.panel.isVisible()
                    assert user.past.isVisible()
                    if back == "Esc":
                        press(user.window, Qt.Key.Key_Escape)
                    else:
                        user.types("And a baker's dozen?")
                    assert not user.past.isVisible()
                await user.sees("Thirteen.")

    run_async(story(), deadline_s=60)


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_nothing_is_kept_that_the_user_does_not_want_kept(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(SEA, "Twelve.") as server, running(tmp_path, server) as first:
            first.window.settings.setting_changed.emit("history.keep", False)
            await ask(first, "What can you tell me about the sea?", SEA)
            press(first.window, Qt.Key.Key_H, CONTROL)
            said = [label.text() for label in first.panel.findChildren(QLabel) if label.isVisible()]
            assert "Nothing is kept" in said
            first.window.settings.setting_changed.emit("history.keep", True)
            await ask(first, "How many eggs are a dozen?", "Twelve.")
            await first.until(lambda: first.titles() == ["How many eggs are a dozen?"], "the list")

    run_async(story(), deadline_s=60)
    assert not any(SEA.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_the_panel_is_as_it_was_left(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(SEA) as server:
            async with running(tmp_path, server) as first:
                first.window.resize(1100, 700)
                await ask(first, "What can you tell me about the sea?", SEA)
                await first.opens_history()
                pane = first.window.findChild(SidePane)
                assert pane is not None
                pane.set_width(300)
                pane.width_chosen.emit(300)
            async with running(tmp_path, server) as user:
                pane = user.window.findChild(SidePane)
                assert pane is not None
                assert (pane.is_open, pane.side_px) == (True, 300)
                await user.until(lambda: user.titles() == ["What can you tell me about the sea?"], "the list")
                press(user.window, Qt.Key.Key_H, CONTROL)
            async with running(tmp_path, server) as user:
                assert not user.panel.isVisible()

    run_async(story(), deadline_s=60)


def test_a_conversation_that_was_cut_off_is_offered(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(SEA, "Very.") as server:
            async with running(tmp_path, server) as first:
                await ask(first, "What can you tell me about the sea?", SEA)
                for file in (tmp_path / "cut").parent.glob("history*"):
                    copy = tmp_path / "copy" / file.name
                    copy.parent.mkdir(exist_ok=True)
                    copy.write_bytes(file.read_bytes())  # as a power cut would leave it
            async with running(tmp_path / "copy", server) as user:
                notice = await user.until_told("was cut off")
                before = len(server.events(wire.ConversationItemCreate))
                user.acts_on(notice)
                await user.sees(SEA)
                await user.until(lambda: SEA in created(server, before), "the replay")
                await ask(user, "Deep?", "Very.")
                await asyncio.sleep(0)
                assert len(await user.running._history.conversations()) == 1

    run_async(story(), deadline_s=60)
