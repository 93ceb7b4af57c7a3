"""Every bundled thing is listed with its licence, and what the list points to is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

RESOURCES = Path(__file__).parents[1] / "resources"
LIST = RESOURCES / "LICENSES.md"


def test_everything_that_is_bundled_is_listed() -> None:
    listed = LIST.read_text("utf-8")
    for path in RESOURCES.iterdir():
        if path != LIST and path.stem != "places.LICENSE":
            assert path.name in listed, f"{path.name} is not in {LIST.name}"


def test_everything_that_is_fetched_is_listed_with_its_licence() -> None:
    lines = LIST.read_text("utf-8").splitlines()
    for weights in json.loads((RESOURCES / "models" / "weights.json").read_text("utf-8")):
        (line,) = [line for line in lines if line.startswith(f"| `{weights['name']}`")]
        assert weights["licence"] in line


def test_what_the_list_points_to_is_there() -> None:
    targets = re.findall(r"\]\((?!http)([^)]+)\)", LIST.read_text("utf-8"))
    assert targets
    for target in targets:
        assert (RESOURCES / target).exists(), target
