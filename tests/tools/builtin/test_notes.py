"""Notes: what is written stays in the folder, and no title leads out of it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from desktop_app.tools.builtin.notes import Notes
from tests.tools.running import error, question, use


async def test_a_note_is_a_markdown_file(tmp_path: Path) -> None:
    tools = Notes(tmp_path / "notes").tools()

    assert await use(tools, "create_note", title="Shopping list", text="- milk\n- eggs") == {
        "created": "Shopping list"
    }

    written = (tmp_path / "notes" / "Shopping list.md").read_text("utf-8")
    assert written == "# Shopping list\n\n- milk\n- eggs\n"
    assert await use(tools, "read_note", title="shopping-list") == written


async def test_a_note_is_added_to_and_made_if_there_is_none(tmp_path: Path) -> None:
    tools = Notes(tmp_path).tools()

    await use(tools, "append_to_note", title="Ideas", text="One")
    await use(tools, "append_to_note", title="ideas", text="Two")

    assert os.listdir(tmp_path) == ["Ideas.md"]
    assert (tmp_path / "Ideas.md").read_text("utf-8") == "# Ideas\n\nOne\n\nTwo\n"


async def test_parallel_additions_are_all_kept(tmp_path: Path) -> None:
    tools = Notes(tmp_path).tools()

    await asyncio.gather(*(use(tools, "append_to_note", title="Log", text=f"entry {n}") for n in range(20)))

    text = (tmp_path / "Log.md").read_text("utf-8")
    assert all(f"entry {n}\n" in text for n in range(20))


async def test_an_existing_note_is_not_overwritten(tmp_path: Path) -> None:
    tools = Notes(tmp_path).tools()
    await use(tools, "create_note", title="Ideas", text="One")

    assert "already" in await error(tools, "create_note", title="Ideas", text="Two")
    assert "One" in (tmp_path / "Ideas.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../escape", "escape.md"),
        ("/etc/passwd", "etc passwd.md"),
        ("..\\..\\escape", "escape.md"),
        ("C:\\Windows\\x", "C Windows x.md"),
        ("con", "Note con.md"),
        ("a\x00b\nc", "a b c.md"),
        (".hidden", "hidden.md"),
        ("Grüße aus 東京", "Grüße aus 東京.md"),
    ],
)
async def test_a_title_never_leads_out_of_the_folder(tmp_path: Path, title: str, name: str) -> None:
    folder = tmp_path / "deep" / "notes"
    tools = Notes(folder).tools()

    await use(tools, "create_note", title=title, text="x")

    assert os.listdir(folder) == [name]
    assert (os.listdir(tmp_path), os.listdir(tmp_path / "deep")) == (["deep"], ["notes"])


@pytest.mark.parametrize("title", ["..", "///", "   ", "?"])
async def test_a_title_without_letters_is_refused(tmp_path: Path, title: str) -> None:
    assert "cannot be the title" in await error(Notes(tmp_path).tools(), "create_note", title=title, text="x")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
async def test_a_link_out_of_the_folder_is_no_note(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret")
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    tools = Notes(folder).tools()

    assert "no note" in await error(tools, "read_note", title="link")
    assert (await use(tools, "search_notes", query="secret"))["found"] == []


async def test_notes_are_listed_and_searched(tmp_path: Path) -> None:
    tools = Notes(tmp_path).tools()
    assert await use(tools, "list_notes") == {"notes": [], "newest_first": True, "total": 0}
    await use(tools, "create_note", title="A", text="one\nTwo trees")
    await use(tools, "create_note", title="B", text="three trees")
    os.utime(tmp_path / "A.md", (1, 1))

    assert (await use(tools, "list_notes"))["notes"] == ["B", "A"]
    assert (await use(tools, "search_notes", query="TREES"))["found"] == [
        {"note": "A", "line": 4, "text": "Two trees"},
        {"note": "B", "line": 3, "text": "three trees"},
    ]


async def test_a_search_has_an_end(tmp_path: Path) -> None:
    tools = Notes(tmp_path).tools()
    await use(tools, "create_note", title="A", text="again\n" * 100)

    found = await use(tools, "search_notes", query="again")

    assert (len(found["found"]), found["more"]) == (20, True)


async def test_a_missing_note_is_named_with_those_there_are(tmp_path: Path) -> None:
    tools = Notes(tmp_path).tools()
    await use(tools, "create_note", title="Ideas", text="x")

    assert await error(tools, "read_note", title="Plans") == "There is no note «Plans». There are: Ideas."


async def test_a_file_that_is_no_text_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "odd.md").write_bytes(b"\xff\xfe\x00text")

    assert "text" in await use(Notes(tmp_path).tools(), "read_note", title="odd")


async def test_half_a_character_is_said_and_spoils_nothing(tmp_path: Path) -> None:
    assert "not valid JSON" in await error(Notes(tmp_path).tools(), "create_note", title="Odd", text="a \ud83d b")
    assert os.listdir(tmp_path) == []


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file, not a folder")

    assert "cannot be written" in await error(Notes(tmp_path / "notes").tools(), "create_note", title="A", text="x")


async def test_a_note_does_not_grow_without_end(tmp_path: Path) -> None:
    (tmp_path / "Log.md").write_bytes(b"x" * 1_999_990)

    said = await error(Notes(tmp_path).tools(), "append_to_note", title="Log", text="y" * 100)

    assert "too long" in said
    assert (tmp_path / "Log.md").stat().st_size == 1_999_990


def test_the_user_sees_what_would_be_written(tmp_path: Path) -> None:
    asked = question(Notes(tmp_path).tools(), "create_note", title="Ideas", text="All of it")

    assert asked == "Write this note: «Ideas»?\n\nAll of it"
