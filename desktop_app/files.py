"""Writing a small file whole or not at all: whoever reads it sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Replace the file at `path`, making its folder if need be.

    Raises OSError if that cannot be done; what was there before is untouched then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()  # a link stays one: some people keep such files elsewhere
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
