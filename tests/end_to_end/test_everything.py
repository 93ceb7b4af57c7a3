"""Everything the protocol can do, from the window: one test per thing that a user can do.

The program runs in this process, all of it: window, session, core, tools, books, socket. The server is scripted;
every frame that it gets is held against the vendor's schema (`conftest.py`). What sounds is played on a virtual
sound card.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import sys
import textwrap
import time
import wave
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import UNSET
from PIL import Image
from PySide6.QtGui import QGuiApplication

from desktop_app import program as composition
from desktop_app import workshop
from desktop_app.conversation.effects import Turn
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role
from desktop_app.conversation.inputs import AsideKind
from desktop_app.errors import NoticeAction
from desktop_app.protocol import events as wire
from desktop_app.protocol.items import Item
from desktop_app.protocol.session_config import ServerVad
from desktop_app.tools.mcp import McpServers
from desktop_app.tools.toolbox import Toolbox
from desktop_app.ui.connection_panel import ConnectionPanel, limit_words
from desktop_app.ui.settings_panes import McpPane
from tests.bench.sound import noise
from tests.conftest import RunAsync
from tests.harness.inside import User, program
from tests.harness.mind import AskApproval, Call, Mind, Refuse, Reply, Say
from tests.harness.scripted_server import ScriptedServer
from tests.harness.sound import VirtualSound

BYTES_PER_MS = 48
MCP_SERVER = Path(__file__).parents[1] / "tools" / "mcp_server.py"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key the scripted server wants."""
    monkeypatch.setenv("OPENAI_API_KEY", ScriptedServer.token)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def keep(profile: Path, settings: dict[str, Any]) -> None:
    """Have these settings, as if they were made before."""
    profile.mkdir(exist_ok=True)
    (profile / "settings.json").write_text(json.dumps(settings), "utf-8")


@contextlib.asynccontextmanager
async def talking(
    profile: Path,
    *replies: Reply,
    beside: dict[str, str | Say] | None = None,
    settings: dict[str, Any] | None = None,
) -> AsyncIterator[tuple[User, ScriptedServer]]:
    """Run the program against a server that gives `replies`; whatever the program sends is checked at the end."""
    if settings is not None:
        keep(profile, settings)
    mind = Mind(*replies, beside={"title": "A test | testing", **(beside or {})})
    async with ScriptedServer(mind) as server:
        async with program(profile, server.url) as user:
            await user.sees_online()
            yield user, server
        mind.check()


def created_items(server: ScriptedServer, kind: str = "message") -> list[Item]:
    """Return the items of a type that the client created."""
    return [event.item for event in server.events(wire.ConversationItemCreate) if event.item.type == kind]


def goes_on_in(server: ScriptedServer, connection: int) -> bool:
    """Return whether this session was told what was said: before that the one before it still answers."""
    told = [entry.event for entry in server.received if entry.connection == connection]
    return any(isinstance(event, wire.ConversationItemCreate) for event in told)


def asked(server: ScriptedServer) -> list[wire.ResponseParams]:
    """Return what the client asked for in the conversation."""
    params = [event.response or wire.ResponseParams() for event in server.events(wire.ResponseCreate)]
    return [each for each in params if each.conversation != "none"]


def asked_beside(server: ScriptedServer, purpose: str) -> list[wire.ResponseParams]:
    """Return what the client asked for out of band."""
    params = [event.response or wire.ResponseParams() for event in server.events(wire.ResponseCreate)]
    return [each for each in params if each.conversation == "none" and (each.metadata or {})["purpose"] == purpose]


def tools_offered(server: ScriptedServer) -> list[str]:
    """Return the names of the tools the model was told of last; a remote server of tools has none."""
    updates = [update.session.tools for update in server.events(wire.SessionUpdate)]
    told = [tools for tools in updates if tools is not UNSET]
    return [tool.name or "" for tool in told[-1]] if told else []


async def ask(user: User, question: str, answer: str) -> Entry:
    """Type a question; return the entry of the answer."""
    user.types(question)
    return await user.sees(answer)


# --- pictures and sound files -------------------------------------------------------------------


