"""What was said already: forgotten, asked again, said on, fetched, replayed; and what waits to be said."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest
from msgspec import UNSET

from desktop_app.conversation import replay
from desktop_app.conversation.effects import (
    CancelTool,
    ClearEntries,
    Effect,
    GiveBackText,
    RemoveEntry,
    SaveRecording,
    ShowEntry,
    ShowTitle,
    StopPlayback,
)
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role
from desktop_app.conversation.inputs import (
    AnswerAsked,
    BudgetReached,
    ConnectAsked,
    ConversationContinued,
    Disconnected,
    ForgetAsked,
    Heard,
    MicBlock,
    MicClosed,
    MicStarted,
    NewConversationAsked,
    PlaybackFinished,
    Recording,
    ResendAsked,
    RestAsked,
    ServerCopyAsked,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
)
from desktop_app.protocol.events import (
    ConversationItemCreate,
    ConversationItemDelete,
    InputAudioBufferAppend,
    ResponseCreate,
)
from desktop_app.protocol.items import Item, PartId
from tests.conversation.story import (
    HANDS_FREE,
    ITEM,
    PART,
    SESSION_CREATED,
    SESSION_UPDATED,
    R,
    Story,
    added,
    added_item,
    audio,
    audio_done,
    created,
    done,
    ended,
    error,
    events_of,
    names,
    notices,
    of,
    pcm,
    sent,
    sound_file,
    transcribed,
    woken,
    words_of,
)

PICTURE = "data:image/png;base64,AAAA"


def deleted(effects: Sequence[Effect]) -> list[str]:
    """Return the items that are deleted on the server."""
    return [event.item_id for event in events_of(ConversationItemDelete, effects)]


def talked() -> Story:
    """Return a conversation after one turn that was heard to its end."""
    story = Story().speaking()
    story.says(transcribed("item_U1", "Who are you?"), audio_done(), done())
    story.happens(PlaybackFinished(PART))
    return story


def replayed(story: Story) -> list[Item]:
    """Lose the connection, come back; return what the new session is given."""
    story.happens(Disconnected(close_code=1006), ConnectAsked())
    effects = story.says(SESSION_CREATED) + story.says(SESSION_UPDATED)
    return [event.item for event in events_of(ConversationItemCreate, effects)]


# --- forget -------------------------------------------------------------------------------------


def test_a_forgotten_item_leaves_the_context_and_the_transcript() -> None:
    story = talked()
    effects = story.happens(ForgetAsked(("item_U1",)))
    assert deleted(effects) == ["item_U1"]
    assert story.entries == [(ITEM, "Hello there.")]
    story.says({"type": "conversation.item.deleted", "item_id": "item_U1"})
    assert deleted(story.happens(ForgetAsked(("item_U1", "nobody")))) == [], "once"


def test_what_was_forgotten_stays_forgotten() -> None:
    story = Story().online()
    story.talks()
    story.happens(ForgetAsked(("item_U1",)))
    story.says(transcribed("item_U1", "late words"), added("item_U1", "user", None))
    story.says(added(ITEM, "assistant", "item_U1"), words_of(ITEM, "Hello."))
    assert story.entries == [(ITEM, "Hello.")]
    assert [item.words for item in replayed(story)] == ["Hello."]


def test_forgetting_what_is_being_said_ends_it_and_truncates_nothing() -> None:
    story = Story().speaking()
    story.stopped_with = (Heard(PART, 500),)
    effects = story.happens(ForgetAsked((ITEM,)))
    assert StopPlayback() in effects
    assert names(effects) == ["response.cancel", "conversation.item.delete"]
    assert story.says(audio(ITEM, 100), words_of(ITEM, "more")) == []


def test_a_call_is_forgotten_together_with_its_output() -> None:
    story = Story().offers("clock").online()
    story.talks()
    story.calls("clock")
    output = events_of(ConversationItemCreate, story.ran("call_clock", "12"))[0].item
    assert deleted(story.happens(ForgetAsked(("item_call_clock",)))) == [output.id, "item_call_clock"]
    assert isinstance(output.id, str)
    assert len(output.id) <= replay.MAX_OWN_ID


def test_forgetting_offline_is_for_the_next_session() -> None:
    story = talked()
    story.happens(Disconnected(http_status=401))
    effects = story.happens(ForgetAsked(("item_U1",)))
    assert names(effects) == []
    assert RemoveEntry("item_U1") in effects
    assert not notices(effects)
    story.happens(ConnectAsked())
    effects = story.says(SESSION_CREATED) + story.says(SESSION_UPDATED)
    assert [event.item.words for event in events_of(ConversationItemCreate, effects)] == ["Hello there."]


def test_forgetting_costs_nothing_and_needs_no_budget() -> None:
    story = talked()
    assert deleted(story.happens(BudgetReached(reached=True), ForgetAsked(("item_U1",)))) == ["item_U1"]


def test_a_row_that_stands_for_no_item_is_only_removed() -> None:
    story = Story().online()
    story.talks()
    story.says(created(), ended([], status="failed"))
    effects = story.happens(ForgetAsked((story.shown()[-1].item_id,)))
    assert names(effects) == []
    assert len(story.entries) == 1


# --- ask again ----------------------------------------------------------------------------------


def test_a_rewritten_text_is_asked_and_what_came_after_the_old_one_forgotten() -> None:
    story = Story().online()
    first = events_of(ConversationItemCreate, story.happens(TextEntered("Whats that?", (PICTURE,))))[0].item
    story.answers()
    story.says(audio_done(), done())
    story.happens(PlaybackFinished(PART))
    effects = story.happens(ResendAsked(str(first.id), "What is that?"))
    assert deleted(effects) == [ITEM, first.id]
    again = events_of(ConversationItemCreate, effects)[0].item
    assert again.words == "What is that?"
    assert [part.image_url for part in again.parts if part.image_url] == [PICTURE], "the picture is still meant"
    assert names(effects)[-1] == "response.create"
    assert [text for _, text in story.entries] == ["What is that?"]


def test_a_text_rewritten_while_it_is_answered_stops_the_answer() -> None:
    story = Story().online()
    first = events_of(ConversationItemCreate, story.happens(TextEntered("Whats that?")))[0].item
    story.answers()
    story.stopped_with = (Heard(PART, 500),)
    effects = story.happens(ResendAsked(str(first.id), "What is that?"))
    assert names(effects) == [
        "response.cancel",
        "conversation.item.delete",
        "conversation.item.delete",
        "conversation.item.create",
    ]
    assert names(story.says(done(status="cancelled"))) == ["response.create"]


def test_a_text_rewritten_to_nothing_changes_nothing() -> None:
    story = talked()
    assert sent(story.happens(ResendAsked("item_U1", "  "))) == []
    assert len(story.entries) == 2


def test_a_rewritten_text_is_not_lost_without_a_connection() -> None:
    story = talked()
    story.happens(Disconnected(http_status=401))
    assert GiveBackText("Better words") in story.happens(ResendAsked("item_U1", "Better words"))
    assert len(story.entries) == 2


# --- go on --------------------------------------------------------------------------------------


def interrupted() -> Story:
    """Return a conversation whose answer was cut after «One two»."""
    story = Story().online()
    story.talks()
    story.answers(3000, words="One two three four five six.")
    story.stopped_with = (Heard(PART, 1000),)
    story.happens(StopPressed())
    story.says(done(status="cancelled"))
    return story


def test_the_rest_of_an_interrupted_answer_is_said_once() -> None:
    story = interrupted()
    assert story.shown()[-1].action is EntryAction.SAY_THE_REST
    create = events_of(ResponseCreate, story.happens(RestAsked(ITEM)))[0].response
    assert create is not UNSET
    assert str(create.instructions).endswith("three four five six.")
    assert create.tool_choice == "none"
    assert story.shown()[-1].action is None, "the offer is taken"
    assert story.shown()[-1].status is EntryStatus.INTERRUPTED
    assert names(story.happens(RestAsked(ITEM))) == []
    assert names(story.happens(RestAsked("nobody"))) == []


def test_words_that_came_before_any_sound_were_not_heard() -> None:
    """Words run ahead of the audio: the server must not keep what nobody heard."""
    story = Story().online()
    story.talks()
    story.says(story.born(), added(ITEM, "assistant", "item_U1"), words_of(ITEM, "Well, you see"))
    assert names(story.happens(StopPressed())) == ["response.cancel"], "there is nothing to truncate"
    entry = story.shown()[-1]
    assert (entry.heard_chars, entry.action) == (0, EntryAction.SAY_THE_REST)
    said = {
        "id": ITEM,
        "type": "message",
        "role": "assistant",
        "status": "incomplete",
        "content": [{"type": "output_audio", "transcript": "Well, you see"}],
    }
    assert deleted(story.says(audio(ITEM, 200), ended([said], status="cancelled"))) == [ITEM]
    assert story.shown()[-1].text == "Well, you see"
    assert [item.words for item in replayed(story)] == []


def test_what_was_heard_stays_in_the_context_when_the_response_ends_cancelled() -> None:
    story = interrupted()
    assert deleted(story.effects) == []


def test_a_part_heard_to_its_end_is_not_unheard_when_the_next_is_interrupted() -> None:
    story = Story().speaking()
    story.says(audio_done())
    story.happens(PlaybackFinished(PART))
    story.says(added("item_A2", "assistant", ITEM), audio("item_A2", 900), words_of("item_A2", "And more."))
    story.stopped_with = (Heard(PartId("item_A2", 0), 300),)
    effects = story.happens(StopPressed())
    assert names(effects) == ["response.cancel", "conversation.item.truncate"]
    first = next(entry for entry in story.shown() if entry.item_id == ITEM)
    assert (first.status, first.heard_chars) == (EntryStatus.COMPLETED, None)


def test_an_answer_is_not_asked_for_while_one_is_on_its_way() -> None:
    story = Story().online()
    story.talks()
    assert names(story.happens(AnswerAsked())) == []
    story.answers()
    assert names(story.happens(AnswerAsked())) == []
    assert names(story.says(done())) == []


def test_a_retry_asks_for_the_same_again() -> None:
    story = Story().online()
    story.happens(TextEntered("What time is it?", written=True))
    story.says(story.born(), ended([], status="failed"))
    assert story.shown()[-1].action is EntryAction.RETRY
    create = events_of(ResponseCreate, story.happens(AnswerAsked()))[0].response
    assert create is not UNSET
    assert create.output_modalities == ["text"]


def test_a_cut_answer_can_be_continued() -> None:
    story = Story().speaking()
    story.says(done(status="incomplete", status_details={"reason": "max_output_tokens"}))
    assert story.shown()[-1].action is EntryAction.CONTINUE
    assert names(story.happens(AnswerAsked())) == ["response.create"]
    story = Story().speaking()
    story.says(done(status="incomplete", status_details={"reason": "content_filter"}))
    assert story.shown()[-1].action is None, "the next attempt would end there, too"


# --- fetch what the server heard ----------------------------------------------------------------


def copy(item: str, data: bytes | None) -> dict[str, object]:
    """Return `conversation.item.retrieved`."""
    part: dict[str, object] = {"type": "audio", "format": "pcm16", "transcript": "Who are you?"}
    if data is not None:
        part["audio"] = base64.b64encode(data).decode()
    message = {"id": item, "type": "message", "role": "user", "status": "completed", "content": [part]}
    return {"type": "conversation.item.retrieved", "item": message}


def test_what_the_server_heard_is_fetched_and_saved_once() -> None:
    story = talked()
    assert names(story.happens(ServerCopyAsked("item_U1"))) == ["conversation.item.retrieve"]
    assert of(SaveRecording, story.says(copy("item_U1", b"\1\0" * 100))) == [
        SaveRecording("item_U1", b"\1\0" * 100)
    ]
    assert story.says(copy("item_U1", b"\1\0" * 100)) == [], "nobody asked a second time"


@pytest.mark.parametrize("refused", [True, False])
def test_nothing_to_save_is_a_sentence(refused: bool) -> None:
    story = talked()
    story.happens(ServerCopyAsked("item_U1"))
    frame = error("item_retrieve_invalid_item_id") if refused else copy("item_U1", None)
    effects = story.says(frame)
    assert "no recording" in notices(effects)[0].text
    assert not of(SaveRecording, effects)


# --- sound files --------------------------------------------------------------------------------


def test_a_sound_file_is_one_message_and_asks_for_an_answer() -> None:
    story = Story().online()
    effects = story.happens(sound_file(b"\1\2" * 24_000 + b"\3", "note\n.wav"))
    item = events_of(ConversationItemCreate, effects)[0].item
    assert item.parts[0].type == "input_audio"
    assert item.parts[0].audio == b"\1\2" * 24_000, "whole samples only"
    assert names(effects)[-1] == "response.create"
    assert story.shown()[-1].remark == "Sound file: note .wav"


def test_a_long_sound_file_goes_by_the_buffer_in_pieces() -> None:
    story = Story().online()
    data = pcm(61_000)
    effects = story.happens(sound_file(data, "lecture.wav"))
    pieces = events_of(InputAudioBufferAppend, effects)
    assert b"".join(piece.audio for piece in pieces) == data
    assert max(len(piece.audio) for piece in pieces) <= 2_000 * 48
    assert names(effects) == ["input_audio_buffer.clear", "input_audio_buffer.commit", "response.create"]


@pytest.mark.parametrize(("ms", "said"), [(20, "too short"), (601_000, "too long")])
def test_a_sound_file_of_no_use_is_a_sentence(ms: int, said: str) -> None:
    story = Story().online()
    effects = story.happens(sound_file(pcm(ms), "x.wav"))
    assert names(effects) == []
    assert said in notices(effects)[0].text
    assert notices(effects)[0].hint


def test_a_sound_file_given_while_talking_goes_before_the_talk() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(500)))
    assert names(story.happens(sound_file(pcm(2000), "x.wav"))) == ["conversation.item.create"]
    assert names(story.happens(TalkReleased(), MicClosed())) == ["input_audio_buffer.commit", "response.create"]


def test_a_sound_file_without_a_connection_is_a_sentence() -> None:
    effects = Story().happens(sound_file(pcm(2000), "x.wav"))
    assert names(effects) == []
    assert "not sent" in notices(effects)[0].text
    assert GiveBackText("", (), (Recording(pcm(2000), "x.wav"),)) in effects, "and nothing is lost"


def test_sound_files_and_words_are_one_message() -> None:
    story = Story().online()
    two = (Recording(pcm(1000), "a.wav"), Recording(pcm(2000), "b.wav"))
    effects = story.happens(TextEntered("Which is louder?", (PICTURE,), recordings=two))
    assert names(effects) == ["conversation.item.create", "response.create"]
    item = events_of(ConversationItemCreate, effects)[0].item
    assert [part.type for part in item.parts] == ["input_text", "input_audio", "input_audio", "input_image"]
    entry = story.shown()[-1]
    assert (entry.text, entry.spoken, entry.remark) == ("Which is louder?", False, "Sound file: a.wav, b.wav")


def test_a_long_sound_file_goes_before_its_words() -> None:
    effects = Story().online().happens(TextEntered("Sum it up.", recordings=(Recording(pcm(61_000), "a.wav"),)))
    assert names(effects) == [
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "conversation.item.create",
        "response.create",
    ]


def test_words_are_not_sent_without_the_sound_file_they_are_about() -> None:
    story = Story().online()
    given = (Recording(pcm(1000), "good.wav"), Recording(pcm(10), "short.wav"))
    effects = story.happens(TextEntered("Compare.", recordings=given))
    assert names(effects) == []
    assert GiveBackText("Compare.", (), given[:1]) in effects


# --- texts and pictures -------------------------------------------------------------------------


def test_a_picture_goes_with_its_text_and_is_shown() -> None:
    story = Story().online()
    item = events_of(ConversationItemCreate, story.happens(TextEntered("What is wrong here?", (PICTURE,))))[0].item
    assert [part.type for part in item.parts] == ["input_text", "input_image"]
    assert story.shown()[-1].images == (PICTURE,)
    item = events_of(ConversationItemCreate, story.happens(TextEntered("", (PICTURE,))))[0].item
    assert [part.type for part in item.parts] == ["input_image"], "without a word it is a question too"


def test_a_picture_is_given_back_with_its_text() -> None:
    assert GiveBackText("Look", (PICTURE,)) in Story().happens(TextEntered("Look", (PICTURE,)))


def test_an_answer_in_writing_is_asked_for_this_time_only() -> None:
    story = Story().online()
    creates = events_of(ResponseCreate, story.happens(TextEntered("Write it down", written=True)))
    assert [create.response.output_modalities for create in creates if create.response] == [["text"]]
    story.says(story.born(), done(items=()))
    creates = events_of(ResponseCreate, story.happens(TextEntered("Say it")))
    assert [create.response.output_modalities for create in creates if create.response] == [UNSET]


def test_a_text_during_a_talk_is_part_of_the_turn() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(500)))
    assert names(story.happens(TextEntered("this one", (PICTURE,)))) == ["conversation.item.create"]
    assert names(story.happens(TalkReleased(), MicClosed())) == ["input_audio_buffer.commit", "response.create"]


def test_a_server_that_gives_an_own_text_another_id_shows_it_once() -> None:
    story = Story().online()
    story.happens(TextEntered("hello", (PICTURE,)))
    part = {"type": "input_text", "text": "hello"}
    item = {"id": "srv_1", "type": "message", "role": "user", "status": "completed", "content": [part]}
    story.says(added_item(item))
    assert story.entries == [("srv_1", "hello")]
    assert story.shown()[0].images == (PICTURE,)
    story.says(added_item({**item, "id": "srv_2"}))
    assert len(story.entries) == 2, "a second one is another one"


# --- the queue ----------------------------------------------------------------------------------


def test_queued_texts_wait_for_the_answer_to_be_heard_and_keep_their_order() -> None:
    story = Story().speaking()
    effects = story.happens(TextEntered("first", queued=True), TextEntered("second", queued=True))
    assert sent(effects) == []
    story.says(audio_done(), done())
    assert sent(story.effects)[-1:] != []
    effects = story.happens(PlaybackFinished(PART))
    assert [event.item.words for event in events_of(ConversationItemCreate, effects)] == ["first"]
    story.says(story.born("resp_2"))
    effects = story.says(done("resp_2", items=()))
    assert [event.item.words for event in events_of(ConversationItemCreate, effects)] == ["second"]


def test_a_queued_text_with_nothing_to_wait_for_is_asked_at_once() -> None:
    assert names(Story().online().happens(TextEntered("now", queued=True))) == [
        "conversation.item.create",
        "response.create",
    ]


def test_a_queued_text_waits_for_a_tool_too() -> None:
    story = Story().offers("slow").online()
    story.talks()
    story.calls("slow")
    story.happens(TextEntered("and then?", queued=True))
    assert [item.type for item in _items(story.ran("call_slow"))] == ["function_call_output"]
    story.says(story.born("resp_2"))
    assert [item.words for item in _items(story.says(done("resp_2", items=())))] == ["and then?"]


def test_stop_gives_queued_texts_back_in_their_order() -> None:
    story = Story().speaking()
    story.happens(TextEntered("first", queued=True), TextEntered("second", (PICTURE,), queued=True))
    given = of(GiveBackText, story.happens(StopPressed()))
    assert given == [GiveBackText("second", (PICTURE,)), GiveBackText("first")], "each before what stands there"
    assert _items(story.says(done(status="cancelled"))) == []


def test_queued_texts_outlive_a_lost_connection_but_not_the_conversation() -> None:
    story = Story().speaking()
    story.happens(TextEntered("later", queued=True), Disconnected(close_code=1006), PlaybackFinished(PART))
    story.happens(ConnectAsked())
    assert "later" in [item.words for item in _items(story.says(SESSION_CREATED) + story.says(SESSION_UPDATED))]
    story = Story().speaking()
    story.happens(TextEntered("later", queued=True))
    assert GiveBackText("later") in story.happens(NewConversationAsked())


# --- a new session ------------------------------------------------------------------------------


def _items(effects: Sequence[Effect]) -> list[Item]:
    return [event.item for event in events_of(ConversationItemCreate, effects)]


def test_a_connection_lost_in_mid_answer_comes_back_with_what_was_said() -> None:
    """1006 in mid-answer: back-off, replay, the row marked, the microphone enabled after `session.updated`."""
    story = Story(HANDS_FREE).online()
    story.happens(MicStarted())
    story.hears()
    story.says(transcribed("item_U1", "Who are you?"))
    story.answers()
    effects = story.happens(Disconnected(close_code=1006))
    assert story.shown()[-1].status is EntryStatus.INTERRUPTED
    assert "lost" in story.shown()[-1].remark
    story.happens(MicClosed(), woken(effects, Timer.RECONNECT))
    assert names(story.says(SESSION_CREATED)) == ["session.update", "session.update"]
    effects = story.says(SESSION_UPDATED)
    assert [(item.role, item.words) for item in _items(effects)] == [
        ("user", "Who are you?"),
        ("assistant", "Hello there."),
    ]


def test_calls_and_their_outputs_go_in_order_and_in_pairs() -> None:
    story = Story().offers("clock", "slow").online()
    story.happens(TextEntered("What time is it?"))
    story.calls("clock", "slow")
    story.ran("call_clock", "12:00")
    items = replayed(story)
    assert [item.type for item in items] == ["message", "function_call", "function_call_output"]
    assert items[1].call_id == items[2].call_id == "call_clock"
    assert CancelTool("call_slow") not in story.effects, "it may still end"


def test_nothing_spoken_is_replayed_as_audio_and_nothing_of_the_servers_own() -> None:
    story = talked()
    call = {"id": "mcp_1", "type": "mcp_call", "server_label": "docs", "name": "find", "output": "x"}
    story.says({"type": "conversation.item.done", "item": {**call, "status": "completed"}}, added_item(call))
    items = replayed(story)
    assert [part.type for item in items for part in item.parts] == ["input_text", "output_text"]
    assert all(item.phase is UNSET for item in items)


def test_only_so_much_is_replayed_and_the_model_is_told() -> None:
    story = Story().online()
    for n in range(60):
        story.says(added(f"u{n}", "user", None, spoken=False), words_of(f"a{n}", f"answer {n}", f"resp_{n}"))
    items = replayed(story)
    assert len(items) == replay.MAX_ITEMS + 1
    assert items[0].role == "system"
    assert items[0].words.startswith(replay.DIGEST_HEADING)
    assert "Assistant: answer 0" in items[0].words
    assert items[-1].words == "answer 59"
    story = Story().online()
    for n in range(5):
        story.says(words_of(f"a{n}", "x" * 10_000, f"resp_{n}"))
    items = replayed(story)
    assert [item.id for item in items] == [replay.LEFT_OUT_ID, "a2", "a3", "a4"]


def test_one_answer_longer_than_all_that_may_be_replayed_is_shortened() -> None:
    story = Story().online()
    story.says(words_of("a1", "x" * 100_000))
    items = replayed(story)
    assert len(items[-1].words) <= replay.MAX_CHARS + 2


def test_only_the_last_pictures_are_replayed() -> None:
    story = Story().online()
    for n in range(4):
        story.happens(TextEntered(f"picture {n}", (PICTURE,)))
    pictures = [sum(part.type == "input_image" for part in item.parts) for item in replayed(story)]
    assert pictures == [0, 0, 1, 1]


def test_ids_longer_than_a_client_may_choose_go_back_as_the_server_made_them() -> None:
    item = "0f9d2c1e-8a57-4a43-9b57-2f6f5e0c1b11"
    story = Story().online()
    story.says(words_of(item, "Good morning."))
    assert [given.id for given in replayed(story)] == [item]


def test_words_for_an_item_of_an_older_session_do_not_disturb_it() -> None:
    story = Story().speaking()
    story.says(audio_done(), done())
    story.happens(PlaybackFinished(PART))
    replayed(story)
    story.stopped_with = (Heard(PART, 100),)
    story.says(audio(ITEM, 300, R))
    assert names(story.happens(StopPressed())) in ([], ["conversation.item.truncate"])
    assert story.shown()[0].item_id in ("item_U1", ITEM)


def test_a_new_conversation_forgets_title_and_texts() -> None:
    story = talked()
    effects = story.happens(NewConversationAsked())
    assert ShowTitle("") in effects
    assert replayed(story) == []


def test_a_conversation_that_was_kept_is_shown_at_once_and_replayed() -> None:
    past = (
        Entry("old_1", Role.USER, "Who painted it?", EntryStatus.COMPLETED),
        Entry("old_2", Role.ASSISTANT, "It was Ver", EntryStatus.IN_PROGRESS),
    )
    story = talked()
    effects = story.happens(ConversationContinued(past, "Paintings", "art"))
    shown = [(show.entry.item_id, show.entry.status) for show in of(ShowEntry, effects)]
    assert shown == [("old_1", EntryStatus.COMPLETED), ("old_2", EntryStatus.INTERRUPTED)]
    assert ShowTitle("Paintings", "art") in effects
    assert effects.index(ClearEntries()) < effects.index(of(ShowEntry, effects)[0])
    assert [item.id for item in _items(story.says(SESSION_CREATED) + story.says(SESSION_UPDATED))] == [
        "old_1",
        "old_2",
    ]
