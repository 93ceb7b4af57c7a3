"""Judges answers: right, declined, or wrong with confidence.

An answer is declined if it says honestly that there is none, or asks back. Everything else that is not what was
wanted is wrong, a call of a tool that was not wanted above all.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from desktop_app.local_server.brain.brain import Brain
from desktop_app.local_server.engines import FunctionCall, Message, MessageRole, Tool
from tests.local_server.brain.asking import NOW
from tests.local_server.brain.everyday import Asked, Call

HONEST = re.compile(
    r"\boffline\b.*\bsettings\b|\b(?:I|it) (?:can't|cannot|don't|won't|couldn't)\b|I'm not sure\b|not "
    r"sure what you mean"
    r"|^(?:For|In|At|Which|What|Where|Until|From|Do you mean|Did you mean)\b[^.]*\?$|I didn't hear"
    r"|beyond what I know"
    r"|more than I can do|only speak English|no timer or alarm here|say it in a whole sentence|there "
    r"is no such|^Did you say:"
    r"|^I see\. Tell me more|^I'm listening, though|^Good to know\. What can|is not a (?:Roman|binary|hex)",
    re.IGNORECASE | re.DOTALL,
)
"""What an answer says that knows it is none."""


class Verdict(Enum):
    """What an answer is worth."""

    RIGHT = "right"
    DECLINED = "declined"
    WRONG = "wrong"


def judge(asked: Asked, text: str, calls: Sequence[FunctionCall], now: dt.datetime = NOW) -> Verdict:
    """Return what an answer to `asked` at `now` is worth."""
    if calls:
        return Verdict.RIGHT if asked.calls and _made(asked.calls, calls, now) else Verdict.WRONG
    if asked.says and re.search(asked.says, text, re.IGNORECASE | re.DOTALL):
        return Verdict.RIGHT
    if HONEST.search(text):
        return Verdict.RIGHT if asked.declines else Verdict.DECLINED
    return Verdict.WRONG


def _made(wanted: Sequence[Call], calls: Sequence[FunctionCall], now: dt.datetime) -> bool:
    if len(wanted) != len(calls):
        return False
    return all(
        want.name == call.name and _matches(want.arguments, json.loads(call.arguments), now)
        for want, call in zip(wanted, calls, strict=True)
    )


def _matches(wanted: Mapping[str, str], given: Mapping[str, Any], now: dt.datetime) -> bool:
    for name, pattern in wanted.items():
        if name == "due":
            same = _due(given, now) == dt.datetime.fromisoformat(pattern)
        else:
            same = _same_words(pattern, str(given.get(name, "")))
        if not same:
            return False
    return True


def _same_words(pattern: str, given: str) -> bool:
    """Whether an argument is what was wanted; of dictated words one may have been misheard."""
    if re.fullmatch(pattern, given, re.IGNORECASE):
        return True
    wanted, said = re.sub(r"\(\?:.*?\)\?", "", pattern).lower().split(), given.lower().split()
    if not re.fullmatch(r"[a-z ]+", " ".join(wanted)) or len(wanted) != len(said):
        return False
    return sum(one != other for one, other in zip(wanted, said, strict=True)) == 1


def _due(given: Mapping[str, Any], now: dt.datetime) -> dt.datetime | None:
    here = now.replace(tzinfo=None)
    if "seconds" in given:
        return here + dt.timedelta(seconds=given["seconds"])
    return dt.datetime.fromisoformat(given["at"]).replace(tzinfo=None) if "at" in given else None


async def answered(
    brain: Brain, asked: Asked, text: str, tools: Sequence[Tool], *, sureness: float = 0.0
) -> tuple[str, list[FunctionCall]]:
    """Say `text`, in place of what was meant, to the brain; return what it says and what it calls."""
    before = [Message(MessageRole.ASSISTANT, asked.after)] if asked.after else []
    pieces = [
        piece
        async for piece in brain.reply([*before, Message(MessageRole.USER, text, sureness=sureness)], tools=tools)
    ]
    said = "".join(piece for piece in pieces if isinstance(piece, str))
    return said.strip(), [piece for piece in pieces if isinstance(piece, FunctionCall)]
