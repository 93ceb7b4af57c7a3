"""Sixty-odd requests written down before the router was: none of them may steer its rules.

Each is a phrase and what must come of it: a pattern the answer contains, `CALL(...)` for a function call, or
`DECLINED` if the router has no business answering. `EITHER(pattern)` may be answered rightly or declined.
The clock says Wednesday, 22 July 2026, 2:05 PM in London.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Says:
    """The answer contains this pattern, whatever the case."""

    pattern: str


@dataclass(frozen=True, slots=True)
class SaysOrDeclines:
    """The answer contains this pattern, or there is none."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Calls:
    """The offered tool `set_timer` is called with this many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Declines:
    """The router leaves it to somebody else, or says plainly that it cannot."""


Wanted = Says | SaysOrDeclines | Calls | Declines

HELD_OUT: tuple[tuple[str, Wanted], ...] = (
    # time and date
    ("What time is it?", Says("2:05 PM")),
    ("hey, um, can you tell me what the time is please", Says("2:05 PM")),
    ("Do you have the time?", Says("2:05 PM")),
    ("What's today's date?", Says("July 22")),
    ("What day is it today?", Says("Wednesday")),
    ("What day of the week was the 4th of July 1976?", Says("Sunday")),
    ("What day is Christmas this year?", Says("Friday")),
    ("How many days until Christmas?", Says("156")),
    ("How long is it until New Year's Eve?", Says("162")),
    ("what is the date in two weeks", Says("August 5")),
    ("What time is it in Tokyo?", Says("10:05 PM")),
    ("what time is it in new york right now", Says("9:05 AM")),
    ("Is it morning or night in Sydney?", Says("11:05 PM")),
    ("What's the time difference between London and Los Angeles?", Says(r"\b8 hours")),
    # sums
    ("How much is 17 times 4?", Says(r"\b68\b")),
    ("what is seventeen times four", Says(r"\b68\b")),
    ("What's fifteen percent of eighty?", Says(r"\b12\b")),
    ("What is the square root of 144?", Says(r"\b12\b")),
    ("What's 2 to the power of 10?", Says("1,024")),
    ("hundred divided by eight", Says(r"12\.5")),
    ("What's a third of 90?", Says(r"\b30\b")),
    ("what's 12 and a half plus 3 and a quarter", Says(r"15\.75")),
    ("What is ten divided by zero?", Says("zero")),
    ("Add 45 and 67", Says(r"\b112\b")),
    ("What's 1,250 minus 375?", Says(r"\b875\b")),
    ("If I have 24 apples and give away 9, how many are left?", SaysOrDeclines(r"\b15\b")),
    # units
    ("How many feet are in 3 miles?", Says("15,840")),
    ("5 kilometers in miles", Says(r"3\.1")),
    ("What's 100 degrees Fahrenheit in Celsius?", Says(r"37\.8")),
    ("How many ounces in a pound?", Says(r"\b16\b")),
    ("convert 2 cups to milliliters", Says(r"\b473")),
    ("how many seconds are there in a day", Says("86,400")),
    ("How tall is six foot two in centimeters?", Says(r"\b18[78]")),
    ("what's 70 kilos in pounds", Says(r"\b154")),
    ("How many teaspoons are in a tablespoon?", Says(r"\b(3|three)\b")),
    # timers; `set_timer` with `seconds` is offered
    ("Set a timer for 5 minutes.", Calls(300)),
    ("set a timer for an hour and a half", Calls(5400)),
    ("Could you start a ten minute timer for the eggs?", Calls(600)),
    ("thirty second timer please", Calls(30)),
    # talk
    ("Hello there!", Says("hello|hi|good afternoon")),
    ("thank you so much", Says("welcome|pleasure")),
    ("Who are you?", Says("offline")),
    ("What can you do?", Says("time")),
    ("How do you spell necessary?", Says("N, E, C, E, S, S, A, R, Y")),
    ("Can you repeat that?", Says("the moon is far")),
    ("Sorry, what did you say?", Says("the moon is far")),
    ("Good night.", Says("good night")),
    # not ours
    ("Who wrote Hamlet?", Declines()),
    ("How long is a piece of string?", Declines()),
    ("What is love?", Declines()),
    ("Tell me about the Roman empire.", Declines()),
    ("Time flies when you're having fun.", Declines()),
    ("What's the best time to visit Japan?", Declines()),
    ("When is the next train to Oxford?", Declines()),
    ("What does the word serendipity mean?", Says("good luck")),  # declined until there was a dictionary
    ("what's the date of the battle of hastings", Declines()),
    ("Set the table for four.", Declines()),
    ("I have two kids and three dogs.", Declines()),
    ("What is the meaning of life?", Declines()),
    ("How far is the moon?", Declines()),
    ("My feet hurt after ten miles.", Declines()),
    ("Turn the lights off in the kitchen.", Declines()),
)
