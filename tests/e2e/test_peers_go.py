#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Oblivious HTTP as others wrote it, in Go (github.com/openpcc/ohttp): as clients of cloisterd, and as gateways for `cloister`."""
import functools
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import peers  # noqa: E402
from harness import API_KEY, Tap  # noqa: E402
from peers import AEADS, KEMS, LONG, Front, ask, served  # noqa: E402

test = Tap()
peer = functools.lru_cache(None)(peers.go)
FORMS = ("chunked", "plain")


# ---- its client, cloisterd ----


@test
def its_client_is_answered_in_every_form_and_suite():
    program = peer()
    with served() as (_, url, keys, engine):
        for form in FORMS:
            for kem in KEMS:
                for aead in AEADS:
                    assert ask(program, url, keys, form, kem, aead, "one two").text() == "echo: one two", (form, kem, aead)
        assert len(engine.requests) == len(FORMS) * len(KEMS) * len(AEADS)


@test
def its_client_discovers_a_key_that_is_attested():
    program = peer()
    with served() as (d, _, keys, _):
        url = d.url + "/.well-known/ohttp-gateway"
        status, head, found = d.get("/.well-known/ohttp-gateway", {"Accept": "application/ohttp-keys"})
        assert status == 200 and head["content-type"] == "application/ohttp-keys" and found in keys, (status, head)
        for form in FORMS:
            assert ask(program, url, found, form, "x25519", "aes-256-gcm", "hi").text() == "echo: hi", form


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
        for form in FORMS:
            assert ask(program, url, keys, form, "x-wing", "aes-256-gcm", LONG).text() == "echo: " + LONG, form


@test
def an_answer_that_is_no_stream_arrives_whole():
    program = peer()
    with served() as (_, url, keys, _):
        for form in FORMS:
            a = ask(program, url, keys, form, "x-wing", "aes-256-gcm", "hi", stream=False)
            assert a.status == 200 and a.type.startswith("application/json"), (a.status, a.type)
            assert json.loads(a.body)["choices"][0]["message"]["content"] == "echo: hi"


@test
def a_wrong_api_key_is_told_inside_the_encryption():
    program = peer()
    with served() as (_, url, keys, engine):
        for form in FORMS:
            a = ask(program, url, keys, form, "x-wing", "aes-256-gcm", "hi", key=API_KEY + "x")
            assert a.status == 401 and json.loads(a.body)["error"]["message"], (a.status, a.body)
        assert engine.requests == []


# ---- `cloister`, its gateway ----


@test
def cloister_is_answered_in_every_suite():
    program = peer()
    for kem in KEMS:
        for aead in AEADS:
            with Front(program, kem, aead) as f:
                f.answers("one two", kems=["x-wing", "x25519"], aeads=[aead])


@test
def cloister_takes_from_an_offer_what_its_policy_names():
    with Front(peer(), "x-wing", *AEADS) as f:
        f.answers("hi")


@test
def cloister_prints_its_answer_as_json():
    with Front(peer(), "x-wing", "aes-256-gcm") as f:
        r = f.chat("--json", "hi")
        assert r.returncode == 0 and "echo: hi" in json.loads(r.stdout).values(), (r.returncode, r.stdout, r.stderr)


@test
def a_long_question_and_its_answer_arrive_whole():
    with Front(peer(), "x-wing", "aes-256-gcm") as f:
        f.answers(LONG)


@test
def cloister_sends_nothing_where_no_suite_is_one_of_its_policy():
    for offer in (("x25519", "aes-256-gcm"), ("x-wing", "aes-128-gcm")):
        with Front(peer(), *offer) as f:
            assert f.chat("hi").returncode == 10, offer
            assert f.posts == [], offer


@test
def cloister_refuses_an_unchunked_answer_to_its_chunked_request():
    with Front(peer(), "x-wing", "aes-256-gcm", "unchunked") as f:
        r = f.chat("hi")
        assert r.returncode == 1 and r.stdout == b"" and b"no answer came" in r.stderr, (r.returncode, r.stdout, r.stderr)
        assert len(f.posts) == 1, f.posts


if __name__ == "__main__":
    test.run()
