#!/usr/bin/env python3
"""bench/recording: our recorder and the peer, in alternating rounds with the same packets."""
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

PEER = "rtpengine"
PEER_PACKAGE = "rtpengine-daemon"
TARGET_CPU_S = 0.030
DIFFERENCES = """\
What differs: the peer is a media proxy and forwards each packet, a receive and a send for each, which is most of its
time (third row: the same without recording; the difference is what its recording alone adds). It writes clear audio
without any fsync and has no jitter buffer at work. Ours seals each 100 ms under its own key, commits every 100 ms with fdatasync, and its time includes the
object of each call, its fsync and its verification. The peer's start-up is not counted, ours is. Neither
generator is counted. Loopback charges the kernel's receiving to the sender: less than a network card on both."""


def options():
    parser = argparse.ArgumentParser(prog="bench/recording")
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="a folder on the disk to be measured")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--install-peer", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true")
    return parser.parse_args()


def peer_version(want, install):
    """The peer's version, or None with a word why on stderr."""
    if not want:
        return None
    if shutil.which(PEER) is None and install:
        print(f"installing {PEER_PACKAGE}", file=sys.stderr)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PEER_PACKAGE],
            stdout=subprocess.DEVNULL, check=False)
    if shutil.which(PEER) is None:
        print(f"no {PEER} here: our side alone. For both: apt-get install {PEER_PACKAGE} (starts a service,"
              " stop it), or --install-peer", file=sys.stderr)
        return None
    said = subprocess.run([PEER, "--version"], capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).strip().removeprefix("Version: ")


def run(program, given, *more):
    folder = os.path.join(given.dir, f"callward-bench-{os.getpid()}")
    command = [str(results.ROOT / "build/release" / program), "--json", "--calls", str(given.calls),
               "--seconds", str(given.seconds), "--dir", folder, *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(f"failed: {shlex.join(command)}")
    outcome = json.loads(done.stdout)
    outcome["exit"] = done.returncode
    return outcome


def median(rounds, key):
    return statistics.median(one[key] for one in rounds)


def row(name, rounds):
    cpu = median(rounds, "cpu_s_per_call_minute")
    each = " ".join(f"{one['cpu_s_per_call_minute']:.4f}" for one in rounds)
    lost = sum(one["packets_lost"] for one in rounds)
    sent = sum(one["packets_sent"] for one in rounds)
    return f"{name:34} {cpu:8.4f} {60 / cpu:10.0f} {lost:8} of {sent:<9} {median(rounds, 'rss_kb_per_call'):7.1f}  {each}"


def print_table(given, version, sides):
    print(f"{given.calls} calls for {given.seconds} s, {given.rounds} rounds, medians; G.711 both ways, 20 ms packets,"
          f" paced in real time; {results.filesystem_of(given.dir)}")
    print(f"{'':34} {'CPU-s per':>8} {'calls':>9} {'packets':>11} {'':9} {'peak kB':>9}  CPU-s of")
    print(f"{'':34} {'call-min':>8} {'per core':>10} {'lost':>8} {'sent':>12} {'a call':>9}  each round")
    for name, rounds in sides.items():
        print(row(name, rounds))
    ours = sides["callward, sealed and committed"]
    cpu = median(ours, "cpu_s_per_call_minute")
    whole = all(one["sealed"] == one["calls"] for one in ours)
    print(f"ours: every call sealed and verified: {'yes' if whole else 'NO'}; {sum(one['lost_ms'] for one in ours)} ms "
          f"accounted as lost; {median(ours, 'commits'):.0f} commits a round")
    print(f"target {TARGET_CPU_S} CPU-s per call-minute: {'held' if cpu <= TARGET_CPU_S else 'MISSED'}")
    if version:
        peer = median(sides["rtpengine, pcap"], "cpu_s_per_call_minute")
        print(f"ratio: the peer takes {peer / cpu:.2f} times our CPU. Peer: rtpengine {version}, user space, one poller"
              f" thread (its best on few cores), pcap, raw")
        print(DIFFERENCES)


def main():
    given = options()
    about = results.machine()
    about["filesystem"] = results.filesystem_of(given.dir)
    version = peer_version(not given.no_peer, given.install_peer)
    sides = {"callward, sealed and committed": []}
    if version:
        sides["rtpengine, pcap"] = []
        sides["rtpengine, forwarding only"] = []
    for _ in range(given.rounds):
        sides["callward, sealed and committed"].append(run("recording_bench", given))
        if version:
            sides["rtpengine, pcap"].append(run("recording_peer_bench", given))
            sides["rtpengine, forwarding only"].append(run("recording_peer_bench", given, "--forward-only"))
    raw = {"peer": version, "rounds": sides}
    if given.json:
        print(json.dumps(raw))
    else:
        print_table(given, version, sides)
    if given.save:
        results.save("recording", shlex.join(["bench/recording", *sys.argv[1:]]), raw, about)
    if any(one["exit"] != 0 for one in sides["callward, sealed and committed"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
