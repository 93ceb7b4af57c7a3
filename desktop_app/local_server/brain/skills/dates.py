"""Dates: "What day is it?", "What day is the third of March?", "How many days until Christmas?".

`find_day` understands a day in words; `Dates` answers what is asked about one. Without a year, a day is the
next of its kind, or the last one if the question is about the past; the answer names the year it means.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass

from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import ORDINALS, count, listing, nth, say_date

MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
MONTHS |= {
    "jan": 1,
    "feb": 2,
    "mar": 3,
    "apr": 4,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "sept": 9,
    "oct": 10,
    "nov": 11,
    "dec": 12,
}
_WEEKDAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
_ORDINAL_DAYS = (
    {word: value for word, value in ORDINALS.items() if value <= 30}
    | {f"20 {word}": 20 + value for word, value in ORDINALS.items() if value < 10}
    | {f"30 {word}": 30 + value for word, value in ORDINALS.items() if value < 10}
    | {str(day): day for day in range(1, 32)}
    | {nth(day): day for day in range(1, 32)}
)
_DAY = "|".join(sorted(_ORDINAL_DAYS, key=len, reverse=True))
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_YEAR = r"(?: (?:in |of )?(?P<year>[12]\d{3}|this year|next year|last year))?"
_ON_DAY = re.compile(rf"^(?:the )?(?P<day>{_DAY}) (?:day )?(?:of )?(?P<month>{_MONTH}){_YEAR}$")
_MONTH_DAY = re.compile(rf"^(?P<month>{_MONTH}) (?:the )?(?P<day>{_DAY}){_YEAR}$")
_NUMERIC = re.compile(r"^(?P<year>[12]\d{3}) minus (?P<month>\d\d?) minus (?P<day>\d\d?)$")


def _easter(year: int) -> dt.date:
    """Return Easter Sunday of the Gregorian calendar (the anonymous algorithm of 1876)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    x = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 19 * x) // 433
    month = (h + x - 7 * m + 90) // 25
    return dt.date(year, month, (h + x - 7 * m + 33 * month + 19) % 32)


def _nth_weekday(year: int, month: int, weekday: int, number: int) -> dt.date:
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


@dataclass(frozen=True, slots=True)
class _Feast:
    name: str
    on: Callable[[int], dt.date]


def _fixed(month: int, day: int) -> Callable[[int], dt.date]:
    return lambda year: dt.date(year, month, day)


def _after_easter(days: int) -> Callable[[int], dt.date]:
    return lambda year: _easter(year) + dt.timedelta(days=days)


