#!/usr/bin/env python3
"""The one command for everybody who runs, tests or changes Parley: `python3 packaging/dev.py --help`.

It needs nothing but a Python. On the first run it makes a virtual environment in `.venv`, installs what
`pyproject.toml` lists, and, on Debian and Ubuntu, the system packages that are missing. What was done is
noted in `.venv/parley-state.json` by a hash of the lists and of the Python, so the next run starts at once,
without the network; an install that was interrupted is mended by the next run.

`pyproject.toml` says which versions would do; `packaging/*.lock` says which are installed, for every system and
Python, with the hash of each file: a file that is not the one that was tested is refused. `dev.py lock` renews the
locks after a change of `pyproject.toml`, `dev.py audit` asks the package index for known vulnerabilities in them.

The file must start on Python 3.8, to say that 3.11 is needed or to find it: no newer syntax, and the standard
library only. The folder must never get an `__init__.py`: it would hide the package index's `packaging`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STATE = VENV / "parley-state.json"
BUILD = ROOT / "build"
WEIGHTS = BUILD / "weights"
OLDEST_PYTHON = (3, 11)
WINDOWS = os.name == "nt"
VENV_PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")

RUN = "run"
TEST = "test"
INTEROP = "interop"
LOCKING = "locking"
BUILDING = "building"
"""What is installed for a need is locked in `packaging/NEED.lock`. INTEROP: for an environment that `tests/interop`
makes; LOCKING: the tools that make and audit the locks; BUILDING: those that make packages."""
LOCKING_VENV = BUILD / "locking"
BUILDING_VENV = BUILD / "building"

MOST_UNSTEADY = 2
"""Real sound, screens and processes on a busy machine: so many failed tests are run once more, and named."""

RUN_PACKAGES = (
    "libportaudio2 libasound2 libasound2-plugins "
    "libegl1 libgl1 libfontconfig1 libfreetype6 libdbus-1-3 libglib2.0-0 libxkbcommon0 libx11-6 "
    "libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-util1 "
    "libxcb-randr0 libxcb-shape0 libxcb-shm0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1 libx11-xcb1 "
    "libxkbcommon-x11-0 libwayland-cursor0 libwayland-egl1"
)
"""Debian's names: PortAudio, its way to the sound server, and what Qt's xcb and wayland plugins link to."""

TEST_PACKAGES = (
    "pulseaudio pulseaudio-utils sox xvfb openbox xdotool wmctrl x11-utils imagemagick dbus fonts-dejavu-core "
    "desktop-file-utils appstream"
)
"""Debian's names: a private sound server and a virtual screen, and what speaks, types and looks there;
the desktop's own judges of its files."""

BUILD_PACKAGES = "binutils help2man xz-utils desktop-file-utils appstream lintian libpulse0"
"""Debian's names: what strips, writes the manual page, packs and judges packages."""

HINTS = {
    "dnf": {
        RUN: "sudo dnf install portaudio alsa-plugins-pulseaudio xcb-util-cursor xcb-util-keysyms "
        "xcb-util-wm libxkbcommon-x11 mesa-libEGL mesa-libGL",
        TEST: "pulseaudio pulseaudio-utils sox xorg-x11-server-Xvfb openbox xdotool wmctrl xprop "
        "ImageMagick dejavu-sans-fonts",
    },
    "pacman": {
        RUN: "sudo pacman -S portaudio alsa-plugins xcb-util-cursor xcb-util-keysyms xcb-util-wm "
        "libxkbcommon-x11 mesa",
        TEST: "pulseaudio sox xorg-server-xvfb openbox xdotool wmctrl xorg-xprop imagemagick ttf-dejavu",
    },
}
"""Where we do not install, what to install: for running, and what the tests need besides."""


class Stop(Exception):
    """A reason not to go on: a sentence that says why, and what to do."""


