"""DeviceWatch: a sound server that is told apart from none, devices that come and go, and an end in time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.audio.devices import Device, Devices, Direction
from desktop_app.audio.watching import ChildWatcher, DeviceWatch, Listed, ServerWatcher, Watcher
from tests.audio.fake_sound import until
from tests.harness.sound import VirtualSound

WITHIN_S = 20.0
"""A child starts an interpreter and a PortAudio, on a machine that may be busy."""


@pytest.fixture
def own_sound(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualSound]:
    """A server of this test's own: it is killed."""
    if sys.platform != "linux":
        pytest.skip("PulseAudio")
    with VirtualSound() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


class Follower:
    """What a watch told."""

    def __init__(self, watcher: Watcher) -> None:
        self.told: list[Devices] = []
        self._watch = DeviceWatch(asyncio.get_running_loop(), self.told.append, watcher)

    def __enter__(self) -> Follower:
        self._watch.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.close()
        assert not self._watch._thread.is_alive()

    @property
    def outputs(self) -> list[str]:
        return [device.name for device in self.told[-1].outputs] if self.told else []

    @property
    def default(self) -> str:
        return next((d.name for d in self.told[-1].outputs if d.is_default), "") if self.told else ""


@pytest.mark.sound
async def test_the_server_tells_what_comes_and_goes(own_sound: VirtualSound) -> None:
    with Follower(ServerWatcher()) as follower:
        await until(lambda: follower.told, WITHIN_S)
        assert follower.told[0].moves_streams
        assert [device.name for device in follower.told[0].inputs] == ["va_mic"], "no monitors"
        own_sound.add_sink("headset")
        await until(lambda: "headset" in follower.outputs, WITHIN_S)
        own_sound.set_default_sink("headset")
        await until(lambda: follower.default == "headset", WITHIN_S)
        own_sound.remove("headset")
        await until(lambda: "headset" not in follower.outputs and follower.default == "va_speaker", WITHIN_S)


@pytest.mark.sound
async def test_a_server_that_dies_and_returns_is_followed(own_sound: VirtualSound) -> None:
    with Follower(ServerWatcher()) as follower:
        await until(lambda: "va_speaker" in follower.outputs, WITHIN_S)
        own_sound.kill_server()
        await until(lambda: follower.told[-1] == Devices(), WITHIN_S)
        own_sound.start_server()
        await until(lambda: "va_speaker" in follower.outputs, WITHIN_S)


@pytest.mark.sound
async def test_a_server_that_hangs_holds_nothing_up(own_sound: VirtualSound) -> None:
    assert own_sound._server is not None
    follower = Follower(ServerWatcher())
    follower._watch.open()
    await until(lambda: follower.told, WITHIN_S)
    own_sound._server.send_signal(19)  # SIGSTOP
    try:
        follower._watch.close()
    finally:
        own_sound._server.send_signal(18)  # SIGCONT
    await until(lambda: not follower._watch._thread.is_alive(), WITHIN_S)


@pytest.mark.sound
async def test_without_a_server_a_child_looks(own_sound: VirtualSound) -> None:
    with Follower(ChildWatcher()) as follower:
        await until(lambda: "va_speaker" in follower.outputs, WITHIN_S)
        assert not follower.told[-1].moves_streams
        own_sound.add_sink("headset")
        await until(lambda: "headset" in follower.outputs, WITHIN_S)
        own_sound.remove("headset")
        await until(lambda: "headset" not in follower.outputs, WITHIN_S)


async def test_a_child_that_says_nonsense_or_nothing_is_no_harm(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text("print('ALSA lib: nothing found'); print('{\"outputs\": [\"Speakers\"]}', flush=True)")
    with Follower(ChildWatcher([sys.executable, str(script)])) as follower:
        await until(lambda: follower.told, WITHIN_S)
    assert follower.outputs == ["Speakers"]


def test_a_child_is_given_no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    seen = tmp_path / "seen"
    script = tmp_path / "child.py"
    script.write_text(f"import os; open({str(seen)!r}, 'w').write(repr(dict(os.environ)))")
    child = ChildWatcher([sys.executable, str(script)])._start()
    child.communicate()
    assert "SOME_API_KEY" not in seen.read_text()


def test_what_a_child_lists_is_what_there_is() -> None:
    devices = Devices(
        (Device("Mic", Direction.INPUT, is_default=True),),
        (Device("Speakers", Direction.OUTPUT), Device("Headset", Direction.OUTPUT, is_default=True)),
    )
    assert Listed.of(devices).devices() == devices
