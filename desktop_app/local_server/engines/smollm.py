"""SmolLM2-135M by llama.cpp: small talk and nothing else.

Of ten questions of fact it answers three rightly and the others just as fluently, so nobody may ask it one:
the brain gives it chit-chat only, and what it says is cut at two sentences, at a repetition, and before
anything that sounds like a fact (a figure, a name nobody mentioned, a link).

Generation runs in a thread of its own and is stopped within a token when the reader goes away. One thread
computes: with two on a busy machine of two cores, llama.cpp's threads wait for each other by spinning, and 90
tokens per second became 2. `xllamacpp` also opens a port on the loopback address; a random key closes it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

from desktop_app.errors import WeightsError
from desktop_app.local_server.engines import FunctionCall, Message, MessageRole, Tool

_MOST_TOKENS = 60
_MOST_SENTENCES = 2
_CONTEXT_TOKENS = 1024
_REMEMBERED = 4
"""Messages of the conversation it sees; more only confuses it."""
_PERSONA = (
    "You are a friendly listener. You react to what the user says in one short sentence, then "
    "ask one short question "
    "question about it. You never give facts, numbers, names or advice."
)
_EXAMPLES = (
    ("I like chocolate.", "Chocolate is a lovely treat. Do you like it dark or sweet?"),
    ("I had a long day at work.", "That sounds tiring. What kept you so busy?"),
    ("We went to the lake on Sunday.", "That sounds like a nice trip. Did you go swimming?"),
)
"""Shown to it as a conversation before the user's: a model this small follows examples, not instructions."""
_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=\S)")
_LINK = re.compile(r"https?:|www\.|@|\.com\b")
_OWN_NAMES = frozenset(["i", "i'm", "i'd", "i'll", "i've"])
_PRETENCE = re.compile(
    r"\b(?:my|mine|our|ours|us|we|we're|we've|me|as an?|i was|i've|i went|i used|i (?:love|like|enjoy|live|work)|"
    r"he|he's|she|she's|they|they're|they've|his|her|their)\b"
    r"|[()*:;]|\.\.\.|…",
    re.IGNORECASE,
)
"""A life it does not have, or one it cannot know: "my guitar", "she has been called to the hospital"."""
_MOST_WORDS = 22

Emit = Callable[[str | None], None]


class SmolLM:
    """A `LanguageModel` for small talk; offers no function calls."""

    label = "SmolLM2-135M, for small talk only"
    """What the window may call it."""

    def __init__(self, weights: Path) -> None:
        """Load the GGUF file, which takes about a second: do it in a thread.

        Raises `WeightsError` if the file or the runtime is missing, or is no model.
        """
        self._server = _load(weights)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="smollm")

    def close(self) -> None:
        """Wait for the last token and give the memory back."""
        self._thread.shutdown(cancel_futures=True)
        self._server = None

    async def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> AsyncIterator[str | FunctionCall]:
        """Yield at most two sentences, each when it is complete; perhaps none. `tools` are not used."""
        if self._server is None:
            raise RuntimeError("SmolLM is closed")
        guard = _Guard(messages)
        most = min(max_tokens or _MOST_TOKENS, _MOST_TOKENS)
        async with aclosing(self._tokens(_chat(messages), most)) as tokens:
            async for piece in tokens:
                for sentence in guard.feed(piece):
                    yield sentence
                if guard.done:
                    return
        for sentence in guard.finish():
            yield sentence

    async def _tokens(self, chat: list[dict[str, str]], most: int) -> AsyncGenerator[str, None]:
        """Yield the raw text as it is generated; closing this generator stops the model."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        stop = threading.Event()

        def emit(piece: str | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        work = loop.run_in_executor(self._thread, self._generate, chat, most, emit, stop)
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            await work
        finally:
            # Not awaited: the thread leaves its call within a token, and the next reply queues behind it.
            stop.set()
            work.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _generate(self, chat: list[dict[str, str]], most: int, emit: Emit, stop: threading.Event) -> None:
        """Run in the thread: hand over every piece, and None at the end."""

        def take(chunk: dict[str, Any]) -> bool:
            for choice in chunk.get("choices") or ():
                if text := (choice.get("delta") or {}).get("content"):
                    emit(text)
            return stop.is_set()  # True ends the generation

        try:
            if not stop.is_set():
                assert self._server is not None
                self._server.handle_chat_completions(_request(chat, most), take)
        finally:
            emit(None)


def _load(weights: Path) -> Any:
    if not weights.is_file():
        raise WeightsError(
            f"The small language model is missing: {weights.name}.", "Fetch the offline models anew."
        )
    if importlib.util.find_spec("xllamacpp") is None:
        raise WeightsError("The runtime of the small language model is not installed.", "Install parley[local].")
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights)
    settings.n_ctx = _CONTEXT_TOKENS
    settings.n_parallel = 1
    settings.cpuparams.n_threads = 1
    settings.cpuparams_batch.n_threads = 1
    settings.use_jinja = True
    settings.warmup = True
    settings.verbosity = -1
    settings.api_keys = [secrets.token_urlsafe(32)]
    try:
        return xllamacpp.Server(settings)
    except Exception as error:  # whatever llama.cpp finds wrong with the file comes as a bare RuntimeError
        raise WeightsError(f"The small language model cannot be read: {weights.name}.", "Fetch it anew.") from error


def _chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return what the model sees: our persona instead of the client's instructions, and the last few turns."""
    spoken = [m for m in messages if m.role in (MessageRole.USER, MessageRole.ASSISTANT) and m.text][-_REMEMBERED:]
    chat = [{"role": "system", "content": _PERSONA}]
    for said, answered in _EXAMPLES:
        chat += [{"role": "user", "content": said}, {"role": "assistant", "content": answered}]
    for message in spoken:
        # The template wants user and assistant in turn; the user may have spoken twice.
        if chat[-1]["role"] == message.role.value:
            chat[-1]["content"] += f" {message.text[-400:]}"
        else:
            chat.append({"role": message.role.value, "content": message.text[-400:]})
    return chat


