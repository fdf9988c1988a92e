#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Oblivious HTTP as others wrote it, in Rust (the crates ohttp and bhttp): as clients of cloisterd, and as gateways for `cloister`."""
import functools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import peers  # noqa: E402
from harness import Tap  # noqa: E402
from peers import KEMS, LONG, Front, ask, served  # noqa: E402

test = Tap()
peer = functools.lru_cache(None)(peers.rust)
AEADS = ("aes-128-gcm", "chacha20-poly1305")  # of the three, those that the crate has


# ---- its client, cloisterd ----


@test
def its_plain_client_is_answered_in_every_suite():
    program = peer()
    with served() as (_, url, keys, engine):
        for kem in KEMS:
            for aead in AEADS:
                assert ask(program, url, keys, "plain", kem, aead, "one two").text() == "echo: one two", (kem, aead)
        assert len(engine.requests) == len(KEMS) * len(AEADS)


@test
def its_chunked_client_is_answered():
    """With AES-128-GCM alone: the crate reserves 16 bytes for the response's nonce, and the others have 32."""
    program = peer()
    with served() as (_, url, keys, _):
        for kem in KEMS:
            assert ask(program, url, keys, "chunked", kem, "aes-128-gcm", "one two").text() == "echo: one two", kem


@test
def a_shaped_answer_is_decoded():
    """Informational responses before the status is known, comments between events, and what fills the last frames."""
    program = peer()
    with served(shape="full") as (_, url, keys, _):
        assert ask(program, url, keys, "chunked", "x-wing", "aes-128-gcm", "one two").text() == "echo: one two"


@test
def a_long_request_and_its_answer_arrive_whole():
    program = peer()
    with served() as (_, url, keys, _):
        for form in ("plain", "chunked"):
            assert ask(program, url, keys, form, "x-wing", "aes-128-gcm", LONG).text() == "echo: " + LONG, form


# ---- `cloister`, its gateway ----


@test
def cloister_is_answered_in_every_suite():
    program = peer()
    for kem in KEMS:
        for aead in AEADS:
            with Front(program, kem, aead) as f:
                f.answers("one two", kems=["x-wing", "x25519"], aeads=[aead])


@test
def a_long_question_and_its_answer_arrive_whole():
    with Front(peer(), "x-wing", "chacha20-poly1305") as f:
        f.answers(LONG)


if __name__ == "__main__":
    test.run()
