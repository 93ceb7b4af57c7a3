"""Notes: Markdown files in one folder of the profile, which any editor opens as well.

All of it asks. A note is as private as what was dictated into it, and writing changes the user's files; whoever
keeps notes by voice will answer "always" once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from desktop_app.errors import ToolError
from desktop_app.files import write_atomically
from desktop_app.tools.tool import Arguments, FunctionTool, Tool, ToolSpec, parameters

MAX_TITLE = 80
MAX_TEXT = 100_000
MAX_NOTE_BYTES = 2_000_000
MAX_FOUND = 20
MAX_LISTED = 200

_TITLE = {"type": "string", "minLength": 1, "maxLength": MAX_TITLE, "description": "The title of the note."}
_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "description": "Markdown."}

CREATE = ToolSpec(
    "create_note",
    "Write down a new note for the user.",
    parameters(required={"title": _TITLE, "text": _TEXT}),
    title="New note",
)
APPEND = ToolSpec(
    "append_to_note",
    "Add to the end of a note; a note that does not exist is made.",
    parameters(required={"title": _TITLE, "text": _TEXT}),
    title="Add to a note",
)
LIST = ToolSpec("list_notes", "List the titles of the user's notes.", parameters(), title="List your notes")
READ = ToolSpec(
    "read_note", "Return a note of the user.", parameters(required={"title": _TITLE}), title="Read a note"
)
SEARCH = ToolSpec(
    "search_notes",
    "Find the lines of the user's notes that contain a text.",
    parameters(required={"query": {"type": "string", "minLength": 1, "maxLength": 200}}),
    title="Search your notes",
)

_RESERVED = re.compile(r"(?i)con|prn|aux|nul|com\d|lpt\d")
"""Names that are devices on Windows, whatever their ending."""


class Notes:
    """The notes of one folder. It is made when the first note is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        """Calls run side by side, each in its thread."""

    def tools(self) -> Sequence[Tool]:
        """Return the tools that create, append, list, read and search."""
        return (
            FunctionTool(CREATE, self._create, blocking=True, ask=lambda a: _writing("Write this note", a)),
            FunctionTool(APPEND, self._append, blocking=True, ask=lambda a: _writing("Add this to the note", a)),
            FunctionTool(
                LIST, self._list, blocking=True, ask=lambda _: "Let the assistant see your notes' titles?"
            ),
            FunctionTool(READ, self._read, blocking=True, ask=lambda a: f"Let the assistant read «{a['title']}»?"),
            FunctionTool(
                SEARCH,
                self._search,
                blocking=True,
                ask=lambda a: f"Let the assistant search all your notes for «{a['query']}»?",
            ),
        )

    # --- the tools ------------------------------------------------------------------------------

    def _create(self, arguments: Arguments) -> object:
        title, text = str(arguments["title"]).strip(), str(arguments["text"])
        with self._lock:
            path = self._new_path(title)
            if path.exists():
                raise ToolError(f"There is a note «{path.stem}» already.", "Append to it, or choose another title.")
            self._write(path, f"# {title}\n\n{text.strip()}\n")
        return {"created": path.stem}

    def _append(self, arguments: Arguments) -> object:
        title, text = str(arguments["title"]).strip(), str(arguments["text"])
        with self._lock:
            found = self._find(title)
            before = self._text(found) if found else f"# {title}\n"
            gap = "" if before.endswith("\n\n") else "\n" if before.endswith("\n") else "\n\n"
            path = found or self._new_path(title)
            self._write(path, f"{before}{gap}{text.strip()}\n")
        return {"appended_to": path.stem}

    def _list(self, _: Arguments) -> object:
        notes = sorted(self._notes(), key=lambda path: path.stat().st_mtime, reverse=True)
        titles = [path.stem for path in notes[:MAX_LISTED]]
        return {"notes": titles, "newest_first": True, "total": len(notes)}

    def _read(self, arguments: Arguments) -> object:
        path = self._find(str(arguments["title"]))
        if path is None:
            raise ToolError(f"There is no note «{arguments['title']}».", f"There are: {self._known()}.")
        return self._text(path)

    def _search(self, arguments: Arguments) -> object:
        query = str(arguments["query"]).casefold()
        found = []
        for path in self._notes():
            for number, line in enumerate(self._text(path).splitlines(), 1):
                if query in line.casefold() or (number == 1 and query in path.stem.casefold()):
                    found.append({"note": path.stem, "line": number, "text": line.strip()[:300]})
                    if len(found) >= MAX_FOUND:
                        return {"found": found, "more": True}
        return {"found": found}

    # --- the folder -----------------------------------------------------------------------------

    def _notes(self) -> list[Path]:
        """The notes there are. A link that leads out of the folder is not one of them."""
        root = self._folder.resolve()
        return sorted(
            path
            for path in self._folder.glob("*.md")
            if path.is_file() and path.resolve().parent == root and not path.name.startswith(".")
        )

    def _find(self, title: str) -> Path | None:
        """Return the note of that title, however it is written: a title is often only heard."""
        wanted = _plain(title.removesuffix(".md"))
        notes = self._notes()
        exact = [path for path in notes if _plain(path.stem) == wanted]
        return exact[0] if exact else None

    def _known(self) -> str:
        stems = [path.stem for path in self._notes()]
        return ", ".join(stems[:20]) + (", …" if len(stems) > 20 else "") or "none"

    def _new_path(self, title: str) -> Path:
        name = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]+', " ", title)
        name = " ".join(name.split()).strip(". ")[:MAX_TITLE].strip(". ")
        if not name:
            raise ToolError(f"{title!r} cannot be the title of a note.", "Choose one with letters.")
        if _RESERVED.fullmatch(name.partition(".")[0].strip()):
            name = f"Note {name}"
        return self._folder / f"{name}.md"

    def _text(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                return file.read(MAX_NOTE_BYTES).decode("utf-8", "replace")
        except OSError as error:
            raise ToolError(f"The note «{path.stem}» cannot be read: {error.strerror}.") from None

    def _write(self, path: Path, text: str) -> None:
        if len(text.encode()) > MAX_NOTE_BYTES:  # the toolbox lets no half characters through
            raise ToolError(f"The note «{path.stem}» would become too long.", "Begin a new one.")
        try:
            write_atomically(path, text)
        except OSError as error:
            raise ToolError(f"The note «{path.stem}» cannot be written: {error.strerror}.") from None


def _plain(title: str) -> str:
    return re.sub(r"[\W_]+", " ", title).strip().casefold()


def _writing(what: str, arguments: Arguments) -> str:
    return f"{what}: «{arguments['title']}»?\n\n{arguments['text']}"
