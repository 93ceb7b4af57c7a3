"""Whether the microphone can be trusted: hints in a real talk, and a test that records and plays back.

`MicrophoneWatch` looks at every block of a talk and tells, by a notice with the next step, what makes it useless;
it does so again only after a while. `MicrophoneTest` records three seconds with the chosen microphone and plays
them by the chosen loudspeaker; what it records is kept nowhere.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from desktop_app.audio.meter import Check, Fault, Meter, rms_db
from desktop_app.audio.microphone import Microphone
from desktop_app.audio.pcm import BLOCK_MS
from desktop_app.audio.speaker import Speaker
from desktop_app.audio.streams import Sound
from desktop_app.conversation.effects import Effect, ShowSession
from desktop_app.conversation.inputs import (
    DeviceChanged,
    Input,
    MicBlock,
    MicClosed,
    MicFailed,
    MicStarted,
    PlaybackFinished,
    SpeakerFailed,
)
from desktop_app.errors import Notice, Severity
from desktop_app.protocol.items import PartId
from desktop_app.ui.settings_lists import CheckPhase, CheckState

KEY = "microphone signal"
DEAF_AFTER_MS = 5_000
"""Hands-free: so long nothing but zeros since the microphone was opened."""
AGAIN_AFTER_S = {Fault.ZEROS: 30.0, Fault.NOISE: 120.0, Fault.TOO_LOUD: 900.0}
"""The same hint comes again after this time at the earliest."""

RECORD_MS = 3_000
TICK_S = 0.05
OPENS_WITHIN_S = 5.0
LEAST_VOLUME = 0.3
"""The test plays at the volume of the answers, but not so low that it proves nothing."""
_PART = PartId("microphone test")

_PRIVACY = {
    "win32": "«Privacy & security», «Microphone» in the system's settings",
    "darwin": "«Privacy & Security», «Microphone» in the system's settings",
}.get(sys.platform, "the system's sound and privacy settings")

WORDS = {
    Fault.ZEROS: (
        "The microphone gives nothing but silence, not even noise.",
        f"Look for a switch on it that mutes it, and at {_PRIVACY}; or choose another microphone.",
    ),
    Fault.NOISE: (
        "The microphone hears nothing but noise.",
        "Come nearer or raise its level in the system's settings; or choose another one: it may not be yours.",
    ),
    Fault.TOO_LOUD: (
        "You are too loud for the microphone, so your words are distorted.",
        "Lower its level in the system's settings, or move away from it a little.",
    ),
}
"""What is wrong, and the next step."""


class MicrophoneWatch:
    """Measures what the microphone gives, and says what is wrong with it."""

    def __init__(
        self,
        show: Callable[[Notice], None],
        dismiss: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.meter = Meter()
        """How loud it is, muted or not; nothing while no talk goes on."""
        self._show = show
        self._dismiss = dismiss
        self._clock = clock
        self._check = Check()
        self._hands_free = False
        self._told: dict[Fault, float] = {}
        self._standing: Fault | None = None

    def witness(self, event: Input | Effect) -> None:
        """See what happens or is asked for."""
        match event:
            case MicBlock(pcm):
                self.meter.feed(pcm)
                self._check.feed(pcm)
                self._judge_while_open()
            case MicStarted():
                self._check = Check()
            case MicClosed() | MicFailed():
                self.meter.read()
                if isinstance(event, MicClosed) and not self._hands_free:
                    self._judge(self._check.fault)
            case ShowSession(config):
                audio = config.audio.input if config.audio else None
                self._hands_free = bool(audio and audio.turn_detection)
            case _:
                pass

    def _judge_while_open(self) -> None:
        """Say at once what is no question of what will still be said."""
        if self._check.too_loud:
            self._judge(Fault.TOO_LOUD)
        elif self._hands_free and self._check.silent:
            if self._check.ms >= DEAF_AFTER_MS:
                self._judge(Fault.ZEROS)
        elif self._standing is Fault.ZEROS and not self._check.silent and self._check.loudest_db > -96:
            self._judge(None)

    def _judge(self, fault: Fault | None) -> None:
        if fault is None:
            if self._standing is not None:
                self._standing = None
                self._dismiss(KEY)
            return
        now = self._clock()
        if now - self._told.get(fault, -AGAIN_AFTER_S[fault]) < AGAIN_AFTER_S[fault]:
            return
        self._told[fault] = now
        self._standing = fault
        text, hint = WORDS[fault]
        self._show(Notice(text, hint, Severity.WARNING, KEY))


class MicrophoneTest:
    """Records and plays back. Loop thread only; `show` is told every change.

    `devices` returns the names of the chosen microphone and loudspeaker; `volume` 0 to 1; `objection` why it cannot
    be now, or nothing.
    """

    def __init__(
        self,
        show: Callable[[CheckState], None],
        devices: Callable[[], tuple[str | None, str | None]],
        *,
        volume: Callable[[], float] = lambda: 1.0,
        objection: Callable[[], str] = lambda: "",
        sound: Sound | None = None,
    ) -> None:
        self._show = show
        self._devices = devices
        self._volume = volume
        self._objection = objection
        self._sound = sound
        self._microphone: Microphone | None = None
        self._speaker: Speaker | None = None
        self._pcm = bytearray()
        self._check = Check()
        self._meter = Meter()
        self._remark = ""
        self._timer: asyncio.TimerHandle | None = None
        self._patience_s = 0.0

    @property
    def runs(self) -> bool:
        """Whether it records or plays."""
        return self._microphone is not None or self._speaker is not None

    def start(self) -> None:
        """Begin to record, unless it already does."""
        if self.runs:
            return
        objection = self._objection()
        if objection:
            self._show(CheckState(text=objection))
            return
        self._pcm.clear()
        self._check, self._meter, self._remark = Check(), Meter(), ""
        self._patience_s = OPENS_WITHIN_S
        self._show(CheckState(CheckPhase.OPENING, text="Opening the microphone…"))
        self._microphone = Microphone(self._heard, sound=self._sound, device=self._devices()[0])
        self._tick()
        self._microphone.open()

    def stop(self) -> None:
        """End it, whatever it does; nothing is kept."""
        if self.runs:
            self._end("Stopped.")

    def _end(self, text: str, *, failed: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._microphone is not None:
            self._microphone.shutdown()
            self._microphone = None
        if self._speaker is not None:
            self._speaker.close()
            self._speaker = None
        self._pcm.clear()
        self._show(CheckState(text=f"{text} {self._remark}".strip(), failed=failed))

    # --- recording ------------------------------------------------------------------------------

    def _heard(self, event: Input) -> None:
        match event:
            case MicBlock(pcm) if self._microphone is not None:
                self._pcm += pcm
                self._check.feed(pcm)
                self._meter.feed(pcm)
                if self._check.ms == RECORD_MS:
                    asyncio.get_running_loop().call_soon(self._recorded)  # the microphone is in the middle of it
            case MicFailed(notice):
                # It may be said while the microphone is still being opened.
                asyncio.get_running_loop().call_soon(self._fail, notice)
            case DeviceChanged(notice):
                self._remark = notice.text
            case _:
                pass

    def _fail(self, notice: Notice) -> None:
        if self.runs:
            self._end(f"{notice.text} {notice.hint}".strip(), failed=True)

    def _recorded(self) -> None:
        if self._microphone is None:
            return
        self._microphone.shutdown()
        self._microphone = None
        if self._check.fault is Fault.ZEROS:
            self._finish()
            return
        self._speaker = Speaker(self._played, sound=self._sound, device=self._devices()[1])
        self._speaker.set_volume(max(LEAST_VOLUME, self._volume()))
        self._speaker.play(_PART, bytes(self._pcm))
        self._speaker.end(_PART)

    # --- playing --------------------------------------------------------------------------------

    def _played(self, event: Input) -> None:
        match event:
            case PlaybackFinished():
                self._finish()
            case SpeakerFailed(notice):
                asyncio.get_running_loop().call_soon(self._fail, notice)
            case DeviceChanged(notice):
                self._remark = notice.text
            case _:
                pass

    def _finish(self) -> None:
        fault = self._check.fault
        if fault is None:
            self._end(f"The microphone works: the loudest was {_decibels(self._check.loudest_db)}.")
        else:
            self._end(" ".join(WORDS[fault]), failed=True)

    # --- what is shown meanwhile ----------------------------------------------------------------

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        if self._speaker is not None:
            heard_ms = sum(part.ms for part in self._speaker.heard())
            share, level = heard_ms / RECORD_MS, self._speaker.level
            self._show(CheckState(CheckPhase.PLAYING, share, level, "This is how it sounded."))
        elif self._check.ms:
            db = rms_db(bytes(self._pcm[-BLOCK_MS * 48 :]))
            share, level = self._check.ms / RECORD_MS, self._meter.read()
            self._show(CheckState(CheckPhase.RECORDING, share, level, f"Say something. {_decibels(db)}"))
        else:
            self._patience_s -= TICK_S
            if self._patience_s <= 0:
                self._end("The microphone delivers nothing. Connect it anew, or choose another one.", failed=True)


def _decibels(db: float) -> str:
    return f"{db:.0f} dB".replace("-", "\N{MINUS SIGN}")
