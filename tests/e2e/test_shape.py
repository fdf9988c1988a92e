#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The traffic shape as a network sees it: whatever is asked and answered, sizes are the same, and nothing leaves before its time.

The observer counts bytes and notes when they come; how late they are nobody can promise, but none may be early. The answers are opened by
the client in tests/support/ohttp.py, which knows nothing of shapes.
"""
import concurrent.futures
import base64
import json
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ohttp
from harness import API_KEY, WAIT, Daemon, Engine, Tap, until

tap = Tap()
CLASSES = {"chat": (512, 512), "wide": (4096, 128), "bulk": (16384, 32)}  # bytes of a frame, frames of the smallest answer
INTERVAL, DELAY = 0.05, 0.1
STARTED = threading.Event()  # "for ever" has begun to answer
LONG = "".join(f"word {i} " for i in range(50000))  # more than the smallest answer holds
HEAD = re.compile(rb"HTTP/1\.1 200 OK\r\n((?:[A-Za-z-]+: [^\r\n]*\r\n)+)\r\n")


def script(body, out):
    """The engine: what it does stands in the question."""
    text = body["messages"][-1]["content"] if "messages" in body else ""
    if text == "refuse":
        out.json({"error": {"message": "no", "type": "invalid_request_error"}}, "400 Bad Request")
    elif text == "die":
        pass
    elif text == "endless whole":
        out.json({"choices": [{"message": {"content": "x" * (20 << 20)}}]})
    elif text == "long":
        out.head()
        for i in range(0, 50000, 100):
            out.event("".join(f"word {k} " for k in range(i, i + 100)))
        out.done()
    elif text == "for ever":
        out.head()
        out.event("begin ")
        STARTED.set()
        out.peer_gone()
    elif not body.get("stream"):
        out.json({"choices": [{"message": {"content": "word " * 40}}], "usage": {"total_tokens": 3}})
    else:
        out.head()
        for i in range(20):
            out.event(f"w{i} ")
            if text == "slowly":
                time.sleep(0.1)
            if text == "half" and i == 10:
                time.sleep(3 * DELAY)  # until a part has left; before, the error takes the answer's place
                return
        out.done()


class Seen:
    """One encrypted answer: when which bytes came."""

    def __init__(self, d, request):
        head = f"POST {request.path} HTTP/1.1\r\nHost: x\r\nContent-Type: {request.media}\r\nContent-Length: {len(request.body)}\r\n\r\n"
        self.came, self.raw = [], b""
        with socket.create_connection(("127.0.0.1", d.port), timeout=WAIT) as s:
            self.began = time.monotonic()
            s.sendall(head.encode() + request.body)
            while not self.over():
                b = s.recv(65536)
                assert b, f"the connection was closed after {len(self.raw)} bytes"
                self.raw += b
                self.came.append((time.monotonic() - self.began, len(self.raw)))

    def over(self):
        length = re.search(rb"Content-Length: (\d+)\r\n(?:.*\r\n)*?\r\n", self.raw)
        if length:
            return len(self.raw) == length.end() + int(length[1])
        return self.raw.endswith(b"\r\n0\r\n\r\n")

    def head(self):
        return HEAD.match(self.raw)

    def frames(self):
        """[(when its last byte came, its bytes on the wire)]"""
        found, at = [], self.head().end()
        while self.raw[at:] != b"0\r\n\r\n":
            size = re.compile(rb"([1-9A-F][0-9A-F]*)\r\n").match(self.raw, at)
            end = size.end() + int(size[1], 16) + 2
            assert self.raw[end - 2:end] == b"\r\n"
            found.append((next(t for t, n in self.came if n >= end), end - at))
            at = end
        return found

    def body(self):
        """Without HTTP's framing."""
        out, at = b"", self.head().end()
        for _, n in self.frames():
            size = re.compile(rb"([0-9A-F]+)\r\n").match(self.raw, at)
            out += self.raw[size.end():at + n - 2]
            at += n
        return out


