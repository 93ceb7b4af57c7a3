"""Where the vendor's agents run: in an environment of their own, because they want another `websockets` than we."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "interop"
LOCK = ROOT / "packaging" / "interop.lock"
"""The dependency group `interop`, with versions and hashes."""
STAMP = FOLDER / "requirements.txt"
"""What was installed; written last, so that half an environment is none."""


@pytest.fixture(scope="session")
def agents_python() -> Path:
    """Return a Python that has the dependency group `interop`: installed on first use, in some ten seconds."""
    wanted = LOCK.read_text("utf-8")
    python = FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists() or not STAMP.exists() or STAMP.read_text("utf-8") != wanted:
        shutil.rmtree(FOLDER, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(FOLDER)], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--require-hashes", "--no-deps", "-r", str(LOCK)], check=True)
        STAMP.write_text(wanted, "utf-8")
    return python
