"""One installation of Callward in a folder of its own: made, started, asked, killed in parts, stopped.
What the demonstration and the end-to-end tests share. Standard library only."""
import http.client
import json
import os
import pathlib
import re
import select
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Another build than the release: CALLWARD_BUILD names its folder.
BUILD = pathlib.Path(os.environ.get("CALLWARD_BUILD") or ROOT / "build/release").resolve()
BINARY = BUILD / "callward"
CLIENT = BUILD / "siprec-client"
PROCESSES = ("keeper", "recorder", "signal", "listener", "courier", "server")
READY_S_MAX = 60
STOP_S_MAX = 60


def free_port():
    """One that nobody has now, for UDP and TCP: a port that must stay the same over restarts."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failed("no free port")


class Failed(Exception):
    """A command or the service did not do what it must."""


class Installation:
    def __init__(self, folder, binary=BINARY):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "callward.toml"
        self.binary = pathlib.Path(binary)
        self.service = None
        self.https = self.sip = None

    # ---- making ----------------------------------------------------------------------------------
    def init(self, owner="owner", passphrase="a long sentence for the owner 42"):
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = self.folder / "owner.passphrase"
        descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as f:
            f.write(passphrase + "\n")
        self.cli("init", "--data", str(self.folder), "--owner", owner, "--passphrase-file", str(secret), config=False)
        self.owner, self.passphrase = owner, passphrase

    def configure(self, **sections):
        """configure(sip={"port": 0}): sets keys, whatever stood there."""
        text = self.config.read_text()
        for section, values in sections.items():
            for key, value in values.items():
                shown = json.dumps(value)
                start = text.index(f"[{section}]")
                end = text.find("\n[", start)
                end = len(text) if end < 0 else end
                body = text[start:end]
                line = re.compile(rf"^#? ?{key} = .*$", re.M)
                body = line.sub(lambda _: f"{key} = {shown}", body, count=1) if line.search(body) else body.rstrip() + f"\n{key} = {shown}\n"
                text = text[:start] + body + text[end:]
        self.config.write_text(text)

    # ---- running ---------------------------------------------------------------------------------
    def serve(self, log=None, wait=True, env=None):
        """`env`: added to ours, for the service and all its processes."""
        self.log_file = open(log or self.folder / "service.log", "ab")
        self.service = subprocess.Popen([self.binary, "serve", "--config", self.config], stdout=subprocess.PIPE,
                                        stderr=self.log_file, start_new_session=True, env={**os.environ, **(env or {})})
        if not wait:
            return
        deadline = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline:
            if self.service.poll() is not None:
                raise Failed(f"serve ended with {self.service.returncode}; see {self.log_file.name}")
            if not select.select([self.service.stdout], [], [], 0.2)[0]:
                continue
            line = self.service.stdout.readline()
            if not line:
                continue
            event = json.loads(line)
            if event.get("event") == "ready":
                self.https, self.sip = event["https"], event["sip"]
                return
        raise Failed(f"not ready after {READY_S_MAX} s; see {self.log_file.name}")

    def stop(self):
        if self.service is None or self.service.poll() is not None:
            return
        self.service.send_signal(signal.SIGTERM)
        try:
            self.service.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.service.kill()
            self.service.wait()
            raise Failed("serve did not stop within a minute")
        if self.service.returncode != 0:
            raise Failed(f"serve stopped with {self.service.returncode}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.service is not None and self.service.poll() is None:
            self.service.terminate()
            try:
                self.service.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self.service.kill()

    def pid(self, process):
        for item in self.json("status", expect=(0, 3))["processes"]:
            if item["name"] == process:
                return item["pid"]
        raise Failed(f"no process {process}")

    def kill(self, process):
        """kill -9, and back when the supervisor has started it again and it works."""
        old = self.pid(process)
        os.kill(old, signal.SIGKILL)
        return old

    def wait_running(self, timeout_s=30, not_pids=()):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                items = self.json("status", expect=(0, 3))["processes"]
                if all(i["ready"] and i["pid"] not in not_pids for i in items):
                    return
            except Failed:
                pass
            time.sleep(0.2)
        raise Failed("not all processes came back")

    # ---- asking ----------------------------------------------------------------------------------
    def cli(self, *args, config=True, expect=(0,)):
        command = [str(self.binary), *map(str, args)]
        if config:
            command += ["--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in expect:
            raise Failed(f"callward {' '.join(map(str, args))}: exit {done.returncode}: {done.stderr.strip()}")
        return done

    def json(self, *args, expect=(0,)):
        return json.loads(self.cli(*args, "--json", expect=expect).stdout)

    def calls(self):
        listed = self.json("calls")
        return listed["calls"] if isinstance(listed, dict) else listed

    def account(self, call):
        return self.json("account", call)["intervals"]

    def sip_address(self):
        host, port = self.sip.split("sip:")[-1].split(";")[0].rsplit(":", 1)
        return host, int(port)

    def connect(self):
        url = urllib.parse.urlparse(self.https)
        context = ssl.create_default_context(cafile=str(self.folder / "tls/certificate.pem"))
        return http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=10)

    def ask(self, method, path, body=None, **headers):
        connection = self.connect()
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def entries(self, kind):
        """Published entries of this type, newest first."""
        token = (self.folder / "server/cli.token").read_text().strip()
        status, body = self.ask("GET", f"/v1/log/entries?type={kind}&limit=500", Authorization=f"Bearer {token}")
        if status != 200:
            raise Failed(f"the log's entries: {status} {body[:200]}")
        return [e["entry"] if "entry" in e else e for e in json.loads(body)["entries"]]

    def wait_entries(self, kind, count, timeout_s=10):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = self.entries(kind)
            if len(found) >= count:
                return found
            time.sleep(0.3)
        raise Failed(f"{len(self.entries(kind))} entries {kind}, not {count}")

    def wait_complete(self, calls, timeout_s):
        """Until listening and erasing are done."""
        deadline = time.monotonic() + timeout_s
        waiting = set(calls)
        while waiting and time.monotonic() < deadline:
            phases = {c["id"]: c["phase"] for c in self.calls()}
            waiting = {c for c in waiting if phases.get(c) != "complete"}
            if waiting:
                time.sleep(0.5)
        if waiting:
            raise Failed(f"{len(waiting)} calls not complete after {timeout_s} s: {sorted(waiting)[:3]}")
        for call in calls:
            self.wait_erased(call)

    def wait_erased(self, call, timeout_s=10):
        """Until what is ordered is gone: the last order may still be on its way when the call is complete."""
        deadline = time.monotonic() + timeout_s
        while any(i["reason"] == "erase_intended" for i in self.account(call)):
            if time.monotonic() > deadline:
                raise Failed(f"{call}: ordered and not erased after {timeout_s} s")
            time.sleep(0.1)


def check_account(intervals, streams=("customer", "agent")):
    """The account covers each stream's whole life once. Gives {stream: end_ms}; raises what is wrong."""
    ends = {}
    for stream in streams:
        mine = sorted((i for i in intervals if i["stream"] == stream), key=lambda i: i["start_ms"])
        if not mine:
            raise Failed(f"{stream}: no account at all")
        at = 0
        for item in mine:
            if item["start_ms"] != at:
                raise Failed(f"{stream}: account jumps from {at} to {item['start_ms']} ms")
            if item["end_ms"] <= item["start_ms"]:
                raise Failed(f"{stream}: empty interval at {at} ms")
            if item["state"] not in ("sealed", "unheard", "erased", "lost", "on_hold", "silent"):
                raise Failed(f"{stream}: state {item['state']} is none of ours")
            if item["state"] in ("erased", "lost") and not item["reason"]:
                raise Failed(f"{stream}: {item['state']} at {at} ms without a reason")
            at = item["end_ms"]
        ends[stream] = at
    return ends


def covered(intervals, stream, start_ms, end_ms, states):
    """Milliseconds of [start, end) of a stream that are in one of these states."""
    return sum(max(0, min(i["end_ms"], end_ms) - max(i["start_ms"], start_ms))
               for i in intervals if i["stream"] == stream and i["state"] in states)
