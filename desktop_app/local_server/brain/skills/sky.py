"""The sun and the moon: rise and set, daylight, phases, seasons; by `ephem`.

Where nobody names a place, the largest city of the user's time zone stands for it, and is named in the answer.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import ephem

from desktop_app.local_server.brain.phrases import asking, matches, sentence
from desktop_app.local_server.brain.places import Place, PlaceKind, Places
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.skills.dates import find_day
from desktop_app.local_server.brain.wording import say_date, say_duration, say_time

_IN = r"(?: (?:in|at|for|over|here in) (?P<p>[a-z].*?))?"
_SUN = "sun|will|time|hour|going to|gonna|expected|tonight|at what time|early|late|soon|first"
_EVENTS = {
    "rise": (
        asking(rf"(?:sunrise|sun up|sun ?rise){_IN}", before=_SUN),
        asking(rf"(?:rise|rises|come up|comes up|rising|coming up|go up|goes up|get up){_IN}", before=_SUN),
    ),
    "set": (
        asking(rf"(?:sunset|sundown|sun ?set){_IN}", before=_SUN),
        asking(rf"(?:set|sets|go down|goes down|setting|going down){_IN}", before=_SUN),
    ),
    "light": (
        asking(rf"(?:dawn|daybreak|first light){_IN}", before=_SUN),
        asking(
            rf"(?:get|gets|become|be|getting|turn|getting to be) (?:light|bright)(?: outside| out)?{_IN}",
            before=_SUN,
        ),
    ),
    "dark": (
        asking(rf"(?:dusk|nightfall){_IN}", before=_SUN),
        asking(rf"(?:get|gets|become|be|getting|turn) dark(?: outside| out)?{_IN}", before=_SUN),
    ),
    "day": (
        asking(rf"how (?:long|short) (?:is|are|will|was) (?:the )?(?:day|daylight|days)(?: be)?{_IN}"),
        asking(
            rf"how (?:many hours|much|many hours of|long)(?: of)? (?:daylight|sunlight|sun|light)(?: "
            rf"(?:do|will|is|are|does))*(?: (?:we|there|it|they))?(?: (?:have|get|be))?{_IN}"
        ),
        asking(rf"(?:length of (?:the )?day|day length|daylight hours|hours of daylight){_IN}"),
    ),
}
_DAY = re.compile(
    r"\b(?:this |tomorrow |in the )?(?:today|tomorrow|tonight|yesterday|morning|evening|night|afternoon"
    r"|(?:on |next |this )+(?:mon|tues|wednes|thurs|fri|satur|sun)day|on (?:the )?[\w ]*?\d\w*(?: of "
    r"\w+)?$|on christmas(?: day| eve)?)\b"
)
_PHASE = (
    asking(
        r"(?:moon|the moon)(?: phase| cycle)?(?: in| at| like| look| looks| looking| doing| tonight| today| now)*",
        before="phase|phases|of|how|stage|state",
    ),
    asking(
        r"(?:phase|moon phase|lunar phase)(?: (?:of|is|the|moon|in|at|tonight|today|does|have|we|do))*",
        before="moon|lunar",
    ),
)
_NEXT_MOON = (
    asking(
        r"(?P<when>next |last |previous |coming |this month's )?(?P<what>full moon|new moon|first "
        r"quarter|last quarter)"
        r"(?: (?:happen|happening|occur|take place|come|coming|be|due|this month|next month))?",
        before="will|there|be|date|day|have|we|was|did|next|see",
    ),
    asking(
        r"(?:the )?(?P<when>next |last )?moon (?:be )?(?P<what>full|new)(?: again)?",
        before="will|there|be|date|day|was",
    ),
    asking(
        r"how (?:long|many days)(?: is it| are there)?(?: left)? (?:until|till|til|to|before) (?:the "
        r")?(?P<when>next )?(?P<what>full moon|new moon)"
    ),
)
_IS_MOON = asking(
    r"(?:a |the moon |there a |it a )?(?P<what>full|new)(?: moon)?(?: today| tonight| now| right now| "
    r"this evening)*",
    before="moon|be|will",
)
_SEASON = (
    asking(
        r"(?:first day of|start of|beginning of) (?P<what>spring|summer|autumn|fall|winter)",
        before="will|be|date|day",
    ),
    asking(
        r"(?P<what>spring|summer|autumn|fall|winter) (?:start|starts|begin|begins|starting|beginning"
        r"|officially start|officially begin)(?: this year| next year)?",
        before="will|be|date|day",
    ),
    asking(
        r"(?P<what>(?:summer|winter|june|december) solstice|(?:spring|vernal|autumn|autumnal|fall"
        r"|march|september) equinox|longest day|shortest day|longest night)(?: of the year)?(?: this "
        r"year| next year)?",
        before="next|will|be|date|day|have|we|was",
    ),
)
_NOW = asking(r"(?:season|time of year)(?: (?:is it|are we in|it is|is|are|we|in|now))*", before="what|which|in")
_UNTIL_SUN = re.compile(
    r"^how (?:long|many hours|much time)(?: is it| is there| do i have| are there)?(?: left)? (?:until"
    r"|till|til|before|to) (?:the )?(?:next )?(?P<what>sunrise|sunset|sundown|dark|nightfall|it gets "
    r"dark|the sun sets|the sun rises|sun sets|sun rises|daylight)$"
)
_NORTH = {"spring": "vernal", "summer": "summer", "autumn": "autumnal", "fall": "autumnal", "winter": "winter"}
_SOUTH = {"spring": "autumnal", "summer": "winter", "autumn": "vernal", "fall": "vernal", "winter": "summer"}
_TWILIGHT = "-6"
"""Degrees of the sun when it is light enough to see outside (civil twilight)."""
_HORIZON = "-0:50"
"""Of the sun's centre at sunrise, as almanacs count: its upper edge is seen, lifted by the air."""
_MOON_PHASES = (
    (0.04, "a new moon"),
    (0.23, "a waxing crescent"),
    (0.27, "at its first quarter, a half moon"),
    (0.46, "waxing, between half and full"),
    (0.54, "full"),
    (0.73, "waning, between full and half"),
    (0.77, "at its last quarter, a half moon"),
    (0.96, "a waning crescent"),
    (1.01, "a new moon"),
)


