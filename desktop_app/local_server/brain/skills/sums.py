"""Sums: "What's 17 times 4?", "fifteen percent of eighty", "the square root of 144".

The sentence is parsed by a small grammar over words; it must parse to its last word and contain an operation,
or it is not a sum. Values are fractions, so nothing is rounded before it is said.

    sum      := term (("plus" | "minus") term | "plus" number "percent")*
    term     := power (("times" | "divided by" | "of" | "mod") power)*
    power    := prefix ("to the power of" power | "squared" | "cubed" | "percent" | "factorial" | "thirds")*
    prefix   := ("minus" | "square root of" | "double" | "half of" | …) prefix | number | "pi"
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import ORDINALS, listing, say_number

_QUESTION = re.compile(
    r"^(?:(?:what (?:do you|do i|would i|would you|will i) get (?:if|when) (?:you|i)|i need"
    r"|what is|what are|what does|what do|what will|how much is|how much are|how many is"
    r"|how much does|how much do|"
    r"calculate|compute|work out|figure out|solve|evaluate|what do you get (?:if|when) you"
    r"|what do i get (?:if|when) i|"
    r"what is the (?:answer to|result of|value of|sum of)|the|do the math on|can you|if you"
    r"|what about|how about)\s+)+"
)
_ENDING = re.compile(
    r"\s+(?:equals?|equal to|make|makes|is|come to|add up to|be|what|equals what|is what|makes what)$"
)

_WORDS = (
    (r"\b(?:multiplied by|multiply by|multiplied with|x)\b", "times"),
    (r"\b(?:divided by|divide by|divided with|divided among|divided between|over)\b", "divided"),
    (r"\b(?:added to|and add|add)\b", "plus"),
    (r"\b(?:take away|takeaway|less|minus|subtract)\b", "minus"),
    (r"\b(?:modulo|modulus|mod)\b", "mod"),
    (r"\bnegative\b", "minus"),
    (r"\b(?:raised )?to the power of\b|\bto the power\b|\braised to\b", "power"),
    (r"\bto the (\w+)(?: power)?\b", r"power \1"),
    (r"\b(?:the )?(?:cube|cubic) root (?:of|from)\b", "cbrt"),
    (r"\b(?:the )?square root (?:of|from)\b|\broot of\b", "sqrt"),
    (r"\b(?:per cent|percents|percentage)\b", "percent"),
    (r"\b(?:double|twice)(?: of)?\b", "double"),
    (r"\b(?:triple|treble|thrice)(?: of)?\b", "triple"),
    (r"\bsquare of\b", "square"),
    (r"\bthe (?=double|triple|sqrt|cbrt|square|factorial|half|third|quarter)", ""),
    (r"\bfactorial of\b", "factorialof"),
    (r"\b(?:open|left) (?:bracket|paren|parenthesis|parentheses|brackets)\b", "("),
    (r"\b(?:close|right) (?:bracket|paren|parenthesis|parentheses|brackets)\b", ")"),
)

_REORDERED = (
    (r"^plus (\S+) (?:and|to|plus|with) (\S+)$", r"\1 plus \2"),  # add 45 and 67
    (r"^plus (\S+) (\S+) and (\S+)$", r"\1 plus \2 plus \3"),
    (r"^minus (\S+) from (\S+)$", r"\2 minus \1"),  # subtract 5 from 20
    (r"^minus (\S+) percent from (\S+)$", r"\2 minus \1 percent"),
    (r"^(?:multiply|times) (\S+) (?:by|and|times|with) (\S+)$", r"\1 times \2"),
    (r"^divide (\S+) (?:by|divided) (\S+)$", r"\1 divided \2"),
    (
        r"^split (\S+) (?:between|among|by|into) (\S+)(?: (?:people|persons|ways|parts|friends|of us))?$",
        r"\1 divided \2",
    ),
    (r"^(?:the )?sum of (\S+) and (\S+)$", r"\1 plus \2"),
    (r"^(\S+) and (\S+) (?:plus|added|summed)(?: up| together)?$", r"\1 plus \2"),
    (r"^(?:the )?difference (?:between|of) (\S+) and (\S+)$", r"\1 minus \2"),
    (r"^(?:the )?product of (\S+) and (\S+)$", r"\1 times \2"),
    (r"^(?:the )?(?:average|mean) of (\S+) and (\S+)$", r"( \1 plus \2 ) divided 2"),
    (r"^(?:a |an )?(\S+) percent tip (?:on|for|of) (\S+)(?: (?:dollars|euros|pounds))?$", r"\1 percent of \2"),
    (r"^(?:a )?tip of (\S+) percent (?:on|for) (\S+)(?: (?:dollars|euros|pounds))?$", r"\1 percent of \2"),
    (r"^(\S+) percent off(?: of)? (\S+)(?: (?:dollars|euros|pounds))?$", r"\2 minus \1 percent"),
    (r"^(\S+) (?:with|at) (\S+) percent off$", r"\1 minus \2 percent"),
    (r"^how many times does (\S+) go into (\S+)$", r"\2 divided \1"),
    (r"^how many (\S+) are (?:there )?in (\S+)$", r"\2 divided \1"),
    (r"^(?:the )?remainder (?:of|when) (\S+) (?:is )?divided (\S+)$", r"\1 mod \2"),
)

_SHARE = re.compile(
    r"^(?:what )?percent(?: of)? (?P<whole>\S+) is (?P<part>\S+)$"
    r"|^(?:what )?percent is (?P<part2>\S+) (?:out )?of (?P<whole2>\S+)$"
    r"|^(?P<part3>\S+) is what percent of (?P<whole3>\S+)$"
    r"|^(?P<part4>\S+) (?:out )?of (?P<whole4>\S+) (?:as a|in) percent$"
)

_FRACTIONS = {
    "half": 2,
    "halves": 2,
    "quarter": 4,
    "quarters": 4,
    **{word: number for word, number in ORDINALS.items() if number > 2},
    **{f"{word}s": number for word, number in ORDINALS.items() if number > 2},
}

_FOLLOW_UP = re.compile(
    r"^(?:what is |how much is |what about |and |now |then |the )*(?:(?P<verb>double|triple"
    r"|halve|square|half of|square root of|a third of)"
    r" ?(?:that|it|this|the result|the answer)?|(?:(?:that|it|this"
    r"|the result) )?(?P<rest>(?:plus|minus|times|multiplied by|divided by|"
    r"squared|cubed|to the power of|take away|add|multiply (?:that|it|this)? ?by|divide (?:that"
    r"|it|this)? ?by|mod)\b.*))$"
)

_CURRENCY = re.compile(r"\b(?:dollars|euros|pounds|cents|yen|francs|rupees)\b")
_ORDER = re.compile(
    r"(?:add|subtract|multiply|divide|split|sum|difference|product|average|mean|remainder|how|what|an?"
    r"|\d+ (?:percent tip|and))\b(?! (?:third|quarter|half|fifth|tenth))"
)
_PI = re.compile(
    r"^(?:what is )?(?:the (?:value|number) (?:of )?)?pi(?: to \d+ (?:digits|decimals|places|decimal places))?$"
)

_LIST = re.compile(
    r"^(?:what is |calculate |find |give me )?(?:the )?(?P<what>sum|total|average|mean|product|median"
    r"|largest|biggest|smallest"
    r"|highest|lowest|maximum|minimum)(?: number| value)?(?: of| among| out of)?(?: the)?(?: numbers)? "
    r"(?P<numbers>(?:minus )?\d+(?:\.\d+)?(?:(?:,| and|, and)? (?:minus )?\d+(?:\.\d+)?){2,})$"
)
_PRIME = re.compile(r"^is (?:the number )?(?P<n>\d{1,9}) (?:a )?prime(?: number)?$")

_OPERATORS = ("plus", "minus", "times", "divided", "power")
_HOMOPHONES = {"for": 4, "to": 2, "too": 2, "ate": 8, "won": 1}
"""What speech recognition may write for a number: taken for one right behind an operator."""

_MOST_DIGITS = 60


@dataclass(frozen=True, slots=True)
class SumFrame:
    """The result of the last sum."""

    value: Fraction


class _NotASum(Exception):
    """The words do not parse."""


class _NoResult(Exception):
    """The sum has no result that can be said; the argument says why, as a sentence."""


class Sums:
    """Adds, subtracts, multiplies, divides, and takes roots, powers and percentages."""

    abilities = ("do sums",)

    def answer(self, request: Request) -> Answer | None:
        """Return the result of the sum that is asked for."""
        if request.before is not None:
            return self._follow_up(request, request.before.frame)
        if _PI.match(request.figures):
            return Answer("Pi is about 3.14159.", frame=SumFrame(Fraction(math.pi)))
        if prime := _PRIME.match(request.figures):
            return _told_prime(int(prime["n"]))
        if several := _LIST.match(request.figures):
            return _of_several(several["what"], several["numbers"])
        said = _bare(request.figures)
        if both := re.fullmatch(r"(\d+) and (\d+)", said):
            said = f"{both[1]} plus {both[2]}" if said != request.figures else said
        return _answer(said)

    def _follow_up(self, request: Request, frame: object) -> Answer | None:
        if not isinstance(frame, SumFrame):
            return None
        said = re.sub(
            r"\b(?:that|it|this|the result|the answer)\b(?= (?:by|times|plus|minus|divided))", "", request.figures
        )
        match = _FOLLOW_UP.match(" ".join(said.split()))
        if not match or frame.value.denominator > 10**9:
            return None
        value = _token(frame.value)
        if match["rest"]:
            rest = re.sub(
                r"^(multiply|divide)\s+by", lambda m: "times" if m[1] == "multiply" else "divided by", match["rest"]
            )
            rest = re.sub(r"^add\b", "plus", rest)
            return _answer(_bare(f"{value} {rest}"))
        verb = match["verb"]
        return _answer(
            _bare(f"{value} squared" if verb == "square" else f"{verb.replace('halve', 'half of')} {value}")
        )


def _of_several(what: str, listed: str) -> Answer:
    """Tell the sum, the average and the like of three numbers or more."""
    numbers = [
        (-1 if minus else 1) * Fraction(digits) for minus, digits in re.findall(r"(minus )?(\d+(?:\.\d+)?)", listed)
    ]
    total = sum(numbers, Fraction(0))
    value = {
        "sum": total,
        "total": total,
        "average": total / len(numbers),
        "mean": total / len(numbers),
        "product": math.prod(numbers, start=Fraction(1)),
        "median": statistics.median(numbers),
    }.get(what, min(numbers) if what in ("smallest", "lowest", "minimum") else max(numbers))
    text, exact = say_number(value)
    return Answer(
        f"The {what} of {listing([say_number(number)[0] for number in numbers])} is "
        f"{'' if exact else 'about '}{text}.",
        frame=SumFrame(value),
    )


def _told_prime(number: int) -> Answer:
    factor = next((n for n in range(2, math.isqrt(number) + 1) if number % n == 0), None)
    if number < 2:
        return Answer(f"No, {number} is not a prime number.")
    if factor is None:
        return Answer(f"Yes, {number:,} is a prime number.")
    return Answer(f"No, {number:,} is {factor:,} times {number // factor:,}.")


def _bare(figures: str) -> str:
    said = figures
    if re.match(r"^what (?:percent|percentage)\b", said):
        return said
    said = _QUESTION.sub("", said)
    return _ENDING.sub("", said)


def _answer(said: str) -> Answer | None:
    words = said
    for pattern, word in _WORDS:
        words = re.sub(pattern, word, words)
    if len(set(_CURRENCY.findall(words))) == 1:  # "3 dollars plus 4 dollars": one unit, kept aside
        words = _CURRENCY.sub("", words)
    words = " ".join(words.split())
    if share := _share(words):
        return share
    for pattern, order in _REORDERED:
        words = re.sub(pattern, order, words)
    tokens = words.split()
    if not tokens or len(tokens) > 40:
        return None
    parser = _Parser(tokens)
    try:
        value = parser.parse()
    except _NotASum:
        return None
    except _NoResult as error:
        return Answer(str(error))
    return Answer(_say(said, value, rounded=parser.rounded), frame=SumFrame(value))


def _share(words: str) -> Answer | None:
    match = _SHARE.match(words)
    if not match:
        return None
    named = {key.rstrip("234"): value for key, value in match.groupdict().items() if value}
    try:
        part, whole = Fraction(named["part"]), Fraction(named["whole"])
    except ValueError:
        return None
    if not whole:
        return Answer("Nothing is a percentage of zero.")
    value = part / whole * 100
    text, exact = say_number(value)
    about = "" if exact else "about "
    return Answer(
        f"{say_number(part)[0]} is {about}{text} percent of {say_number(whole)[0]}.", frame=SumFrame(value)
    )


def _say(said: str, value: Fraction, *, rounded: bool) -> str:
    small = abs(value) < 10
    text, exact = say_number(value, places=4 if abs(value) < 1 else 3 if small else 2)
    about = "about " if rounded or not exact else ""
    currency = _CURRENCY.search(said)
    unit = f" {currency[0]}" if currency else ""
    if currency and exact and re.search(r"\.\d$", text):
        text += "0"  # 22.50 dollars
    if len(said.split()) > 9 or re.search(r"\bbracket|\b(?:for|too?|ate|won)$", said) or _ORDER.match(said):
        return f"That's {about}{text}{unit}."
    echo = re.sub(r"(?<![.\d])\d{4,}(?![.\d])", lambda m: f"{int(m[0]):,}", said)
    echo = f"the {echo}" if re.match(r"(?:square|cube|cubic) (?:root|of)|factorial", echo) else echo
    return f"{echo[:1].upper()}{echo[1:]} is {about}{text}{unit}."


def _token(value: Fraction) -> str:
    return str(value) if value >= 0 else f"minus {-value}"


class _Parser:
    """A recursive descent over the words of a sum."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._operations = 0
        self.rounded = False
        """Whether a root or a power could only be computed approximately."""

    def parse(self) -> Fraction:
        value = self._sum()
        if self._at != len(self._tokens) or not self._operations:
            raise _NotASum
        return value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *words: str) -> bool:
        if self._peek() in words:
            self._at += 1
            return True
        return False

    def _sum(self) -> Fraction:
        value = self._term()
        while self._peek() in ("plus", "minus"):
            sign = 1 if self._take("plus") else -1
            self._take("minus" if sign < 0 else "")
            self._operations += 1
            value = self._added(value, sign)
        return value

    def _added(self, value: Fraction, sign: int) -> Fraction:
        """Add a term; "80 plus 5 percent" means 5 percent of the 80."""
        start = self._at
        term = self._term()
        taken = self._tokens[start : self._at]
        return value + sign * (value * term if taken[-1] == "percent" and len(taken) == 2 else term)

    def _term(self) -> Fraction:
        value = self._power()
        while True:
            if self._take("times"):
                value *= self._power()
            elif self._take("divided"):
                value = self._divided(value, self._power())
            elif self._peek() == "of" and self._may_take_of():
                self._at += 1
                value *= self._power()
            elif self._take("mod"):
                value = self._remainder(value, self._power())
            else:
                return value
            self._operations += 1

    def _may_take_of(self) -> bool:
        """Whether what stands before "of" is a share: a percentage or a fraction; not "two of five"."""
        before = self._tokens[self._at - 1]
        return (
            before == "percent" or before in _FRACTIONS or self._tokens[self._at - 2 : self._at - 1] == ["divided"]
        )

    def _divided(self, value: Fraction, by: Fraction) -> Fraction:
        if not by:
            raise _NoResult("You can't divide by zero, so that has no answer.")
        return value / by

    def _remainder(self, value: Fraction, by: Fraction) -> Fraction:
        if not by:
            raise _NoResult("You can't divide by zero, so that has no remainder.")
        return value % by

    def _power(self) -> Fraction:
        value = self._prefix()
        while True:
            word = self._peek()
            if self._take("squared"):
                value = self._raised(value, Fraction(2))
            elif self._take("cubed"):
                value = self._raised(value, Fraction(3))
            elif self._take("power"):
                value = self._raised(value, self._exponent())
            elif self._take("percent"):
                value /= 100  # no operation yet: "5 percent" alone is no sum
                continue
            elif self._take("factorial"):
                value = self._factorial(value)
            elif word in _FRACTIONS and value.denominator == 1 and self._tokens[self._at - 1].isdigit():
                self._at += 1
                value /= _FRACTIONS[word]
            else:
                return value
            self._operations += 1

    def _exponent(self) -> Fraction:
        word = self._peek()
        if word in ORDINALS:
            self._at += 1
            return Fraction(ORDINALS[word])
        if ordinal := re.fullmatch(r"(\d{1,3})(?:st|nd|rd|th)", word):
            self._at += 1
            return Fraction(int(ordinal[1]))
        return self._power()  # to the right first: 2 to the power of (3 to the power of 2)

    def _prefix(self) -> Fraction:
        simple: dict[str, Callable[[Fraction], Fraction]] = {
            "double": lambda x: 2 * x,
            "triple": lambda x: 3 * x,
            "square": lambda x: self._raised(x, Fraction(2)),
            "sqrt": lambda x: self._root(x, 2),
            "cbrt": lambda x: self._root(x, 3),
            "factorialof": self._factorial,
        }
        word = self._peek()
        if word in simple:
            self._at += 1
            self._operations += 1
            return simple[word](self._prefix())
        if self._take("minus"):
            return -self._power()
        if self._take("plus"):
            return self._prefix()
        if self._take("("):
            value = self._sum()
            if not self._take(")"):
                raise _NotASum
            return value
        return self._number()

    def _number(self) -> Fraction:
        self._take("a", "an", "one", "the")
        word = self._peek()
        if re.fullmatch(r"\d{1,60}(?:\.\d{1,30})?|\d{1,60}/\d{1,30}", word):
            self._at += 1
            return Fraction(word)
        if word in _HOMOPHONES and self._at and self._tokens[self._at - 1] in _OPERATORS:
            self._at += 1
            return Fraction(_HOMOPHONES[word])
        if word == "pi":
            self._at += 1
            self.rounded = True
            return Fraction(math.pi)
        if word in _FRACTIONS and self._tokens[self._at + 1 : self._at + 2] == ["of"]:
            self._at += 1
            return Fraction(1, _FRACTIONS[word])
        raise _NotASum

    def _raised(self, base: Fraction, exponent: Fraction) -> Fraction:
        size = max(len(str(abs(base.numerator))), len(str(base.denominator)))
        if abs(exponent) * size > _MOST_DIGITS * 5:
            raise _NoResult("That number is too long to say.")
        if not base and exponent < 0:
            raise _NoResult("You can't divide by zero, so that has no answer.")
        if exponent.denominator == 1:
            return Fraction(base**exponent.numerator)
        if base < 0:
            raise _NoResult("That isn't a real number.")
        self.rounded = True
        return Fraction(float(base) ** float(exponent))

    def _root(self, value: Fraction, degree: int) -> Fraction:
        if value < 0 and degree == 2:
            raise _NoResult("A negative number has no real square root.")
        size = abs(value)
        exact = Fraction(round(size.numerator ** (1 / degree)), round(size.denominator ** (1 / degree)))
        sign = -1 if value < 0 else 1
        if exact**degree == size:
            return sign * exact
        self.rounded = True
        return sign * Fraction(float(size) ** (1 / degree))

    def _factorial(self, value: Fraction) -> Fraction:
        if value.denominator != 1 or value < 0:
            raise _NoResult("Only whole numbers from zero up have a factorial.")
        if value > 100:
            raise _NoResult("That number is too long to say.")
        return Fraction(math.factorial(value.numerator))
