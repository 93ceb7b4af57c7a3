"""FaultyProxy: stands between the program and a WebSocket server, and does to them what networks do.

It passes bytes on, and knows enough of the protocol to see where the server's frames begin and end. What it can do,
to the connections there are and to those to come:

    proxy.refuse(Refusal(429, retry_after_s=2))    # answer the next handshake itself
    proxy.greet_with_silence()                     # take the next connection, and never say a word
    link = proxy.latest
    link.delay(0.3)                                # everything takes so much longer, both ways
    link.stall(server=True)                        # one way, or both, stand still … until link.go_on()
    link.cut(rst=True)                             # gone, now: with RST, or with a plain end
    link.cut(after_frames=3, inside=True)          # in the middle of the third frame from now
    link.close_with(1012, "restart", after_frames=2)   # a close frame of the server, between two of its own

With `tls` it speaks TLS to the program, with whatever certificate it was given, and none to the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket as sockets
import ssl
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

_HEAD_ENDS = b"\r\n\r\n"
_CLOSE = 0x88
_CHUNK = 2**16
_PHRASES = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer to a handshake that is none."""

    status: int
    retry_after_s: int | None = None


class _Way:
    """One direction of a link: bytes wait here until they may go on."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._news = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._ended = False
        self.delay_s = 0.0
        self.passed_bytes = 0

    def put(self, data: bytes) -> None:
        """Let bytes go on, when they may."""
        self._waiting.append((asyncio.get_running_loop().time() + self.delay_s, data))
        self._news.set()

    def end(self) -> None:
        """Nothing more comes: end the other side, once all is passed on."""
        self._ended = True
        self._news.set()

    def stall(self, stalled: bool) -> None:
        """Stand still, or go on."""
        (self._open.clear if stalled else self._open.set)()

    async def run(self) -> None:
        """Pass on until the end."""
        loop = asyncio.get_running_loop()
        while True:
            await self._news.wait()
            while self._waiting:
                due_s, data = self._waiting[0]
                if due_s > loop.time():
                    await asyncio.sleep(due_s - loop.time())
                await self._open.wait()
                self._waiting.popleft()
                self._writer.write(data)
                self.passed_bytes += len(data)
                await self._writer.drain()
            self._news.clear()
            if self._ended and not self._waiting:
                await self._open.wait()
                if self._writer.can_write_eof():
                    self._writer.write_eof()
                else:
                    self._writer.close()
                return


@dataclass(frozen=True, slots=True)
class _Planned:
    """What is to happen in place of a frame of the server."""

    frame: int
    do: Callable[[bytes], None]
    """Gets the frame that was to be passed on."""


class Link:
    """One connection of the program, through to the server."""

    def __init__(
        self,
        program: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._program, self._server = program, server
        self._to_program, self._to_server = _Way(program[1]), _Way(server[1])
        self.frames = 0
        """How many frames of the server came so far."""
        self.over = asyncio.Event()
        self._planned: _Planned | None = None
        self._deaf = False
        """What the server says is no longer passed on: it has «closed»."""

    # --- what can be done to it -----------------------------------------------------------------

    def delay(self, seconds: float) -> None:
        """Let everything take so much longer."""
        self._to_program.delay_s = self._to_server.delay_s = seconds

    def stall(self, *, program: bool = True, server: bool = True) -> None:
        """Let nothing through of what the program, or the server, says; nobody is told."""
        self._to_server.stall(program)
        self._to_program.stall(server)

    def go_on(self) -> None:
        """Let everything through again."""
        self._to_server.stall(False)
        self._to_program.stall(False)

    def cut(self, *, rst: bool = False, after_frames: int = 0, inside: bool = False) -> None:
        """End it, without a word of WebSocket; `inside`: in the middle of a frame."""
        self._plan(after_frames, lambda frame: self._cut(frame[: len(frame) // 2] if inside else b"", rst))

    def close_with(self, code: int | None, reason: str = "", *, after_frames: int = 0) -> None:
        """Close as the server would; without a code (1005), or with one that may not be sent (1006, 1015)."""
        body = b"" if code is None else struct.pack("!H", code) + reason.encode()[:123]
        frame = bytes([_CLOSE, len(body)]) + body

        def close(_: bytes) -> None:
            self._to_program.put(frame)
            self._deaf = True

        self._plan(after_frames, close)

    def calm(self) -> None:
        """Be a good connection from now on, whatever was planned."""
        self._planned = None
        self.delay(0.0)
        self.go_on()

    # --- inside ---------------------------------------------------------------------------------

    def _plan(self, after_frames: int, do: Callable[[bytes], None]) -> None:
        if after_frames:
            self._planned = _Planned(self.frames + after_frames, do)
        else:
            do(b"")

    def _cut(self, last_words: bytes, rst: bool) -> None:
        program = self._program[1]
        if last_words:
            program.write(last_words)
        if rst:
            socket = program.get_extra_info("socket")
            with contextlib.suppress(OSError):  # the program may have been quicker
                socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
            program.transport.abort()
        else:
            program.close()
        self._server[1].transport.abort()
        self.over.set()

    async def run(self, head: bytes) -> None:
        """Pass on until it is over; `head` is what the program said already."""
        self._to_server.put(head)
        passing = asyncio.gather(
            self._to_program.run(), self._to_server.run(), self._read_program(), self._read_server()
        )
        passing.add_done_callback(lambda _: self.over.set())
        try:
            await self.over.wait()
        finally:
            self.over.set()
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)
            self._program[1].close()
            self._server[1].close()

    async def _read_program(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._program[0].read(_CHUNK):
                self._to_server.put(data)
        self._to_server.end()

    async def _read_server(self) -> None:
        reader = self._server[0]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self._to_program.put(await reader.readuntil(_HEAD_ENDS))
            while True:
                frame = await _read_frame(reader)
                self.frames += 1
                planned = self._planned
                if self._deaf:
                    continue
                if planned is not None and self.frames >= planned.frame:
                    self._planned = None
                    planned.do(frame)
                else:
                    self._to_program.put(frame)
        self._to_program.end()


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    """Return one frame of a server, which is never masked, header and all."""
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    if length == 126:
        head += await reader.readexactly(2)
        length = int.from_bytes(head[2:])
    elif length == 127:
        head += await reader.readexactly(8)
        length = int.from_bytes(head[2:])
    return head + await reader.readexactly(length)


@dataclass(slots=True)
class FaultyProxy:
    """See the module."""

    server_port: int
    tls: ssl.SSLContext | None = None
    links: list[Link] = field(default_factory=list)
    """Every connection that reached the server, in order."""
    attempts_s: list[float] = field(default_factory=list)
    """When the program tried to connect, by the loop's time."""
    _refusals: deque[Refusal] = field(default_factory=deque)
    _silences: int = 0
    _prepare: Callable[[Link], None] | None = None
    _server: asyncio.Server | None = None
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def latest(self) -> Link:
        """The last connection that reached the server."""
        return self.links[-1]

    def refuse(self, *refusals: Refusal) -> None:
        """Answer the next handshakes so."""
        self._refusals.extend(refusals)

    def greet_with_silence(self, times: int = 1) -> None:
        """Take the next connections and say nothing."""
        self._silences += times

    def prepare(self, do: Callable[[Link], None] | None) -> None:
        """Do this to each new connection before a byte of it is passed on; None: nothing any more."""
        self._prepare = do

    def calm(self) -> None:
        """Do nothing more to anybody."""
        self._refusals.clear()
        self._silences, self._prepare = 0, None
        for link in self.links:
            link.calm()

    async def __aenter__(self) -> FaultyProxy:
        self._server = await asyncio.start_server(
            self._take, "127.0.0.1", 0, ssl=self.tls, ssl_shutdown_timeout=1 if self.tls else None
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy ends; the callback of the server would report it
        finally:
            writer.transport.abort()
            self._running.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts_s.append(asyncio.get_running_loop().time())
        head = await reader.readuntil(_HEAD_ENDS)
        if self._silences:
            self._silences -= 1
            await reader.read()
            return
        if self._refusals:
            writer.write(_answer(self._refusals.popleft()))
            await writer.drain()
            writer.close()
            await reader.read()
            return
        server = await asyncio.open_connection("127.0.0.1", self.server_port)
        link = Link((reader, writer), server)
        self.links.append(link)
        if self._prepare is not None:
            self._prepare(link)
        await link.run(head)


def _answer(refusal: Refusal) -> bytes:
    lines = [f"HTTP/1.1 {refusal.status} {_PHRASES.get(refusal.status, 'Refused')}", "Content-Length: 0"]
    if refusal.retry_after_s is not None:
        lines.append(f"Retry-After: {refusal.retry_after_s}")
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode()
