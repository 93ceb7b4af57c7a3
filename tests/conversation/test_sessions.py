"""A conversation outlives its sessions: lost ones, ones that expire, ones the user has replaced."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from desktop_app.conversation import limits, replay
from desktop_app.conversation.conversation import UNSENT_TALK
from desktop_app.conversation.effects import (
    CloseMic,
    Connect,
    ConnectNext,
    CountUsage,
    DismissNotice,
    DropNext,
    Effect,
    GiveBackText,
    Link,
    Probe,
    RemoveEntry,
    Send,
    ShowEntry,
    ShowLink,
    ShowRetry,
    ShowTitle,
    StopPlayback,
    SwitchOver,
    Turn,
)
from desktop_app.conversation.entries import Entry, EntryAction, EntryStatus, Role, ToolUse
from desktop_app.conversation.inputs import (
    AsideAsked,
    AsideKind,
    ConnectAsked,
    ConversationContinued,
    Disconnected,
    ForgetAsked,
    Heard,
    MicBlock,
    MicClosed,
    MicStarted,
    NetworkChanged,
    PlaybackFinished,
    Recording,
    RenewalAsked,
    Resumed,
    RetryStopped,
    SessionChosen,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
    VoiceChosen,
)
from desktop_app.errors import NoticeAction, Severity
from desktop_app.protocol.events import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    ResponseCreate,
)
from desktop_app.protocol.items import Item, PartId
from tests.conversation.story import (
    CONFIG,
    HANDS_FREE,
    ITEM,
    PART,
    SESSION_CREATED,
    SESSION_UPDATED,
    Story,
    added,
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
    waits,
    woken,
    words_of,
)

BEGAN_S = 1_000_000
ONE = b"\1\0" * 24 * 60
TWO = b"\2\0" * 24 * 60
THREE = b"\3\0" * 24 * 60


def retries(effects: Sequence[Effect]) -> list[tuple[int, int] | None]:
    """Return the attempts that are shown: how soon, and which."""
    told = [shown.retry for shown in of(ShowRetry, effects)]
    return [(retry.in_ms, retry.number) if retry is not None else None for retry in told]


def items(effects: Sequence[Effect]) -> list[Item]:
    """Return the items a session is given."""
    return [event.item for event in events_of(ConversationItemCreate, effects)]


def appended(effects: Sequence[Effect]) -> bytes:
    """Return the audio that goes to the present session."""
    return b"".join(event.audio for event in events_of(InputAudioBufferAppend, effects))


def answered(story: Story, n: int = 1) -> Story:
    """Tell a whole turn: asked, written down, answered, heard."""
    item = f"item_U{n}"
    story.talks(item=item)
    story.says(transcribed(item, "Who are you?"))
    response, part = f"resp_{n}", f"item_A{n}"
    story.answers(response=response, item=part)
    story.says(audio_done(part, response), done(response, items=[part]))
    story.happens(PlaybackFinished(PartId(part, 0)))
    return story


# --- lost, and back ----------------------------------------------------------------------------


def test_an_outage_is_one_notice_and_its_end_takes_that_away() -> None:
    story = Story().online()
    effects = story.happens(Disconnected(close_code=1006))
    assert [notice.text for notice in notices(effects)] == ["The connection was lost."]
    assert retries(effects) == [(500, 1)]
    story.happens(woken(effects, Timer.RECONNECT))
    for number in (2, 3):
        effects = story.happens(Disconnected(reason="no route to host"))
        assert notices(effects) == []
        assert retries(effects) == [(500 * 2 ** (number - 1), number)]
        assert retries(story.happens(woken(effects, Timer.RECONNECT))) == [(0, number)]
    effects = story.says(SESSION_CREATED, SESSION_UPDATED)
    assert DismissNotice("link") in effects
    assert retries(effects) == [None]


def test_the_last_attempt_says_why_and_leaves_it_to_the_user() -> None:
    story = Story().online()
    effects = story.happens(Disconnected(close_code=1006))
    for _ in range(5):
        story.happens(woken(effects, Timer.RECONNECT))
        effects = story.happens(Disconnected(reason="no route to host"))
    assert story.link() is Link.OFFLINE
    (notice,) = notices(effects)
    assert "no route to host" in notice.text
    assert notice.action is NoticeAction.RECONNECT
    assert notice.severity is Severity.ERROR
    assert retries(effects) == [None]


def test_the_user_may_try_now_and_may_stop_trying() -> None:
    story = Story().online()
    lost = story.happens(Disconnected(close_code=1006))
    assert Connect() in story.happens(ConnectAsked())
    assert Connect() not in story.happens(woken(lost, Timer.RECONNECT)), "that pause is no longer waited for"
    effects = story.happens(Disconnected(close_code=1006))
    stopped = story.happens(RetryStopped())
    assert story.link() is Link.OFFLINE
    assert retries(stopped) == [None]
    assert notices(stopped)[-1].action is NoticeAction.RECONNECT
    assert Connect() not in story.happens(woken(effects, Timer.RECONNECT), Resumed(100), NetworkChanged(True))
    assert Connect() in story.happens(ConnectAsked())


@pytest.mark.parametrize("facts", [Disconnected(certificate_failed=True), Disconnected(http_status=403)])
def test_what_would_fail_alike_again_is_not_tried_again(facts: Disconnected) -> None:
    story = Story().online()
    lost = story.happens(Disconnected(close_code=1006))
    story.happens(woken(lost, Timer.RECONNECT))
    effects = story.happens(facts)
    assert not waits(effects, Timer.RECONNECT)
    assert len(notices(effects)) == 1
    assert Connect() not in story.happens(NetworkChanged(True))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_a_server_that_says_later_is_asked_later(status: int) -> None:
    story = Story()
    story.happens(ConnectAsked())
    effects = story.happens(Disconnected(http_status=status, retry_after_ms=7000))
    assert waits(effects, Timer.RECONNECT) == [7000]


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 1012, 1013, 1015])
def test_these_ends_are_followed_by_another_attempt(code: int) -> None:
    story = Story().online()
    assert waits(story.happens(Disconnected(close_code=code)), Timer.RECONNECT)


@pytest.mark.parametrize("event", [Resumed(60.0), NetworkChanged(True)])
def test_who_wakes_up_waits_for_no_pause_and_no_ping(event: Resumed | NetworkChanged) -> None:
    story = Story().online()
    assert Probe() in story.happens(event)
    story.happens(Disconnected(close_code=1006))
    assert Connect() in story.happens(event)
    effects = story.effects
    for _ in range(6):
        effects = story.happens(Disconnected(close_code=1006))
        if waits(effects, Timer.RECONNECT):
            story.happens(woken(effects, Timer.RECONNECT))
    assert story.link() is Link.OFFLINE
    assert Connect() in story.happens(event), "what gave up tries again when things have changed"


def test_a_network_that_goes_is_looked_at_and_not_waited_for() -> None:
    story = Story().online()
    assert Probe() in story.happens(NetworkChanged(False))
    lost = story.happens(Disconnected(close_code=1006))
    assert Connect() not in story.happens(NetworkChanged(False))
    assert Connect() in story.happens(woken(lost, Timer.RECONNECT))


def test_a_typed_question_of_whose_answer_nothing_came_is_asked_again_by_itself_once() -> None:
    story = Story().online()
    story.happens(TextEntered("Who painted it?"))
    story.says(story.born())
    lost = story.happens(Disconnected(close_code=1006))
    story.happens(woken(lost, Timer.RECONNECT))
    effects = story.says(SESSION_CREATED, SESSION_UPDATED)
    assert [item.words for item in items(effects)] == ["Who painted it?"]
    assert names(effects).count("response.create") == 1
    assert "response.create" not in names(story.says(SESSION_UPDATED))


def test_an_answer_that_was_begun_is_marked_and_not_said_twice() -> None:
    story = Story().online()
    story.happens(TextEntered("Who painted it?"))
    story.answers()
    lost = story.happens(Disconnected(close_code=1006))
    entry = story.shown()[-1]
    assert (entry.status, entry.action) == (EntryStatus.INTERRUPTED, EntryAction.CONTINUE)
    story.happens(woken(lost, Timer.RECONNECT))
    effects = story.says(SESSION_CREATED, SESSION_UPDATED)
    assert "response.create" not in names(effects)
    assert [item.words for item in items(effects)] == ["Who painted it?", "Hello there."]


def test_after_all_attempts_failed_nothing_is_asked_by_itself() -> None:
    story = Story().online()
    story.happens(TextEntered("Who painted it?"))
    story.happens(Disconnected(close_code=1006))
    story.happens(RetryStopped(), ConnectAsked())
    assert "response.create" not in names(story.says(SESSION_CREATED, SESSION_UPDATED))


def test_a_talk_held_through_an_outage_goes_on_in_the_next_session_and_loses_nothing() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(ONE))
    lost = story.happens(Disconnected(close_code=1006))
    assert CloseMic() not in lost
    assert appended(story.happens(MicBlock(TWO), woken(lost, Timer.RECONNECT))) == b""
    effects = story.says(SESSION_CREATED, SESSION_UPDATED)
    assert appended(effects) == ONE + TWO
    effects = story.happens(MicBlock(THREE), TalkReleased(), MicClosed())
    assert appended(effects) == THREE
    assert names(effects) == ["input_audio_buffer.commit", "response.create"]


def test_a_talk_that_ends_without_a_connection_is_given_back_as_a_recording() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(ONE))
    story.happens(Disconnected(close_code=1006))
    effects = story.happens(MicBlock(TWO), TalkReleased(), MicClosed())
    assert [given.recordings[0].pcm for given in of(GiveBackText, effects)] == [ONE + TWO]
    assert notices(effects)
    assert "input_audio_buffer.commit" not in names(story.happens(ConnectAsked()) + story.succeeds())


def test_what_was_said_and_not_answered_comes_back_as_a_recording() -> None:
    """Its words have not come, and no other session can be told a sound."""
    story = Story().online()
    story.talks(3000)
    effects = story.happens(Disconnected(close_code=1006))
    ((recording,),) = [given.recordings for given in of(GiveBackText, effects)]
    assert (len(recording.pcm), recording.name) == (len(pcm(3000)), UNSENT_TALK)
    assert any(n.key == "lost-talk" and n.hint for n in notices(effects))
    effects = story.happens(woken(story.effects, Timer.RECONNECT))
    assert ResponseCreate not in map(type, sent(effects + story.says(SESSION_CREATED, SESSION_UPDATED)))
    assert not of(GiveBackText, story.happens(Disconnected(close_code=1006))), "once"


def test_what_was_said_and_is_known_or_answered_does_not_come_back() -> None:
    for known in (
        lambda story: story.says(transcribed("item_U1", "Who are you?")),
        lambda story: story.answers(),
        lambda story: (story.answers(), story.says(audio_done(), done())),
        lambda story: story.happens(StopPressed()),
        lambda story: story.happens(TextEntered("And how old?")),
    ):
        story = Story().online()
        story.talks(3000)
        known(story)
        assert not of(GiveBackText, story.happens(Disconnected(close_code=1006)))


def test_a_question_about_a_sound_file_is_not_asked_again_without_it() -> None:
    story = Story().online()
    message = TextEntered("What is this?", recordings=(Recording(pcm(3000), "bird.wav"),))
    story.happens(message)
    effects = story.happens(Disconnected(close_code=1006))
    assert of(GiveBackText, effects) == [GiveBackText(message.text, (), message.recordings)]
    effects = story.happens(woken(story.effects, Timer.RECONNECT))
    assert ResponseCreate not in map(type, sent(effects + story.says(SESSION_CREATED, SESSION_UPDATED)))


@pytest.mark.parametrize("connecting", [True, False])
def test_a_message_of_any_kind_comes_back_while_there_is_no_connection(connecting: bool) -> None:
    story = Story().online()
    story.happens(Disconnected(close_code=1006 if connecting else 3000))
    picture = "data:image/png;base64,AAAA"
    effects = story.happens(TextEntered("Look.", (picture,)))
    assert of(GiveBackText, effects) == [GiveBackText("Look.", (picture,))]
    assert not of(Send, effects)


def test_a_question_about_some_entries_comes_back_as_well() -> None:
    story = answered(Story().online())
    story.happens(Disconnected(close_code=1006))
    effects = story.happens(AsideAsked(AsideKind.ABOUT, "Why?", ("item_A1",)))
    assert of(GiveBackText, effects) == [GiveBackText("Why?")]


def test_a_network_that_flaps_does_not_break_the_attempt_that_is_under_way() -> None:
    story = Story().online()
    lost = story.happens(Disconnected(close_code=1006))
    story.happens(woken(lost, Timer.RECONNECT))
    assert Connect() not in story.happens(NetworkChanged(True), NetworkChanged(True))
    assert Connect() in story.happens(Resumed(60)), "after a sleep it cannot be trusted"


# --- before it expires -------------------------------------------------------------------------


class Clock:
    """Unix seconds, as the story has them."""

    def __init__(self) -> None:
        self.s = float(BEGAN_S)

    def __call__(self) -> float:
        return self.s


def expiring(life_s: float = 3600, config: object = None) -> tuple[Story, Clock, list[Effect]]:
    """Return a story in a session that lives for so long, and what came of its beginning."""
    clock = Clock()
    story = Story(now=clock) if config is None else Story(HANDS_FREE, now=clock)
    story.happens(ConnectAsked())
    session = {"type": "realtime", "id": "sess_1", "expires_at": int(BEGAN_S + life_s)}
    effects = story.says({"type": "session.created", "session": session})
    told = {**msgspec.to_builtins(story.config), **session}
    effects += story.says({"type": "session.updated", "session": told})
    return story, clock, effects


def comes(story: Story, clock: Clock, effects: list[Effect], left_s: float, life_s: float = 3600) -> list[Effect]:
    """Time passes until so many seconds before the end."""
    clock.s = BEGAN_S + life_s - left_s
    return story.happens(woken(story.effects, Timer.EXPIRY))


@pytest.mark.parametrize(("life_s", "first_s"), [(3600, 3300), (360, 270), (90, 67.5)])
def test_a_session_that_expires_is_followed_by_one_that_is_ready_before(life_s: int, first_s: float) -> None:
    story, clock, effects = expiring(life_s)
    assert waits(effects, Timer.EXPIRY) == [int(first_s * 1000)]
    story.talks()
    story.says(transcribed("item_U1", "Who are you?"))
    story.answers()
    clock.s += first_s
    effects = story.happens(woken(story.effects, Timer.EXPIRY))
    assert ConnectNext() in effects
    assert StopPlayback() not in effects, "the old session goes on"
    assert SwitchOver() not in story.succeeds(), "the answer is heard to its end"
    story.says(audio_done(), done())
    effects = story.happens(PlaybackFinished(PART))
    at = effects.index(SwitchOver())
    assert items(effects[:at]) == []
    parts = [part.type for item in items(effects[at:]) for part in item.parts]
    assert parts == ["input_text", "output_text"], "audio is refused"
    assert not of(ShowLink, effects), "nobody notices"
    assert not notices(story.effects)
    assert Connect() not in story.effects[10:]


def test_nothing_is_taken_over_before_it_is_configured() -> None:
    story, clock, effects = expiring()
    comes(story, clock, effects, 299)
    assert SwitchOver() not in story.says(SESSION_CREATED, by_next=True)
    assert SwitchOver() in story.says(SESSION_UPDATED, by_next=True)


def test_a_next_session_that_is_never_confirmed_is_used_all_the_same() -> None:
    story, clock, effects = expiring()
    comes(story, clock, effects, 299)
    effects = story.says(SESSION_CREATED, by_next=True)
    assert SwitchOver() in story.happens(woken(effects, Timer.NEXT_UPDATED))


def test_the_end_of_the_next_session_is_watched_as_well() -> None:
    story, clock, effects = expiring()
    comes(story, clock, effects, 299)
    frame = {"type": "session.created", "session": {"type": "realtime", "expires_at": int(clock.s) + 3600}}
    effects = story.says(frame, {**frame, "type": "session.updated"}, by_next=True)
    assert SwitchOver() in effects
    assert waits(effects, Timer.EXPIRY) == [3_300_000]


def test_an_endless_answer_goes_on_until_the_last_moment_and_then_is_marked() -> None:
    story, clock, effects = expiring()
    story.talks()
    story.says(transcribed("item_U1", "Who are you?"))
    story.answers()
    comes(story, clock, effects, 299)
    story.succeeds()
    assert SwitchOver() not in comes(story, clock, effects, 59)
    effects = comes(story, clock, effects, 19)
    assert SwitchOver() in effects
    assert StopPlayback() not in effects, "what was received is heard"
    entry = story.shown()[-1]
    assert (entry.status, entry.action) == (EntryStatus.INTERRUPTED, EntryAction.CONTINUE)
    assert "session" in entry.remark
    assert "response.create" not in names(effects), "nothing is said twice"


def test_an_answer_that_is_only_still_heard_holds_nobody_up_in_the_last_minute() -> None:
    story, clock, effects = expiring()
    story.talks()
    story.says(transcribed("item_U1", "Who are you?"))
    story.answers()
    story.says(audio_done(), done())
    comes(story, clock, effects, 299)
    assert SwitchOver() not in story.succeeds()
    effects = comes(story, clock, effects, 59)
    assert SwitchOver() in effects
    assert StopPlayback() not in effects
    assert story.turn() is Turn.SPEAKING
    story.stopped_with = (Heard(PART, 500),)
    assert "conversation.item.truncate" not in names(story.happens(StopPressed())), "the new session has no audio"


def test_what_the_next_session_was_told_whole_and_nobody_heard_is_told_again_as_it_was_heard() -> None:
    story, clock, effects = expiring()
    story.talks()
    story.says(transcribed("item_U1", "Who are you?"))
    story.answers(2000, words="One two three four.")
    story.says(audio_done(), done())
    comes(story, clock, effects, 299)
    story.succeeds()
    assert [item.words for item in items(comes(story, clock, effects, 59))][-1] == "One two three four."
    story.stopped_with = (Heard(PART, 1000),)
    effects = story.happens(TextEntered("Stop."))
    assert names(effects)[:2] == ["conversation.item.delete", "conversation.item.create"]
    assert [item.words for item in items(effects)] == ["One two", "Stop."]
    effects = story.says({"type": "conversation.item.deleted", "item_id": PART.item_id})
    assert not of(RemoveEntry, effects), "it was deleted there to be told again: its row stays"


def test_what_the_next_session_has_to_forget_unheard_it_is_not_asked_to_forget_again() -> None:
    story, clock, effects = expiring()
    story.talks()
    story.says(transcribed("item_U1", "Who are you?"))
    story.answers(2000, words="One two three four.")
    story.says(audio_done(), done())
    comes(story, clock, effects, 299)
    story.succeeds()
    comes(story, clock, effects, 59)
    story.stopped_with = (Heard(PART, 20),)
    assert names(story.happens(StopPressed())) == ["conversation.item.delete"]
    assert "conversation.item.delete" not in names(story.happens(ForgetAsked((ITEM,))))
    assert not [entry for entry in story.shown() if entry.item_id == ITEM]


def test_a_talk_held_across_the_switch_loses_no_sample_and_no_order() -> None:
    story, clock, effects = expiring()
    story.happens(TalkPressed(), MicStarted(), MicBlock(ONE))
    comes(story, clock, effects, 299)
    assert SwitchOver() not in story.succeeds(), "a held key waits for its end, while there is time"
    story.happens(MicBlock(TWO))
    effects = comes(story, clock, effects, 59)
    at = effects.index(SwitchOver())
    assert appended(effects[at:]) == ONE + TWO
    effects = story.happens(MicBlock(THREE), TalkReleased(), MicClosed())
    assert appended(effects) == THREE
    assert events_of(InputAudioBufferCommit, effects)
    assert events_of(ResponseCreate, effects)


def test_a_word_begun_hands_free_is_heard_by_the_next_session_too() -> None:
    story, clock, effects = expiring(config=HANDS_FREE)
    story.happens(MicStarted(), MicBlock(ONE))
    story.says(speech_started())
    story.happens(MicBlock(TWO))
    comes(story, clock, effects, 299)
    story.succeeds(HANDS_FREE)
    effects = comes(story, clock, effects, 59)
    assert appended(effects[effects.index(SwitchOver()) :]) == ONE + TWO


def test_a_next_session_that_fails_is_tried_again_in_silence_while_the_old_one_lives() -> None:
    story, clock, effects = expiring()
    effects = comes(story, clock, effects, 299)
    pauses = []
    for _ in range(7):
        effects = story.happens(Disconnected(close_code=1006, by_next=True))
        pauses += waits(effects, Timer.NEXT_RETRY)
        assert notices(effects) == []
        assert story.link() is Link.ONLINE
        assert ConnectNext() in story.happens(woken(effects, Timer.NEXT_RETRY))
    assert pauses == [500, 1000, 2000, 4000, 8000, 8000, 8000]
    assert SwitchOver() in story.succeeds()


def test_a_next_socket_without_a_session_is_a_failed_attempt() -> None:
    story, clock, effects = expiring()
    effects = story.happens(woken(comes(story, clock, effects, 299), Timer.NEXT_CREATED))
    assert DropNext() in effects
    assert waits(effects, Timer.NEXT_RETRY)


def test_a_session_that_ends_before_the_next_is_there_takes_the_ordinary_path() -> None:
    story, clock, effects = expiring()
    comes(story, clock, effects, 299)
    effects = story.happens(Disconnected(close_code=1001, reason="maximum duration of 60 minutes"))
    assert DropNext() in effects
    assert waits(effects, Timer.RECONNECT)
    assert len(notices(effects)) == 1


def test_a_next_session_that_is_refused_for_good_leaves_the_old_one_alone() -> None:
    story, clock, effects = expiring()
    comes(story, clock, effects, 299)
    effects = story.happens(Disconnected(http_status=401, by_next=True))
    assert not waits(effects, Timer.NEXT_RETRY)
    assert not notices(effects)
    assert ConnectNext() not in comes(story, clock, effects, 59)
    assert story.link() is Link.ONLINE


@pytest.mark.parametrize("now", [None, BEGAN_S, BEGAN_S + 60])
def test_without_a_clock_or_with_a_wrong_one_nothing_is_renewed(now: float | None) -> None:
    """A server whose sessions are over as they begin would be connected to without end."""
    story = Story(now=None if now is None else lambda: float(now))
    story.happens(ConnectAsked())
    effects = story.says({"type": "session.created", "session": {"type": "realtime", "expires_at": BEGAN_S + 30}})
    assert not waits(effects, Timer.EXPIRY)


@pytest.mark.parametrize("expires_at", [BEGAN_S * 1000, 253_402_300_800, 2**63 - 1, 10**400])
def test_an_end_that_is_far_away_is_looked_at_once_a_day(expires_at: int) -> None:
    """Some servers tell it in milliseconds. No timer of Qt's runs for more than 24 days."""
    story, clock, effects = expiring(expires_at - BEGAN_S)
    for _ in range(3):
        assert waits(effects, Timer.EXPIRY) == [24 * 3600 * 1000]
        clock.s += 24 * 3600
        effects = story.happens(woken(story.effects, Timer.EXPIRY))
    assert ConnectNext() not in story.effects


