#!/usr/bin/env python3
"""The call-back against the whole service and a telephone system of its own (phones.py): both answer, talk and are recorded; nobody
answers, somebody is busy; each side hangs up first, the keeper hangs up; the proxy asks for the password; signal and recorder
die in mid-call. And never does the customer's number, or anything of the customer's leg, reach the expert's phone.

    callback_test.py [--only NAME] [--keep]

The order to dial comes from here: once signal has greeted the real keeper, this takes the place of the keeper's socket and plays
its part towards signal alone. The recorder stays with the real one, which tells in its log whose recording each call is.
"""
import argparse
import json
import math
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from phones import PASSWORD, REALM, USER, Phone, Proxy, share_of, until
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/demo"))
import sound
from installation import BINARY, Failed, Installation, check_account, free_port

NUMBER = "+4915112345678"
COMPANY = "+442079460000"
EXPERT_HZ, CUSTOMER_HZ = 440, 1_000
TALK_S = 4
LISTEN_S_MAX = 240
# Messages and words of src/keys/dial_protocol.hpp.
HELLO, WELCOME, DIAL, TAKEN, PROGRESS, HANG_UP = 100, 200, 261, 161, 163, 263
STATES = {1: "ringing_expert", 2: "expert_answered", 3: "ringing_customer", 4: "connected", 5: "ended"}
CAUSES = ["none", "no_answer_expert", "busy_expert", "refused_expert", "no_answer_customer", "busy", "refused", "hung_up_expert",
          "hung_up_customer", "by_keeper", "deadline", "not_recorded", "signal_lost", "failed"]
ANSWERED = ["ringing_expert", "expert_answered", "ringing_customer", "connected"]


def expect(ok, what):
    if not ok:
        raise Failed(what)


def text(value):
    raw = value.encode()
    return struct.pack("<I", len(raw)) + raw