def main(argv: Sequence[str]) -> int:
    """Do what the command line asks; return the exit code."""
    own, rest = split_arguments(argv)
    options = parser().parse_args(own)
    options.rest = rest
    if not options.verb:
        parser().print_help()
        return 2
    try:
        if sys.version_info < OLDEST_PYTHON:
            return restart_with_newer_python(argv)
        return int(VERBS[options.verb](options))
    except Stop as stop:
        say(str(stop))
        return 2
    except OSError as error:
        say(f"{error.strerror}: {error.filename or ROOT}. Can you write to the checkout, and is there room?")
        return 2
    except KeyboardInterrupt:
        say("Interrupted. Whatever was being installed is finished by the next run.")
        return 130


def split_arguments(argv: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Split at the first `--`: what is ours, what is passed on."""
    arguments = list(argv)
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="dev.py",
        description="Run, test and change Parley. Everything needed is installed on the way, once.",
        epilog="What stands after «--» is passed on: dev.py run -- --help, dev.py test -- -x tests/ui",
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    verbs.add_parser(RUN, help="start the program [-- its arguments]")
    test = verbs.add_parser(TEST, help="format, lint, types, layers and tests [-- pytest's arguments]")
    test.add_argument("--full", action="store_true", help="the slow tests as well")
    test.add_argument("-k", metavar="EXPRESSION", help="only tests whose name matches")
    verbs.add_parser("check", help="format, lint, types and layers, without the tests")
    bench = verbs.add_parser("bench", help="measure: bench sound [-- its arguments]")
    bench.add_argument("name", help="a script of tests/bench, without .py")
    verbs.add_parser("fetch", help="fetch the offline assistant's weights [-- its arguments]")
    verbs.add_parser("setup", help="install what running and testing need, start nothing")
    lock = verbs.add_parser("lock", help="write down, with hashes, which versions are installed")
    lock.add_argument("--upgrade", action="store_true", help="take the newest of all, not only what must change")
    verbs.add_parser("audit", help="look for known vulnerabilities in the locked versions")
    build = verbs.add_parser("build", help="make a package: tar, deb or rpm [--with-models]")
    build.add_argument("kind", choices=("tar", "deb", "rpm", "app"), help="app: only the folder that is packed")
    build.add_argument("--with-models", action="store_true", help="the offline assistant as well")
    build.add_argument("--fresh", action="store_true", help="freeze the program again though nothing has changed")
    clean = verbs.add_parser("clean", help="remove what was built, and the caches")
    clean.add_argument("--all", action="store_true", help="the environment and the weights as well")
    return top


# --- the verbs ----------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> int:
    """Start the program in place of this one, so that signals and exit code are its own."""
    prepare(RUN)
    return become([str(VENV_PYTHON), str(ROOT / "main.py"), *options.rest])


def test(options: argparse.Namespace) -> int:
    """Run every check, then the tests; one that fails does not keep the next from running."""
    prepare(TEST)
    fetch_weights = Step("weights", module("desktop_app.local_server.models", "fetch", "--to", WEIGHTS, "--all"))
    lines = []
    failed = False
    for step in [*CHECKS, fetch_weights]:
        line, passed = step.run()
        lines.append(line)
        failed = failed or not passed
    arguments = ["--full"] if options.full else []
    if options.k:
        arguments += ["-k", options.k]
    # pytest shows the checks' lines again above its own last line, which is the last of all.
    environment = {"PARLEY_WEIGHTS_DIR": str(WEIGHTS), "PARLEY_CHECKS": "\n".join(lines)}
    code = call(module("pytest", *arguments, *options.rest), environment)
    unsteady = failed_tests() if code == 1 else []
    if 0 < len(unsteady) <= MOST_UNSTEADY:
        lines += ["UNSTEADY, failed once and is run again alone: " + name for name in unsteady]
        environment["PARLEY_CHECKS"] = "\n".join(lines)
        code = call(module("pytest", "--last-failed", *arguments, *options.rest), environment)
    return code or int(failed)


def failed_tests() -> List[str]:
    """Return the tests that failed in the last run, as pytest noted them."""
    try:
        noted = json.loads((ROOT / ".pytest_cache/v/cache/lastfailed").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return sorted(noted)


def check(options: argparse.Namespace) -> int:
    """Run every check but the tests."""
    prepare(TEST, system=False)
    passed = [step.run()[1] for step in CHECKS]
    return 0 if all(passed) else 1


def bench(options: argparse.Namespace) -> int:
    """Measure."""
    names = sorted(path.stem for path in (ROOT / "tests" / "bench").glob("[a-z]*.py"))
    if options.name not in names:
        raise Stop(f"There is no bench «{options.name}». There are: {', '.join(names) or 'none yet'}.")
    prepare(TEST)
    return call(module("tests.bench." + options.name, *options.rest), {"PARLEY_WEIGHTS_DIR": str(WEIGHTS)})


def fetch(options: argparse.Namespace) -> int:
    """Fetch the weights to where the program looks for them."""
    prepare(RUN, system=False)
    return call(module("desktop_app.local_server.models", "fetch", "--all", *options.rest))


def setup(options: argparse.Namespace) -> int:
    """Install everything."""
    prepare(TEST)
    say("Ready. Start the program: python3 packaging/dev.py run")
    return 0


def clean(options: argparse.Namespace) -> int:
    """Remove what was built; with --all, what was fetched and installed too."""
    doomed = [ROOT / "dist", *ROOT.glob(".*_cache"), ROOT / ".hypothesis"]
    doomed += [path for path in BUILD.glob("*") if options.all or path != WEIGHTS]
    for room in ("desktop_app", "tests", "packaging"):
        doomed += (ROOT / room).rglob("__pycache__")
    if options.all:
        doomed += [BUILD, VENV]
    for path in doomed:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    return 0


def lock(options: argparse.Namespace) -> int:
    """Write the locks anew: what is locked already stays as it is, unless it must change or shall be upgraded."""
    tools = make_locking_tools(locked=False)
    upgrade = ["--upgrade"] if options.upgrade else []
    # What is run is a part of what is tested, in the same versions.
    constraints: Dict[str, List[Any]] = {
        RUN: ["--constraint", lock_path(TEST)],
        BUILDING: ["--constraint", lock_path(TEST)],
    }
    for need in (TEST, RUN, INTEROP, LOCKING, BUILDING):
        wants = BUILD / f"{need}.in"
        wants.write_text("\n".join(requirements(need)) + "\n", encoding="utf-8")
        draft = BUILD / f"{need}.lock"
        if lock_path(need).exists():
            shutil.copyfile(lock_path(need), draft)
        command = [str(tools), "-m", "uv", "pip", "compile", str(wants), "--output-file", str(draft), *LOCK_OPTIONS]
        if call([*command, *map(str, constraints.get(need, [])), *upgrade]) != 0:
            raise Stop("The versions could not be settled, see above. Is there a network? The locks are unchanged.")
        head = LOCK_HEAD.format(digest=digest_of(requirements(need)))
        lock_path(need).write_text(head + draft.read_text(encoding="utf-8"), encoding="utf-8")
    say("The locks are renewed. Look at the difference, run the tests, and commit them with pyproject.toml.")
    return 0


def audit(options: argparse.Namespace) -> int:
    """Ask the package index what is known against the locked versions; 1 if there is something."""
    try:
        tools = make_locking_tools(locked=True)
    except Stop as stop:
        say(f"NOT CHECKED for known vulnerabilities. {stop}")
        return 0
    command = [str(tools), "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    found = 0
    for need in (TEST, INTEROP, LOCKING, BUILDING):  # what is run is a part of what is tested
        lock = lock_path(need)
        done = subprocess.run(
            [*command, "--format", "json", "--requirement", str(lock), *options.rest],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
        found += tell_findings(
            lock.name, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
    return int(found > 0)


def build(options: argparse.Namespace) -> int:
    """Make a package by `packaging/build.py`, which runs in an environment of its own."""
    python = make_building_tools()
    flags = ["--with-models"] * options.with_models + ["--fresh"] * options.fresh
    if options.with_models:
        prepare(RUN, system=False)
        weights = module("desktop_app.local_server.models", "fetch", "--to", WEIGHTS, "--all")
        if call(weights) != 0:
            raise Stop("The offline assistant's models could not be fetched, see above. Is there a network?")
    script = str(ROOT / "packaging" / "build.py")
    return call([str(python), script, options.kind, *flags, *options.rest], {"PYTHONPATH": str(ROOT)})


def make_building_tools() -> Path:
    """Return a Python, in an environment of its own, that has what is run and what makes packages of it."""
    python = BUILDING_VENV / VENV_PYTHON.relative_to(VENV)
    stamp = BUILDING_VENV / "requirements"
    check_lock(RUN)
    check_lock(BUILDING)
    mark = digest_of([lock_text(RUN), lock_text(BUILDING), system_name(), BUILD_PACKAGES])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == mark:
        return python
    with only_one_at_a_time():
        if sys.platform.startswith("linux"):
            install_system_packages(BUILDING)
        base = getattr(sys, "_base_executable", None) or sys.executable
        if subprocess.run([base, "-m", "venv", "--clear", str(BUILDING_VENV)], check=False).returncode != 0:
            raise Stop(f"The environment for building could not be made, see above.\n{python_hint()}")
        for need in (RUN, BUILDING):
            wants = ["--require-hashes", "--no-deps", "--requirement", str(lock_path(need))]
            if pip("install", *wants, python=python) != 0:
                raise Stop("What builds packages could not be installed, see above. Is there a network?")
        stamp.write_text(mark, encoding="utf-8")
    return python


def tell_findings(name: str, report: str, said: str) -> int:
    """Show what pip-audit reports of a lock; return how many vulnerabilities are known."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        print(f"{name}: NOT CHECKED, the data cannot be had here: {said.strip()[-300:]}", flush=True)
        return 0
    checked = [package for package in packages if "vulns" in package]
    found = [(package, vulnerability) for package in checked for vulnerability in package["vulns"]]
    for package, vulnerability in found:
        mended = ", ".join(vulnerability.get("fix_versions", [])) or "nothing yet"
        print(f"{name}: {package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}")
    print(f"{name}: {len(checked)} of {len(packages)} packages checked, {len(found)} known vulnerabilities.")
    if len(checked) < len(packages):
        print(f"{name}: the other {len(packages) - len(checked)} are NOT CHECKED: this index has no such data.")
    sys.stdout.flush()
    return len(found)


VERBS = {
    RUN: run,
    TEST: test,
    "check": check,
    "bench": bench,
    "fetch": fetch,
    "setup": setup,
    "lock": lock,
    "audit": audit,
    "build": build,
    "clean": clean,
}


class Step:
    """One check: a command whose output is of interest only if it fails."""

    def __init__(self, name: str, command: List[str]) -> None:
        self.name = name
        self.command = command

    def run(self) -> Tuple[str, bool]:
        """Run it and show the outcome; return the line shown, and whether it passed."""
        print(f"{self.name:8}", end="", flush=True)
        began = time.monotonic()
        done = subprocess.run(
            self.command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        passed = done.returncode == 0
        outcome = f"{'ok' if passed else 'FAILED':8}{time.monotonic() - began:6.1f} s"
        print(outcome, flush=True)
        if not passed:
            print(done.stdout.decode(errors="replace").rstrip(), flush=True)
        return f"{self.name:8}{outcome}", passed


def module(name: str, *arguments: object) -> List[str]:
    """Return the command that runs a module by the environment's Python."""
    return [str(VENV_PYTHON), "-m", name, *map(str, arguments)]


CHECKS = [
    Step("format", module("ruff", "format", "--check", ".")),
    Step("lint", module("ruff", "check", ".")),
    Step("types", module("mypy")),
    # It has no __main__, and its script breaks when the checkout is moved.
    Step("layers", [str(VENV_PYTHON), "-c", "from importlinter.cli import lint_imports_command as c; c()"]),
]


# --- processes ----------------------------------------------------------------------------------


def say(text: str) -> None:
    """Show a sentence of our own."""
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


def call(command: List[str], environment: Optional[Dict[str, str]] = None, folder: Path = ROOT) -> int:
    """Run a command; return its exit code, 128 + n if signal n ended it."""
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **(environment or {})})
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:
            continue  # the terminal sent it to the child too: let it clean up and say its own exit code


