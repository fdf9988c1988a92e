#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits: of an API key over time, of memory, of a peer's connections; each refusal says which, and when to come again."""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ohttp
from harness import API_KEY, WAIT, Daemon, Engine, Tap, until
from ohttp import chat, keys_section

tap = Tap()
PLAIN = "message/ohttp-req"


def key(name):
    return f"{name}-key-0123456789abcdef0123456789abcdef"


def post(d, request, section=None):
    return d.post((section or keys_section(d))["gateway"], request.body, request.media)


def ask(d, body, name=API_KEY, **kw):
    """One question: the inner answer's status, fields and JSON (or text)."""
    section = keys_section(d)
    request = ohttp.sealed(section, ohttp.inner(body, name, **kw))
    status, _, answer = post(d, request, section)
    assert status == 200, status
    status, fields, content = request.open(answer)
    return status, fields, json.loads(content) if fields["content-type"] == "application/json" else content.decode()


class Asking(threading.Thread):
    """A question whose answer is awaited elsewhere."""

    def __init__(self, d, body, name, **kw):
        super().__init__(daemon=True)
        self.args, self.kw, self.result = (d, body, name), kw, None
        self.start()

    def run(self):
        self.result = ask(*self.args, **self.kw)

    def answer(self):
        self.join(WAIT)
        assert self.result is not None, "no answer came"
        return self.result


class Gate:
    """An engine script that streams one word, waits until it is opened, and then says the rest."""

    def __init__(self):
        self.open, self.begun = threading.Event(), threading.Event()

    def __call__(self, body, out):
        out.head()
        out.event("a")
        self.begun.set()
        self.open.wait(WAIT)
        out.event("b")
        out.done()


@contextlib.contextmanager
def engine_does(script):
    before, E.script = E.script, script
    try:
        yield script
    finally:
        E.script = before


@contextlib.contextmanager
def daemon(*args, **kw):
    with Daemon("--allow-x25519", *args, engine=E, **kw) as d:
        yield d.wait_ready()


def refused(result, code, words):
    """A 429 that names its limit and its end; the seconds."""
    status, fields, body = result
    assert status == 429 and body["error"]["code"] == code and words in body["error"]["message"], result
    wait = int(fields["retry-after"])
    assert wait > 0 and f"{wait} s" in body["error"]["message"]
    return wait


@tap
def a_key_has_its_requests_a_minute_and_no_more():
    with daemon(keys=[{"key": key("two"), "requests_per_minute": 2}, key("free")]) as d:
        before = time.monotonic()
        for _ in range(2):
            assert ask(d, chat("x"), key("two"))[0] == 200
        wait = refused(ask(d, chat("x"), key("two")), "requests_per_minute_exceeded", "2 requests a minute")
        assert 60 - (time.monotonic() - before) <= wait <= 61
        assert ask(d, chat("x"), key("free"))[0] == 200
        # models are requests; a cancellation makes room and is never one too many
        assert ask(d, None, key("two"), method="GET", path="/v1/models")[0] == 429
        assert ask(d, {"request": "A" * 43}, key("two"), path="/v1/cloister/cancel")[0] == 200


@tap
def what_was_refused_can_never_run_later():
    with daemon(keys=[{"key": key("one"), "requests_per_minute": 1}]) as d:
        assert ask(d, chat("x"), key("one"))[0] == 200
        request = ohttp.sealed(keys_section(d), ohttp.inner(chat("x"), key("one")))
        assert request.open(post(d, request)[2])[0] == 429
        d.write_keys([key("one")])
        d.proc.send_signal(signal.SIGHUP)
        until(lambda: "parent reload" in d.log(), "the reload")
        assert post(d, request)[0] == 400
        assert ask(d, chat("x"), key("one"))[0] == 200


