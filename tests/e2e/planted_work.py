"""What planted_test.py searches for, and the work in which it is told: a company with telephones and a mail server, customers whose
every value looks like nothing else, and what goes on with them from the live call to the receipt."""
import base64
import pathlib
import re
import secrets
import subprocess
import sys
import threading
import time

from company import expect
from courier_rig import MailServer
from phones import PASSWORD, REALM, USER, Phone, Proxy, until, write_tone

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/demo"))
from installation import CLIENT, free_port

KINDS = ("name", "phone", "query", "email", "address", "text", "password", "pin", "card", "code", "service_word")
SECRETS = ("password", "pin", "card", "code", "service_word")  # what is looked for where it was said
SEARCHED = ("name", "phone", "email")
COMPANY = "+442079460000"
EXPERT_AT, AGENT_AT = "7001", "701"
TALK_S = 32       # a call-back that is shorter than 30 s counts for nothing
ROUND_EVERY_S = 4  # of those who go on: a person looks up 30 values a minute


def letters(count):
    return "".join(secrets.choice("bcdfghjkmnpqrstvwxz") for _ in range(count))


def digits(count):
    return str(secrets.randbelow(9 * 10 ** (count - 1)) + 10 ** (count - 1))


def fresh_values():
    return {"name": f"{letters(6).title()} {letters(9).title()}", "phone": "+4420794" + digits(5),
            "query": f"{letters(7)} does {letters(8)} no more",
            "email": f"{letters(9).title()}@{letters(6)}.example", "address": f"{digits(3)} {letters(8)} Lane, {letters(7)}",
            "text": f"{letters(7)} {letters(7)}",
            "password": letters(8) + digits(4), "pin": digits(8), "card": " ".join(digits(4) for _ in range(4)), "code": digits(9),
            "service_word": f"{letters(6)} {letters(6)}"}


