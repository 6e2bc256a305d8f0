#!/usr/bin/env python3
"""bench/log: our log and Tessera's POSIX driver, in alternating rounds of the same closed loop."""
import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

import results

TARGET_RATIO, TARGET_P99_MS, TARGET_VERIFIED = 3, 50, 300_000
OURS, PEER, PEER_OWN = "callward", "tessera, batch of writers", "tessera, own settings"
DIFFERENCES = """\
Both: each writer adds one entry, waits until it is durable, adds the next; a checkpoint each second. Ours acknowledges after one fdatasync of
the journal for all that wait, and a thread of its own brings entries into tiles; "published" is the rate until the last of them stands under
a checkpoint. Tessera writes bundle and tiles, each synced, before its future gives the index. Tessera runs with two settings, a
batch as large as there are writers and its own (256 entries, 250 ms); the better one is what we are held to. Writers are goroutines there, and
here tasks of one loop, as the keeper has them: its clients are other processes, and their requests come by socket to that loop."""


def options():
    parser = argparse.ArgumentParser(prog="bench/log")
    parser.add_argument("--writers", default="1,64,512,2048")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="a folder on the disk to be measured")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true")
    return parser.parse_args()


def said(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(f"failed: {shlex.join(command)}")
    return json.loads(done.stdout)


def ours(given, writers):
    command = [str(results.ROOT / "build/release/log_bench"), "--json", "--no-verify", "--writers", str(writers), "--seconds",
               str(given.seconds), "--dir", given.dir]
    return said(command)["append"][0]


def peer(given, writers, *more):
    folder = os.path.join(given.dir, f"callward-bench-log-peer-{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return said([str(results.ROOT / "build/release/log_peer"), "-writers", str(writers), "-seconds", str(given.seconds),
                     "-dir", folder, *more])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def print_row(name, rows):
    published = f"   published {median(rows, 'published_per_second'):.0f}" if "published_per_second" in rows[0] else ""
    print(f"  {name:26} {median(rows, 'per_second'):9.0f} entries/s   p50 {median(rows, 'p50_ms'):8.2f}   p99 "
          f"{median(rows, 'p99_ms'):8.2f}   max {max(row['max_ms'] for row in rows):8.2f} ms{published}   each round: "
          f"{' '.join(format(row['per_second'], '.0f') for row in rows)}")


def judge(measured, verified):
    """Prints what there is to say, and whether the targets are held."""
    held = verified["verified_per_second"] >= TARGET_VERIFIED
    for writers, sides in measured.items():
        print(f"{writers} writers")
        for name, rows in sides.items():
            print_row(name, rows)
        good = median(sides[OURS], "p99_ms") <= TARGET_P99_MS
        if PEER in sides:
            best = max(median(sides[PEER], "per_second"), median(sides[PEER_OWN], "per_second"))
            ratio = median(sides[OURS], "per_second") / best
            good = good and ratio >= TARGET_RATIO
            print(f"  {ratio:.1f} times the peer's better one; {'held' if good else 'MISSED'}")
        held = held and good
    print(f"verified: {verified['verified_per_second']:.0f} entries/s, {verified['disk_bytes_per_entry']:.0f} bytes on the disk for each")
    print(f"targets ({TARGET_RATIO} times the peer, p99 {TARGET_P99_MS} ms, {TARGET_VERIFIED} entries/s verified): {'held' if held else 'MISSED'}")
    return held


def main():
    given = options()
    about = results.machine()
    about["filesystem"] = results.filesystem_of(given.dir)
    measured = {}
    for writers in (int(word) for word in given.writers.split(",")):
        sides = measured.setdefault(writers, {OURS: []} if given.no_peer else {OURS: [], PEER: [], PEER_OWN: []})
        for _ in range(given.rounds):
            sides[OURS].append(ours(given, writers))
            if not given.no_peer:
                sides[PEER].append(peer(given, writers))
                sides[PEER_OWN].append(peer(given, writers, "-defaults"))
    verified = said([str(results.ROOT / "build/release/log_bench"), "--json", "--writers", "1", "--seconds", "0.2", "--dir", given.dir])
    about["load_after"] = os.getloadavg()[0]
    raw = {"append": measured, "verified_per_second": verified["verified_per_second"],
           "disk_bytes_per_entry": verified["disk_bytes_per_entry"]}
    if given.json:
        print(json.dumps(raw))
    else:
        held = judge(measured, verified)
        if not given.no_peer:
            print(f"Peer: Tessera {measured[next(iter(measured))][PEER][0]['version']}, POSIX driver. {DIFFERENCES}")
    if given.save:
        results.save("log", shlex.join(["bench/log", *sys.argv[1:]]), raw, about)
    if not given.json and not held:
        sys.exit(1)


if __name__ == "__main__":
    main()
