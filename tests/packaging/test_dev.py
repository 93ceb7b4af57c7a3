"""The command for developers: on any Python, installs once, mends what was interrupted, keeps exit codes."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "packaging" / "dev.py"

PROJECT = """
[project]
dependencies = ["pip"]
[project.optional-dependencies]
local = []
[dependency-groups]
dev = []
interop = ["uv"]
locking = ["uv"]
building = ["uv"]
"""


@pytest.fixture
def dev(tmp_path: Path) -> ModuleType:
    """The script as a module, of a checkout of its own that is empty."""
    (tmp_path / "packaging").mkdir()
    copy = tmp_path / "packaging" / "dev.py"
    copy.write_bytes(SCRIPT.read_bytes())
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("dev_under_test", copy)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lock_all(module)
    return module


def lock_all(dev: ModuleType) -> None:
    """Have locks that belong to the project, without anything in them."""
    for need in ("run", "test", "interop", "locking", "building"):
        head = dev.LOCK_HEAD.format(digest=dev.digest_of(dev.requirements(need)))
        dev.lock_path(need).write_text(head, encoding="utf-8")


def make_program(folder: Path, name: str, script: str) -> None:
    """Put a program into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


# --- on any Python ------------------------------------------------------------------------------


def test_it_can_be_read_by_an_old_python_and_needs_only_the_standard_library() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 8))

    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
    at_once = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert not at_once & {"tomllib", "fcntl", "msvcrt"}, "not there on every Python that must start it"


def test_the_folder_is_no_package() -> None:
    assert not (SCRIPT.parent / "__init__.py").exists(), "it would hide the package index's «packaging»"


def test_help_lists_every_verb_on_a_line(dev: ModuleType) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True)

    for verb in dev.VERBS:
        assert re.search(rf"(?m)^    {verb} +\S.{{10,}}$", done.stdout), verb


