"""Reads a bank of phrases (BANK.md has its form). Strict: what is missing or in the wrong place is an error with its line."""
import pathlib
import re

SECRETS = ("password", "pin", "card_number", "card_cvv", "otp", "ssn", "account_password_spelled", "security_answer")
HARMLESS = ("phone", "ticket", "order", "date", "price", "model", "serial", "address", "zip", "tracking", "time", "count")
TOLD = ("price", "date", "ticket", "phone", "time", "count")
SLOTS = {"value", "name", "agent", "company", "product"}

SECTIONS = {
    "agent": ["open", "ask name", "acknowledge", "stall", "small talk", "thanks", "close", "again", "move on"],
    "customer": ["open", "query", "give name", "acknowledge", "stall", "small talk", "close", "refuse", "lead in"],
    "ask": [f"ask {k}" for k in SECRETS + HARMLESS] + [f"ask {k} again" for k in SECRETS],
    "say": [f"say {k}" for k in SECRETS + HARMLESS] + ["correct", "repeat"],
    "unasked": [f"volunteer {k}" for k in SECRETS],
    "agent_says": ["read back secret", "read back harmless", "tell password", "tell pin"] + [f"tell {k}" for k in TOLD],
    "mention": ["agent", "customer"],
}
WITH_VALUE = re.compile(r"(say|volunteer|tell|read back) |(correct|repeat)$")


class BadBank(Exception):
    pass


def sections_of(path):
    found, heading = {}, None
    for number, raw in enumerate(path.read_text(encoding="ascii").split("\n"), 1):
        line = raw.split("#", 1)[0].strip()
        if not line:
            continue
        if line.startswith("[") and line.endswith("]"):
            heading = line[1:-1]
            found.setdefault(heading, [])
            continue
        if heading is None:
            raise BadBank(f"{path.name}:{number}: a phrase before the first section")
        slots = re.findall(r"{(\w+)}", line)
        if not set(slots) <= SLOTS or re.search(r"\d", line):
            raise BadBank(f"{path.name}:{number}: an unknown slot or a digit")
        if slots.count("value") != bool(WITH_VALUE.match(heading)):
            raise BadBank(f"{path.name}:{number}: {{value}} stands once in what says a value, and nowhere else")
        found[heading].append(line)
    return found


def read_part(calls, name):
    """The banks of a part of `calls`. What people say in the plainest way stands in both parts: of the held out one it is left out."""
    found = read(pathlib.Path(calls, name))
    if name != "held_out":
        return found
    seen = {p.lower() for phrases in read(pathlib.Path(calls, "development")).values() for p in phrases}
    kept = {where: [p for p in phrases if p.lower() not in seen] for where, phrases in found.items()}
    if not all(kept.values()):
        raise BadBank("nothing of its own in " + ", ".join(f"[{section}]" for (_, section), phrases in kept.items() if not phrases))
    return kept


def read_one(folder):
    """{(file, section): [phrase, ...]} of one bank, each section with at least one."""
    bank = {}
    for name, expected in SECTIONS.items():
        found = sections_of(folder / f"{name}.txt")
        if set(found) != set(expected):
            raise BadBank(f"{folder.name}/{name}.txt: sections {sorted(set(found) ^ set(expected))} are missing or unknown")
        for heading, phrases in found.items():
            if not phrases:
                raise BadBank(f"{folder.name}/{name}.txt: [{heading}] is empty")
            bank[name, heading] = phrases
    return bank


def read(part):
    """All banks of a folder as one."""
    bank = {}
    for folder in sorted(p for p in pathlib.Path(part).iterdir() if p.is_dir()):
        for where, phrases in read_one(folder).items():
            bank.setdefault(where, []).extend(phrases)
    if not bank:
        raise BadBank(f"{part}: no bank")
    return bank
