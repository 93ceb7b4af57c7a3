"""An MCP server that tells everything it knows: `python leaky_mcp.py stdio|http`.

Its token comes in `LEAKY_TOKEN`; over HTTP whoever calls must have it. As `http` it prints its port.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

TOKEN = os.environ.get("LEAKY_TOKEN", "")
server = MCPServer("leaky")


@server.tool(description=f"Tells what it knows, such as {TOKEN}.")
def leak() -> str:
    """Return the environment."""
    return json.dumps(dict(os.environ))


@server.tool()
def fail() -> str:
    """Fail with the token."""
    raise ToolError(f"the token {TOKEN} has expired")


def serve_http() -> None:
    """Serve on a free port of the loopback address, to those who have the token."""
    app = server.streamable_http_app()

    async def guarded(scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", []))
        if scope["type"] == "http" and headers.get(b"authorization") != f"Bearer {TOKEN}".encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"no"})
            return
        await app(scope, receive, send)

    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(guarded, log_level="critical", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    if sys.argv[1] == "http":
        serve_http()
    else:
        sys.stderr.write(f"started with the token {TOKEN}\n")
        server.run()
