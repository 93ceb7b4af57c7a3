"""Sleep and another network: told from the clocks, by systemd, by Qt; and nothing is told when nothing happened."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtNetwork import QNetworkInformation
from pytestqt.qtbot import QtBot

from desktop_app.conversation.inputs import Input, NetworkChanged, Resumed
from desktop_app.wakefulness import LOOK_EVERY_S, Clocks, Wakefulness, read_clocks, slept_s


@pytest.mark.parametrize(
    ("awake_s", "always_s", "slept"),
    [
        (2.0, 2.0, 0),
        (2.0, 602.0, 600),
        (602.0, 602.0, 600),
        (5.5, 5.5, 0),
        (2.0, -3600.0, 0),
        (0.0, 0.0, 0),
    ],
    ids=["awake", "the clock stood still", "it went on and the look was late", "busy", "set back", "at once"],
)
def test_a_sleep_is_told_from_two_clocks(awake_s: float, always_s: float, slept: float) -> None:
    before = Clocks(100.0, 5_000.0)
    after = Clocks(100.0 + awake_s, 5_000.0 + always_s)
    assert slept_s(before, after, due_s=LOOK_EVERY_S) == pytest.approx(slept)


def test_the_clocks_go_forward() -> None:
    before = read_clocks()
    after = read_clocks()
    assert after.awake_s >= before.awake_s
    assert after.always_s >= before.always_s


class Watched:
    """A watch over clocks of the test's own."""

    def __init__(self) -> None:
        self.posted: list[Input] = []
        self.now = Clocks(0.0, 0.0)
        self.watch = Wakefulness(self.posted.append, clocks=lambda: self.now)
        self.watch.open()

    @property
    def sleeps(self) -> list[Resumed]:
        return [event for event in self.posted if isinstance(event, Resumed)]


@pytest.fixture
def watched(qtbot: QtBot) -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.watch.close()


def test_a_sleep_is_posted_once(watched: Watched) -> None:
    watched.now = Clocks(2.0, 3602.0)
    watched.watch.look()
    watched.watch.look()
    assert watched.sleeps == [Resumed(3600.0)]


def test_it_looks_by_itself(watched: Watched, qtbot: QtBot) -> None:
    watched.watch._timer.setInterval(1)
    watched.now = Clocks(2.0, 3602.0)
    qtbot.waitUntil(lambda: bool(watched.sleeps), timeout=20_000)


def test_several_words_about_the_network_are_one(watched: Watched, qtbot: QtBot) -> None:
    if watched.watch._network is None:
        pytest.skip("Qt has nobody to ask about the network here")
    for _ in range(3):
        watched.watch._network_changed(QNetworkInformation.Reachability.Online)
    qtbot.waitUntil(lambda: bool(watched.posted), timeout=20_000)
    told = [event for event in watched.posted if isinstance(event, NetworkChanged)]
    assert len(told) == 1


def test_nothing_is_posted_after_the_end(qtbot: QtBot) -> None:
    watched = Watched()
    watched.watch._network_changed(None)
    watched.watch.close()
    assert not watched.watch._timer.isActive()
    assert not watched.watch._settle.isActive()


# --- systemd, on a bus of the test's own -----------------------------------------------------------

LOGIND = """
import sys
from PySide6.QtCore import QCoreApplication
from PySide6.QtDBus import QDBusConnection, QDBusMessage
application = QCoreApplication([])
bus = QDBusConnection.systemBus()
assert bus.registerService("org.freedesktop.login1"), bus.lastError().message()
print("ready", flush=True)
for line in sys.stdin:
    signal = QDBusMessage.createSignal(
        "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep")
    signal.setArguments([line.strip() == "sleep"])
    assert bus.send(signal)
    print("sent", flush=True)
"""
CLIENT = """
import os, subprocess, sys, time
from PySide6.QtCore import QCoreApplication, QEventLoop
from desktop_app.wakefulness import Wakefulness
from desktop_app.conversation.inputs import Resumed
application = QCoreApplication([])
logind = subprocess.Popen([sys.executable, "-c", os.environ["LOGIND"]], stdin=-1, stdout=-1, text=True)
try:
    assert logind.stdout.readline() == "ready\\n"
    posted = []
    watch = Wakefulness(posted.append)
    watch.open()
    for word in ("sleep", "wake"):
        logind.stdin.write(word + "\\n")
        logind.stdin.flush()
        assert logind.stdout.readline() == "sent\\n"
    until = time.monotonic() + 30
    while not [event for event in posted if isinstance(event, Resumed)] and time.monotonic() < until:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 100)
    watch.close()
    print(len([event for event in posted if isinstance(event, Resumed)]))
finally:
    logind.stdin.close()
    logind.wait(30)
"""
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/>
<allow send_type="signal"/><allow receive_type="signal"/></policy></busconfig>
"""


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("dbus-daemon") is None, reason="there is no bus without its daemon"
)
def test_systemd_says_when_the_computer_wakes_up(tmp_path: Path) -> None:
    config = tmp_path / "bus.conf"
    config.write_text(BUS.format(path=tmp_path / "bus"))
    daemon = subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert daemon.stdout is not None
        address = daemon.stdout.readline().strip()
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address, "LOGIND": LOGIND}
        done = subprocess.run(
            [sys.executable, "-c", CLIENT],
            env=environment,
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "1", done.stderr
    finally:
        daemon.terminate()
        daemon.wait(30)
        daemon.stdout.close() if daemon.stdout else None
