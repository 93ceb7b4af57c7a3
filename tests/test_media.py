"""Sound files and pictures as users hand them over: sound ones, odd ones, broken ones and hostile ones."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
import wave
import zlib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, features

from desktop_app import media
from desktop_app.errors import MediaError
from desktop_app.media import (
    AIMED_BYTES,
    LONGEST_SIDE_PX,
    MAX_PICTURE_BYTES,
    MAX_PICTURE_PIXELS,
    MAX_SOUND_S,
    decode_audio_file,
    encode_audio_file,
    encode_image,
    looks_like_picture,
)

RATE = 24_000

Wave = NDArray[np.float64]


def tone(seconds: float, *, rate: int = 48_000, channels: int = 2, hz: float = 440.0, level: float = 0.5) -> Wave:
    """Return a sine, the same on all channels."""
    sine = level * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)
    return np.repeat(sine[:, None], channels, axis=1)


def samples(pcm: bytes) -> NDArray[np.int16]:
    """Return PCM16 as numbers."""
    return np.frombuffer(pcm, "<i2")


def loudest_hz(pcm: bytes) -> float:
    """Return the frequency that is strongest."""
    spectrum = np.abs(np.fft.rfft(samples(pcm).astype(np.float64)))
    return float(np.argmax(spectrum)) * RATE / len(samples(pcm))


def refusal(path: Path) -> MediaError:
    """Return how a sound file is refused; a refusal has a sentence and a next step."""
    with pytest.raises(MediaError) as caught:
        decode_audio_file(path)
    tell(caught.value)
    return caught.value


def tell(refused: MediaError) -> None:
    """Check that a refusal has a sentence and a next step."""
    assert refused.sentence.endswith(".")
    assert refused.hint.endswith(".")


# --- sound --------------------------------------------------------------------------------------

KINDS: list[tuple[str, dict[str, Any]]] = [
    ("a.wav", {"subtype": "PCM_16"}),
    ("a.wav", {"subtype": "PCM_U8"}),
    ("a.wav", {"subtype": "PCM_24"}),
    ("a.wav", {"subtype": "PCM_32"}),
    ("a.wav", {"subtype": "FLOAT"}),
    ("a.wav", {"subtype": "DOUBLE"}),
    ("a.wav", {"subtype": "ULAW"}),
    ("a.wav", {"format": "WAVEX"}),
    ("a.wav", {"format": "RF64"}),
    ("a.flac", {}),
    ("a.ogg", {}),
    ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ("a.mp3", {}),
    ("a.aiff", {}),
    ("no ending", {"format": "FLAC"}),
    ("wrong.txt", {"format": "MP3"}),
    ("日本語 «ü».wav", {}),
]


@pytest.mark.parametrize(("name", "kind"), KINDS, ids=[f"{n}-{'-'.join(k.values())}" for n, k in KINDS])
def test_every_kind_becomes_24_khz_mono(tmp_path: Path, name: str, kind: dict[str, Any]) -> None:
    path = tmp_path / name
    soundfile.write(path, tone(2.0), 48_000, **{"format": None, **kind})

    pcm = decode_audio_file(path)

    assert len(samples(pcm)) == pytest.approx(2 * RATE, abs=RATE // 20)
    assert loudest_hz(pcm) == pytest.approx(440, abs=1)
    middle = samples(pcm)[RATE // 2 : -RATE // 2]
    assert np.abs(middle).max() / 32767 == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_rate_and_number_of_channels(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1.0, rate=rate, channels=channels), rate)
    pcm = decode_audio_file(path)
    assert len(samples(pcm)) == pytest.approx(RATE, abs=2)
    assert loudest_hz(pcm) == pytest.approx(440, abs=1.5)


def test_a_file_that_fits_already_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    numbers = np.array([0, 1, -1, 12_345, -12_345, 32_767, -32_767], "<i2")
    soundfile.write(path, numbers, RATE)
    assert np.abs(samples(decode_audio_file(path)).astype(int) - numbers).max() <= 1


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    left, right = tone(1.0, rate=RATE, channels=1), tone(1.0, rate=RATE, channels=1, level=-0.5)
    soundfile.write(path, np.hstack([left, right]), RATE)
    assert np.abs(samples(decode_audio_file(path))).max() <= 1, "opposite channels cancel"


def test_blocks_leave_no_seams(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sound = tone(30.0, rate=44_100, channels=2, hz=997.0)
    soundfile.write(path, sound, 44_100, subtype="FLOAT")
    whole = soxr.resample(sound[:, 0].astype(np.float32), 44_100, RATE, quality="HQ")
    ours = samples(decode_audio_file(path)).astype(float) / 32767
    assert len(ours) == len(whole)
    assert np.abs(ours - whole).max() < 1e-4


def test_what_is_no_number_is_silence_and_too_loud_is_clipped(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    odd = np.array([np.nan, np.inf, -np.inf, 2.0, -2.0, 0.0], np.float32)
    soundfile.write(path, odd, RATE, subtype="FLOAT")
    assert samples(decode_audio_file(path)).tolist() == [0, 32767, -32768, 32767, -32768, 0]


def wav(data: bytes, *, channels: int = 1, rate: int = RATE, bits: int = 16, told: int | None = None) -> bytes:
    """Return a WAV file whose header says what we like."""
    frame = channels * bits // 8
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * frame & 0xFFFFFFFF, frame, bits)
    length = len(data) if told is None else told
    body = b"WAVE" + header + struct.pack("<4sI", b"data", length) + data
    return b"RIFF" + struct.pack("<I", (len(body) - len(data) + length) & 0xFFFFFFFF) + body


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.wav", b"Buy milk and bread.\n" * 20, "not a sound file"),
        ("notes.mp3", b"Buy milk and bread.\n" * 20, "not a sound file"),
        ("x.flac", b"\0" * 1000, "not a sound file"),
        ("x.wav", b"\xff", "not a sound file"),
        ("picture.wav", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "not a sound file"),
        ("film.mp4", b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + b"\0" * 100, "video"),
        ("film.mkv", b"\x1aE\xdf\xa3" + b"\0" * 100, "video"),
        ("film.avi", b"RIFF\0\0\0\0AVI LIST" + b"\0" * 100, "video"),
        ("memo.m4a", b"\0\0\0\x20ftypM4A \0\0\0\0" + b"\0" * 100, "M4A"),
        ("x.wav", wav(b"\0\0" * 100)[:20], "damaged"),
        ("x.ogg", b"OggS" + b"\0" * 60, "damaged"),
        ("x.raw", b"\0\0" * 1000, "raw"),
        ("none.wav", wav(b""), "no sound"),
        ("deaf.wav", wav(b"\0\0" * 100, channels=0), ""),
        ("many.wav", wav(b"\0\0" * 5000, channels=5000), ""),
        ("slow.wav", wav(b"\0\0" * 5000, rate=1), "1 Hz"),
        ("fast.wav", wav(b"\0\0" * 5000, rate=2**31 - 1), "Hz"),
        ("still.wav", wav(b"\0\0" * 5000, rate=0), ""),
    ],
)
def test_what_is_no_recording_is_a_sentence(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = refusal(path)
    assert said in error.sentence
    assert name in error.sentence


def test_an_empty_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert "empty" in refusal(tmp_path / "a.wav").sentence


@pytest.mark.parametrize(("name", "kind"), [("a.wav", {}), ("a.wav", {"subtype": "ULAW"}), ("a.flac", {})])
@pytest.mark.parametrize("part", [0.9, 0.5, 0.05])
def test_a_cut_off_file_is_a_sentence(tmp_path: Path, name: str, kind: dict[str, Any], part: float) -> None:
    path = tmp_path / name
    noise = np.random.default_rng(1).normal(0, 0.1, (96_000, 2))
    soundfile.write(path, noise, 48_000, **kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    assert "cut off" in refusal(path).sentence


@pytest.mark.parametrize("told", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFFFE])
def test_a_recorder_that_did_not_know_the_length_is_believed(tmp_path: Path, told: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(b"\x10\x00" * RATE, told=told))
    assert len(samples(decode_audio_file(path))) == RATE


def test_the_rest_of_a_stream_is_taken_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(4.0), 48_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert RATE < len(samples(decode_audio_file(path))) < 3 * RATE


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3"])
def test_what_is_too_long_is_refused_before_it_is_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, np.zeros((MAX_SOUND_S + 1) * 8_000), 8_000)
    begun = time.perf_counter()
    assert "10 minutes" in refusal(path).sentence
    assert time.perf_counter() - begun < 1.0


def test_a_length_that_the_header_hides_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(3 * RATE), RATE)
    monkeypatch.setattr(media, "_check_sound", lambda *_: None)
    monkeypatch.setattr(media, "MAX_SOUND_S", 2)
    assert "longer" in refusal(path).sentence


def test_ten_minutes_go_quickly(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        for _ in range(MAX_SOUND_S // 10):
            file.writeframes(bytes(4 * 44_100 * 10))
    assert path.stat().st_size > 100_000_000
    assert len(decode_audio_file(path)) == MAX_SOUND_S * RATE * 2


@pytest.mark.parametrize("size", [50_000_000, 300_000_000])
def test_fifty_and_three_hundred_megabytes_of_nothing_are_refused_at_once(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.truncate(size)
    begun = time.perf_counter()
    assert refusal(path).hint
    assert time.perf_counter() - begun < 1.0


def test_what_is_not_a_file_is_not_opened(tmp_path: Path) -> None:
    assert "not a file" in refusal(tmp_path).sentence
    assert "could not be read" in refusal(tmp_path / "missing.wav").sentence
    assert "could not be read" in refusal(tmp_path / "a\0b.wav").sentence
    assert "could not be read" in refusal(tmp_path / ("x" * 5000)).sentence


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_nobody_writes_to_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    assert "not a file" in refusal(tmp_path / "a.wav").sentence
    with pytest.raises(MediaError, match="not a file"):
        encode_image(tmp_path / "a.wav")


def test_a_name_stands_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / ("a\n\x1b[31m" + "b" * 200 + ".wav")
    path.write_bytes(b"text")
    sentence = refusal(path).sentence
    assert sentence.isprintable()
    assert len(sentence) < 150


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_what_is_saved_can_be_read(tmp_path: Path, ending: str) -> None:
    pcm = (tone(1.0, rate=RATE, channels=1) * 32767).astype("<i2").tobytes()
    path = tmp_path / f"heard.{ending}"
    encode_audio_file(path, pcm + b"\1")
    again = decode_audio_file(path)
    assert len(samples(again)) == pytest.approx(RATE, abs=RATE // 10)
    assert loudest_hz(again) == pytest.approx(440, abs=2)
    if ending in ("wav", "flac"):
        assert np.abs(samples(again).astype(int) - samples(pcm)).max() <= 1


@pytest.mark.parametrize("name", ["heard", "heard.txt", "heard.raw", "missing/heard.wav", "."])
def test_what_cannot_be_saved_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError) as caught:
        encode_audio_file(tmp_path / name, bytes(100))
    tell(caught.value)


@pytest.fixture(scope="module")
def recordings() -> list[bytes]:
    """Return small files of each kind, to be damaged."""
    files = []
    for format_name, subtype in (("WAV", None), ("FLAC", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)):
        file = io.BytesIO()
        soundfile.write(file, tone(0.2), 48_000, format=format_name, subtype=subtype)
        files.append(file.getvalue())
    return files


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(data=st.data())
def test_a_damaged_recording_is_sound_or_a_sentence(
    data: st.DataObject, tmp_path: Path, recordings: list[bytes]
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(damaged(data, recordings))
    try:
        assert len(decode_audio_file(path)) <= MAX_SOUND_S * RATE * 2
    except MediaError as refused:
        tell(refused)


def damaged(data: st.DataObject, files: list[bytes]) -> bytes:
    """Return one of the files with some bytes changed and the end cut off."""
    content = bytearray(data.draw(st.sampled_from(files)))
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, min(len(content) - 1, 2000)))] = data.draw(st.integers(0, 255))
    return bytes(content[: data.draw(st.integers(1, len(content)))])


# --- pictures -----------------------------------------------------------------------------------


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Return a picture that nothing compresses."""
    size = (height, width, len(mode)) if len(mode) > 1 else (height, width)
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, size, np.uint8))


