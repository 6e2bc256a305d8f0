#!/usr/bin/env python3
"""Who may call what, route x role, as src/api/openapi.yaml says it (`x-roles`), against the real service: every route with each
role's session by passkey, with each role's by a one-time code, with the operator's token, with a token of nobody's and with
nothing. 401 and 403 come exactly where the specification has them, and nothing answers 5xx.

Then each route with an id, about somebody else's, by who has the role and nothing to do with it (strangers.py), and whether all are told
the same fields but for those that the specification gives to some (`x-told-to` of a property); and each route
without one, item by item of its lists (lists.py).

Then requests made up from the specification by schemathesis, good ones and bad ones, about what is there and what is not, each of
them by everybody: no 5xx, no status and no field of an answer that the specification does not have, nothing that a role is let
do because of a body. Seeds are fixed.

    roles_test.py [--full] [--seed N] [--only OPERATION]
"""
import argparse
import http.client
import json
import logging
import pathlib
import re
import sys
import tempfile
import time
import wave
from collections import Counter
from urllib.parse import quote, urlencode

import jsonschema_rs
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from company import ROOT, ROLES, Failed, expect, settled, staffed
from lists import Lists
from strangers import Strangers

SPECIFICATION = ROOT / "src/api/openapi.yaml"
METHODS = ("get", "post", "put", "delete", "patch")
BY_ROLE, BY_CODE = "your role may not do this", "you came in with a code"
# What ends sessions: at the end, one by one. With a code one ends one's own, and does no more.
ENDING = ("revokeOtherSessions", "signOut", "dropCode")
WITH_CODE = ("signOut", "revokeOtherSessions", "revokeSession")
STREAMS = ("streamEvents",)  # never end by themselves
EXAMPLES, EXAMPLES_FULL = 6, 60  # of each route, of each kind


# ---- the specification --------------------------------------------------------------------------------------------------------------

class Yaml(yaml.SafeLoader):
    """`on` is a word here, not a truth."""


