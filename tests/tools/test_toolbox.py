"""One call of a tool, whatever the tool does and whatever the model wrote."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from desktop_app.errors import ToolError
from desktop_app.protocol import items
from desktop_app.tools.tool import (
    Consent,
    FunctionTool,
    Picture,
    ToolCall,
    ToolSpec,
    WithPictures,
    parameters,
)
from desktop_app.tools.toolbox import Toolbox

SIGNS = [
    "Aries",
    "Taurus",
    "Gemini",
    "Cancer",
    "Leo",
    "Virgo",
    "Libra",
    "Scorpio",
    "Sagittarius",
    "Capricorn",
    "Aquarius",
    "Pisces",
]

HOROSCOPE = {
    "type": "object",
    "properties": {"sign": {"type": "string", "description": "The sign for the horoscope.", "enum": SIGNS}},
    "required": ["sign"],
}


def generate_horoscope(arguments: Mapping[str, Any]) -> object:
    return {"horoscope": f"You will soon meet a new friend, {arguments['sign']}."}


def horoscope() -> FunctionTool:
    """The tool of the guide's function calling example."""
    spec = ToolSpec(
        "generate_horoscope", "Give today's horoscope for an astrological sign.", HOROSCOPE, Consent.NEVER
    )
    return FunctionTool(spec, generate_horoscope)


def tool(function: Callable[[Mapping[str, Any]], object], name: str = "odd", **more: Any) -> FunctionTool:
    anything = {"type": "object"}
    return FunctionTool(ToolSpec(name, "Does something odd.", anything, Consent.NEVER), function, **more)


def call(arguments: str = "{}", name: str = "odd") -> ToolCall:
    return ToolCall("call_1", name, arguments)


def error_of(output: str) -> str:
    error = json.loads(output)["error"]
    assert isinstance(error, str)
    return error


# --- the guide's example ------------------------------------------------------------------------


async def test_the_guides_example_runs() -> None:
    result = await Toolbox([horoscope()]).run(call('{"sign":"Aquarius"}', "generate_horoscope"))

    assert json.loads(result.output) == {"horoscope": "You will soon meet a new friend, Aquarius."}
    assert not result.failed
    assert 0 <= result.seconds < 5


def test_the_guides_example_on_the_wire_is_flat_and_without_strict() -> None:
    (tool_item,) = Toolbox([horoscope()]).as_session_tools()

    assert isinstance(tool_item, items.Tool)
    assert json.loads(msgspec.json.encode(tool_item)) == {
        "type": "function",
        "name": "generate_horoscope",
        "description": "Give today's horoscope for an astrological sign.",
        "parameters": HOROSCOPE,
    }


# --- what a model may write ---------------------------------------------------------------------