def forms(value):
    """{what it is called: bytes}: how a value may lie somewhere."""
    texts = {value, value.casefold(), value.replace(" ", "")}
    out = {}
    for text in texts:
        raw = text.encode()
        named = {"utf-8": raw, "utf-16": text.encode("utf-16-le"), "hexadecimal": raw.hex().encode(), "HEXADECIMAL": raw.hex().upper().encode(),
                 "backwards": raw[::-1]}
        for k in range(3):  # what no byte beside it has a part in
            whole = base64.b64encode(bytes(k) + raw)
            named[f"base64 +{k}"] = whole[(0, 2, 3)[k]:(k + len(raw)) * 8 // 6]
        for name, piece in named.items():
            out.setdefault(name, set()).add(piece)
    return out


def aimed(values):
    """{(of whom, which, in what form): pieces} of {value: (of whom, which)}."""
    return {(*told, form): pieces for value, told in values.items() for form, pieces in forms(value).items()}


class World:
    """What stands around the company: a telephone system, phones, a mail server, calls that come in."""

    def __init__(self, folder):
        self.folder, self.phones, self.calls = folder, {}, []
        self.proxy, self.mail = Proxy(folder / "proxy"), MailServer(free_port())
        self.secret = folder / "trunk-password"
        self.secret.write_text(PASSWORD + "\n")
        write_tone(folder / "mono.wav", 300)
        self.sound = folder / "call.wav"
        mono = (folder / "mono.wav").read_bytes()[44:]
        both = b"".join(mono[i:i + 2] * 2 for i in range(0, len(mono), 2))
        self.sound.write_bytes(wav_header(len(both)) + both)

    def sections(self):
        return {"sip": {"own_numbers": ["7*"]}, "recorder": {"rtp_timeout_s": 10},
                "courier": {"smtp_url": f"smtp://127.0.0.1:{self.mail.port}", "mail_from": "callward@support.example"},
                "callback": {"proxy": f"sip:127.0.0.1:{self.proxy.port}", "from": f"sip:{COMPANY}@{REALM}",
                             "expert_uri": "sip:{extension}@" + REALM, "customer_uri": "sip:{number}@" + REALM, "user": USER, "realm": REALM,
                             "password_file": str(self.secret), "rtp_port_first": 43_400, "rtp_port_last": 43_599}}

    def phone(self, number, hz=1_000):
        self.phones[number] = Phone(self.folder / number.strip("+"), number, self.proxy, hz)
        return self.phones[number]

    def call_in(self, place):
        host = place.sip.split("sip:")[-1].split(";")[0]
        self.calls.append(subprocess.Popen([str(CLIENT), "--server", host, "--transport", "tcp", "--customer", "sip:+441632960123@carrier.example",
                                            "--agent", f"sip:{AGENT_AT}@pbx.example", str(self.sound)], stdout=subprocess.DEVNULL))
        return self.calls[-1]

    def __enter__(self):
        self.mail.__enter__()
        return self

    def __exit__(self, *_):
        for call in self.calls:
            if call.poll() is None:
                call.kill()
        for phone in self.phones.values():
            phone.stop()
        self.mail.__exit__()
        self.proxy.stop()


def wav_header(size):
    part = lambda *numbers: b"".join(n.to_bytes(width, "little") for n, width in numbers)
    return b"RIFF" + part((36 + size, 4)) + b"WAVEfmt " + part((16, 4), (1, 2), (2, 2), (8_000, 4), (32_000, 4), (4, 2), (16, 2)) + b"data" + part((size, 4))


class Work:
    """People at work; `values`: all that they typed or said, {value: (of whom, which)}."""

    def __init__(self, company, world):
        self.company, self.world, self.values, self.done, self.lock = company, world, {}, {}, threading.Lock()
        people = company.people
        self.agent, self.technician, self.expert = people["agnes"], people["tom"], people["eve"]
        self.others = (people["alma"], people["theo"])
        self.authorised = (people["anna"], people["abe"])
        self.ended, self.failed, self.number = threading.Event(), [], 0

    def count(self, what, *answers):
        with self.lock:
            self.done[what] = self.done.get(what, 0) + len(answers)

    def tell(self, values, whose):
        with self.lock:
            self.values.update({value: (whose, which) for which, value in values.items()})
        return values

    def typed(self, whose):
        return self.tell(fresh_values(), whose)

    def said(self, whose="words"):
        words = f"{letters(8)} needs it because {letters(9)} is in {letters(7)} and nobody answers"
        self.tell({"words": words}, whose)
        return words

    def known(self):
        with self.lock:
            return dict(self.values)

    def state(self, request, who=None):
        answer = self.company.ask(who or self.company.owner, "GET", f"/v1/requests/{request}")
        return answer.json if answer.status == 200 else {}

    def reaches(self, request, state, who=None):
        until(lambda: self.state(request, who).get("state") == state, f"the request is {state}, not {self.state(request, who).get('state')}")

    # ---- the desk
    def customer(self, whose, agent=None, fields=SEARCHED):
        agent = agent or self.agent
        values = self.typed(whose)
        stored = self.company.store(agent, values).must(201)
        self.count("intakes", stored)
        for field in fields:
            found = self.company.look_up(agent, field, values[field]).must(200)["customers"]
            expect([c["customer"] for c in found] == [stored["customer"]], f"found by {field}: {found}")
        self.company.look_up(agent, "name", self.typed(whose)["name"]).must(200)
        self.count("look-ups", *fields, "name")
        return stored, values, {f["field"]: f["leaf"] for f in stored["fields"]}

    def correct(self, stored, agent):
        values = {k: v for k, v in self.typed("corrected").items() if k in ("email", "password", "pin")}
        again = self.company.store(agent, values, customer=stored["customer"], case=stored["case"]).must(201)
        self.count("corrections", again)
        return values, {f["field"]: f["leaf"] for f in again["fields"]}

    def form(self, stored, agent):
        ask = self.company.ask
        made = ask(agent, "POST", f"/v1/customers/{stored['customer']}/cases/{stored['case']}/forms", {"field": "text"}).must(201)
        token = {"X_Form_Token": made["url"].split("#")[1]}
        key = ask(None, "GET", "/v1/form", **token).must(200)
        value, intake = self.typed("form")["text"], secrets.token_hex(16)
        sealed = self.company.seal(key, value.encode(), "field", intake, "text")
        ask(None, "POST", "/v1/form", {"intake": intake, "value": sealed}, **token).must(204)
        self.count("forms", made)

    def query(self, stored, value, agent, technician):
        customer, case = stored["customer"], stored["case"]
        self.company.ask(agent, "POST", f"/v1/customers/{customer}/cases/{case}/technician", {"technician": technician.id}).must(204)
        answer, opened = self.company.open_query(technician, customer, case)
        answer.must(201)
        expect(opened.decode() == value, "the query opens to its technician")
        self.count("queries read", answer)

    # ---- those who go on, whatever else happens
    def break_glass(self, stored, values, leaves, agent):
        open_fields = {f: leaf for f, leaf in leaves.items() if f != "service_word"}
        request = self.company.request(agent, stored["customer"], stored["case"], open_fields.values(), self.said()).must(201)["request"]
        for who in self.authorised:
            self.company.wait_shown(who, request)
            self.company.step(who, {"request": request, "kind": "break", "fields": sorted(open_fields.values())}, self.said()).must(201)
        for field, leaf in open_fields.items():
            answer, seen = self.company.view(agent, request, leaf)
            answer.must(201)
            expect(seen[1].decode() == values[field], f"the view of {field} opens to what was typed")
            self.count("views", answer)
        self.company.step(agent, {"request": request, "kind": "end"}).must(201)
        self.company.wait_shown(self.company.owner, request)
        self.company.step(self.company.owner, {"request": request, "kind": "review", "needed": True, "used": True}, self.said()).must(201)
        self.count("glass broken", request)

    def round(self, number):
        agent, technician = self.others
        stored, values, leaves = self.customer("another", agent, SEARCHED[number % 3:][:1])
        self.query(stored, values["query"], agent, technician)
        if number % 3 == 0:
            self.form(stored, agent)
            leaves.pop("text")  # replaced by what came in the form
        if number % 2:
            fresh, moved = self.correct(stored, agent)
            values, leaves = {**values, **fresh}, {**leaves, **moved}
        if number % 3 == 0:
            self.break_glass(stored, values, leaves, agent)
        self.company.ask(agent, "GET", f"/v1/customers/{stored['customer']}").must(200)
        self.company.ask(agent, "POST", f"/v1/customers/{stored['customer']}/cases/{stored['case']}/closure", {}).must(204)

    def go_on(self):
        def rounds():
            try:
                while not self.ended.wait(ROUND_EVERY_S if self.number else 0):
                    self.round(self.number)
                    self.number += 1
            except Exception as error:  # told at the end: a thread that dies does no more work
                self.failed.append(f"those who go on: {error!r}")
        self.thread = threading.Thread(target=rounds, daemon=True)
        self.thread.start()

    def end(self):
        self.ended.set()
        self.thread.join(60)
        expect(not self.failed and self.number >= 3, f"{self.number} rounds beside: {self.failed}")

    # ---- a live call
    def answer_call(self):
        call = self.world.call_in(self.company.place)
        until(lambda: self.company.ask(self.agent, "GET", "/v1/live-call").must(200)["call"], "the agent's page has the call")
        stored, values, leaves = self.customer("in the call")
        expect(int(stored["call"], 16) != 0, "what was typed belongs to the call")
        self.count("live calls", call)
        return call, stored, values, leaves

    def hang_up_call(self, call):
        call.terminate()
        until(lambda: self.company.ask(self.agent, "GET", "/v1/live-call").must(200)["call"] is None, "the call is over", 40)

    # ---- the call-back
    def ring(self, request, number):
        self.world.phone(number)
        self.reaches(request, "assigned")
        self.company.wait_shown(self.expert, request)
        self.company.step(self.expert, {"request": request, "kind": "ring"}).must(201)
        until(lambda: (self.state(request, self.expert).get("running") or {}).get("talking"), "they talk", 30)
        self.count("call-backs answered", request)
        return time.monotonic()

    def check(self, request, leaf, given, fits=True):
        sealed = self.company.seal(self.company.intake_key(self.expert), given.encode(), "check", request, leaf)
        answer = self.company.ask(self.expert, "POST", f"/v1/requests/{request}/checks", {"leaf": leaf, "given": sealed}).must(200)
        expect(answer["match"] == fits, f"a check: {answer}")
        self.count("checks passed" if fits else "checks failed", answer)

    def code(self, request, leaf, address):
        before = len(self.world.mail.mails)
        self.company.ask(self.expert, "POST", f"/v1/requests/{request}/codes", {"leaf": leaf}).must(204)
        mail = until(lambda: self.world.mail.mails[before:], "a code by mail", 30)[0]
        expect(mail.recipients[0].lower() == address.lower(), f"the code went to {mail.recipients}")
        code = re.search(rb"\b\d{8}\b", mail.content).group().decode()
        self.tell({"mailed code": code}, "verified")
        sealed = self.company.seal(self.company.intake_key(self.expert), code.encode(), "code", request)
        answer = self.company.ask(self.expert, "POST", f"/v1/requests/{request}/code-checks", {"given": sealed}).must(200)
        expect(answer["match"], f"the code: {answer}")
        self.count("codes by mail", answer)

    def hang_up(self, request, since):
        time.sleep(max(0.0, TALK_S + since - time.monotonic()))
        self.world.phones[EXPERT_AT].hang_up()
        running = lambda: self.state(request, self.expert).get("running") or {}
        until(lambda: running().get("call_seconds", 0) >= 30 and running().get("call_recorded"), "the call-back is recorded and long enough", 20)

    def passes(self, request):
        self.company.step(self.expert, {"request": request, "kind": "pass"}, "\n".join(self.said() for _ in range(3))).must(201)

    # ---- what a request comes to
    def asked(self, who, stored, leaves, category="billing"):
        draft = {"kind": "ask", "customer": stored["customer"], "case": stored["case"], "category": category, "fields": sorted(leaves)}
        return self.company.step(who, draft, self.said()).must(201)["request"]

    def release(self, request, leaf):
        self.company.wait_shown(self.authorised[0], request)
        self.reaches(request, "verified")
        self.company.judge(self.authorised[0], request)
        self.company.step(self.authorised[0], {"request": request, "kind": "release", "fields": [leaf]}).must(201)
        self.reaches(request, "open")
        self.count("releases", request)

    def see(self, request, leaf, value):
        answer, seen = self.company.view(self.technician, request, leaf)
        answer.must(201)
        expect(seen[1].decode() == value, "the view opens to what was typed")
        self.count("views", answer)

    def review(self, request):
        self.company.step(self.technician, {"request": request, "kind": "end"}).must(201)
        self.reaches(request, "closed")
        self.company.step(self.company.owner, {"request": request, "kind": "review", "needed": True, "used": True}, self.said()).must(201)

    def receipt(self, request):
        self.reaches(request, "confirmed", self.agent)
        for more in ("", "?format=text"):
            answer = self.company.ask(self.agent, "GET", f"/v1/requests/{request}/receipt{more}")
            expect(answer.status == 200 and len(answer.raw) > 200, f"a receipt: {answer.status} {answer.raw[:200]}")
            self.count("receipts", answer)
