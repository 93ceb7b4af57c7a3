"""The rows of the history panel: conversations by day, or what a search found. Words only, no Qt.

Whatever is shown here was said, written or imported by somebody: it becomes one line of plain text, in which
characters that would disguise others are seen (`plain.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from operator import attrgetter

from desktop_app.conversation.past import Hit, PastConversation
from desktop_app.ui.entry_words import utf16_units
from desktop_app.ui.plain import visible

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PINNED = "Pinned"
NO_WORDS = "Without words"
MOST_CHARS = 300
"""What is looked at of a title or snippet, which will be cut to the panel's width anyhow."""
MOST_BEFORE = 28
"""How many characters of a snippet stand before its first mark, so that it is in sight."""
LATEST_S = 250_000_000_000
"""Later than the year 9000 is no time."""
_SPACES = {ord("\n"): " ", ord("\t"): " "}


@dataclass(frozen=True, slots=True)
class Heading:
    """What the rows below have in common: a day, or that they are pinned."""

    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """A conversation."""

    past: PastConversation
    dated: bool = False
    """The heading above does not say which day it was."""
    found: int = 0
    """How many hits in it are listed below; 0: it is not here as the head of hits."""
    first_item: str = ""
    """The first of these hits: where it is opened."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that was found."""

    hit: Hit


Row = Heading | Line | Found
Key = tuple[str, int, str]


def key_of(row: Row) -> Key:
    """Return what tells this row from all others."""
    match row:
        case Heading(words):
            return ("heading", 0, words)
        case Line(past):
            return ("conversation", past.number, "")
        case Found(hit):
            return ("hit", hit.conversation.number, hit.item_id)


# --- rows ---------------------------------------------------------------------------------------


def rows_by_day(conversations: Iterable[PastConversation], now: float, most: int | None = None) -> list[Row]:
    """Return the pinned conversations under one heading, then `most` others, the newest first, under their days."""
    newest_first = sorted(conversations, key=attrgetter("changed_at"), reverse=True)
    pinned = [Line(past, dated=True) for past in newest_first if past.pinned]
    rows: list[Row] = [Heading(PINNED), *pinned] if pinned else []
    begins = float("inf")
    for past in islice((past for past in newest_first if not past.pinned), most):
        if past.changed_at < begins:  # of a day before the one of the last heading
            rows.append(Heading(day_words(past.changed_at, now)))
            begins = _beginning(past.changed_at)
        rows.append(Line(past))
    return rows


def rows_of_hits(hits: Sequence[Hit]) -> list[Row]:
    """Return the hits under their conversations, in the order they were found.

    A hit without an item is one in the title: the row of the conversation shows it.
    """
    groups: dict[int, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.conversation.number, []).append(hit)
    rows: list[Row] = []
    for group in groups.values():
        inside = [hit for hit in group if hit.item_id]
        first = inside[0].item_id if inside else ""
        rows.append(Line(group[0].conversation, dated=True, found=len(inside), first_item=first))
        rows.extend(Found(hit) for hit in inside)
    return rows


# --- words --------------------------------------------------------------------------------------


def title_words(past: PastConversation) -> str:
    """Return what a conversation is called: its title, or else how it began."""
    return one_line(past.title) or one_line(past.opening) or NO_WORDS


def day_words(at: float, now: float) -> str:
    """Return the day of a moment, as people call it: Today, Yesterday, Monday, 3 March, 3 March 2024."""
    day, today = _moment(at).date(), _moment(now).date()
    match (today - day).days:
        case 0:
            return "Today"
        case 1:
            return "Yesterday"
        case days if 1 < days < 7:
            return WEEKDAYS[day.weekday()]
        case _:
            return date_words(day) if day.year != today.year else f"{day.day} {MONTHS[day.month - 1]}"


def date_words(day: date) -> str:
    """Return a date in full."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def time_words(at: float) -> str:
    """Return the time of the day of a moment."""
    return _moment(at).strftime("%H:%M")


def when_words(at: float, now: float) -> str:
    """Return day and time of a moment."""
    return f"{day_words(at, now)}, {time_words(at)}"


def span_words(past: PastConversation, now: float) -> str:
    """Return when a conversation took place, for the bar above it."""
    began, ended = _moment(past.began_at), _moment(past.changed_at)
    first = f"{day_words(past.began_at, now)}, {time_words(past.began_at)}"
    if began.date() == ended.date():
        same = time_words(past.began_at) == time_words(past.changed_at)
        return first if same else f"{first} – {time_words(past.changed_at)}"
    return f"{first} – {when_words(past.changed_at, now)}"


def spoken_words(row: Row, now: float, *, present: bool, opened: bool) -> str:
    """Return a row for a screen reader."""
    match row:
        case Heading(words):
            return words
        case Line(past):
            found = {0: "", 1: "1 place found"}.get(row.found, f"{row.found} places found")
            parts = (
                title_words(past),
                one_line(past.topic),
                "the present conversation" if present else when_words(past.changed_at, now),
                "pinned" if past.pinned else "",
                "cut off" if past.cut_off else "",
                "shown now" if opened else "",
                found,
            )
            return ", ".join(part for part in parts if part)
        case Found(hit):
            return f"{snippet_words(hit)[0]}, {when_words(hit.at, now)}"


def snippet_words(hit: Hit) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return a snippet that begins shortly before its first mark, and where its marks are, in UTF-16 units."""
    text = _in_line(hit.snippet)
    marks = tuple(sorted((begin, end) for begin, end in hit.marks if 0 <= begin < end <= len(text)))
    cut = 0
    if marks and marks[0][0] > MOST_BEFORE:
        space = text.find(" ", marks[0][0] - MOST_BEFORE, marks[0][0])
        cut = space + 1 if space >= 0 else marks[0][0] - MOST_BEFORE
    text = ("…" if cut else "") + text[cut : cut + MOST_CHARS]
    shift = cut - (1 if cut else 0)
    placed = ((begin - shift, end - shift) for begin, end in marks)
    return text, tuple(
        (utf16_units(text[:begin]), utf16_units(text[:end])) for begin, end in placed if end <= len(text)
    )


def one_line(text: str) -> str:
    """Return `text` as one line of visible characters."""
    return " ".join(_in_line(text[:MOST_CHARS]).split())


def _in_line(text: str) -> str:
    """Return `text`, as long as before, with a space for what ends a line."""
    return visible(text).translate(_SPACES)


def _moment(at: float) -> datetime:
    """Return a moment in local time; one out of reach as the nearest there is."""
    return datetime.fromtimestamp(min(max(at, 0.0), LATEST_S))


def _beginning(at: float) -> float:
    """Return when the day of a moment began."""
    return _moment(at).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
