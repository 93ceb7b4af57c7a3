"""English words: meanings, synonyms, opposites, plurals, from `resources/words/words.zip` (WordNet).

The archive has one member per first two letters; looking a word up reads that one, which takes milliseconds.
"""

from __future__ import annotations

import functools
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from desktop_app.resources import resource

_KINDS = {"n": "noun", "v": "verb", "a": "adjective", "r": "adverb"}
_REGULAR = ((r"(?:s|x|z|ch|sh)$", r"\g<0>es"), (r"([^aeiou])y$", r"\1ies"), (r"$", "s"))
_USUAL = {"bus": "buses", "gas": "gases"} | {
    word: word
    for word in ("fish", "sheep", "deer", "moose", "series", "species", "aircraft", "salmon", "trout", "offspring")
}
"""Where the list has only a rare plural, or none because it is the word itself."""
_IRREGULAR_ENDINGS = ("o", "f", "fe", "us", "is", "man", "person")
"""Nouns that end so may be irregular without being in the list; nothing is said about them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A word as one part of speech."""

    word: str
    kind: str
    """noun, verb, adjective, adverb"""
    uses: int
    """How often it was counted in texts."""
    meanings: tuple[str, ...]
    """The most frequent first."""
    synonyms: tuple[str, ...]
    opposites: tuple[str, ...]


class Lexicon:
    """Looks words up."""

    def __init__(self, archive: Path | None = None) -> None:
        """Open nothing yet; `archive` is for tests."""
        self._path = archive or resource("words/words.zip")
        self._member = functools.lru_cache(maxsize=4)(self._read)

    def entries(self, word: str) -> list[Entry]:
        """Return what the word is, its most frequent use first; nothing if it is not known."""
        name = re.sub(r"[^a-z]", "_", word[:2].ljust(2, "_"))
        lines = (line for line in self._member(f"{name}.tsv") if line.startswith(f"{word}\t"))
        return sorted((_entry(line) for line in lines), key=lambda entry: -entry.uses)

    def base(self, word: str) -> str:
        """Return the word itself if it is known, else what a regular ending was added to, else nothing."""
        for ending, rest in (
            ("", ""),
            ("ies", "y"),
            ("es", ""),
            ("s", ""),
            ("ed", ""),
            ("ed", "e"),
            ("ing", ""),
            ("ing", "e"),
            ("d", ""),
        ):
            candidate = word.removesuffix(ending) + rest if word.endswith(ending) else ""
            if len(candidate) > 1 and self.entries(candidate):
                return candidate
        return ""

    def plurals(self, noun: str) -> list[str]:
        """Return the plural forms of a noun; nothing if it is no noun, or may be irregular in a way not known."""
        if noun in _USUAL:
            return [_USUAL[noun]]
        for line in self._member("plurals.tsv"):
            base, _, forms = line.partition("\t")
            if base == noun:
                return forms.split("|")
        if not any(entry.kind == "noun" for entry in self.entries(noun)) or noun.endswith(_IRREGULAR_ENDINGS):
            return []
        pattern, form = next((p, f) for p, f in _REGULAR if re.search(p, noun))
        return [re.sub(pattern, form, noun, count=1)]

    def singular(self, plural: str) -> str:
        """Return the noun that `plural` is an irregular plural of; nothing if it is none."""
        for line in self._member("plurals.tsv"):
            base, _, forms = line.partition("\t")
            if plural in forms.split("|"):
                return base
        return ""

    def _read(self, name: str) -> tuple[str, ...]:
        with zipfile.ZipFile(self._path) as archive:
            if name not in archive.namelist():
                return ()
            return tuple(archive.read(name).decode("utf-8").splitlines())


def _entry(line: str) -> Entry:
    word, kind, uses, meanings, synonyms, opposites = line.split("\t")
    return Entry(
        word,
        _KINDS[kind],
        int(uses),
        _split(meanings),
        _split(synonyms),
        _split(opposites),
    )


def _split(field: str) -> tuple[str, ...]:
    return tuple(filter(None, field.split("|")))


def unique(words: Iterable[str]) -> list[str]:
    """Return the words without repetitions, in their order."""
    return list(dict.fromkeys(words))
