#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Oblivious HTTP as others wrote it, in JavaScript (npm's hpke, @panva/hpke-noble and bhttp-js; tests/peers/npm): as a client of cloisterd, and
as a gateway for `cloister`.
"""
import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
import peers  # noqa: E402
from harness import API_KEY, Daemon, Engine, Relay, Tap  # noqa: E402
from peers import AEADS, KEMS, Answer, Front  # noqa: E402

test = Tap()
DISCOVERY = "/.well-known/ohttp-gateway"
KEY_PROBLEM = "https://iana.org/assignments/http-problem-types#ohttp-key"
LONG = "x" * 20000 + " " + "\u00e9" * 20000  # more than one chunk whichever way
FORMS = ("chunked", "plain")


def npm():
    """The peer as one program: packages are looked for from the folder that it starts in."""
    folder = tempfile.mkdtemp(prefix="cloister-peer-")
    atexit.register(shutil.rmtree, folder)
    path = os.path.join(folder, "peer")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o700), "w") as f:
        f.write('#!/bin/sh\ncd "$CLOISTER_JS" && exec "$CLOISTER_NODE" --input-type=module --eval "$(cat %s)" -- "$@"\n'
                % os.path.join(peers.SOURCE, "npm", "peer.mjs"))
    return path


class Served:
    """cloisterd with every suite, before a scripted engine."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="cloister-engine-")
        self.engine = Engine(os.path.join(self.dir, "engine.sock"))
        self.daemon = Daemon("--allow-x25519", engine=self.engine).wait_ready()
        self.keys, self.url = peers.attested_keys(self.daemon)
        atexit.register(self.close)

    def close(self):
        self.daemon.close()
        self.engine.close()
        shutil.rmtree(self.dir, ignore_errors=True)


@contextlib.contextmanager
def counted(n):
    """Exactly n requests reach the engine."""
    before = len(SERVED.engine.requests)
    yield
    assert len(SERVED.engine.requests) == before + n, len(SERVED.engine.requests) - before


