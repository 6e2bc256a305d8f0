#!/usr/bin/env python3
"""What strangers, full disks and missing parts can do: each has its stated behaviour, and nothing else is harmed. Every
case is a story against the real service; docs/operators.md has the sentence that belongs to it.

    bad_input_test.py [--only NAME]
"""
import argparse
import array
import errno
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import wave

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))
import sound
from installation import CLIENT, PROCESSES, Failed, Installation, check_account, covered

PORT_FIRST = 35_000
ERROR_REPLY, ERRC_DENIED = 299, 5   # keys/keeper_protocol.hpp, base/result.hpp
CASES = []


def case(function):
    CASES.append(function)
    return function


class Skipped(Exception):
    """This machine does not allow the case, or lacks what it needs; the text says which."""


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


def tone(folder, seconds, name="tone.wav"):
    out = pathlib.Path(folder) / name
    subprocess.run(["sox", "-n", "-r", "8000", "-b", "16", "-c", "2", str(out), "synth", str(seconds), "sine", "300", "sine", "500", "vol", "0.2"], check=True)
    return out


def place_calls(place, sound, count=1, *more):
    host, port = place.sip_address()
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
        expect(place.ask("GET", "/v1/calls")[0] == 401, "calls are shown to nobody in particular")
        expect(place.ask("GET", "/v1/nothing")[0] in (401, 404), "an unknown path")
        expect(place.ask("GET", "/../../callward.toml")[0] in (400, 404), "a path that climbs")
        expect(place.ask("POST", "/v1/session", "{", Content_Type="application/json", X_Callward="1")[0] == 400, "broken JSON")
        expect(place.ask("POST", "/v1/session", '{"name":"owner","passphrase":"x"}', Content_Type="application/json")[0] == 403,
               "a write without X-Callward, as a foreign page would send it")
        expect(place.ask("POST", "/v1/session", '{"name":"owner","passphrase":"wrong, quite wrong"}', Content_Type="application/json", X_Callward="1")[0] == 401, "a wrong passphrase")
        large = place.connect()  # only announced: it is refused before it comes
        large.putrequest("POST", "/v1/session")
        for name, value in (("Content-Type", "application/json"), ("X-Callward", "1"), ("Content-Length", "3000000")):
            large.putheader(name, value)
        large.endheaders()
        status = large.getresponse().status
        expect(status == 413, f"a body of 3 MB: {status}")
        expect(place.ask("GET", "/healthz")[0] == 200, "it lives on")


@case
def strangers_on_sip(folder):
    place = fresh(folder)
    with place:
        place.serve()
        address = place.sip_address()
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
        missing = place.wait_entries("call_missing", 1)
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
        expect(len(place.wait_entries("call_missing", len(refused))) == len(refused), "each refused call stands in the log as missing")
        place.wait_complete([c["id"] for c in place.calls()], 60)
        expect(len(place.calls()) == taken, "each call that was taken is recorded")


@case
def the_disk_is_full(folder):
    place = fresh(folder, recorder={"disk_reserve_bytes": 1 << 49})
    with place:
        place.serve()
        results = place_calls(place, tone(folder, 2), 2)
        expect([r["sip_status"] for r in results] == [503, 503], f"new calls are refused: {results}")
        expect(len(place.wait_entries("call_missing", 2)) == 2, "and stand in the log as missing")
        expect(place.calls() == [], "nothing is half recorded")


