"""What the user has set, as a session: there, and back when a server refuses it."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest
from msgspec import UNSET

from desktop_app import endpoints, wishes
from desktop_app.protocol import session_config as sc
from desktop_app.settings import AnswerSettings, Settings, TurnSettings, with_value

REMOTE = endpoints.choose("openai", model="", environment={"OPENAI_API_KEY": "k"})
OLDER = endpoints.choose("openai", model="gpt-realtime", environment={"OPENAI_API_KEY": "k"})
LOCAL = endpoints.choose("local", model="", environment={})

SERVERS = {"mcpServers": {"my docs": {"url": "https://docs.example/mcp", "remote": True}}}


def test_an_always_for_a_tool_of_the_service_is_for_the_server_at_that_address() -> None:
    settings = with_value(Settings(), "tools.mcp", json.dumps(SERVERS))
    mark = wishes.remote_mark(settings, REMOTE, "my_docs/search")
    assert mark
    trusting = with_value(settings, "tools.trusted", [mark, "calculate"])
    assert wishes.approved_tools(trusting, REMOTE) == ("my_docs/search",)
    assert not wishes.approved_tools(trusting, LOCAL)
    moved = json.dumps(SERVERS).replace("docs.example", "other.example")
    assert not wishes.approved_tools(with_value(trusting, "tools.mcp", moved), REMOTE)
    assert not wishes.remote_mark(settings, REMOTE, "nobody/search")


CHANGED = [
    ("connection.instructions", "Speak like a pirate."),
    ("answers.modality", "text"),
    ("answers.speed", 1.25),
    ("answers.max_tokens", 500),
    ("answers.truncation", "disabled"),
    ("answers.tracing", True),
    ("answers.reasoning_effort", "high"),
    ("answers.parallel_tools", "off"),
    ("audio.noise_reduction", "off"),
    ("audio.noise_reduction", "far_field"),
    ("transcription.model", "off"),
    ("transcription.model", "whisper-1"),
    ("turns.mode", "hands_free"),
    ("turns.mode", "manual"),
]


@pytest.mark.parametrize(("name", "value"), CHANGED)
def test_each_setting_reaches_the_session_and_goes_back_when_refused(name: str, value: object) -> None:
    before = Settings()
    after = with_value(before, name, value)
    asked, in_force = wishes.session_config(after, REMOTE), wishes.session_config(before, REMOTE)
    assert asked != in_force
    returned = wishes.put_back(after, in_force, REMOTE)
    assert wishes.session_config(returned, REMOTE) == in_force
    assert wishes.put_back(after, asked, REMOTE) == after, "what is in force stays"


@pytest.mark.parametrize(
    "turns",
    [
        TurnSettings(mode="hands_free", threshold=0.7, prefix_padding_ms=100, silence_ms=900, idle_timeout_s=10),
        TurnSettings(mode="hands_free", detection="semantic_vad", eagerness="low", interrupt=False),
        TurnSettings(mode="manual"),
        TurnSettings(mode="manual", detection="semantic_vad"),
    ],
)
def test_turn_taking_is_read_back_from_what_is_in_force(turns: TurnSettings) -> None:
    in_force = wishes.session_config(replace(Settings(), turns=turns), REMOTE)
    returned = wishes.put_back(Settings(), in_force, REMOTE)
    assert wishes.turn_detection(returned.turns) == wishes.turn_detection(turns)


def test_every_field_of_the_turn_detection_is_sent() -> None:
    for detection in ("server_vad", "semantic_vad"):
        vad = wishes.turn_detection(TurnSettings(mode="hands_free", detection=detection))
        assert vad is not None
        assert UNSET not in msgspec.structs.astuple(vad), "silent defaults differ per model"


def test_asking_in_vain_is_given_up_for_this_session_only() -> None:
    settings = replace(Settings(), turns=TurnSettings(mode="hands_free", idle_timeout_s=10))
    quiet = replace(settings, turns=replace(settings.turns, idle_timeout_s=0))
    assert wishes.put_back(settings, wishes.session_config(quiet, REMOTE), REMOTE) == settings


def test_manual_answers_neither_begin_nor_interrupt_by_themselves() -> None:
    vad = wishes.turn_detection(TurnSettings(mode="manual"))
    assert isinstance(vad, sc.ServerVad)
    assert (vad.create_response, vad.interrupt_response) == (False, False)


def test_only_a_reasoning_model_is_asked_to_reason() -> None:
    wanted = replace(Settings(), answers=AnswerSettings(reasoning_effort="high", parallel_tools="on", tracing=True))
    assert wishes.session_config(wanted, REMOTE).reasoning == sc.Reasoning(effort="high")
    assert wishes.session_config(wanted, REMOTE).parallel_tool_calls is True
    for choice in (OLDER, LOCAL):
        config = wishes.session_config(wanted, choice)
        assert (config.reasoning, config.parallel_tool_calls) == (UNSET, UNSET)
    assert wishes.session_config(wanted, LOCAL).tracing is UNSET


def test_the_offline_assistant_is_told_its_language() -> None:
    audio = wishes.session_config(Settings(), LOCAL).audio
    assert audio is not UNSET
    assert audio.input is not UNSET
    assert audio.input.transcription == sc.Transcription(model=LOCAL.transcription_model, language="en")


def test_remote_servers_of_tools_are_the_services_to_call() -> None:
    servers = {
        "my docs": {"url": "https://docs.example/mcp", "headers": {"Authorization": "Bearer x"}, "remote": True},
        "here": {"command": "a-server"},
    }
    settings = with_value(Settings(), "tools.mcp", json.dumps({"mcpServers": servers}))
    (tool,) = wishes.session_config(settings, REMOTE).tools or []
    assert (tool.type, tool.server_label, tool.server_url) == ("mcp", "my_docs", "https://docs.example/mcp")
    assert (tool.headers, tool.require_approval) == ({"Authorization": "Bearer x"}, "always")
    assert wishes.session_config(settings, LOCAL).tools is UNSET
    assert wishes.session_config(with_value(Settings(), "tools.mcp", "{"), REMOTE).tools is UNSET
