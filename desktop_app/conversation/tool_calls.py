"""Calls of tools: from the model's wish to the output it gets, each answered exactly once.

Calls are taken from `response.done`, and only those that are complete: the arguments of a cancelled response may be
half a sentence. They run side by side. When every call of a response has its output, and nobody began a newer turn
meanwhile, exactly one `response.create` follows; after a newer turn the outputs are given, and the answer to that
turn will see them (the guide's function calling). What has a side effect waits for the user's yes; a no is an
output as well, and so is a tool that never answers. After `MAX_ROUNDS` rounds in one turn the model has to answer
without tools. A session whose `tool_choice` forces a call must not force another one by the follow-up.

A call outlives the session that made it: its output is given to the next one together with the call, and answered
there, if the turn is still the present one. What was asked of the server alone (approvals) is lost with it.

Calls that the server makes itself (MCP) are only shown; what they need is the user's yes to an approval request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET

from desktop_app.conversation import limits
from desktop_app.conversation.effects import DECLINED, AskConsent, CancelTool, Consent, RunTool, WithdrawConsent
from desktop_app.conversation.entries import Entry, EntryStatus, Role, ToolUse
from desktop_app.conversation.inputs import ConsentGiven, Timer, ToolFinished, ToolOffer
from desktop_app.conversation.limits import Recent
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.replay import MAX_OWN_ID, output_id
from desktop_app.conversation.responses import Responses
from desktop_app.conversation.transcript import Transcript
from desktop_app.protocol.events import ConversationItemCreate, ResponseParams
from desktop_app.protocol.items import Item, function_call_output, user_message

MAX_ROUNDS = 8
SELF_STARTED_WITHIN_MS = 1_000
"""Whether a response follows an approval by itself is not documented: so long it may."""
ANSWERED_WITHIN_MS = 120_000
"""Every tool has a shorter limit of its own; this is for one that does not keep it."""
SILENT_TOOL = "wait_for_user"
"""A tool that lets the model stay silent: its output is not answered."""
_TIMEOUT = '{"error": "timeout"}'
_TOO_MUCH = '{"error": "too many calls, or too long ones: answer without tools"}'


@dataclass(slots=True)
class _Call:
    """A call without an output."""

    item: Item
    waiting: bool = False
    """For the user's yes."""
    serial: int = 0
    """Of the timer that ends it."""
    known: bool = True
    """The present session has the call."""


@dataclass(slots=True)
class _Round:
    """What one response wants done before it is followed up."""

    open: set[str]
    """The calls without an output, and the approvals without an answer."""
    turn: int | None
    """The turn it belongs to; None: it was over when the response ended."""
    modalities: Any
    """How the answer is wanted, as the response that called was asked."""
    silent: bool
    approves: bool
    """An approval is among them, so that the server may go on by itself."""


