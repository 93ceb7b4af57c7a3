"""How packages are made, as far as it can be looked at without making one; `test_clean_machine.py` makes them."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import json
import os
import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from desktop_app import __version__
from desktop_app.app import APPLICATION_ID
from desktop_app.options import parse

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
LINUX = PACKAGING / "linux"
SPEC = PACKAGING / "parley.spec"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_under_test", PACKAGING / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def desktop_entry() -> configparser.ConfigParser:
    entry = configparser.ConfigParser(interpolation=None)
    entry.optionxform = str  # type: ignore[assignment, method-assign]
    entry.read(LINUX / f"{APPLICATION_ID}.desktop", encoding="utf-8")
    return entry


# --- what the desktop reads ---------------------------------------------------------------------


def test_the_desktop_s_own_tools_find_nothing_wrong() -> None:
    for command in (
        ["desktop-file-validate", str(LINUX / f"{APPLICATION_ID}.desktop")],
        ["appstreamcli", "validate", "--no-net", str(LINUX / f"{APPLICATION_ID}.metainfo.xml")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_desktop_entry_starts_the_program_with_options_it_has() -> None:
    entry = desktop_entry()
    main = entry["Desktop Entry"]
    assert main["Icon"] == APPLICATION_ID
    actions = [name for name in main["Actions"].split(";") if name]
    assert [f"Desktop Action {name}" for name in actions] == entry.sections()[1:]
    for section in entry.sections():
        program, *arguments = entry[section]["Exec"].split()
        assert program == "parley"
        parse(arguments)


def test_the_metadata_is_of_this_program_and_version() -> None:
    told = ElementTree.parse(LINUX / f"{APPLICATION_ID}.metainfo.xml").getroot()

    assert told.findtext("id") == APPLICATION_ID
    assert told.findtext("launchable") == f"{APPLICATION_ID}.desktop"
    release = told.find("releases/release")
    assert release is not None
    assert release.get("version") == __version__


def test_each_language_of_the_entry_says_everything() -> None:
    entry = desktop_entry()
    for section, keys in (("Desktop Entry", ["GenericName", "Comment"]), ("Desktop Action offline", ["Name"])):
        for key in keys:
            for language in ("de", "es", "fr", "ja"):
                assert entry[section].get(f"{key}[{language}]"), (section, key, language)


# --- packages of Linux --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["parley", "parley-offline"])
def test_a_package_is_described_with_everything_filled_in(build: ModuleType, name: str, tmp_path: Path) -> None:
    described = yaml.safe_load(build.nfpm_config(name, tmp_path, "amd64"))

    assert (described["name"], described["version"], described["arch"]) == (name, __version__, "amd64")
    assert described["contents"] == [{"src": f"{tmp_path}/usr", "dst": "/usr", "type": "tree"}]
    assert "$" not in json.dumps(described, default=str)
    if name == "parley-offline":
        assert f"parley (= {__version__})" in described["overrides"]["deb"]["depends"]
        assert f"parley = {__version__}" in described["overrides"]["rpm"]["depends"]


@pytest.fixture
def frozen(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something that looks like a frozen program, of which the engines were laid aside."""
    program, offline, icons = tmp_path / "parley", tmp_path / "offline", tmp_path / "icons"
    (program / "_internal" / "resources").mkdir(parents=True)
    (program / "parley").write_text("#!/bin/sh\n", encoding="utf-8")
    (offline / "_internal" / "hibari").mkdir(parents=True)
    (offline / "_internal" / "hibari" / "voice.onnx").write_bytes(b"voice")
    icons.mkdir()
    for size in build.ICON_SIZES:
        (icons / f"{size}.png").write_bytes(b"png")
    for name, value in (("PROGRAM", program), ("OFFLINE", offline), ("ICONS", icons)):
        monkeypatch.setattr(build, name, value)
    monkeypatch.setattr(build, "manual_page", lambda program: ".TH PARLEY 1\n")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return tmp_path


