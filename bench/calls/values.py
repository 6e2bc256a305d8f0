"""Values that people say in calls, and how they say them: seeded, invented.

A spoken value is a list of parts. Each part is (text, is_token): tokens are what must be erased (or kept), the rest are words
between them ("as in", "um"), which are of neither kind. `keys` instead of parts: it is keyed, not said.
"""
from dataclasses import dataclass, field

DIGITS = "zero one two three four five six seven eight nine".split()
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
NATO = ("alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo sierra "
        "tango uniform victor whiskey x-ray yankee zulu").split()
COMMON = {"a": "apple", "b": "boy", "d": "dog", "f": "Frank", "g": "George", "k": "king", "m": "mother", "n": "nancy", "p": "peter",
          "r": "robert", "s": "sugar", "t": "tom", "v": "victor", "z": "zebra"}
SYMBOLS = ["exclamation mark", "hash", "dollar sign", "underscore", "dash", "at sign", "star", "dot", "question mark", "plus"]
ORDINALS = ("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
            "sixteenth seventeenth eighteenth nineteenth twentieth").split()
MONTHS = "January February March April May June July August September October November December".split()
WORDS = {  # by part, so that no word of a secret is in both
    "development": {
        "password": ("sunflower banjo rocket pepper dragon marble copper winter velvet lantern pirate orchard mustang bubble thunder "
                     "pickle tornado hazel saturn biscuit").split(),
        "answer": ("Bennett Rex Glasgow Hutchinson Smokey Dundee Marlow Patches Perth Kowalski Ginger Leeds Okafor Toffee Calgary "
                   "Ferreira Bella Durban").split(),
        "name": "Alice Morgan|Peter Nowak|Priya Shah|Tom Keller|Grace Osei|Ruth Lindqvist|Sam Ortega|Nadia Haddad".split("|"),
        "street": "Oak Street|Mill Lane|Victoria Road|Station Avenue|Chestnut Drive".split("|"),
        "company": "Harbour Bank|Skyline Air|Parkwise|Evergreen Health|Northgate Mobile".split("|"),
        "product": "app|router|online account|tablet|statement".split("|"),
        "agent": "Claire Daniel Fiona Marcus Wendy".split(),
    },
    "held_out": {
        "password": ("meadow falcon cactus nickel turtle ember galaxy walnut phantom cobalt jigsaw penguin autumn ribbon harvest "
                     "quartz bandit compass ginger monsoon").split(),
        "answer": ("Whitfield Biscuit Norwich Castellano Jasper Galway Prendergast Muffin Adelaide Rossi Shadow Bristol Mwangi Daisy "
                   "Toledo Albrecht Pepper Cork").split(),
        "name": "Helen Fraser|Omar Siddiqui|Laura Benitez|Jack Thornton|Mei Tanaka|Colm Brennan|Anita Desai|Victor Lund".split("|"),
        "street": "Elm Close|Bridge Street|Harbour View|Kings Parade|Juniper Way".split("|"),
        "company": "Brightwater|Telenova|Casa Hotels|Maplesoft|Union Power".split("|"),
        "product": "modem|laptop|booking|subscription|meter".split("|"),
        "agent": "Janet Robert Sinead Amit Holly".split(),
    },
}


@dataclass
class Value:
    kind: str
    parts: list = field(default_factory=list)  # (text, is_token)
    keys: str = ""

    def tokens(self):
        return [text for text, is_token in self.parts if is_token]

    def text(self):
        return " ".join(text for text, _ in self.parts)


