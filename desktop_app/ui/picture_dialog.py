"""A picture of the conversation, as large as the screen allows."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from desktop_app.ui.labels import PlainLabel
from desktop_app.ui.pictures import read_picture
from desktop_app.ui.theme import GRID, Theme

SCREEN_SHARE = 0.8


class PictureDialog(QDialog):
    """Shows one picture; Esc or a click closes it."""

    def __init__(self, data_uri: str, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Picture")
        self._label = PlainLabel("This picture cannot be shown.")
        self._label.setAccessibleName("Picture")
        self._label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._label.setMargin(theme.px(4 * GRID))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._label)
        self._show_picture(data_uri)

    def _show_picture(self, data_uri: str) -> None:
        ratio = self.devicePixelRatio()
        room = self.screen().availableSize() * SCREEN_SHARE
        image = read_picture(data_uri, round(max(room.width(), room.height()) * ratio))
        if image.isNull():
            return
        keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        most = room * ratio
        if image.width() > most.width() or image.height() > most.height():
            image = image.scaled(most, keep, smooth)
        image.setDevicePixelRatio(ratio)
        self._label.setMargin(0)
        self._label.setPixmap(QPixmap.fromImage(image))
