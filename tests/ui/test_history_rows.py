"""The rows of the history panel: days as people call them, hits under their conversations, plain text in a line."""

from __future__ import annotations

from datetime import datetime

import pytest

from desktop_app.conversation.past import Hit, PastConversation
from desktop_app.ui.entry_words import utf16_slice
from desktop_app.ui.history_rows import (
    Found,
    Heading,
    Line,
    day_words,
    one_line,
    rows_by_day,
    rows_of_hits,
    snippet_words,
    span_words,
    spoken_words,
    title_words,
)


def at(*moment: int) -> float:
    return datetime(*moment).timestamp()  # type: ignore[arg-type]


NOW = at(2026, 11, 22, 14, 0)  # a Sunday


def past(number: int, changed_at: float = NOW, **how: object) -> PastConversation:
    return PastConversation(number, changed_at - 60, changed_at, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ((2026, 11, 22, 0, 0), "Today"),
        ((2026, 11, 21, 23, 59), "Yesterday"),
        ((2026, 11, 20, 12, 0), "Friday"),
        ((2026, 11, 16, 0, 0), "Monday"),
        ((2026, 11, 15, 23, 59), "15 November"),
        ((2026, 1, 3, 8, 0), "3 January"),
        ((2025, 11, 22, 14, 0), "22 November 2025"),
        ((2026, 11, 24, 14, 0), "24 November"),
    ],
)
def test_a_day_is_called_as_people_call_it(moment: tuple[int, ...], said: str) -> None:
    assert day_words(at(*moment), NOW) == said


def test_times_out_of_reach_are_no_failure() -> None:
    for moment in (-1e300, -1.0, 1e300, float("inf")):
        assert day_words(moment, NOW)
        assert rows_by_day([past(1, moment)], NOW)


def test_the_newest_day_comes_first_and_the_pinned_before_it() -> None:
    conversations = [
        past(1, at(2026, 11, 20, 9, 0)),
        past(2, at(2026, 11, 22, 9, 0)),
        past(3, at(2026, 11, 22, 13, 0)),
        past(4, at(2024, 1, 1, 9, 0), pinned=True),
        past(5, at(2026, 11, 21, 9, 0)),
    ]
    said = [row.words if isinstance(row, Heading) else row.past.number for row in rows_by_day(conversations, NOW)]  # type: ignore[union-attr]
    assert said == ["Pinned", 4, "Today", 3, 2, "Yesterday", 5, "Friday", 1]


def test_hits_stand_under_their_conversations() -> None:
    one, two = past(1), past(2)
    hits = [Hit(one, "", NOW, "Trains"), Hit(two, "b", NOW, "x"), Hit(one, "a", NOW, "y"), Hit(two, "c", NOW, "z")]
    rows = rows_of_hits(hits)
    assert rows == [
        Line(one, dated=True, found=1, first_item="a"),
        Found(hits[2]),
        Line(two, dated=True, found=2, first_item="b"),
        Found(hits[1]),
        Found(hits[3]),
    ]
    assert rows_of_hits(hits[:1]) == [Line(one, dated=True)], "found by its title: there is no place in it to go to"


def test_what_has_no_title_is_called_as_it_began() -> None:
    assert title_words(past(1, title="Trains", opening="Hello")) == "Trains"
    assert title_words(past(1, title=" \n", opening="Hello\nthere")) == "Hello there"
    assert title_words(past(1)) == "Without words"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand more", "two lines and more"),
        ("\x1b[31mred\x00", "\u241b[31mred\u2400"),
        ("left \u202eright", "left \ufffdright"),
        ("half \ud83d emoji", "half \ufffd emoji"),
        ("  ", ""),
    ],
)
def test_whatever_was_said_becomes_one_line_of_visible_characters(text: str, shown: str) -> None:
    assert one_line(text) == shown


def marked(hit: Hit) -> tuple[str, list[str]]:
    text, marks = snippet_words(hit)
    return text, [utf16_slice(text, begin, end) for begin, end in marks]


def test_marks_stay_on_their_words() -> None:
    text = "👩‍🚀 is going to the moon, and the moon is far"
    first = text.index("moon")
    second = text.index("moon", first + 1)
    shown, words = marked(Hit(past(1), "a", NOW, text, ((second, second + 4), (first, first + 4))))
    assert words == ["moon", "moon"]
    assert shown == text


def test_the_first_mark_of_a_long_snippet_is_in_sight() -> None:
    text = "word " * 40 + "treasure " + "word " * 200
    place = text.index("treasure")
    shown, words = marked(Hit(past(1), "a", NOW, text, ((place, place + 8),)))
    assert words == ["treasure"]
    assert shown.startswith("…")
    assert shown.index("treasure") < 40


@pytest.mark.parametrize("marks", [((5, 2),), ((-1, 3),), ((0, 9999),), ((400, 405),)])
def test_marks_that_are_none_are_left_out(marks: tuple[tuple[int, int], ...]) -> None:
    shown, words = marked(Hit(past(1), "a", NOW, "short", marks))
    assert (shown, words) == ("short", [])


def test_the_time_of_a_conversation_is_said_as_short_as_it_can_be() -> None:
    began = at(2026, 11, 22, 9, 5)
    assert span_words(PastConversation(1, began, began + 20), NOW) == "Today, 09:05"
    assert span_words(PastConversation(1, began, began + 600), NOW) == "Today, 09:05 – 09:15"
    assert span_words(PastConversation(1, began - 86_400, began), NOW) == "Yesterday, 09:05 – Today, 09:05"


def test_a_screen_reader_is_told_what_the_eye_sees() -> None:
    line = Line(past(1, title="Trains", topic="Travel", pinned=True, cut_off=True))
    said = spoken_words(line, NOW, present=False, opened=True)
    assert said == "Trains, Travel, Today, 14:00, pinned, cut off, shown now"
    assert "the present conversation" in spoken_words(line, NOW, present=True, opened=False)
    assert spoken_words(Heading("Today"), NOW, present=False, opened=False) == "Today"
    found = Found(Hit(past(1), "a", NOW, "the early train"))
    assert spoken_words(found, NOW, present=False, opened=False) == "the early train, Today, 14:00"
