"""The tool router: clear requests are answered exactly, without a model; everything else is declined.

It keeps no state. What a follow-up refers to ("and in feet?") is found by answering the request before it once
more, so a conversation that was cut, edited or restored is understood as it now stands.
"""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import tzlocal

from desktop_app.local_server.brain.outputs import say_output
from desktop_app.local_server.brain.skill import Answer, Request, Skill
from desktop_app.local_server.brain.skills import all_skills
from desktop_app.local_server.brain.wording import figures, several, spoken, tidy
from desktop_app.local_server.engines import FunctionCall, Message, MessageRole, Tool

_LONGEST = 400
"""Characters of a request; a longer one is no clear request, and the patterns need not see it."""
_FURTHEST = 3
"""How many requests back a follow-up of follow-ups may reach."""
DOUBTFUL = -0.55
"""Below this sureness of the recognition, nothing is done or stated before the user has said yes to it.

Of 336 requests spoken by our voices, half of them in noise, 1 % of what was answered rightly lay below, and 4 of
the 8 that would have been answered wrongly (tests/bench/requests.py)."""
_DID_YOU_SAY = "Did you say:"
_YES = re.compile(
    r"^(?:(?:yes|yeah|yep|yup|sure|right|correct|exactly|i did|that is right|of course|indeed|please"
    r"|it is|do it|that is it)\s?)+$"
)
_NO = re.compile(r"^(?:no|nope|nah|not at all|i did not|that is wrong|wrong|not quite)(?: .{1,20})?$")
_ANOTHER = re.compile(
    r"^(?:then |also )*(?:another|a second|a third|1|one)(?: (?:one|1|timer|more))?(?= (?:for|of|in|with)\b)",
    re.IGNORECASE,
)
"""What stands for "set a timer" behind a request that set one."""
_KIND = re.compile(r"\b(timer|alarm|reminder|remind)\b", re.IGNORECASE)
_THEN = re.compile(r"^(?=(?:at|in|on|tomorrow)\b)", re.IGNORECASE)


def local_now() -> dt.datetime:
    """Return the present moment in the time zone of this computer, with its IANA name if it has one."""
    try:
        return dt.datetime.now(tzlocal.get_localzone())
    except (LookupError, ValueError, OSError):  # a zone nobody has heard of, or settings that contradict each other
        return dt.datetime.now().astimezone()


