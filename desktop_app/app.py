"""Starts the program: reads the options, paints the window, then imports and runs the rest.

A person who double-clicked sees the window at once; sound, network and the event loop are imported behind it, by
`program.py`, which is the composition root.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from desktop_app import __version__
from desktop_app.errors import ParleyError
from desktop_app.options import Options, parse
from desktop_app.profile import AlreadyRunning, Claim, profile_folder
from desktop_app.secrecy import Environment, RedactingFormatter, Redaction

if TYPE_CHECKING:
    from desktop_app.ui.main_window import MainWindow

NO_SCREEN = 1
"""The exit code."""
ALREADY_RUNNING = 3
"""The exit code."""
SAID_FOR_MS = 20_000
"""How long a sentence stands in a window of its own."""
APPLICATION_ID = "org.parley.Parley"
PAINTED_WITHIN_MS = 500
"""A window that starts minimised is not painted at all."""

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = parse(arguments)
    if options.run_tool_file:
        from desktop_app.tools.user_worker import main as run_tool_file

        return run_tool_file()
    if options.list_devices:
        from desktop_app.audio.watching import list_devices

        return list_devices()
    environment = Environment(os.environ, Redaction())
    _log_to_the_terminal(options.log_level, environment.redaction)
    if options.serve_local:
        from desktop_app.local_server.__main__ import main as serve

        return serve(options.profile, port=options.port, environment=environment)
    return _run_window(options, environment)


def _log_to_the_terminal(level: str, redaction: Redaction) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s", redaction))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _paint(window: MainWindow) -> None:
    """Show the window and wait until it is on the screen, or for as long as a screen may reasonably take.

    Between asking for a window and being told to paint it lie a few rounds with the window manager: to process what
    events there are is not enough, and the imports that follow keep a window that is not painted yet blank.
    """
    from PySide6.QtCore import QEventLoop, QTimer

    waiting = QEventLoop()
    window.first_painted.connect(waiting.quit)
    window.closing.connect(waiting.quit)
    QTimer.singleShot(PAINTED_WITHIN_MS, waiting.quit)
    window.show()
    waiting.exec()


def _explain_a_missing_screen() -> None:
    """Until there is an application: what Qt dies of, telling of plugins and a core dump, becomes a sentence.

    Qt aborts the process when it finds no screen; there is nothing to catch, only its last message to answer.
    """
    from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

    heard: list[str] = []

    def hear(kind: QtMsgType, _: QMessageLogContext, words: str | None) -> None:
        heard.append(words or "")
        if kind is QtMsgType.QtFatalMsg:
            _log.info("Qt said: %s", "\n".join(heard))
            print("Parley cannot open a window: there is no screen it can use.", file=sys.stderr)
            print("Start it from a desktop session, or set DISPLAY to one.", file=sys.stderr, flush=True)
            os._exit(NO_SCREEN)
        _log.debug("Qt: %s", words)

    qInstallMessageHandler(hear)


def _say(error: ParleyError) -> None:
    """Tell whoever started the program: in the terminal, or in a window where there is none."""
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QMessageBox

    print(error, file=sys.stderr, flush=True)
    if sys.stderr is not None and sys.stderr.isatty():
        return
    box = QMessageBox(QMessageBox.Icon.Information, "Parley", error.sentence)
    box.setInformativeText(error.hint)
    QTimer.singleShot(SAID_FOR_MS, box.close)
    box.exec()


def _run_window(options: Options, environment: Environment) -> int:
    from PySide6.QtCore import qInstallMessageHandler
    from PySide6.QtWidgets import QApplication

    from desktop_app.ui.main_window import MainWindow
    from desktop_app.ui.theme import Theme

    _explain_a_missing_screen()
    application = QApplication(sys.argv[:1])
    qInstallMessageHandler(None)
    application.setApplicationName("Parley")
    application.setDesktopFileName(APPLICATION_ID)
    theme = Theme(application)
    try:
        claim = Claim(profile_folder(options))
    except AlreadyRunning as error:
        _say(error)
        return ALREADY_RUNNING
    application.setQuitOnLastWindowClosed(False)  # closing the window begins the end; the loop decides when it is
    window = MainWindow(theme, version=__version__)
    window.hold_back()
    _paint(window)
    if not window.isVisible():  # closed already
        return 0

    from desktop_app.program import run

    code = run(application, window, options, environment)
    claim.release()
    return code
