"""The rules of a conversation, each told as the story in which it matters."""

from __future__ import annotations

import base64

import pytest

from desktop_app.conversation.effects import (
    CloseMic,
    Connect,
    ConnectNext,
    Disconnect,
    EndPart,
    GiveBackText,
    Link,
    OpenMic,
    Play,
    Send,
    SendNext,
    ShowNotice,
    ShowSession,
    StopPlayback,
    Turn,
)
from desktop_app.conversation.entries import EntryAction, EntryStatus
from desktop_app.conversation.inputs import (
    ConnectAsked,
    Disconnected,
    Heard,
    MicBlock,
    MicClosed,
    MicFailed,
    MicStarted,
    NewConversationAsked,
    PlaybackFinished,
    PlaybackStopped,
    SpeakerFailed,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
    VoiceChosen,
)
from desktop_app.errors import Notice, NoticeAction
from desktop_app.protocol.events import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from desktop_app.protocol.items import PartId
from tests.conversation.story import (
    ITEM,
    PART,
    SESSION_CREATED,
    SESSION_UPDATED,
    R,
    Story,
    View,
    added,
    audio,
    audio_done,
    created,
    done,
    error,
    names,
    notices,
    of,
    pcm,
    sent,
    transcribed,
    waits,
    woken,
    words_of,
)

# --- connecting ---------------------------------------------------------------------------------


def test_a_connection_is_configured_before_it_counts_as_online() -> None:
    story = Story()
    assert Connect() in story.happens(ConnectAsked())
    effects = story.says(SESSION_CREATED)
    updates = [event for event in sent(effects) if isinstance(event, SessionUpdate)]
    assert all(update.session.type == "realtime" for update in updates)
    assert updates[0].session.voice is None, "the voice may be locked: it never shares an update with the rest"
    assert updates[1].session.voice == "heart"
    assert story.link() is Link.CONNECTING
    story.says(SESSION_UPDATED)
    assert story.link() is Link.ONLINE


def test_a_server_that_never_confirms_is_used_all_the_same() -> None:
    story = Story()
    story.happens(ConnectAsked())
    effects = story.says(SESSION_CREATED)
    story.happens(woken(effects, Timer.SESSION_UPDATED))
    assert story.link() is Link.ONLINE


def test_a_refused_setup_is_sent_again_field_by_field_and_only_the_bad_one_goes_back() -> None:
    story = Story()
    story.happens(ConnectAsked())
    first = next(e.event for e in story.says(SESSION_CREATED) if isinstance(e, Send))
    effects = story.says(error("invalid_value", "no such model", event_id=str(first.event_id)))
    again = [e.event for e in effects if isinstance(e, Send)]
    fields = [str(event.session) for event in again if isinstance(event, SessionUpdate)]
    assert len(fields) == 3, "instructions, transcription and turn detection, each by itself"
    refused = next(event for event in again if "whisper-base" in str(event))
    effects = story.says(error("invalid_value", "no such model", event_id=str(refused.event_id)))
    assert "transcription" in notices(effects)[0].text
    assert "no such model" in notices(effects)[0].text
    put_back = [effect.config for effect in effects if isinstance(effect, ShowSession)]
    assert "whisper-base" not in str(put_back[-1])
    assert "Be brief." in str(put_back[-1])


def test_a_socket_without_a_session_is_a_failed_attempt() -> None:
    story = Story()
    effects = story.happens(ConnectAsked())
    effects = story.happens(woken(effects, Timer.SESSION_CREATED))
    assert Disconnect() in effects
    assert waits(effects, Timer.RECONNECT)


def test_a_rejected_key_is_not_tried_again() -> None:
    story = Story()
    story.happens(ConnectAsked())
    story.says(error("invalid_api_key", "Incorrect API key provided"))
    effects = story.happens(Disconnected(close_code=3000, reason="invalid_request_error.invalid_api_key"))
    assert story.link() is Link.OFFLINE
    assert not waits(effects, Timer.RECONNECT)
    assert "key" in notices(effects)[-1].text
    assert notices(effects)[-1].hint


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_handshake_that_is_refused_for_good_is_not_tried_again(status: int) -> None:
    story = Story()
    story.happens(ConnectAsked())
    effects = story.happens(Disconnected(http_status=status))
    assert story.link() is Link.OFFLINE
    assert not waits(effects, Timer.RECONNECT)


