"""Chat endpoints, over real loopback HTTP: streams, calls in all their forms, and every way to fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from desktop_app.errors import ConnectionFailed, EndpointRefused, KeyRejected, ParleyError
from desktop_app.local_server.engines import FunctionCall, Message, MessageRole, Tool
from desktop_app.local_server.engines.chat_endpoint import ChatEndpoint, Offer, probe_loopback

TIMER = Tool("set_timer", "Start a timer.", {"type": "object", "properties": {"minutes": {"type": "number"}}})
HELLO = [Message(MessageRole.SYSTEM, "Be kind."), Message(MessageRole.USER, "Hello!")]

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class FakeServer:
    """A chat endpoint that answers every request with the same bytes and keeps what it was asked."""

    port: int = 0
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client hangs up before the answer is complete."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    serving_tasks: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving_tasks.add(asyncio.current_task())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            fake.requests.append((lines[0].split()[1], headers, json.loads(body) if body else None))
            await answer(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            fake.gone.set()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    async with server:
        yield fake
    await asyncio.wait_for(asyncio.gather(*filter(None, serving_tasks)), 5)


def http(status: str, body: str | bytes, content_type: str = "application/json") -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = body.encode() if isinstance(body, str) else body
        head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + data)

    return answer


def sse(*events: object, done: bool = True) -> Answer:
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events]
    return http(
        "200 OK", ": hello\n\n" + "".join(lines) + ("data: [DONE]\n\n" if done else ""), "text/event-stream"
    )


def delta(**members: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": members}]}


async def pieces(
    answer: Answer, *, tools: Sequence[Tool] = (), messages: Sequence[Message] = HELLO, **options: Any
) -> list[str | FunctionCall]:
    async with serving(answer) as server:
        endpoint = ChatEndpoint(server.url, "small", **options)
        try:
            return [piece async for piece in endpoint.reply(messages, tools=tools)]
        finally:
            await endpoint.close()


async def failure(answer: Answer, **options: Any) -> ParleyError:
    with pytest.raises(ParleyError) as raised:
        await pieces(answer, **options)
    assert raised.value.sentence
    assert raised.value.hint
    return raised.value


# --- answers ------------------------------------------------------------------------------------


async def test_text_is_streamed() -> None:
    answer = sse(delta(role="assistant", content=""), delta(content="Good "), delta(content="day."))
    assert await pieces(answer) == ["Good ", "day."]


async def test_text_comes_before_the_answer_is_complete() -> None:
    more = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        writer.write(f"data: {json.dumps(delta(content='Good '))}\n\n".encode())
        await writer.drain()
        await more.wait()
        writer.write(f"data: {json.dumps(delta(content='day.'))}\n\ndata: [DONE]\n\n".encode())

    async with serving(answer) as server:
        endpoint = ChatEndpoint(server.url, "small")
        reply = endpoint.reply(HELLO)
        assert await anext(reply) == "Good "
        more.set()
        assert [piece async for piece in reply] == ["day."]
        await endpoint.close()


async def test_a_server_that_does_not_stream_is_understood() -> None:
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Good day."}}]})
    assert await pieces(http("200 OK", body)) == ["Good day."]


async def test_what_is_sent() -> None:
    conversation = [
        *HELLO,
        Message(MessageRole.ASSISTANT, calls=(FunctionCall("set_timer", '{"minutes": 5}', "call_1"),)),
        Message(MessageRole.TOOL, '{"ok": true}', call_id="call_1"),
    ]
    async with serving(sse(delta(content="Done."))) as server:
        endpoint = ChatEndpoint(server.url + "/", "small", api_key="not-a-real-key")
        assert [piece async for piece in endpoint.reply(conversation, tools=[TIMER], max_tokens=99)] == ["Done."]
        await endpoint.close()
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer not-a-real-key"
    assert body["model"] == "small"
    assert body["stream"] is True
    assert body["max_tokens"] == 99
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "set_timer", "arguments": '{"minutes": 5}'}
    assert body["messages"][3]["tool_call_id"] == "call_1"
    assert body["tools"][0]["function"]["name"] == "set_timer"


async def test_calls_are_put_together_from_fragments() -> None:
    def fragment(index: int, **members: Any) -> dict[str, Any]:
        return delta(tool_calls=[{"index": index, **members}])

    answer = sse(
        fragment(0, id="call_1", type="function", function={"name": "set_timer", "arguments": ""}),
        fragment(0, function={"arguments": '{"min'}),
        fragment(1, id="call_2", function={"name": "set_timer", "arguments": '{"minutes": 7}'}),
        fragment(0, function={"arguments": 'utes": 5}'}),
    )
    assert await pieces(answer, tools=[TIMER]) == [
        FunctionCall("set_timer", '{"minutes": 5}', "call_1"),
        FunctionCall("set_timer", '{"minutes": 7}', "call_2"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "set_timer", "arguments": {"minutes": 5}}',
        '<tool_call>\n{"name": "set_timer", "arguments": {"minutes": 5}}\n</tool_call>',
        '```json\n{"name": "set_timer", "arguments": {"minutes": 5}}\n```',
        '{"name": "set_timer", "arguments": {"minutes": 5}',
        '{"name": "set_timer", "parameters": {"minutes": 5}}',
        '{"function": {"name": "set_timer", "arguments": "{\\"minutes\\": 5}"}}',
        '{"function": "set_timer", "arguments": {"minutes": 5}}',
        '[{"name": "set_timer", "arguments": {"minutes": 5}}]',
        '<think>The user wants a timer.</think>\n{"name": "set_timer", "arguments": {"minutes": 5}}',
    ],
)
async def test_a_call_written_as_text_becomes_a_call(text: str) -> None:
    split = [delta(content=text[at : at + 3]) for at in range(0, len(text), 3)]
    calls = await pieces(sse(*split), tools=[TIMER])
    assert len(calls) == 1
    assert isinstance(calls[0], FunctionCall)
    assert calls[0].name == "set_timer"
    assert json.loads(calls[0].arguments) == {"minutes": 5}


@pytest.mark.parametrize(
    "text",
    ['{"name": "other", "arguments": {}}', "{ is a brace.", "[sic] they wrote", "<b>bold</b>", "`code` it is", "{"],
)
async def test_what_only_looks_like_a_call_is_said(text: str) -> None:
    split = [delta(content=text[at : at + 3]) for at in range(0, len(text), 3)]
    assert "".join(str(piece) for piece in await pieces(sse(*split), tools=[TIMER])) == text


async def test_thinking_aloud_is_not_said() -> None:
    answer = sse(
        delta(content="<thi"),
        delta(content="nk>Hm."),
        delta(content=" So?</think>\n\nGood "),
        delta(content="day."),
    )
    assert await pieces(answer) == ["Good ", "day."]


async def test_leaving_early_hangs_up() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(f"data: {json.dumps(delta(content='on and '))}\n\n".encode())
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(answer) as server:
        endpoint = ChatEndpoint(server.url, "small")
        reply = endpoint.reply(HELLO)
        assert await anext(reply) == "on and "
        await reply.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(server.gone.wait(), 5)
        await endpoint.close()


# --- failures -----------------------------------------------------------------------------------


async def test_nobody_listens() -> None:
    async with serving(sse()) as server:
        url = server.url
    endpoint = ChatEndpoint(url, "small")
    with pytest.raises(ConnectionFailed, match=r"could not reach the model at 127\.0\.0\.1"):
        [piece async for piece in endpoint.reply(HELLO)]
    await endpoint.close()


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_the_key_is_not_accepted(status: str) -> None:
    error = await failure(
        http(status, '{"error": {"message": "Incorrect API key provided: sk-abc123."}}'), api_key="x"
    )
    assert isinstance(error, KeyRejected)
    assert "sk-" not in str(error)


async def test_no_such_model() -> None:
    error = await failure(
        http("404 Not Found", '{"error": {"message": "model \\"small\\" not found, try pulling it"}}')
    )
    assert isinstance(error, EndpointRefused)
    assert "has no model “small”" in error.sentence


@pytest.mark.parametrize(
    ("answer", "pattern"),
    [
        (http("404 Not Found", "<html>nothing here</html>", "text/html"), "no chat interface"),
        (http("429 Too Many Requests", "{}"), "asking for a pause"),
        (http("500 Internal Server Error", "oops", "text/plain"), "a problem of its own"),
        (http("400 Bad Request", '{"error": "context too long"}'), "context too long"),
        (http("200 OK", "<html>welcome</html>", "text/html"), "no answer I understand"),
        (http("200 OK", "not json"), "no answer I understand"),
        (http("200 OK", "[1, 2]"), "no answer I understand"),
        (http("200 OK", '{"choices": 5}'), "no answer I understand"),
        (http("200 OK", '{"choices": [7]}'), "no answer I understand"),
        (http("200 OK", '{"choices": [{"delta": [1]}]}'), "no answer I understand"),
        (http("200 OK", '{"choices": [{"delta": {"tool_calls": [3]}}]}'), "no answer I understand"),
        (http("200 OK", "[" * 100_000), "no answer I understand"),
        (sse("{broken"), "no answer I understand"),
        (sse(), "no answer I understand"),
        (sse({"error": {"message": "the model crashed"}}), "the model crashed"),
        (http("200 OK", b"\x1f\x8b\xff\xff", "text/event-stream"), "no answer I understand"),
    ],
)
async def test_every_odd_answer_is_a_sentence(answer: Answer, pattern: str) -> None:
    assert pattern in (await failure(answer)).sentence


async def test_it_breaks_off_after_some_text() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n")
        writer.write(f"data: {json.dumps(delta(content='To be'))}\n\n".encode())

    said: list[str | FunctionCall] = []

    async def listen(endpoint: ChatEndpoint) -> None:
        async for piece in endpoint.reply(HELLO):
            said.append(piece)

    async with serving(answer) as server:
        endpoint = ChatEndpoint(server.url, "small")
        with pytest.raises(ConnectionFailed, match="broke off"):
            await listen(endpoint)
        await endpoint.close()
    assert said == ["To be"]


async def test_silence_has_an_end() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        await writer.drain()
        await reader.read()  # until the other side hangs up

    assert "took too long" in (await failure(answer, silence_s=0.1)).sentence


@pytest.mark.parametrize("address", ["localhost:11434", "", "ws://localhost/v1", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(EndpointRefused, match="not an address"):
        ChatEndpoint(address, "small")


# --- looking around -----------------------------------------------------------------------------

MODELS = json.dumps({"object": "list", "data": [{"id": "qwen"}, {"id": "llama"}]})


async def test_models() -> None:
    async with serving(http("200 OK", MODELS)) as server:
        endpoint = ChatEndpoint(server.url, "qwen")
        assert await endpoint.models() == ("qwen", "llama")
        await endpoint.close()


async def test_probe_offers_who_lists_models_and_keeps_quiet_about_the_rest() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side hangs up

    async with (
        serving(http("200 OK", MODELS)) as ollama,
        serving(http("200 OK", "<html>a router's web page</html>", "text/html")) as page,
        serving(http("200 OK", '{"data": 7}')) as odd,
        serving(http("404 Not Found", "{}")) as other,
        serving(never) as slow,
    ):
        ports = {"Ollama": ollama.port, "Page": page.port, "Odd": odd.port, "Other": other.port, "Slow": slow.port}
        started = asyncio.get_running_loop().time()
        offers = await probe_loopback(ports)
        took_s = asyncio.get_running_loop().time() - started
    assert offers == (Offer("Ollama", f"http://127.0.0.1:{ollama.port}/v1", ("qwen", "llama")),)
    assert took_s < 0.8
