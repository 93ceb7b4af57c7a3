"""Where to talk to: a Realtime endpoint, and how one is chosen.

A key or an address in the environment means that endpoint, as the vendor's own SDK reads them; otherwise the
program's own local server answers. `--endpoint` overrides both: with `local`, `openai`, an address, or the name of
a profile in the settings (`connection.profiles`), such as

    {"name": "work", "kind": "azure", "base_url": "https://work.openai.azure.com", "model": "my-deployment"}

A profile never holds a key. The key comes from the environment variable it names, else from where secrets are kept,
which is asked by the profile's name. An ephemeral secret (`ek_…`) serves as well as a key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec

from desktop_app.errors import Notice, ParleyError, Severity
from desktop_app.protocol.dialects import Dialect

DEFAULT_MODEL = "gpt-realtime-2.1"
TRANSCRIPTION_MODEL = "gpt-transcribe"
REMOTE_VOICES = (
    "marin", "cedar", "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse",
)  # fmt: skip
LOCAL_VOICES = ("heart", "june", "max", "otto", "pip")
LOCAL = "local"
OPENAI = "openai"
_VENDOR_BASE = "https://api.openai.com/v1"
_SCHEMES = {"https": "wss", "http": "ws", "wss": "wss", "ws": "ws"}

Secrets = Callable[[str], str]
"""Returns the key that is kept for an endpoint, by its name; an empty string: none is."""


class Kind(Enum):
    """What is spoken to, as far as its address and its headers differ."""

    LOCAL = "local"
    OPENAI = "openai"
    AZURE = "azure"
    COMPATIBLE = "compatible"


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be chosen at an endpoint; other models and voices may be typed."""

    models: tuple[str, ...]
    """The first is the default; empty: only the user knows."""
    voices: tuple[str, ...]
    transcription_models: tuple[str, ...]
    """The first is the default; empty: the server's own, if it has one."""
    speeds: tuple[float, float] = (0.25, 1.5)
    efforts: tuple[str, ...] = ("minimal", "low", "medium", "high", "xhigh")
    """For reasoning models."""


_OPENAI_OFFER = Offer(
    (DEFAULT_MODEL, "gpt-realtime-2.1-mini", "gpt-realtime-2", "gpt-realtime-1.5", "gpt-realtime"),
    REMOTE_VOICES,
    (TRANSCRIPTION_MODEL, "gpt-realtime-whisper", "gpt-live-transcribe"),
)
_OFFERS = {
    (Kind.LOCAL, Dialect.GA): Offer(("parley-offline",), LOCAL_VOICES, ("whisper-base",), efforts=()),
    (Kind.OPENAI, Dialect.GA): _OPENAI_OFFER,
    # Both are deployments, named by whoever made them; a transcription model that is none fails at every turn.
    (Kind.AZURE, Dialect.GA): Offer((), REMOTE_VOICES, ()),
}
_DIALECT_OFFERS = {
    Dialect.GA: _OPENAI_OFFER,
    Dialect.BETA: Offer((DEFAULT_MODEL,), REMOTE_VOICES, ("whisper-1",), efforts=()),
    Dialect.XAI: Offer(
        ("grok-voice-latest",), ("eve", "ara", "rex", "sal", "leo"), (), (0.7, 1.5), ("none", "high")
    ),
}


def offer_of(kind: Kind, dialect: Dialect = Dialect.GA) -> Offer:
    """Return what can be chosen at a kind of endpoint."""
    return _OFFERS.get((kind, dialect), _DIALECT_OFFERS[dialect])


_REASONING = re.compile(r"gpt-realtime-2(\.\d+)?(-.*)?$")
"""`gpt-realtime-2`, `-2.1`, `-2.1-mini`, but not the snapshot `gpt-realtime-2025-08-28`."""


def is_reasoning_model(model: str) -> bool:
    """Whether a model takes `reasoning` and `parallel_tool_calls`; any other refuses the whole update for them."""
    return _REASONING.match(model) is not None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Realtime service and what it takes to talk to it."""

    name: str
    """What the window calls it."""
    url: str = field(repr=False)
    """The whole WebSocket address, model included; some services want the key in it."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Holds the key: never shown, never logged."""
    dialect: Dialect = Dialect.GA


