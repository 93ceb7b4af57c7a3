"""Notes, if the client offers tools for them: a new one, one more line, reading one, searching all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.toolkit import (
    MissingFrame,
    as_written,
    call,
    completed,
    properties,
    required,
    spaced,
)
from desktop_app.local_server.engines import Tool

_NOTE = re.compile(
    r"^(?:(?:make|take|create|write|add|save|leave|jot down|write down|start)(?: me| down| up)? (?:a "
    r"|an |another |the |my )?(?:new |quick |short )*"
    r"(?:note|memo)|note|memo|note to self|note to myself|(?:write|jot|note)(?: (?:this|that|it))? "
    r"down|take (?:this|that) down)"
    r"(?: (?:that says|saying|that|to self|to myself|to|about|for me|with|which says|of|says))*(?: (?P<text>.+))?$"
)
_APPEND = re.compile(
    r"^(?:add|append|put|write|note) (?P<text>.+?) (?:to|on|onto|in|into) (?:the |my |our |a )"
    r"(?P<title>.+?(?= notes?$)|.+? list)(?: notes?)?$"
)
_READ = re.compile(
    r"^(?:read|show|open|tell|give)(?: (?:me|to me|out|aloud))* (?:what is (?:in|on) )?(?:the |my |our "
    r")(?:note |notes )?"
    r"(?:(?:called|named|titled|about|on|with the title) )?(?P<title>.+?(?= notes?$)|.+? list"
    r"|(?<=called ).+|(?<=named ).+|(?<=titled ).+|(?<=note about ).+)(?: notes?)?$"
    r"|^what (?:is|does) (?:in|on|it say in)? ?(?:the |my |our )(?P<title2>.+? (?:list|note))$"
)
_SEARCH = re.compile(
    r"^(?:search|look through|go through) (?:all )?(?:the |my )?notes (?:for|about) (?:the word )?(?P<query>.+)$"
    r"|^(?:find|search|look|look for|search for) (?:for )?(?:the word )?(?P<query2>.+?) in (?:all "
    r")?(?:the |my )notes$"
)
_MIND = re.compile(r"^take note (?:that|of)\b")
"""Not a note to be taken: somebody shall know."""
_WORDS_OF_TITLE = 6


class Notes:
    """Writes notes down and reads them out."""

    abilities: Sequence[str] = ()

    def answer(self, request: Request) -> Answer | None:
        """Return the call of the tool that fits."""
        if request.before is not None:
            frame = request.before.frame
            if isinstance(frame, MissingFrame) and frame.skill == "notes":
                return self.answer(completed(request, frame))
            return None
        if _MIND.match(request.said):
            return None
        for tool in request.tools:
            names = set(spaced(tool.name).split())
            if names & {"note", "notes"} and (answer := _with(tool, names, request)):
                return answer
        return None


def _with(tool: Tool, names: set[str], request: Request) -> Answer | None:
    """Return the call of this tool, if it is the one that is asked for."""
    said, wants = request.said, set(required(tool))
    if {"title", "text"} <= set(properties(tool)) and names & {"append", "add"}:
        return _call(tool, _APPEND.match(said), request, "title", "text")
    if "text" in properties(tool) and wants <= {"title", "text"}:
        return _new(tool, request)
    if wants == {"title"} and names & {"read", "get", "open", "show"}:
        return _call(tool, _READ.match(said), request, "title")
    if wants == {"query"} and names & {"search", "find"}:
        return _call(tool, _SEARCH.match(said), request, "query")
    return None


def _call(tool: Tool, match: re.Match[str] | None, request: Request, *names: str) -> Answer | None:
    """Return the call with what the groups of the match say, as it was written."""
    if match is None:
        return None
    groups = {key.rstrip("2"): value for key, value in match.groupdict().items() if value}
    return call(tool, {name: as_written(groups[name], request.text) for name in names})


def _new(tool: Tool, request: Request) -> Answer | None:
    if not (match := _NOTE.match(request.said)):
        return None
    if not match["text"]:
        return Answer("What shall I write down?", frame=MissingFrame("take a note", "that says", "notes"))
    text = as_written(match["text"], request.text).strip()
    if "title" not in properties(tool):
        return call(tool, {"text": text})
    title = " ".join(text.split()[:_WORDS_OF_TITLE])
    return call(tool, {"title": f"{title[:1].upper()}{title[1:]}", "text": text})
