"""Loads the engines while the server already listens, fetching the weights that are missing.

Each engine comes by itself: whoever is ready serves. One that will not come leaves the reason in its slot, and a
notice; the others are not held up by it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from desktop_app.errors import ParleyError, WeightsError
from desktop_app.local_server.engines import (
    LanguageModel,
    SpeechToText,
    TextToSpeech,
    VoiceActivity,
)
from desktop_app.local_server.models import Progress, Weights
from desktop_app.local_server.pipeline import Engines, Slot

if TYPE_CHECKING:
    from desktop_app.local_server.engines.chat_endpoint import ChatEndpoint, Offer
    from desktop_app.local_server.engines.hibari import HibariSpeech
    from desktop_app.local_server.engines.whisper import Whisper

T = TypeVar("T")

VOICES = ("heart", "june", "max", "otto", "pip")
"""The voices of `engines/hibari.py`, told before it is imported; a test compares them."""
SPEECH_WEIGHTS = "whisper-base"
SMALL_TALK_WEIGHTS = "smollm2-135m"
REPORT_BYTES = 1_000_000
"""How much more must have come before progress is told again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chat:
    """An OpenAI-compatible chat endpoint the user named."""

    url: str
    model: str = ""
    """Empty: the first one it serves."""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Something the program's user should know; goes out as one line of JSON."""

    event: str
    """`progress`, `notice`, `loaded` or `offer`."""
    text: str = ""
    hint: str = ""
    key: str = ""
    """What it is about: one notice of a key replaces the other."""
    done: int = 0
    total: int = 0
    engines: tuple[str, ...] = ()
    url: str = ""
    """Of an offer: a chat endpoint found on this computer, which `text` names."""
    model: str = ""


def empty_engines() -> Engines:
    """Return the places of engines that are about to be loaded."""
    return Engines(
        voice_activity=Slot("voice detection"),
        speech_to_text=Slot("speech recognition"),
        text_to_speech=Slot("voice"),
        language_model=Slot("language model"),
    )