def test_a_busy_server_is_given_the_time_it_asked_for() -> None:
    story = Story()
    story.happens(ConnectAsked())
    effects = story.happens(Disconnected(http_status=429, retry_after_ms=7000))
    assert waits(effects, Timer.RECONNECT) == [7000]


@pytest.mark.parametrize(
    ("asked_ms", "words"), [(20_000, "in 20 seconds"), (90_400, "in 90 seconds"), (600_000, "in about 10 minutes")]
)
def test_a_long_wait_is_said(asked_ms: int, words: str) -> None:
    story = Story()
    story.happens(ConnectAsked())
    effects = story.happens(Disconnected(http_status=429, retry_after_ms=asked_ms))
    assert [words in effect.notice.hint for effect in effects if isinstance(effect, ShowNotice)] == [True]


def test_attempts_come_after_growing_pauses_and_end() -> None:
    story = Story()
    effects = story.happens(ConnectAsked())
    pauses = []
    while asked := waits(effects := story.happens(Disconnected(close_code=1006)), Timer.RECONNECT):
        pauses += asked
        assert story.link() is Link.CONNECTING
        assert Connect() in story.happens(woken(effects, Timer.RECONNECT))
    assert pauses == [500, 1000, 2000, 4000, 8000]
    assert story.link() is Link.OFFLINE
    assert notices(effects)[-1].action is NoticeAction.RECONNECT
    assert Connect() in story.happens(ConnectAsked())


def test_a_server_that_accepts_and_drops_is_not_hammered() -> None:
    story = Story().online()
    first = waits(story.happens(Disconnected(close_code=1006)), Timer.RECONNECT)
    story.happens(ConnectAsked())
    story.says(SESSION_CREATED, SESSION_UPDATED)
    second = waits(story.happens(Disconnected(close_code=1006)), Timer.RECONNECT)
    story = Story().online()
    effects = story.happens(Disconnected(close_code=1006))
    story.happens(woken(effects, Timer.RECONNECT))
    effects = story.says(SESSION_CREATED, SESSION_UPDATED)
    third = waits(story.happens(Disconnected(close_code=1006)), Timer.RECONNECT)
    assert first == second == [500]
    assert third == [1000], "being online for a moment does not begin the pauses anew"
    effects = story.happens(*[woken(story.effects, Timer.RECONNECT)])
    effects = story.says(SESSION_CREATED, SESSION_UPDATED)
    story.happens(woken(effects, Timer.STABLE))
    assert waits(story.happens(Disconnected(close_code=1006)), Timer.RECONNECT) == [500]


def test_a_new_session_is_given_what_was_said_and_heard() -> None:
    story = Story().speaking(2000)
    story.says(transcribed("item_U1", "What is that?"), audio_done(), done())
    story.stopped_with = (Heard(PART, 1000),)
    story.happens(StopPressed())
    effects = story.happens(Disconnected(close_code=1012))
    story.happens(woken(effects, Timer.RECONNECT))
    story.says(SESSION_CREATED)
    items = [event.item for event in sent(story.says(SESSION_UPDATED)) if isinstance(event, ConversationItemCreate)]
    assert [(item.role, item.words) for item in items] == [("user", "What is that?"), ("assistant", "Hello")]
    assert items[1].parts[0].type == "output_text", "assistant audio is refused"


def test_a_lost_connection_marks_the_half_answer_and_lets_what_came_be_heard() -> None:
    story = Story().speaking(2000)
    effects = story.happens(Disconnected(close_code=1006))
    assert EndPart(PART) in effects
    assert StopPlayback() not in effects
    assert story.turn() is Turn.SPEAKING
    entry = story.shown()[-1]
    assert entry.status is EntryStatus.INTERRUPTED
    assert "lost" in entry.remark


def test_an_answer_of_the_lost_session_is_not_truncated_in_the_new_one() -> None:
    story = Story().speaking(2000)
    effects = story.happens(Disconnected(close_code=1006))
    story.happens(woken(effects, Timer.RECONNECT))
    story.says(SESSION_CREATED, SESSION_UPDATED)
    story.stopped_with = (Heard(PART, 1000),)
    assert names(story.happens(TalkPressed())) == [
        "conversation.item.delete",
        "conversation.item.create",
        "input_audio_buffer.clear",
    ], "it was told whole, and is told again as it was heard"


