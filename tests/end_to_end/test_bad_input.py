"""What goes wrong around the program is a sentence in the window; typing still works and nothing is lost.

The program runs in this process, offscreen, so that its window can be read; all its parts are real.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from desktop_app.errors import Notice
from desktop_app.options import Options
from desktop_app.program import Program
from desktop_app.protocol.events import ConversationItemCreate, InputAudioBufferCommit, ResponseCreate
from desktop_app.ui.composer import Composer
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.notices import NoticesBar
from desktop_app.ui.theme import Appearance, Theme
from desktop_app.ui.transcript import TranscriptView
from tests.conftest import RunAsync
from tests.harness.scripted_server import Caller, ScriptedServer

WORDS = "It can be read."


class Reader:
    """Reads the window as its user does."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window

    def notices(self) -> tuple[Notice, ...]:
        """Return the notices that are shown."""
        bar = self.window.findChild(NoticesBar)
        assert bar is not None
        return bar.notices

    def texts(self) -> list[str]:
        """Return the rows of the transcript."""
        view = self.window.findChild(TranscriptView)
        assert view is not None
        model = view.model()
        return [
            str(model.data(model.index(row, 0), Qt.ItemDataRole.DisplayRole)) for row in range(model.rowCount())
        ]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until it is so."""
        for _ in range(1500):
            if condition():
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"{what}: never; the window says {self.notices()}, {self.texts()}")

    async def until_told(self, part: str) -> Notice:
        """Wait for a notice with these words; it must also say what to do."""
        await self.until(lambda: any(part in str(n) for n in self.notices()), f"a notice with «{part}»")
        notice = next(n for n in self.notices() if part in str(n))
        assert notice.hint, "every notice has a next step"
        return notice


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key the scripted server wants."""
    monkeypatch.setenv("OPENAI_API_KEY", ScriptedServer.token)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def no_sound(tmp_path: Path) -> Iterator[None]:
    """Take all sound devices away for one test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody")
        patch.delenv("ALSA_CONFIG_PATH", raising=False)
        _let_portaudio_look_again()
        yield
    _let_portaudio_look_again()


def _let_portaudio_look_again() -> None:
    import sounddevice

    sounddevice._terminate()
    sounddevice._initialize()


@contextlib.asynccontextmanager
async def program(profile: Path, endpoint: str) -> AsyncIterator[Reader]:
    """Run the whole program but the process around it."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    window = MainWindow(Theme(application, Appearance.LIGHT))
    window.show()
    running = Program(window, Options(profile=profile, endpoint=endpoint))
    running.open()
    try:
        yield Reader(window)
    finally:
        await running.close()
        window.deleteLater()


async def answering(caller: Caller) -> None:
    """Answer a typed question in writing and with sound."""
    await caller.greet()
    await caller.take_text()
    await caller.expect(ResponseCreate)
    await caller.answer(WORDS, bytes(48 * 400))
    await caller.gone(within_s=30)


def test_without_a_microphone_one_can_type(run_async: RunAsync, no_sound: None, tmp_path: Path) -> None:
    async def story() -> None:
        async with ScriptedServer(answering) as server, program(tmp_path, server.url) as reader:
            reader.window.talk_pressed.emit()
            await reader.until(reader.notices, "a word about the connection or the microphone")
            reader.window.talk_released.emit()
            await _pressed_until_told(reader, "microphone")
            reader.window.message_entered.emit("Can you hear me?", (), False, False)
            await reader.until(lambda: any(WORDS in text for text in reader.texts()), "the answer")
            assert not server.events(InputAudioBufferCommit)

    run_async(story(), deadline_s=30)