class Loader:
    """Fills the slots."""

    def __init__(
        self, engines: Engines, weights: Weights, tell: Callable[[Told], None], chat: Chat | None = None
    ) -> None:
        self._engines = engines
        self._weights = weights
        self._tell = tell
        self._chat = chat
        self._loaded: list[str] = []
        self._closers: list[Callable[[], Any]] = []

    async def load(self) -> None:
        """Load everything, the quick ones first; tell what was loaded when all is decided."""
        # One after the other: together they take as long on two cores, and the first would be ready later.
        await self._fill(self._engines.voice_activity, _voice_activity)
        await self._fill(self._engines.text_to_speech, self._text_to_speech)
        async with asyncio.TaskGroup() as both:  # the brain, too, ends when loading is called off
            both.create_task(self._fill(self._engines.language_model, self._brain))
            await self._fill(self._engines.speech_to_text, self._speech_to_text)
        self._tell(Told("loaded", engines=tuple(self._loaded)))
        await self._add_small_talk()
        if self._chat is None:
            await self._offer_chat()

    def close(self) -> None:
        """Give the engines' threads back."""
        for close in self._closers:
            close()

    async def _fill(self, slot: Slot[T], load: Callable[[], Awaitable[T]]) -> None:
        try:
            slot.fill(await load())
        except ParleyError as error:
            self._give_up(slot, error)
        except ImportError as error:
            _log.warning("%s: %s", slot.name, error)
            failure = ParleyError(
                f"A part of the offline assistant is not installed: the {slot.name}.",
                "Install the package parley-offline, or the program again.",
            )
            self._give_up(slot, failure)
        except Exception:
            _log.exception("%s could not be loaded", slot.name)
            self._give_up(slot, ParleyError(f"The {slot.name} could not be loaded.", "Start the program again."))
        else:
            self._loaded.append(slot.name)

    def _give_up(self, slot: Slot[Any], error: ParleyError) -> None:
        slot.fail(error)
        self._tell(Told("notice", error.sentence, error.hint, key=slot.name))

    async def _text_to_speech(self) -> TextToSpeech:
        load = await asyncio.to_thread(_speech_loader)
        speech = await load()
        self._closers.append(speech.close)
        return speech

    async def _speech_to_text(self) -> SpeechToText:
        load = await asyncio.to_thread(_whisper_loader)  # first: without the engine no model is fetched for it
        whisper = await load(await self._fetched(SPEECH_WEIGHTS, self._engines.speech_to_text))
        self._closers.append(whisper.close)
        return whisper

    async def _brain(self) -> LanguageModel:
        return await asyncio.to_thread(_brain_with, await self._with_model(self._chat))

    async def _with_model(self, chat: Chat | None) -> Chat | None:
        """Return the chat endpoint with a model: an endpoint that is named alone is asked for its first one."""
        if chat is None or chat.model:
            return chat
        probe = await asyncio.to_thread(_chat_endpoint, chat)
        try:
            models = await probe.models()
        except ParleyError as error:
            self._tell(Told("notice", error.sentence, error.hint, key="chat"))
            models = ()
        finally:
            await probe.close()
        return replace(chat, model=models[0] if models else "default")

    async def _offer_chat(self) -> None:
        """Look once for a chat endpoint on this computer; it is offered, never taken silently."""
        look = await asyncio.to_thread(_probe)
        for offer in await look():
            self._tell(Told("offer", offer.program, url=offer.base_url, model=offer.models[0]))

    async def _add_small_talk(self) -> None:
        """Give the brain its small model, last: everything else works without it."""
        brain: Any = self._engines.language_model.engine
        if brain is None:
            return
        slot: Slot[Any] = Slot("small-talk model")

        async def load() -> Any:
            await self._fetched(SMALL_TALK_WEIGHTS, slot)
            return await asyncio.to_thread(_small_talk, self._weights.file(SMALL_TALK_WEIGHTS))

        await self._fill(slot, load)
        if slot.engine is not None:
            brain.small_talk = slot.engine
            self._closers.append(slot.engine.close)
            self._tell(Told("loaded", engines=(slot.name,)))

    async def _fetched(self, name: str, slot: Slot[Any]) -> Path:
        """Return the folder of a set of weights, fetching it if need be."""
        title = self._weights.set_named(name).title
        told = 0

        def progress(made: Progress) -> None:
            nonlocal told
            slot.progress = f"{made.done_bytes / 1e6:.0f} of {made.total_bytes / 1e6:.0f} MB"
            if made.done_bytes - told < REPORT_BYTES and made.done_bytes < made.total_bytes:
                return
            told = made.done_bytes
            text = f"Fetching the model for {title}"
            self._tell(Told("progress", text, key=name, done=made.done_bytes, total=made.total_bytes))

        try:
            return await self._weights.fetch(name, progress)
        finally:
            slot.progress = ""


# Each of these imports something large, so it runs in a thread: the server is listening meanwhile.


async def _voice_activity() -> Callable[[], VoiceActivity]:
    return await asyncio.to_thread(_silero)


def _silero() -> Callable[[], VoiceActivity]:
    from desktop_app.local_server.engines.silero import SileroVoiceActivity

    try:
        SileroVoiceActivity()
    except (OSError, RuntimeError) as error:
        raise WeightsError("The voice detection cannot be loaded.", "Install the program again.") from error
    return SileroVoiceActivity


def _speech_loader() -> Callable[[], Awaitable[HibariSpeech]]:
    from desktop_app.local_server.engines.hibari import HibariSpeech

    return HibariSpeech.load


def _whisper_loader() -> Callable[[Path], Awaitable[Whisper]]:
    from desktop_app.local_server.engines.whisper import Whisper

    return Whisper.load


def _brain_with(chat: Chat | None) -> LanguageModel:
    from desktop_app.local_server.brain.brain import Brain
    from desktop_app.local_server.brain.router import Router

    return Brain(Router(), endpoint=_chat_endpoint(chat) if chat is not None else None)


def _chat_endpoint(chat: Chat) -> ChatEndpoint:
    from desktop_app.local_server.engines.chat_endpoint import ChatEndpoint

    return ChatEndpoint(chat.url, chat.model, api_key=chat.key)


def _probe() -> Callable[[], Awaitable[tuple[Offer, ...]]]:
    from desktop_app.local_server.engines.chat_endpoint import probe_loopback

    return probe_loopback


def _small_talk(weights: Path) -> Any:
    from desktop_app.local_server.engines.smollm import SmolLM

    return SmolLM(weights)