def _request(chat: list[dict[str, str]], most: int) -> dict[str, Any]:
    return {
        "messages": chat,
        "max_tokens": most,
        "temperature": 0.2,
        "top_p": 0.9,
        "min_p": 0.05,
        "repeat_penalty": 1.1,
        "repeat_last_n": 128,
        "stream": True,
        "cache_prompt": True,
    }


class _Guard:
    """Lets whole sentences through while they are short, new, and no statement of fact."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.done = False
        self._pending = ""
        self._said: list[str] = []
        self._known = {word.lower() for message in messages for word in re.findall(r"[\w']+", message.text)}

    def feed(self, piece: str) -> list[str]:
        """Take a piece of raw text; return the sentences that may be said."""
        self._pending += piece
        if _loops(self._pending):
            self.done = True
            return []
        *complete, self._pending = _END.split(self._pending)
        return self._let_through(complete)

    def finish(self) -> list[str]:
        """Return the last sentence, if it was finished."""
        rest = self._pending.strip()
        return self._let_through([rest] if re.search(r"[.!?][\"')]?$", rest) else [])

    def _let_through(self, sentences: Sequence[str]) -> list[str]:
        passed = []
        for sentence in sentences:
            text = " ".join(sentence.split())
            if self.done or not text:
                break
            if not self._harmless(text):
                self.done = True
                break
            self._said.append(text)
            passed.append(text if len(self._said) == 1 else f" {text}")
            self.done = len(self._said) == _MOST_SENTENCES
        return passed

    def _harmless(self, text: str) -> bool:
        if (
            re.search(r"\d", text)
            or _LINK.search(text)
            or _PRETENCE.search(text)
            or len(text.split()) > _MOST_WORDS
            or text in self._said
        ):
            return False
        names = re.findall(r"(?<=[a-z,;] )[A-Z][\w']+", text)
        return all(name.lower() in self._known or name.lower() in _OWN_NAMES for name in names)


def _loops(text: str) -> bool:
    """Whether the end repeats itself: "woah, woah, woah, woah", or four words and more said twice in a row."""
    words = re.findall(r"[\w']+", text.lower())
    if len(words) >= 4 and len(set(words[-4:])) == 1:
        return True
    thrice = any(words[-n:] == words[-2 * n : -n] == words[-3 * n : -2 * n] for n in (2, 3))
    return thrice or any(len(words) >= 2 * n and words[-n:] == words[-2 * n : -n] for n in range(4, 9))
