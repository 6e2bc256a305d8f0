#!/usr/bin/env python3
"""bench/erasing: an order of ours to `erased`, and the peer's way to the same wish, in alternating rounds."""
import argparse
import json
import os
import pathlib
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import wave

import results

OURS, PEER = "callward", "sox"
TARGET_P99_MS, TARGET_BURST_S = 1_000, 5
CALL_SECONDS, SECRET_SECONDS, RATE = 180, 3, 8_000
DIFFERENCES = """\
Ours: the keeper with its log and two mirrors on this disk, every sync counted, recorder and listener answering at once; the time runs
from when the order was due to `erased`. The peer: one `sox` a secret that cuts three seconds out of a stereo call of three minutes (16 bits,
8 kHz), written anew, fsync, rename, fsync of the folder, the time from its start to its end; one at a time. What it leaves: the old file's
blocks, with the secret, on the disk and in every copy made before; the call's time shifts, nothing is logged. So it is faster or slower
at something less."""


def options():
    parser = argparse.ArgumentParser(prog="bench/erasing")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rates", default="1,10,100,1000")
    parser.add_argument("--punctures", type=int, default=10_000)
    parser.add_argument("--mirrors", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="a folder on the disk to be measured")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true")
    return parser.parse_args()


def ours(given):
    command = [str(results.ROOT / "build/release/erasing_bench"), "--json", "--calls", str(given.calls), "--seconds", str(given.seconds),
               "--rates", given.rates, "--punctures", str(given.punctures), "--mirrors", str(given.mirrors), "--dir", given.dir]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(f"failed: {shlex.join(command)}")
    return json.loads(done.stdout)


def sync(path, flags):
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cut(call, first):
    """What a recorder without keys does: the call without these seconds, in the place of the call."""
    fresh = call.with_suffix(".new.wav")
    subprocess.run(["sox", str(call), str(fresh), "trim", "0", f"={first}", f"={first + SECRET_SECONDS}"], check=True)
    sync(fresh, os.O_RDWR)
    os.rename(fresh, call)
    sync(call.parent, os.O_RDONLY | os.O_DIRECTORY)


def peer(given):
    folder = pathlib.Path(given.dir) / f"callward-bench-erasing-peer-{os.getpid()}"
    folder.mkdir()
    try:
        calls = []
        for number in range(20):
            calls.append(folder / f"{number}.wav")
            with wave.open(str(calls[-1]), "wb") as out:
                out.setparams((2, 2, RATE, 0, "NONE", ""))
                out.writeframes(random.randbytes(4 * RATE * CALL_SECONDS))
        os.sync()
        spent, began = [], time.monotonic()
        for number in range(100):
            start = time.monotonic()
            cut(calls[number % len(calls)], random.randrange(CALL_SECONDS // 2))
            spent.append((time.monotonic() - start) * 1e3)
        return {"orders": len(spent), "p50_ms": statistics.median(spent), "p99_ms": sorted(spent)[98], "max_ms": max(spent),
                "a_second": len(spent) / (time.monotonic() - began)}
    finally:
        shutil.rmtree(folder)


def sox_version():
    if shutil.which("sox") is None:
        return None
    return subprocess.run(["sox", "--version"], capture_output=True, text=True, check=False).stdout.strip().split()[-1]


def judge(sides):
    """Prints what there is to say, and whether the targets are held."""
    held = True
    for at, row in enumerate(sides[OURS][0]["paced"]):
        rounds = [one["paced"][at] for one in sides[OURS]]
        p50, p99 = (statistics.median(one[key] for one in rounds) for key in ("p50_ms", "p99_ms"))
        worst = max(one["max_ms"] for one in rounds)
        held = held and p99 <= TARGET_P99_MS
        print(f"{row['orders_a_second']:6} orders/s: p50 {p50:7.2f}   p99 {p99:7.2f}   worst of all rounds {worst:7.2f} ms")
    bursts = [one["burst"]["seconds"] for one in sides[OURS]]
    burst = statistics.median(bursts)
    held = held and burst <= TARGET_BURST_S
    count = sides[OURS][0]["burst"]["punctures"]
    print(f"{count:6} at once: {burst:.2f} s to the last `erased` (each round: {' '.join(f'{one:.2f}' for one in bursts)})")
    if PEER in sides:
        p50, p99, rate = (statistics.median(one[key] for one in sides[PEER]) for key in ("p50_ms", "p99_ms", "a_second"))
        print(f"   sox, one after the other: p50 {p50:7.2f}   p99 {p99:7.2f} ms; {count} would take {count / rate:.0f} s")
    print(f"targets (p99 {TARGET_P99_MS} ms to `erased`, {TARGET_BURST_S} s for all at once): {'held' if held else 'MISSED'}")
    return held


def main():
    given = options()
    about = results.machine()
    about["filesystem"] = results.filesystem_of(given.dir)
    version = None if given.no_peer else sox_version()
    sides = {OURS: []} if version is None else {OURS: [], PEER: []}
    for _ in range(given.rounds):
        sides[OURS].append(ours(given))
        if version:
            sides[PEER].append(peer(given))
    about["load_after"] = os.getloadavg()[0]
    raw = {"peer": version and f"sox {version}", "rounds": sides}
    held = True
    if given.json:
        print(json.dumps(raw))
    else:
        held = judge(sides)
        print(f"Peer: sox {version}. {DIFFERENCES}" if version else "no sox here, or not asked for: our side alone")
    if given.save:
        results.save("erasing", shlex.join(["bench/erasing", *sys.argv[1:]]), raw, about)
    if not held:
        sys.exit(1)


if __name__ == "__main__":
    main()
