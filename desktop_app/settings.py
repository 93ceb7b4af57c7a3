"""What the user can set: one field per setting, with its default, its type and how it is shown.

A field's `Setting` is its one declaration: the dialog is made of it, the file is checked against its range, and the
help tells it. A setting without one has no place in the dialog.

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
from enum import Enum
from itertools import count
from math import inf, isfinite
from pathlib import Path
from typing import Any, get_origin, get_type_hints

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


class Applies(Enum):
    """When a change is in force."""

    AT_ONCE = ""
    AFTER_ANSWER = "Applies when no answer is under way."
    NEXT_SESSION = "Applies with the next session."
    NEXT_START = "Applies when Parley is started again."


class Shown(Enum):
    """The control of a setting whose type alone does not tell it."""

    BY_TYPE = "by type"
    """A switch, a number, a line of text, or a choice where there are choices."""
    LONG_TEXT = "long text"
    FOLDER = "folder"
    LIST = "list"
    """By a pane of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a setting is shown, and what it may be."""

    section: str
    label: str
    help: str = ""
    shown: Shown = Shown.BY_TYPE
    choices: tuple[tuple[str, str], ...] = ()
    """Values and their words."""
    typed: bool = False
    """Other values than the choices may be typed."""
    least: float | None = None
    most: float | None = None
    step: float = 1
    unit: str = ""
    off: str = ""
    """What 0 is called where it means that there is no limit; it may lie outside the range."""
    applies: Applies = Applies.AT_ONCE
    only: tuple[tuple[str, tuple[object, ...]], ...] = ()
    """Shown only while each of these settings has one of these values."""
    reasoning_only: bool = False
    """Any other than a reasoning model refuses it."""
    remote_only: bool = False
    """The offline assistant does not have it."""

    def fits(self, value: object) -> bool:
        """Return whether a value of the right type is one that can be set."""
        if isinstance(value, bool | list | dict):
            return True
        if isinstance(value, int | float):
            if not isfinite(value):
                return False
            low, high = -inf if self.least is None else self.least, inf if self.most is None else self.most
            return low <= value <= high or (bool(self.off) and value == 0)
        return self.typed or not self.choices or value in [choice for choice, _ in self.choices]


def declare(default: Any, **declaration: Any) -> Any:
    """Return a field with its default and its declaration."""
    return field(default=default, metadata=_declaration(**declaration))


def _declaration(**declaration: Any) -> dict[str, Setting]:
    return {DECLARATION: Setting(**declaration)}


DECLARATION = "setting"
TALKING, TURNS, MODEL = "Conversation", "Turn taking", "Model"
WRITING, SOUND = "Writing down", "Microphone and speaker"
TOOLS, MCP, ENDPOINTS, COSTS, HISTORY = "Tools", "MCP servers", "Endpoints", "Costs", "History"
SECTIONS = (TALKING, TURNS, MODEL, WRITING, SOUND, HISTORY, TOOLS, MCP, ENDPOINTS, COSTS)
"""In the order they are shown."""

_FREE = ("turns.mode", ("hands_free", "manual"))
_BY_LOUDNESS = (_FREE, ("turns.detection", ("server_vad",)))
_CUT_SHARPLY = (("answers.truncation", ("retention",)),)


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """Microphone and speaker."""

    input_device: str = declare(
        "",
        section=SOUND,
        label="Microphone",
        help="While it is not connected, the system's default takes its place.",
        typed=True,
        choices=(("", "The system's default"),),
    )
    output_device: str = declare(
        "",
        section=SOUND,
        label="Speaker",
        help="While it is not connected, the system's default takes its place.",
        typed=True,
        choices=(("", "The system's default"),),
    )
    keep_microphone_warm: bool = declare(
        False,
        section=SOUND,
        label="Keep the microphone open between talks",
        help="The first word needs no warm-up, but the microphone's light stays on.",
    )
    volume: int = declare(
        100,
        section=SOUND,
        label="Volume of the answers",
        help="Of the system's own volume. Also in the menu, and by Alt and the arrow keys.",
        least=0,
        most=100,
        step=5,
        unit="%",
    )
    cue_listening: bool = declare(
        False,
        section=SOUND,
        label="Sound: it listens",
        help="When the microphone is open, with the first real sample: for devices that take their time.",
    )
    cue_sent: bool = declare(
        False,
        section=SOUND,
        label="Sound: what you said is sent",
    )
    cue_error: bool = declare(
        True,
        section=SOUND,
        label="Sound: something went wrong",
    )
    cue_muted: bool = declare(
        True,
        section=SOUND,
        label="Sound: muted, or no longer",
        help="Hands-free; also when you speak while you are muted.",
    )
    noise_reduction: str = declare(
        "near_field",
        section=SOUND,
        label="Noise reduction",
        help="Done by the server before it listens.",
        choices=(("near_field", "For a headset"), ("far_field", "For a laptop or a room"), ("off", "None")),
    )
    echo_cancellation: bool = declare(
        True,
        section=SOUND,
        label="Take the assistant's own voice out of what the microphone hears",
        help="For talking hands-free without headphones: it does not answer itself, and hears you speak over it.",
        only=(_FREE,),
    )
    noise_suppression: bool = declare(
        False,
        section=SOUND,
        label="Suppress steady noise",
        help="Done on this computer, before anything is sent.",
        only=(_FREE,),
    )
    automatic_gain: bool = declare(
        False,
        section=SOUND,
        label="Raise a quiet voice",
        help="Done on this computer, before anything is sent.",
        only=(_FREE,),
    )


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Whom to talk to."""

    endpoint: str = declare(
        "",
        section=ENDPOINTS,
        label="Talk to",
        help="One of these, or an address that begins with https:// or wss://. A new conversation begins with it.",
        typed=True,
        choices=(("", "As the environment says"), ("local", "The offline assistant"), ("openai", "OpenAI")),
    )
    profiles: list[Any] = field(
        default_factory=list,
        metadata=_declaration(
            shown=Shown.LIST,
            section=ENDPOINTS,
            label="Endpoints with names of their own",
            help="Azure and other services that speak the protocol. Keys are kept elsewhere, never in this file.",
            applies=Applies.NEXT_START,
        ),
    )
    model: str = declare(
        "",
        section=MODEL,
        label="Model",
        help="One of these, or another one by its name; empty: the endpoint's default.",
        typed=True,
        applies=Applies.NEXT_SESSION,
        remote_only=True,
    )
    instructions: str = declare(
        INSTRUCTIONS,
        section=TALKING,
        label="Instructions",
        help="What the assistant is told about how to answer. Changing them makes the next answer dearer: what the "
        "server had remembered of the conversation is read anew.",
        shown=Shown.LONG_TEXT,
    )
    language: str = declare(
        "",
        section=WRITING,
        label="Language you speak",
        help="As a code of two letters such as en or de; empty: recognised.",
        typed=True,
        choices=(
            ("", "Recognised"), ("en", "English"), ("de", "German"), ("es", "Spanish"), ("fr", "French"),
            ("it", "Italian"), ("ja", "Japanese"), ("ko", "Korean"), ("nl", "Dutch"), ("pl", "Polish"),
            ("pt", "Portuguese"), ("tr", "Turkish"), ("uk", "Ukrainian"), ("zh", "Chinese"),
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The offline assistant."""

    chat_url: str = declare(
        "",
        section=ENDPOINTS,
        label="Chat server of the offline assistant",
        help="Answers what it cannot, such as http://127.0.0.1:11434/v1; empty: none.",
        applies=Applies.NEXT_START,
    )
    chat_model: str = declare(
        "",
        section=ENDPOINTS,
        label="Model of that chat server",
        help="Empty: its first one.",
        applies=Applies.NEXT_START,
    )


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """How a turn begins and ends."""

    mode: str = declare(
        "talk",
        section=TURNS,
        label="How you talk",
        choices=(
            ("talk", "Push to talk"),
            ("hands_free", "Hands-free"),
            ("manual", "Hands-free, I start answers"),
        ),
    )
    detection: str = declare(
        "server_vad",
        section=TURNS,
        label="How the end of a turn is recognised",
        help="By its meaning, a thought may have pauses; the offline assistant goes by loudness.",
        choices=(("server_vad", "By loudness and silence"), ("semantic_vad", "By its meaning")),
        only=(_FREE,),
    )
    threshold: float = declare(
        0.5,
        section=TURNS,
        label="How loud a voice must be",
        help="Higher for a noisy room.",
        least=0.0,
        most=1.0,
        step=0.05,
        only=_BY_LOUDNESS,
    )
    prefix_padding_ms: int = declare(
        300,
        section=TURNS,
        label="Kept from before the first sound",
        least=0,
        most=2_000,
        step=50,
        unit="ms",
        only=_BY_LOUDNESS,
    )
    silence_ms: int = declare(
        500,
        section=TURNS,
        label="Silence that ends a turn",
        help="Longer, if you are interrupted while you think.",
        least=100,
        most=5_000,
        step=50,
        unit="ms",
        only=_BY_LOUDNESS,
    )
    eagerness: str = declare(
        "auto",
        section=TURNS,
        label="Eagerness to answer",
        help="How long it waits at most for you to go on: 8, 4 or 2 seconds.",
        choices=(("auto", "As the server thinks"), ("low", "Patient"), ("medium", "Medium"), ("high", "Eager")),
        only=(_FREE, ("turns.detection", ("semantic_vad",))),
    )
    idle_timeout_s: int = declare(
        0,
        section=TURNS,
        label="Ask whether I am still there after",
        help="At most twice in a row.",
        least=5,
        most=30,
        unit="s",
        off="Never",
        only=(("turns.mode", ("hands_free",)), ("turns.detection", ("server_vad",))),
    )
    interrupt: bool = declare(
        True,
        section=TURNS,
        label="My voice interrupts the answer",
        only=(("turns.mode", ("hands_free",)),),
    )


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """What answers are like."""

    modality: str = declare(
        "audio",
        section=TALKING,
        label="Answers",
        help="A single one in writing: the switch beside the line.",
        choices=(("audio", "Spoken"), ("text", "In writing")),
    )
    speed: float = declare(
        1.0,
        section=TALKING,
        label="How fast it speaks",
        least=0.25,
        most=1.5,
        step=0.05,
        unit="×",
        applies=Applies.AFTER_ANSWER,
    )
    reasoning_effort: str = declare(
        "",
        section=MODEL,
        label="Reasoning effort",
        help="More thinking answers later.",
        choices=(
            ("", "The model's own"), ("none", "None"), ("minimal", "Minimal"), ("low", "Low"), ("medium", "Medium"),
            ("high", "High"), ("xhigh", "Very high"),
        ),
        reasoning_only=True,
    )  # fmt: skip
    parallel_tools: str = declare(
        "",
        section=MODEL,
        label="Several tools at once",
        choices=(("", "The model's own"), ("on", "Allowed"), ("off", "One after the other")),
        reasoning_only=True,
    )
    max_tokens: int = declare(
        0,
        section=MODEL,
        label="Longest answer",
        help="Counts speech and calls of tools; a longer answer is cut.",
        least=1,
        most=4_096,
        step=50,
        unit="tokens",
        off="No limit",
    )
    truncation: str = declare(
        "auto",
        section=MODEL,
        label="When the conversation gets too long",
        choices=(
            ("auto", "Forget the oldest"),
            ("retention", "Forget more at once: cheaper"),
            ("disabled", "Forget nothing, and fail"),
        ),
    )
    retention_ratio: float = declare(
        0.8,
        section=MODEL,
        label="How much is kept then",
        least=0.0,
        most=1.0,
        step=0.05,
        only=_CUT_SHARPLY,
    )
    retention_tokens: int = declare(
        8_000,
        section=MODEL,
        label="The most that is kept of what was said",
        least=500,
        most=100_000,
        step=500,
        unit="tokens",
        off="No limit",
        only=_CUT_SHARPLY,
    )
    tracing: bool = declare(
        False,
        section=MODEL,
        label="Let the server keep a trace",
        help="For whoever wants to look at what happened, in the service's own dashboard.",
        applies=Applies.NEXT_SESSION,
        remote_only=True,
    )


@dataclass(frozen=True, slots=True)
class TranscriptionSettings:
    """How what the user says is written down."""

    model: str = declare(
        "",
        section=WRITING,
        label="Model that writes down what you say",
        help="It only writes: the assistant hears you itself. It is billed by itself.",
        typed=True,
        choices=(("", "The endpoint's own"), ("off", "None: nothing is written down")),
    )


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """What the assistant may do."""

    off: list[str] = field(
        default_factory=list,
        metadata=_declaration(
            shown=Shown.LIST,
            section=TOOLS,
            label="Tools that are switched off",
        ),
    )
    trusted: list[str] = field(
        default_factory=list,
        metadata=_declaration(
            shown=Shown.LIST,
            section=TOOLS,
            label="Tools that need not ask",
        ),
    )
    notes_folder: str = declare(
        "",
        section=TOOLS,
        label="Folder for notes",
        help="Empty: in Parley's own folder.",
        shown=Shown.FOLDER,
        applies=Applies.NEXT_START,
    )
    mcp: str = declare(
        "",
        section=MCP,
        label="MCP servers",
        help="The JSON that other programs use.",
        shown=Shown.LIST,
    )


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """What is kept of what was said."""

    keep: bool = declare(
        True,
        section=HISTORY,
        label="Keep conversations",
        help="On this computer only, to be read, searched and continued. What was kept stays until you delete it.",
    )
    audio: bool = declare(
        False,
        section=HISTORY,
        label="Keep how they sounded",
        help="Your voice and the answers, about 0.3 MB a minute: part of what is exported into a folder.",
        only=(("history.keep", (True,)),),
    )


@dataclass(frozen=True, slots=True)
class CostSettings:
    """What may be spent."""

    budget_usd: float = declare(
        0.0,
        section=COSTS,
        label="Budget for a day",
        help="When it is reached, no new turn begins until you say so.",
        least=0.01,
        most=10_000.0,
        step=0.5,
        unit="US$",
        off="None",
    )


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How the user left the window; not in the dialog."""

    history_open: bool = False
    history_px: int = 288
    """How wide the history panel is, at scale 1."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, by area."""

    audio: AudioSettings = field(default_factory=AudioSettings)
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    local: LocalSettings = field(default_factory=LocalSettings)
    voices: dict[str, str] = field(default_factory=dict)
    """The voice chosen last, by endpoint."""
    presets: dict[str, str] = field(default_factory=dict)
    """Instructions the user keeps, by name."""
    turns: TurnSettings = field(default_factory=TurnSettings)
    answers: AnswerSettings = field(default_factory=AnswerSettings)
    transcription: TranscriptionSettings = field(default_factory=TranscriptionSettings)
    tools: ToolSettings = field(default_factory=ToolSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    costs: CostSettings = field(default_factory=CostSettings)
    window: WindowSettings = field(default_factory=WindowSettings)


@dataclass(frozen=True, slots=True)
class Declared:
    """A setting by its name, such as `audio.input_device`."""

    name: str
    kind: type
    default: Any
    setting: Setting


def declared_settings() -> tuple[Declared, ...]:
    """Return all settings that are shown, section by section."""
    found = []
    for area, default in _areas(Settings()):
        kinds = get_type_hints(type(default))
        for member in fields(default):
            if DECLARATION in member.metadata:
                value = getattr(default, member.name)
                kind = get_origin(kinds[member.name]) or kinds[member.name]
                found.append(Declared(f"{area}.{member.name}", kind, value, member.metadata[DECLARATION]))
    return tuple(sorted(found, key=lambda one: SECTIONS.index(one.setting.section)))


def values_of(settings: Settings) -> dict[str, Any]:
    """Return the value of every declared setting by its name, and the voices and presets, which the user names."""
    values: dict[str, Any] = {one.name: read_value(settings, one.name) for one in declared_settings()}
    return values | {"voices": dict(settings.voices), "presets": dict(settings.presets)}


def read_value(settings: Settings, name: str) -> Any:
    """Return the value of a setting by its name."""
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def with_value(settings: Settings, name: str, value: Any) -> Settings:
    """Return the settings with one changed.

    Raises `SettingsError` for a name that is none, and for a value that does not fit.
    """
    area, _, member = name.partition(".")
    try:
        default = read_value(Settings(), name)
    except AttributeError:
        raise SettingsError(f"There is no setting called «{name}».") from None
    if not member:
        fitting: Any = {k: v for k, v in dict(value).items() if isinstance(v, str)}
        return replace(settings, **{area: fitting})
    part = getattr(settings, area)
    good, misfits = _fitting(type(part)(), {member: value})
    if misfits:
        raise SettingsError(f"This does not fit here: {str(value)[:80]}", f"The default is {default}.")
    return replace(settings, **{area: replace(part, **good)})


def _areas(settings: Settings) -> list[tuple[str, Any]]:
    parts = [(area.name, getattr(settings, area.name)) for area in fields(settings)]
    return [(name, part) for name, part in parts if not isinstance(part, dict)]


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
                "They hold until Parley ends, and you can talk and type all the same. "
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
    members = {member.name: member for member in fields(default)}
    for name, kind in get_type_hints(type(default)).items():
        if name not in given:
            continue
        try:
            value = msgspec.convert(given[name], kind)
        except msgspec.ValidationError:
            misfits[name] = getattr(default, name)
            continue
        declaration = members[name].metadata.get(DECLARATION)
        if declaration is None or declaration.fits(value):
            good[name] = value
        else:
            misfits[name] = getattr(default, name)
    return good, misfits
