"""Let the assistant see the screen. The picture itself is taken elsewhere: by Qt, which this room does not know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from desktop_app.tools.tool import (
    Arguments,
    Consent,
    FunctionTool,
    Picture,
    Tool,
    ToolSpec,
    WithPictures,
    parameters,
)

SPEC = ToolSpec(
    "take_screenshot",
    "Look at the user's screen; the picture follows as a message.",
    parameters(),
    Consent.ALWAYS_ASK,
    title="Screenshot",
)

TakeScreenshot = Callable[[], Awaitable[Picture]]
"""Returns a PNG or JPEG, scaled for the model; raises `ToolError` if the screen cannot be had."""


def screenshot_tool(take: TakeScreenshot) -> Tool:
    """Return the tool."""

    async def run(_: Arguments) -> object:
        return WithPictures("The screenshot follows as the next message.", (await take(),))

    return FunctionTool(SPEC, run, ask=lambda _: "Let the assistant see your whole screen?")
