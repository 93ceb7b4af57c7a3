"""What all tests share: the virtual sound card and screen, the loop, and the rule that nothing is left behind.

Tests never touch the machine's own sound card or screen: widgets are drawn offscreen, and whoever needs the
real thing asks for `sound` or `screen`, which are started on first use and shared by the session.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

# Before Qt is imported by anybody; a program on the virtual screen gets its own by the screen's `env`.
os.environ["QT_QPA_PLATFORM"] = "offscreen"

import pytest

from tests.harness.processes import DidNotHappen, wait_until
from tests.harness.screen import VirtualScreen
from tests.harness.sound import VirtualSound

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

T = TypeVar("T")


class RunAsync(Protocol):
    """The type of the fixture `run_async`."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], deadline_s: float = 10.0) -> T:
        """Run the coroutine on a Qt loop; return what it returns, raise TimeoutError after the deadline."""
        ...


# --- options ------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--full`."""
    parser.addoption("--full", action="store_true", help="run the tests marked slow as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests out without `--full`; have coroutine tests looked after."""
    if not config.getoption("--full"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    for item in items:
        if isinstance(item, pytest.Function) and asyncio.iscoroutinefunction(item.function):
            item.fixturenames.insert(0, "no_task_left")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what `dev.py test` checked before, so that the end of the output tells everything."""
    checks = os.environ.get("PARLEY_CHECKS")
    if checks:
        terminalreporter.section("checks before the tests")
        terminalreporter.write_line(checks)


# --- nothing is left behind ---------------------------------------------------------------------


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fail a coroutine test that leaves asyncio tasks running. Every coroutine test has it."""
    yield
    await _let_tasks_end(asyncio.current_task())


async def _let_tasks_end(own: asyncio.Task[Any] | None) -> None:
    """Give what was just cancelled a moment to end, then fail if a task is left."""
    left = asyncio.all_tasks() - {own}
    if left:
        _, left = await asyncio.wait(left, timeout=1.0)
    names = sorted(task.get_name() + " " + getattr(task.get_coro(), "__qualname__", "") for task in left)
    assert not names, f"tasks left running: {', '.join(names)}"


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Fail a test that leaves threads running. `run_async` has it; others may ask for it."""
    before = set(threading.enumerate())

    def left() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread not in before]

    yield
    try:
        wait_until(lambda: not left(), "threads end", deadline_s=2.0)
    except DidNotHappen:
        pytest.fail(f"threads left running: {', '.join(left())}")


@pytest.fixture(autouse=True)
def _deleted_later_is_deleted() -> Iterator[None]:
    """Let widgets go that a test gave up by `deleteLater`: no loop runs after it that would do so.

    Hundreds of windows that are still there would make each change of the style sheet take a minute.
    """
    yield
    if "PySide6.QtWidgets" in sys.modules:
        from PySide6.QtCore import QCoreApplication, QEvent

        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


# --- the loop -----------------------------------------------------------------------------------


@pytest.fixture
def run_async(qapp: QApplication, no_thread_left: None) -> RunAsync:
    """Return a function that runs a coroutine on a qasync loop of its own, as the program's is.

    It has a deadline; a task that is still running afterwards fails the test.
    """
    import qasync

    qapp.setQuitOnLastWindowClosed(False)

    def new_loop() -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop = qasync.QEventLoop(qapp)
        # qasync's own would start ten QThreads at the first look-up of a host name.
        loop.set_default_executor(ThreadPoolExecutor(2))
        return loop

    def run(coroutine: Coroutine[Any, Any, T], deadline_s: float = 10.0) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(deadline_s):
                result = await coroutine
            await _let_tasks_end(asyncio.current_task())
            return result

        gc.disable()  # as the program does: in a worker thread it would destroy what is Qt's
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                result = runner.run(bounded())
        finally:
            gc.enable()
        gc.collect()  # an exception in a forgotten future is told here, to this test
        return result

    return run


# --- sound and screen ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sound() -> Iterator[VirtualSound]:
    """Start a private sound server, for this process and, by `sound.env`, for children."""
    _only_on_linux("sound server")
    with VirtualSound() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.env.items():
            patch.setenv(name, value)
        _let_portaudio_look_again()
        yield server


@pytest.fixture(scope="session")
def screen() -> Iterator[VirtualScreen]:
    """Start a virtual screen for children, by `screen.env`; this process stays offscreen."""
    _only_on_linux("screen")
    with VirtualScreen() as display:
        yield display


def _let_portaudio_look_again() -> None:
    """PortAudio lists the devices once; if somebody imported it before, that was before the sound server."""
    if sounddevice := sys.modules.get("sounddevice"):
        sounddevice._terminate()
        sounddevice._initialize()


def _only_on_linux(what: str) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip(f"there is no virtual {what} for {sys.platform}")
