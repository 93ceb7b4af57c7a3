"""Which test holds what: the situations a client has to be right in, and the traps others fell into.

Scripts: each is told by the tests named. Traps: where the core is concerned, the test is here; what another room
holds is named there; `-` says whose business it is.
"""

# ruff: noqa: E501 - a table is read by its columns

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

SCRIPTS = """
1  configured before it counts as online  conversation/test_conversation::test_a_connection_is_configured_before_it_counts_as_online
2  a text turn among unknown things       conversation/test_conversation::test_a_written_answer_is_shown_as_it_comes
3  a voice turn, words after the end      conversation/test_hands_free::test_the_order_of_a_turn_on_the_wire_with_late_words
4  5 s in a burst, speech after 1 s       conversation/test_hands_free::test_speech_truncates_what_was_heard_and_cancels_nothing_itself
5  speech before the first audio          conversation/test_hands_free::test_speech_before_the_first_audio_truncates_nothing
6  two items queued, cut in the first     conversation/test_conversation::test_what_was_queued_and_never_sounded_is_deleted
7  the stop button while it generates     conversation/test_conversation::test_late_audio_and_words_of_a_silenced_response_are_dropped_until_it_is_done
8  a cancel that finds nothing            conversation/test_conversation::test_a_cancel_that_crosses_with_the_end_is_nobodys_business
9  a truncation that comes too late       conversation/test_conversation::test_a_cancel_that_crosses_with_the_end_is_nobodys_business
10 talk into an answer, slow cancel       conversation/test_conversation::test_the_next_answer_is_asked_for_once_and_only_after_the_cancelled_one_is_done
11 a tap                                  conversation/test_conversation::test_a_tap_is_cleared_and_explained
12 two calls, two durations               conversation/test_tools::test_two_calls_of_one_response_are_two_outputs_and_one_answer
13 a tool, a new turn, the tool's end     conversation/test_tools::test_a_tool_that_ends_after_the_user_went_on_is_told_but_not_answered
14 whatever goes wrong with a call        conversation/test_tools::test_whatever_goes_wrong_is_an_output_and_the_conversation_goes_on
14 a tool that never answers              conversation/test_tools::test_a_tool_that_never_answers_is_a_timeout
15 out of band beside a spoken answer     conversation/test_asides::test_a_written_aside_beside_a_spoken_answer_disturbs_nothing
16 a voice that is refused                conversation/test_settings_live::test_a_refused_voice_leaves_the_other_settings_applied
17 a key that is refused                  conversation/test_conversation::test_a_rejected_key_is_not_tried_again
18 1006 in mid-answer                     conversation/test_past::test_a_connection_lost_in_mid_answer_comes_back_with_what_was_said
19 a session that expires                 conversation/test_sessions::test_a_session_that_expires_is_followed_by_one_that_is_ready_before
20 a server of the beta interface         protocol/test_dialects::test_a_conversation_with_a_beta_server
21 a server like xAI's                    protocol/test_dialects::test_a_conversation_with_an_xai_like_server
22 the end of A after the birth of B      conversation/test_conversation::test_the_end_of_a_cancelled_response_after_the_birth_of_the_next_leaves_that_one_active
23 failed for a rate limit                conversation/test_limits::test_a_rate_limit_is_waited_for_once_and_then_left_to_the_user
24 preamble and call at once              conversation/test_tools::test_a_preamble_and_a_call_open_at_once_are_two_rows
25 items in the middle                    conversation/test_conversation::test_items_go_where_their_predecessor_says_and_done_does_not_move_them
26 nobody there, twice                    conversation/test_hands_free::test_two_questions_nobody_answers_are_the_last
27 what an answer costs                   test_costs::test_an_answer_off_the_wire_costs_what_it_costs_by_hand
28 an odd number of bytes                 conversation/test_conversation::test_an_odd_number_of_bytes_is_handed_on_whole
28 and its other half                     audio/test_playback::test_a_half_sample_waits_for_its_other_half
"""

