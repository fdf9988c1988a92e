#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program `cloister` from outside: its exit codes, its sentences, what it sends and what it never sends, and the terminal."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import Daemon, Engine, Relay, cloister, until  # noqa: E402
from terminal import Terminal  # noqa: E402

test = harness.Tap()


@contextlib.contextmanager
def served(script=harness.echo, *args):
    with tempfile.TemporaryDirectory(prefix="cloister-engine-") as folder:
        e = Engine(os.path.join(folder, "engine.sock"), script)
        try:
            with Daemon(*args, engine=e) as d:
                d.wait_ready()
                yield d, e
        finally:
            e.close()


def chat(d, *args, url=None, policy=None, key=None, **kw):
    return cloister("chat", "--server", url or d.url, "--policy", policy or d.policy, "--key-file", key or d.key_file, *args, **kw)


def write(folder, name, text, mode=0o600):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def same(got, want):
    assert got == want, f"{got!r} instead of {want!r}"


def has(text, *parts):
    for p in parts:
        assert p in text, f"{p!r} is not in {text!r}"


def status(r, want):
    assert r.returncode == want, f"exit status {r.returncode} instead of {want}; stdout {r.stdout!r}, stderr {r.stderr!r}"
    return r.stdout.decode(), r.stderr.decode()


# ---- one question ----


@test
def a_question_is_answered_on_standard_output_alone():
    with served() as (d, e):
        out, err = status(chat(d, "one two"), 0)
        same(out, "echo: one two\n")
        has(err, "verified: a simulated machine", "SIMULATED: this protects nothing")
        same(e.requests[0][1]["messages"], [{"role": "user", "content": "one two"}])
        assert "\033" not in out + err, "colours without a terminal"


@test
def the_question_can_come_from_standard_input():
    with served() as (d, e):
        same(status(chat(d, stdin="first\nsecond\n".encode()), 0)[0], "echo: first\nsecond\n")
        same(status(chat(d, "-", stdin="gr\u00fc\u00df \U0001f98a".encode()), 0)[0], "echo: gr\u00fc\u00df \U0001f98a\n")
        has(status(chat(d, "-", stdin=b""), 1)[1], "no question")
        has(status(chat(d, "-", stdin=b"a\0b"), 1)[1], "not text")
        has(status(chat(d, "-", stdin=b"\xff\xfe"), 1)[1], "not text")
        same(len(e.requests), 2)


@test
def options_of_the_model_reach_the_engine():
    with served() as (d, e):
        status(chat(d, "--system", "be brief", "--max-tokens", "7", "--temperature", "0.5", "--seed", "3", "hi"), 0)
        body = e.requests[0][1]
        same(body["messages"][0], {"role": "system", "content": "be brief"})
        same((body["max_tokens"], body["temperature"], body["seed"]), (7, 0.5, 3))


@test
def an_answer_in_a_pipe_is_passed_on_as_it_is():
    def script(body, out):
        out.head()
        out.event("\x1b[31mred\u202e")
        out.done()
    with served(script) as (d, e):
        same(status(chat(d, "hi"), 0)[0], "\x1b[31mred\u202e\n")


@test
def the_length_limit_is_told():
    def script(body, out):
        out.head()
        out.event("short")
        out.done("length")
    with served(script) as (d, e):
        out, err = status(chat(d, "hi"), 0)
        same(out, "short\n")
        has(err, "length limit")


@test
def a_conversation_beyond_the_context_is_told_and_nothing_is_cut():
    def script(body, out):
        out.json({"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error", "n_prompt_tokens": 900,
                            "n_ctx": 512}}, "400 Bad Request")
    with served(script) as (d, e):
        out, err = status(chat(d, "hi"), 1)
        same(out, "")
        has(err, "does not fit the model's context", "900", "512", "/reset")


@test
def an_engine_that_fails_in_the_middle_is_a_failure():
    def script(body, out):
        out.head()
        out.event("half")
        out.sock.close()
    with served(script) as (d, e):
        r = chat(d, "hi")
        status(r, 1)
        has(r.stderr.decode(), "cloister: ")
        same(len(e.requests), 1)


