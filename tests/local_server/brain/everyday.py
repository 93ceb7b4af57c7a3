"""One hundred everyday requests that need no network, from morning to night, and twelve that do.

They were written down before the skills that answer them, and no skill may be shaped after one of them: what is
learnt from a failure here has to be learnt for its whole kind. The clock says Wednesday, 22 July 2026, 2:05 PM in
London; the tools the program brings along are offered, so what is a call of theirs is one here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an offered tool that must be made."""

    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    """A pattern for the whole of each argument; `due`: "2026-07-22T16:00", whichever way the tool is told."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and what must come of it: words, or calls; neither means it must be declined."""

    text: str
    says: str = ""
    """A pattern the answer contains, whatever the case."""
    calls: tuple[Call, ...] = ()
    """Exactly these calls, in this order."""
    after: str = ""
    """What was answered right before."""

    @property
    def declines(self) -> bool:
        """Whether nothing but an honest sentence will do."""
        return not self.says and not self.calls


def _timer(seconds: int, label: str = ".*") -> Call:
    return Call("set_timer", {"seconds": str(seconds), "label": label})


def _reminder(due: str, text: str = ".+") -> Call:
    return Call("set_reminder", {"due": due, "text": text})


def _time(zone: str) -> Call:
    return Call("get_local_time", {"zone": zone})


