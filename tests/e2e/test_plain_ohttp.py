#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plain and chunked Oblivious HTTP by a client that isn't ours (tests/support/ohttp.py), and RFC 9540's discovery."""
import contextlib
import json
import os
import re
import select
import socket
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
import ohttp
from harness import API_KEY, WAIT, Daemon, Engine, Relay, Tap, until
from ohttp import chat, keys_section as keys, unb64

tap = Tap()
DISCOVERY = "/.well-known/ohttp-gateway"
PLAIN, CHUNKED = "message/ohttp-req", "message/ohttp-chunked-req"
XWING, X25519 = 0x647A, 0x0020


def message(body, key=API_KEY, **kw):
    return ohttp.inner(body, key, **kw)


def sealed(d, text, chunked=False):
    return ohttp.sealed(keys(d), text, chunked)


def post(d, request, path=None, body=None):
    return d.post(path or keys(d)["gateway"], request.body if body is None else body, request.media)


def ask(d, text, chunked=False, path=None):
    """One question: the inner answer's status, fields and content."""
    request = sealed(d, text, chunked)
    status, head, body = post(d, request, path)
    assert status == 200, (status, head)
    assert head["content-type"] == ("message/ohttp-chunked-res" if chunked else "message/ohttp-res")
    assert head["x-accel-buffering"] == "no" and head["cache-control"] == "no-store"
    return request.open(body)


@tap
def both_forms_bring_the_same_answer_under_the_x25519_key():
    for chunked in (False, True):
        status, fields, content = ask(D, message(chat("hello")), chunked)
        assert status == 200 and fields["content-type"] == "application/json"
        assert json.loads(content)["choices"][0]["message"]["content"] == "echo: hello"


@tap
def the_x25519_key_has_an_id_of_its_own():
    configs = ohttp.key_configs(unb64(keys(D)["ohttp_keys"]))
    assert set(configs) == {XWING, X25519} and configs[XWING][0] != configs[X25519][0]


@tap
def a_plain_answer_says_how_long_it_is():
    request = sealed(D, message(chat("hello")))
    _, head, body = post(D, request)
    assert int(head["content-length"]) == len(body) and "incremental" not in head


@tap
def a_stream_in_the_plain_form_comes_whole():
    status, fields, content = ask(D, message(chat("a b c", stream=True)))
    assert status == 200 and fields["content-type"] == "text/event-stream"
    events = [x[len("data: "):] for x in content.decode().split("\n\n") if x]
    assert events[-1] == "[DONE]"
    text = "".join(c["delta"].get("content", "") for e in events[:-1] for c in json.loads(e)["choices"])
    assert text == "echo: a b c"


@tap
def a_large_request_and_a_large_answer_pass():
    text = "x" * 30000
    status, _, content = ask(D, message(chat(text)))
    assert status == 200 and json.loads(content)["choices"][0]["message"]["content"] == "echo: " + text


@tap
def an_engine_that_is_lost_midway_is_an_encrypted_error_and_no_short_answer():
    def script(body, out):
        out.head()
        out.event("half")
        out.raw(b"")  # and then nothing: the connection ends
    E.script, before = script, E.script
    try:
        status, _, content = ask(D, message(chat("x", stream=True)))
    finally:
        E.script = before
    assert status == 502 and json.loads(content)["error"]["code"] == "engine_lost" and b"half" not in content


@tap
def a_wrong_key_is_told_inside():
    status, _, content = ask(D, message(chat("x"), key="wrong"))
    assert status == 401 and json.loads(content)["error"]["code"] == "invalid_api_key"


@tap
def everything_that_does_not_open_gets_the_one_answer_of_the_chunked_form_when_its_body_has_ended():
    path, r = keys(D)["gateway"], sealed(D, message(chat("hello")))
    chunked = sealed(D, message(chat("hello")), True)
    wrong = {"a flipped bit": r.body[:-1] + bytes([r.body[-1] ^ 1]), "a cut body": r.body[:-1], "more behind it": r.body + b"\0",
             "enc alone": r.body[:39], "half of enc": r.body[:20], "half of the ids": r.body[:3], "another enc": r.body[:7] + os.urandom(32) + r.body[39:],
             "an enc of zeros": r.body[:7] + bytes(32) + r.body[39:], "the chunked form": chunked.body}
    answers = set()
    for what, body in wrong.items():
        status, head, text = D.post(path, body, PLAIN)
        head.pop("date", None)
        answers.add(repr((status, text, sorted(head.items()))))
        with socket.create_connection(("127.0.0.1", D.port), timeout=WAIT) as s:
            s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {PLAIN}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
            assert not select.select([s], [], [], 0.1)[0], what
            s.sendall(body[-1:])
            assert s.recv(4096).startswith(b"HTTP/1.1 400 "), what
    status, head, text = D.post(path, r.body, CHUNKED)
    head.pop("date", None)
    answers.add(repr((status, text, sorted(head.items()))))
    assert len(answers) == 1 and "400" in answers.pop()


