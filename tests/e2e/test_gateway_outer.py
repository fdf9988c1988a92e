#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the gateway says to anybody: evidence, blobs, readiness, and one answer to everything that can't be opened.

Nothing here has a key: what is well-formed and encrypted is tested with the client.
"""
import base64
import contextlib
import hashlib
import json
import os
import select
import socket
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import WAIT, Daemon, Engine, Tap, until

tap = Tap()
EVIDENCE = "/.well-known/cloister/evidence"
CHUNKED = "message/ohttp-chunked-req"
XWING, HKDF, AES256, ENC = 0x647A, 1, 2, 1120
KEY_PROBLEM = "https://iana.org/assignments/http-problem-types#ohttp-key"


def b64(b):
    return base64.urlsafe_b64encode(b).decode().rstrip("=")


def unb64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


def evidence(d, nonce=None, extra=""):
    status, head, body = d.get(f"{EVIDENCE}?nonce={b64(nonce or os.urandom(32))}{extra}")
    assert status == 200, status
    return head, json.loads(body)


def keys(d):
    return json.loads(unb64(evidence(d)[1]["sections"]["keys"]["bytes"]))


def header(key_id, kem=XWING, kdf=HKDF, aead=AES256):
    return struct.pack(">BHHH", key_id, kem, kdf, aead)


def live_key_id(k):
    """The first entry of the application/ohttp-keys list: length, key id, KEM."""
    _, key_id, kem = struct.unpack(">HBH", unb64(k["ohttp_keys"])[:5])
    assert kem == XWING
    return key_id


@contextlib.contextmanager
def connection(d):
    with socket.create_connection(("127.0.0.1", d.port), timeout=WAIT) as s:
        yield s


def head_of(d, path, length, ctype=CHUNKED):
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {ctype}\r\nContent-Length: {length}\r\n\r\n").encode()


def bodies_that_do_not_open(d):
    """Every way to be wrong under a header that this epoch has."""
    ids = header(live_key_id(keys(d)))
    enc = os.urandom(ENC)
    return {
        "no byte": b"",
        "half of the ids": ids[:3],
        "the ids alone": ids,
        "a short enc": ids + enc[:-1],
        "no chunk": ids + enc,
        "a wrong enc and a final chunk": ids + enc + b"\0" + os.urandom(64),
        "an empty final chunk": ids + enc + b"\0",
        "a chunk that fails to decrypt": ids + enc + b"\x20" + os.urandom(32) + b"\0" + os.urandom(17),
        "an empty chunk that isn't the last": ids + enc + b"\x10" + os.urandom(16),
        "a chunk beyond the limit": ids + enc + b"\x80\x10\x00\x00" + os.urandom(5000),
        "a length that doesn't end": ids + enc + b"\xff",
        "an enc of zeros": ids + bytes(ENC) + b"\0" + os.urandom(64),
        "a long body": ids + enc + b"\0" + os.urandom(100000),
    }


@tap
def a_daemon_with_keys_and_an_engine_is_ready():
    assert D.get("/healthz")[0] == 200
    until(lambda: D.get("/readyz")[0] == 200, "readiness")


@tap
def evidence_has_six_sections_three_of_them_by_digest():
    head, doc = evidence(D)
    assert head["cache-control"] == "no-store" and head["content-type"] == "application/json"
    assert doc["v"] == 1 and set(doc) == {"v", "sections"}
    assert {n: list(s) for n, s in doc["sections"].items()} == {
        "keys": ["bytes"], "cpu": ["bytes"], "batch": ["bytes"],
        "manifest": ["sha256"], "devices": ["sha256"], "collateral": ["sha256"]}


@tap
def full_evidence_has_the_bytes_of_every_section():
    nonce = os.urandom(32)
    short, full = evidence(D, nonce)[1]["sections"], evidence(D, nonce, "&full=1")[1]["sections"]
    for name in ("manifest", "devices", "collateral"):
        assert hashlib.sha256(unb64(full[name]["bytes"])).hexdigest() == short[name]["sha256"]


@tap
def each_nonce_has_its_own_path_to_its_own_root():
    nonce = os.urandom(32)
    batch = json.loads(unb64(evidence(D, nonce)[1]["sections"]["batch"]["bytes"]))
    if batch["size"] == 1:
        assert bytes.fromhex(batch["root"]) == hashlib.sha256(b"\0" + nonce).digest()
    other = json.loads(unb64(evidence(D)[1]["sections"]["batch"]["bytes"]))
    assert other["root"] != batch["root"]


@tap
def a_nonce_that_is_not_32_canonical_bytes_is_refused():
    good = b64(bytes(32))
    for query in ["", "?nonce=", "?nonce=" + good[:-1], "?nonce=" + good + "A", "?nonce=" + good + "%3D", "?nonce=" + good[:-1] + "B",
                  "?nonce=" + good[:-1] + "%2B", f"?nonce={good}&nonce={good}", f"?nonce={good}&full=2", f"?nonce={good}&full",
                  f"?nonce={good}&other=1", f"?nonce={good}&full=1&full=1", "?nonce"]:
        status, head, body = D.get(EVIDENCE + query)
        assert (status, body) == (400, b""), (query, status)
        assert head["cache-control"] == "no-store"


@tap
def blobs_are_named_by_their_digest_and_immutable():
    sections = evidence(D)[1]["sections"]
    for name in ("manifest", "devices", "collateral"):
        digest = sections[name]["sha256"]
        status, head, body = D.get(f"{GATEWAY}/blob/{digest}")
        assert status == 200 and hashlib.sha256(body).hexdigest() == digest
        assert "immutable" in head["cache-control"] and "public" in head["cache-control"]
        assert D.get(f"{GATEWAY}/blob/{digest.upper()}")[0] == 404
    for bad in ("", "00", "0" * 64, "g" * 64, "../../etc/passwd"):
        assert D.get(f"{GATEWAY}/blob/{bad}")[0] == 404


@tap
def everything_that_can_not_be_opened_gets_one_answer():
    answers = {}
    for what, body in bodies_that_do_not_open(D).items():
        status, head, text = D.post(GATEWAY, body)
        head.pop("date", None)
        answers[what] = (status, text, sorted(head.items()))
    assert len({repr(a) for a in answers.values()}) == 1, answers
    status, text, head = answers["no byte"]
    assert status == 400 and text == b"" and dict(head)["content-length"] == "0"


@tap
def the_one_answer_comes_when_the_body_has_ended_and_not_before():
    for what, body in bodies_that_do_not_open(D).items():
        if len(body) < 2:
            continue
        with connection(D) as s:
            s.sendall(head_of(D, GATEWAY, len(body)) + body[:-1])
            assert not select.select([s], [], [], 0.15)[0], what
            s.sendall(body[-1:])
            assert s.recv(4096).startswith(b"HTTP/1.1 400 "), what


@tap
def a_key_id_or_suite_that_this_epoch_lacks_gets_the_ohttp_key_problem():
    key_id = live_key_id(keys(D))
    for ids in (header(key_id ^ 0x80), header(key_id, kem=0x0020), header(key_id, kem=0x0011), header(key_id, kdf=2),
                header(key_id, kdf=0x0011), header(key_id, aead=0xFFFF), header(key_id, aead=9)):
        status, head, body = D.post(GATEWAY, ids + os.urandom(ENC) + b"\0" + os.urandom(50))
        assert status == 400 and head["content-type"] == "application/problem+json", ids.hex()
        assert json.loads(body)["type"] == KEY_PROBLEM


@tap
def a_body_larger_than_any_request_is_refused_before_it_is_read():
    with connection(D) as s:
        s.sendall(head_of(D, GATEWAY, 1 << 40))
        assert s.recv(4096).startswith(b"HTTP/1.1 400 ")


@tap
def a_body_of_two_lengths_is_refused_and_ends_the_connection():
    """What one reader takes for the rest of a body another takes for the next request."""
    for fields in ("Content-Length: 0\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 0",
                   "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity",
                   "Content-Length: 5\r\nTransfer-Encoding : chunked", "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked",
                   "Content-Length:\r\n 5", "Content-Length: 5\r\n 0", "Content-Length : 5"):
        for start in (f"POST {GATEWAY}", "GET /healthz"):
            with connection(D) as s:
                s.sendall(f"{start} HTTP/1.1\r\nHost: x\r\nContent-Type: {CHUNKED}\r\n{fields}\r\n\r\n0\r\n\r\n".encode())
                text = b"".join(iter(lambda s=s: s.recv(65536), b""))
            assert text.startswith(b"HTTP/1.1 400 ") and text.count(b"HTTP/1.1 ") == 1, (fields, text)


@tap
def other_media_types_paths_and_methods_are_refused():
    for ctype in ("message/ohttp-res", "application/json", "text/plain", "message/ohttp-chunked-res"):
        assert D.post(GATEWAY, b"x", ctype)[0] == 415
    assert D.post("/r/0000000000000000", b"x")[0] == 404
    assert D.post("/v1/chat/completions", b"{}", "application/json")[0] == 404
    assert D.get("/v1/models")[0] == 404 and D.get("/slots")[0] == 404 and D.get("/")[0] == 404
    assert D.get(GATEWAY)[0] == 405 and D.post(EVIDENCE, b"")[0] == 405 and D.post("/healthz", b"")[0] == 405


@tap
def a_refused_request_reaches_no_engine():
    assert E.requests == []


@tap
def those_who_hang_up_in_the_middle_leave_the_gateway_as_it_was():
    gateway = D.children()["gateway"]
    for body in bodies_that_do_not_open(D).values():
        with connection(D) as s:
            s.sendall(head_of(D, GATEWAY, len(body) + 10) + body)
    with connection(D) as s:
        s.sendall(f"GET {EVIDENCE}?nonce={b64(os.urandom(32))} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    evidence(D)
    assert D.children()["gateway"] == gateway


@tap
def a_full_house_is_open_again_when_it_has_emptied():
    with Daemon("--max-connections", "4", engine=E) as d, contextlib.ExitStack() as stack:
        d.wait_ready()
        for _ in range(8):
            stack.enter_context(connection(d))
        with connection(d) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not select.select([s], [], [], 0.3)[0]
            stack.close()
            assert s.recv(4096).startswith(b"HTTP/1.1 200 ")


@tap
def many_askers_at_once_each_get_evidence_for_their_own_nonce():
    nonces = [os.urandom(32) for _ in range(50)]
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connection(D)) for _ in nonces]
        for s, n in zip(socks, nonces):
            s.sendall(f"GET {EVIDENCE}?nonce={b64(n)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        for s, n in zip(socks, nonces):
            text = b"".join(iter(lambda s=s: s.recv(65536), b""))
            batch = json.loads(unb64(json.loads(text.split(b"\r\n\r\n", 1)[1])["sections"]["batch"]["bytes"]))
            at, index, size = hashlib.sha256(b"\0" + n).digest(), batch["index"], batch["size"]
            last = size - 1
            for sibling in map(bytes.fromhex, batch["path"]):  # RFC 9162 section 2.1.3.2
                if index & 1 or index == last:
                    at = hashlib.sha256(b"\1" + sibling + at).digest()
                    while not index & 1 and index:
                        index, last = index >> 1, last >> 1
                else:
                    at = hashlib.sha256(b"\1" + at + sibling).digest()
                index, last = index >> 1, last >> 1
            assert at == bytes.fromhex(batch["root"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        E = Engine(os.path.join(folder, "engine"))
        with Daemon(engine=E) as D:
            D.wait_ready()
            GATEWAY = keys(D)["gateway"]
            tap.run()
