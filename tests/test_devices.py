"""What the settings offer of the devices there are."""

from __future__ import annotations

from desktop_app.audio.devices import Device, Devices, Direction
from desktop_app.devices import choices

OUT = Direction.OUTPUT
DEVICES = Devices(outputs=(Device("Speakers", OUT, is_default=True), Device("USB Headset", OUT, alias="usb.1")))


def test_the_default_comes_first_with_its_name() -> None:
    assert choices(DEVICES, OUT, "") == [
        ("", "The system's default (Speakers)"),
        ("Speakers", "Speakers"),
        ("USB Headset", "USB Headset"),
    ]


def test_a_chosen_device_that_is_not_there_keeps_its_place() -> None:
    assert choices(DEVICES, OUT, "Earbuds")[-1] == ("Earbuds", "Earbuds (not connected)")


def test_a_device_chosen_by_a_part_of_its_name_is_shown_by_its_name() -> None:
    assert ("usb", "USB Headset") in choices(DEVICES, OUT, "usb")


def test_while_nobody_knows_nothing_is_said_to_be_missing() -> None:
    assert choices(None, OUT, "Earbuds") == [("", "The system's default"), ("Earbuds", "Earbuds")]


def test_nothing_connected_leaves_the_default() -> None:
    assert choices(Devices(), OUT, "") == [("", "The system's default")]