def photo(width: int, height: int) -> Image.Image:
    """Return a picture as smooth as a photograph."""
    return noise(width // 16 + 1, height // 16 + 1).resize((width, height), Image.Resampling.BICUBIC)


def seen(uri: str) -> Image.Image:
    """Return the picture a server sees, checked for what every one must be."""
    head, _, body = uri.partition(",")
    raw = b64decode(body, validate=True)
    image = Image.open(io.BytesIO(raw))
    image.load()
    assert head == f"data:image/{str(image.format).lower()};base64"
    assert image.format in {"PNG", "JPEG"}
    assert max(image.size) <= LONGEST_SIDE_PX
    assert min(image.size) >= 1
    assert image.mode == "RGB"
    assert len(uri) <= 4_000_000
    return image


def picture_refusal(source: bytes | Path) -> MediaError:
    """Return how a picture is refused."""
    with pytest.raises(MediaError) as caught:
        encode_image(source)
    tell(caught.value)
    return caught.value


PICTURES: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("WEBP", {}),
    ("GIF", {}),
    ("BMP", {}),
    ("TIFF", {}),
    *([("AVIF", {})] if features.check("avif") else []),
]


@pytest.mark.parametrize(("kind", "options"), PICTURES)
def test_every_kind_of_picture_is_scaled(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    path = tmp_path / "picture"
    path.write_bytes(file_of(photo(1200, 900), kind, **options))
    image = seen(encode_image(path))
    assert image.size == (1024, 768)


@pytest.mark.parametrize(
    ("size", "scaled"),
    [
        ((1, 1), (1, 1)),
        ((1024, 1024), (1024, 1024)),
        ((1025, 10), (1024, 10)),
        ((10, 3000), (3, 1024)),
        ((1, 20_000), (1, 1024)),
        ((2000, 1500), (1024, 768)),
        ((300, 200), (300, 200)),
    ],
)
def test_the_longest_side_is_bounded_and_nothing_is_made_larger(
    size: tuple[int, int], scaled: tuple[int, int]
) -> None:
    assert seen(encode_image(file_of(photo(*size)))).size == scaled


def test_a_photo_becomes_a_small_jpeg() -> None:
    uri = encode_image(file_of(photo(4000, 3000), "JPEG", quality=95))
    assert seen(uri).format == "JPEG"
    assert len(uri) < AIMED_BYTES


def test_few_colours_stay_exact() -> None:
    drawing = Image.new("RGB", (800, 600), (250, 250, 250))
    drawing.paste((200, 30, 30), (100, 100, 300, 200))
    image = seen(encode_image(file_of(drawing, "BMP")))
    assert image.format == "PNG"
    assert image.tobytes() == drawing.tobytes()


def test_a_small_picture_stays_exact() -> None:
    icon = noise(64, 64)
    image = seen(encode_image(file_of(icon)))
    assert image.format == "PNG"
    assert image.tobytes() == icon.tobytes()


def test_the_worst_picture_stays_below_the_limit() -> None:
    uri = encode_image(file_of(noise(1024, 1024)))
    assert seen(uri).format == "JPEG"
    assert len(uri) < 1_000_000


def test_what_stays_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_URI_BYTES", 400_000)
    assert "detailed" in picture_refusal(file_of(noise(1024, 1024))).sentence


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    clear = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 100, 200))
    image = seen(encode_image(file_of(clear.convert(mode))))
    assert image.getpixel((150, 100)) == (255, 255, 255)
    assert image.getpixel((50, 100)) != (255, 255, 255)


