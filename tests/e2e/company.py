"""A company against the real service: people of every role with passkeys of software, what they type sealed as a browser
seals it, disclosures step by step. Nothing of it is the product's code: it is written from docs/formats, docs/integrators.md and
the RFCs, so that what it agrees with is what stands there. Needs build/e2e-venv (tools/setup)."""
import base64
import hashlib
import hmac
import http.client
import json
import pathlib
import secrets
import ssl
import struct
import sys
import threading
import time
import urllib.parse

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))
from installation import Failed, Installation, free_port

HOST, ORIGIN = "localhost", "https://localhost:8443"  # of server.origin
ROLES = ("agent", "technician", "expert", "authorised", "supervisor", "reviewer", "owner", "administrator", "auditor")
BEFORE_THE_KEY = ("agent", "technician")  # every other role comes after the passkey
CODE_STEP_S = 30
CONCERN = "The customer rings from a hospital and needs what we keep at once"
SENTENCE = "Somebody's life is at stake and nobody answers there"


def expect(ok, text):
    if not ok:
        raise Failed(text)


def b64(raw):
    return base64.b64encode(raw).decode()


def b64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def canonical(value):
    """RFC 8785, for what has no fractions."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# ---- HPKE, base mode: X25519, HKDF-SHA256, AES-256-GCM (RFC 9180) -----------------------------------------------------------------

KEM, SUITE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"


def extract(suite, salt, label, secret):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")


def expand(suite, key, label, info, length):
    info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    out = b""
    for counter in range(1, -(-length // 32) + 1):
        out += hmac.digest(key, (out[-32:] if out else b"") + info + bytes([counter]), "sha256")
    return out[:length]


def schedule(shared, context, info):
    """The cipher and its first nonce, after the exchange."""
    secret = expand(KEM, extract(KEM, b"", b"eae_prk", shared), b"shared_secret", context, 32)
    about = b"\x00" + extract(SUITE, b"", b"psk_id_hash", b"") + extract(SUITE, b"", b"info_hash", info)
    key = extract(SUITE, secret, b"secret", b"")
    return AESGCM(expand(SUITE, key, b"key", about, 32)), expand(SUITE, key, b"base_nonce", about, 12)


def raw_public(key):
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def hpke_seal(public, info, aad, plain):
    once = X25519PrivateKey.generate()
    enc = raw_public(once)
    cipher, nonce = schedule(once.exchange(X25519PublicKey.from_public_bytes(public)), enc + public, info)
    return enc, cipher.encrypt(nonce, plain, aad)


def hpke_open(secret, enc, info, aad, sealed):
    cipher, nonce = schedule(secret.exchange(X25519PublicKey.from_public_bytes(enc)), enc + raw_public(secret), info)
    try:
        return cipher.decrypt(nonce, sealed, aad)
    except InvalidTag as error:
        raise Failed("what was sealed to the reader does not open") from error


# ---- passkeys ----------------------------------------------------------------------------------------------------------------------

class Passkey:
    """An authenticator that always finds its person present and verified (WebAuthn, ES256)."""

    def __init__(self):
        self.id, self.key, self.count = secrets.token_bytes(32), ec.generate_private_key(ec.SECP256R1()), 0

    def data(self, flags):
        self.count += 1
        return sha256(HOST.encode()) + bytes([flags]) + struct.pack(">I", self.count)

    @staticmethod
    def client_data(kind, challenge):
        return json.dumps({"type": kind, "challenge": b64url(challenge), "origin": ORIGIN, "crossOrigin": False})

    def create(self, challenge):
        point = self.key.public_key().public_numbers()
        cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + point.x.to_bytes(32, "big") + b"\x22\x58\x20" + point.y.to_bytes(32, "big")
        data = self.data(0x45) + bytes(16) + struct.pack(">H", len(self.id)) + self.id + cose
        return {"client_data": self.client_data("webauthn.create", challenge), "authenticator_data": data.hex()}

    def sign(self, person, challenge):
        data, said = self.data(0x05), self.client_data("webauthn.get", challenge)
        signature = self.key.sign(data + sha256(said.encode()), ec.ECDSA(hashes.SHA256()))
        return {"person": person, "passkey": self.id.hex(), "client_data": said, "authenticator_data": data.hex(), "signature": signature.hex()}


class Invitation:
    """What the owner's browser makes for a link, and who is invited answers with (docs/formats/chart.md)."""

    def __init__(self):
        secret = secrets.token_bytes(32)
        self.key = Ed25519PrivateKey.from_private_bytes(sha256(b"CWS1 invitation key", secret))
        self.public = raw_public(self.key)
        self.invite = sha256(b"CWS1 invitation", self.public)
        self.token = sha256(b"CWS1 invitation link", secret).hex()

    def answer(self, person, passkey):
        point = passkey.key.public_key().public_numbers()
        raw = point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
        said = sha256(b"CWS1 first key", bytes.fromhex(person), self.invite, struct.pack("<iH", -7, len(passkey.id)), passkey.id, raw)
        return (self.public + self.key.sign(said)).hex()


