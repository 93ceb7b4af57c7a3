"""What the user can set: one field per setting, with its default, its type and a line that explains it.

One human-readable file, written atomically. What this version does not know is kept; a value that does not fit its
type falls back to the default, and the user is told. Keys never enter this file.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import msgspec

from desktop_app.errors import Notice, SettingsError, Severity
from desktop_app.files import write_atomically

FILE_NAME = "settings.json"
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
    """`local`, `openai` or an address; empty: as the environment says."""
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

    def load(self) -> Loaded:
        """Return the settings; a file that is missing, not ours or partly wrong never stops the program."""
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return Loaded(Settings())
        except (OSError, UnicodeError) as error:
            return self._not_ours(str(error))
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            return self._not_ours("it is not JSON")
        if not isinstance(content, dict):
            return self._not_ours("it is not one JSON object")
        self._kept = content
        return _convert(content)

    def save(self, settings: Settings) -> None:
        """Write the settings, keeping what this version does not know.

        Raises `SettingsError` if the file cannot be written; the one that was there is untouched then.
        """
        content = {**self._kept}
        for area, values in msgspec.to_builtins(settings).items():
            before = content.get(area)
            content[area] = {**before, **values} if isinstance(before, dict) else values
        try:
            write_atomically(self._path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise SettingsError(
                f"The settings could not be saved: {error.strerror}.", f"Check that {self._path} can be written."
            ) from error
        self._kept = content

    def _not_ours(self, why: str) -> Loaded:
        """Put a file that cannot be read aside, so that nothing of it is lost when ours is written."""
        aside = self._path.with_name(f"{FILE_NAME}.not-read")
        hint = f"It was kept as {aside.name}; the defaults are used."
        try:
            os.replace(self._path, aside)
        except OSError:
            hint = f"Check {self._path}; the defaults are used."
        notice = Notice(f"The settings file could not be read: {why}.", hint, Severity.WARNING, "settings")
        return Loaded(Settings(), (notice,))


def _convert(content: dict[str, Any]) -> Loaded:
    areas: dict[str, Any] = {}
    wrong: list[str] = []
    for area in fields(Settings):
        given = content.get(area.name, {})
        default = getattr(Settings(), area.name)
        if not isinstance(given, dict):
            wrong.append(area.name)
        elif isinstance(default, dict):
            areas[area.name] = {k: v for k, v in given.items() if isinstance(v, str)}
        else:
            good, bad = _fitting(default, given)
            areas[area.name] = replace(default, **good)
            wrong += [f"{area.name}.{name}" for name in bad]
    settings = Settings(**areas)
    if not wrong:
        return Loaded(settings)
    text = f"These settings have values that do not fit: {', '.join(wrong)}."
    hint = "Their defaults are used until they are set again."
    return Loaded(settings, (Notice(text, hint, Severity.WARNING, "settings"),))


def _fitting(default: Any, given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    good: dict[str, Any] = {}
    bad: list[str] = []
    for setting in fields(default):
        if setting.name not in given:
            continue
        value = given[setting.name]
        if type(value) is type(getattr(default, setting.name)):
            good[setting.name] = value
        else:
            bad.append(setting.name)
    return good, bad