_FEASTS = {
    "christmas|christmas day|xmas|x mas": _Feast("Christmas Day", _fixed(12, 25)),
    "christmas eve|xmas eve": _Feast("Christmas Eve", _fixed(12, 24)),
    "boxing day": _Feast("Boxing Day", _fixed(12, 26)),
    "new year|new years|new year's|new years day|new year's day|the new year": _Feast(
        "New Year's Day", _fixed(1, 1)
    ),
    "new years eve|new year's eve": _Feast("New Year's Eve", _fixed(12, 31)),
    "halloween": _Feast("Halloween", _fixed(10, 31)),
    "valentine's day|valentines day|valentine's|valentines": _Feast("Valentine's Day", _fixed(2, 14)),
    "st patrick's day|saint patrick's day|st patricks day|saint patricks day": _Feast(
        "Saint Patrick's Day", _fixed(3, 17)
    ),
    "april fools|april fool's day|april fools day|april fools' day": _Feast("April Fools' Day", _fixed(4, 1)),
    "bastille day": _Feast("Bastille Day", _fixed(7, 14)),
    "canada day": _Feast("Canada Day", _fixed(7, 1)),
    "anzac day": _Feast("Anzac Day", _fixed(4, 25)),
    "australia day": _Feast("Australia Day", _fixed(1, 26)),
    "cinco de mayo": _Feast("Cinco de Mayo", _fixed(5, 5)),
    "guy fawkes night|guy fawkes day|bonfire night": _Feast("Guy Fawkes Night", _fixed(11, 5)),
    "all saints day|all saints' day|all saint's day": _Feast("All Saints' Day", _fixed(11, 1)),
    "epiphany": _Feast("Epiphany", _fixed(1, 6)),
    "st george's day|saint george's day": _Feast("Saint George's Day", _fixed(4, 23)),
    "st andrew's day|saint andrew's day": _Feast("Saint Andrew's Day", _fixed(11, 30)),
    "women's day|international women's day": _Feast("International Women's Day", _fixed(3, 8)),
    "earth day": _Feast("Earth Day", _fixed(4, 22)),
    "pi day": _Feast("Pi Day", _fixed(3, 14)),
    "ash wednesday": _Feast("Ash Wednesday", _after_easter(-46)),
    "palm sunday": _Feast("Palm Sunday", _after_easter(-7)),
    "ascension day|ascension": _Feast("Ascension Day", _after_easter(39)),
    "mother's day|mothers day|mother's day in the us|mother's day in the united states|mother's day in "
    "america": _Feast(
        "Mother's Day in the United States and many other countries", lambda year: _nth_weekday(year, 5, 6, 2)
    ),
    "mother's day in the uk|mother's day in england|mother's day in britain|mothering sunday": _Feast(
        "Mothering Sunday in the United Kingdom", _after_easter(-21)
    ),
    "father's day|fathers day": _Feast(
        "Father's Day in the United States and the United Kingdom", lambda year: _nth_weekday(year, 6, 6, 3)
    ),
    "black friday": _Feast("Black Friday", lambda year: _nth_weekday(year, 11, 3, 4) + dt.timedelta(days=1)),
    "independence day": _Feast("Independence Day", _fixed(7, 4)),
    "easter|easter sunday|easter day": _Feast("Easter Sunday", _easter),
    "good friday": _Feast("Good Friday", _after_easter(-2)),
    "easter monday": _Feast("Easter Monday", _after_easter(1)),
    "pentecost|whit sunday": _Feast("Pentecost", _after_easter(49)),
    "thanksgiving|thanksgiving day": _Feast(
        "Thanksgiving in the United States", lambda year: _nth_weekday(year, 11, 3, 4)
    ),
}
_FEAST_OF = {name: feast for names, feast in _FEASTS.items() for name in names.split("|")}
_FEAST = "|".join(re.escape(name) for name in sorted(_FEAST_OF, key=len, reverse=True))
_FEAST_YEAR = re.compile(rf"^(?P<feast>{_FEAST}){_YEAR}$")


@dataclass(frozen=True, slots=True)
class Day:
    """A day somebody named."""

    date: dt.date
    name: str = ""
    """Of a feast; empty for a plain date."""
    relative: str = ""
    """As it was said, for "tomorrow" or "in two weeks"."""


def find_day(said: str, today: dt.date, *, past: bool = False) -> Day | None:
    """Return the day that the words `said` (with digits) name, or None."""
    said = re.sub(r"^(?:on|the day|it) (?=\w)", "", said)
    return _relative(said, today) or _feast(said, today, past=past) or _calendar_day(said, today, past=past)


def _calendar_day(said: str, today: dt.date, *, past: bool) -> Day | None:
    match = _ON_DAY.match(said) or _MONTH_DAY.match(said) or _NUMERIC.match(said)
    if not match:
        return None
    month = MONTHS.get(match["month"]) or int(match["month"])
    day = _ORDINAL_DAYS.get(match["day"]) or int(match["day"])

    def on(year: int) -> dt.date:
        return dt.date(year, month, day)

    try:
        return Day(_in_year(match["year"], on, today, past=past))
    except ValueError:  # no such day
        return None


def _feast(said: str, today: dt.date, *, past: bool) -> Day | None:
    if not (match := _FEAST_YEAR.match(re.sub(r"^(?:next|this|the next|last) ", "", said))):
        return None
    feast = _FEAST_OF[match["feast"]]
    past = past or said.startswith("last ")
    return Day(_in_year(match["year"], feast.on, today, past=past), feast.name)


def _in_year(year: str | None, on: Callable[[int], dt.date], today: dt.date, *, past: bool) -> dt.date:
    named = {"this year": today.year, "next year": today.year + 1, "last year": today.year - 1}
    if year:
        return on(named.get(year) or int(year))
    years = range(today.year, today.year - 9, -1) if past else range(today.year, today.year + 9)
    for candidate in years:
        try:
            date = on(candidate)
        except ValueError:  # February 29th
            continue
        if (date <= today) if past else (date >= today):
            return date
    raise ValueError("no such day")


