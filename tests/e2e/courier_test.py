#!/usr/bin/env python3
"""The courier against a real SMTP server and an HTTP gateway: what is sent arrives whole and once, what is refused or too late says
so, nobody else may ask, and nothing of an address or a text is left in its log, its status, or its memory.

    courier_test.py [--only NAME]
"""
import argparse
import email
import email.policy
import hashlib
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time

from courier_rig import (DELIVER, EMAIL, ERROR, REMIND, ROOT, SMS, Authority, Client, Gateway, MailServer, Place, expect, new_message, new_reminder,
                         pack_message, pack_reminder, wait_for)
from installation import Failed, Installation, free_port

FROM = "callward@example.org"
KEY = secrets.token_hex(32).encode()
CASES = []


def case(function):
    CASES.append(function)
    return function


class Skipped(Exception):
    """This machine does not allow the case, or lacks what it needs; the text says which."""


def mail_place(folder, port, host="127.0.0.1", **more):
    return Place(folder, smtp_url=f"smtp://{host}:{port}", mail_from=FROM, **more)


def sms_place(folder, gateway, scheme="http", **more):
    place = Place(folder, sms_url=f"{scheme}://127.0.0.1:{gateway.port}/v1/messages", sms_key_file="courier/sms.key", **more)
    place.secret("sms.key", KEY + b"\n")
    return place


def ends(got, *wanted):
    expect(got == wanted, f"it ended {got}, not {wanted}")


def nothing_told(place, *secret_texts):
    """Neither log nor status has what was sent or to whom."""
    told = place.log.read_text() + str(place.supervisor.status)
    for text in secret_texts:
        expect(text not in told, f"{text} stands in the log or the status")


@case
def plain_on_loopback(folder):
    port = free_port()
    text = "Ihr Code ist 918273.\n.\n..zwei Punkte\n\nGültig 5 Minuten – danach nicht mehr; " + "lang " * 40 + "=\n"
    with MailServer(port) as server, mail_place(folder, port, mail_from_name="Büro \"Nord\"") as place:
        message = new_message(subject="Ihr Code für die Rückfrage bei uns – bitte am Telefon nennen, sonst niemandem", text=text)
        ends(place.keeper.deliver(message), "taken", "taken")
        place.wait_status(lambda s: s["email"]["sent"] == 1 and s["email"]["waiting"] == 0 and s["keeper"])
        (mail,) = server.mails
        expect((mail.sender, mail.recipients, mail.hello) == (FROM, ["ann@example.com"], "example.org"), f"envelope: {mail}")
        expect(not mail.tls and b"\n" not in mail.content.replace(b"\r\n", b"") and mail.content.isascii(), "lines end with CRLF, all is ASCII")
        read = email.message_from_bytes(mail.content, policy=email.policy.default)
        expect(not read.defects, f"defects: {read.defects}")
        expect((read["To"], read["Subject"]) == ("ann@example.com", message["subject"]), f"headers: {read.items()}")
        expect(read["From"].addresses[0].display_name == 'Büro "Nord"' and read["From"].addresses[0].addr_spec == FROM, f"from: {read['From']}")
        expect(read["Message-ID"] == f"<{message['id'].hex()}@example.org>" and read["Auto-Submitted"] == "auto-generated", "its id")
        expect(abs(read["Date"].datetime.timestamp() - time.time()) < 60, f"date: {read['Date']}")
        expect(read.get_content_type() == "text/plain" and read.get_content().replace("\r\n", "\n") == text, f"text: {read.get_content()!r}")
        nothing_told(place, "918273", "ann@", "Ihr Code")


@case
def starttls_with_a_certificate_and_a_login(folder):
    port, authority = free_port(), Authority(folder + "/ca")
    login = (b"callward", "päss wörd".encode())
    with MailServer(port, tls=authority.context(), login=login) as server, \
            mail_place(folder, port, "localhost", smtp_starttls=True, smtp_ca_file="ca/ca.pem", smtp_credential_file="courier/smtp") as place:
        message = new_message(seconds=60)
        place.keeper.ask(message)  # without a credential yet: it is tried again, and shown
        place.wait_status(lambda s: s["email"]["failing"] == "credential")
        place.secret("smtp", b"callward\nwrong\n")
        place.wait_status(lambda s: s["email"]["failing"] == "login")
        expect(not server.commands, "nothing was sent before the login")
        place.secret("smtp", b"\n".join(login) + b"\n")
        ends(place.keeper.end_of(message), "taken", "taken")
        (mail,) = server.mails
        expect(mail.tls and mail.user == "callward", f"by TLS, as who we are: {mail}")
        place.wait_status(lambda s: s["email"]["failing"] == "")
        nothing_told(place, "wrong", "wörd")


