"""A recogniser for tests, beside the real one's protocol: speech is samples of a level, and each level has its text.

    listener_process_test_worker.py PROTOCOL_DIR STATE_FILE MODE TEXT...

Level 1000 * (n + 1) stands for the n-th TEXT. MODE: "well", or for its first life "die" (at the first turn),
"hang" (at the first turn), "babble" (answers with bytes that fit no message).
"""

import array
import os
import socket
import sys
import time

sys.path.insert(0, sys.argv[1])
import protocol  # noqa: E402

texts = sys.argv[4:]
first_life = not os.path.exists(sys.argv[2])
open(sys.argv[2], "a").close()
mode = sys.argv[3] if first_life else "well"


def samples_of(reader):
    samples = array.array("h")
    samples.frombytes(bytes(reader.blob()))
    return samples


def on_vad(body):
    reader = protocol.Reader(body)
    reader.number("Q"), reader.number("B")
    pcm = samples_of(reader)
    return protocol.VAD_REPLY, protocol.vad_reply(
        bytes(240 if max(pcm[at : at + 256]) > 500 else 3 for at in range(0, len(pcm), 256)))


def on_turn(body):
    if mode == "die":
        os._exit(3)
    if mode == "hang":
        time.sleep(3600)
    if mode == "babble":
        return protocol.RECOGNISE_REPLY, b"\xff" * 40
    pcm = samples_of(protocol.Reader(body))
    counts = [0] * len(texts)
    for value in pcm:
        at = round(value / 1000) - 1
        if 0 <= at < len(texts):
            counts[at] += 1
    if not texts or max(counts) == 0:
        return protocol.RECOGNISE_REPLY, protocol.recognise_reply(250, 0, [])
    words = texts[counts.index(max(counts))].split()
    each = len(pcm) // 8 // len(words)
    return protocol.RECOGNISE_REPLY, protocol.recognise_reply(0, 0, [
        {"start_ms": i * each, "end_ms": (i + 1) * each, "confidence": 220, "text": word}
        for i, word in enumerate(words)])


sock = socket.socket(fileno=3)
protocol.write_frame(sock, protocol.HELLO, 0, protocol.hello("scripted", "1", "none", 8000, 15000, True, False))
while True:
    frame = protocol.read_frame(sock)
    if frame is None:
        break
    kind, request, body = frame
    reply, content = (on_vad if kind == protocol.VAD else on_turn)(bytes(body))
    protocol.write_frame(sock, reply, request, content)
