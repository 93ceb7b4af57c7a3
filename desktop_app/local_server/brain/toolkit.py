"""What the skills that call tools have in common: how a tool is read, called, and asked back for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import figures, spoken, tidy
from desktop_app.local_server.engines import FunctionCall, Tool

CONCEPTS = {
    "screen": "screenshot",
    "copied": "clipboard",
    "copy": "clipboard",
    "rain": "weather",
    "raining": "weather",
    "rainy": "weather",
    "umbrella": "weather",
    "sunny": "weather",
    "forecast": "weather",
    "temperature": "weather",
    "cold": "weather",
    "warm": "weather",
    "hot": "weather",
    "snow": "weather",
    "snowing": "weather",
    "windy": "weather",
    "lamp": "light",
    "lights": "light",
    "lamps": "light",
    "song": "music",
    "songs": "music",
    "tune": "music",
    "clock": "time",
    "loud": "volume",
    "louder": "volume",
    "quieter": "volume",
    "sound": "volume",
    "email": "mail",
    "memo": "note",
    "notes": "note",
    "website": "page",
    "webpage": "page",
    "site": "page",
    "star": "sign",
}


@dataclass(frozen=True, slots=True)
class MissingFrame:
    """A request that lacks something: the next sentence may bring it."""

    sentence: str
    """What was asked, tidied; what is missing is put behind `joint`."""
    joint: str
    skill: str
    """Which skill asked back."""


def completed(request: Request, frame: MissingFrame) -> Request:
    """Return the request that was lacking something, with what has been said now."""
    said = re.sub(rf"^(?:{frame.joint}|for|in|at|about|to) ", "", request.said)
    return reworded(request, f"{frame.sentence} {frame.joint} {as_written(said, request.text)}")


def reworded(request: Request, whole: str) -> Request:
    """Return the request as if it had been said in these words, with nothing before it."""
    return Request(
        whole, spoken(whole), tidy(whole), figures(tidy(whole)), request.now, request.tools, request.earlier
    )


def call(tool: Tool, arguments: Mapping[str, Any], frame: object | None = None) -> Answer:
    """Return the call of a tool, as an answer."""
    return Answer(calls=(FunctionCall(tool.name, json.dumps(dict(arguments), ensure_ascii=False)),), frame=frame)


def spaced(name: str) -> str:
    """Return the words of a tool's or parameter's name: "getWeather", "get_weather" → "get weather"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]+", " ", name).lower().strip()


def concept(word: str) -> str:
    """Return what a word stands for: "raining" → "weather", "timers" → "timer"."""
    word = CONCEPTS.get(word, word)
    stem = word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
    return CONCEPTS.get(stem, stem)


def properties(tool: Tool) -> Mapping[str, Mapping[str, Any]]:
    """Return the parameters of a tool, each with its schema."""
    found = tool.parameters.get("properties")
    if not isinstance(found, Mapping):
        return {}
    return {name: schema for name, schema in found.items() if isinstance(schema, Mapping)}


def required(tool: Tool) -> Sequence[str]:
    """Return the names of the parameters that must be given."""
    found = tool.parameters.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def as_written(words: str, text: str) -> str:
    """Return `words` in the spelling of the sentence they come from."""
    pattern = r"\W+".join(re.escape(word) for word in words.split())
    match = re.search(pattern, text, re.IGNORECASE)
    return match[0] if match else words
