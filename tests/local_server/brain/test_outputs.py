"""What tools return, spoken."""

from __future__ import annotations

import json

import pytest

from desktop_app.local_server.brain.outputs import say_output
from desktop_app.local_server.engines import FunctionCall

TIMER = FunctionCall("set_timer", '{"minutes": 5}', "call_1")


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ('{"time": "14:05"}', "It's 2:05 PM."),
        ('{"current_time": "2026-07-22T14:05:00+01:00", "timezone": "Europe/London"}', "It's 2:05 PM."),
        ('"2026-07-22"', "It's Wednesday, July 22nd, 2026."),
        ('{"ok": true}', "Okay, that's done."),
        ("", "Okay, that's done."),
        ("null", "Okay, that's done."),
        ('{"status": "success", "id": "x1"}', "Okay, that's done."),
        ('{"error": "declined by user"}', "Okay, I won't."),
        ('{"error": "no such city"}', "That didn't work: no such city."),
        ('{"error": {"message": "Too late!"}}', "That didn't work: Too late!"),
        ('{"temperature": 21.5, "condition": "sunny"}', "The temperature is 21.5 and the condition is sunny."),
        ('{"horoscope": "You will soon meet a new friend."}', "You will soon meet a new friend."),
        ('{"batteryLevel": 80}', "The battery level is 80."),
        ('["milk", "bread", "eggs"]', "milk, bread and eggs."),
        ("[]", "There is nothing to tell: the list is empty."),
        ("42", "It's 42."),
        ("It is sunny in Paris", "It is sunny in Paris."),
        ('{"success": false}', "The success is no."),
        ("{not json", "{not json."),
        ('"99:99"', "99:99."),
    ],
)
def test_sentences(output: str, sentence: str) -> None:
    assert say_output(output, None) == sentence


def test_a_timer_that_was_set() -> None:
    assert say_output('{"ok": true}', TIMER) == "Okay, your timer for 5 minutes is set."
    assert say_output("done", FunctionCall("set_timer", "not json")) == "Okay, your timer is set."
    assert say_output("done", FunctionCall("set_alarm", "[1]")) == "Okay, your alarm is set."


def test_a_long_output_is_cut_where_a_sentence_ends() -> None:
    spoken = say_output("This is a sentence of the text. " * 100, None)
    assert len(spoken) <= 400
    assert spoken.endswith("text.")


def test_many_values_are_not_all_read() -> None:
    spoken = say_output(json.dumps({f"value_{n}": n for n in range(8)}), None)
    assert spoken.endswith("There are 3 more values.")
