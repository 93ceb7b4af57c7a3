"""Failures a person can act on.

    ParleyError                 a sentence and a hint, never a traceback
    ├── ConnectionFailed        the endpoint cannot be reached or went away; trying again may help
    ├── EndpointRefused         the endpoint said no for good: key, model, quota
    │   └── KeyRejected         …because of the key
    ├── AudioDeviceError        a microphone or speaker is missing, busy or gone
    ├── SettingsError           the settings file cannot be read or written
    ├── MediaError              a sound or picture file cannot be used
    ├── WeightsError            a model file is missing, broken or cannot be fetched
    ├── HistoryError            the history cannot be read or written, or a file of it
    ├── ToolError               a tool, a tool file or an MCP server cannot do what it is asked
    └── LocalServerError        the local server did not start

Whoever catches one shows `Notice.of(error)`; everything else that is raised is a bug.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ParleyError(Exception):
    """Something a person can do something about."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        """What happened, as one sentence for the user."""
        self.hint = hint
        """What to do next, as one sentence for the user; may be empty."""

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}".rstrip()


class ConnectionFailed(ParleyError):
    """The endpoint cannot be reached or went away; trying again may help."""

    retry_after_s: float | None = None
    """What the server asked us to wait (`Retry-After`), if it did."""


class EndpointRefused(ParleyError):
    """The endpoint said no for good; trying again will not help."""


class KeyRejected(EndpointRefused):
    """The endpoint did not accept the API key."""


class AudioDeviceError(ParleyError):
    """A microphone or speaker is missing, busy or gone."""


class SettingsError(ParleyError):
    """The settings file cannot be read or written."""


class MediaError(ParleyError):
    """A sound or picture file cannot be used."""


class WeightsError(ParleyError):
    """A model file is missing, broken or cannot be fetched."""


class HistoryError(ParleyError):
    """The history cannot be read or written, or a file cannot be taken into it."""


class ToolError(ParleyError):
    """A tool, a tool file or an MCP server cannot do what it is asked; the model is told the same sentence."""


class LocalServerError(ParleyError):
    """The local server did not start."""


class Severity(Enum):
    """How a notice looks and how long it stays."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class NoticeAction(Enum):
    """What the button of a notice does."""

    NONE = ""
    RECONNECT = "reconnect"
    NEW_CONVERSATION = "new conversation"
    COPY_DETAILS = "copy details"
    SPEND_ON = "go on all the same"
    CONTINUE = "continue"
    """The conversation that was cut off; the notice's details are its number."""
    SHOW_EARLIER = "show what came before"
    """The entries that are no longer listed: they are in the history."""
    USE_MODEL = "use this model"
    """For the offline assistant; the notice's details say which."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the user, with what to do next."""

    text: str
    hint: str = ""
    severity: Severity = Severity.INFO
    key: str = ""
    """Notices of the same key replace each other; the empty key is never replaced."""
    action: NoticeAction = NoticeAction.NONE
    details: str = ""
    """What «copy details» copies: for whoever mends the bug, never shown by itself."""

    @classmethod
    def of(cls, error: ParleyError, key: str = "", action: NoticeAction = NoticeAction.NONE) -> Notice:
        """Return the notice that shows `error`."""
        return cls(error.sentence, error.hint, Severity.ERROR, key or type(error).__name__, action)
