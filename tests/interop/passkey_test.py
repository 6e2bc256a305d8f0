#!/usr/bin/env python3
"""Passkeys before other projects: soft-webauthn makes them, py_webauthn and @simplewebauthn/server judge them beside us.

Three authenticators (soft-webauthn, and our tests' own with ES256 and EdDSA) enrol and sign; then every field of what they say
is spoilt, one at a time: with a good signature over what is spoilt, and with the signature left as it was. What is good, all
three verifiers take. What is spoilt, all three refuse, but for what STRICTER lists: there only we refuse, for the reason given.

    python3 tests/interop/passkey_test.py        needs tools/setup and the target passkey_tool of build/release
"""
import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOL = ROOT / "build/release/passkey_tool"
PEERS = ROOT / "build/peers/venv/bin/python"
VERIFY = ROOT / "tests/interop/peers/verify.mjs"
if pathlib.Path(sys.prefix).resolve() != (ROOT / "build/peers/venv").resolve():
    if not PEERS.exists():
        sys.exit("build/peers is missing: tools/setup")
    os.execv(PEERS, [str(PEERS), *sys.argv])

import cbor2  # noqa: E402
import soft_webauthn  # noqa: E402
import webauthn  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from webauthn.helpers import bytes_to_base64url as base64url  # noqa: E402

PARTY, ORIGIN = "calls.example", "https://calls.example:8443"
ENROL, SIGN = bytes(range(32)), bytes(range(32, 64))
ES256, EDDSA = -7, -8
PRESENT, VERIFIED, BACKUP_MAY, BACKED_UP, HAS_KEY, HAS_MORE = 1, 4, 8, 16, 64, 128
failures, counts = [], {}

# What we refuse and a peer takes, and why we do. Each must be so: one that a peer refuses, too, has no place here.
PY, SIMPLE = "py_webauthn", "simplewebauthn"
FRAMED = "nobody signs in, or acts, within another site's page"
EXTENSIONS = "nobody asks for any, and so no CBOR from outside is decoded"
BYTE_FOR_BYTE = "a key is what CTAP2 writes, byte for byte: its type, algorithm, curve and lengths, in their order, and nothing else"
NO_KEY = "no secret leads to it"
ID = "512 bytes at most; the specification lets it be 1,023"
SPELLING = "one thing has one spelling"
STRICTER = {
    "enrolled: crossOrigin true": (FRAMED, PY, SIMPLE),
    "enrolled: crossOrigin that is no truth value": (FRAMED, PY, SIMPLE),
    "enrolled: crossOrigin and topOrigin": (FRAMED, PY, SIMPLE),
    "enrolled: topOrigin alone": (FRAMED, PY, SIMPLE),
    "signed: crossOrigin true": (FRAMED, PY, SIMPLE),
    "signed: crossOrigin that is no truth value": (FRAMED, PY, SIMPLE),
    "signed: crossOrigin and topOrigin": (FRAMED, PY),
    "signed: topOrigin alone": (FRAMED, PY),
    "enrolled: extensions": (EXTENSIONS, PY, SIMPLE),
    "signed: extensions": (EXTENSIONS, PY, SIMPLE),
    "enrolled: an id of 513 bytes": (ID, PY, SIMPLE),
    "enrolled: an id of 1,024 bytes": (ID, PY, SIMPLE),
    "enrolled: cut by a byte": (BYTE_FOR_BYTE, SIMPLE),
    "enrolled: a key of another type": (BYTE_FOR_BYTE, PY, SIMPLE),
    "enrolled: a key of another algorithm": (BYTE_FOR_BYTE, PY),
    "enrolled: a key of another curve": (BYTE_FOR_BYTE, PY, SIMPLE),
    "enrolled: a key without x": (BYTE_FOR_BYTE, SIMPLE),
    "enrolled: a key with a short x": (BYTE_FOR_BYTE, PY, SIMPLE),
    "enrolled: a key with a field of its own": (BYTE_FOR_BYTE, PY, SIMPLE),
    "enrolled: a key in another order": (BYTE_FOR_BYTE, PY, SIMPLE),
    "enrolled: a point beside the curve": (NO_KEY, PY, SIMPLE),
    "enrolled: the neutral point": (NO_KEY, PY, SIMPLE),
    "enrolled: a challenge with padding": (SPELLING, PY),
    "signed: a challenge with padding": (SPELLING, PY),
    "a byte behind the signature": (SPELLING, SIMPLE),
    "a signature with a long length": (SPELLING, SIMPLE),
    "a signature of length found at its end": (SPELLING, SIMPLE),
}


