"""The settings file: there and back, other people's files, broken disks. Nothing is ever lost."""

from __future__ import annotations

import errno
import json
import os
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from desktop_app.errors import SettingsError, Severity
from desktop_app.settings import (
    FILE_NAME,
    INSTALL_FILE,
    MAX_BYTES,
    SECTIONS,
    AudioSettings,
    ConnectionSettings,
    Loaded,
    LocalSettings,
    Settings,
    SettingsFile,
    declared_settings,
    install_id,
    read_value,
    values_of,
    with_value,
)

OURS = Settings(
    AudioSettings(input_device="Mikrofon «A»", keep_microphone_warm=True),
    ConnectionSettings(endpoint="local", instructions="Be brief. 🎙\nSecond line."),
    LocalSettings(chat_url="http://127.0.0.1:11434/v1"),
    {"api.openai.com": "marin"},
)


def written(folder: Path) -> Any:
    return json.loads((folder / FILE_NAME).read_text("utf-8"))


def put(folder: Path, content: object) -> None:
    (folder / FILE_NAME).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


# --- there and back -----------------------------------------------------------------------------


def test_without_a_file_the_defaults_hold_and_nobody_is_told(tmp_path: Path) -> None:
    assert SettingsFile(tmp_path / "nowhere").load() == Loaded(Settings())


def test_there_and_back(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "when needed"
    SettingsFile(folder).save(OURS)

    assert SettingsFile(folder).load() == Loaded(OURS)
    assert os.listdir(folder) == [FILE_NAME]


def test_a_person_can_read_it(tmp_path: Path) -> None:
    SettingsFile(tmp_path).save(OURS)
    text = (tmp_path / FILE_NAME).read_text("utf-8")

    assert '\n  "audio": {\n    "input_device": "Mikrofon «A»",' in text
    assert "🎙" in text
    assert text.endswith("}\n")


def test_half_an_emoji_comes_back_as_it_was(tmp_path: Path) -> None:
    odd = replace(Settings(), connection=ConnectionSettings(instructions="half \ud83d"))
    SettingsFile(tmp_path).save(odd)

    assert SettingsFile(tmp_path).load() == Loaded(odd)


def test_what_this_version_does_not_know_is_kept(tmp_path: Path) -> None:
    put(tmp_path, {"audio": {"of_next_year": [1]}, "of_next_year": {"a": None}, "voices": {"x": "y"}})
    file = SettingsFile(tmp_path)
    loaded = file.load()

    file.save(replace(loaded.settings, audio=AudioSettings(output_device="Speaker")))
    file.save(replace(loaded.settings, audio=AudioSettings(output_device="Other")))

    assert loaded.notices == ()
    assert written(tmp_path)["of_next_year"] == {"a": None}
    assert written(tmp_path)["audio"]["of_next_year"] == [1]
    assert written(tmp_path)["audio"]["output_device"] == "Other"
    assert written(tmp_path)["voices"] == {"x": "y"}


def test_a_file_of_an_editor_that_begins_with_a_mark(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xef\xbb\xbf" + b'{"audio": {"input_device": "x"}}')

    assert SettingsFile(tmp_path).load() == Loaded(Settings(AudioSettings(input_device="x")))


def test_a_link_stays_one(tmp_path: Path) -> None:
    elsewhere, profile = tmp_path / "elsewhere", tmp_path / "profile"
    elsewhere.mkdir()
    profile.mkdir()
    put(elsewhere, {})
    (profile / FILE_NAME).symlink_to(elsewhere / FILE_NAME)

    SettingsFile(profile).save(OURS)

    assert (profile / FILE_NAME).is_symlink()
    assert SettingsFile(elsewhere).load() == Loaded(OURS)


# --- values that do not fit ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"audio": {"input_device": 5}}, "audio.input_device"),
        ({"audio": {"input_device": None}}, "audio.input_device"),
        ({"audio": {"keep_microphone_warm": "yes"}}, "audio.keep_microphone_warm"),
        ({"audio": {"keep_microphone_warm": 1}}, "audio.keep_microphone_warm"),
        ({"audio": "loud"}, "audio"),
        ({"connection": []}, "connection"),
        ({"voices": 7}, "voices"),
        ({"voices": {"host": 7}}, "voices.host"),
        ({"local": {"chat_url": {}, "chat_model": []}}, "local.chat_url, local.chat_model"),
    ],
)
def test_a_value_that_does_not_fit_falls_back_and_is_named(content: Any, named: str, tmp_path: Path) -> None:
    put(tmp_path, content)
    loaded = SettingsFile(tmp_path).load()

    assert loaded.settings == Settings()
    (notice,) = loaded.notices
    assert f"do not fit: {named}." in notice.text
    assert notice.severity is Severity.WARNING


