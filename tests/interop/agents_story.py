"""What a user of `openai-agents` does: a program of its own, run in an environment of its own.

It imports nothing of ours. A line of standard input names a story and a server: `typed ws://127.0.0.1:1/v1/realtime`;
the token is in AGENTS_TOKEN. Each thing that is seen is a JSON object on a line of its own, the last of a story is
`{"what": "end"}`. The test that started it says what there should have been.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import traceback
from array import array
from collections.abc import Awaitable, Callable
from typing import Any

from agents import function_tool
from agents.realtime import (
    RealtimeAgent,
    RealtimePlaybackTracker,
    RealtimeRunner,
    RealtimeSession,
    realtime_handoff,
)
from agents.realtime.model_inputs import RealtimeModelSendRawMessage

MODEL = "parley-offline"
WITHIN_S = 15


def tell(what: str, **more: Any) -> None:
    """Write down something that was seen."""
    print(json.dumps({"what": what, **more}), flush=True)


def loud(ms: int) -> bytes:
    """Return a tone that the scripted voice detection takes for speech: PCM16, mono, 24 kHz."""
    turn = 2 * math.pi * 300 / 24_000
    return array("h", (round(13_000 * math.sin(turn * at)) for at in range(24 * ms))).tobytes()


@function_tool  # type: ignore[untyped-decorator]
def generate_horoscope(sign: str) -> str:
    """Give today's horoscope for an astrological sign."""
    tell("tool ran", sign=sign)
    return f"{sign}: you will meet a friend."


@function_tool(needs_approval=True)  # type: ignore[untyped-decorator]
def send_flowers(to: str) -> str:
    """Send flowers to somebody."""
    tell("tool ran", to=to)
    return f"Flowers are on their way to {to}."


def astrologer() -> RealtimeAgent[Any]:
    """Return an agent with tools."""
    return RealtimeAgent(
        name="Astrologer", instructions="You read the stars.", tools=[generate_horoscope, send_flowers]
    )


def porter() -> RealtimeAgent[Any]:
    """Return an agent that hands over to another."""
    return RealtimeAgent(
        name="Porter", instructions="You open doors.", handoffs=[realtime_handoff(astrologer())], tools=[]
    )


# --- stories ------------------------------------------------------------------------------------


