"""The input audio buffer: what is in it, when somebody speaks in it, what was understood of it so far.

Voice detection runs in every mode, because it is what makes recognition fast: as soon as the speaker pauses
for `GUESS_AFTER_MS`, the speech so far is recognised on the guess that it is complete. If the turn ends then,
the text is there already or about to be; if the speaker goes on, the guess is thrown away.

Whoever speaks long is recognised in pieces, for what is recognised from its beginning again and again takes longer
and longer. Once the speech so far is long enough and the pause good enough, the guess is not thrown away but kept:
its text stands, and everything after it is about the rest. Somebody who does not pause is cut where it is quietest.

Times are milliseconds of audio written in the whole session, as the protocol counts them. Pure: reports of the
detector come in, orders and turn marks go out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from desktop_app.local_server.configuration import DEFAULT_VAD, Refused, Settings
from desktop_app.local_server.memory import Piece, Recognition, Speech
from desktop_app.local_server.orders import (
    Detect,
    Detected,
    DropRecognition,
    ForgetStream,
    Order,
    Recognise,
    WireFormat,
)
from desktop_app.local_server.sound import quietest_ms
from desktop_app.protocol.session_config import MIN_COMMIT_MS, SemanticVad, ServerVad

GUESS_AFTER_MS = 120
"""The pause after which the speech so far is recognised on the guess that it is complete."""
DRAFT_EVERY_MS = 500
FIRST_DRAFT_MS = 300
"""After so much speech comes the first: nothing of it is shown until the second agrees, so it comes sooner."""
DRAFT_REST_MS = 250
"""At least so much lies between the result of a draft and the next, and at least as much as it took: on a busy
computer drafts would otherwise keep the recogniser so busy that the final result has to queue behind them."""
PIECE_MS = 12_000
"""So long must speech be to be cut: in long pieces the recogniser has the context it was trained with."""
PIECE_PAUSE_MS = 300
"""It is cut at a pause between two phrases."""
LONG_PIECE_MS = 16_000
"""From then on any pause will do."""
LONGEST_PIECE_MS = 20_000
"""From then on none is waited for."""
ONSET_FRAMES = 2
"""So many frames in a row make a voice: one alone is a click."""
HYSTERESIS = 0.15
"""A voice once heard may become this much less likely without ending."""
LEAD_MS = 500
"""What is recognised from before the first voice, at least: a soft beginning is no voice to the detector."""
IDLE_MARGIN_MS = 1_000
"""What is kept of silence beyond the prefix padding while turn detection listens."""
MAX_BUFFER_MS = 10 * 60 * 1000
EAGERNESS_MS = {"high": 400, "auto": 700, "medium": 700, "low": 1_200}
"""`semantic_vad` here is a silence window: no model judges whether the thought is finished."""


@dataclass(frozen=True, slots=True)
class Began:
    """Somebody began to speak; `start_ms` includes the prefix padding."""

    item_id: str
    start_ms: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The turn is over; `end_ms` includes the silence that ended it."""

    item_id: str
    end_ms: int


Mark = Began | Stopped


@dataclass(frozen=True, slots=True)
class Taken:
    """What a commit took out of the buffer."""

    item_id: str
    speech: Speech
    recognition: Recognition


@dataclass(slots=True)
class _Voice:
    """The detector's view: frame by frame from silence to speech and back."""

    speaking: bool = False
    start_ms: float = 0.0
    """Where the speech began."""
    end_ms: float = 0.0
    """Where the last frame of speech ended."""
    paused: bool = False
    doubtful: bool = False
    """Whether something in the pause was nearly a voice."""
    sounding: bool = False
    """Whether the last frame was speech."""
    pause_ms: float = 0.0
    """How long the last pause was, before speech went on."""
    _run: int = 0
    _run_start_ms: float = 0.0

    def feed(self, probability: float, start_ms: float, end_ms: float, threshold: float) -> bool:
        """Take a frame; return whether speech begins or goes on after a pause with it."""
        enough = threshold - HYSTERESIS if self.speaking and not self.paused else threshold
        self.doubtful |= self.paused and probability >= threshold - 2 * HYSTERESIS
        if probability < enough:
            self._run, self.sounding = 0, False
            return False
        self._run_start_ms = self._run_start_ms if self._run else start_ms
        self._run += 1
        if self.speaking and not self.paused:
            self.end_ms, self.sounding = end_ms, True
            return False
        if self._run < ONSET_FRAMES:
            return False
        if not self.speaking:
            self.start_ms = self._run_start_ms
        self.pause_ms = self._run_start_ms - self.end_ms
        self.speaking, self.sounding, self.paused, self.end_ms = True, True, False, end_ms
        return True