def unheard_until_repaired(folder, worker, said):
    """A recogniser that does not start: calls are recorded all the same, opened to nobody, and heard later."""
    place = fresh(folder, listener={"worker": worker})
    broken = next(l for l in place.config.read_text().splitlines() if l.startswith("worker = "))
    with place:
        place.serve()
        expect(place_calls(place, tone(folder, 4))[0]["sip_status"] == 200, "calls are recorded all the same")
        call = place.calls()[0]["id"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and (place.calls()[0]["phase"] == "live" or not place.account(call)):
            time.sleep(0.3)
        account = place.account(call)
        ends = check_account(account)
        expect(min(ends.values()) >= 3_500, f"all of it is recorded: {ends}")
        for stream, end in ends.items():
            expect(covered(account, stream, 0, end, ("unheard", "silent")) == end, f"what nobody heard is unheard: {account}")
        out = pathlib.Path(folder) / "x.wav"
        refused = place.cli("play", call, "--out", out, "--reason", "a test of it", expect=(1,))
        expect("nothing of this call opens" in refused.stderr and not out.exists(), f"and opened to nobody: {refused.stderr}")
        states = wait_status(place, lambda s: s["listener"].get("degraded"))
        expect(states["listener"]["degraded"] == "no_recogniser" and said in json.dumps(states["listener"]), f"the listener says so: {states['listener']}")
        place.stop()
        place.config.write_text(place.config.read_text().replace(broken + "\n", ""))
        place.serve()
        place.wait_complete([call], 120)
        heard = place.account(call)
        expect(covered(heard, "customer", 0, ends["customer"], ("unheard",)) == 0, "with a recogniser it is heard later")


@case
def the_recogniser_is_missing(folder):
    unheard_until_repaired(folder, ["/nonexistent/recogniser"], "recogniser")


@case
def its_model_is_missing(folder):
    """The worker is there and starts, but there is nothing in the folder of its model."""
    empty = pathlib.Path(folder) / "no-model"
    empty.mkdir()
    unheard_until_repaired(folder, [str(ROOT / "build/venv/bin/python"), str(ROOT / "worker/recogniser.py"), "--model", str(empty)], "workers")


class SmallDisk:
    """A tmpfs in place of a folder, with what was in the folder."""

    def __init__(self, folder, size):
        self.folder, self.size = pathlib.Path(folder), size

    def __enter__(self):
        self.folder.mkdir(mode=0o700, exist_ok=True)
        kept = tempfile.mkdtemp(prefix="cw-disk-")
        shutil.copytree(self.folder, kept, dirs_exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size},mode=0700", "callward-test", str(self.folder)], capture_output=True, text=True)
        if done.returncode == 0:
            shutil.copytree(kept, self.folder, dirs_exist_ok=True)
        shutil.rmtree(kept)
        if done.returncode != 0:
            raise Skipped(f"mounting a small disk is not permitted here: {done.stderr.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", str(self.folder)], check=False)

    def fill(self):
        with open(self.folder / "filler", "ab", buffering=0) as f:
            for size in (1 << 16, 1 << 12):
                try:
                    while True:
                        f.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def make_room(self):
        (self.folder / "filler").unlink()


def begin_calls(place, sound, count):
    host, port = place.sip_address()
    return subprocess.Popen([str(CLIENT), "--server", f"{host}:{port}", "--calls", str(count), "--customer", "sip:+441632960123@carrier.example",
                             "--agent", "sip:701@pbx.example", "--json", str(sound)], stdout=subprocess.PIPE, text=True)


def all_ended_well(client, count):
    output, _ = client.communicate(timeout=120)
    results = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    expect(len(results) == count and all(r["sip_status"] == 200 and r["ended"] == "bye" for r in results), f"each call ended as the client meant: {results}")


@case
def the_logs_disk_fills_up(folder):
    place = fresh(folder)
    with SmallDisk(place.folder / "log", "1m") as disk, place:
        place.serve()
        place_calls(place, tone(folder, 2))
        place.wait_complete([c["id"] for c in place.calls()], 60)
        early = place.calls()[0]["id"]
        client = begin_calls(place, tone(folder, 25, "long.wav"), 3)
        time.sleep(3)
        disk.fill()
        for _ in range(40):  # until what is left of its last page is used up
            place_calls(place, tone(folder, 1, "short.wav"), 5)
            if wait_status(place, lambda s: "log" in s["keeper"])["keeper"]["log"]["failed"]:
                break
        expect(wait_status(place, lambda s: "log" in s["keeper"])["keeper"]["log"]["failed"], "the keeper says that its log failed")
        refused = place.cli("play", early, "--out", pathlib.Path(folder) / "x.wav", "--reason", "a test of it", expect=(1,))
        expect("log" in refused.stderr, f"nothing is opened without a log, with a word why: {refused.stderr}")
        expect(place_calls(place, tone(folder, 2, "during.wav"))[0]["sip_status"] == 200, "new calls are recorded, on keys in memory")
        expect(client.poll() is None, "the running calls run on")
        disk.make_room()
        wait_status(place, lambda s: "log" in s["keeper"] and not s["keeper"]["log"]["failed"], 30)
        all_ended_well(client, 3)
        ids = [c["id"] for c in place.calls()]
        place.wait_complete(ids, 120)
        for call in ids:
            account = place.account(call)
            for stream, end in check_account(account).items():
                expect(covered(account, stream, 0, end, ("lost", "unheard")) == 0, f"nothing is lost: {account}")
        expect(sum(c["duration_ms"] >= 24_000 for c in place.calls()) == 3, "the three that ran through it are whole")
        begun, sealed = ({e["subject"] for e in place.entries(kind)} for kind in ("call_started", "call_sealed"))
        expect(set(ids) <= begun & sealed, f"what was missed is logged afterwards: each call began and was sealed; not so {set(ids) - begun}, {set(ids) - sealed}")
        place.json("play", early, "--out", pathlib.Path(folder) / "x.wav", "--reason", "a test of it")
        expect(place.cli("log", "verify", expect=(0, 3)).returncode == 0, "the log verifies")
        place.stop()


