"""Countries, distances, the sky, holidays, words, bills and numerals, word for word."""

from __future__ import annotations

import re

import pytest

from desktop_app.local_server.brain.lexicon import Lexicon
from desktop_app.local_server.brain.places import Places
from tests.local_server.brain.asking import ask, said


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        ("What's the capital city of Mongolia called?", "The capital of Mongolia is Ulaanbaatar."),
        ("France's capital?", "The capital of France is Paris."),
        ("tell me the capital of Texas", "The capital of Texas is Austin."),
        ("what's Washington's capital", "The capital of Washington is Olympia."),
        (
            "capital of Georgia",
            "The capital of the country Georgia is Tbilisi; that of the American state is Atlanta.",
        ),
        (
            "What is the capital of South Africa?",
            "South Africa has three: Pretoria for the government, Cape Town for parliament and "
            "Bloemfontein for the "
            "highest court.",
        ),
        ("what's the capital of Scotland", "The capital of Scotland is Edinburgh."),
        ("Is Sydney the capital of Australia?", "No. The capital of Australia is Canberra."),
        ("Is Canberra the capital of Australia?", "Yes. The capital of Australia is Canberra."),
        ("Lisbon is the capital of what country?", "Lisbon is the capital of Portugal."),
        ("what country is Ottawa the capital of", "Ottawa is the capital of Canada."),
        ("how many inhabitants does Poland have", "About 38.7 million people live in Poland."),
        ("How many people live in Georgia?", "About 4.9 million people live in the country Georgia."),
        ("what's the money in Sweden called", "In Sweden, they pay with the Swedish krona."),
        ("do they use the euro in Denmark", "No. In Denmark, they pay with the Danish krone."),
        (
            "what languages are spoken in Belgium",
            "The official languages of Belgium are Dutch, French and German.",
        ),
        ("what does Portugal border on", "Portugal borders only on Spain."),
        ("Which countries border Iceland?", "Iceland has no border on land with another country."),
        ("Is Norway next to Russia?", "Yes, Norway borders on Russia."),
        ("does Spain border Italy", "No, Spain has no land border with Italy."),
        ("which continent is Russia on", "Russia is in Europe, with a part in Asia."),
        ("Where is Zagreb?", "Zagreb is in Croatia, in Europe."),
        (
            "where's Springfield",
            "The largest Springfield I know is in Missouri in the United States, in North America.",
        ),
        ("is Lisbon in Spain", "No, Lisbon is in Portugal, in Europe."),
        ("is Cairo in Africa", "Yes, Cairo is in Africa."),
        ("what's the dialing code for Germany", "The calling code of Germany is plus 4, 9."),
        (
            "Biggest city in Texas",
            "By the people within its limits, the largest city of Texas is Houston, with about 2.31 million.",
        ),
        (
            "what is the largest country in the world",
            "By area, the largest country in the world is Russia, with about 17.1 million square kilometers.",
        ),
        ("how big is Monaco", ""),  # the table has whole square kilometers
        ("how many countries are there in the world", "193 countries are members of the United Nations."),
        (
            "which is bigger, Italy or Spain",
            "Spain. Italy has about 301,000 square kilometers, Spain about 505,000.",
        ),
        (
            "does Japan have more people than Germany",
            "Yes. Japan has about 123 million people, Germany about 84.1 million.",
        ),
        ("what is the capital of Narnia", "I don't know a country or city called Narnia, so I can't tell."),
        (
            "how far is Berlin from Munich",
            "From Berlin to Munich it's about 505 kilometers, or 315 miles, in a straight line.",
        ),
        (
            "how far is France from Japan",
            "From Paris in France to Tokyo in Japan it's about 9,710 kilometers, or 6,040 miles, in a "
            "straight line.",
        ),
        (
            "Which is closer to London, Madrid or Berlin?",
            "Berlin is closer: about 930 kilometers to London, against 1,260 for Madrid.",
        ),
    ],
)
def test_countries(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


def test_every_neighbour_is_one_both_ways_and_every_capital_is_named() -> None:
    countries = Places().countries
    assert sum(country.member for country in countries.values()) == 193
    for country in countries.values():
        assert all(country.code in countries[code].neighbours for code in country.neighbours), country.name
        if country.member:
            assert country.capital, country.name
            assert country.currencies, country.name
            assert country.population > 5_000, country.name
            assert country.area_km2 >= 1, country.name


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        ("when is sunset", "In London, the sun sets at 9:03 PM today."),  # timeanddate.com: 9:03 pm
        ("when does the sun go down in Sydney tomorrow", "In Sydney, the sun sets at 5:09 PM tomorrow."),
        ("What time is sunrise on Friday?", "In London, the sun rises at 5:13 AM on Friday, July 24th."),
        ("Does the sun set in Tromsø tonight?", ""),
        (
            "When does the sun set in Longyearbyen?",
            "In Longyearbyen, Svalbard and Jan Mayen, the sun does not set today.",
        ),
        ("how long is the day today", "In London, the day today has 15 hours and 53 minutes of sun."),
        ("how long until sunset", "6 hours and 58 minutes: in London, the sun sets at 9:03 PM."),
        ("When was the last full moon?", "The last full moon was on Tuesday, June 30th, 2026."),
        ("when's the next new moon", "The next new moon is on Wednesday, August 12th, 2026, in 21 days."),
        (
            "what does the moon look like",
            "Tonight the moon is waxing, between half and full; 61 percent of it is lit.",
        ),
        ("what season is it", "By the sun it's summer on the northern half of the earth."),
        (
            "when does winter start",
            "By the sun, winter begins on Monday, December 21st, 2026, on the northern half of the earth.",
        ),
        (
            "when do the clocks go back",
            "In your time zone, the clocks go back by 1 hour on Sunday, October 25th, 2026.",
        ),
        (
            "when does daylight saving time end in New York",
            "In New York City, the clocks go back by 1 hour on Sunday, November 1st, 2026.",
        ),
        ("when do the clocks change in Tokyo", "The clocks in Tokyo don't change within the next year."),
    ],
)
def test_sky_and_clocks(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


def test_the_sun_elsewhere_and_on_another_day_may_follow() -> None:
    assert said("When is sunset?", "And in Oslo?") == "In Oslo, the sun sets at 10:10 PM today."
    assert said("When is sunset?", "What about tomorrow?") == "In London, the sun sets at 9:02 PM tomorrow."
    assert said("What's the capital of Peru?", "And of Chile?").startswith("Chile's capital is Santiago")


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        (
            "Is Christmas a bank holiday?",
            "Yes, Friday, December 25th, 2026 is Christmas Day in England.",
        ),
        (
            "is Monday a public holiday in Germany",
            "No, Monday, July 27th, 2026 is no public holiday in the whole of Germany.",
        ),
        (
            "when is the next public holiday in France",
            "The next public holiday in France is Assumption Day, on Saturday, August 15th, 2026, in 24 days.",
        ),
        (
            "when is Labor Day in the United States",
            "Labor Day in the United States is on Monday, September 7th, 2026.",
        ),
        ("When is Diwali in India?", "Diwali in India is on Sunday, November 8th, 2026."),
        (
            "how many work days until Christmas",
            "After today, there are 110 working days left before Friday, December 25th, 2026, Monday "
            "to Friday without "
            "1 public holiday.",
        ),
        ("is tomorrow a working day", "Yes, Thursday, July 23rd, 2026 is a Thursday."),
        ("When's my sister's wedding?", ""),
    ],
)
def test_holidays(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        (
            "what does ephemeral mean",
            "By the dictionary, the adjective ephemeral means: lasting a very short time.",
        ),
        (
            "what is an isosceles triangle",
            "By the dictionary, an isosceles triangle is: a triangle with two equal sides.",
        ),
        ("what's a synonym of fast", "Other words for fast are rapid, quick, speedy, fleet and swift."),
        ("what's the antonym of expand", "The opposite of expand is contract."),
        ("opposite of hot", "The opposite of hot is cold."),
        ("what's the plural of child", "The plural of child is children, C, H, I, L, D, R, E, N."),
        ("plural of fish", "The plural of fish is fish, F, I, S, H."),
        ("plural of box", "The plural of box is boxes, B, O, X, E, S."),
        ("what does flurgle mean", "I don't know the word flurgle."),
        ("is irregardless a word", "Yes, irregardless is in my dictionary."),
        ("What does that mean?", ""),
        ("What is the meaning of life?", ""),
        ("what is love", ""),
    ],
)
def test_words(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


def test_the_lexicon_has_no_names_and_no_empty_meaning() -> None:
    lexicon = Lexicon()
    assert not lexicon.entries("paris") or all(
        "France" not in m for e in lexicon.entries("paris") for m in e.meanings
    )
    assert lexicon.base("dogs") == "dog"
    assert lexicon.base("walked") == "walk"
    assert lexicon.base("xyzzy") == ""
    assert lexicon.plurals("chef") == []  # may be irregular: nothing is said
    assert [entry.kind for entry in lexicon.entries("run")] == ["verb", "noun"]
    assert all(entry.meanings for word in ("run", "set", "bank", "happy") for entry in lexicon.entries(word))


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        (
            "I have a bill of 84 dollars and want to tip 20 percent",
            "That's a tip of 16.80 dollars, 100.80 dollars in all.",
        ),
        ("if dinner costs 150 euros and we are five people what does each pay", "That's 30 euros each."),
        ("divide 90 euros among 6 friends", "That's 15 euros each."),
        ("120 plus 19 percent VAT", "That's 142.80."),
        ("what's 20 percent discount on 250", "That's 200; you save 50."),
        (
            "The bill is 120 euros. How much does each of us pay with a 15 percent tip, split three ways?",
            "That's 46 euros each, 138 euros in all; the tip is 18 euros.",
        ),
        ("Split the bill.", ""),
        ("how do you say 1999 in roman numerals", "1999 in Roman numerals is M, C, M, X, C, I, X."),
        ("what is XLII in numbers", "The Roman numeral X, L, I, I is 42."),
        ("what is IIX in numbers", "I, I, X is not a Roman numeral I can read."),
        ("what's 4000 in Roman numerals", "Roman numerals go from 1 to 3,999 only."),
        ("13 in binary", "13 in binary is 1, 1, 0, 1."),
        ("round 2.71828 to three decimal places", "2.71828 to 3 decimal places is 2.718."),
        ("round 1,349 to the nearest hundred", "1,349 to the nearest 100 is 1,300."),
        ("what's the average of 4, 8 and 12", "The average of 4, 8 and 12 is 8."),
        ("what is the sum of 1, 2, 3 and 4", "The sum of 1, 2, 3 and 4 is 10."),
        ("how many years until 2050", "2050 is in 24 years."),
        ("What number day of the year is it?", "Today is day 203 of 2026."),
    ],
)
def test_bills_and_numbers(phrase: str, answer: str) -> None:
    assert said(phrase) == answer


def test_several_questions_at_once() -> None:
    assert said("What's the capital of France, Italy and Spain?") == (
        "The capital of France is Paris. The capital of Italy is Rome. The capital of Spain is Madrid."
    )
    assert said("What's 5 plus 5 and how many feet are in a mile") == "5 plus 5 is 10. 1 mile is 5,280 feet."
    assert said("Thanks! What's 5 plus 5?") == "5 plus 5 is 10."
    told = said("What time is it in Berlin and what's the weather there?")
    assert "3:05 PM" in told
    assert "can't see the weather" in told
    assert ask("What time is it and who wrote Hamlet?") is None


def test_left_to_chance() -> None:
    assert re.fullmatch(r"Left to chance: (pizza|sushi)\.", said("Choose for me: pizza or sushi?"))
    assert re.fullmatch(r"(Heads|Tails), (heads|tails) and (heads|tails)\.", said("flip three coins"))
    assert re.fullmatch(r"You rolled \d, \d and \d, that's \d+\.", said("roll three dice"))
