"""A conversation told as a story: what happens, one line each, and what the core does about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import (
    ClearEntries,
    Effect,
    Link,
    RemoveEntry,
    Send,
    ShowEntry,
    ShowNotice,
    ShowVoice,
    StopPlayback,
    Turn,
    VoiceState,
    WakeAfter,
)
from desktop_app.conversation.entries import Entry
from desktop_app.conversation.inputs import (
    ConnectAsked,
    Heard,
    Input,
    MicBlock,
    MicClosed,
    MicStarted,
    PlaybackStopped,
    Received,
    Recording,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
    ToolFinished,
    ToolOffer,
    ToolsOffered,
    Woke,
)
from desktop_app.errors import Notice
from desktop_app.protocol import codec
from desktop_app.protocol.events import ClientEvent, InputAudioBufferAppend, ResponseCreate, ServerEvent
from desktop_app.protocol.items import PartId, Tool
from desktop_app.protocol.session_config import (
    AudioConfig,
    AudioInput,
    SemanticVad,
    ServerVad,
    SessionConfig,
    Transcription,
)

R = "resp_1"
ITEM = "item_A1"
PART = PartId(ITEM, 0)
CONFIG = SessionConfig(
    instructions="Be brief.",
    audio=AudioConfig(input=AudioInput(turn_detection=None, transcription=Transcription(model="whisper-base"))),
)
VAD = ServerVad(
    threshold=0.5,
    prefix_padding_ms=300,
    silence_duration_ms=500,
    idle_timeout_ms=6000,
    create_response=True,
    interrupt_response=True,
)

E = TypeVar("E")


def with_detection(detection: ServerVad | SemanticVad | None, config: SessionConfig = CONFIG) -> SessionConfig:
    """Return the configuration with another turn detection."""
    assert isinstance(config.audio, AudioConfig)
    taken = msgspec.structs.replace(config.audio.input, turn_detection=detection)  # type: ignore[type-var]
    return msgspec.structs.replace(config, audio=msgspec.structs.replace(config.audio, input=taken))


HANDS_FREE = with_detection(VAD)


def pcm(ms: float) -> bytes:
    """Return that much audio."""
    return bytes(int(ms * 24) * 2)


def sound_file(data: bytes, name: str) -> TextEntered:
    """Return the message of a sound file and nothing else."""
    return TextEntered("", recordings=(Recording(data, name),))


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


def of(kind: type[E], effects: Sequence[Effect]) -> list[E]:
    """Return the effects of a kind."""
    return [effect for effect in effects if isinstance(effect, kind)]


def events_of(kind: type[E], effects: Sequence[Effect]) -> list[E]:
    """Return the sent events of a kind, as they were sent."""
    return [effect.event for effect in effects if isinstance(effect, Send) and isinstance(effect.event, kind)]


def waits(effects: Sequence[Effect], timer: Timer) -> list[int]:
    """Return the times that are asked for, in ms."""
    return [effect.ms for effect in of(WakeAfter, effects) if effect.timer is timer]


def woken(effects: Sequence[Effect], timer: Timer) -> Woke:
    """Return the waking that was asked for last."""
    return Woke(timer, [effect for effect in of(WakeAfter, effects) if effect.timer is timer][-1].serial)


def notices(effects: Sequence[Effect]) -> list[Notice]:
    """Return the notices that are shown."""
    return [effect.notice for effect in effects if isinstance(effect, ShowNotice)]


class Story:
    """A conversation, its effects so far, and what the window would show."""

    def __init__(
        self,
        config: SessionConfig = CONFIG,
        *,
        voice: str = "heart",
        voices: Sequence[str] = ("heart", "max"),
        titles: bool = False,
        now: Callable[[], float] | None = None,
        most_entries: int | None = None,
    ) -> None:
        self.config = config
        self.core = Conversation(
            config,
            voice=voice,
            voices=voices,
            jitter=lambda: 1.0,
            titles=lambda: titles,
            now=now,
            most_entries=most_entries,
        )
        self.effects: list[Effect] = []
        self.stopped_with: tuple[Heard, ...] = ()
        """What the speaker answers to `StopPlayback`."""
        self._echoed: list[dict[str, str]] = []

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

    def says(self, *frames: str | Mapping[str, object] | ServerEvent, by_next: bool = False) -> list[Effect]:
        """Take events from the server, as they stand on the wire; `by_next`: from that of the next session."""
        effects = []
        for frame in frames:
            if isinstance(frame, str | Mapping):
                text = frame if isinstance(frame, str) else msgspec.json.encode(frame)
                event = codec.decode_server_event(text)
            else:
                event = frame
            effects += self.happens(Received(event, by_next=by_next))
        return effects

    def succeeds(self, config: SessionConfig | None = None) -> list[Effect]:
        """The next session is opened, and takes the configuration as it is; return what came of it."""
        confirmed = updated(config) if config is not None else SESSION_UPDATED
        return self.says(SESSION_CREATED, confirmed, by_next=True)

    def online(self) -> Story:
        """Connect; the server takes the configuration as it is."""
        self.happens(ConnectAsked())
        self.says(SESSION_CREATED, updated(self.config) if self.config is not CONFIG else SESSION_UPDATED)
        return self

    def hears(self, item: str = "item_U1", *, previous: str | None = None) -> list[Effect]:
        """Hands-free: the server hears a turn, to its end."""
        effects = self.says(speech_started(item))
        effects += self.says({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900, "item_id": item})
        effects += self.says(
            {"type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": previous},
            added(item, "user", previous),
        )
        return effects

    def born(self, response: str = R) -> dict[str, object]:
        """Return the birth of a response: the one that was asked for last, or one the server begins by itself."""
        asked = [create.response for create in events_of(ResponseCreate, self.effects)]
        metadata = [params.metadata for params in asked if params and params.metadata and "cid" in params.metadata]
        mine = metadata[-1] if metadata and metadata[-1] not in self._echoed else None
        if mine:
            self._echoed.append(mine)
        return created(response, metadata=mine)

    def offers(self, *names: str, asks: bool = False) -> Story:
        """Offer tools of these names."""
        self.happens(ToolsOffered(tuple(ToolOffer(Tool(name=name, parameters={}), asks=asks) for name in names)))
        return self

    def calls(self, *calls: str, response: str = R, status: str = "completed") -> list[Effect]:
        """The server answers with calls: `name` or `name:call_id`; return what came of `response.done`."""
        items = [function_call(*call.split(":")) for call in calls]
        self.says(self.born(response))
        for item in items:
            self.says(added_item(item))
        return self.says(ended(items, response=response, status=status))

    def ran(self, call: str, output: str = "{}", *, failed: bool = False) -> list[Effect]:
        """A tool has answered."""
        return self.happens(ToolFinished(call, output, failed=failed, seconds=0.5))

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
        self.says(self.born(response), added(item, "assistant", None), words_of(item, words, response))
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


def updated(config: SessionConfig, voice: str = "heart") -> dict[str, object]:
    """Return `session.updated`: the server takes the configuration as it is."""
    session = msgspec.to_builtins(config)
    session.setdefault("audio", {}).setdefault("output", {})["voice"] = voice
    return {"type": "session.updated", "session": {**session, "id": "sess_1"}}


def speech_started(item: str = "item_U1") -> dict[str, object]:
    """Return `input_audio_buffer.speech_started`."""
    return {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": item}


def function_call(
    name: str, call_id: str = "", *, arguments: str = "{}", status: str = "completed"
) -> dict[str, object]:
    """Return an item that calls a tool."""
    call_id = call_id or f"call_{name}"
    return {
        "id": f"item_{call_id}",
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def added_item(item: Mapping[str, object], previous: str | None = None) -> dict[str, object]:
    """Return `conversation.item.added` of any item."""
    return {"type": "conversation.item.added", "previous_item_id": previous, "item": item}


def ended(
    items: Sequence[Mapping[str, object]], *, response: str = R, status: str = "completed", **more: object
) -> dict[str, object]:
    """Return `response.done` with these items as its output."""
    return {"type": "response.done", "response": {"id": response, "status": status, "output": items, **more}}


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
