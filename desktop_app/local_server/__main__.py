"""Runs the local server alone: `python main.py --serve-local`, or `python -m desktop_app.local_server`.

The contract with whoever starts it as a child process (`desktop_app/local_process.py`):

- The token comes in `PARLEY_LOCAL_TOKEN`; without one it makes one and prints it on standard error.
- On standard output it prints one JSON object a line. The first is
  `{"event":"ready","url":"ws://127.0.0.1:PORT/v1/realtime","voices":["heart",…],"model":"parley-offline"}`, as soon
  as it listens; then, while the engines load behind it, any number of
  `{"event":"progress","text":…,"key":…,"done":n,"total":m}` (bytes), `{"event":"notice","text":…,"hint":…,"key":…}`
  and `{"event":"loaded","engines":[…]}`, and `{"event":"offer","text":"Ollama","url":…,"model":…}` for a chat
  endpoint that was found on this computer.
- It ends, with exit code 0, when its standard input closes (so it cannot outlive its parent) or on SIGTERM.

A chat model of the user's own is named by `PARLEY_CHAT_URL` (as in `http://127.0.0.1:11434/v1`),
`PARLEY_CHAT_MODEL` and, if it wants one, `PARLEY_CHAT_KEY`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import stat
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from desktop_app.errors import LocalServerError
from desktop_app.local_server.loading import VOICES, Chat, Loader, Told, empty_engines
from desktop_app.local_server.models import Weights, models_dir
from desktop_app.local_server.server import MODEL, LocalServer
from desktop_app.secrecy import Environment, Redaction
from desktop_app.tasks import end_tasks

TOKEN_VARIABLE = "PARLEY_LOCAL_TOKEN"
NICER_BY = 5
"""Inference gives way to the window: it would rather be a little later than make the sound stumble."""


def main(profile: Path | None = None, *, port: int = 0, environment: Mapping[str, str] | None = None) -> int:
    """Serve until told to end; return the exit code. `environment`: our own, if it was read already."""
    _give_way()
    if environment is None:
        environment = Environment(os.environ, Redaction())
    token = environment.get(TOKEN_VARIABLE, "")
    if not token:
        token = secrets.token_urlsafe(32)
        print(f"Bearer token of this run: {token}", file=sys.stderr, flush=True)
    try:
        asyncio.run(_serve(profile, port, token, _chat(environment)))
    except LocalServerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


async def _serve(profile: Path | None, port: int, token: str, chat: Chat | None) -> None:
    ended = _end_signal()
    engines = empty_engines()
    loader = Loader(engines, Weights(models_dir(profile)), _tell, chat)
    async with LocalServer(engines, token=token, voices=VOICES, port=port) as server:
        _print({"event": "ready", "url": server.url, "voices": list(VOICES), "model": MODEL})
        loading = asyncio.ensure_future(loader.load())
        await asyncio.wait([loading, ended], return_when=asyncio.FIRST_COMPLETED)
        await ended
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
    await end_tasks()
    loader.close()


def _chat(environment: Mapping[str, str]) -> Chat | None:
    url, model = environment.get("PARLEY_CHAT_URL", ""), environment.get("PARLEY_CHAT_MODEL", "")
    return Chat(url, model, environment.get("PARLEY_CHAT_KEY", "")) if url else None


def _tell(told: Told) -> None:
    _print({name: value for name, value in asdict(told).items() if value})


def _print(line: dict[str, Any]) -> None:
    # Whoever listened may be gone; the end of standard input tells us so in a moment.
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(line, ensure_ascii=False), flush=True)


def _give_way() -> None:
    """Lower the priority of this process, so that inference never costs the window a frame."""
    if sys.platform == "win32":
        import ctypes

        below_normal = 0x4000
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), below_normal)
    else:
        os.nice(NICER_BY)


def _end_signal() -> asyncio.Future[None]:
    """Return a future that is done when the parent is gone or asks us to end."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    if sys.platform == "win32":
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(end))
    else:
        loop.add_signal_handler(signal.SIGTERM, end)
    if _has_parent():
        watch = threading.Thread(target=_wait_for_end_of_input, args=(loop, end), daemon=True)
        watch.start()
    return ended


def _has_parent() -> bool:
    """Tell whether standard input is a line to a parent: not a terminal, not a file, not nothing."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _wait_for_end_of_input(loop: asyncio.AbstractEventLoop, end: Any) -> None:
    # os.read, not sys.stdin: a thread that holds the buffer's lock would abort the interpreter at its end
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended before us
        loop.call_soon_threadsafe(end)


def _alone() -> int:
    parser = argparse.ArgumentParser(prog="parley --serve-local", description="Parley's offline assistant alone.")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="where the weights are kept")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="where it listens; 0: any free port")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    options = parser.parse_args()
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    return main(options.profile, port=options.port)


if __name__ == "__main__":
    sys.exit(_alone())
