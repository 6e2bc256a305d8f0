"""What stands around the courier in its test: a supervisor and a keeper that speak our frames, a real SMTP server (aiosmtpd),
a gateway (http.server) that checks each signature itself. Only the courier is the product's."""
import dataclasses
import hashlib
import hmac
import http.server
import json
import logging
import os
import pathlib
import secrets
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))
sys.path.append("/usr/lib/python3/dist-packages")  # where Debian's python3-aiosmtpd lies, whatever Python runs this
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from installation import BINARY, Failed

warnings.filterwarnings("ignore", message="Requiring AUTH")  # by TLS from the first byte it does not see that it is
logging.getLogger("mail.log").disabled = True  # aiosmtpd's: handshakes that fail are what the cases are about

HELLO, WELCOME, ERROR = 100, 200, 299  # keys/keeper_protocol.hpp
DELIVERED, DELIVER, REMIND = 162, 262, 265  # keys/courier_protocol.hpp
HEARTBEAT, WHO_IS, CHILD_NAME = 510, 512, 612
SERVER, COURIER = 3, 6
EMAIL, SMS = 1, 2
OUTCOMES = {1: "taken", 2: "refused", 3: "given_up", 4: "no_channel"}
ERRORS = {0: "malformed", 5: "denied", 10: "full"}  # base/result.hpp
WAIT_S = 40


def expect(ok, text):
    if not ok:
        raise Failed(text)


def wait_for(what, condition, seconds=WAIT_S):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise Failed(f"waited {seconds} s for {what}")


# ---- frames ------------------------------------------------------------------------------------------------------------------------

def blob(raw):
    return struct.pack("<I", len(raw)) + raw


def frame(kind, body, number=0, reply=False):
    return struct.pack("<IHHI", len(body), kind, 1 if reply else 0, number) + body


def read_frame(sock):
    """(type, is a reply, id, body), or None at the end."""
    raw = b""
    while len(raw) < 12 or len(raw) < 12 + struct.unpack_from("<I", raw)[0]:
        missing = 12 - len(raw) if len(raw) < 12 else 12 + struct.unpack_from("<I", raw)[0] - len(raw)
        try:
            more = sock.recv(missing)
        except OSError:
            return None
        if not more:
            return None
        raw += more
    _, kind, flags, number = struct.unpack_from("<IHHI", raw)
    return kind, bool(flags & 1), number, raw[12:]


def new_message(channel=EMAIL, to="ann@example.com", subject="Your code", text="Your code is 918273.\n", seconds=60, number=None):
    return {"id": number or secrets.token_bytes(16), "channel": channel, "to": to, "subject": subject if channel == EMAIL else "", "text": text,
            "deadline": int((time.time() + seconds) * 1000)}


def pack_message(m):
    return m["id"] + bytes([m["channel"]]) + blob(m["to"].encode()) + blob(m["subject"].encode()) + blob(m["text"].encode()) + struct.pack("<q", m["deadline"])


def new_reminder(waits=2, to="eve@example.com", until=0, seconds=60, number=None):
    return {"id": number or secrets.token_bytes(16), "waits": waits, "to": to, "request": secrets.token_bytes(16), "until": until,
            "deadline": int((time.time() + seconds) * 1000)}


def pack_reminder(r):
    return r["id"] + bytes([r["waits"]]) + blob(r["to"].encode()) + r["request"] + struct.pack("<qq", r["until"], r["deadline"])


def unpack_delivered(body):
    size = struct.unpack_from("<I", body, 17)[0]
    return body[:16], OUTCOMES[body[16]], body[21:21 + size].decode()


class Listener:
    """A Unix socket, a thread a connection."""

    def __init__(self, path):
        self.path = str(path)
        self.peers = []
        self.listening = None

    def live(self):
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listening.bind(self.path)
        self.listening.listen(16)
        threading.Thread(target=self.accept, args=(self.listening,), daemon=True).start()

    def die(self):
        if self.listening is not None:
            self.listening.shutdown(socket.SHUT_RDWR)
            self.listening.close()
            self.listening = None
        for peer in self.peers:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.peers = []

    def accept(self, listening):
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            self.peers.append(peer)
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        while True:
            got = read_frame(peer)
            if got is None:
                return
            self.on_frame(peer, *got)


