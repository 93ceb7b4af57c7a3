"""Push-to-talk, whatever it is held with: exactly one press and one release per talk.

A talk can be held with the button (mouse or touch), with the talk key anywhere in the window, and with Space
where Space has nothing else to do. It begins with the first of them and ends when the last is let go: while
anything is held the user means to speak, and ending early would lose words. Anything that takes the keys away
(another window, hiding, closing) ends it at once, and what is still held then no longer counts.

A release is believed, and told, when no press of the same kind follows within `DEBOUNCE_MS`. On X11 a held
key repeats as pairs of release and press, and Qt does not always see that they are a pair: `isAutoRepeat()` is
then false for both. The gap inside such a pair is under 2 ms; a finger needs 60 ms at least. Mouse and touch would
not need it, but so a talk is always told to have ended equally long after it did, and whoever lets it end a little
later anyway can take that off.

Keys are taken from the window's `QWindow`, before any widget sees them, so it does not matter who has the
focus, and nobody's own idea of Space (a button's click, a list's selection) gets in the way.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QWindow
from PySide6.QtWidgets import QApplication, QWidget

DEBOUNCE_MS = 40


class Hold(Enum):
    """What a talk is held with."""

    BUTTON = "button"
    KEY = "key"
    SPACE = "space"
    ASSISTIVE = "assistive"
    """Assistive technology can only press, not hold: one press begins, the next ends."""


class TalkKey(QObject):
    """One press and one release per talk."""

    pressed = Signal()
    released = Signal()

    def __init__(self, window: QWidget, key: Qt.Key, space_talks: Collection[QWidget] = ()) -> None:
        """Watch `window` for `key`, and for Space while one of `space_talks` has the focus."""
        super().__init__(window)
        self._window = window
        self._key = key
        self._space_talks = frozenset(space_talks)
        self._held: set[Hold] = set()
        self._letting_go = {hold: self._release_timer(hold) for hold in Hold}
        self._native: QWindow | None = None
        window.installEventFilter(self)
        QGuiApplication.instance().applicationStateChanged.connect(self._application_state_changed)  # type: ignore[union-attr]

    @property
    def is_held(self) -> bool:
        """Whether a talk is going on, as far as has been told."""
        return bool(self._held)

    def set_space_talks(self, widgets: Collection[QWidget]) -> None:
        """Take Space for the talk while one of these has the focus, and no others."""
        self._space_talks = frozenset(widgets)

    def press(self, hold: Hold) -> None:
        """Hold the talk with `hold`, too."""
        self._letting_go[hold].stop()
        begins = not self._held
        self._held.add(hold)
        if begins:
            self.pressed.emit()

    def release(self, hold: Hold) -> None:
        """Let go of `hold`; the last one ends the talk, `DEBOUNCE_MS` from now."""
        if hold in self._held:
            self._letting_go[hold].start()

    def toggle(self, hold: Hold) -> None:
        """Press what is released, release what is pressed."""
        if hold in self._held and not self._letting_go[hold].isActive():
            self.release(hold)
        else:
            self.press(hold)

    def end(self) -> None:
        """Let go of everything, now."""
        for timer in self._letting_go.values():
            timer.stop()
        if self._held:
            self._held.clear()
            self.released.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the talk keys out of the window's events, and see when it loses them."""
        kind = event.type()
        if watched is self._window:
            if kind in (QEvent.Type.WindowDeactivate, QEvent.Type.Hide, QEvent.Type.Close):
                self.end()
            elif kind in (QEvent.Type.Show, QEvent.Type.WinIdChange):
                self._watch_native_window()
            return False
        if kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease) and isinstance(event, QKeyEvent):
            return self._take_key(event)
        return False

    def _watch_native_window(self) -> None:
        native = self._window.windowHandle()
        if native is not None and native is not self._native:
            self._native = native
            native.installEventFilter(self)

    def _take_key(self, event: QKeyEvent) -> bool:
        """Return whether the event was about the talk, and nobody else shall see it."""
        hold = self._hold_of(event)
        if hold is None:
            return False
        if event.type() == QEvent.Type.KeyRelease:
            if hold not in self._held:
                return False
            if not event.isAutoRepeat():
                self.release(hold)
            return True
        if hold in self._held:
            self.press(hold)
            return True
        if not self._may_begin(hold, event):
            return False
        # A repeat without a press: the key went down in another window, and means nothing here.
        if not event.isAutoRepeat():
            self.press(hold)
        return True

    def _hold_of(self, event: QKeyEvent) -> Hold | None:
        if event.key() == self._key:
            return Hold.KEY
        return Hold.SPACE if event.key() == Qt.Key.Key_Space else None

    def _may_begin(self, hold: Hold, event: QKeyEvent) -> bool:
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            return False
        if hold is Hold.KEY:
            return True
        return QApplication.activePopupWidget() is None and self._window.focusWidget() in self._space_talks

    def _release_timer(self, hold: Hold) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.setInterval(DEBOUNCE_MS)
        timer.timeout.connect(lambda: self._let_go(hold))
        return timer

    def _let_go(self, hold: Hold) -> None:
        self._held.discard(hold)
        if not self._held:
            self.released.emit()

    def _application_state_changed(self, state: Qt.ApplicationState) -> None:
        if state != Qt.ApplicationState.ApplicationActive:
            self.end()
