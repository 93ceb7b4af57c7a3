"""When the clocks change: found by asking the time zone for its offsets, day after day."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from desktop_app.local_server.brain.phrases import asking, matches, sentence
from desktop_app.local_server.brain.places import Places
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import say_date, say_duration

_SAVING = r"(?:daylight (?:saving|savings)(?: time)?|summer ?time|winter ?time|standard time|dst)"
_IN = r"(?: in (?P<p>[a-z].*?))?"
_ASKED = (
    asking(
        rf"(?:clocks?|clock|time|hour)(?: (?:be|being|get|to|they|is|are))*"
        rf" (?:change|changes|changed|changing|go (?P<way>back|forward|ahead)|goes (?P<way2>back"
        rf"|forward)|spring forward|fall back|turned (?P<way3>back|forward)|set (?P<way4>back"
        rf"|forward))(?: again| next| this year| next)*{_IN}",
        before="will|we|next|date|day",
    ),
    asking(
        rf"(?:we|you|they|i) (?:change|set|turn|put|move)(?: our| your)?(?: the)? clocks?(?: "
        rf"(?P<way>back|forward|ahead))?(?: again| next)*{_IN}",
        before="will|do|have to|should|next|date|day",
    ),
    asking(rf"(?:next )?(?:clock|time) change(?: this year| next)?{_IN}", before="will|next|date|day|be"),
    asking(
        rf"{_SAVING} (?:start|starts|begin|begins|end|ends|over|starting|ending)(?: this year| again)?{_IN}",
        before="will|next|date|day|be",
    ),
    asking(rf"(?:start|end|beginning) of {_SAVING}(?: this year)?{_IN}", before="will|next|date|day|be"),
)
_NOW = asking(
    rf"(?:it|we|this|on|currently|in|now|still|already|\s)*{_SAVING}(?: now| right now| already| still)?{_IN}",
    before="we",
)


class ClockChanges:
    """Answers when the clocks go forward or back."""

    abilities = ()

    def __init__(self, places: Places) -> None:
        self._places = places

    def answer(self, request: Request) -> Answer | None:
        """Return the next change of the clocks."""
        said, now = request.said, request.now
        if request.before is not None:
            return None
        for groups in matches(_ASKED, said):
            return self._next(said, groups, now)
        if re.match(r"^(?:is|are)\b", said):
            for groups in matches((_NOW,), said):
                there = self._there(groups.get("p", ""), now)
                if there is not None and isinstance(there.tzinfo, ZoneInfo):
                    summer = bool(there.dst())
                    asked_summer = not re.search(r"winter|standard", said)
                    yes = "Yes" if summer == asked_summer else "No"
                    return Answer(f"{yes}, the clocks are on {'summer time' if summer else 'standard time'} now.")
        return None

    def _next(self, said: str, groups: dict[str, str], now: dt.datetime) -> Answer | None:
        there = self._there(groups.get("p", ""), now)
        if there is None or not isinstance(there.tzinfo, ZoneInfo):
            return None
        zone = there.tzinfo
        where = f"in {self._name(groups.get('p', ''), now)}"
        wanted = _direction(said, groups)
        start = there
        for _ in range(4):
            change = _change_after(start, zone)
            if change is None:
                return Answer(f"The clocks {where} don't change within the next year.")
            day, step = change
            if wanted in (0, step // abs(step)):
                way = "forward" if step > 0 else "back"
                return Answer(
                    sentence(
                        f"{where}, the clocks go {way} by {say_duration(abs(step))} on "
                        f"{say_date(day, weekday=True)}."
                    )
                )
            start = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(12), zone)
        return None

    def _there(self, name: str, now: dt.datetime) -> dt.datetime | None:
        if not name:
            return now
        place = self._places.find(name)
        return now.astimezone(ZoneInfo(place.zone)) if place else None

    def _name(self, name: str, now: dt.datetime) -> str:
        place = self._places.find(name) if name else None
        return place.name if place else "your time zone"


def _direction(said: str, groups: dict[str, str]) -> int:
    """Return 1 if forward is asked for, -1 for back, 0 for either."""
    way = groups.get("way", "")
    if way in ("forward", "ahead") or "spring forward" in said:
        return 1
    if way == "back" or "fall back" in said:
        return -1
    ends = bool(re.search(r"\b(?:ends?|over|ending)\b", said))
    if re.search(r"daylight|summer|dst", said):
        return -1 if ends else 1
    if re.search(r"winter|standard", said):
        return 1 if ends else -1
    return 0


def _change_after(start: dt.datetime, zone: ZoneInfo) -> tuple[dt.date, int] | None:
    """Return the day of the next change within a year, and by how many seconds the clocks go forward."""
    before = start.utcoffset()
    for days in range(1, 370):
        day = start.date() + dt.timedelta(days=days)
        after = dt.datetime.combine(day, dt.time(12), zone).utcoffset()
        if before is not None and after is not None and after != before:
            return day, int((after - before).total_seconds())
    return None
