#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister proxy` against scripted engines: what passes, what is refused, what happens when something breaks, and that nothing runs twice."""
import contextlib
import http.client
import json
import os
import pty
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import Daemon, Engine, Proxy, Relay, Tap, http_request, until

tap = Tap()
numbers = iter(range(1000))


@contextlib.contextmanager
def engine(script=harness.echo):
    e = Engine(f"/tmp/cloister-proxy-{os.getpid()}-{next(numbers)}.sock", script)
    try:
        yield e
    finally:
        e.close()


@contextlib.contextmanager
def all_of_it(script=harness.echo, daemon_args=(), proxy_args=()):
    with engine(script) as e, Daemon(*daemon_args, engine=e) as d:
        d.wait_ready()
        with Proxy(*proxy_args, daemon=d) as p:
            yield e, d, p


def events(response):
    return [x[6:] for x in response.read().decode().split("\n\n") if x]


# ---- what passes ----

@tap
def an_answer_comes_whole_with_the_verdict_in_its_header():
    with all_of_it() as (e, d, p):
        status, headers, doc = p.chat("hello there")
        assert status == 200 and doc["choices"][0]["message"]["content"] == "echo: hello there", doc
        assert headers["cloister-verdict"] == "simulated", headers
        assert len(headers["cloister-evidence"]) == 64 and headers["cache-control"] == "no-store", headers
        assert headers["content-type"] == "application/json" and "content-length" in headers, headers
        assert e.requests[0][0] == "/v1/chat/completions"


@tap
def a_stream_comes_event_by_event_and_ends_with_done():
    go_on = threading.Event()

    def script(body, out):
        out.head()
        out.event("one")
        go_on.wait(harness.WAIT)
        out.event("two")
        out.done()

    with all_of_it(script) as (e, d, p):
        c, r = p.stream("hi")
        assert r.status == 200 and r.getheader("content-type") == "text/event-stream", r.getheaders()
        first = r.readline()
        assert b'"one"' in first, first
        go_on.set()
        rest = r.read()
        assert b'"two"' in rest and rest.endswith(b"data: [DONE]\n\n"), rest
        c.close()


def told(response):
    """The error document of an answer."""
    return json.loads(response)["error"]


def raw(port, data, bound=None):
    """What comes back for these bytes, to the connection's end."""
    with socket.create_connection(("127.0.0.1", port), timeout=bound or harness.WAIT) as s:
        s.sendall(data)
        got = b""
        while True:
            b = s.recv(65536)
            if not b:
                return got
            got += b


class Forward:
    """A relay that a test can point elsewhere, or tell to keep its side open when the other has gone."""

    def __init__(self, target):
        self.target, self.hold, self.routes, self.refused = target, False, {}, None
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.heads = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.sock.accept()
                threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        b = c.recv(65536)
        head = b.split(b"\r\n", 1)[0].decode()
        self.heads.append(head)
        if self.refused and head.startswith(self.refused):
            c.close()
            return
        target = self.routes.get(head, self.target)
        with contextlib.suppress(OSError), c, socket.create_connection(("127.0.0.1", target)) as u:
            threading.Thread(target=self._pump, args=(u, c), daemon=True).start()
            while b:
                u.sendall(b)
                b = c.recv(65536)
            until(lambda: not self.hold, "the relay to be let go")

    def _pump(self, u, c):
        with contextlib.suppress(OSError):
            while True:
                b = u.recv(65536)
                if not b:
                    break
                c.sendall(b)
            c.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


@tap
def the_models_and_one_model_are_told():
    with all_of_it(daemon_args=("--model-name", "owner/model-1.5:q4")) as (e, d, p):
        status, headers, body = p.request("GET", "/v1/models")
        models = json.loads(body)
        assert status == 200 and [m["id"] for m in models["data"]] == ["owner/model-1.5:q4"], body
        assert headers["cloister-verdict"] == "simulated"
        for path in ("/v1/models/owner/model-1.5:q4", "/v1/models/owner%2Fmodel-1.5%3Aq4"):
            status, _, body = p.request("GET", path)
            assert status == 200 and json.loads(body)["id"] == "owner/model-1.5:q4", (path, body)
        status, _, body = p.request("GET", "/v1/models/other")
        assert status == 404 and told(body)["code"] == "model_not_found", body