@pytest.mark.parametrize(("name", "size", "mode"), [("a.png", (3000, 2000), "RGBA"), ("b.jpg", (900, 1800), "RGB")])
def test_a_picture_goes_along_small_enough(
    run_async: RunAsync, tmp_path: Path, name: str, size: tuple[int, int], mode: str
) -> None:
    Image.linear_gradient("L").resize(size).convert(mode).save(tmp_path / name)

    async def story() -> None:
        async with talking(tmp_path / "profile", "From dark to light.") as (user, server):
            user.drops(tmp_path / name)
            await user.until(lambda: user.composer.images, "the picture in the line")
            await ask(user, "What is this?", "From dark to light.")
            (item,) = created_items(server)
            assert [part.type for part in item.parts] == ["input_text", "input_image"]
            header, _, data = str(item.parts[1].image_url).partition(";base64,")
            assert header in ("data:image/png", "data:image/jpeg")
            sent = Image.open(io.BytesIO(base64.b64decode(data)))
            assert max(sent.size) == 1024
            assert sent.size[0] / sent.size[1] == pytest.approx(size[0] / size[1], rel=0.01)
            assert user.entries(Role.USER)[0].images == (item.parts[1].image_url,)
            assert not user.composer.images, "it was sent"

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize("kind", ["broken.png", "fifty-megabytes.png", "text.wav", "text.png", "gone.jpg"])
def test_a_file_that_cannot_be_used_is_a_sentence(run_async: RunAsync, tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    whole = io.BytesIO()
    Image.effect_noise((400, 400), 60).save(whole, "PNG")
    match kind:
        case "broken.png":
            path.write_bytes(whole.getvalue()[:5000])
        case "fifty-megabytes.png":
            with path.open("wb") as file:
                file.write(whole.getvalue())
                file.truncate(50_000_000)
        case "gone.jpg":
            pass
        case _:
            path.write_text("Dear diary,\n" * 1000)

    async def story() -> None:
        async with talking(tmp_path / "profile", "All is well.") as (user, server):
            user.drops(path)
            await user.until_told(kind)
            await ask(user, "Still there?", "All is well.")
            assert len(created_items(server)) == 1, "nothing of the file was sent"

    run_async(story(), deadline_s=30)


@pytest.mark.parametrize(("rate_hz", "channels", "question"), [(24_000, 1, ""), (48_000, 2, "Which note is it?")])
def test_a_sound_file_becomes_one_message(
    run_async: RunAsync, tmp_path: Path, rate_hz: int, channels: int, question: str
) -> None:
    time_s = np.arange(rate_hz) / rate_hz
    samples = (12_000 * np.sin(2 * np.pi * 440 * time_s)).astype("<i2")
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.repeat(samples, channels).tobytes())

    async def story() -> None:
        async with talking(tmp_path / "profile", "An A.") as (user, server):
            user.drops(tmp_path / "tone.wav")
            await user.until(lambda: user.composer.recordings, "the sound file above the line")
            assert not created_items(server), "it can still be taken away"
            user.types(question)
            await user.sees("An A.")
            (item,) = created_items(server)
            assert item.words == question
            part = item.parts[-1]
            assert part.type == "input_audio"
            sent = np.frombuffer(part.audio or b"", "<i2")
            if rate_hz == 24_000:
                assert np.array_equal(sent, samples), "sample for sample"
            wanted = 12_000 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000)
            assert len(sent) == 24_000
            assert np.abs(sent[1000:-1000] - wanted[1000:-1000]).max() < 60
            assert "tone.wav" in user.entries(Role.USER)[0].remark

    run_async(story(), deadline_s=30)


# --- typing -------------------------------------------------------------------------------------


def test_the_answer_in_writing_is_for_this_answer(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path, "In writing.", "As always.") as (user, server):
            user.composer._written.click()
            await ask(user, "Write to me.", "In writing.")
            user.composer._written.click()
            await ask(user, "And now?", "As always.")
            assert [params.output_modalities for params in asked(server)] == [["text"], UNSET]

    run_async(story(), deadline_s=30)


@pytest.mark.sound
def test_ctrl_enter_waits_for_the_answer_and_enter_does_not(
    run_async: RunAsync, tmp_path: Path, sound: VirtualSound
) -> None:
    replies = [
        Say("One.", noise(1200, seed=1)),
        Say("Two.", noise(1500, seed=2)),
        Say("Three.", noise(300, seed=3)),
    ]

    async def story() -> None:
        async with talking(tmp_path, *replies) as (user, server):
            await ask(user, "first", "One.")
            user.types("second", queued=True)
            await asyncio.sleep(0.3)
            assert len(asked(server)) == 1, "it is still being heard"
            await user.sees("Two.")
            assert not server.events(wire.ConversationItemTruncate), "the first was heard to its end"
            await user.until(lambda: user.entries()[-1].text == "Two.", "the second answer")
            await asyncio.sleep(0.4)
            await ask(user, "third", "Three.")
            (cut,) = server.events(wire.ConversationItemTruncate)
            assert 100 <= cut.audio_end_ms <= 1300
            assert [item.words for item in created_items(server)] == ["first", "second", "third"]

    run_async(story(), deadline_s=30)


# --- tools --------------------------------------------------------------------------------------


def test_a_harmless_tool_runs_and_its_output_is_answered(run_async: RunAsync, tmp_path: Path) -> None:
    call = (Call("get_local_time", '{"zone": "Asia/Tokyo"}'),)

    async def story() -> None:
        async with talking(tmp_path, call, "It is late in Tokyo.") as (user, server):
            tools = {
                tool.name for update in server.events(wire.SessionUpdate) for tool in update.session.tools or ()
            }
            assert {"get_local_time", "set_timer", "calculate", "read_clipboard", "take_screenshot"} <= tools
            await ask(user, "What time is it in Tokyo?", "It is late in Tokyo.")
            (output,) = created_items(server, "function_call_output")
            assert json.loads(output.output or "")["zone"] == "Asia/Tokyo"
            assert len(asked(server)) == 2
            (row,) = user.entries(Role.TOOL)
            assert row.status is EntryStatus.COMPLETED
            assert row.tool is not None
            assert (row.tool.name, row.tool.failed) == ("get_local_time", False)
            assert row.tool.seconds is not None
            assert row.tool.output == output.output
            assert [entry.role for entry in user.entries()] == [Role.USER, Role.TOOL, Role.ASSISTANT]

    run_async(story(), deadline_s=30)


