"""Engines that load behind a server that already listens: what is there serves, what is missing says why."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from desktop_app.errors import ParleyError, WeightsError
from desktop_app.local_server import loading
from desktop_app.local_server.engines.hibari import HibariSpeech
from desktop_app.local_server.loading import VOICES, Loader, Told, empty_engines
from desktop_app.local_server.models import Progress, Weights


class NoWeights(Weights):
    """Weights that cannot be had, after a part of them came."""

    async def fetch(self, name: str, progress: Any = None) -> Path:
        total = 10_000_000
        for done in (0, 500_000, 2_500_000):
            progress(Progress(name, done, total))
        raise WeightsError(f"{name} could not be fetched.", "Check the network connection.")


async def loaded(tmp_path: Path) -> tuple[Any, list[Told]]:
    told: list[Told] = []
    engines = empty_engines()
    loader = Loader(engines, NoWeights(tmp_path), told.append)
    await loader.load()
    loader.close()
    return engines, told


async def test_what_needs_no_weights_serves_without_them(tmp_path: Path) -> None:
    engines, told = await loaded(tmp_path)
    assert engines.voice_activity.engine is not None
    assert engines.text_to_speech.engine is not None
    assert engines.language_model.engine is not None
    with pytest.raises(WeightsError, match="whisper-base could not be fetched"):
        await engines.speech_to_text.get()
    notices = [each for each in told if each.event == "notice"]
    assert [each.hint for each in notices] == ["Check the network connection."] * 2
    (done,) = [each for each in told if each.event == "loaded"]
    assert done.engines == ("voice detection", "voice", "language model")
    progress = [(each.done, each.total) for each in told if each.event == "progress" and each.key == "whisper-base"]
    assert progress == [(2_500_000, 10_000_000)]


async def test_a_part_that_is_not_installed_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise ImportError("No module named 'onnxruntime'")

    monkeypatch.setattr(loading, "_silero", missing)
    monkeypatch.setattr(loading, "_speech_loader", missing)
    engines, told = await loaded(tmp_path)
    with pytest.raises(ParleyError, match="is not installed: the voice"):
        await engines.text_to_speech.get()
    with pytest.raises(ParleyError, match="is not installed: the voice detection"):
        await engines.voice_activity.get()
    assert engines.language_model.engine is not None
    assert len([each for each in told if each.event == "notice"]) == 4


async def test_loading_that_is_called_off_leaves_nothing_to_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window was closed meanwhile: no traceback in the terminal."""
    begun = [asyncio.Event(), asyncio.Event()]

    async def for_ever(event: asyncio.Event) -> Any:
        event.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Loader, "_brain", lambda _: for_ever(begun[0]))
    monkeypatch.setattr(Loader, "_speech_to_text", lambda _: for_ever(begun[1]))
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    loader = Loader(empty_engines(), NoWeights(tmp_path), lambda _: None)
    task = asyncio.create_task(loader.load())
    for event in begun:
        await event.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    del task
    gc.collect()
    loader.close()
    assert told == []


async def test_the_voices_told_at_the_start_are_those_of_the_engine() -> None:
    speech = await HibariSpeech.load()
    assert tuple(voice.name for voice in speech.voices) == VOICES
    speech.close()
