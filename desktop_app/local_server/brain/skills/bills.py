"""Bills, tips, discounts, taxes and shares: "The bill is 120 euros, with a fifteen percent tip, split three ways".

There is one amount, and any of a tip, a discount, an added percentage and a number of people. All four are found
wherever they stand; a word that is then left over and says something makes it another question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from desktop_app.local_server.brain.phrases import words
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import say_number

_N = r"\d+(?:\.\d+)?"
_CURRENCY = r"dollars?|bucks?|euros?|pounds?|quid|francs?|yen|rupees?|kronor|kroner|pesos?|zloty"
_PARTS = {
    "tip": (
        rf"(?:add(?:ing|ed)? |with |plus |including |and |leave |give |want to |for )*(?:an? "
        rf")?(?P<tip>{_N}) percent (?:tip|gratuity|service(?: charge)?)",
        rf"(?:tip|gratuity|service charge)(?: (?:of|at|is|with|for))* (?P<tip>{_N}) percent",
        rf"(?:tip|tipping)(?: (?:him|her|them|at))? (?P<tip>{_N}) percent",
    ),
    "off": (
        rf"(?:with |and |at |minus |for |has |gets? |is )*(?:an? )?(?P<off>{_N}) percent (?:off"
        rf"|discount|reduction|reduced|less|cheaper|rebate)(?: sale)?",
        rf"(?:with |and |at )*(?:an? )?(?:discount|reduction|rebate)(?: (?:of|is))? (?P<off>{_N}) percent",
        rf"(?:reduced|discounted) by (?P<off>{_N}) percent",
    ),
    "plus": (
        rf"(?:add(?:ing|ed)? |with |plus |including |and )+(?:an? )?(?P<plus>{_N}) percent(?: (?:vat"
        rf"|tax|sales tax|interest|gst))?(?: to)?",
        rf"(?:an? )?(?P<plus>{_N}) percent (?:vat|tax|sales tax|gst)(?: (?:on|to|of))?",
    ),
    "people": (
        r"(?:split|divided|shared?|divide|distribute)(?: (?:it|that|this|equally|evenly|up|the bill|by"
        rf"|between|among|amongst|into|in|for|with))* (?P<people>\d+)\b(?! (?:{_CURRENCY}|percent))"
        rf"(?: (?:people|persons|ways?"
        r"|friends|of us|guests|parts|person))*",
        r"(?:between|among|amongst|for) (?:the )?(?P<people>\d+) (?:of us|people|persons|friends|guests)",
        r"(?P<people>\d+) (?:ways|people|friends|of us|persons|guests)",
    ),
    "amount": (
        rf"(?:\b(?:bill|check|cheque|total|price|tab|meal|dinner|lunch|costs?|costing|of|is|was|for|on"
        rf"|comes to|to|at|sum)\s)*(?P<amount>{_N}) (?P<currency>{_CURRENCY})\b",
        rf"(?:(?:bill|check|cheque|total|price|tab|meal|dinner|lunch|costs?|on|of|is|was)\s)+(?P<amount>{_N})\b",
        rf"(?P<amount>{_N})\b",
    ),
}
_EMPTY = words(
    """
    if when the a an is was it its it's at of on for with and in what whats how much do does i we you each one us
    everyone everybody person per pay pays have has to be would will should then that this there comes come out now
    tip total altogether owe owes
    bill check cheque tab price cost costs meal dinner lunch restaurant shirt item something
    thing jacket dress shoes pair coat book phone laptop ticket tickets ours our my final new original after before
    share
    get gets leave give add split calculate work tell me so sale amount need are going gonna want evenly equally
    by let say divide divided among distribute amongst
    """
)
"""Words that change nothing about the sum."""
_TASK = re.compile(
    r"\b(?:tip|split|divide|divided|share|shared|off|discount|reduced|vat|tax|gratuity|service|add|plus|discounted|including|each)\b"
)


@dataclass(frozen=True, slots=True)
class _Bill:
    amount: Fraction
    currency: str
    tip: Fraction | None
    off: Fraction | None
    plus: Fraction | None
    people: int | None


class Bills:
    """Works out what somebody has to pay."""

    abilities = ("split bills",)

    def answer(self, request: Request) -> Answer | None:
        """Return what is to be paid."""
        if request.before is not None or not _TASK.search(request.figures):
            return None
        bill = _read(request.figures.replace(",", ""))
        return Answer(_told(bill, request.figures)) if bill else None


def _read(said: str) -> _Bill | None:
    """Find the parts of a bill; None if it is none, or there is more in it."""
    if re.search(r"\btip\b", said):
        said = re.sub(rf"\bat ({_N}) percent$", r"tip \1 percent", said)
    found: dict[str, str] = {}
    rest = said
    for name, patterns in _PARTS.items():
        for pattern in patterns:
            if match := re.search(rf"\b{pattern}", rest):
                found |= {key: value for key, value in match.groupdict().items() if value}
                rest = f"{rest[: match.start()]} {rest[match.end() :]}"
                break
        if name == "amount" and "amount" not in found:
            return None
    if not set(rest.split()) <= _EMPTY or not {"tip", "off", "plus", "people"} & set(found):
        return None
    if set(found) == {"amount", "people"} and "currency" not in found:
        return None  # "divide 100 by 4" is a plain sum
    people = int(found["people"]) if "people" in found else None
    if people == 0:
        return None
    shares = {key: Fraction(found[key]) / 100 if key in found else None for key in ("tip", "off", "plus")}
    currency = found.get("currency", "").replace("bucks", "dollars").replace("quid", "pounds")
    currency = (
        currency if not currency or currency.endswith(("s", "yen", "kronor", "kroner", "zloty")) else f"{currency}s"
    )
    return _Bill(Fraction(found["amount"]), currency, shares["tip"], shares["off"], shares["plus"], people)


def _told(bill: _Bill, said: str) -> str:
    total = bill.amount
    steps = []
    if bill.off is not None:
        total -= bill.amount * bill.off
        steps.append(f"you save {_money(bill.amount * bill.off, bill.currency)}")
    if bill.plus is not None:
        total += total * bill.plus
    tip = total * bill.tip if bill.tip is not None else None
    if (
        tip is not None
        and bill.people is None
        and not re.search(r"\b(?:with|including|total|plus|add|altogether|pay)\b", said)
    ):
        return f"That's a tip of {_money(tip, bill.currency)}, {_money(total + tip, bill.currency)} in all."
    if tip is not None:
        total += tip
        steps.append(f"the tip is {_money(tip, bill.currency)}")
    more = f"; {' and '.join(steps)}" if steps else ""
    if bill.people is None:
        return f"That's {_money(total, bill.currency)}{more}."
    each = f"That's {_money(total / bill.people, bill.currency)} each"
    if tip is None and bill.off is None and bill.plus is None:
        return f"{each}."
    return f"{each}, {_money(total, bill.currency)} in all{more}."


def _money(amount: Fraction, currency: str) -> str:
    text, exact = say_number(amount)
    if "." in text and len(text.rpartition(".")[2]) == 1:
        text += "0"
    return f"{'' if exact else 'about '}{text}{f' {currency}' if currency else ''}"
