"""Dialogues of what recognisers write: bench/calls' dialogues, each phrase as tools/listening/hear heard it. Text and times, no sound; seeded."""
import json
import pathlib
import random
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "calls"))
import bank
import dialogue
import values

SIDES = {dialogue.CUSTOMER: 0, dialogue.AGENT: 1}
SAME_BREATH_MS = 480   # a shorter pause ends no turn (src/listen/turns)
CUTS = {",": 0.25, ".": 0.35, "?": 0.35}  # of the pauses inside an utterance: so many end a turn
SURE = 225             # the confidence of what was not heard but written
FILLS = 2        # a phrase with a value, with so many values
DROPPED = 0.10   # of the words of an utterance that nobody heard yet: as badly as some are heard
GARBLED = 0.06


def lists(path):
    """[section], then words, or names with "|" between."""
    found = {}
    for line in path.read_text(encoding="ascii").split("\n"):
        if line.startswith("["):
            words = found[line.strip("[]")] = []
        elif line and line[0] != "#":
            words += line.strip("|").split("|") if "|" in line else line.split()
    return found


def many_words():
    """The words that values are made of, instead of bench/calls' few; none that is held out."""
    held = {w.lower() for w in sum(values.WORDS["held_out"].values(), [])}
    return {section: [w for w in words if w.lower() not in held] for section, words in lists(ROOT / "tools/listening/words.txt").items()}


values.WORDS["development"] = many_words()


def utterances(folder):
    """(file, heading, number, kind of value, phrase) of a bank, mixed so that a part of them is like all of them."""
    found = []
    for file in bank.SECTIONS:
        for heading, phrases in bank.sections_of(folder / f"{file}.txt").items():
            for number, phrase in enumerate(phrases):
                if "{value}" not in phrase:
                    found.append((file, heading, number, None, phrase))
                    continue
                rng = random.Random(f"{folder.name} {file} {heading} {number}")
                what = heading.partition(" ")[2]
                kinds = [what] if what in bank.SECRETS + bank.HARMLESS else bank.HARMLESS if heading.endswith("harmless") else bank.SECRETS
                found += [(file, heading, number, rng.choice(kinds), phrase) for _ in range(FILLS)]
    random.Random(folder.name).shuffle(found)
    return found


def turn_of(phrases, rng, kind, phrase):
    """The phrase with its slots filled."""
    writer = dialogue.Writer(phrases, "development", rng)
    if kind is None:
        return dialogue.Turn("", [dialogue.Said(phrase.format(**writer.slots))], 0)
    return writer.with_value("", phrase, dialogue.Mark(values.make(rng, "development", kind)))


class Heard:
    """Utterances of one bank: {(file, heading): [utterance]}. What nobody heard yet is as it is written, with words missing and wrong."""

    def __init__(self, folder, path):
        self.by_place = {}
        done = 0
        for line in pathlib.Path(path).open() if path.exists() else ():
            self._add(json.loads(line))
            done += 1
        phrases, rng = bank.read_one(folder), random.Random(f"written {folder.name}")
        for file, heading, number, kind, phrase in utterances(folder)[done:]:
            self._add(self._written(file, heading, number, kind, turn_of(phrases, rng, kind, phrase), rng))

    def _add(self, one):
        self.by_place.setdefault((one["file"], one["heading"]), []).append(one)

    @staticmethod
    def _written(file, heading, number, kind, turn, rng):
        words, at = [], 0
        for said in turn.said:
            for word in said.text.split():
                if rng.random() < DROPPED:
                    continue
                text = rng.choice("friend time see one in mail on this him later".split()) if rng.random() < GARBLED else word
                words.append([text, at, at + 300, rng.randrange(140, 250), int(said.mark is not None)])
                at += 320
        return {"file": file, "heading": heading, "number": number, "kind": kind, "said": " ".join(s.text for s in turn.said),
                "words": words or [["Yes.", 0, 300, 200, 0]]}

    def all(self):
        return [one for found in self.by_place.values() for one in found]