class Supervisor(Listener):
    """Says which child a process is: ours is whatever `we_are` says."""

    def __init__(self, path):
        super().__init__(path)
        self.we_are = "server"
        self.status = None

    def on_frame(self, peer, kind, _, number, body):
        if kind == WHO_IS:
            name = self.we_are if struct.unpack("<I", body)[0] == os.getpid() else ""
            peer.sendall(frame(CHILD_NAME, blob(name.encode()), number, True))
        elif kind == HEARTBEAT:
            size = struct.unpack_from("<I", body)[0]
            self.status = json.loads(body[4 + size + 4:])


class Keeper(Listener):
    def __init__(self, path):
        super().__init__(path)
        self.courier = None
        self.number = 0
        self.ends = {}    # id: (outcome, reason)
        self.answers = 0  # all that came, repeats too
        self.hellos = 0

    def on_frame(self, peer, kind, reply, number, body):
        if kind == HELLO:
            version, role = struct.unpack("<IB", body)
            expect((version, role) == (1, COURIER), f"a Hello of version {version}, role {role}")
            peer.sendall(frame(WELCOME, struct.pack("<I?", 1, True), number, True))
            self.courier = peer
            self.hellos += 1
        elif reply and kind == DELIVERED:
            who, outcome, reason = unpack_delivered(body)
            self.answers += 1
            self.ends[who] = (outcome, reason)

    def die(self):
        super().die()
        self.courier = None

    def ask(self, message):
        courier = wait_for("the courier to come", lambda: self.courier)
        self.number += 1
        courier.sendall(frame(DELIVER, pack_message(message), self.number))

    def end_of(self, message, seconds=WAIT_S):
        return wait_for("the outcome", lambda: self.ends.get(message["id"]), seconds)

    def deliver(self, message, seconds=WAIT_S):
        self.ask(message)
        return self.end_of(message, seconds)


class Client:
    """Who asks on run/courier.sock."""

    def __init__(self, folder):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(str(pathlib.Path(folder) / "run/courier.sock"))
        self.number = 0

    def call(self, kind, body):
        self.number += 1
        self.sock.sendall(frame(kind, body, self.number))
        got = read_frame(self.sock)
        if got is None:
            return None, b""
        expect(got[1] and got[2] == self.number, f"a reply to another request: {got}")
        return got[0], got[3]

    def hello(self, role=SERVER):
        kind, body = self.call(HELLO, struct.pack("<IB", 1, role))
        return "welcome" if kind == WELCOME else ERRORS.get(body[0], body[0]) if kind == ERROR else kind

    def deliver(self, message):
        return self.ended(message, *self.call(DELIVER, pack_message(message)))

    def remind(self, reminder):
        return self.ended(reminder, *self.call(REMIND, pack_reminder(reminder)))

    @staticmethod
    def ended(asked, kind, body):
        if kind == ERROR:
            return "error", ERRORS.get(body[0], body[0])
        who, outcome, reason = unpack_delivered(body)
        expect(who == asked["id"], "the outcome of another message")
        return outcome, reason

    def close(self):
        self.sock.close()


# ---- strangers' servers --------------------------------------------------------------------------------------------------------------

class Authority:
    """A certificate authority of our own, and one server's certificate: 127.0.0.1, localhost, this machine's name."""

    def __init__(self, folder, names=f"DNS:localhost,DNS:{socket.gethostname()},IP:127.0.0.1"):
        folder = pathlib.Path(folder)
        folder.mkdir(exist_ok=True)
        self.ca, self.key, self.certificate = folder / "ca.pem", folder / "server.key", folder / "server.pem"
        run = lambda *args: subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "ca.key", "-out", self.ca, "-days", "2",
            "-subj", "/CN=test authority", "-addext", "basicConstraints=critical,CA:TRUE")
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out", folder / "server.csr", "-subj", "/CN=server")
        (folder / "names").write_text(f"subjectAltName={names}\n")
        run("x509", "-req", "-in", folder / "server.csr", "-CA", self.ca, "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", folder / "names", "-out", self.certificate)

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclasses.dataclass
class Mail:
    sender: str
    recipients: list
    content: bytes
    hello: str
    tls: bool
    user: str


