"""Lists of MCP servers with tokens in them, as people paste them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from desktop_app.credentials import ForThisRun, Variables
from desktop_app.errors import ToolError
from desktop_app.tools.mcp_config import HttpServer, StdioServer, parse_mcp_config
from desktop_app.tools.mcp_secrets import lift, usable


def listed(**servers: Any) -> str:
    return json.dumps({"mcpServers": servers})


PASTED = listed(
    github={
        "command": "npx",
        "args": ["server-github"],
        "env": {"GITHUB_TOKEN": "ghp_0123456789abcdef", "PORT": "80"},
    },
    wiki={
        "url": "https://wiki.example/mcp",
        "headers": {"Authorization": "Bearer wiki-0123456789", "Accept": "*/*"},
    },
    maps={"url": "https://maps.example/mcp?zoom=3&api_key=maps%2B123"},
    shop={"command": "shop", "args": ["--token", "abc", "--secret=def", "--verbose", "sk-0123456789abcdefgh", "x"]},
)
SECRETS = ("ghp_0123456789abcdef", "wiki-0123456789", "maps%2B123", '"abc"', 'def"', "sk-0123456789abcdefgh")


def test_no_secret_stays_in_the_text_and_all_else_does() -> None:
    lifted = lift(PASTED, {})
    assert not [secret for secret in SECRETS if secret in lifted.text]
    assert lifted.secrets == {
        "GITHUB_TOKEN": "ghp_0123456789abcdef",
        "WIKI_AUTHORIZATION": "wiki-0123456789",
        "API_KEY": "maps%2B123",
        "SHOP_TOKEN": "abc",
        "SHOP_SECRET": "def",
        "SHOP_VERBOSE": "sk-0123456789abcdefgh",
    }
    assert '"PORT": "80"' in lifted.text
    assert "Bearer ${WIKI_AUTHORIZATION}" in lifted.text
    assert "secrets" not in repr(lifted)


def test_what_was_lifted_is_filled_in_again() -> None:
    lifted = lift(PASTED, {})
    assert usable(lifted.text, lifted.secrets).configs == parse_mcp_config(PASTED)
    assert lift(lifted.text, lifted.secrets).text == lifted.text, "there is nothing left to lift"


def test_a_server_that_lacks_a_secret_leaves_the_others_alone() -> None:
    known = usable(lift(PASTED, {}).text, {"GITHUB_TOKEN": "other"})
    assert [config.name for config in known.configs] == ["github"]
    assert known.missing == (("wiki", "WIKI_AUTHORIZATION"), ("maps", "API_KEY"), ("shop", "SHOP_SECRET"))


def test_a_name_that_stands_for_something_else_is_left_alone() -> None:
    two = listed(
        a={"command": "x", "env": {"API_KEY": "first-0123456789"}},
        b={"command": "x", "env": {"API_KEY": "second-0123456789"}},
        c={"command": "x", "env": {"API_KEY": "first-0123456789"}},
        d={"command": "x", "env": {"HOME_TOKEN": "mine"}},
    )
    lifted = lift(two, {"HOME_TOKEN": "somebody else's"})
    assert lifted.secrets == {
        "API_KEY": "first-0123456789",
        "B_API_KEY": "second-0123456789",
        "D_HOME_TOKEN": "mine",
    }


def test_what_the_environment_has_is_referred_to_and_not_kept() -> None:
    lifted = lift(PASTED, {"GITHUB_TOKEN": "ghp_0123456789abcdef"})
    assert "${GITHUB_TOKEN}" in lifted.text
    assert "GITHUB_TOKEN" not in lifted.secrets


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"mcpServers": {"a": 3}}',
        '{"a": {"command": "x", "env": {"KEY": 5}, "args": [1, null], "url": 7, "headers": []}}',
        '{"a": {"url": "http://[x/mcp?key=1"}}',
        '{"a": {"command": "x", "env": {"TOKEN": "${MINE}", "KEY": " "}}}',
    ],
)
def test_what_holds_no_secret_or_is_no_list_comes_back_as_it_is(text: str) -> None:
    lifted = lift(text, {})
    assert (lifted.text, lifted.secrets) == (text, {})


def test_a_server_that_is_switched_off_misses_nothing() -> None:
    text = listed(a={"command": "x", "env": {"K": "${MINE}"}, "disabled": True}, b={"command": "y"})
    assert usable(text, {}) == usable(listed(b={"command": "y"}), {})


def test_what_is_wrong_is_told_as_ever() -> None:
    with pytest.raises(ToolError, match="not JSON"):
        usable("{", {})


def test_what_is_kept_comes_before_the_environment() -> None:
    variables = Variables({"A_KEY": "theirs", "B": "b"}, ForThisRun())
    assert "X" not in variables
    variables.keep("A_KEY", "mine")
    variables.keep("X", "x")
    assert (variables["A_KEY"], variables["B"], variables["X"]) == ("mine", "b", "x")
    assert variables.get("nothing") is None
    text = listed(a={"url": "https://a.example", "headers": {"X-Api-Key": "${A_KEY}"}}, b={"command": "${X}"})
    assert usable(text, variables).configs == (
        HttpServer("a", "https://a.example", {"X-Api-Key": "mine"}),
        StdioServer("b", "x"),
    )
