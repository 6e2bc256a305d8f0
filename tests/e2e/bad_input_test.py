#!/usr/bin/env python3
"""What strangers, full disks and missing parts can do: each has its stated behaviour, and nothing else is harmed. Every
case is a story against the real service; docs/operators.md has the sentence that belongs to it.

    bad_input_test.py [--only NAME]
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))
from installation import CLIENT, Failed, Installation, check_account, covered

PORT_FIRST = 35_000
CASES = []


def case(function):
    CASES.append(function)
    return function


def expect(ok, text):
    if not ok:
        raise Failed(text)


def fresh(folder, ports=200, **sections):
    place = Installation(folder)
    place.init()
    recorder = {"rtp_port_first": PORT_FIRST, "rtp_port_last": PORT_FIRST + ports, **sections.pop("recorder", {})}
    sip = {"port": 0, "own_numbers": ["7*"], "own_domains": ["pbx.example"], **sections.pop("sip", {})}
    place.configure(sip=sip, server={"port": 0}, recorder=recorder, **sections)
    return place


def sip_address(place):
    host, port = place.sip.split("sip:")[-1].split(";")[0].rsplit(":", 1)
    return host, int(port)


def tone(folder, seconds, name="tone.wav"):
    out = pathlib.Path(folder) / name
    subprocess.run(["sox", "-n", "-r", "8000", "-b", "16", "-c", "2", str(out), "synth", str(seconds), "sine", "300", "sine", "500", "vol", "0.2"], check=True)
    return out


def place_calls(place, sound, count=1, *more):
    host, port = sip_address(place)
    done = subprocess.run([str(CLIENT), "--server", f"{host}:{port}", "--calls", str(count), "--customer", "sip:+441632960123@carrier.example",
                           "--agent", "sip:701@pbx.example", *more, "--json", str(sound)], capture_output=True, text=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def wait_status(place, wanted, timeout_s=20):
    """{process: its own status} once it is as wanted."""
    deadline = time.monotonic() + timeout_s
    states = {}
    while time.monotonic() < deadline:
        try:
            states = {p["name"]: {**p["status"], "ready": p["ready"]} for p in place.json("status", expect=(0, 3))["processes"]}
            if wanted(states):
                return states
        except Failed:
            pass
        time.sleep(0.3)
    raise Failed(f"the status is {states}")


def entries(place, kind):
    """Published entries of this type, newest first."""
    token = (place.folder / "run/cli.token").read_text().strip()
    status, body = ask(place, "GET", f"/v1/log/entries?type={kind}&limit=500", Authorization=f"Bearer {token}")
    expect(status == 200, f"the log's entries: {status} {body[:200]}")
    return [e["entry"] if "entry" in e else e for e in json.loads(body)["entries"]]


def wait_entries(place, kind, count, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = entries(place, kind)
        if len(found) >= count:
            return found
        time.sleep(0.3)
    raise Failed(f"{len(entries(place, kind))} entries {kind}, not {count}")


def https(place):
    url = urllib.parse.urlparse(place.https)
    context = ssl.create_default_context(cafile=str(place.folder / "tls/certificate.pem"))
    return http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=10)


def ask(place, method, path, body=None, **headers):
    connection = https(place)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read()


@case
def strangers_on_http(folder):
    place = fresh(folder)
    with place:
        place.serve()
        url = urllib.parse.urlparse(place.https)
        noise = random.Random(1)
        for _ in range(30):  # not even TLS
            with socket.create_connection((url.hostname, url.port), 5) as s:
                try:
                    s.sendall(noise.randbytes(noise.randint(1, 2000)))
                except OSError:
                    pass
        expect(ask(place, "GET", "/v1/calls")[0] == 401, "calls are shown to nobody in particular")
        expect(ask(place, "GET", "/v1/nothing")[0] in (401, 404), "an unknown path")
        expect(ask(place, "GET", "/../../callward.toml")[0] in (400, 404), "a path that climbs")
        expect(ask(place, "POST", "/v1/session", "{", Content_Type="application/json", X_Callward="1")[0] == 400, "broken JSON")
        expect(ask(place, "POST", "/v1/session", '{"name":"owner","passphrase":"x"}', Content_Type="application/json")[0] == 403,
               "a write without X-Callward, as a foreign page would send it")
        expect(ask(place, "POST", "/v1/session", '{"name":"owner","passphrase":"wrong, quite wrong"}', Content_Type="application/json", X_Callward="1")[0] == 401, "a wrong passphrase")
        large = https(place)  # only announced: it is refused before it comes
        large.putrequest("POST", "/v1/session")
        for name, value in (("Content-Type", "application/json"), ("X-Callward", "1"), ("Content-Length", "3000000")):
            large.putheader(name, value)
        large.endheaders()
        status = large.getresponse().status
        expect(status == 413, f"a body of 3 MB: {status}")
        expect(ask(place, "GET", "/healthz")[0] == 200, "it lives on")


@case
def strangers_on_sip(folder):
    place = fresh(folder)
    with place:
        place.serve()
        address = sip_address(place)
        noise = random.Random(2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            s.settimeout(5)
            for _ in range(200):
                s.sendto(noise.randbytes(noise.randint(1, 1400)), address)
            me = s.getsockname()[1]
            bad = (f"INVITE sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{me};branch=z9hG4bKbad1\r\nFrom: <sip:src@127.0.0.1>;tag=1\r\n"
                   f"To: <sip:srs@127.0.0.1>\r\nCall-ID: bad-sdp\r\nCSeq: 1 INVITE\r\nContact: <sip:src@127.0.0.1:{me}>;+sip.src\r\nRequire: siprec\r\n"
                   "Max-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: 12\r\n\r\nno sdp at all")
            s.settimeout(0.5)
            final = 0
            for _ in range(20):  # sent again until answered: the noise may have filled the socket
                s.sendto(bad.encode(), address)
                try:
                    final = int(s.recv(4096).split()[1])
                except TimeoutError:
                    continue
                if final >= 200:
                    break
            expect(final in (400, 488), f"no SDP: answered {final}")
        missing = wait_entries(place, "call_missing", 1)
        expect(missing[0]["data"]["sip_status"] in (400, 488), "the refused call stands in the log as missing")
        good = place_calls(place, tone(folder, 3))
        expect(good[0]["sip_status"] == 200, "an honest call behind the noise is taken")


@case
def configuration_that_is_wrong(folder):
    place = fresh(folder)
    text = place.config.read_text()
    place.config.write_text(text.replace("[sip]\n", "[sip]\nprot = 5060\n"))
    done = place.cli("config", "show", expect=(2,))
    expect("prot" in done.stderr and "port" in done.stderr, f"an unknown key names the nearest one: {done.stderr}")
    expect(place.cli("serve", expect=(2,)).returncode == 2, "serve refuses it too")
    place.config.write_text(text.replace("[sip]\n", "[sip]\nlisten = 7\n"))
    expect("listen" in place.cli("serve", expect=(2,)).stderr, "a wrong type names its key")
    place.config.write_text("[sip\n")
    expect("line 1" in place.cli("serve", expect=(2,)).stderr, "broken TOML names its line")
    done = subprocess.run([str(place.binary), "serve", "--config", str(place.folder / "none.toml")], capture_output=True, text=True)
    expect(done.returncode == 2 and "callward init" in done.stderr, "a missing file says what to do")


@case
def files_that_are_no_recordings(folder):
    place = fresh(folder)
    folder = pathlib.Path(folder)
    (folder / "text.wav").write_text("not a sound file\n")
    (folder / "empty.flac").write_bytes(b"")
    good = tone(folder, 3)
    (folder / "short.wav").write_bytes(good.read_bytes()[:20])
    subprocess.run(["sox", "-n", "-r", "8000", "-b", "16", "-c", "3", str(folder / "three.wav"), "synth", "1", "sine", "300"], check=True)
    with place:
        place.serve()
        names = ["text.wav", "empty.flac", "short.wav", "three.wav"]
        done = place.cli("import", *[folder / n for n in names], good, "--json", expect=(1,))
        expect(all(n in done.stderr for n in names), f"each refused file is named: {done.stderr}")
        expect(len(json.loads(done.stdout)) == 1, "the good one among them is taken")


@case
def no_port_is_left(folder):
    place = fresh(folder, ports=12)
    with place:
        place.serve()
        results = place_calls(place, tone(folder, 4), 10)
        taken = sum(r["sip_status"] == 200 for r in results)
        refused = [r["sip_status"] for r in results if r["sip_status"] != 200]
        expect(0 < taken < 10 and set(refused) == {503}, f"{taken} taken, refused with {refused}")
        expect(len(wait_entries(place, "call_missing", len(refused))) == len(refused), "each refused call stands in the log as missing")
        place.wait_complete([c["id"] for c in place.calls()], 60)
        expect(len(place.calls()) == taken, "each call that was taken is recorded")


@case
def the_disk_is_full(folder):
    place = fresh(folder, recorder={"disk_reserve_bytes": 1 << 49})
    with place:
        place.serve()
        results = place_calls(place, tone(folder, 2), 2)
        expect([r["sip_status"] for r in results] == [503, 503], f"new calls are refused: {results}")
        expect(len(wait_entries(place, "call_missing", 2)) == 2, "and stand in the log as missing")
        expect(place.calls() == [], "nothing is half recorded")


@case
def the_recogniser_is_missing(folder):
    place = fresh(folder, listener={"worker": ["/nonexistent/recogniser"]})
    with place:
        place.serve()
        expect(place_calls(place, tone(folder, 4))[0]["sip_status"] == 200, "calls are recorded all the same")
        time.sleep(3)
        call = place.calls()[0]["id"]
        account = place.account(call)
        ends = check_account(account)
        expect(covered(account, "customer", 0, ends["customer"], ("unheard", "silent")) == ends["customer"], "what nobody heard is unheard")
        played = place.json("play", call, "--out", pathlib.Path(folder) / "x.wav", "--reason", "a test of it")
        expect(played["segments"] == 0, "and opened to nobody")
        status = next(p for p in place.json("status")["processes"] if p["name"] == "listener")["status"]
        expect("recogniser" in json.dumps(status) or status.get("degraded"), f"the listener says so: {status}")
        place.stop()
        place.config.write_text("\n".join(l for l in place.config.read_text().splitlines() if "/nonexistent" not in l) + "\n")
        place.serve()
        place.wait_complete([call], 90)
        heard = place.account(call)
        expect(covered(heard, "customer", 0, ends["customer"], ("unheard",)) == 0, "with a recogniser it is heard later")


@case
def the_anchors_cannot_be_read(folder):
    place = fresh(folder)
    with place:
        place.serve()
        place_calls(place, tone(folder, 2))
        place.wait_complete([c["id"] for c in place.calls()], 60)
        before = place.calls()
        place.stop()
        kept = {}
        for anchor in (place.folder / "keeper").glob("mirror-*/anchor/*"):
            kept[anchor] = anchor.read_bytes()
            anchor.write_bytes(bytes(len(kept[anchor])))
        expect(kept, "there are anchors")
        done = place.cli("fsck", expect=(3,))
        expect("key store" in done.stdout, f"fsck says what is wrong: {done.stdout}")
        place.serve(wait=False)
        locked = wait_status(place, lambda s: s["keeper"].get("locked") and s["signal"].get("ready"))
        expect("anchor" in locked["keeper"]["why"] or "mirror" in locked["keeper"]["why"], f"the keeper says why it is locked: {locked['keeper']}")
        place.sip = "sip:" + locked["signal"]["address"]
        expect(place_calls(place, tone(folder, 3, "locked.wav"))[0]["sip_status"] == 200, "calls go on being recorded, on keys in memory only")
        refused = place.cli("play", before[0]["id"], "--out", pathlib.Path(folder) / "x.wav", "--reason", "a test of it", expect=(1,))
        expect("locked" in refused.stderr, f"nothing is opened: {refused.stderr}")
        for anchor, raw in kept.items():
            anchor.write_bytes(raw)
        place.wait_running(30)
        after = [c["id"] for c in place.calls()]
        expect(len(after) == len(before) + 1, "with its anchors back it opens by itself, and takes the call on")
        place.wait_complete(after, 60)
        for call in after:
            check_account(place.account(call))
        place.json("play", before[0]["id"], "--out", pathlib.Path(folder) / "x.wav", "--reason", "a test of it")


@case
def the_spool_is_damaged(folder):
    place = fresh(folder)
    with place:
        place.serve()
        sound = tone(folder, 20)
        host, port = sip_address(place)
        client = subprocess.Popen([str(CLIENT), "--server", f"{host}:{port}", "--json", str(sound)], stdout=subprocess.PIPE)
        time.sleep(8)
        os.killpg(place.service.pid, signal.SIGKILL)  # everything at once, as without power
        place.service.wait()
        client.kill()
        client.wait()
        spool = max((place.folder / "spool").glob("*.cws"), key=lambda p: p.stat().st_size)
        raw = bytearray(spool.read_bytes())
        used = len(raw.rstrip(b"\0"))
        for at in range(used // 3, used // 3 + 5_000):
            raw[at] ^= 0x55
        spool.write_bytes(raw)
        place.serve()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (place.calls() and place.calls()[0]["phase"] == "complete"):
            time.sleep(0.5)
        call = place.calls()[0]
        expect(call["phase"] == "complete", f"the damaged call is sealed: {call['phase']}")
        account = place.account(call["id"])
        check_account(account)
        lost = {i["reason"] for i in account if i["state"] == "lost"}
        expect(lost, "what was damaged is accounted as lost")
        expect(place.cli("fsck", expect=(0, 3)).returncode == 0, "the object is whole")
        expect(place_calls(place, tone(folder, 2, "next.wav"))[0]["sip_status"] == 200, "new calls are recorded")


@case
def formats_of_another_time(folder):
    place = fresh(folder)
    with place:
        place.serve()
        place_calls(place, tone(folder, 2))
        place.wait_complete([c["id"] for c in place.calls()], 60)
        call = place.calls()[0]["id"]
        place.stop()
        thing = next((place.folder / "objects").rglob("*.cwo"))
        raw = thing.read_bytes()
        os.chmod(thing, 0o600)
        thing.write_bytes(raw[:4] + bytes([raw[4] + 1]) + raw[5:])
        done = place.cli("fsck", expect=(3,))
        expect("version" in done.stdout, f"a newer object is named: {done.stdout}")
        thing.write_bytes(raw)
        subprocess.run([sys.executable, "-c", f"import sqlite3; c = sqlite3.connect({str(place.folder / 'server/callward.db')!r}); c.execute('PRAGMA user_version = 900'); c.commit()"], check=True)
        process = subprocess.run([str(place.binary), "process", "server", "--config", str(place.config)], capture_output=True, text=True, timeout=30)
        expect(process.returncode == 1 and "this program knows" in process.stderr, f"a newer database is refused with a word: {process.stderr}")
        del call


@case
def few_descriptors(folder):
    place = fresh(folder)
    limited = subprocess.Popen(["prlimit", "--nofile=64:64", str(place.binary), "serve", "--config", str(place.config)], stdout=subprocess.PIPE,
                               stderr=open(pathlib.Path(folder) / "limited.log", "wb"), start_new_session=True)
    try:
        time.sleep(4)
        log = (pathlib.Path(folder) / "limited.log").read_text()
        expect("descriptors" in log, f"the recorder says at its start that there are too few descriptors:\n{log[-800:]}")
    finally:
        limited.terminate()
        limited.wait(60)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    args = parser.parse_args()
    failed = 0
    chosen = [c for c in CASES if args.only in (None, c.__name__)]
    for function in chosen:
        with tempfile.TemporaryDirectory(prefix="cw-bad-") as folder:
            began = time.monotonic()
            try:
                function(folder)
                print(f"ok    {function.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
            except (Failed, OSError, KeyError, IndexError, ValueError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"FAIL  {function.__name__}: {type(error).__name__}: {error}", flush=True)
                log = pathlib.Path(folder) / "service.log"
                if log.exists():
                    print("".join(log.read_text(errors="replace").splitlines(True)[-12:]))
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