@dataclass(frozen=True, slots=True)
class SkyFrame:
    """Something was asked about the sun; another place or day may follow."""

    event: str
    place: str
    day: dt.date


class Sky:
    """Answers when the sun rises and sets, and what the moon looks like."""

    abilities = ("tell when the sun sets and what the moon looks like",)

    def __init__(self, places: Places) -> None:
        self._places = places

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a question about the sun, the moon or the seasons."""
        if request.before is not None:
            return self._follow_up(request)
        said = request.figures
        return (
            self._about_sun(said, request.now)
            or self._about_moon(said, request.now)
            or self._about_season(said, request.now)
        )

    # --- the sun --------------------------------------------------------------------------------

    def _follow_up(self, request: Request) -> Answer | None:
        frame = request.before.frame if request.before else None
        if not isinstance(frame, SkyFrame):
            return None
        rest = re.sub(r"^(?:(?:and|what about|how about|in|for|on) )+", "", request.figures)
        if day := find_day(rest, request.now.date()):
            return self._sun(frame.event, frame.place, day.date, request.now)
        return self._sun(frame.event, rest, frame.day, request.now) if self._places.find(rest) else None

    def _about_sun(self, said: str, now: dt.datetime) -> Answer | None:
        if match := _UNTIL_SUN.match(said):
            return self._until(match["what"], now)
        if re.match(r"^(?:will|would|can|did|why|how (?:do|does))\b", said) or not re.search(
            r"\b(?:sun\w*|dawn|dusk|dark|light|daylight|day|nightfall|bright|daybreak)\b", said
        ):
            return None
        day, bare = _without_day(said, now.date())
        if day is None:
            return None
        for event, patterns in _EVENTS.items():
            if event in ("rise", "set") and not re.search(r"\bsun", said):
                continue
            for groups in matches(patterns, bare):
                name = groups.get("p", "")
                if name in ("here", "my city", "my area", "my place", "the morning", "the evening"):
                    name = ""
                if answer := self._sun(event, name, day, now):
                    return answer
        return None

    def _sun(self, event: str, name: str, day: dt.date, now: dt.datetime) -> Answer | None:
        place = self._places.find(name) if name else self._places.home(now)
        if place is None or not place.located:
            return None if name else Answer("For which city?", frame=SkyFrame(event, "", day))
        there = ZoneInfo(place.zone)
        rise, set_ = _crossings(place, day, there, _HORIZON)
        where = f"In {place.name if place.kind is PlaceKind.CITY else place.capital}"
        when = _told_day(day, now.astimezone(there).date())
        frame = SkyFrame(event, name, day)
        if event == "day" and rise and set_:
            length = int((set_ - rise).total_seconds())
            return Answer(f"{where}, the day {when} has {say_duration(length // 60 * 60)} of sun.", frame=frame)
        if event in ("light", "dark"):
            dawn, dusk = _crossings(place, day, there, _TWILIGHT)
            twilight, sun = (dawn, rise) if event == "light" else (dusk, set_)
            if twilight and sun:
                verb = "gets light" if event == "light" else "gets dark"
                does = "rises" if event == "light" else "sets"
                return Answer(
                    f"{where}, it {verb} around {say_time(twilight)} {when}; the sun {does} at {say_time(sun)}.",
                    frame=frame,
                )
        moment = rise if event in ("rise", "light") else set_
        if moment is None:
            return Answer(
                f"{where}, the sun does not {'rise' if event in ('rise', 'light') else 'set'} {when}.", frame=frame
            )
        verb = "rises" if event in ("rise", "light") else "sets"
        return Answer(f"{where}, the sun {verb} at {say_time(moment)} {when}.", frame=frame)

    def _until(self, what: str, now: dt.datetime) -> Answer | None:
        place = self._places.home(now)
        if place is None:
            return Answer("I don't know where you are. Ask me for the sunset in a city.")
        there = ZoneInfo(place.zone)
        up = bool(re.search("rise|daylight", what))
        for day in (now.date(), now.date() + dt.timedelta(days=1)):
            moment = _crossings(place, day, there, _HORIZON)[0 if up else 1]
            if moment and moment > now:
                minutes = round((moment - now).total_seconds() / 60)
                verb = "rises" if up else "sets"
                return Answer(
                    f"{sentence(say_duration(minutes * 60))}: in {place.name}, the sun {verb} at "
                    f"{say_time(moment)}."
                )
        return None

    # --- the moon -------------------------------------------------------------------------------

    def _about_moon(self, said: str, now: dt.datetime) -> Answer | None:
        if ("moon" not in said and "quarter" not in said and "lunar" not in said) or "eclipse" in said:
            return None
        if re.match(r"^(?:is|will)\b", said) and (match := _IS_MOON.match(said)):
            share = _moon_share(now)
            same = share > 0.97 or share < 0.03 if match["what"] == "new" else 0.47 < share < 0.53
            following = _next_moon(match["what"], now)
            return Answer(
                f"{'Yes' if same else 'No'}. Tonight it's {_phase(share)}."
                + (
                    ""
                    if same
                    else f" The next {match['what']} moon is on {say_date(following.date(), weekday=True)}."
                )
            )
        for groups in matches(_NEXT_MOON, said):
            return _told_moon(groups, now)
        if (
            re.search(r"\b(?:phase|look|looks|looking|like|stage|tonight|in|state|cycle)\b", said)
            and next(matches(_PHASE, said), None) is not None
        ):
            share = _moon_share(now)
            lit = round(100 * _lit(now))
            return Answer(f"Tonight the moon is {_phase(share)}; {lit} percent of it is lit.")
        return None

    # --- the seasons ----------------------------------------------------------------------------

    def _about_season(self, said: str, now: dt.datetime) -> Answer | None:
        home = self._places.home(now)
        south = home is not None and home.latitude < -10
        if _NOW.match(said):
            return self._season_now(now, south=south)
        for groups in matches(_SEASON, said):
            return _told_season(groups["what"], said, now, south=south)
        return None

    def _season_now(self, now: dt.datetime, *, south: bool) -> Answer:
        names = ("winter", "spring", "summer", "autumn")
        begun = [
            sum(
                _utc(turn(f"{now.year}")) <= now
                for turn in (
                    ephem.next_vernal_equinox,
                    ephem.next_summer_solstice,
                    ephem.next_autumn_equinox,
                    ephem.next_winter_solstice,
                )
            )
        ][0] % 4
        half = "southern" if south else "northern"
        return Answer(f"By the sun it's {names[(begun + 2 * south) % 4]} on the {half} half of the earth.")


def _without_day(said: str, today: dt.date) -> tuple[dt.date | None, str]:
    """Return the day a question is about, and the question without it; no day if it can't be understood."""
    day: dt.date | None = today
    words = [match[0] for match in _DAY.finditer(said)]
    for word in words:
        plain = re.sub(r"^(?:in the|this|on) ", "", word)
        if plain.startswith("tomorrow"):
            day = today + dt.timedelta(days=1)
        elif plain not in ("today", "tonight", "morning", "evening", "night", "afternoon"):
            found = find_day(plain, today)
            if found is None:
                return None, said
            day = found.date
        said = said.replace(word, " ", 1)
    return day, " ".join(said.split())


