#!/usr/bin/env python3
"""Makes labelled test calls: two-party support calls with spoken secrets, as many as wanted.

    generate.py --part development|held_out --calls N [--seed S] --out DIR [--cache DIR]

DIR gets call-NNNN.wav (8 kHz, left = customer, right = agent) and call-NNNN.json (times in ms; the form is that of README.md). The same
part, seed and number give the same call on the same voices, whatever else is made with it. `development` is for working on the listener; `held_out` is for
reporting, has other phrases, voices, names and words, and nobody reads what is in it.
"""
import argparse
import json
import pathlib
import random
import wave

import bank
import dialogue
import sound
import voices
import numpy as np

RATE = voices.RATE
HERE = pathlib.Path(__file__).resolve().parent


class Turns:
    """Renders turns of one side: samples, and each token's time in them."""

    def __init__(self, rng, voice, recorded):
        self.rng, self.voice, self.recorded = rng, voice, recorded

    def pause(self, low, high):
        return np.zeros(RATE * self.rng.randrange(low, high) // 1000, np.float32)

    def render(self, said):
        tokens = [s for s in said if s.token]
        if tokens and self.recorded and all(self.recorded.has(s.text.strip(",.?!")) for s in tokens):
            return self.spliced(said, lambda text: self.recorded.say(text.strip(",.?!")))
        words = [(word, s) for s in said for word in (voices.for_speech(s.text) if s.token else s.text).split()]
        spoken = self.voice.say_words([word for word, _ in words]) if tokens else None
        if spoken is not None:
            return self.in_one_breath(words, *spoken)
        return self.spliced(said, lambda text: self.voice.say(voices.for_speech(text)))

    def in_one_breath(self, words, samples, times):
        spans = {}
        for (_, said), (begin, end) in zip(words, times):
            if not said.token:
                continue
            a, b = int(begin * RATE), int(end * RATE)
            low, high = voices.loud_span(samples[a:b])
            first, _ = spans.get(id(said), (a + low, 0))
            spans[id(said)] = (first, a + high)
        return samples, [(said, *spans[id(said)]) for said in dict.fromkeys(s for _, s in words if s.token)]

    def spliced(self, said, say):
        pieces, spans, at = [], [], 0

        def add(samples):
            nonlocal at
            pieces.append(samples)
            at += len(samples)

        run = [[said[0]]]
        for piece in said[1:]:
            if not piece.token and not run[-1][0].token:
                run[-1].append(piece)
            else:
                run.append([piece])
        level = None
        for part in run:
            if not part[0].token:
                samples = voices.trimmed(self.voice.say(" ".join(p.text for p in part)))
                level = sound.speech_level(samples)
                add(samples)
                add(self.pause(60, 260))
                continue
            samples = voices.trimmed(say(part[0].text))
            own = sound.speech_level(samples)
            samples = samples * ((level or 0.1) / own if own else 1)
            spans.append((part[0], at, at + len(samples)))
            add(samples)
            add(self.pause(220, 620) if part[0].text.endswith(",") else self.pause(20, 240))
        return np.concatenate(pieces), spans


def ms(samples):
    return round(samples * 1000 / RATE, 3)


class Labels:
    def __init__(self, written):
        self.secrets = {id(s): s | {"questions": [], "utterances": [], "value": ""} for s in written.secrets}
        self.unanswered = {id(t) for t in written.unanswered}
        self.keep, self.turns, self.unanswered_labels = [], [], []

    def take(self, turn, start, end, spans, source):
        number = len(self.turns)
        text = " ".join(s.text for s in turn.said) or turn.keys
        self.turns.append({"i": number, "channel": turn.channel, "start_ms": ms(start), "end_ms": ms(end), "text": text})
        question = {"channel": turn.channel, "start_ms": ms(start), "end_ms": ms(end), "text": text, "turn": number}
        if turn.asks is not None:
            self.secrets[id(turn.asks)]["questions"].append(question)
        if id(turn) in self.unanswered:
            self.unanswered_labels.append(question)
        marks = {}
        for mark, text, a, b in spans:
            token = {"text": text.strip(",.?!"), "start_ms": ms(start + a), "end_ms": ms(start + b), "source": source}
            if mark.retracted:
                token["retracted"] = True
            marks.setdefault(id(mark), (mark, []))[1].append(token)
        for mark, tokens in marks.values():
            self._utterance(turn, number, mark, tokens)

    def _utterance(self, turn, number, mark, tokens):
        common = {"channel": turn.channel, "start_ms": tokens[0]["start_ms"], "end_ms": tokens[-1]["end_ms"], "turn": number, "tokens": tokens}
        if mark.secret is None:
            self.keep.append({"kind": mark.value.kind, "text": " ".join(t["text"] for t in tokens)} | common)
            return
        secret = self.secrets[id(mark.secret)]
        secret["utterances"].append({"role": mark.role, "mode": "dtmf" if turn.keys else "speech"} | common)
        if not mark.retracted:
            secret["value"] = secret["value"] or " ".join(t["text"] for t in tokens)


def how_recorded(rng):
    return {"level_dbfs": round(rng.uniform(-36, -20), 1), "snr_db": round(rng.triangular(12, 40, 26), 1),
            "noise": rng.choice(["white", "pink", "hum", "babble", "keyboard"]), "noise_suppressed_pauses": rng.random() < 0.7,
            "echo_db": rng.choice([-60, -46, -40, -34, -30]), "codec": rng.choices(["g711", "gsm"], [4, 1])[0],
            "loss_percent": rng.choices([0, 1, 3], [6, 2, 1])[0]}


class Call:
    def __init__(self, part, phrases, number, seed, cast):
        self.number = number
        self.rng = random.Random(f"callward {part} {seed} {number}")
        self.numbers = np.random.default_rng(self.rng.getrandbits(63))
        self.written = dialogue.Writer(phrases, part, self.rng).write()
        self.cast, self.sides = {}, {}
        known, recorded = cast
        for name, channel in zip(self.rng.sample(sorted(known), 2), (dialogue.CUSTOMER, dialogue.AGENT)):
            digits = recorded if self.rng.random() < 0.35 else None
            self.cast[channel] = Turns(self.rng, known[name], digits)
            self.sides[channel] = how_recorded(self.rng) | {"voice": name, "digits": recorded.name if digits else name}

    def render(self):
        """[(turn, start, samples, spans)] on one clock."""
        placed, now, own_end = [], RATE // 2, {dialogue.CUSTOMER: 0, dialogue.AGENT: 0}
        for turn in self.written.turns:
            if turn.keys:
                samples, times = sound.keys(self.numbers, turn.keys)
                spans = [(turn.mark, digit, a, b) for digit, (a, b) in zip(turn.keys, times)]
            else:
                samples, told = self.cast[turn.channel].render(turn.said)
                spans = [(said.mark, said.text, a, b) for said, a, b in told]
            start = max(now + RATE * turn.gap_ms // 1000, own_end[turn.channel] + RATE // 20, 0)
            placed.append((turn, start, samples, spans))
            now = own_end[turn.channel] = start + len(samples)
        return placed, now + RATE

    def write(self, out):
        placed, length = self.render()
        labels = Labels(self.written)
        clean = {channel: np.zeros(length, np.float32) for channel in self.sides}
        for turn, start, samples, spans in placed:
            level = sound.speech_level(samples) or 1.0
            clean[turn.channel][start:start + len(samples)] += samples * (0.1 / level)
            begin, end = voices.loud_span(samples)
            source = "dtmf" if turn.keys else self.sides[turn.channel]["digits"]
            labels.take(turn, start + begin, start + end, spans, source)
        other = {dialogue.CUSTOMER: dialogue.AGENT, dialogue.AGENT: dialogue.CUSTOMER}
        heard = {c: sound.side(self.numbers, clean[c], clean[other[c]], self.sides[c], clean[other[c]]) for c in clean}
        name = f"call-{self.number:04}"
        both = np.stack([heard[dialogue.CUSTOMER], heard[dialogue.AGENT]], axis=1)
        with wave.open(str(out / f"{name}.wav"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((np.clip(both, -1, 1) * 32767).astype("<i2").tobytes())
        (out / f"{name}.json").write_text(json.dumps(self.described(name, labels, length), indent=1) + "\n")

    def described(self, name, labels, length):
        secrets = [s for s in labels.secrets.values() if s["utterances"]]
        return {"id": name, "audio": f"{name}.wav", "sample_rate": RATE, "duration_ms": ms(length),
                "channels": {"left": "customer", "right": "agent"}, "scenario": self.written.scenario, "has_secret": bool(secrets),
                "sides": self.sides, "secrets": secrets, "unanswered_questions": labels.unanswered_labels, "keep": labels.keep,
                "neutral": [], "mentions": [], "turns": labels.turns}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--part", choices=["development", "held_out"], required=True)
    arguments.add_argument("--calls", type=int, required=True)
    arguments.add_argument("--first", type=int, default=1)
    arguments.add_argument("--seed", default="1")
    arguments.add_argument("--bank", help="of this bank alone: development's are numbered")
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments.add_argument("--cache", type=pathlib.Path, default=HERE.parents[1] / "build" / "voices")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    phrases = bank.read_one(HERE / "development" / options.bank) if options.bank else bank.read_part(HERE, options.part)
    cast = voices.voices_of(options.part, options.cache)
    for number in range(options.first, options.first + options.calls):
        Call(options.part, phrases, number, options.seed, cast).write(options.out)


if __name__ == "__main__":
    main()
