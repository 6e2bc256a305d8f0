#!/usr/bin/env python3
"""No read without its entry, no field lost. Clients read what was broken open (views) and queries of open cases, others store
customers, while the keeper is killed again and again and the supervisor starts it anew; then the log's disk is filled, and gets
room again; then the log is deleted under the running service. Each value that came out must have its entry in the log: in tiles
and journal as they lie on the disk, read here by docs/formats/log.md; of the deleted log in the journal that was still held open.
Each field that was acknowledged must open to what was typed, or be gone as the policy says.

    audited_test.py [--kills N] [--clients N] [--full]     25 kills; --full: 1000

The supervisor waits longer before each start of what dies young, up to 5 s: so the whole service is restarted after every few
kills, under the same clients. The office's time stays everybody's, however often the keeper dies. Needs root for the small disk.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hunt"))
import ground
from bad_input_test import Skipped, SmallDisk
from company import Failed, expect, settled, staffed

TECHNICIANS, AGENTS = 4, 4
STAFF = [("sue", "supervisor"), ("anna", "authorised"), ("abe", "authorised")] + [(f"tom{i}", "technician") for i in range(TECHNICIANS)] + \
        [(f"agnes{i}", "agent") for i in range(AGENTS)]
WINDOW_MS = 60 * 60_000
KILLS_A_COMPANY = 250
KILLS_A_START = 5   # then the supervisor's next waits would be 3 and 5 s
BACK_S_MAX = 60     # until something is read again
EVERY_S, REFUSED_S = 0.15, 0.3  # between two reads of a client, and more after one that was refused
ROOM_BYTES = 6 << 20
READS_A_LIFE = 8    # of each keeper, at least
READERS_AT_ONCE = 16
OVER = (403, 404, 409, 410)
DAY_MS, AHEAD_MS_MAX = 24 * 3_600_000, 2_000


# ---- the log, as it lies there ---------------------------------------------------------------------------------------------------

def entries_of_bundle(raw):
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at:at + 2], "big")
        yield json.loads(raw[at + 2:at + 2 + size])
        at += 2 + size


def entries_of_journal(raw):
    """{index: entry} of the whole frames."""
    found, at = {}, 0
    while at + 24 <= len(raw) and raw[at:at + 4] == b"CWJB":
        size, first = struct.unpack_from("<IQ", raw, at + 4)
        if at + 24 + size > len(raw):
            break
        found.update(enumerate(entries_of_bundle(raw[at + 24:at + 24 + size]), first))
        at += 24 + size
    return found


def tile_number(path):
    """(N, width) of tile/entries/x001/067 or …/067.p/12."""
    parts = path.parts[path.parts.index("entries") + 1:]
    width = int(parts[-1]) if parts[-2:-1] and parts[-2].endswith(".p") else 256
    digits = [p.removesuffix(".p").lstrip("x") for p in (parts[:-1] if width < 256 else parts)]
    return int("".join(digits)), width


def open_journals(folder):
    return {p.name: open(p, "rb") for p in sorted(folder.glob("journal-*"))}


def entries_of_tiles(folder):
    found = {}
    for path in sorted((folder / "tile/entries").rglob("*")):
        try:
            if path.is_file() and not path.name.endswith(".tmp"):
                found.update(enumerate(entries_of_bundle(path.read_bytes()), tile_number(path)[0] * 256))
        except (FileNotFoundError, ValueError):
            continue  # a partial tile that gave way just now
    return found


def read_log(folder):
    journals = open_journals(folder)
    found = entries_of_tiles(folder)
    for file in journals.values():
        with file:
            found.update(entries_of_journal(file.read()))
    return found


class Entries:
    """What a log says was read."""

    def __init__(self, entries):
        self.size = len(entries)
        self.views, self.queries, self.steps, self.forks = collections.Counter(), collections.Counter(), {}, []
        self.ahead_ms = 0  # the office's clock, by when secrets are to go
        for index, entry in sorted(entries.items()):
            data = entry["data"]
            if entry["type"] == "disclosure_step":
                self.step(index, entry, data)
            elif entry["type"] == "fields_stored":
                self.ahead_ms = max([self.ahead_ms, *(f[4] - entry["at"] - DAY_MS for f in data["fields"] if f[4])])
            elif entry["type"] == "query_read":
                self.queries[entry["actor"], entry["subject"], data["case"]] += 1

    def step(self, index, entry, data):
        """Each number of a request is there once, after the one before it."""
        last = self.steps.get(data["request"])
        if data["number"] != (last[0] + 1 if last else 1) or entry.get("prev_step") != (last[1] if last else None):
            self.forks.append(f"entry {index}: step {data['number']} ({data['kind']}) of {data['request']} after {entry.get('prev_step')}; "
                              f"the last one was number and entry {last}")
        self.steps[data["request"]] = (data["number"], index)
        if data["kind"] == "view":
            self.views[data["request"], data["number"], data["by"], data["fields"][0]] += 1

    def missing(self, reads):
        views, queries = collections.Counter(reads.views), reads.queries
        return sum(max(0, n - self.views[v]) for v, n in views.items()) + sum(max(0, n - self.queries[key]) for key, n in queries.items())


class Reads:
    """What came out, each with its place in the log."""

    def __init__(self):
        self.lock, self.views, self.queries = threading.Lock(), [], collections.Counter()
        self.statuses, self.wrong, self.at = collections.Counter(), [], []

    def view(self, request, number, who, leaf, began):
        with self.lock:
            self.views.append((request, number, who.id, leaf))
            self.at.append(began)

    def query(self, who, customer, case, began):
        with self.lock:
            self.queries[who.id, customer, case] += 1
            self.at.append(began)

    def status(self, answer):
        with self.lock:
            self.statuses[answer.status] += 1

    def count(self):
        return len(self.at)

    def since(self, moment):
        with self.lock:
            return sum(began >= moment for began in self.at)


# ---- who reads, and who stores -------------------------------------------------------------------------------------------------------

class Crowd:
    def __init__(self, company, clients):
        self.company, self.reads, self.clients = company, Reads(), clients
        self.stop, self.pause = threading.Event(), threading.Event()
        self.kill_number, self.stored, self.threads, self.ready = 0, [], [], threading.Semaphore(0)
        self.locks = {p.id: threading.Lock() for p in company.people.values()}

    def of_role(self, role):
        return [p for p in self.company.people.values() if p.role == role]

    def signed_in(self, who, cookie):
        """Whose session was ended signs in anew, once."""
        with self.locks[who.id]:
            if who.cookie == cookie:
                try:
                    self.company.sign_in(who)
                except (Failed, KeyError):
                    pass

    def store(self, who, values, tries=1):
        """The body that was acknowledged, or None."""
        for _ in range(tries):
            key = self.company.intake_key(who)
            answer = None if key is None else self.company.ask(who, "POST", "/v1/intakes", self.company.intake_body(key, values))
            if answer is not None:
                self.reads.status(answer)
                if answer.status == 201:
                    return answer.json
                if answer.status == 401:
                    self.signed_in(who, who.cookie)
            self.company.intake_key(who, fresh=True)
            time.sleep(0.2)
        return None

    def persistently(self, what, seconds=BACK_S_MAX):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return what()
            except Failed:
                if time.monotonic() > deadline or self.stop.is_set():
                    raise
            self.company.intake_key(self.company.owner, fresh=True)
            time.sleep(0.3)

    def break_open(self, who, customer, case, leaves):
        def try_it():
            request = self.company.request(who, customer, case, leaves).must(201)["request"]
            self.company.break_glass(request, leaves, WINDOW_MS, by=self.of_role("authorised"))
            return request
        return self.persistently(try_it)

    # ---- a client
    def prepare(self, who, number):
        values = {"name": f"Client {number}", "phone": f"+442079460{number:03}", "query": f"query {number} of {who.name}", "email": f"c{number}@example.com"}
        stored = self.store(who, values, tries=50)
        expect(stored is not None, "nothing can be stored")
        leaves = {f["leaf"]: values[f["field"]] for f in stored["fields"]}
        customer, case = stored["customer"], stored["case"]
        self.persistently(lambda: self.company.ask(self.of_role("supervisor")[0], "POST", f"/v1/customers/{customer}/cases/{case}/technician",
                                                   {"technician": who.id}).must(204))
        return customer, case, leaves, self.break_open(who, customer, case, leaves)

    def read_one(self, who, customer, case, leaves, request, turn):
        began, cookie = time.monotonic(), who.cookie
        if turn % 4 == 3:
            answer, value = self.company.open_query(who, customer, case)
            if value is not None:
                self.reads.query(who, customer, case, began)
                self.check(value, next(v for v in leaves.values() if v.startswith("query")))
        else:
            leaf = list(leaves)[turn % len(leaves)]
            answer, seen = self.company.view(who, request, leaf)
            if seen is not None:
                self.reads.view(request, seen[0], who, leaf, began)
                self.check(seen[1], leaves[leaf])
        self.reads.status(answer)
        if answer.status == 401:
            self.signed_in(who, cookie)
        return answer

    def check(self, value, wanted):
        if value.decode() != wanted:
            self.reads.wrong.append((value, wanted))

    def client(self, who, number):
        customer, case, leaves, request = self.prepare(who, number)
        self.ready.release()
        turn, chance = number, random.Random(number)
        while not self.stop.is_set():
            if self.pause.is_set():
                time.sleep(0.05)
                continue
            answer = self.read_one(who, customer, case, leaves, request, turn)
            if answer.status in OVER and self.is_over(who, request):
                request = self.break_open(who, customer, case, leaves)
            turn += 1
            time.sleep(chance.uniform(0, 2 * EVERY_S) + (0 if answer.status == 201 else REFUSED_S))

    def is_over(self, who, request):
        """The office's clock has passed its window's end, or the list says so already."""
        shown = self.company.ask(who, "GET", f"/v1/requests/{request}")
        return shown.status == 200 and (shown.json["state"] in ("expired", "closed") or shown.json["running"] is None)

    # ---- who stores, around each kill
    def writer(self, who, number):
        seen, chance, turn = 0, random.Random(1000 + number), 0
        while not self.stop.is_set():
            if self.kill_number == seen or self.pause.is_set():
                time.sleep(0.02)
                continue
            seen = self.kill_number
            time.sleep(chance.uniform(0, 0.4))
            turn += 1
            mark = f"{number}.{turn}"
            values = {"name": f"Stored {mark}", "phone": f"+44207946{chance.randrange(10**4):04}", "query": f"query {mark} of what is stored",
                      "email": f"s{mark}@example.com", "password": f"secret {mark} of theirs", "service_word": f"heron {mark}"}
            stored = self.store(who, values, tries=10)
            if stored is not None:
                self.stored.append((who, stored, values))

    def run(self, target, who, number):
        def guarded():
            try:
                target(who, number)
            except Exception as error:  # a thread that dies would read no more, unseen
                self.reads.wrong.append((target.__name__, repr(error)))
                self.ready.release()
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self.threads.append(thread)

    def begin(self):
        technicians, agents = self.of_role("technician"), self.of_role("agent")
        for number in range(self.clients):
            self.run(self.client, technicians[number % len(technicians)], number)
        for number, who in enumerate(agents):
            self.run(self.writer, who, number)
        for _ in range(self.clients):
            self.ready.acquire()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(30)


# ---- the phases ----------------------------------------------------------------------------------------------------------------------

def keeper_pid(place):
    return next((pid for pid, name in ground.family(place.service.pid).items() if name == "keeper"), None)


def wait_reads(crowd, more, seconds=BACK_S_MAX):
    """Until so many came out that began from now on."""
    began, first = time.monotonic(), crowd.reads.count()
    while sum(at >= began for at in crowd.reads.at[first:]) < more:
        if time.monotonic() - began > seconds:
            raise Failed(f"nothing is read again after {seconds} s; answers so far: {dict(crowd.reads.statuses)}, {crowd.reads.wrong[:3]}")
        time.sleep(0.01)


def killing(place, crowd, kills):
    began, chance = time.monotonic(), random.Random("kills")
    wait_reads(crowd, READS_A_LIFE)
    for number in range(kills):
        if number and number % KILLS_A_START == 0:
            place.stop()
            place.serve()
            wait_reads(crowd, READS_A_LIFE)
        time.sleep(chance.uniform(0, 0.15))
        pid = keeper_pid(place)
        expect(pid is not None, "there is no keeper")
        crowd.kill_number += 1
        os.kill(pid, 9)
        wait_reads(crowd, READS_A_LIFE)
        if number % 100 == 99:
            print(f"  {number + 1} kills, {crowd.reads.count()} reads, {time.monotonic() - began:.0f} s", flush=True)
    return time.monotonic() - began


def quiet(crowd):
    """Nobody reads any more, and all answers are there."""
    crowd.pause.set()
    time.sleep(1.5)
    before = -1
    while crowd.reads.count() != before:
        before = crowd.reads.count()
        time.sleep(0.5)


def judge(what, crowd, entries, failures):
    missing = entries.missing(crowd.reads)
    print(f"  {what}: {crowd.reads.count()} reads came out, {missing} of them not in the log of {entries.size} entries; "
          f"answers {dict(sorted(crowd.reads.statuses.items()))}; the office's clock was {entries.ahead_ms / 1000:.0f} s ahead", flush=True)
    if missing:
        failures.append(f"{what}: {missing} reads are not in the log")
    if entries.ahead_ms > AHEAD_MS_MAX:
        failures.append(f"{what}: the office's clock ran {entries.ahead_ms} ms ahead")
    if entries.forks:
        failures.append(f"{what}: {len(entries.forks)} steps do not follow the one before: {entries.forks[:2]}")
    for wrong in crowd.reads.wrong[:5]:
        failures.append(f"{what}: {wrong}")


def control(crowd, entries, failures):
    """Without the entry of one view that came out, one is missed more."""
    request, number = crowd.reads.views[-1][:2]
    less = {i: e for i, e in entries.items() if (e["data"].get("request"), e["data"].get("number")) != (request, number)}
    if len(less) == len(entries) or Entries(less).missing(crowd.reads) != Entries(entries).missing(crowd.reads) + 1:
        failures.append("an entry that was left out is not missed")


def field_lost(crowd, who, stored, values):
    """Of one acknowledged intake the fields that neither open nor are gone by the policy."""
    company, lost = crowd.company, []
    chips = {f["leaf"]: f for f in company.ask(who, "GET", f"/v1/customers/{stored['customer']}").must(200)["fields"]}
    readable = []
    for field in stored["fields"]:
        chip = chips.get(field["leaf"], {"state": "not there"})
        if field["field"] == "service_word":
            lost += [] if chip["state"] == "compare_only" else [(field["field"], chip["state"])]
        elif chip["state"] != "readable":
            lost.append((field["field"], chip["state"]))
        else:
            readable.append(field)
    request = crowd.break_open(who, stored["customer"], stored["case"], [f["leaf"] for f in readable])
    for field in readable:
        answer, seen = company.view(who, request, field["leaf"])
        if seen is None or seen[1].decode() != values[field["field"]]:
            lost.append((field["field"], answer.status, answer.raw[:100]))
        else:
            crowd.reads.view(request, seen[0], who, field["leaf"], time.monotonic())
    company.step(who, {"request": request, "kind": "end"}).must(201)
    return lost


def fields_lost(crowd, failures):
    began, waiting, lock, fields = time.monotonic(), list(crowd.stored), threading.Lock(), 0

    def work():
        while True:
            with lock:
                if not waiting:
                    return
                item = waiting.pop()
            try:
                lost = field_lost(crowd, *item)
            except Exception as error:
                lost = [repr(error)]
            if lost:
                failures.append(f"customer {item[1]['customer']}: {lost}")
    threads = [threading.Thread(target=work) for _ in range(READERS_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fields = sum(len(stored["fields"]) for _, stored, _ in crowd.stored)
    lost = sum("customer" in f for f in failures)
    print(f"  {len(crowd.stored)} intakes of {fields} fields were acknowledged: {lost} with a field lost ({time.monotonic() - began:.0f} s)", flush=True)


def log_failed(place, wanted, seconds=40):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for p in place.json("status", expect=(0, 3))["processes"]:
            if p["name"] == "keeper" and p["status"].get("log", {}).get("failed") == wanted:
                return
        time.sleep(0.2)
    raise Failed(f"the keeper's log is not {'failed' if wanted else 'well'} after {seconds} s")


def filling(place, crowd, disk, failures):
    crowd.pause.clear()
    wait_reads(crowd, 20)
    disk.fill()
    log_failed(place, True)
    failed, before = time.monotonic(), crowd.reads.statuses[503]
    time.sleep(3)
    # What still finds room for its entry, in a block that is there already, comes out, and is judged with the others; without, nothing.
    late, refused = crowd.reads.since(failed), crowd.reads.statuses[503] - before
    print(f"  the log's disk is full: in 3 s {refused} reads were refused; {late} that began later came out, and are judged", flush=True)
    if refused <= late:
        failures.append(f"the log's disk was full, and {late} reads came out, {refused} were refused")
    disk.make_room()
    log_failed(place, False)
    wait_reads(crowd, 20)


def empty_folder(folder):
    for path in sorted(folder.iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def deleting(place, crowd, folder, failures):
    """The log goes, under the readers. What was still written to the journal that is gone, its open file shows."""
    crowd.pause.clear()
    wait_reads(crowd, 20)
    journals = open_journals(folder)
    entries = entries_of_tiles(folder)
    empty_folder(folder)
    gone = time.monotonic()
    time.sleep(4)
    late = crowd.reads.since(gone)
    crowd.pause.set()
    time.sleep(1.5)
    for file in journals.values():
        with file:
            entries.update(entries_of_journal(file.read()))
    print(f"  the log is deleted: {late} reads that began later came out, in 4 s", flush=True)
    if late:
        failures.append(f"{late} reads began after the log was deleted, and came out")
    judge("deleted", crowd, Entries(entries), failures)


def log_holds(place, failures):
    if place.cli("log", "verify", expect=(0, 3)).returncode:
        failures.append("the log does not verify")
    said = place.cli("log", "check", expect=(0, 3)).stdout.splitlines()
    breaches = [line for line in said if line.startswith("breach: ")]
    print(f"  the log's rules: {len(breaches)} breaches", flush=True)
    failures.extend(breaches[:5])


def on_a_small_disk(place, crowd, failures):
    log = place.folder / "log"
    size = sum(p.stat().st_size for p in log.rglob("*") if p.is_file()) + sum(4096 for _ in log.rglob("*")) + ROOM_BYTES
    try:
        with SmallDisk(log, size) as disk:
            place.serve()
            filling(place, crowd, disk, failures)
            quiet(crowd)
            judge("filled", crowd, Entries(read_log(log)), failures)
            log_holds(place, failures)
            deleting(place, crowd, log, failures)
            crowd.end()
            place.service.kill()
            place.service.wait()
    except Skipped as why:
        print(f"  LEFT OUT: the log's disk full, the log deleted: {why}")
        if ground.allowed() or ground.needed():  # nothing is left out more quietly than by a failure
            failures.append(f"the log's disk full, the log deleted: {why}")


def story(folder, args, kills, last):
    failures = []
    place = settled(folder / "data")
    with place:
        place.serve()
        crowd = Crowd(staffed(place, STAFF), args.clients)
        crowd.begin()
        try:
            seconds = killing(place, crowd, kills)
            quiet(crowd)
            print(f"  {kills} kills of the keeper in {seconds:.0f} s, {seconds / max(1, kills):.2f} s each, {args.clients} clients", flush=True)
            entries = read_log(place.folder / "log")
            judge("killed", crowd, Entries(entries), failures)
            control(crowd, entries, failures)
            fields_lost(crowd, failures)
            log_holds(place, failures)
            place.stop()
            if last:
                on_a_small_disk(place, crowd, failures)
        finally:
            crowd.end()
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--full", action="store_true")
    args = parser.parse_args()
    left, failures = args.kills if args.kills is not None else 1000 if args.full else 25, []
    while left >= 0 and not failures:
        kills, left = min(left, KILLS_A_COMPANY), left - KILLS_A_COMPANY
        with tempfile.TemporaryDirectory(prefix="callward-audited-") as name:
            failures = story(pathlib.Path(name), args, kills, left <= 0)
        if left <= 0:
            break
    for line in failures[:40]:
        print(f"  FAILS  {line}")
    print(f"{'1 passed, 0 failed' if not failures else '0 passed, 1 failed'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
