#!/usr/bin/env python3
"""Damage in each class of file of a real installation, one byte at a time, and what `callward fsck` says of it: exit 3 and
the file's name. Every byte of the small files and heads, places drawn at random in the large ones, truncated tails."""
import argparse
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))
from installation import CLIENT, Failed, Installation

SUPERBLOCK = 4_096
LOG_KINDS = {"journal": "journal", "checkpoint": "checkpoint", "public.key": "public key"}


def expect(ok, text):
    if not ok:
        raise Failed(text)


def installation(folder):
    """Two calls as they come over the wire: recorded, heard, sealed, one range erased; then stopped."""
    sound = folder / "call.wav"
    subprocess.run(["sox", "-n", "-r", "8000", "-b", "16", "-c", "2", str(sound), "synth", "6", "sine", "300", "sine", "500", "vol", "0.2"], check=True)
    place = Installation(folder / "data")
    place.init()
    place.configure(sip={"port": 0}, server={"port": 0}, recorder={"rtp_port_first": 37_000, "rtp_port_last": 37_099, "spool_file_bytes": 1 << 20})
    with place:
        place.serve()
        host, port = place.sip_address()
        subprocess.run([str(CLIENT), "--server", f"{host}:{port}", "--calls", "2", "--json", str(sound)], check=True, stdout=subprocess.DEVNULL)
        calls = [call["id"] for call in place.calls()]
        place.wait_complete(calls, 120)
        place.cli("erase", calls[0], "--stream", "customer", "--from", "1000", "--to", "2000", "--reason", "password")
        place.wait_erased(calls[0])
        place.stop()
    return place


def fsck(place):
    done = subprocess.run([str(place.binary), "fsck", "--json", "--config", str(place.folder / "callward.toml")],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class Damage:
    def __init__(self, place, chance, each):
        self.place, self.chance, self.each, self.done, self.missed = place, chance, each, {}, []

    def places(self, path, always):
        """Which bytes of a file: all of its first ones that always count, and some of the others."""
        size = path.stat().st_size
        head = list(range(min(always, size)))
        rest = range(len(head), size)
        chosen = self.chance.sample(head, min(len(head), self.each)) + self.chance.sample(rest, min(len(rest), self.each))
        return sorted(chosen)

    def flip(self, kind, path, at, must=True):
        raw = path.read_bytes()
        try:
            mode = path.stat().st_mode
            path.chmod(0o600)
            with open(path, "r+b") as file:
                file.seek(at)
                file.write(bytes([raw[at] ^ 1 << self.chance.randrange(8)]))
            self.judge(kind, f"{path.relative_to(self.place.folder)} byte {at}", must)
        finally:
            path.write_bytes(raw)
            path.chmod(mode)

    def cut(self, kind, path):
        raw, mode = path.read_bytes(), path.stat().st_mode
        for short in (1, 100, len(raw) // 2):
            try:
                path.chmod(0o600)
                path.write_bytes(raw[:len(raw) - short])
                self.judge(kind + ", cut", f"{path.relative_to(self.place.folder)} without its last {short} bytes", True)
            finally:
                path.write_bytes(raw)
                path.chmod(mode)

    def judge(self, kind, what, must):
        code, said = fsck(self.place)
        found = code == 3
        counts = self.done.setdefault(kind, [0, 0])
        counts[0] += 1
        counts[1] += found
        if code not in (0, 3) or (must and not found):
            self.missed.append(f"{kind}: {what}: exit {code}: {said.strip()[-300:]}")


def used_part_of_spool(path):
    raw = path.read_bytes()
    return len(raw.rstrip(b"\0"))


def run(folder, each, seed):
    place = installation(folder)
    code, said = fsck(place)
    expect(code == 0, f"before any damage: exit {code}: {said}")
    damage = Damage(place, random.Random(seed), each)
    root = place.folder
    for path in sorted((root / "objects").rglob("*")):
        if path.suffix not in (".cwo", ".cwd"):
            continue
        kind = "recording object" if path.suffix == ".cwo" else "derived object"
        for at in damage.places(path, 256):
            damage.flip(kind, path, at)
        damage.cut(kind, path)
    for path in sorted((root / "spool").glob("*.cws")):
        used = used_part_of_spool(path)
        for at in damage.places(path, max(64, used)):
            damage.flip("spool", path, at)
        damage.cut("spool", path)
    for path in sorted((root / "log").rglob("*")):
        if not path.is_file() or path.stat().st_size == 0 or path.name == "lock":
            continue
        for at in damage.places(path, 64):
            damage.flip(f"log: {LOG_KINDS.get(path.name.split('-')[0], 'tiles')}", path, at)
    for path in sorted((root / "keeper").rglob("*")):
        if path.is_file() and path.stat().st_size > 0:
            for at in damage.places(path, 2 * SUPERBLOCK):
                # Behind the superblocks stand pages that were replaced, too: noise that nothing reads.
                damage.flip(f"key store: {path.name}", path, at, must=path.name != "pages" or at < 2 * SUPERBLOCK)
    return damage


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", type=int, default=6, help="bytes flipped in the head of a file, and in the rest of it")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    with tempfile.TemporaryDirectory(prefix="callward-fsck-") as name:
        try:
            damage = run(pathlib.Path(name), args.each, args.seed)
        except (Failed, subprocess.SubprocessError) as error:
            print(f"  FAILS  {error}\n0 passed, 1 failed")
            return 1
    for kind, (done, found) in damage.done.items():
        print(f"  {kind:28} {done:4} damages, {found:4} found")
    for line in damage.missed:
        print(f"  FAILS  {line}")
    print(f"{sum(found for _, found in damage.done.values())} of {sum(done for done, _ in damage.done.values())} damages found")
    print("1 passed, 0 failed" if not damage.missed else "0 passed, 1 failed")
    return 0 if not damage.missed else 1


if __name__ == "__main__":
    sys.exit(main())
