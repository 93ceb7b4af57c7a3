"""Calls of tools, each answered once: the guide's function calling and its MCP approvals, as stories."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from msgspec import UNSET

from desktop_app.conversation import limits
from desktop_app.conversation.effects import AskConsent, CancelTool, Effect, RunTool, Turn, WithdrawConsent
from desktop_app.conversation.entries import EntryStatus, ToolUse
from desktop_app.conversation.inputs import (
    ConnectAsked,
    ConsentGiven,
    Disconnected,
    ForgetAsked,
    Heard,
    NewConversationAsked,
    StopPressed,
    TextEntered,
    Timer,
    ToolFinished,
    ToolOffer,
    ToolsOffered,
)
from desktop_app.conversation.tool_calls import MAX_ROUNDS
from desktop_app.protocol.events import ConversationItemCreate, ResponseCreate
from desktop_app.protocol.items import Tool
from tests.conversation.story import (
    CONFIG,
    HANDS_FREE,
    PART,
    SESSION_CREATED,
    SESSION_UPDATED,
    R,
    Story,
    added,
    added_item,
    created,
    done,
    ended,
    error,
    events_of,
    function_call,
    names,
    notices,
    of,
    sent,
    speech_started,
    waits,
    woken,
    words_of,
)


def outputs(effects: Sequence[Effect]) -> list[tuple[object, object]]:
    """Return the call ids and outputs that are sent."""
    items = [event.item for event in events_of(ConversationItemCreate, effects)]
    return [(item.call_id, item.output) for item in items if item.type == "function_call_output"]


def use_of(story: Story, item: str) -> ToolUse:
    """Return what the transcript shows of a call."""
    use = next(entry.tool for entry in story.shown() if entry.item_id == item)
    assert use is not None
    return use


def asking(*tools: str) -> Story:
    """Return a conversation in which something was said, and these tools need no yes."""
    story = Story().offers(*tools).online()
    story.talks()
    return story


# --- one call, many calls -----------------------------------------------------------------------


def test_the_guides_horoscope() -> None:
    parameters = {
        "type": "object",
        "properties": {"sign": {"type": "string", "enum": ["Aries", "Aquarius"]}},
        "required": ["sign"],
    }
    tool = Tool(name="generate_horoscope", description="Give today's horoscope.", parameters=parameters)
    story = Story()
    story.happens(ToolsOffered((ToolOffer(tool, asks=False),)))
    story.online()
    create = events_of(ResponseCreate, story.happens(TextEntered("What is my horoscope? I am an aquarius.")))
    assert len(create) == 1
    call = function_call("generate_horoscope", "call_sHlR", arguments='{"sign":"Aquarius"}')
    story.says(created(), added_item(call))
    effects = story.says(ended([call]))
    assert of(RunTool, effects) == [RunTool("call_sHlR", "generate_horoscope", '{"sign":"Aquarius"}')]
    assert story.turn() is Turn.USING_TOOL
    effects = story.ran("call_sHlR", '{"horoscope": "You will soon meet a new friend."}')
    assert outputs(effects) == [("call_sHlR", '{"horoscope": "You will soon meet a new friend."}')]
    assert names(effects) == ["conversation.item.create", "response.create"]
    assert use_of(story, "item_call_sHlR").seconds == 0.5
    assert story.turn() is Turn.THINKING


def test_two_calls_of_one_response_are_two_outputs_and_one_answer() -> None:
    story = asking("slow", "quick")
    effects = story.calls("slow", "quick")
    assert [run.name for run in of(RunTool, effects)] == ["slow", "quick"], "side by side"
    assert names(story.ran("call_quick")) == ["conversation.item.create"]
    assert story.turn() is Turn.USING_TOOL
    assert names(story.ran("call_slow")) == ["conversation.item.create", "response.create"]
    assert story.turn() is Turn.THINKING


def test_a_call_is_not_run_before_its_response_is_done() -> None:
    story = asking("clock")
    call = function_call("clock")
    arguments = {"item_id": "item_call_clock", "call_id": "call_clock", "name": "clock", "arguments": "{}"}
    effects = story.says(
        created(),
        {"type": "response.output_item.added", "response_id": R, "item": {**call, "status": "in_progress"}},
        added_item({**call, "status": "in_progress"}),
        {"type": "response.function_call_arguments.done", "response_id": R, **arguments},
        {"type": "response.output_item.done", "response_id": R, "item": call},
    )
    assert not of(RunTool, effects)
    assert of(RunTool, story.says(ended([call])))


def test_a_call_that_a_server_does_not_repeat_at_the_end_is_run() -> None:
    story = asking("clock")
    story.says(created(), {"type": "response.output_item.done", "response_id": R, "item": function_call("clock")})
    assert of(RunTool, story.says(ended([])))


def test_a_call_without_a_status_is_as_complete_as_its_response() -> None:
    call = {name: value for name, value in function_call("clock").items() if name != "status"}
    story = asking("clock")
    story.says(created())
    assert of(RunTool, story.says(ended([call])))
    story = asking("clock")
    story.says(created())
    assert not of(RunTool, story.says(ended([call], status="incomplete")))


def test_an_output_comes_once_however_often_the_tool_says_so() -> None:
    story = asking("clock")
    story.calls("clock")
    assert outputs(story.ran("call_clock", "1")) == [("call_clock", "1")]
    assert story.ran("call_clock", "2") == []
    assert story.ran("call_nobody_made") == []


def test_the_end_of_a_response_told_twice_runs_nothing_twice() -> None:
    story = asking("clock")
    story.calls("clock")
    assert not of(RunTool, story.says(ended([function_call("clock")])))
    story.ran("call_clock")
    assert not of(RunTool, story.calls("clock", response="resp_2")), "nor does a call id that has its answer"


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ('{"zone": ', '{"error": "the arguments are no JSON"}'),
        ("[]", '{"error": "the arguments are no object"}'),
        ("{}", '{"error": "there is no such tool"}'),
        ("{}", '{"error": "it raised"}'),
    ],
)
def test_whatever_goes_wrong_is_an_output_and_the_conversation_goes_on(arguments: str, output: str) -> None:
    story = asking("clock")
    story.says(created())
    effects = story.says(ended([function_call("unheard_of", "call_1", arguments=arguments)]))
    assert of(RunTool, effects) == [RunTool("call_1", "unheard_of", arguments)], "the toolbox knows what is wrong"
    effects = story.ran("call_1", output, failed=True)
    assert names(effects) == ["conversation.item.create", "response.create"]
    assert story.shown()[-1].status is EntryStatus.FAILED
    story.answers(response="resp_2")
    assert story.turn() is Turn.SPEAKING


def test_a_tool_that_never_answers_is_a_timeout() -> None:
    story = asking("stuck")
    effects = story.calls("stuck")
    effects = story.happens(woken(effects, Timer.TOOL))
    assert CancelTool("call_stuck") in effects
    assert outputs(effects) == [("call_stuck", '{"error": "timeout"}')]
    assert "response.create" in names(effects)
    assert story.ran("call_stuck") == [], "too late"


def test_the_time_of_a_tool_that_answered_means_nothing() -> None:
    story = asking("clock")
    waking = woken(story.calls("clock"), Timer.TOOL)
    story.ran("call_clock")
    assert story.happens(waking) == []


def test_what_a_tool_shows_comes_before_the_answer() -> None:
    story = asking("look")
    story.calls("look")
    effects = story.happens(ToolFinished("call_look", "{}", images=("data:image/png;base64,AAAA",)))
    assert names(effects) == ["conversation.item.create", "conversation.item.create", "response.create"]
    assert story.shown()[-1].images == ("data:image/png;base64,AAAA",)


def test_an_answer_wanted_in_writing_is_written_after_its_tools_too() -> None:
    story = Story().offers("clock").online()
    story.happens(TextEntered("What time is it?", written=True))
    story.calls("clock")
    create = events_of(ResponseCreate, story.ran("call_clock"))[0]
    assert create.response is not UNSET
    assert create.response.output_modalities == ["text"]


def test_a_tool_that_keeps_the_model_silent_is_not_answered() -> None:
    story = asking()
    effects = story.calls("wait_for_user")
    assert not of(RunTool, effects)
    assert names(effects) == ["conversation.item.create"]
    assert story.turn() is Turn.IDLE


# --- a preamble and a call at once --------------------------------------------------------------


def test_a_preamble_and_a_call_open_at_once_are_two_rows() -> None:
    story = asking("weather")
    preamble = {"id": "pre", "type": "message", "role": "assistant", "status": "in_progress", "phase": "commentary"}
    call = function_call("weather", arguments="")
    story.says(
        created(),
        {"type": "response.output_item.added", "response_id": R, "output_index": 0, "item": preamble},
        {**added_item(preamble), "previous_item_id": "item_U1"},
        words_of("pre", "Let me "),
        {"type": "response.output_item.added", "response_id": R, "output_index": 1, "item": call},
        {**added_item(call), "previous_item_id": "pre"},
        words_of("pre", "check."),
    )
    said = [{"type": "output_audio", "transcript": "Let me check."}]
    whole: dict[str, object] = {**preamble, "status": "completed", "content": said}
    call = function_call("weather", arguments='{"city": "Oslo"}')
    effects = story.says(ended([whole, call]))
    assert of(RunTool, effects) == [RunTool("call_weather", "weather", '{"city": "Oslo"}')]
    rows = {entry.item_id: entry for entry in story.shown()}
    assert list(rows) == ["item_U1", "pre", "item_call_weather"]
    assert (rows["pre"].text, rows["pre"].commentary) == ("Let me check.", True)
    assert use_of(story, "item_call_weather").arguments == '{"city": "Oslo"}'


def test_commentary_is_known_even_if_only_the_end_says_so() -> None:
    story = asking()
    story.says(created(), words_of("pre", "One moment."), added("pre", "assistant", "item_U1"))
    item = {"id": "pre", "type": "message", "role": "assistant", "status": "completed", "phase": "commentary"}
    story.says({"type": "conversation.item.done", "item": item})
    assert story.shown()[-1].commentary


# --- interrupted --------------------------------------------------------------------------------


def test_a_tool_that_ends_after_the_user_went_on_is_told_but_not_answered() -> None:
    story = Story(HANDS_FREE).offers("slow").online()
    story.hears()
    story.calls("slow")
    story.hears("item_U2")
    story.says(created("resp_2"))
    effects = story.ran("call_slow", '"done"')
    assert names(effects) == ["conversation.item.create"]
    assert names(story.says(done("resp_2"))) == [], "nor afterwards"


def test_stop_while_a_tool_runs_leaves_its_output_unanswered() -> None:
    story = asking("slow")
    story.calls("slow")
    story.happens(StopPressed())
    assert story.turn() is Turn.IDLE
    assert names(story.ran("call_slow")) == ["conversation.item.create"]


def test_half_a_call_of_a_cancelled_response_is_not_run_and_says_so() -> None:
    story = asking("send")
    half = function_call("send", status="incomplete", arguments='{"to": "everyb')
    story.says(created(), added_item(half))
    story.happens(StopPressed())
    effects = story.says(ended([half], status="cancelled"))
    assert not of(RunTool, effects)
    assert names(effects) == []
    assert story.shown()[-1].status is EntryStatus.INTERRUPTED
    assert story.turn() is Turn.IDLE


def test_a_whole_call_of_a_cancelled_response_is_run_told_and_not_answered() -> None:
    story = asking("note")
    story.answers()
    story.stopped_with = (Heard(PART, 500),)
    story.happens(TextEntered("Wait, something else"))
    effects = story.says(ended([function_call("note")], status="cancelled"))
    assert of(RunTool, effects)
    assert names(effects) == ["response.create"], "the new question's"
    assert names(story.ran("call_note")) == ["conversation.item.create"]
    story.says(created("resp_2"))
    assert names(story.says(done("resp_2"))) == []


def test_no_answer_over_a_turn_that_began_while_the_calling_response_ran() -> None:
    quiet = {"create_response": False, "interrupt_response": False}
    story = Story(HANDS_FREE).offers("note").online()
    session = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad", **quiet}}}}
    story.says({"type": "session.updated", "session": session})
    story.says(created())
    story.hears("item_U2")
    story.says(ended([function_call("note")]))
    assert names(story.ran("call_note")) == ["conversation.item.create"]


# --- loops --------------------------------------------------------------------------------------


def test_a_session_that_forces_tools_does_not_force_them_after_tools() -> None:
    story = Story(msgspec.structs.replace(CONFIG, tool_choice="required")).offers("clock").online()
    story.talks()
    story.calls("clock")
    create = events_of(ResponseCreate, story.ran("call_clock"))[0]
    assert create.response is not UNSET
    assert create.response.tool_choice == "auto"


def test_after_so_many_rounds_the_model_must_answer() -> None:
    story = asking("again")
    for number in range(1, MAX_ROUNDS + 1):
        story.calls(f"again:call_{number}", response=f"resp_{number}")
        create = events_of(ResponseCreate, story.ran(f"call_{number}"))[0]
        assert create.response is not UNSET
        assert create.response.tool_choice == ("none" if number == MAX_ROUNDS else UNSET)
    effects = story.calls("again:call_99", response="resp_99")
    assert not of(RunTool, effects), "and if it calls all the same, that is the end"
    assert names(effects) == ["conversation.item.create"]
    assert story.turn() is Turn.IDLE
    story.talks(item="item_U2")
    assert of(RunTool, story.calls("again:call_100", response="resp_100")), "a new turn counts anew"


def test_calls_without_number_or_measure_are_answered_and_not_run() -> None:
    story = asking("flood")
    calls = [function_call("flood", f"call_{n}") for n in range(200)]
    story.says(created())
    effects = story.says(ended(calls))
    runs = of(RunTool, effects)
    assert len(runs) <= limits.MAX_OPEN_CALLS
    assert len(runs) + len(outputs(effects)) == min(len(calls), limits.MAX_ITEMS_OF_RESPONSE)
    story = asking("flood")
    story.says(created())
    long = function_call("flood", arguments=" " * (limits.MAX_ARGUMENTS_CHARS + 1))
    assert not of(RunTool, story.says(ended([long])))


# --- the user's yes -----------------------------------------------------------------------------


def test_what_has_a_side_effect_waits_for_a_yes() -> None:
    story = Story().offers("open_page", asks=True).online()
    story.talks()
    effects = story.calls("open_page")
    assert [ask.consent.tool for ask in of(AskConsent, effects)] == ["open_page"]
    assert not of(RunTool, effects)
    assert use_of(story, "item_call_open_page").waiting
    assert story.turn() is Turn.ASKING
    effects = story.happens(ConsentGiven("call_open_page", allowed=True))
    assert len(of(RunTool, effects)) == 1
    assert not use_of(story, "item_call_open_page").waiting
    assert of(RunTool, story.happens(ConsentGiven("call_open_page", allowed=True))) == [], (
        "a double click is one yes"
    )
    assert story.happens(ConsentGiven("call_open_page", allowed=False)) == [], "nor is a no after it"
    assert "response.create" in names(story.ran("call_open_page"))


def test_a_no_is_an_output_too() -> None:
    story = Story().offers("open_page", asks=True).online()
    story.talks()
    story.calls("open_page")
    effects = story.happens(ConsentGiven("call_open_page", allowed=False))
    assert outputs(effects) == [("call_open_page", '{"error": "declined by user"}')]
    assert "response.create" in names(effects)
    assert not of(RunTool, effects)


def test_always_is_for_this_tool_as_it_is() -> None:
    story = Story().offers("open_page", "write_note", asks=True).online()
    story.talks()
    story.calls("open_page:a", "open_page:b", "write_note:c")
    effects = story.happens(ConsentGiven("a", allowed=True, always=True))
    assert [run.call_id for run in of(RunTool, effects)] == ["a", "b"]
    assert WithdrawConsent("b") in effects
    for call in "abc":
        story.happens(ConsentGiven(call, allowed=True), ToolFinished(call, "{}"))
    assert of(RunTool, story.calls("open_page:d", response="resp_2")), "no question any more"
    story.offers("open_page", "write_note", asks=True)
    assert of(RunTool, story.calls("open_page:e", response="resp_3")), "the same tool, offered again"
    other = Tool(name="open_page", description="Opens it, and sends it to everybody.", parameters={})
    story.happens(ToolsOffered((ToolOffer(other, asks=True),)))
    assert of(AskConsent, story.calls("open_page:f", response="resp_4")), "another tool of the same name"


# --- the end of a session -----------------------------------------------------------------------


def back(story: Story) -> list[Effect]:
    """Come back after a lost connection."""
    return story.happens(ConnectAsked()) + story.says(SESSION_CREATED, SESSION_UPDATED)


def given(effects: Sequence[Effect]) -> list[object]:
    """Return what of calls and outputs is sent, by type and call."""
    items = [event.item for event in events_of(ConversationItemCreate, effects)]
    return [(item.type, item.call_id) for item in items if item.call_id]


PAIR = [("function_call", "call_slow"), ("function_call_output", "call_slow")]


def test_a_call_that_ends_while_there_is_no_connection_is_told_with_the_replay_and_answered_once() -> None:
    story = Story().offers("slow").online()
    story.talks()
    story.calls("slow")
    assert not of(CancelTool, story.happens(Disconnected(close_code=1006)))
    assert sent(story.ran("call_slow", "12:00")) == []
    effects = back(story)
    assert given(effects) == PAIR
    assert names(effects).count("response.create") == 1
    assert story.ran("call_slow", "12:00") == []


def test_a_call_that_ends_in_the_session_after_its_own_is_told_together_with_it() -> None:
    story = Story().offers("slow").online()
    story.talks()
    story.calls("slow")
    story.happens(Disconnected(close_code=1006))
    assert given(back(story)) == []
    effects = story.ran("call_slow", "12:00")
    assert given(effects) == PAIR
    assert names(effects)[-1] == "response.create"


def test_a_call_that_ends_after_all_attempts_failed_is_told_and_not_answered_by_itself() -> None:
    story = Story().offers("slow").online()
    story.talks()
    story.calls("slow")
    story.happens(Disconnected(close_code=3000))
    story.ran("call_slow", "12:00")
    effects = back(story)
    assert given(effects) == PAIR
    assert "response.create" not in names(effects)


def test_a_new_conversation_ends_calls_and_questions() -> None:
    story = Story().offers("slow").online()
    story.talks()
    story.calls("slow")
    assert CancelTool("call_slow") in story.happens(NewConversationAsked())
    assert story.ran("call_slow") == []
    story = Story().offers("open_page", asks=True).online()
    story.talks()
    story.calls("open_page")
    assert WithdrawConsent("call_open_page") in story.happens(NewConversationAsked())
    assert story.happens(ConsentGiven("call_open_page", allowed=True)) == []


def test_a_forgotten_call_is_not_waited_for() -> None:
    story = Story().offers("open_page", asks=True).online()
    story.talks()
    story.calls("open_page")
    effects = story.happens(ForgetAsked(("item_call_open_page",)))
    assert WithdrawConsent("call_open_page") in effects
    assert story.turn() is Turn.IDLE
    assert story.ran("call_open_page") == []


# --- calls the server makes itself (MCP) --------------------------------------------------------


def approval(item: str = "mcpr_55", name: str = "search") -> dict[str, object]:
    """Return an item that asks for an approval."""
    return {
        "id": item,
        "type": "mcp_approval_request",
        "server_label": "docs",
        "name": name,
        "arguments": '{"q": "x"}',
    }


def test_an_unreachable_tool_server_is_a_sentence_and_no_end() -> None:
    story = Story().online()
    effects = story.says({"type": "mcp_list_tools.failed", "item_id": "mcp_1"})
    assert "tool server" in notices(effects)[0].text
    story.talks()
    story.answers()
    assert story.turn() is Turn.SPEAKING


@pytest.mark.parametrize("error_told", [None, {"type": "tool_execution_error", "message": "no such page"}])
def test_a_call_of_the_servers_own_is_a_row(error_told: object) -> None:
    story = asking()
    call = {"id": "mcp_7", "type": "mcp_call", "server_label": "docs", "name": "search", "arguments": "{}"}
    story.says(created(), added_item(call))
    assert story.shown()[-1].status is EntryStatus.IN_PROGRESS
    finished = {**call, "output": None if error_told else "12 pages", "error": error_told}
    story.says(
        {"type": "response.mcp_call.in_progress", "item_id": "mcp_7", "output_index": 0},
        {"type": "response.mcp_call_arguments.done", "response_id": R, "item_id": "mcp_7", "arguments": "{}"},
        {"type": "conversation.item.done", "item": finished},
        ended([finished]),
    )
    use = use_of(story, "mcp_7")
    assert (use.output, use.server) == (("no such page" if error_told else "12 pages"), "docs")
    assert story.shown()[-1].status is (EntryStatus.FAILED if error_told else EntryStatus.COMPLETED)


def test_an_approval_is_asked_once_and_followed_up_if_nothing_starts_by_itself() -> None:
    story = asking()
    request = approval()
    effects = story.says(
        created(),
        added_item(request),
        {"type": "conversation.item.done", "item": request},
        {"type": "response.output_item.done", "response_id": R, "item": request},
        ended([request]),
    )
    assert [(ask.consent.server, ask.consent.tool) for ask in of(AskConsent, effects)] == [("docs", "search")]
    assert story.turn() is Turn.ASKING
    effects = story.happens(ConsentGiven("mcpr_55", allowed=True))
    item = events_of(ConversationItemCreate, effects)[0].item
    assert (item.type, item.approval_request_id, item.approve) == ("mcp_approval_response", "mcpr_55", True)
    assert item.id, "the schema requires one"
    assert "response.create" not in names(effects), "the server may begin by itself"
    assert names(story.happens(woken(effects, Timer.APPROVED))) == ["response.create"]
    assert story.happens(ConsentGiven("mcpr_55", allowed=False)) == []


def test_a_response_that_follows_an_approval_by_itself_is_not_doubled() -> None:
    story = asking()
    story.says(created(), ended([approval()]))
    effects = story.happens(ConsentGiven("mcpr_55", allowed=True))
    story.says(created("resp_2"), done("resp_2"))
    assert names(story.happens(woken(effects, Timer.APPROVED))) == []


def test_a_no_to_an_approval_is_told_and_followed_up() -> None:
    story = asking()
    story.says(created(), ended([approval()]))
    effects = story.happens(ConsentGiven("mcpr_55", allowed=False))
    assert events_of(ConversationItemCreate, effects)[0].item.approve is False
    assert names(story.happens(woken(effects, Timer.APPROVED))) == ["response.create"]


def test_all_approvals_and_calls_of_a_response_are_waited_for() -> None:
    story = asking("clock")
    story.says(created(), ended([approval("a"), approval("b", "fetch"), function_call("clock")]))
    assert "response.create" not in names(story.ran("call_clock"))
    effects = story.happens(ConsentGiven("a", allowed=True))
    assert not waits(effects, Timer.APPROVED)
    effects = story.happens(ConsentGiven("b", allowed=True))
    assert names(story.happens(woken(effects, Timer.APPROVED))) == ["response.create"]


def test_always_for_a_servers_tool_approves_without_asking() -> None:
    story = asking()
    story.says(created(), ended([approval("a")]))
    story.happens(ConsentGiven("a", allowed=True, always=True))
    story.says(created("resp_2"))
    effects = story.says(ended([approval("b")], response="resp_2"))
    assert not of(AskConsent, effects)
    assert events_of(ConversationItemCreate, effects)[0].item.approve is True
    story.says(created("resp_3"))
    assert of(AskConsent, story.says(ended([approval("c", "delete_all")], response="resp_3"))), "another tool"


def test_an_approval_that_is_kept_needs_no_question_until_it_is_taken_back() -> None:
    story = asking()
    story.happens(ToolsOffered((), approved=("docs/search",)))
    story.says(created())
    assert not of(AskConsent, story.says(ended([approval("a")])))
    story.happens(ToolsOffered(()))
    story.says(created("resp_2"))
    assert of(AskConsent, story.says(ended([approval("b")], response="resp_2")))


def test_an_always_that_is_taken_back_asks_again() -> None:
    story = Story().offers("open_page", asks=True).online()
    story.talks()
    story.calls("open_page:a")
    story.happens(ConsentGiven("a", allowed=True, always=True), ToolFinished("a", "{}"))
    story.offers("open_page", asks=False)
    assert of(RunTool, story.calls("open_page:b", response="resp_2"))
    story.offers("open_page", asks=True)
    assert of(AskConsent, story.calls("open_page:c", response="resp_3"))


def test_an_approval_after_the_user_went_on_is_not_followed_up() -> None:
    story = Story(HANDS_FREE).online()
    story.hears()
    story.says(created(), ended([approval()]))
    effects = story.happens(ConsentGiven("mcpr_55", allowed=True))
    story.says(speech_started("item_U2"))
    assert names(story.happens(woken(effects, Timer.APPROVED))) == []


def test_a_refused_answer_after_tools_is_told() -> None:
    story = asking("clock")
    story.calls("clock")
    create = events_of(ResponseCreate, story.ran("call_clock"))[0]
    effects = story.says(error("invalid_value", "too much", event_id=str(create.event_id)))
    assert notices(effects)
    assert story.turn() is Turn.IDLE