def become(command: List[str]) -> int:
    """Replace this process by a command; where that cannot be done, run it and return its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    if not WINDOWS:
        os.execv(command[0], command)
    # os.execv returns to the prompt there while the program still runs.
    return call(command, folder=Path.cwd())


def answer(command: Sequence[str], timeout_s: float = 60) -> Optional[str]:
    """Return what a command prints, or None if it is missing, fails or hangs."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


# --- Python -------------------------------------------------------------------------------------


def restart_with_newer_python(argv: Sequence[str]) -> int:
    """Go on with a newer Python of this machine, or say that there is none."""
    found = newer_python()
    if found is None:
        have = ".".join(map(str, sys.version_info[:3]))
        raise Stop(
            f"Parley needs Python 3.11 or newer; this is {have}, and no newer one was found.\n{python_hint()}"
        )
    return become([found, str(Path(__file__).resolve()), *argv])


def newer_python() -> Optional[str]:
    """Return the path of a Python that is new enough, or None.

    One is believed only when it starts: a version manager may leave a `python3.12` in the way that does
    nothing but say that it is not chosen.
    """
    names = ["python3.13", "python3.12", "python3.11", "python3.14", "python3", "python"]
    commands = [[name] for name in names if shutil.which(name)]
    if WINDOWS:
        commands = [["py", "-" + version] for version in ("3.13", "3.12", "3.11", "3")] + commands
    if VENV_PYTHON.exists():
        commands.insert(0, [str(VENV_PYTHON), "-S"])
    probe = "import sys, tomllib; print(getattr(sys, '_base_executable', None) or sys.executable)"
    for command in commands:
        found = answer([*command, "-c", probe], timeout_s=20)
        if found:
            return found
    return None


