"""The program's own tools, as the client offers them: which request becomes which call."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from desktop_app.local_server.engines import Tool
from tests.local_server.brain.asking import ask, said
from tests.local_server.brain.client_tools import client_tools

Calls = list[tuple[str, dict[str, Any]]]


def calls(*texts: str) -> Calls:
    """Return what is called for the last of these requests; every call keeps to its tool's schema."""
    answer = ask(*texts, tools=client_tools())
    if answer is None:
        return []
    schemas = {tool.name: tool.parameters for tool in client_tools()}
    made = [(call.name, json.loads(call.arguments)) for call in answer.calls]
    for name, arguments in made:
        jsonschema.validate(arguments, schemas[name])
    return made


@pytest.mark.parametrize(
    ("phrase", "wanted"),
    [
        ("What time is it in Tokyo?", [("get_local_time", {"zone": "Asia/Tokyo"})]),
        ("Set a timer for five minutes.", [("set_timer", {"seconds": 300})]),
        (
            "Set a timer for five minutes and tell me the time in Oslo.",
            [("set_timer", {"seconds": 300}), ("get_local_time", {"zone": "Europe/Oslo"})],
        ),
        (
            "set timers for five and ten minutes",
            [("set_timer", {"seconds": 300}), ("set_timer", {"seconds": 600})],
        ),
        (
            "Set a timer for twelve minutes and another one for half an hour.",
            [("set_timer", {"seconds": 720}), ("set_timer", {"seconds": 1800})],
        ),
        (
            "set a timer for 5 minutes and a timer for 10 minutes",
            [("set_timer", {"seconds": 300}), ("set_timer", {"seconds": 600})],
        ),
        (
            "set an alarm for 7 AM and another for 8 AM",
            [
                ("set_reminder", {"text": "Alarm", "at": "2026-07-23T07:00:00+01:00"}),
                ("set_reminder", {"text": "Alarm", "at": "2026-07-23T08:00:00+01:00"}),
            ],
        ),
        (
            "remind me at five to buy milk and at six to call Tom",
            [
                ("set_reminder", {"text": "buy milk", "at": "2026-07-22T17:00:00+01:00"}),
                ("set_reminder", {"text": "call Tom", "at": "2026-07-22T18:00:00+01:00"}),
            ],
        ),
        (
            "what time is it in Oslo, Paris and Tokyo",
            [("get_local_time", {"zone": zone}) for zone in ("Europe/Oslo", "Europe/Paris", "Asia/Tokyo")],
        ),
        (
            "what's the time in Tokyo and in Paris",
            [("get_local_time", {"zone": "Asia/Tokyo"}), ("get_local_time", {"zone": "Europe/Paris"})],
        ),
        (
            "remind me tomorrow at nine to buy bread",
            [("set_reminder", {"text": "buy bread", "at": "2026-07-23T09:00:00+01:00"})],
        ),
        (
            "Remind me to call Anna on Friday at 10 AM",
            [("set_reminder", {"text": "call Anna", "at": "2026-07-24T10:00:00+01:00"})],
        ),
        (
            "remind me tomorrow at three to leave",  # not in the night
            [("set_reminder", {"text": "leave", "at": "2026-07-23T15:00:00+01:00"})],
        ),
        ("Remind me in an hour to stretch", [("set_reminder", {"text": "stretch", "seconds": 3600})]),
        (
            "Wake me up at 6:30 in the morning",
            [("set_reminder", {"text": "Alarm", "at": "2026-07-23T06:30:00+01:00"})],
        ),
        ("what timers are running", [("list_timers", {})]),
        ("how much time is left on my timer", [("list_timers", {})]),
        ("stop the alarm", [("cancel_timer", {})]),
        ("add milk to my shopping list", [("append_to_note", {"title": "shopping list", "text": "milk"})]),
        ("note: buy batteries", [("create_note", {"title": "Buy batteries", "text": "buy batteries"})]),
        ("read my shopping list", [("read_note", {"title": "shopping list"})]),
        ("what notes do I have", [("list_notes", {})]),
        ("search my notes for passport", [("search_notes", {"query": "passport"})]),
        ("what did I copy", [("read_clipboard", {})]),
        ("Copy Hello World to the clipboard", [("write_clipboard", {"text": "Hello World"})]),
        ("what's on my screen", [("take_screenshot", {})]),
        ("volume to max", [("set_volume", {"percent": 100})]),
        ("mute", [("set_volume", {"percent": 0})]),
        ("How loud is it?", [("get_volume", {})]),
        ("go to bbc.co.uk", [("open", {"target": "https://bbc.co.uk"})]),
        ("Open https://example.org/a/b", [("open", {"target": "https://example.org/a/b"})]),
        ("open /home/me/letter.txt", [("open", {"target": "/home/me/letter.txt"})]),
        ("What's 17 times 23?", []),
    ],
)
def test_clear_requests(phrase: str, wanted: Calls) -> None:
    assert calls(phrase) == wanted