def ask(url, keys, form, kem, aead, question, key=API_KEY, **members):
    """The answer, and how many chunks it came in; what the peer says where there is none."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": question}], **members})
    done = subprocess.run([PEER, "client", url, keys, form, kem, aead, key], input=body.encode(), capture_output=True,
                          timeout=harness.WAIT, check=False)
    said = done.stderr.decode()
    if done.returncode != 0:
        return None, said
    return Answer(done.stdout), int(said.split("chunks ")[1])


def stream(url, keys, form, kem, aead, question):
    answer, chunks = ask(url, keys, form, kem, aead, question, stream=True)
    assert answer is not None, (form, kem, aead, chunks)
    return answer.text(), chunks


def answered(r, text):
    assert r.returncode == 0 and r.stdout.decode() == text + "\n", (r.returncode, r.stdout, r.stderr)


# ---- the peer as a client ----

@test
def every_suite_is_answered_in_either_form_under_the_attested_keys():
    with counted(len(FORMS) * len(KEMS) * len(AEADS)):
        for form in FORMS:
            for kem in KEMS:
                for aead in AEADS:
                    text, _ = stream(SERVED.url, SERVED.keys.hex(), form, kem, aead, "one two")
                    assert text == "echo: one two", (form, kem, aead)


@test
def who_knows_the_host_only_finds_a_key_and_the_gateway_at_the_well_known_path():
    for form in FORMS:
        text, _ = stream(SERVED.daemon.url + DISCOVERY, "discover", form, "x25519", "aes-256-gcm", "hi")
        assert text == "echo: hi", form
    with Daemon(engine=SERVED.engine) as d:  # where X25519 is not allowed, it is the key of X-Wing
        text, _ = stream(d.wait_ready().url + DISCOVERY, "discover", "chunked", "x-wing", "aes-256-gcm", "hi")
        assert text == "echo: hi"


@test
def a_stream_comes_in_several_chunks_and_the_plain_form_in_one_piece():
    words = "one two three four"
    text, chunks = stream(SERVED.url, SERVED.keys.hex(), "chunked", "x-wing", "aes-256-gcm", words)
    assert text == "echo: " + words and chunks >= len(words.split()), (text, chunks)
    text, chunks = stream(SERVED.url, SERVED.keys.hex(), "plain", "x-wing", "aes-256-gcm", words)
    assert (text, chunks) == ("echo: " + words, 1)


@test
def a_shaped_answer_is_decoded():
    """Informational responses before the status is known, comments between events, and what fills the last frames."""
    with peers.served(shape="full") as (d, url, keys, _):
        text, chunks = stream(url, keys.hex(), "chunked", "x-wing", "aes-256-gcm", "one two")
        assert text == "echo: one two" and chunks == 512, (text, chunks)


@test
def a_long_request_of_many_chunks_and_its_answer_arrive_whole():
    for form in FORMS:
        answer, _ = ask(SERVED.url, SERVED.keys.hex(), form, "x-wing", "chacha20-poly1305", LONG)
        assert answer.status == 200 and answer.type == "application/json", (form, answer.type)
        assert json.loads(answer.body)["choices"][0]["message"]["content"] == "echo: " + LONG, form


@test
def a_wrong_api_key_is_told_inside_the_encryption():
    with counted(0):
        for form in FORMS:
            answer, _ = ask(SERVED.url, SERVED.keys.hex(), form, "x25519", "aes-128-gcm", "hi", key=API_KEY + "x")
            assert answer.status == 401 and json.loads(answer.body)["error"]["code"] == "invalid_api_key", (form, answer.body)


@test
def a_key_id_that_is_not_there_is_named_as_the_problem():
    renamed = bytearray(SERVED.keys)
    at = 0
    while at < len(renamed):
        renamed[at + 2] ^= 0x55
        at += 2 + int.from_bytes(renamed[at:at + 2], "big")
    with counted(0):
        for form in FORMS:
            answer, said = ask(SERVED.url, renamed.hex(), form, "x-wing", "aes-256-gcm", "hi")
            assert answer is None and "outer 400 application/problem+json" in said and KEY_PROBLEM in said, (form, said)


@test
def a_request_that_is_sent_again_is_refused():
    for form in FORMS:
        relay = Relay(SERVED.daemon.port)
        try:
            with counted(1):
                text, _ = stream(relay.url + SERVED.url[len(SERVED.daemon.url):], SERVED.keys.hex(), form, "x-wing", "aes-256-gcm", "once")
                assert text == "echo: once"
                with socket.create_connection(("127.0.0.1", SERVED.daemon.port), timeout=harness.WAIT) as s:
                    s.sendall(bytes(relay.streams[0]))
                    assert s.recv(4096).startswith(b"HTTP/1.1 400 "), form
        finally:
            relay.close()


# ---- the peer as a gateway ----

@test
def cloister_is_answered_in_every_suite():
    for kem in KEMS:
        with Front(PEER, kem, *AEADS) as f:
            for aead in AEADS:
                answered(f.chat("one two", kems=["x-wing", "x25519"], aeads=[aead]), "echo: one two")
            assert len(f.posts) == len(AEADS) and f.posts[0].startswith("POST /r/"), f.posts


@test
def cloister_reads_an_answer_of_many_chunks_in_known_length_form():
    with Front(PEER, "x-wing", "aes-256-gcm") as f:
        answered(f.chat(LONG), "echo: " + LONG)


@test
def cloister_refuses_an_unchunked_answer_to_a_chunked_request():
    with Front(PEER, "x-wing", "aes-256-gcm", "unchunked") as f:
        r = f.chat("hi")
        assert r.returncode == 1 and r.stdout == b"" and r.stderr, (r.returncode, r.stdout, r.stderr)
        assert len(f.posts) == 1


if __name__ == "__main__":
    for wanted in ("CLOISTER_NODE", "CLOISTER_JS"):
        if not os.path.exists(os.environ.get(wanted, "")):
            print(f"Bail out! {wanted} names nothing: run scripts/bootstrap check, and take over what scripts/bootstrap env check prints")
            sys.exit(1)
    PEER = npm()
    SERVED = Served()
    test.run()
