#!/usr/bin/env python3
"""An auditor's way: a proof of erasure is taken, checked offline, bent in every part, and put to the test against the
living keeper."""
import base64
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))
from installation import Failed, Installation


def expect(ok, text):
    if not ok:
        raise Failed(text)


def tone(folder, seconds):
    out = pathlib.Path(folder) / "tone.wav"
    subprocess.run(["sox", "-n", "-r", "8000", "-b", "16", "-c", "2", str(out), "synth", str(seconds), "sine", "300", "sine", "500", "vol", "0.2"], check=True)
    return out


def check(place, file, *more, expect_codes=(0,)):
    """Offline: no configuration, no service."""
    return json.loads(place.cli("prove", "check", str(file), *more, "--json", config=False, expect=expect_codes).stdout)


def bent(proof):
    """(what was done, the proof after it), for each part of it."""
    for i, entry in enumerate(proof["entries"]):
        changed = json.loads(json.dumps(proof))
        body = json.loads(entry["entry"])
        body["at"] += 1
        changed["entries"][i]["entry"] = json.dumps(body, separators=(",", ":"), sort_keys=True)
        yield f"the time of entry {entry['index']}", changed
        if "\"erase_intended\"" in entry["entry"]:
            without = json.loads(json.dumps(proof))
            del without["entries"][i]
            yield f"entry {entry['index']} left out", without
    statement = json.loads(proof["statement"])
    statement["nodes"] = statement["nodes"][1:]
    yield "a node kept secret", {**proof, "statement": json.dumps(statement, separators=(",", ":"), sort_keys=True)}
    lines = proof["checkpoint"].split("\n")
    root = bytearray(base64.b64decode(lines[2]))
    root[0] ^= 1
    lines[2] = base64.b64encode(bytes(root)).decode()
    yield "the checkpoint's root", {**proof, "checkpoint": "\n".join(lines)}


def main():
    with tempfile.TemporaryDirectory(prefix="cw-prove-") as folder:
        place = Installation(folder)
        place.init()
        place.configure(sip={"port": 0}, server={"port": 0})
        with place:
            place.serve()
            call = place.json("import", str(tone(folder, 30)), "--wait")[0]["call"]
            for stream, start, end in (("customer", 2_000, 3_000), ("both", 10_000, 12_500)):
                place.json("erase", call, "--stream", stream, "--from", str(start), "--to", str(end), "--reason", "password")
            file = pathlib.Path(folder) / "call.proof"
            said = place.json("prove", "erasure", call, "--out", str(file))
            expect(said["holds"], f"the proof holds: {said}")
            erased = [(e["stream"], e["start_ms"], e["end_ms"], e["confirmed"]) for e in said["erased"]]
            expect(erased == [("customer", 2_000, 3_000, True), ("customer", 10_000, 12_500, True), ("agent", 10_000, 12_500, True)], f"it names what was erased: {erased}")
            kept = sum(k["end_ms"] - k["start_ms"] for k in said["kept"] if k["stream"] == "customer")
            expect(30_000 - 3_500 <= kept <= 30_100 - 3_500, f"and what was kept: {kept} ms")
            challenge = place.json("prove", "challenge", call, "--samples", "20")
            expect(challenge["good"] and len(challenge["samples"]) == 40, "the living keeper opens what is kept and not what is erased")
            key = next(p for p in pathlib.Path(folder).rglob("public.key"))
        # The service is stopped: what is checked now is the file alone.
        expect(check(place, file, "--key", str(key))["holds"], "offline, with the log's key")
        expect(any("--key" in note for note in check(place, file)["notes"]), "without a key it says that nothing stands for the one in the file")
        tries = 0
        for what, proof in bent(json.loads(file.read_text())):
            bad = pathlib.Path(folder) / "bent.proof"
            bad.write_text(json.dumps(proof))
            expect(not check(place, bad, "--key", str(key), expect_codes=(3,))["holds"], f"{what}: found")
            tries += 1
        bad.write_text(file.read_text()[:-40])
        place.cli("prove", "check", str(bad), config=False, expect=(1,))
        print(f"  a proof of {len(json.loads(file.read_text())['entries'])} entries holds; {tries} changes of it are found; 20 kept segments open, 20 erased ones do not")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    try:
        main()
    except Failed as wrong:
        sys.exit(f"FAIL  prove_test: {wrong}")
