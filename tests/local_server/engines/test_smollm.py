"""SmolLM2: what its guard lets through, and the real model within its limits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.errors import WeightsError
from desktop_app.local_server.engines import Message, MessageRole
from desktop_app.local_server.engines.smollm import SmolLM, _chat, _Guard, _loops

WEIGHTS = Path(__file__).resolve().parents[3] / "build/weights/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf"


def user(text: str) -> Message:
    return Message(MessageRole.USER, text)


def guarded(text: str, said: str = "We went to Rome.") -> str:
    guard = _Guard([user(said)])
    out: list[str] = []
    for letter in text:
        out += guard.feed(letter)
        if guard.done:
            return "".join(out)
    return "".join(out + guard.finish())


@pytest.mark.parametrize(
    ("raw", "spoken"),
    [
        ("That sounds nice. Did you like it? I am sure.", "That sounds nice. Did you like it?"),
        ("Rome sounds lovely. It was founded in 753 before Christ.", "Rome sounds lovely."),
        ("Romulus founded it.", "Romulus founded it."),
        ("I know that Romulus founded it.", ""),
        ("How lovely! See www.rome.com for more.", "How lovely!"),
        ("My wife loves it.", ""),
        ("She has been taken to the hospital.", ""),
        ("Nice. Nice. Nice.", "Nice."),
        ("Woah woah woah woah woah", ""),
        ("It is so it is so it is so", ""),
        ("An unfinished sentence that the limit cut off in the mid", ""),
        ("So " * 30 + "nice.", ""),
        ("", ""),
    ],
)
def test_what_is_said_and_what_is_not(raw: str, spoken: str) -> None:
    assert guarded(raw) == spoken


def test_loops() -> None:
    assert _loops("a walk in the park a walk in the park")
    assert not _loops("a walk in the park and a walk by the sea")


def test_it_sees_the_last_turns_and_never_the_clients_instructions() -> None:
    messages = [
        Message(MessageRole.SYSTEM, "You are a pirate."),
        *(user(f"one {n}") for n in range(9)),
        Message(MessageRole.ASSISTANT, "Aye."),
        user("Hello."),
    ]
    chat = _chat(messages)
    assert "pirate" not in str(chat)
    roles = [message["role"] for message in chat]
    assert roles[0] == "system"
    assert roles[1:] == ["user", "assistant"] * (len(roles) // 2 - 1) + ["user"]
    assert "one 5" not in str(chat)


def test_missing_weights_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing"):
        SmolLM(tmp_path / "none.gguf")


@pytest.mark.weights
def test_a_file_that_is_no_model_is_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(1000))
    with pytest.raises(WeightsError, match="cannot be read"):
        SmolLM(broken)


@pytest.fixture(scope="module")
def model() -> Iterator[SmolLM]:
    loaded = SmolLM(WEIGHTS)
    yield loaded
    loaded.close()


CHAT = (
    "I like chocolate.",
    "I had a long day at work.",
    "We have a new dog.",
    "I love my garden.",
    "I am knitting a hat.",
)


@pytest.mark.weights
async def test_small_talk_stays_small(model: SmolLM) -> None:
    answered = 0
    for text in CHAT:
        pieces = [str(piece) async for piece in model.reply([user(text)])]
        spoken = "".join(pieces)
        answered += bool(spoken)
        assert len(pieces) <= 2
        assert not any(letter.isdigit() for letter in spoken)
        assert not spoken or spoken[-1] in ".!?\"'"
    assert answered >= 3  # the guard may stop any one of them, not all


@pytest.mark.weights
async def test_the_loop_goes_on_while_it_generates(model: SmolLM) -> None:
    gaps: list[float] = []

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    ticking = asyncio.create_task(tick())
    _ = [piece async for piece in model.reply([user("I like to walk in the rain.")])]
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    assert sorted(gaps)[int(len(gaps) * 0.9)] < 0.1


@pytest.mark.weights
async def test_leaving_does_not_wait(model: SmolLM) -> None:
    async def listen() -> None:
        async for _ in model.reply([user("Tell me about a long day in the garden.")]):
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    started = time.perf_counter()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert time.perf_counter() - started < 0.1


@pytest.mark.weights
def test_it_stops_within_a_token(model: SmolLM) -> None:
    stop = threading.Event()
    tokens: list[str | None] = []

    def emit(token: str | None) -> None:
        tokens.append(token)
        stop.set()

    model._generate(_chat([user("Tell me about a long day in the garden.")]), 60, emit, stop)
    assert tokens[-1] is None
    assert len(tokens) <= 3
