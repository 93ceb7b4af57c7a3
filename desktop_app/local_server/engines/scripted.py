"""Engines that do as they are told: for tests, demonstrations and benches. The same input, the same output.

`ScriptedSpeech` speaks each word as a tone of a set length, so that a recording can be compared word by word;
`LoudnessActivity` takes everything loud for speech.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence

import numpy as np

from desktop_app.local_server.engines import (
    RECOGNITION_RATE_HZ,
    SPEECH_RATE_HZ,
    FunctionCall,
    Message,
    MessageRole,
    Recognised,
    Samples,
    Tool,
    Voice,
)
from desktop_app.local_server.pipeline import Engines, Slot

FRAME_SAMPLES = 512
LOUD = 0.02
"""Root mean square above which a frame is speech."""
WORD_MS = 300
VOICES = ("tone", "hum")
_SENTENCE_END = re.compile(r"[.!?](?=\s+\S)")
_PITCH_HZ = {"tone": 440.0, "hum": 220.0}

Reply = Sequence[str | FunctionCall]


class LoudnessActivity:
    """A `VoiceActivity`: loud is speech."""

    frame_samples = FRAME_SAMPLES

    def probability(self, frame: Samples) -> float:
        """Return 1 for a loud frame, 0 for a quiet one."""
        return 1.0 if float(np.sqrt(np.mean(np.square(frame)))) > LOUD else 0.0

    def reset(self) -> None:
        """Nothing to forget."""


class ScriptedEars:
    """A `SpeechToText` that hears what it is told to hear."""

    def __init__(self, *texts: str, delay_s: float = 0.0) -> None:
        """Hear `texts` in turn, the last one for ever; a draft hears the words of the next, one per 300 ms."""
        self._texts = texts or ("hello",)
        self._next = 0
        self._delay_s = delay_s
        self.heard: list[tuple[float, bool, str | None]] = []
        """Each call: seconds of audio, whether a draft, and the language."""

    async def transcribe(self, audio: Samples, *, language: str | None = None, draft: bool = False) -> Recognised:
        """Return the next text."""
        seconds = audio.size / RECOGNITION_RATE_HZ
        self.heard.append((seconds, draft, language))
        text = self._texts[min(self._next, len(self._texts) - 1)]
        if draft:
            text = " ".join(text.split()[: int(seconds * 1000 / WORD_MS)])
        else:
            self._next += 1
        await asyncio.sleep(self._delay_s)
        return Recognised(text, language or "en")


class ScriptedSpeech:
    """A `TextToSpeech` that plays a tone of `word_ms` for every word, sentence by sentence."""

    def __init__(self, *, word_ms: int = WORD_MS, delay_s: float = 0.0) -> None:
        """`delay_s` is what each sentence takes to be made."""
        self._word_ms = word_ms
        self._delay_s = delay_s

    @property
    def voices(self) -> Sequence[Voice]:
        """Two voices: a high tone and a low one."""
        return [Voice(name, f"{_PITCH_HZ[name]:.0f} Hz") for name in VOICES]

    async def speak(
        self, text: AsyncIterator[str], *, voice: str = "tone", speed: float = 1.0
    ) -> AsyncIterator[bytes]:
        """Speak a sentence when the word after it begins."""
        taken = ""
        async for piece in text:
            taken += piece
            while end := _SENTENCE_END.search(taken):
                sentence, taken = taken[: end.end()], taken[end.end() :]
                yield await self._tone(sentence.split(), voice, speed)
        if taken.strip():
            yield await self._tone(taken.split(), voice, speed)

    async def _tone(self, words: Sequence[str], voice: str, speed: float) -> bytes:
        await asyncio.sleep(self._delay_s)
        samples = round(SPEECH_RATE_HZ * self._word_ms / 1000 / speed)
        time_s = np.arange(samples) / SPEECH_RATE_HZ
        fade = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / 0.02)
        tone = 0.3 * fade * np.sin(2 * np.pi * _PITCH_HZ.get(voice, 440.0) * time_s)
        return (np.tile(tone, len(words)) * 32767).astype("<i2").tobytes()


def echo(messages: Sequence[Message]) -> Reply:
    """Say what the user said."""
    last = next((each.text for each in reversed(messages) if each.role is MessageRole.USER), "")
    return [f"You said: {last}"]


class ScriptedModel:
    """A `LanguageModel` that gives the replies it is told to give."""

    def __init__(
        self, *replies: Reply, otherwise: Callable[[Sequence[Message]], Reply] = echo, delay_s: float = 0.0
    ) -> None:
        """Give `replies` in turn, then what `otherwise` makes of the messages; `delay_s` before each piece."""
        self._replies = list(replies)
        self._otherwise = otherwise
        self._delay_s = delay_s
        self.asked: list[tuple[Message, ...]] = []
        """The messages of each call."""
        self.offered: list[tuple[Tool, ...]] = []
        """The tools of each call."""

    async def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> AsyncIterator[str | FunctionCall]:
        """Yield the pieces of the next reply."""
        self.asked.append(tuple(messages))
        self.offered.append(tuple(tools))
        pieces = self._replies.pop(0) if self._replies else self._otherwise(messages)
        for piece in pieces:
            await asyncio.sleep(self._delay_s)
            yield piece


def scripted_engines(
    *,
    ears: ScriptedEars | None = None,
    speech: ScriptedSpeech | None = None,
    model: ScriptedModel | None = None,
) -> Engines:
    """Return a full set of engines that do as they are told."""
    return Engines(
        voice_activity=Slot.of(LoudnessActivity),
        speech_to_text=Slot.of(ears or ScriptedEars()),
        text_to_speech=Slot.of(speech or ScriptedSpeech()),
        language_model=Slot.of(model or ScriptedModel()),
    )
