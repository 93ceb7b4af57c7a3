"""What a search looks for, and what it shows of what it found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.history import words


def marked(text: str, typed: str) -> list[str]:
    """Return what is marked in the snippet."""
    shown, marks = words.snippet(text, words.terms(typed))
    return [shown[begin:end] for begin, end in marks]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hello, World!", "hello world"),
        ("Crème Brûlée", "creme brulee"),
        ("Creme\u0301", "creme"),
        ("Straße STRASSE", "strasse strasse"),
        ("Łódź, Ærø, İstanbul ırmak", "lodz aero istanbul irmak"),
        ("ＡＢＣ １２３ ﬁn", "abc 123 fin"),
        ("Привет, ёлка", "привет елка"),
        ("don't re-do it_now", "don t re do it now"),
        ("今天天气好", "今天 天天 天气 气好 好"),
        ("iPhone手机 5G网", "iphone 手机 机 5g 网"),
        ("カ\u3099ラス ｶﾞﾗｽ", "ガラ ラス ス ガラ ラス ス"),
        ("한국어 음성", "한국 국어 어 음성 성"),
        ("नमस्ते दुनिया", "नमस्ते दुनिया"),
        ("… — \x00\x07 !?", ""),
    ],
)
def test_what_the_index_holds_has_no_case_no_diacritics_and_a_space_between_words(text: str, folded: str) -> None:
    assert words.indexed(text) == folded


def test_thai_is_told_apart_by_its_characters_with_their_vowels() -> None:
    assert words.indexed("ที่นี่").split() == ["ที่นี่", "นี่"]


@pytest.mark.parametrize(
    ("typed", "queries"),
    [
        ("Hel", ['"hel" *']),
        ("hello wor", ['"hello" "wor" *', '"hello" * "wor" *']),
        ("a a A", ['"a" *']),
        ("天", ['"天" *']),
        ("天气 天 x", ['"天气" "天" * "x" *']),
        ("今天天", ['"今天 天天"']),
        ('"NEAR(* OR -col', ['"near" "or" "col" *', '"near" * "or" * "col" *']),
    ],
)
def test_a_search_is_for_words_that_begin_like_those_typed(typed: str, queries: list[str]) -> None:
    assert list(words.queries(words.terms(typed))) == queries


@pytest.mark.parametrize("typed", ["", "  \t…", "\x00", "!?*\"'"])
def test_nothing_to_look_for(typed: str) -> None:
    assert words.terms(typed) == ()


def test_a_search_has_an_end() -> None:
    assert len(words.terms(" ".join(f"w{n}" for n in range(1000)))) == words.MAX_TERMS
    assert all(len(unit) <= words.MAX_WORD_CHARS for term in words.terms("x" * 10_000) for unit in term.units)


@given(st.text(max_size=40), st.text(max_size=6))
def test_any_text_can_be_typed_and_what_is_marked_is_in_the_snippet(text: str, typed: str) -> None:
    shown, marks = words.snippet(text, words.terms(typed))
    assert all(0 <= begin < end <= len(shown) for begin, end in marks)
    assert "\n" not in shown


@given(st.text(max_size=60))
def test_what_is_indexed_is_found_by_what_was_said(text: str) -> None:
    held = words.indexed(text).split()
    for term in words.terms(text):
        if term.spaced or len(term.units) == 1:
            assert any(word.startswith(term.units[0]) for word in held)
        else:
            assert set(term.query().strip('"').split()) <= set(held)


def test_the_snippet_is_one_line_around_the_first_match() -> None:
    text = "word " * 200 + "Needle\nand \x1b[31m thread " + "word " * 200
    shown, marks = words.snippet(text, words.terms("need thr"))
    assert [shown[a:b] for a, b in marks] == ["Need", "thr"]
    assert shown.startswith("…word ")
    assert shown.endswith("…")
    assert len(shown) <= words.SNIPPET_CHARS + 2
    assert shown.isprintable()
    assert "�[31m" in shown


@pytest.mark.parametrize(
    ("text", "typed", "found"),
    [
        ("Crème brûlée", "BRUL", ["brûl"]),
        ("Die Straße", "strasse", ["Straße"]),
        ("今天天气好", "天气", ["天气"]),
        ("天天天", "天天", ["天天"]),
        ("one two", "two one", ["one", "two"]),
        ("theory", "the theo", ["theo"]),
        ("Théory", "the theo", ["Théo"]),
        ("a bathe, the sea_the", "the", ["the", "the"]),
    ],
)
def test_what_was_found_is_marked_as_it_was_written(text: str, typed: str, found: list[str]) -> None:
    assert marked(text, typed) == found
