"""How long an answer took: end of speech, commit, first delta, first sample at the device.

The stopwatch sees what happens and what is asked for, and takes no part; whoever hands it the events says what time
it is. By push-to-talk, speech ends when the key goes up. Where the server finds the turns, it tells at what
millisecond of all that was sent speech had stopped (`input_audio_buffer.speech_stopped`: `audio_end_ms` includes
the silence that ended the turn), so the end of speech is when that millisecond was sent, less the silence: what the
user waits for, waiting for the silence included. What is typed has no speech: its time begins when it is sent.

What the device needs between its first sample and the air is not counted, nor what it holds back of the microphone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from desktop_app.conversation.effects import Connect, Effect, Send, ShowSession, SwitchOver
from desktop_app.conversation.inputs import (
    AnswerAsked,
    Input,
    NewConversationAsked,
    PlaybackStarted,
    Received,
    ResendAsked,
    RestAsked,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
)
from desktop_app.conversation.responses import OWN_ID
from desktop_app.protocol import events
from desktop_app.protocol.events import ResponseParams
from desktop_app.protocol.session_config import PCM_BYTES_PER_MS, ServerVad, SessionConfig

REMEMBERED = 3_000
"""Blocks that were sent, with their times: a minute of them."""
USUAL_SILENCE_MS = 500
"""The guide's default of `silence_duration_ms`."""


class Begun(Enum):
    """How a turn began."""

    BY_KEY = "by key"
    BY_VOICE = "by voice"
    """Hands-free: the server heard it."""
    IN_WRITING = "in writing"
    """It was typed, or an answer was asked for: there is no end of speech."""


@dataclass(frozen=True, slots=True)
class Latency:
    """What one answer took, in milliseconds, part by part."""

    item_id: str
    """The answer."""
    begun: Begun
    commit_ms: int
    """From the end of speech to the commit; 0 for what began in writing."""
    answer_ms: int
    """From the commit, or the request, to the first delta."""
    sound_ms: int | None
    """From there to the first sample at the device; None: the answer is in writing."""
    with_tools: bool = False
    """Tools ran before the first delta; that time is part of `answer_ms`."""

    @property
    def whole_ms(self) -> int:
        """All of it."""
        return self.commit_ms + self.answer_ms + (self.sound_ms or 0)


@dataclass(slots=True)
class _Turn:
    begun: Begun
    speech_end: float | None = None
    committed: float | None = None
    first_delta: float | None = None
    item_id: str = ""
    responses: int = 0


