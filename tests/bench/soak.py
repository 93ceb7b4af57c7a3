"""Soak: a duplex talk that does not end, at real time or simulated; see `tests/soak/soak.py`.

python3 packaging/dev.py bench soak -- --minutes 60
python3 packaging/dev.py bench soak -- --simulated --minutes 480
"""

from __future__ import annotations

import sys

from tests.soak.soak import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
