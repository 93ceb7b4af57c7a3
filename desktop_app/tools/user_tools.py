"""The user's own tools: Python files with typed functions, in the `tools` folder of the profile.

A file is never run before the user has seen what it offers and said yes. To show it, it is parsed, not imported.
The yes is for these bytes: their digest is kept, and a file that has changed needs a new one.

Each enabled file has a process of its own (`user_worker.py`), started when the program starts, instead of a thread
among ours. A loop without end in a thread cannot be ended and takes the interpreter from the audio callbacks; a
library that crashes would take the conversation with it; `os.chdir`, a monkeypatch or `sys.exit` stay where they
were made. The price is 15 MB of memory per file, and that a file is asked one thing at a time. The process gets
the text the user agreed to, not the path, so that nothing can be exchanged in between.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import json
import logging
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import msgspec

from desktop_app.errors import ToolError
from desktop_app.secrecy import inherited
from desktop_app.tools.tool import Arguments, Consent, Tool, ToolSpec
from desktop_app.tools.user_worker import Answer, Call, Described, File, Loaded

FOLDER = "tools"
STATE_FILE = "enabled.json"
MAX_SOURCE_BYTES = 1_000_000
MAX_LINE_BYTES = 8_000_000
LOADED_WITHIN_S = 20.0
ENDED_WITHIN_S = 2.0

_log = logging.getLogger(__name__)

Changed = Callable[[str, Sequence[Tool]], object]
"""`Toolbox.replace`: the source, and all its tools."""


class FileState(Enum):
    """What a file is to us."""

    OFF = "off"
    """The user has not enabled it."""
    ENABLED = "enabled"
    CHANGED = "changed"
    """It was enabled, but it is not what it was then: it needs a new yes."""
    BROKEN = "broken"
    """It cannot be read or run; `problem` says why."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A function a file would offer, as far as reading it tells."""

    signature: str
    summary: str
    """The first line of its docstring."""


@dataclass(frozen=True, slots=True)
class UserFile:
    """A file of the folder, for the user to decide upon."""

    name: str
    digest: str
    """What `enable` must be given: a yes to what was shown."""
    state: FileState
    offers: tuple[Offer, ...] = ()
    imports: tuple[str, ...] = ()
    """The modules it uses."""
    problem: str = ""
    """Why it does not work."""
    remarks: tuple[str, ...] = ()
    """Which of its functions are not offered, and why."""


