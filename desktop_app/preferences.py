"""What the user has set: kept in the file, shown in the dialog, and put in force where that can be at once.

A setting the server refuses goes back, in the dialog and in the file; what waits for a new session or the next
start is kept until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from desktop_app import wishes
from desktop_app.books import Books
from desktop_app.conversation import inputs
from desktop_app.conversation.effects import Consent
from desktop_app.credentials import Variables
from desktop_app.endpoints import Choice, is_reasoning_model, read_profiles
from desktop_app.errors import Notice, ParleyError, Severity
from desktop_app.protocol.session_config import SessionConfig
from desktop_app.settings import (
    Declared,
    Settings,
    SettingsFile,
    declared_settings,
    read_value,
    values_of,
    with_value,
)
from desktop_app.tasks import start_task
from desktop_app.tools.mcp import ServerState, ServerStatus
from desktop_app.tools.mcp_secrets import lift, usable
from desktop_app.tools.tool import ToolSpec
from desktop_app.tools.user_tools import FileState, UserFile
from desktop_app.ui.settings_desk import SettingsDesk
from desktop_app.ui.settings_lists import ServerLine, ToolFileLine, ToolLine
from desktop_app.workshop import Workshop

Join = Callable[[Any, Callable[..., object]], None]
"""Connects a signal to a slot for as long as the program lives."""

SAMPLE = "Hello, this is how I sound."


class Preferences:
    """The settings of a running program. `changed` is told names that only the composition root can act on."""

    def __init__(
        self,
        file: SettingsFile,
        settings: Settings,
        choice: Choice,
        *,
        desk: SettingsDesk,
        workshop: Workshop,
        books: Books,
        post: Callable[[inputs.Input], None],
        show_notice: Callable[[Notice], None],
        changed: Callable[[str], None],
        variables: Variables,
    ) -> None:
        self._variables = variables
        self._file = file
        self.settings = settings
        self.choice = choice
        """The endpoint, with the model that is in force."""
        self._desk = desk
        self._workshop = workshop
        self._books = books
        self._post = post
        self._show_notice = show_notice
        self._changed = changed

    def open(self, join: Join, open_address: Callable[[str], bool]) -> None:
        """Fill the dialog, and join it."""
        desk, offer = self._desk, self.choice.offer
        desk.show_values(values_of(self.settings))
        desk.show_choices("connection.model", [(model, model) for model in offer.models])
        self._show_endpoints()
        self._show_what_is_offered()
        desk.show_endpoint(local=self.choice.local, reasons=self.choice.reasons)
        desk.show_costs(price_date=self._books.prices.date)
        self._tell_of_open_secrets()
        join(desk.setting_changed, self.set)
        join(desk.voice_chosen, self.choose_voice)
        join(desk.voice_sample_asked, self._play_sample)
        join(desk.renewal_asked, lambda: self._post(inputs.RenewalAsked()))
        join(desk.tool_switched, lambda name, on: self._toggle("tools.off", name, present=not on))
        join(desk.tool_trusted, lambda name, on: self._toggle("tools.trusted", self._mark_of(name), present=on))
        join(desk.tool_file_switched, self._switch_file)
        join(desk.tools_folder_asked, lambda: self._open_tools_folder(open_address))
        join(desk.lists_asked, self._look_again)
        join(desk.mcp_restart_asked, self._workshop.mcp.restart)

    # --- settings -------------------------------------------------------------------------------

    def _show_endpoints(self) -> None:
        """Offer the endpoints that have names, beside those everybody has."""
        profiles, _ = read_profiles(self.settings.connection.profiles)
        named = [(profile.name, profile.name) for profile in profiles]
        choices = _declared("connection.endpoint").setting.choices
        self._desk.show_choices("connection.endpoint", [*choices, *named])

    def _show_what_is_offered(self) -> None:
        """Offer the efforts and the models for writing that this service knows; it would refuse other efforts."""
        offer = self.choice.offer
        known = ("", *offer.efforts)
        choices = [each for each in _declared("answers.reasoning_effort").setting.choices if each[0] in known]
        self._desk.show_choices("answers.reasoning_effort", choices)
        usual = _declared("transcription.model").setting.choices
        models = [(model, model) for model in offer.transcription_models]
        self._desk.show_choices("transcription.model", [*usual, *models])

    def set(self, name: str, value: object) -> None:
        """Take a changed setting, keep it, and have it in force where that can be at once."""
        try:
            if name == "tools.mcp":
                value = self._without_secrets(str(value))
            elif name == "connection.profiles":
                self._check_profiles(value)
            settings = with_value(self.settings, name, value)
        except ParleyError as error:
            self._desk.show_setting_refused(name, str(error))
            return
        self._save(settings)
        match name:
            case "connection.model":
                self._use_model(str(value))
            case "tools.off" | "tools.trusted":
                self._offer_tools()
            case "tools.mcp":
                self._workshop.use_mcp(settings.tools.mcp)
                self._offer_tools()
                self._post(inputs.SessionChosen(self.session_wish()))
            case "connection.profiles":
                self._show_endpoints()
            case "costs.budget_usd":
                self._books.set_budget(settings.costs.budget_usd)
            case _:
                self._post(inputs.SessionChosen(self.session_wish()))
                self._changed(name)

    def _without_secrets(self, text: str) -> str:
        """Return a list of MCP servers as it is written down; its secrets are kept elsewhere.

        Raises `ToolError` for a list that cannot be used.
        """
        lifted = lift(text, self._variables)
        for name, secret in lifted.secrets.items():
            self._variables.keep(name, secret)
        usable(lifted.text, self._variables)
        if lifted.secrets and not self._variables.credentials.lasting:
            names = ", ".join(lifted.secrets)
            told = f"The keys of these servers are not written down, but kept until Parley ends: {names}."
            hint = "For the next start, set environment variables of these names, or paste the list again."
            self._show_notice(Notice(told, hint, key="mcp keys"))
        return lifted.text

    def _tell_of_open_secrets(self) -> None:
        """Say so if somebody has written secrets into the file."""
        if names := ", ".join(lift(self.settings.tools.mcp, self._variables).secrets):
            told = f"The settings file holds keys of MCP servers that everybody can read: {names}."
            hint = "Press «Use these servers» in the settings: then they are taken out of it."
            self._show_notice(Notice(told, hint, Severity.WARNING, "mcp keys"))

    @staticmethod
    def _check_profiles(entries: object) -> None:
        """Raise `ParleyError` for an endpoint that could not be used, or that holds its key."""
        if notices := read_profiles(entries if isinstance(entries, list) else [])[1]:
            raise ParleyError(notices[0].text, notices[0].hint)

    def session_wish(self) -> SessionConfig:
        """Return what a session is to be, with the tools there are."""
        tools = [offer.tool for offer in self._workshop.offers()]
        tools += wishes.remote_servers(self.settings, self.choice, self._variables)
        return msgspec.structs.replace(wishes.session_config(self.settings, self.choice), tools=tools)

    def session_shown(self, config: SessionConfig) -> None:
        """Follow what the core says is in force: a refused setting goes back, in the file as well."""
        settings = wishes.put_back(self.settings, config, self.choice)
        if settings == self.settings:
            return
        before, after = values_of(self.settings), values_of(settings)
        self._save(settings)
        for name in (name for name in before if before[name] != after[name] and name != "turns.mode"):
            self._desk.show_setting_refused(name, "The server did not take it: see the window.")

    def choose_voice(self, voice: str) -> None:
        """Have another voice, now and at the next start."""
        self._post(inputs.VoiceChosen(voice))
        self._save(replace(self.settings, voices={**self.settings.voices, self.choice.name: voice}))

    def use_chat(self, url: str, model: str) -> None:
        """Let a chat endpoint answer for the offline assistant."""
        local = replace(self.settings.local, chat_url=url, chat_model=model)
        self._save(replace(self.settings, local=local))
        self._changed("local.chat_url")

    def remember_history(self, is_open: bool, width: int) -> None:
        """Keep whether the history panel is open, and how wide it is."""
        window = replace(self.settings.window, history_open=is_open, history_px=width)
        if window != self.settings.window:
            self._save(replace(self.settings, window=window))

    def _use_model(self, model: str) -> None:
        """Go on with another model: the address of the session names it, so it takes a new one."""
        if self.choice.local:
            return
        model = model or self.choice.offer.models[0] if self.choice.offer.models else model
        self.choice = replace(self.choice, model=model, reasons=is_reasoning_model(model))
        self._books.model = model
        self._desk.show_endpoint(local=False, reasons=self.choice.reasons)
        self._post(inputs.SessionChosen(self.session_wish()))
        self._changed("connection.model")

    def _save(self, settings: Settings) -> None:
        self.settings = settings
        self._desk.show_values(values_of(settings))
        try:
            self._file.save(settings)
        except ParleyError as error:
            self._show_notice(Notice.of(error))

    def _play_sample(self, voice: str) -> None:
        self._post(inputs.AsideAsked(inputs.AsideKind.SAMPLE, SAMPLE, voice=voice))

    # --- tools ----------------------------------------------------------------------------------

    def _toggle(self, name: str, entry: str, *, present: bool) -> None:
        entries = [other for other in read_value(self.settings, name) if other != entry]
        self.set(name, [*entries, entry] if present else entries)

    def _mark_of(self, tool: str) -> str:
        """Return what an «always» is kept by: the definition, which a server could change behind the yes."""
        if "/" in tool:
            return wishes.remote_mark(self.settings, self.choice, tool, self._variables)
        spec = self._workshop.toolbox.spec(tool)
        return spec.fingerprint if spec is not None else tool

    def trust(self, consent: Consent) -> None:
        """The user said «always for this tool»: it is kept for the next start, too."""
        tool = f"{consent.server}/{consent.tool}" if consent.server else consent.tool
        if mark := self._mark_of(tool):
            self._toggle("tools.trusted", mark, present=True)

    def _approved(self) -> tuple[str, ...]:
        return wishes.approved_tools(self.settings, self.choice, self._variables)

    def _offer_tools(self) -> None:
        tools = self.settings.tools
        self._workshop.switch(off=tools.off, trusted=tools.trusted, approved=self._approved())
        self._show_tools()

    def _look_again(self) -> None:
        start_task(self._workshop.user_tools.refresh(), name="user tools").add_done_callback(
            lambda _: self._show_lists()
        )
        self._show_lists()

    def _show_lists(self) -> None:
        self._show_tools()
        tools = self._workshop.user_tools
        self._desk.show_tool_files(str(tools.folder), [_file_line(file) for file in tools.files()])
        self._desk.show_servers([_server_line(state) for state in self._workshop.mcp.states()])

    def _show_tools(self) -> None:
        lines = [self._tool_line(spec) for spec in self._workshop.toolbox.specs()]
        self._desk.show_tools([*lines, *map(_remote_line, self._approved())])

    def _tool_line(self, spec: ToolSpec) -> ToolLine:
        trusted = self.settings.tools.trusted
        return ToolLine(
            spec.name,
            spec.description,
            source=spec.source,
            on=spec.name not in self.settings.tools.off,
            asks=self._workshop.toolbox.needs_consent(spec.name),
            trusted=spec.fingerprint in trusted or spec.name in trusted,
            # Only our own: a title that somebody else chose could be that of one of ours.
            title="" if spec.source else spec.title,
        )

    def _switch_file(self, name: str, digest: str, on: bool) -> None:
        start_task(self._switch(name, digest, on=on), name="a tool file")

    async def _switch(self, name: str, digest: str, *, on: bool) -> None:
        try:
            if on:
                await self._workshop.user_tools.enable(name, digest)
            else:
                await self._workshop.user_tools.disable(name)
        except ParleyError as error:
            self._show_notice(Notice.of(error, key=f"tool file {name}"))
        self._show_lists()

    def _open_tools_folder(self, open_address: Callable[[str], bool]) -> None:
        folder = self._workshop.user_tools.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = f"The folder for your tools could not be made: {error.strerror}."
            self._show_notice(Notice(text, f"Check {folder}.", key="tools folder"))
            return
        open_address(folder.as_uri())


_FILE_STATES = {
    FileState.OFF: "Off",
    FileState.ENABLED: "On",
    FileState.CHANGED: "Changed since you enabled it",
    FileState.BROKEN: "Does not work",
}
_SERVER_STATES = {
    ServerStatus.STARTING: "Starting…",
    ServerStatus.READY: "Works",
    ServerStatus.FAILED: "Does not work",
    ServerStatus.STOPPED: "Stopped",
}


def _declared(name: str) -> Declared:
    return next(one for one in declared_settings() if one.name == name)


def _remote_line(tool: str) -> ToolLine:
    """Return the line of a tool that the service calls: there is no more to say of it than that it need not ask."""
    return ToolLine(tool, "The service you talk to calls it.", asks=True, trusted=True, switchable=False)


def _file_line(file: UserFile) -> ToolFileLine:
    return ToolFileLine(
        file.name,
        file.digest,
        _FILE_STATES[file.state],
        on=file.state is FileState.ENABLED,
        offers=tuple(offer.signature for offer in file.offers),
        imports=file.imports,
        problem=" ".join((file.problem, *file.remarks)).strip(),
    )


def _server_line(state: ServerState) -> ServerLine:
    return ServerLine(
        state.name,
        _SERVER_STATES[state.status],
        works=state.status is not ServerStatus.FAILED,
        tools=state.tools,
        problem=" ".join((state.problem, *state.remarks)).strip(),
    )
