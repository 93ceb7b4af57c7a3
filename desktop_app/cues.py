"""State sounds: listening, sent, error, muted. Which one is due is told by what happens; each can be turned off.

They are laid over whatever plays (`Speaker.cue`), so they delay no answer by more than what the device holds, count
as nobody's audio, follow the volume, and go to the chosen loudspeaker.
"""

from __future__ import annotations

import asyncio
import time
import wave
from collections.abc import Callable
from enum import Enum

from desktop_app.conversation.effects import Effect, Send, ShowNotice, ShowSession, ShowTurn, Turn
from desktop_app.conversation.inputs import Input, Received
from desktop_app.errors import Severity
from desktop_app.protocol.events import InputAudioBufferCommit, InputAudioBufferCommitted
from desktop_app.protocol.session_config import SessionConfig
from desktop_app.resources import resource

APART_S = 2.0
"""The same cue does not come again within this time."""


class Cue(Enum):
    """A state sound; the value is its file's name."""

    LISTENING = "listening"
    """The first real sample is there: from now on nothing that is said is lost."""
    SENT = "sent"
    ERROR = "error"
    MUTED = "muted"
    UNMUTED = "unmuted"


class Cues:
    """Plays a cue when it is due.

    `play` is given PCM16, mono, 24 kHz; `wanted` says which cues the user has not turned off.
    """

    def __init__(
        self,
        play: Callable[[bytes], None],
        wanted: Callable[[Cue], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._play = play
        self._wanted = wanted
        self._clock = clock
        self._sounds: dict[Cue, bytes] = {}
        self._turn = Turn.IDLE
        self._hands_free = False
        self._muted = False
        self._played: dict[Cue, float] = {}

    async def load(self) -> None:
        """Read the sounds; before that, and for one that cannot be read, there is none."""
        self._sounds = await asyncio.to_thread(read_cues)

    def play(self, cue: Cue) -> None:
        """Play a cue that is wanted, unless the same one was just heard."""
        pcm = self._sounds.get(cue)
        now = self._clock()
        if pcm is None or not self._wanted(cue) or now - self._played.get(cue, -APART_S) < APART_S:
            return
        self._played[cue] = now
        self._play(pcm)

    def witness(self, event: Input | Effect) -> None:
        """See what happens or is asked for."""
        match event:
            case ShowTurn(turn):
                before, self._turn = self._turn, turn
                if before is Turn.OPENING and turn in (Turn.LISTENING, Turn.IDLE):
                    self._opened(turn)
            case Send(InputAudioBufferCommit()):
                self.play(Cue.SENT)
            case Received(InputAudioBufferCommitted(), by_next=False) if self._hands_free:
                self.play(Cue.SENT)
            case ShowNotice(notice) if notice.severity is Severity.ERROR:
                self.play(Cue.ERROR)
            case ShowSession(config, muted):
                self._show_session(config, muted=muted)
            case _:
                pass

    def _opened(self, turn: Turn) -> None:
        """The microphone is open: by key it is listening then, hands-free it waits for a voice."""
        if turn is Turn.LISTENING or (self._hands_free and not self._muted):
            self.play(Cue.LISTENING)

    def _show_session(self, config: SessionConfig, *, muted: bool) -> None:
        audio = config.audio.input if config.audio else None
        self._hands_free = bool(audio and audio.turn_detection)
        before, self._muted = self._muted, muted
        if self._hands_free and muted is not before:
            self.play(Cue.MUTED if muted else Cue.UNMUTED)


def read_cues() -> dict[Cue, bytes]:
    """Return the sounds that come with the program, PCM16, mono, 24 kHz."""
    found: dict[Cue, bytes] = {}
    for cue in Cue:
        try:
            with wave.open(str(resource("sounds", f"{cue.value}.wav"))) as file:
                found[cue] = file.readframes(file.getnframes())
        except (OSError, wave.Error, EOFError):
            continue
    return found
