"""The built-in tools of a few lines: time, sums, clipboard, screenshot, volume; and what all of them declare."""

from __future__ import annotations

import datetime as dt
import re
import time
from pathlib import Path

import pytest

from desktop_app.errors import ToolError
from desktop_app.tools.builtin import builtin_tools
from desktop_app.tools.builtin.calculator import calculate, calculator_tool
from desktop_app.tools.builtin.clipboard import clipboard_tools
from desktop_app.tools.builtin.local_time import local_time_tool
from desktop_app.tools.builtin.screenshot import screenshot_tool
from desktop_app.tools.builtin.timers import Timers
from desktop_app.tools.builtin.volume import PulseVolume, volume_tools
from desktop_app.tools.checking import schema_problem
from desktop_app.tools.tool import Consent, Picture
from desktop_app.tools.toolbox import Toolbox
from tests.harness.sound import VirtualSound
from tests.tools.running import called, error, question, use

# --- time ---------------------------------------------------------------------------------------

NEW_YEAR = dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "asia/tokyo", "Tokyo", " tokyo "])
async def test_the_time_in_a_zone_or_city(zone: str) -> None:
    told = await use([local_time_tool(lambda: NEW_YEAR)], "get_local_time", zone=zone)

    assert told == {
        "date": "2027-01-01",
        "weekday": "Friday",
        "time": "08:30:00",
        "zone": "Asia/Tokyo",
        "utc_offset": "+09:00",
    }


async def test_without_a_zone_it_is_the_users_own() -> None:
    told = await use([local_time_tool(lambda: NEW_YEAR)], "get_local_time")

    here = NEW_YEAR.astimezone()
    assert (told["time"], told["date"]) == (f"{here:%H:%M:%S}", here.date().isoformat())
    assert re.fullmatch(r"[+-]\d\d:\d\d", told["utc_offset"])


@pytest.mark.parametrize("zone", ["Atlantis", "../../etc/passwd", "/etc/localtime", "\x00", "a" * 5_000])
async def test_a_zone_there_is_none_of_is_said(zone: str) -> None:
    assert "There is no time zone" in await error([local_time_tool()], "get_local_time", zone=zone)


async def test_a_city_of_several_zones_is_asked_back() -> None:
    said = await error([local_time_tool()], "get_local_time", zone="Louisville")

    assert "America/Louisville, America/Kentucky/Louisville" in said or "America/Kentucky/Louisville, Am" in said


# --- sums ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("2^3 + 1", 9),
        ("2**0.5 * 2**0.5", 2.0),
        ("0.1 + 0.2", 0.3),
        ("7 // 2 + 7 % 2", 4),
        ("-3 ** 2", -9),
        ("12 × 3 ÷ 4 − 1", 8.0),
        ("sqrt(16) + log(e) + log(8, 2)", 8.0),
        ("round(2.567, 1)", 2.6),
        ("max(3, 9, 4) - min(3, 9, 4)", 6),
        ("mean(1, 2, 6)", 3.0),
        ("factorial(20)", "2432902008176640000"),
        ("2 ** 100", str(2**100)),
        ("sin(π / 2)", 1.0),
    ],
)
def test_sums(expression: str, result: object) -> None:
    assert calculate(expression)["result"] == result


HOSTILE = [
    "",
    "2 +",
    "1 / 0",
    "9 ** 9 ** 9",
    "10 ** 4000 * 10 ** 4000",
    "0.5 ** -9999999",
    "(-8) ** 0.5",
    "sqrt(-1)",
    "factorial(10 ** 9)",
    "factorial(-1)",
    "comb(10**9, 10**8)",
    "lcm(" + ", ".join(f"{n}**90" for n in (97, 89, 83, 79, 73, 71, 67, 61, 59, 53)) + ")",
    "'a' * 10 ** 9",
    "'a' + 'b'",
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "(1).__class__",
    "[n for n in range(10**9)]",
    "open('/etc/passwd')",
    "lambda: 1",
    "x = 1",
    "True",
    "nan",
    "1e308 * 10",
    "1e999",
    "(" * 240 + "1" + ")" * 240,
    "-" * 400 + "1" + "x" * 99,
    "1" * 501,
    "1,000 + 1",
    "sqrt(x=4)",
    "f'{1}'",
    "\x00",
]


@pytest.mark.parametrize("expression", HOSTILE)
def test_what_is_no_sum_is_a_sentence_at_once(expression: str) -> None:
    began = time.monotonic()

    with pytest.raises(ToolError):
        calculate(expression)

    assert time.monotonic() - began < 1


