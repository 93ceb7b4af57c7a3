"""The brain: asks one after the other, until somebody answers.

    1. the router          clear requests, exactly, in a millisecond
    2. the chat endpoint   whatever the user connected; if it fails, that is said, and the next one is asked
    3. the router's lines  greetings and the like, which a large model would have said better
    4. small talk          a very small model, and only for what cannot be answered wrongly
    5. an honest sentence  "I can't answer that offline", and what would help

A question of fact goes from 2 straight to 5: nothing is stated here that cannot be backed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import assert_never

from desktop_app.errors import ParleyError
from desktop_app.local_server.brain.questions import Kind, kind_of
from desktop_app.local_server.brain.router import DOUBTFUL, Router
from desktop_app.local_server.brain.skill import Answer
from desktop_app.local_server.engines import FunctionCall, LanguageModel, Message, MessageRole, Tool

_log = logging.getLogger(__name__)

_FACT = (
    "I can't answer that offline. Connect a model in the settings, or use an API key.",
    "I don't know that, and I won't guess. A larger model, connected in the settings, could tell you.",
    "That's beyond what I know offline. With a model or an API key in the settings I could answer.",
)
_TASK = (
    "I can't do that offline. Connect a model in the settings, or use an API key.",
    "That's more than I can do by myself. It would take a larger model, connected in the settings.",
)
_STATEMENT = ("I can't say much about that offline.", "Offline I can't tell whether that's so.")
_FOREIGN = (
    "I only speak English offline. For other languages, connect a model in the settings or use an API key.",
)
_UNCLEAR = ("I'm not sure what you mean. Could you say it in a whole sentence?",)
_NOTHING = ("I didn't hear any words. Could you say that again?",)
_NO_ANSWER = "The connected model gave no answer."
_DOUBTFUL_WORDS = "I'm not sure I understood you. Could you say that again?"
_LISTENING = (
    "I see. Tell me more.",
    "I'm listening, though I'm only a small offline assistant.",
    "Good to know. What can I do for you?",
)


class Brain:
    """A `LanguageModel` made of several: the order above."""

    def __init__(
        self,
        router: Router,
        *,
        endpoint: LanguageModel | None = None,
        small_talk: LanguageModel | None = None,
    ) -> None:
        """`endpoint` is what the user connected; `small_talk` a model too small to be asked anything."""
        self._router = router
        self.endpoint = endpoint
        """May be replaced at any time; the next reply uses it."""
        self._said_of: tuple[LanguageModel, str] | None = None
        """The endpoint that last failed, and what was said of it."""
        self.small_talk = small_talk
        """Set when its weights have been loaded, which takes longer than the rest."""

    async def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> AsyncIterator[str | FunctionCall]:
        """Yield the answer of the first one who has one. Never fails for what a person could mend."""
        answer = self._router.answer(messages, tools)
        endpoint = self.endpoint
        if endpoint is not None and (answer is None or not answer.exact):
            said, remark = False, _NO_ANSWER
            try:
                async with _closing(endpoint.reply(messages, tools=tools, max_tokens=max_tokens)) as pieces:
                    async for piece in pieces:
                        said = True
                        yield piece
            except ParleyError as error:
                _log.warning("chat endpoint: %s", error)
                remark = error.sentence
                if said:
                    yield f" {remark}"
            if said:
                self._said_of = None
                return
            if self._said_of != (endpoint, remark):  # once, not at every request
                self._said_of = (endpoint, remark)
                yield f"{remark} "
        if answer is not None:
            for part in _pieces(answer):
                yield part
            return
        rest = self._without_answer(messages, max_tokens, endpoint_failed=endpoint is not None)
        async with _closing(rest) as pieces:
            async for piece in pieces:
                yield piece

    async def _without_answer(
        self, messages: Sequence[Message], max_tokens: int | None, *, endpoint_failed: bool
    ) -> AsyncIterator[str | FunctionCall]:
        """Make small talk, or say honestly that there is no answer."""
        text = messages[-1].text if messages and messages[-1].role is MessageRole.USER else ""
        if text and messages[-1].sureness < DOUBTFUL:
            yield _DOUBTFUL_WORDS
            return
        turn = sum(message.role is MessageRole.USER for message in messages)
        match _kind(messages):
            case Kind.SMALL_TALK:
                said = False
                if self.small_talk is not None:
                    async with _closing(self.small_talk.reply(messages, max_tokens=max_tokens)) as pieces:
                        async for piece in pieces:
                            said = True
                            yield piece
                if not said:
                    yield _LISTENING[turn % len(_LISTENING)]
            case Kind.FACT | Kind.TASK | Kind.STATEMENT | Kind.FOREIGN if endpoint_failed:
                yield "Without the connected model I can't help with that."
            case Kind.FACT:
                yield _FACT[turn % len(_FACT)]
            case Kind.TASK:
                yield _TASK[turn % len(_TASK)]
            case Kind.STATEMENT:
                yield _STATEMENT[turn % len(_STATEMENT)]
            case Kind.FOREIGN:
                yield _FOREIGN[0]
            case Kind.UNCLEAR:
                yield _UNCLEAR[0]
            case Kind.NOTHING:
                yield _NOTHING[0]
            case unexpected:
                assert_never(unexpected)


def _kind(messages: Sequence[Message]) -> Kind:
    """Return what is asked; of a conversation whose last word is not the user's, something is to be made."""
    if messages and messages[-1].role is MessageRole.ASSISTANT:
        return Kind.TASK
    return kind_of(messages[-1].text if messages and messages[-1].role is MessageRole.USER else "")


@asynccontextmanager
async def _closing(
    pieces: AsyncIterator[str | FunctionCall],
) -> AsyncIterator[AsyncIterator[str | FunctionCall]]:
    """Close a generator as soon as we are left: a model that goes on for nobody keeps a core busy."""
    try:
        yield pieces
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


def _pieces(answer: Answer) -> Sequence[str | FunctionCall]:
    return (answer.text, *answer.calls) if answer.text else answer.calls
