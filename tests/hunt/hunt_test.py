#!/usr/bin/env python3
"""The remanence hunter: after `erased`, every key that opened the erased ranges, their sound, words and digits are searched for
in every byte of the service's disk, files and memory. Then one of each kind is planted in each kind of place, and every one
must be found: a search that finds nothing has shown first that it would.

    hunt_test.py           one call with a spoken password, erased live, and a turn erased later by hand: disk and files
    hunt_test.py --full    a second call with keyed digits; the memory of every process, too

The service is `callward_traced`: the product's object files with tracing linked in (traced.cpp). Root mounts the disk and reads
the memory; without, the test says what it leaves out.
"""
import argparse
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/demo"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import ground
import pieces
import sound
import trace
from installation import BUILD, CLIENT, ROOT, Failed, Installation

CUSTOMER, AGENT = "sip:+441632960123@carrier.example", "sip:701@pbx.example"
MIRRORS = 2
LISTEN_S_MAX = 240
PARTIES = ("customer", "agent")
PLACES = (("keeper/mirror-[12]/store/", "page files"), ("keeper/mirror-[12]/anchor/", "anchors"), ("spool/", "spool"),
          ("objects/", "objects"), ("server/.*-(wal|shm)$", "database's WAL"), ("server/", "database"), ("log/", "audit log"),
          ("service.log$", "service's log"))
SPOKEN = {"2": "two", "4": "four", "5": "five", "7": "seven", "8": "eight", "9": "nine"}


class Isolated(Installation):
    """The service sees no other temporary folder than its own disk's."""

    def __init__(self, disk, trace_file):
        super().__init__(disk / "data", BUILD / "callward_traced")
        self.disk = disk
        os.environ["CALLWARD_TRACE"] = str(trace_file)
        for name in ("tmp", "shm"):
            (disk / name).mkdir()

    def serve(self):
        if not ground.allowed():
            return super().serve()
        plain, wrapper = self.binary, self.disk.parent / "serve"
        wrapper.write_text("#!/bin/sh\nset -e\n" + "".join(
            f'mount --bind "{self.disk}/{own}" {shared}\n' for own, shared in (("tmp", "/tmp"), ("tmp", "/var/tmp"), ("shm", "/dev/shm")))
            + f'exec "{plain}" "$@"\n')
        wrapper.chmod(0o700)
        start = self.disk.parent / "start"
        start.write_text(f'#!/bin/sh\nexec unshare -m --propagation private "{wrapper}" "$@"\n')
        start.chmod(0o700)
        self.binary = start
        super().serve()
        self.binary = plain


class Call:
    def __init__(self, name, made, sent):
        self.name, self.truth = name, json.loads((made / f"{name}.json").read_text())
        self.wav, self.sent = made / f"{name}.wav", sent / name
        self.sent.mkdir(parents=True)

    def place(self, host):
        command = [CLIENT, "--server", host, "--direction", self.truth["direction"], "--customer", CUSTOMER, "--agent", AGENT,
                   "--sent-dir", self.sent]
        digits = self.truth["digits"]
        if digits:
            command += ["--dtmf", "".join(d["digit"] for d in digits) + f"@{digits[0]['at_ms']}",
                        "--dtmf-every-ms", str(digits[1]["at_ms"] - digits[0]["at_ms"])]
        return subprocess.Popen([str(c) for c in command] + ["--json", str(self.wav)], stdout=subprocess.PIPE, text=True)

    def codes(self, party):
        return next(p for p in sorted(self.sent.glob(f"*{party}*")) if p.suffix != ".json").read_bytes()


