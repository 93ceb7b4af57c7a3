"""How people say things, and how things are said to them."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import pytest

from desktop_app.local_server.brain.wording import (
    figures,
    next_moment,
    say_date,
    say_duration,
    say_number,
    say_time,
    several,
    tidy,
)
from tests.local_server.brain.asking import NOW


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Hey, um, can you tell me what the time is, please?", "what is the time"),
        ("Could you please tell me the time?", "the time"),
        ("I was wondering what time it is in Tokyo", "what time is it in tokyo"),
        ("Do you know what day it is?", "what day is it"),
        ("What what is it", "what is it"),
        ("What's 1,250 − 375?", "what is 1250 minus 375"),
        ("5km", "5 km"),
        ("7 p.m.", "7 pm"),
        ("What time is it in the U.S.?", "what time is it in the us"),
        ("Zürich", "zurich"),
        ("Thank you!", "thank you"),
        ("Please.", "please"),
        ("Um.", "um"),
        ("", ""),
    ],
)
def test_tidy(text: str, bare: str) -> None:
    assert tidy(text) == bare


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("seventeen times four", "17 times 4"),
        ("one hundred and twenty three point five plus two million", "123.5 plus 2000000"),
        ("a hundred and five", "105"),
        ("two hundred forty", "240"),
        ("seven hundred million three thousand and two", "700003002"),
        ("twelve hundred", "1200"),
        ("2.5 million", "2500000"),
        ("nineteen eighty four", "1984"),
        ("twenty oh five", "2005"),
        ("two thousand and ten", "2010"),
        ("point five", "0.5"),
        ("three and a half miles", "3.5 miles"),
        ("an hour and a half", "1.5 hour"),
        ("half an hour", "0.5 hour"),
        ("three quarters of an hour", "0.75 hour"),
        ("a couple of hours", "2 hours"),
        ("two dozen", "24"),
        ("one two three", "1 2 3"),
        ("thirty second timer", "30 second timer"),
        ("a third of ninety", "a third of 90"),
        ("a point of view", "a point of view"),
    ],
)
def test_figures(spoken: str, written: str) -> None:
    assert figures(spoken) == written


@pytest.mark.parametrize("number", [*range(0, 130), 999, 1000, 1001, 1066, 12_345, 100_000, 999_999, 1_000_001])
def test_every_number_said_in_words_is_understood(number: int) -> None:
    assert figures(_in_words(number)) == str(number)


_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def _in_words(number: int) -> str:
    ones = _ONES.split()
    tens = _TENS.split()
    if number < 20:
        return ones[number]
    if number < 100:
        return f"{tens[number // 10 - 2]} {ones[number % 10]}" if number % 10 else tens[number // 10 - 2]
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            joint = " and " if rest < 100 else " "
            return f"{_in_words(number // size)} {name}" + (f"{joint}{_in_words(rest)}" if rest else "")
    raise AssertionError


@pytest.mark.parametrize(
    ("value", "text", "exact"),
    [
        (68, "68", True),
        (-3, "minus 3", True),
        (15840, "15,840", True),
        (Fraction(25, 2), "12.5", True),
        (Fraction(22, 7), "3.14", False),
        (Fraction(1, 3), "0.33", False),
        (Fraction(1, 4000), "0.00025", True),
        (0, "0", True),
        (10**20, "1 times 10 to the power of 20", False),
        (Fraction(199999, 100), "1,999.99", True),
    ],
)
def test_say_number(value: Fraction | int, text: str, exact: bool) -> None:
    assert say_number(Fraction(value)) == (text, exact)


def test_say_times_and_dates() -> None:
    assert [say_time(dt.time(hour, 5)) for hour in (0, 9, 12, 23)] == [
        "12:05 AM",
        "9:05 AM",
        "12:05 PM",
        "11:05 PM",
    ]
    assert [say_date(dt.date(2026, 7, day), year=False) for day in (1, 2, 3, 11, 22, 23)] == [
        "July 1st", "July 2nd", "July 3rd", "July 11th", "July 22nd", "July 23rd",
    ]  # fmt: skip
    assert say_duration(5400) == "1 hour and 30 minutes"
    assert say_duration(3661) == "1 hour, 1 minute and 1 second"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("7 am", "2026-07-23T07:00"),
        ("7:30 pm", "2026-07-22T19:30"),
        ("3", "2026-07-22T15:00"),
        ("2", "2026-07-23T02:00"),
        ("half past 7", "2026-07-22T19:30"),
        ("quarter to 8", "2026-07-22T19:45"),
        ("noon", "2026-07-23T12:00"),
        ("7 in the evening", "2026-07-22T19:00"),
        ("15:30", "2026-07-22T15:30"),
        ("8 tomorrow", "2026-07-23T08:00"),
    ],
)
def test_next_moment(text: str, moment: str) -> None:
    found = next_moment(text, NOW)
    assert found is not None
    assert found.isoformat(timespec="minutes")[:16] == moment


@pytest.mark.parametrize("text", ["25:00", "13:75", "soon", "99"])
def test_no_such_moment(text: str) -> None:
    assert next_moment(text, NOW) is None


def test_several_requests() -> None:
    assert next(several("Thanks! What's 2.5 plus 3?")) == ["Thanks!", "What's 2.5 plus 3?"]
    assert next(several("What time is it and what day is it")) == ["What time is it", "what day is it"]
    assert ["set a timer for five minutes", "tell me a joke"] in several(
        "set a timer for five minutes and then tell me a joke"
    )
    assert ["capital of France", "Italy", "Spain"] in several("capital of France, Italy and Spain")
    assert list(several("...")) == []
    assert list(several("hello")) == []
    assert len(list(several("a and b and c and d and e and f and g and h and i and j"))) < 50
