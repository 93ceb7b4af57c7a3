"""The skills, in the order they are asked: a new one is a module here and a line in `all_skills`."""

from __future__ import annotations

import random
from collections.abc import Sequence

from desktop_app.local_server.brain.lexicon import Lexicon
from desktop_app.local_server.brain.places import Places
from desktop_app.local_server.brain.skill import Skill
from desktop_app.local_server.brain.skills.bills import Bills
from desktop_app.local_server.brain.skills.clock import Clock
from desktop_app.local_server.brain.skills.clock_changes import ClockChanges
from desktop_app.local_server.brain.skills.countries import Countries
from desktop_app.local_server.brain.skills.dates import Dates
from desktop_app.local_server.brain.skills.distances import Distances
from desktop_app.local_server.brain.skills.holidays import Holidays
from desktop_app.local_server.brain.skills.meanings import Meanings
from desktop_app.local_server.brain.skills.notes import Notes
from desktop_app.local_server.brain.skills.numerals import Numerals
from desktop_app.local_server.brain.skills.offered import Offered
from desktop_app.local_server.brain.skills.sky import Sky
from desktop_app.local_server.brain.skills.sums import Sums
from desktop_app.local_server.brain.skills.talk import Talk
from desktop_app.local_server.brain.skills.timers import Timers
from desktop_app.local_server.brain.skills.units import Units
from desktop_app.local_server.brain.skills.volume import Volume
from desktop_app.local_server.brain.skills.words import Words


def all_skills(chance: random.Random) -> Sequence[Skill]:
    """Build every skill. Reads the tables and pint's units: about half a second, so not on the loop."""
    places = Places()
    skills: list[Skill] = [
        Timers(),
        Volume(),
        Notes(),
        Offered(places),
        Clock(places),
        Dates(),
        Sums(),
        Bills(),
        Units(),
        Numerals(),
        Holidays(places),
        ClockChanges(places),
        Sky(places),
        Distances(places),
        Countries(places),
        Words(),
        Meanings(Lexicon()),
    ]
    talk = Talk(lambda: [ability for skill in skills for ability in skill.abilities], chance)
    skills.append(talk)
    return tuple(skills)