@case
def tls_from_the_first_byte(folder):
    port, authority = free_port(), Authority(folder + "/ca")
    with MailServer(port, at_once=authority.context(), login=(b"callward", b"word")) as server:
        place = Place(folder, smtp_url=f"smtps://localhost:{port}", mail_from=FROM, smtp_ca_file="ca/ca.pem", smtp_credential_file="courier/smtp")
        place.secret("smtp", b"callward\nword\n")
        with place:
            ends(place.keeper.deliver(new_message()), "taken", "taken")
            expect(server.mails[0].tls and server.mails[0].user == "callward", f"by TLS: {server.mails[0]}")
    with MailServer(port) as server, place:  # one that speaks none
        expect(place.keeper.deliver(new_message(seconds=3))[0] == "given_up" and not server.commands, "nothing goes out in the clear")


@case
def a_name_is_looked_up_inside_the_sandbox(folder):
    """Not `localhost`, which libcurl knows by itself."""
    name = socket.gethostname()
    try:
        local = all(a[4][0].startswith("127.") for a in socket.getaddrinfo(name, 25, socket.AF_INET, socket.SOCK_STREAM))
    except OSError:
        local = False
    if not local:
        raise Skipped(f"{name} leads to no loopback address here")
    port, authority = free_port(), Authority(folder + "/ca")
    with MailServer(port, tls=authority.context()) as server, mail_place(folder, port, name, smtp_ca_file="ca/ca.pem") as place:
        ends(place.keeper.deliver(new_message()), "taken", "taken")
        expect(server.mails[0].tls, "no loopback by its name: STARTTLS")
    with mail_place(folder, port, "nobody.invalid") as place:
        ends(place.keeper.deliver(new_message(seconds=3)), "given_up", "no_host")


@case
def tls_that_is_not_to_be_trusted(folder):
    port, ours, other = free_port(), Authority(folder + "/ours"), Authority(folder + "/other")
    with MailServer(port, tls=other.context()) as server:
        with mail_place(folder, port, "localhost", smtp_starttls=True, smtp_ca_file="ours/ca.pem") as place:
            ends(place.keeper.deliver(new_message(seconds=3)), "given_up", "certificate")
        with mail_place(folder, port, "localhost", smtp_starttls=True) as place:  # the system's authorities know it not
            ends(place.keeper.deliver(new_message(seconds=3)), "given_up", "certificate")
        expect(not server.commands, f"nobody got a letter: {server.commands}")
    another = Authority(folder + "/another", "DNS:mail.example.com")
    with MailServer(port, tls=another.context()) as server:
        with mail_place(folder, port, "localhost", smtp_starttls=True, smtp_ca_file="another/ca.pem") as place:
            ends(place.keeper.deliver(new_message(seconds=3)), "given_up", "certificate")  # of somebody else's name
        expect(not server.commands, f"nor who has another name: {server.commands}")
    with MailServer(port) as server:  # somebody in between took STARTTLS away
        with mail_place(folder, port, "localhost", smtp_starttls=True, smtp_ca_file="ours/ca.pem", smtp_credential_file="courier/smtp") as place:
            place.secret("smtp", b"callward\npassword\n")
            ends(place.keeper.deliver(new_message(seconds=3)), "given_up", "no_tls")
        expect(not server.commands, f"nothing goes out in the clear: {server.commands}")


@case
def what_the_server_says(folder):
    port = free_port()
    with mail_place(folder, port) as place:
        with MailServer(port, at_rcpt="550 no such mailbox") as server:
            ends(place.keeper.deliver(new_message()), "refused", "smtp_550")
            expect(server.commands == ["MAIL", "RCPT"], f"asked once: {server.commands}")
        with MailServer(port, answers=["554 spam, it thinks"]) as server:
            ends(place.keeper.deliver(new_message()), "refused", "smtp_554")
        with MailServer(port, answers=["451 later", "452 later"]) as server:
            message = new_message()
            place.keeper.ask(message)
            place.wait_status(lambda s: s["email"]["failing"].startswith("smtp_45") and s["email"]["waiting"] == 1)
            ends(place.keeper.end_of(message), "taken", "taken")
            expect(server.commands.count("DATA") == 3 and len(server.mails) == 1, f"the third time: {server.commands}")
        with MailServer(port, answers=["451 later"] * 9) as server:
            ends(place.keeper.deliver(new_message(seconds=4)), "given_up", "smtp_451")
        place.wait_status(lambda s: (s["email"]["sent"], s["email"]["refused"], s["email"]["given_up"]) == (1, 2, 1))


