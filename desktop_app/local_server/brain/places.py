"""Places, from `resources/places.tsv` (GeoNames' cities of 50,000 and more), and what is known of countries.

A name that several places share means the largest of them; "Portland, Maine" and "London Ontario" say which.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from zoneinfo import ZoneInfo

from desktop_app.resources import resource

_ALIASES = {
    "new york": "new york city",
    "nyc": "new york city",
    "big apple": "new york city",
    "la": "los angeles",
    "los angels": "los angeles",
    "sf": "san francisco",
    "frisco": "san francisco",
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
    "macau": "macao",
    "cape verde": "cabo verde",
    "east timor": "timor leste",
    "macedonia": "north macedonia",
    "turkiye": "turkey",
    "washington d c": "washington",
    "marrakesh": "marrakech",
    "munchen": "munich",
}

_CLOCKS = {
    "scotland": "edinburgh",
    "wales": "cardiff",
    "northern ireland": "belfast",
    "england": "united kingdom",
    "bali": "denpasar",
    "hawaii": "honolulu",
    "tahiti": "papeete",
    "alaska": "anchorage",
    "tenerife": "santa cruz de tenerife",
    "majorca": "palma",
    "mallorca": "palma",
    "sicily": "palermo",
    "crete": "irakleion",
    "quebec": "quebec city",
    "washington state": "seattle",
    "silicon valley": "san jose",
    "manhattan": "new york city",
    "hollywood": "los angeles",
}
"""What has the same clock as a place of the table, and nothing else in common with it."""

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
_RIVAL = 1 / 3
"""From this share of the largest namesake's people on, a name does not say which city is meant."""
_NO_ZONE_OF_ITS_OWN = {
    "VA": "Europe/Rome",
    "MC": "Europe/Monaco",
    "SM": "Europe/San_Marino",
    "LI": "Europe/Vaduz",
}
_WITH_THE = re.compile(
    r"^United|Islands$|Republic|^(?:Bahamas|Philippines|Maldives|Netherlands|Gambia|Comoros|Seychelles)$|^Republic"
)


class PlaceKind(Enum):
    """What a place is."""

    CITY = "city"
    STATE = "state"
    """One of the United States."""
    COUNTRY = "country"
    ZONE = "time zone"
    LIKENESS = "likeness"
    """Something that shares nothing but the clock with what it was looked up as: Bali and Denpasar."""


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
    """For a country or state; for a country, where `zone` is."""
    kind: PlaceKind = PlaceKind.ZONE
    population: int = 0
    """Of a city itself; for a country, see `Country`."""
    latitude: float = 0.0
    longitude: float = 0.0
    """In degrees; for a city, and for a country those of its capital if that is known."""
    state: str = ""
    """Code of the state or province, for cities of the USA and Canada."""
    rivals: int = 0
    """How many other cities of that name are nearly as large."""

    @property
    def located(self) -> bool:
        """Whether its coordinates are known."""
        return bool(self.latitude or self.longitude)


@dataclass(frozen=True, slots=True)
class Country:
    """What is known about a country."""

    code: str
    name: str
    """As it is said within a sentence: "the Netherlands"."""
    capital: str
    continents: tuple[str, ...]
    """The first one has most of it."""
    population: int
    area_km2: float
    languages: tuple[str, ...]
    """Official ones, the most spoken first."""
    currencies: tuple[str, ...]
    calling: str
    """For telephone calls: "49", "1-684"."""
    neighbours: tuple[str, ...]
    """Codes."""
    member: bool
    """Of the United Nations."""