def test_after_a_sleep_the_clock_is_looked_at_anew() -> None:
    story, clock, _ = expiring()
    clock.s += 3400
    effects = story.happens(Resumed(3400))
    assert ConnectNext() in effects
    assert Probe() in effects


# --- because the user wants something else -----------------------------------------------------


def test_a_new_model_that_is_refused_is_a_sentence_and_the_conversation_goes_on() -> None:
    story = answered(Story().online())
    assert ConnectNext() in story.happens(RenewalAsked())
    story.says(error("model_not_found", "no such model"), by_next=True)
    effects = story.happens(Disconnected(close_code=4000, by_next=True))
    assert "model" in notices(effects)[0].text
    assert story.link() is Link.ONLINE
    assert names(story.happens(TextEntered("Still there?")))[-1] == "response.create"


def test_a_model_chosen_while_the_next_session_is_prepared_is_asked_for_anew() -> None:
    story = answered(Story().online())
    assert ConnectNext() in story.happens(RenewalAsked())
    effects = story.happens(RenewalAsked())
    assert effects.index(DropNext()) < effects.index(ConnectNext())


def test_a_server_that_allows_one_session_only_gets_another_in_its_place() -> None:
    story = answered(Story().online())
    story.happens(VoiceChosen("max"))
    effects = story.happens(Disconnected(http_status=503, by_next=True))
    story.happens(woken(effects, Timer.NEXT_RETRY))
    assert Connect() in story.happens(Disconnected(http_status=503, by_next=True))
    story.says(SESSION_CREATED, SESSION_UPDATED)
    assert story.link() is Link.ONLINE
    assert len(story.shown()) == 2


