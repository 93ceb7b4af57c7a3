"""What was used and what it costs: token counts and a price table to money, added up per conversation and day.

Everything here but `load_prices` and `SpendingFile` is pure. A response is billed for the whole context each time,
and cached tokens are a subset of the input tokens, not an addition (the guide's usage object); so for each of text,
audio and image

    (in − cached) · price_in + cached · price_cached + out · price_out

What cannot be split by modality, or has no price, has tokens but no money: None, shown as «–», never a guess.
Amounts are `Decimal`s of US dollars: the sum of a day is the sum of its answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from desktop_app.errors import Notice, SettingsError, Severity
from desktop_app.files import write_atomically
from desktop_app.protocol.events import TokensByModality, TranscriptionUsage, Usage

PRICES_FILE = "prices.json"
SPENDING_FILE = "spending.json"
KEPT_DAYS = 400
"""How many days the file remembers."""
UNKNOWN = "–"
"""What is shown where there is no figure."""

_MILLION = Decimal(1_000_000)
_MS_PER_MINUTE = Decimal(60_000)
_NOTHING = Decimal(0)
_MOST = Decimal(10**9)
"""More than this is no price and no sum: a number with a million digits must not stop the program."""
_SMALLEST = Decimal("0.0001")
_CENT = Decimal("0.01")
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


# --- prices -------------------------------------------------------------------------------------


class Kind(Enum):
    """What tokens are of; the value is the name of their price."""

    TEXT_IN = "text_in"
    TEXT_CACHED = "text_cached"
    TEXT_OUT = "text_out"
    AUDIO_IN = "audio_in"
    AUDIO_CACHED = "audio_cached"
    AUDIO_OUT = "audio_out"
    IMAGE_IN = "image_in"
    IMAGE_CACHED = "image_cached"

    @property
    def label(self) -> str:
        """What a reader calls it: `audio in`."""
        return self.value.replace("_", " ")


Price = Decimal | None


class ModelPrices(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars per million tokens; None: not known."""

    text_in: Price = None
    text_cached: Price = None
    text_out: Price = None
    audio_in: Price = None
    audio_cached: Price = None
    audio_out: Price = None
    image_in: Price = None
    image_cached: Price = None

    def __post_init__(self) -> None:
        _check_prices(self)

    def of(self, kind: Kind) -> Price:
        """Return the price of a kind of token."""
        price: Price = getattr(self, kind.value)
        return price


class TranscriptionPrices(ModelPrices, frozen=True, kw_only=True):
    """The same, and US dollars per minute of speech."""

    per_minute: Price = None


class PriceTable(msgspec.Struct, frozen=True, kw_only=True):
    """What models cost, as of a date."""

    date: str = ""
    source: str = ""
    currency: str = "USD"
    models: dict[str, ModelPrices] = msgspec.field(default_factory=dict)
    transcription: dict[str, TranscriptionPrices] = msgspec.field(default_factory=dict)

    def model(self, name: str) -> ModelPrices | None:
        """Return the prices of a model; a dated snapshot (`…-2025-08-28`) costs what its family costs."""
        return self.models.get(name) or self.models.get(_SNAPSHOT.sub("", name))

    def transcriber(self, name: str) -> TranscriptionPrices | None:
        """Return the prices of a transcription model."""
        return self.transcription.get(name) or self.transcription.get(_SNAPSHOT.sub("", name))

    def overridden_by(self, other: PriceTable) -> PriceTable:
        """Return this table with the models of `other` added, or put in the place of its own."""
        return PriceTable(
            date=other.date or self.date,
            source=other.source or self.source,
            models={**self.models, **other.models},
            transcription={**self.transcription, **other.transcription},
        )


def read_prices(text: str | bytes) -> PriceTable:
    """Return the table in a JSON text.

    Raises ValueError for what is none; a price is not negative, the currency is USD.
    """
    try:
        table = msgspec.json.decode(text, type=PriceTable)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if table.currency != "USD":
        raise ValueError(f"the currency must be USD, not {table.currency[:10]}")
    return table


def load_prices(shipped: Path, own: Path | None = None) -> tuple[PriceTable, tuple[Notice, ...]]:
    """Return the shipped table, overridden by the user's own file if there is one.

    A file of the user's that cannot be used is told in a notice; the shipped prices are used then.
    """
    table = read_prices(shipped.read_bytes())
    if own is None:
        return table, ()
    try:
        return table.overridden_by(read_prices(own.read_bytes())), ()
    except FileNotFoundError:
        return table, ()
    except (OSError, ValueError) as error:
        text = f"Your price table could not be read: {_first_line(error)}."
        hint = f"The prices of {table.date} are used until {own} is mended or removed."
        return table, (Notice(text, hint, Severity.WARNING, "prices"),)


