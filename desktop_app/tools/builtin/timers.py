"""Timers and reminders that speak up when they are due.

What is due is judged by the clock on the wall: a computer that slept wakes with its timers late, not lost, and a
reminder for three o'clock means three o'clock. So there is one wake-up for the earliest, asked for again at least
every half minute. They live as long as the program.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from desktop_app.errors import ToolError
from desktop_app.tools.builtin.local_time import utc_now
from desktop_app.tools.tool import Arguments, Consent, FunctionTool, Tool, ToolSpec, parameters

MAX_PENDING = 50
MAX_SECONDS = 366 * 24 * 3600
LOOK_AGAIN_S = 30.0
LATE_AFTER = dt.timedelta(minutes=2)
"""From then on it is said when it should have been."""

_SECONDS = {"type": "integer", "minimum": 1, "maximum": MAX_SECONDS}

SET_TIMER = ToolSpec(
    "set_timer",
    "Start a timer; the assistant speaks up when the time is over.",
    parameters(
        required={"seconds": {**_SECONDS, "description": "How long, in seconds."}},
        label={"type": "string", "maxLength": 200, "description": "What it is for, if the user said so."},
    ),
    Consent.NEVER,
    title="Timer",
)
SET_REMINDER = ToolSpec(
    "set_reminder",
    "Remind the user of something, at a time or after a while; also for alarms. Give at or seconds.",
    parameters(
        required={
            "text": {"type": "string", "minLength": 1, "maxLength": 500, "description": "What to be reminded of."}
        },
        at={
            "type": "string",
            "description": "When: ISO 8601 date and time, the user's own unless an offset is given.",
        },
        seconds={**_SECONDS, "description": "Or in how many seconds."},
    ),
    Consent.NEVER,
    title="Reminder",
)
LIST_TIMERS = ToolSpec(
    "list_timers",
    "List the timers and reminders that are still to come.",
    parameters(),
    Consent.NEVER,
    title="Pending timers",
)
CANCEL_TIMER = ToolSpec(
    "cancel_timer",
    "Cancel a timer or reminder. Without an id, the only one there is.",
    parameters(id={"type": "integer", "description": "From list_timers."}),
    Consent.NEVER,
    title="Cancel a timer",
)


class Cancellable(Protocol):
    """What `call_later` returns, as asyncio's does."""

    def cancel(self) -> object:
        """Do not call after all."""
        ...


CallLater = Callable[[float, Callable[[], None]], Cancellable]
"""`loop.call_later`: seconds, function."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A timer or reminder that is still to come."""

    id: int
    due: dt.datetime
    """With its zone."""
    text: str
    """What it is for; empty: not said."""
    length_s: int | None = None
    """How long the timer was set for; None: it is a reminder."""


