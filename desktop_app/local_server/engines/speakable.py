"""What of a written answer can be said aloud, in pieces small enough to start soon.

A language model writes Markdown, addresses and emoji, a few letters at a time. `Clauses` cuts the stream where a
reader would breathe: the first piece ends at the first comma that has a few words before it, so that speech
begins early; all others are whole sentences, which sound better. `speakable` takes out what nobody would read
aloud. Pure: text in, text out.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

LONGEST_CLAUSE = 240
"""Characters: about 15 s of speech, synthesised in 0.2 s."""
SHORTEST_FIRST_CLAUSE = 12
SHORTEST_FORCED_CUT = 80

_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]*_`]*(?=\s+\S)|[。！？]+|[ \t]*\n")
_CLAUSE_END = re.compile(r"[,;:—–][\"'”’)\]*_]*(?=\s)")
_TITLES = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "e.g", "i.e", "etc", "approx", "no", "fig"}
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece that is spoken in one go."""

    text: str
    ends_sentence: bool = True
    """Whether a full pause follows."""


class Clauses:
    """Cuts a text that arrives in pieces, split anywhere, into clauses that can be spoken."""

    def __init__(self) -> None:
        self._buffer = ""
        self._in_code = False
        self._begun = False
        self._seen_letters = False

    @property
    def unreadable(self) -> bool:
        """Whether there was text, but nothing of it could be said: another script than ours."""
        return self._seen_letters and not self._begun

    def feed(self, text: str) -> list[Clause]:
        """Return the clauses that are complete now."""
        self._buffer += text
        return self._drain(ended=False)

    def end(self) -> list[Clause]:
        """Return what is left."""
        self._buffer += "\n"
        return self._drain(ended=True)

    def _drain(self, *, ended: bool) -> list[Clause]:
        clauses = []
        while (cut := self._next_cut()) is not None:
            end, ends_sentence = cut
            raw, self._buffer = self._buffer[:end], self._buffer[end:].lstrip(" \t")
            clauses += self._say(raw, ends_sentence)
        if ended:
            raw, self._buffer = self._buffer, ""
            clauses += self._say(raw, ends_sentence=True)
        return clauses

    def _next_cut(self) -> tuple[int, bool] | None:
        """Return where the next clause ends and whether that ends a sentence, or None to wait for more."""
        sentence = _sentence_end(self._buffer)
        if not self._begun and (clause := _first_clause_end(self._buffer, before=sentence)):
            return clause, False
        if sentence and sentence <= 2 * LONGEST_CLAUSE:
            return sentence, True
        if len(self._buffer) > LONGEST_CLAUSE and not self._in_code:
            return _forced_cut(self._buffer), False
        return (sentence, True) if sentence else None

    def _say(self, raw: str, ends_sentence: bool) -> list[Clause]:
        stripped = raw.strip()
        fences = stripped.count("```")
        if fences or self._in_code:
            self._in_code ^= fences % 2 == 1
            return []
        text = speakable(stripped)
        self._seen_letters |= any(character.isalpha() for character in stripped)
        if not any(character.isalnum() for character in text):
            return []
        self._begun = True
        return [Clause(text, ends_sentence)]


def _sentence_end(text: str) -> int:
    """Return the index after the first sentence, 0 if it is not complete."""
    for match in _SENTENCE_END.finditer(text):
        following = text[match.end() :].lstrip()[:1]
        if (
            "\n" in match.group()
            or match.group()[0] != "."
            or not _is_abbreviation(text[: match.start()], following)
        ):
            return match.end()
    return 0


def _is_abbreviation(before: str, following: str) -> bool:
    """Tell the period of "Dr. Smith", "J. K. Rowling", "e.g. this" and "1. Bread" from the end of a sentence."""
    word = before.rsplit(maxsplit=1)[-1].lstrip("(\"'“‘*_") if before.strip() else ""
    at_line_start = before.strip() == word
    initial = len(word) == 1 and word.isupper() and word != "I"
    numbered = at_line_start and word.isdigit()
    return following.islower() or word.lower() in _TITLES or initial or numbered


def _first_clause_end(text: str, *, before: int) -> int:
    """Return the index after the first clause worth starting with, 0 if there is none."""
    for match in _CLAUSE_END.finditer(text, SHORTEST_FIRST_CLAUSE, before or len(text)):
        if len(text[: match.start()].split()) >= 3 and not text.lstrip().startswith("```"):
            return match.end()
    return 0


def _forced_cut(text: str) -> int:
    """Return where to cut a text without end: after its last comma, else between words, else anywhere."""
    window = text[:LONGEST_CLAUSE]
    commas = [match.end() for match in _CLAUSE_END.finditer(window)]
    if commas and commas[-1] >= SHORTEST_FORCED_CUT:
        return commas[-1]
    space = window.rfind(" ")
    return space + 1 if space >= SHORTEST_FORCED_CUT else LONGEST_CLAUSE


_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"!?\[([^\]]*)\]\([^)]*\)", r"\1"),  # link or picture: its words
        (r"\[([^\]]*)\]\[[^\]]*\]", r"\1"),
        (r"<?\b(?:https?://|www\.)(?:www\.)?([\w.-]*\w)[^\s>)\]]*>?", r"\1"),  # address: its host
        (r"<!--.*?-->|</?[a-zA-Z][^<>]*>", " "),
        (r"^\s*#{1,6}\s+|^\s*>+\s?|^\s*[-*+•]\s+(?:\[[ xX]\]\s+)?", ""),  # heading, quotation, list, task
        (r"^\s*(\d+)[.)]\s+", r"\1, "),
        (r"(?<=\d)\s*[*×]\s*(?=\d)", " times "),
        (r"(?<=\d)\s*÷\s*(?=\d)", " divided by "),
        (r"\s*\|\s*", ", "),
        (r"(?<=\w)_(?=\w)", " "),
        (r"[*_`~^\\{}\[\]<>]+", ""),
        (r"(?:(?<=\s)|^)[=-]{2,}(?=\s|$)", ", "),
    )
)
_SAID_AS = {
    "≈": " about ",
    "→": " to ",
    "±": " plus or minus ",
    "≤": " at most ",
    "≥": " at least ",
    "≠": " is not ",
    "√": " the square root of ",
    "∞": " infinity ",
    "π": " pi ",
    "µ": " micro ",
    "−": "-",
    "。": ". ",
    "！": "! ",
    "？": "? ",
    "\u2011": "-",
}


def speakable(text: str) -> str:
    """Return `text` as it would be read aloud: no markup, no emoji, an address by its host, Latin letters only."""
    text = unicodedata.normalize("NFC", text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = "".join(map(_said, text))
    text = re.sub(r"\s+([,.;:!?])", r"\1", re.sub(r"\s+", " ", text))
    return re.sub(r"([,;:])(?:\s*[,;:])+", r"\1", text).strip(" ,;")


def _said(character: str) -> str:
    if character in _SAID_AS:
        return _SAID_AS[character]
    category = unicodedata.category(character)
    if category[0] == "L":
        return character if unicodedata.name(character, "").startswith(("LATIN", "FEMININE", "MASCULINE")) else " "
    if category[0] == "N" or character in "°©®™№℃℉":
        return character
    return character if category[0] in "PZ" or category in ("Sc", "Sm") else " "