# --- push to talk -------------------------------------------------------------------------------


def test_a_talk_is_cleared_appended_committed_and_answered_in_this_order() -> None:
    story = Story().online()
    effects = story.happens(TalkPressed())
    assert effects.index(OpenMic()) > 0
    assert story.turn() is Turn.OPENING, "nobody is told to speak before the first sample is there"
    effects += story.happens(MicStarted())
    assert story.turn() is Turn.LISTENING
    effects += story.happens(MicBlock(b"\1\0" * 2400), MicBlock(b"\2\0" * 2400), TalkReleased())
    assert CloseMic() in effects
    effects += story.happens(MicBlock(b"\3\0" * 480), MicClosed())
    assert [type(event) for event in sent(effects)] == [
        InputAudioBufferClear,
        *[InputAudioBufferAppend] * 3,
        InputAudioBufferCommit,
        ResponseCreate,
    ]
    audio_sent = b"".join(event.audio for event in sent(effects) if isinstance(event, InputAudioBufferAppend))
    assert audio_sent == b"\1\0" * 2400 + b"\2\0" * 2400 + b"\3\0" * 480
    assert story.turn() is Turn.THINKING


def test_a_tap_is_cleared_and_explained() -> None:
    story = Story().online()
    effects = story.talks(40)
    assert names(effects) == ["input_audio_buffer.clear", "input_audio_buffer.clear"]
    assert "Hold the key" in notices(effects)[0].hint
    assert story.turn() is Turn.IDLE


@pytest.mark.parametrize(("whole_ms", "committed"), [(540, False), (560, True)])
def test_what_was_captured_with_the_key_up_makes_no_talk_of_a_tap(whole_ms: int, committed: bool) -> None:
    story = Story().online()
    effects = story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(whole_ms)), TalkReleased(), MicClosed(460))
    assert ("input_audio_buffer.commit" in names(effects)) is committed
    assert bool(notices(effects)) is not committed


def test_exactly_100_ms_are_committed() -> None:
    story = Story().online()
    assert "input_audio_buffer.commit" in names(story.talks(100))
    assert "input_audio_buffer.commit" not in names(Story().online().talks(99.9))  # type: ignore[arg-type]


def test_a_press_without_a_connection_is_explained() -> None:
    story = Story()
    effects = story.happens(TalkPressed(), TalkReleased())
    assert OpenMic() not in effects
    assert notices(effects)[0].hint


def test_pressing_twice_is_pressing_once() -> None:
    story = Story().online()
    story.happens(TalkPressed())
    assert story.happens(TalkPressed()) == []
    story.happens(MicStarted(), MicBlock(pcm(500)), TalkReleased())
    assert story.happens(TalkReleased()) == []


def test_pressing_again_during_the_tail_loses_nothing_and_is_one_answer() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(500)), TalkReleased())
    effects = story.happens(TalkPressed())
    assert OpenMic() in effects
    effects += story.happens(MicClosed(), MicStarted(), MicBlock(pcm(300)))
    assert names(effects) == ["input_audio_buffer.commit"]
    assert story.turn() is Turn.LISTENING
    effects = story.happens(TalkReleased(), MicClosed())
    assert names(effects) == ["input_audio_buffer.commit", "response.create"]


def test_a_microphone_that_fails_is_reported_and_what_was_said_is_answered() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(800)))
    effects = story.happens(MicFailed(Notice("The microphone went away.", "Choose another.")))
    assert names(effects) == ["input_audio_buffer.commit", "response.create"]
    assert notices(effects)[0].text == "The microphone went away."


def test_no_microphone_leaves_typing_possible() -> None:
    story = Story().online()
    effects = story.happens(TalkPressed(), MicFailed(Notice("No microphone was found.", "Plug one in.")))
    assert notices(effects)
    assert story.turn() is Turn.IDLE
    effects = story.happens(TalkReleased(), TextEntered("hello"))
    assert names(effects) == ["conversation.item.create", "response.create"]


def test_a_connection_lost_for_good_while_talking_ends_the_talk_and_gives_it_back() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(800)))
    effects = story.happens(Disconnected(close_code=3000))
    assert CloseMic() in effects
    assert [len(given.recordings[0].pcm) for given in of(GiveBackText, effects)] == [len(pcm(800))]
    assert sent(story.happens(MicBlock(pcm(20)), MicClosed(), TalkReleased())) == []
    assert story.turn() is Turn.IDLE


