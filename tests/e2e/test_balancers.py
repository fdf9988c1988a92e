#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""deploy/nginx.conf and deploy/haproxy.cfg before two replicas: the files as they are, with only addresses, paths, ports and users put in.

The balancers are Debian's, from CLOISTER_BALANCERS (packages unpacked, not installed) or from the system.
"""
import contextlib
import glob
import hashlib
import http.client
import json
import os
import pwd
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import ROOT, WAIT, Daemon, Engine, Relay, Skip, Stream, ask, http_request, start_cloister, until  # noqa: E402

test = harness.Tap()
UNPACKED = os.environ.get("CLOISTER_BALANCERS", "")
EVIDENCE = "/.well-known/cloister/evidence"
ELSEWHERE = "127.0.0.77"  # a client whose address nothing else has
CHUNKED = {"Content-Type": "message/ohttp-chunked-req"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def program(name):
    path = os.pathsep.join(([os.path.join(UNPACKED, "usr/sbin")] if UNPACKED else []) + [os.environ["PATH"], "/usr/sbin"])
    found = shutil.which(name, path=path)
    if not found:
        raise Skip(f"there is no {name}")
    return found


def fill_in(name, changes, to):
    """The file of deploy/ with each of these texts replaced; one that isn't in it is an error, and so is an example's address that stays."""
    with open(os.path.join(ROOT, "deploy", name)) as f:
        text = f.read()
    for old, new in changes.items():
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    for line in text.splitlines():
        assert line.lstrip().startswith("#") or not re.search(r"192\.0\.2\.|/var/|/run/|1111|2222", line), f"{name} keeps {line!r}"
    with open(to, "w") as f:
        f.write(text)


class Balancer:
    """One of the two programs before `replicas`, which have a port and a path."""

    def __init__(self, kind, replicas):
        self.kind = kind
        self.dir = tempfile.mkdtemp(prefix="cloister-balancer-")
        os.chmod(self.dir, 0o755)  # nginx's workers have another user if this one is root
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        changes = {"192.0.2.1:80": f"127.0.0.1:{self.port}",
                   "192.0.2.11:8080": f"127.0.0.1:{replicas[0].port}", "192.0.2.12:8080": f"127.0.0.1:{replicas[1].port}",
                   "/r/1111111111111111": replicas[0].path, "/r/2222222222222222": replicas[1].path}
        if kind == "nginx":
            changes |= {"/var/log/nginx": self.dir, "/var/lib/nginx": self.dir, "/run/nginx.pid": self.dir + "/pid"}
            self.log_path = os.path.join(self.dir, "access.log")
            args = ["-e", "stderr", "-g", "daemon off;", "-c"]
        else:
            user, group = ("nobody", "nogroup") if os.getuid() == 0 else (pwd.getpwuid(os.getuid()).pw_name, str(os.getgid()))
            changes |= {"user haproxy": "user " + user,
                        "group haproxy": ("group " if os.getuid() == 0 else "gid ") + group}
            self.log_path = os.path.join(self.dir, "stdout")
            args = ["-db", "-f"]
        conf = os.path.join(self.dir, "conf")
        fill_in({"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}[kind], changes, conf)
        env = dict(os.environ, LD_LIBRARY_PATH=":".join(glob.glob(UNPACKED + "/usr/lib/*-linux-gnu*") if UNPACKED else []))
        with open(os.path.join(self.dir, "stdout"), "wb") as out:
            self.proc = subprocess.Popen([program(kind), *args, conf], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env)
        until(self.listens, f"{kind} to listen")

    def listens(self):
        if self.proc.poll() is not None:
            raise AssertionError(f"{self.kind} ended: " + self.output())
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True

    def output(self):
        with open(os.path.join(self.dir, "stdout"), errors="replace") as f:
            return f.read()

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def close(self):
        self.proc.terminate()
        self.proc.wait(WAIT)
        shutil.rmtree(self.dir)


class Replica:
    """cloisterd with an engine of its own, and a relay before it that shows what the balancer sends."""

    def __init__(self, stack, script):
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cloister-engine-"))
        self.engine = Engine(os.path.join(folder, "engine.sock"), script)
        stack.callback(self.engine.close)
        self.daemon = stack.enter_context(Daemon("--max-request", str(32 << 20), engine=self.engine)).wait_ready()
        self.path = self.daemon.info["gateway"]
        self.tamper = None
        self.relay = Relay(self.daemon.port, lambda direction, index, data: self.tamper(direction, index, data) if self.tamper else data)
        stack.callback(self.relay.close)
        self.port = self.relay.port


class Setting:
    pass


@contextlib.contextmanager
def setting(kind, script=harness.echo):
    """Two replicas, the balancer, and a policy that admits both."""
    program(kind)
    with contextlib.ExitStack() as stack:
        s = Setting()
        s.replicas = [Replica(stack, script), Replica(stack, script)]
        s.first = s.replicas[0].daemon
        infos = [r.daemon.info for r in s.replicas]
        s.first.write_policy(measurements=sorted({i["measurement"] for i in infos}),
                             simulated={"roots": sorted({i["simulated_root"] for i in infos})})
        s.balancer = Balancer(kind, s.replicas)
        stack.callback(s.balancer.close)
        s.port = s.balancer.port
        yield s


def for_both(f):
    """One behaviour, once through each program."""
    for kind in ("nginx", "haproxy"):
        def one(kind=kind):
            f(kind)
        one.__name__ = f"{kind}: {f.__name__}"
        test(one)
    return f


def ask_through(s, question, *args, **kw):
    return ask(s.first, question, *args, url=s.balancer.url, **kw)


def ask_replica(s, n, question="a question"):
    """Ask until the answer comes from replica n, which the balancer's turn of evidence decides."""
    engine = s.replicas[n].engine
    for _ in range(40):
        before = len(engine.requests)
        r = ask_through(s, question)
        assert r.returncode == 0, r.stderr
        if len(engine.requests) > before:
            return r
    raise AssertionError(f"replica {n} is never asked")


