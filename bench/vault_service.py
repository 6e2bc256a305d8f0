#!/usr/bin/env python3
"""bench/vault --service: the whole service under load, TLS and every sync included: what browsers ask of it is asked by
bench/vault_load.cpp. People and passkeys are those of tests/e2e/company.py.

Capture: an intake of a new customer with name, phone, query and e-mail, three of them searched by, each field sealed to the keeper;
answered when the keeper's key store and log and the server's database have it on disk. Read: a released field, each a step signed
by a passkey (ES256), verified by the keeper, in the log before the value leaves; each client has a request of its own.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import results

sys.path.insert(0, str(results.ROOT / "tests/e2e"))
from company import Company, STAFF, raw_public, settled, staffed
from cryptography.hazmat.primitives import serialization
from installation import PROCESSES

TARGETS = {("capture", 1): 600, ("capture", 16): 4_000, ("read", 16): 3_000}
TARGET_P99_MS = 20
TICKS = os.sysconf("SC_CLK_TCK")


def options():
    parser = argparse.ArgumentParser(prog="bench/vault --service")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default="1,16")
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="a folder on the disk to be measured")
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
        company.ask(agent, "POST", f"/v1/customers/{stored['customer']}/cases/{stored['case']}/assignment", {"technician": technician.id})
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


def show(figure):
    target = TARGETS.get((figure["what"], figure["clients"]))
    cpu = ", ".join(f"{name} {ms:.2f}" for name, ms in figure["cpu_ms_each"].items() if ms >= 0.01)
    print(f"{figure['what']:<8} {figure['clients']:>3} clients {figure['per_s']:>7.0f}/s  p50 {figure['p50_ms']:>7.2f} ms  p99 {figure['p99_ms']:>7.2f} ms"
          f"   target {target or '-'}   CPU-ms each: {cpu}", flush=True)


def main():
    given = options()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="callward-bench-vault-", dir=given.dir))
    about, rows = results.machine(), []
    clients = [int(n) for n in given.clients.split(",")]
    place = settled(folder / "data")
    try:
        with place:
            place.serve()
            company = staffed(place, STAFF)
            plan = folder / "plan.json"
            for what in ("capture", "read"):
                for number in clients:
                    runs = []
                    for _ in range(given.rounds):
                        # Fresh each time: what a round has signed the next one does not know.
                        plan.write_text(json.dumps(plan_of(company, number if what == "read" else 0)))
                        runs.append(one(place, str(plan), what, number, given.seconds))
                    middle = sorted(runs, key=lambda r: r["per_s"])[len(runs) // 2]
                    middle["rounds_per_s"] = [r["per_s"] for r in runs]
                    middle["p99_ms"] = statistics.median(r["p99_ms"] for r in runs)
                    rows.append(middle)
                    if not given.json:
                        show(middle)
            checked = place.json("log", "check")
            if checked["findings"]:
                sys.exit(f"the log does not check: {checked['findings'][:3]}")
            place.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if given.json:
        print(json.dumps(rows))
    if given.save:
        results.save("vault-service", "bench/vault --service " + " ".join(sys.argv[1:]), rows, about)


if __name__ == "__main__":
    main()
