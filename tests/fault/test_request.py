#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests that are not whole: nothing of them reaches the engine."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import CLOISTER, Daemon, Engine, Relay, Tap, ask

tap = Tap()
HEADER = 7 + 1120  # ids and X-Wing's enc


def without_final_chunk(body):
    """The encapsulated request up to where its final chunk begins."""
    at = HEADER
    while True:
        size = 1 << (body[at] >> 6)
        length = int.from_bytes(body[at:at + size], "big") & ((1 << (8 * size - 2)) - 1)
        if length == 0:
            return body[:at]
        at += size + length


class Cutter:
    """A relay's hook that gathers a POST and sends another body on, as a complete HTTP request."""

    def __init__(self, cut):
        self.cut, self.held = cut, {}

    def __call__(self, direction, index, data):
        if direction == "down":
            return data
        held = self.held.setdefault(index, bytearray())
        held += data
        if not held.startswith(b"POST"):
            return data
        head, found, body = bytes(held).partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = [x for x in lines if x.lower().startswith(b"content-length:")]
        if not found or len(body) < int(length[0].split(b":")[1]):
            return b""
        body = self.cut(body)
        lines[lines.index(length[0])] = b"Content-Length: %d" % len(body)
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


def refused(cut, question):
    engine = Engine(f"/tmp/cloister-request-{os.getpid()}.sock")
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            relay = Relay(d.port, Cutter(cut))
            r = ask(d, question, url=relay.url)
            assert r.returncode == 1 and r.stderr and not r.stdout, (r.returncode, r.stdout, r.stderr)
            assert len(relay.posts()) == 1, relay.posts()
            assert not engine.requests, "the engine saw a request that was not whole"
            whole = ask(d, question)
            assert whole.returncode == 0 and len(engine.requests) == 1, whole.stderr
            relay.close()
    finally:
        engine.close()


LONG = "a long question " * 4000  # four chunks and a final one


@tap
def a_request_without_its_end_reaches_no_engine():
    refused(without_final_chunk, LONG)


@tap
def a_request_cut_in_its_final_chunk_reaches_no_engine():
    refused(lambda body: body[:-1], LONG)
    refused(lambda body: body[:-1], "short")


@tap
def a_request_with_a_chunk_left_out_reaches_no_engine():
    refused(lambda body: body[:HEADER] + body[HEADER + 4 + 16400:], LONG)


@tap
def a_request_with_a_flipped_bit_reaches_no_engine():
    refused(lambda body: body[:-40] + bytes([body[-40] ^ 1]) + body[-39:], LONG)
    refused(lambda body: body[:100] + bytes([body[100] ^ 1]) + body[101:], "short")


@tap
def an_input_that_can_not_be_read_is_an_error_before_anything_is_sent():
    engine = Engine(f"/tmp/cloister-request-{os.getpid()}.sock")
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            relay = Relay(d.port)
            folder = os.open(d.dir, os.O_RDONLY)
            try:
                r = subprocess.run([CLOISTER, "chat", "--server", relay.url, "--policy", d.policy, "--key-file", d.key_file, "-"],
                                   stdin=folder, capture_output=True, env={"HOME": "/nonexistent"}, timeout=harness.WAIT)
            finally:
                os.close(folder)
            assert r.returncode == 1 and b"read" in r.stderr and not r.stdout, (r.returncode, r.stdout, r.stderr)
            gone = ask(d, "hello", "--key-file", "/nonexistent/key", url=relay.url)
            assert gone.returncode == 1 and b"/nonexistent/key" in gone.stderr, gone.stderr
            assert not relay.posts() and not engine.requests, relay.request_lines()
            relay.close()
    finally:
        engine.close()


if __name__ == "__main__":
    tap.run()
