"""MCP servers: each of their tools is a tool of ours.

The protocol is spoken by the official `mcp` package, which is optional, takes a second to import and is imported in
a thread when the first server is wanted. Each server has a task of its own, which opens the connection, lists the
tools, lists them again when the server says so, and closes: the package ties a connection to the task that opened
it. What fails is a sentence in the server's state; a call of a server that is gone, stalls or answers rubbish is an
error for the model. Time limits are the package's cancel scopes, since they let its own clean-up end: it closes a
program's input, waits, then kills it and what it started.

A server that ends after it has worked for a while is started again; one that ends soon after its start is not.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import importlib
import json
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from desktop_app.errors import ToolError
from desktop_app.secrecy import Redaction
from desktop_app.tasks import start_task
from desktop_app.tools.checking import schema_problem
from desktop_app.tools.mcp_config import HttpServer, McpConfig, StdioServer, parse_mcp_config
from desktop_app.tools.rendering import clip
from desktop_app.tools.threads import in_thread
from desktop_app.tools.tool import Arguments, Consent, Picture, Tool, ToolSpec, WithPictures

if TYPE_CHECKING:
    import anyio
    import mcp_types
    from mcp import Client

__all__ = [
    "HttpServer",
    "McpConfig",
    "McpServers",
    "ServerState",
    "ServerStatus",
    "StdioServer",
    "parse_mcp_config",
]

READY_WITHIN_S = 30.0
"""Programs that are fetched at their first start take long."""
CLOSED_WITHIN_S = 10.0
HEARD_WITHIN_S = 0.5
FORGIVEN_AFTER_S = 60.0
AGAIN_AFTER_S = 2.0
MAX_TOOLS = 128
MAX_PAGES = 50
MAX_NAME = 64
MAX_DESCRIPTION_BYTES = 2_000
MAX_SCHEMA_CHARS = 32_000
MAX_TEXT_CHARS = 200_000
MAX_PICTURE_BYTES = 5_000_000
MAX_SAID_CHARS = 300
MAX_RUBBISH = 1_000
"""Lines that are no messages, before a server is given up."""

_log = logging.getLogger(__name__)

Changed = Callable[[str, Sequence[Tool]], object]
"""`Toolbox.replace`: the source, and all its tools."""


class ServerStatus(Enum):
    """How far a server is."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"
    """It was taken out, or the program ends."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server, as the user sees it."""

    name: str
    status: ServerStatus
    tools: tuple[str, ...] = ()
    """The names of its tools, as the model knows them."""
    problem: str = ""
    """Why it does not work, and what to do."""
    remarks: tuple[str, ...] = ()
    """Which of its tools are left out, and why."""


class McpServers:
    """All servers. `changed` is told what each offers, `reported` how it is; both on the loop."""

    def __init__(
        self,
        changed: Changed,
        reported: Callable[[ServerState], None],
        *,
        redaction: Redaction | None = None,
        ready_within_s: float = READY_WITHIN_S,
    ) -> None:
        """`redaction` takes keys out of what the servers say."""
        self._changed = changed
        self._reported = reported
        self._redaction = redaction or Redaction()
        self._ready_within_s = ready_within_s
        self._servers: dict[str, _Server] = {}

    def use(self, configs: Sequence[McpConfig]) -> None:
        """Have these servers and no others: start what is new or changed, end what is gone. Does not wait."""
        wanted = {config.name: config for config in configs}
        for name, server in list(self._servers.items()):
            if wanted.get(name) != server.config:
                del self._servers[name]
                server.stop()
        for name, config in wanted.items():
            if name not in self._servers:
                self._start(config)

    def restart(self, name: str) -> None:
        """End that server and start it again."""
        server = self._servers.pop(name, None)
        if server is not None:
            server.stop()
            self._start(server.config)

    def states(self) -> list[ServerState]:
        """Return how all of them are."""
        return [server.state for server in self._servers.values()]

    async def close(self) -> None:
        """End all of them; no process is left."""
        servers, self._servers = list(self._servers.values()), {}
        for server in servers:
            server.stop()
        await asyncio.gather(*(server.ended() for server in servers))

    def _start(self, config: McpConfig) -> None:
        taken = {server.prefix for server in self._servers.values()}
        prefix = _prefix(config.name, taken)
        server = _Server(config, prefix, self._changed, self._reported, self._ready_within_s, self._redaction)
        self._servers[config.name] = server
        server.start()


