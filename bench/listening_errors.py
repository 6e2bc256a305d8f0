"""What went wrong in labelled calls, one stretch a paragraph: what was asked, what was said, what was heard, what was erased and why."""
import json
import pathlib

AROUND_MS = 200


def heard(words, channel, begin, end):
    return " ".join(w["text"] for w in words if w["channel"] == channel and w["end_ms"] > begin - AROUND_MS and w["start_ms"] < end + AROUND_MS)


def reasons(erased, channel, begin, end):
    return ", ".join(sorted({e["reason"] for e in erased if e["channel"] in (channel, "both") and e["end_ms"] > begin and e["start_ms"] < end}))


def turn_text(truth, channel, begin, end):
    return " | ".join(t["text"] for t in truth["turns"] if t["channel"] == channel and t["end_ms"] > begin and t["start_ms"] < end)


def leaks_of(call, words):
    seen = {}
    for token in call.tokens:
        seen.setdefault(id(token["utterance"]), []).append(token)
    questions = {s["id"]: " / ".join(q["text"] for q in s["questions"]) for s in call.truth["secrets"]}
    for tokens in seen.values():
        left = [t["text"] for t in tokens if t["leaked"]]
        if not left:
            continue
        first = tokens[0]
        begin, end = first["utterance"]["start_ms"], first["utterance"]["end_ms"]
        asked = questions[first["secret"]] or "(not asked)"
        yield (f"{call.truth['id']} {begin / 1000:.1f} s LEAK {first['kind']}, {first['role']}: {len(left)} of {len(tokens)}: {' '.join(left)}\n"
               f"   asked  {asked}\n   said   {turn_text(call.truth, first['channel'], begin, end)}\n   heard  {heard(words, first['channel'], begin, end)}")


def losses_of(call, words, erased):
    for channel, begin, end in call.lost:
        if end - begin < 300:
            continue
        yield (f"{call.truth['id']} {begin / 1000:.1f} s LOST {(end - begin) / 1000:.1f} s of {channel}, as {reasons(erased, channel, begin, end)}\n"
               f"   said   {turn_text(call.truth, channel, begin, end)}\n   heard  {heard(words, channel, begin, end)}")


def listed(scored, results, transcripts):
    for call in scored:
        name = call.truth["id"] + ".json"
        words = json.loads(pathlib.Path(transcripts, name).read_text())
        erased = json.loads(pathlib.Path(results, name).read_text())
        yield from leaks_of(call, words)
        yield from losses_of(call, words, erased)
