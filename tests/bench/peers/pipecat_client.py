"""Pipecat: LocalAudioTransport with its OpenAI Realtime service, turns detected by the server."""

import asyncio
import os

from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    SessionProperties,
    TurnDetection,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.local.audio import LocalAudioTransport, LocalAudioTransportParams
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies


async def main() -> None:
    """Talk until the server goes away."""
    params = LocalAudioTransportParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_in_sample_rate=24000,
        audio_out_sample_rate=24000,
    )
    transport = LocalAudioTransport(params)
    audio = AudioConfiguration(input=AudioInput(turn_detection=TurnDetection()))
    llm = OpenAIRealtimeLLMService(
        api_key=os.environ["PARLEY_PEER_KEY"],
        base_url=os.environ["PARLEY_PEER_URL"],
        settings=OpenAIRealtimeLLMService.Settings(
            model="gpt-realtime", session_properties=SessionProperties(audio=audio)
        ),
    )
    aggregators = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
    )
    pipeline = Pipeline([transport.input(), aggregators.user(), llm, transport.output(), aggregators.assistant()])
    rates = PipelineParams(audio_in_sample_rate=24000, audio_out_sample_rate=24000)
    await PipelineRunner().run(PipelineTask(pipeline, params=rates))


asyncio.run(main())
