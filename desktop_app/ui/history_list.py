"""The list in the history panel: a model of its rows, a delegate that paints one, the view with keys and mouse.

All rows are of one height, so that Qt need not measure thousands of them; a row is given words when it is painted,
and rows of long ago come when someone scrolls down to them. What changes at the top of a long list is told as what
it is, a few rows that came or went: the place the user looks at stays where it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import time

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QFont,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QResizeEvent,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QWidget,
)

from desktop_app.ui.entry_words import utf16_slice, utf16_units
from desktop_app.ui.history_rows import (
    Found,
    Heading,
    Key,
    Line,
    Row,
    key_of,
    one_line,
    snippet_words,
    spoken_words,
    time_words,
    title_words,
    when_words,
)
from desktop_app.ui.row_shapes import format_range
from desktop_app.ui.theme import GRID, KEY_REASONS, Text, Theme, plain_tip
from desktop_app.ui.transcript_model import Index

ROW_PX = 52
INSET_PX = 2 * GRID
PAD_PX = 3 * GRID
MORE_PX = 28
MOST_TITLE_CHARS = 200
DELETE_KEYS = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) if sys.platform == "darwin" else (Qt.Key.Key_Delete,)
"""What stands on a Mac where others have Del is a backspace."""
ROW_ROLE = Qt.ItemDataRole.UserRole


class HistoryModel(QAbstractListModel):
    """The rows of the panel."""

    renamed = Signal(int, str)
    """The number of a conversation, and the title the user typed."""
    more_asked = Signal()
    """The end is in sight, and there is more."""

    def __init__(self, now: Callable[[], float] = time) -> None:
        super().__init__()
        self.now = now
        """The clock: Unix seconds."""
        self._rows: list[Row] = []
        self._keys: list[Key] = []
        self._more = False
        self.present: int | None = None
        """The number of the conversation that is going on."""
        self.opened: int | None = None
        """The number of the old one that is shown."""

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 – Qt's own signature
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._rows)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Return that headings can only be looked at, and conversations can be renamed."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        match self._rows[index.row()]:
            case Heading():
                return Qt.ItemFlag.NoItemFlags
            case Line():
                return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable
            case Found():
                return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return a row, its words, or what a screen reader says of it."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._spoken(row)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(title_words(row.past)) if isinstance(row, Line) else None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            match row:
                case Heading(words):
                    return words
                case Line(past):
                    return title_words(past)
                case Found(hit):
                    return snippet_words(hit)[0]
        return None

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take a new title; it is shown until the store says otherwise."""
        row = self.row(index)
        title = one_line(str(value))[:MOST_TITLE_CHARS]
        if role != Qt.ItemDataRole.EditRole or not isinstance(row, Line):
            return False
        if not title or title == title_words(row.past):
            return False
        self._rows[index.row()] = replace(row, past=replace(row.past, title=title))
        self.dataChanged.emit(index, index)
        self.renamed.emit(row.past.number, title)
        return True

    def row(self, index: Index) -> Row | None:
        """Return the row at an index."""
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def index_of(self, key: Key) -> QModelIndex:
        """Return where the row of this key is; not valid if it is not here."""
        return self.index(self._keys.index(key)) if key in self._keys else QModelIndex()

    def canFetchMore(self, parent: Index) -> bool:
        """Return whether there is more than is here."""
        return self._more and not parent.isValid()

    def fetchMore(self, parent: Index) -> None:
        """Ask for more."""
        if self._more:
            self._more = False
            self.more_asked.emit()

    def show_rows(self, rows: Sequence[Row], *, more: bool = False) -> None:
        """Show these rows, behind which there are more or not.

        Only what is between the same beginning and the same end comes and goes.
        """
        self._more = more
        keys = [key_of(row) for row in rows]
        first, last_old, last_new = _difference(self._keys, keys)
        if first < last_old:
            self.beginRemoveRows(QModelIndex(), first, last_old - 1)
            del self._rows[first:last_old], self._keys[first:last_old]
            self.endRemoveRows()
        if first < last_new:
            self.beginInsertRows(QModelIndex(), first, last_new - 1)
            self._rows[first:first] = rows[first:last_new]
            self._keys[first:first] = keys[first:last_new]
            self.endInsertRows()
        changed = [at for at, (old, new) in enumerate(zip(self._rows, rows, strict=True)) if old != new]
        if changed:
            self._rows = list(rows)
            self.dataChanged.emit(self.index(changed[0]), self.index(changed[-1]))

    def mark(self, *, present: int | None, opened: int | None) -> None:
        """Say which conversation is going on, and which old one is shown."""
        if (present, opened) != (self.present, self.opened):
            self.present, self.opened = present, opened
            if self._rows:
                self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1))

    def _spoken(self, row: Row) -> str:
        number = row.past.number if isinstance(row, Line) else None
        present = number is not None and number == self.present
        return spoken_words(row, self.now(), present=present, opened=number is not None and number == self.opened)