class MailServer:
    """aiosmtpd. `answers`: what the next mails get instead of 250, each once; `at_rcpt`: what each recipient gets; `tls`: by STARTTLS, `at_once`: from the first byte."""

    def __init__(self, port, tls=None, login=None, answers=(), at_rcpt=None, at_once=None):
        self.port, self.at_once, self.tls, self.login, self.at_rcpt = port, at_once, tls, login, at_rcpt
        self.answers = list(answers)
        self.mails, self.commands = [], []

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.commands.append("MAIL")
        envelope.mail_from = address
        return "250 fine"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.commands.append("RCPT")
        if self.at_rcpt:
            return self.at_rcpt
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        self.commands.append("DATA")
        if self.answers:
            return self.answers.pop(0)
        user = session.auth_data.decode() if session.authenticated else ""
        self.mails.append(Mail(envelope.mail_from, envelope.rcpt_tos, envelope.original_content, session.host_name,
                               server.transport.get_extra_info("ssl_object") is not None, user))
        return "250 taken"

    def authenticate(self, server, session, envelope, mechanism, data):
        good = (data.login, data.password) == self.login
        return AuthResult(success=good, handled=False, auth_data=data.login if good else None)

    def __enter__(self):
        options = {"hostname": "127.0.0.1", "port": self.port}
        smtp = {"ident": "test"}
        if self.at_once:  # smtps
            options["ssl_context"] = self.at_once
        if self.tls:
            smtp.update(tls_context=self.tls, require_starttls=True)
        if self.login:
            smtp.update(authenticator=self.authenticate, auth_required=True, auth_require_tls=bool(self.tls))
        self.controller = Controller(self, **options, **smtp)
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()


class Gateway:
    """The contract of docs/sms-gateway.md, from its text. `answers`: statuses of the next requests; then 202."""

    def __init__(self, key, tls=None, answers=()):
        self.key, self.answers = key, list(answers)
        self.taken, self.requests, self.bad = {}, [], []
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = gateway.judge(self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port

    def judge(self, path, headers, body):
        stamp = headers["Callward-Timestamp"]
        wanted = hmac.new(self.key, stamp.encode() + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, headers["Callward-Signature"]) or abs(int(stamp) / 1000 - time.time()) > 300:
            self.bad.append(body)
            return 401
        message = json.loads(body)
        self.requests.append((path, headers["Content-Type"], message))
        status = self.answers.pop(0) if self.answers else 202
        if status < 300:
            self.taken.setdefault(message["id"], message)
        return status

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


# ---- the courier ---------------------------------------------------------------------------------------------------------------------

class Place:
    """A folder with a configuration, supervisor and keeper; in it the real process."""

    def __init__(self, folder, **courier):
        self.folder = pathlib.Path(folder)
        for name in ("run", "courier"):
            (self.folder / name).mkdir(exist_ok=True)
        self.supervisor = Supervisor(self.folder / "run/supervisor.sock")
        self.keeper = Keeper(self.folder / "run/keeper.sock")
        self.log = self.folder / "courier.log"
        self.process = None
        lines = [f"{key} = {json.dumps(value) if not isinstance(value, bool) else str(value).lower()}" for key, value in courier.items()]
        (self.folder / "callward.toml").write_text("[courier]\n" + "\n".join(lines) + "\n")

    def secret(self, name, content):
        """As one exchanges a file: by another one under its name."""
        fresh = self.folder / "courier" / (name + ".new")
        fresh.write_bytes(content)
        fresh.chmod(0o600)
        fresh.rename(self.folder / "courier" / name)

    def start(self):
        with open(self.log, "ab") as log:
            # The allocator as the supervisor sets it.
            self.process = subprocess.Popen([BINARY, "process", "courier", "--config", self.folder / "callward.toml"], stderr=log,
                                            env={**os.environ, "LD_BIND_NOW": "1",
                                                 "GLIBC_TUNABLES": "glibc.malloc.perturb=90:glibc.malloc.tcache_count=0"})
        wait_for("the courier's socket", lambda: (self.folder / "run/courier.sock").exists() and self.status() is not None)

    def status(self):
        if self.process.poll() is not None:
            raise Failed(f"the courier ended with {self.process.returncode}: {self.log.read_text()[-500:]}")
        return self.supervisor.status

    def wait_status(self, wanted):
        return wait_for("the status", lambda: wanted(self.status()) and self.status())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.supervisor.status = None
        (self.folder / "run/courier.sock").unlink()

    def __enter__(self):
        self.supervisor.live()
        self.keeper.live()
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("the courier did not stop")
        self.keeper.die()
        self.supervisor.die()
        if kind is None:
            expect(code == 0, f"the courier stopped with {code}: {self.log.read_text()[-500:]}")
