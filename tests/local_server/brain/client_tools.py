"""The tools the program brings along, as a client offers them."""

from __future__ import annotations

import functools
from pathlib import Path

from desktop_app.local_server.engines import Tool
from desktop_app.tools.builtin import builtin_tools
from desktop_app.tools.builtin.timers import Timers
from desktop_app.tools.tool import Picture


class _Nothing:
    """Stands in for whatever of the machine a tool needs: none of them is run here."""

    def read(self) -> str:
        return ""

    def write(self, text: str) -> None:
        raise AssertionError

    def get(self) -> int:
        return 0

    def set(self, percent: int) -> None:
        raise AssertionError

    def cancel(self) -> None:
        raise AssertionError


async def _no_picture() -> Picture:
    raise AssertionError


@functools.cache
def client_tools() -> tuple[Tool, ...]:
    """Return all of them."""
    tools = builtin_tools(
        timers=Timers(lambda _: None, call_later=lambda _, __: _Nothing()),
        clipboard=_Nothing(),
        open_address=lambda _: False,
        take_screenshot=_no_picture,
        notes_folder=Path(),
        volume=_Nothing(),
    )
    return tuple(Tool(tool.spec.name, tool.spec.description, tool.spec.parameters) for tool in tools)
