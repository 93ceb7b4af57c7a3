"""Labels of plain text."""

from __future__ import annotations

import re

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from desktop_app.ui.plain import visible
from desktop_app.ui.theme import plain_tip

LONGEST_RUN = 20
"""Longer runs of characters get places to break at."""


def breakable(text: str) -> str:
    """Return `text` with places to break a line at inside its long words: names and addresses have no spaces."""
    return re.sub(rf"\S{{{LONGEST_RUN},}}", _with_breaks, text)


def _with_breaks(word: re.Match[str]) -> str:
    pieces = re.findall(rf"[^._/-]{{1,{LONGEST_RUN}}}[._/-]*|[._/-]+", word.group())
    return "\u200b".join(pieces)


class PlainLabel(QLabel):
    """A label that shows text as text. Qt's own takes what looks like HTML for HTML, and fetches its pictures."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)  # Qt's own would follow links
        self.setText(text)

    def setText(self, text: str) -> None:
        """Show a text, with what would disguise it made visible."""
        super().setText(visible(text))


class ElidedLabel(PlainLabel):
    """One line of plain text that gives way when there is no room for it; the tooltip has it all."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def minimumSizeHint(self) -> QSize:
        """Return that any width will do."""
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint as much as there is room for."""
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        self.setToolTip(plain_tip(self.text()) if shown != self.text() else "")
        painter.drawText(self.rect(), int(self.alignment() | Qt.AlignmentFlag.AlignVCenter), shown)
        painter.end()
