"""Lists, by everybody they are for: of one and the same item, each role is told the same fields, but for those that the specification gives
to some of them (`x-told-to` of a property: for others it is empty), and VARIES. So for what stands beside the lists, and for answers that
are none. Asked is by two people of each role: one who has to do with what is there, and one who has not (strangers.py).

Told is: there, and neither null nor empty. A number is told whatever it is, a yes or no likewise; of what `x-told-to` keeps from a role
0 and no are nothing."""
import copy
from collections import Counter

from company import ROLES, expect
from strangers import filled, kept_to_roles

# What makes an item that one: all of these that it has.
IS = ("id", "entry", "index", "session", "draft", "request", "customer", "case", "number", "person", "call", "order", "day", "name", "kind", "field", "url",
      "class", "mirror", "path", "stream")
# Asked so besides: what a list has by itself is not all of it.
ASKED = {"listRequests": ("view", ("mine", "verify", "release", "review", "all"))}
# Operation: why nobody is compared with anybody.
ALONE = {
    "listSessions": "each has their own", "listAlarms": "owners' alone", "listTurns": "each has what waits for them", "getLiveCall": "agents' alone",
    "getWitnesses": "there are none here", "listHeld": "nothing is held here", "listDrafts": "each has the changes that wait for them",
    "getListeningReport": "nothing is reviewed here",
}
# Operation: fields that differ from person to person, and why.
VARIES = {
    "getSession": ({"roles", "name", "person"}, "one's own"),
    "getOwnMail": ({"address"}, "one's own"),
    "listCases": ({"people"}, "names of those in the cases that one sees"),
    "listRequests": ({"people", "requests[].turn"}, "names of those in the requests that one sees; to each, whether it waits for them"),
}


def told(value, at=""):
    """The fields of an answer that are there and neither null nor empty."""
    if isinstance(value, dict):
        return {path for name, one in value.items() for path in told(one, f"{at}.{name}" if at else name)} | ({at} if at and value else set())
    if isinstance(value, list):
        return {path for one in value for path in told(one, at + "[]")} | ({at} if value else set())
    return {at} if value is not None and value != "" else set()


def lists_of(schema):
    """The properties that are lists of things, by name."""
    return {name for name, one in schema.get("properties", {}).items() if {"properties", "oneOf"} & set(one.get("items", {}))}


def things(answer, schema):
    """{(list, what the item is): the item}; ("", ""): what stands beside the lists."""
    lists = lists_of(schema)
    out = {("", ""): {name: one for name, one in answer.items() if name not in lists}}
    for name in lists & set(answer):
        for item in answer[name]:
            what = tuple((key, item[key]) for key in IS if isinstance(item.get(key), (str, int)))
            expect(what, f"nothing says which item of {name} this is: {sorted(item)}")
            out[(name, what)] = item
    return out


class Lists:
    def __init__(self, company, routes, answers, strangers):
        self.company, self.answers = company, answers
        self.routes = [r for r in routes if r.method == "GET" and "{" not in r.path and not r.open and r.id != "streamEvents" and self.schema(r)]
        self.people = [(role, who) for role in ROLES for who in (company.of_role(role), strangers.people[role])]
        self.failures, self.counts, self.compared = [], Counter(), Counter()

    def schema(self, route):
        said = (self.answers.said(route, 200) or {}).get("content", {}).get("application/json", {}).get("schema")
        return said and self.answers.closed(said)

    def said(self, route):
        """{thing: [(role, the thing as they were told it)]}"""
        out, schema = {}, self.schema(route)
        name, values = ASKED.get(route.id, ("", ("",)))
        for role, who in self.people:
            if role not in route.roles:
                continue
            for value in values:
                answer = self.company.ask(who, "GET", route.path + (f"?{name}={value}" if name else ""))
                self.counts[answer.status] += 1
                if value and answer.status == 403 and b"your role has no such list" in answer.raw:
                    continue
                if answer.status != 200:
                    self.failures.append(f"{route.id} by a {role}: {answer.status} {answer.raw[:160]!r}")
                    continue
                for what, thing in things(answer.json, schema).items():
                    out.setdefault(what, []).append((role, thing))
        return out

    def differences(self, route, said):
        out, own = [], kept_to_roles(self.answers, self.schema(route))
        under = lambda path, field: path == field or path.startswith((field + ".", field + "[]"))  # is it, or a part of it
        varies = VARIES.get(route.id, (set(),))[0]
        for (of, what), by in said.items():
            begin = f"{of}[]." if of else ""
            mine = {field.removeprefix(begin): roles for field, roles in own.items() if field.startswith(begin)}
            for field, roles in mine.items():
                for role, thing in by:
                    if role not in roles and any(under(path, field) for path in filled(thing)):
                        out.append(f"{route.id}: {begin}{field} is for {sorted(roles)}, and a {role} is told it")
            free = [(role, {p for p in told(thing) if not any(under(p, f) for f in mine) and not any(under(begin + p, f) for f in varies)}) for role, thing in by]
            for path in sorted(set().union(*(paths for _, paths in free))):
                without = sorted({role for role, paths in free if path not in paths})
                if without:
                    out.append(f"{route.id}: {begin}{path} of {what or 'it'} is told to some, and not to {without}")
        return out

    def seen_by(self, by):
        return len({role for role, _ in by})

    def control(self, route, said):
        """What is told to one role alone, or kept from one alone, is found."""
        what, by = next((one for one in said.items() if self.seen_by(one[1]) > 1), (None, []))
        common = set.intersection(*(told(thing) & set(thing) for _, thing in by)) - {key for key, _ in what[1]} if by else set()
        for change in (lambda thing: thing.update(planted="a value"), lambda thing: thing.pop(min(common))) if common else ():
            role, thing = by[0]
            thing = copy.deepcopy(thing)
            change(thing)
            found = self.differences(route, {**said, what: [(role, thing), *by[1:]]})
            expect(set(found) - set(self.differences(route, said)), f"{route.id}: a field that one role alone is told, or not, is not found")

    def all(self):
        for route in self.routes:
            said = self.said(route)
            self.failures += self.differences(route, said)
            lists = lists_of(self.schema(route))
            self.compared[route.id] = sum(self.seen_by(by) > 1 for (of, _), by in said.items() if of or not lists)
            self.control(route, said)
            shared = len(set(route.roles) & set(ROLES)) > 1 or route.id in ALONE
            if shared and (self.compared[route.id] == 0) != (route.id in ALONE):
                self.failures.append(f"{route.id}: {self.compared[route.id]} things were seen by two roles; ALONE says {ALONE.get(route.id, 'that some are')}")
        unknown = (set(ALONE) | set(VARIES) | set(ASKED)) - {r.id for r in self.routes}
        expect(not unknown, f"no route without an id: {unknown}")
