"""A telephone system for tests, all on 127.0.0.1: kamailio as registrar and proxy that asks for a digest, baresip as phones that
play a tone and tell every SIP message that they see."""
import ctypes
import json
import math
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import wave

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/demo"))
from installation import Failed, free_port

DOMAIN, REALM = "phones.test", "phones.test"
USER, PASSWORD = "callward", "a password for the trunk 7"
RATE = 8_000
TONE_S = 120
WAIT_S = 20
BARESIP_MODULES = "/usr/lib/baresip/modules"


def until(condition, what, timeout_s=WAIT_S):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise Failed(f"not after {timeout_s} s: {what}")


def write_tone(path, hz):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(b"".join(struct.pack("<h", int(9_000 * math.sin(2 * math.pi * hz * i / RATE))) for i in range(TONE_S * RATE)))


def share_of(samples, hz, window=RATE // 10):
    """Of the power of `samples` (8 kHz), how much stands at this tone: 1 for a pure one. Window by window: where something is
    missing between two of them, the tone goes on with another phase, and over the whole it would cancel itself."""
    power, at_tone = sum(s * s for s in samples), 0.0
    if power == 0:
        return 0.0
    turn = 2 * math.pi * hz / RATE
    for begin in range(0, len(samples), window):
        part = samples[begin:begin + window]
        real = sum(s * math.cos(turn * i) for i, s in enumerate(part))
        imaginary = sum(s * math.sin(turn * i) for i, s in enumerate(part))
        at_tone += 2 * (real * real + imaginary * imaginary) / len(part)
    return at_tone / power


def die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    """Ends with the test, however that ends."""

    def __init__(self, argv, log, **more):
        self.log = pathlib.Path(log)
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=open(log, "ab"), stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent, **more
        )

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Proxy(Process):
    """Whoever calls as the company must know the password; phones register as they like."""

    def __init__(self, folder):
        self.port = free_port()
        folder.mkdir(exist_ok=True)
        (folder / "kamailio.cfg").write_text(f"""#!KAMAILIO
debug=1
log_stderror=yes
fork=no
children=1
disable_tcp=yes
auto_aliases=no
alias="{DOMAIN}"
listen=udp:127.0.0.1:{self.port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("auth", "secret", "phones")
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (has_totag()) {{
    remove_hf("Proxy-Authorization");
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method("ACK") && t_check_trans()) {{ t_relay(); }}
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
  t_check_trans();
  if (is_method("REGISTER")) {{ save("location"); exit; }}
  if (is_method("INVITE")) {{
    if (!pv_proxy_authenticate("{REALM}", "{PASSWORD}", "0")) {{ proxy_challenge("{REALM}", "1"); exit; }}
    consume_credentials();
    record_route();
  }}
  if (!lookup("location")) {{ t_newtran(); t_reply("404", "Not Found"); exit; }}
  t_relay();
}}
""")
        super().__init__(["kamailio", "-f", str(folder / "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "4", "-Y", str(folder)], folder / "kamailio.log")

    def location_count(self):
        return self.log.read_text(errors="replace").count("AOR")


class Phone(Process):
    """baresip: `answer` is "auto", "early" (183 with sound, then by hand) or "manual"."""

    def __init__(self, folder, name, proxy, hz, answer="auto"):
        self.name, self.hz = name, hz
        folder = folder / name.strip("+")
        folder.mkdir(parents=True)
        self.control = free_port()
        write_tone(folder / "tone.wav", hz)
        (folder / "config").write_text(f"""poll_method epoll
sip_listen 127.0.0.1:{free_port()}
net_interface 127.0.0.1
audio_source aufile,{folder}/tone.wav
audio_player aubridge,sink
audio_alert aubridge,sink
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_level no
rtp_stats no
call_local_timeout 120
module_path {BARESIP_MODULES}
module g711.so
module aufile.so
module aubridge.so
module_app account.so
module_app contact.so
module_app menu.so
module ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{self.control}
""")
        (folder / "accounts").write_text(f"<sip:{name}@127.0.0.1:{proxy.port};transport=udp>;auth_pass=none;regint=600;answermode={answer};audio_codecs=PCMU/8000/1\n")
        (folder / "contacts").write_text("")
        super().__init__(["baresip", "-f", str(folder), "-s", "-4"], folder / "baresip.log", env={**os.environ, "HOME": str(folder)})
        until(lambda: re.search(r"200 OK", self.text()), f"{name} registered; see {self.log}")

    def text(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text(errors="replace"))

    def command(self, name, params=""):
        message = json.dumps({"command": name, "params": params, "token": "t"})
        with socket.create_connection(("127.0.0.1", self.control), timeout=5) as link:
            link.sendall(f"{len(message)}:{message},".encode())
            link.settimeout(5)
            return link.recv(65_536).decode(errors="replace")

    def hang_up(self):
        self.command("hangup")

    def answer(self):
        self.command("accept")

    def invites(self):
        return len(re.findall(r"^INVITE sip:", self.text(), re.M))
