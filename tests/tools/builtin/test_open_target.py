"""What is opened, what is refused, and what the user sees of it before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from desktop_app.errors import ToolError
from desktop_app.tools.builtin.open_target import examine, open_tool
from desktop_app.tools.toolbox import Toolbox
from tests.tools.running import called, error, question, use


@pytest.mark.parametrize(
    "address",
    ["https://example.com", "http://localhost:8000/a?b=c#d", "HTTPS://example.com/ü", "https://[::1]:80/"],
)
async def test_pages_are_opened(address: str) -> None:
    opened: list[str] = []

    def open_address(target: str) -> bool:
        opened.append(target)
        return True

    assert await use([open_tool(open_address)], "open", target=address) == {"opened": address}
    assert opened == [address]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,<script>",
        "ftp://example.com/x",
        "ms-settings:privacy",
        "vscode://file/x",
        "smb://host/share",
        "mailto:a@example.com",
        "view-source:https://example.com",
        "https://",
        "https:///path",
        "https://user@example.com",
        "https://google.com@evil.example",
        "https://example.com\\@evil.example",
        "https://example.com:port",
        "https://example.com/a b",
        "https://example.com/\nHost: evil",
        "https://example.com/\x00",
        "https://[::1",
        "file://server/share/x",
        "//server/share/x",
        "\\\\server\\share\\x",
        "example.com",
        "relative/path",
        "",
        "   ",
        "/no/such/file",
        "~nobody-of-that-name/x",
        "/dev/null" if os.name == "posix" else "NUL",
    ],
)
def test_the_rest_is_refused_with_a_sentence(address: str) -> None:
    with pytest.raises(ToolError):
        examine(address)


def test_a_host_that_only_looks_familiar_is_shown_as_it_is() -> None:
    assert "xn--" in examine("https://exаmple.com/login").question  # a Cyrillic a
    assert (
        examine("https://example.com/login").question
        == "Open this page in your browser?\n\nhttps://example.com/login"
    )


def test_files_and_folders_are_opened_by_their_real_path(tmp_path: Path) -> None:
    page = tmp_path / "my page.txt"
    page.write_text("x")
    (tmp_path / "short").symlink_to(page)

    target = examine(str(tmp_path / "short"))

    assert target.address == page.resolve().as_uri()
    assert target.question.endswith(str(page.resolve()))
    assert examine(page.as_uri()).address == page.resolve().as_uri()
    assert examine(str(tmp_path)).question.startswith("Open this folder?")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("setup.EXE", b""),
        ("run.sh", b""),
        ("x.desktop", b""),
        ("link.url", b""),
        ("Program.app", b""),
        ("harmless.txt", b"#!/bin/sh\nrm -rf ~"),
        ("harmless", b"\x7fELF..."),
        ("harmless.pdf", b"MZ\x90\x00"),
    ],
)
async def test_programs_are_not_started(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (tmp_path / "innocent").symlink_to(path)

    assert "programs are not started" in await error([open_tool(lambda _: True)], "open", target=str(path))
    assert "programs are not started" in await error(
        [open_tool(lambda _: True)], "open", target=str(tmp_path / "innocent")
    )


async def test_what_is_refused_is_not_asked_about() -> None:
    tools = [open_tool(lambda _: True)]

    refusal = await Toolbox(tools).refusal(called("open", target="javascript:alert(1)"))

    assert refusal is not None
    assert "javascript:" in refusal.output
    assert "https://example.com/?q=1" in question(tools, "open", target="https://example.com/?q=1")


async def test_a_system_without_a_program_for_it_is_said() -> None:
    assert "no program" in await error([open_tool(lambda _: False)], "open", target="https://example.com")
