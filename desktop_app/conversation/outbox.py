"""What one input leads to, in order; and what was sent, so that a later `error` event can be told apart."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from desktop_app.conversation.effects import Effect, Send, SendNext, WakeAfter
from desktop_app.conversation.inputs import Timer, Woke
from desktop_app.protocol.events import ClientEvent, InputAudioBufferAppend

_REMEMBERED = 256
"""How many sent events are kept for matching errors; audio is not counted."""


class Outbox:
    """Collects effects; numbers the events that are sent and the timers that are set.

    One with a `parent` is of the connection that is prepared beside the parent's: what it sends goes there, and
    everything else is the parent's; no id is used on both.
    """

    def __init__(self, parent: Outbox | None = None) -> None:
        self._parent = parent
        self._effects: list[Effect] = []
        self._sent: OrderedDict[str, type[ClientEvent]] = OrderedDict()
        self._events = 0
        self._timers: dict[Timer, int] = {}
        self._serial = 0

    def do(self, effect: Effect) -> None:
        """Ask for an effect."""
        if self._parent is not None:
            self._parent.do(effect)
            return
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """Return what was asked for since the last call."""
        effects, self._effects = self._effects, []
        return effects

    def next_event_id(self) -> str:
        """Return the id the next sent event will carry."""
        if self._parent is not None:
            return self._parent.next_event_id()
        return f"c-{self._events + 1:06d}"

    def send(self, event: ClientEvent) -> str:
        """Ask for an event to be sent; return the `event_id` it carries."""
        event_id = self.next_event_id()
        numbered = msgspec.structs.replace(event, event_id=event_id)
        (self._parent or self)._events += 1
        self.do(Send(numbered) if self._parent is None else SendNext(numbered))
        if not isinstance(event, InputAudioBufferAppend):
            self._sent[event_id] = type(event)
            if len(self._sent) > _REMEMBERED:
                self._sent.popitem(last=False)
        return event_id

    def adopt(self, other: Outbox) -> None:
        """The connection of `other` is the present one: errors are about what was sent there."""
        self._sent = other._sent

    def kind_of(self, event_id: str) -> type[ClientEvent] | None:
        """Return what kind of event carried this id, if it is remembered."""
        return self._sent.get(event_id)

    def last_of(self, kind: type[ClientEvent] | None) -> str:
        """Return the id of the last event of a kind, empty if none is remembered."""
        return next((event_id for event_id, sent in reversed(self._sent.items()) if sent is kind), "")

    def wake_after(self, ms: int, timer: Timer) -> int:
        """Ask for `Woke`; an earlier one of the same timer becomes stale. Return its serial."""
        self._serial += 1
        self._timers[timer] = self._serial
        self.do(WakeAfter(ms, timer, self._serial))
        return self._serial

    def stop_waiting(self, timer: Timer) -> None:
        """Make a timer that was set stale."""
        self._timers.pop(timer, None)

    def is_due(self, woke: Woke) -> bool:
        """Whether this is the newest of its timer and still wanted."""
        return self._timers.get(woke.timer) == woke.serial
