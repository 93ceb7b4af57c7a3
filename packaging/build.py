"""Makes packages: `python3 packaging/dev.py build tar|deb|rpm [--with-models]` runs it, in `build/building`.

    icons      of every size each system asks for, drawn from `resources/icons/org.parley.Parley.svg`
    freeze     PyInstaller by `parley.spec`, only if a source, a lock or the Python is another than the last time
    dress      debug symbols stripped; the engines of the offline assistant laid aside; licences and the bill of
               materials of what is really in it written into it
    pack       the tree of the system around it (`linux/`), then `.tar.xz`, or `.deb` and `.rpm` by nfpm

    build/frozen/parley     the program, without the engines
    build/frozen/offline    the engines, in the same places; with models, the weights too
    dist/                   the packages

Two flavours: `parley` starts without the engines and says what is missing. For .deb and .rpm `--with-models` makes
a second package, `parley-offline`, that lays engines and models into the first one's folder; a .tar.xz has all in
one.

The same commit gives the same files: times are the commit's (`SOURCE_DATE_EPOCH`), order and hashes are fixed, and
`payload_of` says what to compare.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
LINUX = PACKAGING / "linux"
BUILD = ROOT / "build"
FREEZING = BUILD / "freezing"
FROZEN = BUILD / "frozen"
PROGRAM = FROZEN / "parley"
OFFLINE = FROZEN / "offline"
WEIGHTS = BUILD / "weights"
ICONS = BUILD / "icons"
DIST = ROOT / "dist"

APPLICATION_ID = "org.parley.Parley"
ICON_SIZES = (16, 22, 24, 32, 48, 64, 96, 128, 256, 512)
ENGINES = (
    *("ctranslate2", "ctranslate2.libs", "onnxruntime", "xllamacpp", "hibari", "holidays", "pint", "ephem"),
    *("flexparser", "flexcache"),
)
"""What of the frozen program's folder belongs to the offline assistant alone."""
PACKED_WEIGHTS = ("whisper-base",)
"""The models that travel. The one for small talk, 98 MB that do not shrink, would make the package too large: it is
fetched at the first start, and all but small talk works without it."""
SUMMARY = "voice assistant that knows what you heard"
MAINTAINER = "The Parley authors <parley@localhost>"


class Failed(Exception):
    """A reason not to go on: a sentence that says why, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="dev.py build", description="Make a package.")
    parser.add_argument("kind", choices=("app", "tar", "deb", "rpm"))
    parser.add_argument("--with-models", action="store_true", help="the offline assistant as well")
    parser.add_argument("--fresh", action="store_true", help="freeze the program again though nothing has changed")
    parser.add_argument("--to", type=Path, default=DIST, metavar="DIR", help="where the packages go")
    options = parser.parse_args(arguments)
    os.environ["SOURCE_DATE_EPOCH"] = str(source_date())
    try:
        freeze(fresh=options.fresh)
        if options.kind == "app":
            for folder in sorted(FROZEN.iterdir()):
                print(f"{folder.relative_to(ROOT)}: {megabytes_of(folder):.0f} MB")
            return 0
        options.to.mkdir(parents=True, exist_ok=True)
        made = PACKERS[options.kind](options.to, options.with_models)
    except (Failed, subprocess.CalledProcessError) as error:
        print(f"dev.py build: {error}", file=sys.stderr)
        return 1
    for path in made:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f"{path.stat().st_size / 1e6:8.1f} MB  {path.name}  sha256 {digest}")
    return 0


# --- what it is made of -------------------------------------------------------------------------


def version() -> str:
    """Return the program's version."""
    text = (ROOT / "desktop_app" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'(?m)^__version__ = "(.+)"$', text)
    assert found is not None
    return found.group(1)


