"""WebSocketTransport: text frames in and out, in order. It knows an endpoint and its credentials, and no rules.

One task connects, then reads; a second one writes from a queue, because the order of events has a meaning
(append, commit, response.create) that several senders could not keep. Every attempt ends in exactly one
`Disconnected`, unless it was called off: then nothing more is heard of it, though its socket may take a moment to
close behind the next one's back.

A second connection may be prepared beside the present one; what comes of it says so (`by_next`), and
`switch_over` puts it in the other's place.

A lost network says nothing. The system's stack notices what nobody acknowledges (`_notice_loss`); what a middle-box
acknowledges and swallows only a ping can tell, so a connection on which nothing came for a while is asked whether
it lives. What does come is a sign of life, whatever it is: a pong may stand behind megabytes of audio.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import socket as sockets
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidHeader,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
)
from websockets.uri import parse_uri

from desktop_app import __version__
from desktop_app.conversation import limits
from desktop_app.conversation.inputs import Disconnected, Input, Received
from desktop_app.endpoints import Endpoint
from desktop_app.errors import ParleyError
from desktop_app.protocol import codec
from desktop_app.protocol.dialects import Dialect
from desktop_app.protocol.events import ClientEvent, ServerEvent, UnknownEvent
from desktop_app.secrecy import Redaction
from desktop_app.tasks import start_task

OPEN_WITHIN_S = 15.0
BUSY_S = 60.0
"""So long a silence of a server on this computer is no sign of death: a process may be busy."""
PROBE_WITHIN_S = 5.0
"""After a sleep, or in another network: so long a healthy connection may take to say that it lives."""
GRACE_S = 0.5
"""Our own loop may have been held: an answer that lies there already still counts."""
CLOSE_WITHIN_S = 3.0
TURN_S = 0.008
"""So long waiting frames are taken in one go; then it is the window's turn, or a flood would freeze it."""
MAX_WAITING_BYTES = 8 * 2**20
"""What may wait to be written: two minutes of speech. A network that takes less than that is gone, and only this
tells: with full buffers the library's pings wait in the same queue, and their deadline never begins."""
LOST_WITHIN_S = 15.0
"""A network that is gone says nothing: what was sent and not acknowledged by anybody's network stack for so long,
or as long a silence that small probes do not end, is a lost connection. The one begins anew where something is sent
in the other, so it may take twice as long, and no more; the system's own patience is 15 minutes. Where everything
is acknowledged and nothing answered, a ping goes out after two thirds of it in silence, and has so long."""
LONGEST_WAIT_S = 3600
_TCP_MAXRT = 5
"""Windows' `ws2ipdef.h`, in seconds; Python has no name for it."""
_TCP_RXT_CONNDROPTIME = 0x80
"""macOS' `netinet/tcp.h`, in seconds; Python has no name for it."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

_log = logging.getLogger(__name__)
_wire_log = logging.getLogger(f"{__name__}.wire")
_wire_log.setLevel(logging.INFO)  # at DEBUG the library writes down every header, and one of them is the key


class WebSocketTransport:
    """The connection. `endpoint` is asked for at every attempt: the local server may have to be started first."""

    def __init__(
        self,
        endpoint: Callable[[], Awaitable[Endpoint]],
        post: Callable[[Input], None],
        *,
        redaction: Redaction | None = None,
        open_within_s: float = OPEN_WITHIN_S,
        close_within_s: float = CLOSE_WITHIN_S,
        lost_within_s: float = LOST_WITHIN_S,
    ) -> None:
        self._endpoint = endpoint
        self._post = post
        self._open_within_s = open_within_s
        self._close_within_s = close_within_s
        self._lost_within_s = lost_within_s
        self._redaction = redaction or Redaction()
        """Takes keys out of what comes in: a server may repeat the one it refuses."""
        self._present: _Line | None = None
        self._next: _Line | None = None
        self._called_off: set[asyncio.Task[None]] = set()
        """Attempts nobody is interested in any more, whose sockets are still closing."""

    def connect(self) -> None:
        """Start connecting, or drop what there is and start anew."""
        self.disconnect()
        self._present = self._begin()

    def connect_next(self) -> None:
        """Start another connection beside the present one; what is being prepared already is dropped."""
        self.drop_next()
        self._next = self._begin()

    def switch_over(self) -> None:
        """The next connection takes the place of the present one, which is closed."""
        self._call_off(self._present)
        self._present, self._next = self._next, None

    def send(self, event: ClientEvent) -> None:
        """Queue an event; without a connection it is dropped."""
        self._put(self._present, event)

    def send_next(self, event: ClientEvent) -> None:
        """Queue an event on the next connection."""
        self._put(self._next, event)

    def disconnect(self) -> None:
        """Close; nothing more is posted of this connection."""
        line, self._present = self._present, None
        self._call_off(line)

    def drop_next(self) -> None:
        """Close the next connection; nothing more is posted of it."""
        line, self._next = self._next, None
        self._call_off(line)

    def probe(self) -> None:
        """Ask every open connection for a sign of life: one that does not answer at once is given up."""
        for line in (self._present, self._next):
            if line is not None and line.socket is not None and line.probing is None:
                line.probing = start_task(self._probe(line.socket, line), name="transport probe")

    async def close(self) -> None:
        """Close and wait until nothing of it is left."""
        self.disconnect()
        self.drop_next()
        if self._called_off:
            await asyncio.wait(self._called_off)

    def _begin(self) -> _Line:
        line = _Line()
        line.task = start_task(self._run(line), name="transport")
        return line

    def _put(self, line: _Line | None, event: ClientEvent) -> None:
        if line is not None and line.outgoing is not None:
            line.outgoing.put(event)

    def _call_off(self, line: _Line | None) -> None:
        if line is not None and line.task is not None:
            line.outgoing = None
            self._called_off.add(line.task)
            line.task.add_done_callback(self._called_off.discard)
            line.task.cancel()

    def _is_wanted(self, line: _Line) -> bool:
        return line is self._present or line is self._next

    async def _run(self, line: _Line) -> None:
        try:
            facts = await self._talk(line)
        except Exception:  # a bug, reported as every task's; but the link must not look alive after it
            self._end(line, Disconnected(close_code=1006))
            raise
        self._end(line, facts)

    def _end(self, line: _Line, facts: Disconnected) -> None:
        if not self._is_wanted(line):  # a newer attempt may have taken over meanwhile
            return
        if line is self._next:
            self._next = None
            facts = replace(facts, by_next=True)
        else:
            self._present = None
        _log.info("disconnected: %r", facts)
        self._post(facts)

    async def _talk(self, line: _Line) -> Disconnected:
        """Connect and read until the end; return how it ended."""
        try:
            endpoint = await self._endpoint()
            _log.info("connecting to %s", endpoint.name)
            socket = await self._open(endpoint)
        except ParleyError as error:
            return Disconnected(hopeless=error)
        except InvalidStatus as error:
            return _refused(error)
        except (InvalidURI, UnicodeError):
            return Disconnected(hopeless=ParleyError("The endpoint's address is not valid.", "Check --endpoint."))
        except (InvalidProxy, ImportError):  # the library wants a package of its own for SOCKS
            return Disconnected(hopeless=_useless_proxy())
        except ssl.SSLCertVerificationError as error:
            return Disconnected(reason=error.verify_message, certificate_failed=True)
        except TimeoutError:
            return Disconnected(reason="it did not answer in time")
        except InvalidHeader as error:  # its text holds the value, which may be the key
            return Disconnected(reason=f"invalid {error.name} header")
        except (OSError, InvalidHandshake, EOFError) as error:
            return Disconnected(reason=_words(error))
        try:
            return await self._exchange(line, socket, endpoint)
        finally:
            await self._leave(socket)

    async def _open(self, endpoint: Endpoint) -> ClientConnection:
        local = _is_local(endpoint)
        connection = await _SameOrigin(
            endpoint.url,
            additional_headers=dict(endpoint.headers),
            user_agent_header=f"Parley/{__version__}",
            max_size=limits.MAX_FRAME_BYTES,
            compression=None,  # base64 audio does not compress
            open_timeout=self._open_within_s,
            ping_interval=None,  # ours tells a peer that is slow from one that is gone
            close_timeout=self._close_within_s,
            proxy=None if local else True,
            logger=_wire_log,
        )
        if not local:  # on this computer there is no network to lose, and a busy process is not dead
            _notice_loss(connection.transport.get_extra_info("socket"), self._lost_within_s)
        return connection

    async def _exchange(self, line: _Line, socket: ClientConnection, endpoint: Endpoint) -> Disconnected:
        line.socket = socket
        line.outgoing = outgoing = _Outgoing(socket, endpoint.dialect)
        line.heard_s = turn_ends_s = time.monotonic()
        patience_s = BUSY_S if _is_local(endpoint) else self._lost_within_s
        beside = (
            start_task(outgoing.write(), name="transport writer"),
            start_task(self._watch(line, patience_s), name="transport watch"),
        )
        try:
            while self._is_wanted(line):  # what is posted may call this very connection off
                # Undecoded: a text frame that is no UTF-8 is the codec's business, not the end of the connection.
                frame = await socket.recv(decode=False)
                line.heard_s = now_s = time.monotonic()
                self._post(Received(_decode(self._redaction.frame(frame)), by_next=line is self._next))
                if now_s > turn_ends_s + TURN_S:
                    await asyncio.sleep(0)  # a frame that is there already is received without a pause
                    turn_ends_s = time.monotonic()
        except ConnectionClosed:
            pass
        finally:
            line.socket = line.outgoing = None
            for task in (*beside, line.probing):
                if task is not None:
                    task.cancel()
        reason = self._redaction.text(socket.close_reason or "")
        return Disconnected(close_code=socket.close_code or 1006, reason=reason)

    async def _watch(self, line: _Line, patience_s: float) -> None:
        """Ask for a sign of life whenever nothing came for a while."""
        quiet_s = patience_s * 2 / 3
        while line.socket is not None:
            silent_s = time.monotonic() - line.heard_s
            if silent_s < quiet_s:
                await asyncio.sleep(quiet_s - silent_s)
            elif not await self._lives(line.socket, line, patience_s):
                return

    async def _probe(self, socket: ClientConnection, line: _Line) -> None:
        await self._lives(socket, line, PROBE_WITHIN_S)
        line.probing = None

    async def _lives(self, socket: ClientConnection, line: _Line, within_s: float) -> bool:
        """Ping; give the connection up if nothing comes for so long: no pong, and nothing else."""
        asked_s = time.monotonic()
        try:
            async with asyncio.timeout(within_s):  # into full buffers the writing never ends
                pong = asyncio.ensure_future(await socket.ping())
            await asyncio.wait((pong,), timeout=max(0.0, asked_s + within_s - time.monotonic()))
            if not pong.done() and line.heard_s < asked_s:
                await asyncio.wait((pong,), timeout=GRACE_S)
            if pong.done() or line.heard_s >= asked_s:
                line.heard_s = time.monotonic()
                return not pong.done() or pong.exception() is None
        except (TimeoutError, ConnectionClosed, asyncio.InvalidStateError):
            pass
        _log.warning("no sign of life")
        socket.transport.abort()  # the reader tells
        return False

    async def _leave(self, socket: ClientConnection) -> None:
        """Close politely, and without asking if the peer does not listen or this is called off in its turn."""
        # In the middle of an answer the peer's goodbye stands behind much that nobody wants to read any more.
        start_task(_read_past(socket), name="transport leaving")
        try:
            # The library bounds the peer's answer, but not the writing of the goodbye into full buffers.
            async with asyncio.timeout(self._close_within_s):
                await socket.close()
        except TimeoutError:
            _log.info("the peer does not take our goodbye")
        finally:
            socket.transport.abort()


@dataclass(slots=True)
class _Line:
    """One connection, from the first attempt to its end."""

    task: asyncio.Task[None] | None = None
    socket: ClientConnection | None = None
    """While frames are exchanged."""
    outgoing: _Outgoing | None = None
    heard_s: float = 0.0
    """When it last said anything, by the monotonic clock."""
    probing: asyncio.Task[None] | None = None


class _Outgoing:
    """What waits to be written to one socket, in order."""

    def __init__(self, socket: ClientConnection, dialect: Dialect) -> None:
        self._socket = socket
        self._dialect = dialect
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._waiting_bytes = 0

    def put(self, event: ClientEvent) -> None:
        """Queue a frame; when far too much waits already, give the connection up."""
        if self._waiting_bytes > MAX_WAITING_BYTES:
            _log.warning("the network takes nothing any more")
            self._socket.transport.abort()  # the reader tells
            return
        text = codec.encode(event, self._dialect)
        self._waiting_bytes += len(text)
        self._waiting.put_nowait(text)

    async def write(self) -> None:
        """Write until the connection ends."""
        try:
            while True:
                text = await self._waiting.get()
                await self._socket.send(text)
                self._waiting_bytes -= len(text)
        except ConnectionClosed:
            pass  # the reader tells


def _is_local(endpoint: Endpoint) -> bool:
    return urlsplit(endpoint.url).hostname in _LOOPBACK


def _notice_loss(socket: sockets.socket, within_s: float) -> None:
    """Let the system tell of a dead network in time, with the words each system has for it."""
    tcp = sockets.IPPROTO_TCP
    probes = 3
    pause_s = max(1, int(within_s / 5))
    idle_s = max(1, int(within_s) - probes * pause_s)
    options = [
        (sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1),
        (tcp, getattr(sockets, "TCP_KEEPIDLE", None), idle_s),
        (tcp, getattr(sockets, "TCP_KEEPINTVL", None), pause_s),
        (tcp, getattr(sockets, "TCP_KEEPCNT", None), probes),
    ]
    if sys.platform == "win32":
        options.append((tcp, _TCP_MAXRT, int(within_s)))
    elif sys.platform == "darwin":
        options.append((tcp, sockets.TCP_KEEPALIVE, idle_s))
        options.append((tcp, _TCP_RXT_CONNDROPTIME, int(within_s)))
    else:
        options.append((tcp, getattr(sockets, "TCP_USER_TIMEOUT", None), int(within_s * 1000)))
    for level, name, value in options:
        if name is not None:
            with suppress(OSError):  # an older system has less patience to set, and still the pings
                socket.setsockopt(level, name, value)


class _SameOrigin(connect):
    """Follows a redirect within the origin only: the key is for nobody else, and without it there is no service."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return where to go, or what is to be raised."""
        try:
            target = super().process_redirect(exc)
        except InvalidURI:
            return exc
        return target if isinstance(target, str) and _origin(target) == _origin(self.uri) else exc


