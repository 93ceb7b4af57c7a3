"""The tools a client offers: a clear request becomes a call of the one that fits, or a question back.

There is no model here. A tool fits if the sentence is a request, names what the tool's name names ("timer",
"weather"), every required parameter can be filled from the sentence, and hardly a word of it is left over:
"What's the weather in Paris?" fits `get_weather(city)`, "what's the best weather song" does not. Timers, notes and
the volume have skills of their own, because people say them in ways that no name and no description tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desktop_app.local_server.brain.phrases import words
from desktop_app.local_server.brain.places import Places
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.skills.dates import find_day
from desktop_app.local_server.brain.toolkit import (
    CONCEPTS,
    MissingFrame,
    as_written,
    call,
    completed,
    concept,
    properties,
    required,
    reworded,
    spaced,
)
from desktop_app.local_server.brain.wording import figures, plain
from desktop_app.local_server.engines import MessageRole, Tool

_GENERIC = words(
    """
    get set fetch start create make do run tool current the a an of for to in on by and or function call
    request generate show read tell lookup look find search check play open close add send turn control use
    new my user your
    """
)
_STOP = words(
    """
    a an the is it in on of to for me my i you your please what how do does can could will would be right
    now today this that with from are am any some all there here at like going gonna get give tell show let
    us want need know have has and or so just about if should out up outside set start make put turn use
    check look find we our take does did was current currently moment which who when where much many running
    active pending
    """
)
_REQUESTS = re.compile(
    r"^(?:what|how|is|are|will|do|does|when|which|where|who|set|start|turn|switch|play|open|show"
    r"|tell|give|get|make|take|put|add|"
    r"write|note|jot|copy|send|call|search|find|look|check|read|create|increase|decrease|raise|lower|mute"
    r"|dim|book|order|generate|"
    r"i need|i want|i would like|stop|pause|cancel|delete|remove|close|run|list|go|visit|launch|browse)\b"
)
_ASKED_KINDLY = re.compile(r"^(?:(?:can|could|would|will) you (?:please )?)+")
_ASKING = re.compile(r"^(?:what|how|who|when|where|which|why|is|are|do|does|did|will)\b")
_PLACE = re.compile(r"city|location|place|town|country|region|where|destination|address")
_ZONE = re.compile(r"(?:^|_|time ?)zone$|^tz$")
_FREE = re.compile(
    r"query|text|content|message|note|title|song|artist|genre|track|item|task|subject|question"
    r"|topic|search|term|body|name|room|device"
)
_AT_PLACE = re.compile(
    r"\b(?:in|for|at|of|near|to) (?:the )?([a-z][a-z' .]*?)(?: (?:today|tomorrow|tonight|this \w+|on "
    r"\w+|right now|now))*$"
)
_SAME_VERB = {
    "go": "open",
    "visit": "open",
    "launch": "open",
    "browse": "open",
}
_VERBS: Mapping[str, frozenset[str]] = {
    "make": words("create make write add new note jot compose append insert save copy put"),
    "find": words("find search look lookup query"),
    "read": words("read show tell get fetch list give check display"),
    "remove": words("delete remove clear cancel stop"),
    "set": words("set turn switch change adjust"),
}
"""What a verb promises; a tool that creates is not called to read."""
_CLIPBOARD = re.compile(
    r"\bclipboard\b|^copy (?:that|this|it|your (?:last )?answer)$|^what (?:did|have) i (?:just )?cop(?:y|ied)$"
)
_EXPRESSION = re.compile(r"expression|formula|equation|calculation")
_ADDRESS = re.compile(r"url|target|link|website|page|path|file|site|domain|uri")
_SIGN = re.compile(r"sign|zodiac")
_SIGNS = words("aries taurus gemini cancer leo virgo libra scorpio sagittarius capricorn aquarius pisces")
_DOMAIN = re.compile(
    r"\b(?:(?P<scheme>https?)(?:://| colon slash slash ))?"
    r"(?P<host>(?:[a-z0-9-]+(?:\.| dot ))+(?:[a-z]{2,12}))(?P<path>(?:/\S*)?)(?=[\s.?!,]|$)",
    re.IGNORECASE,
)
_PATH = re.compile(r"(?:^|\s)(?P<path>(?:~|/|[A-Za-z]:\\)\S+)")


class Offered:
    """Maps clear requests onto the tools the client offers."""

    abilities: Sequence[str] = ()

    def __init__(self, places: Places) -> None:
        self._places = places

    def answer(self, request: Request) -> Answer | None:
        """Return a call of an offered tool, or a question for what is missing."""
        if request.before is not None:
            return self._follow_up(request, request.before.frame)
        return self._generic(request) if request.tools else None

    def _follow_up(self, request: Request, frame: object) -> Answer | None:
        if isinstance(frame, MissingFrame) and frame.skill == "offered":
            answer = self.answer(completed(request, frame))
            return answer if answer and (answer.calls or answer.frame) else None
        if isinstance(frame, ElsewhereFrame):
            name = re.sub(r"^(?:(?:and|what about|how about|in|for|at) )+", "", request.said)
            if self._places.find(name):
                return self.answer(reworded(request, frame.sentence.format(as_written(name, request.text))))
        return None

    def _generic(self, request: Request) -> Answer | None:
        if (
            not _REQUESTS.match(request.said)
            and not _REQUESTS.match(_ASKED_KINDLY.sub("", request.plain))
            and not _names_something(request.said.split()[:2])
        ):
            return None
        fits = [fit for tool in request.tools if (fit := self._fit(tool, request))]
        if not fits:
            return None
        best = max(fits, key=lambda fit: fit.score)
        if not best.missing:
            return call(best.tool, best.arguments, _elsewhere(best, request))
        if best.unexplained:
            return None
        name = best.missing[0]
        place = bool(_PLACE.search(name))
        question = "For which place?" if place else f"Which {spaced(name)}?"
        return Answer(question, frame=MissingFrame(request.said, "in" if place else "for", "offered"))

    def _fit(self, tool: Tool, request: Request) -> _Fit | None:
        words = spaced(tool.name).split()
        verb = request.said.split()[0]
        names = {concept(word) for word in words} - _GENERIC or (
            {words[0]} if _SAME_VERB.get(verb, verb) in words else set()
        )
        if names & {"timer", "alarm", "reminder"} or _contradicts(words, verb):
            return None
        if "note" in names and {"title", "text", "query"} & set(properties(tool)):
            return None  # `Notes` knows what is said of those
        said = [_SAME_VERB.get(word, word) if word == verb else word for word in request.figures.split()]
        said = [word for word in said if word not in _STOP]
        if "clipboard" in names and not _CLIPBOARD.search(request.said):
            return None
        matched = {concept(word) for word in said} & names
        if not matched:
            return None
        if re.search(r"\b(?:over )?there$", request.said):
            return None  # where that is, was said in another sentence
        arguments, used = self._arguments(tool, request)
        if any(_EXPRESSION.search(name.lower()) for name in required(tool)):
            return None  # sums are done here
        described = {concept(word) for word in plain(tool.description).split()}
        left = [word for word in said if concept(word) not in names | described | _GENERIC and word not in used]
        whole = matched == names
        if len(left) > (1 if whole and len(names) > 1 else 0):
            return None
        missing = tuple(name for name in required(tool) if name not in arguments)
        if len(names) == 1 and not names - {words[0]} and words[0] in _GENERIC and missing:
            return None  # "open the door" names no page
        return _Fit(
            tool, arguments, missing, tuple(left), 2 * len(matched) + len(arguments) - len(names) - 3 * len(missing)
        )

    def _arguments(self, tool: Tool, request: Request) -> tuple[dict[str, Any], set[str]]:
        """Fill what can be filled; return it with the words it took."""
        arguments: dict[str, Any] = {}
        used: set[str] = set()
        for name, schema in properties(tool).items():
            value, words = self._value(name, schema, tool, request)
            if value is not None:
                arguments[name] = value
                used |= words
        return arguments, used

    def _value(self, name: str, schema: Mapping[str, Any], tool: Tool, request: Request) -> tuple[Any, set[str]]:
        words = request.figures.split()
        if isinstance(options := schema.get("enum"), list):
            for option in options:
                spoken = plain(spaced(str(option)))
                if re.search(rf"\b{re.escape(spoken)}\b", request.figures):
                    return option, set(spoken.split())
            return None, set()
        kind = schema.get("type")
        if kind == "boolean":
            on = {"on": True, "enable": True, "off": False, "disable": False}
            word = next((word for word in words if word in on), None)
            return (on[word], {word}) if word else (None, set())
        if kind in ("number", "integer"):
            numbers = [word for word in words if re.fullmatch(r"\d+(?:\.\d+)?", word)]
            if len(numbers) != 1:
                return None, set()
            number = float(numbers[0])
            return (int(number) if number.is_integer() else number), {numbers[0], "percent"}
        return self._text(name, schema, tool, request) if kind in ("string", None) else (None, set())

    def _text(self, name: str, schema: Mapping[str, Any], tool: Tool, request: Request) -> tuple[Any, set[str]]:
        hint = f"{name} {schema.get('description', '')}".lower()
        if _ADDRESS.search(name.lower()):
            return _address(request)
        if (
            _ZONE.search(name.lower())
            or _PLACE.search(name.lower())
            or (_PLACE.search(hint) and not _FREE.search(name.lower()))
        ):
            return self._place(request, zone=bool(_ZONE.search(name.lower()) or "iana" in hint))
        if re.search(r"date|day", name.lower()):
            match = re.search(
                r"\b(today|tomorrow|(?:on )?(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b", request.said
            )
            day = find_day(match[1], request.now.date()) if match else None
            return (day.date.isoformat(), set(match[0].split())) if day and match else (None, set())
        if _SIGN.search(name.lower()):
            sign = next((word for word in request.said.split() if word in _SIGNS), None)
            return (sign.title(), {sign}) if sign else (None, set())
        if _FREE.search(name.lower()) and not _ASKING.match(request.said):
            return _free_text(tool, request)
        return None, set()

    def _place(self, request: Request, *, zone: bool) -> tuple[Any, set[str]]:
        match = _AT_PLACE.search(request.said)
        if not match:
            return None, set()
        place = self._places.find(match[1])
        spoken = as_written(match[1], request.text)
        if zone:
            return (place.zone, set(match[1].split())) if place and not place.rivals else (None, set())
        return (spoken, set(match[1].split())) if place or spoken[:1].isupper() else (None, set())


@dataclass(frozen=True, slots=True)
class _Fit:
    tool: Tool
    arguments: Mapping[str, Any]
    missing: tuple[str, ...]
    unexplained: tuple[str, ...]
    score: int


@dataclass(frozen=True, slots=True)
class ElsewhereFrame:
    """A tool was called for a place; another place may follow."""

    sentence: str
    """What was asked, with `{}` for the place."""


def _elsewhere(fit: _Fit, request: Request) -> ElsewhereFrame | None:
    """Return the frame for "and in Paris?", if the sentence ended with a place."""
    match = _AT_PLACE.search(request.said)
    if not match or not any(_ZONE.search(n.lower()) or _PLACE.search(n.lower()) for n in fit.arguments):
        return None
    return ElsewhereFrame(f"{request.said[: match.start(1)]}{{}}{request.said[match.end(1) :]}")


def _contradicts(words: Sequence[str], verb: str) -> bool:
    """Whether the verb of a request asks for something else than the verb of a tool's name promises."""
    tool = next((kind for kind, verbs in _VERBS.items() if words[0] in verbs), "")
    said = next((kind for kind, verbs in _VERBS.items() if verb in verbs), "")
    if tool in ("", "set") or said in ("", "set"):
        return tool in ("make", "remove") and bool(_ASKING.match(verb)) and words[0] not in ("make", "do")
    return tool != said


