"""The life of a user's tool file: seen, enabled, called, changed, broken, gone. The processes are real."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop_app.errors import ToolError
from desktop_app.tools.tool import Consent, Tool, ToolResult
from desktop_app.tools.toolbox import Toolbox
from desktop_app.tools.user_tools import FileState, UserFile, UserTools, examine
from tests.harness.processes import command_line_of, wait_until
from tests.tools.running import called, ended

WEATHER = '''
"""A tool file with most of what one may hold."""
from __future__ import annotations
import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal, Optional

calls = 0

class Scale(Enum):
    C = "celsius"
    F = "fahrenheit"

@dataclass
class Place:
    name: str
    country: str = "NO"

def weather(city: str, days: int = 1, scale: Scale = Scale.C, detail: Literal["low", "high"] = "low") -> dict:
    """Tell the weather.

    Only as an example.

    Args:
        city: The city, in English.
        days: How many days ahead.
    """
    return {"city": city, "days": days, "scale": scale.name, "detail": detail}

def visit(places: list[Place], when: Optional[dt.date] = None, note: Annotated[str, "a remark"] | None = None):
    """Plan a visit."""
    return f"{[place.name for place in places]} {when!r} {note}"

async def count() -> int:
    """Count the calls."""
    global calls
    calls += 1
    return calls

def untyped(x): return x
def variadic(*words: str): return words
def pathy(path: "object()"): return path
def _private(x: int): return x
'''


class House:
    """A profile, its toolbox and its user tools."""

    def __init__(self, profile: Path) -> None:
        self.profile = profile
        (profile / "tools").mkdir(exist_ok=True)
        self.toolbox = Toolbox(timeout_s=20)
        self.tools = UserTools(profile, self._changed)
        self.told: list[tuple[str, list[str]]] = []

    def _changed(self, source: str, tools: Sequence[Tool]) -> None:
        self.told.append((source, [tool.spec.name for tool in tools]))
        self.toolbox.replace(source, tools)

    def write(self, text: str | bytes, name: str = "weather.py") -> None:
        path = self.profile / "tools" / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def file(self, name: str = "weather.py") -> UserFile:
        return {file.name: file for file in self.tools.files()}[name]

    async def enable(self, text: str | bytes, name: str = "weather.py") -> None:
        self.write(text, name)
        await self.tools.enable(name, self.file(name).digest)

    async def run(self, name: str, /, **arguments: Any) -> ToolResult:
        return await self.toolbox.run(called(name, **arguments))

    async def error(self, name: str, /, **arguments: Any) -> str:
        result = await self.run(name, **arguments)
        assert result.failed, result
        return str(json.loads(result.output)["error"])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    before = set(psutil.Process().children(recursive=True))
    house = House(tmp_path)
    yield house
    await house.tools.close()
    assert set(psutil.Process().children(recursive=True)) <= before, "a process is left"


# --- seen ---------------------------------------------------------------------------------------


def test_a_file_is_shown_without_being_run(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write("import os, json.decoder\nfrom . import x\nopen('ran', 'w')\n" + WEATHER)

    file = house.file()

    assert file.state is FileState.OFF
    assert [offer.signature for offer in file.offers][:2] == [
        "weather(city: str, days: int=1, scale: Scale=Scale.C, detail: Literal['low', 'high']='low') -> dict",
        "visit(places: list[Place], when: Optional[dt.date]=None, note: Annotated[str, 'a remark'] | None=None)",
    ]
    assert file.offers[0].summary == "Tell the weather."
    assert {".", "os", "json.decoder"} <= set(file.imports)
    assert not list(tmp_path.rglob("ran"))
    assert house.told == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"def f(:\n", "weather.py, line 1: "),
        (b"\n\n  x = 1", "weather.py, line 3: unexpected indent"),
        (b"x = '\xff'", "not UTF-8"),
        (b"\x00", "weather.py"),
        (b"(" * 5_000 + b")" * 5_000, "weather.py"),
        (b"#" * 1_000_001, "larger than"),
    ],
)
def test_a_file_that_is_no_python_is_a_sentence(tmp_path: Path, source: bytes, expected: str) -> None:
    house = House(tmp_path)
    house.write(source)

    assert house.file().state is FileState.BROKEN
    assert expected in house.file().problem


def test_no_folder_is_no_file(tmp_path: Path) -> None:
    assert UserTools(tmp_path / "nowhere", lambda *_: None).files() == []


def test_only_public_functions_are_shown() -> None:
    offers, _ = examine("def a(): ...\ndef _b(): ...\nclass C:\n    def d(self): ...\nasync def e(): ...\n", "x.py")

    assert [offer.signature for offer in offers] == ["a()", "e()"]


# --- enabled and called -------------------------------------------------------------------------


async def test_an_enabled_file_offers_its_functions(house: House) -> None:
    await house.enable(WEATHER)

    assert house.told == [("your file weather.py", ["weather", "visit", "count"])]
    spec = house.toolbox.spec("weather")
    assert spec is not None
    assert spec.description == "Tell the weather.\n\nOnly as an example."
    assert spec.consent is Consent.ALWAYS_ASK
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The city, in English."},
            "days": {"type": "integer", "description": "How many days ahead.", "default": 1},
            "scale": {"enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "detail": {"enum": ["high", "low"], "default": "low"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    file = house.file()
    assert file.state is FileState.ENABLED
    assert [remark.partition(":")[0] for remark in file.remarks] == [
        "untyped is not offered",
        "variadic is not offered",
        "pathy is not offered",
    ]


async def test_its_functions_get_typed_values(house: House) -> None:
    await house.enable(WEATHER)

    plain = await house.run("weather", city="Oslo")
    full = await house.run("weather", city="Oslo", days=2, scale="fahrenheit", detail="high")
    visit = await house.run("visit", places=[{"name": "Bergen"}], when="2026-05-17", note="x")

    assert json.loads(plain.output) == {"city": "Oslo", "days": 1, "scale": "C", "detail": "low"}
    assert json.loads(full.output)["scale"] == "F"
    assert visit.output == "['Bergen'] datetime.date(2026, 5, 17) x"


async def test_its_state_is_kept_between_calls_one_at_a_time(house: House) -> None:
    await house.enable(WEATHER)

    results = await asyncio.gather(*(house.run("count") for _ in range(5)))

    assert sorted(result.output for result in results) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "'city' is a required property"),
        ({"city": 1}, "not of type 'string'"),
        ({"city": "Oslo", "scale": "kelvin"}, "'kelvin' is not one of"),
        ({"city": "Oslo", "country": "NO"}, "'country' was unexpected"),
        ({"city": "Oslo", "days": "two"}, "not of type 'integer'"),
    ],
)
async def test_wrong_arguments_do_not_reach_it(house: House, arguments: dict[str, object], expected: str) -> None:
    await house.enable(WEATHER)

    assert expected in await house.error("weather", **arguments)


async def test_the_keys_of_the_endpoint_are_not_passed_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not a real key")
    monkeypatch.setenv("MY_TOOLS_KEY", "mine")

    await house.enable("import os\ndef names() -> list:\n    return sorted(os.environ)\n")

    names = json.loads((await house.run("names")).output)
    assert "MY_TOOLS_KEY" in names
    assert not [name for name in names if name.startswith("OPENAI_")]


async def test_what_it_prints_and_reads_disturbs_nobody(house: House) -> None:
    await house.enable(
        "import os, sys\nprint('loading')\n"
        "def loud() -> str:\n    print('x' * 100_000); os.write(1, b'{}\\n'); os.system('echo out')\n"
        "    return repr(sys.stdin.read()) + sys.stdin.name\n"
    )

    assert (await house.run("loud")).output == f"''{os.devnull}"


# --- hostile files ------------------------------------------------------------------------------

FAILING = {
    "raises": (
        "def f():\n    x = 1\n    return x / 0\n",
        "weather.py, line 3: ZeroDivisionError: division by zero",
    ),
    "raises elsewhere": ("import json\ndef f():\n    json.loads('{')\n", "weather.py, line 3: JSONDecodeError"),
    "exits": ("import sys\ndef f():\n    sys.exit('bye')\n", "weather.py, line 3: SystemExit: bye"),
    "dies": ("import os\ndef f():\n    os._exit(3)\n", "ended in the middle"),
    "crashes": ("import ctypes\ndef f():\n    ctypes.string_at(0)\n", "ended in the middle"),
    "returns binary": ("def f():\n    return b'x' * 10\n", "binary data (10 bytes)"),
    "returns itself": ("def f():\n    a = []\n    a.append(a)\n    return a\n", "contains itself"),
    "returns an object": ("def f():\n    return f\n", "cannot be written"),
    "recurses": ("def f():\n    return f()\n", "RecursionError"),
    "raises in a coroutine": ("async def f():\n    raise ValueError('no')\n", "weather.py, line 2: ValueError: no"),
    "raises oddly": (
        "class E(BaseException):\n    def __str__(self): raise E\ndef f():\n    raise E\n",
        "weather.py, line 4: E",
    ),
}


@pytest.mark.parametrize("case", FAILING)
async def test_a_function_that_fails_is_an_error_and_the_next_call_works(house: House, case: str) -> None:
    source, expected = FAILING[case]
    await house.enable(source + "\ndef fine() -> str:\n    return 'fine'\n")

    assert expected in await house.error("f")
    assert (await house.run("fine")).output == "fine"


async def test_a_function_that_hangs_is_ended(house: House) -> None:
    await house.enable("def f():\n    while True: pass\ndef fine() -> str:\n    return 'fine'\n")
    house.toolbox._timeout_s = 0.5

    assert "timeout" in await house.error("f")
    house.toolbox._timeout_s = 20
    assert (await house.run("fine")).output == "fine"


async def test_what_it_started_ends_with_it(house: House) -> None:
    await house.enable(
        "import subprocess, sys\ndef f() -> int:\n"
        "    return subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid\n"
    )
    child = psutil.Process(int((await house.run("f")).output))

    await house.tools.disable("weather.py")

    await ended(child)


async def test_ten_megabytes_are_cut(house: House) -> None:
    await house.enable("def f():\n    return 'x' * 10_000_000\n")

    result = await house.run("f")

    assert not result.failed
    assert len(result.output) <= 16_000


BROKEN = {
    "a name nobody knows": ("x = 1\nimport requets\n", "weather.py, line 2: ModuleNotFoundError"),
    "an error at its top level": ("\n\nboom()\n", "weather.py, line 3: NameError: name 'boom' is not defined"),
    "an exit": ("import sys\nsys.exit(1)\n", "weather.py, line 2: SystemExit"),
    "an end": ("import os\nos._exit(0)\n", "ended in the middle"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_file_that_cannot_be_imported_is_named_with_its_line(house: House, case: str) -> None:
    source, expected = BROKEN[case]

    with pytest.raises(ToolError) as raised:
        await house.enable(source)

    assert expected in str(raised.value)
    assert house.file().state is FileState.BROKEN
    assert house.file().problem == str(raised.value)
    assert house.toolbox.specs() == []
    house.write("def f() -> int: return 1\n")
    assert house.file().state is FileState.OFF
    assert house.file().problem == ""


async def test_a_file_that_hangs_at_its_top_level_is_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop_app.tools.user_tools.LOADED_WITHIN_S", 1.0)

    with pytest.raises(ToolError, match="was not loaded within 1 seconds"):
        await house.enable("while True: pass\n")


# --- changed, gone, started again ---------------------------------------------------------------


async def test_a_yes_is_for_what_was_shown(house: House) -> None:
    house.write(WEATHER)
    shown = house.file().digest
    house.write("import os\n" + WEATHER)

    with pytest.raises(ToolError, match="has changed since you looked"):
        await house.tools.enable("weather.py", shown)

    assert house.toolbox.specs() == []


async def test_a_changed_file_needs_a_new_yes(house: House) -> None:
    await house.enable("def f() -> str: return 'old'\n")
    house.write("def f() -> str: return 'new'\n")

    assert house.file().state is FileState.CHANGED
    assert "has changed since the user enabled it" in await house.error("f")
    await house.tools.refresh()
    assert house.toolbox.specs() == []
    await house.tools.enable("weather.py", house.file().digest)
    assert (await house.run("f")).output == "new"


async def test_a_file_that_is_as_it_was_works_again(house: House) -> None:
    await house.enable("def f() -> str: return 'old'\n")
    house.write("def f() -> str: return 'new'\n")
    await house.tools.refresh()
    house.write("def f() -> str: return 'old'\n")

    await house.tools.refresh()

    assert (await house.run("f")).output == "old"


async def test_a_file_that_is_gone_is_withdrawn(house: House) -> None:
    await house.enable("def f() -> str: return 'old'\n")
    os.unlink(house.profile / "tools" / "weather.py")

    assert "There is no file weather.py" in await house.error("f")
    await house.tools.refresh()
    assert house.toolbox.specs() == []


async def test_enabled_files_start_with_the_program_and_changed_ones_do_not(house: House) -> None:
    await house.enable("def f() -> str: return 'f'\n", "a.py")
    await house.enable("def g() -> str: return 'g'\n", "b.py")
    await house.enable("def h() -> str: return 'h'\n", "c.py")
    await house.tools.disable("c.py")
    await house.tools.close()
    house.write("def g() -> str: return 'evil'\n", "b.py")

    later = House(house.profile)
    await later.tools.load()

    assert [spec.name for spec in later.toolbox.specs()] == ["f"]
    assert [(file.name, file.state) for file in later.tools.files()] == [
        ("a.py", FileState.ENABLED),
        ("b.py", FileState.CHANGED),
        ("c.py", FileState.OFF),
    ]
    await later.tools.close()


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"weather.py": 1}', b'{"weather.py": "abc"}'])
async def test_a_broken_list_of_enabled_files_enables_nothing(house: House, content: bytes) -> None:
    house.write(WEATHER)
    (house.profile / "enabled.json").write_bytes(content)

    await house.tools.load()

    assert house.toolbox.specs() == []


async def test_a_call_that_is_cancelled_ends_what_it_began(house: House, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    await house.enable(
        "import pathlib, time\n"
        f"def f():\n    pathlib.Path({str(begun)!r}).touch()\n    time.sleep(60)\n"
        "def fine() -> str:\n    return 'fine'\n"
    )
    (worker,) = [
        child for child in psutil.Process().children(recursive=True) if "--run-tool-file" in command_line_of(child)
    ]
    running = asyncio.ensure_future(house.run("f"))
    await asyncio.to_thread(wait_until, begun.exists, "the call begins")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    await ended(worker)
    assert (await house.run("fine")).output == "fine"


def test_it_works_on_the_programs_loop(tmp_path: Path, run_async: Any) -> None:
    house = House(tmp_path)

    async def live() -> str:
        await house.enable(WEATHER)
        result = await house.run("count")
        await house.tools.close()
        return result.output

    assert run_async(live(), deadline_s=20) == "1"
