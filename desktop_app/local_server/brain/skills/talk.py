"""Courtesies, questions about the assistant itself, and things left to chance: fixed lines, honestly worded.

Most are for want of better (`exact=False`): with a large model connected, that one greets and jokes. What the
assistant is and can do while offline, and what it cannot see from here, is always said from here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from desktop_app.local_server.brain.skill import Answer, Request
from desktop_app.local_server.brain.wording import listing

_JOKES = (
    "Why did the computer go to the doctor? It had a virus.",
    "I would tell you a joke about time travel, but you didn't like it.",
    "What do you call a bear with no teeth? A gummy bear.",
    "Why don't scientists trust atoms? They make up everything.",
    "Why did the scarecrow win a prize? He was outstanding in his field.",
    "I used to hate facial hair, but then it grew on me.",
)

_NAMED = r"(?: (?:parley|computer|assistant|there|everyone|again|my friend|buddy|mate|robot|to you|pal|man|folks))*"
_GREETING = re.compile(
    rf"^(?:hey|hi|hello|howdy|hiya|yo|greetings|good (?P<part>morning|afternoon|evening|day)"
    rf"|hello hello|hi hi|morning|afternoon|evening){_NAMED}$"
)
_WHO = re.compile(
    r"^(?:who|what) (?:are you|am i (?:talking|speaking) (?:to|with))(?: exactly)?$|^(?:what is"
    r"|do you have|tell me|what do they call) (?:your|a|you)(?: name)?$"
    r"|^(?:are you|you are) (?:a |an )?(?:real )?(?:human|robot|ai|person|machine|computer"
    r"|chatgpt|siri|alexa|bot|large language model|artificial intelligence|real)(?: person"
    r"| being)?$"
    r"|^(?:introduce yourself|tell me (?:something |more )?about yourself|about yourself"
    r"|which model are you|what model are you|what (?:ai|llm|language model) (?:are you"
    r"|is this))$"
    r"|^(?:are you|is this) (?:online|offline|connected(?: to the internet)?|working offline)$"
    r"|^who (?:made|built|created|programmed) you$|^your name$"
)
_LANGUAGES = re.compile(
    r"^(?:do|can) you (?:also )?(?:speak|talk|understand)(?: in| any)? (?P<x>[a-z]+"
    r"|other languages|any other language)$|^(?:what|which|how many) languages (?:do"
    r"|can) you (?:speak|understand|know)$|^(?:speak|talk|answer)(?: to me)? (?:in )?(?:german"
    r"|french|spanish|italian|portuguese|japanese|chinese|russian|arabic|hindi)$"
)
_ABLE = re.compile(
    r"^what (?:kind of |sort of )?(?:things )?(?:can|could|do) you (?:do|help(?: me)? with|offer"
    r"|know|answer)(?: for me| exactly"
    r"| offline| without (?:the )?internet)?$|^(?:how|what) can you help(?: me)?(?: with)?$"
    r"|^what (?:can|could|should|may) i (?:ask|say|do)(?: (?:to )?you)?(?: about| here| to do)?$"
    r"|^help(?: me)?$|^what (?:are your|are you) (?:abilities|capabilities|skills|features"
    r"|capable of|able to do|good (?:at|for))$"
    r"|^(?:list|what are) (?:your )?(?:commands|skills|abilities|capabilities)$"
    r"|^what else can you do$|^how (?:do|does) (?:you|this) work$|^what do you do$"
)
_LINES: tuple[tuple[str, str], ...] = (
    (
        r"(?:ok |okay |great |perfect |alright |no |yes )*(?:thanks|thank you|thank you so much"
        r"|thank you very much|thanks a lot|many thanks|cheers|thanks so much|much appreciated"
        r"|i appreciate it|ta)"
        r"(?: (?:that is all|that is (?:great|perfect|helpful)|for (?:that|your help|the help"
        r"|everything)|buddy|mate|pal|man|parley|very much|a lot|so much|a bunch|again|you))*",
        "You're welcome.",
    ),
    (r"good night(?: parley| to you)?|sleep well|nighty? night", "Good night, sleep well."),
    (
        (
            r"(?:ok |okay |well )*(?:good ?bye|bye|bye bye|see you(?: later| soon| tomorrow)?"
            r"|talk to you later|farewell|so long|catch you later|have a (?:good|nice|great) (?:day|one"
            r"|evening|weekend|night))(?: parley| then| now)?"
        ),
        "Goodbye, talk to you soon.",
    ),
    (
        (
            r"(?:hey |hi |hello )?(?:how are you(?: doing| feeling| today| this \w+)*|how is it going"
            r"|how do you do|what is up|how have you been|are you (?:ok|okay|well|good))"
        ),
        "I'm fine, thank you. How are you?",
    ),
    (
        (
            r"(?:i am |i feel |i am doing )?(?:very |really |quite |just )?(?:fine|good|great|well|okay"
            r"|not bad|all right|alright)(?: too| thanks| thank you| as well)*"
        ),
        "Good to hear. What can I do for you?",
    ),
    (r"(?:nice|good|pleased|lovely) to (?:meet|see|talk to|hear) you(?: too)?", "Nice to meet you too."),
    (
        r"(?:can you hear me|are you there|are you listening|hello can you hear me|do you hear me"
        r"|is (?:anyone|anybody|this thing) (?:there|on)|are you awake|"
        r"(?:testing|test|mic check|microphone test|this is a test)(?: (?:testing|test|1|2|3|one|two"
        r"|three|check|this is a test))*)",
        "Yes, I hear you.",
    ),
    (
        (
            r"(?:no |ok |okay )*(?:never ?mind|forget (?:it|about it|that)|cancel(?: that| it)?"
            r"|stop(?: it| that| talking)?|nothing|no thanks|no thank you|that is (?:all|it|enough)"
            r"|be quiet|shut up|quiet|hold on|wait)"
        ),
        "Okay.",
    ),
    (
        (
            r"(?:yes|yeah|no|nope|okay|ok|alright|right|i see|sure|cool|great|nice|wow|really|good"
            r"|perfect|exactly|of course|fine|got it|i understand|understood|good to know"
            r"|interesting)(?: then| thanks| thank you)?"
        ),
        "Okay. What else can I do for you?",
    ),
    (r"(?:i am )?(?:sorry|so sorry)|i apologi[sz]e|my bad|my mistake", "No problem at all."),
    (
        r"i love you(?: too| so much)?|(?:will|would) you marry me|do you love me|i like you",
        "That's kind of you. I'm a program, but I'm glad to help.",
    ),
    (
        (
            r"(?:you are |that was |that is |very |really )*(?:awesome|amazing|the best|very helpful"
            r"|so helpful|helpful|smart|great|good job|well done|good work|brilliant|funny|impressive"
            r"|good boy|a genius|so smart)"
        ),
        "Thank you, that's kind.",
    ),
    (
        (
            r"(?:you are |that was |that is |this is )*(?:stupid|useless|dumb|terrible|an idiot|bad"
            r"|wrong|not right|not true|incorrect|not what i asked|not correct|the worst)"
        ),
        (
            "I'm sorry about that. I'm a small offline assistant; try saying it another way, or "
            "connect a larger model in the settings."
        ),
    ),
    (
        r"how old are you|when were you (?:born|made)|what is your age|when is your birthday",
        "I'm a program, so I have no age.",
    ),
    (
        r"where (?:are you|do you live|are you from)(?: from| located| running)?",
        "I run on your computer, without the network.",
    ),
    (
        (
            r"do you (?:sleep|eat|dream|drink|have (?:feelings|a body|friends|a family|emotions))"
            r"|are you (?:happy|sad|alive|conscious|hungry|tired|bored|sentient|married|single)"
            r"|can you (?:feel|think|see me)"
        ),
        "No, I'm a small program on your computer, so there's nothing like that going on.",
    ),
    (
        (
            r"(?:what is )?your favou?rite (?P<x>[a-z ]+)|what is your favou?rite [a-z ]+"
            r"|what do you like(?: to do)?|what are your hobbies"
        ),
        "I'm a program, so I don't have favourites. What's yours?",
    ),
    (
        (
            r"are you (?:recording|spying|listening to)(?: on)?(?: me)?(?: all the time)?"
            r"|do you (?:record|save|send) (?:me|my voice|what i say|this)(?: anywhere| somewhere)?"
        ),
        "Offline, what you say is understood on your own computer and sent nowhere.",
    ),
    (
        (
            r"(?:can you )?sing(?: me)?(?: (?:a|me a) song| something| for me)?"
            r"|(?:can you )?rap(?: for me)?|(?:can you )?beatbox"
        ),
        "I'd rather not, I only have a speaking voice.",
    ),
)
_I_AM = (
    r"(?:i am|i feel|i am feeling|i have been|i have been feeling|today i am"
    r"|today i feel) (?:(?:a bit|a little|so|very|really|quite|pretty|kind of|just|too|extremely"
    r"|rather|feeling|always|always so) )*"
)
_FEELINGS: tuple[tuple[str, str], ...] = (
    (
        (
            rf"{_I_AM}(?:sad|down|unhappy|depressed|miserable|low|blue|heartbroken|not (?:well|good"
            rf"|so good|happy|doing well))(?: today| right now| lately)*"
        ),
        "I'm sorry you feel that way. Do you want to tell me what happened?",
    ),
    (
        rf"{_I_AM}(?:lonely|alone)(?: today| right now| lately)*|i have (?:no friends|nobody to talk to)",
        "I'm sorry. I'm only a small program, but I'm listening. Is there somebody you could call?",
    ),
    (
        (
            rf"{_I_AM}(?:tired|exhausted|sleepy|worn out|knackered)(?: today| right now)*|i can not sleep"
            rf"|i did not sleep(?: well)?"
        ),
        "That sounds exhausting. I hope you get some rest soon.",
    ),
    (
        rf"{_I_AM}(?:bored)(?: today| right now)*|entertain me|i have nothing to do",
        "I can tell you a joke or toss a coin, if that helps.",
    ),
    (
        (
            rf"{_I_AM}(?:stressed|nervous|anxious|worried|scared|afraid|overwhelmed)(?: today| right now"
            rf"| about .{{1,40}}| of .{{1,40}})*"
        ),
        "That's not easy. Take a slow breath. What worries you most?",
    ),
    (
        (
            rf"{_I_AM}(?:angry|mad|annoyed|furious|frustrated|upset)(?: today| right now| about .{{1,40}}"
            rf"| with .{{1,40}}| at .{{1,40}})*"
        ),
        "I understand that it annoys you. What happened?",
    ),
    (
        (
            rf"{_I_AM}(?:happy|excited|glad|great|fantastic|wonderful|in a good mood)(?: today"
            rf"| right now)*|i had a (?:great|good|wonderful|lovely|fantastic) day"
        ),
        "That's good to hear! What made it so good?",
    ),
    (
        (
            rf"{_I_AM}(?:sick|ill|unwell|in pain)(?: today| right now)*|i have (?:a |the )?(?:headache"
            rf"|cold|flu|fever|stomach ache|toothache)|i do not feel (?:well|good)|my .{{1,20}} (?:hurts?"
            rf"|aches?|is sore)(?: a lot| today| so much)?"
        ),
        (
            "I'm sorry to hear that, I hope you feel better soon. I can't give medical advice; if it "
            "gets worse, please ask a doctor."
        ),
    ),
    (
        (
            r"(?:my|our) .{1,30} (?:is|are|was|got|has been) (?:very |really |so )?(?:ill|sick"
            r"|in (?:the )?hospital|dying)"
        ),
        "I'm sorry to hear that. I hope things get better soon.",
    ),
    (
        r"(?:my|our) .{1,30} (?:died|passed away|has died|is dead|has passed away)(?: .{1,30})?",
        "I'm very sorry for your loss.",
    ),
    (r"it is my birthday(?: today)?|today is my birthday", "Happy birthday!"),
    (
        (
            r"i got (?:a|the) (?:new )?(?:job|promotion|raise)(?: today)?|i passed (?:my|the) .{1,30}"
            r"|i won(?: .{1,30})?"
        ),
        "Congratulations, that's great news!",
    ),
    (
        rf"{_I_AM}(?:hungry|starving|thirsty)(?: right now)?",
        "Then it may be time for a break. What do you feel like having?",
    ),
    (
        (
            r"i (?:want to (?:die|kill myself|end (?:it|my life))|am (?:suicidal|going to kill myself))"
            r"|i do not want to live(?: anymore| any more)?|i (?:want|am going) to hurt myself"
        ),
        (
            "I'm really sorry you're in so much pain. I'm only a small program, and you deserve a "
            "person: please call your local emergency number or a crisis line now, or tell somebody "
            "close to you."
        ),
    ),
)
_SHORT = tuple((re.compile(f"^(?:{pattern})$"), line) for pattern, line in (*_FEELINGS, *_LINES))

_UNSEEN: tuple[tuple[str, str], ...] = (
    (
        (
            r"(?:what|how|will|is|do|does|are|should)\b.*\b(?:weather|forecast|raining|rain|snowing|snow"
            r"|umbrella|sunny|temperature outside|cold outside|hot outside|warm outside)\b.*"
            r"|(?:the )?weather(?: in .*| today| tomorrow| forecast)?"
        ),
        "I can't see the weather while I'm offline.",
    ),
    (
        r"(?:what|which|tell|give|any|is|are|show|read)\b.*\b(?:news|headlines)\b.*|(?:the )?news(?: today)?",
        "I can't get the news while I'm offline.",
    ),
    (
        (
            r"(?:what|how|who|did|is|when)\b.*\b(?:score|won the (?:game|match)|stock price|stocks?"
            r"|share price|exchange rate|bitcoin|traffic)\b.*"
        ),
        "I can't look that up while I'm offline.",
    ),
    (
        (
            r"(?:how (?:much|many)|convert|what) .*\b(?:dollars?|euros?|yen|rupees|francs"
            r"|pounds sterling|pesos)\b.* (?:in|to|into|is|are) .*\b(?:dollars?|euros?|yen|rupees|francs"
            r"|pounds|pesos)\b.*|\d+(?:\.\d+)? (?:dollars?|euros?|yen|pounds) (?:in|to|into) (?:dollars?"
            r"|euros?|yen|pounds)"
        ),
        "I don't know today's exchange rates while I'm offline.",
    ),
)
_BLIND = tuple((re.compile(f"^(?:{pattern})$"), line) for pattern, line in _UNSEEN)

_JOKE = re.compile(
    r"^(?:tell |say |give |know |do you know |do you have |have you got |i want )*(?:me "
    r"|us )?(?:to hear )?(?:a|another|any|some|one more|the)? ?(?:good |funny |short |bad |dad "
    r"|new |quick )*jokes?(?: about .*)?$|^make me laugh$|^(?:say )?something funny$"
    r"|^another one$"
)
_COIN = re.compile(r"^(?:flip|toss|throw|slip|clip)(?: me)? (?:a|the) coin$|^heads or tails$|^coin (?:flip|toss)$")
_MANY_COINS = re.compile(r"^(?:flip|toss|throw)(?: me)? (?P<n>[2-9]|10) coins$")
_MANY_DICE = re.compile(r"^(?:roll|throw)(?: me)? (?P<n>[3-9]|10) (?:(?P<sides>\d+) sided )?dice$")
_DIE = re.compile(
    r"^dice$|^(?:roll|throw)(?: me)? (?:a|the|one|some|two|2|1) (?:(?P<sides>\d+) sided "
    r"|six sided )?(?P<what>die|dice)$|^roll (?:a )?d ?(?P<d>\d+)$"
)
_PICK = re.compile(
    r"^(?:pick|choose|give me|think of|say|name|generate|tell me)? ?(?:a "
    r"|any )?(?:random )?number(?: (?:between|from))? (?P<a>\d{1,9}) (?:and|to) (?P<b>\d{1,9})$"
)
_CHOOSE = re.compile(
    r"^(?:(?:choose|pick|decide|select|help me (?:choose|decide)|which one|what should i (?:take|have"
    r"|choose|pick|eat|do)"
    r"|you (?:choose|pick|decide)|flip a coin|toss a coin|choose one|pick one|randomly pick|randomly choose)"
    r"(?: (?:for me|for us|between|from|one|at random|randomly|of|either))* "
    r")+(?P<options>(?!.*\bnumbers?\b).+ or .+|(?<=between )(?!.*\bnumbers?\b).+ and .+)$"
)
_COUNT = re.compile(r"^count (?:from (?P<a>\d{1,3}) )?(?:up )?to (?P<b>\d{1,3})$")


class Talk:
    """Says hello, thanks and goodbye, who it is and what it can do."""

    abilities = ("toss a coin or roll a die", "tell a joke")

    def __init__(self, abilities: Callable[[], Sequence[str]], chance: random.Random) -> None:
        """`abilities` tells what every skill can do, `chance` decides what is left to it."""
        self._abilities = abilities
        self._chance = chance

    def answer(self, request: Request) -> Answer | None:
        """Return a fixed line."""
        if request.before is not None:
            return None
        return self._about_itself(request) or self._by_chance(request) or _fixed(request)

    def _about_itself(self, request: Request) -> Answer | None:
        for said in (request.plain, request.said):
            if match := _GREETING.match(said):
                part = match["part"]
                hello = f"Good {part}" if part else "Hello"
                return Answer(f"{hello}! What can I do for you?", exact=False, courtesy=True)
            if _WHO.match(said):
                return Answer(
                    (
                        "I'm Parley's offline assistant, a small program on this computer. I'm exact about times, "
                        "dates, sums, units, countries and words, and I don't know much else."
                    ),
                    exact=False,
                )
            if _LANGUAGES.match(said):
                return Answer("Offline I speak and understand English only.", exact=False)
            if _ABLE.match(said):
                return Answer(
                    f"Offline I can {listing(self._abilities())}. For other questions, connect a model in the "
                    f"settings.",
                    exact=False,
                )
        return None

    def _by_chance(self, request: Request) -> Answer | None:
        said = request.figures
        if _JOKE.match(request.said):
            told = " ".join(message.text for message in request.earlier)
            return Answer(
                next((joke for joke in _JOKES if joke not in told), self._chance.choice(_JOKES)), exact=False
            )
        if _COIN.match(said):
            return Answer(f"It's {self._chance.choice(('heads', 'tails'))}.")
        if match := _MANY_COINS.match(said):
            tossed = [self._chance.choice(("heads", "tails")) for _ in range(int(match["n"]))]
            return Answer(f"{listing(tossed)}.".capitalize())
        if match := _MANY_DICE.match(said):
            rolled = [self._chance.randint(1, int(match["sides"] or 6)) for _ in range(int(match["n"]))]
            return Answer(f"You rolled {listing([str(each) for each in rolled])}, that's {sum(rolled)}.")
        if match := _DIE.match(said):
            return self._rolled(match)
        if (match := _CHOOSE.match(request.plain)) and not re.search(r"\d", match["options"]):
            options = [option for option in re.split(r"\s+(?:or|and)\s+", match["options"]) if option]
            return Answer(f"Left to chance: {self._chance.choice(options)}.")
        if match := _PICK.match(said):
            low, high = sorted((int(match["a"]), int(match["b"])))
            return Answer(f"{self._chance.randint(low, high):,}.")
        if match := _COUNT.match(said):
            first, last = int(match["a"] or 1), int(match["b"])
            if first < last <= first + 49:
                return Answer(f"{', '.join(str(number) for number in range(first, last + 1))}.")
        return None

    def _rolled(self, match: re.Match[str]) -> Answer | None:
        sides = int(match["sides"] or match["d"] or 6)
        if sides < 2:
            return None
        if match["what"] == "dice" and re.search(r"\b(?:two|2|some)\b", match[0]):
            first, second = self._chance.randint(1, sides), self._chance.randint(1, sides)
            return Answer(f"You rolled {first} and {second}, that's {first + second}.")
        return Answer(f"You rolled {self._chance.randint(1, sides)}.")


def _fixed(request: Request) -> Answer | None:
    for said in (request.plain, request.said):
        for pattern, line in _SHORT:
            if pattern.match(said):
                return Answer(line, exact=False, courtesy=True)
    for pattern, line in _BLIND:
        if pattern.match(request.figures):
            return Answer(f"{line} Connect a model in the settings, or use an API key.", exact=False)
    return None
