"""What a word means, which mean the same or the opposite, and its plural: by the dictionary, which is said."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desktop_app.local_server.brain.lexicon import Entry, Lexicon, unique
from desktop_app.local_server.brain.phrases import asking, matches, words
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import listing

_THE_WORD = r"(?:the )?(?:word |term |expression |phrase |verb |noun |adjective )?"
_W = rf"{_THE_WORD}(?P<w>[a-z][a-z' -]*?)"
_MEANING = (
    re.compile(
        rf"^(?:(?:so|and|but|what|exactly)\s)*what (?:exactly )?(?:does|do|did|is) {_W} (?:mean|stand for"
        rf"|refer to)(?: exactly| in english)?$"
    ),
    asking(rf"(?:meaning|definition|sense)(?: of)? {_W}(?: in english| mean)?", before="look up|dictionary"),
    re.compile(rf"^(?:(?:please|just|can you|could you)\s)*(?:define|explain) {_W}$"),
    asking(rf"{_W}(?:'s|s')? (?:meaning|definition)"),
    re.compile(rf"^what is meant by {_W}$"),
    re.compile(rf"^look up {_THE_WORD}(?P<w>[a-z][a-z' -]*?)(?: in the dictionary)?$"),
)
_WHAT_IS = re.compile(r"^what (?:exactly )?(?:is|are) an? (?P<w>[a-z][a-z' -]*)$")
_SYNONYM = (
    asking(
        rf"(?:synonyms?|(?:another|other|different|better|alternative|fancier|simpler)(?: words?| "
        rf"terms?| ways? to say| ways? of saying)|(?:words?|terms?) (?:like|similar to|for))(?: (?:for"
        rf"|of|to|instead of))? {_W}",
        before="any|some|have|have you got|need|i|need a|want|think of|can|could|you|say",
    ),
    asking(
        rf"(?:word|words|term|terms)(?: (?:that|which))? (?:means?|meaning|has|have)(?: the)? same(?: "
        rf"meaning)?(?: thing)? as {_W}",
        before="any|some",
    ),
    re.compile(rf"^how else (?:can|could|do) (?:i|you|we) say {_W}$"),
)
_OPPOSITE = (
    asking(rf"(?:opposite|opposites|antonyms?|contrary)(?: word)?(?: (?:of|for|to))? {_W}", before="any|some|have"),
    asking(rf"(?:word|words)(?: that)? (?:means?|meaning)(?: the)? opposite of {_W}"),
)
_PLURAL = (
    asking(rf"(?:plural|plural form)(?: (?:of|for|form of))? {_W}"),
    re.compile(
        rf"^(?:how do you (?:say|write|make) )?(?:more than one|many|two|several|2) {_W}$|^how do you "
        rf"pluralize {_W.replace('<w>', '<w2>')}$"
    ),
)
_SINGULAR = (asking(rf"(?:singular|singular form)(?: (?:of|for|form of))? {_W}"),)
_IS_WORD = re.compile(
    r"^(?:is|was) (?P<w>[a-z]+) (?:really |actually )?(?:a|an) (?:real |proper |actual |english "
    r")*word(?: in english)?$|^does the word (?P<w2>[a-z]+) exist$"
)
_NOT_A_WORD = words(
    """
    it that this these those he she they we you i him her them us me what something anything everything all there
    here so such life love
    """
)
"""What is asked about in a sentence of its own kind: "What does that mean?", "the meaning of life"."""


class Meanings:
    """Explains words."""

    abilities = ("explain English words",)

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def answer(self, request: Request) -> Answer | None:
        """Return what the dictionary says of a word."""
        if request.before is not None:
            return None
        said = request.said
        for patterns, tell in (
            (_SYNONYM, self._synonyms),
            (_OPPOSITE, self._opposites),
            (_PLURAL, self._plural),
            (_SINGULAR, self._singular),
            (_MEANING, self._meaning),
            ((_IS_WORD,), self._whether_a_word),
            ((_WHAT_IS,), self._what_is),
        ):
            for groups in matches(patterns, said):
                if answer := tell(_word(groups["w"])):
                    return answer
        return None

    def _meaning(self, word: str) -> Answer | None:
        entries = self._known(word)
        if not entries:
            return _unknown(word)
        first = entries[0]
        text = f"By the dictionary, the {first.kind} {first.word} means: {_told(first.meanings)}."
        other = next((entry for entry in entries[1:] if entry.uses * 3 >= first.uses), None)
        if other is not None and len(text) < 200:
            text += f" As {'an' if other.kind[0] == 'a' else 'a'} {other.kind}: {_told(other.meanings[:1])}."
        return Answer(text)

    def _what_is(self, word: str) -> Answer | None:
        if word in _NOT_A_WORD:
            return None
        noun = next((entry for entry in self._lexicon.entries(word) if entry.kind == "noun"), None)
        if noun is None:
            return None
        article = "An" if word[0] in "aeiou" else "A"
        return Answer(f"By the dictionary, {article.lower()} {word} is: {_told(noun.meanings)}.")

    def _synonyms(self, word: str) -> Answer | None:
        entries = self._known(word)
        found = unique(other for entry in entries if entry.uses * 4 >= entries[0].uses for other in entry.synonyms)[
            :5
        ]
        if not entries:
            return _unknown(word)
        if not found:
            return Answer(f"I don't know another word for {word}.")
        return Answer(
            f"Other words for {word} are {listing(found)}."
            if len(found) > 1
            else f"Another word for {word} is {found[0]}."
        )

    def _opposites(self, word: str) -> Answer | None:
        entries = self._known(word)
        if not entries:
            return _unknown(word)
        found = unique(other for entry in entries for other in entry.opposites)[:3]
        if found:
            return Answer(f"The opposite of {word} is {' or '.join(found)}.")
        return Answer(f"I don't know an opposite of {word}.")

    def _plural(self, word: str) -> Answer | None:
        if len(word) < 2:
            return None
        found = self._lexicon.plurals(word)
        if not found:
            return Answer(f"I don't know the plural of {word}.") if self._lexicon.entries(word) else _unknown(word)
        return Answer(f"The plural of {word} is {' or '.join(found)}, {', '.join(found[0].upper())}.")

    def _singular(self, word: str) -> Answer | None:
        one = self._lexicon.singular(word) or (self._lexicon.base(word) if word.endswith("s") else "")
        return Answer(f"The singular of {word} is {one}.") if one and one != word else None

    def _whether_a_word(self, word: str) -> Answer | None:
        if self._lexicon.base(word):
            return Answer(f"Yes, {word} is in my dictionary.")
        return Answer(f"I don't have {word} in my dictionary, which doesn't have every word.")

    def _known(self, word: str) -> list[Entry]:
        return [] if word in _NOT_A_WORD else self._lexicon.entries(self._lexicon.base(word)) if word else []


def _word(said: str) -> str:
    bare = re.sub(r"^(?:an? |the |to )(?=\w)", "", said.strip())
    return bare.strip("' -")


def _told(meanings: Sequence[str]) -> str:
    return "; or: ".join(re.sub(r"`([^']*)'", r"\1", meaning) for meaning in meanings)


def _unknown(word: str) -> Answer | None:
    if not word or len(word.split()) > 1 or word in _NOT_A_WORD:
        return None
    return Answer(f"I don't know the word {word}.", exact=False)
