"""What no server should send breaks nothing, and holds nothing up."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from desktop_app.conversation import inputs
from desktop_app.endpoints import Endpoint
from desktop_app.protocol import events as wire
from desktop_app.transport import WebSocketTransport
from tests.fuzz.frames import Mutant, corpus, huge
from tests.fuzz.run import WARM_UP_FRAMES, Fuzz, allowed_s
from tests.harness.scripted_server import Caller, ScriptedServer, created

QUICK = [(seed, 5_000) for seed in range(1, 5)]
"""20,000 frames."""
WHOLE = [(seed, 50_000) for seed in range(101, 121)]
"""1,000,000 frames."""
GROWS_MB = 96.0
"""What may be kept of it at most: the core's own limits (a transcript of 64 million characters) lie above."""


@pytest.fixture
def no_garbage_elsewhere() -> Iterator[None]:
    """Collect no garbage in other threads, as the program does."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    ("seed", "frames"), [*QUICK, *(pytest.param(*whole, marks=pytest.mark.slow) for whole in WHOLE)]
)
def test_no_frame_breaks_anything(qapp: QApplication, no_garbage_elsewhere: None, seed: int, frames: int) -> None:
    fuzz = Fuzz(qapp, seed)
    try:
        report = fuzz.run(frames, never_held_s=allowed_s())
    finally:
        fuzz.close()

    print(f"slowest {report.slowest_s * 1000:.1f} ms CPU, memory {report.grown_mb:+.1f} MB, {report.slowest!r}")
    assert report.frames == frames
    assert frames * 0.1 < report.unknown < frames * 0.6, "some are understood, some are not"
    assert report.grown_mb < GROWS_MB


def test_a_frame_of_16_mib_does_not_hold_the_loop(qapp: QApplication, no_garbage_elsewhere: None) -> None:
    fuzz = Fuzz(qapp, 1)
    allowed = allowed_s()
    fuzz.session.handle(inputs.ConnectAsked())
    for event in (wire.SessionCreated(session=created().session), wire.SessionUpdated(session=created().session)):
        fuzz.session.handle(inputs.Received(event))
    try:
        fuzz.run(WARM_UP_FRAMES, with_huge=False)
        for number, frame in enumerate(huge().values(), WARM_UP_FRAMES):
            fuzz._take(number, frame, [], allowed)
    finally:
        fuzz.close()


async def test_through_a_real_socket_every_frame_arrives() -> None:
    frames = list(itertools.islice(Mutant(5, corpus()), 600))
    last = wire.InputAudioBufferCleared(event_id="the last")

    async def script(caller: Caller) -> None:
        for number, frame in enumerate(frames):
            await caller.connection.send(frame, text=number % 10 > 0)  # each tenth is a binary one
        await caller.send(last)
        await caller.gone(within_s=30)

    received: list[inputs.Input] = []
    ended = asyncio.Event()

    def take(event: inputs.Input) -> None:
        received.append(event)
        if isinstance(event, inputs.Disconnected) or (isinstance(event, inputs.Received) and event.event == last):
            ended.set()

    async with ScriptedServer(script) as server:

        async def endpoint() -> Endpoint:
            return Endpoint("test", server.url, {})

        transport = WebSocketTransport(endpoint, take)
        transport.connect()
        async with asyncio.timeout(60):
            await ended.wait()
        await transport.close()

    assert all(isinstance(event, inputs.Received) for event in received)
    assert len(received) == len(frames) + 1


def test_the_same_seed_makes_the_same_frames() -> None:
    good = corpus()
    first, second = (list(itertools.islice(Mutant(3, good), 300)) for _ in range(2))

    assert first == second
    assert len({frame[:40] for frame in first}) > 30