def python_hint() -> str:
    """Return how to get a newer Python here."""
    if shutil.which("apt-get"):
        return "Install one, then repeat the command: sudo apt-get install python3.11 python3.11-venv"
    if sys.platform == "darwin":
        return "Install one from https://www.python.org/downloads/macos/ or with «brew install python@3.13»."
    if WINDOWS:
        return "Install one from https://www.python.org/downloads/windows/, then repeat the command with «py»."
    return "Install one with your system's package tool or from https://www.python.org/downloads/."


# --- what is installed --------------------------------------------------------------------------


def prepare(need: str, system: bool = True) -> None:
    """Make the environment and install what `need` asks for; do nothing if that was done before."""
    if is_prepared(need, system):
        return
    with only_one_at_a_time():
        if system and not is_noted("system", need):
            complete = install_system_packages(need)
        else:
            complete = False
        make_environment()
        if not is_noted("requirements", need):
            install_requirements(need)
        if complete:
            note("system", need)


def is_prepared(need: str, system: bool) -> bool:
    return is_noted("requirements", need) and (not system or is_noted("system", need)) and VENV_PYTHON.exists()


def wanted(kind: str, need: str) -> str:
    """Return the hash of what must be there: lists and the Python they were installed for."""
    if kind == "requirements":
        parts = [*requirements(need), lock_text(need), environment_python()]
    else:
        parts = [*system_packages(need), system_name()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def is_noted(kind: str, need: str) -> bool:
    """Return whether it was installed: for the tests is also for running."""
    noted = state().get(kind)
    if not isinstance(noted, dict):
        return False
    return any(noted.get(each) == wanted(kind, each) for each in {need, TEST})


def state() -> Dict[str, Any]:
    try:
        read = json.loads(STATE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def note(kind: str, need: str) -> None:
    """Note that it is installed."""
    write_state({**state(), kind: {need: wanted(kind, need)}})


def forget(kind: str) -> None:
    """Note that nothing is known to be installed."""
    write_state({**state(), kind: {}})


def write_state(new: Dict[str, Any]) -> None:
    draft = STATE.with_suffix(".new")
    draft.write_text(json.dumps(new, indent=1), encoding="utf-8")
    os.replace(draft, STATE)


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Let nobody else install into this checkout meanwhile."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "dev.lock", "w", encoding="utf-8") as lock:
        if sys.platform == "win32":
            import msvcrt

            while True:
                with contextlib.suppress(OSError):  # it gives up after ten seconds
                    msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("Another dev.py is installing into this checkout; waiting for it.")
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- the virtual environment --------------------------------------------------------------------


def environment_python() -> str:
    """Return what tells one Python from another, without starting it: where it really is and its version."""
    try:
        config = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return ""
    version = re.search(r"(?m)^version\s*=\s*(\S+)", config)
    return f"{VENV_PYTHON.resolve()} {version.group(1) if version else ''}"


def make_environment() -> None:
    """Make `.venv`, unless there is one that works."""
    if environment_works():
        return
    base = getattr(sys, "_base_executable", None) or sys.executable
    say(f"Making a virtual environment in .venv with {base}.")
    made = subprocess.run([base, "-m", "venv", "--clear", str(VENV)], check=False)
    if made.returncode != 0:
        raise Stop(
            f"The virtual environment could not be made: «{base} -m venv» failed, see above.\n{python_hint()}"
        )


def environment_works() -> bool:
    """Return whether the environment's Python starts, is new enough and has a pip that was not torn."""
    if not VENV_PYTHON.exists():
        return False
    version = answer([str(VENV_PYTHON), "-c", "import pip, sys; print('%d.%d' % sys.version_info[:2])"])
    if not version or tuple(map(int, version.split("."))) < OLDEST_PYTHON:
        return False
    pips = [info for info in installed_distributions() if info.name.startswith("pip-")]
    return len(pips) == 1 and is_whole(pips[0])


def requirements(need: str) -> List[str]:
    """Return what `pyproject.toml` asks for."""
    import tomllib

    groups = {TEST: "dev", INTEROP: "interop", LOCKING: "locking", BUILDING: "building"}

    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        listed: List[Any] = []
        if need in (RUN, TEST):
            listed += project["project"]["dependencies"]
            for extra in project["project"]["optional-dependencies"].values():
                listed += extra
        if need in groups:
            listed += project["dependency-groups"][groups[need]]
    except (ValueError, KeyError) as error:
        raise Stop(f"pyproject.toml cannot be read: {error}. Mend it, then repeat the command.") from error
    return [str(requirement) for requirement in listed]


def install_requirements(need: str) -> None:
    """Install what is listed, after mending what an interrupted install left behind."""
    check_lock(need)
    say(f"Installing {len(requirements(need))} requirements into .venv. The first time this takes minutes (1 GB).")
    forget("requirements")
    remove_torn_packages()
    if pip("install", "--require-hashes", "--no-deps", "--requirement", str(lock_path(need))) != 0:
        raise Stop("The requirements could not be installed, see above. Is there a network? Repeat the command.")
    note("requirements", need)


def pip(*arguments: str, python: Path = VENV_PYTHON) -> int:
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    options = ["--disable-pip-version-check", "--no-input", *quiet]
    return subprocess.run([str(python), "-m", "pip", *arguments, *options], cwd=ROOT, check=False).returncode


LOCK_HEAD = """\
# Which versions are installed, and the hash of each of their files, on every system. Not for editing: renew it with
# python3 packaging/dev.py lock
# requirements: {digest}
"""
LOCK_OPTIONS = [
    *("--universal", "--python-version", ".".join(map(str, OLDEST_PYTHON)), "--generate-hashes"),
    *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet"),
]


def lock_path(need: str) -> Path:
    return ROOT / "packaging" / f"{need}.lock"


def lock_text(need: str) -> str:
    try:
        return lock_path(need).read_text(encoding="utf-8")
    except OSError:
        return ""


def digest_of(listed: Sequence[str]) -> str:
    """Return what tells one list of requirements from another, in whatever order."""
    return hashlib.sha256(json.dumps(sorted(listed)).encode()).hexdigest()


def check_lock(need: str) -> None:
    """Raise Stop if the lock is not of what `pyproject.toml` asks for now."""
    noted = re.search(r"(?m)^# requirements: (\w+)$", lock_text(need))
    if noted is None or noted.group(1) != digest_of(requirements(need)):
        raise Stop(
            f"packaging/{need}.lock does not belong to this pyproject.toml. Renew it, look at the difference and "
            "commit both:\n  python3 packaging/dev.py lock"
        )


def make_locking_tools(locked: bool) -> Path:
    """Return a Python, in an environment of its own, that has the tools for the locks."""
    python = LOCKING_VENV / VENV_PYTHON.relative_to(VENV)
    stamp = LOCKING_VENV / "requirements"
    wants = requirements(LOCKING)
    if locked:
        check_lock(LOCKING)
        wants = ["--require-hashes", "--no-deps", "--requirement", str(lock_path(LOCKING))]
    mark = digest_of([*wants, lock_text(LOCKING) if locked else ""])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == mark:
        return python
    with only_one_at_a_time():
        base = getattr(sys, "_base_executable", None) or sys.executable
        made = subprocess.run([base, "-m", "venv", "--clear", str(LOCKING_VENV)], check=False).returncode
        if made != 0 or pip("install", *wants, python=python) != 0:
            raise Stop("The tools for the locks could not be installed, see above. Is there a network?")
        stamp.write_text(mark, encoding="utf-8")
    return python


def remove_torn_packages() -> None:
    """Forget packages of which files are missing, so that pip installs them again.

    pip unpacks a wheel file by file and writes RECORD last; killed in between it leaves a package that it
    takes for installed the next time.
    """
    for info in installed_distributions():
        if not is_whole(info):
            say(f"{info.name.split('-')[0]} was not installed to its end; it is installed again.")
            shutil.rmtree(info)


def installed_distributions() -> List[Path]:
    where = "Lib/site-packages" if WINDOWS else "lib/python*/site-packages"
    return sorted(VENV.glob(where + "/*.dist-info"))


def is_whole(info: Path) -> bool:
    try:
        record = (info / "RECORD").read_text(encoding="utf-8")
    except OSError:
        return False
    files = (line.split(",", 1)[0].strip('"') for line in record.splitlines() if not line.startswith('"'))
    return all(os.path.exists(info.parent / file) for file in files if file and not file.endswith(".pyc"))


# --- system packages ----------------------------------------------------------------------------


def system_name() -> str:
    """Return what tells this system from another, or from itself after an upgrade."""
    try:
        return Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return sys.platform


def system_packages(need: str) -> List[str]:
    more = {TEST: TEST_PACKAGES, BUILDING: BUILD_PACKAGES}
    return RUN_PACKAGES.split() + more.get(need, "").split()


def install_system_packages(need: str) -> bool:
    """Install what the system lacks; return whether there is no need to look again.

    Raises Stop if that is not possible and it cannot go on without.
    """
    if shutil.which("apt-get") and shutil.which("dpkg-query"):
        return install_debian_packages(need)
    if sys.platform.startswith("linux"):
        hint_at_packages(need)
    elif sys.platform == "darwin":
        say("macOS: the system has all that is needed.")
    return True


def hint_at_packages(need: str) -> None:
    for tool, packages in HINTS.items():
        if shutil.which(tool):
            more = " " + packages[TEST] if need == TEST else ""
            say(f"If sound or window do not work, these may be missing:\n  {packages[RUN]}{more}")
            return
    say("If sound or window do not work: PortAudio, ALSA's pulse plugin and Qt's xcb libraries are needed.")


def install_debian_packages(need: str) -> bool:
    missing = missing_debian_packages(need)
    if not missing:
        return True
    say(f"Missing to run {'Parley' if need == RUN else 'Parley and its tests'}: {' '.join(missing)}")
    become_root = root_prefix()
    if become_root is None:
        return go_on_without(
            need, missing, "Without a terminal and without password-less sudo they cannot be installed."
        )
    if become_root:
        say("sudo may ask for your password: only apt-get is run by it.")
    say("Installing them with apt-get; this takes a minute or two.")
    subprocess.run([*become_root, *APT, "update", "-qq"], check=False)
    known = known_names(missing)
    for name in missing:
        if not {name, name + "t64"} & set(known):
            say(f"This system's apt has no package {name}; going on without.")
    install = [*become_root, *APT, "install", "--yes", "-qq", "--no-install-recommends", *known]
    if known and subprocess.run(install, check=False).returncode != 0:
        return go_on_without(need, known, "apt-get failed, see above.")
    return True


def go_on_without(need: str, packages: Sequence[str], reason: str) -> bool:
    """Say how to install packages by hand; raise Stop if nothing can be done without them."""
    names = known_names(packages) or packages
    by_hand = f"Install them once, then repeat the command:\n  sudo apt-get install {' '.join(names)}"
    if need == TEST or not (VENV_PYTHON.exists() or has_ensurepip()):
        raise Stop(f"{reason} {by_hand}")
    say(f"{reason} Going on; sound or window may not work. {by_hand}")
    return False


APT = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"]


def root_prefix() -> Optional[List[str]]:
    """Return what makes a command run as root here, or None if nothing does."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and (sys.stdin.isatty() or answer(["sudo", "-n", "true"]) is not None):
        return ["sudo"]
    return None


def has_ensurepip() -> bool:
    return importlib.util.find_spec("ensurepip") is not None


def missing_debian_packages(need: str) -> List[str]:
    """Return the packages that are needed and not installed, by their old names.

    Since the move to 64-bit time some are called `…t64`; either will do.
    """
    names = system_packages(need)
    if not has_ensurepip():
        names.append("python{}.{}-venv".format(*sys.version_info))
    installed = installed_packages([*names, *(name + "t64" for name in names), "pipewire-pulse", "pipewire-alsa"])
    if "pulseaudio" in names and "pulseaudio" not in installed and {"pipewire-pulse", "pipewire-alsa"} & installed:
        names.remove("pulseaudio")
        say(
            "This system's sound comes from PipeWire, so PulseAudio is not installed beside it. The tests "
            "that need a private sound server fail here; run them in a container or leave them to CI."
        )
    return [name for name in names if not {name, name + "t64"} & installed]


def installed_packages(names: Sequence[str]) -> set[str]:
    """Return which of these are installed for this machine's own architecture."""
    own = answer(["dpkg", "--print-architecture"]) or ""
    # dpkg-query exits with 1 when it does not know one of the names.
    form = "${Package} ${Architecture} ${db:Status-Status}\n"
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat", form, *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    rows = (line.split() for line in done.stdout.decode().splitlines())
    return {row[0] for row in rows if len(row) == 3 and row[1] in (own, "all") and row[2] == "installed"}


def known_names(names: Sequence[str]) -> List[str]:
    """Return the names under which apt has these packages; those that it does not have are left out."""
    both = [name + suffix for name in names for suffix in ("", "t64")]
    policy = answer(["env", "LC_ALL=C", "apt-cache", "policy", *both]) or ""
    candidates = dict(re.findall(r"(?m)^(\S+):\n  Installed: .*\n  Candidate: (.*)$", policy))
    known = []
    for name in names:
        known += [each for each in (name, name + "t64") if candidates.get(each, "(none)") != "(none)"][:1]
    return known


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
