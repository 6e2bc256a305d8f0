#!/usr/bin/env python3
"""What age does to an installation: a backup while calls run, a restore with and without a mirror that survived, a mirror
that is given up, a legal hold, a call that two persons erase."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))
from installation import Failed, Installation, covered


def expect(ok, text):
    if not ok:
        raise Failed(text)


def tone(folder, name, seconds):
    out = pathlib.Path(folder) / f"{name}.wav"
    subprocess.run(["sox", "-n", "-r", "8000", "-b", "16", "-c", "2", str(out), "synth", str(seconds), "sine", "300", "sine", "500", "vol", "0.2"], check=True)
    return out


class Person:
    """The owner in a browser: a second person beside the command line."""

    def __init__(self, place):
        self.place = place
        status, body = self.send("POST", "/v1/session", {"name": place.owner, "passphrase": place.passphrase})
        expect(status in (200, 201), f"signing in: {status} {body}")

    def send(self, method, path, body):
        connection = self.place.connect()
        headers = {"Content-Type": "application/json", "X-Callward": "1"}
        if hasattr(self, "cookie"):
            headers["Cookie"] = self.cookie
        connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.getheader("Set-Cookie"):
            self.cookie = answer.getheader("Set-Cookie").split(";")[0]
        return answer.status, json.loads(answer.read() or b"{}")


def secrets_of(folder):
    """Byte strings that may be in no backup: the credential, anchor slots, pages, the wrapped log key."""
    found = {}
    for path in (pathlib.Path(folder) / "keeper").rglob("*"):
        if not path.is_file():
            continue
        raw = path.read_bytes()
        for at in range(0, len(raw) - 31, 32):
            piece = raw[at:at + 32]
            if len(set(piece)) > 12:  # no runs of zeros
                found[piece] = path
    return found


def hunt(backup, secrets):
    """(bytes looked at, [what of them is there])."""
    seen, hits = 0, []
    for path in pathlib.Path(backup).rglob("*"):
        if not path.is_file():
            continue
        raw = path.read_bytes()
        seen += len(raw)
        hits += [f"{path}: {origin}" for piece, origin in secrets.items() if piece in raw]
    return seen, hits


def two_persons(place, call):
    place.json("hold", "set", call, "--reason", "a court asked")
    expect(place.json("hold", "list")["calls"] == [call], "the hold is listed")
    place.cli("erase", call, "--all", "--reason", "customer_request", expect=(1,))
    place.json("hold", "lift", call, "--reason", "the case is closed")
    order = place.json("erase", call, "--all", "--reason", "customer_request", expect=(1,))
    expect(order["outcome"] == "held", f"one person only closes it: {order}")
    out = place.folder / "closed.wav"
    refused = place.cli("play", call, "--out", out, "--reason", "nobody may", expect=(1,))
    expect("nothing of this call opens" in refused.stderr and not out.exists(), f"a closed call is no silent file: {refused.stderr}")
    place.cli("decide", call, "--order", order["id"], "--erase", "--reason", "me again", expect=(1,))
    person = Person(place)
    status, body = person.send("POST", f"/v1/calls/{call}/held/{order['id']}/decision", {"decision": "erase", "reason": "seen the letter"})
    expect(status == 202, f"another person confirms: {status} {body}")
    place.wait_erased(call)
    place.wait_entries("erased", 1)
    account = place.account(call)
    expect({i["state"] for i in account} <= {"erased", "silent", "lost"}, f"all of it is erased: {account}")
    proof = place.json("prove", "erasure", call, "--out", str(place.folder / "whole.proof"))
    expect(proof["holds"], f"and proved: {proof}")
    rules = place.cli("log", "check", "--json", expect=(0, 3))
    bad = [f for f in json.loads(rules.stdout).get("findings", []) if f["rule"] in ("two-erase-a-call", "hold-is-kept")]
    expect(not bad, f"by the log's rules: {bad}")


def mirror(place, call):
    folder = place.folder / "keeper/mirror-2"
    away = place.folder / "away"
    place.stop()
    folder.rename(away)
    place.serve()
    order = place.json("erase", call, "--stream", "customer", "--from", "1000", "--to", "2000", "--reason", "password", expect=(1,))
    expect(order["outcome"] == "unconfirmed", f"a mirror is away: {order}")
    place.cli("mirror", "retire", "1", "--reason", "a good one", expect=(1,))
    said = place.json("mirror", "retire", "2", "--reason", "its disk burnt")
    expect(said["mirror"] == 2 and not said["destroyed"], f"given up: {said}")
    place.wait_entries("mirror_retired", 1)
    place.wait_erased(call)
    account = place.json("account", call)
    expect(account["unconfirmed_mirrors"][0]["mirror"] == 2, f"the account says it: {account.get('unconfirmed_mirrors')}")
    proof = place.json("prove", "erasure", call, "--out", str(place.folder / "retired.proof"))
    expect(proof["holds"] and any("mirror 2, retired by the owner" in n for n in proof["notes"]), f"every proof says so: {proof['notes']}")
    place.stop()
    place.serve()
    expect(place.json("account", call)["unconfirmed_mirrors"], "after a restart, too")
    place.stop()
    away.rename(folder)
    place.serve()
    place.wait_entries("mirror_returned", 1, 20)
    expect("unconfirmed_mirrors" not in place.json("account", call), "it came back, was destroyed and filled anew")
    proof = place.json("prove", "erasure", call, "--out", str(place.folder / "back.proof"))
    expect(all(e["confirmed"] for e in proof["erased"]), "and its part of the erasure is confirmed")


def restore(place, backup, folder, call, log_size):
    copies = pathlib.Path(folder) / "copies"
    copies.mkdir()
    for name in ("credential", "log.key"):
        shutil.copy(place.folder / "keeper" / name, copies / name)
    survivor = pathlib.Path(folder) / "survivor"
    (place.folder / "keeper/mirror-1").rename(survivor)
    keys = ("--credential", copies / "credential", "--log-key", copies / "log.key")

    def run(name, *more, code):
        new = pathlib.Path(folder) / name
        done = place.cli("restore", backup, "--data", new, *more, "--json", config=False, expect=(code,))
        return Installation(new), json.loads(done.stdout)

    # Without a living anchor: said, and nothing written.
    empty = pathlib.Path(folder) / "empty"
    empty.mkdir()
    _, said = run("none", "--mirror", empty, *keys, code=3)
    expect(not said["restored"] and any("lost for ever" in line for line in said["lost"]), f"what is lost: {said}")
    new, said = run("new", "--mirror", survivor, *keys, code=0)
    expect(said["restored"] and said["without_keys"] == 1, f"all but the call that went whole has keys: {said}")
    with new:
        new.serve()
        expect({c["id"] for c in new.calls()} == {c for c in log_size["calls"]}, "every call is listed")
        out = pathlib.Path(folder) / "again.wav"
        new.json("play", call, "--out", out, "--reason", "it must open")
        expect(out.stat().st_size > 100_000, "what was kept opens")
        account = new.account(call)
        expect(covered(account, "customer", 1000, 2000, ("erased",)) == 1000, "what was erased stays erased")
        challenge = new.json("prove", "challenge", call, "--samples", "8")
        expect(challenge["good"], "and the keeper opens nothing of it")


def older(place, backup, folder, copies, survivor):
    """The backup's log is older than the keys: opening is refused, and it is said."""
    done = place.cli("restore", backup, "--data", pathlib.Path(folder) / "older", "--mirror", survivor, "--credential", copies / "credential",
                     "--log-key", copies / "log.key", "--json", config=False, expect=(3,))
    said = json.loads(done.stdout)
    expect(said["restored"] and any("opening will be refused" in line for line in said["lost"]), f"an older log: {said}")
    place = Installation(pathlib.Path(folder) / "older")
    with place:
        place.serve(wait=False)
        deadline = time.monotonic() + 30
        text = ""
        while "older than the key store" not in text and time.monotonic() < deadline:
            time.sleep(0.3)
            text = (place.folder / "service.log").read_text(errors="replace")
        expect("older than the key store" in text, "the keeper says why it opens nothing")


