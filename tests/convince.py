#!/usr/bin/env python3
"""The eight tests that must convince, by name and with their counts: `./test --full` prints it at its end.

    tests/convince.py RESULTS        RESULTS: where ./test keeps what its stages said (build/test)

Unit tests are run again by filter, so that their names and counts stand here; of the long ones the stage's own
words are read. One that did not run, or says something else than it says when it passes, is a failure.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Missing(Exception):
    pass


def unit(binary, names):
    """Runs these tests; (how many passed, what they print)."""
    done = subprocess.run([str(ROOT / "build" / binary), f"--gtest_filter={names}"], capture_output=True, text=True, check=False,
                          env={**os.environ, "GTEST_COLOR": "no"})
    passed = re.search(r"\[  PASSED  \] (\d+) test", done.stdout)
    if done.returncode != 0 or not passed or int(passed[1]) == 0:
        raise Missing(f"{binary} --gtest_filter={names}: exit {done.returncode}")
    return int(passed[1]), done.stdout


def numbers(pattern, said):
    return [int(found) for found in re.findall(pattern, said)]


def stage(results, name, pattern):
    """The groups of a line that the stage prints when it passes."""
    path = results / f"{name}.log"
    said = path.read_text(errors="replace") if path.exists() else ""
    found = re.search(pattern, re.sub(r"\x1b\[[0-9;]*m", "", said))  # without its colours
    if not found:
        raise Missing(f"stage {name} has not said what it says when it passes")
    return found.groups()


def puncture(_):
    _, said = unit("debug/keys_test", "Tree.PunctureAgainstBruteForce")
    leaves = numbers(r"leaves compared: (\d+)", said)[0]
    if leaves < 1_000_000:
        raise Missing(f"only {leaves} leaves were compared")
    count, _ = unit("debug/keys_test", "Tree.*:ForwardKeys.*")
    return f"{leaves:,} leaves compared with brute force; {count} tests of the tree"


def remanence(results):
    megabytes, found, planted, others = stage(results, "hunt", r"(\d+) MB searched, (\d+) of (\d+) planted pieces found, (\d+) others")
    if found != planted or others != "0":
        raise Missing(f"{found} of {planted} planted pieces found, {others} others")
    return f"{int(megabytes):,} MB searched; {found} of {planted} planted pieces found, nothing else"


def system_calls(results):
    calls, runs, broken = stage(results, "fault.strace", r"\n(\d+) system calls x 3 faults, (\d+) runs, (\d+) broken")
    if broken != "0":
        raise Missing(f"{broken} runs broke")
    count, _ = unit("release/fault_test", "*KeyStoreFaults.*")
    seeds, failed = stage(results, "fault.sim", r"(\d+) seeds, (\d+) failed")
    if failed != "0":
        raise Missing(f"{failed} seeds failed")
    return (f"{int(runs):,} runs over {calls} system calls (kill -9, EIO, ENOSPC), none broke; {seeds} simulated machines; "
            f"{count} tests of the key store under faults")


def mirrors(_):
    fault, _ = unit("release/fault_test", "Mirrors.*")
    keys, _ = unit("debug/keys_test", "KeyMirrors.*")
    keeper, _ = unit("debug/erase_test", "*Mirror*")
    return f"{fault + keys + keeper} tests: each lost in turn, retired, returning, older copies put back, epochs mixed"


def flips(results):
    found, done = stage(results, "e2e.fsck_test", r"(\d+) of (\d+) damages found")
    stage(results, "e2e.fsck_test", r"(1 passed, 0 failed)")
    _, said = unit("debug/store_test", "SpoolCheck.*")
    spool = numbers(r"(\d+) bytes flipped, each found", said)[0]
    count, _ = unit("debug/keys_test", "*EveryFlippedByteIsFound*")
    log, _ = unit("debug/audit_test", "Logs.AFlippedByteInAnyFileIsFound")
    return (f"{found} of {done} damages of a real installation found by fsck, the others in pages that nothing reads any more; "
            f"every one of {spool:,} bytes of a spool file; {count + log} more tests byte by byte")


def vectors(results):
    done = subprocess.run(["node", str(ROOT / "tests/vectors/check.mjs")], capture_output=True, text=True, check=False)
    read = re.search(r"(\d+) vectors read as they should", done.stdout)
    if done.returncode != 0 or not read:
        raise Missing("tests/vectors/check.mjs")
    count = sum(unit(f"debug/{name}_test", "*Vectors*")[0] for name in ("keys", "store", "audit", "erase"))
    typescript, = stage(results, "console", r"Tests\s+(?:\S*\s*\|\s*)?(\d+) passed")
    return f"{read[1]} vectors, good and bad, read by JavaScript and by {count} tests in C++; the console's {typescript} tests read them, too"


def no_key_twice(_):
    keys, _ = unit("debug/keys_test", "Records.TheSameIndexWrittenTwiceHasFreshKeys:ForwardKeys.*")
    _, said = unit("release/fault_test", "KeeperDies.*")
    lives = sum(numbers(r"a life for each: (\d+)", said))
    sizes, _ = unit("debug/listen_test", "Derived.TheSizeTellsNothing")
    payload, _ = unit("debug/segment_test", "Payload.*")
    return (f"no two records with one key in any of {lives:,} lives with a death at every call; {keys} tests of keys that are made once; "
            f"{sizes + payload} of sizes that tell nothing")


def hand_back(results):
    count, said = unit("release/fault_test", "KeeperDies.*:KeeperLives.*")
    lives = sum(numbers(r"a life for each: (\d+)", said))
    handed, _ = unit("debug/app_test", "*HandOver*:*OneWriter*")
    stage(results, "e2e.restart_test", r"(1 passed, 0 failed)")
    return f"{lives:,} lives of a keeper, a death or a refusal at every call ({count} tests); {handed} tests of the hand-over; the real one"


TESTS = (
    ("puncture against brute force", puncture),
    ("remanence hunter", remanence),
    ("a fault at every system call of a batch", system_calls),
    ("mirrors lost, retired, returning, older, mixed", mirrors),
    ("bit flips and cut tails in every class of file", flips),
    ("vectors, read by C++ and by TypeScript", vectors),
    ("no key twice; sizes tell nothing", no_key_twice),
    ("the keeper killed at every point of hand-back", hand_back),
)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    results, failed = pathlib.Path(sys.argv[1]), 0
    for number, (name, test) in enumerate(TESTS, 1):
        try:
            outcome = f"ok      {test(results)}"
        except (Missing, OSError) as why:
            outcome, failed = f"FAILED  {why}", failed + 1
        print(f"{number}  {name:50} {outcome}", flush=True)
    print(f"{len(TESTS) - failed} of {len(TESTS)} convince")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