def _told_day(day: dt.date, today: dt.date) -> str:
    named = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((day - today).days)
    return named or f"on {say_date(day, weekday=True, year=False)}"


def _crossings(
    place: Place, day: dt.date, zone: ZoneInfo, horizon: str
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Return when the sun rises above and sinks below the horizon on a day of the place; None if it does not."""
    observer = ephem.Observer()
    observer.lat, observer.lon = str(place.latitude), str(place.longitude)
    observer.pressure, observer.horizon = 0, horizon
    noon = dt.datetime.combine(day, dt.time(12), zone).astimezone(dt.UTC)
    observer.date = noon.replace(tzinfo=None)
    found: list[dt.datetime | None] = []
    for crossing in (observer.previous_rising, observer.next_setting):
        try:
            found.append(_utc(crossing(ephem.Sun(), use_center=True)).astimezone(zone))
        except (ephem.AlwaysUpError, ephem.NeverUpError):
            found.append(None)
    return found[0], found[1]


def _utc(moment: ephem.Date) -> dt.datetime:
    exact: dt.datetime = moment.datetime()
    return (exact + dt.timedelta(seconds=30)).replace(second=0, microsecond=0, tzinfo=dt.UTC)


def _date(now: dt.datetime) -> ephem.Date:
    return ephem.Date(now.astimezone(dt.UTC).replace(tzinfo=None))


def _moon_share(now: dt.datetime) -> float:
    """Return how far the moon is between one new moon (0) and the next (1)."""
    at = _date(now)
    last, following = ephem.previous_new_moon(at), ephem.next_new_moon(at)
    return float((at - last) / (following - last))


def _lit(now: dt.datetime) -> float:
    moon = ephem.Moon(_date(now))
    return float(moon.phase) / 100


def _phase(share: float) -> str:
    return next(name for end, name in _MOON_PHASES if share < end)


_MOONS = {
    "full": "full_moon",
    "new": "new_moon",
    "first quarter": "first_quarter_moon",
    "last quarter": "last_quarter_moon",
}


def _next_moon(what: str, now: dt.datetime, *, past: bool = False) -> dt.datetime:
    find = getattr(ephem, f"{'previous' if past else 'next'}_{_MOONS[what]}")
    return _utc(find(_date(now))).astimezone(now.tzinfo)


def _told_moon(groups: dict[str, str], now: dt.datetime) -> Answer:
    what = groups["what"].removesuffix(" moon")
    past = groups.get("when", "").strip() in ("last", "previous")
    moment = _next_moon(what, now, past=past)
    days = (moment.date() - now.date()).days
    away = "" if past or days < 2 else f", in {days} days"
    name = f"{what} moon" if what in ("full", "new") else f"{what} of the moon"
    return Answer(
        f"The {'last' if past else 'next'} {name} {'was' if past else 'is'} on "
        f"{say_date(moment.date(), weekday=True)}{away}."
    )


def _told_season(what: str, said: str, now: dt.datetime, *, south: bool) -> Answer:
    """Tell when a season begins by the sun."""
    start = (
        dt.date(now.year + 1, 1, 1)
        if "next year" in said
        else dt.date(now.year, 1, 1)
        if "this year" in said
        else now.date()
    )
    at = ephem.Date(dt.datetime.combine(start, dt.time()))
    half = "southern" if south else "northern"
    if what in _NORTH:
        turn = (_SOUTH if south else _NORTH)[what]
        moment = _turn(turn, at).astimezone(now.tzinfo)
        return Answer(
            f"By the sun, {what} begins on {say_date(moment.date(), weekday=True)}, on the {half} half "
            f"of the earth."
        )
    turn = _named_turn(what, south=south)
    moment = _turn(turn, at).astimezone(now.tzinfo)
    suffix = (
        ""
        if what.partition(" ")[0] in ("march", "june", "september", "december")
        else f" on the {half} half of the earth"
    )
    return Answer(f"The {what}{suffix} is {say_date(moment.date(), weekday=True)}.")


def _named_turn(what: str, *, south: bool) -> str:
    first = what.partition(" ")[0]
    months = {"march": "vernal", "june": "summer", "september": "autumnal", "december": "winter"}
    if first in months:
        return months[first]
    season = {
        "vernal": "spring",
        "autumnal": "autumn",
        "longest": "winter" if "night" in what else "summer",
        "shortest": "winter",
    }.get(first, first)
    return (_SOUTH if south else _NORTH)[season]


def _turn(name: str, at: ephem.Date) -> dt.datetime:
    turns = {
        "vernal": ephem.next_vernal_equinox,
        "summer": ephem.next_summer_solstice,
        "autumnal": ephem.next_autumn_equinox,
        "winter": ephem.next_winter_solstice,
    }
    return _utc(turns[name](at))
