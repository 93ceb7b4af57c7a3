"""Child processes of tests: each ends with the test that started it, whatever happens to the test.

A child gets a session of its own, so that Ctrl+C in the terminal does not end a sound server before the test
that uses it. If the starter is killed outright, the kernel ends the child (`setpriv --pdeathsig`); for the
kernel the starter is the *thread*, so start nothing from a thread that ends early.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

import psutil

T = TypeVar("T")


class MissingProgram(RuntimeError):
    """A program that the harness starts is not installed."""


class DidNotHappen(AssertionError):
    """What was waited for did not come true in time."""


def require(programs: Iterable[str]) -> None:
    """Raise MissingProgram, with all the names, if one of them is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise MissingProgram(
            f"Not installed: {', '.join(missing)}. «python3 packaging/dev.py setup» installs what tests need."
        )


def wait_until(condition: Callable[[], T], what: str, deadline_s: float = 10.0) -> T:
    """Return the first true value of `condition`, asked every 10 ms; raise DidNotHappen after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise DidNotHappen(f"{what}: not within {deadline_s:g} s")
        time.sleep(0.01)


def start(
    command: Sequence[str],
    env: Mapping[str, str | None] | None = None,
    *,
    stdout: int | IO[bytes] | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that dies with us; `env` is put over our own environment, None takes a variable out."""
    if shutil.which("setpriv"):
        command = ["setpriv", "--pdeathsig", "TERM", "--", *command]
    return subprocess.Popen(
        command,
        env=_environment(env),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        bufsize=0,
        pass_fds=pass_fds,
        cwd=cwd,
        start_new_session=True,
    )


def _environment(changes: Mapping[str, str | None] | None) -> dict[str, str]:
    merged = {**os.environ, **(changes or {})}
    return {name: value for name, value in merged.items() if value is not None}


def command_line_of(process: psutil.Process) -> list[str]:
    """Return the command line of a child; none if it has just ended."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def stop(process: subprocess.Popen[bytes], deadline_s: float = 5.0) -> int:
    """End a child: asked first, killed after the deadline. Return its exit code."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(deadline_s)
    if process.poll() is None:
        process.kill()
    code = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return code


@contextlib.contextmanager
def running(
    command: Sequence[str], env: Mapping[str, str | None] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child for as long as the block."""
    process = start(command, env)
    try:
        yield process
    finally:
        stop(process)


def run(command: Sequence[str], env: Mapping[str, str | None] | None = None, deadline_s: float = 10.0) -> str:
    """Run a command to its end and return what it printed; raise RuntimeError with its words if it fails."""
    done = subprocess.run(
        command,
        env=_environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=deadline_s,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{said}")
    return said