class Timers:
    """All that are pending. `speak_up` gets the sentence to be said, on the loop."""

    def __init__(
        self,
        speak_up: Callable[[str], None],
        *,
        call_later: CallLater,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._speak_up = speak_up
        self._call_later = call_later
        self._now = now
        self._pending: dict[int, Pending] = {}
        self._last_id = 0
        self._wake: Cancellable | None = None

    @property
    def pending(self) -> tuple[Pending, ...]:
        """What is still to come, the earliest first."""
        return tuple(sorted(self._pending.values(), key=lambda each: each.due))

    def tools(self) -> Sequence[Tool]:
        """Return the tools that set, list and cancel."""
        return (
            FunctionTool(SET_TIMER, self._set_timer),
            FunctionTool(SET_REMINDER, self._set_reminder),
            FunctionTool(LIST_TIMERS, self._list),
            FunctionTool(CANCEL_TIMER, self._cancel),
        )

    def close(self) -> None:
        """Forget all of them."""
        self._pending.clear()
        self._look_later()

    # --- the tools ------------------------------------------------------------------------------

    def _set_timer(self, arguments: Arguments) -> object:
        seconds = int(arguments["seconds"])
        due = self._now() + dt.timedelta(seconds=seconds)
        return self._add(due, str(arguments.get("label", "")).strip(), seconds)

    def _set_reminder(self, arguments: Arguments) -> object:
        text = str(arguments["text"]).strip()
        if "at" in arguments:
            return self._add(_moment(arguments["at"], self._now()), text)
        if "seconds" in arguments:
            return self._add(self._now() + dt.timedelta(seconds=int(arguments["seconds"])), text)
        raise ToolError("It is not said when.", "Give at or seconds.")

    def _list(self, _: Arguments) -> object:
        return {"now": _stamp(self._now()), "pending": [self._shown(each) for each in self.pending]}

    def _cancel(self, arguments: Arguments) -> object:
        if not self._pending:
            raise ToolError("There is no timer or reminder.")
        if "id" not in arguments and len(self._pending) > 1:
            raise ToolError("There are several.", f"Give the id of one: {self._list({})}")
        wanted = arguments.get("id", next(iter(self._pending)))
        gone = self._pending.pop(wanted, None)
        if gone is None:
            raise ToolError(f"There is none with the id {wanted}.", f"There are: {self._list({})}")
        self._look_later()
        return {"cancelled": self._shown(gone)}

    def _add(self, due: dt.datetime, text: str, length_s: int | None = None) -> object:
        if len(self._pending) >= MAX_PENDING:
            raise ToolError(f"There are {MAX_PENDING} timers already.", "Cancel one first.")
        self._last_id += 1
        added = self._pending[self._last_id] = Pending(self._last_id, due, text, length_s)
        self._look_later()
        return self._shown(added)

    def _shown(self, pending: Pending) -> dict[str, object]:
        left = max(0, round((pending.due - self._now()).total_seconds()))
        kind = "reminder" if pending.length_s is None else "timer"
        return {
            "id": pending.id,
            "kind": kind,
            "text": pending.text,
            "due": _stamp(pending.due),
            "seconds_left": left,
        }

    # --- the time comes -------------------------------------------------------------------------

    def _look_later(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if self._pending:
            left = (self.pending[0].due - self._now()).total_seconds()
            self._wake = self._call_later(min(max(0.0, left), LOOK_AGAIN_S), self._look)

    def _look(self) -> None:
        self._wake = None
        now = self._now()
        due = [pending for pending in self.pending if pending.due <= now]
        for pending in due:
            del self._pending[pending.id]
        self._look_later()
        for pending in due:
            self._speak_up(_sentence(pending, now))


def _sentence(pending: Pending, now: dt.datetime) -> str:
    late = f" It was due at {_clock(pending.due)}." if now - pending.due > LATE_AFTER else ""
    if pending.length_s is None:
        return f"Reminder: {pending.text.rstrip('.')}.{late}"
    length = _spoken_length(pending.length_s)
    if pending.text:
        return f"Your {length} timer for {pending.text.rstrip('.')} is over.{late}"
    return f"Your {length} timer is over.{late}"


def _spoken_length(seconds: int) -> str:
    """Return "1 hour 5 minute" for 3900: it stands before a noun."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "hour"), (minutes, "minute"), (rest, "second")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _clock(moment: dt.datetime) -> str:
    return f"{moment.astimezone():%H:%M}"


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone().isoformat(timespec="seconds")


def _moment(text: object, now: dt.datetime) -> dt.datetime:
    """Return the moment that is meant; raises `ToolError` if it is none, or past."""
    try:
        moment = dt.datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise ToolError(f"{text!r} is not a date and time.", f"Write it as {_stamp(now)}.") from None
    moment = moment.astimezone(None if moment.tzinfo is None else dt.UTC)
    if moment <= now:
        raise ToolError(f"{_stamp(moment)} has passed; it is {_stamp(now)}.")
    if (moment - now).total_seconds() > MAX_SECONDS:
        raise ToolError(f"{_stamp(moment)} is more than a year away.")
    return moment
