"""Items of the conversation and their content parts (the guide's item types), as they stand on the wire.

One struct serves all item types and one all content types: servers invent types and members, and an item of
an unknown type must still be decoded, shown and skipped. The functions at the end build exactly what the
schema allows a client to create.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType


class PartId(NamedTuple):
    """One content part of one item: what audio is counted by."""

    item_id: str
    content_index: int = 0


class ContentPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of a message (the guide's content parts)."""

    type: str
    """`input_text`, `input_audio`, `input_image`, `output_text`, `output_audio`; also `text`, `audio`."""
    text: str | None | UnsetType = UNSET
    audio: bytes | None | UnsetType = UNSET
    """Base64 on the wire, in the session's format; the server leaves it out of echoes."""
    transcript: str | None | UnsetType = UNSET
    image_url: str | None | UnsetType = UNSET
    """A data URI, PNG or JPEG."""
    detail: str | None | UnsetType = UNSET
    format: Any = UNSET

    @property
    def words(self) -> str:
        """What a reader sees of it: the text, or the transcript of the audio."""
        return self.text or self.transcript or ""

    @property
    def is_audio(self) -> bool:
        """Whether it is spoken."""
        return self.type in {"input_audio", "output_audio", "audio"}


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the server's conversation."""

    type: str
    """`message`, `function_call`, `function_call_output`, `mcp_…`, `item_reference`."""
    id: str | None | UnsetType = UNSET
    object: str | None | UnsetType = UNSET
    status: str | None | UnsetType = UNSET
    """`in_progress`, `completed`, `incomplete`."""
    role: str | None | UnsetType = UNSET
    content: list[ContentPart] | None | UnsetType = UNSET
    phase: str | None | UnsetType = UNSET
    """`commentary` or `final_answer`; on reasoning models only, and not in the schema."""
    # function calls and their outputs
    name: str | None | UnsetType = UNSET
    arguments: str | None | UnsetType = UNSET
    call_id: str | None | UnsetType = UNSET
    output: str | None | UnsetType = UNSET
    # MCP
    server_label: str | None | UnsetType = UNSET
    tools: list[Any] | None | UnsetType = UNSET
    approval_request_id: str | None | UnsetType = UNSET
    approve: bool | UnsetType = UNSET
    reason: str | None | UnsetType = UNSET
    error: Any = UNSET

    @property
    def parts(self) -> list[ContentPart]:
        """The content parts; none if the item has no content."""
        return self.content or []

    @property
    def words(self) -> str:
        """All its text and transcripts, as a reader sees them."""
        return "".join(part.words for part in self.parts)

    @property
    def is_message(self) -> bool:
        """Whether it is something said or written."""
        return self.type == "message"


def user_message(item_id: str, text: str, images: Sequence[str] = (), sounds: Sequence[bytes] = ()) -> Item:
    """Return what the user typed, pictures (data URIs, PNG or JPEG) and sounds, as an item.

    A sound is audio in the session's format, without a header.
    """
    parts = [ContentPart(type="input_text", text=text)] if text or not (images or sounds) else []
    parts += [ContentPart(type="input_audio", audio=pcm) for pcm in sounds]
    parts += [ContentPart(type="input_image", image_url=image) for image in images]
    return Item(id=item_id, type="message", role="user", content=parts)


def assistant_text(item_id: str, text: str) -> Item:
    """Return what the assistant said, as text: the only way to give it back (audio is refused)."""
    return Item(id=item_id, type="message", role="assistant", content=[ContentPart(type="output_text", text=text)])


def system_text(item_id: str, text: str) -> Item:
    """Return a note to the model."""
    return Item(id=item_id, type="message", role="system", content=[ContentPart(type="input_text", text=text)])


def function_call_output(call_id: str, output: str, item_id: str | UnsetType = UNSET) -> Item:
    """Return a tool's result; `output` is a string, JSON serialised by the caller."""
    return Item(id=item_id, type="function_call_output", call_id=call_id, output=output)


class Tool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool of the session: `function`, flat and without `strict`; or `mcp`."""

    type: str = msgspec.field(default_factory=lambda: "function")
    name: str | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    parameters: Mapping[str, Any] | None | UnsetType = UNSET
    server_label: str | UnsetType = UNSET
    server_url: str | UnsetType = UNSET
    connector_id: str | UnsetType = UNSET
    tunnel_id: str | UnsetType = UNSET
    server_description: str | UnsetType = UNSET
    authorization: str | UnsetType = UNSET
    headers: Mapping[str, str] | None | UnsetType = UNSET
    allowed_tools: Any = UNSET
    require_approval: Any = UNSET
    defer_loading: bool | UnsetType = UNSET
    allowed_callers: list[str] | UnsetType = UNSET
