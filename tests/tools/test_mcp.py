"""MCP servers, real ones: a child process by stdio, another by streamable HTTP on the loopback address."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop_app.tools.mcp import HttpServer, McpConfig, McpServers, ServerState, ServerStatus, StdioServer
from desktop_app.tools.tool import Consent, ToolResult
from desktop_app.tools.toolbox import Toolbox
from tests.harness.processes import start, stop, wait_until
from tests.tools.running import called, ended

SERVER = str(Path(__file__).with_name("mcp_server.py"))
STDIO = StdioServer("test", sys.executable, (SERVER, "stdio"), env={"TEST_TOKEN": "x"})


def script(code: str) -> StdioServer:
    return StdioServer("odd", sys.executable, ("-c", code))


class Desk:
    """The servers, the toolbox they fill, and what was reported of them."""

    def __init__(self, ready_within_s: float = 30, timeout_s: float = 20) -> None:
        self.toolbox = Toolbox(timeout_s=timeout_s, changed=self._noticed)
        self.reported: list[ServerState] = []
        self.servers = McpServers(self.toolbox.replace, self._reported, ready_within_s=ready_within_s)
        self._something = asyncio.Event()

    def _reported(self, state: ServerState) -> None:
        self.reported.append(state)
        self._something.set()

    def _noticed(self) -> None:
        self._something.set()

    async def until(self, condition: Callable[[], bool], deadline_s: float = 30) -> None:
        async with asyncio.timeout(deadline_s):
            while not condition():
                await self._something.wait()
                self._something.clear()

    async def settled(self, *configs: McpConfig) -> ServerState:
        """Start the servers; return how the last one is when it is no longer starting."""
        self.servers.use(configs)
        await self.until(lambda: all(state.status is not ServerStatus.STARTING for state in self.servers.states()))
        return self.servers.states()[-1]

    async def run(self, name: str, /, **arguments: Any) -> ToolResult:
        return await self.toolbox.run(called(name, **arguments))

    async def error(self, name: str, /, **arguments: Any) -> str:
        result = await self.run(name, **arguments)
        assert result.failed, result
        return str(json.loads(result.output)["error"])


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with desk_with() as desk:
        yield desk


class desk_with:
    """A desk that leaves no process behind."""

    def __init__(self, **options: float) -> None:
        self._options = options
        self._before = set(psutil.Process().children(recursive=True))

    async def __aenter__(self) -> Desk:
        self._desk = Desk(**self._options)
        return self._desk

    async def __aexit__(self, *_: object) -> None:
        await self._desk.servers.close()
        left = set(psutil.Process().children(recursive=True)) - self._before
        assert not left, f"processes are left: {left}"
        assert self._desk.toolbox.specs() == []


@pytest.fixture
def http_server() -> Iterator[Callable[..., HttpServer]]:
    """Start a server; return how it is reached."""
    running = []

    def serve(*token: str, **headers: str) -> HttpServer:
        process = start([sys.executable, SERVER, "http", *token], stdout=-1)
        running.append(process)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        return HttpServer("web", f"http://127.0.0.1:{port}/mcp", headers)

    yield serve
    for process in running:
        stop(process)


# --- what works ---------------------------------------------------------------------------------


async def test_a_program_offers_its_tools_and_runs_them(desk: Desk) -> None:
    state = await desk.settled(STDIO)

    assert (state.status, state.problem, state.remarks) == (ServerStatus.READY, "", ())
    assert state.tools[:2] == ("test__add", "test__environment")
    spec = desk.toolbox.spec("test__add")
    assert spec is not None
    assert (spec.description, spec.title, spec.source) == ("Add two numbers.", "Addition", "the MCP server «test»")
    assert spec.parameters["required"] == ["a"]
    assert (await desk.run("test__add", a=2, b=3)).output == "5"
    assert "'a' is a required property" in await desk.error("test__add")


async def test_every_tool_asks_whatever_the_server_says_of_it(desk: Desk) -> None:
    await desk.settled(STDIO)

    assert {spec.consent for spec in desk.toolbox.specs()} == {Consent.ALWAYS_ASK}
    remarks = {spec.name: spec.remark for spec in desk.toolbox.specs()}
    assert remarks["test__add"] == "The server says that it only reads."
    assert remarks["test__environment"] == "The server says that it may delete or overwrite."
    assert remarks["test__fails"] == ""


async def test_a_program_gets_what_was_configured_and_none_of_our_keys(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not a real key")
    monkeypatch.setenv("SOME_TOKEN", "not a real one either")
    await desk.settled(STDIO)

    names = (await desk.run("test__environment")).output.split()

    assert "TEST_TOKEN" in names
    assert "PATH" in names
    assert not [name for name in names if name.startswith("OPENAI_") or name == "SOME_TOKEN"]


async def test_pictures_come_beside_the_text(desk: Desk) -> None:
    await desk.settled(STDIO)

    result = await desk.run("test__picture")

    assert [(picture.data, picture.media_type) for picture in result.pictures] == [(b"\x89PNG", "image/png")]
    assert result.output == "A dot.\n[a picture of the type image/gif, which cannot be shown]"


async def test_a_tool_that_fails_says_why(desk: Desk) -> None:
    await desk.settled(STDIO)

    assert "the disk is full" in await desk.error("test__fails")
    assert (await desk.run("test__add", a=1)).output == "2"


async def test_megabytes_are_cut(desk: Desk) -> None:
    await desk.settled(STDIO)

    result = await desk.run("test__huge")

    assert not result.failed
    assert len(result.output) <= 16_000


async def test_new_tools_are_noticed(desk: Desk) -> None:
    await desk.settled(STDIO)

    assert (await desk.run("test__grows")).output == "done"
    await desk.until(lambda: desk.toolbox.spec("test__grown") is not None)
    assert (await desk.run("test__grown")).output == "grown"


OLD = """
import json, sys

