"""DeviceChoice: which microphone or loudspeaker is wanted, which one is used instead, and what is told of it.

The wanted device is taken whenever it is there; while it is not, the system's default takes its place, which is
told once, and so is its return. A sound server by itself moves a stream whose device goes, without a gap
(`Devices.moves_streams`); elsewhere such a stream is lost, and its owner opens another.

No stream is touched here: `Speaker` and `Microphone` ask what to do, and say what they did.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from desktop_app.audio.devices import Device, Devices, Direction, find_device
from desktop_app.audio.streams import Stream
from desktop_app.conversation.inputs import DeviceChanged
from desktop_app.errors import AudioDeviceError, Notice, Severity

DEFAULT = "the system's default"


class Course(Enum):
    """What the owner of an open stream is to do."""

    KEEP = "keep"
    LEAVE = "leave"
    """Another device is to be taken, at a quiet moment."""
    LOST = "lost"
    """The device is gone, and so is the stream, though it may not know yet."""


class DeviceChoice:
    """The choice for one direction."""

    def __init__(self, direction: Direction, wanted: str | None, post: Callable[[DeviceChanged], None]) -> None:
        """`wanted`: a device by its name or a part of it; None: the system's default."""
        self._direction = direction
        self._wanted = wanted
        self._post = post
        self._devices: Devices | None = None
        """All there is, once somebody told."""
        self._default = ""
        """The system's default, as far as it was told."""
        self._using = ""
        """The device of the open stream, or of the last one; empty: not known."""
        self._away = False
        """Another device stands in for the wanted one, and that was told."""
        self._lost: str | None = None
        """What went away while it was in use, until another takes its place; empty: its name is not known."""
        self._waits = False
        """Nothing takes its place, and that was told."""

    @property
    def key(self) -> str:
        """What notices about this device replace each other by."""
        return "microphone" if self._direction is Direction.INPUT else "speaker"

    def want(self, wanted: str | None) -> bool:
        """Take another wish; return whether it is another."""
        if wanted == self._wanted:
            return False
        self._wanted = wanted
        self._away = self._waits = False
        self._lost = None
        return True

    def open(self, make: Callable[[str | None], Stream]) -> Stream:
        """Return a stream by `make`, which is given a name or None: of the wanted device, else of the default.

        Raises AudioDeviceError if neither can be opened.
        """
        refused = ""
        wanted = self._find(self._wanted) if self._wanted is not None else None
        if self._wanted is not None and (wanted is not None or self._devices is None):
            try:
                stream = make(self._wanted)
            except AudioDeviceError as error:
                refused = error.sentence
            else:
                self._took(wanted.name if wanted is not None else self._wanted, is_wanted=True)
                return stream
        stream = make(None)
        self._took(self._name_of_default(), is_wanted=self._wanted is None, refused=refused)
        return stream

    def lost(self) -> None:
        """The device went away while it was in use."""
        self._lost = self._using

    def waits(self) -> None:
        """Nothing was found that takes the place of the lost device; told once."""
        if not self._waits and self._lost is not None:
            self._waits = True
            hint = "Connect one, and the answer goes on where you heard it last."
            self._tell(self._went_away(self._lost), hint, warn=True)

    def changed(self, devices: Devices, *, is_open: bool, in_use: bool) -> Course:
        """Take note of what there is now; return what becomes of the stream, if one is open."""
        known, self._devices = self._devices is not None, devices
        default, self._default = self._default, self._name_of_default()
        if not is_open:
            self._welcome_back()
            return Course.KEEP
        target = self._find(self._wanted) or self._find(None)
        if target is None:
            return Course.LOST
        if not known:  # the stream was opened by a part of a name, or as the default whatever that was
            opened = self._find(self._using or None)
            self._using = opened.name if opened is not None else self._using
        if not any(device.name == self._using for device in devices.of(self._direction)):
            if not devices.moves_streams:
                return Course.LOST
            self._moved(in_use=in_use)
            if self._direction is Direction.OUTPUT:
                return Course.LEAVE  # stopped and started again, it would look for the device that is gone
        elif devices.moves_streams and (self._wanted is None or self._using == default != self._default):
            # The server moves streams along with its default; those that chose the old default by its name, too.
            self._using = self._default
        return Course.KEEP if self._using == target.name else Course.LEAVE

    # --- inside ---------------------------------------------------------------------------------

    def _find(self, name: str | None) -> Device | None:
        if self._devices is None:
            return None
        try:
            return find_device(self._devices, self._direction, name)
        except AudioDeviceError:
            return None

    def _name_of_default(self) -> str:
        default = self._find(None)
        return default.name if default is not None else ""

    def _took(self, name: str, *, is_wanted: bool, refused: str = "") -> None:
        """Take note of the device that was opened, and tell if it is another one."""
        lost, self._lost = self._lost, None
        waited, self._waits = self._waits, False
        self._using = name
        instead = f"“{name}”" if name else DEFAULT
        if is_wanted:
            if self._away or (waited and lost == name):
                self._away = False
                self._is_back(name)
            elif lost is not None and (waited or lost != name):
                self._tell(self._went_away(lost), self._goes_on(instead))
        elif not self._away:
            self._away = True
            if lost is not None:
                self._tell(self._went_away(lost), self._goes_on(instead), warn=True)
            else:
                self._tell(
                    refused or f"The {self._direction.noun} “{self._wanted}” is not connected.",
                    f"{_capital(instead)} is used meanwhile; another one can be chosen in the menu.",
                    warn=True,
                )

    def _moved(self, *, in_use: bool) -> None:
        """The server has moved the stream to its default, since the device is gone."""
        gone, self._using = self._using, self._default
        instead = f"“{self._using}”" if self._using else DEFAULT
        if self._wanted is not None and not self._away:
            self._away = True
            hint = self._goes_on(instead) if in_use else f"{_capital(instead)} is used until it is back."
            self._tell(self._went_away(gone), hint, warn=True)
        elif in_use:
            self._tell(self._went_away(gone), self._goes_on(instead))

    def _welcome_back(self) -> None:
        """Tell that the wanted device is there again: the next stream is on it."""
        if self._away and self._wanted is not None and (wanted := self._find(self._wanted)) is not None:
            self._away = False
            self._is_back(wanted.name)

    def _is_back(self, name: str) -> None:
        self._tell(f"The {self._direction.noun}{f' “{name}”' if name else ''} is back.", "It is used again.")

    def _went_away(self, name: str) -> str:
        return f"The {self._direction.noun}{f' “{name}”' if name else ''} went away."

    def _goes_on(self, instead: str) -> str:
        if self._direction is Direction.INPUT:
            return f"{_capital(instead)} hears you now."
        return f"The answer goes on with {instead}."

    def _tell(self, text: str, hint: str, *, warn: bool = False) -> None:
        severity = Severity.WARNING if warn else Severity.INFO
        self._post(DeviceChanged(Notice(text, hint, severity, self.key)))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
