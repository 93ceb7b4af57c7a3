"""Starts the local server as a child process and tells when it is ready.

The child prints one JSON object a line: `ready` once, then progress, notices and what was loaded. It ends when its
standard input closes, so it cannot outlive us. It gets a token of its own through its environment, and none of the
user's keys. A child that dies is started once more at the next attempt to connect; one that dies again soon is not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from desktop_app.endpoints import Endpoint, realtime_url
from desktop_app.errors import LocalServerError
from desktop_app.tasks import start_task

TOKEN_VARIABLE = "PARLEY_LOCAL_TOKEN"
READY_WITHIN_S = 30
END_WITHIN_S = 5
FORGIVEN_AFTER_S = 60
"""A child that lived so long may die and be started again like the first."""

_log = logging.getLogger(__name__)


class Report(msgspec.Struct, frozen=True):
    """A line the local server prints."""

    event: str
    url: str = ""
    model: str = ""
    text: str = ""
    hint: str = ""
    key: str = ""
    done: float = 0
    total: float = 0
    engines: tuple[str, ...] = ()
    """What was loaded."""


class LocalServer:
    """The child process. `report` gets what it prints, on the loop."""

    def __init__(self, arguments: Sequence[str], report: Callable[[Report], None]) -> None:
        self._arguments = tuple(arguments)
        self._report = report
        self._process: Process | None = None
        self._ready: asyncio.Future[str] | None = None
        self._token = secrets.token_urlsafe(32)
        self._starts = 0
        self._started_at = 0.0

    async def endpoint(self) -> Endpoint:
        """Return where it listens, starting it if it does not run.

        Raises `LocalServerError` if it does not get ready, or has died again.
        """
        if self._process is None or self._process.returncode is not None:
            await self._start()
        ready = self._ready
        if ready is None:
            raise _did_not_start()
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                url = await asyncio.shield(ready)
        except TimeoutError:
            raise _did_not_start() from None
        return Endpoint("Offline assistant", url, {"Authorization": f"Bearer {self._token}"})

    async def close(self) -> None:
        """End the child: by closing its input, and by force if it does not listen."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await process.wait()
        except TimeoutError:
            _log.warning("the local server did not end by itself")
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self) -> None:
        if time.monotonic() - self._started_at > FORGIVEN_AFTER_S:
            self._starts = 0
        if self._starts >= 2:
            self._starts = 0  # another attempt is the user's own wish
            raise LocalServerError(
                "The offline assistant stopped twice in a row.",
                "Press Reconnect to start it again; the terminal shows what it said last.",
            )
        self._starts += 1
        self._started_at = time.monotonic()
        self._ready = asyncio.get_running_loop().create_future()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._arguments, stdin=PIPE, stdout=PIPE, stderr=None, env=self._environment()
            )
        except OSError as error:
            raise LocalServerError(
                f"The offline assistant could not be started: {error.strerror}.", "Install the program again."
            ) from error
        self._process = process
        start_task(self._listen(process, self._ready), name="local server")

    def _environment(self) -> dict[str, str]:
        passed = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
        return {**passed, TOKEN_VARIABLE: self._token, "PYTHONUNBUFFERED": "1"}

    async def _listen(self, process: Process, ready: asyncio.Future[str]) -> None:
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                self._take(line, ready)
        finally:
            if not ready.done():
                ready.set_exception(_did_not_start())
                ready.exception()  # whoever waits gets it; nobody waiting is no fault

        code = await process.wait()
        _log.info("the local server ended with code %s", code)

    def _take(self, line: bytes, ready: asyncio.Future[str]) -> None:
        try:
            report = msgspec.json.decode(line, type=Report)
        except msgspec.MsgspecError:
            _log.info("the local server printed something else: %d bytes", len(line))
            return
        if report.event == "ready" and not ready.done():
            ready.set_result(realtime_url(report.url, report.model))
        self._report(report)


def command(profile: Path, log_level: str) -> list[str]:
    """Return the command line of the child: this program again, without its window."""
    frozen = getattr(sys, "frozen", False)
    program = [sys.executable] if frozen else [sys.executable, str(Path(__file__).parents[1] / "main.py")]
    options = ["--serve-local", "--log-level", log_level]
    return [*program, *options, "--profile", str(profile)]


def _did_not_start() -> LocalServerError:
    return LocalServerError(
        "The offline assistant did not start.",
        "Press Reconnect to try again; the terminal shows what it said last.",
    )