def one_time_code(secret, ahead=0):
    """RFC 6238; `secret` in base32."""
    step = struct.pack(">Q", int(time.time()) // CODE_STEP_S + ahead)
    mac = hmac.digest(base64.b32decode(secret + "=" * (-len(secret) % 8)), step, "sha1")
    at = mac[-1] & 15
    return f"{(struct.unpack_from('>I', mac, at)[0] & 0x7FFFFFFF) % 1_000_000:06d}"


class Person:
    def __init__(self, name, role):
        self.name, self.role, self.id = name, role, None
        self.passphrase = f"seven tall chimneys of {name} {secrets.token_hex(4)}"
        self.passkey = Passkey()
        self.reader, self.cookie = None, None


# ---- the service -------------------------------------------------------------------------------------------------------------------

class Answer:
    """`status` 0: none came."""

    def __init__(self, status, raw=b"", headers=None):
        self.status, self.raw, self.headers = status, raw, headers or {}

    @property
    def json(self):
        return json.loads(self.raw) if self.raw else None

    def must(self, *statuses):
        expect(self.status in statuses, f"answered {self.status}, not {statuses}: {self.raw[:300]!r}")
        return self.json


class Wire:
    """HTTPS, a connection a thread."""

    def __init__(self, place, timeout_s=20):
        self.place, self.timeout_s, self.mine = place, timeout_s, threading.local()
        self.tls = ssl.create_default_context(cafile=str(place.folder / "tls/certificate.pem"))

    def send(self, method, path, body=None, headers=None):
        given = {"Content-Type": "application/json", **(headers or {})} if body is not None else dict(headers or {})
        if method != "GET":
            given.setdefault("X-Callward", "1")
        return self.send_raw(method, path, None if body is None else json.dumps(body).encode(), given)

    def send_raw(self, method, path, raw, given):
        reused = getattr(self.mine, "connection", None) is not None
        try:
            return self.once(method, path, raw, given)
        except (ConnectionError, http.client.BadStatusLine, ssl.SSLEOFError):
            self.drop()
            if not reused:
                return Answer(0)
        except (OSError, http.client.HTTPException):
            self.drop()
            return Answer(0)
        try:  # it was closed while nobody used it
            return self.once(method, path, raw, given)
        except (OSError, http.client.HTTPException):
            self.drop()
            return Answer(0)

    def once(self, method, path, raw, headers):
        if getattr(self.mine, "connection", None) is None:
            url = urllib.parse.urlparse(self.place.https)
            self.mine.connection = http.client.HTTPSConnection(url.hostname, url.port, context=self.tls, timeout=self.timeout_s)
        self.mine.connection.request(method, path, raw, headers)
        answer = self.mine.connection.getresponse()
        return Answer(answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()})

    def drop(self):
        if getattr(self.mine, "connection", None) is not None:
            self.mine.connection.close()
            self.mine.connection = None


