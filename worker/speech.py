"""Whisper on CTranslate2 and Silero's voice detector, for telephone audio: 16-bit samples at 8 kHz.

The window is padded to 15 s, not to Whisper's usual 30 s: half the cost, and fewer loops on short turns.
"""

import json
import os
import sys
import zlib

# onnxruntime reports its use over the network by itself. The worker has no network, and it shall not try.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import ctranslate2  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402

onnxruntime.disable_telemetry_events()

RATE_HZ = 8_000
MODEL_RATE_HZ = 16_000
WINDOW_MS_MAX = 15_000
WINDOW_FRAMES = 1_500  # of 10 ms
FFT, HOP = 400, 160
TOKENS_BASE, TOKENS_PER_S = 8, 7  # more than anybody speaks; a loop runs into it
LOOP_NGRAM_MAX = 8


# ---- log-mel spectrogram (as in Whisper: Slaney's scale and norm, log10, 8 decades below the peak) -------


def mel_filters(mels):
    """80 in most models, 128 in the large ones of 2023 and later."""
    def to_hz(mel):
        return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * (np.log(6.4) / 27.0)))

    top = 15.0 + np.log(8000.0 / 1000.0) / (np.log(6.4) / 27.0)
    edges = to_hz(np.linspace(0.0, top, mels + 2))
    bins = np.linspace(0.0, MODEL_RATE_HZ / 2, FFT // 2 + 1)
    width = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    lower = -ramps[:-2] / width[:-1, None]
    upper = ramps[2:] / width[1:, None]
    filters = np.maximum(0.0, np.minimum(lower, upper))
    return (filters * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


HANN = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)


def to_16k(samples):
    """Doubles the rate in the frequency domain: nothing above 4 kHz appears, nothing is shifted."""
    padded = np.pad(samples, (0, 256))
    spectrum = np.fft.rfft(padded)
    wide = np.zeros(len(padded) + 1, dtype=complex)
    wide[: len(spectrum)] = spectrum
    doubled = np.fft.irfft(wide, 2 * len(padded))
    out = (2.0 * doubled[: 2 * len(samples)]).astype(np.float32)
    for used in (padded, spectrum, wide, doubled):
        used.fill(0)
    return out


def log_mel(samples_8k, filters):
    audio = np.zeros(WINDOW_FRAMES * HOP, dtype=np.float32)
    wide = to_16k(samples_8k)[: len(audio)]
    audio[: len(wide)] = wide
    padded = np.pad(audio, FFT // 2, mode="reflect")
    wide.fill(0)
    audio.fill(0)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP][:WINDOW_FRAMES]
    power = np.abs(np.fft.rfft(frames * HANN, axis=1)).astype(np.float32) ** 2
    padded.fill(0)
    mel = np.log10(np.maximum(filters @ power.T, 1e-10))
    power.fill(0)
    mel = np.maximum(mel, mel.max() - 8.0)
    return np.ascontiguousarray(((mel + 4.0) / 4.0)[None].astype(np.float32))


# ---- byte-level tokens -----------------------------------------------------------------------------------


def _byte_of_char():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(b): b for b in plain}
    extra = 0
    for b in range(256):
        if b not in plain:
            table[chr(256 + extra)] = b
            extra += 1
    return table


