#!/usr/bin/env python3
"""Prints bench/listening's figures: ours and the peers' side by side, on the same audio.

    listening_report.py CALLS OUT_DIR [--json] [--errors FILE] [--by GROUP]

OUT_DIR has a folder of results for each that was run (`callward`, `peer`, `presidio`), `transcript` and `timing.json`.
"""
import argparse
import json
import os
import pathlib
import platform

import listening_errors
import listening_score as score

RUNS = {"callward": "Callward", "peer": "words + expressions", "presidio": "words + Presidio"}
# What has to hold on calls that nobody tuned on; of kinds, with enough tokens to say anything.
TARGETS = [("secret tokens leaked", "leak_percent", 1.0), ("harmless tokens erased", "keep_percent", 5.0), ("other speech erased", "over_percent", 5.0)]
KIND_LEAK_MAX, CALLS_LEAK_MAX, QUIET_LOST_MAX = 3.0, 5.0, 5.0


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().split("\n")
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def grouped(scored, which):
    return {name: {"tokens": tokens, "leaked": leaked, "harmless": kept, "harmless_erased": gone}
            for name, (tokens, leaked, kept, gone) in score.by(scored, score.GROUPS[which]).items()}


def figures(scored):
    found = score.summary(scored)
    for figure in ("leak_percent", "over_percent", "keep_percent"):
        found[figure.replace("_percent", "_95")] = [round(x, 2) for x in score.interval(scored, figure)]
    return found


def print_groups(scored, which):
    print(f"\nby {which:22} {'secret tokens':>13} {'leaked':>14} {'harmless':>9} {'erased':>14}")
    for name, (tokens, leaked, kept, gone) in score.by(scored, score.GROUPS[which]).items():
        left = f"{leaked} ({score.percent(leaked, tokens):.1f} %)" if tokens else ""
        lost = f"{gone} ({score.percent(gone, kept):.1f} %)" if kept else ""
        print(f"   {name.lstrip('~'):22} {tokens or '':>13} {left:>14} {kept or '':>9} {lost:>14}")


def print_targets(found, kinds):
    print()
    for what, figure, most in TARGETS:
        print(f"{what}: {found[figure]:.2f} %, target {most:g} %: {'met' if found[figure] <= most else 'missed'}")
    for what, part, whole, most in (("calls with a leak", found["calls_with_leak"], found["calls"], CALLS_LEAK_MAX),
                                    ("calls without a secret that lost speech", found["quiet_calls_that_lost"], found["quiet_calls"], QUIET_LOST_MAX)):
        print(f"{what}: {part} of {whole}, target {most:g} %: {'met' if score.percent(part, whole) <= most else 'missed'}")
    over = [f"{name} {score.percent(leaked, tokens):.1f} %" for name, (tokens, leaked, _, _) in kinds.items()
            if tokens and score.percent(leaked, tokens) > KIND_LEAK_MAX]
    print(f"kinds over {KIND_LEAK_MAX:g} % leaked: {', '.join(over) or 'none'}")


def print_runs(runs):
    print(f"{'':22} {'leaked (95 %)':>22} {'audible rests':>14} {'calls with a leak':>18} {'other speech lost':>22} {'harmless erased':>16} {'quiet calls':>12}")
    for name, found in runs.items():
        leak, over = found["leak_95"], found["over_95"]
        print(f"{RUNS[name]:22} {found['leak_percent']:6.2f} % ({leak[0]:.1f}-{leak[1]:.1f})".ljust(46) +
              f"{found['audible_percent']:12.2f} % {found['calls_with_leak']:11} of {found['calls']:<4} "
              f"{found['over_percent']:8.2f} % ({over[0]:.1f}-{over[1]:.1f})   {found['keep_percent']:12.1f} % "
              f"{found['quiet_calls_that_lost']:5} of {found['quiet_calls']}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("calls", type=pathlib.Path)
    arguments.add_argument("out", type=pathlib.Path)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--errors", type=pathlib.Path)
    arguments.add_argument("--by", action="append", choices=list(score.GROUPS), default=[])
    options = arguments.parse_args()
    scored = {name: score.read(options.calls, options.out / name) for name in RUNS if (options.out / name).is_dir()}
    runs = {name: figures(calls) for name, calls in scored.items()}
    timing = json.loads((options.out / "timing.json").read_text().strip().split("\n")[-1])
    per_core = timing["turn_s"] / timing["worker_cpu_s"] if timing["worker_cpu_s"] else 0.0
    groups = options.by or list(score.GROUPS)
    if options.errors:
        listed = listening_errors.listed(scored["callward"], options.out / "callward", options.out / "transcript")
        options.errors.write_text("\n".join(listed) + "\n")
    if options.json:
        print(json.dumps({"runs": runs, "by": {which: grouped(scored["callward"], which) for which in groups}, "timing": timing,
                          "turn_seconds_per_core_second": round(per_core, 1), "machine": processor(), "cores": os.cpu_count()}, indent=1))
        return
    print_runs(runs)
    for which in groups:
        print_groups(scored["callward"], which)
    print_targets(runs["callward"], score.by(scored["callward"], score.GROUPS["kind"]))
    print(f"\nrecogniser: {timing['turn_s']:.0f} s of turns and {timing['audio_s']:.0f} s of voice detection in "
          f"{timing['worker_cpu_s']:.1f} core-seconds: {per_core:.1f} turn-seconds a core-second")
    print(f"machine: {processor()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
