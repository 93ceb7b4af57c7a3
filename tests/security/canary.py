"""Canaries: secrets that nobody else has, and where they are found again, in whatever form."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import psutil


def canary(prefix: str) -> str:
    """Return a secret with letters that look different when they are escaped."""
    return f"{prefix}CANARY/{secrets.token_hex(12)}+{secrets.token_hex(4)}"


def forms(secret: str) -> list[str]:
    """Return how it may be written: plain, for JSON, for an address, in base64 whatever stands before it."""
    found = {secret, json.dumps(secret)[1:-1], secret.replace("/", "\\/"), quote(secret), quote(secret, safe="")}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
        core = coded[4 if before else 0 : len(coded) - 4]  # without what depends on the neighbours
        found |= {core, core.replace("+", "-").replace("/", "_")}
    return sorted(found)


def found_in(text: str | bytes, canaries: Iterable[str]) -> list[str]:
    """Return the forms of canaries that are in a text."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    variants = (data, data.replace(b"\0", b""))  # UTF-16 too
    wanted = [form for secret in canaries for form in forms(secret)]
    return [form for form in wanted if any(form.encode() in each for each in variants)]


def found_in_files(folder: Path, canaries: Iterable[str]) -> list[str]:
    """Return which files under a folder hold, or are called by, a canary."""
    secrets_ = list(canaries)
    found = []
    for path in folder.rglob("*"):
        if found_in(str(path), secrets_) or (path.is_file() and found_in(path.read_bytes(), secrets_)):
            found.append(str(path))
    return found


def found_in_command_lines(canaries: Iterable[str]) -> list[str]:
    """Return the command lines on this computer that hold a canary."""
    secrets_ = list(canaries)
    lines = (" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    return [line for line in lines if found_in(line, secrets_)]


def environments(process: psutil.Process) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what each process below this one was started with: its command line, its variables."""
    for child in process.children(recursive=True):
        try:
            yield " ".join(child.cmdline()), child.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it has just ended
