"""The profile: the folder for everything the program writes, used by one program at a time.

A running program holds a lock of the operating system on a file in it. The system lets go of it when the process
ends, however it ends, so that none is ever stale; locks by process ids (Qt's `QLockFile`) take a crashed program
for a running one once the computer's name has changed or the id is another Python's. `filelock` does the same as
this, but importing it takes 0.1 s, and the window is not painted before.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from desktop_app.errors import ParleyError
from desktop_app.options import Options

LOCK_FILE = "running.lock"


class AlreadyRunning(ParleyError):
    """Another program uses the profile."""

    def __init__(self) -> None:
        super().__init__(
            "Parley is running already.",
            "Use its window; another one can run beside it with a folder of its own: --profile FOLDER.",
        )


def profile_folder(options: Options) -> Path:
    """Return the folder for everything the program writes."""
    if options.profile is not None:
        return options.profile.expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("Parley", appauthor=False)


class Claim:
    """The profile is this program's until it ends. Raises `AlreadyRunning`.

    A folder that cannot be written is claimed by nobody: what cannot be kept there is said by whoever tries.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(0o700, parents=True, exist_ok=True)  # what is said is for nobody else of this computer
            self._file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            self._file = -1
            return
        try:
            _lock(self._file)
        except (BlockingIOError, PermissionError) as error:
            self.release()
            raise AlreadyRunning from error
        except OSError:  # a file system without locks
            self.release()

    def release(self) -> None:
        """Let go of it before the end."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