@tap
def a_body_of_20_mb_passes_and_one_beyond_32_mib_is_refused_unsent():
    def script(body, out):
        out.json({"length": len(body["messages"][0]["content"])})

    with all_of_it(script) as (e, d, p):
        status, _, doc = p.chat("x" * 20_000_000)
        assert status == 200 and doc["length"] == 20_000_000, (status, doc)
        status, headers, doc = p.chat("x" * (33 << 20))
        assert status == 413 and doc["error"]["code"] == "request_too_large", (status, doc)
        assert len(e.requests) == 1
        # who asks first is told before the body is sent
        got = raw(p.port, (f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{p.port}\r\nAuthorization: Bearer {p.token}\r\n"
                           f"Content-Length: {64 << 20}\r\nExpect: 100-continue\r\n\r\n").encode())
        assert got.startswith(b"HTTP/1.1 413"), got


@tap
def what_the_server_does_not_take_is_refused_before_it_is_sent():
    with all_of_it(daemon_args=("--max-request", "65536")) as (e, d, p):
        seen = d.log().count("request-")
        status, headers, doc = p.chat("x" * 65536)
        assert status == 413 and doc["error"]["code"] == "request_too_large" and "request_max" in doc["error"]["message"], (status, doc)
        assert "x-should-retry" not in headers and e.requests == [] and d.log().count("request-") == seen
        assert p.chat("hi")[0] == 200


@tap
def who_expects_100_continue_gets_it():
    with all_of_it() as (e, d, p), socket.create_connection(("127.0.0.1", p.port), timeout=harness.WAIT) as s:
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
        s.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{p.port}\r\nAuthorization: bearer {p.token}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n").encode())
        assert s.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(body)
        assert s.recv(4096).startswith(b"HTTP/1.1 200 OK")


@tap
def sixteen_at_the_same_time_are_all_answered():
    together = threading.Barrier(16)

    def script(body, out):
        together.wait(harness.WAIT)
        harness.echo(body, out)

    with all_of_it(script, ("--max-parallel", "16")) as (e, d, p):
        answers = {}
        threads = [threading.Thread(target=lambda i=i: answers.update({i: p.chat(f"number {i}")})) for i in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(harness.WAIT)
        for i in range(16):
            assert answers[i][0] == 200 and answers[i][2]["choices"][0]["message"]["content"] == f"echo: number {i}", answers[i]


@tap
def one_connection_serves_many_requests():
    with all_of_it() as (e, d, p):
        c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=harness.WAIT)
        c.connect()
        mine = c.sock.getsockname()
        for i, stream in enumerate([False, True, False, True]):
            c.request("POST", "/v1/chat/completions", json.dumps({"model": "m", "stream": stream, "messages": [
                {"role": "user", "content": f"q{i}"}]}), p.headers())
            assert f"q{i}" in c.getresponse().read().decode()
            assert c.sock.getsockname() == mine
        c.request("POST", "/v1/chat/completions", "{}", {"Authorization": "Bearer wrong", "Content-Type": "application/json"})
        r = c.getresponse()
        assert r.status == 401 and r.read()
        assert c.sock.getsockname() == mine  # a refusal costs no connection, even with a body
        c.close()


@tap
def errors_of_the_server_pass_with_their_words():
    def script(body, out):
        out.json({"error": {"message": "boom"}}, "500 Internal Server Error")

    with all_of_it(script) as (e, d, p):
        status, headers, doc = p.chat("hello", frequency_of_nonsense=1)
        assert status == 400 and doc["error"]["param"] == "frequency_of_nonsense", doc
        assert "x-should-retry" not in headers, headers
        status, headers, doc = p.chat("hello")
        assert status == 502 and headers["x-should-retry"] == "false", (status, headers, doc)  # the engine has run


@tap
def a_limit_of_the_server_passes_and_may_be_tried_again():
    release = threading.Event()

    def script(body, out):
        release.wait(harness.WAIT)
        harness.echo(body, out)

    with all_of_it(script, ("--max-parallel", "1")) as (e, d, p):
        t = threading.Thread(target=lambda: p.chat("one"))
        t.start()
        e.wait_requests(1)
        status, headers, doc = p.chat("two")
        release.set()
        t.join(harness.WAIT)
        assert status == 429 and headers["retry-after"] == "1" and "x-should-retry" not in headers, (status, headers)
        assert doc["error"]["type"] == "rate_limit_error", doc


