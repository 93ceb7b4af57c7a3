"""The local server as a process with its own engines, driven by the vendor's client: asked in writing and aloud."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from desktop_app.media import decode_audio_file
from tests.interop.conftest import ROOT
from tests.interop.test_openai_sdk import TOKEN, Vendor, client_of, text_with

pytestmark = pytest.mark.weights

SPEECH = ROOT / "tests" / "data" / "speech"
LOADED_WITHIN_S = 90
CLOCK: Any = {
    "type": "function",
    "name": "get_time",
    "description": "The current time in a city or time zone.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}


@asynccontextmanager
async def serving(profile: Path) -> AsyncIterator[str]:
    """Run the local server by its own command; return its address once the engines are loaded."""
    env = {**os.environ, "PARLEY_LOCAL_TOKEN": TOKEN, "PARLEY_WEIGHTS_DIR": str(ROOT / "build" / "weights")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "main.py"), "--serve-local", "--profile", str(profile)),
        env=env, stdin=-1, stdout=-1, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = ""
        async with asyncio.timeout(LOADED_WITHIN_S):
            async for line in process.stdout:
                told = json.loads(line)
                url = told.get("url") or url
                if told["event"] == "loaded":
                    break
        yield url
    finally:
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def asked(vendor: Vendor, text: str) -> Any:
    """Ask in writing; return the response."""
    await vendor.says(text)
    await vendor.does.response.create()
    return (await vendor.until("response.done")).response


async def test_a_conversation_with_the_real_engines(tmp_path: Path) -> None:
    async with serving(tmp_path) as url, client_of(url) as vendor:
        audio = {"input": {"transcription": {"model": "whisper-base", "language": "en"}, "turn_detection": None}}
        session: Any = {"type": "realtime", "audio": audio, "tools": [CLOCK]}
        await vendor.does.session.update(session=session)

        response = await asked(vendor, "What is seventeen times four?")
        (item,) = response.output
        assert "68" in item.content[0].transcript or "sixty-eight" in item.content[0].transcript.lower()
        deltas = [event.delta for event in vendor.seen if event.type == "response.output_audio.delta"]
        spoken_ms = len(b"".join(map(base64.b64decode, deltas))) / 48
        assert 300 < spoken_ms < 20_000
        assert response.usage.output_token_details.audio_tokens == pytest.approx(spoken_ms / 50, abs=1)

        pcm = decode_audio_file(SPEECH / "go-forward.wav")
        for start in range(0, len(pcm), 48_000):
            block = base64.b64encode(pcm[start : start + 48_000]).decode()
            await vendor.does.input_audio_buffer.append(audio=block)
        await vendor.does.input_audio_buffer.commit()
        transcript = await vendor.until("conversation.item.input_audio_transcription.completed")
        assert "forward" in transcript.transcript.lower()

        await vendor.does.session.update(session=text_with(tool_choice="auto"))
        response = await asked(vendor, "What time is it in Tokyo?")
        (call,) = response.output
        assert (call.type, call.name) == ("function_call", "get_time")
        assert "tokyo" in call.arguments.lower()
        output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": '{"time": "21:15"}'}
        await vendor.does.conversation.item.create(item=output)
        await vendor.does.response.create()
        response = (await vendor.until("response.done")).response
        assert "9:15" in response.output[0].content[0].text or "21:15" in response.output[0].content[0].text