@case
def the_spools_disk_fills_up(folder):
    place = fresh(folder, recorder={"spool_file_bytes": 1 << 20, "disk_reserve_bytes": 2 << 20})
    with SmallDisk(place.folder / "spool", "24m") as disk, place:
        place.serve()
        client = begin_calls(place, tone(folder, 45, "long.wav"), 10)
        time.sleep(4)
        disk.fill()
        wait_status(place, lambda s: s["recorder"].get("spool", {}).get("disk_low"))
        refused = place_calls(place, tone(folder, 2), 1)
        expect(refused[0]["sip_status"] == 503, f"a new call is refused: {refused}")
        expect(len(place.wait_entries("call_missing", 1)) == 1, "and stands in the log as missing")
        time.sleep(20)  # ten calls write 160 kB a second: what is preallocated is used up by then
        expect(client.poll() is None, "the running calls run on")
        disk.make_room()
        wait_status(place, lambda s: not s["recorder"].get("spool", {}).get("disk_low"), 30)
        all_ended_well(client, 10)
        ids = [c["id"] for c in place.calls()]
        expect(len(ids) == 10, f"{len(ids)} recordings")
        place.wait_complete(ids, 240)
        lost = 0
        for call in ids:
            account = place.account(call)
            for stream, end in check_account(account).items():
                expect(end >= 44_000, f"the account goes to the end: {end} ms")
                lost += covered(account, stream, 0, end, ("lost",))
                expect(covered(account, stream, end - 3_000, end, ("sealed", "silent")) >= 2_900, f"recorded again with room: {account}")
            expect({i["reason"] for i in account if i["state"] == "lost"} <= {"spool_full"}, f"lost for nothing else: {account}")
        expect(lost > 0, "the disk was full indeed")
        expect(place_calls(place, tone(folder, 2, "next.wav"))[0]["sip_status"] == 200, "new calls are taken again")
        place.stop()
        expect(place.cli("fsck", expect=(0, 3)).returncode == 0, "objects, log and key store are whole")


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
        host, port = place.sip_address()
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
    log = pathlib.Path(folder) / "limited.log"
    limited = subprocess.Popen(["prlimit", "--nofile=64:64", str(place.binary), "serve", "--config", str(place.config)], stdout=subprocess.PIPE,
                               stderr=log.open("wb"), start_new_session=True)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and "descriptors" not in log.read_text():
            time.sleep(0.1)
        expect("descriptors" in log.read_text(), f"the recorder says at its start that there are too few descriptors:\n{log.read_text()[-800:]}")
    finally:
        limited.terminate()
        limited.wait(60)


class Dialog:
    """A recording client over UDP that says just what it is told to."""

    def __init__(self, place, call_id):
        self.server, self.call_id, self.sequence, self.to = place.sip_address(), call_id, 0, "<sip:srs@127.0.0.1>"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.port = self.socket.getsockname()[1]

    def send(self, method, sequence, body="", content_type=None):
        head = (f"{method} sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{self.call_id}{method}{sequence}\r\n"
                f"From: <sip:src@127.0.0.1>;tag=1\r\nTo: {self.to}\r\nCall-ID: {self.call_id}\r\nCSeq: {sequence} {method}\r\nMax-Forwards: 70\r\n"
                f"Contact: <sip:src@127.0.0.1:{self.port}>;+sip.src\r\n" + ("Require: siprec\r\n" if method == "INVITE" else "")
                + (f"Content-Type: {content_type}\r\n" if content_type else "") + f"Content-Length: {len(body.encode())}\r\n\r\n")
        self.socket.sendto((head + body).encode(), self.server)

    def ask(self, method, body="", content_type=None):
        """(status, body) of the final answer."""
        self.sequence += 1
        self.send(method, self.sequence, body, content_type)
        while True:
            head, _, answer = self.socket.recv(65_535).decode().partition("\r\n\r\n")
            status = int(head.split()[1])
            if status < 200:
                continue
            self.to = next(l.split(":", 1)[1].strip() for l in head.split("\r\n") if l.lower().startswith("to:"))
            if method == "INVITE":
                self.send("ACK", self.sequence)
            return status, answer


