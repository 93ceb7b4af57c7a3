"""Export and import: nothing is lost on the way out and in, and nothing bad comes in."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.conversation.entries import Entry, EntryStatus, Role, ToolUse
from desktop_app.conversation.past import ExportForm, PastConversation, PastEntry
from desktop_app.errors import HistoryError
from desktop_app.history import exchange
from desktop_app.history.store import Sound, Whole
from tests.history.entries import FULL, ODD_PICTURE, PICTURE, said

ABOUT = PastConversation(5, 1_700_000_000.25, 1_700_000_060.5, "Title", "topic", opening="words of a", pinned=True)
CUT = Entry("b", Role.ASSISTANT, "It was Vermeer.", EntryStatus.INTERRUPTED, heard_chars=6, heard_ms=900)
MINE = replace(FULL, images=(PICTURE, ODD_PICTURE), action=None)
WHOLE = Whole(
    ABOUT,
    [PastEntry(said("a"), 1_700_000_000.25), PastEntry(CUT, 1_700_000_030.125), PastEntry(MINE, 1_700_000_060.5)],
    {"a": Sound("a", "opus", 1200, b"OggS and so on"), "b": Sound("b", "opus", 900, b"OggS more")},
)


def come_back(whole: Whole) -> Whole:
    """Return what is the same of a conversation that was taken in."""
    return Whole(replace(whole.about, number=5, opening="words of a"), whole.entries, whole.sounds)


# --- out and in ---------------------------------------------------------------------------------


def test_json_comes_back_as_it_was_but_for_the_sound(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    exchange.write(WHOLE, ExportForm.JSON, path)
    assert come_back(exchange.read(path)) == Whole(ABOUT, WHOLE.entries)
    assert json.loads(path.read_text("utf-8"))["version"] == 1


def test_a_folder_has_everything_and_comes_back(tmp_path: Path) -> None:
    exchange.write(WHOLE, ExportForm.FOLDER, tmp_path / "x")
    names = sorted(str(path.relative_to(tmp_path / "x")) for path in (tmp_path / "x").rglob("*") if path.is_file())
    assert names == ["conversation.json", "conversation.md", "pictures/001.png", "sound/001.opus", "sound/002.opus"]
    assert (tmp_path / "x/pictures/001.png").read_bytes() == b"\x89PNG\r\n\x1a\n"
    text = (tmp_path / "x/conversation.md").read_text("utf-8")
    assert "![picture](pictures/001.png)" in text
    assert "[sound](sound/002.opus)" in text
    back = come_back(exchange.read(tmp_path / "x/conversation.json"))
    assert back.entries == WHOLE.entries
    assert {item_id: sound.data for item_id, sound in back.sounds.items()} == {
        "a": b"OggS and so on",
        "b": b"OggS more",
    }
    assert sys.platform == "win32" or stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o755


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    exchange.write(WHOLE, ExportForm.FOLDER, tmp_path / "x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(HistoryError, match="there already"):
        exchange.write(WHOLE, ExportForm.FOLDER, tmp_path / "x")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("form", ExportForm)
@pytest.mark.parametrize("name", ["file/x", "\0"])
def test_a_place_that_cannot_be_is_a_sentence(tmp_path: Path, form: ExportForm, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(HistoryError, match="could not be written") as caught:
        exchange.write(WHOLE, form, tmp_path / name)
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- Markdown -----------------------------------------------------------------------------------


def test_markdown_reads_well(tmp_path: Path) -> None:
    exchange.write(WHOLE, ExportForm.MARKDOWN, tmp_path / "x.md")
    lines = (tmp_path / "x.md").read_text("utf-8").splitlines()
    assert lines[0] == "# Title"
    assert lines[2].startswith("*topic · 2023-11-1")
    assert "words of a" in lines
    assert "It was **[interrupted; not heard:]** Vermeer." in lines
    assert '```\n{"q": "x"}\n```\n\n```\nfound\n```' in "\n".join(lines)
    assert "*(2 pictures)*" in lines


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<script>x</script>", "&lt;script>x&lt;/script>"),
        ("![x](https://evil.example/a.png)", "!\\[x](https://evil.example/a.png)"),
        ("1 < 2", "1 < 2"),
        ("```\n<b> ![x]\n```\n<b>", "```\n<b> ![x]\n```\n&lt;b>"),
        ("```html\n<b>", "```html\n<b>\n```"),
        ("````\n```\n<b>\n````", "````\n```\n<b>\n````"),
    ],
)
def test_what_was_said_shows_no_html_loads_nothing_and_leaves_no_code_open(text: str, written: str) -> None:
    whole = Whole(ABOUT, [PastEntry(said("a", text), 0.0), PastEntry(said("b"), 0.0)])
    assert f"\n\n{written}\n\n**You**" in exchange.markdown(whole)


def test_the_output_of_a_tool_stays_in_its_fence() -> None:
    use = ToolUse("c", "run`me", "", output="````\n# x")
    text = exchange.markdown(Whole(ABOUT, [PastEntry(Entry("t", Role.TOOL, tool=use), 0.0)]))
    assert "`run me`\n\n`````\n````\n# x\n`````" in text


# --- what must not come in ----------------------------------------------------------------------


def changed(tmp_path: Path, change: Callable[[Any], object]) -> Path:
    """Return an exported file in which something was changed."""
    path = tmp_path / "x.json"
    exchange.write(WHOLE, ExportForm.JSON, path)
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c.update(version=2), "newer Parley"),
        (lambda c: c.update(format="chat"), "another program"),
        (lambda c: c.update(version="1"), "something else"),
        (lambda c: c.pop("title"), "not as it should be"),
        (lambda c: c.update(entries=[]), "nothing was said"),
        (lambda c: c["entries"].append(c["entries"][0]), "not told apart"),
        (lambda c: c["entries"][0]["entry"].update(item_id=""), "not told apart"),
        (lambda c: c["entries"][0]["entry"].update(item_id="x" * 200), "not told apart"),
        (lambda c: c["entries"][0].update(at=1e300), "times"),
        (lambda c: c["entries"][0].update(at=-5), "times"),
        (lambda c: c.update(began_at=float("nan")), "not JSON|not as it should|times"),
        (lambda c: c["entries"][0]["entry"].update(role="king"), "not as it should be"),
        (lambda c: c["entries"][0]["entry"].update(text=5), "not as it should be"),
        (lambda c: c["entries"][0]["entry"].update(text="x" * 300_000), "entry in it"),
        (lambda c: c["entries"][0]["entry"].update(heard_chars=-1), "entry in it"),
        (lambda c: c["entries"][0]["entry"].update(heard_ms=10**30), "entry in it|not as it should"),
        (lambda c: c["entries"][0]["entry"].update(images=["data:image/png;base64,AA"] * 99), "entry in it"),
        (lambda c: c["entries"][0]["entry"].update(tool=c["entries"][2]["entry"]["tool"]), "entry in it"),
    ],
)
def test_what_is_no_conversation_of_ours_is_a_sentence(
    tmp_path: Path, change: Callable[[Any], object], why: str
) -> None:
    with pytest.raises(HistoryError, match=why) as caught:
        exchange.read(changed(tmp_path, change))
    assert "«x.json»" in caught.value.sentence
    assert caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"[]", b"null", b'{"format": ', b"[" * 100_000, b"PK\x03\x04", b"{}" * 5]
)
def test_what_is_no_json_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a\nb.json"
    path.write_bytes(content)
    with pytest.raises(HistoryError) as caught:
        exchange.read(path)
    assert "\n" not in caught.value.sentence


@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_more_than_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "x.json"
    path.write_bytes(content)
    with pytest.raises(HistoryError):
        exchange.read(path)


def test_what_is_no_file_or_too_large_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path, tmp_path / "none", Path("\0")):
        with pytest.raises(HistoryError):
            exchange.read(path)
    path = changed(tmp_path, lambda c: None)
    monkeypatch.setattr(exchange, "MAX_BYTES", 10)
    with pytest.raises(HistoryError, match="too large"):
        exchange.read(path)


@pytest.mark.parametrize(
    "name", ["../../secret.opus", "/etc/passwd", "sound/../x.opus", "sound/1.exe", "sound/9.opus"]
)
def test_sound_comes_from_its_own_folder_only(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path.parent / "secret.opus").write_bytes(b"secret")
    path = changed(tmp_path / "in", lambda c: c["entries"][0].update(sound=name))
    assert exchange.read(path).sounds == {}


def test_buttons_and_pictures_of_elsewhere_do_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    exchange.write(Whole(ABOUT, [PastEntry(FULL, 1.0)]), ExportForm.JSON, path)
    images = (PICTURE, ODD_PICTURE, PICTURE)
    assert exchange.read(path).entries[0].entry == replace(FULL, images=images, action=None)


def test_a_mark_at_the_beginning_and_members_of_later_versions_do_no_harm(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda c: (c.update(colour="red"), c["entries"][0]["entry"].update(mood="fine")))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(exchange.read(path).entries) == 3