class Writer(dialogue.Writer):
    """What is said becomes (channel, words, gap): words are (text, start, end, confidence, secret)."""

    def __init__(self, phrases, heard, rng):
        super().__init__(phrases, "development", rng)
        self.heard = heard
        self.told = []
        self.place = None  # (file, heading) of the phrase that is about to be said

    def _pick(self, file, section, kind=None):
        found = self.heard.by_place.get((file, section), [])
        fitting = [one for one in found if one["kind"] == kind] or found
        return self.rng.choice(fitting) if fitting else None

    def _tell(self, channel, words, secret):
        self.told.append((channel, [(w[0], w[1], w[2], w[3], int(secret and w[4])) for w in words], self.gap()))

    def _write(self, channel, text):
        self._tell(channel, [(w, 320 * n, 320 * n + 300, SURE, 0) for n, w in enumerate(text.split())], False)

    def phrase(self, file, section):
        self.place = (file, section)
        return super().phrase(file, section)

    def plain(self, channel, file, section, **more):
        turn = super().plain(channel, file, section, **more)
        one = self._pick(file, section)
        self._tell(channel, one["words"], False) if one else self._write(channel, turn.said[0].text)
        self.place = None
        return turn

    def add(self, channel, said, **more):
        if not said:
            self.told.append((channel, [], self.gap()))  # it is keyed
        elif len(said) == 1 and said[0].mark is None and self.place is None:
            self._write(channel, said[0].text)
        return super().add(channel, said, **more)

    def with_value(self, channel, phrase, mark, parts=None):
        turn = super().with_value(channel, phrase, mark, parts)
        one = self._pick(*self.place, mark.value.kind)
        if one:
            self._tell(channel, one["words"], mark.secret is not None)
        self.place = None
        return turn

    def answer_in_parts(self, mark, phrase):
        one = self._pick("say", f"say {mark.value.kind}", mark.value.kind)
        places = [n for n, word in enumerate(one["words"]) if word[4]] if one else []
        if len(places) < 3:
            return self.with_value(dialogue.CUSTOMER, phrase, mark)
        cuts = sorted(self.rng.sample(range(1, len(places)), min(self.rng.choice([1, 2, 3]), len(places) - 1)))
        edges = [0, *(places[c] for c in cuts), len(one["words"])]
        for begin, end in zip(edges, edges[1:]):
            first = one["words"][begin][1]
            self._tell(dialogue.CUSTOMER, [(t, a - first, b - first, c, v) for t, a, b, c, v in one["words"][begin:end]], True)
            if end < len(one["words"]):
                self._write(dialogue.AGENT, self.rng.choice(["Mm-hm.", "Yes.", "Okay.", "Right.", "Uh-huh.", "Go on."]))
        self.dialogue.turns.append(dialogue.Turn(dialogue.CUSTOMER, [dialogue.Said("", mark, True)], 0))

    def turns(self):
        """(side, [(text, start, end, confidence, secret)]) as the listener would cut them, on one clock."""
        now, ends, made = 500, {0: 0, 1: 0}, []
        for channel, words, gap in self.told:
            side = SIDES[channel]
            start = max(now + gap, ends[side] + 50, 0)
            if not words:
                now = ends[side] = start + 2_000
                continue
            placed = [(t, start + a, start + b, c, s) for t, a, b, c, s in words]
            joins = made and made[-1][0] == side and start - ends[side] < SAME_BREATH_MS
            begin = 0
            for n in range(1, len(placed)):
                if self.rng.random() < CUTS.get(placed[n - 1][0][-1:], 0.01):
                    made.append((side, placed[begin:n]))
                    begin = n
            if joins and begin == 0:
                made[-1] = (side, made[-1][1] + placed)
            else:
                made.append((side, placed[begin:]))
            now = ends[side] = placed[-1][2] + 150
        return made


def dialogues(folder, heard, count, seed):
    """Lines as turn_features reads them, of `count` dialogues."""
    phrases = bank.read_one(folder)
    for number in range(count):
        writer = Writer(phrases, heard, random.Random(f"{seed} {number}"))
        writer.write()
        yield "call"
        for side, words in writer.turns():
            yield f"turn {side} {side} {max(0, words[0][1] - 100)} {words[-1][2] + 150}"
            at = 0
            for text, start, end, confidence, secret in words:
                at = max(at + 1, start)  # a time of its own: labels are found by it
                text = re.sub(r"\s", "", text)
                if text:
                    yield f"word {text} {at} {max(at, end)} {confidence} {secret}"
