"""Places by the names people give them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from desktop_app.local_server.brain.places import Places
from desktop_app.resources import resource


@pytest.fixture(scope="module")
def places() -> Places:
    return Places()


@pytest.mark.parametrize(
    ("name", "said", "zone"),
    [
        ("Tokyo", "Tokyo", "Asia/Tokyo"),
        ("new york", "New York City", "America/New_York"),
        ("sao paulo", "São Paulo", "America/Sao_Paulo"),
        ("Zurich", "Zurich", "Europe/Zurich"),
        ("cologne", "Cologne", "Europe/Berlin"),
        ("st louis", "St. Louis, Missouri", "America/Chicago"),
        ("washington d c", "Washington, DC", "America/New_York"),
        ("cambridge", "Cambridge, United Kingdom", "Europe/London"),
        ("portland maine", "Portland, Maine", "America/New_York"),
        ("london ontario", "London, Canada", "America/Toronto"),
        ("the netherlands", "the Netherlands", "Europe/Amsterdam"),
        ("the hague", "The Hague", "Europe/Amsterdam"),
        ("uk", "the United Kingdom", "Europe/London"),
        ("california", "California", "America/Los_Angeles"),
        ("iceland", "Iceland", "Atlantic/Reykjavik"),
        ("utc", "UTC", "UTC"),
        ("pacific", "Pacific time", "America/Los_Angeles"),
    ],
)
def test_found(places: Places, name: str, said: str, zone: str) -> None:
    found = places.find(name)
    assert found is not None
    assert (found.name, found.zone) == (said, zone)


@pytest.mark.parametrize("name", ["narnia", "my house", "the kitchen", "love", "", "x" * 300, "prime minister"])
def test_not_found(places: Places, name: str) -> None:
    assert places.find(name) is None


def test_every_zone_of_the_table_exists() -> None:
    rows = resource("places.tsv").read_text(encoding="utf-8").splitlines()[2:]
    zones = {row.split("\t")[4] for row in rows} - {""}
    assert len(zones) > 300
    assert all(ZoneInfo(zone) for zone in zones)
