"""The window: lays out the parts, passes on what the user does, shows what it is told. It decides nothing.

Signals go up, calls come down. `MainWindow` has the methods of the session's `View`; it imports Qt and the
vocabulary only, so that it is on the screen before sound and network are imported.

Closing: the window hides and emits `closing`, once. Whoever built it cleans up and ends the program; Qt's own
"quit when the last window is closed" would end the loop under the feet of that cleaning up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise

from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal, SignalInstance
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QIcon,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShortcut,
)
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QProgressBar,
    QScrollArea,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.conversation.effects import AsideState, ConnectionInfo, Consent, Link, Retry, Turn, VoiceState
from desktop_app.conversation.entries import Entry
from desktop_app.conversation.inputs import Recording
from desktop_app.conversation.latency import Latency
from desktop_app.conversation.past import PastConversation, PastEntry
from desktop_app.errors import Notice, Severity
from desktop_app.protocol.session_config import SemanticVad, ServerVad, SessionConfig
from desktop_app.ui.asides import Asides
from desktop_app.ui.composer import Composer, has_attachment
from desktop_app.ui.connection_panel import LINK_WORDS, ConnectionPanel, LinkButton
from desktop_app.ui.consents import Consents
from desktop_app.ui.device_menu import ChoiceMenu
from desktop_app.ui.history_panel import HistoryPanel
from desktop_app.ui.labels import ElidedLabel, PlainLabel
from desktop_app.ui.latency import latency_lines
from desktop_app.ui.mode_switch import ModeSwitch
from desktop_app.ui.notices import NoticesBar
from desktop_app.ui.past_view import PastView
from desktop_app.ui.picture_dialog import PictureDialog
from desktop_app.ui.plain import unmistakable
from desktop_app.ui.screenshot import Screenshot
from desktop_app.ui.settings_desk import SettingsDesk
from desktop_app.ui.side_pane import SidePane
from desktop_app.ui.talk_button import HALO_PX, HEIGHT_PX, TalkButton, TalkMode
from desktop_app.ui.talk_key import Hold, TalkKey
from desktop_app.ui.theme import COLUMN_PX, GRID, Theme, plain_tip
from desktop_app.ui.transcript import TranscriptView
from desktop_app.ui.transcript_model import TranscriptModel
from desktop_app.ui.voice_picker import VoicePicker
from desktop_app.ui.volume import VolumeAction

PRODUCT = "Parley"
HISTORY_KEY = "Ctrl+Y" if sys.platform == "darwin" else "Ctrl+H"
"""On a Mac, Command and H hide the window."""
NARROW_PX = 520
"""Below this width words give way to icons."""

CARDS_SHARE = 0.4
"""How much of the window's height cards may take; more of them scroll."""

TURN_WORDS = {
    Turn.IDLE: "Ready",
    Turn.OPENING: "Opening the microphone…",
    Turn.LISTENING: "Listening",
    Turn.THINKING: "Thinking…",
    Turn.USING_TOOL: "Using a tool…",
    Turn.ASKING: "Waiting for you",
    Turn.SPEAKING: "Speaking",
}
NO_SCREENSHOT = Notice(
    "This system does not let programs take pictures of the screen.",
    "Take one with the system's own key (often Print) and paste or drop it here.",
    Severity.WARNING,
    "screenshot",
)


