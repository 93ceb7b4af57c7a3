"""The large button to hold while talking: its words, icon and shape say whose move it is.

Hands-free there is nothing to hold: it shows what goes on, and a click mutes. Muted looks like nothing else: a
dashed outline, a crossed-out microphone, and the word.

It knows nothing of keys (see `talk_key.py`) and decides nothing: it says that the mouse or a finger went down
on it or up again, and paints what it was told. Leaving the button while holding does not let go.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFocusEvent, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from desktop_app.conversation.effects import Link, Turn
from desktop_app.ui.theme import GRID, KEY_REASONS, Text, Theme

HEIGHT_PX = 72
HALO_PX = 4
"""Room around the pill for the focus ring and the ring that breathes with the voice."""
BAR_PX, BAR_GAP_PX = 3, 3
LEVELS_KEPT = 64
QUIET = 0.04
"""The level a bar shows in silence: the meter must be visible before the first word."""
EMPHASIS = 1.5
"""Evenly in decibels a room's noise takes a quarter of the height; speech shall stand out from it."""
STEP_MS = 220
"""How fast the dots of «thinking» move."""


@dataclass(frozen=True, slots=True)
class _Face:
    title: str
    hint: str
    icon: str
    filled: bool


class TalkMode(Enum):
    """How a turn begins and ends."""

    TALK = "talk"
    """The user holds the button."""
    HANDS_FREE = "hands_free"
    """The server hears when the user begins and ends, and answers."""
    MANUAL = "manual"
    """The server hears when the user begins and ends; the user says when to answer."""


_HELD = {
    Turn.IDLE: _Face("Hold to talk", "release to send", "mic", filled=True),
    Turn.OPENING: _Face("One moment…", "opening the microphone", "mic", filled=False),
    Turn.LISTENING: _Face("Listening", "release to send", "mic", filled=True),
    Turn.THINKING: _Face("Thinking…", "hold to interrupt", "mic", filled=False),
    Turn.USING_TOOL: _Face("Using a tool…", "hold to interrupt", "mic", filled=False),
    Turn.ASKING: _Face("It asks you first", "answer above, or hold", "mic", filled=False),
    Turn.SPEAKING: _Face("Speaking", "hold to interrupt", "volume-2", filled=False),
}
_OPEN = {
    Turn.IDLE: _Face("Just speak", "click to mute", "mic", filled=True),
    Turn.OPENING: _Face("One moment…", "opening the microphone", "mic", filled=False),
    Turn.LISTENING: _Face("I hear you", "pause when you are done", "mic", filled=True),
    Turn.THINKING: _Face("Thinking…", "speak to interrupt", "mic", filled=False),
    Turn.USING_TOOL: _Face("Using a tool…", "speak to interrupt", "mic", filled=False),
    Turn.ASKING: _Face("It asks you first", "answer above, or speak", "mic", filled=False),
    Turn.SPEAKING: _Face("Speaking", "speak to interrupt", "volume-2", filled=False),
}
_MANUAL_HINTS = {
    Turn.IDLE: "then press Answer",
    Turn.LISTENING: "press Answer when you are done",
    Turn.THINKING: "click to mute",
    Turn.USING_TOOL: "click to mute",
    Turn.ASKING: "answer above; click to mute",
    Turn.SPEAKING: "click to mute",
}
LOUD = 0.55
"""Evenly in decibels: a voice near the microphone, not the room."""
LOUD_FOR = 6
"""So many loud steps of the meter while muted are somebody who believes to be heard."""


_DEAF = _Face("Not listening", "waiting for the connection", "mic-off", filled=False)
_UNCONNECTED = {
    Link.CONNECTING: _Face("Connecting…", "you can talk in a moment", "mic-off", filled=False),
    Link.OFFLINE: _Face("Not connected", "nobody would hear you", "mic-off", filled=False),
}


def face_of(
    turn: Turn, mode: TalkMode, *, muted: bool = False, unheard: bool = False, link: Link = Link.ONLINE
) -> _Face:
    """Return what the button shows; `unheard`: somebody speaks although it is muted."""
    if turn is Turn.IDLE and link is not Link.ONLINE:
        return _UNCONNECTED[link] if mode is TalkMode.TALK else _DEAF
    if mode is TalkMode.TALK:
        return _HELD[turn]
    face = _OPEN[turn]
    if muted:
        if turn in (Turn.IDLE, Turn.LISTENING, Turn.OPENING):
            title = "You are muted" if unheard else "Muted"
            return _Face(title, "nothing is sent; click to speak", "mic-off", filled=False)
        return replace(face, hint="you are muted; click to speak", icon="mic-off")
    if mode is TalkMode.MANUAL and turn in _MANUAL_HINTS:
        return replace(face, hint=_MANUAL_HINTS[turn])
    return face