def vocabulary(folder):
    """Of a model in CTranslate2's form: a list of JSON in newer ones, a token a line in older ones."""
    path = os.path.join(folder, "vocabulary.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    with open(os.path.join(folder, "vocabulary.txt"), encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


class Tokens:
    def __init__(self, folder):
        names = vocabulary(folder)
        self.id_of = {name: i for i, name in enumerate(names)}
        byte_of = _byte_of_char()
        self.bytes_of = [
            b"" if name.startswith("<|") else bytes(byte_of[c] for c in name if c in byte_of) for name in names
        ]
        self.end = self.id_of["<|endoftext|>"]
        self.start = self.id_of["<|startoftranscript|>"]
        self.no_timestamps = self.id_of["<|notimestamps|>"]

    def words(self, tokens):
        """[(text, first token, end token)]: a word begins where its token begins with a space."""
        words = []
        for i, token in enumerate(tokens):
            raw = self.bytes_of[token]
            if not raw:
                continue
            if not words or raw.startswith(b" "):
                words.append([raw, i, i + 1])
            else:
                words[-1][0] += raw
                words[-1][2] = i + 1
        return [(raw.decode("utf-8", "replace").strip(), a, b) for raw, a, b in words]


def looping(tokens):
    """One to eight tokens that repeat without an end: what Whisper does on tones, music and noise.

    A customer may well say "five five five five", so short patterns must repeat long.
    """
    for n in range(1, LOOP_NGRAM_MAX + 1):
        needed = 10 if n == 1 else 6 if n == 2 else 4
        run = 0
        for i in range(n, len(tokens)):
            run = run + 1 if tokens[i] == tokens[i - n] else 0
            if run >= n * (needed - 1):
                return True
    raw = " ".join(map(str, tokens)).encode()
    return len(tokens) >= 40 and len(raw) / len(zlib.compress(raw)) > 4.0


# ---- recognition -----------------------------------------------------------------------------------------


class WrongModel(ValueError):
    """The folder holds something else than what is needed; the text says what."""


class Recogniser:
    def __init__(self, model_dir, beam=5, language="en", device="cpu", compute="int8", threads=1):
        self.beam = beam
        for name in ("model.bin", "config.json"):
            if not os.path.isfile(os.path.join(model_dir, name)):
                raise WrongModel(f"no model of CTranslate2 is in this folder ({name} is missing)")
        try:
            self.tokens = Tokens(model_dir)
        except (OSError, KeyError, TypeError, AttributeError, UnicodeDecodeError, ValueError) as bad:
            raise WrongModel("its vocabulary is not Whisper's") from bad
        self.model = ctranslate2.models.Whisper(
            model_dir, device=device, compute_type=compute, inter_threads=1, intra_threads=threads
        )
        self.filters = mel_filters(self.model.n_mels)
        prefix = [self.tokens.start]
        if self.model.is_multilingual:
            if f"<|{language}|>" not in self.tokens.id_of:
                raise WrongModel(f"it does not know the language {language}")
            prefix += [self.tokens.id_of[f"<|{language}|>"], self.tokens.id_of["<|transcribe|>"]]
        elif language != "en":
            raise WrongModel(f"it knows English only, not {language}")
        self.prefix = prefix

    def _generate(self, encoded, seconds, beam):
        cap = min(224, int(TOKENS_BASE + TOKENS_PER_S * seconds))
        result = self.model.generate(
            encoded,
            [self.prefix + [self.tokens.no_timestamps]],
            beam_size=beam,
            max_length=cap,
            return_no_speech_prob=True,
        )[0]
        tokens = [t for t in result.sequences_ids[0] if t < self.tokens.end]
        return tokens, result.no_speech_prob, len(result.sequences_ids[0]) >= cap - len(self.prefix) - 1

    def _align(self, encoded, tokens, frames):
        result = self.model.align(encoded, self.prefix, [tokens], [frames], median_filter_width=7)[0]
        first = {}
        last = {}
        for token, frame in result.alignments:
            first.setdefault(token, frame)
            last[token] = frame
        return first, last, result.text_token_probs

    def recognise(self, samples):
        """(words, no-speech probability, looped, truncated); samples are floats in -1..1 at 8 kHz."""
        seconds = len(samples) / RATE_HZ
        encoded = self.model.encode(ctranslate2.StorageView.from_array(log_mel(samples, self.filters)))
        tokens, no_speech, truncated = self._generate(encoded, seconds, self.beam)
        looped = looping(tokens)
        if looped or truncated:
            again, _, cut = self._generate(encoded, seconds, 1)
            if not looping(again) and not cut:
                tokens, looped, truncated = again, False, False
        if not tokens:
            return [], no_speech, looped, truncated
        frames = min(WINDOW_FRAMES, max(2, int(np.ceil(seconds * 100))))
        first, last, probs = self._align(encoded, tokens, frames)
        end_ms = int(seconds * 1000)
        words, before = [], 0
        for text, a, b in self.tokens.words(tokens):
            start = first.get(a, None)
            start_ms = before if start is None else min(end_ms, max(before, int(start) * 20))
            stop = first.get(b, None)  # where the next word begins is where this one ends at the latest
            stop_ms = end_ms if stop is None else int(stop) * 20
            stop_ms = min(end_ms, max(start_ms + 20, stop_ms))
            confidence = float(np.mean(probs[a:b])) if len(probs[a:b]) else 0.0
            if text:
                words.append({"start_ms": start_ms, "end_ms": stop_ms,
                              "confidence": int(255 * min(1.0, max(0.0, confidence))), "text": text[:255]})
            before = start_ms
        return words, no_speech, looped, truncated


# ---- voice detection -------------------------------------------------------------------------------------

VAD_WINDOW, VAD_CONTEXT = 256, 32  # samples at 8 kHz: 32 ms, 4 ms
VAD_STREAMS_MAX = 8_192


class Vad:
    """Silero keeps a state a stream; the least recently used one goes when there are too many."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False  # an arena keeps what was freed, unwiped
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.streams = {}
        self.rate = np.array(RATE_HZ, dtype=np.int64)

    def forget(self, handle):
        kept = self.streams.pop(handle, None)
        if kept is not None:
            kept[1].fill(0)

    def probabilities(self, handle, samples):
        state, context = self.streams.pop(handle, (None, None))
        if state is None:
            state = np.zeros((2, 1, 128), dtype=np.float32)
            context = np.zeros(VAD_CONTEXT, dtype=np.float32)
        out = bytearray()
        for at in range(0, len(samples), VAD_WINDOW):
            piece = samples[at : at + VAD_WINDOW]
            given = np.concatenate([context, piece])[None]
            probability, state = self.session.run(None, {"input": given, "state": state, "sr": self.rate})
            given.fill(0)
            context.fill(0)
            context = piece[-VAD_CONTEXT:].copy()  # a view would keep all of the samples, and be zeroed with them
            out.append(int(255 * min(1.0, max(0.0, float(probability[0, 0])))))
        if len(self.streams) >= VAD_STREAMS_MAX:
            self.streams.pop(next(iter(self.streams)))
        self.streams[handle] = (state, context)
        return bytes(out)


def package_file(package, *parts):
    """A data file of an installed package, found without importing the package's own code."""
    for folder in sys.path:
        path = os.path.join(folder, package, *parts)
        if os.path.exists(path):
            return path
    raise FileNotFoundError(f"{package}/{'/'.join(parts)} is not installed")


def model_name(model_dir):
    with open(os.path.join(model_dir, "config.json"), encoding="utf-8") as file:
        layers = len({tuple(h)[0] for h in json.load(file).get("alignment_heads", [])})
    return f"{os.path.basename(os.path.dirname(model_dir)) or model_dir} ({layers} aligned layers)"
