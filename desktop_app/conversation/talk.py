"""The microphone: CLOSED, OPENING (no sample yet), OPEN, CLOSING (the release tail is still to come).

Push to talk: what is captured is appended to the server's buffer and counted; at the end it is committed, cleared
if the server would refuse it as too short, or thrown away if it was called off. Hands-free: the microphone stays
open and the server finds the turns; it needs a continuous stream, so a muted microphone sends silence, not nothing
(the guide's turn detection).

No session takes over what another one has in its buffer. So what was captured is kept until the turn has ended, and
goes to the next session again, where it is then appended to (`move`); hands-free it is the last moment only, and
from the beginning of what is being said.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from desktop_app.conversation import limits
from desktop_app.conversation.effects import CloseMic, DismissNotice, OpenMic, ShowNotice
from desktop_app.conversation.outbox import Outbox
from desktop_app.errors import Notice
from desktop_app.protocol.events import InputAudioBufferAppend, InputAudioBufferClear, InputAudioBufferCommit
from desktop_app.protocol.session_config import MIN_COMMIT_MS, PCM_BYTES_PER_MS

_MIN_BYTES = MIN_COMMIT_MS * PCM_BYTES_PER_MS
_TOO_SHORT = "too-short"
LOOK_BACK_MS = 1_000
"""Hands-free, with nobody speaking: so much of what the microphone gave last may be the beginning of a word."""
PIECE_BYTES = 2_000 * PCM_BYTES_PER_MS


class State(Enum):
    """What the microphone does."""

    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"


class Talk:
    """The microphone and the turn that is spoken into it."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.state = State.CLOSED
        self.continuous = False
        """Open for as long as turns are found by the server."""
        self.muted = False
        self._appended_bytes = 0
        self._called_off = False
        self._again = False
        """Pressed again during the release tail."""
        self.hears = False
        """Hands-free: the server hears somebody speak."""
        self._kept: deque[bytes] = deque()
        """What this turn consists of so far."""
        self._kept_bytes = 0
        self._online = True
        """Whether there is a session to append to."""

    @property
    def closed(self) -> bool:
        """Whether nothing is captured."""
        return self.state is State.CLOSED

    @property
    def takes_a_turn(self) -> bool:
        """Whether a turn is being spoken by push-to-talk, its release tail included."""
        return not self.closed and not self.continuous

    @property
    def held(self) -> bool:
        """Whether push-to-talk is down."""
        return self.state in (State.OPENING, State.OPEN) and not self.continuous

    def begin(self, *, continuous: bool = False) -> None:
        """Start capturing into an empty buffer."""
        self._outbox.send(InputAudioBufferClear())
        self.continuous = continuous
        self._capture()
        self._outbox.do(OpenMic())

    def begin_again(self) -> None:
        """Pressed during the release tail: the microphone ends that talk at once and goes on recording."""
        self._again = True
        self._outbox.do(OpenMic())

    def started(self) -> None:
        """The first real sample is there."""
        if self.state is State.OPENING:
            self.state = State.OPEN

    def captured(self, pcm: bytes) -> None:
        """Append a block; without a session it is kept for the next."""
        if self.state is State.CLOSED or self._called_off:
            return
        pcm = bytes(len(pcm)) if self.muted and self.continuous else pcm
        self._appended_bytes += len(pcm)
        self._keep(pcm)
        if self._online:
            self._outbox.send(InputAudioBufferAppend(audio=pcm))

    def lose_session(self) -> None:
        """There is no session to append to: a turn goes on all the same, for the next one."""
        self._online = False
        if self.continuous and not self.closed:
            self.call_off()

    def move(self) -> None:
        """There is another session, whose buffer is empty: what belongs to this turn goes there, and goes on."""
        self._online = True
        if self.state is State.CLOSED or self._called_off:
            return
        whole = b"".join(self._kept)
        for at in range(0, len(whole), PIECE_BYTES):
            self._outbox.send(InputAudioBufferAppend(audio=whole[at : at + PIECE_BYTES]))

    def _keep(self, pcm: bytes) -> None:
        self._kept.append(pcm)
        self._kept_bytes += len(pcm)
        most_ms = LOOK_BACK_MS if self.continuous and not self.hears else limits.MAX_TALK_KEPT_MS
        while self._kept_bytes > most_ms * PCM_BYTES_PER_MS:
            self._kept_bytes -= len(self._kept.popleft())

    def release(self) -> None:
        """Push-to-talk went up."""
        if self._again:
            self._again = False
        elif self.held:
            self._close()

    def call_off(self) -> None:
        """Throw away what is being said."""
        self._called_off = True
        self._again = False
        if self.state in (State.OPENING, State.OPEN):
            self._close()

    def ended(self, *, online: bool, beside_ms: int = 0) -> bool:
        """The last block was delivered: commit, clear or forget. Return whether an answer is to be asked for.

        `beside_ms` of the talk were captured while the key was up: they make no talk of a tap.
        """
        if self.state is State.CLOSED:
            return False
        again, self._again = self._again, False
        self.state = State.CLOSED
        self.hears = False
        committed = online and self._finish(explain=not again, beside_ms=beside_ms)
        if online:
            self._kept.clear()
            self._kept_bytes = 0
        if again:
            self.continuous = False
            self._capture()
        return committed and not again

    def failed(self, *, online: bool) -> bool:
        """The microphone is gone; what was said so far counts. Return whether an answer is to be asked for."""
        was_open = self.state is not State.CLOSED
        self.state = State.CLOSED
        self._again = False
        return was_open and online and self._finish(explain=False)

    @property
    def said(self) -> bytes:
        """What this turn consists of so far, PCM16; the last ten minutes of it."""
        return b"".join(self._kept)

    def unsent(self) -> bytes:
        """Return what was said without a session to say it to, PCM16; it is not kept any longer."""
        whole = b"" if self._called_off or self.continuous or self._online else b"".join(self._kept)
        self._kept.clear()
        self._kept_bytes = 0
        return whole if len(whole) >= _MIN_BYTES else b""

    def _capture(self) -> None:
        self.state = State.OPENING
        self._appended_bytes = 0
        self._called_off = False
        self._kept.clear()
        self._kept_bytes = 0

    def _close(self) -> None:
        self.state = State.CLOSING
        self._outbox.do(CloseMic())

    def _finish(self, *, explain: bool, beside_ms: int = 0) -> bool:
        if self._called_off or self.continuous:
            self._outbox.send(InputAudioBufferClear())
            return False
        if self._appended_bytes - beside_ms * PCM_BYTES_PER_MS >= _MIN_BYTES:
            self._outbox.do(DismissNotice(_TOO_SHORT))
            self._outbox.send(InputAudioBufferCommit())
            return True
        self._outbox.send(InputAudioBufferClear())
        if explain:
            hint = "Hold the key for as long as you speak."
            self._outbox.do(ShowNotice(Notice("That was too short to hear.", hint, key=_TOO_SHORT)))
        return False