def test_a_tool_with_a_side_effect_needs_a_yes(run_async: RunAsync, tmp_path: Path) -> None:
    def write(text: str) -> tuple[Call, ...]:
        return (Call("write_clipboard", json.dumps({"text": text})),)

    async def story() -> None:
        replies = (
            *(write("no"), "You said no."),
            *(write("once"), "Copied once."),
            *(write("always"), "Copied."),
            *(write("more"), "More."),
        )
        async with talking(tmp_path, *replies) as (user, server):
            QGuiApplication.clipboard().setText("before")
            user.types("Copy it.")
            question = await user.asked()
            assert "clipboard" in question.consent.tool
            assert "no" in question.consent.arguments
            assert user.entries(Role.TOOL)[0].tool.waiting  # type: ignore[union-attr]
            assert not created_items(server, "function_call_output"), "nothing happens before the answer"
            await user.answers("Don't allow")
            await user.sees("You said no.")
            assert QGuiApplication.clipboard().text() == "before"

            user.types("Copy it!")
            await user.answers("Allow")
            await user.sees("Copied once.")
            assert QGuiApplication.clipboard().text() == "once"

            user.types("Copy that.")
            await user.answers("Always")
            await user.sees("Copied.")
            user.types("More of it.")
            await user.sees("More.")  # without another question
            assert QGuiApplication.clipboard().text() == "more"
            outputs = [item.output for item in created_items(server, "function_call_output")]
            assert json.loads(str(outputs[0])) == {"error": "declined by user"}
            assert len(outputs) == 4
        async with talking(tmp_path, write("later"), "Copied as ever.", settings=None) as (user, _):
            await ask(user, "Copy.", "Copied as ever.")  # always is for the next start as well

    run_async(story(), deadline_s=30)


def test_what_would_be_refused_anyway_is_not_asked_about(run_async: RunAsync, tmp_path: Path) -> None:
    calls = (
        Call("write_clipboard", '{"text": 3}'),
        Call("open", '{"target": "ftp://example.com/x"}'),
        Call("open", '{"target": "https://example.com/a?b"}'),
    )

    async def story() -> None:
        async with talking(tmp_path, calls, "Only one of them.") as (user, server):
            user.types("Do all of it.")
            question = await user.asked()
            assert question.consent.question == "Open this page in your browser?\n\nhttps://example.com/a?b"
            await user.until(lambda: len(created_items(server, "function_call_output")) == 2, "two refusals")
            await user.answers("Don't allow")
            await user.sees("Only one of them.")
            outputs = [str(item.output) for item in created_items(server, "function_call_output")]
            assert "text" in outputs[0]
            assert "ftp" in outputs[1]
            assert [row.status for row in user.entries(Role.TOOL)] == [EntryStatus.FAILED] * 3

    run_async(story(), deadline_s=30)


def test_two_calls_at_once_are_answered_once(run_async: RunAsync, tmp_path: Path) -> None:
    calls = (Call("calculate", '{"expression": "17 * 4"}'), Call("write_clipboard", '{"text": "68"}'))

    async def story() -> None:
        async with talking(tmp_path, calls, "Done, both.") as (user, server):
            user.types("Calculate and copy.")
            await user.asked()
            await user.until(lambda: created_items(server, "function_call_output"), "the sum")
            assert len(asked(server)) == 1, "the other call has no output yet"
            await user.answers("Allow")
            await user.sees("Done, both.")
            outputs = created_items(server, "function_call_output")
            assert "68" in str(outputs[0].output)
            assert len({output.call_id for output in outputs}) == 2
            assert len(asked(server)) == 2

    run_async(story(), deadline_s=30)


OWN_TOOLS = textwrap.dedent('''
    import time

    def horoscope(sign: str) -> str:
        """Give today's horoscope.

        Args:
            sign: The astrological sign.
        """
        return f"{sign}: stay in bed."

    def raises() -> str:
        """Raise."""
        raise RuntimeError("the stars are out")

    def hangs() -> str:
        """Hang."""
        time.sleep(600)
        return ""

    def huge() -> str:
        """Return ten megabytes."""
        return "x" * 10_000_000

    def binary() -> bytes:
        """Return what is no text."""
        return bytes(range(256))

    def cyclic() -> list:
        """Return a list that holds itself."""
        a = []
        a.append(a)
        return a
''')


def test_whatever_a_tool_does_the_conversation_goes_on(
    run_async: RunAsync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "Toolbox", partial(Toolbox, timeout_s=1.0))
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "stars.py").write_text(OWN_TOOLS)
    wrong = [
        Call("raises"),
        Call("hangs"),
        Call("nobody_has_this"),
        Call("horoscope", "not JSON"),
        Call("horoscope", "{}"),
        Call("huge"),
        Call("binary"),
        Call("cyclic"),
    ]
    replies: list[Reply] = [reply for call in wrong for reply in ((call,), f"after {call.name} {call.arguments}")]

    async def story() -> None:
        right = (Call("horoscope", '{"sign": "Aries"}'),)
        async with talking(tmp_path, *replies, right, "Stay in bed.") as (user, server):
            tools, desk = user.running._workshop.user_tools, user.window.settings
            await user.until(tools.files, "the file is found")
            (file,) = tools.files()
            assert "horoscope" not in tools_offered(server), "not before a yes"
            desk.tool_file_switched.emit(file.name, file.digest, True)
            await user.until(lambda: "horoscope" in tools_offered(server), "it is offered")
            for name in ("raises", "hangs", "horoscope", "huge", "binary", "cyclic"):
                desk.tool_trusted.emit(name, True)
            for call in wrong:
                await ask(user, call.name, f"after {call.name} {call.arguments}")
            outputs = [json.loads(str(i.output)) for i in created_items(server, "function_call_output")[:5]]
            errors = [str(output["error"]) for output in outputs]
            for error, word in zip(errors, ("stars", "1 s", "nobody_has_this", "JSON", "sign"), strict=True):
                assert word in error, errors
            assert all(len(str(i.output)) < 20_000 for i in created_items(server, "function_call_output"))
            assert user.entries(Role.TOOL)[1].status is EntryStatus.FAILED
            await ask(user, "My horoscope?", "Stay in bed.")
            assert "Aries: stay in bed." in str(created_items(server, "function_call_output")[-1].output)

    run_async(story(), deadline_s=60)


