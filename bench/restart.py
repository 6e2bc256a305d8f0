#!/usr/bin/env python3
"""What a recorder's death costs running calls while the spool holds GIBIBYTES of other calls' frames: calls of the
siprec-client, kill -9 of the recorder in their middle, the account's `lost: recorder` afterwards. --binary measures another
build beside it.

    bench/restart.py [--gib 1] [--calls 5] [--rounds 1] [--binary PATH]... [--json]
"""
import argparse
import array
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time
import wave

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/demo"))
from installation import BINARY, CLIENT, Installation

SECONDS, KILL_AT_S = 30, 6
FILE_BYTES, HEAD_BYTES = 256 << 20, 4096
DERIVED, FREED = 5, 9            # docs/formats/spool.md
TABLE = []
for value in range(256):
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    TABLE.append(value)


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def frame(kind, generation, call, payload):
    start = b"CWSF" + struct.pack("<BBHQ", kind, 1, 0, generation) + call + struct.pack("<I", len(payload))
    whole = start + struct.pack("<I", crc32c(start + payload)) + payload
    return whole + bytes(-len(whole) % 8)


def old_file(path, generation):
    """A full file of frames whose call was freed: what a long call beside them keeps on the disk."""
    call = random.randbytes(16)
    about = b"CWSP" + struct.pack("<HHQQ", 1, 0, generation, FILE_BYTES)
    one, last = frame(DERIVED, generation, call, random.randbytes(900)), frame(FREED, generation, call, b"")
    with open(path, "wb") as out:
        out.write((about + struct.pack("<I", crc32c(about))).ljust(HEAD_BYTES, b"\0"))
        many = one * 4096
        left = FILE_BYTES - HEAD_BYTES - len(last)
        while left >= len(many):
            out.write(many)
            left -= len(many)
        out.write(one * (left // len(one)) + last)
        out.truncate(FILE_BYTES)
        os.fsync(out.fileno())


def hiss(path):
    both = array.array("h", ((value - 128) * 64 for value in random.randbytes(SECONDS * 16_000)))
    with wave.open(str(path), "wb") as w:
        w.setnchannels(2)
        w.setsampwidth(2)
        w.setframerate(8_000)
        w.writeframes(both.tobytes())


def events(path, name):
    out = []
    for line in path.read_text(errors="replace").splitlines():
        if f'"{name}"' in line and line.startswith("{"):
            out.append(json.loads(line))
    return out


def measure(binary, gib, calls):
    with tempfile.TemporaryDirectory(prefix="callward-restart-") as name:
        folder = pathlib.Path(name)
        sound = folder / "hiss.wav"
        hiss(sound)
        place = Installation(folder / "data", binary=binary)
        place.init()
        place.configure(sip={"port": 0}, server={"port": 0}, recorder={"rtp_port_first": 36_000, "rtp_port_last": 36_999})
        with place:
            place.serve()
            host, port = place.sip_address()
            client = subprocess.Popen([str(CLIENT), "--server", f"{host}:{port}", "--calls", str(calls), "--json", str(sound)], stdout=subprocess.PIPE, text=True)
            began = time.monotonic()
            for i in range(gib * (1 << 30) // FILE_BYTES):
                old_file(place.folder / "spool" / f"spool-{0xF0000000 + i:08x}.cws", 1_000_000 + i)
            time.sleep(max(0, began + KILL_AT_S - time.monotonic()))
            killed = time.monotonic()
            old = place.kill("recorder")
            place.wait_running(60, [old])
            back_ms = round((time.monotonic() - killed) * 1000)
            running = client.poll() is None
            client.communicate(timeout=120)
            ids = [c["id"] for c in place.calls()]
            place.wait_complete(ids, 300)
            most, least = {}, []
            for call in ids:
                account = place.account(call)
                for stream in ("customer", "agent"):
                    lost = {}
                    for item in account:
                        if item["stream"] == stream and item["state"] == "lost":
                            lost[item["reason"]] = lost.get(item["reason"], 0) + item["end_ms"] - item["start_ms"]
                    least.append(sum(lost.values()))
                    most = {cause: max(most.get(cause, 0), lost.get(cause, 0)) for cause in most | lost}
            read = [e.get("ms") for e in events(place.folder / "service.log", "recorder.spool")][-1]
            place.stop()
        return {"binary": str(binary), "gib": gib, "calls": len(ids), "killed_in_the_middle": running, "all_back_ms": back_ms,
                "spool_read_ms": read, "lost_ms": {"of_all_causes": {"least": min(least), "most": max(least)}, "most_by_cause": most}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gib", type=int, default=1)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--binary", action="append")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    for _ in range(args.rounds):
        for binary in args.binary or [BINARY]:
            result = measure(binary, args.gib, args.calls)
            print(json.dumps(result) if args.json else f"{result['gib']} GiB of old frames, {result['calls']} calls: lost at most {result['lost_ms']['of_all_causes']['most']} ms of a stream "
                  f"(spool read in {result['spool_read_ms']} ms, all back after {result['all_back_ms']} ms)  {binary}", flush=True)


if __name__ == "__main__":
    main()
