"""Countries and cities: capitals, people, areas, money, languages, neighbours, continents, telephone codes.

The figures are those of `resources/countries.tsv` and `places.tsv`. A name that may mean two things is answered
with the one that was taken; a place that is not known is said to be unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from desktop_app.local_server.brain.phrases import asking, matches, say_large, sentence
from desktop_app.local_server.brain.places import Country, Place, PlaceKind, Places
from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import listing

_P = r"(?P<p>[a-z].*?)"
_OWN = r"(?P<p2>[a-z].*?)(?:'s|s'|s)?"
_PEOPLE = r"(?:people|inhabitants|residents|citizens|persons|human beings|humans)"
_USE = (
    r"(?:(?:do|does|would|will|can|should) (?:they|people|you|i|we|the people|locals)"
    r" (?:use|have|need|pay with|spend|take|pay in))"
)

_CAPITAL = (
    asking(rf"(?:capital|capitol)(?: city)?(?: is it)?(?: of| in| for| from)? {_P}"),
    asking(rf"{_OWN} (?:capital|capitol)(?: city)?"),
)
_CAPITAL_OF = (
    asking(rf"{_P} (?:is )?the (?:capital|capitol)(?: city)? of(?: (?:what|which)(?: country| state)?)?"),
    asking(rf"(?:of )?(?:what|which) (?:country|state) is {_P} the (?:capital|capitol)(?: city)?(?: of)?"),
)
_IS_CAPITAL = (asking(rf"{_P} (?:really |still )?the (?:capital|capitol)(?: city)? of (?P<q>.+?)"),)
_POPULATION = (
    asking(
        rf"(?:population|number of {_PEOPLE}|head count)(?: size)?(?: of| in| for)? {_P}",
        before="size|how big|how large",
    ),
    asking(
        rf"how (?:many|much) (?:{_PEOPLE})(?: (?:are|do|is|have))?(?: (?:there|they|it|we|living|live|reside))*"
        rf" (?:in|inside|within|on) {_P}"
    ),
    asking(rf"how many {_PEOPLE} (?:does|has|do|have) {_P}(?: have| got| contain)?"),
    asking(rf"{_OWN} (?:population|number of {_PEOPLE})(?: size)?", before="how big|how large"),
    asking(rf"how (?:populous|populated) is {_P}"),
)
_AREA = (
    asking(
        rf"how (?:big|large|vast|huge) is {_P}(?: (?:by|in) (?:area|size|square (?:kilometers|kilometres|miles)))?"
    ),
    asking(rf"(?:surface area|land area|total area|area|size)(?: in square \w+)? of {_P}(?: in square \w+)?"),
    asking(rf"how many square (?:kilometers|kilometres|miles|km) (?:is|are|has|does) {_P}(?: have| cover)?"),
    asking(rf"{_OWN} (?:surface area|land area|area)"),
)
_EURO = re.compile(
    r"^(?:do|does|can|is|are) (?:they|people|i|you|we|the euro|euros) (?:use |used |pay with |pay in "
    r"|accept |accepted |take |have )*(?:the )?(?:euros? )?in (?P<p>.+)$"
    r"|^does (?P<p2>.+?) (?:use|have) the euro$"
)
_CURRENCY = (
    asking(
        rf"(?:currency|money|currencies)(?: (?:is|are))?(?: {_USE})?(?: (?:used|in use|accepted"
        rf"|valid))? (?:in|of|for) {_P}"
    ),
    asking(rf"(?:currency|money) (?:does|do) {_P} (?:use|have)"),
    asking(rf"(?:do|can|would) (?:they|people|you|i|we) (?:pay|pay with|pay in)(?: with)? in {_P}"),
    asking(rf"{_OWN} (?:currency|money)"),
    asking(rf"{_USE} (?:for|as) (?:money|currency) in {_P}"),
)
_LANGUAGE = (
    asking(
        rf"languages?(?: (?:do|does|is|are))?(?: (?:the )?(?:they|people|you|locals))?(?: (?:speak"
        rf"|spoken|use|used|talk))?"
        rf" (?:in|of) {_P}"
    ),
    asking(rf"languages? (?:does|do) (?:the people of )?{_P} (?:speak|use|have)"),
    asking(rf"(?:do|does) (?:they|people|locals) (?:speak|talk) in {_P}"),
    asking(rf"(?:spoken|is spoken|they speak) in {_P}"),
    asking(rf"{_OWN} languages?"),
)
_NEIGHBOURS = (
    asking(
        r"(?:(?:countries|country|states|nations)(?: that| which)?(?: are| is)? )?"
        r"(?:border(?:s|ing)?(?: on)?|neighbou?r(?:s|ing)?|bordering|touch(?:es)?|surround(?:s|ing)?"
        rf"|next to|(?:share|have|has) a border with) {_P}"
    ),
    asking(
        rf"(?:neighbou?rs|neighbou?ring countries|border countries|borders|bordering countries) (?:of"
        rf"|to|does|with) {_P}(?: have)?"
    ),
    asking(rf"{_OWN} (?:neighbou?rs|neighbou?ring countries|neighbou?r countries|borders)"),
    asking(
        rf"(?:(?:countries|country) )?(?:does|do) {_P} (?:border(?: on| with)?|touch|neighbou?r|have a border with"
        r"|share (?:a border|borders|its borders?) with)"
    ),
    asking(
        rf"how many (?:countries|neighbou?rs|nations) (?:does|do|border|has|surround) {_P}(?: border| have| touch)?"
    ),
)
_BORDERS = re.compile(
    r"^(?:does|do) (?P<p>.+?) (?:border(?: on| with)?|touch|have a border with|share a border with) (?P<q>.+)$"
    r"|^(?:is|are) (?P<p2>.+?) (?:next to|a neighbou?r of|neighbou?ring|bordering|a neighbou?ring "
    r"country of) (?P<q2>.+)$"
    r"|^do (?P<p3>.+?) and (?P<q3>.+?) (?:border each other|share a border|have a common border|touch)$"
)
_CONTINENT = (
    asking(
        rf"(?:continent|part of the world) (?:is|does|do|are) {_P} (?:in|on|part of|belong to|located "
        rf"on|located in|lie in|lie on)"
    ),
    asking(rf"(?:continent|part of the world)(?: is)?(?: of)? {_P}"),
    asking(rf"{_P} (?:is )?(?:in|on) (?:which|what) continent"),
    asking(rf"{_OWN} continent"),
)
_COUNTRY_OF = (
    asking(
        rf"(?:what|which) (?:country|state|nation) (?:is|does|are) {_P} (?:in|located in|part of"
        rf"|belong to|located|lie in)"
    ),
    asking(rf"{_P} (?:is )?(?:in|part of|belongs to) (?:what|which) country"),
    asking(rf"(?:the )?country (?:of|for) (?:the city of )?{_P}"),
    asking(rf"(?:which|what) country has (?:the city of )?{_P}(?: in it)?"),
    re.compile(
        rf"^(?:(?:so|and|then|exactly) )*where (?:exactly |in the world |on earth )?(?:is|are|would i "
        rf"find|do i find|can i find) {_P}(?: (?:located|on the map|exactly|situated))*$"
    ),
    asking(rf"{_P} in(?: like)? (?:what|which) country"),
)
_IS_IN = re.compile(
    r"^(?:is|are) (?P<p>.+?) (?:located |situated |still )?(?:in|on|part of|a country in|a city in|a "
    r"part of) (?P<q>.+)$"
)
_CALLING = (
    asking(
        r"(?:(?:phone|telephone|dial|dialing|dialling|calling|country|international|area)\s)+(?:codes?|prefix|number)"
        rf"(?: is it)?(?: (?:for|of|in|to|when|i|you|phone|telephone|numbers|calling|calls|call|dial"
        rf"|from|use))* {_P}"
    ),
    asking(
        rf"(?:phone |telephone |calling |dialling |dialing )?(?:code|prefix)(?: numbers?)? (?:for|to "
        rf"call|to dial|to|of) (?:calling )?{_P}"
    ),
    asking(
        rf"{_OWN} (?:(?:phone|telephone|dial|dialing|dialling|calling|country|international)\s)+(?:code|prefix)"
    ),
    asking(rf"how do (?:i|you) (?:dial|call) {_P}"),
)
_MOST = r"(?P<which>biggest|largest|smallest|most populous|most populated|least populated|least populous)"
_BIGGEST_CITY = (
    asking(
        rf"(?P<nth>second |third )?{_MOST} (?:city|town|cities) (?:in|of|on) (?:the )?{_P}(?: by "
        rf"(?:population|people))?"
    ),
    asking(rf"{_OWN} (?P<nth>second |third )?{_MOST} (?:city|town)"),
    asking(rf"city in {_P} (?:is|has) the (?:biggest|largest|most people|highest population)(?P<which>)?"),
)
_BIGGEST_COUNTRY = (
    asking(
        rf"(?P<nth>second |third )?{_MOST} (?:country|nation|countries)(?: by (?P<by>population|people|area|size))?"
        rf"(?: (?:in|of|on) (?:the )?{_P})?(?: by (?P<by2>population|people|area|size))?"
    ),
    asking(
        r"country (?:in (?P<p>.+?) )?(?:has|have) the (?:most|highest number of|biggest number of"
        r"|highest) (?P<by>people|population|inhabitants)(?P<which>)?"
    ),
)
_HOW_MANY = (
    asking(
        r"how many (?P<what>countries|nations|states|continents)(?: (?:are|is))?(?: there)?(?: (?:in"
        r"|on) (?:the )?(?P<p>.+?))?"
    ),
    asking(r"how many (?P<what>countries|nations|states) (?:does|do|has) (?:the )?(?P<p>.+?) (?:have|has)?"),
    asking(r"number of (?P<what>countries|nations|states|continents)(?: (?:in|on) (?:the )?(?P<p>.+?))?"),
)
_BY = r"(?: (?:by|in) (?P<by>area|size|population|people|land))?"
_THAN = re.compile(
    r"^(?:is|are) (?P<p>.+?) (?:really |actually )?(?P<how>bigger|larger|smaller|more populous|more populated"
    rf"|less populated|less populous)(?: in area)? than (?P<q>.+?){_BY.replace('by>', 'by1>')}$"
    r"|^(?:does|do|has|have) (?P<p2>.+?) (?:have |has )?(?P<how2>more|fewer|less) (?:people"
    r"|inhabitants|residents|citizens) than (?P<q2>.+)$"
    r"|^(?:are there|do|is there) (?P<how3>more|fewer|less) (?:people|inhabitants) (?:live )?(?:in"
    r"|living in) (?P<p3>.+?) (?:than in|than|or in|or) (?P<q3>.+)$"
)
_WHICH = re.compile(
    r"^(?:(?:what|which|which one|who|country|city|one|of them|is|the|has|have)\s)*"
    r"(?P<how>bigger|larger|smaller|more populous|more populated|more people|more inhabitants)(?: "
    r"country| city| one)?"
    r"(?: in area| by (?:area|population)| population)? (?:of )?(?P<p>.+?) or (?P<q>.+)$"
    r"|^(?:is|are) (?P<p2>.+?) or (?P<q2>.+?) (?P<how2>bigger|larger|smaller|more populous|the bigger"
    r"|the larger)(?: country| city)?$"
)
_CONTINENTS = (
    "Africa",
    "Antarctica",
    "Asia",
    "Europe",
    "North America",
    "Oceania",
    "South America",
)
_CAPITAL_NOTES = {
    "ZA": "South Africa has three: Pretoria for the government, Cape Town for parliament and Bloemfontein for the "
    "highest court.",
    "BO": "Bolivia's capital is Sucre by its constitution; the government sits in La Paz.",
    "NL": "The capital of the Netherlands is Amsterdam; the government sits in The Hague.",
    "LK": "Sri Lanka's capital is Sri Jayawardenepura Kotte; Colombo is its largest city.",
    "IL": "Israel names Jerusalem its capital; most other countries keep their embassies in Tel Aviv.",
    "PS": "Palestine names East Jerusalem its capital; its government sits in Ramallah.",
    "BJ": "Benin's capital is Porto-Novo; the government sits in Cotonou.",
    "CI": "The capital of Ivory Coast is Yamoussoukro; the government sits mostly in Abidjan.",
    "MY": "Malaysia's capital is Kuala Lumpur; the government sits in Putrajaya.",
    "SZ": "Eswatini has two: Mbabane for the government and Lobamba for the king and parliament.",
    "CL": "Chile's capital is Santiago; its parliament sits in Valparaíso.",
    "GQ": "Equatorial Guinea's capital is Ciudad de la Paz, which has taken over from Malabo.",
    "TZ": "Tanzania's capital is Dodoma; Dar es Salaam is its largest city.",
}
"""Where one name would not be the whole truth."""
_HOME_NATIONS = {"england": "London", "scotland": "Edinburgh", "wales": "Cardiff", "northern ireland": "Belfast"}
_SMALLEST_KM2 = 20
_OURS = re.compile(r"\b(?:my|your|our|his|her|their|this|that|it|they|us|me|i|you|here|there)\b")


@dataclass(frozen=True, slots=True)
class PlaceFrame:
    """Something was asked about a place; another place may follow."""

    ask: str
    """Which of `Countries`' questions it was."""


