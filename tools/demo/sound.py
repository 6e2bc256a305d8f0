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


def mu_law_table():
    """ITU-T G.711: code to 16-bit sample."""
    table = []
    for code in range(256):
        inverted = ~code & 0xFF
        exponent, mantissa = inverted >> 4 & 7, inverted & 15
        magnitude = ((mantissa << 3) + 0x84 << exponent) - 0x84
        table.append(-magnitude if inverted & 0x80 else magnitude)
    return table


MU_LAW = mu_law_table()


def decode_mu_law(codes):
    return array.array("h", (MU_LAW[c] for c in codes))


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


def silent(samples, start_ms, end_ms):
    return not any(samples[start_ms * PER_MS:end_ms * PER_MS])
