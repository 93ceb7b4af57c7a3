"""The books: a budget that is reached, forgiven for a day, and there again on the next."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from desktop_app.books import Books
from desktop_app.conversation.effects import CountUsage
from desktop_app.errors import Notice
from desktop_app.protocol.events import InputTokenDetails, OutputTokenDetails, Usage

MODEL = "gpt-realtime-2.1"
DOLLARS = Usage(
    input_tokens=1_000_000,
    output_tokens=0,
    input_token_details=InputTokenDetails(text_tokens=1_000_000),
    output_token_details=OutputTokenDetails(),
)
"""More than the budget below, whatever the price list says of a million tokens."""


class Board:
    """What is shown."""

    def __init__(self) -> None:
        self.day = ""

    def show_cost(self, item_id: str, text: str) -> None:
        pass

    def show_spending(self, conversation: str, day: str) -> None:
        self.day = day

    def show_notice(self, notice: Notice) -> None:
        pytest.fail(str(notice))


class House:
    """Books of a profile, a calendar, and what the conversation was told."""

    def __init__(self, folder: Path) -> None:
        self.date = dt.date(2026, 7, 22)
        self.told: list[bool] = []
        self.changed = asyncio.Event()
        self.board = Board()
        self.books = Books(
            folder,
            self.board,
            self._tell,
            model=MODEL,
            transcriber="",
            budget_usd=0.01,
            today=lambda: self.date,
            look_every_s=0.001,
        )

    def _tell(self, reached: bool) -> None:
        self.told.append(reached)
        self.changed.set()

    def spend(self, key: str) -> None:
        """Be billed."""
        self.books.count(CountUsage(key, DOLLARS))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Return books that are open."""
    house = House(tmp_path)
    house.books.open()
    yield house
    await house.books.close()


async def test_a_budget_is_reached_once(house: House) -> None:
    house.spend("1")
    house.spend("2")
    assert house.told == [True]


async def test_who_spends_on_is_not_asked_again_that_day_but_on_the_next(house: House) -> None:
    house.spend("1")
    house.books.spend_on()
    house.spend("2")
    assert house.told == [True, False]
    house.date += dt.timedelta(days=1)
    house.spend("3")
    assert house.told == [True, False, True]


async def test_a_new_day_begins_in_an_open_window(house: House) -> None:
    house.spend("1")
    spent = house.board.day
    house.changed.clear()
    house.date += dt.timedelta(days=1)
    async with asyncio.timeout(10):
        await house.changed.wait()
    assert house.told == [True, False]
    assert house.board.day != spent