_UNITS = r"(?P<n>\d+|an?|one) (?P<unit>day|week|fortnight|month|year)s?"
_FROM_DAY = re.compile(rf"^{_UNITS} (?P<way>from|after|before) (?P<day>(?!now$|today$).+)$")
_RELATIVE = {
    "today": 0,
    "tomorrow": 1,
    "yesterday": -1,
    "day after tomorrow": 2,
    "the day after tomorrow": 2,
    "day before yesterday": -2,
    "the day before yesterday": -2,
}


def _relative(said: str, today: dt.date) -> Day | None:
    if after := _FROM_DAY.match(said):
        start = find_day(after["day"], today)
        steps = int(after["n"]) if after["n"].isdigit() else 1
        moved = _moved(start.date, -steps if after["way"] == "before" else steps, after["unit"]) if start else None
        return Day(moved, relative=said) if moved else None
    if said in _RELATIVE:
        return Day(today + dt.timedelta(days=_RELATIVE[said]), relative=said.removeprefix("the "))
    if match := re.match(
        (
            rf"^(?:in {_UNITS}|{_UNITS.replace('<n>', '<n2>').replace('<unit>', '<unit2>')} (?:from "
            rf"(?:now|today)|later|ago|before today))$"
        ),
        said,
    ):
        number, unit = match["n"] or match["n2"], match["unit"] or match["unit2"]
        steps = (-1 if said.endswith(("ago", "before today")) else 1) * (int(number) if number.isdigit() else 1)
        moved = _moved(today, steps, unit)
        return Day(moved, relative=said) if moved else None
    if match := re.match(
        (
            rf"^(?P<which>this|next|last|this coming|coming|a week from"
            rf"|a week on)? ?(?P<day>{'|'.join(_WEEKDAYS)})(?P<week> week)?$"
        ),
        said,
    ):
        return _weekday(match, today)
    return None


def _weekday(match: re.Match[str], today: dt.date) -> Day:
    ahead = (_WEEKDAYS[match["day"]] - today.weekday()) % 7 or 7
    which = match["which"] or ""
    if which == "last":
        ahead -= 7
    elif which.startswith("a week") or match["week"]:
        ahead += 7
    elif which == "next" and today.weekday() + ahead < 7:
        ahead += 7  # said on a Wednesday, "next Friday" is the one of next week
    return Day(today + dt.timedelta(days=ahead), relative=match[0])


def _moved(day: dt.date, steps: int, unit: str) -> dt.date | None:
    try:
        if unit in ("day", "week", "fortnight"):
            return day + dt.timedelta(days=steps * {"day": 1, "week": 7, "fortnight": 14}[unit])
        months = day.month - 1 + steps * (12 if unit == "year" else 1)
        year, month = day.year + months // 12, months % 12 + 1
        return day.replace(year=year, month=month, day=min(day.day, calendar.monthrange(year, month)[1]))
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class DateFrame:
    """What was asked about a day, so that "and tomorrow?" can ask it of another."""

    question: str
    """With `{}` in the place of the day."""


