"""The local server, driven by the vendor's agents: `openai-agents`, a realtime session of their own making.

They run as a program of their own (`agents_story.py`) and tell what they saw; here is what they should have seen,
and what our model was asked meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from desktop_app.local_server.engines import FunctionCall, Message, MessageRole
from desktop_app.local_server.engines.scripted import (
    VOICES,
    WORD_MS,
    ScriptedEars,
    ScriptedModel,
    ScriptedSpeech,
    scripted_engines,
)
from desktop_app.local_server.memory import UNSEEN_IMAGE
from desktop_app.local_server.server import LocalServer
from tests.interop.test_openai_sdk import TINY_PNG, TOKEN

STORIES = Path(__file__).with_name("agents_story.py")
LONG = ["It is four. ", *["And many more words. "] * 200]
TOOLS = ["generate_horoscope", "send_flowers"]


class Told:
    """What the agents saw, in order."""

    def __init__(self, lines: Sequence[dict[str, Any]]) -> None:
        self.lines = lines

    def of(self, what: str) -> list[dict[str, Any]]:
        """Return everything of one kind."""
        return [line for line in self.lines if line["what"] == what]

    def one(self, what: str) -> dict[str, Any]:
        """Return the only one of its kind."""
        (line,) = self.of(what)
        return line

    @property
    def history(self) -> list[tuple[str, str]]:
        """Return the conversation as the agents keep it: roles and words."""
        return [
            (line["role"], line["output"] or " ".join(word for word in line["words"] if word))
            for line in self.of("history")
        ]


class Agents:
    """Their program, which plays one story after the other."""

    def __init__(self, python: Path, complaints: Path) -> None:
        self._complaints = complaints
        env = {
            **os.environ,
            "AGENTS_TOKEN": TOKEN,
            "AGENTS_PICTURE": TINY_PNG,
            "OPENAI_AGENTS_DISABLE_TRACING": "1",  # it would tell the vendor
        }
        with complaints.open("wb") as stderr:
            self._process = subprocess.Popen(
                [python, "-I", STORIES], env=env, text=True, stdin=PIPE, stdout=PIPE, stderr=stderr
            )

    async def play(self, story: str, model: ScriptedModel) -> Told:
        """Have them play a story against a server whose engines do as they are told."""
        ears = ScriptedEars("What is two plus two?", "Stop.")
        engines = scripted_engines(ears=ears, model=model, speech=ScriptedSpeech(delay_s=0.005))
        async with LocalServer(engines, token=TOKEN, voices=VOICES) as server:
            told = Told(await asyncio.to_thread(self._ask, f"{story} {server.url}"))
        assert not self._complaints.read_text("utf-8").strip(), told.lines
        return told

    def _ask(self, line: str) -> list[dict[str, Any]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        told: list[dict[str, Any]] = []
        while (answer := self._process.stdout.readline()) and (one := json.loads(answer))["what"] != "end":
            told.append(one)
        return told

    def close(self) -> None:
        """End the program."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()


