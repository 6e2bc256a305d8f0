#!/usr/bin/env python3
"""The main job, shown: three real calls over SIP and RTP, one with a spoken password, one with a keyed card number,
one without any secret; what was sealed, what was erased, the account of every second, the log verified.

    demo.py                 serves on until stopped; data under ./callward-data
    demo.py --check         a fresh folder, nobody needed; exits 0 only when every claim held
    demo.py --data DIR      another folder
"""
import argparse
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import sound
from installation import CLIENT, ROOT, Failed, Installation, check_account, covered

CUSTOMER, AGENT = "sip:+441632960123@carrier.example", "sip:701@pbx.example"
CALLS = ("incoming_password", "incoming_card", "outgoing_plain")
LISTEN_S_MAX = 180
LIVE_ERASE_S_MAX = 10      # an order within this of the end of the turn, while the machine keeps up
KEPT_PERCENT_MIN = 85      # of what is no secret: the erasing must not eat the call
CUE_MARGIN_MS = 1500       # around a secret: may be erased with it


class Claims:
    """What was promised, and whether it held."""

    def __init__(self):
        self.failed = 0
        self.held = 0

    def check(self, ok, text):
        print(f"  {'holds' if ok else 'FAILS'}  {text}", flush=True)
        if ok:
            self.held += 1
        else:
            self.failed += 1
        return ok


def say(text):
    print(f"\n== {text}", flush=True)


def prepare(args):
    folder = pathlib.Path(args.data)
    place = Installation(folder)
    if not place.config.exists():
        passphrase = "-".join(secrets.token_hex(3) for _ in range(4))
        place.init(passphrase=passphrase)
        sip = {"own_numbers": ["7*"], "own_domains": ["pbx.example"]}
        if args.check:
            place.configure(sip={**sip, "port": 0}, server={"port": 0},
                            recorder={"rtp_port_first": 31_000, "rtp_port_last": 31_999})
        else:
            place.configure(sip=sip)
    return place


def place_calls(place, made, sent_dir):
    """All three at once, a second apart; each in real time. Gives [(name, truth, client's result, started)]."""
    host = place.sip.split("sip:")[-1].split(";")[0]
    running = []
    for name in CALLS:
        truth = json.loads((made / f"{name}.json").read_text())
        command = [CLIENT, "--server", host, "--transport", "tcp" if name == "incoming_card" else "udp",
                   "--direction", truth["direction"], "--customer", CUSTOMER, "--agent", AGENT,
                   "--sent-dir", sent_dir / name]
        if truth["digits"]:
            first, second = truth["digits"][0], truth["digits"][1]
            command += ["--dtmf", "".join(d["digit"] for d in truth["digits"]) + f"@{first['at_ms']}",
                        "--dtmf-every-ms", str(second["at_ms"] - first["at_ms"])]
        (sent_dir / name).mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen([str(c) for c in command] + ["--json", str(made / f"{name}.wav")],
                                   stdout=subprocess.PIPE, text=True)
        running.append((name, truth, process, time.monotonic()))
        time.sleep(1.0)
    return running


def watch_live(place, known, running, claims):
    """While the calls run: when the password's end was erased, counted from its last word."""
    erased_after = None
    while any(process.poll() is None for _, _, process, _ in running):
        fresh = sorted((c for c in place.calls() if c["id"] not in known), key=lambda c: c["started_at"])
        if fresh and erased_after is None:
            name, truth, _, started = running[0]
            secret = next(t for t in truth["turns"] if t["secret"])
            account = place.account(fresh[0]["id"])
            got = covered(account, "customer", secret["start_ms"], secret["end_ms"], ("erased",))
            if got > 0.5 * (secret["end_ms"] - secret["start_ms"]):
                erased_after = time.monotonic() - started - secret["end_ms"] / 1000
                print(f"  the password is erased {erased_after:.1f} s after its last word; the call goes on", flush=True)
        time.sleep(0.3)
    claims.check(erased_after is not None and erased_after <= LIVE_ERASE_S_MAX,
                 f"the spoken password is ordered erased within {LIVE_ERASE_S_MAX} s of its end, while the call lives")


def secret_spans(truth):
    """[(stream, start_ms, end_ms)] in the sender's time."""
    spans = [(t["who"], t["start_ms"], t["end_ms"]) for t in truth["turns"] if t["secret"]]
    spans += [("customer", d["at_ms"], d["at_ms"] + 100) for d in truth["digits"]]
    return spans