WRONG_ARGUMENTS = {
    "not json": ("sign=Aries", "not valid JSON"),
    "cut off": ('{"sign": "Ar', "not valid JSON"),
    "nan": ('{"sign": NaN}', "not valid JSON"),
    "lone surrogate": ('{"sign": "\ud800"}', "not valid JSON"),
    "a list": ('["Aries"]', "one JSON object"),
    "a string": ('"Aries"', "one JSON object"),
    "null": ("null", "one JSON object"),
    "nothing, though a key is required": ("", "'sign' is a required property"),
    "a missing key": ("{}", "'sign' is a required property"),
    "a wrong type": ('{"sign": 7}', "sign: 7 is not"),
    "a value that is not of the enum": ('{"sign": "Ophiuchus"}', "'Ophiuchus' is not one of"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "long": ('{"sign": "' + "x" * 300_000 + '"}', "too long"),
    "a long wrong value": ('{"sign": "' + "x" * 200_000 + '"}', "sign: 'xxx"),
}


@pytest.mark.parametrize("case", WRONG_ARGUMENTS)
async def test_wrong_arguments_are_an_error_the_model_can_act_on(case: str) -> None:
    arguments, expected = WRONG_ARGUMENTS[case]
    toolbox = Toolbox([horoscope()])
    asked = call(arguments, "generate_horoscope")

    result = await toolbox.run(asked)
    refusal = await toolbox.refusal(asked)

    assert result.failed
    assert expected in error_of(result.output)
    assert len(result.output) < 1_500
    assert refusal is not None
    assert refusal.output == result.output


async def test_an_unknown_key_is_refused_where_the_schema_says_so() -> None:
    strict = FunctionTool(ToolSpec("strict", "", parameters(a={"type": "integer"})), lambda arguments: "ran")

    result = await Toolbox([strict]).run(call('{"a": 1, "b": 2}', "strict"))

    assert "'b' was unexpected" in error_of(result.output)


async def test_an_unknown_tool_is_named_with_those_there_are() -> None:
    toolbox = Toolbox([horoscope()])

    result = await toolbox.run(call("{}", "launch_rocket"))

    assert result.failed
    assert error_of(result.output) == "There is no tool named 'launch_rocket'. There are: generate_horoscope."
    assert not toolbox.needs_consent("launch_rocket")


async def test_a_schema_from_outside_neither_hangs_nor_fetches() -> None:
    spec = ToolSpec(
        "odd",
        "",
        {
            "type": "object",
            "properties": {
                "a": {"type": "string", "pattern": "^(a+)+$"},
                "b": {"$ref": "http://127.0.0.1:9/schema.json"},
                "c": {"$ref": "#/$defs/loop"},
            },
            "$defs": {"loop": {"allOf": [{"$ref": "#/$defs/loop"}]}},
        },
    )
    toolbox = Toolbox([FunctionTool(spec, lambda arguments: "ran")], timeout_s=10)

    catastrophic = await toolbox.run(call(json.dumps({"a": "a" * 60 + "!"})))
    remote = await toolbox.run(call('{"b": 1}'))
    endless = await toolbox.run(call('{"c": 1}'))

    assert catastrophic.output == "ran"
    assert remote.output == "ran"
    assert "nested too deeply" in error_of(endless.output)


# --- what a tool may do -------------------------------------------------------------------------


LET_GO = threading.Event()
"""Ends what hangs, after its test."""


@pytest.fixture(autouse=True)
def _let_go(no_thread_left: None) -> Iterator[None]:
    LET_GO.clear()
    yield
    LET_GO.set()


def raise_it(error: BaseException) -> object:
    raise error


class Unprintable(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class BadMapping(dict[str, int]):
    """A mapping that raises when it is read."""

    def items(self) -> Any:
        raise KeyError("gone")


@dataclass
class Endless:
    """Data that contains itself."""

    itself: Endless | None = None


def cyclic_list() -> list[object]:
    cycle: list[object] = []
    cycle.append({"again": cycle})
    return cycle


def cyclic_object() -> Endless:
    endless = Endless()
    endless.itself = endless
    return endless


def nested(depth: int) -> object:
    value: object = "end"
    for _ in range(depth):
        value = [value]
    return value


def loop_forever(_: Mapping[str, Any]) -> object:
    async def forever() -> object:
        await asyncio.Event().wait()
        return None

    return forever()


def ignore_cancelling(_: Mapping[str, Any]) -> object:
    async def stubborn() -> object:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "too late"

    return stubborn()


def give_up(_: Mapping[str, Any]) -> object:
    async def cancelled() -> object:
        raise asyncio.CancelledError

    return cancelled()


HOSTILE: dict[str, tuple[FunctionTool, str]] = {
    "raises": (tool(lambda _: raise_it(ValueError("the disk is full"))), "ValueError: the disk is full"),
    "says what is wrong": (
        tool(lambda _: raise_it(ToolError("No such city.", "Name another."))),
        "No such city. Name",
    ),
    "raises a long text": (tool(lambda _: raise_it(ValueError("x" * 10_000_000))), "ValueError: xxx"),
    "raises what has no text": (tool(lambda _: raise_it(Unprintable())), "failed: Unprintable"),
    "exits": (tool(lambda _: raise_it(SystemExit(3))), "SystemExit"),
    "exits in a thread": (tool(lambda _: raise_it(SystemExit(3)), blocking=True), "SystemExit"),
    "raises StopIteration": (tool(lambda _: raise_it(StopIteration()), blocking=True), "StopIteration"),
    "hangs": (tool(loop_forever), "timeout: odd did not answer within 0.2 seconds"),
    "hangs in a thread": (tool(lambda _: LET_GO.wait(60), blocking=True), "timeout"),
    "hangs and ignores being cancelled": (tool(ignore_cancelling), "timeout"),
    "gives up": (tool(give_up), "gave up"),
    "returns binary": (tool(lambda _: b"\x00\xff" * 500), "binary data (1,000 bytes) as the result;"),
    "returns binary inside": (tool(lambda _: {"file": [b"\x00"]}), "binary data (1 bytes) as the result.file[0]"),
    "returns itself": (tool(lambda _: cyclic_list()), "contains itself, at the result[0].again"),
    "returns an object with itself": (tool(lambda _: cyclic_object()), "contains itself"),
    "returns deep data": (tool(lambda _: nested(10_000)), "more than 40 levels"),
    "returns an object": (tool(lambda _: {"lock": threading.Lock()}), "a lock as the result.lock"),
    "returns a function": (tool(lambda _: len), "cannot be written as text or JSON"),
    "returns a generator": (tool(lambda _: (n for n in range(3))), "cannot be written as text or JSON"),
    "returns what raises when read": (tool(lambda _: BadMapping(a=1)), "cannot be read: KeyError"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_tool_is_an_error_within_the_time_limit(case: str) -> None:
    odd, expected = HOSTILE[case]
    toolbox = Toolbox([odd], timeout_s=0.2 if "hangs" in case else 10)

    async with asyncio.timeout(5):
        result = await toolbox.run(call())

    assert result.failed
    assert expected in error_of(result.output)
    assert len(result.output.encode()) < 1_500


def test_a_thread_that_hangs_does_not_keep_the_program(run_async: Callable[..., Any]) -> None:
    """It is joined by nobody: only a daemon thread ends with the process."""
    toolbox = Toolbox([tool(lambda _: LET_GO.wait(60), blocking=True)], timeout_s=0.1)

    result = run_async(toolbox.run(call()))

    (left,) = [thread for thread in threading.enumerate() if thread.name.startswith("tool ")]
    assert left.daemon
    assert result.failed


async def test_the_loop_goes_on_while_a_tool_blocks() -> None:
    toolbox = Toolbox([tool(lambda _: time.sleep(0.3), blocking=True)])
    running = asyncio.ensure_future(toolbox.run(call()))
    turns = 0
    while not running.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 100
    assert not running.result().failed


async def test_a_call_can_be_cancelled() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = asyncio.ensure_future(Toolbox([tool(lambda _: wait())]).run(call()))
    async with asyncio.timeout(5):
        await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(5):
        await ended.wait()


async def test_calls_run_side_by_side() -> None:
    arrived = asyncio.Barrier(3)

    async def meet() -> str:
        await arrived.wait()
        return "met"

    toolbox = Toolbox([tool(lambda _: meet())], timeout_s=5)

    results = await asyncio.gather(*(toolbox.run(call()) for _ in range(3)))

    assert [result.output for result in results] == ["met"] * 3


# --- what may come back -------------------------------------------------------------------------

HUGE: dict[str, Callable[[], object]] = {
    "text": lambda: "a" * 10_000_000,
    "wide characters": lambda: "語" * 5_000_000,
    "a list": lambda: ["word"] * 2_000_000,
    "an object": lambda: {f"key {n}": n for n in range(300_000)},
    "a text inside": lambda: {"text": "a" * 10_000_000},
    "a range": lambda: range(10**12),
}


@pytest.mark.parametrize("case", HUGE)
async def test_ten_megabytes_are_cut_and_it_is_said(case: str) -> None:
    value = HUGE[case]()

    result = await Toolbox([tool(lambda _: value)]).run(call())

    assert not result.failed
    assert 15_000 < len(result.output.encode()) <= 16_000
    assert "[cut: only the beginning" in result.output[-80:]


async def test_a_number_of_a_million_digits_is_an_error() -> None:
    result = await Toolbox([tool(lambda _: {"n": 10**5_000})]).run(call())

    assert "too long" in error_of(result.output)


@pytest.mark.parametrize(
    ("value", "output"),
    [
        (None, "null"),
        ("plain text", "plain text"),
        ("", ""),
        (True, "true"),
        ({"a": [1, 2.5, None, "ü"]}, '{"a": [1, 2.5, null, "ü"]}'),
        ({1: float("nan")}, '{"1": "nan"}'),
        ((1, 2), "[1, 2]"),
        (Consent.NEVER, '"never"'),
        ([[1], [1]], "[[1], [1]]"),
        ("\ud800", "?"),
    ],
)
async def test_data_comes_back_as_json_and_text_as_it_is(value: object, output: str) -> None:
    result = await Toolbox([tool(lambda _: value)]).run(call())

    assert result.output == output


async def test_the_same_list_twice_is_no_cycle() -> None:
    twice = [1]

    result = await Toolbox([tool(lambda _: {"a": twice, "b": twice})]).run(call())

    assert result.output == '{"a": [1], "b": [1]}'


async def test_pictures_come_beside_the_output() -> None:
    picture, odd = Picture(b"png", "image/png"), Picture(b"svg", "image/svg+xml")

    result = await Toolbox([tool(lambda _: WithPictures("Here.", (picture, odd)))]).run(call())

    assert (result.output, result.pictures) == ("Here.", (picture,))


# --- the set ------------------------------------------------------------------------------------


def test_the_set_can_change_and_whoever_listens_is_told() -> None:
    changes: list[list[str]] = []
    toolbox = Toolbox([tool(len, "own")], changed=lambda: changes.append([spec.name for spec in toolbox.specs()]))

    toolbox.replace("server", [tool(len, "a"), tool(len, "b")])
    toolbox.replace("server", [tool(len, "a"), tool(len, "b")])  # nothing new
    toolbox.replace("server", [tool(len, "b")])
    toolbox.replace("server", [])

    assert changes == [["own", "a", "b"], ["own", "b"], ["own"]]


def test_a_name_belongs_to_whoever_came_first() -> None:
    toolbox = Toolbox([tool(len, "own")])

    left_out = toolbox.replace("server", [tool(len, "own"), tool(len, "a b"), tool(len, "x" * 65), tool(len, "")])
    toolbox.replace("one", [tool(len, "same")])
    second = toolbox.replace("two", [tool(len, "same")])

    assert left_out == ("own", "a b", "x" * 65, "")
    assert second == ("same",)
    toolbox.replace("one", [])
    assert toolbox.spec("same") is not None


def test_the_fingerprint_changes_with_what_the_model_is_told() -> None:
    spec = ToolSpec("a", "Reads.", {"type": "object"})

    assert spec.fingerprint == ToolSpec("a", "Reads.", {"type": "object"}, remark="new").fingerprint
    assert spec.fingerprint != ToolSpec("a", "Writes.", {"type": "object"}).fingerprint
    assert spec.fingerprint != ToolSpec("a", "Reads.", {"type": "object"}, source="other").fingerprint


# --- consent ------------------------------------------------------------------------------------


def test_consent_is_the_default() -> None:
    asks = FunctionTool(ToolSpec("asks", "", {"type": "object"}), len)
    toolbox = Toolbox([asks, horoscope()])

    assert toolbox.needs_consent("asks")
    assert not toolbox.needs_consent("generate_horoscope")


def test_a_tool_without_a_question_of_its_own_leaves_it_to_its_name() -> None:
    toolbox = Toolbox([FunctionTool(ToolSpec("x__send", "", {"type": "object"}), len)])

    assert toolbox.question(call('{"to":"Ann"}', "x__send")) == ""


def test_a_tool_words_its_own_question() -> None:
    toolbox = Toolbox([tool(len, ask=lambda arguments: f"Open {arguments['url']}?")])

    assert toolbox.question(call('{"url":"https://example.com"}')) == "Open https://example.com?"


async def test_what_would_be_refused_is_not_asked_about() -> None:
    def refuse(_: Mapping[str, Any]) -> str:
        raise ToolError("Not this one.")

    toolbox = Toolbox([tool(len, ask=refuse), tool(len, "fine")])

    refused = await toolbox.refusal(call())

    assert refused is not None
    assert error_of(refused.output) == "Not this one."
    assert await toolbox.refusal(call(name="fine")) is None
