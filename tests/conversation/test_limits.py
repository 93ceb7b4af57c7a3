"""What is counted and what is bounded: usage, budget, rate limits, and a server that means harm."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from desktop_app.conversation import limits
from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import (
    CountUsage,
    Play,
    RemoveEntry,
    ShowConnection,
    ShowEntry,
    ShowNotice,
    Turn,
)
from desktop_app.conversation.entries import EntryAction
from desktop_app.conversation.inputs import (
    AnswerAsked,
    BudgetReached,
    Input,
    MicBlock,
    MicClosed,
    MicStarted,
    PlaybackFinished,
    Received,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
    Timer,
)
from desktop_app.errors import NoticeAction
from desktop_app.protocol import codec, events
from desktop_app.protocol.events import ResponseCreate
from tests.conversation.story import (
    HANDS_FREE,
    ITEM,
    PART,
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
    function_call,
    names,
    notices,
    of,
    pcm,
    transcribed,
    waits,
    woken,
    words_of,
)

# --- what is billed -----------------------------------------------------------------------------

USAGE = {
    "total_tokens": 205,
    "input_tokens": 41,
    "output_tokens": 164,
    "input_token_details": {
        "text_tokens": 12,
        "audio_tokens": 29,
        "cached_tokens": 20,
        "cached_tokens_details": {"text_tokens": 8, "audio_tokens": 12, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 38, "audio_tokens": 126},
}


def test_every_response_is_counted_once_whatever_its_status() -> None:
    for status in ("completed", "cancelled", "incomplete", "failed"):
        story = Story().speaking()
        effects = story.says(done(status=status, usage=USAGE), done(status=status, usage=USAGE))
        counted = of(CountUsage, effects)
        assert [count.item_id for count in counted] == [ITEM]
        details = counted[0].usage.input_token_details
        assert isinstance(details, events.InputTokenDetails)
        assert (details.cached_tokens, details.audio_tokens) == (20, 29)


def test_no_usage_is_nothing_to_count() -> None:
    story = Story().speaking()
    assert not of(CountUsage, story.says(done(usage=None)))


def test_what_is_billed_has_a_key_of_its_own_in_every_session() -> None:
    keys = []
    story = Story().online()
    for _ in range(2):
        story.says(created())
        keys += [count.key for count in of(CountUsage, story.says(done(items=(), usage=USAGE)))]
        story = Story().online() if not keys else story
        story.core._link.session_no += 1
        story.core._responses.reset()
    assert len(set(keys)) == 2


def test_writing_down_is_counted_when_it_is_final() -> None:
    story = Story().online()
    story.talks()
    frame = {**transcribed("item_U1", "What"), "usage": {"type": "duration", "seconds": 2.5}}
    assert not of(CountUsage, story.says({**frame, "status": "in_progress"}))
    counted = of(CountUsage, story.says(frame))
    assert [(count.item_id, count.transcription, count.usage.type) for count in counted] == [  # type: ignore[union-attr]
        ("item_U1", True, "duration")
    ]


# --- a budget -----------------------------------------------------------------------------------


def test_a_spent_budget_refuses_new_turns_with_a_choice() -> None:
    story = Story().online()
    story.happens(BudgetReached(reached=True))
    for event in (TalkPressed(), TextEntered("hello"), AnswerAsked()):
        effects = story.happens(event)
        assert names(effects) == []
        assert notices(effects)[-1].action is NoticeAction.SPEND_ON
    story.happens(BudgetReached(reached=False))
    assert "response.create" in names(story.happens(TextEntered("hello")))


def test_a_budget_spent_in_mid_answer_lets_it_end_and_its_tools_too() -> None:
    story = Story().offers("clock").online()
    story.talks()
    story.calls("clock")
    story.happens(BudgetReached(reached=True))
    assert "response.create" in names(story.ran("call_clock"))
    story.answers(response="resp_2")
    assert story.turn() is Turn.SPEAKING


def test_a_talk_begun_before_the_budget_was_spent_is_answered() -> None:
    story = Story().online()
    story.happens(TalkPressed(), MicStarted(), MicBlock(pcm(500)), BudgetReached(reached=True))
    assert "response.create" in names(story.happens(TalkReleased(), MicClosed()))


def test_queued_texts_wait_for_the_budget() -> None:
    story = Story().speaking()
    story.happens(TextEntered("later", queued=True), BudgetReached(reached=True))
    story.says(audio_done(), done())
    assert names(story.happens(PlaybackFinished(PART))) == []
    assert "response.create" in names(story.happens(BudgetReached(reached=False)))


# --- rate limits --------------------------------------------------------------------------------


def limited(message: str, response: str = R) -> dict[str, object]:
    """Return the end of a response for which there was no room."""
    details = {"type": "failed", "error": {"code": "rate_limit_exceeded", "message": message}}
    return ended([], response=response, status="failed", status_details=details)


def test_a_rate_limit_is_waited_for_once_and_then_left_to_the_user() -> None:
    story = Story().online()
    story.talks()
    story.says(story.born())
    effects = story.says(limited("Rate limit reached. Please try again in 1.2s."))
    assert waits(effects, Timer.RETRY) == [1300]
    assert "trying again in 1 s" in notices(effects)[0].text
    assert story.shown()[-1].action is EntryAction.RETRY
    assert names(story.happens(woken(effects, Timer.RETRY))) == ["response.create"]
    story.says(story.born("resp_2"))
    effects = story.says(limited("Please try again in 1.2s.", "resp_2"))
    assert not waits(effects, Timer.RETRY), "no loop"
    assert story.shown()[-1].action is EntryAction.RETRY
    assert names(story.happens(AnswerAsked())) == ["response.create"]


@pytest.mark.parametrize(
    ("message", "reset_s", "ms"),
    [
        ("Please try again in 20ms.", None, 120),
        ("Please try again in 6m0s.", None, None),
        ("Too many.", None, None),
        ("Too many.", 3.0, 3100),
        ("Please try again in 900s.", None, None),
        ("Please try again in 99999999999999999999s.", None, None),
    ],
)
def test_only_a_short_stated_time_is_waited_for(message: str, reset_s: float | None, ms: int | None) -> None:
    story = Story().online()
    if reset_s is not None:
        told = [{"name": "tokens", "limit": 100, "remaining": 0, "reset_seconds": reset_s}]
        story.says({"type": "rate_limits.updated", "rate_limits": told})
    story.talks()
    effects = story.says(story.born(), limited(message))
    assert waits(effects, Timer.RETRY) == ([ms] if ms else [])


@pytest.mark.parametrize("then", [StopPressed(), TextEntered("never mind"), BudgetReached(reached=True)])
def test_whoever_goes_on_meanwhile_is_not_answered_twice(then: Any) -> None:
    story = Story().online()
    story.talks()
    effects = story.says(story.born(), limited("Please try again in 1s."))
    story.happens(then)
    before = len(events_of(ResponseCreate, story.effects))
    story.happens(woken(effects, Timer.RETRY))
    assert len(events_of(ResponseCreate, story.effects)) == before


# --- the connection -----------------------------------------------------------------------------


def test_what_is_known_of_the_session_is_shown() -> None:
    story = Story().online()
    session = {"type": "realtime", "id": "sess_9", "model": "gpt-realtime-2.1", "expires_at": 1_800_000_000}
    effects = story.says({"type": "session.updated", "session": session})
    info = of(ShowConnection, effects)[-1].info
    assert (info.session_id, info.model, info.expires_at) == ("sess_9", "gpt-realtime-2.1", 1_800_000_000)
    told = [{"name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5}]
    info = of(ShowConnection, story.says({"type": "rate_limits.updated", "rate_limits": told}))[-1].info
    assert [(limit.name, limit.remaining) for limit in info.limits] == [("tokens", 39_000)]
    assert info.session_id == "sess_9"
    assert story.says({"type": "rate_limits.updated", "rate_limits": told}) == [], "nothing new"


# --- a commit the server takes for empty --------------------------------------------------------


def test_a_talk_that_did_not_arrive_is_a_sentence_and_no_answer_to_nothing() -> None:
    story = Story().online()
    story.talks()
    effects = story.says(error("input_audio_buffer_commit_empty", "Expected at least 100ms of audio"))
    assert "arrived" in notices(effects)[0].text
    assert story.turn() is Turn.IDLE
    assert names(story.says(story.born())) == ["response.cancel"]
    story = Story(HANDS_FREE).online()
    story.hears()
    assert notices(story.says(error("input_audio_buffer_commit_empty"))) == [], "hands-free it is a crossing"


# --- a server that means harm -------------------------------------------------------------------

MANY = 100_000


def _words_without_end(n: int) -> list[object]:
    return [words_of(ITEM, "x" * 50)]


def _items_without_end(n: int) -> list[object]:
    return [added(f"item_{n}", "assistant", f"item_{n - 1}"), words_of(f"item_{n}", "x" * 20, f"resp_{n}")]


def _backwards(n: int) -> list[object]:
    return [added(f"item_{n}", "user", f"item_{n + 1}", spoken=False)]


def _deleted(n: int) -> list[object]:
    return [added(f"item_{n}", "user", None), {"type": "conversation.item.deleted", "item_id": f"item_{n}"}]


def _outputs(n: int) -> list[object]:
    item = {"id": f"out_{n}", "type": "function_call_output", "call_id": f"c{n}", "output": "x"}
    return [added_item(item, f"out_{n - 1}")]


def _responses(n: int) -> list[object]:
    return [created(f"resp_{n}"), done(f"resp_{n}", items=())]


def _foreign_responses(n: int) -> list[object]:
    return [created(f"resp_{n}", conversation=None, metadata={"job": str(n)})]


def _unfinished_responses(n: int) -> list[object]:
    item = {"id": f"item_{n}", "type": "message", "role": "assistant", "content": []}
    return [created(f"resp_{n}"), {"type": "response.output_item.added", "response_id": f"resp_{n}", "item": item}]


def _failures(n: int) -> list[object]:
    return [created(f"resp_{n}"), ended([], response=f"resp_{n}", status="failed")]


def _sound_of_ever_new_items(n: int) -> list[object]:
    return [audio(f"item_{n}", 20, f"resp_{n}")]


def _sound_without_end(n: int) -> list[object]:
    return [audio(ITEM, 200)]


def _calls(n: int) -> list[object]:
    return [created(f"resp_{n}"), ended([function_call("clock", f"call_{n}")], response=f"resp_{n}")]


def _approvals(n: int) -> list[object]:
    item = {"id": f"mcpr_{n}", "type": "mcp_approval_request", "server_label": "x", "name": "y", "arguments": "{}"}
    return [created(f"resp_{n}"), ended([item], response=f"resp_{n}")]


def _turns(n: int) -> list[object]:
    return [{"type": "input_audio_buffer.committed", "item_id": f"item_{n}"}]


def _parts(n: int) -> list[object]:
    return [{**words_of(ITEM, "x"), "content_index": n}]


def _updates(n: int) -> list[object]:
    session = {"type": "realtime", "id": f"sess_{n}", "instructions": "x" * (n % 100)}
    return [{"type": "session.updated", "session": session}]


def _limits(n: int) -> list[object]:
    told = [{"name": f"limit_{n}_{k}", "limit": n} for k in range(20)]
    return [{"type": "rate_limits.updated", "rate_limits": told}]


HARM = [
    _words_without_end,
    _items_without_end,
    _backwards,
    _deleted,
    _outputs,
    _responses,
    _foreign_responses,
    _unfinished_responses,
    _failures,
    _sound_of_ever_new_items,
    _sound_without_end,
    _calls,
    _approvals,
    _turns,
    _parts,
    _updates,
    _limits,
]


SMALL = {
    "MAX_ENTRIES": 300,
    "MAX_ENTRY_CHARS": 2_000,
    "MAX_HIDDEN": 100,
    "MAX_AWAITED": 32,
    "MAX_REMEMBERED": 64,
    "MAX_UNHEARD_PARTS": 32,
}
"""The same bounds in small: most that can be wrong shows long before a hundred thousand events."""

each_harm = pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__.strip("_"))


@each_harm
def test_what_comes_without_end_is_kept_within_bounds(
    harm: Callable[[int], list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, most in SMALL.items():
        monkeypatch.setattr(limits, name, most)
    _harm(harm, 2_000)


@pytest.mark.slow
@each_harm
def test_a_hundred_thousand_events_of_one_kind_leave_no_more_than_a_bound(
    harm: Callable[[int], list[object]],
) -> None:
    _harm(harm, MANY)


def _harm(harm: Callable[[int], list[object]], many: int) -> None:
    story = Story().offers("clock").online()
    story.talks()
    shown: dict[str, int] = {}
    for n in range(many):
        for frame in harm(n):
            event = frame if not isinstance(frame, dict) else codec.decode_server_event(_json(frame))
            for effect in story.core.handle(Received(event)):  # type: ignore[arg-type]
                if isinstance(effect, ShowEntry):
                    shown[effect.entry.item_id] = len(effect.entry.text)
                    assert len(effect.entry.text) <= limits.MAX_ENTRY_CHARS
                elif isinstance(effect, RemoveEntry):
                    shown.pop(effect.item_id, None)
    assert len(shown) <= limits.MAX_ENTRIES, "the window holds no more either"
    texts = [(len(held), name) for name, held in _containers(story.core) if isinstance(held, str)]
    assert max(texts)[0] <= limits.MAX_ENTRY_CHARS, max(texts)
    kept = [(len(held), name) for name, held in _containers(story.core) if not isinstance(held, str)]
    assert max(kept)[0] <= limits.MAX_ENTRIES + 1, max(kept)  # the chain has a link more than there are items
    weight = sum(sys.getsizeof(held) for _, held in _containers(story.core))
    assert weight < 30_000_000, f"{weight / 1e6:.0f} MB"


def test_pictures_and_outputs_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_TRANSCRIPT_CHARS", 1_000_000)
    story = Story().online()
    for n in range(50):
        story.happens(TextEntered(f"picture {n}", ("data:image/png;base64," + "A" * 100_000,)))
    assert 5 <= len(story.entries) <= 10
    assert story.entries[-1][1] == "picture 49"
    story.says(added("late", "user", str(story.entries[0][0]), spoken=False))
    assert len(story.entries) <= 11


def test_sound_beyond_every_answer_is_not_taken_and_the_rest_is_told_truly() -> None:
    story = Story().speaking(0)
    for _ in range(limits.MAX_UNHEARD_MS // 60_000 + 5):
        story.says(audio(ITEM, 60_000))
    played = sum(len(play.pcm) for play in of(Play, story.effects)) // 48
    assert played == limits.MAX_UNHEARD_MS
    story.says(audio_done(), done())
    story.happens(PlaybackFinished(PART))
    story.says(created("resp_2"))
    assert of(Play, story.says(audio("item_A2", 100, "resp_2"))), "heard is heard: there is room again"


def test_a_notice_is_short_however_much_a_server_says() -> None:
    story = Story().online()
    effects = story.says(error("x" * 10_000, "y" * 1_000_000))
    assert len(of(ShowNotice, effects)[0].notice.text) < 400


def _json(frame: dict[str, object]) -> bytes:
    return msgspec.json.encode(frame)


def _containers(root: Conversation) -> Iterator[tuple[str, Any]]:
    """Walk all collections and texts the core holds, with the way to each."""
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("core", root)]
    while todo:
        name, held = todo.pop()
        if id(held) in seen or isinstance(held, type) or callable(held):
            continue
        seen.add(id(held))
        if isinstance(held, dict):
            todo += [(f"{name}[]", value) for value in held.values()]
            yield name, held
        elif isinstance(held, list | tuple | set):
            todo += [(f"{name}[]", value) for value in held]
            yield name, held
        elif isinstance(held, str):
            yield name, held
        todo += [(f"{name}.{key}", value) for key, value in getattr(held, "__dict__", {}).items()]
        for kind in type(held).__mro__:
            for slot in getattr(kind, "__slots__", ()):
                if hasattr(held, slot):
                    todo.append((f"{name}.{slot}", getattr(held, slot)))


# --- no slower with time ------------------------------------------------------------------------


def _best_ms(core: Conversation, make: Callable[[], Input], count: int = 200) -> float:
    """Return the median time of one event, the best of five tries: others use this machine, too."""
    medians = []
    for _ in range(5):
        times = []
        for _ in range(count):
            event = make()
            begun = time.perf_counter()
            core.handle(event)
            times.append(time.perf_counter() - begun)
        medians.append(sorted(times)[count // 2] * 1000)
    return min(medians)


def _long_talk(*, spoken: bool) -> Story:
    """Return a conversation that holds as many entries as it may."""
    story = Story().online()
    for n in range(limits.MAX_ENTRIES):
        item = added(f"item_{n}", "assistant" if spoken and n % 2 else "user", f"item_{n - 1}", spoken=spoken)
        story.core.handle(Received(codec.decode_server_event(_json(item))))
    return story


@pytest.mark.parametrize("kind", ["words", "sound", "microphone"])
def test_an_event_takes_less_than_a_fifth_of_a_millisecond_after_hours(kind: str) -> None:
    story = _long_talk(spoken=True)
    story.talks()
    story.answers()
    story.says(words_of(ITEM, "x" * 50_000))
    gc.collect()
    if kind == "microphone":
        story.happens(TalkPressed(), MicStarted())
    words = codec.decode_server_event(_json(words_of(ITEM, "and ")))
    made: dict[str, Input] = {
        "words": Received(words),
        "sound": Received(audio(ITEM, 100)),
        "microphone": MicBlock(pcm(20)),
    }
    assert (ms := _best_ms(story.core, lambda: made[kind])) < 0.2, f"{ms:.3f} ms"


def test_an_item_in_the_middle_and_an_interruption_stay_quick_too() -> None:
    story = _long_talk(spoken=False)

    def inserted() -> Input:
        item = added(f"new_{time.perf_counter_ns()}", "user", "item_5000", spoken=False)
        return Received(codec.decode_server_event(_json(item)))

    assert (ms := _best_ms(story.core, inserted)) < 0.2, f"{ms:.3f} ms"
    assert (ms := _best_ms(story.core, StopPressed)) < 0.2, f"{ms:.3f} ms"


def test_where_the_history_keeps_them_fewer_entries_are_held() -> None:
    story = Story(most_entries=3).online()
    effects = [effect for n in range(5) for effect in story.says(words_of(f"item_{n}", "Hello."))]
    gone = of(RemoveEntry, effects)
    assert [entry.item_id for entry in story.shown()] == ["item_2", "item_3", "item_4"]
    assert all(effect.for_room for effect in gone), "it was not the user who wanted them gone"