def source_date() -> int:
    """Return the time of what is built, in seconds since 1970: the environment's, else the last commit's."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given.isdecimal():
        return int(given)
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.stdout.strip().isdecimal() else 1_767_225_600


def sources() -> Iterator[Path]:
    """Every file the frozen program depends on, in order."""
    yield ROOT / "main.py"
    for folder in ("desktop_app", "resources"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
    for name in ("parley.spec", "hook_portaudio.py", "run.lock", "building.lock"):
        yield PACKAGING / name


def digest_of(paths: Iterable[Path], *more: str) -> str:
    """Return what tells these files, by name and content, from others."""
    digest = hashlib.sha256("\0".join(more).encode())
    for path in paths:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def megabytes_of(folder: Path) -> float:
    """Return how much the files of a folder hold."""
    return sum(path.stat().st_size for path in files_of(folder)) / 1e6


def files_of(folder: Path) -> list[Path]:
    """Return the plain files below a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


# --- icons --------------------------------------------------------------------------------------


def draw_icons(target: Path = ICONS) -> None:
    """Draw the icon as PNG in every size, as .ico for Windows and as .icns for macOS."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PIL import Image
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QGuiApplication, QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    application = QGuiApplication.instance() or QGuiApplication([])
    renderer = QSvgRenderer(str(ROOT / "resources" / "icons" / f"{APPLICATION_ID}.svg"))
    if not renderer.isValid():
        raise Failed("The icon cannot be drawn: resources/icons has none that is right.")
    target.mkdir(parents=True, exist_ok=True)
    for size in (*ICON_SIZES, 1024):
        image = QImage(size, size, QImage.Format.Format_ARGB32)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        renderer.render(painter)
        painter.end()
        image.save(str(target / f"{size}.png"))
    del application
    with Image.open(target / "256.png") as picture:
        picture.save(target / "parley.ico", sizes=[(size, size) for size in (16, 24, 32, 48, 64, 128, 256)])
    with Image.open(target / "1024.png") as picture:
        picture.save(target / "parley.icns")


# --- freezing -----------------------------------------------------------------------------------


def freeze(*, fresh: bool = False) -> None:
    """Have the frozen program in `build/frozen`: of these sources, locks and Python."""
    mark = digest_of(sources(), sys.version, platform.platform(), os.environ["SOURCE_DATE_EPOCH"])
    stamp = FREEZING / "made-of"
    if fresh or not stamp.exists() or stamp.read_text(encoding="utf-8") != mark:
        shutil.rmtree(FREEZING, ignore_errors=True)
        FREEZING.mkdir(parents=True)
        draw_icons()
        command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "ERROR"]
        command += ["--distpath", str(FREEZING / "out"), "--workpath", str(FREEZING / "work")]
        # With hashes of strings that differ from run to run, sets in compiled modules would have another order.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PARLEY_ICONS": str(ICONS)}
        subprocess.run([*command, str(PACKAGING / "parley.spec")], cwd=ROOT, env=environment, check=True)
        stamp.write_text(mark, encoding="utf-8")
    dress()


def dress() -> None:
    """Make what is packed of what was frozen."""
    shutil.rmtree(FROZEN, ignore_errors=True)
    name = "Parley.app" if sys.platform == "darwin" else "parley"
    shutil.copytree(FREEZING / "out" / name, FROZEN / name, symlinks=True)
    resources = FROZEN / name / ("Contents/Resources" if sys.platform == "darwin" else "_internal") / "resources"
    if sys.platform.startswith("linux"):
        strip(PROGRAM)
    parts = bundled_parts(FREEZING / "work" / "parley")
    write_licences(parts, resources / "licences")
    write_bill(parts, resources / "licences" / "parley.cdx.json")
    if sys.platform.startswith("linux"):
        lay_aside_engines()


def strip(folder: Path) -> None:
    """Take the debug symbols out of libraries; some wheels bring three times their own size of them."""
    for path in files_of(folder):
        if path.suffix != ".so" and ".so." not in path.name:
            continue
        if path.parent.name == "numpy.libs":
            continue  # laid out anew by its makers, in a way that `strip` is known to damage
        subprocess.run(["strip", "--strip-debug", str(path)], check=False, capture_output=True)


def lay_aside_engines() -> None:
    """Move what only the offline assistant needs out of the program's folder, into the same place in `OFFLINE`."""
    for name in ENGINES:
        for path in sorted((PROGRAM / "_internal").glob(name)):
            target = OFFLINE / "_internal" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    missing = [name for name in ENGINES if not (OFFLINE / "_internal" / name).exists()]
    if missing:
        raise Failed(f"These engines were not frozen: {', '.join(missing)}. Does parley.spec name them?")


