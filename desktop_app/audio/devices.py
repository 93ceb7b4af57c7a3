"""Which microphones and loudspeakers there are: clear names, one entry per device, chosen by name.

PortAudio lists a device once per host API and, on Linux, ALSA's plumbing instead of devices. So only the best
host API of each system is listed, and where a PulseAudio or PipeWire server is reached through ALSA's `pulse`
plugin, its own sinks and sources are listed; such a device is chosen by an environment variable that the
plugin reads when a stream is opened (`Device.environment`).
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from desktop_app.errors import AudioDeviceError

HOST_APIS = ("Windows WASAPI", "Core Audio", "ALSA")
"""The one to use on each system, where there is a choice."""

ALSA_PLUMBING = re.compile(
    r"(default|sysdefault|dmix|dsnoop|front|rear|side|surround|hdmi|iec958|spdif|null|lavrate|samplerate"
    r"|speexrate|speex|upmix|vdownmix|jack|oss|pulse|pipewire)\d*(:.*)?"
)
"""ALSA's names for ways to a device rather than devices."""

ALSA_PLACE = re.compile(r" \(hw:\d+,\d+\)$")
"""What ALSA's names end with: of use to nobody but ALSA."""

NO_SOURCE = 0xFFFFFFFF
"""PulseAudio's «no index»: a source with it monitors no sink."""


class Direction(Enum):
    """What a device does."""

    INPUT = "input"
    OUTPUT = "output"

    @property
    def noun(self) -> str:
        """Return the word for the user."""
        return "microphone" if self is Direction.INPUT else "loudspeaker"


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone or loudspeaker."""

    name: str
    """What the user knows it by; unique among the devices of its direction."""
    direction: Direction
    is_default: bool = False
    index: int | str | None = None
    """What PortAudio knows it by; None: its default."""
    alias: str = ""
    """A technical name that may be given instead, or empty."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What must be in the environment while a stream on it is opened."""


@dataclass(frozen=True, slots=True)
class Devices:
    """All there is."""

    inputs: tuple[Device, ...] = ()
    outputs: tuple[Device, ...] = ()
    moves_streams: bool = False
    """A sound server looks after them: a stream whose device goes is moved to another, without a gap."""

    def of(self, direction: Direction) -> tuple[Device, ...]:
        """Return the devices of a direction."""
        return self.inputs if direction is Direction.INPUT else self.outputs

    def joined_by(self, others: Iterable[Device]) -> Devices:
        """Return these and, of the others, those that PortAudio lists itself and that are missing here."""

        def of(direction: Direction) -> tuple[Device, ...]:
            there = {device.name: device for device in self.of(direction)}
            for other in others:
                if other.direction is direction and isinstance(other.index, int):
                    there.setdefault(other.name, other)
            return tuple(there.values())

        others = list(others)
        return replace(self, inputs=of(Direction.INPUT), outputs=of(Direction.OUTPUT))


def find_device(devices: Devices, direction: Direction, name: str | None) -> Device:
    """Return the device of this name, or the one whose name contains it; None: the system's default.

    Raises `AudioDeviceError` with what there is if none or several fit.
    """
    there = devices.of(direction)
    if not there:
        raise nothing_found(direction)
    if name is None:
        return next((device for device in there if device.is_default), there[0])
    wanted = name.strip().casefold()
    exact = [d for d in there if wanted in (d.name.casefold(), d.alias.casefold())]
    fitting = exact or [d for d in there if wanted in d.name.casefold() or wanted in d.alias.casefold()]
    if len(fitting) == 1 or exact:
        return fitting[0]
    listing = ", ".join(f"“{device.name}”" for device in fitting or there)
    if fitting:
        raise AudioDeviceError(f"Several {direction.noun}s fit “{name}”.", f"Choose one of {listing}.")
    raise AudioDeviceError(f"There is no {direction.noun} “{name}”.", f"Choose one of {listing}.")


def nothing_found(direction: Direction) -> AudioDeviceError:
    """Return the error that says so, with a next step."""
    if direction is Direction.INPUT:
        return AudioDeviceError(
            "No microphone was found.", "Connect one and hold the talk key again, or type your message."
        )
    return AudioDeviceError(
        "No loudspeaker was found.", "Connect one to hear the answers; they are written here as well."
    )


