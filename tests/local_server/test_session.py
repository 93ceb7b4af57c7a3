"""The rules of a server session, one story each: what happens, and what comes of it."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from desktop_app.local_server.configuration import DEFAULT_INSTRUCTIONS
from desktop_app.local_server.engines import FunctionCall
from desktop_app.local_server.orders import (
    Close,
    DetectionUnavailable,
    DropRecognition,
    Failed,
    ForgetStream,
    Generate,
    NotUnderstood,
    Recognise,
    StopGenerating,
    Understood,
    VoiceUnavailable,
    WakeAfter,
    Woke,
)
from desktop_app.local_server.session import NOT_CAUGHT, STILL_THERE, random_id
from desktop_app.protocol import events as wire
from desktop_app.protocol.items import (
    ContentPart,
    Item,
    Tool,
    assistant_text,
    function_call_output,
    system_text,
    user_message,
)
from desktop_app.protocol.session_config import (
    AudioConfig,
    AudioFormat,
    AudioInput,
    AudioOutput,
    SemanticVad,
    ServerVad,
    SessionConfig,
)
from tests.local_server.talk import BYTES_PER_MS, Talk

VAD = ServerVad(silence_duration_ms=500)
RESPONSE_START = [
    "ResponseCreated",
    "ResponseOutputItemAdded",
    "ConversationItemAdded",
    "ResponseContentPartAdded",
]
SPOKEN_END = [
    "ResponseOutputAudioDone",
    "ResponseOutputAudioTranscriptDone",
    "ResponseContentPartDone",
    "ConversationItemDone",
    "ResponseOutputItemDone",
    "ResponseDone",
]


def answered(talk: Talk, *pieces: str | int | FunctionCall, **params: object) -> wire.Response:
    """Ask and let the answer come; return the response as it ended."""
    talk.answer(talk.ask(**params), *pieces)
    return talk.last(wire.ResponseDone).response


# --- the session --------------------------------------------------------------------------------


def test_the_first_event_shows_the_whole_session() -> None:
    talk = Talk(connect=False)
    session = talk.last(wire.SessionCreated).session
    assert session.id == "sess_1"
    assert session.expires_at == 1_800_000_000 + 24 * 3600
    assert session.model == "parley-offline"
    assert session.voice == "heart"
    assert session.instructions == DEFAULT_INSTRUCTIONS
    told = msgspec.to_builtins(session)
    assert told["audio"]["input"]["transcription"] is None
    assert told["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert all(event.event_id for event in talk.sent)


def test_an_update_merges_and_null_clears() -> None:
    talk = Talk().update(detection=VAD, instructions="Be kind.", output=AudioOutput(speed=1.2))
    talk.do(wire.SessionUpdate(session=SessionConfig(max_output_tokens=100)))
    talk.do(
        wire.SessionUpdate(
            session=SessionConfig(
                instructions="", audio=AudioConfig(input=AudioInput(turn_detection=None, transcription=None))
            )
        )
    )
    session = msgspec.to_builtins(talk.last(wire.SessionUpdated).session)
    assert session["instructions"] == ""
    assert session["max_output_tokens"] == 100
    assert session["audio"]["output"]["speed"] == 1.2
    assert session["audio"]["input"]["turn_detection"] is None
    assert session["audio"]["input"]["transcription"] is None


def test_turn_detection_is_completed_with_defaults() -> None:
    talk = Talk().update(detection=ServerVad(threshold=0.7, idle_timeout_ms=6000))
    talk.update(detection=ServerVad(silence_duration_ms=200))
    detection = msgspec.to_builtins(talk.last(wire.SessionUpdated).session)["audio"]["input"]["turn_detection"]
    assert (detection["threshold"], detection["silence_duration_ms"]) == (0.5, 200)
    assert detection["idle_timeout_ms"] is None
    semantic = AudioConfig(input=AudioInput(turn_detection=SemanticVad(eagerness="high")))
    talk.do(wire.SessionUpdate(session=SessionConfig(audio=semantic)))
    detection = msgspec.to_builtins(talk.last(wire.SessionUpdated).session)["audio"]["input"]["turn_detection"]
    assert detection == {
        "type": "semantic_vad",
        "eagerness": "high",
        "create_response": True,
        "interrupt_response": True,
    }


IN, OUT = '"audio":{"input":{%s}}', '"audio":{"output":{%s}}'
VAD_WITH = IN % '"turn_detection":{"type":"server_vad",%s}'


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ('"temperature":0.8', "unknown_parameter", "session.temperature"),
        (OUT % '"speed":1.6', "invalid_value", "session.audio.output.speed"),
        (OUT % '"speed":0.2', "invalid_value", "session.audio.output.speed"),
        (OUT % '"voice":"marin"', "invalid_value", "session.audio.output.voice"),
        (OUT % '"voice":{"id":"voice_1"}', "invalid_value", "session.audio.output.voice"),
        (VAD_WITH % '"threshold":1.5', "invalid_value", "session.audio.input.turn_detection.threshold"),
        (
            VAD_WITH % '"idle_timeout_ms":100',
            "invalid_value",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        (
            VAD_WITH % '"silence_duration_ms":-1',
            "invalid_value",
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
        (
            IN % '"turn_detection":{"type":"semantic_vad","eagerness":"wild"}',
            "invalid_value",
            "session.audio.input.turn_detection.eagerness",
        ),
        (
            IN % '"turn_detection":{"type":"psychic_vad"}',
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (
            IN % '"format":{"type":"audio/pcm","rate":16000}',
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        (
            IN % '"format":{"type":"audio/pcm","rate":48000}',
            "integer_above_max_value",
            "session.audio.input.format.rate",
        ),
        (IN % '"format":{"type":"audio/opus"}', "invalid_value", "session.audio.input.format.type"),
        (IN % '"noise_reduction":{"type":"loud"}', "invalid_value", "session.audio.input.noise_reduction.type"),
        (
            IN % '"transcription":{"model":"w","language":"en","languages":["de"]}',
            "invalid_value",
            "session.audio.input.transcription.languages",
        ),
        ('"max_output_tokens":0', "invalid_value", "session.max_output_tokens"),
        ('"max_output_tokens":5000', "invalid_value", "session.max_output_tokens"),
        ('"output_modalities":["text","audio"]', "invalid_value", "session.output_modalities"),
        ('"model":"gpt-realtime"', "invalid_value", "session.model"),
        ('"reasoning":{"effort":"low"}', "invalid_value", "session.reasoning"),
        ('"tools":[{"type":"function"}]', "missing_required_parameter", "session.tools[0].name"),
        ('"tools":[{"type":"function","name":"a b"}]', "invalid_value", "session.tools[0].name"),
        ('"tools":[{"type":"mcp","server_label":"x"}]', "invalid_value", "session.tools[0].type"),
        ('"tool_choice":{"type":"function","name":"f"}', "invalid_value", "session.tool_choice.name"),
        ('"tool_choice":"perhaps"', "invalid_value", "session.tool_choice"),
        ('"truncation":"never"', "invalid_value", "session.truncation"),
        ('"include":["everything"]', "invalid_value", "session.include[0]"),
    ],
)
def test_one_bad_field_refuses_the_whole_update(fields: str, code: str, param: str) -> None:
    talk = Talk()
    frame = '{"type":"session.update","event_id":"c-7","session":{"type":"realtime","instructions":"New.",%s}}'
    talk.frame(frame % fields)
    error = talk.error()
    assert (error.code, error.param, error.event_id) == (code, param, "c-7")
    assert error.message
    assert not talk.of(wire.SessionUpdated)
    talk.do(wire.SessionUpdate(session=SessionConfig()))
    assert talk.last(wire.SessionUpdated).session.instructions == DEFAULT_INSTRUCTIONS


def test_an_update_of_another_session_type_is_refused() -> None:
    talk = Talk().frame('{"type":"session.update","session":{"type":"transcription"}}')
    assert (talk.error().code, talk.error().param) == ("invalid_value", "session.type")


def test_the_voice_is_locked_after_the_first_audio() -> None:
    talk = Talk().update().write("Hi")
    talk.update(output=AudioOutput(voice="june"))
    answered(talk, "Hello.", 500)
    talk.forget()
    talk.update(output=AudioOutput(voice="heart"), instructions="New.")
    assert (talk.error().code, talk.error().param) == ("cannot_update_voice", "session.audio.output.voice")
    assert not talk.of(wire.SessionUpdated)
    talk.forget()
    talk.update(output=AudioOutput(voice="june"))
    assert talk.of(wire.SessionUpdated)


def test_written_answers_do_not_lock_the_voice() -> None:
    talk = Talk().update().write("Hi")
    answered(talk, "Hello.", output_modalities=["text"])
    assert talk.update(output=AudioOutput(voice="june")).last(wire.SessionUpdated).session.voice == "june"


def test_the_speed_does_not_change_while_a_response_runs() -> None:
    talk = Talk().update().write("Hi")
    response = talk.ask()
    talk.update(output=AudioOutput(speed=1.5))
    assert talk.error().param == "session.audio.output.speed"
    talk.answer(response, "Hello.", 500).forget()
    assert talk.update(output=AudioOutput(speed=1.5)).of(wire.SessionUpdated)


def test_a_session_ends_when_its_time_is_over() -> None:
    talk = Talk(connect=False)
    (wake,) = talk.ordered(WakeAfter)
    talk.do(Woke(wake.number))
    assert talk.error().code == "session_expired"
    assert talk.ordered(Close)[0].code == 1001


# --- the input buffer ---------------------------------------------------------------------------


def test_push_to_talk_from_commit_to_answer_in_the_real_order() -> None:
    talk = Talk().update()
    talk.forget()
    talk.say("What is two plus two?")
    response = talk.ask()
    talk.answer(response, "It is", 200, " four.", 300)
    assert talk.names() == [
        "InputAudioBufferCommitted",
        "ConversationItemAdded",
        "ConversationItemDone",
        "InputAudioTranscriptionDelta",
        "InputAudioTranscriptionCompleted",
        *RESPONSE_START,
        "ResponseOutputAudioTranscriptDelta",
        "ResponseOutputAudioDelta",
        "ResponseOutputAudioTranscriptDelta",
        "ResponseOutputAudioDelta",
        *SPOKEN_END,
    ]
    assert talk.context() == [("user", "What is two plus two?")]
    user, assistant = talk.of(wire.ConversationItemAdded)
    assert assistant.previous_item_id == user.item.id == talk.last(wire.InputAudioBufferCommitted).item_id
    done = talk.last(wire.ResponseDone).response
    assert done.status == "completed"
    assert done.output is not msgspec.UNSET
    assert done.output is not None
    assert done.output[0].words == "It is four."


def test_less_than_100_ms_is_not_committed() -> None:
    talk = Talk().update().do(wire.InputAudioBufferAppend(audio=bytes(90 * BYTES_PER_MS)))
    talk.do(wire.InputAudioBufferCommit(event_id="c-1"))
    error = talk.error()
    assert error.code == "input_audio_buffer_commit_empty"
    assert error.event_id == "c-1"
    assert "Expected at least 100ms of audio, but buffer only has 90.00ms of audio." in error.message_text
    talk.do(wire.InputAudioBufferAppend(audio=bytes(10 * BYTES_PER_MS)), wire.InputAudioBufferCommit())
    assert talk.of(wire.InputAudioBufferCommitted)


def test_clear_drops_the_buffer_and_what_is_being_recognised() -> None:
    talk = Talk().update().speech(960).silence(200)
    (guess,) = [order for order in talk.ordered(Recognise) if not order.draft]
    talk.do(wire.InputAudioBufferClear())
    assert talk.of(wire.InputAudioBufferCleared)
    assert DropRecognition(guess.job) in talk.orders
    assert ForgetStream() in talk.orders
    talk.do(wire.InputAudioBufferCommit())
    assert talk.error().code == "input_audio_buffer_commit_empty"


def test_too_much_at_once_and_too_much_altogether_are_refused() -> None:
    talk = Talk().update().do(wire.InputAudioBufferAppend(audio=bytes(15 * 1024 * 1024 + 1)))
    assert (talk.error().code, talk.error().param) == ("invalid_value", "audio")
    talk.forget()
    for _ in range(11):
        talk.do(wire.InputAudioBufferAppend(audio=bytes(60_000 * BYTES_PER_MS)))
    assert "full" in talk.error().message_text


def test_what_was_said_before_a_pause_is_recognised_at_once_and_counts_if_nothing_follows() -> None:
    talk = Talk().update().speech(960)
    assert not [order for order in talk.ordered(Recognise) if not order.draft]
    talk.silence(200)
    (guess,) = [order for order in talk.ordered(Recognise) if not order.draft]
    talk.do(Understood(guess.job, "Good evening.")).silence(96)
    talk.forget()
    talk.do(wire.InputAudioBufferCommit())
    assert not talk.ordered(Recognise)
    assert talk.last(wire.InputAudioTranscriptionCompleted).transcript == "Good evening."


def test_whoever_goes_on_after_a_pause_is_recognised_anew() -> None:
    talk = Talk().update().speech(960).silence(200)
    (guess,) = [order for order in talk.ordered(Recognise) if not order.draft]
    talk.speech(640)
    assert DropRecognition(guess.job) in talk.orders
    talk.forget()
    talk.do(wire.InputAudioBufferCommit())
    (whole,) = talk.ordered(Recognise)
    assert len(whole.audio) > len(guess.audio)
    talk.do(Understood(guess.job, "stale"))
    assert not talk.of(wire.InputAudioTranscriptionCompleted)


def test_a_murmur_in_the_pause_makes_the_guess_worthless() -> None:
    talk = Talk().update().speech(960).silence(200).hear(96, 0.35).silence(64)
    talk.forget()
    talk.do(wire.InputAudioBufferCommit())
    assert len(talk.ordered(Recognise)) == 1


def test_drafts_give_out_only_what_two_of_them_agree_on() -> None:
    talk = Talk().update()
    talk.forget()
    for words in ("watt", "what time", "what time is it", "what time is it in"):
        talk.speech(640)
        (draft,) = talk.ordered(Recognise)
        assert draft.draft
        talk.orders.clear()
        talk.do(Understood(draft.job, words))
    talk.do(wire.InputAudioBufferCommit())
    talk.understood("What time is it in Rome?")
    deltas = [event.delta for event in talk.of(wire.InputAudioTranscriptionDelta)]
    assert deltas == ["what time", " is it", " in Rome?"]
    item_id = talk.last(wire.InputAudioBufferCommitted).item_id
    assert {event.item_id for event in talk.of(wire.InputAudioTranscriptionDelta)} == {item_id}


def test_without_transcription_nothing_is_written_but_the_model_hears() -> None:
    talk = Talk().update(transcription=None).speech(1500)
    assert not talk.ordered(Recognise)
    talk.do(wire.InputAudioBufferCommit())
    talk.understood("Hello?")
    talk.ask()
    assert talk.context() == [("user", "Hello?")]
    assert not talk.of(wire.InputAudioTranscriptionCompleted)
    assert not talk.of(wire.InputAudioTranscriptionDelta)


def test_a_response_waits_until_the_speech_is_understood() -> None:
    talk = Talk().update().speech(960).do(wire.InputAudioBufferCommit())
    talk.ask()
    assert not talk.ordered(Generate)
    talk.understood("Hello.")
    assert talk.context() == [("user", "Hello.")]


def test_the_model_is_told_how_sure_the_recognition_is() -> None:
    talk = Talk().update().speech(960).do(wire.InputAudioBufferCommit())
    talk.ask()
    job = next(each.job for each in reversed(talk.orders) if isinstance(each, Recognise) and not each.draft)
    talk.do(Understood(job, "Hello.", -0.8))
    assert talk.ordered(Generate)[-1].messages[-1].sureness == -0.8


def test_speech_that_can_not_be_recognised_fails_the_transcript_and_the_response() -> None:
    talk = Talk().update().speech(960).do(wire.InputAudioBufferCommit())
    talk.ask()
    (order,) = [order for order in talk.ordered(Recognise) if not order.draft]
    talk.do(NotUnderstood(order.job, "speech_recognition_unavailable", "The model is missing."))
    failed = talk.last(wire.InputAudioTranscriptionFailed)
    assert failed.error.code == "speech_recognition_unavailable"
    response = talk.last(wire.ResponseDone).response
    assert response.status == "failed"
    assert response.error is not None
    assert response.error.message == "The model is missing."
    talk.write("Then I type.", "u2")
    talk.ask()
    assert talk.context()[-1] == ("user", "Then I type.")


def test_nothing_but_noise_is_answered_honestly() -> None:
    talk = Talk().update().say("")
    talk.ask()
    assert talk.ordered(Generate)[-1].verbatim == NOT_CAUGHT


def test_g711_is_counted_by_its_own_rate() -> None:
    talk = Talk()
    g711 = AudioInput(format=AudioFormat(type="audio/pcmu"), turn_detection=None)
    talk.do(wire.SessionUpdate(session=SessionConfig(audio=AudioConfig(input=g711))))
    talk.do(wire.InputAudioBufferAppend(audio=bytes(8 * 99)), wire.InputAudioBufferCommit())
    assert talk.error().code == "input_audio_buffer_commit_empty"
    talk.do(wire.InputAudioBufferAppend(audio=bytes(8)), wire.InputAudioBufferCommit())
    assert talk.of(wire.InputAudioBufferCommitted)


# --- turn detection -----------------------------------------------------------------------------


def test_a_turn_by_voice_detection_in_the_real_order() -> None:
    talk = Talk().update(detection=VAD).silence(1600)
    talk.forget()
    talk.speech(960).silence(640)
    assert talk.names() == [
        "InputAudioBufferSpeechStarted",
        "InputAudioBufferSpeechStopped",
        "InputAudioBufferCommitted",
        "ConversationItemAdded",
        "ConversationItemDone",
        "ResponseCreated",
    ]
    started, stopped = talk.last(wire.InputAudioBufferSpeechStarted), talk.last(wire.InputAudioBufferSpeechStopped)
    assert started.item_id == stopped.item_id == talk.last(wire.InputAudioBufferCommitted).item_id
    assert started.audio_start_ms == 1600 - 300
    assert 1600 + 960 + 500 <= stopped.audio_end_ms <= 1600 + 960 + 500 + 32
    talk.understood("Are you there?")
    assert talk.context() == [("user", "Are you there?")]
    entry = talk.session._memory.get(started.item_id)
    assert entry is not None
    assert entry.speech[0].length_ms == pytest.approx(stopped.audio_end_ms - started.audio_start_ms, abs=1)


def test_a_click_is_no_speech_and_a_short_pause_no_end() -> None:
    talk = Talk().update(detection=VAD)
    talk.forget()
    talk.silence(320).speech(32).silence(960)
    assert not talk.sent
    talk.speech(640).silence(448).speech(640).silence(448)
    assert talk.names() == ["InputAudioBufferSpeechStarted"]
    talk.silence(64)
    assert talk.of(wire.InputAudioBufferSpeechStopped)


def test_the_threshold_decides_what_speech_is() -> None:
    loud = Talk().update(detection=ServerVad(threshold=0.8)).hear(640, 0.7)
    assert not loud.of(wire.InputAudioBufferSpeechStarted)
    quiet = Talk().update(detection=ServerVad(threshold=0.3)).hear(640, 0.4)
    assert quiet.of(wire.InputAudioBufferSpeechStarted)


@pytest.mark.parametrize(("eagerness", "ms"), [("high", 400), ("auto", 700), ("medium", 700), ("low", 1200)])
def test_semantic_detection_is_a_window_of_silence(eagerness: str, ms: int) -> None:
    talk = Talk()
    detection = AudioConfig(input=AudioInput(turn_detection=SemanticVad(eagerness=eagerness)))
    talk.do(wire.SessionUpdate(session=SessionConfig(audio=detection)))
    talk.speech(960).silence(ms - 32)
    assert not talk.of(wire.InputAudioBufferSpeechStopped)
    talk.silence(64)
    assert talk.of(wire.InputAudioBufferSpeechStopped)


def test_speech_interrupts_the_response_after_it_was_announced() -> None:
    talk = Talk().update(detection=VAD).write("Tell me a story.")
    response = talk.ask()
    talk.answer(response, "Once upon a time", 800, end=False)
    talk.forget()
    talk.speech(96)
    assert talk.names() == ["InputAudioBufferSpeechStarted", *SPOKEN_END]
    done = talk.last(wire.ResponseDone).response
    assert (done.status, done.reason) == ("cancelled", "turn_detected")
    assert StopGenerating(response) in talk.orders
    talk.forget()
    talk.answer(response, " there was", 400)
    assert not talk.sent


def test_two_switches_make_turns_without_responses_and_without_interruption() -> None:
    talk = Talk().update(detection=ServerVad(create_response=False, interrupt_response=False)).write("Hi")
    response = talk.ask()
    talk.answer(response, "Well,", 300, end=False)
    talk.forget()
    talk.speech(640).silence(640)
    assert talk.of(wire.InputAudioBufferCommitted)
    assert not talk.of(wire.ResponseDone)
    assert not talk.of(wire.ResponseCreated)


def test_an_automatic_response_fails_while_another_runs() -> None:
    talk = Talk().update(detection=ServerVad(interrupt_response=False)).write("Hi")
    response = talk.ask()
    talk.answer(response, "Well,", 300, end=False).forget()
    talk.speech(640).silence(640)
    assert talk.error().code == "conversation_already_has_active_response"
    assert talk.error().event_id is None


def test_a_turn_committed_by_hand_ends_the_detected_one() -> None:
    talk = Talk().update(detection=VAD).speech(640).do(wire.InputAudioBufferCommit())
    started = talk.last(wire.InputAudioBufferSpeechStarted)
    assert talk.last(wire.InputAudioBufferCommitted).item_id == started.item_id
    talk.silence(960)
    assert not talk.of(wire.InputAudioBufferSpeechStopped)
    talk.speech(640)
    assert talk.last(wire.InputAudioBufferSpeechStarted).item_id != started.item_id


def test_long_silence_is_not_kept() -> None:
    talk = Talk().update(detection=VAD).silence(20_000)
    assert len(talk.session._hearing._buffer) <= 1400 * BYTES_PER_MS


def test_without_a_detector_it_says_so_once_and_push_to_talk_works() -> None:
    talk = Talk().do(wire.InputAudioBufferAppend(audio=bytes(100 * BYTES_PER_MS)))
    talk.do(DetectionUnavailable("The voice detection is not installed."))
    assert talk.error().code == "voice_detection_unavailable"
    talk.update(detection=VAD)
    assert len(talk.of(wire.Error)) == 1
    talk.update()
    talk.do(
        wire.InputAudioBufferAppend(audio=bytes(900 * BYTES_PER_MS)),
        wire.InputAudioBufferCommit(),
    )
    talk.understood("Still works.")
    assert talk.last(wire.InputAudioTranscriptionCompleted).transcript == "Still works."


def test_idle_time_ends_in_a_question() -> None:
    talk = Talk().update(detection=ServerVad(idle_timeout_ms=5000)).write("Hi")
    response = talk.ask()
    talk.answer(response, "Hello.", 2000)
    (wake,) = talk.ordered(WakeAfter)
    assert wake.ms == 2000 + 5000
    talk.silence(7008)
    talk.forget()
    talk.do(Woke(wake.number))
    assert talk.names()[:2] == ["InputAudioBufferTimeoutTriggered", "InputAudioBufferCommitted"]
    triggered = talk.last(wire.InputAudioBufferTimeoutTriggered)
    assert triggered.item_id == talk.last(wire.InputAudioBufferCommitted).item_id
    assert 0 < triggered.audio_start_ms < triggered.audio_end_ms
    assert talk.ordered(Generate)[-1].verbatim == STILL_THERE


def test_whoever_speaks_in_time_is_not_asked() -> None:
    talk = Talk().update(detection=ServerVad(idle_timeout_ms=5000)).write("Hi")
    talk.answer(talk.ask(), "Hello.", 1000)
    (wake,) = talk.ordered(WakeAfter)
    talk.speech(640)
    talk.forget()
    talk.do(Woke(wake.number))
    assert not talk.sent


# --- items --------------------------------------------------------------------------------------


def test_items_stand_where_they_are_put() -> None:
    talk = Talk()
    create = wire.ConversationItemCreate
    talk.do(
        create(item=user_message("b", "B")),
        create(item=user_message("d", "D")),
        create(item=system_text("a", "A"), previous_item_id="root"),
        create(item=assistant_text("c", "C"), previous_item_id="b"),
    )
    assert [event.previous_item_id for event in talk.of(wire.ConversationItemAdded)] == [None, "b", None, "b"]
    talk.ask()
    assert talk.context() == [("system", "A"), ("user", "B"), ("assistant", "C"), ("user", "D")]


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ('{"type":"message","role":"user","content":[{"type":"text","text":"x"}]}', "invalid_value",
         "item.content[0].type"),
        ('{"type":"message","role":"user","content":[{"type":"input_text"}]}', "missing_required_parameter",
         "item.content[0].text"),
        ('{"type":"message","role":"assistant","content":[{"type":"input_text","text":"x"}]}', "invalid_value",
         "item.content[0].type"),
        ('{"type":"message","role":"assistant","content":[{"type":"output_audio","audio":"AAAA"}]}',
         "missing_required_parameter", "item.content[0].text"),
        ('{"type":"message","role":"system","content":[{"type":"input_image","image_url":"x"}]}',
         "invalid_value", "item.content[0].type"),
        ('{"type":"message","role":"user","content":[{"type":"input_image","image_url":"https://x/y.png"}]}',
         "invalid_value", "item.content[0].image_url"),
        ('{"type":"message","role":"user","content":[{"type":"input_audio"}]}', "missing_required_parameter",
         "item.content[0].audio"),
        ('{"type":"message","role":"tool","content":[]}', "invalid_value", "item.role"),
        ('{"type":"message","role":"user"}', "missing_required_parameter", "item.content"),
        ('{"type":"message","id":"%s","role":"user","content":[]}' % ("x" * 33), "string_above_max_length",
         "item.id"),
        ('{"type":"function_call","name":"f","call_id":"%s","arguments":"{}"}' % ("x" * 33),
         "string_above_max_length", "item.call_id"),
        ('{"type":"function_call","arguments":"{}"}', "missing_required_parameter", "item.name"),
        ('{"type":"function_call_output","call_id":"nobody","output":"x"}', "invalid_tool_call_id",
         "item.call_id"),
        ('{"type":"function_call_output","output":"x"}', "missing_required_parameter", "item.call_id"),
        ('{"type":"item_reference","id":"x"}', "invalid_value", "item.type"),
        ('{"type":"mcp_list_tools","server_label":"x"}', "invalid_value", "item.type"),
    ],
)  # fmt: skip
def test_items_that_may_not_be_created(item: str, code: str, param: str) -> None:
    talk = Talk().frame('{"type":"conversation.item.create","event_id":"c-2","item":' + item + "}")
    error = talk.error()
    assert (error.code, error.param, error.event_id) == (code, param, "c-2")
    assert not talk.of(wire.ConversationItemAdded)


def test_ids_are_unique_and_predecessors_exist() -> None:
    talk = Talk().write("One", "u1").write("Two", "u1")
    assert "already exists" in talk.error().message_text
    talk.forget()
    talk.do(wire.ConversationItemCreate(item=user_message("u2", "x"), previous_item_id="nobody"))
    assert talk.error().param == "previous_item_id"
    assert "u2" not in talk.session._memory


def test_a_whole_audio_message_is_recognised_and_not_echoed() -> None:
    talk = Talk().update()
    part = ContentPart(type="input_audio", audio=bytes(1000 * BYTES_PER_MS))
    talk.do(wire.ConversationItemCreate(item=Item(type="message", role="user", content=[part])))
    added = talk.last(wire.ConversationItemAdded)
    assert added.item.parts[0].audio is msgspec.UNSET
    talk.ask()
    assert not talk.ordered(Generate)
    talk.understood("Play it again.")
    assert talk.last(wire.InputAudioTranscriptionCompleted).transcript == "Play it again."
    assert talk.context() == [("user", "Play it again.")]
    talk.do(wire.ConversationItemRetrieve(item_id=added.item.id or ""))
    assert len(talk.last(wire.ConversationItemRetrieved).item.parts[0].audio or b"") == 48_000


def test_deleted_items_are_gone_for_the_model() -> None:
    talk = Talk().write("My name is Ada.", "u1").write("What is my name?", "u2")
    talk.do(wire.ConversationItemDelete(item_id="u1"))
    assert talk.last(wire.ConversationItemDeleted).item_id == "u1"
    talk.ask()
    assert talk.context() == [("user", "What is my name?")]
    talk.do(wire.ConversationItemDelete(item_id="u1", event_id="c-3"))
    assert (talk.error().code, talk.error().event_id) == ("item_delete_invalid_item_id", "c-3")
    talk.forget()
    talk.do(wire.ConversationItemRetrieve(item_id="u1"))
    assert talk.error().code == "item_retrieve_invalid_item_id"


def test_a_response_does_not_wait_for_speech_that_was_deleted() -> None:
    talk = Talk().update().write("Hello", "u1").speech(640).do(wire.InputAudioBufferCommit())
    talk.ask()
    assert not talk.ordered(Generate)
    talk.do(wire.ConversationItemDelete(item_id=talk.last(wire.InputAudioBufferCommitted).item_id))
    assert talk.context() == [("user", "Hello")]


# --- truncation ---------------------------------------------------------------------------------


def spoken(*pieces: str | int) -> tuple[Talk, str]:
    """Return a talk with one spoken answer, and its item's id."""
    talk = Talk().update().write("Tell me something.")
    done = answered(talk, *pieces)
    talk.forget()
    assert done.output
    return talk, done.output[0].id or ""


