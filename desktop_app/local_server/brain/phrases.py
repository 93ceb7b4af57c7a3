"""Questions by what they ask for, however they begin and end.

A question is a core that cannot be missing ("capital of …"), with words before and after it that say nothing of
their own ("what is the name of the", "called again"). `asking` makes a pattern of the core that lets those pass and
nothing else: one word it does not know, and the question is another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_BEFORE = (
    "what|whats|which|who|where|when|how about|is|are|was it|would be|the|a|an|it|there|name|names|of|city|called"
    "|do you know|you know|do|does|tell|give|show|find|me|us|then|in|on|to|at|that|about|current|currently"
    "|official|officially|actual|actually|exact|exactly|and|so|like|again|now|today|say|remember|not sure|guess"
    "|country|kind|type|sort"
)
_AFTER = (
    "called|again|now|today|currently|at the moment|nowadays|these days|please|then|exactly|roughly|about"
    "|approximately|officially|is it|is that|is|are|there|in total|altogether|in numbers|you know|right now|like"
    "|do you know|in the world|on earth|on the map|anyway|actually"
)


def asking(core: str, *, before: str = "", after: str = "") -> re.Pattern[str]:
    """Return the pattern of a question with this core; `before` and `after` are more words that may surround it."""
    lead = "|".join(filter(None, (_BEFORE, before)))
    tail = "|".join(filter(None, (_AFTER, after)))
    return re.compile(rf"^(?:(?:{lead})\s)*(?:{core})(?:\s(?:{tail}))*$")


def matches(patterns: Sequence[re.Pattern[str]], said: str) -> Iterator[dict[str, str]]:
    """Yield the named groups of every pattern that fits, without digits at their ends."""
    for pattern in patterns:
        if match := pattern.match(said):
            yield {name.rstrip("0123456789"): value for name, value in match.groupdict().items() if value}


def words(text: str) -> frozenset[str]:
    """Return the words of a list."""
    return frozenset(text.split())


def sentence(text: str) -> str:
    """Return `text` with a capital at its beginning."""
    return f"{text[:1].upper()}{text[1:]}"


def say_large(number: float) -> str:
    """Return a number of people or square kilometers as it is remembered: "about 8.9 million"."""
    if number < 1000:
        return f"{round(number):,}"
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if number >= size:
            digits = f"{number / size:.2f}" if number < 10 * size else f"{number / size:.1f}"
            digits = digits if number < 100 * size else f"{number / size:.0f}"
            return f"about {digits.rstrip('0').rstrip('.') if '.' in digits else digits} {name}"
    step = 10 ** max(0, len(str(int(number))) - 3)
    return f"about {round(number / step) * step:,}"
