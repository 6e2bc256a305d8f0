#!/usr/bin/env python3
"""`callward restart keeper` in the middle of running calls: twice as it is, once with the new keeper killed in the middle of
the hand-over, once with a program at its path that does not start, once with an upgraded one there. What must hold: nobody notices. Not one millisecond is lost
with a keeper, nothing is persisted unheard, recorder and listener keep their connections; the recordings are what was sent,
and the secrets are gone. Keys reach no disk for five minutes here: what is not handed over would be lost, and seen.

    restart_test.py [--calls N] [--keep]
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import kill_test
from kill_test import COMPARED, ROOT, DRIFT_MS_MAX, LISTEN_S_MAX, Verdict, long_call, run_calls, sent_samples
from installation import BINARY, Failed, Installation, free_port

# Seconds of the calls; the second question is asked just before SECOND_AT_S and answered after it.
FIRST_S, SECOND_S, KILLED_S, UPGRADED_S = 10, kill_test.SECOND_AT_S - 1, 32, 44
KILLS_MAX = 6  # tries
OLD_PROGRAM, NEW_PROGRAM, BROKEN_PROGRAM = "callward", "callward.new", "callward.broken"


def events(place, name):
    """All lines of the service's log with this event."""
    found = []
    for line in (place.folder / "service.log").read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("event") == name:
            found.append(event)
    return found


def restart(place):
    before = place.pid("keeper")
    said = place.json("restart", "keeper")
    after = place.pid("keeper")
    if after == before or after != said["pid"]:
        raise Failed(f"restarted, it says, as {said['pid']}: the keeper was {before} and is {after}")
    return after, said["ms"]


def new_keeper(place, deadline):
    """The process that is to take over, as soon as it is there."""
    while time.monotonic() < deadline:
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--take-over" in words and str(place.config).encode() in words and int(entry) != place.keeper:
                return int(entry)
    raise Failed("no new keeper was started")


