"""Words: spelling one, counting its letters, and saying again what was said."""

from __future__ import annotations

import re

from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import count
from desktop_app.local_server.engines import MessageRole

_SPELL = re.compile(
    r"^(?:how (?:do|does|would|can|should) (?:you|i|one|we) (?:spell|write)"
    r"|spell(?: out)?(?: for me)?|how to spell|the spelling of|what is the spelling of|"
    r"how is(?= .* (?:spelled|spelt|written)))(?: the)?(?: word"
    r"| name)? (?P<word>.+?)(?: (?:spelled|spelt|written))?$"
)
_LETTERS = re.compile(
    r"^how many letters (?:are (?:there )?in|does|has|in)(?: the)?(?: word)? (?P<word>[a-z']+)(?: have)?$"
)
_BACKWARDS = re.compile(
    r"^(?:say|spell|what is|how do you spell)(?: the word)? (?P<word>[a-z']+) (?:backwards|backward|in reverse)$"
)
_AGAIN = re.compile(
    r"^(?:please |sorry |can you |could you |would you |will you |i did not (?:hear|catch|get"
    r"|understand)(?: you| that| it)? |what )*"
    r"(?:(?:repeat|say)(?: that| it| what you said| your answer| the last (?:thing|part"
    r"|sentence)| yourself)?(?: again| once more| one more time)?(?: please)?|"
    r"(?:what did you|what have you|what were you) (?:just )?(?:say|said"
    r"|saying)(?: that)?(?: again)?|come again|once more|one more time|pardon(?: me)?"
    r"|what was that|say what|again)(?: please)?$"
    r"|^(?:sorry |i )*(?:i )?did not (?:hear|catch|get)(?: you| that| it| what you said)?$"
    r"|^(?:what|huh|sorry|excuse me|beg your pardon|i beg your pardon)$"
)
_MINE = re.compile(
    r"^what did i (?:just )?(?:say|ask)(?: you)?(?: again)?$|^repeat what i (?:just )?said$"
    r"|^what was my (?:last )?question$"
)


class Words:
    """Spells, counts letters, repeats."""

    abilities = ("spell a word", "repeat what I said")

    def answer(self, request: Request) -> Answer | None:
        """Return the answer about a word or about what was said."""
        if request.before is not None:
            return None
        return _repeated(request) or _mine(request) or _spelled(request.said)


def _repeated(request: Request) -> Answer | None:
    if not (_AGAIN.match(request.plain) or _AGAIN.match(request.said)):
        return None
    last = next((m.text for m in reversed(request.earlier) if m.role is MessageRole.ASSISTANT and m.text), "")
    return Answer(last or "I haven't said anything yet.")


def _mine(request: Request) -> Answer | None:
    if not _MINE.match(request.said):
        return None
    last = next((m.text for m in reversed(request.earlier) if m.role is MessageRole.USER and m.text), "")
    return Answer(f"You said: {last}" if last else "You haven't said anything before that.")


def _spelled(said: str) -> Answer | None:
    if match := _BACKWARDS.match(said):
        return Answer(f"{match['word'].capitalize()} backwards is {_letters(match['word'][::-1])}.")
    if match := _LETTERS.match(said):
        number = len(match["word"].replace("'", ""))
        return Answer(f"{match['word'].capitalize()} has {count(number, 'letter')}: {_letters(match['word'])}.")
    if (
        not (match := _SPELL.match(said))
        or len(words := match["word"].split()) > 3
        or words[0] in ("that", "it", "this")
    ):
        return None
    spelled = ", then ".join(_letters(word) for word in words)
    return Answer(f"{match['word'].capitalize()} is spelled {spelled}.")


def _letters(word: str) -> str:
    named = {"'": "apostrophe", "-": "hyphen"}
    return ", ".join(named.get(letter, letter.upper()) for letter in word)