@tap
def an_api_key_that_the_server_refuses_is_told():
    with engine() as e, Daemon(engine=e) as d:
        d.wait_ready()
        other = os.path.join(d.dir, "other")
        with open(os.open(other, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("not-a-key-0123456789\n")
        with Proxy(daemon=d, key_file=other) as p:
            status, _, doc = p.chat("hello")
            assert status == 401 and doc["error"]["code"] == "invalid_api_key", doc
            assert not e.requests


# ---- slow and gone applications ----

@tap
def a_slow_application_slows_the_engine_down_and_loses_nothing():
    total, sent = 6000, [0]  # more than the kernel keeps in all sockets between, which may grow to 25 MB
    text = "y" * 8000

    def script(body, out):
        out.head()
        for i in range(total):
            out.event(f"{i} {text}")
            sent[0] = i
            if out.broken.is_set():
                return
        out.done()

    with all_of_it(script) as (e, d, p):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", p.port))
        body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]})
        s.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{p.port}\r\nAuthorization: Bearer {p.token}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
        seen = []

        def stalled():
            seen.append(sent[0])
            return sent[0] > 10 and len(seen) > 60 and seen[-1] == seen[-60]

        until(stalled, "the engine to be held up")
        assert sent[0] < total - 1000, sent
        with open(f"/proc/{p.proc.pid}/status") as f:
            peak = int(next(x for x in f if x.startswith("VmHWM")).split()[1])
        r = http.client.HTTPResponse(s)
        r.begin()
        got = [json.loads(x) for x in events(r)[:-1]]
        words = [x["choices"][0]["delta"].get("content", "") for x in got]
        assert [w.split(" ")[0] for w in words if w] == [str(i) for i in range(total)]
        if "ASAN_OPTIONS" not in os.environ:
            assert peak < 64 << 10, f"{peak} KiB"
        s.close()


def hang_up(through_holding_relay, stream):
    began, gone = threading.Event(), threading.Event()

    def script(body, out):
        if stream:
            out.head()
            out.event("begun")
        began.set()
        if out.peer_gone():
            gone.set()

    with engine(script) as e, Daemon(engine=e) as d:
        d.wait_ready()
        f = Forward(d.port)
        f.hold = through_holding_relay
        with Proxy(daemon=d, url=f.url) as p:
            c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=harness.WAIT)
            c.request("POST", "/v1/chat/completions", json.dumps({"model": "m", "stream": stream, "messages": [
                {"role": "user", "content": "hi"}]}), p.headers())
            began.wait(harness.WAIT)
            if stream:
                r = c.getresponse()
                r.readline()
                r.close()
            at = time.monotonic()
            c.close()
            assert gone.wait(harness.WAIT), "the engine was left generating"
            took = time.monotonic() - at
            assert took < 1 or "ASAN_OPTIONS" in os.environ, took
            until(lambda: len([h for h in f.heads if h.startswith("POST")]) == 2, "a cancellation")
            f.hold = False
        f.close()


@tap
def an_application_that_hangs_up_ends_the_generation():
    hang_up(False, True)


@tap
def a_hang_up_ends_the_generation_even_if_a_relay_holds_the_connection_open():
    hang_up(True, True)


@tap
def a_hang_up_before_the_answer_ends_the_generation_too():
    hang_up(True, False)


@tap
def a_cancellation_takes_the_way_of_its_request_even_if_another_replica_was_verified_since():
    gone = threading.Event()

    def script(body, out):
        out.head()
        out.event("begun")
        if out.peer_gone():
            gone.set()

    with engine(script) as e, engine() as other, Daemon(engine=e) as a, Daemon(engine=other) as b:
        a.wait_ready()
        b.wait_ready()
        pinned = [json.loads(harness.cloister("policy", "init", "--from-server", "--server", d.url).stdout)["manifests"][0] for d in (a, b)]
        policy = a.write_policy(measurements=sorted({a.info["measurement"], b.info["measurement"]}), manifests=sorted(set(pinned)),
                                simulated={"roots": [a.info["simulated_root"], b.info["simulated_root"]]})
        f = Forward(a.port)  # a balancer that routes by the gateway's path
        f.hold = True
        with Proxy(daemon=a, url=f.url, policy=policy) as p:
            c, r = p.stream("hi")
            r.readline()
            posts = [h for h in f.heads if h.startswith("POST")]
            f.routes, f.target, f.refused = {posts[0]: a.port}, b.port, "POST"
            assert p.chat("broken off")[0] == 502
            f.refused = None
            until(lambda: p.chat("to the other")[0] == 200, "the other replica")
            r.close()
            c.close()
            assert gone.wait(harness.WAIT), [h for h in f.heads if h.startswith("POST")]
            f.hold = False
        f.close()