@case
def the_body_of_a_vendor(folder):
    """As an application server sends it: metadata of another content type and namespace, addresses masked, one mixed stream."""
    folder_of_material = pathlib.Path(os.environ.get("CALLWARD_MATERIAL") or ROOT.parent / "shared/material")
    material = folder_of_material / "siprec/broadworks-offer.txt"
    if not material.exists():
        raise Skipped("the vendors' bodies are not here; CALLWARD_MATERIAL names their folder")
    body = material.read_text().replace("\r", "").replace("\n", "\r\n")
    place = fresh(folder)
    with place:
        place.serve()
        dialog = Dialog(place, "vendor")
        status, answer = dialog.ask("INVITE", body, 'multipart/mixed;boundary="UniqueBroadWorksBoundary"')
        expect(status == 200, f"taken: {status}")
        media = next(l.split() for l in answer.split("\r\n") if l.startswith("m=audio"))
        law = int(media[3])
        expect(int(media[1]) > 0 and law in (0, 8), f"its stream is taken, with a codec that it offered: {media}")
        noise = random.Random(3)
        codes = noise.randbytes(160 * 100)
        for i in range(100):
            packet = struct.pack("!BBHII", 0x80, law, i, i * 160, 7) + codes[i * 160:(i + 1) * 160]
            dialog.socket.sendto(packet, ("127.0.0.1", int(media[1])))
            time.sleep(0.02)
        expect(dialog.ask("BYE")[0] == 200, "ended")
        call, = place.calls()
        place.wait_complete([call["id"]], 60)
        call, = place.calls()
        expect("mixed" in call["flags"], f"flagged as what it is: {call['flags']}")
        stream = call["streams"][0]["name"]
        account = place.account(call["id"])
        check_account(account, (stream,))
        out = pathlib.Path(folder) / "vendor.wav"
        place.cli("play", call["id"], "--out", out, "--reason", "a test of it")
        with wave.open(str(out)) as w:
            played = array.array("h", w.readframes(w.getnframes()))[(1 if stream == "agent" else 0)::w.getnchannels()]
        sent = sound.decode(codes, {0: "pcmu", 8: "pcma"}[law])
        matched, filled, _ = sound.follow(played, account, stream, sent, "vendor")
        expect(matched == 2_000, f"{matched} of 2000 ms are recorded as sent, {filled} are silence: {account}")


def hiss(folder, seconds, name="hiss.wav"):
    """Noise in which no millisecond is like another: what is recorded of it can be found again."""
    out = pathlib.Path(folder) / name
    both = array.array("h", ((value - 128) * 64 for value in random.Random("hiss").randbytes(seconds * 8_000 * 2)))
    with wave.open(str(out), "wb") as w:
        w.setnchannels(2)
        w.setsampwidth(2)
        w.setframerate(8_000)
        w.writeframes(both.tobytes())
    return out


