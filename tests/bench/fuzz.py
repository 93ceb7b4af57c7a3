"""How long a frame holds the loop: mutated ones through codec, core and window, and the largest there are.

    python3 packaging/dev.py bench fuzz [-- --frames 100000 --seed 1]

Figures are CPU time of decoding a frame and doing all that comes of it; painting is the window's own turn.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Sequence

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from desktop_app.conversation import inputs
from desktop_app.protocol import codec
from tests.fuzz.frames import LARGEST, huge
from tests.fuzz.run import NEVER_HELD_S, YARDSTICK_S, Fuzz, yardstick


def largest(fuzz: Fuzz) -> float:
    """Print what each kind of the largest frame costs; return the worst, in seconds."""
    worst_s = 0.0
    print(f"{LARGEST // 2**20} MiB of{'':21}decode     core, window")
    for name, frame in huge().items():
        began_s = time.thread_time()
        event = codec.decode_server_event(frame)
        decoded_s = time.thread_time() - began_s
        began_s = time.thread_time()
        fuzz.session.handle(inputs.Received(event))
        handled_s = time.thread_time() - began_s
        worst_s = max(worst_s, decoded_s + handled_s)
        print(f"  {name:24}{decoded_s * 1000:8.1f} ms {handled_s * 1000:8.1f} ms")
    return worst_s


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a goal is missed")
    options = parser.parse_args(arguments)
    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    gc.disable()
    fuzz = Fuzz(application, options.seed)
    report = fuzz.run(options.frames, with_huge=False)
    each_ms, slowest_ms = report.took_s / report.frames * 1000, report.slowest_s * 1000
    print(f"{report.frames} frames of seed {options.seed}: {each_ms:.2f} ms each, the slowest {slowest_ms:.1f} ms")
    print(f"memory {report.grown_mb:+.1f} MB; {report.unknown} were not understood")
    worst_s = max(report.slowest_s, largest(fuzz))
    fuzz.close()
    missed = worst_s > NEVER_HELD_S
    print(f"goal: below {NEVER_HELD_S * 1000:.0f} ms: {'missed' if missed else 'reached'}; {worst_s * 1000:.1f} ms")
    print(f"(yardstick: {yardstick() * 1000:.1f} ms, {YARDSTICK_S * 1000:.1f} ms where the goals were set)")
    return int(missed and options.strict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
