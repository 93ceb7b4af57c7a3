"""The command line: everything documented, and a sentence for what cannot be meant."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import desktop_app
from desktop_app.options import Options, parse

FOR_ITSELF = {"run_tool_file", "list_devices"}
"""What the program says only to itself."""


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    """Return the exit code, the standard output and the standard error of a parse that exits."""
    with pytest.raises(SystemExit) as exited:
        parse(arguments)
    out, err = capsys.readouterr()
    return exited.value.code, out, err


def test_nothing_said() -> None:
    assert parse([]) == Options()


def test_everything_said(tmp_path: Path) -> None:
    said = [
        "--profile", str(tmp_path), "--input-device", "Mic", "--output-device=Speaker", "--endpoint", "wss://host/v1",
        "--model", "m", "--voice", "v", "--serve-local", "--port", "65535", "--log-level", "debug",
    ]  # fmt: skip

    assert parse(said) == Options(
        profile=tmp_path, input_device="Mic", output_device="Speaker", endpoint="wss://host/v1",
        model="m", voice="v", serve_local=True, port=65535, log_level="debug",
    )  # fmt: skip


def test_the_help_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = printed(capsys, "--help")

    assert code == 0
    words = set(out.split())
    for option in fields(Options):
        assert option.name in FOR_ITSELF or f"--{option.name.replace('_', '-')}" in words
    assert "--version" in out


def test_the_help_tells_every_environment_variable_that_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    house = Path(desktop_app.__file__).parent
    sources = "".join(path.read_text("utf-8") for path in house.rglob("*.py"))
    read = set(re.findall(r'"((?:OPENAI|PARLEY)_[A-Z_]*[A-Z])"', sources))
    _, out, _ = printed(capsys, "--help")

    assert {"OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"} <= read
    assert not {name for name in read if name not in out}


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--version") == (0, f"Parley {desktop_app.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--log-level", "loud"], "invalid choice: 'loud'"),
        (["--serve-local", "--port", "many"], "«many» is not a port"),
        (["--serve-local", "--port", "65536"], "«65536» is not a port"),
        (["--serve-local", "--port", "-1"], "--port"),
        (["--serve-local", "--port", "9" * 5000], "is not a port"),
        (["--port", "80"], "--port is for --serve-local"),
        (["--profile"], "expected one argument"),
        (["--profile", ""], "a folder is needed"),
        (["--profile", __file__], "is not a folder"),
        (["--end", "local"], "unrecognized arguments"),
        (["--no-such-thing"], "unrecognized arguments"),
        (["stray"], "unrecognized arguments: stray"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_exits_with_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = printed(capsys, *arguments)

    assert code == 2
    assert said in err
    assert err.startswith("usage: parley ")
    assert out == ""