class Stopwatch:
    """Measures each turn; `told` is given every answer's latency, once, when its first sample or word is there.

    `now` returns seconds of any clock that only goes forward.
    """

    def __init__(self, now: Callable[[], float], told: Callable[[Latency], None]) -> None:
        self._now = now
        self._told = told
        self._turn: _Turn | None = None
        self._fresh: set[str] = set()
        """Responses that were born since the commit: what older ones still bring is no answer to this turn."""
        self._sent: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        """How many ms were sent in this session after each block, and when."""
        self._sent_ms = 0.0
        self._silence_ms: int | None = None
        """The silence that ends a turn; None: the server does not listen for one."""

    def witness(self, event: Input | Effect) -> None:
        """See what happens or is asked for."""
        match event:
            case Received(server_event, by_next=False):
                self._received(server_event)
            case Send(client_event):
                self._send(client_event)
            case PlaybackStarted(part):
                self._sounds(part.item_id)
            case TalkPressed():
                self._begin(Begun.BY_KEY)
            case TalkReleased():
                if self._turn is not None and self._turn.begun is Begun.BY_KEY and self._turn.committed is None:
                    self._turn.speech_end = self._now()
            case TextEntered() | AnswerAsked() | RestAsked() | ResendAsked():
                self._begin(Begun.IN_WRITING)
            case StopPressed() | NewConversationAsked():
                self._turn = None
            case ShowSession(config):
                self._silence_ms = _silence_ms(config)
            case Connect() | SwitchOver():
                self._sent.clear()
                self._sent_ms = 0.0
            case _:
                pass

    # --- the beginning --------------------------------------------------------------------------

    def _begin(self, begun: Begun) -> None:
        self._turn = _Turn(begun)
        self._fresh.clear()

    def _send(self, event: events.ClientEvent) -> None:
        match event:
            case events.InputAudioBufferAppend():
                self._sent_ms += len(event.audio) / PCM_BYTES_PER_MS
                self._sent.append((self._sent_ms, self._now()))
            case events.InputAudioBufferCommit() if self._turn is not None:
                self._commit(self._turn)
            case events.ResponseCreate(response=params) if self._turn is not None:
                own = isinstance(params, ResponseParams) and OWN_ID in (params.metadata or {})
                if own and self._turn.begun is Begun.IN_WRITING and self._turn.committed is None:
                    self._commit(self._turn)
            case _:
                pass

    def _commit(self, turn: _Turn) -> None:
        turn.committed = self._now()
        self._fresh.clear()

    def _speech_stopped(self, audio_end_ms: int) -> None:
        turn = self._turn
        if turn is None or turn.begun is not Begun.BY_VOICE or self._silence_ms is None:
            return
        end_ms = audio_end_ms - self._silence_ms
        sent = next((at for ms, at in self._sent if ms >= end_ms), None)
        turn.speech_end = sent if sent is not None else self._now()

    # --- the answer -----------------------------------------------------------------------------

    def _received(self, event: events.ServerEvent) -> None:
        turn = self._turn
        match event:
            case events.InputAudioBufferSpeechStarted() if self._silence_ms is not None:
                self._begin(Begun.BY_VOICE)
            case events.InputAudioBufferSpeechStopped():
                self._speech_stopped(event.audio_end_ms or 0)
            case events.InputAudioBufferCommitted() if turn is not None and turn.begun is Begun.BY_VOICE:
                self._commit(turn)
            case events.ResponseCreated() if turn is not None and turn.committed is not None:
                metadata = event.response.metadata or {}
                if event.response.id and (not metadata or OWN_ID in metadata):
                    self._fresh.add(event.response.id)
                    turn.responses += 1
            case events.ResponseOutputAudioDelta():
                self._answered(event.response_id, event.item_id, written=False)
            case events.ResponseOutputTextDelta():
                self._answered(event.response_id, event.item_id, written=True)
            case _:
                pass

    def _answered(self, response_id: str, item_id: str, *, written: bool) -> None:
        turn = self._turn
        if turn is None or turn.first_delta is not None or response_id not in self._fresh:
            return
        turn.first_delta, turn.item_id = self._now(), item_id
        if written:
            self._tell(turn, None)

    def _sounds(self, item_id: str) -> None:
        turn = self._turn
        if turn is not None and turn.first_delta is not None and turn.item_id == item_id:
            self._tell(turn, self._now())

    def _tell(self, turn: _Turn, first_sample: float | None) -> None:
        self._turn = None
        if turn.committed is None or turn.first_delta is None:
            return
        began = turn.committed if turn.speech_end is None else min(turn.speech_end, turn.committed)
        self._told(
            Latency(
                turn.item_id,
                turn.begun,
                _ms(began, turn.committed),
                _ms(turn.committed, turn.first_delta),
                None if first_sample is None else _ms(turn.first_delta, first_sample),
                with_tools=turn.responses > 1,
            )
        )


def _ms(begin: float, end: float) -> int:
    return max(0, round((end - begin) * 1000))


def _silence_ms(config: SessionConfig) -> int | None:
    """Return the silence that ends a turn in this session; None: turns are not found by the server."""
    detection = config.audio.input.turn_detection if config.audio and config.audio.input else None
    if not detection:
        return None
    stated = detection.silence_duration_ms if isinstance(detection, ServerVad) else 0
    return stated if isinstance(stated, int) else USUAL_SILENCE_MS