# --- interrupting -------------------------------------------------------------------------------


def test_barge_in_is_silence_then_cancel_then_truncate_then_clear() -> None:
    story = Story().speaking(2000)
    story.stopped_with = (Heard(PART, 1240),)
    effects = story.happens(TalkPressed())
    assert effects[0] == StopPlayback()
    assert sent(effects) == [
        ResponseCancel(response_id=R),
        ConversationItemTruncate(item_id=ITEM, content_index=0, audio_end_ms=1240),
        InputAudioBufferClear(),
    ]
    assert effects.index(OpenMic()) > 0
    assert story.shown()[-1].status is EntryStatus.INTERRUPTED
    assert story.shown()[-1].heard_ms == 1240


def test_barge_in_after_the_response_is_done_truncates_without_cancel() -> None:
    story = Story().speaking(2000)
    story.says(audio_done(), done())
    story.stopped_with = (Heard(PART, 500),)
    effects = story.happens(TalkPressed())
    assert sent(effects) == [
        ConversationItemTruncate(item_id=ITEM, content_index=0, audio_end_ms=500),
        InputAudioBufferClear(),
    ]


def test_everything_heard_needs_neither() -> None:
    story = Story().speaking(2000)
    story.says(audio_done(), done())
    story.happens(PlaybackFinished(PART))
    assert story.turn() is Turn.IDLE
    assert names(story.happens(TalkPressed())) == ["input_audio_buffer.clear"]
    assert story.shown()[-1].status is EntryStatus.COMPLETED


def test_no_truncation_so_near_the_end_that_the_server_would_refuse_it() -> None:
    story = Story().speaking(2000)
    story.says(audio_done(), done())
    story.stopped_with = (Heard(PART, 1900),)
    assert names(story.happens(StopPressed())) == []
    story = Story().speaking(2000)  # the same place, but more may be coming
    story.stopped_with = (Heard(PART, 1900),)
    assert names(story.happens(StopPressed())) == ["response.cancel", "conversation.item.truncate"]


def test_never_more_is_claimed_than_was_received() -> None:
    story = Story().speaking(1000)
    story.stopped_with = (Heard(PART, 5000),)
    truncate = sent(story.happens(StopPressed()))[1]
    assert truncate == ConversationItemTruncate(item_id=ITEM, content_index=0, audio_end_ms=1000)


def test_interrupting_before_the_first_audio_cancels_and_truncates_nothing() -> None:
    story = Story().online()
    story.talks()
    story.says(created(), added(ITEM, "assistant", "item_U1"))
    assert sent(story.happens(StopPressed())) == [ResponseCancel(response_id=R)]
    story.says(done(status="cancelled"))
    assert ITEM not in dict(story.entries), "there is nothing to show of it"


def test_what_was_queued_and_never_sounded_is_deleted() -> None:
    story = Story().speaking(2000)
    story.says(added("item_A2", "assistant", ITEM), audio("item_A2", 3000), words_of("item_A2", "And more."))
    story.stopped_with = (Heard(PART, 800), Heard(PartId("item_A2", 0), 0))
    assert sent(story.happens(StopPressed())) == [
        ResponseCancel(response_id=R),
        ConversationItemTruncate(item_id=ITEM, content_index=0, audio_end_ms=800),
        ConversationItemDelete(item_id="item_A2"),
    ]
    assert "item_A2" not in dict(story.entries)


def test_zero_milliseconds_are_deleted_not_truncated() -> None:
    story = Story().speaking(2000)
    story.stopped_with = (Heard(PART, 0),)
    assert sent(story.happens(StopPressed()))[1:] == [ConversationItemDelete(item_id=ITEM)]


def test_late_audio_and_words_of_a_silenced_response_are_dropped_until_it_is_done() -> None:
    story = Story().speaking(2000)
    story.stopped_with = (Heard(PART, 300),)
    story.happens(StopPressed())
    assert story.says(audio(ITEM, 500), words_of(ITEM, " late")) == []
    assert dict(story.entries)[ITEM] == "Hello there."
    story.says(done(status="cancelled"))
    story.answers(500, response="resp_2", item="item_A2")
    assert any(isinstance(effect, Play) for effect in story.effects[-6:])


