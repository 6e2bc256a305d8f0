#!/usr/bin/env python3
"""Our log before other projects' tools: Tessera's fsck, the witness litewitness, torchwood's reader of receipts.

Each kind of damage must be refused by fsck (where it reads the file at all) and by `callward log verify`, which must name the
file. A witness signs a log that grows, and refuses a fork and a roll-back; what our client says of each is checked, and that
a witness which is away, slow or lying harms nothing.

    python3 tests/interop/log_test.py            needs tools/setup and the targets callward and log_maker of build/release
"""
import base64
import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools/demo"))
from installation import Installation  # noqa: E402

CALLWARD = ROOT / "build/release/callward"
MAKER = ROOT / "build/release/log_maker"
TOOLS = ROOT / "build/interop"
ORIGIN = "log.example/callward"
SEED = "11" * 32
LARGE = 65536 + 300  # tiles of levels 0 and 1 whole and partial, of level 2 partial
FSCK_SECONDS = 60
failures = []
counts = {"fsck accepted": 0, "fsck refused": 0, "verify refused": 0, "cosigned": 0, "witness refusals": 0, "receipts": 0}


def check(held, what):
    if not held:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)


def make_log(folder, size, seed=SEED, word="ports"):
    done = run(MAKER, folder, ORIGIN, seed, size, word)
    if done.returncode != 0:
        sys.exit(f"log_maker: {done.stderr}")


