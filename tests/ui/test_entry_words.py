"""The words of an entry: calls told so that a person understands them, whatever the model wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.conversation.effects import DECLINED
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role, ToolUse
from desktop_app.ui.entry_words import (
    MOST_OUTPUT_CHARS,
    copied_row,
    has_gone_wrong,
    shown_text,
    spoken_row,
    tool_arguments,
    tool_line,
    tool_output,
    tool_state,
    utf16_slice,
    utf16_units,
)

DONE = EntryStatus.COMPLETED


def use(arguments: str = "{}", **how: object) -> ToolUse:
    return ToolUse("c1", "get_time", arguments, **how)  # type: ignore[arg-type]


def test_arguments_are_told_line_by_line() -> None:
    call = use('{"zone": "Asia/Tokyo", "count": 3, "exact": true, "days": ["mon", "tue"]}')
    assert tool_arguments(call) == 'zone: Asia/Tokyo\ncount: 3\nexact: true\ndays: ["mon", "tue"]'
    assert tool_line(call) == 'zone: Asia/Tokyo · count: 3 · exact: true · days: ["mon", "tue"]'


@pytest.mark.parametrize("arguments", ["", "not json", "[1, 2]", '"text"', '{"cut":', "[" * 100_000])
def test_arguments_that_are_no_object_are_shown_as_they_are(arguments: str) -> None:
    assert tool_arguments(use(arguments)) == arguments
    assert len(tool_line(use(arguments))) <= 300


@pytest.mark.parametrize(
    ("call", "state"),
    [
        (use(), "running…"),
        (use(waiting=True), "waiting for your yes"),
        (use(output="x", seconds=0.44), "0.4 s"),
        (use(output="x"), "done"),
        (use(output="x", failed=True, seconds=20.0), "failed · 20.0 s"),
        (use(failed=True), "failed"),
        (use(output=DECLINED, failed=True, seconds=3.0), "not allowed"),
    ],
)
def test_the_state_of_a_call_is_said_in_words(call: ToolUse, state: str) -> None:
    assert tool_state(call) == state


def test_a_no_is_no_failure() -> None:
    assert has_gone_wrong(use(output="x", failed=True))
    assert not has_gone_wrong(use(output=DECLINED, failed=True))


def test_a_flat_result_is_told_like_arguments_and_a_deep_one_keeps_its_structure() -> None:
    assert tool_output(use(output='{"time": "18:20", "late": false}')) == "time: 18:20\nlate: false"
    assert tool_output(use(output='{"a": {"b": 1}}')) == json.dumps({"a": {"b": 1}}, indent=2)
    assert tool_output(use(output='"just text"')) == "just text"
    assert tool_output(use(output="plain")) == "plain"


def test_a_huge_result_is_cut_and_its_size_told() -> None:
    shown = tool_output(use(output="x" * 10_000_000))
    assert len(shown) < MOST_OUTPUT_CHARS + 60
    assert shown.endswith("(10,000,000 characters in all)")


def test_a_call_is_copied_whole() -> None:
    entry = Entry("t", Role.TOOL, tool=use('{"zone": "UTC"}', output="x" * 20_000))
    assert shown_text(entry) == "get_time\nzone: UTC\n" + "x" * 20_000


def test_a_screen_reader_hears_call_picture_and_what_enter_does() -> None:
    call = Entry("t", Role.TOOL, status=DONE, tool=use('{"zone": "UTC"}', output="noon", seconds=1.0))
    assert spoken_row(call) == "Tool Get time: zone: UTC · 1.0 s · Result: noon"
    photo = Entry("u", Role.USER, "See", DONE, images=("data:a", "data:b"))
    assert spoken_row(photo) == "You: See · 2 pictures"
    cut = Entry("a", Role.ASSISTANT, "One", EntryStatus.INCOMPLETE, action=EntryAction.CONTINUE)
    assert spoken_row(cut) == "Assistant: One · The answer was cut short. · Enter: Continue"


def test_a_picture_without_text_is_not_called_a_missing_transcript() -> None:
    entry = Entry("u", Role.USER, "", DONE, spoken=True, images=("data:a",))
    assert shown_text(entry) == ""
    assert copied_row(entry) == "You: (picture)"


@given(st.text(), st.integers(0, 40), st.integers(0, 40))
def test_a_slice_by_units_is_what_python_cuts(text: str, start: int, length: int) -> None:
    before, cut = text[:start], text[start : start + length]
    at = utf16_units(before)
    assert utf16_slice(text, at, at + utf16_units(cut)) == cut
