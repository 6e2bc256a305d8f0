#!/usr/bin/env python3
"""What a recogniser of another family still hears of secrets once everything that was to be erased is silence.

    listening_judge.py CALLS RESULTS [--json]

Moonshine (tiny, English) hears each place where a secret was said, with a second before and after, twice: as it was recorded, and as it is
left. Counted are the secret's spoken tokens that it writes, in their order (longest common subsequence): before, what it could hear at all; after,
what is still to be heard, chance included (silence is never written as digits; speech beside it may be).
"""
import argparse
import json
import pathlib

import soundfile
from moonshine_voice import ModelArch, get_model_path
from moonshine_voice.transcriber import Transcriber

from listening_peer import DIGITS, bare
from listening_score import CHANNELS, merged

MARGIN_S = 1.0
RATE = 16_000


def parts(text):
    """Digits one by one, words as they are: "4477" and "four, 4 seventy" come to the same kind of parts."""
    out = []
    for word in text.split():
        word = bare(word)
        out += list(word) if word.isdigit() else [DIGITS.get(word, word)] if word else []
    return out


def common(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        before = row[:]
        for j, y in enumerate(b):
            row[j + 1] = before[j] + 1 if x == y else max(before[j + 1], row[j])
    return row[-1]


def hear(engine, samples):
    wide = samples.repeat(2)  # to 16 kHz; what that adds above 4 kHz it was not trained without
    return " ".join(line.text for line in engine.transcribe_without_streaming(wide.tolist(), RATE).lines)


def silenced(samples, rate, channel, erased):
    out = samples.copy()
    for begin, end in merged([e["start_ms"], e["end_ms"]] for e in erased if e["channel"] in (channel, "both")):
        out[int(begin * rate / 1000):int(end * rate / 1000)] = 0
    return out


def judged(engine, truth, audio, erased):
    rate = truth["sample_rate"]
    for number, channel in enumerate(CHANNELS):
        whole = audio[:, number]
        left = silenced(whole, rate, channel, erased)
        for secret in truth["secrets"]:
            for said in secret["utterances"]:
                if said["channel"] != channel or said["mode"] == "dtmf":
                    continue
                a = max(0, int((said["start_ms"] / 1000 - MARGIN_S) * rate))
                b = int((said["end_ms"] / 1000 + MARGIN_S) * rate)
                tokens = [p for t in said["tokens"] for p in parts(t["text"])]
                yield secret["type"], len(tokens), common(tokens, parts(hear(engine, whole[a:b]))), common(tokens, parts(hear(engine, left[a:b])))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("calls", type=pathlib.Path)
    arguments.add_argument("results", type=pathlib.Path)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    engine = Transcriber(pathlib.Path(get_model_path("tiny-en")), ModelArch.TINY)
    sums = {}
    for path in sorted(options.calls.glob("call-*.json")):
        truth = json.loads(path.read_text())
        audio, _ = soundfile.read(str(options.calls / truth["audio"]), dtype="float32")
        for kind, tokens, before, after in judged(engine, truth, audio, json.loads((options.results / path.name).read_text())):
            for name in (kind, "all"):
                row = sums.setdefault(name, [0, 0, 0])
                row[0], row[1], row[2] = row[0] + tokens, row[1] + before, row[2] + after
    if options.json:
        print(json.dumps({k: dict(zip(("tokens", "heard_before", "heard_after"), v)) for k, v in sums.items()}, indent=1))
        return
    print(f"{'':26} {'tokens':>7} {'heard before':>15} {'heard after':>15}")
    for name, (tokens, before, after) in sorted(sums.items()):
        print(f"{name:26} {tokens:>7} {before:>6} ({100 * before / tokens:4.1f} %) {after:>6} ({100 * after / tokens:4.1f} %)")


if __name__ == "__main__":
    main()
