#!/usr/bin/env python3
"""Plans and prints bench/listening_load: see there."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]


def talk_ms(label):
    """Speech of both sides, in ms: each side's turns, or at least its secrets where no turn is labelled."""
    spans = {"customer": [], "agent": []}
    for turn in label.get("turns", []):
        spans[turn["channel"]].append((turn["start_ms"], turn["end_ms"]))
    if not any(spans.values()):
        for secret in label.get("secrets", []):
            for said in secret["utterances"]:
                spans[said["channel"]].append((said["start_ms"], said["end_ms"]))
    return sum(end - start for side in spans.values() for start, end in side)


def plan_of(folder, talk_percent):
    """A line a call: file, silence behind it so that somebody talks `talk_percent` of a stream's time, secrets as spoken."""
    lines = []
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        label = json.loads(path.read_text())
        sound = path.with_name(label.get("audio", path.stem + ".flac"))
        if not sound.exists():
            continue
        said = [(0 if u["channel"] == "customer" else 1, int(u["start_ms"]), int(u["end_ms"]))
                for s in label.get("secrets", []) for u in s["utterances"] if u.get("mode") == "speech"]
        talk = int(talk_ms(label))
        silence = max(0, int(talk / 2 * 100 / talk_percent - label["duration_ms"]))
        lines.append(" ".join([str(sound), str(talk), str(silence), *(":".join(map(str, s)) for s in said)]))
    return lines


def measure(options, plan, calls, model):
    worker = [str(ROOT / "build/venv/bin/python"), str(ROOT / "worker/recogniser.py"), *(["--model", model] if model else []),
              *(["--beam", str(options.beam)] if options.beam else [])]
    done = subprocess.run([str(ROOT / "build/release/listening_load_bench"), "--grammar", str(ROOT / "data/listen/en"), "--check", str(ROOT / "data/check/en.wav"),
                           "--plan", plan, "--calls", str(calls), "--seconds", str(options.seconds), "--workers", str(options.workers), "--worker", *worker],
                          stdout=subprocess.PIPE, stderr=None if options.verbose else subprocess.DEVNULL, text=True)
    if done.returncode != 0:
        sys.exit(f"bench/listening_load: the run with {calls} calls failed; --verbose shows why")
    result = {"model": model or "the one that ships", **json.loads(done.stdout)}
    # Half talk on each stream is a second of speech a second of call. What silence costs is counted to the speech.
    result["talk_percent"] = round(50 * result["speech_s"] / max(result["call_s"], 1), 1)
    result["calls_per_core_at_half_talk"] = result["speech_s_per_core_s"]
    return result


def show(result):
    order, lag = result["order_s"], result["lag_s"]
    print(f"{result['calls']:>5} {result['talk_percent']:>5.0f} % {result['speech_s_per_core_s']:>10.1f} {result['calls_per_core_at_half_talk']:>10.1f}   "
          f"{order['p50']:>6.2f} {order['p95']:>6.2f} {order['p99']:>6.2f}   {result['secrets_ordered']:>4} of {result['secrets_said']:<4} "
          f"{lag['p50']:>6.1f} {lag['max']:>6.1f} {lag['end']:>6.1f}   {'yes' if result['kept_up'] else 'NO':>7} {result['cleared_before_its_order']:>9}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="calls per core, and how soon a secret's order goes out")
    parser.add_argument("--material", required=True)
    parser.add_argument("--calls", default="1,4,16")
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--talk", type=int, default=50, help="at most so much of each stream is speech")
    parser.add_argument("--model", action="append")
    parser.add_argument("--beam", type=int)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    lines = plan_of(options.material, options.talk)
    if not lines:
        print(f"bench/listening_load: skipped: no labelled calls in {options.material}")
        return
    results = []
    with tempfile.NamedTemporaryFile("w", suffix=".plan") as plan:
        plan.write("\n".join(lines) + "\n")
        plan.flush()
        for model in options.model or [None]:
            model = os.path.abspath(model) if model else None
            if not options.json:
                print(f"model: {model or 'the one that ships'}; {options.workers} worker(s), {options.seconds} s each, {options.talk} % talk")
                print("calls  talk  speech-s a calls a core  order after the secret, s   erased      lag, s               kept up   cleared")
                print("             core-s     at 50 % talk  p50    p95    p99         of said     p50    max    end                too soon")
            for calls in (int(n) for n in options.calls.split(",")):
                results.append(measure(options, plan.name, calls, model))
                if not options.json:
                    show(results[-1])
    if options.json:
        print(json.dumps({"bench": "listening_load", "talk_percent": options.talk, "runs": results}, indent=1))


if __name__ == "__main__":
    main()
