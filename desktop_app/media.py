"""Files the user hands over, made fit for the wire: sound as PCM16, pictures as small data URIs.

Both functions are plain and slow (up to a second or two): call them in a worker thread. They trust nothing: a
file's ending, its header, its length and what a decoder raises may all be wrong, and each ends in a `MediaError`
that says what to do. Nothing here knows the window or the conversation.
"""

from __future__ import annotations

import stat
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from desktop_app.errors import MediaError
from desktop_app.protocol.session_config import PCM_RATE_HZ

MAX_SOUND_S = 600
"""What is sent as one message: ten minutes are 6,000 tokens, and 38 MB on the wire."""
MAX_SOUND_BYTES = 200 * 10**6
MAX_PICTURE_BYTES = 32 * 10**6
MAX_PICTURE_PIXELS = 64 * 10**6
"""Decoded, four bytes each: what a picture may take of this computer's memory."""
LONGEST_SIDE_PX = 1024
AIMED_BYTES = 300_000
"""Of the encoded data URI; every later turn carries the picture again."""
MAX_URI_BYTES = 4 * 10**6

_SLOWEST_HZ, _FASTEST_HZ = 4_000, 768_000
_MOST_CHANNELS = 64
_BLOCK_SAMPLES = 2**18
_QUALITY = "HQ"
"""soxr's high quality: nothing waits for it here."""
_RELEVANT_BYTES = 32
_LONGEST_NAME = 60
_SOUND_HINT = "Choose a WAV, FLAC, OGG or MP3 file."
_PICTURE_HINT = "Choose a PNG, JPEG, WebP or GIF picture."

Samples = NDArray[np.float32]


# --- sound --------------------------------------------------------------------------------------


def decode_audio_file(path: Path) -> bytes:
    """Return a sound file as the protocol's `audio/pcm`: 16 bit little-endian, mono, 24 kHz.

    WAV, FLAC, OGG (Vorbis, Opus), MP3, and what else libsndfile reads. Channels are averaged. Raises `MediaError`
    for what is no sound, is cut off, or is longer than `MAX_SOUND_S`.
    """
    name = _shown(path)
    size = _size_of(path, _SOUND_HINT)
    if size > MAX_SOUND_BYTES:
        raise _too_big(name, size, MAX_SOUND_BYTES, "Convert it to FLAC or MP3, or cut it.")
    with _opened(path) as file:
        head = file.read(_RELEVANT_BYTES)
    if path.suffix.lower() == ".raw":  # libsndfile would want to be told rate and channels
        raise MediaError(f"{name} holds raw samples, and nothing says of which kind.", _SOUND_HINT)
    try:
        with soundfile.SoundFile(path) as sound:
            _check_sound(sound, name)
            pcm = b"".join(_resampled(_mono_blocks(sound, name), sound.samplerate))
    except soundfile.LibsndfileError as error:
        raise _no_sound(name, head) from error
    if not pcm:
        raise MediaError(f"{name} holds no sound, or is cut off.", "Choose another recording.")
    return pcm


def encode_audio_file(path: Path, pcm: bytes) -> None:
    """Write PCM16, mono, 24 kHz to a sound file; its ending says which kind: WAV, FLAC, OGG or MP3.

    Raises `MediaError` with a sentence if it cannot be written.
    """
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    try:
        soundfile.write(path, samples, PCM_RATE_HZ)
    except (OSError, soundfile.SoundFileError, TypeError, ValueError) as error:
        text = f"{_shown(path)} could not be written."
        raise MediaError(text, "Choose another place, and a name that ends with .wav, .flac or .ogg.") from error


def looks_like_picture(path: Path) -> bool:
    """Whether a file's name says that it is a picture."""
    return path.suffix.lower() in _PICTURE_ENDINGS


def _check_sound(file: soundfile.SoundFile, name: str) -> None:
    if not _SLOWEST_HZ <= file.samplerate <= _FASTEST_HZ or not 1 <= file.channels <= _MOST_CHANNELS:
        kind = f"{file.samplerate} Hz on {file.channels} channels"
        raise MediaError(f"{name} says it has {kind}, which is no recording.", _SOUND_HINT)
    if file.frames > MAX_SOUND_S * file.samplerate:
        raise _too_long(name)
    if _is_cut_off(file.extra_info):
        raise _cut_off(name)


def _mono_blocks(file: soundfile.SoundFile, name: str) -> Iterator[Samples]:
    """Yield the mean over the channels, block by block; what a header tells of the length is not believed."""
    left = MAX_SOUND_S * file.samplerate
    while True:
        try:
            block: Samples = file.read(_BLOCK_SAMPLES // file.channels, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _cut_off(name) from error
        if not len(block):
            return
        left -= len(block)
        if left < 0:
            raise _too_long(name)
        yield np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0).mean(axis=1, dtype=np.float32)


