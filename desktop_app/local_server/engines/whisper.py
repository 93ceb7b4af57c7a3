"""Whisper on CTranslate2: speech to text in about a quarter of a second on two cores.

How it works. Whisper wants 30 s of log-mel spectrum; most utterances last three. Here it gets the utterance plus
3 s of silence, at least 10 s: a quarter of the work for the same word error rate (below that it begins to invent
words). A draft is decoded greedily, a final result with a beam of 5, which costs a fifth more and halves the
errors in noise. When that looks doubtful (low probability, or text that repeats itself) it is done again with the
full window. Longer recordings are cut at their quietest place.

Whisper was trained on subtitles and answers silence and noise with "you" or "Thank you.": see `_is_invented`.

One thread does all the work, one utterance after the other. A draft that still waits when something newer is
asked for is dropped: nobody wants it any more. Whoever cancels a call gives its place up at once; what is being
computed at that moment is finished (0.3 s at worst, the second attempt is skipped) and thrown away.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from desktop_app.errors import WeightsError
from desktop_app.local_server.engines import RECOGNITION_RATE_HZ, Recognised, Samples
from desktop_app.local_server.sound import quietest

FRAME_SAMPLES = 160
"""A column of the spectrum stands for 10 ms."""
FRAMES_PER_S = RECOGNITION_RATE_HZ // FRAME_SAMPLES
FULL_WINDOW_FRAMES = 3000
SHORTEST_WINDOW_S = 10.0
WINDOW_MARGIN_S = 3.0
LONGEST_PIECE_S = 28.0
SHORTEST_PIECE_S = 18.0
SHORTEST_SPEECH_S = 0.1
TOKENS_PER_S = 8
"""More than anybody says; what is longer is a loop."""

BEAM = 5
DOUBTFUL_LOG_PROBABILITY = -1.0
DOUBTFUL_COMPRESSION = 2.4
INAUDIBLE = 10 ** (-60 / 20)
"""Peak level below which nothing was said: -60 dBFS."""

INVENTED = frozenset(
    {"you", "you you", "thank you", "thank you very much", "thanks for watching", "thank you for watching"}
    | {"please subscribe", "bye", "bye bye", "so", "oh", "im sorry", "i", "im", "okay", "hmm", "mm", "um", "uh"}
    | {"yeah", "oh yeah"}
)
"""What Whisper hears in silence and noise, in small letters and without punctuation."""


class LogMel:
    """The spectrum Whisper was trained on: mel bands, logarithmic, 80 dB deep, a column every 10 ms."""

    def __init__(self, bands: int) -> None:
        self._filters = _mel_filters(bands)
        self._window = np.hanning(_FFT_SAMPLES + 1)[:-1].astype(np.float32)

    def __call__(self, audio: Samples, frames: int) -> NDArray[np.float32]:
        """Return [bands, frames]; audio is cut or filled with silence to that length."""
        length = frames * FRAME_SAMPLES
        padded = np.zeros(length, np.float32)
        padded[: min(length, audio.size)] = audio[:length]
        padded = np.pad(padded, _FFT_SAMPLES // 2, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[::FRAME_SAMPLES][:frames]
        power = np.abs(np.fft.rfft(windows * self._window, axis=1)).astype(np.float32) ** 2
        log = np.log10(np.maximum(self._filters @ power.T, 1e-10))
        return np.ascontiguousarray((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0, np.float32)


_FFT_SAMPLES = 400


def _mel_filters(bands: int) -> NDArray[np.float32]:
    """Return triangular filters [bands, bins] on Slaney's mel scale: linear up to 1 kHz, logarithmic above."""
    step = np.log(6.4) / 27
    top_mel = 15 + np.log(RECOGNITION_RATE_HZ / 2 / 1000) / step
    mels = np.linspace(0.0, top_mel, bands + 2)
    edges_hz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * step))
    bins_hz = np.linspace(0, RECOGNITION_RATE_HZ / 2, _FFT_SAMPLES // 2 + 1)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    filters: NDArray[np.float32] = (triangles * 2 / (high - low)).astype(np.float32)
    return filters


def _bytes_of_characters() -> dict[str, int]:
    """Return the byte behind each character of a token: printable ones stand for themselves, the others follow."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + n): byte for n, byte in enumerate(others)})
    return table


@dataclass(slots=True)
class _Request:
    """One utterance to recognise, and whether anybody still wants to know."""

    audio: Samples
    language: str | None
    draft: bool
    dropped: bool = False


class Whisper:
    """A `SpeechToText` for Whisper models of any size, as converted for CTranslate2."""

    def __init__(self, folder: Path, *, threads: int = 2, languages: Sequence[str] = ()) -> None:
        """Load the model (0.6 s); `WeightsError` if it is not one.

        `languages` is the shortlist to choose from when a call names none, empty for all: detection in a short
        window errs now and then, so name the language wherever it is known.
        """
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type="int8", intra_threads=threads
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise WeightsError(
                "The model for speech recognition cannot be loaded.", "Delete its folder and start again."
            ) from error
        self._log_mel = LogMel(self._model.n_mels)
        self._shortlist = frozenset(languages)
        self._known = _languages_of(folder)
        self._bytes = _bytes_of_characters()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="whisper")
        self._waiting_draft: _Request | None = None

    @classmethod
    async def load(cls, folder: Path, *, threads: int = 2, languages: Sequence[str] = ()) -> Self:
        """Load the model and warm it up, in another thread; `WeightsError` if it is not one."""
        whisper = await asyncio.to_thread(cls, folder, threads=threads, languages=languages)
        noise = np.random.default_rng(0).normal(0.0, 0.01, RECOGNITION_RATE_HZ).astype(np.float32)
        await whisper.transcribe(noise, language="en", draft=True)
        return whisper

    def close(self) -> None:
        """Give the thread back; calls that wait are cancelled."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def transcribe(self, audio: Samples, *, language: str | None = None, draft: bool = False) -> Recognised:
        """Recognise a whole utterance of any length; no text if nothing was said.

        A draft skips the second attempt, and comes back without text if something newer was asked for before
        its turn came. `language` is ISO 639-1; one the model does not know is detected instead.
        """
        if self._waiting_draft is not None:
            self._waiting_draft.dropped = True
        code = (language or "").lower().split("-")[0]
        request = _Request(audio, code if code in self._known else None, draft)
        self._waiting_draft = request if draft else None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._recognise, request)
        except asyncio.CancelledError:
            request.dropped = True
            raise

    def _recognise(self, request: _Request) -> Recognised:
        pieces = [self._recognise_piece(piece, request) for piece in _pieces(request.audio)]
        spoken = [piece for piece in pieces if piece.text]
        if not spoken:
            return pieces[0]
        return Recognised(
            " ".join(piece.text for piece in spoken),
            spoken[0].language,
            min(piece.log_probability for piece in spoken),
            min(piece.no_speech for piece in spoken),
        )

    def _recognise_piece(self, audio: Samples, request: _Request) -> Recognised:
        seconds = audio.size / RECOGNITION_RATE_HZ
        if request.dropped or seconds < SHORTEST_SPEECH_S or float(np.abs(audio).max()) < INAUDIBLE:
            return Recognised("", no_speech=1.0)
        short_s = max(SHORTEST_WINDOW_S, seconds + WINDOW_MARGIN_S)
        # the encoder halves the number of columns, so it must be even
        frames = min(FULL_WINDOW_FRAMES, 2 * int(short_s * FRAMES_PER_S / 2))
        result = self._decode(audio, request, frames, beam=1 if request.draft else BEAM)
        worth_it = _is_doubtful(result) and not _is_invented(result)
        if worth_it and not request.draft and not request.dropped:
            result = self._decode(audio, request, FULL_WINDOW_FRAMES, beam=BEAM)
        if _is_invented(result):
            return Recognised("", result.language, result.log_probability, result.no_speech)
        return result

    def _decode(self, audio: Samples, request: _Request, frames: int, *, beam: int) -> Recognised:
        columns = self._log_mel(audio, frames)[None]
        encoded = self._model.encode(ctranslate2.StorageView.from_array(columns))
        if request.dropped:  # half of the work is saved, and whoever waits is served sooner
            return Recognised("", no_speech=1.0)
        language = request.language
        prompt = ["<|startoftranscript|>"]
        if self._model.is_multilingual:
            language = language or self._detect(encoded)
            prompt += [f"<|{language}|>", "<|transcribe|>"]
        result = self._model.generate(
            encoded,
            [[*prompt, "<|notimestamps|>"]],
            beam_size=beam,
            max_length=min(448, 14 + int(audio.size / RECOGNITION_RATE_HZ * TOKENS_PER_S)),
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        text = self._text(list(result.sequences[0]))
        return Recognised(text, language or "en", float(result.scores[0]), float(result.no_speech_prob))

    def _detect(self, encoded: ctranslate2.StorageView) -> str:
        ranked: list[str] = [token.strip("<|>") for token, _ in self._model.detect_language(encoded)[0]]
        return next((code for code in ranked if code in self._shortlist), ranked[0])

    def _text(self, tokens: Sequence[str]) -> str:
        characters = "".join(token for token in tokens if not (token.startswith("<|") and token.endswith("|>")))
        known = bytes(self._bytes[character] for character in characters if character in self._bytes)
        return known.decode("utf-8", "replace").strip()


def _languages_of(folder: Path) -> frozenset[str]:
    """Return the languages there are tokens for."""
    files = [folder / name for name in ("vocabulary.txt", "vocabulary.json")]
    text = "".join(path.read_text("utf-8") for path in files if path.exists())
    return frozenset(re.findall(r"<\|([a-z]{2,3})\|>", text))


def _pieces(audio: Samples) -> Iterator[Samples]:
    """Cut what is longer than the model's window at its quietest places."""
    longest, shortest = int(LONGEST_PIECE_S * RECOGNITION_RATE_HZ), int(SHORTEST_PIECE_S * RECOGNITION_RATE_HZ)
    while audio.size > longest:
        cut = shortest + quietest(audio[shortest:longest], RECOGNITION_RATE_HZ)
        yield audio[:cut]
        audio = audio[cut:]
    yield audio


def _is_doubtful(result: Recognised) -> bool:
    """Tell a guess or a loop from a result."""
    encoded = result.text.encode()
    repeats = len(encoded) > 24 and len(encoded) > DOUBTFUL_COMPRESSION * len(zlib.compress(encoded))
    return repeats or result.log_probability < DOUBTFUL_LOG_PROBABILITY


def _is_invented(result: Recognised) -> bool:
    """Tell what Whisper makes of noise from what somebody said.

    Measured with noise, hum, clicks, coughs and music of three levels against one-word answers with and without
    noise: the first have no_speech above 0.55 *and* a log probability below -0.85, the second never both, but
    either now and then. The usual phrases are trusted less.
    """
    words = "".join(character for character in result.text.lower() if character.isalnum() or character == " ")
    if not words.strip():
        return True
    if words.strip() in INVENTED:
        return result.no_speech > 0.4 and result.log_probability < -0.75
    return (result.no_speech > 0.6 and result.log_probability < -1.0) or result.log_probability < -2.5
