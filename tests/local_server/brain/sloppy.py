"""Sixty requests said carelessly, written down with `everyday` and looked at only when everything else was done.

Of the 60, 53 were answered rightly as typed, 6 declined, 1 wrongly. Nothing was changed for the sake of a
failure here but one: opposites by way of similar words ("present" for "ancient") were guesses and are no longer
told. What fails is told in the table of the documentation.
"""

from __future__ import annotations

from tests.local_server.brain.everyday import Asked, Call

SLOPPY: tuple[Asked, ...] = (
    Asked("um, time?", r"2:05 PM", (Call("get_local_time"),)),
    Asked("yeah so what day is it again", r"Wednesday", (Call("get_local_time"),)),
    Asked("uh ten minute timer", calls=(Call("set_timer", {"seconds": "600"}),)),
    Asked("egg timer, six minutes", calls=(Call("set_timer", {"seconds": "360"}),)),
    Asked(
        "can you like set me a timer for, I don't know, twenty minutes",
        calls=(Call("set_timer", {"seconds": "1200"}),),
    ),
    Asked("alarm, seven AM", calls=(Call("set_reminder", {"due": "2026-07-23T07:00"}),)),
    Asked(
        "hey remind me to, uh, water the plants at six",
        calls=(Call("set_reminder", {"due": "2026-07-22T18:00", "text": "water the plants"}),),
    ),
    Asked("volume twenty percent", calls=(Call("set_volume", {"percent": "20"}),)),
    Asked("kill the timer", calls=(Call("cancel_timer"),)),
    Asked("note to self, buy batteries", calls=(Call("create_note", {"text": ".*buy batteries.*"}),)),
    Asked("time in Sydney right now?", r"11:05 PM", (Call("get_local_time", {"zone": "Australia/Sydney"}),)),
    Asked("so how far ahead is Dubai", r"\b3 hours"),
    Asked("okay and what's nine times twelve", r"\b108\b"),
    Asked("forty eight divided by six", r"\b8\b"),
    Asked("half of ninety seven", r"48\.5"),
    Asked("twenty percent of, um, 65", r"\b13\b"),
    Asked("tip on forty bucks, twenty percent", r"\b8\b"),
    Asked("seventy five dollars split three ways", r"\b25\b"),
    Asked("five foot eleven in centimeters", r"\b180"),
    Asked("two hundred pounds in kilos", r"\b90\.7"),
    Asked("how hot is ninety Fahrenheit in Celsius", r"\b32\.2"),
    Asked("ten K in miles", r"\b6\.2"),
    Asked("ounces in a pound?", r"\b16\b"),
    Asked("how many cups in a liter, roughly", r"\b4\.2"),
    Asked("capital of Norway?", r"\bOslo\b"),
    Asked("wait, what's Canada's capital again", r"\bOttawa\b"),
    Asked("like how many people are in Japan", r"\b12\d(?:\.\d+)? million"),
    Asked("how big is Texas", r"\b6[79]\d,\d{3}\b|\b26\d,\d{3}\b"),
    Asked("what money do they have in Poland", r"\bz[lł]oty"),
    Asked("what do they speak in Brazil", r"\bPortuguese\b"),
    Asked("what's Lisbon in, like which country", r"\bPortugal\b"),
    Asked("neighbors of Laos", r"(?=.*Thailand)(?=.*Vietnam)(?=.*China)"),
    Asked("distance London to Edinburgh", r"\b53\d kilomet|\b33\d miles"),
    Asked("is Egypt in Africa", r"^yes|Egypt is (?:a country )?in Africa"),
    Asked("bigger, Berlin or Madrid?", r"\bBerlin\b"),
    Asked("when's Christmas, like what weekday", r"Friday"),
    Asked("days till New Year's", r"\b163\b|\b162\b"),
    Asked("is Monday a holiday", r"^no\b"),
    Asked("what's the date next Friday", r"July 31|July 24"),
    Asked("three weeks from today is what", r"August 12"),
    Asked("sunset tonight?", r"\b9:0\d PM"),
    Asked("when's it get light tomorrow", r"\b[45]:\d\d AM"),
    Asked("sunrise in Tokyo tomorrow", r"\b4:4\d AM"),
    Asked("next new moon?", r"August 12"),
    Asked("born in 2001, how old is that", r"\b2[45]\b"),
    Asked("week number?", r"\b30\b"),
    Asked("spell, uh, conscience", r"C, O, N, S, C, I, E, N, C, E"),
    Asked("meaning of obsolete", r"no longer|out of|old"),
    Asked("synonym for big please", r"large|great|huge"),
    Asked("opposite of ancient?", r"modern|new|recent"),
    Asked("M C M X C in normal numbers", r"\b1,?990\b"),
    Asked("heads or tails", r"heads|tails"),
    Asked("gimme a number one to ten", r"\b(?:[1-9]|10)\b"),
    Asked("throw a die", r"\b[1-6]\b"),
    Asked("another joke please", r".{20,}"),
    Asked("hiya", r"hello|hi\b"),
    Asked("cheers mate", r"welcome"),
    Asked("shush", r"okay"),
    Asked("what was that?", r"the moon is far", after="The moon is far."),
    Asked("gonna rain today or what"),
)
