"""Somebody else's things by their id: each route of src/api/openapi.yaml with an id in its path, by a person of each role that the
route is for, who has nothing to do with whose it is. Wanted is 403 or 404; or, where the tables below say that a role has to do with
everybody's, that it is let through. Then whoever it does belong to asks the same: that it is there and well asked the refusals of the
others would not show.

A route that is in no table is refused to every role; one that comes anew is tried by itself.

Of what several roles may look at, each is told the same fields: but for those that the specification gives to some of them (`x-told-to` of a
property: for others it is empty), and VARIES."""
import secrets
import time
from collections import Counter

from company import ROLES, SENTENCE, Failed, b64, expect, raw_public

# Operation: the roles that may, whoever's it is, and why.
OF_EVERYBODY = {
    "getPerson": (ROLES, "who may release, who leads, whose key it is: the chart is everybody's"),
    "makeRecovery": (("owner",), "and the person's own custodians; the key that is offered then takes two more"),
    "listSessionsOf": (("owner", "administrator"), "a device is lost, its owner away"),
    "revokeSessionsOf": (("owner", "administrator"), "a device is lost, its owner away"),
    "resetCode": (("owner", "administrator"), "a telephone is lost; codes open nothing"),
    "getMail": (("owner", "administrator"), "where people are reminded is set up for them"),
    "setMail": (("owner", "administrator"), "where people are reminded is set up for them; owners' own takes their passkey"),
    "getReaderRequest": (ROLES, "a command line asks whoever sits in front of it"),
    "signReaderRequest": (ROLES, "who signs it reads by it, with the role that they have; nobody else does"),
    "alarmSeen": (("owner",), "an alarm is every owner's; the mark is one's own"),
    "getCall": (("reviewer", "owner"), "every recording is to be reviewed; the others have call-backs they judge by"),
    "getAccount": (("reviewer", "owner"), "as getCall"),
    "getRecords": (("reviewer", "owner"), "as getCall; ciphertext"),
    "getObject": (("reviewer", "owner"), "as getCall; ciphertext"),
    "openCall": (("reviewer",), "as getCall; with a reason, and an entry"),
    "eraseRange": (("reviewer", "owner"), "what was said too much is erased by who hears it"),
    "markMissed": (("reviewer", "owner"), "the same: what the listener missed is erased by who hears it"),
    "markNeedless": (("reviewer", "owner"), "who hears a call says what was erased for nothing; nothing comes back"),
    "markReviewed": (("reviewer", "owner"), "who has heard a call says so"),
    "listMarks": (("reviewer", "owner"), "as getCall; kinds and causes, no words"),
    "eraseCall": (("reviewer", "owner"), "the same; of a long call it takes two"),
    "setHold": (("owner",), "of any call"),
    "listHeldOfCall": (("reviewer", "owner"), "as getCall"),
    "proveErasure": (("reviewer", "owner", "auditor"), "a proof has no content"),
    "getCustomer": (("supervisor", "owner"), "who leads; kinds and times, no value. An agent has whom a look-up found"),
    "closeCase": (("supervisor", "owner"), "who leads"),
    "assignCase": (("supervisor", "owner"), "who leads"),
    "eraseField": (("supervisor", "owner"), "who leads; nothing is read"),
    "eraseCustomer": (("supervisor", "owner"), "who leads; one alone erases nobody"),
    "holdCustomer": (("supervisor", "owner"), "who leads"),
    "getCustomerReceipt": (("authorised", "supervisor", "owner"), "of one for whom there is a request; who leads, of any"),
    "getRequest": (("authorised", "supervisor", "owner", "auditor"), "who releases, leads, or audits"),
    "openWords": (("authorised", "owner"), "who releases has to know the concern; an owner looks after what is broken open"),
    "getTimeline": (("authorised", "supervisor", "owner", "auditor"), "as getRequest"),
}
OF_EVERYBODY["getCustomer"] = (OF_EVERYBODY["getCustomer"][0] + ("authorised",), OF_EVERYBODY["getCustomer"][1] + "; who releases, of one asked for")
# Not tried: nobody's in particular, or not there in this company.
NOBODYS = {
    "makeEnrolment": "the operator's alone", "endReaderRequest": "the operator's alone",
    "getReceipt": "an entry of the log is nobody's", "retireMirror": "a mirror is the installation's",
    "decideHeld": "by role, as listHeldOfCall; nothing is held here", "getOrder": "by role, as eraseRange; its order is known to who gave it",
}
# Who it belongs to, and what they are told: the same request, which is refused to strangers.
RIGHTFUL = {
    "revokeSession": ("agnes", (204,)), "withdrawDraft": ("olga", (204,)), "signDraft": ("olga", (200,)),
    "openQuery": ("tom", (201,)), "makeForm": ("tom", (201,)), "closeCase": ("tom", (204,)), "eraseField": ("tom", (202,)),
    "getCustomer": ("tom", (200,)), "getRequest": ("tom", (200,)), "getTimeline": ("tom", (200,)),
    # It is theirs, and not its time: a request that waits for its call-back.
    "getRequestReceipt": ("tom", (409,)), "checkField": ("eve", (409,)), "sendCode": ("eve", (409,)), "checkCode": ("eve", (409,)),
    "openWords": ("eve", (201,)),
}
# Operation: fields that differ from person to person, and why.
VARIES = {
    "getRequest": ({"next[].why", "fields[].gone_at"}, "to each, why it is not them; who does not see the customer sees the fields that are asked for"),
}