def _difference(old: Sequence[Key], new: Sequence[Key]) -> tuple[int, int, int]:
    """Return where two sequences begin to differ, and where each of them is as the other again."""
    first = 0
    shorter = min(len(old), len(new))
    while first < shorter and old[first] == new[first]:
        first += 1
    same = 0
    while same < shorter - first and old[-1 - same] == new[-1 - same]:
        same += 1
    return first, len(old) - same, len(new) - same


@dataclass(frozen=True, slots=True)
class _Look:
    """What is special about a row just now."""

    hovered: bool
    ring: bool
    opened: bool
    present: bool


class HistoryDelegate(QStyledItemDelegate):
    """Paints one row, and lets a title be typed where it stands."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._fonts: dict[tuple[Text, bool], tuple[QFont, QFontMetricsF]] = {}
        self.ring = False
        """Whether the row the keys act on shows it."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return the size of every row."""
        return QSize(0, self._theme.px(ROW_PX))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a row."""
        model = index.model()
        assert isinstance(model, HistoryModel)
        row, rect = model.row(index), QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        match row:
            case Heading(words):
                self._paint_heading(painter, rect, words)
            case Line():
                self._paint_ground(painter, rect, self._look(option, model, row.past.number))
                self._paint_line(painter, rect, row, model)
            case Found():
                self._paint_ground(painter, rect, self._look(option, model, None))
                self._paint_found(painter, rect, row)
            case None:
                pass
        painter.restore()

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """Return a line for the title."""
        line = QLineEdit(parent)
        line.setMaxLength(MOST_TITLE_CHARS)
        line.setAccessibleName("Title")
        return line

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Fill the line, unless something was typed into it: the list may change meanwhile."""
        if isinstance(editor, QLineEdit) and not editor.isModified():
            super().setEditorData(editor, index)

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        """Put the line over the row."""
        rect: QRect = option.rect
        aside, above = self._theme.px(INSET_PX), self._theme.px(GRID)
        editor.setGeometry(rect.adjusted(aside, above, -aside, -above))

    # --- parts ------------------------------------------------------------------------------------

    def _look(self, option: QStyleOptionViewItem, model: HistoryModel, number: int | None) -> _Look:
        state: QStyle.StateFlag = option.state
        return _Look(
            hovered=bool(state & QStyle.StateFlag.State_MouseOver),
            ring=self.ring and bool(state & QStyle.StateFlag.State_HasFocus),
            opened=number is not None and number == model.opened,
            present=number is not None and number == model.present,
        )

    def _paint_ground(self, painter: QPainter, rect: QRectF, look: _Look) -> None:
        palette, px = self._theme.palette, self._theme.px
        ground = rect.adjusted(px(INSET_PX), px(1), -px(INSET_PX), -px(1))
        colour = palette.accent_tint if look.opened else palette.hover if look.hovered else ""
        painter.setPen(QPen(QColor(palette.accent), px(2)) if look.ring else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colour) if colour else Qt.BrushStyle.NoBrush)
        inset = px(1) if look.ring else 0
        if colour or look.ring:
            painter.drawRoundedRect(ground.adjusted(inset, inset, -inset, -inset), px(8), px(8))
        if look.present:
            bar = QRectF(ground.left(), ground.top() + px(10), px(3), ground.height() - px(20))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.accent))
            painter.drawRoundedRect(bar, px(1.5), px(1.5))

    def _paint_heading(self, painter: QPainter, rect: QRectF, words: str) -> None:
        px = self._theme.px
        place = rect.adjusted(px(INSET_PX + PAD_PX), 0, -px(INSET_PX + PAD_PX), -px(1.5 * GRID))
        align = Qt.AlignmentFlag.AlignBottom
        self._paint_words(
            painter, place, words, Text.CAPTION, strong=True, ink=self._theme.palette.muted, align=align
        )

    def _paint_line(self, painter: QPainter, rect: QRectF, row: Line, model: HistoryModel) -> None:
        palette, px, past = self._theme.palette, self._theme.px, row.past
        upper, lower = self._lines(rect)
        if past.pinned:
            side = px(3.5 * GRID)
            place = QRectF(upper.right() - side, upper.center().y() - side / 2, side, side)
            self._theme.draw_icon(painter, "pin", place, palette.muted)
            upper.setRight(upper.right() - side - px(GRID))
        strong = bool(row.found)
        self._paint_words(painter, upper, title_words(past), Text.LABEL, strong=strong, ink=palette.text)
        present = past.number == model.present
        when = when_words(past.changed_at, model.now()) if row.dated else time_words(past.changed_at)
        ink = palette.accent if present else palette.muted
        used = self._paint_words(painter, lower, "Now" if present else when, Text.CAPTION, strong=present, ink=ink)
        lower.setLeft(lower.left() + used + px(2 * GRID))
        if past.cut_off and not present:
            side = px(3 * GRID)
            place = QRectF(lower.left(), lower.center().y() - side / 2, side, side)
            self._theme.draw_icon(painter, "triangle-alert", place, palette.warning)
            lower.setLeft(place.right() + px(GRID))
            used = self._paint_words(painter, lower, "Cut off", Text.CAPTION, ink=palette.warning)
            lower.setLeft(lower.left() + used + px(2 * GRID))
        if topic := one_line(past.topic):
            self._paint_chip(painter, lower, topic, opened=past.number == model.opened)

    def _paint_chip(self, painter: QPainter, room: QRectF, words: str, *, opened: bool) -> None:
        """Paint a topic as what it is in the header: a small word on a ground of its own."""
        palette, px = self._theme.palette, self._theme.px
        font, metrics = self._font(Text.CAPTION, strong=True)
        pad = px(1.5 * GRID)
        shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room.width() - 2 * pad)
        width = metrics.horizontalAdvance(shown) + 2 * pad
        if room.width() < px(8 * GRID):
            return
        chip = QRectF(room.left(), room.center().y() - px(2 * GRID), width, px(4 * GRID))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.selection if self._theme.dark or opened else palette.accent_tint))
        painter.drawRoundedRect(chip, px(2 * GRID), px(2 * GRID))
        painter.setFont(font)
        painter.setPen(QColor(palette.accent))
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextSingleLine, shown)

    def _paint_found(self, painter: QPainter, rect: QRectF, row: Found) -> None:
        """Paint two lines of what was said, the words that were found marked."""
        palette, px = self._theme.palette, self._theme.px
        text, marks = snippet_words(row.hit)
        left, right = rect.left() + px(INSET_PX + 2 * PAD_PX), rect.right() - px(INSET_PX + PAD_PX)
        layout = QTextLayout(text, self._font(Text.CAPTION)[0])
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        marked = QTextCharFormat()
        marked.setFontWeight(600)
        marked.setForeground(QColor(palette.accent))
        layout.setFormats([format_range(begin, end - begin, marked) for begin, end in marks])
        height, end = _break_lines(layout, right - left, most=2)
        if end < utf16_units(text):
            layout.setText(f"{utf16_slice(text, 0, end - 2).rstrip()}…")
            height, _ = _break_lines(layout, right - left, most=2)
        painter.setPen(QColor(palette.text))
        painter.setClipRect(rect)
        layout.draw(painter, QPointF(left, rect.top() + (rect.height() - height) / 2))
        line = QRectF(rect.left() + px(INSET_PX + PAD_PX), rect.top() + px(10), px(2), rect.height() - px(20))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.line))
        painter.drawRoundedRect(line, px(1), px(1))

    def _font(self, size: Text, *, strong: bool = False) -> tuple[QFont, QFontMetricsF]:
        """Return a font and its measures; making them takes longer than a row."""
        if (size, strong) not in self._fonts:
            font = self._theme.font(size, strong=strong)
            self._fonts[size, strong] = (font, QFontMetricsF(font))
        return self._fonts[size, strong]

    def _lines(self, rect: QRectF) -> tuple[QRectF, QRectF]:
        """Return where the two lines of a row are."""
        px = self._theme.px
        inner = rect.adjusted(px(INSET_PX + PAD_PX), px(1.75 * GRID), -px(INSET_PX + PAD_PX), -px(1.75 * GRID))
        middle = inner.top() + inner.height() * 0.52
        return (
            QRectF(inner.left(), inner.top(), inner.width(), middle - inner.top()),
            QRectF(inner.left(), middle, inner.width(), inner.bottom() - middle),
        )

    def _paint_words(
        self,
        painter: QPainter,
        room: QRectF,
        words: str,
        size: Text,
        *,
        ink: str,
        strong: bool = False,
        align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignVCenter,
    ) -> float:
        """Paint one line of plain text, cut to its room; return how wide it is."""
        font, metrics = self._font(size, strong=strong)
        shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, max(0.0, room.width()))
        painter.setFont(font)
        painter.setPen(QColor(ink))
        painter.drawText(room, int(Qt.AlignmentFlag.AlignLeft | align) | int(Qt.TextFlag.TextSingleLine), shown)
        return metrics.horizontalAdvance(shown)


