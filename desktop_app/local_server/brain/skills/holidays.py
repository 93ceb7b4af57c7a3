"""Public holidays, by the package `holidays`: whether a day is one, which come next, when a named one is.

Without a country in the question it is the one of the user's time zone, which the answer names. Only what holds in
the whole country counts; for Great Britain, what holds in England.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterator, Mapping

import holidays

from desktop_app.local_server.brain.phrases import asking, matches, sentence
from desktop_app.local_server.brain.places import PlaceKind, Places
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.skills.dates import MONTHS, Day, find_day
from desktop_app.local_server.brain.wording import count, listing, say_date

_HOLIDAY = r"(?:(?:public|bank|national|legal|statutory|official|federal) )?holidays?"
_IN = r"(?: (?:in|for|of) (?P<p>[a-z].*?))?"
_IS = re.compile(
    rf"^(?:is|was|will)(?: (?:it|there))? (?P<day>.+?)(?: be)? (?:a|an|any|also a|really a) {_HOLIDAY}{_IN}$"
    rf"|^(?:do i|do we|does (?:everyone|everybody)) have (?P<day2>.+?) off{_IN.replace('<p>', '<p2>')}$"
    rf"|^is there (?:a|any) {_HOLIDAY} (?:on )?(?P<day3>today|tomorrow|.+?day|.+?\d)(?: in (?P<p3>[a-z].*?))?$"
)
_NEXT = (
    asking(
        rf"(?:next|upcoming|coming|following) {_HOLIDAY}(?: (?:be|coming up|off|day|on))*{_IN}",
        before="will|there|which|day|date|we|have",
    ),
    asking(
        rf"how (?:long|many days)(?: is it| are there)?(?: left)? (?:until|till|til|to|before) (?:the "
        rf")?next {_HOLIDAY}{_IN}"
    ),
    asking(rf"{_HOLIDAY} (?:is )?(?:next|coming up|comes next|is coming up){_IN}", before="which"),
)
_WHEN = (
    r"(?P<when>this year|next year|this month|next month|the rest of the year|(?:the year )?[12]\d{3}|"
    + "|".join(name for name in MONTHS if len(name) > 3)
    + r")"
)
_LIST = (
    asking(
        rf"(?P<how>how many )?{_HOLIDAY}(?: (?:are|is|do|does|will))?(?: (?:there|we|they))?(?: "
        rf"(?:left|have|be|get|still|remaining|celebrate))*"
        rf"(?: (?:in|for|during|of|left in) (?P<p>(?!this|next|the rest)[a-z].*?))?(?: (?:in|and|for"
        rf"|during|of|left|left in)(?: the)?)?(?: {_WHEN})?",
        before="any|which|list|all|there|are there|tell me|we|left",
    ),
    asking(
        rf"(?P<how>how many )?{_HOLIDAY} (?:does|do) (?P<p>[a-z].*?) (?:have|celebrate|get|observe)(?: "
        rf"(?:in|during|left)(?: the)?)?(?: {_WHEN})?",
        before="any|which",
    ),
    asking(
        rf"(?P<how>how many )?{_HOLIDAY}(?: (?:are|is))?(?: there)? (?:in|during) {_WHEN}(?: (?:in"
        rf"|for) (?P<p>[a-z].*?))?",
        before="any|which|there",
    ),
)
_NAMED = (
    asking(
        r"(?:when|what day|what date|which day|on what day|on which day|what is the date of|date "
        r"of)(?: (?:is|was|does|do|will|are))?(?: (?:they|people|we))?(?: celebrate| have)? "
        r"(?P<what>[a-z].*?)(?: (?:be|fall|celebrated|observed|take place))*(?: (?:in|for) "
        r"(?P<p>[a-z][a-z ]*?))?(?: (?P<year>this year|next year|(?:in )?[12]\d{3}))?"
    ),
)
_WORKING = r"(?:working|work|business|week) ?days?"
_WORKDAYS = (
    asking(
        rf"how many {_WORKING}(?: (?:are|is|do))?(?: (?:there|we|i|it))?(?: (?:have|left|still"
        rf"|remaining))*(?: (?:in|of|until|till|til|before|to))?(?: the)?(?: end of)?(?: the)? "
        rf"(?P<what>this month|this year|month|year|this week|week|.+?)(?: left)?"
    ),
)
_BETWEEN = re.compile(
    rf"^how many {_WORKING}(?: are there| is it)? (?:between|from) (?P<a>.+?) (?:and|to|until|till) (?P<b>.+)$"
)
_IS_WORKDAY = re.compile(r"^is (?P<day>.+?) a (?:working day|work day|workday|business day|weekday|week day)$")
_ENGLAND = {"GB": "ENG"}
_TOLD_AS = {"GB": "England"}
_MOST = 12


class Holidays:
    """Answers questions about public holidays and working days."""

    abilities = ("name public holidays",)

    def __init__(self, places: Places) -> None:
        self._places = places

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a question about holidays or working days."""
        if request.before is not None:
            return None
        said, today = request.figures, request.now.date()
        return (
            self._whether(said, request)
            or self._next(said, request)
            or self._between_workdays(said, request)
            or self._workdays(said, request)
            or self._list(said, request, today)
            or self._named(said, request, today)
        )

    # --- the questions --------------------------------------------------------------------------

    def _whether(self, said: str, request: Request) -> Answer | None:
        today = request.now.date()
        if match := _IS_WORKDAY.match(said):
            day = find_day(match["day"], today)
            code = self._country("", request)
            if day is None or code is None:
                return None
            name = _of(code, day.date.year).get(day.date)
            free = day.date.weekday() > 4 or (name and "week" not in said.rsplit("a ", maxsplit=1)[-1])
            return Answer(
                f"{'No' if free else 'Yes'}, {say_date(day.date, weekday=True)} is {name or f'a {day.date:%A}'}."
            )
        for groups in matches((_IS,), said):
            day = find_day(groups["day"], today)
            if day is None:
                return None
            code = self._country(groups.get("p", ""), request)
            if code is None:
                return _ask_for_country(groups)
            name = _of(code, day.date.year).get(day.date)
            told = f"{say_date(day.date, weekday=True)}"
            if name:
                return Answer(f"Yes, {told} is {name} in {self._called(code)}.")
            return Answer(f"No, {told} is no public holiday in the whole of {self._called(code)}.")
        return None

    def _next(self, said: str, request: Request) -> Answer | None:
        for groups in matches(_NEXT, said):
            code = self._country(groups.get("p", ""), request)
            if code is None:
                return _ask_for_country(groups)
            following = next(_from(code, request.now.date() + dt.timedelta(days=1)), None)
            if following is None:
                return None
            day, name = following
            days = (day - request.now.date()).days
            return Answer(
                f"The next public holiday in {self._called(code)} is {name}, on "
                f"{say_date(day, weekday=True)}, in {count(days, 'day')}."
            )
        return None

    def _list(self, said: str, request: Request, today: dt.date) -> Answer | None:
        if not re.search(r"\bholidays?\b", said):
            return None
        for groups in matches(_LIST, said):
            code = self._country(groups.get("p", ""), request)
            if code is None:
                if groups.get("p"):
                    continue
                return _ask_for_country(groups)
            span = _span(groups.get("when", ""), said, today)
            found = [
                (day, name)
                for year in range(span[0].year, span[1].year + 1)
                for day, name in sorted(_of(code, year).items())
                if span[0] <= day <= span[1]
            ]
            return Answer(self._told(code, found, span, only_number="how" in groups))
        return None

    def _told(
        self, code: str, found: list[tuple[dt.date, str]], span: tuple[dt.date, dt.date], *, only_number: bool
    ) -> str:
        when = f"between {say_date(span[0], year=False)} and {say_date(span[1])}"
        where = self._called(code)
        if not found:
            return f"There is no public holiday in {where} {when}."
        number = f"{where} has {count(len(found), 'public holiday')} {when}"
        if only_number and len(found) > 5:
            return f"{sentence(number)}."
        named = [f"{name} on {say_date(day, year=False)}" for day, name in found[:_MOST]]
        return f"{sentence(number)}: {listing(named)}."

    def _named(self, said: str, request: Request, today: dt.date) -> Answer | None:
        """Answer "When is Diwali in India?" for what `holidays` calls by that name."""
        for groups in matches(_NAMED, said):
            code = self._country(groups.get("p", ""), request)
            if code is None:
                continue
            if find_day(groups["what"], today) and not groups.get("p"):
                return None  # the calendar knows it, wherever one lives
            wanted = _plain(groups["what"])
            year = groups.get("year", "").removeprefix("in ")
            start = (
                today
                if not year
                else dt.date(int(year) if year.isdigit() else today.year + (year == "next year"), 1, 1)
            )
            for day, name in _from(code, start):
                if wanted in (_plain(name), _plain(name.partition("(")[0]), *map(_plain, name.split(";"))):
                    return Answer(f"{name} in {self._called(code)} is on {say_date(day, weekday=True)}.")
        return None

    def _workdays(self, said: str, request: Request) -> Answer | None:
        today = request.now.date()
        for groups in matches(_WORKDAYS, said):
            what = groups["what"].removeprefix("this ")
            if what in ("month", "year", "week"):
                end = {
                    "month": _month_end(today),
                    "year": dt.date(today.year, 12, 31),
                    "week": today + dt.timedelta(days=6 - today.weekday()),
                }[what]
                until = f"of this {what}"
            else:
                day: Day | None = find_day(what, today)
                if day is None or day.date <= today:
                    continue
                end, until = day.date - dt.timedelta(days=1), f"before {say_date(day.date, weekday=True)}"
            return self._told_workdays(
                today + dt.timedelta(days=1), end, f"After today, there {{}} left {until}", request
            )
        return None

    def _between_workdays(self, said: str, request: Request) -> Answer | None:
        if not (match := _BETWEEN.match(said)):
            return None
        first, second = find_day(match["a"], request.now.date()), find_day(match["b"], request.now.date())
        if first is None or second is None or second.date <= first.date or (second.date - first.date).days > 1500:
            return None
        return self._told_workdays(
            first.date,
            second.date,
            f"From {say_date(first.date)} to {say_date(second.date)}, both counted, there {{}}",
            request,
        )

    def _told_workdays(self, first: dt.date, last: dt.date, pattern: str, request: Request) -> Answer:
        days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
        week = [day for day in days if day.weekday() < 5]
        code = self._country("", request)
        free = [day for day in week if code and day in _of(code, day.year)]
        number = len(week) - len(free)
        text = pattern.format(f"{'is' if number == 1 else 'are'} {count(number, 'working day')}")
        return Answer(
            f"{text}, Monday to Friday" + (f" without {count(len(free), 'public holiday')}." if free else ".")
        )

    # --- helping --------------------------------------------------------------------------------

    def _country(self, name: str, request: Request) -> str | None:
        """Return the code of the country of that name, or of the user's time zone, if its holidays are known."""
        if name:
            place = self._places.region(name)
            code = "GB" if name == "england" else place.country if place and place.kind is PlaceKind.COUNTRY else ""
        else:
            home = self._places.home(request.now)
            code = home.country if home else ""
        return code if code in _supported() else None

    def _called(self, code: str) -> str:
        return _TOLD_AS.get(code) or self._places.countries[code].name


