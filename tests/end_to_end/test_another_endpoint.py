"""Another endpoint, chosen in the settings, with a key that was typed: at once, and written nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from desktop_app.options import Options
from desktop_app.program import converse
from desktop_app.secrecy import Environment, Redaction
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import Appearance, Theme
from tests.conftest import RunAsync
from tests.harness.scripted_server import Caller, ScriptedServer

SECRET = "ek_typed-by-hand-and-kept-in-memory"


async def waiting(caller: Caller) -> None:
    """Greet, and stay."""
    await caller.greet()
    await caller.gone(within_s=30)


async def until(condition: object, what: str) -> None:
    """Wait until a callable says yes."""
    assert callable(condition)
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{what}: never")


def test_another_endpoint_is_talked_to_at_once_and_its_key_is_written_nowhere(
    run_async: RunAsync, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    async def story() -> None:
        async with ScriptedServer(waiting) as first, ScriptedServer(waiting) as second:
            window = MainWindow(Theme(qapp, Appearance.LIGHT))
            options = Options(profile=tmp_path, endpoint=first.url)
            window.show()
            running = asyncio.ensure_future(converse(window, options, Environment({}, Redaction())))
            await until(lambda: first.connections == 1, "the first endpoint")
            base = second.url.partition("/realtime")[0].replace("ws://", "http://")
            profile = {"name": "Mine", "kind": "compatible", "base_url": base, "model": "m"}
            window.settings.setting_changed.emit("connection.profiles", [profile])
            window.settings.key_entered.emit("Mine", SECRET)
            assert second.connections == 0, "a key alone changes nothing"
            window.settings.setting_changed.emit("connection.endpoint", "Mine")
            await until(lambda: second.connections == 1, "the second endpoint")
            assert second.requests[0].headers["Authorization"] == f"Bearer {SECRET}"
            window.close()
            await asyncio.wait_for(running, 10)
            window.deleteLater()

    run_async(story(), deadline_s=40)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Mine" in written
    assert SECRET.encode() not in written
