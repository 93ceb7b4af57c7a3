"""Session: the one place where what the core asks for is done.

It names what it needs as four small Protocols; `app.py` hands in the real ones, tests hand in fakes.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import (
    AsideState,
    AskConsent,
    CancelTool,
    ClearEntries,
    CloseMic,
    Connect,
    ConnectionInfo,
    ConnectNext,
    Consent,
    CountUsage,
    Disconnect,
    DismissNotice,
    DropNext,
    Effect,
    EndPart,
    GiveBackText,
    Link,
    OpenMic,
    Play,
    Probe,
    RemoveEntry,
    Retry,
    RunTool,
    SaveRecording,
    Send,
    SendNext,
    ShowAside,
    ShowConnection,
    ShowEntry,
    ShowLink,
    ShowNotice,
    ShowRetry,
    ShowSession,
    ShowTitle,
    ShowTurn,
    ShowVoice,
    StopPlayback,
    SwitchOver,
    Turn,
    VoiceState,
    WakeAfter,
    WithdrawConsent,
)
from desktop_app.conversation.entries import Entry
from desktop_app.conversation.inputs import Heard, Input, PlaybackStopped, Recording, Woke
from desktop_app.errors import Notice
from desktop_app.protocol.events import ClientEvent
from desktop_app.protocol.items import PartId
from desktop_app.protocol.session_config import SessionConfig

_log = logging.getLogger(__name__)


class Transport(Protocol):
    """The connection. What arrives is posted as `Received`, its end, once, as `Disconnected`."""

    def connect(self) -> None:
        """Start connecting, or drop what there is and start anew."""
        ...

    def connect_next(self) -> None:
        """Open another connection beside it; what arrives by that one is marked `by_next`."""
        ...

    def switch_over(self) -> None:
        """The next connection takes the place of the present one, which is closed."""
        ...

    def drop_next(self) -> None:
        """Close the next connection; nothing more is posted of it."""
        ...

    def probe(self) -> None:
        """Make sure at once that what is connected lives; `Disconnected` if it does not."""
        ...

    def send(self, event: ClientEvent) -> None:
        """Queue an event; order is kept. Without a connection it is dropped."""
        ...

    def send_next(self, event: ClientEvent) -> None:
        """Queue an event on the next connection."""
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

    def show_retry(self, retry: Retry | None) -> None:
        """Show the attempt to connect that is planned, with what can be done about it; None: there is none."""
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

    def give_back_text(self, text: str, images: Sequence[str], recordings: Sequence[Recording]) -> None:
        """Put a message that was not sent back into the line, before what stands there."""
        ...

    def show_session(self, config: SessionConfig, *, muted: bool) -> None:
        """Put the controls of the session where they are in force."""
        ...

    def show_connection(self, info: ConnectionInfo) -> None:
        """Show what is known of the session."""
        ...

    def show_aside(self, state: AsideState) -> None:
        """Insert or replace an answer beside the conversation, by its number."""
        ...

    def show_title(self, title: str, topic: str) -> None:
        """Show what the conversation is about."""
        ...


class Tools(Protocol):
    """What the model may call. Posts `ToolFinished`, once for every call."""

    def run(self, call_id: str, name: str, arguments: str) -> None:
        """Start a call."""
        ...

    def cancel(self, call_id: str) -> None:
        """Nobody waits for this call any more; it may still post."""
        ...

    def ask_consent(self, consent: Consent) -> None:
        """Have the user asked whether a call may run: the answer is `ConsentGiven`.

        Where it would be refused anyway nobody is asked, and the answer is `ToolFinished`.
        """
        ...

    def withdraw_consent(self, call_id: str) -> None:
        """The question no longer stands."""
        ...


class Records(Protocol):
    """What is written down: what was said, what was billed, and recordings the user wants."""

    def keep_entry(self, entry: Entry, after: str | None) -> None:
        """Keep an entry, or what has become of it; `after` as in `View.show_entry`."""
        ...

    def drop_entry(self, item_id: str, *, for_room: bool) -> None:
        """The user wants an entry forgotten; `for_room`: it is just not shown any more."""
        ...

    def begin_conversation(self) -> None:
        """What is kept from now on is another conversation."""
        ...

    def name_conversation(self, title: str, topic: str) -> None:
        """The model named the conversation."""
        ...

    def count_usage(self, usage: CountUsage) -> None:
        """Add to what was spent."""
        ...

    def save_recording(self, item_id: str, pcm: bytes) -> None:
        """Offer the user to keep what the server heard: PCM16, mono, 24 kHz."""
        ...


class Session:
    """Performs, in order and without ever awaiting, what the core asks for.

    Everything runs on the loop's thread. What an effect brings about at once (what was heard, as an answer to
    `StopPlayback`) is the next input of the same dispatch: between deciding and doing there is nothing to re-check.
    """

    def __init__(
        self,
        conversation: Conversation,
        *,
        transport: Transport,
        speaker: Speaker,
        microphone: Microphone,
        view: View,
        tools: Tools,
        records: Records,
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._conversation = conversation
        self._transport = transport
        self._speaker = speaker
        self._microphone = microphone
        self._view = view
        self._tools = tools
        self._records = records
        self._call_later = call_later
        self._inbox: deque[Input] = deque()
        self._dispatching = False
        self._closed = False
        self.witness: Callable[[Input | Effect], None] | None = None
        """Is told everything that happens and is asked for, and takes no part."""

    def handle(self, event: Input) -> None:
        """Take an input; loop thread only."""
        if self._closed:
            return
        self._inbox.append(event)
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._inbox and not self._closed:
                event = self._inbox.popleft()
                if self.witness is not None:
                    self.witness(event)
                for effect in self._conversation.handle(event):
                    if not self._closed:
                        self._perform(effect)
        finally:
            self._dispatching = False

    def close(self) -> None:
        """Take no more inputs: the edges are being closed, and what they still say concerns nobody."""
        self._closed = True

    def _perform(self, effect: Effect) -> None:
        if self.witness is not None:
            self.witness(effect)
        match effect:
            case Send(event):
                self._transport.send(event)
            case Play(part, pcm):
                self._speaker.play(part, pcm)
            case EndPart(part):
                self._speaker.end(part)
            case StopPlayback():
                self._inbox.append(PlaybackStopped(self._speaker.stop()))
            case OpenMic():
                self._microphone.open()
            case CloseMic():
                self._microphone.close()
            case Connect():
                self._transport.connect()
            case Disconnect():
                self._transport.disconnect()
            case ConnectNext():
                self._transport.connect_next()
            case SendNext(event):
                self._transport.send_next(event)
            case SwitchOver():
                self._transport.switch_over()
            case DropNext():
                self._transport.drop_next()
            case Probe():
                self._transport.probe()
            case WakeAfter(ms, timer, serial):
                self._call_later(ms / 1000, lambda: self.handle(Woke(timer, serial)))
            case ShowEntry(entry, after):
                self._view.show_entry(entry, after)
                self._records.keep_entry(entry, after)
            case RemoveEntry(item_id, for_room):
                self._view.remove_entry(item_id)
                self._records.drop_entry(item_id, for_room=for_room)
            case ClearEntries():
                self._view.clear_entries()
                self._records.begin_conversation()
            case ShowTurn(turn):
                self._view.show_turn(turn)
            case ShowLink(link):
                _log.info("%s", link.value)
                self._view.show_link(link)
            case ShowRetry(retry):
                self._view.show_retry(retry)
            case ShowVoice(state):
                self._view.show_voice(state)
            case ShowNotice(notice):
                self._view.show_notice(notice)
            case DismissNotice(key):
                self._view.dismiss_notice(key)
            case GiveBackText(text, images, recordings):
                self._view.give_back_text(text, images, recordings)
            case RunTool(call_id, name, arguments):
                self._tools.run(call_id, name, arguments)
            case CancelTool(call_id):
                self._tools.cancel(call_id)
            case AskConsent(consent):
                self._tools.ask_consent(consent)
            case WithdrawConsent(call_id):
                self._tools.withdraw_consent(call_id)
            case ShowSession(config, muted):
                self._view.show_session(config, muted=muted)
            case ShowConnection(info):
                self._view.show_connection(info)
            case ShowAside(aside):
                self._view.show_aside(aside)
            case ShowTitle(title, topic):
                self._view.show_title(title, topic)
                self._records.name_conversation(title, topic)
            case CountUsage():
                self._records.count_usage(effect)
            case SaveRecording(item_id, pcm):
                self._records.save_recording(item_id, pcm)
            case _:
                assert_never(effect)