def _check_prices(prices: ModelPrices) -> None:
    for name in prices.__struct_fields__:
        price = getattr(prices, name)
        if price is not None and not _is_amount(price):
            raise ValueError(f"{name} must be a price, not {price}")


def _is_amount(usd: Decimal) -> bool:
    return usd.is_finite() and 0 <= usd <= _MOST


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).partition("\n")[0][:200]


# --- one answer, one transcript -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of token of one answer."""

    kind: Kind
    tokens: int
    usd: Decimal | None
    """What they cost; None: no price is known."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one answer or one transcript used and cost."""

    usd: Decimal | None = None
    """None: not known."""
    input_tokens: int = 0
    cached_tokens: int = 0
    """A part of the input tokens."""
    output_tokens: int = 0
    seconds: float = 0.0
    """What a transcript billed by time was billed for."""
    lines: tuple[Line, ...] = ()
    """The split, of what is not zero; empty if the server gave none."""

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.input_tokens + self.output_tokens


def cost_of_response(usage: Usage | None | UnsetType, model: str, prices: PriceTable) -> Cost:
    """Return what a response used and cost (the guide's usage object).

    Without details that add up to the totals there are tokens only: no money is made of a guessed split.
    """
    if usage is None or usage is UNSET:
        return Cost()
    details = usage.input_token_details or None
    split = _split(usage)
    counted = split or {}
    incoming = counted.get(Kind.TEXT_IN, 0) + counted.get(Kind.AUDIO_IN, 0) + counted.get(Kind.IMAGE_IN, 0)
    cached = _count(details.cached_tokens) if details is not None else 0
    cached = cached or sum(n for kind, n in counted.items() if kind in _CACHED.values())
    outgoing = counted.get(Kind.TEXT_OUT, 0) + counted.get(Kind.AUDIO_OUT, 0)
    return _priced(
        split,
        prices.model(model),
        input_tokens=_count(usage.input_tokens) or incoming + cached,
        cached_tokens=cached,
        output_tokens=_count(usage.output_tokens) or outgoing,
    )


def cost_of_transcription(
    usage: TranscriptionUsage | None | UnsetType, model: str, prices: PriceTable, *, spoken_ms: float | None = None
) -> Cost:
    """Return what writing down the user's words cost: by seconds, or by tokens.

    `spoken_ms` is how long the user spoke, if that is known: where the server counts tokens and only the price of a
    minute is known, it stands in for the seconds.
    """
    if usage is None or usage is UNSET:
        return Cost()
    known = prices.transcriber(model)
    per_minute = known.per_minute if known is not None else None
    if usage.type == "duration":
        seconds = _seconds(usage.seconds)
        return Cost(usd=_by_time(seconds * 1000, per_minute), seconds=seconds)
    incoming, outgoing = _count(usage.input_tokens), _count(usage.output_tokens)
    cost = _priced(_split_transcription(usage), known, input_tokens=incoming, output_tokens=outgoing)
    if cost.usd is None and spoken_ms is not None:
        usd = _by_time(_seconds(spoken_ms / 1000) * 1000, per_minute)
        return Cost(usd=usd, input_tokens=incoming, output_tokens=outgoing, lines=cost.lines)
    return cost


_IN = {"text": Kind.TEXT_IN, "audio": Kind.AUDIO_IN, "image": Kind.IMAGE_IN}
_CACHED = {"text": Kind.TEXT_CACHED, "audio": Kind.AUDIO_CACHED, "image": Kind.IMAGE_CACHED}


def _split(usage: Usage) -> dict[Kind, int] | None:
    """Return the tokens by what they are billed as, or None if the server's figures do not tell."""
    if not usage.input_token_details or not usage.output_token_details:
        return None
    details, out = usage.input_token_details, usage.output_token_details
    incoming = _modalities(details)
    cached = _cached_modalities(details.cached_tokens_details, _count(details.cached_tokens), incoming)
    audio_out, text_out = _count(out.audio_tokens), _count(out.text_tokens)
    outgoing = _count(usage.output_tokens)
    if outgoing == text_out + audio_out + _count(out.reasoning_tokens):
        text_out = outgoing - audio_out  # reasoning that is told beside the text is billed like it
    told = ((usage.input_tokens, sum(incoming.values())), (usage.output_tokens, text_out + audio_out))
    if cached is None or any(isinstance(total, int) and total != parts for total, parts in told):
        return None
    split = {_IN[name]: n - cached[name] for name, n in incoming.items()}
    split |= {_CACHED[name]: n for name, n in cached.items()}
    split |= {Kind.TEXT_OUT: text_out, Kind.AUDIO_OUT: audio_out}
    return split if all(n >= 0 for n in split.values()) else None


