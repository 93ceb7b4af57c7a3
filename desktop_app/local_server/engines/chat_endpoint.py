"""Any OpenAI-compatible chat endpoint the user named: Ollama, llama.cpp, LM Studio, vLLM, or one in the network.

`ChatEndpoint` streams `POST {base}/chat/completions` as server-sent events and puts function calls together from
their fragments. Small models often write a call as plain text, `{"name": …, "arguments": …}`, with or without tags
and now and then with a brace missing; if tools were offered, such a text becomes the call it means.
`probe_loopback` looks once where such programs usually listen; it only offers, nobody is switched silently.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from desktop_app.errors import ConnectionFailed, EndpointRefused, KeyRejected, ParleyError
from desktop_app.local_server.engines import FunctionCall, Message, MessageRole, Tool

_CONNECT_S = 5.0
_SILENCE_S = 60.0
"""How long an answer may stand still; a large model that is being loaded needs most of it."""
_LONGEST_LINE = 1 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

USUAL_PORTS: Mapping[str, int] = {"Ollama": 11434, "llama.cpp": 8080, "LM Studio": 1234, "vLLM": 8000}
"""Where programs that serve models listen unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A chat endpoint found on this computer."""

    program: str
    base_url: str
    models: tuple[str, ...]


class ChatEndpoint:
    """A `LanguageModel` behind an OpenAI-compatible HTTP interface."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "",
        connect_s: float = _CONNECT_S,
        silence_s: float = _SILENCE_S,
    ) -> None:
        """`base_url` ends before `/chat/completions`, as in `http://127.0.0.1:11434/v1`.

        Raises `EndpointRefused` if it is no http address.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EndpointRefused(
                f"“{base_url}” is not an address of a chat model.", "It should look like http://127.0.0.1:11434/v1."
            )
        self.model = model
        self.name = parts.netloc.rpartition("@")[2]
        """Host and port, for sentences."""
        self._silence_s = silence_s
        self._client = httpx2.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx2.Timeout(silence_s, connect=connect_s),
            # A proxy from the environment has no business between us and this computer.
            trust_env=parts.hostname not in _LOOPBACK,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def reply(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), max_tokens: int | None = None
    ) -> AsyncIterator[str | FunctionCall]:
        """Yield the answer as it arrives, the calls when they are complete.

        Raises `ConnectionFailed`, `EndpointRefused` or `KeyRejected`, each with a sentence; text that came before
        was yielded.
        """
        answer = _AnswerParser({tool.name for tool in tools})
        body = self._body(messages, tools, max_tokens)
        async with (
            _as_sentences(self.name, self.model),
            self._client.stream("POST", "chat/completions", json=body) as response,
        ):
            if response.status_code != 200:
                await response.aread()
                raise _refusal(response, self.name, self.model)
            async for chunk in _chunks(response):
                for text in answer.feed(chunk):
                    yield text
        if answer.is_empty:
            raise ConnectionFailed(
                f"{self.name} sent no answer I understand.", "Check that it is a chat model's address."
            )
        for piece in answer.finish():
            yield piece

    async def models(self) -> tuple[str, ...]:
        """Return the names of the models it serves. Raises as `reply` does."""
        async with _as_sentences(self.name, self.model):
            response = await self._client.get("models")
            if response.status_code != 200:
                raise _refusal(response, self.name, self.model)
            return _model_names(response)

    def _body(self, messages: Sequence[Message], tools: Sequence[Tool], max_tokens: int | None) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "messages": [_wire(m) for m in messages], "stream": True}
        if max_tokens is not None:
            body["max_tokens"] = max_tokens
        if tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.parameters) or {"type": "object", "properties": {}},
                    },
                }
                for tool in tools
            ]
        return body


async def probe_loopback(ports: Mapping[str, int] = USUAL_PORTS, *, timeout_s: float = 0.2) -> tuple[Offer, ...]:
    """Look once at the usual ports of this computer; return who answers with a list of models."""

    async def look(client: httpx2.AsyncClient, program: str, port: int) -> Offer | None:
        base_url = f"http://127.0.0.1:{port}/v1"
        try:
            async with asyncio.timeout(timeout_s):
                response = await client.get(f"{base_url}/models")
            models = _model_names(response) if response.status_code == 200 else ()
        except (httpx2.HTTPError, TimeoutError, EndpointRefused, ConnectionFailed):
            return None  # nobody, or somebody else: not worth a word
        return Offer(program, base_url, models) if models else None

    async with httpx2.AsyncClient(trust_env=False, timeout=timeout_s) as client:
        found = await asyncio.gather(*(look(client, program, port) for program, port in ports.items()))
    return tuple(offer for offer in found if offer)


# --- what goes over the wire --------------------------------------------------------------------


def _wire(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role.value, "content": message.text}
    if message.role is MessageRole.TOOL:
        wire["tool_call_id"] = message.call_id
    if message.calls:
        wire["tool_calls"] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.calls
        ]
    return wire


async def _chunks(response: httpx2.Response) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the JSON objects of an event stream, or the one of a server that does not stream."""
    if "application/json" in response.headers.get("content-type", ""):
        yield _json_object(await response.aread())
        return
    async for line in _lines(response):
        if not line.startswith("data:"):
            continue  # comments, event names, blank lines
        data = line[5:].strip()
        if data == "[DONE]":
            return
        if data:
            yield _json_object(data)