def _break_lines(layout: QTextLayout, width: float, *, most: int) -> tuple[float, int]:
    """Break a text into lines, no more than `most`; return how high they are, and up to where they reach."""
    height, end = 0.0, 0
    layout.beginLayout()
    for _ in range(most):
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(width)
        line.setPosition(QPointF(0, height))
        height, end = height + line.height(), line.textStart() + line.textLength()
    layout.endLayout()
    return height, end


class HistoryList(QListView):
    """The list: arrow keys move, Enter opens, F2 renames, Del deletes, the menu key offers the rest."""

    opened = Signal(object)
    """A row was clicked, or Enter pressed on it."""
    menu_asked = Signal(object, QPoint)
    """A row, and where on the screen."""
    delete_pressed = Signal(object)
    """A row."""
    typed = Signal(str)
    """Something was typed: it belongs into the search."""
    left_upwards = Signal()
    """The Up key on the first row."""

    def __init__(self, model: HistoryModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._model = model
        self._painter = HistoryDelegate(theme)
        self._more = QToolButton(self.viewport())
        self._more_row: Row | None = None
        self._waiting: tuple[Sequence[Row], bool] | None = None
        """Rows that came while a title was typed: its line must stay where it is."""
        self.setModel(model)
        self.setItemDelegate(self._painter)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setAccessibleName("Past conversations")
        self.setObjectName("past conversations")
        self._more.setProperty("kind", "more")
        self._more.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._more.setAccessibleName("What to do with it")
        self._more.setToolTip("What to do with it (menu key)")
        self._more.setCursor(Qt.CursorShape.ArrowCursor)
        self._more.clicked.connect(self._open_menu_by_button)
        self._more.hide()
        self.clicked.connect(self._clicked)
        theme.changed.connect(self._restyle)
        self._restyle()

    def current_row(self) -> Row | None:
        """Return the row the keys act on."""
        return self._model.row(self.currentIndex())

    def show_rows(self, rows: Sequence[Row], *, more: bool = False) -> None:
        """Show these rows, behind which there are more or not; the keys stay on the one they act on."""
        if self.state() is QAbstractItemView.State.EditingState:
            self._waiting = (rows, more)
            return
        current = self.current_row()
        self._model.show_rows(rows, more=more)
        if current is not None and not self.currentIndex().isValid():
            self.go_to(key_of(current))

    def go_to(self, key: Key) -> None:
        """Let the keys act on a row, if it is here."""
        index = self._model.index_of(key)
        if index.isValid():
            self.setCurrentIndex(index)

    def go_to_first(self) -> None:
        """Let the keys act on the first row that can be used."""
        for row in range(self._model.rowCount()):
            index = self._model.index(row)
            if self._model.flags(index) & Qt.ItemFlag.ItemIsEnabled:
                self.setCurrentIndex(index)
                return

    def rename(self, key: Key) -> None:
        """Let the title of a conversation be typed where it stands."""
        index = self._model.index_of(key)
        if index.isValid():
            self.setCurrentIndex(index)
            self.edit(index)

    # --- events -----------------------------------------------------------------------------------

    def closeEditor(self, editor: QWidget, hint: QStyledItemDelegate.EndEditHint) -> None:
        """End typing a title; show what came meanwhile."""
        super().closeEditor(editor, hint)
        if self._waiting is not None:
            (rows, more), self._waiting = self._waiting, None
            self.show_rows(rows, more=more)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move, open, delete; what is typed is searched for."""
        row = self.current_row()
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter if row is not None:
                self.opened.emit(row)
                return
            case key if key in DELETE_KEYS and isinstance(row, Line):
                self.delete_pressed.emit(row)
                return
            case Qt.Key.Key_Up if self._is_first(self.currentIndex()):
                self.left_upwards.emit()
                return
        plain = not event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
        if plain and event.text().isprintable() and event.text().strip():
            self.typed.emit(event.text())
            return
        self._show_ring(shown=True)
        super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show where the keys are, if the focus came by key."""
        self._show_ring(shown=event.reason() in KEY_REASONS)
        super().focusInEvent(event)
        if not self.currentIndex().isValid():
            self.go_to_first()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take a row by the mouse: no ring then."""
        self._show_ring(shown=False)
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Offer the menu of the row under the mouse."""
        super().mouseMoveEvent(event)
        self._place_more_button(event.position().toPoint())

    def viewportEvent(self, event: QEvent) -> bool:
        """Take the button away with the mouse."""
        if event.type() == QEvent.Type.Leave:
            self._more.hide()
        return super().viewportEvent(event)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Scroll: another row is under the mouse."""
        self._more.hide()
        super().scrollContentsBy(dx, dy)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out anew."""
        self._more.hide()
        super().resizeEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what can be done with a row."""
        by_mouse = event.reason() == event.Reason.Mouse
        index = self.indexAt(event.pos()) if by_mouse else self.currentIndex()
        row = self._model.row(index)
        if row is None or isinstance(row, Heading):
            return
        at = event.globalPos() if by_mouse else self.viewport().mapToGlobal(self.visualRect(index).center())
        self.menu_asked.emit(row, at)

    # --- inside -----------------------------------------------------------------------------------

    def _clicked(self, index: QModelIndex) -> None:
        row = self._model.row(index)
        if row is not None:
            self.opened.emit(row)

    def _show_ring(self, *, shown: bool) -> None:
        if self._painter.ring != shown:
            self._painter.ring = shown
            self.viewport().update()

    def _is_first(self, index: QModelIndex) -> bool:
        """Return whether nothing above this row can be used."""
        above = (self._model.index(row) for row in range(index.row()))
        return index.isValid() and not any(self._model.flags(i) & Qt.ItemFlag.ItemIsEnabled for i in above)

    def _place_more_button(self, at: QPoint) -> None:
        index = self.indexAt(at)
        row = self._model.row(index)
        self._more_row = row if isinstance(row, Line) else None
        if self._more_row is None:
            self._more.hide()
            return
        place, side, px = self.visualRect(index), self._theme.px(MORE_PX), self._theme.px
        self._more.setFixedSize(side, side)
        # In the second line: the pin stands in the first.
        self._more.move(place.right() - px(INSET_PX + GRID / 2) - side, place.bottom() - px(GRID / 2) - side)
        self._more.show()

    def _open_menu_by_button(self) -> None:
        if self._more_row is not None:
            self.menu_asked.emit(self._more_row, self._more.mapToGlobal(QPoint(0, self._more.height())))

    def _restyle(self) -> None:
        px = self._theme.px
        self._more.setIcon(self._theme.icon("ellipsis", size=16))
        self._more.setIconSize(QSize(px(16), px(16)))
        self.viewport().update()
