"""The line to type in, and what goes with it: pictures, sound files, the wish for a written answer.

Enter sends, Shift+Enter breaks the line, Ctrl+Enter sends without interrupting: the question waits until the
answer was heard. Pictures and sound files are chosen, pasted or dropped; they go up as they are (`files_given`,
`image_given`), whoever decodes them hands them back by `add_image` and `add_sound`. They stand above the line until
the message is sent, and can be taken away there.

The line can be lent for a question about some entries only, or for rewriting an earlier text (`ask_about`, `edit`):
a strip above it says so, Esc ends it, and what was being written comes back.

What was sent leaves the line at once; what could not be sent comes back by `give_back`, with its attachments and in
front of what was typed meanwhile. Undo brings back the text that was sent, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QMimeData, QObject, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QColor,
    QContextMenuEvent,
    QFontMetrics,
    QImage,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QTextCursor,
)
from PySide6.QtGui import QScreen as Screen
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPlainTextEdit,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.conversation.inputs import Recording
from desktop_app.protocol.session_config import PCM_BYTES_PER_MS
from desktop_app.ui.labels import ElidedLabel, PlainLabel
from desktop_app.ui.pictures import Thumbnails, draw_cropped, png_of
from desktop_app.ui.screenshot import screens
from desktop_app.ui.theme import GRID, Text, Theme, plain_action, plain_tip

MOST_LINES = 6
NARROW_PX = 420
"""Below this width words give way to icons."""

TILE_PX = 64
SOUND_TILE_PX = 200
REMOVE_PX = 24
IMAGE_ENDINGS = ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "heic", "avif")
SOUND_ENDINGS = ("wav", "flac", "ogg", "oga", "opus", "mp3", "m4a", "aac", "aiff", "aif", "wma", "webm")


class _Line(QPlainTextEdit):
    """A text field that sends on Enter and takes plain text only; pictures and files are not for it."""

    sent = Signal(bool)
    """Whether it shall wait its turn."""
    pasted = Signal(QMimeData)
    """Something that is not text."""
    resized = Signal()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        control = Qt.KeyboardModifier.ControlModifier
        if enter and held in (Qt.KeyboardModifier.NoModifier, control):
            if not event.isAutoRepeat():
                self.sent.emit(held == control)
            return
        super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        return source.hasText() or has_attachment(source)

    def insertFromMimeData(self, source: QMimeData) -> None:
        if has_attachment(source):
            self.pasted.emit(source)
        elif source.hasText():
            self.textCursor().insertText(source.text())


def has_attachment(data: QMimeData) -> bool:
    """Return whether what is pasted or dropped is a picture or a file, rather than text."""
    if any(url.isLocalFile() for url in data.urls()):
        return True
    return _means_image(data)


def _means_image(data: QMimeData) -> bool:
    """Return whether a picture is meant: a word processor offers one of its text as well, a browser an address."""
    return data.hasImage() and (data.hasUrls() or not data.hasText())


@dataclass(frozen=True, slots=True)
class _Errand:
    """What the line is lent for."""

    words: str
    """What the strip says."""
    hint: str
    icon: str
    about: tuple[str, ...] = ()
    """The item ids a question is about."""
    edits: str = ""
    """The item id of the text that is rewritten."""
    draft: str = ""
    """What stood in the line before."""


class Composer(QWidget):
    """Where the user types."""

    message_entered = Signal(str, tuple, bool, bool, tuple)
    """Text without white space at its ends, data URIs, answer in writing, wait its turn, `Recording`s."""
    about_asked = Signal(tuple, str)
    """Item ids, and a question about these only."""
    resend_asked = Signal(str, str)
    """The item id of an own text, and its new wording."""
    files_given = Signal(list)
    """Paths of pictures and sound files."""
    image_given = Signal(bytes, str)
    """A PNG file, and what to call it."""
    screen_asked = Signal(object)
    """A screenshot of this screen (`QScreen`)."""
    region_asked = Signal()
    """A screenshot of a region."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._drop_is_over = False
        self._always_written = False
        self._errand: _Errand | None = None
        self._line = _Line(self)
        self._attach = QToolButton(self)
        self._tiles = _Tiles(theme, self._attach, self)
        self._strip = _Strip(theme, self)
        self._written = QToolButton(self)
        self._send = QToolButton(self)
        self._menu = QMenu(self._attach)
        self._set_up_line()
        self._set_up_buttons()
        self._lay_out()
        theme.changed.connect(self._restyle)
        self._restyle()
        self._show_what_can_be_sent()

    def _set_up_line(self) -> None:
        self._line.setPlaceholderText("Or type a message")
        self._line.setAccessibleName("Message")
        self._line.setAccessibleDescription(
            "Enter sends, Shift and Enter begin a new line, Control and Enter ask once the answer was heard"
        )
        self._line.setTabChangesFocus(True)
        self._line.setAcceptDrops(False)
        self._line.setObjectName("message")
        self._line.installEventFilter(self)
        self._line.sent.connect(lambda queued: self.send(queued=queued))
        self._line.pasted.connect(self.take)
        self._line.textChanged.connect(self._show_what_can_be_sent)
        layout = self._line.document().documentLayout()
        layout.documentSizeChanged.connect(self._fit_height)
        # Another width breaks the lines elsewhere, and the document does not always say so.
        self._line.resized.connect(lambda: self._fit_height(layout.documentSize()))
        self._tiles.changed.connect(self._show_what_can_be_sent)
        self._strip.closed.connect(self.end_errand)

    def _set_up_buttons(self) -> None:
        self._attach.setMenu(self._menu)
        self._attach.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._attach.setAccessibleName("Attach")
        self._attach.setAccessibleDescription("A picture, a sound file or a screenshot")
        self._attach.setToolTip("Attach a picture, a sound file or a screenshot")
        self._attach.setObjectName("attach")
        self._open = self._menu.addAction("Picture or sound file…", self.choose_files)
        self._open.setShortcut(QKeySequence.StandardKey.Open)
        self._region = self._menu.addAction("Screenshot of a region")
        self._region.triggered.connect(self.region_asked)
        self._region.setShortcut(QKeySequence("Ctrl+Shift+S"))
        self._screen_actions: list[QAction] = []
        self._menu.aboutToShow.connect(self._list_screens)
        self._list_screens()
        self._written.setCheckable(True)
        self._written.setAccessibleName("Answer in writing")
        self._written.setObjectName("written")
        self._written.setProperty("kind", "switch")
        self._written.toggled.connect(self._restyle_written)
        self._send.setProperty("kind", "send")
        self._send.setAccessibleName("Send message")
        self._send.setToolTip("Send (Enter)")
        self._send.setObjectName("send")
        self._send.clicked.connect(self.send)
        for button in (self._attach, self._written, self._send):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def _lay_out(self) -> None:
        px = self._theme.px
        row = QHBoxLayout()
        row.setSpacing(px(GRID))
        row.addWidget(self._attach, 0, Qt.AlignmentFlag.AlignBottom)
        row.addWidget(self._line, 1)
        row.addWidget(self._written, 0, Qt.AlignmentFlag.AlignBottom)
        row.addWidget(self._send, 0, Qt.AlignmentFlag.AlignBottom)
        column = QVBoxLayout(self)
        column.setContentsMargins(px(GRID), px(GRID), px(GRID), px(GRID))
        column.setSpacing(px(GRID))
        column.addWidget(self._strip)
        column.addWidget(self._tiles)
        column.addLayout(row)

    # --- what the window asks ---------------------------------------------------------------------

    @property
    def line(self) -> QPlainTextEdit:
        """The field itself, for the keyboard order."""
        return self._line

    @property
    def send_button(self) -> QToolButton:
        """The button beside it, for the keyboard order."""
        return self._send

    @property
    def stops(self) -> tuple[QWidget, ...]:
        """What the Tab key visits, in order."""
        return (self._attach, self._line, self._written, self._send)

    @property
    def actions_for_window(self) -> tuple[QAction, ...]:
        """What has a key that works in the whole window."""
        return (self._open, self._region)

    @property
    def text(self) -> str:
        """What stands in the line."""
        return self._line.toPlainText()

    @property
    def images(self) -> tuple[str, ...]:
        """The data URIs of the attached pictures."""
        return self._tiles.images

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """The attached sound files."""
        return self._tiles.recordings

    @property
    def written(self) -> bool:
        """Whether the answer is wanted in writing."""
        return self._written.isChecked()

    def send(self, *, queued: bool = False) -> None:
        """Send the text and the pictures, unless there is nothing; `queued`: it shall wait its turn."""
        text, images, recordings = self.text.strip(), self.images, self.recordings
        if self._errand is not None:
            self._run_errand(self._errand, text)
            return
        if not (text or images or recordings):
            return
        self._tiles.clear()
        self._replace_all("")
        self.message_entered.emit(text, images, self.written, queued, recordings)

    def add_image(self, data_uri: str, name: str) -> None:
        """Attach a picture to what is being written."""
        self._tiles.add_image(data_uri, name)
        self._show_errand()

    def add_sound(self, recording: Recording) -> None:
        """Attach a sound file to what is being written."""
        self._tiles.add_sound(recording)
        self._show_errand()

    def give_back(self, text: str, images: Sequence[str] = (), recordings: Sequence[Recording] = ()) -> None:
        """Put a message that was not sent before what stands in the line, with what was attached to it."""
        for data_uri in images:
            self._tiles.add_image(data_uri, "Picture")
        for recording in recordings:
            self._tiles.add_sound(recording)
        if self._errand is not None:
            draft = self._errand.draft
            self._errand = replace(self._errand, draft=f"{text}\n{draft}" if draft.strip() else text)
            return
        rest = self.text
        if text:
            self._replace_all(f"{text}\n{rest}" if rest.strip() else text)

    def type_on(self, text: str) -> None:
        """Go on with a text that was typed elsewhere in the window."""
        self._line.setFocus(Qt.FocusReason.OtherFocusReason)
        self._line.insertPlainText(text)

    def fill(self, text: str) -> None:
        """Put a suggestion into the line in place of what stands there; undo brings that back."""
        self._replace_all(text)
        self._line.setFocus(Qt.FocusReason.OtherFocusReason)

    def ask_about(self, item_ids: tuple[str, ...]) -> None:
        """Lend the line for a question about these entries only."""
        what = "1 message" if len(item_ids) == 1 else f"{len(item_ids)} messages"
        errand = _Errand(
            f"About {what} only",
            "Your question",
            "message-circle-question-mark",
            about=item_ids,
        )
        self._begin_errand(errand, "")

    def edit(self, item_id: str, text: str) -> None:
        """Lend the line for rewriting an earlier text."""
        errand = _Errand("Rewriting: what came after it is forgotten", "Write it anew", "pencil", edits=item_id)
        self._begin_errand(errand, text)

    @property
    def has_errand(self) -> bool:
        """Whether the line is lent."""
        return self._errand is not None

    def end_errand(self) -> None:
        """Give the line back to what was being written."""
        if self._errand is None:
            return
        draft, self._errand = self._errand.draft, None
        self._replace_all(draft)
        self._show_errand()

    def set_always_written(self, always: bool) -> None:
        """Say that this session answers in writing anyhow."""
        self._always_written = always
        self._restyle_written()

    def take(self, data: QMimeData) -> bool:
        """Take what was pasted or dropped; return whether there was anything to take."""
        paths = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
        if paths:
            self.files_given.emit(paths)
            return True
        if _means_image(data):
            image = data.imageData()
            if isinstance(image, QImage) and not image.isNull():
                self.give_image(image, "Pasted picture")
                return True
        if data.hasText():
            self.type_on(data.text())
            return True
        return False

    def give_image(self, image: QImage, name: str) -> None:
        """Hand a picture up to be scaled and encoded; it comes back by `add_image`."""
        self.image_given.emit(png_of(image), name)

    def choose_files(self) -> None:
        """Let the user choose files."""
        dialog = QFileDialog(self.window(), "Attach")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        both, images, sounds = (
            " ".join(f"*.{ending} *.{ending.upper()}" for ending in endings)
            for endings in (IMAGE_ENDINGS + SOUND_ENDINGS, IMAGE_ENDINGS, SOUND_ENDINGS)
        )
        dialog.setNameFilters(
            (
                f"Pictures and sound files ({both})",
                f"Pictures ({images})",
                f"Sound files ({sounds})",
                "All files (*)",
            )
        )
        dialog.filesSelected.connect(lambda paths: self.files_given.emit(list(paths)))
        dialog.open()

    def show_drop(self, over: bool) -> None:
        """Say, while something is dragged over the window, that it can be let go here."""
        self._drop_is_over = over
        self._line.setPlaceholderText("Drop it here" if over else "Or type a message")
        self.update()

    # --- inside -----------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Paint the frame anew when the line gets or loses the focus."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.update()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the word give way to its icon where it is narrow."""
        super().resizeEvent(event)
        self._restyle_written()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the frame around line and buttons."""
        palette = self._theme.palette
        stands_out = self._line.hasFocus() or self._drop_is_over
        width = self._theme.px(2 if stands_out else 1)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(QColor(palette.accent if stands_out else palette.edge), width)
        if self._drop_is_over:
            pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.setBrush(QColor(palette.accent_tint if self._drop_is_over else palette.surface))
        inset, radius = width / 2, self._theme.px(16)
        frame = QRectF(self.rect()).adjusted(inset, inset, -inset, -inset)
        painter.drawRoundedRect(frame, radius, radius)
        painter.end()

    def _begin_errand(self, errand: _Errand, text: str) -> None:
        draft = self.text if self._errand is None else self._errand.draft
        self._errand = replace(errand, draft=draft)
        self._replace_all(text)
        self._show_errand()
        self._line.setFocus(Qt.FocusReason.OtherFocusReason)

    def _run_errand(self, errand: _Errand, text: str) -> None:
        if not text:
            return
        self.end_errand()
        if errand.about:
            self.about_asked.emit(errand.about, text)
        else:
            self.resend_asked.emit(errand.edits, text)

    def _show_errand(self) -> None:
        """Say what the line is for, and put away what has nothing to do with it."""
        errand = self._errand
        self._strip.show_words(errand.words if errand else "", errand.icon if errand else "")
        self._attach.setEnabled(errand is None)
        self._tiles.setVisible(errand is None and not self._tiles.is_empty)
        self._restyle_written()
        self._line.setPlaceholderText(errand.hint if errand else "Or type a message")
        self._line.setAccessibleName(errand.words if errand else "Message")
        self._show_what_can_be_sent()

    def _list_screens(self) -> None:
        """Offer every screen by itself where there are several."""
        for action in self._screen_actions:
            self._menu.removeAction(action)  # at once: while the menu is open, nothing is deleted later
            action.deleteLater()
        found = screens()
        self._screen_actions = []
        for number, screen in enumerate(found, start=1):
            name = f"Screenshot of screen {number}" if len(found) > 1 else "Screenshot of the screen"
            action = self._menu.addAction(plain_action(name))
            action.setIcon(self._theme.icon("monitor"))
            action.triggered.connect(lambda _checked, screen=screen: self._ask_screen(screen))
            self._screen_actions.append(action)

    def _ask_screen(self, screen: Screen) -> None:
        self.screen_asked.emit(screen)

    def _replace_all(self, text: str) -> None:
        """Replace the text in one step that can be undone."""
        cursor = self._line.textCursor()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self._line.moveCursor(QTextCursor.MoveOperation.End)

    def _show_what_can_be_sent(self) -> None:
        attached = not self._tiles.is_empty and self._errand is None
        self._send.setEnabled(bool(self.text.strip()) or attached)

    def _fit_height(self, size: QSizeF) -> None:
        """Grow with the lines; `size` counts the height in lines."""
        lines = max(1, min(MOST_LINES, round(size.height())))
        margin = 2 * int(self._line.document().documentMargin())
        height = lines * QFontMetrics(self._line.font()).lineSpacing() + margin
        self._line.setFixedHeight(max(height, self._theme.px(36)))
        bar = (
            Qt.ScrollBarPolicy.ScrollBarAsNeeded
            if size.height() > MOST_LINES
            else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
        self._line.setVerticalScrollBarPolicy(bar)

    def _restyle_written(self) -> None:
        theme, on = self._theme, self._written.isChecked() or self._always_written
        self._written.setEnabled(not self._always_written and self._errand is None)
        self._written.setIcon(
            theme.icon("message-square-text", theme.palette.accent if on else theme.palette.muted)
        )
        self._written.setText(" Written" if on else "")
        style = Qt.ToolButtonStyle
        wide = self.width() >= theme.px(NARROW_PX)
        self._written.setToolButtonStyle(
            style.ToolButtonTextBesideIcon if on and wide else style.ToolButtonIconOnly
        )
        tip = "The answer comes in writing" if on else "Answer in writing instead of speaking"
        self._written.setToolTip("All answers come in writing: see the settings" if self._always_written else tip)
        self._written.setAccessibleDescription(self._written.toolTip())

    def _restyle(self) -> None:
        theme = self._theme
        self._line.setFont(theme.font(Text.BODY))
        self._line.document().setDocumentMargin(theme.px(2 * GRID))
        self._send.setIcon(theme.icon("arrow-up", theme.palette.on_fill))
        self._attach.setIcon(theme.icon("paperclip", theme.palette.muted))
        self._open.setIcon(theme.icon("image"))
        self._region.setIcon(theme.icon("crop"))
        self._list_screens()
        self._restyle_written()
        for button in (self._attach, self._written, self._send):
            button.setIconSize(QSize(theme.px(20), theme.px(20)))
            button.setMinimumSize(theme.px(36), theme.px(36))
            button.setMaximumHeight(theme.px(36))
        self._fit_height(self._line.document().documentLayout().documentSize())
        self.update()


class _Strip(QWidget):
    """Says, above the line, what the line is lent for."""

    closed = Signal()

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._icon = PlainLabel()
        self._words = ElidedLabel()
        self._words.setProperty("scale", "label")
        self._words.setProperty("tone", "muted")
        self._close = QToolButton()
        self._close.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._close.setAccessibleName("Back to the conversation")
        self._close.setToolTip("Back to the conversation (Esc)")
        self._close.setFixedSize(theme.px(28), theme.px(28))
        self._close.clicked.connect(self.closed)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.px(2 * GRID), 0, 0, 0)
        row.setSpacing(theme.px(2 * GRID))
        row.addWidget(self._icon)
        row.addWidget(self._words, 1)
        row.addWidget(self._close)
        self.hide()

    def show_words(self, words: str, icon: str) -> None:
        """Show the words; empty ones take the strip away."""
        self._words.setText(words)
        if words:
            theme = self._theme
            self._icon.setPixmap(theme.icon(icon, theme.palette.accent, size=16).pixmap(theme.px(16)))
            self._close.setIcon(theme.icon("x", size=16))
            self._close.setIconSize(QSize(theme.px(16), theme.px(16)))
        self.setVisible(bool(words))


class _Tiles(QScrollArea):
    """What is attached, in a row that scrolls; a click takes a thing away."""

    changed = Signal()

    def __init__(self, theme: Theme, tab_after: QWidget, parent: QWidget) -> None:
        """`tab_after`: what the Tab key visits before them."""
        super().__init__(parent)
        self._theme = theme
        self._tab_after = tab_after
        self._thumbnails = Thumbnails(self)
        self._tiles: list[_Tile] = []
        self._inner = QWidget()
        self._row = QHBoxLayout(self._inner)
        self._row.setContentsMargins(theme.px(GRID), theme.px(GRID), theme.px(GRID), 0)
        self._row.setSpacing(theme.px(2 * GRID))
        self._row.addStretch(1)
        self.setWidget(self._inner)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(theme.px(TILE_PX + 2 * GRID))
        self.setAccessibleName("Attached")
        self._inner.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)
        self.hide()

    @property
    def images(self) -> tuple[str, ...]:
        """The data URIs of the pictures, in order."""
        return tuple(tile.data_uri for tile in self._tiles if isinstance(tile, _PictureTile))

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """The sound files, in order."""
        return tuple(tile.recording for tile in self._tiles if isinstance(tile, _SoundTile))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is attached."""
        return not self._tiles

    def add_image(self, data_uri: str, name: str) -> None:
        """Attach one more picture."""
        self._add(_PictureTile(data_uri, name, self._theme, self._thumbnails, self._inner))

    def add_sound(self, recording: Recording) -> None:
        """Attach one more sound file."""
        self._add(_SoundTile(recording, self._theme, self._inner))

    def _add(self, tile: _Tile) -> None:
        tile.removed.connect(lambda: self._remove(tile))
        self._tiles.append(tile)
        self._row.insertWidget(self._row.count() - 1, tile)
        QWidget.setTabOrder(self._tiles[-2] if len(self._tiles) > 1 else self._tab_after, tile)
        tile.show()
        self._show()
        self.ensureWidgetVisible(tile)

    def clear(self) -> None:
        """Take all away."""
        for tile in list(self._tiles):
            self._drop(tile)
        self._show()

    def _remove(self, tile: _Tile) -> None:
        at = self._tiles.index(tile)
        had_focus = tile.hasFocus()
        self._drop(tile)
        if had_focus and self._tiles:
            self._tiles[min(at, len(self._tiles) - 1)].setFocus(Qt.FocusReason.TabFocusReason)
        self._show()

    def _drop(self, tile: _Tile) -> None:
        self._tiles.remove(tile)
        self._row.removeWidget(tile)
        tile.hide()
        tile.deleteLater()

    def _show(self) -> None:
        self.setVisible(bool(self._tiles))
        self.changed.emit()


