from __future__ import annotations

import sys

import pytest

from desktop_app.audio.devices import Device, Devices, Direction, find_device, portaudio_devices, unique_names
from desktop_app.audio.streams import SoundSystem
from desktop_app.errors import AudioDeviceError
from tests.harness.sound import VirtualSound

MICS = Devices(
    inputs=(
        Device("Headset Microphone", Direction.INPUT, alias="usb_mic"),
        Device("Webcam Microphone", Direction.INPUT, is_default=True, alias="webcam"),
    ),
    outputs=(Device("Speakers", Direction.OUTPUT),),
)


def entry(index: int, name: str, api: int, inputs: int, outputs: int) -> dict[str, object]:
    return {
        "index": index,
        "name": name,
        "hostapi": api,
        "max_input_channels": inputs,
        "max_output_channels": outputs,
        "default_samplerate": 48_000.0,
    }


def api(name: str, devices: list[int], default_input: int, default_output: int) -> dict[str, object]:
    return {
        "name": name,
        "devices": devices,
        "default_input_device": default_input,
        "default_output_device": default_output,
    }


# --- choosing -----------------------------------------------------------------------------------


def test_no_name_means_the_default() -> None:
    assert find_device(MICS, Direction.INPUT, None).name == "Webcam Microphone"


@pytest.mark.parametrize(
    "name", ["Headset Microphone", "headset microphone", "Headset", "usb_mic", "usb", " headset "]
)
def test_a_name_a_part_of_it_or_the_technical_name_will_do(name: str) -> None:
    assert find_device(MICS, Direction.INPUT, name).alias == "usb_mic"


def test_an_exact_name_wins_over_longer_ones() -> None:
    devices = Devices(outputs=(Device("Speakers 2", Direction.OUTPUT), Device("Speakers", Direction.OUTPUT)))
    assert find_device(devices, Direction.OUTPUT, "speakers").name == "Speakers"


def test_an_unknown_name_is_refused_with_what_there_is() -> None:
    with pytest.raises(AudioDeviceError) as caught:
        find_device(MICS, Direction.INPUT, "Studio")
    assert str(caught.value) == (
        "There is no microphone “Studio”. Choose one of “Headset Microphone”, “Webcam Microphone”."
    )


def test_an_ambiguous_name_is_refused_with_those_that_fit() -> None:
    with pytest.raises(AudioDeviceError, match="Several microphones fit “microphone”"):
        find_device(MICS, Direction.INPUT, "microphone")


@pytest.mark.parametrize(
    ("direction", "word"), [(Direction.INPUT, "microphone"), (Direction.OUTPUT, "loudspeaker")]
)
def test_nothing_at_all_is_a_sentence_with_a_next_step(direction: Direction, word: str) -> None:
    with pytest.raises(AudioDeviceError, match=f"No {word} was found. Connect one"):
        find_device(Devices(), direction, None)


# --- PortAudio's list ---------------------------------------------------------------------------


def test_windows_lists_each_device_once_by_its_best_host_api() -> None:
    listed = [
        entry(0, "Microphone (USB Headset", 0, 1, 0),
        entry(1, "Speakers (USB Headset", 0, 0, 2),
        entry(2, "Speakers (USB Headset)", 1, 0, 2),
        entry(3, "Microphone (USB Headset)", 1, 1, 0),
    ]
    found = portaudio_devices(listed, [api("MME", [0, 1], 0, 1), api("Windows WASAPI", [2, 3], 3, 2)])
    assert found.inputs == (Device("Microphone (USB Headset)", Direction.INPUT, is_default=True, index=3),)
    assert found.outputs == (Device("Speakers (USB Headset)", Direction.OUTPUT, is_default=True, index=2),)


def test_alsa_lists_devices_without_its_plumbing() -> None:
    names = ["HDA Intel PCH: ALC257 Analog (hw:0,0)", "sysdefault", "front", "surround51", "dmix", "default"]
    listed = [entry(number, name, 0, 0, 2) for number, name in enumerate(names)]
    found = portaudio_devices(listed, [api("ALSA", [0, 1, 2, 3, 4, 5], -1, 5)])
    assert [device.name for device in found.outputs] == ["HDA Intel PCH: ALC257 Analog"]


def test_alsa_with_nothing_but_plumbing_lists_that() -> None:
    found = portaudio_devices([entry(0, "default", 0, 32, 32)], [api("ALSA", [0], 0, 0)])
    assert [device.name for device in found.inputs] == ["default"]


def test_no_device_and_no_host_api_are_empty_lists() -> None:
    assert portaudio_devices([], []) == Devices()
    assert portaudio_devices([], [api("ALSA", [], -1, -1)]) == Devices()


def test_devices_of_one_name_are_told_apart() -> None:
    assert unique_names(["USB Audio", "HDMI", "USB Audio"]) == ["USB Audio", "HDMI", "USB Audio (2)"]


# --- a real sound server ------------------------------------------------------------------------


@pytest.mark.sound
@pytest.mark.skipif(sys.platform != "linux", reason="PulseAudio")
def test_the_sound_servers_own_names_are_listed_without_monitors(sound: VirtualSound) -> None:
    sound.add_sink("second_speaker")
    try:
        found = SoundSystem().list_devices()
    finally:
        sound.remove("second_speaker")
    assert [(device.name, device.is_default) for device in found.inputs] == [("va_mic", True)]
    assert ("va_speaker", True) in [(device.name, device.is_default) for device in found.outputs]
    assert ("second_speaker", False) in [(device.name, device.is_default) for device in found.outputs]