def _resampled(blocks: Iterator[Samples], rate_hz: int) -> Iterator[bytes]:
    if rate_hz == PCM_RATE_HZ:
        yield from map(_pcm16, blocks)
        return
    resampler = soxr.ResampleStream(rate_hz, PCM_RATE_HZ, 1, dtype="float32", quality=_QUALITY)
    for block in blocks:
        yield _pcm16(resampler.resample_chunk(block))
    yield _pcm16(resampler.resample_chunk(np.zeros(0, np.float32), last=True))


def _pcm16(samples: Samples) -> bytes:
    # By 32768, as libsndfile divides: the samples of a 16 bit file stay what they are.
    pcm: bytes = np.rint(np.clip(samples * 32768.0, -32768.0, 32767.0)).astype("<i2").tobytes()
    return pcm


def _is_cut_off(log: str) -> bool:
    """Whether libsndfile found less sound in a WAV file than its header promises.

    Recorders that stream write a length of zero or the largest there is: that promises nothing.
    """
    for line in log.splitlines():
        name, _, rest = line.partition(":")
        if name.strip() == "data" and "(should be" in rest:
            promised = rest.split()[0]
            return promised.isdecimal() and 0 < int(promised) < 0x7FFFFF00
    return False


def _no_sound(name: str, head: bytes) -> MediaError:
    """Return what is to be said of a file that is no sound, by what it begins with."""
    if head[4:8] == b"ftyp" and head[8:11] in (b"M4A", b"M4B"):
        return MediaError(f"{name} is an M4A recording, which cannot be read here.", "Convert it to MP3 or WAV.")
    if head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or head[8:12] == b"AVI ":
        return MediaError(f"{name} is a video.", "Save its sound as MP3 or WAV and choose that.")
    if head[:4] in (b"RIFF", b"fLaC", b"OggS") or head[:3] == b"ID3":
        return MediaError(f"{name} is damaged: no sound can be found in it.", "Choose another recording.")
    return MediaError(f"{name} is not a sound file that can be read here.", _SOUND_HINT)


def _cut_off(name: str) -> MediaError:
    return MediaError(f"{name} is cut off or damaged.", "Copy or record it once more.")


def _too_long(name: str) -> MediaError:
    return MediaError(f"{name} is longer than {MAX_SOUND_S // 60} minutes.", "Cut it into shorter pieces.")


