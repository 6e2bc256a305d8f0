#!/usr/bin/env python3
"""bench/vault --service: the whole service under load, TLS and every sync included: what browsers ask of it is asked by
bench/vault_load.cpp. People and passkeys are those of tests/e2e/company.py.

Capture: an intake of a new customer with name, phone, query and e-mail, three of them searched by, each field sealed to the keeper;
answered when the keeper's key store and log and the server's database have it on disk. Read: a released field, each a step signed
by a passkey (ES256), verified by the keeper, in the log before the value leaves; each client has a request of its own. Beside it, in
turn, the peer of bench/vault_peer.py.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import results
import vault_peer

sys.path.insert(0, str(results.ROOT / "tests/e2e"))
from company import STAFF, raw_public, settled, staffed
from cryptography.hazmat.primitives import serialization
from installation import PROCESSES, free_port

TARGETS = {("capture", 1): 600, ("capture", 16): 4_000, ("read", 16): 3_000}
TICKS = os.sysconf("SC_CLK_TCK")


def options():
    parser = argparse.ArgumentParser(prog="bench/vault --service")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default="1,16")
    parser.add_argument("--what", default="capture,read")
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="a folder on the disk to be measured")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true")
    return parser.parse_args()


def pem(passkey):
    return passkey.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()).decode()


def readers(company, count):
    """Released requests, each with its own customer, as a browser stands before its next view."""
    agent, technician, out = company.of_role("agent"), company.of_role("technician"), []
    for number in range(count):
        stored = company.store(agent, {"name": f"Reader {number}", "phone": f"+4930{1000000 + number}",
                                       "query": "What is needed", "email": f"r{number}@mail.example"}).must(201)
        leaf = next(f["leaf"] for f in stored["fields"] if f["field"] == "email")
        company.ask(agent, "POST", f"/v1/customers/{stored['customer']}/cases/{stored['case']}/technician", {"technician": technician.id}).must(204)
        request = company.request(technician, stored["customer"], stored["case"], [leaf]).must(201)["request"]
        company.break_glass(request, [leaf], 3_600_000)
        company.wait_shown(technician, request)
        draft = company.ask(technician, "POST", "/v1/request-drafts", {
            "request": request, "kind": "view", "fields": [leaf], "reader_key": raw_public(technician.reader).hex()}).must(200)["step"]
        out.append({"cookie": technician.cookie, "draft": draft, "person": technician.id, "passkey": technician.passkey.id.hex(),
                    "private_key": pem(technician.passkey), "origin": "https://localhost:8443", "party": "localhost", "count": 0})
    return out


def plan_of(company, clients):
    port = int(company.place.https.rsplit(":", 1)[1].strip("/"))
    return {"port": port, "certificate": str(company.place.folder / "tls/certificate.pem"),
            "agent_cookie": company.of_role("agent").cookie, "intake_key": company.intake_key(company.of_role("agent"), True),
            "readers": readers(company, clients)}


def cpu_s(place):
    """CPU-seconds of each process so far."""
    spent = {}
    for item in place.json("status", expect=(0, 3))["processes"]:
        fields = pathlib.Path(f"/proc/{item['pid']}/stat").read_text().rsplit(")", 1)[1].split()
        spent[item["name"]] = (int(fields[11]) + int(fields[12])) / TICKS
    return spent


def one(place, plan, what, clients, seconds):
    before = cpu_s(place)
    done = subprocess.run([str(results.ROOT / "build/release/vault_load_bench"), plan, what, str(clients), str(seconds)],
                          stdout=subprocess.PIPE, text=True, check=True)
    figure, after = json.loads(done.stdout), cpu_s(place)
    figure["cpu_ms_each"] = {p: round(1000 * (after[p] - before[p]) / figure["count"], 3) for p in PROCESSES if p in after}
    return figure


def middle(whose, runs):
    """The median of rates and of p99s, each by itself."""
    one = dict(sorted(runs, key=lambda r: r["per_s"])[len(runs) // 2])
    one.update(whose=whose, rounds_per_s=[r["per_s"] for r in runs], p99_ms=statistics.median(r["p99_ms"] for r in runs))
    return one


def show(figure):
    target = TARGETS.get((figure["what"], figure["clients"])) if figure["whose"] == "callward" else None
    cpu = ", ".join(f"{name} {ms:.2f}" for name, ms in figure.get("cpu_ms_each", {}).items() if ms >= 0.01)
    print(f"{figure['what']:<8} {figure['clients']:>3} clients  {figure['whose']:<10} {figure['per_s']:>7.0f}/s  p50 {figure['p50_ms']:>7.2f} ms"
          f"  p99 {figure['p99_ms']:>7.2f} ms" + (f"  target {target}/s" if target else "") + (f"  CPU-ms each: {cpu}" if cpu else ""), flush=True)


def measured(given, company, plan, peer):
    for what in given.what.split(","):
        for number in (int(n) for n in given.clients.split(",")):
            ours, theirs = [], []
            for _ in range(given.rounds):
                # Fresh each time: what a round has signed the next one does not know.
                made = plan_of(company, number if what == "read" else 0)
                plan.write_text(json.dumps(made))
                ours.append(one(company.place, str(plan), what, number, given.seconds))
                for reader in made["readers"]:  # one person has so many open, and no more
                    company.step(company.of_role("technician"), {"request": json.loads(reader["draft"])["request"], "kind": "end"}).must(201)
                if peer:
                    theirs.append(peer.run(what, number, given.seconds))
            yield middle("callward", ours)
            if theirs:
                yield middle("postgresql", theirs)


def main():
    given = options()
    if not given.no_peer and not vault_peer.there():
        print("no PostgreSQL 15 with pgcrypto here (apt-get install postgresql-15): measured without it", file=sys.stderr)
        given.no_peer = True
    folder = pathlib.Path(tempfile.mkdtemp(prefix="callward-bench-vault-", dir=given.dir))
    about, rows = results.machine(), []
    place = settled(folder / "data")
    try:
        with place, (contextlib.nullcontext() if given.no_peer else vault_peer.Peer(given.dir, free_port())) as peer:
            place.serve()
            for row in measured(given, staffed(place, STAFF), folder / "plan.json", peer):
                rows.append(row)
                if not given.json:
                    show(row)
            place.json("log", "check")  # fails where a rule is broken
            place.stop()
    except BaseException:
        print((folder / "data/service.log").read_text()[-2_000:], file=sys.stderr)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if given.json:
        print(json.dumps(rows))
    if given.save:
        about["peer"] = None if given.no_peer else vault_peer.version()
        results.save("vault-service", "bench/vault --service " + " ".join(a for a in sys.argv[1:] if a != "--save"), rows, about)


if __name__ == "__main__":
    main()