@tap
def a_proxy_that_is_told_to_end_cancels_what_runs():
    gone = threading.Event()

    def script(body, out):
        out.head()
        out.event("begun")
        if out.peer_gone():
            gone.set()

    with all_of_it(script) as (e, d, p):
        c, r = p.stream("hi")
        r.readline()
        assert p.stop() == 0
        assert gone.wait(harness.WAIT)
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert b"[DONE]" not in r.read()
        c.close()


@tap
def a_proxy_that_is_killed_leaves_no_generation_behind():
    gone = threading.Event()

    def script(body, out):
        out.head()
        out.event("begun")
        if out.peer_gone():
            gone.set()

    with all_of_it(script) as (e, d, p):
        c, r = p.stream("hi")
        r.readline()
        p.proc.kill()
        assert gone.wait(harness.WAIT)
        c.close()


@tap
def half_a_request_whose_sender_has_gone_takes_up_nothing():
    def open_files():
        return len(os.listdir(f"/proc/{p.proc.pid}/fd"))

    with all_of_it() as (e, d, p):
        assert p.chat("hello")[0] == 200
        before = open_files()
        p.proc.send_signal(signal.SIGSTOP)  # so that data and end come at once
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", p.port)) as s:
                s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n")
        p.proc.send_signal(signal.SIGCONT)
        until(lambda: open_files() <= before + 1, "their connections to be closed", 30)
        assert p.chat("hello")[0] == 200


# ---- who may ask ----

@tap
def without_the_token_nothing_is_told():
    with all_of_it() as (e, d, p):
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer " + "0" * 64}, {"Authorization": "Basic " + p.token},
                        {"Authorization": "Bearer " + p.token + "0"}, {"Authorization": p.token}):
            for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/v1/cloister/verdict"), ("GET", "/x")):
                status, answer, body = p.request(method, path, "{}" if method == "POST" else None, headers)
                assert status == 401 and told(body)["code"] == "invalid_api_key", (headers, path, status, body)
                assert "cloister-evidence" not in answer
        status, _, body = p.request("GET", "/healthz", None, {})
        assert status == 200 and body == b"ok\n"
        assert not e.requests


@tap
def only_its_own_names_are_answered_to():
    with all_of_it() as (e, d, p):
        def ask(host):
            return p.request("GET", "/v1/models", None, {"Host": host, "Authorization": "Bearer " + p.token})[0]
        for host in (f"127.0.0.1:{p.port}", f"localhost:{p.port}", f"LOCALHOST:{p.port}", f"[::1]:{p.port}"):
            assert ask(host) == 200, host
        for host in ("127.0.0.1", "localhost", f"evil.example:{p.port}", f"127.0.0.1:{p.port + 1}", f"127.0.0.1:{p.port}.evil.example", "",
                     f"localhost.:{p.port}", f"127.0.0.1:{p.port}@evil.example", f"127.0.0.1:0{p.port}", f"localhost.evil.example:{p.port}"):
            assert ask(host) in (400, 403), host
        got = raw(p.port, (f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:{p.port}\r\nHost: 127.0.0.1:{p.port}\r\n"
                           f"Authorization: Bearer {p.token}\r\nConnection: close\r\n\r\n").encode())
        assert got.startswith(b"HTTP/1.1 400"), got


@tap
def pages_from_elsewhere_are_refused_even_with_the_token():
    with all_of_it() as (e, d, p):
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", f"https://127.0.0.1:{p.port}", "http://localhost", ""):
            status, answer, body = p.request("POST", "/v1/chat/completions", "{}", p.headers(Origin=origin))
            assert status == 403 and told(body)["code"] == "bad_origin", (origin, status, body)
            assert "access-control-allow-origin" not in answer
            assert p.request("OPTIONS", "/v1/chat/completions", None, {"Origin": origin})[0] == 403
        status, answer, _ = p.request("GET", "/v1/models", None, p.headers(Origin=f"http://localhost:{p.port}"))
        assert status == 200 and "access-control-allow-origin" not in answer
        assert not e.requests