class _Server:
    """One server and its task."""

    def __init__(
        self,
        config: McpConfig,
        prefix: str,
        changed: Changed,
        reported: Callable[[ServerState], None],
        ready_within_s: float,
        redaction: Redaction,
    ) -> None:
        self._clean = redaction.text
        self.config = config
        self.prefix = prefix
        self.source = f"the MCP server «{config.name}»"
        self.state = ServerState(config.name, ServerStatus.STARTING)
        self._changed = changed
        self._reported = reported
        self._ready_within_s = ready_within_s
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._scope: anyio.CancelScope | None = None
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        """Something to do: list the tools again, or the connection has ended."""
        self._lost = False
        self._said: deque[str] = deque(maxlen=20)
        """The last lines a program wrote to its standard error."""
        self._status_code = 0
        """The last HTTP status that was an error."""
        self._rubbish = 0
        """How much was received that is no message; a banner or two is usual."""

    def start(self) -> None:
        """Begin to connect."""
        self._task = start_task(self._live(), name=f"mcp server {self.config.name}")

    def stop(self) -> None:
        """Begin to end; nothing is reported any more but that."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._offer(())
        self._tell(ServerStatus.STOPPED)
        if self._scope is not None:
            self._scope.cancel()

    async def ended(self) -> None:
        """Wait until it has ended; by force, if it does not."""
        if self._task is None:
            return
        _, left = await asyncio.wait({self._task}, timeout=CLOSED_WITHIN_S)
        for task in left:
            _log.warning("an MCP server did not end in time")
            task.cancel()

    async def call(self, name: str, arguments: Arguments) -> object:
        """Return what the tool returned; raises `ToolError`."""
        client = self._client
        if client is None:
            raise ToolError(f"{_capital(self.source)} is not running.")
        try:
            result = await client.call_tool(name, dict(arguments))
        except Exception as error:  # whatever the package and the server come up with
            if str(error) == "Session terminated":  # the server was started anew and does not know us
                self._ended()
            raise ToolError(f"{_capital(self.source)} did not carry out the call: {_brief(error)}.") from error
        return _output(result)

    # --- its life -------------------------------------------------------------------------------

    async def _live(self) -> None:
        try:
            await in_thread(_import_all)
        except ImportError:
            self._fail(
                "MCP servers need the package mcp, which is not installed.",
                "Install it: pip install 'parley[mcp]'.",
            )
            return
        while not self._stopping.is_set():
            began = time.monotonic()
            await self._connection()
            if self._stopping.is_set() or time.monotonic() - began < FORGIVEN_AFTER_S:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_AFTER_S):
                    await self._stopping.wait()

    async def _connection(self) -> None:
        """Connect, be there until it ends, and leave nothing behind."""
        import anyio

        self._lost, self._status_code, self._rubbish = False, 0, 0
        self._said.clear()
        self._tell(ServerStatus.STARTING)
        with anyio.CancelScope() as self._scope:
            late = asyncio.get_running_loop().call_later(self._ready_within_s, self._too_late)
            try:
                await self._converse(late)
            except Exception as error:  # groups of whatever the package and the server come up with
                self._explain(error)
            finally:
                late.cancel()
                self._client = None
                self._offer(())
        self._scope = None

    def _too_late(self) -> None:
        """Tell it at once: to end a program that does not listen takes seconds more."""
        self._fail(
            f"{_capital(self.source)} did not get ready within {self._ready_within_s:g} seconds.",
            self._last_words(),
        )
        if self._scope is not None:
            self._scope.cancel()

    async def _converse(self, late: asyncio.TimerHandle) -> None:
        import anyio
        from mcp import Client

        from desktop_app import __version__

        implementation = _types().Implementation(name="parley", version=__version__)
        transport: Any = self._transport()
        async with Client(
            transport, client_info=implementation, message_handler=self._notified, cache=None
        ) as client:
            await self._list(client)
            self._client = client
            late.cancel()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, client)
                while not self._lost:
                    await self._wake.wait()
                    self._wake.clear()
                    if not self._lost:
                        await self._list_again(client)
                tasks.cancel_scope.cancel()
        if self._lost:
            self._fail(f"{_capital(self.source)} has ended.", self._last_words() or "Restart it in the settings.")

    async def _listen(self, client: Client) -> None:
        """Hear of changes from servers of the newest protocol, which tell only those who ask."""
        from mcp import MCPError
        from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost

        with suppress(ListenNotSupportedError, SubscriptionLost, MCPError, TimeoutError):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._wake.set()

    async def _notified(self, message: object) -> None:
        """Hear of changes from all other servers."""
        if isinstance(message, _types().ToolListChangedNotification):
            self._wake.set()

    def _received(self, item: object) -> bool:
        """Take note of what comes in; return whether more of it is wanted."""
        self._rubbish += isinstance(item, Exception)
        if self._rubbish <= MAX_RUBBISH:
            return True
        self._fail(f"{_capital(self.source)} prints what is not of the protocol.", "Check its command.")
        return False

    def _ended(self) -> None:
        self._lost = True
        self._wake.set()

    # --- its tools ------------------------------------------------------------------------------

    async def _list(self, client: Client) -> None:
        listed: list[mcp_types.Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            listed += page.tools
            cursor = page.next_cursor
            if cursor is None or len(listed) > MAX_TOOLS:
                break
        tools, remarks = await in_thread(self._tools, listed)  # the first check of a schema imports a library
        self._offer(tools)
        self._tell(ServerStatus.READY, tuple(tool.spec.name for tool in tools), remarks=remarks)

    async def _list_again(self, client: Client) -> None:
        import anyio

        try:
            with anyio.fail_after(self._ready_within_s):
                await self._list(client)
        except TimeoutError:
            raise ToolError("It did not list its tools in time.") from None

    def _tools(self, listed: Sequence[mcp_types.Tool]) -> tuple[list[_McpTool], tuple[str, ...]]:
        tools: dict[str, _McpTool] = {}
        remarks = []
        for each in listed[:MAX_TOOLS]:
            name = _tool_name(self.prefix, each.name)
            schema = {key: value for key, value in each.input_schema.items() if key not in ("$schema", "$id")}
            schema = {"type": "object", "properties": {}, **schema}
            problem = schema_problem(schema)
            if len(json.dumps(schema, default=str)) > MAX_SCHEMA_CHARS:
                problem = "its parameters are too long"
            if name in tools:
                problem = "there is another one of that name"
            if problem:
                remarks.append(self._clean(f"{each.name[:MAX_NAME]} is left out: {problem}."))
                continue
            title = each.title or (each.annotations.title if each.annotations else None) or each.name
            spec = ToolSpec(
                name,
                self._clean(clip(each.description or title, MAX_DESCRIPTION_BYTES)),
                schema,
                Consent.ALWAYS_ASK,
                source=self.source,
                title=self._clean(title[:100]),
                remark=_hints(each.annotations),
            )
            tools[name] = _McpTool(spec, each.name, self)
        if len(listed) > MAX_TOOLS:
            remarks.append(f"It offers more than {MAX_TOOLS} tools; the rest is left out.")
        return list(tools.values()), tuple(remarks)

    # --- what others hear of it -----------------------------------------------------------------

    def _offer(self, tools: Sequence[Tool]) -> None:
        if not (self._stopping.is_set() and tools):
            self._changed(self.source, tools)

    def _tell(
        self,
        status: ServerStatus,
        tools: tuple[str, ...] = (),
        *,
        problem: str = "",
        remarks: tuple[str, ...] = (),
    ) -> None:
        if self._stopping.is_set() and status is not ServerStatus.STOPPED:
            return
        self.state = ServerState(self.config.name, status, tools, self._clean(problem), remarks)
        self._reported(self.state)

    def _fail(self, sentence: str, hint: str = "") -> None:
        """Tell why it does not work. The first reason is the one; others follow from it."""
        if self.state.status is not ServerStatus.FAILED:
            self._tell(ServerStatus.FAILED, problem=f"{sentence} {hint}".rstrip())

    def _explain(self, error: Exception) -> None:
        import httpx2

        who, cause = _capital(self.source), _cause(error)
        match self.config, cause:
            case StdioServer(command=command), FileNotFoundError():
                self._fail(
                    f"{who} could not be started: there is no program «{command}».",
                    "Install it, or give its full path.",
                )
            case StdioServer(), OSError():
                self._fail(f"{who} could not be started: {cause.strerror or cause}.")
            case HttpServer(url=url), httpx2.TransportError():
                host = urlsplit(url).netloc.rpartition("@")[2]
                self._fail(f"{who} cannot be reached at {host}.", "Check the address, and that it is running.")
            case HttpServer(), _ if self._status_code in (401, 403):
                self._fail(f"{who} refuses us (status {self._status_code}).", "Check the token in its headers.")
            case HttpServer(), _ if self._status_code:
                self._fail(f"{who} answers with status {self._status_code}.", "Check the address.")
            case StdioServer(), _ if self._lost:
                self._fail(f"{who} ended before it was ready.", self._last_words())
            case _:
                self._fail(f"{who} does not work: {_brief(cause)}.", self._last_words())

    def _last_words(self) -> str:
        lines = [line for line in self._said if line.strip()]
        return f"It said last: {lines[-1].strip()[:MAX_SAID_CHARS]}" if lines else ""

    # --- the two transports ---------------------------------------------------------------------

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[tuple[Any, Any]]:
        opened = (
            _stdio(self.config, self._said) if isinstance(self.config, StdioServer) else self._http(self.config)
        )
        async with opened as (incoming, outgoing):
            yield _Watched(incoming, self._received, self._ended), outgoing

    @asynccontextmanager
    async def _http(self, config: HttpServer) -> AsyncIterator[tuple[Any, Any]]:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        async def note_status(response: httpx2.Response) -> None:
            if response.status_code >= 400:
                self._status_code = response.status_code

        own = urlsplit(config.url).hostname in ("localhost", "127.0.0.1", "::1")
        async with (
            httpx2.AsyncClient(
                headers=dict(config.headers),
                timeout=httpx2.Timeout(self._ready_within_s, read=None),  # calls have the toolbox's time limit
                trust_env=not own,  # a proxy does not know this computer's own addresses
                event_hooks={"response": [note_status]},
            ) as http_client,
            streamable_http_client(config.url, http_client=http_client) as streams,
        ):
            yield streams


@asynccontextmanager
async def _stdio(config: StdioServer, said: deque[str]) -> AsyncIterator[tuple[Any, Any]]:
    import anyio
    from mcp.client.stdio import StdioServerParameters, stdio_client

    # The package adds a few harmless variables of ours (PATH, HOME, …); the endpoint's keys are not among them.
    parameters = StdioServerParameters(
        command=config.command,
        args=list(config.args),
        env=dict(config.env),
        cwd=config.cwd or None,
        encoding_error_handler="replace",
    )
    loop, all_heard = asyncio.get_running_loop(), asyncio.Event()

    def hear(reading: int) -> None:
        """Keep the last lines of the program's standard error, until it and all it started have ended."""
        with os.fdopen(reading, "rb") as lines:
            while line := lines.readline(4_096):
                said.append(line.decode("utf-8", "replace"))
        with suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(all_heard.set)

    reading, writing = os.pipe()
    threading.Thread(target=hear, args=(reading,), name="mcp stderr", daemon=True).start()
    try:
        with os.fdopen(writing, "w") as errors:
            async with stdio_client(parameters, errlog=errors) as streams:
                errors.close()  # the program has its own
                yield streams
    finally:
        with anyio.move_on_after(HEARD_WITHIN_S, shield=True):
            await all_heard.wait()