# --- pictures -----------------------------------------------------------------------------------

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "ICO", *(("AVIF",) if features.check("avif") else ()))
"""What is tried; other plugins would start programs (PostScript) or are seldom needed."""
_PICTURE_ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ico", ".avif", ".heic"}
    | {".heif", ".svg"}
)
"""What people know as pictures, readable here or not; the system's own list knows no WebP on every system."""
_ORIENTATION = 0x0112
_TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What puts a picture upright, by its EXIF orientation."""


def encode_image(source: bytes | Path) -> str:
    """Return a picture as the data URI of an `input_image` part (the guide's image input).

    The longest side is at most `LONGEST_SIDE_PX`, the encoded text aims at `AIMED_BYTES`: PNG if the picture is
    small or has few colours, else JPEG. It stands as its EXIF data says, and carries none; alpha is laid onto
    white; of moving pictures the first is taken. Raises `MediaError` for what is no picture, or a bomb.
    """
    name, data = _picture_bytes(source)
    try:
        picture = _decoded(data, name)
    except MediaError:
        raise
    except Exception as error:  # a decoder raises whatever a broken file makes it meet
        raise MediaError(
            f"{name} is damaged or cut off.", "Save it once more, or take a screenshot of it."
        ) from error
    return _encoded(picture, name)


def _picture_bytes(source: bytes | Path) -> tuple[str, bytes]:
    """Return what the picture is called, and its bytes."""
    if isinstance(source, bytes):
        name, size = "The picture", len(source)
    else:
        name, size = _shown(source), _size_of(source, _PICTURE_HINT)
    if size > MAX_PICTURE_BYTES:
        raise _too_big(name, size, MAX_PICTURE_BYTES, "Save it smaller, or as JPEG.")
    if isinstance(source, bytes):
        return name, source
    with _opened(source) as file:
        return name, file.read(MAX_PICTURE_BYTES + 1)


def _decoded(data: bytes, name: str) -> Image.Image:
    """Return the picture upright, on white, and no larger than it may be."""
    try:
        image: Image.Image = Image.open(BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(name) from error
    except UnidentifiedImageError as error:
        raise _no_picture(name, data) from error
    with image:
        if image.width * image.height > MAX_PICTURE_PIXELS:
            raise _too_many_pixels(name, image)
        image.draft("RGB", (LONGEST_SIDE_PX, LONGEST_SIDE_PX))  # a JPEG is decoded at a fraction of its size
        image.load()
        orientation = _orientation(image)  # only now: some kinds are turned while they are loaded, and then say so
        small = _with_plain_colours(image)
        small.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return _on_white(_upright(small, orientation))


def _with_plain_colours(image: Image.Image) -> Image.Image:
    """Return the picture as RGB or RGBA: palettes, 16 bits, CMYK and masks cannot be scaled as they are."""
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    plain = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == plain else image.convert(plain)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a grey picture of more than 8 bits; `convert` would cut off what is brighter than 255."""
    values = np.asarray(image, np.float32)
    top = max(float(values.max(initial=0.0)), 65535.0 if image.mode.startswith("I") else 1.0)
    return Image.fromarray((np.clip(values / top, 0.0, 1.0) * 255.0).astype(np.uint8))


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # broken camera data is no reason to refuse the picture
        return None


def _upright(image: Image.Image, orientation: object) -> Image.Image:
    turned = _TURNS.get(orientation)
    return image if turned is None else image.transpose(turned)


def _on_white(image: Image.Image) -> Image.Image:
    """Return an RGB picture that carries nothing but its pixels: no EXIF, no comments, no profile."""
    plain = Image.new("RGB", image.size, "white")
    plain.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    return plain


_SMALL_PIXELS = 128 * 128
_FEW_COLOURS = 1024
_JPEG_TRIES = ((80, "4:4:4"), (80, "4:2:0"), (70, "4:2:0"), (60, "4:2:0"), (50, "4:2:0"))
"""Quality and chroma; letters in colour are crisper with all of it."""


def _encoded(picture: Image.Image, name: str) -> str:
    few = picture.getcolors(_FEW_COLOURS) is not None
    if few or picture.width * picture.height <= _SMALL_PIXELS:
        uri = _data_uri(picture, "png")
        if len(uri) <= AIMED_BYTES:
            return uri
    for quality, chroma in _JPEG_TRIES:
        uri = _data_uri(picture, "jpeg", quality=quality, subsampling=chroma)
        if len(uri) <= AIMED_BYTES:
            return uri
    if len(uri) > MAX_URI_BYTES:
        raise MediaError(f"{name} is too detailed to be sent.", "Choose a smaller part of it.")
    return uri


def _data_uri(picture: Image.Image, kind: str, **options: Any) -> str:
    file = BytesIO()
    picture.save(file, kind, **options)
    return f"data:image/{kind};base64,{b64encode(file.getvalue()).decode('ascii')}"


def _no_picture(name: str, data: bytes) -> MediaError:
    if not data:
        return MediaError(f"{name} is empty.", _PICTURE_HINT)
    if data[4:8] == b"ftyp" and data[8:11] in (b"hei", b"hev", b"mif"):
        return MediaError(f"{name} is an HEIC photo, which cannot be read here.", "Save it as JPEG.")
    if data.lstrip()[:5] in (b"<?xml", b"<svg "):
        return MediaError(f"{name} is a drawing, not a picture.", "Export it as PNG.")
    return MediaError(f"{name} is not a picture that can be read here.", _PICTURE_HINT)


def _too_many_pixels(name: str, image: Image.Image | None = None) -> MediaError:
    size = f" ({image.width} × {image.height})" if image is not None else ""
    return MediaError(
        f"{name} has too many pixels{size}.", f"Scale it below {MAX_PICTURE_PIXELS // 10**6} megapixels."
    )


# --- files --------------------------------------------------------------------------------------


def _shown(path: Path) -> str:
    """Return a file's name as it stands in a sentence: in one line, and not endless."""
    line = "".join(c if c.isprintable() else "�" for c in path.name)
    return f"«{line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + '…'}»"


def _size_of(path: Path, hint: str) -> int:
    """Return a file's size; only plain files are opened, as reading a device or a pipe may never end."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{_shown(path)} is not a file.", hint)
    if not status.st_size:
        raise MediaError(f"{_shown(path)} is empty.", hint)
    return status.st_size


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> MediaError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else "its name is not valid"
    text = f"{_shown(path)} could not be read: {why.lower()}."
    return MediaError(text, "Check where it lies, or copy it elsewhere.")


def _too_big(name: str, size: int, most: int, hint: str) -> MediaError:
    return MediaError(f"{name} is too big: {size / 1e6:.0f} MB, and {most / 1e6:.0f} MB are possible.", hint)
