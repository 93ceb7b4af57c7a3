"""Renders every state of the window to pictures, to be looked at: `python tests/ui/gallery.py OUTDIR [FILTER]`.

Every scene is drawn in light and dark, narrow and wide; `--scale N` renders for a denser screen.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import TypeVar

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QApplication, QDialog, QToolButton, QWidget

from desktop_app.audio.meter import Fault
from desktop_app.conversation.effects import AsideState, ConnectionInfo, Consent, Link, Retry, Turn, VoiceState
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role, ToolUse
from desktop_app.conversation.inputs import AsideKind
from desktop_app.conversation.latency import Begun, Latency
from desktop_app.conversation.past import Hit, PastConversation, PastEntry
from desktop_app.errors import Notice, NoticeAction, Severity
from desktop_app.protocol.events import RateLimit
from desktop_app.protocol.session_config import AudioConfig, AudioInput, ServerVad, SessionConfig
from desktop_app.settings import ENDPOINTS, MCP, MODEL, SOUND, TOOLS, TURNS, Settings, values_of
from desktop_app.sound_check import WORDS
from desktop_app.ui.consents import ConsentCard
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.pictures import png_of
from desktop_app.ui.settings_dialog import SettingsDialog
from desktop_app.ui.settings_lists import CheckPhase, CheckState, ServerLine, ToolFileLine, ToolLine
from desktop_app.ui.theme import Appearance, Theme

SIZES = {"narrow": (360, 640), "wide": (1180, 760), "usual": (760, 760), "small": (360, 480)}
W = TypeVar("W", bound=QWidget)
VOICES = ("anna", "ben", "clara", "david", "emil")

ANSWER = (
    "In Lisbon it is twenty past four in the afternoon. That is one hour behind Berlin, so your call at "
    "five o'clock there would be at six o'clock here."
)
LONG = (
    "There are three things to look at before you decide.\n\nFirst, the distance: a train takes four hours and "
    "leaves you in the middle of the city, while the flight takes one hour but begins and ends far outside. "
    "Second, what you carry: on the train two large bags cost nothing. Third, what happens when something goes "
    "wrong: the next train leaves an hour later, the next flight tomorrow.\n\nIf you have to be there before "
    "noon, take the early train; otherwise the one at half past nine is emptier and cheaper. Donaudampfschiff"
    "fahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft is a word that has to be broken somewhere."
)


def _say(window: MainWindow, *entries: Entry) -> None:
    after: str | None = None
    for entry in entries:
        window.show_entry(entry, after)
        after = entry.item_id


def _ready(window: MainWindow) -> None:
    window.set_endpoint_name("Offline assistant", "small models on this computer")
    window.show_link(Link.ONLINE)
    window.show_voice(VoiceState(VOICES, "anna"))


def _picture(width: int, height: int, top: str, bottom: str) -> str:
    """Return a picture with a horizon and a sun, as a data URI."""
    image = QImage(width, height, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    painter.fillRect(0, 0, width, height // 2, QColor(top))
    painter.fillRect(0, height // 2, width, height, QColor(bottom))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor("#fff3b0"))
    painter.drawEllipse(QPoint(width * 2 // 3, height // 2), height // 5, height // 5)
    painter.end()
    return "data:image/png;base64," + b64encode(png_of(image)).decode()


def _named(window: MainWindow, name: str, kind: type[W]) -> W:
    found = window.findChild(kind, name)
    assert found is not None
    return found


def _user(number: int, text: str, *, spoken: bool = True) -> Entry:
    return Entry(f"u{number}", Role.USER, text, EntryStatus.COMPLETED, spoken)


def _answer(number: int, text: str, status: EntryStatus = EntryStatus.COMPLETED) -> Entry:
    return Entry(f"a{number}", Role.ASSISTANT, text, status, spoken=True)


def _talked(window: MainWindow) -> None:
    _ready(window)
    _say(
        window,
        _user(1, "What time is it in Lisbon?"),
        _answer(1, ANSWER),
        _user(2, "And how much is seventeen percent of two hundred and forty?", spoken=False),
        _answer(2, "Forty point eight."),
    )
    window.show_voice(
        VoiceState(
            VOICES,
            "anna",
            locked=True,
            reason="The voice is fixed once the assistant has spoken. Another one goes on in a new session, with "
            "the same conversation.",
        )
    )


def starting(window: MainWindow) -> None:
    window.set_endpoint_name("Offline assistant", "small models on this computer")
    window.show_progress("Loading the offline models…", None)


def fetching(window: MainWindow) -> None:
    window.set_endpoint_name("Offline assistant", "small models on this computer")
    window.show_progress("Fetching speech recognition: 41 of 77 MB", 0.53)


def ready(window: MainWindow) -> None:
    _ready(window)


def idle(window: MainWindow) -> None:
    _talked(window)


def opening(window: MainWindow) -> None:
    _talked(window)
    window.show_turn(Turn.OPENING)


def listening(window: MainWindow) -> None:
    _talked(window)
    _say_more(window, Entry("u3", Role.USER, "", EntryStatus.IN_PROGRESS, spoken=True))
    window.show_turn(Turn.LISTENING)
    for step in range(80):
        window.set_level(abs(math.sin(step / 3.1) * math.sin(step / 9.7)) ** 1.3)


def thinking(window: MainWindow) -> None:
    _talked(window)
    _say_more(window, _user(3, "Shall I take the train or the plane?"))
    window.show_turn(Turn.THINKING)


def speaking(window: MainWindow) -> None:
    thinking(window)
    _say_more(window, _answer(3, LONG[:330], EntryStatus.IN_PROGRESS))
    window.show_turn(Turn.SPEAKING)


def interrupted(window: MainWindow) -> None:
    _talked(window)
    cut = Entry(
        "a3",
        Role.ASSISTANT,
        LONG[:330],
        EntryStatus.INTERRUPTED,
        spoken=True,
        heard_chars=118,
        heard_ms=6240,
    )
    _say_more(window, _user(3, "Shall I take the train or the plane?"), cut)
    _say_more(window, _user(4, "Just the train times, please."))


def endings(window: MainWindow) -> None:
    _ready(window)
    _say(
        window,
        Entry("u1", Role.USER, "", EntryStatus.COMPLETED, spoken=True, remark="The words were not understood."),
        Entry(
            "a1",
            Role.ASSISTANT,
            "The list begins with",
            EntryStatus.INCOMPLETE,
            remark="Cut at the token limit.",
        ),
        _user(2, "Go on"),
        Entry(
            "a2",
            Role.ASSISTANT,
            "",
            EntryStatus.FAILED,
            remark="The server could not answer: rate limit reached. Try again in 20 s.",
        ),
        Entry("s1", Role.SYSTEM, "The connection was lost and made again.", EntryStatus.COMPLETED),
        Entry("a4", Role.ASSISTANT, "Good", EntryStatus.INTERRUPTED, heard_chars=0, heard_ms=0),
    )


def _call(number: int, **how: object) -> Entry:
    use = {
        "call_id": f"c{number}",
        "name": "get_local_time",
        "arguments": '{"zone": "Asia/Tokyo", "format": "long"}',
        **how,
    }
    return Entry(f"t{number}", Role.TOOL, "", EntryStatus.COMPLETED, tool=ToolUse(**use))  # type: ignore[arg-type]


def rows(window: MainWindow) -> None:
    """Commentary, calls in every state, a picture, and what can be done about a cut answer."""
    _ready(window)
    photo = _picture(320, 200, "#7fc8e8", "#2d6a4f")
    _say(
        window,
        Entry(
            "u1", Role.USER, "What time is it where this was taken?", EntryStatus.COMPLETED, images=(photo, photo)
        ),
        Entry("a0", Role.ASSISTANT, "Let me look that up.", EntryStatus.COMPLETED, spoken=True, commentary=True),
        _call(1, output='{"time": "18:20", "date": "Sunday, 14 June"}', seconds=0.42),
        _call(2, name="write_note", arguments='{"title": "Tokyo", "text": "Call at six"}', waiting=True),
        _call(3, name="search_files", server="files", arguments='{"q": "tickets"}', failed=True, seconds=20.0),
        _call(4, name="clipboard_read", arguments="{}"),
        Entry(
            "a1",
            Role.ASSISTANT,
            "In Tokyo it is twenty past six in the evening. Shall I write that down for your call tomorrow?",
            EntryStatus.INTERRUPTED,
            spoken=True,
            heard_chars=46,
            heard_ms=2900,
            action=EntryAction.SAY_THE_REST,
        ),
    )
    window.show_cost("a1", "1.3 ct")


def rows_opened(window: MainWindow) -> None:
    rows(window)
    QApplication.processEvents()
    window._view._toggle(window.transcript.entry(2))


def rows_menu(window: MainWindow) -> None:
    rows(window)
    QApplication.processEvents()
    at = window._view.visualRect(window.transcript.index(6)).topLeft() + QPoint(60, 50)
    window._view._enter_spot(QPointF(at))
    window._view._open_menu(window.transcript.index(0), window._view.viewport().mapToGlobal(at - QPoint(0, 380)))


def hovered(window: MainWindow) -> None:
    rows(window)
    QApplication.processEvents()
    row = window._view.visualRect(window.transcript.index(6))
    shape = window._view._shape(6)
    assert shape.action is not None
    window._view._enter_spot(QPointF(row.topLeft()) + shape.action.center())


def row_endings(window: MainWindow) -> None:
    _ready(window)
    _say(
        window,
        _user(1, "Count to a thousand."),
        Entry(
            "a1",
            Role.ASSISTANT,
            "One, two, three, four",
            EntryStatus.INCOMPLETE,
            remark="Cut at the token limit.",
            action=EntryAction.CONTINUE,
        ),
        Entry(
            "a2",
            Role.ASSISTANT,
            "",
            EntryStatus.FAILED,
            remark="The server could not answer: the rate limit is reached. Try again in 20 seconds, or wait for "
            "the next minute.",
            action=EntryAction.RETRY,
        ),
        Entry("u9", Role.USER, "", EntryStatus.COMPLETED, images=(_picture(200, 300, "#f4b860", "#9d4edd"),)),
    )


def about(window: MainWindow) -> None:
    _talked(window)
    window._composer.ask_about(("u1", "a1", "u2"))


def rewriting(window: MainWindow) -> None:
    _talked(window)
    window._composer.edit("u2", "And how much is seventeen percent of two hundred and fifty?")


def _hands_free(window: MainWindow, *, muted: bool = False, answers: bool = True) -> None:
    _talked(window)
    detection = ServerVad(create_response=answers, interrupt_response=answers)
    config = SessionConfig(audio=AudioConfig(input=AudioInput(turn_detection=detection)))
    window.show_session(config, muted=muted)
    for step in range(80):
        window.set_level(0.3 * abs(math.sin(step / 3.1)))


def hands_free(window: MainWindow) -> None:
    _hands_free(window)


def hands_free_heard(window: MainWindow) -> None:
    _hands_free(window)
    window.show_turn(Turn.LISTENING)
    for step in range(80):
        window.set_level(abs(math.sin(step / 3.1) * math.sin(step / 9.7)) ** 1.3)


def hands_free_muted(window: MainWindow) -> None:
    _hands_free(window, muted=True)


def hands_free_unheard(window: MainWindow) -> None:
    _hands_free(window, muted=True)
    for _ in range(10):
        window.set_level(0.8)


def hands_free_speaking(window: MainWindow) -> None:
    _hands_free(window, muted=True)
    window.show_turn(Turn.SPEAKING)


def hands_free_manual(window: MainWindow) -> None:
    _hands_free(window, answers=False)


def modes(window: MainWindow) -> None:
    _talked(window)
    button = _named(window, "mode", QToolButton)
    button.menu().popup(button.mapToGlobal(button.rect().topLeft()) - QPoint(0, button.menu().sizeHint().height()))


def _settings(window: MainWindow, section: str = "", **values: object) -> SettingsDialog:
    _talked(window)
    desk = window.settings
    desk.show_endpoint(local=False, reasons=True)
    named = {name.replace("__", "."): value for name, value in values.items()}
    desk.show_values({**values_of(Settings()), **named, "presets": {"Pirate": "Talk like one.", "Brief": "Short."}})
    desk.show_choices("connection.model", [("", "The default: gpt-realtime-2.1"), ("gpt-realtime", "gpt-realtime")])
    desk.show_tools(
        [
            ToolLine("get_local_time", "The time and date, here or in another zone."),
            ToolLine("write_note", "Writes a note into the notes folder.", asks=True),
            ToolLine("clipboard_read", "Reads what is on the clipboard.", asks=True, trusted=True),
            ToolLine("search_files", "Searches files.", source="from the MCP server files", on=False, asks=True),
        ]
    )
    desk.show_tool_files(
        "/home/me/.local/share/Parley/tools",
        [
            ToolFileLine("lights.py", "d1", "on", on=True, offers=("switch_light(room: str, on: bool)",)),
            ToolFileLine("bad.py", "d2", "off", imports=("os",), problem="It cannot be read: line 3 is no Python."),
        ],
    )
    desk.show_servers(
        [
            ServerLine("files", "ready", tools=("search_files", "read_file")),
            ServerLine("wiki", "does not work", works=False, problem="It did not answer within 30 s."),
        ]
    )
    desk.show_costs("$0.04 in this conversation, $0.31 today.", "2026-11-20")
    desk.open()
    dialog = window.findChild(SettingsDialog)
    assert dialog is not None
    if window.width() < 500:
        dialog.resize(360, 640)
    QApplication.processEvents()
    if section:
        dialog.go_to(section)
    return dialog


def settings(window: MainWindow) -> None:
    _settings(window)


def settings_sound(window: MainWindow) -> None:
    _settings(window, SOUND)
    window.settings.show_microphone_test(CheckState(CheckPhase.RECORDING, 0.6, 0.66, "Say something. −23 dB"))


def settings_sound_dead(window: MainWindow) -> None:
    _settings(window, SOUND)
    window.settings.show_microphone_test(CheckState(text=" ".join(WORDS[Fault.ZEROS]), failed=True))


def settings_turns(window: MainWindow) -> None:
    _settings(window, TURNS, turns__mode="hands_free", turns__idle_timeout_s=0)


def settings_model(window: MainWindow) -> None:
    dialog = _settings(window, MODEL, answers__truncation="retention")
    dialog._rows["connection.model"]._take("gpt-realtime")
    dialog.refuse("answers.max_tokens", "The server does not take more than 4096.")


def settings_tools(window: MainWindow) -> None:
    _settings(window, TOOLS)


def settings_mcp(window: MainWindow) -> None:
    _settings(window, MCP)


def settings_endpoints(window: MainWindow) -> None:
    entry = {"name": "work", "kind": "azure", "base_url": "https://work.openai.azure.com", "model": "voice-1"}
    dialog = _settings(window, ENDPOINTS, connection__profiles=[entry])
    dialog._endpoints._edit(0)


def settings_search(window: MainWindow) -> None:
    dialog = _settings(window)
    dialog._search.setText("voice")


def settings_nothing(window: MainWindow) -> None:
    dialog = _settings(window)
    dialog._search.setText("zzz")


def connection(window: MainWindow) -> None:
    _talked(window)
    limits = (
        RateLimit(name="requests", limit=500, remaining=497, reset_seconds=0.4),
        RateLimit(name="tokens", limit=40_000, remaining=12_345, reset_seconds=41.0),
    )
    info = ConnectionInfo("sess_CtY8hQpAbCdEfGhIjKlMn", "gpt-realtime-2.1", int(time()) + 3_420, limits)
    window.show_connection(info)
    window._link_button.click()


def latency(window: MainWindow) -> None:
    """How long the answers took to begin, over the conversation."""
    for number in range(17):
        spread = number * 37 % 11
        begun = Begun.IN_WRITING if number == 6 else Begun.BY_VOICE if number > 9 else Begun.BY_KEY
        commit = 0 if begun is Begun.IN_WRITING else 190 if begun is Begun.BY_KEY else 520
        window.show_latency(
            Latency(f"i{number}", begun, commit, 380 + 60 * spread, 40 + spread, with_tools=number == 12)
        )
    connection(window)


def latency_row(window: MainWindow) -> None:
    """What an answer cost and took, with the mouse on it."""
    rows(window)
    entry = window.transcript.entry(6)
    window.show_cost(entry.item_id, "0.12 ct")
    window.show_latency(Latency(entry.item_id, Begun.BY_KEY, 181, 540, 44))
    QApplication.processEvents()
    row = window._view.visualRect(window.transcript.index(6))
    window._view._enter_spot(QPointF(row.topLeft()) + QPointF(60, 40))


def connection_lost(window: MainWindow) -> None:
    offline(window)
    window._link_button.click()


SUMMARY = (
    "You asked for the time in Lisbon, which is one hour behind Berlin, and for seventeen percent of two hundred "
    "and forty, which is forty point eight. Nothing is open."
)


LOST = Notice(
    "The connection was lost.",
    "It is being opened again.",
    Severity.WARNING,
    "link",
    NoticeAction.RECONNECT,
)


def retrying(window: MainWindow) -> None:
    """The connection was lost: the next attempt is counted down."""
    _ready(window)
    _talked(window)
    window.show_link(Link.CONNECTING)
    window.show_notice(LOST)
    window.show_retry(Retry(4_000, 3, 5))


def connection_retrying(window: MainWindow) -> None:
    """The same, in the panel."""
    connection(window)
    window.show_link(Link.CONNECTING)
    window.show_retry(Retry(4_000, 3, 5))
    window._link_button.click()


def titled(window: MainWindow) -> None:
    _talked(window)
    window.show_spending("$0.0421", "$0.31")
    window.show_title("Calls between Lisbon and Berlin", "Time")


def aside_summary(window: MainWindow) -> None:
    titled(window)
    window.show_aside(AsideState(1, AsideKind.SUMMARY, SUMMARY, done=True))


def aside_replies(window: MainWindow) -> None:
    titled(window)
    text = "1. And in Tokyo?\n2. Remind me at five.\n3. How long is the flight & is there a train to Berlin?"
    window.show_aside(AsideState(1, AsideKind.REPLIES, text, done=True))


def asides(window: MainWindow) -> None:
    titled(window)
    window.show_aside(AsideState(1, AsideKind.ABOUT, "Both questions were", done=False))
    window.show_aside(AsideState(2, AsideKind.SUMMARY, done=False))
    window.show_aside(AsideState(3, AsideKind.REPLIES, failed=True, done=True))


def consent(window: MainWindow) -> None:
    _talked(window)
    window.show_turn(Turn.ASKING)
    arguments = (
        '{"path": "Notes/Tokyo.md", "text": "Call at six.\\nTickets are in the blue folder.", "append": true}'
    )
    window.ask_consent(Consent("c1", "write_note", arguments))
    window.ask_consent(Consent("c2", "search_files", '{"q": "x"}', server="files"))
    for card in window.findChildren(ConsentCard):
        card._listen()


def consent_remote(window: MainWindow) -> None:
    _talked(window)
    window.show_notice(Notice("No microphone was found.", "Connect one.", Severity.WARNING, "mic"))
    window.ask_consent(Consent("c2", "x_" * 40, json.dumps({"q": LONG}), server="files." * 12))
    for card in window.findChildren(ConsentCard):
        card._listen()


def long_texts(window: MainWindow) -> None:
    _talked(window)
    _say_more(window, _user(3, LONG), _answer(3, LONG + "\n\n" + LONG))


def scripts(window: MainWindow) -> None:
    _talked(window)
    _say_more(
        window,
        _user(3, "ما هو الوقت الآن في القاهرة؟"),
        _answer(3, "الساعة الآن الخامسة والنصف مساءً في القاهرة."),
        _user(4, "東京の天気はどうですか。"),
        _answer(4, "<b>not bold</b> & <img src=x> 👩‍🚀 ok"),
    )


def offline(window: MainWindow) -> None:
    _talked(window)
    window.show_link(Link.OFFLINE)
    window.show_notice(
        Notice(
            "The connection to the assistant was lost.",
            "Parley tries again in 8 s; what you type is kept.",
            Severity.ERROR,
            "link",
            NoticeAction.RECONNECT,
        )
    )


def notices(window: MainWindow) -> None:
    offline(window)
    window.show_notice(
        Notice(
            "No microphone was found.",
            "Connect one or choose another in the system's sound settings; you can type meanwhile.",
            Severity.WARNING,
            "mic",
        )
    )
    window.show_notice(Notice("Too short: hold the button while you speak.", key="short"))


def bug(window: MainWindow) -> None:
    _talked(window)
    window.show_notice(
        Notice(
            "Something went wrong inside Parley.",
            "The conversation goes on; please send the details to the makers.",
            Severity.ERROR,
            "bug",
            NoticeAction.COPY_DETAILS,
            "Traceback …",
        )
    )


def typing(window: MainWindow) -> None:
    _talked(window)
    window.give_back_text("Please compare the two trains in the morning.\nWhich one is cheaper with two bags?")
    window._composer.line.setFocus()


def attached(window: MainWindow) -> None:
    _talked(window)
    for number, (top, bottom) in enumerate((("#7fc8e8", "#2d6a4f"), ("#f4b860", "#9d4edd"))):
        window.add_image(_picture(320, 200, top, bottom), f"photo {number}.jpg")
    window.add_image("data:image/png;base64,AAAA", "broken.png")
    window.give_back_text("Where was this taken, and what time of the day is it?")
    _named(window, "written", QToolButton).setChecked(True)


def dropping(window: MainWindow) -> None:
    _talked(window)
    window._composer.show_drop(True)


def attach_menu(window: MainWindow) -> None:
    _talked(window)
    button = _named(window, "attach", QToolButton)
    button.menu().popup(button.mapToGlobal(button.rect().topLeft()) - QPoint(0, button.menu().sizeHint().height()))


def selected(window: MainWindow) -> None:
    _talked(window)
    window.activateWindow()
    QApplication.processEvents()
    window._view.setFocus(Qt.FocusReason.TabFocusReason)
    window._view.setCurrentIndex(window.transcript.index(1))


def scrolled_up(window: MainWindow) -> None:
    _ready(window)
    _say(window, *[_answer(n, ANSWER) if n % 2 else _user(n, "Question?") for n in range(40)])
    QApplication.processEvents()
    window._view.verticalScrollBar().setValue(300)


def voices(window: MainWindow) -> None:
    _ready(window)
    window._voice.menu().popup(window._voice.mapToGlobal(window._voice.rect().bottomLeft()))


def voices_locked(window: MainWindow) -> None:
    _talked(window)
    window._voice.menu().popup(window._voice.mapToGlobal(window._voice.rect().bottomLeft()))


def menu(window: MainWindow) -> None:
    _talked(window)
    window._menu.popup(window._menu_button.mapToGlobal(window._menu_button.rect().bottomLeft()))


def help_dialog(window: MainWindow) -> None:
    _talked(window)
    window._show_help()


def focus_talk(window: MainWindow) -> None:
    _talked(window)
    window.activateWindow()
    QApplication.processEvents()
    window._composer.line.setFocus()
    window._talk.setFocus(Qt.FocusReason.TabFocusReason)


DAY_S = 86_400


def _pasts() -> list[PastConversation]:
    """Return conversations of all kinds: pinned, cut off, without title, with much of it, from right to left."""
    now = time()
    begun = (
        ("Calls between Lisbon and Berlin", "Time", 0.0, "present"),
        ("Which train to take to Berlin before noon", "Travel", 0.1, ""),
        ("", "", 0.13, "cut off"),
        ("Birthday presents for Anna", "Presents", 1.0, ""),
        (LONG, "Donaudampfschifffahrtsgesellschaft", 1.2, ""),
        ("الوقت في القاهرة", "وقت", 2.0, ""),
        ("<b>not bold</b> & <img src=x>", "<i>no</i>", 3.0, ""),
        ("Recipe for lentil soup", "Cooking", 40.0, "pinned"),
        ("The plan for the garden", "", 400.0, "pinned"),
        *((f"Conversation of long ago, number {n}", "Talk" if n % 3 else "", 20.0 + 9 * n, "") for n in range(30)),
    )
    return [
        PastConversation(
            number,
            now - days * DAY_S - 600,
            now - days * DAY_S,
            title,
            topic,
            opening="What is the weather going to be like at the coast?",
            entries=8,
            pinned=kind == "pinned",
            cut_off=kind == "cut off",
        )
        for number, (title, topic, days, kind) in enumerate(begun)
    ]


def _history(window: MainWindow) -> list[PastConversation]:
    titled(window)
    pasts = _pasts()
    window.history.show_conversations(pasts)
    window.history.show_present(0)
    window._pane.set_open(True)
    return pasts


def history(window: MainWindow) -> None:
    _history(window)
    window.activateWindow()
    QApplication.processEvents()
    window.history.list.setFocus(Qt.FocusReason.TabFocusReason)
    window.history.list.go_to(("conversation", 1, ""))


def history_empty(window: MainWindow) -> None:
    _ready(window)
    window._pane.set_open(True)


def history_search(window: MainWindow) -> None:
    pasts = _history(window)
    window.history.field.setText("train")
    window.history._search()
    hits = [
        Hit(
            pasts[1],
            "a3",
            time(),
            "…take the early train; otherwise the one at half past nine is emptier",
            ((16, 21),),
        ),
        Hit(pasts[1], "u3", time(), "Shall I take the train or the plane?", ((17, 22),)),
        Hit(pasts[5], "a9", time(), "القطار train الساعة الخامسة والنصف مساءً في القاهرة", ((7, 12),)),
        Hit(pasts[4], "a9", time(), "x" * 90 + " train <b>tags</b> " + "y" * 90, ((91, 96),)),
    ]
    window.history.show_hits("train", hits)


def history_nothing(window: MainWindow) -> None:
    _history(window)
    window.history.field.setText("zzz")
    window.history._search()
    window.history.show_hits("zzz", [])


def history_menu(window: MainWindow) -> None:
    _history(window)
    QApplication.processEvents()
    panel = window.history.list
    index = panel.model().index(2, 0)
    window.history._open_menu(window.history.model.row(index), panel.mapToGlobal(panel.visualRect(index).center()))  # type: ignore[arg-type]


def history_rename(window: MainWindow) -> None:
    _history(window)
    QApplication.processEvents()
    window.history.list.rename(("conversation", 1, ""))


def history_delete(window: MainWindow) -> None:
    pasts = _history(window)
    window.activateWindow()
    QApplication.processEvents()
    window.history._ask(pasts[4])


def found(window: MainWindow) -> None:
    """What a search found, opened: as the README shows it."""
    _ready(window)
    now = time()
    train = PastConversation(2, now - 90_000, now - 88_000, "Trains to Berlin before noon", "Travel", entries=4)
    flight = PastConversation(3, now - 900_000, now - 899_000, "A week in Lisbon", "Travel", entries=12)
    said = (
        _user(1, "Shall I take the train or the plane to Berlin?"),
        _answer(1, "The train takes four hours and leaves you in the middle of the city. The flight takes one "
                   "hour, but begins and ends far outside."),
        _user(2, "I have to be there before noon."),
        Entry("a2", Role.ASSISTANT, "Then take the early train; the one at half past nine is emptier and cheaper, "
              "but comes too late.", EntryStatus.INTERRUPTED, spoken=True, heard_chars=31, heard_ms=2100),
    )  # fmt: skip
    window._pane.set_open(True)
    window.history.show_conversations([train, flight])
    window.history.field.setText("train")
    window.history._search()
    window.history.show_hits(
        "train",
        [
            Hit(train, "a2", now, "Then take the early train; the one at half past nine is emptier", ((20, 25),)),
            Hit(train, "a1", now, "The train takes four hours and leaves you in the middle", ((4, 9),)),
            Hit(train, "u1", now, "Shall I take the train or the plane to Berlin?", ((17, 22),)),
            Hit(flight, "a7", now, "From the airport a train goes every ten minutes", ((19, 24),)),
        ],
    )
    window.show_past(train, [PastEntry(entry, now - 90_000) for entry in said], "a2")


def past(window: MainWindow) -> None:
    pasts = _history(window)
    entries = [
        _user(1, "Shall I take the train or the plane?"),
        _answer(1, LONG),
        _user(2, "And with two bags?", spoken=False),
        Entry("a2", Role.ASSISTANT, ANSWER, EntryStatus.INTERRUPTED, spoken=True, heard_chars=40, heard_ms=2100),
        *(_answer(n, ANSWER) if n % 2 else _user(n, "Question?") for n in range(5, 20)),
    ]
    window.show_past(pasts[1], [PastEntry(entry, time() - DAY_S) for entry in entries], "a2")


SCENES: tuple[Callable[[MainWindow], None], ...] = (
    starting, fetching, ready, idle, opening, listening, thinking, speaking, interrupted, endings,
    long_texts, scripts, offline, notices, bug, typing, attached, dropping, attach_menu, selected,
    rows, rows_opened, rows_menu, hovered, row_endings, about, rewriting, titled, aside_summary,
    aside_replies, asides, consent, consent_remote, hands_free, hands_free_heard, hands_free_muted,
    hands_free_unheard, hands_free_speaking, hands_free_manual, modes,
    settings, settings_sound, settings_sound_dead,
    settings_turns, settings_model, settings_tools, settings_mcp, settings_endpoints, settings_search,
    settings_nothing, connection, latency, latency_row, connection_lost, retrying, connection_retrying,
    scrolled_up, voices, voices_locked,
    menu, help_dialog, focus_talk,
    history, history_empty, history_search, history_nothing, history_menu, history_rename, history_delete, past,
    found,
)  # fmt: skip


def _say_more(window: MainWindow, *entries: Entry) -> None:
    rows = window.transcript.rowCount()
    after = window.transcript.entry(rows - 1).item_id if rows else None
    for entry in entries:
        window.show_entry(entry, after)
        after = entry.item_id


def _settle(app: QApplication) -> None:
    for _ in range(6):
        app.processEvents()
        app.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _shoot(app: QApplication, window: MainWindow, path: Path) -> None:
    """Save the window with what pops up over it."""
    over = [widget for widget in (app.activePopupWidget(), *window.findChildren(QDialog)) if widget]
    places = [QRect(window.mapFromGlobal(widget.mapToGlobal(QPoint())), widget.size()) for widget in over]
    area = window.rect()
    for place in places:
        area = area.united(place)
    picture = QPixmap(area.size() * window.devicePixelRatio())
    picture.setDevicePixelRatio(window.devicePixelRatio())
    picture.fill(QColor("#888888"))
    painter = QPainter(picture)
    painter.drawPixmap(-area.topLeft(), window.grab())
    for widget, place in zip(over, places, strict=True):
        painter.drawPixmap(place.topLeft() - area.topLeft(), widget.grab())
        widget.close()
    painter.end()
    picture.save(str(path))


def main() -> None:
    """Render all scenes whose name contains the filter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("filter", nargs="?", default="")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--text-scale", type=float, default=1.0)
    parser.add_argument("--sizes", default="narrow,wide")
    args = parser.parse_args()
    os.environ["QT_SCALE_FACTOR"] = args.scale
    args.outdir.mkdir(parents=True, exist_ok=True)
    app = QApplication([])
    for appearance in (Appearance.LIGHT, Appearance.DARK):
        theme = Theme(app, appearance, scale=args.text_scale, reduced_motion=False)
        for size in args.sizes.split(","):
            for scene in SCENES:
                if args.filter in scene.__name__:
                    window = MainWindow(theme, version="0.1.0")
                    window.resize(*SIZES[size])
                    window.show()
                    scene(window)
                    _settle(app)
                    _shoot(app, window, args.outdir / f"{scene.__name__}-{appearance.value}-{size}.png")
                    window.close()
                    window.deleteLater()
                    _settle(app)
        theme.deleteLater()


if __name__ == "__main__":
    main()
