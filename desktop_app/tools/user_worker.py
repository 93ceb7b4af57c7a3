"""The child process that one of the user's tool files runs in.

It reads JSON, one object a line. The first is the file: `{"path", "source"}`; answered by `{"tools", "remarks"}`
or `{"error"}`. Each further one is a call: `{"name", "arguments"}`; answered by `{"output"}` or `{"error"}`. What
the file prints goes to standard error, so that it cannot disturb the answers. It ends when its input does, in the
middle of a call as well.

A function becomes a tool if it is public, defined in the file, and each of its parameters has a type that JSON can
hold: `str`, `int`, `float`, `bool`, `Literal`, `Enum`, `X | None`, `list`, `dict`, dates, dataclasses, `TypedDict`.
"""

from __future__ import annotations

import asyncio
import inspect
import linecache
import os
import queue
import sys
import threading
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import msgspec

from desktop_app.errors import ToolError
from desktop_app.tools.rendering import render

MAX_OUTPUT_BYTES = 256_000
MAX_DESCRIPTION = 4_000


class File(msgspec.Struct):
    """The first line: the file as the user agreed to it."""

    path: str
    source: str


class Call(msgspec.Struct):
    """A call of one of its functions."""

    name: str
    arguments: dict[str, Any]


class Described(msgspec.Struct):
    """A function, as the model is told of it."""

    name: str
    description: str
    parameters: dict[str, Any]


class Loaded(msgspec.Struct):
    """What the file offers."""

    tools: list[Described] = []
    remarks: list[str] = []
    """Why a function is not offered, a sentence each."""
    error: str = ""
    """Why there is nothing."""


class Answer(msgspec.Struct):
    """What a call returned, or how it failed."""

    output: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Function:
    described: Described
    function: Callable[..., object]
    arguments: type[msgspec.Struct]


class _Unfit(Exception):
    """A function cannot be a tool: the reason, as it follows the function's name."""


def main() -> int:
    """Serve one file until the input ends."""
    requests, replies = _take_pipes()
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, lines), daemon=True).start()
    file = msgspec.json.decode(lines.get(), type=File)
    functions: dict[str, _Function] = {}
    try:
        functions, remarks = load(file.path, file.source)
        _send(replies, Loaded([each.described for each in functions.values()], remarks))
    except BaseException as error:  # the file may raise anything, SystemExit as well
        _send(replies, Loaded(error=sentence(error, file.path)))
    while True:
        call = msgspec.json.decode(lines.get(), type=Call)
        _send(replies, _answer(functions, call, file.path))


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep input and output for ourselves; the file gets an empty input, and its prints go to standard error."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  # as long as the process
    sys.stdout = sys.stderr
    return requests, replies