@tap
def the_allowed_origin_may_ask_and_read():
    site = "https://app.example"
    with all_of_it(proxy_args=("--allow-origin", site)) as (e, d, p):
        status, answer, _ = p.request("OPTIONS", "/v1/chat/completions", None, {
            "Origin": site, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-stainless-os"})
        assert status == 204 and answer["access-control-allow-origin"] == site, answer
        assert "Authorization" in answer["access-control-allow-headers"], answer
        status, answer, _ = p.request("POST", "/v1/chat/completions", json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}),
                                      p.headers(Origin=site))
        assert status == 200 and answer["access-control-allow-origin"] == site and answer["vary"] == "Origin", answer
        status, answer, _ = p.request("POST", "/v1/chat/completions", "{}", {"Origin": site})
        assert status == 401 and answer["access-control-allow-origin"] == site  # the page may read why
        assert p.request("GET", "/v1/models", None, p.headers(Origin="https://app.example.evil"))[0] == 403


@tap
def other_paths_methods_and_query_strings_are_refused():
    with all_of_it() as (e, d, p):
        for method, path, want in (("GET", "/v1/chat/completions", 405), ("POST", "/v1/models", 405), ("DELETE", "/v1/models/m", 405),
                                   ("POST", "/v1/responses", 404), ("GET", "/", 404), ("GET", "/v1/models/../x", 404), ("HEAD", "/v1/models", 405),
                                   ("GET", "/v1/models?limit=1", 400), ("POST", "/v1/chat/completions?api-version=1", 400),
                                   ("OPTIONS", "/v1/models", 405)):
            status, answer, body = p.request(method, path, "{}" if method == "POST" else None)
            assert status == want, (method, path, status, body)
            assert method == "HEAD" or told(body)["message"], body
        assert not e.requests


@tap
def http_1_0_and_unclear_framing_are_refused():
    with all_of_it() as (e, d, p):
        head = f"Host: 127.0.0.1:{p.port}\r\nAuthorization: Bearer {p.token}\r\nContent-Type: application/json\r\n"
        got = raw(p.port, f"GET /v1/models HTTP/1.0\r\n{head}\r\n".encode())
        assert b" 505 " in got.split(b"\r\n")[0], got
        got = raw(p.port, f"POST /v1/completions HTTP/1.1\r\n{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode())
        assert b" 400 " in got.split(b"\r\n")[0], got
        assert not e.requests


@tap
def garbage_is_survived():
    with all_of_it() as (e, d, p):
        for data in (b"\0" * 1000, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" + os.urandom(500), b"POST /v1/chat/completions HTTP/1.1\r\n" + b"a" * 200000,
                     b"GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(5000) + b"\r\n\r\n"):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", p.port), timeout=harness.WAIT) as s:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
        assert p.chat("still there")[0] == 200


# ---- what is told to programs, and what isn't ----

@tap
def programs_can_ask_for_the_verdict():
    with all_of_it() as (e, d, p):
        _, headers, _ = p.chat("hello")
        status, _, body = p.request("GET", "/v1/cloister/verdict")
        doc = json.loads(body)
        assert status == 200 and doc["v"] == 1 and doc["ready"] is True and doc["server"] == d.url, doc
        assert doc["verdict"]["v"] == 1 and doc["verdict"]["outcome"] == "verified" and doc["verdict"]["simulated"] is True, doc["verdict"]
        assert headers["cloister-evidence"] in body.decode()


@tap
def nothing_of_the_application_s_headers_leaves():
    with engine() as e, Daemon(engine=e) as d:
        d.wait_ready()
        relay = Relay(d.port)
        with Proxy(daemon=d, url=relay.url) as p:
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
            more = {"OpenAI-Organization": "org-canary", "OpenAI-Project": "proj-canary", "OpenAI-Beta": "x" * 100, "User-Agent": "agent-canary",
                    "X-Stainless-Lang": "python", "X-Stainless-Retry-Count": "0", "Cookie": "a=canary", "Idempotency-Key": "canary"}
            for headers in (p.headers(), p.headers(**more)):
                assert p.request("POST", "/v1/chat/completions", body, headers)[0] == 200
            posts = [bytes(x) for x in relay.streams if x.startswith(b"POST")]
            assert len(posts) == 2 and len(posts[0]) == len(posts[1]), [len(x) for x in posts]  # the sealed requests are as long
            for x in relay.streams:
                for canary in (b"canary", b"tainless", b"openai", p.token.encode(), harness.API_KEY.encode()):
                    assert canary not in bytes(x).lower(), canary
        relay.close()