@case
def a_server_that_is_away_and_comes_back(folder):
    port = free_port()
    with mail_place(folder, port) as place:
        late, patient = new_message(seconds=3), new_message(seconds=60)
        place.keeper.ask(patient)
        ends(place.keeper.deliver(late), "given_up", "not_reached")
        ends(place.keeper.deliver(new_message(seconds=-1)), "given_up", "deadline")
        with MailServer(port) as server:
            ends(place.keeper.end_of(patient), "taken", "taken")
            expect(len(server.mails) == 1, "the one that was not too late")


@case
def a_server_that_hangs_holds_up_no_text_message(folder):
    with socket.create_server(("127.0.0.1", 0)) as silent, Gateway(KEY) as gateway:
        place = Place(folder, smtp_url=f"smtp://127.0.0.1:{silent.getsockname()[1]}", mail_from=FROM, sms_url=f"http://localhost:{gateway.port}/",
                      sms_key_file="courier/sms.key")
        place.secret("sms.key", KEY)
        with place:
            mails = [new_message(seconds=6) for _ in range(5)]
            for mail in mails:
                place.keeper.ask(mail)
            place.wait_status(lambda s: s["email"]["waiting"] == 5 and s["email"]["tries"] == 2)
            ends(place.keeper.deliver(new_message(SMS, "+4915112345678")), "taken", "taken")
            expect(not any(m["id"] in place.keeper.ends for m in mails), "while those hang")
            for mail in mails:
                expect(place.keeper.end_of(mail)[0] == "given_up", "at the deadline")


@case
def the_gateway(folder):
    with Gateway(KEY, answers=[408, 429, 503]) as gateway, sms_place(folder, gateway) as place:
        text = "Code \"918273\" \\ für Sie\nnur 5 Minuten"
        message = new_message(SMS, "+4915112345678", text=text)
        ends(place.keeper.deliver(message), "taken", "taken")
        expect(len(gateway.requests) == 4 and len({r[2]["id"] for r in gateway.requests}) == 1, f"one message, four tries: {gateway.requests}")
        path, kind, sent = gateway.requests[-1]
        expect((path, kind) == ("/v1/messages", "application/json"), f"{path} {kind}")
        expect((sent["id"], sent["to"], sent["text"]) == (message["id"].hex(), "+4915112345678", text) and set(sent) == {"id", "to", "text", "sent_at"}, f"{sent}")
        for status in (400, 404, 422):
            gateway.answers = [status]
            ends(place.keeper.deliver(new_message(SMS, "+4915112345678")), "refused", f"http_{status}")
        gateway.answers = [302] * 9
        ends(place.keeper.deliver(new_message(SMS, "+4915112345678", seconds=3)), "given_up", "http_302")
        gateway.answers = []
        gateway.key = b"another" * 8  # the gateway knows another key: the signature is not for it
        ends(place.keeper.deliver(new_message(SMS, "+4915112345678")), "refused", "http_401")
        expect(len(gateway.bad) == 1 and len(gateway.taken) == 1, "and it took only the one")
        nothing_told(place, "918273", "15112345678", KEY.decode())


@case
def the_gateway_by_tls(folder):
    authority, other = Authority(folder + "/ca"), Authority(folder + "/other")
    with Gateway(KEY, tls=authority.context()) as gateway:
        with sms_place(folder, gateway, "https", sms_ca_file="ca/ca.pem") as place:
            ends(place.keeper.deliver(new_message(SMS, "+4915112345678")), "taken", "taken")
        with sms_place(folder, gateway, "https", sms_ca_file="other/ca.pem") as place:
            ends(place.keeper.deliver(new_message(SMS, "+4915112345678", seconds=3)), "given_up", "certificate")
        expect(len(gateway.requests) == 1, "who is not who it says gets nothing")


