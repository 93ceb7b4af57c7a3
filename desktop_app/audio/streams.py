"""SoundSystem: PortAudio as the microphone and the speaker see it.

Everything that knows `sounddevice` is here: importing it late (the window paints first), turning its errors
into sentences, opening a stream in the wire's format or else in the device's own, noticing that a stream ended
by itself, and looking for devices anew, which PortAudio can only do while no stream is open.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from desktop_app.audio.devices import (
    ENVIRONMENT,
    Device,
    Devices,
    Direction,
    find_device,
    has_pulse,
    portaudio_devices,
    pulse_devices,
)
from desktop_app.audio.pcm import BLOCK_MS, WIRE, Format
from desktop_app.errors import AudioDeviceError

COMMON_RATES_HZ = (48_000, 44_100, 32_000, 16_000, 8_000, 96_000)
"""What is tried of a device that refuses 24 kHz and what it calls its own."""

PA_DEVICE_UNAVAILABLE = -9985
PA_INVALID_DEVICE = -9996
"""PortAudio's errors (portaudio.h, PaErrorCode)."""

START_WITHIN_S = 2.0
START_FAILS_WITHIN_S = 0.05
"""How long a start may take, and how much longer one whose stream has ended again."""

Fill = Callable[[memoryview, float, float], None]
"""Takes a block to fill, now, and when its first frame leaves the DAC, both of `time.monotonic`."""

Take = Callable[[bytes], None]
"""Takes a captured block."""


class Stream(Protocol):
    """An open device."""

    format: Format
    latency_s: float
    """What the device says lies between it and the callback."""
    underflows: int
    """How often the device ran dry, waiting for a callback."""

    def start(self) -> None:
        """Let callbacks come, the first ones at once."""
        ...

    def abort(self) -> None:
        """Be silent at once and stop; what the device held is dropped. May be started again."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


class Sound(Protocol):
    """Where streams come from."""

    def open_output(self, device: str | None, latency_s: float, fill: Fill, lost: Callable[[], None]) -> Stream:
        """Open a loudspeaker; `lost` is called, by another thread, if it ends by itself.

        Raises `AudioDeviceError`.
        """
        ...

    def open_input(self, device: str | None, latency_s: float, take: Take, lost: Callable[[], None]) -> Stream:
        """Open a microphone, likewise."""
        ...

    def refresh(self) -> bool:
        """Look for devices anew; False: not possible now, another stream is open."""
        ...


class DeviceTime:
    """Carries a device's times over to `time.monotonic`.

    PortAudio's stamps are of one clock or another, depending on the device, and only those of one callback may be
    compared. So the difference between the clocks is taken at each callback, and of all differences the least
    counts: the others contain what the callback waited for the interpreter.
    """

    STEP_S = 0.25
    """More than a callback ever waits: one of the clocks was set."""
    CREEP_S = 0.0001
    """What the least may grow per callback, to follow clocks that drift apart."""

    def __init__(self) -> None:
        self._offset: float | None = None

    def monotonic(self, stamp: float, current: float, now: float) -> float:
        """Return `stamp` as monotonic time; `current` is the device's time of this callback."""
        offset = now - current
        if self._offset is None or abs(offset - self._offset) > self.STEP_S:
            self._offset = offset
        else:
            self._offset = min(offset, self._offset + self.CREEP_S)
        return stamp + self._offset