def recorded_post(s, n):
    """The sealed body of a request that replica n has answered."""
    relay = s.replicas[n].relay
    ask_replica(s, n)
    return [bytes(x) for x in relay.streams if x.startswith(b"POST")][-1].partition(b"\r\n\r\n")[2]


# ---- everything works ----


@for_both
def evidence_comes_from_either_replica_and_verifies(kind):
    with setting(kind) as s:
        for _ in range(6):
            r = harness.cloister("verify", "--server", s.balancer.url, "--policy", s.first.policy)
            assert r.returncode == 0, (r.stdout, r.stderr)
        until(lambda: all(r.relay.evidence() for r in s.replicas), "evidence from both")
        full = harness.cloister("evidence", "--server", s.balancer.url, "--out", "-")
        assert full.returncode == 0 and b'"sections"' in full.stdout, full.stderr


@for_both
def a_chat_reaches_the_replica_whose_key_it_is_for(kind):
    with setting(kind) as s:
        for n in (0, 1):
            assert ask_replica(s, n, "one two").stdout == b"echo: one two\n"
        for r in s.replicas:
            assert r.relay.posts() and all(x == f"POST {r.path} HTTP/1.1" for x in r.relay.posts()), r.relay.posts()


@for_both
def blobs_are_fetched_below_the_path_of_their_replica(kind):
    with setting(kind) as s:
        for r in s.replicas:
            sections = json.loads(r.daemon.get(f"{EVIDENCE}?nonce={'A' * 43}")[2])["sections"]
            for name in ("manifest", "devices", "collateral"):
                digest = sections[name]["sha256"]
                status, head, body = http_request(s.port, "GET", f"{r.path}/blob/{digest}", None, {})
                assert status == 200 and hashlib.sha256(body).hexdigest() == digest, (status, head)


@for_both
def what_belongs_to_no_replica_is_not_found(kind):
    with setting(kind) as s:
        for path in ("/", "/healthz", "/r/0000000000000000", s.replicas[0].path + "0", "/v1/models", EVIDENCE + "/"):
            assert http_request(s.port, "GET", path, None, {})[0] == 404, path
        assert http_request(s.port, "POST", "/r/0000000000000000", b"x", CHUNKED)[0] == 404
        # HAProxy's own questions whether a replica is ready aside, nothing came through
        assert not [x for r in s.replicas for x in r.relay.request_lines() if "/readyz" not in x]


# ---- each frame alone ----