@case
def what_cannot_be_sent(folder):
    port = free_port()
    with MailServer(port) as server, mail_place(folder, port) as place:
        for reason, more in (("bad_address", {"to": "ann@example.com>\r\nRCPT TO:<eve@example.net"}), ("bad_address", {"to": "ann@example.com\r\nBcc: eve@example.net"}),
                             ("bad_address", {"to": "ann@example.com,eve@example.net"}), ("bad_address", {"to": ""}),
                             ("bad_subject", {"subject": "x\r\nBcc: eve@example.net"}), ("bad_subject", {"subject": "x\n\nbody"}),
                             ("bad_text", {"text": "a\0b"}), ("bad_text", {"text": ""}), ("too_long", {"text": "a" * 8193}), ("too_long", {"subject": "a" * 201})):
            ends(place.keeper.deliver(new_message(**more)), "refused", reason)
        ends(place.keeper.deliver(new_message(7)), "refused", "bad_channel")
        ends(place.keeper.deliver(new_message(SMS, "+4915112345678")), "no_channel", "not_configured")
        expect(not server.commands, f"the mail server heard of none: {server.commands}")


@case
def without_any_channel(folder):
    with Place(folder) as place:
        ends(place.keeper.deliver(new_message()), "no_channel", "not_configured")
        expect(place.wait_status(lambda s: s["ready"])["email"]["configured"] is False, "it says so")


@case
def a_keeper_that_goes_and_comes(folder):
    port = free_port()
    with mail_place(folder, port) as place:
        message = new_message()
        place.keeper.ask(message)
        place.wait_status(lambda s: s["email"]["tries"] >= 1)
        place.keeper.die()
        place.wait_status(lambda s: not s["keeper"])
        place.keeper.live()
        place.wait_status(lambda s: s["keeper"])
        place.keeper.ask(message)  # repeated, as it was not answered
        with MailServer(port) as server:
            ends(place.keeper.end_of(message), "taken", "taken")
            place.keeper.ends.clear()
            ends(place.keeper.deliver(message), "taken", "taken")  # and asked again, afterwards
            expect((len(server.mails), place.keeper.answers) == (1, 2), f"one mail, an answer a request: {len(server.mails)}, {place.keeper.answers}")


@case
def a_courier_that_is_killed(folder):
    port = free_port()
    with mail_place(folder, port) as place:
        message = new_message()
        place.keeper.ask(message)
        place.wait_status(lambda s: s["email"]["tries"] >= 1)
        place.kill()
        place.keeper.courier = None
        place.start()
        with MailServer(port) as server:
            ends(place.keeper.deliver(message), "taken", "taken")
            expect(f"<{message['id'].hex()}@example.org>".encode() in server.mails[0].content, "the id is the message's")


@case
def who_may_ask(folder):
    port = free_port()
    with MailServer(port) as server, mail_place(folder, port) as place:
        stranger = Client(folder)
        expect(stranger.deliver(new_message()) == ("error", "denied"), "without a Hello")
        for name, role in (("listener", 3), ("", 3), ("keeper", 3), ("server", 1), ("server", 6), ("server", 0)):
            place.supervisor.we_are = name
            expect(stranger.hello(role) == "denied", f"{name or 'nobody'} as role {role} is refused")
            expect(stranger.deliver(new_message()) == ("error", "denied"), "and stays a stranger")
            expect(stranger.remind(new_reminder()) == ("error", "denied"), "who reminds nobody")
        expect(not server.commands, "nothing was sent")
        place.supervisor.we_are = "server"
        asker = Client(folder)
        expect(asker.hello() == "welcome", "the server is welcome")
        for body in (b"", pack_reminder(new_reminder())[:-1], pack_reminder(new_reminder()) + b"x", pack_reminder(new_reminder(waits=255)),
                     pack_reminder(new_reminder(until=-1)), pack_message(new_message())):
            kind, why = asker.call(REMIND, body)
            expect(kind == ERROR and why[0] == 0, f"a frame that is no reminder: {kind} {why}")
        expect(asker.deliver(new_message()) == ("error", "denied"), "the server has no text of its own sent")
        expect(asker.deliver(new_message(SMS, "+4915112345678")) == ("error", "denied"), "nor a text message")
        kind, _ = asker.call(102, b"\0")
        expect(kind == ERROR, "no other request is known here")
        for to in ("eve@example.com>\r\nRCPT TO:<mallory@example.net", "eve@example.com\r\nBcc: mallory@example.net", ""):
            expect(asker.remind(new_reminder(to=to)) == ("refused", "bad_address"), "one address")
        expect(not server.commands, "nothing was sent")
        reminder = new_reminder(until=1_795_521_660_000)
        expect(asker.remind(reminder) == ("taken", "taken"), "the server's reminder goes out")
        expect(asker.remind(reminder) == ("taken", "taken") and len(server.mails) == 1, "once")
        read = email.message_from_bytes(server.mails[0].content, policy=email.policy.default)
        request = reminder["request"].hex()
        expect((read["To"], read["Subject"]) == ("eve@example.com", "Callward: a request waits for a release"), f"whom and what: {read.items()}")
        expect(f"Request {request[:8]} is verified" in read.get_content() and "until 24 Nov 2026, 12:01 UTC" in read.get_content() and
               f"https://localhost:8443/requests/{request}" in read.get_content(), f"which, until when, where: {read.get_content()}")
        ends(place.keeper.deliver(new_message(number=reminder["id"])), "taken", "taken")  # the keeper's under the same id is another
        expect(len(server.mails) == 2, "two askers, two messages")
        asker.sock.sendall(struct.pack("<IHHI", 1 << 30, DELIVER, 0, 9))
        expect(asker.sock.recv(1) == b"", "a frame over the bound ends the connection")
        asker = Client(folder)
        expect(asker.hello() == "welcome" and asker.remind(new_reminder()) == ("taken", "taken"), "and nothing else")


