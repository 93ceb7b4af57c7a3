"""How the brain's tests ask: on Wednesday, 22 July 2026, at 2:05 PM in London."""

from __future__ import annotations

import datetime as dt
import functools
import random
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from desktop_app.local_server.brain.router import Router
from desktop_app.local_server.brain.skill import Answer
from desktop_app.local_server.engines import Message, MessageRole, Tool

NOW = dt.datetime(2026, 7, 22, 14, 5, tzinfo=ZoneInfo("Europe/London"))

SET_TIMER = Tool(
    "set_timer",
    "Start a countdown timer.",
    {
        "type": "object",
        "properties": {"seconds": {"type": "integer"}, "label": {"type": "string"}},
        "required": ["seconds"],
    },
)


@functools.cache
def router() -> Router:
    """Return the one router of all tests: it keeps no state."""
    return Router(now=lambda: NOW, chance=random.Random(7))


def user(text: str) -> Message:
    """Return what the user said."""
    return Message(MessageRole.USER, text)


def assistant(text: str) -> Message:
    """Return what was answered."""
    return Message(MessageRole.ASSISTANT, text)


def ask(*texts: str, tools: Sequence[Tool] = ()) -> Answer | None:
    """Say one thing after the other, each answered somehow; return the router's answer to the last."""
    messages: list[Message] = []
    for text in texts:
        messages += [user(text), assistant("Mhm.")]
    return router().answer(messages[:-1], tools)


def said(*texts: str, tools: Sequence[Tool] = ()) -> str:
    """Return the text of the answer; empty if there is none."""
    answer = ask(*texts, tools=tools)
    return answer.text if answer else ""