def truncate(item_id: str, ms: int, index: int = 0) -> wire.ConversationItemTruncate:
    return wire.ConversationItemTruncate(item_id=item_id, content_index=index, audio_end_ms=ms, event_id="c-9")


def test_a_truncated_answer_loses_its_transcript_and_the_model_keeps_what_was_heard() -> None:
    talk, item_id = spoken("The sun is a star.", 1800, " The moon is not.", 1700)
    talk.do(truncate(item_id, 1820))
    confirmed = talk.last(wire.ConversationItemTruncated)
    assert (confirmed.item_id, confirmed.audio_end_ms) == (item_id, 1820)
    talk.do(wire.ConversationItemRetrieve(item_id=item_id))
    part = talk.last(wire.ConversationItemRetrieved).item.parts[0]
    assert part.transcript is None
    assert len(part.audio or b"") == 1820 * BYTES_PER_MS
    talk.write("Go on.", "u2").ask()
    assert talk.context() == [
        ("user", "Tell me something."),
        ("assistant", "The sun is a star."),
        ("user", "Go on."),
    ]


@pytest.mark.parametrize(
    ("ms", "heard"),
    [
        (0, ""),
        (60, ""),
        (300, "one"),
        (1000, "one two three four"),
        (1100, "one two three four"),
        (1400, "one two three four five six"),
        (2000, "one two three four five six seven eight"),
    ],
)
def test_what_was_heard_ends_at_a_word(ms: int, heard: str) -> None:
    talk, item_id = spoken("one two three four", 1000, " five six seven eight", 1000)
    talk.do(truncate(item_id, ms))
    talk.write("And?", "u2").ask()
    assert talk.context()[1] == ("assistant", heard)