@pytest.fixture(scope="module")
def agents(agents_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    """Start the vendor's agents; importing them takes three seconds, so they are started once."""
    running = Agents(agents_python, tmp_path_factory.mktemp("agents") / "stderr")
    yield running
    running.close()


def seen(messages: Sequence[Message]) -> list[tuple[MessageRole, str]]:
    """Return what the model was asked, without the instructions."""
    return [(each.role, each.text) for each in messages if each.role is not MessageRole.SYSTEM]


USER, ASSISTANT, TOOL = MessageRole.USER, MessageRole.ASSISTANT, MessageRole.TOOL


async def test_text_and_a_picture(agents: Agents) -> None:
    model = ScriptedModel()
    told = await agents.play("typed", model)
    assert not told.of("error")
    assert told.of("updated")[-1]["tools"] == TOOLS
    assert told.of("updated")[-1]["tracing"] == "auto"
    assert told.history[:3] == [
        ("user", "Hello?"),
        ("assistant", "You said: Hello?"),
        ("user", "And this picture?"),
    ]
    assert seen(model.asked[-1])[-1] == (USER, f"And this picture?\n{UNSEEN_IMAGE}")


async def test_push_to_talk(agents: Agents) -> None:
    model = ScriptedModel(["It is four."])
    told = await agents.play("pushed", model)
    assert not told.of("error")
    assert told.history == [("user", "What is two plus two?"), ("assistant", "It is four.")]
    assert told.one("audio")["ms"] == [3 * WORD_MS]
    assert seen(model.asked[0]) == [(USER, "What is two plus two?")]


@pytest.mark.parametrize("story", ["semantic-vad", "server-vad"])
async def test_hands_free_and_interrupted_by_voice(agents: Agents, story: str) -> None:
    """Their default is `semantic_vad`; both kinds end a turn and cut the answer off."""
    model = ScriptedModel(LONG, delay_s=0.005)
    told = await agents.play(story, model)
    assert not told.of("error")
    assert told.one("truncated")["ms"] == 900
    assert told.one("truncated")["item"] == told.one("interrupted")["item"]
    assert [line["status"] for line in told.of("done")] == ["cancelled", "completed"]
    assert seen(model.asked[-1]) == [
        (USER, "What is two plus two?"),
        (ASSISTANT, "It is four."),
        (USER, "Stop."),
    ]


async def test_interrupted_by_the_button_and_truncated(agents: Agents) -> None:
    """With automatic cancelling they send no cancel of their own: the response goes on, and nobody hears it."""
    model = ScriptedModel(LONG, delay_s=0.005)
    told = await agents.play("interrupted", model)
    assert not told.of("error")
    assert told.one("truncated")["ms"] == 600
    assert seen(model.asked[-1]) == [
        (USER, "Tell me a long story."),
        (ASSISTANT, "It is"),
        (USER, "Go on."),
    ]


async def test_tools_are_called_and_their_outputs_used(agents: Agents) -> None:
    model = ScriptedModel(
        [FunctionCall("generate_horoscope", '{"sign": "Aquarius"}')],
        ["A friend!"],
        [FunctionCall("send_flowers", '{"to": "Ada"}')],
        ["They are on their way."],
    )
    told = await agents.play("called", model)
    assert not told.of("error")
    assert [line.get("sign") or line["to"] for line in told.of("tool ran")] == ["Aquarius", "Ada"]
    assert told.one("approval")["tool"] == "send_flowers"
    outputs = ["Aquarius: you will meet a friend.", "Flowers are on their way to Ada."]
    assert [line["output"] for line in told.of("tool end")] == outputs
    assert seen(model.asked[1])[-1] == (TOOL, outputs[0])
    assert seen(model.asked[3])[-1] == (TOOL, outputs[1])
    assert told.history == [
        ("user", "I am an aquarius."),
        ("function_call", outputs[0]),
        ("assistant", "A friend!"),
        ("user", "Send flowers to Ada."),
        ("function_call", outputs[1]),
        ("assistant", "They are on their way."),
    ]


async def test_a_handoff_changes_tools_and_instructions(agents: Agents) -> None:
    model = ScriptedModel([FunctionCall("transfer_to_astrologer", "{}")], ["Which sign?"])
    told = await agents.play("handed-over", model)
    assert not told.of("error")
    assert told.one("handoff")["to"] == "Astrologer"
    assert [line["tools"] for line in told.of("updated")] == [["transfer_to_astrologer"]] * 2 + [TOOLS]
    assert [asked[0].text for asked in model.asked] == ["You open doors.", "You read the stars."]
    assert told.history[-1] == ("assistant", "Which sign?")


async def test_what_is_not_here_is_named_and_the_conversation_goes_on(agents: Agents) -> None:
    """Left to their own defaults they ask for the vendor's model and voice: refused with the field's name."""
    told = await agents.play("unconfigured", ScriptedModel())
    assert all("session.model" in line["error"] for line in told.of("error"))
    assert told.of("error")
    assert told.history[1] == ("assistant", "You said: Hello?")
