"""Calls of tools: from the model's wish to the output it gets, each answered exactly once.

Calls are taken from `response.done`, and only those that are complete: the arguments of a cancelled response may be
half a sentence. They run side by side. When every call of a response has its output, and nobody began a newer turn
meanwhile, exactly one `response.create` follows; after a newer turn the outputs are given, and the answer to that
turn will see them (the guide's function calling). What has a side effect waits for the user's yes; a no is an
output as well. After `MAX_ROUNDS` rounds in one turn the model has to answer without tools.

Calls that the server makes itself (MCP) are only shown; what they need is the user's yes to an approval request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from desktop_app.conversation.effects import (
    AskConsent,
    CancelTool,
    Consent,
    Entry,
    EntryStatus,
    Role,
    RunTool,
    ToolUse,
    WithdrawConsent,
)
from desktop_app.conversation.inputs import ConsentGiven, Timer, ToolFinished, ToolOffer
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.responses import Responses
from desktop_app.conversation.transcript import MAX_ITEM_ID, Transcript
from desktop_app.protocol.events import ConversationItemCreate, ResponseParams
from desktop_app.protocol.items import Item, function_call_output, user_message

MAX_ROUNDS = 8
SELF_STARTED_WITHIN_MS = 1_000
"""Whether a response follows an approval by itself is not documented: so long it may."""
SILENT_TOOL = "wait_for_user"
"""A tool that lets the model stay silent: its output is not answered."""
_DECLINED = '{"error": "declined by user"}'


@dataclass(slots=True)
class _Round:
    """The calls of one response."""

    open: set[str]
    """The calls without an output."""
    turn: int
    silent: bool = False


class ToolCalls:
    """The calls under way."""

    def __init__(self, outbox: Outbox, transcript: Transcript, responses: Responses) -> None:
        self._outbox = outbox
        self._transcript = transcript
        self._responses = responses
        self._offers: dict[str, ToolOffer] = {}
        self._trusted: set[str] = set()
        self._rounds: list[_Round] = []
        self._items: dict[str, Item] = {}
        """The calls without an output, by call id."""
        self._approvals: dict[str, Item] = {}
        self._turn = 0
        self._rounds_in_turn = 0
        self._pictures = 0

    @property
    def pending(self) -> bool:
        """Whether the present turn waits for a tool or for the user's yes."""
        return bool(self._approvals) or any(round_.turn == self._turn for round_ in self._rounds)

    def offer(self, offers: tuple[ToolOffer, ...]) -> None:
        """These are the tools from now on."""
        self._offers = {str(offer.tool.name): offer for offer in offers}

    def turn_begins(self) -> None:
        """The user began a turn: what runs may finish, but is not answered for itself any more."""
        self._turn += 1
        self._rounds_in_turn = 0

    # --- what the model wants -------------------------------------------------------------------

    def show_item(self, item: Item) -> None:
        """Show an item that is a call, of ours or of the server's."""
        if not item.id or item.type not in ("function_call", "mcp_call"):
            return
        entry = self._transcript.get(item.id)
        if entry is not None and entry.tool is not None and entry.tool.seconds is not None:
            return
        failed = bool(item.error)
        output = str(item.error) if failed else item.output or ""
        use = ToolUse(
            item.call_id or item.id,
            item.name or "",
            item.arguments or "",
            server=item.server_label or "",
            output=output,
            failed=failed,
        )
        final = item.type == "mcp_call" and item.status in ("completed", "incomplete", "failed")
        status = EntryStatus.COMPLETED if final or output else EntryStatus.IN_PROGRESS
        self._transcript.show(Entry(item.id, Role.TOOL, status=status, tool=use))

    def begin(self, items: list[Item]) -> None:
        """Take the output of a response that is done: run what is to be run."""
        calls = [i for i in items if i.type == "function_call" and i.status == "completed" and i.call_id]
        for item in items:
            if item.type == "function_call" and item not in calls and item.id:
                self._transcript.change(item.id, status=EntryStatus.INTERRUPTED, remark="This call was called off.")
        if not calls:
            return
        self._rounds_in_turn += 1
        silent = all(item.name == SILENT_TOOL for item in calls)
        self._rounds.append(_Round({str(item.call_id) for item in calls}, self._turn, silent))
        for item in calls:
            self._items[str(item.call_id)] = item
            self.show_item(item)
        for item in calls:
            self._start(item)

    def _start(self, item: Item) -> None:
        call_id, name = str(item.call_id), item.name or ""
        if name == SILENT_TOOL and name not in self._offers:
            self.finished(ToolFinished(call_id, "{}"))
            return
        offer = self._offers.get(name)
        if offer is not None and offer.asks and name not in self._trusted:
            self._mark(item, waiting=True)
            self._outbox.do(AskConsent(Consent(call_id, name, item.arguments or "")))
        else:
            self._run(item)

    def _run(self, item: Item) -> None:
        self._mark(item, waiting=False)
        self._outbox.do(RunTool(str(item.call_id), item.name or "", item.arguments or ""))

    # --- what comes of it -----------------------------------------------------------------------

    def consent(self, answer: ConsentGiven) -> None:
        """Take the user's yes or no, to a call of ours or to an approval the server asks for."""
        approval = self._approvals.pop(answer.call_id, None)
        if approval is not None:
            if answer.allowed and answer.always:
                self._trusted.add(_full_name(approval))
            self._approve(approval, allowed=answer.allowed)
            return
        item = self._items.get(answer.call_id)
        if item is None:
            return
        if not answer.allowed:
            self.finished(ToolFinished(answer.call_id, _DECLINED, failed=True))
            return
        if answer.always and item.name:
            self._trusted.add(item.name)
        self._run(item)

    def finished(self, result: ToolFinished) -> None:
        """Take the output of a call; a second one of the same call is ignored."""
        item = self._items.pop(result.call_id, None)
        if item is None:
            return
        self._mark(item, waiting=False, result=result)
        self._outbox.send(ConversationItemCreate(item=function_call_output(result.call_id, result.output)))
        if result.images:
            self._show_pictures(result)
        for round_ in self._rounds:
            round_.open.discard(result.call_id)
        ended = [round_ for round_ in self._rounds if not round_.open]
        self._rounds = [round_ for round_ in self._rounds if round_.open]
        if any(round_.turn == self._turn and not round_.silent for round_ in ended):
            self._follow_up()

    def _show_pictures(self, result: ToolFinished) -> None:
        self._pictures += 1
        item_id = f"seen_{self._pictures}_{result.call_id}"[:MAX_ITEM_ID]
        self._transcript.show(Entry(item_id, Role.USER, "", EntryStatus.COMPLETED, images=result.images))
        self._outbox.send(ConversationItemCreate(item=user_message(item_id, "", result.images)))

    def _follow_up(self) -> None:
        enough = self._rounds_in_turn >= MAX_ROUNDS
        self._responses.request(ResponseParams(tool_choice="none") if enough else None)

    def lose(self) -> None:
        """The connection is gone: nobody waits for what still runs."""
        for call_id, item in self._items.items():
            self._outbox.do(CancelTool(call_id))
            self._outbox.do(WithdrawConsent(call_id))
            if item.id:
                remark = "The connection was lost before its result could be told."
                self._transcript.change(item.id, status=EntryStatus.INTERRUPTED, remark=remark)
        for call_id in self._approvals:
            self._outbox.do(WithdrawConsent(call_id))
        self._items.clear()
        self._rounds.clear()
        self._approvals.clear()

    # --- approvals of the server's own calls ----------------------------------------------------

    def approval_asked(self, item: Item) -> None:
        """Take an `mcp_approval_request`."""
        if item.id and item.id not in self._approvals:
            self._approvals[item.id] = item
            if _full_name(item) in self._trusted:
                self.consent(ConsentGiven(item.id, allowed=True))
                return
            consent = Consent(item.id, item.name or "", item.arguments or "", server=item.server_label or "")
            self._outbox.do(AskConsent(consent))

    def _approve(self, request: Item, *, allowed: bool) -> None:
        response = Item(type="mcp_approval_response", approval_request_id=request.id, approve=allowed)
        self._outbox.send(ConversationItemCreate(item=response))
        self._outbox.wake_after(SELF_STARTED_WITHIN_MS, Timer.APPROVED)

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
