"""From clean speech of two people to what a recorder gets: level, band, noise, cross-talk, codec, packet loss. Seeded."""
import subprocess

import numpy as np

from voices import RATE

FRAME = RATE // 50  # 20 ms, a packet


def band(samples, low, high):
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(hertz < low) | (hertz > high)] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def noise(rng, kind, count, babble):
    """`rng` is numpy's. One second or more, of power 1."""
    if kind == "babble" and len(babble):  # many at once, backwards: voices that nobody understands
        made = np.zeros(count, np.float32)
        for _ in range(8):
            made += np.resize(np.roll(babble[::-1], int(rng.integers(len(babble)))), count)
    elif kind == "hum":
        at = np.arange(count) / RATE
        mains = rng.choice([50, 60])
        made = sum(np.sin(2 * np.pi * mains * k * at + rng.random() * 6) / k for k in range(1, 8)) + 0.3 * rng.standard_normal(count)
    elif kind == "keyboard":
        made = 0.05 * rng.standard_normal(count)
        for at in rng.integers(0, max(1, count - 400), max(1, count // 2500)):
            made[at:at + 300] += rng.standard_normal(300) * np.exp(-np.arange(300) / 60)
    else:
        spectrum = np.fft.rfft(rng.standard_normal(count))
        if kind == "pink":
            spectrum /= np.sqrt(np.maximum(1, np.arange(len(spectrum))))
        made = np.fft.irfft(spectrum, count)
    made = np.asarray(made, np.float32)
    return made / (np.sqrt(np.mean(made ** 2)) + 1e-9)


def speech_level(samples):
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    power = np.mean(frames ** 2, axis=1)
    loud = power[power > 1e-3 * power.max()] if len(power) and power.max() > 0 else power
    return float(np.sqrt(np.mean(loud))) if len(loud) else 0.0


def mu_law(samples):
    """There and back."""
    clipped = np.clip(samples, -1, 1)
    coded = np.sign(clipped) * np.log1p(255 * np.abs(clipped)) / np.log(256)
    coded = np.round(coded * 127) / 127
    return (np.sign(coded) * (np.power(256.0, np.abs(coded)) - 1) / 255).astype(np.float32)


def through_gsm(samples):
    raw = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    form = ["-t", "raw", "-r", str(RATE), "-e", "signed", "-b", "16", "-c", "1"]
    packed = subprocess.run(["sox", *form, "-", "-t", "gsm", "-"], input=raw, capture_output=True, check=True).stdout
    back = subprocess.run(["sox", "-t", "gsm", "-r", str(RATE), "-c", "1", "-", *form, "-"], input=packed, capture_output=True, check=True).stdout
    out = np.frombuffer(back, "<i2").astype(np.float32) / 32768
    return np.pad(out, (0, max(0, len(samples) - len(out))))[: len(samples)]


def lose(rng, samples, percent):
    """Bursts of lost packets; the last one is said again, fainter each time, as receivers do."""
    out, lost = samples.copy(), False
    faint = 1.0
    for at in range(FRAME, len(samples) - FRAME, FRAME):
        lost = rng.random() < (0.5 if lost else percent / 100)
        faint = faint * 0.6 if lost else 1.0
        if lost:
            out[at:at + FRAME] = out[at - FRAME:at] * (faint if faint > 0.2 else 0)
    return out


def side(rng, speech, other, how, babble):
    """What is recorded of one party. `how` stands in the call's labels."""
    level = speech_level(speech) or 1.0
    voice = band(speech, 250, 3450) * (10 ** (how["level_dbfs"] / 20) / level)
    count = len(voice)
    hiss = noise(rng, how["noise"], count, babble) * 10 ** ((how["level_dbfs"] - how["snr_db"]) / 20)
    if how["noise_suppressed_pauses"]:
        envelope = np.convolve(np.abs(voice), np.ones(RATE // 5) / (RATE // 5), "same")
        hiss = np.where(envelope > 0.05 * envelope.max(), hiss, hiss * 0.25)
    delay = int(rng.integers(RATE // 25, RATE // 8))
    echo = np.pad(other, (delay, 0))[:count] * (10 ** ((how["level_dbfs"] + how["echo_db"]) / 20) / (speech_level(other) or 1.0))
    mixed = voice + hiss + band(echo, 250, 3450)
    if how["codec"] == "gsm":
        mixed = through_gsm(mixed)
    if how["loss_percent"]:
        mixed = lose(rng, mixed, how["loss_percent"])
    return mu_law(mixed)


def keys(rng, digits):
    """In-band tones, and when each sounds (samples)."""
    low = dict(zip("123A456B789C*0#D", [697] * 4 + [770] * 4 + [852] * 4 + [941] * 4))
    high = dict(zip("123A456B789C*0#D", [1209, 1336, 1477, 1633] * 4))
    tone = RATE * int(rng.integers(70, 160)) // 1000
    gap = RATE * int(rng.integers(90, 420)) // 1000
    at = np.arange(tone) / RATE
    out, times = [], []
    for digit in digits:
        begin = sum(map(len, out))
        out.append((0.4 * np.sin(2 * np.pi * low[digit] * at) + 0.4 * np.sin(2 * np.pi * high[digit] * at)).astype(np.float32))
        times.append((begin, begin + tone))
        out.append(np.zeros(gap, np.float32))
    return np.concatenate(out), times
