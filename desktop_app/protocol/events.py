"""One frozen struct per client and server event, tagged by its wire name; it occurs here and nowhere else.

`bytes` fields are base64 on the wire. Unknown members are ignored. What the schema calls optional may be
missing or null. Client events are the eleven a client may send, server events the forty-six the schema knows.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from desktop_app.protocol.items import ContentPart, Item, Tool
from desktop_app.protocol.session_config import AudioConfig, Reasoning, SessionConfig

# --- what the client says -----------------------------------------------------------------------


class _Client(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    event_id: str | UnsetType = UNSET
    """Ours, at most 512 characters; an `error` may name it."""


LONGEST_MESSAGE = 2_000
"""Characters of an error's message that are looked at."""


class ResponseParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The `response` of `response.create`: what differs from the session, for this response only."""

    conversation: str | UnsetType = UNSET
    """`auto`, or `none` for a response out of band."""
    input: list[Item] | UnsetType = UNSET
    """Replaces the context; empty: no context at all."""
    instructions: str | UnsetType = UNSET
    output_modalities: list[Literal["text", "audio"]] | UnsetType = UNSET
    audio: AudioConfig | UnsetType = UNSET
    tools: list[Tool] | UnsetType = UNSET
    tool_choice: Any = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    max_output_tokens: int | Literal["inf"] | UnsetType = UNSET
    metadata: dict[str, str] | None | UnsetType = UNSET
    """At most 16 pairs; echoed in `response.created` and `response.done`."""
    prompt: Any = UNSET


class SessionUpdate(_Client, frozen=True, kw_only=True, tag="session.update"):
    """Merge into the session; one bad field refuses the whole update."""

    session: SessionConfig


class InputAudioBufferAppend(_Client, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """Add audio to the input buffer; no answer."""

    audio: bytes


class InputAudioBufferCommit(_Client, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """Turn the buffer into a user item; starts no response."""


class InputAudioBufferClear(_Client, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Drop what was not committed."""


class ConversationItemCreate(_Client, frozen=True, kw_only=True, tag="conversation.item.create"):
    """Insert an item; starts no response."""

    item: Item
    previous_item_id: str | None | UnsetType = UNSET
    """Omitted: at the end; `root`: at the beginning; else after that item."""


