"""Where to talk to: a Realtime endpoint, and how one is chosen.

A key or an address in the environment means that endpoint, as the vendor's own SDK reads them; otherwise the
program's own local server answers. `--endpoint` overrides both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from desktop_app.errors import ParleyError

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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Realtime service and what it takes to talk to it."""

    name: str
    """What the window calls it."""
    url: str = field(repr=False)
    """The whole WebSocket address, model included; some services want the key in it."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Holds the key: never shown, never logged."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which endpoint was chosen, before anything is started or opened."""

    local: bool
    name: str
    model: str
    voices: tuple[str, ...]
    transcription_model: str
    base_url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def endpoint(self) -> Endpoint:
        """Return the remote endpoint; the local one exists only once its server runs."""
        return Endpoint(self.name, realtime_url(self.base_url, self.model), self.headers)


def choose(wanted: str, *, model: str, environment: Mapping[str, str], install_id: str = "") -> Choice:
    """Return the endpoint that `wanted` names (`local`, `openai`, an address, or empty: as the environment says).

    `install_id` tells one installation from another; what is sent of it tells nobody who or where that is.
    Raises `ParleyError` for a name that is none of these, and for a key that cannot be sent.
    """
    key = environment.get("OPENAI_API_KEY", "").strip()
    base_url = environment.get("OPENAI_BASE_URL", "").strip()
    wanted, model = wanted.strip(), model.strip()
    if not wanted:
        wanted = OPENAI if key or base_url else LOCAL
    if wanted == LOCAL:
        return Choice(True, "Offline assistant", model or "parley-offline", LOCAL_VOICES, "whisper-base")
    if wanted == OPENAI:
        address = base_url or _VENDOR_BASE
    elif "://" in wanted:
        address = wanted
    else:
        raise ParleyError(
            f"There is no endpoint called «{wanted[:80]}».",
            f"Use «{LOCAL}», «{OPENAI}», or an address that begins with https:// or wss://.",
        )
    host = urlsplit(realtime_url(address, "")).hostname or address
    headers = _headers(environment)
    if install_id:
        headers["OpenAI-Safety-Identifier"] = safety_identifier(install_id, host)
    return Choice(
        False, host, model or DEFAULT_MODEL, REMOTE_VOICES, TRANSCRIPTION_MODEL, base_url=address, headers=headers
    )


def safety_identifier(install_id: str, host: str) -> str:
    """Return what tells this installation from others at one service, and means nothing at another."""
    return hashlib.sha256(f"{install_id}\n{host}".encode()).hexdigest()


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


def _headers(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the headers the vendor's SDK sends for these variables.

    Raises `ParleyError` for a value no header can hold, without saying the value: one of them is the key.
    """
    headers: dict[str, str] = {}
    for header, variable, before in (
        ("Authorization", "OPENAI_API_KEY", "Bearer "),
        ("OpenAI-Organization", "OPENAI_ORG_ID", ""),
        ("OpenAI-Project", "OPENAI_PROJECT_ID", ""),
    ):
        value = environment.get(variable, "").strip()
        if not (value.isascii() and value.isprintable()):
            raise ParleyError(
                f"The value of {variable} holds characters it cannot have.",
                "It may have been copied with something around it: copy it again, then start again.",
            )
        if value:
            headers[header] = before + value
    return headers
