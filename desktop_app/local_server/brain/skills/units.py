"""Unit conversions by pint: "How many feet are in 3 miles?", "5 kilometers in miles", "what's 70 kilos in pounds".

The names people say are a table of our own: pint would take "a" for a year and "point" for a length. What pint
calls a unit, how it is said, and what else it is called stand in one line each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import pint

from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import say_number

# pint's name | one | many | other names
_TABLE = """
meter|meter|meters|m
kilometer|kilometer|kilometers|km, kms, k
centimeter|centimeter|centimeters|cm, cms
millimeter|millimeter|millimeters|mm
micrometer|micrometer|micrometers|micron, microns
mile|mile|miles|mi
nautical_mile|nautical mile|nautical miles|sea mile, sea miles
yard|yard|yards|yd, yds
foot|foot|feet|ft
inch|inch|inches|in
light_year|light year|light years|lightyear, lightyears
astronomical_unit|astronomical unit|astronomical units|
parsec|parsec|parsecs|
furlong|furlong|furlongs|
fathom|fathom|fathoms|
gram|gram|grams|gramme, grammes, g
kilogram|kilogram|kilograms|kilogramme, kilogrammes, kilo, kilos, kg, kgs
milligram|milligram|milligrams|mg
metric_ton|metric ton|metric tons|tonne, tonnes, metric tonne, metric tonnes
short_ton|US ton|US tons|ton, tons, short ton, short tons
pound|pound|pounds|lb, lbs
ounce|ounce|ounces|oz
stone|stone|stone|stones
carat|carat|carats|
liter|liter|liters|l
milliliter|milliliter|milliliters|ml, mls
centiliter|centiliter|centiliters|cl
deciliter|deciliter|deciliters|dl
gallon|gallon|gallons|gal, us gallon, us gallons
imperial_gallon|imperial gallon|imperial gallons|uk gallon, uk gallons, british gallon, british gallons
quart|quart|quarts|qt
pint|pint|pints|us pint, us pints
imperial_pint|imperial pint|imperial pints|uk pint, uk pints, british pint, british pints
cup|cup|cups|
tablespoon|tablespoon|tablespoons|tbsp, tbsps
teaspoon|teaspoon|teaspoons|tsp, tsps
fluid_ounce|fluid ounce|fluid ounces|fl, oz
cubic_meter|cubic meter|cubic meters|
cubic_foot|cubic foot|cubic feet|
cubic_inch|cubic inch|cubic inches|
cubic_centimeter|cubic centimeter|cubic centimeters|cc
second|second|seconds|sec, secs, s
millisecond|millisecond|milliseconds|ms
minute|minute|minutes|min, mins
hour|hour|hours|hr, hrs
day|day|days|
week|week|weeks|
fortnight|fortnight|fortnights|
month|month|months|
year|year|years|yr, yrs
decade|decade|decades|
century|century|centuries|
degC|degree Celsius|degrees Celsius|celsius, centigrade, degrees c, degree c, degrees centigrade, c
degF|degree Fahrenheit|degrees Fahrenheit|fahrenheit, degrees f, degree f, f
kelvin|kelvin|kelvin|kelvins, degrees kelvin
kilometer/hour|kilometer per hour|kilometers per hour|kph, kmh, km per hour, km h
mile/hour|mile per hour|miles per hour|mph
meter/second|meter per second|meters per second|per, second
foot/second|foot per second|feet per second|
knot|knot|knots|
square_meter|square meter|square meters|
square_kilometer|square kilometer|square kilometers|square km
square_foot|square foot|square feet|
square_mile|square mile|square miles|
square_yard|square yard|square yards|
square_inch|square inch|square inches|
acre|acre|acres|
hectare|hectare|hectares|
joule|joule|joules|
kilojoule|kilojoule|kilojoules|kj
kilocalorie|kilocalorie|kilocalories|calorie, calories, kcal
watt|watt|watts|
kilowatt|kilowatt|kilowatts|kw
megawatt|megawatt|megawatts|
horsepower|horsepower|horsepower|hp
kilowatt_hour|kilowatt hour|kilowatt hours|kwh
pascal|pascal|pascals|
bar|bar|bars|
atmosphere|atmosphere|atmospheres|
psi|pound per square inch|pounds per square inch|psi
bit|bit|bits|
byte|byte|bytes|
kilobyte|kilobyte|kilobytes|kb
megabyte|megabyte|megabytes|mb, meg, megs
gigabyte|gigabyte|gigabytes|gb, gig, gigs
terabyte|terabyte|terabytes|tb
radian|radian|radians|
degree|degree|degrees|
newton|newton|newtons|
"""

_FIXED = {
    ("day", "year"): "There are 365 days in a year, and 366 in a leap year.",
    ("week", "year"): "There are 52 weeks and 1 day in a year.",
    ("day", "month"): "A month has 28 to 31 days, 30.4 on average.",
    ("week", "month"): "A month has about 4.3 weeks.",
    ("hour", "year"): "There are 8,760 hours in a year, and 8,784 in a leap year.",
    ("minute", "year"): "There are 525,600 minutes in a year of 365 days.",
    ("second", "year"): "There are 31,536,000 seconds in a year of 365 days.",
}
"""Calendar units are no exact multiples of each other; pint would say 365.25 days."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit people name."""

    pint_name: str
    one: str
    many: str


