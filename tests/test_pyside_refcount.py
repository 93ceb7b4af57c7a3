"""The PySide6 that is installed keeps its reference counts.

Version 6.12.0 on Python 3.11 and older loses a reference to `True` with each emitted signal and one to `None`
with each void call; after about 1,000 of them the interpreter aborts. The pin in pyproject.toml keeps that
version away; this test is there for the day when the pin is changed.
"""

from __future__ import annotations

import subprocess
import sys

EMIT = """
from PySide6.QtCore import QCoreApplication, QObject, Signal

class Bell(QObject):
    rang = Signal(int)

application = QCoreApplication([])
bell = Bell()
heard = []
bell.rang.connect(heard.append)
for number in range(5_000):
    bell.rang.emit(number)
    bell.setObjectName("bell")
assert heard == list(range(5_000))
print("survived")
"""


def test_five_thousand_signals_do_not_end_the_interpreter() -> None:
    done = subprocess.run([sys.executable, "-c", EMIT], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout.strip()) == (0, "survived"), done.stderr
