"""What is kept of how turns sounded: what was sent of them, and what was heard."""

from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path

import pytest
import soundfile

from desktop_app.conversation.effects import Connect, ConnectNext, Effect, Play, Send, SendNext, SwitchOver
from desktop_app.conversation.entries import Entry, EntryStatus, Role
from desktop_app.conversation.inputs import Heard, Input, PlaybackFinished, PlaybackStopped, Received
from desktop_app.conversation.past import ExportForm
from desktop_app.history import sounds as module
from desktop_app.history.history import History
from desktop_app.history.sounds import BYTES_PER_MS, Sounds, encoded
from desktop_app.history.store import Sound
from desktop_app.protocol.events import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
)
from desktop_app.protocol.items import ContentPart, Item, PartId, user_message
from desktop_app.tasks import end_tasks
from tests.history.entries import said


def pcm(ms: int, value: int) -> bytes:
    """Return so much of a sound that can be told from others."""
    return bytes([value, 1]) * (ms * BYTES_PER_MS // 2)


def sent(ms: int, value: int) -> Send:
    """Return audio being sent."""
    return Send(InputAudioBufferAppend(audio=pcm(ms, value)))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the samples as they are."""
    monkeypatch.setattr(module, "encoded", b"".join)


async def heard_of(*seen: Input | Effect) -> dict[str, bytes]:
    """Return what is kept of a story, by item id."""
    kept: list[Sound] = []
    sounds = Sounds(kept.append)
    for one in seen:
        sounds.witness(one)
    async with asyncio.timeout(30):
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - the tasks are not ours
            await asyncio.sleep(0.005)
    assert all(sound.ms == len(sound.data) // BYTES_PER_MS for sound in kept)
    return {sound.item_id: sound.data for sound in kept}


@pytest.mark.usefixtures("plain")
async def test_a_turn_by_the_talk_key_is_what_was_sent_since_the_last_one() -> None:
    kept = await heard_of(
        Connect(),
        sent(100, 1),
        Send(InputAudioBufferClear()),
        sent(20, 2),
        sent(40, 3),
        Send(InputAudioBufferCommit()),
        sent(60, 4),
        Send(InputAudioBufferCommit()),
        Received(InputAudioBufferCommitted(item_id="a")),
        Received(InputAudioBufferCommitted(item_id="b")),
        Received(InputAudioBufferCommitted(item_id="c")),
    )
    assert kept == {"a": pcm(20, 2) + pcm(40, 3), "b": pcm(60, 4)}


@pytest.mark.usefixtures("plain")
async def test_a_turn_the_server_found_is_what_lies_between_its_times() -> None:
    kept = await heard_of(
        Connect(),
        *(sent(20, n) for n in range(100)),
        Received(InputAudioBufferSpeechStarted(item_id="a", audio_start_ms=390)),
        Received(InputAudioBufferSpeechStopped(item_id="a", audio_end_ms=450)),
        Received(InputAudioBufferCommitted(item_id="a")),
        Received(InputAudioBufferSpeechStarted(item_id="b", audio_start_ms=1990)),
        sent(20, 100),
        Received(InputAudioBufferCommitted(item_id="b")),
        Received(InputAudioBufferSpeechStarted(item_id="c", audio_start_ms=99_999_999)),
        Received(InputAudioBufferCommitted(item_id="c")),
    )
    assert kept == {
        "a": pcm(10, 19) + pcm(20, 20) + pcm(20, 21) + pcm(10, 22),
        "b": pcm(10, 99) + pcm(20, 100),
    }


@pytest.mark.usefixtures("plain")
async def test_each_session_counts_from_its_own_beginning() -> None:
    kept = await heard_of(
        Connect(),
        sent(500, 1),
        ConnectNext(),
        SendNext(InputAudioBufferAppend(audio=pcm(40, 2))),
        sent(500, 1),
        SwitchOver(),
        sent(40, 3),
        Received(InputAudioBufferSpeechStarted(item_id="a", audio_start_ms=20)),
        Received(InputAudioBufferSpeechStopped(item_id="a", audio_end_ms=60)),
        Received(InputAudioBufferCommitted(item_id="a")),
        Connect(),
        sent(40, 4),
        Received(InputAudioBufferSpeechStarted(item_id="b", audio_start_ms=0)),
        Received(InputAudioBufferCommitted(item_id="b")),
    )
    assert kept == {"a": pcm(20, 2) + pcm(20, 3), "b": pcm(40, 4)}


@pytest.mark.usefixtures("plain")
async def test_times_of_a_session_whose_beginning_was_not_seen_mean_nothing() -> None:
    kept = await heard_of(
        sent(500, 1),
        Received(InputAudioBufferSpeechStarted(item_id="a", audio_start_ms=20)),
        Received(InputAudioBufferCommitted(item_id="a")),
        Send(InputAudioBufferCommit()),
        Received(InputAudioBufferCommitted(item_id="b")),
    )
    assert kept == {"b": pcm(500, 1)}


@pytest.mark.usefixtures("plain")
async def test_a_sound_file_is_kept_as_it_was_sent() -> None:
    item = Item(type="message", id="a", role="user", content=[ContentPart(type="input_audio", audio=pcm(50, 1))])
    kept = await heard_of(
        Send(ConversationItemCreate(item=item)), Send(ConversationItemCreate(item=user_message("b", "x", ())))
    )
    assert kept == {"a": pcm(50, 1)}


@pytest.mark.usefixtures("plain")
async def test_of_an_answer_what_was_heard_is_kept() -> None:
    first, second, third = PartId("a", 0), PartId("a", 1), PartId("b", 0)
    kept = await heard_of(
        Play(first, pcm(50, 1)), Play(first, pcm(50, 2)), PlaybackFinished(first),
        Play(second, pcm(100, 3)), Play(third, pcm(100, 4)), Play(PartId("c"), pcm(100, 5)),
        PlaybackStopped((Heard(second, 30), Heard(third, 0))), PlaybackFinished(PartId("c")),
    )  # fmt: skip
    assert kept == {"a": pcm(50, 1) + pcm(50, 2) + pcm(30, 3)}


@pytest.mark.usefixtures("plain")
async def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SENT_MS", 100)
    monkeypatch.setattr(module, "MAX_PLAYED_BYTES", 70 * BYTES_PER_MS)
    kept = await heard_of(
        *(sent(20, n) for n in range(50)),
        Send(InputAudioBufferCommit()),
        Received(InputAudioBufferCommitted(item_id="a")),
        Play(PartId("b"), pcm(100, 1)),
        PlaybackFinished(PartId("b")),
        *(Play(PartId(f"x{n}"), b"\1\2") for n in range(200)),
    )
    assert kept == {"a": b"".join(pcm(20, n) for n in range(45, 50)), "b": pcm(70, 1)}


def test_what_is_kept_can_be_played() -> None:
    sound = soundfile.SoundFile(BytesIO(encoded((pcm(500, 1), pcm(500, 9)))))
    assert (sound.samplerate, sound.channels, sound.frames) == (24_000, 1, 24_000)
    assert (sound.format, sound.subtype) == ("OGG", "OPUS")


async def test_sound_is_stored_with_its_entry_exported_and_deleted_with_the_conversation(tmp_path: Path) -> None:
    history = History(tmp_path / "profile")
    history.open()
    sounds = Sounds(history.keep_sound)
    history.keep(said("a"), None)
    history.keep(Entry("b", Role.ASSISTANT, "x", EntryStatus.COMPLETED), "a")
    for seen in (
        sent(300, 1), Send(InputAudioBufferCommit()), Received(InputAudioBufferCommitted(item_id="a")),
        Play(PartId("b"), pcm(200, 3)), PlaybackFinished(PartId("b")),
        Play(PartId("unknown"), pcm(200, 3)), PlaybackFinished(PartId("unknown")),
    ):  # fmt: skip
        sounds.witness(seen)
    history.begin()  # what ended the turn comes before its sound is encoded
    await sounds.close()
    await history.export(1, ExportForm.FOLDER, tmp_path / "x")
    files = sorted((tmp_path / "x/sound").iterdir())
    assert [path.name for path in files] == ["001.opus", "002.opus"]
    assert soundfile.info(files[0]).duration == pytest.approx(0.3)
    piece = files[0].read_bytes()[100:140]
    assert (
        piece
        in (tmp_path / "profile/history.sqlite3").read_bytes()
        + (tmp_path / "profile/history.sqlite3-wal").read_bytes()
    )
    await history.delete(1)
    left = b"".join(path.read_bytes() for path in (tmp_path / "profile").iterdir())
    assert piece not in left
    await history.close()
    await end_tasks()