def test_half_transparent_edges_do_not_turn_dark() -> None:
    clear = Image.new("RGBA", (2000, 2000), (0, 0, 0, 0))
    clear.paste((255, 255, 255, 255), (0, 0, 1001, 2000))
    image = seen(encode_image(file_of(clear)))
    assert image.getextrema() == ((255, 255), (255, 255), (255, 255))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F", "LA", "LAB"])
def test_every_mode_keeps_its_brightness(mode: str) -> None:
    grey = Image.linear_gradient("L").resize((512, 512))
    if mode in ("I;16", "I"):
        picture = Image.fromarray(np.asarray(grey, np.uint16) * 257)
        picture = picture if mode == "I;16" else picture.convert("I")
    elif mode == "F":
        picture = Image.fromarray(np.asarray(grey, np.float32) / 255)
    else:
        picture = grey.convert("RGB").convert(mode)
    kind = "PNG" if mode in ("1", "L", "P", "RGB", "RGBA", "I;16", "LA") else "TIFF"
    image = seen(encode_image(file_of(picture, kind))).convert("L")
    top, middle, bottom = (
        np.asarray(image)[rows].mean() for rows in (slice(0, 8), slice(252, 260), slice(504, 512))
    )
    assert top < 8
    assert 100 < middle < 156
    assert bottom > 247


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_stands_upright_whatever_the_camera_did(orientation: int, kind: str) -> None:
    upright = Image.new("RGB", (400, 200), "white")
    upright.paste((255, 0, 0), (0, 0, 100, 100))  # top left
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(back[orientation]) if orientation in back else upright
    exif = Image.Exif()
    exif[0x0112] = orientation

    image = seen(encode_image(file_of(stored, kind, exif=exif)))

    assert image.size == (400, 200)
    red, green, blue = image.getpixel((30, 30))  # type: ignore[misc]
    assert red > 200
    assert max(green, blue) < 80
    assert min(image.getpixel((350, 150))) > 200  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "size"), [("JPEG", (1600, 1200)), ("PNG", (1600, 1200)), ("PNG", (40, 40))])
