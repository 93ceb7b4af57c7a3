"""A conversation told as a story: what happens, one line each, and what the core does about it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import (
    ClearEntries,
    Effect,
    Entry,
    Link,
    RemoveEntry,
    Send,
    ShowEntry,
    ShowNotice,
    ShowVoice,
    StopPlayback,
    Turn,
    VoiceState,
)
from desktop_app.conversation.inputs import (
    ConnectAsked,
    Heard,
    Input,
    MicBlock,
    MicClosed,
    MicStarted,
    PlaybackStopped,
    Received,
    TalkPressed,
    TalkReleased,
)
from desktop_app.errors import Notice
from desktop_app.protocol import codec
from desktop_app.protocol.events import ClientEvent, InputAudioBufferAppend, ServerEvent
from desktop_app.protocol.items import PartId
from desktop_app.protocol.session_config import AudioConfig, AudioInput, SessionConfig, Transcription

R = "resp_1"
ITEM = "item_A1"
PART = PartId(ITEM, 0)
CONFIG = SessionConfig(
    instructions="Be brief.",
    audio=AudioConfig(input=AudioInput(turn_detection=None, transcription=Transcription(model="whisper-base"))),
)


def pcm(ms: float) -> bytes:
    """Return that much audio."""
    return bytes(int(ms * 24) * 2)


def sent(effects: Sequence[Effect]) -> list[ClientEvent]:
    """Return the events that are sent, without their own ids and without the metadata that only echoes them."""
    return [_bare(effect.event) for effect in effects if isinstance(effect, Send)]


def _bare(event: ClientEvent) -> ClientEvent:
    return msgspec.structs.replace(event, event_id=msgspec.UNSET)


def names(effects: Sequence[Effect]) -> list[str]:
    """Return the wire names of what is sent, audio left out."""
    return [
        str(event.__struct_config__.tag) for event in sent(effects) if not isinstance(event, InputAudioBufferAppend)
    ]


def notices(effects: Sequence[Effect]) -> list[Notice]:
    """Return the notices that are shown."""
    return [effect.notice for effect in effects if isinstance(effect, ShowNotice)]


class Story:
    """A conversation, its effects so far, and what the window would show."""

    def __init__(self, *, voice: str = "heart", voices: Sequence[str] = ("heart", "max")) -> None:
        self.core = Conversation(CONFIG, voice=voice, voices=voices, jitter=lambda: 1.0)
        self.effects: list[Effect] = []
        self.stopped_with: tuple[Heard, ...] = ()
        """What the speaker answers to `StopPlayback`."""

    def happens(self, *events: Input) -> list[Effect]:
        """Take inputs as the session would: silence is answered in the same dispatch. Return their effects."""
        effects: list[Effect] = []
        inbox = list(events)
        while inbox:
            new = self.core.handle(inbox.pop(0))
            effects += new
            if any(isinstance(effect, StopPlayback) for effect in new):
                inbox.insert(0, PlaybackStopped(self.stopped_with))
                self.stopped_with = ()
        self.effects += effects
        return effects

    def says(self, *frames: str | dict[str, object] | ServerEvent) -> list[Effect]:
        """Take events from the server, as they stand on the wire."""
        effects = []
        for frame in frames:
            if isinstance(frame, str | dict):
                text = frame if isinstance(frame, str) else msgspec.json.encode(frame)
                event = codec.decode_server_event(text)
            else:
                event = frame
            effects += self.happens(Received(event))
        return effects

    def online(self) -> Story:
        """Connect."""
        self.happens(ConnectAsked())
        self.says(SESSION_CREATED, SESSION_UPDATED)
        return self

    def talks(self, ms: int = 1000, *, item: str = "item_U1", previous: str | None = None) -> list[Effect]:
        """Hold the key, speak, release; the server commits."""
        effects = self.happens(TalkPressed(), MicStarted(), MicBlock(pcm(ms)), TalkReleased(), MicClosed())
        if ms >= 100:
            effects += self.says(
                {"type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": previous},
                added(item, "user", previous),
            )
        return effects

    def answers(self, ms: int = 2000, *, response: str = R, item: str = ITEM, words: str = "Hello there.") -> None:
        """The server begins to answer: `ms` of audio."""
        self.says(created(response), added(item, "assistant", None), words_of(item, words, response))
        self.says(audio(item, ms, response))

    def speaking(self, ms: int = 2000) -> Story:
        """A voice turn, up to an answer that is heard."""
        self.online().talks()
        self.answers(ms)
        return self

    def turn(self) -> Turn:
        """Return whose move it is."""
        return self.core.turn

    def link(self) -> Link:
        """Return the state of the connection."""
        return self.core.link

    @property
    def entries(self) -> list[tuple[str, str]]:
        """What the transcript shows: item ids and texts, in order."""
        return [(entry.item_id, entry.text) for entry in self.shown()]

    def shown(self) -> list[Entry]:
        """Return the entries as the window would hold them."""
        return View(self.effects).entries


class View:
    """What a window makes of the effects: it upserts by item id and puts each after the one it is told."""

    def __init__(self, effects: Sequence[Effect]) -> None:
        self.entries: list[Entry] = []
        self.voice: VoiceState | None = None
        for effect in effects:
            match effect:
                case ShowEntry(entry, after):
                    self.entries = [e for e in self.entries if e.item_id != entry.item_id]
                    ids = [e.item_id for e in self.entries]
                    self.entries.insert(ids.index(after) + 1 if after is not None else 0, entry)
                case RemoveEntry(item_id):
                    self.entries = [e for e in self.entries if e.item_id != item_id]
                case ClearEntries():
                    self.entries = []
                case ShowVoice(state):
                    self.voice = state


SESSION_CREATED: dict[str, object] = {
    "type": "session.created",
    "session": {"type": "realtime", "id": "sess_1", "audio": {"output": {"voice": "heart"}}},
}
SESSION_UPDATED: dict[str, object] = {**SESSION_CREATED, "type": "session.updated"}


def added(item: str, role: str, previous: str | None, *, spoken: bool = True) -> dict[str, object]:
    """Return `conversation.item.added` of a message."""
    content = [{"type": "input_audio"}] if role == "user" and spoken else []
    message = {"id": item, "type": "message", "role": role, "status": "in_progress", "content": content}
    return {"type": "conversation.item.added", "previous_item_id": previous, "item": message}


def created(
    response: str = R, *, metadata: object = None, conversation: str | None = "conv_1"
) -> dict[str, object]:
    """Return `response.created`."""
    body = {"id": response, "status": "in_progress", "conversation_id": conversation, "metadata": metadata}
    return {"type": "response.created", "response": body}


def audio(item: str, ms: float, response: str = R) -> ServerEvent:
    """Return `response.output_audio.delta`."""
    return codec.decode_server_event(
        msgspec.json.encode(
            {"type": "response.output_audio.delta", "response_id": response, "item_id": item, "delta": pcm(ms)}
        )
    )


def audio_done(item: str = ITEM, response: str = R) -> dict[str, object]:
    """Return `response.output_audio.done`."""
    return {"type": "response.output_audio.done", "response_id": response, "item_id": item}


def words_of(item: str, text: str, response: str = R) -> dict[str, object]:
    """Return `response.output_audio_transcript.delta`."""
    return {
        "type": "response.output_audio_transcript.delta",
        "response_id": response,
        "item_id": item,
        "delta": text,
    }


def done(
    response: str = R, status: str = "completed", *, items: Sequence[str] = (ITEM,), **more: object
) -> dict[str, object]:
    """Return `response.done`."""
    item_status = "completed" if status == "completed" else "incomplete"
    output = [
        {"id": i, "type": "message", "role": "assistant", "status": item_status, "content": []} for i in items
    ]
    return {"type": "response.done", "response": {"id": response, "status": status, "output": output, **more}}


def error(code: str | None, message: str = "no", *, event_id: str | None = None) -> dict[str, object]:
    """Return an `error` event."""
    body = {"type": "invalid_request_error", "code": code, "message": message, "event_id": event_id}
    return {"type": "error", "error": body}


def transcribed(item: str, text: str) -> dict[str, object]:
    """Return the final transcript of what the user said."""
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item,
        "content_index": 0,
        "transcript": text,
    }
