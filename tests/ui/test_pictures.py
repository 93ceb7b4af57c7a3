"""Pictures: small versions of whatever comes, never decoded while painting, never a crash."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest
from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from desktop_app.ui.pictures import THUMBNAIL_PX, Thumbnails, png_of, read_picture


def uri_of(raw: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{b64encode(raw).decode()}"


def blank(width: int, height: int) -> QImage:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(0)
    return image


def encoded(image: QImage, kind: str) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, kind.upper())  # type: ignore[call-overload]
    return bytes(buffer.data().data())


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_picture_keeps_its_shape(kind: str) -> None:
    small = read_picture(uri_of(encoded(blank(1000, 500), kind), kind), 100)
    assert (small.width(), small.height()) == (100, 50)


def test_a_small_picture_is_not_blown_up() -> None:
    assert read_picture(uri_of(png_of(blank(8, 4))), 100).size() == blank(8, 4).size()


def test_a_very_thin_picture_has_a_pixel_left() -> None:
    assert read_picture(uri_of(png_of(blank(4000, 1))), 100).height() == 1


@pytest.mark.qt_log_ignore("libpng", "Could not", "Invalid", "bad", "corrupt", "Corrupt")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "data:",
        "data:image/png;base64,",
        "data:image/png;base64,!!",
        "https://example.org/x.png",
        uri_of(b"text"),
        uri_of(png_of(blank(20, 20))[:40]),
        "data:image/png,raw",
    ],
)
def test_what_is_no_picture_is_a_null_image(uri: str) -> None:
    assert read_picture(uri, 100).isNull() or read_picture(uri, 100).width() == 20


def test_a_bomb_is_not_unpacked() -> None:
    head = bytearray(png_of(blank(1, 1)))
    head[16:24] = (60_000).to_bytes(4) + (60_000).to_bytes(4)
    assert read_picture(uri_of(bytes(head)), 100).isNull()


def test_thumbnails_come_later_and_are_remembered(qtbot: QtBot) -> None:
    thumbnails = Thumbnails()
    uri = uri_of(png_of(blank(1000, 1000)))
    with qtbot.waitSignal(thumbnails.arrived):
        assert thumbnails.get(uri) is None
    image = thumbnails.get(uri)
    assert image is not None
    assert image.width() == 2 * THUMBNAIL_PX
    assert thumbnails.get(uri) is image


def test_the_picture_asked_for_last_comes_first(qtbot: QtBot) -> None:
    thumbnails = Thumbnails()
    first, last = (uri_of(png_of(blank(side, side))) for side in (10, 11))
    thumbnails.get(first)
    thumbnails.get(last)
    seen: list[Callable[[], object]] = []
    with qtbot.waitSignal(thumbnails.arrived):
        seen.append(lambda: thumbnails.get(last))
    assert seen[0]() is not None