@tap
def a_key_has_its_tokens_a_day_as_the_engine_counts_them():
    with daemon(keys=[{"key": key("three"), "tokens_per_day": 3}]) as d:
        for _ in range(2):  # 2 tokens each; the second one goes beyond
            assert ask(d, chat("x"), key("three"))[0] == 200
        wait = refused(ask(d, chat("x"), key("three")), "tokens_per_day_exceeded", "3 tokens a day (UTC)")
        assert abs(86400 - time.time() % 86400 - wait) <= 3 or wait > 86390
        assert ask(d, None, key("three"), method="GET", path="/v1/models")[0] == 200


def metered(body, out):
    assert body["stream_options"] == {"include_usage": True}
    out.head()
    out.event("word")
    out.event(None, "stop")
    out.chunk(b"data: " + json.dumps({"choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 60}}).encode() + b"\n\n")
    out.chunk(b"data: [DONE]\n\n")
    out.raw(b"0\r\n\r\n")


@tap
def a_stream_is_counted_and_only_who_asked_is_told():
    with daemon(keys=[{"key": key("stream"), "tokens_per_day": 150}]) as d, engine_does(metered):
        text = ask(d, chat("x", stream=True), key("stream"))[2]
        assert "usage" not in text and text.endswith("data: [DONE]\n\n")
        text = ask(d, chat("x", stream=True, stream_options={"include_usage": True}), key("stream"))[2]
        assert text.count('"usage"') == 1 and text.endswith("data: [DONE]\n\n")
        refused(ask(d, chat("x", stream=True), key("stream")), "tokens_per_day_exceeded", "150 tokens a day")


@tap
def a_stream_that_was_cut_is_estimated():
    with daemon(keys=[{"key": key("cut"), "tokens_per_day": 90}]) as d, engine_does(Gate()) as gate:
        section = keys_section(d)
        request = ohttp.sealed(section, ohttp.inner(chat("x" * 400, stream=True), key("cut")), True)
        c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=WAIT)
        c.request("POST", section["gateway"], request.body, {"Content-Type": request.media})
        assert c.getresponse().read(1)
        gate.begun.wait(WAIT)
        c.sock.shutdown(socket.SHUT_RDWR)
        c.close()
        until(lambda: "request-aborted" in d.log(), "the end of the stream")
        gate.open.set()
        refused(ask(d, chat("x"), key("cut")), "tokens_per_day_exceeded", "90 tokens a day")


@tap
def an_engine_that_fails_takes_nothing():
    with daemon(keys=[{"key": key("fail"), "tokens_per_day": 1}]) as d:
        with engine_does(lambda body, out: out.json({"error": {"message": "no"}}, "500 Internal Server Error")):
            assert ask(d, chat("x" * 100), key("fail"))[0] == 502
        assert ask(d, chat("x"), key("fail"))[0] == 200
        assert ask(d, chat("x"), key("fail"))[0] == 429


@tap
def a_keys_own_parallel_requests_stand_before_everyones():
    with daemon("--max-parallel", "1", keys=[{"key": key("wide"), "parallel": 2}, key("narrow")]) as d, engine_does(Gate()) as gate:
        seen = len(E.requests)
        running = [Asking(d, chat("x", stream=True), key(name)) for name in ("wide", "wide", "narrow")]
        E.wait_requests(seen + 3)
        assert refused(ask(d, chat("x"), key("wide")), "rate_limit_exceeded", "2 requests at the same time") == 1
        assert refused(ask(d, chat("x"), key("narrow")), "rate_limit_exceeded", "1 requests at the same time") == 1
        gate.open.set()
        assert all(r.answer()[0] == 200 for r in running)


@tap
def a_large_answer_that_nobody_reads_is_a_running_request():
    """It takes memory until it is read: a key can't have more of them than it may have requests."""
    def script(body, out):
        out.json({"choices": [], "text": "x" * (16 << 20)})
    with daemon(keys=[{"key": key("lazy"), "parallel": 1}, key("other")]) as d, socket.socket() as s:
        section, done = keys_section(d), d.log().count("request-done")
        r = ohttp.sealed(section, ohttp.inner(chat("x"), key("lazy")))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(WAIT)
        s.connect(("127.0.0.1", d.port))
        with engine_does(script):
            s.sendall(f"POST {section['gateway']} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {PLAIN}\r\n"
                      f"Content-Length: {len(r.body)}\r\n\r\n".encode() + r.body)
            until(lambda: d.log().count("request-done") > done, "the answer")
        refused(ask(d, chat("x"), key("lazy")), "rate_limit_exceeded", "1 requests at the same time")
        assert ask(d, chat("x"), key("other"))[0] == 200
        while s.recv(1 << 20):
            pass
        assert ask(d, chat("x"), key("lazy"))[0] == 200


@tap
def an_expired_key_is_told_so_and_what_it_has_running_ends_well():
    end = int(time.time()) + 3
    with daemon(keys=[{"key": key("short"), "expires": end}, key("long")]) as d, engine_does(Gate()) as gate:
        running = Asking(d, chat("x", stream=True), key("short"))
        assert gate.begun.wait(WAIT)
        status, _, body = until(lambda: (r := ask(d, None, key("short"), method="GET", path="/v1/models"))[0] == 401 and r, "the key's end")
        assert body["error"]["code"] == "expired_api_key" and time.time() >= end
        gate.open.set()
        assert running.answer()[0] == 200


@tap
def a_revoked_keys_stream_ends_well():
    with daemon(keys=[key("old"), key("new")]) as d, engine_does(Gate()) as gate:
        running = Asking(d, chat("x", stream=True), key("old"))
        assert gate.begun.wait(WAIT)
        d.write_keys([key("new")])
        d.proc.send_signal(signal.SIGHUP)
        until(lambda: "parent reload" in d.log(), "the reload")
        assert until(lambda: ask(d, None, key("old"), method="GET", path="/v1/models")[0] == 401, "the key's end")
        gate.open.set()
        status, _, text = running.answer()
        assert status == 200 and text.endswith("data: [DONE]\n\n")


@tap
def more_keys_over_time_than_the_table_has_places_are_all_served():
    """Every reload brings other keys; what the first ones left behind makes room."""
    many = [key(f"filler{i}") for i in range(4000)]
    with daemon(keys=[*many, key("first")]) as d:
        gateway = d.children()["gateway"]
        for turn in range(4):
            d.write_keys([key(f"turn{turn}-{i}") for i in range(4000)] + [key("first")])
            d.proc.send_signal(signal.SIGHUP)
            until(lambda: d.log().count("parent reload") == turn + 1, "the reload")
            until(lambda: ask(d, chat("x"), key(f"turn{turn}-3999"))[0] == 200, "the new keys")
            assert ask(d, chat("x"), key("first"))[0] == 200
        assert ask(d, chat("x"), key("turn0-5"))[0] == 401
        assert d.children()["gateway"] == gateway


@tap
def memory_that_is_lowered_below_what_is_held_refuses_and_harms_nobody():
    with tempfile.TemporaryDirectory() as folder:
        conf = os.path.join(folder, "conf")
        with open(conf, "w") as f:
            f.write("MaxMemory 8388608\n")
        with daemon("--config", conf, "--max-request", "1048576") as d:
            section, held = keys_section(d), []
            for _ in range(3):  # plain requests without their last byte: 2.7 MB are held
                r = ohttp.sealed(section, ohttp.inner(chat("x" * 20000), API_KEY))
                s = socket.create_connection(("127.0.0.1", d.port), timeout=WAIT)
                filler = 900000 - len(r.body)
                s.sendall(f"POST {section['gateway']} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {PLAIN}\r\n"
                          f"Content-Length: {len(r.body) + filler}\r\n\r\n".encode() + r.body + bytes(filler - 1))
                held.append(s)
            with open(conf, "w") as f:
                f.write("MaxMemory 1048576\n")
            d.proc.send_signal(signal.SIGHUP)
            until(lambda: "parent reload" in d.log(), "the reload")
            r = ohttp.sealed(section, ohttp.inner(chat("x"), API_KEY))
            status, head, _ = until(lambda: (a := post(d, r, section))[0] == 503 and a or post_fresh(r, section), "the memory's end")
            assert int(head["retry-after"]) > 0
            said = []
            for s in held:  # once enough of it is gone, the rest is only no ciphertext
                try:
                    s.sendall(b"\0")
                    text = s.recv(4096)
                except ConnectionError:  # the gateway came to its head after the reload only, and didn't want its body
                    text = b"HTTP/1.1 503\r\nRetry-After: "
                said.append(text[9:12])
                assert said[-1] in (b"400", b"503") and (b"\r\nRetry-After: " in text) == (said[-1] == b"503"), text
                s.close()
            assert b"503" in said
            assert ask(d, chat("again"))[0] == 200


def post_fresh(r, section):
    """The limits hadn't come yet: another request, because this one was taken."""
    fresh = ohttp.sealed(section, ohttp.inner(chat("x"), API_KEY))
    r.__dict__.update(fresh.__dict__)
    return None


def say(s, path="/healthz"):
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return s.recv(65536)


@tap
def a_peer_has_its_connections_and_no_more():
    with daemon("--max-peer", "3") as d, contextlib.ExitStack() as stack:
        def connect():
            return stack.enter_context(socket.create_connection(("127.0.0.1", d.port), timeout=WAIT))
        mine = [connect() for _ in range(3)]
        assert all(say(s).startswith(b"HTTP/1.1 200 ") for s in mine)
        late = connect()
        text = say(late)
        assert text.startswith(b"HTTP/1.1 429 ") and re.search(rb"\r\nRetry-After: [1-9]", text) and b"Connection: close" in text
        assert late.recv(1) == b""
        assert say(mine[0]).startswith(b"HTTP/1.1 200 ")
        # a crowd isn't even accepted
        crowd = [connect() for _ in range(40)]
        gone = until(lambda: sum(is_closed(s) for s in crowd) >= 20, "the end of most of the crowd")
        assert gone and say(mine[1]).startswith(b"HTTP/1.1 200 ")
        for s in (*crowd, mine[0]):
            s.close()
        until(lambda: free(d), "a free place")


def is_closed(s):
    try:
        s.setblocking(False)
        return s.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def free(d):
    with socket.create_connection(("127.0.0.1", d.port), timeout=WAIT) as s:
        with contextlib.suppress(OSError):
            return say(s).startswith(b"HTTP/1.1 200 ")
    return False


@tap
def a_relay_has_as_many_as_it_needs():
    with daemon("--max-peer", "1", "--relay", "127.0.0.0/8") as d, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", d.port), timeout=WAIT)) for _ in range(30)]
        assert all(say(s).startswith(b"HTTP/1.1 200 ") for s in socks)


@tap
def a_model_is_found_by_its_name():
    with daemon() as d:
        status, _, body = ask(d, None, method="GET", path="/v1/models/m")
        assert (status, body["id"], body["object"]) == (200, "m", "model")
        assert ask(d, None, method="GET", path="/v1/models/%6d")[0] == 200
        status, _, body = ask(d, None, method="GET", path="/v1/models/other")
        assert status == 404 and body["error"]["code"] == "model_not_found"
        status, _, body = ask(d, chat("x", model="other"))
        assert status == 404 and body["error"]["code"] == "model_not_found"


@tap
def the_quota_of_a_private_key_says_when_there_is_another():
    with daemon("--quota", "1", "--key-lifetime", "1000") as d:
        assert ask(d, chat("x"))[0] == 200
        section = keys_section(d)
        status, fields, body = ask(d, chat("x"))
        assert status == 429 and body["error"]["code"] == "quota_exceeded"
        assert abs(int(fields["retry-after"]) - (section["expires"] - 300 - time.time())) < 5


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        E = Engine(os.path.join(folder, "engine"))
        tap.run()
