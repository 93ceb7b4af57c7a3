"""The composition root: builds every part, joins what the user does to inputs, runs the loop, closes in order.

Imported only once the window is painted. Closing goes microphone, speaker, socket, local server, tasks, loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import qasync
from msgspec import UNSET
from platformdirs import user_data_path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from desktop_app import endpoints
from desktop_app.audio.microphone import Microphone
from desktop_app.audio.speaker import Speaker
from desktop_app.conversation import inputs
from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import CountUsage
from desktop_app.endpoints import Choice, Endpoint
from desktop_app.errors import Notice, NoticeAction, ParleyError, Severity
from desktop_app.local_process import LocalServer, Report, command
from desktop_app.options import Options
from desktop_app.protocol import session_config as sc
from desktop_app.session import Session
from desktop_app.settings import Settings, SettingsFile, install_id
from desktop_app.tasks import end_tasks, start_task
from desktop_app.transport import WebSocketTransport
from desktop_app.ui.main_window import MainWindow

LEVEL_INTERVAL_MS = 50

_log = logging.getLogger(__name__)


def run(application: QApplication, window: MainWindow, options: Options) -> int:
    """Run until the window is closed; return the exit code."""
    # qasync's own default would start ten threads at the first look-up of a host name.
    executor = ThreadPoolExecutor(2, thread_name_prefix="worker")
    try:
        with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(application)) as runner:
            runner.get_loop().set_default_executor(executor)
            runner.run(_converse(window, options))
    finally:
        executor.shutdown()
    return 0


def profile_folder(options: Options) -> Path:
    """Return the folder for everything the program writes."""
    if options.profile is not None:
        return options.profile.expanduser().absolute()
    return user_data_path("Parley", appauthor=False)


async def _converse(window: MainWindow, options: Options) -> None:
    closing = asyncio.Event()
    window.closing.connect(closing.set)
    _end_on_signals(closing)
    _report_bugs(window)
    program = Program(window, options)
    program.open()
    try:
        await closing.wait()
    finally:
        window.hide()
        await program.close()


class Program:
    """Everything that lives as long as the window: opened in order, closed in order."""

    def __init__(self, window: MainWindow, options: Options) -> None:
        folder = profile_folder(options)
        self._window = window
        self._file = SettingsFile(folder)
        loaded = self._file.load()
        self._settings = settings = loaded.settings
        for notice in loaded.notices:
            window.show_notice(notice)
        self._choice = choice = _choose(window, options, settings, install_id(folder))
        self._local = (
            LocalServer(command(folder, options.log_level), self._local_reported, environment=_chat(settings))
            if choice.local
            else None
        )
        self._transport = WebSocketTransport(self._endpoint, self._handle)
        audio = settings.audio
        self._speaker = Speaker(self._handle, device=options.output_device or audio.output_device or None)
        self._microphone = Microphone(
            self._handle,
            device=options.input_device or audio.input_device or None,
            warm=audio.keep_microphone_warm,
        )
        voice = options.voice or settings.voices.get(choice.name, "") or choice.voices[0]
        self._session = Session(
            Conversation(
                _session_config(choice, settings), voice=voice, voices=choice.voices, jitter=random.random
            ),
            transport=self._transport,
            speaker=self._speaker,
            microphone=self._microphone,
            view=window,
            tools=_NoTools(self._handle),
            records=self,
            call_later=asyncio.get_running_loop().call_later,
        )
        self._level_timer = QTimer(window, interval=LEVEL_INTERVAL_MS)

    def open(self) -> None:
        """Join the window to the session and begin to connect."""
        note = "small models on this computer" if self._choice.local else self._choice.model
        self._window.set_endpoint_name(self._choice.name, note)
        if self._local is not None:
            self._window.show_progress("Starting the offline assistant", None)
        self._join_signals()
        self._level_timer.timeout.connect(lambda: self._window.set_level(self._microphone.level))
        self._level_timer.start()
        self._handle(inputs.ConnectAsked())
        # Importing PortAudio takes 0.2 s: now, rather than when the first word is spoken.
        self._speaker.prepare()
        self._microphone.prepare()

    async def close(self) -> None:
        """Close everything, in order; what fails to close does not keep the rest open."""
        self._level_timer.stop()
        self._session.close()
        async with AsyncExitStack() as closing:  # the last one pushed is closed first
            closing.push_async_callback(end_tasks)
            if self._local is not None:
                closing.push_async_callback(self._local.close)
            closing.push_async_callback(self._transport.close)
            closing.callback(self._speaker.close)
            closing.callback(self._microphone.shutdown)

    async def _endpoint(self) -> Endpoint:
        return await self._local.endpoint() if self._local is not None else self._choice.endpoint()

    def _handle(self, event: inputs.Input) -> None:
        self._session.handle(event)

    def _join_signals(self) -> None:
        """What the user does, as inputs: the whole list."""
        window, handle = self._window, self._handle
        window.talk_pressed.connect(lambda: handle(inputs.TalkPressed()))
        window.talk_released.connect(lambda: handle(inputs.TalkReleased()))
        window.stop_pressed.connect(lambda: handle(inputs.StopPressed()))
        window.message_entered.connect(lambda *message: handle(inputs.TextEntered(*message)))
        window.voice_chosen.connect(self._voice_chosen)
        window.new_conversation_asked.connect(lambda: handle(inputs.NewConversationAsked()))
        window.reconnect_asked.connect(lambda: handle(inputs.ConnectAsked()))
        window.notice_acted.connect(self._notice_acted)

    def _voice_chosen(self, voice: str) -> None:
        self._handle(inputs.VoiceChosen(voice))
        self._save(replace(self._settings, voices={**self._settings.voices, self._choice.name: voice}))

    def _save(self, settings: Settings) -> None:
        self._settings = settings
        try:
            self._file.save(settings)
        except ParleyError as error:
            self._window.show_notice(Notice.of(error))

    def _notice_acted(self, notice: Notice) -> None:
        match notice.action:
            case NoticeAction.SPEND_ON:
                self._handle(inputs.BudgetReached(reached=False))
            case NoticeAction.USE_MODEL:
                url, _, model = notice.details.partition("\n")
                local = replace(self._settings.local, chat_url=url, chat_model=model)
                self._save(replace(self._settings, local=local))
                start_task(self._restart_local(), name="another brain")

    async def _restart_local(self) -> None:
        """Start the local server anew with what it reads only at its start; the conversation goes on."""
        if self._local is not None:
            self._window.show_progress("Starting the offline assistant", None)
            await self._local.restart(_chat(self._settings))

    def count_usage(self, usage: CountUsage) -> None:
        """Add to what was spent."""
        _log.info("billed: %s", usage.usage)

    def save_recording(self, item_id: str, pcm: bytes) -> None:
        """Offer the user to keep what the server heard."""
        _log.info("a recording of %d bytes came for %s", len(pcm), item_id)

    def _local_reported(self, report: Report) -> None:
        """Show what the local server says of itself."""
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


def _chat(settings: Settings) -> dict[str, str]:
    """Return the chat endpoint that answers for the offline assistant, as its server reads it."""
    local = settings.local
    return {"PARLEY_CHAT_URL": local.chat_url, "PARLEY_CHAT_MODEL": local.chat_model} if local.chat_url else {}


class _NoTools:
    """No tools are offered, so a call can only be a mistake."""

    def __init__(self, post: Callable[[inputs.Input], None]) -> None:
        self._post = post

    def run(self, call_id: str, name: str, arguments: str) -> None:
        """Say that there is no such tool."""
        self._post(inputs.ToolFinished(call_id, '{"error": "there is no such tool"}', failed=True))

    def cancel(self, call_id: str) -> None:
        """Nothing runs."""


def _choose(window: MainWindow, options: Options, settings: Settings, installation: str) -> Choice:
    """Return the endpoint; one that cannot be used is reported, and the offline assistant answers."""
    wanted = options.endpoint or settings.connection.endpoint
    model = options.model or settings.connection.model
    try:
        return endpoints.choose(wanted, model=model, environment=os.environ, install_id=installation)
    except ParleyError as error:
        window.show_notice(Notice.of(error))
        return endpoints.choose(endpoints.LOCAL, model="", environment={})


def _session_config(choice: Choice, settings: Settings) -> sc.SessionConfig:
    """Return what every session is configured with: push to talk, spoken answers, the user's words written down."""
    transcription = sc.Transcription(
        model=choice.transcription_model, language=settings.connection.language or UNSET
    )
    audio_input = sc.AudioInput(
        format=sc.PCM_24K,
        transcription=transcription,
        turn_detection=None,
        noise_reduction=sc.NoiseReduction(type="near_field"),
    )
    return sc.SessionConfig(
        output_modalities=["audio"],
        instructions=settings.connection.instructions,
        audio=sc.AudioConfig(input=audio_input, output=sc.AudioOutput(format=sc.PCM_24K)),
    )


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


def _report_bugs(window: MainWindow) -> None:
    """Show whatever nobody expected as one notice per distinct traceback, with the details to copy."""
    loop = asyncio.get_running_loop()

    def show(error: BaseException) -> None:
        details = "".join(traceback.format_exception(error))
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
