"""Answers beside the conversation: the guide's out-of-band responses, as stories."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import UNSET

from desktop_app.conversation import limits
from desktop_app.conversation.effects import (
    AsideState,
    CountUsage,
    Effect,
    Play,
    ShowAside,
    ShowTitle,
    StopPlayback,
    SwitchOver,
    Turn,
)
from desktop_app.conversation.inputs import (
    AsideAsked,
    AsideKind,
    BudgetReached,
    Disconnected,
    Heard,
    MicBlock,
    MicClosed,
    MicStarted,
    PlaybackFinished,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
    VoiceChosen,
)
from desktop_app.protocol.events import ResponseCancel, ResponseCreate, ResponseParams
from desktop_app.protocol.items import PartId
from tests.conversation.story import (
    HANDS_FREE,
    ITEM,
    PART,
    R,
    Story,
    View,
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
    speech_started,
    transcribed,
    woken,
    words_of,
)


def params(effects: Sequence[Effect]) -> ResponseParams:
    """Return what the last response was asked with."""
    response = events_of(ResponseCreate, effects)[-1].response
    assert response is not UNSET
    return response


def born(effects: Sequence[Effect], response: str) -> dict[str, object]:
    """Return the birth of a response out of band, as the server echoes it."""
    return created(response, metadata=params(effects).metadata, conversation=None)


def text_of(response: str, text: str, item: str = "item_x") -> dict[str, object]:
    """Return a piece of written answer."""
    return {"type": "response.output_text.delta", "response_id": response, "item_id": item, "delta": text}


def asides(effects: Sequence[Effect]) -> list[AsideState]:
    """Return what is shown beside the conversation."""
    return [effect.state for effect in of(ShowAside, effects)]


# --- what is asked ------------------------------------------------------------------------------


def test_a_question_about_some_entries_sees_them_and_nothing_else() -> None:
    story = Story().online()
    asked = params(story.happens(AsideAsked(AsideKind.ABOUT, "Which is cheaper?", ("item_U1", ITEM))))
    assert asked.conversation == "none"
    assert asked.output_modalities == ["text"]
    assert asked.tools == []
    assert asked.input is not UNSET
    assert [(item.type, item.id or item.words) for item in asked.input] == [
        ("item_reference", "item_U1"),
        ("item_reference", ITEM),
        ("message", "Which is cheaper?"),
    ]


def test_exact_speech_sees_nothing_at_all() -> None:
    story = Story().online()
    asked = params(story.happens(AsideAsked(AsideKind.READ_ALOUD, "Your timer has ended.")))
    assert asked.conversation == "none", "an empty input alone would leave it in the conversation"
    assert asked.input == []
    assert asked.output_modalities == ["audio"]
    assert str(asked.instructions).endswith("Your timer has ended.")
    asked = params(Story().online().happens(AsideAsked(AsideKind.SAMPLE, "Hello.", voice="max")))
    assert asked.audio is not UNSET
    assert asked.audio.output is not UNSET
    assert asked.audio.output.voice == "max"


def test_a_summary_sees_the_whole_conversation() -> None:
    story = Story().online()
    assert params(story.happens(AsideAsked(AsideKind.SUMMARY))).input is UNSET


# --- routed, beside a running answer ------------------------------------------------------------


def test_a_written_aside_beside_a_spoken_answer_disturbs_nothing() -> None:
    story = Story().online()
    story.talks()
    effects = story.happens(AsideAsked(AsideKind.SUMMARY))
    assert names(effects) == ["response.create"], "beside the answer that is asked for already"
    story.says(created(), words_of(ITEM, "Hello "), born(effects, "resp_x"), audio(ITEM, 500))
    before = story.entries
    effects = story.says(text_of("resp_x", "You said "), words_of(ITEM, "there."), text_of("resp_x", "hello."))
    assert asides(effects)[-1].text == "You said hello."
    assert not of(Play, story.says(audio("item_x", 100, "resp_x"))), "what is to be written does not sound"
    effects = story.says(ended([], response="resp_x", usage={"total_tokens": 9}))
    assert asides(effects)[-1].done
    assert not asides(effects)[-1].failed
    assert [(usage.item_id, usage.usage.total_tokens) for usage in of(CountUsage, effects)] == [("", 9)]
    assert story.entries == [(item, text + "there." if item == ITEM else text) for item, text in before]
    assert story.turn() is Turn.SPEAKING
    story.stopped_with = (Heard(PART, 200),)
    assert sent(story.happens(StopPressed()))[0] == ResponseCancel(response_id=R), "the answer is the active one"


def test_many_at_once_are_told_apart_by_their_metadata() -> None:
    story = Story().online()
    asked = [story.happens(AsideAsked(AsideKind.SUMMARY)) for _ in range(3)]
    story.says(*(born(asked[n], f"resp_{n}") for n in (2, 0, 1)))
    effects = story.says(text_of("resp_1", "one"), text_of("resp_2", "two"), text_of("resp_0", "nought"))
    assert {state.number: state.text for state in asides(effects)} == {1: "nought", 2: "one", 3: "two"}
    effects = story.says(*(ended([], response=f"resp_{n}") for n in (1, 2, 0)))
    assert [state.number for state in asides(effects)] == [2, 3, 1]
    assert story.turn() is Turn.IDLE
    assert not story.entries


def test_speech_does_not_disturb_what_is_written_beside() -> None:
    story = Story(HANDS_FREE).online()
    story.hears()
    story.answers()
    effects = story.happens(AsideAsked(AsideKind.REPLIES))
    story.says(born(effects, "resp_x"))
    story.stopped_with = (Heard(PART, 300),)
    effects = story.says(speech_started("item_U2"))
    assert names(effects) == ["conversation.item.truncate"]
    effects = story.says(text_of("resp_x", "Yes."), ended([], response="resp_x"))
    assert asides(effects)[-1].text == "Yes."
    assert not asides(effects)[-1].failed


def test_the_end_of_an_aside_is_not_the_end_of_a_response_nobody_can_name() -> None:
    story = Story().online()
    aside = story.happens(AsideAsked(AsideKind.SUMMARY))
    story.says(born(aside, "resp_x"))
    story.talks()
    story.says(error("conversation_already_has_active_response"))
    assert names(story.says(ended([], response="resp_x"))) == []
    assert names(story.says(done("resp_other", items=()))) == ["response.create"]


# --- spoken asides ------------------------------------------------------------------------------


def test_an_interruption_silences_what_is_read_aloud_and_tells_nothing_of_it() -> None:
    story = Story().online()
    effects = story.happens(AsideAsked(AsideKind.READ_ALOUD, "A long text."))
    assert story.turn() is Turn.THINKING
    effects = story.says(
        born(effects, "resp_x"), audio("item_x", 3000, "resp_x"), words_of("item_x", "A", "resp_x")
    )
    assert of(Play, effects)
    assert story.entries == []
    assert story.turn() is Turn.SPEAKING
    story.stopped_with = (Heard(PartId("item_x", 0), 900),)
    effects = story.happens(TalkPressed())
    assert StopPlayback() in effects
    assert sent(effects)[0] == ResponseCancel(response_id="resp_x"), "by its id: it is not the default one"
    assert names(effects) == ["response.cancel", "input_audio_buffer.clear"], "no truncation"
    effects = story.says(audio("item_x", 500, "resp_x"), ended([], response="resp_x", status="cancelled"))
    assert not of(Play, effects)


def test_an_aside_read_aloud_to_its_end_and_then_interrupted_is_only_silenced() -> None:
    story = Story().online()
    effects = story.happens(AsideAsked(AsideKind.READ_ALOUD, "A long text."))
    story.says(born(effects, "resp_x"), audio("item_x", 3000, "resp_x"), ended([], response="resp_x"))
    assert story.turn() is Turn.SPEAKING
    assert names(story.happens(StopPressed())) == []


def test_one_called_off_before_its_birth_is_cancelled_when_it_is_born() -> None:
    story = Story().online()
    effects = story.happens(AsideAsked(AsideKind.READ_ALOUD, "A long text."))
    assert names(story.happens(StopPressed())) == []
    assert sent(story.says(born(effects, "resp_x"))) == [ResponseCancel(response_id="resp_x")]
    assert not of(Play, story.says(audio("item_x", 500, "resp_x")))
    assert story.turn() is Turn.IDLE


def test_a_reminder_waits_until_nobody_speaks() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(500)))
    assert names(story.happens(AsideAsked(AsideKind.READ_ALOUD, "Your timer has ended."))) == []
    story.happens(TalkReleased(), MicClosed())
    story.answers()
    story.says(audio_done(), done())
    assert names(story.effects).count("response.create") == 1
    effects = story.happens(PlaybackFinished(PART))
    assert "Your timer has ended." in str(params(effects).instructions)


def test_a_reminder_without_a_connection_is_said_once_there_is_one() -> None:
    story = Story()
    story.happens(AsideAsked(AsideKind.READ_ALOUD, "Your timer has ended."))
    story.online()
    assert "Your timer has ended." in str(params(story.effects).instructions)


def test_two_things_to_say_are_said_one_after_the_other() -> None:
    story = Story().online()
    first = story.happens(AsideAsked(AsideKind.READ_ALOUD, "One."), AsideAsked(AsideKind.READ_ALOUD, "Two."))
    assert len(events_of(ResponseCreate, first)) == 1
    story.says(born(first, "resp_x"), audio("item_x", 300, "resp_x"), ended([], response="resp_x"))
    assert "Two." in str(params(story.happens(PlaybackFinished(PartId("item_x", 0)))).instructions)


def test_a_sample_whose_voice_is_refused_leaves_the_sessions_voice_alone() -> None:
    story = Story().speaking()
    story.says(audio_done(), done())
    effects = story.happens(PlaybackFinished(PART), AsideAsked(AsideKind.SAMPLE, "Hello.", voice="max"))
    create = events_of(ResponseCreate, effects)[0]
    effects = story.says(error("cannot_update_voice", event_id=str(create.event_id)))
    assert notices(effects)
    assert story.turn() is Turn.IDLE
    voice = View(story.effects).voice
    assert voice is not None
    assert voice.current == "heart"
    story.says(transcribed("item_U1", "Who are you?"))
    story.happens(VoiceChosen("max"))
    assert SwitchOver() in story.succeeds(), "which still can be chosen, with a new session"


# --- the title ----------------------------------------------------------------------------------


def two_answers(story: Story, *, echoes: bool = True) -> list[Effect]:
    """Tell two turns, each with its answer; return the effects of the last end."""
    effects: list[Effect] = []
    for n in (1, 2):
        asked = story.talks(item=f"item_U{n}")
        story.says(created(f"resp_{n}", metadata=params(asked).metadata if echoes else None))
        story.says(words_of(f"item_A{n}", "Yes.", f"resp_{n}"))
        effects = story.says(done(f"resp_{n}", items=(f"item_A{n}",)))
    return effects


def test_after_the_second_answer_the_conversation_has_a_title() -> None:
    story = Story(titles=True).online()
    effects = two_answers(story)
    asked = params(effects)
    assert asked.conversation == "none"
    assert asked.metadata == {"job": "j1", "purpose": "title"}
    before = story.entries
    effects = story.says(
        created("resp_x", metadata=asked.metadata, conversation=None),
        text_of("resp_x", '"Planets and days" | Astronomy.'),
        ended([], response="resp_x"),
    )
    assert of(ShowTitle, effects) == [ShowTitle("Planets and days", "Astronomy")]
    assert not of(ShowAside, effects)
    assert story.entries == before


@pytest.mark.parametrize("end", ["failed", "nothing"])
def test_a_title_that_fails_is_nobodys_business(end: str) -> None:
    story = Story(titles=True).online()
    effects = two_answers(story)
    story.says(born(effects, "resp_x"))
    effects = story.says(ended([], response="resp_x", status="failed" if end == "failed" else "completed"))
    assert not of(ShowTitle, effects)
    assert not notices(effects)


def test_nothing_is_asked_beside_a_server_that_could_not_tell_it_apart() -> None:
    story = Story(titles=True).online()
    assert names(two_answers(story, echoes=False)) == []
    effects = story.happens(AsideAsked(AsideKind.SUMMARY))
    assert names(effects) == []
    assert asides(effects)[-1].failed
    assert "does not support" in notices(effects)[0].hint


# --- what goes wrong ----------------------------------------------------------------------------


def test_a_refused_aside_has_failed_and_no_answer_waits_for_it() -> None:
    story = Story().online()
    create = events_of(ResponseCreate, story.happens(AsideAsked(AsideKind.SUMMARY)))[0]
    effects = story.says(error("invalid_value", "no such item", event_id=str(create.event_id)))
    assert asides(effects)[-1].failed
    assert "no such item" in notices(effects)[0].text


def test_a_server_that_refuses_a_second_response_refuses_the_aside_alone() -> None:
    story = Story().speaking()
    create = events_of(ResponseCreate, story.happens(AsideAsked(AsideKind.SUMMARY)))[0]
    refusal = error("conversation_already_has_active_response", event_id=str(create.event_id))
    assert asides(story.says(refusal))[-1].failed
    assert names(story.says(done())) == []


def test_an_aside_that_takes_too_long_is_given_up_and_its_rest_dropped() -> None:
    story = Story().online()
    effects = story.happens(AsideAsked(AsideKind.SUMMARY))
    story.says(born(effects, "resp_x"), text_of("resp_x", "You "))
    effects = story.happens(woken(effects, Timer.ASIDE))
    assert names(effects) == [], "something came of it meanwhile"
    waking = woken(effects, Timer.ASIDE)
    effects = story.happens(waking)
    assert sent(effects) == [ResponseCancel(response_id="resp_x")]
    assert asides(effects)[-1].failed
    effects = story.says(text_of("resp_x", "said"), audio("item_x", 100, "resp_x"))
    assert not asides(effects)
    assert not of(Play, effects)
    assert story.entries == []
    assert story.happens(waking) == []


def test_a_lost_connection_fails_what_was_under_way() -> None:
    story = Story().online()
    story.happens(AsideAsked(AsideKind.SUMMARY))
    assert asides(story.happens(Disconnected(close_code=1006)))[-1].failed


def test_only_so_many_at_once() -> None:
    story = Story().online()
    for _ in range(limits.MAX_ASIDES):
        story.happens(AsideAsked(AsideKind.SUMMARY))
    effects = story.happens(AsideAsked(AsideKind.SUMMARY))
    assert names(effects) == []
    assert asides(effects)[-1].failed


def test_an_endless_aside_is_cut() -> None:
    story = Story().online()
    effects = story.happens(AsideAsked(AsideKind.SUMMARY))
    story.says(born(effects, "resp_x"))
    effects = story.says(*[text_of("resp_x", "x" * 9000) for _ in range(4)])
    assert len(asides(effects)[-1].text) == limits.MAX_ASIDE_CHARS


def test_without_budget_nothing_is_asked_beside_the_conversation_either() -> None:
    story = Story(titles=True).online()
    story.happens(TextEntered("hello"), BudgetReached(reached=True))
    assert names(story.happens(AsideAsked(AsideKind.SUMMARY))) == []