def test_a_voice_taken_back_while_the_next_session_is_prepared_drops_it() -> None:
    story = answered(Story().online())
    assert ConnectNext() in story.happens(VoiceChosen("max"))
    assert DropNext() in story.happens(VoiceChosen("heart"))
    assert SwitchOver() not in story.succeeds()


def test_a_setting_changed_while_the_next_session_is_prepared_is_told_to_it() -> None:
    story = answered(Story().online())
    story.happens(VoiceChosen("max"))
    story.says(SESSION_CREATED, by_next=True)
    story.happens(SessionChosen(msgspec.structs.replace(CONFIG, instructions="Be long.")))
    effects = story.says(SESSION_UPDATED, by_next=True)
    after = effects[effects.index(SwitchOver()) :]
    assert any("Be long." in str(effect) for effect in after if isinstance(effect, Send))


# --- what does not fit -------------------------------------------------------------------------


def long_talk(story: Story, turns: int = 60) -> Story:
    """Tell many turns."""
    for n in range(turns):
        story.says(added(f"u{n}", "user", None, spoken=False))
        story.says(
            words_of(f"a{n}", f"Answer {n} is about something. ", f"resp_x{n}"), done(f"resp_x{n}", items=())
        )
    return story


def test_the_old_session_sums_itself_up_before_a_planned_change() -> None:
    story = long_talk(answered(Story().online()))
    story.says(story.born("resp_99"))
    effects = story.happens(RenewalAsked())
    story.says(done("resp_99", items=()))
    effects = story.succeeds()
    assert SwitchOver() not in effects
    (asked,) = events_of(ResponseCreate, effects)
    assert asked.response
    assert (asked.response.conversation, asked.response.tools) == ("none", [])
    job = created("resp_d", metadata=asked.response.metadata, conversation=None)
    told = {"type": "response.output_text.delta", "response_id": "resp_d", "item_id": "x", "delta": "They met Bo."}
    usage = {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}
    effects = story.says(job, told, ended([], response="resp_d", usage=usage))
    assert of(CountUsage, effects), "it costs"
    after = items(effects[effects.index(SwitchOver()) :])
    assert after[0].words == f"{replay.SUMMARY_HEADING}\nThey met Bo."
    assert len(story.shown()) == len(set(e.item_id for e in story.shown()))


