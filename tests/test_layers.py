"""The layer rule of pyproject.toml holds for the house, and each of its contracts can fail."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]

HOUSE = """
app.py program.py
ui/__init__.py ui/main_window.py session.py transport.py local_process.py
audio/__init__.py audio/speaker.py audio/devices.py
local_server/__init__.py local_server/server.py local_server/pipeline.py
tools/__init__.py tools/tool.py tools/mcp.py
settings.py tasks.py endpoints.py media.py
conversation/__init__.py conversation/conversation.py conversation/inputs.py
protocol/__init__.py protocol/events.py protocol/items.py
errors.py
"""
"""The smallest house of which every rule can be broken."""

ALLOWED = [
    ("app", "from desktop_app.program import x"),
    ("program", "import PySide6, qasync, desktop_app.session, desktop_app.ui.main_window, desktop_app.transport"),
    ("ui.main_window", "import PySide6.QtWidgets"),
    ("ui.main_window", "from desktop_app.conversation.inputs import x"),
    ("ui.main_window", "import desktop_app.errors, desktop_app.settings"),
    ("session", "import asyncio, desktop_app.conversation.conversation, desktop_app.protocol.events"),
    ("transport", "import websockets, desktop_app.protocol.events, desktop_app.tasks"),
    ("audio.speaker", "import sounddevice, numpy, threading, desktop_app.conversation.inputs"),
    ("audio.speaker", "from desktop_app.protocol.items import x"),
    ("conversation.conversation", "import desktop_app.protocol.events, desktop_app.errors, msgspec, enum"),
    ("conversation.inputs", "import desktop_app.protocol.events"),
    ("local_server.server", "import websockets, numpy, desktop_app.protocol.events, desktop_app.errors"),
    ("settings", "import desktop_app.errors"),
    ("endpoints", "import desktop_app.settings, desktop_app.protocol.events"),
    ("media", "import numpy, soxr, PIL, soundfile, desktop_app.errors, desktop_app.protocol.session_config"),
    ("tools.tool", "import desktop_app.protocol.items, desktop_app.errors, desktop_app.tasks"),
    ("tools.mcp", "import mcp, mcp_types, anyio, desktop_app.tools.tool"),
]

FORBIDDEN = [
    ("ui.main_window", "desktop_app.session", "rooms"),
    ("ui.main_window", "desktop_app.audio.speaker", "rooms"),
    ("ui.main_window", "desktop_app.transport", "rooms"),
    ("ui.main_window", "desktop_app.local_server.server", "rooms"),
    ("session", "desktop_app.transport", "rooms"),
    ("session", "desktop_app.ui.main_window", "rooms"),
    ("audio.speaker", "desktop_app.transport", "rooms"),
    ("audio.speaker", "desktop_app.session", "rooms"),
    ("transport", "desktop_app.program", "rooms"),
    ("local_process", "desktop_app.local_server.server", "rooms"),
    ("local_server.server", "desktop_app.session", "rooms"),
    ("local_server.server", "desktop_app.audio.devices", "rooms"),
    ("program", "desktop_app.app", "rooms"),
    ("conversation.conversation", "desktop_app.settings", "rooms"),
    ("conversation.conversation", "desktop_app.tasks", "rooms"),
    ("protocol.events", "desktop_app.conversation.inputs", "rooms"),
    ("protocol.events", "desktop_app.errors", "rooms"),
    ("settings", "desktop_app.protocol.items", "leaves"),
    ("errors", "desktop_app.protocol.items", "leaves"),
    ("settings", "desktop_app.endpoints", "rooms"),
    ("media", "desktop_app.audio.speaker", "rooms"),
    ("local_server.pipeline", "desktop_app.conversation.inputs", "server"),
    ("audio.speaker", "desktop_app.protocol.events", "audio"),
    ("audio.speaker", "desktop_app.conversation.conversation", "audio"),
    ("protocol.events", "asyncio", "pure"),
    ("protocol.events", "numpy", "pure"),
    ("conversation.conversation", "asyncio", "pure"),
    ("conversation.conversation", "time", "pure"),
    ("conversation.conversation", "threading", "pure"),
    ("session", "PySide6", "qt"),
    ("ui.main_window", "qasync", "qt"),
    ("conversation.conversation", "PySide6", "qt"),
    ("program", "sounddevice", "sound"),
    ("local_server.pipeline", "sounddevice", "sound"),
    ("session", "websockets", "sockets"),
    ("local_server.pipeline", "websockets", "sockets"),
    ("transport", "numpy", "engines"),
    ("audio.speaker", "onnxruntime", "engines"),
    ("tools.tool", "mcp", "mcp"),
    ("tools.tool", "desktop_app.protocol.events", "tools"),
    ("tools.tool", "desktop_app.conversation.inputs", "tools"),
    ("tools.tool", "desktop_app.session", "rooms"),
]


def contracts() -> dict[str, str]:
    """Return the contracts' names by their ids."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {each["id"]: each["name"] for each in settings["tool"]["importlinter"]["contracts"]}


def build_house(folder: Path, imports: list[tuple[str, str]]) -> None:
    """Build a house under the same rules, with these lines in its modules."""
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    package = folder / "desktop_app"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in HOUSE.split():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).touch()
    for module, line in imports:
        with package.joinpath(*module.split(".")).with_suffix(".py").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def lint(folder: Path) -> tuple[int, str]:
    """Return the exit code and what is said, without line breaks and doubled spaces."""
    done = subprocess.run(LINT, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, re.sub(r"\s+", " ", done.stdout)


def test_the_house_keeps_its_rules() -> None:
    code, said = lint(ROOT)

    assert code == 0, said


def test_what_is_allowed_passes(tmp_path: Path) -> None:
    build_house(tmp_path, ALLOWED)

    code, said = lint(tmp_path)

    assert (code, said.count("KEPT")) == (0, len(contracts())), said


def test_every_forbidden_import_is_found(tmp_path: Path) -> None:
    build_house(tmp_path, [*ALLOWED, *((module, f"import {imported}") for module, imported, _ in FORBIDDEN)])

    code, said = lint(tmp_path)

    assert code == 1
    missed = [edge for edge in FORBIDDEN if f"desktop_app.{edge[0]} -> {edge[1]} (l." not in said]
    assert not missed, said
    assert {contract for _, _, contract in FORBIDDEN} == set(contracts()), "a contract is never seen to fail"
    assert "KEPT" not in said


@pytest.mark.parametrize(
    "contract", ["rooms", "leaves", "server", "audio", "pure", "qt", "sound", "sockets", "engines", "mcp", "tools"]
)
def test_each_contract_fails_by_what_it_forbids(tmp_path: Path, contract: str) -> None:
    module, imported, _ = next(edge for edge in FORBIDDEN if edge[2] == contract)
    build_house(tmp_path, [(module, f"import {imported}")])

    _, said = lint(tmp_path)

    assert f"{contracts()[contract]} BROKEN" in said


def test_a_new_room_must_be_given_its_place(tmp_path: Path) -> None:
    build_house(tmp_path, [])
    (tmp_path / "desktop_app" / "cellar.py").touch()

    code, said = lint(tmp_path)

    assert code == 1
    assert "- desktop_app.cellar" in said
