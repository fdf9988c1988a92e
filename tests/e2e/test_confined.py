#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What others made is read in a cell: seen from its inside, by a parser that was taken over, and from outside while it waits."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import shutil
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import CLOISTER, Daemon, Engine, Proxy, Relay, Skip, Tap, cloister, until

tap = Tap()
HOSTILE = os.path.join(harness.BUILD, "tests", "support", "hostile_parser.so")
QUESTION = "confined-question-5a1c77e0"
SECRET = "confined-environment-90bb13d2"
ACTS = ["read", "create", "remove", "connect", "exec", "fork", "ptrace", "memory", "kill", "code", "crash"]


def hostile(**names):
    """The environment of a client whose parser is taken over."""
    # a sanitizer's library wants to be the first one
    options = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": HOSTILE, "SOME_TOKEN": SECRET, "ASAN_OPTIONS": options + ":" * bool(options) + "verify_asan_link_order=0", **names}


class Scene:
    """A daemon, saved evidence of it, and what a taken-over parser could do harm to."""

    def __enter__(self):
        self.engine = Engine(f"/tmp/cloister-confined-{os.getpid()}.sock")
        self.d = Daemon(engine=self.engine).wait_ready()
        self.dir = tempfile.mkdtemp(prefix="cloister-confined-")
        self.evidence = os.path.join(self.dir, "evidence")
        r = cloister("evidence", "--server", self.d.url, "--out", self.evidence)
        assert r.returncode == 0, r.stderr
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        return self

    def __exit__(self, *exc):
        self.listener.close()
        self.d.__exit__(*exc)
        self.engine.close()
        shutil.rmtree(self.dir)

    def env(self, act, **more):
        self.target = os.path.join(self.dir, "target-" + act)
        if act == "remove":
            open(self.target, "w").close()
        return hostile(HOSTILE=act, HOSTILE_FILE=self.target, HOSTILE_PORT=str(self.listener.getsockname()[1]), **more)

    def harmed(self, act):
        """Can anything be seen of it?"""
        try:
            self.listener.accept()[0].close()
            return True
        except BlockingIOError:
            return os.path.exists(self.target) != (act == "remove")

    def chat(self, env):
        d = self.d
        return cloister("chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, QUESTION, env=env)


@tap
def outside_of_a_cell_all_of_it_can_be_done():
    """Or the next tests would show nothing: the same acts in a process that reads nothing but the user's own policy."""
    with Scene() as s:
        for act in ("create", "remove", "connect"):
            r = cloister("policy", "show", s.d.policy, env=s.env(act, HOSTILE_EVERYWHERE="1"))
            assert r.returncode == 0 and s.harmed(act), (act, r.stderr)
        r = cloister("policy", "show", s.d.policy, env=s.env("exec", HOSTILE_EVERYWHERE="1"))
        assert s.harmed("exec"), r.stderr
        for act in ("read", "code", "fork"):
            assert cloister("policy", "show", s.d.policy, env=s.env(act, HOSTILE_EVERYWHERE="1")).returncode == 0, act


@tap
def what_reads_a_servers_evidence_can_do_none_of_it():
    with Scene() as s:
        for act in ACTS:
            r = s.chat(s.env(act))
            assert r.returncode == 1 and r.stdout == b"", (act, r)
            assert r.stderr.count(b"what reads evidence has ended") == 1, (act, r.stderr)
            assert not s.harmed(act), act
        assert not s.engine.requests, "something was sent to a server whose evidence nobody has read"
        assert s.chat(hostile()).returncode == 0  # with the library, and without an act


@tap
def what_reads_a_file_can_do_none_of_it():
    with Scene() as s:
        commands = [("explain", s.evidence), ("verify", "--evidence", s.evidence, "--policy", s.d.policy, "--no-freshness"),
                    ("policy", "from-evidence", s.evidence), ("bundle", "--evidence", s.evidence, "--out", os.path.join(s.dir, "bundle")),
                    ("policy", "diff", "--server", s.d.url, "--policy", s.d.policy)]
        for args in commands:
            for act in ACTS if args[0] == "explain" else ("create", "connect"):
                r = cloister(*args, env=s.env(act))
                assert r.returncode == 1 and r.stdout == b"", (args[0], act, r)
                if args[1] != "diff":  # there it is the server's that is read first
                    assert b"ended by the system (signal %d)" % signal.SIGSYS in r.stderr, (act, r.stderr)  # abort() signals itself
                assert not s.harmed(act), (args[0], act)
        assert not os.path.exists(os.path.join(s.dir, "bundle"))
        assert cloister("explain", s.evidence, env=hostile()).returncode == 0


@tap
def what_was_left_to_the_client_is_not_left_to_what_reads_for_it():
    """A descriptor that whoever started it forgot to close."""
    with Scene() as s, open(s.d.key_file, "rb") as secret:
        def prepare():
            os.dup2(secret.fileno(), 9)
            os.set_inheritable(9, True)

        def run(env, *args):
            return subprocess.run([CLOISTER, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=harness.WAIT, close_fds=False,
                                  preexec_fn=prepare, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **env})

        r = run(s.env("inherited", HOSTILE_EVERYWHERE="1"), "policy", "show", s.d.policy)
        assert r.returncode == 0 and b"inherited!" in r.stdout, r
        secret.seek(0)
        r = run(s.env("inherited"), "explain", s.evidence)
        assert r.returncode == 0 and b"inherited!" not in r.stdout, r


@tap
def what_reads_reference_values_can_do_none_of_it():
    rim = os.path.join(harness.BUILD, "src", "rim", "cloister-rim")
    if not os.path.exists(rim):
        raise Skip("cloister-rim is not built: libxml2 or libxmlsec is missing")
    with Scene() as s:
        file = os.path.join(s.dir, "rim")
        with open(file, "w") as f:
            f.write("<a/>")
        for act in ("create", "connect", "exec"):
            r = subprocess.run([rim, "import", file, "--policy", s.d.policy], capture_output=True, timeout=harness.WAIT,
                               env={"PATH": os.environ["PATH"], **s.env(act)})
            assert r.returncode == 1 and b"ended by the system (signal %d)" % signal.SIGSYS in r.stderr and not s.harmed(act), (act, r)


# ---- from outside, while it waits for a section that is late ----


class Late:
    """A server that leaves sections out, and whose first one that is asked for doesn't come until it may."""

    def __init__(self, port):
        self.may, self.asked = threading.Event(), threading.Event()
        self.relay = Relay(port, self.tamper)

    def tamper(self, direction, index, data):
        if direction == "up" and b"/blob/" in data:
            self.asked.set()
            self.may.wait(harness.WAIT)
        return data.replace(b"&full=1", b"") if direction == "up" else data


def below(pid):
    """{pid: parent} of all processes below this one."""
    parents = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/stat") as f:
                parents[int(p)] = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found = {pid}
    for _ in range(4):
        found |= {p for p, parent in parents.items() if parent in found}
    return {p: parents[p] for p in found - {pid}}


def status_of(pid, name):
    with open(f"/proc/{pid}/status") as f:
        return re.search(rf"^{name}:\s*(\S+)", f.read(), re.M).group(1)


def memory_of(pid):
    try:
        with open(f"/proc/{pid}/maps") as f:
            spans = [line.split()[0] for line in f if line.split()[1].startswith("r") and "[v" not in line]
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
            for span in spans:
                start, end = (int(x, 16) for x in span.split("-"))
                if end - start > 1 << 30:  # a sanitizer's shadow
                    continue
                try:
                    mem.seek(start)
                    yield mem.read(end - start)
                except OSError:
                    continue
    except PermissionError:
        raise Skip("reading another process's memory needs root")


def holds(pid, word):
    return any(word in piece for piece in memory_of(pid))


@tap
def what_reads_evidence_knows_neither_question_nor_key_nor_environment():
    with Scene() as s:
        late = Late(s.d.port)
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", "SOME_TOKEN": SECRET}
        p = subprocess.Popen([CLOISTER, "chat", "--server", late.relay.url, "--policy", s.d.policy, "--key-file", s.d.key_file, QUESTION],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        try:
            assert late.asked.wait(harness.WAIT), "no section was asked for by itself"
            apart = below(p.pid)
            inner = [pid for pid, parent in apart.items() if parent != p.pid]
            assert len(apart) == 2 and len(inner) == 1, apart
            with open(CLOISTER, "rb") as f:
                sanitized = b"__asan_init" in f.read()  # which keeps a copy of the environment
            for word in (QUESTION, harness.API_KEY) if sanitized else (QUESTION, harness.API_KEY, SECRET):
                assert holds(p.pid, word.encode()), "the search finds nothing where something is"
                for pid in apart:
                    assert not holds(pid, word.encode()), (word, "split off" if pid not in inner else "cell")
            for pid in apart:
                for name in ("cmdline", "environ"):
                    with open(f"/proc/{pid}/{name}", "rb") as f:
                        text = f.read()
                    assert QUESTION.encode() not in text and SECRET.encode() not in text, (pid, name)
            # what shuts it in
            assert status_of(inner[0], "Seccomp") == "2" and status_of(inner[0], "NoNewPrivs") == "1"
            with open(f"/proc/{inner[0]}/limits") as f:
                limits = f.read()
            for name, value in (("Max cpu time", 10), ("Max open files", 0), ("Max processes", 0), ("Max core file size", 1)):
                assert re.search(rf"^{name}\s+{value}\s+{value}\s", limits, re.M), (name, limits)
            # and what is left to it: one end of a channel
            opened = [os.readlink(f"/proc/{inner[0]}/fd/{n}") for n in os.listdir(f"/proc/{inner[0]}/fd")]
            assert len(opened) == 1 and opened[0].startswith("socket:"), opened
            late.may.set()
            out, err = p.communicate(timeout=harness.WAIT)
            assert p.returncode == 0 and b"echo" in out, err
            for pid in apart:
                until(lambda: not harness.alive(pid), "the end of what was split off")
        finally:
            late.may.set()
            p.kill()
            p.communicate()
            late.relay.close()


@tap
def a_proxy_outlives_what_reads_evidence_for_it():
    with Scene() as s:
        late = Late(s.d.port)
        s.d.write_policy(replicas=[late.relay.url, s.d.url])
        p = Proxy(daemon=s.d, url="")  # ready by the second of them
        try:
            assert late.asked.wait(harness.WAIT), "no section was asked for by itself"
            inner = until(lambda: [pid for pid, parent in below(p.proc.pid).items() if parent != p.proc.pid], "a cell")
            for pid in inner:
                os.kill(pid, signal.SIGKILL)
            late.may.set()
            until(lambda: "what reads evidence has ended" in p.log(), "a sentence about it")
            status, _, body = p.chat("still here")
            assert status == 200 and body["choices"][0]["message"]["content"] == "echo: still here", body
            assert p.proc.poll() is None
        finally:
            late.may.set()
            p.close()
            late.relay.close()


@tap
def what_was_split_off_ends_with_its_parent_however_that_ends():
    with Scene() as s, Proxy(daemon=s.d) as p:
        apart = below(p.proc.pid)
        assert apart, "nothing was split off"
        p.proc.kill()
        for pid in apart:
            until(lambda: not harness.alive(pid), "its end")


# ---- what a kernel may lack ----


@tap
def without_landlock_one_sentence_says_so():
    with Scene() as s:
        r = s.chat(hostile(HOSTILE_LACKS="landlock"))
        assert r.returncode == 0 and b"echo" in r.stdout, r.stderr
        assert r.stderr.count(b"no Landlock") == 1, r.stderr
        r = cloister("verify", "--server", s.d.url, "--policy", s.d.policy, env=hostile(HOSTILE_LACKS="landlock"))
        assert r.returncode == 0 and r.stderr.count(b"no Landlock") == 1, r.stderr
        # seccomp alone holds
        r = s.chat(s.env("create", HOSTILE_LACKS="landlock"))
        assert r.returncode == 1 and not s.harmed("create"), r.stderr


@tap
def without_seccomp_nothing_is_read():
    with Scene() as s:
        for args in (("chat", "--server", s.d.url, "--policy", s.d.policy, "--key-file", s.d.key_file, QUESTION), ("explain", s.evidence),
                     ("verify", "--evidence", s.evidence, "--policy", s.d.policy)):
            r = cloister(*args, env=hostile(HOSTILE_LACKS="seccomp"))
            assert r.returncode == 1 and r.stdout == b"" and r.stderr.count(b"no seccomp") == 1, (args[0], r)
        assert not s.engine.requests


if __name__ == "__main__":
    tap.run()
