"""WebSocketTransport: text frames in and out, in order. It knows an endpoint and its credentials, and no rules.

One task connects, then reads; a second one writes from a queue, because the order of events has a meaning
(append, commit, response.create) that several senders could not keep. Every attempt ends in exactly one
`Disconnected`, unless it was called off: then nothing more is heard of it, though its socket may take a moment to
close behind the next one's back.
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
from desktop_app.conversation.inputs import Disconnected, Input, Received
from desktop_app.endpoints import Endpoint
from desktop_app.errors import ParleyError
from desktop_app.protocol import codec
from desktop_app.protocol.dialects import Dialect
from desktop_app.protocol.events import ClientEvent, ServerEvent, UnknownEvent
from desktop_app.secrecy import Redaction
from desktop_app.tasks import start_task

OPEN_WITHIN_S = 15.0
PING_INTERVAL_S = 20
PING_TIMEOUT_S = 60
"""Long: a peer that is busy for a while is not dead."""
CLOSE_WITHIN_S = 3.0
TURN_S = 0.008
"""So long waiting frames are taken in one go; then it is the window's turn, or a flood would freeze it."""
MAX_WAITING_BYTES = 8 * 2**20
"""What may wait to be written: two minutes of speech. A network that takes less than that is gone, and only this
tells: with full buffers the library's pings wait in the same queue, and their deadline never begins."""
LOST_WITHIN_S = 15.0
"""A network that is gone says nothing: what was sent and not acknowledged by anybody's network stack for so long,
or as long a silence that small probes do not end, is a lost connection. The one begins anew where something is sent
in the other, so it may take twice as long, and no more; the system's own patience is 15 minutes."""
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
        self._attempt: asyncio.Task[None] | None = None
        self._outgoing: _Outgoing | None = None
        self._called_off: set[asyncio.Task[None]] = set()
        """Attempts nobody is interested in any more, whose sockets are still closing."""

    def connect(self) -> None:
        """Start connecting, or drop what there is and start anew."""
        self.disconnect()
        self._attempt = start_task(self._run(), name="transport")

    def send(self, event: ClientEvent) -> None:
        """Queue an event; without a connection it is dropped."""
        if self._outgoing is not None:
            self._outgoing.put(event)

    def disconnect(self) -> None:
        """Close; nothing more is posted of this connection."""
        attempt, self._attempt, self._outgoing = self._attempt, None, None
        if attempt is not None:
            self._called_off.add(attempt)
            attempt.add_done_callback(self._called_off.discard)
            attempt.cancel()

    async def close(self) -> None:
        """Close and wait until nothing of it is left."""
        self.disconnect()
        if self._called_off:
            await asyncio.wait(self._called_off)

    async def _run(self) -> None:
        this = asyncio.current_task()
        try:
            facts = await self._talk()
        except Exception:  # a bug, reported as every task's; but the link must not look alive after it
            self._end(this, Disconnected(close_code=1006))
            raise
        self._end(this, facts)

    def _end(self, attempt: asyncio.Task[None] | None, facts: Disconnected) -> None:
        if self._attempt is attempt:  # a newer attempt may have taken over meanwhile
            self._attempt = self._outgoing = None
            _log.info("disconnected: %r", facts)
            self._post(facts)

    async def _talk(self) -> Disconnected:
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
            return await self._exchange(socket, endpoint.dialect)
        finally:
            await self._leave(socket)

    async def _open(self, endpoint: Endpoint) -> ClientConnection:
        local = urlsplit(endpoint.url).hostname in _LOOPBACK
        connection = await _SameOrigin(
            endpoint.url,
            additional_headers=dict(endpoint.headers),
            user_agent_header=f"Parley/{__version__}",
            max_size=None,  # a retrieved item is as long as what was said
            compression=None,  # base64 audio does not compress
            open_timeout=self._open_within_s,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            close_timeout=self._close_within_s,
            proxy=None if local else True,
            logger=_wire_log,
        )
        if not local:  # on this computer there is no network to lose, and a busy process is not dead
            _notice_loss(connection.transport.get_extra_info("socket"), self._lost_within_s)
        return connection

    async def _exchange(self, socket: ClientConnection, dialect: Dialect) -> Disconnected:
        this = asyncio.current_task()
        self._outgoing = outgoing = _Outgoing(socket, dialect)
        writer = start_task(outgoing.write(), name="transport writer")
        turn_ends_s = time.monotonic() + TURN_S
        try:
            while self._attempt is this:  # what is posted may call this very connection off
                # Undecoded: a text frame that is no UTF-8 is the codec's business, not the end of the connection.
                frame = await socket.recv(decode=False)
                self._post(Received(_decode(self._redaction.frame(frame))))
                if time.monotonic() > turn_ends_s:
                    await asyncio.sleep(0)  # a frame that is there already is received without a pause
                    turn_ends_s = time.monotonic() + TURN_S
        except ConnectionClosed:
            pass
        finally:
            writer.cancel()
        reason = self._redaction.text(socket.close_reason or "")
        return Disconnected(close_code=socket.close_code or 1006, reason=reason)

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
