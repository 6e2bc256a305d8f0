#!/usr/bin/env python3
"""The telephone system of tests/e2e/phones.py for a story that is told elsewhere: one command a line on standard input (JSON), one
answer a line on standard output. Everything ends with it.

    {"do": "proxy"}                                   -> {"port": …, "realm": …, "user": …, "password_file": …}
    {"do": "phone", "name": "7001", "hz": 440}        -> {}
    {"do": "hang_up", "name": "7001"}                 -> {}
    {"do": "seen", "name": "7001", "text": "+4915…"}  -> {"count": …}
"""
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/e2e"))
from phones import PASSWORD, REALM, USER, Phone, Proxy


def main():
    with tempfile.TemporaryDirectory(prefix="callward-phones-") as name:
        folder = pathlib.Path(name)
        proxy, phones = None, {}
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
                except Exception as error:  # told, and the story fails
                    answer = {"error": str(error)}
                print(json.dumps(answer), flush=True)
        finally:
            for phone in phones.values():
                phone.stop()
            if proxy is not None:
                proxy.stop()


if __name__ == "__main__":
    main()
