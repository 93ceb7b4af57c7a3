"""The volume of the computer's speaker, by whatever each system has for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Protocol

from desktop_app.errors import ToolError
from desktop_app.tools.tool import Arguments, Consent, FunctionTool, Tool, ToolSpec, parameters

WITHIN_S = 3

GET = ToolSpec(
    "get_volume", "Volume of the computer's speaker, in percent.", parameters(), Consent.NEVER, title="Volume"
)
SET = ToolSpec(
    "set_volume",
    "Set the volume of the computer's speaker.",
    parameters(required={"percent": {"type": "integer", "minimum": 0, "maximum": 100}}),
    Consent.ALWAYS_ASK,
    title="Set the volume",
)


class Volume(Protocol):
    """The speaker's volume. Both block for a moment, and raise `ToolError` if there is no speaker to ask."""

    def get(self) -> int:
        """Return it in percent; may be above 100."""
        ...

    def set(self, percent: int) -> None:
        """Set it, and let a muted speaker be heard again unless it is 0."""
        ...


def volume_tools(volume: Volume) -> Sequence[Tool]:
    """Return the two tools."""

    def set_(arguments: Arguments) -> object:
        before = volume.get()
        volume.set(arguments["percent"])
        return {"before": before, "percent": volume.get()}

    return (
        FunctionTool(GET, lambda _: {"percent": volume.get()}, blocking=True),
        FunctionTool(
            SET, set_, blocking=True, ask=lambda arguments: f"Set the volume to {arguments['percent']} percent?"
        ),
    )


def system_volume() -> Volume:
    """Return the volume of this system."""
    if sys.platform == "win32":
        return WindowsVolume()
    if sys.platform == "darwin":
        return MacVolume()
    return PulseVolume()


class PulseVolume:
    """By the PulseAudio protocol, which PipeWire speaks as well."""

    def get(self) -> int:
        """Return the loudest channel of the default sink."""
        return self._with_sink(None)

    def set(self, percent: int) -> None:
        """Set all channels of the default sink, keeping their balance."""
        self._with_sink(percent)

    def _with_sink(self, percent: int | None) -> int:
        try:
            import pulsectl
        except (ImportError, OSError) as error:  # OSError: there is no libpulse
            raise _no_volume() from error
        try:
            with pulsectl.Pulse("parley-volume", connect=False) as pulse:
                pulse.connect()  # its own time limit is always waited for to the end; the toolbox has one
                sink = pulse.get_sink_by_name(pulse.server_info().default_sink_name)
                if percent is not None:
                    _set_loudest(pulse, sink, percent / 100)
                loudest: float = max(sink.volume.values)
                return round(loudest * 100)
        except (pulsectl.PulseError, OSError) as error:
            raise _no_volume() from error


def _set_loudest(pulse: object, sink: object, loudest: float) -> None:
    volume = sink.volume  # type: ignore[attr-defined]  # pulsectl has no types
    before = max(volume.values)
    volume.values = [each / before * loudest if before else loudest for each in volume.values]
    pulse.volume_set(sink, volume)  # type: ignore[attr-defined]
    pulse.mute(sink, mute=loudest == 0)  # type: ignore[attr-defined]


class MacVolume:
    """By AppleScript, as the system's own keys do it."""

    def get(self) -> int:
        """Return the output volume."""
        said = self._script("output volume of (get volume settings)")
        try:
            return int(said)
        except ValueError:  # "missing value": a display or an interface that has none
            raise ToolError("The speaker in use has no volume that can be read.") from None

    def set(self, percent: int) -> None:
        """Set the output volume."""
        muted = "with" if percent == 0 else "without"
        self._script(f"set volume output volume {percent}", f"set volume {muted} output muted")

    def _script(self, *lines: str) -> str:
        command = ["/usr/bin/osascript", *(part for line in lines for part in ("-e", line))]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise _no_volume() from error
        return done.stdout.strip()


class WindowsVolume:
    """By the Core Audio API."""

    def get(self) -> int:
        """Return the master volume."""
        return round(self._endpoint().GetMasterVolumeLevelScalar() * 100)

    def set(self, percent: int) -> None:
        """Set the master volume."""
        endpoint = self._endpoint()
        endpoint.SetMasterVolumeLevelScalar(percent / 100, None)
        endpoint.SetMute(percent == 0, None)

    def _endpoint(self) -> _Endpoint:
        import comtypes
        from pycaw.pycaw import AudioUtilities

        comtypes.CoInitialize()  # each call has a thread of its own
        try:
            endpoint: _Endpoint = AudioUtilities.GetSpeakers().EndpointVolume
        except (OSError, AttributeError) as error:  # COMError is an OSError only sometimes; None: no speaker
            raise _no_volume() from error
        return endpoint


class _Endpoint(Protocol):
    """The members of `IAudioEndpointVolume` used here."""

    def GetMasterVolumeLevelScalar(self) -> float: ...
    def SetMasterVolumeLevelScalar(self, level: float, context: None) -> None: ...
    def SetMute(self, mute: bool, context: None) -> None: ...


def _no_volume() -> ToolError:
    return ToolError("The volume of this computer cannot be reached.", "The user has to set it by hand.")
