"""The gallery can be rendered: whoever changes the window looks at it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GALLERY = Path(__file__).with_name("gallery.py")


def test_the_gallery_renders_its_scenes(tmp_path: Path) -> None:
    command = [sys.executable, str(GALLERY), str(tmp_path), "idle", "--sizes", "narrow"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "idle-dark-narrow.png",
        "idle-light-narrow.png",
    ]