def erased_of(account):
    """[(party, first index, end index)]"""
    return [(i["stream"], i["start_ms"] // 100, i["end_ms"] // 100) for i in account if i["state"] == "erased"]


def place_calls(place, names, made, sent):
    host = place.sip.split("sip:")[-1].split(";")[0]
    calls = [Call(name, made, sent) for name in names]
    for call in calls:
        known = {c["id"] for c in place.calls()}
        call.client = call.place(host)
        deadline = time.monotonic() + 15
        while not (fresh := {c["id"] for c in place.calls()} - known):
            if time.monotonic() > deadline:
                raise Failed(f"{call.name}: not recorded")
            time.sleep(0.2)
        call.id = fresh.pop()
    return calls


def wait_live_erasure(place, call):
    """Until the spoken secret is `erased`, with the call still going on."""
    secret = next(t for t in call.truth["turns"] if t["secret"])
    while call.client.poll() is None:
        account = place.account(call.id)
        gone = [i for i in account if i["state"] == "erased" and i["stream"] == "customer"]
        if sum(i["end_ms"] - i["start_ms"] for i in gone) >= secret["end_ms"] - secret["start_ms"] and \
                all(i["reason"] != "erase_intended" for i in account):
            call.live = erased_of(account)
            return secret
        time.sleep(0.1)
    raise Failed(f"{call.name}: the secret was not erased while the call lived")


def live_patterns(traced, place, call, secret):
    """The erased ranges' keys by the records in the spool, the turn's sound by what the client sends. The streams of a
    living call stand in its offer's order; `finish_calls` holds this against the object."""
    records = {}
    for path in (place.folder / "spool").rglob("*"):
        if path.is_file():
            records.update(trace.records_in(path.read_bytes()))
    kinds = trace.dead_of_records(traced, records, {(PARTIES.index(p), i) for p, a, b in call.live for i in range(a, b)})
    codes = pieces.mu_law_codes(sound.read_wav(call.wav)[0])
    span = [(secret["start_ms"] * sound.PER_MS, int(secret["end_ms"] * sound.PER_MS))]
    call.sent_codes, call.loud_from = codes, span[0][0]
    add(kinds, pieces.sounds(codes, span, pieces.kept_windows(codes, span)))
    add(kinds, secret_words([call]))
    return kinds


def finish_calls(place, calls, made):
    """The calls to their end, listened to; then one turn of the first, whose keys stood on the disk, erased by hand."""
    for call in calls:
        call.client.communicate()
    place.wait_complete([c.id for c in calls], LISTEN_S_MAX)
    for call in calls:
        if not erased_of(place.account(call.id)):
            raise Failed(f"{call.name}: nothing was erased live")
        played = sound.play(place, call.id, made)
        call.offset = {party: sound.find_offset(sound.decode(call.codes(party)), played[party]) for party in PARTIES}
        call.words = place.json("transcript", call.id, "--reason", "before it is erased")["words"]
    first = calls[0]
    turn = last_turn(first.truth)
    shift = first.offset["customer"] // sound.PER_MS
    first.hand = (int(turn["start_ms"] + shift) // 100 * 100, -(-int(turn["end_ms"] + shift) // 100) * 100)
    place.cli("erase", first.id, "--stream", "both", "--from", first.hand[0], "--to", first.hand[1], "--reason", "reviewer")
    for call in calls:
        place.wait_erased(call.id)
        call.erased = erased_of(place.account(call.id))
        call.objects = [p.read_bytes() for p in sorted((place.folder / "objects").rglob(f"{call.id}.cw[od]"), reverse=True)]
        if trace.parties(call.objects[0]) != dict(enumerate(PARTIES)):
            raise Failed(f"{call.name}: its streams do not stand in the offer's order")
    if hasattr(first, "sent_codes"):
        sent, at = first.codes("customer"), first.loud_from
        if sent[at:at + sound.RATE] != first.sent_codes[at:at + sound.RATE]:
            raise Failed("what was hunted while the call lived is not what the client sent")


def add(kinds, more):
    for kind, found in more.items():
        kinds.setdefault(kind, set()).update(found)


def secret_sounds(calls):
    spans, kept = {}, set()
    for call in calls:
        for party in PARTIES:
            gone = [(a * 800 - call.offset[party], b * 800 - call.offset[party]) for p, a, b in call.erased if p == party]
            spans[call.name, party] = gone
            kept |= pieces.kept_windows(call.codes(party), gone)
    kinds = {}
    for call in calls:
        for party in PARTIES:
            add(kinds, pieces.sounds(call.codes(party), spans[call.name, party], kept))
    return kinds


def wait_worker(place):
    deadline = time.monotonic() + 60
    while b"listener.worker_up" not in (place.folder / "service.log").read_bytes():
        if time.monotonic() > deadline:
            raise Failed("no recogniser came up")
        time.sleep(0.2)


def said_before(hunter, names, made):
    """Of three words in a row, those that stand in the processes before the first call: the documentation of libraries."""
    turn = last_turn(json.loads((made / "incoming_password.json").read_text()))
    words = turn["text"].split()
    hunter.aim({"words": [p for form in (words, [w.rstrip(".,?") for w in words]) for p in pieces.of_words(form)]})
    return {piece for _, _, hits in hunter.search([f"pid:{p}" for p in names]).values() for _, piece, _, _ in hits if b" " in piece}


def last_turn(truth):
    """The customer's last, which is no secret: it is erased by hand."""
    return [t for t in truth["turns"] if t["who"] == "customer" and not t["secret"]][-1]


def secret_words(calls):
    kinds = {"words": set(), "digits": set()}
    for call in calls:
        for turn in call.truth["turns"]:
            if turn["secret"]:
                spoken = [w for w in turn["text"].rstrip(".").split() if w in SPOKEN.values()]
                figures = "".join(d for w in spoken for d, name in SPOKEN.items() if name == w)
                kinds["words"].update(p for p in pieces.of_words(spoken) if b" " in p)
                kinds["digits"].update(pieces.wide(figures) + pieces.wide(" ".join(figures)))
        kinds["digits"].update(pieces.of_digits("".join(d["digit"] for d in call.truth["digits"])))
        if hasattr(call, "hand"):
            gone = [w["text"] for w in call.words if w["start_ms"] < call.hand[1] and call.hand[0] < w["end_ms"] and w["stream"] == "customer"]
            others = {w["text"] for w in call.words} - set(gone)
            kinds["words"].update(p for p in pieces.of_words(gone) if b" " in p)
            kinds["words"].update(p for w in gone if w not in others and len(w) > 4 for p in pieces.of_words([w]))
    return kinds


def patterns(traced, calls, common):
    """{kind: pieces}: all that must be nowhere; `common`: words that stood in memory before anybody said them."""
    kinds, living = {}, set()
    for call in calls:
        dead, alive = trace.dead_of_call(traced, call.objects, call.erased)
        add(kinds, dead)
        living |= alive
    kept = {r.salt for call in calls for raw in call.objects for r in trace.records_in(raw).values() if r.kind in trace.DERIVED}
    kinds["derived key"] |= {key for (kind, salt), key in traced.key_of.items() if kind in trace.DERIVED and salt not in kept}
    kinds["derived key"] -= living
    dead_epochs, _ = traced.dead_epochs(MIRRORS)
    kinds["epoch key"] = set(dead_epochs)
    kinds["epoch key, sealed"] = {c[:32] for k in dead_epochs for c in traced.sealed.get(k, [])}
    kinds["page key"] = set(traced.dead_pages(MIRRORS))
    add(kinds, secret_sounds(calls))
    add(kinds, secret_words(calls))
    kinds["words"] -= common
    empty = [k for k, v in kinds.items() if not v and k != "digits"]
    if empty:
        raise Failed(f"nothing to hunt for: {empty}")
    return kinds


def place_of(path, folder):
    relative = str(path.relative_to(folder))
    for pattern, name in PLACES:
        if re.search(r"^data/" + pattern, relative):
            return name
    return "other files" if relative.startswith("data/") else "temporary files"


class Tally:
    """What was searched and found, a line a place."""

    def __init__(self, hunter):
        self.hunter, self.lines, self.failed = hunter, {}, 0

    def line(self, place):
        return self.lines.setdefault(place, {"bytes": 0, "unexpected": 0, "planted": 0, "found": 0})

    def clean(self, targets, remembered=None):
        """{target: place}: nothing of it is there; but once in `remembered` what a listener has to know again."""
        for target, (count, speed, hits) in self.hunter.search(list(targets)).items():
            if target == remembered:
                known = [hit for hit in hits if hit[0] == "digits" and hit[2] == 1]
                hits = [hit for hit in hits if hit not in known]
                if known:
                    print(f"  the listener remembers, until the call ends: {sorted(piece for _, piece, _, _ in known)}")
            line = self.line(targets[target])
            line["bytes"] += count
            line["mb_per_s"] = speed
            line["unexpected"] += len(hits)
            by_kind = {}
            for kind, piece, _, first in hits:
                by_kind.setdefault(kind, []).append((first, piece))
            for kind, found in by_kind.items():
                print(f"  FOUND  {targets[target]}: {target}: {kind}: {len(found)} pieces at {min(found)[0]:#x} to {max(found)[0]:#x}"
                      + (f": {sorted({piece for _, piece in found})[:6]}" if kind in ("words", "digits") else ""))
            self.failed += bool(hits)

    def planted(self, place, targets, content):
        """Each piece that was planted is found in one of the targets."""
        found = {piece for _, _, hits in self.hunter.search(targets).values() for _, piece, _, _ in hits}
        line = self.line(place)
        line["planted"] += len(content)
        line["found"] += sum(piece in found for piece in content)
        missing = [piece for piece in content if piece not in found]
        if missing:
            kinds = {k for k, p in zip(self.hunter.kinds, self.hunter.pieces) if p in missing}
            print(f"  MISSED {place}: planted and not found: {sorted(kinds)}")
            self.failed += 1

    def show(self):
        print(f"\n  {'place':28} {'searched':>12} {'unexpected':>11} {'planted':>8} {'found':>6}")
        for place, line in self.lines.items():
            print(f"  {place:28} {line['bytes'] / 1e6:9.1f} MB {line['unexpected']:11} {line['planted']:8} {line['found']:6}")


def one_of_each(hunter, turn):
    """A piece of every kind; another one for each turn, where there are several."""
    out = []
    for kind in dict.fromkeys(hunter.kinds):
        mine = hunter.of_kind(kind)
        out.append(mine[turn * 37 % len(mine)])
    return out


def hunt_memory(tally, names, when, live=False):
    targets, listener = {}, None
    order = ("worker", "listener", "keeper", "recorder")  # where most may be, first: each moment counts
    for pid, name in sorted(names.items(), key=lambda item: order.index(item[1]) if item[1] in order else len(order)):
        targets[f"pid:{pid}"] = f"memory{when}: {name}"
        if live and name == "listener":  # what was secret is secret when it is said again (listen/conversation.hpp, 3)
            listener = f"pid:{pid}"
        if name in ("listener", "worker"):
            targets[f"doubled:{pid}"] = f"memory{when}: {name}, at 16 kHz"
    tally.clean(targets, listener)


def plant_in_memory(tally, names):
    for turn, (pid, name) in enumerate(names.items()):
        content = one_of_each(tally.hunter, turn)
        ground.plant_in_memory(pid, ground.joined(content))
        tally.planted(f"memory: {name}", [f"pid:{pid}"], content)
        if name in ("listener", "worker"):
            doubled = tally.hunter.of_kind("sound: 16-bit")[turn * 31]
            ground.plant_in_memory(pid, pieces.doubled(doubled))
            tally.planted(f"memory: {name}, at 16 kHz", [f"doubled:{pid}"], [doubled])


def files_of(disk):
    return {f"file:{p}": place_of(p, disk.at) for p in sorted(disk.at.rglob("*")) if p.is_file() and not p.is_symlink()}


def plant_in_file(path, content):
    """Behind what stands there, or into the unused part of a superblock and an anchor's slot."""
    path.chmod(0o600)
    with open(path, "r+b") as f:
        f.seek(100 if path.name in ("pages", "slots") else 0, 0 if path.name in ("pages", "slots") else 2)
        f.write(ground.joined(content))


def plant_in_disk(disk, tally):
    """In a file that is removed at once: what its blocks keep."""
    content = one_of_each(tally.hunter, 1)
    victim = disk.at / "removed"
    with open(victim, "wb") as f:
        f.write(ground.joined(content))
        f.flush()
        os.fsync(f.fileno())
    victim.unlink()
    os.sync()
    disk.unmount()
    tally.planted("disk, every block", [f"file:{disk.image}"], content)
    disk.mount()


def plant_in_files(disk, tally):
    chosen = {}
    for target, where in files_of(disk).items():
        chosen.setdefault(where, pathlib.Path(target[5:]))
    for where in ("temporary files", "spool"):
        chosen.setdefault(where, disk.at / {"temporary files": "tmp", "spool": "data/spool"}[where] / "left-over").touch()
    for turn, (where, path) in enumerate(chosen.items()):
        if where.startswith("database"):
            continue
        content = one_of_each(tally.hunter, turn)
        plant_in_file(path, content)
        tally.planted(where, [f"file:{path}"], content)
    database = next((disk.at / "data/server").glob("*.db"))
    content = one_of_each(tally.hunter, 7)
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("CREATE TABLE planted (content BLOB)")
    connection.execute("INSERT INTO planted VALUES (?)", (ground.joined(content),))
    connection.commit()
    tally.planted("database's WAL", [f"file:{database}-wal"], content)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    tally.planted("database", [f"file:{database}"], content)


def say(what):
    print(f"  {time.strftime('%H:%M:%S')}  {what}", flush=True)


def hunt_disk(disk, tally):
    say("stopped: the disk, every block")
    if disk.whole:
        disk.unmount()
        tally.clean({f"file:{disk.image}": "disk, every block"})
        disk.mount()
    say("its files")
    tally.clean(files_of(disk))
    if disk.whole:
        say("planting in blocks of the disk")
        plant_in_disk(disk, tally)
    say("planting in files")
    plant_in_files(disk, tally)


def aim(hunter, traced, make):
    began = time.monotonic()
    hunter.aim(make(traced))
    counts = {kind: hunter.kinds.count(kind) for kind in dict.fromkeys(hunter.kinds)}
    print(f"  {traced.made} values traced; {len(hunter.pieces)} pieces hunted, made in {time.monotonic() - began:.1f} s: "
          + ", ".join(f"{n} {k}" for k, n in counts.items()), flush=True)


def product_has_no_trace():
    program = (BUILD / "callward").read_bytes()
    traced = (BUILD / "callward_traced").read_bytes()
    if b"CALLWARD_TRACE" in program or b"CALLWARD_TRACE" not in traced:
        raise Failed("the tracing must stand in callward_traced and nowhere else")


def hunt(args, folder, disk):
    made, sent, trace_file = folder / "calls", folder / "sent", folder / "trace"
    subprocess.run([sys.executable, ROOT / "tools/demo/make_calls.py", made], check=True)
    place = Isolated(disk.at, trace_file)
    place.init()
    place.configure(sip={"own_numbers": ["7*"], "own_domains": ["pbx.example"], "port": 0}, server={"port": 0},
                    recorder={"rtp_port_first": args.rtp_port, "rtp_port_last": args.rtp_port + 99})
    hunter = ground.Hunter(BUILD / "hunter", folder)
    tally = Tally(hunter)
    with place:
        place.serve()
        wait_worker(place)
        memory = args.full and ground.allowed()
        common = said_before(hunter, ground.family(place.service.pid), made) if memory else set()
        calls = place_calls(place, ("incoming_password", "incoming_card") if args.full else ("incoming_password",), made, sent)
        if memory:
            secret = wait_live_erasure(place, calls[0])
            say("the spoken secret is erased, the call goes on: memory")
            aim(hunter, trace.Trace(trace_file.read_bytes()), lambda traced: live_patterns(traced, place, calls[0], secret))
            hunt_memory(tally, ground.family(place.service.pid), ", the call going on", live=True)
        say("calls placed, listening")
        finish_calls(place, calls, made)
        aim(hunter, trace.Trace(trace_file.read_bytes()), lambda traced: patterns(traced, calls, common))
        if memory:
            say("memory after the last erasure")
            names = ground.family(place.service.pid)
            hunt_memory(tally, names, "")
            say("planting in memory")
            plant_in_memory(tally, names)
        place.stop()
    place.log_file.close()
    hunt_disk(disk, tally)
    tally.show()
    print(f"  swap: {ground.swap_bytes()} bytes" + ("; none, so nothing to search" if ground.swap_bytes() == 0 else ": NOT searched"))
    if not disk.whole:
        print(f"  LEFT OUT: the disk's blocks; no loop mount here ({disk.why})")
    if args.full and not ground.allowed():
        print("  LEFT OUT: the memory of the processes; only root may read it")
        if ground.needed():
            raise Failed("this is not root: with CALLWARD_NEED_ROOT=0 what only root may do is left out")
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--rtp-port", type=int, default=33_000)
    args = parser.parse_args()
    began = time.monotonic()
    product_has_no_trace()
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hunt-", dir=ROOT / "build") as name:
        folder = pathlib.Path(name)
        with ground.Disk(folder) as disk:
            try:
                tally = hunt(args, folder, disk)
            except Failed as error:
                print(f"failed: {error}", file=sys.stderr)
                log = disk.at / "data/service.log"
                if log.exists():
                    print(log.read_text()[-4000:], file=sys.stderr)
                return 1
    lines = tally.lines.values()
    print(f"  {sum(x['bytes'] for x in lines) / 1e6:.0f} MB searched, {sum(x['found'] for x in lines)} of {sum(x['planted'] for x in lines)} "
          f"planted pieces found, {sum(x['unexpected'] for x in lines)} others, {time.monotonic() - began:.0f} s")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
