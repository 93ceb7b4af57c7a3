"""What the user can set: one field per setting, with its default, its type and a line that explains it.

One human-readable file, written atomically. What this version does not know is kept; a value that does not fit its
type falls back to the default and stays in the file until it is set anew, and the user is told. Keys never enter
this file.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from dataclasses import dataclass, field, fields, replace
from itertools import count
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from desktop_app.errors import Notice, SettingsError, Severity
from desktop_app.files import write_atomically

FILE_NAME = "settings.json"
INSTALL_FILE = "install-id"
MAX_BYTES = 2**20
"""A settings file of more is somebody else's."""
MAX_DEPTH = 64
"""What can just be read could not be written from deeper in the program."""
INSTRUCTIONS = (
    "You are Parley, a voice assistant on the user's desktop. Answer in the user's language, in one to three short "
    "spoken sentences, without lists or markup. If you did not understand, say so and ask."
)


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """Microphone and speaker."""

    input_device: str = ""
    """The microphone, by name or a part of it; empty: the system's default."""
    output_device: str = ""
    """The speaker, by name or a part of it; empty: the system's default."""
    keep_microphone_warm: bool = False
    """Keep the microphone open between talks: the first word needs no warm-up, but its light stays on."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Whom to talk to."""

    endpoint: str = ""
    """`local`, `openai`, the name of a profile, or an address; empty: as the environment says."""
    profiles: list[Any] = field(default_factory=list)
    """Endpoints with names of their own, without their keys; see `endpoints.Profile`."""
    model: str = ""
    """The model of a remote endpoint; empty: its default."""
    instructions: str = INSTRUCTIONS
    """What the assistant is told about how to answer."""
    language: str = ""
    """The language spoken, as an ISO 639-1 code, for writing down what was said; empty: recognised."""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The offline assistant."""

    chat_url: str = ""
    """The base address of a chat endpoint that answers for it, such as http://127.0.0.1:11434/v1; empty: none."""
    chat_model: str = ""
    """The model at that endpoint; empty: its first one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, by area."""

    audio: AudioSettings = field(default_factory=AudioSettings)
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    local: LocalSettings = field(default_factory=LocalSettings)
    voices: dict[str, str] = field(default_factory=dict)
    """The voice chosen last, by endpoint."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a settings file gave."""

    settings: Settings
    notices: tuple[Notice, ...] = ()