def test_a_cancel_that_crosses_with_the_end_is_nobodys_business() -> None:
    story = Story().speaking()
    story.happens(StopPressed())
    for frame in (
        error("response_cancel_not_active", "Cancellation failed: no active response found"),
        error("invalid_value", "Audio content of 3700ms is already shorter than 3760ms"),
        error(None, "Only model output audio messages can be truncated"),
        error("item_truncate_invalid_item_id"),
    ):
        assert notices(story.says(frame)) == []


def test_the_next_answer_is_asked_for_once_and_only_after_the_cancelled_one_is_done() -> None:
    story = Story().speaking()
    story.stopped_with = (Heard(PART, 700),)
    effects = story.talks(item="item_U2", previous=ITEM)
    assert names(effects) == [
        "response.cancel",
        "conversation.item.truncate",
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
    ]
    assert story.turn() is Turn.THINKING
    assert names(story.says(done(status="cancelled"))) == ["response.create"]
    assert names(story.says(done(status="cancelled"))) == []


def test_a_cancelled_response_that_never_ends_is_given_up() -> None:
    story = Story().speaking()
    story.talks(item="item_U2")
    effects = story.happens(woken(story.effects, Timer.RESPONSE_DONE))
    assert names(effects) == ["response.create"]


def test_a_response_called_off_before_its_birth_is_cancelled_by_id_when_it_is_born() -> None:
    story = Story().online()
    story.talks()
    assert names(story.happens(StopPressed())) == [], "a cancel now would find nothing to cancel"
    assert sent(story.says(created("resp_9"))) == [ResponseCancel(response_id="resp_9")]
    story.says(audio("item_9", 200, "resp_9"))
    assert story.turn() is Turn.IDLE
    assert not any(isinstance(effect, Play) for effect in story.effects)


def test_the_end_of_a_cancelled_response_after_the_birth_of_the_next_leaves_that_one_active() -> None:
    story = Story().speaking()
    story.happens(StopPressed())
    story.says(created("resp_2"))
    story.says(done(R, "cancelled"))
    story.says(added("item_A2", "assistant", None), audio("item_A2", 400, "resp_2"))
    assert sent(story.happens(StopPressed()))[0] == ResponseCancel(response_id="resp_2")


def test_a_refusal_because_another_response_is_active_waits_for_its_end() -> None:
    story = Story().online()
    story.talks()
    refusal = error("conversation_already_has_active_response", "Conversation already has an active response")
    assert notices(story.says(refusal)) == []
    assert names(story.says(done("resp_other", items=()))) == ["response.create"]


def test_server_turn_detection_cancels_by_itself() -> None:
    story = Story()
    story.happens(ConnectAsked())
    vad = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    story.says(SESSION_CREATED, {"type": "session.updated", "session": vad})
    story.answers(5000)
    story.says(audio_done(), done())
    story.stopped_with = (Heard(PART, 1000),)
    started = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "item_U2"}
    assert sent(story.says(started)) == [ConversationItemTruncate(item_id=ITEM, content_index=0, audio_end_ms=1000)]
    assert story.turn() is Turn.LISTENING
    assert sent(story.says(started)) == [], "a second one while nothing sounds is no event"


def test_speech_before_the_first_audio_truncates_nothing() -> None:
    story = Story().online()
    story.says(created(), added(ITEM, "assistant", None))
    started = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "item_U2"}
    assert "conversation.item.truncate" not in names(story.says(started))
    assert StopPlayback() not in story.effects


def test_the_stop_button_while_talking_throws_the_talk_away() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(900)))
    effects = story.happens(StopPressed(), MicBlock(pcm(20)), MicClosed())
    assert names(effects) == ["input_audio_buffer.clear"]
    assert story.turn() is Turn.IDLE


def test_no_speaker_leaves_the_answer_readable_and_takes_no_more_of_its_audio() -> None:
    story = Story().speaking()
    effects = story.happens(SpeakerFailed(Notice("No speaker was found.", "Plug one in."), (Heard(PART, 200),)))
    assert notices(effects)[0].text == "No speaker was found."
    assert not any(isinstance(effect, Play) for effect in story.says(audio(ITEM, 300)))
    assert "0.2 s" in story.shown()[-1].remark
    story.says(done())
    assert story.turn() is Turn.IDLE


# --- typing -------------------------------------------------------------------------------------