class _Tile(QToolButton):
    """Something attached; a click, Delete or Backspace take it away."""

    removed = Signal()

    def __init__(self, name: str, width_px: int, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFixedSize(theme.px(width_px), theme.px(TILE_PX))
        self.setAccessibleName(f"Attached: {name}. Take it away")
        self.setToolTip(plain_tip(f"{name} – click to take it away"))
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.clicked.connect(self.removed)
        theme.changed.connect(self.update)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take it away by the keys that delete."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removed.emit()
            return
        super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer nothing: there is one thing to do with it."""
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what it is, and the cross."""
        palette, px = self._theme.palette, self._theme.px
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(px(1), px(1), -px(1), -px(1))
        radius = px(2.5 * GRID)
        self._paint_content(painter, frame, radius)
        width = px(2 if self.hasFocus() else 1)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(palette.accent if self.hasFocus() else palette.edge), width))
        painter.drawRoundedRect(frame, radius, radius)
        self._paint_cross(painter)
        painter.end()

    def _paint_content(self, painter: QPainter, frame: QRectF, radius: float) -> None:
        raise NotImplementedError

    def _paint_ground(self, painter: QPainter, frame: QRectF, radius: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.palette.hover))
        painter.drawRoundedRect(frame, radius, radius)

    def _paint_cross(self, painter: QPainter) -> None:
        palette, px = self._theme.palette, self._theme.px
        side = px(REMOVE_PX - 4)
        disc = QRectF(self.width() - side - px(3), px(3), side, side)
        painter.setPen(QPen(QColor(palette.edge), px(1)))
        painter.setBrush(QColor(palette.hover if self.underMouse() else palette.surface))
        painter.drawEllipse(disc)
        cross = disc.adjusted(px(4), px(4), -px(4), -px(4))
        self._theme.draw_icon(painter, "x", cross, palette.text)


