"""Timers, alarms and reminders, by whatever tools the client offers for them.

Their parameters differ from client to client: a timer may want seconds, or hours and minutes, a reminder a moment
or a delay; each is given what it asks for. What is not said (when, how long) is asked back, never guessed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.skills.dates import MONTHS, find_day
from desktop_app.local_server.brain.toolkit import (
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
from desktop_app.local_server.brain.wording import CLOCK_TIME, next_moment
from desktop_app.local_server.engines import Tool

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

_LABEL = re.compile(r"label|name|title|message|text|task|note|reminder|content|description|subject|what|reason")
_WHEN = re.compile(
    r"^(?:at|when|time|date|datetime|due|due_?(?:at|date|time)|start|start_?time|remind_?at"
    r"|alarm_?time|wake_?(?:up_?)?time)$|_time$|_at$|iso"
)


_MINE = r"(?:the|my|all|that|all my|all the|this|our|its|every|your) ?"
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
    rf"\band (?:an?|1|one) (?:timer|alarm|reminder)\b|\b\d+ {_UNIT} and\b|\band (?:at|in|on) (?:\d"
    rf"|half|noon|midnight)"
    r"|\b(?:another|also|too)\b|\band (?:tell|set|what|how|start|remind|open|take|read|when|where|wake"
    r"|turn|make|give"
    r"|who|then|show|play)\b"
)
"""What a timer is for does not contain the next request."""


_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = "|".join(name for name in MONTHS if len(name) > 3)
_DAY = (
    rf"(?P<day>(?:on )?(?:this |next )?{_WEEKDAY}|(?:the )?day after tomorrow|tomorrow|today|tonight"
    rf"|in (?:\d+|a|one) (?:days?|weeks?)|(?:on )?(?:the )?\d{{1,2}}(?:st|nd|rd|th)? (?:of )?(?:{_MONTH})"
    rf"|(?:on )?(?:{_MONTH}) (?:the )?\d{{1,2}}(?:st|nd|rd|th)?)"
)
_PART = r"(?P<part>(?:in the |this |at )?(?:morning|afternoon|evening|night))"
_HOUR = (
    r"(?:(?:half|quarter|\d{1,2}(?: minutes)?) (?:past|to|after) )?\d{1,2}(?:[: ]\d\d)?(?: o'clock)?(?: ?[ap]m)?"
)
_AT = rf"(?:at|for|by|around) (?P<at>{_HOUR}|noon|midday|midnight)"
_BARE_AT = rf"(?P<at2>{_HOUR}|noon|midday|midnight)"
_IN = rf"(?:in|after) (?P<length>{_DURATION})(?: from now)?"
_WHEN_SAID = (_DAY, _PART, _AT, _IN)
_APPOINTMENT = re.compile(
    r"^(?:(?P<remind>remind (?:me|us)|do not let me forget)|(?P<wake>wake) (?:me|us)(?: up)?|"
    r"(?:(?:set|make|create|add|give me|i need|i want|put|schedule)(?: me| up)? )?(?:(?:an?|another|my"
    r"|the|new) )*(?P<kind>reminder|alarm)"
    r"(?: clock)?)(?P<rest>(?: .+)?)$"
)
_WHAT = re.compile(
    r"^(?:to|about|that|of|for|called|named|saying) (?:i (?:have|need|must|should) to )?(?P<what>.+)$"
)
_MANY = re.compile(
    r"^(?:set|start|make|create|give me|i need|i want|run)(?: up| me)? (?:(?:2|3|4|some|a few|several) "
    r")?timers[,:]?(?: (?:for|of|at|with))? (?P<rest>.+)$"
)
_EARLY = 7
"""An hour before this, said of another day without "AM", is one of the afternoon."""


@dataclass(frozen=True, slots=True)
class _Timer:
    kind: str
    seconds: int | None = None
    at: dt.datetime | None = None
    label: str = ""
    passed: bool = False
    """It names a moment that is over."""


class Timers:
    """Sets timers, alarms and reminders, lists and cancels them, if the client has tools for it."""

    abilities: Sequence[str] = ()

    def answer(self, request: Request) -> Answer | None:
        """Return a call, a question for what is missing, or an honest refusal."""
        if request.before is not None:
            return self._follow_up(request, request.before.frame)
        if timers := _many(request.figures):
            answers = [self._set(timer, request) for timer in timers]
            calls = tuple(made for answer in answers for made in answer.calls)
            return Answer(calls=calls) if len(calls) == len(timers) else answers[0]
        if timer := _appointment(request) or _timer(request):
            return self._set(timer, request)
        return _about_timers(request)

    def _follow_up(self, request: Request, frame: object) -> Answer | None:
        if not isinstance(frame, MissingFrame) or frame.skill != "timers":
            return None
        if frame.joint == "for":
            answer = self.answer(completed(request, frame))
        else:
            said = re.sub(r"^for ", "", request.said)
            lead = "" if re.match(r"(?:in|at|on|by|tomorrow|today|tonight|this|next|after)\b", said) else "at "
            lead = "in " if lead and re.match(rf"{_DURATION}$", request.figures) else lead
            answer = self.answer(reworded(request, f"{frame.sentence} {lead}{as_written(said, request.text)}"))
        return answer if answer and (answer.calls or answer.frame) else None

    def _set(self, timer: _Timer, request: Request) -> Answer:
        tool = _tool_named(_NAMES_OF_KIND[timer.kind], request.tools)
        if tool is None:
            what = {"timer": "timers", "alarm": "alarms", "remind": "reminders"}[timer.kind]
            refusal = f"I can't set {what} here yet, sorry. I can tell you the time, though."
            # Without tools a large model could only pretend; with tools it may see another way.
            return Answer(refusal, exact=not request.tools)
        if timer.passed:
            return Answer("That moment has passed already, so I can't.")
        if timer.label:
            timer = replace(timer, label=as_written(timer.label, request.text))
        arguments, missing = _timer_arguments(timer, tool, request.now)
        if timer.seconds is None and timer.at is None:
            if timer.kind == "timer":
                return Answer("For how long?", frame=MissingFrame(request.said, "for", "timers"))
            question = "For what time?" if timer.kind == "alarm" else "When shall I remind you?"
            return Answer(question, frame=MissingFrame(request.said, "at", "timers"))
        if not missing:
            return call(tool, arguments)
        return Answer(f"I can't do that with the {spaced(tool.name)} tool: it wants {spaced(missing[0])} as well.")


def _many(figures: str) -> list[_Timer]:
    """Return several timers set at once: "timers for 5 and 10 minutes"; none if it is something else."""
    if not (match := _MANY.match(figures)):
        return []
    rest = re.sub(r"\b(?:(?:1|one|another|a second|the other|a third)(?: (?:1|one))? )?for\b|,", " ", match["rest"])
    found = list(re.finditer(rf"\b(\d+(?:\.\d+)?)(?: ({_UNIT}))?(?= |$)", " ".join(rest.split())))
    left = re.sub(rf"\b\d+(?:\.\d+)?(?: {_UNIT})?(?= |$)", " ", rest)
    if len(found) < 2 or set(left.split()) - {"and", "a", "then"}:
        return []
    timers, unit = [], ""
    for number, named in reversed([(each[1], each[2]) for each in found]):
        unit = named or unit
        if not unit:
            return []
        timers.append(_Timer("timer", round(float(number) * _SECONDS[unit.rstrip("s")])))
    return timers[::-1]


def _appointment(request: Request) -> _Timer | None:
    """Understand an alarm or a reminder with its day and time in any order."""
    if not (match := _APPOINTMENT.match(request.figures)):
        return None
    kind = "remind" if match["remind"] or match["kind"] == "reminder" else "alarm"
    rest, when = _without_when(match["rest"].strip())
    label = ""
    if rest:
        what = _WHAT.match(rest)
        if what is None or _MORE_THAN_A_LABEL.search(rest):
            return None
        label = what["what"]
    if "length" in when:
        return _Timer(kind, _duration(when["length"]), label=label)
    if not when.get("at") or ("day" in when and find_day(_bare_day(when["day"]), request.now.date()) is None):
        return _Timer(kind, label=label)
    at = _moment(when, request.now)
    if at is None:
        return None
    return _Timer(kind, at=at, label=label, passed=at <= request.now)


def _without_when(rest: str) -> tuple[str, dict[str, str]]:
    """Take the words that say when from both ends of a request; return what is left, and those words."""
    when: dict[str, str] = {}
    while True:
        patterns = [*_WHEN_SAID, *([_BARE_AT] if not rest.startswith(("to ", "about ", "that ")) else [])]
        for pattern in patterns:
            match = re.match(rf"^{pattern}(?= |$)", rest) or (
                re.search(rf"(?:^| ){pattern}$", rest) if pattern != _BARE_AT else None
            )
            if match and not set(key.rstrip("2") for key in match.groupdict()) & set(when):
                when |= {key.rstrip("2"): value for key, value in match.groupdict().items() if value}
                rest = f"{rest[: match.start()]} {rest[match.end() :]}".strip()
                break
        else:
            return rest, when


def _bare_day(day: str) -> str:
    return "today" if day in ("tonight", "today") else re.sub(r"^(?:on|this) ", "", day)


def _moment(when: Mapping[str, str], now: dt.datetime) -> dt.datetime | None:
    """Return the moment of a time with a day or a part of the day."""
    day, part, at = when.get("day", ""), when.get("part", ""), when["at"]
    half = bool(re.search(r"[ap]m$|^(?:noon|midday|midnight)", at))
    if not half and (part or day == "tonight"):
        at = f"{at} {'am' if 'morning' in part else 'pm'}"
        half = True
    if not day:
        return next_moment(at, now)
    named = find_day(_bare_day(day), now.date())
    if named is None:
        return None
    start = dt.datetime.combine(named.date, dt.time(), now.tzinfo)
    moment = next_moment(at, start - dt.timedelta(minutes=1))
    if moment is None:
        return None
    if not half and (moment.hour < _EARLY or (named.date == now.date() and moment <= now)):
        moment += dt.timedelta(hours=12)
    return moment


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


def _tool_named(names: Sequence[str], tools: Sequence[Tool]) -> Tool | None:
    """Return the tool that sets things of this kind: by its name, else by its description."""
    refusing = {"cancel", "stop", "list", "delete", "remove", "get", "pause", "show", "clear", "check"}
    setting = [tool for tool in tools if not refusing & set(spaced(tool.name).split())]
    for wanted in names:
        for tool in setting:
            if wanted in {concept(word) for word in spaced(tool.name).split()}:
                return tool
    for wanted in names[:2]:
        for tool in setting:
            if re.search(rf"\b{wanted}s?\b", tool.description.lower()):
                return tool
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
    schemas = properties(tool)
    needed = required(tool)
    arguments: dict[str, Any] = {}
    units = {name: unit for name, schema in schemas.items() if (unit := _unit_of(name, schema))}
    if seconds is not None:
        arguments |= _split(seconds, units, schemas)
    for name, schema in schemas.items():
        if name in units or schema.get("type") not in ("string", None):
            continue
        if _WHEN.search(name.lower()):
            if at is not None:
                stamped = schema.get("format") == "date-time" or "iso" in str(schema.get("description", "")).lower()
                arguments[name] = at.isoformat(timespec="seconds") if stamped else f"{at:%H:%M}"
        elif "duration" in name.lower() and seconds is not None:
            arguments[name] = _iso_duration(seconds) if "8601" in str(schema) else f"{seconds} seconds"
        elif _LABEL.search(name.lower()) and (timer.label or name in needed):
            arguments[name] = timer.label or {"timer": "Timer", "alarm": "Alarm", "remind": "Reminder"}[timer.kind]
    moments = [name for name in arguments if _WHEN.search(name.lower()) and name not in needed]
    lengths = [name for name in arguments if name in units and name not in needed]
    if moments and lengths:  # one of them will do: the one that was said
        for name in lengths if timer.at is not None else moments:
            del arguments[name]
    return arguments, [name for name in needed if name not in arguments]


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
            names = {concept(word) for word in spaced(tool.name).split()}
            if kind in names and wanted & names and not required(tool):
                return call(tool, {})
    return Answer("There is no timer or alarm here that I know of.", exact=not request.tools)
