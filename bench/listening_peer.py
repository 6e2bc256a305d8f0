#!/usr/bin/env python3
"""The usual way to redact calls, as a peer for bench/listening: words of a recogniser and regular expressions.

    listening_peer.py TRANSCRIPT_DIR OUT_DIR

TRANSCRIPT_DIR/NAME.json is what our own recogniser heard (so that both stand on the same words): a list of
{"channel", "start_ms", "end_ms", "text"}. Erased is, from the first to the last word with 300 ms around it:
  - runs of spoken or written digits and single letters: 3 to 8 of them (codes, PINs), 9 (national ids),
    13 to 19 (cards); fillers and up to one other word may stand between;
  - what follows "password|passcode|pin|code (is|was|:)", up to eight words.
It knows nothing of who asked what, which is why phone and ticket numbers go too.
"""
import json
import pathlib
import re
import sys

PAD_MS, GAP_MS = 300, 1500
DIGITS = {w: str(i) for i, w in enumerate("zero one two three four five six seven eight nine".split())} | {"oh": "0"}
TENS = set("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty "
           "sixty seventy eighty ninety double triple".split())
FILLERS = set("um uh er and then so no sorry dash hyphen space".split())
NAMED = re.compile(r"\b(?:password|passcode|pin|security code|code|maiden name)\b(?: is| was|:)\s+((?:\S+\s*){1,8})", re.I)
LENGTHS = range(3, 20)


def bare(word):
    return re.sub(r"[^a-z0-9]", "", word.lower())


def parts_of(word):
    """How many secret-like parts a word is; 0 for any other word."""
    text = bare(word)
    if text.isdigit():
        return len(text)
    if text in DIGITS or text in TENS or (len(text) == 1 and text not in "ai"):
        return 1
    return 0


def runs_of(words):
    run, weight, between = [], 0, 0
    for word in words + [None]:
        parts = parts_of(word["text"]) if word else 0
        far = bool(run) and word is not None and word["start_ms"] - run[-1]["end_ms"] > GAP_MS
        if word is not None and parts and not far:
            run.append(word)
            weight, between = weight + parts, 0
            continue
        if word is not None and run and not far and (bare(word["text"]) in FILLERS or between == 0):
            between += 1
            continue
        if run and weight in LENGTHS:
            yield run[0]["start_ms"], run[-1]["end_ms"]
        run, weight, between = ([word], parts, 0) if word is not None and parts else ([], 0, 0)


def named_of(words):
    text, starts = "", []
    for word in words:
        starts.append(len(text))
        text += word["text"] + " "
    for match in NAMED.finditer(text):
        inside = [w for w, at in zip(words, starts) if match.start(1) <= at < match.end(1)]
        if inside:
            yield inside[0]["start_ms"], inside[-1]["end_ms"]


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for path in sorted(source.glob("*.json")):
        words, erased = json.loads(path.read_text()), []
        for channel in ("customer", "agent"):
            own = sorted((w for w in words if w["channel"] == channel), key=lambda w: w["start_ms"])
            for start, end in [*runs_of(own), *named_of(own)]:
                erased.append({"channel": channel, "start_ms": max(0, start - PAD_MS), "end_ms": end + PAD_MS})
        (out / path.name).write_text(json.dumps(erased))


if __name__ == "__main__":
    main()
