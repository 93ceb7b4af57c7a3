"""Cyclic garbage is collected on the thread of the window and no other."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
from PySide6.QtWidgets import QApplication

from desktop_app import program
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import Appearance, Theme
from tests.conftest import RunAsync


class Ring:
    """Refers to itself, so that only the collector ends it."""

    def __init__(self) -> None:
        self.itself = self


def litter(ended: list[str]) -> None:
    """Leave more behind than it takes for a collection."""
    for _ in range(2_000):
        weakref.finalize(Ring(), lambda: ended.append(threading.current_thread().name))


def test_it_is_collected_here(qapp: QApplication, run_async: RunAsync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "GARBAGE_INTERVAL_MS", 10)
    ended: list[str] = []

    async def story() -> None:
        window = MainWindow(Theme(qapp, Appearance.LIGHT))
        with program._garbage_collected_here(window):
            assert not gc.isenabled()
            for _ in range(5):
                await asyncio.to_thread(litter, ended)
            while len(ended) < 7_000:  # noqa: ASYNC110 – nobody tells
                await asyncio.sleep(0.01)
        assert gc.isenabled()
        window.deleteLater()

    run_async(story(), deadline_s=20)
    assert set(ended) == {threading.main_thread().name}