def check(held, what):
    if not held:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def count(what):
    counts[what] = counts.get(what, 0) + 1


class Pipe:
    """A program that answers each line of JSON with one."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args[0]} died of {json.dumps(what)}")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


@dataclasses.dataclass(frozen=True)
class Said:
    """What an authenticator said through a browser; `signature` is empty for a registration."""
    id: bytes
    client: bytes
    data: bytes
    signature: bytes = b""
    known_count: int = 0

    def fields(self):
        return json.loads(self.client)

    def with_client(self, **changed):
        fields = self.fields() | changed
        return dataclasses.replace(self, client=json.dumps({k: v for k, v in fields.items() if v is not None}).encode())

    def with_data(self, at, new):
        return dataclasses.replace(self, data=self.data[:at] + new + self.data[at + len(new):])

    def with_flags(self, on=0, off=0):
        return self.with_data(32, bytes([(self.data[32] | on) & ~off]))

    def with_count(self, said, known):
        return dataclasses.replace(self.with_data(33, said.to_bytes(4, "big")), known_count=known)

    def more(self, raw, on=0):
        return dataclasses.replace(self.with_flags(on), data=self.with_flags(on).data + raw)


# ---- who makes them ----

class Verifying(soft_webauthn.SoftWebauthnDevice):
    """soft-webauthn with the flag that the person was verified, which it never sets, and a signature over that."""

    name, algorithm = "soft-webauthn", ES256

    def sign_over(self, said):
        signature = self.private_key.sign(said.data + hashlib.sha256(said.client).digest(), ec.ECDSA(hashes.SHA256()))
        return dataclasses.replace(said, signature=signature)

    def enrol_as_it_is(self):
        options = {"rp": {"id": PARTY}, "user": {"id": b"1"}, "challenge": ENROL,
                   "pubKeyCredParams": [{"alg": ES256, "type": "public-key"}], "attestation": "none"}
        made = self.create({"publicKey": options}, ORIGIN)["response"]
        return Said(self.credential_id, made["clientDataJSON"], cbor2.loads(made["attestationObject"])["authData"])

    def sign_as_it_is(self):
        made = self.get({"publicKey": {"rpId": PARTY, "challenge": SIGN}}, ORIGIN)["response"]
        return Said(self.credential_id, made["clientDataJSON"], made["authenticatorData"], made["signature"])

    def enrol(self):
        return self.enrol_as_it_is().with_flags(VERIFIED)

    def sign(self):
        return self.sign_over(self.sign_as_it_is().with_flags(VERIFIED))


class Ours:
    """The authenticator of our tests (src/people/passkey_rig_test.hpp)."""

    def __init__(self, tool, algorithm):
        self.tool, self.algorithm = tool, algorithm
        self.name = "ours, " + {ES256: "ES256", EDDSA: "EdDSA"}[algorithm]

    def _ask(self, what, challenge, **more):
        made = self.tool.ask(do=what, algorithm=self.algorithm, party=PARTY, origin=ORIGIN, challenge=challenge.hex(), **more)
        return {field: bytes.fromhex(value) for field, value in made.items()}

    def enrol(self):
        made = self._ask("enrol", ENROL)
        size = int.from_bytes(made["authenticator_data"][53:55], "big")
        return Said(made["authenticator_data"][55:55 + size], made["client_data"], made["authenticator_data"])

    def sign(self):
        made = self._ask("sign", SIGN, count=1)
        return Said(made["id"], made["client_data"], made["authenticator_data"], made["signature"])

    def sign_over(self, said):
        made = self.tool.ask(do="sign_over", algorithm=self.algorithm, client_data=said.client.hex(), authenticator_data=said.data.hex())
        return dataclasses.replace(said, signature=bytes.fromhex(made["signature"]))


# ---- who judges them ----

def attestation(said):
    return cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": said.data})


def credential(said, **response):
    return {"id": base64url(said.id), "rawId": base64url(said.id), "type": "public-key", "clientExtensionResults": {},
            "response": {"clientDataJSON": base64url(said.client), **response}}


def registration_of(said):
    return credential(said, attestationObject=base64url(attestation(said)))


def assertion_of(said):
    return credential(said, authenticatorData=base64url(said.data), signature=base64url(said.signature))


class Callward:
    name = "callward"

    def __init__(self, tool):
        self.tool = tool

    def enrols(self, said):
        return self.tool.ask(do="check_registration", party=PARTY, origin=ORIGIN, challenge=ENROL.hex(),
                             client_data=said.client.hex(), authenticator_data=said.data.hex())

    def takes(self, said, passkey):
        known = {field: passkey[field] for field in ("id", "algorithm", "key")} | {"count": said.known_count}
        return self.tool.ask(do="check_assertion", party=PARTY, origin=ORIGIN, challenge=SIGN.hex(), client_data=said.client.hex(),
                             authenticator_data=said.data.hex(), signature=said.signature.hex(), id=said.id.hex(), passkey=known)


class PyWebauthn:
    name = PY

    def __init__(self, verified=True):
        self.verified = verified

    def enrols(self, said):
        try:
            made = webauthn.verify_registration_response(
                credential=registration_of(said), expected_challenge=ENROL, expected_rp_id=PARTY, expected_origin=ORIGIN,
                require_user_verification=self.verified)
        except Exception as error:  # its own kinds, and whatever its readers of CBOR and JSON throw
            return {"ok": False, "why": repr(error)}
        return {"ok": True, "id": made.credential_id.hex(), "cose": made.credential_public_key.hex(), "count": made.sign_count}

    def takes(self, said, passkey):
        try:
            made = webauthn.verify_authentication_response(
                credential=assertion_of(said), expected_challenge=SIGN, expected_rp_id=PARTY, expected_origin=ORIGIN,
                credential_public_key=bytes.fromhex(passkey["cose"]), credential_current_sign_count=said.known_count,
                require_user_verification=self.verified)
        except Exception as error:
            return {"ok": False, "why": repr(error)}
        return {"ok": True, "count": made.new_sign_count}


class SimpleWebauthn:
    name = SIMPLE

    def __init__(self, pipe, verified=True):
        self.pipe, self.verified = pipe, verified

    def _expected(self, response, challenge):
        return {"response": response, "expectedChallenge": base64url(challenge), "expectedOrigin": ORIGIN, "expectedRPID": PARTY,
                "requireUserVerification": self.verified}

    def enrols(self, said):
        made = self.pipe.ask(do="registration", expected=self._expected(registration_of(said), ENROL))
        if not made["ok"]:
            return made
        raw = made["id"] + "=" * (-len(made["id"]) % 4)
        return {"ok": True, "id": webauthn.base64url_to_bytes(raw).hex(), "cose": made["key"], "count": made["count"]}

    def takes(self, said, passkey):
        known = {"id": base64url(bytes.fromhex(passkey["id"])), "key": base64url(bytes.fromhex(passkey["cose"])), "count": said.known_count}
        return self.pipe.ask(do="assertion", expected=self._expected(assertion_of(said), SIGN), credential=known)


# ---- what is spoilt ----

OTHER = "https://other.example"
BOTH = [  # of a registration and of an assertion; the latter signed anew
    ("another type", lambda s: s.with_client(type="webauthn.other")),
    ("no type", lambda s: s.with_client(type=None)),
    ("another challenge", lambda s: s.with_client(challenge=base64url(bytes(32)))),
    ("a challenge cut short", lambda s: s.with_client(challenge=s.fields()["challenge"][:-4])),
    ("no challenge", lambda s: s.with_client(challenge=None)),
    ("a challenge with padding", lambda s: s.with_client(challenge=s.fields()["challenge"] + "=")),
    ("another origin", lambda s: s.with_client(origin=OTHER)),
    ("an origin without its port", lambda s: s.with_client(origin="https://calls.example")),
    ("an origin that begins alike", lambda s: s.with_client(origin=ORIGIN + ".evil.example")),
    ("an origin over http", lambda s: s.with_client(origin=ORIGIN.replace("https", "http"))),
    ("no origin", lambda s: s.with_client(origin=None)),
    ("crossOrigin true", lambda s: s.with_client(crossOrigin=True)),
    ("crossOrigin that is no truth value", lambda s: s.with_client(crossOrigin="no")),
    ("crossOrigin and topOrigin", lambda s: s.with_client(crossOrigin=True, topOrigin=OTHER)),
    ("topOrigin alone", lambda s: s.with_client(topOrigin=OTHER)),
    ("client data that is no JSON", lambda s: dataclasses.replace(s, client=s.client[:-1])),
    ("client data that is no object", lambda s: dataclasses.replace(s, client=b"[" + s.client + b"]")),
    ("a passkey of another site", lambda s: s.with_data(0, hashlib.sha256(b"other.example").digest())),
    ("nobody present", lambda s: s.with_flags(off=PRESENT)),
    ("nobody verified", lambda s: s.with_flags(off=VERIFIED)),
    ("backed up, though it cannot be", lambda s: s.with_flags(on=BACKED_UP)),
    ("extensions promised, none there", lambda s: s.with_flags(on=HAS_MORE)),
    ("extensions", lambda s: s.more(cbor2.dumps({"credProtect": 2}), on=HAS_MORE)),
    ("bytes behind the end", lambda s: s.more(b"\0")),
    ("cut by a byte", lambda s: dataclasses.replace(s, data=s.data[:-1])),
]
ASSERTIONS = [
    ("the type of a registration", lambda s: s.with_client(type="webauthn.create")),
    ("a count that stands", lambda s: s.with_count(5, 5)),
    ("a count that falls", lambda s: s.with_count(4, 5)),
    ("a count that is not counted any more", lambda s: s.with_count(0, 5)),
    ("a key promised, none there", lambda s: s.with_flags(on=HAS_KEY)),
]
SIGNATURES = [  # of an assertion that is good
    ("no signature", lambda s: b""),
    ("a signature cut by a byte", lambda s: s[:-1]),
    ("a byte behind the signature", lambda s: s + b"\0"),
    ("a signature of zeros", lambda s: bytes(len(s))),
]
SPELLINGS = [  # ES256's alone
    ("a signature with a long length", lambda s: s[:1] + b"\x81" + s[1:]),
    ("a signature with a zero before a number", lambda s: bytes([s[0], s[1] + 1, s[2], s[3] + 1, 0]) + s[4:]),
    ("a signature of length found at its end", lambda s: s[:1] + b"\x80" + s[2:] + b"\0\0"),
]
KEY_AT = 37 + 16 + 2


def with_key(said, change):
    """The registration with another COSE key, written as CTAP2 wants it."""
    size = len(said.id)
    key = cbor2.loads(said.data[KEY_AT + size:])
    change(key)
    return dataclasses.replace(said, data=said.data[:KEY_AT + size] + cbor2.dumps(key))


def with_id(said, new):
    return dataclasses.replace(said, id=new, data=said.data[:KEY_AT - 2] + len(new).to_bytes(2, "big") + new + said.data[KEY_AT + len(said.id):])


def backwards(said):
    size = len(said.id)
    key = cbor2.loads(said.data[KEY_AT + size:])
    return dataclasses.replace(said, data=said.data[:KEY_AT + size] + cbor2.dumps(dict(reversed(key.items()))))


def flipped(raw):
    return raw[:-1] + bytes([raw[-1] ^ 1])


REGISTRATIONS = [
    ("the type of an assertion", lambda s: s.with_client(type="webauthn.get")),
    ("no key promised", lambda s: s.with_flags(off=HAS_KEY)),
    ("no key there", lambda s: dataclasses.replace(s, data=s.data[:37])),
    ("an id of no bytes", lambda s: with_id(s, b"")),
    ("an id that ends behind the end", lambda s: s.with_data(KEY_AT - 2, b"\x03\xff")),
    ("an id of 1,024 bytes", lambda s: with_id(s, bytes(1024))),
    ("an id of 513 bytes", lambda s: with_id(s, bytes(513))),
    ("a key of another type", lambda s: with_key(s, lambda k: k.update({1: 3}))),
    ("a key of another algorithm", lambda s: with_key(s, lambda k: k.update({3: -257}))),
    ("a key of another curve", lambda s: with_key(s, lambda k: k.update({-1: 2}))),
    ("a key without x", lambda s: with_key(s, lambda k: k.pop(-2))),
    ("a key with a short x", lambda s: with_key(s, lambda k: k.update({-2: k[-2][:31]}))),
    ("a key with a field of its own", lambda s: with_key(s, lambda k: k.update({-70: 1}))),
    ("a key in another order", backwards),
]
REGISTRATIONS_ES256 = [("a point beside the curve", lambda s: with_key(s, lambda k: k.update({-3: flipped(k[-3])})))]
REGISTRATIONS_EDDSA = [("the neutral point", lambda s: with_key(s, lambda k: k.update({-2: b"\1" + bytes(31)})))]
GOOD = [  # of both
    ("as it is", lambda s: s),
    ("crossOrigin false", lambda s: s.with_client(crossOrigin=False)),
    ("a field that is new", lambda s: s.with_client(other_keys_can_be_added_here="yes")),
    ("it may be backed up", lambda s: s.with_flags(on=BACKUP_MAY)),
    ("it is backed up", lambda s: s.with_flags(on=BACKUP_MAY | BACKED_UP)),
]
GOOD_ASSERTIONS = [
    ("a count that grows", lambda s: s.with_count(6, 5)),
    ("a count at its end", lambda s: s.with_count(2**32 - 1, 2**32 - 2)),
    ("no count, never", lambda s: s.with_count(0, 0)),
]
GOOD_REGISTRATIONS = [  # nothing signs a registration: that these are other authenticators' is all that can be said
    ("another model", lambda s: s.with_data(37, b"\7" * 16)),
    ("another count", lambda s: s.with_count(77, 0)),
    ("another id", lambda s: with_id(s, b"\7" * 16)),
    ("an id of 512 bytes", lambda s: with_id(s, bytes(512))),
]
SEEN = set()


def judge(maker, what, judges, ask, good):
    """All of them on one; where only we refuse, that must be in the list, and what is in it must be so."""
    answers = {one.name: ask(one) for one in judges}
    mine = answers.pop("callward")
    label = f"{maker.name}: {what}"
    check(mine["ok"] == good, f"{label}: we say {mine}")
    count("taken by us" if mine["ok"] else "refused by us")
    for name, answer in answers.items():
        if answer["ok"] and not mine["ok"] and name in STRICTER.get(what, ("",))[1:]:
            SEEN.add((what, name))
            count(f"taken by {name}, refused by us")
            continue
        count(f"{name} agrees" if answer["ok"] == mine["ok"] else f"{name} disagrees")
        check(answer["ok"] == good, f"{label}: {name} says {answer}")
    return mine, answers


def registrations(maker, judges):
    said = maker.enrol()
    more = REGISTRATIONS_ES256 if maker.algorithm == ES256 else REGISTRATIONS_EDDSA
    for what, spoil in BOTH + REGISTRATIONS + more:
        judge(maker, f"enrolled: {what}", judges, lambda one: one.enrols(spoil(said)), False)
    for what, change in GOOD + GOOD_REGISTRATIONS:
        mine, others = judge(maker, f"enrolled: {what}", judges, lambda one: one.enrols(change(said)), True)
        if mine["ok"]:
            for name, other in others.items():
                check(other["ok"] and (other["id"], other["count"]) == (mine["id"], mine["count"]), f"{maker.name}: {what}: {name} read another passkey")
    mine, others = judge(maker, "enrolled: as it is", judges, lambda one: one.enrols(said), True)
    return mine | {"cose": others[PY]["cose"]}


def assertions(maker, judges, passkey):
    said = maker.sign()
    for what, spoil in BOTH + ASSERTIONS:
        spoilt = maker.sign_over(spoil(said))
        judge(maker, f"signed: {what}", judges, lambda one: one.takes(spoilt, passkey), False)
        kept = dataclasses.replace(spoilt, signature=said.signature)
        judge(maker, f"not signed: {what}", judges, lambda one: one.takes(kept, passkey), False)
    for what, change in GOOD + GOOD_ASSERTIONS:
        judge(maker, f"signed: {what}", judges, lambda one: one.takes(maker.sign_over(change(said)), passkey), True)
    for what, spell in SIGNATURES + (SPELLINGS if maker.algorithm == ES256 else []):
        judge(maker, what, judges, lambda one: one.takes(dataclasses.replace(said, signature=spell(said.signature)), passkey), False)
    # Peers are told by their caller whose key it is.
    judge(maker, "another id", judges[:1], lambda one: one.takes(dataclasses.replace(said, id=flipped(said.id)), passkey), False)
    for field in ("client", "data", "signature"):
        raw = getattr(said, field)
        # Which bits of DER its reader lets be otherwise depends on the numbers, which are random.
        strict = [one for one in judges if one.name != SIMPLE or field != "signature" or maker.algorithm == EDDSA]
        for at in range(len(raw)):
            other = dataclasses.replace(said, **{field: raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1:]})
            judge(maker, f"a bit of {field}", strict, lambda one: one.takes(other, passkey), False)


def others_key(makers, judges, passkeys):
    """What one authenticator signed, under another's key: the ids made alike."""
    for maker in makers:
        said = maker.sign()
        for other in makers:
            if other is not maker:
                passkey = passkeys[other.name]
                claimed = dataclasses.replace(said, id=bytes.fromhex(passkey["id"]))
                judge(maker, "another's key", judges, lambda one: one.takes(claimed, passkey), False)