def test_an_old_python_goes_on_with_a_newer_one(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    make_program(programs, "python3.13", "echo 'python3.13: command not found' >&2; exit 127")
    make_program(programs, "python3.12", "echo Python 2.7 has no tomllib >&2; exit 1")
    make_program(programs, "python3.11", f'exec {sys.executable} "$@"')
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(dev.sys, "version_info", (3, 8, 18))
    became: list[list[str]] = []

    def become(command: list[str]) -> int:
        became.append(command)
        return 0

    monkeypatch.setattr(dev, "become", become)

    assert dev.main(["run", "--", "--help"]) == 0
    assert became == [[sys._base_executable, dev.__file__, "run", "--", "--help"]]  # type: ignore[attr-defined]


def test_an_old_python_alone_says_what_to_do(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(dev.sys, "version_info", (3, 8, 18))

    assert dev.main(["run"]) == 2
    assert re.search(r"needs Python 3\.11 or newer; this is 3\.8\.18.*\nInstall", capsys.readouterr().err)


# --- what is installed --------------------------------------------------------------------------


class Installer:
    """Stands for pip, the system's package tool and `venv`, and counts."""

    def __init__(self, dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dev = dev
        self.done: list[str] = []
        self.interrupted = False
        self.system_complete = True
        monkeypatch.setattr(dev, "pip", self.pip)
        monkeypatch.setattr(dev, "install_system_packages", self.install_system_packages)
        monkeypatch.setattr(dev, "make_environment", self.make_environment)

    def pip(self, *arguments: str) -> int:
        self.done.append("pip")
        if self.interrupted:
            raise KeyboardInterrupt
        return 0

    def install_system_packages(self, need: str) -> bool:
        self.done.append("system")
        return self.system_complete

    def make_environment(self) -> None:
        self.dev.VENV_PYTHON.parent.mkdir(parents=True, exist_ok=True)
        self.dev.VENV_PYTHON.touch()

    def prepare(self, need: str) -> list[str]:
        """Prepare, and return what was installed for it."""
        self.done.clear()
        self.dev.prepare(need)
        return list(self.done)


@pytest.fixture
def installer(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Installer:
    return Installer(dev, monkeypatch)


def change_requirements(dev: ModuleType) -> None:
    (dev.ROOT / "pyproject.toml").write_text(PROJECT.replace('"pip"', '"pip", "setuptools"'), encoding="utf-8")
    lock_all(dev)


def change_versions(dev: ModuleType) -> None:
    for need in ("run", "test"):
        lock = dev.lock_path(need)
        lock.write_text(lock.read_text(encoding="utf-8") + "pip==1.0\n", encoding="utf-8")


def change_python(dev: ModuleType) -> None:
    (dev.VENV / "pyvenv.cfg").write_text("version = 3.99.0\n", encoding="utf-8")


def lose_state(dev: ModuleType) -> None:
    dev.STATE.write_text('{"requirements": [', encoding="utf-8")


def test_nothing_is_installed_twice(installer: Installer) -> None:
    assert installer.prepare("run") == ["system", "pip"]
    assert installer.prepare("run") == []
    assert installer.prepare("test") == ["system", "pip"]
    assert installer.prepare("test") == []
    assert installer.prepare("run") == []


@pytest.mark.parametrize("change", [change_requirements, change_versions, change_python])
def test_requirements_are_installed_again_after_a_change(
    installer: Installer, dev: ModuleType, change: Callable[[ModuleType], None]
) -> None:
    installer.prepare("test")
    change(dev)

    assert installer.prepare("run") == ["pip"]
    assert installer.prepare("run") == []


def test_a_state_that_cannot_be_read_is_no_state(installer: Installer, dev: ModuleType) -> None:
    installer.prepare("run")
    lose_state(dev)

    assert installer.prepare("run") == ["system", "pip"]


def test_an_interrupted_install_is_done_again(installer: Installer, dev: ModuleType) -> None:
    installer.prepare("run")
    change_requirements(dev)
    installer.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        dev.prepare("run")

    (dev.ROOT / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    lock_all(dev)
    installer.interrupted = False
    assert installer.prepare("run") == ["pip"], "the state before the interruption is gone"


def test_what_is_installed_is_what_was_locked(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    def pip(*arguments: str) -> int:
        given.extend(arguments)
        return 0

    monkeypatch.setattr(dev, "pip", pip)
    dev.VENV.mkdir()
    dev.install_requirements("run")

    assert given == ["install", "--require-hashes", "--no-deps", "--requirement", str(dev.lock_path("run"))]


@pytest.mark.parametrize("spoil", ["another project", "no digest", "no file"])
def test_a_lock_of_another_list_is_refused_with_the_way_to_renew_it(
    installer: Installer, dev: ModuleType, capsys: pytest.CaptureFixture[str], spoil: str
) -> None:
    lock = dev.lock_path("run")
    if spoil == "another project":
        (dev.ROOT / "pyproject.toml").write_text(PROJECT.replace('"pip"', '"pip<9"'), encoding="utf-8")
    elif spoil == "no digest":
        lock.write_text("pip==1.0\n", encoding="utf-8")
    else:
        lock.unlink()

    assert dev.main(["run"]) == 2

    said = capsys.readouterr().err
    assert "packaging/run.lock does not belong to this pyproject.toml" in said
    assert "python3 packaging/dev.py lock" in said
    assert "pip" not in installer.done


def test_the_locks_belong_to_the_project_and_hold_no_address() -> None:
    spec = importlib.util.spec_from_file_location("dev_itself", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    dev = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dev)

    for need in ("run", "test", "interop", "locking", "building"):
        dev.check_lock(need)
        text = dev.lock_path(need).read_text(encoding="utf-8")
        assert "//" not in text
        pins = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
        assert pins
        assert all(re.match(r"[a-z0-9._-]+==[^ ]+( ; .*)? \\$", pin) for pin in pins)
        assert len(re.findall(r"(?m)\\\n    --hash=sha256:[0-9a-f]{64}", text)) >= len(pins)


def test_what_is_run_is_a_part_of_what_is_tested_in_the_same_versions() -> None:
    def pins(need: str) -> set[str]:
        text = (SCRIPT.parent / f"{need}.lock").read_text(encoding="utf-8")
        return set(re.findall(r"(?m)^[a-z0-9._-]+==[^ ]+", text))

    assert pins("run") < pins("test")


AUDITED = {"name": "spoon", "version": "1.0", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "fork", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("report", "found", "words"),
    [
        (
            json.dumps({"dependencies": [AUDITED, SKIPPED]}),
            1,
            ["spoon 1.0: CVE-2026-1, mended in 1.1", "NOT CHECKED"],
        ),
        (json.dumps({"dependencies": [SKIPPED]}), 0, ["0 of 1 packages checked", "the other 1 are NOT CHECKED"]),
        ("", 0, ["NOT CHECKED, the data cannot be had here: no route"]),
    ],
)
def test_an_audit_tells_what_it_could_not_check(
    dev: ModuleType, capsys: pytest.CaptureFixture[str], report: str, found: int, words: list[str]
) -> None:
    assert dev.tell_findings("test.lock", report, "no route") == found

    said = capsys.readouterr().out
    for each in words:
        assert each in said


def test_what_the_system_lacks_is_asked_for_again(installer: Installer) -> None:
    installer.system_complete = False
    assert installer.prepare("run") == ["system", "pip"]
    assert installer.prepare("run") == ["system"]


def test_torn_packages_are_forgotten(dev: ModuleType) -> None:
    site = dev.VENV / ("Lib/site-packages" if os.name == "nt" else "lib/python3.11/site-packages")

    def install(name: str, files: list[str], record: list[str] | None) -> None:
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        for file in files:
            (site / file).touch()
        if record is not None:
            (info / "RECORD").write_text("".join(f"{file},,\n" for file in record), encoding="utf-8")

    install("whole", ["whole.py"], ["whole.py", "__pycache__/whole.pyc", "whole-1.0.dist-info/RECORD"])
    install("unfinished", ["unfinished.py"], None)
    install("missing", [], ["missing.py"])

    dev.remove_torn_packages()

    assert [path.name for path in site.glob("*.dist-info")] == ["whole-1.0.dist-info"]


def test_an_environment_that_does_not_start_is_made_anew(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    dev.VENV_PYTHON.parent.mkdir(parents=True)
    dev.VENV_PYTHON.symlink_to("/nonexistent/python3.11")
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(dev.subprocess, "run", run)
    with pytest.raises(dev.Stop, match="could not be made"):
        dev.make_environment()
    assert commands == [[sys._base_executable, "-m", "venv", "--clear", str(dev.VENV)]]  # type: ignore[attr-defined]


# --- system packages ----------------------------------------------------------------------------


def say_installed(dev: ModuleType, monkeypatch: pytest.MonkeyPatch, but: set[str], also: set[str]) -> None:
    """Let the system have everything `but` some packages, and some `also`."""
    everything = set(dev.system_packages("test")) - but | also
    monkeypatch.setattr(dev, "installed_packages", lambda names: everything & set(names))
    monkeypatch.setattr(dev, "has_ensurepip", lambda: True)


def test_a_package_under_its_new_name_is_not_missing(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    say_installed(dev, monkeypatch, but={"libasound2", "libglib2.0-0"}, also={"libasound2t64"})

    assert dev.missing_debian_packages("run") == ["libglib2.0-0"]


def test_without_ensurepip_the_venv_package_is_missing(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    say_installed(dev, monkeypatch, but=set(), also=set())
    monkeypatch.setattr(dev, "has_ensurepip", lambda: False)

    assert dev.missing_debian_packages("run") == [f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"]


@pytest.mark.parametrize(("also", "missing"), [(set(), ["pulseaudio"]), ({"pipewire-pulse"}, [])])
def test_pulseaudio_is_not_put_beside_pipewire(
    dev: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    also: set[str],
    missing: list[str],
) -> None:
    say_installed(dev, monkeypatch, but={"pulseaudio"}, also=also)

    assert dev.missing_debian_packages("test") == missing
    assert ("PipeWire" in capsys.readouterr().err) == bool(also)


@pytest.fixture
def debian(dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Programs of a Debian that lacks two packages, one of which has a new name; what was done is in `log`."""
    programs = tmp_path / "bin"
    make_program(programs, "dpkg", "echo amd64")
    make_program(programs, "dpkg-query", "exit 1")
    make_program(programs, "env", 'while [ "$1" != "${1#*=}" ]; do shift; done; exec "$@"')
    make_program(programs, "apt-get", f'echo "apt-get $*" >> {tmp_path}/log')
    make_program(
        programs,
        "apt-cache",
        """shift
for name; do
    case $name in libasound2t64|libegl1) candidate=1.2;; *) candidate='(none)';; esac
    printf '%s:\\n  Installed: (none)\\n  Candidate: %s\\n  Version table:\\n' $name "$candidate"
done""",
    )
    monkeypatch.setenv("PATH", str(programs))
    say_installed(dev, monkeypatch, but={"libasound2", "libegl1"}, also=set())
    monkeypatch.setattr(dev.os, "geteuid", lambda: 0)
    return programs


def test_root_installs_what_is_missing_and_only_that(dev: ModuleType, debian: Path) -> None:
    assert dev.install_debian_packages("run")

    update, install = (debian.parent / "log").read_text(encoding="utf-8").splitlines()
    assert " update" in update
    assert install.endswith("install --yes -qq --no-install-recommends libasound2t64 libegl1")


def test_others_install_by_sudo(dev: ModuleType, debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev.os, "geteuid", lambda: 1000)
    make_program(debian, "sudo", f'echo "sudo" >> {debian.parent}/log; [ "$1" = -n ] && shift; exec "$@"')
    make_program(debian, "true", "exit 0")

    assert dev.install_debian_packages("run")
    assert "libegl1" in (debian.parent / "log").read_text(encoding="utf-8").splitlines()[-1]
    assert "sudo" in (debian.parent / "log").read_text(encoding="utf-8")


def test_without_sudo_the_command_is_shown_and_running_goes_on(
    dev: ModuleType, debian: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev.os, "geteuid", lambda: 1000)

    assert not dev.install_debian_packages("run")
    assert re.search(r"(?m)^  sudo apt-get install libasound2t64 libegl1$", capsys.readouterr().err)
    with pytest.raises(dev.Stop, match="password-less sudo"):
        dev.install_debian_packages("test")
    assert not (debian.parent / "log").exists()


def test_a_package_that_apt_does_not_have_is_left_out(
    dev: ModuleType, debian: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say_installed(dev, monkeypatch, but={"libegl1", "libxcb-util1"}, also=set())

    assert dev.install_debian_packages("run")

    assert "no package libxcb-util1" in capsys.readouterr().err
    assert (debian.parent / "log").read_text(encoding="utf-8").splitlines()[-1].endswith("recommends libegl1")


def test_a_checkout_that_may_not_be_written_to_is_named(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(dev.BUILD))

    monkeypatch.setattr(Path, "mkdir", refuse)

    assert dev.main(["run"]) == 2
    assert capsys.readouterr().err.startswith(f"dev.py: Permission denied: {dev.BUILD}. Can you write")


def test_a_failing_apt_is_told_with_the_command(dev: ModuleType, debian: Path) -> None:
    make_program(debian, "apt-get", "exit 100")

    with pytest.raises(dev.Stop, match=r"apt-get failed[^$]*sudo apt-get install lib"):
        dev.install_debian_packages("test")


# --- the verbs ----------------------------------------------------------------------------------


def options(**more: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"full": False, "k": None, "rest": [], **more})


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


@pytest.fixture
def checked(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with everything installed, and one check that fails between two that do not."""
    monkeypatch.setattr(dev, "prepare", lambda *_, **__: None)
    scripts = {"format": "", "lint": "print('E999 spoon'); exit(3)", "layers": ""}
    monkeypatch.setattr(dev, "CHECKS", [dev.Step(name, python(script)) for name, script in scripts.items()])
    return dev


def let_modules_exit(dev: ModuleType, monkeypatch: pytest.MonkeyPatch, codes: dict[str, int]) -> None:
    script = (
        "import os, sys; print(sys.argv[1:], os.environ.get('PARLEY_WEIGHTS_DIR')); sys.exit(int(sys.argv.pop()))"
    )

    def module(name: str, *arguments: object) -> list[str]:
        return [*python(script), name, *map(str, arguments), str(codes.get(name, 0))]

    monkeypatch.setattr(dev, "module", module)


def test_every_check_runs_and_a_failing_one_shows_its_words(
    checked: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    let_modules_exit(checked, monkeypatch, {})

    assert checked.test(options()) == 1

    said = capfd.readouterr().out
    assert re.search(r"(?m)^format +ok +[\d.]+ s\nlint +FAILED +[\d.]+ s\nE999 spoon\nlayers +ok", said)
    assert said.splitlines()[-1].startswith("['pytest'"), "pytest's last line is the last of all"
    assert str(checked.ROOT / "build" / "weights") in said.splitlines()[-1]
    assert checked.check(options()) == 1


@pytest.mark.parametrize("code", [0, 1, 5])
def test_the_tests_exit_code_is_kept(
    checked: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    monkeypatch.setattr(checked, "CHECKS", [])
    let_modules_exit(checked, monkeypatch, {"pytest": code})

    assert checked.test(options(full=True, k="heard", rest=["-x"])) == code
    assert "['pytest', '--full', '-k', 'heard', '-x'," in capfd.readouterr().out


def note_failed(dev: ModuleType, *names: str) -> None:
    folder = dev.ROOT / ".pytest_cache" / "v" / "cache"
    folder.mkdir(parents=True)
    (folder / "lastfailed").write_text(json.dumps(dict.fromkeys(names, True)), encoding="utf-8")


def let_pytest_exit(dev: ModuleType, monkeypatch: pytest.MonkeyPatch, codes: list[int]) -> None:
    """Have pytest exit with one code after the other; each run says what it was given."""

    def module(name: str, *arguments: object) -> list[str]:
        code = codes.pop(0) if name == "pytest" else 0
        said = f"{[*map(str, arguments)]!r}, os.environ.get('PARLEY_CHECKS')"
        return python(f"import os; print({said}); exit({code})")

    monkeypatch.setattr(dev, "module", module)


@pytest.mark.parametrize("second", [0, 1])
def test_few_failed_tests_are_run_again_and_named(
    checked: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], second: int
) -> None:
    monkeypatch.setattr(checked, "CHECKS", [])
    note_failed(checked, "tests/test_a.py::test_b")
    let_pytest_exit(checked, monkeypatch, [1, second])

    assert checked.test(options(full=True)) == second
    said = capfd.readouterr().out
    assert "['--last-failed', '--full']" in said
    assert "UNSTEADY, failed once and is run again alone: tests/test_a.py::test_b" in said


@pytest.mark.parametrize("failed", [[], ["a", "b", "c"]])
def test_many_failed_tests_are_not_run_again(
    checked: ModuleType, monkeypatch: pytest.MonkeyPatch, failed: list[str]
) -> None:
    monkeypatch.setattr(checked, "CHECKS", [])
    note_failed(checked, *failed)
    let_pytest_exit(checked, monkeypatch, [1])

    assert checked.test(options()) == 1


def test_weights_that_cannot_be_fetched_fail_the_run_but_the_tests_run(
    checked: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checked, "CHECKS", [])
    let_modules_exit(checked, monkeypatch, {"desktop_app.local_server.models": 1})

    assert checked.test(options()) == 1
    said = capfd.readouterr().out
    assert re.search(r"(?m)^weights +FAILED", said)
    assert "'fetch', '--to', " in said
    assert "['pytest'" in said


def test_a_child_that_was_killed_gives_the_shell_s_code(dev: ModuleType) -> None:
    assert dev.call(python("exit(7)")) == 7
    assert dev.call(python("import os; os.kill(os.getpid(), 9)")) == 128 + signal.SIGKILL


def test_a_bench_that_is_not_there_is_named(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    (dev.ROOT / "tests" / "bench").mkdir(parents=True)
    (dev.ROOT / "tests" / "bench" / "sound.py").touch()

    assert dev.main(["bench", "taste"]) == 2
    assert "no bench «taste». There are: sound." in capsys.readouterr().err


def test_clean_keeps_what_is_expensive_unless_told(dev: ModuleType) -> None:
    for name in (".venv/bin", "build/weights", "build/bench", ".mypy_cache", "tests/__pycache__", "desktop_app/ui"):
        (dev.ROOT / name).mkdir(parents=True)

    assert dev.main(["clean"]) == 0
    assert sorted(path.name for path in dev.BUILD.iterdir()) == ["weights"]
    assert dev.VENV.exists()
    assert not (dev.ROOT / ".mypy_cache").exists()
    assert not (dev.ROOT / "tests" / "__pycache__").exists()

    assert dev.main(["clean", "--all"]) == 0
    assert not dev.BUILD.exists()
    assert not dev.VENV.exists()
    assert (dev.ROOT / "desktop_app" / "ui").exists()


def test_run_from_nothing_and_again(dev: ModuleType, tmp_path: Path) -> None:
    """With a real environment: the program replaces the script, is started at once the second time."""
    (tmp_path / "main.py").write_text(
        "import os, sys, time\nprint(sys.argv[1:], os.getpid(), flush=True)\n"
        "time.sleep(60 if 'wait' in sys.argv else 0)\nsys.exit(7)\n",
        encoding="utf-8",
    )
    command = [sys.executable, str(dev.__file__), "run", "--"]
    # No apt-get on this path, and no index: nothing outside the checkout is touched.
    environment = {**os.environ, "PATH": "/nonexistent", "PIP_NO_INDEX": "1", "PYTHONPATH": ""}

    first = subprocess.run([*command, "--one", "two"], env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 7, first.stderr
    assert first.stdout.startswith("['--one', 'two']")
    assert "virtual environment" in first.stderr

    began = time.monotonic()
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert time.monotonic() - began < 2
    assert (second.returncode, second.stderr) == (7, "")

    running = subprocess.Popen([*command, "wait"], env=environment, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline().split()[-1] == str(running.pid)
    running.terminate()
    assert running.wait(10) == -signal.SIGTERM
    running.stdout.close()
