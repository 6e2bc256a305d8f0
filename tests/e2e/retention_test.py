#!/usr/bin/env python3
"""Retention, and the attacks on it: the clock of every process a year ahead (libfaketime, by the wall clock alone), more calls
due than twice a usual day, a legal hold. Nothing goes until the owner has confirmed; then keys, row and ciphertext go, and
everything that is told of those calls is still true: account, list, proof, log, its rules, fsck, backup and restore."""
import glob
import json
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from age_test import expect, tone
from installation import Failed, Installation

FAR_DAYS = 400
CALLS = 12  # more than the ten that may always go


def ahead(days):
    """The wall clock so many days ahead; the monotonic one, which nobody sets, as it is."""
    found = sorted(glob.glob("/usr/lib/*/faketime/libfaketime.so.1"))
    expect(found, "libfaketime is installed (tools/packages.txt)")
    return {"LD_PRELOAD": found[0], "FAKETIME": f"+{days}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


def objects(place):
    return {path.name for path in (place.folder / "objects").rglob("*.cw?")}


def stopped(place, cause, calls):
    """Everything is there, and it is said why nothing goes."""
    status = place.json("retention", "status", expect=(3,))
    expect(status["state"] == "stopped" and cause in status["why"], f"stopped because of {cause}: {status}")
    place.cli("retention", "run", "--json", expect=(3,))
    expect(len(objects(place)) == 2 * len(calls) and {c["id"] for c in place.calls()} == set(calls), "nothing is gone")
    lines = place.cli("status", expect=(0, 3)).stdout
    expect("retention has stopped" in lines, f"the system's status says it: {lines}")
    return status


def all_is_still_true(place, gone, kept):
    listed = {c["id"]: c for c in place.calls()}
    expect(set(listed) == set(gone) | set(kept), "every call is listed")
    for call in gone:
        expect(listed[call]["object_deleted"] and set(listed[call]["erased_by_reason"]) == {"retention"}, f"what became of it: {listed[call]}")
        account = place.account(call)
        expect({(i["state"], i["reason"]) for i in account if i["state"] != "silent"} == {("erased", "retention")}, f"its account: {account}")
    for call in kept:
        expect(not listed[call]["object_deleted"] and not listed[call]["erased_by_reason"], f"what is kept is whole: {listed[call]}")
    proof = place.folder / "gone.proof"
    said = place.json("prove", "erasure", gone[0], "--out", proof)
    expect(said["holds"] and any("its time was over" in note for note in said["notes"]), f"proved: {said}")
    place.cli("prove", "check", proof, config=False)
    place.cli("log", "verify")
    rules = json.loads(place.cli("log", "check", "--json", expect=(0, 3)).stdout)
    bad = [f for f in rules["findings"] if f["weight"] == "breach"]
    expect(not bad, f"the log's rules: {bad}")
    status, body = place.ask("GET", f"/v1/calls/{gone[0]}/object", Authorization=f"Bearer {(place.folder / 'server/cli.token').read_text().strip()}")
    expect(status == 410 and b"retention" in body, f"its object is gone, and it is said why: {status} {body}")


def wait_gone(place, calls, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        listed = {c["id"]: c for c in place.calls()}
        if all(listed[c]["object_deleted"] for c in calls):
            return
        time.sleep(0.3)
    raise Failed(f"not deleted: {place.json('retention', 'status', expect=(0, 3))}")


def confirm(place, status, count):
    expect(status["to_confirm"] == count, f"{count} would go: {status}")
    place.cli("retention", "confirm", "--calls", count + 1, "--reason", "a guess", expect=(1,))
    place.json("retention", "confirm", "--calls", count, "--reason", "the clock was looked at")


def restore(place, folder, backup, gone, kept):
    copies = pathlib.Path(folder) / "copies"
    copies.mkdir()
    for name in ("credential", "log.key"):
        shutil.copy(place.folder / "keeper" / name, copies / name)
    survivor = pathlib.Path(folder) / "survivor"
    (place.folder / "keeper/mirror-1").rename(survivor)
    new = Installation(pathlib.Path(folder) / "new", place.binary)
    done = place.cli("restore", backup, "--data", new.folder, "--mirror", survivor, "--credential", copies / "credential",
                     "--log-key", copies / "log.key", "--json", config=False)
    expect(json.loads(done.stdout)["restored"], f"restored: {done.stdout}")
    with new:
        new.serve(env=ahead(2 * FAR_DAYS))
        all_is_still_true(new, gone, kept)
        out = pathlib.Path(folder) / "held.wav"
        new.json("play", kept[0], "--out", out, "--reason", "the court wants it")
        expect(out.stat().st_size > 10_000, "what is under a hold opens still")


def story(folder, place):
    place.serve()
    calls = [c["call"] for c in place.json("import", *[tone(folder, f"t{i}", 2) for i in range(CALLS)], "--wait")]
    held, rest = calls[0], calls[1:]
    place.json("hold", "set", held, "--reason", "a court asked")
    off = place.json("retention", "status")
    expect(off["state"] == "off", f"without a day set nothing ever goes: {off}")
    place.cli("retention", "run", expect=(1,))
    place.stop()
    place.configure(retention={"import_days": 30})
    place.serve()
    dry = place.json("retention", "run", "--dry-run")
    expect(dry["would"] == "erase" and dry["due"] == 0, f"none is due: {dry}")
    place.json("retention", "run")
    place.stop()

    # The clock a year ahead.
    place.serve(env=ahead(FAR_DAYS))
    status = stopped(place, "the wall clock went ahead", calls)
    place.stop()
    place.serve(env=ahead(FAR_DAYS))
    stopped(place, "the wall clock went ahead", calls)
    confirm(place, status, len(rest))
    wait_gone(place, rest)
    expect(objects(place) == {held + ".cwo", held + ".cwd"}, f"of the others no ciphertext is left: {objects(place)}")
    place.wait_entries("objects_deleted", 1)
    all_is_still_true(place, rest, [held])

    # More than twice a usual day: the owner has said that the clock is right, and then fewer days are set.
    later = [c["call"] for c in place.json("import", *[tone(folder, f"u{i}", 2) for i in range(CALLS)], "--wait")]
    place.stop()
    backup = pathlib.Path(folder) / "backup"
    place.json("backup", "--out", backup)
    expect(len(list((backup / "objects").rglob("*.cwo"))) == len(later) + 1, "and it is backed up")
    place.configure(retention={"import_days": 1000})
    place.serve(env=ahead(2 * FAR_DAYS))
    place.json("import", tone(folder, "v", 2), "--wait")
    confirm(place, place.json("retention", "status", expect=(3,)), 0)
    place.stop()
    place.configure(retention={"import_days": 30})
    place.serve(env=ahead(2 * FAR_DAYS))
    dry = place.json("retention", "run", "--dry-run")
    expect(dry["would"] == "stop" and dry["due"] == len(later), f"too many at once: {dry}")
    place.cli("retention", "run", expect=(3,))
    status = place.json("retention", "status", expect=(3,))
    expect("more than twice" in status["why"], f"stopped: {status}")
    expect(len(objects(place)) == 2 * (len(later) + 2), "nothing is gone")
    confirm(place, status, len(later))
    wait_gone(place, later)
    newest = [c["id"] for c in place.calls() if not c["object_deleted"] and c["id"] != held]
    all_is_still_true(place, rest + later, [held, *newest])
    place.json("backup", "--out", backup)
    place.stop()
    place.json("backup", "--out", backup)
    left = {path.name for path in (backup / "objects").rglob("*.cw?")}
    expect(left == objects(place), f"what is deleted goes from the backup with the next one: {left}")
    good = json.loads(place.cli("fsck", "--json", expect=(0, 3)).stdout)
    bad = good["findings"]
    expect(not bad and not good["notes"], f"fsck: {good}")
    place.cli("backup", "verify", backup, config=False)
    restore(place, folder, backup, rest + later, [held, *newest])
    return len(rest) + len(later)


def main():
    with tempfile.TemporaryDirectory(prefix="cw-retention-") as folder:
        place = Installation(pathlib.Path(folder) / "here")
        place.init()
        place.configure(sip={"port": 0}, server={"port": 0})
        with place:
            gone = story(folder, place)
    print(f"  {gone} calls went when the owner had confirmed, none before; one under a legal hold is there")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    try:
        main()
    except Failed as wrong:
        sys.exit(f"FAIL  retention_test: {wrong}")
