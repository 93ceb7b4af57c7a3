"""LiveKit Agents in console mode with its OpenAI plugin, turns detected by the server."""

import os

from livekit.agents import Agent, AgentSession, JobContext, WorkerOptions, cli
from livekit.plugins import openai


async def entrypoint(context: JobContext) -> None:
    """Talk."""
    await context.connect()
    model = openai.realtime.RealtimeModel(
        model="gpt-realtime",
        base_url=os.environ["PARLEY_PEER_URL"].removesuffix("/realtime"),
        api_key=os.environ["PARLEY_PEER_KEY"],
    )
    await AgentSession(llm=model).start(agent=Agent(instructions="You are a test."), room=context.room)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