@tap
def neither_text_nor_token_is_printed():
    with all_of_it() as (e, d, p):
        p.chat("canary-question")
        p.request("POST", "/v1/chat/completions", '{"canary-question')
        assert p.stop() == 0
        said = p.log() + p.proc.stdout.read().decode()
        assert "canary-question" not in said and p.token not in said and harness.API_KEY not in said, said
        assert "SIMULATED" in said


# ---- nothing runs twice ----

@tap
def a_relay_that_forwards_and_then_says_503_makes_the_engine_run_once():
    def lie(direction, index, data):
        if direction == "down" and relay.streams[index].startswith(b"POST"):
            e.wait_requests(1)
            return b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return data

    with engine() as e, Daemon(engine=e) as d:
        d.wait_ready()
        relay, second = Relay(d.port, lie), Relay(d.port)
        policy = d.write_policy(replicas=[relay.url, second.url])
        with Proxy(policy=policy, key_file=d.key_file) as p:
            until(lambda: json.loads(p.request("GET", "/v1/cloister/verdict")[2])["servers_ready"] == 2, "a second server")
            status, headers, doc = p.chat("only once")
            assert status == 502 and headers["x-should-retry"] == "false", (status, headers, doc)
            assert "may have run" in doc["error"]["message"] and "503" in doc["error"]["message"], doc
            assert "retry-after" not in headers
            assert len(e.requests) == 1 and len(relay.posts()) == 1 and not second.posts(), (relay.posts(), second.posts())
        relay.close()
        second.close()


@tap
def a_connection_that_could_not_be_made_moves_the_request_to_the_second_server():
    with engine() as e, Daemon(engine=e) as d:
        d.wait_ready()
        first, second = Relay(d.port), Relay(d.port)
        policy = d.write_policy(replicas=[first.url, second.url])
        with Proxy(policy=policy, key_file=d.key_file) as p:
            until(lambda: json.loads(p.request("GET", "/v1/cloister/verdict")[2])["servers_ready"] == 2, "a second server")
            assert p.chat("to the first")[0] == 200 and len(first.posts()) == 1
            first.close()
            status, headers, doc = p.chat("to the second")
            assert status == 200 and doc["choices"][0]["message"]["content"] == "echo: to the second", doc
            assert len(first.posts()) == 1 and len(second.posts()) == 1 and len(e.requests) == 2
            second.close()
            status, headers, doc = p.chat("to nobody")
            assert status == 503 and "x-should-retry" not in headers, (status, headers, doc)  # nothing was sent
            assert doc["error"]["code"] == "server_unreachable", doc


@tap
def a_daemon_that_dies_in_a_stream_is_told_in_the_stream():
    def script(body, out):
        out.head()
        out.event("begun")
        out.peer_gone()

    with all_of_it(script) as (e, d, p):
        c, r = p.stream("hi")
        first = r.readline()
        d.kill("gateway")
        rest = b""
        try:
            while True:
                b = r.read1(65536)
                if not b:
                    break
                rest += b
        except (http.client.IncompleteRead, ConnectionError) as x:
            rest += getattr(x, "partial", b"")
        last = [x.strip() for x in rest.decode().split("\n\n") if x.strip()][-1]
        assert last.startswith("data: ") and json.loads(last[6:])["error"]["code"] == "answer_cut", last
        assert b"[DONE]" not in rest
        assert not rest.endswith(b"0\r\n\r\n")
        c.close()