# ---- verification comes first ----


@test
def a_wrong_measurement_is_refused_and_nothing_is_sent():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        d.write_policy(measurements=["ab" * 48])
        relay = Relay(d.port)
        out, err = status(chat(d, "secret", url=relay.url), 10)
        same(out, "")
        has(err, "NOT verified", "nothing was sent", "snp.measurement")
        same(e.requests, [])
        same(relay.posts(), [])
        relay.close()


@test
def a_simulated_machine_is_refused_by_a_hardware_policy():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        hardware = cloister("policy", "init", "--sev-snp", "genoa", "--measurement", d.info["measurement"], "--min-tcb", "0.0.0.0",
                            "--min-firmware", "0.0.0")
        policy = write(tmp, "policy", status(hardware, 0)[0])
        has(status(chat(d, "secret", policy=policy), 10)[1], "policy.type")
        same(e.requests, [])


@test
def without_a_policy_nothing_is_admitted():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        has(status(cloister("chat", "--server", d.url, "hi"), 1)[1], "no policy", "--policy")
        has(status(chat(d, "hi", policy=os.path.join(tmp, "absent")), 1)[1], "no such file")
        has(status(chat(d, "hi", policy=write(tmp, "a", "{}")), 30)[1], "is not a policy")
        has(status(chat(d, "hi", policy=write(tmp, "b", '{"v":1,"name":"x","tee":["simulated"],"simulated":{},"measurments":[]}')), 30)[1], "measurments")
        empty = write(tmp, "c", '{"v":1,"name":"x","tee":["simulated"],"measurements":[],"simulated":{"roots":[]}}')
        status(chat(d, "hi", policy=empty), 10)
        same(e.requests, [])


@test
def a_nonce_is_used_once():
    with served() as (d, e):
        relay = Relay(d.port)
        status(chat(d, "hi", url=relay.url), 0)
        status(chat(d, "hi", url=relay.url), 0)
        lines = relay.evidence()
        same(len(lines), 2)
        assert lines[0] != lines[1], "the same nonce twice"
        relay.close()