class PortAudioStream:
    """A `sounddevice` raw stream that tells being stopped from being lost."""

    def __init__(
        self,
        device: Device,
        opened_as: Format,
        lost: Callable[[], None],
        forget: Callable[[PortAudioStream], None],
    ) -> None:
        self.device = device
        self._starting: threading.Event | None = None
        """Set when a start is over, well or badly."""
        self.format = opened_as
        self.latency_s = 0.0
        self.underflows = 0
        self._lost = lost
        self._forget = forget
        self._stopping = True
        self._closed = False
        self._raw: Any = None

    @property
    def running(self) -> bool:
        """Whether callbacks come."""
        return not self._stopping

    def calling(self, callback: Callable[[PortAudioStream, Any, Any, Any], None]) -> Callable[..., None]:
        """Return what `sounddevice` shall call."""

        def call(block: Any, _frames: int, times: Any, status: Any) -> None:
            if self._closed:  # given up, and started all the same
                raise _sounddevice().CallbackAbort
            callback(self, block, times, status)

        return call

    def attach(self, raw: Any) -> None:
        """Take the stream that was made with our callbacks."""
        self._raw = raw
        self.latency_s = float(raw.latency)

    def start(self) -> None:
        """Let callbacks come."""
        if self._closed:
            raise AudioDeviceError("The sound device was given back.", "Try again.")
        self._stopping = False
        try:
            if sys.platform == "linux":
                self._start_guarded()
            else:
                self._raw.start()
        except _portaudio_error() as error:
            self._stopping = True
            raise AudioDeviceError("The sound device does not start.", str(error)) from error

    def _start_guarded(self) -> None:
        """Start in a thread, as PortAudio on ALSA waits for ever if the device is gone when it is to start.

        Its callback thread then ends with a lock held that the starting thread wants. That one is left to itself,
        and so is the stream: to close it would wait as well.
        """
        over = self._starting = threading.Event()
        errors: list[Exception] = []

        def start() -> None:
            try:
                self._raw.start()
            except _portaudio_error() as error:
                errors.append(error)
            over.set()

        thread = threading.Thread(target=start, name="sound start", daemon=True)
        thread.start()
        over.wait(START_WITHIN_S)
        if self._stopping:  # it has ended already: PortAudio may be about to say so, or never
            thread.join(START_FAILS_WITHIN_S)
        self._starting = None
        if thread.is_alive():
            self._stopping = self._closed = True
            self._forget(self)
            _never_end_portaudio()
            raise AudioDeviceError("The sound device does not start.", "Connect it anew, or choose another one.")
        if errors:
            raise errors[0]
        if self._stopping:
            raise AudioDeviceError("The sound device does not start.", "Connect it anew, or choose another one.")

    def abort(self) -> None:
        """Be silent at once and stop."""
        self._stopping = True
        if not self._closed:
            # A device that is gone answers with an error, and is as silent as one can wish.
            self._raw.abort(ignore_errors=True)

    def close(self) -> None:
        """Give the device back."""
        if not self._closed:
            self._closed = self._stopping = True
            self._raw.close(ignore_errors=True)
            self._forget(self)

    def finished(self) -> None:
        """Take note that callbacks have ended; PortAudio's thread."""
        if self._stopping:
            return
        self._stopping = True
        starting = self._starting
        if starting is not None:
            starting.set()
        else:
            self._lost()

    def give_way(self) -> None:
        """Be closed, though the owner did not ask for it: it is told, and opens another when it needs one."""
        self.close()
        self._lost()