class Places:
    """Finds a place by its name."""

    def __init__(self, table: Path | None = None) -> None:
        """Read the tables; `table` is for tests."""
        self.countries = {country.code: country for country in _read_countries()}
        self._cities: dict[str, list[Place]] = defaultdict(list)
        self._countries: dict[str, tuple[str, str, str]] = {}  # key: name, code, capital
        self._states: dict[str, tuple[str, str, str]] = {}  # key: name, code, capital
        self._country_names: dict[str, str] = {}
        self._state_names: dict[str, str] = {}
        self._home: dict[str, Place] = {}  # zone: its largest city
        self._zones_of: dict[str, dict[str, int]] = defaultdict(
            dict
        )  # country or US-state: zone, largest population
        for row in _rows(table or resource("places.tsv")):
            self._add(row)

    def _add(self, row: Mapping[str, str]) -> None:
        key, code = _key(row["name"]), row["country"]
        if row["kind"] == "country":
            self._countries[key] = (row["name"].strip(), code, row["capital"].strip())
            self._country_names[code] = row["name"].strip()
        elif row["kind"] == "state":
            self._states[key] = (row["name"], row["state"], row["capital"])
            self._state_names[row["state"]] = "DC" if row["state"] == "DC" else row["name"]
        else:
            city = Place(
                row["name"],
                row["zone"],
                code,
                kind=PlaceKind.CITY,
                population=int(row["population"]),
                latitude=float(row["latitude"]),
                longitude=float(row["longitude"]),
                state=row["state"],
            )
            self._cities[key].append(city)  # the table is sorted: the largest comes first
            self._home.setdefault(city.zone, city)
            for region in (code, f"{code}-{city.state}"):
                self._zones_of[region].setdefault(city.zone, city.population)

    def find(self, name: str) -> Place | None:
        """Return the place called `name`, as it was said, or None."""
        key = self._bare(name)
        if key in _ZONES:
            said = key.upper() if len(key) <= 4 else f"{key.title()} time"
            return Place(said, _ZONES[key])
        key = _ALIASES.get(key, key)
        if key in _CLOCKS and key not in self._states:
            found = self._country(_CLOCKS[key]) or self._city(_CLOCKS[key])
            return replace(found, kind=PlaceKind.LIKENESS) if found else None
        return self._country(key) or self._city(key) or self._state(key) or self._qualified(key)

    def region(self, name: str) -> Place | None:
        """Return the country or, if there is none of that name, the state of the USA."""
        key = self._bare(name)
        key = key if key in self._states else _ALIASES.get(key, key)
        return self._country(key) or self._state(key)

    def state(self, name: str) -> Place | None:
        """Return the state of the USA."""
        return self._state(self._bare(name).removesuffix(" state"))

    def home(self, now: dt.datetime) -> Place | None:
        """Return the largest city of the time zone somebody is in, or None if that says nothing of where."""
        zone = getattr(now.tzinfo, "key", "")
        return self._home.get(zone)

    def cities(self, country: str) -> list[Place]:
        """Return the cities of a country, the largest first."""
        found = [city for cities in self._cities.values() for city in cities if city.country == country]
        return sorted(found, key=lambda city: -city.population)

    def _bare(self, name: str) -> str:
        key = re.sub(r"^(?:downtown|central|greater|the (?:city|country|state|town) of) (?=\w)", "", _key(name))
        if (bare := key.removeprefix("the ")) != key and key not in self._cities and key not in self._countries:
            return bare
        return key

    def _country(self, key: str) -> Place | None:
        if key not in self._countries:
            return None
        name, code, capital = self._countries[key]
        zones = self._zones_of.get(code) or dict.fromkeys([_NO_ZONE_OF_ITS_OWN.get(code, "")], 0)
        capitals = [city for city in self._cities.get(_key(capital), ()) if city.country == code]
        zone = capitals[0].zone if capitals else next(iter(zones))
        if not zone:
            return None
        return Place(
            _in_a_sentence(name),
            zone,
            code,
            tuple(zones),
            capital,
            PlaceKind.COUNTRY,
            latitude=capitals[0].latitude if capitals else 0.0,
            longitude=capitals[0].longitude if capitals else 0.0,
        )

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
        rivals = sum(other.population >= city.population * _RIVAL for other in found[1:])
        named = city.name if known and not (country or state) and not rivals else f"{city.name}, {self.whose(city)}"
        return replace(city, name=named, rivals=rivals)

    def whose(self, city: Place) -> str:
        """Return the state or country of a city: "Missouri", "France"."""
        return self._state_names.get(city.state, "") if city.country == "US" else self._country_names[city.country]

    def _state(self, key: str) -> Place | None:
        if key not in self._states:
            return None
        name, code, capital = self._states[key]
        zones = self._zones_of.get(f"US-{code}")
        if not zones:
            return None
        return Place(name, next(iter(zones)), "US", capital=capital, kind=PlaceKind.STATE, state=code)

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
            if last == "england" and (city := self._city(first, country="GB")):
                return city
        return None

    @staticmethod
    def offsets(zones: Iterable[str], moment: dt.datetime) -> set[dt.timedelta | None]:
        """Return the different distances to UTC that `zones` have at `moment`."""
        return {moment.astimezone(ZoneInfo(zone)).utcoffset() for zone in zones}


def _rows(table: Path) -> Iterable[dict[str, str]]:
    return csv.DictReader(table.read_text(encoding="utf-8").splitlines()[1:], delimiter="\t")


def _read_countries() -> Iterable[Country]:
    for row in _rows(resource("countries.tsv")):
        yield Country(
            row["code"],
            _in_a_sentence(row["name"]),
            row["capital"],
            _split(row["continents"]),
            int(row["population"]),
            float(row["area_km2"]),
            _split(row["languages"]),
            _split(row["currencies"]),
            row["calling"],
            _split(row["neighbours"]),
            row["member"] == "1",
        )


def _split(field: str) -> tuple[str, ...]:
    return tuple(filter(None, field.split("|")))


def _in_a_sentence(name: str) -> str:
    bare = name.removeprefix("The ")
    return f"the {bare}" if _WITH_THE.search(bare) else bare


_PROVINCES = frozenset(
    {"ontario", "quebec", "british columbia", "alberta", "manitoba", "saskatchewan", "nova scotia", "new brunswick"}
)


def _key(name: str) -> str:
    letters = (
        c for c in unicodedata.normalize("NFD", name.lower()) if not unicodedata.combining(c) and c not in ".'’‘`"
    )
    return re.sub(r"^st ", "saint ", " ".join("".join(letters).replace("-", " ").replace(",", " ").split()))