@dataclass(frozen=True, slots=True)
class Choice:
    """Which endpoint was chosen, before anything is started or opened."""

    local: bool
    name: str
    model: str
    voices: tuple[str, ...]
    transcription_model: str
    """Empty: none is asked for."""
    base_url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    kind: Kind = Kind.COMPATIBLE
    dialect: Dialect = Dialect.GA
    models: tuple[str, ...] = ()
    """What is offered besides typing one."""
    reasons: bool = False
    """Whether the model takes `reasoning` and `parallel_tool_calls`."""

    @property
    def offer(self) -> Offer:
        """What can be chosen here."""
        return replace(offer_of(self.kind, self.dialect), models=self.models, voices=self.voices)

    def endpoint(self) -> Endpoint:
        """Return the remote endpoint; the local one exists only once its server runs."""
        url = (azure_url if self.kind is Kind.AZURE else realtime_url)(self.base_url, self.model)
        return Endpoint(self.name, url, self.headers, self.dialect)


# --- profiles -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An endpoint the user has given a name, as it stands in the settings; without its key."""

    name: str
    kind: Kind = Kind.COMPATIBLE
    base_url: str = field(default="", repr=False)
    """The address; may be left out for `openai`."""
    model: str = ""
    """The one to begin with; at Azure, the name of the deployment."""
    models: tuple[str, ...] = ()
    """Others to choose from."""
    dialect: Dialect = Dialect.GA
    voices: tuple[str, ...] = ()
    """Empty: those of its kind."""
    transcription_model: str | None = None
    """None: that of its kind; empty: what the user says is not written down."""
    key_variable: str = ""
    """The environment variable that holds the key."""
    organization: str = ""
    project: str = ""
    reasoning: bool | None = None
    """Whether the model takes `reasoning`; None: as its name says, which the name of a deployment does not."""


_RESERVED = (LOCAL, OPENAI)
_LONGEST_NAME = 60
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_SECRET_NAMES = re.compile(r"(key|token|secret|password|authorization|credential)s?$", re.IGNORECASE)
_LOOKS_SECRET = re.compile(r"((sk|ek|pk|xai)[-_]|eyJ)\S{16,}|bearer\s", re.IGNORECASE)
_NO_KEY = "Take it out, put the key into an environment variable, and name that in «key_variable»."
_ADDRESS = "It has to look like https://host/v1 or wss://host/v1."


def read_profiles(entries: Sequence[Any]) -> tuple[tuple[Profile, ...], tuple[Notice, ...]]:
    """Return the profiles in the settings that can be used, and a notice for each entry that cannot."""
    profiles: dict[str, Profile] = {}
    notices: list[Notice] = []
    for number, entry in enumerate(entries, 1):
        try:
            profile = read_profile(entry, number=number)
            if profile.name.casefold() in profiles:
                why = f"There are two endpoints called «{profile.name}» in the settings."
                raise ParleyError(why, "The first is used; give the other a name of its own.")
            profiles[profile.name.casefold()] = profile
        except ParleyError as error:
            notices.append(Notice(error.sentence, error.hint, Severity.WARNING, f"endpoint:{number}"))
    return tuple(profiles.values()), tuple(notices)


def read_profile(entry: Any, *, number: int = 1) -> Profile:
    """Return the profile in one entry of the settings.

    Raises `ParleyError` for what cannot be used. It quotes a name at most: the rest may be a key in a wrong place.
    """
    try:
        return _read(entry)
    except _Useless as error:
        which = _name_in(entry) or f"number {number}"
        raise ParleyError(f"The endpoint {which} in the settings cannot be used: {error}.", error.hint) from error


class _Useless(ValueError):
    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.hint = hint


