"""The microphone and the loudspeaker of a running program: which are chosen, which there are, and who is told.

The watch tells what comes and goes; the speaker and the microphone act on it, and the settings show it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from desktop_app.audio.devices import Devices, Direction, find_device
from desktop_app.audio.duplex import DuplexSound
from desktop_app.audio.microphone import Microphone
from desktop_app.audio.speaker import Speaker
from desktop_app.audio.streams import SoundSystem
from desktop_app.audio.watching import ChildWatcher, DeviceWatch, ServerWatcher
from desktop_app.errors import AudioDeviceError
from desktop_app.ui.settings_desk import SettingsDesk

SETTINGS = {"audio.input_device": Direction.INPUT, "audio.output_device": Direction.OUTPUT}
"""The settings that name a device."""


class SoundDevices:
    """Follows the system's devices for as long as the program lives."""

    def __init__(
        self, speaker: Speaker, microphone: Microphone, desk: SettingsDesk, chosen: Mapping[str, str]
    ) -> None:
        """`chosen`: the device of each of `SETTINGS`, empty for the system's default."""
        self._speaker = speaker
        self._microphone = microphone
        self._desk = desk
        self._chosen = dict(chosen)
        self._devices: Devices | None = None
        self._system: SoundSystem | None = None
        self._watch: DeviceWatch | None = None

    def open(self) -> None:
        """Begin to follow, if it is this system's devices that are used."""
        self._show()
        system = self._speaker.sound
        if isinstance(system, DuplexSound):
            system = system.inner
        if not isinstance(system, SoundSystem):
            return
        self._system = system
        watcher = ServerWatcher() if system.has_server else ChildWatcher()
        self._watch = DeviceWatch(asyncio.get_running_loop(), self._changed, watcher)
        self._watch.open()

    def close(self) -> None:
        """Follow no longer."""
        if self._watch is not None:
            self._watch.close()
        if self._system is not None:
            self._system.learn(None)

    def chosen(self, setting: str) -> str | None:
        """Return the device that is wanted; None: the system's default."""
        return self._chosen[setting] or None

    def choose(self, setting: str, device: str) -> None:
        """Use another device from now on, even for what sounds; empty: the system's default."""
        self._chosen[setting] = device
        if SETTINGS[setting] is Direction.INPUT:
            self._microphone.use(device or None)
        else:
            self._speaker.use(device or None)
        self._show()

    def _changed(self, devices: Devices) -> None:
        assert self._system is not None
        self._devices = devices = self._system.learn(devices)
        self._speaker.devices_changed(devices)
        self._microphone.devices_changed(devices)
        self._show()

    def _show(self) -> None:
        for setting, direction in SETTINGS.items():
            self._desk.show_choices(setting, choices(self._devices, direction, self._chosen[setting]))


def choices(devices: Devices | None, direction: Direction, chosen: str) -> list[tuple[str, str]]:
    """Return what a setting offers, with its words; the chosen device is there though it is not connected.

    `devices`: None while nobody knows.
    """
    there = devices.of(direction) if devices is not None else ()
    default = next((f" ({device.name})" for device in there if device.is_default), "")
    offered = [("", f"The system's default{default}")]
    fitting = ""
    if chosen and devices is not None:
        try:
            fitting = find_device(devices, direction, chosen).name
        except AudioDeviceError:
            pass
    # A name may be given in part: the entry it fits stands for it.
    offered += [(chosen if device.name == fitting else device.name, device.name) for device in there]
    if chosen and not fitting:
        offered.append((chosen, chosen if devices is None else f"{chosen} (not connected)"))
    return offered