def test_typed_text_is_shown_sent_and_answered() -> None:
    story = Story().online()
    effects = story.happens(TextEntered("Which planet has the shortest day?"))
    item, create = sent(effects)
    assert isinstance(item, ConversationItemCreate)
    assert item.item.words == "Which planet has the shortest day?"
    assert isinstance(create, ResponseCreate)
    assert story.shown()[-1].text == "Which planet has the shortest day?"
    story.says(added(str(item.item.id), "user", None, spoken=False))
    assert len(story.entries) == 1


def test_typed_text_interrupts() -> None:
    story = Story().speaking()
    story.stopped_with = (Heard(PART, 600),)
    assert names(story.happens(TextEntered("Stop, another question"))) == [
        "response.cancel",
        "conversation.item.truncate",
        "conversation.item.create",
    ]
    assert names(story.says(done(status="cancelled"))) == ["response.create"]


def test_text_without_a_connection_is_given_back() -> None:
    effects = Story().happens(TextEntered("do not lose me"))
    assert GiveBackText("do not lose me") in effects
    assert notices(effects)
    assert names(effects) == []


def test_a_written_answer_is_shown_as_it_comes() -> None:
    story = Story().online()
    story.happens(TextEntered("hi"))
    story.says(created(), added(ITEM, "assistant", None))
    piece = {"type": "response.output_text.delta", "response_id": R, "item_id": ITEM}
    story.says({**piece, "delta": "Good "}, {**piece, "delta": "day", "obfuscation": "x"}, {"type": "brand.new"})
    assert dict(story.entries)[ITEM] == "Good day"
    story.says(
        {"type": "response.output_text.done", "response_id": R, "item_id": ITEM, "text": "Good day."}, done()
    )
    assert dict(story.entries)[ITEM] == "Good day."
    assert story.shown()[-1].status is EntryStatus.COMPLETED


# --- the transcript -----------------------------------------------------------------------------


def test_the_users_words_come_late_and_stand_first() -> None:
    story = Story().speaking()
    story.says(audio_done(), done())
    story.says(transcribed("item_U1", "What time is it?"))
    assert story.entries == [("item_U1", "What time is it?"), (ITEM, "Hello there.")]


def test_pieces_of_the_users_words_grow_and_the_whole_replaces_them() -> None:
    story = Story().online()
    piece = {"type": "conversation.item.input_audio_transcription.delta", "item_id": "item_U1", "content_index": 0}
    story.says({**piece, "delta": "What "}, {**piece, "delta": "dime"})
    assert story.entries == [("item_U1", "What dime")]
    story.says({"type": "input_audio_buffer.committed", "item_id": "item_U1"}, transcribed("item_U1", "What time?"))
    story.says({**piece, "delta": " too late"})
    assert story.entries == [("item_U1", "What time?")]


def test_a_server_that_says_completed_over_and_over_has_one_final_transcript() -> None:
    story = Story().online()
    frame = transcribed("item_U1", "What")
    story.says({**frame, "status": "in_progress"}, {**transcribed("item_U1", "What now?"), "status": "completed"})
    assert story.entries == [("item_U1", "What now?")]
    assert story.shown()[0].status is EntryStatus.COMPLETED


def test_no_transcript_in_time_says_so_and_a_late_one_still_fills_it() -> None:
    story = Story().online()
    effects = story.talks()
    story.happens(woken(effects, Timer.TRANSCRIPT))
    assert story.shown()[0].remark == "(no transcript)"
    story.says(transcribed("item_U1", "Better late"))
    assert story.shown()[0].text == "Better late"
    assert story.shown()[0].remark == ""


def test_a_transcript_that_still_grows_is_waited_for() -> None:
    story = Story().online()
    effects = story.talks()
    piece = {"type": "conversation.item.input_audio_transcription.delta", "item_id": "item_U1", "content_index": 0}
    story.says({**piece, "delta": "Once upon"})
    effects = story.happens(woken(effects, Timer.TRANSCRIPT))
    assert story.shown()[0].remark == ""
    story.happens(woken(effects, Timer.TRANSCRIPT))  # and then nothing came
    assert story.shown()[0].remark == "(no transcript)"


