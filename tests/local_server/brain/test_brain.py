"""Who answers what, in which order, and what is said when nobody can."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from desktop_app.errors import ConnectionFailed, KeyRejected, ParleyError
from desktop_app.local_server.brain.brain import Brain
from desktop_app.local_server.brain.questions import Kind, kind_of
from desktop_app.local_server.engines import FunctionCall, LanguageModel, Message, MessageRole, Tool
from tests.local_server.brain.asking import SET_TIMER, router, user


class Scripted:
    """A language model that says what it is told to, and remembers whether it was asked."""

    def __init__(self, *pieces: str | FunctionCall, error: ParleyError | None = None) -> None:
        self.pieces = pieces
        self.error = error
        self.asked: list[str] = []

    async def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> AsyncIterator[str | FunctionCall]:
        self.asked.append(messages[-1].text)
        for piece in self.pieces:
            yield piece
        if self.error:
            raise self.error


async def replies(brain: LanguageModel, text: str, *, tools: Sequence[Tool] = ()) -> str:
    return "".join([str(piece) async for piece in brain.reply([user(text)], tools=tools)])


async def test_the_router_answers_first() -> None:
    endpoint, small = Scripted("wrong"), Scripted("wrong")
    brain = Brain(router(), endpoint=endpoint, small_talk=small)
    assert await replies(brain, "What's 17 times 4?") == "17 times 4 is 68."
    assert not endpoint.asked + small.asked


async def test_a_timer_becomes_a_call_without_asking_anybody() -> None:
    brain = Brain(router(), endpoint=Scripted("wrong"))
    pieces = [piece async for piece in brain.reply([user("Set a timer for 5 minutes")], tools=[SET_TIMER])]
    assert pieces == [FunctionCall("set_timer", '{"seconds": 300}')]


async def test_the_endpoint_answers_what_the_router_cannot() -> None:
    brain = Brain(router(), endpoint=Scripted("William ", "Shakespeare."), small_talk=Scripted("wrong"))
    assert await replies(brain, "Who wrote Hamlet?") == "William Shakespeare."


async def test_the_endpoint_greets_better_than_a_fixed_line() -> None:
    assert await replies(Brain(router(), endpoint=Scripted("Ahoy!")), "Hello!") == "Ahoy!"
    assert (await replies(Brain(router()), "Hello!")).startswith("Hello!")


async def test_the_endpoint_speaks_of_what_its_tools_returned() -> None:
    conversation = [
        user("What's my horoscope?"),
        Message(MessageRole.ASSISTANT, calls=(FunctionCall("f", "{}", "call_1"),)),
        Message(MessageRole.TOOL, '{"sign": "Aries"}', call_id="call_1"),
    ]
    endpoint = Scripted("You are an Aries.")
    said = [piece async for piece in Brain(router(), endpoint=endpoint).reply(conversation)]
    assert said == ["You are an Aries."]
    said = [piece async for piece in Brain(router()).reply(conversation)]
    assert said == ["The sign is Aries."]


async def test_a_failing_endpoint_is_reported_and_not_papered_over() -> None:
    error = ConnectionFailed("I could not reach the model at localhost:1.")
    small = Scripted("He did, I think.")
    said = await replies(Brain(router(), endpoint=Scripted(error=error), small_talk=small), "Who wrote Hamlet?")
    assert said == "I could not reach the model at localhost:1. Without the connected model I can't help with that."
    assert not small.asked


async def test_a_failure_is_told_once_until_something_changes() -> None:
    unreachable = Scripted(error=ConnectionFailed("It is not there."))
    brain = Brain(router(), endpoint=unreachable)
    assert (await replies(brain, "Who wrote Hamlet?")).startswith("It is not there. ")
    assert "not there" not in await replies(brain, "Who wrote Hamlet?")
    unreachable.error = KeyRejected("The key is wrong.")
    assert (await replies(brain, "Who wrote Hamlet?")).startswith("The key is wrong. ")
    unreachable.pieces, unreachable.error = ("Shakespeare.",), None
    assert await replies(brain, "Who wrote Hamlet?") == "Shakespeare."
    unreachable.pieces, unreachable.error = (), KeyRejected("The key is wrong.")
    assert (await replies(brain, "Who wrote Hamlet?")).startswith("The key is wrong. ")
    brain.endpoint = Scripted(error=KeyRejected("The key is wrong."))
    assert (await replies(brain, "Who wrote Hamlet?")).startswith("The key is wrong. ")


async def test_small_talk_goes_on_when_the_endpoint_fails() -> None:
    error = KeyRejected("example.org did not accept the API key.")
    brain = Brain(router(), endpoint=Scripted(error=error), small_talk=Scripted("Lovely."))
    assert (
        await replies(brain, "We went swimming with my sister.")
        == "example.org did not accept the API key. Lovely."
    )


async def test_an_answer_that_breaks_off_says_so_and_is_not_continued_by_another() -> None:
    broken = Scripted("To be or", error=ConnectionFailed("The connection broke off."))
    said = await replies(Brain(router(), endpoint=broken, small_talk=Scripted("wrong")), "Recite Hamlet.")
    assert said == "To be or The connection broke off."


async def test_an_endpoint_that_says_nothing_is_not_heard_as_silence() -> None:
    said = await replies(Brain(router(), endpoint=Scripted()), "Who wrote Hamlet?")
    assert said.startswith("The connected model gave no answer.")


@pytest.mark.parametrize(
    "question",
    [
        "Who wrote Hamlet?",
        "What's the highest mountain of France?",
        "How many people voted in Brazil?",
        "Why is the sky blue?",
        "Tell me about the Roman empire.",
        "Is Paris romantic?",
        "Do you know who invented the telephone?",
        "I wonder who invented the telephone.",
        "Translate hello into French.",
        "the king of Spain",
        "Paris is the capital of Italy.",
    ],
)
async def test_the_small_model_is_never_asked_for_a_fact(question: str) -> None:
    small = Scripted("Confidently wrong.")
    said = await replies(Brain(router(), small_talk=small), question)
    assert not small.asked
    assert "offline" in said.lower() or "settings" in said


@pytest.mark.parametrize("chat", ["We went swimming with my sister.", "I love my garden.", "Do you like music?"])
async def test_small_talk_goes_to_the_small_model(chat: str) -> None:
    assert await replies(Brain(router(), small_talk=Scripted("How nice.")), chat) == "How nice."


async def test_small_talk_without_a_model_or_a_word_from_it() -> None:
    for brain in (Brain(router()), Brain(router(), small_talk=Scripted())):
        assert await replies(brain, "I love my garden.")


async def test_the_honest_sentence_varies_and_names_the_way_out() -> None:
    said = set()
    conversation = []
    for _ in range(3):
        conversation += [user("Who wrote Hamlet?")]
        said.add("".join([str(piece) async for piece in Brain(router()).reply(conversation)]))
    assert len(said) == 3
    assert all("settings" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Wie spät ist es?", Kind.FOREIGN),
        ("Quelle heure est-il ?", Kind.FOREIGN),
        ("¿Qué hora es?", Kind.FOREIGN),
        ("今何時ですか", Kind.FOREIGN),
        ("What's the time in Las Vegas?", Kind.FACT),
        ("Los Angeles", Kind.FACT),
        ("um", Kind.NOTHING),
        ("...", Kind.NOTHING),
        ("", Kind.NOTHING),
        ("maybe", Kind.UNCLEAR),
        ("What a beautiful day!", Kind.SMALL_TALK),
        ("I'm going to Paris next week!", Kind.SMALL_TALK),
        ("Do you think it will rain?", Kind.FACT),
        ("Turn the lights off.", Kind.TASK),
        ("Can you recommend a book?", Kind.TASK),
        ("Money is the root of all evil.", Kind.STATEMENT),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    assert kind_of(text) is kind


async def test_what_is_to_be_made_of_a_conversation_is_declined_and_not_misheard() -> None:
    """A summary, a title: the last word is the assistant's own, and the instructions ask for it."""
    system = Message(MessageRole.SYSTEM, "Summarise this conversation in at most five short sentences.")
    said = [system, user("What is two plus two?"), Message(MessageRole.ASSISTANT, "It is four.")]
    answer = "".join([str(piece) async for piece in Brain(router()).reply(said)])
    assert "model" in answer
    assert "didn't hear" not in answer
    endpoint = Scripted("They did sums.")
    answer = "".join([str(piece) async for piece in Brain(router(), endpoint=endpoint).reply(said)])
    assert answer == "They did sums."


async def test_nobody_asked_nothing_breaks() -> None:
    assert [piece async for piece in Brain(router()).reply([])]


async def test_leaving_early_closes_the_model_that_is_talking() -> None:
    closed: list[str] = []

    class Endless(Scripted):
        async def reply(
            self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
        ) -> AsyncIterator[str | FunctionCall]:
            try:
                while True:
                    yield "on and "
            finally:
                closed.append(messages[-1].text)

    for brain in (Brain(router(), endpoint=Endless()), Brain(router(), small_talk=Endless())):
        reply = brain.reply([user("I love my garden.")])
        assert await anext(reply) == "on and "
        await reply.aclose()  # type: ignore[attr-defined]
    assert closed == ["I love my garden."] * 2