class Countries:
    """Answers questions about countries, and about cities what a table can tell."""

    abilities = ("answer simple questions on countries and cities",)

    def __init__(self, places: Places) -> None:
        self._places = places
        self._asks: Mapping[str, tuple[Sequence[re.Pattern[str]], Callable[[str], Answer | None]]] = {
            "capital": (_CAPITAL, self._capital),
            "calling": (_CALLING, self._calling),
            "population": (_POPULATION, self._population),
            "currency": (_CURRENCY, self._currency),
            "language": (_LANGUAGE, self._language),
            "neighbours": (_NEIGHBOURS, self._neighbours),
            "continent": (_CONTINENT, self._continent),
            "country of": (_COUNTRY_OF, self._country_of),
            "area": (_AREA, self._area),
        }

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a question about a country or a city."""
        said = request.said
        if request.before is not None:
            return self._follow_up(said, request.before.frame)
        if answer := self._about_two(said) or self._ranked(said) or self._counted(said):
            return answer
        unknown = ""
        for name, (patterns, ask) in self._asks.items():
            for groups in matches(patterns, said):
                if answer := ask(groups["p"]):
                    return Answer(answer.text, frame=PlaceFrame(name), exact=answer.exact)
                unknown = unknown or (
                    groups["p"] if name in ("capital", "population", "currency", "language") else ""
                )
        return self._unknown(unknown)

    def _follow_up(self, said: str, frame: object) -> Answer | None:
        if not isinstance(frame, PlaceFrame):
            return None
        name = re.sub(r"^(?:(?:and|or|what about|how about|of|in|for|what is|the one of|that of) )+", "", said)
        answer = self._asks[frame.ask][1](name)
        return Answer(answer.text, frame=frame, exact=answer.exact) if answer else None

    # --- one place ------------------------------------------------------------------------------

    def _capital(self, name: str) -> Answer | None:
        if nation := _HOME_NATIONS.get(name):
            return Answer(f"The capital of {name.title()} is {nation}.")
        place = self._places.region(name)
        if place is None or not place.capital:
            return None
        if note := _CAPITAL_NOTES.get(place.country if place.kind is PlaceKind.COUNTRY else ""):
            return Answer(note)
        text = f"The capital of {place.name} is {place.capital}."
        state = self._places.state(name)
        if place.kind is PlaceKind.COUNTRY:
            text = f"The capital of {place.name} is {self._country(place).capital}."
            if state is not None:
                text = (
                    f"The capital of the country {place.name} is {place.capital}; that of the American state is "
                    f"{state.capital}."
                )
        return Answer(text)

    def _population(self, name: str) -> Answer | None:
        if name in ("the world", "the earth", "earth", "world", "the planet", "this planet", "the whole world"):
            total = sum(country.population for country in self._places.countries.values())
            return Answer(
                f"About {total / 1e9:.1f} billion people live in the world, all countries taken together."
            )
        if continent := _continent_named(name):
            total = sum(c.population for c in self._places.countries.values() if c.continents[0] == continent)
            return Answer(f"{sentence(say_large(total))} people live in {continent}.")
        place = self._places.find(name)
        if place is None or place.kind in (PlaceKind.STATE, PlaceKind.LIKENESS, PlaceKind.ZONE):
            return None
        if place.kind is PlaceKind.COUNTRY:
            country = self._country(place)
            return Answer(f"{sentence(say_large(country.population))} people live in {self._told(place)}.")
        return Answer(
            f"{sentence(say_large(place.population))} people live in {place.name} itself.{_rivals(place)}"
        )

    def _area(self, name: str) -> Answer | None:
        place = self._places.find(name)
        if place is None:
            return None
        if place.kind is PlaceKind.COUNTRY:
            area = self._country(place).area_km2
            if area < _SMALLEST_KM2:
                return None  # the table has whole square kilometers
            miles = say_large(area / 2.589988).removeprefix("about ")
            return Answer(
                f"{sentence(self._told(place))} has {say_large(area)} square kilometers, that is "
                f"{miles} square miles."
            )
        if place.kind is PlaceKind.CITY and place.name.lower().startswith(name):
            return Answer(
                f"I don't know the area of {place.name}, but {say_large(place.population)} people live there."
            )
        return None

    def _currency(self, name: str) -> Answer | None:
        country = self._country_around(name)
        if country is None or not country.currencies:
            return None
        return Answer(
            f"In {country.name}, they pay with the {listing(country.currencies).replace(' and ', ' and the ')}."
        )

    def _language(self, name: str) -> Answer | None:
        country = self._country_around(name)
        if country is None or not country.languages:
            return None
        if len(country.languages) == 1:
            return Answer(f"The official language of {country.name} is {country.languages[0]}.")
        return Answer(f"The official languages of {country.name} are {listing(country.languages)}.")

    def _neighbours(self, name: str) -> Answer | None:
        place = self._places.region(name)
        if place is None or place.kind is not PlaceKind.COUNTRY:
            return None
        country = self._country(place)
        others = sorted(self._places.countries[code].name for code in country.neighbours)
        if not others:
            return Answer(f"{sentence(country.name)} has no border on land with another country.")
        if len(others) == 1:
            return Answer(f"{sentence(country.name)} borders only on {others[0]}.")
        return Answer(f"{sentence(country.name)} borders on {len(others)} countries: {listing(others)}.")

    def _continent(self, name: str) -> Answer | None:
        if name in _HOME_NATIONS:
            return Answer(f"{name.title()} is in Europe.")
        place = self._places.find(name)
        if place is None or not place.country:
            return None
        country = self._places.countries.get(place.country)
        if country is None:
            return None
        if place.kind is PlaceKind.CITY and len(country.continents) > 1:
            if place.country != "EG":
                return None  # on which side, the table does not say
            return Answer(f"{place.name} is in Africa.")
        where = country.continents[0]
        rest = f", with a part in {country.continents[1]}" if len(country.continents) > 1 else ""
        return Answer(f"{sentence(self._told(place))} is in {where}{rest}.")

    def _country_of(self, name: str) -> Answer | None:
        if name in _HOME_NATIONS:
            return Answer(f"{name.title()} is one of the countries of the United Kingdom, in Europe.")
        place = self._places.find(name)
        if (
            place is None
            or place.kind in (PlaceKind.ZONE, PlaceKind.LIKENESS)
            or place.country not in self._places.countries
        ):
            return None
        country = self._places.countries[place.country]
        if place.kind is PlaceKind.COUNTRY:
            return self._continent(name)
        if place.kind is PlaceKind.STATE:
            return Answer(f"{place.name} is a state of the United States.")
        city = place.name.partition(",")[0]
        state = f"{self._places.whose(place)} in " if place.country == "US" else ""
        largest = "The largest " if place.rivals else ""
        there = f"{largest}{city}{' I know' if largest else ''} is in {state}{country.name}"
        where = "" if len(country.continents) > 1 else f", in {country.continents[0]}"
        return Answer(f"{sentence(there)}{where}.")

    def _calling(self, name: str) -> Answer | None:
        country = self._country_around(name)
        if country is None or not country.calling or "and" in country.calling:
            return None
        digits = ", ".join(country.calling.replace("-", ""))
        return Answer(f"The calling code of {country.name} is plus {digits}.")

    # --- two places -----------------------------------------------------------------------------

    def _about_two(self, said: str) -> Answer | None:
        for groups in matches((_THAN,), said):
            return self._than(groups)
        for groups in matches((_WHICH,), said):
            return self._which(groups)
        for groups in matches((_BORDERS,), said):
            return self._whether_neighbours(groups["p"], groups["q"])
        for groups in matches(_IS_CAPITAL, said):
            if re.match(r"(?:is|so|and) ", said) and not re.match(r"(?:what|which)", groups["q"]):
                return self._whether_capital(groups["p"], groups["q"])
        for groups in matches(_CAPITAL_OF, said):
            return self._capital_of(groups["p"])
        for groups in matches((_EURO,), said):
            if "euro" in said and (country := self._country_around(groups["p"])) and country.currencies:
                yes = "euro" in country.currencies
                told = self._currency(groups["p"])
                return Answer(f"{'Yes' if yes else 'No'}. {told.text}") if told else None
        for groups in matches((_IS_IN,), said):
            if answer := self._whether_in(groups["p"], groups["q"]):
                return answer
        return None

    def _whether_capital(self, city: str, name: str) -> Answer | None:
        place, named = self._places.region(name), self._places.find(city)
        if place is None or named is None or not place.capital:
            return None
        told = self._capital(name)
        same = city.lower() in (told.text.lower() if told else "")
        return Answer(f"{'Yes' if same else 'No'}. {told.text}") if told else None

    def _capital_of(self, city: str) -> Answer | None:
        place = self._places.find(city)
        bare = place.name.partition(",")[0] if place else city.title()
        for country in self._places.countries.values():
            if country.capital.lower() == bare.lower():
                return Answer(f"{bare} is the capital of {country.name}.")
        if place is None or place.kind is not PlaceKind.CITY:
            return None
        return Answer(f"{place.name} is not the capital of any country I know of.")

    def _whether_neighbours(self, first: str, second: str) -> Answer | None:
        one, other = self._places.region(first), self._places.region(second)
        if one is None or other is None or PlaceKind.STATE in (one.kind, other.kind):
            return None
        if other.country in self._country(one).neighbours:
            return Answer(f"Yes, {one.name} borders on {other.name}.")
        return Answer(f"No, {one.name} has no land border with {other.name}.")

    def _whether_in(self, first: str, second: str) -> Answer | None:
        place = self._places.find(first)
        if place is not None and place.rivals:  # there is one where it is asked for, or the question is open
            place = self._places.find(f"{first} {second}")
        if place is None or place.kind in (PlaceKind.ZONE, PlaceKind.LIKENESS):
            return None
        country = self._places.countries.get(place.country)
        if country is None:
            return None
        if continent := _continent_named(second):
            told = self._continent(first)
            return Answer(f"{'Yes' if continent in country.continents else 'No'}, {told.text}") if told else None
        whole = self._places.region(second)
        if whole is None or place.kind is PlaceKind.COUNTRY:
            return None
        if whole.kind is PlaceKind.STATE:
            same = place.country == "US" and place.state == whole.state
        else:
            same = place.country == whole.country
        told = self._country_of(first)
        return Answer(f"{'Yes' if same else 'No'}, {told.text}") if told else None

    def _than(self, groups: Mapping[str, str]) -> Answer | None:
        how, one, other = groups["how"], self._places.find(groups["p"]), self._places.find(groups["q"])
        if one is None or other is None:
            return None
        people = (
            "people" in groups.get("by", "")
            or "popul" in groups.get("by", "")
            or how not in ("bigger", "larger", "smaller")
        )
        sizes = self._sizes(one, other, people=people)
        if sizes is None:
            return None
        first, second, measure = sizes
        more = how in ("bigger", "larger", "more", "more populous", "more populated")
        yes = (first > second) == more and first != second
        return Answer(f"{'Yes' if yes else 'No'}. {_compared(one.name, first, other.name, second, measure)}")

    def _which(self, groups: Mapping[str, str]) -> Answer | None:
        how, one, other = groups["how"], self._places.find(groups["p"]), self._places.find(groups["q"])
        if one is None or other is None:
            return None
        sizes = self._sizes(one, other, people="people" in how or "popul" in how or "inhabitants" in how)
        if sizes is None:
            return None
        first, second, measure = sizes
        bigger, smaller = (one, other) if first >= second else (other, one)
        chosen = smaller if how == "smaller" else bigger
        return Answer(f"{sentence(chosen.name)}. {_compared(one.name, first, other.name, second, measure)}")

    def _sizes(self, one: Place, other: Place, *, people: bool) -> tuple[float, float, str] | None:
        kinds = {one.kind, other.kind}
        if kinds - {PlaceKind.COUNTRY, PlaceKind.CITY} or one == other:
            return None
        if kinds == {PlaceKind.COUNTRY} and not people:
            return self._country(one).area_km2, self._country(other).area_km2, "square kilometers"
        if len(kinds) > 1 and not people:
            return None
        return self._people(one), self._people(other), "people"

    def _people(self, place: Place) -> int:
        return self._country(place).population if place.kind is PlaceKind.COUNTRY else place.population

    # --- all of them ----------------------------------------------------------------------------

    def _ranked(self, said: str) -> Answer | None:
        for groups in matches(_BIGGEST_CITY, said):
            if answer := self._biggest_city(groups):
                return answer
        for groups in matches(_BIGGEST_COUNTRY, said):
            if answer := self._biggest_country(groups):
                return answer
        return None

    def _biggest_city(self, groups: Mapping[str, str]) -> Answer | None:
        which, name, at = groups.get("which", "biggest"), groups["p"], _nth(groups)
        if which in ("smallest", "least populated", "least populous"):
            return None  # the table ends at 50,000 people
        continent = _continent_named(name)
        if continent or name in ("world", "earth", "planet"):
            whole, codes = continent or "the world", [c.code for c in self._places.countries.values()]
            if continent:
                codes = [code for code in codes if self._places.countries[code].continents == (continent,)]
                if continent in ("Europe", "Asia", "Africa"):
                    return None  # Istanbul, Moscow: where the border is, decides
            cities = [city for code in codes for city in self._places.cities(code)]
            cities.sort(key=lambda city: -city.population)
        else:
            place = self._places.region(name)
            if place is None:
                return None
            whole = place.name
            cities = self._places.cities(place.country)
            if place.kind is PlaceKind.STATE:
                cities = [city for city in cities if city.state == place.state]
        if len(cities) <= at:
            return None
        rank = groups.get("nth", "") + "largest"
        return Answer(
            f"By the people within its limits, the {rank} city of {whole} is {cities[at].name}, with "
            f"{say_large(cities[at].population)}."
        )

    def _biggest_country(self, groups: Mapping[str, str]) -> Answer | None:
        which, name, at = groups.get("which", "most populous"), groups.get("p", "world"), _nth(groups)
        people = "popul" in which or groups.get("by", "") in ("population", "people", "inhabitants")
        continent = _continent_named(name)
        if not continent and name not in ("world", "earth", "planet"):
            return None
        countries = [
            country
            for country in self._places.countries.values()
            if country.member and (not continent or continent in country.continents)
        ]
        least = which in ("smallest", "least populated", "least populous")
        if least and not continent:
            return Answer("The smallest country in the world is Vatican City, by its area and by its people.")
        countries.sort(key=lambda c: c.population if people else c.area_km2, reverse=not least)
        if len(countries) <= at:
            return None
        first = countries[at]
        rank = f"{groups.get('nth', '')}{'smallest' if least else 'largest'}"
        size = (
            f"{say_large(first.population)} people" if people else f"{say_large(first.area_km2)} square kilometers"
        )
        by = "people" if people else "area"
        return Answer(
            f"By {by}, the {rank} country {f'in {continent}' if continent else 'in the world'} is "
            f"{first.name}, with {size}."
        )

    def _counted(self, said: str) -> Answer | None:
        for groups in matches(_HOW_MANY, said):
            what, name = groups["what"], groups.get("p", "world")
            everywhere = name in ("world", "earth", "planet", "whole world")
            if what == "continents":
                return Answer(f"There are seven: {listing(_CONTINENTS)}.") if everywhere else None
            if what == "states":
                place = self._places.region(name)
                return Answer("The United States has 50 states.") if place and place.country == "US" else None
            continent = _continent_named(name)
            if not continent and not everywhere:
                return None
            number = sum(
                country.member and (not continent or country.continents[0] == continent)
                for country in self._places.countries.values()
            )
            return Answer(
                f"{number} countries {f'in {continent}' if continent else ''} are members of the "
                f"United Nations.".replace("  ", " ")
            )
        return None

    # --- helping --------------------------------------------------------------------------------

    def _country(self, place: Place) -> Country:
        return self._places.countries[place.country]

    def _country_around(self, name: str) -> Country | None:
        """Return the country of that name, or the one a city or state is in."""
        code = "GB" if name in _HOME_NATIONS else ""
        if not code:
            place = self._places.find(name)
            code = place.country if place and not place.rivals else ""
        return self._places.countries.get(code)

    def _unknown(self, name: str) -> Answer | None:
        """Say that a place is not known, or that about it, if the name may be one of a place."""
        words = name.split()
        if not words or len(words) > 2 or words[0] in ("the", "a", "an") or _OURS.search(name):
            return None
        if name in _HOME_NATIONS or self._places.find(name) is not None:
            return Answer(f"I know {name.title()}, but I don't know that about it.", exact=False)
        return Answer(f"I don't know a country or city called {name.title()}, so I can't tell.", exact=False)

    def _told(self, place: Place) -> str:
        """Return the name, with what it is where a state is called the same."""
        if place.kind is PlaceKind.COUNTRY and self._places.state(place.name):
            return f"the country {place.name}"
        return place.name


def _continent_named(name: str) -> str:
    bare = name.removeprefix("the ").removeprefix("continent of ")
    return next((each for each in _CONTINENTS if each.lower() == bare), "")


def _nth(groups: Mapping[str, str]) -> int:
    return {"": 0, "second": 1, "third": 2}[groups.get("nth", "").strip()]


def _rivals(place: Place) -> str:
    return " There are others of that name." if place.rivals else ""


def _compared(one: str, first: float, other: str, second: float, measure: str) -> str:
    return f"{sentence(one)} has {say_large(first)} {measure}, {other} {say_large(second)}."
