"""The response of the default conversation: one at a time, asked for, cancelled and ended by id.

    idle ──request──▶ asked ──response.created──▶ active ──cancel──▶ cancelling
      ▲                 │ (cancel: remembered, sent by id when it is born)    │
      └─────────────────┴────────────── response.done ◀───────────────────────┘

The server refuses a second `response.create` while a response is active, so a request waits until the response
before it is done. A cancel before `response.created` would be lost and the orphan would speak later, so it is
remembered and sent by id (the guide's race table). Every event is matched by response id: the end of a cancelled
response often comes after the beginning of the next one. What was asked for and what is active are kept apart,
since a server with turn detection may begin one of its own while ours is on the way; ours is then refused, and
waits.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from desktop_app.conversation import limits
from desktop_app.conversation.inputs import Timer
from desktop_app.conversation.limits import Recent
from desktop_app.conversation.outbox import Outbox
from desktop_app.protocol.events import Response, ResponseCancel, ResponseCreate, ResponseParams

OWN_ID = "cid"
"""The metadata member by which a response is known as the answer to our own `response.create`."""
CREATED_WITHIN_MS = 10_000
CANCELLED_WITHIN_MS = 5_000


@dataclass(slots=True)
class _Asked:
    """A response that is not born yet."""

    event_id: str
    """Of our `response.create`; empty: the server begins it by itself."""
    params: ResponseParams
    called_off: bool = False


@dataclass(slots=True)
class _Active:
    """A response that is being generated."""

    id: str | None
    """None: the server says there is one, but not which."""
    params: ResponseParams
    cancelling: bool = False


class Responses:
    """Asks for, cancels and ends the responses of the default conversation."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._silenced: Recent[None] = Recent(limits.MAX_REMEMBERED)
        self._foreign: Recent[None] = Recent(limits.MAX_REMEMBERED)
        self._born: Recent[None] = Recent(limits.MAX_REMEMBERED)
        self._ended: Recent[None] = Recent(limits.MAX_REMEMBERED)
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new connection has no responses."""
        self._wanted: ResponseParams | None = None
        """The response to be asked for as soon as the one before is done."""
        self._asked: _Asked | None = None
        self._expected: _Asked | None = None
        """What the server begins by itself, after a turn it found."""
        self._active: _Active | None = None
        self.failed: ResponseParams | None = None
        """What the last response was asked with, if it failed: a retry asks for the same."""
        self.echoes: bool | None = None
        """Whether the server echoes metadata; None: not known yet."""
        self.first_modalities: list[str] | None = None
        """Said expressly in the next request: much text in the context makes some models go on in writing."""
        for ids in (self._silenced, self._foreign, self._born, self._ended):
            ids.clear()
        self._outbox.stop_waiting(Timer.RESPONSE_CREATED)
        self._outbox.stop_waiting(Timer.RESPONSE_DONE)

    @property
    def outstanding(self) -> ResponseParams | None:
        """What a response was asked with that is wanted and has not ended."""
        for asked in (self._asked, self._expected, self._active):
            if asked is not None and not (asked.cancelling if isinstance(asked, _Active) else asked.called_off):
                return asked.params
        return self._wanted

    # --- what is known --------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether an answer is on its way: asked for or being generated, and not called off."""
        if self._wanted is not None:
            return True
        unborn = (self._asked, self._expected)
        if any(asked is not None and not asked.called_off for asked in unborn):
            return True
        return self._active is not None and not self._active.cancelling

    @property
    def busy(self) -> bool:
        """Whether a response is asked for or being generated, called off or not."""
        return self.unborn or self._active is not None

    @property
    def unborn(self) -> bool:
        """Whether a response is asked for, or expected, and not born."""
        return self._asked is not None or self._expected is not None

    def is_silenced(self, response_id: str) -> bool:
        """Whether what comes of this response is to be dropped."""
        return response_id in self._silenced

    def is_foreign(self, response_id: str) -> bool:
        """Whether a response is out of band: none of it belongs to the conversation."""
        return response_id in self._foreign

    def has_ended(self, response_id: str) -> bool:
        """Whether `response.done` of it came: nothing more is expected of it."""
        return response_id in self._ended

    # --- what is wanted -------------------------------------------------------------------------

    def request(self, params: ResponseParams | None = None) -> None:
        """Ask for a response, now or when the one before is done; a newer wish replaces an older one."""
        self._wanted = params or ResponseParams()
        self.failed = None
        self._ask()

    def expect(self) -> None:
        """The server found a turn and begins a response by itself: none is asked for meanwhile."""
        if self._active is None:
            self._expected = _Asked("", ResponseParams())
            self._outbox.wake_after(CREATED_WITHIN_MS, Timer.RESPONSE_CREATED)

    def call_off(self, *, server_cancels: bool) -> None:
        """Stop the response in progress; none in progress: nothing. What is wanted is no longer wanted.

        `server_cancels`: the server's own turn detection cancels it (`interrupt_response`), so nothing is sent.
        """
        self._wanted = None
        for asked in (self._asked, self._expected):
            if asked is not None:
                asked.called_off = True
        if self._active is not None and not self._active.cancelling:
            self._cancel(self._active, send=not server_cancels)

    def silence(self, response_id: str) -> None:
        """Drop what still comes of a response."""
        self._silenced[response_id] = None

    def disown(self, response_id: str) -> None:
        """None of this response belongs to the conversation."""
        if response_id:
            self._foreign[response_id] = None

    # --- what the server says -------------------------------------------------------------------

    def created(self, response: Response) -> None:
        """Take `response.created`."""
        response_id = response.id or ""
        metadata = response.metadata or {}
        if response_id in self._ended:
            return
        # A null alone does not tell: some servers write it always, and echo no metadata.
        if response.conversation_id is None and metadata and OWN_ID not in metadata:
            self.disown(response_id)
            return
        asked = self._take_unborn(metadata)
        if asked is not None and asked.event_id:
            self.echoes = OWN_ID in metadata
        self._born[response_id] = None
        self._active = _Active(response_id or None, asked.params if asked else ResponseParams())
        self._outbox.stop_waiting(Timer.RESPONSE_DONE)
        if asked is not None and asked.called_off:
            self._cancel(self._active, send=True)

    def done(self, response: Response) -> ResponseParams:
        """Take `response.done`; return what it was asked with. The next one may be asked for afterwards (`go_on`).

        One that is not the active one changes nothing but what is remembered of it.
        """
        response_id = response.id or ""
        params = ResponseParams()
        self._silenced.pop(response_id, None)
        if response_id:
            self._ended[response_id] = None
        if response_id in self._foreign:
            return params
        active = self._active
        if active is not None and (active.id in (response_id, None) or not response_id):
            params, self._active = active.params, None
            self._outbox.stop_waiting(Timer.RESPONSE_DONE)
        elif active is None and response_id not in self._born:  # it was never said to be born
            asked = self._take_unborn(response.metadata or {})
            params = asked.params if asked else params
        if response.status == "failed":
            self.failed = params
        return params

    def go_on(self) -> None:
        """Ask for what is wanted, if nothing is in progress."""
        self._ask()

    def refused_as_active(self, event_id: str) -> None:
        """Our request came while another response was active: it waits for that one's end."""
        asked = self._asked
        if asked is None or (event_id and event_id != asked.event_id):
            return
        self._asked = None
        self._outbox.stop_waiting(Timer.RESPONSE_CREATED)
        if not asked.called_off and self._wanted is None:
            self._wanted = asked.params
        if self._active is None:
            self._active = _Active(None, ResponseParams())
            self._outbox.wake_after(CREATED_WITHIN_MS, Timer.RESPONSE_DONE)

    def refused(self, event_id: str) -> bool:
        """Our request was refused for another reason; return whether it was ours."""
        if self._asked is None or not event_id or event_id != self._asked.event_id:
            return False
        self._asked = None
        self._ask()
        return True

    def never_created(self) -> bool:
        """No `response.created` after a request: go on without. Return whether somebody waited for it."""
        asked, self._asked, self._expected = self._asked, None, None
        self._outbox.stop_waiting(Timer.RESPONSE_CREATED)
        missed = asked is not None and not asked.called_off and self._wanted is None
        self._ask()
        return missed

    def never_done(self) -> None:
        """No `response.done` after a cancel: go on without."""
        self._active = None
        self._ask()

    # --- how it is done -------------------------------------------------------------------------

    def _take_unborn(self, metadata: dict[str, str]) -> _Asked | None:
        """Return which of what was asked for, or expected, this is, and wait for it no more."""
        if OWN_ID in metadata:
            mine = self._asked is not None and self._asked.event_id == metadata[OWN_ID]
        elif self._expected is not None:
            mine = self.echoes is False and self._asked is not None and not self._asked.called_off
        else:
            mine = not self.echoes
        if mine:
            taken, self._asked = self._asked, None
        elif OWN_ID in metadata:
            taken = None
        else:
            taken, self._expected = self._expected, None
        if not self.unborn:
            self._outbox.stop_waiting(Timer.RESPONSE_CREATED)
        return taken

    def _ask(self) -> None:
        if self.busy or self._wanted is None:
            return
        params, self._wanted = self._wanted, None
        event_id = self._outbox.next_event_id()
        self._asked = _Asked(event_id, params)
        sent = msgspec.structs.replace(params, metadata={OWN_ID: event_id})
        if self.first_modalities and params.output_modalities is UNSET:
            sent = msgspec.structs.replace(sent, output_modalities=self.first_modalities)
        self.first_modalities = None
        self._outbox.send(ResponseCreate(response=sent))
        self._outbox.wake_after(CREATED_WITHIN_MS, Timer.RESPONSE_CREATED)

    def _cancel(self, active: _Active, *, send: bool) -> None:
        active.cancelling = True
        if active.id is not None:
            self.silence(active.id)
        if send:
            self._outbox.send(ResponseCancel(response_id=active.id) if active.id else ResponseCancel())
        self._outbox.wake_after(CANCELLED_WITHIN_MS, Timer.RESPONSE_DONE)