def fsck(folder):
    """Whether Tessera accepts the log: its exit code does not say so, its success line does. On a bad tile it may hang."""
    command = [TOOLS / "fsck", f"--storage_url=file://{folder}/", f"--public_key={folder}/public.key", "--ui=false", "-N=4",
               "--logtostderr"]
    try:
        done = run(*command, timeout=FSCK_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return "Successfully fsck'd log" in done.stderr


def verify(folder, *more):
    done = run(CALLWARD, "log", "verify", folder, "--json", *more)
    report = json.loads(done.stdout) if done.stdout.startswith("{") else {"findings": [done.stderr]}
    return done.returncode, report["findings"]


# ---- sizes and damage ----

def sizes(work):
    for size in (1, 255, 256, 257, LARGE):
        folder = work / f"size-{size}"
        make_log(folder, size)
        code, findings = verify(folder)
        check(code == 0, f"our verify refuses a log of {size}: {findings}")
        good = fsck(folder)
        check(good, f"Tessera's fsck refuses a log of {size}")
        counts["fsck accepted"] += good
    return work / f"size-{LARGE}", work / "size-257"


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def swap(path):
    """The first two entries of a bundle change places; all lengths stay right."""
    raw = path.read_bytes()
    first = struct.unpack(">H", raw[:2])[0] + 2
    second = struct.unpack(">H", raw[first:first + 2])[0] + 2
    path.write_bytes(raw[first:first + second] + raw[:first] + raw[first + second:])


def damage(folder, names):
    for name in names:
        acts = [("a flipped byte", flip), ("a cut end", cut), ("its absence", os.unlink)]
        if "entries" in name:
            acts.append(("two entries swapped", swap))
        for what, act in acts:
            path = folder / name
            whole = path.read_bytes()
            act(path)
            code, findings = verify(folder)
            journal = name.startswith("journal-")
            named = "journal" if journal else name
            check(code == 3 and any(named in line for line in findings), f"verify, {what} of {name}: {code} {findings[:2]}")
            counts["verify refused"] += code == 3
            if not journal:  # which is ours alone
                refused = not fsck(folder)
                check(refused, f"Tessera's fsck accepts {what} of {name}")
                counts["fsck refused"] += refused
            path.write_bytes(whole)
    check(verify(folder)[0] == 0 and fsck(folder), "the log is not whole again after all damage was undone")


# ---- receipts ----

def receipts(work, folder):
    key = folder / "public.key"
    for index in (0, 255, 256, 65535, 65536, LARGE - 1):
        out = work / f"entry-{index}.tlog-proof"
        done = run(CALLWARD, "log", "receipt", index, "--dir", folder, "--out", out)
        check(done.returncode == 0, f"receipt {index}: {done.stderr}")
        done = run(CALLWARD, "log", "check-receipt", out, "--key", key)
        check(done.returncode == 0 and "good" in done.stdout, f"check-receipt {index}: {done.stderr}")
        done = run(TOOLS / "check_receipt", key, out)
        check(done.returncode == 0, f"torchwood refuses receipt {index}: {done.stderr}")
        whole = out.read_text()
        lines = whole.split("\n")
        for kind, text in {
            "another index": whole.replace(f"index {index}\n", f"index {index ^ 1}\n"),
            "another entry": whole.replace(lines[1], "extra " + base64.b64encode(b"{}").decode()),
            "a hash of the proof gone": whole.replace(lines[3] + "\n", "", 1),
            "another tree size": whole.replace(f"\n{LARGE}\n", f"\n{LARGE + 1}\n"),
        }.items():
            check(text != whole, f"no {kind} in the receipt")
            out.write_text(text)
            check(run(CALLWARD, "log", "check-receipt", out, "--key", key).returncode == 3, f"check-receipt takes {kind}")
            check(run(TOOLS / "check_receipt", key, out).returncode == 1, f"torchwood takes {kind}")
        counts["receipts"] += 1
    check(run(CALLWARD, "log", "receipt", LARGE, "--dir", folder, "--out", work / "x").returncode == 1,
          "a receipt for an entry that is not there")


# ---- exports ----

def exports(work):
    log, key = work / "growing", work / "growing/public.key"
    files = []
    for size in (10, 300, 70000):
        make_log(log, size)
        files.append(work / f"export-{size}")
        since = ["--since", files[-2]] if len(files) > 1 else []
        done = run(CALLWARD, "log", "export", "--dir", log, "--out", files[-1], *since)
        check(done.returncode == 0, f"export of {size}: {done.stderr}")
    done = run(CALLWARD, "log", "check-export", *files, "--key", key)
    check(done.returncode == 0, f"check-export: {done.stdout}{done.stderr}")
    check(run(CALLWARD, "log", "check-export", files[1], files[0], "--key", key).returncode == 3, "check-export takes a roll-back")
    anew = work / "anew"
    make_log(anew, 300, word="rewritten")
    run(CALLWARD, "log", "export", "--dir", anew, "--out", work / "export-anew")
    check(run(CALLWARD, "log", "check-export", files[1], work / "export-anew", "--key", key).returncode == 3,
          "check-export takes a log that was written anew")
    done = run(CALLWARD, "log", "check-export", files[0], "--key", key)
    check(done.returncode == 0 and "rewritten" not in done.stdout and "older" in done.stdout, f"one file has nothing to be compared with: {done.stdout}")
    done = run(CALLWARD, "log", "export", "--dir", anew, "--since", files[0], "--out", work / "export-never")
    check(done.returncode == 3 and not (work / "export-never").exists(), "an export that continues what it does not")


# ---- what must not pass for a check ----

def wrong_use(work):
    """A quorum of nobody, or of one key that is named twice, checks nothing: exit code 2. Rules over what nobody signed: 3."""
    log = work / "wrong-use"
    make_log(log, 300)
    key, receipt, export = log / "public.key", work / "wrong-use.tlog-proof", work / "wrong-use.export"
    run(CALLWARD, "log", "receipt", 5, "--dir", log, "--out", receipt)
    run(CALLWARD, "log", "export", "--dir", log, "--out", export)
    one = witness_key(work, "witness.example/one", b"\x07" * 32)
    same = witness_key(work, "witness.example/same", b"\x07" * 32)
    for command in (["check-receipt", receipt], ["check-export", export], ["verify", log]):
        for more in (["--witness-quorum", 1], ["--witness-quorum", 3], ["--witness-key", one, "--witness-quorum", 2],
                     ["--witness-key", one, "--witness-key", one], ["--witness-key", one, "--witness-key", same, "--witness-quorum", 2]):
            done = run(CALLWARD, "log", *command, "--key", key, *more)
            check(done.returncode == 2, f"{command[0]} with {more[::2]}: {done.returncode} {done.stdout}{done.stderr}")
        check(run(CALLWARD, "log", *command, "--key", key).returncode == 0, f"{command[0]} with the log's key alone")
    done = run(CALLWARD, "log", "check", log, "--key", key)
    check(done.returncode == 0, f"log check: {done.stdout}{done.stderr}")
    bundle = log / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b"ports", b"parts", 1))
    done = run(CALLWARD, "log", "check", log, "--key", key)
    check(done.returncode == 3 and "kept" not in done.stdout, f"log check of a changed word: {done.returncode} {done.stdout}")