def kill_in_the_middle(place):
    """The new keeper runs a millisecond at a time until the old one says that it is frozen; then it is killed. None when it
    was quicker: it serves, and must not be killed."""
    place.keeper = place.pid("keeper")
    frozen = len(events(place, "keeper.frozen"))
    asking = subprocess.Popen([str(place.binary), "restart", "keeper", "--config", str(place.config)],
                                        stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    fresh = new_keeper(place, deadline)
    while len(events(place, "keeper.frozen")) == frozen:
        os.kill(fresh, signal.SIGSTOP)
        if len(events(place, "keeper.frozen")) > frozen or time.monotonic() > deadline:
            break
        os.kill(fresh, signal.SIGCONT)
        time.sleep(0.001)
    os.kill(fresh, signal.SIGSTOP)
    time.sleep(0.5)  # frozen in mid-call
    if asking.poll() is not None:
        os.kill(fresh, signal.SIGCONT)
        return None
    os.kill(fresh, signal.SIGKILL)
    _, why = asking.communicate(timeout=30)
    return asking.returncode, why.strip(), place.pid("keeper") == place.keeper


def restarts(place, verdict):
    began = time.monotonic()
    for at in (FIRST_S, SECOND_S):
        time.sleep(max(0, began + at - time.monotonic()))
        pid, ms = restart(place)
        print(f"  restarted at {at} s in {ms} ms: process {pid}", flush=True)
    time.sleep(max(0, began + KILLED_S - time.monotonic()))
    for _ in range(KILLS_MAX):
        killed = kill_in_the_middle(place)
        if killed:
            break
        time.sleep(1)
    code, why, same = killed or (0, "it served each time before it could be stopped", False)
    print(f"  the new keeper killed in the middle: exit {code}, {why}", flush=True)
    verdict["failed"] = (code == 1 and "the old one goes on" in why and same, f"exit {code}, {why}, the same keeper: {same}")
    time.sleep(max(0, began + UPGRADED_S - time.monotonic()))
    broken = place.folder / BROKEN_PROGRAM
    broken.write_text("#!/bin/sh\nexit 5\n")
    broken.chmod(0o700)
    os.replace(broken, place.binary)
    asked = subprocess.run([place.folder / NEW_PROGRAM, "restart", "keeper", "--config", place.config], capture_output=True, text=True)
    verdict["broken"] = (asked.returncode == 1 and "the old one goes on" in asked.stderr, f"exit {asked.returncode}, {asked.stderr}")
    print(f"  a program that does not start: exit {asked.returncode}, {asked.stderr.strip()}", flush=True)
    os.replace(place.folder / NEW_PROGRAM, place.binary)
    pid, ms = restart(place)
    try:
        upgraded = os.stat(f"/proc/{pid}/exe").st_ino == os.stat(place.binary).st_ino
    except PermissionError:  # to root alone a process with keys shows what it runs
        upgraded = None
    print(f"  upgraded at {UPGRADED_S} s in {ms} ms: process {pid}", flush=True)
    verdict["upgraded"] = (upgraded is not False, "the keeper runs the old program")


def judge(place, verdict, accounts):
    for call, account in accounts.items():
        with_keeper = [i for i in account if i["state"] == "lost" and i["reason"] not in ("late", "network")]
        verdict.expect(not with_keeper, f"{call}: {with_keeper[:2]}")
        verdict.expect(not any(i["state"] == "unheard" for i in account), f"{call}: something was never heard")
    for kind, count in (("keeper_adopted", 0), ("cleared_unheard", 0), ("hand_over_failed", 1)):
        found = place.entries(kind)
        verdict.expect(len(found) == count, f"{len(found)} entries {kind}, not {count}")
    handed = [e["data"] for e in place.entries("keeper_started") if e["data"].get("handed_over")]
    verdict.expect(len(handed) >= 3 and all(d["calls"] == len(accounts) for d in handed), f"handed over: {handed}")
    for name in ("recorder.keeper_connected", "supervisor.child_ended", "keeper.peer_refused"):
        found = events(place, name)
        wanted = 1 if name == "recorder.keeper_connected" else 0
        verdict.expect(len(found) == wanted, f"{len(found)} times {name}, not {wanted}: somebody noticed")
    for process in place.json("status")["processes"]:
        verdict.expect(process["restarts"] == 0, f"{process['name']}: {process['restarts']} restarts")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callward-restart-") as name:
        folder = pathlib.Path(name)
        wav, truth = long_call(folder)
        place = Installation(folder / "data")
        place.init()
        place.configure(sip={"port": free_port(), "own_numbers": ["7*"], "own_domains": ["pbx.example"]}, server={"port": 0},
                        recorder={"rtp_port_first": 34_000, "rtp_port_last": 34_999},
                        keys={"persist_every_s": 300, "clear_deadline_s": 600})
        # What an upgrade replaces: a program of our own; the product's other files are named.
        place.binary = folder / "data" / OLD_PROGRAM
        for program in (OLD_PROGRAM, NEW_PROGRAM):
            shutil.copy2(BINARY, folder / "data" / program)
        place.configure(listener={"worker": [str(ROOT / "build/venv/bin/python"), str(ROOT / "worker/recogniser.py")],
                                  "grammar_dir": str(ROOT / "data/listen/en"), "check": str(ROOT / "data/check/en.wav")})
        sent_dir = folder / "sent"
        sent_dir.mkdir()
        said = {}
        with place:
            place.serve()
            client = run_calls(place, wav, args.calls, sent_dir)
            try:
                time.sleep(0.5)
                restarts(place, said)
                if client.poll() is not None:
                    raise Failed("the client ended before the last restart")
                output, _ = client.communicate(timeout=120)
            finally:
                if client.poll() is None:
                    client.kill()
            verdict = Verdict(truth, sent_samples(sent_dir), {v: (0, 0) for v in kill_test.VICTIMS}, 0)
            for ok, text in said.values():
                verdict.expect(ok, text)
            started = verdict.recordings(place, output, args.calls)
            place.wait_complete(started, LISTEN_S_MAX)
            accounts = {call: verdict.call(place, call, at) for call, at in started.items()}
            judge(place, verdict, accounts)
            for call in list(accounts)[:COMPARED]:
                verdict.sound(place, call, accounts[call], folder)
            # `log check`, too: what a new keeper says of the keys that it was handed is held to the calls that ran by the log.
            verdict.stopped(place, accounts)
        if args.keep:
            kill_test.keep(folder)
    print(f"  the longest losses of a stream, ms by cause: {verdict.lost or 'none'} (late and network up to {DRIFT_MS_MAX})")
    return verdict.told()


if __name__ == "__main__":
    sys.exit(main())
