"""Paints a row of the transcript; where everything of it is, `row_shapes.py` knows."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QTextCharFormat, QTextLayout
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop_app.conversation.entries import Entry, EntryStatus, Role, ToolUse
from desktop_app.ui.entry_words import ACTION_WORDS, SPEAKERS, has_gone_wrong, tool_name, tool_state
from desktop_app.ui.pictures import Thumbnails, draw_cropped
from desktop_app.ui.row_shapes import RowShape, RowShapes, Spot, format_range
from desktop_app.ui.theme import GRID, Text, Theme
from desktop_app.ui.transcript_model import ENTRY_ROLE, Index


@dataclass(frozen=True, slots=True)
class RowLook:
    """What is special about a row just now."""

    selected: bool = False
    ring: bool = False
    """The keys act on it."""
    hot: Spot = Spot.NOTHING
    """What of it the mouse is over."""
    hot_number: int = 0
    span: tuple[int, int] | None = None
    """The selected part of its text."""
    aside: str = ""
    """What stands behind the name, as far as there is room: what it cost."""


PLAIN = RowLook()


class EntryDelegate(QStyledItemDelegate):
    """Paints one entry."""

    picture_came = Signal()
    """A picture has been decoded: paint anew."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._thumbnails = Thumbnails(self)
        self._thumbnails.arrived.connect(self.picture_came)
        self.shapes = RowShapes(theme)
        """Where everything is."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return the size of a row in a view as wide as `option.rect`."""
        rect: QRect = option.rect
        return QSize(rect.width(), self.shape(index.data(ENTRY_ROLE), rect.width()).height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a row as the list view's option says."""
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        look = RowLook(
            selected=bool(state & QStyle.StateFlag.State_Selected),
            ring=bool(state & QStyle.StateFlag.State_HasFocus),
        )
        self.paint_row(painter, rect, index.data(ENTRY_ROLE), look)

    def shape(self, entry: Entry, width: int) -> RowShape:
        """Return the layout of an entry in a view of this width; the last ones are kept."""
        return self.shapes.shape(entry, width)

    def paint_row(self, painter: QPainter, rect: QRect, entry: Entry, look: RowLook = PLAIN) -> None:
        """Paint an entry."""
        shape = self.shape(entry, rect.width())
        painter.save()
        painter.translate(rect.topLeft())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter, shape, look)
        if entry.tool is not None:
            self._paint_call(painter, shape, entry.tool, look)
        else:
            self._paint_name(painter, shape, look)
        for number, place in enumerate(shape.pictures):
            hot = look.hot is Spot.PICTURE and look.hot_number == number
            self._paint_picture(painter, place, entry.images[number], hot=hot)
        painter.setPen(QColor(self._ink(shape)))
        shape.body.draw(painter, shape.body_at, self._selection(look.span))
        if entry.status is EntryStatus.IN_PROGRESS and entry.text:
            self._paint_pen(painter, shape)
        if shape.note is not None:
            self._paint_note(painter, shape)
        if shape.action is not None:
            self._paint_action(painter, shape, hot=look.hot is Spot.ACTION)
        painter.restore()

    # --- parts ------------------------------------------------------------------------------------

    def _ink(self, shape: RowShape) -> str:
        palette, entry = self._theme.palette, shape.entry
        if entry.tool is not None:
            return palette.text if shape.opened else palette.muted
        # On the way to the answer, not the answer: lighter.
        plain = bool(entry.text) and entry.role is not Role.SYSTEM and not entry.commentary
        return palette.text if plain else palette.muted

    def _selection(self, span: tuple[int, int] | None) -> list[QTextLayout.FormatRange]:
        if span is None or span[0] == span[1]:
            return []
        marked = QTextCharFormat()
        marked.setBackground(QColor(self._theme.palette.selection))
        marked.setForeground(QColor(self._theme.palette.text))
        return [format_range(span[0], span[1] - span[0], marked)]

    def _paint_ground(self, painter: QPainter, shape: RowShape, look: RowLook) -> None:
        palette, px = self._theme.palette, self._theme.px
        whole = QRectF(
            shape.name_at.left() - px(3 * GRID),
            px(GRID),
            shape.name_at.width() + px(6 * GRID),
            shape.height - px(1.5 * GRID),
        )
        radius = px(3 * GRID)
        if look.selected or look.ring:
            painter.setBrush(QColor(palette.selection) if look.selected else Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(palette.accent), px(2)) if look.ring else Qt.PenStyle.NoPen)
            painter.drawRoundedRect(whole, radius, radius)
        if shape.bubble is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.accent_tint))
            painter.drawRoundedRect(shape.bubble, px(4 * GRID), px(4 * GRID))
        if shape.card is not None:
            failed = shape.entry.tool is not None and has_gone_wrong(shape.entry.tool)
            painter.setPen(QPen(QColor(palette.error if failed else palette.line), px(1)))
            painter.setBrush(QColor(palette.hover if look.hot is Spot.TOOL else palette.surface))
            painter.drawRoundedRect(shape.card, radius, radius)

    def _paint_name(self, painter: QPainter, shape: RowShape, look: RowLook) -> None:
        palette, px, entry = self._theme.palette, self._theme.px, shape.entry
        font = self._theme.font(Text.CAPTION, strong=True)
        name, rect = SPEAKERS[entry.role], QRectF(shape.name_at)
        quiet = entry.role is not Role.ASSISTANT or entry.commentary
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setFont(font)
        painter.setPen(QColor(palette.muted if quiet else palette.accent))
        if entry.role is Role.USER:
            painter.drawText(rect, Qt.AlignmentFlag.AlignRight | middle, name)
            if entry.spoken:
                side = px(3 * GRID)
                left = rect.right() - QFontMetricsF(font).horizontalAdvance(name) - side - px(GRID)
                place = QRectF(left, rect.center().y() - side / 2, side, side)
                self._theme.draw_icon(painter, "mic", place, palette.muted)
            return
        painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | middle, name)
        if look.aside:
            rect.setLeft(rect.left() + QFontMetricsF(font).horizontalAdvance(name) + px(2 * GRID))
            painter.setFont(self._theme.font(Text.CAPTION))
            painter.setPen(QColor(palette.muted))
            rect.setRight(rect.right() - px(9 * GRID))  # the menu's button comes with the mouse
            metrics = QFontMetricsF(self._theme.font(Text.CAPTION))
            line = metrics.elidedText(look.aside.replace("\n", " · "), Qt.TextElideMode.ElideRight, rect.width())
            painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | middle, line)

    def _paint_call(self, painter: QPainter, shape: RowShape, tool: ToolUse, look: RowLook) -> None:
        """Paint the head of a call: what runs, whose it is, how far it is, and whether it can be opened."""
        palette, px, head = self._theme.palette, self._theme.px, shape.head
        side, pad = px(4.5 * GRID), px(3 * GRID)
        middle = head.center().y()
        failed = has_gone_wrong(tool)
        icon = "triangle-alert" if failed else "hourglass" if tool.waiting else "wrench"
        colour = palette.error if failed else palette.warning if tool.waiting else palette.accent
        self._theme.draw_icon(painter, icon, QRectF(head.left() + pad, middle - side / 2, side, side), colour)
        right = head.right() - pad - side
        chevron = "chevron-down" if shape.opened else "chevron-right"
        self._theme.draw_icon(painter, chevron, QRectF(right, middle - side / 2, side, side), palette.muted)
        small = self._theme.font(Text.CAPTION)
        state = tool_state(tool)
        width = QFontMetricsF(small).horizontalAdvance(state)
        right -= width + px(2 * GRID)
        painter.setFont(small)
        quiet = not (failed or tool.waiting)
        painter.setPen(QColor(palette.muted if quiet else colour))
        painter.drawText(QRectF(right, head.top(), width + 1, head.height()), Qt.AlignmentFlag.AlignVCenter, state)
        left = head.left() + pad + side + px(2 * GRID)
        room = right - left - px(2 * GRID)
        for text, strong, ink in (
            (tool_name(tool), True, palette.text),
            (tool.server and f"on {tool.server}", False, palette.muted),
        ):
            font = self._theme.font(Text.LABEL, strong=strong)
            shown = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideMiddle, max(0.0, room))
            painter.setFont(font)
            painter.setPen(QColor(ink))
            line = QRectF(left, head.top(), max(0.0, room), head.height())
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, shown)
            used = QFontMetricsF(font).horizontalAdvance(shown) + px(1.5 * GRID)
            left, room = left + used, room - used

    def _paint_picture(self, painter: QPainter, place: QRectF, data_uri: str, *, hot: bool) -> None:
        palette, px = self._theme.palette, self._theme.px
        radius = px(3 * GRID)
        image = self._thumbnails.get(data_uri)
        if image is not None and not image.isNull():
            draw_cropped(painter, image, place, radius)
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.hover))
            painter.drawRoundedRect(place, radius, radius)
            side = px(6 * GRID)
            icon = QRectF(0, 0, side, side)
            icon.moveCenter(place.center())
            self._theme.draw_icon(painter, "image", icon, palette.muted)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(palette.accent if hot else palette.line), px(2 if hot else 1)))
        painter.drawRoundedRect(place, radius, radius)

    def _paint_pen(self, painter: QPainter, shape: RowShape) -> None:
        """Mark where the next words will come."""
        radius = self._theme.px(GRID)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.palette.accent))
        at = shape.body_at + shape.end_of_text + QPointF(2 * radius, 0)
        painter.drawEllipse(at, radius, radius)

    def _paint_note(self, painter: QPainter, shape: RowShape) -> None:
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

    def _paint_action(self, painter: QPainter, shape: RowShape, *, hot: bool) -> None:
        assert shape.action is not None
        assert shape.entry.action is not None
        palette, px = self._theme.palette, self._theme.px
        radius = shape.action.height() / 2
        painter.setPen(QPen(QColor(palette.accent), px(1)))
        painter.setBrush(QColor(palette.accent_tint if hot else palette.surface))
        painter.drawRoundedRect(shape.action, radius, radius)
        painter.setFont(self._theme.font(Text.LABEL, strong=True))
        painter.setPen(QColor(palette.accent))
        painter.drawText(shape.action, Qt.AlignmentFlag.AlignCenter, ACTION_WORDS[shape.entry.action])