@test
def recorded_evidence_is_refused():
    with served() as (d, e):
        status_, headers, body = d.get("/.well-known/cloister/evidence?full=1&nonce=" + "A" * 43)
        same(status_, 200)
        old = OneAnswer(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        has(status(chat(d, "secret", url=old.url), 10)[1], "freshness.nonce")
        same(e.requests, [])
        old.close()


class OneAnswer:
    """A server that says the same to everyone, and counts."""

    def __init__(self, answer):
        self.answer, self.seen = answer, []
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.sock.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            with c:
                c.settimeout(harness.WAIT)
                b = b""
                while b"\r\n\r\n" not in b:
                    more = c.recv(65536)
                    if not more:
                        break
                    b += more
                self.seen.append(b)
                with contextlib.suppress(OSError):
                    c.sendall(self.answer)

    def close(self):
        self.sock.close()


# ---- sentences ----


@test
def each_trouble_has_one_sentence_with_its_mend():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        dead = socket.create_server(("127.0.0.1", 0))
        port = dead.getsockname()[1]
        dead.close()
        busy = OneAnswer(b"HTTP/1.1 503 x\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n")
        absent = OneAnswer(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n")
        page = OneAnswer(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")
        cases = [
            (f"http://127.0.0.1:{port}", "nothing answers there"),
            ("http://name.invalid", "no address"),
            (d.url.replace("http:", "https:"), "TLS"),
            (busy.url, "try again in 9 s"),
            (absent.url, "no Cloister server"),
            (page.url, "no Cloister server"),
            ("ftp://127.0.0.1", "is not an address"),
            ("http://user:pw@127.0.0.1", "is not an address"),
        ]
        for url, part in cases:
            out, err = status(chat(d, "secret", url=url), 1)
            same(out, "")
            has(err, part)
            same(err.count("\n"), 1)
        for s in (busy, absent, page):
            assert all(b.startswith(b"GET ") and b"secret" not in b for b in s.seen)
            s.close()
        same(e.requests, [])


@test
def malformed_evidence_is_malformed_input():
    with served() as (d, e):
        for body in (b"{}", b"not json", b'{"v":2,"sections":{}}', b'{"v":1,"v":1}', b"[" * 1000):
            bad = OneAnswer(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            status(chat(d, "secret", url=bad.url), 30)
            status(cloister("verify", "--server", bad.url, "--policy", d.policy), 30)
            bad.close()
        same(e.requests, [])


@test
def a_wrong_key_is_told():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        has(status(chat(d, "hi", key=write(tmp, "wrong", "another-key\n")), 1)[1], "not accepted", "--key-file")
        has(status(cloister("chat", "--server", d.url, "--policy", d.policy, "hi"), 1)[1], "API key is missing")
        same(e.requests, [])


@test
def a_key_file_that_others_can_read_is_refused():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        has(status(chat(d, "hi", key=write(tmp, "open", "key\n", 0o644)), 1)[1], "chmod 600")
        has(status(chat(d, "hi", key=write(tmp, "two", "key\nkey\n")), 1)[1], "one line")
        has(status(chat(d, "hi", key=write(tmp, "empty", "")), 1)[1], "one line")
        same(e.requests, [])


@test
def unknown_options_and_commands_are_errors():
    has(status(cloister("chat", "--sever", "x"), 1)[1], "unknown option --sever")
    has(status(cloister("chat", "--server"), 1)[1], "needs a value")
    has(status(cloister("chat", "--temperature", "hot"), 1)[1], "--temperature")
    has(status(cloister("verify", "-xv"), 1)[1], "unknown option -x")
    has(status(cloister("chat", "-v"), 1)[1], "unknown option -v")
    has(status(cloister("caht"), 1)[1], "no command")
    has(status(cloister("chat", "two", "words"), 1)[1], "quotes")
    for args in (["--help"], ["--version"], ["chat", "--help"], ["verify", "-h"], ["demo", "--help"]):
        assert status(cloister(*args), 0)[0]


@test
def no_connection_takes_the_place_of_a_closed_standard_descriptor():
    with served() as (d, e):
        relay = Relay(d.port)
        args = [harness.CLOISTER, "chat", "--server", relay.url, "--policy", d.policy, "--key-file", d.key_file]
        for closed, more, want in (("<&-", [], "can't be read: Bad file"), (">&-", ["hi"], "can't be written: Bad file"), ("<&- >&- 2>&-", ["hi"], "")):
            r = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *args, *more], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={"HOME": "/nonexistent"}, text=True, timeout=harness.WAIT)
            same(r.returncode, 1)
            has(r.stderr, want)
        same(len(e.requests), 2)
        for stream in relay.streams:
            assert b"verified" not in bytes(stream) and b"echo" not in bytes(stream), stream
        relay.close()


@test
def what_can_not_be_printed_is_told():
    with served() as (d, _), open("/dev/full", "wb") as full:
        for args in (["--help"], ["--version"], ["verify", "--help"], ["policy", "show", d.policy], ["verify", "--server", d.url, "--policy", d.policy]):
            r = subprocess.run([harness.CLOISTER, *args], stdout=full, stderr=subprocess.PIPE, env={"HOME": "/nonexistent"}, text=True, timeout=harness.WAIT)
            same(r.returncode, 1)
            has(r.stderr, "disk is full")


# ---- configuration ----


@test
def the_configuration_file_is_read_and_the_command_line_comes_first():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        os.mkdir(os.path.join(tmp, "cloister"))
        os.rename(d.policy, os.path.join(tmp, "cloister", "policy.json"))
        config = f"# mine\nServer {d.url}\n  Policy   policy.json  \nKeyFile {d.key_file}\n\n"
        write(os.path.join(tmp, "cloister"), "config", config)
        env = {"XDG_CONFIG_HOME": tmp}
        same(status(cloister("chat", "hi", env=env), 0)[0], "echo: hi\n")
        status(cloister("chat", "--policy", "/dev/null", "hi", env=env), 30)
        write(os.path.join(tmp, "cloister"), "config", config + "Verify no\n")
        has(status(cloister("chat", "hi", env=env), 1)[1], "line 6", "unknown keyword")


@test
def no_environment_variable_weakens_anything():
    with served() as (d, e):
        d.write_policy(measurements=["ab" * 48])
        env = {f"CLOISTER_{k}": "1" for k in ("INSECURE", "SKIP_VERIFY", "NO_VERIFY", "POLICY", "SIMULATED", "DEBUG")}
        status(chat(d, "secret", env=env), 10)
        same(e.requests, [])


# ---- verify, evidence, policy ----


@test
def a_live_server_is_verified():
    with served() as (d, e):
        out, _ = status(cloister("verify", "--server", d.url, "--policy", d.policy), 0)
        has(out, "VERIFIED", "SIMULATED: this protects nothing")
        out, _ = status(cloister("verify", "--server", d.url, "--policy", d.policy, "-v"), 0)
        has(out, "binding.report_data", "snp.signature", "freshness.nonce")
        doc = json.loads(status(cloister("verify", "--server", d.url, "--policy", d.policy, "--json"), 0)[0])
        same(doc["v"], 1)
        d.write_policy(measurements=["ab" * 48])
        out, _ = status(cloister("verify", "--server", d.url, "--policy", d.policy), 10)
        has(out, "REFUSED", "snp.measurement", "ab" * 48, d.info["measurement"])


@test
def a_policy_that_comes_late_makes_no_nonce_one_of_the_future():
    with served() as (d, _):
        with subprocess.Popen([harness.CLOISTER, "verify", "--server", d.url, "--policy", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env={"HOME": "/nonexistent"}) as c:
            now = int(time.time())
            until(lambda: int(time.time()) > now + 1, "another second")
            with open(d.policy, "rb") as f:
                out, _ = c.communicate(f.read(), harness.WAIT)
            assert c.returncode == 0, out
        # judged as of another time, it is as if it had been fetched then
        status(cloister("verify", "--server", d.url, "--policy", d.policy, "--at", str(int(time.time()) - 60)), 0)


@test
def saved_evidence_is_judged_with_its_nonce_its_time_and_nothing_else():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        saved, nonce_file = os.path.join(tmp, "e.json"), os.path.join(tmp, "nonce")
        _, err = status(cloister("evidence", "--server", d.url, "--out", saved, "--nonce-out", nonce_file), 0)
        with open(nonce_file) as f:
            nonce = f.read().strip()
        has(err, nonce)
        base = ["verify", "--policy", d.policy, "--evidence", saved]
        status(cloister(*base, "--nonce", nonce), 0)
        has(status(cloister(*base), 20)[1], "freshness was not checked")
        has(status(cloister(*base, "--no-freshness"), 0)[0], "not checked")
        status(cloister(*base, "--nonce", "A" * 43), 10)
        has(status(cloister(*base, "--nonce", "A"), 1)[1], "--nonce")
        now = int(time.time())
        status(cloister(*base, "--nonce", nonce, "--at", str(now)), 0)
        has(status(cloister(*base, "--nonce", nonce, "--at", str(now + 86400)), 10)[0], "epoch.time")
        status(cloister(*base, "--nonce", nonce, "--at", "2020-01-01T00:00:00Z"), 10)
        for at in "yesterday", "-1", "9223372036854775807":
            has(status(cloister(*base, "--at", at), 1)[1], "--at doesn't take")
        with open(saved, "rb") as f:
            bundle = f.read()
        status(cloister("verify", "--policy", d.policy, "--evidence", "-", "--nonce", nonce, stdin=bundle), 0)
        status(cloister("verify", "--policy", d.policy, "--evidence", "-", stdin=bundle + b"x"), 30)
        status(cloister("verify", "--policy", d.policy, "--evidence", "-", stdin=b""), 30)


@test
def evidence_goes_into_a_pipe_and_not_in_its_place():
    with served() as (d, _), tempfile.TemporaryDirectory() as tmp:
        pipe = os.path.join(tmp, "pipe")
        os.mkfifo(pipe)
        with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as cat:
            status(cloister("evidence", "--server", d.url, "--out", pipe), 0)
            same(json.loads(cat.communicate(timeout=harness.WAIT)[0])["v"], 1)
        same(os.listdir(tmp), ["pipe"])


@test
def evidence_that_can_not_be_written_leaves_nothing():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        has(status(cloister("evidence", "--server", d.url, "--out", os.path.join(tmp, "no", "e")), 1)[1], "no such file or folder")
        has(status(cloister("evidence", "--server", d.url), 1)[1], "--out")
        same(os.listdir(tmp), [])
        with open("/dev/full", "wb") as full:
            r = subprocess.run([harness.CLOISTER, "evidence", "--server", d.url, "--out", "-"], stdout=full, stderr=subprocess.PIPE,
                               env={"HOME": "/nonexistent"}, timeout=harness.WAIT)
        same(r.returncode, 1)
        has(r.stderr.decode(), "disk is full")


@test
def an_answer_that_can_not_be_written_is_a_failure():
    with served() as (d, e), open("/dev/full", "wb") as full:
        r = subprocess.run([harness.CLOISTER, "chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "hi"],
                           stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, env={"HOME": "/nonexistent"}, timeout=harness.WAIT)
        same(r.returncode, 1)
        has(r.stderr.decode(), "can't be written")


@test
def a_policy_can_be_made_from_a_server_on_first_use():
    with served() as (d, e), tempfile.TemporaryDirectory() as tmp:
        out, err = status(cloister("policy", "init", "--from-server", "--server", d.url), 0)
        has(err, "WARNING", "trusts what", "protects nothing")
        policy = write(tmp, "policy", out)
        same(json.loads(out)["measurements"], [d.info["measurement"]])
        same(len(json.loads(out)["manifests"]), 1)
        status(chat(d, "hi", policy=policy), 0)
        has(status(cloister("policy", "show", policy), 0)[0], "SIMULATED", d.info["measurement"])


@test
def a_policy_can_be_made_from_known_values():
    root, measurement = "ab" * 32, "cd" * 48
    out, err = status(cloister("policy", "init", "--simulated-root", root, "--measurement", measurement), 0)
    same((json.loads(out)["tee"], json.loads(out)["simulated"]), (["simulated"], {"roots": [root]}))
    has(err, "protects nothing")
    out, _ = status(cloister("policy", "init", "--sev-snp", "turin", "--measurement", measurement, "--min-tcb", "1.2.3.4.5", "--min-firmware",
                             "1.55.29"), 0)
    same(json.loads(out)["sev_snp"]["products"]["turin"]["min_tcb"], {"bl": 1, "tee": 2, "snp": 3, "ucode": 4, "fmc": 5})
    for bad in (["--sev-snp", "rome", "--measurement", measurement], ["--sev-snp", "milan", "--measurement", measurement],
                ["--simulated-root", root], ["--simulated-root", "xy", "--measurement", measurement], []):
        r = cloister("policy", "init", *bad)
        status(r, 1)
        same(r.stdout, b"")


# ---- relays ----


@test
def everything_goes_through_the_relay():
    with served() as (d, e):
        relay = Relay(d.port)
        r = cloister("chat", "--server", "http://name.invalid", "--relay", relay.url, "--policy", d.policy, "--key-file", d.key_file, "canary word")
        same(status(r, 0)[0], "echo: canary word\n")
        same((len(relay.evidence()), len(relay.posts())), (1, 1))
        for s in relay.streams:
            for secret in (b"canary", harness.API_KEY.encode(), b"chat/completions"):
                assert secret not in s, "plaintext on the way"
        relay.close()


@test
def a_relay_that_says_503_after_forwarding_gets_no_second_question():
    for answer in (b"HTTP/1.1 503 x\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 307 x\r\nLocation: /r/0000000000000000\r\nContent-Length: 0\r\n\r\n",
                   b"HTTP/1.1 408 x\r\nContent-Length: 0\r\n\r\n", b""):
        with served() as (d, e):
            forged = {}

            def tamper(direction, index, data):
                if direction == "down" and bytes(relay.streams[index]).startswith(b"POST"):
                    if index in forged:
                        return None
                    forged[index] = True
                    return answer or None
                return data
            relay = Relay(d.port, tamper)
            out, err = status(chat(d, "hi", url=relay.url), 1)
            same(out, "")
            has(err, "not sent again")
            e.wait_requests(1)
            same((len(e.requests), len(relay.posts())), (1, 1))
            relay.close()


@test
def bytes_that_a_relay_repeats_are_refused_and_the_engine_sees_one():
    with served() as (d, e):
        relay = Relay(d.port)
        status(chat(d, "hi", url=relay.url), 0)
        sealed = next(bytes(s) for s in relay.streams if s.startswith(b"POST"))
        with socket.create_connection(("127.0.0.1", d.port), timeout=harness.WAIT) as s:
            s.sendall(sealed)
            line = s.recv(65536).split(b"\r\n", 1)[0]
        has(line.decode(), " 400 ")
        same(len(e.requests), 1)
        relay.close()


@test
def an_answer_cut_by_a_relay_is_never_taken_for_a_whole_one():
    with served() as (d, e):
        whole = []

        def measure(direction, index, data):
            if direction == "down" and bytes(relay.streams[index]).startswith(b"POST"):
                whole.append(len(data))
            return data
        relay = Relay(d.port, measure)
        status(chat(d, "one two three", url=relay.url), 0)
        relay.close()
        for cut in range(100, sum(whole) - 60, max(1, sum(whole) // 12)):
            passed = [0]

            def tamper(direction, index, data):
                if direction != "down" or not bytes(relay.streams[index]).startswith(b"POST"):
                    return data
                passed[0] += len(data)
                return data if passed[0] <= cut else None
            relay = Relay(d.port, tamper)
            r = chat(d, "one two three", url=relay.url)
            status(r, 1)
            has(r.stderr.decode(), "not sent again")
            same(len(relay.posts()), 1)
            relay.close()


@test
def an_altered_answer_is_told():
    with served() as (d, e):
        passed, altered = [0], []

        def tamper(direction, index, data):  # once, beyond the head, in whatever pieces it comes
            if direction == "down" and bytes(relay.streams[index]).startswith(b"POST"):
                passed[0] += len(data)
                if passed[0] > 1000 and len(data) > 100 and not altered:
                    altered.append(index)
                    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
            return data
        relay = Relay(d.port, tamper)
        r = chat(d, "word " * 400, url=relay.url)
        status(r, 1)
        has(r.stderr.decode(), "not sent again")
        relay.close()


@test
def keys_that_have_changed_are_told():
    problem = b'{"type":"https://iana.org/assignments/http-problem-types#ohttp-key"}'
    with served() as (d, e):
        def tamper(direction, index, data):
            if direction == "down" and bytes(relay.streams[index]).startswith(b"POST"):
                return b"HTTP/1.1 400 x\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s" % (len(problem), problem)
            return data
        relay = Relay(d.port, tamper)
        has(status(chat(d, "hi", url=relay.url), 1)[1], "keys have changed")
        same(len(relay.posts()), 1)
        relay.close()


# ---- a terminal ----


PROMPT = r"\[SIMULATED\] > $"


def terminal(d, *args):
    return Terminal("chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, *args)


@test
def a_conversation_keeps_its_history():
    with served() as (d, e), terminal(d) as t:
        has(t.expect(PROMPT), "verified: a simulated machine", "SIMULATED: this protects nothing", "/help")
        t.type("one\r")
        t.expect("echo: one")
        t.expect(PROMPT)
        t.type("/system be brief\r")
        t.expect("new conversation")
        t.expect(PROMPT)
        t.type("two\r")
        t.expect("echo: two")
        t.expect(PROMPT)
        t.type("three\r")
        t.expect("echo: three")
        t.expect(PROMPT)
        same([m["content"] for m in e.requests[2][1]["messages"]], ["be brief", "two", "echo: two", "three"])
        t.type("/reset\r")
        t.expect(PROMPT)
        t.type("four\r")
        t.expect("echo: four")
        same([m["content"] for m in e.requests[3][1]["messages"]], ["be brief", "four"])
        t.expect(PROMPT)
        t.type("/verify\r")
        t.expect("snp.signature")
        t.expect(PROMPT)
        t.type("/help\r")
        t.expect("never? ?ever written to a file|ever written to a file")
        t.expect(PROMPT)
        t.type("/nonsense\r")
        t.expect("no command /nonsense")
        t.expect(PROMPT)
        t.type("\x04")
        same(t.end(), 0)
        same(len(e.requests), 4)


@test
def what_is_typed_has_the_terminals_own_colour():
    with served() as (d, _), terminal(d) as t:
        t.expect(PROMPT)
        t.type("x")
        t.expect("x")
        same(re.findall(r"\x1b\[[0-9]*m", t.raw)[-2:], ["\x1b[33m", "\x1b[0m"])


@test
def a_paste_beyond_the_limit_is_dropped_whole():
    with served() as (d, e), terminal(d) as t:
        t.expect(PROMPT)
        t.type("\x1b[200~" + "rm -rf x\r" * 120000 + "\x1b[201~")
        t.type("ok\r")
        t.expect("echo: ok")
        same(len(e.requests), 1)


@test
def a_stopped_conversation_takes_its_terminal_back():
    with served() as (d, _), terminal(d) as t:
        t.expect(PROMPT)
        raw = termios.tcgetattr(t.fd)
        t.type("hello")
        t.expect("hello")
        os.kill(t.pid, signal.SIGSTOP)
        os.waitpid(t.pid, os.WUNTRACED)
        cooked = list(raw)
        cooked[3] |= termios.ICANON | termios.ECHO
        termios.tcsetattr(t.fd, termios.TCSANOW, cooked)
        os.kill(t.pid, signal.SIGCONT)
        t.expect(r"\[SIMULATED\] > hello$")
        same(termios.tcgetattr(t.fd)[3] & (termios.ICANON | termios.ECHO), 0)
        t.type(" there\r")
        t.expect("echo: hello there")


@test
def several_lines_are_one_message():
    with served() as (d, e), terminal(d) as t:
        t.expect(PROMPT)
        t.type("a\\\r")
        t.expect("\u2026 $")
        t.type("b\r")
        t.expect("echo: a")
        t.expect(PROMPT)
        t.type('"""c\r')
        t.expect("\u2026 $")
        t.type("\r")
        t.expect("\u2026 $")
        t.type('d"""\r')
        t.expect("echo: c")
        t.expect(PROMPT)
        t.type("\x1b[200~e\rf\tg\x1b[201~\r")
        t.expect("echo: e")
        t.expect(PROMPT)
        t.type("gr\u00fc\u00df \U0001f98a\r")
        t.expect("echo: gr\u00fc\u00df \U0001f98a")
        t.expect(PROMPT)
        same([r[1]["messages"][-1]["content"] for r in e.requests], ["a\nb", "c\n\nd", "e\nf\tg", "gr\u00fc\u00df \U0001f98a"])
        t.type("/quit\r")
        same(t.end(), 0)


@test
def ctrl_c_stops_an_answer_and_the_server_is_told():
    gone = threading.Event()

    def script(body, out):
        out.head()
        out.event("endless")
        if body["messages"][-1]["content"] == "stop me":
            out.peer_gone()
            gone.set()
        else:
            out.done()
    with served(script) as (d, e), terminal(d) as t:
        t.expect(PROMPT)
        t.type("stop me\r")
        t.expect("endless")
        t.type("\x03")
        t.expect("stopped", 5)
        t.expect(PROMPT)
        assert gone.wait(harness.WAIT), "the engine was not told"
        t.type("again\r")
        t.expect("endless")
        t.expect(PROMPT)
        same([m["content"] for m in e.requests[1][1]["messages"]], ["again"])
        t.type("thrown away\x03")
        t.expect(PROMPT)
        t.type("kept\r")
        t.expect("endless")
        t.expect(PROMPT)
        same(e.requests[2][1]["messages"][-1]["content"], "kept")
        t.type("\x04")
        same(t.end(), 0)


@test
def what_is_typed_while_an_answer_streams_is_not_lost():
    release = threading.Event()

    def script(body, out):
        out.head()
        out.event("slow")
        release.wait(harness.WAIT)
        out.event(" end")
        out.done()
    with served(script) as (d, e), terminal(d) as t:
        t.expect(PROMPT)
        t.type("one\r")
        t.expect("slow")
        t.type("two\r\x04")
        release.set()
        has(t.expect(r"\[SIMULATED\] > "), " end\r\n")
        t.expect("slow end\r\n")
        same(t.end(), 0)
        same([r[1]["messages"][-1]["content"] for r in e.requests], ["one", "two"])


@test
def a_failed_question_is_told_not_repeated_and_not_kept():
    def script(body, out):
        if body["messages"][-1]["content"] == "fail":
            out.head()
            out.event("half an ans")
            out.sock.close()
        else:
            harness.echo(body, out)
    with served(script) as (d, e):
        relay = Relay(d.port)
        with Terminal("chat", "--server", relay.url, "--policy", d.policy, "--key-file", d.key_file) as t:
            t.expect(PROMPT)
            t.type("first\r")
            t.expect("echo: first")
            t.expect(PROMPT)
            same(len(relay.evidence()), 1)
            t.type("fail\r")
            t.expect("half an ans")
            t.expect("cloister: ")
            t.expect(PROMPT)
            same(len(e.requests), 2)
            t.type("next\r")
            t.expect("echo: next")
            t.expect(PROMPT)
            same(len(relay.evidence()), 2)
            same(len(relay.posts()), 3)
            lines = relay.request_lines()
            assert "/evidence?" in lines[-2] and lines[-1].startswith("POST"), "evidence comes before the next question"
            same([m["content"] for m in e.requests[2][1]["messages"]], ["first", "echo: first", "next"])
            t.type("\x04")
            same(t.end(), 0)
        relay.close()


@test
def what_could_harm_a_terminal_does_not_reach_it():
    def script(body, out):
        out.head()
        out.event("A\x1b[2JB\x07C\u202eD\x9bE")
        out.done()
    with served(script) as (d, e), terminal(d) as t:
        t.expect(PROMPT)
        t.type("hi\r")
        end = time.monotonic() + harness.WAIT
        while "E\r\n" not in t.text and time.monotonic() < end:
            t.text += os.read(t.fd, 65536).decode(errors="replace")
        has(t.text, "A\ufffd[2JB\ufffdC\ufffdD\ufffdE")
        t.type("\x04")
        same(t.end(), 0)


@test
def a_signal_ends_the_program_as_it_should():
    def script(body, out):
        out.head()
        out.event("endless")
        out.peer_gone()
    with served(script) as (d, e), terminal(d) as t:
        t.expect(PROMPT)
        t.type("hi\r")
        t.expect("endless")
        os.kill(t.pid, signal.SIGTERM)
        st = t.end()
        assert os.WIFSIGNALED(st) and os.WTERMSIG(st) == signal.SIGTERM, st


@test
def evidence_is_renewed_when_its_time_is_over():
    with served(harness.echo, "--key-lifetime", "10") as (d, e):
        relay = Relay(d.port)
        with Terminal("chat", "--server", relay.url, "--policy", d.policy, "--key-file", d.key_file) as t:
            t.expect(PROMPT)
            first = len(relay.evidence())
            until(lambda: len(relay.evidence()) > first, "evidence at an idle prompt")
            t.type("hi\r")
            t.expect("echo: hi")
            t.expect(PROMPT)
            t.type("\x04")
            same(t.end(), 0)
        relay.close()


test.run()