class Company:
    def __init__(self, place):
        self.place, self.wire = place, Wire(place)
        self.people, self.owner, self.second = {}, None, None
        self.key, self.key_lock = None, threading.Lock()

    # ---- asking
    def ask(self, who, method, path, body=None, **headers):
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        if who is not None:
            given["Cookie"] = f"__Host-callward={who.cookie}"
        return self.wire.send(method, path, body, given)

    def operator(self, method, path, body=None):
        token = (self.place.folder / "server/cli.token").read_text().strip()
        return self.wire.send(method, path, body, {"Authorization": f"Bearer {token}"})

    # ---- enrolling
    def enrol(self, who, token, invitation=None):
        begun = self.ask(None, "POST", "/v1/enrolments/begin", {"token": token}).must(200)
        who.id = begun["person"]
        expect(begun["party"] == HOST, f"passkeys for {begun['party']}")
        made = who.passkey.create(bytes.fromhex(begun["challenge"]))
        if invitation is not None:
            made = {**made, "invitation": invitation.answer(who.id, who.passkey)}
        given = self.ask(None, "POST", "/v1/enrolments/passkey", {"token": token, "passphrase": who.passphrase, **made}).must(202)
        change = given["change"]
        expect(sha256(b"CWS1 chart", canonical(change)).hex() == given["challenge"], "the challenge is the change's hash")
        signed = who.passkey.sign(who.id, bytes.fromhex(given["challenge"]))
        self.ask(None, "POST", "/v1/enrolments/finish", {"token": token, "signature": signed}).must(201)

    def passphrase(self, who):
        return self.ask(None, "POST", "/v1/session", {"name": who.name, "passphrase": who.passphrase}).must(202)

    @staticmethod
    def cookie_of(answer):
        answer.must(201)
        return answer.headers["set-cookie"].split(";")[0].split("=", 1)[1]

    def sign_in(self, who):
        half = self.passphrase(who)
        reader = X25519PrivateKey.generate()
        public, at = raw_public(reader), half["at"]
        challenge = sha256(b"CWS1 reader", bytes.fromhex(who.id), public, struct.pack("<q", at))
        who.cookie = self.cookie_of(self.ask(None, "POST", "/v1/session/passkey", {
            "ticket": half["ticket"], "reader_key": public.hex(), "at": at, "signature": who.passkey.sign(who.id, challenge)}))
        who.reader = reader
        return who

    def own_act(self, who, act, about=b""):
        """The passkey's word on something of one's own; `about`: of what, where that is not the person alone."""
        asked = self.ask(who, "POST", "/v1/own/confirmation", {"act": act}).must(201)
        return who.passkey.sign(who.id, sha256(b"CWS1 own act " + act.encode() + b"\0", bytes.fromhex(who.id), bytes.fromhex(asked["nonce"]), about))

    def code_session(self, who):
        """Another session of theirs, by a one-time code: as a person of its own."""
        secret = self.ask(who, "POST", "/v1/own/code", {"signature": self.own_act(who, "codes")}).must(201)["secret"]
        self.ask(who, "POST", "/v1/own/code/confirmation", {"code": one_time_code(secret)}).must(204)
        half = self.passphrase(who)
        other = Person(who.name, who.role)
        other.id = who.id
        other.cookie = self.cookie_of(self.ask(None, "POST", "/v1/session/code", {"ticket": half["ticket"], "code": one_time_code(secret, 1)}))
        return other

    # ---- the role chart
    def sign_draft(self, who, draft):
        expect(sha256(b"CWS1 chart", canonical(draft["change"])).hex() == draft["challenge"], "the challenge is the change's hash")
        signed = who.passkey.sign(who.id, bytes.fromhex(draft["challenge"]))
        return self.ask(who, "POST", f"/v1/chart/drafts/{draft['draft']}/signature", {"signature": signed})

    def change(self, body, second=None):
        """Drafted and signed by the owner, then by a second person where it takes two."""
        draft = self.ask(self.owner, "POST", "/v1/chart/drafts", body).must(201)
        taken = self.sign_draft(self.owner, draft)
        if draft["takes_two"]:
            taken.must(202)
            taken = self.sign_draft(second or self.second, draft)
        return taken.must(200)

    def give(self, who, *roles, extension=""):
        return self.change({"kind": "person", "person": who.id, "roles": list(roles), "answers_to": self.owner.id, "extension": extension})

    def found(self, name):
        link = self.place.json("user", "found")["enrolment"]
        self.owner = Person(name, "owner")
        self.enrol(self.owner, link.split("#")[1])
        self.people[name] = self.sign_in(self.owner)
        return self.owner

    def join(self, name, role):
        """Named, invited, enrolled, given the role, signed in. All but agent and technician are given once there is a passkey."""
        who = Person(name, role)
        who.id = self.ask(self.owner, "POST", "/v1/people", {"name": name, "roles": []}).must(201)["person"]
        self.give(who, *(role,) if role in BEFORE_THE_KEY else ())
        link = Invitation()
        self.change({"kind": "invited", "person": who.id, "invite": link.invite.hex(), "link": sha256(link.token.encode()).hex()})
        self.enrol(who, link.token, link)
        if role not in BEFORE_THE_KEY:
            self.give(who, role)
        self.people[name] = self.sign_in(who)
        return who

    def of_role(self, role):
        return next(p for p in self.people.values() if p.role == role)

    # ---- customers
    def intake_key(self, who, fresh=False):
        with self.key_lock:
            if self.key is None or fresh:
                answer = self.ask(who, "GET", "/v1/intake-key")
                if answer.status != 200:
                    return None
                self.key = answer.json
            return self.key

    def seal(self, key, plain, purpose, *about):
        aad = "|".join(["callward intake " + purpose, *map(str, about)]).encode()
        enc, sealed = hpke_seal(base64.b64decode(key["public_key"]), b"callward intake v1", aad, plain)
        return {"key": key["key"], "enc": b64(enc), "ciphertext": b64(sealed)}

    def intake_body(self, key, values, **more):
        intake = secrets.token_hex(16)
        fields = [{"field": f, "value": self.seal(key, v.encode(), "field", intake, f)} for f, v in values.items()]
        return {"intake": intake, "fields": fields, **more}

    def store(self, who, values, **more):
        return self.ask(who, "POST", "/v1/intakes", self.intake_body(self.intake_key(who), values, **more))

    def look_up(self, who, field, value):
        sealed = self.seal(self.intake_key(who), value.encode(), "find", who.id, field)
        return self.ask(who, "POST", "/v1/lookups", {"field": field, "value": sealed})

    def open_query(self, who, customer, case):
        answer = self.ask(who, "POST", f"/v1/customers/{customer}/cases/{case}/query-openings", {"reader_key": b64(raw_public(who.reader))})
        if answer.status != 201:
            return answer, None
        value = answer.json
        aad = bytes.fromhex(customer) + struct.pack("<II", case, value["leaf"])
        return answer, self.opened(who, value, aad)

    @staticmethod
    def opened(who, value, aad):
        return hpke_open(who.reader, base64.b64decode(value["enc"]), b"callward reader v1", aad, base64.b64decode(value["sealed"]))

    # ---- disclosure
    def step(self, who, draft, words=None):
        """Drafted, signed, put. The answer of the first of the two that fails, or the last."""
        said = None
        if words is not None:
            said = secrets.token_bytes(16) + words.encode()
            draft = {**draft, "words": sha256(said).hex()}
        drafted = self.ask(who, "POST", "/v1/request-drafts", draft)
        if drafted.status != 200:
            return drafted
        text = drafted.json["step"]
        step = json.loads(text)
        expect(canonical(step) == text.encode(), "a draft is canonical JSON")
        body = {"step": text, "signature": json.dumps(who.passkey.sign(who.id, sha256(b"CWS1 step", text.encode())))}
        if said is not None:
            key = self.intake_key(who)
            if key is None:
                return Answer(0)
            body["words"] = self.seal(key, said, "words", step["request"], step["number"])
        return self.ask(who, "POST", "/v1/request-steps", body)

    def request(self, who, customer, case, leaves, words=CONCERN):
        return self.step(who, {"kind": "ask", "customer": customer, "case": case, "category": "billing", "fields": sorted(leaves)}, words)

    def wait_shown(self, who, request, seconds=20):
        """Copies of the log are about a second behind it."""
        deadline = time.monotonic() + seconds
        while self.ask(who, "GET", f"/v1/requests/{request}").status != 200:
            expect(time.monotonic() < deadline, f"request {request} is not shown after {seconds} s")
            time.sleep(0.05)

    def break_glass(self, request, leaves, window_ms=0, by=None):
        """Two authorised persons; then it is open."""
        for who in by or [p for p in self.people.values() if p.role == "authorised"][:2]:
            self.wait_shown(who, request)
            draft = {"request": request, "kind": "break", "fields": sorted(leaves), "window_ms": window_ms}
            self.step(who, draft, SENTENCE).must(201)

    def judge(self, who, request, seconds=60):
        """Reads the concern and hears the call-back, once the listener has let it: who releases has."""
        key = b64(raw_public(who.reader))
        self.ask(who, "POST", f"/v1/requests/{request}/words/1/openings", {"reader_key": key}).must(201)
        call = self.ask(who, "GET", f"/v1/requests/{request}").must(200)["running"]["call"]
        asked = {"kinds": ["audio"], "stream": 0, "start_ms": 0, "end_ms": 60_000, "reader_key": key, "purpose": "play", "reason": "before a release"}
        deadline = time.monotonic() + seconds
        while True:
            answer = self.ask(who, "POST", f"/v1/calls/{call}/openings", asked)
            given = [one for one in answer.json["records"] if one["state"] == "given"] if answer.status == 201 else []
            if sum(one["last"] + 1 - one["first"] for one in given) >= 300:  # as much as a call-back needs at all
                return
            expect(time.monotonic() < deadline, f"the call-back is not heard after {seconds} s: {answer.status} {answer.raw[:300]}")
            time.sleep(0.5)

    def view(self, who, request, leaf):
        """The answer, and of a view that was given what it says: (number of the step, value)."""
        answer = self.step(who, {"request": request, "kind": "view", "fields": [leaf], "reader_key": raw_public(who.reader).hex()})
        if answer.status != 201:
            return answer, None
        given = answer.json
        aad = bytes.fromhex(request) + struct.pack("<II", given["number"], leaf)
        return answer, (given["number"], self.opened(who, given["value"], aad))


# ---- beginning --------------------------------------------------------------------------------------------------------------------

def settled(folder, policy=None, **sections):
    """An installation with fixed ports, not started."""
    place = Installation(folder)
    place.init(owner="olga")
    first = 36_000
    place.configure(**{**sections, "sip": {"port": 0, **sections.get("sip", {})},
                       "server": {"port": free_port(), "origin": ORIGIN, **sections.get("server", {})},
                       "recorder": {"rtp_port_first": first, "rtp_port_last": first + 99, **sections.get("recorder", {})}})
    if policy:
        (place.folder / "policy.toml").write_text(policy)
    return place


STAFF = (("sue", "supervisor"), ("agnes", "agent"), ("tom", "technician"), ("eve", "expert"), ("anna", "authorised"), ("abe", "authorised"),
         ("rita", "reviewer"), ("adam", "administrator"), ("audra", "auditor"))


def staffed(place, staff=STAFF):
    """The service runs: a chart is founded, and everybody is signed in."""
    company = Company(place)
    company.found("olga")
    for name, role in staff:
        who = company.join(name, role)
        company.second = company.second or who
    return company