def test_truncation_goes_no_further_than_the_audio() -> None:
    talk, item_id = spoken("Hello.", 900)
    talk.do(truncate(item_id, 901))
    error = talk.error()
    assert (error.code, error.event_id) == ("invalid_value", "c-9")
    assert error.message == "Audio content of 900ms is already shorter than 901ms"
    talk.forget()
    talk.do(truncate(item_id, 500), truncate(item_id, 600))
    assert talk.error().message == "Audio content of 500ms is already shorter than 600ms"


def test_only_the_models_audio_is_truncated() -> None:
    talk = Talk().update().say("Hello.")
    item_id = talk.last(wire.InputAudioBufferCommitted).item_id
    talk.do(truncate(item_id, 100))
    assert talk.error().message == "Only model output audio messages can be truncated."
    talk.forget()
    talk.do(truncate("nobody", 100))
    assert talk.error().code == "item_truncate_invalid_item_id"
    other, written = spoken("Hello.", 500)
    other.do(truncate(written, 100, index=1))
    assert other.error().event_id == "c-9"
    other.forget()
    other.do(truncate(written, -1))
    assert other.error().code == "integer_below_min_value"


def test_truncation_of_an_answer_that_is_still_being_made() -> None:
    talk = Talk().update().write("Tell me.")
    response = talk.ask()
    talk.answer(response, "one two three four", 1000, " five six seven", 200, end=False)
    item_id = talk.last(wire.ResponseOutputItemAdded).item.id or ""
    talk.do(wire.ResponseCancel(), truncate(item_id, 500))
    assert talk.last(wire.ConversationItemTruncated)
    assert talk.last(wire.ResponseDone).response.status == "cancelled"
    talk.write("Next.", "u2").ask()
    assert talk.context()[1] == ("assistant", "one two")


