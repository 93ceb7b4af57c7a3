"""How far it is from one place to another, as the crow flies, and which of two is nearer.

Countries count from their capitals, which is said. The coordinates are good to a kilometer, cities are not points:
distances are rounded to what that bears.
"""

from __future__ import annotations

import math
import re

from desktop_app.local_server.brain.phrases import asking, matches, sentence
from desktop_app.local_server.brain.places import Place, PlaceKind, Places
from desktop_app.local_server.brain.skill import Answer, Request

_EARTH_KM = 6371.0
_KM_PER_MILE = 1.609344
_UNIT = r"(?:miles|kilometers|kilometres|km|kms)"
_STRAIGHT = "as the crow flies|in a straight line|by air|straight line"
_FROM_TO = (
    asking(
        rf"(?:how (?:far|many {_UNIT}|long)(?: away)?(?: is| are)?(?: it| there)?|(?:air |flight "
        rf")?distance(?: in {_UNIT})?"
        rf"|how far apart are|how many {_UNIT} (?:is it|are there|is there|lie)) ?(?:from |between |to "
        rf"go from |to get from )?"
        rf"(?:the )?(?P<p>[a-z].*?) (?:to|and|from|until|away from|till) (?:the )?(?P<q>[a-z].*?)(?: in {_UNIT})?",
        after=_STRAIGHT,
    ),
    asking(
        rf"(?P<p>[a-z].*?) (?:to|from) (?P<q>[a-z].*?) (?:distance|in {_UNIT})",
        after=_STRAIGHT,
    ),
)
_FROM_HERE = (
    asking(
        rf"(?:how (?:far|many {_UNIT})(?: away)?(?: is it| it is| is| are)?(?: (?:to|away))?|distance "
        rf"to) (?P<p>[a-z].*?)"
        r"(?: away)?(?: from (?:here|me|us|where i am|my place|home))?",
        after=_STRAIGHT,
    ),
)
_NEARER = re.compile(
    r"^(?:(?:what|which|which one|city|of them|is|are|the)\s)*(?P<how>closer|nearer|nearest|closest"
    r"|further|farther|further away"
    r"|farther away|more distant)(?: to| from| away from)? (?P<p>.+?)[, ]+(?P<q>\S+(?: \S+)?) or (?P<r>.+)$"
)
_NEARER_FIRST = re.compile(
    r"^(?:(?:what|which|which one|city)\s)?(?:is|are) (?P<q>.+?) or (?P<r>.+?) (?P<how>closer|nearer"
    r"|further|farther|further away"
    r"|farther away)(?: to| from) (?P<p>.+)$"
)


class Distances:
    """Answers how far apart places are."""

    abilities = ()

    def __init__(self, places: Places) -> None:
        self._places = places

    def answer(self, request: Request) -> Answer | None:
        """Return the distance, or the nearer of two places."""
        said = request.said
        if request.before is not None:
            return None
        for pattern in (_NEARER, _NEARER_FIRST):
            if match := pattern.match(said):
                return self._nearer(match, request)
        for groups in matches(_FROM_TO, said):
            here = groups["q"] in ("here", "me", "us", "home") or groups["p"] in ("here", "home")
            if not here and (answer := self._between(self._known(groups["p"]), self._known(groups["q"]))):
                return answer
        for groups in matches(_FROM_HERE, said):
            name = re.sub(r"^here to ", "", groups["p"])
            home, there = self._places.home(request.now), self._known(name)
            if there is None:
                continue
            if home is None:
                return Answer("I don't know where you are. Ask me for the distance between two cities.")
            answer = self._between(home, there)
            return (
                Answer(f"{answer.text} I take it from your time zone that you are near {home.name}.")
                if answer
                else None
            )
        return None

    def _known(self, name: str) -> Place | None:
        place = self._places.find(name)
        return place if place and place.located and place.kind in (PlaceKind.CITY, PlaceKind.COUNTRY) else None

    def _between(self, one: Place | None, other: Place | None) -> Answer | None:
        if one is None or other is None:
            return None
        km = _distance_km(one, other)
        if km < 1:
            return None
        return Answer(
            f"From {_point(one)} to {_point(other)} it's about {_rounded(km)} kilometers, or "
            f"{_rounded(km / _KM_PER_MILE)} miles, in a straight line."
        )

    def _nearer(self, match: re.Match[str], request: Request) -> Answer | None:
        here = match["p"] in ("here", "me", "us", "home")
        to = self._places.home(request.now) if here else self._known(match["p"])
        one, other = self._known(match["q"]), self._known(match["r"])
        if to is None or one is None or other is None:
            return None
        near, far = sorted((one, other), key=lambda place: _distance_km(to, place))
        nearest = match["how"] in ("closer", "nearer", "nearest", "closest")
        chosen, rest = (near, far) if nearest else (far, near)
        return Answer(
            f"{sentence(chosen.name)} is {'closer' if nearest else 'farther'}: about "
            f"{_rounded(_distance_km(to, chosen))} "
            f"kilometers {'to' if nearest else 'from'} {_point(to)}, against "
            f"{_rounded(_distance_km(to, rest))} for {rest.name}."
        )


def _point(place: Place) -> str:
    return f"{place.capital} in {place.name}" if place.kind is PlaceKind.COUNTRY else place.name


def _rounded(distance: float) -> str:
    step = 1 if distance < 100 else 5 if distance < 1000 else 10
    return f"{round(distance / step) * step:,}"


def _distance_km(one: Place, other: Place) -> float:
    """Return the length of the great circle between two places."""
    phi1, phi2 = math.radians(one.latitude), math.radians(other.latitude)
    half_phi, half_lambda = (phi2 - phi1) / 2, math.radians(other.longitude - one.longitude) / 2
    chord = math.sin(half_phi) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin(half_lambda) ** 2
    return 2 * _EARTH_KM * math.asin(math.sqrt(chord))
