"""Starts the program: reads the options, paints the window, then imports and runs the rest.

A person who double-clicked sees the window at once; sound, network and the event loop are imported behind it, by
`program.py`, which is the composition root.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from desktop_app import __version__
from desktop_app.options import Options, parse

if TYPE_CHECKING:
    from desktop_app.ui.main_window import MainWindow

APPLICATION_ID = "org.parley.Parley"
PAINTED_WITHIN_MS = 500
"""A window that starts minimised is not painted at all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = parse(arguments)
    if options.run_tool_file:
        from desktop_app.tools.user_worker import main as run_tool_file

        return run_tool_file()
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    if options.serve_local:
        from desktop_app.local_server.__main__ import main as serve

        return serve(options.profile, port=options.port)
    return _run_window(options)


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


def _run_window(options: Options) -> int:
    from PySide6.QtWidgets import QApplication

    from desktop_app.ui.main_window import MainWindow
    from desktop_app.ui.theme import Theme

    application = QApplication(sys.argv[:1])
    application.setApplicationName("Parley")
    application.setDesktopFileName(APPLICATION_ID)
    application.setQuitOnLastWindowClosed(False)  # closing the window begins the end; the loop decides when it is
    window = MainWindow(Theme(application), version=__version__)
    _paint(window)
    if not window.isVisible():  # closed already
        return 0

    from desktop_app.program import run

    return run(application, window, options)