def test_what_comes_after_a_truncation_was_never_heard() -> None:
    """A client may truncate and let the response run to its end: then nobody plays the rest."""
    talk = Talk().update().write("Tell me.")
    response = talk.ask()
    talk.answer(response, "one two three four", 1000, end=False)
    item_id = talk.last(wire.ResponseOutputItemAdded).item.id or ""
    talk.do(truncate(item_id, 500))
    talk.answer(response, " five six seven", 1000)
    assert talk.last(wire.ResponseDone).response.status == "completed"
    talk.write("Next.", "u2").ask()
    assert talk.context()[1] == ("assistant", "one two")


def test_a_cancelled_answer_is_remembered_as_far_as_it_was_sent() -> None:
    talk = Talk().update().write("Tell me.")
    response = talk.ask()
    talk.answer(response, "one two three four", 1000, end=False)
    talk.do(wire.ResponseCancel())
    item = talk.last(wire.ResponseOutputItemDone).item
    assert item.status == "incomplete"
    assert item.words == "one two three four"


# --- responses ----------------------------------------------------------------------------------


def test_a_written_answer_in_the_real_order() -> None:
    talk = Talk().update(output_modalities=["text"])
    talk.forget()
    talk.write("Hi")
    response = answered(talk, "Hello", " there.")
    assert talk.names() == [
        "ConversationItemAdded",
        "ConversationItemDone",
        *RESPONSE_START,
        "ResponseOutputTextDelta",
        "ResponseOutputTextDone",
        "ResponseContentPartDone",
        "ConversationItemDone",
        "ResponseOutputItemDone",
        "ResponseDone",
    ]
    assert talk.last(wire.ResponseContentPartAdded).part.type == "text"
    assert response.output
    assert response.output[0].parts[0] == ContentPart(type="output_text", text="Hello there.")
    assert talk.ordered(Generate)[0].spoken is False


