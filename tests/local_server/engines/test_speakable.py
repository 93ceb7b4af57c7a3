"""What of an answer is said aloud, and in which pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.local_server.engines.speakable import LONGEST_CLAUSE, Clause, Clauses, speakable


def cut(text: str, *, piece: int = 3) -> list[str]:
    """Return the clauses of a text that arrives `piece` characters at a time."""
    return [clause.text for clause in clauses_of(text, piece=piece)]


def clauses_of(text: str, *, piece: int = 3) -> list[Clause]:
    """Return the clauses with their pauses."""
    clauses = Clauses()
    found = [clause for start in range(0, len(text), piece) for clause in clauses.feed(text[start : start + piece])]
    return found + clauses.end()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Bold** and *slanted*, `code`, ~~gone~~.", "Bold and slanted, code, gone."),
        ("# A heading", "A heading"),
        ("- an item", "an item"),
        ("* [x] a task", "a task"),
        ("2. second", "2, second"),
        ("> a quotation", "a quotation"),
        ("See [the manual](https://example.com/a_(b)?c=1).", "See the manual?c=1)."),
        ("See [the manual](https://example.com/a).", "See the manual."),
        ("![a cat](cat.png)", "a cat"),
        ("Go to https://www.example.com/path?q=1&r=2 now.", "Go to example.com now."),
        ("Go to <https://example.com/path>.", "Go to example.com."),
        ("www.example.org/x", "example.org"),
        ("So sunny ☀️😀👍🏽!", "So sunny!"),
        ("Family 👨‍👩‍👧 time", "Family time"),
        ("3 * 4 = 12", "3 times 4 = 12"),
        ("6 × 7 and 8 ÷ 2", "6 times 7 and 8 divided by 2"),
        ("a snake_case_name", "a snake case name"),
        ("It is 21 °C, −5 at night.", "It is 21 °C, -5 at night."),
        ("| a | b |", "a, b"),
        ("<b>loud</b><br/>then", "loud then"),
        ("café, naïve, Ærø", "café, naïve, Ærø"),
        ("$5.50 & 10% (or more)", "$5.50 & 10% (or more)"),
        ("---", ""),
        ("", ""),
        ("Hello 世界", "Hello"),
        ("zero\u200bwidth\x00null", "zero width null"),
    ],
)
def test_markup_addresses_and_emoji_are_not_read_aloud(written: str, said: str) -> None:
    assert speakable(written) == said


def test_sentences_are_cut_where_they_end() -> None:
    assert cut("It is five. Is it? Yes! Good… Fine.") == ["It is five.", "Is it?", "Yes!", "Good…", "Fine."]


def test_the_first_clause_ends_early_later_ones_do_not() -> None:
    text = "Well, to be honest with you, I do not know. But then again, who does, really?"
    assert clauses_of(text) == [
        Clause("Well, to be honest with you", ends_sentence=False),
        Clause("I do not know."),
        Clause("But then again, who does, really?"),
    ]


def test_a_first_clause_of_two_words_is_not_worth_it() -> None:
    assert cut("Certainly sir, here it is.") == ["Certainly sir, here it is."]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith met Mrs. Jones.",
        "J. K. Rowling wrote it.",
        "Use a fruit, e.g. an apple.",
        "Pi is 3.14159 or so.",
        "It is 5 p.m. already.",
        "Version 2.0.1 is out.",
    ],
)
def test_a_period_that_ends_no_sentence(text: str) -> None:
    assert cut(text) == [text]


def test_list_items_are_sentences_of_their_own() -> None:
    assert cut("Buy these:\n1. Bread\n2. Milk\n\n- and salt\n") == ["Buy these:", "1, Bread", "2, Milk", "and salt"]


def test_code_is_not_read_aloud() -> None:
    text = "Try this:\n```python\nprint('hello. world')\nx = 1\n```\nThat is all."
    assert cut(text) == ["Try this:", "That is all."]


def test_nothing_waits_for_what_follows_a_finished_sentence() -> None:
    clauses = Clauses()
    assert clauses.feed("It is five. A") == [Clause("It is five.")]
    assert clauses.end() == [Clause("A")]


@pytest.mark.parametrize("text", ["word " * 500, "x" * 3000, "word, " * 500, "日本語" * 400 + " end"])
def test_a_text_without_an_end_is_cut_anyway(text: str) -> None:
    clauses = clauses_of(text, piece=50)
    assert all(len(clause.text) <= LONGEST_CLAUSE for clause in clauses)
    if "word" in text:
        assert sum(clause.text.count("word") for clause in clauses) == 500, "no word is lost or torn"


@pytest.mark.parametrize(
    ("text", "unreadable"), [("こんにちは。", True), ("Привет", True), ("Hi.", False), ("😀", False), ("", False)]
)
def test_another_script_is_noticed(text: str, unreadable: bool) -> None:
    clauses = Clauses()
    clauses.feed(text)
    clauses.end()
    assert clauses.unreadable is unreadable


@given(st.text(max_size=400), st.integers(1, 40))
def test_any_text_can_be_cut_and_nothing_is_too_long(text: str, piece: int) -> None:
    for clause in clauses_of(text, piece=piece):
        assert any(character.isalnum() for character in clause.text)
        assert "*" not in clause.text
        assert "`" not in clause.text


@given(
    st.lists(st.sampled_from(["Yes", "no.", "Dr.", "3.5", "well,", "who?", "\n", "- a", "**b**"]), max_size=30),
    st.integers(1, 9),
)
def test_how_the_text_arrives_does_not_matter(words: list[str], piece: int) -> None:
    text = " ".join(words)
    assert cut(text, piece=piece) == cut(text, piece=1)