Yaml.yaml_implicit_resolvers = {first: [(tag, what) for tag, what in found if tag != "tag:yaml.org,2002:bool"]
                                for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Yaml.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


class Route:
    def __init__(self, method, path, said, shared):
        self.method, self.path, self.id = method.upper(), path, said["operationId"]
        self.open = said.get("security") == []
        words = said.get("x-roles", [])
        self.roles = set(words) | (set(ROLES) if "any" in words else set())
        self.parameters = [shared[p["$ref"].split("/")[-1]] if "$ref" in p else p for p in said.get("parameters", [])]
        self.answers = said["responses"]
        self.writes = self.method != "GET"

    def plain(self):
        """A request that is well-formed and about nothing that is there: (path, headers, body)."""
        path, query, headers = self.path, {}, {}
        for p in self.parameters:
            value = plain_value(p["schema"])
            if p["in"] == "path":
                path = path.replace("{" + p["name"] + "}", value)
            elif p["in"] == "header":
                headers[p["name"]] = value
            elif p.get("required"):
                query[p["name"]] = value
        return path + ("?" + urlencode(query) if query else ""), headers, {} if self.writes else None


def plain_value(schema):
    if "$ref" in schema:
        return "audio"  # the one that a query needs: Kind
    if schema.get("type") == "integer":
        return str(max(1, schema.get("minimum", 1)))
    digits = re.search(r"\{(\d+)\}", schema.get("pattern", ""))
    return "1".rjust(int(digits.group(1)) if digits else 32, "0")


def routes_of(specification):
    shared = specification["components"]["parameters"]
    return [Route(m, path, methods[m], shared) for path, methods in specification["paths"].items() for m in methods if m in METHODS]


class Answers:
    """Whether an answer is one that stands in the specification, with the fields that stand there and no others."""

    def __init__(self, specification):
        self.components, self.validators = specification["components"], {}

    def look_up(self, schema):
        at = self.components
        for part in schema["$ref"].split("/")[2:]:
            at = at[part]
        return at

    def closed(self, schema):
        """The same, where an object has no fields but those that are named."""
        if "$ref" in schema:
            return self.closed(self.look_up(schema))
        if "allOf" in schema:
            parts = [self.closed(part) for part in schema["allOf"]]
            merged = {k: v for part in parts for k, v in part.items()}
            merged["properties"] = {k: v for part in parts for k, v in part.get("properties", {}).items()}
            merged["required"] = sorted({name for part in parts for name in part.get("required", [])})
            return merged
        out = dict(schema)
        if "oneOf" in out:
            out["oneOf"] = [self.closed(part) for part in out["oneOf"]]
        if "properties" in out:
            out["properties"] = {k: self.closed(v) for k, v in out["properties"].items()}
            out.setdefault("additionalProperties", False)
        if isinstance(out.get("additionalProperties"), dict):
            out["additionalProperties"] = self.closed(out["additionalProperties"])
        if "items" in out:
            out["items"] = self.closed(out["items"])
        return out

    def said(self, route, status):
        said = route.answers.get(str(status)) or (route.answers.get("default") if status >= 400 else None)
        return self.look_up(said) if said and "$ref" in said else said

    def wrong(self, route, answer):
        """What of this answer is not in the specification; None: all is."""
        said = self.said(route, answer.status)
        if said is None:
            return f"answered {answer.status}, which stands nowhere"
        kind = answer.headers.get("content-type", "").split(";")[0]
        content = said.get("content")
        if not content:
            return f"a body where none is promised: {answer.raw[:80]!r}" if answer.status == 204 and answer.raw else None
        if kind not in content:
            return f"{answer.status} as {kind or 'nothing'}"
        if "json" not in kind:
            return None
        key = (route.id, answer.status, kind)
        if key not in self.validators:
            self.validators[key] = jsonschema_rs.validator_for(self.closed(content[kind]["schema"]))
        for error in self.validators[key].iter_errors(answer.json):
            return f"{answer.status} with {list(error.instance_path)}: {str(error.message)[:200]}"
        return None


# ---- who asks ------------------------------------------------------------------------------------------------------------------------

class Caller:
    def __init__(self, name, role=None, headers=None, code=False):
        self.name, self.role, self.headers, self.code = name, role, headers or {}, code

    def may(self, route):
        return route.open or (self.role in route.roles)


def callers_of(company, codes):
    token = (company.place.folder / "server/cli.token").read_text().strip()
    out = [Caller("nobody"), Caller("a cookie of nobody's", headers={"Cookie": "__Host-callward=" + "0" * 64}),
           Caller("another token", headers={"Authorization": "Bearer " + "0" * 64}), Caller("operator", "operator", {"Authorization": f"Bearer {token}"})]
    for role in ROLES:
        out.append(Caller(role, role, {"Cookie": f"__Host-callward={company.of_role(role).cookie}"}))
    for role, session in codes.items():
        out.append(Caller(role + " by code", role, {"Cookie": f"__Host-callward={session.cookie}"}, code=True))
    return out


def head_only(company, path, headers):
    """Of a stream the status."""
    connection = company.place.connect()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    status, raw = answer.status, b"" if answer.status == 200 else answer.read()
    kind = answer.getheader("Content-Type", "")
    connection.close()
    return status, raw, kind


class Matrix:
    def __init__(self, company, routes, answers):
        self.company, self.routes, self.answers = company, routes, answers
        self.failures, self.counts = [], Counter()

    def call(self, route, caller, path=None):
        plain, headers, body = route.plain()
        headers = {**headers, **caller.headers}
        if route.id in STREAMS:
            status, raw, kind = head_only(self.company, path or plain, headers)
            return type("Head", (), {"status": status, "raw": raw, "headers": {"content-type": kind}, "json": json.loads(raw) if raw else None})
        return self.company.wire.send(route.method, path or plain, body, headers)

    def wanted(self, route, caller):
        """(401, 403, or None: whatever else; words that the refusal has)"""
        if route.open:
            return None, ""
        if caller.role is None:
            return 401, ""
        if not caller.may(route):
            return 403, BY_ROLE
        if caller.code and route.writes and route.id not in WITH_CODE:
            return 403, BY_CODE
        return None, ""

    def judge(self, route, caller, answer):
        wanted, words = self.wanted(route, caller)
        said = answer.raw[:200].decode(errors="replace")
        self.counts[answer.status] += 1
        if answer.status == 0 or answer.status >= 500:
            return f"answered {answer.status}: {said}"
        if wanted is not None:
            return None if answer.status == wanted and words in said else f"answered {answer.status}, not {wanted} {words}: {said}"
        if answer.status in (401, 403):
            return f"refused with {answer.status} who may: {said}"
        return self.answers.wrong(route, answer)

    def one(self, route, caller):
        why = self.judge(route, caller, self.call(route, caller))
        if why:
            self.failures.append(f"{route.method} {route.path} ({route.id}) by {caller.name}: {why}")

    def all(self, callers):
        for route in self.routes:
            for caller in callers:
                if route.id not in ENDING or not caller.may(route) or self.wanted(route, caller)[0] == 403:
                    self.one(route, caller)

    def ended(self, caller, what):
        status = self.company.wire.send("GET", "/v1/session", None, caller.headers).status
        if status != 401:
            self.failures.append(f"{caller.name}: after {what} the session answers {status}")

    def endings(self, callers):
        """By each one's own session, and what it ends is over."""
        by_id = {route.id: route for route in self.routes}
        passkeys = {c.role: c for c in callers if c.role in ROLES and not c.code}
        for code in (c for c in callers if c.code):
            self.one(by_id["revokeOtherSessions"], code)
            shown = {"passphrase": self.company.of_role(code.role).passphrase}
            self.company.wire.send("POST", "/v1/sessions/ending", shown, code.headers).must(204)
            self.ended(passkeys[code.role], "the others were ended by a code's session")
            self.one(by_id["signOut"], code)
            self.ended(code, "signing out")
            self.company.sign_in(self.company.of_role(code.role))
            again = Caller(code.role, code.role, {"Cookie": f"__Host-callward={self.company.of_role(code.role).cookie}"})
            for operation in ("dropCode", "revokeOtherSessions", "signOut"):
                self.one(by_id[operation], again)
            self.ended(again, "signing out")


# ---- made up from the specification --------------------------------------------------------------------------------------------------

class Made:
    """What is there to be asked about, by the beginning of a path."""

    def __init__(self, company, folder):
        self.company = company
        agent, technician = company.of_role("agent"), company.of_role("technician")
        stored = company.store(agent, {"name": "Nora Nobody", "phone": "+16502530000", "query": "Nothing works", "email": "nora@example.com",
                                       "password": "correct horse 9", "service_word": "Grey Goose"}).must(201)
        self.customer, case = stored["customer"], stored["case"]
        company.ask(agent, "POST", f"/v1/customers/{self.customer}/cases/{case}/technician", {"technician": technician.id}).must(204)
        self.request = company.request(technician, self.customer, case, [0, 3]).must(201)["request"]
        self.person = company.ask(company.owner, "POST", "/v1/people", {"name": "vic", "roles": []}).must(201)["person"]
        self.call = self.recorded(folder)

    def recorded(self, folder):
        sound = pathlib.Path(folder) / "hush.wav"
        with wave.open(str(sound), "wb") as w:
            w.setnchannels(2)
            w.setsampwidth(2)
            w.setframerate(8_000)
            w.writeframes(bytes(4 * 8_000))
        self.company.place.cli("import", sound)
        return self.company.place.calls()[0]["id"]

    def of(self, path):
        kinds = {"/v1/customers/{id}": self.customer, "/v1/requests/{id}": self.request, "/v1/people/{id}": self.person, "/v1/calls/{id}": self.call}
        return next((value for begin, value in kinds.items() if path.startswith(begin)), None)


class MadeUp:
    def __init__(self, company, routes, answers, made, callers, examples, seed_number):
        self.company, self.answers, self.made, self.callers = company, answers, made, callers
        self.routes, self.examples, self.seed = {f"{r.method} {r.path}": r for r in routes}, examples, seed_number
        self.failures, self.counts = [], Counter()

    def cases(self, operation, mode):
        out = []

        @seed(self.seed)
        @settings(max_examples=self.examples, database=None, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def collect(case):
            out.append(case)
        try:
            collect()
        except Exception as error:  # nothing bad can be said of a route without parameters and body
            if mode == GenerationMode.POSITIVE:
                raise
            expect(type(error).__name__ in ("Unsatisfiable", "SkipTest", "Skipped"), f"{operation.label}: {error!r}")
        return out

    def send(self, route, case, caller, number):
        kwargs = case.as_transport_kwargs(base_url="https://localhost")
        url = kwargs["url"].removeprefix("https://localhost")
        if self.made.of(route.path) and number % 2 == 0:
            url = url_with(route, case, self.made.of(route.path))
        query = urlencode({k: v for k, v in (kwargs.get("params") or {}).items()}, doseq=True)
        headers = {"X-Callward": "1", **caller.headers}
        for p in route.parameters:
            if p["in"] == "header" and p["name"] in (case.headers or {}):
                headers[p["name"]] = str(case.headers[p["name"]]).encode("latin-1", "replace").decode("latin-1")
        raw = kwargs.get("data")
        if "json" in kwargs and kwargs["json"] is not None:
            raw = json.dumps(kwargs["json"]).encode()
        if raw is not None:
            headers["Content-Type"] = "application/json"
        return url + ("?" + query if query else ""), headers, raw.encode() if isinstance(raw, str) else raw

    def one(self, route, case, caller, number):
        url, headers, raw = self.send(route, case, caller, number)
        answer = self.company.wire.send_raw(route.method, url, raw, headers)
        self.counts[answer.status] += 1
        why = None
        if answer.status == 0 or answer.status >= 500:
            why = f"answered {answer.status}: {answer.raw[:300]!r}"
        elif not caller.may(route):
            wanted = 401 if caller.role is None else 403
            # 400, 404, 405, 413: it is not even this route
            why = None if answer.status in (wanted, 400, 404, 405, 413, 414, 431) else f"answered {answer.status} to who may not"
        elif answer.status not in (400, 404, 405, 413, 414, 431):
            why = self.answers.wrong(route, answer)
        if why:
            self.failures.append(f"{route.method} {url[:300]} ({route.id}) by {caller.name}: {why}; body {raw[:500] if raw else None!r}")

    def all(self, only=None):
        logging.disable(logging.CRITICAL)
        for found in schemathesis.openapi.from_path(SPECIFICATION).get_all_operations():
            operation = found.ok()
            route = self.routes[operation.label]
            if route.id in ENDING + STREAMS or only and route.id != only:
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for number, case in enumerate(self.cases(operation, mode)):
                    for caller in self.callers:
                        self.one(route, case, caller, number)


def url_with(route, case, value):
    """The path with what is there in the place of its id, the rest as it was made up."""
    path = route.path.replace("{id}", value)
    for name, given in (case.path_parameters or {}).items():
        path = path.replace("{" + name + "}", quote(str(given), safe=""))
    return path


# ---- the story -----------------------------------------------------------------------------------------------------------------------

def told(what, failures, counts, began):
    shown = ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))
    print(f"  {what}: {sum(counts.values())} requests in {time.monotonic() - began:.0f} s ({shown})", flush=True)
    for line in failures[:40]:
        print(f"  FAILS  {line}")
    return len(failures)


