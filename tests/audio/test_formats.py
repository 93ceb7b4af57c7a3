"""Devices that refuse the wire's format: first a PortAudio that says no, then real streams on a sound server."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from desktop_app.audio import streams
from desktop_app.audio.devices import Device, Devices, Direction
from desktop_app.audio.microphone import Microphone
from desktop_app.audio.pcm import WIRE, Format
from desktop_app.audio.speaker import Speaker
from desktop_app.audio.streams import PA_DEVICE_UNAVAILABLE, SoundSystem
from desktop_app.conversation.inputs import Input, MicBlock, MicClosed, MicStarted
from desktop_app.errors import AudioDeviceError
from desktop_app.protocol.items import PartId
from tests.audio.fake_sound import until
from tests.audio.listening import located
from tests.bench.sound import noise
from tests.harness.sound import VirtualSound

A = PartId("item_a")
INVALID_RATE = -9997


class PortAudioError(Exception):
    """As `sounddevice` raises it."""


class CallbackAbort(Exception):
    """As a callback of `sounddevice` raises it to be called no more."""


class RawStream:
    """As `sounddevice` makes it."""

    latency = 0.04

    def __init__(self, sd: Sounddevice, device: object, wanted: Format) -> None:
        self.device = device
        self.format = wanted
        self.closed = False
        self._sd = sd

    def start(self) -> None:
        assert not self.closed
        self._sd.start()

    def abort(self, *, ignore_errors: bool) -> None:
        assert ignore_errors

    def close(self, *, ignore_errors: bool) -> None:
        assert ignore_errors
        self.closed = True


class Sounddevice:
    """One device, and what it takes; it is PortAudio that starts anew when it is told to look again."""

    PortAudioError = PortAudioError
    CallbackAbort = CallbackAbort
    callback: Callable[..., None]
    _initialized = 1

    def __init__(self, *takes: Format, rate_hz: int = 48_000, channels: int = 2, busy: bool = False) -> None:
        self.takes = takes
        self.names = ["Speakers"]
        self.plugged = ["Speakers"]
        self.tried: list[Format] = []
        self.opened: list[RawStream] = []
        self.refusal = PA_DEVICE_UNAVAILABLE if busy else INVALID_RATE
        self.start: Callable[[], object] = lambda: None
        self._entry = {"default_samplerate": float(rate_hz), "hostapi": 0}
        self._channels = channels

    def query_devices(self, device: object = None, kind: object = None) -> Any:
        entries = [self._device(number, name) for number, name in enumerate(self.names)]
        return entries[device] if isinstance(device, int) else entries

    def query_hostapis(self) -> Any:
        numbers = list(range(len(self.names)))
        return [
            {"name": "Core Audio", "devices": numbers, "default_output_device": 0, "default_input_device": 0},
        ]

    def _device(self, number: int, name: str) -> dict[str, Any]:
        channels = {"max_input_channels": self._channels, "max_output_channels": self._channels}
        return {"name": name, "index": number, **channels, **self._entry}

    def RawOutputStream(self, *, device: object, samplerate: int, channels: int, **more: Any) -> RawStream:
        wanted = Format(samplerate, channels)
        self.callback = more["callback"]
        self.tried.append(wanted)
        if wanted not in self.takes:
            raise PortAudioError("Error opening: no", self.refusal)
        self.opened.append(RawStream(self, device, wanted))
        return self.opened[-1]

    RawInputStream = RawOutputStream

    def _terminate(self) -> None:
        assert all(stream.closed for stream in self.opened), "it would end them"

    def _initialize(self) -> None:
        self.names = list(self.plugged)


Use = Callable[[Sounddevice], SoundSystem]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    def with_fake(sounddevice: Sounddevice) -> SoundSystem:
        monkeypatch.setattr(streams, "_sounddevice", lambda: sounddevice)
        return SoundSystem()

    return with_fake


def opened(
    system: SoundSystem, direction: Direction = Direction.OUTPUT, device: str | None = None
) -> streams.Stream:
    if direction is Direction.OUTPUT:
        return system.open_output(device, 0.04, lambda *_: None, lambda: None)
    return system.open_input(device, 0.02, lambda _: None, lambda: None)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize(
    "takes",
    [
        Format(24_000, 2),
        Format(48_000, 1),
        Format(44_100, 2),
        Format(16_000, 1),
        Format(8_000, 8),
        Format(96_000, 8),
    ],
)
def test_a_device_that_takes_one_format_only_is_opened_in_it(use: Use, direction: Direction, takes: Format) -> None:
    system = use(Sounddevice(takes, channels=8))
    assert opened(system, direction).format == takes


def test_the_wires_own_format_is_tried_first_and_nothing_more_channels_than_there_are(use: Use) -> None:
    sounddevice = Sounddevice(Format(44_100, 1), rate_hz=44_100, channels=1)
    assert opened(use(sounddevice)).format == Format(44_100, 1)
    assert sounddevice.tried == [WIRE, Format(44_100, 1)]


def test_a_busy_device_is_refused_at_once_with_a_next_step(use: Use) -> None:
    sounddevice = Sounddevice(busy=True)
    with pytest.raises(AudioDeviceError, match=r"“Speakers” cannot be opened. Another program may be using it"):
        opened(use(sounddevice))
    assert sounddevice.tried == [WIRE]


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA's way to fail")
def test_a_start_that_never_returns_is_given_up(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "START_WITHIN_S", 0.05)
    for_ever = threading.Event()
    sounddevice = Sounddevice(WIRE)
    sounddevice.start = for_ever.wait
    system = use(sounddevice)
    try:
        stream = opened(system)
        with pytest.raises(AudioDeviceError, match="does not start"):
            stream.start()
        stream.abort()
        stream.close()
        assert not sounddevice.opened[0].closed, "closing would wait for ever, too"
        assert not system.refresh(), "and so would ending PortAudio"
        with pytest.raises(CallbackAbort):  # it has started after all
            sounddevice.callback(memoryview(bytearray(960)), 480, None, None)
        sounddevice.start = lambda: None
        opened(system).start()
    finally:
        for_ever.set()


def test_a_start_that_fails_is_a_sentence(use: Use) -> None:
    def fail() -> None:
        raise PortAudioError("Error starting stream", -9999)

    sounddevice = Sounddevice(WIRE)
    sounddevice.start = fail
    with pytest.raises(AudioDeviceError, match="The sound device does not start"):
        opened(use(sounddevice)).start()


# --- devices that PortAudio does not know yet ---------------------------------------------------


def listed(*names: str) -> Devices:
    return Devices(outputs=tuple(Device(name, Direction.OUTPUT, is_default=name == names[0]) for name in names))


def test_a_new_device_is_looked_for_when_it_is_wanted_and_idle_streams_give_way(use: Use) -> None:
    sounddevice = Sounddevice(WIRE)
    system = use(sounddevice)
    told: list[str] = []
    idle = system.open_output(None, 0.04, lambda *_: None, lambda: told.append("lost"))
    sounddevice.plugged = ["Speakers", "Headset"]
    system.learn(listed("Speakers", "Headset"))
    opened(system, device="Headset")
    assert sounddevice.opened[-1].device == 1
    assert told == ["lost"]
    with pytest.raises(AudioDeviceError):
        idle.start()
    idle.close()


def test_a_new_device_is_not_looked_for_while_something_sounds(use: Use) -> None:
    sounddevice = Sounddevice(WIRE)
    system = use(sounddevice)
    running = opened(system)
    running.start()
    sounddevice.plugged = ["Speakers", "Headset"]
    system.learn(listed("Speakers", "Headset"))
    with pytest.raises(AudioDeviceError, match="“Headset” cannot be used at this moment"):
        opened(system, device="Headset")
    assert not sounddevice.opened[0].closed
    running.abort()
    opened(system, device="Headset")


def test_a_device_that_is_held_by_us_is_there_though_alsa_hides_it(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    system = use(Sounddevice(WIRE))
    stream = opened(system)
    stream.start()
    assert [device.name for device in system.learn(listed("Headset")).outputs] == ["Headset", "Speakers"]
    stream.abort()
    assert system.learn(listed("Headset")) == listed("Headset")


def test_of_nothing_at_all_it_says_so(use: Use) -> None:
    system = use(Sounddevice(WIRE))
    system.learn(Devices())
    with pytest.raises(AudioDeviceError, match="No loudspeaker was found"):
        opened(system)


# --- a real sound server ------------------------------------------------------------------------

REPLY = noise(2500, seed=5)
HEARD_WITHIN_MS = 20


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[Format], None]:
    """Let devices refuse all formats but one."""

    def take(wanted: Format) -> None:
        def formats(*_: object) -> Iterator[Format]:
            yield wanted

        monkeypatch.setattr(SoundSystem, "_formats", formats)

    return take


@pytest.mark.sound
@pytest.mark.parametrize(
    ("device", "sample_format"),
    [
        (Format(44_100, 2), "s16le"),
        (Format(48_000, 6), "float32le"),
        (Format(16_000, 1), "s16le"),
        (Format(8_000, 2), "float32le"),
    ],
)
async def test_what_is_heard_is_told_right_by_devices_of_all_formats(
    sound: VirtualSound, only: Callable[[Format], None], device: Format, sample_format: str
) -> None:
    only(device)
    sound.add_sink("other", rate_hz=device.rate_hz, channels=device.channels, sample_format=sample_format)
    try:
        with sound.record("other.monitor") as recorder:
            speaker = Speaker(lambda _: None, sound=SoundSystem(), device="other")
            speaker.play(A, REPLY)
            speaker.end(A)
            await asyncio.to_thread(recorder.wait_for_sound)
            await until(lambda: speaker.heard()[0].ms > 900, 20)
            (heard,) = speaker.stop()
            await asyncio.to_thread(recorder.wait_for_silence, 0.3)
            speaker.close()
        truth = located(recorder.samples, REPLY)
        assert truth is not None
        assert abs(heard.ms - truth.end_ms) <= HEARD_WITHIN_MS
        assert truth.begin_ms <= 5
    finally:
        sound.remove("other")


@pytest.mark.sound
@pytest.mark.parametrize("device", [Format(44_100, 2), Format(48_000, 4), Format(16_000, 1), Format(8_000, 1)])
async def test_what_is_said_arrives_whole_from_microphones_of_all_formats(
    sound: VirtualSound, only: Callable[[Format], None], device: Format
) -> None:
    only(device)
    posted: list[Input] = []
    microphone = Microphone(posted.append, sound=SoundSystem())
    microphone.open()
    await until(lambda: MicStarted() in posted, 20)
    await asyncio.to_thread(sound.play, REPLY)
    microphone.close()
    await until(lambda: MicClosed() in posted, 20)
    microphone.shutdown()
    got = np.frombuffer(b"".join(event.pcm for event in posted if isinstance(event, MicBlock)), np.int16)
    truth = located(got, REPLY)
    assert truth is not None
    assert truth.begin_ms <= 5
    assert truth.end_ms >= 2495
    assert truth.lost_ms <= 1, "nothing is missing or repeated in between"
