"""Numbers written another way: Roman numerals, binary and hexadecimal, rounded; and what kind of number it is."""

from __future__ import annotations

import re
from fractions import Fraction

from desktop_app.local_server.brain.phrases import asking, matches
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import count, say_number

_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
    (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_NUMERAL = r"(?P<roman>[mdclxvi](?: ?[mdclxvi])*)"
_MORE = (
    "number|numeral|numerals|year|write|written|how|you|i|convert|turn"
    "|put|expressed|translate|mean|means|stand|stands|for|as|into|equal|equals|decimal"
)
_TO_ROMAN = (
    asking(
        r"(?P<n>\d+) (?:in|as|into|to|using|with)(?: the)? roman(?: (?:numerals?|numbers?|letters|digits))?",
        before=_MORE,
    ),
    asking(r"roman (?:numerals?|numbers?) (?:for|of)(?: the)?(?: number| year)? (?P<n>\d+)", before=_MORE),
)
_FROM_ROMAN = (
    asking(
        rf"roman (?:numerals?|numbers?) {_NUMERAL}(?: (?:mean|stand for|in|as|to|equal|numbers?|arabic"
        rf"|normal|regular|digits|decimal|worth|represent))*",
        before=_MORE,
    ),
    asking(
        rf"{_NUMERAL} (?:in|as|to|into)(?: (?:normal|regular|arabic|ordinary|decimal|modern|usual"
        rf"|plain))* (?:numbers?|numerals?|digits?|decimal)",
        before=_MORE,
    ),
    asking(rf"{_NUMERAL} (?:is )?in roman numerals", before=_MORE),
    re.compile(r"^what (?:number )?is (?P<roman>(?!mix$|div$)[mdclxvi]{3,})$"),
)
_BASES = {"binary": (2, "0b"), "hex": (16, "0x"), "hexadecimal": (16, "0x"), "octal": (8, "0o")}
_BASE = r"(?P<base>binary|hex|hexadecimal|octal)"
_TO_BASE = (asking(rf"(?P<n>\d{{1,12}}) (?:in|as|to|into) {_BASE}", before=_MORE),)
_FROM_BASE = (
    asking(
        rf"{_BASE} (?:number )?(?P<digits>[0-9a-f](?: ?[0-9a-f])*)(?: (?:in|as|to|into) (?:decimal"
        rf"|normal numbers?|numbers?))?",
        before=_MORE,
    ),
)
_PLACES = {"tenth": 1, "hundredth": 2, "thousandth": 3}
_UNITS = {
    "whole number": 1,
    "integer": 1,
    "one": 1,
    "1": 1,
    "10": 10,
    "ten": 10,
    "100": 100,
    "hundred": 100,
    "1000": 1000,
    "thousand": 1000,
    "million": 10**6,
}
_ROUND = re.compile(
    r"^(?:round|what is) (?P<n>(?:minus )?\d+(?:\.\d+)?)(?: rounded)?(?: (?:off|up|down))?(?: to)?(?: "
    r"the)?(?: nearest)?"
    r"(?: (?:(?P<places>\d|one) (?:decimals?|decimal places?|digits?|places?)(?: after the (?:point|comma))?"
    rf"|(?P<part>tenth|hundredth|thousandth)|(?P<unit>{'|'.join(_UNITS)})))$"
)
_PARITY = re.compile(
    r"^is (?P<n>\d+) (?:an )?(?P<kind>odd|even)(?: number)?(?: or (?:odd|even|uneven))?(?: number)?$"
)
_LARGEST_ROMAN = 3999


class Numerals:
    """Writes numbers another way."""

    abilities = ()

    def answer(self, request: Request) -> Answer | None:
        """Return the number as it is wanted."""
        if request.before is not None:
            return None
        said = request.figures
        for groups in matches(_TO_ROMAN, said):
            number = int(groups["n"])
            if not 0 < number <= _LARGEST_ROMAN:
                return Answer(f"Roman numerals go from 1 to {_LARGEST_ROMAN:,} only.")
            return Answer(f"{number} in Roman numerals is {', '.join(_roman(number))}.")
        for groups in matches(_FROM_ROMAN, request.said):
            letters = groups["roman"].replace(" ", "").upper()
            value = _value(letters)
            if value is None and re.match(r"^what (?:number )?is \w+$", request.said):
                return None  # an English word
            if value is None:
                return Answer(f"{', '.join(letters)} is not a Roman numeral I can read.")
            return Answer(f"The Roman numeral {', '.join(letters)} is {value}.")
        return _in_base(said) or _from_base(said) or _rounded(said) or _parity(said)


def _roman(number: int) -> str:
    letters = ""
    for value, sign in _ROMAN:
        times, number = divmod(number, value)
        letters += sign * times
    return letters


def _value(letters: str) -> int | None:
    """Return what a Roman numeral is worth; None if it is not written as Romans would have."""
    total, rest = 0, letters
    for value, sign in _ROMAN:
        while rest.startswith(sign):
            total, rest = total + value, rest[len(sign) :]
    return total if not rest and total <= _LARGEST_ROMAN and _roman(total) == letters else None


def _in_base(said: str) -> Answer | None:
    for groups in matches(_TO_BASE, said):
        base, _ = _BASES[groups["base"]]
        digits = format(int(groups["n"]), {2: "b", 8: "o", 16: "X"}[base])
        return Answer(f"{int(groups['n']):,} in {groups['base']} is {', '.join(digits)}.")
    return None


def _from_base(said: str) -> Answer | None:
    for groups in matches(_FROM_BASE, said):
        base, _ = _BASES[groups["base"]]
        digits = groups["digits"].replace(" ", "")
        try:
            return Answer(f"{groups['base'].capitalize()} {', '.join(digits.upper())} is {int(digits, base):,}.")
        except ValueError:
            return Answer(f"{', '.join(digits.upper())} is not a {groups['base']} number.")
    return None


def _rounded(said: str) -> Answer | None:
    match = _ROUND.match(said)
    if not match or (said.startswith("what") and "rounded" not in said) or re.search(r"\b(?:up|down)\b", said):
        return None
    number = Fraction(match["n"].replace("minus ", "-"))
    if match["unit"]:
        step = Fraction(_UNITS[match["unit"]])
        to = "the nearest whole number" if step == 1 else f"the nearest {say_number(step)[0]}"
    else:
        places = _PLACES[match["part"]] if match["part"] else int(match["places"].replace("one", "1"))
        step, to = Fraction(1, 10**places), count(places, "decimal place")
    half_up = (
        (number / step + Fraction(1, 2)).__floor__() * step
        if number >= 0
        else -((-number / step + Fraction(1, 2)).__floor__()) * step
    )
    return Answer(f"{say_number(number, places=12)[0]} to {to} is {say_number(half_up, places=9)[0]}.")


def _parity(said: str) -> Answer | None:
    if not (match := _PARITY.match(said)):
        return None
    return Answer(f"{int(match['n']):,} is {'odd' if int(match['n']) % 2 else 'even'}.")
