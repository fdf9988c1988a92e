#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The client's half of the traffic shape: whoever watches the network doesn't see when an answer was whole, or that somebody gave it up.

Between client and cloisterd stands a wire that notes sizes, and which side closed a connection. Answers are there at once all the same, so most
streams are still going on when a test looks; the tests wait for that and not for time. Whole streams take 25 s: one test has them all at once.
"""
import contextlib
import http.client
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import API_KEY, CLOISTER, WAIT, Daemon, Engine, Proxy, Tap, alive, ask, cloister, until, write_private

tap = Tap()
REQUEST = 16384  # the smallest size of a request
CHAT_FRAMES, CHAT_FRAME = 512, 512
SECRET = "oleander-7731"  # in questions; "ochre-5512" comes back in answers
ANSWER = "ochre-5512"


class Wire:
    """A relay that notes for each connection what went up and down, and who closed it first."""

    class Connection:
        def __init__(self):
            self.up, self.down, self.closed_by = b"", b"", None

        def request(self):
            return self.up.split(b"\r\n", 1)[0].decode("latin-1")

        def is_post(self):
            return self.request().startswith("POST")

        def body_size(self):
            head, _, body = self.up.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            return length if len(body) == length else None

        def answer(self):
            return self.down.partition(b"\r\n\r\n")[2]

        def chunk(self):
            """The size line of the answer's first chunk, if it has come."""
            line, end, _ = self.answer().partition(b"\r\n")
            return line if end else None

    def __init__(self, port):
        self.target, self.connections, self.changed = port, [], threading.Condition()
        self.tamper = lambda connection, data: data  # with what comes down
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(c,), daemon=True).start()

    def _note(self, connection, **what):
        with self.changed:
            for k, v in what.items():
                setattr(connection, k, v)
            self.changed.notify_all()

    def _carry(self, c):
        x = Wire.Connection()
        with self.changed:
            self.connections.append(x)
        try:
            u = socket.create_connection(("127.0.0.1", self.target), timeout=WAIT)
        except OSError:
            c.close()
            return self._note(x, closed_by="server")
        u.settimeout(None)
        with c, u:
            while True:
                for s in select.select([c, u], [], [])[0]:
                    try:
                        b = s.recv(65536)
                    except OSError:
                        b = b""
                    if not b:
                        return self._note(x, closed_by="client" if s is c else "server")
                    if s is u:
                        b = self.tamper(x, b)
                    self._note(x, **({"up": x.up + b} if s is c else {"down": x.down + b}))
                    with contextlib.suppress(OSError):
                        (u if s is c else c).sendall(b)

    def posts(self):
        return [x for x in self.connections if x.is_post()]

    def wait(self, cond, what):
        with self.changed:
            if not self.changed.wait_for(cond, WAIT):
                raise AssertionError("waited in vain for: " + what + "; connections: " +
                                     str([(x.request(), len(x.up), len(x.down), x.closed_by) for x in self.connections]))

    def wait_posts(self, n):
        self.wait(lambda: len(self.posts()) >= n and all(x.body_size() and x.chunk() for x in self.posts()), f"{n} requests being answered")
        assert len(self.posts()) == n
        return self.posts()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Slow:
    """An engine that says a few words at once, and the rest when it is told to."""

    def __init__(self):
        self.go, self.aborted = threading.Event(), threading.Event()

    def __call__(self, body, out):
        if "input" in body:
            return out.json({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
                             "usage": {"prompt_tokens": 1, "total_tokens": 1}})
        text = body["messages"][-1]["content"]
        if not body.get("stream"):
            return out.json({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
                {"index": i, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"} for i in range(body.get("n") or 1)],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
        out.head()
        out.event(ANSWER)
        if text.startswith("slow"):
            while not self.go.wait(0.02):
                if select.select([out.sock], [], [], 0)[0]:
                    self.aborted.set()
                    return
            out.event(" and the rest")
        out.done()


@contextlib.contextmanager
def setting(**kw):
    path = f"/tmp/cloister-shape-client-{os.getpid()}.sock"
    engine = Engine(path, Slow())
    try:
        with Daemon("--max-parallel", "64", engine=engine, shape="full", **kw) as d:
            d.wait_ready()
            wire = Wire(d.port)
            d.wire, d.engine = wire, engine
            try:
                yield d
            finally:
                wire.close()
    finally:
        engine.close()


def descriptors(pid):
    found = {}
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


def drainers(port):
    """{pid: number of connections to this port} of the drainers that have any; other tests may have theirs."""
    inodes = set()
    with open("/proc/net/tcp") as f:
        for line in f.readlines()[1:]:
            cols = line.split()
            if cols[2] == f"0100007F:{port:04X}" and cols[3] == "01":
                inodes.add(f"socket:[{cols[9]}]")
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as f:
                if f.read() != "cloister-drain\n":
                    continue
        except OSError:
            continue
        n = len(inodes & set(descriptors(pid).values()))
        if n:
            found[int(pid)] = n
    return found


def one_drainer(port, connections=1):
    return next(iter(until(lambda: {p: n for p, n in drainers(port).items() if n == connections}, f"a drainer with {connections} connections")))


def memory(pid):
    """Everything that the process can read."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            where, rights, *_ = line.split()
            if not rights.startswith("r") or "[v" in line:
                continue
            low, high = (int(x, 16) for x in where.split("-"))
            mem.seek(low)
            with contextlib.suppress(OSError):
                found.append(mem.read(high - low))
    return b"".join(found)


def end_with_server(d, pids):
    """What drains ends with its server, and so does this test."""
    d.proc.kill()
    d.proc.wait()
    for pid in pids:
        until(lambda: not alive(pid), f"the drainer's end ({pid})")


SANITIZED = any(k in os.environ for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS"))


# ---- one question ----


@tap
def a_question_is_answered_at_once_and_its_stream_is_read_to_the_end():
    with setting() as d:
        r, w = os.pipe()  # handed down by mistake, as shells do
        other = os.path.join(d.dir, "other-key")
        write_private(other, "another-key-9876543210\n")
        common = ["chat", "--server", d.wire.url, "--policy", d.policy, "--key-file"]
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "SECRET_OF_THE_SHELL": "madder-2209"}
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        # its output's end comes with its own, so that whoever reads that has it: run() waits for both
        done = subprocess.run([CLOISTER, *common, d.key_file, "tell me of " + SECRET], stdin=subprocess.DEVNULL, capture_output=True,
                              env=env, pass_fds=[w], timeout=WAIT)
        assert (done.returncode, done.stdout) == (0, (ANSWER + "\n").encode()), done
        pid = one_drainer(d.wire.port)
        os.close(w)
        assert os.read(r, 1) == b"", "the drainer holds what isn't its own"
        os.close(r)
        fds = descriptors(pid)
        assert [fds.pop(i) for i in range(3)] == ["/dev/null"] * 3
        assert len(fds) == 1 and next(iter(fds.values())).startswith("socket:"), fds
        assert os.getsid(pid) == pid and os.getpgid(pid) == pid
        with open(f"/proc/{pid}/cmdline") as f:
            assert f.read().rstrip("\0") == CLOISTER
        if not SANITIZED:  # they keep what was freed
            seen = memory(pid)
            for secret in (SECRET, ANSWER, API_KEY, "madder-2209", "echo"):
                assert secret == "echo" or secret.encode() not in seen, secret
            assert b"ohttp-chunked-res" in seen, "nothing was looked at"
        # meanwhile: other commands, whose answers are errors or documents
        assert cloister(*common, other, "x").returncode == 1
        told = cloister(*common, d.key_file, "--json", "x")
        assert told.returncode == 0 and json.loads(told.stdout)["answer"] == ANSWER
        posts = d.wire.wait_posts(3)
        assert [x.body_size() for x in posts] == [REQUEST] * 3
        assert all(x.closed_by is None for x in posts), "a connection ended with its answer"
        d.wire.wait(lambda: all(x.closed_by for x in posts), "the streams' ends")
        for x in posts:
            assert x.closed_by == "server" or x.down.endswith(b"\r\n0\r\n\r\n"), (x.closed_by, x.down[-20:])
            assert len(x.answer()) == CHAT_FRAMES * CHAT_FRAME + 5, len(x.answer())
        until(lambda: not alive(pid), "the drainer's end")
        until(lambda: not drainers(d.wire.port), "the other drainers' ends")


@tap
def the_drainer_ends_with_its_server():
    with setting() as d:
        assert ask(d, "x", url=d.wire.url).returncode == 0
        end_with_server(d, [one_drainer(d.wire.port)])


@tap
def a_stop_cancels_and_both_streams_go_on():
    with setting() as d:
        p = subprocess.Popen([CLOISTER, "chat", "--server", d.wire.url, "--policy", d.policy, "--key-file", d.key_file, "slow"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert os.read(p.stdout.fileno(), 4096).decode().startswith(ANSWER)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=WAIT)
        assert p.returncode == -signal.SIGINT and b"stopped" in err, (p.returncode, err)
        assert b"rest" not in out
        posts = d.wire.wait_posts(2)
        assert [x.body_size() for x in posts] == [REQUEST, REQUEST]
        assert engine_of(d).aborted.wait(WAIT), "the engine was not told"
        pid = one_drainer(d.wire.port, 2)
        assert all(x.closed_by is None for x in posts)
        end_with_server(d, [pid])


def engine_of(d):
    return d.engine.script


@tap
def an_output_that_takes_no_more_is_a_stop():
    with setting() as d:
        r, w = os.pipe()
        os.close(r)
        p = subprocess.run([CLOISTER, "chat", "--server", d.wire.url, "--policy", d.policy, "--key-file", d.key_file, "slow"],
                           stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.PIPE, timeout=WAIT)
        os.close(w)
        assert p.returncode == 1, p
        d.wire.wait_posts(2)
        end_with_server(d, [one_drainer(d.wire.port, 2)])


@tap
def told_to_close_it_closes():
    with setting() as d:
        p = subprocess.Popen([CLOISTER, "chat", "--on-hangup", "close", "--server", d.wire.url, "--policy", d.policy,
                              "--key-file", d.key_file, "slow"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert os.read(p.stdout.fileno(), 4096)
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=WAIT)
        d.wire.wait(lambda: d.wire.posts()[0].closed_by == "client", "the stopped stream's end")
        assert ask(d, "x", "--on-hangup", "close", url=d.wire.url).returncode == 0
        d.wire.wait(lambda: all(x.closed_by == "client" for x in d.wire.posts()), "every stream's end")
        assert not drainers(d.wire.port)
        assert ask(d, "x", "--on-hangup", "open", url=d.wire.url).returncode == 1


@tap
def how_long_a_question_is_shows_as_one_of_a_few_sizes():
    with setting() as d:
        for n, size in ((1, REQUEST), (14000, REQUEST), (16000, 65536), (60000, 65536), (70000, 262144)):
            before = len(d.wire.posts())
            assert ask(d, "-", url=d.wire.url, stdin=b"x" * n).returncode == 0
            assert d.wire.wait_posts(before + 1)[-1].body_size() == size, n
        end_with_server(d, list(drainers(d.wire.port)))


# ---- a conversation ----


@tap
def streams_drain_behind_the_prompt_and_one_process_outlives_it():
    with setting() as d:
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update(TERM="dumb", LANG="C.UTF-8")
            os.execv(CLOISTER, [CLOISTER, "chat", "--server", d.wire.url, "--policy", d.policy, "--key-file", d.key_file])
        seen = b""

        def expect(what, times=1):
            nonlocal seen
            end = b""
            while seen.count(what) < times:
                assert select.select([fd], [], [], WAIT)[0], (what, seen)
                try:
                    end = os.read(fd, 65536)
                except OSError:
                    end = b""
                assert end, (what, seen)
                seen += end
            seen = seen[seen.rindex(what) + len(what):]

        expect(b"> ")
        os.write(fd, b"tell me, at some length, of " + SECRET.encode() + b" and more\n")
        expect(ANSWER.encode())
        expect(b"> ")
        os.write(fd, b"and once more, at great length, of " + SECRET.encode() + b" again\n")
        expect(ANSWER.encode())
        expect(b"> ")
        posts = d.wire.wait_posts(2)
        assert all(x.closed_by is None for x in posts)
        # they are read while nobody types
        had = [len(x.down) for x in posts]
        d.wire.wait(lambda: all(len(x.down) > n + 20 * CHAT_FRAME for x, n in zip(posts, had)), "frames behind the prompt")
        os.write(fd, b"slow now, at whatever length, of " + SECRET.encode() + b" if need be\n")
        expect(ANSWER.encode())
        os.write(fd, b"\x03")
        expect(b"stopped")
        expect(b"> ")
        assert engine_of(d).aborted.wait(WAIT)
        os.write(fd, b"/quit\n")
        status = os.waitpid(pid, 0)[1]
        assert os.waitstatus_to_exitcode(status) == 0
        posts = d.wire.wait_posts(4)
        assert all(x.closed_by is None for x in posts)
        drainer = one_drainer(d.wire.port, 4)
        assert list(drainers(d.wire.port)) == [drainer]
        if not SANITIZED:
            found = memory(drainer)
            for secret in (SECRET, ANSWER, API_KEY):
                assert secret.encode() not in found, secret
                assert secret.encode("utf-32-le") not in found, secret + ", as the line editor keeps it"
        os.close(fd)
        end_with_server(d, [drainer])


# ---- applications ----


def upstream(d, n):
    return d.wire.wait_posts(n)


@tap
def an_application_has_its_answers_end_while_the_stream_goes_on():
    with setting() as d, Proxy("--server", d.wire.url, daemon=d, url=d.wire.url) as x:
        c = http.client.HTTPConnection("127.0.0.1", x.port, timeout=WAIT)
        for stream in (True, False):  # on one connection: the second request finds the first answer at its end
            c.request("POST", "/v1/chat/completions", json.dumps({"model": "m", "stream": stream, "messages": [
                {"role": "user", "content": "hi"}]}), x.headers())
            r = c.getresponse()
            body = r.read()
            assert r.status == 200
            if stream:
                lines = body.decode().split("\n\n")
                assert lines[-2:] == ["data: [DONE]", ""] and all(e.startswith("data: ") for e in lines[:-1]), body
            else:
                assert json.loads(body)["choices"][0]["message"]["content"] == ANSWER and not body.endswith(b"\n")
        assert x.request("GET", "/v1/models")[0] == 200
        posts = upstream(d, 3)
        assert [p.body_size() for p in posts] == [REQUEST] * 3
        assert all(p.closed_by is None for p in posts)
        assert [body.get("max_tokens") for _, body in d.engine.requests] == [4096, 4096]
        # the proxy ends; its streams don't
        assert x.stop() == 0
        assert "3 streams are read to the end in the background" in x.log()
        drainer = one_drainer(d.wire.port, 3)
        assert all(p.closed_by is None for p in posts)
        fds = descriptors(drainer)
        assert sorted(v.split(":")[0] for v in fds.values()) == ["/dev/null"] * 3 + ["socket"] * 3, fds
        if not SANITIZED:
            found = memory(drainer)
            for secret in (ANSWER, API_KEY, x.token):
                assert secret.encode() not in found, secret
        end_with_server(d, [drainer])


@tap
def filler_reaches_no_application():
    with setting() as d, Proxy(daemon=d, url=d.wire.url) as x:
        c, r = x.stream("slow")
        first = r.readline()
        assert first.startswith(b"data: "), first
        d.wire.wait(lambda: len(d.wire.posts()[0].down) > 20 * CHAT_FRAME, "frames that say nothing")
        engine_of(d).go.set()
        body = first + r.read()
        events = body.decode().split("\n\n")
        assert all(re.fullmatch(r"data: [^\n]*", e) for e in events[:-1]) and events[-2:] == ["data: [DONE]", ""], body
        c.close()
        x.stop(signal.SIGKILL)
        end_with_server(d, [])


@tap
def the_class_follows_from_the_kind_of_request():
    kinds = (("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, b"1F9"),
             ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "n": 2}, b"FF9"),
             ("/v1/embeddings", {"input": "x"}, b"3FF8"))
    with setting() as d, Proxy(daemon=d, url=d.wire.url) as x:
        for i, (path, body, size) in enumerate(kinds):
            status, _, answer = x.request("POST", path, {"model": "m", **body})
            assert status == 200, answer
            assert upstream(d, i + 1)[i].chunk().upper() == size, (path, upstream(d, i + 1)[i].chunk())
        x.stop(signal.SIGKILL)


@tap
def an_application_that_hangs_up_cancels_and_its_stream_goes_on():
    with setting() as d, Proxy(daemon=d, url=d.wire.url) as x:
        c, r = x.stream("slow")
        assert r.readline().startswith(b"data: ")
        r.close()
        c.close()
        assert engine_of(d).aborted.wait(WAIT), "the engine was not told"
        posts = upstream(d, 2)
        assert [p.body_size() for p in posts] == [REQUEST] * 2
        had = len(posts[0].down)
        d.wire.wait(lambda: len(posts[0].down) > had + 10 * CHAT_FRAME, "frames behind the cancellation")
        assert all(p.closed_by is None for p in posts)
        # one that is still asking when the proxy ends is cancelled as well
        engine_of(d).aborted.clear()
        c, r = x.stream("slow")
        assert r.readline().startswith(b"data: ")
        assert x.stop() == 0
        assert engine_of(d).aborted.wait(WAIT)
        end_with_server(d, [one_drainer(d.wire.port, 4)])


@tap
def what_breaks_behind_an_answer_costs_new_evidence_and_nothing_else():
    with setting() as d, Proxy(daemon=d, url=d.wire.url) as x:
        def evidence():
            return len([c for c in d.wire.connections if "/evidence?" in c.request()])

        def flip(connection, data):
            late = connection.is_post() and len(connection.down) > 10 * CHAT_FRAME
            return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:] if late and len(data) > 3 else data

        before = evidence()
        d.wire.tamper = flip
        assert x.chat("hi")[0] == 200
        d.wire.wait(lambda: evidence() > before, "new evidence")
        d.wire.wait(lambda: d.wire.posts()[0].closed_by == "client", "the end of what can't be trusted")
        d.wire.tamper = lambda connection, data: data
        assert x.chat("hi again")[0] == 200
        # a connection that merely breaks isn't even that
        before = evidence()
        d.proc.kill()
        d.proc.wait()
        d.wire.wait(lambda: d.wire.posts()[-1].closed_by == "server", "the server's end")
        assert x.stop() == 0 and "problem" not in x.log()


@tap
def a_proxy_that_is_told_to_close_says_what_it_cuts():
    with setting() as d, Proxy("--on-hangup", "close", daemon=d, url=d.wire.url) as x:
        c, r = x.stream("slow")
        assert r.readline().startswith(b"data: ")
        c.close()
        r.close()
        d.wire.wait(lambda: d.wire.posts() and d.wire.posts()[0].closed_by == "client", "the connection's end")
        assert x.chat("hi")[0] == 200
        assert x.stop() == 0
        assert re.search(r"\d+ streams? (is|are) cut", x.log()), x.log()
        d.wire.wait(lambda: all(p.closed_by == "client" for p in d.wire.posts()), "the connections' ends")
        assert not drainers(d.wire.port)


# ---- what is said of it ----


@tap
def what_is_not_promised_is_said():
    path = f"/tmp/cloister-shape-client-{os.getpid()}.sock"
    engine = Engine(path, Slow())
    try:
        for shape, said in (("off", b"how long questions and answers are"), ("size", b"times show when")):
            with Daemon(engine=engine, shape=shape) as d:
                d.wait_ready()
                r = ask(d, "x")
                assert r.returncode == 0 and said in r.stderr, r.stderr
    finally:
        engine.close()
    with setting() as d:
        r = ask(d, "x")
        assert r.returncode == 0 and b"traffic shape" not in r.stderr
        end_with_server(d, list(drainers(d.port)))


tap.run()
