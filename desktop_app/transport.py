"""WebSocketTransport: text frames in and out, in order. It knows an endpoint and its credentials, and no rules.

One task connects, then reads; a second one writes from a queue, because the order of events has a meaning
(append, commit, response.create) that several senders could not keep. Every attempt ends in exactly one
`Disconnected`, unless it was called off.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from desktop_app import __version__
from desktop_app.conversation.inputs import Disconnected, Input, Received
from desktop_app.endpoints import Endpoint
from desktop_app.errors import ParleyError
from desktop_app.protocol import codec
from desktop_app.protocol.events import ClientEvent, ServerEvent, UnknownEvent
from desktop_app.tasks import start_task

OPEN_TIMEOUT_S = 15
PING_INTERVAL_S = 20
PING_TIMEOUT_S = 60
"""Long: a peer that is busy for a while is not dead."""
CLOSE_TIMEOUT_S = 3
MAX_QUEUED = 3_000
"""Events waiting to be written: a minute of speech. A network that takes less than that is gone."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

_log = logging.getLogger(__name__)


class WebSocketTransport:
    """The connection. `endpoint` is asked for at every attempt: the local server may have to be started first."""

    def __init__(self, endpoint: Callable[[], Awaitable[Endpoint]], post: Callable[[Input], None]) -> None:
        self._endpoint = endpoint
        self._post = post
        self._attempt: asyncio.Task[None] | None = None
        self._outgoing: asyncio.Queue[ClientEvent] | None = None

    def connect(self) -> None:
        """Start connecting, or drop what there is and start anew."""
        self.disconnect()
        self._attempt = start_task(self._run(), name="transport")

    def send(self, event: ClientEvent) -> None:
        """Queue an event; without a connection it is dropped."""
        if self._outgoing is not None:
            self._outgoing.put_nowait(event)

    def disconnect(self) -> None:
        """Close; nothing more is posted of this connection."""
        attempt, self._attempt, self._outgoing = self._attempt, None, None
        if attempt is not None:
            attempt.cancel()

    async def close(self) -> None:
        """Close and wait until nothing of it is left."""
        attempt = self._attempt
        self.disconnect()
        if attempt is not None:
            with suppress(asyncio.CancelledError):
                await attempt

    async def _run(self) -> None:
        this = asyncio.current_task()
        facts = await self._talk()
        if self._attempt is this:  # a newer attempt may have taken over meanwhile
            self._attempt = self._outgoing = None
            self._post(facts)

    async def _talk(self) -> Disconnected:
        """Connect and read until the end; return how it ended."""
        try:
            endpoint = await self._endpoint()
            async with await _open(endpoint) as socket:
                return await self._exchange(socket)
        except ParleyError as error:
            return Disconnected(hopeless=error)
        except InvalidStatus as error:
            return _refused(error)
        except InvalidURI:
            return Disconnected(hopeless=ParleyError("The endpoint's address is not valid.", "Check --endpoint."))
        except ssl.SSLCertVerificationError as error:
            return Disconnected(reason=error.verify_message, certificate_failed=True)
        except TimeoutError:
            return Disconnected(reason="it did not answer in time")
        except (OSError, InvalidHandshake, EOFError) as error:
            return Disconnected(reason=_words(error))

    async def _exchange(self, socket: ClientConnection) -> Disconnected:
        outgoing: asyncio.Queue[ClientEvent] = asyncio.Queue()
        self._outgoing = outgoing
        writer = start_task(self._write(socket, outgoing), name="transport writer")
        try:
            async for frame in socket:
                self._post(Received(_decode(frame)))
        except ConnectionClosed:
            pass
        finally:
            writer.cancel()
        return Disconnected(close_code=socket.close_code or 1006, reason=socket.close_reason or "")

    async def _write(self, socket: ClientConnection, outgoing: asyncio.Queue[ClientEvent]) -> None:
        try:
            while True:
                event = await outgoing.get()
                if outgoing.qsize() > MAX_QUEUED:
                    _log.warning("the network takes nothing any more: closing")
                    await socket.close(1001)
                    return
                await socket.send(codec.encode(event))
        except ConnectionClosed:
            pass  # the reader tells


async def _open(endpoint: Endpoint) -> ClientConnection:
    local = urlsplit(endpoint.url).hostname in _LOOPBACK
    return await connect(
        endpoint.url,
        additional_headers=dict(endpoint.headers),
        user_agent_header=f"Parley/{__version__}",
        max_size=None,  # a retrieved item is as long as what was said
        compression=None,  # base64 audio does not compress
        open_timeout=OPEN_TIMEOUT_S,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        close_timeout=CLOSE_TIMEOUT_S,
        proxy=None if local else True,
    )


def _decode(frame: str | bytes) -> ServerEvent:
    if isinstance(frame, bytes):
        return UnknownEvent(type="", why="a binary frame")
    event = codec.decode_server_event(frame)
    if isinstance(event, UnknownEvent):
        _log.info("ignored a frame of type %r: %s", event.type, event.why)
    return event


def _refused(error: InvalidStatus) -> Disconnected:
    response = error.response
    seconds = response.headers.get("Retry-After", "")
    wait_ms = int(seconds) * 1000 if seconds.isdecimal() else 0
    return Disconnected(http_status=response.status_code, retry_after_ms=min(wait_ms, 60_000))


def _words(error: Exception) -> str:
    """Return what went wrong in the system's words, without addresses and numbers nobody asked for."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower() if not isinstance(error, ssl.SSLError) else "no secure connection"
    return str(error).partition("(")[0].strip() or type(error).__name__