async def _lines(response: httpx2.Response) -> AsyncIterator[str]:
    length = 0
    async for line in response.aiter_lines():
        length = len(line)
        if length > _LONGEST_LINE:
            raise _Garbled
        yield line


class _Garbled(Exception):
    """What came is not what a chat endpoint sends."""


def _json_object(data: str | bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _Garbled from error
    if not isinstance(value, dict):
        raise _Garbled
    if reported := value.get("error"):
        raise EndpointRefused(
            f"The chat model reported an error: {_told(reported)}", "Try again, or choose another model."
        )
    return value


def _told(error: object) -> str:
    """Return the message of an `error` member in any of its forms, without what looks like a key."""
    text = str(error.get("message") or error.get("code") or "unknown") if isinstance(error, dict) else str(error)
    text = re.sub(r"\b(?:sk|ek|gsk|key)[-_][\w*-]{6,}", "…", " ".join(text.split()))[:200]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _model_names(response: httpx2.Response) -> tuple[str, ...]:
    try:
        listed = response.json()["data"]
        return tuple(str(entry["id"]) for entry in listed)
    except (ValueError, KeyError, TypeError) as error:
        raise ConnectionFailed(
            "The address does not list its models.", "Check that it is a chat model's address."
        ) from error


# --- failures as sentences ----------------------------------------------------------------------


@asynccontextmanager
async def _as_sentences(name: str, model: str) -> AsyncIterator[None]:
    """Turn what httpx2 raises into what a person can act on."""
    try:
        yield
    except httpx2.ConnectTimeout as error:
        raise ConnectionFailed(
            f"{name} did not answer.", "Check the address, and that it can be reached."
        ) from error
    except httpx2.ConnectError as error:
        raise ConnectionFailed(
            f"I could not reach the model at {name}.", "Start the program that serves it, or check the address."
        ) from error
    except httpx2.TimeoutException as error:
        raise ConnectionFailed(
            f"The model “{model}” took too long.", "Try again, or choose a smaller model."
        ) from error
    except (httpx2.TransportError, httpx2.StreamError) as error:
        raise ConnectionFailed(f"The connection to {name} broke off.", "Try again.") from error
    except (_Garbled, httpx2.DecodingError, httpx2.InvalidURL) as error:
        raise ConnectionFailed(
            f"{name} sent no answer I understand.", "Check that it is a chat model's address."
        ) from error


def _refusal(response: httpx2.Response, name: str, model: str) -> ParleyError:
    status = response.status_code
    try:
        body = response.json()
        told = (
            _told(body.get("error") or body.get("detail") or body.get("message") or "")
            if isinstance(body, dict)
            else ""
        )
    except ValueError:
        told = ""
    if status in (401, 403):
        return KeyRejected(f"{name} did not accept the API key.", "Check the key in the settings.")
    if status == 404 and "model" in told.lower():
        return EndpointRefused(f"{name} has no model “{model}”.", "Choose one of its models in the settings.")
    if status == 404:
        return EndpointRefused(f"{name} has no chat interface at this address.", "The address usually ends in /v1.")
    if status == 429:
        return ConnectionFailed(f"{name} is asking for a pause, or the quota is used up.", "Try again later.")
    if status >= 500:
        return ConnectionFailed(f"{name} has a problem of its own ({status}).", "Try again in a moment.")
    return EndpointRefused(
        f"{name} refused the request ({status}). {told}".strip(), "Check the model in the settings."
    )


# --- reading the answer -------------------------------------------------------------------------


@dataclass(slots=True)
class _PartialCall:
    call_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


_CALL_BEGINS = ("{", "[", "```", "<tool_call", "<|tool_call", "<function", "<|function")
_THINKING = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)


