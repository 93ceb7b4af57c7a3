"""The router: what it answers, word for word where a number could be wrong, and what it leaves alone."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_app.local_server.engines import FunctionCall, Message, MessageRole
from tests.local_server.brain.asking import SET_TIMER, ask, assistant, router, said, user
from tests.local_server.brain.held_out import HELD_OUT, Calls, Says, SaysOrDeclines, Wanted


@pytest.mark.parametrize(("phrase", "wanted"), HELD_OUT, ids=[phrase for phrase, _ in HELD_OUT])
def test_requests_written_before_the_router(phrase: str, wanted: Wanted) -> None:
    conversation = [user("How far is the moon?"), assistant("The moon is far."), user(phrase)]
    answer = router().answer(conversation, [SET_TIMER])
    if isinstance(wanted, Calls):
        assert answer is not None
        assert json.loads(answer.calls[0].arguments)["seconds"] == wanted.seconds
    elif isinstance(wanted, Says):
        assert answer is not None
        assert re.search(wanted.pattern, answer.text, re.IGNORECASE)
    elif isinstance(wanted, SaysOrDeclines):
        assert answer is None or re.search(wanted.pattern, answer.text, re.IGNORECASE)
    else:
        assert answer is None


@pytest.mark.parametrize(
    "phrase",
    [
        "What time is it?",
        "what time is it",
        "What's the time?",
        "Whats the time",
        "what is the time please",
        "Um, what time is it?",
        "Hey, what time is it now?",
        "Can you tell me the time?",
        "Could you tell me what time it is?",
        "could you please, uh, tell me what the current time is",
        "Do you know what time it is?",
        "Do you have the time?",
        "I'd like to know the time.",
        "I was wondering what time it is.",
        "Tell me the time.",
        "Time, please.",
        "So, what time is it right now?",
        "Excuse me, what's the exact time?",
        "What what time is it?",
        "Hi there! What time is it?",
        "Thanks. What time is it?",
        "What's the local time?",
        "Parley, what time is it?",
    ],
)
def test_the_time_however_it_is_asked(phrase: str) -> None:
    assert said(phrase) == "It's 2:05 PM."


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        ("What time is it in Tokyo?", "In Tokyo, it's 10:05 PM."),
        ("time in paris", "In Paris, it's 3:05 PM."),
        ("What's the time in New York right now?", "In New York City, it's 9:05 AM."),
        ("Could you please tell me what time it currently is in Berlin?", "In Berlin, it's 3:05 PM."),
        ("Is it late in Auckland?", "In Auckland, it's 1:05 AM on Thursday."),
        ("What time is it in India?", "In India, it's 6:35 PM."),
        ("what time is it in portland oregon", "In Portland, Oregon, it's 6:05 AM."),
        ("What time is it in the US?", "The United States has several time zones. In Washington, it's 9:05 AM."),
        ("What time is it in UTC?", "It's 1:05 PM UTC."),
        ("how many hours ahead is Tokyo", "Tokyo is 8 hours ahead of here."),
        ("What's the time difference between London and Los Angeles?", "London is 8 hours ahead of Los Angeles."),
        ("When it's noon here, what time is it in Tokyo?", "Then it's 8:00 PM in Tokyo."),
        ("What time will it be in 3 hours?", "In 3 hours, it will be 5:05 PM."),
        ("What time was it 45 minutes ago?", "45 minutes ago, it was 1:20 PM."),
        ("What time will it be in twelve hours?", "In 12 hours, it will be 2:05 AM on Thursday."),
        ("How long until midnight?", "9 hours and 55 minutes until 12:00 AM."),
    ],
)
def test_the_time_elsewhere_and_at_another_time(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        ("What day is it?", "Today is Wednesday, July 22nd, 2026."),
        ("What's today's date?", "Today is Wednesday, July 22nd, 2026."),
        ("Is today Wednesday?", "Yes, today is Wednesday, July 22nd, 2026."),
        ("Is it Friday?", "No, today is Wednesday, July 22nd, 2026."),
        ("what day is the third of March", "March 3rd, 2027 is a Wednesday."),
        ("What day is March 3rd?", "March 3rd, 2027 is a Wednesday."),
        ("what day was the third of march", "March 3rd, 2026 was a Tuesday."),
        ("What day of the week was the 4th of July 1976?", "July 4th, 1976 was a Sunday."),
        ("what day is the twenty first of june twenty twenty eight", "June 21st, 2028 is a Wednesday."),
        ("What day is the 29th of February?", "February 29th, 2028 is a Tuesday."),
        ("What's the date tomorrow?", "Tomorrow is Thursday, July 23rd, 2026."),
        ("What date will it be in 100 days?", "That is Friday, October 30th, 2026."),
        ("what's the date in a month", "That is Saturday, August 22nd, 2026."),
        ("How many days until Christmas?", "There are 156 days until Christmas Day."),
        ("how many weeks till halloween", "There are 14 weeks and 3 days until Halloween."),
        ("How long until July 23rd?", "There is 1 day until July 23rd, 2026."),
        ("How many days since New Year's Day?", "New Year's Day was 202 days ago."),
        ("When is Easter?", "Easter Sunday is on Sunday, March 28th, 2027."),
        ("how many days are there in February", "February has 28 days, and 29 in a leap year."),
        ("How many days does April have?", "April has 30 days."),
        ("Is 2100 a leap year?", "No, 2100 is not a leap year."),
        (
            "how many days between march first and june fifteenth",
            "From March 1st, 2027 to June 15th, 2027 it's 106 days.",
        ),
        ("How old is someone born on the 5th of May 1990?", "Someone born on May 5th, 1990 is 36 years old."),
        ("what year is it", "It's 2026."),
    ],
)
def test_dates(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        ("What's 17 times 4?", "17 times 4 is 68."),
        ("what is seventeen times four", "17 times 4 is 68."),
        ("17x4", "17 times 4 is 68."),
        ("What is 17 × 4?", "17 times 4 is 68."),
        ("17 * 4 =", "17 times 4 is 68."),
        ("So, um, how much is seventeen times four, please?", "17 times 4 is 68."),
        ("What does 17 times 4 equal?", "17 times 4 is 68."),
        ("Can you calculate 17 multiplied by 4 for me?", "17 multiplied by 4 is 68."),
        ("What do you get when you multiply 17 by 4?", "That's 68."),
        ("What is two times for?", "That's 8."),
        ("add forty five and sixty seven", "That's 112."),
        ("subtract 5 from 20", "That's 15."),
        ("What's 1,250 minus 375?", "1,250 minus 375 is 875."),
        ("What is five minus eight?", "5 minus 8 is minus 3."),
        ("-5 + 3", "Minus 5 plus 3 is minus 2."),
        ("minus five times negative three", "Minus 5 times negative 3 is 15."),
        ("What's 0.1 plus 0.2?", "0.1 plus 0.2 is 0.3."),
        ("three point one four times two", "3.14 times 2 is 6.28."),
        ("100 divided by 7", "100 divided by 7 is about 14.29."),
        ("What is ten divided by zero?", "You can't divide by zero, so that has no answer."),
        ("2 plus 3 times 4", "2 plus 3 times 4 is 14."),
        ("What is (2 + 3) * 4?", "That's 20."),
        ("What's fifteen percent of eighty?", "15 percent of 80 is 12."),
        ("What's 20% of 1.5 million?", "20 percent of 1,500,000 is 300,000."),
        ("20 percent off 50 dollars", "20 percent off 50 dollars is 40 dollars."),
        ("what's a 15% tip on $43", "That's 6.45 dollars."),
        ("What percent of 80 is 20?", "20 is 25 percent of 80."),
        ("what is 100 plus 5 percent", "100 plus 5 percent is 105."),
        ("What's a third of 90?", "A third of 90 is 30."),
        ("two thirds of ninety", "2 thirds of 90 is 60."),
        ("half of seven", "Half of 7 is 3.5."),
        ("twelve squared", "12 squared is 144."),
        ("What is the square root of 144?", "The square root of 144 is 12."),
        ("square root of two", "The square root of 2 is about 1.414."),
        ("cube root of 27", "The cube root of 27 is 3."),
        ("square root of minus four", "A negative number has no real square root."),
        ("two to the power of ten", "2 to the power of 10 is 1,024."),
        ("ten to the sixth", "10 to the sixth is 1,000,000."),
        ("5 factorial", "5 factorial is 120."),
        ("nine to the power of nine to the power of nine", "That number is too long to say."),
        ("a hundred thousand plus one", "100,000 plus 1 is 100,001."),
        ("Is 91 a prime number?", "No, 91 is 7 times 13."),
    ],
)
def test_sums(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        ("How many feet are in 3 miles?", "3 miles is 15,840 feet."),
        ("how many feet are there in three miles", "3 miles is 15,840 feet."),
        ("5 kilometers in miles", "5 kilometers is about 3.11 miles."),
        ("5km to miles", "5 kilometers is about 3.11 miles."),
        ("Convert 5 kilometres to miles, please.", "5 kilometers is about 3.11 miles."),
        ("what's three and a half miles in kilometers", "3.5 miles is about 5.63 kilometers."),
        ("half a mile in meters", "0.5 miles is about 804.67 meters."),
        ("How tall is six foot two in centimeters?", "6 feet 2 inches is 187.96 centimeters."),
        ("6'2\" in cm", "6 feet 2 inches is 187.96 centimeters."),
        ("188 cm in feet", "188 centimeters is about 6.17 feet, or 6 feet 2."),
        ("What's 100 degrees Fahrenheit in Celsius?", "100 degrees Fahrenheit is about 37.8 degrees Celsius."),
        ("350 °F in °C", "350 degrees Fahrenheit is about 176.7 degrees Celsius."),
        ("What is minus 40 celsius in fahrenheit?", "Minus 40 degrees Celsius is minus 40 degrees Fahrenheit."),
        ("72 degrees in celsius", "72 degrees Fahrenheit is about 22.2 degrees Celsius."),
        ("What's 70 kilos in pounds?", "70 kilograms is about 154.32 pounds."),
        ("What's 70 kilos and pounds?", "70 kilograms is about 154.32 pounds."),
        ("12 stone 5 in kilos", "12 stone 5 pounds is about 78.47 kilograms."),
        ("how many ounces are in a cup", "1 cup is 8 fluid ounces."),
        ("How many ounces in a pound?", "1 pound is 16 ounces."),
        ("60 mph in kilometers per hour", "60 miles per hour is about 96.56 kilometers per hour."),
        ("how many seconds are there in a day", "1 day is 86,400 seconds."),
        ("how many days are in a year", "There are 365 days in a year, and 366 in a leap year."),
        ("How many miles is a light year?", "1 light year is about 5.88 trillion miles."),
        (
            "3 miles in kilograms",
            "Miles and kilograms measure different things, so I can't convert one into the other.",
        ),
    ],
)
def test_units(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (("How many feet are in 3 miles?", "And in meters?"), "3 miles is about 4,828 meters."),
        (("How many feet are in 3 miles?", "What about 10 miles?"), "10 miles is 52,800 feet."),
        (("5 km in miles", "and in feet", "and in yards"), "5 kilometers is about 5,468 yards."),
        (("What time is it in Paris?", "What about Tokyo?"), "In Tokyo, it's 10:05 PM."),
        (("What time is it?", "And in New York?"), "In New York City, it's 9:05 AM."),
        (("What's 17 times 4?", "times two"), "68 times 2 is 136."),
        (("What's 17 times 4?", "times two", "And divided by 4?"), "136 divided by 4 is 34."),
        (("What's 17 times 4?", "Double that."), "Double 68 is 136."),
        (("What's the date?", "And tomorrow?"), "Tomorrow is Thursday, July 23rd, 2026."),
        (("How many days until Christmas?", "What about Halloween?"), "There are 101 days until Halloween."),
    ],
)
def test_follow_ups_build_on_the_answer_before(texts: tuple[str, ...], answer: str) -> None:
    assert said(*texts) == answer


def test_a_follow_up_of_something_else_is_declined() -> None:
    assert ask("I like chocolate.", "And in meters?") is None
    assert ask("What's 17 times 4?", "What about Tokyo?") is None


def test_two_questions_are_both_answered() -> None:
    assert said("What time is it and what's 2 plus 2?") == "It's 2:05 PM. 2 plus 2 is 4."


def test_a_courtesy_before_a_question_is_not_answered_by_itself() -> None:
    assert said("Hello! What's 2 plus 2?") == "2 plus 2 is 4."


def test_half_a_pair_of_questions_is_not_answered() -> None:
    assert ask("What time is it and who wrote Hamlet?") is None


@pytest.mark.parametrize(
    "phrase",
    [
        "How long is a piece of string?",
        "Time flies.",
        "What is time?",
        "What is love?",
        "Tell me about the Roman empire.",
        "It takes two to tango.",
        "I have a date tonight.",
        "I ran 5 miles today.",
        "How many feet does a centipede have?",
        "What does 24/7 mean?",
        "How many days did the war last?",
        "What happened on July 4th 1776?",
        "What's the best day of the week?",
        "What time does the bakery close today?",
        "What time does the store close?",
        "When's the next solar eclipse?",
        "What year was the Titanic sunk?",
        "How far is it from London to the sun?",
        "How many yards are in a football field?",
        "How many people in a mile?",
        "What's the difference between a crocodile and an alligator?",
        "I'd walk 500 miles and I would walk 500 more.",
        "Two of five.",
        "What is 5?",
        "a second opinion",
        "One more thing about the timer industry.",
        "Timers are useful.",
        "The alarm woke me at seven.",
        "Can you hear the clock ticking?",
        "Set a good example.",
        "Spelling is hard.",
        "The square root of all evil.",
        "Is it love?",
        "What day did you see him?",
        "Who was born on Christmas?",
        "How many days a week do you work?",
    ],
)
def test_what_is_not_a_clear_request_is_declined(phrase: str) -> None:
    assert ask(phrase) is None


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        ("How do you spell necessary?", "Necessary is spelled N, E, C, E, S, S, A, R, Y."),
        ("spell rhythm please", "Rhythm is spelled R, H, Y, T, H, M."),
        ("How is it spelled?", ""),
        ("How many letters are in the word banana?", "Banana has 6 letters: B, A, N, A, N, A."),
    ],
)
def test_spelling(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


@pytest.mark.parametrize(
    "phrase", ["Can you repeat that?", "What did you say?", "Say that again please.", "Pardon?"]
)
def test_repeats_what_was_heard_of_the_last_answer(phrase: str) -> None:
    conversation = [user("Hm?"), assistant("The moon is far."), user(phrase)]
    answer = router().answer(conversation)
    assert answer is not None
    assert answer.text == "The moon is far."


def test_nothing_to_repeat() -> None:
    assert said("Say that again.") == "I haven't said anything yet."


@pytest.mark.parametrize(
    ("phrase", "pattern"),
    [
        ("Hello!", "^Hello"),
        ("Good evening", "^Good evening"),
        ("Um, hi", "^Hello"),
        ("Thank you so much!", "welcome"),
        ("Who are you?", "offline assistant"),
        ("Are you a real person?", "small program"),
        ("What can you do?", r"sums.*units"),
        ("Tell me a joke", r"[.?!]$"),
        ("What's the weather in Rome?", "can't see the weather while I'm offline"),
        ("I'm feeling a bit sad today.", "sorry"),
    ],
)
def test_lines_for_want_of_better_are_marked(phrase: str, pattern: str) -> None:
    answer = ask(phrase)
    assert answer is not None
    assert re.search(pattern, answer.text)
    assert not answer.exact


def test_chance_is_left_to_chance() -> None:
    assert {said("Flip a coin") for _ in range(50)} == {"It's heads.", "It's tails."}
    assert {int(said("Roll a die").split()[-1].rstrip(".")) for _ in range(200)} == {1, 2, 3, 4, 5, 6}


def test_the_output_of_a_tool_becomes_a_sentence() -> None:
    call = FunctionCall("get_time", "{}", "call_1")
    conversation = [
        user("What time is it?"),
        Message(MessageRole.ASSISTANT, calls=(call,)),
        Message(MessageRole.TOOL, '{"time": "14:05"}', call_id="call_1"),
    ]
    answer = router().answer(conversation)
    assert answer is not None
    assert answer.text == "It's 2:05 PM."


def test_nothing_asked_nothing_answered() -> None:
    assert router().answer([]) is None
    assert ask("") is None
    assert ask("...!?") is None
    assert router().answer([assistant("Hello.")]) is None


async def test_reply_yields_the_answer() -> None:
    assert [piece async for piece in router().reply([user("What's 2 plus 2?")])] == ["2 plus 2 is 4."]
    assert [piece async for piece in router().reply([user("Who wrote Hamlet?")])] == []


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_it(text: str) -> None:
    router().answer([user("What's 2 plus 2?"), assistant("4"), user(text)], [SET_TIMER])


@pytest.mark.parametrize(
    "text",
    [
        "what is " * 49,
        "1 plus " * 57 + "1",
        "minus " * 66,
        "an hour and " * 33,
        "9 to the power of " * 22 + "9",
        "( " * 190,
        "a " * 199,
        "set a timer for " + "1 hour and " * 34,
        "hello " * 66,
    ],
)
def test_nothing_said_takes_long(text: str) -> None:
    started = time.process_time()
    router().answer([user(text)], [SET_TIMER])
    assert time.process_time() - started < 0.5