def _names_something(words: Sequence[str]) -> bool:
    return any(word in CONCEPTS or word in ("weather", "music", "volume") for word in words)


def _free_text(tool: Tool, request: Request) -> tuple[Any, set[str]]:
    """Return what stands behind the verb and the tool's own noun: "note" ← "take a note buy milk"."""
    nouns = "|".join(re.escape(word) for word in spaced(tool.name).split())
    said = request.said
    if re.match(r"^\w+ (?:that|it|this|your (?:last )?answer|what you (?:just )?said)\b", said):
        last = next((m.text for m in reversed(request.earlier) if m.role is MessageRole.ASSISTANT and m.text), None)
        return last, set(said.split())
    match = re.match(
        (
            rf"^\w+ (?:(?:down|up|for|a|an|the|my|some|me|new|on|off|web|internet"
            rf"|in)\s)*(?:(?:{nouns})s?\s)?(?:(?:called|named|saying|that says|about|that|to|for|of"
            rf"|titled|in|on|off|by)\s)*(?:the )?(?P<rest>.+)$"
        ),
        said,
    )
    if not match:
        return None, set()
    rest = re.sub(rf" (?:(?:to|on|onto|in|into) (?:the |my )?(?:{nouns})s?|(?:{nouns})s?)$", "", match["rest"])
    used = set(figures(match["rest"]).split()) | set(match["rest"].split())
    return as_written(rest, request.text), used


def _address(request: Request) -> tuple[Any, set[str]]:
    """Return a web address or the path of a file that was named as such; nothing is guessed."""
    said = request.text.rstrip(".!?")
    if match := _PATH.search(said):
        return match["path"], set(plain(match[0]).split())
    if match := _DOMAIN.search(said):
        host = re.sub(r" dot ", ".", match["host"], flags=re.IGNORECASE).lower()
        return f"{(match['scheme'] or 'https').lower()}://{host}{match['path']}", set(plain(match[0]).split())
    return None, set()