def test_one_response_at_a_time_in_the_conversation() -> None:
    talk = Talk().update().write("Hi")
    first = talk.ask()
    talk.do(wire.ResponseCreate(event_id="c-5"))
    error = talk.error()
    assert (error.code, error.event_id) == ("conversation_already_has_active_response", "c-5")
    assert first in error.message_text
    talk.answer(first, "Hello.", 300)
    assert talk.ask() != first


def test_cancel_ends_the_response_and_what_is_late_is_dropped() -> None:
    talk = Talk().update().write("Hi")
    response = talk.ask()
    talk.answer(response, "Hello.", 300, end=False).forget()
    talk.do(wire.ResponseCancel())
    assert talk.names() == SPOKEN_END
    done = talk.last(wire.ResponseDone).response
    assert (done.status, done.reason) == ("cancelled", "client_cancelled")
    assert StopGenerating(response) in talk.orders
    talk.forget()
    talk.answer(response, "more", 100)
    assert not talk.sent
    talk.do(wire.ResponseCancel(event_id="c-6"))
    error = talk.error()
    assert (error.code, error.event_id) == ("response_cancel_not_active", "c-6")
    assert error.message == "Cancellation failed: no active response found"


def test_cancel_while_the_speech_is_not_understood_yet() -> None:
    talk = Talk().update().speech(640).do(wire.InputAudioBufferCommit())
    talk.ask()
    talk.do(wire.ResponseCancel())
    assert talk.last(wire.ResponseDone).response.output == []
    talk.understood("Never mind.")
    assert not talk.ordered(Generate)