def story(folder, args):
    specification = yaml.load(SPECIFICATION.read_text(), Yaml)
    routes, answers = routes_of(specification), Answers(specification)
    place = settled(pathlib.Path(folder) / "data")
    with place:
        place.serve()
        company = staffed(place)
        made = Made(company, folder)
        codes = {role: company.code_session(company.of_role(role)) for role in ROLES}
        callers = callers_of(company, codes)
        began = time.monotonic()
        made_up = MadeUp(company, routes, answers, made, [c for c in callers if not c.code], EXAMPLES_FULL if args.full else EXAMPLES, args.seed)
        matrix = Matrix(company, routes, answers)
        if not args.only:
            matrix.all(callers)
        bad = told(f"{len(routes)} routes x {len(callers)} callers", matrix.failures, matrix.counts, began)
        if not args.only:
            began, strangers = time.monotonic(), Strangers(company, routes, answers, made.call)
            strangers.all()
            bad += told(f"{len(strangers.tried)} routes about somebody else's, by {sum(strangers.tried.values())} strangers; by {len(strangers.right)} to whom it belongs; "
                        f"{sum(n > 1 for n, _ in strangers.compared.values())} answers compared by role",
                        strangers.failures, strangers.counts, began)
            began, lists = time.monotonic(), Lists(company, routes, answers, strangers)
            lists.all()
            bad += told(f"{len(lists.routes)} routes without an id, by two of each role; {sum(lists.compared.values())} things of {sum(n > 0 for n in lists.compared.values())} "
                        "compared by role", lists.failures, lists.counts, began)
        began = time.monotonic()
        made_up.all(args.only)
        bad += told(f"made up, seed {args.seed}", made_up.failures, made_up.counts, began)
        began = time.monotonic()
        matrix.failures, matrix.counts = [], Counter()
        if not args.only:
            matrix.endings(callers)
            bad += told("ending sessions", matrix.failures, matrix.counts, began)
        rules = place.cli("log", "check", expect=(0, 3))
        expect(rules.returncode == 0, f"the log breaks its rules: {rules.stdout[:2000]}")
        place.stop()
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callward-roles-") as folder:
        bad = story(folder, args)
    print(f"{'1 passed, 0 failed' if not bad else '0 passed, 1 failed'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
