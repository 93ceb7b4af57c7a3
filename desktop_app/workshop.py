"""The workshop: all tools of a profile, from wherever they come, and the calls that run.

The built-in ones, the user's own files and those of local MCP servers meet in one `Toolbox`. The core decides when
a call runs, and whether the user is asked; one that would be refused anyway is refused without a question.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from desktop_app.conversation.effects import Consent
from desktop_app.conversation.inputs import AsideAsked, AsideKind, Input, ToolFinished, ToolOffer, ToolsOffered
from desktop_app.errors import Notice, ParleyError, Severity
from desktop_app.secrecy import Environment, Redaction, sounds_secret
from desktop_app.tasks import start_task
from desktop_app.tools.builtin import builtin_tools
from desktop_app.tools.builtin.clipboard import Clipboard
from desktop_app.tools.builtin.timers import Timers
from desktop_app.tools.mcp import McpServers, ServerState, ServerStatus
from desktop_app.tools.mcp_config import is_remote, secrets_of, variables_named
from desktop_app.tools.mcp_secrets import usable
from desktop_app.tools.tool import Picture, ToolCall
from desktop_app.tools.toolbox import Toolbox
from desktop_app.tools.user_tools import UserTools

NOTES_FOLDER = "notes"


class Window(Protocol):
    """What the user is asked and told by."""

    def ask_consent(self, consent: Consent) -> None:
        """Ask whether a call may run."""
        ...

    def withdraw_consent(self, call_id: str) -> None:
        """The question no longer stands."""
        ...

    def show_notice(self, notice: Notice) -> None:
        """Show a notice."""
        ...


class Workshop:
    """Runs what the model calls. Posts `ToolFinished` and `ToolsOffered`; loop thread only."""

    def __init__(
        self,
        profile: Path,
        post: Callable[[Input], None],
        window: Window,
        *,
        clipboard: Clipboard,
        open_address: Callable[[str], bool],
        take_screenshot: Callable[[], Awaitable[Picture]],
        notes_folder: Path | None = None,
        switched_off: Sequence[str] = (),
        trusted: Sequence[str] = (),
        approved: Sequence[str] = (),
        environment: Environment | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Offer nothing yet.

        `approved`: tools that the service calls by itself and that need not ask. `environment`: what keeps keys out
        of what tools say. `variables`: what the references in the list of MCP servers stand for.
        """
        self._environment = environment or Environment({}, Redaction())
        self._variables = self._environment if variables is None else variables
        self._redaction = self._environment.redaction
        self._post = post
        self._window = window
        self._switched_off = set(switched_off)
        self._trusted = set(trusted)
        self._approved = tuple(approved)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, Consent] = {}
        """What the user was asked and has not answered."""
        self._considered: dict[str, asyncio.Task[None]] = {}
        """Calls that the user will be asked about, unless they would be refused anyway."""
        self._timers = Timers(self._speak_up, call_later=asyncio.get_running_loop().call_later)
        self.toolbox = Toolbox(
            builtin_tools(
                timers=self._timers,
                clipboard=clipboard,
                open_address=open_address,
                take_screenshot=take_screenshot,
                notes_folder=notes_folder or profile / NOTES_FOLDER,
            ),
            changed=self.offer,
        )
        self.user_tools = UserTools(profile, self.toolbox.replace)
        self.mcp = McpServers(self.toolbox.replace, self._mcp_reported, redaction=self._redaction)

    # --- what is offered ------------------------------------------------------------------------

    def open(self, mcp_config: str) -> None:
        """Offer what there is, and start what is to be started."""
        self.offer()
        start_task(self.user_tools.load(), name="user tools")
        if mcp_config:
            self.use_mcp(mcp_config)

    def use_mcp(self, text: str) -> None:
        """Have these MCP servers and no others, but the remote ones; what is wrong with the text is told."""
        self._environment.hide(name for name in variables_named(text) if sounds_secret(name))
        try:
            known = usable(text, self._variables)
            self._redaction.add(*(secret for config in known.configs for secret in secrets_of(config)))
            self.mcp.use([config for config in known.configs if not is_remote(config)])
            for server, name in known.missing:
                self._tell_missing(server, name)
        except ParleyError as error:
            self._window.show_notice(Notice.of(error, key="mcp"))

    def _tell_missing(self, server: str, name: str) -> None:
        told = f"The MCP server «{server}» is not used: it needs {name}, which is not known."
        hint = (
            "Set an environment variable of that name and start Parley again, or paste the servers in the settings."
        )
        self._window.show_notice(Notice(told, hint, Severity.WARNING, f"mcp:{server}"))

    def offer(self) -> None:
        """Tell the core which tools there are now."""
        self._post(ToolsOffered(self.offers(), self._approved))

    def offers(self) -> tuple[ToolOffer, ...]:
        """Return the tools there are, and whether each asks."""
        tools = [tool for tool in self.toolbox.as_session_tools() if tool.name not in self._switched_off]
        return tuple(ToolOffer(tool, asks=self._asks(str(tool.name))) for tool in tools)

    def switch(self, *, off: Sequence[str], trusted: Sequence[str], approved: Sequence[str]) -> None:
        """Have these tools switched off, and these never ask (`approved`: of those that the service calls)."""
        self._switched_off, self._trusted, self._approved = set(off), set(trusted), tuple(approved)
        self.offer()

    def _asks(self, name: str) -> bool:
        spec = self.toolbox.spec(name)
        known = name in self._trusted or (spec is not None and spec.fingerprint in self._trusted)
        return self.toolbox.needs_consent(name) and not known

    # --- consent --------------------------------------------------------------------------------

    def ask_consent(self, consent: Consent) -> None:
        """Ask the user about a call, once it is known that it could run."""
        self._asked[consent.call_id] = consent
        if consent.server:  # the service calls that one, and nothing here knows it
            self._window.ask_consent(consent)
            return
        task = start_task(self._consider(consent), name=f"question about {consent.tool[:64]}")
        self._considered[consent.call_id] = task
        task.add_done_callback(lambda _: self._considered.pop(consent.call_id, None))

    async def _consider(self, consent: Consent) -> None:
        call = ToolCall(consent.call_id, consent.tool, consent.arguments)
        refusal = await self.toolbox.refusal(call)
        if refusal is not None:
            self._asked.pop(call.call_id, None)
            finished = ToolFinished(call.call_id, refusal.output, failed=True, seconds=refusal.seconds)
            self._post(finished)
            return
        spec = self.toolbox.spec(call.name)
        source, remark = (spec.source, spec.remark) if spec is not None else ("", "")
        question = self.toolbox.question(call)
        self._window.ask_consent(replace(consent, question=question, source=source, remark=remark))

    def withdraw_consent(self, call_id: str) -> None:
        """The question no longer stands."""
        self._asked.pop(call_id, None)
        task = self._considered.get(call_id)
        if task is not None:
            task.cancel()
        self._window.withdraw_consent(call_id)

    def answered(self, call_id: str) -> Consent | None:
        """Return what the user has answered now; None: it was not asked, or no longer stands."""
        return self._asked.pop(call_id, None)

    # --- calls ----------------------------------------------------------------------------------

    def run(self, call_id: str, name: str, arguments: str) -> None:
        """Start a call."""
        call = ToolCall(call_id, name, arguments)
        task = start_task(self._run(call), name=f"call of {name[:64]}")
        self._running[call_id] = task
        task.add_done_callback(lambda _: self._running.pop(call_id, None))

    def cancel(self, call_id: str) -> None:
        """Nobody waits for this call any more."""
        task = self._running.get(call_id)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """End everything that runs."""
        self._timers.close()
        for task in (*self._running.values(), *self._considered.values()):
            task.cancel()
        await self.user_tools.close()
        await self.mcp.close()

    async def _run(self, call: ToolCall) -> None:
        result = await self.toolbox.run(call)
        output = self._redaction.text(result.output)
        images = tuple(_data_uri(picture) for picture in result.pictures)
        self._post(ToolFinished(call.call_id, output, failed=result.failed, seconds=result.seconds, images=images))

    def _speak_up(self, sentence: str) -> None:
        """Say a reminder that is due, by exact speech beside the conversation, and show it."""
        self._window.show_notice(Notice(sentence, "You asked to be reminded.", key=f"reminder:{sentence}"))
        self._post(AsideAsked(AsideKind.READ_ALOUD, sentence))

    def _mcp_reported(self, state: ServerState) -> None:
        if state.status is ServerStatus.FAILED:
            text = f"The tool server «{state.name}» does not work: {state.problem}"
            hint = "The conversation goes on without its tools; check it in the settings."
            self._window.show_notice(Notice(text, hint, Severity.WARNING, f"mcp:{state.name}"))


def _data_uri(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"