tools = [
    {"name": "first", "inputSchema": {"type": "object"}},
    {"name": "second.with/odd name", "inputSchema": {"type": "object", "properties": {"a": {"type": "string"}}}},
]

def send(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

for line in sys.stdin:
    request = json.loads(line)
    method, params = request["method"], request.get("params", {})
    if "id" not in request:
        continue
    if method == "initialize":
        info, offered = {"name": "old", "version": "1"}, {"tools": {"listChanged": True}}
        result = {"protocolVersion": "2025-03-26", "capabilities": offered, "serverInfo": info}
    elif method == "tools/list":
        at = int(params.get("cursor") or 0)
        result = {"tools": tools[at:at + 1], **({"nextCursor": str(at + 1)} if at + 1 < len(tools) else {})}
    elif method == "tools/call":
        tools.append({"name": "third", "inputSchema": {"type": "object", "properties": {"a": {"type": "no such"}}}})
        tools.append({"name": "y" * 90, "inputSchema": {"type": "object"}})
        send(method="notifications/tools/list_changed")
        result = {"content": [{"type": "text", "text": params["name"] + " of " + params["arguments"].get("a", "")}]}
    else:
        send(id=request["id"], error={"code": -32601, "message": "Method not found"})
        continue
    send(id=request["id"], result=result)
"""
"""A server of the year before, without the package: it knows no discovery, and lists its tools page by page."""


async def test_an_older_server_of_another_make(desk: Desk) -> None:
    state = await desk.settled(StdioServer("My Old Server!", sys.executable, ("-c", OLD)))

    assert state.status is ServerStatus.READY, state
    first, second = state.tools
    assert first == "My_Old_Server__first"
    assert second.startswith("My_Old_Server__second_with_odd_name_")
    assert (await desk.run(second, a="me")).output == "second.with/odd name of me"
    await desk.until(lambda: len(desk.servers.states()[0].remarks) == 1)
    (remark,) = desk.servers.states()[0].remarks
    assert "third is left out: its parameters are no JSON schema: 'no such' is not valid" in remark
    long = desk.servers.states()[0].tools[2]
    assert (len(long), long[:20]) == (64, "My_Old_Server__yyyyy")
    assert (await desk.run(long)).output.startswith("y" * 90)


async def test_by_streamable_http(desk: Desk, http_server: Callable[..., HttpServer]) -> None:
    state = await desk.settled(http_server("secret", Authorization="Bearer secret"))

    assert state.status is ServerStatus.READY, state
    assert (await desk.run("web__add", a=2, b=3)).output == "5"
    assert "the disk is full" in await desk.error("web__fails")
    assert (await desk.run("web__picture")).pictures


async def test_several_servers_side_by_side_and_one_bad(desk: Desk, http_server: Callable[..., HttpServer]) -> None:
    missing = StdioServer("missing", "no-such-program")

    await desk.settled(STDIO, missing, http_server())

    assert {state.name: state.status for state in desk.servers.states()} == {
        "test": ServerStatus.READY,
        "missing": ServerStatus.FAILED,
        "web": ServerStatus.READY,
    }
    results = await asyncio.gather(desk.run("test__add", a=1), desk.run("web__add", a=2))
    assert [result.output for result in results] == ["2", "3"]


async def test_a_changed_list_of_servers_starts_and_ends_only_what_changed(desk: Desk) -> None:
    second = StdioServer("second", sys.executable, (SERVER, "stdio"))
    await desk.settled(STDIO, second)
    first_process = (await desk.run("test__process")).output
    second_process = psutil.Process(int((await desk.run("second__process")).output))

    desk.servers.use([STDIO])

    assert desk.toolbox.spec("second__add") is None
    assert desk.reported[-1] == ServerState("second", ServerStatus.STOPPED)
    assert (await desk.run("test__process")).output == first_process
    await ended(second_process)


async def test_a_server_can_be_restarted(desk: Desk) -> None:
    await desk.settled(STDIO)
    before = (await desk.run("test__process")).output

    desk.servers.restart("test")
    await desk.until(lambda: desk.servers.states()[0].status is ServerStatus.READY)

    assert (await desk.run("test__process")).output != before


def test_it_works_on_the_programs_loop(run_async: Any) -> None:
    async def live() -> str:
        async with desk_with() as desk:
            await desk.settled(STDIO)
            return (await desk.run("test__add", a=40, b=2)).output

    assert run_async(live(), deadline_s=40) == "42"


# --- what does not ------------------------------------------------------------------------------


async def test_a_call_that_stalls_is_a_timeout_and_the_next_one_works() -> None:
    async with desk_with(timeout_s=1.5) as desk:
        await desk.settled(STDIO)

        async with asyncio.timeout(6):
            assert "timeout: test__stalls did not answer within 1.5 seconds" in await desk.error("test__stalls")
            assert (await desk.run("test__add", a=1)).output == "2"


async def test_a_call_by_http_that_stalls_is_a_timeout(http_server: Callable[..., HttpServer]) -> None:
    config = http_server()
    async with desk_with(timeout_s=1.5) as desk:
        await desk.settled(config)

        async with asyncio.timeout(6):
            assert "timeout" in await desk.error("web__stalls")
            assert (await desk.run("web__add", a=1)).output == "2"


async def test_a_program_that_dies_in_a_call_is_an_error_and_reported(desk: Desk) -> None:
    await desk.settled(STDIO)

    said = await desk.error("test__dies")
    await desk.until(lambda: desk.servers.states()[0].status is ServerStatus.FAILED)

    assert "The MCP server «test» did not carry out the call" in said
    assert desk.servers.states()[0].problem == "The MCP server «test» has ended. It said last: out of coffee"
    assert desk.toolbox.specs() == []
    assert "no tool named" in await desk.error("test__add")


async def test_a_program_that_is_killed_is_noticed_without_a_call(desk: Desk) -> None:
    await desk.settled(STDIO)

    psutil.Process(int((await desk.run("test__process")).output)).kill()

    await desk.until(lambda: desk.servers.states()[0].status is ServerStatus.FAILED)
    assert desk.toolbox.specs() == []


async def test_an_http_server_that_is_gone_is_an_error_and_reported(http_server: Callable[..., HttpServer]) -> None:
    config = http_server()
    async with desk_with(timeout_s=5) as desk:
        await desk.settled(config)
        psutil.Process(int((await desk.run("web__process")).output)).kill()

        said = await desk.error("web__add", a=1)

        assert "The MCP server «web»" in said
        await desk.until(lambda: desk.servers.states()[0].status is ServerStatus.FAILED)
        assert "cannot be reached at 127.0.0.1" in desk.servers.states()[0].problem


ODD = {
    "there is no such program": (StdioServer("odd", "no-such-program"), "there is no program «no-such-program»"),
    "it is no program": (StdioServer("odd", os.devnull), "could not be started"),
    "the folder does not exist": (
        StdioServer("odd", sys.executable, cwd="/no/such/folder"),
        "could not be started",
    ),
    "it ends at once": (script("raise SystemExit('no configuration')"), "It said last: no configuration"),
    "it prints rubbish without end": (
        script("import sys\nwhile True: sys.stdout.write('rubbish\\n' * 1000)"),
        "prints what is not of the protocol",
    ),
    "it prints one endless line": (
        script("import sys\nwhile True: sys.stdout.write('x' * 1000)"),
        "did not get ready within 1.5 seconds",
    ),
    "it prints binary data": (
        script("import os, time\nos.write(1, bytes(range(256)) + b'\\n')\ntime.sleep(60)"),
        "did not get ready within 1.5 seconds",
    ),
    "it never answers": (script("import time; time.sleep(60)"), "did not get ready within 1.5 seconds"),
    "it never answers and ignores being ended": (
        script("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"),
        "did not get ready within 1.5 seconds",
    ),
    "it answers with something else": (
        script(
            "import json, sys\n"
            "for line in sys.stdin:\n"
            "    request = json.loads(line)\n"
            "    if 'id' in request:\n"
            "        print(json.dumps({'jsonrpc': '2.0', 'id': request['id'], 'result': 7}), flush=True)"
        ),
        "did not get ready within 1.5 seconds",
    ),
    "it answers with errors": (
        script(
            "import json, sys\n"
            "for line in sys.stdin:\n"
            "    request = json.loads(line)\n"
            "    error = {'code': -32000, 'message': 'not today'}\n"
            "    if 'id' in request:\n"
            "        print(json.dumps({'jsonrpc': '2.0', 'id': request['id'], 'error': error}), flush=True)"
        ),
        "does not work: not today",
    ),
}


@pytest.mark.skipif(os.name == "nt", reason="signals and devices of POSIX")
@pytest.mark.parametrize("case", ODD)
async def test_an_odd_program_is_a_sentence_within_the_time_limit(case: str) -> None:
    config, expected = ODD[case]
    limit_s = 1.5 if "did not get ready" in expected else 30
    async with desk_with(ready_within_s=limit_s) as desk:
        async with asyncio.timeout(limit_s + 5):
            state = await desk.settled(config)

        assert state.status is ServerStatus.FAILED
        assert expected in state.problem
        assert len(state.problem) < 600
        assert desk.toolbox.specs() == []


async def test_a_wrong_token_is_said(desk: Desk, http_server: Callable[..., HttpServer]) -> None:
    state = await desk.settled(http_server("secret", Authorization="Bearer wrong"))

    assert state.problem == ("The MCP server «web» refuses us (status 401). Check the token in its headers.")


async def test_a_wrong_path_is_said(desk: Desk, http_server: Callable[..., HttpServer]) -> None:
    config = http_server()

    state = await desk.settled(HttpServer("web", config.url.replace("/mcp", "/elsewhere")))

    assert state.problem == "The MCP server «web» answers with status 404. Check the address."


async def test_nobody_listening_is_said(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    state = await desk.settled(HttpServer("web", f"http://127.0.0.1:{port}/mcp"))

    assert f"cannot be reached at 127.0.0.1:{port}" in state.problem


async def test_a_web_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        async with desk_with(ready_within_s=1.0) as desk:
            async with asyncio.timeout(6):
                state = await desk.settled(HttpServer("web", f"http://127.0.0.1:{port}/mcp"))

    assert "did not get ready within 1 seconds" in state.problem


async def test_closing_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    async with desk_with() as desk:
        desk.servers.use([script(f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(60)")])
        await asyncio.to_thread(wait_until, begun.exists, "it starts")

    assert desk.reported[-1].status is ServerStatus.STOPPED


async def test_without_the_package_it_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)

    state = await desk.settled(STDIO)

    assert "need the package mcp" in state.problem


def test_the_program_does_not_import_the_package_before_it_is_needed() -> None:
    code = "import desktop_app.tools.mcp, desktop_app.tools.builtin, sys; print(sorted(sys.modules))"
    done = psutil.Popen([sys.executable, "-c", code], stdout=-1, cwd=Path(__file__).parents[2], text=True)
    modules = done.communicate(timeout=30)[0]

    assert "desktop_app.tools.mcp'" in modules
    for heavy in ("'mcp'", "'anyio'", "'pydantic'", "'httpx2'", "'jsonschema'", "'simpleeval'"):
        assert heavy not in modules
