"""Where the files that come with the program lie: icons, sounds, prompts, the small model.

They are in `resources/` beside the package in a checkout, and inside the bundle of a frozen program, which
says so by `sys._MEIPASS` (PyInstaller's word for its folder, also set by a one-folder build).
"""

from __future__ import annotations

import sys
from pathlib import Path


def resource(*parts: str) -> Path:
    """Return the path of a file or folder that comes with the program: `resource("models", "x.onnx")`."""
    bundle = getattr(sys, "_MEIPASS", None)
    root = Path(bundle) if bundle else Path(__file__).resolve().parent.parent
    return root.joinpath("resources", *parts)
