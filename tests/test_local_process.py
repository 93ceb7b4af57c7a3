"""The child process that serves offline, with small scripts in its place."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from desktop_app.errors import LocalServerError
from desktop_app.local_process import TOKEN_VARIABLE, LocalServer, Report, command
from tests.conftest import RunAsync
from tests.harness.processes import command_line_of

Run = Callable[[Coroutine[Any, Any, None]], None]

START = """
import json, os, signal, sys, time
def tell(**line): print(json.dumps(line), flush=True)
def ready(): tell(event="ready", url=f"ws://127.0.0.1:1/{os.getpid()}/v1/realtime", model="parley-offline")
def until_told(): sys.stdin.read()
"""
GOOD = "ready(); until_told()"


@pytest.fixture(params=["asyncio", "qasync"])
def run(request: pytest.FixtureRequest, run_async: RunAsync) -> Run:
    """Return what runs a coroutine on the plain loop, and on the program's; no child may be left."""

    async def bounded(coroutine: Coroutine[Any, Any, None]) -> None:
        async with asyncio.timeout(10):
            await coroutine

    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        if request.param == "qasync":
            run_async(coroutine)
        else:
            asyncio.run(bounded(coroutine))
        left = [child for child in psutil.Process().children() if START in command_line_of(child)]
        assert not left

    return run


class House:
    """A local server made of a script, and what it reported."""

    def __init__(self, script: str, *, environment: dict[str, str] | None = None, **bounds: float) -> None:
        self.reports: list[Report] = []
        self._came = asyncio.Event()
        arguments = [sys.executable, "-c", START + script]
        self.server = LocalServer(arguments, self._take, environment=environment, **bounds)

    def _take(self, report: Report) -> None:
        self.reports.append(report)
        self._came.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until what was reported makes the condition true."""
        async with asyncio.timeout(10):
            while not condition():
                self._came.clear()
                await self._came.wait()

    async def pid(self) -> int:
        """Return the child's process id, which the scripts put into their address."""
        number = urlsplit((await self.server.endpoint()).url).path.split("/")[1]
        return int(number)

    async def __aenter__(self) -> House:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()


async def ended(house: House) -> None:
    """Wait until the child is gone, and its parent knows."""
    child = house.server._child
    assert child is not None
    async with asyncio.timeout(10):
        while child.lives:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# --- a good child -------------------------------------------------------------------------------


def test_it_gets_ready_and_close_ends_it(run: Run) -> None:
    async def story() -> None:
        house = House(GOOD)
        endpoint = await house.server.endpoint()
        pid = await house.pid()

        assert endpoint.name == "Offline assistant"
        assert endpoint.url == f"ws://127.0.0.1:1/{pid}/v1/realtime?model=parley-offline"
        assert endpoint.headers["Authorization"].startswith("Bearer ")
        assert await house.server.endpoint() == endpoint, "one child, however often it is asked for"
        await house.server.close()
        assert not psutil.pid_exists(pid)
        assert house.reports[0].event == "ready"

    run(story())


async def test_what_it_prints_is_reported_in_order_and_rubbish_is_not() -> None:
    lines = [
        "starting…", "", "[]", "7", "null", "{", '{"no":"event"}', '{"event":7}', "\\xff", "[" * 20_000,
        '{"event":"progress","text":"Voice","done":1,"total":4}',
        '{"event":"progress","text":"half","done":"1"}',
        '{"event":"notice","text":"No voice.","hint":"Free some space.","key":"k"}',
        '{"event":"of next year","more":[1]}',
    ]  # fmt: skip
    rubbish = f"for line in {lines!r}: print(line, flush=True)\n"
    async with House(rubbish + 'sys.stdout.buffer.write(b"\\xff\\xfe{}\\n")\n' + GOOD) as house:
        await house.server.endpoint()
        await house.until(lambda: house.reports and house.reports[-1].event == "ready")

        assert [report for report in house.reports if report.event != "ready"] == [
            Report("progress", text="Voice", done=1, total=4),
            Report("notice", text="No voice.", hint="Free some space.", key="k"),
            Report("of next year"),
        ]


async def test_a_line_without_an_end_does_not_deafen_us() -> None:
    script = """
sys.stdout.write("x" * 5_000_000)
print()
print(json.dumps({"event": "notice", "text": "y" * 100_000}))
tell(event="notice", text="short")
sys.stdout.write("z" * 200_000 + "\\n"); sys.stdout.flush()
"""
    async with House(script + GOOD) as house:
        await house.server.endpoint()
        await house.until(lambda: len(house.reports) == 2)
        assert [(report.event, report.text) for report in house.reports] == [("notice", "short"), ("ready", "")]


async def test_a_bug_in_whoever_listens_does_not_deafen_us() -> None:
    bugs: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context["exception"]))

    def fail(_: Report) -> None:
        raise ZeroDivisionError

    server = LocalServer([sys.executable, "-c", START + "ready()\n" + "tell(event='x')\n" * 3 + GOOD], fail)
    await server.endpoint()
    while len(bugs) < 5:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await server.close()


# --- what it is given ---------------------------------------------------------------------------