def test_out_of_band_responses_run_beside_and_leave_no_trace() -> None:
    talk = Talk().update().write("Hi")
    main = talk.ask()
    aside = talk.ask(
        conversation="none", output_modalities=["text"], metadata={"job": "title"}, instructions="A title."
    )
    other = talk.ask(conversation="none", output_modalities=["text"])
    talk.forget()
    talk.answer(aside, "A greeting", end=True)
    created = talk.last(wire.ResponseDone).response
    assert created.metadata == {"job": "title"}
    assert created.conversation_id is None
    assert not talk.of(wire.ConversationItemAdded)
    assert not talk.of(wire.ConversationItemDone)
    talk.do(wire.ResponseCancel())
    assert talk.last(wire.ResponseDone).response.id == main
    talk.do(wire.ResponseCancel(response_id=other))
    assert talk.last(wire.ResponseDone).response.id == other
    talk.write("Again", "u2").ask()
    assert talk.context() == [("user", "Hi"), ("user", "Again")]


def test_speech_does_not_interrupt_what_is_out_of_band() -> None:
    talk = Talk().update(detection=VAD).write("Hi")
    aside = talk.ask(conversation="none", output_modalities=["text"])
    talk.speech(640)
    assert not talk.of(wire.ResponseDone)
    talk.answer(aside, "Title")
    assert talk.last(wire.ResponseDone).response.status == "completed"


def test_a_context_of_its_own() -> None:
    talk = Talk().write("I like pizza.", "u1").write("I like tea.", "u2")
    reference = Item(type="item_reference", id="u1")
    extra = Item(type="message", role="user", content=[ContentPart(type="input_text", text="What do I like?")])
    talk.ask(conversation="none", input=[reference, extra], instructions="Be brief.")
    assert talk.context() == [("user", "I like pizza."), ("user", "What do I like?")]
    assert talk.ordered(Generate)[-1].messages[0].text == "Be brief."
    talk.ask(conversation="none", input=[])
    assert talk.context() == []
    talk.do(
        wire.ResponseCreate(
            response=wire.ResponseParams(input=[Item(type="item_reference", id="nobody")]), event_id="c-8"
        )
    )
    assert (talk.error().param, talk.error().event_id) == ("response.input[0].id", "c-8")


def test_speech_in_a_context_of_its_own_is_understood_first() -> None:
    talk = Talk().update()
    part = ContentPart(type="input_audio", audio=bytes(500 * BYTES_PER_MS))
    talk.ask(conversation="none", input=[Item(type="message", role="user", content=[part])])
    assert not talk.ordered(Generate)
    talk.understood("What is this?")
    assert talk.context() == [("user", "What is this?")]
    assert not talk.of(wire.InputAudioTranscriptionCompleted)