def filled(value, at=""):
    """The fields of an answer that say anything: paths like keys[].id."""
    if isinstance(value, dict):
        return {path for name, one in value.items() for path in filled(one, f"{at}.{name}" if at else name)} | ({at} if at and value else set())
    if isinstance(value, list):
        return {path for one in value for path in filled(one, at + "[]")} | ({at} if value else set())
    return {at} if value not in (None, "", 0, False) else set()


def kept_to_roles(answers, schema, at=""):
    """{field: roles} of the properties of this schema that have x-told-to."""
    closed, out = answers.closed(schema), {}
    for name, one in closed.get("properties", {}).items():
        path = f"{at}.{name}" if at else name
        if "x-told-to" in one:
            out[path] = set(one["x-told-to"])
        out.update(kept_to_roles(answers, one, path))
    if "items" in closed:
        out.update(kept_to_roles(answers, closed["items"], at + "[]"))
    return out


class Strangers:
    def __init__(self, company, routes, answers, call):
        self.company, self.answers, self.call = company, answers, call
        self.told = {}  # by looks: {role: what is filled}
        self.routes = [r for r in routes if "{" in r.path]
        self.failures, self.counts, self.tried, self.right, self.compared = [], Counter(), Counter(), [], {}
        known = {r.id for r in self.routes}
        unknown = (set(OF_EVERYBODY) | set(NOBODYS) | set(RIGHTFUL)) - known
        expect(not unknown, f"no route with an id: {unknown}")
        self.people = {role: company.join(f"other-{role}", role) for role in ROLES}
        people = company.people
        company.ask(people["eve"], "POST", "/v1/own/duty", {"on": True}).must(200)
        self.asked = self.customer()
        self.request = company.request(people["tom"], self.asked["customer"], self.asked["case"], [self.asked["leaf"]["email"]]).must(201)["request"]
        company.wait_shown(people["eve"], self.request)
        self.person = company.join("victor", "agent")
        company.code_session(self.person)
        self.session, self.alarm = self.second_session(), self.alarming()

    def customer(self):
        """Agnes's, and Tom is its technician."""
        agent, technician = self.company.people["agnes"], self.company.people["tom"]
        stored = self.company.store(agent, {"name": "Nora Nobody", "phone": "+16502530000", "query": "Nothing works", "email": "nora@example.com",
                                            "password": "correct horse 9", "service_word": "Grey Goose"}).must(201)
        path = f"/v1/customers/{stored['customer']}/cases/{stored['case']}/technician"
        self.company.ask(agent, "POST", path, {"technician": technician.id}).must(204)
        return {**stored, "leaf": {f["field"]: f["leaf"] for f in stored["fields"]}}

    def draft(self):
        body = {"kind": "person", "person": self.person.id, "roles": ["agent"], "answers_to": self.company.owner.id, "extension": ""}
        return self.company.ask(self.company.owner, "POST", "/v1/chart/drafts", body).must(201)

    def second_session(self):
        """Of Agnes."""
        agnes, before = self.company.people["agnes"], self.company.people["agnes"].cookie
        self.company.sign_in(agnes)
        agnes.cookie, second = before, agnes.cookie
        items = self.company.ask(agnes, "GET", "/v1/sessions").must(200)["sessions"]
        return next(s["id"] for s in items if not s["current"])

    def alarming(self):
        """A request that one of two has broken open."""
        people, other = self.company.people, self.customer()
        leaf = other["leaf"]["email"]
        request = self.company.request(people["tom"], other["customer"], other["case"], [leaf]).must(201)["request"]
        self.company.wait_shown(people["anna"], request)
        self.company.step(people["anna"], {"request": request, "kind": "break", "fields": [leaf]}, SENTENCE).must(201)
        for _ in range(200):
            if any(a["request"] == request for a in self.company.ask(self.company.owner, "GET", "/v1/own/alarms").must(200)["alarms"]):
                return request
            time.sleep(0.05)
        raise Failed("the owners are not alarmed")

    def reader_request(self):
        body = {"reader_key": secrets.token_bytes(32).hex(), "call": self.call, "purpose": "play", "what": "a call"}
        return self.company.operator("POST", "/v1/reader-requests", body).must(201)

    def sealed(self, purpose, *about):
        return self.company.seal(self.company.intake_key(self.company.people["agnes"]), b"12345678", purpose, *about)

    def asks(self, route, who):
        """(path, body) of something that is there, and not theirs: fresh where somebody may change it."""
        path, body = route.path, {} if route.writes else None
        because = {"reason": "a stranger asks"}
        if path.startswith("/v1/customers/"):
            fresh = self.asked if not route.writes or route.id == "openQuery" else self.customer()
            path = path.replace("{id}", fresh["customer"]).replace("{case}", str(fresh["case"])).replace("{leaf}", str(fresh["leaf"]["email"]))
            body = {"assignCase": {"technician": self.people["technician"].id}, "openQuery": {"reader_key": b64(raw_public(who.reader))},
                    "makeForm": {"field": "email"}, "eraseField": because, "eraseCustomer": because,
                    "holdCustomer": {"state": "set", **because}}.get(route.id, body)
        elif path.startswith("/v1/requests/"):
            path = path.replace("{id}", self.request).replace("{number}", "1")
            leaf = self.asked["leaf"]["email"]
            body = {"checkField": {"leaf": leaf, "given": self.sealed("check", self.request, leaf)}, "sendCode": {"leaf": leaf},
                    "checkCode": {"given": self.sealed("code", self.request)}, "openWords": {"reader_key": b64(raw_public(who.reader))}}.get(route.id, body)
        elif path.startswith("/v1/calls/"):
            path = path.replace("{id}", self.call) + ("?kind=audio&stream=0&first=0&end=1" if route.id == "getRecords" else "")
            body = {"openCall": {"purpose": "play", "reason": "a stranger asks", "kinds": ["audio"], "reader_key": b64(raw_public(who.reader)),
                                 "start_ms": 0, "end_ms": 200},
                    "eraseRange": {"stream": "both", "start_ms": 0, "end_ms": 200, "reason_code": "request", **because},
                    "eraseCall": {"reason_code": "request", **because}, "setHold": {"state": "set", **because}, "setPrivate": {"on": True}}.get(route.id, body)
        elif path.startswith("/v1/people/"):
            path = path.replace("{id}", self.person.id)
            gone = not self.company.ask(self.company.owner, "GET", f"/v1/people/{self.person.id}").must(200)["code"]
            if route.id == "resetCode" and gone:  # by whoever came before
                self.company.code_session(self.company.sign_in(self.person))
            body = {"address": "victor@staff.example"} if route.id == "setMail" else body
        elif path.startswith("/v1/chart/drafts/"):
            draft = self.draft()
            path = path.replace("{id}", draft["draft"])
            if route.id == "signDraft":
                body = {"signature": who.passkey.sign(who.id, bytes.fromhex(draft["challenge"]))}
        elif path.startswith("/v1/reader-requests/"):
            asked = self.reader_request()
            path = path.replace("{id}", asked["reader_request"])
        elif path.startswith("/v1/sessions/"):
            path = path.replace("{id}", self.session)
            if who.cookie:
                body = {"signature": self.company.own_act(who, "end_sessions")}
        else:
            path = path.replace("{id}", self.alarm)
        expect("{" not in path, f"nothing is known to put into {path}")
        return path, body

    def send(self, route, who):
        path, body = self.asks(route, who)
        return self.company.ask(who, route.method, path, body)

    def one(self, route, role):
        answer = self.send(route, self.people[role])
        self.counts[answer.status] += 1
        self.tried[route.id] += 1
        may = role in OF_EVERYBODY.get(route.id, ((), ""))[0]
        said = f"{route.method} {route.path} ({route.id}) by another {role}: {answer.status} {answer.raw[:160]!r}"
        if answer.status == 0 or answer.status >= 500:
            self.failures.append(said)
        elif not may and answer.status not in (403, 404):
            self.failures.append(f"{said}: not refused")
        elif may and answer.status in (401, 403, 404):
            self.failures.append(f"{said}: refused, and OF_EVERYBODY says why it is not")
        elif may and not route.writes and "json" in answer.headers.get("content-type", ""):
            self.told.setdefault(route.id, {})[role] = filled(answer.json)

    def declared(self):
        """The routes whose answer has properties that are for some roles alone."""
        def has(route):
            said = self.answers.said(route, 200) or {}
            schema = said.get("content", {}).get("application/json", {}).get("schema")
            return schema is not None and bool(kept_to_roles(self.answers, schema))
        return {route.id for route in self.routes if has(route)}

    def fields(self, route):
        """Whether each role is told what it is to be told, and nothing else."""
        told = self.told.get(route.id, {})
        said = self.answers.said(route, 200) or {}
        schema = said.get("content", {}).get("application/json", {}).get("schema")
        if schema is None or not told:
            return
        own = kept_to_roles(self.answers, schema)
        under = lambda path, field: path == field or path.startswith((field + ".", field + "[]"))
        for field, roles in own.items():
            for role in told:
                has = any(under(path, field) for path in told[role])
                if has != (role in roles):
                    self.failures.append(f"{route.id}: {field} is for {sorted(roles)}, and a {role} is {'' if has else 'not '}told it")
        free = {role: {p for p in paths if not any(under(p, f) for f in own) and p not in VARIES.get(route.id, (set(),))[0]}
                for role, paths in told.items()}
        for path in sorted(set().union(*free.values())):
            without = [role for role, paths in free.items() if path not in paths]
            if without:
                self.failures.append(f"{route.id}: {path} is told to some, and not to {without}: x-told-to of the property says whom, or VARIES why")
        self.compared[route.id] = (len(told), len(own))

    def all(self):
        for route in self.routes:
            if route.id not in NOBODYS:
                for role in ROLES:
                    if role in route.roles:
                        self.one(route, role)
                self.fields(route)
        declared = self.declared()
        unseen = declared - {route for route, (_, own) in self.compared.items() if own}
        expect(not unseen, f"fields of {unseen} have x-told-to, and nobody was compared")
        for route in self.routes:
            name, statuses = RIGHTFUL.get(route.id, (None, ()))
            if name:
                answer = self.send(route, self.company.people[name])
                self.counts[answer.status] += 1
                self.right.append(route.id)
                if answer.status not in statuses:
                    self.failures.append(f"{route.method} {route.path} ({route.id}) by {name}, whose it is: {answer.status}, not {statuses} {answer.raw[:160]!r}")
        untried = {r.id for r in self.routes if r.id not in self.tried} - set(NOBODYS)
        expect(not untried, f"no role tried {untried}")
