"""Where everything of a transcript's row is: its text broken into lines, its pictures, its buttons.

A shape is made once for an entry and a width, and then painted, measured and hit with the mouse as often as it
takes. All text is plain text, laid out glyph by glyph: nothing that a model says can become markup.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import ceil
from typing import cast
from unicodedata import bidirectional

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QTextCharFormat, QTextLayout, QTextOption

from desktop_app.conversation.entries import Entry, EntryStatus, Role, ToolUse
from desktop_app.ui.entry_words import (
    ACTION_WORDS,
    note_of,
    shown_text,
    tool_arguments,
    tool_line,
    tool_output,
    tool_state,
    utf16_units,
)
from desktop_app.ui.theme import COLUMN_PX, GRID, Text, Theme

LINE_HEIGHT = 1.5
SHAPES_KEPT = 120
BUBBLE_SHARE = 0.86
"""The most of the column that what the user said takes."""
PICTURE_PX = 112
ACTION_PX = 30
HEAD_PX = 24
GIVEN, RESULT = "Given", "Result"


class Spot(Enum):
    """What of a row is at a point."""

    NOTHING = "nothing"
    TEXT = "text"
    ACTION = "action"
    """The button that does something about how the entry ended."""
    TOOL = "tool"
    """The head of a call: opens and closes it."""
    PICTURE = "picture"


@dataclass(slots=True)
class RowShape:
    """Where everything of a row is, relative to the row's left top."""

    entry: Entry
    width: int
    height: int
    body: QTextLayout
    body_at: QPointF
    name_at: QRectF
    end_of_text: QPointF
    """Where the next word will appear, relative to the body."""
    bubble: QRectF | None = None
    card: QRectF | None = None
    """The frame around a call of a tool."""
    head: QRectF = field(default_factory=QRectF)
    """The first line of that frame."""
    opened: bool = False
    """Whether a call shows everything."""
    pictures: tuple[QRectF, ...] = ()
    note: QTextLayout | None = None
    note_at: QPointF = field(default_factory=QPointF)
    action: QRectF | None = None

    def spot_at(self, point: QPointF) -> tuple[Spot, int]:
        """Return what is at a point of the row; for a picture also which one."""
        for number, picture in enumerate(self.pictures):
            if picture.contains(point):
                return Spot.PICTURE, number
        if self.action is not None and self.action.contains(point):
            return Spot.ACTION, 0
        if self.card is not None and QRectF(self.card).intersected(self.head).contains(point):
            return Spot.TOOL, 0
        text = self.bubble or QRectF(self.body_at, self.body.boundingRect().size())
        return (Spot.TEXT if text.contains(point) else Spot.NOTHING), 0

    def position_at(self, point: QPointF) -> int:
        """Return the position in the text nearest to a point of the row."""
        inside = point - self.body_at
        for number in range(self.body.lineCount()):
            line = self.body.lineAt(number)
            if inside.y() < line.y() + line.height() or number == self.body.lineCount() - 1:
                if inside.y() < 0 and number == 0:
                    return 0
                if inside.y() > line.y() + line.height():
                    return line.textStart() + line.textLength()
                return int(line.xToCursor(inside.x()))
        return 0


