"""A recogniser for tests, beside the real one's protocol: speech is samples of a level, and each level has its text.

    listener_process_test_worker.py PROTOCOL_DIR STATE_FILE MODE TEXT...

Level 1000 * (n + 1) stands for the n-th TEXT. MODE is "well", or one of these for the life of the first worker alone; with
a "!" behind it, for all lives of all workers:
  die, hang, babble (bytes that fit no message), unasked (another request's id): at a turn
  parrot (the same words of every turn), deaf (all is silence), refuse (an error of every kind in place of an answer)
  wont (says why it cannot begin), boast (says more of itself than anybody wants to read)
  log (well and slow: the number of each turn's text goes to STATE_FILE)
"""

import array
import os
import socket
import sys
import time

sys.path.insert(0, sys.argv[1])
import protocol  # noqa: E402

texts = sys.argv[4:]
try:
    first_life = sys.argv[2] == "/dev/null" or not os.close(os.open(sys.argv[2], os.O_CREAT | os.O_EXCL | os.O_WRONLY))
except FileExistsError:
    first_life = False
mode = sys.argv[3].rstrip("!") if first_life or sys.argv[3].endswith("!") else "well"
WORDS_OF_A_PARROT = "Thank you very much"
refusals = 0


def samples_of(reader):
    samples = array.array("h")
    samples.frombytes(bytes(reader.blob()))
    return samples


def on_vad(body):
    global refusals
    if mode == "refuse":
        refusals += 1
        return protocol.ERROR, protocol.error(refusals % 32, "no")
    reader = protocol.Reader(body)
    reader.number("Q"), reader.number("B")
    pcm = samples_of(reader)
    return protocol.VAD_REPLY, protocol.vad_reply(
        bytes(240 if max(pcm[at : at + 256]) > 500 and mode != "deaf" else 3 for at in range(0, len(pcm), 256)))


def saying(words, length):
    each = length // 8 // len(words)
    return protocol.RECOGNISE_REPLY, protocol.recognise_reply(0, 0, [
        {"start_ms": i * each, "end_ms": (i + 1) * each, "confidence": 220, "text": word}
        for i, word in enumerate(words)])


def on_turn(body):
    if mode == "die":
        os._exit(3)
    if mode == "hang":
        time.sleep(3600)
    if mode == "babble":
        return protocol.RECOGNISE_REPLY, b"\xff" * 40
    pcm = samples_of(protocol.Reader(body))
    if mode == "parrot":
        return saying(WORDS_OF_A_PARROT.split(), len(pcm))
    counts = [0] * len(texts)
    for value in pcm:
        at = round(value / 1000) - 1
        if 0 <= at < len(texts):
            counts[at] += 1
    if not texts or max(counts) == 0:
        return protocol.RECOGNISE_REPLY, protocol.recognise_reply(250, 0, [])
    heard = counts.index(max(counts))
    if mode == "log":
        time.sleep(0.1)
        with open(sys.argv[2], "a", encoding="utf-8") as log:
            log.write(f"{heard}\n")
    return saying(texts[heard].split(), len(pcm))


sock = socket.socket(fileno=3)
if mode == "wont":
    protocol.write_frame(sock, protocol.ERROR, 0, protocol.error(protocol.ERR_UNSUPPORTED, "no model is in this folder\x07"))
    sys.exit(1)
if mode == "boast":
    name = b"\xff\xc0" * 100_000
    body = protocol.hello("scripted", "1", "", 8000, 15000, True, False).replace(
        protocol.text(""), len(name).to_bytes(4, "little") + name)
    protocol.write_frame(sock, protocol.HELLO, 0, body)
else:
    protocol.write_frame(sock, protocol.HELLO, 0, protocol.hello("scripted", "1", "none", 8000, 15000, True, False))
while True:
    frame = protocol.read_frame(sock)
    if frame is None:
        break
    kind, request, body = frame
    reply, content = (on_vad if kind == protocol.VAD else on_turn)(bytes(body))
    protocol.write_frame(sock, reply, request + (mode == "unasked" and kind == protocol.RECOGNISE), content)