def _read(entry: Any) -> Profile:
    if not isinstance(entry, dict):
        raise _Useless("it is not an object", 'It has to look like {"name": …, "base_url": …}.')
    if any(_SECRET_NAMES.search(str(name)) or _is_secret(value) for name, value in entry.items()):
        raise _Useless("it holds a key", _NO_KEY)
    try:
        profile = msgspec.convert(entry, Profile)
    except msgspec.ValidationError as error:
        member = re.findall(r"[`.](\w+)", str(error))[-1:]
        raise _Useless(f"«{''.join(member)}» is missing or does not fit", "Correct it there.") from error
    _check_name(profile.name)
    _check_address(profile)
    if profile.kind is Kind.LOCAL:
        raise _Useless("it is of no kind", "Its «kind» is openai, azure or compatible.")
    if profile.key_variable and not _VARIABLE.match(profile.key_variable):
        raise _Useless("its «key_variable» is not the name of a variable", _NO_KEY)
    if not (_fits_header(profile.organization) and _fits_header(profile.project)):
        raise _Useless("its organisation or project holds characters it cannot have", "Copy it again.")
    return profile


def _check_name(name: str) -> None:
    if not name or name != name.strip() or len(name) > _LONGEST_NAME or not name.isprintable() or "://" in name:
        raise _Useless("its name could not be typed", "Give it a short one.")
    if name.casefold() in _RESERVED:
        raise _Useless("that name is taken", f"«{LOCAL}» and «{OPENAI}» have a meaning of their own.")


def _check_address(profile: Profile) -> None:
    if not profile.base_url:
        if profile.kind is not Kind.OPENAI:
            raise _Useless("it has no «base_url»", _ADDRESS)
        return
    try:
        parts = _split(profile.base_url)
    except ParleyError as error:
        raise _Useless("its «base_url» is not an address to connect to", _ADDRESS) from error
    members = parse_qsl(parts.query)
    if "@" in parts.netloc or any(_SECRET_NAMES.search(name) or _is_secret(value) for name, value in members):
        raise _Useless("its address holds a key", _NO_KEY)


def _is_secret(value: Any) -> bool:
    return isinstance(value, str) and _LOOKS_SECRET.match(value.strip()) is not None


