"""An MCP server for the tests, by the official package: `python mcp_server.py stdio|http`.

As `http` it prints its port. What it does wrong is told by its tools' names.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import mcp_types
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("test server")


@server.tool(annotations=mcp_types.ToolAnnotations(title="Addition", read_only_hint=True))
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool(annotations=mcp_types.ToolAnnotations(destructive_hint=True))
def environment() -> list[str]:
    """List the names of the environment's variables."""
    return sorted(os.environ)


@server.tool(structured_output=False)
def picture() -> list[object]:
    """Return a picture."""
    return ["A dot.", Image(data=b"\x89PNG", format="png"), Image(data=b"GIF8", format="gif")]


@server.tool()
def fails() -> str:
    """Fail."""
    raise ToolError("the disk is full")


@server.tool()
def huge() -> str:
    """Return two megabytes."""
    return "x" * 2_000_000


@server.tool()
async def stalls() -> str:
    """Never return."""
    await asyncio.Event().wait()
    return ""


@server.tool()
def dies() -> str:
    """End the process."""
    sys.stderr.write("out of coffee\n")
    sys.stderr.flush()
    os._exit(3)


@server.tool()
def process() -> int:
    """Return the process's number."""
    return os.getpid()


@server.tool()
async def grows(ctx: Context[object, object]) -> str:
    """Offer one tool more."""

    def grown() -> str:
        """Return the new tool's output."""
        return "grown"

    server.add_tool(grown)
    await ctx.notify_tools_changed()
    return "done"


def serve_http(token: str) -> None:
    """Serve on a free port of the loopback address; with a token, only to those who have it."""
    app = server.streamable_http_app()

    async def guarded(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
        headers = dict(scope.get("headers", []))
        if scope["type"] == "http" and token and headers.get(b"authorization") != f"Bearer {token}".encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})  # type: ignore[operator]
            await send({"type": "http.response.body", "body": b"no"})  # type: ignore[operator]
            return
        await app(scope, receive, send)  # type: ignore[arg-type]

    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(guarded, log_level="critical", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    if sys.argv[1] == "http":
        serve_http(sys.argv[2] if len(sys.argv) > 2 else "")
    else:
        print("Welcome to the test server!")  # many do that, to where only messages belong
        sys.stderr.write(f"started in {Path.cwd().name}\n")
        server.run()