def test_a_tool_may_show_a_picture(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path, (Call("take_screenshot"),), "A window.") as (user, server):
            user.types("What do you see?")
            await user.answers("Allow")
            await user.sees("A window.")
            (output,) = created_items(server, "function_call_output")
            assert "error" not in str(output.output)
            seen = created_items(server)[-1]
            assert [part.type for part in seen.parts] == ["input_image"]
            assert len(asked(server)) == 2

    run_async(story(), deadline_s=30)


@pytest.mark.sound
def test_a_timer_speaks_up_beside_the_conversation(
    run_async: RunAsync, tmp_path: Path, sound: VirtualSound
) -> None:
    call = (Call("set_timer", '{"seconds": 1, "label": "tea"}'),)
    spoken = noise(800, seed=5)

    async def story() -> None:
        async with talking(tmp_path, call, "Set.", beside={"read aloud": Say("", spoken)}) as (user, server):
            with sound.record() as recorder:
                await ask(user, "Wake me in a second.", "Set.")
                began_s = time.monotonic()
                await user.until_told("tea")
                await user.until(lambda: asked_beside(server, "read aloud"), "the reminder is to be said")
                (params,) = asked_beside(server, "read aloud")
                assert params.input == []
                assert params.tools == []
                assert params.output_modalities == ["audio"]
                assert "Your 1 second timer for tea is over." in str(params.instructions)
                heard_s = await asyncio.to_thread(recorder.wait_for_sound, began_s, 5)
                assert heard_s - began_s < 3
                await asyncio.to_thread(recorder.wait_for_silence, 0.5)
            assert len(user.entries()) == 3, "question, call and answer: the reminder is beside them"

    run_async(story(), deadline_s=30)


# --- beside the conversation --------------------------------------------------------------------


def test_after_the_second_turn_the_conversation_has_a_title(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path, "Four.", "Nine.", beside={"title": '"Squares of two and three." | Sums'}) as (
            user,
            server,
        ):
            await ask(user, "Two squared?", "Four.")
            assert not asked_beside(server, "title")
            await ask(user, "Three squared?", "Nine.")
            await user.until(lambda: "Squares of two and three" in user.window.windowTitle(), "the title")
            (params,) = asked_beside(server, "title")
            assert (params.output_modalities, params.input) == (["text"], UNSET)
            assert user.window._topic.text() == "Sums"
            assert len(user.entries()) == 4, "it stands nowhere in the conversation"

    run_async(story(), deadline_s=30)


def test_summaries_and_replies_stand_beside_the_conversation(run_async: RunAsync, tmp_path: Path) -> None:
    beside: dict[str, str | Say] = {"summary": "They spoke of squares.", "replies": "Three?\nFour?\nWhy?"}

    async def story() -> None:
        async with talking(tmp_path, "Four.", beside=beside) as (user, server):
            user.window.summary_asked.emit()
            await user.until_told("Nothing was said yet.")
            assert not user.cards(AsideKind.SUMMARY)
            await ask(user, "Two squared?", "Four.")
            user.window.summary_asked.emit()
            user.window.replies_asked.emit()
            await user.until(
                lambda: all(
                    cards and cards[0].state.done
                    for cards in (user.cards(AsideKind.SUMMARY), user.cards(AsideKind.REPLIES))
                ),
                "both cards",
            )
            assert user.cards(AsideKind.SUMMARY)[0].text_label.text() == "They spoke of squares."
            user.cards(AsideKind.REPLIES)[0].reply_chosen.emit("Four?")
            assert user.composer.text == "Four?"
            for purpose in ("summary", "replies"):
                (params,) = asked_beside(server, purpose)
                assert (params.output_modalities, params.tools) == (["text"], [])
            assert len(user.entries()) == 2

    run_async(story(), deadline_s=30)


def test_a_question_about_these_only(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path, "Ada.", "Blue.", beside={"about": "Just Ada."}) as (user, server):
            first = await ask(user, "Who wrote it?", "Ada.")
            await ask(user, "Which colour?", "Blue.")
            user.composer.ask_about((first.item_id,))
            user.types("What was said?")
            await user.until(lambda: (c := user.cards(AsideKind.ABOUT)) and c[0].state.done, "the answer's card")
            assert user.cards(AsideKind.ABOUT)[0].text_label.text() == "Just Ada."
            (params,) = asked_beside(server, "about")
            assert isinstance(params.input, list)
            reference, question = params.input
            assert (reference.type, reference.id) == ("item_reference", first.item_id)
            assert question.words == "What was said?"
            assert len(user.entries()) == 4

    run_async(story(), deadline_s=30)


@pytest.mark.sound
def test_read_aloud_says_exactly_that(run_async: RunAsync, tmp_path: Path, sound: VirtualSound) -> None:
    async def story() -> None:
        beside: dict[str, str | Say] = {"read aloud": Say("", noise(600, seed=9))}
        async with talking(tmp_path, "It is «so»: 12:30.", beside=beside) as (user, server):
            await ask(user, "When?", "It is")
            with sound.record() as recorder:
                began_s = time.monotonic()
                user.window.read_aloud_asked.emit("It is «so»: 12:30.")
                await asyncio.to_thread(recorder.wait_for_sound, began_s, 5)
                await asyncio.to_thread(recorder.wait_for_silence, 0.5)
            (params,) = asked_beside(server, "read aloud")
            assert str(params.instructions).endswith(": It is «so»: 12:30.")
            assert not server.events(wire.ConversationItemTruncate)

    run_async(story(), deadline_s=30)


