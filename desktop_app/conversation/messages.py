"""What the user hands over whole: typed texts, pictures, sound files.

A text is shown at once, under an id of our own, so that its echo is known without guessing (the guide's item ids);
a server that gives it another id has the entry renamed. During a spoken turn a message is only put before it: the
turn's end asks for the answer, or, where the server finds the turns, the server does. A long recording goes by the
input buffer, in pieces, where nobody listens for turns in it.
"""

from __future__ import annotations

from desktop_app.conversation import limits
from desktop_app.conversation.effects import GiveBackText, ShowNotice
from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.conversation.failures import clipped
from desktop_app.conversation.inputs import Recording, TextEntered
from desktop_app.conversation.limits import Recent
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.responses import Responses
from desktop_app.conversation.setup import Setup
from desktop_app.conversation.talk import Talk
from desktop_app.conversation.transcript import Transcript
from desktop_app.errors import Notice
from desktop_app.protocol.events import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseParams,
)
from desktop_app.protocol.items import Item, user_message
from desktop_app.protocol.session_config import MIN_COMMIT_MS, PCM_BYTES_PER_MS

LONG_RECORDING_MS = 60_000
LONGEST_RECORDING_MS = 10 * 60_000
PIECE_MS = 2_000
_SAMPLE_BYTES = 2


class Messages:
    """Sends what the user hands over."""

    def __init__(
        self, outbox: Outbox, transcript: Transcript, responses: Responses, talk: Talk, setup: Setup
    ) -> None:
        self._outbox = outbox
        self._transcript = transcript
        self._responses = responses
        self._talk = talk
        self._setup = setup
        self._numbers = 0
        self._unconfirmed: Recent[str] = Recent(limits.MAX_QUEUED)
        """The texts of own items whose echo has not come, by item id."""

    def text(self, event: TextEntered, *, session_no: int, server_hears: bool) -> None:
        """Send a message: a typed text, pictures and sound files as one item, a long recording before it."""
        sounds = [Recording(_even(each.pcm), clipped(each.name, 60)) for each in event.recordings]
        good = [sound for sound in sounds if self._can_be_sent(sound)]
        if len(good) < len(sounds):
            if event.text or event.images or good:
                self._outbox.do(GiveBackText(event.text, event.images, tuple(good)))
            return
        for sound in sounds:
            if _ms(sound) > LONG_RECORDING_MS:
                self._send_by_buffer(sound.pcm)
        short = [sound for sound in sounds if _ms(sound) <= LONG_RECORDING_MS]
        if event.text or event.images or short:
            self._send_item(self._new_id(session_no), event, short)
        written = ResponseParams(output_modalities=["text"]) if event.written else None
        self._ask(written, server_hears=server_hears)

    def _send_item(self, item_id: str, event: TextEntered, sounds: list[Recording]) -> None:
        names = ", ".join(sound.name for sound in sounds)
        entry = Entry(
            item_id,
            Role.USER,
            event.text,
            EntryStatus.COMPLETED,
            spoken=bool(sounds) and not event.text,
            remark=f"Sound file: {names}" if names else "",
            images=event.images,
        )
        self._transcript.show(entry)
        if not sounds:
            self._unconfirmed[item_id] = event.text
        item = user_message(item_id, event.text, event.images, [sound.pcm for sound in sounds])
        self._outbox.send(ConversationItemCreate(item=item))

    def _can_be_sent(self, sound: Recording) -> bool:
        """Return whether a sound file is as long as one may be; if not, say so."""
        by_buffer = not self._setup.hands_free and self._talk.closed
        if _ms(sound) < MIN_COMMIT_MS:
            text = f"«{sound.name}» is too short: there is nothing to hear in it."
            self._refuse(text, "Choose another sound file.")
            return False
        if _ms(sound) > (LONGEST_RECORDING_MS if by_buffer else LONG_RECORDING_MS):
            hint = "Cut it, or switch to push to talk for up to ten minutes."
            self._refuse(f"«{sound.name}» is too long to be sent as one message.", hint)
            return False
        return True

    def _send_by_buffer(self, pcm: bytes) -> None:
        self._outbox.send(InputAudioBufferClear())
        size = PIECE_MS * PCM_BYTES_PER_MS
        for at in range(0, len(pcm), size):
            self._outbox.send(InputAudioBufferAppend(audio=pcm[at : at + size]))
        self._outbox.send(InputAudioBufferCommit())

    def echoed(self, item: Item) -> None:
        """Take an item that stands in the conversation now; one of ours may have got another id."""
        if not item.id or self._unconfirmed.pop(item.id, None) is not None or item.role != "user":
            return
        if self._transcript.get(item.id) is None and not any(part.is_audio for part in item.parts):
            for item_id, text in self._unconfirmed.items():
                if text == item.words:
                    del self._unconfirmed[item_id]
                    self._transcript.rename(item_id, item.id)
                    return

    def lose(self) -> None:
        """The connection is gone: no echo will come."""
        self._unconfirmed.clear()

    def _ask(self, params: ResponseParams | None, *, server_hears: bool) -> None:
        if self._talk.takes_a_turn or (server_hears and self._setup.server_answers):
            return
        self._responses.request(params)

    def _refuse(self, text: str, hint: str) -> None:
        self._outbox.do(ShowNotice(Notice(text, hint, key="recording")))

    def _new_id(self, session_no: int) -> str:
        """Return an id that no entry has, of a conversation that goes on neither."""
        while True:
            self._numbers += 1
            item_id = f"user_{session_no}_{self._numbers}"
            if self._transcript.get(item_id) is None and not self._transcript.is_gone(item_id):
                return item_id


def _even(pcm: bytes) -> bytes:
    return pcm[: len(pcm) // _SAMPLE_BYTES * _SAMPLE_BYTES]


def _ms(sound: Recording) -> int:
    return len(sound.pcm) // PCM_BYTES_PER_MS