@dataclass(frozen=True, slots=True)
class AmountFrame:
    """The last conversion: what was converted, and into what."""

    amount: Fraction
    unit: Unit
    target: Unit
    value: Fraction
    """In the target unit."""


def _unit_names() -> dict[str, Unit]:
    names: dict[str, Unit] = {}
    for line in _TABLE.strip().splitlines():
        pint_name, one, many, others = line.split("|")
        unit = Unit(pint_name, one, many)
        for name in (one.lower(), many.lower(), *filter(None, others.split(", "))):
            for spelling in _spellings(name):
                names.setdefault(spelling, unit)
    return names


def _spellings(name: str) -> Iterator[str]:
    """Yield a name in American and British spelling, and "per hour" also as "an hour"."""
    for said in (name, name.replace("per hour", "an hour").replace("per second", "a second")):
        yield said
        yield re.sub(r"(meter|liter)", lambda match: f"{match[0][:-2]}re", said)


_NUMBER = r"(?:minus |negative )?\d+(?:\.\d+)?"


class Units:
    """Converts between units of the same kind."""

    abilities = ("convert units",)

    def __init__(self) -> None:
        self._names = _unit_names()
        self._pint: pint.UnitRegistry[float] = pint.UnitRegistry(cache_folder=None)
        unit = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
        amount = (
            rf"(?P<n>{_NUMBER}|an?|one|the)\s(?P<u>{unit})(?:\s(?:and\s)?(?P<n2>{_NUMBER})(?:\s(?P<u2>{unit}))?)?"
        )
        target = rf"(?P<t>{unit})"
        ask = (
            r"(?:(?:what|how (?:much|far|long|tall|heavy|hot|cold|big|fast|high|warm|old|wide"
            r"|deep)) (?:is|are|does|would|do|will)|convert|change|turn|translate|give me|what about|and"
            r"|is|make|how about) "
        )
        there = (
            r"(?:(?: are| is)?(?: there| they)?|(?: do| does) (?:you|we|i) (?:get|have|need)|(?: will)? (?:fit|go))"
        )
        self._patterns = [
            re.compile(pattern)
            for pattern in (
                (
                    rf"^(?:how (?:many|much)|the number of) {target}{there} (?:in|into|to|per|make up|make|makes"
                    rf"|equals?|for|is|are|from) {amount}(?: have| has| be)?$"
                ),
                rf"^{target} (?:in|per|to) {amount}$",
                (
                    rf"^(?:how (?:many|much)) {target}(?: is| are| does"
                    rf"| do| would)? {amount}(?: be| have| equal| make)?$"
                ),
                (
                    rf"^(?:{ask})*{amount} (?:in|into|to|as|is in|are in|expressed in|in terms of|equals how many"
                    rf"|is how many|are how many|equal how many|is what in|in how many) {target}$"
                ),
                # "What's 70 kilos and pounds" is how "in" is often misheard.
                rf"^(?:what is|how much is|convert) {amount} and {target}$",
                rf"^(?:what|which) {target} is {amount}$",
                rf"^(?:convert|change|turn) (?:to|into) {target} {amount}$",
            )
        ]
        self._more_targets = re.compile(
            rf"^(?:(?:and |or |what about |how about |what is that |how much is that |that |it "
            rf"|convert (?:that|it) )*(?:in|into|to) {target}|(?:what is|how much is|how many is) (?:that"
            rf"|it) (?:in|into) {target.replace('<t>', '<t2>')}"
            rf"|how many {target.replace('<t>', '<t3>')} is (?:that|it))$"
        )
        self._bare_target = re.compile(rf"^(?:and |or |what about |how about |in )*{target}$")
        self._more_amounts = re.compile(
            rf"^(?:(?:and|or|what about|how about|what is|for|how many is|is) )*{amount}$"
        )
        self._more_numbers = re.compile(rf"^(?:(?:and|or|what about|how about|for) )*(?P<n>{_NUMBER})$")

    def answer(self, request: Request) -> Answer | None:
        """Return the conversion that is asked for."""
        if request.before is not None:
            return self._follow_up(request, request.before.frame)
        for pattern in self._patterns:
            if match := pattern.match(request.figures):
                return self._converted(match)
        return None

    def _follow_up(self, request: Request, frame: object) -> Answer | None:
        # Courtesy is stripped from `figures`, and with it the "and" of "and in feet": both forms will do.
        said = request.figures
        if not isinstance(frame, AmountFrame):
            return None
        if match := self._more_targets.match(said) or self._bare_target.match(said):
            name = next(value for value in match.groupdict().values() if value)
            return self._answer(frame.amount, frame.unit, self._names[name])
        if match := self._more_amounts.match(said):
            return self._converted(match, target=frame.target)
        if match := self._more_numbers.match(said):
            return self._answer(_number(match["n"]), frame.unit, frame.target)
        return None

    def _converted(self, match: re.Match[str], target: Unit | None = None) -> Answer | None:
        amount, unit = _number(match["n"]), self._names[match["u"]]
        target = target or self._names[match["t"]]
        told = ""
        if match["n2"]:
            small = self._smaller(unit, match["u2"])
            if small is None:
                return None
            parts = ((amount, unit), (_number(match["n2"]), small))
            told = " ".join(f"{say} {_named(n, u, say)}" for n, u in parts for say in [_say(n)[0]])
            amount += Fraction(
                float(self._pint.Quantity(float(_number(match["n2"])), small.pint_name).to(unit.pint_name).m)
            )
            amount = amount.limit_denominator(10**6)
        counted = match["n"] is None or match["n"] in ("a", "an", "one", "the", "1")
        return self._answer(amount, unit, target, counted=counted, told=told)

    def _smaller(self, unit: Unit, named: str | None) -> Unit | None:
        """Return the unit of the second number in "six foot two", "5 pounds 3 ounces"."""
        if named:
            return self._names[named]
        following = {"foot": "inches", "pound": "ounces", "stone": "pounds", "hour": "minutes", "minute": "seconds"}
        name = following.get(unit.pint_name)
        return self._names[name] if name else None

    def _answer(
        self, amount: Fraction, unit: Unit, target: Unit, *, counted: bool = False, told: str = ""
    ) -> Answer | None:
        if counted and (fixed := _FIXED.get((target.pint_name, unit.pint_name))):
            return Answer(fixed)
        unit, target = self._agreed(unit, target)
        source = self._pint.Quantity(float(amount), unit.pint_name)
        try:
            value = Fraction(float(source.to(target.pint_name).m)).limit_denominator(10**9)
        except pint.DimensionalityError:
            return Answer(
                f"{unit.many[:1].upper()}{unit.many[1:]} and {target.many} measure different things, so I "
                f"can't convert one into the other."
            )
        text, exact = say_number(value, places=1) if target.pint_name in ("degC", "degF") else _say(value)
        said, _ = _say(amount)
        about = "" if exact else "about "
        told = told or f"{_upper(said)} {_named(amount, unit, said)}"
        sentence = f"{told} is {about}{text} {_named(value, target, text)}"
        return Answer(
            f"{sentence}{_feet_and_inches(value, target)}.", frame=AmountFrame(amount, unit, target, value)
        )

    def _agreed(self, unit: Unit, target: Unit) -> tuple[Unit, Unit]:
        """Take an ounce for a fluid ounce beside a volume, and a degree for an angle beside none."""

        def fluid(one: Unit, other: Unit) -> Unit:
            if one.pint_name == "ounce" and self._pint.Unit(other.pint_name).dimensionality == "[length] ** 3":
                return self._names["fluid ounce"]
            if one.pint_name == "degree" and other.pint_name in ("degC", "degF"):
                return self._names["fahrenheit" if other.pint_name == "degC" else "celsius"]
            return one

        return fluid(unit, target), fluid(target, unit)