def pair_words(two):
    number = int(two)
    if number < 10:
        return f"oh {DIGITS[number]}"
    if number < 20:
        return TEENS[number - 10]
    return TENS[number // 10] + ("" if number % 10 == 0 else " " + DIGITS[number % 10])


def say_digits(rng, digits, pairs=0.12):
    """"double five", "oh", "forty two": one style a value, as people have."""
    oh, repeats = rng.random() < 0.35, rng.random() < 0.5
    if rng.random() < pairs and len(digits) % 2 == 0:
        return [(word, True) for at in range(0, len(digits), 2) for word in pair_words(digits[at:at + 2]).split()]
    said, at = [], 0
    while at < len(digits):
        run = 1
        while at + run < len(digits) and digits[at + run] == digits[at] and run < 3:
            run += 1
        word = "oh" if digits[at] == "0" and oh else DIGITS[int(digits[at])]
        if repeats and run > 1:
            said += [("double" if run == 2 else "triple", True), (word, True)]
            at += run
        else:
            said.append((word, True))
            at += 1
    return said


def grouped(rng, digits, sizes):
    """A comma behind each group: a breath."""
    said, at = [], 0
    for size in sizes:
        group = say_digits(rng, digits[at:at + size])
        text, is_token = group[-1]
        said += group[:-1] + [(text + ("," if at + size < len(digits) else ""), is_token)]
        at += size
    return said


def random_digits(rng, count):
    return "".join(str(rng.randrange(10)) for _ in range(count))


def luhn(rng, count):
    body = rng.choice("345") + random_digits(rng, count - 2)
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return body + str(-total % 10)


def letter(rng, char, style):
    """One letter: its name, a NATO word, or both."""
    nato = NATO[ord(char) - ord("a")]
    if style == "nato":
        return [(nato, True)]
    if style == "as in" and rng.random() < 0.6:
        return [(char.upper(), True), (rng.choice(["as in", "for", "like"]), False), (COMMON.get(char, nato), True)]
    return [(char.upper(), True)]


def spelled(rng, length):
    style, cased = rng.choice(["names", "nato", "as in", "names"]), rng.random() < 0.5
    said = []
    for _ in range(length):
        roll = rng.random()
        if roll < 0.3:
            said.append((rng.choice(DIGITS), True))
        elif roll < 0.38 and said:
            said.append((rng.choice(SYMBOLS), True))
        else:
            if cased and rng.random() < 0.4:
                said.append((rng.choice(["capital", "uppercase", "lowercase", "small"]), True))
            said += letter(rng, chr(ord("a") + rng.randrange(26)), style)
    return said


def password(rng, words):
    chosen = rng.sample(words["password"], rng.choice([1, 1, 2]))
    said = [("capital", True), (chosen[0][0].upper(), True)] if rng.random() < 0.1 else []
    said += [(word, True) for word in chosen]
    said += [(word, True) for word in (rng.choice(DIGITS) for _ in range(rng.choice([0, 1, 2, 2, 4])))]
    if rng.random() < 0.6:
        said.append((rng.choice(SYMBOLS), True))
    return said


def one_time_code(rng):
    if rng.random() < 0.2:
        mixed = [(DIGITS[rng.randrange(10)], True) if rng.random() < 0.6 else (chr(ord("A") + rng.randrange(26)), True) for _ in range(6)]
        return mixed
    return say_digits(rng, random_digits(rng, rng.choice([4, 5, 6, 6, 6, 8])), pairs=0.25)


def card(rng):
    long = rng.random() < 0.85
    digits = luhn(rng, 16) if long else luhn(rng, 15)
    return grouped(rng, digits, [4, 4, 4, 4] if long else [4, 6, 5])


def alphanumeric(rng, length, letters=0.35):
    return [(chr(ord("A") + rng.randrange(26)), True) if rng.random() < letters else (DIGITS[rng.randrange(10)], True) for _ in range(length)]


def price_words(rng):
    whole, cents = rng.randrange(5, 99), rng.choice([0, 0, 50, 95, 99])
    text = f"{pair_words(f'{whole:02}')} {rng.choice(['dollars', 'pounds', 'euros'])}".replace("oh ", "")
    return [(text + (f" and {pair_words(str(cents))} cents" if cents else ""), True)]


def date_words(rng):
    day, month = rng.choice(ORDINALS), rng.choice(MONTHS)
    return [(rng.choice([f"the {day} of {month}", f"{month} {day}", f"{month} the {day}"]), True)]


def time_words(rng):
    hour = rng.choice(DIGITS[1:] + TEENS[:3])
    return [(rng.choice([f"{hour} thirty", f"quarter past {hour}", f"{hour} {rng.choice(['a m', 'p m', 'oclock'])}"]), True)]


def address_words(rng, words):
    return [(f"{pair_words(str(rng.randrange(10, 99)))} {rng.choice(words['street'])}", True)]


def make(rng, part, kind):
    words = WORDS[part]
    makers = {
        "password": lambda: password(rng, words),
        "pin": lambda: say_digits(rng, random_digits(rng, rng.choice([4, 4, 4, 5, 6]))),
        "card_number": lambda: card(rng),
        "card_cvv": lambda: say_digits(rng, random_digits(rng, rng.choice([3, 3, 3, 4])), pairs=0),
        "otp": lambda: one_time_code(rng),
        "ssn": lambda: grouped(rng, random_digits(rng, 9), [3, 2, 4]),
        "account_password_spelled": lambda: spelled(rng, rng.randrange(6, 11)),
        "security_answer": lambda: [(rng.choice(words["answer"]), True)],
        "phone": lambda: grouped(rng, random_digits(rng, 10), [3, 3, 4]),
        "ticket": lambda: say_digits(rng, random_digits(rng, rng.choice([6, 7, 8]))),
        "order": lambda: say_digits(rng, random_digits(rng, rng.choice([6, 8, 9]))),
        "serial": lambda: alphanumeric(rng, rng.choice([8, 10])),
        "model": lambda: alphanumeric(rng, rng.choice([4, 5, 6])),
        "tracking": lambda: alphanumeric(rng, rng.choice([10, 12])),
        "zip": lambda: say_digits(rng, random_digits(rng, 5)),
        "count": lambda: [(rng.choice([DIGITS[rng.randrange(1, 10)], pair_words(str(rng.randrange(10, 99)))]), True)],
        "price": lambda: price_words(rng),
        "date": lambda: date_words(rng),
        "time": lambda: time_words(rng),
        "address": lambda: address_words(rng, words),
    }
    return Value(kind, makers[kind]())


def keyed(rng, kind):
    count = {"card_number": 16, "pin": 4}[kind]
    return Value(kind, keys=random_digits(rng, count) + rng.choice(["", "#"]))
