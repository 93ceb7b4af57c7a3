"""Which MCP servers there are: the JSON that other desktop programs use, so that a user can paste it.

    {"mcpServers": {"files": {"command": "npx", "args": ["-y", "a-server"], "env": {"KEY": "…"}},
                    "wiki": {"url": "https://host/mcp", "headers": {"Authorization": "Bearer …"}}}}

In the values, `${NAME}` stands for a variable of the environment, so that no secret need be written down.

With `"remote": true` beside a url, the Realtime service calls that server itself, and it is no business of this
computer. Members this program does not know are ignored, above all those by which other programs skip the user's
consent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from desktop_app.errors import ToolError
from desktop_app.secrecy import sounds_secret

MAX_SERVERS = 50
MAX_TEXT = 1_000_000
MAX_NAME = 100
LONG_VALUE = 24
"""A header's value longer than this is taken for a secret, whatever the header is called."""

_HINT = 'It looks like {"mcpServers": {"name": {"command": "…", "args": ["…"]}}}, or {"url": "…"} inside.'
_REFERENCE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)\}")
_FILLED = ("command", "args", "env", "cwd", "url", "headers")
_TYPES_HTTP = ("http", "streamable-http", "streamableHttp", "streamable_http")


@dataclass(frozen=True, slots=True)
class StdioServer:
    """A server that is a program of this computer, spoken to by its standard input and output."""

    name: str
    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What it needs besides a few harmless variables of ours; may hold secrets."""
    cwd: str = ""


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server that is reached by streamable HTTP."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """May hold secrets."""
    remote: bool = False
    """The Realtime service calls it, not this program."""


McpConfig = StdioServer | HttpServer


def variables_named(text: str) -> set[str]:
    """Return the names of the variables that a list of servers refers to."""
    return set(_REFERENCE.findall(text))


def parse_mcp_config(text: str, environment: Mapping[str, str] | None = None) -> tuple[McpConfig, ...]:
    """Return the servers, with variables filled in from `environment`.

    Raises `ToolError` with what is wrong and where. Servers marked as disabled are left out. An empty text is no
    server.
    """
    if len(text) > MAX_TEXT:
        raise ToolError("This is too long to be a list of MCP servers.", _HINT)
    if not text.strip():
        return ()
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ToolError(
            f"This is not JSON: {error.msg}, in line {error.lineno}, column {error.colno}.",
            "A comma too many and a comment are the usual reasons.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ToolError(f"This is not JSON: {str(error)[:200]}.", _HINT) from None
    servers = _servers(content)
    if len(servers) > MAX_SERVERS:
        raise ToolError(f"There are {len(servers)} servers; at most {MAX_SERVERS} can be used.")
    filled_in = environment or {}
    return tuple(_server(name, entry, filled_in) for name, entry in servers.items() if not _is_disabled(entry))


def _filled(name: str, value: Any, environment: Mapping[str, str]) -> Any:
    """Return a member of a server with the variables it refers to, itself or in what it holds."""

    def fill(text: Any) -> Any:
        if not isinstance(text, str):
            return text
        missing = [each for each in _REFERENCE.findall(text) if each not in environment]
        if missing:
            raise ToolError(
                f"The server «{name}» refers to the variable {missing[0][:MAX_NAME]}, which is not set.",
                "Set it before the program is started, or write the value itself.",
            )
        return _REFERENCE.sub(lambda found: environment[found[1]], text)

    match value:
        case dict():
            return {key: fill(each) for key, each in value.items()}
        case list():
            return [fill(each) for each in value]
        case _:
            return fill(value)


def is_remote(config: McpConfig) -> bool:
    """Return whether the Realtime service calls this server."""
    return isinstance(config, HttpServer) and config.remote


def secrets_of(config: McpConfig) -> list[str]:
    """Return what in a server's settings is likely to be a secret."""
    if isinstance(config, StdioServer):
        return [value for name, value in config.env.items() if sounds_secret(name)]
    members = parse_qsl(urlsplit(config.url).query)
    headers = [value for name, value in config.headers.items() if sounds_secret(name) or len(value) > LONG_VALUE]
    return headers + [value for name, value in members if sounds_secret(name)]


