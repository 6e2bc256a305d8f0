"""Dialogues: who says what in which order, with every secret and every harmless number marked. Seeded; no sound yet."""
from dataclasses import dataclass, field

import values
from bank import HARMLESS, SECRETS, TOLD

CUSTOMER, AGENT = "customer", "agent"
ASKED_WEIGHTS = {"password": 4, "pin": 3, "card_number": 3, "card_cvv": 3, "otp": 4, "ssn": 2, "account_password_spelled": 3, "security_answer": 3}
HARMLESS_WEIGHTS = {"phone": 4, "ticket": 4, "order": 3, "date": 2, "price": 1, "model": 2, "serial": 2, "address": 2, "zip": 2,
                    "tracking": 1, "time": 2, "count": 2}
CALLS_WITHOUT_SECRET = 0.3


@dataclass(eq=False)
class Mark:
    """What a stretch of speech is: an utterance of a secret, or a harmless number."""
    value: values.Value
    secret: dict = None  # None: to be kept
    role: str = "statement"
    retracted: bool = False


@dataclass(eq=False)
class Said:
    text: str
    mark: Mark = None
    token: bool = False


@dataclass(eq=False)
class Turn:
    channel: str
    said: list
    gap_ms: int
    keys: str = ""
    mark: Mark = None
    asks: dict = None  # the secret that this turn asks for


@dataclass
class Dialogue:
    scenario: str
    turns: list = field(default_factory=list)
    secrets: list = field(default_factory=list)
    unanswered: list = field(default_factory=list)  # turns that ask for what is never said


