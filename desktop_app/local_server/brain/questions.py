"""What kind of thing was said: chit-chat, a question of fact, a task, or no English.

Small talk is what is recognised as such; everything in doubt counts as a question that must not be guessed at.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum

from desktop_app.local_server.brain.phrases import words
from desktop_app.local_server.brain.wording import plain, tidy


class Kind(Enum):
    """What kind of thing was said."""

    NOTHING = "nothing"
    """No word in it."""
    SMALL_TALK = "small talk"
    """Feelings, likes, the day: no answer could be wrong."""
    FACT = "fact"
    """Somebody wants to know something."""
    TASK = "task"
    """Somebody wants something done or written."""
    UNCLEAR = "unclear"
    """A word without a question: "five", "maybe"."""
    STATEMENT = "statement"
    """Somebody tells us something about the world; agreeing would be as bold as guessing."""
    FOREIGN = "foreign"
    """Not English."""


_ABOUT_US = re.compile(
    r"^(?:do|did|are|were|have|would|can|will) you\b(?! (?:think|speak|seen|heard|read|know|tell"
    r"|explain|remember|translate"
    r"|write|play|turn|open|call|send|set|find|search|read|show|help|give|say|speak|recommend"
    r"|suggest))"
    r"|^(?:what|how) about you\b|^and you$|^(?:how|what) (?:was|is) your (?:day|night|weekend"
    r"|morning|evening)\b|^(?:what|which|who) (?:do|would) you (?:like|love|prefer|enjoy)\b"
    r"|^(?:shall|can|could|may) we (?:talk|chat)\b|^(?:talk|chat) (?:to|with) me$|^(?:let us"
    r"|i want to|i would like to) (?:talk|chat)\b|^(?:tell me|say) something(?: nice| kind"
    r"| sweet)?$"
)
_QUESTION = re.compile(
    r"^(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|am|do|does|did|has|have"
    r"|had|can|could|will|would|should|shall|may|might|in which|at which|on which|in what"
    r"|at what|to whom|name)\b"
)
_TASK = re.compile(
    r"^(?:tell|explain|describe|define|translate|write|compose|summari[sz]e|list|give|show|find"
    r"|search|look|play|turn|switch|open|close|call|text|send|email|book|order|buy|"
    r"set|start|stop|pause|remind|wake|add|remove|delete|make|create|draw|read|recite|recommend"
    r"|suggest|teach|help|solve|calculate|convert|compare|check|schedule|"
    r"put|take|increase|decrease|raise|lower|mute|unmute|dim|navigate|spell|pronounce|repeat"
    r"|sing|count|guess|pick|choose|continue|go|run|launch|print|record|save|plan|imagine"
    r"|pretend)\b"
    r"|^i (?:need|want|would like) (?:you|to know|help|a |an |the |some |directions|information|advice)|^about\b"
)
_ASKED_INSIDE = re.compile(
    r"\b(?:what|who|when|where|which|why|how (?:many|much|long|far|old|big|tall)) (?:is|are|was"
    r"|were|did|does|do|has)\b"
)
_PERSONAL = re.compile(r"\b(?:i|me|my|mine|we|us|our|you|your)\b")
_STATEMENT = re.compile(
    r"^(?:it|this|that|there|these|those|he|she|they|people|everybody|everyone|nobody|somebody"
    r"|life) \w+|\w+ (?:is|are|was|were|has|have|had|will|can|does|did|[a-z]+ed) \w+"
)
_INTERJECTIONS_ONLY = re.compile(r"^(?:u+h*m*|h+m+|erm*|ah+|oh+|mhm| )+$")
_FEELING = re.compile(
    r"^(?:what (?:an?|such) |how (?:nice|lovely|sad|funny|cute|sweet|awful|strange|exciting"
    r"|boring)\b|that is\b|it is (?:so|such|a |been|really|very)|it was (?:so|such|a |really"
    r"|very)|"
    r"life is\b|today (?:is|was)\b|so |such a |time flies\b|hope\b)"
)
_FOREIGN_WORDS = words(
    """
    der die das und ist nicht ich sie wie spat uhr wer wo warum kannst bitte danke heute guten le les une
    est quelle quel heure qui pourquoi comment vous je bonjour merci aujourd'hui il el los las una que cual
    hora quien donde por favor gracias hola como estas hoy es il lo gli che ore sono chi dove perche ciao
    grazie oggi sei o os uma qual horas quem onde obrigado ola hoje voce
    """
)
_ENGLISH_WORDS = words(
    """
    the a an is are was were am i you he she it we they what who when where why how which do does did can
    could will would to of in on for with and or not my your me this that have has tell please there time
    day
    """
)


def kind_of(text: str) -> Kind:
    """Return what kind of thing `text` is."""
    said = tidy(text)
    if not said or _INTERJECTIONS_ONLY.match(said):
        return Kind.NOTHING
    if _is_foreign(text):
        return Kind.FOREIGN
    if _ABOUT_US.search(said) and not _ASKED_INSIDE.search(said):
        return Kind.SMALL_TALK
    if _FEELING.match(said) and not text.rstrip().endswith("?"):
        return Kind.SMALL_TALK
    if _TASK.match(said):
        return Kind.TASK
    if _QUESTION.match(said) or text.rstrip().endswith("?") or _ASKED_INSIDE.search(said):
        return Kind.FACT
    if _PERSONAL.search(plain(text)) and len(said.split()) <= 30:
        return Kind.SMALL_TALK
    if len(said.split()) < 2:
        return Kind.UNCLEAR
    return Kind.STATEMENT if _STATEMENT.search(said) else Kind.FACT


def _is_foreign(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    strange = sum("LATIN" not in unicodedata.name(letter, "") for letter in letters)
    if letters and strange > len(letters) / 2:
        return True
    said = plain(text).split()
    foreign = sum(word in _FOREIGN_WORDS for word in said)
    return foreign >= 2 and foreign > sum(word in _ENGLISH_WORDS for word in said)