def test_nothing_but_pixels_leaves_this_computer(kind: str, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[0x001D] = "2026:11:22"
    options: dict[str, Any] = {"exif": exif, "icc_profile": b"SecretProfile" * 20, "dpi": (123, 123)}
    if kind == "JPEG":
        options["comment"] = b"SecretComment"
    else:
        from PIL.PngImagePlugin import PngInfo

        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Author", "SecretAuthor")
    source = file_of(photo(*size), kind, **options)
    assert b"Secret" in source

    uri = encode_image(source)

    assert b"Secret" not in b64decode(uri.partition(",")[2])
    assert not seen(uri).getexif()


def test_broken_camera_data_does_not_cost_the_picture() -> None:
    source = file_of(photo(600, 400), "JPEG", exif=b"Exif\0\0" + b"nonsense" * 20)
    assert seen(encode_image(source)).size == (600, 400)


def test_of_a_moving_picture_the_first_is_taken() -> None:
    frames = [Image.new("RGB", (300, 200), colour) for colour in ("red", "green", "blue")]
    source = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert seen(encode_image(source)).getpixel((100, 100)) == (255, 0, 0)


@pytest.mark.parametrize(
    "ending", ["png", "JPG", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "svg"]
)
def test_a_picture_is_known_by_its_name_on_every_system(ending: str) -> None:
    assert looks_like_picture(Path(f"a.b.{ending}"))


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "png", ".png", "a.png.flac", "a"])
def test_a_recording_is_not(name: str) -> None:
    assert not looks_like_picture(Path(name))


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that says how large it is, and is nothing."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = zlib.compress(b"\0" * 10_000)
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    return b"\x89PNG\r\n\x1a\n" + header + chunk + b"\0\0\0\0IEND\xaeB`\x82"


