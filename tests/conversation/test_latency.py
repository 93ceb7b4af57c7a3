"""How long an answer took: by key, by voice and in writing, with tools, and what is no answer to the turn."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from desktop_app.conversation.effects import Effect
from desktop_app.conversation.inputs import (
    Input,
    MicBlock,
    MicClosed,
    MicStarted,
    PlaybackStarted,
    Received,
    StopPressed,
    TalkPressed,
    TalkReleased,
    TextEntered,
)
from desktop_app.conversation.latency import Begun, Latency, Stopwatch
from desktop_app.protocol import codec
from desktop_app.protocol.items import PartId
from desktop_app.protocol.session_config import ServerVad
from tests.conversation.story import (
    ITEM,
    Story,
    added,
    audio,
    created,
    pcm,
    speech_started,
    with_detection,
)

VAD = ServerVad(silence_duration_ms=500, create_response=True, interrupt_response=True)


class Timed(Story):
    """A story whose events a stopwatch sees; `ms` is what time it is."""

    def __init__(self, *, hands_free: bool = False) -> None:
        self.ms = 0
        self.told: list[Latency] = []
        self.stopwatch = Stopwatch(lambda: self.ms / 1000, self.told.append)
        if hands_free:
            super().__init__(with_detection(VAD))
        else:
            super().__init__()
        self.online()

    def happens(self, *events: Input) -> list[Effect]:
        effects: list[Effect] = []
        for event in events:
            self.stopwatch.witness(event)
            new = super().happens(event)
            for effect in new:
                self.stopwatch.witness(effect)
            effects += new
        return effects

    def after(self, ms: int) -> Timed:
        self.ms += ms
        return self

    def presses_and_lets_go(self) -> None:
        self.happens(TalkPressed(), MicStarted(), MicBlock(pcm(1000)))
        self.after(1000).happens(TalkReleased())
        self.after(180).happens(MicClosed())


def commits(item: str = "item_U1") -> Sequence[dict[str, object]]:
    return (
        {"type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": None},
        added(item, "user", None),
    )


def test_by_key_it_is_counted_from_when_the_key_went_up() -> None:
    story = Timed()
    story.presses_and_lets_go()
    story.after(20).says(*commits())
    story.after(280).says(story.born())
    story.after(200).says(audio(ITEM, 100))
    assert not story.told, "nothing has sounded yet"
    story.after(45).happens(PlaybackStarted(PartId(ITEM)))
    assert story.told == [Latency(ITEM, Begun.BY_KEY, 180, 500, 45)]
    assert story.told[0].whole_ms == 725


def test_the_second_part_of_an_answer_is_not_measured_again() -> None:
    story = Timed()
    story.presses_and_lets_go()
    story.says(story.born())
    story.says(audio(ITEM, 100))
    story.happens(PlaybackStarted(PartId(ITEM)))
    story.says(audio("item_B", 100))
    story.happens(PlaybackStarted(PartId("item_B")))
    assert len(story.told) == 1


def test_hands_free_it_is_counted_from_the_end_of_speech_and_not_from_the_end_of_the_silence() -> None:
    story = Timed(hands_free=True)
    story.happens(MicStarted())
    for number in range(100):  # two seconds, as they are captured
        story.after(20).happens(MicBlock(pcm(20)))
        if number == 20:
            story.says(speech_started())
    story.says({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2000, "item_id": "item_U1"})
    story.after(10).says(*commits())
    story.after(300).says(story.born())
    story.says(audio(ITEM, 100))
    story.after(30).happens(PlaybackStarted(PartId(ITEM)))
    assert story.told == [Latency(ITEM, Begun.BY_VOICE, 510, 300, 30)]


def test_a_server_that_names_a_time_that_was_never_sent_is_taken_by_its_word_of_now() -> None:
    story = Timed(hands_free=True)
    story.happens(MicStarted(), MicBlock(pcm(20)))
    story.says(speech_started())
    story.says({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 9_000, "item_id": "item_U1"})
    story.after(10).says(*commits())
    story.says(story.born(), audio(ITEM, 100))
    story.happens(PlaybackStarted(PartId(ITEM)))
    assert story.told[0].commit_ms == 10


def test_what_is_typed_has_no_end_of_speech() -> None:
    story = Timed()
    story.happens(TextEntered("Hello"))
    story.after(400).says(story.born())
    story.says(audio(ITEM, 100))
    story.after(40).happens(PlaybackStarted(PartId(ITEM)))
    assert story.told == [Latency(ITEM, Begun.IN_WRITING, 0, 400, 40)]


def test_an_answer_in_writing_ends_with_its_first_words() -> None:
    story = Timed()
    story.happens(TextEntered("Hello", written=True))
    story.after(300).says(story.born())
    delta = {"type": "response.output_text.delta", "response_id": "resp_1", "item_id": ITEM, "delta": "Hi"}
    story.says({**delta, "response_id": _born_last(story)})
    assert story.told == [Latency(ITEM, Begun.IN_WRITING, 0, 300, None)]


def _born_last(story: Timed) -> str:
    (one,) = story.stopwatch._fresh
    return one


def test_tools_are_named_since_their_time_counts() -> None:
    story = Timed()
    story.offers("clock")
    story.presses_and_lets_go()
    story.says(*commits())
    story.calls("clock:call_1")
    story.after(700).ran("call_1")
    story.says(story.born("resp_2"))
    story.says(audio(ITEM, 100, "resp_2"))
    story.after(40).happens(PlaybackStarted(PartId(ITEM)))
    (latency,) = story.told
    assert latency.with_tools
    assert latency.answer_ms == 700


def test_the_rest_of_an_interrupted_answer_is_no_answer_to_the_next_turn() -> None:
    story = Timed()
    story.speaking()
    story.told.clear()
    story.presses_and_lets_go()
    story.after(10).says(audio("item_late", 100))
    story.happens(PlaybackStarted(PartId("item_late")))
    assert not story.told


def test_what_is_said_beside_the_conversation_is_no_answer() -> None:
    story = Timed()
    story.presses_and_lets_go()
    aside = created("resp_aside", metadata={"job": "aside_1"})
    story.stopwatch.witness(Received(codec.decode_server_event(msgspec.json.encode(aside))))
    story.stopwatch.witness(Received(audio("item_aside", 100, "resp_aside")))
    story.stopwatch.witness(PlaybackStarted(PartId("item_aside")))
    assert not story.told


def test_a_turn_that_was_stopped_is_not_measured() -> None:
    story = Timed()
    story.presses_and_lets_go()
    story.says(story.born())
    story.happens(StopPressed())
    story.says(audio(ITEM, 100))
    story.happens(PlaybackStarted(PartId(ITEM)))
    assert not story.told
