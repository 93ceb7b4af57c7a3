"""Conversations leave as Markdown, as JSON, or as a folder with pictures and sound, and come back as JSON.

The JSON is this program's own: `resources/docs/conversation-format.md` tells it. Everything is in it but the sound,
which lies beside it in a folder. What comes in is checked before anything of it is stored: it may be anybody's.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import assert_never

import msgspec

from desktop_app.conversation import limits
from desktop_app.conversation.entries import Entry, EntryStatus, Role, ToolUse
from desktop_app.conversation.past import ExportForm, PastConversation, PastEntry
from desktop_app.errors import HistoryError
from desktop_app.files import write_atomically
from desktop_app.history.store import MAX_TITLE_CHARS, Sound, Whole, picture_bytes

FORMAT = "parley conversation"
VERSION = 1
MAX_BYTES = 256 * 2**20
"""Of a file that is taken in."""
MAX_ENTRIES = 100_000
MAX_ID_CHARS = 128
MAX_IMAGES = 64
MAX_SOUND_BYTES = 64 * 2**20
_LATEST_S = 32_503_680_000
"""The year 3000: times beyond it cannot be shown."""
_HINT = "Choose a JSON file that Parley has exported."
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
_SOUND_NAME = re.compile(r"sound/[0-9]{1,6}\.(opus|flac)")
_SPEAKERS = {Role.USER: "You", Role.ASSISTANT: "Parley", Role.TOOL: "Tool", Role.SYSTEM: "Note"}


class SavedEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An entry in the JSON."""

    at: float
    """Unix seconds."""
    entry: Entry
    sound: str = ""
    """The file with its sound, from the JSON's folder."""


class Saved(msgspec.Struct, kw_only=True):
    """The JSON."""

    format: str
    version: int
    title: str
    topic: str
    began_at: float
    changed_at: float
    pinned: bool
    entries: list[SavedEntry]


# --- out ----------------------------------------------------------------------------------------


def write(whole: Whole, form: ExportForm, path: Path) -> None:
    """Write a conversation to `path`; raises HistoryError with a sentence if that cannot be done."""
    try:
        match form:
            case ExportForm.MARKDOWN:
                write_atomically(path, markdown(whole))
            case ExportForm.JSON:
                write_atomically(path, as_json(whole))
            case ExportForm.FOLDER:
                _write_folder(whole, path)
            case _:
                assert_never(form)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "the name is not valid"
        text = f"The conversation could not be written: {why.lower()}."
        raise HistoryError(text, "Choose another place, and check that the disk is not full.") from error


def as_json(whole: Whole, sounds: dict[str, str] | None = None) -> str:
    """Return a conversation as JSON; `sounds`: file names by item id."""
    about = whole.about
    saved = Saved(
        format=FORMAT,
        version=VERSION,
        title=about.title,
        topic=about.topic,
        began_at=about.began_at,
        changed_at=about.changed_at,
        pinned=about.pinned,
        entries=[
            SavedEntry(at=past.at, entry=past.entry, sound=(sounds or {}).get(past.entry.item_id, ""))
            for past in whole.entries
        ],
    )
    return msgspec.json.format(msgspec.json.encode(saved), indent=2).decode() + "\n"


def markdown(whole: Whole, files: dict[str, list[str]] | None = None) -> str:
    """Return a conversation to be read; `files`: pictures and sound by item id, where they lie beside it."""
    about = whole.about
    head = [f"# {_plain(about.title or about.opening or 'Conversation')}", ""]
    head += [f"*{' · '.join(filter(None, (_plain(about.topic), _moment(about.began_at))))}*", ""]
    body = [line for past in whole.entries for line in _paragraphs(past, (files or {}).get(past.entry.item_id))]
    return "\n".join(head + body).rstrip() + "\n"


def _paragraphs(past: PastEntry, files: list[str] | None) -> Iterator[str]:
    entry = past.entry
    yield f"**{_SPEAKERS[entry.role]}**, {_moment(past.at)}"
    yield ""
    if entry.text:
        yield _harmless(_with_the_cut(entry))
        yield ""
    if entry.tool is not None:
        yield from _call(entry.tool)
    if entry.remark:
        yield f"*{_plain(entry.remark)}*"
        yield ""
    if files is None and entry.images:
        yield f"*({len(entry.images)} picture{'s' if len(entry.images) > 1 else ''})*"
        yield ""
    for name in files or ():
        yield f"![picture]({name})" if name.startswith("pictures/") else f"[sound]({name})"
        yield ""


def _with_the_cut(entry: Entry) -> str:
    heard = entry.heard_chars
    if entry.status is not EntryStatus.INTERRUPTED or heard is None or heard >= len(entry.text):
        return entry.text
    return f"{entry.text[:heard]} **[interrupted; not heard:]** {entry.text[heard:].lstrip()}"


def _call(use: ToolUse) -> Iterator[str]:
    yield f"`{use.name.replace('`', ' ')}`" + (f" of {_plain(use.server)}" if use.server else "")
    yield ""
    for text in filter(None, (use.arguments, use.output)):
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
        yield f"{fence}\n{text}\n{fence}"
        yield ""


