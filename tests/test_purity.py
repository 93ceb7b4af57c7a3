"""The core touches nothing: it can be imported where there is no Qt, no sound, no network and no loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PURE_ROOMS = ["desktop_app.protocol", "desktop_app.conversation"]

IMPORT_ALL = """
import importlib, pkgutil, sys

for name in {unimportable!r}:
    sys.modules[name] = None  # `import` of it raises ImportError

room = importlib.import_module({room!r})
names = [info.name for info in pkgutil.walk_packages(room.__path__, room.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(*names)
"""


def import_all_of(room: str, unimportable: list[str]) -> subprocess.CompletedProcess[str]:
    script = IMPORT_ALL.format(room=room, unimportable=unimportable)
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_can_be_imported_with_nothing_around_it(room: str) -> None:
    done = import_all_of(room, ["PySide6", "qasync", "sounddevice", "websockets", "asyncio", "numpy"])

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) >= 2, "no modules were found: the test proves nothing"


def test_the_proof_can_fail() -> None:
    done = import_all_of("desktop_app.protocol", ["msgspec"])

    assert done.returncode != 0
    assert "msgspec" in done.stderr