class _Watched:
    """The package's incoming stream.

    `received` sees each message, or the error it gave, and tells whether to go on; `ended` is called when the
    stream ends, which the package itself tells nobody.
    """

    def __init__(self, stream: Any, received: Callable[[object], bool], ended: Callable[[], None]) -> None:
        self._stream = stream
        self._received = received
        self._ended = ended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> Any:
        try:
            item = await self._stream.__anext__()
            if not self._received(item):
                raise StopAsyncIteration
            return item
        except Exception:  # not when we ourselves stop listening
            self._ended()
            raise

    async def __aenter__(self) -> _Watched:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._stream.__aexit__(*error)


class _McpTool:
    """A tool of a server."""

    def __init__(self, spec: ToolSpec, name: str, server: _Server) -> None:
        self.spec = spec
        self._name = name
        self._server = server

    async def run(self, arguments: Arguments) -> object:
        """Have the server run it."""
        return await self._server.call(self._name, arguments)


# --- names, results, errors ---------------------------------------------------------------------


def _import_all() -> None:
    """Import what takes long, off the loop, and silence its log.

    It logs with their content the lines that are no messages, such as the banner a program prints.
    """
    for name in ("mcp", "mcp.client.stdio", "mcp.client.streamable_http", "anyio", "httpx2"):
        importlib.import_module(name)
    for name in ("mcp", "httpx2"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _types() -> Any:
    import mcp_types

    return mcp_types


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_") or "x"


def _prefix(name: str, taken: set[str]) -> str:
    """Return what the names of its tools begin with; two servers never share it."""
    prefix = base = _safe(name)[:24]
    number = 2
    while prefix in taken:
        prefix, number = f"{base}_{number}", number + 1
    return prefix


def _tool_name(prefix: str, name: str) -> str:
    """Return `server__tool`, of at most 64 characters; where that loses something, a digest keeps it apart."""
    whole = f"{prefix}__{_safe(name)}"
    if len(whole) <= MAX_NAME and _safe(name) == name:
        return whole
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]
    return f"{whole[: MAX_NAME - 7]}_{digest}"


