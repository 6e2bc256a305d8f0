#!/usr/bin/env python3
"""Prints bench/typed's figures.  typed_report.py CALLS OUT_DIR report|development JSON(yes|no) PLACES(yes|no)

A labelled secret as a person would type it: the characters that its statements say, without what was taken back. Each is
looked for in its own call, and, to see how much is found by chance, in every other call of the same half.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

NAMED = {"underscore": "_", "dash": "-", "hash": "#", "dollar": "$", "exclamation": "!", "star": "*", "dot": ".", "at": "@"}
DIGITS = {word: str(i) for i, word in enumerate("zero one two three four five six seven eight nine".split())}
NATO = set("alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo "
           "sierra tango uniform victor whiskey yankee zulu".split())
CHANNELS = ("customer", "agent")


def characters(utterance):
    out, upper, times = "", False, 1
    spelled = utterance["tokens"]
    for token in spelled:
        if token.get("retracted"):
            continue
        for word in token["text"].lower().split():
            if word in ("capital", "uppercase"):
                upper = True
            elif word in ("double", "triple"):
                times = 2 if word == "double" else 3
            elif word not in ("lowercase", "sign", "point", "mark"):
                # NATO spells a letter; anything else is a word of the password.
                said = DIGITS.get(word) or NAMED.get(word) or (word[0] if word in NATO else word)
                out += (said.upper() if upper else said) * times
                upper, times = False, 1
    return out.rstrip("#") if utterance["mode"] == "dtmf" else out


def value_of(secret):
    value = ""
    for utterance in secret["utterances"]:
        if utterance["role"] == "readback":
            continue
        part = characters(utterance)
        if len(part) > 2 and len(part) == len(value) and part[: len(part) // 2] == value[: len(part) // 2]:
            value = part  # all of it once more, otherwise: what counts is what was said last
        elif part.lower() not in value.lower():  # else said again
            value += part
    return value


def search(out, name, values):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(value + "\n" for value in values))
        file.flush()
        done = subprocess.run(["build/release/typed_bench", "--grammar", "data/listen/en", f"{out}/turns/{name}.turns", file.name],
                              capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.split("\n") if line]
    return [tuple(map(int, line)) for line in lines if line[0] != "took"], int(lines[-1][1])


def covered(places, channel, token):
    middle = (token["start_ms"] + token["end_ms"]) / 2
    return any(CHANNELS[stream] == channel and start <= middle < end for _, stream, start, end in places)


def score(calls, results, names):
    """Leak and over-erasure by the material's own measure, over this half's calls."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            pathlib.Path(folder, f"{name}.json").symlink_to(pathlib.Path(calls, f"{name}.json").resolve())
        done = subprocess.run([sys.executable, f"{calls}/score.py", folder, results], capture_output=True, text=True, check=True)
    closing = dict(part.split("=") for part in done.stdout.rstrip().split("\n")[-1].split())
    return {"leak_percent": float(closing["leak"]), "over_percent": float(closing["over"])}


def main():
    calls, out, half, as_json, show = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == "yes", sys.argv[5] == "yes"
    names = [p.stem for p in sorted(pathlib.Path(calls).glob("call-*.json")) if int(p.stem[5:]) % 2 == (half == "development")]
    truth = {name: json.loads(pathlib.Path(calls, f"{name}.json").read_text()) for name in names}
    values = {name: [value_of(s) for s in truth[name]["secrets"]] for name in names}
    figures = {"half": half, "calls": len(names), "values": 0, "tokens": 0, "tokens_found": 0, "places": 0, "places_whole": 0,
               "places_touched": 0, "searches_elsewhere": 0, "false_places_elsewhere": 0, "search_us_max": 0}
    for folder in ("typed", "together"):
        pathlib.Path(out, folder).mkdir()
    for name in names:
        places, took = search(out, name, values[name])
        figures["search_us_max"] = max(figures["search_us_max"], took)
        figures["values"] += len(values[name])
        for number, secret in enumerate(truth[name]["secrets"]):
            own = [p for p in places if p[0] == number]
            for utterance in secret["utterances"]:
                found = sum(covered(own, utterance["channel"], t) for t in utterance["tokens"])
                figures["tokens"] += len(utterance["tokens"])
                figures["tokens_found"] += found
                figures["places"] += 1
                figures["places_whole"] += found == len(utterance["tokens"])
                figures["places_touched"] += found > 0
                if show and found < len(utterance["tokens"]):
                    print(f"{name} {values[name][number]}: {found} of {len(utterance['tokens'])} of {utterance['role']} at "
                          f"{utterance['start_ms'] / 1000:.1f} s: {' '.join(t['text'] for t in utterance['tokens'])}")
        # Orders take the same stretch of both streams.
        ordered = [{"channel": "both", "start_ms": start, "end_ms": end} for _, _, start, end in places]
        unasked = json.loads(pathlib.Path(out, "erased", f"{name}.json").read_text())
        pathlib.Path(out, "typed", f"{name}.json").write_text(json.dumps(ordered))
        pathlib.Path(out, "together", f"{name}.json").write_text(json.dumps(unasked + ordered))
        foreign = [v for other in names if other != name for v in values[other] if v not in values[name]]
        elsewhere, _ = search(out, name, foreign)
        figures["searches_elsewhere"] += len(foreign)
        figures["false_places_elsewhere"] += len(elsewhere)
        if show:
            for number, stream, start, end in elsewhere:
                print(f"{name}: {foreign[number]} found by chance at {start / 1000:.1f}-{end / 1000:.1f} s, {CHANNELS[stream]}")
    for kind in ("erased", "typed", "together"):
        figures[{"erased": "conversation_alone"}.get(kind, kind)] = score(calls, f"{out}/{kind}", names)
    if as_json:
        return print(json.dumps(figures))
    print(f"{half}: {figures['values']} typed values in {figures['calls']} calls")
    print(f"tokens found        {figures['tokens_found']} of {figures['tokens']} "
          f"({100 * figures['tokens_found'] / figures['tokens']:.1f} %)")
    print(f"places found whole  {figures['places_whole']} of {figures['places']}, in part {figures['places_touched'] - figures['places_whole']}")
    for name, what in (("conversation_alone", "found without them"), ("typed", "typed values alone"), ("together", "both")):
        print(f"{what:19} leak {figures[name]['leak_percent']:.1f} %, other speech erased {figures[name]['over_percent']:.2f} %")
    print(f"by chance           {figures['false_places_elsewhere']} places in {figures['searches_elsewhere']} searches of other calls")
    print(f"time                at most {figures['search_us_max'] / 1000:.1f} ms for all values of a call")


if __name__ == "__main__":
    main()
