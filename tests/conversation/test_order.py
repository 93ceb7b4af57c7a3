"""Where items stand once there was more than one session."""

from __future__ import annotations

from desktop_app.conversation.order import Order


def order(*items: tuple[str, str | None]) -> Order:
    """Return an order of shown items, each with what the server says it stands behind."""
    made = Order()
    for item_id, previous in items:
        made.place(item_id, previous)
        made.show(item_id)
    return made


def test_what_a_new_session_was_not_told_keeps_its_place() -> None:
    rows = order(("question", None), ("lost answer", "question"))

    rows.seal()
    assert not rows.place("question", None), "told again"
    for item_id, previous in [("second", "question"), ("answer", "second"), ("third", "answer")]:
        rows.place(item_id, previous)
        rows.show(item_id)

    assert list(rows) == ["question", "lost answer", "second", "answer", "third"]


def test_what_is_told_again_is_not_moved() -> None:
    rows = order(("a", None), ("b", "a"), ("not told", "b"), ("c", "not told"))

    rows.seal()
    for item_id, previous in [("a", None), ("b", "a"), ("c", "b")]:
        assert not rows.place(item_id, previous)

    assert list(rows) == ["a", "b", "not told", "c"]


def test_own_words_shown_before_the_server_says_where() -> None:
    rows = order(("a", None), ("lost", "a"))

    rows.seal()
    rows.show("typed")
    assert not rows.place("typed", "a")
    rows.place("heard first", "a")
    rows.show("heard first")

    assert list(rows) == ["a", "lost", "heard first", "typed"], "as in a first session"


def test_the_last_of_the_old_session_is_forgotten() -> None:
    rows = order(("a", None), ("b", "a"))

    rows.seal()
    rows.hide("b")
    rows.place("c", "b")
    rows.show("c")
    rows.place("d", "a")
    rows.show("d")

    assert list(rows) == ["a", "d", "c"]