# --- what was said ------------------------------------------------------------------------------


def test_forget_and_edit_and_send_again(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path, "One.", "Two.", "Three.", "Other.") as (user, server):
            await ask(user, "first", "One.")
            second = await ask(user, "second", "Two.")
            third = await ask(user, "third", "Three.")
            user.window.forget_asked.emit((second.item_id,))
            await user.until(lambda: "Two." not in user.texts(), "it is forgotten")
            await user.until(lambda: server.events(wire.ConversationItemDelete), "the server is told")
            assert [event.item_id for event in server.events(wire.ConversationItemDelete)] == [second.item_id]
            typed = {entry.text: entry.item_id for entry in user.entries(Role.USER)}
            user.composer.edit(typed["second"], "second")
            user.composer._replace_all("another")
            user.composer.send()
            await user.sees("Other.")
            assert user.texts() == ["first", "One.", "another", "Other."]
            deleted = {event.item_id for event in server.events(wire.ConversationItemDelete)}
            assert deleted == {second.item_id, third.item_id, typed["second"], typed["third"]}

    run_async(story(), deadline_s=30)


@pytest.mark.sound
def test_an_interrupted_answer_says_the_rest(run_async: RunAsync, tmp_path: Path, sound: VirtualSound) -> None:
    words = "The sea is deep and wide and most of it was never seen by anybody at all."

    async def story() -> None:
        first = Say(words, noise(4000, seed=4), goes_on=True)
        async with talking(tmp_path, first, Say("…by anybody.", noise(300, seed=6))) as (user, server):
            await ask(user, "Tell me of the sea.", "The sea")
            await user.until(user.window._stop.isEnabled, "there is something to stop")
            await asyncio.sleep(0.8)
            user.window.stop_pressed.emit()
            await user.until(lambda: user.entries()[-1].status is EntryStatus.INTERRUPTED, "it is marked")
            entry = user.entries()[-1]
            assert entry.action is EntryAction.SAY_THE_REST
            assert entry.heard_chars is not None
            assert 0 < entry.heard_chars < len(words)
            await user.until(lambda: server.events(wire.ConversationItemTruncate), "the server is told")
            assert server.kinds()[-2:] == [wire.ResponseCancel, wire.ConversationItemTruncate]
            user.window.action_asked.emit(entry.item_id, EntryAction.SAY_THE_REST)
            await user.sees("…by anybody.")
            rest = asked(server)[-1]
            unheard = words[entry.heard_chars :].strip()
            assert unheard.split()[-1].strip(".") in str(rest.instructions) + str(created_items(server)[-1].words)

    run_async(story(), deadline_s=30)