class Watched:
    """A session, and everything that comes of it."""

    def __init__(self, session: RealtimeSession, tracker: RealtimePlaybackTracker) -> None:
        self.session = session
        self.tracker = tracker
        self.audio: dict[str, bytearray] = {}
        self._arrived = asyncio.Condition()
        self._seen: list[str] = []
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async for event in self.session:
            what: str = event.type
            match event.type:
                case "audio":
                    audio = self.audio.setdefault(event.item_id, bytearray())
                    audio += event.audio.data
                case "error":
                    tell("error", error=str(event.error))
                case "tool_end":
                    tell("tool end", output=event.output)
                case "handoff":
                    tell("handoff", to=event.to_agent.name)
                case "audio_interrupted":
                    tell("interrupted", item=event.item_id)
                case "tool_approval_required":
                    tell("approval", tool=event.tool.name)
                    await self.session.approve_tool_call(event.call_id)
                case "raw_model_event" if event.data.type == "raw_server_event":
                    what = event.data.data["type"]
                    self._tell_raw(event.data.data)
                case _:
                    pass
            async with self._arrived:
                self._seen.append(what)
                self._arrived.notify_all()

    def _tell_raw(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "response.done":
                tell("done", status=event["response"]["status"], words=_words(event["response"]))
            case "conversation.item.truncated":
                tell("truncated", item=event["item_id"], ms=event["audio_end_ms"])
            case "session.updated":
                session = event["session"]
                names = [tool["name"] for tool in session["tools"]]
                tell("updated", tools=names, instructions=session["instructions"], tracing=session["tracing"])

    async def until(self, what: str, times: int = 1) -> None:
        """Wait until something was seen so many times."""
        async with asyncio.timeout(WITHIN_S), self._arrived:
            await self._arrived.wait_for(lambda: self._seen.count(what) >= times)

    async def end(self) -> None:
        """Tell the history as the vendor's session keeps it, and stop watching."""
        for item in self.session._history:
            words = [
                getattr(part, "text", None) or getattr(part, "transcript", None)
                for part in getattr(item, "content", [])
            ]
            tell(
                "history", role=getattr(item, "role", item.type), words=words, output=getattr(item, "output", None)
            )
        tell("audio", ms=[len(audio) // 48 for audio in self.audio.values()])
        self._watching.cancel()


def _words(response: dict[str, Any]) -> list[str]:
    parts = [part for item in response["output"] for part in item.get("content") or []]
    return [part.get("text") or part.get("transcript") or "" for part in parts]


async def typed(watched: Watched) -> None:
    """Type two messages, the second while the first is being answered."""
    await watched.session.send_message("Hello?")
    await watched.until("response.done")
    content = [
        {"type": "input_text", "text": "And this picture?"},
        {"type": "input_image", "image_url": os.environ["AGENTS_PICTURE"]},
    ]
    await watched.session.send_message({"type": "message", "role": "user", "content": content})
    await watched.until("response.done", 2)


async def pushed(watched: Watched) -> None:
    """Push to talk: send audio, commit it, ask."""
    await watched.session.send_audio(loud(450))
    await watched.session.send_audio(loud(450), commit=True)
    await watched.until("input_audio_buffer.committed")
    create: Any = {"type": "response.create"}
    await watched.session.model.send_event(RealtimeModelSendRawMessage(message=create))
    await watched.until("conversation.item.input_audio_transcription.completed")
    await watched.until("response.done")
    await watched.until("audio_end")


async def hands_free(watched: Watched) -> None:
    """Speak, be answered at length, and talk over the answer: the client cancels nothing, but truncates."""
    await watched.session.send_audio(bytes(48 * 400) + loud(900) + bytes(48 * 1500))
    await watched.until("response.output_audio.delta", 20)
    (item_id,) = watched.audio
    watched.tracker.on_play_ms(item_id, 0, 900)
    await watched.session.send_audio(loud(400))
    await watched.until("audio_interrupted")
    await watched.until("conversation.item.truncated")
    await watched.session.send_audio(bytes(48 * 1500))
    await watched.until("response.done", 2)


async def interrupted(watched: Watched) -> None:
    """Stop an answer by the button."""
    await watched.session.send_message("Tell me a long story.")
    await watched.until("response.output_audio.delta", 20)
    (item_id,) = watched.audio
    watched.tracker.on_play_ms(item_id, 0, 600)
    await watched.session.interrupt()
    await watched.until("response.done")
    await watched.until("conversation.item.truncated")
    await watched.session.send_message("Go on.")
    await watched.until("response.done", 2)


async def called(watched: Watched) -> None:
    """Have tools called: one at once, one after a yes; the model speaks of both."""
    await watched.session.send_message("I am an aquarius.")
    await watched.until("tool_end")
    await watched.until("response.done", 2)
    await watched.session.send_message("Send flowers to Ada.")
    await watched.until("tool_end", 2)
    await watched.until("response.done", 4)


async def handed_over(watched: Watched) -> None:
    """Be handed over to another agent, with other instructions and tools."""
    await watched.session.send_message("I want my horoscope.")
    await watched.until("handoff")
    await watched.until("response.done", 2)


STORIES: dict[
    str, tuple[Callable[[], RealtimeAgent[Any]], Callable[[Watched], Awaitable[None]], dict[str, Any]]
] = {
    "typed": (astrologer, typed, {"output_modalities": ["text"]}),
    "pushed": (astrologer, pushed, {"turn_detection": None}),
    "semantic-vad": (astrologer, hands_free, {}),
    "server-vad": (astrologer, hands_free, {"turn_detection": {"type": "server_vad", "interrupt_response": True}}),
    "interrupted": (astrologer, interrupted, {}),
    "called": (astrologer, called, {"output_modalities": ["text"]}),
    "handed-over": (porter, handed_over, {"output_modalities": ["text"]}),
    "unconfigured": (astrologer, typed, {"model_name": "gpt-realtime-2.1", "voice": "ash"}),
}


async def play(name: str, url: str) -> None:
    """Play one story."""
    make, story, settings = STORIES[name]
    tracker = RealtimePlaybackTracker()
    config: Any = {
        "url": f"{url}?model={MODEL}",
        "api_key": os.environ["AGENTS_TOKEN"],
        "playback_tracker": tracker,
        "initial_model_settings": {"model_name": MODEL, "voice": "hum", **settings},
    }
    async with await RealtimeRunner(make()).run(model_config=config) as session:
        watched = Watched(session, tracker)
        try:
            await story(watched)
        finally:
            await watched.end()


def main() -> None:
    """Play whatever is asked for, until nothing is."""
    for line in sys.stdin:
        try:
            asyncio.run(play(*line.split()))
        except Exception:
            traceback.print_exc()
        tell("end")


if __name__ == "__main__":
    main()