# --- licences and the bill of materials -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is in the package and not ours."""

    name: str
    version: str
    licence: str
    """What it calls its licence: an SPDX expression where it gives one."""
    origin: str
    """`python`, `pypi` or `debian`."""
    homepage: str
    texts: tuple[Path, ...]
    """Its licences, word for word."""


def bundled_parts(work: Path) -> list[Part]:
    """Return what PyInstaller took, by its own lists of files: packages of Python, of the system, Python itself."""
    taken = taken_files(work)
    owners = {}
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or ():
            owners[str(distribution.locate_file(file))] = distribution
    found = {owners[path].metadata["Name"]: owners[path] for path in taken if path in owners}
    parts = [python_part(), *(part_of(distribution) for distribution in found.values())]
    if sys.platform.startswith("linux"):
        inside = (str(BUILD), sys.base_prefix, str(ROOT))
        parts += system_parts(sorted(path for path in taken if not path.startswith(inside)))
    return sorted(parts, key=lambda part: (part.origin, part.name.lower()))


def taken_files(work: Path) -> set[str]:
    """Return the paths of all that was taken, from the tables PyInstaller leaves in its working folder."""
    taken = set()
    for table in ("PYZ-00.toc", "COLLECT-00.toc", "EXE-00.toc"):
        path = work / table
        if not path.exists():
            raise Failed(f"PyInstaller left no {table}; is this another PyInstaller than the locked one?")
        for entry in rows_of(ast.literal_eval(path.read_text(encoding="utf-8"))):
            taken.add(entry[1])
    return taken


def rows_of(table: Any) -> Iterator[tuple[str, str, str]]:
    """Yield each (name, path, kind) of a table, however deep it lies."""
    if isinstance(table, tuple) and len(table) == 3 and all(isinstance(each, str) for each in table):
        yield table
    elif isinstance(table, list | tuple):
        for each in table:
            yield from rows_of(each)


def part_of(distribution: importlib.metadata.Distribution) -> Part:
    """Return what a package of Python says of itself."""
    about: Any = distribution.metadata
    classifiers = [each for each in about.get_all("Classifier") or () if each.startswith("License ::")]
    licence = about.get("License-Expression") or (about.get("License") or "").strip().split("\n")[0]
    licence = licence or ", ".join(each.split(" :: ")[-1] for each in classifiers)
    addresses = [each.split(", ", 1)[1] for each in about.get_all("Project-URL") or () if ", " in each]
    texts = [
        Path(str(distribution.locate_file(file)))
        for file in distribution.files or ()
        if ".dist-info" in str(file) and re.search(r"(?i)(licen[cs]e|copying|notice|authors)", str(file))
    ]
    return Part(
        name=str(about["Name"]),
        version=distribution.version,
        licence=licence[:100],
        origin="pypi",
        homepage=about.get("Home-page") or (addresses[0] if addresses else ""),
        texts=tuple(sorted(path for path in texts if path.is_file())),
    )


