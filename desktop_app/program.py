"""The composition root: builds every part, joins what the user does to inputs, runs the loop, closes in order.

Imported only once the window is painted. Closing goes microphone, speaker, socket, local server, tasks, loop.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

import msgspec
import qasync
from PySide6.QtCore import QMetaObject, QTimer, SignalInstance
from PySide6.QtWidgets import QApplication

from desktop_app import endpoints, media, wishes
from desktop_app.audio.duplex import Cleaning, DuplexSound
from desktop_app.audio.microphone import Microphone
from desktop_app.audio.onset import VoiceActivity
from desktop_app.audio.speaker import Speaker
from desktop_app.books import Books
from desktop_app.conversation import inputs, limits
from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import CountUsage, Effect
from desktop_app.conversation.entries import Entry, EntryAction
from desktop_app.conversation.latency import Stopwatch
from desktop_app.credentials import Credentials, ForThisRun, Variables
from desktop_app.cues import Cue, Cues
from desktop_app.devices import SoundDevices
from desktop_app.endpoints import Choice, Endpoint, Kind
from desktop_app.errors import Notice, NoticeAction, ParleyError, Severity, ToolError
from desktop_app.history.history import History
from desktop_app.history.sounds import Sounds
from desktop_app.local_process import LocalServer, Report, command
from desktop_app.options import Options
from desktop_app.preferences import Preferences
from desktop_app.profile import profile_folder
from desktop_app.protocol.dialects import Dialect
from desktop_app.reading import Reading
from desktop_app.secrecy import Environment, Redaction, sounds_secret
from desktop_app.session import Session
from desktop_app.settings import Settings, SettingsFile, install_id
from desktop_app.sound_check import MicrophoneTest, MicrophoneWatch
from desktop_app.tasks import DaemonThreads, end_tasks, start_task
from desktop_app.tools.tool import Picture
from desktop_app.transport import WebSocketTransport
from desktop_app.ui.desktop import QtClipboard, ask_where_to_save, open_address, screen_as_png
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.talk_key import DEBOUNCE_MS
from desktop_app.wakefulness import Wakefulness
from desktop_app.workshop import Workshop

LEVEL_INTERVAL_MS = 50
GARBAGE_INTERVAL_MS = 1_000
WORKERS = 4
"""Threads for files, pictures and host names: enough that a few look-ups that hang do not hold up the files."""

_KNOWN_VOICES = (Kind.OPENAI, Kind.AZURE)
"""Services whose voices we know; what other ones have, only they know."""

_log = logging.getLogger(__name__)


def run(application: QApplication, window: MainWindow, options: Options, environment: Environment) -> int:
    """Run until the window is closed; return the exit code."""
    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(application)) as runner:
        # qasync's own default would start ten threads at the first look-up of a host name, and wait for them.
        runner.get_loop().set_default_executor(DaemonThreads(WORKERS))
        runner.run(converse(window, options, environment))
    return 0


async def converse(window: MainWindow, options: Options, environment: Environment) -> None:
    """Run until the window is closed; anew for another endpoint."""
    closing = asyncio.Event()
    window.closing.connect(closing.set)
    _end_on_signals(closing)
    with _bugs_shown(window, environment.redaction), _garbage_collected_here(window):
        credentials = ForThisRun()
        while not closing.is_set():
            await _run_once(window, options, credentials, closing, environment)
            # The next one is for another endpoint, chosen in the settings: the command line has had its say.
            options = replace(options, endpoint="", model="", voice="")


async def _run_once(
    window: MainWindow,
    options: Options,
    credentials: Credentials,
    closing: asyncio.Event,
    environment: Environment,
) -> None:
    """Run until the window is closed, or another endpoint is wanted."""
    again = asyncio.Event()
    program = Program(window, options, credentials, again.set, environment)
    program.open()
    ends = [asyncio.ensure_future(event.wait()) for event in (closing, again)]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
        if closing.is_set():
            window.hide()
        await program.close()
        window.clear_entries()


class Program:
    """Everything that lives as long as the window: opened in order, closed in order."""

    def __init__(
        self,
        window: MainWindow,
        options: Options,
        credentials: Credentials | None = None,
        begin_again: Callable[[], None] = lambda: None,
        environment: Environment | None = None,
    ) -> None:
        """Build it all. `credentials`: keys of endpoints, by name, and of MCP servers, as they were typed.

        `begin_again` is called when another endpoint is wanted: with a `Program` of its own.
        """
        self._environment = environment = environment or Environment(dict(os.environ), Redaction())
        self._redaction = redaction = environment.redaction
        folder = profile_folder(options)
        self._window = window
        self._credentials = credentials = credentials or ForThisRun()
        variables = Variables(environment, credentials)
        self._begin_again = begin_again
        file = SettingsFile(folder)
        loaded = file.load()
        settings = loaded.settings
        for notice in loaded.notices:
            window.show_notice(notice)
        self._choice = choice = _choose(window, options, settings, install_id(folder), credentials, environment)
        self._local = (
            LocalServer(
                command(folder, options.log_level), self._local_reported, environment=_chat(settings, environment)
            )
            if choice.local
            else None
        )
        self._transport = WebSocketTransport(self._endpoint, self._handle, redaction=redaction)
        audio = settings.audio
        self._muted = False
        self._sound = DuplexSound(
            self._handle, make_detector=_voice_detector, wanted=self._cleaning, always=audio.keep_microphone_warm
        )
        self._speaker = Speaker(
            self._handle, sound=self._sound, device=options.output_device or audio.output_device or None
        )
        self._microphone = Microphone(
            self._handle,
            sound=self._sound,
            device=options.input_device or audio.input_device or None,
            warm=audio.keep_microphone_warm,
            told_after_ms=DEBOUNCE_MS,
        )
        self._workshop = Workshop(
            folder,
            self._handle,
            window,
            clipboard=QtClipboard(),
            open_address=open_address,
            take_screenshot=_take_screenshot,
            notes_folder=Path(settings.tools.notes_folder).expanduser() if settings.tools.notes_folder else None,
            switched_off=settings.tools.off,
            trusted=settings.tools.trusted,
            approved=wishes.approved_tools(settings, choice, variables),
            environment=environment,
            variables=variables,
        )
        self._books = Books(
            folder,
            window,
            lambda reached: self._handle(inputs.BudgetReached(reached)),
            model=choice.model,
            transcriber=settings.transcription.model or choice.transcription_model,
            budget_usd=settings.costs.budget_usd,
            billed=not choice.local,
        )
        self._devices = SoundDevices(
            self._speaker,
            self._microphone,
            window.settings,
            {
                "audio.input_device": options.input_device or audio.input_device,
                "audio.output_device": options.output_device or audio.output_device,
            },
        )
        self._preferences = Preferences(
            file,
            settings,
            choice,
            desk=window.settings,
            workshop=self._workshop,
            books=self._books,
            post=self._handle,
            show_notice=window.show_notice,
            changed=self._setting_changed,
            variables=variables,
        )
        self._history = History(folder, show_notice=window.show_notice, changed=self._history_changed)
        self._sounds = Sounds(self._history.keep_sound)
        self._reading = Reading(
            self._history,
            window,
            self._handle,
            begin_anew=self._begin_anew,
            continued=self._books.begin_conversation,
        )
        voice = _choose_voice(window, options.voice or settings.voices.get(choice.name, ""), choice)
        self._session = Session(
            Conversation(
                wishes.session_config(settings, choice, variables),
                voice=voice,
                voices=choice.voices,
                jitter=random.random,
                now=time.time,
                titles=self._can_name_conversations,
                most_entries=limits.MAX_ENTRIES_KEPT_ELSEWHERE if settings.history.keep else limits.MAX_ENTRIES,
            ),
            transport=self._transport,
            speaker=self._speaker,
            microphone=self._microphone,
            view=window,
            tools=self._workshop,
            records=self,
            call_later=asyncio.get_running_loop().call_later,
        )
        self._stopwatch = Stopwatch(time.monotonic, window.show_latency)
        self._cues = Cues(self._speaker.cue, self._is_wanted)
        self._ears = MicrophoneWatch(window.show_notice, window.dismiss_notice)
        self._test = MicrophoneTest(
            window.settings.show_microphone_test,
            self._chosen_devices,
            volume=lambda: self._preferences.settings.audio.volume / 100,
            objection=self._why_not_test,
        )
        self._keeps_sounds = False
        self._session.witness = self._witness
        self._keep_what_is_to_be_kept(settings)
        self._wakefulness = Wakefulness(self._handle)
        self._level_timer = QTimer(window, interval=LEVEL_INTERVAL_MS)
        self._joined: list[tuple[SignalInstance, QMetaObject.Connection]] = []

    def open(self) -> None:
        """Join the window to the session and begin to connect."""
        note = "small models on this computer" if self._choice.local else self._choice.model
        self._window.set_endpoint_name(self._choice.name, note)
        if self._local is not None:
            self._window.show_progress("Starting the offline assistant", None)
        self._join_signals()
        self._join(self._level_timer.timeout, lambda: self._window.set_level(self._ears.meter.read()))
        self._level_timer.start()
        start_task(self._cues.load(), name="state sounds")
        self._speaker.set_volume(self._preferences.settings.audio.volume / 100)
        self._wakefulness.open()
        self._books.open()
        self._history.open()
        self._reading.open(self._join)
        left = self._preferences.settings.window
        self._window.show_history(is_open=left.history_open, width=left.history_px)
        self._preferences.open(self._join, open_address)
        self._workshop.open(self._preferences.settings.tools.mcp)
        self._handle(inputs.ConnectAsked())
        # Importing PortAudio takes 0.2 s: now, rather than when the first word is spoken.
        self._speaker.prepare()
        self._microphone.prepare()
        self._devices.open()
        self._window.pass_on()

    async def close(self) -> None:
        """Close everything, in order; what fails to close does not keep the rest open."""
        self._window.hold_back()
        self._level_timer.stop()
        self._level_timer.deleteLater()
        self._wakefulness.close()
        self._session.close()
        for signal_, connection in self._joined:
            signal_.disconnect(connection)
        async with AsyncExitStack() as closing:  # the last one pushed is closed first
            closing.push_async_callback(end_tasks)
            if self._local is not None:
                closing.push_async_callback(self._local.close)
            closing.push_async_callback(self._workshop.close)
            closing.push_async_callback(self._history.close)
            closing.push_async_callback(self._sounds.close)
            closing.push_async_callback(self._books.close)
            closing.push_async_callback(self._transport.close)
            closing.callback(self._sound.close)
            closing.callback(self._speaker.close)
            closing.callback(self._microphone.shutdown)
            closing.callback(self._devices.close)
            closing.callback(self._test.stop)

    def _can_name_conversations(self) -> bool:
        """Whether the endpoint can answer beside the conversation, and find a title."""
        if self._choice.local:
            return self._has_larger_model()
        return self._choice.dialect is Dialect.GA

    def _has_larger_model(self) -> bool:
        """Whether more than the small models answers: a service, or a chat server for the offline assistant."""
        if not self._choice.local:
            return True
        return bool(self._preferences.settings.local.chat_url or self._environment.get("PARLEY_CHAT_URL"))

    def _ask_beside(self, kind: inputs.AsideKind) -> None:
        """Ask for what only a larger model can find in the conversation, or say that there is none."""
        if not self._has_larger_model():
            text = "This takes a larger model than the offline assistant has."
            hint = "Choose a chat server or another service in «Settings», «Endpoints»."
            self._window.show_notice(Notice(text, hint, key="aside"))
        elif not self._window.transcript.rowCount():
            hint = "Ask again when there is a conversation."
            self._window.show_notice(Notice("Nothing was said yet.", hint, key="aside"))
        else:
            self._handle(inputs.AsideAsked(kind))

    async def _endpoint(self) -> Endpoint:
        local = self._local
        endpoint = await local.endpoint() if local is not None else self._preferences.choice.endpoint()
        self._redaction.add_headers(endpoint.headers)
        members = parse_qsl(urlsplit(endpoint.url).query)  # some services want the key there
        self._redaction.add(*(value for name, value in members if sounds_secret(name)))
        return endpoint

    def _handle(self, event: inputs.Input) -> None:
        self._session.handle(event)

    def _join(self, signal: SignalInstance, slot: Callable[..., object]) -> None:
        self._joined.append((signal, signal.connect(slot)))

    def _join_signals(self) -> None:
        """What the user does, as inputs: the whole list."""
        window, handle, join = self._window, self._handle, self._join
        join(window.talk_pressed, lambda: handle(inputs.TalkPressed()))
        join(window.talk_released, lambda: handle(inputs.TalkReleased()))
        join(window.stop_pressed, lambda: handle(inputs.StopPressed()))
        join(window.message_entered, lambda *message: handle(inputs.TextEntered(*message)))
        join(window.files_given, self._files_given)
        join(window.image_given, self._image_given)
        join(window.action_asked, self._action_asked)
        join(window.read_aloud_asked, lambda text: handle(inputs.AsideAsked(inputs.AsideKind.READ_ALOUD, text)))
        join(
            window.about_asked,
            lambda items, question: handle(inputs.AsideAsked(inputs.AsideKind.ABOUT, question, items)),
        )
        join(window.forget_asked, lambda items: handle(inputs.ForgetAsked(items)))
        join(window.server_copy_asked, lambda item: handle(inputs.ServerCopyAsked(item)))
        join(window.resend_asked, lambda item, text: handle(inputs.ResendAsked(item, text)))
        join(window.settings.key_entered, self._key_entered)
        join(window.settings.microphone_test_asked, lambda on: self._test.start() if on else self._test.stop())
        join(window.talked_while_muted, lambda: self._cues.play(Cue.MUTED))
        join(window.volume_moved, lambda percent: self._speaker.set_volume(percent / 100))
        join(window.consent_given, self._consent_given)
        join(window.summary_asked, lambda: self._ask_beside(inputs.AsideKind.SUMMARY))
        join(window.replies_asked, lambda: self._ask_beside(inputs.AsideKind.REPLIES))
        join(window.mode_chosen, lambda mode: self._preferences.set("turns.mode", mode))
        join(window.muted_chosen, self._mute)
        join(window.session_shown, self._preferences.session_shown)
        join(window.answer_asked, lambda: handle(inputs.AnswerAsked()))
        join(window.voice_chosen, self._preferences.choose_voice)
        join(window.new_conversation_asked, self._begin_anew)
        join(window.history_resized, self._preferences.remember_history)
        join(window.reconnect_asked, lambda: handle(inputs.ConnectAsked()))
        join(window.retry_stopped, lambda: handle(inputs.RetryStopped()))
        join(window.notice_acted, self._notice_acted)

    def _mute(self, muted: bool) -> None:
        self._muted = muted
        self._sound.look_again()
        self._handle(inputs.Muted(muted))

    def _cleaning(self) -> Cleaning:
        """Return what is to be done with the microphone's sound, by the settings."""
        settings = self._preferences.settings
        return Cleaning(
            listens=settings.turns.mode != "talk",
            gives_way=settings.turns.mode == "hands_free" and settings.turns.interrupt and not self._muted,
            echo=settings.audio.echo_cancellation,
            noise=settings.audio.noise_suppression,
            gain=settings.audio.automatic_gain,
        )

    def _begin_anew(self) -> None:
        self._books.begin_conversation()
        self._handle(inputs.NewConversationAsked())

    def _action_asked(self, item_id: str, action: EntryAction) -> None:
        """The button of an entry was pressed."""
        match action:
            case EntryAction.SAY_THE_REST:
                self._handle(inputs.RestAsked(item_id))
            case EntryAction.CONTINUE | EntryAction.RETRY:
                self._handle(inputs.AnswerAsked())

    def _files_given(self, paths: list[str]) -> None:
        for path in paths:
            start_task(self._take_file(Path(path)), name="a file")

    def _image_given(self, png: bytes, name: str) -> None:
        start_task(self._take_image(png, name), name="a picture")

    async def _take_file(self, path: Path) -> None:
        """Take a picture or a sound file into the composer."""
        if media.looks_like_picture(path):
            await self._take_image(path, path.name)
            return
        try:
            pcm = await asyncio.to_thread(media.decode_audio_file, path)
        except ParleyError as error:
            self._window.show_notice(Notice.of(error, key=f"file:{path.name}"))
        else:
            self._window.add_sound(inputs.Recording(pcm, path.name))

    async def _take_image(self, source: bytes | Path, name: str) -> None:
        try:
            data_uri = await asyncio.to_thread(media.encode_image, source)
        except ParleyError as error:
            self._window.show_notice(Notice.of(error, key=f"file:{name}"))
        else:
            self._window.add_image(data_uri, name)

    def _notice_acted(self, notice: Notice) -> None:
        match notice.action:
            case NoticeAction.SPEND_ON:
                self._books.spend_on()
            case NoticeAction.SHOW_EARLIER:
                self._reading.open_present_whole()
            case NoticeAction.CONTINUE:
                self._reading.go_on_with(int(notice.details))
            case NoticeAction.USE_MODEL:
                url, _, model = notice.details.partition("\n")
                self._preferences.use_chat(url, model)

    def _consent_given(self, call_id: str, allowed: bool, always: bool) -> None:
        consent = self._workshop.answered(call_id)
        self._handle(inputs.ConsentGiven(call_id, allowed=allowed, always=always))
        if allowed and always and consent is not None:
            self._preferences.trust(consent)

    def _key_entered(self, name: str, key: str) -> None:
        """Use a key that was typed, for this run; it is written nowhere."""
        self._credentials.keep(name, key)
        self._redaction.add(key)
        if name == self._preferences.settings.connection.endpoint:
            self._begin_again()

    def _setting_changed(self, name: str) -> None:
        """Act on a setting that concerns more than the session."""
        match name:
            case "connection.endpoint":
                self._begin_again()
            case "connection.model":
                self._handle(inputs.RenewalAsked())
            case "audio.input_device":
                self._devices.choose(name, self._preferences.settings.audio.input_device)
            case "audio.output_device":
                self._devices.choose(name, self._preferences.settings.audio.output_device)
            case (
                "turns.mode"
                | "turns.interrupt"
                | "audio.echo_cancellation"
                | "audio.noise_suppression"
                | "audio.automatic_gain"
            ):
                self._sound.look_again()
            case "audio.keep_microphone_warm":
                self._sound.always = self._preferences.settings.audio.keep_microphone_warm
                self._microphone.keep_warm(self._preferences.settings.audio.keep_microphone_warm)
            case "audio.volume":
                self._speaker.set_volume(self._preferences.settings.audio.volume / 100)
            case "history.keep" | "history.audio":
                self._keep_what_is_to_be_kept(self._preferences.settings)
            case "local.chat_url" | "local.chat_model":
                start_task(self._restart_local(), name="another brain")

    async def _restart_local(self) -> None:
        """Start the local server anew with what it reads only at its start; the conversation goes on."""
        if self._local is not None:
            self._window.show_progress("Starting the offline assistant", None)
            await self._local.restart(_chat(self._preferences.settings, self._environment))

    def _keep_what_is_to_be_kept(self, settings: Settings) -> None:
        self._history.set_keeping(settings.history.keep)
        self._window.history.set_kept(settings.history.keep)
        with_sound = settings.history.keep and settings.history.audio
        if with_sound and not self._keeps_sounds:
            self._sounds = Sounds(self._history.keep_sound)
        self._keeps_sounds = with_sound

    def _witness(self, event: inputs.Input | Effect) -> None:
        """Let everybody see what happens who takes no part in it."""
        self._stopwatch.witness(event)
        self._cues.witness(event)
        self._ears.witness(event)
        if self._keeps_sounds:
            self._sounds.witness(event)

    def _chosen_devices(self) -> tuple[str | None, str | None]:
        return self._devices.chosen("audio.input_device"), self._devices.chosen("audio.output_device")

    def _why_not_test(self) -> str:
        """Return why the microphone cannot be tested now; empty: it can."""
        if self._window.would_be_heard:
            return "The assistant would hear the test. Mute first (Ctrl+M), or talk by the button."
        return ""

    def _is_wanted(self, cue: Cue) -> bool:
        audio = self._preferences.settings.audio
        match cue:
            case Cue.LISTENING:
                return audio.cue_listening
            case Cue.SENT:
                return audio.cue_sent
            case Cue.ERROR:
                return audio.cue_error
            case Cue.MUTED | Cue.UNMUTED:
                return audio.cue_muted

    def _history_changed(self) -> None:
        self._reading.changed()

    def keep_entry(self, entry: Entry, after: str | None) -> None:
        """Keep what was said."""
        self._history.keep(entry, after)

    def drop_entry(self, item_id: str, *, for_room: bool) -> None:
        """Forget what was said; what left only for want of room stays in the history."""
        if for_room:
            self._history.let_go(item_id)
            self._reading.tell_of_earlier()
        else:
            self._history.remove(item_id)

    def begin_conversation(self) -> None:
        """What is said from now on is kept as another conversation."""
        self._reading.begin_conversation()

    def name_conversation(self, title: str, topic: str) -> None:
        """Keep how the model named the conversation."""
        self._reading.name_conversation(title, topic)

    def count_usage(self, usage: CountUsage) -> None:
        """Add to what was spent."""
        self._books.count(usage)

    def save_recording(self, item_id: str, pcm: bytes) -> None:
        """Keep what the server heard, where the user says."""
        ask_where_to_save(
            self._window, "Save what the server heard", "heard.wav", lambda p: self._write_sound(p, pcm)
        )

    def _write_sound(self, path: Path, pcm: bytes) -> None:
        start_task(self._write_sound_file(path, pcm), name="saving a recording")

    async def _write_sound_file(self, path: Path, pcm: bytes) -> None:
        try:
            await asyncio.to_thread(media.encode_audio_file, path, pcm)
        except ParleyError as error:
            self._window.show_notice(Notice.of(error, key="recording"))

    def _local_reported(self, report: Report) -> None:
        """Show what the local server says of itself."""
        clean = self._redaction.text
        report = msgspec.structs.replace(report, text=clean(report.text), hint=clean(report.hint))
        match report.event:
            case "progress":
                self._window.show_progress(report.text, report.done / report.total if report.total else None)
            case "notice":
                key = report.key or "local server"
                self._window.show_notice(Notice(report.text, report.hint, Severity.WARNING, key))
            case "offer":
                text = f"{report.text} runs on this computer, with the model «{report.model}»."
                hint = "It can answer what the offline assistant cannot; what you say goes to it then."
                details = f"{report.url}\n{report.model}"
                offer = Notice(text, hint, key="chat offer", action=NoticeAction.USE_MODEL, details=details)
                self._window.show_notice(offer)
            case "loaded":
                _log.info("engines loaded: %s", ", ".join(report.engines))
                self._window.show_progress("", None)


