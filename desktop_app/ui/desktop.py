"""What tools may do with the desktop, by Qt: the clipboard, opening pages and files, looking at the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from desktop_app.ui.pictures import png_of
from desktop_app.ui.screenshot import grab


class QtClipboard:
    """The system's clipboard."""

    def read(self) -> str:
        """Return its text; empty if it holds something else."""
        return QGuiApplication.clipboard().text()

    def write(self, text: str) -> None:
        """Replace its content."""
        QGuiApplication.clipboard().setText(text)


def open_address(address: str) -> bool:
    """Open a page or file with the program the system has for it; return whether there is one."""
    return bool(QDesktopServices.openUrl(QUrl(address)))


def ask_where_to_save(parent: QWidget, title: str, suggestion: str, chosen: Callable[[Path], None]) -> None:
    """Let the user choose a file to write, without a loop of its own; `chosen` is called if one was chosen."""
    dialog = QFileDialog(parent, title, suggestion)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.selectFile(suggestion)
    dialog.setDefaultSuffix(Path(suggestion).suffix.removeprefix("."))
    dialog.fileSelected.connect(lambda name: chosen(Path(name)))
    dialog.open()


def ask_which_file(parent: QWidget, title: str, kinds: str, chosen: Callable[[Path], None]) -> None:
    """Let the user choose a file to read, without a loop of its own; `kinds` as in `Sounds (*.wav *.flac)`."""
    dialog = QFileDialog(parent, title, "", kinds)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.fileSelected.connect(lambda name: chosen(Path(name)))
    dialog.open()


def ask_which_folder(parent: QWidget, title: str, chosen: Callable[[Path], None]) -> None:
    """Let the user choose a folder, without a loop of its own."""
    dialog = QFileDialog(parent, title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.fileSelected.connect(lambda name: chosen(Path(name)))
    dialog.open()


async def screen_as_png() -> bytes:
    """Return the main screen as a PNG file, encoded off the loop; empty where programs may not look at it."""
    screen = QGuiApplication.primaryScreen()
    image = grab(screen) if screen is not None else None
    return b"" if image is None or image.isNull() else await asyncio.to_thread(png_of, image)