def _name_in(entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name.isprintable() or len(name) > _LONGEST_NAME or _is_secret(name):
        return ""
    return f"«{name}»"


# --- the choice ---------------------------------------------------------------------------------


def _no_secrets(_: str) -> str:
    return ""


def choose(
    wanted: str,
    *,
    model: str,
    environment: Mapping[str, str],
    install_id: str = "",
    profiles: Sequence[Profile] = (),
    secrets: Secrets = _no_secrets,
) -> Choice:
    """Return the endpoint that `wanted` names: `local`, `openai`, a profile or an address.

    Empty: as the environment says. `install_id` tells one installation from another; what is sent of it tells
    nobody who or where that is. Raises `ParleyError` for a name that is none of these, for an address that is none,
    and for a key that is missing or cannot be sent.
    """
    base_url = environment.get("OPENAI_BASE_URL", "").strip()
    wanted, model = wanted.strip(), model.strip()
    if not wanted:
        wanted = OPENAI if base_url or environment.get("OPENAI_API_KEY", "").strip() else LOCAL
    if wanted == LOCAL:
        return _local(model)
    named = next((each for each in profiles if each.name.casefold() == wanted.casefold()), None)
    if named is not None:
        profile = named
        key = _key_of(profile, environment, secrets)
    elif wanted == OPENAI:
        profile = _unnamed(base_url or _VENDOR_BASE)
        key = _key_in(environment, "OPENAI_API_KEY")
        if not key and profile.kind is Kind.OPENAI:  # what is kept for the vendor goes to nobody else
            key = _kept(secrets, OPENAI)
    elif "://" in wanted:
        profile = _unnamed(wanted)
        key = _key_in(environment, profile.key_variable or _OPENAI_KEY) or _kept(secrets, profile.name)
    else:
        raise _unknown(wanted, profiles)
    if profile.kind is Kind.OPENAI or named is None:
        profile = _of_account(profile, environment)
    return _chosen(profile, model, key, install_id)


def _local(model: str) -> Choice:
    offer = offer_of(Kind.LOCAL)
    return Choice(
        True,
        "Offline assistant",
        model or offer.models[0],
        offer.voices,
        offer.transcription_models[0],
        kind=Kind.LOCAL,
        models=offer.models,
    )


def _unknown(wanted: str, profiles: Sequence[Profile]) -> ParleyError:
    names = [f"«{name}»" for name in (*_RESERVED, *(profile.name for profile in profiles))]
    return ParleyError(
        f"There is no endpoint called «{wanted[:80]}».",
        f"Use {', '.join(names)}, or an address that begins with https:// or wss://.",
    )


def _unnamed(base_url: str) -> Profile:
    """Return the profile of an address nobody has named: of known services the host tells."""
    host = (_split(base_url).hostname or "").lower()
    if host.endswith((".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")):
        return Profile(name=host, kind=Kind.AZURE, base_url=base_url, key_variable=_AZURE_KEY)
    if host == "api.x.ai":
        return Profile(name=host, base_url=base_url, dialect=Dialect.XAI, key_variable=_XAI_KEY)
    kind = Kind.OPENAI if host == urlsplit(_VENDOR_BASE).hostname else Kind.COMPATIBLE
    return Profile(name=host, kind=kind, base_url=base_url)


def _chosen(profile: Profile, model: str, key: str, install_id: str) -> Choice:
    offer = offer_of(profile.kind, profile.dialect)
    own = tuple(dict.fromkeys(name for name in (profile.model, *profile.models) if name))
    model = _first(model, *own, *offer.models)
    transcription = profile.transcription_model
    choice = Choice(
        False,
        profile.name,
        model,
        profile.voices or offer.voices,
        _first(*offer.transcription_models) if transcription is None else transcription,
        base_url=profile.base_url or _VENDOR_BASE,
        headers=_headers(profile, key, install_id),
        kind=profile.kind,
        dialect=profile.dialect,
        models=own or offer.models,
        reasons=is_reasoning_model(model) if profile.reasoning is None else profile.reasoning,
    )
    choice.endpoint()  # what is wrong with the address is told now, not when it is connected to
    return choice


def safety_identifier(install_id: str, host: str) -> str:
    """Return what tells this installation from others at one service, and means nothing at another."""
    return hashlib.sha256(f"{install_id}\n{host}".encode()).hexdigest()


def _first(*names: str) -> str:
    return next((name for name in names if name), "")


# --- keys and headers ---------------------------------------------------------------------------

_OPENAI_KEY = "OPENAI_API_KEY"
_AZURE_KEY = "AZURE_OPENAI_API_KEY"
_XAI_KEY = "XAI_API_KEY"


def _key_of(profile: Profile, environment: Mapping[str, str], secrets: Secrets) -> str:
    """Return the key of a profile; the environment wins. No key is right for many a server at home."""
    variable = profile.key_variable or _usual_variable(profile)
    key = _key_in(environment, variable) or _kept(secrets, profile.name)
    if not key and profile.key_variable:
        raise ParleyError(
            f"«{profile.name}» needs a key, and there is none.",
            f"Put it into the environment variable {variable}, then start again.",
        )
    return key


def _usual_variable(profile: Profile) -> str:
    """Return the variable that programs of the service read, unless the profile names another."""
    if profile.kind is Kind.AZURE:
        return _AZURE_KEY
    if profile.dialect is Dialect.XAI:
        return _XAI_KEY
    return _OPENAI_KEY if profile.kind is Kind.OPENAI else ""


def _key_in(environment: Mapping[str, str], variable: str) -> str:
    return _sendable(environment.get(variable, ""), f"The value of {variable}").removeprefix("Bearer ").lstrip()


def _kept(secrets: Secrets, name: str) -> str:
    return _sendable(secrets(name), f"The key kept for «{name}»").removeprefix("Bearer ").lstrip()


def _sendable(value: str, what: str) -> str:
    """Return what goes into a header. Raises `ParleyError` for what none can hold, without saying it."""
    value = value.strip()
    if not _fits_header(value):
        raise ParleyError(
            f"{what} holds characters it cannot have.",
            "It may have been copied with something around it: copy it again, then start again.",
        )
    return value


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _of_account(profile: Profile, environment: Mapping[str, str]) -> Profile:
    """Return the profile with the organisation and project of the environment, where it names none."""
    named = {
        "organization": profile.organization or environment.get("OPENAI_ORG_ID", ""),
        "project": profile.project or environment.get("OPENAI_PROJECT_ID", ""),
    }
    return replace(
        profile,
        organization=_sendable(named["organization"], "The value of OPENAI_ORG_ID"),
        project=_sendable(named["project"], "The value of OPENAI_PROJECT_ID"),
    )


def _headers(profile: Profile, key: str, install_id: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    if key and profile.kind is Kind.AZURE and not key.startswith(("ek_", "eyJ")):
        headers["api-key"] = key  # tokens go as bearer, those of Entra and ephemeral ones alike
    elif key:
        headers["Authorization"] = f"Bearer {key}"
    if profile.kind is not Kind.AZURE and profile.dialect is not Dialect.XAI:
        account = {"OpenAI-Organization": profile.organization, "OpenAI-Project": profile.project}
        headers |= {name: value for name, value in account.items() if value}
    if install_id:
        host = _split(profile.base_url or _VENDOR_BASE).hostname or ""
        headers["OpenAI-Safety-Identifier"] = safety_identifier(install_id, host)
    return headers


# --- addresses ----------------------------------------------------------------------------------


def realtime_url(base: str, model: str) -> str:
    """Return the WebSocket address under an `http(s)` or `ws(s)` base such as `https://host/v1`.

    The guide's endpoint rules: `/realtime` is appended if it is not there, existing query members are kept, `model`
    is added or replaced. Raises `ParleyError` for what is no such address.
    """
    parts = _split(base)
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    if not path.endswith("/realtime"):
        path += "/realtime"
    members = parse_qsl(parts.query, keep_blank_values=True)
    query = [(name, value) for name, value in members if name != "model"]
    if model:
        query.append(("model", model))
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, urlencode(query, quote_via=quote), ""))