def test_a_summary_that_does_not_come_in_time_is_not_waited_for() -> None:
    story = long_talk(answered(Story().online()))
    story.says(story.born("resp_99"), done("resp_99", items=()))
    story.happens(RenewalAsked())
    effects = story.happens(woken(story.succeeds(), Timer.DIGEST))
    after = items(effects[effects.index(SwitchOver()) :])
    assert after[0].words.startswith(replay.DIGEST_HEADING)


def entry(n: int, text: str = "", role: Role = Role.USER) -> Entry:
    return Entry(f"e{n}", role, text or f"Sentence number {n} says something. And more.", EntryStatus.COMPLETED)


@pytest.mark.parametrize("count", [1, 3, 40, 5_000])
@pytest.mark.parametrize("length", [10, 400, 100_000])
def test_a_digest_keeps_the_beginning_and_the_end_within_its_bound(count: int, length: int) -> None:
    entries = [entry(n, f"{n}. " + "word " * (length // 5)) for n in range(count)]
    text = replay.digest(reversed(entries))
    assert len(text) <= limits.MAX_DIGEST_CHARS
    assert "User: 0. word" in text
    assert f"User: {count - 1}. word" in text


def test_a_digest_says_who_said_what_and_what_tools_gave() -> None:
    use = ToolUse("c", "clock", '{"zone": "UTC"}', output="12:00")
    entries = [
        entry(1, "What time is it? I am in a hurry."),
        Entry("t", Role.TOOL, status=EntryStatus.COMPLETED, tool=use),
        Entry("a", Role.ASSISTANT, "It is noon, and", EntryStatus.INTERRUPTED, heard_chars=10),
        entry(2, "   "),
    ]
    lines = replay.digest(reversed(entries)).splitlines()
    assert lines[1:] == [
        "User: What time is it? I am in a hurry.",
        'Tool clock({"zone": "UTC"}): 12:00',
        "Assistant: It is noon [interrupted]",
    ]


def test_a_summary_is_kept_for_the_sessions_after_the_next() -> None:
    entries = [entry(n) for n in range(10)]
    summary = replay.Summary("They met Bo.", "e6")
    text = replay.digest(reversed(entries), summary)
    assert text.startswith(
        f"{replay.SUMMARY_HEADING}\nThey met Bo.\n\n{replay.DIGEST_HEADING}\nUser: Sentence number 7"
    )
    assert "number 6" not in text
    assert replay.digest(reversed(entries), summary, knows_all=True) == f"{replay.SUMMARY_HEADING}\nThey met Bo."


# --- an old conversation -----------------------------------------------------------------------


def continued(*past: Entry, title: str = "Paintings", titles: bool = True) -> tuple[Story, list[Effect]]:
    """Go on with a conversation; return what came of it."""
    story = Story(titles=titles).online()
    effects = story.happens(ConversationContinued(past, title, "art"))
    return story, effects + story.says(SESSION_CREATED, SESSION_UPDATED)


def test_a_call_that_never_ended_is_reported_with_the_conversation() -> None:
    use = ToolUse("call_1", "clock", "{}", waiting=True)
    _, effects = continued(entry(1), Entry("t", Role.TOOL, tool=use))
    shown = of(ShowEntry, effects)[-1].entry
    assert shown.status is EntryStatus.FAILED
    assert shown.tool
    assert not shown.tool.waiting
    assert [item.type for item in items(effects)] == ["message", "function_call", "function_call_output"]
    assert "error" in str(items(effects)[-1].output)
    assert "response.create" not in names(effects)


@pytest.mark.parametrize(("title", "asked"), [("Paintings", False), ("", True)])
def test_a_conversation_that_has_a_title_is_asked_for_none(title: str, asked: bool) -> None:
    story, effects = continued(title=title)
    assert ShowTitle(title, "art") in effects
    answered(story, 1)
    effects = story.effects
    answered(story, 2)
    assert any("title" in str(event.response) for event in events_of(ResponseCreate, effects)) is asked


def test_ids_of_ours_do_not_meet_those_of_the_conversation_that_goes_on() -> None:
    story, _ = continued(
        *(Entry(f"user_{n}_{m}", Role.USER, "hello", EntryStatus.COMPLETED) for n in range(4) for m in range(4))
    )
    before = story.entries
    effects = story.happens(TextEntered("And now?"))
    assert story.entries[:-1] == before
    assert story.entries[-1][1] == "And now?"
    assert items(effects)[0].id not in {item_id for item_id, _ in before}


def test_what_was_typed_meanwhile_comes_back_when_another_conversation_is_opened() -> None:
    story = Story().online()
    story.answers()
    story.happens(TextEntered("later", queued=True))
    effects = story.happens(ConversationContinued((entry(1),), "Paintings"))
    assert of(GiveBackText, effects) == [GiveBackText("later")]
