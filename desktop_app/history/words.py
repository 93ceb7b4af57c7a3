"""What is searched for, and in what: words folded so that typing finds them, whatever the script.

A word is a run of letters and digits; case, diacritics and width do not matter. Chinese, Japanese, Korean, Thai
and their like put no spaces between words: every two neighbouring characters are a word there (as Lucene's CJK
analyser has it), and a search for more than two is for neighbouring pairs. A search finds every word that begins
like the one typed, so it works at each letter. What the index holds is already folded: its tokenizer only splits at
spaces, and what is indexed does not depend on the Unicode tables of an SQLite.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

MAX_TERMS = 12
"""Words of one search; what is typed beyond them is not looked for."""
MAX_WORD_CHARS = 64
"""Longer ones are keys, addresses, data: their beginning finds them."""
SNIPPET_CHARS = 140
_LEAD_CHARS = 36
"""Of a snippet, before the first match."""

_DIACRITICS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
"""Of Latin, Greek, Cyrillic, Hebrew, Arabic: people leave them out."""
_VOICED = "\u3099\u309a\uff9e\uff9f"
_UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1100-\u11ff\u1780-\u17d3"
    "\u3005-\u3007\u3041-\u3096\u30a1-\u30ff\u3131-\u318e"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
_ATTACHED = f"{_VOICED}\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3"
"""What belongs to the character before it."""
_INDIC = "\u0900-\u0963\u0966-\u0dff"
"""Letters and the vowel signs between them, which `\\w` does not take for parts of a word."""
_RUN = re.compile(
    f"(?P<unspaced>[{_UNSPACED}{_ATTACHED}]+)|(?P<spaced>(?:(?![{_UNSPACED}])[^\\W_]|[{_DIACRITICS}{_INDIC}])+)"
)
_UNIT = re.compile(f".[{_ATTACHED}]*", re.DOTALL)
_DROPPED = re.compile(f"[{_DIACRITICS}]+")
_NO_WORD = re.compile(f"[^0-9a-z{_INDIC}{_UNSPACED}{_ATTACHED}]")
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)
"""Letters with a stroke are no combinations in Unicode."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word that is looked for."""

    units: tuple[str, ...]
    """Folded: of a spaced script the one word, of an unspaced one its characters."""
    spaced: bool

    def query(self, *, whole: bool = False) -> str:
        """As the index wants it; `whole`: no longer word will do."""
        if self.spaced or len(self.units) == 1:
            return f'"{self.units[0]}"' + (" *" if not (whole and self.spaced) else "")
        return f'"{" ".join(_pairs(self.units))}"'


def fold(text: str) -> str:
    """Return a word without case, width and diacritics."""
    if text.isascii():
        return text.lower()
    plain = _DROPPED.sub("", unicodedata.normalize("NFKD", text.casefold())).translate(_LETTERS)
    folded = unicodedata.normalize("NFC", plain)
    return "".join(c for c in folded if c.isalnum() or not _NO_WORD.match(c))


def indexed(text: str) -> str:
    """Return what the index holds of a text: folded words with spaces between them."""
    return " ".join(_words(text))


def terms(typed: str) -> tuple[Term, ...]:
    """Return what is looked for; empty if nothing of what was typed is a word. Any text will do."""
    found: dict[Term, None] = {}
    for run in _RUN.finditer(typed):
        if run.lastgroup == "spaced":
            units: tuple[str, ...] = (fold(run[0])[:MAX_WORD_CHARS],)
        else:
            units = tuple(unit for unit, _, _ in _units(run))[:MAX_WORD_CHARS]
        if units and units[0]:
            found[Term(units, run.lastgroup == "spaced")] = None
        if len(found) == MAX_TERMS:
            break
    return tuple(found)


def queries(looked_for: tuple[Term, ...]) -> tuple[str, ...]:
    """Return the search as FTS5 wants it: every term must occur.

    First with only the last word, which is still being typed, as the beginning of one: that is found faster,
    too, as common words begin many others. Then with all of them.
    """
    *first, last = looked_for
    strict = [term.query(whole=True) for term in first]
    loose = [term.query() for term in first]
    return tuple(dict.fromkeys(" ".join([*each, last.query()]) for each in (strict, loose)))


def snippet(text: str, looked_for: tuple[Term, ...]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the words around the first match, as one line, and where the matches are in it."""
    matches = _matches(text, looked_for)
    first = next(matches, None)
    begin = 0 if first is None or first[0] <= _LEAD_CHARS else _word_begin(text, first[0] - _LEAD_CHARS, first[0])
    end = begin + SNIPPET_CHARS
    shown = text[begin:end]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in shown)
    lead = "…" if begin else ""
    marks = []
    while first is not None and first[0] < end:
        marks.append((first[0] - begin + len(lead), min(first[1], end) - begin + len(lead)))
        first = next(matches, None)
    return f"{lead}{shown}{'…' if end < len(text) else ''}", tuple(marks)


def _word_begin(text: str, place: int, latest: int) -> int:
    """Return where a word begins, at or behind `place`: the snippet does not begin in the middle of one."""
    space = text.find(" ", place, latest)
    return place if space < 0 else space + 1


def _matches(text: str, looked_for: tuple[Term, ...]) -> Iterator[tuple[int, int]]:
    """Yield where the terms occur, in order; what overlaps is told once."""
    spaced = sorted((term.units[0] for term in looked_for if term.spaced), key=len, reverse=True)
    if not text.isascii():
        yield from _any_matches(text, tuple(spaced), [term.units for term in looked_for if not term.spaced])
    elif spaced:
        words = "|".join(map(re.escape, spaced))
        yield from (match.span() for match in re.finditer(f"(?<![0-9a-z])(?:{words})", text.lower()))


def _any_matches(text: str, spaced: tuple[str, ...], unspaced: list[tuple[str, ...]]) -> Iterator[tuple[int, int]]:
    behind = 0
    for run in _RUN.finditer(text):
        if run.lastgroup == "spaced":
            word = fold(run[0])
            if word.startswith(spaced):
                begun = next(len(term) for term in spaced if word.startswith(term))
                yield run.start(), run.start() + begun if len(word) == len(run[0]) else run.end()
            continue
        units = list(_units(run))
        for at, (_, begin, _) in enumerate(units):
            for term in unspaced:
                if begin >= behind and tuple(unit for unit, _, _ in units[at : at + len(term)]) == term:
                    behind = units[at + len(term) - 1][2]
                    yield begin, behind


def _words(text: str) -> Iterator[str]:
    for run in _RUN.finditer(text):
        if run.lastgroup == "spaced":
            if word := fold(run[0])[:MAX_WORD_CHARS]:
                yield word
        elif units := tuple(unit for unit, _, _ in _units(run)):
            yield from _pairs(units)
            yield units[-1]


def _pairs(units: tuple[str, ...]) -> Iterator[str]:
    return (first + second for first, second in pairwise(units))


def _units(run: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """Yield each character of an unspaced script, folded, and where it stands."""
    for unit in _UNIT.finditer(run[0]):
        if folded := fold(unit[0]):
            yield folded, run.start() + unit.start(), run.start() + unit.end()