def test_everything_lies_where_the_system_looks_for_it(build: ModuleType, frozen: Path) -> None:
    build.lay_out(frozen / "root")

    usr = frozen / "root" / "usr"
    share = usr / "share"
    assert (usr / "bin/parley").resolve() == usr / "lib/parley/parley"
    for path in (
        f"applications/{APPLICATION_ID}.desktop",
        f"metainfo/{APPLICATION_ID}.metainfo.xml",
        f"icons/hicolor/48x48/apps/{APPLICATION_ID}.png",
        f"icons/hicolor/scalable/apps/{APPLICATION_ID}.svg",
        "man/man1/parley.1.gz",
        "doc/parley/copyright",
        "doc/parley/changelog.gz",
        "lintian/overrides/parley",
    ):
        assert (share / path).is_file(), path
    modes = {path.stat().st_mode & 0o777 for path in build.files_of(usr)}
    assert modes == {0o644, 0o755}
    assert {path.lstat().st_mtime for path in usr.rglob("*")} == {1700000000}
    assert [
        path.name for path in build.files_of(usr) if os.access(path, os.X_OK) and path.stat().st_mode & 0o111
    ] == ["parley"]


def test_two_trees_of_the_same_program_are_the_same(build: ModuleType, frozen: Path) -> None:
    build.lay_out(frozen / "one")
    build.lay_out(frozen / "two")

    assert build.payload_of(frozen / "one") == build.payload_of(frozen / "two")


def test_the_second_package_adds_the_engines_and_the_models_that_travel(build: ModuleType, frozen: Path) -> None:
    sets = json.loads((ROOT / "resources/models/weights.json").read_text("utf-8"))
    weights = frozen / "weights"
    with pytest.raises(build.Failed, match="whisper-base is not there"):
        build.lay_out_offline(frozen / "root", weights)
    for each in sets:
        (weights / each["name"]).mkdir(parents=True)
        for file in each["files"]:
            with (weights / each["name"] / file["name"]).open("wb") as stream:
                stream.truncate(file["size"])

    build.lay_out_offline(frozen / "root", weights)

    inside = frozen / "root/usr/lib/parley/_internal"
    assert (inside / "hibari/voice.onnx").is_file()
    packed = sorted(path.name for path in (inside / "resources/models/weights").iterdir())
    assert packed == sorted(build.PACKED_WEIGHTS)
    assert set(packed) <= {each["name"] for each in sets}


# --- licences -----------------------------------------------------------------------------------


def test_tables_of_pyinstaller_are_read_however_deep(build: ModuleType) -> None:
    table = ("x", True, [("a", "/a.py", "PYMODULE"), ("b", "/b.so", "BINARY")], {"c": ("c", "/c", "DATA")})

    assert [row[1] for row in build.rows_of(table)] == ["/a.py", "/b.so"]


def test_a_package_s_licence_is_taken_word_for_word(build: ModuleType, tmp_path: Path) -> None:
    import importlib.metadata

    part = build.part_of(importlib.metadata.distribution("websockets"))
    assert part.licence
    assert part.texts
    python = build.python_part()

    build.write_licences([part, python], tmp_path / "licences")

    index = json.loads((tmp_path / "licences" / "index.json").read_text("utf-8"))
    assert [row["name"] for row in index] == ["websockets", "Python"]
    text = (tmp_path / "licences" / index[0]["text"]).read_text("utf-8")
    assert "Redistribution and use" in text


# --- what PyInstaller is told -------------------------------------------------------------------


