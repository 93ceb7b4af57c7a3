"""Money by hand, figures that do not add up, and a file that outlives the program."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from desktop_app.costs import (
    KEPT_DAYS,
    Cost,
    Kind,
    Ledger,
    ModelPrices,
    PriceTable,
    SpendingFile,
    Spent,
    cost_of_response,
    cost_of_transcription,
    explained,
    load_prices,
    money,
    money_spent,
    read_prices,
    tokens,
)
from desktop_app.errors import SettingsError
from desktop_app.protocol.codec import decode_server_event
from desktop_app.protocol.events import (
    InputTokenDetails,
    OutputTokenDetails,
    ResponseDone,
    TokensByModality,
    TranscriptionUsage,
    Usage,
)
from desktop_app.resources import resource

PRICES, _ = load_prices(resource("prices.json"))
TODAY = date(2026, 11, 22)
FULL = "gpt-realtime-2.1"


def usage(
    *,
    text: int = 0,
    audio: int = 0,
    image: int = 0,
    cached: tuple[int, int, int] = (0, 0, 0),
    text_out: int = 0,
    audio_out: int = 0,
) -> Usage:
    """Return a usage object whose figures add up."""
    return Usage(
        total_tokens=text + audio + image + text_out + audio_out,
        input_tokens=text + audio + image,
        output_tokens=text_out + audio_out,
        input_token_details=InputTokenDetails(
            text_tokens=text,
            audio_tokens=audio,
            image_tokens=image,
            cached_tokens=sum(cached),
            cached_tokens_details=TokensByModality(
                text_tokens=cached[0], audio_tokens=cached[1], image_tokens=cached[2]
            ),
        ),
        output_token_details=OutputTokenDetails(text_tokens=text_out, audio_tokens=audio_out),
    )


# --- one answer ---------------------------------------------------------------------------------


def test_an_answer_off_the_wire_costs_what_it_costs_by_hand() -> None:
    frame = {
        "type": "response.done",
        "response": {
            "id": "resp_1",
            "usage": {
                "total_tokens": 205,
                "input_tokens": 41,
                "output_tokens": 164,
                "input_token_details": {
                    "text_tokens": 12,
                    "audio_tokens": 29,
                    "image_tokens": 0,
                    "cached_tokens": 0,
                    "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
                },
                "output_token_details": {"text_tokens": 38, "audio_tokens": 126},
            },
        },
    }
    event = decode_server_event(msgspec.json.encode(frame))
    assert isinstance(event, ResponseDone)

    cost = cost_of_response(event.response.usage, FULL, PRICES)

    # 12 · 4 + 29 · 32 + 38 · 24 + 126 · 64 = 48 + 928 + 912 + 8064 millionths
    assert cost.usd == Decimal("0.009952")
    assert (cost.input_tokens, cost.output_tokens, cost.tokens) == (41, 164, 205)


def test_cached_tokens_are_a_part_of_the_input_and_cost_less() -> None:
    used = usage(text=3000, audio=6000, image=1000, cached=(2048, 3072, 512), text_out=100, audio_out=400)

    cost = cost_of_response(used, FULL, PRICES)

    by_hand = {
        Kind.TEXT_IN: (952, "0.003808"),  # (3000 − 2048) · 4
        Kind.AUDIO_IN: (2928, "0.093696"),  # (6000 − 3072) · 32
        Kind.IMAGE_IN: (488, "0.00244"),  # (1000 − 512) · 5
        Kind.TEXT_CACHED: (2048, "0.0008192"),
        Kind.AUDIO_CACHED: (3072, "0.0012288"),
        Kind.IMAGE_CACHED: (512, "0.000256"),
        Kind.TEXT_OUT: (100, "0.0024"),
        Kind.AUDIO_OUT: (400, "0.0256"),
    }
    assert {line.kind: (line.tokens, line.usd) for line in cost.lines} == {
        kind: (n, Decimal(usd)) for kind, (n, usd) in by_hand.items()
    }
    assert cost.usd == Decimal("0.130248")
    assert (cost.input_tokens, cost.cached_tokens, cost.output_tokens) == (10_000, 5_632, 500)


@pytest.mark.parametrize(
    ("model", "by_hand"),
    [
        ("gpt-realtime-2.1", "0.130248"),
        ("gpt-realtime-2", "0.130248"),
        ("gpt-realtime-1.5", "0.129448"),  # text out 16 instead of 24: 100 · 8 millionths less
        ("gpt-realtime", "0.129448"),
        # 952·.6 + 2928·10 + 488·.8 + 2048·.06 + 3072·.3 + 512·.08 + 100·2.4 + 400·20 millionths
        ("gpt-realtime-2.1-mini", "0.03956704"),
        ("gpt-realtime-mini", "0.03956704"),
        ("gpt-realtime-2025-08-28", "0.129448"),
        ("gpt-realtime-mini-2025-12-15", "0.03956704"),
    ],
)
def test_every_model_of_the_table(model: str, by_hand: str) -> None:
    used = usage(text=3000, audio=6000, image=1000, cached=(2048, 3072, 512), text_out=100, audio_out=400)
    assert cost_of_response(used, model, PRICES).usd == Decimal(by_hand)


@pytest.mark.parametrize("model", ["", "parley-offline", "my-deployment", "gpt-realtime-3", "GPT-REALTIME-2.1"])
def test_an_unknown_model_has_tokens_and_no_money(model: str) -> None:
    cost = cost_of_response(usage(text=12, text_out=3), model, PRICES)
    assert cost.usd is None
    assert [(line.kind, line.tokens, line.usd) for line in cost.lines] == [
        (Kind.TEXT_IN, 12, None),
        (Kind.TEXT_OUT, 3, None),
    ]
    assert money(cost.usd) == "–"


@pytest.mark.parametrize("nothing", [None, UNSET, Usage()])
def test_no_usage_is_not_free(nothing: Usage | None) -> None:
    cost = cost_of_response(nothing, FULL, PRICES)
    assert (cost.usd, cost.tokens) == (None, 0)


def test_a_response_that_used_nothing_is_free() -> None:
    assert cost_of_response(usage(), FULL, PRICES).usd == 0


def test_totals_without_details_are_tokens_only() -> None:
    cost = cost_of_response(Usage(input_tokens=100, output_tokens=20, total_tokens=120), FULL, PRICES)
    assert (cost.usd, cost.input_tokens, cost.output_tokens, cost.lines) == (None, 100, 20, ())


def test_details_without_totals_are_enough() -> None:
    details = InputTokenDetails(text_tokens=10)
    used = Usage(input_token_details=details, output_token_details=OutputTokenDetails(text_tokens=5))
    cost = cost_of_response(used, FULL, PRICES)
    assert (cost.usd, cost.input_tokens, cost.output_tokens) == (Decimal("0.00016"), 10, 5)


@pytest.mark.parametrize(
    ("why", "details", "out"),
    [
        ("audio is missing", InputTokenDetails(text_tokens=40), OutputTokenDetails(text_tokens=10)),
        ("output does not add up", InputTokenDetails(text_tokens=100), OutputTokenDetails(text_tokens=9)),
        (
            "more was cached than used",
            InputTokenDetails(
                text_tokens=100, cached_tokens=101, cached_tokens_details=TokensByModality(text_tokens=101)
            ),
            OutputTokenDetails(text_tokens=10),
        ),
        (
            "the cached ones could be text or audio",
            InputTokenDetails(text_tokens=60, audio_tokens=40, cached_tokens=30),
            OutputTokenDetails(text_tokens=10),
        ),
        (
            "the cached ones do not add up",
            InputTokenDetails(
                text_tokens=100, cached_tokens=50, cached_tokens_details=TokensByModality(text_tokens=20)
            ),
            OutputTokenDetails(text_tokens=10),
        ),
    ],
)
def test_figures_that_do_not_tell_are_tokens_only(
    why: str, details: InputTokenDetails, out: OutputTokenDetails
) -> None:
    used = Usage(input_tokens=100, output_tokens=10, input_token_details=details, output_token_details=out)
    cost = cost_of_response(used, FULL, PRICES)
    assert (cost.usd, cost.input_tokens, cost.output_tokens) == (None, 100, 10), why


def test_cached_tokens_of_a_text_only_answer_need_no_split() -> None:
    details = InputTokenDetails(text_tokens=100, cached_tokens=40)
    used = Usage(
        input_tokens=100,
        output_tokens=10,
        input_token_details=details,
        output_token_details=OutputTokenDetails(text_tokens=10),
    )
    assert cost_of_response(used, FULL, PRICES).usd == Decimal("0.000496")  # 60·4 + 40·.4 + 10·24 millionths


def test_reasoning_is_billed_as_text_whether_told_inside_or_beside_it() -> None:
    def answer(text: int) -> Usage:
        out = OutputTokenDetails(text_tokens=text, audio_tokens=20, reasoning_tokens=30)
        details = InputTokenDetails(text_tokens=0)
        return Usage(input_tokens=0, output_tokens=60, input_token_details=details, output_token_details=out)

    beside, inside = (cost_of_response(answer(text), FULL, PRICES).usd for text in (10, 40))
    assert beside == inside == Decimal("0.00224")  # 40 · 24 + 20 · 64 millionths


TOKENS = st.integers(0, 10**7)


@given(TOKENS, TOKENS, TOKENS, TOKENS, TOKENS, st.floats(0, 1), st.sampled_from(sorted(PRICES.models)))
def test_caching_never_makes_an_answer_dearer(
    text: int, audio: int, image: int, text_out: int, audio_out: int, share: float, model: str
) -> None:
    cached = (int(text * share), int(audio * share), int(image * share))
    plain = usage(text=text, audio=audio, image=image, text_out=text_out, audio_out=audio_out)
    cheaper = usage(text=text, audio=audio, image=image, cached=cached, text_out=text_out, audio_out=audio_out)
    dear, cheap = (cost_of_response(each, model, PRICES) for each in (plain, cheaper))
    assert dear.usd is not None
    assert cheap.usd is not None
    assert 0 <= cheap.usd <= dear.usd
    assert cheap.tokens == dear.tokens == sum(line.tokens for line in cheap.lines)


WILD = st.one_of(st.none(), st.integers(-(10**9), 10**9), st.just(UNSET))
WILD_TOKENS = st.builds(TokensByModality, text_tokens=WILD, audio_tokens=WILD, image_tokens=WILD)


@given(
    st.builds(
        Usage,
        total_tokens=WILD,
        input_tokens=WILD,
        output_tokens=WILD,
        input_token_details=st.one_of(
            st.none(),
            st.builds(
                InputTokenDetails,
                text_tokens=WILD,
                audio_tokens=WILD,
                cached_tokens=WILD,
                cached_tokens_details=st.one_of(st.none(), WILD_TOKENS),
            ),
        ),
        output_token_details=st.one_of(
            st.none(), st.builds(OutputTokenDetails, text_tokens=WILD, audio_tokens=WILD, reasoning_tokens=WILD)
        ),
    )
)
def test_whatever_a_server_counts_nothing_becomes_negative(wild: Usage) -> None:
    cost = cost_of_response(wild, FULL, PRICES)
    assert cost.usd is None or cost.usd >= 0
    assert min(cost.input_tokens, cost.output_tokens, cost.cached_tokens) >= 0


# --- what the user said -------------------------------------------------------------------------


def test_a_transcript_by_seconds() -> None:
    cost = cost_of_transcription(TranscriptionUsage(type="duration", seconds=90), "gpt-transcribe", PRICES)
    assert (cost.usd, cost.seconds) == (Decimal("0.00675"), 90)


def test_a_transcript_by_tokens() -> None:
    used = TranscriptionUsage(
        type="tokens",
        input_tokens=110,
        output_tokens=20,
        input_token_details=TokensByModality(text_tokens=10, audio_tokens=100),
    )
    cost = cost_of_transcription(used, "gpt-4o-transcribe", PRICES)
    assert cost.usd == Decimal("0.000825")  # 10 · 2.5 + 100 · 6 + 20 · 10 millionths


def test_tokens_of_a_model_billed_by_the_minute_need_the_time_spoken() -> None:
    used = TranscriptionUsage(type="tokens", input_tokens=100, output_tokens=20)
    assert cost_of_transcription(used, "gpt-transcribe", PRICES).usd is None
    assert cost_of_transcription(used, "gpt-transcribe", PRICES, spoken_ms=30_000).usd == Decimal("0.00225")


@pytest.mark.parametrize(
    ("used", "model"),
    [
        (None, "gpt-transcribe"),
        (UNSET, "gpt-transcribe"),
        (TranscriptionUsage(type="duration", seconds=5), "whisper-base"),
        (TranscriptionUsage(type="tokens", input_tokens=5), "gpt-4o-transcribe"),
        (TranscriptionUsage(type="characters"), "gpt-transcribe"),
    ],
)
def test_a_transcript_of_unknown_price(used: TranscriptionUsage | None, model: str) -> None:
    assert cost_of_transcription(used, model, PRICES).usd is None


# --- the table ----------------------------------------------------------------------------------


def test_the_table_says_when_and_whence() -> None:
    assert PRICES.date
    assert PRICES.source
    assert all(prices.of(kind) is not None for prices in PRICES.models.values() for kind in Kind)


def test_the_users_own_table_adds_and_overrides(tmp_path: Path) -> None:
    own = tmp_path / "prices.json"
    own.write_text('{"date": "2027-01", "models": {"gpt-realtime-2.1": {"text_in": 1}, "mine": {"text_in": 2}}}')

    table, notices = load_prices(resource("prices.json"), own)

    assert not notices
    assert table.date == "2027-01"
    assert table.models["gpt-realtime-2.1"] == ModelPrices(text_in=Decimal(1))
    assert table.models["mine"].text_in == 2
    assert table.models["gpt-realtime-1.5"] == PRICES.models["gpt-realtime-1.5"]
    assert cost_of_response(usage(text=1, audio_out=1), "mine", table).usd is None, "half a price is none"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        '{"currency": "EUR"}',
        '{"models": {"x": {"text_in": -1}}}',
        '{"models": {"x": {"text_in": "NaN"}}}',
        '{"models": {"x": {"text_in": "1e999999"}}}',
        '{"models": {"x": 4}}',
        "[" * 100_000,
    ],
)
def test_a_table_that_cannot_be_used_is_told(tmp_path: Path, text: str) -> None:
    own = tmp_path / "prices.json"
    own.write_text(text)
    table, (notice,) = load_prices(resource("prices.json"), own)
    assert table == PRICES
    assert notice.hint
    assert "Traceback" not in notice.text


def test_no_table_of_ones_own_is_nothing_to_tell(tmp_path: Path) -> None:
    assert load_prices(resource("prices.json"), tmp_path / "prices.json") == (PRICES, ())


def test_a_table_is_exact() -> None:
    assert read_prices('{"models": {"x": {"text_in": 0.1}}}').models["x"].text_in == Decimal("0.1")


# --- adding up ----------------------------------------------------------------------------------


def test_answers_add_up_by_conversation_and_by_day() -> None:
    ledger = Ledger({TODAY: Spent(usd=Decimal("0.50"), counted=3)})
    ledger.add("s1:r1", Cost(Decimal("0.01"), 100, 40, 20), day=TODAY)
    ledger.add("s1:r2", Cost(None, 10, 0, 2), day=TODAY)
    ledger.add("s1:r3", Cost(Decimal("0.02"), 1, 0, 1), day=TODAY + timedelta(days=1))

    assert ledger.conversation == Spent(Decimal("0.03"), 3, 1, 111, 40, 23)
    assert ledger.day(TODAY) == Spent(Decimal("0.51"), 5, 1, 110, 40, 22)
    assert ledger.day(TODAY + timedelta(days=1)).usd == Decimal("0.02")
    assert ledger.cost("s1:r2") == Cost(None, 10, 0, 2)

    ledger.begin_conversation()
    assert ledger.conversation == Spent()
    assert ledger.day(TODAY).usd == Decimal("0.51")

    ledger.begin_conversation(Spent(Decimal("2.00"), 40))
    ledger.add("s2:r1", Cost(Decimal("0.01")), day=TODAY)
    assert ledger.conversation.usd == Decimal("2.01")


def test_what_is_told_twice_is_counted_once() -> None:
    ledger = Ledger()
    assert ledger.add("s1:r1", Cost(Decimal(1)), day=TODAY)
    assert not ledger.add("s1:r1", Cost(Decimal(1)), day=TODAY)
    assert (ledger.conversation.counted, ledger.day(TODAY).usd) == (1, Decimal(1))


@pytest.mark.parametrize(
    ("limit", "over"),
    [
        (None, False),
        (0, False),
        (-1, False),
        (float("nan"), False),
        (float("inf"), False),
        (1.01, False),
        (1.0, True),
        (Decimal("0.99"), True),
    ],
)
def test_a_budget_is_for_the_day(limit: float | None, over: bool) -> None:
    ledger = Ledger({TODAY: Spent(usd=Decimal(1)), TODAY - timedelta(days=1): Spent(usd=Decimal(100))})
    assert ledger.over_budget(limit, day=TODAY) is over


# --- the file -----------------------------------------------------------------------------------


def test_a_day_outlives_the_program(tmp_path: Path) -> None:
    first = Ledger(SpendingFile(tmp_path).load().days)
    first.add("s1:r1", cost_of_response(usage(text=12, audio_out=7), FULL, PRICES), day=TODAY)
    SpendingFile(tmp_path).save(first.days)

    second = Ledger(SpendingFile(tmp_path).load().days)
    second.add("s1:r1", Cost(Decimal("0.000504"), 1, 0, 1), day=TODAY)

    assert second.day(TODAY).usd == Decimal("0.001")
    assert second.conversation.counted == 1
    assert [path.name for path in tmp_path.iterdir()] == ["spending.json"]


def test_only_so_many_days_are_kept(tmp_path: Path) -> None:
    days = {TODAY - timedelta(days=n): Spent(counted=n) for n in range(KEPT_DAYS + 10)}
    SpendingFile(tmp_path).save(days)
    kept = SpendingFile(tmp_path).load().days
    assert len(kept) == KEPT_DAYS
    assert max(kept) == TODAY


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"days": []}', "\udcff", "[" * 100_000])
def test_a_file_that_is_not_ours_is_kept_and_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "spending.json"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    loaded = SpendingFile(tmp_path).load()
    assert not loaded.days
    assert len(loaded.notices) == 1
    kept = (tmp_path / "spending.json.not-read").read_text(encoding="utf-8", errors="surrogateescape")
    assert kept == text


@pytest.mark.parametrize(
    "bad", [None, 4, {"usd": "much"}, {"usd": "-1"}, {"usd": "NaN"}, {"usd": "1e999999"}, {"counted": -1}]
)
def test_one_odd_day_does_not_cost_the_others(tmp_path: Path, bad: object) -> None:
    days = {"2026-11-20": bad, "not a day": {"usd": "1"}, "2026-11-21": {"usd": "0.25", "more": 1}}
    (tmp_path / "spending.json").write_text(json.dumps({"days": days}))
    loaded = SpendingFile(tmp_path).load()
    assert loaded.days == {date(2026, 11, 21): Spent(usd=Decimal("0.25"))}


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as caught:
        SpendingFile(tmp_path / "file").save({TODAY: Spent()})
    assert caught.value.hint


# --- in words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (None, "–"),
        ("0", "$0.00"),
        ("0.00001", "< $0.0001"),
        ("0.0001", "$0.0001"),
        ("0.01234", "$0.0123"),
        ("0.01235", "$0.0124"),
        ("0.99994", "$0.9999"),
        ("0.99996", "$1.00"),
        ("1.2", "$1.20"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_money_is_short_and_never_rounded_to_nothing(usd: str | None, shown: str) -> None:
    assert money(None if usd is None else Decimal(usd)) == shown


def test_a_sum_with_unknown_parts_is_a_lower_bound() -> None:
    assert money_spent(Spent(Decimal("0.5"), counted=2)) == "$0.5000"
    assert money_spent(Spent(Decimal("0.5"), counted=3, unpriced=1)) == "at least $0.5000"
    assert money_spent(Spent(counted=1, unpriced=1)) == "–"
    assert money_spent(Spent()) == "$0.00"


def test_tokens_in_words() -> None:
    assert [tokens(n) for n in (0, 1, 12_345)] == ["0 tokens", "1 token", "12,345 tokens"]


def test_a_cost_can_be_explained() -> None:
    assert explained(cost_of_response(usage(audio=29, text_out=1), FULL, PRICES)) == (
        "audio in: 29 tokens, $0.0009",
        "text out: 1 token, < $0.0001",
    )
    assert explained(cost_of_response(Usage(input_tokens=9, output_tokens=1), FULL, PRICES)) == (
        "in: 9 tokens",
        "out: 1 token",
    )
    assert explained(Cost()) == ()


def test_an_empty_table_prices_nothing() -> None:
    assert cost_of_response(usage(text=1), FULL, PriceTable()).usd is None
