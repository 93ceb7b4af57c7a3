"""What crosses on the wire: found by the fault runs, told here as stories."""

from __future__ import annotations

from desktop_app.conversation.entries import EntryStatus
from desktop_app.conversation.inputs import Disconnected, Heard, StopPressed, TalkPressed
from desktop_app.protocol.events import ConversationItemDelete, ResponseCancel
from tests.conversation.story import ITEM, PART, Story, added, audio, ended, sent, words_of

RESPONSE, ANSWER, WORDS = "resp_9", "item_9", "Nobody hears this."
WHOLE = {
    "id": ANSWER,
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_audio", "transcript": WORDS}],
}


def born_called_off() -> Story:
    """A response that was called off before its birth; the server is done with it before our cancel comes."""
    story = Story().online()
    story.talks()
    story.happens(StopPressed())
    output_item = {"id": ANSWER, "type": "message", "role": "assistant", "status": "in_progress"}
    assert sent(story.says(story.born(RESPONSE))) == [ResponseCancel(response_id=RESPONSE)]
    story.says(
        {"type": "response.output_item.added", "response_id": RESPONSE, "output_index": 0, "item": output_item},
        added(ANSWER, "assistant", "item_U1"),
        words_of(ANSWER, WORDS, RESPONSE),
        audio(ANSWER, 300, RESPONSE),
    )
    return story


def test_an_answer_that_was_done_when_our_cancel_came_was_not_heard() -> None:
    story = born_called_off()

    story.says({"type": "conversation.item.done", "item": WHOLE})
    effects = story.says(ended([WHOLE], response=RESPONSE))

    assert [entry.item_id for entry in story.shown()] == ["item_U1"]
    assert sent(effects) == [ConversationItemDelete(item_id=ANSWER)], "the model must not think it was heard"


def test_it_does_not_come_back_with_the_next_turn() -> None:
    story = born_called_off()
    story.says({"type": "conversation.item.done", "item": WHOLE}, ended([WHOLE], response=RESPONSE))

    story.happens(TalkPressed())

    assert [entry.item_id for entry in story.shown()] == ["item_U1"]


def test_what_was_heard_before_its_first_word_came_is_not_forgotten() -> None:
    story = Story().online()
    story.talks()
    story.says(story.born(), added(ITEM, "assistant", "item_U1"), audio(ITEM, 2000))
    story.stopped_with = (Heard(PART, 1400),)
    story.happens(StopPressed())

    effects = story.says({"type": "conversation.item.done", "item": {**WHOLE, "id": ITEM, "status": "incomplete"}})
    effects += story.says(ended([{**WHOLE, "id": ITEM, "status": "incomplete"}], status="cancelled"))

    assert ConversationItemDelete(item_id=ITEM) not in sent(effects)
    assert [entry.heard_ms for entry in story.shown() if entry.item_id == ITEM] == [1400]


def test_an_answer_lost_on_the_way_is_not_whole_because_what_came_was_heard() -> None:
    story = Story().speaking(ms=500)
    story.happens(Disconnected(close_code=1006))
    story.stopped_with = (Heard(PART, 450),)

    story.happens(StopPressed())

    assert [entry.status for entry in story.shown() if entry.item_id == ITEM] == [EntryStatus.INTERRUPTED]