TRAPS = """
1  the beta header                        test_transport::test_the_headers_of_a_handshake
2  an update without its type             conversation/test_settings_live::test_a_change_is_one_update_with_nothing_else_in_it
3  one bad field refuses all              conversation/test_conversation::test_a_refused_setup_is_sent_again_field_by_field_and_only_the_bad_one_goes_back
4  the voice is locked                    conversation/test_conversation::test_another_voice_after_the_first_audio_goes_on_in_a_new_session
5  a response is active already           conversation/test_conversation::test_the_next_answer_is_asked_for_once_and_only_after_the_cancelled_one_is_done
6  …and the error names no event          conversation/test_conversation::test_a_refusal_because_another_response_is_active_waits_for_its_end
7  a cancel before the birth              conversation/test_conversation::test_a_response_called_off_before_its_birth_is_cancelled_by_id_when_it_is_born
8  a harmless cancel shown as a failure   conversation/test_conversation::test_a_cancel_that_crosses_with_the_end_is_nobodys_business
9  a commit of too little                 conversation/test_conversation::test_exactly_100_ms_are_committed
9  a commit taken for empty               conversation/test_limits::test_a_talk_that_did_not_arrive_is_a_sentence_and_no_answer_to_nothing
10 a commit starts nothing                conversation/test_conversation::test_a_talk_is_cleared_appended_committed_and_answered_in_this_order
11 a truncation beyond the end            conversation/test_conversation::test_never_more_is_claimed_than_was_received
11 …or too near to it                     conversation/test_conversation::test_no_truncation_so_near_the_end_that_the_server_would_refuse_it
12 one clock for two items                conversation/test_past::test_a_part_heard_to_its_end_is_not_unheard_when_the_next_is_interrupted
13 a truncation without all its fields    protocol/test_contract::test_what_we_send_is_in_the_vendors_schema
14 the server cancels, nobody truncates   conversation/test_hands_free::test_speech_truncates_what_was_heard_and_cancels_nothing_itself
15 nothing was played yet                 conversation/test_conversation::test_zero_milliseconds_are_deleted_not_truncated
15 words before any sound                 conversation/test_past::test_words_that_came_before_any_sound_were_not_heard
16 several items, one truncated           conversation/test_conversation::test_what_was_queued_and_never_sounded_is_deleted
17 old audio goes on                      conversation/test_conversation::test_late_audio_and_words_of_a_silenced_response_are_dropped_until_it_is_done
18 an old end clears the new response     conversation/test_conversation::test_the_end_of_a_cancelled_response_after_the_birth_of_the_next_leaves_that_one_active
19 a tool answers over the new turn       conversation/test_tools::test_a_tool_that_ends_after_the_user_went_on_is_told_but_not_answered
20 the end of a response is not silence   conversation/test_conversation::test_barge_in_after_the_response_is_done_truncates_without_cancel
21 audio is not replayed                  conversation/test_past::test_nothing_spoken_is_replayed_as_audio_and_nothing_of_the_servers_own
22 much text makes it write               conversation/test_settings_live::test_after_a_replay_the_first_answer_is_wanted_expressly_as_the_session_gives_it
23 words after the answer                 conversation/test_conversation::test_the_users_words_come_late_and_stand_first
24 the assistant hears itself             - the sound engine's
25 dead after sixty minutes               conversation/test_sessions::test_a_session_that_expires_is_followed_by_one_that_is_ready_before
26 a blocked loop looks like a dead peer  test_transport::test_a_flood_leaves_the_loop_its_turns
27 the wrong content type for the role    conversation/test_past::test_nothing_spoken_is_replayed_as_audio_and_nothing_of_the_servers_own
28 ids that are too long                  conversation/test_past::test_a_call_is_forgotten_together_with_its_output
29 a megabyte in one frame                test_transport::test_a_frame_of_three_megabytes_is_read
30 pictures that are too large            test_media::test_the_worst_picture_stays_below_the_limit
31 turn detection differs per model       conversation/test_settings_live::test_turn_detection_is_sent_whole
32 no response, but it interrupts         conversation/test_hands_free::test_both_halves_of_manual_mode_are_said_expressly
33 a failed response is silent            conversation/test_conversation::test_every_ending_is_visible
34 transcription that never works         conversation/test_settings_live::test_transcription_that_fails_on_every_turn_goes_off
35 only the last item is shown            conversation/test_tools::test_a_preamble_and_a_call_open_at_once_are_two_rows
36 forced tools go round for ever         conversation/test_tools::test_a_session_that_forces_tools_does_not_force_them_after_tools
37 cached tokens counted twice            test_costs::test_cached_tokens_are_a_part_of_the_input_and_cost_less
38 interrupted under another name         conversation/test_conversation::test_an_interrupted_answer_is_interrupted_whatever_the_server_calls_it
39 nothing resumes                        conversation/test_conversation::test_a_new_session_is_given_what_was_said_and_heard
40 release without a cancel               conversation/test_conversation::test_the_next_answer_is_asked_for_once_and_only_after_the_cancelled_one_is_done
41 instructions changed at every turn     conversation/test_settings_live::test_no_turn_changes_the_session_by_itself
42 events nobody listed                   conversation/test_conversation::test_a_written_answer_is_shown_as_it_comes
"""


def rows(table: str) -> list[tuple[int, str]]:
    """Return the number and the test of each row."""
    lines = [line for line in table.splitlines() if line]
    return [(int(line[:2]), line[42:].strip()) for line in lines]


@pytest.mark.parametrize(("table", "last"), [(SCRIPTS, 28), (TRAPS, 42)])
def test_every_number_has_its_test(table: str, last: int) -> None:
    told = rows(table)
    assert sorted({number for number, _ in told}) == list(range(1, last + 1))
    for number, test in told:
        if not test.startswith("-"):
            path, _, name = test.partition("::")
            assert name in _tests_of(TESTS / f"{path}.py"), f"{number}: {test}"


def _tests_of(path: Path) -> set[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