def python_part() -> Part:
    """Return Python itself."""
    places = (Path(sysconfig.get_path("stdlib")) / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE.txt")
    texts = tuple(path for path in places if path.is_file())[:1]
    return Part("Python", platform.python_version(), "PSF-2.0", "python", "https://www.python.org", texts)


def system_parts(paths: Sequence[str]) -> list[Part]:
    """Return the Debian packages that libraries were taken from; elsewhere there is nobody to ask."""
    if not shutil.which("dpkg-query"):
        return []
    names = {}
    for path in paths:
        for place in (path, os.path.realpath(path)):
            command = ["dpkg-query", "--search", place.replace("/lib/", "/lib/", 1)]
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            if not said and place.startswith("/lib/"):
                command = ["dpkg-query", "--search", "/usr" + place]
                said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            if said:
                names[said.split(":")[0]] = place
                break
    parts = []
    for name in sorted(names):
        form = "${Version}\t${Homepage}"
        said = subprocess.run(
            ["dpkg-query", "--show", f"--showformat={form}", name], capture_output=True, text=True, check=False
        ).stdout.split("\n")[0]
        number, _, homepage = said.partition("\t")
        text = Path("/usr/share/doc") / name / "copyright"
        texts = (text,) if text.is_file() else ()
        parts.append(Part(name, number, "see its copyright file", "debian", homepage, texts))
    return parts


def write_licences(parts: Sequence[Part], target: Path) -> None:
    """Write every licence word for word, and `index.json`, by which «About» shows them."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    index = []
    for part in parts:
        file = ""
        if part.texts:
            file = re.sub(r"[^a-z0-9.+-]", "-", part.name.lower()) + ".txt"
            words = [text.read_text(encoding="utf-8", errors="replace").strip() for text in part.texts]
            (target / file).write_text("\n\n\n".join(words) + "\n", encoding="utf-8")
        row = {"name": part.name, "version": part.version, "licence": part.licence, "from": part.origin}
        index.append({**row, "homepage": part.homepage, "text": file})
    text = json.dumps(index, indent=1, ensure_ascii=False)
    (target / "index.json").write_text(text + "\n", encoding="utf-8")


def write_bill(parts: Sequence[Part], target: Path) -> None:
    """Write the bill of materials, in CycloneDX's words."""
    import uuid
    from datetime import UTC, datetime

    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    kinds = {"pypi": ("pypi", None), "debian": ("deb", "debian"), "python": ("generic", None)}
    bill = Bom()
    bill.metadata.timestamp = datetime.fromtimestamp(source_date(), UTC)
    bill.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"parley-{version()}-{source_date()}")
    bill.metadata.component = Component(
        name="parley", version=version(), type=ComponentType.APPLICATION, bom_ref=f"parley@{version()}"
    )
    references = []
    for part in parts:
        kind, namespace = kinds[part.origin]
        component = Component(
            name=part.name,
            version=part.version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{part.origin}:{part.name}@{part.version}",
            purl=PackageURL(kind, namespace, part.name.lower(), part.version),
            licenses=[DisjunctiveLicense(name=part.licence)] if part.licence else [],
        )
        bill.components.add(component)
        references.append(component)
    bill.register_dependency(bill.metadata.component, references)
    text = make_outputter(bill, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    target.write_text(text + "\n", encoding="utf-8")


# --- the tree around it ---------------------------------------------------------------------------


def lay_out(target: Path) -> None:
    """Lay the program and what belongs to it out as the system has it: `target/usr/…`."""
    shutil.rmtree(target, ignore_errors=True)
    share = target / "usr" / "share"
    shutil.copytree(PROGRAM, target / "usr" / "lib" / "parley", symlinks=True)
    (target / "usr" / "bin").mkdir(parents=True)
    (target / "usr" / "bin" / "parley").symlink_to("../lib/parley/parley")
    put(LINUX / f"{APPLICATION_ID}.desktop", share / "applications")
    put(LINUX / f"{APPLICATION_ID}.metainfo.xml", share / "metainfo")
    for size in ICON_SIZES:
        put(ICONS / f"{size}.png", share / f"icons/hicolor/{size}x{size}/apps", f"{APPLICATION_ID}.png")
    put(ROOT / "resources" / "icons" / f"{APPLICATION_ID}.svg", share / "icons/hicolor/scalable/apps")
    (share / "man/man1").mkdir(parents=True)
    write_zipped(share / "man/man1/parley.1.gz", manual_page(PROGRAM / "parley"))
    lay_out_documents(share, "parley")
    (share / "doc/parley/licences").symlink_to("../../../lib/parley/_internal/resources/licences")
    settle(target, executable="usr/lib/parley/parley")


def lay_out_offline(target: Path, weights: Path = WEIGHTS) -> None:
    """Lay out what `parley-offline` adds to it: the engines and the models that travel."""
    shutil.rmtree(target, ignore_errors=True)
    inside = target / "usr" / "lib" / "parley" / "_internal"
    shutil.copytree(OFFLINE / "_internal", inside, symlinks=True)
    add_weights(inside / "resources" / "models" / "weights", weights)
    lay_out_documents(target / "usr" / "share", "parley-offline")
    settle(target)


def add_weights(target: Path, weights: Path = WEIGHTS) -> None:
    """Copy the models that travel to where the program looks for them."""
    sets = {each["name"]: each for each in json.loads((ROOT / "resources/models/weights.json").read_text("utf-8"))}
    for name in PACKED_WEIGHTS:
        for file in sets[name]["files"]:
            source = weights / name / file["name"]
            if not source.is_file() or source.stat().st_size != file["size"]:
                raise Failed(
                    f"The model {name} is not there. Fetch it: python3 packaging/dev.py fetch -- --to {weights}"
                )
            put(source, target / name)


def lay_out_documents(share: Path, name: str) -> None:
    """Put what every package tells about itself into `share/doc`."""
    put(LINUX / "copyright", share / "doc" / name)
    from datetime import UTC, datetime
    from email.utils import format_datetime

    date = format_datetime(datetime.fromtimestamp(source_date(), UTC))
    entry = f"{name} ({version()}) unstable; urgency=medium\n\n  * This version.\n\n -- {MAINTAINER}  {date}\n"
    write_zipped(share / "doc" / name / "changelog.gz", entry)
    put(LINUX / f"{name}.lintian-overrides", share / "lintian/overrides", name)


def put(source: Path, folder: Path, name: str = "") -> None:
    """Copy a file into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / (name or source.name))


def write_zipped(path: Path, text: str) -> None:
    """Write a text by gzip, without name and time."""
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def manual_page(program: Path) -> str:
    """Return the manual page, made by help2man of what the program says to `--help`."""
    command = ["help2man", "--no-info", "--no-discard-stderr", f"--name={SUMMARY}", f"--version-string={version()}"]
    command += ["--locale=C.UTF-8", f"--include={LINUX / 'parley.h2m'}", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # It says when it was made: of the source, not now.
    return done.stdout


def settle(folder: Path, executable: str = "") -> None:
    """Give every file the same owner's rights and the source's time."""
    when = source_date()
    for path in [folder, *sorted(folder.rglob("*"))]:
        if path.is_symlink():
            os.utime(path, (when, when), follow_symlinks=False)
            continue
        runs = path.is_dir() or path == folder / executable
        path.chmod(0o755 if runs else 0o644)
        os.utime(path, (when, when))


def payload_of(folder: Path) -> dict[str, str]:
    """Return the hash of every file of a tree, by its name: the same for two builds of one commit."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files_of(folder)
    }


