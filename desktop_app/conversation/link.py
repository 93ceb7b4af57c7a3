"""The link: OFFLINE until told to connect, CONNECTING until there is a session, ONLINE from then on.

    OFFLINE ──open──▶ CONNECTING ──session.created, session.updated──▶ ONLINE
       ▲                 │    ▲                                          │
       └── hopeless, or ─┘    └───────── after a pause ◀── it ended ─────┘
           MAX_ATTEMPTS

A failed attempt is repeated after growing pauses where that makes sense (`failures.judge`); the pauses begin anew
only once a link has lived for a while, so a server that accepts and drops is not hammered. The user is told once
why the link is gone, then only when the next attempt is; and may ask for it now, or for no more of them. Where
there is reason to think that things have changed (the network is back, the computer woke up) nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from desktop_app.conversation import failures
from desktop_app.conversation.effects import Connect, Disconnect, DismissNotice, Retry, ShowNotice, ShowRetry
from desktop_app.conversation.effects import Link as State
from desktop_app.conversation.inputs import Disconnected, Timer
from desktop_app.conversation.outbox import Outbox
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.protocol.events import ErrorBody

CREATED_WITHIN_MS = 15_000
"""A socket without `session.created` for so long is a failed connect (the guide's connection settings)."""
UPDATED_WITHIN_MS = 5_000
STABLE_AFTER_MS = 10_000
MAX_ATTEMPTS = 5
FIRST_PAUSE_MS = 500
LONGEST_PAUSE_MS = 8_000


class LinkMachine:
    """The state of the connection and its attempts. `jitter` returns 0 to 1."""

    def __init__(self, outbox: Outbox, jitter: Callable[[], float]) -> None:
        self._outbox = outbox
        self._jitter = jitter
        self.state = State.OFFLINE
        self.session_no = 0
        """Counts sessions: what belongs to an older one means nothing to the present one."""
        self.last_error: ErrorBody | None = None
        """The last `error` event of this connection: a close reason alone tells too little."""
        self.has_session = False
        """Whether `session.created` came on this connection."""
        self._attempts = 0
        self._told = False
        """The user knows why there is no connection."""
        self._shows_retry = False
        self._pausing = False
        self._gave_up = False
        """The attempts came to nothing, but a later one might not."""

    @property
    def online(self) -> bool:
        """Whether there is a session that is configured."""
        return self.state is State.ONLINE

    def ask(self) -> None:
        """The user wants a connection now; attempts are counted anew."""
        self._attempts = 0
        self.open()

    def hurry(self, *, anew: bool) -> None:
        """Something has changed: a planned attempt is made now, and one more after the last.

        `anew`: one that is under way cannot be trusted either.
        """
        if self._pausing or self._gave_up or (anew and self.state is State.CONNECTING):
            self.ask()

    def stop(self) -> None:
        """The user wants no more attempts."""
        if self.state is not State.CONNECTING:
            return
        self._end_attempt()
        self._show_no_retry()
        self.state = State.OFFLINE
        self._told = False
        self._outbox.do(Disconnect())
        notice = Notice(
            "There is no connection, and none is being made.",
            "Press Reconnect to go on.",
            Severity.WARNING,
            failures.LINK_KEY,
            NoticeAction.RECONNECT,
        )
        self._outbox.do(ShowNotice(notice))

    def open(self) -> None:
        """Begin an attempt; what connection there is goes."""
        self.state = State.CONNECTING
        self._gave_up = self._pausing = False
        self.last_error = None
        self.has_session = False
        for timer in (Timer.RECONNECT, Timer.SESSION_UPDATED, Timer.STABLE):
            self._outbox.stop_waiting(timer)
        if self._shows_retry and self._attempts:
            self._outbox.do(ShowRetry(Retry(0, self._attempts, MAX_ATTEMPTS)))
        else:
            self._show_no_retry()
        self._outbox.do(Connect())
        # Twice the time: the transport bounds the handshake itself, and the rest begins after it.
        self._outbox.wake_after(2 * CREATED_WITHIN_MS, Timer.SESSION_CREATED)

    def created(self) -> bool:
        """There is a session; it is being configured. Return whether that is news: it is said once."""
        if self.has_session or self.state is not State.CONNECTING:
            return False
        self.has_session = True
        self.session_no += 1
        self._outbox.stop_waiting(Timer.SESSION_CREATED)
        self._outbox.wake_after(UPDATED_WITHIN_MS, Timer.SESSION_UPDATED)
        return True

    def ready(self) -> None:
        """The session is configured."""
        self.state = State.ONLINE
        for timer in (Timer.RECONNECT, Timer.SESSION_UPDATED):
            self._outbox.stop_waiting(timer)
        self._told = False
        self._show_no_retry()
        for key in (failures.LINK_KEY, "not-connected"):
            self._outbox.do(DismissNotice(key))
        self._outbox.wake_after(STABLE_AFTER_MS, Timer.STABLE)

    def switched(self) -> None:
        """Another session has taken this one's place, without an end and a beginning."""
        self.session_no += 1
        self.last_error = None
        self._outbox.wake_after(STABLE_AFTER_MS, Timer.STABLE)

    def stable(self) -> None:
        """It has lived long enough for its next end to be the first again."""
        self._attempts = 0

    def lost(self, facts: Disconnected) -> None:
        """It could not be made, or is gone: try again after a pause, or leave it to the user."""
        ending = failures.judge(facts, self.last_error)
        self._end_attempt()
        notice, told = ending.notice, self._told
        self._told = ending.retry and self._attempts < MAX_ATTEMPTS
        if self._told:
            pause_ms = pause_before(self._attempts, self._jitter(), asked_ms=facts.retry_after_ms)
            self._outbox.wake_after(pause_ms, Timer.RECONNECT)
            self._pausing = True
            self._attempts += 1
            self._shows_retry = True
            self._outbox.do(ShowRetry(Retry(pause_ms, self._attempts, MAX_ATTEMPTS)))
            if pause_ms > LONGEST_PAUSE_MS:
                notice = replace(notice, hint=f"It asked us to wait: the next attempt is in {_words(pause_ms)}.")
            self.state = State.CONNECTING
        else:
            self.state = State.OFFLINE
            self._gave_up = ending.retry
            self._show_no_retry()
            if ending.retry:
                notice = replace(notice, hint="Press Reconnect to try again.", severity=Severity.ERROR)
        if not (told and self._told):
            self._outbox.do(ShowNotice(notice))

    def _end_attempt(self) -> None:
        for timer in (Timer.RECONNECT, Timer.SESSION_CREATED, Timer.SESSION_UPDATED, Timer.STABLE):
            self._outbox.stop_waiting(timer)
        self.last_error = None
        self.has_session = self._pausing = False

    def _show_no_retry(self) -> None:
        if self._shows_retry:
            self._shows_retry = False
            self._outbox.do(ShowRetry(None))


def pause_before(attempts: int, jitter: float, *, asked_ms: int = 0) -> int:
    """Return how many ms to wait after so many failed attempts; `asked_ms`: what the server wants at least."""
    longest = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** min(attempts, 16))
    return max(asked_ms, int(longest * (0.5 + 0.5 * jitter)))


def _words(ms: int) -> str:
    """Return a time as people say it."""
    seconds = round(ms / 1000)
    return f"{seconds} seconds" if seconds < 100 else f"about {round(seconds / 60)} minutes"
