#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Canary strings sent through every path appear in no log, no file, and, once a request has ended, in no process's memory."""
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import Daemon, Engine, Skip, Tap, cloister

tap = Tap()
QUESTION = b"canary-question-7f3a91c2"
ANSWER = b"canary-answer-5be20d44"
SYSTEM = b"canary-system-91d0e6aa"
BROKEN = b"canary-broken-c3370fbe"
MEMBER = b"canary_member_e8d1"
KEY = "canary-api-key-20aa7db1f4"
CANARIES = [QUESTION, ANSWER, SYSTEM, BROKEN, MEMBER, KEY.encode()]


def script(body, out):
    text = body["messages"][-1]["content"]
    if BROKEN.decode() in text:
        out.head()
        out.event(ANSWER.decode())
        out.chunk(b"data: {not json " + BROKEN + b"\n\n")
        return
    out.head()
    out.event(ANSWER.decode())
    out.done()


def files_with_canaries(folder):
    hits = []
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                data = f.read()
            hits += [(path, c) for c in CANARIES if c in data]
    return hits


def memory_with_canaries(pid):
    """The canaries that a process still holds in writable memory."""
    hits = set()
    try:
        maps = open(f"/proc/{pid}/maps")
        mem = open(f"/proc/{pid}/mem", "rb", buffering=0)
    except PermissionError:
        raise Skip("reading another process's memory needs root")
    with maps, mem:
        for line in maps:
            span, perms = line.split()[:2]
            if not perms.startswith("rw") or "[vvar" in line:
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            if end - start > 1 << 30:  # a sanitizer's shadow: no data
                continue
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except OSError:
                continue
            hits |= {c for c in CANARIES if c in data}
    return hits


class Run:
    """One daemon that was asked in every way: rightly, wrongly, with a broken engine, with a wrong key."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="cloister-home-")
        self.before = set(os.listdir("/tmp"))
        self.engine = Engine(f"/tmp/cloister-canary-{os.getpid()}.sock", script)
        self.daemon = Daemon("--log-level", "debug", engine=self.engine, api_key=KEY)
        d = self.daemon.wait_ready()
        env = {"HOME": self.home, "XDG_RUNTIME_DIR": self.home, "TMPDIR": self.home}
        base = ("chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "--system", SYSTEM.decode())
        self.stderr = b""
        for question, status in ((QUESTION, 0), (BROKEN, 1)):
            r = cloister(*base, question.decode(), env=env)
            assert r.returncode == status, (r.returncode, r.stderr)
            assert ANSWER in r.stdout or status == 1
            self.stderr += r.stderr
        wrong = os.path.join(self.home, "wrong-key")
        with open(os.open(wrong, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("another-key-that-nobody-knows\n")
        r = cloister("chat", "--server", d.url, "--policy", d.policy, "--key-file", wrong, QUESTION.decode(), env=env)
        assert r.returncode == 1, r.returncode
        self.stderr += r.stderr
        r = cloister(*base, "--policy", "/nonexistent/" + QUESTION.decode()[:6], QUESTION.decode(), env=env)
        assert r.returncode != 0

    def close(self):
        self.daemon.close()
        self.engine.close()
        shutil.rmtree(self.home)


@tap
def no_log_and_no_message_holds_users_text_or_a_key():
    run = Run()
    try:
        log = run.daemon.log().encode()
        assert log, "the log is empty: nothing was tested"
        assert not [c for c in CANARIES if c in log], log
        assert not [c for c in CANARIES if c in run.stderr], run.stderr
    finally:
        run.close()


@tap
def no_file_holds_users_text():
    run = Run()
    try:
        os.unlink(run.daemon.key_file)  # the user's own file, where the key belongs
        hits = files_with_canaries(run.daemon.dir) + files_with_canaries(run.home)
        for name in set(os.listdir("/tmp")) - run.before:
            hits += files_with_canaries(os.path.join("/tmp", name))
        assert not hits, hits
    finally:
        run.close()


@tap
def no_file_holds_a_private_key():
    run = Run()
    try:
        d = run.daemon
        for role in ("keeper", "attester"):
            folder = f"/proc/{d.children()[role]}/fd"
            opened = [os.readlink(os.path.join(folder, n)) for n in os.listdir(folder)]
            # standard error is the log; there is nothing else that could be written to
            assert not [x for x in opened if x.startswith("/") and x not in ("/dev/null", d.log_path)], (role, opened)
        made = [os.path.join(top, n) for top, _, names in os.walk(d.dir) for n in names]
        assert {os.path.basename(x) for x in made} <= {"log", "key", "keys.json", "policy.json", "cloisterd.lock", "gateway"}, made
        assert not [x for x in made if b"PRIVATE KEY" in open(x, "rb").read()]
    finally:
        run.close()


@tap
def no_process_holds_users_text_or_the_api_key_once_a_request_has_ended():
    run = Run()
    try:
        d = run.daemon
        d.get("/healthz")  # the gateway has come round its loop since
        assert QUESTION in memory_with_canaries(os.getpid()), "the search finds nothing where something is"
        for role, pid in [("parent", d.proc.pid), *d.children().items()]:
            hits = memory_with_canaries(pid)
            assert not hits, (role, hits)
    finally:
        run.close()


@tap
def no_process_may_dump_core():
    run = Run()
    try:
        d = run.daemon
        for role, pid in [("parent", d.proc.pid), *d.children().items()]:
            with open(f"/proc/{pid}/limits") as f:
                m = re.search(r"Max core file size\s+(\S+)\s+(\S+)", f.read())
            # one byte: no core file is that small, and the kernel starts no core_pattern program at exactly this limit
            assert m.groups() == ("1", "1"), (role, m.groups())
    finally:
        run.close()


if __name__ == "__main__":
    tap.run()
