"""Microphones and loudspeakers that come and go, as the core sees them."""

from __future__ import annotations

from desktop_app.conversation.effects import DismissNotice, OpenMic, ShowNotice, Turn
from desktop_app.conversation.inputs import (
    DeviceChanged,
    MicBlock,
    MicClosed,
    MicFailed,
    MicFound,
    MicStarted,
    TalkPressed,
    TalkReleased,
)
from desktop_app.errors import Notice
from tests.conversation.story import HANDS_FREE, Story, names, of, pcm

WENT = Notice("The microphone “Headset” went away.", "“Webcam” hears you now.", key="microphone")
GONE = MicFailed(Notice("No microphone was found.", "Connect one.", key="microphone"))


def test_another_microphone_in_mid_talk_is_told_and_the_talk_goes_on() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(400)))
    assert story.happens(DeviceChanged(WENT)) == [ShowNotice(WENT)]
    assert story.turn() is Turn.LISTENING
    effects = story.happens(MicBlock(pcm(400)), TalkReleased(), MicClosed())
    assert names(effects) == ["input_audio_buffer.commit", "response.create"]


def test_hands_free_goes_on_by_itself_once_there_is_a_microphone() -> None:
    story = Story(HANDS_FREE).online()
    story.happens(MicStarted())
    assert of(OpenMic, story.happens(GONE)) == []
    effects = story.happens(MicFound())
    assert of(OpenMic, effects) == [OpenMic()]
    assert DismissNotice("microphone") in effects


def test_with_push_to_talk_a_microphone_that_was_found_waits_for_the_key() -> None:
    story = Story().online()
    story.happens(TalkPressed(), GONE)
    effects = story.happens(MicFound())
    assert effects == [DismissNotice("microphone")]
    assert story.turn() is Turn.IDLE