def _origin(url: str) -> tuple[bool, str, int]:
    address = parse_uri(url)
    return address.secure, address.host, address.port


async def _read_past(socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await socket.recv(decode=False)


def _decode(frame: bytes) -> ServerEvent:
    event = codec.decode_server_event(frame)
    if isinstance(event, UnknownEvent):
        _log.info("ignored a frame of type %r: %s", event.type, event.why)
    return event


def _refused(error: InvalidStatus) -> Disconnected:
    response = error.response
    wait_s = _seconds(response.headers.get("Retry-After", ""))
    return Disconnected(http_status=response.status_code, retry_after_ms=int(1000 * wait_s))


def _seconds(retry_after: str) -> float:
    """Return what `Retry-After` asks for: it is a number of seconds or a date. 0 for what is neither."""
    digits = retry_after.isascii() and retry_after.isdecimal()
    wait_s = float(retry_after) if digits else _seconds_until(retry_after)
    return min(max(0.0, wait_s), LONGEST_WAIT_S)


def _seconds_until(date: str) -> float:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return 0.0
    return (then.astimezone(UTC) - datetime.now(UTC)).total_seconds()


def _useless_proxy() -> ParleyError:
    return ParleyError(
        "The proxy of this computer's settings cannot be used.",
        "Set HTTPS_PROXY to an http:// address, or NO_PROXY to the endpoint's host; SOCKS is not supported.",
    )


def _words(error: Exception) -> str:
    """Return what went wrong in the system's words, without addresses and numbers nobody asked for."""
    if isinstance(error, ssl.SSLError):
        return "no secure connection"
    if isinstance(error, OSError) and not isinstance(error, sockets.gaierror):
        # asyncio writes its own text over the system's; of several addresses it tells all errors in one.
        found = re.search(r"\[Errno (\d+)\]", str(error))
        if found is not None:
            return os.strerror(int(found[1])).lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, ConnectionError):
        return os.strerror(errno.ECONNRESET).lower()
    return str(error).partition("(")[0].strip() or type(error).__name__
