"""Pydantic AI's realtime session with `handle_barge_in`; devices as its documentation has them: chunk by chunk."""

import asyncio
import os

import sounddevice
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime.openai import OpenAIRealtimeModel


async def main() -> None:
    """Talk until the server goes away."""
    client = AsyncOpenAI(
        api_key=os.environ["PARLEY_PEER_KEY"],
        base_url=os.environ["PARLEY_PEER_URL"].replace("ws://", "http://").removesuffix("/realtime"),
    )
    model = OpenAIRealtimeModel("gpt-realtime", provider=OpenAIProvider(openai_client=client))
    loop = asyncio.get_running_loop()
    captured: asyncio.Queue[bytes] = asyncio.Queue()

    def heard(block: object, *_: object) -> None:
        loop.call_soon_threadsafe(captured.put_nowait, bytes(block))  # type: ignore[call-overload]

    async with Agent(instructions="You are a test.").realtime(model).session(handle_barge_in=True) as session:
        speaker = sounddevice.RawOutputStream(24000, channels=1, dtype="int16", latency="low")
        microphone = sounddevice.RawInputStream(24000, 480, channels=1, dtype="int16", callback=heard)
        with speaker, microphone:

            async def speak() -> None:
                async for chunk in session.stream_audio():
                    await asyncio.to_thread(speaker.write, chunk)

            async def listen() -> None:
                while True:
                    await session.send_audio(await captured.get())

            async def follow() -> None:
                async for _ in session:
                    pass

            await asyncio.gather(speak(), listen(), follow())


asyncio.run(main())