def send_tone(port, hz, seconds):
    """RTP of PCMU, 20 ms a packet, to this port of the relay."""
    values = sorted((sound.mu_law(code), code) for code in range(256))
    turn = 2 * math.pi * hz / 8_000
    code = [min(values, key=lambda v: abs(v[0] - 9_000 * math.sin(turn * i)))[1] for i in range(8_000)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", 0))
        began = time.monotonic()
        for at in range(seconds * 50):
            time.sleep(max(0, began + at * 0.02 - time.monotonic()))
            payload = bytes(code[(at * 160 + i) % 8_000] for i in range(160))
            out.sendto(struct.pack("!BBHII", 0x80, 0, at, at * 160, 7) + payload, ("127.0.0.1", port))


class Keeper(threading.Thread):
    """Plays the keeper for signal: takes its greeting, sends orders, keeps what it says."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.path, self.real, self.own = (place.folder / "run" / name for name in ("keeper.sock", "keeper.real", "keeper.own"))
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.own))
        os.chmod(self.own, 0o600)
        self.server.listen(8)
        self.step_in()
        self.link, self.greeted = None, threading.Event()
        self.taken, self.told, self.next = {}, {}, 1
        self.lock = threading.Lock()
        self.start()

    def step_in(self):
        os.rename(self.path, self.real)
        os.rename(self.own, self.path)

    def step_aside(self):
        """Who connects now finds the real one; who is connected stays."""
        os.rename(self.path, self.own)
        os.rename(self.real, self.path)

    def new_signal(self, place):
        """It greets before its recorder has answered, and until then refuses what would not be recorded."""
        self.greeted.clear()
        died = place.kill("signal")
        expect(self.greeted.wait(30), "a new signal greets")
        place.wait_running(30, [died])

    def run(self):
        while True:
            link, _ = self.server.accept()
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        def exactly(size):
            data = b""
            while len(data) < size:
                more = link.recv(size - len(data))
                if not more:
                    raise EOFError
                data += more
            return data
        try:
            while True:
                size, kind, flags, number = struct.unpack("<IHHI", exactly(12))
                body = exactly(size)
                if kind == HELLO:
                    version, role = struct.unpack("<IB", body)
                    if role != 5:  # somebody else's: it comes back when the real one is there
                        link.close()
                        return
                    link.sendall(self.frame(WELCOME, struct.pack("<IB", version, 1), number, 1))
                    with self.lock:
                        self.link = link
                    self.greeted.set()
                elif kind == TAKEN:
                    self.taken[body[:16]] = body[16]
                elif kind == PROGRESS:
                    state, cause = body[16], body[17]
                    self.told.setdefault(body[:16], []).append((STATES[state], CAUSES[cause], body[18:34].hex(), struct.unpack("<I", body[34:38])[0]))
        except (EOFError, OSError):
            return

    @staticmethod
    def frame(kind, body, number=0, flags=0):
        return struct.pack("<IHHI", len(body), kind, flags, number) + body

    def dial(self, expert, number=NUMBER, deadline_s=120, ring_expert_s=20, ring_customer_s=20, taken=0):
        dial = os.urandom(16)
        body = dial + text(expert) + text(number) + struct.pack("<III", deadline_s * 1000, ring_expert_s * 1000, ring_customer_s * 1000)
        self.next += 1
        with self.lock:
            self.link.sendall(self.frame(DIAL, body, self.next))
        said = until(lambda: dial in self.taken, "signal answers an order") and self.taken[dial]
        expect(said == taken, f"the order was answered with {said}, not {taken}")
        return dial

    def hang_up(self, dial):
        with self.lock:
            self.link.sendall(self.frame(HANG_UP, dial))

    def states(self, dial):
        return [state for state, *_ in self.told.get(dial, [])]

    def wait(self, dial, state):
        until(lambda: state in self.states(dial), f"{state} of {self.told.get(dial)}")

    def end(self, dial, cause, before, twice=False):
        """What was told of it: these states, then this end."""
        self.wait(dial, "ended")
        states, last = self.states(dial), self.told[dial][-1]
        expect(states == before + ["ended"] and last[1] == cause, f"told {self.told[dial]}, not {before} and {cause}")
        return last


class Stories:
    def __init__(self, place, folder, proxy, keeper, expert):
        self.place, self.folder, self.proxy, self.keeper, self.expert = place, folder, proxy, keeper, expert
        self.count, self.phones = 0, []

    def customer(self, **more):
        self.count += 1
        self.phones.append(Phone(self.folder / f"customer-{self.count}", NUMBER, self.proxy, CUSTOMER_HZ, **more))
        return self.phones[-1]

    def clear(self):
        """No phone of a story rings in the next one."""
        while self.phones:
            self.phones.pop().stop()

    def events(self, name):
        found = []
        for line in (self.place.folder / "service.log").read_text(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") == name:
                found.append(event)
        return found

    def recording(self, dial, call):
        """The call that the recorder has named to the real keeper, which is the one that signal says."""
        def named():
            return [e["call"] for e in self.events("keeper.dial") if e["dial"] == dial.hex() and int(e["call"], 16)]
        until(named, "the recorder tells the keeper whose recording it is")
        expect(set(named()) == {call}, f"the recorder says {named()}, signal {call}")

    def heard(self, call, streams=(("customer", CUSTOMER_HZ, EXPERT_HZ), ("agent", EXPERT_HZ, CUSTOMER_HZ)), least_s=TALK_S - 1):
        """Each stream has its own speaker's tone, and not the other's."""
        self.place.wait_complete([call], LISTEN_S_MAX)
        said = next(c for c in self.place.calls() if c["id"] == call)
        expect(said["source"] == "call_back" and said["direction"] == "outgoing", f"how it came to be: {said}")
        account = self.place.account(call)
        check_account(account)
        played = sound.play(self.place, call, self.folder)
        for stream, own, others in streams:
            sealed = [(i["start_ms"], i["end_ms"]) for i in account if i["stream"] == stream and i["state"] == "sealed"]
            samples = [s for start, end in sealed for s in played[stream][start * 8:end * 8]]
            # Not the first and last tenth: tones begin and end there.
            samples = samples[len(samples) // 10:-len(samples) // 10]
            expect(len(samples) >= least_s * 8_000 * 0.8, f"{stream}: {len(samples) / 8000:.1f} s are sealed of {account}")
            mine, theirs = share_of(samples, own), share_of(samples, others)
            expect(mine > 0.5 and theirs < 0.01, f"{stream}: {mine:.3f} at {own} Hz, {theirs:.3f} at {others} Hz")

    def never_told(self, log, words):
        found = [word for word in words if word in log]
        expect(not found, f"the phone saw {found}")

    def expert_knows_nothing(self):
        """Every message that the expert's phone got or sent, and all that it printed."""
        log = self.expert.text()
        expect(f"sip:{COMPANY}@" in log, "it saw who calls: the company")
        self.never_told(log, [NUMBER, NUMBER[1:], NUMBER[-8:]])

    def customer_knows_the_company(self, phone):
        log = phone.text()
        expect(f"sip:{COMPANY}@" in log, "it saw who calls: the company")
        self.never_told(log, ["7001", "Proxy-Authorization"])

    def talk(self, phone, seconds=TALK_S):
        dial = self.keeper.dial("7001")
        self.keeper.wait(dial, "connected")
        time.sleep(seconds)
        return dial

    def at_the_experts(self):
        """The recorder knows at whose telephone the running call is (which one: src/app/signal_callback_test.cpp)."""
        recorder = next(p for p in self.place.json("status")["processes"] if p["name"] == "recorder")["status"]["calls"]
        expect(recorder["live"] == recorder["at_telephone"] == 1, f"live and at a telephone: {recorder}")

    # ---- stories ----------------------------------------------------------------------------------------------------

    def customer_hangs_up(self):
        phone = self.customer()
        dial = self.talk(phone)
        self.at_the_experts()
        phone.hang_up()
        state, cause, call, talked = self.keeper.end(dial, "hung_up_customer", ANSWERED)
        expect(talked >= TALK_S * 1000, f"talked for {talked} ms")
        self.recording(dial, call)
        self.heard(call)
        self.customer_knows_the_company(phone)
        # The end is in the log when its recording is sealed and put there, which may be a moment after the sound is on the disk.
        def ended():
            return [e for e in self.place.entries("call_ended") if e["subject"] == call]
        until(ended, "its end in the log")
        expect([e["data"]["cause"] for e in ended()] == ["bye"], f"the log of its end: {ended()}")
        started = [e for e in self.place.entries("call_started") if e["subject"] == call]
        expect([e["data"]["source"] for e in started] == ["call_back"], f"the log of its start: {started}")
        status = next(p for p in self.place.json("status")["processes"] if p["name"] == "signal")["status"]["call_backs"]
        expect(status["relay"]["relayed"] > 0 and status["relay"]["not_copied"] == 0, f"the relay: {status}")

    def expert_hangs_up(self):
        phone = self.customer()
        dial = self.talk(phone)
        self.expert.hang_up()
        call = self.keeper.end(dial, "hung_up_expert", ANSWERED)[2]
        self.heard(call)
        until(lambda: "Active calls (0)" in phone.command("listcalls"), "the customer's phone is hung up")

    def keeper_hangs_up(self):
        phone = self.customer()
        dial = self.talk(phone)
        self.keeper.hang_up(dial)
        call = self.keeper.end(dial, "by_keeper", ANSWERED)[2]
        self.heard(call)
        for side in (phone, self.expert):
            until(lambda: "Active calls (0)" in side.command("listcalls"), f"{side.name} is hung up")

    def busy(self):
        phone = self.customer(answer="manual")
        dial = self.keeper.dial("7001")
        until(phone.invites, "the customer's phone rings")
        phone.hang_up()
        call = self.keeper.end(dial, "busy", ANSWERED[:3])[2]
        self.unanswered(dial, call)

    def unanswered(self, dial, call):
        """It has a recording, of nothing: it began and was given up, and no sound is in it."""
        self.recording(dial, call)
        until(lambda: [e for e in self.place.entries("call_ended") if e["subject"] == call], "its end in the log")
        if call in {c["id"] for c in self.place.calls()}:
            expect(all(i["state"] != "sealed" for i in self.place.account(call)), f"sealed: {self.place.account(call)}")
        until(lambda: "Active calls (0)" in self.expert.command("listcalls"), "the expert's phone is hung up")

    def no_answer_customer(self):
        phone = self.customer(answer="manual")
        dial = self.keeper.dial("7001", ring_customer_s=2)
        call = self.keeper.end(dial, "no_answer_customer", ANSWERED[:3])[2]
        expect(phone.invites() == 1, "it rang")
        until(lambda: "CANCEL sip:" in phone.text(), "it was told to stop ringing")
        self.unanswered(dial, call)

    def nobody_there(self):
        dial = self.keeper.dial("7001")  # no phone has that number now
        self.unanswered(dial, self.keeper.end(dial, "refused", ANSWERED[:3])[2])

    def no_answer_expert(self):
        silent = Phone(self.folder / "silent", "7002", self.proxy, EXPERT_HZ, answer="manual")
        self.phones.append(silent)
        phone = self.customer()
        dial = self.keeper.dial("7002", ring_expert_s=2)
        call = self.keeper.end(dial, "no_answer_expert", ANSWERED[:1])[2]
        expect(phone.invites() == 0, "the customer is not called before the expert is there")
        self.recording(dial, call)
        dial = self.keeper.dial("7002")
        until(lambda: silent.invites() == 2, "it rings again")
        self.keeper.hang_up(dial)
        self.keeper.end(dial, "by_keeper", ANSWERED[:1])

    def early_media(self):
        """What the customer's side plays before it answers is heard by the expert, and recorded; one way only."""
        phone = self.customer(answer="early")
        dial = self.keeper.dial("7001", ring_customer_s=60)
        self.keeper.wait(dial, "ringing_customer")
        until(lambda: "183 Session Progress" in phone.text(), "early media")
        # baresip says it and sends nothing: its sound comes from here, from the address that it named.
        port = int(re.search(r"^m=audio (\d+)", phone.text()[phone.text().index("INVITE sip:"):], re.M)[1])
        send_tone(port, CUSTOMER_HZ, TALK_S)
        expect("connected" not in self.keeper.states(dial), "nobody has answered")
        self.keeper.hang_up(dial)
        call = self.keeper.end(dial, "by_keeper", ANSWERED[:3])[2]
        self.heard(call, streams=(("customer", CUSTOMER_HZ, EXPERT_HZ),))
        expect(not any(i["stream"] == "agent" and i["state"] == "sealed" for i in self.place.account(call)), "the expert was not heard")

    def orders_that_are_refused(self):
        for expert, number in (("7001", "4915112345678"), ("7001", "+49"), ("7001", NUMBER + "1234"), ("70 01", NUMBER), ("", NUMBER),
                               ("sip:7001@x>\r\nX-Number: 1", NUMBER), ("sip:7001", NUMBER)):
            self.keeper.dial(expert, number, taken=2)
        phone = self.customer()
        dial = self.talk(phone, 0)
        body = dial + text("7001") + text(NUMBER) + struct.pack("<III", 9_000, 9_000, 9_000)
        self.keeper.taken.pop(dial)
        with self.keeper.lock:
            self.keeper.link.sendall(Keeper.frame(DIAL, body, 77))
        expect(until(lambda: self.keeper.taken.get(dial), "an answer") == 3, "one that runs is not dialled again")
        self.keeper.hang_up(dial)
        self.keeper.end(dial, "by_keeper", ANSWERED)

    def recorder_dies(self):
        """As a SIPREC call's: its sockets are kept, and it goes on with a new recorder."""
        phone = self.customer()
        dial = self.talk(phone, 2)
        self.keeper.step_aside()
        try:
            self.place.wait_running(30, [self.place.kill("recorder")])
        finally:
            self.keeper.step_in()
        time.sleep(TALK_S)
        self.at_the_experts()
        expect(self.keeper.states(dial) == ANSWERED, f"they talk on: {self.keeper.told[dial]}")
        phone.hang_up()
        call = self.keeper.end(dial, "hung_up_customer", ANSWERED)[2]
        self.heard(call)

    def wrong_password(self):
        """The proxy asks again, and is not answered a second time."""
        secret = self.folder / "password"
        secret.write_text("not the password\n")
        self.keeper.new_signal(self.place)
        try:
            invites = self.expert.invites()
            self.keeper.end(self.keeper.dial("7001"), "failed", ANSWERED[:1])
            expect(self.expert.invites() == invites, "nobody is called")
        finally:
            secret.write_text(PASSWORD + "\n")
            self.keeper.new_signal(self.place)

    def signal_dies(self):
        """The relay is gone with it: the new one hangs both up, and tells the keeper."""
        phone = self.customer()
        dial = self.talk(phone)
        call = self.keeper.told[dial][-1][2]
        died = self.place.kill("signal")
        self.keeper.wait(dial, "ended")
        expect(self.keeper.told[dial][-1][1] == "signal_lost", f"told {self.keeper.told[dial]}")
        for side in (phone, self.expert):
            until(lambda: "Active calls (0)" in side.command("listcalls"), f"{side.name} is hung up")
        self.heard(call)
        self.place.wait_running(30, [died])


STORIES = ("customer_hangs_up", "expert_hangs_up", "keeper_hangs_up", "busy", "no_answer_customer", "nobody_there", "no_answer_expert",
           "early_media", "orders_that_are_refused", "recorder_dies", "signal_dies", "wrong_password")


def data_has_no_number(place):
    """Sealed, it stands in the call's data; in no file and no line of the log does it stand as it is."""
    needle = NUMBER[1:].encode()
    for path in place.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            expect(needle not in path.read_bytes(), f"the number stands in {path}")


def run(place, folder, options):
    proxy = Proxy(folder / "proxy")
    secret = folder / "password"
    secret.write_text(PASSWORD + "\n")
    place.configure(callback={"proxy": f"sip:127.0.0.1:{proxy.port}", "from": f"sip:{COMPANY}@{REALM}", "from_name": "The company",
                              "expert_uri": "sip:{extension}@" + REALM, "customer_uri": "sip:{number}@" + REALM,
                              "user": USER, "realm": REALM, "password_file": str(secret),
                              "rtp_port_first": 43_400, "rtp_port_last": 43_599})
    failed, expert = 0, None
    try:
        with place:
            place.serve()
            def greeted():
                signal = next(p for p in place.json("status")["processes"] if p["name"] == "signal")["status"]
                return signal.get("call_backs", {}).get("keeper")
            until(greeted, "the real keeper takes signal's greeting")
            keeper = Keeper(place)
            keeper.new_signal(place)
            expert = Phone(folder / "expert", "7001", proxy, EXPERT_HZ)
            stories = Stories(place, folder, proxy, keeper, expert)
            for name in STORIES:
                if options.only not in (None, name):
                    continue
                began = time.monotonic()
                try:
                    getattr(stories, name)()
                    stories.expert_knows_nothing()
                    print(f"{name}: holds ({time.monotonic() - began:.0f} s)", flush=True)
                except (Failed, subprocess.SubprocessError, ValueError, OSError) as error:
                    failed += 1
                    print(f"{name}: FAILED: {error}", flush=True)
                finally:
                    stories.clear()
            keeper.step_aside()
            place.stop()
            place.cli("log", "verify")
            data_has_no_number(place)
    finally:
        if expert is not None:
            expert.stop()
        proxy.stop()
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--callward", default=str(BINARY))
    parser.add_argument("--only", help="one story")
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    options = parser.parse_args()
    missing = [program for program in ("kamailio", "baresip") if shutil.which(program) is None]
    if missing:
        print(f"FAILED: {', '.join(missing)} not installed: see tools/packages.txt")
        return 1
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cw-callback-"))
    place = Installation(folder / "data", options.callward)
    place.init()
    place.configure(sip={"port": free_port()}, server={"port": 0}, recorder={"rtp_port_first": 43_000, "rtp_port_last": 43_399})
    try:
        failed = run(place, folder, options)
    except Failed as error:
        failed = 1
        print(f"FAILED: {error}")
    if options.keep or failed:
        print(f"see {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