class Hearing:
    """The input buffer of one session."""

    def __init__(self, new_item_id: Callable[[], str], new_job: Callable[[Recognition], int]) -> None:
        """`new_job` numbers a recognition job and remembers whose it is."""
        self._new_item_id = new_item_id
        self._new_job = new_job
        self._buffer = bytearray()
        self._start_ms = 0.0
        self.written_ms = 0.0
        """Audio written in the whole session."""
        self._detected_ms = 0.0
        self._drafted_ms = 0.0
        """Where the last draft was asked for."""
        self._rested_ms = 0.0
        """Until where the recogniser rests from it."""
        self._guessed_ms = 0.0
        """Until where the last final job heard, and from where."""
        self._final_from_ms = 0.0
        self._rest_ms: float | None = None
        """Where the speech begins that is in no piece; None while there are no pieces."""
        self._voice = _Voice()
        self._recognition: Recognition | None = None
        self.detecting = True
        """Whether there is a voice detector at all."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be committed."""
        return not self._buffer

    @property
    def speaking(self) -> bool:
        """Whether somebody is in the middle of a turn."""
        return self._voice.speaking

    def append(self, audio: bytes, settings: Settings) -> list[Order]:
        """Take audio; raises `Refused` when the buffer is full."""
        wire_format = settings.input_format
        ms = len(audio) / wire_format.bytes_per_ms
        if self.written_ms + ms - self._start_ms > MAX_BUFFER_MS:
            raise Refused(
                "invalid_value",
                "The input audio buffer is full (10 minutes): commit or clear it.",
                "audio",
            )
        self._buffer += audio
        self.written_ms += ms
        if self.detecting:
            return [Detect(audio, wire_format)]
        return [*self._cut_off(settings), *self._drafts(settings)]

    def detected(self, report: Detected, settings: Settings) -> Iterator[Order | Mark]:
        """Take what the detector heard in the next frames.

        Lazy, because whoever gets a `Stopped` must take the turn before the next frame is looked at.
        """
        for probability in report.probabilities:
            start_ms = self._detected_ms
            self._detected_ms += report.frame_ms
            yield from self._frame(probability, start_ms, settings)
        yield from self._cut_off(settings)
        yield from self._drafts(settings)
        self._forget_silence(settings)

    def commit(self, settings: Settings) -> tuple[Taken, list[Order]]:
        """Take everything out of the buffer; raises `Refused` for less than 100 ms."""
        ms = self.written_ms - self._start_ms
        if ms < MIN_COMMIT_MS:
            raise Refused(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_MS}ms of audio, but buffer only has {ms:.2f}ms of audio.",
            )
        taken = self._take(self.written_ms, settings)
        self._buffer.clear()
        self._start_ms = self.written_ms
        return taken

    def take_turn(self, settings: Settings) -> tuple[Taken, list[Order]]:
        """Take the turn that just stopped; what was written after it stays."""
        self._cut_before(self._voice.start_ms - _padding_ms(settings), settings)
        return self._take(self._detected_ms, settings)

    def take_silence(self, settings: Settings) -> Taken:
        """Take what the buffer holds of a time in which nobody spoke."""
        recognition = self._current()
        recognition.committed, recognition.candidate, recognition.silent = True, "", True
        return self._take(self.written_ms, settings)[0]

    def clear(self) -> list[Order]:
        """Drop what was not committed."""
        orders = [*self._drop_jobs(), *self._drop_pieces(self._current().pieces)]
        self._buffer.clear()
        self._start_ms = self.written_ms
        self._begin_anew(self.written_ms)
        return [*orders, ForgetStream()]

    def draft_came(self) -> None:
        """The result of a draft is there."""
        now_ms = self._detected_ms if self.detecting else self.written_ms
        self._rested_ms = now_ms + max(DRAFT_REST_MS, now_ms - self._drafted_ms)

    def piece_failed(self, job: int) -> list[Order]:
        """Put a piece that could not be recognised back to the rest, with all after it, and cut no more."""
        recognition = self._current()
        failed = next(piece for piece in recognition.pieces if piece.job == job)
        recognition.whole, self._rest_ms = True, failed.start_ms
        later = recognition.pieces[recognition.pieces.index(failed) :]
        return [*self._drop_jobs(), *self._drop_pieces(later)]

    def reserved_id(self) -> str:
        """Return the id that the next committed item will have."""
        return self._current().item_id

    # --- inside -----------------------------------------------------------------------------

    def _current(self) -> Recognition:
        if self._recognition is None:
            self._recognition = Recognition(self._new_item_id())
        return self._recognition

    def _frame(self, probability: float, start_ms: float, settings: Settings) -> list[Order | Mark]:
        voice, now_ms = self._voice, self._detected_ms
        was_speaking = voice.speaking
        if voice.feed(probability, start_ms, now_ms, _threshold(settings)):
            if was_speaking:
                return self._go_on(settings)
            self._drafted_ms = self._voice.start_ms + FIRST_DRAFT_MS - DRAFT_EVERY_MS
            return [Began(self.reserved_id(), self._turn_start_ms(settings))] if _listens(settings) else []
        if not voice.speaking:
            return []
        out: list[Order | Mark] = []
        silence_ms = now_ms - voice.end_ms
        if silence_ms >= GUESS_AFTER_MS and not voice.paused:
            voice.paused, voice.doubtful = True, False
            out += self._guess(settings)
        if _listens(settings) and silence_ms >= _silence_ms(settings):
            out.append(Stopped(self.reserved_id(), round(now_ms)))
            voice.speaking = False
        return out

    def _turn_start_ms(self, settings: Settings) -> int:
        return round(max(self._start_ms, self._voice.start_ms - _padding_ms(settings)))

    def _guess(self, settings: Settings) -> list[Order]:
        """Recognise the speech so far, as if it were complete."""
        return [*self._drop_jobs(), self._recognise(self._detected_ms, settings, draft=False)]

    def _go_on(self, settings: Settings) -> list[Order | Mark]:
        """Keep or drop the guess: the speaker goes on after the pause."""
        if not self._keeps_guess(self._detected_ms, self._voice.pause_ms, settings):
            return list(self._drop_final())
        self._keep_guess()
        # Nothing was said in the pause; a long one need not be recognised over and over.
        self._rest_ms = max(self._guessed_ms, self._detected_ms - LEAD_MS)
        return []

    def _keeps_guess(self, now_ms: float, pause_ms: float, settings: Settings) -> bool:
        """Tell whether the speech up to the pause shall be a piece."""
        recognition = self._current()
        if recognition.final_job is None or recognition.failure is not None or recognition.whole:
            return False
        length_ms = now_ms - self._speech_start_ms(settings)
        return length_ms >= LONG_PIECE_MS or (length_ms >= PIECE_MS and pause_ms >= PIECE_PAUSE_MS)

    def _keep_guess(self) -> None:
        """Make a piece of what was guessed, whether its text is there or still to come."""
        recognition = self._current()
        assert recognition.final_job is not None
        piece = Piece(recognition.final_job, self._final_from_ms, recognition.candidate, recognition.rest_sureness)
        recognition.pieces.append(piece)
        recognition.final_job, recognition.candidate, recognition.rest_sureness = None, None, 0.0
        self._rest_ms = self._guessed_ms

    def _cut_off(self, settings: Settings) -> list[Order]:
        """Make a piece of speech without any pause, cut where it is quietest."""
        recognition, orders = self._current(), list[Order]()
        now_ms = self._detected_ms if self.detecting else self.written_ms
        if recognition.whole or (self.detecting and (self._voice.paused or not self._voice.speaking)):
            return orders
        while now_ms - (start_ms := self._speech_start_ms(settings)) >= LONGEST_PIECE_MS:
            from_ms = start_ms + PIECE_MS
            choice = self._between(from_ms, start_ms + LONGEST_PIECE_MS, settings.input_format)
            cut_ms = from_ms + quietest_ms(choice, settings.input_format)
            orders += [*self._drop_jobs(), self._recognise(cut_ms, settings, draft=False)]
            self._keep_guess()
        return orders

    def _drafts(self, settings: Settings) -> list[Order]:
        """Every half second of speech, ask what it is so far; only if the client wants transcripts."""
        recognition = self._current()
        if settings.transcription is None or recognition.draft_job is not None or recognition.pending:
            return []
        if self.detecting and not self._voice.sounding:
            return []
        now_ms = self._detected_ms if self.detecting else self.written_ms
        if now_ms - self._drafted_ms < DRAFT_EVERY_MS or now_ms < self._rested_ms:
            return []
        self._drafted_ms = now_ms
        return [self._recognise(now_ms, settings, draft=True)]

    def _recognise(self, end_ms: float, settings: Settings, *, draft: bool) -> Recognise:
        recognition = self._current()
        job = self._new_job(recognition)
        start_ms = self._speech_start_ms(settings)
        if draft:
            recognition.draft_job = job
        else:
            recognition.final_job, recognition.candidate, recognition.failure = job, None, None
            self._final_from_ms, self._guessed_ms = start_ms, end_ms
        audio = self._between(start_ms, end_ms, settings.input_format)
        return Recognise(job, audio, settings.input_format, settings.language, draft)

    def _speech_start_ms(self, settings: Settings) -> float:
        """Return where what is worth recognising begins: the whole buffer if no voice was found in it."""
        if self._rest_ms is not None:
            return self._rest_ms
        if not (self._voice.speaking or self._voice.paused):
            return self._start_ms
        return max(self._start_ms, self._voice.start_ms - max(LEAD_MS, _padding_ms(settings)))

    def _take(self, end_ms: float, settings: Settings) -> tuple[Taken, list[Order]]:
        orders: list[Order] = []
        recognition = self._current()
        if not recognition.silent and (recognition.final_job is None or self._voice.doubtful):
            if self._keeps_guess(end_ms, end_ms - self._voice.end_ms, settings):
                self._keep_guess()
            orders += self._drop_jobs()
            orders.append(self._recognise(end_ms, settings, draft=False))
        elif recognition.draft_job is not None:
            orders.append(DropRecognition(recognition.draft_job))
            recognition.draft_job = None
        recognition.committed = True
        audio = self._between(self._start_ms, end_ms, settings.input_format)
        speech = Speech(settings.input_format, bytearray(audio), recognition=recognition)
        speech.length_ms = len(audio) / settings.input_format.bytes_per_ms
        self._cut_before(end_ms, settings)
        self._begin_anew(self._detected_ms)
        return Taken(recognition.item_id, speech, recognition), orders

    def _begin_anew(self, detected_ms: float) -> None:
        self._voice = _Voice()
        self._recognition, self._rest_ms = None, None
        self._detected_ms = self._drafted_ms = self._rested_ms = detected_ms

    def _drop_final(self) -> list[Order]:
        recognition = self._current()
        job, recognition.final_job, recognition.candidate = recognition.final_job, None, None
        return [DropRecognition(job)] if job is not None else []

    def _drop_jobs(self) -> list[Order]:
        recognition = self._current()
        job, recognition.draft_job = recognition.draft_job, None
        return [*([DropRecognition(job)] if job is not None else []), *self._drop_final()]

    def _drop_pieces(self, pieces: list[Piece]) -> list[Order]:
        recognition = self._current()
        recognition.pieces = [piece for piece in recognition.pieces if piece not in pieces]
        return [DropRecognition(piece.job) for piece in pieces if piece.text is None]

    def _between(self, start_ms: float, end_ms: float, wire_format: WireFormat) -> bytes:
        return bytes(self._buffer[self._offset(start_ms, wire_format) : self._offset(end_ms, wire_format)])

    def _offset(self, at_ms: float, wire_format: WireFormat) -> int:
        """Return where in the buffer a moment lies, on a whole sample."""
        return max(0, round((at_ms - self._start_ms) * wire_format.bytes_per_ms)) // 2 * 2

    def _cut_before(self, at_ms: float, settings: Settings) -> None:
        """Forget what the buffer holds from before `at_ms`."""
        cut = min(self._offset(at_ms, settings.input_format), len(self._buffer))
        del self._buffer[:cut]
        self._start_ms += cut / settings.input_format.bytes_per_ms

    def _forget_silence(self, settings: Settings) -> None:
        """While turn detection listens and nobody speaks, keep the padding and little more."""
        if _listens(settings) and not self._voice.speaking:
            self._cut_before(self._detected_ms - _padding_ms(settings) - IDLE_MARGIN_MS, settings)


def _listens(settings: Settings) -> bool:
    return settings.turn_detection is not None


def _threshold(settings: Settings) -> float:
    detection = settings.turn_detection
    chosen = detection.threshold if isinstance(detection, ServerVad) else DEFAULT_VAD.threshold
    return chosen or 0.0


def _padding_ms(settings: Settings) -> int:
    detection = settings.turn_detection
    chosen = detection if isinstance(detection, ServerVad) else DEFAULT_VAD
    return chosen.prefix_padding_ms or 0


def _silence_ms(settings: Settings) -> int:
    detection = settings.turn_detection
    if isinstance(detection, SemanticVad):
        return EAGERNESS_MS[detection.eagerness or "auto"]
    return (detection.silence_duration_ms or 0) if detection else 0