def test_the_values_beside_it_hold_and_it_stays_until_it_is_set_anew(tmp_path: Path) -> None:
    put(tmp_path, {"audio": {"input_device": ["of next year"], "output_device": "x"}, "voices": {"a": 1, "b": "c"}})
    file = SettingsFile(tmp_path)
    settings = file.load().settings
    assert settings == Settings(AudioSettings(output_device="x"), voices={"b": "c"})

    file.save(replace(settings, voices={"b": "d"}))
    assert written(tmp_path)["audio"]["input_device"] == ["of next year"]
    assert written(tmp_path)["voices"] == {"a": 1, "b": "d"}

    file.save(replace(settings, audio=AudioSettings(input_device="y")))
    assert written(tmp_path)["audio"]["input_device"] == "y"


def test_every_setting_has_a_type_that_can_be_checked(tmp_path: Path) -> None:
    """Put something no setting can be in the place of each, and see it named."""
    for area in fields(Settings):
        default = getattr(Settings(), area.name)
        for name in [] if isinstance(default, dict) else [setting.name for setting in fields(default)]:
            put(tmp_path, {area.name: {name: {"no": ["setting"]}}})
            (notice,) = SettingsFile(tmp_path).load().notices
            assert f"{area.name}.{name}." in notice.text


# --- files that are not ours --------------------------------------------------------------------

NOT_OURS = {
    "no JSON": b"audio = loud\n",
    "empty": b"",
    "binary": bytes(range(256)) * 10,
    "half": b'{"audio": {"input',
    "a list": b"[1, 2]",
    "a word": b'"x"',
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "too deep to be written from anywhere": b'{"a":' * 64 + b"1" + b"}" * 64,
    "huge": b'{"a": "' + b"x" * MAX_BYTES + b'"}',
    "a number too long to be read": b'{"a": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("content", NOT_OURS.values(), ids=NOT_OURS)
def test_a_file_that_is_not_ours_is_put_aside(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    file = SettingsFile(tmp_path)
    loaded = file.load()

    assert loaded.settings == Settings()
    (notice,) = loaded.notices
    assert notice.text.startswith("The settings file could not be read: ")
    assert notice.hint == f"It was kept as {FILE_NAME}.not-read; the defaults are used."
    file.save(OURS)
    assert (tmp_path / f"{FILE_NAME}.not-read").read_bytes() == content
    assert SettingsFile(tmp_path).load() == Loaded(OURS)


def test_what_was_put_aside_before_stays(tmp_path: Path) -> None:
    for content in ("first", "second", "third"):
        put(tmp_path, content)
        assert SettingsFile(tmp_path).load().notices
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}

    aside = f"{FILE_NAME}.not-read"
    assert kept == {aside: "first", f"{aside}-2": "second", f"{aside}-3": "third"}


def test_a_folder_in_its_place_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    (tmp_path / FILE_NAME / "precious").write_text("x")
    file = SettingsFile(tmp_path)

    assert "it is not a file" in file.load().notices[0].text
    file.save(OURS)
    assert (tmp_path / f"{FILE_NAME}.not-read" / "precious").read_text() == "x"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_in_its_place_does_not_hang_the_program(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE_NAME)

    assert "it is not a file" in SettingsFile(tmp_path).load().notices[0].text


def test_a_file_that_may_not_be_read_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"audio": {"input_device": "x"}})

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        loaded = SettingsFile(tmp_path).load()

    assert "could not be read: Permission denied." in loaded.notices[0].text
    assert (tmp_path / f"{FILE_NAME}.not-read").exists()


