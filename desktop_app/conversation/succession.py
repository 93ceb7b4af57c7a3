"""The next session, prepared beside the present one: opened, configured, ready to take its place.

    NONE ──want──▶ CONNECTING ──session.created──▶ CONFIGURING ──session.updated──▶ READY ──take──▶ NONE
                    ▲      └──────────────┬────────────┘                              │
                    └──── after a pause ◀─┴── it failed ◀─────────────────────────────┘

No session lives longer than an hour, and some things (the voice, the model) are as they are for as long as it
lives; nothing can be resumed (the guide's session length). So there is another one before the old one ends, and
between the two there is no gap: the old one goes on until the new one knows what it needs. While it lives, failures
of the new one are nobody's business: there is another attempt after a growing pause, unless it would fail alike.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from desktop_app.conversation import failures
from desktop_app.conversation.effects import ConnectNext, DropNext
from desktop_app.conversation.inputs import Disconnected, Timer
from desktop_app.conversation.link import CREATED_WITHIN_MS, UPDATED_WITHIN_MS, pause_before
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.setup import Setup
from desktop_app.errors import Notice
from desktop_app.protocol.events import ErrorBody
from desktop_app.protocol.session_config import SessionConfig

_TIMERS = (Timer.NEXT_CREATED, Timer.NEXT_UPDATED, Timer.NEXT_RETRY)


class State(Enum):
    """How far the next session is."""

    NONE = "none"
    CONNECTING = "connecting"
    CONFIGURING = "configuring"
    READY = "ready"
    WAITING = "waiting"
    """It failed; after a pause there is another attempt."""
    REFUSED = "refused"
    """It failed for good."""


class Succession:
    """The connection that is prepared. `setup` is the present session's."""

    def __init__(self, outbox: Outbox, setup: Setup, jitter: Callable[[], float]) -> None:
        self._outbox = outbox
        self._present = setup
        self._jitter = jitter
        self.state = State.NONE
        self.failures = 0
        """How many attempts failed in a row."""
        self.refusal: Notice | None = None
        """Why there will be none."""
        self.session = SessionConfig()
        """As the server told it."""
        self.outbox = Outbox(outbox)
        """What is sent by it."""
        self.setup = setup.successor(self.outbox)
        self._last_error: ErrorBody | None = None

    @property
    def ready(self) -> bool:
        """Whether it can take the present one's place."""
        return self.state is State.READY

    def want(self) -> None:
        """Prepare one, if that is not under way."""
        if self.state is State.NONE:
            self._open()

    def hurry(self) -> None:
        """Something has changed: a planned attempt is made now."""
        if self.state is State.WAITING:
            self._open()

    def drop(self) -> None:
        """None is wanted any more."""
        if self.state in (State.CONNECTING, State.CONFIGURING, State.READY):
            self._outbox.do(DropNext())
        self._stop_waiting()
        self.state = State.NONE
        self.failures = 0
        self.refusal = None

    def take(self) -> Setup:
        """It is the present one from now on; return how it is configured."""
        self._stop_waiting()
        self.state = State.NONE
        self.failures = 0
        return self.setup

    # --- what is said on it ---------------------------------------------------------------------

    def created(self, session: SessionConfig) -> None:
        """Take its `session.created`: it is configured."""
        if self.state is State.CONNECTING:
            self._stop_waiting()
            self.state = State.CONFIGURING
            self.session = session
            self.setup.begin(session)
            self._outbox.wake_after(UPDATED_WITHIN_MS, Timer.NEXT_UPDATED)

    def updated(self, session: SessionConfig) -> None:
        """Take its `session.updated`."""
        if self.state in (State.CONFIGURING, State.READY):
            self.setup.confirm(session)
            self.session = session
            self.configured()

    def configured(self) -> None:
        """Its configuration is confirmed, or never will be: some servers do not."""
        if self.state is State.CONFIGURING:
            self._stop_waiting()
            self.state = State.READY

    def refused(self, error: ErrorBody) -> None:
        """Take its `error`."""
        if not failures.is_benign(error) and not self.setup.refused(error):
            self._last_error = error

    # --- its end --------------------------------------------------------------------------------

    def overdue(self) -> None:
        """A socket without a session counts as a failed attempt."""
        self._outbox.do(DropNext())
        self.lost(Disconnected(close_code=1006))

    def lost(self, facts: Disconnected) -> None:
        """It could not be made, or is gone."""
        if self.state in (State.NONE, State.REFUSED):
            return
        ending = failures.judge(facts, self._last_error)
        self._stop_waiting()
        self.failures += 1
        if ending.retry:
            self.state = State.WAITING
            pause_ms = pause_before(self.failures - 1, self._jitter(), asked_ms=facts.retry_after_ms)
            self._outbox.wake_after(pause_ms, Timer.NEXT_RETRY)
        else:
            self.state = State.REFUSED
            self.refusal = ending.notice

    def again(self) -> None:
        """The pause is over."""
        if self.state is State.WAITING:
            self._open()

    def _open(self) -> None:
        self._stop_waiting()
        self.state = State.CONNECTING
        self._last_error = None
        self.outbox = Outbox(self._outbox)
        self.setup = self._present.successor(self.outbox)
        self._outbox.do(ConnectNext())
        # As for the present one: the transport bounds the handshake, and the rest begins after it.
        self._outbox.wake_after(2 * CREATED_WITHIN_MS, Timer.NEXT_CREATED)

    def _stop_waiting(self) -> None:
        for timer in _TIMERS:
            self._outbox.stop_waiting(timer)