def rtp(payload_type, sequence, timestamp, ssrc, payload):
    return struct.pack(">BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


@case
def rtp_from_a_stranger(folder):
    """Somebody who knows ports, SSRC, payload types and the running sequence numbers, but sends from elsewhere."""
    place = fresh(folder)
    with place:
        place.serve()
        known = place_calls(place, hiss(folder, 1, "first.wav"), 1, "--seed", "7")[0]  # the same seed: the same SSRC
        ssrc, first = known["sent"]["customer"]["ssrc"], known["sent"]["customer"]
        host, port = place.sip_address()
        sent_dir = pathlib.Path(folder) / "sent"
        sent_dir.mkdir()
        client = subprocess.Popen([str(CLIENT), "--server", f"{host}:{port}", "--seed", "7", "--customer", "sip:+441632960123@carrier.example", "--agent", "sip:701@pbx.example",
                                   "--sent-dir", str(sent_dir), "--json", str(hiss(folder, 12))], stdout=subprocess.PIPE, text=True)
        time.sleep(2)
        strangers = []
        for address in ("127.0.0.2", "127.0.0.1"):  # another machine; the client's own, from another port
            strangers.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            strangers[-1].bind((address, 0))
        began = time.monotonic()
        while time.monotonic() - began < 8:
            at = int((2 + time.monotonic() - began) * 50)
            sequence, timestamp = first["first_seq"] + at, first["first_timestamp"] + at * 160
            for stranger in strangers:
                for target in range(PORT_FIRST, PORT_FIRST + 12, 2):
                    stranger.sendto(rtp(0, sequence + 3, timestamp + 480, ssrc, b"\x10" * 160), ("127.0.0.1", target))
                    stranger.sendto(rtp(101, sequence + 4, timestamp, ssrc, struct.pack(">BBH", at % 10, 0x8A, 320)), ("127.0.0.1", target))
            time.sleep(0.02)
        for stranger in strangers:
            stranger.close()
        output, _ = client.communicate(timeout=60)
        result = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
        expect(result["ended"] == "bye" and result["sent"]["customer"]["ssrc"] == ssrc, f"the SSRC that was forged is the call's: {result}")
        status = wait_status(place, lambda s: "packets" in s["recorder"])["recorder"]["packets"]
        expect(status["foreign"] > 500 and status["sources_latched"] == 0, f"refused and counted: {status}")
        call = max(place.calls(), key=lambda c: c["duration_ms"])
        place.wait_complete([c["id"] for c in place.calls()], 120)
        account = place.account(call["id"])
        check_account(account)
        expect({i["state"] for i in account} <= {"sealed", "silent"}, f"nothing lost or erased: {account}")
        played = sound.play(place, call["id"], pathlib.Path(folder))
        about = json.loads(next(sent_dir.glob("*.json")).read_text())
        for stream in ("customer", "agent"):
            sent = sound.decode((sent_dir / about[stream]["file"]).read_bytes())
            matched, filled, _ = sound.follow(played[stream], account, stream, sent, stream)
            expect(matched > 11_500 and filled == 0, f"{stream}: {matched} ms are what the client sent, {filled} are not")


def says_hello(place, socket_name, kind, role):
    """The answer to a Hello in this role: (type, body)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(10)
        s.connect(str(place.folder / "run" / socket_name))
        version = 2 if socket_name == "recorder.sock" else 1
        body = struct.pack("<IB", version, role)
        s.sendall(struct.pack("<IHHI", len(body), kind, 0, 1) + body)
        raw = b""
        while len(raw) < 12 or len(raw) < 12 + struct.unpack_from("<I", raw)[0]:
            more = s.recv(4096)
            if not more:
                return None, b""
            raw += more
        return struct.unpack_from("<IHHI", raw)[1], raw[12:]


@case
def processes_are_confined(folder):
    place = fresh(folder)
    with place:
        place.serve()
        place_calls(place, tone(folder, 2))
        for name in PROCESSES:
            pid = place.pid(name)
            tasks = [dict(l.split(":\t", 1) for l in task.read_text().splitlines() if ":\t" in l) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/status")]
            expect(tasks, f"{name}: no threads")
            for task in tasks:
                expect((task["Seccomp"].strip(), task["NoNewPrivs"].strip()) == ("2", "1"),
                       f"{name}: a thread of {len(tasks)} ({task['Name'].strip()}) runs with Seccomp {task['Seccomp']}, NoNewPrivs {task['NoNewPrivs']}")
            locked = int(tasks[0]["VmLck"].split()[0])
            expect((locked > 0) == (name in ("keeper", "recorder", "listener", "courier")), f"{name}: {locked} kB of locked memory")
        for socket_name, kind, roles in (("keeper.sock", 100, (1, 2, 3, 4, 6)), ("courier.sock", 100, (1, 3, 6)), ("recorder.sock", 300, (1, 2, 3))):
            for role in roles:
                got, body = says_hello(place, socket_name, kind, role)
                expect(got == ERROR_REPLY and body[:1] == bytes([ERRC_DENIED]), f"a stranger who says Hello as role {role} on {socket_name} is refused: {got} {body[:80]}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:  # and who says none, has no say either
            s.settimeout(10)
            s.connect(str(place.folder / "run/keeper.sock"))
            s.sendall(struct.pack("<IHHI", 1, 102, 0, 1) + b"\0")  # KeeperStatusRequest
            answer = s.recv(4096)
            expect(not answer or struct.unpack_from("<IHHI", answer)[1] == ERROR_REPLY, f"without a Hello nothing is answered: {answer[:40]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    args = parser.parse_args()
    failed = skipped = 0
    chosen = [c for c in CASES if args.only in (None, c.__name__)]
    for function in chosen:
        with tempfile.TemporaryDirectory(prefix="cw-bad-") as folder:
            began = time.monotonic()
            try:
                function(folder)
                print(f"ok    {function.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
            except Skipped as why:
                skipped += 1
                print(f"skip  {function.__name__}: {why}", flush=True)
            except (Failed, OSError, KeyError, IndexError, ValueError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"FAIL  {function.__name__}: {type(error).__name__}: {error}", flush=True)
                log = pathlib.Path(folder) / "service.log"
                if log.exists():
                    print("".join(log.read_text(errors="replace").splitlines(True)[-12:]))
    print(f"{len(chosen) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
