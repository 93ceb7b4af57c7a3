"""All the tools there are, and how one call of one is run.

Whatever a tool does, the model gets an answer it can act on, within a time limit: `{"error": …}` for a tool that
raises, hangs, gives up or returns what is not data; for arguments that are not JSON or do not fit the schema; for a
name nobody knows ("Function calling" of the guide: a call without output leaves the model waiting).
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from desktop_app.errors import ToolError
from desktop_app.protocol import items
from desktop_app.tasks import start_task
from desktop_app.tools.rendering import clip, render
from desktop_app.tools.threads import in_thread
from desktop_app.tools.tool import (
    Arguments,
    Asking,
    Consent,
    Picture,
    Tool,
    ToolCall,
    ToolResult,
    ToolSpec,
    WithPictures,
)

TIMEOUT_S = 20.0
MAX_OUTPUT_BYTES = 16_000
MAX_ARGUMENTS_CHARS = 256_000
MAX_ERROR_BYTES = 600
MAX_QUESTION_BYTES = 4_000

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PICTURES = ("image/png", "image/jpeg")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why there is no output, as a sentence for the model."""

    sentence: str


class Toolbox:
    """The tools by their names. `changed` is called when the set has changed."""

    def __init__(
        self,
        tools: Iterable[Tool] = (),
        *,
        timeout_s: float = TIMEOUT_S,
        max_output: int = MAX_OUTPUT_BYTES,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._max_output = max_output
        self._changed = changed
        self._sources: dict[str, tuple[Tool, ...]] = {"": tuple(tools)}
        self._tools: dict[str, Tool] = {}
        self._left_out: dict[str, tuple[str, ...]] = {}
        self._index()

    # --- what there is --------------------------------------------------------------------------

    def replace(self, source: str, tools: Sequence[Tool]) -> tuple[str, ...]:
        """Put these tools in the place of all that came from `source`; none: the source is gone.

        Returns the names that were left out: one that is taken belongs to whoever came first, the program before
        all others, and one that is no valid name belongs to nobody.
        """
        before = self.specs()
        if tools:
            self._sources[source] = tuple(tools)
        else:
            self._sources.pop(source, None)
        self._index()
        if self._changed is not None and self.specs() != before:
            self._changed()
        return self._left_out.get(source, ())

    def specs(self) -> list[ToolSpec]:
        """Return what there is, in a stable order."""
        return [tool.spec for tool in self._tools.values()]

    def as_session_tools(self) -> list[items.Tool]:
        """Return it as the session's `tools`: flat function tools."""
        return [
            items.Tool(name=spec.name, description=spec.description, parameters=spec.parameters)
            for spec in self.specs()
        ]

    def spec(self, name: str) -> ToolSpec | None:
        """Return the tool's spec; None if there is no such tool."""
        tool = self._tools.get(name)
        return tool.spec if tool else None

    def _index(self) -> None:
        self._tools, self._left_out = {}, {}
        for source, tools in self._sources.items():
            left_out = []
            for tool in tools:
                name = tool.spec.name
                if _NAME.fullmatch(name) and name not in self._tools:
                    self._tools[name] = tool
                else:
                    left_out.append(name)
            self._left_out[source] = tuple(left_out)

    # --- consent --------------------------------------------------------------------------------

    def needs_consent(self, name: str) -> bool:
        """Return whether the user must be asked; not for a name nobody knows, since nothing will happen."""
        tool = self._tools.get(name)
        return tool is not None and tool.spec.consent is Consent.ALWAYS_ASK

    async def refusal(self, call: ToolCall) -> ToolResult | None:
        """Return the failure this call would end in anyway: then the user need not be asked about it."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                tool, arguments = await self._checked(call)
            if isinstance(tool, Asking):
                tool.question(arguments)
        except ToolError as error:
            return _failure(str(error), began)
        except TimeoutError:
            return _failure(_timeout(call, self._timeout_s), began)
        except Exception as error:  # a tool's own code
            return _failure(_raised(call, error), began)
        return None

    def question(self, call: ToolCall) -> str:
        """Return what would happen, in the tool's own words; empty: its name and the arguments say it."""
        try:
            tool, arguments = self._found(call)
            words = tool.question(arguments) if isinstance(tool, Asking) else ""
        except ToolError:
            return ""  # `refusal` has the sentence
        return clip(words, MAX_QUESTION_BYTES)

    # --- a call ---------------------------------------------------------------------------------

    async def run(self, call: ToolCall) -> ToolResult:
        """Run the call and return what came of it; never raises, except that it can be cancelled."""
        began = time.monotonic()
        # A task of its own, since a tool that does not let itself be cancelled must not hold us up.
        task = start_task(self._attempt(call), name=f"tool {call.name[:64]}")
        try:
            done, _ = await asyncio.wait({task}, timeout=self._timeout_s)
        finally:
            if not task.done():
                task.cancel()
        if not done:
            return _failure(_timeout(call, self._timeout_s), began)
        if task.cancelled():
            return _failure(f"The tool {call.name} gave up.", began)
        match task.result():
            case _Failed(sentence):
                return _failure(sentence, began)
            case WithPictures(output, pictures):
                return self._rendered(output, pictures, began)
            case output:
                return self._rendered(output, (), began)

    async def _attempt(self, call: ToolCall) -> object:
        try:
            tool, arguments = await self._checked(call)
            return await tool.run(arguments)
        except ToolError as error:
            return _Failed(str(error))
        except (Exception, SystemExit) as error:  # a tool's own code may raise anything
            return _Failed(_raised(call, error))

    async def _checked(self, call: ToolCall) -> tuple[Tool, Arguments]:
        tool, arguments = self._found(call)
        wrong = await in_thread(_problems, tool.spec.parameters, arguments)
        if wrong:
            raise ToolError(f"The arguments of {call.name} are wrong.", wrong)
        return tool, arguments

    def _found(self, call: ToolCall) -> tuple[Tool, Arguments]:
        tool = self._tools.get(call.name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            raise ToolError(f"There is no tool named {call.name[:64]!r}.", f"There are: {known}.")
        return tool, _parse(call.arguments)

    def _rendered(self, output: object, pictures: tuple[Picture, ...], began: float) -> ToolResult:
        try:
            text = render(output, self._max_output)
        except ToolError as error:
            return _failure(str(error), began)
        except Exception as error:  # the result's own code, such as a mapping that raises
            return _failure(f"The tool returned something that cannot be read: {type(error).__name__}.", began)
        seen = tuple(picture for picture in pictures if picture.media_type in _PICTURES)
        return ToolResult(text, failed=False, seconds=time.monotonic() - began, pictures=seen)


def _parse(text: str) -> dict[str, Any]:
    """Return the arguments; models write nothing at all for a call without any."""
    if len(text) > MAX_ARGUMENTS_CHARS:
        raise ToolError(f"The arguments are too long: {len(text):,} characters.")
    if not text.strip():
        return {}
    try:
        arguments = msgspec.json.decode(text)
    except RecursionError:
        raise ToolError("The arguments are nested too deeply.") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise ToolError("The arguments are not valid JSON.", f"{error}.") from None
    if not isinstance(arguments, dict):
        raise ToolError("The arguments must be one JSON object.")
    return arguments


def _problems(schema: Arguments, arguments: Arguments) -> str:
    from desktop_app.tools.checking import problems  # the library behind it is imported at the first call

    return problems(schema, arguments)


def _failure(sentence: str, began: float) -> ToolResult:
    output = json.dumps({"error": clip(sentence, MAX_ERROR_BYTES)}, ensure_ascii=False)
    return ToolResult(output, failed=True, seconds=time.monotonic() - began)


def _timeout(call: ToolCall, timeout_s: float) -> str:
    return f"timeout: {call.name} did not answer within {timeout_s:g} seconds."


def _raised(call: ToolCall, error: BaseException) -> str:
    """Word an exception nobody planned; its text may hold anything, so the log gets its type alone."""
    _log.warning("the tool %s raised %s", call.name, type(error).__name__)
    try:
        said = str(error)[:MAX_ERROR_BYTES]
    except Exception:  # the exception's own code
        said = ""
    return f"The tool {call.name} failed: {type(error).__name__}" + (f": {said}" if said else ".")