class ToolCalls:
    """The calls under way. `forced` tells whether the session's `tool_choice` makes every response call a tool."""

    def __init__(
        self, outbox: Outbox, transcript: Transcript, responses: Responses, forced: Callable[[], bool]
    ) -> None:
        self._outbox = outbox
        self._transcript = transcript
        self._responses = responses
        self._forced = forced
        self._offers: dict[str, ToolOffer] = {}
        self._trusted: dict[str, None] = {}
        """Those that need not ask, by name; of a server's own tools, `server/tool`."""
        self._approved: tuple[str, ...] = ()
        """Of these, the servers' own ones that the settings know."""
        self._rounds: list[_Round] = []
        self._calls: dict[str, _Call] = {}
        self._approvals: dict[str, Item] = {}
        self._answered: Recent[None] = Recent(limits.MAX_REMEMBERED)
        """Calls and approvals that have their answer: none gets a second one."""
        self._pictures = 0
        self._judged = 0
        self._turn = 0
        self._turn_of_active: int | None = None
        """The turn in which the response in progress was born; None: nobody said that it was."""
        self._rounds_in_turn = 0
        self._next = ResponseParams()
        """What to ask for if no response follows an approval by itself."""
        self._open = True
        """Whether there is a session to tell."""
        self._owed: ResponseParams | None = None
        """The response that is to follow in the next session."""

    @property
    def pending(self) -> bool:
        """Whether the present turn waits for a tool or for the user's yes."""
        return any(round_.turn == self._turn for round_ in self._rounds)

    @property
    def asking(self) -> bool:
        """Whether a call waits for the user's yes."""
        return bool(self._approvals) or any(call.waiting for call in self._calls.values())

    @property
    def busy(self) -> bool:
        """Whether any call is without its output, of whatever turn."""
        return bool(self._rounds)

    def offer(self, offers: tuple[ToolOffer, ...], approved: tuple[str, ...] = ()) -> None:
        """These are the tools from now on; an «always» was meant for the tool as it was, and may be taken back."""
        before, self._offers = self._offers, {str(offer.tool.name): offer for offer in offers}
        for name in list(self._trusted):
            old, new = before.get(name), self._offers.get(name)
            if new is not None and (old is None or old.tool != new.tool or (new.asks and not old.asks)):
                del self._trusted[name]
        for name in set(self._approved) - set(approved):
            self._trusted.pop(name, None)
        self._trusted.update(dict.fromkeys(approved))
        self._approved = approved

    def turn_begins(self) -> None:
        """The user began a turn: what runs may finish, but is not answered for itself any more."""
        self._turn += 1
        self._rounds_in_turn = 0
        self._owed = None
        self._outbox.stop_waiting(Timer.APPROVED)

    def response_begins(self) -> None:
        """A response is born in the present turn."""
        self._turn_of_active = self._turn
        self._outbox.stop_waiting(Timer.APPROVED)

    # --- what the model wants -------------------------------------------------------------------

    def show_item(self, item: Item, *, final: bool = False) -> None:
        """Show an item that is a call, of ours or of the server's; `final`: nothing more comes of it."""
        if not item.id or item.type not in ("function_call", "mcp_call"):
            return
        entry = self._transcript.get(item.id)
        if entry is not None and (entry.tool is None or entry.status is not EntryStatus.IN_PROGRESS):
            return
        if entry is not None and entry.tool is not None and entry.tool.call_id in self._calls:
            return
        failed = bool(item.error)
        use = ToolUse(
            item.call_id or item.id,
            item.name or "",
            item.arguments or "",
            server=item.server_label or "",
            output=_said(item.error) if failed else item.output or "",
            failed=failed,
        )
        status = EntryStatus.IN_PROGRESS
        if item.type == "mcp_call" and (final or use.output):
            status = EntryStatus.FAILED if failed else EntryStatus.COMPLETED
        self._transcript.show(Entry(item.id, Role.TOOL, status=status, tool=use))

    def begin(self, items: Sequence[Item], *, completed: bool, stale: bool, params: ResponseParams) -> None:
        """Take the output of a response that is done: run what is to be run.

        `completed`: the response was; `stale`: it was called off, the user is a turn further; `params`: what it
        was asked with.
        """
        born, self._turn_of_active = self._turn_of_active, None
        stale = stale or born not in (None, self._turn)
        calls = {str(i.call_id): i for i in items if self._is_new_call(i, completed=completed)}
        for item in items:
            if item.type == "function_call" and item.id and str(item.call_id) not in calls:
                self._call_off(item)
        approvals = {str(i.id): i for i in items if i.type == "mcp_approval_request" and self._is_new(i.id)}
        if not calls and not approvals:
            return
        if not stale:
            self._rounds_in_turn += 1
        round_ = _Round(
            open=set(calls) | set(approvals),
            turn=None if stale else self._turn,
            modalities=params.output_modalities,
            silent=not approvals and all(item.name == SILENT_TOOL for item in calls.values()),
            approves=bool(approvals),
        )
        self._rounds.append(round_)
        too_many = not stale and self._rounds_in_turn > MAX_ROUNDS
        round_.silent = round_.silent or too_many
        for call_id, item in calls.items():
            self.show_item(item)
            self._calls[call_id] = _Call(item)
        for call_id, item in calls.items():
            long = len(item.arguments or "") > limits.MAX_ARGUMENTS_CHARS
            if too_many or long or len(self._calls) > limits.MAX_OPEN_CALLS:
                self.finished(ToolFinished(call_id, _TOO_MUCH, failed=True))
            else:
                self._start(call_id, item)
        for item in approvals.values():
            self._ask_approval(item)

    def _is_new(self, call_id: object) -> bool:
        return bool(call_id) and call_id not in self._answered and call_id not in self._approvals

    def _is_new_call(self, item: Item, *, completed: bool) -> bool:
        if item.type != "function_call" or not self._is_new(item.call_id) or item.call_id in self._calls:
            return False
        return item.status == "completed" or (completed and not item.status)

    def _call_off(self, item: Item) -> None:
        entry = self._transcript.get(item.id or "")
        if entry is not None and entry.status is EntryStatus.IN_PROGRESS and item.call_id not in self._calls:
            self._transcript.change(
                entry.item_id, status=EntryStatus.INTERRUPTED, remark="This call was called off."
            )

    def _start(self, call_id: str, item: Item) -> None:
        name = item.name or ""
        if name == SILENT_TOOL and name not in self._offers:
            self.finished(ToolFinished(call_id, "{}"))
            return
        offer = self._offers.get(name)
        if offer is not None and offer.asks and name not in self._trusted:
            self._calls[call_id].waiting = True
            self._mark(item, waiting=True)
            self._outbox.do(AskConsent(Consent(call_id, name, item.arguments or "")))
        else:
            self._run(call_id)

    def _run(self, call_id: str) -> None:
        call = self._calls[call_id]
        call.waiting = False
        call.serial = self._outbox.wake_after(ANSWERED_WITHIN_MS, Timer.TOOL)
        self._mark(call.item, waiting=False)
        self._outbox.do(RunTool(call_id, call.item.name or "", call.item.arguments or ""))

    # --- what comes of it -----------------------------------------------------------------------

    def consent(self, answer: ConsentGiven) -> None:
        """Take the user's yes or no, to a call of ours or to an approval the server asks for."""
        if answer.call_id in self._approvals:
            self._answer_approval(answer)
            return
        call = self._calls.get(answer.call_id)
        if call is None or not call.waiting:
            return
        if not answer.allowed:
            self.finished(ToolFinished(answer.call_id, DECLINED, failed=True))
            return
        self._run(answer.call_id)
        if answer.always and call.item.name:
            self._trusted[call.item.name] = None
            for other, waiting in list(self._calls.items()):
                if waiting.waiting and waiting.item.name == call.item.name:
                    self._outbox.do(WithdrawConsent(other))
                    self._run(other)

    def finished(self, result: ToolFinished) -> None:
        """Take the output of a call; a second one of the same call is ignored."""
        call = self._calls.pop(result.call_id, None)
        if call is None:
            return
        self._answered[result.call_id] = None
        output = result.output[: limits.MAX_OUTPUT_CHARS]
        self._mark(call.item, waiting=False, result=replace(result, output=output))
        if self._open:
            self._give(call, output)
        if result.images:
            self._show_pictures(result)
        self._settle(result.call_id)

    def _give(self, call: _Call, output: str) -> None:
        """Send an output; a session that did not make the call is given that before it."""
        item, call_id = call.item, str(call.item.call_id)
        if not call.known:
            made = Item(
                id=item.id, type="function_call", call_id=call_id, name=item.name, arguments=item.arguments or "{}"
            )
            self._outbox.send(ConversationItemCreate(item=made))
        named = output_id(item.id) if item.id else UNSET
        self._outbox.send(ConversationItemCreate(item=function_call_output(call_id, output, named)))

    def _show_pictures(self, result: ToolFinished) -> None:
        """An output is text only: what there is to see is a message of its own."""
        self._pictures += 1
        item_id = f"seen_{self._pictures}_{result.call_id}"[:MAX_OWN_ID]
        self._transcript.show(Entry(item_id, Role.USER, "", EntryStatus.COMPLETED, images=result.images))
        if self._open:
            self._outbox.send(ConversationItemCreate(item=user_message(item_id, "", result.images)))

    def overdue(self, serial: int) -> None:
        """A tool has not answered: its output is that."""
        for call_id, call in list(self._calls.items()):
            if call.serial == serial:
                self._outbox.do(CancelTool(call_id))
                self.finished(ToolFinished(call_id, _TIMEOUT, failed=True, seconds=ANSWERED_WITHIN_MS / 1000))

    def nothing_followed(self) -> None:
        """The server did not go on by itself after an approval: it is asked to."""
        if not self._responses.busy:
            self._responses.request(self._next)

    def _settle(self, answered: str) -> None:
        """Follow up each response whose last open call this was."""
        for round_ in self._rounds:
            round_.open.discard(answered)
        ended = [round_ for round_ in self._rounds if not round_.open]
        self._rounds = [round_ for round_ in self._rounds if round_.open]
        for round_ in ended:
            if round_.turn != self._turn or round_.silent:
                continue
            self._next = self._follow_up(round_)
            if not self._open:
                self._owed = self._next
            elif round_.approves:
                self._outbox.wake_after(SELF_STARTED_WITHIN_MS, Timer.APPROVED)
            else:
                self._responses.request(self._next)

    def _follow_up(self, round_: _Round) -> ResponseParams:
        choice: Any = UNSET
        if self._rounds_in_turn >= MAX_ROUNDS:
            choice = "none"
        elif self._forced():
            choice = "auto"
        return ResponseParams(tool_choice=choice, output_modalities=round_.modalities)

    def owns(self, call_id: str) -> bool:
        """Whether a call is under way, or waits for the user's yes."""
        return call_id in self._calls

    def lose_session(self) -> None:
        """The session is gone. What runs may finish, and is told to the next one."""
        self._open = False
        for call in self._calls.values():
            call.known = False
        for call_id in self._approvals:
            self._outbox.do(WithdrawConsent(call_id))
            for round_ in self._rounds:
                round_.open.discard(call_id)
        self._rounds = [round_ for round_ in self._rounds if round_.open]
        self._approvals.clear()
        self._answered.clear()
        self._turn_of_active = None
        self._outbox.stop_waiting(Timer.APPROVED)

    def begin_session(self) -> ResponseParams | None:
        """There is another session, which knows what was answered; return the response that is to follow in it."""
        self._open = True
        owed, self._owed = self._owed, None
        return owed

    def give_up(self) -> None:
        """There will be no session for now: what still comes of the calls is shown, and not answered for itself."""
        self._owed = None
        for round_ in self._rounds:
            round_.turn = None

    def lose(self) -> None:
        """The conversation is over: nobody waits for what still runs."""
        for call_id, call in self._calls.items():
            self._outbox.do(WithdrawConsent(call_id) if call.waiting else CancelTool(call_id))
        self._calls.clear()
        self._rounds.clear()
        self._owed = None
        self.lose_session()

    def forget(self, item_id: str) -> None:
        """The user takes a call out of the context: it is not run, or not waited for."""
        for call_id, call in list(self._calls.items()):
            if call.item.id == item_id:
                self._outbox.do(WithdrawConsent(call_id) if call.waiting else CancelTool(call_id))
                del self._calls[call_id]
                self._answered[call_id] = None
                for round_ in self._rounds:
                    round_.open.discard(call_id)
        self._rounds = [round_ for round_ in self._rounds if round_.open]

    # --- approvals of the server's own calls ----------------------------------------------------

    def _ask_approval(self, item: Item) -> None:
        self._approvals[str(item.id)] = item
        if len(self._approvals) > limits.MAX_OPEN_CALLS:
            self._answer_approval(ConsentGiven(str(item.id), allowed=False))
            return
        if _full_name(item) in self._trusted:
            self._answer_approval(ConsentGiven(str(item.id), allowed=True))
            return
        consent = Consent(str(item.id), item.name or "", item.arguments or "", server=item.server_label or "")
        self._outbox.do(AskConsent(consent))

    def _answer_approval(self, answer: ConsentGiven) -> None:
        request = self._approvals.pop(answer.call_id)
        self._answered[answer.call_id] = None
        if answer.allowed and answer.always:
            self._trusted[_full_name(request)] = None
        self._judged += 1
        response = Item(
            id=f"approval_{self._judged}",  # unlike that of other items, it is required
            type="mcp_approval_response",
            approval_request_id=request.id,
            approve=answer.allowed,
        )
        self._outbox.send(ConversationItemCreate(item=response))
        self._settle(answer.call_id)

    def _mark(self, item: Item, *, waiting: bool, result: ToolFinished | None = None) -> None:
        entry = self._transcript.get(item.id or "")
        if entry is None or entry.tool is None:
            return
        use = replace(entry.tool, waiting=waiting, arguments=item.arguments or "")
        status = EntryStatus.IN_PROGRESS
        if result is not None:
            use = replace(use, output=result.output, failed=result.failed, seconds=result.seconds)
            status = EntryStatus.FAILED if result.failed else EntryStatus.COMPLETED
        self._transcript.show(replace(entry, tool=use, status=status))


def _full_name(item: Item) -> str:
    """Return the name of a tool that a server runs, apart from all names of ours."""
    return f"{item.server_label or ''}/{item.name or ''}"


def _said(error: object) -> str:
    """Return the words of an MCP call's error (`protocol_error`, `tool_execution_error`, `http_error`)."""
    message = error.get("message") if isinstance(error, dict) else None
    return str(message if isinstance(message, str) else error)[: limits.MAX_OUTPUT_CHARS]