# --- PortAudio's own list -----------------------------------------------------------------------


def portaudio_devices(listed: Sequence[Mapping[str, Any]], apis: Sequence[Mapping[str, Any]]) -> Devices:
    """Return one entry per device of `sounddevice.query_devices()` and `query_hostapis()`."""
    api = _best_api(apis)
    if api is None:
        return Devices()
    mine = [device for device in listed if device["hostapi"] == api]
    real = [device for device in mine if not _is_plumbing(str(device["name"]))] or mine

    def of(direction: Direction) -> tuple[Device, ...]:
        default = apis[api][f"default_{direction.value}_device"]
        found = [device for device in real if device[f"max_{direction.value}_channels"] > 0]
        names = unique_names(ALSA_PLACE.sub("", str(device["name"])) for device in found)
        return tuple(
            Device(name, direction, is_default=device["index"] == default, index=device["index"])
            for name, device in zip(names, found, strict=True)
        )

    return Devices(of(Direction.INPUT), of(Direction.OUTPUT))


def _best_api(apis: Sequence[Mapping[str, Any]]) -> int | None:
    with_devices = [number for number, api in enumerate(apis) if api["devices"]]
    for name in HOST_APIS:
        for number in with_devices:
            if apis[number]["name"] == name:
                return number
    return with_devices[0] if with_devices else None


def _is_plumbing(name: str) -> bool:
    return ALSA_PLUMBING.fullmatch(name) is not None


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names, a second of the same with a number behind it."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


# --- PulseAudio and PipeWire --------------------------------------------------------------------


CONNECTED_WITHIN_S = 0.1
"""A sound server is on this computer and answers in some milliseconds, or is as good as not there."""


def has_pulse(listed: Sequence[Mapping[str, Any]]) -> bool:
    """Whether PortAudio reaches a sound server through ALSA's `pulse` plugin."""
    return sys.platform == "linux" and any(device["name"] == "pulse" for device in listed)


ENVIRONMENT = threading.Lock()
"""Held while variables are set for a moment, and while a thread connects to the server, which reads them: in C, a
variable that is read while another is set may be read from freed memory."""


def pulse_failures() -> tuple[type[Exception], ...]:
    """Return what is raised where the sound server does not answer, or no longer."""
    import pulsectl
    from pulsectl._pulsectl import LibPulse

    return (pulsectl.PulseError, pulsectl.PulseDisconnected, LibPulse.CallError, OSError)


def connected_pulse() -> Any:
    """Return a connection to the sound server, a `pulsectl.Pulse` to be closed; raises `pulse_failures`."""
    import pulsectl

    with ENVIRONMENT:
        pulse = pulsectl.Pulse("parley-devices", connect=False)
        try:
            # The library waits a time limit out even when it is connected long before, so this one is short.
            pulse.connect(timeout=CONNECTED_WITHIN_S)
        except BaseException:
            pulse.close()
            raise
    return pulse


def pulse_devices() -> Devices | None:
    """Return the sound server's sinks and sources, or None if it does not answer."""
    try:
        with connected_pulse() as pulse:
            return devices_of(pulse)
    except pulse_failures():
        return None


def devices_of(pulse: Any) -> Devices:
    """Return the sinks and sources of a server, without the monitors that play back what a sink plays."""
    server = pulse.server_info()
    sinks = pulse.sink_list()
    sources = [source for source in pulse.source_list() if source.monitor_of_sink == NO_SOURCE]
    return Devices(
        _pulse_side(sources, Direction.INPUT, server.default_source_name, "PULSE_SOURCE"),
        _pulse_side(sinks, Direction.OUTPUT, server.default_sink_name, "PULSE_SINK"),
        moves_streams=True,
    )


def _pulse_side(found: Sequence[Any], direction: Direction, default: str, variable: str) -> tuple[Device, ...]:
    return tuple(
        Device(
            name,
            direction,
            entry.name == default,
            index="pulse",
            alias=entry.name,
            environment={variable: entry.name},
        )
        for name, entry in zip(unique_names(entry.description for entry in found), found, strict=True)
    )