def request(d, message, chunked=True):
    section = ohttp.keys_section(d)
    r = ohttp.sealed(section, message, chunked)
    r.path = section["gateway"]
    return r


def ask(d, message):
    r = request(d, message)
    seen = Seen(d, r)
    return seen, r.open(seen.body())


def has_shape(seen, name, times=1, clock=True):
    frame, first = CLASSES[name]
    frames = seen.frames()
    assert [n for _, n in frames] == [frame] * (first * times), (name, len(frames), {n for _, n in frames})
    if clock:
        for i, (t, _) in enumerate(frames):
            assert t >= DELAY + i * INTERVAL, (name, i, t)


def text_of(content):
    events = [json.loads(line[6:]) for line in content.decode().split("\n") if line.startswith("data: {")]
    return "".join(e["choices"][0]["delta"].get("content") or "" for e in events)


class Serving:
    """A daemon with one shape before the scripted engine."""

    def __init__(self, shape, parallel=64):
        self.engine = Engine(f"/tmp/cloister-shape-{os.getpid()}.sock", script)
        self.daemon = Daemon("--allow-x25519", "--max-parallel", str(parallel), engine=self.engine, shape=shape)

    def __enter__(self):
        return self.daemon.wait_ready()

    def __exit__(self, *exc):
        self.daemon.__exit__(*exc)
        self.engine.close()


