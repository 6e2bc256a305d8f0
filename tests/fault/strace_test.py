#!/usr/bin/env python3
"""Every single system call of an operation on the disk is refused (EIO, ENOSPC), or the process is
killed there (strace -e inject=). The operations are the product's own code on real files
(fault_driver: driver.hpp); what must hold afterwards is said by `fault_driver check`.

  strace_test.py [--every N] [--only OP,OP] [--jobs N] [--keep]

--every N: each N-th call only, beginning with another one for each kind of fault. A process that
is killed leaves what the kernel had taken; a loss of power is the simulated disk's business
(sim/sim_vfs.hpp).
"""
import argparse
import collections
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER = ROOT / "build/release/fault_driver"
OPERATIONS = ["erase", "log", "spool", "object", "repair"]
FAULTS = {"kill": "signal=KILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
# What goes to a file or a folder. The driver's own talk is read(2) and write(2), which the product
# uses for no file; memory and time are no faults of a disk.
CALLS = {"openat", "open", "creat", "close", "pread64", "pwrite64", "preadv", "pwritev", "readv",
         "writev", "fdatasync", "fsync", "sync_file_range", "fallocate", "ftruncate", "truncate",
         "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat",
         "link", "linkat", "symlink", "chmod", "fchmod", "fchmodat", "access", "faccessat",
         "faccessat2", "stat", "lstat", "fstat", "newfstatat", "statx", "fstatfs", "statfs", "lseek",
         "getdents64", "fcntl", "ioctl", "copy_file_range", "sendfile", "flock"}
WAIT_S = 60


class Act:
    """One run of the operation under strace."""

    def __init__(self, op, folder, inject=None):
        self.folder, self.trace = folder, pathlib.Path(str(folder) + ".trace")
        process = subprocess.Popen([DRIVER, "act", op, folder], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        first = process.stdout.readline().split()
        if len(first) != 2 or first[0] != "ready":
            raise RuntimeError(f"{op}: the driver is not ready: {first}")
        options = ["-e", f"inject={inject}"] if inject else []
        tracer = subprocess.Popen(["strace", "-p", first[1], "-o", self.trace, *options],
                                  stderr=subprocess.PIPE, text=True)
        attached = tracer.stderr.readline()
        if "attached" not in attached:
            process.kill()
            raise RuntimeError(f"strace: {attached}{tracer.stderr.read()}")
        try:
            said, _ = process.communicate("go\n", timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()[0] + "stuck\n"
        tracer.communicate(timeout=WAIT_S)
        self.said, self.code = said.splitlines(), process.returncode
        self.lines = self.trace.read_text(errors="replace").splitlines()

    def calls(self):
        """The number of times that each call was made."""
        counts = collections.Counter()
        for line in self.lines:
            name = re.match(r"(\w+)\(", line)
            if name and name[1] in CALLS:
                counts[name[1]] += 1
        return counts

    def reached(self, fault):
        if fault == "kill":
            return self.code == -9
        return any("(INJECTED)" in line for line in self.lines)


def one_run(op, base, work, fault, call, number):
    """None: the call was not made this time. Else a list of what does not hold."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{op}-{fault}-{call}-{number}-", dir=work))
    live, dead, said = folder / "live", folder / "dead", folder / "said"
    shutil.copytree(base, live)
    act = Act(op, live, f"{call}:{FAULTS[fault]}:when={number}")
    shutil.copytree(live, dead)
    said.write_text("".join(line + "\n" for line in act.said))
    wrong = []
    if not act.reached(fault):
        shutil.rmtree(folder)
        return None
    if fault != "kill" and "done" not in act.said:
        wrong.append("it did not come to its end after one error: " + " | ".join(act.said))
    check = subprocess.run([DRIVER, "check", op, live, base, dead, said], capture_output=True,
                           text=True, timeout=WAIT_S)
    if check.returncode != 0:
        lines = [line for line in check.stdout.splitlines() if not line.startswith("accepted ")]
        wrong += sorted(set(lines)) or [f"check ended with {check.returncode}: {check.stderr}"]
    if not wrong:
        shutil.rmtree(folder)
    return wrong


def with_patience(*args):
    """Which of two threads comes first may differ: a call that was not made is waited for."""
    for _ in range(3):
        wrong = one_run(*args)
        if wrong is not None:
            return wrong
    return None


def test_operation(op, work, every, jobs):
    base = work / f"{op}.before"
    base.mkdir()
    subprocess.run([DRIVER, "make", op, base], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    clean = work / f"{op}.clean"
    shutil.copytree(base, clean)
    act = Act(op, clean)
    if act.said[-1:] != ["done"]:
        return 0, 0, 0, [f"{op}: without any fault: {act.said}"]
    counts = act.calls()
    plan = []
    for shift, fault in enumerate(FAULTS):
        every_call = [(call, n) for call in sorted(counts) for n in range(1, counts[call] + 1)]
        plan += [(fault, call, n) for call, n in every_call[shift % every::every]]
    runs = missed = 0
    broken = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        outcomes = pool.map(lambda p: (p, with_patience(op, base, work, *p)), plan)
        for (fault, call, number), wrong in outcomes:
            if wrong is None:
                missed += 1
                continue
            runs += 1
            if wrong:
                broken.append(f"{op}: {fault} at {call} {number}: " + "; ".join(wrong))
    if missed * 50 > len(plan):
        broken.append(f"{op}: {missed} of {len(plan)} calls were not made again")
    return sum(counts.values()), runs, missed, broken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default=",".join(OPERATIONS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    parent = ROOT / "build/test"
    parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="strace-", dir=parent))
    all_broken, calls, all_runs = [], 0, 0
    for op in options.only.split(","):
        began = time.monotonic()
        made, runs, missed, broken = test_operation(op, work, options.every, options.jobs)
        print(f"{op:8} {made:4} system calls x {len(FAULTS)} faults"
              + (f", each {options.every}th" if options.every > 1 else "")
              + f": {runs} runs, {len(broken)} broken"
              + (f" ({missed} not made again)" if missed else "")
              + f", {time.monotonic() - began:.0f} s", flush=True)
        for line in broken[:20]:
            print("  " + line)
        all_broken += broken
        calls, all_runs = calls + made, all_runs + runs
    print(f"{calls} system calls x {len(FAULTS)} faults, {all_runs} runs, {len(all_broken)} broken")
    if not (options.keep or all_broken):
        shutil.rmtree(work)
    else:
        print(f"kept in {work}")
    return 1 if all_broken else 0


if __name__ == "__main__":
    sys.exit(main())