EVERYDAY: tuple[Asked, ...] = (
    # in the morning
    Asked("Good morning!", r"good (?:morning|afternoon)|hello"),
    Asked("What time is it?", r"2:05 PM", (Call("get_local_time"),)),
    Asked("What's the date today?", r"July 22", (Call("get_local_time"),)),
    Asked("Which day of the week is it?", r"Wednesday", (Call("get_local_time"),)),
    Asked("When does the sun rise tomorrow?", r"\b5:1\d AM"),
    Asked("What time is sunset today?", r"\b9:0\d PM"),
    Asked("Is today a public holiday?", r"^no\b"),
    Asked("How many days is it until the weekend?", r"\b(?:3|three) days"),
    Asked("Set an alarm for half past six tomorrow morning.", calls=(_reminder("2026-07-23T06:30"),)),
    Asked("Wake me up in forty five minutes.", calls=(_reminder("2026-07-22T14:50"),)),
    Asked("Set a timer for three minutes for my tea.", calls=(_timer(180, "(?:my )?tea"),)),
    Asked("How many minutes are in an hour and three quarters?", r"\b105\b"),
    Asked("What week of the year is this?", r"\b30\b"),
    Asked("How do you spell rhythm?", r"R, H, Y, T, H, M"),
    # in the kitchen
    Asked("How many grams is eight ounces?", r"\b22[67]\b"),
    Asked("What's 180 degrees Celsius in Fahrenheit?", r"\b356\b"),
    Asked("How many tablespoons are in a quarter cup?", r"\b4\b"),
    Asked("How many milliliters are there in two and a half cups?", r"\b59[12]\b"),
    Asked("What's 350 Fahrenheit in Celsius?", r"\b17[67]\b"),
    Asked(
        "Set a timer for twelve minutes and another one for half an hour.",
        calls=(_timer(720), _timer(1800)),
    ),
    Asked("Set a timer for five minutes and tell me the time in Oslo.", calls=(_timer(300), _time("Europe/Oslo"))),
    # at work
    Asked("How long is it until five o'clock?", r"\b2 hours and 55 minutes"),
    Asked("What time is it in New York?", r"9:05 AM", (_time("America/New_York"),)),
    Asked("What's the time difference between here and Singapore?", r"\b7 hours"),
    Asked("If it's three PM in San Francisco, what time is it here?", r"\b11(?::00)? PM"),
    Asked("What day is the fourteenth of November?", r"Saturday"),
    Asked("How many days are there between March first and May fifteenth?", r"\b75 days"),
    Asked("What's the date ninety days from now?", r"October 20"),
    Asked("How many working days are left this month?", r"\b[78]\b"),
    Asked("What is 23 times 47?", r"\b1,?081\b"),
    Asked("What's twelve and a half percent of 640?", r"\b80\b"),
    Asked("Divide one thousand by sixteen.", r"\b62\.5\b"),
    Asked("Add twenty percent to 85 pounds.", r"\b102\b"),
    Asked("What's the square root of 225?", r"\b15\b"),
    Asked("If a shirt costs sixty dollars and it's twenty five percent off, what do I pay?", r"\b45\b"),
    Asked("How many seconds are in a week?", r"\b604,?800\b"),
    Asked("Convert 60 miles an hour to kilometers an hour.", r"\b96\.\d+|\b97\b"),
    Asked("How many megabytes are in four gigabytes?", r"\b4,?(?:000|096)\b"),
    Asked("Round 3.14159 to two decimal places.", r"\b3\.14\b"),
    Asked("What's 2026 in Roman numerals?", r"M,? ?M,? ?X,? ?X,? ?V,? ?I\b"),
    Asked("What number is the Roman numeral X I V?", r"\b14\b"),
    Asked(
        "Take a note: the meeting moved to Thursday.",
        calls=(Call("create_note", {"text": ".*meeting moved to thursday.*"}),),
    ),
    Asked("Remind me at four PM to call the dentist.", calls=(_reminder("2026-07-22T16:00", "call the dentist"),)),
    Asked(
        "Remind me in twenty minutes to check the oven.",
        calls=(_reminder("2026-07-22T14:25", "check the oven"),),
    ),
    Asked("Set the volume to forty percent.", calls=(Call("set_volume", {"percent": "40"}),)),
    Asked("How loud is the volume right now?", calls=(Call("get_volume"),)),
    Asked(
        "Open wikipedia dot org.",
        calls=(Call("open", {"target": r"https?://(?:www\.)?wikipedia\.org/?"}),),
    ),
    Asked("What's on my clipboard?", calls=(Call("read_clipboard"),)),
    Asked("Take a screenshot.", calls=(Call("take_screenshot"),)),
    Asked("Which timers do I have running?", calls=(Call("list_timers"),)),
    Asked("Cancel my timer.", calls=(Call("cancel_timer"),)),
    # over lunch
    Asked("Split 86 dollars between four people.", r"\b21\.50?\b"),
    Asked("What's an eighteen percent tip on 52 dollars?", r"\b9\.36\b"),
    Asked(
        "The bill is 120 euros. How much does each of us pay with a fifteen percent tip, split three ways?",
        r"\b46\b",
    ),
    Asked("Flip a coin.", r"\bheads\b|\btails\b"),
    Asked("Roll two dice.", r"\b[1-6] and (?:a )?[1-6]\b"),
    Asked("Pick a random number between one and fifty.", r"\b(?:[1-9]|[1-4]\d|50)\b"),
    Asked("Choose for me: pizza or sushi?", r"\bpizza\b|\bsushi\b"),
    Asked("Tell me a joke.", r"\w+.{20,}"),
    # the world
    Asked("What's the capital of Portugal?", r"\bLisbon\b"),
    Asked("What's the capital of Kenya?", r"\bNairobi\b"),
    Asked("What's the capital of Australia?", r"\bCanberra\b"),
    Asked("Which country is Marrakesh in?", r"\bMorocco\b"),
    Asked("Which continent is Peru on?", r"\bSouth America\b"),
    Asked("How many people live in Brazil?", r"\b2[012]\d(?:\.\d+)? million"),
    Asked("What's the population of Chicago?", r"\b2\.[5-9]\d* million"),
    Asked("What's the biggest city in Turkey?", r"\bIstanbul\b"),
    Asked("What currency do they use in Thailand?", r"\bbaht\b"),
    Asked("What language do people speak in Austria?", r"\bGerman\b"),
    Asked("Which countries border Switzerland?", r"(?=.*France)(?=.*Germany)(?=.*Italy)(?=.*Austria)"),
    Asked("How far is it from Paris to Rome?", r"\b1,1\d\d kilomet|\b6[89]\d miles"),
    Asked("Is Canada bigger than the United States?", r"^yes|Canada is (?:bigger|larger)"),
    Asked("How big is France?", r"\b(?:5[45]\d|6[34]\d),?\d{3} square k"),
    Asked("What's the phone country code for Spain?", r"\b34\b|\b3, ?4\b"),
    Asked("How many countries are there in Africa?", r"\b5[3-8]\b"),
    Asked("Which is closer to London, Madrid or Berlin?", r"\bBerlin (?:is closer|is nearer|, )|^Berlin"),
    # the calendar
    Asked("When is Thanksgiving this year?", r"November 26"),
    Asked("When's the next bank holiday?", r"August 31"),
    Asked("Are there any public holidays in Germany in October?", r"October 3"),
    Asked("What date is Easter next year?", r"March 28"),
    Asked("Is 2028 a leap year?", r"^yes"),
    Asked("How many days are left this year?", r"\b162\b"),
    Asked("How old is someone who was born on April ninth, 1987?", r"\b39\b"),
    Asked("What day of the week was January first, 2000?", r"Saturday"),
    Asked("When is the next full moon?", r"July 29"),
    Asked("What phase is the moon in tonight?", r"first quarter|waxing|half"),
    Asked("What time does the sun set in Reykjavik?", r"\b10:[345]\d PM|\b11:0\d PM"),
    Asked("What number day of the year is it?", r"\b203"),
    Asked("When is the first day of autumn?", r"September (?:1st|2[23])"),
    Asked("When do the clocks change?", r"October 25"),
    # words
    Asked("What does frugal mean?", r"econom|thrift|spar|saving|avoid"),
    Asked("What's another word for happy?", r"glad|cheerful|content|joyful|felicitous|pleased"),
    Asked("What's the opposite of generous?", r"stingy|ungenerous|mean|petty"),
    Asked("How many letters are in the word Mississippi?", r"\b11\b"),
    Asked("What's the plural of cactus?", r"\bcacti\b|\bcactuses\b"),
    # in the evening
    Asked("Who are you?", r"offline|Parley"),
    Asked("What can you do?", r"\btime"),
    Asked("Can you say that again?", r"the moon is far", after="The moon is far."),
    Asked("Stop.", r"okay|all right"),
    Asked("Thanks, that's all. Good night!", r"good night|welcome"),
)

BEYOND: tuple[Asked, ...] = (
    Asked("What's the weather like tomorrow?"),
    Asked("What's in the news today?"),
    Asked("Who won the football last night?"),
    Asked("How tall is Taylor Swift?"),
    Asked("What's the best phone I can buy?"),
    Asked("Who's the president of France?"),
    Asked("How much is a dollar in euros?"),
    Asked("What did Einstein get the Nobel Prize for?"),
    Asked("How many calories are in a banana?"),
    Asked("Is coffee bad for you?"),
    Asked("When does the supermarket close?"),
    Asked("How do I get to the train station?"),
)