@pytest.mark.parametrize(
    ("first", "question", "second", "wanted"),
    [
        ("Set a timer.", "For how long?", "ten minutes", [("set_timer", {"seconds": 600})]),
        (
            "Remind me to call mom",
            "When shall I remind you?",
            "in ten minutes",
            [("set_reminder", {"text": "call mom", "seconds": 600})],
        ),
        (
            "Remind me to call the bank on Friday",
            "When shall I remind you?",
            "at ten AM",
            [("set_reminder", {"text": "call the bank", "at": "2026-07-24T10:00:00+01:00"})],
        ),
        ("turn the volume up", "To how many percent?", "60", [("set_volume", {"percent": 60})]),
        (
            "Take a note",
            "What shall I write down?",
            "The key is under the mat",
            [("create_note", {"title": "The key is under the mat", "text": "The key is under the mat"})],
        ),
    ],
)
def test_what_is_missing_is_asked_for(first: str, question: str, second: str, wanted: Calls) -> None:
    assert said(first, tools=client_tools()) == question
    assert calls(first, second) == wanted


def test_another_place_may_follow() -> None:
    assert calls("What time is it in Tokyo?", "And in Paris?") == [("get_local_time", {"zone": "Europe/Paris"})]


@pytest.mark.parametrize(
    "phrase",
    [
        "Open the door.",
        "open my heart",
        "The note was long.",
        "Take note that I'm late.",
        "Copy me on this.",
        "set a timer for five minutes and who wrote Hamlet",
        "remind me of my mother",
        "the volume of a cone",
        "what time is it in Narnia",
        "what's the capital of Norway and what time is it there",
        "He reads my shopping list to his wife every day.",
    ],
)
def test_what_is_none_of_their_business(phrase: str) -> None:
    assert calls(phrase) == []


def test_an_ambiguous_place_is_not_called_for_but_said() -> None:
    assert (
        said("What's the time in Springfield?", tools=client_tools()) == "In Springfield, Missouri, it's 8:05 AM."
    )


def test_a_moment_that_has_passed_is_not_set() -> None:
    assert "passed" in said("remind me today at 9 AM to run", tools=client_tools())


def test_the_guides_own_example() -> None:
    signs = ["Aries", "Taurus", "Aquarius", "Pisces"]
    horoscope = Tool(
        "generate_horoscope",
        "Give today's horoscope for an astrological sign.",
        {
            "type": "object",
            "properties": {"sign": {"type": "string", "description": "The sign for the horoscope.", "enum": signs}},
            "required": ["sign"],
        },
    )
    tools = (*client_tools(), horoscope)
    for phrase in (
        "what's my horoscope, I'm an Aquarius",
        "What is my horoscope? I am an aquarius",
        "Give me the horoscope for Aquarius",
        "Can you tell me my horoscope? I'm an Aquarius.",
    ):
        answer = ask(phrase, tools=tools)
        assert answer is not None, phrase
        assert [(c.name, json.loads(c.arguments)) for c in answer.calls] == [
            ("generate_horoscope", {"sign": "Aquarius"})
        ]
    assert said("What's my horoscope?", tools=tools) == "Which sign?"
    answer = ask("What's my horoscope?", "Pisces", tools=tools)
    assert answer is not None
    assert [json.loads(c.arguments) for c in answer.calls] == [{"sign": "Pisces"}]
    assert not (ask("I'm an Aquarius", tools=tools) or ask("nothing")).calls  # type: ignore[union-attr]
