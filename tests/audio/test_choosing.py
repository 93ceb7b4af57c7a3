"""DeviceChoice: what is opened, what is told of it, and what becomes of an open stream."""

from __future__ import annotations

import pytest

from desktop_app.audio.choosing import Course, DeviceChoice
from desktop_app.audio.devices import Device, Devices, Direction
from desktop_app.audio.streams import Stream
from desktop_app.conversation.inputs import DeviceChanged
from desktop_app.errors import AudioDeviceError, Severity
from tests.audio.fake_sound import Clock, FakeSound, FakeStream

OUT = Direction.OUTPUT


def there(*names: str, default: str = "Speakers", server: bool = True, direction: Direction = OUT) -> Devices:
    found = tuple(Device(name, direction, is_default=name == default) for name in names)
    return Devices(
        inputs=found if direction is Direction.INPUT else (),
        outputs=found if direction is OUT else (),
        moves_streams=server,
    )


class Owner:
    """Opens streams as it is told, and reads what is said."""

    def __init__(self, wanted: str | None, direction: Direction = OUT) -> None:
        self.posted: list[DeviceChanged] = []
        self.opened: list[str | None] = []
        self.refused: set[str | None] = set()
        self.choice = DeviceChoice(direction, wanted, self.posted.append)

    def opens(self) -> None:
        self.choice.open(self._make)

    def _make(self, name: str | None) -> Stream:
        if name in self.refused:
            raise AudioDeviceError(f"The loudspeaker “{name}” cannot be opened.", "Close the other program.")
        self.opened.append(name)
        return FakeStream(FakeSound().format, lambda: None, Clock())

    def sees(self, devices: Devices, *, is_open: bool = True, in_use: bool = True) -> Course:
        return self.choice.changed(devices, is_open=is_open, in_use=in_use)

    @property
    def told(self) -> list[str]:
        return [f"{event.notice.text} {event.notice.hint}" for event in self.posted]


def test_the_wanted_device_is_opened_without_a_word() -> None:
    owner = Owner("Headset")
    owner.opens()
    assert owner.opened == ["Headset"]
    assert owner.told == []


def test_one_that_is_not_connected_is_stood_in_for_and_that_is_told_once() -> None:
    owner = Owner("Headset")
    owner.sees(there("Speakers"), is_open=False)
    owner.opens()
    owner.opens()
    assert owner.opened == [None, None]
    assert owner.told == [
        "The loudspeaker “Headset” is not connected. "
        "“Speakers” is used meanwhile; another one can be chosen in the menu."
    ]
    assert owner.posted[0].notice.severity is Severity.WARNING, "it stays as long as it holds"


def test_one_that_is_busy_is_stood_in_for() -> None:
    owner = Owner("Headset")
    owner.refused = {"Headset"}
    owner.sees(there("Headset", "Speakers"), is_open=False)
    owner.opens()
    assert owner.opened == [None]
    assert "“Headset” cannot be opened. “Speakers” is used meanwhile" in owner.told[0]


def test_nothing_to_open_is_an_error() -> None:
    owner = Owner("Headset")
    owner.refused = {"Headset", None}
    with pytest.raises(AudioDeviceError):
        owner.opens()
    assert owner.told == []


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (OUT, "The loudspeaker “Headset” went away. The answer goes on with “Speakers”."),
        (Direction.INPUT, "The microphone “Headset” went away. “Speakers” hears you now."),
    ],
)
def test_a_server_moves_the_stream_and_that_is_told(direction: Direction, words: str) -> None:
    owner = Owner("Headset", direction)
    owner.sees(there("Headset", "Speakers", direction=direction), is_open=False)
    owner.opens()
    course = owner.sees(there("Speakers", direction=direction))
    # A loudspeaker is stopped and started between answers, and then looks for the device that is gone.
    assert course is (Course.LEAVE if direction is OUT else Course.KEEP)
    assert owner.sees(there("Speakers", direction=direction)) is Course.KEEP
    assert owner.told == [words]


