"""Timers by a clock that is moved by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from desktop_app.tools.builtin.timers import MAX_PENDING, Timers
from tests.tools.running import error, use

MINUTE = 60


class Clock:
    """A wall clock, and the loop's `call_later` going by it."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 3, 28, 12, 0, tzinfo=dt.UTC)
        self.calls: list[Call] = []

    def call_later(self, seconds: float, function: Callable[[], None]) -> Call:
        call = Call(self.now + dt.timedelta(seconds=seconds), function, self.calls)
        self.calls.append(call)
        return call

    def pass_by(self, seconds: float) -> None:
        """Let time pass as it does: each call at its time."""
        end = self.now + dt.timedelta(seconds=seconds)
        while due := [call for call in self.calls if call.at <= end]:
            first = min(due, key=lambda call: call.at)
            self.now = max(self.now, first.at)
            first.cancel()
            first.function()
        self.now = end

    def sleep(self, seconds: float) -> None:
        """Let the computer sleep: the wall clock goes on, the loop's own does not."""
        asleep = dt.timedelta(seconds=seconds)
        self.now += asleep
        for call in self.calls:
            call.at += asleep


class Call:
    def __init__(self, at: dt.datetime, function: Callable[[], None], calls: list[Call]) -> None:
        self.at = at
        self.function = function
        self._calls = calls

    def cancel(self) -> None:
        if self in self._calls:
            self._calls.remove(self)


class Kitchen:
    """The timers under test."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.said: list[str] = []
        self.timers = Timers(self.said.append, call_later=self.clock.call_later, now=lambda: self.clock.now)
        self.tools = self.timers.tools()


@pytest.fixture
def kitchen() -> Kitchen:
    return Kitchen()


async def test_a_timer_speaks_up_when_it_is_due_and_once(kitchen: Kitchen) -> None:
    set_ = await use(kitchen.tools, "set_timer", seconds=5 * MINUTE, label="the pasta")
    assert (set_["kind"], set_["seconds_left"]) == ("timer", 300)

    kitchen.clock.pass_by(5 * MINUTE - 1)
    assert kitchen.said == []
    kitchen.clock.pass_by(1)
    assert kitchen.said == ["Your 5 minute timer for the pasta is over."]
    kitchen.clock.pass_by(3600)
    assert len(kitchen.said) == 1
    assert kitchen.clock.calls == []


async def test_several_speak_up_in_their_order(kitchen: Kitchen) -> None:
    await use(kitchen.tools, "set_timer", seconds=90)
    await use(kitchen.tools, "set_timer", seconds=3_905)
    await use(kitchen.tools, "set_reminder", text="call Ann.", seconds=60)
    assert len(kitchen.clock.calls) == 1

    kitchen.clock.pass_by(4_000)

    assert kitchen.said == [
        "Reminder: call Ann.",
        "Your 1 minute 30 second timer is over.",
        "Your 1 hour 5 minute 5 second timer is over.",
    ]


@pytest.mark.parametrize("at", ["2026-03-28T15:30:00+02:00", "2026-03-28T13:30Z"])
async def test_a_reminder_at_a_time_of_some_offset(kitchen: Kitchen, at: str) -> None:
    set_ = await use(kitchen.tools, "set_reminder", text="tea", at=at)

    assert set_["seconds_left"] == 90 * MINUTE


async def test_a_time_without_an_offset_is_the_users_own(kitchen: Kitchen) -> None:
    local = (kitchen.clock.now + dt.timedelta(hours=2)).astimezone().replace(tzinfo=None)

    set_ = await use(kitchen.tools, "set_reminder", text="tea", at=local.isoformat())

    assert set_["seconds_left"] == 2 * 3600


async def test_after_sleep_it_comes_late_and_says_so(kitchen: Kitchen) -> None:
    await use(kitchen.tools, "set_reminder", text="the train", seconds=3_600)
    due = (kitchen.clock.now + dt.timedelta(hours=1)).astimezone()

    kitchen.clock.sleep(2 * 3_600)
    kitchen.clock.pass_by(30)

    assert kitchen.said == [f"Reminder: the train. It was due at {due:%H:%M}."]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"at": "2026-03-28T11:59:59+00:00"}, "has passed"),
        ({"at": "2031-01-01T00:00:00+00:00"}, "more than a year"),
        ({"at": "9999-12-31T23:59:59"}, "more than a year"),
        ({"at": "tomorrow"}, "not a date and time"),
        ({"at": ""}, "not a date and time"),
        ({}, "not said when"),
        ({"seconds": 0}, "minimum"),
        ({"seconds": 10**12}, "maximum"),
        ({"seconds": 1.5}, "not of type 'integer'"),
    ],
)
async def test_a_time_that_is_none_is_said(kitchen: Kitchen, arguments: dict[str, object], expected: str) -> None:
    assert expected in await error(kitchen.tools, "set_reminder", text="tea", **arguments)
    assert kitchen.timers.pending == ()


async def test_what_is_pending_is_listed_the_earliest_first(kitchen: Kitchen) -> None:
    await use(kitchen.tools, "set_timer", seconds=600)
    await use(kitchen.tools, "set_timer", seconds=60)

    listed = await use(kitchen.tools, "list_timers")

    assert [(each["id"], each["seconds_left"]) for each in listed["pending"]] == [(2, 60), (1, 600)]


async def test_one_can_be_cancelled_by_its_id(kitchen: Kitchen) -> None:
    await use(kitchen.tools, "set_timer", seconds=60)
    await use(kitchen.tools, "set_timer", seconds=90)

    assert "several" in await error(kitchen.tools, "cancel_timer")
    assert "none with the id 7" in await error(kitchen.tools, "cancel_timer", id=7)
    assert (await use(kitchen.tools, "cancel_timer", id=1))["cancelled"]["id"] == 1
    assert (await use(kitchen.tools, "cancel_timer"))["cancelled"]["id"] == 2
    assert "no timer" in await error(kitchen.tools, "cancel_timer")
    kitchen.clock.pass_by(600)
    assert kitchen.said == []


async def test_there_is_a_largest_number_of_them(kitchen: Kitchen) -> None:
    for _ in range(MAX_PENDING):
        await use(kitchen.tools, "set_timer", seconds=60)

    assert "Cancel one first" in await error(kitchen.tools, "set_timer", seconds=60)


async def test_closing_forgets_all(kitchen: Kitchen) -> None:
    await use(kitchen.tools, "set_timer", seconds=60)

    kitchen.timers.close()
    kitchen.clock.pass_by(600)

    assert (kitchen.said, kitchen.clock.calls) == ([], [])
