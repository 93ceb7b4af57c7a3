"""The transcript: what both sides said, as a list of rows that stays smooth with ten thousand of them.

`TranscriptModel` keeps the entries in the order of the conversation and upserts them by item id.
`EntryDelegate` shapes and paints one row. `TranscriptView` is a list view with a layout of its own: Qt's lays
out every row again when one changes, which at 10,000 rows takes longer than a frame. Here only rows in sight
are measured; the heights of the others are estimated, and what the user looks at stays where it is when an
estimate turns out wrong. The view follows the conversation while its end is in sight, and only then.

Rows are as wide as the whole view: the scroll bar lies over their margin, so that the text does not jump aside
when it comes, and stays in line with what is below the view.

All text is plain text, painted glyph by glyph: nothing that a model says can become markup. Positions inside a
row count UTF-16 units, as `QTextLayout` does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import ceil
from typing import cast
from unicodedata import bidirectional

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QFontMetricsF,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QRegion,
    QResizeEvent,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QWidget,
)

from desktop_app.conversation.effects import Entry, EntryStatus, Role
from desktop_app.ui.theme import COLUMN_PX, GRID, KEY_REASONS, Text, Theme

ENTRY_ROLE = Qt.ItemDataRole.UserRole
SPEAKERS = {Role.USER: "You", Role.ASSISTANT: "Assistant", Role.TOOL: "Tool", Role.SYSTEM: "Note"}
LINE_HEIGHT = 1.5
SHAPES_KEPT = 300
NEAR_END_PX = 8
FADE_PX = 20
SCROLL_WHILE_SELECTING_MS = 40

Index = QModelIndex | QPersistentModelIndex


def shown_text(entry: Entry) -> str:
    """Return the words of an entry, or what stands for them while there are none."""
    if entry.text:
        return entry.text
    if entry.tool is not None:
        return f"{entry.tool.name} {entry.tool.arguments}\n{entry.tool.output}".rstrip()
    if entry.status is EntryStatus.IN_PROGRESS:
        return "…"
    if entry.role is Role.USER and entry.spoken:
        return "(no transcript)"
    return "(no answer)" if entry.role is Role.ASSISTANT else ""


def note_of(entry: Entry) -> str:
    """Return the line under an entry: how it ended, if not by itself."""
    if entry.status is EntryStatus.INTERRUPTED:
        return _join(_interruption(entry), entry.remark)
    if entry.remark:
        return entry.remark
    if entry.status is EntryStatus.INCOMPLETE:
        return "The answer was cut short."
    return "The answer failed." if entry.status is EntryStatus.FAILED else ""


def _interruption(entry: Entry) -> str:
    if entry.heard_chars == 0 or entry.heard_ms == 0:
        return "Interrupted before it was heard"
    if entry.heard_ms is None:
        return "Interrupted"
    return f"Interrupted after {entry.heard_ms / 1000:.1f} s"


def _join(*sentences: str) -> str:
    return " · ".join(sentence for sentence in sentences if sentence)


def utf16_units(text: str) -> int:
    """Return how many UTF-16 units `text` takes."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _utf16_slice(text: str, start: int, end: int) -> str:
    raw = text.encode("utf-16-le", "surrogatepass")[2 * start : 2 * end]
    return raw.decode("utf-16-le", "replace")


class TranscriptModel(QAbstractListModel):
    """The entries of the conversation, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] = []
        self._rows: dict[str, int] = {}

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 – Qt's own signature
        """Return the number of entries."""
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return an entry, its text, or what a screen reader says of it."""
        if not index.isValid() or index.row() >= len(self._entries):
            return None
        entry = self._entries[index.row()]
        if role == ENTRY_ROLE:
            return entry
        if role == Qt.ItemDataRole.DisplayRole:
            return shown_text(entry)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return _spoken_row(entry)
        return None

    def entry(self, row: int) -> Entry:
        """Return the entry of a row."""
        return self._entries[row]

    def row_of(self, item_id: str) -> int | None:
        """Return the row of an item, if it is shown."""
        return self._rows.get(item_id)

    def upsert(self, entry: Entry, after: str | None) -> None:
        """Insert or replace an entry behind the item `after`; None: first, unknown: where it is, or last."""
        row = self._rows.get(entry.item_id)
        if row is None:
            self._insert(self._place_behind(after, len(self._entries)), entry)
            return
        self._move(row, self._place_behind(after, row))
        row = self._rows[entry.item_id]
        if self._entries[row] != entry:
            self._entries[row] = entry
            self.dataChanged.emit(self.index(row), self.index(row))

    def remove(self, item_id: str) -> None:
        """Take an entry out, if it is shown."""
        row = self._rows.get(item_id)
        if row is None:
            return
        self.beginRemoveRows(QModelIndex(), row, row)
        del self._entries[row]
        del self._rows[item_id]
        self._number(row)
        self.endRemoveRows()

    def clear(self) -> None:
        """Forget all entries."""
        self.beginResetModel()
        self._entries.clear()
        self._rows.clear()
        self.endResetModel()

    def _place_behind(self, after: str | None, otherwise: int) -> int:
        if after is None:
            return 0
        row = self._rows.get(after)
        return otherwise if row is None else row + 1

    def _insert(self, row: int, entry: Entry) -> None:
        self.beginInsertRows(QModelIndex(), row, row)
        self._entries.insert(row, entry)
        self._number(row)
        self.endInsertRows()

    def _move(self, row: int, place: int) -> None:
        """Move a row before what is at `place` now."""
        if place in (row, row + 1):
            return
        self.beginMoveRows(QModelIndex(), row, row, QModelIndex(), place)
        entry = self._entries.pop(row)
        self._entries.insert(place - 1 if place > row else place, entry)
        self._number(min(row, place))
        self.endMoveRows()

    def _number(self, first: int) -> None:
        for row in range(first, len(self._entries)):
            self._rows[self._entries[row].item_id] = row


