"""What the traced program made: keys by what they are, and which of them must be gone. Standard library only.
The file's form stands in traced.cpp."""
import hashlib
import struct

HEAD = struct.Struct("<BIHH")
TREE_LEVELS, INDEX_BITS = 24, 20
RECORD_HEAD = struct.Struct("<4sBBBBIIIHH16s32s")
AUDIO, DERIVED = 1, (2, 3, 4)
ROOT_LEVEL = 3


def child(key, bit):
    return hashlib.sha256(b"CWT1" + bytes([bit]) + key).digest()


class Trace:
    def __init__(self, raw):
        self.parent = {}       # tree node -> the one above
        self.leaf_of = {}      # (kind, salt) -> (leaf, record key): audio and call data
        self.key_of = {}       # (kind, salt) -> record key, derived ones too
        self.epochs = {}       # epoch key -> where in the file it first stands
        self.root_pages = {}   # root page key -> epoch key
        self.pages = []        # (where, level, index, key)
        self.sealed = {}       # 32 bytes that were sealed -> [ciphertexts]
        self.made = 0
        at = 0
        while at + HEAD.size <= len(raw):
            kind, _pid, first, second = HEAD.unpack_from(raw, at)
            a = at + HEAD.size
            b = a + first
            if b + second > len(raw):
                break
            self.take(at, chr(kind), raw[a:b], raw[b:b + second])
            at = b + second

    def take(self, at, kind, first, second):
        self.made += 1
        if kind == "H":
            what = first[:4]
            if what == b"CWT1":
                self.parent[second] = first[5:37]
            elif what == b"CWE1":
                self.leaf_of[first[4], first[5:21]] = (first[21:53], second)
            elif what == b"CWC1":
                self.key_of[first[4], first[5:21]] = first[21:53]
        elif kind == "E":
            self.epochs.setdefault(first, at)
            self.root_pages[second] = first
        elif kind == "P":
            self.pages.append((at, first[0], int.from_bytes(first[1:9], "little"), second))
        elif kind == "W":
            self.sealed.setdefault(first, []).append(second)

    def path(self, leaf):
        """The leaf and everything above it, the root last."""
        nodes = [leaf]
        while nodes[-1] in self.parent:
            nodes.append(self.parent[nodes[-1]])
        return nodes

    def dead_epochs(self, mirrors):
        """All but the newest of each mirror: a switch makes one for each, in turn."""
        ordered = sorted(self.epochs, key=self.epochs.get)
        return ordered[:-mirrors], ordered[-mirrors:]

    def dead_pages(self, mirrors):
        """Keys of pages that were replaced, and sealed before the living epochs began."""
        _, living = self.dead_epochs(mirrors)
        began = min(self.epochs[k] for k in living)
        newest, dead = {}, []
        for at, level, index, key in reversed(self.pages):
            seen = newest.setdefault((level, index), [])
            if len(seen) < mirrors:
                seen.append(key)
            elif at < began and self.root_pages.get(key) not in living:
                dead.append(key)
        return dead


class Record:
    def __init__(self, fields):
        (_, _, self.kind, self.stream, _, self.first, self.last, _, self.streams, _, self.salt, self.commitment) = fields

    def covers(self, stream, index):
        mine = self.stream == stream if self.kind == AUDIO else self.streams >> stream & 1
        return bool(mine) and self.first <= index <= self.last


def records_in(raw):
    """Heads of the records that stand in a spool or an object."""
    found, at = {}, raw.find(b"CWR1")
    while at >= 0 and at + RECORD_HEAD.size <= len(raw):
        record = Record(RECORD_HEAD.unpack_from(raw, at))
        if record.first <= record.last < 1 << INDEX_BITS:
            found[record.kind, record.salt] = record
        at = raw.find(b"CWR1", at + 4)
    return found


def commitment(kind, salt, key):
    return hashlib.sha256(b"CWC1" + bytes([kind]) + salt + key).digest()


class CallTree:
    """One call's tree from its root: every leaf, whoever derived it."""

    def __init__(self, root):
        self.nodes = {(0, 0): root}

    def node(self, level, index):
        if (level, index) not in self.nodes:
            self.nodes[level, index] = child(self.node(level - 1, index >> 1), index & 1)
        return self.nodes[level, index]

    def leaf(self, stream, index):
        return self.node(TREE_LEVELS, stream << INDEX_BITS | index)


def parties(raw):
    """{stream: "customer" or "agent"} from an object's head block (docs/formats/object.md)."""
    streams = 58 + 4 + struct.unpack_from("<I", raw, 58)[0]  # behind the cause, whose length stands at 58
    count, at = struct.unpack_from("<I", raw, streams)[0], streams + 4
    names = ("customer", "agent", "other", "mixed")
    return {raw[at + 7 * i]: names[raw[at + 7 * i + 1]] for i in range(count)}


def dead_of_records(trace, records, gone):
    """`gone`: {(stream, index)}. What opened those segments: {"leaf", "node", "root", "record key"}: sets of keys. Every
    key is checked against what the record is committed to, so nothing is hunted that opens nothing."""
    dead = {"leaf": set(), "node": set(), "root": set(), "record key": set()}
    for record in records.values():
        if record.kind != AUDIO or (record.stream, record.first) not in gone:
            continue
        leaf, key = trace.leaf_of[record.kind, record.salt]
        if commitment(record.kind, record.salt, key) != record.commitment:
            raise ValueError("a traced key does not open its record")
        path = trace.path(leaf)
        if len(path) != TREE_LEVELS + 1:
            raise ValueError(f"the path of an erased leaf was traced for {len(path) - 1} levels only")
        dead["leaf"].add(leaf)
        dead["node"].update(path[1:-1])
        dead["root"].add(path[-1])
        dead["record key"].add(key)
    return dead


def dead_of_call(trace, objects, erased):
    """`objects`: the call's .cwo and .cwd as bytes; `erased`: [(party, first index, end index)]. What opened the erased
    ranges, derived records that cover some of them included; and the keys of those that do not."""
    names = {party: stream for stream, party in parties(objects[0]).items()}
    gone = {(names[party], i) for party, first, end in erased for i in range(first, end)}
    records = {}
    for raw in objects:
        records.update(records_in(raw))
    dead = dead_of_records(trace, records, gone)
    if len(dead["leaf"]) != len(gone) or len(dead["root"]) != 1:
        raise ValueError(f"{len(gone)} segments are erased, {len(dead['leaf'])} of them have a record, of {len(dead['root'])} trees")
    tree, living = CallTree(next(iter(dead["root"]))), set()
    dead["derived key"] = set()
    for record in records.values():
        if record.kind not in DERIVED:
            continue
        leaves = b"".join(tree.leaf(s, i) for s in range(16) if record.streams >> s & 1 for i in range(record.first, record.last + 1))
        key = hashlib.sha256(b"CWD1" + bytes([record.kind]) + record.salt + leaves).digest()
        if commitment(record.kind, record.salt, key) != record.commitment:
            raise ValueError("a derived record is committed to another key than its leaves give")
        hit = any(record.covers(s, i) for s, i in gone)
        (dead["derived key"] if hit else living).add(key)
    return dead, living