@pytest.mark.parametrize(
    ("instructions", "words"),
    [
        ('Say exactly the following, nothing more: "Your timer has ended."', "Your timer has ended."),
        (
            "Say exactly the following: I'm a little teapot,\nshort and stout!",
            "I'm a little teapot,\nshort and stout!",
        ),
        ('Read exactly this: "One": two, "three".', '"One": two, "three".'),
        ("Say exactly the following, in its language: 12:30 is noon", "12:30 is noon"),
        ("Go on where you were. Say exactly the following, nothing more: and a half.", "and a half."),
    ],
)
def test_exact_words_are_said_exactly(instructions: str, words: str) -> None:
    talk = Talk().update()
    talk.ask(conversation="none", input=[], instructions=instructions)
    assert talk.ordered(Generate)[-1].verbatim == words
    talk.ask(conversation="none", input=[], instructions="Say something nice.")
    assert talk.ordered(Generate)[-1].verbatim is None


def test_the_rest_of_an_answer_is_said_exactly_in_the_conversation() -> None:
    talk = Talk().update(instructions="Say exactly what is true: nothing else.").write("Tell me.")
    talk.ask()
    assert talk.ordered(Generate)[-1].verbatim is None, "what the session is instructed is no order"
    talk.do(wire.ResponseCancel())
    talk.ask(instructions="Say exactly the following: the rest of it.")
    assert talk.ordered(Generate)[-1].verbatim == "the rest of it."
    reference = Item(type="item_reference", id="u1")
    talk.ask(conversation="none", input=[reference], instructions="Say exactly what is meant: in one word.")
    assert talk.ordered(Generate)[-1].verbatim is None, "it is to be looked at first"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ('"conversation":"other"', "response.conversation"),
        ('"output_modalities":["audio","text"]', "response.output_modalities"),
        ('"max_output_tokens":-1', "response.max_output_tokens"),
        ('"audio":{"output":{"voice":"marin"}}', "response.audio.output.voice"),
        ('"tool_choice":"maybe"', "response.tool_choice"),
        ('"metadata":' + json.dumps({f"k{n}": "v" for n in range(17)}), "response.metadata"),
        ('"metadata":{"k":"%s"}' % ("v" * 513), "response.metadata.k"),
        ('"metadata":{"k":7}', "response.metadata"),
        ('"reasoning":{"effort":"low"}', "response.reasoning"),
        ('"input":[{"type":"message","role":"user","content":[{"type":"x"}]}]',
         "response.input[0].content[0].type"),
    ],
)  # fmt: skip
def test_responses_that_are_refused_do_not_begin(params: str, param: str) -> None:
    talk = Talk().frame('{"type":"response.create","event_id":"c-4","response":{' + params + "}}")
    assert talk.error().param is not None
    assert str(talk.error().param).startswith(param)
    assert talk.error().event_id == "c-4"
    assert not talk.of(wire.ResponseCreated)


def test_the_limit_on_tokens_makes_an_answer_incomplete() -> None:
    talk = Talk().update().write("Hi")
    response = talk.ask(max_output_tokens=20)
    talk.answer(response, "Hello there.", 500, 500, 500, end=False)
    done = talk.last(wire.ResponseDone).response
    assert (done.status, done.reason) == ("incomplete", "max_output_tokens")
    assert sum(len(event.delta) for event in talk.of(wire.ResponseOutputAudioDelta)) == 17 * 50 * BYTES_PER_MS
    assert StopGenerating(response) in talk.orders
    assert done.usage
    assert done.usage.output_tokens == 20


def test_a_failed_answer_says_why() -> None:
    talk = Talk().update().write("Hi")
    response = talk.ask()
    talk.do(Failed(response, "server_error", "The model did not answer in time."))
    done = talk.last(wire.ResponseDone).response
    assert done.status == "failed"
    assert done.error is not None
    assert (done.error.code, done.error.message) == ("server_error", "The model did not answer in time.")


def test_without_a_voice_it_writes_and_says_why_once() -> None:
    talk = Talk().update().write("Hi")
    for _ in range(2):
        response = talk.ask()
        talk.do(VoiceUnavailable(response, "The voice is not installed."))
        talk.answer(response, "Hello.")
    assert talk.error().code == "speech_unavailable"
    assert "in writing" in talk.error().message_text
    assert len(talk.of(wire.ResponseOutputTextDone)) == 2
    assert not talk.of(wire.ResponseOutputAudioDone)


def test_usage_is_counted_by_the_stated_rule() -> None:
    talk = Talk().update(instructions="x" * 40).say("How are you?", ms=960)
    first = answered(talk, "Fine, thanks.", 1000)
    usage = first.usage
    assert usage
    assert usage.input_token_details
    assert usage.output_token_details
    assert (usage.input_token_details.text_tokens, usage.input_token_details.audio_tokens) == (10, 10)
    assert (usage.output_token_details.text_tokens, usage.output_token_details.audio_tokens) == (4, 20)
    assert usage.input_token_details.cached_tokens == 0
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (20, 24, 44)
    talk.write("abcdefgh", "u2")
    second = answered(talk, "Ok.", output_modalities=["text"])
    assert second.usage
    assert second.usage.input_tokens == 10 + 10 + 20 + 2


def test_the_oldest_messages_give_way() -> None:
    talk = Talk()
    for number in range(12):
        talk.write(f"{number} " + "x" * 4000, f"u{number}")
    talk.ask()
    assert [text.split()[0] for _, text in talk.context()] == [str(n) for n in range(4, 12)]
    talk.do(wire.ResponseCancel())
    ratio = {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 4100}}
    talk.do(wire.SessionUpdate(session=SessionConfig(truncation=ratio)))
    talk.ask()
    assert [text.split()[0] for _, text in talk.context()] == ["10", "11"]
    talk.do(wire.ResponseCancel())
    talk.do(wire.SessionUpdate(session=SessionConfig(truncation="disabled")))
    talk.ask()
    failed = talk.last(wire.ResponseDone).response
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "context_length_exceeded"


# --- function calls -----------------------------------------------------------------------------

CLOCK = Tool(name="get_time", description="The time.", parameters={"type": "object", "properties": {}})
LAMP = Tool(name="lamp", parameters={"type": "object"})