class ConversationItemRetrieve(_Client, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """Ask for the server's copy of an item, audio included."""

    item_id: str


class ConversationItemTruncate(_Client, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """Cut an assistant's audio item to what was heard, counted from the start of that item."""

    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDelete(_Client, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """Remove an item from the context."""

    item_id: str


class ResponseCreate(_Client, frozen=True, kw_only=True, tag="response.create"):
    """Run the model."""

    response: ResponseParams | UnsetType = UNSET


class ResponseCancel(_Client, frozen=True, kw_only=True, tag="response.cancel"):
    """Stop a response; without an id the one of the default conversation."""

    response_id: str | UnsetType = UNSET


class OutputAudioBufferClear(_Client, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """WebRTC and SIP only; a WebSocket server refuses it, so this program never sends it."""


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
    | OutputAudioBufferClear
)

# --- what the server says -----------------------------------------------------------------------


class _Server(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    event_id: str | None | UnsetType = UNSET


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong."""

    message: str | None | UnsetType = UNSET
    type: str | None | UnsetType = UNSET
    code: str | None | UnsetType = UNSET
    param: str | None | UnsetType = UNSET
    event_id: str | None | UnsetType = UNSET
    """The client event it is about, if the server tells."""

    @property
    def code_text(self) -> str:
        """The code, or an empty string."""
        return self.code or ""

    @property
    def message_text(self) -> str:
        """The message, as long as a person would read it, or an empty string."""
        return (self.message or "")[:LONGEST_MESSAGE]


class StatusDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a response ended as it did."""

    type: str | None | UnsetType = UNSET
    reason: str | None | UnsetType = UNSET
    """`turn_detected`, `client_cancelled`, `max_output_tokens`, `content_filter`."""
    error: ErrorBody | None | UnsetType = UNSET


class TokensByModality(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of text, audio and images."""

    text_tokens: int | None | UnsetType = UNSET
    audio_tokens: int | None | UnsetType = UNSET
    image_tokens: int | None | UnsetType = UNSET


class InputTokenDetails(TokensByModality, frozen=True, kw_only=True, omit_defaults=True):
    """The same, and how many of them were cached: a subset, not an addition."""

    cached_tokens: int | None | UnsetType = UNSET
    cached_tokens_details: TokensByModality | None | UnsetType = UNSET


class OutputTokenDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of the answer."""

    text_tokens: int | None | UnsetType = UNSET
    audio_tokens: int | None | UnsetType = UNSET
    reasoning_tokens: int | None | UnsetType = UNSET


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a response cost: the whole context counts each time."""

    total_tokens: int | None | UnsetType = UNSET
    input_tokens: int | None | UnsetType = UNSET
    output_tokens: int | None | UnsetType = UNSET
    input_token_details: InputTokenDetails | None | UnsetType = UNSET
    output_token_details: OutputTokenDetails | None | UnsetType = UNSET


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One generation by the server."""

    id: str | None | UnsetType = UNSET
    object: str | None | UnsetType = UNSET
    status: str | None | UnsetType = UNSET
    """`in_progress`, `completed`, `cancelled`, `incomplete`, `failed`."""
    status_details: StatusDetails | str | None | UnsetType = UNSET
    """A string on some servers."""
    output: list[Item] | None | UnsetType = UNSET
    output_modalities: list[str] | None | UnsetType = UNSET
    audio: AudioConfig | None | UnsetType = UNSET
    conversation_id: str | None | UnsetType = UNSET
    """Null when out of band."""
    max_output_tokens: int | Literal["inf"] | None | UnsetType = UNSET
    metadata: dict[str, str] | None | UnsetType = UNSET
    usage: Usage | None | UnsetType = UNSET

    @property
    def reason(self) -> str:
        """The reason in its status details, or an empty string."""
        details = self.status_details
        return details.reason or "" if isinstance(details, StatusDetails) else ""

    @property
    def error(self) -> ErrorBody | None:
        """The error of a failed response, if the server tells."""
        details = self.status_details
        if isinstance(details, str):
            return ErrorBody(message=details)
        return details.error or None if isinstance(details, StatusDetails) else None


class Conversation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sent by some servers; carries nothing of use."""

    id: str | None | UnsetType = UNSET
    object: str | None | UnsetType = UNSET


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is left of a limit."""

    name: str | UnsetType = UNSET
    limit: int | UnsetType = UNSET
    remaining: int | UnsetType = UNSET
    reset_seconds: float | UnsetType = UNSET


class SessionCreated(_Server, frozen=True, kw_only=True, tag="session.created"):
    """The first event of every connection."""

    session: SessionConfig


class SessionUpdated(_Server, frozen=True, kw_only=True, tag="session.updated"):
    """The whole effective session, after an update was taken."""

    session: SessionConfig


class Error(_Server, frozen=True, kw_only=True, tag="error"):
    """A request was refused; the session normally goes on."""

    error: ErrorBody


class RateLimitsUpdated(_Server, frozen=True, kw_only=True, tag="rate_limits.updated"):
    """What is left of the limits."""

    rate_limits: list[RateLimit]


class ConversationCreated(_Server, frozen=True, kw_only=True, tag="conversation.created"):
    """In the schema, not on the wire of the GA server."""

    conversation: Conversation | UnsetType = UNSET


class InputAudioBufferSpeechStarted(_Server, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    """The server's voice detection heard speech."""

    audio_start_ms: int = msgspec.field(default_factory=int)
    item_id: str
    """The id the user item will have."""


class InputAudioBufferSpeechStopped(_Server, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    """The server's voice detection heard the turn end."""

    audio_end_ms: int = msgspec.field(default_factory=int)
    item_id: str


class InputAudioBufferCommitted(_Server, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    """The buffer became an item."""

    item_id: str
    previous_item_id: str | None | UnsetType = UNSET


class InputAudioBufferCleared(_Server, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """The buffer is empty."""


class InputAudioBufferTimeoutTriggered(
    _Server, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"
):
    """Nobody spoke for `idle_timeout_ms`; an almost silent item and a response follow."""

    audio_start_ms: int
    audio_end_ms: int
    item_id: str


class InputAudioBufferDtmfEventReceived(
    _Server, frozen=True, kw_only=True, tag="input_audio_buffer.dtmf_event_received"
):
    """SIP only."""

    event: str
    received_at: int


class ConversationItemAdded(_Server, frozen=True, kw_only=True, tag="conversation.item.added"):
    """An item stands in the conversation, after `previous_item_id`."""

    item: Item
    previous_item_id: str | None | UnsetType = UNSET


class ConversationItemDone(_Server, frozen=True, kw_only=True, tag="conversation.item.done"):
    """An item is final. Its `previous_item_id` must not move it."""

    item: Item
    previous_item_id: str | None | UnsetType = UNSET


class ConversationItemCreated(_Server, frozen=True, kw_only=True, tag="conversation.item.created"):
    """The older name of `added`, still used by some servers."""

    item: Item
    previous_item_id: str | None | UnsetType = UNSET


class ConversationItemRetrieved(_Server, frozen=True, kw_only=True, tag="conversation.item.retrieved"):
    """The server's copy of an item, audio included."""

    item: Item


class ConversationItemTruncated(_Server, frozen=True, kw_only=True, tag="conversation.item.truncated"):
    """A truncation was done."""

    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDeleted(_Server, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    """An item is gone."""

    item_id: str


class TranscriptionUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """By tokens, or by seconds."""

    type: str
    seconds: float | UnsetType = UNSET
    total_tokens: int | UnsetType = UNSET
    input_tokens: int | UnsetType = UNSET
    output_tokens: int | UnsetType = UNSET
    input_token_details: TokensByModality | None | UnsetType = UNSET


class InputAudioTranscriptionDelta(
    _Server, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"
):
    """A piece of what the user said; may come before the item."""

    item_id: str
    content_index: int | None | UnsetType = UNSET
    delta: str | None | UnsetType = UNSET
    logprobs: Any = UNSET


class InputAudioTranscriptionCompleted(
    _Server, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"
):
    """What the user said, whole: replaces the pieces."""

    item_id: str
    content_index: int = msgspec.field(default_factory=int)
    transcript: str
    usage: TranscriptionUsage | None | UnsetType = UNSET
    languages: Any = UNSET
    logprobs: Any = UNSET
    status: str | None | UnsetType = UNSET
    """On some servers `in_progress` until the last one."""


class InputAudioTranscriptionFailed(
    _Server, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"
):
    """No transcript; the conversation goes on."""

    item_id: str
    content_index: int = msgspec.field(default_factory=int)
    error: ErrorBody


class InputAudioTranscriptionSegment(
    _Server, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.segment"
):
    """Diarising models only."""

    item_id: str
    content_index: int = msgspec.field(default_factory=int)
    id: str
    text: str
    speaker: str
    start: float
    end: float


class _OfResponse(_Server, frozen=True, kw_only=True):
    response_id: str
    output_index: int = msgspec.field(default_factory=int)


class _OfPart(_OfResponse, frozen=True, kw_only=True):
    item_id: str
    content_index: int = msgspec.field(default_factory=int)


class ResponseCreated(_Server, frozen=True, kw_only=True, tag="response.created"):
    """A response began, whoever asked for it."""

    response: Response


class ResponseDone(_Server, frozen=True, kw_only=True, tag="response.done"):
    """A response ended, whatever its status."""

    response: Response


class ResponseOutputItemAdded(_OfResponse, frozen=True, kw_only=True, tag="response.output_item.added"):
    """A response begins an item."""

    item: Item


class ResponseOutputItemDone(_OfResponse, frozen=True, kw_only=True, tag="response.output_item.done"):
    """A response ended an item."""

    item: Item


class ResponseContentPartAdded(_OfPart, frozen=True, kw_only=True, tag="response.content_part.added"):
    """A response begins a part; its type is `text` or `audio`."""

    part: ContentPart


class ResponseContentPartDone(_OfPart, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A response ended a part."""

    part: ContentPart


class ResponseOutputTextDelta(_OfPart, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """A piece of written answer."""

    delta: str


class ResponseOutputTextDone(_OfPart, frozen=True, kw_only=True, tag="response.output_text.done"):
    """The written answer, whole."""

    text: str


class ResponseOutputAudioTranscriptDelta(
    _OfPart, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    """A piece of the words of the spoken answer; runs ahead of the audio."""

    delta: str


class ResponseOutputAudioTranscriptDone(
    _OfPart, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    """The words of the spoken answer, whole."""

    transcript: str


class ResponseOutputAudioDelta(_OfPart, frozen=True, kw_only=True, tag="response.output_audio.delta"):
    """A piece of the spoken answer."""

    delta: bytes


class ResponseOutputAudioDone(_OfPart, frozen=True, kw_only=True, tag="response.output_audio.done"):
    """All audio of a part was sent; by no means heard."""


class ResponseFunctionCallArgumentsDelta(
    _OfResponse, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """A piece of the arguments."""

    item_id: str
    call_id: str | UnsetType = UNSET
    delta: str


class ResponseFunctionCallArgumentsDone(
    _OfResponse, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """The arguments, whole; also sent when the response was cancelled."""

    item_id: str
    call_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    arguments: str


class ResponseMcpCallArgumentsDelta(
    _OfResponse, frozen=True, kw_only=True, tag="response.mcp_call_arguments.delta"
):
    """A piece of the arguments of a call the server makes itself."""

    item_id: str
    delta: str
    obfuscation: str | None | UnsetType = UNSET


class ResponseMcpCallArgumentsDone(_OfResponse, frozen=True, kw_only=True, tag="response.mcp_call_arguments.done"):
    """The arguments of a call the server makes itself."""

    item_id: str
    arguments: str


class _OfMcpCall(_Server, frozen=True, kw_only=True):
    item_id: str
    output_index: int = msgspec.field(default_factory=int)


class ResponseMcpCallInProgress(_OfMcpCall, frozen=True, kw_only=True, tag="response.mcp_call.in_progress"):
    """The server calls."""


class ResponseMcpCallCompleted(_OfMcpCall, frozen=True, kw_only=True, tag="response.mcp_call.completed"):
    """The server's call succeeded; the result is in the item."""


class ResponseMcpCallFailed(_OfMcpCall, frozen=True, kw_only=True, tag="response.mcp_call.failed"):
    """The server's call failed."""


class McpListToolsInProgress(_Server, frozen=True, kw_only=True, tag="mcp_list_tools.in_progress"):
    """The server asks an MCP server for its tools."""

    item_id: str


class McpListToolsCompleted(_Server, frozen=True, kw_only=True, tag="mcp_list_tools.completed"):
    """The tools are in the item."""

    item_id: str


class McpListToolsFailed(_Server, frozen=True, kw_only=True, tag="mcp_list_tools.failed"):
    """The conversation goes on without the tools."""

    item_id: str


class OutputAudioBufferStarted(_Server, frozen=True, kw_only=True, tag="output_audio_buffer.started"):
    """WebRTC and SIP only."""

    response_id: str


class OutputAudioBufferStopped(_Server, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"):
    """WebRTC and SIP only."""

    response_id: str


class OutputAudioBufferCleared(_Server, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"):
    """WebRTC and SIP only."""

    response_id: str


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A frame this vocabulary does not hold: logged and ignored, never fatal."""

    type: str
    """Its `type`, or an empty string if it has none."""
    why: str
    """What was wrong with it, for the log; holds no payload."""


KnownServerEvent = (
    SessionCreated
    | SessionUpdated
    | Error
    | RateLimitsUpdated
    | ConversationCreated
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferDtmfEventReceived
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemCreated
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | ConversationItemDeleted
    | InputAudioTranscriptionDelta
    | InputAudioTranscriptionCompleted
    | InputAudioTranscriptionFailed
    | InputAudioTranscriptionSegment
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | ResponseMcpCallArgumentsDelta
    | ResponseMcpCallArgumentsDone
    | ResponseMcpCallInProgress
    | ResponseMcpCallCompleted
    | ResponseMcpCallFailed
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
)

ServerEvent = KnownServerEvent | UnknownEvent