@tap
def every_answer_has_one_shape_whatever_it_is():
    with Serving("full") as d:
        chat, key = ohttp.chat, API_KEY
        asked = {
            "stream": (200, ohttp.inner(chat("hello", stream=True), key)),
            "slow stream": (200, ohttp.inner(chat("slowly", stream=True), key)),
            "whole": (200, ohttp.inner(chat("hello"), key)),
            "models": (200, ohttp.inner(None, key, "GET", "/v1/models")),
            "cancel": (200, ohttp.inner({"request": base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")}, key,
                                        path="/v1/cloister/cancel")),
            "no such path": (404, ohttp.inner(chat("x"), key, path="/v1/x")),
            "no JSON": (400, ohttp.bhttp_request("POST", "/v1/chat/completions", {"authorization": "Bearer " + key}, b"{")),
            "wrong key": (401, ohttp.inner(chat("x"), "wrong")),
            "no such shape": (400, ohttp.inner(chat("x"), key, **{"cloister-shape": "small"})),
            "no Binary HTTP": (400, b"\x07" * 64),
            "refused by the engine": (400, ohttp.inner(chat("refuse", stream=True), key)),
            "lost engine": (502, ohttp.inner(chat("die", stream=True), key)),
            "wide stream": (200, ohttp.inner(chat("hello", stream=True), key, **{"cloister-shape": "wide"})),
            "wide wrong key": (401, ohttp.inner(chat("x"), "wrong", **{"cloister-shape": "wide"})),
            "bulk": (200, ohttp.inner(chat("hello"), key, **{"cloister-shape": "bulk"})),
        }
        with concurrent.futures.ThreadPoolExecutor(len(asked) + 1) as pool:
            half = request(d, ohttp.inner(chat("half", stream=True), key))
            half_seen = pool.submit(Seen, d, half)
            answers = {k: pool.submit(ask, d, m) for k, (_, m) in asked.items()}
            heads = set()
            for what, answer in answers.items():
                seen, (status, _, content) = answer.result()
                assert status == asked[what][0], (what, status, content)
                has_shape(seen, what.split()[0] if what.split()[0] in CLASSES else "chat")
                heads.add(re.sub(rb"Date: [^\r]*", b"", seen.head()[0]))
                if "stream" in what:
                    assert text_of(content) == "".join(f"w{i} " for i in range(20)), what
                    assert content.rstrip(b": \n").endswith(b"data: [DONE]"), content[-600:]
                elif status == 200:
                    assert json.loads(content), what
            # What breaks off in the middle has the same shape and no end.
            seen = half_seen.result()
            has_shape(seen, "chat")
            heads.add(re.sub(rb"Date: [^\r]*", b"", seen.head()[0]))
            try:
                half.open(seen.body())
                raise RuntimeError("half an answer was taken for a whole one")
            except (AssertionError, ValueError, IndexError):
                pass
            assert len(heads) == 1, heads


@tap
def a_stream_that_its_owner_stops_goes_on_in_its_shape():
    with Serving("full") as d:
        name = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        r = request(d, ohttp.inner(ohttp.chat("for ever", stream=True), API_KEY, **{"cloister-request": name}))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            running = pool.submit(Seen, d, r)
            assert STARTED.wait(WAIT)
            asked = time.monotonic()
            seen, (status, _, content) = pool.submit(ask, d, ohttp.inner({"request": name}, API_KEY, path="/v1/cloister/cancel")).result()
            assert status == 200 and json.loads(content)["cancelled"] is True, content
            has_shape(seen, "chat")
            seen = running.result()
            has_shape(seen, "chat")
            assert seen.began < asked
            status, _, content = r.open(seen.body())
            assert (status == 200 and b'"cancelled"' in content and b"[DONE]" not in content) or status == 409, (status, content[-300:])


@tap
def a_stream_that_only_drains_takes_nobodys_place():
    """Of one request at a time the second is answered while the first one's frames still leave."""
    with Serving("full", parallel=1) as d:
        hello = ohttp.inner(ohttp.chat("hello", stream=True), API_KEY)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            first = pool.submit(ask, d, hello)
            until(lambda: "request-done status=200" in d.log(), "the first answer's end")
            second = pool.submit(ask, d, hello)
            until(lambda: d.log().count("request-done status=200") == 2, "the second answer's end")
            assert not first.done()
            for seen, (status, _, _) in (first.result(), second.result()):
                assert status == 200
                has_shape(seen, "chat")


@tap
def without_a_clock_sizes_are_the_same_and_nothing_waits():
    with Serving("size") as d:
        for what, text, times in (("stream", "hello", 1), ("no such path", None, 1), ("longer", "long", 4)):
            message = ohttp.inner(ohttp.chat(text or "x", stream=True), API_KEY, path="/v1/chat/completions" if text else "/v1/x")
            seen, (status, _, content) = ask(d, message)
            has_shape(seen, "chat", times, clock=False)
            assert status == (200 if text else 404), what
            if text == "long":
                assert text_of(content) == LONG


@tap
def in_one_piece_an_answer_has_one_of_few_sizes_and_comes_at_a_whole_second():
    with Serving("full") as d:
        for message in (ohttp.inner(ohttp.chat("hello", stream=True), API_KEY), ohttp.inner(None, API_KEY, "GET", "/v1/models"),
                        ohttp.inner(ohttp.chat("x"), "wrong"), ohttp.inner(ohttp.chat("slowly", stream=True), API_KEY)):
            r = request(d, message, chunked=False)
            seen = Seen(d, r)
            length = int(re.search(rb"Content-Length: (\d+)", seen.raw)[1])
            assert length == 16384, length
            first = seen.came[0][0]
            assert first >= 1, first
            assert r.open(seen.raw[-length:])[0] in (200, 401)


@tap
def an_answer_that_its_class_does_not_hold_ends_with_an_error():
    """In `size` its 32768 frames don't take half an hour."""
    with Serving("size") as d:
        seen, (status, _, content) = ask(d, ohttp.inner(ohttp.chat("endless whole"), API_KEY))
        assert status == 500 and json.loads(content)["error"]["code"] == "answer_too_long", content[:300]
        has_shape(seen, "chat", clock=False)


@tap
def without_a_shape_bytes_leave_as_they_come():
    with Serving("off") as d:
        seen, (status, _, content) = ask(d, ohttp.inner(ohttp.chat("hello", stream=True), API_KEY))
        assert status == 200 and text_of(content) == "".join(f"w{i} " for i in range(20))
        assert len({n for _, n in seen.frames()}) > 1


if __name__ == "__main__":
    tap.run()