_TODAY = re.compile(
    r"^(?:what (?:is|was) )?(?:the |today's |todays |today is )?(?:current |exact "
    r"|full )?(?:date|calendar date)(?: (?:is it|today|of today|is today|is it today|it is"
    r"|it is today))*$"
    r"|^(?:what|which) (?:date|day)(?: of the (?:week|month))?(?: (?:is|do we have|are we)(?: (?:it|today|on))*)+$"
    r"|^what is (?:today|the day|today's day|the day today|the day of the week"
    r"|the date and day)$|^(?:date|day) today$|^today is what day$"
)
_PART_OF_TODAY = re.compile(
    r"^(?:what|which) (?P<part>month|year|week|season)(?: (?:number|of the year))? (?:is it"
    r"|are we in|is this|it is)(?: today)?$|^what is the (?:current )?(?P<part2>month|year"
    r"|week number)$"
)
_WEEKDAY_OF = re.compile(
    r"^(?:on )?(?:what|which) (?:day|weekday|day of the week)(?: of the week)? (?P<verb4>is) it on (?P<day4>.+)$"
    r"|^(?:on )?(?:what|which) (?:day|weekday|day of the week)(?: of the week)? (?P<verb5>was) "
    r"(?:i|he|she) born(?: on)? if (?:i|he|she) was born (?:on )?(?P<day5>.+)$"
    r"|^(?:what|which) (?:day|weekday|day of the week)(?: of the week)? (?P<verb>is|was|will|does"
    r"|did|would)(?: be)? (?P<day>.+?)(?: (?:be|fall|land|falls|lands)(?: on)?| be on| on)?$"
    r"|^on (?:what|which) (?:day|weekday|day of the week) (?P<verb2>is|was|will|does"
    r"|did) (?P<day2>.+?)(?: (?:be|fall|land))?(?P<rest2> this year| next year)?$"
    r"|^what is the (?:weekday|day of the week)(?: of| on| for)? (?P<day3>.+)$"
)
_DATE_OF = re.compile(
    r"^(?:what|which) (?:is|was|will) (?:be )?the (?:date|day)(?: be| of| on| for| is)? ?(?P<day>.+?)(?: be)?$"
    r"|^(?:what|which) date (?P<verb>is|was|will be|will|would) (?:it )?(?:be )?(?P<day2>.+?)(?: be)?$"
    r"|^what (?:date|day) (?:will|would) it be (?P<day5>.+)$"
    r"|^(?:when|what date|what day) (?P<verb2>is|was|does|will) (?P<day3>.+?)(?: (?:be|fall|start|celebrated))?$"
    r"|^what is (?P<day4>tomorrow|the day after tomorrow|tomorrow's date|yesterday's date)$"
    r"|^what is (?P<day6>[a-z' ]+? (?:this|next|last) year)$"
)
_DISTANCE = re.compile(
    r"^(?:how (?:many|much) (?P<unit>days|weeks|months|sleeps|nights|more days)(?: (?:are"
    r"|is) (?:there|it|left))?(?: left)?|how (?:long|far|much longer|much time)(?: (?:is|are"
    r"|do we have|away is))?(?: (?:it|there|left))?(?: left)?|(?:the )?(?:number of )?days)"
    r" (?P<way>until|till|til|to|before|since|away|from now (?:to|until)|left until"
    r"|remaining until)(?: is)? (?P<day>.+)$"
    r"|^how (?:many (?P<unit2>days|weeks|months)|long) (?:ago (?:was|is|since)|away is|off is"
    r"|has it been since|have passed since|is it since) (?P<day2>.+)$"
)
_BETWEEN = re.compile(
    r"^how (?:many (?P<unit>days|weeks)|long)(?: are there| is it| are| is)? (?:between"
    r"|from) (?P<a>.+?) (?:and|to|until|till) (?P<b>.+)$"
)
_MONTH_LENGTH = re.compile(
    rf"^how (?:many days|long)(?: are there| are| does| is"
    rf"| has)?(?: in)?(?: the month of)? (?P<month>{_MONTH})(?: have)?(?: have"
    rf"| in)?(?: (?P<year>[12]\d{{3}}))?$"
)
_LEAP = re.compile(
    r"^(?:is|was|will)(?: (?P<year>[12]\d{3}|this year|next year|this|it"
    r"|the year [12]\d{3}))(?: be)? a leap year$|^when is the next leap year$|^(?:which"
    r"|what) year is the next leap year$"
)
_LEFT = re.compile(
    r"^how many (?P<unit>days|weeks)(?: are| do we have)?(?: there)? (?:left|remaining"
    r"|remain) (?:in|of|this) (?:the |this )?(?P<what>year|month|week)$"
)
_BORN = re.compile(
    r"^how old (?:am i|is (?:someone|somebody|a person|he|she)|would i be)(?: if)?(?: (?:i|he"
    r"|she|who|they)?)? ?(?:was|were|am|is|are)? ?born (?:in|on) (?P<when>.+)$"
)