@pytest.mark.parametrize("side", [8001, 10_000, 30_000, 2**31 - 1])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    begun = time.perf_counter()
    error = picture_refusal(png_header(side, side))
    assert "too many pixels" in error.sentence
    assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize("kind", ["GIF", "BMP", "JPEG"])
def test_other_headers_bomb_no_better(kind: str) -> None:
    content = bytearray(file_of(Image.new("RGB", (16, 16)), kind))
    match kind:
        case "GIF":
            content[6:10] = struct.pack("<HH", 30_000, 30_000)
        case "BMP":
            content[18:26] = struct.pack("<ii", 30_000, 30_000)
        case "JPEG":
            at = content.index(b"\xff\xc0")
            content[at + 5 : at + 9] = struct.pack(">HH", 30_000, 30_000)
    assert "too many pixels" in picture_refusal(bytes(content)).sentence


def test_what_unpacks_to_much_more_than_it_says_costs_little() -> None:
    data = zlib.compress(b"\0" * 100_000_000, 9)
    small = png_header(100, 100)
    at = small.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    begun = time.perf_counter()
    assert seen(encode_image(small[:at] + chunk + b"\0\0\0\0IEND\xaeB`\x82")).size == (100, 100)
    assert time.perf_counter() - begun < 1.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"plain text", "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "not a picture"),
        (png_header(100, 100), "damaged"),
        (file_of(photo(300, 300))[:5000], "damaged"),
        (file_of(photo(300, 300), "JPEG")[:2000], "damaged"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100, "HEIC"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EOF\n", "not a picture"),
        (b"%PDF-1.7\n", "not a picture"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "not a picture"),
    ],
)
def test_what_is_no_picture_is_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in picture_refusal(content).sentence
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    error = picture_refusal(path)
    assert said in error.sentence
    assert "picture.png" in error.sentence


