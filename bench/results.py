#!/usr/bin/env python3
"""Raw results of the benches: bench/results/<bench>-<date>.json, with machine and commit.

As a command, for a bench whose program prints JSON with --json, an object a line:
    bench/results.py NAME COMMAND...      runs it, saves what it printed
"""
import datetime
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def output_of(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def filesystem_of(path):
    return output_of("df", "--output=fstype", str(path)).split()[-1]


def commit():
    changed = output_of("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results")
    return output_of("git", "rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")


def machine():
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "memory_kb": int(pathlib.Path("/proc/meminfo").read_text().split()[1]),
        "load_before": os.getloadavg()[0],
        "commit": commit(),
    }


def save(name, command, results, about=None):
    now = datetime.datetime.now(datetime.timezone.utc)
    path = ROOT / "bench" / "results" / f"{name}-{now:%Y-%m-%d}.json"
    path.parent.mkdir(exist_ok=True)
    document = {
        "bench": name,
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "command": command,
        "machine": about or machine(),
        "results": results,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"saved: {path.relative_to(ROOT)}", file=sys.stderr)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    name, command = sys.argv[1], sys.argv[2:]
    about = machine()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(done.stdout)
    said = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    save(name, shlex.join(command), said[0] if len(said) == 1 else said, about)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
