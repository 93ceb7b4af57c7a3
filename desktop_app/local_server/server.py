"""The listener: the Realtime protocol over a WebSocket on the loopback address, one `ServerSession` per connection.

Who may come in: whoever holds the token, from this computer. A browser always names its `Origin`, and is refused
for it: no web page may talk to this server, not even with a token it guessed. The `Host` must be a loopback name,
so no foreign name that resolves to 127.0.0.1 (DNS rebinding) gets in either.

A connection is two tasks, a reader and a writer, and one task for every order that takes time. What an order
brings is handed to the session at once, on the loop, so the session never waits and is never entered twice.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections import deque
from collections.abc import Sequence
from http import HTTPStatus
from types import TracebackType
from typing import assert_never
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from desktop_app.errors import LocalServerError, ParleyError
from desktop_app.local_server.engines import RECOGNITION_RATE_HZ, VoiceActivity
from desktop_app.local_server.orders import (
    Close,
    Detect,
    Detected,
    DetectionUnavailable,
    DropRecognition,
    ForgetStream,
    Generate,
    Order,
    Recognise,
    Report,
    Send,
    StopGenerating,
    WakeAfter,
    Woke,
)
from desktop_app.local_server.pipeline import Engines, answer, understand
from desktop_app.local_server.session import ServerSession
from desktop_app.local_server.sound import FrameCutter
from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import BadFrame, decode_client_event, encode
from desktop_app.tasks import start_task

MODEL = "parley-offline"
PATH = "/v1/realtime"
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_FRAME_BYTES = 22 * 1024 * 1024
"""15 MiB of audio in base64, and room for the rest of the event."""
FULL_FRAMES = 256
"""So many frames may wait for a slow client before nothing more is made for it."""
FRAMES_AT_ONCE = 30
"""Detection gives the loop back after about a second of audio, 4 ms of work."""
DETECTOR_PATIENCE_S = 10.0

WHAT_THIS_IS = (
    "This is Parley's offline assistant. It speaks the Realtime protocol over a WebSocket at "
    f"{PATH}?model={MODEL} and wants a bearer token.\n"
)

_log = logging.getLogger(__name__)
_socket_log = logging.getLogger("websockets.local_server")
# At DEBUG the library writes headers and frames: the token and everything said.
_socket_log.setLevel(logging.WARNING)


class LocalServer:
    """Listens until it is closed."""

    def __init__(
        self, engines: Engines, *, token: str, voices: Sequence[str], model: str = MODEL, port: int = 0
    ) -> None:
        """`voices`: by name, the default one first. Port 0: any that is free."""
        self._engines = engines
        self._token = token
        self._voices = tuple(voices)
        self._model = model
        self._port = port
        self._server: Server | None = None

    async def __aenter__(self) -> LocalServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen; raises `LocalServerError` if the port is taken."""
        try:
            self._server = await serve(
                self._serve,
                LOOPBACK,
                self._port,
                process_request=self._admit,
                compression=None,
                max_size=MAX_FRAME_BYTES,
                ping_interval=20,
                ping_timeout=60,
                close_timeout=3,
                logger=_socket_log,
                server_header=None,
            )
        except OSError as error:
            raise LocalServerError(
                f"The offline assistant cannot listen on port {self._port}: {error.strerror or error}.",
                "Choose another port, or none.",
            ) from error

    async def close(self) -> None:
        """Close all connections (1001) and stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the server was not started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its address, without a model."""
        return f"ws://{LOOPBACK}:{self.port}{PATH}"

    # --- who may come in --------------------------------------------------------------------

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        status, text = self._judge(request)
        return None if status is None else connection.respond(status, text)

    def _judge(self, request: Request) -> tuple[HTTPStatus | None, str]:
        """Return the status and the text of a refusal; None: come in."""
        headers = request.headers
        if not self._is_loopback(headers.get_all("Host")):
            return HTTPStatus.FORBIDDEN, "This server answers to this computer only.\n"
        if headers.get_all("Origin"):
            return HTTPStatus.FORBIDDEN, "Browsers are not served.\n"
        if "websocket" not in ",".join(headers.get_all("Upgrade")).lower():
            return HTTPStatus.OK, WHAT_THIS_IS
        if urlsplit(request.path).path != PATH:
            return HTTPStatus.NOT_FOUND, WHAT_THIS_IS
        if not self._knows_token(headers.get_all("Authorization")):
            return HTTPStatus.UNAUTHORIZED, "The bearer token is missing or wrong.\n"
        return None, ""

    def _is_loopback(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        try:
            parts = urlsplit(f"//{hosts[0]}")
            return parts.hostname in LOOPBACK_NAMES and parts.port in (None, self.port)
        except ValueError:
            return False

    def _knows_token(self, authorizations: list[str]) -> bool:
        if len(authorizations) != 1:
            return False
        scheme, _, token = authorizations[0].partition(" ")
        known = hmac.compare_digest(token.strip().encode(), self._token.encode())
        return known and scheme.lower() == "bearer"

    # --- a connection -----------------------------------------------------------------------

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        query = parse_qs(urlsplit(connection.request.path).query)
        model = query.get("model", [""])[-1]
        if model != self._model:
            await _turn_away(connection, model, self._model)
            return
        session = ServerSession(model=model, voices=self._voices)
        _log.info("a session begins")
        await _Connection(connection, session, self._engines).run()
        _log.info("a session ended")


async def _turn_away(connection: ServerConnection, model: str, ours: str) -> None:
    """Refuse a model as the GA server does: an error in the socket, then close code 4000."""
    code = "invalid_model" if model else "missing_model"
    message = (
        f"The model '{model[:80]}' does not exist here; this computer has '{ours}'."
        if model
        else f"You must provide a model parameter: '{ours}'."
    )
    body = wire.ErrorBody(type="invalid_request_error", code=code, message=message, param="model", event_id=None)
    try:
        await connection.send(encode(wire.Error(event_id="event_refused", error=body)))
        await connection.close(4000, f"invalid_request_error.{code}")
    except ConnectionClosed:
        pass


class _Connection:
    """One connected client: performs what its session orders."""

    def __init__(self, socket: ServerConnection, session: ServerSession, engines: Engines) -> None:
        self._socket = socket
        self._session = session
        self._engines = engines
        self._outgoing: deque[str] = deque()
        self._closing: Close | None = None
        self._to_write = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._stream: deque[Detect | ForgetStream] = deque()
        self._detection: tuple[VoiceActivity, FrameCutter] | None = None
        self._recognising: dict[int, asyncio.Task[None]] = {}
        self._answering: dict[str, asyncio.Task[None]] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}

    async def run(self) -> None:
        """Serve the client until one side closes."""
        writer = start_task(self._write(), name="write")
        try:
            self._perform(self._session.open(time.time()))
            async for frame in self._socket:
                self._handle(_event_of(frame))
                await self._detect()
                await self._room.wait()
        except ConnectionClosed:
            pass
        finally:
            await self._stop(writer)

    async def _stop(self, writer: asyncio.Task[None]) -> None:
        for timer in self._timers.values():
            timer.cancel()
        tasks = [writer, *self._recognising.values(), *self._answering.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _handle(self, happening: wire.ClientEvent | BadFrame | Report) -> None:
        self._perform(self._session.handle(happening, time.time()))

    def _perform(self, orders: Sequence[Order]) -> None:
        for order in orders:
            match order:
                case Send(event):
                    self._outgoing.append(encode(event))
                    self._to_write.set()
                case Detect() | ForgetStream():
                    self._stream.append(order)
                case Recognise(job=job):
                    self._recognising[job] = start_task(self._recognise(order), name="recognise")
                case DropRecognition(job):
                    self._cancel(self._recognising.pop(job, None))
                case Generate(response_id=response_id):
                    self._answering[response_id] = start_task(self._answer(order), name="answer")
                case StopGenerating(response_id):
                    self._cancel(self._answering.pop(response_id, None))
                case WakeAfter(ms, number):
                    loop = asyncio.get_running_loop()
                    self._timers[number] = loop.call_later(ms / 1000, self._wake, number)
                case Close():
                    self._closing = order
                    self._to_write.set()
                case _:
                    assert_never(order)
        if len(self._outgoing) >= FULL_FRAMES:
            self._room.clear()

    def _wake(self, number: int) -> None:
        del self._timers[number]
        self._handle(Woke(number))

    # --- what takes time --------------------------------------------------------------------

    def _cancel(self, task: asyncio.Task[None] | None) -> None:
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _recognise(self, order: Recognise) -> None:
        report = await understand(order, self._engines)
        self._recognising.pop(order.job, None)
        self._handle(report)

    async def _answer(self, order: Generate) -> None:
        async for report in answer(order, self._engines):
            self._handle(report)
            if order.response_id not in self._answering:
                return  # the session ended it
            await self._room.wait()
        self._answering.pop(order.response_id, None)

    async def _detect(self) -> None:
        """Run voice detection over what was appended, before the next event is looked at."""
        while self._stream:
            order = self._stream.popleft()
            detection = await self._detector()
            if detection is None:
                return
            detector, cutter = detection
            if isinstance(order, ForgetStream):
                detector.reset()
                cutter.forget()
            else:
                await self._detect_in(order, detector, cutter)

    async def _detect_in(self, order: Detect, detector: VoiceActivity, cutter: FrameCutter) -> None:
        frame_ms = detector.frame_samples * 1000 / RECOGNITION_RATE_HZ
        probabilities: list[float] = []
        for frame in cutter.frames(order.audio, order.format):
            probabilities.append(detector.probability(frame))
            if len(probabilities) == FRAMES_AT_ONCE:
                self._handle(Detected(tuple(probabilities), frame_ms))
                probabilities = []
                await asyncio.sleep(0)
        if probabilities:
            self._handle(Detected(tuple(probabilities), frame_ms))

    async def _detector(self) -> tuple[VoiceActivity, FrameCutter] | None:
        """Return this stream's detector; None if there is none, which the session is told."""
        if self._detection is None:
            try:
                make = await self._engines.voice_activity.get(DETECTOR_PATIENCE_S)
            except ParleyError as error:
                self._stream.clear()
                self._handle(DetectionUnavailable(error.sentence))
                return None
            detector = make()
            self._detection = detector, FrameCutter(detector.frame_samples)
        return self._detection

    async def _write(self) -> None:
        """Send what is waiting, in order; the only one who sends."""
        try:
            while True:
                await self._to_write.wait()
                while self._outgoing:
                    await self._socket.send(self._outgoing.popleft())
                    if len(self._outgoing) < FULL_FRAMES:
                        self._room.set()
                self._to_write.clear()
                if self._closing is not None:
                    await self._socket.close(self._closing.code, self._closing.reason)
                    return
        except ConnectionClosed:
            self._room.set()


def _event_of(frame: str | bytes) -> wire.ClientEvent | BadFrame:
    if isinstance(frame, bytes):
        return BadFrame("invalid_event", "Binary frames are not supported: send JSON in text frames.")
    try:
        return decode_client_event(frame)
    except BadFrame as refusal:
        return refusal