def _voice_detector() -> VoiceActivity:
    """Return the offline assistant's detector; `ImportError` where its engines are not installed."""
    from desktop_app.local_server.engines.silero import SileroVoiceActivity

    return SileroVoiceActivity()


def _chat(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the chat endpoint that answers for the offline assistant, as its server reads it.

    The key of the environment is for the endpoint of the environment, and for no other host.
    """
    local, theirs = settings.local, environment.get("PARLEY_CHAT_URL", "")
    url = local.chat_url or theirs
    chat = {"PARLEY_CHAT_URL": local.chat_url, "PARLEY_CHAT_MODEL": local.chat_model} if local.chat_url else {}
    key = environment.get("PARLEY_CHAT_KEY", "")
    if key and url and (not theirs or urlsplit(theirs)[:2] == urlsplit(url)[:2]):
        chat["PARLEY_CHAT_KEY"] = key
    return chat


async def _take_screenshot() -> Picture:
    """Return the screen, scaled for the model; raises `ToolError` where programs may not look at it."""
    png = await screen_as_png()
    if not png:
        raise ToolError("The desktop does not let programs look at the screen.", "Take a picture by other means.")
    data_uri = await asyncio.to_thread(media.encode_image, png)
    kind, _, data = data_uri.partition(";base64,")
    return Picture(base64.b64decode(data), kind.removeprefix("data:"))


def _choose(
    window: MainWindow,
    options: Options,
    settings: Settings,
    installation: str,
    credentials: Credentials,
    environment: Environment,
) -> Choice:
    """Return the endpoint; one that cannot be used is reported, and the offline assistant answers."""
    wanted = options.endpoint or settings.connection.endpoint
    profiles, notices = endpoints.read_profiles(settings.connection.profiles)
    for notice in notices:
        window.show_notice(notice)
    environment.hide(profile.key_variable for profile in profiles if profile.key_variable)
    named = wanted.strip().casefold() in {profile.name.casefold() for profile in profiles}
    model = options.model or ("" if named else settings.connection.model)  # a profile has a model of its own
    try:
        return endpoints.choose(
            wanted,
            model=model,
            environment=environment,
            install_id=installation,
            profiles=profiles,
            secrets=credentials.get,
        )
    except ParleyError as error:
        told = f"{error.sentence} The offline assistant answers instead."
        window.show_notice(Notice(told, error.hint, Severity.WARNING, "endpoint"))
        return endpoints.choose(endpoints.LOCAL, model="", environment={})


def _choose_voice(window: MainWindow, wanted: str, choice: Choice) -> str:
    """Return the voice to begin with; one that the endpoint is known not to have is reported."""
    if not wanted:
        return choice.voices[0]
    own = wanted.startswith("voice_")  # one that somebody has made at the service
    if wanted in choice.voices or not (choice.local or (choice.kind in _KNOWN_VOICES and not own)):
        return wanted
    text = f"{choice.name} has no voice called «{wanted[:60]}»; «{choice.voices[0]}» speaks instead."
    hint = f"There are {', '.join(choice.voices)}: choose one in the menu at the top."
    window.show_notice(Notice(text, hint, Severity.WARNING, "voice"))
    return choice.voices[0]


def _end_on_signals(closing: asyncio.Event) -> None:
    """Let Ctrl+C, a polite kill and a terminal that goes away end the program as closing its window does."""
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is None:  # Windows has no terminals that go away
            continue
        try:
            loop.add_signal_handler(number, closing.set)
        except (NotImplementedError, AttributeError):  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(closing.set))


@contextmanager
def _bugs_shown(window: MainWindow, redaction: Redaction) -> Iterator[None]:
    """Show whatever nobody expected as one notice per distinct traceback, with the details to copy.

    Only while the loop runs: a thread that fails after the end must not touch the window.
    """
    loop = asyncio.get_running_loop()

    def show(error: BaseException) -> None:
        details = redaction.text("".join(traceback.format_exception(error)))
        _log.error("unexpected: %s", details)
        place = "".join(
            f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-1:]
        )
        key = f"bug:{type(error).__name__}:{place}"
        window.show_notice(
            Notice(
                "Something went wrong inside Parley.",
                "You can go on; if it keeps happening, send us the details.",
                Severity.ERROR,
                key,
                NoticeAction.COPY_DETAILS,
                details,
            )
        )

    def from_hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        show(error)

    def from_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            loop.call_soon_threadsafe(show, arguments.exc_value)

    def from_loop(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            show(error)
        else:
            _log.error("unexpected: %s", context.get("message"))

    sys.excepthook = from_hook
    threading.excepthook = from_thread
    loop.set_exception_handler(from_loop)
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
        loop.set_exception_handler(None)


@contextmanager
def _garbage_collected_here(window: MainWindow) -> Iterator[None]:
    """Collect cyclic garbage on this thread and no other, while the loop runs.

    Python collects wherever an allocation happens to be the one too many: in a worker thread, which must not
    destroy what is Qt's (its timers would fire into freed memory), or in a sound callback, which must not wait.
    """
    gc.freeze()  # what was imported stays: looking through it again each time would take the longest
    gc.disable()
    timer = QTimer(window, interval=GARBAGE_INTERVAL_MS)
    timer.timeout.connect(_collect_garbage)
    timer.start()
    try:
        yield
    finally:
        timer.stop()
        timer.deleteLater()
        gc.enable()
        gc.unfreeze()


def _collect_garbage() -> None:
    """Collect the oldest generation that is due, as Python itself would."""
    due = [
        n for n, (count, most) in enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True)) if count > most
    ]
    if due:
        gc.collect(due[-1])
