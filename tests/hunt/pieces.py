"""What the secrets are made of, as bytes that may lie somewhere: sound, words, digits. Standard library only."""
import array
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/demo"))
import sound

WINDOW = 16           # samples, 2 ms: what is compared of 16-bit samples and floats; of codes twice as many
LOUD = 1500           # of 32767: a window whose samples do not differ by this is a pause
DISTINCT_MIN = 8      # codes in a window that differ
DIGITS_WINDOW = 8


def kept_windows(codes, gone):
    """Every window that is not wholly within what is gone: [(start, end)] in samples, ascending."""
    kept, at = set(), 0
    for start, end in [*gone, (len(codes), len(codes))]:
        kept.update(codes[i:i + WINDOW] for i in range(at, min(start, len(codes) - WINDOW + 1)))
        at = max(at, end - WINDOW + 1)
    return kept


def mu_law_codes(samples):
    """G.711 as the client sends it, its own rounding included."""
    out = bytearray()
    for sample in samples:
        size = min(((~sample if sample < 0 else sample) >> 2) + 33, 0x1FFF)
        segment = (size >> 6).bit_length() + 1
        code = 8 - segment << 4 | 15 - (size >> segment & 15)
        out.append(code | 0x80 if sample >= 0 else code)
    return bytes(out)


def loud_windows(codes, decoded, start, end, kept):
    """Sample numbers in [start, end) where sound begins that certainly is speech, and stands in nothing that is kept."""
    for at in range(max(0, start), min(end, len(codes)) - 2 * WINDOW + 1):
        piece = codes[at:at + WINDOW]
        if len(set(piece)) < DISTINCT_MIN or piece in kept:
            continue
        samples = decoded[at:at + WINDOW]
        if max(samples) - min(samples) >= LOUD:
            yield at


def sounds(codes, spans, kept):
    """{kind: [bytes]} of the erased stretches [(start, end) in samples] of one stream."""
    decoded = sound.decode(codes)
    floats = array.array("f", (s / 32768.0 for s in decoded))
    out = {"sound: G.711": [], "sound: 16-bit": [], "sound: float": []}
    for start, end in spans:
        for at in loud_windows(codes, decoded, start, end, kept):
            out["sound: G.711"].append(codes[at:at + 2 * WINDOW])
            out["sound: 16-bit"].append(decoded[at:at + WINDOW].tobytes())
            out["sound: float"].append(floats[at:at + WINDOW].tobytes())
    return out


def wide(text):
    return [text.encode(), text.encode("utf-16-le"), text.encode("utf-32-le")]


def of_digits(digits):
    """A keyed number in the clear: eight digits of it in a row are enough."""
    out = []
    for at in range(len(digits) - DIGITS_WINDOW + 1):
        piece = digits[at:at + DIGITS_WINDOW]
        out += wide(piece) + wide(" ".join(piece))
    return out


def of_words(words):
    """What was said: three words in a row, and each as a worker's answer carries it (u32 length, text)."""
    out = []
    for at in range(len(words) - 2):
        phrase = " ".join(words[at:at + 3])
        for form in (phrase.lower(), phrase.title(), phrase.lower().capitalize()):
            out += wide(form)
    for word in words:
        for form in {word.lower(), word.title()}:
            out.append(struct.pack("<I", len(form)) + form.encode())
    return [piece for piece in out if len(piece) >= 6]


def doubled(samples):
    """16-bit samples as a recogniser has them: floats at twice their rate, theirs and between each two another."""
    given = array.array("h", samples)
    return array.array("f", [value / 32768.0 for s in given for value in (s, s / 2)]).tobytes()
