"""One turn: speech → text → reply → speech, as chained async generators; cancelled by cancelling its task.

Nothing is collected on the way: the voice starts with the first clause while the rest is still being written,
and its audio goes out as fast as it is made, which is much faster than it is played. So the client knows what
was heard and the server must know which words that was: text is handed to the voice word by word, and audio
that comes back after the voice has taken some words speaks those words (save the one it needs to look ahead).

Engines load while the server already listens; whoever needs one waits for it, for a while.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from desktop_app.errors import ParleyError
from desktop_app.local_server.engines import (
    FunctionCall,
    LanguageModel,
    SpeechToText,
    TextToSpeech,
    VoiceActivity,
)
from desktop_app.local_server.orders import (
    Called,
    Ended,
    Failed,
    Generate,
    NotUnderstood,
    Recognise,
    Report,
    Sound,
    Understood,
    VoiceUnavailable,
    Words,
)
from desktop_app.local_server.sound import SpeechEncoder, for_recognition

T = TypeVar("T")

PATIENCE_S = 20.0
"""How long a turn waits for an engine that is still loading."""
SILENCE_S = 60.0
"""How long a reply may stand still."""
CHUNK_MS = 100
"""How much audio a delta carries."""
_WORDS = re.compile(r"\s*\S+|\s+")
_LAST_WORD = re.compile(r"\s*\S*\Z")

_log = logging.getLogger(__name__)


class Slot(Generic[T]):
    """The place of an engine that is there, is being loaded, or will not come."""

    def __init__(self, name: str) -> None:
        """`name` stands in a sentence: "The speech recognition is still being loaded."."""
        self.name = name
        self.progress = ""
        """How far it is, as part of a sentence: "34 of 142 MB"."""
        self._engine: T | None = None
        self._failure: ParleyError | None = None
        self._decided = asyncio.Event()

    @classmethod
    def of(cls, engine: T, name: str = "engine") -> Slot[T]:
        """Return the slot of an engine that is there."""
        slot = cls(name)
        slot.fill(engine)
        return slot

    @classmethod
    def without(cls, sentence: str, hint: str = "", *, name: str = "engine") -> Slot[T]:
        """Return the slot of an engine that will not come."""
        slot = cls(name)
        slot.fail(ParleyError(sentence, hint))
        return slot

    def fill(self, engine: T) -> None:
        """The engine is there; also after a failure."""
        self._engine, self._failure = engine, None
        self._decided.set()

    def fail(self, failure: ParleyError) -> None:
        """The engine will not come."""
        self._failure = failure
        self._decided.set()

    @property
    def engine(self) -> T | None:
        """The engine, if it is there."""
        return self._engine

    async def get(self, within_s: float = PATIENCE_S) -> T:
        """Return the engine; raises `ParleyError` if it will not come or is not there in time."""
        try:
            async with asyncio.timeout(within_s):
                await self._decided.wait()
        except TimeoutError:
            far = f" ({self.progress})" if self.progress else ""
            raise ParleyError(f"The {self.name} is still being loaded{far}.", "Try again in a moment.") from None
        if self._engine is None:
            assert self._failure is not None
            raise self._failure
        return self._engine


@dataclass(frozen=True, slots=True)
class Engines:
    """Everything a turn needs."""

    voice_activity: Slot[Callable[[], VoiceActivity]]
    """Makes a detector, one per stream."""
    speech_to_text: Slot[SpeechToText]
    text_to_speech: Slot[TextToSpeech]
    language_model: Slot[LanguageModel]


# --- hearing ------------------------------------------------------------------------------------


async def understand(order: Recognise, engines: Engines) -> Understood | NotUnderstood:
    """Recognise speech; a draft does not wait for an engine that is still loading."""
    try:
        engine = await engines.speech_to_text.get(0.0 if order.draft else PATIENCE_S)
        audio = await asyncio.to_thread(for_recognition, order.audio, order.format)
        language = order.language.partition("-")[0].lower() if order.language else None
        try:
            recognised = await engine.transcribe(audio, language=language, draft=order.draft)
        except ValueError:  # a language the model does not know
            recognised = await engine.transcribe(audio, draft=order.draft)
    except ParleyError as error:
        return NotUnderstood(order.job, "speech_recognition_unavailable", str(error))
    except Exception:
        _log.exception("recognition failed")
        return NotUnderstood(order.job, "server_error", "The speech could not be recognised.")
    return Understood(order.job, recognised.text.strip(), recognised.log_probability)


# --- answering ----------------------------------------------------------------------------------


async def answer(order: Generate, engines: Engines) -> AsyncIterator[Report]:
    """Yield the answer as it is found and spoken; the last report is `Ended` or `Failed`."""
    try:
        async with _closing(_answer(order, engines)) as reports:
            async for report in reports:
                yield report
        yield Ended(order.response_id)
    except ParleyError as error:
        yield Failed(order.response_id, "server_error", str(error))
    except TimeoutError:
        yield Failed(order.response_id, "server_error", "The model did not answer in time.")
    except Exception:
        _log.exception("the answer failed")
        yield Failed(order.response_id, "server_error", "Something went wrong while answering.")


async def _answer(order: Generate, engines: Engines) -> AsyncIterator[Report]:
    voice: TextToSpeech | None = None
    if order.spoken:
        try:
            voice = await engines.text_to_speech.get()
        except ParleyError as error:
            yield VoiceUnavailable(order.response_id, error.sentence)
    async with _closing(_reply(order, engines)) as reply:
        reports = _written(order, reply) if voice is None else _spoken(order, reply, voice)
        async with _closing(reports) as told:
            async for report in told:
                yield report


async def _reply(order: Generate, engines: Engines) -> AsyncIterator[str | FunctionCall]:
    if order.verbatim is not None:
        yield order.verbatim
        return
    model = await engines.language_model.get()
    reply = model.reply(order.messages, tools=order.tools, max_tokens=order.max_tokens)
    async with _closing(reply) as pieces:
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            yield piece


async def _written(order: Generate, reply: AsyncIterator[str | FunctionCall]) -> AsyncIterator[Report]:
    async for piece in reply:
        if isinstance(piece, FunctionCall):
            yield Called(order.response_id, piece)
        elif piece:
            yield Words(order.response_id, piece)


async def _spoken(
    order: Generate, reply: AsyncIterator[str | FunctionCall], voice: TextToSpeech
) -> AsyncIterator[Report]:
    reader = _Reader(reply)
    encoder = SpeechEncoder(order.format)
    speech = voice.speak(reader.words(), voice=order.voice, speed=order.speed)
    async with _closing(speech) as sound:
        async for pcm in sound:
            for report in reader.told(order.response_id):
                yield report
            for chunk in _chunks(encoder.feed(pcm), order):
                yield chunk
    for chunk in _chunks(encoder.end(), order):
        yield chunk
    for report in reader.told(order.response_id):
        yield report


def _chunks(audio: bytes, order: Generate) -> list[Sound]:
    step = CHUNK_MS * order.format.bytes_per_ms
    return [Sound(order.response_id, audio[start : start + step]) for start in range(0, len(audio), step)]


class _Reader:
    """Reads a reply out to a voice, word by word, and notes what it has taken."""

    def __init__(self, reply: AsyncIterator[str | FunctionCall]) -> None:
        self._reply = reply
        self._taken = ""
        self._calls: list[FunctionCall] = []
        self._ended = False

    async def words(self) -> AsyncIterator[str]:
        """Yield word by word, each with the space before it; function calls are put aside."""
        async for piece in self._reply:
            if isinstance(piece, FunctionCall):
                self._calls.append(piece)
                continue
            for word in _WORDS.findall(piece):
                self._taken += word
                yield word
        self._ended = True

    def told(self, response_id: str) -> list[Report]:
        """Return the calls so far, and the words that the audio at hand speaks.

        A voice knows that a clause is over when it sees the word after it begin, so the last word it has taken is
        not spoken yet, unless it was the last of all.
        """
        end = len(self._taken)
        if not self._ended and (last := _LAST_WORD.search(self._taken)):
            end = last.start()
        text, self._taken = self._taken[:end], self._taken[end:]
        calls, self._calls = self._calls, []
        reports: list[Report] = [Called(response_id, call) for call in calls]
        return [*reports, Words(response_id, text)] if text else reports


@asynccontextmanager
async def _closing(generator: AsyncIterator[Any]) -> AsyncGenerator[AsyncIterator[Any], None]:
    """Close a generator when its reader goes away, so that cancelling a turn reaches the engines at once."""
    try:
        yield generator
    finally:
        if isinstance(generator, AsyncGenerator):
            await generator.aclose()