@for_both
def every_frame_of_a_stream_arrives_alone(kind):
    """The engine says a word only once the client has read the one before. A frame that is held for good ends in a bounded wait; where
    each is held for a while, as HAProxy by default does for 200 ms, all of them take 8 s instead of a fraction of one."""
    count, seen = 40, threading.Semaphore(0)

    def script(body, out: Stream):
        out.head()
        for i in range(count):
            out.event(f"word{i:02};")
            if not seen.acquire(timeout=WAIT):
                return
        out.done()

    with setting(kind, script) as s:
        pieces, began = [], None

        def tamper(direction, index, data):
            if direction == "down" and front.streams[index].startswith(b"POST"):
                pieces.append(len(data))
            return data

        front = Relay(s.port, tamper)
        p = start_cloister("chat", "--server", front.url, "--policy", s.first.policy, "--key-file", s.first.key_file, "hello")
        try:
            for i in range(count):
                before = len(pieces)
                assert select.select([p.stdout], [], [], WAIT)[0], f"word {i} is held back"
                got = os.read(p.stdout.fileno(), 65536)
                assert got == b"word%02d;" % i, got
                # what the head brings along is the first's; later words are one piece, or two if the proxy frames anew
                assert i == 0 or len(pieces) - before <= 2, pieces[before:]
                began = began or time.monotonic()
                seen.release()
            took = time.monotonic() - began
            assert took < 4, f"{count} words took {took:.1f} s"
            assert p.stdout.read() == b"\n" and p.wait(WAIT) == 0, p.stderr.read()
        finally:
            p.kill()
            p.communicate()
            front.close()


@for_both
def frames_that_follow_each_other_at_once_all_arrive(kind):
    def script(body, out):
        out.head()
        for i in range(500):
            out.event(f"{i} ")
        out.done()

    with setting(kind, script) as s:
        r = ask_through(s, "count")
        assert r.returncode == 0 and r.stdout.split() == [b"%d" % i for i in range(500)], (r.stdout[-100:], r.stderr)


@for_both
def a_client_that_hangs_up_ends_the_generation(kind):
    gone, going = threading.Event(), threading.Event()

    def script(body, out):
        out.head()
        out.event("begin")
        going.set()
        if out.peer_gone():
            gone.set()

    with setting(kind, script) as s:
        p = start_cloister("chat", "--server", s.balancer.url, "--policy", s.first.policy, "--key-file", s.first.key_file, "hello")
        try:
            assert going.wait(WAIT) and p.stdout.read(5) == b"begin"
        finally:
            p.kill()
            p.communicate()
        assert gone.wait(WAIT), "the engine goes on for nobody"


# ---- never twice ----


@for_both
def a_replayed_request_is_refused_whichever_replica_it_is_sent_to(kind):
    with setting(kind) as s:
        body = recorded_post(s, 0)
        before = [len(r.engine.requests) for r in s.replicas]
        for r in s.replicas:
            status, _, text = http_request(s.port, "POST", r.path, body, CHUNKED)
            assert status == 400, (status, text)
        assert [len(r.engine.requests) for r in s.replicas] == before


def fails_once(s, n, what):
    """A request for replica n comes to nothing, and is seen once by n's relay and never by the other."""
    here, other = s.replicas[n], s.replicas[1 - n]
    body = recorded_post(s, n)
    before, others = len(here.relay.posts()), len(other.relay.posts())
    here.tamper = what
    with contextlib.suppress(OSError, http.client.HTTPException):
        status = http_request(s.port, "POST", here.path, body, CHUNKED)[0]
        assert status in (400, 502, 503, 504), status
    here.tamper = None
    assert (len(here.relay.posts()), len(other.relay.posts())) == (before + 1, others), "sent twice"


@for_both
def a_request_whose_connection_breaks_is_not_sent_again(kind):
    with setting(kind) as s:
        body_seen = []

        def cut(direction, index, data):
            body_seen.append(direction)
            return None

        fails_once(s, 0, cut)
        assert "up" in body_seen


@for_both
def a_request_that_ran_and_is_answered_by_503_is_not_sent_again(kind):
    busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def lie_about(relay):
        return lambda direction, index, data: busy if direction == "down" and relay.streams[index].startswith(b"POST") else data

    with setting(kind) as s:
        for r in s.replicas:
            r.tamper = lie_about(r.relay)
        r = ask_through(s, "a question")
        assert r.returncode == 1 and not r.stdout, (r.returncode, r.stdout)
        until(lambda: any(r.engine.requests for r in s.replicas), "the engine to run it")
        assert sum(len(r.engine.requests) for r in s.replicas) == sum(len(r.relay.posts()) for r in s.replicas) == 1, "ran twice"


