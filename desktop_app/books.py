"""The books of a profile: what was billed, what it came to, and whether the user's budget is reached."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from desktop_app import costs
from desktop_app.conversation.effects import CountUsage
from desktop_app.errors import Notice, ParleyError, Severity
from desktop_app.protocol.events import Usage
from desktop_app.resources import resource
from desktop_app.tasks import start_task


class Board(Protocol):
    """Where the figures are shown: the window."""

    def show_cost(self, item_id: str, text: str) -> None:
        """Show what an answer cost."""
        ...

    def show_spending(self, conversation: str, day: str) -> None:
        """Show what the conversation and the day came to."""
        ...

    def show_notice(self, notice: Notice) -> None:
        """Show a notice."""
        ...


class Books:
    """Counts what is billed. `budget_reached` is told whenever that changes.

    `today` is asked at every count, and once a minute: in an open window, too, a new day has money again.
    """

    def __init__(
        self,
        folder: Path,
        board: Board,
        budget_reached: Callable[[bool], None],
        *,
        model: str,
        transcriber: str,
        budget_usd: float = 0.0,
        billed: bool = True,
        today: Callable[[], dt.date] = dt.date.today,
        look_every_s: float = 60.0,
    ) -> None:
        self._board = board
        self._budget_reached = budget_reached
        self._today = today
        self._look_every_s = look_every_s
        self._looking: asyncio.Task[None] | None = None
        self._file = costs.SpendingFile(folder)
        self.model = model
        """The model that answers, by its name in the price table; one that is not there costs «–»."""
        self.transcriber = transcriber
        self._budget_usd = budget_usd
        self._billed = billed
        """Whether anything costs here: of what runs on this computer nothing is shown."""
        self._over = False
        self._forgiven_on: dt.date | None = None
        """The day on which the user wants to spend on, whatever it comes to."""
        self._unsaved = False
        self._cannot_save = False
        """It was told, and need not be again with every answer."""
        self._saving: asyncio.Task[None] | None = None
        self.prices, notices = costs.load_prices(resource(costs.PRICES_FILE), folder / costs.PRICES_FILE)
        loaded = self._file.load()
        self._ledger = costs.Ledger(loaded.days)
        for notice in (*notices, *loaded.notices):
            board.show_notice(notice)

    def open(self) -> None:
        """Show what the day came to so far; loop thread only."""
        self._show()
        self._judge()
        self._looking = start_task(self._look_at_the_calendar(), name="the day")

    def count(self, usage: CountUsage) -> None:
        """Add to what was spent, once for each key."""
        if not self._billed:
            return
        if isinstance(usage.usage, Usage):
            cost = costs.cost_of_response(usage.usage, self.model, self.prices)
        else:
            cost = costs.cost_of_transcription(usage.usage, self.transcriber, self.prices)
        if not self._ledger.add(usage.key, cost, day=self._today()):
            return
        if usage.item_id and not usage.transcription:
            self._board.show_cost(usage.item_id, "\n".join((costs.money(cost.usd), *costs.explained(cost))))
        self._show()
        self._save_soon()
        self._judge()

    def set_budget(self, budget_usd: float) -> None:
        """The user set another limit for a day; 0: none."""
        self._budget_usd = budget_usd
        self._forgiven_on = None
        self._judge()

    def spend_on(self) -> None:
        """The user goes on although the budget is reached; it is not asked again today."""
        self._forgiven_on = self._today()
        self._judge()

    def begin_conversation(self) -> None:
        """A new conversation counts from zero; the day does not."""
        self._ledger.begin_conversation()
        self._show()

    def _judge(self) -> None:
        today = self._today()
        over = self._ledger.over_budget(self._budget_usd, day=today) and self._forgiven_on != today
        if over != self._over:
            self._over = over
            self._budget_reached(over)

    def _show(self) -> None:
        if not self._billed:
            return
        day = self._ledger.day(self._today())
        self._board.show_spending(costs.money_spent(self._ledger.conversation), costs.money_spent(day))

    async def _look_at_the_calendar(self) -> None:
        day = self._today()
        while True:
            await asyncio.sleep(self._look_every_s)
            if day != (day := self._today()):
                self._show()
                self._judge()

    async def close(self) -> None:
        """Wait until the file is up to date."""
        if self._looking is not None:
            self._looking.cancel()
        if self._saving is not None:
            await self._saving

    def _save_soon(self) -> None:
        self._unsaved = True
        if self._saving is None or self._saving.done():
            self._saving = start_task(self._save(), name="spending")

    async def _save(self) -> None:
        """Write until nothing is unsaved, off the loop; many counts at once are one write."""
        while self._unsaved:
            self._unsaved = False
            try:
                await asyncio.to_thread(self._file.save, dict(self._ledger.days))
                self._cannot_save = False
            except ParleyError as error:
                if not self._cannot_save:
                    notice = Notice(error.sentence, error.hint, Severity.WARNING, "spending")
                    self._board.show_notice(notice)
                self._cannot_save = True