def _read(requests: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    for line in requests:
        lines.put(line)
    os._exit(0)  # the program has ended, or has no more use for us; a call under way must not keep us alive


def _send(replies: IO[bytes], answer: Loaded | Answer) -> None:
    replies.write(msgspec.json.encode(answer) + b"\n")
    replies.flush()


def _answer(functions: Mapping[str, _Function], call: Call, path: str) -> Answer:
    try:
        function = functions[call.name]
        arguments = msgspec.convert(call.arguments, function.arguments)
        given = {name: getattr(arguments, name) for name in arguments.__struct_fields__}
        result = function.function(**{name: value for name, value in given.items() if value is not msgspec.UNSET})
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        return Answer(output=render(result, MAX_OUTPUT_BYTES))
    except ToolError as error:
        return Answer(error=str(error))
    except msgspec.ValidationError as error:
        return Answer(error=f"The arguments of {call.name} are wrong: {error}.")
    except BaseException as error:  # the file may raise anything, SystemExit as well
        return Answer(error=sentence(error, path))


# --- the file -----------------------------------------------------------------------------------


def load(path: str, source: str) -> tuple[dict[str, _Function], list[str]]:
    """Run the file's top level; return its functions by name, and why others are left out."""
    name = "user_tools_" + os.path.splitext(os.path.basename(path))[0]
    module = types.ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # where dataclasses and annotations look names up
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    functions, remarks = {}, []
    for key, value in list(vars(module).items()):
        if key.startswith("_") or not inspect.isfunction(value) or value.__module__ != name:
            continue
        try:
            functions[key] = _tool(key, value)
        except _Unfit as reason:
            remarks.append(f"{key} is not offered: {reason}.")
    return functions, remarks


def _tool(name: str, function: Callable[..., object]) -> _Function:
    if not name.isascii() or len(name) > 64:
        raise _Unfit("its name must be of at most 64 unaccented letters")
    arguments, defaults = _arguments(name, function)
    schema = _schema(arguments)
    text, about = _documented(function)
    for key, member in schema["properties"].items():
        if key in about:
            member.setdefault("description", about[key])
        if key in defaults:
            member["default"] = defaults[key]
    return _Function(Described(name, text, schema), function, arguments)


def _arguments(name: str, function: Callable[..., object]) -> tuple[type[msgspec.Struct], dict[str, Any]]:
    """Return the parameters as a struct whose optional ones are unset, and those defaults that JSON can hold."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
        parameters = inspect.signature(function).parameters.values()
    except Exception as error:  # an annotation is code, too
        raise _Unfit(f"its types cannot be read: {error}") from error
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    defaults: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise _Unfit(f"its parameter {parameter} cannot be given by name")
        if parameter.name not in hints:
            raise _Unfit(f"its parameter {parameter.name} has no type")
        hint = _with_description(hints[parameter.name])
        if parameter.default is parameter.empty:
            fields.append((parameter.name, hint))
        else:
            fields.append((parameter.name, typing.Union[hint, msgspec.UnsetType], msgspec.UNSET))  # noqa: UP007
            try:
                defaults[parameter.name] = msgspec.to_builtins(parameter.default)
            except (TypeError, ValueError):
                pass  # the function knows it; the model is not told
    try:
        struct = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
    except (TypeError, ValueError) as error:
        raise _Unfit(f"its parameters cannot be given: {error}") from error
    return struct, defaults


def _with_description(hint: Any) -> Any:
    """Let `Annotated[str, "the city"]` describe a parameter."""
    if typing.get_origin(hint) is not typing.Annotated:
        return hint
    described = [each for each in hint.__metadata__ if isinstance(each, str)]
    kept = [each for each in hint.__metadata__ if not isinstance(each, str)]
    if described:
        kept.append(msgspec.Meta(description=described[0]))
    whole = hint.__origin__
    for each in kept:
        whole = typing.Annotated[whole, each]
    return whole


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    try:
        schema = msgspec.json.schema(arguments)
    except TypeError as error:
        raise _Unfit(f"a type of its parameters cannot be written as JSON: {error}") from error
    inlined: dict[str, Any] = _inline(schema, schema.get("$defs", {}), ())
    inlined.pop("$defs", None)
    return inlined


def _inline(node: Any, definitions: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    """Return the schema without references: not every server follows them."""
    if isinstance(node, list):
        return [_inline(each, definitions, within) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(reference := node.get("$ref"), str):
        name = reference.rpartition("/")[2]
        if name in within:
            raise _Unfit("a type of its parameters contains itself")
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _inline({**definitions[name], **rest}, definitions, (*within, name))
    left_out = ("$defs", "title") if isinstance(node.get("title"), str) else ("$defs",)
    return {key: _inline(value, definitions, within) for key, value in node.items() if key not in left_out}


def _documented(function: Callable[..., object]) -> tuple[str, dict[str, str]]:
    """Return the docstring without its list of parameters, and the parameters' own words."""
    import docstring_parser

    text = inspect.getdoc(function) or ""
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text[:MAX_DESCRIPTION], {}
    parts = [part for part in (parsed.short_description, parsed.long_description) if part]
    if parsed.returns and parsed.returns.description:
        parts.append(f"Returns {parsed.returns.description}")
    about = {each.arg_name: each.description for each in parsed.params if each.description}
    return ("\n\n".join(parts) or text)[:MAX_DESCRIPTION], about


def sentence(error: BaseException, path: str) -> str:
    """Return where in the file it went wrong, and what."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines, said = [error.lineno], error.msg
    else:
        try:
            said = str(error)[:400]
        except BaseException:  # the exception's own code
            said = ""
    place = os.path.basename(path) + (f", line {lines[-1]}" if lines else "")
    return f"{place}: {type(error).__name__}: {said}".rstrip(": ")
