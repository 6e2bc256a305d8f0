#!/usr/bin/env python3
"""What stands outside of Callward, for a story that is told elsewhere: the telephone system of tests/e2e/phones.py and the mail
server of tests/e2e/courier_rig.py. One command a line on standard input (JSON), one answer a line on standard output. Everything
ends with it.

    {"do": "proxy"}                                   -> {"port": …, "realm": …, "user": …, "password_file": …}
    {"do": "phone", "name": "7001", "hz": 440}        -> {}
    {"do": "hang_up", "name": "7001"}                 -> {}
    {"do": "seen", "name": "7001", "text": "+4915…"}  -> {"count": …}
    {"do": "mail"}                                    -> {"port": …}
    {"do": "mails"}                                   -> {"mails": [{"to": […], "text": …}]}
"""
import email
import email.policy
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/e2e"))
from courier_rig import MailServer
from installation import free_port
from phones import PASSWORD, REALM, USER, Phone, Proxy


def read(mail):
    content = email.message_from_bytes(mail.content, policy=email.policy.default)
    return {"to": mail.recipients, "text": content.get_body().get_content()}


def main():
    with tempfile.TemporaryDirectory(prefix="callward-phones-") as name:
        folder = pathlib.Path(name)
        proxy, phones, mail = None, {}, None
        try:
            for line in sys.stdin:
                order = json.loads(line)
                answer = {}
                try:
                    if order["do"] == "proxy":
                        proxy = Proxy(folder / "proxy")
                        secret = folder / "password"
                        secret.write_text(PASSWORD + "\n")
                        answer = {"port": proxy.port, "realm": REALM, "user": USER, "password_file": str(secret)}
                    elif order["do"] == "phone":
                        phones[order["name"]] = Phone(folder / order["name"].strip("+"), order["name"], proxy, order["hz"])
                    elif order["do"] == "hang_up":
                        phones[order["name"]].hang_up()
                    elif order["do"] == "seen":
                        answer = {"count": phones[order["name"]].text().count(order["text"])}
                    elif order["do"] == "mail":
                        mail = MailServer(free_port()).__enter__()
                        answer = {"port": mail.port}
                    elif order["do"] == "mails":
                        answer = {"mails": [read(one) for one in mail.mails]}
                except Exception as error:  # told, and the story fails
                    answer = {"error": str(error)}
                print(json.dumps(answer), flush=True)
        finally:
            for phone in phones.values():
                phone.stop()
            if mail is not None:
                mail.__exit__()
            if proxy is not None:
                proxy.stop()


if __name__ == "__main__":
    main()
