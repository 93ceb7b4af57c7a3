"""Our own ears notice somebody before the server does: what the core does, and what the server is told."""

from __future__ import annotations

import msgspec

from desktop_app.conversation.effects import DismissNotice, StopPlayback
from desktop_app.conversation.inputs import (
    DuplexChanged,
    Heard,
    MicStarted,
    Muted,
    OnsetHeard,
    PlaybackFinished,
)
from desktop_app.errors import Notice
from desktop_app.protocol.events import ConversationItemTruncate, ResponseCancel
from tests.conversation.story import (
    HANDS_FREE,
    PART,
    VAD,
    Story,
    audio_done,
    done,
    events_of,
    names,
    notices,
    of,
    speech_started,
    with_detection,
)


def speaking(story: Story | None = None) -> Story:
    """Return a conversation in which the server speaks, hands-free, and has not said all yet."""
    story = story or Story(HANDS_FREE).online()
    story.happens(MicStarted())
    story.hears()
    story.answers(2000)
    return story


def test_a_voice_ends_the_answer_and_the_server_is_told_what_was_heard() -> None:
    story = speaking()
    story.stopped_with = (Heard(PART, 700),)
    effects = story.happens(OnsetHeard())
    assert of(StopPlayback, effects) == [StopPlayback()]
    assert len(events_of(ResponseCancel, effects)) == 1
    assert [event.audio_end_ms for event in events_of(ConversationItemTruncate, effects)] == [700]
    assert "input_audio_buffer.clear" not in names(effects), "what was said stays the server's to hear"


def test_the_server_that_hears_it_too_finds_nothing_left_to_interrupt() -> None:
    story = speaking()
    story.stopped_with = (Heard(PART, 700),)
    story.happens(OnsetHeard())
    effects = story.says(speech_started())
    assert of(StopPlayback, effects) == []
    assert names(effects) == []


def test_the_ear_that_hears_it_after_the_server_changes_nothing() -> None:
    story = speaking()
    story.stopped_with = (Heard(PART, 700),)
    story.says(speech_started())
    assert story.happens(OnsetHeard()) == []


def test_nothing_sounds_so_nothing_is_interrupted() -> None:
    story = Story(HANDS_FREE).online()
    story.happens(MicStarted())
    assert story.happens(OnsetHeard()) == []


def test_an_answer_heard_to_its_end_is_not_cut_afterwards() -> None:
    story = speaking()
    story.says(audio_done(), done())
    story.happens(PlaybackFinished(PART))
    assert names(story.happens(OnsetHeard())) == []


def test_a_server_that_does_not_let_itself_be_interrupted_is_not() -> None:
    story = speaking(Story(with_detection(msgspec.structs.replace(VAD, interrupt_response=False))).online())
    assert story.happens(OnsetHeard()) == []


def test_who_is_muted_is_not_heard_by_us_either() -> None:
    story = speaking()
    story.happens(Muted(True))
    assert story.happens(OnsetHeard()) == []


def test_with_push_to_talk_the_key_decides() -> None:
    story = Story().online()
    story.answers(2000)
    assert story.happens(OnsetHeard()) == []


def test_why_nobody_listens_while_it_speaks_is_said_until_it_is_over() -> None:
    story = speaking()
    notice = Notice("The echo stays.", "Lower the volume.", key="duplex")
    assert notices(story.happens(DuplexChanged(notice))) == [notice]
    assert story.happens(DuplexChanged(None)) == [DismissNotice("duplex")]