def test_what_the_server_heard_can_be_saved(
    run_async: RunAsync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pcm = noise(500, seed=8)
    with wave.open(str(tmp_path / "said.wav"), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(pcm)
    saved = tmp_path / "heard.wav"
    monkeypatch.setattr(composition, "ask_where_to_save", lambda _parent, _title, _name, chosen: chosen(saved))

    async def story() -> None:
        async with talking(tmp_path / "profile", "I heard.") as (user, server):
            user.drops(tmp_path / "said.wav")
            await user.until(lambda: user.composer.recordings, "the sound file above the line")
            user.types("")
            await user.sees("I heard.")
            (said,) = user.entries(Role.USER)
            user.window.server_copy_asked.emit(said.item_id)
            await user.until(saved.exists, "the file")
            assert [event.item_id for event in server.events(wire.ConversationItemRetrieve)] == [said.item_id]

    run_async(story(), deadline_s=30)
    with wave.open(str(saved)) as file:
        assert file.readframes(file.getnframes()) == pcm


@pytest.mark.sound
def test_another_voice_goes_on_in_a_new_session_with_the_same_conversation(
    run_async: RunAsync, tmp_path: Path, sound: VirtualSound
) -> None:
    replies = [Say("I am Marin.", noise(300, seed=1)), Say("I am Cedar.", noise(300, seed=2))]

    async def story() -> None:
        async with talking(tmp_path, *replies) as (user, server):
            await ask(user, "Who are you?", "I am Marin.")
            before = user.texts()
            user.window.voice_chosen.emit("cedar")
            await user.until(lambda: goes_on_in(server, 1), "a second session that was told what was said")
            assert user.texts() == before, "the transcript goes on unbroken"
            await ask(user, "And who are you?", "I am Cedar.")
            assert user.texts() == [*before, "And who are you?", "I am Cedar."]
            second = [r.event for r in server.received if r.connection == 1]
            voices = [e.session.voice for e in second if isinstance(e, wire.SessionUpdate) and e.session.voice]
            assert voices == ["cedar"]
            replayed = [e.item for e in second if isinstance(e, wire.ConversationItemCreate)]
            assert [(i.role, i.parts[0].type, i.words) for i in replayed] == [
                ("user", "input_text", "Who are you?"),
                ("assistant", "output_text", "I am Marin."),
                ("user", "input_text", "And who are you?"),
            ]

    run_async(story(), deadline_s=30)
    assert json.loads((tmp_path / "settings.json").read_text())["voices"], "the next start has this voice"


def test_a_voice_of_the_users_own(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path) as (user, server):
            user.window.voice_chosen.emit("voice_1234")
            await user.until(
                lambda: server.events(wire.SessionUpdate)[-1].session.voice == "voice_1234", "it is sent"
            )
            sent = json.loads(server.frames[-1])["session"]["audio"]["output"]["voice"]
            assert sent == {"id": "voice_1234"}

    run_async(story(), deadline_s=30)


def test_a_refused_setting_goes_back_and_the_rest_is_applied(run_async: RunAsync, tmp_path: Path) -> None:
    mind = Mind("Fine.", beside={"title": "x"})
    mind.refuses = {"truncation": "this model does not truncate so"}

    async def story() -> None:
        keep(tmp_path, {"answers": {"truncation": "disabled", "max_tokens": 300}})
        async with ScriptedServer(mind) as server, program(tmp_path, server.url) as user:
            await user.sees_online()
            notice = await user.until_told("truncation")
            assert "does not truncate" in notice.text
            await ask(user, "All right?", "Fine.")
            assert mind._session.max_output_tokens == 300
            mind.check()

    run_async(story(), deadline_s=30)


def test_settings_apply_at_once_where_they_can(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path, "Aye.") as (user, server):
            change = user.window.settings.setting_changed.emit
            before = len(server.events(wire.SessionUpdate))
            change("connection.instructions", "Speak like a pirate.")
            change("answers.modality", "text")
            change("answers.speed", 1.25)
            change("answers.reasoning_effort", "high")
            await user.until(lambda: len(server.events(wire.SessionUpdate)) >= before + 4, "four updates")
            sent = [event.session for event in server.events(wire.SessionUpdate)[before:]]
            assert [session.instructions for session in sent if session.instructions] == ["Speak like a pirate."]
            assert [session.output_modalities for session in sent if session.output_modalities] == [["text"]]
            assert [r.effort for session in sent if (r := session.reasoning)] == ["high"]
            await ask(user, "Ready?", "Aye.")

            change("connection.model", "gpt-realtime-1.5")
            await user.until(lambda: goes_on_in(server, 1), "another model takes another session")
            assert "model=gpt-realtime-1.5" in server.requests[1].path
            second = [r.event for r in server.received if r.connection == 1]
            sessions = [event.session for event in second if isinstance(event, wire.SessionUpdate)]
            assert all(session.reasoning is UNSET for session in sessions), "it does not reason"
            assert sessions[0].instructions == "Speak like a pirate."
            assert user.texts() == ["Ready?", "Aye."]

    run_async(story(), deadline_s=30)
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert kept["connection"]["model"] == "gpt-realtime-1.5"
    assert kept["answers"]["speed"] == 1.25


@pytest.mark.sound
def test_how_a_voice_sounds(run_async: RunAsync, tmp_path: Path, sound: VirtualSound) -> None:
    async def story() -> None:
        beside: dict[str, str | Say] = {"sample": Say("", noise(500, seed=3))}
        async with talking(tmp_path, beside=beside) as (user, server):
            with sound.record() as recorder:
                began_s = time.monotonic()
                user.window.settings.voice_sample_asked.emit("cedar")
                await asyncio.to_thread(recorder.wait_for_sound, began_s, 5)
                await asyncio.to_thread(recorder.wait_for_silence, 0.3)
            (params,) = asked_beside(server, "sample")
            assert params.audio.output.voice == "cedar"  # type: ignore[union-attr]
            assert not user.entries()

    run_async(story(), deadline_s=30)


@pytest.mark.sound
def test_hands_free_streams_mutes_and_answers_when_asked(
    run_async: RunAsync, tmp_path: Path, sound: VirtualSound
) -> None:
    async def story() -> None:
        async with talking(tmp_path, Say("Gladly.")) as (user, server):
            user.window.mode_chosen.emit("manual")
            await user.until(lambda: detections(server)[-1], "the server listens for turns")
            assert detections(server)[-1] == ServerVad(
                threshold=0.5,
                prefix_padding_ms=300,
                silence_duration_ms=500,
                idle_timeout_ms=None,
                create_response=False,
                interrupt_response=False,
            )
            await user.until(lambda: len(server.events(wire.InputAudioBufferAppend)) > 5, "the microphone is open")
            await asyncio.to_thread(sound.play, noise(400, seed=2))
            await user.until(lambda: np.abs(last_appended(server, 20)).max() > 1000, "what is said arrives")
            user.window.muted_chosen.emit(True)
            await user.until(lambda: not last_appended(server, 10).any(), "only silence is sent")
            user.window.answer_asked.emit()
            await user.sees("Gladly.")
            user.window.mode_chosen.emit("talk")
            await user.until(lambda: detections(server)[-1] is None, "push to talk again")
            await asyncio.sleep(0.3)
            sent = len(server.events(wire.InputAudioBufferAppend))
            await asyncio.sleep(0.3)
            assert len(server.events(wire.InputAudioBufferAppend)) == sent, "the microphone is closed"

    run_async(story(), deadline_s=30)


def detections(server: ScriptedServer) -> list[object]:
    """Return what turn detection was asked for, one after the other."""
    inputs = [u.session.audio.input for u in server.events(wire.SessionUpdate) if u.session.audio]
    return [each.turn_detection for each in inputs if each and each.turn_detection is not UNSET]


def last_appended(server: ScriptedServer, blocks: int) -> Any:
    """Return the samples that came last."""
    audio = b"".join(event.audio for event in server.events(wire.InputAudioBufferAppend)[-blocks:])
    return np.frombuffer(audio, "<i2").astype(int)


# --- money and the connection -------------------------------------------------------------------

USAGE = wire.Usage(
    total_tokens=30_000,
    input_tokens=20_000,
    output_tokens=10_000,
    input_token_details=wire.InputTokenDetails(
        text_tokens=12_000,
        audio_tokens=8_000,
        image_tokens=0,
        cached_tokens=4_000,
        cached_tokens_details=wire.TokensByModality(text_tokens=4_000, audio_tokens=0, image_tokens=0),
    ),
    output_token_details=wire.OutputTokenDetails(text_tokens=2_000, audio_tokens=8_000),
)


def test_what_it_costs_and_a_budget_that_asks(run_async: RunAsync, tmp_path: Path) -> None:
    dear = [Say("Dear.", usage=USAGE), Say("Dearer.", usage=USAGE)]

    async def story() -> None:
        async with talking(tmp_path, *dear, settings={"costs": {"budget_usd": 0.3}}) as (user, server):
            entry = await ask(user, "How much?", "Dear.")
            await user.until(lambda: user.cost_of(entry.item_id), "what the answer cost")
            cost = user.cost_of(entry.item_id)
            total, *split = cost.split("\n")
            assert total.startswith("$0.")
            assert any("text in" in line for line in split)
            assert "$0." in user.window._spending.text()
            user.types("Once more?")
            notice = await user.until_told("budget")
            assert notice.action is NoticeAction.SPEND_ON
            assert len(asked(server)) == 1, "nothing more is asked"
            assert user.composer.text == "Once more?", "and nothing is lost"
            user.acts_on(notice)
            user.composer.send()
            await user.sees("Dearer.")

    run_async(story(), deadline_s=30)
    spending = json.loads((tmp_path / "spending.json").read_text())
    assert len(spending["days"]) == 1
    assert float(next(iter(spending["days"].values()))["usd"]) > 0.3


def test_a_failed_answer_says_why_and_can_be_asked_for_again(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        refused = Refuse("server_error", "The model tripped over.")
        async with talking(tmp_path, refused, "Now it works.") as (user, server):
            user.types("Anybody?")
            await user.until(lambda: user.entries(Role.ASSISTANT), "the failed answer's row")
            (row,) = user.entries(Role.ASSISTANT)
            assert (row.status, row.action) == (EntryStatus.FAILED, EntryAction.RETRY)
            assert "tripped over" in row.remark
            user.window.action_asked.emit(row.item_id, EntryAction.RETRY)
            await user.sees("Now it works.")
            assert len(asked(server)) == 2

    run_async(story(), deadline_s=30)


def test_the_connection_is_known(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path, "Yes.") as (user, _):
            await ask(user, "There?", "Yes.")
            panel = user.window.findChild(ConnectionPanel)
            assert panel is not None
            await user.until(lambda: panel._info.limits, "what is left of the limits")
            assert limit_words(panel._info.limits[0]).startswith("997 of 1,000 left")
            facts = dict(panel.facts)
            assert (facts["Session"], facts["Model"]) == ("sess_1", "gpt-realtime-2.1")
            assert facts["Ends"] in ("in 60 min", "in 59 min")

    run_async(story(), deadline_s=30)


# --- MCP ----------------------------------------------------------------------------------------


def mcp(**servers: dict[str, Any]) -> dict[str, Any]:
    """Return settings with MCP servers, in the shape other programs use."""
    return {"tools": {"mcp": json.dumps({"mcpServers": servers})}}


def test_an_mcp_server_is_called_after_a_yes_and_a_stall_is_told_in_time(
    run_async: RunAsync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "Toolbox", partial(Toolbox, timeout_s=1.0))
    keep(tmp_path, mcp(test={"command": sys.executable, "args": [str(MCP_SERVER), "stdio"]}))
    mind = Mind(beside={"title": "x"})

    async def story() -> None:
        async with ScriptedServer(mind) as server, program(tmp_path, server.url) as user:

            def offered(tool: str) -> list[str]:
                return [name for name in tools_offered(server) if name.endswith(tool)]

            await user.until(lambda: offered("add"), "the tools of the MCP server", 30)
            for call in (Call(offered("add")[0], '{"a": 40, "b": 2}'), Call(offered("stalls")[0])):
                mind.will_say((call,), f"I called {call.name}.")
                user.types("Call it.")
                question = await user.asked()
                assert question.consent.tool == call.name
                await user.answers("Allow")
                began_s = time.monotonic()
                await user.until(lambda: user.window._turn is not Turn.IDLE, "something is being done")
                await user.sees(f"I called {call.name}.")
                assert time.monotonic() - began_s < 5
            sum_, stalled = created_items(server, "function_call_output")
            assert "42" in str(sum_.output)
            assert "1 s" in str(stalled.output)
            assert [row.status for row in user.entries(Role.TOOL)] == [EntryStatus.COMPLETED, EntryStatus.FAILED]
        mind.check()

    run_async(story(), deadline_s=60)


def test_a_remote_mcp_server_is_the_services_to_call_after_a_yes(run_async: RunAsync, tmp_path: Path) -> None:
    remote = mcp(docs={"url": "https://docs.example/mcp", "remote": True})
    search = AskApproval("docs", "search", '{"query": "tides"}')
    replies = (search, "High at noon.", search, "Low at six.", search, "A little later.")

    async def story() -> None:
        async with talking(tmp_path, *replies, settings=remote) as (user, server):
            sessions = [event.session for event in server.events(wire.SessionUpdate)]
            tools = [tool for session in sessions for tool in session.tools or []]
            assert {tool.server_url for tool in tools if tool.type == "mcp"} == {"https://docs.example/mcp"}
            user.types("When is high tide?")
            question = await user.asked()
            assert (question.consent.server, question.consent.tool) == ("docs", "search")
            assert "tides" in question.consent.arguments
            await user.answers("Allow")
            await user.sees("High at noon.")
            (yes,) = created_items(server, "mcp_approval_response")
            assert yes.approve is True

            user.types("And low tide?")
            await user.answers("Always")
            await user.sees("Low at six.")
            user.types("And tomorrow?")
            await user.sees("A little later.")  # without another question
        async with talking(tmp_path, search, "As ever.") as (user, _):
            await ask(user, "High tide?", "As ever.")  # always is for the next start as well
        async with talking(tmp_path, search, "Fine.") as (user, server):
            user.window.settings.tool_trusted.emit("docs/search", False)
            user.types("High tide?")
            await user.answers("Allow")  # and is taken back in the settings
            await user.sees("Fine.")

            user.window.settings.setting_changed.emit("tools.mcp", "")
            await user.until(lambda: all(tools_offered(server)), "it is taken out")
            assert "get_local_time" in tools_offered(server)

    run_async(story(), deadline_s=30)


def test_keys_in_a_pasted_list_of_mcp_servers_are_written_nowhere(run_async: RunAsync, tmp_path: Path) -> None:
    secret = "tell-nobody-0123456789"
    env = {"PARLEY_TEST_TOKEN": secret, "PARLEY_TEST_PORT": "80"}
    pasted = mcp(test={"command": sys.executable, "args": [str(MCP_SERVER), "stdio"], "env": env})["tools"]["mcp"]

    async def story() -> None:
        async with talking(tmp_path, (Call("test__environment"),), "It is there.") as (user, server):
            user.window.settings.setting_changed.emit("tools.mcp", pasted)
            notice = await user.until_told("PARLEY_TEST_TOKEN")
            assert "not written down" in notice.text
            assert "environment" in notice.hint
            await user.until(lambda: "test__environment" in tools_offered(server), "the server's tools", 30)
            user.types("Is it there?")
            await user.answers("Allow")
            await user.sees("It is there.")
            (output,) = created_items(server, "function_call_output")
            assert "PARLEY_TEST_TOKEN" in str(output.output), "the server has its key"
            assert secret not in str(output.output), "and nobody else learns it"
            user.window.settings.setting_changed.emit("answers.speed", 1.1)
        async with talking(tmp_path, "Fine.") as (user, _):
            notice = await user.until_told("«test»")
            assert "PARLEY_TEST_TOKEN" in notice.text
            await ask(user, "And otherwise?", "Fine.")

    run_async(story(), deadline_s=90)
    kept = (tmp_path / "settings.json").read_text("utf-8")
    assert "${PARLEY_TEST_TOKEN}" in kept
    assert '\\"80\\"' in kept
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_keys_that_somebody_wrote_into_the_settings_are_told(run_async: RunAsync, tmp_path: Path) -> None:
    open_ = mcp(wiki={"url": "https://127.0.0.1:9/mcp", "headers": {"X-Api-Key": "0123456789abcdef"}})

    async def story() -> None:
        async with talking(tmp_path, settings=open_) as (user, _):
            notice = await user.until_told("everybody can read")
            assert "X_API_KEY" in notice.text
            user.window.settings.setting_changed.emit("tools.mcp", open_["tools"]["mcp"])
            await user.until_told("not written down")

    run_async(story(), deadline_s=60)
    assert "0123456789abcdef" not in (tmp_path / "settings.json").read_text("utf-8")


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_a_list_of_mcp_servers_that_is_none_is_not_saved(run_async: RunAsync, tmp_path: Path) -> None:
    async def story() -> None:
        async with talking(tmp_path) as (user, _):
            user.window.settings.open()
            user.window.settings.setting_changed.emit("tools.mcp", '{"mcpServers": {"x": {}}}')
            pane = user.window.findChild(McpPane)
            assert pane is not None
            assert "needs a command or a url" in pane._problem.text().replace("\u200b", "")
            assert not user.running._preferences.settings.tools.mcp

    run_async(story(), deadline_s=30)


def test_an_mcp_server_that_never_answers_is_told_and_typing_works(
    run_async: RunAsync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "McpServers", partial(McpServers, ready_within_s=0.7))
    silent = {"command": sys.executable, "args": ["-c", "import time; time.sleep(600)"]}

    async def story() -> None:
        async with talking(tmp_path, "Of course.", settings=mcp(mute=silent)) as (user, _):
            await ask(user, "Can you hear me meanwhile?", "Of course.")
            notice = await user.until_told("mute")
            assert "conversation goes on" in notice.hint

    run_async(story(), deadline_s=60)


@pytest.mark.parametrize("text", ["{", '{"mcpServers": {"x": {}}}', "[]"])
def test_an_mcp_configuration_that_is_none_is_a_sentence(run_async: RunAsync, tmp_path: Path, text: str) -> None:
    async def story() -> None:
        async with talking(tmp_path, "Of course.", settings={"tools": {"mcp": text}}) as (user, _):
            await user.until(lambda: any(n.key == "mcp" for n in user.notices()), "a word about it")
            await ask(user, "And now?", "Of course.")

    run_async(story(), deadline_s=30)