class _AnswerParser:
    """Collects one answer: text is passed on as it comes, unless it may turn out to be a call."""

    def __init__(self, tools: set[str]) -> None:
        self._tools = tools
        self._calls: dict[int, _PartialCall] = {}
        self._held = ""
        self._decided = False
        self._thinking = False
        self.is_empty = True
        """Whether nothing at all was understood."""

    def feed(self, chunk: Mapping[str, Any]) -> list[str]:
        """Take a chunk; return the text that may be said."""
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise _Garbled
        said: list[str] = []
        for choice in choices:
            if not isinstance(choice, dict):
                raise _Garbled
            self.is_empty = False
            delta = choice.get("delta") or choice.get("message") or {}
            if not isinstance(delta, dict):
                raise _Garbled
            self._add_calls(delta.get("tool_calls") or ())
            if isinstance(text := delta.get("content"), str) and text:
                said += self._text(text)
        return said

    def finish(self) -> list[str | FunctionCall]:
        """Return what was held back, and the calls."""
        pieces: list[str | FunctionCall] = [
            FunctionCall(call.name, "".join(call.arguments) or "{}", call.call_id)
            for _, call in sorted(self._calls.items())
            if call.name
        ]
        if self._held:
            written = _written_calls(self._held, self._tools)
            pieces += written or [text for text in [_THINKING.sub("", self._held).strip()] if text]
        return pieces

    def _add_calls(self, fragments: Sequence[Mapping[str, Any]]) -> None:
        for position, fragment in enumerate(fragments):
            if not isinstance(fragment, dict) or not isinstance(fragment.get("function") or {}, dict):
                raise _Garbled
            index = fragment.get("index")
            call = self._calls.setdefault(index if isinstance(index, int) else position, _PartialCall())
            call.call_id = call.call_id or fragment.get("id") or ""
            function = fragment.get("function") or {}
            call.name = call.name or function.get("name") or ""
            arguments = function.get("arguments") or ""
            call.arguments.append(arguments if isinstance(arguments, str) else json.dumps(arguments))

    def _text(self, text: str) -> list[str]:
        """Pass text on, but hold back what may be a call written as text, and a model's thinking aloud."""
        self._held += text
        if self._decided and not self._thinking:
            return self._release()
        if self._held.lstrip().startswith("<think>"):
            if "</think>" not in self._held:
                return []
            self._held = _THINKING.sub("", self._held).lstrip()
        if "<think>".startswith(self._held.lstrip()):
            return []
        if self._tools and self._may_be_a_call():
            return []
        self._decided = bool(self._held)
        return self._release()

    def _may_be_a_call(self) -> bool:
        begun = self._held.lstrip()
        return any(begun.startswith(opening) or opening.startswith(begun) for opening in _CALL_BEGINS)

    def _release(self) -> list[str]:
        held, self._held = self._held, ""
        return [held] if held else []


def _written_calls(text: str, tools: set[str]) -> list[FunctionCall]:
    """Return the calls a model wrote as text, if they are of tools that were offered."""
    bare = re.sub(r"</?\|?(?:tool_calls?|function_call|tools?)\|?>|```(?:json|tool_call)?", "\n", text)
    calls = []
    for value in _json_values(bare):
        nested = value.get("function")
        function: Mapping[str, Any] = nested if isinstance(nested, dict) else value
        name = nested if isinstance(nested, str) else function.get("name") or value.get("tool")
        arguments = function.get("arguments", function.get("parameters", {}))
        if isinstance(name, str) and name in tools:
            calls.append(FunctionCall(name, arguments if isinstance(arguments, str) else json.dumps(arguments)))
    return calls


def _json_values(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects in `text`, closing what a small model forgot to close."""
    values: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    position = 0
    while (start := text.find("{", position)) >= 0:
        try:
            value, position = decoder.raw_decode(text, start)
        except ValueError:
            mended = _mended(text[start:].strip())
            return values + ([mended] if mended else [])
        if isinstance(value, dict):
            values.append(value)
    return values


def _mended(text: str) -> dict[str, Any] | None:
    for ending in ("}", "}}", '"}}', "]}", "]}}"):
        try:
            value = json.loads(text + ending)
        except ValueError:
            continue
        return value if isinstance(value, dict) else None
    return None