_AZURE_PATH = "/openai/v1"
_AZURE_STEMS = ("", "/openai", "/openai/v1", "/openai/realtime", "/openai/v1/realtime")


def azure_url(base: str, deployment: str) -> str:
    """Return the WebSocket address of a deployment of an Azure resource, whose base is `https://….openai.azure.com`.

    An address of the preview, which is switched off, is understood and becomes today's; a gateway's own path stays.
    Raises `ParleyError` for what is no address, or if nothing names the deployment.
    """
    parts = _split(base)
    members = parse_qsl(parts.query, keep_blank_values=True)
    deployment = deployment or dict(members).get("model", "") or dict(members).get("deployment", "")
    if not deployment:
        raise ParleyError(
            f"Nothing names the deployment at {parts.hostname}.",
            "Name it with --model, or as «model» of the endpoint in the settings.",
        )
    if parts.path.rstrip("/") in _AZURE_STEMS:
        kept = [each for each in members if each[0] not in ("api-version", "deployment")]
        query = urlencode(kept, quote_via=quote)
        base = urlunsplit((parts.scheme, parts.netloc, _AZURE_PATH, query, ""))
    return realtime_url(base, deployment)


def _split(base: str) -> SplitResult:
    try:
        parts = urlsplit(base.strip())
        # What a resolver would stumble over later: no host, a port that is none, an empty label.
        usable = parts.port != 0 and bool((parts.hostname or "").encode("idna")) and parts.netloc.isprintable()
    except ValueError:
        usable = False
    if not usable or parts.scheme not in _SCHEMES or " " in parts.netloc:
        raise ParleyError(
            f"«{base[:80]}» is not an address to connect to.",
            "It has to look like https://host/v1 or wss://host/v1.",
        )
    return parts