_DAY_OF_YEAR = re.compile(
    r"^(?:what|which) (?:number )?day(?: number)? of the year (?:is (?:it|today|this)|are we on|are we "
    r"at)(?: today)?$"
    r"|^(?:what is (?:the|today's) )?(?:number of the day|day number|day of the year|ordinal date)(?: "
    r"(?:of|in) the year)?"
    r"(?: (?:is it|today|is today))*$"
    r"|^how many days (?:into the year are we|of the year have passed|have passed this year|into this year are we)$"
)
_SHORT = tuple(
    (re.compile(pattern), whole)
    for pattern, whole in (
        (r"^(?=(?:days|weeks|months) (?:until|till|til|to|since) )", "how many "),
        (r"^(?:date|day) (?=(?:in|on|next) )", "what is the date "),
        (r"^(?!(?:what is )?(?:the )?today)(.+?)'s date$", r"what is the date \1"),
        (r"^(.+?) is (?:what|which)(?: date| day)?$", r"what is the date \1"),
        (r"^(.+?) (?:is )?(?:what |which )?(?:day of the week|weekday)$", r"what day is \1"),
        (r"^(?:the )?(?:current )?week(?: number| of the year)?$", "what week is it"),
        (r"^(?:is it |is this )?(?:a )?leap year$", "is this year a leap year"),
        (
            r"^(?:if )?(?:(?:i|someone|somebody|you|he|she) (?:am |was |were |is )?)?born (?:in |on )?(.+?)"
            r" (?:then )?how old\b.*$",
            r"how old is someone born in \1",
        ),
        (
            r"^how old(?: am i| is that| is he| is she)?(?: if)? born (?:in |on )?(.+)$",
            r"how old is someone born in \1",
        ),
        (rf"^((?:next )?(?:{_FEAST})(?: [12]\d{{3}}| (?:this|next) year)?) when$", r"when is \1"),
        (rf"^((?:{_FEAST}) [12]\d{{3}})$", r"when is \1"),
    )
)
"""Questions cut short, and what they are short for."""
_IS_IT = re.compile(r"^is (?:it|today)(?: a| the)? (?P<day>.+?)(?: today)?$")
_THIS_LENGTH = re.compile(
    r"^how many days(?: are there| are| does)?(?: in)? (?P<what>this month|next month|last month"
    r"|this year|next year|a leap year)(?: have| has)?$"
)


