#!/usr/bin/env python3
"""kill -9 of each process in the middle of 50 running calls, one after the other. What must hold: the client sees every
call to its end; the account of each covers every millisecond that was sent, once; losses stay within the bounds of the
design and within the victims' own windows; the secrets of each call are gone from the account, from what plays and from
what the disk still opens; what is kept plays as it was sent, and opens.

    kill_test.py [--calls N] [--keep]
"""
import argparse
import array
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import wave

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))
import make_calls
import sound
from installation import CLIENT, Failed, Installation, check_account, covered, free_port

LEAD_S = 12                      # of the call, before the first process dies
EVERY_S = 8                      # between two deaths
TAIL_S = 12
SECOND_AT_S = 24                 # the second question; its answer comes just when the listener dies
VICTIMS = ("server", "signal", "listener", "recorder", "keeper")
# erasure.md, 4. The recorder's sockets are kept by the supervisor: what is lost is what it held unsealed, and the
# next 0.5 s of indices that may have been issued.
RECORDER_LOST_MS_MAX = 500
DRIFT_MS_MAX = 20                # "late" and "network": single milliseconds where a stream's clock is set right
KEEPER_LOST_MS_MAX = 30_000      # + the open turn, an open question and the listener's lag, which are measured
OPEN_MS_MAX = 15_000 + 5_000
MARGIN_MS = 1_000                # between the client's first packet, a call's start, and the clocks of two processes
END_MS_MAX = 1_000               # so far the account may end from what was sent
OFFSET_MS_MAX = 100              # so far the time line of a recording may move over all deaths
COMPARED = 3                     # calls whose sound is compared, sample by sample
SECRET_CORE_MS = 400             # around a secret's middle: certainly inside of it
LISTEN_S_MAX = 600


