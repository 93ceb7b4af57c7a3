"""The transcript: what both sides said, as a list of rows that stays smooth with ten thousand of them.

`TranscriptModel` keeps the entries, `EntryDelegate` paints one, `RowStack` knows where each is. `TranscriptView`
is a list view with a layout of its own: only rows in sight are measured, and what the user looks at stays where
it is when an estimate above it turns out wrong. The view follows the conversation while its end is in sight, and
only then.

Rows are as wide as the whole view: the scroll bar lies over their margin, so that the text does not jump aside
when it comes, and stays in line with what is below the view.

Text is selected with the mouse as in a page, rows with the keys or with Ctrl and a click. What can be done with
them stands in a menu: on the right button, on the menu key, and on the button that comes with the mouse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
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
    QRegion,
    QResizeEvent,
    QTextLayout,
)
from PySide6.QtWidgets import QAbstractItemView, QListView, QToolButton, QWidget

from desktop_app.conversation.entries import Entry
from desktop_app.ui.entry_words import copied_row, shown_text, utf16_slice, utf16_units
from desktop_app.ui.row_delegate import EntryDelegate, RowLook
from desktop_app.ui.row_menu import RowMenu
from desktop_app.ui.row_shapes import RowShape, Spot
from desktop_app.ui.row_stack import RowStack
from desktop_app.ui.theme import GRID, KEY_REASONS, Text, Theme
from desktop_app.ui.transcript_model import Index, TranscriptModel

NEAR_END_PX = 8
FADE_PX = 20
MORE_PX = 28
SCROLL_WHILE_SELECTING_MS = 40


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """A position in the text of the whole transcript."""

    row: int
    position: int


class TranscriptView(QListView):
    """Shows the transcript."""

    typed = Signal(str)
    """Something was typed while the transcript had the focus: it belongs into the line."""
    action_asked = Signal(str, object)
    """The button of an entry: item id, `EntryAction`."""
    read_aloud_asked = Signal(str)
    """Exactly these words."""
    about_asked = Signal(tuple)
    """Item ids that a question shall be about."""
    edit_asked = Signal(str, str)
    """Item id of an own text, and the text."""
    server_copy_asked = Signal(str)
    """Item id of a spoken entry."""
    forget_asked = Signal(tuple)
    """Item ids."""
    picture_opened = Signal(str)
    """A data URI."""

    def __init__(
        self, model: TranscriptModel, theme: Theme, parent: QWidget | None = None, *, read_only: bool = False
    ) -> None:
        """`read_only`: it is about what is over; of the menu, what can be done with words is left."""
        super().__init__(parent)
        self._theme = theme
        self._transcript = model
        self._read_only = read_only
        self._delegate = EntryDelegate(theme)
        self._stack = RowStack()
        self._laid_out_width = -1
        self._dirty = False
        self._follows = True
        self._anchor: tuple[str, int] | None = None
        """The item that must not move in sight, and how far its top is below the view's."""
        self._settling = False
        self._mark: tuple[_Place, _Place] | None = None
        """Where a selection of text began and where it is now."""
        self._ring = False
        self._hover: tuple[int, Spot, int] | None = None
        """The row under the mouse, what of it, and for a picture which one."""
        self._empty = ("", "")
        self._settle_soon = QTimer(self)
        self._settle_soon.setSingleShot(True)
        self._settle_soon.timeout.connect(self._settle)
        self._drag = QTimer(self)
        self._drag.setInterval(SCROLL_WHILE_SELECTING_MS)
        self._drag.timeout.connect(self._scroll_while_selecting)
        self._to_end = QToolButton(self)
        self._more = QToolButton(self.viewport())
        self._set_up()
        self.setModel(model)
        self.setItemDelegate(self._delegate)
        self._connect_model(model)
        self._delegate.picture_came.connect(self.viewport().update)
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
        self._more.setProperty("kind", "more")
        self._more.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._more.setAccessibleName("What to do with it")
        self._more.setToolTip("What to do with it (menu key)")
        self._more.setCursor(Qt.CursorShape.ArrowCursor)
        self._more.clicked.connect(self._open_menu_by_button)
        self._more.hide()

    def _connect_model(self, model: TranscriptModel) -> None:
        model.rowsInserted.connect(self._rows_came)
        model.rowsRemoved.connect(self._rows_left)
        model.rowsMoved.connect(self._rows_moved)
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

    def go_to(self, row: int, *, marked: bool) -> None:
        """Bring a row into sight, its beginning not below the middle; `marked`: select it, too."""
        self._follows = False
        self._mark = None
        self.clearSelection()
        if not self._transcript.rowCount():
            return
        index = self._transcript.index(row)
        self._settle()
        flag = QItemSelectionModel.SelectionFlag
        self.selectionModel().setCurrentIndex(index, flag.ClearAndSelect if marked else flag.NoUpdate)
        for _ in range(3):  # measuring on the way moves it
            above = max(0, self._stack.top(row) - self.viewport().height() // 3) if row else 0
            self.verticalScrollBar().setValue(above)
            self._settle()
        self._follows = self.verticalScrollBar().maximum() == 0
        self._place_to_end_button()

    def set_empty_text(self, headline: str, body: str) -> None:
        """Set what stands here before anything was said."""
        self._empty = (headline, body)
        self.setAccessibleDescription("" if self._transcript.rowCount() else f"{headline}. {body}")
        self.viewport().update()

    def selected_text(self) -> str:
        """Return the selected part of the text, or else the selected rows, as plain text."""
        if self._mark is not None and self._mark[0] != self._mark[1]:
            return "\n\n".join(text for text in self._marked_texts() if text)
        entries = [self._transcript.entry(row) for row in self._selected_rows()]
        if len(entries) == 1:
            return shown_text(entries[0]) if entries[0].tool is not None else entries[0].text
        return "\n\n".join(copied_row(entry) for entry in entries)

    def copy(self) -> None:
        """Put what is selected on the clipboard."""
        if text := self.selected_text():
            QGuiApplication.clipboard().setText(text)

    # --- keeping track of the model ---------------------------------------------------------------

    def _estimates(self, first: int, last: int) -> list[int]:
        estimate, entry, width = self._delegate.shapes.estimate, self._transcript.entry, self.width()
        return [estimate(entry(row), width) for row in range(first, last + 1)]

    def _rows_came(self, parent: QModelIndex, first: int, last: int) -> None:
        self._stack.insert(first, self._estimates(first, last))
        self._mark = None if self._mark and first <= max(self._mark).row else self._mark
        self._leave_row()
        self._schedule()

    def _rows_left(self, parent: QModelIndex, first: int, last: int) -> None:
        self._stack.remove(first, last)
        self._mark = None
        self._leave_row()
        self._schedule()

    def _rows_moved(self, _from: QModelIndex, first: int, last: int, _to: QModelIndex, place: int) -> None:
        self._stack.move(first, last, place)
        self._mark = None
        self._leave_row()
        # As many rows as before: nothing else tells that the places are others.
        self._schedule()

    def _rows_changed(self, top: QModelIndex, bottom: QModelIndex) -> None:
        self._stack.doubt(top.row(), bottom.row())
        self._schedule()

    def _start_over(self) -> None:
        self._stack.start_over(self._estimates(0, self._transcript.rowCount() - 1))
        self._mark = None
        self._leave_row()
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
            self._laid_out_width = width
            self._stack.doubt_all()
        bar = self.verticalScrollBar()
        # Each round makes exact what the round before brought into sight; two are the rule.
        value = 0
        for _ in range(50):
            self._stack.add_up(self._theme.px(2 * GRID))
            most = max(0, self._stack.bottom + self._end_pad() - view_height)
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

    def _end_pad(self) -> int:
        return self._theme.px(4 * GRID)

    def _wanted_value(self, current: int) -> int:
        if self._anchor is None:
            return current
        item_id, below_top = self._anchor
        row = self._transcript.row_of(item_id)
        return current if row is None else self._stack.top(row) - below_top

    def _measure_visible(self, value: int, view_height: int, width: int) -> bool:
        """Measure the estimated rows in sight; return whether a height changed."""
        changed = False
        for row in self._stack.rows_between(value, value + view_height):
            if not self._stack.is_exact(row):
                height = self._delegate.shape(self._transcript.entry(row), width).height
                changed = self._stack.measured(row, height) or changed
        return changed

    def _remember_anchor(self, value: int) -> None:
        """Hold on to the first row that begins in sight, or to the one that fills it."""
        rows = list(self._stack.rows_between(value, value + self.viewport().height()))
        begins = [row for row in rows if self._stack.top(row) >= value] or rows
        if not begins:
            self._anchor = None
            return
        row = begins[0]
        self._anchor = (self._transcript.entry(row).item_id, self._stack.top(row) - value)

    def _up_to_date(self) -> None:
        if self._dirty or not self._stack.is_added_up:
            self._settle()

    def _place_to_end_button(self) -> None:
        side = self._theme.px(36)
        margin = self._theme.px(3 * GRID)
        self._to_end.setFixedSize(side, side)
        self._to_end.move((self.width() - side) // 2, self.viewport().height() - side - margin)
        self._to_end.setVisible(not self._follows and bool(self._stack))

    # --- what a list view must answer -------------------------------------------------------------

    def visualRect(self, index: Index) -> QRect:
        """Return where a row is in the viewport."""
        if not index.isValid():
            return QRect()
        self._up_to_date()
        row = index.row()
        top = self._stack.top(row) - self.verticalScrollBar().value()
        return QRect(0, top, self.width(), self._stack.height(row))

    def indexAt(self, point: QPoint) -> QModelIndex:
        """Return the row at a point of the viewport."""
        self._up_to_date()
        row = self._stack.row_at(point.y() + self.verticalScrollBar().value())
        inside = 0 <= row < len(self._stack)
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
        there = self._stack.row_at(self._stack.top(row) + distance)
        return min(there, row - 1) if distance < 0 else max(there, row + 1)

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """Select the rows a rectangle of the viewport touches."""
        self._up_to_date()
        value, rect = self.verticalScrollBar().value(), rect.normalized()
        rows = list(self._stack.rows_between(rect.top() + value, rect.bottom() + value + 1))
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
        self._leave_row()
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
        if not self._stack:
            self._paint_empty(painter)
            painter.end()
            return
        value, width = self.verticalScrollBar().value(), self.width()
        dirty = event.rect()
        for row in self._stack.rows_between(value + dirty.top(), value + dirty.bottom() + 1):
            place = QRect(0, self._stack.top(row) - value, width, self._stack.height(row))
            self._delegate.paint_row(painter, place, self._transcript.entry(row), self._look_of(row))
        self._paint_fades(painter)
        painter.end()

    def _look_of(self, row: int) -> RowLook:
        hovered = self._hover is not None and self._hover[0] == row
        _, spot, number = self._hover if self._hover is not None and hovered else (row, Spot.NOTHING, 0)
        current = self._ring and self.hasFocus() and self.currentIndex().row() == row
        return RowLook(
            selected=self.selectionModel().isRowSelected(row, QModelIndex()),
            ring=current,
            hot=spot,
            hot_number=number,
            span=self._span_of(row),
            aside=self._transcript.details(self._transcript.entry(row).item_id) if hovered or current else "",
        )

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
        self._more.setIcon(self._theme.icon("ellipsis", size=16))
        self._more.setIconSize(QSize(self._theme.px(16), self._theme.px(16)))
        self._laid_out_width = -1
        self._schedule()

    # --- selecting --------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move and select by rows, copy, act with Enter; what is typed goes into the line."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            return
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            if not event.isAutoRepeat():
                self._act_on(self.currentIndex().row())
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
        """Begin to select text, or use what is there to be used."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        place = self._place_at(event.position())
        if place is None or self._use(event.position()):
            return
        self._ring = False
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._mark = None
            toggle = QItemSelectionModel.SelectionFlag.Toggle
            self.selectionModel().setCurrentIndex(self._transcript.index(place.row), toggle)
            self.viewport().update()
            return
        extends = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier) and self._mark is not None
        self._mark = (self._mark[0], place) if extends and self._mark is not None else (place, place)
        self.selectionModel().setCurrentIndex(
            self._transcript.index(place.row), QItemSelectionModel.SelectionFlag.Clear
        )
        self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Select text as far as the mouse goes; without a button, show what can be used."""
        if event.buttons() & Qt.MouseButton.LeftButton and self._mark is not None:
            self._select_to(event.position())
            outside = not 0 <= event.position().y() < self.viewport().height()
            if outside and not self._drag.isActive():
                self._drag.start()
            return
        self._enter_spot(event.position())

    def viewportEvent(self, event: QEvent) -> bool:
        """Forget the row under the mouse when the mouse leaves."""
        if event.type() == QEvent.Type.Leave:
            self._leave_row()
        return super().viewportEvent(event)

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
        if self._use(event.position()):
            return
        layout = self._shape(place.row).body
        words = QTextLayout.CursorMode.SkipWords
        end = layout.nextCursorPosition(place.position, words)
        start = layout.previousCursorPosition(end, words)
        text = utf16_slice(layout.text(), start, end)
        end -= len(text) - len(text.rstrip())
        self._mark = (_Place(place.row, start), _Place(place.row, end))
        self.viewport().update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what can be done with the row, or with the rows that are selected."""
        if event.reason() == event.Reason.Mouse:
            self._open_menu(self.indexAt(event.pos()), event.globalPos())
        else:
            index = self.currentIndex()
            self._open_menu(index, self.viewport().mapToGlobal(self.visualRect(index).topLeft()))

    def _open_menu_by_button(self) -> None:
        if self._hover is not None:
            below = self._more.mapToGlobal(QPoint(0, self._more.height()))
            self._open_menu(self._transcript.index(self._hover[0]), below)

    def _open_menu(self, index: Index, at: QPoint) -> None:
        """Open the menu for a row, or for all that is selected if the row is part of it."""
        if not index.isValid():
            return
        rows = self._selected_rows() or self._marked_rows()
        marked = self._mark is not None and self._mark[0] != self._mark[1]
        if index.row() not in rows:
            rows, marked = [index.row()], False
        text = self.selected_text() if marked and len(rows) == 1 else ""
        entries = [self._transcript.entry(row) for row in rows]
        menu = RowMenu(entries, text, self._theme, self, read_only=self._read_only)
        menu.copy_asked.connect(self.copy if len(rows) > 1 or text else lambda: self._copy_row(index.row()))
        menu.copy_all_asked.connect(self._copy_all)
        menu.action_asked.connect(self.action_asked)
        menu.read_aloud_asked.connect(self.read_aloud_asked)
        menu.about_asked.connect(self.about_asked)
        menu.edit_asked.connect(self.edit_asked)
        menu.server_copy_asked.connect(self.server_copy_asked)
        menu.forget_asked.connect(self.forget_asked)
        menu.popup(at)

    def _selected_rows(self) -> list[int]:
        return sorted(index.row() for index in self.selectedIndexes())

    def _marked_rows(self) -> list[int]:
        if self._mark is None:
            return []
        last = min(max(self._mark).row, self._transcript.rowCount() - 1)
        return list(range(min(self._mark).row, last + 1))

    # --- using what is in a row -------------------------------------------------------------------

    def _act_on(self, row: int) -> None:
        """Do what Enter does: the row's button, or open the call or the picture."""
        entry = self._transcript.entry(row)
        if entry.action is not None:
            self.action_asked.emit(entry.item_id, entry.action)
        elif entry.tool is not None:
            self._toggle(entry)
        elif entry.images:
            self.picture_opened.emit(entry.images[0])

    def _use(self, point: QPointF) -> bool:
        """Use what is at a point; return whether there was anything to use."""
        row, spot, number = self._spot_at(point)
        if spot in (Spot.NOTHING, Spot.TEXT):
            return False
        entry = self._transcript.entry(row)
        if spot is Spot.ACTION and entry.action is not None:
            self.action_asked.emit(entry.item_id, entry.action)
        elif spot is Spot.TOOL:
            self._toggle(entry)
        elif spot is Spot.PICTURE:
            self.picture_opened.emit(entry.images[number])
        return True

    def _toggle(self, entry: Entry) -> None:
        """Open or close a call; its head stays where it is."""
        row = self._transcript.row_of(entry.item_id)
        if row is None:
            return
        self._follows = False
        self._anchor = (entry.item_id, self._stack.top(row) - self.verticalScrollBar().value())
        self._mark = None
        self._delegate.shapes.toggle(entry.item_id)
        self._stack.doubt(row, row)
        self._settle()
        bar = self.verticalScrollBar()
        self._follows = bar.value() >= bar.maximum() - self._theme.px(NEAR_END_PX)
        self._place_to_end_button()

    def _spot_at(self, point: QPointF) -> tuple[int, Spot, int]:
        """Return the row at a point of the viewport, and what of it is there."""
        index = self.indexAt(point.toPoint())
        if not index.isValid():
            return -1, Spot.NOTHING, 0
        spot, number = self._shape(index.row()).spot_at(point - QPointF(self.visualRect(index).topLeft()))
        return index.row(), spot, number

    def _enter_spot(self, point: QPointF) -> None:
        """Show what is under the mouse, and the button for the row's menu."""
        row, spot, number = self._spot_at(point)
        if row < 0:
            self._leave_row()
            return
        if self._hover != (row, spot, number):
            self._hover = (row, spot, number)
            shapes = {Spot.TEXT: Qt.CursorShape.IBeamCursor, Spot.NOTHING: Qt.CursorShape.ArrowCursor}
            self.viewport().setCursor(shapes.get(spot, Qt.CursorShape.PointingHandCursor))
            self.viewport().update()
        self._place_more_button()

    def _leave_row(self) -> None:
        if self._hover is not None:
            self._hover = None
            self.viewport().update()
        self._more.hide()

    def _place_more_button(self) -> None:
        """Put the button where it covers no text: in the line of the name, or beside the bubble."""
        if self._hover is None or self._hover[0] >= len(self._stack):
            self._more.hide()
            return
        row, px = self._hover[0], self._theme.px
        shape, side = self._shape(row), px(MORE_PX)
        top = self._stack.top(row) - self.verticalScrollBar().value()
        x, y = shape.name_at.right() - side, shape.name_at.bottom() - side
        beside = shape.bubble or (shape.pictures[0] if shape.pictures else None)
        if shape.card is not None:
            x, y = min(shape.card.right() + px(GRID), self.width() - side), shape.head.center().y() - side / 2
        elif beside is not None and beside.right() > shape.name_at.right() - 1:
            x, y = beside.left() - side - px(GRID), beside.top() + px(1.5 * GRID)
        self._more.setFixedSize(side, side)
        self._more.move(round(x), round(top + y))
        self._more.show()

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

    def _shape(self, row: int) -> RowShape:
        return self._delegate.shape(self._transcript.entry(row), self.width())

    def _place_at(self, point: QPointF) -> _Place | None:
        """Return the place in the text nearest to a point of the viewport."""
        self._up_to_date()
        if not self._stack:
            return None
        y = point.y() + self.verticalScrollBar().value()
        row = min(len(self._stack) - 1, max(0, self._stack.row_at(y)))
        in_row = QPointF(point.x(), y - self._stack.top(row))
        return _Place(row, self._shape(row).position_at(in_row))

    def _span_of(self, row: int) -> tuple[int, int] | None:
        """Return the selected part of a row's text."""
        if self._mark is None:
            return None
        first, last = sorted(self._mark)
        if not first.row <= row <= last.row:
            return None
        length = utf16_units(self._row_text(row))
        start = first.position if row == first.row else 0
        end = last.position if row == last.row else length
        return min(start, length), min(end, length)

    def _marked_texts(self) -> Iterator[str]:
        assert self._mark is not None
        for row in range(min(self._mark).row, max(self._mark).row + 1):
            span = self._span_of(row)
            if span is not None and row < self._transcript.rowCount():
                yield utf16_slice(self._row_text(row), *span)

    def _row_text(self, row: int) -> str:
        """Return the text of a row as it is laid out; of a call that depends on whether it is opened."""
        entry = self._transcript.entry(row)
        return shown_text(entry) if entry.tool is None else self._shape(row).body.text().replace("\u2028", "\n")