@case
def more_than_may_wait(folder):
    port = free_port()
    with mail_place(folder, port) as place:
        asker = Client(folder)
        asker.hello()
        batch = [new_reminder(seconds=300) for _ in range(1001)]
        asker.sock.settimeout(20)
        for number, message in enumerate(batch, 100):
            asker.sock.sendall(struct.pack("<IHHI", len(pack_reminder(message)), REMIND, 0, number) + pack_reminder(message))
        header = asker.sock.recv(12)
        size, kind, _, number = struct.unpack("<IHHI", header)
        expect((kind, number) == (ERROR, 1100) and asker.sock.recv(size)[0] == 10, f"the one too many is refused: {kind} {number}")
        place.wait_status(lambda s: s["email"]["waiting"] == 1000 and {q["name"]: q["refused"] for q in s["queues"]}["courier.server"] == 1)
        with MailServer(port) as server:  # the keeper's does not wait behind them
            message = new_message(to="first@example.com")
            already = len(server.mails)
            ends(place.keeper.deliver(message), "taken", "taken")
            before = [m.recipients for m in server.mails].index(["first@example.com"]) - already
            expect(before < 300, f"{before} of the server's went before it")


def memory_of(place):
    memory = b""
    with open(f"/proc/{place.process.pid}/maps") as maps, open(f"/proc/{place.process.pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            begin, end = (int(x, 16) for x in span.split("-"))
            try:
                mem.seek(begin)
                memory += mem.read(end - begin)
            except OSError:
                pass
    return memory


@case
def the_first_letter_leaves_nothing(folder):
    """No later one has written over what it leaves behind; in the clear, as to a mail server of this machine."""
    if os.geteuid() != 0:
        raise Skipped("only root reads a locked process's memory")
    port = free_port()
    with MailServer(port), mail_place(folder, port) as place:
        code, who = (secrets.token_hex(4) for _ in range(2))
        ends(place.keeper.deliver(new_message(text=f"Your code is {code}.\n", to=f"{who}@example.com")), "taken", "taken")
        memory = memory_of(place)
        expect(b"127.0.0.1" in memory, "it is its memory")
        left = [n for n in (code, who) if n.encode() in memory]
        expect(not left, f"left in memory: {left}")


@case
def nothing_is_left_in_memory(folder):
    """Every byte of the process after the last letter has gone out: neither code nor address."""
    if os.geteuid() != 0:
        raise Skipped("only root reads a locked process's memory")
    port, authority = free_port(), Authority(folder + "/ca")
    with MailServer(port, tls=authority.context(), login=(b"callward", b"word-of-the-courier")), Gateway(KEY) as gateway:
        place = Place(folder, smtp_url=f"smtp://localhost:{port}", smtp_starttls=True, smtp_ca_file="ca/ca.pem", smtp_credential_file="courier/smtp", mail_from=FROM,
                      sms_url=f"http://127.0.0.1:{gateway.port}/", sms_key_file="courier/sms.key")
        place.secret("sms.key", KEY)
        place.secret("smtp", b"callward\nword-of-the-courier\n")
        with place:
            needles = []
            for i in range(20):
                code, who, digits = (secrets.token_hex(12) for _ in range(3))
                number = "+49" + str(secrets.randbelow(10**11) + 10**11)
                needles += [code, who, digits, number[1:]]
                ends(place.keeper.deliver(new_message(text=f"Your code is {code}.\n", to=f"{who}@example.com")), "taken", "taken")
                ends(place.keeper.deliver(new_message(SMS, number, text=f"Your code is {digits}.")), "taken", "taken")
            planted = secrets.token_hex(12)  # what is still on its way is found: the search works
            gateway.answers = [503] * 9
            place.keeper.ask(new_message(SMS, "+4915112345678", text=planted))
            place.wait_status(lambda s: s["sms"]["failing"] == "http_503")
            memory = memory_of(place)
            expect(planted.encode() in memory, "what waits is found")
            left = [n for n in needles if n.encode() in memory]
            expect(not left, f"{len(left)} of {len(needles)} pieces are left in memory")
            expect(b"word-of-the-courier" not in memory, "nor is the mail server's password")


@case
def whom_a_request_waits_for_is_told(folder):
    """A company with passkeys in the whole service: assigned, kept back while the mail server is away, told once, break-glass to the owner."""
    from company import SENTENCE, settled, staffed
    port = free_port()
    place = settled(pathlib.Path(folder) / "data", courier={"smtp_url": f"smtp://127.0.0.1:{port}", "mail_from": FROM})
    names = ("olga", "eve", "anna", "abe", "agnes")

    def told(server):
        mails = [email.message_from_bytes(m.content, policy=email.policy.default) for m in server.mails]
        return sorted((str(m["To"]).split("@")[0], str(m["Subject"])) for m in mails)

    with place:
        place.serve()
        company = staffed(place)
        people = company.people
        for name in names:
            body = {"address": f"{name}@staff.example"}
            if name == "olga":  # an owner is alarmed there: the passkey says whose and which
                whose = hashlib.sha256(bytes.fromhex(people[name].id) + body["address"].encode()).digest()
                body["signature"] = company.own_act(people[name], "mail", whose)
            company.ask(people[name], "PUT", "/v1/own/mail", body).must(200)
        company.ask(people["olga"], "PUT", "/v1/own/mail", {"address": "elsewhere@staff.example"}).must(400)
        company.ask(people["adam"], "PUT", f"/v1/people/{people['olga'].id}/mail", {"address": "adam@evil.example"}).must(403)
        company.ask(people["eve"], "POST", "/v1/own/duty", {"on": True}).must(200)
        stored = company.store(people["agnes"], {"name": "Carla Muster", "phone": "+16502530000", "email": "carla@example.com"}).must(201)
        leaf = next(f["leaf"] for f in stored["fields"] if f["field"] == "email")
        # While the mail server is away it waits, and a server that is killed asks for the same one again.
        asked = company.request(people["agnes"], stored["customer"], stored["case"], [leaf]).must(201)["request"]

        def state(name):
            return next((p for p in place.json("status", expect=(0, 3))["processes"] if p["name"] == name), {})

        wait_for("the reminder on its way", lambda: state("server").get("status", {}).get("reminders", {}).get("waiting") == 1)
        first = state("server")["pid"]
        os.kill(first, signal.SIGKILL)
        wait_for("the server to come back", lambda: state("server").get("pid") not in (None, first) and state("server").get("ready"))
        with MailServer(port) as server:
            wait_for("the expert's reminder", lambda: server.mails)
            company.wire.drop()
            company.wait_shown(people["anna"], asked)
            begun = time.monotonic()
            draft = {"request": asked, "kind": "break", "fields": [leaf], "window_ms": 0}
            company.step(people["anna"], draft, SENTENCE).must(201)
            wait_for("the owner's alarm", lambda: ("olga", "Callward ALARM: break-glass") in told(server))
            print(f"  the owner's alarm after {time.monotonic() - begun:.1f} s")
            wait_for("the second's reminder", lambda: ("abe", "Callward: a request waits for a second person") in told(server))
            alarms = company.ask(people["olga"], "GET", "/v1/own/alarms").must(200)
            expect([a["request"] for a in alarms["alarms"]] == [asked], f"the console has it too: {alarms}")
            company.step(people["abe"], draft, SENTENCE).must(201)
            wait_for("the second alarm", lambda: told(server).count(("olga", "Callward ALARM: break-glass")) == 2)
            wait_for("who asked: it is open", lambda: ("agnes", "Callward: your request is open") in told(server))
            time.sleep(3)  # and no more comes
            expect(told(server) == sorted([("eve", "Callward: a request waits for your call-back"), ("abe", "Callward: a request waits for a second person"),
                                           ("agnes", "Callward: your request is open")] +
                                          2 * [("olga", "Callward ALARM: break-glass")]), f"each once: {told(server)}")
            for mail in server.mails:
                text = mail.content.decode().replace("=\r\n", "")
                expect(asked in text and stored["customer"] not in text and "Carla" not in text and "carla" not in text, f"which request, and nothing else: {text}")
        status = state("server")["status"]["reminders"]
        expect((status["sent"], status["failed"], status["waiting"], status["without_address"]) == (5, 0, 0, 0), f"counted: {status}")
        place.cli("log", "verify")
        place.stop()
    log = (place.folder / "service.log").read_text()
    expect("staff.example" not in log, "no address in the log")


MOBILE = """
[[field]]
id = "mobile"
label = "Mobile"
kind = "phone"
class = "contact"
"""


@case
def a_code_of_a_request_goes_by_text_message(folder):
    """The customer is called back by a telephone system of its own, and told a code on another number than the one that was dialled."""
    missing = [program for program in ("kamailio", "baresip") if shutil.which(program) is None]
    if missing:
        raise Skipped(f"{', '.join(missing)} not installed: see tools/packages.txt")
    from company import settled, staffed
    from phones import PASSWORD, REALM, USER, Phone, Proxy
    dialled, mobile, company_number = "+4915112345678", "+4915170000001", "+442079460000"
    folder = pathlib.Path(folder)
    place = settled(folder / "data")
    policy = place.folder / "policy.toml"
    policy.write_text(policy.read_text() + MOBILE)
    phones, proxy = [], Proxy(folder / "proxy")
    (folder / "password").write_text(PASSWORD + "\n")
    try:
        with Gateway(KEY) as gateway:
            (place.folder / "courier").mkdir(exist_ok=True)
            key = place.folder / "courier/sms.key"
            key.write_bytes(KEY + b"\n")
            key.chmod(0o600)
            place.configure(sip={"port": free_port()},
                            courier={"sms_url": f"http://127.0.0.1:{gateway.port}/v1/messages", "sms_key_file": "courier/sms.key"},
                            callback={"proxy": f"sip:127.0.0.1:{proxy.port}", "from": f"sip:{company_number}@{REALM}",
                                      "expert_uri": "sip:{extension}@" + REALM, "customer_uri": "sip:{number}@" + REALM,
                                      "user": USER, "realm": REALM, "password_file": str(folder / "password"),
                                      "rtp_port_first": 36_200, "rtp_port_last": 36_299})
            with place:
                place.serve()
                phones += [Phone(folder / "expert", "7001", proxy, 440), Phone(folder / "customer", dialled, proxy, 1_000)]
                company = staffed(place)
                eve, agnes = company.people["eve"], company.people["agnes"]
                company.give(eve, "expert", extension="7001")
                company.ask(eve, "POST", "/v1/own/duty", {"on": True}).must(200)
                stored = company.store(agnes, {"name": "Carla Muster", "phone": dialled, "mobile": mobile, "email": "carla@example.com"}).must(201)
                leaf = {f["field"]: f["leaf"] for f in stored["fields"]}
                asked = company.request(agnes, stored["customer"], stored["case"], [leaf["email"]]).must(201)["request"]
                path = f"/v1/requests/{asked}"

                def shown():
                    return company.ask(eve, "GET", path).json or {}

                wait_for("the expert's turn", lambda: shown().get("turn") == "verify")
                turns = company.ask(eve, "GET", "/v1/own/turns").must(200)
                expect((turns["verify"], turns["release"], turns["windows"]) == (1, 0, []), f"one waits for her: {turns}")
                company.step(eve, {"request": asked, "kind": "ring"}).must(201)
                wait_for("the customer on the line", lambda: (shown().get("running") or {}).get("talking"))
                expect(shown()["dials"] == leaf["phone"], "she is told which field is dialled, and no number")

                def send(field):
                    return company.ask(eve, "POST", f"{path}/codes", {"leaf": leaf[field]}).status

                expect(send("phone") == 403, "not to the number that was dialled")
                expect(send("email") == 409, "no e-mails are sent from here, and she is told so")
                expect(not gateway.requests, "nothing went out")
                expect(send("mobile") == 204, "to the other one")
                wait_for("the text message", lambda: gateway.taken)
                (message,) = gateway.taken.values()
                expect(message["to"] == mobile, f"to whom: {message}")
                code = re.search(r"\b\d{8}\b", message["text"])
                expect(code and not gateway.bad, f"a code in it: {message}")

                def said(text):
                    given = company.seal(company.intake_key(eve), text.encode(), "code", asked)
                    return company.ask(eve, "POST", f"{path}/code-checks", {"given": given}).must(200)

                wrong = f"{(int(code[0]) + 1) % 100_000_000:08d}"
                expect(said(wrong)["match"] is False, "another code is none")
                right = said(code[0])
                expect((right["match"], right["passed"]) == (True, 1), f"it counts as a check: {right}")

                def logged():
                    return [e["data"] for e in place.entries("code_sent") if e["subject"] == asked]

                wait_for("the log's word on it", lambda: {"leaf": leaf["mobile"], "channel": "sms"} in logged())
                phones[1].hang_up()
                place.cli("log", "verify")
                place.stop()
            for file in place.folder.rglob("*"):
                if file.is_file() and not file.is_symlink():
                    held = file.read_bytes()
                    for needle in (mobile[1:].encode(), code[0].encode()):
                        expect(needle not in held, f"{needle} stands in {file}")
            expect(mobile[1:] not in phones[0].text(), "nor has the expert's telephone seen it")
    finally:
        for phone in phones:
            phone.stop()
        proxy.stop()


@case
def in_the_whole_service(folder):
    place = Installation(folder)
    place.init()
    place.configure(sip={"port": 0}, server={"port": 0}, courier={"smtp_url": f"smtp://127.0.0.1:{free_port()}", "mail_from": FROM})

    def courier():
        return next((p for p in place.json("status", expect=(0, 3))["processes"] if p["name"] == "courier"), {})

    with place:
        place.serve()
        wait_for("the courier at the keeper", lambda: courier().get("status", {}).get("keeper"))
        first = courier()["pid"]
        if os.geteuid() == 0:
            with open(f"/proc/{first}/environ", "rb") as environment:
                expect(b"glibc.malloc.perturb=90" in environment.read(), "what it frees is overwritten")
        place.json("restart", "keeper")
        time.sleep(2)  # a heartbeat of after it
        expect(courier()["pid"] == first and courier()["status"]["keeper"], "a planned restart of the keeper: nobody notices")
        stranger = Client(folder)
        expect(stranger.hello() == "denied", "who is none of the service's children is refused")
        os.kill(first, signal.SIGKILL)
        wait_for("the courier to come back", lambda: courier().get("pid") not in (None, first) and courier()["ready"] and courier()["status"]["keeper"])
        log = (place.folder / "service.log").read_text()
        expect("keeper.peer_refused" not in log, "the keeper knows it")
        expect(log.count('"event":"courier.sandboxed"') == 2, "in its sandbox, both times")
        status, metrics = place.ask("GET", "/metrics", Authorization=f"Bearer {(place.folder / 'server/cli.token').read_text().strip()}")
        expect(status == 200 and b"callward_courier_email_sent 0" in metrics, "its numbers are metrics")
        place.stop()
    expect("supervisor.killed" not in (place.folder / "service.log").read_text(), "it stops by itself")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    args = parser.parse_args()
    failed = skipped = 0
    chosen = [c for c in CASES if args.only in (None, c.__name__)]
    for function in chosen:
        with tempfile.TemporaryDirectory(prefix="cw-courier-") as folder:
            began = time.monotonic()
            try:
                function(folder)
                print(f"ok   {function.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
            except Skipped as why:
                skipped += 1
                print(f"skip {function.__name__}: {why}", flush=True)
            except Failed as why:
                failed += 1
                print(f"FAIL {function.__name__}: {why}", flush=True)
    print(f"{len(chosen) - failed - skipped} held, {failed} failed, {skipped} skipped")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
