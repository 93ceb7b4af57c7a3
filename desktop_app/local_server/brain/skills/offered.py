"""The tools a client offers: a clear request becomes a call of the one that fits, or a question back.

There is no model here. A tool fits if the sentence is a request, names what the tool's name names ("timer",
"weather"), every required parameter can be filled from the sentence, and hardly a word of it is left over:
"What's the weather in Paris?" fits `get_weather(city)`, "what's the best weather song" does not. Timers, alarms
and reminders are understood by themselves, since their parameters differ from client to client.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desktop_app.local_server.brain.phrases import words
from desktop_app.local_server.brain.places import Places
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.skills.dates import find_day
from desktop_app.local_server.brain.wording import CLOCK_TIME, figures, next_moment, plain, spoken, tidy
from desktop_app.local_server.engines import FunctionCall, MessageRole, Tool

_SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600, "day": 86400}
_UNIT = r"(?:second|sec|minute|min|hour|hr|day)s?"
_DURATION = rf"(?:(?:\d+(?:\.\d+)?|an?|one) {_UNIT}(?:,? (?:and )?(?:\d+(?:\.\d+)?|a|an) {_UNIT})*)"
_START = (
    r"(?:(?:set|start|make|create|begin|put|run|add|give me|i need|i want|i would like"
    r"|i would like to set|want|need|get)(?: up| on| me)? )?(?:(?:a|an|the|my|another|new|us"
    r"|me) )*"
)
_KIND = r"(?P<kind>timer|countdown|count down|alarm|reminder)"
_FOR = r"(?:for|of|to|called|named|labeled|about|on)"

_TIMERS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^{_START}{_KIND}(?: clock)?$",
        (
            rf"^{_START}{_KIND}(?: clock)?(?: for| of| to| in| that lasts"
            rf"| lasting)? (?P<length>{_DURATION})(?: from now)?(?: {_FOR} (?:the |my )?(?P<what>.+))?$"
        ),
        (
            rf"^{_START}{_KIND}(?: clock)?(?: for| at| to)? (?P<at>{CLOCK_TIME})(?: {_FOR} (?:the "
            rf"|my )?(?P<what>.+))?$"
        ),
        rf"^{_START}(?P<length>{_DURATION}) {_KIND}(?: {_FOR} (?:the |my )?(?P<what>.+))?$",
        rf"^{_START}(?P<at>{CLOCK_TIME}) {_KIND}(?: {_FOR} (?:the |my )?(?P<what>.+))?$",
        rf"^{_START}{_KIND} {_FOR} (?:the |my )?(?P<what>.+?) (?:for|in|of) (?P<length>{_DURATION})$",
        rf"^(?P<kind>remind) me (?:in|after) (?P<length>{_DURATION}) (?:to|about|that|of) (?P<what>.+)$",
        rf"^(?P<kind>remind) me (?:in|after) (?P<length>{_DURATION})$",
        rf"^(?P<kind>remind) me (?:to|about|that|of) (?P<what>.+?) in (?P<length>{_DURATION})(?: from now)?$",
        rf"^(?P<kind>remind) me (?:to|about|that|of) (?P<what>.+?) at (?P<at>{CLOCK_TIME})$",
        rf"^(?P<kind>remind) me at (?P<at>{CLOCK_TIME}) (?:to|about|that|of) (?P<what>.+)$",
        r"^(?P<kind>remind) me (?:to|about|that|of) (?P<what>.+)$",
        rf"^(?P<kind>wake) me(?: up)? (?:in|after) (?P<length>{_DURATION})$",
        rf"^(?P<kind>wake) me(?: up)? at (?P<at>{CLOCK_TIME})$",
        r"^(?P<kind>wake) me(?: up)?$",
        rf"^(?P<kind>count down|countdown)(?: from)? (?P<length>{_DURATION})(?: for (?:the )?(?P<what>.+))?$",
        rf"^(?P<kind>time) (?P<length>{_DURATION})(?: for me)?$",
        (
            rf"^{_START}(?P<what>(?!(?:an?|the|my|for)\b)[a-z]+(?: [a-z]+)?) {_KIND}(?: for"
            rf"| of)? (?P<length>{_DURATION})$"
        ),
    )
)
_NAMES_OF_KIND: Mapping[str, Sequence[str]] = {
    "timer": ("timer", "countdown", "alarm", "reminder"),
    "alarm": ("alarm", "wake", "reminder", "timer"),
    "remind": ("reminder", "remind", "timer", "alarm", "notification"),
}
_KINDS = {"countdown": "timer", "count down": "timer", "time": "timer", "reminder": "remind", "wake": "alarm"}

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
_CONCEPTS = {
    "screen": "screenshot",
    "copied": "clipboard",
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
_REQUESTS = re.compile(
    r"^(?:what|how|is|are|will|do|does|when|which|where|who|set|start|turn|switch|play|open|show"
    r"|tell|give|get|make|take|put|add|"
    r"write|note|jot|copy|send|call|search|find|look|check|read|create|increase|decrease|raise|lower|mute"
    r"|dim|book|order|generate|"
    r"i need|i want|i would like|stop|pause|cancel|delete|remove|close|run|list)\b"
)
_ASKING = re.compile(r"^(?:what|how|who|when|where|which|why|is|are|do|does|did|will)\b")
_PLACE = re.compile(r"city|location|place|town|country|region|where|destination|address")
_ZONE = re.compile(r"(?:^|_|time ?)zone$|^tz$")
_LABEL = re.compile(r"label|name|title|message|text|task|note|reminder|content|description|subject|what|reason")
_FREE = re.compile(
    r"query|text|content|message|note|title|song|artist|genre|track|item|task|subject|question"
    r"|topic|search|term|body|name|room|device"
)
_WHEN = re.compile(
    r"^(?:at|when|time|date|datetime|due|due_?(?:at|date|time)|start|start_?time|remind_?at"
    r"|alarm_?time|wake_?(?:up_?)?time)$|_time$|_at$|iso"
)


_MINE = r"(?:the|my|all|that|all my|all the|this|our|its|every|your) ?"
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
_VOLUME_TO = re.compile(
    r"^(?:(?:set|put|turn|change|make|bring|adjust|raise|lower|increase|decrease|reduce)\s)?(?:the |my "
    r")?(?:sound |speaker |system |computer |audio )?"
    r"volume(?: (?:up|down))?(?: (?:to|at|on|level))* (?P<level>\d{1,3}|max|maximum|full|half|minimum"
    r"|zero)(?: ?percent| per cent)?$"
    r"|^turn (?:it|the sound|the music) (?:up|down) to (?P<level2>\d{1,3})(?: ?percent)?$"
    r"|^(?P<level3>max|maximum|full|half) volume$"
)
_MUTE = re.compile(
    r"^(?:mute|silence)(?: (?:the |my )?(?:sound|speakers?|volume|computer|audio|pc|laptop|it"
    r"|system))?$|^turn (?:off )?(?:the )?(?:sound|volume)(?: off)?$"
)
_LOUDER = re.compile(
    r"^(?:(?:turn|make|put|set|bring|raise|lower|increase|decrease|reduce|a bit|a little|be)\s)*(?:it "
    r"|that |the |my )*(?:sound |volume |music |speaker )*"
    r"(?:up|down|louder|quieter|softer|higher|lower)(?: (?:a bit|a little|please|some|the volume|the "
    r"sound|a notch))*$"
    r"|^(?:raise|lower|increase|decrease|reduce|change|turn up|turn down|adjust) (?:the |my )?(?:volume|sound)$"
)
_NOTE = re.compile(
    r"^(?:(?:make|take|create|write|add|save|leave|jot down|write down|start)(?: me| down| up)? (?:a "
    r"|an |another |the |my )?(?:new |quick |short )*"
    r"(?:note|memo)|note|memo|note to self|note to myself|(?:write|jot|note)(?: (?:this|that|it))? "
    r"down|take (?:this|that) down)"
    r"(?: (?:that says|saying|that|to self|to myself|to|about|for me|with|which says|of|says))*(?: (?P<text>.+))?$"
)
_APPEND = re.compile(
    r"^(?:add|append|put|write|note) (?P<text>.+?) (?:to|on|onto|in|into) (?:the |my |our |a )"
    r"(?P<title>.+?(?= notes?$)|.+? list)(?: notes?)?$"
)
_MIND = re.compile(r"^take note (?:that|of)\b")
"""Not a note to be taken: somebody shall know."""
_CANCEL = re.compile(
    rf"^(?:cancel|stop|pause|delete|turn off|switch off|end|kill|clear|remove|dismiss|abort|reset|forget|shut off)"
    rf" (?:{_MINE})*(?:\w+ )?(?:timers?|alarms?|reminders?|countdown)(?: off)?$"
)
_LIST = re.compile(
    rf"^(?:check|list|show|show me|tell me|what about) (?:{_MINE})*(?:timers?|alarms?|reminders?|countdown)$"
    r"|^how (?:much time|long|many minutes|many seconds|much longer)(?: (?:is|are|do i have|does"
    r"|will))?(?: (?:there|the \w+))?"
    r" ?(?:left|remaining|remain|have|to go)?(?: left)?(?: (?:on|in|for|until) (?:the |my )?(?:\w+ "
    r")?(?:timer|alarm|countdown)(?: is over| ends| goes off| rings)?)$"
    r"|^(?:what|which|how many|any|are there any|do i have any|is there a)(?: \w+)? ?(?:timers?|alarms?|reminders?)"
    r"(?: (?:do|are|is|have|i|there|we|still|set|running|active|going|on|pending|left|got|right))*(?: now)?$"
    r"|^is (?:there|my|the|a) ?(?:a |my |the )?(?:timer|alarm|reminder)(?: (?:still|set|running|active|on|going))*$"
)


_MORE_THAN_A_LABEL = re.compile(
    r"\b(?:another|also|too)\b|\band (?:tell|set|what|how|start|remind|open|take|read|when|where|wake"
    r"|turn|make|give"
    r"|who|then|show|play)\b"
)
"""What a timer is for does not contain the next request."""


@dataclass(frozen=True, slots=True)
class _Timer:
    kind: str
    seconds: int | None = None
    at: dt.datetime | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class MissingFrame:
    """A request that lacks something: the next sentence may bring it."""

    sentence: str
    """What was asked, tidied; what is missing is put behind `joint`."""
    joint: str


class Offered:
    """Maps clear requests onto the tools the client offers."""

    abilities: Sequence[str] = ()

    def __init__(self, places: Places) -> None:
        self._places = places

    def answer(self, request: Request) -> Answer | None:
        """Return a call of an offered tool, a question for what is missing, or an honest refusal."""
        if request.before is not None:
            return self._follow_up(request, request.before.frame)
        if timer := _timer(request):
            return self._set(timer, request)
        if answer := _about_timers(request):
            return answer
        if _MIND.match(request.said):
            return None
        if request.tools and (answer := _volume(request) or _noted(request) or self._generic(request)):
            return answer
        return None

    def _follow_up(self, request: Request, frame: object) -> Answer | None:
        if not isinstance(frame, MissingFrame):
            return None
        said = re.sub(rf"^(?:{frame.joint}|for|in|at|about|to) ", "", request.said)
        whole = f"{frame.sentence} {frame.joint} {_as_written(said, request.text)}"
        again = Request(whole, spoken(whole), tidy(whole), figures(tidy(whole)), request.now, request.tools)
        answer = self.answer(again)
        return answer if answer and answer.calls else None

    # --- timers ---------------------------------------------------------------------------------

    def _set(self, timer: _Timer, request: Request) -> Answer | None:
        tool = _tool_named(_NAMES_OF_KIND[timer.kind], request.tools)
        if tool is None:
            what = {"timer": "timers", "alarm": "alarms", "remind": "reminders"}[timer.kind]
            refusal = f"I can't set {what} here yet, sorry. I can tell you the time, though."
            # Without tools a large model could only pretend; with tools it may see another way.
            return Answer(refusal, exact=not request.tools)
        arguments, missing = _timer_arguments(timer, tool, request.now)
        if not missing:
            return _call(tool, arguments)
        if timer.seconds is None and timer.at is None:
            joint = "at" if timer.kind == "alarm" else "in" if timer.kind == "remind" else "for"
            question = {"at": "For what time?", "in": "In how many minutes?", "for": "For how long?"}[joint]
            return Answer(question, frame=MissingFrame(request.said, joint))
        return Answer(
            f"I can't do that with the {_spaced(tool.name)} tool: it wants {_spaced(missing[0])} as well."
        )

    # --- any other tool -------------------------------------------------------------------------

    def _generic(self, request: Request) -> Answer | None:
        if (
            not _REQUESTS.match(request.said)
            and not _REQUESTS.match(request.plain)
            and not _concepts(request.said.split()[:2])
        ):
            return None
        fits = [fit for tool in request.tools if (fit := self._fit(tool, request))]
        if not fits:
            return None
        best = max(fits, key=lambda fit: fit.score)
        if not best.missing:
            return _call(best.tool, best.arguments)
        if len(best.missing) > 1 or best.unexplained:
            return None
        name = best.missing[0]
        place = bool(_PLACE.search(name))
        question = "For which place?" if place else f"Which {_spaced(name)}?"
        return Answer(question, frame=MissingFrame(request.said, "in" if place else "for"))

    def _fit(self, tool: Tool, request: Request) -> _Fit | None:
        words = _spaced(tool.name).split()
        names = {_concept(word) for word in words} - _GENERIC or (
            {words[0]} if request.said.split()[0] in words else set()
        )
        said = [word for word in request.figures.split() if word not in _STOP]
        matched = {_concept(word) for word in said} & names
        if not matched:
            return None
        arguments, used = self._arguments(tool, request)
        if any(_EXPRESSION.search(name.lower()) for name in _required(tool)):
            return None  # sums are done here
        described = {_concept(word) for word in plain(tool.description).split()}
        left = [word for word in said if _concept(word) not in names | described | _GENERIC and word not in used]
        whole = matched == names
        if len(left) > (1 if whole and len(names) > 1 else 0):
            return None
        missing = tuple(name for name in _required(tool) if name not in arguments)
        if len(names) == 1 and not names - {words[0]} and words[0] in _GENERIC and missing:
            return None  # "open the door" names no page
        return _Fit(
            tool, arguments, missing, tuple(left), 2 * len(matched) + len(arguments) - len(names) - 3 * len(missing)
        )

    def _arguments(self, tool: Tool, request: Request) -> tuple[dict[str, Any], set[str]]:
        """Fill what can be filled; return it with the words it took."""
        arguments: dict[str, Any] = {}
        used: set[str] = set()
        for name, schema in _properties(tool).items():
            value, words = self._value(name, schema, tool, request)
            if value is not None:
                arguments[name] = value
                used |= words
        return arguments, used

    def _value(self, name: str, schema: Mapping[str, Any], tool: Tool, request: Request) -> tuple[Any, set[str]]:
        words = request.figures.split()
        if isinstance(options := schema.get("enum"), list):
            for option in options:
                spoken = plain(_spaced(str(option)))
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
        match = re.search(
            (
                r"\b(?:in|for|at|of|near|to) (?:the )?([a-z][a-z' .]*?)(?: (?:today|tomorrow|tonight"
                r"|this \w+|on \w+|right now|now))*$"
            ),
            request.said,
        )
        if not match:
            return None, set()
        place = self._places.find(match[1])
        spoken = _as_written(match[1], request.text)
        if zone:
            return (place.zone, set(match[1].split())) if place else (None, set())
        return (spoken, set(match[1].split())) if place or spoken[:1].isupper() else (None, set())


@dataclass(frozen=True, slots=True)
class _Fit:
    tool: Tool
    arguments: Mapping[str, Any]
    missing: tuple[str, ...]
    unexplained: tuple[str, ...]
    score: int


def _call(tool: Tool, arguments: Mapping[str, Any]) -> Answer:
    return Answer(calls=(FunctionCall(tool.name, json.dumps(dict(arguments), ensure_ascii=False)),))


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]+", " ", name).lower().strip()


def _concept(word: str) -> str:
    word = _CONCEPTS.get(word, word)
    stem = word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
    return _CONCEPTS.get(stem, stem)


def _concepts(words: Sequence[str]) -> bool:
    return any(word in _CONCEPTS or word in ("weather", "timer", "note", "music", "volume") for word in words)


def _properties(tool: Tool) -> Mapping[str, Mapping[str, Any]]:
    properties = tool.parameters.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return {name: schema for name, schema in properties.items() if isinstance(schema, Mapping)}


def _required(tool: Tool) -> Sequence[str]:
    required = tool.parameters.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _tool_named(names: Sequence[str], tools: Sequence[Tool]) -> Tool | None:
    """Return the tool that sets things of this kind: by its name, else by its description."""
    refusing = {"cancel", "stop", "list", "delete", "remove", "get", "pause", "show", "clear", "check"}
    setting = [tool for tool in tools if not refusing & set(_spaced(tool.name).split())]
    for wanted in names:
        for tool in setting:
            if wanted in {_concept(word) for word in _spaced(tool.name).split()}:
                return tool
    for wanted in names[:2]:
        for tool in setting:
            if re.search(rf"\b{wanted}s?\b", tool.description.lower()):
                return tool
    return None


def _timer(request: Request) -> _Timer | None:
    said = request.figures
    for pattern in _TIMERS:
        if match := pattern.match(said):
            named = match.groupdict()
            kind = _KINDS.get(named["kind"], named["kind"])
            label = named.get("what") or ""
            if _MORE_THAN_A_LABEL.search(label):
                return None
            at = next_moment(named["at"], request.now) if named.get("at") else None
            if named.get("at") and at is None:
                return None
            return _Timer(kind, _duration(named.get("length")), at, label)
    return None


def _duration(text: str | None) -> int | None:
    """Return the seconds of "1 hour and 30 minutes"."""
    if not text:
        return None
    total = 0.0
    for number, unit in re.findall(rf"(\d+(?:\.\d+)?|an?|one) ({_UNIT})", text):
        amount = float(number) if number[0].isdigit() else 1.0
        total += amount * _SECONDS[unit.rstrip("s")]
    return round(total)


def _timer_arguments(timer: _Timer, tool: Tool, now: dt.datetime) -> tuple[dict[str, Any], list[str]]:
    """Fill a timer tool's parameters; return them and the required ones that could not be filled."""
    seconds = timer.seconds
    if seconds is None and timer.at is not None:
        seconds = round((timer.at - now).total_seconds())
    at = timer.at or (now + dt.timedelta(seconds=seconds) if seconds is not None else None)
    properties = _properties(tool)
    arguments: dict[str, Any] = {}
    units = {name: unit for name, schema in properties.items() if (unit := _unit_of(name, schema))}
    if seconds is not None:
        arguments |= _split(seconds, units, properties)
    for name, schema in properties.items():
        if name in units or schema.get("type") not in ("string", None):
            continue
        if _WHEN.search(name.lower()):
            if at is not None:
                stamped = schema.get("format") == "date-time" or "iso" in str(schema.get("description", "")).lower()
                arguments[name] = at.isoformat(timespec="seconds") if stamped else f"{at:%H:%M}"
        elif "duration" in name.lower() and seconds is not None:
            arguments[name] = _iso_duration(seconds) if "8601" in str(schema) else f"{seconds} seconds"
        elif _LABEL.search(name.lower()) and (timer.label or name in _required(tool)):
            arguments[name] = timer.label or {"timer": "Timer", "alarm": "Alarm", "remind": "Reminder"}[timer.kind]
    required = _required(tool)
    moments = [name for name in arguments if _WHEN.search(name.lower()) and name not in required]
    lengths = [name for name in arguments if name in units and name not in required]
    if moments and lengths:  # one of them will do: the one that was said
        for name in lengths if timer.at is not None else moments:
            del arguments[name]
    return arguments, [name for name in required if name not in arguments]


