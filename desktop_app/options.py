"""The command line: what `main.py --help` documents."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from desktop_app import __version__

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line; an empty string: not said."""

    profile: Path | None = None
    input_device: str = ""
    output_device: str = ""
    endpoint: str = ""
    model: str = ""
    voice: str = ""
    serve_local: bool = False
    port: int = 0
    log_level: str = "warning"


_ENVIRONMENT = """\
environment:
  OPENAI_API_KEY        the key of the endpoint; with one, the vendor's endpoint is used
  OPENAI_BASE_URL       another endpoint, such as https://host/v1
  OPENAI_ORG_ID         sent along if set
  OPENAI_PROJECT_ID     sent along if set

Without a key and an address the offline assistant on this computer answers.
"""


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Return the options; prints help or what is wrong with them, and exits, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="parley",
        description="Hold a key, speak, be answered, interrupt.",
        epilog=_ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--profile", type=Path, metavar="DIR", help="everything the program writes goes there")
    add("--input-device", default="", metavar="NAME", help="the microphone, by name or a part of it")
    add("--output-device", default="", metavar="NAME", help="the speaker, by name or a part of it")
    add(
        "--endpoint",
        default="",
        metavar="NAME|URL",
        help="local, openai, or the address of another Realtime service",
    )
    add("--model", default="", metavar="NAME", help="the model to ask for")
    add("--voice", default="", metavar="NAME", help="the voice to begin with")
    add("--serve-local", action="store_true", help="run only the local server, without a window")
    add("--port", type=int, default=0, metavar="N", help="with --serve-local: where it listens; 0: any free port")
    add(
        "--log-level", choices=LEVELS, default="warning", help="how much is told on the terminal (default: warning)"
    )
    add("--version", action="version", version=f"Parley {__version__}")
    return Options(**vars(parser.parse_args(arguments)))
