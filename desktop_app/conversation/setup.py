"""How a session is configured: what is wanted, what is in force, and one without undoing the other.

An update is all or nothing: one field a server does not take refuses every other in it (the guide's session
object). So a new session gets everything in one update, but the voice in one of its own; if that one is refused,
each field is sent again by itself; and what the user changes later always goes field by field. A refused field goes
back to what is in force, with the server's words, and the rest is applied.

The voice is locked after the first audio of a session; another one needs another session. The speed may change only
between answers, so it waits for one to end; who finds the turns may not change while one is being spoken; tracing,
once on, stays as it is for the session. Reasoning models alone know two of the fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from desktop_app.conversation import failures
from desktop_app.conversation.effects import ShowNotice, VoiceState
from desktop_app.conversation.limits import Recent
from desktop_app.conversation.outbox import Outbox
from desktop_app.errors import Notice
from desktop_app.protocol.events import ErrorBody, SessionUpdate
from desktop_app.protocol.items import Tool
from desktop_app.protocol.session_config import (
    AudioConfig,
    AudioInput,
    AudioOutput,
    SemanticVad,
    ServerVad,
    SessionConfig,
    voice_of,
)

Path = tuple[str, ...]

SPEED: Path = ("audio", "output", "speed")
TURN_DETECTION: Path = ("audio", "input", "turn_detection")
TRANSCRIPTION: Path = ("audio", "input", "transcription")
TOOLS: Path = ("tools",)
TRACING: Path = ("tracing",)
REASONING: tuple[Path, ...] = (("reasoning",), ("parallel_tool_calls",))
_FIELDS: tuple[Path, ...] = (
    ("audio", "input", "format"),
    ("audio", "output", "format"),
    ("output_modalities",),
    ("instructions",),
    ("audio", "input", "noise_reduction"),
    TRANSCRIPTION,
    TURN_DETECTION,
    SPEED,
    TOOLS,
    ("tool_choice",),
    *REASONING,
    ("max_output_tokens",),
    ("truncation",),
    TRACING,
    ("include",),
)
"""What can be changed by itself, in the order it is sent."""
_WITHOUT: dict[Path, Any] = {
    ("output_modalities",): ["audio"],
    ("instructions",): "",
    ("audio", "input", "noise_reduction"): None,
    TRANSCRIPTION: None,
    TURN_DETECTION: None,
    SPEED: 1.0,
    TOOLS: [],
    ("tool_choice",): "auto",
    ("max_output_tokens",): "inf",
    ("truncation",): "auto",
    TRACING: None,
    ("include",): None,
}
"""What takes a field back that the user no longer sets; the others are as they were in the next session."""
_FIELDS_REMEMBERED = 64


def read(config: SessionConfig, path: Path) -> Any:
    """Return the value at a path; UNSET if it, or what it lies in, is not set."""
    value: Any = config
    for name in path:
        value = getattr(value, name)
        if value is UNSET:
            return UNSET
    return value


def single(path: Path, value: Any) -> SessionConfig:
    """Return a configuration that says nothing else."""
    match path:
        case ("audio", "input", name):
            return SessionConfig(audio=AudioConfig(input=AudioInput(**{name: value})))
        case ("audio", "output", name):
            return SessionConfig(audio=AudioConfig(output=AudioOutput(**{name: value})))
        case (name,):
            return SessionConfig(**{name: value})
        case _:
            raise ValueError(f"no such field: {'.'.join(path)}")


def with_value(config: SessionConfig, path: Path, value: Any) -> SessionConfig:
    """Return the configuration with one value changed."""
    if len(path) == 1:
        return msgspec.structs.replace(config, **{path[0]: value})
    _, side, name = path
    audio = AudioConfig() if config.audio is UNSET else config.audio
    part = getattr(audio, side)
    if part is UNSET:
        part = AudioInput() if side == "input" else AudioOutput()
    audio = msgspec.structs.replace(audio, **{side: msgspec.structs.replace(part, **{name: value})})
    return msgspec.structs.replace(config, audio=audio)


class Setup:
    """The configuration of this session and of those to come."""

    def __init__(self, outbox: Outbox, config: SessionConfig, *, voice: str, voices: Sequence[str]) -> None:
        self._outbox = outbox
        self.config = config
        """What is wanted, the voice apart."""
        self.effective = SessionConfig()
        """What the server says is in force."""
        self.spoke = False
        """Whether this session has produced audio: its voice is locked."""
        self._open = False
        """Whether there is a session that can be told."""
        self._offered: list[Tool] = []
        self._voices = tuple(voices)
        self._voice = voice
        """The voice in force."""
        self._wish = voice
        """The voice the next session asks for."""
        self._whole_event = ""
        self._voice_event = ""
        self._field_events: Recent[Path] = Recent(_FIELDS_REMEMBERED)
        self._waiting: dict[Path, None] = {}
        """What is to be sent at the next moment that allows it."""
        self._began_as = config
        self._began_with = voice
        """What this session was first asked for."""

    # --- a session begins and ends --------------------------------------------------------------

    def begin(self, session: SessionConfig) -> None:
        """Configure a new session: everything at once, and the voice by itself."""
        self._open = True
        self.effective = session
        self.spoke = False
        self._field_events.clear()
        self._waiting.clear()
        self._whole_event = self._outbox.send(SessionUpdate(session=_fitting(self.config, session.model)))
        self._voice = self._wish
        if self._voice:
            self._send_voice()

    def confirm(self, session: SessionConfig) -> None:
        """Take `session.updated`: the whole effective session."""
        self.effective = session
        self._whole_event = ""

    def end(self) -> None:
        """The session is gone; what is changed now goes with the next one's whole update."""
        self._open = False
        self._waiting.clear()
        self._voice = self._wish

    def successor(self, outbox: Outbox) -> Setup:
        """Return the setup of a session that is prepared beside this one, by the connection of `outbox`."""
        other = Setup(outbox, self.config, voice=self._wish, voices=self._voices)
        other._offered = self._offered
        return other

    def take_over(self, other: Setup) -> None:
        """The session that `other` prepared is the present one; what was changed meanwhile is told to it."""
        self.effective, self.spoke, self._open = other.effective, False, True
        self._whole_event, self._voice_event = other._whole_event, other._voice_event
        self._field_events = other._field_events
        self._waiting.clear()
        for path in _FIELDS:
            wanted, asked, taken = (read(config, path) for config in (self.config, other._began_as, other.config))
            if wanted != asked:
                self._waiting[path] = None
            elif taken != asked:  # refused there, and put back
                self.config = with_value(self.config, path, taken)
        self._voice = other._voice
        if self._wish == other._began_with:
            self._wish = other._wish
        elif self._wish != self._voice:
            self._voice = self._wish
            self._send_voice()

    # --- changes --------------------------------------------------------------------------------

    def choose(self, config: SessionConfig) -> None:
        """Want another configuration; what differs is sent, field by field, when it may be (`rest`).

        Tools that the program offers stay, whatever the configuration says of them; the servers of tools in it
        (MCP) are the user's.
        """
        named = config.tools if config.tools is not UNSET else self.config.tools or []
        servers = [tool for tool in named if tool.type != "function"]
        if servers or self._offered or config.tools is not UNSET:
            config = msgspec.structs.replace(config, tools=[*servers, *self._offered])
        self._want(config)

    def offer(self, tools: list[Tool]) -> None:
        """Want these tools, beside the servers of tools that are configured."""
        self._offered = tools
        names = {tool.server_label for tool in tools if tool.type != "function"}
        servers = [t for t in self.config.tools or [] if t.type != "function" and t.server_label not in names]
        self._want(msgspec.structs.replace(self.config, tools=[*servers, *tools]))

    def change(self, path: Path, value: Any) -> None:
        """Want one value changed."""
        self._want(with_value(self.config, path, value))

    def _want(self, config: SessionConfig) -> None:
        before, self.config = self.config, config
        if not self._open:
            return
        for path in _FIELDS:
            if read(config, path) == read(before, path):
                continue
            if self._is_for_later(path):
                name = _name(path)
                text = f"{name} cannot change in the middle of a session."
                hint = "It will be as you wish in the next one: start a new conversation for that."
                self._outbox.do(ShowNotice(Notice(text, hint, key=f"later:{path[-1]}")))
            else:
                self._waiting[path] = None

    def _is_for_later(self, path: Path) -> bool:
        if path == TRACING:  # once on, it is frozen
            return bool(read(self.effective, TRACING))
        return read(self.config, path) is UNSET and path not in _WITHOUT

    def rest(self, *, answering: bool, talking: bool) -> None:
        """Send what was changed, but the speed not during an answer, and turn detection not during a talk."""
        for path in list(self._waiting):
            if not (path == SPEED and answering) and not (path == TURN_DETECTION and talking):
                del self._waiting[path]
                self._send_field(path)

    def choose_voice(self, voice: str) -> None:
        """Want another voice; after the first audio that takes a new session (`voice_waits`)."""
        self._wish = voice
        if voice != self._voice and not (self.spoke and self._open):
            self._voice = voice
            if self._open:
                self._send_voice()

    def keep_voice(self) -> None:
        """No session with the voice that is wanted can be had: the present one stays."""
        self._wish = self._voice

    @property
    def voice_waits(self) -> bool:
        """Whether the voice that is wanted needs a new session."""
        return self._open and self.spoke and self._wish != self._voice

    @property
    def voice_state(self) -> VoiceState:
        """What the voice picker shows."""
        reason = ""
        locked = self.spoke and self._open
        if locked:
            reason = (
                "The voice is fixed once the assistant has spoken. "
                "Another one goes on in a new session, with the same conversation."
            )
        named = (self._voice, self._wish)
        voices = (*dict.fromkeys(v for v in named if v and v not in self._voices), *self._voices)
        return VoiceState(voices, self._voice, locked=locked, reason=reason)

    @property
    def modalities(self) -> list[str]:
        """How answers are given."""
        told = read(self.effective, ("output_modalities",)) or read(self.config, ("output_modalities",))
        return list(told or ["audio"])

    @property
    def forces_tools(self) -> bool:
        """Whether `tool_choice` makes every response call a tool."""
        return read(self.config, ("tool_choice",)) not in (UNSET, None, "auto", "none")

    # --- refusals -------------------------------------------------------------------------------

    def refused(self, error: ErrorBody) -> bool:
        """Take an `error` event; return whether it was about an update of ours."""
        event_id = error.event_id or self._event_about(error.param or "")
        if event_id and event_id == self._whole_event:
            self._send_one_by_one()
        elif error.code_text == failures.VOICE_LOCKED or (event_id and event_id == self._voice_event):
            self.spoke = self.spoke or error.code_text == failures.VOICE_LOCKED
            self._voice = self._wish = self.effective.voice or self._voice
            self._outbox.do(ShowNotice(failures.notice_of(error, "this voice")))
        elif event_id in self._field_events:
            self._put_back(self._field_events.pop(event_id), error)
        else:
            return False
        return True

    def _event_about(self, param: str) -> str:
        """Return the last update that named a field: many errors do not say which event they are about."""
        kind, _, field = param.partition(".")
        if kind != "session":
            return ""
        for event_id, path in reversed(self._field_events.items()):
            name = ".".join(path)
            if field == name or field.startswith((name + ".", name + "[")):
                return event_id
        return self._voice_event if field.startswith("audio.output.voice") else self._whole_event

    def _send_one_by_one(self) -> None:
        self._whole_event = ""
        config = _fitting(self.config, self.effective.model)
        for path in _FIELDS:
            if read(config, path) is not UNSET:
                self._send_field(path)

    def _put_back(self, path: Path, error: ErrorBody) -> None:
        self.config = with_value(self.config, path, read(self.effective, path))
        self._outbox.do(ShowNotice(failures.notice_of(error, _name(path))))

    def _send_field(self, path: Path) -> None:
        value = read(self.config, path)
        value = _WITHOUT.get(path, UNSET) if value is UNSET else value
        if value is not UNSET:
            event_id = self._outbox.send(SessionUpdate(session=single(path, value)))
            self._field_events[event_id] = path

    def _send_voice(self) -> None:
        voice = SessionConfig(audio=AudioConfig(output=AudioOutput(voice=voice_of(self._voice))))
        self._voice_event = self._outbox.send(SessionUpdate(session=voice))

    # --- turn detection -------------------------------------------------------------------------

    @property
    def hands_free(self) -> bool:
        """Whether the server is to find the turns, so that the microphone stays open."""
        return isinstance(read(self.config, TURN_DETECTION), ServerVad | SemanticVad)

    @property
    def server_listens(self) -> bool:
        """Whether the server finds the turns, as far as it has told."""
        return isinstance(self._detection, ServerVad | SemanticVad)

    @property
    def server_interrupts(self) -> bool:
        """Whether the server cancels a running response by itself when it hears speech."""
        detection = self._detection
        return isinstance(detection, ServerVad | SemanticVad) and detection.interrupt_response is not False

    @property
    def _detection(self) -> Any:
        told = read(self.effective, TURN_DETECTION)
        return read(self.config, TURN_DETECTION) if told is UNSET else told

    @property
    def server_answers(self) -> bool:
        """Whether the server begins a response by itself after a turn it found."""
        detection = self._detection
        return isinstance(detection, ServerVad | SemanticVad) and detection.create_response is not False

    def stop_asking(self) -> bool:
        """Nobody answers: no more idle questions (the guide's idle timeout). Return whether there were any."""
        detection = read(self.config, TURN_DETECTION)
        if not isinstance(detection, ServerVad) or not detection.idle_timeout_ms:
            return False
        self.change(TURN_DETECTION, msgspec.structs.replace(detection, idle_timeout_ms=None))
        return True

    def stop_transcribing(self) -> None:
        """The model that writes down what is said does not work: turns go on without it."""
        self.change(TRANSCRIPTION, None)


def _name(path: Path) -> str:
    return f"«{path[-1].replace('_', ' ')}»"


def _fitting(config: SessionConfig, model: str | None | UnsetType) -> SessionConfig:
    """Return the configuration without what this model would refuse all of it for."""
    if not model or not model.startswith("gpt-realtime") or model.startswith("gpt-realtime-2"):
        return config
    for path in REASONING:
        config = with_value(config, path, UNSET)
    return config
