"""How a session is configured: what is wanted, what is in force, and one without undoing the other.

An update is all or nothing: one field a server does not take refuses every other in it (the guide's session
object). So a new session gets everything in one update, but the voice in one of its own; if that one is refused,
each field is sent again by itself; and what the user changes later always goes field by field. A refused field goes
back to what is in force, with the server's words, and the rest is applied.

The voice is locked after the first audio of a session; another one needs another session. The speed may change only
between answers, so it waits for one to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from desktop_app.conversation import failures
from desktop_app.conversation.effects import ShowNotice, VoiceState
from desktop_app.conversation.outbox import Outbox
from desktop_app.protocol.events import ErrorBody, SessionUpdate
from desktop_app.protocol.session_config import (
    AudioConfig,
    AudioInput,
    AudioOutput,
    SemanticVad,
    ServerVad,
    SessionConfig,
)

Path = tuple[str, ...]

SPEED: Path = ("audio", "output", "speed")
TURN_DETECTION: Path = ("audio", "input", "turn_detection")
_FIELDS: tuple[Path, ...] = (
    ("audio", "input", "format"),
    ("audio", "output", "format"),
    ("output_modalities",),
    ("instructions",),
    ("audio", "input", "noise_reduction"),
    ("audio", "input", "transcription"),
    TURN_DETECTION,
    SPEED,
    ("tools",),
    ("tool_choice",),
    ("parallel_tool_calls",),
    ("reasoning",),
    ("max_output_tokens",),
    ("truncation",),
    ("tracing",),
    ("include",),
)
"""What can be changed by itself, in the order it is sent."""


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
        self._voices = tuple(voices)
        self._voice = voice
        """The voice in force."""
        self._wish = voice
        """The voice the next session asks for."""
        self._whole_event = ""
        self._voice_event = ""
        self._field_events: dict[str, Path] = {}
        self._speed_waits = False

    # --- a session begins -----------------------------------------------------------------------

    def begin(self, session: SessionConfig) -> None:
        """Configure a new session: everything at once, and the voice by itself."""
        self.effective = session
        self.spoke = False
        self._field_events.clear()
        self._speed_waits = False
        self._whole_event = self._outbox.send(SessionUpdate(session=self.config))
        self._voice = self._wish
        if self._voice:
            self._send_voice()

    def confirm(self, session: SessionConfig) -> None:
        """Take `session.updated`: the whole effective session."""
        self.effective = session

    # --- changes --------------------------------------------------------------------------------

    def choose(self, config: SessionConfig, *, online: bool, busy: bool) -> None:
        """Want another configuration; send what differs, field by field, if there is a session."""
        changed = [path for path in _FIELDS if read(config, path) != read(self.config, path)]
        self.config = config
        if not online:
            return
        for path in changed:
            if path == SPEED and busy:
                self._speed_waits = True
            elif read(config, path) is not UNSET:
                self._send_field(path)

    def change(self, path: Path, value: Any, *, online: bool) -> None:
        """Want one value changed."""
        self.choose(with_value(self.config, path, value), online=online, busy=False)

    def rest(self) -> None:
        """No answer is under way: what had to wait for that is sent."""
        if self._speed_waits:
            self._speed_waits = False
            self._send_field(SPEED)

    def choose_voice(self, voice: str, *, online: bool) -> bool:
        """Want another voice; return whether that takes a new session."""
        self._wish = voice
        if voice == self._voice:
            return False
        if self.spoke and online:
            return True
        self._voice = voice
        if online:
            self._send_voice()
        return False

    @property
    def voice_state(self) -> VoiceState:
        """What the voice picker shows."""
        reason = ""
        if self.spoke:
            reason = (
                "The voice is fixed once the assistant has spoken. "
                "Another one goes on in a new session, with the same conversation."
            )
        named = (self._voice, self._wish)
        voices = (*dict.fromkeys(v for v in named if v and v not in self._voices), *self._voices)
        return VoiceState(voices, self._voice, locked=self.spoke, reason=reason)

    # --- refusals -------------------------------------------------------------------------------

    def refused(self, error: ErrorBody) -> bool:
        """Take an `error` event; return whether it was about an update of ours."""
        event_id = error.event_id or ""
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

    def _send_one_by_one(self) -> None:
        self._whole_event = ""
        for path in _FIELDS:
            if read(self.config, path) is not UNSET:
                self._send_field(path)

    def _put_back(self, path: Path, error: ErrorBody) -> None:
        self.config = with_value(self.config, path, read(self.effective, path))
        self._outbox.do(ShowNotice(failures.notice_of(error, f"«{path[-1].replace('_', ' ')}»")))

    def _send_field(self, path: Path) -> None:
        event_id = self._outbox.send(SessionUpdate(session=single(path, read(self.config, path))))
        self._field_events[event_id] = path

    def _send_voice(self) -> None:
        voice = SessionConfig(audio=AudioConfig(output=AudioOutput(voice=self._voice)))
        self._voice_event = self._outbox.send(SessionUpdate(session=voice))

    # --- turn detection -------------------------------------------------------------------------

    @property
    def hands_free(self) -> bool:
        """Whether the server is to find the turns, so that the microphone stays open."""
        return isinstance(read(self.config, TURN_DETECTION), ServerVad | SemanticVad)

    @property
    def server_interrupts(self) -> bool:
        """Whether the server cancels a running response by itself when it hears speech."""
        detection = self._detection
        return isinstance(detection, ServerVad | SemanticVad) and detection.interrupt_response is not False

    @property
    def _detection(self) -> Any:
        told = read(self.effective, TURN_DETECTION)
        return read(self.config, TURN_DETECTION) if told is UNSET else told

    def stop_asking(self, *, online: bool) -> None:
        """Nobody answers: no more idle questions (the guide's idle timeout: after two in a row)."""
        detection = read(self.config, TURN_DETECTION)
        if isinstance(detection, ServerVad) and detection.idle_timeout_ms:
            quiet = msgspec.structs.replace(detection, idle_timeout_ms=None)
            self.change(TURN_DETECTION, quiet, online=online)
