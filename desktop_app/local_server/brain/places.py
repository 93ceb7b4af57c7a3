"""Places and their time zones, from `resources/places.tsv` (GeoNames' cities of 50,000 and more).

A name that several places share means the largest of them; "Portland, Maine" and "London Ontario" say which.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from desktop_app.resources import resource

_ALIASES = {
    "new york": "new york city",
    "nyc": "new york city",
    "manhattan": "new york city",
    "big apple": "new york city",
    "la": "los angeles",
    "los angels": "los angeles",
    "hollywood": "los angeles",
    "sf": "san francisco",
    "frisco": "san francisco",
    "silicon valley": "san jose",
    "vegas": "las vegas",
    "dc": "washington",
    "washington dc": "washington",
    "philly": "philadelphia",
    "bombay": "mumbai",
    "calcutta": "kolkata",
    "madras": "chennai",
    "bangalore": "bengaluru",
    "peking": "beijing",
    "saigon": "ho chi minh city",
    "kiev": "kyiv",
    "rio": "rio de janeiro",
    "constantinople": "istanbul",
    "us": "united states",
    "usa": "united states",
    "america": "united states",
    "states": "united states",
    "united states of america": "united states",
    "uk": "united kingdom",
    "great britain": "united kingdom",
    "britain": "united kingdom",
    "england": "united kingdom",
    "scotland": "edinburgh",
    "wales": "cardiff",
    "northern ireland": "belfast",
    "holland": "the netherlands",
    "netherlands": "the netherlands",
    "czech republic": "czechia",
    "uae": "united arab emirates",
    "emirates": "united arab emirates",
    "burma": "myanmar",
    "swaziland": "eswatini",
    "congo": "democratic republic of the congo",
    "korea": "south korea",
    "vatican city": "vatican",
    "bali": "denpasar",
    "hawaii": "honolulu",
    "tahiti": "papeete",
    "alaska": "anchorage",
    "macau": "macao",
    "cape verde": "cabo verde",
    "east timor": "timor leste",
    "macedonia": "north macedonia",
    "turkiye": "turkey",
    "tenerife": "santa cruz de tenerife",
    "majorca": "palma",
    "mallorca": "palma",
    "sicily": "palermo",
    "crete": "irakleion",
    "washington d c": "washington",
    "marrakesh": "marrakech",
    "quebec": "quebec city",
    "washington state": "seattle",
    "munchen": "munich",
}

_ZONES = {
    "utc": "UTC",
    "gmt": "UTC",
    "greenwich": "UTC",
    "zulu": "UTC",
    "coordinated universal": "UTC",
    "eastern": "America/New_York",
    "est": "America/New_York",
    "edt": "America/New_York",
    "central": "America/Chicago",
    "cst": "America/Chicago",
    "cdt": "America/Chicago",
    "mountain": "America/Denver",
    "mst": "America/Denver",
    "mdt": "America/Denver",
    "pacific": "America/Los_Angeles",
    "pst": "America/Los_Angeles",
    "pdt": "America/Los_Angeles",
    "central european": "Europe/Paris",
    "cet": "Europe/Paris",
    "cest": "Europe/Paris",
    "british summer": "Europe/London",
    "bst": "Europe/London",
}

_WELL_KNOWN = 1_000_000
_NO_ZONE_OF_ITS_OWN = {"VA": "Europe/Rome", "MC": "Europe/Monaco", "SM": "Europe/San_Marino", "LI": "Europe/Vaduz"}


@dataclass(frozen=True, slots=True)
class Place:
    """A place with a clock."""

    name: str
    """As it is said: "Tokyo", "Cambridge, United Kingdom"."""
    zone: str
    """IANA name."""
    country: str = ""
    """ISO 3166 code, or empty for a mere time zone."""
    zones: tuple[str, ...] = ()
    """All zones of a country; `zone` is its capital's."""
    capital: str = ""
    """For a country: where `zone` is."""


@dataclass(frozen=True, slots=True)
class _City:
    name: str
    country: str
    state: str
    zone: str
    population: int