def show(place, call, truth):
    print(f"\n{truth['name']}  {call}")
    print("  " + place.cli("account", call).stdout.strip().replace("\n", "\n  "))
    print("  " + place.cli("transcript", call, "--reason", "demonstration").stdout.strip().replace("\n", "\n  "))


def examine(place, call, truth, result, folder, sent_dir, claims):
    """One call against the truth: account, sound, words."""
    name = truth["name"]
    claims.check(result.get("sip_status") == 200 and result.get("ended") == "bye", f"{name}: the client's call was taken and ended as it meant")
    info = next(c for c in place.calls() if c["id"] == call)
    wanted = {"in": "incoming", "out": "outgoing"}[truth["direction"]]
    claims.check(info["direction"] == wanted, f"{name}: known to be {wanted}, customer and agent told apart")
    account = place.account(call)
    ends = check_account(account)
    claims.check(min(ends.values()) >= truth["duration_ms"] - 1000, f"{name}: the account covers both streams, {ends['customer'] / 1000:.1f} s, without gap or overlap")
    claims.check(sum(covered(account, s, 0, ends[s], ("lost",)) for s in ends) <= 100, f"{name}: nothing lost")
    claims.check(sum(covered(account, s, 0, ends[s], ("unheard",)) for s in ends) == 0, f"{name}: everything was heard")

    wav = folder / f"{name}.wav"
    place.cli("play", call, "--out", wav, "--reason", "demonstration", "--json")
    recorded = dict(zip(("customer", "agent"), sound.read_wav(wav)))
    offset_ms = 0
    for stream in ("customer", "agent"):
        codes = next(p for p in sorted((sent_dir / name).glob(f"*{stream}*")) if p.suffix != ".json").read_bytes()
        sealed = [(i["start_ms"], i["end_ms"]) for i in account if i["stream"] == stream and i["state"] == "sealed"]
        compared, equal, at = sound.compare(sound.decode(codes), recorded[stream], sealed)
        offset_ms = at or 0
        claims.check(compared > 5000 and equal == compared, f"{name}: {stream}: {equal} of {compared} ms that are left equal what was sent, sample by sample")

    spans = [(s, a + offset_ms, b + offset_ms) for s, a, b in secret_spans(truth)]
    failed = []
    for stream, start, end in spans:
        start, end = int(start), int(end)
        if covered(account, stream, start, end, ("erased",)) < (end - start):
            failed.append(f"{stream}: {start}-{end} ms is a secret and not erased")
        elif not sound.silent(recorded[stream], start, end):
            failed.append(f"{stream}: sound at {start}-{end} ms, where the secret was")
    if spans:
        claims.check(not failed, f"{name}: all {len(spans)} stretches of the secret are erased and silent {'; '.join(failed[:3])}".rstrip())
    kept, other = 0, 0
    for stream in ("customer", "agent"):
        for turn in truth["turns"]:
            start, end = turn["start_ms"] + offset_ms, turn["end_ms"] + offset_ms
            near = any(a - CUE_MARGIN_MS < end and start < b + CUE_MARGIN_MS for _, a, b in spans)
            if turn["who"] != stream or turn["secret"] or near:
                continue
            other += int(end) - int(start)
            kept += covered(account, stream, int(start), int(end), ("sealed",))
    claims.check(kept * 100 >= other * KEPT_PERCENT_MIN, f"{name}: {kept / 1000:.1f} of {other / 1000:.1f} s of other speech is kept")
    if not spans:
        claims.check(covered(account, "customer", 0, ends["customer"], ("erased",)) + covered(account, "agent", 0, ends["agent"], ("erased",)) == 0,
                     f"{name}: no secret, nothing erased")

    words = place.json("transcript", call, "--reason", "demonstration")["words"]
    said = [w for w in words if any(w["stream"] == s and a < w["end_ms"] and w["start_ms"] < b for s, a, b in spans)]
    claims.check(len(words) >= 10 and not said, f"{name}: {len(words)} words transcribed, none of the secret's")
    return spans