# --- packages -----------------------------------------------------------------------------------


def pack_tar(target: Path, with_models: bool) -> list[Path]:
    """Make a .tar.xz that runs where it is unpacked: `parley-VERSION/parley`."""
    name = f"{'parley-offline' if with_models else 'parley'}-{version()}-linux-{platform.machine()}"
    root = BUILD / "packing" / "tar"
    shutil.rmtree(root, ignore_errors=True)
    lay_out(root / "system")
    place = root / name
    (root / "system/usr/lib/parley").rename(place)
    (root / "system/usr/share").rename(place / "share")
    (place / "share/doc/parley/licences").unlink()
    shutil.rmtree(place / "share/lintian")
    if with_models:
        shutil.copytree(OFFLINE / "_internal", place / "_internal", symlinks=True, dirs_exist_ok=True)
        add_weights(place / "_internal/resources/models/weights")
    settle(place, executable="parley")
    (root / "current").symlink_to(name)
    path = target / f"{name}.tar.xz"
    with path.open("wb") as written:
        packer = subprocess.Popen(
            ["xz", "-6", "-T0", "--block-size=64MiB", "--stdout"], stdin=subprocess.PIPE, stdout=written
        )
        assert packer.stdin is not None
        with tarfile.open(fileobj=packer.stdin, mode="w|") as archive:
            for each in [place, *sorted(place.rglob("*"))]:
                archive.add(each, str(each.relative_to(root)), recursive=False, filter=nobody_in_particular)
        packer.stdin.close()
        if packer.wait() != 0:
            raise Failed("xz failed, see above. Is there room?")
    return [path]


