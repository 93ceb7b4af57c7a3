"""Everyday requests as typed, what looks like them, and what was hardly heard."""

from __future__ import annotations

from collections import Counter

import pytest

from desktop_app.local_server.brain.brain import Brain
from desktop_app.local_server.brain.router import DOUBTFUL
from desktop_app.local_server.engines import Message, MessageRole
from tests.local_server.brain.asking import ask, assistant, router, user
from tests.local_server.brain.client_tools import client_tools
from tests.local_server.brain.everyday import BEYOND, EVERYDAY, Asked
from tests.local_server.brain.judging import HONEST, Verdict, answered, judge
from tests.local_server.brain.near_misses import NEAR_MISSES


@pytest.mark.parametrize("asked", [*EVERYDAY, *BEYOND], ids=lambda asked: asked.text)
async def test_never_wrong_with_confidence(asked: Asked) -> None:
    text, calls = await answered(Brain(router()), asked, asked.text, client_tools())
    assert judge(asked, text, calls) is not Verdict.WRONG, (text, calls)


async def test_at_least_95_of_100_are_answered() -> None:
    brain = Brain(router())
    verdicts = [judge(asked, *await answered(brain, asked, asked.text, client_tools())) for asked in EVERYDAY]
    assert len(EVERYDAY) == 100
    assert Counter(verdicts)[Verdict.RIGHT] >= 95


@pytest.mark.parametrize("phrase", NEAR_MISSES)
@pytest.mark.parametrize("offered", [True, False], ids=["with tools", "without"])
def test_what_only_looks_like_a_request_is_left_alone(phrase: str, offered: bool) -> None:
    answer = ask(phrase, tools=client_tools() if offered else ())
    assert answer is None or (HONEST.search(answer.text) and not answer.calls), answer


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Divide 1,000 by 60.", "Did you say: Divide 1,000 by 60?"),
        ("Set a timer for five minutes.", "Did you say: Set a timer for five minutes?"),
        ("Good morning!", "Good morning! What can I do for you?"),  # does no harm
    ],
)
async def test_what_was_hardly_heard_is_asked_back(text: str, said: str) -> None:
    asked = Asked(text)
    assert await answered(Brain(router()), asked, text, client_tools(), sureness=DOUBTFUL - 0.1) == (said, [])
    assert (await answered(Brain(router()), asked, text, client_tools(), sureness=DOUBTFUL + 0.1))[0] != said or (
        text == "Good morning!"
    )


async def test_what_was_hardly_heard_and_is_no_request_is_not_chatted_about() -> None:
    text, calls = await answered(Brain(router()), Asked(""), "We're currently doing the use.", (), sureness=-0.9)
    assert text == "I'm not sure I understood you. Could you say that again?"
    assert not calls


def test_yes_lets_it_be_done_and_no_does_not() -> None:
    doubtful = Message(MessageRole.USER, "Divide 1,000 by 16.", sureness=-0.9)
    back = router().answer([doubtful])
    assert back is not None
    conversation = [doubtful, assistant(back.text)]
    for yes in ("Yes.", "Yeah, right.", "Yes, please!", "exactly"):
        answer = router().answer([*conversation, user(yes)])
        assert answer is not None
        assert answer.text == "That's 62.5."
    for no in ("No.", "Nope", "no, I didn't"):
        answer = router().answer([*conversation, user(no)])
        assert answer is not None
        assert answer.text == "Sorry. Please say it once more."
    other = router().answer([*conversation, user("What's 5 plus 5?")])
    assert other is not None
    assert other.text == "5 plus 5 is 10."
