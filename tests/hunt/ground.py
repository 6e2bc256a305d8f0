"""The ground that the service stands on: a disk of its own, so that every block of it can be searched, and a look into the
memory of its processes. Standard library only; needs root for the disk and the memory."""
import json
import os
import pathlib
import subprocess

DISK_BYTES = 2 << 30  # sparse; more than the recorder keeps in reserve
PLANT_GAP = 16


class Disk:
    """An ext4 image, mounted by loop. Where that is not allowed, a plain folder, and `whole` is False."""

    def __init__(self, folder):
        self.image, self.at = folder / "disk.img", folder / "disk"
        self.at.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        self.whole = self.mount()

    def mount(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.at], capture_output=True, text=True)
        self.why = done.stderr.strip()
        self.mounted = done.returncode == 0
        return self.mounted

    def unmount(self):
        if self.mounted:
            subprocess.run(["umount", self.at], check=True)
            self.mounted = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unmount()


def family(pid):
    """{pid: what it is}: a process and all that descend from it."""
    out, waiting = {}, [pid]
    while waiting:
        at = waiting.pop()
        try:
            words = pathlib.Path(f"/proc/{at}/cmdline").read_bytes().split(b"\0")
            for task in pathlib.Path(f"/proc/{at}/task").iterdir():
                waiting += [int(c) for c in (task / "children").read_text().split()]
        except OSError:
            continue
        if b"process" in words:
            out[at] = words[words.index(b"process") + 1].decode()
        else:
            out[at] = "supervisor" if at == pid else "worker"
    return out


def plant_in_memory(pid, content):
    """Below the stack's pointer: the lowest bytes that the main thread's stack has ever reached. Harms nobody."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith("[stack]"):
            low = int(line.split("-")[0], 16)
            with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
                memory.seek(low)
                memory.write(content)
            return
    raise RuntimeError(f"process {pid} has no stack")


def joined(pieces):
    return bytes(PLANT_GAP).join([b"", *pieces, b""])


class Hunter:
    def __init__(self, program, folder):
        self.program, self.file = program, folder / "patterns"
        self.kinds, self.pieces = [], []

    def aim(self, kinds):
        """{kind: pieces of bytes}. The same piece of two kinds counts as the first."""
        self.kinds, self.pieces, seen = [], [], set()
        with open(self.file, "wb") as f:
            for kind, pieces in kinds.items():
                for piece in sorted(set(pieces)):
                    if piece in seen:
                        continue
                    seen.add(piece)
                    self.kinds.append(kind)
                    self.pieces.append(piece)
                    f.write(len(piece).to_bytes(2, "little") + piece)

    def of_kind(self, kind):
        return [p for k, p in zip(self.kinds, self.pieces) if k == kind]

    def search(self, targets):
        """{target: (bytes, MB a second, [(kind, piece, times, first offset)])}"""
        out = {}
        for at in range(0, len(targets), 500):
            done = subprocess.run([self.program, self.file, *targets[at:at + 500]], check=True, capture_output=True, text=True)
            for line in done.stdout.splitlines():
                found = json.loads(line)
                hits = [(self.kinds[n], self.pieces[n], times, first) for n, times, first in found["hits"]]
                out[found["target"]] = (found["bytes"], found["mb_per_s"], hits)
        return out


def swap_bytes():
    lines = pathlib.Path("/proc/swaps").read_text().splitlines()[1:]
    return sum(int(line.split()[-2]) for line in lines) * 1024


def allowed():
    return os.geteuid() == 0


def needed():
    """What only root may do is not to be left out: `./test` says so (CALLWARD_NEED_ROOT; 0 lets it be)."""
    return os.environ.get("CALLWARD_NEED_ROOT", "0") not in ("", "0")
