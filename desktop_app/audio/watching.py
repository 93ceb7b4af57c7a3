"""DeviceWatch: follows which microphones and loudspeakers there are, and cuts no sound for it.

PortAudio lists devices once, when it starts, and starting it again ends every open stream. So somebody else looks:
where there is a sound server (PulseAudio, or PipeWire in its place), it tells what comes and goes, and a thread
listens to it; elsewhere a child process looks every two seconds with a PortAudio of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from desktop_app.audio.devices import Device, Devices, Direction, connected_pulse, devices_of, pulse_failures
from desktop_app.audio.handover import Handover

RETRY_S = 0.5
"""The pause before another attempt to reach a sound server that went away."""

LOOK_EVERY_S = 2.0
CHILD_RETRY_S = 10.0
MAX_CHILDREN = 5
"""A child that cannot look is not started for ever."""

ENDS_WITHIN_S = 1.0

if sys.platform == "win32":
    _NO_WINDOW = subprocess.CREATE_NO_WINDOW
else:
    _NO_WINDOW = 0

Tell = Callable[[Devices], None]


class Watcher(Protocol):
    """Looks, in a thread of its own."""

    def run(self, tell: Tell) -> None:
        """Tell what there is, at first and after each change, until stopped."""
        ...

    def stop(self) -> None:
        """Let `run` return soon; by another thread, more than once if need be."""
        ...


class DeviceWatch:
    """Tells the loop what there is; loop thread only."""

    def __init__(self, loop: AbstractEventLoop, changed: Tell, watcher: Watcher) -> None:
        self._handover: Handover[Devices] = Handover(loop, changed)
        self._watcher = watcher
        self._last: Devices | None = None
        self._thread = threading.Thread(target=self._run, name="device watch", daemon=True)

    def open(self) -> None:
        """Begin; what there is comes at once, then every change."""
        self._thread.start()

    def close(self) -> None:
        """Tell nothing more, and end the thread; one that hangs in the system ends with the process."""
        self._handover.close()
        for _ in range(round(ENDS_WITHIN_S / 0.01)):
            if not self._thread.is_alive():
                break
            self._watcher.stop()
            self._thread.join(0.01)

    def _run(self) -> None:
        self._watcher.run(self._tell)

    def _tell(self, devices: Devices) -> None:
        if devices != self._last:
            self._last = devices
            self._handover.put(devices)


class ServerWatcher:
    """Listens to the sound server; without one there are no devices, until there is."""

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._listening: Any = None

    def run(self, tell: Tell) -> None:
        """See Watcher."""
        while not self._ending.is_set():
            try:
                with connected_pulse() as pulse:
                    self._listen(pulse, tell)
            except pulse_failures():
                if not self._ending.is_set():
                    tell(Devices())
            self._ending.wait(RETRY_S)

    def stop(self) -> None:
        """See Watcher."""
        self._ending.set()
        with self._lock:
            if self._listening is not None:
                self._listening.event_listen_stop()

    def _listen(self, pulse: Any, tell: Tell) -> None:
        import pulsectl

        happened = False

        def changed(_event: object) -> None:
            nonlocal happened
            happened = True
            raise pulsectl.PulseLoopStop

        pulse.event_mask_set("sink", "source", "server")
        pulse.event_callback_set(changed)
        try:
            while not self._ending.is_set():
                happened = False
                tell(devices_of(pulse))
                if happened:  # while they were listed: nobody stops to listen for that any more
                    continue
                with self._lock:
                    self._listening = pulse
                pulse.event_listen()
                with self._lock:
                    self._listening = None
        finally:
            with self._lock:
                self._listening = None


# --- without a sound server ---------------------------------------------------------------------


class Listed(msgspec.Struct, frozen=True):
    """A line that the child prints: the names of the devices, and which are the defaults."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    default_input: str = ""
    default_output: str = ""

    @classmethod
    def of(cls, devices: Devices) -> Listed:
        """Return what tells of these devices."""

        def default(there: Sequence[Device]) -> str:
            return next((device.name for device in there if device.is_default), "")

        inputs, outputs = (tuple(d.name for d in devices.of(direction)) for direction in Direction)
        return cls(inputs, outputs, default(devices.inputs), default(devices.outputs))

    def devices(self) -> Devices:
        """Return the devices that are told of; their places in PortAudio's list are another process's."""

        def of(names: Sequence[str], direction: Direction, default: str) -> tuple[Device, ...]:
            return tuple(Device(name, direction, is_default=name == default) for name in names)

        return Devices(
            of(self.inputs, Direction.INPUT, self.default_input),
            of(self.outputs, Direction.OUTPUT, self.default_output),
        )


class ChildWatcher:
    """Lets a child process look."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = list(command) if command is not None else child_command()
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, tell: Tell) -> None:
        """See Watcher."""
        for _ in range(MAX_CHILDREN):
            with self._lock:
                if self._ending.is_set():
                    return
                self._child = child = self._start()
            self._read(child, tell)
            child.wait()
            if self._ending.wait(CHILD_RETRY_S):
                return

    def stop(self) -> None:
        """See Watcher."""
        self._ending.set()
        with self._lock:
            if self._child is not None and self._child.poll() is None:
                self._child.terminate()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_TOKEN"))}
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,  # never written to: its end tells the child that we are gone
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # PortAudio and ALSA talk to themselves
            env=environment,
            creationflags=_NO_WINDOW,
        )

    def _read(self, child: subprocess.Popen[bytes], tell: Tell) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        with child.stdin, child.stdout:
            for line in child.stdout:
                with contextlib.suppress(msgspec.DecodeError):  # a library may print, too
                    tell(msgspec.json.decode(line, type=Listed).devices())


def child_command() -> list[str]:
    """Return the command line of the child: this program again, without its window."""
    frozen = getattr(sys, "frozen", False)
    program = [sys.executable] if frozen else [sys.executable, str(Path(__file__).parents[2] / "main.py")]
    return [*program, "--list-devices"]


def list_devices() -> int:
    """Be the child: print what there is, at first and after each change, until the parent is gone."""
    from desktop_app.audio.streams import SoundSystem

    parent_gone = threading.Event()

    def wait_for_the_end() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        parent_gone.set()

    threading.Thread(target=wait_for_the_end, name="parent", daemon=True).start()
    system, last = SoundSystem(), None
    while not parent_gone.is_set():
        listed = Listed.of(system.portaudio_list())
        if listed != last:
            last = listed
            print(msgspec.json.encode(listed).decode(), flush=True)
        parent_gone.wait(LOOK_EVERY_S)
        system.refresh()
    return 0
