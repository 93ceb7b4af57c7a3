"""The virtual screen does what the tests that use it take for granted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness.processes import DidNotHappen, MissingProgram, start, stop, wait_until
from tests.harness.screen import VirtualScreen

pytestmark = pytest.mark.screen

PROGRAM = """
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget

class Window(QWidget):
    def keyPressEvent(self, event):
        if not event.isAutoRepeat():
            print("press", event.text() or Qt.Key(event.key()).name, flush=True)

    def keyReleaseEvent(self, event):
        if not event.isAutoRepeat():
            print("release", event.text() or Qt.Key(event.key()).name, flush=True)

    def mousePressEvent(self, event):
        print("mouse", event.position().toPoint().toTuple(), flush=True)

    def mouseReleaseEvent(self, event):
        print("mouse up", flush=True)

    def closeEvent(self, event):
        print("asked to close", flush=True)

application = QApplication([])
window = Window()
window.setWindowTitle("A window (test)")
window.setStyleSheet("background: #ff0000")
window.resize(300, 200)
window.show()
application.exec()
"""


class Program:
    """A program with one window that says what it sees."""

    def __init__(self, screen: VirtualScreen, log: Path) -> None:
        self._log = log
        with log.open("wb") as said:
            self.process = start([sys.executable, "-c", PROGRAM], screen.env, stdout=said, stderr=said)
        self.window = screen.find_window("A window (test)")

    def wait_for(self, line: str) -> None:
        """Wait until it has said this line."""
        wait_until(lambda: line in self.said(), f"the program says «{line}»")

    def said(self) -> list[str]:
        """Everything it said, line by line."""
        return self._log.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def program(screen: VirtualScreen, tmp_path: Path) -> Iterator[Program]:
    shown = Program(screen, tmp_path / "said")
    yield shown
    stop(shown.process)


def test_keys_reach_the_window_that_has_the_focus(screen: VirtualScreen, program: Program) -> None:
    screen.focus(program.window)

    screen.key_down("F9")
    program.wait_for("press Key_F9")
    assert "release Key_F9" not in program.said()
    screen.key_up("F9")
    program.wait_for("release Key_F9")

    screen.type("ok!")
    for letter in "ok!":
        program.wait_for(f"press {letter}")


def test_the_mouse_clicks_where_it_is_told_to(screen: VirtualScreen, program: Program) -> None:
    screen.click(program.window, 40, 30)
    program.wait_for("mouse (40, 30)")
    program.wait_for("mouse up")

    screen.point(program.window, 100, 50)
    screen.button_down()
    program.wait_for("mouse (100, 50)")
    assert program.said().count("mouse up") == 1
    screen.button_up()
    wait_until(lambda: program.said().count("mouse up") == 2, "the second release")


def test_a_window_is_asked_to_close(screen: VirtualScreen, program: Program) -> None:
    screen.close_window(program.window)

    program.wait_for("asked to close")
    screen.wait_until_closed(program.window)
    assert program.process.wait(10) == 0


def test_a_screenshot_shows_the_window(screen: VirtualScreen, program: Program, tmp_path: Path) -> None:
    screen.resize_window(program.window, 320, 240)
    wait_until(lambda: screen.size_of(program.window) == (320, 240), "the window is resized")
    picture = tmp_path / "window.png"

    def red() -> bool:
        screen.screenshot(picture, program.window)
        command = ["convert", str(picture), "-format", "%w %h %[pixel:p{300,200}]", "info:"]
        return subprocess.check_output(command, text=True).startswith(("320 240 srgb(255,0,0)", "320 240 red"))

    wait_until(red, "the window is painted red")


def test_a_window_that_never_comes_is_named(screen: VirtualScreen) -> None:
    with pytest.raises(DidNotHappen, match="No such window"):
        screen.find_window("No such window", deadline_s=0.2)


def test_nothing_is_left_behind() -> None:
    def ours() -> set[int]:
        return {child.pid for child in psutil.Process().children(recursive=True)}

    def fail(own: VirtualScreen) -> None:
        assert own.display.startswith(":")
        raise ZeroDivisionError

    before = ours()
    with pytest.raises(ZeroDivisionError), VirtualScreen(640, 480) as own:
        fail(own)

    assert ours() == before


def test_a_missing_program_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(MissingProgram, match=r"Xvfb.*dev.py setup"):
        VirtualScreen().start()