def test_fifty_megabytes_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.write(file_of(Image.new("RGB", (10, 10))))
        file.truncate(50_000_000)
    begun = time.perf_counter()
    assert "too big: 50 MB" in picture_refusal(path).sentence
    assert "too big" in picture_refusal(bytes(MAX_PICTURE_BYTES + 1)).sentence
    assert time.perf_counter() - begun < 0.5


def test_a_picture_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    assert "could not be read" in picture_refusal(tmp_path / "missing.png").sentence
    assert "not a file" in picture_refusal(tmp_path).sentence


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    """Return small files of each kind, to be damaged."""
    return [file_of(photo(90, 60), kind, **options) for kind, options in PICTURES]


@pytest.fixture
def _no_filter() -> Iterator[None]:
    """Let decoders warn, as they may in the program."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("_no_filter")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(data=st.data())
def test_a_damaged_picture_is_a_picture_or_a_sentence(data: st.DataObject, pictures: list[bytes]) -> None:
    try:
        seen(encode_image(damaged(data, pictures)))
    except MediaError as refused:
        tell(refused)


@pytest.mark.skipif(sys.platform == "win32", reason="memory is limited otherwise there")
def test_the_largest_picture_fits_into_a_gigabyte(tmp_path: Path) -> None:
    side = int(MAX_PICTURE_PIXELS**0.5)
    path = tmp_path / "large.png"
    Image.new("RGBA", (side, side), (10, 20, 30, 40)).save(path, compress_level=1)
    script = (
        "import resource, sys; from pathlib import Path; from desktop_app.media import encode_image;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "encode_image(Path(sys.argv[1]));"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    unit = 1024 if sys.platform == "darwin" else 1
    assert int(done.stdout) // unit < 1000