def _cached_modalities(
    details: TokensByModality | None | UnsetType, total: int, incoming: Mapping[str, int]
) -> dict[str, int] | None:
    """Return the cached tokens by modality; None if there are some and nobody tells of what."""
    if details:
        cached = _modalities(details)
        return cached if total in (0, sum(cached.values())) else None
    used = [name for name, n in incoming.items() if n]
    if total and len(used) != 1:
        return None
    return {name: total if name in used else 0 for name in incoming}


def _modalities(tokens: TokensByModality) -> dict[str, int]:
    return {
        "text": _count(tokens.text_tokens),
        "audio": _count(tokens.audio_tokens),
        "image": _count(tokens.image_tokens),
    }


def _split_transcription(usage: TranscriptionUsage) -> dict[Kind, int] | None:
    if not usage.input_token_details:
        return None
    incoming = _modalities(usage.input_token_details)
    if sum(incoming.values()) != _count(usage.input_tokens):
        return None
    return {**{_IN[name]: n for name, n in incoming.items()}, Kind.TEXT_OUT: _count(usage.output_tokens)}


def _priced(
    split: Mapping[Kind, int] | None,
    prices: ModelPrices | None,
    *,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int = 0,
) -> Cost:
    lines = tuple(_line(kind, n, prices) for kind, n in (split or {}).items() if n)
    usd = None if split is None or prices is None else _sum(line.usd for line in lines)
    return Cost(usd, input_tokens, cached_tokens, output_tokens, lines=lines)


def _line(kind: Kind, tokens: int, prices: ModelPrices | None) -> Line:
    price = prices.of(kind) if prices is not None else None
    return Line(kind, tokens, None if price is None else tokens * price / _MILLION)


def _sum(amounts: Any) -> Decimal | None:
    total = _NOTHING
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _by_time(ms: float, per_minute: Price) -> Decimal | None:
    return None if per_minute is None else Decimal(str(ms)) / _MS_PER_MINUTE * per_minute


def _count(value: int | None | UnsetType) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _seconds(value: float | UnsetType) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0


# --- many of them -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spent:
    """What a conversation or a day came to."""

    usd: Decimal = _NOTHING
    """What the priced ones of them cost: with `unpriced`, a lower bound."""
    counted: int = 0
    """Answers and transcripts."""
    unpriced: int = 0
    """Those of them whose cost is not known."""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def plus(self, cost: Cost) -> Spent:
        """Return this and one more."""
        return Spent(
            usd=self.usd + (cost.usd or _NOTHING),
            counted=self.counted + 1,
            unpriced=self.unpriced + (cost.usd is None),
            input_tokens=self.input_tokens + cost.input_tokens,
            cached_tokens=self.cached_tokens + cost.cached_tokens,
            output_tokens=self.output_tokens + cost.output_tokens,
        )


class Ledger:
    """What was spent: each answer once, the conversation, each day."""

    def __init__(self, days: Mapping[date, Spent] | None = None) -> None:
        self._days = dict(days or {})
        self._conversation = Spent()
        self._costs: dict[str, Cost] = {}

    def add(self, key: str, cost: Cost, *, day: date) -> bool:
        """Count an answer or a transcript; return whether it is new.

        `key` tells them apart: the response's or item's id, with the session's, as compatible servers begin their
        ids anew. A response that is told to be done twice is billed once.
        """
        if key in self._costs:
            return False
        self._costs[key] = cost
        self._conversation = self._conversation.plus(cost)
        self._days[day] = self.day(day).plus(cost)
        return True

    def cost(self, key: str) -> Cost | None:
        """Return what was added under this key in this conversation."""
        return self._costs.get(key)

    def begin_conversation(self, spent: Spent | None = None) -> None:
        """Count from zero, or go on from what a continued conversation had come to; days are not touched."""
        self._conversation = spent or Spent()
        self._costs.clear()

    @property
    def conversation(self) -> Spent:
        """What this conversation came to."""
        return self._conversation

    @property
    def days(self) -> Mapping[date, Spent]:
        """What each day came to."""
        return self._days

    def day(self, day: date) -> Spent:
        """Return what a day came to."""
        return self._days.get(day, Spent())

    def over_budget(self, limit_usd: Decimal | float | None, *, day: date) -> bool:
        """Whether what is known to be spent on `day` has reached the limit; None or zero: there is none."""
        limit = Decimal(str(limit_usd or 0))
        return limit.is_finite() and limit > 0 and self.day(day).usd >= limit