def _unit_of(name: str, schema: Mapping[str, Any]) -> str | None:
    """Return the unit of a numeric duration parameter."""
    if schema.get("type") not in ("number", "integer"):
        return None
    for hint in (name.lower(), str(schema.get("description", "")).lower()):
        for unit in ("millisecond", "second", "minute", "hour"):
            if unit in hint:
                return unit
        if re.search(r"(?:^|_)ms$", hint):
            return "millisecond"
    return "second" if re.search(r"duration|length|delay|time", name.lower()) else None


def _split(seconds: int, units: Mapping[str, str], properties: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Spread a duration over the parameters there are: all into one, or hours, minutes and seconds."""
    sizes = {"millisecond": 0.001, "second": 1, "minute": 60, "hour": 3600}
    arguments: dict[str, Any] = {}
    left = float(seconds)
    ordered = sorted(units.items(), key=lambda item: -sizes[item[1]])
    for name, unit in ordered:
        last = name == ordered[-1][0]
        value = left / sizes[unit] if last else left // sizes[unit]
        left -= value * sizes[unit]
        if value or len(ordered) == 1:
            whole = properties[name].get("type") == "integer" or float(value).is_integer()
            arguments[name] = round(value) if whole else round(value, 4)
    return arguments


def _iso_duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return "PT" + "".join(f"{n}{letter}" for n, letter in ((hours, "H"), (minutes, "M"), (rest, "S")) if n)


def _free_text(tool: Tool, request: Request) -> tuple[Any, set[str]]:
    """Return what stands behind the verb and the tool's own noun: "note" ← "take a note buy milk"."""
    nouns = "|".join(re.escape(word) for word in _spaced(tool.name).split())
    said = request.said
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
    if rest in ("that", "it", "this", "your answer", "what you said", "what you just said", "your last answer"):
        last = next((m.text for m in reversed(request.earlier) if m.role is MessageRole.ASSISTANT and m.text), None)
        return last, used
    return _as_written(rest, request.text), used


def _address(request: Request) -> tuple[Any, set[str]]:
    """Return a web address or the path of a file that was named as such; nothing is guessed."""
    everything = set(request.figures.split())
    if match := _DOMAIN.search(request.text.rstrip(".!?")):
        host = re.sub(r" dot ", ".", match["host"], flags=re.IGNORECASE).lower()
        return f"{(match['scheme'] or 'https').lower()}://{host}{match['path']}", everything
    if match := _PATH.search(request.text.rstrip(".!?")):
        return match["path"], everything
    return None, set()


def _about_timers(request: Request) -> Answer | None:
    """Cancel or list what is running, if there are tools for it; else say that nothing is."""
    cancel, show = _CANCEL.match(request.figures), _LIST.match(request.figures)
    if not cancel and not show:
        return None
    wanted = {"cancel", "stop", "delete", "remove", "clear"} if cancel else {"list", "get", "show", "check"}
    said = request.figures
    kinds = [kind for kind in ("timer", "alarm", "reminder") if kind in said] or ["timer"]
    for kind in (*kinds, "timer", "alarm", "reminder"):
        for tool in request.tools:
            names = {_concept(word) for word in _spaced(tool.name).split()}
            if kind in names and wanted & names and not _required(tool):
                return _call(tool, {})
    return Answer("There is no timer or alarm here that I know of.", exact=not request.tools)


def _volume(request: Request) -> Answer | None:
    """Set the volume; "louder" alone is asked back, since by how much is not said."""
    said = request.figures
    tool = next((t for t in request.tools if {"set", "volume"} <= set(_spaced(t.name).split())), None)
    name = (
        next((n for n, schema in _properties(tool).items() if schema.get("type") in ("integer", "number")), None)
        if tool
        else None
    )
    if tool is None or name is None or _required(tool) not in ([name], []):
        return None
    if match := _VOLUME_TO.match(said):
        level = match["level"] or match["level2"] or match["level3"]
        percent = {"max": 100, "maximum": 100, "full": 100, "half": 50, "minimum": 0, "zero": 0}.get(level)
        percent = int(level) if percent is None else percent
        return _call(tool, {name: percent}) if percent <= 100 else Answer("The volume goes from 0 to 100 percent.")
    if _MUTE.match(said):
        return _call(tool, {name: 0})
    if _LOUDER.match(said):
        return Answer("To how many percent?", frame=MissingFrame("set the volume", "to"))
    return None


def _noted(request: Request) -> Answer | None:
    """Write down a note, or add to one: tools with a title and a text."""
    said = request.said
    for tool in request.tools:
        properties, names = _properties(tool), set(_spaced(tool.name).split())
        if not {"title", "text"} <= set(properties) or "note" not in names:
            continue
        if names & {"append", "add"}:
            if match := _APPEND.match(said):
                title, text = (_as_written(match[group], request.text) for group in ("title", "text"))
                return _call(tool, {"title": title, "text": text})
        elif match := _NOTE.match(said):
            if not match["text"]:
                return Answer("What shall I write down?", frame=MissingFrame("take a note", "that says"))
            text = _as_written(match["text"], request.text).strip()
            title = " ".join(text.split()[:6])
            return _call(tool, {"title": f"{title[:1].upper()}{title[1:]}", "text": text})
    return None


def _as_written(words: str, text: str) -> str:
    """Return `words` in the spelling of the sentence they come from."""
    pattern = r"\W+".join(re.escape(word) for word in words.split())
    match = re.search(pattern, text, re.IGNORECASE)
    return match[0] if match else words
