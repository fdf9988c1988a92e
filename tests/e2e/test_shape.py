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
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ohttp
from harness import API_KEY, WAIT, Daemon, Engine, Tap

tap = Tap()
CLASSES = {"chat": (512, 512), "wide": (4096, 128), "bulk": (16384, 32)}  # bytes of a frame, frames of the smallest answer
INTERVAL, DELAY = 0.05, 0.1
HEAD = re.compile(rb"HTTP/1\.1 200 OK\r\n((?:[A-Za-z-]+: [^\r\n]*\r\n)+)\r\n")


def script(body, out):
    """The engine: what it does stands in the question."""
    text = body["messages"][-1]["content"] if "messages" in body else ""
    if text == "refuse":
        out.json({"error": {"message": "no", "type": "invalid_request_error"}}, "400 Bad Request")
    elif text == "die":
        pass
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


def daemon(engine, shape):
    return Daemon("--shape", shape, "--allow-x25519", "--max-parallel", "64", engine=engine)


@tap
def every_answer_has_one_shape_whatever_it_is():
    path = f"/tmp/cloister-shape-{os.getpid()}.sock"
    engine = Engine(path, script)
    try:
        with daemon(engine, "full") as d:
            d.wait_ready()
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
    finally:
        engine.close()


if __name__ == "__main__":
    tap.run()
