#!/usr/bin/env python3
"""What the benches of listening stand on: banks of phrases, dialogues made of them, and the measure. Without sound.

    bench_test.py
"""
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "calls")]
import bank
import dialogue
import listening_score
import values

PARTS = ("development", "held_out")
MATERIAL = next((p for p in (ROOT / "../shared/material/calls", ROOT / "../../shared/material/calls") if p.is_dir()), None)


def written(part, seed, phrases):
    return dialogue.Writer(phrases, part, random.Random(f"{part} {seed}")).write()


class Banks(unittest.TestCase):
    def test_both_parts_are_whole(self):
        for part in PARTS:
            self.assertGreater(len(bank.read_part(ROOT / "bench/calls", part)["ask", "ask password"]), 15)

    def test_what_is_in_the_wrong_place_is_an_error(self):
        for line in ("[say pin]\nit is mine", "[ask pin]\nis it {value}?", "[ask pin]\nwhat are the 4 digits?", "[ask pin]\n{nobody}?", "before"):
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "ask.txt")
                path.write_text(line + "\n", encoding="ascii")
                with self.assertRaises(bank.BadBank, msg=line):
                    bank.sections_of(path)

    def test_the_parts_share_no_word_of_a_secret_nor_a_name(self):
        for kind in ("password", "answer", "name", "street", "company"):
            both = [set(w.lower() for w in values.WORDS[part][kind]) for part in PARTS]
            self.assertFalse(both[0] & both[1], kind)

    def test_no_phrase_is_in_both(self):
        read = [bank.read_part(ROOT / "bench/calls", part) for part in PARTS]
        seen, held = ({p.lower() for phrases in r.values() for p in phrases} for r in read)
        self.assertFalse(seen & held)
        for kind in bank.SECRETS:
            self.assertGreaterEqual(len(read[1]["ask", f"ask {kind}"]), 15, kind)


class Dialogues(unittest.TestCase):
    def test_each_secret_is_said_and_each_token_is_of_one(self):
        for part in PARTS:
            phrases = bank.read_part(ROOT / "bench/calls", part)
            for seed in range(100):
                made = written(part, seed, phrases)
                marks = [s.mark for t in made.turns for s in t.said if s.token] + [t.mark for t in made.turns if t.keys]
                self.assertTrue(all(m is not None for m in marks))
                said = {id(m.secret) for m in marks if m.secret is not None}
                self.assertEqual(said, {id(s) for s in made.secrets})
                for turn in made.turns:
                    self.assertFalse(any("{" in s.text for s in turn.said))

    def test_a_seed_is_a_call(self):
        phrases = bank.read_part(ROOT / "bench/calls", "development")
        told = [[(t.channel, [s.text for s in t.said]) for t in written("development", seed, phrases).turns] for seed in (7, 7, 8)]
        self.assertEqual(told[0], told[1])
        self.assertNotEqual(told[0], told[2])

    def test_about_a_third_has_no_secret(self):
        phrases = bank.read_part(ROOT / "bench/calls", "development")
        quiet = sum(not written("development", seed, phrases).secrets for seed in range(200))
        self.assertTrue(40 <= quiet <= 80, quiet)

    def test_card_numbers_hold_their_check(self):
        rng = random.Random(1)
        for _ in range(100):
            digits = [int(d) for d in values.luhn(rng, 16)]
            doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
            self.assertEqual((sum(digits[-1::-2]) + sum(doubled)) % 10, 0)


class Measure(unittest.TestCase):
    def call(self, tokens, erased, keep=()):
        said = [{"text": "x", "start_ms": a, "end_ms": b} for a, b in tokens]
        truth = {"id": "c", "duration_ms": 20_000, "neutral": [], "has_secret": bool(tokens),
                 "keep": [{"kind": "phone", "channel": "customer", "tokens": [{"start_ms": a, "end_ms": b} for a, b in keep]}],
                 "turns": [{"channel": "customer", "start_ms": 0, "end_ms": 20_000}],
                 "secrets": [{"id": "s", "type": "pin", "asked": True, "utterances": [
                     {"role": "statement", "mode": "speech", "channel": "customer", "start_ms": tokens[0][0], "end_ms": tokens[-1][1],
                      "tokens": said}]}] if tokens else []}
        return listening_score.Scored(truth, [{"channel": c, "start_ms": a, "end_ms": b} for c, a, b in erased])

    def test_a_token_is_gone_when_its_middle_is(self):
        found = listening_score.summary([self.call([(1000, 1400), (1500, 1900)], [("customer", 1100, 1700)])])
        self.assertEqual((found["tokens"], found["leak_percent"], found["audible_percent"]), (2, 50.0, 100.0))

    def test_the_other_side_does_not_help(self):
        self.assertEqual(listening_score.summary([self.call([(1000, 1400)], [("agent", 0, 9000)])])["leak_percent"], 100.0)

    def test_around_a_secret_it_costs_nothing_and_elsewhere_it_does(self):
        self.assertEqual(self.call([(1000, 1400)], [("customer", 700, 1700)]).lost_ms, 0)
        self.assertEqual(self.call([(1000, 1400)], [("both", 700, 2700)]).lost_ms, 1000)

    def test_a_result_that_is_missing_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "call-1.json").write_text(json.dumps({"id": "call-1"}))
            with tempfile.TemporaryDirectory() as empty, self.assertRaises(FileNotFoundError):
                listening_score.read(folder, empty)

    @unittest.skipIf(MATERIAL is None, "no labelled calls beside the project")
    def test_it_is_the_measure_that_came_with_the_calls(self):
        rng = random.Random(3)
        with tempfile.TemporaryDirectory() as folder:
            for path in sorted(MATERIAL.glob("call-*.json")):
                length = json.loads(path.read_text())["duration_ms"]
                spans = [(rng.choice(["customer", "agent", "both"]), rng.uniform(0, length)) for _ in range(12)]
                pathlib.Path(folder, path.name).write_text(json.dumps(
                    [{"channel": c, "start_ms": a, "end_ms": a + rng.uniform(100, 9000)} for c, a in spans]))
            done = subprocess.run([sys.executable, MATERIAL / "score.py", MATERIAL, folder], capture_output=True, text=True, check=True)
            ours = listening_score.summary(listening_score.read(MATERIAL, folder))
            theirs = dict(part.split("=") for part in done.stdout.rstrip().split("\n")[-1].split())
            self.assertAlmostEqual(ours["leak_percent"], float(theirs["leak"]), delta=0.01)
            self.assertAlmostEqual(ours["over_percent"], float(theirs["over"]), delta=0.01)
            kept = re.search(r"keep_tokens erased \d+/\d+ = ([\d.]+)%", done.stdout)
            self.assertAlmostEqual(ours["keep_percent"], float(kept.group(1)), delta=0.06)


if __name__ == "__main__":
    unittest.main()
