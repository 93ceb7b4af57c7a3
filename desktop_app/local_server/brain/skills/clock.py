"""The time: here, anywhere else, in a while, and the difference between two places."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from desktop_app.local_server.brain.places import Place, Places
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import CLOCK_TIME, count, listing, next_moment, say_duration, say_time

_HERE = re.compile(
    r"^(?:what |what is the |the )?(?:current |exact |local |correct |right )?time(?: (?:is it"
    r"|it is|now|here|today|of day is it|do you (?:have|make it)|have you got|do we have))*$"
    r"|^what (?:is|was) the (?:hour|(?:current |exact |local )?time)(?: (?:is it|now|here|today"
    r"|where i am|in here))*$"
    r"|^(?:do you have|have you got|you got|you have|got|have) (?:the )?(?:current |exact )?time(?: on you)?$"
    r"|^(?:is it|how) late(?: is it)?(?: already)?$|^what hour is it$|^what o'clock is it$"
    r"|^(?:say|read|show)(?: me)? the time$|^time check$"
    r"|^what is the time and (?:the )?date$"
)
_THERE = re.compile(
    r"^(?:what )?(?:is )?(?:the )?(?:current |exact |local |right )?time(?: (?:is it|it is"
    r"|would it be|will it be|now"
    r"|do they have))*(?: right now| now| currently)? (?:in|at|for|over in|down in"
    r"|up in|of) (?P<place>.+?)(?: (?:right )?now| today| time)?$"
    r"|^(?:what|which) (?:hour|time of day) is it in (?P<place2>.+)$"
    r"|^(?:is it|what is it) (?:late|early|morning|night|day|daytime|nighttime|day time"
    r"|night time|evening|afternoon|already \w+|still \w+|dark|light)(?: or (?:morning|night|day"
    r"|late|daytime|nighttime|evening|afternoon|dark|light))?(?: time)? (?:now "
    r"|already )?in (?P<place3>.+)$"
    r"|^how late is it in (?P<place4>.+)$|^in (?P<place5>.+?) what time is it$"
    r"|^(?:what is |what time is it )(?P<place6>[a-z ]+?)(?:'s)? time$"
    r"|^what is the time (?P<place7>[a-z]+ ?[a-z]*)$"
)
_ZONE = re.compile(
    r"^(?:what|which) (?:time zone|timezone) (?:is|am|are) (?P<place>.+?)(?: in)?$"
    r"|^what is the (?:time zone|timezone) (?:in|of|for) (?P<place2>.+)$"
    r"|^what is (?P<place4>.+?)'?s? (?:time zone|timezone)$"
    r"|^(?:what|which) (?:time zone|timezone) is (?:it )?(?:used )?in (?P<place3>.+)$"
)
_DIFFERENCE = re.compile(
    r"^(?:what is |how (?:much|big|large|many hours) is )?(?:the )?(?:time"
    r"|hour) difference (?:between|from) (?P<a>.+?) (?:and|to) (?P<b>.+)$"
    r"|^(?:what is |how (?:much|big|large) is )?(?:the )?time difference (?:to|with|in|for) (?P<c>.+)$"
    r"|^how many hours (?:is there |are there |difference )?(?:between|from) (?P<a2>.+?) (?:and|to) (?P<b2>.+)$"
    r"|^how (?:many hours|far|much) (?:ahead|behind|different)(?: of us| in time)? (?:is|are) (?P<c2>.+)$"
    r"|^how many hours away (?:is|are) (?P<c5>.+)$"
    r"|^how (?:many hours|far|much) (?:is|are) (?P<c3>.+?) (?:ahead|behind)(?: of (?:us|me|here))?$"
    r"|^(?:is|are) (?P<c4>.+?) (?:ahead|behind)(?: of (?:us|me|here))?$"
    r"|^how (?:many hours|far|much) (?:ahead|behind)(?: of)? (?P<b3>.+?) is (?P<a3>.+)$"
)
_SHIFT = (
    r"(?P<n>\d+(?:\.\d+)?|an?) (?P<unit>minute|hour|second)s?(?: (?:and )?(?P<n2>\d+) (?P<unit2>minute|second)s?)?"
)
_WHEN_HERE = re.compile(
    rf"^(?:when|if) it is (?P<at>{CLOCK_TIME})(?: (?:here|in (?P<a>.+?)))? (?:then )?what (?:time"
    rf"|hour) (?:is it|will it be|would it be) "
    rf"(?:here|in (?P<b>.+))$"
    rf"|^what (?:time|hour) (?:is it|will it be|would it be) (?:here|in (?P<b2>.+?)) (?:when"
    rf"|if) it is (?P<at2>{CLOCK_TIME})(?: (?:here|in (?P<a2>.+)))?$"
)
_UNTIL = re.compile(
    rf"^how (?:many (?P<unit>hours|minutes)|long|much time|much longer)(?: (?:is|are) (?:it"
    rf"|there))?(?: left)? (?:until|till|til|to|before) (?P<at>{CLOCK_TIME})$"
)
_LATER = re.compile(
    rf"^what (?:time|hour) (?:will|would) it be (?:in )?{_SHIFT}(?: from now| later)?$"
    rf"|^what is the time (?:in )?{_SHIFT.replace('>', 'x>')}(?: from now)?$"
)
_EARLIER = re.compile(rf"^what (?:time|hour) was it {_SHIFT} (?:ago|before)$")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_US = ("i", "we", "me", "us", "here", "i am", "this", "it")


@dataclass(frozen=True, slots=True)
class TimeFrame:
    """The time was asked; another place may follow."""


class Clock:
    """Tells the time."""

    abilities = ("tell the time anywhere",)

    def __init__(self, places: Places) -> None:
        self._places = places

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a question about the time."""
        said = request.figures
        if request.before is not None:
            return self._follow_up(said, request)
        if _HERE.match(said):
            return Answer(f"It's {say_time(request.now)}.", frame=TimeFrame())
        return (
            _until(said, request.now)
            or self._when(said, request.now)
            or self._shifted(said, request.now)
            or self._difference(said, request.now)
            or self._zone(said, request.now)
            or self._there(said, request.now)
        )

    def _follow_up(self, said: str, request: Request) -> Answer | None:
        frame = request.before.frame if request.before else None
        if not isinstance(frame, TimeFrame):
            return None
        name = re.sub(r"^(?:(?:and|or|what about|how about|in|what is it in|what is it|now|for) )+", "", said)
        place = self._places.find(name)
        return self._time_in(place, request.now) if place else None

    def _there(self, said: str, now: dt.datetime) -> Answer | None:
        if not (match := _THERE.match(said)):
            return None
        name = _group(match, "place")
        if name in (
            "here",
            "my city",
            "my area",
            "my town",
            "my country",
            "my time zone",
            "my location",
            "this city",
        ):
            return Answer(f"It's {say_time(now)}.", frame=TimeFrame())
        place = self._places.find(name)
        if place:
            return self._time_in(place, now)
        if match["place6"] or match["place7"] or len(name.split()) > 3:
            return None
        return Answer(
            f"I don't know a place called {name}, so I can't tell the time there.", frame=TimeFrame(), exact=False
        )

    def _time_in(self, place: Place, now: dt.datetime) -> Answer:
        there = now.astimezone(ZoneInfo(place.zone))
        days = (there.date() - now.date()).days
        on = "" if not days else f" on {there:%A}"
        if len(Places.offsets(place.zones, now)) > 1:
            text = f"{_upper(place.name)} has several time zones. In {place.capital}, it's {say_time(there)}{on}."
        elif not place.country:
            text = (
                f"In {place.name}, it's {say_time(there)}{on}."
                if "time" in place.name
                else f"It's {say_time(there)} {place.name}{on}."
            )
        else:
            text = f"In {place.name}, it's {say_time(there)}{on}."
        return Answer(text, frame=TimeFrame())

    def _zone(self, said: str, now: dt.datetime) -> Answer | None:
        if not (match := _ZONE.match(said)):
            return None
        name = _group(match, "place")
        if name in _US or name == "my":
            return Answer(f"You're in the time zone {_offset(now)}, {now.tzname()}.")
        place = self._places.find(name)
        if place is None:
            return None
        zones = len(Places.offsets(place.zones, now))
        if zones > 1:
            return Answer(
                f"{_upper(place.name)} has several time zones. {place.capital} is at "
                f"{_offset(now.astimezone(ZoneInfo(place.zone)))}."
            )
        return Answer(f"{_upper(place.name)} is at {_offset(now.astimezone(ZoneInfo(place.zone)))} at the moment.")

    def _difference(self, said: str, now: dt.datetime) -> Answer | None:
        if not (match := _DIFFERENCE.match(said)):
            return None
        named = {key.rstrip("2345"): value for key, value in match.groupdict().items() if value}
        if "c" in named:
            place = self._places.find(named["c"])
            return Answer(_ahead(_place_at(place, now), "here", now, _upper(place.name))) if place else None
        first, second = self._side(named["a"], now), self._side(named["b"], now)
        if first is None or second is None:
            return None
        (name_a, time_a), (name_b, time_b) = first, second
        return Answer(_ahead(time_a, name_b, time_b, _upper(name_a)))

    def _side(self, name: str, now: dt.datetime) -> tuple[str, dt.datetime] | None:
        if name in ("here", "us", "me", "home"):
            return "here", now
        place = self._places.find(name)
        return (place.name, _place_at(place, now)) if place else None

    def _when(self, said: str, now: dt.datetime) -> Answer | None:
        """Answer "When it's noon here, what time is it in Tokyo?"."""
        if not (match := _WHEN_HERE.match(said)):
            return None
        named = {key.rstrip("2"): value for key, value in match.groupdict().items() if value}
        there, here = self._side(named.get("b", "here"), now), self._side(named.get("a", "here"), now)
        if there is None or here is None or (moment := next_moment(named["at"], here[1])) is None:
            return None
        said_time = say_time(moment.astimezone(there[1].tzinfo))
        where = "here" if there[0] == "here" else f"in {there[0]}"
        return Answer(f"Then it's {said_time} {where}.")

    def _shifted(self, said: str, now: dt.datetime) -> Answer | None:
        match, sign = _LATER.match(said), 1
        if not match:
            match, sign = _EARLIER.match(said), -1
        if not match:
            return None
        named = {key.rstrip("x"): value for key, value in match.groupdict().items() if value}
        seconds = _SECONDS[named["unit"]] * (1 if named["n"] in ("a", "an") else float(named["n"]))
        seconds += _SECONDS[named.get("unit2", "second")] * float(named.get("n2", 0))
        # By way of UTC: adding to a local time would ignore a change of the clocks in between.
        moment = (now.astimezone(dt.UTC) + sign * dt.timedelta(seconds=seconds)).astimezone(now.tzinfo)
        on = "" if moment.date() == now.date() else f" on {moment:%A}"
        verb = "will be" if sign > 0 else "was"
        when = f"In {say_duration(int(seconds))}" if sign > 0 else _upper(f"{say_duration(int(seconds))} ago")
        return Answer(f"{when}, it {verb} {say_time(moment)}{on}.")