def _servers(content: object) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise ToolError("This is not a list of MCP servers.", _HINT)
    for key in ("mcpServers", "servers"):
        if key in content:
            servers = content[key]
            if not isinstance(servers, dict):
                raise ToolError(f"«{key}» must be an object with a server under each name.", _HINT)
            return servers
    if content and all(
        isinstance(each, dict) and ("command" in each or "url" in each) for each in content.values()
    ):
        return content  # what stands inside, pasted alone
    raise ToolError("There is no «mcpServers» in it.", _HINT)


def _is_disabled(entry: object) -> bool:
    return isinstance(entry, dict) and (entry.get("disabled") is True or entry.get("enabled") is False)


def _server(name: str, entry: object, environment: Mapping[str, str]) -> McpConfig:
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise ToolError("A server has no usable name.", "The name stands before the colon.")
    if not isinstance(entry, dict):
        raise ToolError(f"The server «{name}» must be an object.", _HINT)
    entry = {key: _filled(name, value, environment) if key in _FILLED else value for key, value in entry.items()}
    kind = entry.get("type", entry.get("transport"))
    if kind == "sse":
        raise ToolError(
            f"The server «{name}» is of the type sse, which is no longer supported.",
            "Most of them offer streamable HTTP as well, often at an address that ends in /mcp.",
        )
    if "command" in entry and "url" in entry:
        raise ToolError(f"The server «{name}» has both a command and a url.", "Leave out one of them.")
    if "url" in entry and kind in (None, *_TYPES_HTTP):
        return _http(name, entry)
    if "command" in entry and kind in (None, "stdio", "local"):
        return _stdio(name, entry)
    if kind is not None and kind not in (*_TYPES_HTTP, "stdio", "local"):
        raise ToolError(f"The server «{name}» is of an unknown type.", "There are «stdio» and «http».")
    raise ToolError(f"The server «{name}» needs a command or a url.", _HINT)


def _stdio(name: str, entry: Mapping[str, Any]) -> StdioServer:
    command = _text(name, "command", entry["command"])
    if not command.strip():
        raise ToolError(f"The command of the server «{name}» is empty.")
    args = entry.get("args") or []
    if not isinstance(args, list):
        raise ToolError(f"«args» of the server «{name}» must be a list of texts.", 'Such as ["-y", "a-server"].')
    return StdioServer(
        name,
        command,
        tuple(_text(name, f"args[{index}]", each) for index, each in enumerate(args)),
        _texts(name, "env", entry.get("env")),
        _text(name, "cwd", entry.get("cwd") or ""),
    )


def _http(name: str, entry: Mapping[str, Any]) -> HttpServer:
    url = _text(name, "url", entry["url"]).strip()
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", url):
        raise ToolError(f"The url of the server «{name}» is not an address.", "It begins with https:// or http://.")
    headers = _texts(name, "headers", entry.get("headers"))
    for key, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", key) or re.search(r"[\x00-\x1f\x7f]", value):
            raise ToolError(f"A header of the server «{name}» holds characters that a header cannot have.")
        if not value.isascii():
            raise ToolError(f"The header {key} of the server «{name}» holds letters that a header cannot have.")
    remote = entry.get("remote") is True
    if remote and parts.scheme != "https":
        raise ToolError(
            f"The server «{name}» is remote, but its url is not https.",
            "Leave «remote» out, and this program calls it.",
        )
    return HttpServer(name, url, headers, remote=remote)


def _texts(name: str, key: str, value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ToolError(f"«{key}» of the server «{name}» must be an object of texts.", 'Such as {"KEY": "value"}.')
    return {each: _text(name, f"{key}.{each}", text) for each, text in value.items()}


def _text(name: str, key: str, value: object) -> str:
    """Return the text; the message names the place and never shows what stands there, which may be a secret."""
    if isinstance(value, bool | int | float):
        value = json.dumps(value)  # a port or a switch, as people write them
    if not isinstance(value, str) or "\x00" in value:
        raise ToolError(f"«{key}» of the server «{name}» must be a text.", "Put it between quotation marks.")
    if re.search(r"\$\{[^}]+\}", value):
        raise ToolError(
            f"«{key}» of the server «{name}» refers to something by ${{…}}, which is not filled in here.",
            "Write the value itself.",
        )
    return value
