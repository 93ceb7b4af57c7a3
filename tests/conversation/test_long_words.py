"""A server's words are as long as it likes; what is made of them is not."""

from __future__ import annotations

from desktop_app.conversation import failures, limits
from desktop_app.conversation.entries import Role
from desktop_app.conversation.outbox import Outbox
from desktop_app.conversation.transcript import Transcript
from desktop_app.protocol.events import ErrorBody

ENDLESS = "no " * 100_000


def test_a_notice_is_short_whatever_is_long_in_the_error() -> None:
    error = ErrorBody(message=ENDLESS, code=ENDLESS, param=ENDLESS)

    notice = failures.notice_of(error)

    assert len(notice.text) < 500
    assert len(notice.key) < 100
    assert len(failures.notice_of(ErrorBody(code=ENDLESS)).text) < 500


def test_an_entry_keeps_what_fits() -> None:
    transcript = Transcript(Outbox())

    for _ in range(2):
        transcript.write("item_1", Role.ASSISTANT, 0, "Wörter " * limits.MAX_ENTRY_CHARS, spoken=True, append=True)

    entry = transcript.get("item_1")
    assert entry is not None
    assert len(entry.text) == limits.MAX_ENTRY_CHARS