class SettingsFile:
    """The file of one profile."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._kept: dict[str, Any] = {}
        """The file's content as it was read, with what this version does not know."""
        self._misfits: dict[str, dict[str, Any]] = {}
        """By area and name: the default that stands in for a value that does not fit."""

    def load(self) -> Loaded:
        """Return the settings; a file that is missing, not ours or partly wrong never stops the program."""
        try:
            content = self._read()
        except FileNotFoundError:
            return Loaded(Settings())
        except OSError as error:
            return self._not_ours(error.strerror or str(error))
        except RecursionError:
            return self._not_ours("it is nested too deeply")
        except ValueError as error:
            return self._not_ours(str(error) if isinstance(error, _NotOurs) else "it is not JSON")
        self._kept = content
        settings, self._misfits = _convert(content)
        wrong = [f"{area}.{name}" if name else area for area, names in self._misfits.items() for name in names]
        if not wrong:
            return Loaded(settings)
        text = f"These settings have values that do not fit: {', '.join(wrong)}."
        hint = "Their defaults are used until they are set again."
        return Loaded(settings, (Notice(text, hint, Severity.WARNING, "settings"),))

    def save(self, settings: Settings) -> None:
        """Write the settings, keeping what this version does not know.

        Raises `SettingsError` if the file cannot be written; the one that was there is untouched then.
        """
        content = {**self._kept}
        for area, values in msgspec.to_builtins(settings).items():
            content[area] = self._merged(area, values)
        # Half an emoji has no UTF-8; written as \\ud83d it is right JSON and comes back as it was.
        text = json.dumps(content, indent=2, ensure_ascii=False).encode(errors="backslashreplace").decode()
        try:
            write_atomically(self._path, text + "\n")
        except OSError as error:
            raise SettingsError(
                f"The settings could not be saved: {error.strerror or error}.",
                f"Check that {self._path} can be written and that the disk is not full.",
            ) from error
        self._kept = content

    def _merged(self, area: str, values: dict[str, Any]) -> dict[str, Any]:
        """Return an area as it goes into the file: our values, over what is not ours to change."""
        before, misfits = self._kept.get(area), self._misfits.get(area, {})
        if not isinstance(before, dict):
            return values
        if isinstance(getattr(Settings(), area), dict):  # the names are the user's: what is missing was taken out
            return {name: before[name] for name in misfits} | values
        return before | {name: value for name, value in values.items() if misfits.get(name, ...) != value}

    def _read(self) -> dict[str, Any]:
        status = self._path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _NotOurs("it is not a file")
        if status.st_size > MAX_BYTES:
            raise _NotOurs("it is too large")
        content = json.loads(self._path.read_text("utf-8-sig"))  # some editors begin with a mark
        if not isinstance(content, dict):
            raise _NotOurs("it is not one JSON object")
        if not _shallow(content, MAX_DEPTH):
            raise _NotOurs("it is nested too deeply")
        return content

    def _not_ours(self, why: str) -> Loaded:
        """Put a file that cannot be read aside, so that nothing of it is lost when ours is written."""
        aside = self._free_name()
        hint = f"It was kept as {aside.name}; the defaults are used."
        try:
            os.rename(self._path, aside)
        except OSError:
            hint = f"Check {self._path}; the defaults are used."
        notice = Notice(f"The settings file could not be read: {why}.", hint, Severity.WARNING, "settings")
        return Loaded(Settings(), (notice,))

    def _free_name(self) -> Path:
        """Return a name beside the file that nothing has yet: what was put aside before stays."""
        names = (f"{FILE_NAME}.not-read{f'-{number}' if number > 1 else ''}" for number in count(1))
        return next(path for path in map(self._path.with_name, names) if not os.path.lexists(path))


class _NotOurs(ValueError):
    """Why a file cannot be a settings file."""


def _shallow(value: Any, levels: int) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_shallow(member, levels - 1) for member in members)


def install_id(folder: Path) -> str:
    """Return the random name of this installation, made at the first call; empty if it cannot be kept."""
    path = folder / INSTALL_FILE
    try:
        known = path.read_text("ascii", "replace").strip() if path.exists() else ""
        if re.fullmatch("[0-9a-f]{32}", known):
            return known
        fresh = secrets.token_hex(16)
        write_atomically(path, fresh + "\n")
    except OSError:
        return ""
    return fresh


def _convert(content: dict[str, Any]) -> tuple[Settings, dict[str, dict[str, Any]]]:
    """Return the settings, and by area and name the defaults that stand in for what does not fit."""
    areas: dict[str, Any] = {}
    misfits: dict[str, dict[str, Any]] = {}
    for area in fields(Settings):
        given = content.get(area.name, {})
        default = getattr(Settings(), area.name)
        if not isinstance(given, dict):
            misfits[area.name] = {"": default}
        elif isinstance(default, dict):
            areas[area.name] = {name: value for name, value in given.items() if isinstance(value, str)}
            misfits[area.name] = dict.fromkeys(given.keys() - areas[area.name].keys())
        else:
            good, misfits[area.name] = _fitting(default, given)
            areas[area.name] = replace(default, **good)
    return Settings(**areas), misfits


def _fitting(default: Any, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values that fit the types of `default`'s fields, and the defaults of those that do not."""
    good: dict[str, Any] = {}
    misfits: dict[str, Any] = {}
    for name, kind in get_type_hints(type(default)).items():
        if name not in given:
            continue
        try:
            good[name] = msgspec.convert(given[name], kind)
        except msgspec.ValidationError:
            misfits[name] = getattr(default, name)
    return good, misfits
