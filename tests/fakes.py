"""Stand-ins for the edges that `Session` names, and for whoever takes inputs.

Each writes down what it was asked to do into one list, in the order it was asked: `("play", part, pcm)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from desktop_app.conversation.effects import (
    AsideState,
    ConnectionInfo,
    Consent,
    CountUsage,
    Link,
    Retry,
    Turn,
    VoiceState,
)
from desktop_app.conversation.entries import Entry
from desktop_app.conversation.inputs import Heard, Recording
from desktop_app.errors import Notice
from desktop_app.protocol.events import ClientEvent
from desktop_app.protocol.items import PartId
from desktop_app.protocol.session_config import SessionConfig

Call = tuple[Any, ...]
"""The name of a method and what it was given."""


class FakeTransport:
    """A connection that never opens."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls

    def connect(self) -> None:
        self._calls.append(("connect",))

    def send(self, event: ClientEvent) -> None:
        self._calls.append(("send", event))

    def disconnect(self) -> None:
        self._calls.append(("disconnect",))

    def connect_next(self) -> None:
        self._calls.append(("connect_next",))

    def send_next(self, event: ClientEvent) -> None:
        self._calls.append(("send_next", event))

    def switch_over(self) -> None:
        self._calls.append(("switch_over",))

    def drop_next(self) -> None:
        self._calls.append(("drop_next",))

    def probe(self) -> None:
        self._calls.append(("probe",))


class FakeSpeaker:
    """A speaker that hears what it is told to have heard."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls
        self.heard: tuple[Heard, ...] = ()
        """What the next `stop` returns."""
        self.while_stopping: Callable[[], None] = lambda: None
        """Called in the middle of `stop`, as a speaker that has something to post."""

    def play(self, part: PartId, pcm: bytes) -> None:
        self._calls.append(("play", part, pcm))

    def end(self, part: PartId) -> None:
        self._calls.append(("end", part))

    def stop(self) -> tuple[Heard, ...]:
        self._calls.append(("stop",))
        self.while_stopping()
        return self.heard


class FakeMicrophone:
    """A microphone that never says anything."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls

    def open(self) -> None:
        self._calls.append(("open",))

    def close(self) -> None:
        self._calls.append(("close",))


class FakeView:
    """A window nobody sees."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls

    def show_entry(self, entry: Entry, after: str | None) -> None:
        self._calls.append(("show_entry", entry, after))

    def remove_entry(self, item_id: str) -> None:
        self._calls.append(("remove_entry", item_id))

    def clear_entries(self) -> None:
        self._calls.append(("clear_entries",))

    def show_turn(self, turn: Turn) -> None:
        self._calls.append(("show_turn", turn))

    def show_link(self, link: Link) -> None:
        self._calls.append(("show_link", link))

    def show_retry(self, retry: Retry | None) -> None:
        self._calls.append(("show_retry", retry))

    def show_voice(self, state: VoiceState) -> None:
        self._calls.append(("show_voice", state))

    def show_notice(self, notice: Notice) -> None:
        self._calls.append(("show_notice", notice))

    def dismiss_notice(self, key: str) -> None:
        self._calls.append(("dismiss_notice", key))

    def give_back_text(self, text: str, images: Sequence[str], recordings: Sequence[Recording]) -> None:
        self._calls.append(("give_back_text", text, images, recordings))

    def show_session(self, config: SessionConfig, *, muted: bool) -> None:
        self._calls.append(("show_session", config, muted))

    def show_connection(self, info: ConnectionInfo) -> None:
        self._calls.append(("show_connection", info))

    def show_aside(self, state: AsideState) -> None:
        self._calls.append(("show_aside", state))

    def show_title(self, title: str, topic: str) -> None:
        self._calls.append(("show_title", title, topic))


class FakeTools:
    """Tools that never finish."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls

    def run(self, call_id: str, name: str, arguments: str) -> None:
        self._calls.append(("run", call_id, name, arguments))

    def cancel(self, call_id: str) -> None:
        self._calls.append(("cancel", call_id))

    def ask_consent(self, consent: Consent) -> None:
        self._calls.append(("ask_consent", consent))

    def withdraw_consent(self, call_id: str) -> None:
        self._calls.append(("withdraw_consent", call_id))


class FakeRecords:
    """Records nobody keeps."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls

    def keep_entry(self, entry: Entry, after: str | None) -> None:
        self._calls.append(("keep_entry", entry, after))

    def drop_entry(self, item_id: str, *, for_room: bool) -> None:
        self._calls.append(("drop_entry", item_id, for_room))

    def begin_conversation(self) -> None:
        self._calls.append(("begin_conversation",))

    def name_conversation(self, title: str, topic: str) -> None:
        self._calls.append(("name_conversation", title, topic))

    def count_usage(self, usage: CountUsage) -> None:
        self._calls.append(("count_usage", usage))

    def save_recording(self, item_id: str, pcm: bytes) -> None:
        self._calls.append(("save_recording", item_id, pcm))


class FakeTimers:
    """A clock that stands still until it is told to ring."""

    def __init__(self) -> None:
        self.set: list[tuple[float, Callable[[], None]]] = []
        """The timers that wait: seconds, and what to call."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.set.append((seconds, callback))

    def ring(self) -> None:
        """Let all the timers that wait go off."""
        waiting, self.set = self.set, []
        for _, callback in waiting:
            callback()
