"""The skills, in the order they are asked: a new one is a module here and a line in `all_skills`."""

from __future__ import annotations

import random
from collections.abc import Sequence

from desktop_app.local_server.brain.places import Places
from desktop_app.local_server.brain.skill import Skill
from desktop_app.local_server.brain.skills.clock import Clock
from desktop_app.local_server.brain.skills.dates import Dates
from desktop_app.local_server.brain.skills.offered import Offered
from desktop_app.local_server.brain.skills.sums import Sums
from desktop_app.local_server.brain.skills.talk import Talk
from desktop_app.local_server.brain.skills.units import Units
from desktop_app.local_server.brain.skills.words import Words


def all_skills(chance: random.Random) -> Sequence[Skill]:
    """Build every skill. Reads the tables and pint's units: about half a second, so not on the loop."""
    places = Places()
    skills: list[Skill] = [Offered(places), Clock(places), Dates(), Sums(), Units(), Words()]
    talk = Talk(lambda: [ability for skill in skills for ability in skill.abilities], chance)
    skills.append(talk)
    return tuple(skills)