async def test_it_gets_a_token_of_its_own_and_none_of_the_users_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_OF_NEXT_YEAR"):
        monkeypatch.setenv(name, "secret")
    script = "tell(event='notice', text=json.dumps([dict(os.environ), sys.argv]))\n" + GOOD
    async with House(script, environment={"PARLEY_CHAT_URL": "http://x"}) as house:
        endpoint = await house.server.endpoint()
        await house.until(lambda: house.reports)
        environment, arguments = json.loads(house.reports[0].text)
        token = endpoint.headers["Authorization"].removeprefix("Bearer ")
        command_line = psutil.Process(await house.pid()).cmdline()

    assert environment[TOKEN_VARIABLE] == token
    assert len(token) >= 32
    assert environment["PARLEY_CHAT_URL"] == "http://x"
    assert environment["PATH"] == os.environ["PATH"]
    assert not [name for name in environment if name.startswith("OPENAI_")]
    assert token not in " ".join([*arguments, *command_line])
    assert token not in repr(endpoint) + repr(house.server) + repr(vars(house.server))


async def test_every_child_has_another_token() -> None:
    async with House(GOOD) as house:
        first = await house.server.endpoint()
        os.kill(await house.pid(), signal.SIGKILL)
        await ended(house)
        assert (await house.server.endpoint()).headers != first.headers


@pytest.mark.skipif(sys.platform == "win32", reason="there are no sessions")
async def test_an_interrupt_in_the_terminal_is_not_for_the_child() -> None:
    async with House(GOOD) as house:
        assert os.getsid(await house.pid()) != os.getsid(0)


def test_the_command_is_this_program_without_its_window(tmp_path: Path) -> None:
    python, program, *options = command(tmp_path, "debug")

    assert (python, Path(program).name) == (sys.executable, "main.py")
    assert Path(program).exists()
    assert options == ["--serve-local", "--log-level", "debug", "--profile", str(tmp_path)]


# --- a child that fails -------------------------------------------------------------------------


async def refused(server: LocalServer) -> LocalServerError:
    with pytest.raises(LocalServerError) as failed:
        await server.endpoint()
    assert failed.value.sentence
    assert failed.value.hint
    return failed.value


async def test_a_program_that_is_not_there() -> None:
    server = LocalServer(["/nowhere/parley"], lambda _: None)

    assert "No such file" in (await refused(server)).sentence
    await server.close()


def test_a_child_that_dies_before_it_is_ready(run: Run) -> None:
    async def story() -> None:
        async with House("sys.exit(3)") as house:
            assert "did not start" in (await refused(house.server)).sentence

    run(story())


def test_a_child_that_never_gets_ready_is_not_kept(run: Run) -> None:
    async def story() -> None:
        async with House("tell(event='notice', text=str(os.getpid())); until_told()", ready_within_s=0.5) as house:
            assert "did not start" in (await refused(house.server)).sentence
            assert not psutil.pid_exists(int(house.reports[0].text))

    run(story())


def test_a_child_that_dies_is_started_once_more_and_not_twice(run: Run) -> None:
    async def story() -> None:
        async with House(GOOD) as house:
            pids = []
            for _ in range(2):
                pids.append(await house.pid())
                os.kill(pids[-1], signal.SIGKILL)
                await ended(house)

            assert len(set(pids)) == 2
            assert "twice in a row" in (await refused(house.server)).sentence
            assert await house.pid() not in pids, "the next attempt is the user's own wish"

    run(story())


async def test_a_child_that_lived_long_may_die_again() -> None:
    async with House(GOOD, forgiven_after_s=0) as house:
        for _ in range(4):
            pid = await house.pid()
            os.kill(pid, signal.SIGKILL)
            await ended(house)


# --- ending -------------------------------------------------------------------------------------


def test_a_child_that_does_not_listen_is_killed(run: Run) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN); ready(); time.sleep(60)"

    async def story() -> None:
        house = House(stubborn, end_within_s=0.2)
        pid = await house.pid()
        began_s = time.monotonic()
        await house.server.close()
        assert time.monotonic() - began_s < 2
        assert not psutil.pid_exists(pid)

    run(story())


def test_whoever_asks_may_be_called_off(run: Run) -> None:
    """An attempt that is called off while the child starts costs neither the child nor one of its starts."""

    async def story() -> None:
        async with House("time.sleep(0.2)\n" + GOOD) as house:
            for steps in range(6):
                asked = asyncio.ensure_future(house.server.endpoint())
                for _ in range(steps):
                    await asyncio.sleep(0)
                asked.cancel()
                await asyncio.wait([asked])
                assert asked.cancelled()
            await house.pid()
            assert [report.event for report in house.reports].count("ready") == 1

    run(story())


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_closing_while_it_starts_leaves_no_child(run: Run, steps: int) -> None:
    async def story() -> None:
        house = House(GOOD)
        asked = asyncio.ensure_future(house.server.endpoint())
        for _ in range(steps):
            await asyncio.sleep(0)
        asked.cancel()
        await house.server.close()

    run(story())


def test_a_restart_is_another_child_with_other_variables(run: Run) -> None:
    async def story() -> None:
        async with House("tell(event='notice', text=os.environ.get('X', ''))\n" + GOOD) as house:
            first = await house.pid()
            await house.server.restart({"X": "new"})
            assert not psutil.pid_exists(first)
            assert await house.pid() != first
            assert [report.text for report in house.reports if report.event == "notice"] == ["", "new"]

    run(story())


def test_whoever_waits_while_it_is_restarted_gets_the_next_one(run: Run) -> None:
    script = "until_told() if 'X' not in os.environ else None\n" + GOOD

    async def story() -> None:
        async with House(script) as house:
            asked = asyncio.ensure_future(house.server.endpoint())
            await asyncio.sleep(0)
            await house.server.restart({"X": "new"})
            assert (await asked).url == (await house.server.endpoint()).url

    run(story())


async def test_closing_without_a_child_and_twice() -> None:
    house = House(GOOD)
    await house.server.close()
    await house.pid()
    await house.server.close()
    await house.server.close()