# ---- witnesses ----

def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.05)
    sys.exit("litewitness does not come up")


def witness_key(work, name, public):
    """A verifier key of tlog-cosignature: algorithm 4."""
    tagged = b"\x04" + public
    digest = hashlib.sha256(name.encode() + b"\n" + tagged).hexdigest()[:8]
    return f"{name}+{digest}+{base64.b64encode(tagged).decode()}"


@contextlib.contextmanager
def litewitness(work, name, log_key, origin=ORIGIN):
    """The real one, with its key in an ssh-agent; it knows our log and nothing of it."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="cw-w-"))
    processes = []
    try:
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "key")
        agent = home / "a"
        processes.append(subprocess.Popen(["ssh-agent", "-D", "-a", agent], stdout=subprocess.DEVNULL))
        wait_for(agent.exists)
        run("ssh-add", home / "key", env={**os.environ, "SSH_AUTH_SOCK": str(agent)})
        fingerprint = run("ssh-keygen", "-l", "-f", home / "key.pub").stdout.split()[1]
        database = sqlite3.connect(home / "db")
        database.executescript("CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL);"
                               "CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));")
        empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
        database.execute("INSERT INTO log VALUES (?, 0, ?)", (origin, empty))
        database.execute("INSERT INTO key VALUES (?, ?)", (origin, log_key))
        database.commit()
        database.close()
        port = free_port()
        processes.append(subprocess.Popen(
            [TOOLS / "litewitness", "-name", name, "-db", home / "db", "-ssh-agent", agent, "-key", fingerprint,
             "-listen", f"127.0.0.1:{port}"], stderr=open(home / "err", "w"), cwd=home))

        def listens():
            with socket.socket() as one:
                return one.connect_ex(("127.0.0.1", port)) == 0
        wait_for(listens)
        blob = base64.b64decode((home / "key.pub").read_text().split()[1])
        yield f"http://127.0.0.1:{port}", witness_key(work, name, blob[-32:])
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def false_witness(act):
    """One that answers as `act` says: (status, body, seconds to wait)."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer, wait = act(body)
            time.sleep(wait)
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def config_of(work, folder, witnesses, quorum=1):
    path = work / "callward.toml"
    items = ", ".join(f'{{ url = "{url}", key = "{key}" }}' for url, key in witnesses)
    path.write_text(f'[log]\ndir = "{folder}"\norigin = "{ORIGIN}"\nwitnesses = [{items}]\nwitness_quorum = {quorum}\n')
    return path


def ask(config, folder, *more):
    """Our client once, as the server's carrier runs it. (exit code, {witness: (state, alarm)})"""
    done = run(CALLWARD, "log", "witness", "--config", config, "--dir", folder, "--json", *more)
    said = json.loads(done.stdout) if done.stdout.startswith("{") else {"witnesses": []}
    return done.returncode, {one["name"]: (one["state"], one["alarm"]) for one in said["witnesses"]}