class SoundSystem:
    """PortAudio in this process. There is one: `sound_system()`."""

    def __init__(self) -> None:
        self._open: set[PortAudioStream] = set()
        self._devices: Devices | None = None

    def learn(self, devices: Devices | None) -> Devices:
        """Take over what somebody who follows the system says there is, and return it with what we hold ourselves.

        None: nobody follows it any more. ALSA, without a sound server, hides a device that is open from others.
        """
        if devices is not None and sys.platform == "linux" and not devices.moves_streams:
            devices = devices.joined_by(stream.device for stream in self._open if stream.running)
        self._devices = devices
        return devices if devices is not None else Devices()

    @property
    def has_server(self) -> bool:
        """Whether PortAudio reaches a sound server, which tells what comes and goes; no PortAudio has none."""
        try:
            return has_pulse(list(_sounddevice().query_devices()))
        except AudioDeviceError:
            return False

    def list_devices(self) -> Devices:
        """Return the microphones and loudspeakers there are; none is no error, no PortAudio is."""
        if self._devices is not None:
            return self._devices
        if has_pulse(list(_sounddevice().query_devices())):
            found = pulse_devices()
            if found is not None:
                return found
        return self.portaudio_list()

    def portaudio_list(self) -> Devices:
        """Return what PortAudio itself knows, since it was started or told to look anew."""
        sd = _sounddevice()
        return portaudio_devices(list(sd.query_devices()), list(sd.query_hostapis()))

    def refresh(self) -> bool:
        """Look for devices anew, which ends every open stream: refused while one runs; others give way."""
        sd = _sounddevice()
        if not sd._initialized or any(stream.running for stream in self._open):
            return False
        for stream in tuple(self._open):
            stream.give_way()
        sd._terminate()
        sd._initialize()
        return True

    def open_output(self, device: str | None, latency_s: float, fill: Fill, lost: Callable[[], None]) -> Stream:
        """Open a loudspeaker in the wire's format, or in its own."""
        clock = DeviceTime()

        def callback(stream: PortAudioStream, out: Any, times: Any, status: Any) -> None:
            now = time.monotonic()
            if status.output_underflow:
                stream.underflows += 1
            fill(memoryview(out), now, clock.monotonic(times.outputBufferDacTime, times.currentTime, now))

        return self._open_stream(Direction.OUTPUT, device, latency_s, callback, lost)

    def open_input(self, device: str | None, latency_s: float, take: Take, lost: Callable[[], None]) -> Stream:
        """Open a microphone in the wire's format, or in its own."""

        def callback(_stream: PortAudioStream, block: Any, _times: Any, _status: Any) -> None:
            take(bytes(block))

        return self._open_stream(Direction.INPUT, device, latency_s, callback, lost)

    def _open_stream(
        self,
        direction: Direction,
        name: str | None,
        latency_s: float,
        callback: Callable[[PortAudioStream, Any, Any, Any], None],
        lost: Callable[[], None],
    ) -> Stream:
        sd = _sounddevice()
        make = sd.RawOutputStream if direction is Direction.OUTPUT else sd.RawInputStream
        device = self._device(direction, name)
        refusal: Exception | None = None
        for wanted in self._formats(direction, device):
            stream = PortAudioStream(device, wanted, lost, self._open.discard)
            try:
                with _environment(device.environment):
                    raw = make(
                        device=device.index,
                        samplerate=wanted.rate_hz,
                        channels=wanted.channels,
                        dtype="int16",
                        blocksize=wanted.rate_hz * BLOCK_MS // 1000,
                        latency=latency_s,
                        extra_settings=_extra_settings(sd, device),
                        callback=stream.calling(callback),
                        finished_callback=stream.finished,
                    )
            except (sd.PortAudioError, ValueError) as error:
                refusal = error
                if _is_about_the_format(error):
                    continue
                break
            stream.attach(raw)
            self._open.add(stream)
            return stream
        raise AudioDeviceError(
            f"The {direction.noun} “{device.name}” cannot be opened.",
            "Another program may be using it: close that, or choose another device.",
        ) from refusal

    def _device(self, direction: Direction, name: str | None) -> Device:
        if name is None and self._devices is None and has_pulse(list(_sounddevice().query_devices())):
            # The server chooses, and moves the stream when its default changes.
            return Device(f"default {direction.noun}", direction, is_default=True, index="pulse")
        device = find_device(self.list_devices(), direction, name)
        if name is None and device.is_default and device.index == "pulse":
            device = replace(device, environment={})  # the same
        found = self._found_here(device)
        if found is None and self.refresh():
            found = self._found_here(device)
        if found is None:
            text = f"The {direction.noun} “{device.name}” cannot be used at this moment."
            raise AudioDeviceError(text, "It can once nothing else sounds or is recorded.")
        return found

    def _found_here(self, device: Device) -> Device | None:
        """Return the device as this process knows it: another one listed it, and PortAudio lists but once."""
        if device.index == "pulse":
            return device if has_pulse(list(_sounddevice().query_devices())) else None
        here = self.portaudio_list().of(device.direction)
        return next((other for other in here if other.name == device.name), None)

    def _formats(self, direction: Direction, device: Device) -> Iterator[Format]:
        """Yield what to try: the wire's own format, then what the device calls its own, then what most can."""
        yield WIRE
        sd = _sounddevice()
        try:
            info = sd.query_devices(device.index, direction.value)
        except (sd.PortAudioError, ValueError):
            return
        most = max(1, int(info[f"max_{direction.value}_channels"]))
        channels = [count for count in dict.fromkeys((1, 2, most)) if count <= most]
        rates = dict.fromkeys((WIRE.rate_hz, int(info["default_samplerate"]), *COMMON_RATES_HZ))
        for rate_hz in rates:
            for count in channels:
                if (wanted := Format(rate_hz, count)) != WIRE:
                    yield wanted


def _never_end_portaudio() -> None:
    """PortAudio has a stream that can never be closed: whoever ends PortAudio, as the process does, would wait."""
    _sounddevice()._initialized = 0


@functools.cache
def sound_system() -> SoundSystem:
    """Return the one `SoundSystem`: PortAudio's state belongs to the process, and so must whoever resets it."""
    return SoundSystem()


def _sounddevice() -> Any:
    try:
        import sounddevice
    except OSError as error:
        hint = (
            "Install it (on Debian and Ubuntu: sudo apt install libportaudio2) and start again; typing still works."
        )
        raise AudioDeviceError("The sound library PortAudio is missing.", hint) from error
    return sounddevice


def _portaudio_error() -> type[Exception]:
    error: type[Exception] = _sounddevice().PortAudioError
    return error


def _extra_settings(sd: Any, device: Device) -> Any:
    """Return what lets Windows' shared mode take the wire's rate: WASAPI refuses any but the mixer's own."""
    if sys.platform == "win32" and isinstance(device.index, int):
        api = sd.query_hostapis(sd.query_devices(device.index)["hostapi"])
        if api["name"] == "Windows WASAPI":
            return sd.WasapiSettings(auto_convert=True)
    return None


def _is_about_the_format(error: Exception) -> bool:
    """Whether another rate or number of channels may be taken: a device that is gone or busy takes none."""
    code = error.args[1] if len(error.args) > 1 else None
    return not isinstance(error, ValueError) and code not in (PA_INVALID_DEVICE, PA_DEVICE_UNAVAILABLE)


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the time of a `with`."""
    if not wanted:
        yield
        return
    with ENVIRONMENT:
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
