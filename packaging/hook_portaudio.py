"""Runs in the frozen program before its own code: leads sounddevice to the PortAudio that is bundled.

On Linux sounddevice asks `ctypes.util.find_library`, which looks into the system's folders only; without this the
bundled library is never used, and where the system has none, «PortAudio library not found» is raised.
"""

import ctypes.util
import os
import sys

_find_in_system = ctypes.util.find_library
_bundled = os.path.join(sys._MEIPASS, "libportaudio.so.2")  # type: ignore[attr-defined]


def find_library(name: str) -> "str | None":
    """Return the bundled PortAudio; whatever else is asked for, as ever."""
    if name == "portaudio" and os.path.exists(_bundled):
        return _bundled
    return _find_in_system(name)


ctypes.util.find_library = find_library