def _spoken_row(entry: Entry) -> str:
    """Return one element's worth of words: speaker, text, state."""
    words = f"{SPEAKERS[entry.role]}: {shown_text(entry)}"
    if entry.status is EntryStatus.INTERRUPTED and entry.heard_chars is not None and entry.text:
        heard, unheard = entry.text[: entry.heard_chars].strip(), entry.text[entry.heard_chars :].strip()
        words = f"{SPEAKERS[entry.role]}: {heard}" + (f" – not heard: {unheard}" if unheard else "")
    return _join(words, note_of(entry))


@dataclass(slots=True)
class _Shape:
    """Where everything of a row is, relative to the row's left top."""

    entry: Entry
    width: int
    height: int
    body: QTextLayout
    body_at: QPointF
    name_at: QRectF
    bubble: QRectF | None
    note: QTextLayout | None
    note_at: QPointF
    end_of_text: QPointF
    """Where the next word will appear."""


class EntryDelegate(QStyledItemDelegate):
    """Shapes and paints one entry."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._shapes: OrderedDict[str, _Shape] = OrderedDict()
        theme.changed.connect(self._shapes.clear)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return the size of a row in a view as wide as `option.rect`."""
        rect: QRect = option.rect
        return QSize(rect.width(), self.shape(index.data(ENTRY_ROLE), rect.width()).height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a row as the list view's option says."""
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        self.paint_row(
            painter,
            rect,
            index.data(ENTRY_ROLE),
            selected=bool(state & QStyle.StateFlag.State_Selected),
            ring=bool(state & QStyle.StateFlag.State_HasFocus),
        )

    def estimate(self, entry: Entry, width: int) -> int:
        """Return about how high the row is, without laying it out."""
        px = self._theme.px
        per_line = max(8, (min(width, px(COLUMN_PX)) - px(32)) // px(7))
        lines = ceil(max(1, len(entry.text)) / per_line) + entry.text.count("\n")
        return px(52) + lines * px(22) + (px(20) if entry.remark else 0)

    def position_at(self, shape: _Shape, point: QPointF) -> int:
        """Return the position in the text nearest to a point of the row."""
        inside = point - shape.body_at
        for number in range(shape.body.lineCount()):
            line = shape.body.lineAt(number)
            if inside.y() < line.y() + line.height() or number == shape.body.lineCount() - 1:
                if inside.y() < 0 and number == 0:
                    return 0
                if inside.y() > line.y() + line.height():
                    return line.textStart() + line.textLength()
                return int(line.xToCursor(inside.x()))
        return 0

    def shape(self, entry: Entry, width: int) -> _Shape:
        """Return the layout of an entry in a view of this width; the last ones are kept."""
        known = self._shapes.get(entry.item_id)
        if known is not None and known.width == width and (known.entry is entry or known.entry == entry):
            self._shapes.move_to_end(entry.item_id)
            return known
        shape = self._build(entry, width)
        self._shapes[entry.item_id] = shape
        self._shapes.move_to_end(entry.item_id)
        while len(self._shapes) > SHAPES_KEPT:
            self._shapes.popitem(last=False)
        return shape

    def paint_row(
        self,
        painter: QPainter,
        rect: QRect,
        entry: Entry,
        *,
        selected: bool = False,
        ring: bool = False,
        span: tuple[int, int] | None = None,
    ) -> None:
        """Paint an entry; `span` is the selected part of its text."""
        shape = self.shape(entry, rect.width())
        painter.save()
        painter.translate(rect.topLeft())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter, shape, selected=selected, ring=ring)
        self._paint_name(painter, shape)
        painter.setPen(QColor(self._ink(entry)))
        shape.body.draw(painter, shape.body_at, self._selection(span))
        if entry.status is EntryStatus.IN_PROGRESS and entry.text:
            self._paint_pen(painter, shape)
        if shape.note is not None:
            self._paint_note(painter, shape)
        painter.restore()

    # --- shaping ----------------------------------------------------------------------------------

    def _build(self, entry: Entry, width: int) -> _Shape:
        px = self._theme.px
        column = max(px(120), min(width - px(8 * GRID), px(COLUMN_PX)))
        left = (width - column) / 2
        top = px(3 * GRID)
        name_height = QFontMetricsF(self._theme.font(Text.CAPTION)).height()
        mine = entry.role is Role.USER
        pad_x, pad_y = (px(4 * GRID), px(2.5 * GRID)) if mine else (0, 0)
        room = column * 0.86 - 2 * pad_x if mine else column
        body, natural, height = self._lay_out(shown_text(entry), room, Text.BODY, self._formats(entry))
        # The text of a bubble is laid out in its own width, so that right-to-left text ends at its edge.
        if mine:
            body, natural, height = self._lay_out(
                shown_text(entry), ceil(natural) + 1, Text.BODY, self._formats(entry)
            )
        text_left = left + column - pad_x - ceil(natural) - 1 if mine else left
        text_top = top + name_height + px(GRID if not mine else 1.5 * GRID) + pad_y
        bubble = None
        if mine:
            bubble = QRectF(text_left - pad_x, text_top - pad_y, ceil(natural) + 1 + 2 * pad_x, height + 2 * pad_y)
        bottom = text_top + height + pad_y
        note, note_at = None, QPointF(left + px(5 * GRID), bottom + px(1.5 * GRID))
        if note_of(entry):
            room = column - px(5 * GRID)
            note, note_width, note_height = self._lay_out(note_of(entry), room, Text.LABEL, [])
            if mine:
                note_at.setX(left + column - note_width)
            bottom = note_at.y() + note_height
        return _Shape(
            entry=entry,
            width=width,
            height=ceil(bottom + px(2 * GRID)),
            body=body,
            body_at=QPointF(text_left, text_top),
            name_at=QRectF(left, top, column, name_height),
            bubble=bubble,
            note=note,
            note_at=note_at,
            end_of_text=_end_of(body),
        )

    def _lay_out(
        self, text: str, width: float, size: Text, formats: list[QTextLayout.FormatRange]
    ) -> tuple[QTextLayout, float, float]:
        """Break a text into lines; return the layout, its natural width and its height."""
        font = self._theme.font(size)
        layout = QTextLayout(text.replace("\r", " ").replace("\n", "\u2028"), font)
        option = QTextOption()
        if _is_right_to_left(text):
            option.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignAbsolute)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        layout.setCacheEnabled(True)
        layout.setFormats(formats)
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

    def _formats(self, entry: Entry) -> list[QTextLayout.FormatRange]:
        """Dim what was not heard."""
        if entry.status is not EntryStatus.INTERRUPTED or entry.heard_chars is None or not entry.text:
            return []
        heard = utf16_units(entry.text[: entry.heard_chars])
        dimmed = QTextCharFormat()
        dimmed.setForeground(QColor(self._theme.palette.muted))
        return [_format_range(heard, utf16_units(entry.text) - heard, dimmed)]

    # --- painting ---------------------------------------------------------------------------------

    def _ink(self, entry: Entry) -> str:
        palette = self._theme.palette
        return palette.text if entry.text and entry.role is not Role.SYSTEM else palette.muted

    def _selection(self, span: tuple[int, int] | None) -> list[QTextLayout.FormatRange]:
        if span is None or span[0] == span[1]:
            return []
        marked = QTextCharFormat()
        marked.setBackground(QColor(self._theme.palette.selection))
        marked.setForeground(QColor(self._theme.palette.text))
        return [_format_range(span[0], span[1] - span[0], marked)]

    def _paint_ground(self, painter: QPainter, shape: _Shape, *, selected: bool, ring: bool) -> None:
        palette, px = self._theme.palette, self._theme.px
        whole = QRectF(
            shape.name_at.left() - px(3 * GRID),
            px(GRID),
            shape.name_at.width() + px(6 * GRID),
            shape.height - px(1.5 * GRID),
        )
        radius = px(3 * GRID)
        if selected or ring:
            painter.setBrush(QColor(palette.selection) if selected else Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(palette.accent), px(2)) if ring else Qt.PenStyle.NoPen)
            painter.drawRoundedRect(whole, radius, radius)
        if shape.bubble is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.accent_tint))
            painter.drawRoundedRect(shape.bubble, px(4 * GRID), px(4 * GRID))

    def _paint_name(self, painter: QPainter, shape: _Shape) -> None:
        palette, px, entry = self._theme.palette, self._theme.px, shape.entry
        font = self._theme.font(Text.CAPTION, strong=True)
        name = SPEAKERS[entry.role]
        painter.setFont(font)
        painter.setPen(QColor(palette.muted if entry.role is not Role.ASSISTANT else palette.accent))
        rect = QRectF(shape.name_at)
        if entry.role is Role.USER:
            painter.drawText(rect, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)
            if entry.spoken:
                side = px(3 * GRID)
                left = rect.right() - QFontMetricsF(font).horizontalAdvance(name) - side - px(GRID)
                place = QRectF(left, rect.center().y() - side / 2, side, side)
                self._theme.draw_icon(painter, "mic", place, palette.muted)
        else:
            painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)

    def _paint_pen(self, painter: QPainter, shape: _Shape) -> None:
        """Mark where the next words will come."""
        radius = self._theme.px(GRID)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.palette.accent))
        at = shape.body_at + shape.end_of_text + QPointF(2 * radius, 0)
        painter.drawEllipse(at, radius, radius)

    def _paint_note(self, painter: QPainter, shape: _Shape) -> None:
        assert shape.note is not None
        palette, px = self._theme.palette, self._theme.px
        failed = shape.entry.status in (EntryStatus.FAILED, EntryStatus.INCOMPLETE)
        colour = palette.error if shape.entry.status is EntryStatus.FAILED else palette.muted
        side = px(3.5 * GRID)
        line = shape.note.lineAt(0)
        at = shape.note_at - QPointF(side + px(1.5 * GRID), side / 2 - line.y() - line.height() / 2)
        icon = "triangle-alert" if failed else "hand"
        if shape.entry.status is EntryStatus.INTERRUPTED or failed:
            self._theme.draw_icon(painter, icon, QRectF(at, QSize(side, side)), colour)
        painter.setPen(QColor(colour))
        shape.note.draw(painter, shape.note_at)