class _PictureTile(_Tile):
    """An attached picture, small."""

    def __init__(self, data_uri: str, name: str, theme: Theme, thumbnails: Thumbnails, parent: QWidget) -> None:
        super().__init__(name, TILE_PX, theme, parent)
        self.data_uri = data_uri
        self._thumbnails = thumbnails
        thumbnails.arrived.connect(self.update)

    def _paint_content(self, painter: QPainter, frame: QRectF, radius: float) -> None:
        image = self._thumbnails.get(self.data_uri)
        if image is not None and not image.isNull():
            draw_cropped(painter, image, frame, radius)
            return
        self._paint_ground(painter, frame, radius)
        side = self._theme.px(24)
        place = QRectF(0, 0, side, side)
        place.moveCenter(frame.center())
        self._theme.draw_icon(painter, "image", place, self._theme.palette.muted)


class _SoundTile(_Tile):
    """An attached sound file: its name, and how long it is."""

    def __init__(self, recording: Recording, theme: Theme, parent: QWidget) -> None:
        self.recording = recording
        seconds = len(recording.pcm) // PCM_BYTES_PER_MS / 1000
        self._length = f"{int(seconds) // 60}:{int(seconds) % 60:02}" if seconds >= 1 else f"{seconds:.1f} s"
        super().__init__(f"{recording.name}, {self._length}", SOUND_TILE_PX, theme, parent)

    def _paint_content(self, painter: QPainter, frame: QRectF, radius: float) -> None:
        theme, px = self._theme, self._theme.px
        self._paint_ground(painter, frame, radius)
        icon = QRectF(frame.left() + px(2.5 * GRID), 0, px(20), px(20))
        icon.moveCenter(QPointF(icon.center().x(), frame.center().y()))
        theme.draw_icon(painter, "audio-lines", icon, theme.palette.accent)
        font = theme.font(Text.LABEL)
        line = QFontMetrics(font).lineSpacing()
        room = QRectF(icon.right() + px(2 * GRID), frame.center().y() - line, 0, line)
        room.setRight(frame.right() - px(REMOVE_PX + GRID))
        painter.setFont(font)
        painter.setPen(QColor(theme.palette.text))
        name = QFontMetrics(font).elidedText(self.recording.name, Qt.TextElideMode.ElideMiddle, int(room.width()))
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, name)
        painter.setPen(QColor(theme.palette.muted))
        painter.drawText(room.translated(0, line), Qt.AlignmentFlag.AlignVCenter, self._length)
