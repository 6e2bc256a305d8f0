"""What of labelled secrets stays audible, and what else is lost: the measure of ../shared/material/calls/score.py, call by call.

A secret token (a digit, letter or word of a secret, a keyed tone) leaks when its middle is in no erased range of its own channel. Other
speech is what is spoken outside of secrets (300 ms around them, and the pauses within 1.5 s of one secret, cost nothing). Both
are sums over calls, so that a bootstrap over calls says how far they can be trusted.
"""
import collections
import json
import pathlib
import random

PAD_MS, JOIN_MS, HEARD_MS = 300, 1500, 50
CHANNELS = ("customer", "agent")


def merged(spans, join=0):
    out = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1] + join:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([begin, end])
    return out


def without(spans, holes):
    out = []
    for begin, end in spans:
        for low, high in holes:
            if high <= begin or low >= end:
                continue
            if low > begin:
                out.append([begin, low])
            begin = max(begin, high)
        if begin < end:
            out.append([begin, end])
    return out


def overlap(span, spans):
    return sum(max(0, min(span[1], end) - max(span[0], begin)) for begin, end in spans)


class Scored:
    """One call: what leaked and what was lost of it, with enough to say of what kind it was."""

    def __init__(self, truth, erased):
        self.truth = truth
        self.erased = {c: merged([max(0.0, float(e["start_ms"])), min(truth["duration_ms"], float(e["end_ms"]))] for e in erased
                                 if e["channel"] in (c, "both") and e["end_ms"] > e["start_ms"]) for c in CHANNELS}
        self.tokens = [self._token(s, u, t) for s in truth["secrets"] for u in s["utterances"] for t in u["tokens"]]
        self.keep = [(k["kind"], k["channel"], overlap((t["start_ms"], t["end_ms"]), self.erased[k["channel"]]) >=
                      0.5 * (t["end_ms"] - t["start_ms"])) for k in truth["keep"] for t in k["tokens"]]
        self.lost, self.speech_ms = self._lost()

    def _token(self, secret, utterance, token):
        begin, end = token["start_ms"], token["end_ms"]
        spans = self.erased[utterance["channel"]]
        middle = (begin + end) / 2
        return {"secret": secret["id"], "kind": secret["type"], "asked": secret["asked"], "channel": utterance["channel"],
                "role": "dtmf" if utterance["mode"] == "dtmf" else utterance["role"], "utterance": utterance, "text": token["text"],
                "leaked": not any(low <= middle < high for low, high in spans),
                "audible": 1 - overlap((begin, end), spans) / (end - begin) >= 0.2}

    def zones(self, channel):
        free = [[u["start_ms"] - PAD_MS, u["end_ms"] + PAD_MS] for u in self.truth["neutral"] if u["channel"] == channel]
        for secret in self.truth["secrets"]:
            free += merged([[u["start_ms"] - PAD_MS, u["end_ms"] + PAD_MS] for u in secret["utterances"] if u["channel"] == channel], JOIN_MS)
        return merged(free)

    def _lost(self):
        lost, speech_ms = [], 0.0
        for channel in CHANNELS:
            spoken = merged([t["start_ms"], t["end_ms"]] for t in self.truth["turns"] if t["channel"] == channel)
            for span in without(spoken, self.zones(channel)):
                speech_ms += span[1] - span[0]
                lost += [(channel, max(span[0], low), min(span[1], high)) for low, high in self.erased[channel]
                         if min(span[1], high) > max(span[0], low)]
        return lost, speech_ms

    @property
    def lost_ms(self):
        return sum(end - begin for _, begin, end in self.lost)


def percent(part, whole):
    return 100.0 * part / whole if whole else 0.0


def summary(scored):
    """The figures of a set of calls."""
    tokens = [t for call in scored for t in call.tokens]
    by_secret = collections.Counter((id(call), t["secret"]) for call in scored for t in call.tokens if t["leaked"])
    kept = [k for call in scored for k in call.keep]
    quiet = [call for call in scored if not call.truth["has_secret"]]
    return {
        "calls": len(scored), "secrets": len({(id(c), t["secret"]) for c in scored for t in c.tokens}), "tokens": len(tokens),
        "leak_percent": percent(sum(t["leaked"] for t in tokens), len(tokens)),
        "audible_percent": percent(sum(t["audible"] for t in tokens), len(tokens)),
        "secrets_with_two": sum(count >= 2 for count in by_secret.values()),
        "calls_with_leak": sum(any(t["leaked"] for t in c.tokens) for c in scored),
        "calls_with_secret": len(scored) - len(quiet),
        "keep_percent": percent(sum(k[2] for k in kept), len(kept)), "keep_tokens": len(kept),
        "over_percent": percent(sum(c.lost_ms for c in scored), sum(c.speech_ms for c in scored)),
        "quiet_calls": len(quiet), "quiet_calls_that_lost": sum(c.lost_ms > HEARD_MS for c in quiet),
    }


def interval(scored, figure, rounds=1000, seed=1):
    """95 % by bootstrap over calls: tokens of one call stand or fall together."""
    rng = random.Random(seed)
    sums = []
    for call in scored:
        if figure == "leak_percent":
            sums.append((sum(t["leaked"] for t in call.tokens), len(call.tokens)))
        elif figure == "over_percent":
            sums.append((call.lost_ms, call.speech_ms))
        else:
            sums.append((sum(k[2] for k in call.keep), len(call.keep)))
    drawn = sorted(percent(*map(sum, zip(*rng.choices(sums, k=len(sums))))) for _ in range(rounds))
    return drawn[rounds * 25 // 1000], drawn[rounds * 975 // 1000]


def by(scored, key):
    """{group: (tokens, leaked, harmless tokens, erased of them)}; `key(call, channel, kind, role)` names the group."""
    groups = collections.defaultdict(lambda: [0, 0, 0, 0])
    for call in scored:
        for token in call.tokens:
            group = groups[key(call, token["channel"], token["kind"], token["role"])]
            group[0] += 1
            group[1] += token["leaked"]
        for kind, channel, gone in call.keep:
            group = groups[key(call, channel, "~" + kind, "harmless")]
            group[2] += 1
            group[3] += gone
    return dict(sorted(groups.items()))


GROUPS = {
    "kind": lambda call, channel, kind, role: kind,
    "how it came": lambda call, channel, kind, role: role,
    "voice": lambda call, channel, kind, role: call.truth["sides"][channel]["voice"],
    "digits": lambda call, channel, kind, role: call.truth["sides"][channel]["digits"],
    "noise": lambda call, channel, kind, role: call.truth["sides"][channel]["noise"],
    "signal to noise": lambda call, channel, kind, role: f"{5 * int(call.truth['sides'][channel]['snr_db'] // 5):2} dB and more",
    "codec": lambda call, channel, kind, role: call.truth["sides"][channel].get("codec", "g711"),
    "packets lost": lambda call, channel, kind, role: f"{call.truth['sides'][channel].get('loss_percent', 0)} %",
}


def read(calls, results):
    """A result that is missing is an error: it would pass for a call of which nothing was erased."""
    out = []
    for path in sorted(pathlib.Path(calls).glob("call-*.json")):
        erased = json.loads(pathlib.Path(results, path.name).read_text())
        out.append(Scored(json.loads(path.read_text()), erased))
    if not out:
        raise FileNotFoundError(f"no call-*.json in {calls}")
    return out
