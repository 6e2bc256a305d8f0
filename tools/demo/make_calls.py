#!/usr/bin/env python3
"""Makes the calls of the demonstration: spoken by flite's voices, 8 kHz stereo (left customer, right agent).

    make_calls.py OUT_DIR [--texts FILE]    writes incoming_password.wav, incoming_card.wav, outgoing_plain.wav and
                                            NAME.json with where each turn stands and which of them is secret;
                                            --texts: the calls of that file (JSON of the form of CALLS) instead

Every run makes the same bytes. The texts and numbers are invented.
"""
import argparse
import array
import json
import pathlib
import random
import subprocess
import tempfile
import wave

RATE = 8000
VOICES = {"customer": "rms", "agent": "slt"}
# (who, what, secret reason or None, pause before in seconds)
CALLS = {
    "incoming_password": {
        "direction": "in",
        "turns": [
            ("agent", "Thank you for calling the support desk. How can I help you today?", None, 0.6),
            ("customer", "Hello. My printer does not connect to the wireless network any more.", None, 0.8),
            ("agent", "I am sorry to hear that. I will set it up again for you. What is the password of your account?", None, 0.9),
            ("customer", "It is seven four nine two five eight.", "password", 1.0),
            ("agent", "Thank you. Please switch the printer off, and then on again.", None, 1.2),
            ("customer", "Now it prints the page. Thank you very much for your help.", None, 1.0),
            ("agent", "You are welcome. Have a nice day.", None, 0.8),
        ],
        "dtmf": [],
    },
    "incoming_card": {
        "direction": "in",
        "turns": [
            ("agent", "Good morning, this is the billing department. What can I do for you?", None, 0.6),
            ("customer", "Good morning. I would like to pay the invoice of last month.", None, 0.8),
            ("agent", "Certainly. Please enter your card number on the keypad now.", None, 0.9),
            ("agent", "Thank you, the payment went through. You will get a letter with the receipt.", None, 12.0),
            ("customer", "Very good. Thank you, and good bye.", None, 0.9),
        ],
        # Keyed by RFC 4733 events while the customer does not speak: sixteen digits after the third turn.
        "dtmf": [{"after_turn": 2, "delay_s": 1.2, "digits": "4539148803436467", "every_s": 0.45}],
    },
    "outgoing_plain": {
        "direction": "out",
        "turns": [
            ("customer", "Hello?", None, 0.8),
            ("agent", "Good afternoon. I am calling about the laptop that you brought to us on Monday.", None, 0.8),
            ("customer", "Oh yes. Is it ready? I need it for my work.", None, 0.8),
            ("agent", "The new screen has been fitted, and it works well. You can collect it tomorrow morning.", None, 0.8),
            ("customer", "That is wonderful. I will come in the morning. Thank you for calling.", None, 0.8),
            ("agent", "You are welcome. Good bye.", None, 0.7),
        ],
        "dtmf": [],
    },
}


def speak(voice, text):
    """16-bit samples at 8 kHz, levelled to a telephone's usual loudness."""
    with tempfile.TemporaryDirectory() as folder:
        raw, out = f"{folder}/raw.wav", f"{folder}/out.wav"
        subprocess.run(["flite", "-voice", voice, "--setf", "duration_stretch=1.08", "-t", text, "-o", raw], check=True)
        subprocess.run(["sox", "-G", raw, "-r", str(RATE), "-b", "16", "-c", "1", out, "norm", "-9",
                        "silence", "1", "0.02", "0.5%", "reverse", "silence", "1", "0.02", "0.5%", "reverse"], check=True,
                       stderr=subprocess.DEVNULL)
        with wave.open(out) as w:
            return array.array("h", w.readframes(w.getnframes()))


def build(name, call):
    placed, at, clips = [], 0.0, []
    for who, text, secret, pause in call["turns"]:
        clip = speak(VOICES[who], text)
        at += pause
        clips.append((who, round(at * RATE), clip))
        placed.append({"who": who, "text": text, "secret": secret, "start_ms": round(at * 1000),
                       "end_ms": round(at * 1000 + len(clip) * 1000 / RATE)})
        at += len(clip) / RATE
    digits = []
    for burst in call["dtmf"]:
        start = placed[burst["after_turn"]]["end_ms"] / 1000 + burst["delay_s"]
        for i, digit in enumerate(burst["digits"]):
            digits.append({"digit": digit, "at_ms": round((start + i * burst["every_s"]) * 1000)})
    length = round((at + 1.5) * RATE)
    noise = random.Random(name)
    sides = {who: array.array("h", (noise.randint(-6, 6) for _ in range(length))) for who in VOICES}
    for who, start, clip in clips:
        side = sides[who]
        for i, sample in enumerate(clip):
            side[start + i] = max(-32768, min(32767, side[start + i] + sample))
    stereo = array.array("h", bytes(4 * length))
    stereo[0::2], stereo[1::2] = sides["customer"], sides["agent"]
    truth = {"name": name, "direction": call["direction"], "duration_ms": length * 1000 // RATE,
             "turns": placed, "digits": digits}
    return stereo, truth


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--texts", type=pathlib.Path)
    options = parser.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    for name, call in (json.loads(options.texts.read_text()) if options.texts else CALLS).items():
        stereo, truth = build(name, call)
        with wave.open(str(out / f"{name}.wav"), "wb") as w:
            w.setnchannels(2)
            w.setsampwidth(2)
            w.setframerate(RATE)
            w.writeframes(stereo.tobytes())
        (out / f"{name}.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
