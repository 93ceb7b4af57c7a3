"""The program is killed in the middle of an answer: what was said is kept, and the next start goes on with it.

And a program that runs keeps a second one from its profile, until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from desktop_app.app import ALREADY_RUNNING
from desktop_app.conversation.entries import EntryStatus
from desktop_app.errors import NoticeAction
from desktop_app.history.store import Store
from desktop_app.protocol.events import ConversationItemCreate, ResponseCreate
from tests.conftest import RunAsync
from tests.end_to_end.conftest import ROOT, Start
from tests.harness.inside import program as program_inside
from tests.harness.mind import Mind
from tests.harness.processes import wait_until
from tests.harness.program import surroundings
from tests.harness.screen import VirtualScreen
from tests.harness.scripted_server import Caller, ScriptedServer
from tests.harness.sound import VirtualSound

pytestmark = [pytest.mark.sound, pytest.mark.screen]

QUESTION = "What can you tell me about the sea?"
ANSWER = "The sea is deep"


def second_start(profile: Path, screen: VirtualScreen, sound: VirtualSound) -> tuple[int, str]:
    """Start another program with the profile, from a terminal; return its exit code and what it says there."""
    import pty

    terminal, ends = pty.openpty()
    environment = {**os.environ, **surroundings(sound, screen)}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), "--profile", str(profile)],
        env={name: value for name, value in environment.items() if value is not None},
        stdin=subprocess.DEVNULL,
        stdout=ends,
        stderr=ends,
    )
    os.close(ends)
    try:
        code = process.wait(60)
        return code, os.read(terminal, 10_000).decode()
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
@pytest.mark.qt_log_ignore("This plugin does not support")
def test_what_was_said_before_a_kill_is_gone_on_with(
    start: Start,
    screen: VirtualScreen,
    sound: VirtualSound,
    tmp_path: Path,
    run_async: RunAsync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", ScriptedServer.token)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    profile = tmp_path / "profile"

    async def until_it_is_killed() -> None:
        greeted, said = asyncio.Event(), asyncio.Event()

        async def script(caller: Caller) -> None:
            await caller.greet()
            greeted.set()
            await caller.take_text()
            await caller.expect_next(ResponseCreate)
            await caller.say(await caller.begin(), ANSWER)
            said.set()
            await caller.gone(within_s=60)

        async with ScriptedServer(script) as server:
            base = server.url.partition("/realtime")[0].replace("ws://", "http://")
            environment = {"OPENAI_BASE_URL": base, "OPENAI_API_KEY": server.token}
            running = await asyncio.to_thread(lambda: start(env=environment))
            code, words = await asyncio.to_thread(second_start, profile, screen, sound)
            assert (code, "running already" in words) == (ALREADY_RUNNING, True), words
            await asyncio.wait_for(greeted.wait(), 30)  # what is entered earlier stays in the line
            await asyncio.to_thread(screen.focus, running.window)  # the second one may have had it
            await asyncio.to_thread(screen.type, QUESTION)
            await asyncio.to_thread(screen.tap, "Return")
            await asyncio.wait_for(said.wait(), 30)
            await asyncio.to_thread(wait_until, lambda: ANSWER.encode() in kept(profile), "the answer is kept")
            running.process.kill()
            await asyncio.to_thread(running.process.wait)

    async def the_next_time() -> None:
        mind = Mind()
        async with ScriptedServer(mind) as server, program_inside(profile, server.url) as user:
            await user.sees_online()
            notice = await user.until_told("was cut off")
            assert (notice.action, QUESTION in notice.text) == (NoticeAction.CONTINUE, True)
            user.acts_on(notice)
            await user.sees(ANSWER)
            await user.until(lambda: len(server.events(ConversationItemCreate)) >= 2, "it is replayed")
            replayed = [event.item.words for event in server.events(ConversationItemCreate)]
            assert replayed[:2] == [QUESTION, ANSWER]

    run_async(until_it_is_killed(), 120)
    run_async(the_next_time(), 60)
    store = Store(profile)
    (about,) = store.conversations()
    assert [past.entry.status for past in store.entries(about.number)] == [
        EntryStatus.COMPLETED,
        EntryStatus.INTERRUPTED,
    ]
    store.close()


def kept(profile: Path) -> bytes:
    """Return what lies in the files of the history."""
    return b"".join(path.read_bytes() for path in profile.glob("history.sqlite3*"))