class Dates:
    """Answers what is asked about days."""

    abilities = ("count the days to any date",)

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a question about dates."""
        said, today = _in_full(request.figures), request.now.date()
        if request.before is not None:
            return self._follow_up(said, today, request.before.frame)
        if _TODAY.match(said):
            return Answer(f"Today is {say_date(today, weekday=True)}.", frame=DateFrame("what day is {}"))
        for asked in (
            _part_of_today,
            _day_of_year,
            _years,
            _is_it,
            _this_length,
            _month_length,
            _leap,
            _left,
            _age,
            _distance,
            _between,
            _weekday_of,
            _date_of,
        ):
            if answer := asked(said, today):
                return answer
        return None

    def _follow_up(self, said: str, today: dt.date, frame: object) -> Answer | None:
        if not isinstance(frame, DateFrame):
            return None
        day = re.sub(r"^(?:(?:and|what about|how about|what is|for) )+", "", said)
        if not find_day(day, today):
            return None
        return _distance(frame.question.format(day), today) or _weekday_of(frame.question.format(day), today)


def _part_of_today(said: str, today: dt.date) -> Answer | None:
    if not (match := _PART_OF_TODAY.match(said)):
        return None
    part = match["part"] or match["part2"]
    if part == "month":
        return Answer(f"It's {today:%B}.")
    if part == "year":
        return Answer(f"It's {today.year}.")
    if part == "season":
        return None  # depends on the hemisphere
    return Answer(f"It's week {today.isocalendar().week} of {today.isocalendar().year}.")


_YEARS = re.compile(
    r"^how many years(?: is it| are there| are left)? (?:until|till|til|to|before|from now (?:to"
    r"|until)) (?:the year )?(?P<until>[12]\d{3})$"
    r"|^how (?:many years|long)(?: is it| has it been)? (?:since|ago was|ago is) (?:the year "
    r")?(?P<since>[12]\d{3})$"
    r"|^(?:what|which) year (?:was it|was|is it|is|will it be|will be|would it be|it is) (?:in "
    r")?(?P<n>\d{1,3}) years(?: from now| (?P<ago>ago))?$"
    r"|^what is (?P<n2>\d{1,3}) years from (?:now|today)$"
)


def _years(said: str, today: dt.date) -> Answer | None:
    if not (match := _YEARS.match(said)):
        return None
    if named := match["until"] or match["since"]:
        years = int(named) - today.year
        if (years < 0) == bool(match["until"]):
            return None
        return Answer(
            f"{named} {'is in' if years > 0 else 'was'} {count(abs(years), 'year')}{'' if years > 0 else ' ago'}."
        )
    number = int(match["n"] or match["n2"])
    return Answer(
        f"That {'was' if match['ago'] else 'will be'} {today.year + (-number if match['ago'] else number)}."
    )


def _in_full(said: str) -> str:
    return next((pattern.sub(whole, said, count=1) for pattern, whole in _SHORT if pattern.match(said)), said)


def _day_of_year(said: str, today: dt.date) -> Answer | None:
    if not _DAY_OF_YEAR.match(said):
        return None
    return Answer(f"Today is day {today.timetuple().tm_yday} of {today.year}.")


def _month_length(said: str, _: dt.date) -> Answer | None:
    if not (match := _MONTH_LENGTH.match(said)):
        return None
    month, year = MONTHS[match["month"]], match["year"]
    name = calendar.month_name[month]
    if month == 2 and not year:
        return Answer("February has 28 days, and 29 in a leap year.")
    days = calendar.monthrange(int(year or 2001), month)[1]
    return Answer(f"{name}{f' {year}' if year else ''} has {days} days.")


def _is_it(said: str, today: dt.date) -> Answer | None:
    if not (match := _IS_IT.match(said)):
        return None
    name = match["day"]
    same: bool | None = None
    if name in _WEEKDAYS:
        same = today.weekday() == _WEEKDAYS[name]
    elif name == "weekend":
        same = today.weekday() > 4
    elif name in MONTHS and len(name) > 3:
        same = today.month == MONTHS[name]
    elif day := find_day(name, today):
        same = day.date == today
    if same is None:
        return None
    return Answer(f"{'Yes' if same else 'No'}, today is {say_date(today, weekday=True)}.")


def _this_length(said: str, today: dt.date) -> Answer | None:
    if not (match := _THIS_LENGTH.match(said)):
        return None
    which, _, unit = match["what"].rpartition(" ")
    if which == "a leap":
        return Answer("A leap year has 366 days.")
    day = _moved(today, {"this": 0, "next": 1, "last": -1}[which], unit) or today
    if unit == "year":
        return Answer(f"{day.year} has {366 if calendar.isleap(day.year) else 365} days.")
    return Answer(f"{day:%B} has {calendar.monthrange(day.year, day.month)[1]} days.")


def _leap(said: str, today: dt.date) -> Answer | None:
    if not (match := _LEAP.match(said)):
        return None
    if not match["year"]:
        following = next(year for year in range(today.year + 1, today.year + 9) if calendar.isleap(year))
        return Answer(f"The next leap year is {following}.")
    named = match["year"].removeprefix("the year ")
    year = int(named) if named.isdigit() else today.year + (named == "next year")
    return Answer(f"Yes, {year} is a leap year." if calendar.isleap(year) else f"No, {year} is not a leap year.")


def _left(said: str, today: dt.date) -> Answer | None:
    if not (match := _LEFT.match(said)):
        return None
    if match["what"] == "year":
        end = dt.date(today.year, 12, 31)
    elif match["what"] == "month":
        end = today.replace(day=calendar.monthrange(today.year, today.month)[1])
    else:
        end = today + dt.timedelta(days=6 - today.weekday())
    days = (end - today).days
    if match["unit"] == "weeks":
        return Answer(f"After today, about {count(round(days / 7), 'week')} are left in this {match['what']}.")
    return Answer(f"After today, {count(days, 'day')} {'is' if days == 1 else 'are'} left in this {match['what']}.")


def _age(said: str, today: dt.date) -> Answer | None:
    if not (match := _BORN.match(said)):
        return None
    when = match["when"]
    if re.fullmatch(r"[12]\d{3}", when) and int(when) <= today.year:
        years = today.year - int(when)
        return Answer(f"Someone born in {when} is {years - 1}, or {years} if this year's birthday has passed.")
    born = find_day(when, today, past=True)
    if born is None or not re.search(r"[12]\d{3}$", when):
        return None
    years = today.year - born.date.year - ((today.month, today.day) < (born.date.month, born.date.day))
    return Answer(f"Someone born on {say_date(born.date)} is {count(years, 'year')} old.")


def _weekday_of(said: str, today: dt.date) -> Answer | None:
    if not (match := _WEEKDAY_OF.match(said)):
        return None
    named = {key.rstrip("2345"): value for key, value in match.groupdict().items() if value}
    verb, name = named.get("verb", "is"), named["day"] + named.get("rest", "")
    name = re.sub(r" (?:fall|land)(?: on)?(?= (?:this|next) year$)", "", name)
    day = find_day(name, today, past=verb in ("was", "did"))
    return _told(day, today, DateFrame("what day is {}")) if day else None


def _date_of(said: str, today: dt.date) -> Answer | None:
    if not (match := _DATE_OF.match(said)):
        return None
    name = next(match[group] for group in ("day", "day2", "day3", "day4", "day5", "day6") if match[group])
    verb = match["verb"] or match["verb2"] or ("was" if " was " in said else "is")
    name = re.sub(r"^(tomorrow|yesterday)'s date$", r"\1", name)
    day = find_day(name, today, past=verb == "was")
    return _told(day, today, DateFrame("what day is {}")) if day else None


def _told(day: Day, today: dt.date, frame: DateFrame) -> Answer:
    date = day.date
    is_ = "is" if date >= today else "was"
    if day.relative:
        subject = _upper(re.sub(rf"\b({'|'.join(_WEEKDAYS)})\b", lambda m: m[0].title(), day.relative))
        if subject in ("Today", "Tomorrow", "Yesterday"):
            return Answer(f"{subject} {is_} {say_date(date, weekday=True)}.", frame=frame)
        if subject.startswith("Day "):
            return Answer(f"The {day.relative} {is_} {say_date(date, weekday=True)}.", frame=frame)
        return Answer(f"That {is_} {say_date(date, weekday=True)}.", frame=frame)
    if day.name:
        return Answer(f"{day.name} {is_} on {say_date(date, weekday=True)}.", frame=frame)
    return Answer(f"{say_date(date)} {is_} a {date:%A}.", frame=frame)


def _distance(said: str, today: dt.date) -> Answer | None:
    if not (match := _DISTANCE.match(said)):
        return None
    name = match["day"] or match["day2"]
    past = (bool(match["day2"]) and ("ago" in said or "since" in said)) or match["way"] == "since"
    unit = (match["unit"] or match["unit2"] or "days").split()[-1]
    if re.fullmatch(r"(?:the )?end of (?:the|this) (?:year|month)", name):
        end = (
            dt.date(today.year, 12, 31)
            if "year" in name
            else today.replace(day=calendar.monthrange(today.year, today.month)[1])
        )
        day: Day | None = Day(end, f"the end of the {name.split()[-1]}")
    elif name in ("my birthday", "the weekend", "weekend"):
        day = (
            Day(today + dt.timedelta(days=(5 - today.weekday()) % 7), "the weekend") if "weekend" in name else None
        )
    else:
        day = find_day(name, today, past=past)
    return _told_distance(day, today, unit, DateFrame(said.replace(name, "{}"))) if day else None


def _told_distance(day: Day, today: dt.date, unit: str, frame: DateFrame) -> Answer:
    days = (day.date - today).days
    name = day.name or day.relative or say_date(day.date)
    name = re.sub(rf"\b({'|'.join(_WEEKDAYS)})\b", lambda m: m[0].title(), name)
    if not days:
        return Answer(f"{_upper(name)} is today.", frame=frame)
    amount = _span(abs(days), unit)
    verb = "is" if abs(days) == 1 else "are"
    if days > 0:
        return Answer(f"There {verb} {amount} until {name}.", frame=frame)
    return Answer(f"{_upper(name)} was {amount} ago.", frame=frame)


def _span(days: int, unit: str) -> str:
    if unit == "weeks" and days >= 7:
        weeks, rest = divmod(days, 7)
        return listing([count(weeks, "week"), *([count(rest, "day")] if rest else [])])
    if unit == "months" and days >= 31:
        return f"about {count(round(days / 30.44), 'month')}"
    return count(days, {"sleeps": "sleep", "nights": "night"}.get(unit, "day"))


def _between(said: str, today: dt.date) -> Answer | None:
    if not (match := _BETWEEN.match(said)):
        return None
    first, second = find_day(match["a"], today), find_day(match["b"], today)
    if first is None or second is None:
        return None
    start, end = first.date, second.date
    if end < start and not re.search(r"[12]\d{3}$", match["b"]):
        later = find_day(match["b"], start)
        end = later.date if later else end
    amount = _span(abs((end - start).days), match["unit"] or "days")
    return Answer(f"From {say_date(start)} to {say_date(end)} it's {amount}.")


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
