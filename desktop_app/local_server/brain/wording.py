"""How people say things, and how to say things to people.

Speech recognition writes "What's 17 times 4?" or "um what is seventeen times four please": `tidy` brings both
to one form, lower case without punctuation, courtesy and fillers, and `figures` turns spoken numbers into
digits. The other way round, `say_number`, `say_time` and `say_date` write what a voice reads well.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from fractions import Fraction

# --- what was said ------------------------------------------------------------------------------

_CONTRACTIONS = {
    r"\b(what|who|where|when|how|that|there|here|it|he|she)'?s\b(?! (?:own|sake))": r"\1 is",
    r"\b(what|who|where|when|how|there|they|you|we)'re\b": r"\1 are",
    r"\b(what|who|where|how|that|it|there)'ll\b": r"\1 will",
    r"\b(what|who|where|when|how)'d\b": r"\1 did",
    r"^((?:which|what|how) [a-z]+)'s\b(?= \w)": r"\1 is",
    r"\bd'you\b": "do you",
    r"\bi'm\b": "i am",
    r"\bi'd like\b": "i would like",
    r"\bi've\b": "i have",
    r"\bi'll\b": "i will",
    r"\blet's\b": "let us",
    r"\bcan't\b": "can not",
    r"\bcannot\b": "can not",
    r"\bwon't\b": "will not",
    r"\b(do|does|did|is|are|was|were|have|has|would|could|should)n't\b": r"\1 not",
    r"\bo'? ?clock\b": "o'clock",
}

_SIGNS: tuple[tuple[str, str], ...] = (
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"([\d)])\s*[x×✕*·]\s*(?=[\d(√-])", r"\1 times "),
    (r"\s*÷\s*", " divided by "),
    (r"(?<=[\d)])\s*/\s*(?=[\d(])", " divided by "),
    (r"(?<=[\d)])\s*\^\s*(?=\d)", " to the power of "),
    (r"\((?=\s*[-\d(])", " open bracket "),
    (r"(?<=\d)\s*\)", " close bracket "),
    (r"²", " squared "),
    (r"³", " cubed "),
    (r"√", " square root of "),
    (r"½", " and a half"),
    (r"(?<=[\d)])\s*\+\s*", " plus "),
    (r"(?<=[\d)])\s*[−–]\s*(?=[\d(])", " minus "),
    (r"(?<=[\d)])\s+-\s*(?=[\d(])", " minus "),
    (r"(?<=\d)-(?=\d)", " minus "),
    (r"(?:(?<=\s)|^)[-−–](?=\d)", " minus "),
    (r"\s*=\s*", " equals "),
    (r"(\d)\s*%", r"\1 percent "),
    (r"\$\s*(\d+(?:\.\d+)?)", r"\1 dollars "),
    (r"€\s*(\d+(?:\.\d+)?)", r"\1 euros "),
    (r"£\s*(\d+(?:\.\d+)?)", r"\1 pounds "),
    (r"(\d)\s*°\s*([cf])\b", r"\1 degrees \2"),
    (r"°\s*([cf])\b", r" degrees \1"),
    (r"°", " degrees "),
    (r"(\d)\s*['′]\s*(\d+)\s*(?:[\"″]|'')?", r"\1 feet \2 inches "),
    (r"\b([ap])\.\s?m\b\.?", r"\1m"),
    (r"\b(\d{1,2})\.(\d\d)(?=\s*[ap]m\b)", r"\1:\2"),
    (r"\bu\.s\.a?\.?(?=\W|$)", "us"),
    (r"\bu\.k\.?(?=\W|$)", "uk"),
)

_INTERJECTIONS = re.compile(
    r"\b(?:u+h+m*|u+m+|erm*|e+r+|h+m+|mhm|currently|actually|basically|literally"
    r"|(?<!do )(?<!if )you know|i mean|kind of|sort of|^like(?= )|(?<=\bso )like|(?<=\bin )like"
    r"|(?<=\bfor )like|(?<=\bcan you )like|(?<=\bis )like(?= \d))\b"
)

_OPENINGS = re.compile(
    r"^(?:(?:"
    r"(?:hey|hi|hello)(?: there)?|yo|ok|okay|so|well|oh|ah|now|right|alright|all right|and|but"
    r"|then|also|please|sorry|excuse me|pardon me|"
    r"good (?:morning|afternoon|evening)|thanks|thank you(?: (?:so|very) much)?|great|good|cool"
    r"|nice|perfect|awesome|"
    r"yes|yeah|yep|no|nope|actually|wait|look|listen|parley|computer|assistant|just|quick question|"
    r"(?:can|could|would|will) you(?: please| maybe| possibly| just| quickly)*(?= \w+ \w)|"
    r"(?:can|could|may) i (?:ask(?: you)?|know|have|get)|do you (?:happen to )?know|any idea|"
    r"i (?:would|want|need|would like|would love) (?:you )?to (?:know|find out|hear|ask)"
    r"|i would like you to|i want you to|"
    r"i (?:was|am) (?:just )?(?:wondering|curious|asking)(?: if you (?:can|could|know))?"
    r"|i wonder|i need(?= a \w+ minute| to know)|"
    r"(?:please )?tell me(?= (?:the|what|how|when|where|who|a|an|my|today)\b)|remind me(?= (?:what|how"
    r"|when|where|who)\b)"
    r"|let me know|give me(?= the\b)|"
    r"help me(?: to)?(?: figure out| work out)?|figure out|check|look up|my question is|i (?:said|asked)|for me"
    r")\b ?)+"
)

_CLOSINGS = re.compile(
    r"(?: (?:please|thanks|thank you|for me|(?<!from )(?:right )?now|currently|exactly|precisely"
    r"|roughly|approximately|"
    r"at the moment|at this moment|real quick|quickly|then|anyway|again|by the way|if you can|if possible|"
    r"do you know|can you tell me|tell me|parley|would you|like (?:which|what) country|mate|dear|buddy"
    r"|sir|huh|okay|ok|you know|i guess))+$"
)

_STUTTER = re.compile(r"\b(what|the|is|a|in|to|how|of|and|i|it|are|can you|what is|how many|how much)(?: \1\b)+")

_TURNED = re.compile(r"^(what|where|how (?:late|far|old|tall|big|much|many)|who|when) (.+) (is|are|was|were)$")


def plain(text: str) -> str:
    """Return `text` in lower case, spelled out and without punctuation, every word still there."""
    said = text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"').lower()
    for pattern, full in _CONTRACTIONS.items():
        said = re.sub(pattern, full, said)
    for pattern, words in _SIGNS:
        said = re.sub(pattern, words, said)
    said = "".join(c for c in unicodedata.normalize("NFD", said) if not unicodedata.combining(c))
    said = re.sub(r"(?<=\d)(?=[a-z])(?!(?:st|nd|rd|th|am|pm)\b)", " ", said)  # "5km", but "3rd", "7pm"
    said = re.sub(r"(?<=\d)(?=[ap]m\b)", " ", said)
    said = re.sub(r"[^\w.:'+\- ]|_", " ", said)
    said = re.sub(r"(?<!\d)[.:+]|[.:+](?!\d)|(?<!\w)'|'(?!\w)|(?<=\w)-(?=\w)|(?<!\w)-|-(?!\w)", " ", said)
    return " ".join(said.split())


def spoken(text: str) -> str:
    """Return `plain` without "um" and the like; all of it if there is nothing else."""
    whole = plain(text)
    return " ".join(_INTERJECTIONS.sub(" ", whole).split()) or whole


def tidy(text: str) -> str:
    """Return what is asked, bare: `plain` without fillers and courtesy, never empty if something was said."""
    whole = spoken(text)
    said = _STUTTER.sub(r"\1", whole)
    said = _CLOSINGS.sub("", said)
    said = _OPENINGS.sub("", said).strip()
    said = _CLOSINGS.sub("", said)
    if (straight := re.sub(r"^(what (?:time|day|date|year|month)) it (is|was)\b", r"\1 \2 it", said)) != said:
        said = straight  # "(do you know) what time it is in Tokyo"
    elif turned := _TURNED.match(said):  # "(tell me) what the time is"
        said = f"{turned[1]} {turned[3]} {turned[2]}"
    return said or whole


_MOST_PARTS = 4


def several(text: str) -> Iterator[list[str]]:
    """Yield the ways `text` may be two to four requests: first as sentences, then parted where an "and" stands."""
    ended = [part for part in re.split(r"(?<=[.?!;])\s+", text) if plain(part)]
    if 2 <= len(ended) <= _MOST_PARTS:
        yield ended
    begun = [
        part for part in re.split(r"(?<=[.?!])\s+|,? and (?=(?:what|how|who|when|where)\b)", text) if plain(part)
    ]
    if 2 <= len(begun) <= _MOST_PARTS and begun != ended:
        yield begun
    joints = list(re.finditer(r",? (?:and(?: then| also)?|then|also)(?= )|,(?= )", text, re.IGNORECASE))
    for number in range(1, min(len(joints), _MOST_PARTS - 1) + 1):
        for chosen in itertools.combinations(joints[:5], number):
            edges = [0, *(edge for joint in chosen for edge in (joint.start(), joint.end())), len(text)]
            parts = [text[start:end].strip(" ,") for start, end in zip(edges[::2], edges[1::2], strict=True)]
            if all(plain(part) for part in parts) and parts != begun:
                yield parts


# --- spoken numbers -----------------------------------------------------------------------------

_ONES = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {"nought": 0, "nil": 0}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
} | {"fourty": 40}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_GROUPS = {"dozen": 12, "dozens": 12, "couple": 2}
_DIGITS = re.compile(r"\d+(?:\.\d+)?$")
_PART = {"half": Fraction(1, 2), "quarter": Fraction(1, 4), "third": Fraction(1, 3)}

ORDINALS = {
    word: value
    for value, word in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
        ],
        start=1,
    )
} | {"thirtieth": 30, "hundredth": 100, "thousandth": 1000}


def figures(said: str) -> str:
    """Return a tidied sentence with its spoken numbers as digits: "three and a half miles" → "3.5 miles"."""
    words = said.split()
    out: list[str] = []
    position = 0
    while position < len(words):
        value, taken = _number_at(words, position)
        if taken:
            out.append(_digits(value))
        else:
            out.append(words[position])
        position += max(taken, 1)
    return _with_fractions(" ".join(out))


def _number_at(words: Sequence[str], start: int) -> tuple[Fraction, int]:
    """Return the number that begins at `start` and how many words it takes; 0 words if there is none."""
    first = words[start]
    following = words[start + 1] if start + 1 < len(words) else ""
    if first == "a" and (following in _SCALES or following in _GROUPS or following == "hundred"):
        value, taken = _number_at(("one", *words[start + 1 :]), 0)
        return value, taken
    if first in ("hundred", *_SCALES) and (start == 0 or words[start - 1] in _BEFORE_BARE_HUNDRED):
        return _number_at(("one", *words[start:]), 0)[0], _number_at(("one", *words[start:]), 0)[1] - 1
    total, current, position, seen = Fraction(0), Fraction(0), start, False
    room = 10**15  # the next part must be smaller than this: "forty two", but not "two forty"
    while position < len(words):
        word = words[position]
        if word == "and" and seen and room in (100, 1000) and _small(words, position + 1):
            position += 1
            continue
        if word in _ONES and room > _ONES[word] and room >= (10 if _ONES[word] < 10 else 100):
            current, room = current + _ONES[word], 1
        elif word in _TENS and room >= 100:
            current, room = current + _TENS[word], 10
        elif _DIGITS.match(word) and not seen:
            current, room = Fraction(word), 1
        elif word == "hundred" and seen and 0 < current < 100:
            current, room = current * 100, 100
        elif word in _SCALES and seen and current:
            total, current, room = total + current * _SCALES[word], Fraction(0), min(_SCALES[word], 1000)
        elif word in _GROUPS and seen and current:
            current, room = current * _GROUPS[word], 1
            position += tuple(words[position + 1 : position + 2]) == ("of",)  # "a couple of hours"
        else:
            break
        seen = True
        position += 1
    value = total + current
    if tuple(words[position : position + 1]) == ("point",) or (not seen and first == "point"):
        digits = _digit_words(words, position + 1)
        if digits:
            value += Fraction(int(digits), 10 ** len(digits))
            position += 1 + len(digits)
            return value, position - start
    if not seen:
        return Fraction(0), 0
    year = _year(words, start, position, value)
    return year if year else (value, position - start)


_BEFORE_BARE_HUNDRED = ("is", "plus", "minus", "times", "by", "of", "add", "convert")


def _small(words: Sequence[str], position: int) -> bool:
    return position < len(words) and (words[position] in _TENS or _ONES.get(words[position], 0) > 0)


def _digit_words(words: Sequence[str], position: int) -> str:
    digits = ""
    while position < len(words):
        word = "zero" if words[position] in ("oh", "o") else words[position]
        if word in _ONES and _ONES[word] < 10:
            digits += str(_ONES[word])
        elif len(word) == 1 and word.isdigit():
            digits += word
        else:
            break
        position += 1
    return digits


def _year(words: Sequence[str], start: int, end: int, value: Fraction) -> tuple[Fraction, int] | None:
    """Return a year said in two halves: "nineteen eighty four", "twenty oh five"."""
    if not 10 <= value <= 99 or end >= len(words) or not words[end - 1].isalpha():
        return None
    if words[end] == "oh" and len(digit := _digit_words(words, end)) == 2:
        return value * 100 + int(digit), end + 2 - start
    if words[end] in _TENS or 10 <= _ONES.get(words[end], 0) < 20:
        second, taken = _number_at(words, end)
        if 10 <= second <= 99:
            return value * 100 + second, end + taken - start
    return None


def _digits(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.10f}".rstrip("0").rstrip(".")


_WHOLE = r"(?P<whole>\d+(?:\.\d+)?)"
_AND_PART = r"and (?:an? |(?P<n>\d) )?(?P<part>half|quarters?|thirds?)\b"
_MEASURED = (
    r"(?=(?:hour|minute|mile|kilometer|meter|cup|pint|kilo|inch|pound|liter|litre|gallon|teaspoon|tablespoon)\b)"
)
_FRACTIONS = (
    rf"\b{_WHOLE} {_AND_PART}",  # 3 and a half
    rf"\b{_WHOLE} (?P<unit>[a-z]+) {_AND_PART}(?! of)",  # 2 hours and a half
    rf"\ban? (?P<unit>[a-z]+) {_AND_PART}(?! of)",  # an hour and a half
)
_PARTS_OF = (
    (rf"\b(?:3|three) quarters of an? {_MEASURED}", "0.75 "),
    (rf"\b(?:a )?half (?:of )?(?:an? )?{_MEASURED}", "0.5 "),
    (rf"\b(?:a )?quarter (?:of )?(?:an? )?{_MEASURED}", "0.25 "),
)


def _with_fractions(said: str) -> str:
    """Join "3 and a half", "half a mile" and "an hour and a half" into one number before its unit."""

    def joined(match: re.Match[str]) -> str:
        named = match.groupdict()
        total = Fraction(named.get("whole") or 1) + Fraction(named["n"] or 1) * _PART[match["part"].rstrip("s")]
        return f"{_digits(total)} {named.get('unit') or ''}".rstrip()

    for pattern in _FRACTIONS:
        said = re.sub(pattern, joined, said)
    for pattern, number in _PARTS_OF:
        said = re.sub(pattern, number, said)
    return said


# --- spoken times of day ------------------------------------------------------------------------

CLOCK_TIME = (
    r"(?:(?:(?:half|quarter|\d{1,2}(?: minutes)?) (?:past|to"
    r"|after) )?\d{1,2}(?:[: ]\d\d)?(?: o'clock)?(?: ?[ap]m)?|noon|midday"
    r"|midnight)(?: (?:in the (?:morning|afternoon|evening)|at night|tomorrow(?: morning)?"
    r"|tonight|today))?"
)
"""A pattern of a time of day in `figures`, for `next_moment`."""


def next_moment(text: str, now: dt.datetime) -> dt.datetime | None:
    """Return the next moment that "7:30 pm", "half past 7" or "noon" means."""
    named = {"noon": (12, 0), "midday": (12, 0), "midnight": (0, 0)}
    first = text.split(maxsplit=1)[0]
    match = re.match(
        (
            r"(?:(half|quarter|\d{1,2})(?: minutes)? (past|to"
            r"|after) )?(\d{1,2})(?:[: ](\d\d))?(?: o'clock)?(?: ?([ap])m)?"
        ),
        text,
    )
    if first in named:
        hour, minute = named[first]
        half = "exact"
    elif match:
        hour, minute, half = int(match[3]), int(match[4] or 0), match[5] or ""
        if match[1]:
            off = {"half": 30, "quarter": 15}.get(match[1]) or int(match[1])
            hour, minute = (hour, off) if match[2] != "to" else (hour - 1, 60 - off)
    else:
        return None
    half = half or ("a" if "morning" in text else "p" if re.search("afternoon|evening|night|tonight", text) else "")
    if half in ("a", "p"):
        hour = hour % 12 + (12 if half == "p" else 0)
    if not (0 <= hour < 24 and 0 <= minute < 60):
        return None
    moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    step = dt.timedelta(hours=24 if half or hour > 12 or "tomorrow" in text else 12)
    if "tomorrow" in text:
        return moment + dt.timedelta(days=1)
    while moment <= now:
        moment += step
    return moment


# --- saying -------------------------------------------------------------------------------------

_LARGE = ((10**12, "trillion"), (10**9, "billion"))


def say_number(value: Fraction | float, *, places: int = 2) -> tuple[str, bool]:
    """Return `value` as a voice reads it well, and whether that is exact: (3.107, places=2) → "3.11", False."""
    exact = Fraction(value)
    size = abs(exact)
    if size >= 10**15:
        mantissa, _, exponent = f"{exact.numerator // exact.denominator:.2e}".partition("e+")
        return f"{_negative(mantissa.rstrip('0').rstrip('.'))} times 10 to the power of {int(exponent)}", False
    if exact.denominator == 1:
        return _negative(f"{exact.numerator:,}"), True
    if size and size < Fraction(1, 10**places):
        places = min(12, places + len(str(int(1 / size))))
    text = f"{float(exact):,.{places}f}"
    short = text.rstrip("0").rstrip(".")
    return _negative(short or "0"), Fraction(short.replace(",", "") or 0) == exact


def _negative(text: str) -> str:
    return f"minus {text[1:]}" if text.startswith("-") else text


def say_time(moment: dt.datetime | dt.time) -> str:
    """Return the time of day: "2:05 PM"."""
    return f"{moment.hour % 12 or 12}:{moment.minute:02} {'AM' if moment.hour < 12 else 'PM'}"


def nth(number: int) -> str:
    """Return an ordinal: 22 → "22nd"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def say_date(day: dt.date, *, weekday: bool = False, year: bool = True) -> str:
    """Return a date: "Wednesday, July 22nd, 2026"."""
    text = f"{day:%B} {nth(day.day)}"
    text = f"{day:%A}, {text}" if weekday else text
    return f"{text}, {day.year}" if year else text


def count(number: int, noun: str) -> str:
    """Return a number with its noun: "1 day", "2 days"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listing(parts: Sequence[str]) -> str:
    """Return "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def say_duration(seconds: int) -> str:
    """Return a duration: 5400 → "1 hour and 30 minutes"."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [count(n, name) for n, name in ((hours, "hour"), (minutes, "minute"), (left, "second")) if n]
    return listing(parts) or "0 seconds"