def nobody_in_particular(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Have an entry of an archive belong to root, whoever built it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def pack_deb(target: Path, with_models: bool) -> list[Path]:
    """Make the .deb, or two."""
    return pack_by_nfpm("deb", target, with_models)


def pack_rpm(target: Path, with_models: bool) -> list[Path]:
    """Make the .rpm, or two."""
    return pack_by_nfpm("rpm", target, with_models)


PACKERS = {"tar": pack_tar, "deb": pack_deb, "rpm": pack_rpm}


def pack_by_nfpm(kind: str, target: Path, with_models: bool) -> list[Path]:
    """Make packages by nfpm of `linux/NAME.yaml`, in which `${…}` stands for what is known only now."""
    made = []
    for name, lay in (("parley", lay_out), ("parley-offline", lay_out_offline))[: 1 + with_models]:
        tree = BUILD / "packing" / name
        lay(tree)
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        path = target / (
            f"{name}_{version()}_{machine}.deb"
            if kind == "deb"
            else f"{name}-{version()}-1.{platform.machine()}.rpm"
        )
        config = BUILD / "packing" / f"{name}.yaml"
        config.write_text(nfpm_config(name, tree, machine), encoding="utf-8")
        nfpm = Path(sys.executable).parent / "nfpm"
        subprocess.run([str(nfpm), "package", "-f", str(config), "-p", kind, "-t", str(path)], check=True, stdout=2)
        if kind == "deb":
            compress_deb(path)
        made.append(path)
    return made


def compress_deb(path: Path) -> None:
    """Have the data of a .deb, which is an archive of `ar`, compressed by xz on all cores."""
    folder = path.with_suffix(".parts")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    members = ["debian-binary", "control.tar.gz", "data.tar"]
    subprocess.run(["ar", "x", str(path), *members], cwd=folder, check=True)
    # Blocks of one size: the number of cores does not change the result.
    subprocess.run(["xz", "-6", "-T0", "--block-size=64MiB", "data.tar"], cwd=folder, check=True)
    path.unlink()
    subprocess.run(["ar", "rcD", str(path), *members[:2], "data.tar.xz"], cwd=folder, check=True)
    shutil.rmtree(folder)


def nfpm_config(name: str, tree: Path, machine: str) -> str:
    """Return nfpm's description of a package, with all that is known only now."""
    from datetime import UTC, datetime
    from string import Template

    return Template((LINUX / f"{name}.yaml").read_text(encoding="utf-8")).substitute(
        VERSION=version(),
        MACHINE=machine,
        TREE=tree,
        TIME=datetime.fromtimestamp(source_date(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        MAINTAINER=MAINTAINER,
    )


if __name__ == "__main__":
    sys.exit(main())