def examine_disk(place, examined, claims):
    """Stopped: who takes the whole disk, credential and anchors included, tries every key."""
    tried = {c["call"]: c for c in place.json("fsck", "--try-keys")["calls"]}
    for call, truth, spans, account in examined:
        runs = tried[call]["audio"]
        opened = [r for r in runs if r["opens"]]
        claims.check(sum(r["end_ms"] - r["start_ms"] for r in opened) > 10_000, f"{truth['name']}: with all that is on the disk, what is kept opens")
        if not spans:
            continue
        leaked = [(s, a, b) for s, a, b in spans for r in opened
                  if r["stream"] == s and r["start_ms"] < b and a < r["end_ms"]]
        claims.check(not leaked, f"{truth['name']}: with all that is on the disk, no segment of the secret can be decrypted")
        beyond = [r for r in opened for i in account if i["stream"] == r["stream"] and i["state"] == "erased"
                  and r["start_ms"] < i["end_ms"] and i["start_ms"] < r["end_ms"]]
        claims.check(not beyond, f"{truth['name']}: the account's erased ranges and the disk agree")


def examine_log(place, folder, claims):
    claims.check(place.cli("log", "verify", expect=(0, 3)).returncode == 0, "the audit log verifies")
    rules = place.cli("log", "check", expect=(0, 3))
    claims.check(rules.returncode == 0, f"every entry of it keeps the rules: {rules.stdout.splitlines()[0]}")
    receipt = folder / "entry-0.tlog-proof"
    place.cli("log", "receipt", "0", "--out", receipt)
    done = place.cli("log", "check-receipt", receipt, "--key", place.folder / "log/public.key", config=False, expect=(0, 3))
    claims.check(done.returncode == 0, "a receipt of its first entry holds without the log")
    for part in ("tile/entries", "tile/0", "checkpoint"):
        copy = folder / "damaged-log"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(place.folder / "log", copy)
        victim = copy / part
        if victim.is_dir():
            victim = max((p for p in victim.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        raw = bytearray(victim.read_bytes())
        raw[len(raw) // 2] ^= 1
        victim.write_bytes(raw)
        done = place.cli("log", "verify", copy, config=False, expect=(0, 1, 3))
        claims.check(done.returncode == 3, f"one flipped bit in {part} is found: {done.stdout.splitlines()[0] if done.stdout else done.stderr.strip()}")
    claims.check(place.cli("fsck", expect=(0, 3)).returncode == 0, "fsck finds objects, log and key store whole")


def loud_stretches(samples):
    """Where sound is certainly no pause: [(sample number)], one in each second that has any."""
    out = []
    for second in range(0, len(samples) - sound.RATE, sound.RATE):
        at = max(range(second, second + sound.RATE, 400), key=lambda i: max(samples[i:i + 400]))
        if max(samples[at:at + 400]) - min(samples[at:at + 400]) > 2000:
            out.append(at)
    return out


def hunted(made, sent_dir):
    """[(what, bytes)]: numbers, names, words and digits of the calls, and their sound, as it was before it was sent, as
    codes on the network, and as those codes are decoded: both sides, a piece of every second that is loud."""
    needles = [("number", b"+441632960123"), ("address", b"701@pbx.example"), ("words", b"printer does not")]
    for name in CALLS:
        truth = json.loads((made / f"{name}.json").read_text())
        digits = "".join(d["digit"] for d in truth["digits"])
        needles += [("keyed digits", digits.encode())] if digits else []
        for turn in truth["turns"]:
            words = turn["text"].lower().rstrip(".?").split()
            if turn["secret"]:
                figures = {"two": "2", "four": "4", "five": "5", "seven": "7", "eight": "8", "nine": "9"}
                spoken = [w for w in words if w in figures]
                needles += [("spoken digits", "".join(figures[w] for w in spoken).encode()), ("spoken words", " ".join(spoken).encode()),
                            ("half of the spoken words", " ".join(spoken[:3]).encode()), ("half of the spoken words", " ".join(spoken[3:]).encode())]
        for stream, samples in zip(("customer", "agent"), sound.read_wav(made / f"{name}.wav")):
            needles += [(f"{name}: {stream}'s sound", samples[at:at + 200].tobytes()) for at in loud_stretches(samples)]
            codes = next(p for p in sorted((sent_dir / name).glob(f"*{stream}*")) if p.suffix != ".json").read_bytes()
            decoded = sound.decode(codes)
            for at in loud_stretches(decoded):
                needles += [(f"{name}: {stream}'s codes", codes[at:at + 80]), (f"{name}: {stream}'s codes, decoded", decoded[at:at + 80].tobytes())]
    return needles


def plaintext_hunt(place, made, sent_dir, claims):
    """No stretch of the calls' sound, raw or G.711, no number, digit or word of theirs stands anywhere in the data folder,
    the log of the service included."""
    needles = hunted(made, sent_dir)
    expected = {b"4539148803436467", b"749258", b"seven four nine two five eight"}
    claims.check(expected <= {n for _, n in needles} and len(needles) > 100, f"hunted for: {len(needles)} pieces, the secret digits and words among them")
    place.log_file.flush()
    found, searched = [], set()
    for path in place.folder.rglob("*"):
        if not path.is_file() or path.is_symlink() or {made, sent_dir} & set(path.parents):
            continue
        raw = path.read_bytes()
        searched.add(path.name)
        found += [f"{path.name}: {what}" for what, needle in needles if needle in raw or needle.isascii() and needle in raw.lower()]
    claims.check("service.log" in searched, f"{len(searched)} files searched, the service's log among them")
    claims.check(not found, f"no number, digit, word or sound of the calls in the clear on the disk {found[:3] or ''}")


def demonstrate(args, place, folder, claims):
    made = folder / "calls"
    say("speaking the demonstration's calls (flite)")
    subprocess.run([sys.executable, ROOT / "tools/demo/make_calls.py", made], check=True)
    say("starting")
    place.serve()
    print(f"  console {place.https}   SIP {place.sip}")
    say("placing three calls: a spoken password, a keyed card number, one without any secret")
    known = {c["id"] for c in place.calls()}
    sent = folder / "sent"
    running = place_calls(place, made, sent)
    watch_live(place, known, running, claims)
    results = [json.loads(process.communicate()[0].splitlines()[-1]) for _, _, process, _ in running]
    fresh = sorted((c for c in place.calls() if c["id"] not in known), key=lambda c: c["started_at"])
    if not claims.check(len(fresh) == len(CALLS), f"{len(fresh)} of {len(CALLS)} calls are recorded"):
        return
    ids = [c["id"] for c in fresh]
    say("listening to what is left to hear")
    place.wait_complete(ids, LISTEN_S_MAX)
    examined = []
    for call, (_, truth, _, _), result in zip(ids, running, results):
        show(place, call, truth)
        spans = examine(place, call, truth, result, folder, sent, claims)
        examined.append((call, truth, spans, place.account(call)))
    say("the log, and what is on the disk")
    plaintext_hunt(place, made, sent, claims)
    if args.check:
        place.stop()
    examine_log(place, folder, claims)
    if args.check:
        examine_disk(place, examined, claims)
        say("a second start: the same accounts")
        place.serve()
        same = all(place.account(call) == account for call, _, _, account in examined)
        claims.check(same, "after a restart every account is the same")
        place.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--data")
    parser.add_argument("--keep", action="store_true", help="with --check: leave the folder for a look")
    args = parser.parse_args()
    # A stop is a stop, however it is said: the service must not outlive us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="callward-demo-") as folder:
        if args.data is None:
            args.data = f"{folder}/data" if args.check else str(ROOT / "callward-data")
        folder = pathlib.Path(folder)
        place = prepare(args)
        claims = Claims()
        try:
            with place:
                demonstrate(args, place, folder, claims)
                print(f"\n{claims.held} claims held, {claims.failed} failed", flush=True)
                if args.check:
                    return 1 if claims.failed else 0
                print(f"\nConsole: {place.https.replace('127.0.0.1', 'localhost')}   sign in as {place_owner(place)}\n"
                      f"Serving until you press Ctrl-C; data in {place.folder}", flush=True)
                place.service.wait()
        except KeyboardInterrupt:
            place.stop()
            print("\nstopped")
        except Failed as error:
            print(f"failed: {error}", file=sys.stderr)
            log = place.folder / "service.log"
            if log.exists():
                sys.stderr.write("".join(log.read_text(errors="replace").splitlines(True)[-30 if args.check else -1:]))
            return 1
        finally:
            if args.check and args.keep:
                kept = tempfile.mkdtemp(prefix="callward-kept-")
                shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
                print(f"kept: {kept}")
    return 0


def place_owner(place):
    return f"owner with the passphrase in {os.path.relpath(place.folder / 'owner.passphrase')}"


if __name__ == "__main__":
    sys.exit(main())