def _hints(annotations: mcp_types.ToolAnnotations | None) -> str:
    """Return what the server says of the tool. It may be wrong, so it changes nothing but the question."""
    if annotations is None:
        return ""
    if annotations.read_only_hint:
        return "The server says that it only reads."
    if annotations.destructive_hint:
        return "The server says that it may delete or overwrite."
    return ""


def _output(result: mcp_types.CallToolResult) -> object:
    texts: list[str] = []
    pictures: list[Picture] = []
    for part in result.content:
        match part.type:
            case "text":
                texts.append(part.text[:MAX_TEXT_CHARS])
            case "image":
                picture = _picture(part.data, part.mime_type)
                if picture is None:
                    texts.append(f"[a picture of the type {part.mime_type[:40]}, which cannot be shown]")
                else:
                    pictures.append(picture)
            case "resource":
                text = getattr(part.resource, "text", None)
                uri = str(part.resource.uri)[:500]
                texts.append(f"[binary data: {uri}]" if text is None else f"{uri}:\n{text[:MAX_TEXT_CHARS]}")
            case "resource_link":
                texts.append(f"[{part.name[:200]}: {str(part.uri)[:500]}]")
            case other:
                texts.append(f"[{other}, which cannot be passed on]")
    if result.is_error:
        raise ToolError("\n".join(texts) or "The tool failed without saying why.")
    output: object = "\n".join(texts)
    if not texts:
        output = result.structured_content
    if not texts and output is None:
        output = "The picture follows as the next message." if pictures else "Done."
    return WithPictures(output, tuple(pictures)) if pictures else output


def _picture(data: str, media_type: str) -> Picture | None:
    if media_type not in ("image/png", "image/jpeg") or len(data) > MAX_PICTURE_BYTES * 4 // 3:
        return None
    try:
        return Picture(base64.b64decode(data, validate=True), media_type)
    except (binascii.Error, ValueError):
        return None


def _cause(error: BaseException) -> BaseException:
    """Return the first thing that went wrong inside groups of things that did."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _brief(error: BaseException) -> str:
    cause = _cause(error)
    kind = type(cause).__name__
    if kind == "ValidationError":
        return "it answered something that is not of the protocol"
    said = " ".join(str(cause).split())[:MAX_SAID_CHARS].rstrip(".")
    return said or kind


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