class Writer:
    def __init__(self, bank, part, rng):
        self.bank, self.part, self.rng = bank, part, rng
        words = values.WORDS[part]
        self.slots = {slot: rng.choice(words[slot]) for slot in ("name", "agent", "company", "product")}
        self.dialogue = Dialogue("")
        self.acts = []

    # ---- turns ----

    def phrase(self, file, section):
        return self.rng.choice(self.bank[file, section])

    def gap(self):
        return int(self.rng.triangular(-150, 1600, 450)) if self.rng.random() < 0.9 else self.rng.randrange(1600, 4000)

    def add(self, channel, said, **more):
        turn = Turn(channel, said, self.gap(), **more)
        self.dialogue.turns.append(turn)
        return turn

    def plain(self, channel, file, section, **more):
        return self.add(channel, [Said(self.phrase(file, section).format(**self.slots))], **more)

    def with_value(self, channel, phrase, mark, parts=None):
        before, after = phrase.split("{value}")
        said = [Said(before.format(**self.slots).strip())] if before.strip() else []
        said += [Said(text, mark if is_token else None, is_token) for text, is_token in (parts or mark.value.parts)]
        if after.strip(" "):
            if after[0] in ".,?!":
                said[-1].text += after[0]
                after = after[1:]
            if after.strip():
                said.append(Said(after.format(**self.slots).strip()))
        return self.add(channel, said)

    def often(self, probability):
        return self.rng.random() < probability

    # ---- what happens in a call ----

    def opening(self):
        self.plain(AGENT, "agent", "open")
        self.plain(CUSTOMER, "customer", "open")
        self.plain(CUSTOMER, "customer", "query")
        self.plain(AGENT, "agent", "acknowledge")
        if self.often(0.7):
            self.plain(AGENT, "agent", "ask name")
            self.plain(CUSTOMER, "customer", "give name")

    def harmless(self):
        kind = self.rng.choices(HARMLESS, [HARMLESS_WEIGHTS[k] for k in HARMLESS])[0]
        mark = Mark(values.make(self.rng, self.part, kind))
        self.plain(AGENT, "ask", f"ask {kind}")
        if self.often(0.15):
            self.plain(CUSTOMER, "customer", "stall")
        self.with_value(CUSTOMER, self.phrase("say", f"say {kind}"), mark)
        if self.often(0.45):
            self.with_value(AGENT, self.phrase("agent_says", "read back harmless"), Mark(mark.value))
            self.plain(CUSTOMER, "customer", "acknowledge")

    def told_harmless(self):
        kind = self.rng.choice(TOLD)
        value = values.make(self.rng, self.part, kind)
        self.with_value(AGENT, self.phrase("agent_says", f"tell {kind}"), Mark(value))
        if self.often(0.35):  # who writes it down says it again
            self.with_value(CUSTOMER, self.phrase("agent_says", "read back harmless"), Mark(value))
        self.plain(CUSTOMER, "customer", "acknowledge")

    def new_secret(self, value, asked):
        secret = {"id": f"{value.kind}{len(self.dialogue.secrets) + 1}", "type": value.kind, "asked": asked}
        self.dialogue.secrets.append(secret)
        return secret

    def secret_asked(self, kind=None):
        kind = kind or self.rng.choices(SECRETS, [ASKED_WEIGHTS[k] for k in SECRETS])[0]
        value = values.make(self.rng, self.part, kind)
        secret = self.new_secret(value, True)
        self.acts.append(kind)
        self.plain(AGENT, "ask", f"ask {kind}", asks=secret)
        if self.often(0.2):
            self.plain(CUSTOMER, "customer", "stall")
            if self.often(0.5):
                self.plain(AGENT, "ask", f"ask {kind} again", asks=secret)
        self.answer(kind, value, secret)
        if self.often(0.35):
            self.with_value(AGENT, self.phrase("agent_says", "read back secret"), Mark(value, secret, "readback"))
            self.plain(CUSTOMER, "customer", "acknowledge")
        elif self.often(0.25):
            self.plain(AGENT, "agent", "again", asks=secret)
            self.with_value(CUSTOMER, self.phrase("say", "repeat"), Mark(value, secret))
        self.plain(AGENT, "agent", "thanks" if self.often(0.6) else "acknowledge")

    def answer(self, kind, value, secret):
        mark = Mark(value, secret)
        phrase = self.phrase("say", f"say {kind}")
        if len(value.parts) >= 6 and self.often(0.3):
            return self.answer_in_parts(mark, phrase)
        if kind != "security_answer" and self.often(0.12):
            wrong = values.make(self.rng, self.part, kind)
            self.with_value(CUSTOMER, phrase, Mark(wrong, secret, retracted=True))
            return self.with_value(CUSTOMER, self.phrase("say", "correct"), mark)
        return self.with_value(CUSTOMER, phrase, mark)

    def answer_in_parts(self, mark, phrase):
        """Over several turns, with "mm-hm" of the other side between."""
        parts = mark.value.parts
        cuts = sorted(self.rng.sample(range(2, len(parts) - 1), min(self.rng.choice([1, 2, 3]), len(parts) - 3)))
        for begin, end in zip([0, *cuts], [*cuts, len(parts)]):
            before = phrase.split("{value}")[0] if begin == 0 else ""
            self.with_value(CUSTOMER, before + "{value}", mark, parts[begin:end])
            if end < len(parts):
                self.add(AGENT, [Said(self.rng.choice(["Mm-hm.", "Yes.", "Okay.", "Right.", "Uh-huh.", "Go on."]))])

    def secret_unasked(self):
        kind = self.rng.choice(SECRETS)
        value = values.make(self.rng, self.part, kind)
        self.acts.append(f"{kind} volunteered")
        self.with_value(CUSTOMER, self.phrase("unasked", f"volunteer {kind}"), Mark(value, self.new_secret(value, False)))
        self.plain(AGENT, "agent", "acknowledge")

    def secret_told(self):
        kind = self.rng.choice(["password", "pin"])
        value = values.make(self.rng, self.part, kind)
        secret = self.new_secret(value, False)
        self.acts.append(f"{kind} told")
        self.with_value(AGENT, self.phrase("agent_says", f"tell {kind}"), Mark(value, secret, "agent_disclosure"))
        if self.often(0.4):
            self.with_value(CUSTOMER, self.phrase("agent_says", "read back secret"), Mark(value, secret, "readback"))
        self.plain(CUSTOMER, "customer", "acknowledge")

    def secret_keyed(self):
        kind = self.rng.choice(["card_number", "pin"])
        value = values.keyed(self.rng, kind)
        secret = self.new_secret(value, True)
        self.acts.append(f"{kind} keyed")
        self.add(AGENT, [Said("Please key it in on your telephone now.")], asks=secret)
        self.add(CUSTOMER, [], keys=value.keys, mark=Mark(value, secret))
        self.plain(AGENT, "agent", "thanks")

    def secret_later(self):
        """A secret that was said before comes back, some turns later."""
        earlier = [t for t in self.dialogue.turns for s in t.said if s.mark and s.mark.secret and not s.mark.retracted and s.token]
        if not earlier:
            return self.small_talk()
        mark = next(s.mark for s in self.rng.choice(earlier).said if s.mark)
        return self.with_value(CUSTOMER, self.phrase("say", "repeat"), Mark(mark.value, mark.secret))

    def refused(self):
        kind = self.rng.choice(SECRETS)
        self.acts.append(f"{kind} refused")
        self.dialogue.unanswered.append(self.plain(AGENT, "ask", f"ask {kind}"))
        self.plain(CUSTOMER, "customer", "refuse")
        self.plain(AGENT, "agent", "move on")

    def mention(self):
        side = self.rng.choice([AGENT, CUSTOMER])
        self.plain(side, "mention", side)
        other = CUSTOMER if side == AGENT else AGENT
        self.plain(other, other, "acknowledge")

    def small_talk(self):
        side = self.rng.choice([AGENT, CUSTOMER])
        self.plain(side, side, "small talk")
        if self.often(0.6):
            other = CUSTOMER if side == AGENT else AGENT
            self.plain(other, other, "acknowledge")

    def write(self):
        rng = self.rng
        self.opening()
        quiet = rng.random() < CALLS_WITHOUT_SECRET
        middle = [self.harmless] * rng.choice([1, 2, 2, 3]) + [self.small_talk] * rng.choice([0, 1, 2]) + [self.mention] * rng.choice([0, 1, 1, 2])
        middle += [self.told_harmless] * rng.choice([0, 1])
        if quiet:
            middle += [self.refused] * rng.choice([0, 0, 1]) + [self.mention, self.harmless]
        else:
            middle += [self.secret_asked] * rng.choice([1, 1, 2, 2, 3])
            for act, chance in ((self.secret_unasked, 0.35), (self.secret_told, 0.2), (self.secret_keyed, 0.12), (self.secret_later, 0.2),
                                (self.refused, 0.1)):
                middle += [act] if rng.random() < chance else []
        rng.shuffle(middle)
        for act in middle:
            act()
        self.plain(AGENT, "agent", "close")
        self.plain(CUSTOMER, "customer", "close")
        self.dialogue.scenario = ", ".join(self.acts) or "no secret"
        return self.dialogue
