"""The response of the default conversation: one at a time, asked for, cancelled and ended by id.

    IDLE ──request──▶ ASKED ──response.created──▶ ACTIVE ──cancel──▶ CANCELLING
      ▲                 │ (cancel: remembered, sent by id when it is born)    │
      └─────────────────┴────────────── response.done ◀───────────────────────┘

The server refuses a second `response.create` while a response is active, so a request waits until the response
before it is done. A cancel before `response.created` would be lost and the orphan would speak later, so it is
remembered and sent by id (the guide's race table). Every event is matched by response id: the end of a cancelled
response often comes after the beginning of the next one.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from desktop_app.conversation.inputs import Timer
from desktop_app.conversation.outbox import Outbox
from desktop_app.protocol.events import Response, ResponseCancel, ResponseCreate, ResponseParams

OWN_ID = "cid"
"""The metadata member by which a response is known as the answer to our own `response.create`."""
CREATED_WITHIN_MS = 10_000
CANCELLED_WITHIN_MS = 5_000
_REMEMBERED = 64


class Phase(Enum):
    """Where the response of the default conversation is."""

    IDLE = "idle"
    ASKED = "asked"
    ACTIVE = "active"
    CANCELLING = "cancelling"


class Responses:
    """Asks for, cancels and ends the responses of the default conversation."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new connection has no responses."""
        self.phase = Phase.IDLE
        self._wanted: ResponseParams | None = None
        """The response to be asked for as soon as the one before is done."""
        self._active_id: str | None = None
        self._asked_as = ""
        self._asked_for = ResponseParams()
        self._cancel_when_born = False
        self._silenced: dict[str, None] = {}
        self._foreign: dict[str, None] = {}

    @property
    def pending(self) -> bool:
        """Whether an answer is on its way: asked for or being generated, and not called off."""
        if self._wanted is not None:
            return True
        return self.phase is Phase.ACTIVE or (self.phase is Phase.ASKED and not self._cancel_when_born)

    @property
    def busy(self) -> bool:
        """Whether a response is asked for or being generated, called off or not."""
        return self.phase is not Phase.IDLE

    def request(self, params: ResponseParams | None = None) -> None:
        """Ask for a response, now or when the one before is done; a newer wish replaces an older one."""
        self._wanted = params or ResponseParams()
        self._ask()

    def call_off(self, *, server_cancels: bool) -> None:
        """Stop the response in progress; none in progress: nothing. What is wanted is no longer wanted.

        `server_cancels`: the server's own turn detection cancels it (`interrupt_response`), so nothing is sent.
        """
        self._wanted = None
        if self.phase is Phase.ASKED:
            self._cancel_when_born = True
        elif self.phase is Phase.ACTIVE:
            self._cancel(send=not server_cancels)

    def silence(self, response_id: str) -> None:
        """Drop what still comes of a response."""
        self._silenced[response_id] = None
        while len(self._silenced) > _REMEMBERED:
            del self._silenced[next(iter(self._silenced))]

    def is_silenced(self, response_id: str) -> bool:
        """Whether what comes of this response is to be dropped."""
        return response_id in self._silenced

    def is_foreign(self, response_id: str) -> bool:
        """Whether a response is out of band: none of it belongs to the conversation."""
        return response_id in self._foreign

    def created(self, response: Response) -> None:
        """Take `response.created`."""
        response_id = response.id or ""
        metadata = response.metadata or {}
        # A null alone does not tell: some servers write it always, and echo no metadata.
        if response.conversation_id is None and metadata and OWN_ID not in metadata:
            self._foreign[response_id] = None
            return
        own = self.phase is Phase.ASKED and metadata.get(OWN_ID, self._asked_as) == self._asked_as
        self._outbox.stop_waiting(Timer.RESPONSE_CREATED)
        if self.phase is Phase.ASKED and not own:
            self._wanted = self._asked_for  # the server began one by itself; ours will be refused and must wait
        cancel = own and self._cancel_when_born
        self._cancel_when_born = False
        self.phase, self._active_id = Phase.ACTIVE, response_id
        if cancel:
            self._cancel(send=True)

    def done(self, response: Response) -> None:
        """Take `response.done`; one that is not the active one changes nothing but what is remembered of it."""
        response_id = response.id or ""
        self._silenced.pop(response_id, None)
        if response_id in self._foreign:
            del self._foreign[response_id]
            return
        if self.phase in (Phase.ACTIVE, Phase.CANCELLING) and self._active_id in (response_id, None):
            self._idle()

    def refused_as_active(self) -> None:
        """Our request came while another response was active: it waits for that one's end."""
        if self.phase is Phase.ASKED:
            self._wanted = None if self._cancel_when_born else self._asked_for
            self._cancel_when_born = False
            self.phase, self._active_id = Phase.ACTIVE, None
            self._outbox.wake_after(CREATED_WITHIN_MS, Timer.RESPONSE_DONE)
        elif self.phase is not Phase.IDLE:
            self._wanted = self._asked_for

    def refused(self, event_id: str) -> bool:
        """Our request was refused for another reason; return whether it was ours."""
        if self.phase is Phase.ASKED and event_id == self._asked_as:
            self._idle()
            return True
        return False

    def waited_long_enough(self) -> None:
        """No `response.created` after a request, or no `response.done` after a cancel: go on without."""
        if self.phase is not Phase.IDLE:
            self._idle()

    def _ask(self) -> None:
        if self.phase is not Phase.IDLE or self._wanted is None:
            return
        self._asked_for, self._wanted = self._wanted, None
        self.phase = Phase.ASKED
        self._asked_as = self._outbox.next_event_id()
        params = msgspec.structs.replace(self._asked_for, metadata={OWN_ID: self._asked_as})
        self._outbox.send(ResponseCreate(response=params))
        self._outbox.wake_after(CREATED_WITHIN_MS, Timer.RESPONSE_CREATED)

    def _cancel(self, *, send: bool) -> None:
        self.phase = Phase.CANCELLING
        if self._active_id is not None:
            self.silence(self._active_id)
        if send:
            response_id = self._active_id
            self._outbox.send(ResponseCancel(response_id=response_id) if response_id else ResponseCancel())
        self._outbox.wake_after(CANCELLED_WITHIN_MS, Timer.RESPONSE_DONE)

    def _idle(self) -> None:
        self.phase, self._active_id, self._cancel_when_born = Phase.IDLE, None, False
        self._outbox.stop_waiting(Timer.RESPONSE_CREATED)
        self._outbox.stop_waiting(Timer.RESPONSE_DONE)
        self._ask()
