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
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from desktop_app.endpoints import Endpoint, realtime_url
from desktop_app.errors import LocalServerError, ParleyError
from desktop_app.secrecy import inherited, sounds_secret
from desktop_app.tasks import start_task

TOKEN_VARIABLE = "PARLEY_LOCAL_TOKEN"
READY_WITHIN_S = 30.0
END_WITHIN_S = 5.0
FORGIVEN_AFTER_S = 60.0
"""A child that lived so long may die and be started again like the first."""
MAX_STARTS = 2
MAX_LINE_BYTES = 64 * 1024
"""A longer line is no report."""

if sys.platform == "win32":
    _NO_WINDOW = subprocess.CREATE_NO_WINDOW
else:
    _NO_WINDOW = 0

_log = logging.getLogger(__name__)


class Report(msgspec.Struct, frozen=True):
    """A line the local server prints."""

    event: str
    url: str = ""
    text: str = ""
    hint: str = ""
    key: str = ""
    done: float = 0
    total: float = 0
    engines: tuple[str, ...] = ()
    """What was loaded."""
    model: str = ""
    """What a session there is asked with; of an offer, what that endpoint serves."""


class _Replaced(Exception):
    """A child was ended before it was ready, because another one is wanted."""


@dataclass(slots=True)
class _Child:
    """One run of the local server."""

    token: str = field(repr=False)
    ready: asyncio.Future[str]
    """Where it listens, or why it does not."""
    process: Process | None = None
    run: asyncio.Task[None] | None = None
    """Starts it and listens to it."""

    @property
    def lives(self) -> bool:
        """Whether it runs, or is just being started."""
        return self.process is None or self.process.returncode is None


class LocalServer:
    """The child process. `report` gets what it prints, on the loop.

    `environment` is put over our own, without the user's keys and whatever else sounds like a secret.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        report: Callable[[Report], None],
        *,
        environment: Mapping[str, str] | None = None,
        ready_within_s: float = READY_WITHIN_S,
        end_within_s: float = END_WITHIN_S,
        forgiven_after_s: float = FORGIVEN_AFTER_S,
    ) -> None:
        self._arguments = tuple(arguments)
        self._report = report
        self._extra = dict(environment or {})
        self._ready_within_s = ready_within_s
        self._end_within_s = end_within_s
        self._forgiven_after_s = forgiven_after_s
        self._child: _Child | None = None
        self._starts = 0
        self._started_at = 0.0

    async def endpoint(self) -> Endpoint:
        """Return where it listens, starting it if it does not run.

        Raises `LocalServerError` if it does not get ready, or has died again.
        """
        child = self._child
        if child is None or not child.lives:
            child = self._child = self._new_child()
            # A task of its own: whoever asked may be called off in the middle, and another may ask meanwhile.
            child.run = start_task(self._run(child), name="local server")
        try:
            async with asyncio.timeout(self._ready_within_s):
                url = await asyncio.shield(child.ready)
        except _Replaced:
            return await self.endpoint()
        except TimeoutError:
            await self._end(child)
            raise _did_not_start() from None
        return Endpoint("Offline assistant", url, {"Authorization": f"Bearer {child.token}"})

    async def restart(self, environment: Mapping[str, str]) -> None:
        """End the child; the next attempt to connect starts another one, with these variables over ours."""
        self._extra = dict(environment)
        self._starts = 0
        await self.close()

    async def close(self) -> None:
        """End the child: by closing its input, and by force if it does not listen."""
        child, self._child = self._child, None
        if child is not None:
            await self._end(child)

    async def _end(self, child: _Child) -> None:
        """End a child and what listens to it; whoever waits for it to get ready waits for the next one."""
        if not child.ready.done():
            child.ready.set_exception(_Replaced())
        if child.process is not None:
            await self._stop(child.process)
        if child.run is not None:  # one that was just being started ends there
            await asyncio.wait([child.run], timeout=self._end_within_s)

    async def _stop(self, process: Process) -> None:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(self._end_within_s):
                await process.wait()
        except TimeoutError:
            _log.warning("the local server did not end by itself")
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
        await process.wait()

    def _new_child(self) -> _Child:
        """Return a child to be started; raise `LocalServerError` if it was started too often."""
        if time.monotonic() - self._started_at > self._forgiven_after_s:
            self._starts = 0
        if self._starts >= MAX_STARTS:
            self._starts = 0  # another attempt is the user's own wish
            raise LocalServerError(
                "The offline assistant stopped twice in a row.",
                "Press Reconnect to start it again; the terminal shows what it said last.",
            )
        self._starts += 1
        self._started_at = time.monotonic()
        return _Child(secrets.token_urlsafe(32), asyncio.get_running_loop().create_future())

    async def _run(self, child: _Child) -> None:
        """Start the child, pass on what it prints, and tell when it is over."""
        ready = child.ready
        ready.add_done_callback(_retrieved)
        try:
            process = await self._start(child)
        except OSError as error:
            self._child = None
            text = f"The offline assistant could not be started: {error.strerror or error}."
            if not ready.done():
                ready.set_exception(LocalServerError(text, "Install the program again."))
            return
        if ready.done():  # nobody wants it any more
            await self._stop(process)
            return
        assert process.stdout is not None
        async for line in _lines(process.stdout):
            self._take(line, ready)
        code = await process.wait()
        _log.info("the local server ended with code %s", code)
        if not ready.done():
            ready.set_exception(_did_not_start())

    async def _start(self, child: _Child) -> Process:
        child.process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=None,
            env=self._environment(child.token),
            # Ctrl+C in the terminal is for us alone: we end the child when we are done with it.
            start_new_session=True,
            creationflags=_NO_WINDOW,
        )
        return child.process

    def _environment(self, token: str) -> dict[str, str]:
        passed = {name: value for name, value in inherited(os.environ).items() if not sounds_secret(name)}
        return {**passed, **self._extra, TOKEN_VARIABLE: token, "PYTHONUNBUFFERED": "1"}

    def _take(self, line: bytes, ready: asyncio.Future[str]) -> None:
        try:
            report = msgspec.json.decode(line, type=Report)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            _log.info("the local server printed something else: %d bytes", len(line))
            return
        if report.event == "ready" and not ready.done():
            try:
                ready.set_result(realtime_url(report.url, report.model))
            except ParleyError as error:
                ready.set_exception(error)
        # Not called from here: should it fail, the child is still listened to and cannot stop at a full pipe.
        asyncio.get_running_loop().call_soon(self._report, report)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a stream; what is too long to be a report is dropped."""
    held = b""
    while data := await stream.read(MAX_LINE_BYTES):
        *lines, held = (held + data).split(b"\n")
        for line in lines:
            if line.strip() and len(line) <= MAX_LINE_BYTES:
                yield line
        if len(held) > MAX_LINE_BYTES:
            held = held[: MAX_LINE_BYTES + 1]  # long enough to be known as too long at its end


def _retrieved(ready: asyncio.Future[str]) -> None:
    """Whoever waits gets the exception; nobody waiting is no fault."""
    if not ready.cancelled():
        ready.exception()


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
