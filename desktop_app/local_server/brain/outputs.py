"""What a tool returned, as a sentence to be spoken: `{"time": "14:05"}` becomes "It's 2:05 PM."."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from desktop_app.local_server.brain.wording import count, listing, say_date, say_duration, say_number, say_time
from desktop_app.local_server.engines import FunctionCall

_DONE = {"ok", "success", "succeeded", "done", "true", "set", "started", "created", "completed", "scheduled"}
_VERDICT = ("ok", "success", "status", "result", "state", "done")
_DECLINED = "declined by user"
_LONGEST = 400
_MOST_PAIRS = 5


def say_output(output: str, call: FunctionCall | None) -> str:
    """Return the sentence for one tool's output; `call` is what it answers, if known."""
    try:
        value = json.loads(output)
    except ValueError:
        value = output.strip()
    if isinstance(value, Mapping) and isinstance(error := value.get("error"), (str, Mapping)) and error:
        reason = error if isinstance(error, str) else str(error.get("message", "no reason was given"))
        if reason == _DECLINED:
            return "Okay, I won't."
        return f"That didn't work: {_shortened(_ended(reason))}"
    if isinstance(value, Mapping) and (said := _of_known_kind(value, call)):
        return said
    if _is_done(value):
        return _done(call)
    if isinstance(value, Mapping):
        return _pairs(value, call)
    if isinstance(value, list):
        return _list(value)
    return _single(value)


def _of_known_kind(value: Mapping[str, Any], call: FunctionCall | None) -> str:
    """Say what a timer, a list of them, the volume or a note returns; the empty string if it is something else."""
    name = call.name.lower() if call else ""
    if "due" in value and "seconds_left" in value:
        return f"Okay, {_pending(value, short=False)}."
    if isinstance(gone := value.get("cancelled"), Mapping):
        return f"Okay, {_pending(gone, short=True)} is cancelled."
    if isinstance(pending := value.get("pending"), list) and all(isinstance(each, Mapping) for each in pending):
        listed = [_left(each) for each in pending]
        return (
            f"There {'is' if len(listed) == 1 else 'are'} {listing(listed)}." if listed else "There are no timers."
        )
    if isinstance(percent := value.get("percent"), (int, float)) and "volume" in name:
        return f"{'Okay, the' if 'before' in value else 'The'} volume is at {say_number(percent)[0]} percent."
    for key, verb in (("created", "written down as"), ("appended_to", "added to"), ("opened", "opening")):
        if isinstance(named := value.get(key), str) and len(value) == 1:
            return _shortened(f"Okay, {verb} {re.sub(r'^https?://(?:www[.])?|/$', '', named)}.")
    if isinstance(notes := value.get("notes"), list):
        return f"You have {count(len(notes), 'note')}: {_list(notes)}" if notes else "You have no notes."
    if isinstance(found := value.get("found"), list):
        lines = [str(each.get("text", each)) if isinstance(each, Mapping) else str(each) for each in found]
        return f"I found {count(len(lines), 'line')}: {_list(lines)}" if lines else "I found nothing."
    if set(value) == {"written"}:
        return "Okay, it's on the clipboard."
    if {"time", "zone"} <= set(value) and (asked := _argument(call, "zone")):
        city = asked.rpartition("/")[2].replace("_", " ")
        return f"In {city}, it's {_moment(str(value['time']))}." if _moment(str(value["time"])) else ""
    return ""


def _pending(value: Mapping[str, Any], *, short: bool) -> str:
    """Return "your timer for 5 minutes is set" or, in short, "your timer"; what it is for is said as understood."""
    kind, text = str(value.get("kind") or "timer"), str(value.get("text") or "")
    mine = f"your {kind}" + (
        f" for {text}" if text and kind != "reminder" else f", {text}," if text and short else ""
    )
    if short:
        return mine
    if kind == "timer":
        return f"{mine} is set for {say_duration(int(value['seconds_left']))}"
    moment = _due(value)
    return f"I'll remind you {moment}: {text}" if text else f"{mine} is set {moment}"


def _due(value: Mapping[str, Any]) -> str:
    """Return "at 6:30 AM", with the day unless it is within twelve hours."""
    try:
        due = dt.datetime.fromisoformat(str(value["due"]))
    except ValueError:
        return "then"
    soon = int(value["seconds_left"]) < 12 * 3600
    return f"at {say_time(due)}" + ("" if soon else f" on {say_date(due.date(), weekday=True, year=False)}")


def _left(value: Mapping[str, Any]) -> str:
    kind, text = str(value.get("kind") or "timer"), str(value.get("text") or "")
    label = f" {'about' if kind == 'reminder' else 'for'} {text}" if text else ""
    left = value.get("seconds_left")
    return f"a {kind}{label}" + (f" with {say_duration(int(left))} left" if isinstance(left, (int, float)) else "")