@for_both
def the_requests_of_a_replica_that_is_down_fail_and_go_to_no_other(kind):
    with setting(kind) as s:
        body = recorded_post(s, 0)
        down, up = s.replicas
        down.relay.close()
        before = len(up.relay.posts()), len(up.engine.requests)
        for _ in range(3):
            assert http_request(s.port, "POST", down.path, body, CHUNKED)[0] in (502, 503)
            assert http_request(s.port, "GET", down.path + "/blob/" + "0" * 64, None, {})[0] in (502, 503)
        assert (len(up.relay.posts()), len(up.engine.requests)) == before
        # the other serves on, and evidence comes from it
        for _ in range(4):
            r = ask_through(s, "still there")
            assert r.returncode == 0 and r.stdout == b"echo: still there\n", r.stderr
        assert len(up.engine.requests) == before[1] + 4


# ---- sizes, fields, logs ----


@for_both
def a_body_of_20_mb_passes(kind):
    def script(body, out):
        out.head()
        out.event(str(len(body["messages"][-1]["content"])))
        out.done()

    with setting(kind, script) as s:
        # whole through the balancer, though only noise for cloisterd, which says so once it has read all of it
        target = s.replicas[1]
        status = http_request(s.port, "POST", target.path, bytes(20 << 20), CHUNKED)[0]
        assert status == 400, status
        post = [x for x in target.relay.streams if x.startswith(b"POST")][-1]
        assert len(post.partition(b"\r\n\r\n")[2]) >= 20 << 20, len(post)
        # and the longest question that the client takes, answered
        r = ask_through(s, "-", stdin=b"q" * (7 << 20))
        assert r.returncode == 0 and r.stdout == b"%d\n" % (7 << 20), (r.returncode, r.stderr, r.stdout)


@for_both
def a_replica_learns_nothing_of_the_client_but_the_request(kind):
    with setting(kind) as s:
        fields = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7", "Via": "1.1 somewhere",
                  "User-Agent": "telltale/1", "Cookie": "id=telltale", "Accept-Language": "tell-tale", "Referer": "http://telltale/",
                  "Authorization": "Bearer telltale", "X-Anything": "telltale"}
        target = s.replicas[0]
        assert http_request(s.port, "POST", target.path, b"x", {**CHUNKED, **fields, "Incremental": "?1"})[0] == 400
        head = [bytes(x) for x in target.relay.streams if x.startswith(b"POST")][-1].partition(b"\r\n\r\n")[0]
        names = {x.split(b":")[0].lower() for x in head.split(b"\r\n")[1:]}
        assert names <= {b"host", b"connection", b"accept", b"content-type", b"content-length", b"incremental"}, names
        assert {b"content-type", b"incremental"} <= names, names
        assert b"203.0.113" not in head and b"tell" not in head and ELSEWHERE.encode() not in head, head


@for_both
def the_log_links_no_client_with_a_request(kind):
    with setting(kind) as s:
        for path in (EVIDENCE + "?nonce=" + "A" * 43, s.replicas[0].path, "/nowhere?who=telltale"):
            with socket.create_connection(("127.0.0.1", s.port), timeout=WAIT, source_address=(ELSEWHERE, 0)) as c:
                c.sendall(f"GET {path} HTTP/1.1\r\nHost: telltale\r\nUser-Agent: telltale\r\nConnection: close\r\n\r\n".encode())
                while c.recv(65536):
                    pass
        with socket.create_connection(("127.0.0.1", s.port), timeout=WAIT, source_address=(ELSEWHERE, 0)) as c:
            c.sendall(b"no HTTP at all\r\n\r\n")
            while c.recv(65536):
                pass
        until(lambda: "/nowhere" in s.balancer.log(), "the last request in the log")
        for text in (s.balancer.log(), s.balancer.output()):
            assert ELSEWHERE not in text and "telltale" not in text and "AAAA" not in text, text


@for_both
def what_looks_like_http_2_is_not_taken_for_it(kind):
    with setting(kind) as s:
        with socket.create_connection(("127.0.0.1", s.port), timeout=WAIT) as c:
            c.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            text = c.recv(65536)
        assert text == b"" or text.startswith((b"HTTP/1.", b"<html>")), text


if __name__ == "__main__":
    test.run()
