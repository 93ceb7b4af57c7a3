"""Session: the one place where what the core asks for is done.

It names what it needs as four small Protocols; `app.py` hands in the real ones, tests hand in fakes.
"""

from __future__ import annotations

from typing import Protocol

from desktop_app.conversation.effects import Entry, Link, Turn, VoiceState
from desktop_app.conversation.inputs import Heard
from desktop_app.errors import Notice
from desktop_app.protocol.events import ClientEvent
from desktop_app.protocol.items import PartId


class Transport(Protocol):
    """The connection. What arrives is posted as `Received`, its end, once, as `Disconnected`."""

    def connect(self) -> None:
        """Start connecting, or drop what there is and start anew."""
        ...

    def send(self, event: ClientEvent) -> None:
        """Queue an event; order is kept. Without a connection it is dropped."""
        ...

    def disconnect(self) -> None:
        """Close; nothing more is posted of this connection."""
        ...


class Speaker(Protocol):
    """The loudspeaker. Posts `PlaybackStarted`, `PlaybackFinished`, `SpeakerFailed`."""

    def play(self, part: PartId, pcm: bytes) -> None:
        """Queue PCM16 of a part; an odd byte is kept for the next call of the same part."""
        ...

    def end(self, part: PartId) -> None:
        """Nothing more of this part will come."""
        ...

    def stop(self) -> tuple[Heard, ...]:
        """Be silent now, forget the queue; return what was heard of each unfinished part, in order."""
        ...


class Microphone(Protocol):
    """The microphone. Posts `MicStarted`, `MicBlock`s, `MicClosed`, or `MicFailed`."""

    def open(self) -> None:
        """Start a talk. During the release tail of the last one: end that at once, and lose no sample."""
        ...

    def close(self) -> None:
        """End the talk after the release tail."""
        ...


class View(Protocol):
    """The window, as the session sees it."""

    def show_entry(self, entry: Entry, after: str | None) -> None:
        """Insert or replace the entry of this item id; `after` is the item id before it, None: the first."""
        ...

    def remove_entry(self, item_id: str) -> None:
        """Take an entry out."""
        ...

    def clear_entries(self) -> None:
        """Empty the transcript."""
        ...

    def show_turn(self, turn: Turn) -> None:
        """Show whose move it is."""
        ...

    def show_link(self, link: Link) -> None:
        """Show the state of the connection."""
        ...

    def show_voice(self, state: VoiceState) -> None:
        """Show the voice and whether another can be chosen."""
        ...

    def show_notice(self, notice: Notice) -> None:
        """Show a notice; one of the same key replaces it."""
        ...

    def dismiss_notice(self, key: str) -> None:
        """Take the notice of this key away."""
        ...

    def give_back_text(self, text: str) -> None:
        """Put a text that was not sent back into the line, before what stands there."""
        ...