def _argument(call: FunctionCall | None, name: str) -> str:
    """Return an argument of the call; empty if there is none."""
    try:
        arguments = json.loads(call.arguments) if call else {}
    except ValueError:
        return ""
    return str(arguments.get(name) or "") if isinstance(arguments, Mapping) else ""


def _is_done(value: Any) -> bool:
    if value in (None, "", True) or (isinstance(value, str) and value.lower().rstrip(".!") in _DONE):
        return True
    if not isinstance(value, Mapping):
        return False
    told = {key.lower(): str(item).lower() for key, item in value.items()}
    return all(key in (*_VERDICT, "id") or key.endswith("_id") for key in told) and all(
        item in _DONE for key, item in told.items() if key in _VERDICT
    )


def _done(call: FunctionCall | None) -> str:
    if call is not None and re.search("timer|countdown", call.name.lower()):
        seconds = _seconds(call)
        return f"Okay, your timer for {say_duration(seconds)} is set." if seconds else "Okay, your timer is set."
    if call is not None and (kind := re.search("alarm|reminder", call.name.lower())):
        return f"Okay, your {kind[0]} is set."
    return "Okay, that's done."


def _seconds(call: FunctionCall) -> int:
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return 0
    if not isinstance(arguments, Mapping):
        return 0
    total = 0.0
    for name, value in arguments.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            unit = next((size for word, size in (("second", 1), ("minute", 60), ("hour", 3600)) if word in name), 0)
            total += unit * value
    return round(total)


def _pairs(value: Mapping[str, Any], call: FunctionCall | None) -> str:
    shown = {
        key: item
        for key, item in value.items()
        if item not in (None, "", [], {}) and not re.search(r"(?:^|_)id$", key)
    }
    verdicts = [
        key for key in shown if key.lower() in _VERDICT and (shown[key] is True or str(shown[key]).lower() in _DONE)
    ]
    shown = {key: item for key, item in shown.items() if key not in verdicts}
    for key, item in shown.items():
        if re.fullmatch(r"(?:current_?)?(?:local_?)?(?:date_?)?time|now|datetime", key.lower()) and (
            said := _moment(str(item))
        ):
            return f"It's {said}."
    if len(shown) == 1:
        key, item = next(iter(shown.items()))
        if key.lower() in (
            "text",
            "message",
            "answer",
            "result",
            "output",
            "summary",
            "horoscope",
            "content",
            "joke",
        ):
            return _single(item)
        return f"The {_words(key)} is {_value(item)}."
    pairs = [f"the {_words(key)} is {_value(item)}" for key, item in list(shown.items())[:_MOST_PAIRS]]
    text = _shortened(f"{listing(pairs)}.")
    more = len(shown) - _MOST_PAIRS
    return f"{text[:1].upper()}{text[1:]}" + (f" There are {count(more, 'more value')}." if more > 0 else "")


def _list(value: Sequence[Any]) -> str:
    if not value:
        return "There is nothing to tell: the list is empty."
    named = [_value(item) for item in value[:_MOST_PAIRS]]
    more = len(value) - _MOST_PAIRS
    return _shortened(f"{listing(named)}." if more <= 0 else f"{', '.join(named)} and {more} more.")


def _single(value: Any) -> str:
    if isinstance(value, str):
        if said := _moment(value):
            return f"It's {said}."
        return _shortened(_ended(value))
    return f"It's {_value(value)}."


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return say_number(value)[0]
    if isinstance(value, Mapping):
        return listing([f"{_words(key)} {_value(item)}" for key, item in list(value.items())[:_MOST_PAIRS]])
    if isinstance(value, list):
        return listing([_value(item) for item in value[:_MOST_PAIRS]])
    return _moment(str(value)) or str(value)


def _moment(text: str) -> str:
    """Say "14:05" or "2026-07-22T14:05:00+01:00"; the empty string if it is neither."""
    if re.fullmatch(r"\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?", text):
        hour, minute = text.split(":")[:2]
        return say_time(dt.time(int(hour), int(minute))) if int(hour) < 24 and int(minute) < 60 else ""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return _dated(text, lambda moment: say_date(moment.date(), weekday=True))
    if re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", text):
        return _dated(text, say_time)
    return ""


def _dated(text: str, say: Any) -> str:
    try:
        return str(say(dt.datetime.fromisoformat(text)))
    except ValueError:
        return ""


def _words(key: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]+", " ", key).lower().strip()


def _ended(text: str) -> str:
    text = " ".join(text.split())
    return text if re.search(r"[.!?…]$", text) else f"{text}."


def _shortened(text: str) -> str:
    """Cut a long text where a sentence or a word ends."""
    if len(text) <= _LONGEST:
        return text
    head = text[:_LONGEST]
    end = max(head.rfind(". "), head.rfind("! "), head.rfind("? "))
    return head[: end + 1] if end > _LONGEST // 3 else f"{head[: head.rfind(' ')]}, and so on."