def evaluate_spec(monkeypatch: pytest.MonkeyPatch, system: str) -> dict[str, Any]:
    """Run the spec with stand-ins for PyInstaller's words; return what each was given."""
    given: dict[str, Any] = {}

    class Collected:
        pure: tuple[str, ...] = ()
        scripts: tuple[str, ...] = ()
        binaries = [("PySide6/Qt/lib/libQt6Core.so.6", "/a", "BINARY"), ("libX11.so.6", "/b", "BINARY")]
        datas = [("PySide6/Qt/translations/qt_de.qm", "/c", "DATA"), ("resources/LICENSES.md", "/d", "DATA")]

    def word(name: str) -> Any:
        def take(*arguments: Any, **named: Any) -> Any:
            given[name] = (arguments, named)
            return Collected()

        return take

    hooks = ModuleType("PyInstaller.utils.hooks")
    hooks.collect_data_files = lambda name, **_: [(f"/{name}", name)]  # type: ignore[attr-defined]
    hooks.collect_submodules = lambda name, **_: [name]  # type: ignore[attr-defined]
    hooks.copy_metadata = lambda name: [(f"/{name}", name)]  # type: ignore[attr-defined]
    for name in ("PyInstaller", "PyInstaller.utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, hooks.__name__, hooks)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sys, "path", list(sys.path))
    names: dict[str, Any] = {name: word(name) for name in ("Analysis", "PYZ", "EXE", "COLLECT", "BUNDLE")}
    names["SPECPATH"] = str(PACKAGING)
    exec(compile(SPEC.read_text("utf-8"), str(SPEC), "exec"), names)
    given["ENGINES"] = names["ENGINES"]
    return given


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
def test_the_spec_is_right_on_every_system(monkeypatch: pytest.MonkeyPatch, build: ModuleType, system: str) -> None:
    given = evaluate_spec(monkeypatch, system)

    (scripts,), told = given["Analysis"]
    for path in (*scripts, *told["runtime_hooks"], *(source for source, _ in told["binaries"])):
        assert Path(path).is_file(), path
    resources = {source for source, _ in told["datas"] if source.startswith(str(ROOT))}
    assert str(ROOT / "resources/LICENSES.md") in resources
    assert all(Path(source).is_file() for source in resources)
    assert not [source for source in resources if "/pictures/" in source]
    assert set(given["ENGINES"]) <= set(build.ENGINES)
    assert Path(given["EXE"][1]["entitlements_file"]).is_file()
    laid_down = [entry[0] for table in given["COLLECT"][0][1:] for entry in table]
    assert ("libX11.so.6" in laid_down) == (system != "linux"), "a Linux has its own"
    assert "PySide6/Qt/translations/qt_de.qm" not in laid_down
    if system == "darwin":
        words = given["BUNDLE"][1]["info_plist"]
        assert words["NSMicrophoneUsageDescription"]
        assert words["NSInputMonitoringUsageDescription"]
    else:
        assert "BUNDLE" not in given


def test_what_is_imported_late_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name: what PyInstaller cannot see must be among the hidden imports."""
    hidden = set(evaluate_spec(monkeypatch, "linux")["Analysis"][1]["hiddenimports"])

    assert {"desktop_app", "hibari", "xllamacpp", "ctranslate2", "onnxruntime", "httpx2", "soundfile"} <= hidden
    assert {"json", "sqlite3", "urllib"} <= hidden, "a user's tool may import them"


def test_the_bundled_portaudio_is_found_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import ctypes.util
    import runpy

    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: f"system's {name}")
    (tmp_path / "libportaudio.so.2").touch()

    runpy.run_path(str(PACKAGING / "hook_portaudio.py"))

    assert ctypes.util.find_library("portaudio") == str(tmp_path / "libportaudio.so.2")
    assert ctypes.util.find_library("pulse") == "system's pulse"


# --- other systems ------------------------------------------------------------------------------


def test_the_entitlements_are_a_property_list_that_asks_for_the_microphone() -> None:
    with (PACKAGING / "macos" / "entitlements.plist").open("rb") as stream:
        told = plistlib.load(stream)

    assert told["com.apple.security.device.audio-input"] is True


def iss_sections() -> Iterator[tuple[str, str]]:
    """Every line of the Windows installer's script, with the section it is in."""
    section = ""
    for line in (PACKAGING / "windows" / "parley.iss").read_text("utf-8").splitlines():
        if found := re.fullmatch(r"\[(\w+)]", line):
            section = found.group(1)
        elif line and not line.startswith((";", "#")):
            yield section, line


def test_the_windows_installer_is_for_one_user_and_names_files_that_exist() -> None:
    lines = list(iss_sections())
    setup = dict(line.split("=", 1) for section, line in lines if section == "Setup")

    assert setup["PrivilegesRequired"] == "lowest"
    assert setup["DefaultDirName"].startswith("{localappdata}")
    assert (PACKAGING / "windows" / setup["LicenseFile"].replace("\\", "/")).is_file()
    assert setup["OutputDir"] == r"..\..\dist"
    for section, line in lines:
        if section not in ("Setup", ""):
            for entry in re.split(r";\s*(?=\w+:)", line):
                assert re.match(r'\w+: ("[^"]*"|[\w ]+)$', entry), (section, line)
    sources = [line for section, line in lines if section == "Files"]
    assert r"build\frozen\parley\*" in sources[0], "what `dev.py build app` leaves there"


@pytest.mark.parametrize(
    "script",
    ["macos/make_dmg.sh", "appimage/make_appimage.sh", "appimage/AppRun"],
    ids=lambda path: Path(path).name,
)
def test_scripts_are_right_and_can_be_run(script: str) -> None:
    path = PACKAGING / script
    shell = "bash" if "bash" in path.read_text("utf-8").split("\n")[0] else "sh"

    subprocess.run([shell, "-n", str(path)], check=True)
    assert path.stat().st_mode & 0o111


def test_the_flatpak_knows_the_program() -> None:
    told = yaml.safe_load((PACKAGING / "flatpak" / f"{APPLICATION_ID}.yaml").read_text("utf-8"))

    assert told["id"] == APPLICATION_ID
    assert told["command"] == "parley"
    assert "--socket=pulseaudio" in told["finish-args"]


# --- the workflow -------------------------------------------------------------------------------


def steps() -> Iterator[tuple[str, str]]:
    """Every command of the release workflow, with its job."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            if "run" in step:
                yield name, step["run"]


def test_the_workflow_builds_tests_and_attaches_everything() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
    jobs = workflow["jobs"]

    assert set(jobs) == {"test", "linux", "windows", "macos", "release"}
    assert set(jobs["release"]["needs"]) == {"linux", "windows", "macos"}
    assert all(jobs[name]["needs"] == "test" for name in ("linux", "windows", "macos"))
    for name in ("linux", "windows", "macos"):
        assert any("upload-artifact" in step.get("uses", "") for step in jobs[name]["steps"])


def test_the_workflow_calls_what_exists() -> None:
    called = set()
    for _, command in steps():
        for path in re.findall(r"(?<![\w$/-])(?:packaging|\.ci)[/\\][\w./\\]+", command):
            file = ROOT / path.replace("\\", "/")
            assert file.exists(), path
            called.add(file.name)
        for kind in re.findall(r"dev\.py build (\w+)", command):
            assert kind in ("app", "tar", "deb", "rpm")
    assert {"run", "dev.py", "make_dmg.sh", "make_appimage.sh", "parley.iss"} <= called


def test_no_file_of_the_packaging_knows_a_machine() -> None:
    for path in PACKAGING.rglob("*"):
        if path.is_file() and path.suffix not in (".pyc", ".lock"):
            text = path.read_text("utf-8")
            assert not re.search(r"/(root|work|home)/|file:///|127\.0\.0\.1:\d", text), path


def test_the_builder_needs_no_package_to_be_read() -> None:
    """What it needs is imported where it is used: these tests have none of it."""
    tree = ast.parse((PACKAGING / "build.py").read_text("utf-8"))
    names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}

    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.skipif(not shutil.which("help2man"), reason="only where packages are made")
def test_the_manual_page_has_every_option(build: ModuleType, tmp_path: Path) -> None:
    program = tmp_path / "parley"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "main.py"} "$@"\n', encoding="utf-8")
    program.chmod(0o755)

    page = build.manual_page(program)

    for word in (r"\-\-profile", r"\-\-endpoint", "OPENAI_API_KEY", ".TH PARLEY"):
        assert word in page, word