def test_a_function_call_in_the_real_order_and_its_output() -> None:
    talk = Talk().update(tools=[CLOCK])
    talk.forget()
    talk.write("What time is it?")
    response = answered(talk, FunctionCall("get_time", '{"zone":"here"}'))
    assert talk.names() == [
        "ConversationItemAdded",
        "ConversationItemDone",
        "ResponseCreated",
        "ResponseOutputItemAdded",
        "ConversationItemAdded",
        "ResponseFunctionCallArgumentsDelta",
        "ResponseFunctionCallArgumentsDone",
        "ConversationItemDone",
        "ResponseOutputItemDone",
        "ResponseDone",
    ]
    assert talk.of(wire.ResponseOutputItemAdded)[0].item.arguments == ""
    assert response.output
    (call,) = response.output
    assert (call.name, call.arguments, call.status) == ("get_time", '{"zone":"here"}', "completed")
    assert talk.last(wire.ResponseFunctionCallArgumentsDone).call_id == call.call_id
    assert [tool.name for tool in talk.ordered(Generate)[0].tools] == ["get_time"]
    talk.do(wire.ConversationItemCreate(item=function_call_output(call.call_id or "", "14:05")))
    assert talk.last(wire.ConversationItemDone).item.status is msgspec.UNSET
    talk.ask()
    messages = talk.ordered(Generate)[-1].messages
    assert messages[2].calls == (FunctionCall("get_time", '{"zone":"here"}', call.call_id or ""),)
    assert (messages[3].text, messages[3].call_id) == ("14:05", call.call_id)


def test_words_and_calls_are_open_side_by_side() -> None:
    talk = Talk().update(tools=[CLOCK, LAMP]).write("Time and light, please.")
    talk.forget()
    response = talk.ask()
    talk.answer(response, "One moment.", FunctionCall("get_time", "{}"), FunctionCall("lamp", "{}"), 700)
    done = talk.last(wire.ResponseDone).response
    assert done.output
    assert [item.type for item in done.output] == ["message", "function_call", "function_call"]
    assert [event.output_index for event in talk.of(wire.ResponseOutputItemDone)] == [1, 2, 0]
    assert len({item.call_id for item in done.output[1:]}) == 2


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("auto", ["get_time", "lamp"]),
        ("required", ["get_time", "lamp"]),
        ("none", []),
        ({"type": "function", "name": "lamp"}, ["lamp"]),
    ],
)
def test_the_tool_choice_decides_what_is_offered(choice: object, names: list[str]) -> None:
    talk = Talk().update(tools=[CLOCK, LAMP]).write("Light!")
    talk.ask(tool_choice=choice)
    assert [tool.name for tool in talk.ordered(Generate)[-1].tools] == names


# --- whatever comes -----------------------------------------------------------------------------


def test_a_frame_that_is_no_event_is_refused_and_the_session_lives() -> None:
    talk = Talk().frame("{").frame("[]").frame('{"type":"session.close","event_id":"c-1"}')
    talk.frame('{"type":"output_audio_buffer.clear","event_id":"c-2"}')
    talk.frame('{"type":"response.cancel","event_id":"%s"}' % ("x" * 513))
    codes = [(event.error.code, event.error.param) for event in talk.of(wire.Error)]
    assert codes == [
        ("invalid_json", None),
        ("invalid_event", None),
        ("invalid_value", "type"),
        ("invalid_value", "type"),
        ("string_above_max_length", "event_id"),
    ]
    assert talk.update().of(wire.SessionUpdated)


def test_ids_fit_the_protocol() -> None:
    made = {random_id("item") for _ in range(100)}
    assert len(made) == 100
    assert all(len(each) <= 32 and each.startswith("item_") for each in made)


def test_whatever_happens_in_whatever_order_every_response_ends_once() -> None:
    """Two hundred conversations thrown together by dice."""
    for seed in range(200):
        dice = random.Random(seed)
        talk = Talk().update(detection=dice.choice([None, VAD, ServerVad(interrupt_response=False)]))
        for step in range(40):
            anything(talk, dice, step)
        for order in list(talk.ordered(Recognise)):
            talk.do(Understood(order.job, "words"))
        for generate in talk.ordered(Generate):
            talk.answer(generate.response_id, "bye", 100)
        created = [event.response.id for event in talk.all_sent if isinstance(event, wire.ResponseCreated)]
        done = [event.response.id for event in talk.all_sent if isinstance(event, wire.ResponseDone)]
        assert sorted(map(str, created)) == sorted(map(str, done)), seed
        assert len(set(done)) == len(done), seed
        ids = [event.event_id for event in talk.all_sent]
        assert len(set(ids)) == len(ids), seed
        added = [event.item.id for event in talk.all_sent if isinstance(event, wire.ConversationItemAdded)]
        assert len(set(added)) == len(added), seed


def anything(talk: Talk, dice: random.Random, step: int) -> None:
    items = [event.item for event in talk.all_sent if isinstance(event, wire.ConversationItemAdded)]
    item_id = dice.choice(items).id or "" if items else "none"
    generating = talk.ordered(Generate)
    jobs = talk.ordered(Recognise)
    match dice.randrange(13):
        case 0 | 1:
            talk.speech(dice.choice([64, 640, 1500]))
        case 2:
            talk.silence(dice.choice([64, 640, 1500]))
        case 3:
            talk.do(wire.InputAudioBufferCommit())
        case 4:
            talk.do(wire.InputAudioBufferClear())
        case 5:
            talk.write("words", f"u{step}")
        case 6 | 7:
            talk.frame(
                json.dumps({"type": "response.create", "response": {"conversation": dice.choice(["auto", "none"])}})
            )
        case 8:
            talk.do(wire.ResponseCancel())
        case 9 if generating:
            talk.answer(dice.choice(generating).response_id, "some words", 300, end=dice.random() < 0.5)
        case 10 if jobs:
            talk.do(Understood(dice.choice(jobs).job, dice.choice(["", "some words"])))
        case 11:
            talk.do(truncate(item_id, dice.randrange(500)))
        case 12:
            talk.do(wire.ConversationItemDelete(item_id=item_id))


def test_a_slow_recogniser_rests_as_long_as_it_works() -> None:
    assert drafts_in_six_seconds(took_ms=200) == 12
    assert drafts_in_six_seconds(took_ms=1000) == 3


def drafts_in_six_seconds(*, took_ms: int) -> int:
    """Return how many drafts are asked for in 6.4 s of speech, when each takes so long."""
    talk = Talk().update()
    due: dict[int, int] = {}
    asked = 0
    for now_ms in range(0, 6400, 32):
        talk.speech(32)
        due |= {order.job: now_ms + took_ms for order in talk.ordered(Recognise)}
        asked += len(talk.ordered(Recognise))
        talk.forget()
        for job in [job for job, at_ms in due.items() if at_ms <= now_ms]:
            del due[job]
            talk.do(Understood(job, "word"))
    return asked
