"""What a skill is: it answers one kind of request exactly, or says nothing.

A skill is a pure function of the request: no clock of its own, no file after its construction, no state. It
recognises its requests whole, from the first word to the last, so a sentence that merely mentions time or
feet is never mistaken for a question about them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from desktop_app.local_server.engines import FunctionCall, Message, Tool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a skill has to say."""

    text: str = ""
    """Short full sentences, written to be spoken."""
    calls: tuple[FunctionCall, ...] = ()
    """Functions to be called instead of an answer."""
    frame: object | None = None
    """What a follow-up ("and in feet?") builds on; its type is the skill's own."""
    exact: bool = True
    """False: a line for want of better (a greeting, "I can't see the weather"); a large model goes first."""
    courtesy: bool = False
    """A greeting, thanks and the like: left out where something was asked as well."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that was said, and what it takes to answer it."""

    text: str
    """As recognised or typed."""
    plain: str
    """Every word but "um", in lower case and without punctuation (`wording.spoken`)."""
    said: str
    """What is asked, without courtesy and fillers (`wording.tidy`)."""
    figures: str
    """`said` with its spoken numbers as digits (`wording.figures`)."""
    now: dt.datetime
    """The moment of asking, in the user's time zone."""
    tools: Sequence[Tool] = ()
    """What the client offers to do."""
    earlier: Sequence[Message] = ()
    """The conversation before this request."""
    before: Answer | None = None
    """How the request before this one was answered; None at first, set when nobody understood without it."""


class Skill(Protocol):
    """Answers one kind of request."""

    @property
    def abilities(self) -> Sequence[str]:
        """What it can do, each to follow "I can": "tell the time in any large city"."""
        ...

    def answer(self, request: Request) -> Answer | None:
        """Return the answer, or None if the request is not of this kind. Takes a millisecond at most."""
        ...
