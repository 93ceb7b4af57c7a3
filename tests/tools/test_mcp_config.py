"""Configurations as people paste them."""

from __future__ import annotations

import json

import pytest

from desktop_app.errors import ToolError
from desktop_app.tools.mcp_config import (
    HttpServer,
    StdioServer,
    is_remote,
    parse_mcp_config,
    secrets_of,
    variables_named,
)

USUAL = """
{
  "mcpServers": {
    "files": {"command": "npx", "args": ["-y", "@scope/server-files", "/home/me"], "env": {"KEY": "v", "PORT": 80},
              "autoApprove": ["*"], "alwaysAllow": ["read"], "timeout": 60},
    "wiki": {"type": "http", "url": "https://example.com/mcp", "headers": {"Authorization": "Bearer x"}},
    "off": {"command": "x", "disabled": true}
  },
  "theme": "dark"
}
"""


def test_the_usual_shape() -> None:
    files, wiki = parse_mcp_config(USUAL)

    assert files == StdioServer(
        "files", "npx", ("-y", "@scope/server-files", "/home/me"), {"KEY": "v", "PORT": "80"}
    )
    assert wiki == HttpServer("wiki", "https://example.com/mcp", {"Authorization": "Bearer x"})


@pytest.mark.parametrize("text", ["", "  \n", "{}" if False else '{"mcpServers": {}}', '{"servers": {}}'])
def test_nothing_is_no_server(text: str) -> None:
    assert parse_mcp_config(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"servers": {"a": {"type": "stdio", "command": "x"}}}',
        '{"a": {"command": "x"}}',
        '{"mcpServers": {"a": {"command": "x", "args": null, "env": null}}}',
    ],
)
def test_other_shapes_in_use(text: str) -> None:
    assert parse_mcp_config(text) == (StdioServer("a", "x"),)


def test_secrets_are_not_shown_by_accident() -> None:
    shown = repr(parse_mcp_config(USUAL))

    assert "Bearer" not in shown
    assert "KEY" not in shown


WRONG = {
    "{": "not JSON",
    '{"mcpServers": {"a": {"command": "x",}}}': "line 1, column",
    "// comment\n{}": "line 1, column 1",
    "[" * 100_000: "not JSON",
    "[]": "not a list of MCP servers",
    "{}": "no «mcpServers»",
    '{"mcpServers": []}': "must be an object",
    '{"mcpServers": {"a": "x"}}': "«a» must be an object",
    '{"mcpServers": {"a": {}}}': "needs a command or a url",
    '{"mcpServers": {"": {"command": "x"}}}': "no usable name",
    '{"mcpServers": {"a\\nb": {"command": "x"}}}': "no usable name",
    '{"mcpServers": {"a": {"command": "x", "url": "https://x"}}}': "both a command and a url",
    '{"mcpServers": {"a": {"command": ""}}}': "command of the server «a» is empty",
    '{"mcpServers": {"a": {"command": ["x"]}}}': "«command» of the server «a» must be a text",
    '{"mcpServers": {"a": {"command": "x\\u0000"}}}': "must be a text",
    '{"mcpServers": {"a": {"command": "x", "args": "-y"}}}': "must be a list of texts",
    '{"mcpServers": {"a": {"command": "x", "args": [{}]}}}': "«args[0]»",
    '{"mcpServers": {"a": {"command": "x", "env": ["A=b"]}}}': "must be an object of texts",
    '{"mcpServers": {"a": {"command": "x", "env": {"A": "${input:key}"}}}}': "«env.A» of the server «a» refers",
    '{"mcpServers": {"a": {"url": "example.com"}}}': "not an address",
    '{"mcpServers": {"a": {"url": "file:///x"}}}': "not an address",
    '{"mcpServers": {"a": {"url": "https://x:port/"}}}': "not an address",
    '{"mcpServers": {"a": {"url": "https://[::1/"}}}': "not an address",
    '{"mcpServers": {"a": {"url": "https://x/ y"}}}': "not an address",
    '{"mcpServers": {"a": {"url": "https://x", "headers": {"A": "b\\r\\nC: d"}}}}': "characters that a header",
    '{"mcpServers": {"a": {"url": "https://x", "headers": {"A b": "c"}}}}': "characters that a header",
    '{"mcpServers": {"a": {"url": "https://x", "headers": {"A": "schlüssel"}}}}': "The header A",
    '{"mcpServers": {"a": {"type": "sse", "url": "https://x"}}}': "no longer supported",
    '{"mcpServers": {"a": {"type": "carrier pigeon", "url": "https://x"}}}': "unknown type",
    json.dumps({"mcpServers": {f"s{n}": {"command": "x"} for n in range(51)}}): "at most 50",
    " " * 1_000_001: "too long",
}


@pytest.mark.parametrize("text", WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_what_is_wrong_is_a_sentence(text: str) -> None:
    with pytest.raises(ToolError) as raised:
        parse_mcp_config(text)

    assert WRONG[text] in str(raised.value)
    assert len(str(raised.value)) < 500


def test_a_remote_server_is_the_services_business() -> None:
    text = '{"mcpServers": {"docs": {"url": "https://example.com/mcp", "remote": true}, "own": {"command": "x"}}}'
    docs, own = parse_mcp_config(text)
    assert docs == HttpServer("docs", "https://example.com/mcp", remote=True)
    assert (is_remote(docs), is_remote(own)) == (True, False)
    with pytest.raises(ToolError, match="not https"):
        parse_mcp_config(text.replace("https:", "http:"))


def test_variables_are_filled_in_so_that_no_secret_need_be_written_down() -> None:
    text = """{"mcpServers": {
        "wiki": {"url": "https://x/${PLACE}", "headers": {"Authorization": "Bearer ${env:WIKI_TOKEN}"}},
        "files": {"command": "${PROGRAM}", "args": ["--in", "${PLACE}"], "env": {"API_KEY": "${WIKI_TOKEN}"}}}}"""
    environment = {"PLACE": "mcp", "WIKI_TOKEN": "token-0123456789", "PROGRAM": "serve"}

    wiki, files = parse_mcp_config(text, environment)

    assert wiki == HttpServer("wiki", "https://x/mcp", {"Authorization": "Bearer token-0123456789"})
    assert files == StdioServer("files", "serve", ("--in", "mcp"), {"API_KEY": "token-0123456789"})
    assert variables_named(text) == {"PLACE", "WIKI_TOKEN", "PROGRAM"}
    assert secrets_of(wiki) == ["Bearer token-0123456789"]
    assert secrets_of(files) == ["token-0123456789"]


def test_a_variable_that_is_not_set_is_named_and_none_is_shown() -> None:
    text = '{"mcpServers": {"a": {"command": "x", "env": {"A": "${ONE}", "B": "${TWO}"}}}}'

    with pytest.raises(ToolError, match="variable TWO, which is not set") as raised:
        parse_mcp_config(text, {"ONE": "very-secret"})

    assert "very-secret" not in str(raised.value)