def _number(text: str | None) -> Fraction:
    if text is None or text in ("a", "an", "one", "the"):
        return Fraction(1)
    negative = text.startswith(("minus", "negative"))
    return (-1 if negative else 1) * Fraction(text.split()[-1])


def _say(value: Fraction) -> tuple[str, bool]:
    """Say a measure: whole from 1,000 up, else two places; more for what is small."""
    nearest = Fraction(round(value))
    if abs(nearest) < 10**12 and abs(value - nearest) < Fraction(1, 10**6) and nearest:
        return say_number(nearest)
    if abs(value) >= 10**9:
        size, name = (10**12, "trillion") if abs(value) >= 10**12 else (10**9, "billion")
        return f"{say_number(value / size)[0]} {name}", False
    if abs(value) >= 1000:
        return say_number(nearest)[0], False
    return say_number(value)


def _named(amount: Fraction, unit: Unit, said: str) -> str:
    return unit.one if said in ("1", "minus 1") and abs(amount) == 1 else unit.many


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _feet_and_inches(value: Fraction, target: Unit) -> str:
    """Add how a person's height is said."""
    if target.pint_name != "foot" or not 3 < value < 9 or value.denominator == 1:
        return ""
    feet, inches = divmod(round(value * 12), 12)
    return f", or {feet} feet {inches}" if inches else ""