class TalkButton(QAbstractButton):
    """Hold it to talk."""

    hold_began = Signal()
    hold_ended = Signal()
    mute_asked = Signal(bool)
    """Hands-free: mute, or no longer."""

    unheard = Signal()
    """Muted, and somebody speaks."""

    def __init__(self, theme: Theme, key_name: str, parent: QWidget | None = None) -> None:
        """Show `key_name` as the key that does the same."""
        super().__init__(parent)
        self._theme = theme
        self._key_name = key_name
        self._turn = Turn.IDLE
        self._mode = TalkMode.TALK
        self._muted = False
        self._link = Link.ONLINE
        self._loud = 0
        """How many of the last steps of the meter were loud while muted."""
        self._levels: deque[float] = deque(maxlen=LEVELS_KEPT)
        self._step = 0
        self._mouse_down = False
        self._ring = False
        self._dots = QTimer(self)
        self._dots.setInterval(STEP_MS)
        self._dots.timeout.connect(self._next_step)
        # Not by click: who types and talks by mouse keeps the cursor in the line.
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setObjectName("talk")
        theme.changed.connect(self.update)
        self.show_turn(Turn.IDLE)

    @property
    def words(self) -> str:
        """What the button says."""
        if self._turn is Turn.IDLE and self._mode is TalkMode.TALK and not self._is_cut_off:
            return f"{self._face.title} — {self._key_name}"
        return f"{self._face.title} — {self._face.hint}"

    def show_turn(self, turn: Turn) -> None:
        """Say whose move it is."""
        was_live = self._is_live
        self._turn = turn
        self._show(was_live)

    def show_mode(self, mode: TalkMode, *, muted: bool) -> None:
        """Say how turns begin and end, and whether nothing of the microphone is sent."""
        was_live = self._is_live
        self._mode, self._muted, self._loud = mode, muted, 0
        self.setCheckable(mode is not TalkMode.TALK)
        self.setChecked(muted and mode is not TalkMode.TALK)
        self._show(was_live)

    def show_link(self, link: Link) -> None:
        """Say whether anybody can hear."""
        was_live = self._is_live
        self._link = link
        self._show(was_live)

    def set_level(self, level: float) -> None:
        """Show how loud the voice is, 0 to 1, evenly in decibels; call it for every step of the meter."""
        if self._mode is not TalkMode.TALK and self._muted:
            before = self._unheard
            self._loud = min(2 * LOUD_FOR, self._loud + 1) if level >= LOUD else max(0, self._loud - 1)
            if self._unheard is not before:
                self._show(was_live=False)
                if self._unheard:
                    self.unheard.emit()
        elif self._is_live:
            self._levels.append(min(1.0, max(0.0, level)))
            self.update()

    @property
    def _face(self) -> _Face:
        return face_of(self._turn, self._mode, muted=self._muted, unheard=self._unheard, link=self._link)

    @property
    def _is_live(self) -> bool:
        """Whether what is said now is heard, so that the meter moves."""
        if self._mode is TalkMode.TALK:
            return self._turn is Turn.LISTENING
        return self._link is Link.ONLINE and not self._muted and self._turn in (Turn.IDLE, Turn.LISTENING)

    @property
    def _unheard(self) -> bool:
        return self._loud >= LOUD_FOR

    @property
    def _is_cut_off(self) -> bool:
        """Whether a talk cannot begin: there is nobody to hear it."""
        return self._turn is Turn.IDLE and self._link is not Link.ONLINE

    @property
    def _is_muted(self) -> bool:
        """Whether nothing that is said now is heard."""
        return self._is_cut_off or (self._mode is not TalkMode.TALK and self._muted)

    def _show(self, was_live: bool) -> None:
        if not (was_live and self._is_live):
            self._levels.clear()
        moves = self._turn in (Turn.THINKING, Turn.USING_TOOL) and not self._theme.reduced_motion
        self._dots.start() if moves else self._dots.stop()
        self._step = 0
        self.setAccessibleName(self.words)
        held = (
            f"Records while it is held: with the mouse, with {self._key_name} anywhere in the window, "
            "or with the space bar."
        )
        free = f"The microphone is open. A press mutes it; {self._key_name} stops the answer."
        self.setAccessibleDescription(held if self._mode is TalkMode.TALK else free)
        self.update()

    def sizeHint(self) -> QSize:
        """Return the size that shows every word."""
        return QSize(self._theme.px(320), self._theme.px(HEIGHT_PX))

    def minimumSizeHint(self) -> QSize:
        """Return the least size: the hint is cut, the title is not."""
        return QSize(self._theme.px(200), self._theme.px(HEIGHT_PX))

    # --- holding ----------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to hold; hands-free, mute or speak again."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._mouse_down = True
            self.update()
            if self._mode is TalkMode.TALK:
                self.hold_began.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Keep holding, wherever the mouse goes."""
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go, wherever the mouse is."""
        if event.button() != Qt.MouseButton.LeftButton or not self._mouse_down:
            return
        self._mouse_down = False
        self.update()
        if self._mode is TalkMode.TALK:
            self.hold_ended.emit()
        elif self.rect().contains(event.position().toPoint()):
            self.mute_asked.emit(not self._muted)

    def nextCheckState(self) -> None:
        """Leave it checked or not: whoever decides about muting says so by `show_mode`."""

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus if it came by key."""
        self._ring = event.reason() in KEY_REASONS
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show that the focus is gone."""
        self._ring = False
        super().focusOutEvent(event)

    # --- painting ---------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint pill, icon, words and, at the right, what moves."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        halo = self._theme.px(HALO_PX)
        pill = QRectF(self.rect()).adjusted(halo, halo, -halo, -halo)
        self._paint_pill(painter, pill)
        disc = self._paint_disc(painter, pill)
        left = disc.right() + self._theme.px(3 * GRID)
        right = self._paint_right(painter, QRectF(left, pill.top(), pill.right() - left, pill.height()))
        self._paint_words(painter, QRectF(left, pill.top(), right - left, pill.height()))
        painter.end()

    def _paint_pill(self, painter: QPainter, pill: QRectF) -> None:
        palette, face = self._theme.palette, self._face
        radius = pill.height() / 2
        if self._turn is Turn.LISTENING and self._is_live:
            glow = QColor(palette.accent)
            glow.setAlphaF(0.25 + 0.45 * (self._levels[-1] if self._levels else 0.0))
            self._outline(painter, pill, self._theme.px(HALO_PX), glow)
        down = self._mouse_down or self.underMouse()
        if face.filled:
            ground, edge = palette.fill_down if down else palette.fill, QColor(Qt.GlobalColor.transparent)
        else:
            ground, edge = palette.hover if down else palette.surface, QColor(palette.accent)
        pen = QPen(edge, self._theme.px(2))
        if self._is_muted:
            pen.setColor(QColor(palette.muted))
            pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen if edge.alpha() else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ground))
        inset = 0 if face.filled else self._theme.px(1)
        painter.drawRoundedRect(pill.adjusted(inset, inset, -inset, -inset), radius, radius)
        if self._ring:
            self._outline(painter, pill, self._theme.px(2), QColor(palette.text))

    def _outline(self, painter: QPainter, pill: QRectF, width: float, colour: QColor) -> None:
        """Draw a ring around the pill, `width` thick, its outside at the widget's edge."""
        gap = self._theme.px(HALO_PX) - width / 2
        ring = pill.adjusted(-gap, -gap, gap, gap)
        painter.setPen(QPen(colour, width))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(ring, ring.height() / 2, ring.height() / 2)

    def _paint_disc(self, painter: QPainter, pill: QRectF) -> QRectF:
        """Paint the icon on its disc at the left; return where the disc is."""
        palette, face = self._theme.palette, self._face
        inset = self._theme.px(2 * GRID)
        side = pill.height() - 2 * inset
        disc = QRectF(pill.left() + inset, pill.top() + inset, side, side)
        painter.setPen(Qt.PenStyle.NoPen)
        live = self._is_live
        painter.setBrush(
            QColor(palette.on_fill if live else palette.fill_down if face.filled else palette.accent_tint)
        )
        if self._is_muted:
            painter.setBrush(QColor(palette.hover))
        painter.drawEllipse(disc)
        icon = self._theme.px(24)
        place = QRectF(disc.center() - QPointF(icon / 2, icon / 2), QSize(icon, icon))
        on_disc = palette.fill if live else palette.on_fill if face.filled else palette.accent
        if self._is_muted:
            on_disc = palette.text
        self._theme.draw_icon(painter, face.icon, place, on_disc)
        return disc

    def _paint_words(self, painter: QPainter, room: QRectF) -> None:
        palette, face = self._theme.palette, self._face
        title, hint = self._theme.font(Text.TITLE, strong=True), self._theme.font(Text.LABEL)
        title_height, hint_height = QFontMetricsF(title).height(), QFontMetricsF(hint).height()
        top = room.center().y() - (title_height + hint_height) / 2
        ink = palette.on_fill if face.filled else palette.text
        for text, font, height, colour in (
            (face.title, title, title_height, ink),
            (face.hint, hint, hint_height, palette.on_fill if face.filled else palette.muted),
        ):
            painter.setFont(font)
            painter.setPen(QColor(colour))
            shown = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, room.width())
            painter.drawText(QRectF(room.left(), top, room.width(), height), Qt.AlignmentFlag.AlignVCenter, shown)
            top += height

    def _paint_right(self, painter: QPainter, room: QRectF) -> float:
        """Paint what stands at the right end; return where the room for the words ends."""
        if self._is_live:
            return self._paint_levels(painter, room)
        match self._turn:
            case Turn.IDLE if self._mode is TalkMode.TALK and not self._is_cut_off:
                return self._paint_key_cap(painter, room)
            case Turn.IDLE | Turn.LISTENING:
                return room.right() - self._theme.px(4 * GRID)
            case Turn.THINKING | Turn.USING_TOOL:
                return self._paint_dots(painter, room)
            case Turn.OPENING | Turn.ASKING | Turn.SPEAKING:
                return room.right() - self._theme.px(4 * GRID)

    def _paint_key_cap(self, painter: QPainter, room: QRectF) -> float:
        font = self._theme.font(Text.LABEL, strong=True)
        metrics = QFontMetricsF(font)
        width = metrics.horizontalAdvance(self._key_name) + self._theme.px(4 * GRID)
        height = metrics.height() + self._theme.px(2 * GRID)
        right = room.right() - self._theme.px(5 * GRID)
        cap = QRectF(right - width, room.center().y() - height / 2, width, height)
        ink = QColor(self._theme.palette.on_fill)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(ink, 1.5 * self._theme.px(1)))
        radius = self._theme.px(6)
        painter.drawRoundedRect(cap, radius, radius)
        painter.setFont(font)
        painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, self._key_name)
        return cap.left() - self._theme.px(2 * GRID)

    def _paint_levels(self, painter: QPainter, room: QRectF) -> float:
        """Paint the last levels as bars, the newest at the right."""
        bar, step = self._theme.px(BAR_PX), self._theme.px(BAR_PX + BAR_GAP_PX)
        words = QFontMetricsF(self._theme.font(Text.LABEL)).horizontalAdvance(self._face.hint)
        right = room.right() - self._theme.px(6 * GRID)
        count = min(LEVELS_KEPT, max(4, int((right - room.left() - words) / step) - 2))
        tallest = room.height() - self._theme.px(6 * GRID)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.palette.on_fill))
        newest_first = list(reversed(self._levels))
        if self._theme.reduced_motion:
            newest_first = newest_first[:1] * count
        for index in range(count):
            level = newest_first[index] if index < len(newest_first) else 0.0
            height = max(bar, tallest * max(QUIET, level**EMPHASIS))
            place = QRectF(right - index * step - bar, room.center().y() - height / 2, bar, height)
            painter.drawRoundedRect(place, bar / 2, bar / 2)
        return right - count * step - self._theme.px(GRID)

    def _paint_dots(self, painter: QPainter, room: QRectF) -> float:
        radius, gap = self._theme.px(4), self._theme.px(4 * GRID)
        right = room.right() - self._theme.px(8 * GRID)
        painter.setPen(Qt.PenStyle.NoPen)
        for index in range(3):
            colour = QColor(self._theme.palette.accent)
            colour.setAlphaF(1.0 if index == self._step else 0.35)
            painter.setBrush(colour)
            painter.drawEllipse(QPointF(right - (2 - index) * gap, room.center().y()), radius, radius)
        return right - 2 * gap - radius

    def _next_step(self) -> None:
        self._step = (self._step + 1) % 3
        self.update()