def test_its_return_is_taken_at_a_quiet_moment_and_told_when_it_is() -> None:
    owner = Owner("Headset")
    owner.sees(there("Headset", "Speakers"), is_open=False)
    owner.opens()
    owner.sees(there("Speakers"))
    assert owner.sees(there("Headset", "Speakers")) is Course.LEAVE
    assert len(owner.told) == 1
    owner.opens()
    assert owner.opened == ["Headset", "Headset"]
    assert owner.told[1:] == ["The loudspeaker “Headset” is back. It is used again."]
    assert owner.sees(there("Headset", "Speakers")) is Course.KEEP


def test_its_return_while_nothing_is_open_is_told_at_once_and_only_once() -> None:
    owner = Owner("Headset")
    owner.sees(there("Speakers"), is_open=False)
    owner.opens()
    owner.sees(there("Headset", "Speakers"), is_open=False)
    owner.opens()
    assert owner.told[1:] == ["The loudspeaker “Headset” is back. It is used again."]


def test_without_a_server_a_device_that_goes_takes_its_stream_along() -> None:
    owner = Owner("Headset")
    owner.sees(there("Headset", "Speakers", server=False), is_open=False)
    owner.opens()
    assert owner.sees(there("Speakers", server=False)) is Course.LOST
    owner.choice.lost()
    owner.opens()
    assert owner.told == ["The loudspeaker “Headset” went away. The answer goes on with “Speakers”."]


def test_nothing_left_is_a_loss_and_the_wait_is_told_once() -> None:
    owner = Owner(None)
    owner.sees(there("Speakers"), is_open=False)
    owner.opens()
    assert owner.sees(there()) is Course.LOST
    owner.choice.lost()
    owner.choice.waits()
    owner.choice.waits()
    owner.sees(there("Speakers"), is_open=False)
    owner.opens()
    assert owner.told == [
        "The loudspeaker “Speakers” went away. Connect one, and the answer goes on where you heard it last.",
        "The loudspeaker “Speakers” is back. It is used again.",
    ]


def test_a_server_that_was_away_for_a_moment_is_not_worth_a_word() -> None:
    owner = Owner(None)
    owner.sees(there("Speakers"), is_open=False)
    owner.opens()
    owner.choice.lost()
    owner.opens()
    assert owner.told == []


def test_another_default_is_followed() -> None:
    with_server, without = Owner(None), Owner(None)
    for owner, server in ((with_server, True), (without, False)):
        owner.sees(there("Speakers", "Headset", server=server), is_open=False)
        owner.opens()

    def both(server: bool) -> Devices:
        return there("Speakers", "Headset", default="Headset", server=server)

    assert with_server.sees(both(True)) is Course.KEEP, "the server moves it"
    assert without.sees(both(False)) is Course.LEAVE
    assert with_server.told == without.told == []


def test_another_wish_forgets_the_old_one() -> None:
    owner = Owner("Headset")
    owner.sees(there("Speakers"), is_open=False)
    owner.opens()
    assert owner.choice.want(None)
    assert not owner.choice.want(None)
    owner.opens()
    assert len(owner.told) == 1


def test_a_stream_that_chose_the_default_by_its_name_is_moved_by_the_server_and_comes_back() -> None:
    owner = Owner("Headset")
    owner.sees(there("Speakers", "Headset", default="Headset"), is_open=False)
    owner.opens()
    assert owner.sees(there("Speakers", "Headset", default="Speakers")) is Course.LEAVE
    owner.opens()
    assert owner.sees(there("Speakers", "Headset", default="Speakers")) is Course.KEEP
    assert owner.told == []


@pytest.mark.parametrize("wanted", ["head", None])
def test_what_was_opened_before_anybody_knew_the_names_is_known_by_its_own(wanted: str | None) -> None:
    owner = Owner(wanted)
    owner.opens()
    both = there("Speakers", "Headset")
    assert owner.sees(both) is Course.KEEP
    assert owner.told == []
    assert owner.sees(there("Speakers", "Headset", "Earbuds")) is Course.KEEP