# --- the file of a profile ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadedSpending:
    """What the file gave."""

    days: Mapping[date, Spent] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


class SpendingFile:
    """The days of one profile, so that a daily figure outlives the program."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SPENDING_FILE

    def load(self) -> LoadedSpending:
        """Return the days; a file that is missing or not ours never stops the program."""
        try:
            content = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return LoadedSpending()
        except (OSError, ValueError, RecursionError):
            return self._not_ours()
        days = content.get("days") if isinstance(content, dict) else None
        if not isinstance(days, dict):
            return self._not_ours()
        read = {_day(name): _spent(values) for name, values in days.items()}
        return LoadedSpending({day: spent for day, spent in read.items() if day and spent})

    def save(self, days: Mapping[date, Spent]) -> None:
        """Write the last `KEPT_DAYS` days.

        Raises `SettingsError` if that cannot be done; the file that was there is untouched then.
        """
        kept = sorted(days)[-KEPT_DAYS:]
        content = {"version": 1, "currency": "USD", "days": {str(day): _as_json(days[day]) for day in kept}}
        try:
            write_atomically(self._path, json.dumps(content, indent=1) + "\n")
        except OSError as error:
            raise SettingsError(
                f"What was spent today could not be written down: {error.strerror}.",
                "It is counted until Parley ends, and you can talk and type all the same. "
                f"Check that {self._path} can be written and that the disk is not full.",
            ) from error

    def _not_ours(self) -> LoadedSpending:
        aside = self._path.with_name(f"{SPENDING_FILE}.not-read")
        hint = f"It was kept as {aside.name}; counting begins anew."
        try:
            self._path.replace(aside)
        except OSError:
            hint = f"Check {self._path}; counting begins anew."
        text = "What was spent earlier could not be read."
        return LoadedSpending(notices=(Notice(text, hint, Severity.WARNING, "spending"),))


def _as_json(spent: Spent) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(spent)
    return values


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _spent(values: Any) -> Spent | None:
    try:
        spent = msgspec.convert(values, Spent)
    except msgspec.ValidationError:  # of another version, or touched by hand: the other days count all the same
        return None
    counts = (spent.counted, spent.unpriced, spent.input_tokens, spent.cached_tokens, spent.output_tokens)
    return spent if _is_amount(spent.usd) and all(n >= 0 for n in counts) else None


# --- in words -----------------------------------------------------------------------------------


def money(usd: Decimal | None) -> str:
    """Return an amount as it is shown: `$0.0123`, `$1.20`, `< $0.0001`, and `–` where there is no figure."""
    if usd is None:
        return UNKNOWN
    if usd == 0:
        return "$0.00"
    if usd < _SMALLEST:
        return f"< ${_SMALLEST}"
    small = usd.quantize(_SMALLEST, ROUND_HALF_UP)
    return f"${small}" if small < 1 else f"${usd.quantize(_CENT, ROUND_HALF_UP):,}"


def money_spent(spent: Spent) -> str:
    """Return a sum as it is shown; what has no price makes it a lower bound."""
    if not spent.unpriced:
        return money(spent.usd)
    return f"at least {money(spent.usd)}" if spent.usd else UNKNOWN


def tokens(count: int) -> str:
    """Return a number of tokens in words: `1 token`, `12,345 tokens`."""
    return "1 token" if count == 1 else f"{count:,} tokens"


def explained(cost: Cost) -> tuple[str, ...]:
    """Return the split of a cost, a line each: `audio in: 29 tokens, $0.0009`."""
    lines = tuple(f"{line.kind.label}: {tokens(line.tokens)}, {money(line.usd)}" for line in cost.lines)
    if lines or not cost.tokens:
        return lines
    return (f"in: {tokens(cost.input_tokens)}", f"out: {tokens(cost.output_tokens)}")
