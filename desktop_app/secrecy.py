"""Keys: where they are found, and how they are kept out of everything else.

`Environment` is what the program was started with. The variables that hold keys can be read there and nowhere else:
they are taken out of the process's own environment, so that nothing this program starts inherits them, be it a
tool, an MCP server, the local server or the user's browser. Whoever needs one is handed it by name.

`Redaction` knows every key in use and takes it out of a text, in whatever form it came: a server may repeat the
key it refuses, and what it says is shown, logged and kept. It is applied where texts come in (the socket, the
tools, the local server's reports) and, once more, where they go to the terminal.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from urllib.parse import quote, quote_plus

MARK = "[key]"
"""What stands in place of a key."""
SHORTEST = 12
"""Shorter words are no keys but what people write where none is needed, such as «ollama»."""

_OURS = re.compile(r"OPENAI_.+|AZURE_OPENAI_.+|XAI_API_KEY|PARLEY_CHAT_KEY|PARLEY_LOCAL_TOKEN")
_SOUNDS_SECRET = re.compile(
    r"(?i)(^|[_-])(api_?key|key|token|secret|pass|passwd|password|pat|credentials?|cookie|auth\w*)s?$"
)
_HARMLESS_HEADERS = frozenset({"accept", "content-type", "user-agent", "openai-safety-identifier"})
_SCHEME = re.compile(r"(?i)^(bearer|basic|token)\s+")


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables a child may have: all but those that hold keys of ours."""
    return {name: value for name, value in environment.items() if not _OURS.fullmatch(name)}


def sounds_secret(name: str) -> bool:
    """Return whether a variable or header of this name is likely to hold a secret."""
    return _SOUNDS_SECRET.search(name) is not None


class Redaction:
    """Takes keys out of texts. Keys are added as they become known; none is ever forgotten in a run."""

    def __init__(self) -> None:
        self._forms: list[str] = []
        self._frames: list[bytes] = []

    def add(self, *secrets: str) -> None:
        """Know these keys from now on; a scheme before one (`Bearer …`) is no part of it."""
        for secret in secrets:
            plain = _SCHEME.sub("", secret.strip())
            if len(plain) < SHORTEST or plain in self._forms:
                continue
            forms = {*self._forms, *_forms(plain)}
            self._forms = sorted(forms, key=len, reverse=True)  # a form that holds another one goes first
            self._frames = [form.encode() for form in self._forms]

    def add_headers(self, headers: Mapping[str, str]) -> None:
        """Know what stands in these headers."""
        self.add(*(value for name, value in headers.items() if name.lower() not in _HARMLESS_HEADERS))

    def text(self, text: str) -> str:
        """Return the text without keys."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MARK)
        return text

    def frame(self, frame: bytes) -> bytes:
        """Return a frame of the wire without keys; nearly always it is the same one."""
        for form in self._frames:
            if form in frame:
                frame = frame.replace(form, MARK.encode())
        return frame


class RedactingFormatter(logging.Formatter):
    """Formats what is logged, tracebacks included, without keys."""

    def __init__(self, text: str, redaction: Redaction) -> None:
        super().__init__(text)
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        return self._redaction.text(super().format(record))


class Environment(Mapping[str, str]):
    """The variables the program was started with, keys included; `live` loses the keys.

    `redaction` knows them from then on.
    """

    def __init__(self, live: MutableMapping[str, str], redaction: Redaction) -> None:
        self._all = dict(live)
        self._live = live
        self.redaction = redaction
        """What takes the keys out of texts."""
        self.hide(name for name in self._all if _OURS.fullmatch(name))

    def hide(self, names: Iterable[str]) -> None:
        """Take these variables, too, from whatever is started: the user says that they hold keys."""
        for name in names:
            self._live.pop(name, None)
            self.redaction.add(self._all.get(name, ""))

    def __getitem__(self, name: str) -> str:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def _forms(secret: str) -> Iterator[str]:
    """Yield a key as it may come back: plain, escaped for JSON or an address, or within something in base64."""
    yield secret
    escaped = json.dumps(secret)[1:-1]
    yield escaped
    yield escaped.replace("/", "\\/")
    yield quote(secret, safe="")
    yield quote_plus(secret)
    data = secret.encode()
    for before in range(3):  # the same bytes look different after one or two others
        coded = base64.b64encode(b"\0" * before + data).decode()
        shared = (0, 2, 3)[before]  # characters that depend on what stands before
        ending = (0, 3, 2)[(before + len(data)) % 3]  # and on what comes after
        core = coded[shared : len(coded) - ending]
        yield core
        yield core.replace("+", "-").replace("/", "_")
