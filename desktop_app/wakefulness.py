"""Wakefulness: notices that the computer slept, or that its network is another one, and says so.

Nobody tells a program that its connections are gone when the lid is closed or the wireless network changes; it
would find out by the next ping that is not answered. Three things tell earlier, and each of them is enough:

- two clocks: one that stands still while the computer sleeps, one that goes on (`slept_s`); on every system;
- the system's own word that it wakes up: systemd's `PrepareForSleep`, where there is a system bus;
- Qt's word about the network (`QNetworkInformation`), from whatever the system keeps it with.

What is posted is only a reason to look: `Resumed` and `NetworkChanged` end nothing that lives. So it does no harm
that a clock which was set, or a program that was held, looks like a sleep.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import SLOT, QObject, QTimer, Slot
from PySide6.QtNetwork import QNetworkInformation

from desktop_app.conversation.inputs import Input, NetworkChanged, Resumed

LOOK_EVERY_S = 2.0
TOLERANCE_S = 5.0
"""A busy computer is late, too; nobody's connection dies in so short a time."""
SETTLE_MS = 300
"""A network that changes says so several times."""
_LOGIND = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep")

_SLOT: Any = SLOT("_prepare_for_sleep(bool)")  # a str, and that is what is taken, whatever the stubs say

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clocks:
    """The time, twice, in seconds from anywhere."""

    awake_s: float
    """Stands still in sleep, where the system has such a clock."""
    always_s: float
    """Goes on in sleep."""


def read_clocks() -> Clocks:
    """Return what the clocks say."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    always_s = time.time() if boot_time is None else time.clock_gettime(boot_time)
    return Clocks(time.monotonic(), always_s)


def slept_s(before: Clocks, after: Clocks, *, due_s: float) -> float:
    """Return for how long the computer slept between two looks, `due_s` apart if it did not; 0 for not at all.

    Either the one clock stood still meanwhile, or, where it does not (Windows), the look came too late.
    """
    awake_s, always_s = after.awake_s - before.awake_s, after.always_s - before.always_s
    gap_s = max(always_s - awake_s, awake_s - due_s)
    return gap_s if gap_s > TOLERANCE_S else 0.0


class Wakefulness(QObject):
    """Watches from `open` to `close`; posts on the loop's thread."""

    def __init__(self, post: Callable[[Input], None], *, clocks: Callable[[], Clocks] = read_clocks) -> None:
        super().__init__()
        self._post = post
        self._clocks = clocks
        self._seen = clocks()
        self._timer = QTimer(self)
        self._timer.setInterval(int(LOOK_EVERY_S * 1000))
        self._timer.timeout.connect(self.look)
        self._settle = QTimer(self)
        self._settle.setInterval(SETTLE_MS)
        self._settle.setSingleShot(True)
        self._settle.timeout.connect(self._tell_of_network)
        self._network: QNetworkInformation | None = None

    def open(self) -> None:
        """Begin to watch; what the system cannot tell is done without."""
        self._seen = self._clocks()
        self._timer.start()
        if QNetworkInformation.loadBackendByFeatures(QNetworkInformation.Feature.Reachability):
            self._network = QNetworkInformation.instance()
        if self._network is not None:
            _log.info("the network is watched by %s", self._network.backendName())
            self._network.reachabilityChanged.connect(self._network_changed)
            self._network.transportMediumChanged.connect(self._network_changed)
        if sys.platform == "linux":
            self._watch_logind()

    def close(self) -> None:
        """Watch no more; nothing is posted after this."""
        self._timer.stop()
        self._settle.stop()
        if self._network is not None:
            self._network.reachabilityChanged.disconnect(self._network_changed)
            self._network.transportMediumChanged.disconnect(self._network_changed)
            self._network = None
        if sys.platform == "linux":
            self._leave_logind()
        self.deleteLater()

    def look(self) -> None:
        """Compare the clocks with what they said last."""
        before, self._seen = self._seen, self._clocks()
        gap_s = slept_s(before, self._seen, due_s=LOOK_EVERY_S)
        if gap_s:
            self._tell_of_sleep(gap_s)

    def _tell_of_sleep(self, gap_s: float) -> None:
        _log.info("resumed after %.0f s", gap_s)
        self._post(Resumed(gap_s))

    # --- the network ----------------------------------------------------------------------------

    def _network_changed(self, _: object) -> None:
        self._settle.start()

    def _tell_of_network(self) -> None:
        if self._network is not None:
            gone = self._network.reachability() is QNetworkInformation.Reachability.Disconnected
            _log.info("the network changed: %s", "gone" if gone else "there")
            self._post(NetworkChanged(reachable=not gone))

    # --- systemd --------------------------------------------------------------------------------

    def _watch_logind(self) -> None:
        from PySide6.QtDBus import QDBusConnection  # where there is a bus, only

        bus = QDBusConnection.systemBus()
        if bus.isConnected():
            bus.connect(*_LOGIND, self, _SLOT)

    def _leave_logind(self) -> None:
        from PySide6.QtDBus import QDBusConnection

        bus = QDBusConnection.systemBus()
        if bus.isConnected():
            bus.disconnect(*_LOGIND, self, _SLOT)

    @Slot(bool)
    def _prepare_for_sleep(self, begins: bool) -> None:
        before, self._seen = self._seen, self._clocks()
        if not begins:
            self._tell_of_sleep(max(self._seen.always_s - before.always_s, 0.0))
