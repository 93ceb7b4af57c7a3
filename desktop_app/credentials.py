"""Credentials: where keys that the user types or pastes are kept. They never enter the settings.

`ForThisRun` keeps them in memory: they are gone when the program ends, and whoever shows a key as kept says so
(`lasting`). A keychain takes its place by having the same two methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

_VARIABLE = "variable "
"""What stands before the name of a variable, so that none is taken for the name of an endpoint."""


class Credentials(Protocol):
    """Keeps secrets by name."""

    @property
    def lasting(self) -> bool:
        """Whether what is kept will be there at the next start."""
        ...

    def get(self, name: str) -> str:
        """Return what is kept; empty: nothing is."""
        ...

    def keep(self, name: str, secret: str) -> None:
        """Keep a secret, in the place of one of the same name."""
        ...


class ForThisRun:
    """Keeps secrets in memory."""

    lasting = False

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}

    def get(self, name: str) -> str:
        """Return what is kept; empty: nothing is."""
        return self._secrets.get(name, "")

    def keep(self, name: str, secret: str) -> None:
        """Keep a secret until the program ends."""
        self._secrets[name] = secret


class Variables(Mapping[str, str]):
    """What `${NAME}` stands for: a secret that was kept under that name, or else a variable of the environment."""

    def __init__(self, environment: Mapping[str, str], credentials: Credentials) -> None:
        self._environment = environment
        self.credentials = credentials

    def keep(self, name: str, secret: str) -> None:
        """Keep a secret under the name of a variable."""
        self.credentials.keep(f"{_VARIABLE}{name}", secret)

    def __getitem__(self, name: str) -> str:
        return self.credentials.get(f"{_VARIABLE}{name}") or self._environment[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the environment; what is kept beside it is found by name only."""
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)

    def __contains__(self, name: object) -> bool:
        return bool(self.credentials.get(f"{_VARIABLE}{name}")) or name in self._environment