def test_a_failed_transcript_is_no_failure_of_the_conversation() -> None:
    story = Story().online()
    story.talks()
    failed = {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": "item_U1",
        "content_index": 0,
        "error": {"code": "DeploymentNotFound", "message": "no such deployment"},
    }
    effects = story.says(failed)
    assert "no such deployment" in notices(effects)[0].text
    story.answers()
    assert story.turn() is Turn.SPEAKING


def test_items_go_where_their_predecessor_says_and_done_does_not_move_them() -> None:
    story = Story().online()
    story.says(added("a", "user", None), added("c", "assistant", "a"), added("b", "user", "a"))
    assert [item for item, _ in story.entries] == ["a", "b", "c"]
    moved = {"type": "conversation.item.done", "previous_item_id": None}
    story.says({**moved, "item": {"id": "c", "type": "message", "role": "assistant", "status": "completed"}})
    assert [item for item, _ in story.entries] == ["a", "b", "c"]


def test_an_item_whose_predecessor_comes_later_is_put_right() -> None:
    story = Story().online()
    story.says(added("a", "user", None), added("z", "assistant", "y"), added("b", "user", "a"))
    story.says(added("y", "user", "a"))
    assert [item for item, _ in story.entries] == ["a", "y", "z", "b"]


def test_what_comes_after_a_deleted_item_keeps_its_place() -> None:
    story = Story().online()
    story.says(added("a", "user", None), added("b", "assistant", "a"), added("c", "user", "b"))
    story.says({"type": "conversation.item.deleted", "item_id": "b"}, added("d", "assistant", "b"))
    assert [item for item, _ in story.entries] == ["a", "d", "c"]


def test_two_items_open_at_once_do_not_mix() -> None:
    story = Story().online()
    story.says(created(), added("pre", "assistant", None), added("ans", "assistant", "pre"))
    story.says(
        words_of("pre", "Let me "), words_of("ans", "It is "), words_of("pre", "see."), words_of("ans", "noon.")
    )
    assert story.entries == [("pre", "Let me see."), ("ans", "It is noon.")]


def test_the_heard_part_ends_at_a_word() -> None:
    story = Story().online()
    story.talks()
    story.answers(3000, words="One two three four five six.")
    story.stopped_with = (Heard(PART, 1000),)
    story.happens(StopPressed())
    entry = story.shown()[-1]
    assert entry.text[: entry.heard_chars] == "One two"


@pytest.mark.parametrize(
    ("status", "details", "shown"),
    [
        ("incomplete", {"type": "incomplete", "reason": "max_output_tokens"}, "length limit"),
        ("incomplete", {"type": "incomplete", "reason": "content_filter"}, "content filter"),
        ("failed", {"type": "failed", "error": {"code": "server_error", "message": "Try again"}}, "Try again"),
        ("failed", "it broke", "it broke"),
    ],
)
def test_every_ending_is_visible(status: str, details: object, shown: str) -> None:
    story = Story().online()
    story.talks()
    story.says(created(), done(status=status, items=(), status_details=details))
    assert shown in story.shown()[-1].remark
    assert story.turn() is Turn.IDLE
    story = Story().speaking()
    story.says(done(status=status, status_details=details))
    assert shown in story.shown()[-1].remark
    assert story.shown()[-1].text == "Hello there."


@pytest.mark.parametrize("status", ["incomplete", "failed", "cancelled", "brand_new"])
def test_an_interrupted_answer_is_interrupted_whatever_the_server_calls_it(status: str) -> None:
    story = Story().speaking()
    story.stopped_with = (Heard(PART, 600),)
    story.happens(StopPressed())
    story.says(done(status=status, status_details={"type": status}))
    entry = story.shown()[-1]
    assert (entry.status, entry.heard_ms, entry.action) == (EntryStatus.INTERRUPTED, 600, EntryAction.SAY_THE_REST)
    assert story.turn() is Turn.IDLE


def test_an_answer_out_of_band_is_neither_shown_nor_heard() -> None:
    story = Story().speaking()
    before = story.entries
    story.says(
        created("resp_x", metadata={"job": "title"}, conversation=None), words_of("item_x", "Title", "resp_x")
    )
    story.says(audio("item_x", 100, "resp_x"), done("resp_x", items=("item_x",)))
    assert story.entries == before
    assert sent(story.happens(StopPressed()))[0] == ResponseCancel(response_id=R)


