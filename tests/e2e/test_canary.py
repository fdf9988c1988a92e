#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Canary strings sent through every path appear in no output, log, file or core dump, and, once an answer is done, in no process's memory.

The paths: a question, a system message, an attachment (which `cloister` itself hasn't; applications send them through the proxy), the answer, the
API key, what goes wrong, a crash of each process. What is exempt: the engine's memory, which isn't ours; a conversation that is still open at a
terminal; and the API key in the proxy, which goes on using it.
"""
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness import Daemon, Engine, Proxy, Skip, Tap, cloister, start_cloister, until
from terminal import Terminal
from test_memory import assert_that_a_core_would_show, core_folder, unlimited

tap = Tap()
QUESTION = b"canary-question-7f3a91c2"
ANSWER = b"canary-answer-5be20d44"
SYSTEM = b"canary-system-91d0e6aa"
BROKEN = b"canary-broken-c3370fbe"
MEMBER = b"canary_member_e8d1"
ATTACHMENT = b"Y2FuYXJ5YXR0YWNobWVudDQ3ZDFjMmI5"
STALLED = b"canary-stalled-08be6651"
KEY = "canary-api-key-20aa7db1f4"
CANARIES = [QUESTION, ANSWER, SYSTEM, BROKEN, MEMBER, ATTACHMENT, STALLED, KEY.encode()]


def script(body, out):
    text = body["messages"][-1]["content"]
    if not isinstance(text, str):
        text = json.dumps(text)
    if BROKEN.decode() in text:
        out.head()
        out.event(ANSWER.decode())
        out.chunk(b"data: {not json " + BROKEN + b"\n\n")
        return
    if STALLED.decode() in text:
        out.head()
        out.event(ANSWER.decode())
        out.peer_gone()
        return
    if not body.get("stream"):
        out.json({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": ANSWER.decode()}, "finish_reason": "stop"}]})
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
            hits += [(path, c) for c in CANARIES if c in name.encode()]
            hits += [(path, c) for c in CANARIES if c in data]
    return hits


def memory_with_canaries(pid):
    """The canaries that a process still holds in memory that can be read."""
    hits = set()
    try:
        maps = open(f"/proc/{pid}/maps")
        mem = open(f"/proc/{pid}/mem", "rb", buffering=0)
    except PermissionError:
        raise Skip("reading another process's memory needs root")
    with maps, mem:
        for line in maps:
            span, perms = line.split()[:2]
            if not perms.startswith("r") or "[v" in line:
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


def ours(*roots):
    """{pid: name} of these processes and all below them that run a program of ours."""
    parents = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/stat") as f:
                parents[int(p)] = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found = set(roots)
    for _ in range(4):
        found |= {p for p, parent in parents.items() if parent in found}
    names = {}
    for p in found:
        try:
            names[p] = os.path.basename(os.readlink(f"/proc/{p}/exe"))
        except PermissionError:
            raise Skip("looking into another process needs root")
        except OSError:
            continue  # it has ended meanwhile
    return {p: name for p, name in names.items() if name.startswith("cloister")}


class Run:
    """One daemon and its clients, asked in every way: rightly, wrongly, with a broken engine, with a wrong key."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="cloister-home-")
        self.before = set(os.listdir("/tmp"))
        self.env = {"HOME": self.home, "XDG_RUNTIME_DIR": self.home, "XDG_STATE_HOME": self.home, "XDG_CACHE_HOME": self.home,
                    "XDG_DATA_HOME": self.home, "TMPDIR": self.home}
        self.engine = Engine(f"/tmp/cloister-canary-{os.getpid()}.sock", script)
        self.daemon = Daemon("--log-level", "debug", engine=self.engine, api_key=KEY)
        self.proxy = None
        try:
            self.daemon.wait_ready()
            self.stderr = b""
            self.one_shot()
            self.at_a_terminal()
            self.proxied()
            asked = json.dumps(self.engine.requests).encode()
            assert not [c for c in (QUESTION, SYSTEM, BROKEN, STALLED, ATTACHMENT) if c not in asked], "a canary was never sent"
        except BaseException:
            self.close()
            raise

    def arguments(self, key_file=None):
        d = self.daemon
        return ("--server", d.url, "--policy", d.policy, "--key-file", key_file or d.key_file)

    def one_shot(self):
        base = ("chat", *self.arguments(), "--system", SYSTEM.decode())
        for question, status in ((QUESTION, 0), (BROKEN, 1)):
            r = cloister(*base, question.decode(), env=self.env)
            assert r.returncode == status, (r.returncode, r.stderr)
            assert ANSWER in r.stdout or status == 1
            assert not [c for c in CANARIES if c in r.stdout and c != ANSWER], r.stdout
            self.stderr += r.stderr
        r = cloister(*base, stdin=QUESTION, env=self.env)
        assert r.returncode == 0 and ANSWER in r.stdout, r.stderr
        self.stderr += r.stderr
        wrong = os.path.join(self.home, "wrong-key")
        with open(os.open(wrong, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("another-key-that-nobody-knows\n")
        r = cloister("chat", *self.arguments(wrong), QUESTION.decode(), env=self.env)
        assert r.returncode == 1, r.returncode
        self.stderr += r.stderr
        r = cloister(*base, "--policy", "/nonexistent/" + QUESTION.decode()[:6], QUESTION.decode(), env=self.env)
        assert r.returncode != 0
        self.stderr += r.stderr

    def at_a_terminal(self):
        with Terminal("chat", *self.arguments(), env=self.env) as t:
            t.expect("leaves")
            t.type("/system " + SYSTEM.decode() + "\r")
            t.expect("begins")
            for question in (QUESTION, BROKEN):
                t.type(question.decode() + "\r")
                t.expect(ANSWER.decode())
            t.type("/quit\r")
            t.end()

    def proxied(self):
        """An application that streams and one that doesn't, with an attachment; one that says what isn't allowed; one that hangs up."""
        self.proxy = p = Proxy(daemon=self.daemon)
        parts = [{"type": "text", "text": QUESTION.decode()},
                 {"type": "image_url", "image_url": {"url": "data:image/png;base64," + ATTACHMENT.decode()}}]
        messages = [{"role": "system", "content": SYSTEM.decode()}, {"role": "user", "content": parts}]
        for stream in (True, False):
            status, _, body = p.request("POST", "/v1/chat/completions", {"model": "m", "messages": messages, "stream": stream})
            assert status == 200 and ANSWER in body, (status, body)
        status, _, body = p.request("POST", "/v1/chat/completions", {"model": "m", "messages": messages, MEMBER.decode(): QUESTION.decode()})
        assert status == 400 and MEMBER in body, (status, body)
        status, _, body = p.request("POST", "/v1/chat/completions", {"model": QUESTION.decode(), "messages": messages})
        assert status == 404, (status, body)
        status, _, body = p.chat(BROKEN.decode(), stream=False)
        status, _, body = p.request("POST", "/v1/chat/completions", b'{"model": "' + QUESTION)
        assert status == 400, (status, body)
        # an application of HTTP/1.0, which is refused when all of its text has come
        body = json.dumps({"model": "m", "messages": messages, "stream": True})
        with socket.create_connection(("127.0.0.1", p.port), timeout=harness.WAIT) as s:
            s.sendall((f"POST /v1/chat/completions HTTP/1.0\r\nHost: 127.0.0.1:{p.port}\r\nAuthorization: Bearer {p.token}\r\n"
                       f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
            got = b""
            while piece := s.recv(65536):
                got += piece
        assert b" 505 " in got.split(b"\r\n")[0], got
        connection, answer = p.stream(STALLED.decode())
        assert answer.read(1)
        answer.close()
        connection.close()

    def all(self):
        return ours(self.daemon.proc.pid, self.proxy.proc.pid)

    def close(self):
        if self.proxy:
            self.proxy.close()
        self.daemon.close()
        self.engine.close()
        shutil.rmtree(self.home)


@tap
def no_log_and_no_message_holds_users_text_or_a_key():
    run = Run()
    try:
        for what, text in (("daemon", run.daemon.log().encode()), ("proxy", run.proxy.log().encode()), ("chat", run.stderr)):
            assert text, f"{what} said nothing: nothing was tested"
            assert not [c for c in CANARIES if c in text], (what, text)
        run.proxy.stop()
        assert not [c for c in CANARIES if c in run.proxy.proc.stdout.read()]
        # there is no other log: nobody opens the system's, by its library or by its socket
        with open("/proc/net/unix") as f:
            sockets = {line.split()[6]: line.split()[7] for line in f if len(line.split()) > 7}
        for pid in ours(run.daemon.proc.pid):
            links = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
            named = [sockets[x[8:-1]] for x in links if x.startswith("socket:[") and x[8:-1] in sockets]
            assert not [x for x in named if "journal" in x or x == "/dev/log"], (pid, named)
    finally:
        run.close()


def programs():
    for top, _, names in os.walk(os.path.join(harness.BUILD, "src")):
        for name in names:
            path = os.path.join(top, name)
            if name.startswith("cloister") and os.access(path, os.X_OK) and os.path.isfile(path):
                with open(path, "rb") as f:
                    data = f.read()
                if data[:4] == b"\x7fELF":
                    yield name, data


@tap
def no_program_holds_a_canary_or_knows_the_systems_log():
    found = dict(programs())
    assert {"cloister", "cloisterd", "cloisterd-gateway", "cloisterd-keeper", "cloisterd-attester", "cloisterd-engine"} <= set(found), found.keys()
    run = Run()
    try:
        for name, data in programs():
            assert not [c for c in CANARIES if c in data], name
            assert not [x for x in (b"\0syslog\0", b"\0openlog\0", b"\0sd_journal", b"/dev/log", b"PRIVATE KEY-----\n") if x in data], name
    finally:
        run.close()


@tap
def no_file_holds_users_text():
    run = Run()
    try:
        os.unlink(run.daemon.key_file)  # the user's own file, where the key belongs
        hits = files_with_canaries(run.daemon.dir) + files_with_canaries(run.home) + files_with_canaries(run.proxy.dir)
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
def no_process_holds_users_text_or_the_api_key_once_an_answer_is_done():
    run = Run()
    try:
        d = run.daemon
        d.get("/healthz")  # the gateway has come round its loop since
        assert QUESTION in memory_with_canaries(os.getpid()), "the search finds nothing where something is"
        assert len(run.all()) >= 7, run.all()  # five of the daemon's, the proxy, and what reads evidence for it
        for pid, name in run.all().items():
            allowed = {KEY.encode()} if pid == run.proxy.proc.pid else set()
            # the connections of applications that have gone end in their own time
            until(lambda: memory_with_canaries(pid) <= allowed, f"the end of users' text in {name}: {memory_with_canaries(pid)}")
        assert memory_with_canaries(run.proxy.proc.pid) == {KEY.encode()}
    finally:
        run.close()


@tap
def no_environment_and_no_command_line_holds_users_text():
    """What a question's own command line holds is gone before anybody is asked."""
    run = Run()
    try:
        asked = len(run.engine.requests)
        p = start_cloister("chat", *run.arguments(), "--system", SYSTEM.decode(), STALLED.decode())
        try:
            run.engine.wait_requests(asked + 1)
            assert run.engine.requests[-1][1]["messages"][0]["content"] == SYSTEM.decode()
            for pid, name in {**run.all(), **ours(p.pid)}.items():
                for what in ("cmdline", "environ"):
                    with open(f"/proc/{pid}/{what}", "rb") as f:
                        data = f.read()
                    assert not [c for c in CANARIES if c in data], (name, what, data)
        finally:
            p.kill()
            p.communicate()
    finally:
        run.close()


@tap
def no_process_may_dump_core():
    run = Run()
    try:
        for pid, name in run.all().items():
            with open(f"/proc/{pid}/limits") as f:
                m = re.search(r"Max core file size\s+(\S+)\s+(\S+)", f.read())
            # one byte: no core file is that small, and the kernel starts no core_pattern program at exactly this limit
            assert m.groups() == ("1", "1"), (name, m.groups())
            with open(f"/proc/{pid}/coredump_filter") as f:
                assert int(f.read(), 16) == 0, name
    finally:
        run.close()


@tap
def a_crash_in_the_middle_of_an_answer_leaves_no_text_in_any_file():
    """Each process in its turn, while a question is being answered in the proxy and in a chat."""
    folder = core_folder()
    engine = Engine(f"/tmp/cloister-canary-{os.getpid()}.sock", script)
    before = set(os.listdir("/tmp"))
    try:
        assert_that_a_core_would_show(folder)
        for victim in ("gateway", "keeper", "attester", "engine", "parent", "proxy", "chat"):
            daemon = Daemon(engine=engine, api_key=KEY, preexec_fn=unlimited(folder))
            proxy = chat = None
            try:
                daemon.wait_ready()
                proxy = Proxy(daemon=daemon, preexec_fn=unlimited(folder))
                connection, answer = proxy.stream(STALLED.decode())
                assert answer.read(1)
                chat = start_cloister("chat", "--server", daemon.url, "--policy", daemon.policy, "--key-file", daemon.key_file, "--system",
                                      SYSTEM.decode(), STALLED.decode(), preexec_fn=unlimited(folder))
                assert chat.stdout.read(len(ANSWER)) == ANSWER
                pid = {"parent": daemon.proc.pid, "proxy": proxy.proc.pid, "chat": chat.pid}.get(victim) or daemon.children()[victim]
                os.kill(pid, signal.SIGSEGV)
                until(lambda: not harness.alive(pid), "its end")
                connection.close()
                chat.kill()
                out, err = chat.communicate()
                proxy.stop()
                os.unlink(daemon.key_file)
                hits = files_with_canaries(folder) + files_with_canaries(daemon.dir) + files_with_canaries(proxy.dir)
                for name in set(os.listdir("/tmp")) - before:
                    hits += files_with_canaries(os.path.join("/tmp", name))
                assert not hits and os.listdir(folder) == [], (victim, hits, os.listdir(folder))
                assert not [c for c in CANARIES if c in err], (victim, err)
            finally:
                if chat and chat.poll() is None:
                    chat.kill()
                    chat.communicate()
                if proxy:
                    proxy.close()
                daemon.close()
    finally:
        engine.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    tap.run()
