"""One program at a time uses a profile; a program that was killed leaves nothing locked."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from desktop_app.options import Options
from desktop_app.profile import LOCK_FILE, AlreadyRunning, Claim, profile_folder

HOLDS = """
import sys
from pathlib import Path
from desktop_app.profile import Claim
claim = Claim(Path(sys.argv[1]))
print("claimed", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program that has claimed the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "claimed\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_a_second_program_is_told_so(tmp_path: Path) -> None:
    with holder(tmp_path), pytest.raises(AlreadyRunning, match="running already"):
        Claim(tmp_path)


def test_a_killed_program_leaves_nothing_locked(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        process.wait()
        Claim(tmp_path).release()


def test_another_profile_is_another_matter_and_a_released_one_is_free(tmp_path: Path) -> None:
    first = Claim(tmp_path / "a")
    Claim(tmp_path / "b").release()
    with pytest.raises(AlreadyRunning):
        Claim(tmp_path / "a")
    first.release()
    Claim(tmp_path / "a").release()
    assert sys.platform == "win32" or stat.S_IMODE((tmp_path / "a" / LOCK_FILE).stat().st_mode) == 0o600


def test_where_nothing_can_be_written_the_program_starts_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    Claim(tmp_path / "file" / "profile").release()


def test_the_folder_is_the_one_that_was_asked_for() -> None:
    assert profile_folder(Options(profile=Path("~/x"))) == Path.home() / "x"
    assert profile_folder(Options()).name == "Parley"