def _is_right_to_left(text: str) -> bool:
    """Return the direction of the first letter that has one, as Unicode's bidirectional algorithm does."""
    for letter in text:
        kind = bidirectional(letter)
        if kind in ("L", "R", "AL"):
            return kind != "L"
    return False


def _format_range(start: int, length: int, kind: QTextCharFormat) -> QTextLayout.FormatRange:
    span = QTextLayout.FormatRange()
    span.start, span.length, span.format = start, length, kind
    return span


def _end_of(layout: QTextLayout) -> QPointF:
    """Return the end of the last line, at half its height."""
    line = layout.lineAt(layout.lineCount() - 1)
    # PySide returns the position with the cursor's; its stubs call both an object.
    x, _cursor = cast("tuple[float, int]", line.cursorToX(line.textStart() + line.textLength()))
    return QPointF(x, line.y() + line.height() / 2)


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """A position in the text of the whole transcript."""

    row: int
    position: int


class TranscriptView(QListView):
    """Shows the transcript."""

    typed = Signal(str)
    """Something was typed while the transcript had the focus: it belongs into the line."""

    def __init__(self, model: TranscriptModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._transcript = model
        self._delegate = EntryDelegate(theme)
        self._heights: list[int] = []
        self._exact = bytearray()
        """1 where the height of a row was measured, 0 where it is estimated."""
        self._offsets: list[int] = [0]
        self._laid_out_width = -1
        self._dirty = False
        self._follows = True
        self._anchor: tuple[str, int] | None = None
        """The item that must not move in sight, and how far its top is below the view's."""
        self._settling = False
        self._mark: tuple[_Place, _Place] | None = None
        """Where a selection of text began and where it is now."""
        self._ring = False
        self._empty = ("", "")
        self._settle_soon = QTimer(self)
        self._settle_soon.setSingleShot(True)
        self._settle_soon.timeout.connect(self._settle)
        self._drag = QTimer(self)
        self._drag.setInterval(SCROLL_WHILE_SELECTING_MS)
        self._drag.timeout.connect(self._scroll_while_selecting)
        self._to_end = QToolButton(self)
        self._set_up()
        self.setModel(model)
        self.setItemDelegate(self._delegate)
        self._connect_model(model)
        theme.changed.connect(self._restyle)
        self._restyle()

    def _set_up(self) -> None:
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAutoScroll(False)
        self.setTabKeyNavigation(False)
        self.setMinimumHeight(self._theme.px(16 * GRID))
        self.viewport().setMouseTracking(True)
        self.setAccessibleName("Transcript")
        self.setObjectName("transcript")
        self._to_end.setProperty("kind", "float")
        self._to_end.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._to_end.setAccessibleName("Go to the end")
        self._to_end.setToolTip("Go to the end (End)")
        self._to_end.clicked.connect(self.follow)
        self._to_end.hide()

    def _connect_model(self, model: TranscriptModel) -> None:
        model.rowsInserted.connect(self._rows_came)
        model.rowsRemoved.connect(self._rows_left)
        model.rowsMoved.connect(self._start_over)
        model.modelReset.connect(self._start_over)
        model.dataChanged.connect(self._rows_changed)

    # --- what the window asks ---------------------------------------------------------------------

    @property
    def follows(self) -> bool:
        """Whether the end is in sight and stays so."""
        return self._follows

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._follows = True
        self._settle()

    def set_empty_text(self, headline: str, body: str) -> None:
        """Set what stands here before anything was said."""
        self._empty = (headline, body)
        self.setAccessibleDescription("" if self._transcript.rowCount() else f"{headline}. {body}")
        self.viewport().update()

    def selected_text(self) -> str:
        """Return the selected part of the text, or else the selected rows, as plain text."""
        if self._mark is not None and self._mark[0] != self._mark[1]:
            return "\n\n".join(text for text in self._marked_texts() if text)
        rows = sorted(index.row() for index in self.selectedIndexes())
        entries = [self._transcript.entry(row) for row in rows]
        if len(entries) == 1:
            return entries[0].text
        return "\n\n".join(f"{SPEAKERS[entry.role]}: {shown_text(entry)}" for entry in entries)

    def copy(self) -> None:
        """Put what is selected on the clipboard."""
        if text := self.selected_text():
            QGuiApplication.clipboard().setText(text)

    # --- keeping track of the model ---------------------------------------------------------------

    def _rows_came(self, parent: QModelIndex, first: int, last: int) -> None:
        width = self.width()
        heights = [self._delegate.estimate(self._transcript.entry(row), width) for row in range(first, last + 1)]
        self._heights[first:first] = heights
        self._exact[first:first] = bytes(len(heights))
        self._mark = None if self._mark and first <= max(self._mark).row else self._mark
        self._schedule()

    def _rows_left(self, parent: QModelIndex, first: int, last: int) -> None:
        del self._heights[first : last + 1]
        del self._exact[first : last + 1]
        self._mark = None
        self._schedule()

    def _rows_changed(self, top: QModelIndex, bottom: QModelIndex) -> None:
        for row in range(top.row(), bottom.row() + 1):
            self._exact[row] = 0
        self._schedule()

    def _start_over(self) -> None:
        estimate, entry, width = self._delegate.estimate, self._transcript.entry, self.width()
        self._heights = [estimate(entry(row), width) for row in range(self._transcript.rowCount())]
        self._exact = bytearray(len(self._heights))
        self._mark = None
        if not self._transcript.rowCount():
            self._follows = True
        self._schedule()

    def _schedule(self) -> None:
        self._dirty = True
        if not self._settle_soon.isActive():
            self._settle_soon.start(0)

    # --- layout -----------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Measure what is in sight, set the scroll bar, and keep in place what the user looks at."""
        if self._settling:
            return
        self._settling = True
        self._settle_soon.stop()
        self._dirty = False
        width, view_height = self.width(), self.viewport().height()
        if width != self._laid_out_width:
            # What was right for the old width is a fair estimate for the new one, and costs nothing.
            self._laid_out_width = width
            self._exact = bytearray(len(self._heights))
        bar = self.verticalScrollBar()
        # Each round makes exact what the round before brought into sight; two are the rule.
        value = 0
        for _ in range(50):
            self._add_up()
            most = max(0, self._offsets[-1] + self._end_pad() - view_height)
            value = most if self._follows else min(most, max(0, self._wanted_value(bar.value())))
            if not self._measure_visible(value, view_height, width):
                break
        bar.setPageStep(max(1, view_height))
        bar.setSingleStep(self._theme.px(44))
        bar.setRange(0, most)
        bar.setValue(value)
        self._remember_anchor(value)
        self._settling = False
        self._place_to_end_button()
        self.viewport().update()

    def _add_up(self) -> None:
        self._offsets = list(accumulate(self._heights, initial=self._theme.px(2 * GRID)))

    def _end_pad(self) -> int:
        return self._theme.px(4 * GRID)

    def _wanted_value(self, current: int) -> int:
        if self._anchor is None:
            return current
        item_id, below_top = self._anchor
        row = self._transcript.row_of(item_id)
        return current if row is None else self._offsets[row] - below_top

    def _measure_visible(self, value: int, view_height: int, width: int) -> bool:
        """Measure the estimated rows in sight; return whether a height changed."""
        changed = False
        for row in self._rows_between(value, value + view_height):
            if not self._exact[row]:
                height = self._delegate.shape(self._transcript.entry(row), width).height
                changed = changed or height != self._heights[row]
                self._heights[row] = height
                self._exact[row] = 1
        return changed

    def _rows_between(self, top: int, bottom: int) -> Iterator[int]:
        row = max(0, bisect_right(self._offsets, top) - 1)
        while row < len(self._heights) and self._offsets[row] < bottom:
            yield row
            row += 1

    def _remember_anchor(self, value: int) -> None:
        """Hold on to the first row that begins in sight, or to the one that fills it."""
        rows = list(self._rows_between(value, value + self.viewport().height()))
        begins = [row for row in rows if self._offsets[row] >= value] or rows
        if not begins:
            self._anchor = None
            return
        row = begins[0]
        self._anchor = (self._transcript.entry(row).item_id, self._offsets[row] - value)

    def _up_to_date(self) -> None:
        if self._dirty or len(self._offsets) != self._transcript.rowCount() + 1:
            self._settle()

    def _place_to_end_button(self) -> None:
        side = self._theme.px(36)
        margin = self._theme.px(3 * GRID)
        self._to_end.setFixedSize(side, side)
        self._to_end.move((self.width() - side) // 2, self.viewport().height() - side - margin)
        self._to_end.setVisible(not self._follows and bool(self._heights))

    # --- what a list view must answer -------------------------------------------------------------

    def visualRect(self, index: Index) -> QRect:
        """Return where a row is in the viewport."""
        if not index.isValid():
            return QRect()
        self._up_to_date()
        row = index.row()
        top = self._offsets[row] - self.verticalScrollBar().value()
        return QRect(0, top, self.width(), self._heights[row])

    def indexAt(self, point: QPoint) -> QModelIndex:
        """Return the row at a point of the viewport."""
        self._up_to_date()
        y = point.y() + self.verticalScrollBar().value()
        row = bisect_right(self._offsets, y) - 1
        inside = 0 <= row < len(self._heights)
        return self._transcript.index(row) if inside else QModelIndex()

    def scrollTo(
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        """Bring a row into sight; of one higher than the view, its beginning."""
        if not index.isValid():
            return
        for _ in range(3):  # measuring on the way moves it
            rect = self.visualRect(index)
            bar = self.verticalScrollBar()
            top_wanted = hint is QAbstractItemView.ScrollHint.PositionAtTop
            if top_wanted or rect.top() < 0 or rect.height() > self.viewport().height():
                bar.setValue(bar.value() + rect.top())
            elif rect.bottom() > self.viewport().height():
                bar.setValue(bar.value() + rect.bottom() - self.viewport().height())

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Return the row a key leads to."""
        last = self._transcript.rowCount() - 1
        if last < 0:
            return QModelIndex()
        current = self.currentIndex()
        row = current.row() if current.isValid() else last + 1
        page = self.viewport().height()
        kind = QAbstractItemView.CursorAction
        match action:
            case kind.MoveUp | kind.MovePrevious | kind.MoveLeft:
                row -= 1
            case kind.MoveDown | kind.MoveNext | kind.MoveRight:
                row += 1
            case kind.MoveHome:
                row = 0
            case kind.MoveEnd:
                row = last
            case kind.MovePageUp:
                row = self._row_away(row, -page)
            case kind.MovePageDown:
                row = self._row_away(row, page)
        return self._transcript.index(min(last, max(0, row)))

    def _row_away(self, row: int, distance: int) -> int:
        """Return the row whose top is a distance from this one's, and another one than this."""
        self._up_to_date()
        there = bisect_right(self._offsets, self._offsets[min(row, len(self._heights))] + distance) - 1
        return min(there, row - 1) if distance < 0 else max(there, row + 1)

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """Select the rows a rectangle of the viewport touches."""
        self._up_to_date()
        value, rect = self.verticalScrollBar().value(), rect.normalized()
        rows = list(self._rows_between(rect.top() + value, rect.bottom() + value + 1))
        selection = QItemSelection()
        if rows:
            selection.select(self._transcript.index(rows[0]), self._transcript.index(rows[-1]))
        self.selectionModel().select(selection, command)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        """Return what must be painted anew: everything, it is little."""
        return QRegion(self.viewport().rect())

    def verticalOffset(self) -> int:
        """Return how far the view is scrolled."""
        return self.verticalScrollBar().value()

    def horizontalOffset(self) -> int:
        """Return 0: nothing is wider than the view."""
        return 0

    def isIndexHidden(self, index: Index) -> bool:
        """Return that no row is hidden."""
        return False

    def doItemsLayout(self) -> None:
        """Leave Qt's own layout of all rows out."""
        self._schedule()

    def updateGeometries(self) -> None:
        """Leave Qt's own scroll range out."""

    def rowsInserted(self, parent: Index, start: int, end: int) -> None:
        """Leave Qt's own layout out; see `_rows_came`."""

    def rowsAboutToBeRemoved(self, parent: Index, start: int, end: int) -> None:
        """Let the base class move the current row; its own layout does not matter."""
        QAbstractItemView.rowsAboutToBeRemoved(self, parent, start, end)

    def dataChanged(self, top: Index, bottom: Index, roles: object = ()) -> None:
        """Leave Qt's own layout out; see `_rows_changed`."""

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Scroll: what came into sight is measured, and the end may have come into sight or left."""
        if not self._settling:
            bar = self.verticalScrollBar()
            self._follows = bar.value() >= bar.maximum() - self._theme.px(NEAR_END_PX)
            self._remember_anchor(bar.value())
            self._settle()
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out anew: the lines break elsewhere."""
        QAbstractItemView.resizeEvent(self, event)
        self._settle()

    # --- painting ---------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows in sight."""
        self._up_to_date()
        painter = QPainter(self.viewport())
        if not self._heights:
            self._paint_empty(painter)
            painter.end()
            return
        value, width = self.verticalScrollBar().value(), self.width()
        selection = self.selectionModel()
        ring_row = self.currentIndex().row() if self._ring and self.hasFocus() else -1
        dirty = event.rect()
        for row in self._rows_between(value + dirty.top(), value + dirty.bottom() + 1):
            self._delegate.paint_row(
                painter,
                QRect(0, self._offsets[row] - value, width, self._heights[row]),
                self._transcript.entry(row),
                selected=selection.isRowSelected(row, QModelIndex()),
                ring=row == ring_row,
                span=self._span_of(row),
            )
        self._paint_fades(painter)
        painter.end()

    def _paint_fades(self, painter: QPainter) -> None:
        """Let the text fade out where there is more of it than is in sight."""
        bar, depth = self.verticalScrollBar(), self._theme.px(FADE_PX)
        height = self.viewport().height()
        ground, clear = QColor(self._theme.palette.window), QColor(self._theme.palette.window)
        clear.setAlpha(0)
        for shown, edge, inwards in (
            (bar.value() > 0, 0, depth),
            (bar.value() < bar.maximum(), height, -depth),
        ):
            if shown:
                fade = QLinearGradient(0, edge, 0, edge + inwards)
                fade.setColorAt(0, ground)
                fade.setColorAt(1, clear)
                painter.fillRect(QRect(0, min(edge, edge + inwards), self.width(), depth), fade)

    def _paint_empty(self, painter: QPainter) -> None:
        """Paint the program's mark and two sentences in the middle."""
        px, palette = self._theme.px, self._theme.palette
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        room = QRectF(0, 0, self.width(), self.viewport().height())
        width = min(room.width() - px(12 * GRID), px(440))
        centred = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        flags = int(centred) | int(Qt.TextFlag.TextWordWrap)
        head_font, body_font = self._theme.font(Text.HEADLINE, strong=True), self._theme.font(Text.BODY)
        box = QRectF(0, 0, width, room.height())
        head = QFontMetricsF(head_font).boundingRect(box, flags, self._empty[0])
        body = QFontMetricsF(body_font).boundingRect(box, flags, self._empty[1])
        mark = px(64)
        total = mark + px(5 * GRID) + head.height() + px(2 * GRID) + body.height()
        shows_mark = total < room.height() - px(8 * GRID)
        if not shows_mark:
            total -= mark + px(5 * GRID)
        left, top = (room.width() - width) / 2, max(px(3 * GRID), (room.height() - total) / 2)
        if shows_mark:
            place = QRectF((room.width() - mark) / 2, top, mark, mark)
            pixmap = self._theme.mark(64)
            painter.drawPixmap(place, pixmap, QRectF(pixmap.rect()))
            top += mark + px(5 * GRID)
        painter.setFont(head_font)
        painter.setPen(QColor(palette.text))
        painter.drawText(QRectF(left, top, width, head.height()), flags, self._empty[0])
        top += head.height() + px(2 * GRID)
        painter.setFont(body_font)
        painter.setPen(QColor(palette.muted))
        painter.drawText(QRectF(left, top, width, body.height()), flags, self._empty[1])

    def _restyle(self) -> None:
        self._to_end.setIcon(self._theme.icon("arrow-down"))
        self._laid_out_width = -1
        self._schedule()

    # --- selecting --------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move and select by rows, copy; what is typed goes into the line."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            return
        plain = not event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
        if plain and event.text().isprintable() and event.text().strip():
            self.typed.emit(event.text())
            return
        before, selected = self.currentIndex(), self.selectedIndexes()
        super().keyPressEvent(event)
        if self.currentIndex() != before or event.key() in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self._ring = True
            self._show_current()
        if self.currentIndex() != before or self.selectedIndexes() != selected:
            self._mark = None
        self.viewport().update()

    def _show_current(self) -> None:
        if self.currentIndex().row() == self._transcript.rowCount() - 1:
            self.follow()
        else:
            self._follows = False
            self.scrollTo(self.currentIndex())

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show where the keys are, if the focus came by key."""
        self._ring = event.reason() in KEY_REASONS
        super().focusInEvent(event)
        self.viewport().update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to select text."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        place = self._place_at(event.position())
        if place is None:
            return
        self._ring = False
        extends = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier) and self._mark is not None
        self._mark = (self._mark[0], place) if extends and self._mark is not None else (place, place)
        self.selectionModel().setCurrentIndex(
            self._transcript.index(place.row), QItemSelectionModel.SelectionFlag.Clear
        )
        self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Select text as far as the mouse goes."""
        if event.buttons() & Qt.MouseButton.LeftButton and self._mark is not None:
            self._select_to(event.position())
            outside = not 0 <= event.position().y() < self.viewport().height()
            if outside and not self._drag.isActive():
                self._drag.start()
            return
        over = self._over_text(event.position())
        self.viewport().setCursor(Qt.CursorShape.IBeamCursor if over else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End selecting; where the system has a primary selection, fill it."""
        self._drag.stop()
        clipboard = QGuiApplication.clipboard()
        if clipboard.supportsSelection() and (text := self.selected_text()):
            clipboard.setText(text, clipboard.Mode.Selection)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Select a word."""
        place = self._place_at(event.position())
        if place is None or event.button() != Qt.MouseButton.LeftButton:
            return
        layout = self._shape(place.row).body
        words = QTextLayout.CursorMode.SkipWords
        end = layout.nextCursorPosition(place.position, words)
        start = layout.previousCursorPosition(end, words)
        text = _utf16_slice(shown_text(self._transcript.entry(place.row)), start, end)
        end -= len(text) - len(text.rstrip())
        self._mark = (_Place(place.row, start), _Place(place.row, end))
        self.viewport().update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to copy."""
        row = self.indexAt(event.pos()) if event.reason() == event.Reason.Mouse else self.currentIndex()
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        copy = menu.addAction("Copy", self.copy)
        copy.setEnabled(bool(self.selected_text()))
        one = menu.addAction("Copy this entry", lambda: self._copy_row(row.row()))
        one.setEnabled(row.isValid())
        everything = menu.addAction("Copy the whole conversation", self._copy_all)
        everything.setEnabled(self._transcript.rowCount() > 0)
        at_row = self.viewport().mapToGlobal(self.visualRect(row).topLeft())
        menu.popup(event.globalPos() if event.reason() == event.Reason.Mouse else at_row)

    def _copy_row(self, row: int) -> None:
        QGuiApplication.clipboard().setText(shown_text(self._transcript.entry(row)))

    def _copy_all(self) -> None:
        self._mark = None
        self.selectAll()
        self.copy()

    def _select_to(self, point: QPointF) -> None:
        place = self._place_at(point)
        if place is not None and self._mark is not None:
            self._mark = (self._mark[0], place)
            self.viewport().update()

    def _scroll_while_selecting(self) -> None:
        point = QPointF(self.viewport().mapFromGlobal(self.cursor().pos()))
        height = self.viewport().height()
        beyond = point.y() if point.y() < 0 else max(0.0, point.y() - height)
        bar = self.verticalScrollBar()
        bar.setValue(bar.value() + int(beyond))
        self._select_to(point)

    def _shape(self, row: int) -> _Shape:
        return self._delegate.shape(self._transcript.entry(row), self.width())

    def _place_at(self, point: QPointF) -> _Place | None:
        """Return the place in the text nearest to a point of the viewport."""
        self._up_to_date()
        if not self._heights:
            return None
        y = point.y() + self.verticalScrollBar().value()
        row = min(len(self._heights) - 1, max(0, bisect_right(self._offsets, y) - 1))
        in_row = QPointF(point.x(), y - self._offsets[row])
        return _Place(row, self._delegate.position_at(self._shape(row), in_row))

    def _over_text(self, point: QPointF) -> bool:
        index = self.indexAt(point.toPoint())
        if not index.isValid():
            return False
        shape = self._shape(index.row())
        text = shape.bubble or QRectF(shape.body_at, shape.body.boundingRect().size())
        return text.contains(point - QPointF(self.visualRect(index).topLeft()))

    def _span_of(self, row: int) -> tuple[int, int] | None:
        """Return the selected part of a row's text."""
        if self._mark is None:
            return None
        first, last = sorted(self._mark)
        if not first.row <= row <= last.row:
            return None
        length = utf16_units(shown_text(self._transcript.entry(row)))
        start = first.position if row == first.row else 0
        end = last.position if row == last.row else length
        return min(start, length), min(end, length)

    def _marked_texts(self) -> Iterator[str]:
        assert self._mark is not None
        for row in range(min(self._mark).row, max(self._mark).row + 1):
            span = self._span_of(row)
            if span is not None and row < self._transcript.rowCount():
                yield _utf16_slice(shown_text(self._transcript.entry(row)), *span)
