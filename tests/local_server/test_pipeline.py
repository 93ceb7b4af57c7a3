"""A turn with engines that do as they are told: what comes out, in which order, and that it can be stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from desktop_app.errors import ParleyError
from desktop_app.local_server.engines import (
    FunctionCall,
    Message,
    MessageRole,
    Recognised,
    Samples,
    SpeechToText,
    Tool,
    Voice,
)
from desktop_app.local_server.engines.scripted import (
    WORD_MS,
    ScriptedEars,
    ScriptedModel,
    ScriptedSpeech,
    scripted_engines,
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
    WireFormat,
    Words,
)
from desktop_app.local_server.pipeline import CHUNK_MS, Engines, Slot, answer, understand

QUESTION = (Message(MessageRole.SYSTEM, "Be brief."), Message(MessageRole.USER, "Hello?"))
ORDER = Generate(
    response_id="r1",
    messages=QUESTION,
    tools=(),
    max_tokens=None,
    spoken=True,
    voice="tone",
    speed=1.0,
    format=WireFormat.PCM,
)
WRITTEN = replace(ORDER, spoken=False)
SPEECH = Recognise(7, bytes(48 * 900), WireFormat.PCM, None, draft=False)


async def told(order: Generate, engines: Engines) -> list[Report]:
    return [report async for report in answer(order, engines)]


def merged(reports: Sequence[Report]) -> list[str | int | FunctionCall]:
    """Return words, milliseconds of audio between them, and calls."""
    out: list[str | int | FunctionCall] = []
    for report in reports:
        match report:
            case Words(text=text):
                out.append(text)
            case Called(call=call):
                out.append(call)
            case Sound(audio=audio):
                ms = len(audio) // 48
                assert ms <= CHUNK_MS
                if out and isinstance(out[-1], int):
                    out[-1] += ms
                else:
                    out.append(ms)
    return out


async def test_audio_follows_the_words_it_speaks() -> None:
    model = ScriptedModel(["It is f", "our. The sun", " shines to", "day! Enj", "oy."])
    reports = await told(ORDER, scripted_engines(model=model))
    assert merged(reports) == [
        "It is four.",
        3 * WORD_MS,
        " The sun shines today!",
        4 * WORD_MS,
        " Enjoy.",
        WORD_MS,
    ]
    assert reports[-1] == Ended("r1")
    assert model.asked == [QUESTION]


async def test_the_first_sentence_sounds_before_the_last_is_written() -> None:
    goes_on = asyncio.Event()

    class Slow(ScriptedModel):
        async def reply(
            self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
        ) -> AsyncIterator[str | FunctionCall]:
            yield "One. Two"
            await goes_on.wait()
            yield " three."

    reports = answer(ORDER, scripted_engines(model=Slow()))
    first = [await asyncio.wait_for(anext(reports), 5) for _ in range(4)]
    assert merged(first) == ["One.", WORD_MS]
    goes_on.set()
    assert merged([report async for report in reports]) == [" Two three.", 2 * WORD_MS]


async def test_a_written_answer_comes_as_it_is_written() -> None:
    engines = scripted_engines(model=ScriptedModel(["It is f", "our."]))
    assert merged(await told(WRITTEN, engines)) == ["It is f", "our."]


async def test_calls_are_passed_on_before_and_beside_the_words() -> None:
    call = FunctionCall("get_time", "{}", "c1")
    for order in (ORDER, WRITTEN):
        alone = await told(order, scripted_engines(model=ScriptedModel([call])))
        assert alone == [Called("r1", call), Ended("r1")]
    beside = merged(await told(ORDER, scripted_engines(model=ScriptedModel(["One moment. ", call, "Now."]))))
    assert [part for part in beside if isinstance(part, FunctionCall)] == [call]
    assert "".join(part for part in beside if isinstance(part, str)) == "One moment. Now."


async def test_words_that_are_not_spoken_are_not_lost() -> None:
    class Mute(ScriptedSpeech):
        async def speak(
            self, text: AsyncIterator[str], *, voice: str = "", speed: float = 1.0
        ) -> AsyncIterator[bytes]:
            async for _ in text:
                pass
            return
            yield b""

    engines = scripted_engines(model=ScriptedModel(["```code```"]), speech=Mute())
    assert await told(ORDER, engines) == [Words("r1", "```code```"), Ended("r1")]


async def test_verbatim_words_do_not_ask_the_model() -> None:
    model = ScriptedModel()
    said = merged(await told(replace(ORDER, verbatim="Your timer has ended."), scripted_engines(model=model)))
    assert said == ["Your timer has ended.", 4 * WORD_MS]
    assert not model.asked


async def test_voice_and_speed_and_format_are_obeyed() -> None:
    engines = scripted_engines(model=ScriptedModel(["One two."], ["One two."]))
    fast = merged(await told(replace(ORDER, speed=1.5), engines))
    assert fast == ["One two.", 400]
    g711 = await told(replace(ORDER, format=WireFormat.PCMU), engines)
    audio = b"".join(report.audio for report in g711 if isinstance(report, Sound))
    assert len(audio) == pytest.approx(2 * WORD_MS * 8, abs=8)


async def test_without_a_voice_it_is_written() -> None:
    engines = replace(
        scripted_engines(model=ScriptedModel(["Four."])),
        text_to_speech=Slot.without("The voice is not installed.", "Install it."),
    )
    assert await told(ORDER, engines) == [
        VoiceUnavailable("r1", "The voice is not installed."),
        Words("r1", "Four."),
        Ended("r1"),
    ]


async def test_without_a_model_it_fails_with_a_sentence() -> None:
    engines = replace(scripted_engines(), language_model=Slot.without("There is no model.", "Connect one."))
    assert await told(WRITTEN, engines) == [Failed("r1", "server_error", "There is no model. Connect one.")]


async def test_a_bug_in_an_engine_is_logged_and_ends_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedSpeech):
        async def speak(
            self, text: AsyncIterator[str], *, voice: str = "", speed: float = 1.0
        ) -> AsyncIterator[bytes]:
            yield bytes(480)
            raise KeyError("x")

    reports = await told(ORDER, scripted_engines(speech=Broken()))
    assert reports[-1] == Failed("r1", "server_error", "Something went wrong while answering.")
    assert "KeyError" in caplog.text


async def test_cancelling_the_task_closes_every_generator() -> None:
    closed: list[str] = []

    class Endless(ScriptedModel):
        async def reply(
            self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
        ) -> AsyncIterator[str | FunctionCall]:
            try:
                while True:
                    await asyncio.sleep(0)
                    yield "word. "
            finally:
                closed.append("model")

    class Watched(ScriptedSpeech):
        async def speak(
            self, text: AsyncIterator[str], *, voice: str = "", speed: float = 1.0
        ) -> AsyncIterator[bytes]:
            try:
                async for chunk in super().speak(text, voice=voice, speed=speed):
                    yield chunk
            finally:
                closed.append("voice")

    got: list[Report] = []
    enough = asyncio.Event()

    async def read() -> None:
        async for report in answer(ORDER, scripted_engines(model=Endless(), speech=Watched())):
            got.append(report)
            if len(got) == 20:
                enough.set()

    task = asyncio.ensure_future(read())
    await asyncio.wait_for(enough.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(closed) == ["model", "voice"]
    count = len(got)
    await asyncio.sleep(0)
    assert len(got) == count


# --- hearing ------------------------------------------------------------------------------------


async def test_speech_is_understood() -> None:
    ears = ScriptedEars("  What time is it? ")
    assert await understand(SPEECH, scripted_engines(ears=ears)) == Understood(7, "What time is it?")
    ((seconds, draft, language),) = ears.heard
    assert seconds == pytest.approx(0.9, abs=0.01)
    assert (draft, language) == (False, None)


async def test_the_language_is_passed_on_as_the_engine_knows_it() -> None:
    class English(ScriptedEars):
        async def transcribe(
            self, audio: Samples, *, language: str | None = None, draft: bool = False
        ) -> Recognised:
            if language not in (None, "en"):
                raise ValueError(language)
            return await super().transcribe(audio, language=language, draft=draft)

    ears = English()
    await understand(replace(SPEECH, language="en-GB"), scripted_engines(ears=ears))
    await understand(replace(SPEECH, language="tlh"), scripted_engines(ears=ears))
    assert [language for _, _, language in ears.heard] == ["en", None]


async def test_ears_that_fail_are_reported() -> None:
    class Broken(ScriptedEars):
        async def transcribe(
            self, audio: Samples, *, language: str | None = None, draft: bool = False
        ) -> Recognised:
            raise ParleyError("The model is broken.", "Fetch it again.")

    got = await understand(SPEECH, scripted_engines(ears=Broken()))
    assert got == NotUnderstood(7, "speech_recognition_unavailable", "The model is broken. Fetch it again.")


async def test_a_turn_waits_for_an_engine_that_is_loading_and_a_draft_does_not() -> None:
    slot: Slot[SpeechToText] = Slot("speech recognition")
    engines = replace(scripted_engines(), speech_to_text=slot)
    draft = await understand(replace(SPEECH, draft=True), engines)
    assert isinstance(draft, NotUnderstood)
    waiting = asyncio.ensure_future(understand(SPEECH, engines))
    await asyncio.sleep(0)
    assert not waiting.done()
    slot.fill(ScriptedEars("Here I am."))
    assert await asyncio.wait_for(waiting, 5) == Understood(7, "Here I am.")


async def test_an_engine_that_does_not_come_in_time_says_how_far_it_is() -> None:
    slot: Slot[Voice] = Slot("speech recognition")
    slot.progress = "34 of 142 MB"
    with pytest.raises(ParleyError, match=r"The speech recognition is still being loaded \(34 of 142 MB\)\."):
        await slot.get(within_s=0.01)
    slot.fail(ParleyError("The disk is full."))
    with pytest.raises(ParleyError, match="full"):
        await slot.get()
    slot.fill(Voice("heart", ""))
    assert (await slot.get()).name == "heart"
