"""Open a web page or a file with the program the user's system has for it.

The user sees exactly what: the whole address, and the host a browser would really go to. What would be run instead
of shown is refused, and so is every scheme but http and https: others start programs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from desktop_app.errors import ToolError
from desktop_app.tools.tool import Arguments, Consent, FunctionTool, Tool, ToolSpec, parameters

MAX_LENGTH = 2_000

SPEC = ToolSpec(
    "open",
    "Open a web page in the user's browser, or a file or folder of the user's computer in its program.",
    parameters(
        required={
            "target": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_LENGTH,
                "description": "An http or https address, or the full path of a file or folder.",
            }
        }
    ),
    Consent.ALWAYS_ASK,
    title="Open a page or file",
)

_RUN = re.compile(
    r"(?i)\.(?:app|appimage|appref-ms|bash|bat|chm|cmd|com|command|cpl|csh|desktop|dll|dmg|exe|fish|gadget|hta|inf|"
    r"ins|iso|jar|jnlp|js|jse|ksh|lnk|msc|msh|msi|msix|msp|mst|nsh|pif|pkg|pl|ps1|psd1|psm1|py|pyc|pyw|rb|"
    r"reg|run|scf|scpt|scr|service|sh|shb|shs|so|terminal|tool|url|vb|vbe|vbs|webloc|workflow|ws|wsc|wsf|w"
    r"sh|xpi|zsh)"
)
"""Endings of what a system runs, mounts or follows when it is opened."""
_RUN_STARTS = (b"#!", b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"[Desktop Entry]")


@dataclass(frozen=True, slots=True)
class Target:
    """What would be opened."""

    address: str
    """A URL: `http:`, `https:` or `file:`."""
    question: str
    """What the user is asked."""


def open_tool(open_address: Callable[[str], bool]) -> Tool:
    """Return the tool. `open_address` hands a URL to the system, on the loop, and tells whether it was taken."""

    def run(arguments: Arguments) -> object:
        target = examine(arguments["target"])
        if not open_address(target.address):
            raise ToolError(f"The system has no program that opens {target.address}.")
        return {"opened": target.address}

    return FunctionTool(SPEC, run, ask=lambda arguments: examine(arguments["target"]).question)


def examine(text: str) -> Target:
    """Return what it means; raises `ToolError` if it is not to be opened."""
    text = text.strip()
    if any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") for character in text):
        raise ToolError("The address contains control characters, or others that nobody can see.")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", text)  # one letter is a drive
    if scheme is None:
        return _file(text)
    if scheme[1].lower() == "file":
        return _file(_path_of(text))
    if scheme[1].lower() not in ("http", "https"):
        raise ToolError(f"Addresses that begin with {scheme[1]}: are not opened.", "Only web pages and files are.")
    return _page(text)


def _page(text: str) -> Target:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
        real = host.encode("idna").decode() if not host.isascii() else host
    except (ValueError, UnicodeError):
        raise ToolError(f"{text!r} is not a valid address.") from None
    if not real or "\\" in text or " " in text:
        raise ToolError(f"{text!r} is not a valid address.")
    if "@" in parts.netloc:
        raise ToolError("The address hides its host behind a user name.", "Leave out what stands before the @.")
    host_note = f" (its host is {real})" if real.lower() not in text.lower() else ""
    return Target(text, f"Open this page in your browser{host_note}?\n\n{text}")


def _path_of(text: str) -> str:
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise ToolError("Files of other computers are not opened.")
    return url2pathname(parts.path)


def _file(text: str) -> Target:
    if text.startswith(("\\\\", "//")):
        raise ToolError("Files of other computers are not opened.")
    try:
        path = Path(text).expanduser()
        if not path.is_absolute():
            raise ToolError(f"{text!r} is neither a web address nor a full path.", "Begin with https:// or with /.")
        path = path.resolve(strict=True)
        _refuse_what_runs(path)
    except FileNotFoundError:
        raise ToolError(f"There is no file {text!r}.") from None
    except (OSError, RuntimeError, ValueError) as error:
        raise ToolError(f"{text!r} cannot be opened: {error}.") from None
    what = "folder" if path.is_dir() else "file"
    return Target(path.as_uri(), f"Open this {what}?\n\n{path}")


def _refuse_what_runs(path: Path) -> None:
    runs = _RUN.fullmatch(path.suffix) is not None
    if not runs and path.is_file():
        with path.open("rb") as file:
            runs = file.read(32).startswith(_RUN_STARTS)
    elif not runs and not path.is_dir():
        raise ToolError(f"{path} is neither a file nor a folder.")
    if runs:
        raise ToolError(f"{path.name} is a program; programs are not started.")
