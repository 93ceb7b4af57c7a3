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
    run_tool_file: bool = False
    """Be the process of one of the user's tool files: the program starts itself so."""
    list_devices: bool = False
    """Be the process that looks for sound devices, likewise."""


_ENVIRONMENT = """\
environment:
  OPENAI_API_KEY        the key of the endpoint; with one, the vendor's endpoint is used
  OPENAI_BASE_URL       another endpoint, such as https://host/v1
  OPENAI_ORG_ID         sent along if set
  OPENAI_PROJECT_ID     sent along if set
  AZURE_OPENAI_API_KEY  the key of an Azure resource, if --endpoint is one
  XAI_API_KEY           the key of xAI, if --endpoint is wss://api.x.ai/v1
  PARLEY_CHAT_URL       a chat endpoint that answers for the offline assistant, such as
                        http://127.0.0.1:11434/v1
  PARLEY_CHAT_MODEL     the model at that endpoint
  PARLEY_CHAT_KEY       its key, if it wants one
  PARLEY_WEIGHTS_DIR    a folder with the offline assistant's models, to take instead of fetching
  PARLEY_LOCAL_TOKEN    with --serve-local: what clients must show; without it one is made and
                        printed

Without a key and an address the offline assistant on this computer answers.
"""


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Return the options; prints help or what is wrong with them, and exits, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="parley",
        description="Hold a key, speak, be answered, interrupt.",
        epilog=_ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an option of next year must not change what a script of today means
    )
    add = parser.add_argument
    add("--profile", type=_folder, metavar="DIR", help="everything the program writes goes there")
    add("--input-device", default="", metavar="NAME", help="the microphone, by name or a part of it")
    add("--output-device", default="", metavar="NAME", help="the speaker, by name or a part of it")
    add(
        "--endpoint",
        default="",
        metavar="NAME|URL",
        help="local, openai, a name from the settings, or the address of another Realtime service",
    )
    add("--model", default="", metavar="NAME", help="the model to ask for")
    add("--voice", default="", metavar="NAME", help="the voice to begin with")
    add("--serve-local", action="store_true", help="run only the local server, without a window")
    add("--port", type=_port, default=0, metavar="N", help="with --serve-local: where it listens; 0: any free port")
    add(
        "--log-level", choices=LEVELS, default="warning", help="how much is told on the terminal (default: warning)"
    )
    add("--run-tool-file", action="store_true", help=argparse.SUPPRESS)
    add("--list-devices", action="store_true", help=argparse.SUPPRESS)
    add("--version", action="version", version=f"Parley {__version__}")
    options = Options(**vars(parser.parse_args(arguments)))
    if options.port and not options.serve_local:
        parser.error("--port is for --serve-local")
    return options


def _folder(text: str) -> Path:
    path = Path(text)
    if not text.strip():
        raise argparse.ArgumentTypeError("a folder is needed")
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"«{text}» is not a folder")
    return path


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"«{text[:80]}» is not a port: it is a number from 0 to 65535")
    return int(text)