class Places:
    """Finds a place by its name."""

    def __init__(self, table: Path | None = None) -> None:
        """Read the table; `table` is for tests."""
        self._cities: dict[str, list[_City]] = defaultdict(list)
        self._countries: dict[str, tuple[str, str, str]] = {}  # key: name, code, capital
        self._states: dict[str, tuple[str, str]] = {}  # key: name, code
        self._country_names: dict[str, str] = {}
        self._state_names: dict[str, str] = {}
        self._zones_of: dict[str, dict[str, int]] = defaultdict(
            dict
        )  # country or US-state: zone, largest population
        lines = (table or resource("places.tsv")).read_text(encoding="utf-8").splitlines()[1:]
        for row in csv.DictReader(lines, delimiter="\t"):
            self._add(row)

    def _add(self, row: Mapping[str, str]) -> None:
        key, code = _key(row["name"]), row["country"]
        if row["kind"] == "country":
            self._countries[key] = (row["name"].strip(), code, row["capital"])
            self._country_names[code] = row["name"].strip()
        elif row["kind"] == "state":
            self._states[key] = (row["name"], row["state"])
            self._state_names[row["state"]] = "DC" if row["state"] == "DC" else row["name"]
        else:
            city = _City(row["name"], code, row["state"], row["zone"], int(row["population"]))
            self._cities[key].append(city)  # the table is sorted: the largest comes first
            for region in (code, f"{code}-{city.state}"):
                self._zones_of[region].setdefault(city.zone, city.population)

    def find(self, name: str) -> Place | None:
        """Return the place called `name`, as it was said, or None."""
        key = re.sub(r"^(?:downtown|central|greater) (?=\w)", "", _key(name))
        if (bare := key.removeprefix("the ")) != key and key not in self._cities and key not in self._countries:
            key = bare
        if key in _ZONES:
            said = key.upper() if len(key) <= 4 else f"{key.title()} time"
            return Place(said, _ZONES[key])
        key = _ALIASES.get(key, key)
        return self._country(key) or self._city(key) or self._state(key) or self._qualified(key)

    def _country(self, key: str) -> Place | None:
        if key not in self._countries:
            return None
        name, code, capital = self._countries[key]
        zones = self._zones_of.get(code) or dict.fromkeys([_NO_ZONE_OF_ITS_OWN.get(code, "")], 0)
        capitals = [city for city in self._cities.get(_key(capital), ()) if city.country == code]
        zone = capitals[0].zone if capitals else next(iter(zones))
        said = (
            f"the {name}"
            if name.startswith("United")
            or name.endswith(("s Islands", "Republic", "Bahamas", "Philippines", "Maldives"))
            else name
        )
        return Place(said.replace("The ", "the "), zone, code, tuple(zones), capital) if zone else None

    def _city(self, key: str, *, country: str = "", state: str = "") -> Place | None:
        found = [
            city
            for city in self._cities.get(key, ())
            if country in ("", city.country) and state in ("", city.state)
        ]
        if not found:
            return None
        city = found[0]
        known = city.population >= _WELL_KNOWN or (
            len(self._cities[key]) == 1 and city.population >= _WELL_KNOWN / 4
        )
        region = (
            self._state_names.get(city.state, "") if city.country == "US" else self._country_names[city.country]
        )
        return Place(
            city.name if known and not (country or state) else f"{city.name}, {region}", city.zone, city.country
        )

    def _state(self, key: str) -> Place | None:
        if key not in self._states:
            return None
        name, code = self._states[key]
        zones = self._zones_of.get(f"US-{code}")
        return Place(name, next(iter(zones)), "US") if zones else None

    def _qualified(self, key: str) -> Place | None:
        """Find "portland maine", "london ontario", "paris in france"."""
        words = [word for word in key.split() if word not in ("in", "the")]
        for split in range(len(words) - 1, 0, -1):
            first, last = " ".join(words[:split]), " ".join(words[split:])
            first, last = _ALIASES.get(first, first), _ALIASES.get(last, last)
            if last in self._countries and (city := self._city(first, country=self._countries[last][1])):
                return city
            if last in self._states and (city := self._city(first, country="US", state=self._states[last][1])):
                return city
            if last in _PROVINCES and (city := self._city(first, country="CA")):
                return city
        return None

    @staticmethod
    def offsets(zones: Iterable[str], moment: dt.datetime) -> set[dt.timedelta | None]:
        """Return the different distances to UTC that `zones` have at `moment`."""
        return {moment.astimezone(ZoneInfo(zone)).utcoffset() for zone in zones}


_PROVINCES = frozenset(
    {"ontario", "quebec", "british columbia", "alberta", "manitoba", "saskatchewan", "nova scotia", "new brunswick"}
)


def _key(name: str) -> str:
    letters = (
        c for c in unicodedata.normalize("NFD", name.lower()) if not unicodedata.combining(c) and c not in ".'’‘`"
    )
    return re.sub(r"^st ", "saint ", " ".join("".join(letters).replace("-", " ").replace(",", " ").split()))