def _harmless(text: str) -> str:
    """Return a text whose Markdown stays, but which shows no HTML, loads no picture, and leaves no code open."""
    lines, fence = [], ""
    for line in text.splitlines():
        mark = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        elif not fence:
            line = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", line).replace("![", "!\\[")  # noqa: PLW2901
        lines.append(line)
    return "\n".join([*lines, fence] if fence else lines)


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#])", r"\\\1", " ".join(text.split()))


def _moment(at: float) -> str:
    return dt.datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def _write_folder(whole: Whole, path: Path) -> None:
    """Make the folder whole, or not at all."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise HistoryError(f"{_shown(path)} is there already.", "Choose another name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        files, sounds = _write_media(whole, draft)
        write_atomically(draft / "conversation.json", as_json(whole, sounds))
        write_atomically(draft / "conversation.md", markdown(whole, files))
        draft.chmod(0o755)
        if path.exists():
            path.rmdir()
        os.rename(draft, path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_media(whole: Whole, folder: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Write pictures and sound; return their names by item id: all of them, and the sound alone."""
    files: dict[str, list[str]] = {}
    sounds: dict[str, str] = {}
    pictures = 0
    for nth, past in enumerate(whole.entries, 1):
        item_id = past.entry.item_id
        for image in past.entry.images:
            kind, data = picture_bytes(image)
            if ending := _ENDINGS.get(kind):
                pictures += 1
                files.setdefault(item_id, []).append(_put(folder, f"pictures/{pictures:03}.{ending}", data))
        if sound := whole.sounds.get(item_id):
            sounds[item_id] = _put(folder, f"sound/{nth:03}.{sound.kind}", sound.data)
            files.setdefault(item_id, []).append(sounds[item_id])
    return files, sounds


def _put(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return name


# --- in -----------------------------------------------------------------------------------------


def read(path: Path) -> Whole:
    """Return a conversation that was exported as JSON; raises HistoryError for anything else."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise _not_ours(path, "it is too large" if stat.S_ISREG(status.st_mode) else "it is not a file")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "its name is not valid"
        raise HistoryError(f"{_shown(path)} could not be read: {why.lower()}.", _HINT) from error
    try:
        saved = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=Saved)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_ours(path, _why(content)) from error
    if saved.format != FORMAT:
        raise _not_ours(path, "it is of another program")
    if saved.version > VERSION:
        raise HistoryError(f"{_shown(path)} was written by a newer Parley.", "Update Parley.")
    if why := _misfit(saved):
        raise _not_ours(path, why)
    return _whole(saved, path.parent)


def _why(content: bytes) -> str:
    """Return why a file is no conversation of ours."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return "it is not JSON, or cut off"
    if isinstance(parsed, dict) and parsed.get("format") == FORMAT and isinstance(parsed.get("version"), int):
        return "something in it is not as it should be" if parsed["version"] <= VERSION else "it is newer than this"
    return "it is something else"


def _misfit(saved: Saved) -> str:
    """Return what is wrong with a conversation whose types are right; empty: nothing."""
    ids = [past.entry.item_id for past in saved.entries]
    if not ids:
        return "nothing was said in it"
    if len(ids) > MAX_ENTRIES:
        return "it is too long"
    if len(set(ids)) != len(ids) or not all(0 < len(item_id) <= MAX_ID_CHARS for item_id in ids):
        return "its entries are not told apart"
    if not all(0 <= at < _LATEST_S for at in (saved.began_at, saved.changed_at, *(p.at for p in saved.entries))):
        return "its times cannot be"
    if not all(_is_entry(past.entry) for past in saved.entries):
        return "an entry in it cannot be"
    return ""


def _is_entry(entry: Entry) -> bool:
    numbers = (entry.heard_chars or 0, entry.heard_ms or 0)
    size = len(entry.text) + len(entry.remark)
    return (
        size <= limits.MAX_ENTRY_CHARS
        and len(entry.images) <= MAX_IMAGES
        and all(0 <= number < 2**53 for number in numbers)
        and (entry.tool is None or entry.role is Role.TOOL)
    )


def _whole(saved: Saved, folder: Path) -> Whole:
    title, topic = saved.title[:MAX_TITLE_CHARS], saved.topic[:MAX_TITLE_CHARS]
    about = PastConversation(0, saved.began_at, saved.changed_at, title, topic, pinned=saved.pinned)
    entries = [PastEntry(_harmless_entry(past.entry), past.at) for past in saved.entries]
    sounds = {}
    for past in saved.entries:
        name = _SOUND_NAME.fullmatch(past.sound)
        if name and (data := _sound(folder / name[0])):
            sounds[past.entry.item_id] = Sound(past.entry.item_id, name[1], 0, data)
    return Whole(about, entries, sounds)


def _harmless_entry(entry: Entry) -> Entry:
    """Return an entry without pictures that would have to be fetched, and without a button: its session is over."""
    images = tuple(image for image in entry.images if image.startswith("data:image/"))
    return replace(entry, images=images, action=None)


def _sound(path: Path) -> bytes:
    """Return a sound file that lies beside the JSON; empty if it does not."""
    try:
        status = path.stat()
        good = stat.S_ISREG(status.st_mode) and status.st_size <= MAX_SOUND_BYTES
        return path.read_bytes() if good else b""
    except OSError:
        return b""


def _shown(path: Path) -> str:
    line = "".join(c if c.isprintable() else "�" for c in path.name)
    return f"«{line if len(line) <= 60 else line[:59] + '…'}»"


def _not_ours(path: Path, why: str) -> HistoryError:
    return HistoryError(f"{_shown(path)} is no conversation that Parley can take in: {why}.", _HINT)
