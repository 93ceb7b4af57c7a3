"""Secrets in a list of MCP servers: taken out of what is written down, and filled in when a server is used.

Whoever pastes the list of another program pastes tokens with it. `lift` puts a reference such as
`${WIKI_AUTHORIZATION}` in the place of each and hands the tokens over by these names; `usable` returns the servers
with what the names stand for now, and names those that lack something. A server that does leaves the others alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from desktop_app.secrecy import sounds_secret
from desktop_app.tools.mcp_config import McpConfig, parse_mcp_config, variables_named

_LOOKS_SECRET = re.compile(r"((sk|ek|pk|xai|ghp|gho|ghs|glpat|xox[abps])[-_]|github_pat_|AKIA|eyJ)\S{12,}")
_SCHEME = re.compile(r"(?i)^((?:bearer|basic|token)\s+)(\S.*)$")
_NAMES = ("mcpServers", "servers")


@dataclass(frozen=True, slots=True)
class Lifted:
    """A list of servers without its secrets."""

    text: str
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """By the names that stand in the text for them."""


@dataclass(frozen=True, slots=True)
class Usable:
    """The servers that can be used."""

    configs: tuple[McpConfig, ...]
    missing: tuple[tuple[str, str], ...] = ()
    """Of those that cannot: the server, and the first variable that is not set."""


def lift(text: str, variables: Mapping[str, str]) -> Lifted:
    """Return the list without its secrets; one that cannot be read comes back as it is.

    What stands in `variables` under its own name already is referred to by that name.
    """
    content = _content(text)
    secrets: dict[str, str] = {}
    for server, entry in _entries(content):
        for key, value, put in _suspects(entry):
            name = _name_for(server, key, value, secrets, variables)
            put(f"${{{name}}}")
            secrets[name] = value
    if not secrets:
        return Lifted(text)
    fresh = {name: value for name, value in secrets.items() if variables.get(name) != value}
    return Lifted(json.dumps(content, indent=2, ensure_ascii=False), fresh)


def usable(text: str, variables: Mapping[str, str]) -> Usable:
    """Return the servers, filled in. Raises `ToolError` for a list that is none, or holds a server that is none."""
    content = _content(text)
    missing = []
    for server, entry in _entries(content):
        named = sorted(variables_named(json.dumps(entry)))
        lacking = next((name for name in named if name not in variables), "")
        if lacking and not (entry.get("disabled") is True or entry.get("enabled") is False):
            missing.append((server, lacking))
            entry["disabled"] = True
    text = json.dumps(content) if missing else text
    return Usable(parse_mcp_config(text, variables), tuple(missing))


def _content(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # `parse_mcp_config` says what is wrong with it
        return None


def _entries(content: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(content, dict):
        return []
    servers = next((content[name] for name in _NAMES if name in content), content)
    entries = servers.items() if isinstance(servers, dict) else ()
    return [(name, entry) for name, entry in entries if isinstance(entry, dict)]


_Put = Callable[[str], None]


def _suspects(entry: dict[str, Any]) -> list[tuple[str, str, _Put]]:
    """Return what is likely to be a secret: its name, itself, and what puts something in its place."""
    found: list[tuple[str, str, _Put]] = []
    for member in ("env", "headers"):
        texts = entry.get(member)
        if isinstance(texts, dict):
            suspects = [(name, value) for name, value in texts.items() if _is_secret(name, value)]
            found += [_behind_its_scheme(texts, name, value) for name, value in suspects]
    args = entry.get("args")
    if isinstance(args, list):
        found += _in_arguments(args)
    if isinstance(entry.get("url"), str):
        found += _in_address(entry)
    return found


def _is_secret(name: str, value: object) -> bool:
    if not isinstance(value, str) or not value.strip() or variables_named(value):
        return False
    return sounds_secret(name) or _LOOKS_SECRET.search(value) is not None


def _behind_its_scheme(texts: dict[str, Any], name: str, value: str) -> tuple[str, str, _Put]:
    scheme, secret = found.groups() if (found := _SCHEME.match(value.strip())) else ("", value)

    def put(reference: str) -> None:
        texts[name] = f"{scheme}{reference}"

    return name, secret, put


def _in_arguments(args: list[Any]) -> list[tuple[str, str, _Put]]:
    """Return secrets among the arguments of a command: `--token x`, `--token=x`, and what looks like one."""
    found: list[tuple[str, str, _Put]] = []
    for at, value in enumerate(args):
        if not isinstance(value, str):
            continue
        option, equals, behind = value.partition("=")
        before = args[at - 1] if at and isinstance(args[at - 1], str) else ""
        if value.startswith("-") and equals and _is_secret(option, behind):
            found.append((option, behind, _putter(args, at, f"{option}=")))
        elif (
            before.startswith("-") and "=" not in before and not value.startswith("-") and _is_secret(before, value)
        ):
            found.append((before, value, _putter(args, at, "")))
        elif not value.startswith("-") and _is_secret("", value):
            found.append((f"argument {at + 1}", value, _putter(args, at, "")))
    return found


def _putter(args: list[Any], at: int, before: str) -> _Put:
    def put(reference: str) -> None:
        args[at] = f"{before}{reference}"

    return put


def _in_address(entry: dict[str, Any]) -> list[tuple[str, str, _Put]]:
    """Return secrets among the members of the address's query."""
    found: list[tuple[str, str, _Put]] = []
    try:
        members = parse_qsl(urlsplit(entry["url"]).query, keep_blank_values=True)
    except ValueError:
        return found
    for at, (name, value) in enumerate(members):
        if not _is_secret(name, value):
            continue

        def put(reference: str, at: int = at, name: str = name) -> None:
            parts = urlsplit(entry["url"])
            now = parse_qsl(parts.query, keep_blank_values=True)
            now[at] = (name, reference)
            query = urlencode(now, quote_via=quote, safe="${}")
            entry["url"] = urlunsplit(parts._replace(query=query))

        found.append((name, quote(value, safe=""), put))
    return found


def _name_for(server: str, key: str, value: str, secrets: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """Return the name of a variable that stands for nothing else: the secret's own, if nobody has it."""

    def is_free(name: str) -> bool:
        taken = secrets.get(name, variables.get(name, value))
        return taken == value

    own = _as_variable(key)
    whole = own if own.startswith(_as_variable(server)) else f"{_as_variable(server)}_{own}"
    candidates = [own] if "_" in own and is_free(own) else []
    candidates += [whole, *(f"{whole}_{number}" for number in range(2, 100))]
    return next((name for name in candidates if is_free(name)), whole)


def _as_variable(words: str) -> str:
    name = re.sub(r"[^A-Z0-9]+", "_", words.upper()).strip("_") or "SECRET"
    return f"_{name}" if name[0].isdigit() else name
