"""The tools the program brings along, listed explicitly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from desktop_app.tools.builtin.calculator import calculator_tool
from desktop_app.tools.builtin.clipboard import Clipboard, clipboard_tools
from desktop_app.tools.builtin.local_time import local_time_tool
from desktop_app.tools.builtin.notes import Notes
from desktop_app.tools.builtin.open_target import open_tool
from desktop_app.tools.builtin.screenshot import TakeScreenshot, screenshot_tool
from desktop_app.tools.builtin.timers import Timers
from desktop_app.tools.builtin.volume import Volume, system_volume, volume_tools
from desktop_app.tools.tool import Tool


def builtin_tools(
    *,
    timers: Timers,
    clipboard: Clipboard,
    open_address: Callable[[str], bool],
    take_screenshot: TakeScreenshot,
    notes_folder: Path,
    volume: Volume | None = None,
) -> list[Tool]:
    """Return all of them, with what they need of the machine; `volume`: not the system's own."""
    return [
        local_time_tool(),
        calculator_tool(),
        *timers.tools(),
        *Notes(notes_folder).tools(),
        *clipboard_tools(clipboard),
        open_tool(open_address),
        screenshot_tool(take_screenshot),
        *volume_tools(volume or system_volume()),
    ]