def test_a_profile_that_is_a_file_gets_a_sentence(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text("precious")
    file = SettingsFile(profile)

    assert file.load().notices[0].hint.startswith("Check ")
    with pytest.raises(SettingsError, match="could not be saved"):
        file.save(OURS)
    assert install_id(profile) == ""
    assert profile.read_text() == "precious"


# --- broken disks -------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_costs_nothing_that_was_there(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SettingsFile(tmp_path)
    file.save(OURS)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(SettingsError) as failed:
            file.save(Settings())
    assert failed.value.sentence == "The settings could not be saved: No space left on device."
    assert str(tmp_path) in failed.value.hint
    assert SettingsFile(tmp_path).load() == Loaded(OURS)
    assert os.listdir(tmp_path) == [FILE_NAME]

    file.save(Settings())
    assert SettingsFile(tmp_path).load() == Loaded(Settings())


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    long = replace(OURS, connection=ConnectionSettings(instructions="x" * 300_000))
    file.save(long)
    seen: list[Loaded] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(SettingsFile(tmp_path).load())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(100):
            file.save(OURS if number % 2 else long)
    finally:
        stop.set()
        reader.join()

    assert len(seen) > 10
    assert all(loaded.settings in (OURS, long) and not loaded.notices for loaded in seen)


# --- the installation ---------------------------------------------------------------------------


def test_an_installation_keeps_its_id(tmp_path: Path) -> None:
    first = install_id(tmp_path / "a")

    assert len(first) == 32
    assert install_id(tmp_path / "a") == first
    assert install_id(tmp_path / "b") != first


@pytest.mark.parametrize("content", [b"", b"\xff\xff", b"x" * 32, b"me@example.org\n"])
def test_an_id_that_is_none_is_made_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / INSTALL_FILE).write_bytes(content)
    fresh = install_id(tmp_path)

    assert len(fresh) == 32
    assert install_id(tmp_path) == fresh


# --- declarations -------------------------------------------------------------------------------


def test_every_setting_has_one_declaration_and_its_default_fits_it() -> None:
    declared = declared_settings()
    assert [one.name for one in declared] == list(dict.fromkeys(one.name for one in declared))
    assert {one.setting.section for one in declared} == set(SECTIONS)
    for one in declared:
        assert one.setting.label, one.name
        assert isinstance(one.default, one.kind), one.name
        assert one.setting.fits(one.default), one.name
        assert read_value(Settings(), one.name) == one.default


def test_what_a_setting_depends_on_exists_and_can_have_the_value() -> None:
    declared = {one.name: one for one in declared_settings()}
    for one in declared.values():
        for name, values in one.setting.only:
            assert all(declared[name].setting.fits(value) for value in values)


@pytest.mark.parametrize(
    ("area", "name", "value"),
    [
        ("turns", "threshold", 1.2),
        ("turns", "mode", "telepathy"),
        ("turns", "idle_timeout_s", 3),
        ("answers", "speed", -1),
        ("answers", "max_tokens", 5_000),
        ("costs", "budget_usd", -0.5),
    ],
)
def test_a_value_out_of_its_range_falls_back_and_is_named(area: str, name: str, value: Any, tmp_path: Path) -> None:
    put(tmp_path, {area: {name: value}})
    loaded = SettingsFile(tmp_path).load()
    assert loaded.settings == Settings()
    assert f"{area}.{name}" in loaded.notices[0].text
    with pytest.raises(SettingsError):
        with_value(Settings(), f"{area}.{name}", value)


def test_a_limit_can_be_switched_off_although_nought_lies_outside_its_range() -> None:
    assert with_value(Settings(), "turns.idle_timeout_s", 0) == Settings()
    assert read_value(with_value(Settings(), "turns.idle_timeout_s", 30), "turns.idle_timeout_s") == 30


def test_a_value_is_changed_by_its_name() -> None:
    changed = with_value(Settings(), "connection.model", "gpt-of-next-year")
    assert changed == replace(Settings(), connection=ConnectionSettings(model="gpt-of-next-year"))
    assert with_value(changed, "presets", {"a": "Be brief.", "b": 5}).presets == {"a": "Be brief."}
    for name in ("nobody", "turns.nobody", "", "turns.mode.x"):
        with pytest.raises(SettingsError):
            with_value(Settings(), name, "x")
    with pytest.raises(SettingsError):
        with_value(Settings(), "turns.threshold", "loud")


def test_everything_there_and_back(tmp_path: Path) -> None:
    odd: Settings = Settings()
    for name, value in (
        ("answers.speed", 1.25),
        ("turns.mode", "manual"),
        ("tools.off", ["volume"]),
        ("costs.budget_usd", 2.5),
        ("presets", {"Pirate": "Talk like one."}),
    ):
        odd = with_value(odd, name, value)
    SettingsFile(tmp_path).save(odd)
    assert SettingsFile(tmp_path).load() == Loaded(odd)
    assert values_of(odd)["turns.mode"] == "manual"
    assert values_of(odd)["presets"] == {"Pirate": "Talk like one."}