def _until(said: str, now: dt.datetime) -> Answer | None:
    if not (match := _UNTIL.match(said)) or (moment := next_moment(match["at"], now)) is None:
        return None
    minutes = max(1, round((moment - now).total_seconds() / 60))
    amount = count(minutes, "minute") if match["unit"] == "minutes" else say_duration(minutes * 60)
    return Answer(f"{_upper(amount)} until {say_time(moment)}.")


def _group(match: re.Match[str], name: str) -> str:
    return next(value for key, value in match.groupdict().items() if value and key.startswith(name))


def _place_at(place: Place, now: dt.datetime) -> dt.datetime:
    return now.astimezone(ZoneInfo(place.zone))


def _ahead(time_a: dt.datetime, name_b: str, time_b: dt.datetime, name_a: str) -> str:
    if name_a == "Here":
        name_a, time_a, name_b, time_b = _upper(name_b), time_b, "here", time_a
    minutes = int(
        ((time_a.utcoffset() or dt.timedelta()) - (time_b.utcoffset() or dt.timedelta())).total_seconds() // 60
    )
    if not minutes:
        return (
            f"{name_a} and {name_b} are in the same time zone."
            if name_b != "here"
            else f"{name_a} has the same time as here."
        )
    hours, rest = divmod(abs(minutes), 60)
    amount = listing([count(hours, "hour")] * bool(hours) + [count(rest, "minute")] * bool(rest))
    return f"{name_a} is {amount} {'ahead of' if minutes > 0 else 'behind'} {name_b}."


def _offset(moment: dt.datetime) -> str:
    minutes = int((moment.utcoffset() or dt.timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    amount = f"{hours}:{rest:02}" if rest else str(hours)
    return "UTC" if not minutes else f"UTC {'plus' if minutes > 0 else 'minus'} {amount}"


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