def main():
    with tempfile.TemporaryDirectory(prefix="cw-age-") as folder:
        place = Installation(pathlib.Path(folder) / "old")
        place.init()
        place.configure(sip={"port": 0}, server={"port": 0})
        backup = pathlib.Path(folder) / "backup"
        with place:
            place.serve()
            kept = place.json("import", tone(folder, "kept", 20), "--wait")[0]["call"]
            whole = place.json("import", tone(folder, "whole", 10), "--wait")[0]["call"]
            old = pathlib.Path(folder) / "old-backup"
            place.json("backup", "--out", old)
            running = subprocess.Popen([place.binary, "import", tone(folder, "running", 15), "--wait", "--config", place.config], stdout=subprocess.DEVNULL)
            first = place.json("backup", "--out", backup)
            expect(running.wait(60) == 0, "the call that ran meanwhile is whole")
            two_persons(place, whole)
            mirror(place, kept)
            second = place.json("backup", "--out", backup)
            expect(second["copied"] < second["files"] or first["files"] < 12, f"the second one copies what is new: {first} {second}")
            calls = {c["id"] for c in place.calls()}
            place.stop()
            place.json("backup", "--out", backup)
        good = place.cli("backup", "verify", backup, "--json", config=False)
        expect(json.loads(good.stdout)["good"], "every file is what the manifest says")
        secrets = secrets_of(place.folder)
        planted = pathlib.Path(folder) / "planted"
        planted.mkdir()
        (planted / "x").write_bytes(b"..." + (place.folder / "keeper/credential").read_bytes())
        expect(hunt(planted, secrets)[1], "a planted credential is found")
        seen, hits = hunt(backup, secrets)
        expect(not hits, f"no key, anchor, credential or page in the backup: {hits[:3]}")
        restore(place, backup, folder, kept, {"calls": calls})
        older(place, old, folder, pathlib.Path(folder) / "copies", pathlib.Path(folder) / "survivor")
        damaged = next((backup / "objects").rglob("*.cwo"))
        damaged.chmod(0o600)
        raw = bytearray(damaged.read_bytes())
        raw[len(raw) // 2] ^= 1
        damaged.write_bytes(bytes(raw))
        place.cli("backup", "verify", backup, config=False, expect=(3,))
        print(f"  {len(secrets)} pieces of keys, anchors, pages and credential looked for in {seen} bytes of backup: none there, the planted one found")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    try:
        main()
    except Failed as wrong:
        sys.exit(f"FAIL  age_test: {wrong}")
