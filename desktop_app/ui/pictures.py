"""Pictures as the protocol carries them (data URIs), made small enough to look at.

Decoding a large picture takes longer than a frame, so it is never done while painting: `Thumbnails` decodes one
picture per turn of the event loop, remembers the small versions of the last ones, and says when one has come.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections import OrderedDict

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QImageReader, QPainter, QPainterPath

THUMBNAIL_PX = 168
"""The longest side of a thumbnail, at scale 1; screens of twice the density are thought of."""
KEPT = 256
MOST_PIXELS = 100_000_000
"""Pictures with more of them are not decoded: whoever sent one wanted to fill the memory."""
FAST_PNG = 80
"""Qt's quality for PNG: compress little, at once."""


def read_picture(data_uri: str, side: int) -> QImage:
    """Return the picture of a data URI, its longest side at most `side` pixels; a null image if it is none."""
    head, comma, body = data_uri.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return QImage()
    try:
        raw = b64decode(body, validate=True)
    except (Base64Error, ValueError):
        return QImage()
    buffer = QBuffer()
    buffer.setData(QByteArray(raw))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer)
    reader.setAutoTransform(True)
    size = reader.size()
    if not size.isValid() or size.width() * size.height() > MOST_PIXELS:
        return QImage()
    if max(size.width(), size.height()) > side:
        reader.setScaledSize(size.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1)))
    return reader.read()


def png_of(image: QImage) -> bytes:
    """Return an image as a PNG file."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG", FAST_PNG)  # type: ignore[call-overload]
    return bytes(buffer.data().data())


def draw_cropped(painter: QPainter, image: QImage, place: QRectF, radius: float) -> None:
    """Fill a rounded rectangle with the middle of an image."""
    outline = QPainterPath()
    outline.addRoundedRect(place, radius, radius)
    scale = max(place.width() / image.width(), place.height() / image.height())
    width, height = place.width() / scale, place.height() / scale
    source = QRectF((image.width() - width) / 2, (image.height() - height) / 2, width, height)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.setClipPath(outline, Qt.ClipOperation.IntersectClip)
    painter.drawImage(place, image, source)
    painter.restore()


class Thumbnails(QObject):
    """Small versions of pictures, decoded one at a time and never while painting."""

    arrived = Signal()
    """One that was asked for has been decoded: paint anew."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._known: OrderedDict[str, QImage] = OrderedDict()
        self._wanted: OrderedDict[str, None] = OrderedDict()
        self._next = QTimer(self)
        self._next.setInterval(0)
        self._next.timeout.connect(self._decode_one)

    def get(self, data_uri: str) -> QImage | None:
        """Return the small picture, null if it is broken; None: not yet, `arrived` will tell."""
        image = self._known.get(data_uri)
        if image is None:
            self._wanted[data_uri] = None
            self._wanted.move_to_end(data_uri)
            self._next.start()
        else:
            self._known.move_to_end(data_uri)
        return image

    def _decode_one(self) -> None:
        if not self._wanted:
            self._next.stop()
            return
        data_uri, _ = self._wanted.popitem()
        self._known[data_uri] = read_picture(data_uri, 2 * THUMBNAIL_PX)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        self.arrived.emit()