def witnesses(work):
    log, fork, short = work / "witnessed", work / "fork", work / "short"
    make_log(log, 1)
    log_key = (log / "public.key").read_text().strip()
    name = "witness.example/one"
    with litewitness(work, name, log_key) as (url, key):
        config = config_of(work, log, [(url, key)])
        for size in (1, 2, 255, 256, 257, 1000, 70000):
            make_log(log, size)
            code, states = ask(config, log, "--out", work / "cosigned")
            check(code == 0 and states == {name: ("good", False)}, f"litewitness on a log of {size}: {code} {states}")
            (log / "witness").mkdir(exist_ok=True)
            shutil.copy(work / "cosigned", log / "witness/checkpoint")
            code, findings = verify(log, "--witness-key", key)
            check(code == 0, f"verify with the witness's key at {size}: {findings}")
            counts["cosigned"] += code == 0
        check(ask(config, log)[0] == 0, "the same size again")
        receipt = work / "witnessed.tlog-proof"
        run(CALLWARD, "log", "receipt", 7, "--dir", log, "--out", receipt)
        done = run(CALLWARD, "log", "check-receipt", receipt, "--key", log / "public.key", "--witness-key", key)
        check(done.returncode == 0 and name in done.stdout, f"a witnessed receipt: {done.stderr}")
        done = run(TOOLS / "check_receipt", log / "public.key", receipt, key)
        check(done.returncode == 0, f"torchwood on a witnessed receipt: {done.stderr}")
        check(fsck(log), "fsck of a log that has a witness's folder beside its tiles")
        # A cosigned checkpoint is a checkpoint: strangers' tools read it in its place.
        shutil.copy(log / "checkpoint", work / "aside")
        shutil.copy(work / "cosigned", log / "checkpoint")
        check(fsck(log), "fsck of a log whose checkpoint carries a cosignature")
        shutil.copy(work / "aside", log / "checkpoint")

        make_log(fork, 70000, word="rewritten")  # the same size, other entries
        code, states = ask(config, fork)
        check(code == 3 and states == {name: ("fork", True)}, f"a fork of the same size: {code} {states}")
        counts["witness refusals"] += code == 3
        make_log(fork, 70100, word="rewritten")
        code, states = ask(config, fork)
        check(code == 3 and states == {name: ("fork", True)}, f"a longer fork: {code} {states}")
        counts["witness refusals"] += code == 3
        make_log(short, 500)
        code, states = ask(config, short)
        check(code == 3 and states == {name: ("rollback", True)}, f"a roll-back: {code} {states}")
        counts["witness refusals"] += code == 3
        make_log(work / "stranger", 10, seed="22" * 32)
        code, states = ask(config, work / "stranger")
        check(code == 1 and states[name][0] == "unknown_log", f"a log under another key: {code} {states}")
        check(ask(config, log)[0] == 0, "after all refusals the log itself is signed")

        # One that is away, one that is slow, two that lie; the good one's signature is had all the same.
        other = witness_key(work, "witness.example/other", b"\x07" * 32)
        line = f"— witness.example/other {base64.b64encode(bytes(76)).decode()}\n".encode()
        with false_witness(lambda _: (200, line, 0)) as lying, false_witness(lambda _: (200, b"x" * 10**6, 0)) as endless, \
                false_witness(lambda _: (200, b"", 30)) as slow:
            names = iter(["away", "slow", "lies", "endless"])
            strange = [(where, witness_key(work, f"witness.example/{next(names)}", bytes([9 + i]) * 32))
                       for i, where in enumerate((f"http://127.0.0.1:{free_port()}", slow, lying, endless))]
            strange[2] = (lying, other)
            began = time.monotonic()
            code, states = ask(config_of(work, log, [(url, key), *strange]), log, "--out", work / "cosigned")
            took = time.monotonic() - began
            check(states.get(name) == ("good", False), f"the good one among bad ones: {states}")
            check(states.get("witness.example/away") == ("away", False), f"one that is away: {states}")
            check(states.get("witness.example/slow") == ("away", False), f"one that is slow: {states}")
            check(states.get("witness.example/other") == ("lies", True), f"one that lies: {states}")
            check(states.get("witness.example/endless") == ("lies", True), f"one that sends without end: {states}")
            check(took < 25, f"a slow witness held us for {took:.0f} s")
            shutil.copy(work / "cosigned", log / "witness/checkpoint")
            check(verify(log, "--witness-key", key)[0] == 0, "what was had among bad ones")
            check("witness.example/other" not in (work / "cosigned").read_text(), "a lie was passed on")


