"""The local server as the program starts it: who may come in, over real sockets, and where its token is not."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from desktop_app.local_process import LocalServer, Report

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 60.0
PATH = "/v1/realtime?model=parley-offline"
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Serving:
    """The running server, as its parent knows it."""

    token: str
    port: int
    process: psutil.Process
    profile: Path

    @property
    def bearer(self) -> str:
        """The header that lets in."""
        return f"Authorization: Bearer {self.token}"

    async def ask(self, *headers: str, host: str | None = "", path: str = PATH, verb: str = "GET") -> str:
        """Say something over HTTP; return the first line of the answer and its headers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        named = [] if host is None else [f"Host: {host or f'127.0.0.1:{self.port}'}"]
        writer.write("\r\n".join([f"{verb} {path} HTTP/1.1", *named, *UPGRADE, *headers, "", ""]).encode())
        async with asyncio.timeout(WITHIN_S):
            try:
                answer = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                answer = error.partial
        writer.close()
        return answer.decode("latin-1")


@asynccontextmanager
async def serving(profile: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serving]:
    """Start it as the program does, with nothing to load and no way to fetch anything."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PARLEY_WEIGHTS_DIR", str(profile / "none"))
    for name in [name for name in os.environ if name.startswith("PIP_") and name != "PIP_INDEX_URL"]:
        monkeypatch.delenv(name)
    reports: list[Report] = []
    arguments = [sys.executable, str(ROOT / "main.py"), "--serve-local", "--profile", str(profile)]
    server = LocalServer(arguments, reports.append, ready_within_s=WITHIN_S)
    try:
        endpoint = await server.endpoint()
        token = endpoint.headers["Authorization"].removeprefix("Bearer ")
        assert server._child is not None
        assert server._child.process is not None
        port = urlsplit(endpoint.url).port
        assert port is not None
        yield Serving(token, port, psutil.Process(server._child.process.pid), profile)
    finally:
        await server.close()


def files_with(text: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


async def test_who_comes_in_and_who_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path, monkeypatch) as server:
        token, bearer, port = server.token, server.bearer, server.port

        assert (await server.ask(bearer)).startswith("HTTP/1.1 101")
        assert (await server.ask(bearer, host=f"localhost:{port}")).startswith("HTTP/1.1 101")
        assert (await server.ask(bearer, host=f"[::1]:{port}")).startswith("HTTP/1.1 101")

        # Without the token, or with almost it, or with it in another place.
        wrong = [
            (),
            ("Authorization: Bearer ",),
            ("Authorization: Bearer wrong",),
            (f"Authorization: Bearer {token[:-1]}",),
            (f"Authorization: Bearer {token}x",),
            (f"Authorization: Bearer {token.swapcase()}",),
            (f"Authorization: {token}",),
            (f"Authorization: Basic {token}",),
            (bearer, bearer),
            (bearer, "Authorization: Bearer wrong"),
            (f"api-key: {token}",),
            (f"Cookie: token={token}",),
            (f"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{token}",),
        ]
        for headers in wrong:
            assert (await server.ask(*headers)).startswith("HTTP/1.1 401"), headers
        assert (await server.ask(path=f"{PATH}&token={token}")).startswith("HTTP/1.1 401")
        assert (await server.ask(bearer, path="/v1/other")).startswith("HTTP/1.1 404")

        # A browser, wherever its page is from, even with the token.
        for origin in (
            "https://evil.example",
            f"http://127.0.0.1:{port}",
            f"http://localhost:{port}",
            "null",
            "file://",
        ):
            answer = await server.ask(bearer, f"Origin: {origin}")
            assert answer.startswith("HTTP/1.1 403"), origin
            assert "access-control-allow" not in answer.lower(), "no page may read it"

        # A foreign name that leads here.
        for host in (
            "evil.example",
            f"evil.example:{port}",
            "127.0.0.1.evil.example",
            f"localhost.evil.example:{port}",
            f"127.0.0.1:{port}@evil.example",
            f"127.0.0.1:{port + 1}",
            "0.0.0.0",
            "0x7f000001",
            "2130706433",
        ):
            assert (await server.ask(bearer, host=host)).startswith("HTTP/1.1 403"), host
        assert (await server.ask(bearer, host=None)).startswith(("HTTP/1.1 403", "HTTP/1.1 400"))
        assert (await server.ask(bearer, "Host: evil.example")).startswith("HTTP/1.1 403"), "two of them"

        for verb in ("POST", "OPTIONS"):
            answer = await server.ask(bearer, verb=verb)
            assert "101" not in answer.partition("\r\n")[0]
            assert "access-control-allow" not in answer.lower()


async def test_it_listens_to_this_computer_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path, monkeypatch) as server:
        listening = [each for each in server.process.net_connections() if each.status == psutil.CONN_LISTEN]
        assert {each.laddr.ip for each in listening} == {"127.0.0.1"}
        outside = {
            address.address
            for addresses in psutil.net_if_addrs().values()
            for address in addresses
            if address.family is socket.AF_INET and not address.address.startswith("127.")
        }
        for address in outside:
            with pytest.raises(OSError):
                await asyncio.open_connection(address, server.port)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
async def test_its_token_is_in_no_command_line_no_file_and_no_environment_others_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, monkeypatch) as server:
        token = server.token
        assert len(token) >= 43, "256 bits, in base64"
        command_lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
        assert not [line for line in command_lines if token in line]
        assert stat.S_IMODE(os.stat(f"/proc/{server.process.pid}/environ").st_mode) == 0o400
        assert not files_with(token, tmp_path)


@pytest.mark.skipif(
    not sys.platform.startswith("linux")
    or os.geteuid() != 0
    or not shutil.which("setpriv")
    or not os.path.exists("/usr/bin/python3"),
    reason="only root can be somebody else",
)
async def test_another_user_of_this_computer_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path, monkeypatch) as server:
        lines = [
            f"GET {PATH} HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            *UPGRADE,
            "Authorization: Bearer x",
            "",
            "",
        ]
        script = (
            "import socket, sys\n"
            f"s = socket.create_connection(('127.0.0.1', {server.port}))\n"
            f"s.sendall({json.dumps(chr(13) + chr(10))}.join({lines!r}).encode())\n"
            "print(s.recv(15).decode())\n"
            "try:\n"
            f"    print(len(open('/proc/{server.process.pid}/environ').read()))\n"
            "except PermissionError:\n"
            "    print('not permitted')\n"
        )
        # The system's Python: nobody may not read the one of the environment.
        somebody = await asyncio.create_subprocess_exec(
            *(
                "setpriv",
                f"--reuid={NOBODY}",
                f"--regid={NOBODY}",
                "--clear-groups",
                "/usr/bin/python3",
                "-c",
                script,
            ),
            stdout=asyncio.subprocess.PIPE,
            cwd="/",
        )
        async with asyncio.timeout(WITHIN_S):
            said, _ = await somebody.communicate()

    assert said.decode().split("\n")[:2] == ["HTTP/1.1 401 Un", "not permitted"]
