#!/usr/bin/env python3
"""Prints bench/listening's figures: ours and the peer's side by side.  listening_report.py CALLS OUT_DIR yes|no"""
import json
import os
import pathlib
import platform
import subprocess
import sys


def score(calls, results):
    lines = table(calls, results)
    closing = dict(part.split("=") for part in lines[-1].split())
    return {"leak_percent": float(closing["leak"]), "over_percent": float(closing["over"]), "table": lines}


def table(calls, results):
    done = subprocess.run([sys.executable, f"{calls}/score.py", calls, results], capture_output=True, text=True, check=True)
    return done.stdout.rstrip().split("\n")


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().split("\n")
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    calls, out, as_json = sys.argv[1], sys.argv[2], sys.argv[3] == "yes"
    timing = json.loads(pathlib.Path(out, "timing.json").read_text().strip().split("\n")[-1])
    ours, peer = f"{out}/callward", f"{out}/peer"
    per_core = timing["turn_s"] / timing["worker_cpu_s"] if timing["worker_cpu_s"] else 0.0
    if as_json:
        print(json.dumps({"callward": score(calls, ours), "peer_words_and_expressions": score(calls, peer),
                          "timing": timing, "turn_seconds_per_core_second": round(per_core, 1),
                          "machine": processor(), "cores": os.cpu_count()}, indent=1))
        return
    print("== Callward")
    print("\n".join(table(calls, ours)))
    print("\n== peer: the same recogniser's words and regular expressions")
    print("\n".join(table(calls, peer)))
    print("\n== side by side (leak: secret tokens still audible; over: other speech erased)")
    for name, results in (("Callward", ours), ("words + expressions", peer)):
        print(f"{name:22} {table(calls, results)[-1]}")
    print(f"\nrecogniser: {timing['turn_s']:.0f} s of turns and {timing['audio_s']:.0f} s of voice detection in "
          f"{timing['worker_cpu_s']:.1f} core-seconds: {per_core:.1f} turn-seconds a core-second")
    print(f"machine: {processor()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