def long_call(folder):
    """The demonstration's question and spoken password, twice; else a hiss that nobody takes for speech, but in which no
    millisecond is like another. All the deaths fall into the running call."""
    turns = make_calls.CALLS["incoming_password"]["turns"]
    at = next(i for i, turn in enumerate(turns) if turn[2])
    (asker, question, _, pause), answer = turns[at - 1], turns[at]
    question = question.split(". ")[-1]
    made = [(asker, question, None, pause), answer]
    _, first = make_calls.build("kill", {"direction": "in", "turns": made, "dtmf": []})
    made += [(asker, question, None, SECOND_AT_S - first["turns"][-1]["end_ms"] / 1000), answer]
    speech, truth = make_calls.build("kill", {"direction": "in", "turns": made, "dtmf": []})
    samples = (LEAD_S + EVERY_S * len(VICTIMS) + TAIL_S) * sound.RATE * 2
    hiss = random.Random("hiss").randbytes(samples)
    both = array.array("h", ((value - 128) // 2 for value in hiss))
    for i, value in enumerate(speech):
        both[i] = max(-32768, min(32767, both[i] + value))
    out = folder / "long.wav"
    with wave.open(str(out), "wb") as w:
        w.setnchannels(2)
        w.setsampwidth(2)
        w.setframerate(sound.RATE)
        w.writeframes(both.tobytes())
    return out, truth


def listener_lag_ms(place):
    status = next(p for p in place.json("status")["processes"] if p["name"] == "listener")["status"]
    return int(status.get("lag_ms", 0))


def run_calls(place, wav, count, sent_dir):
    host = place.sip.split("sip:")[-1].split(";")[0]
    return subprocess.Popen([str(CLIENT), "--server", host, "--transport", "udp", "--calls", str(count), "--stagger-ms", "40",
                             "--customer", "sip:+441632960123@carrier.example", "--agent", "sip:701@pbx.example",
                             "--sent-dir", str(sent_dir), "--json", str(wav)], stdout=subprocess.PIPE, text=True)


def kill_each(place, client):
    """Gives {victim: (killed, back), both in ms of the wall clock}, and the listener's lag when the keeper died."""
    lag, died, windows, began = 0, [], {}, time.monotonic()
    for i, victim in enumerate(VICTIMS):
        time.sleep(max(0, began + LEAD_S + i * EVERY_S - time.monotonic()))
        if client.poll() is not None:
            raise Failed("the client ended before all processes were killed")
        lag = listener_lag_ms(place)
        before = time.time() * 1000
        died.append(place.kill(victim))
        place.wait_running(30, died)
        after = time.time() * 1000
        windows[victim] = (before, after)
        print(f"  {victim} killed, everything works again after {(after - before) / 1000:.1f} s; listener's lag {lag} ms", flush=True)
    if client.poll() is not None:
        raise Failed("the client ended before the last process was back")
    return windows, lag


class Verdict:
    def __init__(self, truth, sent, windows, lag_ms):
        self.truth, self.sent, self.windows, self.lag_ms = truth, sent, windows, lag_ms
        self.failures = []
        self.lost = {}
        self.secrets = {}
        self.compared_ms = 0

    def expect(self, ok, text):
        if not ok:
            self.failures.append(text)

    def losses(self, call, stream, account):
        by_cause = {}
        for item in account:
            if item["stream"] == stream and item["state"] == "lost":
                by_cause[item["reason"]] = by_cause.get(item["reason"], 0) + item["end_ms"] - item["start_ms"]
        for cause, ms in by_cause.items():
            self.lost[cause] = max(self.lost.get(cause, 0), ms)
        self.expect(by_cause.get("recorder", 0) <= RECORDER_LOST_MS_MAX, f"{call} {stream}: lost by the recorder's death {by_cause}")
        self.expect(by_cause.get("late", 0) + by_cause.get("network", 0) <= DRIFT_MS_MAX, f"{call} {stream}: lost on loopback {by_cause}")
        bound = KEEPER_LOST_MS_MAX + OPEN_MS_MAX + self.lag_ms
        self.expect(by_cause.get("keeper", 0) <= bound, f"{call} {stream}: lost with the keeper {by_cause}, bound {bound}")
        self.expect(set(by_cause) <= {"recorder", "keeper", "late", "network"}, f"{call} {stream}: lost for {by_cause}")

    def where(self, call, started_at, account):
        """The deaths of server, signal and listener lose nothing. A loss lies in the window of who caused it; the keeper's
        reaches back to its last persisted mark, over the others' windows, and says so by its cause."""
        bound = KEEPER_LOST_MS_MAX + OPEN_MS_MAX + self.lag_ms
        for item in account:
            if item["state"] != "lost":
                continue
            start, end = started_at + item["start_ms"], started_at + item["end_ms"]
            victim = {"keeper": "keeper", "recorder": "recorder"}.get(item["reason"])
            if victim is None:  # whoever may lose, may also make late; nobody else
                own = any(self.windows[v][0] - MARGIN_MS <= start and end <= self.windows[v][1] + MARGIN_MS for v in ("recorder", "keeper"))
                self.expect(own or not any(self.windows[v][0] - MARGIN_MS < end and start < self.windows[v][1] + MARGIN_MS
                                           for v in ("server", "signal", "listener")),
                            f"{call} {item['stream']}: {item} while a process died that must lose nothing")
                continue
            killed, back = self.windows[victim]
            back_to = bound if victim == "keeper" else RECORDER_LOST_MS_MAX
            self.expect(killed - back_to - MARGIN_MS <= start and end <= back + MARGIN_MS,
                        f"{call} {item['stream']}: {item} lies outside of the {victim}'s death at {killed - started_at:.0f}-{back - started_at:.0f} ms")

    def call(self, place, call, started_at):
        account = place.account(call)
        try:
            ends = check_account(account)
        except Failed as error:
            self.failures.append(f"{call}: {error}")
            return account
        for stream, end in ends.items():
            sent_ms = len(self.sent[stream]) // sound.PER_MS
            self.expect(abs(end - sent_ms) <= END_MS_MAX, f"{call} {stream}: the account ends at {end} ms, {sent_ms} were sent")
            self.losses(call, stream, account)
            self.expect(covered(account, stream, 0, end, ("unheard",)) == 0, f"{call} {stream}: something was never heard")
        self.where(call, started_at, account)
        for number, secret in enumerate(t for t in self.truth["turns"] if t["secret"]):
            # The recording may begin some ms after the sender; the middle of the secret is inside whatever happened.
            middle = (secret["start_ms"] + secret["end_ms"]) // 2
            span = (account, secret["who"], middle - SECRET_CORE_MS, middle + SECRET_CORE_MS)
            gone = covered(*span, ("erased", "lost"))
            self.expect(gone == 2 * SECRET_CORE_MS, f"{call}: of secret {number + 1} {2 * SECRET_CORE_MS - gone} ms are neither erased nor lost")
            how = "erased" if covered(*span, ("erased",)) else "lost"
            self.secrets[number + 1, how] = self.secrets.get((number + 1, how), 0) + 1
        return account

    def sound(self, place, call, account, folder):
        played = sound.play(place, call, folder)
        for stream, sent in self.sent.items():
            try:
                matched, filled, behind = sound.follow(played[stream], account, stream, sent, call)
            except ValueError as error:
                self.failures.append(str(error))
                continue
            sealed = covered(account, stream, 0, len(sent), ("sealed",))
            self.expect(matched == sealed and sealed > 0, f"{call} {stream}: {matched} of {sealed} sealed ms are what was sent, {filled} are silence")
            self.compared_ms += matched
            moved = max(behind) - min(behind) if behind else 0
            self.expect(moved <= OFFSET_MS_MAX * sound.PER_MS, f"{call} {stream}: its time line moved by {moved / sound.PER_MS} ms")
            for item in account:
                if item["stream"] == stream and item["state"] in ("erased", "lost"):
                    self.expect(sound.silent(played[stream], item["start_ms"], item["end_ms"]), f"{call} {stream}: {item} still sounds")

    def disk(self, call, account, runs):
        """What opens with all that is on the disk: all of what is sealed, nothing of what is erased or lost with its key."""
        for run in runs:
            if run["opens"]:
                bad = sum(max(0, min(i["end_ms"], run["end_ms"]) - max(i["start_ms"], run["start_ms"])) for i in account
                          if i["stream"] == run["stream"] and (i["state"] == "erased" or i["state"] == "lost" and i["reason"] == "keeper"))
                self.expect(bad == 0, f"{call} {run['stream']}: {bad} ms open that are erased or lost")
        for item in account:
            if item["state"] == "sealed":
                opens = sum(max(0, min(item["end_ms"], r["end_ms"]) - max(item["start_ms"], r["start_ms"]))
                            for r in runs if r["opens"] and r["stream"] == item["stream"])
                self.expect(opens == item["end_ms"] - item["start_ms"], f"{call} {item['stream']}: of {item} only {opens} ms open")

    # ---- what every story of this kind ends with
    def recordings(self, place, output, calls):
        """{call: its start}, held to what the client said in `output`."""
        results = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        good = sum(r.get("sip_status") == 200 and r.get("ended") == "bye" for r in results)
        self.expect(good == calls, f"only {good} of {calls} calls ended as the client meant")
        started = {c["id"]: c["started_at"] for c in place.calls()}
        print(f"  {len(started)} recordings of {calls} calls; listening", flush=True)
        self.expect(len(started) == calls, f"{len(started)} recordings of {calls} calls")
        return started

    def stopped(self, place, accounts):
        """The log holds and keeps its rules; then the service is stopped, and what the disk opens is what the accounts say."""
        self.expect(place.cli("log", "verify", expect=(0, 3)).returncode == 0, "the log does not verify")
        rules = place.cli("log", "check", expect=(0, 3))
        self.expect(rules.returncode == 0, f"the log breaks its rules: {rules.stdout[:2000]}")
        place.stop()
        tried = {c["call"]: c for c in place.json("fsck", "--try-keys")["calls"]}
        for call, account in accounts.items():
            self.disk(call, account, tried[call]["audio"])
        self.expect(place.cli("fsck", expect=(0, 3)).returncode == 0, "fsck finds damage")

    def told(self):
        print(f"  {self.compared_ms / 1000:.1f} s of {COMPARED} calls follow what was sent, sample by sample")
        for (number, how), count in sorted(self.secrets.items()):
            print(f"  secret {number}: {how} in {count} calls")
        for line in self.failures[:20]:
            print(f"  FAILS  {line}")
        print(f"{'1 passed, 0 failed' if not self.failures else '0 passed, 1 failed'}")
        return 1 if self.failures else 0


def keep(folder):
    kept = tempfile.mkdtemp(prefix="callward-kept-")
    shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
    print(f"kept: {kept}")


def sent_samples(sent_dir):
    """{stream: samples} of the first call: all send the same."""
    about = next(sent_dir.glob("*.json"))
    files = json.loads(about.read_text())
    return {stream: sound.decode((sent_dir / files[stream]["file"]).read_bytes()) for stream in ("customer", "agent")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callward-kill-") as name:
        folder = pathlib.Path(name)
        wav, truth = long_call(folder)
        place = Installation(folder / "data")
        place.init()
        place.configure(sip={"port": free_port(), "own_numbers": ["7*"], "own_domains": ["pbx.example"]}, server={"port": 0},
                        recorder={"rtp_port_first": 33_000, "rtp_port_last": 33_999})
        sent_dir = folder / "sent"
        sent_dir.mkdir()
        with place:
            place.serve()
            client = run_calls(place, wav, args.calls, sent_dir)
            try:
                windows, lag = kill_each(place, client)
                output, _ = client.communicate(timeout=120)
            finally:
                if client.poll() is None:
                    client.kill()
            verdict = Verdict(truth, sent_samples(sent_dir), windows, lag)
            started = verdict.recordings(place, output, args.calls)
            place.wait_complete(started, LISTEN_S_MAX)
            accounts = {call: verdict.call(place, call, at) for call, at in started.items()}
            for call in list(accounts)[:COMPARED]:
                verdict.sound(place, call, accounts[call], folder)
            verdict.stopped(place, accounts)
        if args.keep:
            keep(folder)
    print(f"  the longest losses of a stream, ms by cause: {verdict.lost or 'none'}")
    return verdict.told()


if __name__ == "__main__":
    sys.exit(main())
