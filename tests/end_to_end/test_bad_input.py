"""What goes wrong around the program is a sentence in the window; typing still works and nothing is lost.

The program runs in this process, offscreen, so that its window can be read; all its parts are real.
"""

from __future__ import annotations

import asyncio
import http
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.protocol.events import ConversationItemCreate, InputAudioBufferCommit, ResponseCreate
from tests.conftest import RunAsync
from tests.harness.inside import User, program
from tests.harness.scripted_server import Caller, ScriptedServer

WORDS = "It can be read."


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


async def answering(caller: Caller) -> None:
    """Answer a typed question in writing and with sound."""
    await caller.greet()
    await caller.take_text()
    await caller.expect(ResponseCreate)
    await caller.answer(WORDS, bytes(48 * 400))
    await caller.gone(within_s=30)


def test_without_a_microphone_one_can_type(run_async: RunAsync, no_sound: None, tmp_path: Path) -> None:
    async def story() -> None:
        async with ScriptedServer(answering) as server, program(tmp_path, server.url) as user:
            user.window.talk_pressed.emit()
            await user.until(user.notices, "a word about the connection or the microphone")
            user.window.talk_released.emit()
            await _pressed_until_told(user, "microphone")
            user.window.message_entered.emit("Can you hear me?", (), False, False, ())
            await user.until(lambda: any(WORDS in text for text in user.texts()), "the answer")
            assert not server.events(InputAudioBufferCommit)

    run_async(story(), deadline_s=30)


def test_without_a_speaker_one_can_read(run_async: RunAsync, no_sound: None, tmp_path: Path) -> None:
    async def story() -> None:
        async with ScriptedServer(answering) as server, program(tmp_path, server.url) as user:
            await user.until(lambda: server.connections == 1, "a connection")
            await _typed_until_sent(user)
            await user.until_told("speaker")
            await user.until(lambda: any(WORDS in text for text in user.texts()), "the answer")

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize(
    ("status", "part"), [(401, "key"), (403, "allow"), (404, "no Realtime service"), (503, "busy")]
)
def test_a_refused_handshake_is_explained(run_async: RunAsync, tmp_path: Path, status: int, part: str) -> None:
    async def story() -> None:
        refusing = ScriptedServer(refuse=http.HTTPStatus(status))
        async with refusing as server, program(tmp_path, server.url) as user:
            await user.until_told(part)

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize("endpoint", ["ws://127.0.0.1:9/v1", "ws://nowhere.invalid/v1"])
def test_an_unreachable_server_keeps_the_text(run_async: RunAsync, tmp_path: Path, endpoint: str) -> None:
    async def story() -> None:
        async with program(tmp_path, endpoint) as user:
            await user.until_told("cannot be reached")
            user.types("do not lose this")
            await user.until_told("not sent")
            assert user.composer.text == "do not lose this"

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
        async with ScriptedServer(talking) as server, program(tmp_path, server.url) as user:
            await _typed_until_sent(user)
            await user.until(lambda: any(WORDS in text for text in user.texts()), "the answer")

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"not json", b"[1, 2]", b"{" * 100_000])
def test_a_settings_file_that_is_not_ours_is_kept_and_told(
    run_async: RunAsync, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "settings.json").write_bytes(content)

    async def story() -> None:
        async with program(tmp_path, "ws://127.0.0.1:9/v1") as user:
            await user.until_told("settings")
            user.window.voice_chosen.emit("cedar")

    run_async(story(), deadline_s=30)
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert b"cedar" in kept.pop("settings.json"), "ours was written"
    assert content in kept.values(), "and theirs is not lost"


def test_a_setting_of_the_wrong_kind_is_named(run_async: RunAsync, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"audio": {"input_device": 5}, "from a later version": {"x": 1}}')

    async def story() -> None:
        async with program(tmp_path, "ws://127.0.0.1:9/v1") as user:
            await user.until_told("audio.input_device")
            user.window.voice_chosen.emit("cedar")

    run_async(story(), deadline_s=30)
    assert '"x": 1' in (tmp_path / "settings.json").read_text()


def test_an_endpoint_that_is_none_is_explained(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with program(tmp_path, "no such thing") as user:
            notice = await user.until_told("no endpoint called")
            assert "offline assistant answers instead" in notice.text
            assert "«local», «openai»" in notice.hint

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize("chat", ["", "http://127.0.0.1:9/v1"])
def test_the_offline_assistant_finds_titles_with_a_chat_model_only(
    run_async: RunAsync, tmp_path: Path, chat: str
) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"local": {"chat_url": chat}}))

    async def story() -> None:
        async with program(tmp_path, "local") as user:
            assert user.running._can_name_conversations() is bool(chat)
            user.window.settings.setting_changed.emit("local.chat_url", "http://127.0.0.1:9/v1")
            assert user.running._can_name_conversations()

    run_async(story(), deadline_s=60)


def test_a_voice_that_nobody_has_is_explained(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with program(tmp_path, "local", voice="nobody") as user:
            notice = await user.until_told("no voice called «nobody»")
            assert "«heart» speaks instead" in notice.text
            assert "heart, june, max, otto, pip" in notice.hint

    run_async(story(), deadline_s=30)


async def _pressed_until_told(user: User, part: str) -> None:
    """Press until the connection is there and the microphone is asked for."""
    for _ in range(100):
        user.window.talk_pressed.emit()
        user.window.talk_released.emit()
        if any(part in str(notice) for notice in user.notices()):
            return
        await asyncio.sleep(0.05)
    await user.until_told(part)


async def _typed_until_sent(user: User) -> None:
    """Type until it is taken: a second text would interrupt the answer to the first, however slow the server is."""
    for _ in range(300):
        user.window.message_entered.emit("Can you hear me?", (), False, False, ())
        if any("Can you hear me?" in text for text in user.texts()):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the text was never sent")