@tap
def a_whole_answer_that_is_cut_is_an_error_and_the_next_request_follows_fresh_evidence():
    began = threading.Event()

    def script(body, out):
        if body["messages"][0]["content"] != "first":
            return harness.echo(body, out)
        began.set()
        out.peer_gone()

    with engine(script) as e, Daemon(engine=e) as d:
        d.wait_ready()
        relay = Relay(d.port)
        with Proxy(daemon=d, url=relay.url) as p:
            answer = []
            t = threading.Thread(target=lambda: answer.append(p.chat("first")))
            t.start()
            assert began.wait(harness.WAIT)
            readies, evidence = d.ready_count(), len(relay.evidence())
            d.kill("gateway")
            t.join(harness.WAIT)
            status, headers, doc = answer[0]
            assert status == 502 and headers["x-should-retry"] == "false" and "may have run" in doc["error"]["message"], (status, doc)
            d.wait_ready(readies + 1)
            until(lambda: p.chat("second")[0] == 200, "the server to be back")
            assert len(relay.evidence()) > evidence
            assert sum(r[1]["messages"][0]["content"] == "first" for r in e.requests) == 1
        relay.close()


# ---- evidence in time ----

@tap
def evidence_is_renewed_under_load_without_one_failed_request():
    seen, failed, stop = set(), [], threading.Event()

    with all_of_it(daemon_args=("--key-lifetime", "10")) as (e, d, p):
        def load(i):
            while not stop.is_set():
                status, headers, doc = p.chat(f"load {i}")
                if status != 200:
                    failed.append((status, doc))
                seen.add(headers.get("cloister-evidence"))

        def keys():
            return json.loads(p.request("GET", "/v1/cloister/verdict")[2])["verdict"]["keys_sha256"]

        threads = [threading.Thread(target=load, args=(i,)) for i in range(3)]
        for t in threads:
            t.start()
        epochs = set()
        try:
            until(lambda: epochs.add(keys()) or len(epochs) >= 3, "two changes of keys", 60)
        finally:
            stop.set()
            for t in threads:
                t.join(harness.WAIT)
        assert not failed, failed[:3]
        assert len(seen) >= 3, seen


@tap
def another_manifest_is_refused_until_the_policy_changes():
    with engine() as e, Daemon("--model-name", "first", engine=e) as a, Daemon("--model-name", "second", engine=e) as b:
        a.wait_ready()
        b.wait_ready()
        both = {"measurements": sorted({a.info["measurement"], b.info["measurement"]}),
                "simulated": {"roots": [a.info["simulated_root"], b.info["simulated_root"]]}}
        policy = a.write_policy(**both)
        f = Forward(a.port)
        with Proxy(daemon=a, url=f.url, policy=policy) as p:
            assert p.chat("hello", model="first")[0] == 200
            f.target = b.port
            status, headers, doc = p.chat("to another", model="second")
            assert status == 502 and headers["x-should-retry"] == "false", (status, doc)
            status, headers, doc = p.chat("again", model="second")
            assert status == 503 and doc["error"]["code"] == "manifest_changed", doc
            assert headers["x-should-retry"] == "false" and "start it anew" in doc["error"]["message"], doc
            doc = json.loads(p.request("GET", "/v1/cloister/verdict")[2])
            assert doc["ready"] is False and doc["error"]["code"] == "manifest_changed", doc
            with open(policy, "w") as broken:
                broken.write("{")
            assert p.chat("again", model="second")[0] == 503
            assert "stays in force" in p.log(), p.log()
            a.write_policy(name="accepted", **both)
            status, headers, doc = p.chat("accepted", model="second")
            assert status == 200, doc
            assert [r[1]["messages"][0]["content"] for r in e.requests] == ["hello", "accepted"]
        f.close()


@tap
def all_that_a_policy_with_manifests_lists_may_follow_one_another():
    with engine() as e, Daemon("--model-name", "first", engine=e) as a, Daemon("--model-name", "second", engine=e) as b:
        a.wait_ready()
        b.wait_ready()
        pinned = [json.loads(harness.cloister("policy", "init", "--from-server", "--server", d.url).stdout)["manifests"][0] for d in (a, b)]
        both = {"measurements": sorted({a.info["measurement"], b.info["measurement"]}),
                "simulated": {"roots": [a.info["simulated_root"], b.info["simulated_root"]]}}
        policy = a.write_policy(**both, manifests=pinned[:1])
        f = Forward(a.port)
        with Proxy(daemon=a, url=f.url, policy=policy) as p:
            assert p.chat("hello", model="first")[0] == 200
            f.target = b.port
            assert p.chat("to another", model="second")[0] == 502
            status, headers, doc = p.chat("again", model="second")
            assert status == 503 and "manifest.pinned" in doc["error"]["message"] and "policy diff --accept" in doc["error"]["message"], doc
            a.write_policy(**both, manifests=pinned)
            assert p.chat("accepted", model="second")[0] == 200
            f.target = a.port
            assert p.chat("back", model="first")[0] == 502
            status, headers, doc = p.chat("and again", model="first")
            assert status == 200, doc
        f.close()