class Router:
    """Answers by skills."""

    def __init__(
        self,
        skills: Sequence[Skill] | None = None,
        *,
        now: Callable[[], dt.datetime] = local_now,
        chance: random.Random | None = None,
    ) -> None:
        """Build the skills unless given, which takes half a second: do it in a thread.

        `now` returns an aware moment in the user's time zone.
        """
        self._skills = skills if skills is not None else all_skills(chance or random.Random())
        self._now = now

    def answer(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> Answer | None:
        """Return the answer to the last message, or None if it is not a clear request. Takes milliseconds."""
        if not messages:
            return None
        if messages[-1].role is MessageRole.TOOL:
            return self._outputs(messages)
        if messages[-1].role is not MessageRole.USER:
            return None
        if asked := _asked_back(messages):
            if _YES.match(tidy(messages[-1].text)):
                return self._answer(asked, tools, reach=_FURTHEST)
            if _NO.match(tidy(messages[-1].text)):
                return Answer("Sorry. Please say it once more.")
        answer = self._answer(messages, tools, reach=_FURTHEST)
        if answer is not None and answer.exact and messages[-1].sureness < DOUBTFUL:
            return Answer(f"{_DID_YOU_SAY} {messages[-1].text.strip().rstrip('.!?')}?")
        return answer

    async def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> AsyncIterator[str | FunctionCall]:
        """Yield the answer or the calls; nothing if the request is declined. `max_tokens` does not matter."""
        if answer := self.answer(messages, tools):
            for call in answer.calls:
                yield call
            if answer.text:
                yield answer.text

    def _answer(self, messages: Sequence[Message], tools: Sequence[Tool], *, reach: int) -> Answer | None:
        text = messages[-1].text
        if not spoken(text) or len(text) > _LONGEST:
            return None
        request = self._request(text, messages[:-1], tools)
        whole = self._by_skill(request)
        if whole is not None and whole.exact:
            return whole
        return self._by_parts(request) or whole or self._by_follow_up(request, messages, reach)

    def _request(self, text: str, earlier: Sequence[Message], tools: Sequence[Tool]) -> Request:
        said = tidy(text)
        return Request(text, spoken(text), said, figures(said), self._now(), tools, earlier)

    def _by_skill(self, request: Request) -> Answer | None:
        for skill in self._skills:
            if answer := skill.answer(request):
                return answer
        return None

    def _by_parts(self, request: Request) -> Answer | None:
        """Answer "Thanks! And what's 5 times 6?" and several requests at once, if every one can be answered."""
        alone: dict[str, Answer | None] = {}
        second_best: list[Answer] = []
        for parts in several(request.text):
            answers: list[Answer] = []
            for number, part in enumerate(parts):
                answer = self._part(part, request, parts[:number], answers, alone)
                if answer is None:
                    break
                answers.append(answer)
            else:
                if all(answer.exact or answer.courtesy for answer in answers):
                    return _together(answers)
                second_best = second_best or answers
        return _together(second_best) if second_best else None

    def _part(
        self,
        part: str,
        whole: Request,
        before: Sequence[str],
        answers: Sequence[Answer],
        alone: dict[str, Answer | None],
    ) -> Answer | None:
        """Answer one of several requests; it may lean on those before ("and another one for ten minutes").

        `alone` keeps what was found for parts by themselves: the ways to part a sentence have many in common.
        """
        if before and (kind := _KIND.search(before[-1])):
            part = _ANOTHER.sub(f"set a {kind[1].lower()}", part)
            part = _THEN.sub("remind me ", part) if kind[1].lower().startswith("remind") else part
        request = self._request(part, whole.earlier, whole.tools)
        if part not in alone:
            alone[part] = self._by_skill(request)
        if answer := alone[part]:
            return answer
        if answers and answers[-1].frame is not None:
            return self._by_skill(replace(request, before=answers[-1]))
        return None

    def _by_follow_up(self, request: Request, messages: Sequence[Message], reach: int) -> Answer | None:
        previous = next(
            (at for at in range(len(messages) - 2, -1, -1) if messages[at].role is MessageRole.USER), None
        )
        if previous is None or reach == 0 or len(request.said.split()) > 8:
            return None
        before = self._answer(messages[: previous + 1], request.tools, reach=reach - 1)
        if before is None or before.frame is None:
            return None
        return self._by_skill(replace(request, before=before))

    def _outputs(self, messages: Sequence[Message]) -> Answer:
        """Say what the tools returned that stand at the end."""
        first = len(messages)
        while first and messages[first - 1].role is MessageRole.TOOL:
            first -= 1
        calls = {call.call_id: call for message in messages[:first] for call in message.calls}
        said = [say_output(message.text, calls.get(message.call_id)) for message in messages[first:]]
        return Answer(" ".join(said), exact=False)


def _asked_back(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the conversation up to the request that was doubtful, if the last answer asked back for it."""
    if len(messages) < 3 or not messages[-2].text.startswith(_DID_YOU_SAY):
        return ()
    if messages[-3].role is not MessageRole.USER:
        return ()
    return (*messages[:-3], replace(messages[-3], sureness=0.0))


def _together(answers: Sequence[Answer]) -> Answer:
    """Make one answer of several; courtesies are left out beside what was asked."""
    asked = [answer for answer in answers if not answer.courtesy] or answers[-1:]
    calls = tuple(call for answer in asked for call in answer.calls)
    text = " ".join(answer.text for answer in asked if answer.text)
    return Answer(text, calls, asked[-1].frame, all(answer.exact for answer in asked))
