"""The volume of the computer's speaker, if the client offers a tool that sets it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.toolkit import MissingFrame, call, completed, properties, required, spaced
from desktop_app.local_server.engines import Tool

_VOLUME_TO = re.compile(
    r"^(?:(?:set|put|turn|change|make|bring|adjust|raise|lower|increase|decrease|reduce)\s)?(?:the |my "
    r")?(?:sound |speaker |system |computer |audio )?"
    r"volume(?: (?:up|down))?(?: (?:to|at|on|level))* (?P<level>\d{1,3}|max|maximum|full|half|minimum"
    r"|zero)(?: ?percent| per cent)?$"
    r"|^turn (?:it|the sound|the music) (?:up|down) to (?P<level2>\d{1,3})(?: ?percent)?$"
    r"|^(?P<level3>max|maximum|full|half) volume$"
)
_MUTE = re.compile(
    r"^(?:mute|silence)(?: (?:the |my )?(?:sound|speakers?|volume|computer|audio|pc|laptop|it"
    r"|system))?$|^turn (?:off )?(?:the )?(?:sound|volume)(?: off)?$"
)
_LOUDER = re.compile(
    r"^(?:(?:turn|make|put|set|bring|raise|lower|increase|decrease|reduce|a bit|a little|be)\s)*(?:it "
    r"|that |the |my )*(?:sound |volume |music |speaker )*"
    r"(?:up|down|louder|quieter|softer|higher|lower)(?: (?:a bit|a little|please|some|the volume|the "
    r"sound|a notch))*$"
    r"|^(?:raise|lower|increase|decrease|reduce|change|turn up|turn down|adjust) (?:the |my )?(?:volume|sound)$"
)


class Volume:
    """Sets the volume; "louder" alone is asked back, since by how much is not said."""

    abilities: Sequence[str] = ()

    def answer(self, request: Request) -> Answer | None:
        """Return the call that sets the volume."""
        if request.before is not None:
            frame = request.before.frame
            if isinstance(frame, MissingFrame) and frame.skill == "volume":
                return self.answer(completed(request, frame))
            return None
        said = request.figures
        found = next(filter(None, map(_parameter, request.tools)), None)
        if found is None:
            return None
        tool, name = found
        if match := _VOLUME_TO.match(said):
            level = match["level"] or match["level2"] or match["level3"]
            named = {"max": 100, "maximum": 100, "full": 100, "half": 50, "minimum": 0, "zero": 0}
            percent = named[level] if level in named else int(level)
            return call(tool, {name: percent}) if percent <= 100 else Answer("I can't: it ends at 100 percent.")
        if _MUTE.match(said):
            return call(tool, {name: 0})
        if _LOUDER.match(said):
            return Answer("To how many percent?", frame=MissingFrame("set the volume", "to", "volume"))
        return None


def _parameter(tool: Tool) -> tuple[Tool, str] | None:
    """Return a tool that sets the volume with the one parameter it needs, a number."""
    if not {"set", "volume"} <= set(spaced(tool.name).split()):
        return None
    numbers = [name for name, schema in properties(tool).items() if schema.get("type") in ("integer", "number")]
    return (tool, numbers[0]) if numbers and list(required(tool)) in (numbers[:1], []) else None