class UserTools:
    """The files of one profile. `changed` is told what each offers, whenever that changes."""

    def __init__(self, profile: Path, changed: Changed, *, command: Sequence[str] = ()) -> None:
        self.folder = profile / FOLDER
        """Where the user puts the files. It need not exist."""
        self._state_path = profile / STATE_FILE
        self._changed = changed
        self._command = tuple(command) or worker_command()
        self._workers: dict[str, _Worker] = {}
        self._problems: dict[str, tuple[str, str]] = {}
        """What went wrong with a file: its digest then, and the sentence."""
        self._remarks: dict[str, tuple[str, ...]] = {}
        self._changing = asyncio.Lock()

    def files(self) -> list[UserFile]:
        """Return what is in the folder, read anew and not run."""
        enabled = self._enabled()
        return [self._examined(path, enabled) for path in self._paths()]

    async def load(self) -> None:
        """Start what is enabled. Failures stay with the file (`UserFile.problem`)."""
        async with self._changing:
            ready = [file for file in self.files() if file.state is FileState.ENABLED]
            for file in ready:
                with suppress(ToolError):
                    await self._start(file.name, file.digest)

    async def enable(self, name: str, digest: str) -> None:
        """Run the file from now on, also at the next start.

        Raises `ToolError` if it is not what the user was shown, or cannot be run; then it stays off.
        """
        async with self._changing:
            await self._stop(name)
            try:
                await self._start(name, digest)
            except ToolError:
                self._remember(name, None)
                raise
            self._remember(name, digest)

    async def disable(self, name: str) -> None:
        """Run the file no more."""
        async with self._changing:
            self._remember(name, None)
            self._problems.pop(name, None)
            await self._stop(name)

    async def refresh(self) -> None:
        """Take back what has changed or gone since it was enabled; start what came back as it was."""
        async with self._changing:
            enabled = self._enabled()
            now = {file.name: file for file in self.files()}
            for name, worker in list(self._workers.items()):
                if name not in now or now[name].digest != worker.digest or enabled.get(name) != worker.digest:
                    await self._stop(name)
            for file in now.values():
                if file.state is FileState.ENABLED and file.name not in self._workers:
                    with suppress(ToolError):
                        await self._start(file.name, file.digest)

    async def close(self) -> None:
        """End all processes. Nothing is reported any more."""
        self._changed = _nobody
        workers, self._workers = list(self._workers.values()), {}
        await asyncio.gather(*(worker.close() for worker in workers))

    # --- one file -------------------------------------------------------------------------------

    async def _start(self, name: str, digest: str) -> None:
        path = self.folder / name
        source = _read(path)
        if _digest(source) != digest:
            raise ToolError(f"{name} has changed since you looked at it.", "Look at it again, then enable it.")
        worker = _Worker(path, _text(source, name), digest, self._command)
        try:
            loaded = await worker.start()
        except BaseException as error:
            if isinstance(error, ToolError):
                self._problems[name] = (digest, str(error))
            await worker.close()
            raise
        self._problems.pop(name, None)
        self._remarks[name] = tuple(loaded.remarks)
        self._workers[name] = worker
        self._changed(_source(name), [_UserTool(each, worker) for each in loaded.tools])

    async def _stop(self, name: str) -> None:
        worker = self._workers.pop(name, None)
        if worker is not None:
            self._changed(_source(name), ())
            await worker.close()

    def _paths(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.glob("*.py") if not path.name.startswith(("_", ".")))
        except OSError:
            return []

    def _examined(self, path: Path, enabled: dict[str, str]) -> UserFile:
        name = path.name
        try:
            source = _read(path)
            digest = _digest(source)
            offers, imports = examine(_text(source, name), name)
        except ToolError as error:
            return UserFile(name, "", FileState.BROKEN, problem=str(error))
        state = FileState.OFF
        if name in enabled:
            state = FileState.ENABLED if enabled[name] == digest else FileState.CHANGED
        failed_digest, problem = self._problems.get(name, ("", ""))
        if problem and failed_digest == digest:
            state = FileState.BROKEN
        else:
            problem = ""
        remarks = self._remarks.get(name, ()) if name in self._workers else ()
        return UserFile(name, digest, state, offers, imports, problem, remarks)

    # --- the state ------------------------------------------------------------------------------

    def _enabled(self) -> dict[str, str]:
        """Return the digests by name. What cannot be read is no yes."""
        try:
            content = msgspec.json.decode(self._state_path.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.MsgspecError, ValueError):
            return {}
        return content

    def _remember(self, name: str, digest: str | None) -> None:
        enabled = self._enabled()
        if enabled.get(name) == digest:
            return
        enabled.pop(name, None)
        if digest is not None:
            enabled[name] = digest
        try:
            _write_atomically(self._state_path, json.dumps(enabled, indent=2) + "\n")
        except OSError as error:
            raise ToolError(f"It cannot be remembered which tool files are enabled: {error.strerror}.") from None


class _UserTool:
    """A function of a file, as a tool."""

    def __init__(self, described: Described, worker: _Worker) -> None:
        name = described.name
        self.spec = ToolSpec(
            name,
            described.description,
            described.parameters,
            Consent.ALWAYS_ASK,
            source=_source(worker.path.name),
            title=name.replace("_", " "),
        )
        self._worker = worker

    async def run(self, arguments: Arguments) -> object:
        """Have it called, unless the file is another one by now."""
        worker = self._worker
        if _digest(_read(worker.path)) != worker.digest:
            raise ToolError(
                f"The file {worker.path.name} has changed since the user enabled it.",
                "The user has to look at it and enable it again, in the settings.",
            )
        return await worker.call(self.spec.name, dict(arguments))