def unverified(maker, judges, lenient):
    """soft-webauthn as it comes: present, not verified. Peers take that when they are told to; we cannot be told."""
    enrolled = maker.enrol_as_it_is()
    judge(maker, "as it comes, enrolled", judges, lambda one: one.enrols(enrolled), False)
    for one in lenient:
        passkey = one.enrols(enrolled)
        check(passkey["ok"], f"{one.name} that asks for no verification: {passkey}")
        said = maker.sign_as_it_is()
        check(one.takes(said, passkey)["ok"], f"{one.name} that asks for no verification, signed")
        count("taken by peers that ask for no verification")
    passkey = judges[0].enrols(enrolled.with_flags(VERIFIED))
    passkey["cose"] = judges[1].enrols(enrolled.with_flags(VERIFIED))["cose"]
    judge(maker, "as it comes, signed", judges, lambda one: one.takes(maker.sign_as_it_is(), passkey), False)


def main():
    for needed in (TOOL, VERIFY.parent / "node_modules"):
        if not needed.exists():
            sys.exit(f"{needed.relative_to(ROOT)} is missing: tools/setup; ninja -C build/release passkey_tool")
    began = time.monotonic()
    tool, pipe = Pipe(TOOL), Pipe("node", VERIFY)
    makers = [Verifying(), Ours(tool, ES256), Ours(tool, EDDSA)]
    judges = [Callward(tool), PyWebauthn(), SimpleWebauthn(pipe)]
    passkeys = {}
    for maker in makers:
        passkeys[maker.name] = registrations(maker, judges)
        assertions(maker, judges, passkeys[maker.name])
    others_key(makers, judges, passkeys)
    unverified(Verifying(), judges, [PyWebauthn(verified=False), SimpleWebauthn(pipe, verified=False)])
    for what, (_, *names) in STRICTER.items():
        for name in names:
            check((what, name) in SEEN, f"{name} refuses '{what}', too: it has no place in STRICTER")
    tool.end()
    pipe.end()
    print(", ".join(f"{what} {number}" for what, number in counts.items()) + f"; {time.monotonic() - began:.0f} s")
    if failures:
        sys.exit(f"{len(failures)} failed")


if __name__ == "__main__":
    main()
