"""How the tests of tools call one: as the model does, through the toolbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import psutil

from desktop_app.tools.tool import Tool, ToolCall
from desktop_app.tools.toolbox import Toolbox


async def use(tools: Sequence[Tool], name: str, /, **arguments: Any) -> Any:
    """Return the output, decoded if it is JSON; a failure is `{"error": …}`."""
    result = await Toolbox(tools).run(called(name, **arguments))
    try:
        output = json.loads(result.output)
    except ValueError:
        output = result.output
    assert result.failed == (isinstance(output, dict) and "error" in output)
    return output


async def error(tools: Sequence[Tool], name: str, /, **arguments: Any) -> str:
    """Return the sentence of a call that must fail."""
    output = await use(tools, name, **arguments)
    assert list(output) == ["error"], output
    return str(output["error"])


def question(tools: Sequence[Tool], name: str, /, **arguments: Any) -> str:
    """Return what the user is asked."""
    return Toolbox(tools).question(called(name, **arguments))


def called(name: str, /, **arguments: Any) -> ToolCall:
    """Return the call."""
    return ToolCall("call_1", name, json.dumps(arguments))


async def ended(process: psutil.Process, deadline_s: float = 10.0) -> None:
    """Wait until the process has ended."""
    async with asyncio.timeout(deadline_s):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