class LinkDot(QWidget):
    """The link as a shape: a disc when connected, a ring while connecting, a crossed ring without one."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._link = Link.OFFLINE
        self.setFixedSize(theme.px(3 * GRID), theme.px(3 * GRID))
        theme.changed.connect(self.update)

    def show_link(self, link: Link) -> None:
        """Show another state."""
        self._link = link
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the shape."""
        palette, px = self._theme.palette, self._theme.px
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(palette.error if self._link is Link.OFFLINE else palette.accent)
        circle = QRectF(self.rect()).adjusted(px(2), px(2), -px(2), -px(2))
        painter.setPen(QPen(colour, px(2)))
        painter.setBrush(colour if self._link is Link.ONLINE else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(circle)
        if self._link is Link.OFFLINE:
            painter.drawLine(circle.topRight(), circle.bottomLeft())
        painter.end()


class MainWindow(QMainWindow):
    """Parley's window."""

    talk_pressed = Signal()
    talk_released = Signal()
    stop_pressed = Signal()
    mode_chosen = Signal(str)
    """How turns begin: `talk`, `hands_free` or `manual` (the values of `TalkMode`)."""
    muted_chosen = Signal(bool)
    talked_while_muted = Signal()
    """Somebody speaks and believes to be heard."""
    volume_moved = Signal(int)
    """The volume of the answers while it is being moved, in percent; what it ends with is a changed setting."""
    answer_asked = Signal()
    """Hands-free, I start answers: now."""
    message_entered = Signal(str, tuple, bool, bool, tuple)
    """Text, data URIs of pictures, answer in writing, wait until the present answer was heard, `Recording`s."""
    action_asked = Signal(str, object)
    """The button of an entry: item id, `EntryAction`."""
    read_aloud_asked = Signal(str)
    """Exactly these words."""
    about_asked = Signal(tuple, str)
    """Item ids, and a question about these only."""
    forget_asked = Signal(tuple)
    """Item ids."""
    server_copy_asked = Signal(str)
    """The item id of something spoken: what the server heard of it shall be saved."""
    resend_asked = Signal(str, str)
    """The item id of an own text, and its new wording."""
    files_given = Signal(list)
    """Paths of pictures and sound files: whoever reads them calls `add_image` or `add_sound`, or shows why not."""
    image_given = Signal(bytes, str)
    """A PNG file that was pasted or is a screenshot, and its name: it comes back by `add_image`, scaled."""
    voice_chosen = Signal(str)
    new_conversation_asked = Signal()
    reconnect_asked = Signal()
    retry_stopped = Signal()
    """No further attempts to connect are wanted."""
    summary_asked = Signal()
    replies_asked = Signal()
    """Suggestions for what the user could say."""
    session_shown = Signal(object)
    """The `SessionConfig` that is in force or asked for; a refused setting was put back in it."""
    notice_acted = Signal(object)
    """The button of a notice was pressed that only the program can act on."""
    history_resized = Signal(bool, int)
    """The history panel was opened, closed or widened: whether it is open, and its width in unscaled pixels."""
    consent_given = Signal(str, bool, bool)
    """The call id, whether it may run, and whether this tool need not ask again."""
    closing = Signal()
    """The user closed the window; it is hidden. Emitted once."""
    first_painted = Signal()
    """The window is on the screen: what is slow to import may be imported now. Emitted once."""

    def __init__(self, theme: Theme, *, talk_key: Qt.Key = Qt.Key.Key_F9, version: str = "") -> None:
        """Build the window; it is not shown yet."""
        super().__init__()
        self._theme = theme
        self._version = version
        self._key_name = QKeySequence(talk_key).toString(QKeySequence.SequenceFormat.NativeText)
        self._turn = Turn.IDLE
        self._link = Link.CONNECTING
        self._endpoint = ("", "")
        self._subject = ""
        self._session_id = ""
        self._was_painted = False
        self._has_closed = False
        self._held_back: list[Callable[[], None]] | None = None
        """What was handed over while there is nobody to take it; None: there is somebody."""
        self.setWindowTitle(PRODUCT)
        self.setWindowIcon(QIcon(theme.mark(128)))
        self.setAcceptDrops(True)
        room = self.screen().availableSize() - QSize(theme.px(12 * GRID), theme.px(16 * GRID))
        # On a small screen whose pixels are doubled the talk button must be in sight, too.
        self.setMinimumSize(QSize(theme.px(360), theme.px(480)).boundedTo(room))
        self.resize(QSize(theme.px(760), theme.px(760)).boundedTo(room))

        self.settings = SettingsDesk(self, theme)
        """Everything about settings that goes up and comes down."""
        self.transcript = TranscriptModel()
        self._view = TranscriptView(self.transcript, theme)
        self.history = HistoryPanel(theme)
        """The conversations of before: what is done with them goes up, what there is comes down."""
        self._past = PastView(theme)
        self._shown = QStackedWidget()
        self._history_button = QToolButton()
        self._notices = NoticesBar(theme)
        self._asides = Asides(self._notices, theme)
        self._consents = Consents(self._notices, theme)
        self._composer = Composer(theme)
        self._screenshot = Screenshot(self, theme)
        self._talk = TalkButton(theme, self._key_name)
        self._answer = QToolButton()
        self._stop = QToolButton()
        self._modes = ModeSwitch(theme)
        self._spent = QToolButton()
        self._mode, self._muted = TalkMode.TALK, False
        self._voice = VoicePicker(theme)
        self._menu_button = QToolButton()
        self._menu = QMenu(self)
        self._dot = LinkDot(theme)
        self._title = ElidedLabel()
        self._topic = PlainLabel()
        self._subtitle = ElidedLabel()
        self._link_button = LinkButton(theme, (self._dot, self._subtitle))
        self._connection = ConnectionPanel(theme, self)
        self._status = ElidedLabel()
        self._progress = _ProgressStrip(theme)
        self._talk_key = TalkKey(self, talk_key, (self._view, self._talk))

        self._lay_out()
        self._fill_menu()
        self._connect()
        self._restyle()
        self.set_endpoint_name("")
        self.show_session(SessionConfig(), muted=False)
        self.show_link(Link.CONNECTING)
        self.show_turn(Turn.IDLE)
        self._talk.setFocus(Qt.FocusReason.OtherFocusReason)

    # --- messages and files while there is nobody to take them --------------------------------------

    def hold_back(self) -> None:
        """Keep messages and files until `pass_on`: the program is not built yet, or another one is being built."""
        if self._held_back is None:
            self._held_back = []

    def pass_on(self) -> None:
        """There is somebody to take them: hand up what was kept, in order."""
        kept, self._held_back = self._held_back, None
        for give in kept or ():
            give()

    def _handed_up(self, signal: SignalInstance) -> Callable[..., None]:
        def hand_up(*given: object) -> None:
            if self._held_back is None:
                signal.emit(*given)
            else:
                self._held_back.append(lambda: signal.emit(*given))

        return hand_up

    # --- the session's view -----------------------------------------------------------------------

    def show_entry(self, entry: Entry, after: str | None) -> None:
        """Insert or replace the entry of this item id; `after` is the item id before it, None: the first."""
        self.transcript.upsert(entry, after)

    def remove_entry(self, item_id: str) -> None:
        """Take an entry out."""
        self.transcript.remove(item_id)

    def clear_entries(self) -> None:
        """Empty the transcript."""
        self.transcript.clear()
        self._connection.forget_latencies()
        self._asides.close_all()
        self.show_title("", "")
        self.show_present()

    def show_turn(self, turn: Turn) -> None:
        """Show whose move it is."""
        self._turn = turn
        self._talk.show_turn(turn)
        self._stop.setEnabled(turn in (Turn.THINKING, Turn.USING_TOOL, Turn.ASKING, Turn.SPEAKING))
        self._show_status()

    def show_link(self, link: Link) -> None:
        """Show the state of the connection."""
        self._link = link
        self._dot.show_link(link)
        self._talk.show_link(link)
        self._show_endpoint()
        self._show_status()

    def show_retry(self, retry: Retry | None) -> None:
        """Show the attempt to connect that is planned, with what can be done about it; None: there is none."""
        self._notices.show_retry(retry)
        self._connection.show_retry(retry)

    def show_voice(self, state: VoiceState) -> None:
        """Show the voice and whether another can be chosen."""
        self._voice.show_voice(state)
        self.settings.show_voice(state)

    def show_notice(self, notice: Notice) -> None:
        """Show a notice; one of the same key replaces it."""
        self._notices.show_notice(notice)

    def dismiss_notice(self, key: str) -> None:
        """Take the notice of this key away."""
        self._notices.dismiss(key)

    def give_back_text(self, text: str, images: Sequence[str] = (), recordings: Sequence[Recording] = ()) -> None:
        """Put a message that was not sent back into the line, before what stands there."""
        self._composer.give_back(text, images, recordings)

    def ask_consent(self, consent: Consent) -> None:
        """Ask whether a tool may run; the answer is `consent_given`."""
        self._consents.ask(consent)

    def withdraw_consent(self, call_id: str) -> None:
        """The question no longer stands."""
        self._consents.withdraw(call_id)

    def show_session(self, config: SessionConfig, *, muted: bool) -> None:
        """Put the controls of the session where they are in force."""
        self._mode, self._muted = mode_of(config), muted
        free = self._mode is not TalkMode.TALK
        self._talk_key.set_space_talks(() if free else (self._view, self._talk))
        self._talk.show_mode(self._mode, muted=muted)
        self._modes.show_mode(self._mode)
        self._answer.setVisible(self._mode is TalkMode.MANUAL)
        self._mute.setVisible(free)
        self._mute.setEnabled(free)
        self._mute.setChecked(muted)
        self._answer_action.setEnabled(self._mode is TalkMode.MANUAL)
        self._composer.set_always_written(config.output_modalities == ["text"])
        self._show_status()
        self.session_shown.emit(config)

    def show_connection(self, info: ConnectionInfo) -> None:
        """Show what is known of the session; another one has what waited for it."""
        self._connection.show_info(info)
        if info.session_id != self._session_id:
            self._session_id = info.session_id
            self.settings.session_began()

    def show_aside(self, state: AsideState) -> None:
        """Insert or replace an answer beside the conversation, by its number."""
        self._asides.show_aside(state)

    def show_title(self, title: str, topic: str) -> None:
        """Show what the conversation is about."""
        self._subject = title
        self._topic.setText(topic)
        self._topic.setVisible(bool(topic))
        self._show_endpoint()

    def show_past(self, past: PastConversation, entries: Sequence[PastEntry], item_id: str = "") -> None:
        """Show an old conversation, at the row of an item or from its beginning; the present one goes on."""
        self._shown.setCurrentWidget(self._past)
        self._past.show_past(past, entries, item_id)
        self.history.show_opened(past.number)
        if self._pane.is_open and self._pane.is_over:
            self._pane.set_open(False)
            self._past.view.setFocus(Qt.FocusReason.OtherFocusReason)

    def show_present(self, item_id: str = "") -> bool:
        """Show the conversation that is going on, and the row of an item; return whether that is there."""
        focused = self.focusWidget()
        had_focus = focused is not None and self._past.isAncestorOf(focused)
        self._shown.setCurrentWidget(self._view)
        self._past.forget()
        self.history.show_opened(None)
        if had_focus:
            self._talk.setFocus(Qt.FocusReason.OtherFocusReason)
        row = self.transcript.row_of(item_id)
        if row is not None:
            self._view.go_to(row, marked=True)
        return row is not None

    def show_past_name(self, past: PastConversation) -> None:
        """Show the title of the old conversation that is shown, which may be another one now."""
        self._past.show_name(past)

    @property
    def past_number(self) -> int | None:
        """Which old conversation is shown; None: the present one is."""
        return self._past.number

    def show_history(self, *, is_open: bool, width: int = 0) -> None:
        """Open the history panel if there is room for it, or close it; `width` in unscaled pixels, 0: as it is."""
        if width:
            self._pane.set_width(width)
        self._pane.set_open(is_open and not self._pane.is_over)

    @property
    def would_be_heard(self) -> bool:
        """Whether what is said now goes to the assistant, or would in a moment."""
        if self._mode is TalkMode.TALK:
            return self._turn in (Turn.OPENING, Turn.LISTENING)
        return not self._muted and self._link is Link.ONLINE

    def add_image(self, data_uri: str, name: str) -> None:
        """Attach a picture to what is being written: a data URI, PNG or JPEG, scaled to what is sent."""
        self._composer.add_image(data_uri, name)

    def add_sound(self, recording: Recording) -> None:
        """Attach a sound file to what is being written."""
        self._composer.add_sound(recording)

    def show_cost(self, item_id: str, text: str) -> None:
        """Say what an answer cost; shown with the mouse or the keys on it."""
        self.transcript.set_cost(item_id, text)

    def show_latency(self, latency: Latency) -> None:
        """Say how long an answer took: with its row, and in the chart of the connection."""
        self.transcript.set_latency(latency.item_id, "\n".join(latency_lines(latency)))
        self._connection.show_latency(latency)

    def show_spending(self, conversation: str, day: str) -> None:
        """Say what the conversation and the day came to."""
        self._spending.setVisible(True)
        self._spending.setText(f"Spent: {conversation} here, {day} today")
        self._spent.setText(conversation)
        self._spent.setToolTip(plain_tip(f"This conversation: {conversation}. Today: {day}."))
        self._spent.setAccessibleName(f"Spent: {conversation} here, {day} today")
        self.settings.show_costs(f"{conversation} in this conversation, {day} today.")
        self._show_spent()

    # --- what else the program shows --------------------------------------------------------------

    def set_level(self, level: float) -> None:
        """Show how loud the voice is: 0 (silence) to 1, evenly in decibels. Some 20 to 30 calls a second."""
        self._talk.set_level(level)

    def set_endpoint_name(self, name: str, note: str = "") -> None:
        """Say who answers, and what is good to know about it (`small models on this computer`)."""
        self._endpoint = (name, note)
        self._show_endpoint()
        # One of ours is «Offline assistant», others have names of their own.
        named = f"the {name[:1].lower()}{name[1:]}" if name.endswith(" assistant") else name
        who = f"You are talking to {named}: {note}." if name and note else ""
        self._view.set_empty_text(
            "Hold the button and speak",
            f"Or hold {self._key_name}, from anywhere in this window. Let go when you are done; "
            f"press again to interrupt the answer. {who}".rstrip(),
        )

    def show_progress(self, text: str, fraction: float | None) -> None:
        """Show how far something long is, 0 to 1 or None if unknown; an empty text takes it away."""
        self._progress.show_progress(text, fraction)

    # --- events -----------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint, and tell about the first time."""
        super().paintEvent(event)
        if not self._was_painted:
            self._was_painted = True
            QTimer.singleShot(0, self.first_painted.emit)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Hide, end the talk, and let the program end itself."""
        event.ignore()
        self.hide()
        if not self._has_closed:
            self._has_closed = True
            self.closing.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take pictures, files and text, wherever in the window they are let go."""
        data = event.mimeData()
        if has_attachment(data) or data.hasText():
            event.acceptProposedAction()
            self._composer.show_drop(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Look as before."""
        self._composer.show_drop(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Attach what was let go."""
        self._composer.show_drop(False)
        if self._composer.take(event.mimeData()):
            event.acceptProposedAction()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the cards their share."""
        super().resizeEvent(event)
        self._notices.limit_height(int(self.height() * CARDS_SHARE))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Put what is typed while nothing else takes it into the line."""
        plain = not event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
        if plain and event.text().isprintable() and event.text().strip():
            self._composer.type_on(event.text())
            return
        super().keyPressEvent(event)

    # --- inside -----------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._header())
        column.addWidget(self._progress)
        self._shown.addWidget(self._view)
        self._shown.addWidget(self._past)
        column.addWidget(self._shown, 1)
        column.addWidget(self._dock())
        self._pane = SidePane(self._theme, self.history, centre)
        self._pane.main_resized.connect(self._fit_words)
        self.setCentralWidget(self._pane)
        self._notices.tab_after = self._view
        order = (
            *self.history.stops,
            *self._past.stops,
            self._view,
            *self._composer.stops,
            self._talk,
            self._answer,
            self._stop,
            self._modes,
            self._spent,
            self._history_button,
            self._link_button,
            self._voice,
            self._menu_button,
        )
        for first, second in pairwise(order):
            QWidget.setTabOrder(first, second)

    def _header(self) -> QWidget:
        px = self._theme.px
        header = QWidget()
        row = QHBoxLayout(header)
        row.setContentsMargins(px(2 * GRID), px(2 * GRID), px(2 * GRID), px(2 * GRID))
        row.setSpacing(px(GRID))
        self._history_button.setCheckable(True)
        self._history_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._history_button.setAccessibleName("History")
        key = QKeySequence(HISTORY_KEY).toString(QKeySequence.SequenceFormat.NativeText)
        self._history_button.setToolTip(plain_tip(f"History ({key})"))
        self._history_button.setProperty("kind", "switch")
        self._history_button.setObjectName("history")
        mark = PlainLabel()
        mark.setPixmap(self._theme.mark(32))
        mark.setScaledContents(True)
        mark.setFixedSize(px(32), px(32))
        self._title.setProperty("strong", "true")
        self._subtitle.setProperty("tone", "muted")
        self._subtitle.setProperty("scale", "caption")
        self._topic.setProperty("kind", "chip")
        self._topic.setAccessibleDescription("What the conversation is about")
        self._topic.setObjectName("topic")
        self._topic.hide()
        heading = QHBoxLayout()
        heading.setSpacing(px(2 * GRID))
        heading.addWidget(self._title)
        heading.addWidget(self._topic)
        heading.addStretch(1)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addLayout(heading)
        words.addWidget(self._link_button)
        row.addWidget(self._history_button)
        row.addWidget(mark)
        row.addSpacing(px(2 * GRID))
        row.addLayout(words, 1)
        row.addWidget(self._voice)
        row.addWidget(self._menu_button)
        return header

    def _dock(self) -> QWidget:
        """Return the lower part: notices, the line, the talk button, the state in words."""
        px = self._theme.px
        inner = QWidget()
        inner.setMaximumWidth(px(COLUMN_PX + 8 * GRID))
        rows = QVBoxLayout(inner)
        # The pill, not the ring around it, stands in line with what is above.
        rows.setContentsMargins(px(4 * GRID - HALO_PX), px(2 * GRID), px(4 * GRID), px(2 * GRID))
        rows.setSpacing(px(2 * GRID))
        talk = QHBoxLayout()
        talk.setSpacing(px(2 * GRID))
        talk.addWidget(self._talk, 1)
        talk.addWidget(self._answer)
        talk.addWidget(self._stop)
        self._status.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._status.setProperty("tone", "muted")
        self._status.setProperty("scale", "caption")
        self._status.setObjectName("status")
        above = QVBoxLayout()
        above.setContentsMargins(px(HALO_PX), 0, 0, 0)
        above.setSpacing(px(2 * GRID))
        above.addWidget(self._notices)
        above.addWidget(self._composer)
        rows.addLayout(above)
        rows.addLayout(talk)
        rows.addLayout(self._footer())
        dock = QWidget()
        centred = QHBoxLayout(dock)
        centred.setContentsMargins(0, 0, 0, 0)
        centred.addStretch(0)
        centred.addWidget(inner, 1)
        centred.addStretch(0)
        return dock

    def _footer(self) -> QHBoxLayout:
        """Return the last line: how turns begin, the state in words, what was spent."""
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        left, right = QHBoxLayout(), QHBoxLayout()
        left.addWidget(self._modes)
        left.addStretch(1)
        right.addStretch(1)
        self._spent.setProperty("kind", "footer")
        self._spent.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._spent.setObjectName("spent")
        self._spent.hide()
        right.addWidget(self._spent)
        row.addLayout(left, 3)
        row.addWidget(self._status, 4)
        row.addLayout(right, 3)
        return row

    def _fill_menu(self) -> None:
        self._new = self._menu.addAction("New conversation")
        self._new.setShortcut(QKeySequence.StandardKey.New)
        self._summary = self._menu.addAction("Summarise")
        self._replies = self._menu.addAction("Suggest replies")
        self._replies.setShortcut(QKeySequence("Ctrl+J"))
        self._menu.addSeparator()
        self._open_history = self._menu.addAction("History")
        self._open_history.setShortcut(QKeySequence(HISTORY_KEY))
        self._find = self._menu.addAction("Search what was said")
        self._find.setShortcut(QKeySequence.StandardKey.Find)
        self._menu.addSeparator()
        self._mute = self._menu.addAction("Mute the microphone")
        self._mute.setCheckable(True)
        self._mute.setShortcut(QKeySequence("Ctrl+M"))
        self._microphones = ChoiceMenu("Microphone", "audio.input_device", self.settings, self._menu)
        self._speakers = ChoiceMenu("Speaker", "audio.output_device", self.settings, self._menu)
        self._menu.addMenu(self._microphones)
        self._menu.addMenu(self._speakers)
        self._volume = VolumeAction(self._theme, self.settings, self._menu)
        self._menu.addAction(self._volume)
        self._menu.addSeparator()
        self._spending = self._menu.addAction("")
        self._spending.setEnabled(False)
        self._spending.setVisible(False)
        self._open_settings = self._menu.addAction("Settings…")
        self._open_settings.setShortcut(QKeySequence("Ctrl+,"))
        self._help = self._menu.addAction("Keys and about")
        self._help.setShortcut(QKeySequence.StandardKey.HelpContents)
        self._quit = QAction("Close", self)
        self._quit.setShortcuts([QKeySequence("Ctrl+Q"), QKeySequence(QKeySequence.StandardKey.Close)])
        self._menu.addAction(self._quit)
        self._answer_action = QAction("Answer now", self)
        self._answer_action.setShortcut(QKeySequence("Ctrl+G"))
        self._answer.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._answer.setText("Answer")
        self._answer.setToolTip("Answer now (Ctrl+G)")
        self._answer.setAccessibleName("Answer now")
        self._answer.setProperty("kind", "stop")
        self._answer.setObjectName("answer")
        self._answer.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        for action in (
            self._new, self._replies, self._open_history, self._find, self._mute, self._answer_action,
            self._open_settings, self._help,
        ):  # fmt: skip
            self.addAction(action)
        self.addAction(self._quit)
        self.addActions(self._volume.by_key(self))
        self.addActions(self._composer.actions_for_window)
        self._menu_button.setMenu(self._menu)
        self._menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._menu_button.setAccessibleName("Menu")
        self._menu_button.setToolTip("Menu")
        self._menu_button.setObjectName("menu")
        self._stop.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._stop.setAccessibleName("Stop")
        self._stop.setAccessibleDescription("Be silent and stop the answer")
        self._stop.setToolTip("Stop the answer (Esc)")
        self._stop.setProperty("kind", "stop")
        self._stop.setObjectName("stop")

    def _connect(self) -> None:
        self._talk.hold_began.connect(lambda: self._talk_key.press(Hold.BUTTON))
        self._talk.hold_ended.connect(lambda: self._talk_key.release(Hold.BUTTON))
        # The mouse and the keys never click it; only assistive technology does.
        self._talk.clicked.connect(self._talk_clicked)
        self._talk.mute_asked.connect(self.muted_chosen)
        self._talk.unheard.connect(self.talked_while_muted)
        self._volume.moved.connect(self.volume_moved)
        self._mute.triggered.connect(self.muted_chosen)
        self._modes.mode_chosen.connect(self.mode_chosen)
        self._answer.clicked.connect(self.answer_asked)
        self._answer_action.triggered.connect(self.answer_asked)
        self._talk_key.pressed.connect(self.talk_pressed)
        self._talk_key.released.connect(self.talk_released)
        self._stop.clicked.connect(self.stop_pressed)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self._stop_by_key)
        self._composer.message_entered.connect(self._handed_up(self.message_entered))
        self._composer.files_given.connect(self._handed_up(self.files_given))
        self._composer.image_given.connect(self._handed_up(self.image_given))
        self._composer.screen_asked.connect(self._screenshot.take_screen)
        self._composer.region_asked.connect(lambda: self._screenshot.take_region(self.screen()))
        self._screenshot.taken.connect(lambda image: self._composer.give_image(image, "Screenshot"))
        self._screenshot.refused.connect(lambda: self.show_notice(NO_SCREENSHOT))
        self._composer.about_asked.connect(self.about_asked)
        self._composer.resend_asked.connect(self.resend_asked)
        self._view.typed.connect(self._composer.type_on)
        self._view.action_asked.connect(self.action_asked)
        self._view.read_aloud_asked.connect(self.read_aloud_asked)
        self._view.about_asked.connect(self._composer.ask_about)
        self._view.edit_asked.connect(self._composer.edit)
        self._view.server_copy_asked.connect(self.server_copy_asked)
        self._view.forget_asked.connect(self.forget_asked)
        self._view.picture_opened.connect(lambda uri: PictureDialog(uri, self._theme, self).open())
        self._voice.voice_chosen.connect(self.voice_chosen)
        self._voice.more_asked.connect(self.settings.open_voice)
        self._link_button.clicked.connect(lambda: self._connection.pop_up(self._link_button))
        self._connection.reconnect_asked.connect(self.reconnect_asked)
        self._notices.reconnect_asked.connect(self.reconnect_asked)
        self._connection.retry_stopped.connect(self.retry_stopped)
        self._notices.retry_stopped.connect(self.retry_stopped)
        self._asides.reply_chosen.connect(self._composer.fill)
        self._consents.answered.connect(self.consent_given)
        self._summary.triggered.connect(self.summary_asked)
        self._replies.triggered.connect(self.replies_asked)
        self._notices.acted.connect(self.notice_acted)
        self._notices.new_conversation_asked.connect(self.new_conversation_asked)
        self._new.triggered.connect(self.new_conversation_asked)
        self._connect_history()
        self._open_settings.triggered.connect(lambda _checked: self.settings.open(""))
        self._spent.clicked.connect(self.settings.open_costs)
        self.settings.voice_chosen.connect(self.voice_chosen)
        self._help.triggered.connect(self._show_help)
        self._quit.triggered.connect(self.close)
        self._theme.changed.connect(self._restyle)

    def _connect_history(self) -> None:
        self._open_history.triggered.connect(lambda _checked: self._toggle_history())
        self._history_button.clicked.connect(lambda _checked: self._toggle_history())
        self._find.triggered.connect(lambda _checked: self._search_history())
        self.history.close_asked.connect(self._close_history)
        self.history.new_conversation_asked.connect(self.new_conversation_asked)
        self._pane.opened.connect(self._history_opened)
        self._pane.width_chosen.connect(lambda width: self.history_resized.emit(self._pane.is_open, width))
        self._past.back_asked.connect(self.show_present)
        self._past.continue_asked.connect(self.history.continue_asked)
        self._past.view.typed.connect(self._composer.type_on)
        self._past.view.read_aloud_asked.connect(self.read_aloud_asked)
        self._past.view.picture_opened.connect(lambda uri: PictureDialog(uri, self._theme, self).open())
        # Whoever talks or writes does so in the present conversation, and wants to see it.
        for signal in (self.talk_pressed, self.message_entered, self.new_conversation_asked):
            signal.connect(lambda *_: self.show_present())

    def _toggle_history(self) -> None:
        if self._pane.is_open:
            self._close_history()
            return
        self._pane.set_open(True)
        self.history.take_focus()

    def _search_history(self) -> None:
        self._pane.set_open(True)
        self.history.begin_search()

    def _close_history(self) -> None:
        had_focus = self.history.has_focus()
        self._pane.set_open(False)
        if had_focus:
            self._talk.setFocus(Qt.FocusReason.OtherFocusReason)

    def _history_opened(self, is_open: bool) -> None:
        self._history_button.setChecked(is_open)
        if not self._pane.is_over:  # one that lies over the rest is not meant to stay
            self.history_resized.emit(is_open, self._pane.side_px)
        self.history.shown.emit(is_open)

    def _fit_words(self, width: int) -> None:
        """Let words give way to icons where it is narrow."""
        self._modes.set_compact(width < self._theme.px(NARROW_PX))
        self._voice.set_compact(width < self._theme.px(NARROW_PX))
        self._show_spent()
        self._show_status()

    def _room(self) -> int:
        """Return how wide the window is beside the history."""
        return self._pane.main_px

    def _talk_clicked(self) -> None:
        """Take the press of assistive technology, and hands-free that of the space bar."""
        if self._mode is TalkMode.TALK:
            self._talk_key.toggle(Hold.ASSISTIVE)
        else:
            self.muted_chosen.emit(not self._muted)

    def _show_spent(self) -> None:
        """Show the sum where there is room for it; it stands in the menu as well."""
        self._spent.setVisible(bool(self._spent.text()) and self._room() >= self._theme.px(NARROW_PX))

    def _stop_by_key(self) -> None:
        if self._composer.has_errand:
            self._composer.end_errand()
        elif self.history.has_focus() or (self._pane.is_open and self._pane.is_over):
            self.history.step_back()
        elif self._stop.isEnabled():
            self.stop_pressed.emit()
        elif self._past.number is not None:
            self.show_present()

    def _show_endpoint(self) -> None:
        name, note = self._endpoint
        who = name if self._subject else ""
        self._title.setText(self._subject or name or PRODUCT)
        self._subtitle.setText(" · ".join(part for part in (LINK_WORDS[self._link], who, note) if part))
        self._link_button.setAccessibleName(self._subtitle.text())
        self._link_button.setAccessibleDescription("Opens what is known of the connection")
        self._connection.show_link(self._link, name)
        what = self._subject or name
        self.setWindowTitle(f"{PRODUCT} – {unmistakable(what)}" if what else PRODUCT)

    def _show_status(self) -> None:
        """Say whose move it is, and which key helps now."""
        words = TURN_WORDS[self._turn]
        if self._turn is Turn.IDLE and self._link is not Link.ONLINE:
            words = LINK_WORDS[self._link]
        elif self._turn is Turn.IDLE and self._mode is not TalkMode.TALK:
            words = "Muted: nothing you say is sent" if self._muted else "The microphone is open"
        elif self._turn is Turn.IDLE and self._room() >= self._theme.px(NARROW_PX):
            words = f"{words} · hold {self._key_name} anywhere in this window"
        elif self._stop.isEnabled() and self._room() >= self._theme.px(NARROW_PX):
            words = f"{words} · Esc stops"
        self._status.setText(words)

    def _show_help(self) -> None:
        _HelpDialog(self._theme, self._key_name, self._version, self).open()

    def _restyle(self) -> None:
        theme = self._theme
        self._history_button.setIcon(theme.icon("panel-left"))
        self._history_button.setIconSize(QSize(theme.px(20), theme.px(20)))
        self._history_button.setFixedSize(theme.px(36), theme.px(36))
        self._open_history.setIcon(theme.icon("history"))
        self._find.setIcon(theme.icon("search"))
        self._menu_button.setIcon(theme.icon("ellipsis"))
        self._menu_button.setIconSize(QSize(theme.px(20), theme.px(20)))
        self._menu_button.setFixedSize(theme.px(36), theme.px(36))
        self._answer.setIcon(theme.icon("message-square-reply"))
        self._answer.setIconSize(QSize(theme.px(20), theme.px(20)))
        self._answer.setFixedSize(theme.px(HEIGHT_PX - 8), theme.px(HEIGHT_PX - 8))
        self._mute.setIcon(theme.icon("mic-off"))
        self._stop.setIcon(theme.icon("square"))
        self._stop.setIconSize(QSize(theme.px(20), theme.px(20)))
        self._stop.setFixedSize(theme.px(HEIGHT_PX - 8), theme.px(HEIGHT_PX - 8))
        self._new.setIcon(theme.icon("message-square-plus"))
        self._open_settings.setIcon(theme.icon("settings"))
        self._help.setIcon(theme.icon("keyboard"))
        self._microphones.setIcon(theme.icon("mic"))
        self._speakers.setIcon(theme.icon("volume-2"))
        self._summary.setIcon(theme.icon("list-collapse"))
        self._replies.setIcon(theme.icon("message-circle-reply"))


def mode_of(config: SessionConfig) -> TalkMode:
    """Return how turns begin and end in a session of this configuration."""
    detection = config.audio.input.turn_detection if config.audio and config.audio.input else None
    if not isinstance(detection, ServerVad | SemanticVad):
        return TalkMode.TALK
    return TalkMode.MANUAL if detection.create_response is False else TalkMode.HANDS_FREE


class _ProgressStrip(QWidget):
    """A sentence and a bar under the header, while something long is under way."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._label = ElidedLabel()
        self._label.setProperty("scale", "caption")
        self._label.setProperty("tone", "muted")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(theme.px(GRID))
        self._still = theme.reduced_motion
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(4 * GRID), 0, theme.px(4 * GRID), theme.px(2 * GRID))
        column.setSpacing(theme.px(GRID))
        column.addWidget(self._label)
        column.addWidget(self._bar)
        self.hide()

    def show_progress(self, text: str, fraction: float | None) -> None:
        """Show the sentence and how far it is."""
        self.setVisible(bool(text))
        self._label.setText(text)
        self._bar.setAccessibleName(text)
        if fraction is None:
            self._bar.setRange(0, 1 if self._still else 0)
            self._bar.setValue(0)
        else:
            self._bar.setRange(0, 1000)
            self._bar.setValue(round(1000 * min(1.0, max(0.0, fraction))))


class _Scrolling(QScrollArea):
    """As large as what it holds, where there is room."""

    def sizeHint(self) -> QSize:
        """Return the size of what it holds."""
        inner = self.widget()
        bar = self.verticalScrollBar().sizeHint().width()
        return inner.sizeHint() + QSize(bar, 0) if inner is not None else super().sizeHint()


class _HelpDialog(QDialog):
    """The keys, and what this is."""

    def __init__(self, theme: Theme, key_name: str, version: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Keys and about {PRODUCT}")
        px = theme.px
        column = QVBoxLayout(self)
        column.setContentsMargins(px(6 * GRID), px(6 * GRID), px(6 * GRID), px(4 * GRID))
        column.setSpacing(px(4 * GRID))
        title = PlainLabel(PRODUCT)
        title.setProperty("scale", "headline")
        column.addWidget(title)
        column.addWidget(self._sentence(f"A voice assistant that knows what you heard. {version}".strip()))
        column.addWidget(self._scrolling(self._keys(theme, key_name)), 1)
        column.addWidget(
            self._sentence("Licence: Apache 2.0. Icons: Lucide (ISC). Typeface: Inter (SIL Open Font License).")
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        for button in buttons.buttons():
            button.setProperty("kind", "plain")
            button.setIcon(QIcon())
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)
        self.ensurePolished()
        room = self.screen().availableSize() - QSize(px(12 * GRID), px(16 * GRID))
        self.resize(self.sizeHint().boundedTo(room))

    @staticmethod
    def _scrolling(content: QGridLayout) -> QScrollArea:
        """Return the content as high as it is, or scrolling on a screen that is lower."""
        inner = QWidget()
        content.setContentsMargins(0, 0, 0, 0)
        inner.setLayout(content)
        area = _Scrolling()
        area.setAccessibleName("Keys")
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(inner)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.viewport().setAutoFillBackground(False)
        inner.setAutoFillBackground(False)
        return area

    @staticmethod
    def _sentence(text: str) -> QLabel:
        label = PlainLabel(text)
        label.setWordWrap(True)
        label.setProperty("tone", "muted")
        label.setProperty("scale", "label")
        return label

    @staticmethod
    def _keys(theme: Theme, key_name: str) -> QGridLayout:
        def native(keys: QKeySequence | QKeySequence.StandardKey | str) -> str:
            return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)

        standard = QKeySequence.StandardKey
        rows = (
            (key_name, "Hold to talk, anywhere in the window"),
            (native("Space"), "Hold to talk, on the button or in the transcript"),
            (native("Esc"), "Stop the answer"),
            (native("Ctrl+M"), "Mute the microphone, hands-free"),
            (native("Ctrl+G"), "Answer now, when you start the answers"),
            (f"{native('Alt+Up')}, {native('Alt+Down')}", "Answers louder, or quieter"),
            ("Enter", "Send what is typed"),
            (native("Shift+Enter"), "New line"),
            (native("Ctrl+Enter"), "Send, and ask once the answer was heard"),
            (native(standard.Open), "Attach a picture or a sound file"),
            (native("Ctrl+Shift+S"), "Attach a screenshot of a region"),
            (native(standard.New), "New conversation"),
            (native(HISTORY_KEY), "History: what was said before"),
            (native(standard.Find), "Search what was said"),
            (native("Ctrl+,"), "Settings"),
            (f"{native('Alt+A')}, {native('Alt+D')}", "Allow what a tool asks for, or not"),
            (native("Menu"), "What to do with a row"),
            ("Enter", "Use a row: its button, call or picture"),
            (native("Ctrl+J"), "Suggest what to say"),
            (native(standard.Copy), "Copy what is selected in the transcript"),
            (native(standard.HelpContents), "This help"),
            (native("Ctrl+Q"), "Close"),
        )
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.px(6 * GRID))
        grid.setVerticalSpacing(theme.px(2 * GRID))
        grid.setColumnStretch(1, 1)
        for row, (keys, meaning) in enumerate(rows):
            key_label = PlainLabel(keys)
            key_label.setProperty("strong", "true")
            key_label.setProperty("scale", "label")
            text = PlainLabel(meaning)
            text.setProperty("scale", "label")
            grid.addWidget(key_label, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(text, row, 1)
        return grid