def test_without_a_speaker_one_can_read(run_async: RunAsync, no_sound: None, tmp_path: Path) -> None:
    async def story() -> None:
        async with ScriptedServer(answering) as server, program(tmp_path, server.url) as reader:
            await reader.until(lambda: server.connections == 1, "a connection")
            await _typed_until_sent(reader, server)
            await reader.until_told("speaker")
            await reader.until(lambda: any(WORDS in text for text in reader.texts()), "the answer")

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize(
    ("status", "part"), [(401, "key"), (403, "allow"), (404, "no Realtime service"), (503, "busy")]
)
def test_a_refused_handshake_is_explained(run_async: RunAsync, tmp_path: Path, status: int, part: str) -> None:
    async def story() -> None:
        refusing = ScriptedServer(refuse=http.HTTPStatus(status))
        async with refusing as server, program(tmp_path, server.url) as reader:
            await reader.until_told(part)

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize("endpoint", ["ws://127.0.0.1:9/v1", "ws://nowhere.invalid/v1"])
def test_an_unreachable_server_keeps_the_text(run_async: RunAsync, tmp_path: Path, endpoint: str) -> None:
    async def story() -> None:
        async with program(tmp_path, endpoint) as reader:
            await reader.until_told("cannot be reached")
            composer = reader.window.findChild(Composer)
            assert composer is not None
            composer.type_on("do not lose this")
            composer.send()
            await reader.until_told("not sent")
            assert composer.text == "do not lose this"

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize("rubbish", ["{", "[]", '{"type": 7}', "null", '{"type":"session.created"}', b"\x00\xff"])
def test_a_server_that_says_rubbish_is_survived(run_async: RunAsync, tmp_path: Path, rubbish: str | bytes) -> None:
    async def talking(caller: Caller) -> None:
        await caller.greet()
        for _ in range(20):
            await caller.send_raw(rubbish)
        await caller.expect(ConversationItemCreate)
        await caller.expect(ResponseCreate)
        await caller.send_raw(rubbish)
        await caller.answer(WORDS)
        await caller.gone(within_s=30)

    async def story() -> None:
        async with ScriptedServer(talking) as server, program(tmp_path, server.url) as reader:
            await _typed_until_sent(reader, server)
            await reader.until(lambda: any(WORDS in text for text in reader.texts()), "the answer")

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"not json", b"[1, 2]", b"{" * 100_000])
def test_a_settings_file_that_is_not_ours_is_kept_and_told(
    run_async: RunAsync, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "settings.json").write_bytes(content)

    async def story() -> None:
        async with program(tmp_path, "ws://127.0.0.1:9/v1") as reader:
            await reader.until_told("settings")
            reader.window.voice_chosen.emit("cedar")

    run_async(story(), deadline_s=30)
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert b"cedar" in kept.pop("settings.json"), "ours was written"
    assert content in kept.values(), "and theirs is not lost"


def test_a_setting_of_the_wrong_kind_is_named(run_async: RunAsync, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"audio": {"input_device": 5}, "from a later version": {"x": 1}}')

    async def story() -> None:
        async with program(tmp_path, "ws://127.0.0.1:9/v1") as reader:
            await reader.until_told("audio.input_device")
            reader.window.voice_chosen.emit("cedar")

    run_async(story(), deadline_s=30)
    assert '"x": 1' in (tmp_path / "settings.json").read_text()


def test_an_endpoint_that_is_none_is_explained(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with program(tmp_path, "no such thing") as reader:
            await reader.until_told("no endpoint called")

    run_async(story(), deadline_s=30)


async def _pressed_until_told(reader: Reader, part: str) -> None:
    """Press until the connection is there and the microphone is asked for."""
    for _ in range(100):
        reader.window.talk_pressed.emit()
        reader.window.talk_released.emit()
        if any(part in str(notice) for notice in reader.notices()):
            return
        await asyncio.sleep(0.05)
    await reader.until_told(part)


async def _typed_until_sent(reader: Reader, server: ScriptedServer) -> None:
    for _ in range(100):
        reader.window.message_entered.emit("Can you hear me?", (), False, False)
        if server.events(ConversationItemCreate):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the text was never sent")
