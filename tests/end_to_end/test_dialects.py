"""Other servers, the whole program against each: the beta interface, xAI's, and Azure's address and key.

Everybody gets the same conversation: a typed question, a tool, a spoken question, an interruption, a setting.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from desktop_app.conversation.entries import EntryStatus, Role
from desktop_app.protocol import events as wire
from desktop_app.protocol.dialects import Dialect
from tests.bench.sound import noise
from tests.conftest import RunAsync
from tests.harness.inside import User, program
from tests.harness.mind import Call, Mind, Reply, Say
from tests.harness.other_servers import OtherServer
from tests.harness.scripted_server import ScriptedServer
from tests.harness.sound import VirtualSound

SECRET = "0123456789-very-secret"


@dataclass(frozen=True)
class Service:
    """A service, as the user sets it up."""

    kind: str
    dialect: Dialect = Dialect.GA
    key_variable: str = "SOME_KEY"
    voice: str = "marin"

    def profile(self, port: int) -> dict[str, Any]:
        """Return it as it stands in the settings."""
        return {
            "name": "mine",
            "kind": self.kind,
            "dialect": self.dialect.value,
            "base_url": f"http://127.0.0.1:{port}" + ("" if self.kind == "azure" else "/v1"),
            "model": "my-model",
            "key_variable": self.key_variable,
        }


SERVICES = {
    "azure": Service("azure", key_variable="AZURE_OPENAI_API_KEY"),
    "beta": Service("compatible", Dialect.BETA),
    "xai": Service("compatible", Dialect.XAI, voice="eve"),
}


@pytest.fixture(params=list(SERVICES))
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Return each of the services, with its key in the environment."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    service = SERVICES[str(request.param)]
    monkeypatch.setenv(service.key_variable, SECRET)
    return service


@contextlib.asynccontextmanager
async def talking(service: Service, profile: Path, *replies: Reply) -> AsyncIterator[tuple[User, ScriptedServer]]:
    """Run the program against a server of that kind; fail if it said what such a server does not take."""
    mind = Mind(*replies, beside={"title": "A test | testing"})
    other = service.dialect is not Dialect.GA
    async with OtherServer(service.dialect, mind) if other else ScriptedServer(mind) as server:
        settings = {"connection": {"endpoint": "mine", "profiles": [service.profile(server.port)]}}
        (profile / "settings.json").write_text(json.dumps(settings))
        async with program(profile, "") as user:
            await user.sees_online()
            yield user, server
            assert not server.unreadable
            # Nobody speaks into the virtual microphone, and the program says so.
            told = [notice for notice in user.notices() if notice.key != "microphone signal"]
            assert not told, "nothing to complain of"
        mind.check()


def test_it_is_reached_with_its_address_and_key(service: Service, run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(service, tmp_path) as (user, server):
            (request,) = server.requests
            headers = {name.lower(): value for name, value in request.headers.raw_items()}
            if service.kind == "azure":
                assert request.path == "/openai/v1/realtime?model=my-model"
                assert headers["api-key"] == SECRET
                assert "authorization" not in headers
            else:
                assert request.path == "/v1/realtime?model=my-model"
                assert headers["authorization"] == f"Bearer {SECRET}"
            assert "openai-beta" not in headers
            assert user.window._title.text() == "mine"

    run_async(story(), deadline_s=30)


def test_typing_and_a_tool(service: Service, run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        replies: tuple[Reply, ...] = ("Hello.", (Call("calculate", '{"expression": "6 * 7"}'),), "Forty-two.")
        async with talking(service, tmp_path, *replies) as (user, server):
            user.types("Hello?")
            await user.sees("Hello.")
            user.types("Six times seven?")
            await user.sees("Forty-two.")
            outputs = [
                event.item.output
                for event in server.events(wire.ConversationItemCreate)
                if event.item.type == "function_call_output"
            ]
            assert len(outputs) == 1
            assert "42" in str(outputs[0])
            assert [entry.role for entry in user.entries()] == [
                Role.USER, Role.ASSISTANT, Role.USER, Role.TOOL, Role.ASSISTANT,
            ]  # fmt: skip

    run_async(story(), deadline_s=30)


@pytest.mark.sound
def test_talking_and_interrupting(
    service: Service, run_async: RunAsync, tmp_path: Path, sound: VirtualSound
) -> None:
    replies = (Say("A long story.", noise(20_000, seed=1)), Say("Gladly.", noise(300, seed=2)))

    async def story() -> None:
        async with talking(service, tmp_path, *replies) as (user, server):
            with sound.record() as recorder:
                await talk(user)
                await user.sees("A long story.")
                await asyncio.to_thread(recorder.wait_for_sound, 0, 10)
                await user.until(user.window._stop.isEnabled, "it speaks")
                await asyncio.sleep(0.5)  # so long is listened
                await talk(user)
                await user.sees("Gladly.")
            cut = server.events(wire.ConversationItemTruncate)
            assert len(cut) == 1
            assert 0 < cut[0].audio_end_ms < 20_000

            def ends() -> list[EntryStatus]:
                return [entry.status for entry in user.entries(Role.ASSISTANT)]

            wanted = [EntryStatus.INTERRUPTED, EntryStatus.COMPLETED]
            await user.until(lambda: ends() == wanted, "the first interrupted, the second whole")
            assert len(server.events(wire.InputAudioBufferCommit)) == 2

    run_async(story(), deadline_s=60)


async def talk(user: User) -> None:
    """Hold the talk key until something was said."""
    user.window.talk_pressed.emit()
    await user.until(lambda: user.window._turn.value == "listening", "it listens")
    await asyncio.sleep(0.4)  # so long is spoken
    user.window.talk_released.emit()


def test_settings_in_its_words(service: Service, run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(service, tmp_path) as (user, server):
            change = user.window.settings.setting_changed.emit
            change("connection.instructions", "Speak like a pirate.")
            change("turns.mode", "hands_free")
            user.window.voice_chosen.emit("someone")
            await user.until(lambda: voices(server)[-1:] == ["someone"], "the voice")
            sessions = [event.session for event in server.events(wire.SessionUpdate)]
            assert "Speak like a pirate." in [session.instructions for session in sessions]
            await user.until(lambda: server.events(wire.InputAudioBufferAppend), "the microphone is open")
            if isinstance(server, OtherServer):
                raw = [event["session"] for event in server.wire if event["type"] == "session.update"]
                assert "someone" in [session.get("voice") for session in raw], "at the top level"
                detection = [session["turn_detection"] for session in raw if "turn_detection" in session]
                assert detection[-1]["type"] == "server_vad"
                assert all("type" not in session for session in raw)

    run_async(story(), deadline_s=30)


def voices(server: ScriptedServer) -> list[object]:
    """Return the voices that were asked for."""
    return [e.session.voice for e in server.events(wire.SessionUpdate) if e.session.voice]