# ---- the service with a witness ----

def until(what, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.3)
    return False


def served(work):
    """The whole service, with litewitness and one that lies: signed while it grows, an alarm that is shown, and a log that
    Tessera, our verify and our rules accept while it runs."""
    name, liar = "witness.example/one", "witness.example/liar"
    with Installation(work / "served") as place:
        place.init()
        log = place.folder / "log"
        log_key = (log / "public.key").read_text().strip()
        origin = log_key.split("+")[0]
        forged = f"— {liar} {base64.b64encode(bytes(76)).decode()}\n".encode()
        with litewitness(work, name, log_key, origin) as (url, key), false_witness(lambda _: (200, forged, 0)) as lying:
            entries = ", ".join(f'{{ url = "{u}", key = "{k}" }}' for u, k in ((url, key), (lying, witness_key(work, liar, b"\x07" * 32))))
            text = place.config.read_text()
            place.config.write_text(text.replace("[log]\n", f"[log]\nwitnesses = [{entries}]\nwitness_every_s = 1\n"))
            place.configure(sip={"port": 0}, server={"port": 0})
            place.serve()

            def state():
                return next(p["status"]["witnesses"] for p in place.json("status", expect=(0, 3))["processes"] if p["name"] == "server")

            def size():
                return int((log / "checkpoint").read_text().split("\n")[1])
            check(until(lambda: state()["size"] > 0), f"the service's log is witnessed: {state()}")
            before = state()["size"]
            status, _ = place.ask("POST", "/v1/session", json.dumps({"name": "owner", "passphrase": place.passphrase}),
                                  Content_Type="application/json", X_Callward="1")
            check(status == 201, f"signing in makes an entry: {status}")
            check(until(lambda: state()["size"] > before and state()["size"] == size()), f"a log that grows is witnessed: {state()}")
            by_name = {one["name"]: one for one in state()["list"]}
            check(by_name[name]["state"] == "good" and not by_name[name]["alarm"], f"the good witness: {by_name}")
            check(by_name[liar]["state"] == "lies" and by_name[liar]["alarm"] and state()["alarms"] == 1, f"the liar: {by_name}")
            shown = place.cli("status", expect=(0, 3)).stdout
            check(f"ALARM: witness {liar}" in shown, "status tells of the alarm")
            check(verify(log, "--witness-key", key)[0] == 0, "verify with the witness's key while it runs")
            check(fsck(log), "Tessera's fsck while it runs")
            check(place.cli("log", "check", expect=(0, 3)).returncode == 0, "log check while it runs")
            counts["cosigned"] += 1
            place.stop()


def main():
    for needed in (CALLWARD, MAKER, TOOLS / "fsck", TOOLS / "litewitness", TOOLS / "check_receipt"):
        if not needed.exists():
            sys.exit(f"{needed.relative_to(ROOT)} is missing: tools/setup; ninja -C build/release callward log_maker")
    work = pathlib.Path(tempfile.mkdtemp(prefix="cw-interop-"))
    began = time.monotonic()
    try:
        large, small = sizes(work)
        receipts(work, large)
        exports(work)
        wrong_use(work)
        witnesses(work)
        served(work)
        damage(large, ["checkpoint", "tile/0/000", "tile/0/257.p/44", "tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1",
                       "tile/entries/000", "tile/entries/257.p/44"])
        damage(small, [next(small.glob("journal-*")).name])
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(", ".join(f"{what} {count}" for what, count in counts.items()) + f"; {time.monotonic() - began:.0f} s")
    if failures:
        sys.exit(f"{len(failures)} failed")


if __name__ == "__main__":
    main()
