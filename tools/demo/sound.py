"""Compares what was recorded with what was sent, sample by sample. Standard library only."""
import array
import wave

RATE = 8000
PER_MS = RATE // 1000


def read_wav(path):
    """Two channels of 16-bit samples at 8 kHz: (customer, agent)."""
    with wave.open(str(path)) as w:
        if (w.getnchannels(), w.getsampwidth(), w.getframerate()) != (2, 2, RATE):
            raise ValueError(f"{path}: not a stereo 16-bit file at 8 kHz")
        both = array.array("h", w.readframes(w.getnframes()))
    return both[0::2], both[1::2]


def mu_law(code):
    """One code of G.711 mu-law as 16-bit linear, from the recommendation's definition."""
    code = ~code & 0xFF
    value = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -value if code & 0x80 else value


def a_law(code):
    code ^= 0x55
    value = ((code & 0x0F) << 4) + 8
    segment = code >> 4 & 7
    if segment:
        value = value + 0x100 << segment - 1
    return value if code & 0x80 else -value


TABLES = {law: [one(c) for c in range(256)] for law, one in (("pcmu", mu_law), ("pcma", a_law))}


def decode(codes, law="pcmu"):
    table = TABLES[law]
    return array.array("h", [table[c] for c in codes])


def play(place, call, folder, reason="compare with what was sent"):
    """{stream: samples from the call's start}, as they play now."""
    out = folder / f"{call}.wav"
    place.cli("play", call, "--out", out, "--reason", reason)
    both = read_wav(out)
    out.unlink()
    return dict(zip(("customer", "agent"), both))


def find_offset(sent, recorded, window_ms=200, step_ms=50):
    """Recorded sample number of sent sample 0, from the first loud stretch that is found whole; None if none is."""
    raw = recorded.tobytes()
    count = window_ms * PER_MS
    for start in range(0, len(sent) - count, step_ms * PER_MS):
        piece = sent[start:start + count]
        if max(piece) - min(piece) < 2000:
            continue
        at = raw.find(piece.tobytes())
        while at >= 0 and at % 2:
            at = raw.find(piece.tobytes(), at + 1)
        if at >= 0:
            return at // 2 - start
    return None


def compare(sent, recorded, sealed):
    """`sealed`: [(start_ms, end_ms)] of the recording that the account calls sealed. Gives (compared_ms, equal_ms,
    offset_ms); each millisecond counts as equal only when all of its samples are."""
    offset = find_offset(sent, recorded)
    if offset is None:
        return 0, 0, None
    compared = equal = 0
    for start_ms, end_ms in sealed:
        for ms in range(start_ms, end_ms):
            at = ms * PER_MS
            theirs = at - offset
            if theirs < 0 or theirs + PER_MS > len(sent) or at + PER_MS > len(recorded):
                continue
            compared += 1
            equal += recorded[at:at + PER_MS] == sent[theirs:theirs + PER_MS]
    return compared, equal, offset / PER_MS


SILENT = bytes(2 * PER_MS)  # 1 ms as played


def next_sample(sent, block, at):
    found = sent.find(block, at)
    while found > 0 and found % 2:  # between two samples
        found = sent.find(block, found + 1)
    return found


def follow(played, intervals, stream, sent, name):
    """Where `compare` needs one offset, here there may be gaps: each sealed millisecond of the account is the next of what
    was sent, or one further on behind a gap; or silence that filled a pause. `sent`, `played`: samples. Gives
    (ms matched, ms filled, [first, last] of how far played lies behind sent in samples); raises ValueError for sound that
    is not what was sent."""
    sent, played, step = sent.tobytes(), played.tobytes(), len(SILENT)
    at, matched, filled, behind = 0, 0, 0, []
    for item in sorted((i for i in intervals if i["stream"] == stream and i["state"] == "sealed"), key=lambda i: i["start_ms"]):
        fresh = True
        for ms in range(item["start_ms"], item["end_ms"]):
            block = played[ms * step:(ms + 1) * step]
            found = at if sent[at:at + step] == block else -1
            if found < 0 and fresh and block != SILENT:  # behind a gap: further on
                found = next_sample(sent, block, at)
            if found >= 0 and len(block) == step:
                if fresh:
                    behind.append((ms * step - found) // 2)
                at, matched, fresh = found + step, matched + 1, False
            elif block == SILENT:
                filled, fresh = filled + 1, True
            else:
                raise ValueError(f"{name}: {stream} at {ms} ms is not what was sent")
    return matched, filled, behind


def silent(samples, start_ms, end_ms):
    return not any(samples[start_ms * PER_MS:end_ms * PER_MS])
