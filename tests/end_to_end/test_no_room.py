"""A data folder that cannot be written: the window says so, once for each thing, and one can talk and type."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.errors import Severity
from tests.conftest import RunAsync
from tests.harness.inside import program
from tests.harness.mind import Mind
from tests.harness.scripted_server import ScriptedServer
from tests.harness.sound import VirtualSound

ALL_THE_SAME = "you can talk and type all the same"


@pytest.mark.sound
def test_where_nothing_can_be_kept_one_can_talk_and_type(
    run_async: RunAsync, sound: VirtualSound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", ScriptedServer.token)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    blocked = tmp_path / "a file"
    blocked.touch()

    async def story() -> None:
        mind = Mind("The first answer.", "The second answer.", beside={"title": "A test | testing"})
        async with ScriptedServer(mind) as server, program(blocked / "profile", server.url) as user:
            await user.sees_online()
            user.types("One?")
            await user.sees("The first answer.")
            spent = await user.until_told("What was spent today could not be written down")
            history = await user.until_told("The history cannot be opened")
            user.window.dismiss_notice(spent.key)
            user.window.dismiss_notice(history.key)
            user.types("Two?")
            await user.sees("The second answer.")
            user.window.settings.setting_changed.emit("answers.speed", 1.1)
            setting = await user.until_told("The settings could not be saved")

            assert setting.hint.count(str(blocked)) == 1
            for notice in (spent, history, setting):
                assert ALL_THE_SAME in notice.hint.lower()
            assert {spent.severity, history.severity} == {Severity.WARNING}, "they keep nobody from anything"
            told = [notice.key for notice in user.notices()]
            assert spent.key not in told
            assert history.key not in told
        mind.check()

    run_async(story(), 60)
