"""The rule that nothing is left behind can fail, and slow tests are left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

TESTS = """
import asyncio, threading
import pytest

running = []

async def test_leaves_a_task():
    running.append(asyncio.create_task(asyncio.sleep(60), name="forgotten"))

async def test_cancels_its_task():
    running.append(task := asyncio.create_task(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()

def test_leaves_a_task_on_the_qt_loop(run_async):
    async def leave():
        running.append(asyncio.create_task(asyncio.sleep(60), name="forgotten on Qt"))
    run_async(leave())

def test_leaves_a_thread(run_async):
    async def leave():
        threading.Thread(target=threading.Event().wait, args=(8,), name="forgotten thread", daemon=True).start()
    run_async(leave())

def test_returns_what_the_coroutine_returns(run_async):
    assert run_async(asyncio.sleep(0.01, 5)) == 5

def test_looks_up_a_name(run_async):
    async def look_up():
        return await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    assert run_async(look_up())

def test_has_a_deadline(run_async):
    with pytest.raises(TimeoutError):
        run_async(asyncio.sleep(9), deadline_s=0.05)

@pytest.mark.slow
def test_is_slow():
    pass
"""

VERDICTS = {
    "test_leaves_a_task": "ERROR",
    "test_cancels_its_task": "",
    "test_leaves_a_task_on_the_qt_loop": "FAILED",
    "test_leaves_a_thread": "ERROR",
    "test_returns_what_the_coroutine_returns": "",
    "test_looks_up_a_name": "",
    "test_has_a_deadline": "",
}


def run_pytest(tmp_path: Path, *arguments: str) -> str:
    file = tmp_path / "test_inner.py"
    file.write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), str(file), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


def test_what_is_left_behind_fails_the_test_that_left_it(tmp_path: Path) -> None:
    output = run_pytest(tmp_path)

    verdicts = {name: "" for name in VERDICTS}
    for line in output.splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict in ("FAILED", "ERROR"):
            verdicts[rest.split("::")[1].split(" ")[0]] = verdict
    assert verdicts == VERDICTS, output
    for name in ("forgotten ", "forgotten on Qt", "forgotten thread"):
        assert name in output


def test_slow_tests_run_only_with_full(tmp_path: Path) -> None:
    assert "8 deselected" in run_pytest(tmp_path, "-k", "test_is_slow")
    assert "1 passed" in run_pytest(tmp_path, "-k", "test_is_slow", "--full")
