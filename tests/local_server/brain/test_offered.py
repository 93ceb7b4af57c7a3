"""Tools a client offers: which request becomes which call, and which must not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from desktop_app.local_server.engines import Tool
from tests.local_server.brain.asking import SET_TIMER, ask, said


def tool(name: str, description: str = "", required: str = "", **properties: Any) -> Tool:
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return Tool(name, description, schema)


TEXT = {"type": "string"}
NUMBER = {"type": "number"}
WEATHER = tool("get_weather", "Get the current weather for a city.", "city", city=TEXT)
TIME = tool("get_current_time", "Current time in a time zone.", "", timezone={"type": "string"})
HOROSCOPE = tool(
    "generate_horoscope",
    "Give today's horoscope for an astrological sign.",
    "sign",
    sign={"type": "string", "enum": ["Aries", "Taurus", "Aquarius"]},
)
LIGHT = tool("set_light", "Turn a light on or off in a room.", "room on", room=TEXT, on={"type": "boolean"})
VOLUME = tool("set_volume", "Set the system volume in percent.", "level", level={"type": "integer"})
NOTE = tool("take_note", "Write a note.", "text", text=TEXT)
EVERY = (SET_TIMER, WEATHER, TIME, HOROSCOPE, LIGHT, VOLUME, NOTE)


@pytest.mark.parametrize(
    ("phrase", "name", "arguments"),
    [
        ("Set a timer for 5 minutes.", "set_timer", {"seconds": 300}),
        ("set a five minute timer please", "set_timer", {"seconds": 300}),
        ("Could you, um, start a timer for ten minutes?", "set_timer", {"seconds": 600}),
        ("timer for half an hour", "set_timer", {"seconds": 1800}),
        ("Set a timer for an hour and a half.", "set_timer", {"seconds": 5400}),
        ("Set a timer for 1 hour and 20 minutes", "set_timer", {"seconds": 4800}),
        ("thirty second timer", "set_timer", {"seconds": 30}),
        ("Start a ten minute timer for the eggs.", "set_timer", {"seconds": 600, "label": "eggs"}),
        ("Set a pasta timer for 9 minutes", "set_timer", {"seconds": 540, "label": "pasta"}),
        ("Remind me in 20 minutes to call mum", "set_timer", {"seconds": 1200, "label": "call mum"}),
        (
            "Remind me to take the pizza out in 15 minutes",
            "set_timer",
            {"seconds": 900, "label": "take the pizza out"},
        ),
        ("Count down from 30 seconds", "set_timer", {"seconds": 30}),
        ("What's the weather in Paris?", "get_weather", {"city": "Paris"}),
        ("Is it raining in Oslo right now?", "get_weather", {"city": "Oslo"}),
        ("Do I need an umbrella in New York today?", "get_weather", {"city": "New York"}),
        ("How is the weather in Madrid today", "get_weather", {"city": "Madrid"}),
        ("What time is it in Tokyo?", "get_current_time", {"timezone": "Asia/Tokyo"}),
        ("What time is it?", "get_current_time", {}),
        ("What is my horoscope? I am an Aquarius.", "generate_horoscope", {"sign": "Aquarius"}),
        ("Turn the light off in the kitchen.", "set_light", {"room": "kitchen", "on": False}),
        ("Set the volume to 30 percent", "set_volume", {"level": 30}),
        ("Take a note: buy milk", "take_note", {"text": "buy milk"}),
    ],
)
def test_a_clear_request_becomes_a_call(phrase: str, name: str, arguments: dict[str, Any]) -> None:
    answer = ask(phrase, tools=EVERY)
    assert answer is not None
    assert not answer.text
    assert [call.name for call in answer.calls] == [name]
    assert json.loads(answer.calls[0].arguments) == arguments


@pytest.mark.parametrize(
    "phrase",
    [
        "Who wrote Hamlet?",
        "I like chocolate.",
        "I had a great time.",
        "What's the best time to visit Japan?",
        "The weather spoiled our holiday.",
        "My horoscope was wrong.",
        "Why is the weather in England so bad?",
        "Who invented the light bulb?",
        "What's the volume of a sphere?",
        "Timers are useful.",
        "How do I set a timer on my oven?",
        "What is the note after G sharp?",
    ],
)
def test_a_sentence_that_only_mentions_a_tool_is_no_call(phrase: str) -> None:
    answer = ask(phrase, tools=EVERY)
    assert answer is None or not answer.calls


@pytest.mark.parametrize(
    ("properties", "phrase", "arguments"),
    [
        ({"minutes": NUMBER}, "Set a timer for 90 seconds", {"minutes": 1.5}),
        ({"minutes": {"type": "integer"}}, "Set a timer for 10 minutes", {"minutes": 10}),
        ({"duration_ms": NUMBER}, "Set a timer for 2 seconds", {"duration_ms": 2000}),
        ({"duration": {"type": "number", "description": "in minutes"}}, "timer for 2 hours", {"duration": 120}),
        ({"hours": NUMBER, "minutes": NUMBER}, "timer for 2 hours and 5 minutes", {"hours": 2, "minutes": 5}),
        (
            {"duration": {"type": "string", "description": "ISO 8601"}},
            "timer for 90 minutes",
            {"duration": "PT1H30M"},
        ),
    ],
)
def test_durations_in_the_unit_the_tool_wants(properties: Any, phrase: str, arguments: Any) -> None:
    answer = ask(phrase, tools=[tool("start_timer", "", " ".join(properties), **properties)])
    assert answer is not None
    assert json.loads(answer.calls[0].arguments) == arguments


def test_an_alarm_is_set_at_a_time() -> None:
    alarm = tool("set_alarm", "", "time", time=TEXT, label=TEXT)
    answer = ask("Wake me up at half past six", tools=[SET_TIMER, alarm])
    assert answer is not None
    assert answer.calls[0].name == "set_alarm"
    assert json.loads(answer.calls[0].arguments) == {"time": "18:30"}


def test_an_alarm_becomes_a_timer_if_that_is_all_there_is() -> None:
    answer = ask("Set an alarm for 3 pm", tools=[SET_TIMER])
    assert answer is not None
    assert json.loads(answer.calls[0].arguments) == {"seconds": 55 * 60}


def test_what_is_missing_is_asked_for_and_filled_in() -> None:
    assert said("Set a timer.", tools=EVERY) == "For how long?"
    answer = ask("Set a timer.", "Five minutes, please.", tools=EVERY)
    assert answer is not None
    assert json.loads(answer.calls[0].arguments) == {"seconds": 300}

    assert said("What's the weather like?", tools=EVERY) == "For which place?"
    answer = ask("What's the weather like?", "In Paris.", tools=EVERY)
    assert answer is not None
    assert json.loads(answer.calls[0].arguments) == {"city": "Paris"}


@pytest.mark.parametrize(
    ("phrase", "what"),
    [
        ("Set a timer for five minutes.", "timers"),
        ("Set an alarm for 7 AM tomorrow", "alarms"),
        ("Wake me up in an hour", "alarms"),
        ("Remind me to call mum at 6 pm", "reminders"),
    ],
)
def test_without_a_tool_it_says_so(phrase: str, what: str) -> None:
    answer = ask(phrase)
    assert answer is not None
    assert answer.text.startswith(f"I can't set {what} here yet")
    assert answer.exact  # a large model without tools could only pretend


def test_tools_that_undo_are_not_taken_for_setting() -> None:
    cancel = tool("cancel_timer", "Cancel the running timer.")
    answer = ask("Set a timer for 5 minutes", tools=[cancel, SET_TIMER])
    assert answer is not None
    assert answer.calls[0].name == "set_timer"
    answer = ask("Cancel the timer.", tools=[cancel, SET_TIMER])
    assert answer is not None
    assert [call.name for call in answer.calls] == ["cancel_timer"]


@pytest.mark.parametrize(
    "parameters", [{}, {"properties": None}, {"properties": {"x": 3}, "required": "x"}, {"type": 5}]
)
def test_odd_schemas_break_nothing(parameters: Any) -> None:
    odd = Tool("get_weather", "", parameters)
    ask("What's the weather in Paris?", tools=[odd])
    ask("Set a timer for 5 minutes", tools=[Tool("set_timer", "", parameters)])