async def test_the_calculator_is_a_tool() -> None:
    assert await use([calculator_tool()], "calculate", expression="6*7") == {"expression": "6*7", "result": 42}


# --- clipboard, screenshot ----------------------------------------------------------------------


class FakeClipboard:
    def __init__(self, text: str = "") -> None:
        self.text = text

    def read(self) -> str:
        return self.text

    def write(self, text: str) -> None:
        self.text = text


async def test_the_clipboard_is_read_and_written() -> None:
    clipboard = FakeClipboard("before")
    tools = clipboard_tools(clipboard)

    assert await use(tools, "read_clipboard") == {"text": "before"}
    assert await use(tools, "write_clipboard", text="after") == {"written": 5}
    assert clipboard.text == "after"


async def test_an_empty_clipboard_is_said() -> None:
    assert "no text" in await error(clipboard_tools(FakeClipboard()), "read_clipboard")


def test_the_user_sees_what_would_be_written() -> None:
    assert "rm -rf" in question(clipboard_tools(FakeClipboard()), "write_clipboard", text="rm -rf ~")


async def test_the_screenshot_comes_as_a_picture() -> None:
    picture = Picture(b"...", "image/png")

    async def take() -> Picture:
        return picture

    result = await Toolbox([screenshot_tool(take)]).run(called("take_screenshot"))

    assert (result.failed, result.pictures) == (False, (picture,))


async def test_a_screen_that_cannot_be_had_is_said() -> None:
    async def take() -> Picture:
        raise ToolError("The system refuses screenshots.")

    assert await error([screenshot_tool(take)], "take_screenshot") == "The system refuses screenshots."


# --- volume -------------------------------------------------------------------------------------


class FakeVolume:
    def __init__(self) -> None:
        self.percent = 40

    def get(self) -> int:
        return self.percent

    def set(self, percent: int) -> None:
        self.percent = percent


async def test_the_volume_is_read_and_set_within_bounds() -> None:
    tools = volume_tools(FakeVolume())

    assert await use(tools, "get_volume") == {"percent": 40}
    assert await use(tools, "set_volume", percent=70) == {"before": 40, "percent": 70}
    assert "maximum" in await error(tools, "set_volume", percent=1_000)


@pytest.mark.sound
def test_the_volume_of_a_real_sound_server(sound: VirtualSound, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sound.env.items():
        monkeypatch.setenv(name, value)
    volume = PulseVolume()
    before = volume.get()
    try:
        volume.set(37)
        assert volume.get() == 37
        volume.set(0)
        assert volume.get() == 0
    finally:
        volume.set(before)
    assert volume.get() == before


@pytest.mark.skipif("sys.platform != 'linux'")
async def test_no_sound_server_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody")

    assert "cannot be reached" in await error(volume_tools(PulseVolume()), "get_volume")


# --- all of them --------------------------------------------------------------------------------


def everything(folder: Path) -> Toolbox:
    async def take() -> Picture:
        raise ToolError("no")

    def never(_: float, __: object) -> Timer:
        return Timer()

    class Timer:
        def cancel(self) -> None: ...

    return Toolbox(
        builtin_tools(
            timers=Timers(lambda _: None, call_later=never),
            clipboard=FakeClipboard(),
            open_address=lambda _: True,
            take_screenshot=take,
            notes_folder=folder,
            volume=FakeVolume(),
        )
    )


def test_each_has_a_schema_that_takes_no_unknown_key(tmp_path: Path) -> None:
    for spec in everything(tmp_path).specs():
        assert schema_problem(spec.parameters) == "", spec.name
        assert spec.parameters["additionalProperties"] is False
        assert spec.description
        assert spec.title


def test_whatever_changes_the_machine_or_reads_what_is_private_asks(tmp_path: Path) -> None:
    asking = {spec.name for spec in everything(tmp_path).specs() if spec.consent is Consent.ALWAYS_ASK}

    assert asking == {
        "create_note",
        "append_to_note",
        "list_notes",
        "read_note",
        "search_notes",
        "read_clipboard",
        "write_clipboard",
        "open",
        "take_screenshot",
        "set_volume",
    }
    assert {spec.name for spec in everything(tmp_path).specs()} - asking == {
        "get_local_time",
        "calculate",
        "set_timer",
        "set_reminder",
        "list_timers",
        "cancel_timer",
        "get_volume",
    }
