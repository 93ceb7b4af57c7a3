"""The server finds the turns: the guide's turn detection, mute and idle timeout, as stories."""

from __future__ import annotations

import msgspec
import pytest

from desktop_app.conversation.effects import CloseMic, ConnectNext, Link, OpenMic, ShowNotice, StopPlayback, Turn
from desktop_app.conversation.entries import EntryStatus
from desktop_app.conversation.inputs import (
    AnswerAsked,
    BudgetReached,
    ConnectAsked,
    Disconnected,
    Heard,
    MicBlock,
    MicClosed,
    MicFailed,
    MicStarted,
    Muted,
    PlaybackFinished,
    RenewalAsked,
    SessionChosen,
    SpeakerFailed,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
)
from desktop_app.conversation.setup import TURN_DETECTION, read
from desktop_app.errors import Notice
from desktop_app.protocol.events import (
    ConversationItemTruncate,
    InputAudioBufferAppend,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from tests.conversation.story import (
    CONFIG,
    HANDS_FREE,
    ITEM,
    PART,
    SESSION_CREATED,
    SESSION_UPDATED,
    VAD,
    R,
    Story,
    added,
    audio,
    audio_done,
    created,
    done,
    error,
    events_of,
    names,
    notices,
    of,
    pcm,
    sent,
    sound_file,
    speech_started,
    transcribed,
    updated,
    with_detection,
    woken,
    words_of,
)

MANUAL = with_detection(msgspec.structs.replace(VAD, create_response=False, interrupt_response=False))
GONE = MicFailed(Notice("The microphone went away.", "Choose another."))


def listening() -> Story:
    """Return a conversation whose microphone is open."""
    story = Story(HANDS_FREE).online()
    story.happens(MicStarted())
    return story


def speaking(ms: int = 2000) -> Story:
    """Return a conversation in which the server answers what it heard."""
    story = listening()
    story.hears()
    story.answers(ms)
    return story


# --- the open microphone ------------------------------------------------------------------------


def test_the_microphone_is_open_as_long_as_there_is_somebody_to_hear_it() -> None:
    story = Story(HANDS_FREE)
    story.happens(ConnectAsked())
    story.says(SESSION_CREATED)
    assert OpenMic() not in story.effects, "nobody is told what comes before the session is configured"
    effects = story.says(updated(HANDS_FREE))
    assert of(OpenMic, effects) == [OpenMic()]
    assert story.turn() is Turn.OPENING
    story.happens(MicStarted())
    assert story.turn() is Turn.IDLE
    assert len(events_of(InputAudioBufferAppend, story.happens(MicBlock(pcm(20)), MicBlock(pcm(20))))) == 2


def test_the_stream_goes_on_while_the_assistant_speaks() -> None:
    story = speaking()
    assert events_of(InputAudioBufferAppend, story.happens(MicBlock(pcm(20))))


def test_a_muted_microphone_sends_silence_and_not_nothing() -> None:
    story = listening()
    story.happens(Muted(True))
    block = events_of(InputAudioBufferAppend, story.happens(MicBlock(b"\1\2" * 480)))[0]
    assert block.audio == bytes(960)
    story.happens(Muted(False))
    block = events_of(InputAudioBufferAppend, story.happens(MicBlock(b"\1\2" * 480)))[0]
    assert block.audio == b"\1\2" * 480


def test_muted_stays_muted_in_the_next_session_and_is_shown() -> None:
    story = listening()
    story.happens(Muted(True), RenewalAsked(), MicClosed())
    story.says(SESSION_CREATED, updated(HANDS_FREE))
    block = events_of(InputAudioBufferAppend, story.happens(MicStarted(), MicBlock(b"\1\2" * 480)))[0]
    assert block.audio == bytes(960)


def test_mute_is_for_the_open_microphone_only() -> None:
    story = Story().online()
    story.happens(Muted(True), TalkPressed(), MicStarted())
    block = events_of(InputAudioBufferAppend, story.happens(MicBlock(b"\1\2" * 480)))[0]
    assert block.audio == b"\1\2" * 480


# --- turns --------------------------------------------------------------------------------------


def test_a_turn_the_server_found_needs_neither_commit_nor_create() -> None:
    story = listening()
    story.says(speech_started())
    assert story.turn() is Turn.LISTENING
    assert names(story.hears()) == []
    assert story.turn() is Turn.THINKING, "the server will answer by itself"
    story.answers()
    assert story.turn() is Turn.SPEAKING
    assert story.entries == [("item_U1", ""), (ITEM, "Hello there.")]
    assert "response.create" not in names(story.effects)


def test_the_order_of_a_turn_on_the_wire_with_late_words() -> None:
    """Wire order as it was recorded; the transcript comes after the end of the answer."""
    story = listening()
    item = {"id": ITEM, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    story.hears()
    story.says(
        created(),
        {"type": "response.output_item.added", "response_id": R, "output_index": 0, "item": item},
        added(ITEM, "assistant", "item_U1"),
        {"type": "response.content_part.added", "response_id": R, "item_id": ITEM, "part": {"type": "audio"}},
        words_of(ITEM, "It is "),
        audio(ITEM, 400),
        words_of(ITEM, "noon."),
        audio(ITEM, 400),
        audio_done(),
        {
            "type": "response.output_audio_transcript.done",
            "response_id": R,
            "item_id": ITEM,
            "transcript": "It is noon.",
        },
    )
    final = {**item, "status": "completed", "content": [{"type": "output_audio", "transcript": "It is noon."}]}
    story.says(
        {"type": "conversation.item.done", "previous_item_id": None, "item": final},
        {"type": "response.output_item.done", "response_id": R, "output_index": 0, "item": final},
        done(usage={"total_tokens": 10}),
        {"type": "rate_limits.updated", "rate_limits": [{"name": "tokens", "limit": 10, "remaining": 9}]},
        transcribed("item_U1", "What time is it?"),
    )
    assert story.entries == [("item_U1", "What time is it?"), (ITEM, "It is noon.")]
    assert [entry.status for entry in story.shown()] == [EntryStatus.COMPLETED] * 2


def test_an_answer_that_never_begins_is_not_waited_for_for_ever() -> None:
    story = listening()
    effects = story.hears()
    story.happens(woken(effects, Timer.RESPONSE_CREATED))
    assert story.turn() is Turn.IDLE


def test_what_is_typed_while_the_user_speaks_goes_before_the_turn() -> None:
    story = listening()
    story.says(speech_started())
    picture = TextEntered("", images=("data:image/png;base64,AAAA",))
    assert names(story.happens(picture)) == ["conversation.item.create"], "the turn's end is answered anyway"
    assert "response.create" in names(Story(HANDS_FREE).online().happens(TextEntered("hello")))


def test_a_typed_question_and_a_turn_at_once_are_answered_one_after_the_other() -> None:
    story = listening()
    create = events_of(ResponseCreate, story.happens(TextEntered("One plus one?")))[0]
    story.says(story.born("resp_1"), done("resp_1", items=()))  # the server echoes metadata
    create = events_of(ResponseCreate, story.happens(TextEntered("Two plus two?")))[0]
    story.says(created("resp_vad"))  # the server found a turn a moment earlier
    refusal = error("conversation_already_has_active_response", event_id=str(create.event_id))
    assert names(story.says(refusal)) == []
    assert story.turn() is Turn.THINKING
    assert names(story.says(done("resp_vad", items=()))) == ["response.create"]


def test_what_is_typed_between_a_turn_and_its_answer_takes_its_place() -> None:
    story = listening()
    story.hears()
    assert names(story.happens(TextEntered("no, this"))) == ["conversation.item.create"], "one is coming already"
    assert sent(story.says(created("resp_1"))) == [ResponseCancel(response_id="resp_1")]
    assert names(story.says(done("resp_1", "cancelled", items=()))) == ["response.create"]


# --- barge-in by voice --------------------------------------------------------------------------


def test_speech_truncates_what_was_heard_and_cancels_nothing_itself() -> None:
    """5 s of audio in a burst, the response done, speech after 1 s of playback."""
    story = speaking(5000)
    story.says(audio_done(), done())
    story.stopped_with = (Heard(PART, 1000),)
    effects = story.says(speech_started("item_U2"))
    assert effects[0] == StopPlayback()
    assert sent(effects) == [ConversationItemTruncate(item_id=ITEM, content_index=0, audio_end_ms=1000)]
    assert story.turn() is Turn.LISTENING


def test_speech_while_the_answer_is_generated_leaves_the_cancelling_to_the_server() -> None:
    story = speaking(2000)
    story.stopped_with = (Heard(PART, 700),)
    assert names(story.says(speech_started("item_U2"))) == ["conversation.item.truncate"]
    assert story.says(audio(ITEM, 300)) == [], "what is under way is dropped"
    story.says(done(status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"}))
    assert story.shown()[0].item_id == "item_U1"
    assert story.shown()[1].status is EntryStatus.INTERRUPTED


def test_speech_before_the_first_audio_truncates_nothing() -> None:
    story = listening()
    story.hears()
    story.says(created(), added(ITEM, "assistant", "item_U1"))
    effects = story.says(speech_started("item_U2"))
    assert names(effects) == []
    assert StopPlayback() not in effects
    assert story.turn() is Turn.LISTENING


@pytest.mark.parametrize("cancelled_first", [True, False])
def test_the_cancelled_end_may_come_before_or_after_the_speech(cancelled_first: bool) -> None:
    story = speaking(2000)
    story.stopped_with = (Heard(PART, 700),)
    frames = [done(status="cancelled"), speech_started("item_U2")]
    effects = story.says(*(frames if cancelled_first else reversed(frames)))
    assert names(effects) == ["conversation.item.truncate"]
    assert story.shown()[-1].heard_ms == 700


def test_a_second_speech_while_nothing_sounds_is_nothing_new() -> None:
    story = speaking()
    story.says(speech_started("item_U2"))
    assert story.says(speech_started("item_U2")) == []


def test_our_own_request_on_its_way_when_the_user_speaks_is_cancelled_at_its_birth() -> None:
    story = listening()
    story.happens(TextEntered("hello"))
    story.says(speech_started("item_U2"))
    assert sent(story.says(story.born("resp_1"))) == [ResponseCancel(response_id="resp_1")]


def test_after_a_cough_the_answer_can_be_asked_for_again() -> None:
    story = speaking()
    story.stopped_with = (Heard(PART, 700),)
    story.says(speech_started("item_U2"), done(status="cancelled"))
    story.says({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900, "item_id": "item_U2"})
    assert story.turn() is Turn.IDLE
    assert names(story.happens(AnswerAsked())) == ["response.create"]


def test_a_press_is_a_wish_for_silence() -> None:
    story = speaking()
    story.stopped_with = (Heard(PART, 700),)
    effects = story.happens(TalkPressed())
    assert names(effects) == ["response.cancel", "conversation.item.truncate"]
    assert OpenMic() not in effects
    assert story.happens(TalkReleased()) == []


# --- turns by the server, answers by the user ---------------------------------------------------


def test_in_manual_mode_a_turn_is_answered_when_the_user_says_so() -> None:
    story = Story(MANUAL).online()
    story.happens(MicStarted())
    assert names(story.hears()) == []
    assert story.turn() is Turn.IDLE
    assert names(story.happens(AnswerAsked())) == ["response.create"]
    assert names(story.happens(AnswerAsked())) == [], "it is on its way"
    story.answers()
    effects = story.says(speech_started("item_U2"))
    assert StopPlayback() not in effects, "nor does speech interrupt by itself"
    assert names(effects) == []


def test_both_halves_of_manual_mode_are_said_expressly() -> None:
    story = Story(MANUAL)
    story.happens(ConnectAsked())
    first = events_of(SessionUpdate, story.says(SESSION_CREATED))[0]
    detection = read(first.session, TURN_DETECTION)
    assert (detection.create_response, detection.interrupt_response) == (False, False)


# --- nobody there -------------------------------------------------------------------------------


def timeout(item: str) -> dict[str, object]:
    """Return `input_audio_buffer.timeout_triggered`."""
    return {
        "type": "input_audio_buffer.timeout_triggered",
        "audio_start_ms": 0,
        "audio_end_ms": 1,
        "item_id": item,
    }


def test_two_questions_nobody_answers_are_the_last() -> None:
    story = listening()
    story.says(timeout("idle_1"), {"type": "input_audio_buffer.committed", "item_id": "idle_1"})
    assert story.shown()[-1].remark == "(no input)"
    story.says(created("resp_1"), done("resp_1", items=()))
    effects = story.says(timeout("idle_2"), {"type": "input_audio_buffer.committed", "item_id": "idle_2"})
    update = events_of(SessionUpdate, effects)[0]
    detection = read(update.session, TURN_DETECTION)
    assert detection.idle_timeout_ms is None
    assert detection.threshold == VAD.threshold, "sent whole"
    assert notices(effects)[0].hint
    story.says(transcribed("idle_2", ""))
    assert [entry.remark for entry in story.shown()] == ["(no input)"] * 2


def test_a_word_in_between_begins_the_count_anew() -> None:
    story = listening()
    story.says(timeout("idle_1"))
    story.hears()
    assert not events_of(SessionUpdate, story.says(timeout("idle_2")))


def test_an_idle_question_does_not_cost_a_slow_tool_its_answer() -> None:
    story = Story(HANDS_FREE).offers("slow").online()
    story.hears()
    story.calls("slow")
    story.says(timeout("idle_1"), {"type": "input_audio_buffer.committed", "item_id": "idle_1"})
    story.says(created("resp_2"))
    story.ran("call_slow")
    assert "response.create" in names(story.says(done("resp_2", items=())))


# --- the microphone and the link come and go ----------------------------------------------------


def test_after_a_lost_link_the_microphone_opens_again_by_itself_and_once() -> None:
    story = listening()
    effects = story.happens(Disconnected(close_code=1006))
    assert of(CloseMic, effects) == [CloseMic()]
    assert not any("speaking" in notice.text for notice in notices(effects))
    story.happens(MicClosed())
    effects = story.happens(woken(effects, Timer.RECONNECT))
    assert OpenMic() not in effects
    effects = story.says(SESSION_CREATED, updated(HANDS_FREE), updated(HANDS_FREE))
    assert of(OpenMic, effects) == [OpenMic()]


def test_a_link_that_is_back_before_the_microphone_has_closed() -> None:
    story = listening()
    effects = story.happens(Disconnected(close_code=1006))
    story.happens(woken(effects, Timer.RECONNECT))
    effects = story.says(SESSION_CREATED, updated(HANDS_FREE))
    assert OpenMic() not in effects
    assert of(OpenMic, story.happens(MicClosed())) == [OpenMic()]


def test_a_microphone_that_fails_is_not_opened_over_and_over() -> None:
    story = listening()
    effects = story.happens(GONE)
    assert OpenMic() not in effects
    assert len(of(ShowNotice, effects)) == 1
    for event in (StopPressed(), Muted(True), TextEntered("hello")):
        assert OpenMic() not in story.happens(event)
    effects = story.happens(Disconnected(close_code=1006))
    story.happens(woken(effects, Timer.RECONNECT))
    assert OpenMic() not in story.says(SESSION_CREATED, updated(HANDS_FREE))
    assert OpenMic() in story.happens(TalkPressed()), "but when the user wants it"


def test_a_microphone_that_fails_while_the_user_speaks_ends_the_listening() -> None:
    story = listening()
    story.says(speech_started())
    story.happens(GONE)
    assert story.turn() is Turn.IDLE


def test_hands_free_left_while_the_user_speaks_ends_the_listening() -> None:
    story = listening()
    story.says(speech_started())
    effects = story.happens(SessionChosen(CONFIG))
    assert CloseMic() in effects
    effects = story.happens(MicBlock(pcm(20)), MicClosed())
    assert not events_of(InputAudioBufferAppend, effects)
    assert names(effects) == ["input_audio_buffer.clear"], "the half turn belongs to nobody"
    assert story.turn() is Turn.IDLE


def test_a_press_while_the_open_microphone_closes_is_a_talk() -> None:
    story = listening()
    story.happens(SessionChosen(CONFIG))
    effects = story.happens(
        TalkPressed(), MicClosed(), MicStarted(), MicBlock(pcm(500)), TalkReleased(), MicClosed()
    )
    assert OpenMic() in effects
    assert names(effects)[-2:] == ["input_audio_buffer.commit", "response.create"]


def test_such_a_press_interrupts_as_any_other() -> None:
    story = speaking()
    story.happens(SessionChosen(CONFIG))
    story.stopped_with = (Heard(PART, 700),)
    effects = story.happens(TalkPressed())
    assert StopPlayback() in effects
    assert names(effects) == ["response.cancel", "conversation.item.truncate"]


def test_a_mode_switched_while_the_key_is_held_waits_for_its_end() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(500)), SessionChosen(HANDS_FREE))
    assert story.turn() is Turn.LISTENING
    assert CloseMic() in story.happens(TalkReleased())
    effects = story.happens(MicClosed())
    assert names(effects)[0] == "input_audio_buffer.commit"
    assert OpenMic() in effects
    assert story.happens(TalkPressed(), TalkReleased()) is not None
    assert story.core.turn is not Turn.LISTENING


def test_a_renewal_waits_for_the_users_turn_to_end() -> None:
    story = listening()
    story.says(speech_started())
    assert ConnectNext() not in story.happens(RenewalAsked())
    effects = story.says({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900, "item_id": "item_U1"})
    assert ConnectNext() in effects
    assert story.link() is Link.ONLINE


def test_no_speaker_in_hands_free_leaves_the_microphone_open() -> None:
    story = speaking()
    effects = story.happens(SpeakerFailed(Notice("No speaker.", "Plug one in."), (Heard(PART, 100),)))
    assert CloseMic() not in effects


# --- money, recordings --------------------------------------------------------------------------


def test_a_budget_that_is_spent_closes_the_microphone_and_says_why() -> None:
    story = speaking()
    effects = story.happens(BudgetReached(reached=True))
    assert CloseMic() in effects
    assert "budget" in notices(effects)[0].text
    assert StopPlayback() not in effects, "the answer under way is heard to its end"
    story.says(audio_done(), done())
    story.happens(MicClosed(), PlaybackFinished(PART))
    assert OpenMic() not in story.happens(TalkPressed())
    assert OpenMic() in story.happens(BudgetReached(reached=False))


def test_a_long_recording_never_goes_through_the_turn_detection() -> None:
    story = listening()
    effects = story.happens(sound_file(pcm(70_000), "lecture.wav"))
    assert names(effects) == []
    assert "push to talk" in notices(effects)[0].hint
    story.happens(GONE)
    assert names(story.happens(sound_file(pcm(70_000), "lecture.wav"))) == [], "nor with the microphone gone"
    assert names(story.happens(sound_file(pcm(7_000), "note.wav"))) == [
        "conversation.item.create",
        "response.create",
    ]


def test_the_first_session_is_push_to_talk_unless_the_server_says_otherwise() -> None:
    story = Story()
    story.happens(ConnectAsked())
    story.says(SESSION_CREATED, SESSION_UPDATED)
    assert OpenMic() not in story.effects
