"""Another endpoint, chosen in the settings, with a key that was typed: at once, and written nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication

from desktop_app.options import Options
from desktop_app.program import converse
from desktop_app.secrecy import Environment, Redaction
from desktop_app.ui.composer import Composer
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import Appearance, Theme
from tests.conftest import RunAsync
from tests.harness.inside import press
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


def test_what_is_given_while_there_is_no_program_yet_or_no_longer_is_not_lost(
    run_async: RunAsync, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first second, and while another endpoint takes the place of the one before."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    picture = QImage(8, 8, QImage.Format.Format_RGB32)
    picture.fill(QColor("teal"))
    path = tmp_path / "tile.png"
    assert picture.save(str(path))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])

    async def story() -> None:
        async with ScriptedServer(waiting) as first, ScriptedServer(waiting) as second:
            window = MainWindow(Theme(qapp, Appearance.LIGHT))
            window.hold_back()
            window.show()
            composer = window.findChild(Composer)
            assert composer is not None
            composer.type_on("Too early?")
            press(composer.line, Qt.Key.Key_Return)
            assert composer.take(data)
            options = Options(profile=tmp_path / "profile", endpoint=first.url)
            running = asyncio.ensure_future(converse(window, options, Environment({}, Redaction())))
            await until(lambda: composer.text == "Too early?", "the early message, back in its line")
            await until(lambda: len(composer.images) == 1, "the early picture")
            await until(lambda: first.connections == 1, "the first endpoint")

            sent: list[str] = []
            hold_back = window.hold_back

            def hold_back_and_send() -> None:
                hold_back()
                sent.append(composer.text)
                press(composer.line, Qt.Key.Key_Return)
                assert composer.text == "", "the key was taken"

            monkeypatch.setattr(window, "hold_back", hold_back_and_send)
            base = second.url.partition("/realtime")[0].replace("ws://", "http://")
            profile = {"name": "Mine", "kind": "compatible", "base_url": base, "model": "m"}
            window.settings.setting_changed.emit("connection.profiles", [profile])
            window.settings.key_entered.emit("Mine", SECRET)
            window.settings.setting_changed.emit("connection.endpoint", "Mine")
            await until(lambda: sent, "the end of the first program")
            await until(lambda: composer.text == "Too early?", "the message, back in its line")
            assert len(composer.images) == 1
            monkeypatch.setattr(window, "hold_back", hold_back)
            window.close()
            await asyncio.wait_for(running, 10)
            window.deleteLater()

    run_async(story(), deadline_s=40)