def test_an_odd_number_of_bytes_is_handed_on_whole() -> None:
    story = Story().online()
    delta = base64.b64encode(b"\1\2\3").decode()
    effects = story.says(
        {"type": "response.output_audio.delta", "response_id": R, "item_id": ITEM, "delta": delta},
        {"type": "response.output_audio.delta", "response_id": R, "item_id": ITEM, "delta": delta},
    )
    assert b"".join(effect.pcm for effect in effects if isinstance(effect, Play)) == b"\1\2\3\1\2\3"


def test_a_server_of_the_older_names_is_understood() -> None:
    story = Story().online()
    story.talks()
    item = {"id": ITEM, "type": "message", "role": "assistant", "content": [{"type": "audio"}]}
    story.says(created(), {"type": "conversation.item.created", "previous_item_id": "item_U1", "item": item})
    part = {"response_id": R, "item_id": ITEM, "output_index": 0, "content_index": 0}
    story.says({**part, "type": "response.audio_transcript.delta", "delta": "Old words"})
    effects = story.says({**part, "type": "response.audio.delta", "delta": "AAAA"})
    assert any(isinstance(effect, Play) for effect in effects)
    assert dict(story.entries)[ITEM] == "Old words"


# --- the voice ----------------------------------------------------------------------------------


def test_a_voice_can_be_chosen_until_the_assistant_has_spoken() -> None:
    story = Story().online()
    update = sent(story.happens(VoiceChosen("max")))[0]
    assert isinstance(update, SessionUpdate)
    assert update.session.voice == "max"
    story.talks()
    story.answers()
    voice = View(story.effects).voice
    assert voice is not None
    assert voice.locked
    assert voice.reason
    assert voice.current == "max", "the one that speaks now"


def test_another_voice_after_the_first_audio_goes_on_in_a_new_session() -> None:
    story = Story().speaking()
    story.says(transcribed("item_U1", "Who are you?"), audio_done(), done())
    assert Connect() not in story.happens(VoiceChosen("max")), "the answer is heard to its end"
    assert ConnectNext() in story.happens(PlaybackFinished(PART))
    effects = story.succeeds()
    voices = [e.event.session.voice for e in of(SendNext, effects) if isinstance(e.event, SessionUpdate)]
    assert voices[-1] == "max"
    replayed = [e.item.words for e in sent(effects) if isinstance(e, ConversationItemCreate)]
    assert replayed == ["Who are you?", "Hello there."]
    assert [text for _, text in story.entries] == ["Who are you?", "Hello there."], "one conversation"
    assert story.link() is Link.ONLINE


def test_a_new_conversation_has_the_new_voice_and_an_empty_transcript() -> None:
    story = Story().speaking()
    story.happens(VoiceChosen("max"))
    effects = story.happens(NewConversationAsked())
    assert effects.index(Disconnect()) < effects.index(Connect())
    assert StopPlayback() in effects
    assert story.entries == []
    story.says(SESSION_CREATED)
    effects = story.says(SESSION_UPDATED)
    voices = [e.session.voice for e in sent(story.effects) if isinstance(e, SessionUpdate)]
    assert voices[-1] == "max"
    assert not any(isinstance(event, ConversationItemCreate) for event in sent(effects))


def test_a_refused_voice_goes_back() -> None:
    story = Story().online()
    story.happens(VoiceChosen("max"))
    effects = story.says(error("cannot_update_voice", "Cannot update a conversation's voice"))
    assert notices(effects)
    voice = View(story.effects).voice
    assert voice is not None
    assert (voice.current, voice.locked) == ("heart", True)


# --- errors -------------------------------------------------------------------------------------


def test_an_error_names_what_was_refused_and_the_conversation_goes_on() -> None:
    story = Story().online()
    effects = story.happens(TextEntered("hello"))
    create = next(e.event for e in effects if isinstance(e, Send) and isinstance(e.event, ResponseCreate))
    effects = story.says(error("invalid_value", "bad\x1b[31m\n things", event_id=str(create.event_id)))
    assert "refused to answer" in notices(effects)[0].text
    assert "\x1b" not in notices(effects)[0].text
    assert story.turn() is Turn.IDLE
    assert "response.create" in names(story.happens(TextEntered("again")))


def test_a_playback_report_nobody_asked_for_changes_nothing() -> None:
    story = Story().online()
    assert sent(story.happens(PlaybackStopped((Heard(PART, 100),)))) == []