class RowShapes:
    """Makes shapes and keeps the last ones."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._kept: OrderedDict[str, RowShape] = OrderedDict()
        self._opened: set[str] = set()
        theme.changed.connect(self._kept.clear)

    def shape(self, entry: Entry, width: int) -> RowShape:
        """Return the shape of an entry in a view of this width."""
        known = self._kept.get(entry.item_id)
        if known is not None and known.width == width and (known.entry is entry or known.entry == entry):
            self._kept.move_to_end(entry.item_id)
            return known
        shape = self.build(entry, width)
        self._kept[entry.item_id] = shape
        self._kept.move_to_end(entry.item_id)
        while len(self._kept) > SHAPES_KEPT:
            self._kept.popitem(last=False)
        return shape

    def toggle(self, item_id: str) -> None:
        """Open or close a call of a tool."""
        self._opened ^= {item_id}
        self._kept.pop(item_id, None)

    def is_opened(self, item_id: str) -> bool:
        """Return whether a call of a tool shows everything."""
        return item_id in self._opened

    def estimate(self, entry: Entry, width: int) -> int:
        """Return about how high the row is, without laying it out."""
        px = self._theme.px
        if entry.tool is not None:
            return px(HEAD_PX + 16 * GRID)
        per_line = max(8, (min(width, px(COLUMN_PX)) - px(32)) // px(7))
        lines = ceil(max(1, len(entry.text)) / per_line) + entry.text.count("\n")
        extra = px(20 if entry.remark else 0) + px(ACTION_PX if entry.action else 0)
        return px(52) + lines * px(22) + extra + (px(PICTURE_PX + 2 * GRID) if entry.images else 0)

    def build(self, entry: Entry, width: int) -> RowShape:
        """Lay an entry out."""
        px = self._theme.px
        column = max(px(120), min(width - px(8 * GRID), px(COLUMN_PX)))
        room = QRectF((width - column) / 2, px(3 * GRID), column, 0)
        if entry.tool is not None:
            shape = self._call(entry, entry.tool, room)
        else:
            shape = self._utterance(entry, room)
        shape.width = width
        self._add_note(shape, room)
        shape.height = ceil(shape.height + px(2 * GRID))
        return shape

    # --- kinds of rows ----------------------------------------------------------------------------

    def _utterance(self, entry: Entry, room: QRectF) -> RowShape:
        """Lay out what someone said: the name, the pictures, the text, for the user in a bubble."""
        px, mine = self._theme.px, entry.role is Role.USER
        name_height = QFontMetricsF(self._theme.font(Text.CAPTION)).height()
        top = room.top() + name_height + px(1.5 * GRID if mine else GRID)
        pictures = self._pictures(len(entry.images), room, top, mine=mine)
        if pictures:
            top = pictures[-1].bottom() + px(2 * GRID)
        pad_x, pad_y = (px(4 * GRID), px(2.5 * GRID)) if mine else (0, 0)
        text, formats = shown_text(entry), self._dimmed(entry)
        most = room.width() * BUBBLE_SHARE - 2 * pad_x if mine else room.width()
        body, natural, height = self._lay_out(text, most, Text.BODY, formats)
        # The text of a bubble is laid out in its own width, so that right-to-left text ends at its edge.
        if mine:
            body, natural, height = self._lay_out(text, ceil(natural) + 1, Text.BODY, formats)
        left = room.right() - pad_x - ceil(natural) - 1 if mine else room.left()
        at, bottom, bubble = QPointF(left, top + pad_y), top + height + 2 * pad_y, None
        if not text and pictures:
            bottom = pictures[-1].bottom()
        elif mine:
            bubble = QRectF(left - pad_x, top, ceil(natural) + 1 + 2 * pad_x, height + 2 * pad_y)
        return RowShape(
            entry=entry,
            width=0,
            height=ceil(bottom),
            body=body,
            body_at=at,
            name_at=QRectF(room.left(), room.top(), room.width(), name_height),
            end_of_text=_end_of(body),
            bubble=bubble,
            pictures=pictures,
        )

    def _call(self, entry: Entry, tool: ToolUse, room: QRectF) -> RowShape:
        """Lay out a call of a tool: a frame with a head, and what was given and what came back."""
        px = self._theme.px
        pad = px(3 * GRID)
        head = QRectF(room.left(), room.top(), room.width(), px(HEAD_PX) + 2 * px(2 * GRID))
        opened = self.is_opened(entry.item_id)
        inner = room.width() - 2 * pad
        if opened:
            text, formats = self._opened_call(tool)
        else:
            metrics = QFontMetricsF(self._theme.font(Text.LABEL))
            text, formats = metrics.elidedText(tool_line(tool), Qt.TextElideMode.ElideRight, inner), []
        body, _, height = self._lay_out(text, inner, Text.LABEL, formats)
        bottom = head.bottom() + (height + px(2.5 * GRID) if text else 0)
        return RowShape(
            entry=entry,
            width=0,
            height=ceil(bottom),
            body=body,
            body_at=QPointF(room.left() + pad, head.bottom() - px(GRID)),
            name_at=QRectF(room.left(), room.top(), room.width(), 0),
            end_of_text=_end_of(body),
            card=QRectF(room.left(), room.top(), room.width(), bottom - room.top()),
            head=head,
            opened=opened,
        )

    def _opened_call(self, tool: ToolUse) -> tuple[str, list[QTextLayout.FormatRange]]:
        """Return everything of a call, with its two headings dimmed."""
        given = tool_arguments(tool) or "nothing"
        text = f"{GIVEN}\n{given}"
        heading = QTextCharFormat()
        heading.setForeground(QColor(self._theme.palette.muted))
        formats = [format_range(0, utf16_units(GIVEN), heading)]
        output = tool_output(tool) or tool_state(tool)
        formats.append(format_range(utf16_units(text) + 2, utf16_units(RESULT), heading))
        return f"{text}\n\n{RESULT}\n{output}", formats

    def _pictures(self, count: int, room: QRectF, top: float, *, mine: bool) -> tuple[QRectF, ...]:
        """Place pictures side by side, in as many lines as it takes."""
        side, gap = self._theme.px(PICTURE_PX), self._theme.px(2 * GRID)
        per_line = max(1, int((room.width() + gap) // (side + gap)))
        places = []
        for number in range(count):
            line, at = divmod(number, per_line)
            in_line = min(per_line, count - line * per_line)
            left = room.left() if not mine else room.right() - in_line * side - (in_line - 1) * gap
            places.append(QRectF(left + at * (side + gap), top + line * (side + gap), side, side))
        return tuple(places)

    def _add_note(self, shape: RowShape, room: QRectF) -> None:
        """Put the note and the button under what is there."""
        px, mine = self._theme.px, shape.entry.role is Role.USER
        words, bottom = note_of(shape.entry), float(shape.height)
        indent = px(5 * GRID)
        note_right = room.left()
        if words:
            note, width, height = self._lay_out(words, room.width() - indent, Text.LABEL, [])
            left = room.right() - width if mine else room.left() + indent
            shape.note, shape.note_at = note, QPointF(left, bottom + px(1.5 * GRID))
            bottom, note_right = shape.note_at.y() + height, left + width
        if shape.entry.action is not None:
            metrics = QFontMetricsF(self._theme.font(Text.LABEL, strong=True))
            width = ceil(metrics.horizontalAdvance(ACTION_WORDS[shape.entry.action])) + 2 * px(3 * GRID)
            height = px(ACTION_PX)
            beside = bool(words) and not mine and note_right + px(3 * GRID) + width <= room.right()
            if beside and shape.note is not None and shape.note.lineCount() == 1:
                middle = (shape.note_at.y() + bottom) / 2
                shape.note_at.setY(shape.note_at.y() + px(GRID))
                shape.action = QRectF(note_right + px(3 * GRID), middle + px(GRID) - height / 2, width, height)
            else:
                left = room.right() - width if mine else room.left()
                shape.action = QRectF(left, bottom + px(2 * GRID), width, height)
            bottom = shape.action.bottom()
        shape.height = ceil(bottom)

    # --- text -------------------------------------------------------------------------------------

    def _lay_out(
        self, text: str, width: float, size: Text, formats: Sequence[QTextLayout.FormatRange]
    ) -> tuple[QTextLayout, float, float]:
        """Break a text into lines; return the layout, its natural width and its height."""
        layout = QTextLayout(text.replace("\r", " ").replace("\n", "\u2028"), self._theme.font(size))
        option = QTextOption()
        if is_right_to_left(text):
            option.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignAbsolute)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        layout.setCacheEnabled(True)
        layout.setFormats(list(formats))
        pitch = round(self._theme.px(size.value) * LINE_HEIGHT)
        natural, y = 0.0, 0.0
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            line.setLineWidth(max(1.0, width))
            line.setPosition(QPointF(0, y + (pitch - line.height()) / 2))
            natural = max(natural, line.naturalTextWidth())
            y += pitch
        layout.endLayout()
        return layout, natural, y

    def _dimmed(self, entry: Entry) -> list[QTextLayout.FormatRange]:
        """Dim what was not heard."""
        if entry.status is not EntryStatus.INTERRUPTED or entry.heard_chars is None or not entry.text:
            return []
        heard = utf16_units(entry.text[: entry.heard_chars])
        dimmed = QTextCharFormat()
        dimmed.setForeground(QColor(self._theme.palette.muted))
        return [format_range(heard, utf16_units(entry.text) - heard, dimmed)]


def is_right_to_left(text: str) -> bool:
    """Return the direction of the first letter that has one, as Unicode's bidirectional algorithm does."""
    for letter in text:
        kind = bidirectional(letter)
        if kind in ("L", "R", "AL"):
            return kind != "L"
    return False


def format_range(start: int, length: int, kind: QTextCharFormat) -> QTextLayout.FormatRange:
    """Return a format for a part of a layout's text."""
    span = QTextLayout.FormatRange()
    span.start, span.length, span.format = start, length, kind
    return span


def _end_of(layout: QTextLayout) -> QPointF:
    """Return the end of the last line, at half its height."""
    line = layout.lineAt(layout.lineCount() - 1)
    if not line.isValid():
        return QPointF()
    # PySide returns the position with the cursor's; its stubs call both an object.
    x, _cursor = cast("tuple[float, int]", line.cursorToX(line.textStart() + line.textLength()))
    return QPointF(x, line.y() + line.height() / 2)