@tap
def a_stricter_policy_takes_effect_on_sighup():
    with all_of_it() as (e, d, p):
        assert p.chat("hello")[0] == 200
        d.write_policy(measurements=["ab" * 48])
        p.proc.send_signal(signal.SIGHUP)
        until(lambda: "verified anew" in p.log(), "the new policy")
        status, headers, doc = p.chat("hello")
        assert status == 503 and doc["error"]["code"] == "not_verified" and "snp.measurement" in doc["error"]["message"], doc
        assert headers["x-should-retry"] == "false" and "cloister-verdict" not in headers
        assert len(e.requests) == 1


# ---- the program ----

@tap
def a_server_that_is_refused_or_not_there_ends_the_program():
    with engine() as e, Daemon(engine=e) as d:
        d.wait_ready()
        d.write_policy(measurements=["ab" * 48])
        with Proxy(daemon=d, wait=False) as p:
            assert p.proc.wait(harness.WAIT) == 10 and "snp.measurement" in p.log() and p.ready_pipe.read() == b""
        with Proxy(daemon=d, url="http://127.0.0.1:1", wait=False) as p:
            assert p.proc.wait(harness.WAIT) == 1 and "nothing answers" in p.log(), p.log()
        for args in (("--listen", "0.0.0.0:0"), ("--allow-remote", "--listen", "0.0.0.0:0"), ("--allow-remote", "--listen", "[::]:0"),
                     ("--allow-origin", "*"), ("--allow-origin", "null"), ("--allow-origin", "https://app.example/"), ("--listen", "8787"), ("--listen", "127.0.0.1:99999"), ("argument",)):
            r = harness.cloister("proxy", "--server", d.url, "--policy", d.policy, "--token-file", d.dir + "/t", *args, timeout=20)
            assert r.returncode == 1 and r.stderr, args
        r = harness.cloister("proxy", "--policy", d.policy, "--server", d.url, "--listen", "127.0.0.1:0")
        assert r.returncode == 1 and b"--token-file" in r.stderr, r.stderr


@tap
def a_terminal_that_is_closed_ends_the_proxy_and_its_command():
    with engine() as e, Daemon(engine=e) as d:
        d.wait_ready()
        for command in ((), ("--", sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(600)")):
            pid, fd = pty.fork()
            if pid == 0:
                os.execv(harness.CLOISTER, [harness.CLOISTER, "proxy", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file,
                                            "--listen", "127.0.0.1:0", *command])
            said = b""
            while not (b"begun" if command else b"Ctrl-C") in said:
                said += os.read(fd, 4096)
            os.close(fd)
            until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT), "the proxy to end")
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@tap
def the_token_file_is_private_and_goes_with_the_proxy():
    with engine() as e, Daemon(engine=e) as d:
        d.wait_ready()
        path = os.path.join(d.dir, "token")
        with open(path, "w") as f:
            f.write("old")
        with Proxy("--token-file", path, daemon=d) as p:
            assert os.stat(path).st_mode & 0o777 == 0o600
            with open(path) as f:
                assert f.read() == p.token + "\n"
            assert p.stop() == 0
        assert not os.path.exists(path)


@tap
def a_command_runs_with_base_url_and_key_and_ends_the_proxy():
    code = ("import os, sys, urllib.request as u; r = u.Request(os.environ['OPENAI_BASE_URL'] + '/models', headers={'Authorization': 'Bearer ' + "
            "os.environ['OPENAI_API_KEY']}); print(u.urlopen(r).status); sys.exit(7)")
    with engine() as e, Daemon(engine=e) as d:
        d.wait_ready()
        with Proxy(daemon=d, command=[sys.executable, "-c", code]) as p:
            assert p.proc.wait(harness.WAIT) == 7, p.log()
            assert p.proc.stdout.read() == b"200\n"
        with Proxy(daemon=d, command=["/nonexistent/program"]) as p:
            assert p.proc.wait(harness.WAIT) == 1 and "can't be started" in p.log()


tap.run()
