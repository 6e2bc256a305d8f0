"""Frames between Callward's listener and a recogniser worker: docs/listening-worker.md is the description.

   0 body length u32 . 4 type u16 . 6 flags u16 . 8 request id u32 . 12 body        (little-endian)

Texts and byte strings carry a u32 length; lists a u32 count. Whatever does not fit raises Malformed.
"""

import struct

VERSION = 1
HEADER = struct.Struct("<IHHI")
BODY_BYTES_MAX = 1 << 20
IS_REPLY = 1

VAD, RECOGNISE = 700, 701
HELLO, VAD_REPLY, RECOGNISE_REPLY, ERROR = 800, 801, 802, 899

# The numbers of Errc (src/base/result.hpp) that a worker uses.
ERR_MALFORMED, ERR_TOO_LARGE, ERR_UNSUPPORTED, ERR_STATE = 0, 1, 2, 15

FLAG_LOOPED, FLAG_TRUNCATED = 1, 2


class Malformed(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Reader:
    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, count):
        if count > len(self.body) - self.at:
            raise Malformed(ERR_MALFORMED, "message is too short")
        piece = self.body[self.at : self.at + count]
        self.at += count
        return piece

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def blob(self):
        return self.take(self.number("I"))

    def done(self):
        if self.at != len(self.body):
            raise Malformed(ERR_MALFORMED, "message has surplus bytes")


def text(value):
    raw = value.encode("utf-8")
    return struct.pack("<I", len(raw)) + raw


def hello(engine, version, model, rate_hz, window_ms_max, vad, confined):
    return (
        struct.pack("<I", VERSION)
        + text(engine)
        + text(version)
        + text(model)
        + struct.pack("<IIBB", rate_hz, window_ms_max, vad, confined)
    )


def vad_reply(probabilities):
    return struct.pack("<I", len(probabilities)) + probabilities


def recognise_reply(no_speech, flags, words):
    out = [struct.pack("<BBI", no_speech, flags, len(words))]
    for word in words:
        out.append(struct.pack("<IIB", word["start_ms"], word["end_ms"], word["confidence"]))
        out.append(text(word["text"]))
    return b"".join(out)


def error(code, message):
    return struct.pack("<B", code) + text(message)


def read_exactly(sock, count):
    """None when the other side has closed; nothing is read beyond `count`."""
    out = bytearray(count)
    view = memoryview(out)
    got = 0
    while got < count:
        n = sock.recv_into(view[got:])
        if n == 0:
            return None
        got += n
    return out


def read_frame(sock):
    """(type, id, body), or None at the end. A frame over the limit ends the connection: Malformed."""
    raw = read_exactly(sock, HEADER.size)
    if raw is None:
        return None
    length, kind, _flags, request = HEADER.unpack(raw)
    if length > BODY_BYTES_MAX:
        raise Malformed(ERR_TOO_LARGE, "frame over the limit")
    body = read_exactly(sock, length)
    return None if body is None else (kind, request, body)


def write_frame(sock, kind, request, body):
    sock.sendall(HEADER.pack(len(body), kind, IS_REPLY if request else 0, request) + body)