def flipped(b, at):
    return b[:at] + bytes([b[at] ^ 1]) + b[at + 1:]


def xwing_request(d):
    """The body of a request of `cloister`, under the X-Wing key and answered already."""
    relay = Relay(d.port)
    assert harness.ask(d, "once", url=relay.url).returncode == 0
    relay.close()
    head, _, body = next(bytes(s) for s in relay.streams if s.startswith(b"POST")).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head.lower() and struct.unpack(">H", body[1:3]) == (XWING,)
    return body


class Asker:
    """One connection, which is used for one request after another: all that is seen of the server outside of its encryption."""

    def __init__(self, d):
        self.d = d
        self.s = socket.create_connection(("127.0.0.1", d.port), timeout=WAIT)

    def answer(self):
        """A head and no body, without its date."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            b = self.s.recv(1)
            assert b, head
            head += b
        assert b"\r\nContent-Length: 0\r\n" in head, head
        return re.sub(rb"\r\nDate: [^\r]*", b"", head)

    def send(self, media, body, last=b""):
        """Everything but `last`, which makes the body complete."""
        self.s.sendall(f"POST {keys(self.d)['gateway']} HTTP/1.1\r\nHost: x\r\nContent-Type: {media}\r\n"
                       f"Content-Length: {len(body) + len(last)}\r\n\r\n".encode() + body)

    def refused(self, media, body):
        """What is seen of a refusal: no byte before the body's end, the answer's bytes, that the connection goes on; and what is logged."""
        logged = len(self.d.log())
        self.send(media, body[:-1], body[-1:])
        assert not select.select([self.s], [], [], 0.1)[0], "an answer before the body's end"
        self.s.sendall(body[-1:])
        seen = self.answer()
        lines = [x for x in self.d.log()[logged:].splitlines() if " gateway " in x]
        self.s.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert self.answer().startswith(b"HTTP/1.1 404 ")
        return seen, [x[x.index(" gateway "):] for x in lines]


@tap
def whatever_keeps_a_request_from_passing_looks_the_same_from_outside():
    """Malformed, not decapsulated, implicitly rejected by ML-KEM, not authentic, repeated: nothing tells which."""
    xwing, asker, asked = xwing_request(D), Asker(D), len(E.requests)
    ct, point = 7 + 1088, 7 + 1120  # where ML-KEM's ciphertext ends, and X25519's point
    cases = {"xwing, repeated": (CHUNKED, xwing),
             "xwing, rejected implicitly at the first byte": (CHUNKED, flipped(xwing, 7)),
             "xwing, rejected implicitly at the last byte": (CHUNKED, flipped(xwing, ct - 1)),
             "xwing, another point": (CHUNKED, flipped(xwing, ct)),
             "xwing, a point of small order": (CHUNKED, xwing[:ct] + bytes(32) + xwing[point:]),
             "xwing, random": (CHUNKED, xwing[:7] + os.urandom(1120) + xwing[point:]),
             "xwing, no chunk": (CHUNKED, xwing[:7] + os.urandom(1120)),
             "half of an enc": (CHUNKED, xwing[:500])}
    for media, chunked in ((CHUNKED, True), (PLAIN, False)):
        whole, repeated = sealed(D, message(chat("x")), chunked).body, sealed(D, message(chat("once")), chunked)
        assert post(D, repeated)[0] == 200
        asked += 1
        cases |= {f"{media}, the first sealed byte": (media, flipped(whole, 7 + 32 + chunked)),
                  f"{media}, the last": (media, flipped(whole, len(whole) - 1)),
                  f"{media}, another point": (media, flipped(whole, 7)),
                  f"{media}, a point of small order": (media, whole[:7] + bytes(32) + whole[39:]),
                  f"{media}, cut": (media, whole[:-1]),
                  f"{media}, repeated": (media, repeated.body)}
    seen = {what: asker.refused(*case) for what, case in cases.items()}
    first = seen["half of an enc"]
    assert first[0].startswith(b"HTTP/1.1 400 ") and len(first[1]) == 1 and "request-refused status=400" in first[1][0], first
    assert {k: v for k, v in seen.items() if v != first} == {}, first
    assert len(E.requests) == asked


@tap
def of_two_copies_on_the_way_at_once_one_is_refused_as_any_other():
    """Both are open in the keeper before either has come to its end: what refuses the second is the commit."""
    expected, _ = Asker(D).refused(PLAIN, sealed(D, message(chat("x"))).body[:20])
    for chunked in (False, True):
        request, asked = sealed(D, message(chat("once")), chunked), len(E.requests)
        one, other = Asker(D), Asker(D)
        for a in (one, other):
            a.send(request.media, request.body[:-1], request.body[-1:])
        one.s.sendall(request.body[-1:])
        assert one.s.recv(4096).startswith(b"HTTP/1.1 200 ")
        other.s.sendall(request.body[-1:])
        assert other.answer() == expected
        assert len(E.requests) == asked + 1


@tap
def a_repeated_request_is_refused_in_either_form():
    for chunked in (False, True):
        request, seen = sealed(D, message(chat("once")), chunked), len(E.requests)
        assert post(D, request)[0] == 200
        assert D.post(keys(D)["gateway"], request.body, request.media)[0] == 400
        assert D.post(keys(D)["gateway"], request.body, PLAIN if chunked else CHUNKED)[0] == 400
        assert len(E.requests) == seen + 1


@tap
def another_media_type_is_refused_and_both_are_offered():
    status, head, _ = D.post(keys(D)["gateway"], b"x", "message/ohttp-res")
    assert status == 415 and {x.strip() for x in head["accept-post"].split(",")} == {PLAIN, CHUNKED}


@tap
def a_body_without_a_length_is_bounded_as_well():
    path, r = keys(D)["gateway"], sealed(D, message(chat("hello")))
    with socket.create_connection(("127.0.0.1", D.port), timeout=WAIT) as s:
        s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {PLAIN}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() +
                  b"".join(b"%x\r\n%s\r\n" % (1, r.body[i:i + 1]) for i in range(len(r.body))) + b"0\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200 ")
    with socket.create_connection(("127.0.0.1", D.port), timeout=WAIT) as s:
        s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {PLAIN}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            s.sendall(b"10000\r\n" + r.body[:39] + bytes(65536 - 39) + b"\r\n")
            for _ in range(1000):
                s.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
            raise AssertionError("more was taken than any request has")
    assert D.get("/healthz")[0] == 200


@tap
def discovery_tells_one_key_no_longer_than_it_is_good_for():
    section = keys(D)
    status, head, body = D.get(DISCOVERY)
    assert status == 200 and head["content-type"] == "application/ohttp-keys"
    assert int.from_bytes(body[:2], "big") == len(body) - 2
    assert ohttp.key_configs(body) == {X25519: ohttp.key_configs(unb64(section["ohttp_keys"]))[X25519]}
    age = int(re.fullmatch(r"max-age=(\d+)", head["cache-control"])[1])
    assert 0 < age <= section["expires"] - section["created"]


@tap
def without_x25519_discovery_tells_the_default_key():
    with Daemon(engine=E) as d:
        d.wait_ready()
        body = d.get(DISCOVERY)[2]
        assert set(ohttp.key_configs(body)) == {XWING}
        request = ohttp.Request(ohttp.key_configs(body)[XWING][0], bytes(range(9, 41)), message(chat("x")))
        status, head, _ = d.post(DISCOVERY, request.body, PLAIN)
        assert status == 400 and head["content-type"] == "application/problem+json"


@tap
def requests_are_taken_where_the_key_was_found():
    for chunked in (False, True):
        status, _, content = ask(D, message(chat("here")), chunked, path=DISCOVERY)
        assert status == 200 and json.loads(content)["choices"][0]["message"]["content"] == "echo: here"
    assert D.post(DISCOVERY, b"x", "text/plain")[0] == 415


@tap
def a_new_keeper_brings_another_key_to_discovery():
    before = D.get(DISCOVERY)[2]
    D.kill("keeper")
    until(lambda: D.get(DISCOVERY)[0] == 200 and D.get(DISCOVERY)[2] != before, "the new keeper's key")
    until(lambda: D.get("/.well-known/cloister/evidence?nonce=" + "A" * 43)[0] == 200, "evidence")
    assert ask(D, message(chat("again")))[0] == 200


@tap
def a_replayed_request_is_refused_by_every_replica():
    """Each replica has keys of its own, so what one has answered no other can open."""
    with Daemon("--allow-x25519", engine=E) as other:
        other.wait_ready()
        for chunked in (False, True):
            request, seen = sealed(D, message(chat("one replica")), chunked), len(E.requests)
            assert post(D, request)[0] == 200
            assert post(other, request)[0] == 400 and post(D, request)[0] == 400
            assert post(other, request, DISCOVERY)[0] == 400 and post(D, request, DISCOVERY)[0] == 400
            assert post(other, request, keys(D)["gateway"])[0] == 404
            # were the key ids the same, the keys would not be
            key_id = ohttp.key_configs(unb64(keys(other)["ohttp_keys"]))[X25519][0]
            assert post(other, request, body=struct.pack(">B", key_id) + request.body[1:])[0] == 400
            assert len(E.requests) == seen + 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        E = Engine(os.path.join(folder, "engine"))
        with Daemon("--allow-x25519", engine=E) as D:
            D.wait_ready()
            tap.run()
