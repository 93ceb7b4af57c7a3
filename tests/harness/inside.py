"""The whole program in this process, offscreen: its window is read and used as a person does; all parts are real.

async with program(profile, endpoint=server.url) as user:
    user.types("What time is it?")
    await user.sees("It is noon.")
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtWidgets import QAbstractButton, QApplication

from desktop_app.conversation.entries import Entry, Role
from desktop_app.conversation.inputs import AsideKind
from desktop_app.errors import Notice
from desktop_app.options import Options
from desktop_app.program import Program
from desktop_app.ui.asides import AsideCard
from desktop_app.ui.composer import Composer
from desktop_app.ui.consents import ConsentCard
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.notices import NoticeCard, NoticesBar
from desktop_app.ui.theme import Appearance, Theme
from desktop_app.ui.transcript import TranscriptView

WITHIN_S = 15.0


class User:
    """Reads the window, and does in it what a person would."""

    def __init__(self, window: MainWindow, running: Program) -> None:
        self.window = window
        self.running = running

    # --- reading --------------------------------------------------------------------------------

    def notices(self) -> tuple[Notice, ...]:
        """Return the notices that are shown."""
        return self._bar.notices

    def entries(self, role: Role | None = None) -> list[Entry]:
        """Return the rows of the transcript, or those of one role."""
        model = self.window.transcript
        rows = [model.entry(row) for row in range(model.rowCount())]
        return [entry for entry in rows if role in (None, entry.role)]

    def texts(self) -> list[str]:
        """Return the rows of the transcript, as they are read."""
        view = self.window.findChild(TranscriptView)
        assert view is not None
        model = view.model()
        return [
            str(model.data(model.index(row, 0), Qt.ItemDataRole.DisplayRole)) for row in range(model.rowCount())
        ]

    def cost_of(self, item_id: str) -> str:
        """Return what a row says of its cost."""
        return self.window.transcript.cost(item_id)

    def cards(self, kind: AsideKind) -> list[AsideCard]:
        """Return the answers of a kind that are shown beside the conversation."""
        return [card for card in self._bar.cards if isinstance(card, AsideCard) and card.state.kind is kind]

    def question(self) -> ConsentCard | None:
        """Return the question that waits for a yes, if there is one."""
        return next((card for card in self._bar.cards if isinstance(card, ConsentCard)), None)

    @property
    def composer(self) -> Composer:
        """The line to type in."""
        composer = self.window.findChild(Composer)
        assert composer is not None
        return composer

    @property
    def _bar(self) -> NoticesBar:
        bar = self.window.findChild(NoticesBar)
        assert bar is not None
        return bar

    # --- waiting --------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
        """Wait until it is so."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + within_s
        while not condition():
            if loop.time() > ends_s:
                pytest.fail(f"{what}: never; the window says {self.notices()}, {self.texts()}")
            await asyncio.sleep(0.01)

    async def until_told(self, part: str) -> Notice:
        """Wait for a notice with these words; it must also say what to do."""
        await self.until(lambda: any(part in str(n) for n in self.notices()), f"a notice with «{part}»")
        notice = next(n for n in self.notices() if part in str(n))
        assert notice.hint, "every notice has a next step"
        return notice

    async def sees(self, words: str, within_s: float = WITHIN_S) -> Entry:
        """Wait for a row with these words; return its entry."""
        await self.until(lambda: any(words in text for text in self.texts()), f"a row with «{words}»", within_s)
        return next(entry for entry, text in zip(self.entries(), self.texts(), strict=True) if words in text)

    async def sees_online(self) -> None:
        """Wait until the window says that there is a connection."""
        await self.until(self.is_online, "a connection")

    def is_online(self) -> bool:
        """Whether the window says that there is a connection."""
        return self.running._session._conversation.link.value == "online"

    async def asked(self) -> ConsentCard:
        """Wait for a question that can be answered."""
        await self.until(lambda: (q := self.question()) and q.buttons[0].isEnabled(), "a question")
        question = self.question()
        assert question is not None
        return question

    # --- doing ----------------------------------------------------------------------------------

    def types(self, text: str, *, queued: bool = False) -> None:
        """Type a text and send it, as Enter does; `queued`: as Ctrl+Enter does."""
        self.composer.type_on(text)
        key = Qt.KeyboardModifier.ControlModifier if queued else Qt.KeyboardModifier.NoModifier
        press(self.composer.line, Qt.Key.Key_Return, key)

    def drops(self, *paths: Path) -> None:
        """Let files go over the line."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        assert self.composer.take(data)

    async def answers(self, words: str) -> None:
        """Press the button of the question that waits: `Allow`, `Always`, `Don't allow`."""
        question = await self.asked()
        click(next(button for button in question.buttons if words in button.text().replace("&", "")))

    def acts_on(self, notice: Notice) -> None:
        """Press the button of a notice."""
        card = next(card for card in self._bar.cards if isinstance(card, NoticeCard) and card.notice == notice)
        click(card.action)


def press(widget: object, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """Press and release a key on a widget."""
    from PySide6.QtTest import QTest

    QTest.keyClick(widget, key, modifiers)  # type: ignore[call-overload]


def click(button: QAbstractButton | None) -> None:
    """Click a button."""
    assert button is not None
    assert button.isEnabled()
    button.click()


@contextlib.asynccontextmanager
async def program(profile: Path, endpoint: str, *, voice: str = "") -> AsyncIterator[User]:
    """Run the whole program but the process around it."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    window = MainWindow(Theme(application, Appearance.LIGHT))
    window.show()
    running = Program(window, Options(profile=profile, endpoint=endpoint, voice=voice))
    running.open()
    try:
        yield User(window, running)
    finally:
        await running.close()
        window.deleteLater()