def _ask_for_country(groups: Mapping[str, str]) -> Answer | None:
    if groups.get("p"):
        return None
    return Answer("For which country? I can't tell from your time zone where you are.")


@functools.cache
def _supported() -> frozenset[str]:
    return frozenset(holidays.list_supported_countries())


@functools.lru_cache(maxsize=64)
def _of(code: str, year: int) -> Mapping[dt.date, str]:
    """Return the public holidays of a country in a year, named in English where the package can."""
    kind = getattr(holidays, code)
    languages = getattr(kind, "supported_languages", ())
    english = next((language for language in ("en_US", "en_GB", "en") if language in languages), None)
    return dict(holidays.country_holidays(code, subdiv=_ENGLAND.get(code), years=year, language=english))


def _from(code: str, start: dt.date) -> Iterator[tuple[dt.date, str]]:
    """Yield the holidays from a day on, for some fourteen months."""
    for year in (start.year, start.year + 1):
        for day, name in sorted(_of(code, year).items()):
            if start <= day <= start + dt.timedelta(days=430):
                yield day, name


def _span(when: str, said: str, today: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first and the last day of what is asked about."""
    left = bool(re.search(r"\b(?:left|remaining|still|rest)\b", said))
    if when in MONTHS:
        year = today.year + (MONTHS[when] < today.month)
        first = dt.date(year, MONTHS[when], 1)
        return first, _month_end(first)
    if when in ("this month", "next month"):
        first = today.replace(day=1) if when == "this month" else _month_end(today) + dt.timedelta(days=1)
        return (today if left else first), _month_end(first)
    digits = re.search(r"[12]\d{3}", when)
    year = int(digits[0]) if digits else today.year + (when == "next year")
    return (today if left and year == today.year else dt.date(year, 1, 1)), dt.date(year, 12, 31)


def _month_end(day: dt.date) -> dt.date:
    return (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)


def _plain(name: str) -> str:
    """Return a name as it is compared: "Martin Luther King Jr. Day" → "martin luther king jr"."""
    bare = re.sub(r"[^a-z ]", "", name.lower().replace("saint ", "st "))
    return " ".join(word for word in bare.split() if word not in ("the", "day", "of", "holiday"))