class _Worker:
    """The process of one file; started again after it had to be killed."""

    def __init__(self, path: Path, source: str, digest: str, command: Sequence[str]) -> None:
        self.path = path
        self.digest = digest
        self._source = source
        self._command = command
        self._process: Process | None = None
        self._one_at_a_time = asyncio.Lock()
        self._closed = False

    async def start(self) -> Loaded:
        """Run the file and return what it offers; raises `ToolError` with the file's name and line."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=None,
                env=_environment(),
                cwd=self.path.parent,
                limit=MAX_LINE_BYTES,
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            raise ToolError(f"{self.path.name} could not be started: {error.strerror}.") from None
        self._process = process
        try:
            async with asyncio.timeout(LOADED_WITHIN_S):
                line = await self._exchange(process, File(str(self.path), self._source))
            loaded = msgspec.json.decode(line, type=Loaded)
        except TimeoutError:
            await self._kill()
            raise ToolError(
                f"{self.path.name} was not loaded within {LOADED_WITHIN_S:g} seconds.",
                "Move what takes long from its top level into its functions.",
            ) from None
        except BaseException:
            await self._kill()
            raise
        if loaded.error:
            await self._kill()
            raise ToolError(loaded.error)
        return loaded

    async def call(self, name: str, arguments: dict[str, object]) -> str:
        """Return the output; raises `ToolError`. A call that is cancelled ends the process it keeps busy."""
        async with self._one_at_a_time:
            if self._closed:
                raise ToolError(f"{self.path.name} is not enabled any more.")
            if self._process is None or self._process.returncode is not None:
                await self.start()
            process = self._process
            assert process is not None
            try:
                answer = msgspec.json.decode(await self._exchange(process, Call(name, arguments)), type=Answer)
            except msgspec.MsgspecError:
                await self._kill()
                raise ToolError(f"{self.path.name} answered something that is no answer.") from None
            except BaseException:
                await self._kill()
                raise
        if answer.error:
            raise ToolError(answer.error)
        return answer.output

    async def close(self) -> None:
        """End the process: by closing its input, and by force if it does not listen."""
        self._closed = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDED_WITHIN_S):
                await process.wait()
        await self._kill()

    async def _exchange(self, process: Process, message: File | Call) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(message) + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        except (OSError, ValueError):  # it is gone, or the line is longer than any answer
            line = b""
        if not line.endswith(b"\n"):
            await self._kill()
            raise ToolError(f"The process of {self.path.name} ended in the middle.")
        return line

    async def _kill(self) -> None:
        """End it now, with what it started itself, and wait for it: at once if it has ended."""
        process = self._process
        if process is None:
            return
        self._process = None
        with suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            elif process.returncode is None:
                process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.shield(process.wait())


# --- a file's text ------------------------------------------------------------------------------


def examine(source: str, name: str) -> tuple[tuple[Offer, ...], tuple[str, ...]]:
    """Return what the text offers and imports, without running it; raises `ToolError` if it is not Python."""
    try:
        tree = ast.parse(source, name)
    except SyntaxError as error:
        raise ToolError(f"{name}, line {error.lineno}: {error.msg}.") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ToolError(f"{name} is not Python: {error}.") from None
    offers = tuple(
        Offer(_signature(node), (ast.get_docstring(node) or "").partition("\n")[0])
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    )
    return offers, tuple(sorted(_imported(tree)))


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returned}"


def _imported(tree: ast.Module) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add("." * node.level + (node.module or ""))
    return modules


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ToolError(f"There is no file {path.name}.")
        with path.open("rb") as file:
            source = file.read(MAX_SOURCE_BYTES + 1)
    except OSError as error:
        raise ToolError(f"{path.name} cannot be read: {error.strerror}.") from None
    if len(source) > MAX_SOURCE_BYTES:
        raise ToolError(f"{path.name} is larger than {MAX_SOURCE_BYTES:,} bytes.")
    return source


def _text(source: bytes, name: str) -> str:
    try:
        return source.decode("utf-8-sig")
    except UnicodeError:
        raise ToolError(f"{name} is not UTF-8 text.") from None


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _source(name: str) -> str:
    return f"your file {name}"


def _environment() -> dict[str, str]:
    """Return ours without the keys we talk to the endpoint with."""
    return {**inherited(os.environ), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".enabled-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _nobody(_: str, __: Sequence[Tool]) -> None:
    """Hear nothing."""


def worker_command() -> tuple[str, ...]:
    """Return the command line of a worker: this program again, without its window."""
    frozen = getattr(sys, "frozen", False)
    program = [sys.executable] if frozen else [sys.executable, str(Path(__file__).parents[2] / "main.py")]
    return (*program, "--run-tool-file")
